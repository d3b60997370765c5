"""The host's side of a run: chunk after chunk, the progress bar, checkpoints, Ctrl-C.

>>> import numpy as np
>>> from nalu_jax.training import _run
>>> _run.best_of(np.array([3.0, 1.0, 2.0]), np.array([False, True, False]))
2
"""

import pathlib
import re
import warnings
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from tqdm.auto import tqdm

from .. import _interrupt
from . import _checkpoint, _loop, _program
from ._loop import Inputs, Log, Spec, State

Tree = Any


class Saving(NamedTuple):
    """Where checkpoints go, what they are of, and after how many validations there is one."""

    directory: pathlib.Path
    configuration: dict[str, Any]
    every: int


class Trained(NamedTuple):
    """The end of a run: states on the devices, the log as NumPy arrays (restarts, logs, ...)."""

    states: State
    log: Log
    steps: np.ndarray
    done: int
    interrupted: bool


def configuration(traced: Any, spec: Spec, **trees: Tree) -> dict[str, Any]:
    """What a checkpoint must agree on with the run that reads it: the program of a step, the rules, and the arrays."""
    program = _checkpoint.digest(
        [np.frombuffer(_lasting(traced.jaxpr).encode(), np.uint8), *map(jnp.asarray, traced.consts)]
    )
    rules = {name: _lasting(getattr(spec, name)) for name in ("batch_size", "shared", "patience", "reinitialise")}
    arrays = {name: _checkpoint.digest(tree) for name, tree in trees.items()}
    return {"program": program, "jax": jax.__version__} | rules | arrays


def _lasting(value: Any) -> str:
    return re.sub(r"0x[0-9a-f]+", "", repr(value))  # without the addresses of functions


def train(
    spec: Spec, inputs: Inputs, steps: int, every: int, saving: Saving | None, label: str, *, disable: bool
) -> Trained:
    """All steps, or those until Ctrl-C, or until every restart is out of patience."""
    program = _program.compiled(spec)
    states, logs, done, interrupted = program.start(inputs), [], 0, False
    if saving is not None and (found := _restore(saving, program, spec, states, inputs, every)):
        done, states, logs = found
    with (
        tqdm(total=steps, initial=done, desc=label, unit="step", disable=disable) as bar,
        _interrupt.deferred() as asked,
    ):
        while done < steps and not interrupted and _any_running(spec, states):
            stop = min(done + every, steps)
            states, log = program.chunk(states, inputs, jnp.asarray(done, jnp.int32), jnp.asarray(stop, jnp.int32))
            logs.append(_program.gather(log))  # waits for the chunk
            bar.update(stop - done)
            done, interrupted = stop, asked()
            if saving is not None and (done == steps or interrupted or len(logs) % saving.every == 0):
                _checkpoint.save(saving.directory, done, (_program.gather(states), _stack(logs)), saving.configuration)
        if interrupted:
            bar.write(f"{label}: interrupted after {done} of {steps} steps; the result is that so far.")
    ends = np.minimum(every * np.arange(1, len(logs) + 1), done)
    return Trained(states, _stack(logs), ends, done, interrupted)


def _any_running(spec: Spec, states: State) -> bool:
    if spec.reinitialise is not None and spec.reinitialise.failed:
        return True
    failed_at, stale = jax.tree.map(jnp.asarray, _program.gather((states.failed_at, states.stale)))
    return bool(_loop.is_running(spec, states._replace(failed_at=failed_at, stale=stale)).any())


def _stack(logs: list[Log]) -> Log:
    return jax.tree.map(lambda *leaves: np.stack(leaves, axis=1), *logs)


def _restore(
    saving: Saving, program: _program.Program, spec: Spec, states: State, inputs: Inputs, every: int
) -> tuple[int, State, list[Log]] | None:
    """(steps done, states, logs) of the newest checkpoint; None where there is none."""
    step = jnp.asarray(0, jnp.int32)
    log = jax.eval_shape(program.chunk, states, inputs, step, step)[1]

    def like(done: int) -> Tree:
        count = -(-done // every)
        grown = lambda leaf: jax.ShapeDtypeStruct((leaf.shape[0], count, *leaf.shape[1:]), leaf.dtype)
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), states), jax.tree.map(grown, log)

    found = _checkpoint.restore(saving.directory, like, saving.configuration)
    if found is None:
        return None
    done, (saved, logs) = found
    count = -(-done // every)
    chunks = [jax.tree.map(lambda leaf, i=i: leaf[:, i], logs) for i in range(count)]
    return done, _program.place(jax.tree.map(jnp.asarray, saved), spec.mesh, split_first=True), chunks


def best_of(validation: np.ndarray, failed: np.ndarray) -> int | None:
    """The index of the lowest validation loss among those that did not fail; None, with a warning, where all did."""
    if failed.all():
        warnings.warn(
            f"fit: all {failed.size} restarts became NaN or infinite, so there is no best one; their last finite "
            "params are in all_params, the steps in failed_at. Lower the learning rate, or clip the gradient.",
            stacklevel=4,
        )
        return None
    comparable = np.where(np.isnan(validation), np.inf, validation)
    candidates = np.flatnonzero(~failed)
    return int(candidates[np.argmin(comparable[candidates])])
