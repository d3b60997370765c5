"""Regularisers and projection for whole models: linen, NNX or Equinox, with other layers around the units.

A front end's `find_units` says once where the units of a model are; the functions here take any tree with that model's
params: the params themselves, gradients, an `nnx.State`, an Equinox module, boxed params.

    >>> import jax, optax
    >>> from flax import linen as nn
    >>> import nalu_jax.linen
    >>> from nalu_jax import models, schedules
    >>> model = nn.Sequential([nn.Dense(3), nalu_jax.linen.NAU(2)])
    >>> x, key = jax.numpy.ones((5, 2)), jax.random.key(0)
    >>> units = nalu_jax.linen.find_units(model, key, x)
    >>> [("/".join(path), placed.unit.name, placed.shape) for path, placed in units.items()]
    [('layers_1', 'nau', (3, 2))]

Two lines in a training loop:

    >>> ramp = schedules.linear_ramp(0.01, start=100, end=200)
    >>> def loss(params, x, y, step):
    ...     error = ((model.apply({"params": params}, x) - y) ** 2).mean()
    ...     return error + models.penalty(params, units, scale=ramp(step))
    >>> optimiser = optax.chain(optax.adam(1e-3), models.projection(units))

Penalties and projections are those of the units' papers, as `penalty` and `project` of each unit's module.
Layers that `vmap` or `scan` has stacked along the first axis of their params count each for itself.

Units behind layers that may learn anything
-------------------------------------------

A small loss does not say that a unit has learned the law. Behind a dense, recurrent or convolutional network, f^w and
(c f^a)^(w/a) differ by a constant only: the network takes on scale, power and sign, and may do the arithmetic itself. A
GRU with two features and an NPU, trained on the mean s/n of a sequence, fits it with exponents such as -1.3
and -1.2 of two features that are both near (s/n)^-0.6; `symbolic.read` then shows a formula of those features, which is
none of s and n. What helps, from least to most:

- exponents that can only be simple: `gate_init="ones"`, `clamp="wg"` with `projection`, the real NPU, the NMU, the
  papers' penalties. They end near -1, 0 and 1, but the features may still be any mixture of s and n;
- features that mean something: a term of the loss that ties each of them to its quantity (s, n) on some rows where that
  is known, or layers that compute it (a sum, a count) in place of free ones. With it the exponents of a RealNPU go
  to 1 and -1;
- a test outside of the training range, which a mixture fails.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.typing import ArrayLike

from . import _arguments
from ._front import Found, Placed, Units, gather, stack_depth


@_arguments.checked(
    "models.penalty",
    params=_arguments.tree(modules=True),
    units=_arguments.mapping("what a front end's find_units returned", Placed),
    scale=_arguments.either(_arguments.number(), _arguments.mapping("one for each unit's name")),
)
def penalty(params: Any, units: Units, *, scale: ArrayLike | Mapping[str, ArrayLike] = 1.0) -> Array:
    """Sum of the penalties of all units, a scalar in the widest dtype of their params.

    Args:
        params: a tree with the params of the model.
        units: from the front end's `find_units`.
        scale: a factor, for example a schedule's value at this step; or one for each unit's name that the model has,
            as the papers have (`{"nau": 0.01, "nmu": 10.0}`).

    Raises:
        ValueError: params are not those of the model, or a unit has no scale.
    """
    found = gather("models", params, units)
    terms = [_scaled(_penalty(each), each.placed, scale) for each in found]
    dtype = max(
        (term.dtype for term in terms), key=lambda dtype: dtype.itemsize, default=jax.dtypes.canonicalize_dtype(float)
    )
    return sum((term.astype(dtype) for term in terms), jnp.zeros((), dtype))


@_arguments.checked(
    "models.project",
    params=_arguments.tree(modules=True),
    units=_arguments.mapping("what a front end's find_units returned", Placed),
)
def project(params: Any, units: Units) -> Any:
    """The tree with the params of every unit projected, everything else as it is.

    Raises:
        ValueError: params are not those of the model.
    """
    values, treedef = jax.tree.flatten(params)
    for found in gather("models", params, units):
        projected = found.placed.unit.project(found.params)
        for leaf, index in found.indices.items():
            values[index] = projected[leaf]
    return jax.tree.unflatten(treedef, values)


@_arguments.checked("models.projection", units=_arguments.mapping("what a front end's find_units returned", Placed))
def projection(units: Units) -> optax.GradientTransformation:
    """An optimiser's last step: changes its updates so that the updated params are projected ones.

    Chain it behind the optimiser: `optax.chain(optax.adam(1e-3), models.projection(units))`. The optimiser's state is
    not touched, and updates that leave the params where projection would leave them pass unchanged. A weight that is
    clamped from far outside may end within a rounding error of its bound, on the inner side.

    The transformation raises a ValueError if it is not given the params, or they are not those of the model.
    """

    def init(params):
        gather("models", params, units)  # an early error for a tree of something else
        return optax.EmptyState()

    def update(updates, state, params=None):
        if params is None:
            raise ValueError("models.projection: update needs the params: optimiser.update(grads, state, params).")
        stepped = optax.apply_updates(params, updates)
        projected = project(stepped, units)
        trees = (updates, params, stepped, projected)
        return jax.tree.map(_towards, *trees, is_leaf=lambda leaf: leaf is None), state

    return optax.GradientTransformation(init, update)


def _towards(update: Array | None, param: Array, stepped: Array, projected: Array) -> Array | None:
    """The update that takes param to projected; `update` itself where the step did not leave the projection."""
    if update is None or stepped is projected:  # not trained, or not of a unit
        return update
    exact = projected - param
    # param + exact may miss projected by a rounding error; then a neighbour of exact may hit it, and if none does, the
    # sum must at least stay inside: from where the step has gone, inwards
    up, down = jnp.full_like(exact, jnp.inf), jnp.full_like(exact, -jnp.inf)
    beyond = stepped > projected
    outward, inward = (jnp.nextafter(exact, jnp.where(beyond, *ends)) for ends in ((up, down), (down, up)))
    inside = jnp.where(beyond, param + exact < projected, param + exact > projected)
    chosen = jnp.where(inside, exact, inward)
    for candidate in (inward, outward, exact):
        chosen = jnp.where(param + candidate == projected, candidate, chosen)
    return jnp.where(stepped == projected, update, chosen.astype(update.dtype))


def _scaled(term: Array, placed: Placed, scale: ArrayLike | Mapping[str, ArrayLike]) -> Array:
    if isinstance(scale, Mapping):
        if placed.unit.name not in scale:
            raise ValueError(
                f"models.penalty: scale has no entry for the unit {placed.unit.name!r}, got {sorted(scale)}. "
                "Give every unit of the model a scale, 0.0 for none."
            )
        scale = scale[placed.unit.name]
    return term * jnp.asarray(scale, term.dtype)


def _penalty(found: Found) -> Array:
    """The unit's penalty, summed over the layers that are stacked in its params."""
    function = found.placed.unit.penalty
    for _ in range(stack_depth(found.placed.unit, found.params)):
        function = jax.vmap(function)
    return jnp.sum(function(found.params))
