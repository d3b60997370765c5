"""The search among sums of products of powers, and among powers of such sums."""

from dataclasses import replace

import numpy as np

from nalu_jax.discover._engine import settings, starts
from nalu_jax.discover._engine.candidate import Noise
from nalu_jax.discover._engine.climb import climb
from nalu_jax.discover._engine.columns import Table, noise_weights
from nalu_jax.discover._engine.fit import Batch, distinct, improve, start
from nalu_jax.discover._engine.forms import Form
from nalu_jax.discover._engine.structure import Fitted, finish

STEEPEST = 20.0  # weights of a transformed target above this multiple of their median are cut


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
    """
    straight, weights = transformed(table, noise, power)
    if straight is None:
        return []
    whole = starts.log_linear(straight, weights)
    weighted = starts.weighted_library(straight, weights, library)
    found: list[Fitted] = []
    fits: starts.Starts | None = None
    pairs = np.zeros((0, 2), int)
    for terms in range(1, most_terms + 1):
        begin = starts.random_starts(straight, whole, terms, settings.RANDOM_STARTS, rng)
        if fits is None:
            begin = starts.single_starts(whole, weighted, 12)
        elif terms == 2:
            pairs = starts.pairs_of(weighted)
            begin = starts.together(starts.pair_starts(straight, whole, weighted, pairs), begin)
        else:
            lattice = starts.Starts(weighted.exponents[pairs[:8]], weighted.parity[pairs[:8]])
            begin = starts.together(starts.more_terms(straight, fits, weighted, 12), begin)
            if terms == 3:
                begin = starts.together(starts.more_terms(straight, lattice, weighted, 8), begin)
        if fits is not None:
            begin = starts.together(begin, starts.split_starts(fits, 3, rng))
        batch = fit_starts(straight, begin, weights, rng)
        if not len(batch.rss):
            break
        fits = starts.Starts(batch.exponents, batch.parity)
        form = Form("sum", (terms,)) if power == 1 else Form("power", (terms,), power=power)
        if power != 1 and terms == 1:
            continue
        bar = min([bar, *(fitted.evidence for fitted in found)])
        found += finish(judged, form, batch, noise, bar=bar)
        if terms > 1:
            found += _climbed(straight, judged, form, fits, weights, noise, bar)
        if not _more_helps(found, terms, first=1 if power == 1 else 2):
            break
    return found


def transformed(table: Table, noise: Noise, power: float) -> tuple[Table | None, np.ndarray]:
    """The table with target^(1/power) for the target, and the weights of its rows; None where that is not a number."""
    weights = noise_weights(table, noise, table.target)
    if power == 1:
        return table, weights
    inverse = 1 / power
    whole = inverse == round(inverse)
    usable = (table.target != 0) if whole else (table.target > 0)
    if usable.mean() < 0.9:
        return None, weights
    base = np.where(usable, table.target if whole else np.abs(table.target), 1.0)
    target = base**inverse
    weights = np.where(usable, weights / np.abs(inverse * target / base), 0.0)
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
    """Whether the last number of terms is not clearly worse than fewer."""
    if terms <= first:
        return True
    if not found:
        return True
    best = {k: min((f.evidence for f in found if f.form.terms == k), default=np.inf) for k in range(first, terms + 1)}
    return best[terms] <= min(best[k] for k in range(first, terms)) + settings.WORSE_TERMS
