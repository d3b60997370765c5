"""What the three front ends share: checks that name the layer, the cast to the computation dtype, and where units sit.

>>> import jax
>>> from nalu_jax import _front, npu
>>> _front.shape_of("NPU", npu.UNIT, npu.init(jax.random.key(0), (2, 6)))
(2, 6)
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from ._unit import Params, Shape, Unit

Initial = str | Callable[..., Any]
"""An initialiser by name, or a function (key, shape, dtype) -> array as in `jax.nn.initializers`, boxed or not."""


class Placed(NamedTuple):
    """One unit of a model.

    Attributes:
        unit: its record, bound to the options of its layer.
        shape: its (n_in, n_out).
    """

    unit: Unit
    shape: tuple[int, int]


Units = Mapping[tuple[str, ...], Placed]
"""The units of a model by the path of their params in the model's tree; list indices count as names."""


@functools.cache
def options_of(unit: Unit) -> dict[str, Any]:
    """Every option of a unit with its default, `<leaf>_init` included."""
    return unit.defaults


def option_of(leaf: str) -> str:
    """The word that stands for a leaf in `<leaf>_init`: the two pairs of NALU and iNALU share one."""
    return leaf.replace("_add_", "_").replace("_mul_", "_")


def is_initial(option: str) -> bool:
    """Whether an option's name is that of an initialiser."""
    return option.endswith("_init")


def check_sizes(layer: str, n_in: Any, n_out: Any) -> None:
    """Raise a ValueError unless both are sizes of at least 1."""
    for name, size in (("n_in", n_in), ("n_out", n_out)):
        if not hasattr(size, "__index__") or isinstance(size, bool) or size < 1:
            raise ValueError(f"{layer}: {name} must be an integer of at least 1, got {size!r}.")


def check_dtype(layer: str, name: str, dtype: DTypeLike | None) -> None:
    """Raise a ValueError unless dtype is None or real floating."""
    if dtype is not None and not jnp.issubdtype(jnp.dtype(dtype), jnp.floating):
        raise ValueError(
            f"{layer}: {name} must be a real floating dtype such as jnp.float32, got {jnp.dtype(dtype).name}."
        )


def check_leaves(layer: str, unit: Unit, params: Any, *, partial: bool = False) -> None:
    """Raise unless params are a mapping with the leaves of `unit`; with `partial`, some of them are enough.

    Raises:
        TypeError: params are not a mapping.
        ValueError: a leaf is missing, or one too many.
    """
    names = list(unit.leaves((1, 1)))
    if not isinstance(params, Mapping):
        raise TypeError(f"{layer}: params must be a dict with leaves {names}, got {type(params).__name__}.")
    if params.keys() - set(names) or (not partial and set(names) - params.keys()):
        raise ValueError(
            f"{layer}: params need the leaves {names}, got {sorted(params)}. These are params of another unit or of "
            f"other options: use the layer that they were made by, or make params with this one."
        )


def check_shapes(layer: str, unit: Unit, params: Mapping[str, Any], shape: Shape, cause: str) -> None:
    """Raise a ValueError unless every leaf has its shape for (n_in, n_out) = shape; `cause` says where that is from."""
    for name, expected in unit.leaves(shape).items():
        if name in params and jnp.shape(params[name]) != expected:
            raise ValueError(
                f"{layer}: leaf {name!r} has shape {jnp.shape(params[name])}, expected {expected} for {cause}. "
                f"Pass x with the n_in that the params were made for, or make params for (n_in, n_out) = {shape}."
            )


def check_width(layer: str, x: Array, n_in: int) -> None:
    """Raise a ValueError unless the last axis of x has n_in entries."""
    if x.shape[-1] != n_in:
        raise ValueError(
            f"{layer}: x has shape {x.shape}, expected (..., {n_in}), as the layer was made with n_in={n_in}. "
            f"Pass x with {n_in} entries in its last axis, or make the layer with n_in={x.shape[-1]}."
        )


def shape_of(layer: str, unit: Unit, params: Any) -> tuple[int, int]:
    """(n_in, n_out) of functional params, after a check of all leaves.

    Raises:
        TypeError: params are not a mapping.
        ValueError: a leaf is missing, one too many, or of a shape that does not fit the others.
    """
    check_leaves(layer, unit, params)
    first, (rows, _) = next(iter(unit.leaves((1, 1)).items()))
    if len(jnp.shape(params[first])) != 2:
        raise ValueError(f"{layer}: leaf {first!r} must be a matrix, got shape {jnp.shape(params[first])}.")
    height, n_out = jnp.shape(params[first])
    shape = (height // rows, n_out)
    check_shapes(layer, unit, params, shape, f"(n_in, n_out) = {shape}, read off the first leaf")
    return shape


def cast(layer: str, dtype: DTypeLike | None, x: Array, params: Params) -> tuple[Array, Params]:
    """x and params in one dtype: the given one, or where it is None the one they promote to.

    Raises:
        TypeError: dtype is None, and JAX's promotion rules (strict ones, for example) have no common dtype.
    """
    if dtype is None:
        dtypes = sorted({str(leaf.dtype) for leaf in params.values()})
        try:
            dtype = jnp.result_type(x, *params.values())
        except ValueError as error:
            raise TypeError(
                f"{layer}: x is {x.dtype} and params are {', '.join(dtypes)}, which JAX does not promote. "
                f"Cast x, or give the layer a computation dtype, for example dtype=jnp.{x.dtype}."
            ) from error
    return x.astype(dtype), jax.tree.map(lambda leaf: leaf.astype(dtype), params)


def forward(
    layer: str, apply: Callable[..., Array], params: Mapping[str, Any], x: Array, dtype: DTypeLike | None
) -> Array:
    """apply(params, x) in the computation dtype; every front end computes here."""
    x, params = cast(layer, dtype, x, {name: jnp.asarray(leaf) for name, leaf in params.items()})
    return apply(params, x)


def path_of(keys: tuple[Any, ...]) -> tuple[str, ...]:
    """The names in a key path of `jax.tree.flatten_with_path`, whatever the containers are."""
    return tuple(jax.tree_util.keystr((key,), simple=True) for key in keys)
