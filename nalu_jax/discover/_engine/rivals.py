"""Rivals of the best formula: its neighbours, and which formulas are the same law in other clothes."""

import itertools
from dataclasses import replace

import numpy as np

from nalu_jax.discover._engine import settings
from nalu_jax.discover._engine.candidate import Noise
from nalu_jax.discover._engine.columns import Table, noise_weights
from nalu_jax.discover._engine.evidence import covariance, evidence, linearise, variance
from nalu_jax.discover._engine.fit import Batch
from nalu_jax.discover._engine.forms import LESS_ONE, Form, proper
from nalu_jax.discover._engine.lattice import VALUES, nearest
from nalu_jax.discover._engine.rounding import drawn_roundings, settle
from nalu_jax.discover._engine.structure import Fitted, finish, predicted, refit, valid

_ORDERED = np.sort(VALUES)


def neighbours(fitted: Fitted) -> list[Fitted]:
    """Formulas that differ in one exponent (the next simple ones and 0, or free), in two, or lack one term."""
    return _other_exponents(fitted) + _fewer_terms(fitted) + _with_the_factor(fitted) + pairs_moved(fitted)


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


def pairs_moved(fitted: Fitted) -> list[Fitted]:
    """Formulas in which two simple exponents move by up to 1 at once, of those the ones that fit best.

    Where two terms are alike, one exponent makes up for another far beyond what a fit near the best one tells.
    """
    table, form, batch, noise = fitted.table, fitted.form, fitted.batch, fitted.noise
    exponents, free = batch.exponents[0], batch.free[0]
    places = list(zip(*np.nonzero((exponents != 0) & ~free), strict=True))[: settings.MOVED_EXPONENTS]
    steps = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    tried = []
    for first, second in itertools.combinations(places, 2):
        for a, b in itertools.product(steps, steps):
            if a and b:
                other = exponents.copy()
                other[first] += a
                other[second] += b
                tried.append(other)
    if not tried:
        return []
    moved = np.array(tried)
    whole = (moved == np.round(moved)) | ~table.signed
    moved = moved[(whole & (np.abs(moved) <= settings.LARGEST_EXPONENT)).all((1, 2))]
    count = len(moved)
    if not count:
        return []
    many = Batch(moved, *(np.repeat(array, count, 0) for array in batch[1:]))
    held = many._replace(free=np.zeros(many.free.shape, bool))
    held = settle(table, form, held, noise, steps=settings.MOVED_STEPS)
    best = np.argsort(held.rss, kind="stable")[: settings.MOVED_KEPT]
    return _settled(table, form, held.take(best)._replace(free=many.free[best]), noise)


def _fewer_terms(fitted: Fitted) -> list[Fitted]:
    form, batch = fitted.form, fitted.batch
    group_of = np.repeat(np.arange(len(form.groups)), form.groups)
    found: list[Fitted] = []
    for k in range(form.terms):
        groups = tuple(size - (group_of[k] == g) for g, size in enumerate(form.groups))
        smaller = proper(Form(form.kind, tuple(int(size) for size in groups), form.power, form.below, form.function))
        if not valid(smaller):
            continue
        found += _settled(fitted.table, smaller, _without(batch, k), fitted.noise)
    return found


def _with_the_factor(fitted: Fitted) -> list[Fitted]:
    """m (F - 1) + m is m F, and m F - m is m (F - 1): without the term that is like the factor in front."""
    form, batch = fitted.form, fitted.batch
    other = {**LESS_ONE, **{less: plain for plain, less in LESS_ONE.items()}}.get(form.function or "")
    if other is None:
        return []
    first = 1 + form.groups[1]
    apart = np.abs(batch.exponents[0, first:] - batch.exponents[0, 0]).max(1)
    found: list[Fitted] = []
    for k in first + np.flatnonzero(apart < settings.LIKE_THE_FACTOR):
        smaller = proper(replace(form, groups=(*form.groups[:2], form.groups[2] - 1), function=other))
        found += _settled(fitted.table, smaller, _without(batch, int(k)), fitted.noise)
    return found


def _without(batch: Batch, term: int) -> Batch:
    kept = np.delete(np.arange(batch.exponents.shape[1]), term)
    rest = (batch.exponents[:, kept], batch.parity[:, kept], batch.free[:, kept], batch.coefficients[:, kept])
    return Batch(*rest, batch.rss)


def extends(other: Fitted, best: Fitted) -> bool:
    """Whether a formula is the best one with an exponent more, or with a term more: without it, and fitted again, it
    has the same values."""
    other = other._replace(noise=best.noise)
    return _frees_an_exponent(other, best) or any(
        same_values(best, refit(smaller)) for smaller in (*_fewer_terms(other), *_alone(other))
    )


def _frees_an_exponent(other: Fitted, best: Fitted) -> bool:
    """Whether a formula is the best one with free exponents where that has none."""
    if other.form != best.form or other.table.columns != best.table.columns:
        return False
    if (other.batch.parity != best.batch.parity).any():
        return False
    freed = other.batch.free & (best.batch.exponents == 0)
    return bool((freed | (other.batch.exponents == best.batch.exponents)).all() and freed.any())


def _alone(fitted: Fitted) -> list[Fitted]:
    """The terms of a power of a sum of two, each by itself: a product."""
    form, batch = fitted.form, fitted.batch
    if form.kind != "power" or form.terms != 2:
        return []
    power = form.power
    with np.errstate(all="ignore"):
        coefficients = np.abs(batch.coefficients[0]) ** power
    found = []
    for k in range(2):
        parity = batch.parity[:, [k]] if power == int(power) and int(power) % 2 else 0 * batch.parity[:, [k]]
        one = Batch(power * batch.exponents[:, [k]], parity, batch.free[:, [k]], coefficients[None, [k]], batch.rss)
        found.append(fitted._replace(form=Form("sum", (1,)), batch=one))
    return found


