"""Rates inside of functions, such as k in sin(k y) or 1/K in y/(1 + y/K), and what the terms that have them cost."""

import dataclasses
import math
from collections.abc import Mapping

import numpy as np

from nalu_jax.discover._engine import settings as tables
from nalu_jax.discover._engine.candidate import SATURATING
from nalu_jax.discover._systems import library, settings
from nalu_jax.discover._systems.structure import Structure
from nalu_jax.discover._systems.terms import Function, Term

FAMILIES = {
    ("sin", "cos"): settings.RATES_OF_WAVES,
    ("tanh",): settings.RATES_OF_STEPS,
    ("exp",): settings.RATES_OF_STEPS,
}
"""Functions that share a rate, and the rates from which fits begin, times the standard deviation of the state."""

Prices = Mapping[tuple[float, ...], float]
"""Nats of measured rates, by the weights inside of the functions."""


def place(function: Function) -> tuple[int, float]:
    """The variable of a function of one, and its weight."""
    j = next(j for j, weight in enumerate(function.weights) if weight)
    return j, function.weights[j]


def rate(function: Function, scale: np.ndarray) -> float:
    """The rate inside of a function of one variable, in the units of the data."""
    j, weight = place(function)
    return float(weight / scale[j])


def simple(number: float) -> float | None:
    """The simple number that a rate is, whatever its sign; None where it is none."""
    near = (each for each in tables.SIMPLE_NUMBERS if abs(abs(number) / each - 1) < settings.SAME_RATE)
    return next(near, None)


def has_rate(function: Function, scale: np.ndarray) -> bool:
    """Whether a function of one variable is of a rate: of another than 1, or where something saturates."""
    if np.count_nonzero(function.weights) != 1:
        return False
    if function.name in SATURATING:
        return True
    rated = any(function.name in names for names in FAMILIES)
    return rated and abs(abs(rate(function, scale)) - 1) > settings.SAME_RATE


def priced(structure: Structure, scale: np.ndarray, prices: Prices) -> Structure:
    """The structure with the price of every rate shared by the terms that have it.

    A rate that was not measured yet costs what they usually do.
    """
    terms = [term for part in (*structure.numerators, *structure.denominators) for term in part]
    rated = [each for term in terms for each in term.functions if has_rate(each, scale)]
    if not rated:
        return structure
    weights = [each.weights for each in rated]

    def share(function: Function) -> float:
        number = simple(rate(function, scale))
        usual = settings.RATE if number is None else -math.log(tables.SIMPLE_NUMBERS[number])
        return prices.get(function.weights, usual) / weights.count(function.weights)

    def change(term: Term) -> Term:
        own = [each for each in term.functions if has_rate(each, scale)]
        if not own:
            return term
        return dataclasses.replace(term, price=library.rated_price(term) + sum(map(share, own)))

    each = lambda parts: tuple(tuple(map(change, part)) for part in parts)
    return Structure(each(structure.numerators), each(structure.denominators))
