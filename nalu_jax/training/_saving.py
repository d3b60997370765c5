"""Checkpoints of a run: what they are compared by, when one is written, and which one a run goes on from.

Of several processes the first alone writes and reads; the others are told what it found.

>>> from nalu_jax.training import _saving
>>> _saving.differences({"steps": 10, "keys": "sha256 a"}, {"steps": 20, "keys": "sha256 b"})
['other keys', 'steps: the checkpoint has 10, this run 20']
"""

import contextlib
import dataclasses
import hashlib
import pathlib
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from . import _checkpoint, _loop
from ._checkpoint import Configuration
from ._loop import Inputs, Spec

Tree = Any

KEPT = 2
"""Checkpoints that are kept: where the newest one is damaged, there is the one before it."""

DIGEST = "sha256 "
MESSAGE = 4096
"""Bytes of an error that the first process tells the others."""


@dataclasses.dataclass
class Store:
    """The checkpoints of one run: where they are, what of, after how many validations there is one.

    Attributes:
        whole: those that were read or written by this run, oldest first.
        warned: whether a warning said that one could not be written.
    """

    directory: pathlib.Path
    configuration: Configuration
    every: int
    whole: list[pathlib.Path] = dataclasses.field(default_factory=list)
    warned: bool = False


@contextlib.contextmanager
def opened(store: Store | None) -> Iterator[None]:
    """The store's directory for this run alone; nothing where there is no store."""
    with contextlib.ExitStack() as stack:
        if store is not None:
            _by_the_first(lambda: stack.enter_context(_checkpoint.locked(store.directory)))
        yield


def save(store: Store, done: int, tree: Tree) -> None:
    """Write a checkpoint, then remove those that it replaces. Where writing fails, warn once and keep what there is."""
    if jax.process_index() != 0:
        return
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]
    try:
        path = _checkpoint.write(store.directory, done, store.configuration, leaves)
        store.whole = [*(each for each in store.whole if each != path), path][-KEPT:]
        _checkpoint.remove_others(store.directory, store.whole)
    except OSError as error:
        if not store.warned:
            warnings.warn(
                f"fit: no checkpoint after {done} steps in {str(store.directory)!r}: {error.strerror}. Earlier ones "
                "are kept, and the run goes on; it will try again, without another warning.",
                stacklevel=4,
            )
        store.warned = True


def restore(store: Store, like: Callable[[int], Tree]) -> tuple[int, Tree] | None:
    """(steps done, tree) of the newest whole checkpoint, None where there is none.

    Args:
        like: from the steps done to the tree's shapes and dtypes.

    Raises:
        ValueError: the checkpoint is of another run, or all of them are damaged.
    """
    found = _by_the_first(lambda: _newest(store, like))
    done, leaves = (0, []) if found is None else found
    if jax.process_count() > 1:
        done = int(_told(np.asarray(done, np.int32)))
    if done == 0:
        return None
    shapes, structure = jax.tree.flatten(like(done))
    if jax.process_count() > 1:
        leaves = [_told_leaf(leaves[i] if leaves else None, leaf) for i, leaf in enumerate(shapes)]
    return done, jax.tree.unflatten(structure, leaves)


def _newest(store: Store, like: Callable[[int], Tree]) -> tuple[int, list[np.ndarray]] | None:
    damaged = []
    for path in reversed(_checkpoint.written(store.directory)):
        try:
            saved = _checkpoint.read(path)
        except _checkpoint.DamagedError as error:
            damaged.append(f"{path.name}: {error}")
            continue
        leaves = _checked(store, saved, like)
        store.whole = [path]
        if damaged:
            warnings.warn(
                f"fit: of the checkpoints in {str(store.directory)!r} some are damaged ({'; '.join(damaged)}). The run "
                f"goes on from an earlier one, after {saved.done} steps.",
                stacklevel=6,
            )
        return saved.done, leaves
    if damaged:
        raise ValueError(
            f"fit: the checkpoints in {str(store.directory)!r} are damaged ({'; '.join(damaged)}). Remove them, and "
            "the run begins anew; or choose another directory."
        )
    return None


def _checked(store: Store, saved: _checkpoint.Saved, like: Callable[[int], Tree]) -> list[np.ndarray]:
    """The arrays of a checkpoint, after a check that it is of the run."""
    wrong = differences(saved.configuration, store.configuration)
    if not wrong:
        try:
            return _checkpoint.leaves_of(saved, jax.tree.leaves(like(saved.done)))
        except ValueError as error:
            wrong = [str(error)]
    raise ValueError(
        f"fit: the checkpoint in {str(store.directory)!r} is of another run: {'; '.join(wrong)}. Continue it with the "
        "arguments it was started with, or choose another directory."
    )


