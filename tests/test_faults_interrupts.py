"""Real signals to real processes, at drawn moments: the best so far, or one line and status 130; never a traceback."""

import contextlib
import pathlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pytest

from nalu_jax import _interrupt
from nalu_jax.training import _checkpoint

TWICE = "nalu-jax: interrupted twice, ended without a result.\n"
LINE = "nalu-jax: interrupted before there was a result.\n"


class Ended(NamedTuple):
    """A process that got a signal: how long after it was ready for one, its status, what it printed."""

    moment: float
    status: int
    output: str
    errors: str


def catches_sigterm(process: subprocess.Popen[str]) -> bool:
    """Whether a process has a handler for SIGTERM, which in Python nobody has by default."""
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    [mask] = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")]
    return bool(int(mask, 16) >> (signal.SIGTERM - 1) & 1)


def interrupted(
    arguments: Sequence[str], moment: float, signals: Sequence[int] = (signal.SIGINT,), pause: float = 0.0
) -> Ended:
    """What comes of a Python process that gets signals so long after it has a handler for them."""
    command = [sys.executable, *arguments]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        try:
            while process.poll() is None and not catches_sigterm(process):
                time.sleep(0.002)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(moment)
            for i, number in enumerate(signals):
                time.sleep(pause if i else 0)
                process.send_signal(number)
            output, errors = process.communicate(timeout=100)
        finally:
            process.kill()
    return Ended(moment, process.returncode, output, errors)


def at_drawn_moments(arguments: Callable[[int], Sequence[str]], last: float) -> list[Ended]:
    """Processes, two at a time, that get a signal at 20 moments drawn from the first `last` seconds.

    The signals are SIGINT and SIGTERM in turn; arguments are those of each process.
    """
    moments = np.random.default_rng(0).uniform(0.0, last, 20)

    def one(i: int) -> Ended:
        return interrupted(arguments(i), float(moments[i]), [_interrupt.SIGNALS[i % 2]])

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(one, range(20)))


pytestmark = [
    pytest.mark.skipif(not pathlib.Path("/proc/self/status").exists(), reason="looks at handlers in /proc"),
    pytest.mark.usefixtures("as_in_a_terminal"),
]

_FIT = """
import signal, sys
import jax, optax
from nalu_jax import chain, nau, nmu, training

unit = chain(nau, nmu)
x = jax.random.uniform(jax.random.key(7), (40, 2), minval=0.5, maxval=2.0)

def loss(params, batch):
    return training.losses.mse(unit.apply(params, batch[0]), batch[1])

options = dict(key=jax.random.key(1), steps=400, optimiser=optax.adam(0.02), data=(x, x[:, :1] * x[:, 1:]),
    restarts=2, validate_every=4, progress=False, finish=[training.rounding()])
if len(sys.argv) > 1:
    options |= dict(checkpoint=sys.argv[1], checkpoint_every=1)
fit = training.fit(loss, lambda key: unit.init(key, (2, 3, 1)), **options)
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)  # what comes now is not for `fit`
print("interrupted" if fit.interrupted else "whole", len(fit.steps), flush=True)
"""


_LONG = """
import jax, optax
from nalu_jax import nau, training

x = jax.numpy.ones((4, 2))

def loss(params, batch):
    start = jax.numpy.zeros((300, 300)) + params["w"][0, 0]
    work = jax.lax.fori_loop(0, 10**6, lambda i, state: jax.numpy.tanh(state @ state), start)
    return (nau.apply(params, batch)**2).sum() + 0 * jax.lax.stop_gradient(work).sum()

training.fit(loss, lambda key: nau.init(key, (2, 1)), key=jax.random.key(0), steps=1,
    optimiser=optax.sgd(0.1), data=x, progress=False)
"""


@pytest.mark.slow
def test_fit_returns_the_best_so_far_whenever_the_signal_comes(tmp_path, monkeypatch):
    """Also while XLA compiles, or a checkpoint is written: the last one has what was returned."""
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    ends = at_drawn_moments(lambda i: ["-c", _FIT, str(tmp_path / str(i))], 3.0)
    for i, end in enumerate(ends):
        assert end.status == 0, end
        assert end.errors == "" or re.fullmatch(
            "fit: interrupted after .* steps; the result is that so far.\n", end.errors
        ), end
        state, logs = end.output.split()
        assert (state == "whole" and logs == "100") or (state == "interrupted" and 1 <= int(logs) <= 100), end
        assert _checkpoint.read(_checkpoint.written(tmp_path / str(i))[-1]).done == 4 * int(logs)
    assert sum("interrupted" in end.output for end in ends) > 10


