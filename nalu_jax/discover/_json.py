"""Results as JSON, and back: plain data, of which nothing is executed on loading.

    schema, version      "nalu_jax.discover.table", 1
    target, names, symbols, verdict, reason, noise, deviation, rows, notes, interrupted
    formula, latex       of the best, for readers: the numbers below are what is loaded
    alike                places in candidates
    candidates           formula, complexity, error, description_length, form, terms; the best first
      form               kind, groups, power, below, function, absolute
      units, target_unit of the inputs and the target, as text; [] and "" where none were given
      constants          that are known by name: name, symbol, value, unit
      covariance         rows of numbers, or null: see `Formula`
      known              what was known of the formula, or null: text, formula, constants ([name, number] each)
      groups             header, labels and covariances (one for each label) where numbers differ by group, or null
      terms              part, coefficient, factors, known ([place in constants, exponent] each)
        factors          inputs, weights, function (the column), exponent, sign, size
      numbers            value, exact ("1/2" or null), estimate, error, interval ([low, high] or null); of one that
                         differs by group also symbol and by_group (a number for each label)

Files without units, constants, covariance, known, groups or interval, as they were written before there were any, are
read as well.
A number that is not finite is null; an error or an end of an interval of null is an infinite one.
"""

import json
import math
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from .. import _arguments
from . import _quantities
from ._engine.candidate import COLUMN_FUNCTIONS, Column
from ._engine.forms import FUNCTIONS, Form
from ._formula import Constant, Factor, Formula, Groups, KnownPart, Number, Term
from ._found import VERDICTS, Found
from ._names import is_symbol

SCHEMA, VERSION = "nalu_jax.discover.table", 1
SYSTEM_SCHEMA = "nalu_jax.discover.ode"  # of `_system_json`

KINDS = {"sum": 1, "power": 1, "quotient": 2, "function": 3}
"""Groups of terms of every form."""

MOST_TERMS = 1_000
"""Of a formula: more are no formula but a file that is to fill the memory."""


@_arguments.checked("load", path=_arguments.instance("a path", "Pass that of a result's save.", str, pathlib.Path))
def load(path: str | pathlib.Path) -> Any:
    """The `Found` or `FoundSystem` that `save` wrote. Nothing in the file is executed.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such result, or one of a later version of the package.
    """
    path = pathlib.Path(path)
    try:
        data = json.loads(path.read_bytes().decode())
    except (ValueError, RecursionError):
        raise ValueError(f"load: {path.name} is no JSON file, expected one that `save` of a result wrote.") from None
    of_system = isinstance(data, dict) and data.get("schema") == SYSTEM_SCHEMA
    try:
        if not of_system:
            return from_data(data)
        from . import _system_json

        return _system_json.from_data(data)
    except Wrong as wrong:
        door = "discover.ode" if of_system else "discover.table"
        raise ValueError(f"load: {path.name} is no result of {door}: {wrong}.") from None


def write(data: dict[str, Any], path: str | pathlib.Path) -> None:
    """Write a result's data to the path at once: a file that is there is replaced when the new one is complete."""
    path = pathlib.Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def as_data(found: Found) -> dict[str, Any]:
    """Found as what JSON knows."""
    places = {id(candidate): place for place, candidate in enumerate(found.candidates)}
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "target": found.target,
        "names": list(found.names),
        "symbols": list(found.symbols),
        "verdict": found.verdict,
        "reason": found.reason,
        "formula": found.formula,
        "latex": found.latex,
        "noise": found.noise,
        "deviation": finite(found.deviation),
        "rows": found.rows,
        "notes": list(found.notes),
        "interrupted": found.interrupted,
        "alike": [places[id(candidate)] for candidate in found.alike],
        "candidates": [_candidate_data(candidate) for candidate in found.candidates],
    }


def finite(value: float) -> float | None:
    """The value, or null."""
    return float(value) if math.isfinite(value) else None


