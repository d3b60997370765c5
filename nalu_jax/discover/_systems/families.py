"""Leads through the families of laws: polynomials, quotients, functions of states, what saturates, real exponents, and
rates in functions.

A family that the caller does not allow is searched all the same, for rivals: a verdict is relative to all of them.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from nalu_jax.discover._engine.candidate import SATURATING
from nalu_jax.discover._systems import bars, exchanges, inner, library, powers, rational, saturating, settings, weak
from nalu_jax.discover._systems.problem import Curves, Problem
from nalu_jax.discover._systems.search import (
    Progress,
    Search,
    around_best,
    climb,
    composed,
    from_starts,
    mended,
    pruned,
)
from nalu_jax.discover._systems.shooting import Fit, fit
from nalu_jax.discover._systems.structure import Key, Structure
from nalu_jax.discover._systems.terms import ELEMENTARY, Term
from nalu_jax.discover._systems.verdict import NONE, Verdict, cut_short, is_copy, judge, weakest_of
from nalu_jax.discover._systems.weak import Start


class Searched(NamedTuple):
    """Fits that were found, the best first, the verdict on the first, whether the time limit ended the search, and fits
    that are not allowed, the best first."""

    found: list[Fit]
    verdict: Verdict
    late: bool
    barred: list[Fit]


def search(
    problem: Problem,
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
        problem: the trajectories.
        functions: names of those that may be in the answer.
        nested: whether quotients may be the answer.
        nonnegative: places of states that cannot fall below 0.
        time_limit: seconds, or None.
        stop: whether to end it.
        report: of the stage and the part of the search that is done.
    """
    run = Search(problem, stop, report, time_limit, nonnegative)
    still(run)
    families = (
        small_products, polynomials, quotients, functions_of_states, saturations, real_exponents, rates_inside
    )  # fmt: skip
    for family in families:
        if run.ended() or run.solved():
            break
        family(run)
        pruned(run)
        mended(run)
    if run.solved() and run.found()[0].structure.is_rational:
        apart(run)
    if run.solved() and is_series(run.found()[0].structure):
        functions_of_states(run)
    allowed = lambda each: is_allowed(each.structure, functions, nested)
    different = distinct([each for each in run.found() if has_exponents(each)])
    found = candidates(without_copies([each for each in different if allowed(each)]))
    barred = [each for each in different if not allowed(each) and not (found and is_copy(each, found[0]))]
    verdict = Verdict(NONE, "nothing was fitted", ())
    if found:
        verdict = judge(problem, found, barred, weakest=weakest_of(found[0], inner.beside_rates(problem, found[0])))
    if (run.late or run.interrupted) and not run.solved():
        verdict = cut_short(verdict)
    return Searched(found, verdict, run.late, barred)


def still(run: Search) -> None:
    """The fit of states that stay as they are: what there is where nothing else can be fitted."""
    curves = run.problem.curves[0]
    count = run.problem.n_equations
    empty = Structure(((),) * count, ((),) * count)
    if not run.ended():
        run.fits[empty.key] = fit(run.problem, empty, np.zeros(0), run.problem.nodes(curves), curves.noise)


def small_products(run: Search) -> None:
    """Few products of simple powers, and of those real exponents: cheap, and before many terms can imitate them."""
    terms = _products(run.problem)
    begins = small_systems(run, terms, "products")
    _again(run, begins)
    most = settings.FREED_TERMS * run.problem.n_states if _has_real_exponents(run.problem) else 0
    sizes = sorted({each.structure.size for each in begins if each.structure.size <= most})
    for size in sizes:
        best = next(each for each in begins if each.structure.size == size)
        if run.solved() or run.ended():
            break
        powers.free_and_round(run, best, run.problem.signed)
    if run.solved():
        around_best(run, terms)


def _again(run: Search, begins: Sequence[Fit]) -> None:
    """Fits the best of small systems with patience."""
    for begin in begins[: settings.GROWN]:
        if not run.ended():
            run.tried(begin.structure, begin.parameters, begin.nodes, begin.sigma)


