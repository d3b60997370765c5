"""What the three front ends share: checks that name the layer, the cast to the computation dtype, and where units sit.

A front end registers its classes with `parts_of` and `held_by`, so that what reads whole models (`symbolic`) imports no
framework: whoever has a model with layers in it has imported theirs.

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
from .units._initialisers import Name

Initial = Name | Callable[..., Any]
"""An initialiser by name, or a function (key, shape, dtype) -> array as in `jax.nn.initializers`, boxed or not."""


MEMBER = "jax.tree.map(lambda leaf: leaf[0], params)"
"""What takes the params of one layer out of those of stacked ones."""


class Placed(NamedTuple):
    """One unit of a model.

    Attributes:
        unit: its record, bound to the options of its layer.
        shape: its (n_in, n_out).
        dtype: that its layer computes in; None is the dtype that x and the params promote to.
    """

    unit: Unit
    shape: tuple[int, int]
    dtype: DTypeLike | None = None


Units = Mapping[tuple[str, ...], Placed]
"""The units of a model by the path of their params in the model's tree; list indices count as names."""


class Found(NamedTuple):
    """One unit of a model with its params.

    Attributes:
        path: of its params in the model's tree.
        placed: the unit.
        params: its params, with a leading axis more for every stack that the layer is in.
        indices: of its leaves in the flat tree.
    """

    path: tuple[str, ...]
    placed: Placed
    params: Params
    indices: dict[str, int]


def init_option(leaf: str) -> str:
    """The option that draws a leaf, `<leaf>_init`: the two pairs of NALU and iNALU share theirs."""
    return leaf.replace("_add_", "_").replace("_mul_", "_") + "_init"


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
            got = jnp.shape(params[name])
            cure = f"Pass x with the n_in that the params were made for, or make params for (n_in, n_out) = {shape}."
            if got[-len(expected) :] == expected:
                cure = f"Layers that vmap or scan has stacked are called under it, too; or take one member: {MEMBER}."
            raise ValueError(f"{layer}: leaf {name!r} has shape {got}, expected {expected} for {cause}. {cure}")


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
        raise ValueError(
            f"{layer}: leaf {first!r} must be a matrix, got shape {jnp.shape(params[first])}. "
            f"Of params of stacked layers take one member: {MEMBER}."
        )
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


def in_dtype(params: Mapping[str, Any], dtype: DTypeLike | None) -> Params:
    """Params as a layer with this computation dtype reads them."""
    return {leaf: jnp.asarray(value, dtype) for leaf, value in params.items()}


@functools.singledispatch
def parts_of(model: Any, params: Any) -> list[tuple[Unit, Params]]:
    """For `symbolic.to_sympy`: the units of a layer, or of its framework's Sequential of layers, in the order in which
    x meets them, each with its params: the given ones, or where they are None the model's own.

    Raises:
        TypeError: anything else, of which a front end has registered no class.
    """
    raise TypeError(
        f"to_sympy: expected a unit, a chain, a spec of fast, a layer of nalu_jax.linen, .nnx or .eqx, or a Sequential "
        f"of such layers, got {type(model).__name__}. symbolic.read reads models with other layers around the units."
    )


@functools.singledispatch
def held_by(model: Any, params: Any, *args: Any) -> tuple[Units, Any]:
    """(the units of a model, the tree of its params): the given tree, or where that is None the model's own.

    Every front end registers its framework's modules; here are the containers that may hold some. `args` are what a
    linen model is called with.
    """
    children = (
        model.items() if isinstance(model, Mapping) else enumerate(model) if isinstance(model, list | tuple) else ()
    )
    units: dict[tuple[str, ...], Placed] = {}
    own = {}
    for name, child in children:
        below, own[name] = held_by(child, None, *args)
        units |= {(str(name), *path): placed for path, placed in below.items()}
    return units, own if params is None else params


def gather(caller: str, tree: Any, units: Units) -> list[Found]:
    """Every unit with its params out of a model's tree, after a check of their shapes.

    Raises:
        ValueError: the tree is not that of the model.
    """
    leaves, _ = jax.tree.flatten_with_path(tree)
    found = []
    for path, indices in _indices(caller, leaves, units).items():
        params = {leaf: jnp.asarray(leaves[index][1]) for leaf, index in indices.items()}
        for leaf, shape in units[path].unit.leaves(units[path].shape).items():
            if params[leaf].shape[params[leaf].ndim - len(shape) :] != shape:
                raise ValueError(
                    f"{caller}: leaf {leaf!r} of the {units[path].unit.name} at {'/'.join(path)!r} has shape "
                    f"{params[leaf].shape}, expected {shape}, or (layers, *{shape}) where layers are stacked. "
                    "Pass the params of the model that find_units was given; stack layers along the first axis."
                )
        found.append(Found(path, units[path], params, indices))
    return found


def _indices(caller: str, leaves: list[tuple[Any, Any]], units: Units) -> dict[tuple[str, ...], dict[str, int]]:
    """For every unit, {leaf: its index in the flat tree}."""
    found: dict[tuple[str, ...], dict[str, int]] = {path: {} for path in units}
    names = {path: placed.unit.leaves(placed.shape).keys() for path, placed in units.items()}
    for index, (keys, _) in enumerate(leaves):
        path = path_of(keys)  # what follows the leaf's name is a box, as of nnx.Param or nn.Partitioned
        for depth, name in enumerate(path):
            if name in names.get(path[:depth], ()):
                found[path[:depth]][name] = index
    for path, indices in found.items():
        if missing := sorted(names[path] - indices.keys()):
            raise ValueError(
                f"{caller}: the tree has no leaves {missing} of the {units[path].unit.name} at {'/'.join(path)!r}. "
                'Pass the params of the model that find_units was given (of linen, variables["params"]); of a part of '
                "them, pass that part of units."
            )
    return found


def stack_depth(unit: Unit, params: Mapping[str, Any]) -> int:
    """How many axes of stacked layers, as `nnx.vmap` and `nn.scan` make them, params have before the unit's own."""
    leaf, shape = next(iter(unit.leaves((1, 1)).items()))
    return jnp.ndim(params[leaf]) - len(shape)


def path_of(keys: tuple[Any, ...]) -> tuple[str, ...]:
    """The names in a key path of `jax.tree.flatten_with_path`, whatever the containers are."""
    return tuple(jax.tree_util.keystr((key,), simple=True) for key in keys)
