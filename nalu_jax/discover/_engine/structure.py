"""One formula of a given structure on a table: fitted, rounded, merged, and handed over as a `Candidate`."""

from typing import NamedTuple

import numpy as np

from nalu_jax.discover._engine import settings
from nalu_jax.discover._engine.candidate import Candidate, Column, Noise, scale_powers
from nalu_jax.discover._engine.columns import Table, TableOptions, noise_weights, prepare
from nalu_jax.discover._engine.divided import shorter
from nalu_jax.discover._engine.evidence import bound, covariance, evidence, linearise, variance
from nalu_jax.discover._engine.fit import Batch, improve, products, start
from nalu_jax.discover._engine.forms import Form, evaluate
from nalu_jax.discover._engine.misfit import lack_of_fit, lost_information, waves_left
from nalu_jax.discover._engine.rounding import merge_equal, round_exponents, settle
from nalu_jax.discover._engine.tables import Tables

FINAL_STEPS = 30


class Fitted(NamedTuple):
    """One formula as the search holds it: `batch` of one on `table`."""

    table: Table
    form: Form
    batch: Batch
    noise: Noise
    evidence: float


def finish(table: Table, form: Form, batch: Batch, noise: Noise, *, bar: float = np.inf) -> list[Fitted]:
    """The fits with exponents rounded and equal terms merged; those that are not defined on the table are dropped.

    Args:
        table: on which they are judged.
        form: of all of them.
        batch: fits.
        noise: model of the noise.
        bar: evidence that is known already: fits that cannot come near it are not rounded.
    """
    if np.isfinite(bar) and len(batch.rss):
        if table.rows > settings.SEARCH_ROWS:  # fitted to fewer: what they leave here bounds nothing yet
            weights = noise_weights(table, noise, table.target)
            batch = improve(table, form, batch, weights, steps=settings.ROUNDING_STEPS)
        hope = bound(table, form, batch, noise)
        batch = batch.take(np.flatnonzero(hope < bar + settings.HOPELESS))
    if not len(batch.rss):
        return []
    rounded, scores = round_exponents(table, form, batch, noise)
    finished = []
    for place in np.flatnonzero(np.isfinite(scores)):
        one = rounded.take([int(place)])
        merged = merge_equal(form, one)
        if merged is None:
            finished.append(Fitted(table, form, one, noise, float(scores[place])))
            continue
        if not valid(merged[0]):
            continue
        again, score = round_exponents(table, *merged, noise)
        if np.isfinite(score[0]):
            finished.append(Fitted(table, merged[0], again, noise, float(score[0])))
    return finished


def valid(form: Form) -> bool:
    """Whether a form is not a simpler one in disguise."""
    if form.kind == "sum":
        return form.terms >= 1
    if form.kind == "power":
        return form.terms >= 2
    return form.groups[0] >= 1 and form.groups[1] >= 1


def as_candidate(fitted: Fitted) -> Candidate:
    """The formula with its errors, reduced to the columns that it uses."""
    table, form, noise = fitted.table, fitted.form, fitted.noise
    form, batch = shorter(table, form, _primitive(table, form, fitted.batch))
    linear = linearise(table, form, batch, noise)
    terms = form.terms
    moving = np.concatenate([np.ones((1, terms), bool), batch.free.reshape(1, -1)], 1)
    s2, _ = variance(linear, table.target, moving.sum(1))
    kept = np.flatnonzero(moving[0])
    full = covariance(linear, moving)[0] * s2[0] * lost_information(table.robust)
    used = (batch.free[0] | (batch.exponents[0] != 0) | (batch.parity[0] != 0)).any(0)
    columns = tuple(column for column, use in zip(table.columns, used, strict=True) if use)
    squares = float(np.sum((table.target - linear.values[0]) ** 2))
    deviation = float(np.sqrt(s2[0])) * (table.target_scale if noise == "absolute" else 1.0)
    return Candidate(
        form=form,
        columns=columns,
        exponents=batch.exponents[0][:, used],
        parity=batch.parity[0][:, used].astype(int),
        free=batch.free[0][:, used],
        log_coefficients=np.log(np.abs(batch.coefficients[0]) + 1e-300),
        signs=np.where(batch.coefficients[0] < 0, -1.0, 1.0),
        centre=table.centre[used],
        target_scale=table.target_scale,
        covariance=full[np.ix_(kept, kept)],
        evidence=fitted.evidence,
        rss=squares * table.target_scale * table.target_scale,  # of floats, which become infinite without a warning
        noise=noise,
        deviation=deviation,
        rows=table.rows,
    )


