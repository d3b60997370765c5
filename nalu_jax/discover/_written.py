"""From the engine's candidate to the formula as it is written: simple numbers, rounded numbers, signs, sizes.

A coefficient that is taken for a simple number is fixed at it; the other numbers move to their conditional means, along
the covariance, so that the fit stays as good as it can be. The rest is rounded far below its conditional errors. Where
simple numbers cost more than they may, all are written as measured; where rounding does (numbers so far from their
estimates that the covariance does not tell), the estimates stay.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np

from . import _names, _numbers, _quantities, _values
from ._engine import profile
from ._engine.candidate import Candidate, plain_numbers, term_values
from ._engine.dimensions import known_powers
from ._engine.forms import Form
from ._engine.rounding import simple_number
from ._formula import Constant, Factor, Formula, Number, Term, complexity, exact, measured
from ._inputs import Table
from ._measures import Measures, dimensions

WIDEST = 250.0
"""Decimal exponent up to which coefficients, powers and their partial products are written as they are: half of the
range of float64 stays for rows far from the mean."""

DEAREST = 1.0
"""What rounding may add to -2 log likelihood for every number that is rounded: one standard error of it."""

EXACT = 1e-9
"""Residuals of this share of the target's size count as rounding of the data, as in the engine."""

Digits = Literal["simple", "measured", "all"]
"""Of the numbers of a formula: those of simple numbers where these may be meant, those that were measured, or all."""

SHORTER: tuple[Digits, ...] = ("simple", "measured")
"""Than all, the shortest first."""

Bounds = Mapping[int, tuple[float, float]]
"""By place among coefficients and free exponents: factors of a coefficient, distances of an exponent."""

LARGEST_LOGARITHM = 700.0
"""Of a coefficient: that of 1e304."""

PARTS = {
    "sum": ("sum",),
    "power": ("sum",),
    "quotient": ("above", "below"),
    "function": ("front", "inside", "added"),
}


def formula_of(
    candidate: Candidate,
    table: Table,
    scale: np.ndarray,
    bounds: Bounds = MappingProxyType({}),
    measures: Measures | None = None,
) -> Formula:
    """The formula as it is written.

    Args:
        candidate: of the engine, fitted to the table.
        table: names and rows.
        scale: (rows,) by which residuals are divided for the formula's error.
        bounds: of uncertain numbers, see `bounds_of`.
        measures: units of the columns, where they have some.
    """
    known = known_of(candidate, measures)
    all_digits = _formula(candidate, table, scale, bounds, known, digits="all")
    shorter = (_formula(candidate, table, scale, bounds, known, digits=digits) for digits in SHORTER)
    written = next((each for each in shorter if _as_good(each, all_digits, candidate, table)), all_digits)
    if measures is None:
        return written
    text = lambda unit: _quantities.text(unit.factors)
    units = tuple(map(text, measures.inputs)) if any(map(text, (*measures.inputs, measures.target))) else ()
    return dataclasses.replace(written, units=units, target_unit=text(measures.target))


def bounds_of(candidate: Candidate, table: Table, row_weights: np.ndarray | None, *, robust: bool = False) -> Bounds:
    """Intervals of numbers whose standard errors say too little, by place: see `profile.intervals`.

    Args:
        candidate: of the engine, fitted to the table.
        table: names and rows.
        row_weights: (rows,) of the search, or None.
        robust: whether they follow residuals.
    """
    log_sizes = np.log(sizes_of(candidate))
    _, covariance = _estimates(candidate, log_sizes)
    shift = candidate.centre - log_sizes
    options = {"row_weights": row_weights, "robust": robust}
    return profile.intervals(candidate, table.x, table.y, covariance=covariance, shift=shift, **options)


def _as_good(short: Formula, plain: Formula, candidate: Candidate, table: Table) -> bool:
    """Whether rounding cost little, by the noise model of the candidate."""
    fitted = _values.of(plain, table.x)
    size = np.abs(fitted) if candidate.noise == "relative" else np.full(len(fitted), np.abs(table.y).max())
    size = np.where(size > 0, size, 1.0)
    squares = []
    for values in (fitted, _values.of(short, table.x)):
        with np.errstate(over="ignore", invalid="ignore"):  # single rows may be far off, or infinite
            difference = (values - table.y) / size
            difference = difference if table.row_weights is None else difference * table.row_weights
            squares.append(np.mean(difference**2) + EXACT**2)
    numbers = len(candidate.log_coefficients) + int(candidate.free.sum())
    cost = len(fitted) * math.log(squares[1] / squares[0]) if np.isfinite(squares).all() else math.inf
    return cost <= DEAREST * numbers


class KnownConstants(NamedTuple):
    """Known constants, and (K, C) their powers in the terms."""

    constants: tuple[Constant, ...]
    powers: np.ndarray

    @property
    def logarithms(self) -> np.ndarray:
        """(K,) of what the constants make of each term."""
        return self.powers @ np.log([constant.value for constant in self.constants])


