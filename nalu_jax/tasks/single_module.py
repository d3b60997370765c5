"""The single-module arithmetic task: y = x_0 op x_1 with one layer, n_in of 2, 10 or 100, op one of + - * /.

    train, validation: x ~ U of a narrow range, 128 fresh rows a step, 10,000 rows
    test:              x ~ U of a range outside it, 10,000 rows
    the two relevant inputs stand at offset, offset + 1, which depends on the seed; all others are distractors

A run is evaluated at the logged step with the lowest validation error, and is a success where the test error there is
below a threshold: flat, 1e-5; or the error of a solution whose weights are off by eps (`threshold`).
Seeds are 0 to 24, iterations 50,000, or 100,000 with 10 and 100 inputs (NAU, and all quotients with 10).

Deviations: inputs are float32 numbers and targets the rounded results for these; the protocol draws and computes in
float64 and rounds both. Uniforms leave out the ends of their range (`draw.open_uniform`). Training streams are JAX's.

Reference:
    Mistry, Farrahi, Hare, "A Primer for Neural Arithmetic Logic Modules", JMLR 23(185), 2022,
    https://arxiv.org/abs/2101.09530, and its repository nalm-benchmark.

Example:
    >>> from nalu_jax.tasks import single_module
    >>> [range.name for range in single_module.RANGES][:3]
    ['U[-20,-10]', 'U[-2,-1]', 'U[-1.2,-1.1]']
    >>> single_module.offset(seed=0, n_in=10)
    5
"""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from .. import _arguments
from . import _kinds
from .draw import Bounds, uniform

OPERATIONS = ("add", "sub", "mul", "div")
SEEDS = tuple(range(25))
BATCH = 128
HELD_OUT = 10_000  # rows of the validation set and of the test set
VALIDATION_SEED, TEST_SEED = 43953907, 8689336
FLAT_THRESHOLD = 1e-5

Intervals = tuple[tuple[float, float], ...]


class Range(NamedTuple):
    """A training range, and the intervals of its test range."""

    train: tuple[float, float]
    test: Intervals

    @property
    def name(self) -> str:
        return f"U[{self.train[0]:g},{self.train[1]:g}]"


RANGES = (
    Range((-20.0, -10.0), ((-40.0, -20.0),)),
    Range((-2.0, -1.0), ((-6.0, -2.0),)),
    Range((-1.2, -1.1), ((-6.1, -1.2),)),
    Range((-0.2, -0.1), ((-2.0, -0.2),)),
    Range((-2.0, 2.0), ((-6.0, -2.0), (2.0, 6.0))),
    Range((0.1, 0.2), ((0.2, 2.0),)),
    Range((1.0, 2.0), ((2.0, 6.0),)),
    Range((1.1, 1.2), ((1.2, 6.0),)),
    Range((10.0, 20.0), ((20.0, 40.0),)),
)


@_arguments.checked(
    "single_module.operate", operation=_kinds.operation(OPERATIONS), a=_arguments.array(), b=_arguments.array()
)
def operate(operation: str | ArrayLike, a: Array, b: Array) -> Array:
    """a op b; operation is a name, or its index in OPERATIONS as an array, so that one program serves all four."""
    _kinds.check_alike("single_module.operate", "a", a, "b", b)
    if not isinstance(operation, str):
        index = jnp.asarray(operation)
        return jnp.where(index < 2, jnp.where(index == 0, a + b, a - b), jnp.where(index == 2, a * b, a / b))
    return {"add": jnp.add, "sub": jnp.subtract, "mul": jnp.multiply, "div": jnp.divide}[operation](a, b)


@_arguments.checked(
    "single_module.target", x=_arguments.array(), operation=_kinds.operation(OPERATIONS), offset=_kinds.index()
)
def target(x: Array, operation: str | ArrayLike, offset: ArrayLike = 0) -> Array:
    """y (..., 1) of x (..., n_in)."""
    x = _kinds.inputs("single_module.target", x)
    _kinds.check_offset("single_module.target", offset, 2, x.shape[-1])
    if isinstance(offset, int):
        a, b = x[..., offset], x[..., offset + 1]
    else:
        a, b = jnp.take(x, offset, axis=-1), jnp.take(x, offset + 1, axis=-1)
    return operate(operation, a, b)[..., None]


