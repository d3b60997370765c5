"""Rounding: exponents to simple numbers, jointly, while coefficients and other exponents move along.

Fixing one exponent moves all other parameters by their conditional mean (successive lattice rounding: Babai 1986, "On
Lovasz' lattice reduction and the nearest lattice point problem"). Coefficients are never rounded in a fit: an error of
a coefficient that an exponent has to make up for is how R = 8.3 became 9 and T became T^0.986.

>>> [simple_number(value, error) for value, error in ((0.5003, 0.0004), (9.75, 0.08), (1.998, 0.004), (8.31, 0.01))]
[0.5, None, 2.0, None]
"""

from typing import NamedTuple

import numpy as np

from nalu_jax.discover._engine import settings
from nalu_jax.discover._engine.candidate import Noise
from nalu_jax.discover._engine.columns import Table, noise_weights
from nalu_jax.discover._engine.evidence import covariance, evidence, linearise, variance
from nalu_jax.discover._engine.fit import Batch, improve, linear_coefficients, products
from nalu_jax.discover._engine.forms import Form, evaluate
from nalu_jax.discover._engine.lattice import VALUES, Prices, nearest, prices


class Quadratic(NamedTuple):
    """Fits near their best: parameters (B, q) that move along, their covariance (B, q, q) per unit of variance, the
    noise variance (B,), and its degrees of freedom (B,). The first q - M parameters are never fixed."""

    parameters: np.ndarray
    covariance: np.ndarray
    variance: np.ndarray
    degrees: np.ndarray


def losses(quadratic: Quadratic, free: np.ndarray, names: Prices, rows: int, odd: np.ndarray) -> np.ndarray:
    """(B, M, values) nats lost by fixing exponent i at each simple value; infinite where it is fixed already.

    Args:
        quadratic: the fits; their last M parameters are the exponents.
        free: (B, M).
        names: prices of exponents.
        rows: of the data.
        odd: (B, M, values) extra price of a value, for signs that it does not have.
    """
    count = free.shape[1]
    exponents = quadratic.parameters[:, -count:]
    own = np.diagonal(quadratic.covariance, axis1=1, axis2=2)[:, -count:]
    error = np.sqrt(np.maximum(own * quadratic.variance[:, None], 1e-300))
    distance = (VALUES - exponents[..., None]) ** 2 / (error[..., None] ** 2)
    worse = rows / 2 * np.log1p(distance / quadratic.degrees[:, None, None])
    spread = settings.EXPONENT_SPREAD
    real = names.free + 0.5 * (exponents / spread) ** 2 + np.maximum(np.log(spread / np.maximum(error, 1e-12)), 0)
    total = worse + names.lattice + odd - real[..., None]
    return np.where(free[..., None], total, np.inf)


def fix(quadratic: Quadratic, member: int, place: int, value: float) -> None:
    """Fixes one parameter of one fit at a value: all others move to their conditional mean, in place."""
    own = quadratic.covariance[member, :, place]
    size = own[place]
    move = value - quadratic.parameters[member, place]
    quadratic.parameters[member] += own * (move / size)
    quadratic.parameters[member, place] = value
    quadratic.variance[member] += move**2 / size / quadratic.degrees[member]
    quadratic.degrees[member] += 1
    quadratic.covariance[member] -= np.outer(own, own) / size


def round_exponents(table: Table, form: Form, batch: Batch, noise: Noise) -> tuple[Batch, np.ndarray]:
    """Of each fit the best by evidence on its path from free to simple exponents, and that evidence (B,)."""
    batch = settle(table, form, batch, noise, steps=settings.FIRST_STEPS)
    best_evidence = evidence(table, form, batch, noise)
    best = Batch(*(array.copy() for array in batch))
    steps = settings.EXACT_STEPS if _exact(table, batch) else settings.ROUNDING_STEPS
    alive = np.flatnonzero(np.isfinite(best_evidence) & batch.free.any((1, 2)))
    current = batch.take(alive)
    while len(alive):
        current, more = _fix_some(table, form, current, noise)
        current, alive = current.take(more), alive[more]
        if not len(alive):
            break
        current = settle(table, form, current, noise, steps=steps)
        now = evidence(table, form, current, noise)
        better = now < best_evidence[alive]
        for kept, new in zip(best, current, strict=True):
            kept[alive[better]] = new[better]
        best_evidence[alive[better]] = now[better]
        on = np.isfinite(now) & (now < best_evidence[alive] + settings.ROUNDING_SLACK) & current.free.any((1, 2))
        current, alive = current.take(on), alive[on]
    return best, best_evidence


