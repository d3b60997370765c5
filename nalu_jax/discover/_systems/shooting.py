"""The fit of one structure to the measurements: multiple shooting with a node at every sample, by Gauss-Newton steps.

Nodes z and parameters are unknown. With measurements y = z + e, an interval that begins in node i and ends at F(z_i)
leaves the defect d_i = F(z_i) - z_(i+1), and its propagator A_i says how that moves. To first order the noise e obeys

    C e = C (y - z) - d - B dtheta,        (C v)_i = v_(i+1) - A_i v_i,

so generalised least squares with the covariance C Sigma C' gives dtheta, and then e and the new nodes. That is weighing
of errors in variables, and as no interval is longer than one between samples, chaos does no harm. C Sigma C' is banded:
a fit costs as much as there are samples (Bock 1983; Tremolet 2006, weak-constraint 4D-Var).
"""

import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import cholesky_banded
from scipy.linalg.lapack import dtbtrs  # pyright: ignore[reportAttributeAccessIssue]  # made by f2py

from nalu_jax.discover._systems import evidence, exchanges, settings
from nalu_jax.discover._systems.bars import over_one_bar
from nalu_jax.discover._systems.flow import Flow, flow, integrated, integrated_rates
from nalu_jax.discover._systems.problem import Problem
from nalu_jax.discover._systems.structure import Key, Structure
from nalu_jax.discover._systems.terms import Function, Term


@dataclass(frozen=True, eq=False)
class Fit:
    """A structure with its numbers.

    Attributes:
        structure: what was fitted.
        parameters: (p,), in scaled states.
        nodes: (N, n) states at the samples that obey the law.
        sigma: (n,) standard deviation of the noise by which measurements were weighed.
        flow: of the intervals from the nodes.
        residuals: (N, n) measured minus true; 0 where not seen.
        target: (I n,) whitened residuals of the linearised problem, as if all parameters were 0.
        matrix: (I n, p) whitened derivatives by the parameters.
        variance: (n,) of the noise, from the residuals, not below the floor.
        length: negative log evidence in nats.
        routes: of the problem.
        indicators: how many of the last variables say which trajectory a row belongs to, see `varying`.
    """

    structure: Structure
    parameters: np.ndarray
    nodes: np.ndarray
    sigma: np.ndarray
    flow: Flow
    residuals: np.ndarray
    target: np.ndarray
    matrix: np.ndarray
    variance: np.ndarray
    length: float
    routes: np.ndarray | None = None
    indicators: int = 0

    @property
    def error(self) -> float:
        """The largest standard deviation of the residuals among states, in those of the states."""
        return float(np.sqrt(self.variance.max()))

    @functools.cached_property
    def law(self) -> Key:
        """The key of the structure with fitted exponents and rates inside of functions, to two digits; without
        indicators, and what saturates over one bar."""
        powers = self.structure.powers(self.parameters)
        place = {term: k for k, term in enumerate(self.structure.columns.terms)}
        count = self.structure.n_variables - self.indicators
        own = lambda term: Term(
            tuple(np.round(powers[place[term], :count], 2).tolist()), tuple(map(_to_two_digits, term.functions))
        )
        if self.routes is not None:
            return exchanges.law(self.structure, self.parameters, self.routes, own)
        return tuple(over_one_bar(map(own, above), map(own, below)) for above, below in self.structure.key)

    @property
    def is_exact(self) -> bool:
        """Whether nothing but rounding is left."""
        return self.error < settings.EXACT * settings.FLOOR


def explains(problem: Problem, found: Fit) -> bool:
    """Whether all states that a fit changes or reads are explained; others, which stay as they are, need not be.

    Known rates and those of routes may change and read every state.
    """
    if not (np.isfinite(found.length) and np.isfinite(found.variance).all()):
        return False
    if not found.structure.size:
        return True
    everywhere = problem.known is not None or problem.routes is not None
    explained = np.sqrt(found.variance) <= settings.WORST_FIT
    return all(explained[j] for j in range(problem.n_states) if everywhere or found.structure.involves(j))


def _to_two_digits(function: Function) -> Function:
    """Rates inside are fitted too: what differs in a third digit is one law."""
    return function._replace(weights=tuple(float(f"{weight:.1e}") for weight in function.weights))


