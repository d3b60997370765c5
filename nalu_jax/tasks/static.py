"""The arithmetic task over 100 inputs: a and b are sums of two overlapping subsets, t = a op b.

    a = sum of x[offset : offset + 25], b = sum of x[offset + 13 : offset + 38]    12 shared inputs, offset by seed
    t = a + b, a - b, a b, a / b, sqrt a, a^2
    train, validation: U[1, 2], 128 fresh rows a step; test: U[2, 6], 10,000 rows

Networks have two layers, 100 -> 2 -> 1. A run is a success where its test error is below that of a network whose first
layer is off by eps = 1e-5 (1 - eps instead of 1, eps instead of 0) and whose second layer is perfect: `THRESHOLDS`
holds the published values, `simulated_threshold` computes them. The published ones come from subsets of 26 (slices of R
include both ends); the subsets of the data have 25. Published networks train for 5,000,000 iterations, 100 seeds.

Reference:
    Madsen, Johansen, "Neural Arithmetic Units", ICLR 2020, https://arxiv.org/abs/2001.05016, and its repository.

Example:
    >>> import jax
    >>> from nalu_jax.tasks import static
    >>> x, y = static.batch(jax.random.key(0), (1.0, 2.0), "sub", offset=static.offset(seed=0))
    >>> x.shape, y.shape
    ((128, 100), (128, 1))
    >>> static.subsets(100)
    Subsets(size=25, shared=12, used=38)
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from .. import _arguments
from . import _kinds
from .draw import Bounds, uniform

OPERATIONS = ("add", "sub", "mul", "div", "root", "squared")
N_IN, N_HIDDEN = 100, 2
SUBSET_RATIO, OVERLAP_RATIO = 0.25, 0.5
BATCH = 128
SAMPLES = 10_000  # of a block of a simulated threshold
STEPS = 5_000_000
SEEDS = tuple(range(100))
TRAIN, TEST = (1.0, 2.0), ((2.0, 6.0),)
THRESHOLDS = {
    "add": 1.478e-5,
    "sub": 1.385e-8,
    "mul": 0.1600,
    "div": 4.955e-12,
    "root": 8.953e-9,
    "squared": 0.1595,
}
PUBLISHED = {"mul": 0.98, "add": 1.0, "sub": 1.0, "div": 0.0, "root": 0.07, "squared": 1.0}
"""The best published success of the networks with NMU (mul, squared), NAU (add, sub) and NAC (root) second layers."""


class Subsets(NamedTuple):
    """Sizes: of each subset, of their intersection, of their union."""

    size: int
    shared: int
    used: int


DATA_SUBSETS = Subsets(25, 12, 38)
PUBLISHED_SUBSETS = Subsets(26, 13, 39)  # of the published thresholds
_SIZES = _arguments.instance("sizes of subsets", "Make them with static.subsets.", Subsets)


@_arguments.checked(
    "static.subsets",
    n_in=_arguments.count(),
    subset_ratio=_arguments.number(0.0, 1.0),
    overlap_ratio=_arguments.number(0.0, 1.0),
)
def subsets(n_in: int, *, subset_ratio: float = SUBSET_RATIO, overlap_ratio: float = OVERLAP_RATIO) -> Subsets:
    """The sizes that the ratios give, each rounded down."""
    size = int(n_in * subset_ratio)
    shared = int(size * overlap_ratio)
    return Subsets(size, shared, 2 * size - shared)


@_arguments.checked("static.offset", seed=_kinds.SEED, sizes=_SIZES, n_in=_arguments.count())
def offset(seed: int, sizes: Subsets = DATA_SUBSETS, n_in: int = N_IN) -> int:
    """Where the first subset starts, for this seed of the protocol (NumPy's legacy generator)."""
    if n_in < sizes.used:
        raise ValueError(f"static.offset: n_in must be at least {sizes.used}, what both subsets use, got {n_in}.")
    return int(np.random.RandomState(seed).randint(0, n_in - sizes.used + 1))


@_arguments.checked("static.masks", offset=_kinds.index(), sizes=_SIZES, n_in=_arguments.count())
def masks(offset: ArrayLike, sizes: Subsets = DATA_SUBSETS, n_in: int = N_IN) -> Array:
    """(n_in, 2), 1 where an input belongs to a, and to b: the perfect first layer. offset may be traced."""
    _kinds.check_offset("static.masks", offset, sizes.used, n_in)
    position = jnp.arange(n_in) - offset
    second = position - (sizes.size - sizes.shared)
    inside = [(start >= 0) & (start < sizes.size) for start in (position, second)]
    return jnp.stack(inside, -1).astype(jnp.float32)


@_arguments.checked(
    "static.operate", operation=_kinds.operation(OPERATIONS), a=_arguments.array(), b=_arguments.array()
)
def operate(operation: str | ArrayLike, a: Array, b: Array) -> Array:
    """a op b; operation is a name, or its index in OPERATIONS as an array."""
    _kinds.check_alike("static.operate", "a", a, "b", b)
    functions = (
        lambda: a + b,
        lambda: a - b,
        lambda: a * b,
        lambda: a / b,
        lambda: jnp.sqrt(a),
        lambda: a * a,
    )
    if not isinstance(operation, str):
        results = jnp.stack([function() for function in functions])
        return jnp.take(results, jnp.asarray(operation), axis=0)
    return functions[OPERATIONS.index(operation)]()


@_arguments.checked(
    "static.target", x=_arguments.array(), operation=_kinds.operation(OPERATIONS), offset=_kinds.index(), sizes=_SIZES
)
def target(x: Array, operation: str | ArrayLike, offset: ArrayLike, sizes: Subsets = DATA_SUBSETS) -> Array:
    """y (..., 1) of x (..., n_in)."""
    x = _kinds.inputs("static.target", x)
    sums = jnp.matmul(x, masks(offset, sizes, x.shape[-1]).astype(x.dtype), precision=lax.Precision.HIGHEST)
    return operate(operation, sums[..., :1], sums[..., 1:])


@_arguments.checked(
    "static.batch",
    key=_kinds.KEY,
    bounds=_kinds.BOUNDS,
    operation=_kinds.operation(OPERATIONS),
    offset=_kinds.index(),
    sizes=_SIZES,
    n_in=_arguments.count(),
    rows=_arguments.count(),
)
def batch(
    key: Array,
    bounds: Bounds,
    operation: str | ArrayLike,
    *,
    offset: ArrayLike,
    sizes: Subsets = DATA_SUBSETS,
    n_in: int = N_IN,
    rows: int = BATCH,
) -> tuple[Array, Array]:
    """Fresh rows: x (rows, n_in) and y (rows, 1), float32; bounds, operation (as an index) and offset may be traced."""
    x = uniform(key, (rows, n_in), bounds)
    return x, target(x, operation, offset, sizes)


@_arguments.checked(
    "static.simulated_threshold",
    key=_kinds.KEY,
    operation=_arguments.choice(*OPERATIONS),
    bounds=_kinds.BOUNDS,
    sizes=_SIZES,
    n_in=_arguments.count(),
    eps=_arguments.number(0.0),
    rows=_arguments.count(SAMPLES),
)
def simulated_threshold(
    key: Array,
    operation: str,
    bounds: Bounds,
    *,
    sizes: Subsets = PUBLISHED_SUBSETS,
    n_in: int = N_IN,
    eps: float = 1e-5,
    rows: int = 1_000_000,
) -> Array:
    """Mean squared error of a network whose first layer is off by eps, by simulation; a scalar.

    Differences are computed from the deviations of a and b, never by subtracting two results, so that float32 does.

    Args:
        key: a PRNG key.
        operation: a name from OPERATIONS.
        bounds: of the test range, as in `draw.uniform`.
        sizes: of the subsets; the default is that of the published thresholds.
        n_in: number of inputs.
        eps: how far the weights are off.
        rows: samples, at least 10,000, drawn in blocks of so many (rounded down to whole blocks).
    """
    first_layer = masks(0, sizes, n_in)

    def block(key: Array) -> Array:
        x = uniform(key, (SAMPLES, n_in), bounds)
        a, b = jnp.matmul(x, first_layer, precision=lax.Precision.HIGHEST).T
        da, db = eps * jnp.matmul(x, 1 - 2 * first_layer, precision=lax.Precision.HIGHEST).T
        difference = {
            "add": lambda: da + db,
            "sub": lambda: da - db,
            "mul": lambda: da * b + a * db + da * db,
            "div": lambda: (da - a / b * db) / (b + db),
            "root": lambda: da / (jnp.sqrt(a + da) + jnp.sqrt(a)),
            "squared": lambda: da * (2 * a + da),
        }[operation]()
        return jnp.mean(difference**2)

    return jnp.mean(lax.map(block, jax.random.split(key, rows // SAMPLES)))
