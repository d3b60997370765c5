"""The host's side of a run: chunk after chunk, the progress bar, checkpoints, Ctrl-C.

>>> import numpy as np
>>> from nalu_jax.training import _run
>>> _run.best_of(np.array([3.0, 1.0, 2.0]), np.array([False, True, False]))
2
"""

import sys
import warnings
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .. import _interrupt, _progress
from . import _loop, _program, _saving
from ._loop import Inputs, Log, Spec, State
from ._saving import Store

Tree = Any


class Trained(NamedTuple):
    """The end of a run: states on the devices, the log as NumPy arrays (restarts, logs, ...)."""

    states: State
    log: Log
    steps: np.ndarray
    done: int
    interrupted: bool


def train(
    spec: Spec,
    inputs: Inputs,
    restarts: int,
    steps: int,
    every: int,
    store: Store | None,
    *,
    progress: bool | str | None,
) -> Trained:
    """All steps, or those until Ctrl-C, or until every restart is out of patience."""
    program = _program.compiled(spec)
    with _interrupt.deferred() as asked, _saving.opened(store):
        found = None if store is None else _restore(store, program, spec, inputs, restarts, every)
        done, states, logs = found or (0, program.start(inputs), [])
        interrupted = False
        with _progress.bar(progress, "fit", total=steps, initial=done) as bar:
            while done < steps and not interrupted and _any_running(spec, states, restarts):
                stop = min(done + every, steps)
                states, log = program.chunk(states, inputs, jnp.asarray(done, jnp.int32), jnp.asarray(stop, jnp.int32))
                logs.append(_own(log, restarts))  # waits for the chunk
                bar.update(stop - done)
                done, interrupted = stop, _program.any_process(asked())
                if store is not None and (done == steps or interrupted or len(logs) % store.every == 0):
                    _saving.save(store, done, (_own(states, restarts), _stack(logs)))
            if interrupted:
                name = _progress.label(progress, "fit")
                bar.write(
                    f"{name}: interrupted after {done} of {steps} steps; the result is that so far.", file=sys.stderr
                )
    ends = np.minimum(every * np.arange(1, len(logs) + 1), done)
    return Trained(states, _stack(logs), ends, done, interrupted)


def _own(tree: Tree, restarts: int) -> Tree:
    """The arrays as NumPy's, without the copies that fill up the last group."""
    return jax.tree.map(lambda leaf: leaf[:restarts], _program.gather(tree))


def _any_running(spec: Spec, states: State, restarts: int) -> bool:
    if spec.reinitialise is not None and spec.reinitialise.failed:
        return True
    failed_at, stale = jax.tree.map(jnp.asarray, _own((states.failed_at, states.stale), restarts))
    return bool(_loop.is_running(spec, states._replace(failed_at=failed_at, stale=stale)).any())


def _stack(logs: list[Log]) -> Log:
    return jax.tree.map(lambda *leaves: np.stack(leaves, axis=1), *logs)


def _restore(
    store: Store, program: _program.Program, spec: Spec, inputs: Inputs, restarts: int, every: int
) -> tuple[int, State, list[Log]] | None:
    """(steps done, states, logs) of the newest checkpoint; None where there is none."""
    step = jnp.asarray(0, jnp.int32)
    states = jax.eval_shape(program.start, inputs)
    log = jax.eval_shape(program.chunk, states, inputs, step, step)[1]
    rows = _program.rows_of(jax.tree.leaves(states)[0].shape[0], restarts)

    def like(done: int) -> Tree:
        count = -(-done // every)
        own = lambda leaf: jax.ShapeDtypeStruct((restarts, *leaf.shape[1:]), leaf.dtype)
        grown = lambda leaf: jax.ShapeDtypeStruct((restarts, count, *leaf.shape[1:]), leaf.dtype)
        plain = jax.eval_shape(lambda tree: jax.tree.map(_program.plain, tree), states)
        return jax.tree.map(own, plain), jax.tree.map(grown, log)

    def placed(saved: np.ndarray, like: Any) -> jax.Array:
        leaf = jnp.asarray(saved[rows])
        if jnp.issubdtype(like.dtype, jax.dtypes.prng_key):
            leaf = jax.random.wrap_key_data(leaf, impl=_implementation(like))
        return _program.place(leaf, spec.mesh, split_first=True)

    found = _saving.restore(store, like)
    if found is None:
        return None
    done, (saved, logs) = found
    chunks = [jax.tree.map(lambda leaf, i=i: leaf[:, i], logs) for i in range(-(-done // every))]
    return done, jax.tree.map(placed, saved, states), chunks


def _implementation(like: Any) -> Any:
    """That of keys of which only shape and dtype are known; JAX tells it of arrays alone."""
    found = []
    jax.eval_shape(lambda keys: found.append(jax.random.key_impl(keys)), like)
    return found[0]


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