def _settled(table: Table, form: Form, batch: Batch, noise: Noise) -> list[Fitted]:
    if not len(batch.exponents):
        return []
    batch = settle(table, form, batch, noise, steps=settings.ROUNDING_STEPS)
    scores = evidence(table, form, batch, noise)
    return [
        Fitted(table, form, batch.take([i]), noise, float(scores[i]))
        for i in range(len(scores))
        if np.isfinite(scores[i])
    ]


def improve_by_neighbours(fitted: Fitted) -> tuple[Fitted, list[Fitted]]:
    """The best formula that a walk over neighbours reaches, and all neighbours that were tried on the way."""
    tried = other_roundings(fitted)
    fitted = min([fitted, *tried], key=lambda other: other.evidence)
    for _ in range(settings.NEIGHBOUR_STEPS):
        around = neighbours(fitted)
        around += _rounded_again(around, fitted.evidence)
        tried += around
        best = min(around, key=lambda other: other.evidence, default=None)
        if best is None or best.evidence >= fitted.evidence - settings.SAME_EVIDENCE:
            return fitted, tried
        fitted = best
    return fitted, tried


def other_roundings(fitted: Fitted) -> list[Fitted]:
    """Other simple exponents that the fit with all of them free allows."""
    table, form, noise = fitted.table, fitted.form, fitted.noise
    free = np.broadcast_to(~table.constant, fitted.batch.free.shape).copy()
    batch = settle(table, form, fitted.batch._replace(free=free), noise, steps=settings.LATER_STEPS)
    rng = np.random.default_rng(0)
    drawn = drawn_roundings(table, form, batch, noise, count=settings.DRAWN_ROUNDINGS, rng=rng)
    return _settled(table, form, drawn, noise)


def _rounded_again(around: list[Fitted], bar: float) -> list[Fitted]:
    """The best neighbours with their free exponents rounded: what one exponent was given may let another be simple."""
    near = [f for f in around if f.batch.free.any() and f.evidence < bar + settings.ROUNDED_NEIGHBOUR]
    near = sorted(near, key=lambda f: f.evidence)[: settings.ROUNDED_NEIGHBOURS]
    found: list[Fitted] = []
    for form in dict.fromkeys(f.form for f in near):
        members = [f for f in near if f.form == form]
        batch = Batch(*(np.concatenate(arrays) for arrays in zip(*(f.batch for f in members), strict=True)))
        found += finish(members[0].table, form, batch, members[0].noise)
    return found


def same_values(first: Fitted, second: Fitted) -> bool:
    """Whether two fits are the same function of the table, within a small part of the noise."""
    with np.errstate(all="ignore"):
        mine, other = predicted(first, first.table), predicted(second, second.table)
        weights = noise_weights(first.table, first.noise, mine)
        residual = np.mean((weights * (first.table.target - mine)) ** 2)
        floor = settings.EXACT**2 * np.mean((weights * mine) ** 2)
        apart = np.mean((weights * (mine - other)) ** 2)
    return bool(apart < settings.SAME_VALUES**2 * residual + floor)


def exponent_errors(fitted: Fitted) -> np.ndarray:
    """(K, n) standard errors of exponents; 0 for simple ones."""
    if not fitted.batch.free.any():
        return np.zeros(fitted.batch.exponents[0].shape)
    linear = linearise(fitted.table, fitted.form, fitted.batch, fitted.noise)
    terms = fitted.form.terms
    moving = np.concatenate([np.ones((1, terms), bool), fitted.batch.free.reshape(1, -1)], 1)
    s2, _ = variance(linear, fitted.table.target, moving.sum(1))
    own = np.diagonal(covariance(linear, moving)[0])[terms:]
    return np.sqrt(np.maximum(own, 0) * s2[0]).reshape(fitted.batch.exponents[0].shape)


def same_structure(first: Fitted, second: Fitted, errors: tuple[np.ndarray, np.ndarray]) -> bool:
    """Whether one of two formulas is the other with exponents that its errors (those of both) allow."""
    if first.form != second.form or first.table.columns != second.table.columns:
        return False
    allowed = [np.maximum(settings.SAME_EXPONENT * error, 1e-6) for error in errors]
    starts = np.cumsum([0, *first.form.groups])
    orders = [itertools.permutations(range(a, b)) for a, b in zip(starts[:-1], starts[1:], strict=True)]
    for order in itertools.product(*orders):
        which = [k for group in order for k in group]
        apart = np.abs(second.batch.exponents[0, which] - first.batch.exponents[0])
        if not (second.batch.parity[0, which] == first.batch.parity[0]).all():
            continue
        if (apart <= allowed[0]).all() or (apart <= allowed[1][which]).all():
            return True
    return False


def distinct_structures(ranked: list[Fitted], most: int) -> list[Fitted]:
    """The first few of different structure, in order."""
    kept: list[tuple[Fitted, np.ndarray]] = []
    for fitted in ranked:
        errors = exponent_errors(fitted)
        if not any(same_structure(other, fitted, (own, errors)) for other, own in kept):
            kept.append((fitted, errors))
        if len(kept) == most:
            break
    return [fitted for fitted, _ in kept]


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