def fit(
    problem: Problem,
    structure: Structure,
    parameters: np.ndarray,
    nodes: np.ndarray,
    sigma: np.ndarray,
    *,
    patient: bool = True,
    bar: float = np.inf,
) -> Fit | None:
    """The best parameters near these, or None where the structure leaves the numbers or explains nothing.

    Args:
        problem: the trajectories.
        structure: what is fitted.
        parameters: to begin from.
        nodes: states at the samples to begin from.
        sigma: noise of the states to begin from.
        patient: whether what the solver of fourth order cannot follow is tried with that of eighth.
        bar: description length from which a fit that leaves much is hopeless, and not solved more precisely.
    """
    full = settings.FREE_STEPS if structure.free else settings.STEPS
    steps = full if patient else settings.FEWER_STEPS
    with np.errstate(all="ignore"):
        found = _fit(problem, structure, parameters, nodes, sigma, steps, level=0)
        if found is None and patient:
            found = _fit(problem, structure, parameters, nodes, sigma, steps, level=1)
        for level in (1, 2):
            if found is None or not explains(problem, found):
                return None
            hopeless = found.length > bar and found.error > settings.HOPELESS_ERROR
            if _solved(problem, found, level, hopeless=hopeless):
                break
            better = _fit(problem, structure, found.parameters, found.nodes, found.sigma, full, level=level)
            found = found if better is None or not explains(problem, better) else better
        return found


def _solved(problem: Problem, found: Fit, level: int, *, hopeless: bool) -> bool:
    """Whether the solver of the level below is good enough; of a hopeless fit, whether what it leaves is not its."""
    part = settings.HOPELESS_SOLVER_ERROR if hopeless else settings.SOLVER_ERROR
    if not hopeless and level == 1 and np.sqrt(found.variance.min()) < settings.PRECISE:
        return False
    ends = flow(problem, found.structure, found.parameters, found.nodes, level).ends
    off = np.sqrt(np.mean((ends - found.flow.ends) ** 2, 0))
    return bool(np.isfinite(ends).all() and (off < part * np.sqrt(found.variance)).all())


class Linearised(NamedTuple):
    """A problem near nodes and parameters: whitened residuals (I n,) and derivatives (I n, p), the factor of the
    covariance, and what a step must not raise."""

    flow: Flow
    residuals: np.ndarray
    matrix: np.ndarray
    factor: np.ndarray
    objective: float