def polynomials(run: Search) -> None:
    """Sums of products of whole powers."""
    count = run.problem.n_variables
    terms = library.polynomials(count, library.degree_of(count))
    from_starts(run, terms, "products", settings.TERMS_PER_EQUATION.get(count, settings.TERMS_OF_MANY))
    around_best(run, terms)


def real_exponents(run: Search) -> None:
    """Products with real exponents that grow from the best of all."""
    terms = _products(run.problem)
    if all(term.whole for term in terms):
        return
    grown(run, [], terms)
    for begin in run.found()[: settings.FREED_AGAIN]:
        if begin.structure.size and not (run.problem.routes is not None and begin.structure.is_rational):
            powers.free_and_round(run, begin, run.problem.signed)


def _products(problem: Problem) -> tuple[Term, ...]:
    """Polynomials of low degree, and products with real exponents where there are not too many states."""
    count = problem.n_variables
    simple = library.polynomials(count, settings.DEGREE_BESIDE_REAL if count <= 3 else 2)
    if not _has_real_exponents(problem):
        return simple
    return simple + library.real_products(problem.signed, [low > settings.AWAY_FROM_ZERO for low in problem.lowest])


def _has_real_exponents(problem: Problem) -> bool:
    """Whether they are searched: some variable has no negative values, and there are not too many."""
    return not all(problem.signed) and problem.n_variables <= settings.MOST_REAL_STATES


def quotients(run: Search) -> None:
    """Quotients of sums of products."""
    problem = run.problem
    if problem.n_variables > settings.SATURATING_STATES:
        return
    for curves in problem.curves[: settings.QUOTIENT_CURVES]:
        if run.ended():
            return
        begins = _quotients_of(run, curves)
        if run.ended():
            return
        if problem.n_equations > 1:
            _exchanged(run, begins)
        tried = _single(begins) if problem.n_equations == 1 else _combined(run, begins)
        for i, equations in enumerate(tried):
            run.report("quotients", i / settings.COMBINATIONS)
            if run.ended() or run.solved():
                break
            structure, parameters = composed(equations)
            run.tried(structure, parameters, problem.nodes(curves), curves.noise, patient=False)
    best = run.best()
    if best is not None:
        around_best(run, _over_bars(best))


def _quotients_of(run: Search, curves: Curves) -> list[list[list[Start]]]:
    """Starts of every equation; of what one state hands to others by the changes of each of these."""
    targets, places = None, [[i] for i in range(run.problem.n_states)]
    if run.problem.routes is not None:
        targets, places = exchanges.targets(run.problem.routes)
    windows = weak.Windows(run.problem, curves, targets)
    found = []
    for own in places:
        if run.ended():
            break
        found.append([of_size for target in own for of_size in rational.starts(windows, target)])
    return found


def _over_bars(fit: Fit) -> tuple[Term, ...]:
    """Simple products, and where there is a power below a bar these times that: what does not saturate."""
    count = fit.structure.n_variables
    above, _ = settings.QUOTIENT_DEGREES.get(count, (2, 2))
    found = list(library.polynomials(count, above))
    bars = {below[0] for below in fit.structure.denominators if len(below) == 1}
    for bar in sorted((bar for bar in bars if bar.whole), key=lambda bar: bar.powers):
        found += [library.product(term, bar) for term in rational.simple(count)]
    return tuple(dict.fromkeys(found))


def _single(begins: Sequence[Sequence[Sequence[Start]]]) -> list[list[Start]]:
    """Of one equation all starts, the smallest first."""
    return [[start] for of_size in begins[0] for start in of_size]


