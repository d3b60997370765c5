"""Error bars of params, from the curvature of the loss.

>>> from nalu_jax import symbolic
>>> symbolic.plus_minus(1.49873, 0.00212), symbolic.plus_minus(2.0, 0.0), symbolic.plus_minus(0.5, float("inf"))
('1.4987 +- 0.0021', '2', '0.5 +- ?')
"""

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from .. import _arguments
from ._problem import problem_of, unflatten

Tree = Any


@_arguments.checked(
    "standard_errors",
    loss=_arguments.function("(params, data) -> residuals or loss"),
    params=_arguments.tree(),
    data=_arguments.optional(_arguments.tree()),
    free=_arguments.optional(_arguments.tree()),
    rows=_arguments.optional(_arguments.count()),
)
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
    lanes = (jnp.asarray(problem.theta)[None], jnp.asarray(problem.free)[None])
    hessian = np.asarray(problem.programs.curvature(*lanes, problem.data))[0]
    value = float(problem.programs.loss(jnp.asarray(problem.theta), problem.data))
    errors = errors_of(hessian, problem.free, value, problem.rows)
    return unflatten(problem.structure, errors.astype(problem.theta.dtype))


def errors_of(hessian: np.ndarray, free: np.ndarray, loss: float, rows: int) -> np.ndarray:
    """(p,) standard errors of a flat vector, from the Hessian (p, p) of the loss."""
    degrees = rows - int(free.sum())
    if degrees <= 0:
        return np.where(free, np.inf, 0.0)
    scale = 2 * max(loss, float(np.finfo(hessian.dtype).tiny)) / degrees  # 0 * inf would be NaN
    return np.where(free, np.sqrt(scale * inverse_diagonal(hessian, free)), 0.0)


def inverse_diagonal(hessian: np.ndarray, free: np.ndarray) -> np.ndarray:
    """(p,) the diagonal of the inverse over the free entries; infinite where the Hessian does not determine an entry.

    Scaled to a unit diagonal first, so that entries of any size are told apart from directions without curvature.
    Negative curvature, which a minimum does not have, counts by its absolute value.
    """
    epsilon = float(np.finfo(hessian.dtype).eps)
    hessian = hessian.astype(float)
    diagonal = np.sqrt(np.abs(np.diagonal(hessian)))
    scale = np.where(free & (diagonal > 0), diagonal, 1.0)
    scaled = np.where(np.logical_and.outer(free, free), hessian / np.multiply.outer(scale, scale), 0.0)
    eigenvalues, vectors = np.linalg.eigh(scaled)
    sizes = np.abs(eigenvalues)
    flat = sizes <= 10 * hessian.shape[0] * epsilon * np.max(sizes, initial=0.0)
    inverse = np.where(flat, 0.0, 1 / np.where(flat, 1.0, sizes))
    squares = vectors**2
    undetermined = squares @ flat.astype(float) > epsilon**0.5
    return np.where(undetermined, np.inf, (squares @ inverse) / scale**2)


@_arguments.checked("plus_minus", value=_arguments.real(), error=_arguments.real())
def plus_minus(value: float, error: float) -> str:
    """A number with its standard error, to two digits of the error; the number alone where it is pinned (error 0)."""
    if error == 0:
        return f"{value:.6g}"
    if error < 1e-11:
        return f"{value:.12g} +- {error:.1e}"
    if not math.isfinite(error):
        return f"{value:.6g} +- ?"
    decimals = 1 - math.floor(math.log10(error))
    if decimals < 0 or (decimals > 6 and abs(value) < 1e-3):
        return f"{value:.6g} +- {error:.1e}"
    return f"{value:.{decimals}f} +- {error:.{decimals}f}"