def _exact(table: Table, batch: Batch) -> bool:
    """Whether some fit leaves so little that its rounding has to end as exact as it began."""
    return bool(batch.rss.min() < 1e-8 * np.sum(table.target**2))


def settle(table: Table, form: Form, batch: Batch, noise: Noise, *, steps: int) -> Batch:
    """The fit at its best with weights of its own values."""
    if form.kind == "sum":
        weights = noise_weights(table, noise, np.broadcast_to(table.target, (len(batch.rss), table.rows)))
        terms = products(table, batch.exponents, batch.parity)
        batch = batch._replace(coefficients=linear_coefficients(terms, table.target, weights))
    for _ in range(1 if noise == "absolute" else 2):
        weights = _own_weights(table, form, batch, noise)
        batch = improve(table, form, batch, weights, steps=steps, damping=1e-5)
    return batch


def _own_weights(table: Table, form: Form, batch: Batch, noise: Noise) -> np.ndarray:
    if noise == "absolute":
        return noise_weights(table, noise, np.broadcast_to(table.target, (len(batch.rss), table.rows)))
    with np.errstate(all="ignore"):
        values, _ = evaluate(form, batch.coefficients[..., None] * products(table, batch.exponents, batch.parity))
    return noise_weights(table, noise, np.where(np.isfinite(values), values, table.target))


def _quadratic(table: Table, form: Form, batch: Batch, noise: Noise) -> Quadratic:
    """Fits near their best, by logarithms of coefficients and exponents."""
    count, terms, _ = batch.exponents.shape
    moving = np.concatenate([np.ones((count, terms), bool), batch.free.reshape(count, -1)], 1)
    linear = linearise(table, form, batch, noise)
    s2, _ = variance(linear, table.target, moving.sum(1))
    logs = np.log(np.abs(batch.coefficients) + 1e-300)
    return Quadratic(
        np.concatenate([logs, batch.exponents.reshape(count, -1)], 1),
        covariance(linear, moving),
        s2,
        np.maximum(table.rows - moving.sum(1), 1).astype(float),
    )


def _moved(batch: Batch, quadratic: Quadratic, free: np.ndarray) -> Batch:
    """The batch at the parameters of a quadratic, of whose exponents these (B, M) are still free."""
    count, terms, width = batch.exponents.shape
    largest = settings.LARGEST_EXPONENT
    exponents = np.clip(quadratic.parameters[:, terms:], -largest, largest).reshape(count, terms, width)
    held = ~free.reshape(count, terms, width)
    exponents = np.where(held, VALUES[nearest(exponents)], exponents)
    exponents = np.where(batch.free, exponents, batch.exponents)
    coefficients = np.sign(batch.coefficients) * np.exp(np.clip(quadratic.parameters[:, :terms], -690, 690))
    return Batch(exponents, batch.parity, ~held, coefficients, batch.rss)


def _fix_some(table: Table, form: Form, batch: Batch, noise: Noise) -> tuple[Batch, np.ndarray]:
    """Fixes of each fit the cheapest exponent, and more of them while they hardly move anything; which fits had one."""
    count, terms, _ = batch.exponents.shape
    free = batch.free.reshape(count, -1).copy()
    quadratic = _quadratic(table, form, batch, noise)
    names = prices(table.inputs)
    odd = _extra(table, batch)
    first = quadratic.parameters.copy()
    open_ = np.isfinite(quadratic.covariance).all((1, 2)) & np.isfinite(quadratic.variance)
    fixed = np.zeros(count, bool)
    while open_.any():
        loss = losses(quadratic, free, names, table.rows, odd).reshape(count, -1)
        choice = loss.argmin(1)
        for member in np.flatnonzero(open_).tolist():
            place, value = divmod(int(choice[member]), len(VALUES))
            if loss[member, choice[member]] > (settings.SURE_ROUNDING if fixed[member] else settings.ROUNDING_SLACK):
                open_[member] = False
                continue
            fix(quadratic, member, terms + place, VALUES[value])
            free[member, place] = False
            fixed[member] = True
            moved = np.abs(quadratic.parameters[member] - first[member]).max()
            open_[member] = free[member].any() and moved < settings.LARGEST_MOVE
    return _moved(batch, quadratic, free), fixed


