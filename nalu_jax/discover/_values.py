"""Values of a formula, in NumPy: no intermediate result leaves the range of float64 where the value does not.

A power is taken of mantissas and of exponents of two apart: (m 2^e)^p = m^p 2^(p e), of which the latter are added up.
"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ._engine import forms

if TYPE_CHECKING:
    from ._formula import Factor, Formula, Term

FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "exp": np.exp,
    "expm1": np.expm1,
    "1/expm1": lambda u: 1 / np.expm1(u),
    "1/(1+exp)": lambda u: 1 / (1 + np.exp(u)),
    "log": np.log,
    "log1p": np.log1p,
    "sin": np.sin,
    "cos": np.cos,
    "sin^2": lambda u: np.sin(u) ** 2,
    "tanh": np.tanh,
    "1/cosh": lambda u: 1 / np.cosh(u),
    "arcsin": np.arcsin,
    **{name: forms.FUNCTIONS[name].value for name in forms.ROOTS},
}


def of(formula: "Formula", x: np.ndarray) -> np.ndarray:
    """(rows,) of x (rows, n_in)."""
    with np.errstate(all="ignore"):  # what has no value is NaN, and what is too large infinite
        terms = [_term(formula, term, x) for term in formula.terms]
        ends = np.cumsum(formula.form.groups)
        groups = [_total(terms[end - size : end], len(x)) for size, end in zip(formula.form.groups, ends, strict=True)]
        found = _combined(formula, groups)
        return found if formula.known is None else found + formula._known_values(*x.T)


def _total(terms: list[np.ndarray], rows: int) -> np.ndarray:
    return functools.reduce(np.add, terms, np.zeros(rows))


def _combined(formula: "Formula", groups: list[np.ndarray]) -> np.ndarray:
    form = formula.form
    if form.kind == "quotient":
        return groups[0] ** form.power / (1 + groups[1]) ** form.below
    if form.kind != "function":
        return groups[0] if form.power == 1 else groups[0] ** form.power
    inside = np.abs(groups[1]) if formula.absolute else groups[1]
    return groups[0] * FUNCTIONS[form.function or ""](inside) + groups[2]


def _term(formula: "Formula", term: "Term", x: np.ndarray) -> np.ndarray:
    value, power_of_two = np.frexp(np.full(len(x), term.coefficient.value))
    power_of_two = power_of_two.astype(float)
    for place, power in term.known:
        mantissa, exponent = np.frexp(formula.constants[place].value)
        value, power_of_two = value * mantissa**power.value, power_of_two + power.value * exponent
    for factor in term.factors:
        mantissa, exponent = _factor(factor, x)
        value, power_of_two = value * mantissa, power_of_two + exponent
    whole = np.floor(power_of_two)
    value = value * np.exp2(power_of_two - whole)
    return np.ldexp(value, np.clip(whole, -5000, 5000).astype(int))


def _factor(factor: "Factor", x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mantissa and exponent of two, which need not be whole."""
    base = factor.column.values(x) / factor.size
    power = factor.exponent.value
    mantissa, exponent = np.frexp(base if factor.sign == "own" else np.abs(base))
    value = mantissa**power
    return value * np.sign(base) if factor.sign == "kept" else value, power * exponent
