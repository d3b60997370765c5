"""`fit`: many restarts of one training run, at once, in one compiled loop."""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from tqdm.auto import tqdm

from . import _checks, _loop

Tree = Any

LOGS = 100
"""Validations in a run, where `validate_every` is not given."""


class Fit(NamedTuple):
    """What `fit` found. Arrays are NumPy's; "(restarts, ...)" is one entry for each restart.

    Attributes:
        params: those of the best restart; None where every restart failed.
        best: its index: the lowest validation loss among restarts that did not fail; None where every one failed.
        all_params: (restarts, ...) the params of every restart, as `keep` says; of a failed one, finite ones.
        validation: (restarts,) the validation loss of all_params, float32.
        chosen_at: (restarts,) the number of steps after which a restart had its all_params.
        failed: (restarts,) bool, whether the restart became NaN or infinite.
        failed_at: (restarts,) the step (from 0) in which it did, -1 where it did not.
        steps: (logs,) the number of steps done at each validation.
        losses: (restarts, logs) mean training loss since the validation before, without penalty.
        validations: (restarts, logs) the validation losses.
        metrics: what `metrics` returned at each validation, leaves (restarts, logs, ...); None where not asked for.
        interrupted: whether Ctrl-C ended the run.
    """

    params: Tree
    best: int | None
    all_params: Tree
    validation: np.ndarray
    chosen_at: np.ndarray
    failed: np.ndarray
    failed_at: np.ndarray
    steps: np.ndarray
    losses: np.ndarray
    validations: np.ndarray
    metrics: Tree
    interrupted: bool


