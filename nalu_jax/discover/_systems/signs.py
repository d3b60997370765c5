"""States that cannot fall below 0: what takes from such a state has to vanish with it.

Of sums of products that is what makes them rates of mass action: a term may take from a state only if the state is in
it (Hars and Toth 1981).
"""

from collections.abc import Sequence

import numpy as np

from nalu_jax.discover._systems.shooting import Fit
from nalu_jax.discover._systems.terms import Term

ODD = ("sin", "tanh", "abs")  # functions that are 0 at 0


def taking(fit: Fit, states: Sequence[int]) -> int | None:
    """The place of a coefficient by which something takes from one of these states when it is not there, or None."""
    structure, routes = fit.structure, fit.routes
    routes = np.eye(structure.n_equations) if routes is None else routes
    powers = structure.powers(fit.parameters)
    place = {term: k for k, term in enumerate(structure.columns.terms)}
    for i in states:
        shares: dict[tuple[int, Term], list[tuple[float, int]]] = {}
        for k, (begin, bar, end) in enumerate(structure.spans):
            for at, term in enumerate(structure.numerators[k], begin) if routes[i, k] else ():
                own = (k if bar < end else -1, term)  # what passes along several routes without a bar is one term
                shares.setdefault(own, []).append((float(routes[i, k] * fit.parameters[at]), at))
        for (_, term), parts in shares.items():
            total = sum(value for value, _ in parts)
            if total < -1e-9 * max(abs(value) for value, _ in parts) and not _vanishes(term, powers[place[term]], i):
                return min(parts)[1]
    return None


def _vanishes(term: Term, powers: np.ndarray, state: int) -> bool:
    """Whether a term is 0 where the state is."""
    alone = (each for each in term.functions if each.name in ODD and np.flatnonzero(each.weights).tolist() == [state])
    return bool(powers[state] > 0) or any(alone)
