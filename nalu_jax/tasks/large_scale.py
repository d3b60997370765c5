"""The large-scale arithmetic task: one function of two sums over 100 inputs, from a Sobol sequence.

    a = sum of x[0:50], b = sum of x[38:88]        fixed positions
    y = a + b, a b, 1 / a or sqrt a

    train: the sequence without its first point (all zeros), in order, 128 points a step, mapped to the training range
    test:  10,000 points, also without the first, mapped to the test range of the paper's script

Published (Table 1 of the paper): median test MSE of the ten best runs by test error; a median over all runs is
stricter.

Reference:
    Heim, Pevny, Smidl, "Neural Power Units", NeurIPS 2020, section 4.3, https://arxiv.org/abs/2006.01681

Example:
    >>> from nalu_jax.tasks import draw, large_scale
    >>> directions = draw.sobol_directions(large_scale.N_IN, bits=12)
    >>> x, y = large_scale.batch(0, "add", directions, rows=4)
    >>> x.shape, float(x[0, 0]), float(y[0, 0])  # the first point is the middle of the range
    ((4, 100), 0.0, 0.0)
"""

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from .. import _arguments
from . import _kinds
from .draw import sobol, sobol_at

N_IN = 100
BATCH = 128
STEPS = 100_000
RUNS = 10
TEST_POINTS = 10_000
FIRST, SECOND = slice(0, 50), slice(38, 88)
TASKS = ("add", "mul", "invx", "sqrt")
TRAIN = {"add": (-1.0, 1.0), "mul": (-1.0, 1.0), "invx": (0.0, 0.5), "sqrt": (0.0, 2.0)}
TEST = {"add": (-2.0, 2.0), "mul": (-2.0, 2.0), "invx": (-0.5, 0.0), "sqrt": (0.0, 4.0)}
LEARNING_RATE = {"add": 1e-2, "mul": 5e-3, "invx": 5e-3, "sqrt": 5e-3}
PENALTY = {"add": (1e-5, 1e-4), "mul": (1e-5, 1e-4), "invx": (1e-9, 1e-7), "sqrt": (1e-6, 1e-4)}
"""Start and end of the factor of the sum of Frobenius norms; it grows by ten every 10,000 steps (as in the script)."""

PUBLISHED = {
    "npu": {"add": 0.092, "mul": 4.28, "invx": 1.0e-7, "sqrt": 0.054},
    "real_npu": {"add": 0.063, "mul": 3.09, "invx": 1.4e-6, "sqrt": 0.017},
    "nalu": {"add": 740.0, "mul": 2.9e83, "invx": 530.0, "sqrt": 7300.0},
    "nmu": {"add": 0.00602, "mul": 1.7, "invx": 1.622, "sqrt": 10.96},
    "naive_npu": {"add": 161.65, "mul": 3750.0, "invx": 5.4e17, "sqrt": 9.3e8},
}


@_arguments.checked("large_scale.targets", x=_arguments.array(), task=_arguments.choice(*TASKS))
def targets(x: Array, task: str) -> Array:
    """y (..., 1) of x (..., 100)."""
    x = _kinds.inputs("large_scale.targets", x, N_IN)
    a, b = (jnp.sum(x[..., part], -1, keepdims=True) for part in (FIRST, SECOND))
    return {"add": lambda: a + b, "mul": lambda: a * b, "invx": lambda: 1 / a, "sqrt": lambda: jnp.sqrt(a)}[task]()


@_arguments.checked(
    "large_scale.batch",
    step=_kinds.index(),
    task=_arguments.choice(*TASKS),
    directions=_kinds.whole_array("an array (bits, 100)", axes=2),
    rows=_arguments.count(),
)
def batch(step: ArrayLike, task: str, directions: ArrayLike, *, rows: int = BATCH) -> tuple[Array, Array]:
    """The rows of a step: x (rows, 100) and y (rows, 1), float32; step may be traced, and starts at 0."""
    _arguments.check_shape(
        "large_scale.batch",
        "directions",
        directions,
        (np.shape(directions)[0], N_IN),
        "Make them with draw.sobol_directions(100).",
    )
    index = 1 + jnp.asarray(step).astype(jnp.uint32) * jnp.uint32(rows) + jnp.arange(rows, dtype=jnp.uint32)
    low, high = TRAIN[task]
    x = low + (high - low) * sobol_at(index, directions)
    return x, targets(x, task)


@_arguments.checked("large_scale.held_out", task=_arguments.choice(*TASKS), points=_arguments.count())
def held_out(task: str, *, points: int = TEST_POINTS) -> tuple[np.ndarray, np.ndarray]:
    """x (points, 100) in float32, and y (points, 1) computed in float64 and rounded."""
    low, high = TEST[task]
    x = low + (high - low) * sobol(points, N_IN)
    a, b = (x[:, part].astype(np.float64).sum(1, keepdims=True) for part in (FIRST, SECOND))
    y = {"add": lambda: a + b, "mul": lambda: a * b, "invx": lambda: 1 / a, "sqrt": lambda: np.sqrt(a)}[task]()
    return x, y.astype(np.float32)
