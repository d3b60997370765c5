"""The compiled loop: a chunk of steps for all restarts at once, then one validation.

One program serves the whole run: the number of steps in a chunk is an argument, so that a short last chunk costs no
compilation. Inside a step, everything is per restart, and `vmap` does the rest. A restart that is not running (failed,
or out of patience) is computed along and its result thrown away.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax
from jax.sharding import PartitionSpec

from ._calls import call

AXIS = "restarts"
"""The name of the mesh axis over which restarts are spread."""

Tree = Any


class Spec(NamedTuple):
    """What a run computes, without its arrays: hashable, the key of the compiled program."""

    loss: Callable[..., Array]
    init: Callable[..., Tree]
    optimiser: optax.GradientTransformation
    batch: Callable[..., Tree] | None
    batch_size: int | None
    validation: Callable[..., Array] | None
    validation_loss: Callable[..., Array] | None
    metrics: Callable[..., Tree] | None
    penalty: Callable[..., Array] | None
    project: Callable[..., Tree] | None
    shared: int
    patience: int | None
    mesh: Any


class Inputs(NamedTuple):
    """The arrays of a run that do not change. The first two have a leading axis of restarts."""

    keys: "Keys"
    context: Tree
    data: Tree
    held_out: Tree


class Keys(NamedTuple):
    """The random streams of a restart: for its start, its batches and the noise in its loss."""

    init: Array
    batch: Array
    noise: Array


class State(NamedTuple):
    """The state of one restart.

    Attributes:
        params, optimiser_state: as the last finite step left them.
        order: the shuffled rows of this epoch, where minibatches are taken from data.
        failed_at: the step that turned NaN or infinite, -1 where none did.
        validation: the last validation loss.
        best_params, best_validation, best_at: the params of the lowest validation loss, and after how many steps.
        stale: validations since then.
    """

    params: Tree
    optimiser_state: Tree
    order: Array
    failed_at: Array
    validation: Array
    best_params: Tree
    best_validation: Array
    best_at: Array
    stale: Array


class Log(NamedTuple):
    """What one chunk reports of one restart: the mean loss over its steps, the validation loss, the metrics."""

    loss: Array
    validation: Array
    metrics: Tree


def keys_of(key: Array) -> Keys:
    """The three streams of a restart's key."""
    return Keys(*jax.random.split(key, 3))


def start(spec: Spec, keys: Keys, context: Tree, data: Tree) -> State:
    """The state of one restart before the first step."""
    params = jax.tree.map(jnp.asarray, call(spec.init, keys.init, context=context))
    rows = 0 if spec.batch_size is None else jax.tree.leaves(data)[0].shape[0]
    highest = jnp.asarray(jnp.inf, jnp.float32)
    return State(
        params=params,
        optimiser_state=init_optimiser(spec, params),
        order=jnp.arange(rows, dtype=jnp.int32),
        failed_at=jnp.asarray(-1, jnp.int32),
        validation=highest,
        best_params=params,
        best_validation=highest,
        best_at=jnp.asarray(0, jnp.int32),
        stale=jnp.asarray(0, jnp.int32),
    )


def init_optimiser(spec: Spec, params: Tree) -> Tree:
    """The optimiser's state, as arrays; optax itself mixes dtypes."""
    with jax.numpy_dtype_promotion("standard"):
        return jax.tree.map(jnp.asarray, spec.optimiser.init(params))


def is_running(spec: Spec, state: State) -> Array:
    """Whether a restart (or, for batched states, which of them) still learns."""
    running = state.failed_at < 0
    return running if spec.patience is None else running & (state.stale < spec.patience)


def draw_batch(spec: Spec, order: Array, key: Array, step: Array, context: Tree, data: Tree) -> tuple[Tree, Array]:
    """One batch of one restart, and the order of rows to go on with."""
    if spec.batch is not None:
        return call(spec.batch, jax.random.fold_in(key, step), step, context=context), order
    if spec.batch_size is None:
        return data, order
    per_epoch = order.shape[0] // spec.batch_size
    epoch, position = step // per_epoch, step % per_epoch
    shuffle = functools.partial(jax.random.permutation, independent=False)
    order = lax.cond(position == 0, lambda: shuffle(jax.random.fold_in(key, epoch), order), lambda: order)
    rows = lax.dynamic_slice_in_dim(order, position * spec.batch_size, spec.batch_size)
    return jax.tree.map(lambda leaf: leaf[rows], data), order


def update(
    spec: Spec, params: Tree, optimiser_state: Tree, batch: Tree, key: Array, step: Array, context: Tree, last: Array
) -> tuple[Tree, Tree, Array, Array]:
    """One step of the optimiser: params, its state, the loss without penalty, and whether all of it is finite."""

    def objective(params: Tree) -> tuple[Array, Array]:
        loss = call(spec.loss, params, batch, key=key, step=step, context=context)
        if spec.penalty is None:
            return loss, loss
        extras = {"loss": lax.stop_gradient(loss), "validation": last, "context": context}
        return loss + call(spec.penalty, params, step, **extras).astype(loss.dtype), loss

    (total, loss), gradient = jax.value_and_grad(objective, has_aux=True)(params)
    with jax.numpy_dtype_promotion("standard"):
        optimiser = optax.with_extra_args_support(spec.optimiser)
        extras = {"value": total, "grad": gradient, "value_fn": lambda params: objective(params)[0]}
        updates, optimiser_state = optimiser.update(gradient, optimiser_state, params, **extras)
        params = optax.apply_updates(params, updates)
    if spec.project is not None:
        params = call(spec.project, params, step=step, context=context)
    return params, optimiser_state, loss, jnp.isfinite(total) & all_finite(params)


