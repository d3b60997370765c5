"""Starts for the search: regression of each equation on integrals of the library along the splines (the weak form).

A spline's derivative is worse than the spline: rows are changes of a state over a window, columns the integrals of
terms over it. What this finds is never the answer, it is where fits begin.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nalu_jax.discover._systems import settings, subsets
from nalu_jax.discover._systems.problem import Curves, Problem
from nalu_jax.discover._systems.subsets import Regression
from nalu_jax.discover._systems.terms import Columns, Term

GAUSS = 5  # points in each interval


class Start(NamedTuple):
    """Terms of one equation with their coefficients, and what they cost in the regression."""

    cost: float
    above: tuple[Term, ...]
    below: tuple[Term, ...]
    coefficients: np.ndarray


class Windows:
    """Integrals over windows of the curves.

    `targets` (n_states, n_targets) are the sums of states whose changes stand for what an equation says; by default
    every state itself.
    """

    def __init__(self, problem: Problem, curves: Curves, targets: np.ndarray | None = None):
        self.problem, self.curves, self.targets = problem, curves, targets
        points, weights = np.polynomial.legendre.leggauss(GAUSS)
        self.noisy = bool(curves.noise.min() >= settings.EXACT_SPLINE)
        self.widths = [
            1 if not self.noisy else max(1, min(len(ts) - 1, max(2, len(ts) // settings.WINDOWS)))
            for ts in problem.times
        ]
        halves = [np.diff(ts)[:, None] / 2 for ts in problem.times]
        self.times = [ts[:-1, None] + half * (1 + points) for ts, half in zip(problem.times, halves, strict=True)]
        self.weights = [half * weights for half in halves]
        self.states = [curves.states(i, times) for i, times in enumerate(self.times)]
        self.variables = [
            np.concatenate([states, problem.inputs_of(i, times)], -1)
            for i, (states, times) in enumerate(zip(self.states, self.times, strict=True))
        ]
        self.rows = sum((len(ts) - width) / width for ts, width in zip(problem.times, self.widths, strict=True))

    def integrals(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """(windows, M) of values (n_intervals, GAUSS, M) of each trajectory; what is not finite counts as 0."""
        found = []
        for each, weights, width in zip(values, self.weights, self.widths, strict=True):
            finite = np.where(np.isfinite(each), each, 0.0)
            pieces = np.einsum("iq,iqm->im", weights, finite)
            sums = np.concatenate([np.zeros((1, pieces.shape[1])), np.cumsum(pieces, 0)])
            found.append(sums[width:] - sums[:-width])
        return np.concatenate(found)

    def columns(self, terms: Sequence[Term]) -> np.ndarray:
        """(windows, M) integrals of terms."""
        columns = Columns(terms, self.problem.n_variables)
        with np.errstate(all="ignore"):
            return self.integrals([columns.values(each) for each in self.variables])

    def changes(self) -> np.ndarray:
        """(windows, n_targets) of the states, without what is known of them."""
        found = []
        for i, (ts, width) in enumerate(zip(self.problem.times, self.widths, strict=True)):
            states = self.curves.states(i, ts)
            found.append(states[width:] - states[:-width])
        changes = np.concatenate(found)
        changes = changes - self.integrals(self.known_rates())
        return changes if self.targets is None else changes @ self.targets

    def rates(self) -> list[np.ndarray]:
        """(n_intervals, GAUSS, n_targets) of each trajectory, of the curves, without what is known."""
        rates = [self.curves.rates(i, times) for i, times in enumerate(self.times)]
        rates = [own - known for own, known in zip(rates, self.known_rates(), strict=True)]
        return rates if self.targets is None else [own @ self.targets for own in rates]

    def known_rates(self) -> list[np.ndarray]:
        """(n_intervals, GAUSS, n_states) of each trajectory: the rates that are known."""
        known = self.problem.known
        if known is None:
            return [np.zeros(states.shape) for states in self.states]
        flat = [variables.reshape(-1, variables.shape[-1]) for variables in self.variables]
        return [
            known.rates(times.ravel(), variables).reshape(*times.shape, -1)
            for times, variables in zip(self.times, flat, strict=True)
        ]


def starts(
    problem: Problem, curves: Curves, library: Sequence[Term], count: int = settings.STARTS
) -> list[list[Start]]:
    """Of every equation its best supports among these terms, the best first."""
    windows = Windows(problem, curves)
    columns, changes = windows.columns(library), windows.changes()
    prices = np.array([term.price for term in library]) + settings.TERM + 0.5 * np.log(max(windows.rows, 2)) + 1
    return [_equation(library, windows, columns, changes[:, i], prices, count) for i in range(problem.n_states)]


def small(problem: Problem, curves: Curves, library: Sequence[Term]) -> list[list[Start]]:
    """Of every equation the best supports of one, two and three of these terms."""
    return small_in(Windows(problem, curves), library)


def small_in(windows: "Windows", library: Sequence[Term]) -> list[list[Start]]:
    """The same, of windows that were made before."""
    problem = windows.problem
    columns, changes = windows.columns(library), windows.changes()
    prices = np.array([term.price for term in library]) + settings.TERM + 0.5 * np.log(max(windows.rows, 2)) + 1
    kept = settings.SMALL_STARTS.get(problem.n_states, 1)
    found = []
    for i in range(problem.n_states):
        regression = Regression.of(columns, changes[:, i], prices=prices, rows=windows.rows)
        singles = [[int(k)] for k in np.argsort(-np.abs(regression.columns.T @ regression.target), kind="stable")]
        sizes = [singles[:kept], subsets.pairs(regression, kept)]
        sizes += [subsets.triples(regression, kept)] if len(library) <= settings.TRIPLE_LIBRARY else []
        supports = [support for of_size in sizes for support in of_size if not regression.is_singular(support)]
        found.append([_start(library, regression, subsets.cost(regression, support), support) for support in supports])
    return found


def _equation(
    library: Sequence[Term], windows: Windows, columns: np.ndarray, target: np.ndarray, prices: np.ndarray, count: int
) -> list[Start]:
    regression = Regression.of(columns, target, prices=prices, rows=windows.rows)
    many = windows.problem.n_states > settings.FEW_STATES
    found = subsets.beam(regression.compressed, []) if many else subsets.searched(regression)
    return [_start(library, regression, *each) for each in found[:count]]


def _start(library: Sequence[Term], regression: Regression, cost: float, support: Sequence[int]) -> Start:
    return Start(cost, tuple(library[k] for k in support), (), regression.coefficients(support))


def exchanged(problem: Problem, curves: Curves, library: Sequence[Term], *, grown: bool) -> list[list[Start]]:
    """Systems where sums of states are conserved, from one regression of all states, the likeliest first: those of few
    terms, or where `grown` those that they grow to."""
    assert problem.routes is not None
    windows = Windows(problem, curves)
    columns, weights = windows.columns(library), 1 / curves.noise
    every = np.einsum("wm,nk->wnkm", columns, problem.routes * weights[:, None])
    rows = windows.rows * int(np.linalg.matrix_rank(problem.routes))
    prices = np.array([term.price for term in library]) + settings.TERM + 0.5 * np.log(max(rows, 2)) + 1
    regression = Regression.of(
        every.reshape(columns.shape[0] * problem.n_states, -1),
        (windows.changes() * weights).ravel(),
        prices=np.tile(prices, problem.n_equations),
        rows=rows,
    )
    singles = [[int(k)] for k in np.argsort(-np.abs(regression.columns.T @ regression.target), kind="stable")]
    few = len(prices) * problem.n_equations <= settings.TRIPLE_LIBRARY
    begins = [*singles[:2], *subsets.pairs(regression, settings.PAIRS)]
    begins += subsets.triples(regression, settings.TRIPLES) if few else []
    begins = [begin for begin in begins if not regression.is_singular(begin)]
    most = problem.n_states * (settings.FREED_TERMS if grown else settings.EXCHANGED_TERMS)
    found = {}
    for begin in map(tuple, ([], *begins)):
        for size in [most] if grown else range(max(1, len(begin)), most + 1):
            reached = subsets.search(regression, begin, most=size)
            found[reached.support], begin = reached.cost, reached.support
    chosen = sorted((cost, support) for support, cost in found.items())
    if not grown:
        # of every size the likeliest: more terms than the law has explain exact data better than a spline does
        kept = max(1, settings.SMALL_SYSTEMS // most)
        of_sizes = [[each for each in chosen if len(each[1]) == size][:kept] for size in range(1, most + 1)]
        chosen = sorted(each for of_size in of_sizes for each in of_size)
    return [_of_routes(library, regression, *each, problem.n_equations) for each in chosen]


def _of_routes(
    library: Sequence[Term], regression: Regression, cost: float, support: Sequence[int], n_equations: int
) -> list[Start]:
    """A support among the terms of all equations as a start of each."""
    coefficients = regression.coefficients(support)
    found = []
    for k in range(n_equations):
        own = [place for place, column in enumerate(support) if column // len(library) == k]
        terms = tuple(library[support[place] % len(library)] for place in own)
        found.append(Start(cost / n_equations, terms, (), coefficients[own]))
    return found
