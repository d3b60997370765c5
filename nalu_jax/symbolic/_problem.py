"""What `prune`, `snap` and `standard_errors` are made of: a loss of one flat vector of which some entries are free.

Which entries are free is data, so one compiled program refits every formula on the way, several of them at once.

>>> import jax.numpy as jnp
>>> from nalu_jax.symbolic import _problem
>>> tree = {"a": jnp.array([1.0, 2.0]), "b": jnp.array([[3.0]])}
>>> structure = _problem.structure_of("prune", tree)
>>> _problem.flatten(tree), structure.names
(Array([1., 2., 3.], dtype=float32), ("['a'][0]", "['a'][1]", "['b'][0, 0]"))
"""

import itertools
import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .. import _solvers
from .._recall import while_alive

Tree = Any
MEMORY = 10  # of L-BFGS


class Structure(NamedTuple):
    """How a flat vector is a tree. Static, hashable.

    Attributes:
        treedef: of the tree.
        shapes: of its leaves.
        leaf_names: the last key of each leaf's path, that of a box around it left out.
        names: of every entry, as a path with indices.
    """

    treedef: Any
    shapes: tuple[tuple[int, ...], ...]
    leaf_names: tuple[str, ...]
    names: tuple[str, ...]


class Programs(NamedTuple):
    """Compiled functions of (theta, free, ..., data); theta (p,) float, free (p,) bool.

    Attributes:
        loss: (theta, data) -> scalar.
        refit: (theta, free, pinnable, pins, floor, data), the first two (candidates, p) -> the same two and the losses.
        curvature: (theta, free, data), the first two (candidates, p) -> (candidates, p, p), the Hessian of the loss, of
            residuals that of Gauss and Newton; 0 where an entry is not free.
    """

    loss: Callable[..., Array]
    refit: Callable[..., tuple[Array, Array, Array]]
    curvature: Callable[..., Array]


class Problem(NamedTuple):
    """A loss, where it starts, and what its BIC needs. theta and free are (p,) arrays of NumPy."""

    structure: Structure
    programs: Programs
    theta: np.ndarray
    free: np.ndarray
    data: Tree
    rows: int


def structure_of(caller: str, tree: Tree) -> Structure:
    """The structure of params.

    Raises:
        TypeError: no leaves, leaves that are not real floating point, or of more than one dtype.
    """
    leaves, treedef = jax.tree.flatten_with_path(tree)
    arrays = [jnp.asarray(leaf) for _, leaf in leaves]
    dtypes = sorted({str(array.dtype) for array in arrays})
    if len(dtypes) != 1 or not jnp.issubdtype(dtypes[0], jnp.floating):
        raise TypeError(
            f"{caller}: params must be a tree of real floating point arrays of one dtype, got {dtypes or 'no arrays'}. "
            "Cast them first, for example jax.tree.map(lambda leaf: leaf.astype(jnp.float64), params)."
        )
    names = []
    for (path, _), array in zip(leaves, arrays, strict=True):
        indices = itertools.product(*map(range, array.shape))
        names += [jax.tree_util.keystr(path) + (str(list(index)) if index else "") for index in indices]
    leaf_names = tuple(_leaf_name(path) for path, _ in leaves)
    return Structure(treedef, tuple(array.shape for array in arrays), leaf_names, tuple(names))


def _leaf_name(path: tuple[Any, ...]) -> str:
    is_boxed = len(path) > 1 and getattr(path[-1], "name", None) == "value"  # as in nnx.Param and nn.Partitioned
    return jax.tree_util.keystr(path[-2:-1] if is_boxed else path[-1:], simple=True) if path else ""


def flatten(tree: Tree) -> Array:
    """All leaves as one vector."""
    return jnp.concatenate([jnp.asarray(leaf).reshape(-1) for leaf in jax.tree.leaves(tree)])


def unflatten(structure: Structure, theta: Any) -> Tree:
    """The tree of a vector, NumPy's or JAX's."""
    stops = np.cumsum([math.prod(shape) for shape in structure.shapes]).tolist()
    parts = [theta[stop - math.prod(shape) : stop] for stop, shape in zip(stops, structure.shapes, strict=True)]
    leaves = [part.reshape(shape) for part, shape in zip(parts, structure.shapes, strict=True)]
    return jax.tree.unflatten(structure.treedef, leaves)


def mask_of(caller: str, name: str, structure: Structure, mask: Tree) -> np.ndarray:
    """(p,) booleans of a tree of booleans like params; all True for None.

    Raises:
        ValueError: the tree is not like params.
    """
    size = len(structure.names)
    if mask is None:
        return np.ones(size, bool)
    leaves, treedef = jax.tree.flatten(mask)
    shapes = tuple(np.shape(leaf) for leaf in leaves)
    if treedef != structure.treedef or shapes != structure.shapes:
        raise ValueError(
            f"{caller}: {name} must be a tree of booleans like params, with shapes {list(structure.shapes)}, got "
            f"{treedef} with shapes {list(shapes)}. Start from jax.tree.map(lambda leaf: jnp.ones(leaf.shape, bool), "
            "params)."
        )
    return np.concatenate([np.asarray(leaf, bool).reshape(-1) for leaf in leaves])


