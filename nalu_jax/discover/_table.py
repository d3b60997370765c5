"""From a table to a formula: `table`.

Inputs are checked (`_inputs`, `_brought`), and so is what is asked for (`_options`, `_measures`, `_known`); the engine
searches (`_engine`), and what it found is written out (`_written`) as formulas (`_formula`) with a verdict (`_found`).
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from .. import _arguments, _progress
from .._interrupt import deferred
from . import (
    _asked,
    _brought,
    _errors_in_x,
    _frames,
    _groups,
    _inputs,
    _known,
    _measures,
    _names,
    _options,
    _peaks,
    _said,
    _written,
)
from ._engine.candidate import Candidate, predict
from ._engine.search import Progress, Searched
from ._engine.verdict import Verdict
from ._formula import Formula
from ._found import Found


@deferred()
@_arguments.checked(
    "discover.table",
    names=_arguments.optional(_arguments.inputs()),
    target=_arguments.instance("a text", "Pass the name of y.", str),
    missing=_arguments.choice("raise", "drop"),
    signs=_arguments.optional(_arguments.choice("positive")),
    varies=_arguments.optional(_arguments.choice("all", "coefficients", "exponents", "offset")),
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
    x_sigma: Mapping[str, Any] | None = None,
    weights: Any = None,
    groups: Any = None,
    varies: Literal["all", "coefficients", "exponents", "offset"] | None = None,
    robust: bool | None = None,
    missing: Literal["raise", "drop"] = "raise",
    known: str | Callable[..., Any] | None = None,
    guess: str | Sequence[str] | None = None,
    include: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
    exponents: tuple[float, float] | Literal["integers"] | None = None,
    signs: Literal["positive"] | None = None,
    limits: Mapping[str, str | Sequence[str]] | None = None,
    functions: Literal["all"] | Sequence[str] = "all",
    nested: bool = True,
    terms: int = 4,
    seed: int = 0,
    time_limit: float | None = None,
    progress: bool | str | None = None,
) -> Found:
    """The formula that gives y from the columns of x, with a verdict.

    Searched are sums of products of powers; powers of sums and quotients of sums, and square roots of 1 + a product
    beside a term; products with one elementary function of such, also with a phase or between two levels; sums of
    exponentials, and waves that decay. Signs, the sizes of the columns and the kind of the noise are taken from the
    data: do not scale or take logarithms first. Evidence decides, in which every number and every name in a formula has
    its price. The same seed gives the same formula. Nothing is compiled; everything is computed in float64.

    Args:
        x: (rows, n_in) numbers, or a DataFrame of pandas or polars, or a dataset of xarray, whose columns then are the
            names. Columns of pint-pandas bring their units.
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
        x_sigma: standard errors of inputs, by their names: one for all rows, (rows,), or the name of their column; they
            need `sigma`. {"length": 0.01}.
        weights: of rows, (rows,) or the name of their column: the variance of the noise is in proportion to 1 / weight.
        groups: which experiment a row belongs to, (rows,) labels of any kind, or the name of their column: one
            structure is found for all of them, in which numbers may differ by group.
        varies: which of them do: "coefficients", "exponents" that are no simple numbers, the "offset" that is added, or
            "all"; None where evidence decides for each.
        robust: whether single rows far off are weighted down as Student's t does; None where they are seen.
        missing: "raise" where a cell is missing, or "drop" its row; `notes` then say how many.
        known: a part of the formula that is added to what is found, as text of the columns' symbols; other names in it
            are constants that are fitted: "9.81*h + a*exp(-h/c)", or lambda h, a, c: 9.81 * h + a * np.exp(-h / c).
        guess: a formula, or several, that are tried and improved, as text.
        include: columns that the formula has to have.
        exclude: columns that are not looked at.
        exponents: (low, high) that they lie between, or "integers".
        signs: "positive" where no coefficient is negative, but for those inside of an elementary function.
        limits: what the formula does far off, by columns: "finite at 0", "0 at 0", "finite at infinity", "0 at
            infinity", or several of them; only formulas that do are considered. {"r": "0 at infinity"}.
        functions: families of elementary functions that may be in the answer: "all", or some of exp, log, sin, cos,
            tanh, cosh, arcsin; () for none.
        nested: whether powers and quotients of sums, and roots beside a term, may be the answer.
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

    With three springs, of which each has a stiffness of its own:

    >>> stretch, spring = np.tile(np.linspace(0.1, 1.0, 6), 3), np.repeat(["soft", "old", "hard"], 6)
    >>> force = np.repeat([2.0, 3.5, 9.0], 6) * stretch
    >>> found = table(stretch[:, None], force, names=["stretch"], target="force", groups=spring)
    >>> found.formula, {label: number.value for label, number in found.best.by_group["c1"].items()}
    ('c1*stretch', {'soft': 2.0, 'old': 3.5, 'hard': 9.0})
    >>> found.predict([[2.0]], groups="old")
    array([7.])
    >>> table(stretch[:, None], force, names=["stretch"], groups=spring, varies="coefficients").formula
    'c1*stretch'

    Every other option, of one table:

    >>> x = np.random.default_rng(1).uniform(1.0, 2.0, (30, 2))
    >>> y = x[:, 0] * x[:, 1] ** 2 / 2
    >>> ask = lambda **options: table(x, y, names=("m", "v"), target="energy", **options).formula
    >>> ask(functions=("exp",), nested=False, terms=2, seed=1, time_limit=60.0, progress=False)
    'm*v**2/2'
    >>> ask(sigma=np.full(30, 0.01), x_sigma={"v": 0.001}), ask(weights=np.ones(30), robust=False)
    ('m*v**2/2', 'm*v**2/2')
    >>> ask(known="m*v**2/4"), ask(known=lambda m, v: m * v**2 / 4)
    ('m*v**2/4 + m*v**2/4', 'm*v**2/4 + m*v**2/4')
    >>> ask(guess="3*m*v**2", include=["m"], exponents="integers"), ask(signs="positive", limits={"v": "0 at 0"})
    ('m*v**2/2', 'm*v**2/2')
    >>> table(x, y, names=("m", "v"), units={"m": "kg", "v": "m/s"}, target_unit="J", constants="dimensionless").formula
    'm*v**2/2'
    >>> table(np.column_stack([x, np.arange(30)]), y, names=("m", "v", "row"), exclude=["row"]).formula
    'm*v**2/2'
    >>> x[3, 0] = np.nan
    >>> table(x, y, names=("m", "v"), missing="drop").notes[0]
    '1 of 30 rows left out, since a cell is missing: row 4'
    """
    x, y, sigma, units = _frames.plain(x, y, sigma=sigma, x_sigma=x_sigma, target=target, units=units)
    brought = _brought.of(
        x, y, names=names, target=target, sigma=sigma, weights=weights, x_sigma=x_sigma, groups=groups,
        missing=missing,
    )  # fmt: skip
    experiments = _experiments(brought, varies)
    data = brought.table
    row_weights, deviation = _brought.row_weights(brought)
    data = data._replace(row_weights=row_weights)
    chosen = _options.of(
        data.names, functions=functions, nested=nested, terms=terms, seed=seed, time_limit=time_limit, include=include,
        exclude=exclude, exponents=exponents, guess=guess, robust=robust, signs=signs, limits=limits, x=data.x,
    )  # fmt: skip
    measures = _measures.of(units, names=data.names, target=data.target, target_unit=target_unit, constants=constants)
    part = None if known is None else _known.read(known, data.names, _names.symbols(data.names))
    if experiments is not None:
        return _of_groups(brought, data, experiments, varies, _asked.Asked(chosen, measures, deviation, part), progress)
    asked = _asked.Asked(chosen, measures, deviation, part)
    _check_x_sigma(brought, part)
    with deferred() as interrupted, _progress.stages(progress, "discover") as report:
        searched, rest, numbers = _searched(brought, data, asked, report, interrupted)
        stopped = interrupted()
    if not searched.candidates:
        raise _without_answer(stopped, searched.stopped, chosen)
    best = searched.candidates[0]
    scale = _residual_scale(best, data)
    bounds: _written.Bounds = {}
    if brought.x_sigma is None:
        bounds = _written.bounds_of(best, rest, searched.row_weights, robust=searched.robust)
    write = lambda candidate, bounds: _with_known(
        _written.formula_of(candidate, rest, scale, bounds, measures), part, numbers, data
    )
    formulas = write(best, bounds), *(write(candidate, {}) for candidate in searched.candidates[1:])
    engine = Verdict(searched.verdict, searched.reason, searched.alike)
    verdict, reason = _said.verdict_of(engine, formulas, data, chosen)
    far = _said.far_off(searched, data) if brought.x_sigma is None else np.zeros(len(data.y), bool)
    found = Found(
        verdict=verdict,
        reason=reason,
        candidates=formulas,
        alike=tuple(formulas[i] for i in searched.alike),
        noise=best.noise,
        deviation=float(best.deviation),
        rows=len(data.y),
        notes=(
            *brought.notes,
            *_said.named(far, brought),
            *_peaks.note([best, *(searched.candidates[place] for place in searched.alike)], data.names),
            *_said.notes(data, searched.constant, searched.screened, searched.stopped and not stopped),
            *_said.unused(measures, formulas[0]),
        ),
        interrupted=interrupted(),
    )
    if brought.sigma is None:
        return found
    sizes = brought.sigma
    if brought.x_sigma is not None:
        sizes = _errors_in_x.effective(best, data.x, brought.sigma, brought.x_sigma)
    return _said.with_excess(found, found.predict(data.x), data, np.where(far, np.inf, sizes))


def _check_x_sigma(brought: _brought.Brought, part: _known.Known | None) -> None:
    """Raise where errors of inputs are not all that there is to know."""
    if brought.x_sigma is None:
        return
    if brought.sigma is None:
        raise ValueError("x_sigma says how sure the inputs are, and needs the errors of the target too: pass sigma=.")
    if part is not None:
        raise ValueError("known and x_sigma do not go together: leave one of them out.")


def _searched(
    brought: _brought.Brought,
    data: _inputs.Table,
    asked: _asked.Asked,
    report: Progress,
    stop: Callable[[], bool],
) -> tuple[Searched, _inputs.Table, _known.Refitted]:
    """As `_asked.searched`, also where inputs have errors."""
    if brought.x_sigma is None or brought.sigma is None:
        return _asked.searched(data, asked, report, stop)
    found: list[tuple[Searched, _inputs.Table, _known.Refitted]] = []

    def search(row_weights: np.ndarray | None, deviation: float | None) -> Searched:
        table = data._replace(row_weights=row_weights)
        found.append(_asked.searched(table, asked._replace(deviation=deviation), report, stop))
        return found[-1][0]

    searched = _errors_in_x.searched(data.x, data.y, brought.sigma, brought.x_sigma, search)
    return searched, *found[-1][1:]


def _experiments(brought: _brought.Brought, varies: str | None) -> _groups.Labelled | None:
    """The groups of rows, where there are some."""
    if brought.groups is not None:
        if brought.x_sigma is not None:
            raise ValueError("groups and x_sigma do not go together: leave one of them out.")
        return _groups.labelled(brought.groups)
    if varies is not None:
        raise ValueError(f"varies is {varies!r}, but there are no groups: pass groups= as well.")
    return None


def _of_groups(
    brought: _brought.Brought,
    data: _inputs.Table,
    experiments: _groups.Labelled,
    varies: str | None,
    asked: _asked.Asked,
    progress: bool | str | None,
) -> Found:
    """What is found where rows are of several experiments."""
    from . import _grouped  # here: tables without groups need none of it

    part, numbers = asked.known, _known.Refitted(*[np.zeros(0)] * 3)
    rest = data
    if part is not None:
        if part.constants:
            raise ValueError(
                f"known: with groups {part.constants[0]!r} is not fitted. Give its value, or leave known out: the "
                "search finds such terms too."
            )
        rest = data._replace(y=data.y - _known.values(part, data.x, np.zeros(0)))
        _known.check(part, rest.y, data.y, data.target)
    chosen = asked.chosen
    with deferred() as interrupted, _progress.stages(progress, "discover") as report:
        written = _grouped.found(
            rest, experiments, header=brought.header, varies=varies, options=_asked.table_options(asked),
            measures=asked.measures, rules=chosen.rules, terms=chosen.terms, seed=chosen.seed,
            guesses=chosen.guesses, time_limit=chosen.time_limit, progress=report, stop=interrupted,
        )  # fmt: skip
        stopped = interrupted()
    searched = written.searched
    if not written.formulas:
        raise _without_answer(stopped, searched.stopped, chosen)
    formulas = tuple(_with_known(formula, part, numbers, data) for formula in written.formulas)
    alike = searched.verdict.alike
    verdict, reason = _said.verdict_of(searched.verdict, formulas, data, chosen)
    found = Found(
        verdict=verdict,
        reason=reason,
        candidates=formulas,
        alike=tuple(formulas[place] for place in alike),
        noise=written.noise,
        deviation=written.deviation,
        rows=len(data.y),
        notes=(
            *brought.notes,
            *written.notes,
            *_said.notes(data, (), (), searched.stopped and not stopped),
            *_said.unused(asked.measures, formulas[0]),
        ),
        interrupted=interrupted(),
    )
    if brought.sigma is None:
        return found
    return _said.with_excess(found, found.predict(data.x, groups=brought.groups), data, brought.sigma)


def _with_known(formula: Formula, part: _known.Known | None, numbers: _known.Refitted, data: _inputs.Table) -> Formula:
    if part is None:
        return formula
    written = _known.as_written(part, numbers)
    complexity = formula.complexity + len(written.constants)
    return dataclasses.replace(formula, known=written, complexity=complexity)


def _without_answer(stopped: bool, ended: bool, chosen: _options.Options) -> BaseException:
    """The error of a search that ended without a formula."""
    if stopped:
        return KeyboardInterrupt()
    if ended and chosen.time_limit is not None:
        return TimeoutError(f"no formula within the time limit of {chosen.time_limit:g} s.")
    return ValueError(
        "no formula of the family is allowed by the options (units, include, exponents, signs, limits, functions): "
        "leave one out."
    )


def _residual_scale(best: Candidate, data: _inputs.Table) -> np.ndarray:
    """(rows,) by which residuals of all candidates are divided, so that their errors can be compared."""
    if best.noise == "absolute":
        return np.ones(len(data.y))
    sizes = np.abs(predict(best, data.x))
    return np.where(np.isfinite(sizes) & (sizes > 0), sizes, np.abs(data.y).max())