def fit(
    loss: Callable[..., Array],
    init: Callable[..., Tree],
    *,
    key: Array,
    steps: int,
    optimiser: optax.GradientTransformation,
    data: Tree = None,
    batch_size: int | None = None,
    batch: Callable[..., Tree] | None = None,
    shared: int = 1,
    validation: Tree | Callable[..., Array] = None,
    validation_loss: Callable[..., Array] | None = None,
    metrics: Callable[..., Tree] | None = None,
    restarts: int = 1,
    context: Tree = None,
    penalty: Callable[..., Array] | None = None,
    project: Callable[..., Tree] | None = None,
    keep: str = "best",
    validate_every: int | None = None,
    patience: int | None = None,
    progress: bool | str = True,
) -> Fit:
    """Train `restarts` copies of a model at once, and return the best by validation loss.

    All restarts run in one compiled loop. A restart that turns NaN or infinite keeps its last finite params, is marked
    in `Fit.failed`, and never touches the others. Restart i gives the same result whatever the number of restarts.

    Any of the functions below may have a parameter named `context`: it gets the restart's own slice of it. Some may
    have more: what each is offered stands behind it, and it gets those that it names.

    Args:
        loss: (params, batch) -> scalar; offered `key` (fresh in every step, for noise in the forward pass), `step`.
        init: key -> params, any tree of float arrays.
        key: a key, from which restart i takes `fold_in(key, i)`; or an array of keys (restarts,), one for each.
        steps: of the optimiser.
        optimiser: an optax transformation; schedules in it count steps from 0.
        data: a tree of arrays with a common first axis, the rows: the whole of it is the batch of every step, or
        batch_size: rows of it, shuffled anew in every epoch and for every restart; a remainder of rows waits for
            another epoch.
        batch: (key, step) -> batch, drawn on the device: instead of data. The key is fresh in every step.
        shared: groups of so many neighbouring restarts get the same keys for `batch`. Random numbers are then drawn
            once for the group, and a context can map them to what each restart needs. Restarts of a group are not
            independent: say so where they are counted.
        validation: held-out data, for validation_loss; or a function params -> scalar. Without it the loss on all
            of data decides; without data the mean training loss since the validation before.
        validation_loss: (params, held-out data) -> scalar; `loss` where not given.
        metrics: params -> a tree of arrays to record at each validation. Nothing is chosen by it.
        restarts: how many.
        context: a tree of arrays with a first axis of restarts: ranges, thresholds, operations, as data.
        penalty: (params, step) -> scalar, added to the loss; offered `loss` (of this batch) and `validation` (the
            last), both without derivative, for penalties that a loss switches on.
        project: params -> params after every step; offered `step`.
        keep: which params of a restart are returned: "best", those with its lowest validation loss; or "last".
        validate_every: steps between two validations, which is also how often the progress bar moves; by default
            there are 100 of them.
        patience: a restart stops learning after so many validations without a new lowest; the run ends when all have.
        progress: whether to show a progress bar; a text is its label.

    Returns:
        A `Fit`. Where all restarts failed there are a warning and no `best`.

    Raises:
        ValueError: an argument does not fit the others, or data are not finite; TypeError: it is of the wrong type.
            Both before the first step, with the cure.
    """
    _checks.check_counts(
        steps=steps, restarts=restarts, shared=shared, validate_every=validate_every, patience=patience
    )
    _checks.check_option("keep", keep, ("best", "last"))
    _checks.check_sources(data, batch, batch_size, shared, restarts)
    keys = _checks.restart_keys(key, restarts)
    context = _checks.check_context(context, restarts)
    data = None if data is None else _checks.check_rows("data", data, batch_size)
    function = validation if callable(validation) else None
    held_out = None if function or validation is None else _checks.check_rows("validation", validation)
    spec = _loop.Spec(
        loss,
        init,
        optimiser,
        batch,
        batch_size,
        function,
        validation_loss,
        metrics,
        penalty,
        project,
        shared,
        patience,
        None,
    )
    streams = jax.vmap(_loop.keys_of)(keys)
    inputs = _loop.Inputs(streams, context, data, held_out)
    _checks.check_program(spec, inputs)

    every = -(-steps // LOGS) if validate_every is None else min(validate_every, steps)
    program = _loop.compiled(spec)
    states = program.start(inputs)
    logs: list[_loop.Log] = []
    done = 0
    label = progress if isinstance(progress, str) else "fit"
    with tqdm(total=steps, desc=label, unit="step", disable=not progress) as bar:
        while done < steps:
            stop = min(done + every, steps)
            states, log = program.chunk(states, inputs, jnp.asarray(done, jnp.int32), jnp.asarray(stop, jnp.int32))
            logs.append(jax.device_get(log))
            bar.update(stop - done)
            done = stop
            if patience is not None and not np.asarray(_loop.is_running(spec, states)).any():
                break
    return _result(jax.device_get(states), logs, keep, every, done)


def _result(states: _loop.State, logs: list[_loop.Log], keep: str, every: int, done: int) -> Fit:
    log = jax.tree.map(lambda *leaves: np.stack(leaves, axis=1), *logs)
    last = keep == "last"
    validation = states.validation if last else states.best_validation
    failed = states.failed_at >= 0
    best = _best(validation, failed)
    all_params = states.params if last else states.best_params
    stops = np.minimum(every * np.arange(1, len(logs) + 1), done)
    return Fit(
        params=None if best is None else jax.tree.map(lambda leaf: leaf[best], all_params),
        best=best,
        all_params=all_params,
        validation=validation,
        chosen_at=np.full_like(states.best_at, done) if last else states.best_at,
        failed=failed,
        failed_at=states.failed_at,
        steps=stops,
        losses=log.loss,
        validations=log.validation,
        metrics=log.metrics,
        interrupted=False,
    )


def _best(validation: np.ndarray, failed: np.ndarray) -> int | None:
    candidates = np.where(failed | np.isnan(validation), np.inf, validation)
    if failed.all():
        warnings.warn(
            f"fit: all {failed.size} restarts became NaN or infinite, so there is no best one; their last finite "
            "params are in all_params, the steps in failed_at. Lower the learning rate, or clip the gradient.",
            stacklevel=3,
        )
        return None
    return int(np.argmin(np.where(failed, np.inf, candidates)))