def all_finite(tree: Tree) -> Array:
    """Whether every entry is finite, a scalar."""
    return functools.reduce(jnp.logical_and, [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)])


def select(condition: Array, chosen: Tree, other: Tree) -> Tree:
    """The whole tree `chosen` where the scalar condition holds, else `other`."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), chosen, other)


def validate(spec: Spec, params: Tree, keys: Keys, context: Tree, inputs: Inputs, loss: Array) -> Array:
    """The validation loss of one restart, float32; `loss` is the mean training loss, for a run without data."""
    if spec.validation is not None:
        value = call(spec.validation, params, context=context)
    elif inputs.held_out is None and inputs.data is None:
        value = loss
    else:
        function = spec.loss if spec.validation_loss is None else spec.validation_loss
        rows = inputs.data if inputs.held_out is None else inputs.held_out
        value = call(function, params, rows, key=keys.noise, step=jnp.asarray(-1, jnp.int32), context=context)
    return jnp.asarray(value).astype(jnp.float32)


def finish_chunk(
    spec: Spec, state: State, loss: Array, keys: Keys, context: Tree, inputs: Inputs, stop: Array
) -> tuple[State, Log]:
    """Validate one restart and remember its best params."""
    running = is_running(spec, state)
    validation = validate(spec, state.params, keys, context, inputs, loss)
    better = running & (validation < state.best_validation)
    metrics = None if spec.metrics is None else call(spec.metrics, state.params, context=context)
    state = state._replace(
        validation=validation,
        best_params=select(better, state.params, state.best_params),
        best_validation=jnp.where(better, validation, state.best_validation),
        best_at=jnp.where(better, stop, state.best_at),
        stale=jnp.where(better, 0, state.stale + 1),
    )
    return state, Log(loss, validation, metrics)


def run_chunk(spec: Spec, states: State, inputs: Inputs, start: Array, stop: Array) -> tuple[State, Log]:
    """Steps start, ..., stop - 1 of all restarts, and a validation."""
    running = is_running(spec, states)

    def one(carry, running, validation, keys, batch_key, context, step):
        params, optimiser_state, order, failed_at, total = carry
        batch, order = draw_batch(spec, order, batch_key, step, context, inputs.data)
        noise = jax.random.fold_in(keys.noise, step)
        *new, loss, finite = update(spec, params, optimiser_state, batch, noise, step, context, validation)
        alive = running & (failed_at < 0)
        params, optimiser_state = select(alive & finite, tuple(new), (params, optimiser_state))
        failed_at = jnp.where(alive & ~finite, step, failed_at)
        return params, optimiser_state, order, failed_at, total + loss.astype(jnp.float32)

    arguments = (running, states.validation, inputs.keys, inputs.context)
    carry = (states.params, states.optimiser_state, states.order, states.failed_at)
    carry = (*carry, jnp.zeros_like(states.validation))
    if spec.shared == 1:
        all_at_once = jax.vmap(one, in_axes=(0, 0, 0, 0, 0, 0, None))
        batch_keys = inputs.keys.batch
    else:  # a batch function sees one key for a group, so that its random numbers are drawn once for all of them
        inner = jax.vmap(one, in_axes=(0, 0, 0, 0, None, 0, None))
        all_at_once = jax.vmap(inner, in_axes=(0, 0, 0, 0, 0, 0, None))
        carry, arguments = _grouped((carry, arguments), spec.shared)
        batch_keys = inputs.keys.batch[:: spec.shared]

    running, validation, keys, context = arguments
    carry = lax.fori_loop(
        start, stop, lambda step, carry: all_at_once(carry, running, validation, keys, batch_keys, context, step), carry
    )
    if spec.shared != 1:
        carry = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), carry)
    params, optimiser_state, order, failed_at, total = carry
    states = states._replace(params=params, optimiser_state=optimiser_state, order=order, failed_at=failed_at)
    losses = total / (stop - start).astype(jnp.float32)
    finish = lambda state, loss, keys, context: finish_chunk(spec, state, loss, keys, context, inputs, stop)
    return jax.vmap(finish)(states, losses, inputs.keys, inputs.context)


def _grouped(tree: Tree, shared: int) -> Tree:
    return jax.tree.map(lambda leaf: leaf.reshape(-1, shared, *leaf.shape[1:]), tree)


class Program(NamedTuple):
    """The compiled functions of a run."""

    start: Callable[..., State]
    chunk: Callable[..., tuple[State, Log]]


@functools.lru_cache(maxsize=8)
def compiled(spec: Spec) -> Program:
    """The functions of a spec, jitted; the same spec again costs no compilation."""

    def start_all(inputs: Inputs) -> State:
        return jax.vmap(lambda keys, context: start(spec, keys, context, inputs.data))(inputs.keys, inputs.context)

    def chunk(states: State, inputs: Inputs, first: Array, stop: Array) -> tuple[State, Log]:
        return run_chunk(spec, states, inputs, first, stop)

    if spec.mesh is None:
        return Program(jax.jit(start_all), jax.jit(chunk, donate_argnums=0))
    split, whole = PartitionSpec(AXIS), PartitionSpec()
    spread = Inputs(split, split, whole, whole)  # pyright: ignore[reportArgumentType]
    shard = functools.partial(jax.shard_map, mesh=spec.mesh, check_vma=False)
    return Program(
        jax.jit(shard(start_all, in_specs=(spread,), out_specs=split)),
        jax.jit(shard(chunk, in_specs=(split, spread, whole, whole), out_specs=(split, split)), donate_argnums=0),
    )
