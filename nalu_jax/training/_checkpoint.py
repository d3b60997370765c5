"""Checkpoints of a run, by orbax: DIR/<steps done>, the new one complete before the old one goes.

>>> from nalu_jax.training import _checkpoint
>>> _checkpoint.differences({"steps": 10, "keys": "a"}, {"steps": 20, "keys": "a"})
['steps: the checkpoint has 10, this run 20']
"""

import hashlib
import json
import math
import pathlib
import shutil
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Tree = Any
Configuration = dict[str, Any]


def digest(tree: Tree) -> str:
    """A short name for the arrays of a tree and its structure."""
    found = hashlib.sha256(str(jax.tree.structure(tree)).encode())
    for leaf in jax.tree.leaves(tree):
        array = np.asarray(jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf)
        found.update(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]


def differences(saved: Configuration, own: Configuration) -> list[str]:
    """What of two configurations is not the same, in words."""
    names = sorted(saved.keys() | own.keys())
    return [
        f"{name}: the checkpoint has {saved.get(name)}, this run {own.get(name)}"
        for name in names
        if saved.get(name) != own.get(name)
    ]


def finished(directory: pathlib.Path) -> list[pathlib.Path]:
    """The complete checkpoints, oldest first; orbax gives a checkpoint its name when it is complete."""
    if not directory.exists():
        return []
    return sorted((path for path in directory.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))


def save(directory: pathlib.Path, done: int, tree: Tree, configuration: Configuration) -> None:
    """Write a checkpoint, then remove those before it. Where writing fails, warn and keep what there is."""
    import orbax.checkpoint as ocp  # takes more than a second to import

    text = np.frombuffer(json.dumps(configuration).encode(), np.uint8)
    leaves = np.frombuffer(b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)), np.uint8)
    target = directory / f"{done:012d}"
    try:
        with ocp.PyTreeCheckpointer() as checkpointer:
            checkpointer.save(target, {"configuration": text, "leaves": leaves}, force=True)
    except Exception as error:  # a full disk has many names; none of them is worth the run
        warnings.warn(f"fit: no checkpoint after {done} steps: {error}. Earlier ones are kept.", stacklevel=3)
        return
    for old in directory.iterdir():
        if old != target and old.name.split(".")[0].isdigit():  # earlier ones, and what failed ones left behind
            shutil.rmtree(old)


def restore(
    directory: pathlib.Path, like: Callable[[int], Tree], configuration: Configuration
) -> tuple[int, Tree] | None:
    """(steps done, tree) of the newest checkpoint, None where there is none.

    Args:
        like: from the steps done to the tree's shapes and dtypes.

    Raises:
        ValueError: the checkpoint is of a run with another configuration, or of another program.
    """
    paths = finished(directory)
    if not paths:
        return None
    import orbax.checkpoint as ocp

    arrays = {"configuration": ocp.RestoreArgs(np.ndarray), "leaves": ocp.RestoreArgs(np.ndarray)}
    with ocp.PyTreeCheckpointer() as checkpointer:
        saved = checkpointer.restore(paths[-1], restore_args=arrays)
    found = json.loads(np.asarray(saved["configuration"]).tobytes().decode())
    if wrong := differences(found, configuration):
        raise ValueError(
            f"fit: the checkpoint in {directory} is of another run: {'; '.join(wrong)}. "
            "Continue it with the arguments it was started with, or choose another directory."
        )
    done = int(paths[-1].name)
    shapes, structure = jax.tree.flatten(like(done))
    ends = np.cumsum([math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in shapes])
    parts = np.split(np.asarray(saved["leaves"]), ends[:-1])
    leaves = [
        np.frombuffer(part.tobytes(), leaf.dtype).reshape(leaf.shape) for part, leaf in zip(parts, shapes, strict=True)
    ]
    return done, jax.tree.unflatten(structure, leaves)