def _by_the_first(action: Callable[[], Any]) -> Any:
    """What the action returns in the first process, None in others; its ValueError is raised in all of them."""
    if jax.process_count() == 1:
        return action()
    result, message = None, b""
    if jax.process_index() == 0:
        try:
            result = action()
        except ValueError as error:
            message = str(error).encode()[:MESSAGE]
    message = _told(np.frombuffer(message.ljust(MESSAGE, b"\0"), np.uint8)).tobytes().rstrip(b"\0")
    if message:
        raise ValueError(message.decode(errors="replace"))
    return result


def _told(array: np.ndarray) -> np.ndarray:
    """The first process's array, in every process."""
    from jax.experimental import multihost_utils  # only where there are several processes

    return np.asarray(multihost_utils.broadcast_one_to_all(array))


def _told_leaf(leaf: np.ndarray | None, like: Any) -> np.ndarray:
    array = np.zeros(like.shape, like.dtype) if leaf is None else leaf
    told = _told(np.ascontiguousarray(array).reshape(-1).view(np.uint8))  # bytes: no dtype is changed on the way
    return told.view(like.dtype).reshape(like.shape)


def differences(saved: Configuration, own: Configuration) -> list[str]:
    """What of two configurations is not the same, in words."""
    names = [name for name in sorted(saved.keys() | own.keys()) if saved.get(name) != own.get(name)]
    return [
        f"other {name}"
        if str(own.get(name)).startswith(DIGEST)
        else f"{name}: the checkpoint has {saved.get(name)}, this run {own.get(name)}"
        for name in names
    ]


def configuration(traced: Any, spec: Spec, inputs: Inputs, **trees: Tree) -> Configuration:
    """What a checkpoint must agree on with the run that reads it: all that has a part in the result.

    Functions are compared by what they compute: the programs of a step, of a validation, of the metrics and of the
    rule of `reinitialise`, with the arrays that they close over.
    """
    programs = {"program": traced} | {
        name: jax.make_jaxpr(function)(inputs) for name, function in _functions(spec).items()
    }
    options = {name: _lasting(getattr(spec, name)) for name in ("batch_size", "shared", "patience", "reinitialise")}
    device = jax.devices()[0] if spec.mesh is None else spec.mesh.devices.flat[0]
    where = {"device": device.device_kind, "devices": "one" if spec.mesh is None else "several"}
    digests = {name: _program_digest(program) for name, program in programs.items()}
    return {"jax": jax.__version__} | digests | options | where | {name: digest(tree) for name, tree in trees.items()}


def _functions(spec: Spec) -> dict[str, Callable[[Inputs], Tree]]:
    """What a run computes beside its steps, of one restart; what of it, as the message about a difference names it."""

    def with_start(function: Callable[..., Tree]) -> Callable[[Inputs], Tree]:
        def of(inputs: Inputs) -> Tree:
            keys, context = jax.tree.map(lambda leaf: leaf[0], (inputs.keys, inputs.context))
            return function(_loop.start(spec, keys, context, inputs.data), keys, context, inputs)

        return of

    def validation(state: _loop.State, keys: _loop.Keys, context: Tree, inputs: Inputs) -> Tree:
        return _loop.validate(spec, state.params, keys, context, inputs, jnp.zeros((), jnp.float32))

    found = {"validation": with_start(validation)}
    if spec.metrics is not None:
        found["metrics"] = with_start(lambda state, keys, context, inputs: _loop.measure(spec, state.params, context))
    if spec.reinitialise is not None:
        found["what reinitialise computes"] = with_start(
            lambda state, keys, context, inputs: _loop.begin_anew(spec, state, keys, context)
        )
    return found


def _program_digest(closed: Any) -> str:
    """A name for a program and the arrays in it, those of functions that it calls as well."""
    return digest([np.frombuffer(_lasting(closed.jaxpr).encode(), np.uint8), *_constants(closed)])


def _constants(closed: Any) -> list[Any]:
    """The arrays that a closed jaxpr and those inside it close over; what is printed of them is their shape alone."""
    return list(closed.consts) + _constants_inside(closed.jaxpr)


def _constants_inside(jaxpr: Any) -> list[Any]:
    found = []
    for equation in jaxpr.eqns:
        found += [each.val for each in equation.invars if hasattr(each, "val") and hasattr(each.val, "dtype")]
        for value in equation.params.values():
            for inner in value if isinstance(value, tuple | list) else (value,):
                if hasattr(inner, "consts") and hasattr(inner, "jaxpr"):
                    found += _constants(inner)
                elif hasattr(inner, "eqns"):
                    found += _constants_inside(inner)
    return found


def digest(tree: Tree) -> str:
    """A short name for the arrays of a tree and its structure."""
    found = hashlib.sha256(str(jax.tree.structure(tree)).encode())
    for leaf in map(jnp.asarray, jax.tree.leaves(tree)):
        array = np.asarray(jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf)
        found.update(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return DIGEST + found.hexdigest()[:16]


def _lasting(value: Any) -> str:
    return re.sub(r"0x[0-9a-f]+", "", repr(value))  # without the addresses of functions