def _candidate_data(formula: Formula) -> dict[str, Any]:
    form = formula.form
    return {
        "formula": formula.formula,
        "complexity": formula.complexity,
        "error": finite(formula.error),
        "description_length": finite(formula.description_length),
        "form": {
            "kind": form.kind,
            "groups": list(form.groups),
            "power": form.power,
            "below": form.below,
            "function": form.function,
            "absolute": formula.absolute,
        },
        "units": list(formula.units),
        "target_unit": formula.target_unit,
        "constants": [
            {"name": each.name, "symbol": each.symbol, "value": each.value, "unit": each.unit}
            for each in formula.constants
        ],
        "covariance": _covariance_data(formula.covariance),
        "known": known_data(formula.known),
        "groups": groups_data(formula.groups),
        "terms": [term_data(term) for term in formula.terms],
    }


def _covariance_data(covariance: np.ndarray | None) -> list[list[float | None]] | None:
    if covariance is None:
        return None
    return [[finite(float(entry)) for entry in row] for row in covariance]


def groups_data(groups: Groups | None) -> dict[str, Any] | None:
    if groups is None:
        return None
    covariances = [_covariance_data(each) for each in groups.covariances]
    return {"header": groups.header, "labels": list(groups.labels), "covariances": covariances}


def known_data(known: KnownPart | None) -> dict[str, Any] | None:
    if known is None:
        return None
    constants = [[name, _number_data(number)] for name, number in known.constants]
    return {"text": known.text, "formula": known.formula, "constants": constants}


def term_data(term: Term) -> dict[str, Any]:
    factors = [
        {
            "inputs": list(factor.column.inputs),
            "weights": list(factor.column.weights),
            "function": factor.column.function,
            "exponent": _number_data(factor.exponent),
            "sign": factor.sign,
            "size": factor.size,
        }
        for factor in term.factors
    ]
    known = [[place, _number_data(exponent)] for place, exponent in term.known]
    return {"part": term.part, "coefficient": _number_data(term.coefficient), "factors": factors, "known": known}


def _number_data(number: Number) -> dict[str, Any]:
    data = {
        "value": finite(number.value),
        "exact": None if number.exact is None else str(number.exact),
        "estimate": finite(number.estimate),
        "error": finite(number.error),
        "interval": None if number.interval is None else [finite(end) for end in number.interval],
    }
    if number.by_group:
        data |= {"symbol": number.symbol, "by_group": [_number_data(each) for each in number.by_group]}
    return data


class Wrong(Exception):
    """What is wrong with the data."""


def from_data(data: Any) -> Found:
    """The result of what JSON knows."""
    if get(data, "schema", str) != SCHEMA:
        raise Wrong(f"its schema is not {SCHEMA!r}")
    if get(data, "version", int) != VERSION:
        raise Wrong(f"it is of version {data['version']}, this package reads version {VERSION}")
    names, symbols = texts(data, "names"), texts(data, "symbols")
    if len(names) != len(symbols) or len(set(symbols)) < len(symbols) or not all(map(is_symbol, symbols)):
        raise Wrong("its symbols are not one name for each column")
    target = get(data, "target", str)
    candidates = tuple(_candidate(each, names, symbols, target) for each in get(data, "candidates", list))
    alike = get(data, "alike", list)
    if not candidates or not all(isinstance(i, int) and 0 <= i < len(candidates) for i in alike):
        raise Wrong("its candidates are not a list of formulas")
    return Found(
        verdict=one_of(data, "verdict", VERDICTS),
        reason=get(data, "reason", str),
        candidates=candidates,
        alike=tuple(candidates[i] for i in alike),
        noise=one_of(data, "noise", ("absolute", "relative")),
        deviation=float_of(data, "deviation", math.nan),
        rows=get(data, "rows", int),
        notes=texts(data, "notes"),
        interrupted=get(data, "interrupted", bool),
    )


