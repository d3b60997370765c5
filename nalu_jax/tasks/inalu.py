"""The two-input tasks of the iNALU paper, and its sums over 100 inputs.

    two inputs: t = a op b, op one of + - * /; 64,000 rows each for training, interpolation and extrapolation
    100 inputs: every input is summed into a (probability 1/2), into b (1/4) or left out (1/4); t = a op b

Batch 64, 100 epochs, seeds 100 to 109; a run is a success where its extrapolation error (MSE) is below 1e-5.
`SETS` are the distributions with published results, `LARGE_SETS` those of the task with 100 inputs.

Reference:
    Schlör, Ring, Hotho, "iNALU: Improved Neural Arithmetic Logic Unit", Frontiers in AI 3:71, 2020,
    https://arxiv.org/abs/2003.07629

Example:
    >>> import jax
    >>> from nalu_jax.tasks import inalu
    >>> x, y = inalu.rows(jax.random.key(0), inalu.SETS["U(-1,1)"].train, "div", count=8)
    >>> x.shape, y.shape
    ((8, 2), (8, 1))
"""

import functools

import jax
import jax.numpy as jnp
from jax import Array

from .. import _arguments
from . import _kinds, draw
from .division import Distribution, Set
from .single_module import OPERATIONS as OPERATIONS
from .single_module import operate

ROWS = 64_000
BATCH = 64
EPOCHS = 100
SEEDS = tuple(range(100, 110))
THRESHOLD = 1e-5
N_IN = 100  # of the sums

PUBLISHED = {
    "nalu": {"add": (0.43, 0.39, 0.0), "sub": (0.0, 0.01, 0.0), "mul": (0.47, 0.24, 0.0), "div": (0.0, 0.0, 0.0)},
    "inalu shared": {
        "add": (0.86, 1.0, 1.0),
        "sub": (0.76, 0.54, 0.65),
        "mul": (0.49, 0.86, 0.0),
        "div": (0.34, 0.04, 0.0),
    },
    "inalu": {"add": (1.0, 1.0, 0.8), "sub": (1.0, 1.0, 0.85), "mul": (0.71, 0.86, 0.0), "div": (0.34, 0.09, 0.0)},
}
"""Share of runs below the threshold, in experiments 1, 2 (two inputs) and 4 (100 inputs), from the published files."""


def _uniform(low: float, high: float) -> Distribution:
    return functools.partial(draw.uniform, bounds=(low, high))


def _normal(low: float, high: float) -> Distribution:
    """Mean in the middle, deviation a sixth of the width, truncated at both ends."""
    middle, deviation = (low + high) / 2, (high - low) / 6
    return functools.partial(draw.truncated_normal, mean=middle, deviation=deviation, low=low, high=high)


def _exponential(scale: float) -> Distribution:
    return functools.partial(draw.exponential, scale=scale)


SETS = {
    "U(-1,1)": Set(_uniform(-1.0, 1.0), _uniform(-10.0, -5.0)),
    "U(-5,5)": Set(_uniform(-5.0, 5.0), _uniform(-10.0, -5.0)),
    "N(-3,3)": Set(_normal(-3.0, 3.0), _normal(8.0, 10.0)),
    "N(-2,4)": Set(_normal(-2.0, 4.0), _normal(8.0, 10.0)),
    "N(-4,2)": Set(_normal(-4.0, 2.0), _normal(8.0, 10.0)),
    "E(0.2)": Set(_exponential(0.2), _exponential(0.5)),
    "E(0.8)": Set(_exponential(0.8), _exponential(0.5)),
}
LARGE_SETS = {
    "U(-3,3)": Set(_uniform(-3.0, 3.0), _uniform(-5.0, -3.0)),
    "N(-3,3)": Set(_normal(-3.0, 3.0), _normal(3.0, 4.0)),
}


@_arguments.checked(
    "inalu.rows",
    key=_kinds.KEY,
    distribution=_kinds.DISTRIBUTION,
    operation=_kinds.operation(OPERATIONS),
    count=_arguments.count(),
)
def rows(key: Array, distribution: Distribution, operation: str, *, count: int) -> tuple[Array, Array]:
    """x (count, 2) and y (count, 1), float32."""
    x = distribution(key, (count, 2))
    return x, operate(operation, x[:, :1], x[:, 1:])


@_arguments.checked("inalu.members", key=_kinds.KEY, n_in=_arguments.count())
def members(key: Array, n_in: int = N_IN) -> Array:
    """(n_in, 2): 1 where an input belongs to a (probability 1/2), and where to b (1/4)."""
    u = jax.random.uniform(key, (n_in,))
    return jnp.stack([u < 0.5, (u >= 0.5) & (u < 0.75)], -1).astype(jnp.float32)


@_arguments.checked(
    "inalu.large_rows",
    key=_kinds.KEY,
    distribution=_kinds.DISTRIBUTION,
    operation=_kinds.operation(OPERATIONS),
    members=_arguments.array(axes=2),
    count=_arguments.count(),
)
def large_rows(
    key: Array, distribution: Distribution, operation: str, members: Array, *, count: int
) -> tuple[Array, Array]:
    """x (count, n_in) and y (count, 1) for the sums that `members` (n_in, 2) describes."""
    _arguments.check_shape("inalu.large_rows", "members", members, (len(members), 2), "Make them with inalu.members.")
    x = distribution(key, (count, members.shape[0]))
    sums = jnp.matmul(x, members, precision=jax.lax.Precision.HIGHEST)
    return x, operate(operation, sums[:, :1], sums[:, 1:])
