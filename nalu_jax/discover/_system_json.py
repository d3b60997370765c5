"""Systems as JSON, and back: plain data, of which nothing is executed on loading.

    schema, version      "nalu_jax.discover.ode", 1
    names, symbols       of the states
    inputs, input_symbols
    units                of states and inputs, as text; [] where none were given
    verdict, reason, noise (of each state), rows, notes, interrupted
    ensemble             halves, shares (of every rate and term of the best), whole; null where there is none
    equations, latex     of the best, for readers: the numbers below are what is loaded
    alike                places in candidates
    candidates           equations, complexity, error, description_length, held, known, rates; the best first
      held               of each input how it is held between samples, "" where it is interpolated
      known              what was known of each rate as text, as of tables, or null; null where nothing was
      rates              of each state: kind ("sum" or "quotient"), groups, unit, error, complexity, terms, and
                         trajectories: where numbers differ between them header, labels and [], else null

Terms, factors and numbers are those of tables, see `_json`. Files without known or held, as they were written before
known rates were text and inputs were held, are read too.
"""

import dataclasses
import itertools
import math
from typing import Any, NamedTuple

import numpy as np

from . import _json
from ._engine.forms import Form
from ._ensemble import Ensemble
from ._formula import Formula
from ._found import VERDICTS
from ._found_system import FoundSystem
from ._json import Wrong, get, one_of, texts
from ._known_rates import TIME, KnownRates
from ._names import is_symbol
from ._system import System
from ._systems.inputs import HELD, INTERPOLATED

SCHEMA, VERSION = _json.SYSTEM_SCHEMA, 1

KINDS = {"sum": 1, "quotient": 2}
"""Groups of terms of every form."""


class Variables(NamedTuple):
    """Names, symbols and units of the states and, after them, of the inputs."""

    names: tuple[str, ...]
    symbols: tuple[str, ...]
    units: tuple[str, ...]


def as_data(found: FoundSystem) -> dict[str, Any]:
    """Found as what JSON knows.

    Raises:
        ValueError: a part of the rates is known as a function, which is no data.
    """
    if found.best.is_function_known:
        raise ValueError(
            "save: the known part of these rates is a function, which JSON cannot hold. Pass it as text, keep the "
            "equations of what was found with to_python, or the whole with pickle."
        )
    places = {id(candidate): place for place, candidate in enumerate(found.candidates)}
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "names": list(found.names),
        "symbols": list(found.symbols),
        "inputs": list(found.inputs),
        "input_symbols": list(found.input_symbols),
        "units": list(found.best.rates[0].units),
        "verdict": found.verdict,
        "reason": found.reason,
        "equations": list(found.equations),
        "latex": list(found.latex),
        "noise": [_json.finite(float(each)) for each in found.noise],
        "rows": found.rows,
        "notes": list(found.notes),
        "interrupted": found.interrupted,
        "ensemble": None if found.ensemble is None else dataclasses.asdict(found.ensemble),
        "alike": [places[id(candidate)] for candidate in found.alike],
        "candidates": [_system_data(candidate) for candidate in found.candidates],
    }


def _system_data(system: System) -> dict[str, Any]:
    return {
        "equations": list(system.equations),
        "complexity": system.complexity,
        "error": _json.finite(system.error),
        "description_length": _json.finite(system.description_length),
        "held": list(system.held),
        "known": _known_data(system.known),
        "rates": [_rate_data(rate) for rate in system.rates],
    }


def _known_data(known: Any) -> list[Any] | None:
    return [_json.known_data(part) for part in known.parts] if isinstance(known, KnownRates) else None


def _rate_data(rate: Formula) -> dict[str, Any]:
    return {
        "kind": rate.form.kind,
        "groups": list(rate.form.groups),
        "unit": rate.target_unit,
        "error": _json.finite(rate.error),
        "complexity": rate.complexity,
        "terms": [_json.term_data(term) for term in rate.terms],
        "trajectories": _json.groups_data(rate.groups),
    }


