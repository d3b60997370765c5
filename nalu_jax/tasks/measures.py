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
from typing import Any

import numpy as np
from jax.typing import ArrayLike

from .. import _arguments


@_arguments.checked(
    "measures.solved_at",
    test_errors=_arguments.array(axes=2),
    steps=_arguments.array(axes=1),
    threshold=_arguments.array(),
)
def solved_at(test_errors: ArrayLike, steps: ArrayLike, threshold: ArrayLike) -> np.ndarray:
    """First logged step of every run whose test error is below the threshold, -1 where none is.

    Args:
        test_errors: (runs, logs).
        steps: (logs,).
        threshold: one for all runs, or (runs,).
    """
    runs, logs = np.shape(test_errors)
    _arguments.check_shape("measures.solved_at", "steps", steps, (logs,), "One for each log.")
    if np.ndim(threshold):
        _arguments.check_shape("measures.solved_at", "threshold", threshold, (runs,), "One, or one for each run.")
    below = np.asarray(test_errors) < np.reshape(threshold, (-1, 1))
    return np.where(below.any(1), np.asarray(steps)[below.argmax(1)], -1)


@_arguments.checked("measures.chosen_log", validation_errors=_arguments.array(axes=2))
def chosen_log(validation_errors: np.ndarray) -> np.ndarray:
    """Index of the logged step with the lowest validation error of every run; (runs, logs) -> (runs,).

    A run without any finite error gives its last log.
    """
    errors = np.where(np.isfinite(validation_errors), validation_errors, np.inf).astype(float)
    errors[:, -1] = np.minimum(errors[:, -1], np.finfo(float).max)
    return errors.argmin(1)


def sparsity_error(matrices: Iterable[ArrayLike | Sequence[ArrayLike]]) -> float:
    """How far the worst weight is from -1, 0 or 1: max over layers of max min(|w|, |1 - |w||).

    Args:
        matrices: one entry a layer: its weights; or several matrices whose errors are averaged, as the protocol does
            with re and im of an NPU and with the two matrices of an iNALU. Gates are never counted.

    The field's summaries fit a Beta density to these numbers in a way that halves them; here they are as they are.
    """
    layers = [_matrices(layer) for layer in matrices] if isinstance(matrices, Iterable) else []
    if not layers or not all(layers) or isinstance(matrices, np.ma.MaskedArray):
        raise TypeError(
            "measures.sparsity_error: matrices must be a list with the weights of at least one layer, got "
            f"{_arguments.described(matrices)}."
        )
    return max(float(np.mean([_worst(w) for w in layer])) for layer in layers)


def _matrices(layer: Any) -> list[Any]:
    return list(layer) if isinstance(layer, list | tuple) else [layer]


def _worst(w: Any) -> float:
    _arguments.check("measures.sparsity_error", "the weights of a layer", w, _arguments.array())
    size = np.abs(np.asarray(w, float))
    return float(np.minimum(size, np.abs(1 - size)).max())