def known_of(candidate: Candidate, measures: Measures | None) -> KnownConstants:
    """The known constants that make the units of the terms consistent; none where no powers of them do."""
    constants = () if measures is None else tuple(constant for constant, _ in measures.constants)
    powers = np.zeros((candidate.form.terms, len(constants)))
    if measures is None or not constants:
        return KnownConstants(constants, powers)
    table = dimensions(measures)
    for k, wanted in enumerate(table.places(candidate.form)):
        own = [table.of(column) for column in candidate.columns]
        if candidate.free[k].any() or any(each is None for each in own):
            continue
        reached = sum(
            (power * each for power, each in zip(candidate.exponents[k], own, strict=True) if each is not None),
            np.zeros(len(wanted)),
        )
        found = known_powers(table, np.array(wanted) - reached, len(measures.inputs))
        powers[k] = 0 if found is None else found
    return KnownConstants(constants, powers)


def _formula(
    candidate: Candidate, table: Table, scale: np.ndarray, bounds: Bounds, known: KnownConstants, *, digits: Digits
) -> Formula:
    columns = np.array([column.values(table.x) for column in candidate.columns]).reshape(-1, len(table.y))
    sizes = sizes_of(candidate)
    coefficients, exponents = _written_numbers(candidate, np.log(sizes), bounds, digits, known.logarithms)
    negative = np.any(columns < 0, axis=1).tolist()
    terms = []
    for k, part in enumerate(parts_of(candidate.form)):
        used = np.flatnonzero(candidate.exponents[k] != 0).tolist()
        factors = tuple(
            Factor(
                candidate.columns[j],
                exponents[k][j],
                sign_of(exponents[k][j], int(candidate.parity[k, j]), negative[j]),
                float(sizes[k, j]),
            )
            for j in used
        )
        powers = tuple((c, unfitted(float(power))) for c, power in enumerate(known.powers[k]) if power)
        terms.append(Term(part, coefficients[k], factors, powers))
    order = order_of(candidate)
    terms = tuple(terms[k] for k in order)
    formula = Formula(
        form=candidate.form,
        terms=terms,
        names=table.names,
        symbols=_names.symbols(table.names),
        target=table.target,
        absolute=is_absolute(candidate, table.x),
        complexity=complexity(candidate.form, terms),
        error=math.nan,
        description_length=float(candidate.evidence),
        constants=known.constants,
        covariance=_ordered_covariance(candidate, np.log(sizes), order),
    )
    return _with_error(formula, table, scale)


