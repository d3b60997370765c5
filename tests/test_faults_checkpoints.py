"""Checkpoints under attack: foreign files, damage, a full disk, a power cut, two runs in one directory."""

import errno
import functools
import hashlib
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import threading
import warnings
from typing import Any

import jax
import numpy as np
import optax
import pytest
from front_helpers import run_python
from hypothesis import given, settings
from hypothesis import strategies as st

from nalu_jax import nau, training
from nalu_jax.training import _checkpoint, _saving

X = jax.random.uniform(jax.random.key(7), (40, 2), minval=0.5, maxval=2.0)
ADAM = optax.adam(0.05)


def mse(params, batch):
    return training.losses.mse(nau.apply(params, batch[0]), batch[1])


def init(key):
    return nau.init(key, (2, 1))


fit: Any = functools.partial(
    training.fit,
    mse,
    init,
    key=jax.random.key(0),
    steps=20,
    optimiser=ADAM,
    data=(X, X[:, :1]),
    validate_every=5,
    checkpoint_every=1,
    progress=False,
)


@functools.cache
def undisturbed() -> training.Fit:
    return fit()


def assert_same(first: training.Fit, second: training.Fit) -> None:
    for name in ("all_params", "losses", "validations", "steps", "best"):
        jax.tree.map(np.testing.assert_array_equal, getattr(first, name), getattr(second, name))


def done_of(directory: pathlib.Path) -> list[int]:
    return [_checkpoint.read(path).done for path in _checkpoint.written(directory)]


