"""Rivals of the best formula: its neighbours, and which formulas are the same law in other clothes."""

import itertools

import numpy as np

from nalu_jax.discover._engine import settings
from nalu_jax.discover._engine.candidate import Noise
from nalu_jax.discover._engine.columns import Table, noise_weights
from nalu_jax.discover._engine.evidence import covariance, evidence, linearise, variance
from nalu_jax.discover._engine.fit import Batch, products
from nalu_jax.discover._engine.forms import Form, evaluate
from nalu_jax.discover._engine.lattice import VALUES, nearest
from nalu_jax.discover._engine.rounding import settle
from nalu_jax.discover._engine.structure import Fitted, valid

_ORDERED = np.sort(VALUES)


def neighbours(fitted: Fitted) -> list[Fitted]:
    """Formulas that differ in one exponent (the next simple ones and 0, or free), or lack one term."""
    return _other_exponents(fitted) + _fewer_terms(fitted)


def _other_exponents(fitted: Fitted) -> list[Fitted]:
    table, form, batch, noise = fitted.table, fitted.form, fitted.batch, fitted.noise
    exponents, free = batch.exponents[0], batch.free[0]
    tried: list[tuple[np.ndarray, np.ndarray]] = []
    for k, j in itertools.product(range(form.terms), np.flatnonzero(~table.constant)):
        place = int(np.searchsorted(_ORDERED, exponents[k, j]))
        around = _ORDERED[max(place - settings.NEIGHBOUR_REACH, 0) : place + settings.NEIGHBOUR_REACH + 1]
        for value in {*around.tolist(), 0.0}:
            if value == exponents[k, j] and not free[k, j]:
                continue
            other, held = exponents.copy(), free.copy()
            other[k, j], held[k, j] = value, False
            tried.append((other, held))
        if not free[k, j] and (exponents[k, j] != 0 or table.width <= settings.FEW_COLUMNS):
            held = free.copy()
            held[k, j] = True
            tried.append((exponents, held))
    if not tried:
        return []
    count = len(tried)
    many = Batch(
        np.array([other for other, _ in tried]),
        np.repeat(batch.parity, count, 0),
        np.array([held for _, held in tried]),
        np.repeat(batch.coefficients, count, 0),
        np.repeat(batch.rss, count, 0),
    )
    return _settled(table, form, many, noise)


def _fewer_terms(fitted: Fitted) -> list[Fitted]:
    form, batch = fitted.form, fitted.batch
    group_of = np.repeat(np.arange(len(form.groups)), form.groups)
    found: list[Fitted] = []
    for k in range(form.terms):
        groups = tuple(size - (group_of[k] == g) for g, size in enumerate(form.groups))
        smaller = Form(form.kind, tuple(int(size) for size in groups), form.power, form.below, form.function)
        if not valid(smaller):
            continue
        kept = np.delete(np.arange(form.terms), k)
        rest = Batch(
            batch.exponents[:, kept], batch.parity[:, kept], batch.free[:, kept], batch.coefficients[:, kept], batch.rss
        )
        found += _settled(fitted.table, smaller, rest, fitted.noise)
    return found


def _settled(table: Table, form: Form, batch: Batch, noise: Noise) -> list[Fitted]:
    batch = settle(table, form, batch, noise, steps=settings.ROUNDING_STEPS)
    scores = evidence(table, form, batch, noise)
    return [
        Fitted(table, form, batch.take([i]), noise, float(scores[i]))
        for i in range(len(scores))
        if np.isfinite(scores[i])
    ]


def improve_by_neighbours(fitted: Fitted) -> tuple[Fitted, list[Fitted]]:
    """The best formula that a walk over neighbours reaches, and all neighbours that were tried on the way."""
    tried: list[Fitted] = []
    for _ in range(settings.NEIGHBOUR_STEPS):
        around = neighbours(fitted)
        tried += around
        best = min(around, key=lambda other: other.evidence, default=None)
        if best is None or best.evidence >= fitted.evidence - settings.SAME_EVIDENCE:
            return fitted, tried
        fitted = best
    return fitted, tried


def same_law(first: Fitted, second: Fitted) -> bool:
    """Whether two formulas are one law: the same structure, or the same function in other clothes."""
    return same_structure(first, second) or same_values(first, second)


def same_values(first: Fitted, second: Fitted) -> bool:
    """Whether two fits are the same function of the table, within a small part of the noise."""
    with np.errstate(all="ignore"):
        mine, other = _values(first), _values(second)
        weights = noise_weights(first.table, first.noise, mine)
        residual = np.mean((weights * (first.table.target - mine)) ** 2)
        floor = settings.EXACT**2 * np.mean((weights * mine) ** 2)
        apart = np.mean((weights * (mine - other)) ** 2)
    return bool(apart < settings.SAME_VALUES**2 * residual + floor)


def _values(fitted: Fitted) -> np.ndarray:
    batch = fitted.batch
    terms = batch.coefficients[0][:, None] * products(fitted.table, batch.exponents[0], batch.parity[0])
    return evaluate(fitted.form, terms)[0]


def same_structure(first: Fitted, second: Fitted) -> bool:
    """Whether one of two formulas is the other with exponents that its errors allow."""
    if first.form != second.form or first.table.columns != second.table.columns:
        return False
    return _allows(first, second) or _allows(second, first)


def _allows(first: Fitted, second: Fitted) -> bool:
    """Whether the exponents of the second are within the errors of the first's, in some order of the terms."""
    linear = linearise(first.table, first.form, first.batch, first.noise)
    terms = first.form.terms
    moving = np.concatenate([np.ones((1, terms), bool), first.batch.free.reshape(1, -1)], 1)
    s2, _ = variance(linear, first.table.target, moving.sum(1))
    own = np.diagonal(covariance(linear, moving)[0])[terms:].reshape(first.batch.exponents[0].shape)
    error = np.maximum(settings.SAME_EXPONENT * np.sqrt(np.maximum(own, 0) * s2[0]), 1e-6)
    starts = np.cumsum([0, *first.form.groups])
    orders = [itertools.permutations(range(a, b)) for a, b in zip(starts[:-1], starts[1:], strict=True)]
    for order in itertools.product(*orders):
        which = [k for group in order for k in group]
        close = np.abs(second.batch.exponents[0, which] - first.batch.exponents[0]) <= error
        if close.all() and (second.batch.parity[0, which] == first.batch.parity[0]).all():
            return True
    return False


def names(fitted: Fitted) -> tuple:
    """What two fits have in common that are one formula: form, columns, exponents and which of them are free."""
    batch = fitted.batch
    used = (batch.free[0] | (batch.exponents[0] != 0) | (batch.parity[0] != 0)).any(0)
    columns = tuple(column for column, use in zip(fitted.table.columns, used, strict=True) if use)
    rows = np.where(batch.free[0], 99.0, VALUES[nearest(batch.exponents[0])])[:, used]
    starts = np.cumsum([0, *fitted.form.groups])
    ordered = tuple(
        tuple(sorted(map(tuple, np.hstack([rows, batch.parity[0][:, used]])[a:b].tolist())))
        for a, b in zip(starts[:-1], starts[1:], strict=True)
    )
    return fitted.form, columns, ordered
