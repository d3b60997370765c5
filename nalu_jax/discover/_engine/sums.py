"""The search among sums of products of powers, and among powers of such sums."""

from dataclasses import replace

import numpy as np

from nalu_jax.discover._engine import settings, starts
from nalu_jax.discover._engine.candidate import Noise
from nalu_jax.discover._engine.climb import climb
from nalu_jax.discover._engine.columns import Table, noise_weights
from nalu_jax.discover._engine.divided import divided, quotient_of
from nalu_jax.discover._engine.fit import Batch, distinct, improve, start
from nalu_jax.discover._engine.forms import Form
from nalu_jax.discover._engine.structure import Fitted, finish, misfit

STEEPEST = 20.0  # weights of a transformed target above this multiple of their median are cut
LARGEST = 1e100
"""Of a transformed target, its derivative and their inverses, so that squares of them are floats: other rows are left
out."""


def search_sums(
    table: Table,
    judged: Table,
    noise: Noise,
    *,
    power: float = 1.0,
    most_terms: int,
    library: int,
    rng: np.random.Generator,
    bar: float = np.inf,
    begin: Table | None = None,
) -> list[Fitted]:
    """Formulas (sum of terms)^power of 1, 2, ... terms, while more terms help.

    Args:
        table: on which starts are tried and fitted.
        judged: the same columns with more rows, on which exponents are rounded and evidence is taken.
        noise: model of the noise.
        power: of the sum: the sum is then fitted to target^(1/power) first.
        most_terms: of a sum.
        library: number of products that starts are made of.
        rng: of random starts.
        bar: evidence that is known already.
        begin: `table` with another target, of whose power starts are made: noise of a target near 0 leaves nothing of
            its power.
    """
    straight, weights = transformed(begin or table, noise, power)
    if straight is None:
        return []
    whole = starts.log_linear(straight, weights)
    weighted = starts.weighted_library(straight, weights, library)
    found: list[Fitted] = []
    fits: starts.Starts | None = None
    for terms in range(1, most_terms + 1):
        batch = fit_starts(straight, _starts(straight, whole, weighted, terms, fits, rng), weights, rng)
        if terms > 2 and len(batch.rss):
            batch = _exchanged(straight, weighted, batch, weights, rng)
        if not len(batch.rss):
            break
        fits = starts.Starts(batch.exponents, batch.parity)
        form = Form("sum", (terms,)) if power == 1 else Form("power", (terms,), power=power)
        if power != 1 and terms == 1:
            continue
        bar = min([bar, *(fitted.evidence for fitted in found)])
        if power != 1:  # rows near 0 say less of the target than of its power, and those below 0 nothing
            batch = improve(table, form, batch, noise_weights(table, noise, table.target), steps=settings.LATER_STEPS)
        found += finish(judged, form, batch, noise, bar=bar)
        if power not in (1, -1):  # the quotients that those of -1 are have a search of their own
            found += _divided(judged, form, batch, noise, bar)
        if terms > 1:
            found += _climbed(straight, judged, form, fits, weights, noise, bar)
        if not _more_helps(found, terms, first=1 if power == 1 else 2):
            break
    return found


def _divided(table: Table, form: Form, batch: Batch, noise: Noise, bar: float) -> list[Fitted]:
    """Powers of sums by one of their terms, whose exponents may then be simpler ones."""
    others = [divided(table, form, batch, first) for first in range(form.terms)]
    return [fitted for each in others for fitted in finish(table, quotient_of(form), each, noise, bar=bar)]


def _starts(
    table: Table,
    whole: tuple[np.ndarray, np.ndarray],
    weighted: starts.Weighted,
    terms: int,
    fits: starts.Starts | None,
    rng: np.random.Generator,
) -> starts.Starts:
    """Starts of so many terms, given the best fits of one term less."""
    if fits is None:
        return starts.single_starts(whole, weighted, settings.SINGLE_STARTS)
    found = [starts.random_starts(table, whole, terms, settings.RANDOM_STARTS, rng), starts.split_starts(fits, 3, rng)]
    if terms == 2:
        found.append(starts.pair_starts(table, whole, weighted))
    else:
        found.append(starts.more_terms(table, fits, weighted, settings.ADDITIONS))
    if terms == 3:
        found.append(starts.triple_starts(weighted))
    return starts.together(*found)


