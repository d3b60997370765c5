"""Where sums of states are conserved: what an equation says is then how much one state hands to others.

Such a hand-over, a route, is a vector of states that leaves all sums as they are. The routes with the fewest states are
enough to write every law, with each constant once: of s + i + r those between two states, so that what leaves s by
infection is what enters i. A term may pass along several; two sets of routes are one law where all states change alike.
"""

from collections.abc import Callable

import numpy as np

from nalu_jax.discover._systems.structure import Key, Structure
from nalu_jax.discover._systems.terms import Term

CANCELS = 1e-9  # part of what a term brings to a state and takes from it, below which it leaves it as it is


def law(structure: Structure, parameters: np.ndarray, routes: np.ndarray, named: Callable[[Term], Term]) -> Key:
    """Of every state the terms that change it, then of every route the quotient that passes along it, if any.

    >>> from nalu_jax.discover._systems.structure import plain
    >>> x, routes = Term((1.0, 0.0, 0.0)), np.array([[-1.0, 0, -1], [1, -1, 0], [0, 1, 1]])  # 1 to 2, 2 to 3, 1 to 3
    >>> straight, around = plain([(), (), (x,)]), plain([(x,), (x,), ()])
    >>> alike = [law(straight, np.ones(1), routes, lambda term: term), law(around, np.ones(2), routes, lambda t: t)]
    >>> alike[0] == alike[1]
    True
    """
    totals: list[dict[Term, list[float]]] = [{} for _ in routes]
    quotients: list[tuple[frozenset[Term], frozenset[Term]]] = []
    parts = zip(structure.numerators, structure.denominators, structure.spans, strict=True)
    for k, (above, below, (begin, bar, _)) in enumerate(parts):
        quotients.append((frozenset(map(named, above)) if below else frozenset(), frozenset(map(named, below))))
        for term, value in () if below else zip(above, parameters[begin:bar], strict=True):
            for i in np.flatnonzero(routes[:, k]):
                totals[i].setdefault(named(term), []).append(float(routes[i, k] * value))
    return (*((_left(total), frozenset[Term]()) for total in totals), *quotients)


def _left(totals: dict[Term, list[float]]) -> frozenset[Term]:
    """Terms that do not cancel."""
    return frozenset(term for term, each in totals.items() if abs(sum(each)) > CANCELS * max(map(abs, each)))


def targets(routes: np.ndarray) -> tuple[np.ndarray, list[list[int]]]:
    """(n_states, n_targets) changes of single states that are a route's where no other reaches the state, and of
    every route the places of its targets."""
    states, places = [], []
    for route in routes.T:
        own = np.flatnonzero(route)
        places.append(list(range(len(states), len(states) + len(own))))
        states += [np.eye(len(routes))[i] / route[i] for i in own]
    return np.stack(states, 1), places
