"""Error bars of params, from the curvature of the loss.

>>> from nalu_jax import symbolic
>>> symbolic.plus_minus(1.49873, 0.00212), symbolic.plus_minus(12345.6, 31.0), symbolic.plus_minus(0.5, float("inf"))
('1.499 +- 0.002', '12350 +- 30', '0.5 +- inf')
"""

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from ._problem import Problem, problem_of, unflatten

Tree = Any


def standard_errors(
    loss: Callable[..., Array], params: Tree, data: Tree = None, *, free: Tree = None, rows: int | None = None
) -> Tree:
    """One standard error of every entry, a tree like params, of NumPy arrays.

    The square roots of the diagonal of s^2 (J^T J)^-1, with the Jacobian J of the n residuals by the p free entries and
    s^2 their sum of squares over n - p. Of a scalar loss, taken as a mean square, n / 2 times its Hessian stands for
    J^T J. Pinned entries have 0; infinite are those that the residuals do not determine, and all where n <= p.

    Args:
        loss, params, data, free, rows: as in `prune`.

    Raises:
        TypeError, ValueError: as `prune`.
    """
    problem = problem_of("standard_errors", loss, params, data, free, rows, 1)
    return unflatten(problem.structure, errors_of(problem, problem.theta, problem.free))


def errors_of(problem: Problem, theta: np.ndarray, free: np.ndarray) -> np.ndarray:
    """(p,) standard errors of a flat vector."""
    degrees = problem.rows - int(free.sum())
    if degrees <= 0:
        return np.where(free, np.inf, 0).astype(theta.dtype)
    variances = np.asarray(problem.programs.variances(jnp.asarray(theta), jnp.asarray(free), problem.data))
    loss = np.asarray(problem.programs.loss(jnp.asarray(theta), problem.data))
    scale = 2 * max(float(loss), float(np.finfo(theta.dtype).tiny)) / degrees  # 0 * inf would be NaN
    return np.where(free, np.sqrt(scale * variances.astype(float)), 0).astype(theta.dtype)


def plus_minus(value: float, error: float) -> str:
    """A number and its error as text, both to the error's first digit; six digits where there is no finite error."""
    if not 0 < error < math.inf:
        return f"{value:.6g} +- {error:g}"
    decimals = -math.floor(math.log10(error))
    places = max(0, decimals)
    return f"{round(value, decimals):.{places}f} +- {round(error, decimals):.{places}f}"
