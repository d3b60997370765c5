"""From a fit of the engine to equations in the units of the data.

A coefficient that is taken to be a simple number becomes one, the others move along; every other number is rounded to a
digit beyond its error, as those of tables are.
"""

from fractions import Fraction
from typing import NamedTuple

import numpy as np

from . import _known, _names, _numbers, _system_routes, _text
from ._engine.candidate import SATURATING, Column
from ._engine.forms import Form
from ._engine.rounding import simple_number
from ._formula import Factor, Formula, Number, Term, complexity, exact, measured
from ._known_rates import KnownRates
from ._system import Known, System
from ._system_known import Text
from ._system_measures import Measures
from ._systems import terms as engine
from ._systems.inner import RateError, beside_rates
from ._systems.inner import errors as rate_errors
from ._systems.problem import Problem
from ._systems.rates import simple
from ._systems.shooting import Fit
from ._systems.verdict import covariance


class Names(NamedTuple):
    """Of the states and, after them, of the inputs, and their units; None where there are none.

    `routes` say what every equation adds to each state where sums of states are conserved, `held` how each input is
    held between samples.
    """

    variables: tuple[str, ...]
    measures: Measures | None = None
    routes: tuple[tuple[Fraction, ...], ...] = ()
    held: tuple[str, ...] = ()


class Constants(NamedTuple):
    """Of known rates, fitted with a law: the text, their values (k,), whitened derivatives (I n, k) by them."""

    text: Text
    values: np.ndarray
    matrix: np.ndarray


class Numbers(NamedTuple):
    """Parameters of a fit in the units of the data and, after them, constants of known rates, with their covariance,
    those that are simple numbers, and errors of rates inside of functions."""

    estimates: np.ndarray
    covariance: np.ndarray
    errors: np.ndarray
    values: np.ndarray
    conditional: np.ndarray
    simple: dict[int, float]
    inside: dict[engine.Function, RateError]


def system_of(
    fit: Fit, problem: Problem, names: Names, known: Known | Text | None, constants: Constants | None = None
) -> System:
    """The system of a fit, whose known part may be text with constants."""
    numbers = _numbers_of(fit, problem, constants)
    rates = tuple(_rate(fit, problem, numbers, names, i) for i in range(problem.n_states))
    return System(
        rates=rates,
        known=_known_rates(known, numbers, fit.structure.size) if isinstance(known, Text) else known,
        complexity=sum(rate.complexity for rate in rates) + (0 if constants is None else len(constants.values)),
        error=fit.error,
        description_length=fit.length,
        held=names.held,
    )


def _known_rates(text: Text, numbers: Numbers, first: int) -> KnownRates:
    """Known rates with their constants, whose numbers are those from a place on."""
    found = {name: _measured(numbers, place) for place, name in enumerate(text.constants, first)}
    parts = (None if part is None else _known.with_numbers(part, found) for part in text.parts)
    return KnownRates(tuple(parts), text.symbols)


def _numbers_of(fit: Fit, problem: Problem, constants: Constants | None) -> Numbers:
    structure, scale = fit.structure, problem.scale
    more = 0 if constants is None else len(constants.values)
    count = structure.coefficients
    powers = structure.powers(fit.parameters)
    place = {term: k for k, term in enumerate(structure.columns.terms)}
    change = np.eye(structure.size + more)
    for i, (begin, bar, _) in enumerate(structure.spans):
        for k, term in enumerate((*structure.numerators[i], *structure.denominators[i]), begin):
            own = place[term]
            factor = np.prod(scale ** -powers[own]) * (problem.equation_scale[i] if k < bar else 1.0)
            change[k, k] = factor
            for m, (other, j) in enumerate(structure.free):
                if other == own:
                    change[k, count + m] = -factor * fit.parameters[k] * np.log(scale[j])
    factors = np.concatenate([np.diag(change)[:count], np.ones(structure.size - count + more)])
    parameters = fit.parameters if constants is None else np.concatenate([fit.parameters, constants.values])
    matrix = beside_rates(problem, fit)
    matrix = matrix if constants is None else np.concatenate([matrix, constants.matrix], 1)
    estimates = parameters * factors
    scaled = covariance(fit, matrix)
    lost = np.isinf(np.diag(scaled))
    spread = change @ np.where(np.isinf(scaled), 0.0, scaled) @ change.T
    errors = np.where(lost, np.inf, np.sqrt(np.maximum(np.diag(spread), 0.0)))
    every = (
        term
        for parts in zip(structure.numerators, structure.denominators, strict=True)
        for part in parts
        for term in part
    )
    common = [k for k, term in enumerate(every) if not any(term.powers[problem.n_variables - fit.indicators :])]
    values, simple, left = _simplified(estimates, spread, errors, count, common)
    return Numbers(estimates, spread, errors, values, _conditional(left, simple), simple, rate_errors(problem, fit))


def _simplified(
    estimates: np.ndarray, covariance: np.ndarray, errors: np.ndarray, count: int, common: list[int]
) -> tuple[np.ndarray, dict[int, float], np.ndarray]:
    """Values with simple coefficients where they are taken to be such, the surest first; the others moved along.

    Numbers by trajectory are those of experiments, and none of the law: of the `count` coefficients only those that are
    common to all may be simple.
    """
    values, covariance = estimates.copy(), covariance.copy()
    simple: dict[int, float] = {}
    if not np.isfinite(errors).all() or not estimates[:count].all():
        return values, simple, covariance
    for k in np.argsort(errors[:count] / np.abs(estimates[:count]), kind="stable").tolist():
        if k not in common:
            continue
        variance = covariance[k, k]
        if variance <= 0:
            continue
        found = simple_number(float(values[k]), float(np.sqrt(variance)))
        if found is None or _numbers.as_fraction(found) is None:
            continue
        simple[k] = found
        direction = covariance[:, k] / variance
        values = values + direction * (found - values[k])
        values[k] = found
        covariance = covariance - np.outer(direction, covariance[k])
    return values, simple, covariance


