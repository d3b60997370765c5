"""The loop: a chunk of steps for a group of restarts at once, then one validation.

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

from .._trees import all_finite, join, select, split
from ._calls import call
from ._checks import check_like, check_params, scalar
from ._draws import in_one_piece

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
    reinitialise: "Reinitialise | None"
    window: int
    shared: int
    patience: int | None
    lanes: int = 1
    mesh: Any = None


class Reinitialise(NamedTuple):
    """When a restart begins anew: see `reinitialise`."""

    window: int
    threshold: float
    failed: bool
    fresh_optimiser: bool
    init: Callable[..., Tree] | None


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
        recent: (window, 2) mean and mean square of the losses between the last validations, newest last.
        recorded: how many of them there are since the restart began.
        begun: how often it began anew.
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
    recent: Array
    recorded: Array
    begun: Array


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
    check_params(params)
    rows = 0 if spec.batch_size is None else jax.tree.leaves(data)[0].shape[0]
    highest, none = jnp.asarray(jnp.inf, jnp.float32), jnp.asarray(0, jnp.int32)
    return State(
        params=params,
        optimiser_state=init_optimiser(spec, params),
        order=jnp.arange(rows, dtype=jnp.int32),
        failed_at=jnp.asarray(-1, jnp.int32),
        validation=highest,
        best_params=params,
        best_validation=highest,
        best_at=none,
        stale=none,
        recent=jnp.zeros((spec.window, 2), jnp.float32),
        recorded=none,
        begun=none,
    )


def init_optimiser(spec: Spec, params: Tree) -> Tree:
    """The optimiser's state, as arrays; optax itself mixes dtypes."""
    try:
        with jax.numpy_dtype_promotion("standard"):
            return jax.tree.map(jnp.asarray, spec.optimiser.init(params))
    except (ValueError, TypeError) as error:
        raise ValueError(f"fit: the optimiser does not fit the params, is it made for another tree? {error}") from error


def is_running(spec: Spec, state: State) -> Array:
    """Whether a restart (or, for batched states, which of them) still learns."""
    running = state.failed_at < 0
    return running if spec.patience is None else running & (state.stale < spec.patience)


def draw_batch(spec: Spec, order: Array, key: Array, step: Array, context: Tree, data: Tree) -> tuple[Tree, Array]:
    """One batch of one restart, and the order of rows to go on with."""
    if spec.batch is not None:
        return call(spec.batch, jax.random.fold_in(in_one_piece(key), step), step, context=context), order
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
        loss = scalar("loss", call(spec.loss, params, batch, key=key, step=step, context=context))
        if spec.penalty is None:
            return loss, loss
        extras = {"loss": lax.stop_gradient(loss), "validation": last, "context": context}
        return loss + scalar("penalty", call(spec.penalty, params, step, **extras)).astype(loss.dtype), loss

    (total, loss), gradient = jax.value_and_grad(objective, has_aux=True)(params)
    stepped, optimiser_state = _optimiser_step(spec, objective, total, gradient, optimiser_state, params)
    if spec.project is not None:
        stepped = call(spec.project, stepped, step=step, context=context)
        check_like("project", params, stepped)
    return stepped, optimiser_state, loss, jnp.isfinite(total) & all_finite(stepped)


def _optimiser_step(spec, objective, total, gradient, optimiser_state, params):
    optimiser = optax.with_extra_args_support(spec.optimiser)
    extras = {"value": total, "grad": gradient, "value_fn": lambda params: objective(params)[0]}
    try:
        with jax.numpy_dtype_promotion("standard"):
            updates, new_state = optimiser.update(gradient, optimiser_state, params, **extras)
            stepped = optax.apply_updates(params, updates)
    except (ValueError, TypeError) as error:
        raise ValueError(f"fit: the optimiser does not fit the params, is it made for another tree? {error}") from error
    check_like("optimiser", params, stepped)
    # a schedule may widen a state, for example from a float to an array: the loop needs it as it was
    return stepped, jax.tree.map(lambda new, old: jnp.asarray(new).astype(old.dtype), new_state, optimiser_state)


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
    return scalar("validation", value).astype(jnp.float32)


def measure(spec: Spec, params: Tree, context: Tree) -> Tree:
    """The metrics of one restart; None where not asked for."""
    return None if spec.metrics is None else call(spec.metrics, params, context=context)


