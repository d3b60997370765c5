"""A system of rates as a chain of neural arithmetic units: RealNPU -> NAU [-> RealNPU, the quotients].

Equal products of several equations are one output of the first layer. What saturates by itself is brought over one bar.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._engine.candidate import SATURATING

if TYPE_CHECKING:
    from .._unit import Chain
    from ._engine.candidate import Column
    from ._formula import Formula, Term

Layer = dict[str, np.ndarray]
Powers = tuple[float, ...]
Sum = dict[Powers, float]
"""Coefficients of products, by their exponents."""


def of(rates: Sequence["Formula"]) -> tuple["Chain | None", Any, str]:
    """(model, params, "") or (None, None, why)."""
    functions = (factor.column.function for rate in rates for term in rate.terms for factor in term.factors)
    other = next((name for name in functions if name is not None and name not in SATURATING), None)
    if other is not None:
        return None, None, f"no unit computes the function {other}"
    from .. import chain, nau, real_npu

    powers = real_npu.UNIT.bind(gate_init="ones")
    params = _layers([over_one_bar(rate) for rate in rates], len(rates[0].names))
    return chain(*[powers, nau, powers][: len(params)]), params, ""


def over_one_bar(rate: "Formula") -> tuple[Sum, Sum]:
    """What is above the bar of a rate, and what is beside 1 below it.

    Raises:
        ValueError: some function is in it that is no quotient.
    """
    one, count = (0.0,) * len(rate.names), len(rate.names)
    columns = dict.fromkeys(each for term in rate.terms for each in _saturating(term))
    bars = {column: {one: 1.0, _bar(column, count): _number(column)} for column in columns}
    above: Sum = {}
    below: Sum = {one: 1.0}
    for term in rate.terms:
        own = {_exponents(term, count): term.coefficient.value}
        if term.part == "below":
            below = _plus(below, own)
            continue
        for column in columns:
            own = own if column in _saturating(term) else _times(own, bars[column])
        above = _plus(above, own)
    for bar in bars.values():
        below = _times(below, bar)
    return above, {powers: number for powers, number in below.items() if powers != one}


def _saturating(term: "Term") -> list["Column"]:
    return [factor.column for factor in term.factors if factor.column.function in SATURATING]


def _bar(column: "Column", count: int) -> Powers:
    return tuple(float(SATURATING[column.function or ""] * (j == column.inputs[0])) for j in range(count))


def _number(column: "Column") -> float:
    return column.weights[0] ** SATURATING[column.function or ""]


def _plus(one: Sum, other: Sum) -> Sum:
    return {powers: one.get(powers, 0.0) + other.get(powers, 0.0) for powers in {**one, **other}}


def _times(one: Sum, other: Sum) -> Sum:
    found: Sum = {}
    for powers, number in one.items():
        for more, factor in other.items():
            both = tuple(a + b for a, b in zip(powers, more, strict=True))
            found[both] = found.get(both, 0.0) + number * factor
    return found


def _layers(rates: Sequence[tuple[Sum, Sum]], n_variables: int) -> tuple[Layer, ...]:
    """Products, their sums, and where there is a quotient the sums above by those below the bars."""
    n_states, one = len(rates), (0.0,) * n_variables
    products = {powers for pair in rates for part in pair for powers in part}
    quotients = any(below for _, below in rates)
    place = {powers: k for k, powers in enumerate(sorted(products | {one} if quotients or not products else products))}
    weights = np.zeros((len(place), 2 * n_states if quotients else n_states))
    for i, (above, below) in enumerate(rates):
        for part, column in ((above, i), (below, i + n_states)):
            for powers, number in part.items():
                weights[place[powers], column] += number
    first = _powers(np.array(list(place)).T)
    if not quotients:
        return first, {"w": weights}
    weights[place[one], n_states:] += 1.0
    return first, {"w": weights}, _powers(np.concatenate([np.eye(n_states), -np.eye(n_states)]))


def _exponents(term: "Term", n_variables: int) -> Powers:
    powers = [0.0] * n_variables
    for factor in term.factors:
        if factor.column.function in SATURATING:
            continue
        if factor.column.function is not None:
            raise ValueError(f"{factor.column.function} is no quotient.")
        powers[factor.column.inputs[0]] += factor.exponent.value
    return tuple(powers)


def _powers(exponents: np.ndarray) -> Layer:
    return {"re": exponents, "gate": np.ones(len(exponents))}
