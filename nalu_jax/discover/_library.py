"""Products of simple powers: what is tried first, before real exponents.

>>> from nalu_jax.discover import _library
>>> _library.monomials([(1, 2), (1,)], limit=6).tolist()
[[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [2.0, 0.0], [2.0, 1.0]]
"""

import itertools
from collections.abc import Sequence

import numpy as np

COST = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, -1: 2, 0.5: 2, -0.5: 3, 1.5: 3, -2: 4}
"""How far from simple a power is; a product costs the sum of its powers."""

OTHER_COST = 5  # of any other power
MOST_COST = 6
MOST_INPUTS = 3  # in one product


def powers_of(states: np.ndarray) -> tuple[float, ...]:
    """The powers that a state may have, by the values it takes: negative ones only where it stays away from 0.

    Args:
        states: all values of one state.
    """
    smallest, largest = float(np.min(states)), float(np.max(np.abs(states)))
    if smallest < 0 or largest == 0:
        return tuple(p for p in COST if p > 0 and p == int(p))
    if smallest < 1e-6 * largest:
        return tuple(p for p in COST if p > 0)
    return tuple(COST)


def monomials(powers: Sequence[Sequence[float]], *, limit: int) -> np.ndarray:
    """Exponents (n, n_states), the constant first: all products up to the highest cost with at most `limit`.

    Args:
        powers: of each state, those that it may have.
        limit: number of products.
    """
    largest = max(COST[p] for state in powers for p in state)
    found = _up_to(powers, 1)
    for cost in range(2, max(MOST_COST, largest) + 1):
        more = _up_to(powers, cost)
        if len(more) > limit:
            break
        found = more
    return np.array(found, float)


def _up_to(powers: Sequence[Sequence[float]], cost: int) -> list[tuple[float, ...]]:
    choices = [(0.0, *(p for p in state if COST[p] <= cost)) for state in powers]
    every = itertools.product(*choices)
    kept = [e for e in every if _cost(e) <= cost and sum(power != 0 for power in e) <= MOST_INPUTS]
    return sorted(kept, key=lambda e: (_cost(e), e))


def _cost(exponents: Sequence[float]) -> int:
    return sum(COST.get(power, OTHER_COST) for power in exponents if power != 0)


def costs(exponents: np.ndarray) -> np.ndarray:
    """(n,) of products (n, n_states)."""
    return np.array([_cost(row) for row in exponents.tolist()], int)


def names(exponents: np.ndarray, library: np.ndarray) -> np.ndarray:
    """(n,) how much it takes to say which products (n, n_states) they are: 2 ln of how many cost no more.

    The penalty of the extended BIC (Chen, Chen, "Extended Bayesian information criteria for model selection with large
    model spaces", Biometrika 2008): among many products one fits noise by chance.

    Args:
        library: costs of all products that might have been taken.
    """
    return 2 * np.log([max(1, np.sum(library <= max(cost, 1))) for cost in costs(exponents)])


def nearest(exponents: np.ndarray) -> np.ndarray:
    """The simple powers next to them."""
    powers = np.array([0.0, *COST])
    return powers[np.abs(exponents[..., None] - powers).argmin(-1)]


def values(exponents: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Products (..., n) of states (..., n_states): 0 to the power 0 is 1, a negative state has whole powers only."""
    result = np.ones((*states.shape[:-1], len(exponents)))
    for k in range(states.shape[-1]):
        for power in np.unique(exponents[:, k][exponents[:, k] != 0]):
            columns = exponents[:, k] == power
            result[..., columns] *= (states[..., k] ** power)[..., None]
    return result