def _candidate(data: Any, names: tuple[str, ...], symbols: tuple[str, ...], target: str) -> Formula:
    form = get(data, "form", dict)
    kind = one_of(form, "kind", tuple(KINDS))
    groups = tuple(get(form, "groups", list))
    constants = tuple(map(_constant, get({"constants": [], **data}, "constants", list)))
    terms = tuple(term_of(term, len(names), len(constants)) for term in get(data, "terms", list))
    # a sum and a bar have terms; a function one in front, some inside, and none or some beside
    lowest = (1, 1, 0)[: KINDS[kind]]
    if (
        len(groups) != KINDS[kind]
        or not all(isinstance(n, int) and low <= n <= MOST_TERMS for n, low in zip(groups, lowest, strict=True))
        or sum(groups) != len(terms)
        or (kind == "function" and groups[0] != 1)
    ):
        raise Wrong("its terms do not fit the form of the formula")
    function = one_of(form, "function", tuple(FUNCTIONS) if kind == "function" else (None,))
    return Formula(
        form=Form(kind, groups, number_of(form, "power"), number_of(form, "below"), function),
        terms=terms,
        names=names,
        symbols=symbols,
        target=target,
        absolute=get(form, "absolute", bool),
        complexity=get(data, "complexity", int),
        error=float_of(data, "error", math.nan),
        description_length=float_of(data, "description_length", math.nan),
        units=units_of(data, len(names)),
        target_unit=get({"target_unit": "", **data}, "target_unit", str),
        constants=constants,
        covariance=_covariance(data.get("covariance"), terms),
        known=known_of(data.get("known"), symbols),
        groups=groups_of(data.get("groups"), terms, symbols),
    )


def units_of(data: Any, n_in: int) -> tuple[str, ...]:
    units = texts({"units": [], **data}, "units")
    for unit in units:
        checked_unit(unit)
    checked_unit(get({"target_unit": "", **data}, "target_unit", str))
    if len(units) not in (0, n_in):
        raise Wrong("its units are not one for each column")
    return units


def checked_unit(unit: str) -> str:
    try:
        _quantities.parse(unit)
    except ValueError as error:
        raise Wrong(str(error).rstrip(".")) from None
    return unit


def _constant(data: Any) -> Constant:
    symbol, unit = get(data, "symbol", str), get(data, "unit", str)
    if not is_symbol(symbol) or number_of(data, "value") <= 0:
        raise Wrong("a constant of it has no symbol, or no positive value")
    checked_unit(unit)
    return Constant(get(data, "name", str), symbol, number_of(data, "value"), unit)


def groups_of(data: Any, terms: tuple[Term, ...], symbols: tuple[str, ...]) -> Groups | None:
    """The groups, whose labels every number that differs has a number for."""
    numbers = [each for term in terms for each in (term.coefficient, *(f.exponent for f in term.factors))]
    differing = [number for number in numbers if number.by_group]
    if data is None:
        if differing:
            raise Wrong("numbers of it differ by group, and it has no groups")
        return None
    labels, rows = texts(data, "labels"), get(data, "covariances", list)
    if len(labels) < 2 or len(set(labels)) < len(labels) or len(rows) not in (0, len(labels)) or None in rows:
        raise Wrong("its groups are not labels with a covariance each, or none")
    if any(len(each.by_group) != len(labels) for each in differing):
        raise Wrong("a number of it is not one for each group")
    own = [each.symbol for each in differing]
    if not own or not all(map(is_symbol, own)) or len({*own, *symbols}) < len(own) + len(symbols):
        raise Wrong("the symbols of numbers that differ by group are not names of their own")
    covariances = (_covariance(each, terms) for each in rows)
    return Groups(get(data, "header", str), labels, tuple(each for each in covariances if each is not None))


def _covariance(rows: Any, terms: tuple[Term, ...]) -> np.ndarray | None:
    if rows is None:
        return None
    free = sum(factor.exponent.exact is None for term in terms for factor in term.factors)
    size = len(terms) + free
    square = isinstance(rows, list) and len(rows) == size and all(isinstance(r, list) and len(r) == size for r in rows)
    if not square or not all(entry is None or is_number(entry) for row in rows for entry in row):
        raise Wrong("its covariance is not a square of numbers, one row for each number that was fitted")
    try:
        return np.array([[math.inf if entry is None else float(entry) for entry in row] for row in rows])
    except OverflowError:
        raise Wrong("its covariance has a number beyond the range of float64") from None


def known_of(data: Any, symbols: tuple[str, ...]) -> KnownPart | None:
    from ..symbolic._parse import parse

    if data is None:
        return None
    formula = get(data, "formula", str)
    try:
        parse(formula, symbols)
    except ValueError as error:
        raise Wrong(f"its known part {str(error).rstrip('.')}") from None
    pairs = get(data, "constants", list)
    if not all(isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) for pair in pairs):
        raise Wrong("the constants of its known part are not names and numbers")
    return KnownPart(get(data, "text", str), formula, tuple((name, _number(number)) for name, number in pairs))