def problem_of(
    caller: str, loss: Callable[..., Array], params: Tree, data: Tree, free: Tree, rows: int | None, steps: int
) -> Problem:
    """The problem of the public arguments, after their checks.

    Raises:
        TypeError: loss is not hashable, or params are not float arrays of one dtype.
        ValueError: a loss that is not finite, a mask that does not fit, or no rows to count.
    """
    structure = structure_of(caller, params)
    if not isinstance(loss, Hashable):
        raise TypeError(f"{caller}: loss must be hashable, to compile it once: pass a function, got {loss!r}.")
    programs = programs_of(loss, structure, steps)
    theta = flatten(params)
    value = float(programs.loss(theta, data))
    if not math.isfinite(value):
        raise ValueError(f"{caller}: the loss of params on data is {value}. Check both for NaN, or start elsewhere.")
    if rows is None:
        rows = _count_rows(caller, jax.eval_shape(lambda p, d: _values(loss, p, d), params, data).shape, data)
    return Problem(structure, programs, np.asarray(theta), mask_of(caller, "free", structure, free), data, rows)


def check_counts(caller: str, counts: Mapping[str, int]) -> None:
    """Raise a ValueError unless every count is at least 1."""
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{caller}: {name} must be at least 1, got {count}.")


def _count_rows(caller: str, shape: tuple[int, ...], data: Tree) -> int:
    if shape:
        return math.prod(shape)
    leaves = jax.tree.leaves(data)
    if not leaves or not np.shape(leaves[0]):
        raise ValueError(f"{caller}: of a scalar loss without data the number of residuals is unknown; pass rows=n.")
    return np.shape(leaves[0])[0]


def _values(loss: Callable[..., Array], params: Tree, data: Tree) -> Array:
    return jnp.asarray(loss(params) if data is None else loss(params, data))


def _mean_square(values: Array) -> Array:
    return values if values.ndim == 0 else jnp.mean(jnp.square(values))


@while_alive(maxsize=16)
def programs_of(recall: Callable[[], tuple[Callable[..., Array], Structure, int]]) -> Programs:
    """The compiled functions of a loss, for params of one structure, with so many steps of a refit."""
    _, structure, steps = recall()
    del _  # what is compiled does not hold the user's functions

    def values(theta: Array, data: Tree) -> Array:
        loss, *_ = recall()
        return _values(loss, unflatten(structure, theta), data)

    def mean(theta: Array, data: Tree) -> Array:
        return _mean_square(values(theta, data))

    def fit(theta: Array, free: Array, data: Tree) -> Array:
        """theta with its free entries fitted, no worse than before."""
        at = lambda moved: values(jnp.where(free, moved, theta), data)
        if jax.eval_shape(at, theta).ndim == 0:
            fitted = _solvers.lbfgs(at, theta, steps=steps, memory=MEMORY)
        else:
            fitted = _least_squares(at, theta, free, steps)
        fitted = jnp.where(free, fitted, theta)
        before, after = mean(theta, data), mean(fitted, data)
        better = jnp.isfinite(after) & jnp.all(jnp.isfinite(fitted)) & ~(after > before)
        return jnp.where(better, fitted, theta)

    def refit(
        theta: Array, free: Array, pinnable: Array, pins: Array, floor: Array, data: Tree
    ) -> tuple[Array, Array, Array]:
        """fit, then entries that change nothing are pinned: all at once, or none."""
        theta = fit(theta, free, data)
        slopes = _jacobian(lambda moved: values(moved, data), theta)
        inert = free & pinnable & jnp.all(slopes == 0, axis=0)
        loss_before, without = mean(theta, data), jnp.where(inert, pins, theta)
        same = mean(without, data) <= loss_before + 1e-3 * floor
        theta, free = jnp.where(same, without, theta), jnp.where(same, free & ~inert, free)
        return theta, free, mean(theta, data)

    def curvature(theta: Array, free: Array, data: Tree) -> Array:
        at = lambda moved: values(moved, data)
        if jax.eval_shape(at, theta).ndim == 0:
            hessian = jax.hessian(at)(theta)
        else:
            slopes = _jacobian(at, theta)
            hessian = 2 / slopes.shape[0] * (slopes.T @ slopes)
        return jnp.where(jnp.logical_and.outer(free, free), hessian, 0)

    lanes = (0, 0, None, None, None, None)
    return Programs(jax.jit(mean), jax.jit(jax.vmap(refit, lanes)), jax.jit(jax.vmap(curvature, (0, 0, None))))


def _least_squares(residuals: Callable[[Array], Array], theta: Array, free: Array, steps: int) -> Array:
    """theta by Levenberg-Marquardt, whose damping takes all params for equally large: in units in which they are.

    The unit of an entry is the one in which its column of the Jacobian is of unit length; residuals are in units of
    what the entries with the largest effect contribute. So a coefficient of 9e9 beside an exponent of 2 does no harm.
    """
    lengths = jnp.where(free, jnp.linalg.norm(_jacobian(residuals, theta), axis=0), 0)
    effect = jnp.max(lengths * jnp.abs(theta))
    usable = jnp.isfinite(effect) & (effect > 0)
    effect = jnp.where(usable, effect, 1)
    units = jnp.where(usable & (lengths > 0), effect / jnp.where(lengths > 0, lengths, 1), 1)
    small = float(jnp.finfo(theta.dtype).eps) ** (2 / 3)
    scaled = lambda moved: residuals(moved * units) / effect
    return units * _solvers.levenberg_marquardt(scaled, theta / units, steps=steps, rtol=small, atol=small)


def _jacobian(function: Callable[[Array], Array], theta: Array) -> Array:
    """(values, p), forward where there are more values than entries."""
    size = math.prod(jax.eval_shape(function, theta).shape)
    derivative = jax.jacfwd if size > theta.size else jax.jacrev
    return derivative(function)(theta).reshape(-1, theta.size)