def _exchanged(run: Search, begins: Sequence[Sequence[Sequence[Start]]]) -> None:
    """One equation of the best so far after another is exchanged for quotients, and the best of these grow."""
    for i, of_sizes in enumerate(begins):
        best = _best_of_numbers(run)
        equations = _equations(best)
        fitted = []
        for start in _ranked(of_sizes)[: settings.QUOTIENTS_EXCHANGED]:
            if run.ended() or run.solved():
                return
            structure, parameters = composed([*equations[:i], start, *equations[i + 1 :]])
            found = run.tried(structure, parameters, best.nodes, best.sigma, patient=False)
            fitted += [] if found is None else [found]
        if fitted and not run.solved():
            begin = min(fitted, key=lambda each: each.length)
            terms = _over_bars(begin)
            climb(run, begin.structure, begin.parameters, begin.nodes, begin.sigma, [terms], settings.TERMS_OF_OTHERS)


def _best_of_numbers(run: Search) -> Fit:
    """The best whose exponents are all numbers."""
    return next(each for each in run.found() if not each.structure.free)


def _equations(fit: Fit) -> list[Start]:
    """A fit as a start of each equation."""
    structure, parameters = fit.structure, fit.parameters
    parts = zip(structure.numerators, structure.denominators, structure.spans, strict=True)
    return [Start(0.0, above, below, parameters[begin:end]) for above, below, (begin, _, end) in parts]


def _ranked(of_sizes: Sequence[Sequence[Start]]) -> list[Start]:
    """Starts of one equation, the likeliest first."""
    return sorted((start for of_size in of_sizes for start in of_size), key=lambda start: start.cost)


def _combined(run: Search, begins: Sequence[Sequence[Sequence[Start]]]) -> list[list[Start]]:
    """Of several equations the best starts, beside the equations of the best so far, in the order of their ranks."""
    if len(begins) > settings.MOST_COMBINED:
        return []
    kept = settings.QUOTIENTS_COMBINED.get(len(begins), 2)
    owns = _equations(_best_of_numbers(run))
    each = [[own, *_ranked(of_sizes)[:kept]] for own, of_sizes in zip(owns, begins, strict=True)]
    ranks = sorted(itertools.product(*(range(len(starts)) for starts in each)), key=lambda rank: (sum(rank), rank))
    chosen = ranks[1 : settings.COMBINATIONS + 1]
    return [[starts[k] for starts, k in zip(each, rank, strict=True)] for rank in chosen]


def saturations(run: Search) -> None:
    """Sums in which single products saturate: fewer numbers than over one bar, where others do not."""
    problem = run.problem
    if problem.n_variables > settings.MOST_RATED_STATES or problem.routes is not None:
        return
    apart(run)
    if run.solved() or run.ended():
        return
    best = run.best()
    precise = best is not None and best.error < settings.PRECISE  # then nats say nothing of a start
    for curves in problem.curves[: settings.QUOTIENT_CURVES]:
        windows = weak.Windows(problem, curves)
        begins: list[list[Start]] = []
        for i in range(problem.n_states):
            if run.ended():
                return
            run.report("what saturates", i / problem.n_states)
            begins.append(saturating.starts(windows, i)[: settings.SATURATIONS_TRIED])
        _with_rates(run, begins, "what saturates", behind=np.inf if precise else settings.SATURATIONS_BEHIND)
        if run.solved():
            return


def apart(run: Search) -> None:
    """The best quotients as sums beside what saturates, where these have no more numbers."""
    if run.problem.routes is not None:
        return
    for begin in [each for each in run.found() if each.structure.is_rational][: settings.UNFOLDED]:
        made = bars.taken_apart(begin.structure, begin.parameters)
        if made is None or run.ended():
            continue
        found = run.tried(*made, begin.nodes, begin.sigma)
        if found is not None:
            inner.fitted(run, found)


def functions_of_states(run: Search) -> None:
    """Elementary functions of states, beside polynomials of low degree."""
    count = run.problem.n_variables
    if count > settings.MOST_FUNCTION_STATES:
        return
    measured = run.problem.variables(run.problem.nodes(run.problem.curves[0]))
    terms = library.polynomials(count, settings.DEGREE_BESIDE_FUNCTIONS[count])
    terms += library.functions(measured, run.problem.scale, ELEMENTARY, run.problem.kinds)
    grown(run, small_systems(run, terms, "functions"), terms)


