"""What residuals tell: whether something smooth is left in them, and whether single rows stand out.

>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> x = rng.uniform(size=(60, 1))
>>> noise = rng.normal(size=60)
>>> lack_of_fit(x, noise) < 2 < lack_of_fit(x, noise + 2 * np.sin(9 * x[:, 0]))
True
"""

import math

import numpy as np

from nalu_jax.discover._engine import settings


def lack_of_fit(inputs: np.ndarray, residuals: np.ndarray) -> float:
    """Nats by which a smooth function and noise explain residuals (rows,) better than noise alone.

    The log ratio of marginal likelihoods of a Gaussian process of inputs (rows, n) and of noise, whose kernel is with
    equal prior one of all columns, of each, or the sum of each (Rasmussen, Williams 2006): the more columns, the more
    kernels there are to choose from, which noise alone must not profit from.

    Args:
        inputs: columns that vary; at most `settings.SMOOTHED_ROWS` rows are used, evenly taken.
        residuals: with equal errors.
    """
    inputs, residuals = _few_rows(inputs, residuals)
    if not inputs.shape[1] or not residuals.any():
        return 0.0
    standard = (inputs - inputs.mean(0)) / np.maximum(inputs.std(0), 1e-300)
    gains = [max(0.0, _gain(kernel, residuals)) for kernel in _kernels(standard)]
    return float(np.logaddexp.reduce(gains) - math.log(len(gains)))


def _kernels(standard: np.ndarray) -> list[np.ndarray]:
    squares = [(column[:, None] - column) ** 2 for column in standard.T]
    each = [np.exp(-square / (2 * settings.SMOOTH_SINGLE**2)) for square in squares]
    mean = np.mean(squares, axis=0)
    joint = [np.exp(-mean / (2 * length**2)) for length in settings.SMOOTH_JOINT]
    if len(each) == 1:
        return [*joint, *each]
    return [*joint, np.mean(each, axis=0), *each]


def _gain(kernel: np.ndarray, residuals: np.ndarray) -> float:
    eigenvalues, vectors = np.linalg.eigh(kernel)
    squares = (vectors.T @ residuals) ** 2
    spread = 1 + np.array(settings.SMOOTH_RATIOS)[:, None] * np.maximum(eigenvalues, 0)
    left = (squares / spread).sum(1) / squares.sum()
    return float((-0.5 * np.log(spread).sum(1) - 0.5 * len(residuals) * np.log(left)).max())


def waves_left(inputs: np.ndarray, residuals: np.ndarray) -> float:
    """Nats by which one wave along an input and noise explain residuals (rows,) better than noise alone, at least 0.

    The largest peak of the periodograms of inputs (rows, n), less what its choice and its two amplitudes cost; waves of
    more than two cycles, since slower ones are what `lack_of_fit` sees (Lomb 1976, "Least-squares frequency analysis of
    unequally spaced data").

    Args:
        inputs: columns that vary; at most `settings.SMOOTHED_ROWS` rows are used, evenly taken.
        residuals: with equal errors.
    """
    inputs, residuals = _few_rows(inputs, residuals)
    rows = len(residuals)
    cycles = np.arange(2, min(settings.MOST_CYCLES, rows / 2), 0.5)
    if not inputs.shape[1] or not residuals.any() or rows < settings.ROBUST_ROWS:
        return 0.0
    phase = 2 * np.pi * cycles[:, None, None] * ((inputs - inputs.min(0)) / np.maximum(np.ptp(inputs, 0), 1e-300)).T
    waves = np.stack([np.sin(phase), np.cos(phase)], -2).reshape(-1, 2, rows)
    gram, along = waves @ waves.swapaxes(1, 2), waves @ residuals
    explained = np.einsum("fi,fi->f", along, np.linalg.solve(gram + 1e-9 * rows * np.eye(2), along[..., None])[..., 0])
    share = min(float(explained.max() / (residuals @ residuals)), 1 - 1e-12)
    return max(0.0, -rows / 2 * math.log1p(-share) - math.log(len(waves)) - math.log(rows))


def _few_rows(inputs: np.ndarray, residuals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows = len(residuals)
    if rows <= settings.SMOOTHED_ROWS:
        return inputs, residuals
    kept = np.linspace(0, rows - 1, settings.SMOOTHED_ROWS).astype(int)
    return inputs[kept], residuals[kept]


def kurtosis(residuals: np.ndarray) -> float:
    """Fourth moment of residuals about 0 by the square of the second: 3 of normal noise."""
    second = np.mean(residuals**2)
    return float(np.mean(residuals**4) / max(second**2, 1e-300))


SIGMA_BY_MEDIAN = 1.4826  # of normal noise: standard deviation by the median of sizes


def robust_weights(residuals: np.ndarray) -> np.ndarray:
    """(rows,) weights that residuals have under Student's t distribution, about 1 for most of them."""
    return student_weights(residuals / (SIGMA_BY_MEDIAN * np.median(np.abs(residuals)) + 1e-300))


def student_weights(standard: np.ndarray) -> np.ndarray:
    """(rows,) the same of residuals by their scale.

    Lange, Little, Taylor (1989), "Robust statistical modeling using the t distribution".
    """
    degrees = settings.STUDENT_DEGREES
    return np.sqrt((degrees + 1) / (degrees + standard**2))


def lost_information(robust: bool) -> float:
    """Factor of the variance of fitted numbers where `robust_weights` were used; 1 where they were not.

    Weights that follow the residuals say less than weights that were known: Student's t with v degrees of freedom has
    (v + 1) / (v + 3) of the information that its weights alone seem to have (Lange, Little, Taylor 1989, as above).
    """
    degrees = settings.STUDENT_DEGREES
    return (degrees + 3) / (degrees + 1) if robust else 1.0
