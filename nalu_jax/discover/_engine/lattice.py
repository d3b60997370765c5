"""Simple numbers and their prices: what naming an exponent costs.

>>> round(float(prices(4).zero), 2), round(float(prices(4).of(np.array([1.0, -2.0]))[0]), 2)
(0.92, 2.08)
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from nalu_jax.discover._engine import settings

VALUES = np.array([0.0, *(sign * value for value in settings.EXPONENTS for sign in (1.0, -1.0))])
"""0 and the simple exponents of both signs."""


class Prices(NamedTuple):
    """Nats of exponents: `lattice` (values,) of `VALUES`, `zero` of none, `free` of a real one before its size."""

    lattice: np.ndarray
    zero: float
    free: float

    def of(self, exponents: np.ndarray) -> np.ndarray:
        """Prices of simple exponents, element by element."""
        return self.lattice[nearest(exponents)]


@lru_cache(maxsize=64)
def prices(inputs: int) -> Prices:
    """Prices where so many inputs could appear in a term."""
    absent = max(settings.FEWEST_ABSENT, 1 - settings.ACTIVE_INPUTS / max(inputs, 1))
    shares = np.repeat(list(settings.EXPONENTS.values()), 2)
    rest = (1 - absent) / (shares.sum() + settings.FREE_EXPONENT)
    lattice = -np.log(np.concatenate([[absent], shares * rest]))
    return Prices(lattice, float(lattice[0]), float(-np.log(settings.FREE_EXPONENT * rest)))


_ORDER = np.argsort(VALUES)
_BETWEEN = (VALUES[_ORDER][1:] + VALUES[_ORDER][:-1]) / 2


def nearest(exponents: np.ndarray) -> np.ndarray:
    """Places in `VALUES` of the nearest simple numbers."""
    return _ORDER[np.searchsorted(_BETWEEN, exponents)]
