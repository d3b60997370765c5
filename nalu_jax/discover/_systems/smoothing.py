"""A spline through one state of one trajectory, with as much noise as the likelihood says, or as is given.

The spline is the mean of a Gaussian process, an integrated Wiener process of order 2, 3 or 4, in a basis of B-splines;
order and penalty are those of the largest restricted likelihood (Wahba 1985; the variance is profiled).

>>> import numpy as np
>>> ts = np.linspace(0.0, 3.0, 40)
>>> noisy = np.sin(ts) + 0.01 * np.random.default_rng(0).normal(size=40)
>>> spline = Smoother(ts).spline(noisy)
>>> bool(0.005 < spline.noise < 0.02)
True
"""

from typing import NamedTuple

import numpy as np
from scipy.interpolate import BSpline

from nalu_jax.discover._systems import settings


class Spline(NamedTuple):
    """A function of time and the standard deviation of the noise around it."""

    curve: BSpline
    noise: float


class Smoother:
    """What splines through measurements at the same times share."""

    def __init__(self, ts: np.ndarray):
        self._knots, self._degree = _knots(ts)
        basis = BSpline.design_matrix(ts, self._knots, self._degree).toarray()
        self._q, self._r = np.linalg.qr(basis)
        self._rows = len(ts)
        inverse = np.linalg.inv(self._r)
        self._spectra = []
        for order in settings.ROUGHNESS:
            if order >= self._degree:
                continue
            penalty = inverse.T @ _penalty(self._knots, self._degree, order) @ inverse
            eigenvalues, vectors = np.linalg.eigh((penalty + penalty.T) / 2)
            eigenvalues = np.maximum(eigenvalues, 0.0)
            eigenvalues[:order] = 0.0  # polynomials cost nothing; their rounding errors would
            self._spectra.append((order, eigenvalues, vectors))

    def spline(self, values: np.ndarray, noise: float | None = None) -> Spline:
        """Through values (n_times,); `noise` is its standard deviation where that is given."""
        projected = self._q.T @ values
        outside = max(float(values @ values - projected @ projected), 0.0) if len(projected) < self._rows else 0.0
        best = min(
            (self._fitted(spectrum, projected, outside, noise) for spectrum in self._spectra), key=lambda f: f[0]
        )
        _, smooth, variance = best
        curve = BSpline(self._knots, np.linalg.solve(self._r, smooth), self._degree)
        return Spline(curve, float(np.sqrt(variance)) if noise is None else noise)

    def _fitted(
        self, spectrum: tuple[int, np.ndarray, np.ndarray], projected: np.ndarray, outside: float, noise: float | None
    ) -> tuple[float, np.ndarray, float]:
        """Negative log likelihood, smoothed values in the basis, and variance of the noise, for the best penalty."""
        order, eigenvalues, vectors = spectrum
        turned = vectors.T @ projected
        penalties = np.exp(np.linspace(*settings.PENALTIES))[:, None] * eigenvalues[None, order:]
        shares = penalties / (1 + penalties)
        left = (turned[order:] ** 2 * shares).sum(1) + outside
        degrees = self._rows - order
        variances = left / degrees + np.finfo(float).tiny
        fit = 0.5 * degrees * np.log(variances + 1e-24) if noise is None else 0.5 * left / noise**2
        likelihood = fit - 0.5 * np.log(shares + 1e-300).sum(1)
        best = int(likelihood.argmin())
        shrunk = turned.copy()
        shrunk[order:] /= 1 + penalties[best]
        return float(likelihood[best]), vectors @ shrunk, float(variances[best])


def _knots(ts: np.ndarray) -> tuple[np.ndarray, int]:
    """Knots of a spline with a coefficient for each time, or for each of as many as may be; and its degree."""
    degree = next((each for each in (settings.SPLINE_DEGREE, 5) if len(ts) >= each + 3), 3)
    kept = ts
    if len(ts) > settings.SPLINE_COEFFICIENTS:
        kept = ts[np.linspace(0, len(ts) - 1, settings.SPLINE_COEFFICIENTS).round().astype(int)]
    half = (degree + 1) // 2
    ends = np.full(degree + 1, kept[0]), np.full(degree + 1, kept[-1])
    return np.concatenate([ends[0], kept[half : len(kept) - half], ends[1]]), degree


def _penalty(knots: np.ndarray, degree: int, order: int) -> np.ndarray:
    """(M, M) integrals of products of the basis' derivatives, over a time of 1."""
    points, weights = np.polynomial.legendre.leggauss(4)
    edges = np.unique(knots)
    half = np.diff(edges)[:, None] / 2
    times = (edges[:-1, None] + half * (1 + points)).ravel()
    basis = BSpline(knots, np.eye(len(knots) - degree - 1), degree).derivative(order)(times)
    return (basis * (half * weights).reshape(-1, 1)).T @ basis * (knots[-1] - knots[0]) ** (2 * order - 1)
