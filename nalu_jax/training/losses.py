"""Losses: scalars of predictions and targets of one shape.

>>> import jax.numpy as jnp
>>> from nalu_jax import real_naive_npu
>>> from nalu_jax.training import losses
>>> params, x = {"re": jnp.array([[1.0], [-1.0]])}, jnp.array([[6.0, -2.0]])
>>> m, v = real_naive_npu.log_polar(params, x)  # apply(params, x) == exp(m) * cos(v)
>>> losses.log_magnitude(m, jnp.array([[-3.0]])).round(6)
Array(0., dtype=float32)
"""

import jax.numpy as jnp
from jax import Array

from .. import _arguments
from .._numerics import absolute, log


@_arguments.checked("losses.mse", predicted=_arguments.array(), target=_arguments.array())
def mse(predicted: Array, target: Array) -> Array:
    """mean((predicted - target)^2)."""
    return jnp.mean(_difference("losses.mse", predicted, target) ** 2)


@_arguments.checked(
    "losses.huber", predicted=_arguments.array(), target=_arguments.array(), delta=_arguments.number(0.0)
)
def huber(predicted: Array, target: Array, *, delta: float = 1.0) -> Array:
    """mean of e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2), with e = predicted - target."""
    size = absolute(_difference("losses.huber", predicted, target))
    return jnp.mean(jnp.where(size <= delta, 0.5 * size**2, delta * (size - 0.5 * delta)))


@_arguments.checked(
    "losses.relative", predicted=_arguments.array(), target=_arguments.array(), floor=_arguments.number(0.0)
)
def relative(predicted: Array, target: Array, *, floor: float = 1e-6) -> Array:
    """mean(((predicted - target) / max(|target|, floor))^2)."""
    difference = _difference("losses.relative", predicted, target)
    return jnp.mean((difference / jnp.maximum(jnp.abs(jnp.asarray(target)), floor)) ** 2)


def _difference(caller: str, predicted: Array, target: Array) -> Array:
    """predicted - target, after a check that they are of one shape: (n, 1) and (n,) would make (n, n) of it."""
    predicted, target = jnp.asarray(predicted), jnp.asarray(target)
    if predicted.shape != target.shape:
        raise ValueError(
            f"{caller}: predictions and target must have one shape, got {predicted.shape} and {target.shape}. "
            "Take one column, for example predicted[:, 0], or reshape the other."
        )
    return predicted - target


@_arguments.checked(
    "losses.log_magnitude", log_size=_arguments.array(whole=False), target=_arguments.array(whole=False)
)
def log_magnitude(log_size: Array, target: Array) -> Array:
    """mean((log_size - log|target|)^2), for units whose output is exp(log_size) times a factor of sign.

    `log_polar` of the NPU family gives log_size. The logarithm of the output itself would be singular where the factor
    of sign is 0, and traps the phases of half-open gates; this loss leaves signs to the powers that it finds. A target
    of 0 counts as the smallest normal number.
    """
    log_target = log(jnp.abs(jnp.asarray(target)))
    return jnp.mean(_difference("losses.log_magnitude", log_size, log_target) ** 2)