def rates_inside(run: Search) -> None:
    """Functions of states with rates inside, in one equation after another of the best so far, and in all of them."""
    problem = run.problem
    if problem.n_variables > settings.MOST_RATED_STATES or problem.routes is not None:
        return
    _with_rates(run, inner.starts(problem, run.ended), "rates inside of functions")


def _with_rates(run: Search, begins: Sequence[Sequence[Start]], stage: str, *, behind: float = np.inf) -> None:
    """Starts that have functions with rates inside, in one equation of the best so far after another and in all, and
    what grows from the best.

    Those that are more nats `behind` the best are left as they are.
    """
    before, found = _best_of_numbers(run), list[Fit]()
    for i, own in enumerate(begins):
        others, tried = _equations(_best_of_numbers(run)), list[Fit]()
        for k, start in enumerate(own):
            if run.ended() or run.solved():
                return
            run.report(stage, (i + k / len(own)) / len(begins))
            tried += _first(run, [*others[:i], start, *others[i + 1 :]])
        found += _rates_fitted(run, tried, behind)
    if len(begins) > 1 and all(begins) and not run.ended():
        found += _rates_fitted(run, _first(run, [own[0] for own in begins]), behind)
    if run.solved():
        return
    most = before.length + behind
    near = sorted((each for each in found if each.length < most), key=lambda each: each.length)
    for each in near[: settings.GROWN]:
        count = run.problem.n_variables
        beside = library.polynomials(count, settings.DEGREE_BESIDE_FUNCTIONS[count])
        functions = (*inner.terms_with_rates(run.problem, each.structure), *_saturating_alike(each.structure))
        grown(run, [each], (*beside, *dict.fromkeys(functions)))
    leading = run.best()
    if leading is not None and inner.terms_with_rates(run.problem, leading.structure) and not run.ended():
        inner.shortened(run, leading)


def _first(run: Search, equations: Sequence[Start]) -> list[Fit]:
    curves = run.problem.curves[0]
    found = run.tried(*composed(equations), run.problem.nodes(curves), curves.noise, patient=False)
    return [] if found is None else [found]


def _rates_fitted(run: Search, begins: Sequence[Fit], behind: float) -> list[Fit]:
    """The best of these with their rates fitted too, until all is explained."""
    found = list[Fit]()
    for begin in sorted(begins, key=lambda each: each.length)[: settings.INNER_STARTS]:
        best = run.best()
        if run.ended() or run.solved() or (best is not None and begin.length > best.length + behind):
            break
        made = inner.fitted(run, begin)
        found += [] if made is None else [made]
    return found


def _saturating_alike(structure: Structure) -> list[Term]:
    """What may saturate as terms of a structure do."""
    functions = dict.fromkeys(each for term in structure.columns.terms if term.saturates for each in term.functions)
    found: list[Term] = []
    for function in functions:
        state = next(j for j, weight in enumerate(function.weights) if weight)
        bar = state, SATURATING[function.name]
        found += library.saturating([function], saturating.products(structure.n_variables, bar))
    return found


def small_systems(run: Search, terms: Sequence[Term], stage: str) -> list[Fit]:
    """Systems of few terms, the smallest first, until one explains the data to the last digit; the best first.

    Where the data are exact, many terms of any family explain what few of the right one do.
    """
    found: dict[Key, Fit] = {}
    for curves in run.problem.curves[: settings.SMALL_CURVES]:
        if run.ended():
            break
        chosen = sorted(_likeliest(run.problem, curves, terms)[: settings.SMALL_SYSTEMS], key=_terms)
        for i, choice in enumerate(chosen):
            best = run.best()
            larger = best is not None and best.is_exact and _terms(choice) > best.structure.size
            if run.ended() or larger:
                break
            run.report(stage, i / len(chosen))
            structure, parameters = composed(choice)
            nodes = run.problem.nodes(curves)
            fitted = run.tried(structure, parameters, nodes, curves.noise, patient=False)
            if fitted is not None:
                found[structure.key] = fitted
    return sorted(found.values(), key=lambda each: each.length)


