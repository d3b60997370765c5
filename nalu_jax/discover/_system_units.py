"""A system of rates as a chain of neural arithmetic units: RealNPU -> NAU [-> RealNPU, the quotients].

Equal products of several equations are one output of the first layer.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .._unit import Chain
    from ._formula import Formula, Term

Layer = dict[str, np.ndarray]


def of(rates: Sequence["Formula"]) -> tuple["Chain | None", Any, str]:
    """(model, params, "") or (None, None, why)."""
    for rate in rates:
        for term in rate.terms:
            functions = [factor.column.function for factor in term.factors if factor.column.function is not None]
            if functions:
                return None, None, f"no unit computes the function {functions[0]}"
    from .. import chain, nau, real_npu

    powers = real_npu.UNIT.bind(gate_init="ones")
    params = _layers(rates)
    return chain(*[powers, nau, powers][: len(params)]), params, ""


def _layers(rates: Sequence["Formula"]) -> tuple[Layer, ...]:
    """Products, their sums, and where there is a quotient the sums above by those below the bars."""
    n_states, n_variables = len(rates), len(rates[0].names)
    one = (0.0,) * n_variables
    products = {_exponents(term, n_variables) for rate in rates for term in rate.terms}
    quotients = any(rate.form.kind == "quotient" for rate in rates)
    place = {powers: k for k, powers in enumerate(sorted(products | {one} if quotients or not products else products))}
    weights = np.zeros((len(place), 2 * n_states if quotients else n_states))
    for i, rate in enumerate(rates):
        for k, term in enumerate(rate.terms):
            below = k >= rate.form.groups[0]
            weights[place[_exponents(term, n_variables)], i + n_states * below] += term.coefficient.value
    first = _powers(np.array(list(place)).T)
    if not quotients:
        return first, {"w": weights}
    weights[place[one], n_states:] += 1.0
    return first, {"w": weights}, _powers(np.concatenate([np.eye(n_states), -np.eye(n_states)]))


def _exponents(term: "Term", n_variables: int) -> tuple[float, ...]:
    powers = [0.0] * n_variables
    for factor in term.factors:
        powers[factor.column.inputs[0]] += factor.exponent.value
    return tuple(powers)


def _powers(exponents: np.ndarray) -> Layer:
    return {"re": exponents, "gate": np.ones(len(exponents))}
