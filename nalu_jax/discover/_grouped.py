"""From a table of several experiments to a formula with numbers that differ between them: the part of `table` that
`groups` asks for. The engine searches (`_engine.grouped_search`); here its fits are written as formulas.
"""

import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np

from . import _groups, _inputs, _names, _numbers, _quantities, _written
from ._engine import grouped, settings
from ._engine.candidate import Candidate, scale_powers
from ._engine.columns import TableOptions
from ._engine.grouped import Grouped
from ._engine.grouped_search import GroupedTable, GroupsSearched, search_groups
from ._engine.structure import Fitted, as_candidate
from ._formula import Factor, Formula, Groups, Number, Term, complexity, measured
from ._groups import Labelled
from ._measures import Measures

VARIES = ("all", "coefficients", "exponents", "offset")
"""What may be said of the numbers that differ by group."""


HARDLY = 1.0
"""Nats within which it is noted that one number more may differ: one that does not is 1.5 to 3 nats behind, by its own
price."""


class Written(NamedTuple):
    """What was found, as formulas, the best first."""

    searched: GroupsSearched
    formulas: tuple[Formula, ...]
    noise: str
    deviation: float
    notes: tuple[str, ...]


def found(
    data: _inputs.Table,
    groups: Labelled,
    *,
    header: str,
    varies: str | None,
    options: TableOptions,
    measures: Measures | None,
    **asked: Any,
) -> Written:
    """Formulas for all groups; none where the search was stopped before there was one.

    Args:
        data: the table, with weights of rows.
        groups: of its rows.
        header: of the groups.
        varies: which numbers differ by group; None where evidence decides.
        options, measures: what is known of the table beside its numbers, and of its units.
        asked: as `search_groups` has it.
    """
    table = GroupedTable(data.x, data.y, groups.codes, data.row_weights, options)
    searched = search_groups(table, asked=varies, **asked)
    if not searched.fits:
        return Written(searched, (), "absolute", math.nan, ())
    best = searched.fits[0]
    scale = np.ones(len(data.y))
    if best.noise == "relative":
        sizes = np.abs(grouped.linear(best).values) * best.table.target_scale
        scale = np.where(np.isfinite(sizes) & (sizes > 0), sizes, np.abs(data.y).max())
    formulas = tuple(_formula(fit, data, groups, header, scale, measures) for fit in searched.fits)
    deviation = math.sqrt(grouped.variance(best, grouped.linear(best)))
    deviation *= best.table.target_scale if best.noise == "absolute" else 1.0
    return Written(searched, formulas, best.noise, deviation, _notes(searched, formulas[0], header))


def _notes(searched: GroupsSearched, best: Formula, header: str) -> tuple[str, ...]:
    """What the data hardly say of the numbers that differ."""
    fit, other = searched.fits[0], searched.other
    if other is None or other.evidence - fit.evidence > settings.EXTENSION_GAP:
        return ()
    behind = f"the same formula is {other.evidence - fit.evidence:.1f} nats behind"
    if (other.varies & ~fit.varies).any():
        if other.evidence - fit.evidence > HARDLY:
            return ()
        return (f"other numbers may differ by {header} as well: so {behind}",)
    symbols = ", ".join(best.by_group)
    return (f"it is not certain that all of {symbols} differ by {header}: with one of them in common {behind}",)


class _Plain(NamedTuple):
    """The numbers of a fit as they are written, without the scale of the table.

    Attributes:
        values: (q,) logarithms of absolute coefficients, and exponents; those in common first.
        covariance: (q, q).
        signs: (q,) of coefficients.
        place: (P, G) of every number in each group its place in `values`.
        common: number of coefficients in common.
    """

    values: np.ndarray
    covariance: np.ndarray
    signs: np.ndarray
    place: np.ndarray
    common: int


