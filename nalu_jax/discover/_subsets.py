"""Few columns of many that explain a vector: forward selection with a beam, and backward elimination.

>>> import numpy as np
>>> from nalu_jax.discover import _subsets
>>> columns = np.random.default_rng(0).normal(size=(30, 8))
>>> best = _subsets.subsets(columns, columns[:, 2] - 3 * columns[:, 5], most=3, beam=4)
>>> min(best, key=lambda subset: (round(subset.error, 12), len(subset.columns))).columns
(2, 5)
"""

from typing import NamedTuple

import numpy as np

_COLLINEAR = 1e-13  # squared sine of the angle below which a column says nothing new


class Subset(NamedTuple):
    """Columns of a matrix, and how well they explain a vector.

    Attributes:
        columns: their indices, sorted.
        error: mean square of what they leave.
    """

    columns: tuple[int, ...]
    error: float


def subsets(matrix: np.ndarray, vector: np.ndarray, *, most: int, beam: int) -> list[Subset]:
    """The best few subsets of every size from 0 to `most`, as far as they were found.

    Pairs are searched in full; beyond them a beam goes on, and elimination from all columns adds what it misses.

    Args:
        matrix: (n_rows, n_columns).
        vector: (n_rows,).
        most: columns in a subset.
        beam: subsets kept of every size.
    """
    size = np.linalg.norm(matrix, axis=0)
    unit = matrix / np.where(size > 0, size, 1.0)
    found: dict[tuple[int, ...], Subset] = {(): Subset((), float(np.mean(vector**2)))}
    parents: list[tuple[int, ...]] = [()]
    for count in range(1, most + 1):
        children = _children(unit, vector, parents, beam)
        kept = sorted(children.values(), key=lambda subset: subset.error)
        # of single columns all go on, so that no pair is missed
        parents = [subset.columns for subset in (kept if count == 1 else kept[:beam])]
        found |= {subset.columns: subset for subset in kept[:beam]}
        if not kept:
            break
    for subset in _eliminated(unit, vector, most):
        found.setdefault(subset.columns, subset)
    return list(found.values())


def _children(
    unit: np.ndarray, vector: np.ndarray, parents: list[tuple[int, ...]], beam: int
) -> dict[tuple[int, ...], Subset]:
    """Every parent with one column more, the best of them."""
    found: dict[tuple[int, ...], Subset] = {}
    width = unit.shape[1] if parents == [()] else beam
    for parent in parents:
        basis = np.linalg.qr(unit[:, list(parent)])[0]
        rest = vector - basis @ (basis.T @ vector)
        others = unit - basis @ (basis.T @ unit)
        lengths = np.sum(others**2, axis=0)
        usable = lengths > _COLLINEAR
        gains = np.where(usable, (others.T @ rest) ** 2 / np.where(usable, lengths, 1.0), -1.0)
        for column in np.argsort(-gains)[:width]:
            columns = tuple(sorted((*parent, int(column))))
            if gains[column] < 0 or columns in found:
                continue
            direction = others[:, column] / np.sqrt(lengths[column])
            left = rest - direction * (direction @ rest)
            found[columns] = Subset(columns, float(np.mean(left**2)))
    return found


def _eliminated(unit: np.ndarray, vector: np.ndarray, most: int) -> list[Subset]:
    """From as many columns as the rows can tell apart, in order of simplicity, leaving out what costs least."""
    columns = list(range(min(unit.shape[1], unit.shape[0] // 2)))
    found = []
    while columns:
        q, r = np.linalg.qr(unit[:, columns])
        if np.min(np.abs(np.diag(r))) < 1e-10:
            columns.pop(int(np.argmin(np.abs(np.diag(r)))))
            continue
        inverse = np.linalg.inv(r)
        coefficients = inverse @ (q.T @ vector)
        if len(columns) <= most:
            error = float(np.mean((vector - unit[:, columns] @ coefficients) ** 2))
            found.append(Subset(tuple(sorted(columns)), error))
        columns.pop(int(np.argmin(coefficients**2 / np.sum(inverse**2, axis=1))))
    return found
