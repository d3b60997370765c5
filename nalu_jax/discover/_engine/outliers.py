"""Rows that lie far off: those that a formula has a place of its own for, and heavy tails of what is left."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from nalu_jax.discover._engine import settings
from nalu_jax.discover._engine.candidate import Noise
from nalu_jax.discover._engine.evidence import linearise
from nalu_jax.discover._engine.misfit import SIGMA_BY_MEDIAN, student_weights
from nalu_jax.discover._engine.rivals import distinct_structures, names
from nalu_jax.discover._engine.structure import Fitted, refit
from nalu_jax.discover._engine.tables import Tables
from nalu_jax.discover._engine.verdict import signs, too_free

OUT_OF_THE_WAY = 1e-12
"""Weight of a row that is left out to see what the others say: exact data have residuals of 1e-9 and less."""


def without_hinges(
    found: list[Fitted], tables: Tables, sums: Callable[[Tables, Noise], list[Fitted]]
) -> tuple[Tables, Fitted] | None:
    """The table without the rows that alone decide the best formula, and that formula there; None where there are none,
    or where it explains the other rows best, too.

    A quotient whose denominator goes through 0 beside one row takes any value there, and hides a wrong row.

    Args:
        found: formulas.
        tables: that they were searched on.
        sums: of products, of a table and a kind of noise, which a row far off may have hidden.
    """
    best = min(found, key=lambda fitted: fitted.evidence)
    hinges = np.flatnonzero(_leverages(best) > settings.HINGE)
    if best.table.rows < settings.ROBUST_ROWS or not 0 < hinges.size <= settings.MOST_HINGES * best.table.rows:
        return None
    without = _left_out(tables, best.table.rows, hinges)
    ranked = distinct_structures(sorted(found, key=lambda fitted: fitted.evidence), settings.HINGE_RIVALS)
    first, *others = (_moved(each, without) for each in ranked)
    others += sums(without, best.noise)
    simpler = min(others, key=lambda fitted: fitted.evidence, default=None)
    if simpler is None or simpler.evidence >= first.evidence:
        return None
    apart = _apart(simpler, tables, hinges)
    if apart.any() and not apart.all():
        without = _left_out(tables, best.table.rows, hinges[apart])
        first = _moved(first, without)
    return without, first


def are_off(found: list[Fitted], tables: Tables, without: Tables) -> bool:
    """Whether a row that was left out lies off the best formula of the others: else there was nothing wrong with it."""
    best = min(found, key=lambda fitted: fitted.evidence)
    weights = without.full().row_weights < tables.full().row_weights
    return bool(_apart(best, tables, np.flatnonzero(weights[tables.places(best.table.rows)])).any())


def _apart(fitted: Fitted, tables: Tables, places: np.ndarray) -> np.ndarray:
    """Whether each of some rows of the sample that a formula was judged on lies off it, by the weights of a table."""
    weights = tables.full().row_weights[tables.places(fitted.table.rows)]
    plain = replace(fitted.table, row_weights=weights)
    return np.abs(_by_scale(fitted._replace(table=plain))[places]) > settings.HINGE_APART


def _left_out(tables: Tables, rows: int, places: np.ndarray) -> Tables:
    """The table in which some rows of a sample weigh next to nothing."""
    weights = tables.full().row_weights.copy()
    weights[tables.places(rows)[places]] *= OUT_OF_THE_WAY
    return tables.reweighted(weights)


def _leverages(fitted: Fitted) -> np.ndarray:
    """(rows,) by how much the formula's value in a row follows what was measured there, from 0 to 1."""
    linear = linearise(fitted.table, fitted.form, fitted.batch, fitted.noise)
    moving = np.concatenate([np.ones(fitted.form.terms, bool), fitted.batch.free[0].ravel()])
    jacobian = np.nan_to_num(linear.jacobian[0][moving])
    size = np.sqrt(np.einsum("qn,qn->q", jacobian, jacobian))
    basis, _ = np.linalg.qr((jacobian / np.where(size > 0, size, 1.0)[:, None]).T)
    return np.einsum("nq,nq->n", basis, basis)


