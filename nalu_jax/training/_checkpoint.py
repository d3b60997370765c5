"""Checkpoint files: one for each state of a run, which is whole or not there at all.

DIR/nalu_jax-000000000060.checkpoint is the state after 60 steps, in bytes that anybody can read:

    the line "nalu_jax checkpoint 1", then the length of the header in 8 bytes, the smaller ones first
    the header, JSON: {"done": 60, "configuration": {...}, "leaves": [["float32", [11, 2, 3]], ...]}
    the leaves, one after another, in C order
    32 bytes: the SHA-256 of everything before them

Nothing in it is executed on loading. A file gets its name once all of it is on the disk, and the one before it goes
after that: whenever the power fails, there is a whole one. Files with other names, and whatever has such a name but was
not written here (links, folders, a text), are neither read nor removed.

>>> import numpy as np, pathlib, tempfile
>>> from nalu_jax.training import _checkpoint
>>> with tempfile.TemporaryDirectory() as directory:
...     path = _checkpoint.write(pathlib.Path(directory), 10, {"steps": 20}, [np.arange(3)])
...     saved = _checkpoint.read(path)
>>> path.name, saved.done, saved.configuration, saved.leaves
('nalu_jax-000000000010.checkpoint', 10, {'steps': 20}, [['int64', [3]]])
"""

import contextlib
import errno
import hashlib
import json
import os
import pathlib
import re
import stat
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

try:
    import fcntl
except ImportError:  # Windows: two runs in one directory are not noticed there
    fcntl = None

MAGIC = b"nalu_jax checkpoint 1\n"
NAME = re.compile(r"nalu_jax-([0-9]{12})\.checkpoint")
UNFINISHED = "nalu_jax-unfinished.checkpoint"
"""The name of a file that is being written; only who has the lock writes, so one name is enough."""

LOCK = "nalu_jax.lock"
DIGEST = hashlib.sha256().digest_size
PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
"""Flags of `os.open`: no links are followed, and (Windows) no line ends changed."""

Configuration = dict[str, Any]


class DamagedError(ValueError):
    """A file that is not what `write` wrote; the message says in what."""


class Saved(NamedTuple):
    """What a file has: steps done, what run it is of, [dtype, shape] of the leaves, and their bytes."""

    done: int
    configuration: Configuration
    leaves: list[list[Any]]
    payload: memoryview


def facts_of(leaves: Sequence[Any]) -> list[list[Any]]:
    """[dtype, shape] of each leaf, as JSON has them."""
    return [[str(leaf.dtype), list(leaf.shape)] for leaf in leaves]


def written(directory: pathlib.Path) -> list[pathlib.Path]:
    """The files that have the name of a checkpoint, oldest first."""
    if not directory.is_dir():
        return []
    return sorted(path for path in directory.iterdir() if NAME.fullmatch(path.name) and _is_file(path))


def write(
    directory: pathlib.Path, done: int, configuration: Configuration, leaves: Sequence[np.ndarray]
) -> pathlib.Path:
    """Write a checkpoint, which is on the disk when this returns.

    Raises:
        OSError: it could not be written; then nothing of it is left.
    """
    target = directory / _name(done)
    if os.path.lexists(target) and not is_own(target):
        raise FileExistsError(errno.EEXIST, "there is something else with that name", str(target))
    header = json.dumps({"done": done, "configuration": configuration, "leaves": facts_of(leaves)}).encode()
    unfinished = directory / UNFINISHED
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | PLAIN, 0o666)
    try:
        with open(descriptor, "wb") as file:
            digest = hashlib.sha256()
            for part in (MAGIC, len(header).to_bytes(8, "little"), header, *map(_bytes_of, leaves)):
                file.write(part)
                digest.update(part)
            file.write(digest.digest())
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, target)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise
    _sync(directory)
    return target


