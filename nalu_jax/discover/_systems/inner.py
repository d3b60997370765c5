"""Rates inside of functions of states, such as k in sin(k y): from a grid, then fitted with the numbers of a law.

A sine and a cosine of one rate are a sine with a phase. The fit of a structure (`shooting`) holds what is inside of its
functions; steps of the logarithms of the rates and of all numbers together come from the derivatives that it leaves.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from nalu_jax.discover._engine import settings as tables
from nalu_jax.discover._engine.candidate import SATURATING
from nalu_jax.discover._engine.rounding import simple_number
from nalu_jax.discover._systems import library, settings, shooting, weak
from nalu_jax.discover._systems.flow import integrated_rates
from nalu_jax.discover._systems.problem import Problem
from nalu_jax.discover._systems.rates import FAMILIES, has_rate, place, priced, rate, simple
from nalu_jax.discover._systems.search import Search, without
from nalu_jax.discover._systems.shooting import Fit
from nalu_jax.discover._systems.structure import Structure
from nalu_jax.discover._systems.terms import Function, Term
from nalu_jax.discover._systems.weak import Start


def starts(problem: Problem, ended: Callable[[], bool]) -> list[list[Start]]:
    """Of every equation the best small sums that have a function with some rate inside, beside products of states; of
    those that were tried before the search has ended."""
    windows = weak.Windows(problem, problem.curves[0])
    found: list[list[Start]] = [[] for _ in range(problem.n_states)]
    for terms in _libraries(problem):
        if ended():
            break
        for own, begins in zip(found, weak.small_in(windows, terms), strict=True):
            with_function = [start for start in begins if any(term.functions for term in start.above)]
            own += sorted(with_function, key=lambda start: start.cost)[:1]
    return [sorted(own, key=lambda start: start.cost)[: settings.INNER_STARTS] for own in found]


def _libraries(problem: Problem) -> Iterator[tuple[Term, ...]]:
    """Products of states, and functions of one state with one rate, alone and times a state."""
    count = problem.n_variables
    plain = library.polynomials(count, settings.DEGREE_BESIDE_RATES)
    pure = (True,) * count if problem.kinds is None else problem.kinds.pure
    for j, (names, sizes) in itertools.product(np.flatnonzero(pure).tolist(), FAMILIES.items()):
        signs = (1.0, -1.0) if names == ("exp",) else (1.0,)
        for size, sign in itertools.product(sizes, signs):
            weights = tuple(sign * size * float(i == j) for i in range(count))
            yield (*plain, *library.with_rate([Function(name, weights) for name in names], count))


def shortened(run: Search, begin: Fit) -> None:
    """Fits of a law, and of it without single terms, each with its rates fitted again: some only made up for wrong
    rates."""
    current: Fit | None = fitted(run, begin)
    while current is not None and current.structure.coefficients > 1:
        shorter = [without(current, place) for place in range(current.structure.coefficients)]
        fits = [run.tried(*each, current.nodes, current.sigma) for each in shorter if not run.ended()]
        again = [fitted(run, each) for each in fits if each is not None]
        best = min((each for each in again if each is not None), key=lambda each: each.length, default=None)
        current = best if best is not None and best.length < current.length else None


def tunable(problem: Problem, structure: Structure) -> list[Function]:
    """Functions with a rate inside that is no simple number, each once."""
    return [each for each in _with_rates(problem, structure) if simple(rate(each, problem.scale)) is None]


def _with_rates(problem: Problem, structure: Structure) -> list[Function]:
    """Functions with a rate inside, each once."""
    every = (function for term in structure.columns.terms for function in term.functions)
    return [each for each in dict.fromkeys(every) if has_rate(each, problem.scale)]


def fitted(run: Search, begin: Fit) -> Fit | None:
    """A fit with the rates inside of its functions fitted too, one for those that seem to have the same, and simple
    numbers where they seem to be such.

    None where a function has so little inside that it is nothing but its first powers, or nothing fits.
    """
    problem, current = run.problem, _settled(run, begin)
    if any(_is_little(problem, each) for each in _with_rates(problem, current.structure)):
        return None
    current = _shared(run, current)
    for own in _arguments(problem, current):
        rounded = None if run.ended() else _rounded(problem, current, own)
        if rounded is not None and _length(problem, rounded) < _length(problem, current):
            current = rounded
    own = _arguments(problem, current)
    measured = _occam(problem, current) / max(len(own), 1)
    run.rate_prices.update({each[0].weights: measured for each in own})
    return run.tried(current.structure, current.parameters, current.nodes, current.sigma)


def _is_little(problem: Problem, function: Function) -> bool:
    """Whether so little is inside of a function that it is nothing but its first powers."""
    j, weight = place(function)
    if function.name not in SATURATING:
        return abs(weight) < settings.LEAST_RATE
    largest = float(np.abs(problem.variables(problem.ys)[:, j]).max())
    return bool((abs(weight) * largest) ** SATURATING[function.name] < settings.LEAST_SATURATION)


def _shared(run: Search, begin: Fit) -> Fit:
    """The fit with one rate in the place of two of one state that the data do not tell apart."""
    problem, current = run.problem, begin
    for one, other in itertools.combinations(_arguments(problem, begin), 2):
        if run.ended() or place(one[0])[0] != place(other[0])[0]:
            continue
        found = errors(problem, current)
        if one[0] not in found or other[0] not in found:  # one of them has another rate by now
            continue
        sizes = np.array([abs(place(each[0])[1]) for each in (one, other)])
        spread = np.array([found[one[0]].joint, found[other[0]].joint])
        if not abs(np.log(sizes[0] / sizes[1])) < settings.SHARED_RATE * np.hypot(*spread):
            continue
        size = float(np.exp(np.average(np.log(sizes), weights=1 / (spread**2 + 1e-300))))
        structure = _changed(current.structure, {each: _of_size(each, size) for each in (*one, *other)})
        together = shooting.fit(problem, structure, current.parameters, current.nodes, current.sigma)
        together = None if together is None else _settled(run, together)
        if together is not None and _length(problem, together) < _length(problem, current):
            current = together
    return current


def _settled(run: Search, begin: Fit) -> Fit:
    """The fit after steps of all numbers and rates together."""
    problem, current = run.problem, begin
    for _ in range(settings.RATE_STEPS):
        matrix = _by_rates(problem, current)
        if not matrix.shape[1] or run.ended():
            return current
        both = np.concatenate([current.matrix, matrix], 1)
        change = shooting.least_squares(both, current.target - current.matrix @ current.parameters)
        after = _stepped(problem, current, change)
        if after is None:
            return current
        gained = 0.5 * float(np.sum(problem.degrees * np.log(current.variance / after.variance)))
        current = after
        if gained < settings.SETTLED_RATES:
            return current
    return current


def _rounded(problem: Problem, fit: Fit, own: list[Function]) -> Fit | None:
    """The fit with the rate of one argument at the simple number that it seems to be; None where it is none."""
    value, error = rate(own[0], problem.scale), errors(problem, fit)[own[0]].joint
    number = simple_number(value, abs(value) * error)
    if number is None:
        return None
    size = abs(number) * float(problem.scale[place(own[0])[0]])
    structure = _changed(fit.structure, {each: _of_size(each, size) for each in own})
    return shooting.fit(problem, structure, fit.parameters, fit.nodes, fit.sigma)


def _length(problem: Problem, fit: Fit) -> float:
    """Description length with the prices of all rates as they are in this fit."""
    found = [each.weights for each in _with_rates(problem, fit.structure)]
    named = priced(fit.structure, problem.scale, dict.fromkeys(found, 0.0)).price
    simples = {abs(rate(each, problem.scale)) for each in _with_rates(problem, fit.structure)}
    numbers = [number for number in map(simple, simples) if number is not None]
    rarity = -sum(math.log(tables.SIMPLE_NUMBERS[number]) for number in numbers)
    return fit.length - fit.structure.price + named + rarity + _occam(problem, fit)


def _stepped(problem: Problem, fit: Fit, change: np.ndarray) -> Fit | None:
    """After the first of ever smaller parts of a step that leaves less; None where none does."""
    arguments = _arguments(problem, fit)
    of_law, of_rates = change[: fit.structure.size], np.clip(change[fit.structure.size :], -1.0, 1.0)
    for size in settings.STEP_SIZES:
        moved = {
            each: _of_size(each, abs(place(each)[1]) * math.exp(size * step))
            for own, step in zip(arguments, of_rates.tolist(), strict=True)
            for each in own
        }
        structure = _changed(fit.structure, moved)
        found = shooting.fit(problem, structure, fit.parameters + size * of_law, fit.nodes, fit.sigma)
        if found is not None and np.sum(np.log(found.variance)) < np.sum(np.log(fit.variance)):
            return found
    return None


def _arguments(problem: Problem, fit: Fit) -> list[list[Function]]:
    """Tunable functions, those of one argument together."""
    found: dict[tuple[float, ...], list[Function]] = {}
    for function in tunable(problem, fit.structure):
        found.setdefault(function.weights, []).append(function)
    return list(found.values())


def _by_rates(problem: Problem, fit: Fit) -> np.ndarray:
    """(I n, r) whitened derivatives by the logarithms of the rates of all arguments."""
    count = len(fit.residuals) - len(problem.times)
    columns = []
    for own in _arguments(problem, fit):
        ends = []
        for sign in (1.0, -1.0):
            moved = {each: _of_size(each, abs(place(each)[1]) * math.exp(sign * settings.RATE_STEP)) for each in own}
            ends.append(_changed(fit.structure, moved).rates(fit.flow.path, fit.parameters))
        columns.append((ends[0] - ends[1]) / (2 * settings.RATE_STEP))
    if not columns:
        return np.zeros((count * problem.n_states, 0))
    factor = shooting.covariance_factor(problem, fit.flow.propagators, problem.deviations(fit.sigma))
    return shooting.whitened(factor, integrated_rates(problem, fit.flow, np.stack(columns, -1)))


def _beside_numbers(problem: Problem, fit: Fit) -> np.ndarray:
    """The part of the derivatives by the rates that no other number makes up for."""
    matrix = _by_rates(problem, fit)
    basis, _ = np.linalg.qr(fit.matrix)
    return matrix - basis @ (basis.T @ matrix)


def _occam(problem: Problem, fit: Fit) -> float:
    """Nats that measured rates pay for being so, as coefficients do (`evidence`)."""
    scaled = _beside_numbers(problem, fit) * settings.COEFFICIENT_SPREAD * np.mean(fit.sigma / np.sqrt(fit.variance))
    return float(0.5 * np.sum(np.log1p(np.linalg.svd(scaled, compute_uv=False) ** 2)))


class RateError(NamedTuple):
    """Standard error of a rate, as part of it: beside numbers that are not known, and where all others are known."""

    joint: float
    alone: float


def errors(problem: Problem, fit: Fit) -> dict[Function, RateError]:
    """Of the functions whose rates were fitted."""
    arguments = _arguments(problem, fit)
    if not arguments:
        return {}
    noise = np.mean(fit.sigma / np.sqrt(fit.variance))
    beside, matrix = _beside_numbers(problem, fit) * noise, _by_rates(problem, fit) * noise
    joint = np.sqrt(np.diag(np.linalg.pinv(beside.T @ beside, hermitian=True)))
    alone = 1 / np.sqrt(np.maximum(np.sum(matrix**2, 0), 1e-300))
    pairs = zip(arguments, joint.tolist(), alone.tolist(), strict=True)
    return {each: RateError(error, conditional) for own, error, conditional in pairs for each in own}


def beside_rates(problem: Problem, fit: Fit) -> np.ndarray:
    """The derivatives of a fit that no rate makes up for: errors by them are those beside rates that are not known."""
    basis, _ = np.linalg.qr(_by_rates(problem, fit))
    return fit.matrix - basis @ (basis.T @ fit.matrix)


def _of_size(function: Function, size: float) -> Function:
    """The function with another size of its weight."""
    j, weight = place(function)
    return function._replace(
        weights=tuple(math.copysign(size, weight) * float(i == j) for i in range(len(function.weights)))
    )


def _changed(structure: Structure, moved: Mapping[Function, Function]) -> Structure:
    """The structure with other functions in the place of some."""
    change = lambda term: dataclasses.replace(term, functions=tuple(moved.get(each, each) for each in term.functions))
    each = lambda parts: tuple(tuple(map(change, terms)) for terms in parts)
    return Structure(each(structure.numerators), each(structure.denominators))


def _terms(structure: Structure) -> list[Term]:
    return [term for part in (*structure.numerators, *structure.denominators) for term in part]


def terms_with_rates(problem: Problem, structure: Structure) -> list[Term]:
    """Terms that have a function with a rate inside."""
    return [term for term in _terms(structure) if any(has_rate(each, problem.scale) for each in term.functions)]
