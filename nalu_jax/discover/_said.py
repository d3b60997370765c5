"""What is said of the formula of a table: its verdict where inputs do not matter or are alike, and notes."""

import dataclasses
import warnings
from collections.abc import Sequence

import numpy as np

from . import _brought, _inputs, _measures, _options, _score, _twins
from ._engine.search import Searched
from ._engine.verdict import Verdict
from ._formula import Formula
from ._found import ALIKE, NOTHING, RECOVERED, Found

SCALED_NOTE = (
    "the inputs have mean 0 and standard deviation 1, as after a StandardScaler: products and powers of such numbers "
    "say nothing. Do not scale them, it is done inside"
)

FAR_OFF = 0.2
"""Part of the typical weight below which a note names a row: its residual is some nine standard deviations."""

AS_WELL = 1.0
"""Nats that a constant may be behind and do as well: odds of less than 3 to 1 for the inputs. By hand."""


def verdict_of(
    searched: Verdict, formulas: Sequence[Formula], data: _inputs.Table, chosen: _options.Options
) -> tuple[str, str]:
    """The engine's, but where another input could stand for one of the best formula, and where none is left in it or in
    one that the data cannot tell from it."""
    best = formulas[0]
    alike = [formulas[place] for place in searched.alike if formulas[place].known is None]
    constants = [each for each in (best, *alike) if not any(term.factors for term in each.terms)]
    if constants:
        behind = min(each.description_length for each in constants) - best.description_length
        if behind < AS_WELL:
            return NOTHING, "a constant does as well as anything in the inputs: the target does not follow them"
        return NOTHING, f"a constant is only {behind:.1f} nats behind: these rows do not show that the inputs matter"
    used = {place for term in best.terms for factor in term.factors for place in factor.column.inputs}
    others = [place for place in range(len(data.names)) if place not in used and place not in chosen.rules.exclude]
    pair = _twins.twin(data.x, used=sorted(used - {*chosen.rules.include}), others=others)
    if searched.verdict == RECOVERED and pair is not None:
        first, second = (repr(data.names[place]) for place in pair)
        return ALIKE, f"{second} could stand for {first}: in these rows it is a multiple or a power of it. Exclude one"
    return searched.verdict, searched.reason


def with_excess(found: Found, fitted: np.ndarray, data: _inputs.Table, sigma: np.ndarray) -> Found:
    """With a note on how large residuals are by what sigma says; rows of infinite sigma do not count."""
    with np.errstate(all="ignore"):
        squares = ((fitted - data.y) / sigma) ** 2
        ratio = float(np.sqrt(np.sum(squares) / np.isfinite(sigma).sum()))
    text = f"residuals are {ratio:.2g} times sigma"
    if ratio > _score.EXCESS:
        text += ": the errors are too small, or the formula lacks something"
    if ratio < 1 / _score.EXCESS:
        text += ": the errors are too large"
    return dataclasses.replace(found, notes=(*found.notes, text))


def far_off(searched: Searched, data: _inputs.Table) -> np.ndarray:
    """(rows,) which rows outliers made count less than what they brought says."""
    if not searched.robust or searched.row_weights is None:
        return np.zeros(len(data.y), bool)
    weights = searched.row_weights if data.row_weights is None else searched.row_weights / data.row_weights
    return weights < FAR_OFF * np.median(weights)


def named(far: np.ndarray, brought: _brought.Brought) -> tuple[str, ...]:
    """A note on rows far off."""
    rows = brought.kept[far] + 1
    return (f"far off, and counted less unless robust=False: {_brought.listed(rows.tolist())}",) if rows.size else ()


def notes(data: _inputs.Table, constant: Sequence[int], screened: Sequence[int], late: bool) -> tuple[str, ...]:
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


def unused(measures: _measures.Measures | None, best: Formula) -> tuple[str, ...]:
    """A note on constants that were given and are not in the best formula."""
    used = {best.constants[place].name for term in best.terms for place, _ in term.known}
    given = () if measures is None else measures.constants
    left = [repr(constant.name) for constant, _ in given if constant.name not in used]
    return (f"not needed by the best formula: {', '.join(left)}",) if left else ()
