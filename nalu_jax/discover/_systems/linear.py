"""The search around a fit: its linearised problem with the columns of a whole library, for all equations together, or
for one of them anew beside the others."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nalu_jax.discover._systems import settings, subsets
from nalu_jax.discover._systems.flow import BOOLE, integrated
from nalu_jax.discover._systems.problem import Problem
from nalu_jax.discover._systems.shooting import Fit, covariance_factor, least_squares, unwhitened, whitened
from nalu_jax.discover._systems.structure import Structure
from nalu_jax.discover._systems.subsets import Regression
from nalu_jax.discover._systems.terms import Columns, Term


class Proposal(NamedTuple):
    """A structure near a fit, with parameters to begin from."""

    structure: Structure
    parameters: np.ndarray


class _Place(NamedTuple):
    """What a column is: a term above or below the bar of an equation."""

    equation: int
    below: bool
    term: Term


class Around(NamedTuple):
    """The linearised problem: what each column is, their regression, and the support of the fit."""

    places: list[_Place]
    regression: Regression
    support: list[int]


def around(problem: Problem, library: Sequence[Term], fit: Fit) -> Around:
    """The problem around a fit, with these terms and its own."""
    structure = fit.structure
    wanted = _screened(problem, library, fit)
    terms = [[*structure.numerators[i], *(t for t in wanted[i] if t not in structure.numerators[i])] for i in _all(fit)]
    below = [
        [*own, *(t for t in wanted[i] if t not in own and t.whole and any(t.powers))] if own else []
        for i, own in enumerate(structure.denominators)
    ]
    every = Structure(tuple(map(tuple, terms)), tuple(map(tuple, below)))
    columns = _columns(problem, every, fit)
    places = [
        _Place(i, is_below, term)
        for i in _all(fit)
        for is_below, part in ((False, terms[i]), (True, below[i]))
        for term in part
    ]
    support = [
        k
        for k, place in enumerate(places)
        if place.term in (structure.denominators if place.below else structure.numerators)[place.equation]
    ]
    target = fit.target
    if structure.free:  # what free exponents explain is not the columns' to explain
        shares = fit.matrix[:, structure.coefficients :]
        basis = np.linalg.qr(shares)[0]
        columns, target = columns - basis @ (basis.T @ columns), target - basis @ (basis.T @ target)
    rows = problem.rows
    prices = np.array([place.term.price for place in places]) + settings.TERM + 0.5 * np.log(rows) + 1
    regression = Regression.of(columns, target, prices=prices, rows=rows, floor=settings.LINEAR_FLOOR * rows)
    if problem.routes is not None:  # what passes along three routes in a circle is said twice
        support = regression.independent(support)
    return Around(places, regression, support)


def _all(fit: Fit) -> range:
    return range(fit.structure.n_equations)


def _columns(problem: Problem, every: Structure, fit: Fit) -> np.ndarray:
    """(R, M) whitened derivatives by the coefficients of all terms, where those that the fit lacks are 0."""
    parameters = np.zeros(every.coefficients)
    own = fit.structure
    for (begin, bar, _), (first, middle, last) in zip(every.spans, own.spans, strict=True):
        parameters[begin : begin + middle - first] = fit.parameters[first:middle]
        parameters[bar : bar + last - middle] = fit.parameters[middle:last]
    powers = fit.parameters[own.coefficients :]
    with np.errstate(all="ignore"):
        by_coefficient = every.by_coefficient(fit.flow.path, np.concatenate([parameters, powers]))
        by_coefficient = [np.where(np.isfinite(part), part, 0.0) for part in by_coefficient]
        factor = covariance_factor(problem, fit.flow.propagators, problem.deviations(fit.sigma))
    return whitened(factor, integrated(problem, fit.flow, by_coefficient))


def _screened(problem: Problem, library: Sequence[Term], fit: Fit) -> list[Sequence[Term]]:
    """Of every equation the terms worth a column: all, or where these are many those that what is left follows."""
    n = fit.structure.n_equations
    if len(library) * n <= settings.SCREENED_COLUMNS * max(1, n / 4):
        return [library] * n
    kept = max(10, int(settings.SCREENED_COLUMNS * max(1, n / 4) / n))
    columns = Columns(library, problem.n_variables)
    with np.errstate(all="ignore"):
        values = columns.values(fit.flow.path)
    values = np.where(np.isfinite(values), values, 0.0)
    weights = BOOLE * problem.steps[:, None]
    integrals = np.einsum("iq,iqm->im", weights, values)
    factor = covariance_factor(problem, fit.flow.propagators, problem.deviations(fit.sigma))
    left = fit.target - fit.matrix @ fit.parameters
    signal = unwhitened(factor, left).reshape(-1, problem.n_states)
    signal = signal if problem.routes is None else signal @ problem.routes
    scores = np.abs(integrals.T @ signal) / (np.sqrt(np.sum(integrals**2, 0))[:, None] + 1e-300)
    return [[library[k] for k in np.sort(np.argsort(-scores[:, i], kind="stable")[:kept])] for i in range(n)]


def improved(problem: Problem, library: Sequence[Term], fit: Fit, per_equation: int) -> Proposal:
    """The structure at which no change helps in the linearised problem, with so many terms per equation on average."""
    near = around(problem, library, fit)
    most = max(per_equation * fit.structure.n_equations, len(near.support))
    return _proposal(near, fit, subsets.search(near.regression, near.support, most=most).support)


class _Beside(NamedTuple):
    """One equation of a linearised problem beside the others, whose coefficients move along: its terms, their columns,
    and the regression of what the others cannot explain."""

    terms: tuple[Term, ...]
    columns: np.ndarray
    regression: Regression


def _beside(problem: Problem, terms: Sequence[Term], fit: Fit, owns: list[np.ndarray], equation: int) -> _Beside:
    """Of columns `owns` that the equations have."""
    columns = _columns_of(problem, terms, fit, equation)
    others = [np.zeros((len(fit.target), 0)), *(own for i, own in enumerate(owns) if i != equation)]
    basis = np.linalg.qr(np.concatenate(others, 1))[0]
    left, target = (each - basis @ (basis.T @ each) for each in (columns, fit.target))
    rows = problem.rows
    prices = np.array([term.price for term in terms]) + settings.TERM + 0.5 * np.log(rows) + 1
    regression = Regression.of(left, target, prices=prices, rows=rows, floor=settings.LINEAR_FLOOR * rows)
    return _Beside(tuple(terms), columns, regression.compressed)


def _with_its_own(library: Sequence[Term], own: Sequence[Term]) -> tuple[Term, ...]:
    """A library that begins with the terms of an equation."""
    return tuple(dict.fromkeys([*own, *library]))


def _owns(fit: Fit) -> list[np.ndarray]:
    """The columns of each equation's coefficients."""
    return [fit.matrix[:, begin:end] for begin, _, end in fit.structure.spans]