def _fit(
    problem: Problem,
    structure: Structure,
    parameters: np.ndarray,
    nodes: np.ndarray,
    sigma: np.ndarray,
    steps: int,
    *,
    level: int,
) -> Fit | None:
    sigma = np.maximum(sigma, settings.SMALLEST_NOISE)
    current = _linearised(problem, structure, parameters, nodes, sigma, level)
    if current is None:
        return None
    for step in range(steps):
        change, residuals = _solution(problem, current, sigma)
        moved = _measured(problem, nodes) - residuals - nodes
        taken = _step(problem, structure, parameters, nodes, change, moved, sigma, level, current.objective)
        if taken is None:
            return None
        size, current = taken
        nodes, parameters = nodes + size * moved, parameters + size * change
        small = np.abs(moved / problem.deviations(sigma)).max() < settings.SMALL_MOVE
        if not small and not (size == 1 and step >= steps // 2):
            continue
        estimated = _noise(problem, residuals, structure.size, level)
        if small and np.abs(np.log(estimated / sigma)).max() < settings.SETTLED_NOISE:
            break
        sigma = np.clip(estimated, sigma / settings.NOISE_SHRINKAGE, sigma * settings.NOISE_GROWTH)
        current = _linearised(problem, structure, parameters, nodes, sigma, level)
        if current is None:
            return None
    return _finished(problem, structure, parameters, nodes, sigma, current)


def _step(
    problem: Problem,
    structure: Structure,
    parameters: np.ndarray,
    nodes: np.ndarray,
    change: np.ndarray,
    moved: np.ndarray,
    sigma: np.ndarray,
    level: int,
    objective: float,
) -> tuple[float, Linearised] | None:
    """The first step size that does not raise the objective, or the one that raises it least."""
    best: tuple[float, Linearised] | None = None
    for size in settings.STEP_SIZES:
        there = _linearised(problem, structure, parameters + size * change, nodes + size * moved, sigma, level)
        if there is None:
            continue
        if best is None or there.objective < best[1].objective:
            best = size, there
        if there.objective < objective * (1 + 1e-3) + 1e-9:
            break
    return best


def _measured(problem: Problem, nodes: np.ndarray) -> np.ndarray:
    """Measurements, and nodes where there is none."""
    return np.where(problem.seen, problem.ys, nodes)


def _linearised(
    problem: Problem,
    structure: Structure,
    parameters: np.ndarray,
    nodes: np.ndarray,
    sigma: np.ndarray,
    level: int,
) -> Linearised | None:
    flowed = flow(problem, structure, parameters, nodes, level)
    if not flowed.usable:
        return None
    deviations = problem.deviations(sigma)
    error = _measured(problem, nodes) - nodes
    defect = flowed.ends - nodes[problem.begins + 1]
    carried = np.einsum("inm,im->in", flowed.propagators, error[problem.begins])
    residuals = error[problem.begins + 1] - carried - defect
    moves = integrated(problem, flowed, structure.by_coefficient(flowed.path, parameters))
    if structure.free:
        by_exponent = integrated_rates(problem, flowed, structure.by_exponent(flowed.path, parameters))
        moves = np.concatenate([moves, by_exponent], -1)
    try:
        factor = covariance_factor(problem, flowed.propagators, deviations)
    except np.linalg.LinAlgError:
        return None
    stacked = np.concatenate([residuals[..., None], defect[..., None], moves], -1)
    white = whitened(factor, stacked)
    if not np.isfinite(white).all():
        return None
    objective = np.sum((error / deviations) ** 2) + settings.DEFECTS * np.sum(white[:, 1] ** 2)
    return Linearised(flowed, white[:, 0], white[:, 2:], factor, float(objective))


def covariance_factor(problem: Problem, propagators: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Cholesky factor of the covariance of C e, lower and banded.

    Raises:
        LinAlgError: it is not positive definite to rounding.
    """
    count, n, _ = propagators.shape
    variances = deviations**2
    spread = propagators * variances[problem.begins][:, None, :]
    diagonal = spread @ propagators.transpose(0, 2, 1)
    diagonal[:, np.arange(n), np.arange(n)] += variances[problem.begins + 1]
    below = -spread[1:] * problem.joined[:, None, None]
    band = np.zeros((2 * n, count * n))
    for a in range(n):
        for b in range(n):
            if a >= b:
                band[a - b, b::n] = diagonal[:, a, b]
            band[n + a - b, b : (count - 1) * n : n] = below[:, a, b]
    return cholesky_banded(band, lower=True, check_finite=True, overwrite_ab=True)


def whitened(factor: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(I n, p) rows (I, n, p) divided by the factor."""
    return dtbtrs(factor, np.asfortranarray(rows.reshape(factor.shape[1], -1)), uplo="L")[0]


def unwhitened(factor: np.ndarray, left: np.ndarray) -> np.ndarray:
    """(I n,) whitened residuals divided by the transposed factor: weighed by the inverse covariance."""
    return dtbtrs(factor, left[:, None], uplo="L", trans="T")[0][:, 0]


def _solution(problem: Problem, linearised: Linearised, sigma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The change of the parameters (p,), and the noise (N, n) that it leaves."""
    change = least_squares(linearised.matrix, linearised.residuals)
    left = linearised.residuals - linearised.matrix @ change
    back = unwhitened(linearised.factor, left).reshape(-1, problem.n_states)
    noise = np.zeros(problem.ys.shape)
    noise[problem.begins + 1] += back
    noise[problem.begins] -= np.einsum("inm,in->im", linearised.flow.propagators, back)
    return change, noise * problem.deviations(sigma) ** 2


def least_squares(matrix: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The least squares solution, columns scaled to be equally long."""
    if not matrix.shape[1]:
        return np.zeros(0)
    sizes = np.sqrt(np.sum(matrix**2, 0)) + 1e-300
    return np.linalg.lstsq(matrix / sizes, target, rcond=1e-11)[0] / sizes


def _noise(problem: Problem, residuals: np.ndarray, size: int, level: int) -> np.ndarray:
    """(n,) standard deviation of the noise by these residuals."""
    lowest = settings.FLOOR_OF_WEIGHTS if level else settings.FLOOR
    counts = problem.seen.sum(0)
    degrees = np.maximum(problem.degrees - size / problem.n_states, counts / 3)
    squares = np.sum(np.where(problem.seen, residuals, 0.0) ** 2, 0)
    return np.sqrt(squares / degrees + lowest**2)


def _finished(
    problem: Problem,
    structure: Structure,
    parameters: np.ndarray,
    nodes: np.ndarray,
    sigma: np.ndarray,
    linearised: Linearised,
) -> Fit:
    _, residuals = _solution(problem, linearised, sigma)
    residuals = np.where(problem.seen, residuals, 0.0)
    degrees = np.maximum(problem.degrees - structure.size / problem.n_states, 1.0)
    variance = np.sum(residuals**2, 0) / degrees + settings.FLOOR**2
    length = evidence.length(problem, structure, parameters, nodes, sigma, linearised.matrix, variance)
    target = linearised.residuals + linearised.matrix @ parameters
    return Fit(
        structure,
        parameters,
        nodes,
        sigma,
        linearised.flow,
        residuals,
        target,
        linearised.matrix,
        variance,
        length,
        problem.routes,
    )
