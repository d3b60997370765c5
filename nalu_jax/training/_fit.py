"""`fit`: many restarts of one training run, at once, in one compiled loop."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from .. import _arguments, _interrupt, _progress
from . import _checks, _finish, _loop, _program, _run, _saving

Tree = Any

_OPTIMISER: Any = optax.GradientTransformation

LOGS = 100
"""Validations in a run, where `validate_every` is not given."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Fit:
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
        begun_anew: (restarts,) how often `reinitialise` gave a restart new params.
        finished: the report of each stage of `finish`.
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
    begun_anew: np.ndarray
    finished: tuple[_finish.Finished, ...]
    interrupted: bool

    def __repr__(self) -> str:
        """The best restart, and how the others ended."""
        runs = f"{self.validation.size} restarts, {int(self.failed.sum())} failed"
        lowest = "none left" if self.best is None else f"best {self.best}, validation {self.validation[self.best]:.4g}"
        return f"Fit({runs}; {lowest}{'; interrupted' if self.interrupted else ''})"


@_arguments.checked(
    "training.reinitialise",
    window=_arguments.count(),
    threshold=_arguments.number(),
    failed=_arguments.flag(),
    fresh_optimiser=_arguments.flag(),
    init=_arguments.optional(_arguments.function("(key) -> params")),
)
def reinitialise(
    *,
    window: int,
    threshold: float = 1.0,
    failed: bool = False,
    fresh_optimiser: bool = False,
    init: Callable[..., Tree] | None = None,
) -> _loop.Reinitialise:
    """iNALU's rule: a restart whose loss stays high and does not fall begins anew, from `init` with another key.

    It is asked at every validation, once `window` steps have been done since the restart began: is the mean loss of the
    window's first half at most that of the second plus its standard deviation, and the latter above the threshold?

    Published: window 10 000 (Schlör et al. 2020, with init U(-2, 2)) and 5 000 (Mistry et al. 2022, with the unit's own
    init and the optimiser's state kept), threshold 1. `validate_every` should divide half of the window.

    Args:
        window: steps.
        threshold: of the mean loss.
        failed: whether restarts that became NaN or infinite begin anew as well, and then always with a fresh optimiser.
        fresh_optimiser: whether the others get one too.
        init: key -> params, where they are drawn from another distribution than the first ones; offered `context`.
    """
    return _loop.Reinitialise(window, threshold, failed, fresh_optimiser, init)


