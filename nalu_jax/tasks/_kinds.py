"""What tasks take beside numbers: keys, shapes, intervals, places of inputs, operations; and how inputs fit together.

>>> from nalu_jax.tasks import draw
>>> draw.uniform(0, (2, 3), (1.0, 2.0))
Traceback (most recent call last):
    ...
TypeError: draw.uniform: key must be a PRNG key, got 0. Pass for example jax.random.key(0).
"""

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .. import _arguments

Kind = _arguments.Kind


def _key_fault(value: Any) -> type[Exception] | None:
    if not isinstance(value, np.ndarray | jax.Array):
        return TypeError
    if jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        return None if value.shape == () else ValueError
    return None if value.dtype == np.uint32 and value.ndim == 1 else TypeError  # of jax.random.PRNGKey


KEY = Kind("a PRNG key", "Pass for example jax.random.key(0).", _key_fault)
SHAPE = Kind(
    "a tuple of integers of at least 0",
    "Pass for example (128, 2).",
    lambda value: _arguments.counts().fault(value) if isinstance(value, tuple | list) else TypeError,
)
DTYPE = _arguments.dtype()
SEED = _arguments.count(0)
DISTRIBUTION = _arguments.function("(key, shape) -> x")


def _bounds_fault(value: Any) -> type[Exception] | None:
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(value)):
        value = jnp.asarray(value)
    fault = _arguments.array(finite=True).fault(value)
    if fault is not None:
        return fault
    shape = np.shape(value)
    return None if shape[-1:] == (2,) and len(shape) in (1, 2) else ValueError


BOUNDS = Kind(
    "one interval (low, high), or an array (pieces, 2) of them, of finite real numbers",
    "Pass for example (1.0, 2.0), or ((-6.0, -2.0), (2.0, 6.0)).",
    _bounds_fault,
)
INTERVALS = Kind(
    "a tuple of one interval (low, high) or two",
    "Pass for example ((1.0, 2.0),).",
    lambda value: _bounds_fault(value) or (None if np.shape(value) in ((1, 2), (2, 2)) else ValueError),
)


def index(size: int | None = None) -> Kind:
    """A whole number of at least 0 and below size, also as an array of shape () that is not known yet."""
    known = _arguments.count(0, None if size is None else size - 1)

    def fault(value: Any) -> type[Exception] | None:
        if isinstance(value, Tracer):
            return None if jnp.issubdtype(value.dtype, jnp.integer) and value.shape == () else TypeError
        return known.fault(value)

    return known._replace(fault=fault)


def operation(names: Iterable[str]) -> Kind:
    """A name, or its place among the names."""
    names = tuple(names)
    name, place = _arguments.choice(*names), index(len(names))
    expected = f"{name.expected}, or {place.expected}"
    return Kind(expected, "", lambda value: (name if isinstance(value, str) else place).fault(value))


def whole_array(what: str, *, axes: int | None = None) -> Kind:
    """An array of integers."""

    def fault(value: Any) -> type[Exception] | None:
        found = _arguments.array(axes=axes).fault(value)
        if found is not None:
            return found
        dtype = value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype
        return None if jnp.issubdtype(dtype, jnp.integer) else TypeError

    return Kind(f"{what} of integers", "Convert it with jnp.asarray(..., int).", fault)


def inputs(function: str, x: Any, n_in: int | None = None) -> Any:
    """x as an array, whose last axis is known to have n_in entries; JAX would take others for those not there.

    Raises:
        ValueError: it has not.
    """
    x = x if hasattr(x, "ndim") else np.asarray(x)
    if x.ndim == 0 or n_in not in (None, x.shape[-1]):
        raise ValueError(f"{function}: x must have shape (..., {n_in or 'n_in'}), got {x.shape}.")
    return x


def check_offset(function: str, offset: Any, used: int, n_in: int) -> None:
    """Raise a ValueError where inputs from offset on, so many as are used, are known to reach beyond the last one."""
    if not isinstance(offset, Tracer) and int(offset) + used > n_in:
        raise ValueError(
            f"{function}: offset must be at most {n_in - used}, so that {used} of {n_in} inputs stand there, "
            f"got {offset}."
        )


def check_alike(function: str, first: str, a: Any, second: str, b: Any) -> None:
    """Raise a ValueError unless two arrays have one shape."""
    if np.shape(a) != np.shape(b):
        raise ValueError(f"{function}: {first} and {second} must have one shape, got {np.shape(a)} and {np.shape(b)}.")
