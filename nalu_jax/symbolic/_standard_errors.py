"""Error bars."""

from collections.abc import Callable
from typing import Any

from jax import Array

Tree = Any


def standard_errors(
    loss: Callable[..., Array], params: Tree, data: Tree = None, *, free: Tree = None, rows: int | None = None
) -> Tree:
    """One standard error of every entry, a tree like params.

    The square roots of the diagonal of s^2 (J^T J)^-1, with the Jacobian J of the n residuals by the p free entries and
    s^2 their sum of squares over n - p. Of a scalar loss, taken as a mean square, n / 2 times its Hessian stands for
    J^T J. Pinned entries have 0; infinite are those that the residuals do not determine, and all where n <= p.

    Args:
        loss, params, data, free, rows: as in `prune`.

    Raises:
        TypeError, ValueError: as `prune`.
    """
    raise NotImplementedError
