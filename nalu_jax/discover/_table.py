"""From a table to a formula: `table`.

Inputs are checked (`_inputs`, `_brought`), and so is what is asked for (`_options`, `_measures`, `_known`); the engine
searches (`_engine`), and what it found is written out (`_written`) as formulas (`_formula`) with a verdict (`_found`).
"""

import contextlib
import dataclasses
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from .. import _arguments, _progress
from .._interrupt import deferred
from . import _brought, _inputs, _known, _measures, _names, _options, _written
from ._engine.candidate import Candidate, predict
from ._engine.columns import TableOptions
from ._engine.search import Progress, Searched, search
from ._formula import Formula
from ._found import NOTHING, Found

SCALED_NOTE = (
    "the inputs have mean 0 and standard deviation 1, as after a StandardScaler: products and powers of such numbers "
    "say nothing. Do not scale them, it is done inside"
)


@deferred()
@_arguments.checked(
    "discover.table",
    names=_arguments.optional(_arguments.inputs()),
    target=_arguments.instance("a text", "Pass the name of y.", str),
    missing=_arguments.choice("raise", "drop"),
    progress=_arguments.optional(_arguments.instance("True, False or a label", "Pass one of them.", bool, str)),
)
def table(
    x: Any,
    y: Any,
    *,
    names: Sequence[str] | None = None,
    target: str = "y",
    units: Mapping[str, Any] | Literal["headers"] | None = None,
    target_unit: Any = None,
    constants: Mapping[str, tuple[float, Any]] | Literal["dimensionless"] | None = None,
    sigma: Any = None,
    weights: Any = None,
    robust: bool | None = None,
    missing: Literal["raise", "drop"] = "raise",
    known: str | None = None,
    guess: str | Sequence[str] | None = None,
    include: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
    exponents: tuple[float, float] | Literal["integers"] | None = None,
    functions: Literal["all"] | Sequence[str] = "all",
    nested: bool = True,
    terms: int = 4,
    seed: int = 0,
    time_limit: float | None = None,
    progress: bool | str | None = None,
) -> Found:
    """The formula that gives y from the columns of x, with a verdict.

    Searched are sums of products of powers; powers of sums and quotients of sums; products with one elementary function
    of such, also with a phase or between two levels; sums of exponentials, and waves that decay. Signs, the sizes of
    the columns and the kind of the noise are taken from the data: do not scale or take logarithms first. Evidence
    decides, in which every number and every name in a formula has its price. The same seed gives the same formula.
    Nothing is compiled; everything is computed in float64.

    Args:
        x: (rows, n_in) numbers, or a DataFrame, whose columns then are the names.
        y: (rows,) numbers, or the name of a column of x.
        names: of the columns of x, any text; x0, x1, ... where not given.
        target: the name of y; that of a Series where not given.
        units: of all columns, by name: SI units with prefixes, their products, powers and quotients, such as "Pa",
            "kPa*L/mol", "m/s^2", "1" for a pure number; or vectors of dimensions, such as (1, 0, -2); "headers" where
            the names have them: "p [Pa]". A term is then named among those that are consistent, or that a constant with
            a unit makes so.
        target_unit: of y, where `units` does not have it.
        constants: "dimensionless" where all constants of the formula are pure numbers: only consistent formulas are
            then considered; or constants that are known and are tried by name, with value and unit:
            {"g": (9.80665, "m/s**2")}.
        sigma: standard errors of y, (rows,), or the name of their column in x.
        weights: of rows, (rows,) or the name of their column: the variance of the noise is in proportion to 1 / weight.
        robust: whether single rows far off are weighted down as Student's t does; None where they are seen.
        missing: "raise" where a cell is missing, or "drop" its row; `notes` then say how many.
        known: a part of the formula that is added to what is found, as text of the columns' symbols; other names in it
            are constants that are fitted: "9.81*h + a*exp(-h/c)".
        guess: a formula, or several, that are tried and improved, as text.
        include: columns that the formula has to have.
        exclude: columns that are not looked at.
        exponents: (low, high) that they lie between, or "integers".
        functions: families of elementary functions that may be in the answer: "all", or some of exp, log, sin, cos,
            tanh, cosh, arcsin; () for none.
        nested: whether powers and quotients of sums may be the answer.
        terms: the largest number of terms of a sum.
        seed: of random starts and of the rows that are searched where they are many.
        time_limit: seconds after which the search ends with the best so far, looked at between its stages.
        progress: whether to show a progress bar, by default where stderr is a terminal; a text is its label.

    Returns:
        A `Found`. Ctrl-C ends the search with the best so far, and `interrupted` set.

    Raises:
        TypeError, ValueError: a table in which nothing can be found, or an option that is none; the message has column
            and row and the cure.
        KeyboardInterrupt: Ctrl-C came before there was any formula.
        TimeoutError: so did the time limit.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).uniform(0.5, 2.0, (40, 2))
    >>> found = table(x, 3 * x[:, 0] / x[:, 1] ** 2, names=("m", "r"))
    >>> found.formula, found.verdict
    ('3*m/r**2', 'recovered')

    With units, and a constant that is known:

    >>> length = np.linspace(0.2, 1.5, 12)[:, None]
    >>> found = table(length, 2 * np.pi * (length[:, 0] / 9.80665) ** 0.5, names=["length"], target="period",
    ...     units={"length": "m", "period": "s"}, constants={"g": (9.80665, "m/s**2")})
    >>> print(found.formula)
    6.2831853072*sqrt(length)/sqrt(g)
    """
    brought = _brought.of(x, y, names=names, target=target, sigma=sigma, weights=weights, missing=missing)
    data = brought.table
    row_weights, deviation = _brought.row_weights(brought)
    data = data._replace(row_weights=row_weights)
    chosen = _options.of(
        data.names, functions=functions, nested=nested, terms=terms, seed=seed, time_limit=time_limit, include=include,
        exclude=exclude, exponents=exponents, guess=guess, robust=robust,
    )  # fmt: skip
    measures = _measures.of(units, names=data.names, target=data.target, target_unit=target_unit, constants=constants)
    part = None if known is None else _known.read(known, data.names, _names.symbols(data.names))
    asked = _Asked(chosen, measures, deviation, part)
    with deferred() as interrupted, _reporting(progress) as report:
        searched, rest, numbers = _searched(data, asked, report, interrupted)
        stopped = interrupted()
    if not searched.candidates:
        raise _without_answer(stopped, searched, chosen)
    best = searched.candidates[0]
    scale = _residual_scale(best, data)
    bounds = _written.bounds_of(best, rest, searched.row_weights, robust=searched.robust)
    write = lambda candidate, bounds: _with_known(
        _written.formula_of(candidate, rest, scale, bounds, measures), part, numbers, data
    )
    formulas = write(best, bounds), *(write(candidate, {}) for candidate in searched.candidates[1:])
    verdict, reason = _verdict(searched, formulas)
    found = Found(
        verdict=verdict,
        reason=reason,
        candidates=formulas,
        alike=tuple(formulas[i] for i in searched.alike),
        noise=best.noise,
        deviation=float(best.deviation),
        rows=len(data.y),
        notes=(*brought.notes, *_notes(data, searched.constant, searched.screened, searched.stopped and not stopped)),
        interrupted=interrupted(),
    )
    return found if brought.sigma is None else _with_excess(found, data, brought.sigma)