def _conditional(covariance: np.ndarray, simple: dict[int, float]) -> np.ndarray:
    """Standard error of every number where all others are known; 0 where that is unknown."""
    rest = [k for k in range(len(covariance)) if k not in simple]
    result = np.zeros(len(covariance))
    with np.errstate(invalid="ignore"):
        deviations = np.sqrt(np.diag(covariance)[rest])
    if not rest or not np.isfinite(deviations).all() or (deviations == 0).any():
        return result
    correlation = covariance[np.ix_(rest, rest)] / np.outer(deviations, deviations)
    if not np.isfinite(correlation).all():
        return result
    result[rest] = deviations / np.sqrt(np.maximum(np.diag(np.linalg.pinv(correlation, hermitian=True)), 1.0))
    return result


def _rate(fit: Fit, problem: Problem, numbers: Numbers, names: Names, i: int) -> Formula:
    over, under = _coefficients(fit, numbers, names, i)
    above = [_term(fit, problem, numbers, term, each, "above" if under else "sum") for term, each in over]
    below = [_term(fit, problem, numbers, term, each, "below") for term, each in under]
    above, below = (sorted(part, key=order) for part in (above, below))
    form = Form("quotient", (len(above), len(below))) if below else Form("sum", (len(above),))
    terms = tuple(above + below)
    return Formula(
        form=form,
        terms=terms,
        names=names.variables,
        symbols=_names.symbols(names.variables),
        target=f"d{names.variables[i]}/dt",
        absolute=False,
        complexity=complexity(form, terms),
        error=float(np.sqrt(fit.variance[i]) * problem.scale[i]),
        description_length=fit.length,
        units=() if names.measures is None else names.measures.variables,
        target_unit="" if names.measures is None else names.measures.rates[i],
    )


def _coefficients(
    fit: Fit, numbers: Numbers, names: Names, i: int
) -> tuple[list[tuple[engine.Term, Number]], list[tuple[engine.Term, Number]]]:
    """Terms above and below the bar of the rate of one state, with their numbers."""
    structure = fit.structure
    found = [_coefficient(numbers, k) for k in range(structure.coefficients)]
    if names.routes:
        return _system_routes.coefficients(structure, found, numbers.covariance, numbers.errors, names.routes, i)
    begin, bar, end = structure.spans[i]
    above = list(zip(structure.numerators[i], found[begin:bar], strict=True))
    return above, list(zip(structure.denominators[i], found[bar:end], strict=True))


def _coefficient(numbers: Numbers, k: int) -> Number:
    if k not in numbers.simple:
        return _measured(numbers, k)
    estimate, error = float(numbers.estimates[k]), float(numbers.errors[k])
    return Number(numbers.simple[k], _numbers.as_fraction(numbers.simple[k]), estimate, error)


def _measured(numbers: Numbers, k: int) -> Number:
    value = _numbers.rounded(float(numbers.values[k]), float(numbers.conditional[k]))
    return measured(value, float(numbers.estimates[k]), float(numbers.errors[k]))


def order(term: Term) -> tuple[float, ...]:
    """The constant first, then by degree, then by the states."""
    degree = sum(abs(factor.exponent.value) for factor in term.factors)
    return (degree, *(place for factor in term.factors for place in factor.column.inputs))


def _term(fit: Fit, problem: Problem, numbers: Numbers, term: engine.Term, coefficient: Number, part: str) -> Term:
    structure = fit.structure
    own = structure.columns.terms.index(term) if term in structure.columns.terms else -1  # a product of two
    factors = []
    for j, power in enumerate(term.powers):
        if (own, j) in structure.free:
            number = _measured(numbers, structure.coefficients + structure.free.index((own, j)))
        elif power:
            number = exact(_numbers.as_fraction(power) or Fraction(power))
        else:
            continue
        factors.append(Factor(Column((j,)), number))
    inside = {
        each: error._replace(alone=error.joint if fit.is_exact else error.alone)
        for each, error in numbers.inside.items()
    }
    columns = [_column(function, problem, inside.get(function)) for function in term.functions]
    factors += [Factor(column, exact(Fraction(1))) for column in columns]
    return Term(part, coefficient, tuple(factors))


def _column(function: engine.Function, problem: Problem, error: RateError | None) -> Column:
    used = [j for j, weight in enumerate(function.weights) if weight]
    weights = [float(function.weights[j] / problem.scale[j]) for j in used]
    power = SATURATING.get(function.name, 1)  # of a bar 1 + q y^p the number that is written is q
    rounded = (_rounded(each**power, error, power) ** (1 / power) for each in weights)
    return Column(tuple(used), tuple(rounded), function.name)


def _rounded(number: float, error: RateError | None, power: int) -> float:
    if error is None:
        known = simple(abs(number) ** (1 / power))
        return float(f"{number:.9g}") if known is None else float(np.copysign(known**power, number))
    return _numbers.rounded(number, abs(number) * power * error.alone)


def rate_notes(fit: Fit, problem: Problem, names: Names) -> tuple[str, ...]:
    """Standard errors of rates inside of functions."""
    symbols, notes = _names.symbols(names.variables), {}
    for function, error in rate_errors(problem, fit).items():
        column = _column(function, problem, error)
        power = SATURATING.get(function.name, 1)
        size = abs(column.weights[0]) if power == 1 else _text.saturating_number(column)
        shown = _numbers.with_error(size, size * power * error.joint)
        notes[function.weights] = f"inside of {_text.column_text(column, symbols)}: {shown}"
    return tuple(notes.values())