def _primitive(table: Table, form: Form, batch: Batch) -> Batch:
    """The same values, with the logarithm of a power written as a multiple of the logarithm of what has no root."""
    if form.function != "log" or form.groups[1] != 1 or batch.free[0, 1].any():
        return batch
    inside = batch.exponents[0, 1]
    if not inside.any() or (inside != np.round(inside)).any():
        return batch
    shared = float(np.gcd.reduce(inside.astype(int))) * np.sign(inside[inside != 0][0])
    exponents, parity, coefficients = batch.exponents.copy(), batch.parity.copy(), batch.coefficients.copy()
    exponents[0, 1] = inside / shared
    parity[0, 1] = np.where(table.signed, exponents[0, 1].astype(int) % 2, 0)
    coefficients[0, 0] *= shared
    coefficients[0, 1] = np.abs(coefficients[0, 1]) ** (1 / shared)
    return batch._replace(exponents=exponents, parity=parity, coefficients=coefficients)


def fit_structure(
    x: np.ndarray,
    y: np.ndarray,
    *,
    form: Form,
    columns: tuple[Column, ...],
    exponents: np.ndarray,
    parity: np.ndarray,
    free: np.ndarray,
    noise: Noise,
    log_coefficients: np.ndarray | None = None,
    signs: np.ndarray | None = None,
    inputs: int | None = None,
    row_weights: np.ndarray | None = None,
    options: TableOptions | None = None,
) -> Candidate:
    """A formula of a known structure, fitted to a table: its numbers, errors and evidence.

    Exponents that are not free stay as they are; nothing is rounded.

    Args:
        x: inputs (rows, n_in).
        y: target (rows,).
        form: of the formula.
        columns: n of them.
        exponents: (K, n); where free, the fit begins there.
        parity: (K, n) of 0 and 1.
        free: (K, n) of bool.
        noise: model of the noise.
        log_coefficients: (K,) of the formula as it is written, where the fit begins; for sums not needed.
        signs: (K,) of those coefficients.
        inputs: among which the name chooses; the number of columns of x.
        row_weights: (rows,) reciprocal errors of rows, relative to each other: those of a search (`Searched`), so that
            its evidence can be compared.
        options: what is known of the table beside its numbers, as in the search.
    """
    choices = x.shape[1] if inputs is None else inputs
    arrays = np.asarray(x, float), np.asarray(y, float)
    table = prepare(*arrays, columns, inputs=choices, row_weights=row_weights, options=options)
    batch = start(table, np.asarray(exponents, float)[None], np.asarray(parity)[None])
    batch = batch._replace(free=batch.free & np.asarray(free, bool))
    if log_coefficients is not None:
        logs = np.asarray(log_coefficients) + batch.exponents[0] @ table.centre
        logs = logs - scale_powers(form) * np.log(table.target_scale)
        signs = np.ones(form.terms) if signs is None else np.asarray(signs, float)
        batch = batch._replace(coefficients=(signs * np.exp(np.clip(logs, -690, 690)))[None])
    with np.errstate(all="ignore"):
        return as_candidate(refit(Fitted(table, form, batch, noise, np.inf)))


def refit(fitted: Fitted, *, steps: int = FINAL_STEPS) -> Fitted:
    """The same structure at its best on its table, with its evidence there."""
    table, form, noise = fitted.table, fitted.form, fitted.noise
    batch = settle(table, form, fitted.batch, noise, steps=steps)
    return Fitted(table, form, batch, noise, float(evidence(table, form, batch, noise)[0]))


def on_all_rows(fitted: Fitted, tables: Tables) -> Fitted:
    """The same structure fitted to all rows."""
    if fitted.table.rows < len(tables.y):
        whole = tables.full(tuple(column for column in fitted.table.columns if not column.plain))
        return refit(fitted._replace(table=whole), steps=settings.ALL_ROWS_STEPS)
    return refit(fitted)


def predicted(fitted: Fitted, table: Table) -> np.ndarray:
    """(rows,) values of a formula on a table of the same columns; NaN where it is not defined."""
    batch = fitted.batch
    terms = batch.coefficients[0][:, None] * products(table, batch.exponents[0], batch.parity[0])
    return evaluate(fitted.form, terms)[0]


def misfit(fitted: Fitted) -> float:
    """Nats by which a smooth function of the inputs, or a wave along one, explains what a formula leaves."""
    table = fitted.table
    with np.errstate(all="ignore"):
        values = predicted(fitted, table)
        residuals = noise_weights(table, fitted.noise, values) * (table.target - values)
    plain = np.array([column.plain for column in table.columns]) & ~table.constant
    logs = np.maximum(table.logs[plain], -40.0)
    as_they_are = np.exp(np.minimum(logs, 300.0)) * (1 - 2 * table.negative[plain])
    inputs = np.where(table.signed[plain, None], as_they_are, logs)
    return max(lack_of_fit(inputs.T, residuals), waves_left(as_they_are.T, residuals))