def _formula(
    fit: Grouped,
    data: _inputs.Table,
    groups: Labelled,
    header: str,
    scale: np.ndarray,
    measures: Measures | None,
) -> Formula:
    candidate = _typical(fit)
    known = _written.known_of(candidate, measures)
    plain = _plain(fit, np.log(_written.sizes_of(candidate)), known.logarithms)
    short = _of_numbers(fit, candidate, plain, data, groups, header, known, simple=True)
    exact = _of_numbers(fit, candidate, plain, data, groups, header, known, simple=False)
    weights = np.ones(len(data.y)) if data.row_weights is None else data.row_weights
    squares = []
    for formula in (exact, short):
        with np.errstate(all="ignore"):
            left = weights * (_groups.predicted_of_codes(formula, data.x, groups.codes) - data.y) / scale
            squares.append(float(np.mean(left**2)) + (_written.EXACT * float(np.abs(data.y / scale).max())) ** 2)
    cost = len(data.y) * math.log(squares[1] / squares[0]) if np.isfinite(squares).all() else math.inf
    formula = short if cost <= _written.DEAREST * len(plain.values) else exact
    with np.errstate(all="ignore"):
        left = (_groups.predicted_of_codes(formula, data.x, groups.codes) - data.y) / scale
    formula = dataclasses.replace(formula, error=float(np.sqrt(np.mean(left**2))))
    if measures is None:
        return formula
    text = lambda unit: _quantities.text(unit.factors)
    units = tuple(map(text, measures.inputs)) if any(map(text, (*measures.inputs, measures.target))) else ()
    return dataclasses.replace(formula, units=units, target_unit=text(measures.target))


def _typical(fit: Grouped) -> Candidate:
    """The formula of typical numbers, with the columns that it uses."""
    batch = grouped.typical_batch(fit)
    with np.errstate(all="ignore"):
        return as_candidate(Fitted(fit.table, fit.form, batch, fit.noise, fit.evidence))


def _used(fit: Grouped) -> np.ndarray:
    """(n,) the columns that some term has."""
    return np.asarray((fit.free | (fit.exponents != 0) | (fit.parity != 0)).any(0))


def _plain(fit: Grouped, log_sizes: np.ndarray, known: np.ndarray) -> _Plain:
    """The numbers as they are written, with columns divided by these sizes (K, n used), beside known constants of
    these logarithms (K,)."""
    terms, groups = fit.form.terms, fit.groups
    place = grouped.places(fit.varies, groups)
    with np.errstate(all="ignore"):
        covariance = grouped.covariance(fit)
    numbers = np.empty(int(place.max()) + 1)
    numbers[place] = np.concatenate([np.log(np.abs(fit.numbers[:terms]) + 1e-300), fit.numbers[terms:]])
    signs = np.ones(len(numbers))
    signs[place[:terms]] = np.where(fit.numbers[:terms] < 0, -1.0, 1.0)
    sizes = np.zeros(fit.exponents.shape)
    sizes[:, _used(fit)] = log_sizes
    shift = fit.table.centre - sizes
    change = np.eye(len(numbers))
    moved = np.zeros(len(numbers))
    fixed = np.where(fit.free, 0.0, fit.exponents)
    outer = scale_powers(fit.form) * np.log(fit.table.target_scale) - (fixed * shift).sum(1) - known
    term, column = np.nonzero(fit.free)
    for k in range(terms):
        moved[place[k]] = outer[k]
    for number, (k, j) in enumerate(zip(term, column, strict=True), terms):
        for group in range(groups):
            change[place[k, group], place[number, group]] = -shift[k, j]
    numbers = change @ numbers + moved
    finite = np.isfinite(covariance).all()
    covariance = change @ covariance @ change.T if finite else covariance
    common = place[:terms][~fit.varies[:terms], 0].tolist()
    order = [*common, *(i for i in range(len(numbers)) if i not in set(common))]
    back = np.argsort(order)
    return _Plain(numbers[order], covariance[np.ix_(order, order)], signs[order], back[place], len(common))