def _exchanged(
    table: Table, weighted: starts.Weighted, batch: Batch, weights: np.ndarray, rng: np.random.Generator
) -> Batch:
    """The best distinct fits, also of those in which one term was exchanged for the best from the library."""
    kept = starts.Starts(batch.exponents[: settings.EXCHANGED], batch.parity[: settings.EXCHANGED])
    begin = [
        starts.more_terms(table, starts.Starts(np.delete(kept[0], k, 1), np.delete(kept[1], k, 1)), weighted, 6)
        for k in range(kept.exponents.shape[1])
    ]
    other = fit_starts(table, starts.together(*begin), weights, rng)
    both = Batch(*(np.concatenate(arrays) for arrays in zip(batch, other, strict=True)))
    return both.take(distinct(both, settings.KEPT_FITS))


def transformed(table: Table, noise: Noise, power: float) -> tuple[Table | None, np.ndarray]:
    """The table with target^(1/power) for the target, and the weights of its rows; None where that is not a number."""
    weights = noise_weights(table, noise, table.target)
    if power == 1:
        return table, weights
    inverse = 1 / power
    whole = inverse == round(inverse)
    usable = (table.target != 0) if whole else (table.target > 0)
    base = np.where(usable, table.target if whole else np.abs(table.target), 1.0)
    with np.errstate(all="ignore"):
        target = base**inverse
        slope = np.abs(inverse * target / base)
    for size in (np.abs(target), slope):
        usable &= (1 / LARGEST < size) & (size < LARGEST)
    if usable.mean() < 0.9:
        return None, weights
    weights = np.where(usable, weights / np.where(usable, slope, 1.0), 0.0)
    weights = np.minimum(weights, STEEPEST * np.median(weights))
    return replace(table, target=np.where(usable, target, 0.0)), weights


def fit_starts(table: Table, begin: starts.Starts, weights: np.ndarray, rng: np.random.Generator) -> Batch:
    """The best distinct fits of sums from these starts."""
    form = Form("sum", (begin.exponents.shape[1],))
    shaken = begin.exponents + 1e-3 * rng.normal(size=begin.exponents.shape)
    batch = start(table, shaken, begin.parity)
    batch = improve(table, form, batch, weights, steps=settings.FIRST_STEPS)
    order = np.argsort(batch.rss, kind="stable")[: max(12, len(batch.rss) // 5)]
    order = order[np.isfinite(batch.rss[order])]
    batch = improve(table, form, batch.take(order), weights, steps=settings.LATER_STEPS)
    return batch.take(distinct(batch, settings.KEPT_FITS))


def _climbed(
    straight: Table, judged: Table, form: Form, fits: starts.Starts, weights: np.ndarray, noise: Noise, bar: float
) -> list[Fitted]:
    with np.errstate(all="ignore"):
        exponents, parity, coefficients, scores = climb(straight, fits.exponents, fits.parity, weights)
    order = np.argsort(scores, kind="stable")[: settings.KEPT_CLIMBS]
    order = order[np.isfinite(scores[order])]
    if not len(order):
        return []
    batch = start(judged, exponents[order], parity[order], coefficients[order])
    return finish(judged, form, batch._replace(free=np.zeros(batch.free.shape, bool)), noise, bar=bar)


def _more_helps(found: list[Fitted], terms: int, *, first: int) -> bool:
    """Whether one term more may help: the last number of terms was not clearly worse than fewer, or something is left.

    Where terms nearly cancel, two of three explain nothing.
    """
    if terms <= first or not found:
        return True
    best = min(found, key=lambda fitted: fitted.evidence)
    last = min((f.evidence for f in found if f.form.terms == terms), default=np.inf)
    if last <= best.evidence + settings.WORSE_TERMS:
        return True
    return first == 1 and terms == 2 and misfit(best) > settings.SOME_MISFIT