def from_data(data: Any) -> FoundSystem:
    """The result of what JSON knows.

    Raises:
        Wrong: it is no such result.
    """
    if get(data, "version", int) != VERSION:
        raise Wrong(f"it is of version {data['version']}, this package reads version {VERSION}")
    names, inputs = texts(data, "names"), texts(data, "inputs")
    symbols = (*texts(data, "symbols"), *texts(data, "input_symbols"))
    every = (*names, *inputs)
    if not names or len(every) != len(symbols) or len(set(symbols)) < len(symbols) or not all(map(is_symbol, symbols)):
        raise Wrong("its symbols are not one name for each state and input")
    variables = Variables(every, symbols, _json.units_of(data, len(every)))
    candidates = tuple(_system(each, names, variables) for each in get(data, "candidates", list))
    alike = get(data, "alike", list)
    if not candidates or not all(_json.is_place(i, len(candidates)) for i in alike):
        raise Wrong("its candidates are not a list of systems")
    noise = get(data, "noise", list)
    if len(noise) != len(names) or not all(each is None or _json.is_number(each) for each in noise):
        raise Wrong("its noise is not a number for each state")
    return FoundSystem(
        verdict=one_of(data, "verdict", VERDICTS),
        reason=get(data, "reason", str),
        candidates=candidates,
        alike=tuple(candidates[i] for i in alike),
        noise=np.array([math.nan if each is None else float(each) for each in noise]),
        rows=get(data, "rows", int),
        notes=texts(data, "notes"),
        interrupted=get(data, "interrupted", bool),
        ensemble=_ensemble_of(data.get("ensemble"), candidates[0]),
    )


def _ensemble_of(data: Any, best: System) -> Ensemble | None:
    if data is None:
        return None
    shares, whole = get(data, "shares", list), get(data, "whole", float)
    fits = len(shares) == len(best.rates) and all(
        isinstance(own, list) and len(own) == len(rate.terms) for own, rate in zip(shares, best.rates, strict=True)
    )
    if not fits or not all(_json.is_number(each) and 0 <= each <= 1 for each in [whole, *itertools.chain(*shares)]):
        raise Wrong("its ensemble has not a share for each term")
    return Ensemble(get(data, "halves", int), tuple(tuple(map(float, own)) for own in shares), whole)


def _system(data: Any, names: tuple[str, ...], variables: Variables) -> System:
    rates = get(data, "rates", list)
    if len(rates) != len(names):
        raise Wrong("a system of it has not a rate for each state")
    length = _json.float_of(data, "description_length", math.nan)
    formulas = tuple(_rate(rate, name, variables, length) for rate, name in zip(rates, names, strict=True))
    symbols = [symbol for rate in formulas for symbol in rate.by_group]
    if len(set(symbols)) < len(symbols) or len({rate.groups.labels for rate in formulas if rate.groups}) > 1:
        raise Wrong("its numbers that differ between trajectories are not one for each, with a symbol of their own")
    return System(
        rates=formulas,
        known=_known(data.get("known"), variables.symbols, len(names)),
        complexity=get(data, "complexity", int),
        error=_json.float_of(data, "error", math.nan),
        description_length=length,
        held=_held(data, len(variables.names) - len(names)),
    )


def _held(data: Any, count: int) -> tuple[str, ...]:
    held = texts(data, "held") if "held" in data else ()
    if held and (len(held) != count or not set(held) <= {INTERPOLATED, *HELD}):
        raise Wrong("its inputs are not held in a way that is known")
    return held


def _known(data: Any, symbols: tuple[str, ...], n_states: int) -> KnownRates | None:
    if data is None:
        return None
    if not isinstance(data, list) or len(data) != n_states:
        raise Wrong("what is known of it is not a part for each state")
    return KnownRates(tuple(_json.known_of(part, (*symbols, TIME)) for part in data), symbols)


def _rate(data: Any, name: str, variables: Variables, length: float) -> Formula:
    kind = one_of(data, "kind", tuple(KINDS))
    groups = tuple(get(data, "groups", list))
    terms = tuple(_json.term_of(term, len(variables.names), 0) for term in get(data, "terms", list))
    lowest = 0 if kind == "sum" else 1  # a state may stay as it is
    counted = all(isinstance(n, int) and lowest <= n <= _json.MOST_TERMS for n in groups)
    if len(groups) != KINDS[kind] or not counted or sum(groups) != len(terms):
        raise Wrong("its terms do not fit the form of a rate")
    return Formula(
        form=Form(kind, groups),
        terms=terms,
        names=variables.names,
        symbols=variables.symbols,
        target=f"d{name}/dt",
        absolute=False,
        complexity=get(data, "complexity", int),
        error=_json.float_of(data, "error", math.nan),
        description_length=length,
        units=variables.units,
        target_unit=_json.checked_unit(get(data, "unit", str)),
        groups=_json.groups_of(data.get("trajectories"), terms, variables.symbols),
    )