def term_of(data: Any, n_in: int, constants: int) -> Term:
    parts = ("sum", "above", "below", "front", "inside", "added")
    factors = tuple(_factor(factor, n_in) for factor in get(data, "factors", list))
    known = get({"known": [], **data}, "known", list)
    if not all(isinstance(pair, list) and len(pair) == 2 and is_place(pair[0], constants) for pair in known):
        raise Wrong("a constant of it is none of its constants")
    powers = tuple((place, _number(power)) for place, power in known)
    return Term(one_of(data, "part", parts), _number(get(data, "coefficient", dict)), factors, powers)


def is_place(value: Any, count: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < count


def _factor(data: Any, n_in: int) -> Factor:
    inputs, weights = get(data, "inputs", list), get(data, "weights", list)
    if not inputs or not all(isinstance(i, int) and not isinstance(i, bool) and 0 <= i < n_in for i in inputs):
        raise Wrong("a factor of it is none of its columns")
    if len(weights) != len(inputs) or not all(is_number(weight) and weight != 0 for weight in weights):
        raise Wrong("a factor of it has no weights")
    function = one_of(data, "function", (None, *COLUMN_FUNCTIONS))
    size = number_of(data, "size")
    if size <= 0:
        raise Wrong("a factor of it is divided by what is not positive")
    column = Column(tuple(inputs), tuple(map(float, weights)), function)
    return Factor(column, _number(get(data, "exponent", dict)), one_of(data, "sign", ("own", "none", "kept")), size)


def _number(data: Any) -> Number:
    value, text = number_of(data, "value"), data.get("exact")
    exact = None
    if text is not None:
        try:
            exact = Fraction(text) if isinstance(text, str) and len(text) < 40 else None
            apart = math.inf if exact is None else abs(float(exact) - value)
        except (ValueError, ZeroDivisionError, OverflowError):
            exact, apart = None, math.inf
        if exact is None or apart > 1e-9 * abs(value):
            raise Wrong(f"{value} and {text!r} are not the same number")
    estimate, error = float_of(data, "estimate", math.nan), float_of(data, "error", math.inf)
    if "by_group" not in data:
        return Number(value, exact, estimate, error, _interval(data))
    each = get(data, "by_group", list)
    if exact is not None or not each or any(isinstance(one, dict) and "by_group" in one for one in each):
        raise Wrong("a number of it that differs by group is none")
    return Number(value, None, estimate, error, None, get(data, "symbol", str), tuple(map(_number, each)))


def _interval(data: Any) -> tuple[float, float] | None:
    ends = data.get("interval")
    if ends is None:
        return None
    if not isinstance(ends, list) or len(ends) != 2 or not all(end is None or is_number(end) for end in ends):
        raise Wrong("an interval of it is not two numbers")
    low, high = (-math.inf if ends[0] is None else float(ends[0])), (math.inf if ends[1] is None else float(ends[1]))
    if low > high:
        raise Wrong("an interval of it ends before it begins")
    return low, high


def get(data: Any, key: str, kind: type) -> Any:
    value = data.get(key) if isinstance(data, Mapping) else None
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Wrong(f"{key!r} is missing, or not of type {kind.__name__}")
    return value


def one_of(data: Any, key: str, allowed: Sequence[Any]) -> Any:
    value = data.get(key) if isinstance(data, Mapping) else None
    if not isinstance(value, str | None) or value not in allowed:
        raise Wrong(f"{key!r} is none of {', '.join(map(repr, allowed))}")
    return value


def texts(data: Any, key: str) -> tuple[str, ...]:
    return _all(get(data, key, list), lambda each: isinstance(each, str), key)


def _all(values: list[Any], check: Callable[[Any], bool], key: str) -> tuple[Any, ...]:
    if not all(map(check, values)):
        raise Wrong(f"{key!r} is not a list of texts")
    return tuple(values)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf


def number_of(data: Any, key: str) -> float:
    value: Any = data.get(key) if isinstance(data, Mapping) else None
    if not is_number(value):
        raise Wrong(f"{key!r} is no finite number")
    try:
        return float(value)
    except OverflowError:
        raise Wrong(f"{key!r} is no finite number") from None


def float_of(data: Any, key: str, otherwise: float) -> float:
    return otherwise if isinstance(data, Mapping) and data.get(key) is None else number_of(data, key)
