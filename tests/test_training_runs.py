"""Runs that outlive a process, and runs over several devices: the bits of one run on one device."""

import functools
import pathlib
import signal
import socket
import subprocess
import sys
import time
from typing import Any

import jax
import numpy as np
import optax
import pytest
from front_helpers import run_python

from nalu_jax import nau, training
from nalu_jax.training import _checkpoint, _run

fit: Any = functools.partial(training.fit, progress=False)

_RUN = """
import hashlib, sys, time
import jax, jax.numpy as jnp, numpy as np, optax
from nalu_jax import chain, nau, nmu, training

unit = chain(nau, nmu)

def loss(params, batch):
    return training.losses.mse(unit.apply(params, batch[0]), batch[1])

def run(**options):
    x = jax.random.uniform(jax.random.key(7), (40, 2), minval=0.5, maxval=2.0)
    return training.fit(loss, lambda key: unit.init(key, (2, 3, 1)), key=jax.random.key(1), steps=60,
        optimiser=optax.adam(0.02), data=(x, x[:, :1] * x[:, 1:]), batch_size=8, restarts=11, validate_every=7,
        progress=False, lanes=2, finish=[training.rounding()], **options)

def digest(fit):
    leaves = jax.tree.leaves((fit.all_params, fit.losses, fit.validations, fit.chosen_at, fit.best))
    return hashlib.sha256(b"".join(np.asarray(leaf).tobytes() for leaf in leaves)).hexdigest()
"""


@functools.cache
def uninterrupted() -> str:
    return run_python(_RUN + "print(digest(run()))").split()[-1]


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bits(tmp_path):
    """kill -9 as soon as there is a checkpoint; every chunk waits a little, so that there is something left to do."""
    directory = tmp_path / "run"
    slow = "\nfrom nalu_jax.training import _checkpoint\nsave = _checkpoint.save\n"
    slow += "def waiting(*arguments):\n    save(*arguments)\n    time.sleep(0.5)\n_checkpoint.save = waiting\n"
    code = _RUN + slow + f"run(checkpoint={str(directory)!r}, checkpoint_every=1)"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 120
        while not _checkpoint.finished(directory) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors.decode()
    [path] = _checkpoint.finished(directory)[-1:]
    assert 0 < int(path.name) < 60
    resumed = _RUN + f"print(digest(run(checkpoint={str(directory)!r}, checkpoint_every=1)))"
    assert run_python(resumed).split()[-1] == uninterrupted()
    assert [path.name for path in _checkpoint.finished(directory)] == ["000000000060"]


@functools.cache
def several_devices() -> list[str]:
    """Digests of the run on eight and on three simulated devices; it is near that on one of them."""
    code = (
        _RUN
        + """
assert jax.device_count() == 8
eight, three, one = run(), run(devices=jax.devices()[:3]), run(devices=jax.devices()[:1])
np.testing.assert_allclose(eight.losses, one.losses, rtol=1e-4)
jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), eight.all_params, one.all_params)
print(digest(eight), digest(three))
"""
    )
    return run_python(code, XLA_FLAGS="--xla_force_host_platform_device_count=8").split()[-2:]


@pytest.mark.slow
def test_eight_devices_give_the_bits_of_three_and_the_results_of_one():
    """XLA compiles a program for several devices otherwise than for one, which changes roundings."""
    eight, three = several_devices()
    assert eight == three


@pytest.mark.slow
def test_two_processes_give_the_bits_of_eight_devices():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    start = "import jax, sys\njax.config.update('jax_cpu_collectives_implementation', 'gloo')\n"
    start += f"jax.distributed.initialize({address!r}, 2, int(sys.argv[1]))\n"
    code = start + _RUN + "assert jax.process_count() == 2 and jax.device_count() == 2\nprint(digest(run()))"
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with (
        subprocess.Popen([sys.executable, "-c", code, "0"], **pipes) as first,
        subprocess.Popen([sys.executable, "-c", code, "1"], **pipes) as second,
    ):
        for process in (first, second):
            output, errors = process.communicate(timeout=180)
            assert process.returncode == 0, errors
            assert output.split()[-1] == several_devices()[0]


X = jax.random.uniform(jax.random.key(7), (40, 2), minval=0.5, maxval=2.0)


def mse(params, batch):
    return training.losses.mse(nau.apply(params, batch[0]), batch[1])


def init(key):
    return nau.init(key, (2, 1))


ADAM = optax.adam(0.05)
RUN: dict[str, Any] = {
    "key": jax.random.key(0),
    "steps": 20,
    "data": (X, X[:, :1]),
    "validate_every": 5,
    "checkpoint_every": 1,
}


def test_a_finished_run_is_read_back(tmp_path):
    run = functools.partial(fit, mse, init, **RUN, optimiser=ADAM, checkpoint=tmp_path / "run")
    first, second = run(), run()
    jax.tree.map(np.testing.assert_array_equal, first, second)


def test_what_a_checkpoint_is_compared_by_has_no_addresses():
    """Functions have another address in every process."""
    first, second = (training.reinitialise(window=4, init=lambda key: key) for _ in range(2))
    assert repr(first) != repr(second) and _run._lasting(first) == _run._lasting(second)


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    run = functools.partial(fit, mse, init, checkpoint=tmp_path / "run")
    run(**RUN, optimiser=ADAM)
    changes = {
        "keys": RUN | {"key": jax.random.key(1)},
        "steps: the checkpoint has 20, this run 30": RUN | {"steps": 30},
        "restarts: the checkpoint has 1, this run 2": RUN | {"restarts": 2},
        "data": RUN | {"data": (X, X[:, 1:])},
        "program": RUN | {"optimiser": optax.adam(0.06)},
    }
    for words, options in changes.items():
        with pytest.raises(ValueError, match=f"of another run: .*{words}.*another directory"):
            run(**{"optimiser": ADAM} | options)


def test_a_checkpoint_that_cannot_be_written_loses_no_earlier_one(tmp_path, monkeypatch):
    import orbax.checkpoint as ocp

    save, written = ocp.PyTreeCheckpointer.save, []

    def disk_is_full(self, directory, *arguments, **options):
        if len(written) >= 2:
            (pathlib.Path(directory).parent / f"{directory.name}.orbax-checkpoint-tmp").mkdir()  # half of one
            raise OSError(28, "No space left on device")
        written.append(directory.name)
        save(self, directory, *arguments, **options)

    monkeypatch.setattr(ocp.PyTreeCheckpointer, "save", disk_is_full)
    run = functools.partial(fit, mse, init, **RUN, optimiser=ADAM, checkpoint=tmp_path / "run")
    with pytest.warns(UserWarning, match="no checkpoint after (15|20) steps: .*No space left.*Earlier ones are kept"):
        first = run()
    assert [path.name for path in _checkpoint.finished(tmp_path / "run")] == ["000000000010"]
    monkeypatch.undo()
    jax.tree.map(np.testing.assert_array_equal, first, run())