def equation_by_equation(problem: Problem, library: Sequence[Term], fit: Fit) -> Proposal:
    """One equation after another searched anew in the linearised problem, the coefficients of the others moving along.

    An equation that is wrong has many terms that make up for each other, and of these no single one can be changed:
    each begins from nothing, and from the pairs and triples that explain most.
    """
    owns, terms = _owns(fit), list(fit.structure.numerators)
    for i, own in enumerate(fit.structure.numerators):
        near = _beside(problem, _with_its_own(library, own), fit, owns, i)
        chosen = list(subsets.beam(near.regression, [list(range(len(own)))])[0].support)
        terms[i], owns[i] = tuple(near.terms[k] for k in chosen), near.columns[:, chosen]
    return _composed(terms, owns, fit)


def equations_anew(problem: Problem, library: Sequence[Term], fit: Fit) -> list[Proposal]:
    """Of every equation what explains it best in the linearised problem, with other terms than it has, where that is
    nearly as likely: rivals that no single change leads to."""
    owns, found = _owns(fit), []
    for i, own in enumerate(fit.structure.numerators):
        near = _beside(problem, _with_its_own(library, own), fit, owns, i)
        support = tuple(range(len(own)))
        most = subsets.cost(near.regression, support) + settings.GAP
        likely = [each for each in subsets.beam(near.regression, [list(support)]) if each.cost < most]
        for each in [each for each in likely if each.support != support][: settings.ANEW]:
            terms, columns = [*fit.structure.numerators], [*owns]
            terms[i] = tuple(near.terms[k] for k in each.support)
            columns[i] = near.columns[:, list(each.support)]
            found.append(_composed(terms, columns, fit))
    return found


def _composed(terms: list[tuple[Term, ...]], columns: list[np.ndarray], fit: Fit) -> Proposal:
    made = Structure(tuple(terms), fit.structure.denominators)
    return Proposal(made, least_squares(np.concatenate(columns, 1), fit.target))


def _columns_of(problem: Problem, terms: Sequence[Term], fit: Fit, equation: int) -> np.ndarray:
    """(R, M) whitened derivatives by the coefficients of terms of one equation."""
    factor = covariance_factor(problem, fit.flow.propagators, problem.deviations(fit.sigma))
    with np.errstate(all="ignore"):
        values = Columns(terms, problem.n_variables).values(fit.flow.path)
    nothing = np.zeros((*values.shape[:-1], 0))
    values = np.where(np.isfinite(values), values, 0.0)
    columns = [values if i == equation else nothing for i in range(problem.n_equations)]
    return whitened(factor, integrated(problem, fit.flow, columns))


def neighbours(problem: Problem, library: Sequence[Term], fit: Fit, count: int) -> list[Proposal]:
    """The likeliest structures that differ by one term."""
    near = around(problem, library, fit)
    found = subsets.neighbours(near.regression, near.support, count)
    return [_proposal(near, fit, each.support) for each in found if each.support]


def _proposal(near: Around, fit: Fit, support: Sequence[int]) -> Proposal:
    coefficients = near.regression.coefficients(support)
    own = fit.structure
    parts: list[list[list[tuple[Term, float]]]] = [[[], []] for _ in range(own.n_equations)]
    for k, coefficient in zip(support, coefficients, strict=True):
        place = near.places[k]
        parts[place.equation][place.below].append((place.term, float(coefficient)))
    structure = Structure(
        tuple(tuple(term for term, _ in above) for above, _ in parts),
        tuple(tuple(term for term, _ in below) for _, below in parts),
    )
    numbers = [coefficient for equation in parts for part in equation for _, coefficient in part]
    powers = {
        (own.columns.terms[k], j): v for (k, j), v in zip(own.free, fit.parameters[own.coefficients :], strict=True)
    }
    numbers += [powers[structure.columns.terms[k], j] for k, j in structure.free]
    return Proposal(structure, np.array(numbers))
