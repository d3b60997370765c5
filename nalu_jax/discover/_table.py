"""From a table to a formula: `table`.

Inputs are checked (`_inputs`), the engine searches (`_engine`), and what it found is written out (`_written`) as
formulas (`_formula`) with a verdict (`_found`).
"""

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from .. import _arguments, _progress
from .._interrupt import deferred
from . import _inputs, _written
from ._engine.candidate import Candidate, predict
from ._engine.forms import FAMILIES
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
    progress=_arguments.optional(_arguments.instance("True, False or a label", "Pass one of them.", bool, str)),
)
def table(
    x: Any,
    y: Any,
    *,
    names: Sequence[str] | None = None,
    target: str = "y",
    functions: Literal["all"] | Sequence[str] = "all",
    nested: bool = True,
    terms: int = 4,
    seed: int = 0,
    time_limit: float | None = None,
    progress: bool | str | None = None,
) -> Found:
    """The formula that gives y from the columns of x, with a verdict.

    Searched are sums of products of powers; powers of sums and quotients of sums; products with one elementary function
    of such. Signs, the sizes of the columns and the kind of the noise are taken from the data: do not scale or take
    logarithms first. Evidence decides, in which every number and every name in a formula has its price. The same seed
    gives the same formula. Nothing is compiled; everything is computed in float64.

    Args:
        x: (rows, n_in) numbers, or a DataFrame, whose columns then are the names.
        y: (rows,) numbers.
        names: of the columns of x, any text; x0, x1, ... where not given.
        target: the name of y; that of a Series where not given.
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
    """
    data = _inputs.table(x, y, names=names, target=target)
    options = _options(functions, nested, terms, seed, time_limit)
    with deferred() as interrupted, _reporting(progress) as report:
        searched = search(data.x, data.y, **options, progress=report, stop=interrupted)
        stopped = interrupted()
    if not searched.candidates:
        raise KeyboardInterrupt if stopped else TimeoutError(f"no formula within the time limit of {time_limit:g} s.")
    best = searched.candidates[0]
    scale = _residual_scale(best, data)
    bounds = _written.bounds_of(best, data, searched.row_weights)
    first = _written.formula_of(best, data, scale, bounds)
    formulas = first, *(_written.formula_of(candidate, data, scale) for candidate in searched.candidates[1:])
    verdict, reason = _verdict(searched, formulas[0])
    return Found(
        verdict=verdict,
        reason=reason,
        candidates=formulas,
        alike=tuple(formulas[i] for i in searched.alike),
        noise=best.noise,
        deviation=float(best.deviation),
        rows=len(data.y),
        notes=_notes(data, searched.constant, searched.screened, searched.stopped and not stopped),
        interrupted=interrupted(),
    )


def _verdict(searched: Searched, best: Formula) -> tuple[str, str]:
    """The engine's, but for a formula in which no input is left: as such it says nothing of the inputs."""
    if any(term.factors for term in best.terms):
        return searched.verdict, searched.reason
    return NOTHING, "a constant does as well as anything in the inputs: the target does not follow them"


def _options(functions: Any, nested: Any, terms: Any, seed: Any, time_limit: Any) -> dict[str, Any]:
    """The options as the engine has them, checked."""
    families = FAMILIES if isinstance(functions, str) and functions == "all" else functions
    if isinstance(families, str) or not isinstance(families, Sequence) or not set(families) <= set(FAMILIES):
        raise ValueError(f'functions must be "all" or a sequence of {", ".join(FAMILIES)}, got {functions!r}.')
    for name, value, lowest in (("terms", terms, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < lowest:
            raise ValueError(f"{name} must be a whole number of at least {lowest}, got {value!r}.")
    if not isinstance(nested, bool | np.bool_):
        raise TypeError(f"nested must be True or False, got {nested!r}.")
    if time_limit is not None and not (isinstance(time_limit, int | float | np.number) and time_limit > 0):
        raise ValueError(f"time_limit must be a positive number of seconds or None, got {time_limit!r}.")
    return {
        "functions": tuple(families),
        "nested": bool(nested),
        "terms": int(terms),
        "seed": int(seed),
        "time_limit": time_limit,
    }


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