def content(directory: pathlib.Path) -> dict[str, bytes | str]:
    """Every file and link below a directory, and what it has."""
    return {
        str(path.relative_to(directory)): os.readlink(path) if path.is_symlink() else path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def test_what_others_have_in_the_directory_stays_and_does_not_disturb(tmp_path):
    """C1, C2: a folder `2024.results` was removed, `3.notes`, `7` and links ended the run."""
    directory, outside = tmp_path / "run", tmp_path / "outside"
    (directory / "2024.results").mkdir(parents=True)
    (directory / "2024.results" / "thesis.csv").write_text("of years")
    (directory / "2024" / "deep").mkdir(parents=True)
    (directory / "2024" / "deep" / "data").write_text("data")
    outside.mkdir()
    (outside / "kept").write_text("kept")
    for name in ("3.notes", "7", "nalu_jax-5.checkpoint", "nalu_jax-000000000005.checkpoint.txt", "notes.checkpoint"):
        (directory / name).write_text("mine")
    (directory / "1.backup").symlink_to(outside)
    (directory / "nalu_jax-000000000003.checkpoint").symlink_to(outside / "kept")
    (directory / "nalu_jax-000000000004.checkpoint").mkdir()
    (directory / "nalu_jax-000000000007.checkpoint").symlink_to(tmp_path / "nowhere")
    before = content(directory)
    assert_same(fit(checkpoint=directory), undisturbed())
    assert done_of(directory) == [15, 20]
    assert_same(fit(checkpoint=directory), undisturbed())
    after = content(directory)
    assert {name: after[name] for name in before} == before
    new = {"nalu_jax.lock", "nalu_jax-000000000015.checkpoint", "nalu_jax-000000000020.checkpoint"}
    assert set(after) - set(before) == new and content(outside) == {"kept": b"kept"}


def test_what_stands_where_a_checkpoint_would_be_is_not_written_over(tmp_path):
    target, other = tmp_path / "nalu_jax-000000000020.checkpoint", tmp_path / "nalu_jax-000000000015.checkpoint"
    outside = tmp_path / "outside"
    outside.write_text("outside")
    target.symlink_to(outside)
    other.mkdir()
    with pytest.warns(UserWarning, match="no checkpoint after 15 steps.*something else with that name"):
        assert_same(fit(checkpoint=tmp_path), undisturbed())
    assert done_of(tmp_path) == [5, 10] and target.is_symlink() and outside.read_text() == "outside" and other.is_dir()


def test_a_text_with_the_name_of_a_checkpoint_is_damaged_and_stays(tmp_path):
    path = tmp_path / "nalu_jax-000000000010.checkpoint"
    path.write_text("my own words")
    with pytest.raises(ValueError, match=r"are damaged \(nalu_jax-000000000010.checkpoint: it does not begin with"):
        fit(checkpoint=tmp_path)
    assert path.read_text() == "my own words"


def _cut(data: bytes, where: int) -> bytes:
    return data[: where % len(data)]


def _flipped(data: bytes, where: int) -> bytes:
    byte, bit = divmod(where % (8 * len(data)), 8)
    return data[:byte] + bytes([data[byte] ^ (1 << bit)]) + data[byte + 1 :]


def _without_a_part(data: bytes, where: int) -> bytes:
    begin = where % len(data)
    return data[:begin] + data[begin + max(1, (len(data) - begin) // 2) :]


def _with_zeros(data: bytes, where: int) -> bytes:
    begin = where % len(data)
    zeroed = data[:begin] + bytes(len(data) - begin)  # what a power cut leaves of a file whose length was written first
    return zeroed if zeroed != data else b""


DAMAGE = {"truncated": _cut, "bit flipped": _flipped, "part missing": _without_a_part, "zeros": _with_zeros}


@pytest.mark.parametrize("damage", [*DAMAGE, "emptied"])
def test_a_damaged_checkpoint_leaves_the_one_before_it(damage, tmp_path):
    """C3."""
    fit(checkpoint=tmp_path)
    newest = _checkpoint.written(tmp_path)[-1]
    data = newest.read_bytes()
    newest.write_bytes(b"" if damage == "emptied" else DAMAGE[damage](data, 2 * len(data) // 3))
    with pytest.warns(
        UserWarning, match=r"some are damaged \(nalu_jax-000000000020.*from an earlier one, after 15 ste"
    ):
        assert_same(fit(checkpoint=tmp_path), undisturbed())
    assert done_of(tmp_path) == [15, 20] and newest.read_bytes() == data


def test_where_all_are_damaged_there_is_one_error_with_the_directory_and_the_cure(tmp_path):
    fit(checkpoint=tmp_path)
    for path in _checkpoint.written(tmp_path):
        path.write_bytes(_flipped(path.read_bytes(), 4001))
    before = content(tmp_path)
    with pytest.raises(ValueError, match=r"damaged \(.*SHA-256.*SHA-256.*\)\. Remove them.*or choose another") as error:
        fit(checkpoint=tmp_path)
    assert str(tmp_path) in str(error.value) and "\n" not in str(error.value)
    assert content(tmp_path) == before


@functools.cache
def sound() -> tuple[str, bytes, list[np.ndarray]]:
    """The name and bytes of a checkpoint, and its arrays."""
    leaves = [
        np.arange(6.0).reshape(2, 3),
        np.array(True),
        np.zeros((0, 4), np.int32),
        np.full((1, 1), 1.5, np.float32),
    ]
    with tempfile.TemporaryDirectory() as directory:
        path = _checkpoint.write(pathlib.Path(directory), 12, {"steps": 20, "keys": "sha256 a"}, leaves)
        return path.name, path.read_bytes(), leaves


def _read(directory: pathlib.Path, name: str, data: bytes) -> list[np.ndarray]:
    path = directory / name
    path.write_bytes(data)
    return _checkpoint.leaves_of(_checkpoint.read(path), sound()[2])


def test_what_was_written_is_read(tmp_path):
    name, data, leaves = sound()
    for found, wanted in zip(_read(tmp_path, name, data), leaves, strict=True):
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)


def test_every_single_bit_counts(tmp_path):
    name, data, _ = sound()
    for bit in range(8 * len(data)):
        with pytest.raises(_checkpoint.DamagedError):
            _read(tmp_path, name, _flipped(data, bit))


def test_every_length_but_the_right_one_is_damage(tmp_path):
    name, data, _ = sound()
    for length in range(len(data)):
        with pytest.raises(_checkpoint.DamagedError):
            _read(tmp_path, name, data[:length])
    with pytest.raises(_checkpoint.DamagedError):
        _read(tmp_path, name, data + b"\0")


def _edited(data: bytes, edits: list[tuple[int, bytes, int]]) -> bytes:
    """Bytes in which parts are replaced: from where, by what, how many."""
    for where, piece, length in edits:
        begin = where % (len(data) + 1)
        data = data[:begin] + piece + data[begin + length :]
    return data


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


EDITS = st.lists(st.tuples(st.integers(0, 2**16), st.binary(max_size=40), st.integers(0, 40)), min_size=1, max_size=4)


@pytest.mark.slow
@settings(max_examples=6000, deadline=None, derandomize=True)
@given(edits=EDITS)
def test_edited_bytes_are_damage_and_never_another_result(edits, scratch):
    name, data, _ = sound()
    edited = _edited(data, edits)
    if edited == data:
        return
    with pytest.raises(_checkpoint.DamagedError):
        _read(scratch, name, edited)


HEADERS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.fixed_dictionaries(
    {"done": HEADERS | st.just(12), "configuration": HEADERS | st.just({}), "leaves": HEADERS}
)


@pytest.mark.slow
@settings(max_examples=3000, deadline=None, derandomize=True)
@given(header=HEADERS | FIELDS, length=st.integers(0, 2**64 - 1) | st.none(), payload=st.binary(max_size=60))
def test_a_forged_header_with_the_right_hash_is_refused_in_words(header, length, payload, scratch):
    text = json.dumps(header).encode()
    length = len(text) if length is None else length
    body = _checkpoint.MAGIC + length.to_bytes(8, "little") + text + payload
    path = scratch / sound()[0]
    path.write_bytes(body + hashlib.sha256(body).digest())
    store = _saving.Store(path.parent, {"steps": 20}, 1)
    with pytest.raises(ValueError, match=r"fit: the checkpoints? in .* (are damaged|is of another run)"):
        _saving.restore(store, lambda done: sound()[2])


def test_a_deep_header_is_damage(tmp_path):
    text = b"[" * 100_000
    body = _checkpoint.MAGIC + len(text).to_bytes(8, "little") + text
    with pytest.raises(_checkpoint.DamagedError, match="its header"):
        _read(tmp_path, sound()[0], body + hashlib.sha256(body).digest())


def test_two_runs_in_one_directory(tmp_path):
    """C5: the second one gets one line, and the first is not disturbed; after it, the directory is free."""
    inside, go_on = threading.Event(), threading.Event()

    def wait():
        inside.set()
        go_on.wait(60)

    def waiting(params):
        jax.debug.callback(wait)
        return mse(params, (X, X[:, :1]))

    results = []
    first = threading.Thread(target=lambda: results.append(fit(checkpoint=tmp_path, validation=waiting)))
    first.start()
    assert inside.wait(60)
    with pytest.raises(
        ValueError, match="fit: another run is writing its checkpoints to .*choose another directory"
    ) as e:
        fit(checkpoint=tmp_path)
    go_on.set()
    first.join()
    assert "\n" not in str(e.value) and not results[0].interrupted and done_of(tmp_path) == [15, 20]


def test_the_lock_of_a_dead_process_is_free(tmp_path):
    code = "import sys, os, pathlib, signal\nfrom nalu_jax.training import _checkpoint\n"
    code += "with _checkpoint.locked(pathlib.Path(sys.argv[1])):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -9 and (tmp_path / "nalu_jax.lock").exists()
    with _checkpoint.locked(tmp_path):
        pass


@pytest.mark.parametrize("place", ["file", "below a file", "link to nowhere"])
def test_a_checkpoint_that_is_no_directory_is_refused_before_the_first_step(place, tmp_path):
    """C24."""
    path = tmp_path / "run"
    path.symlink_to(tmp_path / "nowhere" / "deep") if place == "link to nowhere" else path.write_text("mine")
    with pytest.raises(ValueError, match="fit: checkpoint must be a directory that can be written to, got .*Choose an"):
        fit(checkpoint=path / "deeper" if place == "below a file" else path)


def test_a_full_disk_leaves_nothing_behind_and_the_next_checkpoint_is_written(tmp_path, monkeypatch):
    """C6: one warning, no rest of a file, and what fits later is written."""
    sync, tries = os.fsync, []

    def full(descriptor):
        tries.append(1)
        if 3 <= len(tries) <= 4:  # a checkpoint is two of them, the file and the name: the second and third one fail
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    seen, write = [], _checkpoint.write

    def watched(directory, done, *arguments):
        try:
            return write(directory, done, *arguments)
        finally:
            seen.append((done, sorted(path.name for path in directory.iterdir())))

    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(_checkpoint, "write", watched)
    with pytest.warns(
        UserWarning, match="no checkpoint after 10 steps in .*: No space left on device. Earlier"
    ) as caught:
        assert_same(fit(checkpoint=tmp_path), undisturbed())
    first, last = "nalu_jax-000000000005.checkpoint", "nalu_jax-000000000020.checkpoint"
    rest = ["nalu_jax.lock"]
    assert seen == [(5, [first, *rest]), (10, [first, *rest]), (15, [first, *rest]), (20, [first, last, *rest])]
    assert len(caught) == 1


def test_a_write_that_the_system_ends_half_way_leaves_nothing(tmp_path):
    """A limit on the size of files makes the kernel itself stop in the middle of one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    store = _saving.Store(tmp_path, {"steps": 20}, 1)
    _saving.save(store, 1, [np.zeros(10)])
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.warns(UserWarning, match="no checkpoint after 2 steps in .*: File too large") as caught:
            for done in range(2, 102):
                _saving.save(store, done, [np.zeros(100_000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(caught) == 1 and [path.name for path in tmp_path.iterdir()] == ["nalu_jax-000000000001.checkpoint"]
    _saving.save(store, 102, [np.zeros(100_000)])
    assert done_of(tmp_path) == [1, 102]


def test_whatever_a_power_cut_leaves_of_the_new_file_a_whole_one_is_found(tmp_path):
    """The rest of a file that was being written, at every length; and a name that got ahead of its bytes."""
    store, arrays = _saving.Store(tmp_path, {"steps": 20}, 1), [np.arange(3.0)]
    with _saving.opened(store):
        for done in (5, 10):
            _saving.save(store, done, arrays)
    kept = content(tmp_path)
    new = _checkpoint.write(tmp_path, 15, {"steps": 20}, arrays)
    data = new.read_bytes()
    for length in range(len(data)):
        new.unlink()
        (tmp_path / _checkpoint.UNFINISHED).write_bytes(data[:length])
        again = _saving.Store(tmp_path, {"steps": 20}, 1)
        with _saving.opened(again):
            found = _saving.restore(again, lambda done: arrays)
        assert found is not None and found[0] == 10 and content(tmp_path) == kept
        new.write_bytes(data[:length])
        with _saving.opened(again), pytest.warns(UserWarning, match="some are damaged.*after 10 steps"):
            found = _saving.restore(again, lambda done: arrays)
        assert found is not None and found[0] == 10


_WRITER = """
import pathlib, sys
import numpy as np
from nalu_jax.training import _saving

def arrays(done):
    return [np.full(50_000, float(done)), np.arange(done, done + 7)]

def like(done):
    return arrays(done)

store = _saving.Store(pathlib.Path(sys.argv[1]), {"steps": 10**9}, 1)
"""


@pytest.mark.slow
def test_killed_at_any_moment_a_writer_leaves_a_whole_checkpoint(tmp_path):
    """kill -9 at 20 drawn moments while one checkpoint follows the other; each of them is whole and not older."""
    code = _WRITER + (
        "with _saving.opened(store):\n"
        "    done, _ = _saving.restore(store, like) or (0, None)\n"
        "    print('started', flush=True)\n"
        "    while True:\n"
        "        done += 1\n"
        "        _saving.save(store, done, arrays(done))\n"
        "        print(done, flush=True)\n"
    )
    random, last = np.random.default_rng(4), 0
    for _ in range(20):
        with subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None and process.stdout.readline() == "started\n"
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(random.uniform(0.0, 0.3))
            process.kill()
            said = [int(line) for line in process.stdout.read().split("\n")[:-1]]
        store = _saving.Store(tmp_path, {"steps": 10**9}, 1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            like = lambda done: [np.zeros(50_000), np.zeros(7, int)]
            with _saving.opened(store):
                found = _saving.restore(store, like)
        if not said and found is None:
            continue
        assert found is not None
        done, (first, second) = found
        assert done >= max([last, *said]) and (first == done).all() and (second == done + np.arange(7)).all()
        recent = {f"nalu_jax-{each:012d}.checkpoint" for each in (done - 2, done - 1, done)}
        assert set(content(tmp_path)) <= recent | {"nalu_jax.lock"}
        last = done
    assert last > 20


@pytest.mark.slow
def test_another_process_gets_one_line(tmp_path):
    code = _WRITER + "with _saving.opened(store):\n    pass\n"
    with _checkpoint.locked(tmp_path):
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and last.startswith("ValueError: fit: another run is writing its checkpoints to")
    run_python(code, str(tmp_path))
