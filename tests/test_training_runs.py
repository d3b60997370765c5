"""Runs that outlive a process, and runs over several devices: the bits of one run on one device."""

import contextlib
import functools
import signal
import socket
import subprocess
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from front_helpers import run_python

from nalu_jax import nau, training
from nalu_jax.training import _checkpoint, _draws, _run, _saving

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
    slow = "\nfrom nalu_jax.training import _saving\nsave = _saving.save\n"
    slow += "def waiting(*arguments):\n    save(*arguments)\n    time.sleep(0.5)\n_saving.save = waiting\n"
    code = _RUN + slow + f"run(checkpoint={str(directory)!r}, checkpoint_every=1)"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 120
        while not _checkpoint.written(directory) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors.decode()
    [path] = _checkpoint.written(directory)[-1:]
    assert 0 < _checkpoint.read(path).done < 60
    resumed = _RUN + f"print(digest(run(checkpoint={str(directory)!r}, checkpoint_every=1)))"
    assert run_python(resumed).split()[-1] == uninterrupted()
    assert [_checkpoint.read(path).done for path in _checkpoint.written(directory)] == [56, 60]


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
def test_two_processes_give_the_bits_of_eight_devices(tmp_path):
    """The second run goes on from a checkpoint after the first chunk, which only the first process can read."""
    options = f"checkpoint={str(tmp_path)!r} if jax.process_index() == 0 else '/nowhere'"
    stop = "from nalu_jax.training import _run\nimport contextlib\ndeferred = _run._interrupt.deferred\n"
    stop += "_run._interrupt.deferred = lambda: contextlib.nullcontext(lambda: jax.process_index() == 1)\n"
    stop += f"assert run({options}).steps.tolist() == [7]\n_run._interrupt.deferred = deferred\n"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    start = "import jax, sys\njax.config.update('jax_cpu_collectives_implementation', 'gloo')\n"
    start += f"jax.distributed.initialize({address!r}, 2, int(sys.argv[1]))\n"
    code = start + _RUN + "assert jax.process_count() == 2 and jax.device_count() == 2\n" + stop
    code += f"print(digest(run({options})))\n"
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
    jax.tree.map(np.testing.assert_array_equal, vars(first), vars(second))


def test_an_optimiser_that_holds_a_key_goes_on_with_it(tmp_path, monkeypatch):
    """optax's noise; a key is no array that NumPy can hold."""
    run = functools.partial(fit, mse, init, **RUN, optimiser=optax.chain(optax.add_noise(0.01, 0.5, 3), ADAM))
    with monkeypatch.context() as patched:
        patched.setattr(_run._interrupt, "deferred", lambda: contextlib.nullcontext(lambda: True))
        assert run(checkpoint=tmp_path).steps.tolist() == [5]
    found, wanted = run(checkpoint=tmp_path), run()
    np.testing.assert_array_equal(found.all_params["w"], wanted.all_params["w"])


def test_what_a_checkpoint_is_compared_by_has_no_addresses():
    """Functions have another address in every process."""
    first, second = (training.reinitialise(window=4, init=lambda key: key) for _ in range(2))
    assert repr(first) != repr(second) and _saving._lasting(first) == _saving._lasting(second)


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    run = functools.partial(fit, mse, init, checkpoint=tmp_path / "run")
    run(**RUN, optimiser=ADAM)
    rule = training.reinitialise(window=10)
    changes = {
        "other keys": RUN | {"key": jax.random.key(1)},
        "steps: the checkpoint has 20, this run 30": RUN | {"steps": 30},
        "restarts: the checkpoint has 1, this run 2": RUN | {"restarts": 2},
        "other data": RUN | {"data": (X, X[:, 1:])},
        "other program": RUN | {"optimiser": optax.adam(0.06)},
        "other validation": RUN | {"validation": lambda params: params["w"].sum()},
        "other validation;?": RUN | {"validation_loss": lambda params, batch: 2 * mse(params, batch)},
        "other metrics": RUN | {"metrics": lambda params: params["w"].sum()},
        "reinitialise: the checkpoint has None": RUN | {"reinitialise": rule},
        "patience: the checkpoint has None, this run 3": RUN | {"patience": 3},
    }
    for words, options in changes.items():
        with pytest.raises(ValueError, match=f"of another run: .*{words}.*another directory"):
            run(**{"optimiser": ADAM} | options)


@pytest.mark.parametrize("jitted", [False, True], ids=["plain", "jitted"])
@pytest.mark.parametrize("part", ["loss", "validation", "metrics", "init of reinitialise"])
def test_functions_are_compared_by_the_arrays_that_they_close_over(part, jitted, tmp_path):
    """Also those inside a jitted function, which JAX prints as a shape alone."""

    def run(factor):
        numbers = np.full(40, factor, np.float32)
        weigh = lambda value: (value * jax.numpy.asarray(numbers)).sum()
        weigh = jax.jit(weigh) if jitted else weigh
        weighted = lambda params, *data: weigh(params["w"].sum())
        options: dict[str, Any] = {
            "loss": {"loss": weighted},
            "validation": {"validation": weighted},
            "metrics": {"metrics": weighted},
            "init of reinitialise": {
                "reinitialise": training.reinitialise(window=10, init=lambda key: {"w": init(key)["w"] * weigh(1.0)})
            },
        }[part]
        return fit(**{"loss": mse, "init": init, "optimiser": ADAM, "checkpoint": tmp_path} | RUN | options)

    for _ in range(2):
        run(1.0)
    with pytest.raises(ValueError, match="of another run: other"):
        run(2.0)


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_devices(tmp_path):
    """Copies that fill up the last group of restarts are not in a checkpoint: their number is that of the devices."""
    stop = "\nfrom nalu_jax.training import _run\n"
    stop += "_run._interrupt.deferred = lambda: contextlib.nullcontext(lambda: True)\n"
    options = f"checkpoint={str(tmp_path)!r}, devices=jax.devices()"
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    run_python("import contextlib\n" + _RUN + stop + f"run({options})", **flags)
    assert [_checkpoint.read(path).done for path in _checkpoint.written(tmp_path)] == [7]
    assert run_python(_RUN + f"print(digest(run({options}[:3])))", **flags).split()[-1] == several_devices()[0]


@pytest.mark.parametrize("count", [None, 7])
def test_draws_in_one_piece_have_the_bits_of_jax(count):
    """However many keys are drawn from at once, of every width, also of keys made of them."""
    key = jax.random.key(3) if count is None else jax.random.split(jax.random.key(3), count)

    def draws(key):
        folded, split = jax.random.fold_in(key, jnp.int32(7)), jax.random.split(key, 3)
        bits = [jax.random.bits(folded, (5, 3), dtype) for dtype in (jnp.uint8, jnp.uint16, jnp.uint32)]
        own = [jax.random.normal(key), jax.random.uniform(key, (0, 2))]
        return bits, own, jax.vmap(lambda key: jax.random.uniform(key, (4,)))(split)

    ours = lambda key: draws(_draws.in_one_piece(key))
    run = (lambda function: jax.jit(function)) if count is None else (lambda function: jax.jit(jax.vmap(function)))
    jax.tree.map(np.testing.assert_array_equal, run(ours)(key), run(draws)(key))


def test_other_keys_are_drawn_from_as_they_are():
    key = jax.random.key(0, impl="rbg")
    assert jax.random.key_impl(_draws.in_one_piece(key)) == "rbg"