def _ordered_covariance(candidate: Candidate, log_sizes: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """(K + F, K + F) covariance of the numbers in the order in which the terms are written."""
    term, _ = np.nonzero(candidate.free)
    count = len(candidate.signs)
    places = [*order, *(count + i for k in order for i in np.flatnonzero(term == k))]
    return _estimates(candidate, log_sizes)[1][np.ix_(places, places)]


def _with_error(formula: Formula, table: Table, scale: np.ndarray) -> Formula:
    with np.errstate(over="ignore"):
        residuals = (_values.of(formula, table.x) - table.y) / scale
        size = np.abs(residuals).max()
        error = float(size * np.sqrt(np.mean((residuals / size) ** 2))) if 0 < size < np.inf else float(size)
    return dataclasses.replace(formula, error=error)


def parts_of(form: Form) -> list[str]:
    return [part for part, size in zip(PARTS[form.kind], form.groups, strict=True) for _ in range(size)]


def order_of(candidate: Candidate) -> list[int]:
    """Terms of every group by their size at the centre of the table, the largest first."""
    order, begin = [], 0
    for size in candidate.form.groups:
        group = range(begin, begin + size)
        order += sorted(group, key=lambda k: -candidate.log_coefficients[k])
        begin += size
    return order


def sign_of(exponent: Number, parity: int, negative: bool) -> str:
    """How the power treats the sign of a column that has negative values."""
    if not negative:
        return "own"
    exact = exponent.exact
    if exact is not None and exact.denominator == 1 and parity == exact.numerator % 2:
        return "own"
    return "kept" if parity else "none"


def is_absolute(candidate: Candidate, x: np.ndarray) -> bool:
    """Whether the logarithm of the form is one of numbers of which some are negative."""
    if candidate.form.function != "log":
        return False
    inside = term_values(candidate, x)[1 : 1 + candidate.form.groups[1]].sum(0)
    return bool((inside < 0).any())


def sizes_of(candidate: Candidate) -> np.ndarray:
    """(K, n) powers of ten by which columns are divided: 1, but in terms whose numbers would leave float64."""
    decimal = candidate.centre / math.log(10)
    parts = candidate.exponents * decimal[None, :]
    coefficients = plain_numbers(candidate).log_coefficients / math.log(10)
    wide = (np.abs(parts).sum(axis=1) > WIDEST) | (np.abs(coefficients) > WIDEST)
    return np.where(wide[:, None], 10.0 ** np.round(decimal)[None, :], 1.0)


def _estimates(candidate: Candidate, log_sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(K + F,) logarithms of coefficients and free exponents, with the covariance (K + F, K + F)."""
    numbers = plain_numbers(candidate)
    term, column = np.nonzero(candidate.free)
    count = len(numbers.log_coefficients)
    change = np.eye(count + len(term))
    change[term, count + np.arange(len(term))] = log_sizes[term, column]
    logs = numbers.log_coefficients + (candidate.exponents * log_sizes).sum(axis=1)
    return np.concatenate([logs, candidate.exponents[term, column]]), change @ numbers.covariance @ change.T


def _written_numbers(
    candidate: Candidate, log_sizes: np.ndarray, bounds: Bounds, digits: Digits, known: np.ndarray
) -> tuple[list[Number], list[dict[int, Number]]]:
    """Coefficients, beside known constants of these logarithms (K,), and exponents by term and column."""
    estimates, covariance = _estimates(candidate, log_sizes)
    estimates[: len(known)] -= known
    term, column = np.nonzero(candidate.free)
    count = len(candidate.signs)
    errors = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    values, exacts = estimates, {}
    if digits == "simple":
        values, exacts = simple_ones(estimates, covariance, count, candidate.signs)
    conditional = np.zeros(len(values)) if digits == "all" else conditional_errors(covariance, exacts)
    coefficients = []
    for k, sign in enumerate(candidate.signs):
        estimate, value = sign * coefficient_of(estimates[k]), sign * coefficient_of(values[k])
        error = float(abs(estimate)) * float(errors[k])  # of Python: inf where it is too large, without a warning
        if k in exacts:
            coefficients.append(Number(float(exacts[k]), _numbers.as_fraction(exacts[k]), estimate, error))
        else:
            low, high = (estimate * factor for factor in bounds.get(k, (1.0, 1.0))[:: int(sign)])
            value = _numbers.rounded(value, abs(value) * conditional[k])
            coefficients.append(measured(value, estimate, error, (low, high) if k in bounds else None))
    exponents = [{j: unfitted(float(power)) for j, power in enumerate(row)} for row in candidate.exponents]
    for i, (k, j) in enumerate(zip(term, column, strict=True), count):
        value = _numbers.rounded(values[i], conditional[i])
        interval = (estimates[i] + bounds[i][0], estimates[i] + bounds[i][1]) if i in bounds else None
        exponents[k][int(j)] = measured(float(value), float(estimates[i]), float(errors[i]), interval)
    return coefficients, exponents


def coefficient_of(logarithm: float) -> float:
    """Of a coefficient: numbers that move along with a simple one may leave those of floats, which then fit nothing."""
    return math.exp(min(logarithm, LARGEST_LOGARITHM))


def unfitted(power: float) -> Number:
    fraction = _numbers.as_fraction(power)
    return measured(power, power, 0.0) if fraction is None else exact(fraction)


def simple_ones(
    estimates: np.ndarray, covariance: np.ndarray, count: int, signs: np.ndarray
) -> tuple[np.ndarray, dict[int, float]]:
    """Values with simple coefficients where they are taken to be such, the surest first; the others moved along."""
    values, covariance = estimates.copy(), covariance.copy()
    exacts: dict[int, float] = {}
    for k in np.argsort(np.diag(covariance)[:count], kind="stable"):
        value, variance = float(signs[k] * coefficient_of(float(values[k]))), float(covariance[k, k])
        if not 0 < variance < np.inf:
            continue
        found = simple_number(value, abs(value) * math.sqrt(variance))
        if found is None or _numbers.as_fraction(float(found)) is None:
            continue
        exacts[int(k)] = float(found)
        direction = covariance[:, k] / variance
        values = values + direction * (math.log(abs(found)) - values[k])
        covariance = covariance - np.outer(direction, covariance[k])
    return values, exacts


def conditional_errors(covariance: np.ndarray, exacts: Sequence[int] | dict[int, float]) -> np.ndarray:
    """Standard error of every number where all others are known: how far it may move alone. 0 where that is unknown."""
    rest = [i for i in range(len(covariance)) if i not in exacts]
    result = np.zeros(len(covariance))
    deviations = np.sqrt(np.diag(covariance)[rest])
    if not rest or not np.isfinite(deviations).all() or (deviations == 0).any():
        return result
    correlation = covariance[np.ix_(rest, rest)] / np.outer(deviations, deviations)
    precision = np.diag(np.linalg.pinv(correlation, hermitian=True))
    result[rest] = deviations / np.sqrt(np.maximum(precision, 1.0))
    return result