def finish_chunk(
    spec: Spec, state: State, moments: Array, keys: Keys, context: Tree, inputs: Inputs, stop: Array
) -> tuple[State, Log]:
    """Validate one restart and remember its best params; moments are mean and mean square of the chunk's losses."""
    running = is_running(spec, state)
    validation = validate(spec, state.params, keys, context, inputs, moments[0])
    better = running & (validation < state.best_validation)
    metrics = measure(spec, state.params, context)
    state = state._replace(
        validation=validation,
        best_params=select(better, state.params, state.best_params),
        best_validation=jnp.where(better, validation, state.best_validation),
        best_at=jnp.where(better, stop, state.best_at),
        stale=jnp.where(better, 0, state.stale + 1),
        recent=jnp.concatenate([state.recent, moments[None]])[1:],
        recorded=state.recorded + 1,
    )
    return begin_anew(spec, state, keys, context), Log(moments[0], validation, metrics)


def begin_anew(spec: Spec, state: State, keys: Keys, context: Tree) -> State:
    """One restart with new params, where the rule says so."""
    rule = spec.reinitialise
    if rule is None:
        return state
    half = spec.window // 2
    first, second = state.recent[:half], state.recent[half:]
    mean = second[:, 0].mean()
    deviation = jnp.sqrt(jnp.maximum(second[:, 1].mean() - mean**2, 0))
    stuck = (state.recorded >= spec.window) & (first[:, 0].mean() <= mean + deviation) & (mean > rule.threshold)
    failed = state.failed_at >= 0
    anew = (stuck & ~failed) | (failed if rule.failed else False)
    params = call(rule.init or spec.init, jax.random.fold_in(keys.init, 1 + state.begun), context=context)
    check_like("the init of reinitialise", state.params, params)
    fresh = anew if rule.fresh_optimiser else anew & failed
    return state._replace(
        params=select(anew, params, state.params),
        optimiser_state=select(fresh, init_optimiser(spec, params), state.optimiser_state),
        failed_at=jnp.where(anew, -1, state.failed_at),
        recorded=jnp.where(anew, 0, state.recorded),
        begun=state.begun + anew.astype(jnp.int32),
    )


def one_step(spec: Spec, data: Tree, carry, running, validation, keys, batch_key, context, step):
    """One step of one restart; carry is what changes with it."""
    params, optimiser_state, order, failed_at, sums = carry
    batch, order = draw_batch(spec, order, batch_key, step, context, data)
    noise = jax.random.fold_in(in_one_piece(keys.noise), step)
    *new, loss, finite = update(spec, params, optimiser_state, batch, noise, step, context, validation)
    alive = running & (failed_at < 0)
    params, optimiser_state = select(alive & finite, tuple(new), (params, optimiser_state))
    failed_at = jnp.where(alive & ~finite, step, failed_at)
    loss = loss.astype(jnp.float32)
    return params, optimiser_state, order, failed_at, (sums[0] + loss, sums[1] + loss**2)


def run_lanes(
    spec: Spec, states: State, keys: Keys, context: Tree, inputs: Inputs, start: Array, stop: Array
) -> tuple[State, Log]:
    """Steps start, ..., stop - 1 of one group of lanes, and a validation."""
    one = functools.partial(one_step, spec, inputs.data)
    sums = (jnp.zeros_like(states.validation),) * 2
    carry = (states.params, states.optimiser_state, states.order, states.failed_at, sums)
    fixed = (is_running(spec, states), states.validation, keys)
    batch_keys = keys.batch
    body: Any = jax.vmap(one, in_axes=(0, 0, 0, 0, 0, 0, None))
    grouped = context
    if spec.shared > 1:  # one key for a neighbourhood: its random numbers are drawn once for all of them
        inner = jax.vmap(one, in_axes=(0, 0, 0, 0, None, 0, None))
        batch_keys, body = keys.batch[:: spec.shared], jax.vmap(inner, in_axes=(0, 0, 0, 0, 0, 0, None))
        carry, fixed, grouped = split((carry, fixed, context), spec.shared)
    carry = lax.fori_loop(start, stop, lambda step, carry: body(carry, *fixed, batch_keys, grouped, step), carry)
    params, optimiser_state, order, failed_at, sums = join(carry) if spec.shared > 1 else carry
    states = states._replace(params=params, optimiser_state=optimiser_state, order=order, failed_at=failed_at)
    moments = jnp.stack(sums, axis=-1) / (stop - start).astype(jnp.float32)
    finish = lambda state, moments, keys, context: finish_chunk(spec, state, moments, keys, context, inputs, stop)
    return jax.vmap(finish)(states, moments, keys, context)
