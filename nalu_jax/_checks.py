"""The checks that every unit makes of its arguments: static facts only, at trace time.

Every message says which unit, what was expected, what came, and the cure.

    >>> import jax.numpy as jnp
    >>> from nalu_jax import nau
    >>> nau.apply({"w": jnp.ones((3, 2))}, jnp.ones(4))
    Traceback (most recent call last):
    ValueError: nau: leaf 'w' has shape (3, 2), expected (4, 2) for x of shape (4,) (n_in is the last axis of x). Pass \
x with the n_in that the params were made for, or make them with nau.init(key, (4, n_out)) and the same options.
"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from ._unit import Leaves, Params, Shape

_DTYPES = ("bfloat16", "float32", "float64")

Domain = Literal["real", "positive"]
"""Which inputs a unit is for: of any sign, or without the handling of signs, where a negative one gives NaN."""


def check_init(unit: str, shape: Shape, dtype: DTypeLike) -> tuple[int, int]:
    """(n_in, n_out) of `shape`, after a check of what `init` was given.

    Raises:
        ValueError: shape is not two positive sizes, or dtype is not bfloat16, float32 or float64.
    """
    if not isinstance(shape, tuple | list) or len(shape) != 2 or not all(_is_size(size) for size in shape):
        raise ValueError(
            f"{unit}.init: shape must be (n_in, n_out), two sizes of at least 1, got {shape!r}. "
            f"For a stack of units use nalu_jax.chain."
        )
    if not jnp.issubdtype(jnp.dtype(dtype), jnp.floating):
        raise ValueError(f"{unit}.init: dtype must be a real floating dtype such as float32, got {jnp.dtype(dtype)}.")
    if fault := _unsupported(dtype):
        raise ValueError(f"{unit}.init: dtype {fault}")
    n_in, n_out = shape
    return int(n_in), int(n_out)


def _unsupported(dtype: DTypeLike) -> str:
    """What is wrong with a floating dtype; empty where nothing is.

    float16 has no range for products of powers (300 squared is beyond it), float8 no digits for their logarithms.
    """
    name = jnp.dtype(dtype).name
    if name in _DTYPES:
        return ""
    return f"must be one of {', '.join(_DTYPES)}, got {name}: its range is too small. Use bfloat16 or float32 instead."


def _is_size(size: Any) -> bool:
    return hasattr(size, "__index__") and not isinstance(size, bool) and size >= 1


def check_option(unit: str, option: str, value: Any, allowed: Sequence[Any]) -> None:
    """Raise a ValueError unless value is one of `allowed`."""
    if value not in allowed:
        raise ValueError(f"{unit}: {option} must be one of {', '.join(map(repr, allowed))}, got {value!r}.")


def is_positive(unit: str, domain: Domain) -> bool:
    """Whether `domain` is "positive"."""
    check_option(unit, "domain", domain, get_args(Domain))
    return domain == "positive"


def check_leaves(unit: str, params: Params, leaves: Leaves) -> Params:
    """The params as JAX arrays, after a check of their names.

    Raises:
        TypeError: params are not a dict.
        ValueError: a leaf is missing, or one too many.
    """
    names = list(leaves((1, 1)))
    cure = f"Make params with {unit}.init(key, (n_in, n_out)) and the same options."
    if not isinstance(params, dict):
        raise TypeError(f"{unit}: params must be a dict with leaves {names}, got {type(params).__name__}. {cure}")
    missing, extra = set(names) - params.keys(), params.keys() - set(names)
    if missing or extra:
        faults = [f"{word} {sorted(those)}" for word, those in (("missing", missing), ("unexpected", extra)) if those]
        raise ValueError(f"{unit}: params need the leaves {names}, got {sorted(params)}: {', '.join(faults)}. {cure}")
    return {name: jnp.asarray(params[name]) for name in names}


def check_input(unit: str, x: ArrayLike) -> Array:
    """x as a JAX array, after a check of its dtype and of its having an input axis.

    Raises:
        TypeError: x is not bfloat16, float32 or float64.
        ValueError: x is a scalar.
    """
    x = jnp.asarray(x)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(
            f"{unit}: x must be real floating point, got {x.dtype}. "
            "Convert it first, for example x.astype(jnp.float32); of complex data pass real parts."
        )
    if fault := _unsupported(x.dtype):
        raise TypeError(f"{unit}: x {fault}")
    if x.ndim == 0:
        raise ValueError(f"{unit}: x must have shape (..., n_in), got a scalar. Pass x[None] for a single input.")
    return x


def check_apply(unit: str, params: Params, x: ArrayLike, leaves: Leaves) -> tuple[Params, Array]:
    """Params and x as JAX arrays, after a check of leaf names, shapes and dtypes.

    Raises:
        TypeError: x is not bfloat16, float32 or float64, or a leaf has another dtype than x.
        ValueError: x has no input axis, or a leaf is missing, one too many, or of the wrong shape.
    """
    x = check_input(unit, x)
    params = check_leaves(unit, params, leaves)
    first = next(iter(params.values()))
    expected = leaves((x.shape[-1], first.shape[-1] if first.ndim else 1))
    for name, leaf in params.items():
        if leaf.shape != expected[name]:
            raise ValueError(
                f"{unit}: leaf {name!r} has shape {leaf.shape}, expected {expected[name]} for x of shape {x.shape} "
                f"(n_in is the last axis of x). Pass x with the n_in that the params were made for, "
                f"or make them with {unit}.init(key, ({x.shape[-1]}, n_out)) and the same options."
            )
        if leaf.dtype != x.dtype:
            raise TypeError(
                f"{unit}: leaf {name!r} is {leaf.dtype} and x is {x.dtype}, expected one dtype. "
                f"Cast one of them: x.astype({leaf.dtype}), or init(..., dtype={x.dtype})."
            )
    return params, x