@_interrupt.deferred()
@_arguments.checked(
    "fit",
    loss=_arguments.function("(params, batch) -> scalar"),
    init=_arguments.function("(key) -> params"),
    steps=_arguments.count(),
    optimiser=_arguments.instance("an optax transformation", "Pass for example optax.adam(1e-2).", _OPTIMISER),
    data=_arguments.optional(_arguments.tree()),
    batch_size=_arguments.optional(_arguments.count()),
    batch=_arguments.optional(_arguments.function("(key, step) -> batch")),
    shared=_arguments.count(),
    validation=_arguments.optional(_arguments.either(_arguments.tree(), _arguments.function("(params) -> scalar"))),
    validation_loss=_arguments.optional(_arguments.function("(params, held-out data) -> scalar")),
    metrics=_arguments.optional(_arguments.function("(params) -> a tree of arrays")),
    restarts=_arguments.count(),
    context=_arguments.optional(_arguments.tree()),
    penalty=_arguments.optional(_arguments.function("(params, step) -> scalar")),
    project=_arguments.optional(_arguments.function("(params) -> params")),
    finish=_arguments.functions("such as training.rounding()"),
    reinitialise=_arguments.optional(
        _arguments.instance("a rule", "Make it with training.reinitialise(...).", _loop.Reinitialise)
    ),
    keep=_arguments.choice("best", "last"),
    validate_every=_arguments.optional(_arguments.count()),
    patience=_arguments.optional(_arguments.count()),
    checkpoint=_arguments.optional(_arguments.instance("a directory", "Pass its path.", str, pathlib.Path)),
    checkpoint_every=_arguments.count(),
    progress=_arguments.optional(_arguments.instance("True, False or a label", "Pass one of them.", bool, str)),
    lanes=_arguments.optional(_arguments.count()),
    devices=_arguments.optional(_arguments.sequence("a list of devices", "Pass jax.devices().", jax.Device)),
)
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
    finish: Sequence[_finish.Stage] = (),
    reinitialise: _loop.Reinitialise | None = None,
    keep: str = "best",
    validate_every: int | None = None,
    patience: int | None = None,
    checkpoint: str | pathlib.Path | None = None,
    checkpoint_every: int = 10,
    progress: bool | str | None = None,
    lanes: int | None = None,
    devices: Sequence[Any] | None = None,
) -> Fit:
    """Train `restarts` copies of a model at once, and return the best by validation loss.

    All restarts run in one compiled loop. A restart that turns NaN or infinite keeps its last finite params, is marked
    in `Fit.failed`, and never touches the others. The same key gives the same result, and restart i the same bits
    whatever the number of restarts, as long as `lanes` are the same; and whatever the number of devices beyond one.
    Ctrl-C ends the run with what there is.

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
            On CPU it, and a loss's, draws the same numbers faster than other keys do, and does not stand in one array
            with them: `jax.random.wrap_key_data(jax.random.key_data(key))` does.
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
        finish: stages after the last step, one after another: `lbfgs(...)`, `levenberg_marquardt(...)`,
            `rounding(...)`, or functions (params, objective, batch, context) -> params. They work on data, or where
            there is a function batch on one batch of it for each restart, without penalty. Per restart, what a stage
            returns is kept where it is finite and its validation loss not worse (without validation: the loss on that
            batch); `Fit.finished` has both. Failed restarts stay as they are.
        reinitialise: `training.reinitialise(...)`, the rule by which hopeless restarts begin anew.
        keep: which params of a restart are returned: "best", those with its lowest validation loss; or "last".
        validate_every: steps between two validations, which is also how often the progress bar moves; by default
            there are 100 of them.
        patience: a restart stops learning after so many validations without a new lowest; the run ends when all have.
        checkpoint: a directory. The run is written there after every `checkpoint_every` validations and at its end, and
            goes on from there where the directory has one, with bit for bit the result of an uninterrupted run. Where
            writing fails there is a warning, and the earlier checkpoint stays.
        progress: whether to show a progress bar, by default where stderr is a terminal; a text is its label.
        lanes: restarts that are computed beside one another, as rows of the same arrays; their number is filled up to a
            multiple. By default many of small models and one of a large one, by the work of a step; 1 is fastest for
            a single restart of a small one.
        devices: over which restarts are spread, lanes at a time; all of `jax.devices()` by default.

    Returns:
        A `Fit`. Where all restarts failed there are a warning and no `best`.

    Raises:
        ValueError: an argument does not fit the others, or data are not finite; TypeError: it is of the wrong type.
            Both before the first step, with the cure.
    """
    _checks.check_sources(data, batch, batch_size, shared, restarts)
    keys = _checks.restart_keys(key, restarts)
    context = _checks.check_context(context, restarts)
    data = None if data is None else _checks.check_rows("data", data, batch_size)
    function: Any = validation if callable(validation) else None
    held_out = None if function or validation is None else _checks.check_rows("validation", validation)

    every = -(-steps // LOGS) if validate_every is None else min(validate_every, steps)
    window = 0 if reinitialise is None else 2 * max(1, reinitialise.window // every // 2)
    spec = _loop.Spec(
        loss=loss,
        init=init,
        optimiser=optimiser,
        batch=batch,
        batch_size=batch_size,
        validation=function,
        validation_loss=validation_loss,
        metrics=metrics,
        penalty=penalty,
        project=project,
        reinitialise=reinitialise,
        window=window,
        shared=shared,
        patience=patience,
    )
    inputs = _loop.Inputs(jax.vmap(_loop.keys_of)(keys), context, data, held_out)
    traced = _program.trace_step(spec, inputs)
    lanes = _program.lanes_of(traced.jaxpr, shared) if lanes is None else -(-lanes // shared) * shared
    spec = spec._replace(lanes=lanes, mesh=_program.mesh_of(devices))
    store = None
    if checkpoint is not None:
        sizes = {"steps": steps, "restarts": restarts, "validate_every": every, "lanes": lanes, "keep": keep}
        arrays = {"keys": keys, "context": context, "data": (data, held_out)}
        configuration = sizes | _saving.configuration(traced, spec, inputs, **arrays)
        store = _saving.Store(pathlib.Path(checkpoint).absolute(), configuration, checkpoint_every)
    inputs = _program.spread(inputs, restarts, spec)
    trained = _run.train(spec, inputs, restarts, steps, every, store, progress=progress)
    with _interrupt.deferred() as asked:
        interrupted = lambda: _program.any_process(trained.interrupted or asked())
        return _result(spec, inputs, trained, restarts, steps, finish, keep, interrupted, progress)


def _result(
    spec: _loop.Spec,
    inputs: _loop.Inputs,
    trained: _run.Trained,
    restarts: int,
    steps: int,
    finish: Sequence[_finish.Stage],
    keep: str,
    interrupted: Callable[[], bool],
    progress: bool | str | None,
) -> Fit:
    """The stages of `finish`, and the choice of the best."""
    states, last = trained.states, keep == "last"
    log: Any = trained.log  # NumPy arrays, which its annotations are not
    params, failed = states.params if last else states.best_params, states.failed_at >= 0
    reports = []
    with _progress.bar(progress if finish else False, "finish", total=len(finish), unit="stage") as bar:
        for stage in finish:
            if interrupted():
                break
            bar.set_postfix_str(type(stage).__name__)
            run = _finish.compiled(spec, stage)
            params, report = run(params, failed, inputs, jnp.asarray(steps, jnp.int32))
            reports.append(jax.block_until_ready(report))
            bar.update()
    own = lambda tree: jax.tree.map(lambda leaf: leaf[:restarts], _program.gather(tree))
    states, params, reports = own((states, params, reports))
    validation = states.validation if last else states.best_validation
    if reports:
        validation = np.where(reports[-1].kept, reports[-1].validation_tried, reports[-1].validation_before)
    failed = states.failed_at >= 0
    best = _run.best_of(validation, failed)
    return Fit(
        params=None if best is None else jax.tree.map(lambda leaf: leaf[best], params),
        best=best,
        all_params=params,
        validation=validation,
        chosen_at=np.full_like(states.best_at, trained.done) if last else states.best_at,
        failed=failed,
        failed_at=states.failed_at,
        steps=trained.steps,
        losses=log.loss,
        validations=log.validation,
        metrics=log.metrics,
        begun_anew=states.begun,
        finished=tuple(reports),
        interrupted=interrupted(),
    )
