"""What the benchmarks report of a run beside its error: solved at, sparsity error, the step chosen by validation.

>>> import numpy as np
>>> from nalu_jax.tasks import measures
>>> test = np.array([[1.0, 1e-3, 1e-7, 1e-8], [1.0, 0.5, 0.4, 0.4]])
>>> measures.solved_at(test, np.array([0, 1000, 2000, 3000]), 1e-5)
array([2000,   -1])
>>> measures.sparsity_error([np.array([[0.75], [0.01]]), np.array([[-1.0]])])
0.25
"""

from collections.abc import Iterable, Sequence

import numpy as np
from jax.typing import ArrayLike


def solved_at(test_errors: ArrayLike, steps: ArrayLike, threshold: ArrayLike) -> np.ndarray:
    """First logged step of every run whose test error is below the threshold, -1 where none is.

    Args:
        test_errors: (runs, logs).
        steps: (logs,).
        threshold: one for all runs, or (runs,).
    """
    below = np.asarray(test_errors) < np.reshape(threshold, (-1, 1))
    return np.where(below.any(1), np.asarray(steps)[below.argmax(1)], -1)


def chosen_log(validation_errors: np.ndarray) -> np.ndarray:
    """Index of the logged step with the lowest validation error of every run; (runs, logs) -> (runs,).

    A run without any finite error gives its last log.
    """
    errors = np.where(np.isfinite(validation_errors), validation_errors, np.inf).astype(float)
    errors[:, -1] = np.minimum(errors[:, -1], np.finfo(float).max)
    return errors.argmin(1)


def sparsity_error(matrices: Iterable[np.ndarray | Sequence[np.ndarray]]) -> float:
    """How far the worst weight is from -1, 0 or 1: max over layers of max min(|w|, |1 - |w||).

    Args:
        matrices: one entry a layer: its weights; or several matrices whose errors are averaged, as the protocol does
            with re and im of an NPU and with the two matrices of an iNALU. Gates are never counted.

    The field's summaries fit a Beta density to these numbers in a way that halves them; here they are as they are.
    """
    return max(
        float(np.mean([_worst(w) for w in ([layer] if isinstance(layer, np.ndarray) else layer)])) for layer in matrices
    )


def _worst(w: np.ndarray) -> float:
    size = np.abs(np.asarray(w, float))
    return float(np.minimum(size, np.abs(1 - size)).max())
