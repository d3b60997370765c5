"""What the data allow to say of the best system."""

from typing import NamedTuple

import numpy as np

from nalu_jax.discover._engine.verdict import ALIKE, NONE, RECOVERED
from nalu_jax.discover._systems import settings
from nalu_jax.discover._systems.problem import Problem
from nalu_jax.discover._systems.shooting import Fit
from nalu_jax.discover._systems.terms import FUNCTIONS, Function, Term


class Verdict(NamedTuple):
    """A verdict, why, places of the fits that the data cannot tell from the best, and a fit that was not allowed, where
    it is the reason."""

    verdict: str
    reason: str
    alike: tuple[int, ...]
    barred: Fit | None = None


def judge(
    problem: Problem,
    found: list[Fit],
    barred: list[Fit],
    *,
    longest: int | None = None,
    weakest: float | None = None,
) -> Verdict:
    """The verdict on the first of `found`.

    Args:
        problem: the trajectories.
        found: distinct fits that may be the answer, the best first.
        barred: those that the caller does not allow, the best first.
        longest, weakest: of the best the most numbers of an equation, and its smallest coefficient in standard errors,
            where numbers that differ between trajectories are to count as one.
    """
    best = found[0]
    longest = best.structure.longest if longest is None else longest
    against = _against(problem, best)
    ahead = best.length - barred[0].length if barred else -np.inf
    is_better = ahead > settings.GAP
    if against is not None and not (is_better and _against(problem, barred[0]) is None):
        return Verdict(NONE, against, ())
    if is_better:
        return Verdict(NONE, f"a law that was not allowed fits better by {ahead:.1f} nats", (), barred[0])
    rivals = [i for i, each in enumerate(found) if i and not contains(each, best)]
    alike = tuple(i for i in rivals if found[i].length < best.length + settings.GAP)
    if alike:
        behind = found[alike[0]].length - best.length
        what = "one other law is" if len(alike) == 1 else f"{len(alike)} other laws are"
        return Verdict(ALIKE, f"{what} within {settings.GAP:g} nats of it, the next at {behind:.1f}", alike)
    others = [each for each in barred if each.length < best.length + settings.GAP and not contains(each, best)]
    if others:
        return Verdict(ALIKE, "a law that was not allowed fits as well", (), others[0])
    more = min((each.length for each in found[1:] if contains(each, best)), default=np.inf) - best.length
    if more < settings.GAP_OF_MORE and not best.is_exact:
        return Verdict(ALIKE, f"a law that has more beside the same terms is only {more:.1f} nats behind", ())
    if best.structure.free and not best.is_exact:
        return Verdict(ALIKE, "an exponent is no simple number, and the data are noisy", ())
    if powers_alike(problem, best):
        return Verdict(ALIKE, "an input has so few different values that they do not tell its powers apart", ())
    if longest > settings.LONGEST_EQUATION:
        return Verdict(ALIKE, f"{longest} numbers in one equation, as a series of another has them", ())
    weakest = weakest_of(best) if weakest is None else weakest
    if weakest < settings.WEAKEST:
        return Verdict(ALIKE, f"one of its coefficients is only {weakest:.1f} standard errors large", ())
    behind = (
        f"the next law is {found[rivals[0]].length - best.length:.1f} nats behind"
        if rivals
        else "no other law comes near it"
    )
    return Verdict(RECOVERED, "it explains the data to rounding" if best.is_exact else behind, ())


def powers_alike(problem: Problem, fit: Fit) -> bool:
    """Whether terms of an equation are linearly dependent at all values of an input that were measured.

    Of 0 and 1 all powers are alike: they differ only in how the input is taken to get from one to the other between
    samples.
    """
    parts = (*fit.structure.numerators, *fit.structure.denominators)
    for place, values in enumerate(problem.input_samples.T):
        levels = np.unique(np.round(values, settings.LEVEL_DIGITS))
        if len(levels) <= settings.MOST_LEVELS and any(
            _alike_at(terms, problem.n_states + place, levels) for terms in parts
        ):
            return True
    return False


