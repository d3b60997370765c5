"""What a fit is worth: its negative log evidence in nats, comparable between structures for the same trajectories.

    sum_j rows_j / 2 log variance_j  +  1/2 log det(1 + Fisher information of the parameters over their prior widths)
    + prior of the coefficients' sizes  +  prices of the terms' names

The noise of every state is profiled. Relative to the size of a rate over that of a term, a coefficient is expected to
be about exp(-1) within a factor of exp(2) (MacKay, "Bayesian interpolation", Neural Computation 4:415, 1992).
"""

import numpy as np

from nalu_jax.discover._systems import settings
from nalu_jax.discover._systems.problem import Problem
from nalu_jax.discover._systems.structure import Structure


def length(
    problem: Problem,
    structure: Structure,
    parameters: np.ndarray,
    nodes: np.ndarray,
    sigma: np.ndarray,
    matrix: np.ndarray,
    variance: np.ndarray,
) -> float:
    """Nats that name the structure and its numbers and say what it leaves of the measurements."""
    fit = 0.5 * np.sum(problem.degrees * np.log(variance))
    count = structure.coefficients
    widths = np.concatenate(
        [
            settings.COEFFICIENT_SPREAD * np.abs(parameters[:count]),
            np.full(structure.size - count, settings.EXPONENT_SPREAD),
        ]
    )
    scaled = matrix * widths * np.mean(sigma / np.sqrt(variance))
    if not np.isfinite(scaled).all():
        return np.inf
    # Not a determinant of squares: of exact data they have 16 digits before the 1, and terms that are alike would pay.
    occam = 0.5 * np.sum(np.log1p(np.linalg.svd(scaled, compute_uv=False) ** 2))
    return float(fit + occam + _sizes(problem, structure, parameters, nodes) + structure.price)


def _sizes(problem: Problem, structure: Structure, parameters: np.ndarray, nodes: np.ndarray) -> float:
    """Nats of the sizes and signs of the coefficients, and of the sizes of free exponents."""
    spread = settings.COEFFICIENT_SPREAD
    values = structure.columns.values(problem.variables(nodes), structure.powers(parameters))
    terms = np.sqrt(np.mean(values**2, 0)) + 1e-300
    place = {term: k for k, term in enumerate(structure.columns.terms)}
    total = 0.0
    for i, (begin, _, end) in enumerate(structure.spans):
        above = problem.typical_rates[i] / terms[[place[term] for term in structure.numerators[i]]]
        below = 1 / terms[[place[term] for term in structure.denominators[i]]]
        sizes = np.abs(parameters[begin:end]) / np.concatenate([above, below]) + 1e-300
        total += np.sum(0.5 * ((np.log(sizes) - settings.COEFFICIENT_MEAN) / spread) ** 2 + settings.SIGN)
    exponents = parameters[structure.coefficients :]
    return float(total + np.sum(0.5 * (exponents / settings.EXPONENT_SPREAD) ** 2))
