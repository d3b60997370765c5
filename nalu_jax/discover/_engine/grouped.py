"""One structure for several groups of rows: its numbers are common to all of them, or each group has its own.

Evidence decides which. A number that differs by group is integrated over in every group: a priori its values scatter
about a common one, by one of `SCATTERS`, so that groups that hardly differ are cheap to tell apart, and groups that do
not differ are not told apart.
"""

from typing import NamedTuple

import numpy as np

from nalu_jax.discover._engine import settings
from nalu_jax.discover._engine.candidate import Candidate, Noise, plain_numbers, scale_powers
from nalu_jax.discover._engine.columns import Table, noise_weights
from nalu_jax.discover._engine.evidence import linearise, negative_log_evidence, price
from nalu_jax.discover._engine.fit import LARGEST_LOGARITHM, Batch
from nalu_jax.discover._engine.forms import Form, evaluate
from nalu_jax.discover._engine.lattice import VALUES

SCATTERS = (0.03, 0.1, 0.3, 1.0, settings.COEFFICIENT_SPREAD)
"""Deviations of a number between groups (of a coefficient's logarithm, of an exponent): three to a power of ten, up to
what a coefficient may be at all; each costs log 5. Chosen by their range, nothing was tuned."""

STEPS = 60
"""Of Levenberg-Marquardt: fits of exact data need the most, about 30."""

TRIED = 3
"""Simple exponents that are tried in place of a free one: the nearest."""

SMALLEST = 1e-12
"""Of a coefficient in one group, in that of the others: less is 0, whose logarithm counts as this."""


class Grouped(NamedTuple):
    """A fit.

    Attributes:
        table: all rows, with the columns of the structure.
        codes: (rows,) places of groups.
        form: of the formula.
        exponents: (K, n), without a meaning where free.
        parity, free: (K, n).
        noise: model of the noise.
        numbers: (P, G) the K coefficients and then the free exponents, row by row, in each group.
        varies: (P,) which of them differ by group.
        evidence: negative log evidence in nats, comparable between fits to one table.
    """

    table: Table
    codes: np.ndarray
    form: Form
    exponents: np.ndarray
    parity: np.ndarray
    free: np.ndarray
    noise: Noise
    numbers: np.ndarray
    varies: np.ndarray
    evidence: float = np.inf

    @property
    def groups(self) -> int:
        return self.numbers.shape[1]


class Linear(NamedTuple):
    """A fit to first order: values, weights and weighted residuals (rows,), Jacobian (P, rows) of weighted values by
    the numbers of the row's own group."""

    values: np.ndarray
    weights: np.ndarray
    residuals: np.ndarray
    jacobian: np.ndarray


def of_candidate(candidate: Candidate, table: Table, codes: np.ndarray) -> Grouped:
    """The structure and the numbers of a formula, common to all groups; the table has the formula's columns."""
    plain = plain_numbers(candidate)
    logs = plain.log_coefficients + candidate.exponents @ table.centre
    logs = np.clip(logs - scale_powers(candidate.form) * np.log(table.target_scale), -690, 690)
    numbers = np.concatenate([plain.signs * np.exp(logs), candidate.exponents[candidate.free]])
    repeated = np.repeat(numbers[:, None], codes.max() + 1, 1)
    fixed = np.where(candidate.free, 0.0, candidate.exponents)
    varies = np.zeros(len(numbers), bool)
    free, parity = candidate.free.copy(), candidate.parity.copy()
    return Grouped(table, codes, candidate.form, fixed, parity, free, candidate.noise, repeated, varies)


def places(varies: np.ndarray, groups: int) -> np.ndarray:
    """(P, G) of each number in each group its place among the parameters: one for all groups, or one for each."""
    sizes = np.where(varies, groups, 1)
    begins = np.cumsum([0, *sizes])[:-1]
    return begins[:, None] + varies[:, None] * np.arange(groups)


def values(fit: Grouped) -> tuple[np.ndarray, np.ndarray]:
    """Values (rows,), and their slopes (P, rows) by the numbers of the row's own group."""
    terms, table = fit.form.terms, fit.table
    of_row = fit.numbers[:, fit.codes]
    logs = fit.exponents @ table.logs
    term, column = np.nonzero(fit.free)
    for number, (k, j) in enumerate(zip(term, column, strict=True), terms):
        logs[k] = logs[k] + of_row[number] * table.logs[j]
    products = np.exp(np.clip(logs, -LARGEST_LOGARITHM, LARGEST_LOGARITHM))
    products = products * (1 - 2 * ((fit.parity @ table.negative) % 2))
    found, gradients = evaluate(fit.form, of_row[:terms] * products)
    by_coefficient = products * gradients
    by_exponent = (of_row[:terms] * by_coefficient)[term] * table.logs[column]
    return found, np.concatenate([by_coefficient, by_exponent])