def _of_numbers(
    fit: Grouped,
    candidate: Candidate,
    plain: _Plain,
    data: _inputs.Table,
    groups: Labelled,
    header: str,
    known: _written.KnownConstants,
    *,
    simple: bool,
) -> Formula:
    made = _made(fit, plain, _symbols(fit, data, known), simple=simple)
    negative = [bool((column.values(data.x) < 0).any()) for column in candidate.columns]
    sizes, terms = _written.sizes_of(candidate), []
    used = np.flatnonzero(_used(fit)).tolist()
    free = {pair: number for number, pair in enumerate(zip(*np.nonzero(fit.free), strict=True), fit.form.terms)}
    for k, part in enumerate(_written.parts_of(fit.form)):
        factors = []
        for i, j in enumerate(used):
            if not fit.free[k, j] and fit.exponents[k, j] == 0:
                continue
            power = made[free[k, j]] if fit.free[k, j] else _written.unfitted(float(fit.exponents[k, j]))
            sign = _written.sign_of(power, int(fit.parity[k, j]), negative[i])
            factors.append(Factor(candidate.columns[i], power, sign, float(sizes[k, i])))
        powers = tuple((c, _written.unfitted(float(power))) for c, power in enumerate(known.powers[k]) if power)
        terms.append(Term(part, made[k], tuple(factors), powers))
    order = _written.order_of(candidate)
    own = [*order, *(number for k in order for (term, _), number in free.items() if term == k)]
    covariances = tuple(plain.covariance[np.ix_(place, place)] for place in plain.place[own].T)
    differs = bool(fit.varies.any())
    ordered = tuple(terms[k] for k in order)
    more = int(fit.varies.sum()) * (len(groups.labels) - 1)
    return Formula(
        form=fit.form,
        terms=ordered,
        names=data.names,
        symbols=_names.symbols(data.names),
        target=data.target,
        absolute=_written.is_absolute(candidate, data.x),
        complexity=complexity(fit.form, ordered) + more,
        error=math.nan,
        description_length=float(fit.evidence),
        constants=known.constants,
        covariance=None if differs else covariances[0],
        groups=Groups(header, groups.labels, covariances) if differs else None,
    )


def _symbols(fit: Grouped, data: _inputs.Table, known: _written.KnownConstants) -> dict[int, str]:
    """What stands for the numbers that differ by group: c1, c2 for coefficients, p1 for exponents."""
    taken = [*_names.symbols(data.names), *(constant.symbol for constant in known.constants)]
    found: dict[int, str] = {}
    order = [*_written.order_of(_typical(fit)), *range(fit.form.terms, len(fit.varies))]
    for number in order:
        if not fit.varies[number]:
            continue
        letter, count = ("c" if number < fit.form.terms else "p"), 1
        while f"{letter}{count}" in (*taken, *found.values()):
            count += 1
        found[number] = f"{letter}{count}"
    return found


def _made(fit: Grouped, plain: _Plain, symbols: dict[int, str], *, simple: bool) -> list[Number]:
    """The numbers: those in common perhaps simple, all rounded beyond their errors."""
    exacts: dict[int, float] = {}
    values, conditional = plain.values, np.zeros(len(plain.values))
    if simple and np.isfinite(plain.covariance).all():
        values, exacts = _written.simple_ones(plain.values, plain.covariance, plain.common, plain.signs)
        conditional = _written.conditional_errors(plain.covariance, exacts)
    errors = np.sqrt(np.maximum(np.diag(plain.covariance), 0.0))
    terms, found = fit.form.terms, []
    for number, place in enumerate(plain.place.tolist()):
        each = [_number(i, number < terms, plain, values, exacts, errors, conditional) for i in place]
        if not fit.varies[number]:
            found.append(each[0])
            continue
        typical = float(np.mean([one.value for one in each]))
        spread = float(np.std([one.value for one in each]))
        found.append(Number(typical, None, typical, spread, None, symbols[number], tuple(each)))
    return found


def _number(
    place: int,
    coefficient: bool,
    plain: _Plain,
    values: np.ndarray,
    exacts: dict[int, float],
    errors: np.ndarray,
    conditional: np.ndarray,
) -> Number:
    if not coefficient:
        value = _numbers.rounded(float(values[place]), float(conditional[place]))
        return measured(value, float(plain.values[place]), float(errors[place]))
    sign = float(plain.signs[place])
    estimate, value = (sign * _written.coefficient_of(each[place]) for each in (plain.values, values))
    error = abs(estimate) * float(errors[place])
    if place in exacts:
        return Number(float(exacts[place]), _numbers.as_fraction(exacts[place]), estimate, error)
    return measured(_numbers.rounded(value, abs(value) * float(conditional[place])), estimate, error)
