"""The rates of states where sums of them are conserved, from what is handed on along each route.

Numbers that are added here are those that are written, as fractions: the sums stay 0 to the last digit.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from . import _numbers
from ._formula import Number, measured
from ._systems import terms as engine
from ._systems.structure import Structure


class _Sum(NamedTuple):
    """A number made of coefficients: as it is written, as it was fitted, its derivatives, whether all are simple."""

    value: Fraction
    estimate: float
    slopes: np.ndarray
    simple: bool

    def plus(self, other: "_Sum") -> "_Sum":
        return _Sum(
            self.value + other.value,
            self.estimate + other.estimate,
            self.slopes + other.slopes,
            self.simple and other.simple,
        )

    def times(self, other: "_Sum") -> "_Sum":
        return _Sum(
            self.value * other.value,
            self.estimate * other.estimate,
            self.estimate * other.slopes + other.estimate * self.slopes,
            self.simple and other.simple,
        )


_Polynomial = dict[engine.Term, _Sum]
_Written = list[tuple[engine.Term, Number]]


def coefficients(
    structure: Structure,
    numbers: Sequence[Number],
    covariance: np.ndarray,
    errors: np.ndarray,
    routes: Sequence[Sequence[Fraction]],
    state: int,
) -> tuple[_Written, _Written]:
    """Terms above and below the bar of the rate of a state, with their numbers.

    Args:
        structure: of the routes.
        numbers: its coefficients as they are written.
        covariance: (p, p) of the parameters, 0 where the data do not determine one.
        errors: (p,) of the parameters, infinite there.
        routes: of each equation what it adds to every state.
        state: which.
    """
    one = _Sum(Fraction(1), 1.0, np.zeros(len(errors)), True)
    above: _Polynomial = {}
    below: _Polynomial = {}
    for k, route in enumerate(routes):
        if not route[state] or not structure.numerators[k]:
            continue
        begin, bar, _ = structure.spans[k]
        share = one._replace(value=route[state], estimate=float(route[state]))
        own = {
            term: _single(numbers, place, len(errors)).times(share)
            for place, term in enumerate(structure.numerators[k], begin)
        }
        under = {
            term: _single(numbers, place, len(errors)) for place, term in enumerate(structure.denominators[k], bar)
        }
        # a/(1 + b) + c/(1 + d) = (a (1 + d) + c (1 + b)) / (1 + b + d + b d)
        above = _added(_over(above, under), _over(own, below))
        below = _added(_over(below, under), under)
    return _numbers_of(above, covariance, errors), _numbers_of(below, covariance, errors)


def _single(numbers: Sequence[Number], place: int, count: int) -> _Sum:
    number = numbers[place]
    value = Fraction(repr(number.value)) if number.exact is None else number.exact
    return _Sum(value, number.estimate, np.eye(count)[place], number.exact is not None)


def _added(one: _Polynomial, other: _Polynomial) -> _Polynomial:
    found = dict(one)
    for term, number in other.items():
        found[term] = found[term].plus(number) if term in found else number
    return found


def _over(one: _Polynomial, bar: _Polynomial) -> _Polynomial:
    """One (1 + bar)."""
    found = dict(one)
    for term, number in one.items():
        for other, below in bar.items():
            found = _added(found, {_product(term, other): number.times(below)})
    return found


def _product(term: engine.Term, other: engine.Term) -> engine.Term:
    powers = tuple(a + b for a, b in zip(term.powers, other.powers, strict=True))
    return engine.Term(powers, term.functions + other.functions)


def _numbers_of(polynomial: _Polynomial, covariance: np.ndarray, errors: np.ndarray) -> _Written:
    """Numbers with their errors; what cancels is left out."""
    found = []
    for term, number in polynomial.items():
        if not number.value:
            continue
        lost = np.isinf(errors) & (number.slopes != 0)
        variance = float(number.slopes @ covariance @ number.slopes)
        error = math.inf if lost.any() else math.sqrt(max(variance, 0.0))
        value = float(number.value)
        simple = _numbers.as_fraction(value) if number.simple else None
        if simple is not None and simple == number.value:
            found.append((term, Number(value, simple, number.estimate, error)))
        else:
            found.append((term, measured(value, number.estimate, error)))
    return found