def has_tails(found: list[Fitted], asked: bool | None) -> bool:
    """Whether rows are weighted: residuals of the best formula have heavy tails, with nothing smooth left in them, and
    it does not rest on a few rows.

    Args:
        found: formulas.
        asked: whether there are weights: always, never, or where tails are heavy (None).
    """
    best = min(found, key=lambda fitted: fitted.evidence)
    seen = signs(best)
    if asked is False or seen.exact:
        return False
    heavy = seen.tails >= settings.HEAVY_TAILS and best.table.rows >= settings.ROBUST_ROWS
    fits = seen.misfit <= settings.MISFIT and seen.inflation <= settings.INFLATION and too_free(seen) is None
    return bool(asked or (heavy and fits))


def reweighted(found: list[Fitted], tables: Tables, sums: Callable[[Tables], list[Fitted]]) -> Tables:
    """The table with weights of rows that follow the residuals of the best formula, or of a sum of products that is
    better once they do: what outliers have led to says little of which rows they are.

    Args:
        found: formulas.
        tables: that they were searched on.
        sums: of products, of a table.
    """
    best = min(found, key=lambda fitted: fitted.evidence)
    weighted = tables.reweighted(_tail_weights(best, tables))
    for _ in range(settings.ROBUST_SEARCHES):
        kept = _moved(best, weighted)
        best = min([kept, *sums(weighted)], key=lambda fitted: fitted.evidence)
        if best is kept:
            break
        weighted = tables.reweighted(_tail_weights(best, tables))
    return weighted


def hidden(found: list[Fitted], tables: Tables, sums: Callable[[Tables], list[Fitted]]) -> Tables | None:
    """The table with weights under which a sum of products is far better than the best formula, which no law stands in
    the way of and which may have taken outliers for its own; None where there is none. Arguments as of `reweighted`."""
    best = min(found, key=lambda fitted: fitted.evidence)
    plain = [fitted for fitted in found if fitted.form.kind == "sum"]
    if not plain or best.table.rows < settings.ROBUST_ROWS or signs(best).exact:
        return None
    weighted = reweighted(plain, tables, sums)
    better = min(sums(weighted), key=lambda fitted: fitted.evidence, default=None)
    if better is None or names(better) == names(best) or too_free(signs(better)) is not None:
        return None
    return weighted if better.evidence < _moved(best, weighted).evidence - settings.GAP else None


def _moved(fitted: Fitted, tables: Tables) -> Fitted:
    """The same structure, fitted to the rows of a table on which formulas are judged."""
    derived = tuple(column for column in fitted.table.columns if not column.plain)
    return refit(fitted._replace(table=tables.sizes(derived)[-1]))


def _tail_weights(best: Fitted, tables: Tables) -> np.ndarray:
    """(rows,) weights of all rows, those of the table included, that follow the residuals of a formula, which is fitted
    to the rows on which formulas are judged."""
    derived = tuple(column for column in best.table.columns if not column.plain)
    whole, judged = tables.full(derived), tables.sizes(derived)[-1]
    fitted, weights = best._replace(table=judged), np.ones(judged.rows)
    for _ in range(settings.ROBUST_ROUNDS):
        fitted = refit(fitted._replace(table=replace(judged, row_weights=judged.row_weights * weights)))
        weights = student_weights(_by_scale(fitted._replace(table=judged)))
    return whole.row_weights * student_weights(_by_scale(fitted._replace(table=whole)))


def _by_scale(fitted: Fitted) -> np.ndarray:
    """(rows,) residuals by their typical size, which is no smaller than known errors or what rounding leaves."""
    linear = linearise(fitted.table, fitted.form, fitted.batch, fitted.noise)
    rounding = settings.EXACT * float(np.median(np.abs(linear.weights[0] * fitted.table.target)))
    typical = SIGMA_BY_MEDIAN * float(np.median(np.abs(linear.residuals[0])))
    return linear.residuals[0] / max(typical, rounding, fitted.table.deviation or 0.0)
