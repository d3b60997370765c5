"""The search among functions of a sum: waves with a phase, steps between two levels, peaks.

    m sin(w p + phi) + b p + c    for each w linear in sin(w p) and cos(w p): a periodogram
    sin(v p + w q + phi) + c      the same for pairs of w and v
    m / (1 + exp(k p + phi)) + c  for each pair of levels its logit is linear in p
    m exp(a p + b q) + c          for each c its logarithm is linear in p and q

p and q are products of inputs, phi a number, m a product of inputs (of a wave also an exponential of an input), and b
and c are numbers, which may be 0.

Lomb (1976), "Least-squares frequency analysis of unequally spaced data"; Berkson (1944), "Application of the logistic
function to bio-assay".
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from nalu_jax.discover._engine import settings
from nalu_jax.discover._engine.candidate import LARGEST_LOGARITHM, Noise
from nalu_jax.discover._engine.columns import Table, choose, soft_weights
from nalu_jax.discover._engine.fit import Batch, improve, products, start
from nalu_jax.discover._engine.forms import Form
from nalu_jax.discover._engine.functions import finished, held_inside
from nalu_jax.discover._engine.lattice import prices
from nalu_jax.discover._engine.library import library
from nalu_jax.discover._engine.structure import Fitted

SMALLEST_PHASE = 1e-3  # a coefficient of 0 is no start


class _Start(NamedTuple):
    """One formula m F(p + ...) + q + ...: what it leaves (rss, of peaks in nats), places in the scan of m, of what is
    inside and of what is added, and coefficients of all of them."""

    left: float
    front: int
    inside: tuple[int, ...]
    added: tuple[int, ...]
    coefficients: tuple[float, ...]

    @property
    def places(self) -> list[int]:
        return [self.front, *self.inside, *self.added]

    @property
    def shape(self) -> tuple[int, ...]:
        """Groups of its form."""
        return 1, len(self.inside), len(self.added)


class _Scan(NamedTuple):
    """What the starts are made of: exponents and parity (M, n) of products, the constant first, their values (M, rows)
    and the prices (M,) of their names, the target, weights of rows, places of products in front, and whether some of
    them grow or decay as exponentials do: such are only tried in front of waves."""

    exponents: np.ndarray
    parity: np.ndarray
    values: np.ndarray
    names: np.ndarray
    target: np.ndarray
    weights: np.ndarray
    fronts: tuple[int, ...]
    growing: bool


def search_shifted(scanned: Table, table: Table, judged: Table, noise: Noise, *, bar: float) -> list[Fitted]:
    """Formulas with a function of a sum of two terms.

    Args:
        scanned: few rows, on which starts are tried.
        table: the same columns with more rows, on which the best are fitted.
        judged: with more rows still.
        noise: model of the noise.
        bar: evidence that is known already.
    """
    with np.errstate(all="ignore"):
        scan = _scan_of(scanned, noise)
        starts = {"sin": [*_waves(scan)]}
        if not scan.growing:
            starts["sin"] += _plane_waves(scan)
            starts |= {"1/(1+exp)": [*_steps(scan)]}
        return _fitted(scan, starts, table, judged, noise, bar)


def search_peaks(
    scanned: Table, table: Table, judged: Table, noise: Noise, *, bar: float, smooth: np.ndarray | None = None
) -> list[Fitted]:
    """Formulas with an exponential of a sum of two terms; arguments as of `search_shifted`.

    Args:
        smooth: (rows of `scanned`,) values of a formula that is near the target, from which starts are made, too: where
            a peak has gone the target is noise, and has no logarithm.
    """
    with np.errstate(all="ignore"):
        scan = _scan_of(scanned, noise)
        starts = [*_peaks(scan)]
        if smooth is not None and np.isfinite(smooth).all():
            starts += _peaks(scan._replace(target=smooth))
        return _fitted(scan, {"exp": starts}, table, judged, noise, bar)


def _fitted(
    scan: _Scan, starts: dict[str, list[_Start]], table: Table, judged: Table, noise: Noise, bar: float
) -> list[Fitted]:
    """The best starts of each function and shape, fitted and rounded."""
    soft = soft_weights(table, noise)
    fits = []
    for function, found in starts.items():
        for shape in sorted({one.shape for one in found}):
            form = Form("function", shape, function=function)
            best = sorted((one for one in found if one.shape == shape), key=lambda one: one.left)
            batch = _batch(scan, table, form, best[: settings.SHIFTED_STARTS])
            fits.append((form, improve(table, form, batch, soft, steps=settings.FIRST_STEPS)))
    return finished(table, judged, fits, noise, bar=bar)


def _scan_of(table: Table, noise: Noise) -> _Scan:
    """Products of the inputs; where the last column is an exponential, powers of it stand in front."""
    growing = table.columns[-1].function == "exp"
    inputs = choose(table, list(range(table.width - growing)))
    exponents, parity = library(inputs, settings.SHIFTED_LIBRARY)
    fronts = tuple(range(min(settings.SHIFTED_FRONTS, len(exponents))))
    if growing:
        fronts = tuple(range(len(exponents), len(exponents) + len(settings.GROWTH)))
        last = np.concatenate([np.zeros(len(exponents)), settings.GROWTH])[:, None]
        wide = ((0, len(settings.GROWTH)), (0, 0))
        exponents, parity = np.hstack([np.pad(exponents, wide), last]), np.pad(parity, (wide[0], (0, 1)))
    values = products(table, exponents, parity)
    names = prices(table.inputs).of(exponents).sum(1)
    return _Scan(exponents, parity, values, names, table.target, soft_weights(table, noise), fronts, growing)


def _batch(scan: _Scan, table: Table, form: Form, starts: list[_Start]) -> Batch:
    places = np.array([one.places for one in starts])
    coefficients = np.array([one.coefficients for one in starts])
    return held_inside(form, start(table, scan.exponents[places], scan.parity[places], coefficients))


def _waves(scan: _Scan) -> Iterator[_Start]:
    """m sin(w p + phi) + c, the best frequencies of each m and p."""
    for m, p in _fronts_and_insides(scan):
        frequencies = _frequencies(scan, p, settings.MOST_CYCLES)
        yield from _of_phases(scan, m, (p,), frequencies[:, None])


def _plane_waves(scan: _Scan) -> Iterator[_Start]:
    """sin(v p + w q + phi) + c, the best frequencies of each p and q."""
    for p, q in _fronts_and_insides(scan):
        if 0 < p < q:
            first, second = (_frequencies(scan, place, settings.PLANE_CYCLES) for place in (p, q))
            grid = np.meshgrid(first, np.concatenate([-second, second]), indexing="ij")
            yield from _of_phases(scan, 0, (p, q), np.stack([axis.ravel() for axis in grid], 1))


def _frequencies(scan: _Scan, place: int, most_cycles: float) -> np.ndarray:
    """Frequencies at which a product runs through up to so many cycles; none where it does not vary."""
    width = np.ptp(scan.values[place])
    if not 0 < width < np.inf:
        return np.zeros(0)
    cycles = min(most_cycles, len(scan.target) / 2)
    return np.arange(1, settings.STEPS_OF_A_CYCLE * cycles) * (2 * np.pi / settings.STEPS_OF_A_CYCLE / width)


def _of_phases(scan: _Scan, m: int, inside: tuple[int, ...], frequencies: np.ndarray) -> Iterator[_Start]:
    """m sin(inside @ frequencies + phi), alone, beside a number and on a slope of the product inside, for the best
    frequencies (F, number of products inside)."""
    front, goal = scan.values[m] * scan.weights, scan.weights * scan.target
    phase = frequencies @ scan.values[list(inside)]
    waves = [np.sin(phase) * front, np.cos(phase) * front]
    for added in ((), (0,), (0, *inside)):
        beside = [np.broadcast_to(scan.values[place] * scan.weights, phase.shape) for place in added]
        left, solution = _least_squares(np.stack([*waves, *beside], 1), goal)
        for place in np.argsort(left, kind="stable")[: settings.FREQUENCIES]:
            a, b, *others = solution[place]
            shift = np.arctan2(b, a) or SMALLEST_PHASE
            numbers = (np.hypot(a, b), *frequencies[place], shift, *others)
            yield _Start(float(left[place]), m, (*inside, 0), added, tuple(map(float, numbers)))


def _steps(scan: _Scan) -> Iterator[_Start]:
    """m / (1 + exp(k p + phi)) + c, for levels of target / m a little beyond those seen."""
    for m, p in _fronts_and_insides(scan):
        ratio = scan.target / scan.values[m]
        least, most = ratio.min(), ratio.max()
        margins = [margin * (most - least) for margin in settings.LEVEL_MARGINS]
        low_ends = (0.0, *(least - margin for margin in margins)) if m == 0 else (0.0,)
        high_ends = [most + margin for margin in margins]
        for low, high in itertools.product(low_ends, high_ends):
            if not low < least < most < high < np.inf:
                continue
            logit = np.log((high - ratio) / (ratio - low))
            weights = (high - ratio) * (ratio - low) * np.abs(scan.values[m]) * scan.weights
            left, rates = _least_squares((scan.values[[p, 0]] * weights)[None], logit * weights)
            k, shift = rates[0]
            value = (high - low) / (1 + np.exp(np.clip(k * scan.values[p] + shift, -300, 300))) + low
            left = float(np.sum((scan.weights * (scan.target - value * scan.values[m])) ** 2))
            yield _beside(left, m, (p, 0), (high - low, k, shift, low))


def _peaks(scan: _Scan) -> Iterator[_Start]:
    """m exp(a p + b q) + c, for c of 0 and a little beyond the target's values."""
    pairs = np.array(list(itertools.combinations(range(1, len(scan.values)), 2))).reshape(-1, 2)
    if not len(pairs):
        return
    least, most = scan.target.min(), scan.target.max()
    margins = [margin * (most - least) for margin in settings.LEVEL_MARGINS]
    for c in (0.0, *(least - margin for margin in margins), *(most + margin for margin in margins)):
        above = scan.target - c
        if not ((above > 0).all() or (above < 0).all()):
            continue
        weights = np.abs(above) * scan.weights
        design = np.stack([scan.values[pairs[:, 0]], scan.values[pairs[:, 1]], np.ones((len(pairs), len(above)))], 1)
        left, solution = _least_squares(design * weights, np.log(np.abs(above)) * weights)
        score = len(above) / 2 * np.log(left + settings.EXACT**2) + scan.names[pairs].sum(1)  # narrow peaks fit alike
        for place in np.argsort(score, kind="stable")[: settings.PEAKS]:
            a, b, front = solution[place]
            p, q = pairs[place]
            coefficient = float(np.sign(above[0]) * np.exp(np.clip(front, -LARGEST_LOGARITHM, LARGEST_LOGARITHM)))
            for beside in dict.fromkeys((c, 0.0)):  # noise crosses the level 0, where there is no logarithm
                yield _beside(float(score[place]), 0, (int(p), int(q)), (coefficient, a, b, beside))