def _alike_at(terms: tuple[Term, ...], variable: int, levels: np.ndarray) -> bool:
    """Whether terms that differ in a variable only are linearly dependent at these values of it."""
    together: dict[tuple, list[np.ndarray]] = {}
    for term in terms:
        own = [each for each in term.functions if each.weights[variable] and np.count_nonzero(each.weights) == 1]
        others = tuple(each for each in term.functions if each not in own)
        with np.errstate(all="ignore"):
            factors = [FUNCTIONS[each.name][0](each.weights[variable] * levels) for each in own]
            values = np.nan_to_num(np.prod([levels ** term.powers[variable], *factors], axis=0))
        together.setdefault((*np.delete(term.powers, variable), *others), []).append(values)
    return any(np.linalg.matrix_rank(np.array(each), tol=1e-6) < len(each) for each in together.values())


def cut_short(verdict: Verdict) -> Verdict:
    """The verdict where a search ended before all rivals had been tried."""
    if verdict.verdict != RECOVERED:
        return verdict
    reason = f"{verdict.reason}, of those that were tried before the search was ended"
    return verdict._replace(verdict=ALIKE, reason=reason)


def _against(problem: Problem, best: Fit) -> str | None:
    """Why a system is no law of the data."""
    if not best.structure.size and problem.known is None:
        return "no rate does better than states that stay as they are"
    if not np.isfinite(errors_of(best)).all():
        return "the data do not determine all of its coefficients"
    if 3 * best.structure.size > problem.rows:
        return f"{best.structure.size} numbers were fitted to {int(problem.rows)} measurements"
    if len(best.structure.free) > settings.FREE_EXPONENTS:
        return f"{len(best.structure.free)} of its exponents are no simple numbers"
    if best.error > settings.EXPLAINS:
        return _unexplained(problem, best)
    if problem.noise is not None and best.error > max(
        settings.KNOWN_NOISE * problem.noise, settings.EXACT * settings.FLOOR
    ):
        return f"it leaves {best.error:.2g} standard deviations of a state, more than the noise of {problem.noise:.2g}"
    if best.is_exact:
        return None
    left = follows(problem, best)
    if left > settings.WHITE:
        return f"what it leaves still follows the times: its neighbours are alike by {left:.1f} standard deviations"
    return None


def _unexplained(problem: Problem, best: Fit) -> str:
    """What is said of a system that leaves much of some states."""
    left = np.flatnonzero(np.sqrt(best.variance) > settings.EXPLAINS)
    if problem.known is None and problem.routes is None:
        still = sum(not best.structure.numerators[j] for j in left)
        if still:
            return f"for {still} of {problem.n_states} states no rate does better than that it stays as it is"
    return f"it leaves {best.error:.2g} standard deviations of a state"


def follows(problem: Problem, fit: Fit) -> float:
    """The largest autocorrelation of residuals between samples, in standard deviations of that of noise; of states with
    noise, since errors of solvers and of simulators follow the times."""
    found = [0.0]
    for j in np.flatnonzero(fit.variance > (settings.EXACT * settings.FLOOR) ** 2).tolist():
        both = problem.seen[problem.begins, j] & problem.seen[problem.begins + 1, j]
        before, after = fit.residuals[problem.begins, j][both], fit.residuals[problem.begins + 1, j][both]
        size = np.sqrt(np.sum(before**2) * np.sum(after**2))
        if size > 0:
            found.append(abs(float(before @ after)) / size * np.sqrt(both.sum()))
    return max(found)


def covariance_of(fit: Fit) -> np.ndarray:
    """(p, p) of the parameters, in scaled states; infinite variances where the data do not determine them."""
    return covariance(fit, fit.matrix)