def _likeliest(problem: Problem, curves: Curves, terms: Sequence[Term]) -> list[Sequence[Start]]:
    """Systems of few terms by their regressions, the likeliest first."""
    if problem.routes is not None:
        return list(weak.exchanged(problem, curves, terms, grown=False))
    equations = weak.small(problem, curves, terms)
    if len(equations) > settings.FEW_STATES:
        equations = [sorted(starts, key=lambda start: start.cost)[:1] for starts in equations]
    return sorted(itertools.product(*equations), key=lambda choice: sum(start.cost for start in choice))


def _terms(equations: Sequence[Start]) -> int:
    """How many terms they have in all."""
    return sum(len(start.above) for start in equations)


def grown(run: Search, begins: Sequence[Fit], terms: Sequence[Term]) -> None:
    """Climbs from the best of all and from the best of these, and looks around the best."""
    best = run.best()
    assert best is not None
    for begin in (best, *begins[: settings.GROWN]):
        if run.ended() or run.solved():
            break
        if begin.structure.size and not begin.structure.free:
            climb(run, begin.structure, begin.parameters, begin.nodes, begin.sigma, [terms], settings.TERMS_OF_OTHERS)
    around_best(run, terms)


def is_series(structure: Structure) -> bool:
    """Whether an equation has three powers of one variable beside the same others, above and below its bar together: a
    sine is so near to such sums and quotients that they explain exact data to all digits but the last.

    >>> from nalu_jax.discover._systems.structure import plain
    >>> sine, lorenz = [(0, 1), (0, 3), (0, 5)], [(1, 0), (0, 1), (1, 1)]
    >>> [is_series(plain([tuple(Term(powers) for powers in terms)] * 2)) for terms in (sine, lorenz)]
    [True, False]
    """
    both = [(*above, *below) for above, below in zip(structure.numerators, structure.denominators, strict=True)]
    for terms, j in itertools.product(both, range(structure.n_variables)):
        others = [(term.powers[:j], term.powers[j + 1 :], term.functions) for term in terms]
        if any(others.count(each) >= settings.SERIES_TERMS for each in others):
            return True
    return False


def is_allowed(structure: Structure, functions: Sequence[str], nested: bool) -> bool:
    """Whether a structure may be the answer."""
    saturates = any(term.saturates for term in structure.columns.terms)
    if (structure.is_rational or saturates) and not nested:
        return False
    named = (function.name for term in structure.columns.terms for function in term.functions)
    return all(name in functions or name in SATURATING for name in named)


def has_exponents(fit: Fit) -> bool:
    """Whether fitted exponents are of a size that a law has."""
    exponents = fit.parameters[fit.structure.coefficients :]
    return bool((np.abs(exponents) <= settings.LARGEST_EXPONENT).all())


def distinct(found: Sequence[Fit]) -> list[Fit]:
    """Of fits that have become one law, as their free exponents have moved, the first."""
    seen: set[Key] = set()
    return [each for each in found if each.law not in seen and not seen.add(each.law)]


def without_copies(found: Sequence[Fit]) -> list[Fit]:
    """Of fits in order those that are not the first with more names."""
    return [each for each in found if not is_copy(each, found[0])]


def candidates(found: list[Fit]) -> list[Fit]:
    """The likeliest fits, and of every number of parameters those that leave least."""
    kept = set(map(id, found[: settings.CANDIDATES]))
    for size in {each.structure.size for each in found}:
        kept.add(id(min((each for each in found if each.structure.size == size), key=lambda each: each.error)))
    return [each for each in found if id(each) in kept]
