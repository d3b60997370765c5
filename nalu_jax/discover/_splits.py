"""Rows to train on, rows held out from among them, and rows outside of their range.

>>> import numpy as np
>>> from nalu_jax.discover import split
>>> parts = split(np.arange(10.0)[:, None], held_out=0.25, outside=0.2, seed=0)
>>> parts.outside.tolist(), len(parts.train), len(parts.held_out)
([8, 9], 6, 2)
"""

from typing import NamedTuple

import numpy as np

from .. import _arguments


class Split(NamedTuple):
    """Indices of rows, each sorted.

    Attributes:
        train: to fit.
        held_out: drawn at random from the same range.
        outside: those with the largest inputs.
    """

    train: np.ndarray
    held_out: np.ndarray
    outside: np.ndarray


@_arguments.checked(
    "split",
    x=_arguments.array("(rows, n_in)", axes=2),
    held_out=_arguments.number(0.0, 1.0),
    outside=_arguments.number(0.0, 1.0),
    seed=_arguments.count(0),
)
def split(x: np.ndarray, *, held_out: float = 0.2, outside: float = 0.2, seed: int = 0) -> Split:
    """The rows of x (n, n_in) in three parts.

    Outside are those with the largest inputs: the highest mean rank of |x| over the columns, which no choice of units
    of measure changes. Held out are random ones of the rest.

    Args:
        x: (n, n_in).
        held_out: their share of the rows that are not outside.
        outside: their share of all rows.
        seed: of the random choice.

    Raises:
        ValueError: a share is not in [0, 1).
    """
    for name, share in (("held_out", held_out), ("outside", outside)):
        if not 0 <= share < 1:
            raise ValueError(f"split: {name} must be a share of the rows, at least 0 and below 1, got {share}.")
    ranks = np.mean([_ranks(column) for column in np.abs(x).T], axis=0)
    far = round(outside * len(x))
    order = np.argsort(ranks, kind="stable")
    inside = np.random.default_rng(seed).permutation(order[: len(x) - far])
    held = round(held_out * inside.size)
    return Split(np.sort(inside[held:]), np.sort(inside[:held]), np.sort(order[len(x) - far :]))


def _ranks(values: np.ndarray) -> np.ndarray:
    """(n,) ranks, equal ones of equal values: rows of an indicator column are not told apart by their order."""
    ordered = np.sort(values)
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / 2
