"""Coefficients that differ between trajectories.

Each trajectory has an input that is 1 in it and 0 in the others; a coefficient that differs is one of the term times
each of these, whose name is paid once. Laws are searched in single trajectories, whose numbers are one law's, and in
all of them together; each is fitted to all of them, and evidence decides which of its coefficients differ.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy.interpolate import BSpline

from nalu_jax.discover._systems import families, settings, signs
from nalu_jax.discover._systems.inputs import Inputs
from nalu_jax.discover._systems.problem import FEWEST_SMOOTHED, Problem
from nalu_jax.discover._systems.search import Progress, without
from nalu_jax.discover._systems.shooting import Fit, fit
from nalu_jax.discover._systems.structure import Key, Structure
from nalu_jax.discover._systems.terms import ELEMENTARY, Term
from nalu_jax.discover._systems.verdict import NONE, Verdict, cut_short, errors_of, is_copy, judge

Differing = tuple[bool, ...]


@dataclass(frozen=True, eq=False)
class Varied:
    """A law for all trajectories.

    Attributes:
        structure: as it is written.
        differs: (n_coefficients,) which of them have a number for each trajectory.
        fit: of the law with terms times indicators; its description length pays for every name once.
        places: (n_coefficients, n_trajectories) of the numbers among the parameters of the fit.
    """

    structure: Structure
    differs: Differing
    fit: Fit
    places: np.ndarray

    @property
    def length(self) -> float:
        """Negative log evidence in nats."""
        return self.fit.length

    @property
    def weakest(self) -> float:
        """The smallest coefficient by its standard error, of those that differ the largest: they may be 0 somewhere."""
        count = self.fit.structure.coefficients
        sizes = np.abs(self.fit.parameters[:count]) / np.maximum(errors_of(self.fit)[:count], 1e-300)
        return float(np.min(sizes[self.places].max(1), initial=np.inf))


class Searched(NamedTuple):
    """Laws that were found, the best first, the verdict on the first, the trajectories with their indicators, whether
    the time limit ended the search, and of the best structure with other numbers in common the next."""

    found: list[Varied]
    verdict: Verdict
    problem: Problem
    late: bool
    other: Varied | None


@dataclass(eq=False)
class _Run:
    """What was tried so far.

    Attributes:
        problem: all trajectories, with their indicators.
        alone: each of them by itself, without.
        equations: whose coefficients may differ.
        nonnegative: states that cannot fall below 0.
        time_limit: seconds, or None.
        stop: asked before every fit.
        report: of the stage and the part of the search that is done.
        late: whether the time limit is over; cut_short: whether the search of some trajectories met its part of it.
    """

    problem: Problem
    alone: Sequence[Problem]
    equations: Sequence[int]
    nonnegative: tuple[int, ...]
    time_limit: float | None
    stop: Callable[[], bool]
    report: Progress
    fits: dict[tuple[Key, Key], Varied | None] = field(default_factory=dict)
    begin: float = field(default_factory=time.monotonic)
    late: bool = False
    cut_short: bool = False

    def left(self, part: float) -> float | None:
        """Seconds until a part of the time limit is over."""
        return None if self.time_limit is None else max(part * self.time_limit - (time.monotonic() - self.begin), 0.0)

    def ended(self) -> bool:
        self.late = self.late or self.left(1.0) == 0.0
        return self.stop() or self.late

    def found(self) -> list[Varied]:
        """All fits, the best first."""
        return sorted((each for each in self.fits.values() if each is not None), key=lambda each: each.length)

    def bar(self) -> float:
        """Description length from which a fit is hopeless."""
        lengths = (each.length for each in self.fits.values() if each is not None)
        return min(lengths, default=np.inf) + settings.HOPELESS

    def solved(self) -> bool:
        """Whether the data are explained to the last digit."""
        found = self.found()
        return bool(found) and found[0].fit.is_exact and found[0].weakest > settings.WEAKEST


def search(
    problem: Problem,
    alone: Sequence[Problem],
    equations: Sequence[int],
    *,
    functions: Sequence[str],
    nested: bool,
    nonnegative: tuple[int, ...] = (),
    time_limit: float | None,
    stop: Callable[[], bool],
    report: Progress,
) -> Searched:
    """The whole search.

    Args:
        problem: all trajectories.
        alone: each of them by itself.
        equations: places of those whose coefficients may differ.
        functions, nested, nonnegative, time_limit, stop, report: as `families.search` has them.
    """
    run = _Run(indicated(problem), alone, equations, nonnegative, time_limit, stop, report)
    long = [i for i in range(len(alone)) if _is_enough(alone[i])]
    longest = sorted(long, key=lambda i: -len(alone[i].ys))[: settings.SEARCHED_ALONE]
    for done, i in enumerate(longest):
        left = run.left(settings.ALONE)
        limit = None if left is None else left / (len(longest) - done)
        _fit_all(run, _laws(run, alone[i], f"trajectory {i}", limit))
        if run.solved() and done:
            break
    _refined_best(run)  # before the rest, which may meet the time limit
    if not run.solved() and not run.ended():
        _fit_all(run, _laws(run, problem, "together", run.left(settings.TOGETHER)))
    _around_best(run)
    allowed = lambda each: families.is_allowed(each.structure, functions, nested)
    found = _of_structures([each for each in run.found() if allowed(each)])
    if not found:
        return Searched([], Verdict(NONE, "nothing was fitted", ()), run.problem, run.late, None)
    best = found[0]
    is_other = lambda each: each is best or not is_copy(each.fit, best.fit)
    found = [each for each in found if is_other(each)]
    barred = _of_structures([each for each in run.found() if not allowed(each) and is_other(each)])
    verdict = judge(
        run.problem,
        [each.fit for each in found],
        [each.fit for each in barred],
        longest=best.structure.longest,
        weakest=best.weakest,
    )
    late = run.late or run.cut_short
    if (late or stop()) and (any(best.differs) or not run.solved()):
        verdict = cut_short(verdict)
    alike = (each for each in run.found() if each is not best and each.structure.key == best.structure.key)
    return Searched(found, verdict, run.problem, late, min(alike, key=lambda each: each.length, default=None))


def _laws(run: _Run, problem: Problem, stage: str, time_limit: float | None) -> list[Fit]:
    """Laws of some trajectories by themselves, the likeliest first."""
    if run.ended():
        return []
    searched = families.search(
        problem,
        functions=ELEMENTARY,
        nested=True,
        nonnegative=run.nonnegative,
        time_limit=time_limit,
        stop=run.stop,
        report=lambda _, part: run.report(stage, part),
    )
    run.cut_short = run.cut_short or searched.late
    return searched.found[: settings.CANDIDATES]


def indicated(problem: Problem) -> Problem:
    """The same trajectories, each with an input that is 1 in it and 0 in the others."""
    count = len(problem.times)
    own = [
        tuple(_constant(float(i == k), problem.times[i]) for k in range(count))
        for i in range(count)
    ]  # fmt: skip
    before = Inputs(((),) * count, np.zeros(0)) if problem.inputs is None else problem.inputs
    curves = tuple((*curves, *more) for curves, more in zip(before.curves, own, strict=True))
    inputs = Inputs(curves, np.concatenate([before.scale, np.ones(count)]))
    return dataclasses.replace(problem, inputs=inputs, scale=np.concatenate([problem.scale, np.ones(count)]))


def _constant(value: float, times: np.ndarray) -> BSpline:
    first, last = float(times[0]), float(times[-1])
    return BSpline(np.array([first, first, last, last]), np.array([value, value]), 1)


def expanded(structure: Structure, differs: Differing, count: int) -> tuple[Structure, np.ndarray]:
    """A structure with a copy for each of `count` trajectories of every term that differs, and the places of the
    coefficients, in the structure as it is written, among its parameters (n_coefficients, count).

    >>> from nalu_jax.discover._systems.structure import plain
    >>> made, places = expanded(plain([(Term((1.0,)), Term((2.0,)))]), (True, False), 2)
    >>> [term.powers for term in made.numerators[0]], places.tolist()
    ([(1.0, 1.0, 0.0), (1.0, 0.0, 1.0), (2.0, 0.0, 0.0)], [[0, 1], [2, 2]])
    """
    none = (0.0,) * count
    parts: tuple[list[tuple[Term, ...]], list[tuple[Term, ...]]] = ([], [])
    places, begin = [], 0
    for above, below in zip(structure.numerators, structure.denominators, strict=True):
        for part, terms in zip(parts, (above, below), strict=True):
            made: list[Term] = []
            for term in terms:
                if differs[len(places)]:
                    made += [_with(term, tuple(float(i == k) for i in range(count))) for k in range(count)]
                    places.append([begin + k for k in range(count)])
                else:
                    made.append(_with(term, none))
                    places.append([begin] * count)
                begin = places[-1][-1] + 1
            part.append(tuple(made))
    return Structure(tuple(parts[0]), tuple(parts[1])), np.array(places, int).reshape(-1, count)


def _with(term: Term, powers: tuple[float, ...]) -> Term:
    """A term times powers of further variables."""
    none = (0.0,) * len(powers)
    functions = tuple(each._replace(weights=(*each.weights, *none)) for each in term.functions)
    free = (*term.free, *(False for _ in powers)) if term.free else ()
    return Term((*term.powers, *powers), functions, free, term.price)


class _Start(NamedTuple):
    """Numbers from which a law is fitted: coefficients by trajectory (n_coefficients, n_trajectories), free exponents,
    nodes and noise."""

    coefficients: np.ndarray
    exponents: np.ndarray
    nodes: np.ndarray
    sigma: np.ndarray


def _tried(run: _Run, structure: Structure, differs: Differing, start: _Start) -> Varied | None:
    """The fit of a law; the earlier one where it was tried before."""
    made, places = expanded(structure, differs, len(run.alone))
    key = structure.key, made.key
    if key not in run.fits:
        parameters = np.zeros(made.size)
        for row, own in zip(places, start.coefficients, strict=True):
            parameters[row] = own if row[0] != row[-1] else own.mean()
        parameters[made.coefficients :] = start.exponents
        found = fit(run.problem, made, parameters, start.nodes, start.sigma, bar=run.bar())
        if found is not None and (not run.nonnegative or signs.taking(found, run.nonnegative) is None):
            length = found.length - made.price + structure.price
            found = dataclasses.replace(found, length=length, indicators=len(run.alone))
            run.fits[key] = Varied(structure, differs, found, places)
        else:
            run.fits[key] = None
    return run.fits[key]


def _fit_all(run: _Run, laws: Sequence[Fit]) -> None:
    """Fits laws to all trajectories, with common numbers and with all that differ that may; of exact data the first."""
    seen: set[Key] = {key[0] for key in run.fits}
    for rank, law in enumerate(laws):
        structure = law.structure
        if run.ended() or (rank >= settings.EXACT_LAWS and run.solved()):
            return
        if structure.key in seen or not structure.size:
            continue
        start = _of_each(run, law)
        most = _may_differ(run, structure)
        for differs in dict.fromkeys([most, (False,) * structure.coefficients]):
            _tried(run, structure, differs, start)


def _may_differ(run: _Run, structure: Structure) -> Differing:
    """Which coefficients may: those of the equations, where no exponent of the term is a number to be fitted."""
    parts = zip(structure.numerators, structure.denominators, strict=True)
    return tuple(
        i in run.equations and not any(term.free) for i, terms in enumerate(parts) for part in terms for term in part
    )


def _of_each(run: _Run, law: Fit) -> _Start:
    """Numbers of a law in each trajectory by itself."""
    count, curves = law.structure.coefficients, run.problem.curves[0]
    coefficients, exponents, nodes = [], [], []
    for each, begin in zip(run.alone, np.split(run.problem.nodes(curves), run.problem.firsts[1:]), strict=True):
        own = None
        if _is_enough(each):  # as numbers to begin from they need not be precise
            noise = each.curves[0].noise
            own = fit(each, law.structure, law.parameters, begin, noise, patient=False, bar=-np.inf)
        numbers = law.parameters if own is None else own.parameters
        coefficients.append(numbers[:count])
        exponents.append(numbers[count:])
        nodes.append(begin if own is None else own.nodes)
    noise = np.maximum(curves.noise, settings.SMALLEST_NOISE)
    return _Start(np.stack(coefficients, 1), np.mean(exponents, 0), np.concatenate(nodes), noise)


def _is_enough(alone: Problem) -> bool:
    """Whether a trajectory says something by itself: of all its states."""
    return bool(alone.seen.sum(0).min() >= FEWEST_SMOOTHED)


def _around_best(run: _Run) -> None:
    """The best laws with other coefficients that differ, and the best without each of its terms."""
    _refined_best(run)
    for _ in range(settings.NEIGHBOUR_ROUNDS):
        found = run.found()
        if not found or run.solved():
            return
        _without_terms(run, found[0])
        best = run.found()[0]
        if run.ended() or best is found[0]:
            return
        _refined(run, best)


def _refined_best(run: _Run) -> None:
    """The best laws with other coefficients that differ."""
    for begin in _of_structures(run.found())[: 1 if run.solved() else settings.REFINED]:
        _refined(run, begin)


def _refined(run: _Run, begin: Varied) -> None:
    """One coefficient after another differs or does not, as long as that has better evidence."""
    best, may = begin, _may_differ(run, begin.structure)
    while not run.ended():
        start, others = _start_of(best), []
        for k in (k for k, differs in enumerate(may) if differs):
            if run.ended():
                return
            changed = tuple(not each if i == k else each for i, each in enumerate(best.differs))
            others.append(_tried(run, best.structure, changed, start))
        better = min((each for each in others if each is not None), key=lambda each: each.length, default=best)
        if better.length >= best.length:
            return
        best = better


def _without_terms(run: _Run, best: Varied) -> None:
    """Fits a law without each of its terms."""
    typical = best.fit.parameters[best.places].mean(1)
    start = _start_of(best)
    law = dataclasses.replace(best.fit, structure=best.structure, parameters=np.concatenate([typical, start.exponents]))
    for k in range(best.structure.coefficients):
        if run.ended() or best.structure.coefficients == 1:
            return
        structure, parameters = without(law, k)
        kept = np.delete(start.coefficients, k, 0)
        differs = tuple(each for i, each in enumerate(best.differs) if i != k)
        exponents = parameters[structure.coefficients :]
        _tried(run, structure, differs, start._replace(coefficients=kept, exponents=exponents))


def _start_of(best: Varied) -> _Start:
    found = best.fit
    exponents = found.parameters[found.structure.coefficients :]
    return _Start(found.parameters[best.places], exponents, found.nodes, found.sigma)


def _of_structures(found: Sequence[Varied]) -> list[Varied]:
    """Of every structure the best, of so many as are handed over."""
    seen: set[Key] = set()
    first = [each for each in found if each.structure.key not in seen and not seen.add(each.structure.key)]
    return first[: settings.CANDIDATES]
