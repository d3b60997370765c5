"""Derivatives along some of the arguments of a function.

>>> import jax.numpy as jnp
>>> from nalu_jax import _derivatives
>>> one = jnp.ones(())
>>> [float(value) for value in _derivatives.directional(lambda a, b: a * b, (2 * one, 3 * one), (None, one))]
[6.0, 2.0]
"""

from collections.abc import Callable, Sequence

import jax
from jax import Array


def directional(
    function: Callable[..., Array], primals: Sequence[Array], tangents: Sequence[Array | None]
) -> tuple[Array, Array]:
    """`jax.jvp`, where a tangent of None is zero."""
    moving = [index for index, tangent in enumerate(tangents) if tangent is not None]

    def of_moving(*values: Array) -> Array:
        arguments = list(primals)
        for index, value in zip(moving, values, strict=True):
            arguments[index] = value
        return function(*arguments)

    return jax.jvp(of_moving, [primals[index] for index in moving], [tangents[index] for index in moving])