def _beside(left: float, front: int, inside: tuple[int, ...], coefficients: tuple[float, ...]) -> _Start:
    """A start with a number added, the last coefficient, which may be 0."""
    if coefficients[-1] == 0:
        return _Start(left, front, inside, (), coefficients[:-1])
    return _Start(left, front, inside, (0,), coefficients)


def _fronts_and_insides(scan: _Scan) -> Iterator[tuple[int, int]]:
    """Places of products in front and inside that have no input in common, the cheapest in front of all."""
    used = scan.exponents != 0
    insides = len(used) - scan.growing * len(scan.fronts)
    for m in scan.fronts:
        for p in range(1, min(settings.SHIFTED_INSIDES, insides)):
            if not (used[m] & used[p]).any():
                yield m, p


def _least_squares(design: np.ndarray, goal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(B,) squares left and (B, q) solutions of goal (rows,) by design (B, q, rows)."""
    size = np.sqrt(np.einsum("bqn,bqn->bq", design, design)) + 1e-300
    unit = design / size[..., None]
    gram = unit @ unit.swapaxes(1, 2) + 1e-10 * np.eye(design.shape[1])
    usable = np.isfinite(gram).all((1, 2))
    gram = np.where(usable[:, None, None], gram, np.eye(design.shape[1]))
    solution = np.linalg.solve(gram, (unit @ goal)[..., None])[..., 0]
    left = np.sum((goal - np.einsum("bq,bqn->bn", solution, unit)) ** 2, -1)
    return np.where(usable & np.isfinite(left), left, np.inf), solution / size
