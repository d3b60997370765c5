"""The simple arithmetic task: (x, y) -> (x + y, x y, x / y, sqrt x), all four at once, by two layers.

    train: x, y ~ U(0.1, 2.1) as in the paper's script (the text says U(0.1, 2)), 100 fresh rows a step, 20,000 steps
    test:  the mean absolute error of every output over a grid: {-4.1, -3.9, ..., 3.9}^2 for + * /, and for sqrt
           {0.1, ..., 4}^2

Twenty runs. Published (Table A2 of the paper, mean of 20): `PUBLISHED`.

Reference:
    Heim, Pevny, Smidl, "Neural Power Units", NeurIPS 2020, section 4.2, https://arxiv.org/abs/2006.01681

Example:
    >>> import jax.numpy as jnp
    >>> from nalu_jax.tasks import simple
    >>> simple.targets(jnp.array([4.0, 2.0]))
    Array([6., 8., 2., 2.], dtype=float32)
    >>> simple.grid("sqrt").shape
    (1600, 2)
"""

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from .. import _arguments
from . import _kinds
from .draw import Bounds, uniform

OUTPUTS = ("add", "mul", "div", "sqrt")
TRAIN = (0.1, 2.1)
BATCH = 100
STEPS = 20_000
RUNS = 20
SHAPE = (2, 6, 4)

PUBLISHED = {
    "npu": {"add": 0.2, "mul": 0.37, "div": 0.23, "sqrt": 0.031},
    "real_npu": {"add": 0.08, "mul": 0.066, "div": 0.085, "sqrt": 0.004},
    "nmu": {"add": 0.2, "mul": 0.005, "div": 11.399, "sqrt": 0.16},
    "nalu": {"add": 2.69, "mul": 4.55, "div": 3.33, "sqrt": 0.034},
    "inalu": {"add": 2.18, "mul": 3.453, "div": 2.54, "sqrt": 0.049},
}


@_arguments.checked("simple.targets", x=_arguments.array())
def targets(x: Array) -> Array:
    """y (..., 4) of x (..., 2)."""
    x = _kinds.inputs("simple.targets", x, 2)
    a, b = x[..., 0], x[..., 1]
    return jnp.stack([a + b, a * b, a / b, jnp.sqrt(a)], -1)


@_arguments.checked("simple.batch", key=_kinds.KEY, bounds=_kinds.BOUNDS, rows=_arguments.count())
def batch(key: Array, bounds: Bounds = TRAIN, *, rows: int = BATCH) -> tuple[Array, Array]:
    """Fresh rows: x (rows, 2) and y (rows, 4), float32."""
    x = uniform(key, (rows, 2), bounds)
    return x, targets(x)


@_arguments.checked("simple.grid", output=_arguments.choice(*OUTPUTS))
def grid(output: str) -> np.ndarray:
    """The test inputs (points, 2) of an output, float32: 41 x 41 of both signs, or 40 x 40 positive ones for sqrt."""
    line = np.arange(1, 41) / 10 if output == "sqrt" else (np.arange(41) * 2 - 41) / 10
    return np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2).astype(np.float32)


@_arguments.checked(
    "simple.grid_errors",
    apply=_arguments.function("(params, x) -> y (..., 4)"),
    params=_arguments.tree(modules=True),
    dtype=_kinds.DTYPE,
)
def grid_errors(apply, params, dtype: DTypeLike = jnp.float32) -> Array:
    """Mean absolute error of every output over its grid, (4,); apply(params, x) -> (..., 4), computed in dtype."""
    errors = []
    for index, output in enumerate(OUTPUTS):
        x = jnp.asarray(grid(output), dtype)
        y = apply(params, x)
        _arguments.check_shape("simple.grid_errors", "what apply gives", y, (len(x), 4), "It has the four OUTPUTS.")
        errors.append(jnp.mean(jnp.abs(y[..., index] - targets(x)[..., index])))
    return jnp.stack(errors)