@_arguments.checked(
    "single_module.batch",
    key=_kinds.KEY,
    bounds=_kinds.BOUNDS,
    operation=_kinds.operation(OPERATIONS),
    offset=_kinds.index(),
    n_in=_arguments.count(2),
    rows=_arguments.count(),
)
def batch(
    key: Array, bounds: Bounds, operation: str | ArrayLike, *, offset: ArrayLike = 0, n_in: int = 2, rows: int = BATCH
) -> tuple[Array, Array]:
    """Fresh rows: x (rows, n_in) and y (rows, 1), float32.

    Args:
        key: a PRNG key.
        bounds: (2,) or (pieces, 2), as in `draw.uniform`; an array may be traced.
        operation: a name, or an index into OPERATIONS that may be traced.
        offset: index of the first relevant input; may be traced.
        n_in: number of inputs.
        rows: number of rows.
    """
    _kinds.check_offset("single_module.batch", offset, 2, n_in)
    x = uniform(key, (n_in, rows), bounds).T  # rows last in memory: a loop over many runs vectorises over them
    return x, target(x, operation, offset)


@_arguments.checked("single_module.offset", seed=_kinds.SEED, n_in=_arguments.count(2))
def offset(seed: int, n_in: int) -> int:
    """Where the two relevant inputs start, for this seed of the protocol (NumPy's legacy generator)."""
    return int(np.random.RandomState(seed).randint(0, n_in - 2 + 1))


@_arguments.checked(
    "single_module.held_out",
    intervals=_kinds.INTERVALS,
    seed=_kinds.SEED,
    n_in=_arguments.count(),
    rows=_arguments.count(),
)
def held_out(intervals: Intervals, *, seed: int, n_in: int = 2, rows: int = HELD_OUT) -> np.ndarray:
    """The inputs (rows, n_in) of the protocol's validation and test sets, float32, the same for all runs.

    Args:
        intervals: one, or two of equal widths: then all of the first are drawn, all of the second, and a fair coin for
            every element.
        seed: VALIDATION_SEED or TEST_SEED.
        n_in: number of inputs.
        rows: number of rows.
    """
    random = np.random.RandomState(seed)
    drawn = [random.uniform(low, high, (rows, n_in)) for low, high in intervals]
    if len(drawn) == 2:
        drawn = [np.where(random.randint(0, 2, (rows, n_in)) == 1, *drawn)]
    return drawn[0].astype(np.float32)


@_arguments.checked(
    "single_module.threshold",
    operation=_arguments.choice(*OPERATIONS),
    test=_kinds.INTERVALS,
    n_in=_arguments.count(2),
    eps=_arguments.number(0.0),
)
def threshold(operation: str, test: Intervals, *, n_in: int = 2, eps: float = 1e-5) -> float:
    """Mean squared error on the test range of a solution whose weights are off by eps: what the protocol simulates.

    With m_1 = E|x|, m_2 = E[x^2] and v = m_2 - m_1^2 of one input, and a = E[1 / x^2]:

        add, sub   x_0 op x_1 - eps sum_i |x_i|    eps^2 (n v + n^2 m_1^2)
        mul        c x_0 x_1 P                     m_2^2 E[(c P - 1)^2], c = (1 - eps)^2
        div        c x_0 / x_1 P                   m_2 a E[(c P - 1)^2], c = (1 - eps) / (1 + eps)

    where P = prod_j (1 - eps |x_j|) over the n_in - 2 distractors. The protocol's own file has eps = 1e-4,
    its siblings 1e-5. Intervals are taken by magnitude, so they must not contain 0.

    Raises:
        ValueError: an interval contains 0, two have other magnitudes, eps is no small number, or operation is unknown.
    """
    low, high = sorted(abs(end) for end in test[0])
    if test[0][0] * test[0][1] <= 0:
        raise ValueError(f"single_module.threshold: the test range {test} contains 0, where a quotient has no moments.")
    if any(sorted(map(abs, interval)) != [low, high] for interval in test):
        raise ValueError(f"single_module.threshold: the intervals of test must have one magnitude, got {test}.")
    first, second = (low + high) / 2, (low * low + low * high + high * high) / 3
    variance = (high - low) ** 2 / 12
    if operation in ("add", "sub"):
        return eps**2 * (n_in * variance + (n_in * first) ** 2)
    if eps * max(high, 1.0) >= 1:
        raise ValueError(f"single_module.threshold: eps must be below 1 / {max(high, 1.0):g} here, got {eps!r}.")
    log_c = 2 * math.log1p(-eps) if operation == "mul" else math.log1p(-eps) - math.log1p(eps)
    scale = second * (second if operation == "mul" else 1 / (low * high))
    # E[(cP - 1)^2] = (E[cP] - 1)^2 + Var[cP], each without the cancellation of its textbook form
    distractors = n_in - 2
    log_mean = log_c + distractors * math.log1p(-eps * first)
    spread = distractors * math.log1p(eps**2 * variance / (1 - eps * first) ** 2)
    return scale * (math.expm1(log_mean) ** 2 + math.exp(2 * log_mean) * math.expm1(spread))