def linear(fit: Grouped) -> Linear:
    """The fit to first order, with weights of its own values."""
    with np.errstate(all="ignore"):
        found, slopes = values(fit)
        weights = noise_weights(fit.table, fit.noise, np.where(np.isfinite(found), found, fit.table.target))
        return Linear(found, weights, weights * (fit.table.target - found), weights * slopes)


def by_parameter(fit: Grouped, slopes: np.ndarray) -> np.ndarray:
    """(q, rows) of slopes (P, rows) by the numbers."""
    place = places(fit.varies, fit.groups)
    found = np.zeros((int(place.max()) + 1, fit.table.rows))
    for number, row in enumerate(slopes):
        found[place[number][fit.codes], np.arange(fit.table.rows)] = row
    return np.where(np.isfinite(found), np.clip(found, -1e150, 1e150), 0.0)


def fitted(fit: Grouped, varies: np.ndarray) -> Grouped:
    """The best fit with these numbers by group, from the numbers of another one on, with its evidence."""
    numbers = np.where(varies[:, None], fit.numbers, _typical(fit)[:, None])
    fit = fit._replace(numbers=numbers, varies=varies)
    with np.errstate(all="ignore"):
        for _ in range(1 if fit.noise == "absolute" else 3):
            fit = _improved(fit, linear(fit).weights)
        return fit._replace(evidence=evidence(fit))


def _typical(fit: Grouped) -> np.ndarray:
    """(P,) of coefficients the geometric mean with the sign of most groups, of exponents the mean."""
    coefficients, exponents = fit.numbers[: fit.form.terms], fit.numbers[fit.form.terms :]
    sign = np.where((coefficients < 0).sum(1) * 2 > fit.groups, -1.0, 1.0)
    return np.concatenate([sign * np.exp(_logarithms(coefficients).mean(1)), exponents.mean(1)])


def _logarithms(coefficients: np.ndarray) -> np.ndarray:
    size = np.abs(coefficients)
    least = SMALLEST * np.maximum(size.max(1, keepdims=True), 1e-280)
    return np.log(np.maximum(size, least))


def _improved(fit: Grouped, weights: np.ndarray) -> Grouped:
    """After Levenberg-Marquardt with these weights (rows,)."""
    place = places(fit.varies, fit.groups)
    target = fit.table.target
    enough = 1e-2 * settings.EXACT**2 * float(np.sum((weights * target) ** 2))
    found, slopes = values(fit)
    squares, damping = float(np.sum((weights * (target - found)) ** 2)), 1e-4
    for _ in range(STEPS):
        if not squares > enough:
            break
        jacobian = by_parameter(fit, weights * slopes)
        residuals = np.nan_to_num(weights * (target - found), posinf=0.0, neginf=0.0)
        size = np.sqrt((jacobian**2).sum(1))
        size = np.where(size > 0, size, 1.0)
        unit = jacobian / size[:, None]
        normal = unit @ unit.T
        normal[np.diag_indices(len(normal))] += damping + 1e-13
        step = np.linalg.solve(normal, unit @ residuals) / size
        moved = fit.numbers + step[place]
        again = fit._replace(numbers=np.concatenate([moved[: fit.form.terms], _within(moved[fit.form.terms :])]))
        found_now, slopes_now = values(again)
        squares_now = float(np.sum((weights * (target - found_now)) ** 2))
        if not squares_now < squares:
            if damping > 1e8:
                break
            damping *= 8
            continue
        gain = (squares - squares_now) / squares
        fit, found, slopes, squares, damping = again, found_now, slopes_now, squares_now, max(damping / 6, 1e-12)
        if gain < 1e-9 and damping < 1e-3:
            break
    return fit


def _within(exponents: np.ndarray) -> np.ndarray:
    return np.clip(exponents, -settings.LARGEST_EXPONENT, settings.LARGEST_EXPONENT)


def variance(fit: Grouped, at: Linear) -> float:
    """Of the noise, never below what rounding makes."""
    floor = settings.EXACT**2 * float(np.mean((at.weights * fit.table.target) ** 2))
    if fit.table.deviation is not None:
        return fit.table.deviation**2 + floor
    free = max(fit.table.rows - int(np.where(fit.varies, fit.groups, 1).sum()), 1)
    return float(at.residuals @ at.residuals) / free + floor


