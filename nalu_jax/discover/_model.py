"""NAU(RealNPU(y)) of which only what a formula has is a parameter, and its residuals through the solver.

Which entries those are is data: formulas of one size share one compiled program.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .._checks import Domain
from .._fast import Fast, fast_chain, fast_nau, fast_real_npu
from ..ode import Windows, field, shooting_residual, solve, trajectory_residual

SIZES = (4, 8, 16, 32, 64)  # to which numbers of terms and of parameters are filled up


class Formula(NamedTuple):
    """Which products each equation has. NumPy arrays, not filled up.

    Attributes:
        exponents: (n_terms, n_states).
        coefficients: (n_terms, n_states), of the product in the equation of that state.
        reads: (n_terms, n_states), where a coefficient is a parameter; it is 0 elsewhere.
        powers: (n_terms, n_states), where an exponent is a parameter.
    """

    exponents: np.ndarray
    coefficients: np.ndarray
    reads: np.ndarray
    powers: np.ndarray


class Layout(NamedTuple):
    """A formula's fixed part and the places of its parameters, filled up; places out of range are nobody's.

    Attributes:
        exponents: (n_states, n_terms), with the fixed ones.
        power_places: (n_powers, 2) in exponents.
        read_places: (n_reads, 2) in coefficients, (n_terms, n_states).
    """

    exponents: Any
    power_places: Any
    read_places: Any


class Data(NamedTuple):
    """What the residual gets besides params."""

    layout: Layout
    windows: Windows


def filled(size: int) -> int:
    """The least of `SIZES` that is not below size."""
    return next(each for each in SIZES if each >= size)


def spec_of(n_states: int, n_terms: int, domain: Domain) -> Fast:
    """RealNPU(n_states, n_terms) -> NAU(n_terms, n_states), without eps: its gates stay open."""
    return fast_chain(fast_real_npu(n_states, n_terms, eps=0.0, domain=domain), fast_nau(n_terms, n_states))


def params_of(formula: Formula, starts: np.ndarray | None) -> tuple[dict[str, Array], dict[str, Array], Layout]:
    """Params, which of them are free, and the layout.

    Args:
        formula: of which to fit the parameters.
        starts: (n_windows, n_states) initial states, where they are to be fitted too.
    """
    n_terms, n_states = formula.exponents.shape
    rows = filled(n_terms)
    exponents = np.zeros((n_states, rows))
    exponents[:, :n_terms] = formula.exponents.T
    power_places, read_places = np.argwhere(formula.powers.T), np.argwhere(formula.reads)
    params = {
        "exponents": _padded(exponents[tuple(power_places.T)]),
        "coefficients": _padded(formula.coefficients[tuple(read_places.T)]),
    }
    free = {
        name: np.arange(array.size) < n
        for (name, array), n in zip(params.items(), (len(power_places), len(read_places)), strict=True)
    }
    if starts is not None:
        params["starts"], free["starts"] = starts, np.ones(starts.shape, bool)
    places = [
        np.concatenate([p, np.full((filled(len(p)) - len(p), 2), 10**6)]).astype(np.int32)
        for p in (power_places, read_places)
    ]
    as_arrays = lambda tree: jax.tree.map(jnp.asarray, tree)
    return as_arrays(params), as_arrays(free), Layout(*map(jnp.asarray, (exponents, *places)))


def _padded(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values, np.zeros(filled(values.size) - values.size)])


def formula_of(formula: Formula, params: dict[str, Any], free: dict[str, Any]) -> Formula:
    """The formula with fitted params; what is no longer free has gone: a coefficient to 0, an exponent to its value."""
    exponents, coefficients = formula.exponents.copy(), np.zeros_like(formula.coefficients)
    reads, powers = np.zeros_like(formula.reads), np.zeros_like(formula.powers)
    power_places, read_places = np.argwhere(formula.powers.T), np.argwhere(formula.reads)
    for i, (state, term) in enumerate(power_places):
        exponents[term, state] = params["exponents"][i]
        powers[term, state] = free["exponents"][i]
    for i, place in enumerate(map(tuple, read_places)):
        coefficients[place] = params["coefficients"][i]
        reads[place] = free["coefficients"][i]
    used = reads.any(1)
    return Formula(*(array[used] for array in (exponents, coefficients, reads, powers)))


def units_of(layout: Layout, params: dict[str, Array]) -> Any:
    """The params of the chain."""
    n_states, n_terms = layout.exponents.shape
    set_at = lambda array, places, values: array.at[places[:, 0], places[:, 1]].set(values, mode="drop")
    re = set_at(layout.exponents, layout.power_places, params["exponents"])
    w = set_at(jnp.zeros((n_terms, n_states), re.dtype), layout.read_places, params["coefficients"])
    return {"re": re, "gate": jnp.ones(n_states, re.dtype)}, {"w": w}


@functools.lru_cache(maxsize=8)
def residual(
    n_states: int, n_terms: int, domain: Domain, substeps: int, known: Callable[..., Array] | None
) -> Callable[[dict[str, Array], Data], Array]:
    """(params, data) -> residuals as one vector, of multiple shooting where params have starts."""
    # solvers trace what they minimise many times over; a jitted function is traced once
    rates = jax.jit(field(spec_of(n_states, n_terms, domain), known))

    @jax.jit
    def of_params(params: dict[str, Array], data: Data) -> Array:
        units = units_of(data.layout, params)
        if "starts" not in params:
            return trajectory_residual(rates, units, data.windows, substeps=substeps).reshape(-1)
        return shooting_residual(rates, units, params["starts"], data.windows, substeps=substeps)

    return of_params


def simulated(
    exponents: np.ndarray, coefficients: np.ndarray, known: Callable[..., Array] | None, ts: Any, y0: Any
) -> np.ndarray:
    """States (n_times, n_states) of a formula in the units of the data, from y0 on.

    Raises:
        ValueError: y0 of another length, or times that do not increase.
    """
    y0 = np.asarray(y0, float)
    if y0.shape != exponents.shape[1:]:
        raise ValueError(f"simulate: y0 must have shape {exponents.shape[1:]}, got {y0.shape}.")
    with jax.enable_x64(True):
        spec = spec_of(exponents.shape[1], max(1, len(exponents)), _domain(exponents))
        units = {"re": jnp.asarray(exponents.T), "gate": jnp.ones(y0.size)}, {"w": jnp.asarray(coefficients)}
        if not len(exponents):
            units = {"re": jnp.zeros((y0.size, 1)), "gate": jnp.ones(y0.size)}, {"w": jnp.zeros((1, y0.size))}
        found = solve(field(spec, known), y0, np.asarray(ts, float), units, max_steps=10**5)
        return np.asarray(found.ys)


def _domain(exponents: np.ndarray) -> Domain:
    return "real" if (exponents == np.round(exponents)).all() else "positive"