def drawn_roundings(
    table: Table, form: Form, batch: Batch, noise: Noise, *, count: int, rng: np.random.Generator
) -> Batch:
    """Different roundings of one fit with free exponents, each drawn as probable as it is: the rivals of the best.

    One exponent after the other is fixed at a simple value, or left free, with the probability that the loss gives it;
    the others move along (the randomised form of successive rounding: Klein 2000, "Finding the closest lattice vector
    when it's unusually close").
    """
    terms = form.terms
    quadratic = Quadratic(*(np.repeat(array, count, 0) for array in _quadratic(table, form, batch, noise)))
    many = Batch(*(np.repeat(array, count, 0) for array in batch))
    free = many.free.reshape(count, -1).copy()
    undecided = free.copy()
    if not (np.isfinite(quadratic.covariance).all() and np.isfinite(quadratic.variance).all()):
        return batch
    names = prices(table.inputs)
    odd = np.repeat(_extra(table, batch), count, 0)
    while undecided.any():
        loss = losses(quadratic, undecided, names, table.rows, odd)
        places = np.where(undecided, loss.min(2), np.inf).argmin(1)
        for member in np.flatnonzero(undecided.any(1)).tolist():
            place = int(places[member])
            options = np.append(-loss[member, place], 0.0)
            weights = np.exp(options - options.max())
            choice = int(rng.choice(len(weights), p=weights / weights.sum()))
            undecided[member, place] = False
            if choice < len(VALUES):
                fix(quadratic, member, terms + place, VALUES[choice])
                free[member, place] = False
    found = _moved(many, quadratic, free)
    keys = np.where(found.free, 99.0, found.exponents).reshape(count, -1)
    _, once = np.unique(keys, axis=0, return_index=True)
    return found.take(np.sort(once))


def odd_signs(table: Table, parity: np.ndarray) -> np.ndarray:
    """(..., n, values) price of simple exponents in signed columns whose sign they do not have."""
    whole = VALUES == np.round(VALUES)
    natural = whole & (np.abs(np.round(VALUES)) % 2 == parity[..., None])
    return settings.ODD_SIGN * (~natural & table.signed[:, None])


def _extra(table: Table, batch: Batch) -> np.ndarray:
    """(B, K n, values) price of simple exponents beside that of their names, above what the free one pays.

    Of odd signs, and where exponents have limits of those beyond; a free exponent that is forbidden is worth fixing.
    """
    extra = odd_signs(table, batch.parity)
    if table.limits is not None:
        forbidden = ~table.limits.allow(batch.exponents) | table.limits.whole
        extra = extra + settings.FORBIDDEN * (~table.limits.allow(VALUES) - 1.0 * forbidden[..., None])
    return extra.reshape(len(batch.rss), -1, len(VALUES))


def merge_equal(form: Form, batch: Batch) -> tuple[Form, Batch] | None:
    """One formula (a batch of one) with equal terms of a group put together; None where no two are equal."""
    starts = np.cumsum([0, *form.groups])
    kept: list[int] = []
    coefficients = batch.coefficients[0].copy()
    groups = []
    for begin, end in zip(starts[:-1], starts[1:], strict=True):
        before = len(kept)
        for k in range(begin, end):
            twin = [j for j in kept[before:] if _equal_terms(batch, j, k)]
            if twin:
                coefficients[twin[0]] += coefficients[k]
            else:
                kept.append(k)
        groups.append(len(kept) - before)
    if len(kept) == form.terms:
        return None
    merged = Batch(
        batch.exponents[:, kept], batch.parity[:, kept], batch.free[:, kept], coefficients[None, kept], batch.rss
    )
    return Form(form.kind, tuple(groups), form.power, form.below, form.function), merged


def _equal_terms(batch: Batch, j: int, k: int) -> bool:
    same = np.abs(batch.exponents[0, j] - batch.exponents[0, k]).max() < 1e-9
    return bool(same and (batch.parity[0, j] == batch.parity[0, k]).all())


def simple_number(value: float, standard_error: float) -> float | None:
    """The simple number that a coefficient is taken to be, or None: where the odds for it are high.

    A value with a wide interval is never called simple: the density of the simple number is then low.
    """
    if not np.isfinite(standard_error) or value == 0:
        return None
    relative = max(standard_error / abs(value), settings.EXACT)
    numbers = np.array(list(settings.SIMPLE_NUMBERS))
    distance = (np.log(abs(value)) - np.log(numbers)) / relative
    shares = np.array(list(settings.SIMPLE_NUMBERS.values()))
    odds = shares * np.exp(-0.5 * distance**2) / (relative * np.sqrt(2 * np.pi)) / settings.OTHER_NUMBER
    best = int(odds.argmax())
    rest = 1 + odds.sum() - odds[best]
    return float(np.copysign(numbers[best], value)) if odds[best] > settings.SURE_NUMBER * rest else None
