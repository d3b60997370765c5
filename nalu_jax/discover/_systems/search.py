"""The search among one library: starts, the climb from each, neighbours of the best.

From a start, a fit and the linear search around it take turns until nothing changes; first among the terms from which
the start was made, then among the whole library. Small libraries come first: with noise, or in chaos, the terms of a
whole library hide each other.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from nalu_jax.discover._systems import linear, settings, signs, weak
from nalu_jax.discover._systems.problem import Curves, Problem
from nalu_jax.discover._systems.rates import priced
from nalu_jax.discover._systems.shooting import Fit, fit
from nalu_jax.discover._systems.structure import Key, Structure
from nalu_jax.discover._systems.terms import Term
from nalu_jax.discover._systems.verdict import is_copy, place_of_weakest, weakest_of
from nalu_jax.discover._systems.weak import Start

Progress = Callable[[str, float], None]


@dataclass(eq=False)
class Search:
    """What was tried so far, and whether to go on.

    Attributes:
        problem: the trajectories.
        stop: asked before every fit.
        report: of the stage and the part of the search that is done.
        time_limit: seconds, or None.
        nonnegative: states that cannot fall below 0: fits that make them are stations of the search, no answers.
        rate_prices: of rates inside of functions that were fitted, by the weights inside.
    """

    problem: Problem
    stop: Callable[[], bool]
    report: Progress
    time_limit: float | None
    nonnegative: tuple[int, ...] = ()
    impossible: set[Key] = field(default_factory=set)
    fits: dict[Key, Fit | None] = field(default_factory=dict)
    patiently: set[Key] = field(default_factory=set)
    rate_prices: dict[tuple[float, ...], float] = field(default_factory=dict)
    proposals: dict[tuple[Fit, tuple[Term, ...]], linear.Proposal] = field(default_factory=dict)
    interrupted: bool = False
    late: bool = False
    begin: float = field(default_factory=time.monotonic)

    def ended(self) -> bool:
        """Whether to stop: Ctrl-C, the time limit."""
        self.interrupted = self.interrupted or self.stop()
        self.late = self.late or (self.time_limit is not None and time.monotonic() - self.begin > self.time_limit)
        return self.interrupted or self.late

    def found(self) -> list[Fit]:
        """All fits, the best first."""
        return sorted(self._possible(), key=lambda each: each.length)

    def best(self) -> Fit | None:
        """The one with the least description length."""
        return min(self._possible(), key=lambda each: each.length, default=None)

    def _possible(self) -> list[Fit]:
        fits = [each for each in self.fits.values() if each is not None]
        return [each for each in fits if each.structure.key not in self.impossible] if self.impossible else fits

    def solved(self) -> bool:
        """Whether the data are explained to the last digit, and by nothing that others are seen through.

        In a series not all terms count, or one equation has many; powers that no simple number fits may be a logarithm.
        """
        best = self.best()
        if best is None or not best.is_exact or best.structure.free:
            return False
        return best.structure.longest <= settings.LONGEST_EQUATION and weakest_of(best) > settings.WEAKEST

    def tried(
        self,
        structure: Structure,
        parameters: np.ndarray,
        nodes: np.ndarray,
        sigma: np.ndarray,
        *,
        patient: bool = True,
        again: bool = False,
    ) -> Fit | None:
        """The fit of a structure; the earlier one where it was tried before with as much patience, unless `again`."""
        structure = priced(structure, self.problem.scale, self.rate_prices)
        key = structure.key
        if not again and key in self.fits and (key in self.patiently or not patient):
            return self.fits[key]
        before = self.fits.get(key)
        best = self.best()
        bar = np.inf if best is None else best.length + settings.HOPELESS
        found = fit(self.problem, structure, parameters, nodes, sigma, patient=patient, bar=bar)
        worse = found is None or (before is not None and before.length < found.length)
        self.fits[key] = before if worse else found
        kept = self.fits[key]
        if self.nonnegative and kept is not None:
            (self.impossible.discard if signs.taking(kept, self.nonnegative) is None else self.impossible.add)(key)
        if patient:
            self.patiently.add(key)
        return self.fits[key]


def climb(
    search: Search,
    structure: Structure,
    parameters: np.ndarray,
    nodes: np.ndarray,
    sigma: np.ndarray,
    libraries: Sequence[Sequence[Term]],
    per_equation: int,
) -> None:
    """From one structure to where no single term more, less or other helps."""
    for terms in libraries:
        visited = set()
        for _ in range(settings.ROUNDS):
            if not structure.size or search.ended():
                return
            current = search.tried(structure, parameters, nodes, sigma)
            visited.add(structure.key)
            if current is None:
                return
            structure, parameters = _proposed(search, tuple(terms), current, per_equation)
            nodes, sigma = current.nodes, current.sigma
            if structure.key in visited:
                break
        best = search.best()
        assert best is not None
        structure, parameters, nodes, sigma = best.structure, best.parameters, best.nodes, best.sigma


def _proposed(search: Search, terms: tuple[Term, ...], current: Fit, per_equation: int) -> linear.Proposal:
    """What the linear search makes of a fit, once: of many equations one after another, of few all together."""
    if (current, terms) not in search.proposals:
        if search.problem.n_states > settings.FEW_STATES and _is_separable(search.problem, current.structure):
            found = linear.equation_by_equation(search.problem, terms, current)
        else:
            found = linear.improved(search.problem, terms, current, per_equation)
        search.proposals[current, terms] = found
    return search.proposals[current, terms]


def _is_separable(problem: Problem, structure: Structure) -> bool:
    """Whether an equation can be searched beside the others: rates are linear in all parameters, and none of them says
    what another does, as routes in a circle do."""
    return problem.routes is None and not structure.is_rational and not structure.free


def pruned(search: Search) -> None:
    """Fits of next to exact data without their weakest terms, one after another, as long as they explain as much.

    A term below the error of data, spline and solver is no term, however many standard errors it seems to be large.
    What is left may have been tried before, and from a worse beginning have led nowhere: in chaos the law itself does.
    """
    for begin in [each for each in search.found() if each.error < settings.PRECISE][: settings.PRUNED]:
        most = settings.PRUNED_ERROR * begin.error
        current: Fit | None = begin
        while current is not None and current.error < most and current.structure.coefficients > 1:
            if search.ended():
                return
            structure, parameters = without(current, place_of_weakest(current))
            current = search.tried(structure, parameters, current.nodes, current.sigma, again=True)


def mended(search: Search) -> None:
    """Fits that take from states what is not there, without the terms that do, as long as they come near the best."""
    begins = [each for key in search.impossible if (each := search.fits[key]) is not None]
    for begin in sorted(begins, key=lambda each: each.length)[: settings.MENDED]:
        current: Fit | None = begin
        while current is not None and current.structure.coefficients > 1 and not search.ended():
            place = signs.taking(current, search.nonnegative)
            if place is None:
                break
            structure, parameters = without(current, place)
            current = search.tried(structure, parameters, current.nodes, current.sigma)


def without(fit: Fit, place: int) -> tuple[Structure, np.ndarray]:
    """A structure without one of its coefficients, and the parameters that are left."""
    parts = []
    for above, below, (begin, bar, _) in zip(
        fit.structure.numerators, fit.structure.denominators, fit.structure.spans, strict=True
    ):
        parts.append((_left_out(above, place - begin), _left_out(below, place - bar)))
    made = Structure(tuple(above for above, _ in parts), tuple(below for _, below in parts))
    exponents = dict(zip(named(fit.structure), fit.parameters[fit.structure.coefficients :], strict=True))
    coefficients = np.delete(fit.parameters[: fit.structure.coefficients], place)
    return made, np.concatenate([coefficients, [exponents[each] for each in named(made)]])


def named(structure: Structure) -> list[tuple[Term, int]]:
    """Term and state of every free exponent."""
    return [(structure.columns.terms[k], j) for k, j in structure.free]


def _left_out(terms: tuple[Term, ...], place: int) -> tuple[Term, ...]:
    return tuple(term for k, term in enumerate(terms) if k != place)


def from_starts(search: Search, terms: Sequence[Term], stage: str, per_equation: int) -> None:
    """Climbs from regressions on all curves, with libraries of low degree first."""
    smaller = [tuple(t for t in terms if t.degree <= degree) for degree in settings.FIRST_DEGREES]
    smaller = [each for each in smaller if len(each) < len(terms)]
    curves = search.problem.curves
    for i, curve in enumerate(curves):
        for j, own in enumerate([*smaller, terms]):
            search.report(stage, (i + j / (1 + len(smaller))) / len(curves))
            _from_curve(search, curve, own, terms, per_equation)
            if search.ended() or search.solved():
                return


def _from_curve(search: Search, curves: Curves, own: Sequence[Term], whole: Sequence[Term], per_equation: int) -> None:
    if search.ended():
        return
    nodes = search.problem.nodes(curves)
    libraries = [own] if own is whole else [own, whole]
    if search.problem.routes is not None:
        for equations in weak.exchanged(search.problem, curves, own, grown=True)[: settings.STARTS]:
            climb(search, *composed(equations), nodes, curves.noise, libraries, per_equation)
            if search.ended() or search.solved():
                return
        return
    begins = weak.starts(search.problem, curves, own)
    chosen = [[0] * len(begins)]
    if own is whole and len(begins) <= settings.FEW_STATES:
        chosen += _alternatives(begins)
    for choice in chosen:
        equations = [begin[k] for begin, k in zip(begins, choice, strict=True)]
        climb(search, *composed(equations), nodes, curves.noise, libraries, per_equation)
        if search.ended() or search.solved():
            return


def _alternatives(begins: Sequence[Sequence[Start]]) -> list[list[int]]:
    """The second start of each equation beside the first of all others, then the third."""
    most = max(len(begin) for begin in begins)
    return [
        [k if other == i else 0 for other in range(len(begins))]
        for k in range(1, most)
        for i, begin in enumerate(begins)
        if len(begin) > k
    ]


def composed(equations: Sequence[Start]) -> tuple[Structure, np.ndarray]:
    """A structure of starts of single equations, and its parameters."""
    structure = Structure(tuple(each.above for each in equations), tuple(each.below for each in equations))
    return structure, np.concatenate([each.coefficients for each in equations])


def around_best(search: Search, terms: Sequence[Term]) -> None:
    """Fits the neighbours of the best, again while one of them is better: these are its rivals too."""
    for i in range(settings.NEIGHBOUR_ROUNDS):
        best = search.best()
        if best is None or search.ended():
            return
        search.report("rivals", i / settings.NEIGHBOUR_ROUNDS)
        _equations_anew(search, terms, best)
        rivals = 0
        for structure, parameters in linear.neighbours(search.problem, terms, best, settings.MOST_NEIGHBOURS):
            if search.ended():
                return
            if not structure.size or rivals == settings.NEIGHBOURS:
                continue
            found = search.tried(structure, parameters, best.nodes, best.sigma)
            rivals += found is None or not is_copy(found, best)
        if search.best() is best:
            return


def _equations_anew(search: Search, terms: Sequence[Term], best: Fit) -> None:
    """Fits the best with one equation searched anew, where there are few: of many the climb has done it."""
    if (
        not _is_separable(search.problem, best.structure)
        or not best.structure.size
        or search.problem.n_states > settings.FEW_STATES
    ):
        return
    for structure, parameters in linear.equations_anew(search.problem, terms, best):
        if structure.size and not search.ended():
            search.tried(structure, parameters, best.nodes, best.sigma)
