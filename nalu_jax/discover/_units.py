"""A formula as a chain of neural arithmetic units: what goes into a model and is trained on.

[NAU for sums and differences of inputs ->] RealNPU -> NAU [-> RealNPU, the power or the quotient of the sums]
"""

import math
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from ._engine.forms import ROOTS

if TYPE_CHECKING:
    from .._unit import Chain
    from ._formula import Formula, Term

Layer = dict[str, np.ndarray]


def of(formula: "Formula") -> tuple["Chain | None", Any, str]:
    """(model, params, "") or (None, None, why)."""
    note = _obstacle(formula)
    if note:
        return None, None, note
    from .. import chain, nau, real_npu

    powers = real_npu.UNIT.bind(gate_init="ones")
    mixing, layers = _layers(formula)
    units = [nau] * mixing + [powers, nau, powers][: len(layers) - mixing]
    return chain(*units), tuple(layers), ""


def _obstacle(formula: "Formula") -> str:
    """Why the formula is no chain of units; empty where it is one."""
    if formula.groups is not None:
        return f"its numbers differ by {formula.groups.header}: of_group(label) is the formula of one, with a model"
    if formula.known is not None:
        return "its known part is no unit"
    if formula.form.function in ROOTS:
        return "no unit computes a root beside a term"
    if formula.form.kind == "function":
        return f"no unit computes the function {formula.form.function}"
    for term in formula.terms:
        for factor in term.factors:
            if factor.column.function is not None:
                return f"no unit computes the function {factor.column.function}"
            if factor.sign != "own":
                return "no unit computes a power of an absolute value"
        if not sys.float_info.min <= abs(_weight(formula, term)) < math.inf:
            return "its coefficients leave the range of float64"
    return ""


def _weight(formula: "Formula", term: "Term") -> float:
    """The coefficient with respect to the columns as they are."""
    with np.errstate(over="ignore", under="ignore"):
        sizes = np.prod([float(np.power(factor.size, -factor.exponent.value)) for factor in term.factors])
        known = np.prod([formula.constants[place].value ** power.value for place, power in term.known])
        return float(term.coefficient.value * sizes * known)


def _layers(formula: "Formula") -> tuple[int, list[Layer]]:
    """How many layers mix inputs first, and the params of all."""
    columns = list(dict.fromkeys(factor.column for term in formula.terms for factor in term.factors))
    n_in = len(formula.names)
    mixed = any(not column.plain or column.weights != (1.0,) for column in columns)
    first = np.zeros((n_in, max(1, len(columns))))
    for place, column in enumerate(columns):
        first[list(column.inputs), place] = column.weights
    places = {column: place if mixed else column.inputs[0] for place, column in enumerate(columns)}
    quotient = formula.form.kind == "quotient"
    powers = np.zeros((first.shape[1] if mixed else n_in, len(formula.terms) + quotient))
    for k, term in enumerate(formula.terms):
        for factor in term.factors:
            powers[places[factor.column], k] = factor.exponent.value
    layers = [{"w": first}] if mixed else []
    return len(layers), [*layers, _powers(powers), {"w": _weights(formula)}, *_outer(formula)]


def _powers(exponents: np.ndarray) -> Layer:
    return {"re": exponents, "gate": np.ones(len(exponents))}


def _weights(formula: "Formula") -> np.ndarray:
    """(terms, 1) of a sum; of a quotient (terms + 1, 2), the last for the 1 below the bar."""
    weights = np.array([_weight(formula, term) for term in formula.terms])
    if formula.form.kind != "quotient":
        return weights[:, None]
    above, below = formula.form.groups
    both = np.zeros((above + below + 1, 2))
    both[:above, 0], both[above:-1, 1], both[-1, 1] = weights[:above], weights[above:], 1.0
    return both


def _outer(formula: "Formula") -> list[Layer]:
    form = formula.form
    if form.kind == "quotient":
        return [_powers(np.array([[form.power], [-form.below]], float))]
    return [] if form.power == 1 else [_powers(np.array([[form.power]], float))]