def read(path: pathlib.Path) -> Saved:
    """What a checkpoint has, after a check of every byte of it.

    Raises:
        DamagedError: it is not as it was written.
    """
    try:
        with open(os.open(path, os.O_RDONLY | PLAIN), "rb") as file:
            content = file.read()
    except OSError as error:
        raise DamagedError(f"it cannot be read, {error.strerror}") from None
    if not content:
        raise DamagedError("it is empty")
    if not content.startswith(MAGIC):
        raise DamagedError(f"it does not begin with {MAGIC.decode().strip()!r}")
    begin = len(MAGIC) + 8
    body = memoryview(content)[:-DIGEST]
    if len(content) < begin + DIGEST or hashlib.sha256(body).digest() != content[-DIGEST:]:
        raise DamagedError("its bytes are not those that were written (SHA-256)")
    end = begin + int.from_bytes(content[len(MAGIC) : begin], "little")
    try:
        header = json.loads(bytes(body[begin:end]))
        saved = Saved(header["done"], header["configuration"], header["leaves"], body[end:])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise DamagedError("its header is not that of a checkpoint") from None
    if not isinstance(saved.configuration, dict) or path.name != _name(saved.done):
        raise DamagedError("its header is not that of its name")
    return saved


def leaves_of(saved: Saved, like: Sequence[Any]) -> list[np.ndarray]:
    """The arrays of a checkpoint, of the shapes and dtypes of `like`.

    Raises:
        ValueError: it has others.
    """
    if saved.leaves != facts_of(like):
        raise ValueError(f"arrays: the checkpoint has {saved.leaves}, this run {facts_of(like)}")
    ends = np.cumsum([0, *(leaf.size * leaf.dtype.itemsize for leaf in like)])
    if ends[-1] != len(saved.payload):
        raise ValueError(f"arrays: the checkpoint has {len(saved.payload)} bytes, this run {ends[-1]}")
    return [
        np.frombuffer(saved.payload[begin:end], leaf.dtype).reshape(leaf.shape)
        for begin, end, leaf in zip(ends[:-1], ends[1:], like, strict=True)
    ]


def remove_others(directory: pathlib.Path, keep: Sequence[pathlib.Path]) -> None:
    """Remove the checkpoints that are not among `keep`, and nothing else."""
    for path in written(directory):
        if path not in keep and is_own(path):
            path.unlink(missing_ok=True)


def is_own(path: pathlib.Path) -> bool:
    """Whether a file was written here: a plain one that begins as they do, or that was emptied."""
    if not _is_file(path):
        return False
    try:
        with open(os.open(path, os.O_RDONLY | PLAIN), "rb") as file:
            return file.read(len(MAGIC)) in (MAGIC, b"")
    except OSError:
        return False


@contextlib.contextmanager
def locked(directory: pathlib.Path) -> Iterator[None]:
    """The directory, made where there is none, for this run alone; the system frees it where a process dies.

    Raises:
        ValueError: it is no directory, cannot be written to, or another run has it.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | PLAIN, 0o666)
    except OSError as error:
        raise ValueError(
            f"fit: checkpoint must be a directory that can be written to, got {str(directory)!r}: {error.strerror}. "
            "Choose another one."
        ) from None
    try:
        _lock(descriptor, directory)
        if _is_file(directory / UNFINISHED):  # of a process that was killed
            (directory / UNFINISHED).unlink()
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, directory: pathlib.Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ValueError(
            f"fit: another run is writing its checkpoints to {str(directory)!r}. Wait for its end, or choose another "
            "directory."
        ) from None
    except OSError:
        return  # a file system without locks, as some of clusters are


def _name(done: Any) -> str:
    return f"nalu_jax-{done:012d}.checkpoint" if type(done) is int else ""


def _is_file(path: pathlib.Path) -> bool:
    """Whether there is a plain file; a link to one is none."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _bytes_of(leaf: np.ndarray) -> memoryview:
    return np.ascontiguousarray(leaf).reshape(-1).view(np.uint8).data


def _sync(directory: pathlib.Path) -> None:
    """Have the names in a directory on the disk as well; a file system that cannot does without."""
    if os.name == "nt":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
