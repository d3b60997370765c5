"""Constants in known rates, fitted together with the numbers of the law that is beside them.

The search takes them for known. First ones come from fits with a few terms beside them (`_system_begins`); then a
search of the rest and a fit of the constants with the numbers of what was found take turns. As the rest may only have
made up for wrong constants, laws without single terms are fitted too. In the end the constants are fitted with every
candidate that may come near the best: the verdict compares laws that each had their own. Candidates far behind, and all
that the time limit leaves no time for, keep those with which they were found.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import _known
from ._engine.verdict import NONE, RECOVERED
from ._known_rates import KnownRates
from ._system_begins import Begin
from ._system_begins import begins as first
from ._system_known import Text, by_constants, of_text
from ._system_written import Constants
from ._systems import families, settings, shooting, signs
from ._systems.flow import integrated_rates
from ._systems.problem import Problem
from ._systems.search import Progress, composed, without
from ._systems.shooting import Fit
from ._systems.verdict import Verdict, covariance, cut_short, judge, weakest_of

SAME_START = 1e-3
"""Relative difference up to which two first constants are one: a search leads to the same from both."""

SEARCHED = 2
"""First constants from which a search begins, the second where the first recovers nothing: each is a whole search."""

DROPPED = 3
"""Terms that are left out one after another of those of a law: the ones that constants replace best, by a linear
estimate, which ranks well and is off where constants move far."""

STEPS = 20
"""Gauss-Newton steps of constants together with a law; most end after three to six."""

SETTLED = 1e-3
"""Nats that a step promises, below which the fit ends: a number that is off by a 20th of its error costs that much."""

SHARE = 0.5
"""Of the time that is left, that a search may take which is not the last: what comes after it may need as much."""


class Joint(NamedTuple):
    """A law, the trajectories with known rates at its constants, and these."""

    fit: Fit
    problem: Problem
    constants: Constants

    @property
    def both(self) -> np.ndarray:
        """(I n, p + k) whitened derivatives by the numbers of the law and the constants."""
        return np.concatenate([self.fit.matrix, self.constants.matrix], 1)


Search = Callable[..., families.Searched]
"""`families.search` with the options of the caller: of a problem, time_limit=, report=."""


class Searched(NamedTuple):
    """Laws with their constants, the best first, the verdict on the first, and whether the time limit ended it."""

    found: list[Joint]
    verdict: Verdict
    late: bool


class Clock(NamedTuple):
    """The time limit of all searches together, in seconds or None, and whether the user ended them."""

    begin: float
    time_limit: float | None
    stop: Callable[[], bool]

    def left(self) -> float | None:
        return None if self.time_limit is None else max(self.time_limit - (time.monotonic() - self.begin), 0.0)

    def late(self) -> bool:
        return self.left() == 0.0

    def ended(self) -> bool:
        return self.stop() or self.late()


def search(
    problem: Problem,
    text: Text,
    inner: Search,
    *,
    check: Callable[[np.ndarray], None] | None = None,
    nonnegative: tuple[int, ...],
    time_limit: float | None,
    stop: Callable[[], bool],
    report: Progress,
) -> Searched:
    """Laws beside known rates; the first that is recovered ends it.

    Args:
        problem: the trajectories.
        text: what is known.
        inner: searches beside known rates whose constants have values.
        check: is told the first constants (k,), and raises where known rates have no value with them.
        nonnegative: places of states that cannot fall below 0.
        time_limit, stop, report: as `families.search` has them, of all searches together.
    """
    clock = Clock(time.monotonic(), time_limit, stop)
    report("constants", 0.0)
    begins = first(problem, text, clock.ended)
    if check is not None:
        check(begins[0].constants)
    best: Searched | None = None
    rivals = _fitted_begins(problem, text, begins, clock)
    for joint in _different(rivals):
        begin = _reduced(joint, nonnegative, clock)
        found = _from(begin, rivals, inner, nonnegative, clock, report)
        if best is None or _length(found) < _length(best):
            best = found
        if best.verdict.verdict == RECOVERED or clock.ended():
            break
    return best or Searched([], Verdict(NONE, "nothing was fitted", ()), clock.late())


def _length(searched: Searched) -> float:
    return min((joint.fit.length for joint in searched.found), default=np.inf)


def _fitted_begins(problem: Problem, text: Text, begins: Sequence[Begin], clock: Clock) -> list[Joint]:
    """Laws of a few terms with their constants, the best first: beginnings of searches, and rivals of what is found."""
    found: list[Joint] = []
    for constants, starts in begins:
        at, curves = _at(problem, text, constants), problem.curves[0]
        fit = None if clock.ended() else shooting.fit(at, *composed(starts), problem.nodes(curves), curves.noise)
        if fit is not None and np.isfinite(fit.length):
            found.append(_jointly(problem, text, constants, fit, clock))
        if found and found[-1].fit.is_exact:
            break  # the fewest terms come first
    if found:
        return sorted(found, key=lambda each: each.fit.length)
    empty = composed([begin._replace(above=(), coefficients=np.zeros(0)) for begin in begins[0].starts])
    still = shooting.fit(
        _at(problem, text, begins[0].constants), *empty, problem.nodes(problem.curves[0]), problem.curves[0].noise
    )
    return [] if still is None else [_joint(problem, text, begins[0].constants, still)]


def _different(joints: Sequence[Joint]) -> list[Joint]:
    """The first with constants of their own, from which is searched."""
    different: list[Joint] = []
    for joint in joints:
        own = joint.constants.values
        if not any(np.allclose(own, each.constants.values, rtol=SAME_START, atol=0) for each in different):
            different.append(joint)
    return different[:SEARCHED]


def _from(
    begin: Joint,
    rivals: Sequence[Joint],
    inner: Search,
    nonnegative: tuple[int, ...],
    clock: Clock,
    report: Progress,
) -> Searched:
    """Search and fit in turn, until the search finds the law that it was given the constants of."""
    problem, (text, constants, _) = begin.problem, begin.constants
    before, rounds = begin, 0
    while True:
        rounds += 1
        left, last = clock.left(), rounds == _known.ROUNDS
        share = 1.0 if last else SHARE
        searched = inner(
            _at(problem, text, constants), time_limit=None if left is None else share * left, report=report
        )
        if not searched.found and not before.fit.structure.size:
            return Searched([], searched.verdict, searched.late)
        if not searched.found:
            return _judged(constants, searched, before, rivals, nonnegative, clock)
        found = _reduced(_jointly(problem, text, constants, searched.found[0], clock), nonnegative, clock)
        if last or searched.found[0].law == before.fit.law or clock.ended():
            return _judged(constants, searched, found, rivals, nonnegative, clock)
        before, constants = found, found.constants.values


def _at(problem: Problem, text: Text, constants: np.ndarray) -> Problem:
    return dataclasses.replace(problem, known=of_text(text, problem.scale, constants))


def _joint(problem: Problem, text: Text, constants: np.ndarray, fit: Fit) -> Joint:
    """A fit beside known rates of these constants, with its derivatives by them."""
    slopes = by_constants(text, problem.scale, fit.flow.times, fit.flow.path, constants)
    factor = shooting.covariance_factor(problem, fit.flow.propagators, problem.deviations(fit.sigma))
    matrix = shooting.whitened(factor, integrated_rates(problem, fit.flow, slopes))
    return Joint(fit, _at(problem, text, constants), Constants(text, constants, matrix))


def _jointly(problem: Problem, text: Text, constants: np.ndarray, fit: Fit, clock: Clock) -> Joint:
    """A law and the constants at which they leave least together."""
    current = _joint(problem, text, constants, fit)
    for _ in range(STEPS):
        change = shooting.least_squares(current.both, current.fit.target - current.fit.matrix @ current.fit.parameters)
        if clock.ended() or _gain(current, change) < SETTLED:
            break
        after = _stepped(current, change)
        if after is None:
            break
        current = after
    return current


def _gain(joint: Joint, change: np.ndarray) -> float:
    """Nats that a step promises; noise is at least its floor, which measurements may be weighed below."""
    ratios = (joint.fit.sigma**2 / joint.fit.variance)[None, :]
    moved = (joint.both @ change).reshape(-1, ratios.shape[1])
    return float(0.5 * np.sum(moved**2 * ratios))


def _stepped(joint: Joint, change: np.ndarray) -> Joint | None:
    """After the first of ever smaller parts of a Gauss-Newton step that leaves less; None where none does."""
    fit, (text, constants, _) = joint.fit, joint.constants
    of_law, of_constants = change[: fit.structure.size], change[fit.structure.size :]
    for size in settings.STEP_SIZES:
        moved = constants + size * of_constants
        problem = _at(joint.problem, text, moved)
        found = shooting.fit(problem, fit.structure, fit.parameters + size * of_law, fit.nodes, fit.sigma)
        if found is not None and np.isfinite(found.length):
            there = _joint(problem, text, moved, found)
            if _left(there) < _left(joint):
                return there
    return None


def _left(joint: Joint) -> float:
    """Nats of what is left of the measurements."""
    return float(0.5 * np.sum(joint.problem.degrees * np.log(joint.fit.variance)))


def _reduced(joint: Joint, nonnegative: tuple[int, ...], clock: Clock) -> Joint:
    """The law, or the best that is left of it without terms that only make up for wrong constants."""
    while not clock.ended():
        shorter = [_without(joint, place, clock) for place in _replaceable(joint)[:DROPPED]]
        possible = [each for each in shorter if each is not None and signs.taking(each.fit, nonnegative) is None]
        best = min(possible, key=lambda each: each.fit.length, default=joint)
        if best.fit.length >= joint.fit.length:
            break
        joint = best
    return joint


def _replaceable(joint: Joint) -> list[int]:
    """Places of the coefficients in rates of which a part with constants is known; those that the other numbers and the
    constants replace best come first."""
    parts, both = joint.constants.text.parts, joint.both / (np.sqrt(np.sum(joint.both**2, 0)) + 1e-300)
    target = joint.fit.matrix @ joint.fit.parameters
    spans = zip(parts, joint.fit.structure.spans, strict=True)
    places = [place for part, (begin, _, end) in spans if part and part.constants for place in range(begin, end)]

    def lost(place: int) -> float:
        others = np.delete(both, place, 1)
        return float(np.sum((target - others @ np.linalg.lstsq(others, target, rcond=1e-11)[0]) ** 2))

    return sorted(places, key=lost)


def _without(joint: Joint, place: int, clock: Clock) -> Joint | None:
    """The law without one of its coefficients."""
    fit, (text, constants, _) = joint.fit, joint.constants
    structure, parameters = without(fit, place)
    found = shooting.fit(joint.problem, structure, parameters, fit.nodes, fit.sigma)
    return None if found is None else _jointly(joint.problem, text, constants, found, clock)


def _judged(
    constants: np.ndarray,
    searched: families.Searched,
    best: Joint,
    rivals: Sequence[Joint],
    nonnegative: tuple[int, ...],
    clock: Clock,
) -> Searched:
    """The verdict on all that the last search found beside these constants, each with its own; those of the caller's
    bars, too. A search beside one set of constants does not see laws with others: rivals are what begins led to."""
    problem, text = best.problem, best.constants.text
    near = best.fit.length + settings.HOPELESS
    fitted = lambda fits: [
        _jointly(problem, text, constants, each, clock)
        if each.length < near
        else _joint(_at(problem, text, constants), text, constants, each)
        for each in fits
    ]
    others = [each for each in (*fitted(searched.found), *rivals) if each.fit.law != best.fit.law]
    every = sorted([best, *others], key=lambda joint: joint.fit.length)
    possible = [each for each in every if signs.taking(each.fit, nonnegative) is None and each.fit.length < np.inf]
    possible = [each for each in possible if families.has_exponents(each.fit)] or [best]
    joints = [each for each in possible if each is possible[0] or not _is_redundant(each)]
    joints = [joint._replace(fit=_with_fewer_degrees(joint)) for joint in joints]
    own = {id(joint.fit): joint for joint in joints}
    joints = [own[id(fit)] for fit in families.without_copies(families.distinct([joint.fit for joint in joints]))]
    barred = sorted((each.fit for each in fitted(searched.barred)), key=lambda fit: fit.length)
    verdict = judge(problem, [joint.fit for joint in joints], barred, weakest=weakest_of(joints[0].fit, joints[0].both))
    late = searched.late or clock.late()
    if (late or clock.stop()) and not joints[0].fit.is_exact:
        verdict = cut_short(verdict)
    return Searched(joints, verdict, late)


def _is_redundant(joint: Joint) -> bool:
    """Whether a law has among its own terms what a change of the constants is, so that another says the same."""
    matrices = joint.fit.matrix, joint.constants.matrix, joint.both
    lost = [np.isinf(np.diag(covariance(joint.fit, each))).any() for each in matrices]
    return bool(lost[2] and not lost[0] and not lost[1])


def _with_fewer_degrees(joint: Joint) -> Fit:
    """The fit, of whose residuals the constants have taken a part too."""
    fit, problem = joint.fit, joint.problem
    numbers = np.array([fit.structure.size, fit.structure.size + len(joint.constants.values)])
    before, after = (np.maximum(problem.degrees - each / problem.n_states, 1.0) for each in numbers)
    floor = settings.FLOOR**2
    return dataclasses.replace(fit, variance=(fit.variance - floor) * before / after + floor)


def notes(known: Any) -> tuple[str, ...]:
    """Which of the constants of the best law the data do not tell."""
    if not isinstance(known, KnownRates):
        return ()
    lost = [name for name, number in known.constants if not number.error < abs(number.estimate)]
    if not lost:
        return ()
    what = "is no number that these data tell" if len(lost) == 1 else "are no numbers that these data tell"
    return (f"{', '.join(lost)} in what is known {what}: each may as well be 0 or something else",)