def typical_batch(fit: Grouped) -> Batch:
    """The formula of typical numbers as the engine has formulas."""
    numbers = _typical(fit)
    exponents = fit.exponents.copy()
    exponents[fit.free] = numbers[fit.form.terms :]
    coefficients = numbers[: fit.form.terms]
    return Batch(exponents[None], fit.parity[None], fit.free[None], coefficients[None], np.zeros(1))


def evidence(fit: Grouped) -> float:
    """Negative log evidence of a fit; infinite where the formula is not defined on the table."""
    at = linear(fit)
    if not (np.isfinite(at.values).all() and (at.weights > 0).all()):
        return np.inf
    batch = typical_batch(fit)
    sizes = linearise(fit.table, fit.form, batch, fit.noise).sizes
    scaled, scatter = _scaled(fit, by_parameter(fit, at.jacobian * _by_logarithm(fit)))
    logs = np.array([float(np.log(at.weights).sum())])
    spread = np.array([variance(fit, at)])
    total = negative_log_evidence(at.residuals[None], logs, scaled[None], spread)
    total = total + price(fit.table, fit.form, batch, sizes) + scatter
    return float(total[0]) if np.isfinite(total[0]) else np.inf


def _by_logarithm(fit: Grouped) -> np.ndarray:
    """(P, rows) what turns slopes by coefficients into slopes by their logarithms."""
    terms = fit.form.terms
    size = np.sign(fit.numbers[:terms]) * np.exp(_logarithms(fit.numbers[:terms]))
    return np.concatenate([size, np.ones_like(fit.numbers[terms:])])[:, fit.codes]


def _scaled(fit: Grouped, jacobian: np.ndarray) -> tuple[np.ndarray, float]:
    """The Jacobian (q, rows) by parameters of prior spread 1, and nats of how the numbers scatter between groups."""
    place, terms = places(fit.varies, fit.groups), fit.form.terms
    scaled, total = np.empty_like(jacobian), 0.0
    for number, varies in enumerate(fit.varies):
        spread = settings.COEFFICIENT_SPREAD if number < terms else settings.EXPONENT_SPREAD
        if not varies:
            scaled[place[number, 0]] = spread * jacobian[place[number, 0]]
            continue
        own = fit.numbers[number]
        mixed = number < terms and (own > 0).any() and (own < 0).any()
        apart = _logarithms(own[None])[0] if number < terms else own
        apart = apart - apart.mean()
        wide = [each for each in SCATTERS if each >= apart.std() and not mixed]
        scatter = min(wide, default=SCATTERS[-1])
        prior = spread**2 + scatter**2 * np.eye(fit.groups)
        scaled[place[number]] = np.linalg.cholesky(prior).T @ jacobian[place[number]]
        total += 0.5 * float(apart @ apart) / scatter**2 + np.log(len(SCATTERS))
        total += settings.SIGN * (fit.groups - 1) * bool(mixed)
    return scaled, total


def covariance(fit: Grouped) -> np.ndarray:
    """(q, q) of the parameters: logarithms of absolute coefficients, and exponents."""
    at = linear(fit)
    jacobian = by_parameter(fit, at.jacobian * _by_logarithm(fit))
    size = np.sqrt((jacobian**2).sum(1))
    unit = jacobian / np.where(size > 0, size, 1.0)[:, None]
    eigenvalues, vectors = np.linalg.eigh(unit @ unit.T)
    inverse = (vectors / np.maximum(eigenvalues, 1e-13)) @ vectors.T * variance(fit, at)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = inverse / (size[:, None] * size)
    known = size > 0  # of what no row depends on nothing is known
    return np.where(known[:, None] & known, found, np.where(np.eye(len(size), dtype=bool), np.inf, 0.0))


def possible(fit: Grouped, varies: np.ndarray) -> bool:
    """Whether every group has rows enough for numbers of its own, and an exponent differs only beside its
    coefficient: with another exponent a coefficient in common would depend on the units of the column."""
    term, _ = np.nonzero(fit.free)
    if (varies[fit.form.terms :] & ~varies[: fit.form.terms][term]).any():
        return False
    parameters = int(np.where(varies, fit.groups, 1).sum())
    return bool(varies.sum() <= np.bincount(fit.codes).min() and parameters < fit.table.rows)