@pytest.mark.slow
def test_a_second_signal_ends_a_fit_at_once(tmp_path):
    """In the middle of compiled code, where Python does not come to act on signals."""
    end = interrupted(["-c", _LONG], 2.0, [signal.SIGINT, signal.SIGTERM], pause=0.3)
    assert (end.status, end.output, end.errors) == (130, "", TWICE)


@pytest.mark.slow
def test_an_ignored_signal_stays_ignored():
    """C23: as `nohup` has it."""
    code = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n" + _FIT
    end = interrupted(["-c", code], 1.0)
    assert (end.status, end.output, end.errors) == (0, "whole 100\n", "")


_TABLE = """
import numpy as np
from nalu_jax import discover
x = np.random.default_rng(0).uniform(0.5, 2.0, (60, 3))
y = 3 * x[:, 0] ** 2 / x[:, 1] + x[:, 2] + 0.01 * np.random.default_rng(1).normal(size=60)
"""
_ODE = """
import numpy as np
from nalu_jax import discover
ts = np.linspace(0.0, 3.0, 30)
"""
_CALLS = {
    "table": (_TABLE, "discover.table(x, y)", "best"),
    "ode": (_ODE, "discover.ode(ts, np.exp(-ts), progress=False)", "verdict"),
}


@pytest.mark.slow
@pytest.mark.parametrize("function", _CALLS)
def test_discover_returns_the_best_so_far_or_raises_what_ctrl_c_does(function, tmp_path, monkeypatch):
    """The search through the solver with what was compiled before, as compiling is tried with `fit`."""
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    before, call, attribute = _CALLS[function]
    code = f"""{before}
import signal
try:
    found = {call}
    ignored = [signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)]
    print("interrupted" if found.interrupted else "whole", found.{attribute} is not None)
except KeyboardInterrupt:
    print("nothing True")
"""
    undisturbed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert undisturbed.stdout == "whole True\n"
    begin = time.monotonic()
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    for end in at_drawn_moments(lambda i: ["-c", code], 0.7 * (time.monotonic() - begin)):
        assert end.status == 0 and end.errors == "", end
        assert end.output in ("interrupted True\n", "whole True\n", "nothing True\n"), end


def test_a_signal_after_the_result_changes_nothing():
    """While Python was ending, and had its default handlers back, the status was -2 beside a whole result."""
    code = (
        "import os, signal, sys, atexit\n"
        "from nalu_jax import _interrupt\n"
        "_interrupt.leave_on_signals()\n"
        "atexit.register(lambda: [os.kill(os.getpid(), number) for number in (signal.SIGINT, signal.SIGTERM)])\n"
        "_interrupt.finished()\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


TABLE = "\n".join(
    ["a,b,y", *(f"{1 + 0.1 * i},{2 + 7 * i % 5},{(1 + 0.1 * i) ** 2 * (2 + 7 * i % 5)}" for i in range(30))]
)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["module", "script"])
def test_the_command_line_says_one_line_or_the_best_so_far(command, tmp_path):
    """From its first moment on, while it imports; SIGTERM as Ctrl-C."""
    path = tmp_path / "data.csv"
    path.write_text(TABLE)
    start = ["-m", "nalu_jax"]
    if command == "script":  # as installers write it
        script = tmp_path / "nalu-jax"
        script.write_text("import sys\nfrom nalu_jax.cli import main\nsys.exit(main())\n")
        start = [str(script)]
    for end in at_drawn_moments(lambda i: [*start, "fit", str(path), "--target", "y"], 2.5):
        if end.status == 0:
            assert end.errors == "" and "y = a**2*b" in end.output, end
        elif end.output:
            assert end.status == 130 and end.errors == "" and "Interrupted" in end.output, end
        else:
            assert end.status == 130 and re.fullmatch("nalu-jax.*: interrupted before there was a .*\n", end.errors), (
                end
            )
