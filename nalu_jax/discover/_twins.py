"""Inputs that the rows of a table do not tell from those in a formula: copies, multiples, and powers of them.

>>> import numpy as np
>>> x = np.array([[1.0, 10.0, 1.0], [2.0, 20.0, 4.0], [3.0, 30.0, 9.0], [5.0, 50.0, 2.0]])
>>> twin(x, used=(0,), others=(1, 2)), twin(x, used=(0,), others=(2,))
((0, 1), None)
"""

from collections.abc import Sequence

import numpy as np

SAME = 1e-6
"""Largest relative difference of twins: what differs by more is told apart by exact data, if by nothing else."""


def twin(x: np.ndarray, *, used: Sequence[int], others: Sequence[int]) -> tuple[int, int] | None:
    """The first of the inputs that are used which another one could stand for, and that one; None where there is none.

    Args:
        x: (rows, n_in).
        used: places of the inputs in a formula.
        others: places of those that could be in it.
    """
    pairs = ((i, j) for i in used for j in others if i != j)
    return next(((i, j) for i, j in pairs if _is_multiple(x[:, i], x[:, j]) or _is_power(x[:, i], x[:, j])), None)


def _is_multiple(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether a column is another one times a number."""
    factor = (first @ second) / max(first @ first, 1e-300)
    return bool(factor != 0 and np.abs(second - factor * first).max() <= SAME * np.abs(second).max())


def _is_power(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether a positive column is a power of another one, times a number."""
    if (first <= 0).any() or (second <= 0).any():
        return False
    logs, goal = np.log(first) - np.log(first).mean(), np.log(second) - np.log(second).mean()
    if not logs.any() or not goal.any():
        return False
    return bool(np.abs(goal - (logs @ goal) / (logs @ logs) * logs).max() <= SAME)