class _Asked(NamedTuple):
    """What is asked of the engine, beside the table."""

    chosen: _options.Options
    measures: _measures.Measures | None
    deviation: float | None
    known: _known.Known | None


def _searched(
    data: _inputs.Table, asked: _Asked, report: Progress, stop: Callable[[], bool]
) -> tuple[Searched, _inputs.Table, _known.Refitted]:
    """What was found for the target, without its known part; that rest; the constants of the known part."""
    chosen = asked.chosen
    options = TableOptions(
        dimensions=None if asked.measures is None else _measures.dimensions(asked.measures),
        deviation=asked.deviation,
        limits=chosen.limits,
        include=chosen.rules.include,
        absolute=asked.known is not None,
    )
    settings = {
        "rules": chosen.rules, "terms": chosen.terms, "seed": chosen.seed, "row_weights": data.row_weights,
        "options": options, "guesses": chosen.guesses, "time_limit": chosen.time_limit, "progress": report,
        "stop": stop,
    }  # fmt: skip
    part = asked.known
    if part is None:
        return search(data.x, data.y, **settings), data, _known.Refitted(*[np.zeros(0)] * 3)
    weights = np.ones(len(data.y)) if data.row_weights is None else data.row_weights
    begin = _known.first_constants(part, data.x, data.y, weights, chosen.seed)
    found = [_beside_known(data, asked, settings, weights, constants) for constants in begin]
    return min(found, key=lambda each: each[0].candidates[0].evidence if each[0].candidates else np.inf)