def covariance(fit: Fit, matrix: np.ndarray) -> np.ndarray:
    """(p, p) of the numbers by which these (I n, p) are the whitened derivatives.

    Noise is at least the floor of data, spline and solver: where that is more than what measurements were weighed by,
    it counts for the changes of its own state only, which may stand still or be known exactly beside noisy ones.
    """
    if not matrix.shape[1]:
        return np.zeros((0, 0))
    sizes = np.sqrt(np.sum(matrix**2, 0)) + 1e-300
    changes, singular, turned = np.linalg.svd(matrix / sizes, full_matrices=False)
    usable = singular > settings.UNDETERMINED * singular.max()
    ratios = np.tile(fit.variance / fit.sigma**2, len(changes) // len(fit.variance))
    with np.errstate(over="ignore", invalid="ignore"):
        part = turned[usable] / singular[usable, None] / sizes
        covariance = part.T @ ((changes[:, usable].T * ratios) @ changes[:, usable]) @ part
    lost = np.abs(turned[~usable]).max(0, initial=0.0) > 1e-6
    lost |= ~np.isfinite(covariance).all(1)
    covariance[lost], covariance[:, lost] = 0.0, 0.0
    covariance[lost, lost] = np.inf
    return covariance


def errors_of(fit: Fit) -> np.ndarray:
    """(p,) standard errors of the parameters, in scaled states."""
    return np.sqrt(np.diag(covariance_of(fit)))


def weakest_of(fit: Fit, matrix: np.ndarray | None = None) -> float:
    """The smallest coefficient by its standard error; free exponents may be near 0.

    `matrix` (I n, at least p) has the derivatives by the numbers and by what else was measured beside them.
    """
    return float(np.min(_sizes(fit, fit.matrix if matrix is None else matrix), initial=np.inf))


def place_of_weakest(fit: Fit) -> int:
    """Where it is among the parameters."""
    return int(np.argmin(_sizes(fit, fit.matrix)))


def _sizes(fit: Fit, matrix: np.ndarray) -> np.ndarray:
    """Of every coefficient, in standard errors."""
    count = fit.structure.coefficients
    errors = np.sqrt(np.diag(covariance(fit, matrix))[:count])
    return np.abs(fit.parameters[:count]) / np.maximum(errors, 1e-300)


def contains(other: Fit, best: Fit) -> bool:
    """Whether a law has all terms of the best: what is more in it, a free exponent too, is not needed."""
    pairs = zip(other.law, best.law, strict=True)
    return all(_has(theirs, own) for mine, of_best in pairs for theirs, own in zip(mine, of_best, strict=True))


def is_copy(other: Fit, best: Fit) -> bool:
    """Whether a law is the best one times functions that no data like these tell from 1, x tanh(x) of a large x, or the
    best one with rates inside of functions that were not fitted to the end.

    What equals the best along the data in another way, as what is conserved lets it, is another law.
    """
    if other.law == best.law:
        return False
    sides = [
        pair for mine, of_best in zip(other.law, best.law, strict=True) for pair in zip(mine, of_best, strict=True)
    ]
    if all(_has_other_rates(theirs, own) for theirs, own in sides):
        return True
    if not all(_times_functions(theirs, own) for theirs, own in sides):
        return False
    apart = (other.residuals - best.residuals) / np.sqrt(best.variance)
    return bool(np.sum(apart**2) < settings.INDISTINCT)


def _has_other_rates(terms: frozenset[Term], others: frozenset[Term]) -> bool:
    """Whether terms are the others up to rates inside of functions."""
    same = lambda term, other: term.powers == other.powers and _alike(term, other)
    return len(terms) == len(others) and all(any(same(term, other) for term in terms) for other in others)


def _times_functions(terms: frozenset[Term], others: frozenset[Term]) -> bool:
    """Whether terms are the others, some of them times functions."""
    plain = lambda term, other: term.powers == other.powers and set(term.functions) >= set(other.functions)
    return len(terms) == len(others) and all(any(plain(term, other) for term in terms) for other in others)


def _has(terms: frozenset[Term], others: frozenset[Term]) -> bool:
    return all(any(_alike(term, other) for term in terms) for other in others)


def _alike(term: Term, other: Term) -> bool:
    difference = np.abs(np.array(term.powers) - np.array(other.powers)).max()
    functions = zip(term.functions, other.functions, strict=False)
    alike = len(term.functions) == len(other.functions) and all(_are_alike(*pair) for pair in functions)
    return alike and bool(difference < settings.SAME_EXPONENT)


def _are_alike(function: Function, other: Function) -> bool:
    """Whether functions are one, up to rates that more terms beside them may have moved."""
    one, two = np.array(function.weights), np.array(other.weights)
    return function.name == other.name and bool(np.allclose(one, two, rtol=settings.SAME_EXPONENT, atol=0))
