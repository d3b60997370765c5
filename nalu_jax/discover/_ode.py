"""From trajectories to equations: `ode`."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .. import _arguments, _progress
from .. import ode as _ode
from .._interrupt import deferred
from ..ode import Data, Smooth
from . import _library, _refine, _scaling, _search
from ._model import Formula
from ._refine import Fitted, Setting
from ._result import ALIKE, NOTHING, RECOVERED, Candidate, Discovery, equations_of

FLOOR = 1e-7  # error of exact data, in standard deviations of a state, below which candidates are equally good
SOLVED = 1e-6  # error up to which exact data are explained
NOISY = 1.25  # error, in standard deviations of the noise, up to which noisy data are explained
GUESSED = 3.0  # the same above 1 times the root of a state's measurements, where they are few and the noise estimated
SCREENED = 12  # candidates of the weak form; of exact data, for each of its floors
CLIFF = 100.0  # by which a simpler formula must fit exact data worse: laws do, approximations improve term by term
CLEAR = 6.0  # twice the description length, in nats, by which the best must lead
SUBSTEPS = (2, 8, 32)


class Job(NamedTuple):
    """One search: scaled data, splines through them, up to which error they are explained, and what the fits share."""

    data: Data
    smooth: Smooth
    explained: float
    setting: Setting
    known_nodes: np.ndarray | None
    positive: bool


@_arguments.checked(
    "discover.ode",
    names=_arguments.optional(_arguments.names()),
    known=_arguments.optional(_arguments.function("(t, y) -> rates")),
    noise=_arguments.optional(_arguments.number(0.0)),
    domain=_arguments.optional(_arguments.choice("positive", "real")),
    missing=_arguments.flag(),
    initial_states=_arguments.choice("exact", "measured"),
    candidates=_arguments.count(),
    progress=_arguments.optional(_arguments.instance("True, False or a label", "Pass one of them.", bool, str)),
)
def ode(
    ts: Any,
    ys: Any,
    *,
    names: Sequence[str] | None = None,
    known: Callable[..., Any] | None = None,
    noise: float | None = None,
    domain: str | None = None,
    missing: bool = False,
    initial_states: str = "measured",
    candidates: int = 3,
    progress: bool | str | None = None,
) -> Discovery:
    """Equations dy/dt = known(t, y) + sums of products of powers of y, that is NAU(RealNPU(y)), for trajectories.

    Candidates come from sparse regression in the weak form. The best of them are fitted through the solver, lose what
    costs least, one coefficient after another, and have their exponents freed and rounded again. All of it is
    deterministic: the same data give the same result.

    Args:
        ts: (n_times,) increasing times; or a list with those of each trajectory.
        ys: (n_times, n_states), or (n_times,) of one state; or a list of them. 1 to 6 states.
        names: of the states; y0, y1, ... by default.
        known: (t, y) -> the known part of dy/dt (n_states,), in JAX and in the units of the data.
        noise: standard deviation of the measurements in standard deviations of each state; 0 says that they are exact.
            By default it is estimated from how well neighbours predict a measurement, which takes exact data that are
            coarse for what they show for noisy ones.
        domain: "positive" for states that are never negative, whose exponents may be any real number; "real" for whole
            exponents; by default by the signs of the measurements.
        missing: whether NaN stands for what was not measured.
        initial_states: "exact" where the first measurements have no noise, "measured" where they have it too.
        candidates: from which products are taken away, each through the solver.
        progress: whether to show a progress bar, by default where stderr is a terminal; a text is its label.

    Raises:
        TypeError: data that are not real numbers.
        ValueError: times that do not increase, NaN without missing=True, too few points, negative measurements with
            domain="positive", more than 6 states, or known rates of another shape. The message has row and state.
    """
    data = _ode.data(ts, ys, names=names, missing=missing)
    names = _checked(data, names, noise, domain, initial_states)
    lowest = float(data.ys[data.seen].min())
    positive = lowest >= 0 if domain is None else domain == "positive"
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"), deferred() as interrupted:
        if known is not None:
            _check_known(known, data.ys.shape[-1])
        scale = _scaling.scale_of(data)
        rates = None if known is None else _scaled_known(known, scale)
        job = _job(_scaling.scaled(data, scale), rates, noise, positive, initial_states == "exact")
        setting, fits = _fits(job, candidates, interrupted, progress)
        job = job._replace(setting=setting)
        return _discovery(job, fits, scale, names, known, interrupted())


def _checked(
    data: Data, names: Sequence[str] | None, noise: float | None, domain: str | None, initial_states: str
) -> tuple[str, ...]:
    """The names, after a check of the options."""
    n_states = data.ys.shape[-1]
    for option, value, allowed in (
        ("domain", domain, (None, "positive", "real")),
        ("initial_states", initial_states, ("exact", "measured")),
    ):
        if value not in allowed:
            raise ValueError(f"discover.ode: {option} must be one of {allowed}, got {value!r}.")
    if noise is not None and not 0 <= noise < np.inf:
        raise ValueError(f"discover.ode: noise must be a share of a state's standard deviation, got {noise!r}.")
    if n_states > 6:
        raise ValueError(f"discover.ode: expected at most 6 states, got {n_states}. Leave out what is derived.")
    names = tuple(f"y{k}" for k in range(n_states)) if names is None else tuple(names)
    if domain == "positive" and (negative := np.argwhere((data.ys < 0) & data.seen)).size:
        i, row, k = negative[0]
        raise ValueError(
            f"discover.ode: state {names[k]!r} is {data.ys[i, row, k]} in row {row} of trajectory {i}, but "
            'domain="positive" was given. Use domain="real", or make it NaN with missing=True where it is noise.'
        )
    return names


def _check_known(known: Callable[..., Any], n_states: int) -> None:
    rates = jax.eval_shape(known, jnp.zeros(()), jnp.zeros(n_states))
    if getattr(rates, "shape", None) != (n_states,):
        got = getattr(rates, "shape", rates)
        raise ValueError(f"discover.ode: known(t, y) must return an array of shape ({n_states},), got {got}.")


@functools.lru_cache(maxsize=4)
def _scaled_known(known: Callable[..., Any], scale: _scaling.Scale) -> Callable[..., Any]:
    """One function for equal arguments, so that what was compiled for it is found again."""
    return _scaling.scaled_rates(known, scale)


def _job(data: Data, known: Callable[..., Any] | None, noise: float | None, positive: bool, exact_start: bool) -> Job:
    smooth = _ode.smooth(data, noise)
    exact = bool((smooth.noise == 0).all())
    nodes = None if known is None else np.asarray(jax.vmap(jax.vmap(jax.vmap(known)))(smooth.times, smooth.nodes))
    # exact data need one interval at a time, in which nothing can go astray; noisy ones are told apart by the whole
    deviations = np.where(smooth.noise > 0, smooth.noise, 1.0)
    begins = np.where(data.seen, data.ys, smooth.ys) if exact else smooth.ys
    if exact_start:
        begins = np.concatenate([data.ys[:, :1], begins[:, 1:]], axis=1)
    begins = np.maximum(begins, 0.0) if positive else begins
    windows = _ode.windows(data, begins, deviations, length=1 if exact else None)
    if exact and not exact_start:
        # an interval that begins where not all was measured begins with a guess of the spline
        known_start = (windows.start_weights > 0).all(-1)
        usable = known_start if (windows.weights[known_start] > 0).any() else np.ones_like(known_start)
        windows = windows._replace(weights=windows.weights * usable[:, None, None])
    windows = jax.tree.map(jnp.asarray, windows)
    fit_starts = not exact and not exact_start
    domain = "positive" if positive else "real"
    floor = FLOOR**2 if exact else 0.0
    rows = int((np.asarray(windows.weights) > 0).sum() + fit_starts * (np.asarray(windows.start_weights) > 0).sum())
    library = _library.costs(_search.library(data, _search.nodes_of(data, smooth, positive)))
    setting = Setting(windows, fit_starts, domain, SUBSTEPS[0], known, floor, rows, library)
    explained = SOLVED if exact else NOISY
    if not exact and noise is None:
        explained = max(NOISY, 1 + GUESSED / np.sqrt(data.seen.sum((0, 1)).min()))
    return Job(data, smooth, explained, setting, nodes, positive)


def _fits(
    job: Job, count: int, interrupted: Callable[[], bool], progress: bool | str | None
) -> tuple[Setting, list[list[Fitted]]]:
    """The setting with steps enough, and the candidates with their paths: those fitted as they are, those from which
    products were taken away, and at last that of roundings."""
    with _progress.bar(progress, "discover", total=3 + count, unit="search") as bar:
        systems = _search.systems(job.data, job.smooth, job.known_nodes, positive=job.positive, count=SCREENED)
        bar.update()
        formulas = [_refine.started(job.data, job.smooth, job.known_nodes, system, job.positive) for system in systems]
        formulas = [
            formula._replace(powers=formula.exponents != np.round(2 * formula.exponents) / 2) for formula in formulas
        ]
        setting = _refine.resolved(job.setting, formulas, SUBSTEPS)
        screened = _screened(setting, formulas, interrupted)
        found = [[each] for each in screened]
        bar.update()
        if screened and screened[0].loss < setting.floor:
            count = 1  # exact data are explained to the last digit: nothing can be better
        for each in screened[:count]:
            if interrupted():
                break
            found.append(_refine.pruned(setting, each.formula))
            bar.update()
        if found and job.positive and not interrupted():
            freed = _best(found).formula
            found.append(_refine.snapped(setting, freed._replace(powers=freed.exponents != 0)))
        bar.update()
    return setting, found


def _screened(setting: Setting, formulas: list[Formula], interrupted: Callable[[], bool]) -> list[Fitted]:
    """The formulas fitted through the solver, the shortest description first: the weak form suffers more from errors.

    Small ones are fitted first. Once one of them explains exact data, larger ones cannot be shorter; those as small as
    it are its rivals: along one trajectory two laws may be one.
    """
    found: list[Fitted] = []
    enough = np.inf
    for formula in sorted(formulas, key=_size):
        if _size(formula) > enough or interrupted():
            break
        found.append(_refine.fitted(setting, formula))
        if found[-1].loss < setting.floor:
            enough = _size(formula)
    return sorted(found, key=lambda each: each.length)


def _size(formula: Formula) -> int:
    """How many numbers are fitted."""
    return int(formula.reads.sum() + formula.powers.sum())


def _best(found: list[list[Fitted]]) -> Fitted:
    return min((step for path in found for step in path), key=lambda step: (step.length, step.complexity))


def _discovery(
    job: Job,
    fits: list[list[Fitted]],
    scale: _scaling.Scale,
    names: tuple[str, ...],
    known: Callable[..., Any] | None,
    interrupted: bool,
) -> Discovery:
    noise = job.smooth.noise * np.array(scale.states)
    steps = [step for path in fits for step in path]
    if not steps:
        return Discovery(None, None, (), NOTHING, "nothing could be fitted", noise, names, interrupted, known)
    make = lambda step: _candidate(_refine.with_errors(job.setting, step), scale, names)
    front = [min(same, key=lambda step: step.loss) for same in _by_complexity(steps)]
    best = _best(fits)
    freed = fits[-1][0]
    before = freed if freed.formula.powers.any() else best
    verdict, reason = _verdict(job, steps, best)
    return Discovery(
        make(best), make(before), tuple(map(make, front)), verdict, reason, noise, names, interrupted, known
    )


def _by_complexity(steps: list[Fitted]) -> list[list[Fitted]]:
    return [[step for step in steps if step.complexity == c] for c in sorted({step.complexity for step in steps})]


def _candidate(step: Fitted, scale: _scaling.Scale, names: tuple[str, ...]) -> Candidate:
    formula, errors = step.formula, step.errors
    assert errors is not None
    coefficients = _scaling.unscaled(formula.exponents, formula.coefficients, scale)
    deviations = np.abs(_scaling.unscaled(formula.exponents, errors.coefficients, scale))
    return Candidate(
        formula.exponents,
        coefficients,
        errors.exponents,
        deviations,
        step.complexity,
        float(np.sqrt(step.loss)),
        step.bic,
        equations_of(formula.exponents, coefficients, names),
    )


def _verdict(job: Job, steps: list[Fitted], best: Fitted) -> tuple[str, str]:
    """Whether the best explains the data, is simple, and stands alone."""
    exact = bool((job.smooth.noise == 0).all())
    error = float(np.sqrt(best.loss))
    unit = "standard deviations of the states" if exact else "standard deviations of the noise"
    if error > job.explained:
        return NOTHING, f"the best formula leaves {error:.2g} {unit}, more than {job.explained:.3g}"
    if best.formula.powers.any() and not exact:
        return NOTHING, "exponents that are not simple numbers, from noisy data"
    if 3 * best.complexity > job.setting.rows:
        return NOTHING, f"{best.complexity} numbers were fitted to {job.setting.rows} measurements"
    simpler = min((step.loss for step in steps if step.complexity < best.complexity), default=np.inf) ** 0.5
    if exact and simpler < CLIFF * max(error, FLOOR):
        return NOTHING, f"a simpler one leaves {simpler:.2g}, as in a series that approximates: {error:.2g} {unit}"
    # the same with something more is no rival: what is more in it is not needed
    own = _products(best.formula)
    rivals = [step for step in steps if not own <= _products(step.formula) and step.length < best.length + CLEAR]
    if rivals:
        return ALIKE, f"{len(rivals)} other structures are about as likely as the best"
    hidden = "" if exact else "; what is smaller than the noise may be missing"
    return RECOVERED, f"it leaves {error:.2g} {unit}, and no other structure comes near{hidden}"


def _products(formula: Formula) -> frozenset[tuple[Any, ...]]:
    """The products of each equation, exponents rounded to what can be told apart."""
    rounded = np.round(formula.exponents, 1)
    return frozenset((*rounded[term].tolist(), int(state)) for term, state in np.argwhere(formula.reads))