def _beside_known(
    data: _inputs.Table, asked: _Asked, settings: dict[str, Any], weights: np.ndarray, constants: np.ndarray
) -> tuple[Searched, _inputs.Table, _known.Refitted]:
    """What is found beside the known part, from these constants of it on, which are fitted with the rest in turn."""
    part, numbers = asked.known, _known.Refitted(constants, np.zeros(len(constants)), np.zeros(len(constants)))
    assert part is not None
    place = 0
    while True:
        place += 1
        rest = data._replace(y=data.y - _known.values(part, data.x, numbers.constants))
        _known.check(part, rest.y, data.y, data.target)
        found = search(rest.x, rest.y, **settings)
        if not len(constants) or not found.candidates:
            return found, rest, numbers
        formula = _written.formula_of(found.candidates[0], rest, np.ones(len(rest.y)), {}, asked.measures)
        refitted = _known.refitted(part, numbers.constants, formula, data.x, data.y, weights)
        if place == _known.ROUNDS:  # the errors of this rest, whose numbers were fitted beside these constants
            return found, rest, refitted._replace(constants=numbers.constants)
        numbers = refitted


def _with_known(formula: Formula, part: _known.Known | None, numbers: _known.Refitted, data: _inputs.Table) -> Formula:
    if part is None:
        return formula
    written = _known.as_written(part, numbers)
    complexity = formula.complexity + len(written.constants)
    return dataclasses.replace(formula, known=written, complexity=complexity)


def _without_answer(stopped: bool, searched: Searched, chosen: _options.Options) -> BaseException:
    """The error of a search that ended without a formula."""
    if stopped:
        return KeyboardInterrupt()
    if searched.stopped and chosen.time_limit is not None:
        return TimeoutError(f"no formula within the time limit of {chosen.time_limit:g} s.")
    return ValueError(
        "no formula of the family is allowed by the options (units, include, exponents, functions): leave one out."
    )


EXCESS = 2.0
"""Residuals by their errors above which, or below whose reciprocal, a note says that sigma does not fit."""


def _with_excess(found: Found, data: _inputs.Table, sigma: np.ndarray) -> Found:
    """With a note where residuals are not as large as sigma says."""
    with np.errstate(all="ignore"):
        ratio = float(np.sqrt(np.mean(((found.predict(data.x) - data.y) / sigma) ** 2)))
    if 1 / EXCESS <= ratio <= EXCESS:
        return found
    cure = "the errors are too small, or the formula lacks something" if ratio > 1 else "the errors are too large"
    return dataclasses.replace(found, notes=(*found.notes, f"residuals are {ratio:.2g} times sigma: {cure}"))


def _verdict(searched: Searched, formulas: Sequence[Formula]) -> tuple[str, str]:
    """The engine's, but where no input is left in the best formula, or in one that the data cannot tell from it."""
    alike = [formulas[place] for place in searched.alike if formulas[place].known is None]
    if all(any(term.factors for term in each.terms) for each in (formulas[0], *alike)):
        return searched.verdict, searched.reason
    return NOTHING, "a constant does as well as anything in the inputs: the target does not follow them"


def _residual_scale(best: Candidate, data: _inputs.Table) -> np.ndarray:
    """(rows,) by which residuals of all candidates are divided, so that their errors can be compared."""
    if best.noise == "absolute":
        return np.ones(len(data.y))
    sizes = np.abs(predict(best, data.x))
    return np.where(np.isfinite(sizes) & (sizes > 0), sizes, np.abs(data.y).max())


def _notes(data: _inputs.Table, constant: Sequence[int], screened: Sequence[int], late: bool) -> tuple[str, ...]:
    listed = lambda places: ", ".join(repr(data.names[i]) for i in places)
    notes = []
    if still := sorted({*constant, *np.flatnonzero((data.x == data.x[0]).all(axis=0)).tolist()}):
        notes.append(f"left out, since constant in all rows: {listed(still)}")
    if screened:
        notes.append(f"left out before the search, since the target does not follow them: {listed(screened)}")
    if late:
        notes.append("the time limit ended the search: the best so far")
    if _inputs.standardised(data.x):
        notes.append(SCALED_NOTE)
        warnings.warn(f"discover.table: {SCALED_NOTE}.", UserWarning, stacklevel=3)
    return tuple(notes)


@contextlib.contextmanager
def _reporting(progress: bool | str | None) -> Iterator[Progress]:
    """A progress bar as a function of the stage and the fraction done."""
    with _progress.bar(progress, "discover", total=100, unit="%") as bar:

        def report(stage: str, fraction: float) -> None:
            bar.set_postfix_str(stage, refresh=False)
            bar.update(round(100 * fraction) - bar.n)

        yield report
