"""Which terms each equation has, and the rates that follow: numerator / (1 + denominator).

The parameters of a structure are one vector: of each equation the coefficients above and below the bar, then the free
exponents. Equal terms of several equations share their exponents, as NAU(RealNPU(y)) has them.

>>> import numpy as np
>>> from nalu_jax.discover._systems.terms import Term
>>> monod = Structure(((Term((1.0,)),),), ((Term((1.0,)),),))
>>> monod.rates(np.array([[2.0]]), np.array([-1.5, 0.5])).tolist()
[[-1.5]]
"""

import functools
import math
from dataclasses import dataclass

import numpy as np

from nalu_jax.discover._systems import settings
from nalu_jax.discover._systems.terms import SMALLEST_DENOMINATOR, Columns, Term, log_base

Key = tuple[tuple[frozenset[Term], frozenset[Term]], ...]


@dataclass(frozen=True)
class Structure:
    """Terms above and below the bar of each equation."""

    numerators: tuple[tuple[Term, ...], ...]
    denominators: tuple[tuple[Term, ...], ...]

    @property
    def n_equations(self) -> int:
        return len(self.numerators)

    @functools.cached_property
    def n_variables(self) -> int:
        """States and inputs of its terms; the equations where it has none."""
        parts = (*self.numerators, *self.denominators)
        return next((len(term.powers) for part in parts for term in part), self.n_equations)

    @functools.cached_property
    def key(self) -> Key:
        """The same for structures that differ in the order of terms only."""
        pairs = zip(self.numerators, self.denominators, strict=True)
        return tuple((frozenset(above), frozenset(below)) for above, below in pairs)

    @functools.cached_property
    def columns(self) -> Columns:
        """Every term once."""
        every = (term for terms in (*self.numerators, *self.denominators) for term in terms)
        return Columns(tuple(dict.fromkeys(every)), self.n_variables)

    @functools.cached_property
    def _places(self) -> tuple[list[list[int]], list[list[int]]]:
        place = {term: k for k, term in enumerate(self.columns.terms)}
        above = [[place[term] for term in terms] for terms in self.numerators]
        return above, [[place[term] for term in terms] for terms in self.denominators]

    @functools.cached_property
    def spans(self) -> tuple[tuple[int, int, int], ...]:
        """Of each equation where its numerator begins in the parameters, its denominator, and where that ends."""
        spans, begin = [], 0
        for above, below in zip(self.numerators, self.denominators, strict=True):
            spans.append((begin, begin + len(above), begin + len(above) + len(below)))
            begin = spans[-1][2]
        return tuple(spans)

    @functools.cached_property
    def free(self) -> list[tuple[int, int]]:
        """Places (term, state) of free exponents, in the order of the parameters."""
        terms = enumerate(self.columns.terms)
        return [(k, j) for k, term in terms for j, is_free in enumerate(term.free) if is_free]

    @functools.cached_property
    def coefficients(self) -> int:
        """How many of the parameters are coefficients: all but the free exponents at the end."""
        return self.spans[-1][2]

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self.coefficients + len(self.free)

    @functools.cached_property
    def longest(self) -> int:
        """Most parameters of one equation that has fewer variables, as a series has, and a sum of reactions has not."""
        sizes = [0]
        for above, below, (begin, _, end) in zip(*self._places, self.spans, strict=True):
            size = end - begin + sum(k in above or k in below for k, _ in self.free)
            terms = [self.columns.terms[k] for k in (*above, *below)]
            variables = {j for term in terms for j in range(self.n_variables) if term.reads(j)}
            sizes.append(size if size > len(variables) else 0)
        return max(sizes)

    def involves(self, state: int) -> bool:
        """Whether a state has terms in its own equation, or is in those of any."""
        return bool(self.numerators[state]) or any(term.reads(state) for term in self.columns.terms)

    @functools.cached_property
    def is_rational(self) -> bool:
        return any(self.denominators)

    @functools.cached_property
    def price(self) -> float:
        """Nats of the names of all terms; an order of terms within an equation says nothing."""
        terms = [term for part in (*self.numerators, *self.denominators) for term in part]
        orders = sum(math.lgamma(len(part) + 1) for part in (*self.numerators, *self.denominators))
        quotients = settings.QUOTIENT * sum(1 for part in self.denominators if part)
        return sum(term.price + settings.TERM for term in terms) - orders + quotients

    def powers(self, parameters: np.ndarray) -> np.ndarray:
        """(n_terms, n_variables) exponents of `columns`."""
        powers = self.columns.powers.copy()
        for (k, j), value in zip(self.free, parameters[self.coefficients :], strict=True):
            powers[k, j] = value
        return powers

    @functools.cached_property
    def _entries(self) -> tuple[tuple[list[int], list[int], list[int]], tuple[list[int], list[int], list[int]]]:
        """Above and below the bar: equation, column and parameter of every coefficient."""
        found = ([], [], []), ([], [], [])
        for i, (begin, bar, _) in enumerate(self.spans):
            for part, places, first in ((0, self._places[0][i], begin), (1, self._places[1][i], bar)):
                found[part][0].extend([i] * len(places))
                found[part][1].extend(places)
                found[part][2].extend(range(first, first + len(places)))
        return found

    def weights(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n_equations, n_terms) coefficients of `columns` above and below the bars."""
        shape = (self.n_equations, len(self.columns.terms))
        above, below = np.zeros(shape), np.zeros(shape)
        for weights, (equations, columns, places) in zip((above, below), self._entries, strict=True):
            weights[equations, columns] = parameters[places]
        return above, below

    def rates(self, states: np.ndarray, parameters: np.ndarray) -> np.ndarray:
        """(..., n_equations) of states (..., n_variables), the inputs after them."""
        above, below = self.weights(parameters)
        values = self.columns.values(states, self.powers(parameters))
        if not self.is_rational:
            return values @ above.T
        return (values @ above.T) / denominator(values, below)

    def by_coefficient(self, states: np.ndarray, parameters: np.ndarray) -> list[np.ndarray]:
        """Of each equation (..., n_coefficients) derivatives of its rate."""
        above, below = self.weights(parameters)
        values = self.columns.values(states, self.powers(parameters))
        under = denominator(values, below)
        rates = (values @ above.T) / under
        found = []
        for i in range(self.n_equations):
            over = values / under[..., [i]]
            parts = [over[..., self._places[0][i]], -rates[..., [i]] * over[..., self._places[1][i]]]
            found.append(np.concatenate(parts, -1))
        return found

    def by_exponent(self, states: np.ndarray, parameters: np.ndarray) -> np.ndarray:
        """(..., n_equations, n_free) derivatives of the rates by the free exponents."""
        above, below = self.weights(parameters)
        values = self.columns.values(states, self.powers(parameters))
        under = denominator(values, below)
        rates = (values @ above.T) / under
        found = [
            (values[..., [k]] * log_base(states[..., [j]])) * (above[:, k] - rates * below[:, k]) / under
            for k, j in self.free
        ]
        return np.stack(found, -1) if found else np.zeros((*rates.shape, 0))


def denominator(values: np.ndarray, below: np.ndarray) -> np.ndarray:
    """(..., n_equations) 1 + the terms below the bar, of values (..., n_terms); NaN where that is not positive."""
    found = 1 + values @ below.T
    return np.where(found > SMALLEST_DENOMINATOR, found, np.nan)


def plain(numerators: list[tuple[Term, ...]]) -> Structure:
    """One without denominators."""
    return Structure(tuple(numerators), ((),) * len(numerators))