def chosen(fit: Grouped, asked: str | None) -> list[Grouped]:
    """Fits of one structure, which differ in the numbers that are by group; the best first.

    Args:
        fit: where fits begin.
        asked: "all", "coefficients", "exponents" or "offset" where it is known which; None where evidence decides.
    """
    seen = {tuple(each.varies.tolist()): each for each in first(fit, asked)}
    if asked is not None:
        return list(seen.values())
    best = min(seen.values(), key=lambda each: each.evidence, default=None)
    while best is not None:
        before = best.evidence
        for varies in _toggled(best):
            key = tuple(varies.tolist())
            if key not in seen and possible(fit, varies):
                seen[key] = fitted(best, varies)
        best = min(seen.values(), key=lambda each: each.evidence)
        if not best.evidence < before:
            break
    return sorted((each for each in seen.values() if np.isfinite(each.evidence)), key=lambda each: each.evidence)


def first(fit: Grouped, asked: str | None) -> list[Grouped]:
    """Fits with the numbers by group that are asked for; with none, all coefficients, and all numbers otherwise."""
    if asked is not None:
        varies = _asked(fit, asked)
        begin = [] if varies is None else [varies]
    else:
        count = len(fit.varies)
        begin = [np.zeros(count, bool), np.arange(count) < fit.form.terms, np.ones(count, bool)]
    return [fitted(fit, varies) for varies in begin if possible(fit, varies)]


def _toggled(fit: Grouped) -> list[np.ndarray]:
    """One number more, or less, by group; with its coefficient an exponent, and the other way round."""
    terms = fit.form.terms
    term, _ = np.nonzero(fit.free)
    found = []
    for number in range(len(fit.varies)):
        varies = fit.varies.copy()
        varies[number] = not varies[number]
        if number < terms and not varies[number]:
            varies[terms:] &= term != number
        elif number >= terms and varies[number]:
            varies[term[number - terms]] = True
        found.append(varies)
    return found


def _asked(fit: Grouped, asked: str) -> np.ndarray | None:
    terms = fit.form.terms
    varies = np.ones(len(fit.varies), bool)
    if asked == "coefficients":
        varies[terms:] = False
    if asked == "exponents":
        term, _ = np.nonzero(fit.free)
        varies[:terms] = np.isin(np.arange(terms), term)
        return varies if len(term) else None
    if asked == "offset":
        varies[:] = False
        constant = np.flatnonzero(~(fit.free | (fit.exponents != 0)).any(1)).tolist()
        added = [k for k in constant if fit.form.kind == "sum" or k >= terms - fit.form.groups[-1]]
        if fit.form.kind not in ("sum", "function") or not added:
            return None
        varies[added] = True
    return varies


def simpler(fit: Grouped) -> Grouped:
    """With free exponents simple, and terms of a sum left out, where that has better evidence."""
    better = True
    while better:
        tried = [again for again in (*_rounded(fit), *_fewer(fit)) if possible(again, again.varies)]
        tried = [fitted(each, each.varies) for each in tried]
        best = min(tried, key=lambda each: each.evidence, default=fit)
        better = best.evidence < fit.evidence
        fit = best if better else fit
    return fit


def _rounded(fit: Grouped) -> list[Grouped]:
    """One free exponent simple, and the same in all groups."""
    found = []
    for number, (k, j) in enumerate(np.argwhere(fit.free).tolist(), fit.form.terms):
        mean = float(fit.numbers[number].mean())
        for value in VALUES[np.argsort(np.abs(VALUES - mean), kind="stable")[:TRIED]].tolist():
            exponents, free, parity = fit.exponents.copy(), fit.free.copy(), fit.parity.copy()
            exponents[k, j], free[k, j] = value, False
            parity[k, j] = parity[k, j] if value else 0
            left = np.delete(fit.numbers, number, 0), np.delete(fit.varies, number)
            found.append(fit._replace(exponents=exponents, free=free, parity=parity, numbers=left[0], varies=left[1]))
    return found


def _fewer(fit: Grouped) -> list[Grouped]:
    """One term of a sum less."""
    terms = fit.form.terms
    if fit.form.kind != "sum" or terms == 1:
        return []
    term, _ = np.nonzero(fit.free)
    found = []
    for k in range(terms):
        kept = np.concatenate([np.arange(terms) != k, term != k])
        rows = np.arange(terms) != k
        found.append(
            fit._replace(
                form=Form("sum", (terms - 1,)),
                exponents=fit.exponents[rows],
                parity=fit.parity[rows],
                free=fit.free[rows],
                numbers=fit.numbers[kept],
                varies=fit.varies[kept],
            )
        )
    return found
