"""Ctrl-C and SIGTERM: a question to a run, which ends with what there is; the end of a command that has nothing yet.

Imports nothing heavy: a command has this before all else, so that it can be interrupted while it imports.

>>> from nalu_jax import _interrupt
>>> with _interrupt.deferred() as interrupted:
...     interrupted()
False
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_DEFAULT = (signal.SIG_DFL, signal.default_int_handler)

STATUS = 130
"""The exit status of a command that was interrupted before it had a result, as of a shell after Ctrl-C."""


class _Received:
    """The signals since the outermost `deferred` began, and whether a run has been told of them."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.told = False

    def asked(self) -> bool:
        self.told = self.told or bool(self.numbers)
        return self.told


_current: _Received | None = None


@contextlib.contextmanager
def deferred() -> Iterator[Callable[[], bool]]:
    """Within it a first SIGINT or SIGTERM only makes the function that it yields true; a second one ends the process.

    That it does at once, with one line, also while compiled code is running, which Python itself cannot interrupt. In
    an interactive session, and where somebody else handles SIGINT, the second one does what it would have done before.
    Blocks within one another share what they received. A signal that its parent has the process ignore stays ignored,
    as does one with a handler that is not Python's. A signal that came too late for anybody to ask is raised again at
    the end.

    Outside of the main thread, where Python allows no handlers, it changes nothing.
    """
    global _current
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    if _current is not None:
        yield _current.asked
        return
    _current = received = _Received()
    before = {number: signal.getsignal(number) for number in SIGNALS}
    before = {number: handler for number, handler in before.items() if _is_ours(number, handler)}

    ends = not _is_interactive() and before.get(signal.SIGINT) in (*_DEFAULT, leave)

    def handle(number: Any, frame: Any) -> None:
        received.numbers.append(number)
        if len(received.numbers) == 1:
            return
        if ends:
            _end()
        _act(before[number], number, frame)

    try:
        for number in before:
            signal.signal(number, handle)
        with _watched() if ends else contextlib.nullcontext():
            yield received.asked
    finally:
        _current = None
        for number, handler in before.items():
            signal.signal(number, handler)
    if received.numbers and not received.told:
        os.kill(os.getpid(), received.numbers[0])


def _is_ours(number: int, handler: Any) -> bool:
    """Whether a signal may be deferred: SIGTERM only where nobody else looks after it."""
    if handler is None or handler is signal.SIG_IGN:
        return False
    return number == signal.SIGINT or handler in (signal.SIG_DFL, leave)


def _act(handler: Any, number: int, frame: Any) -> None:
    if callable(handler):
        handler(number, frame)
    else:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _is_interactive() -> bool:
    return hasattr(sys, "ps1") or bool(sys.flags.interactive) or "IPython" in sys.modules


@contextlib.contextmanager
def _watched() -> Iterator[None]:
    """A thread that sees signals at once, also while compiled code is running, and ends the process at the second."""
    import socket  # not before a command has its handlers

    reader, writer = socket.socketpair()
    writer.setblocking(False)
    others = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    if others != -1:  # an event loop's, which needs it
        signal.set_wakeup_fd(others, warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(reader.recv,), name="nalu_jax interrupts", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        if others == -1:
            signal.set_wakeup_fd(-1)
        writer.close()  # which ends the thread
        watcher.join()
        reader.close()


def _watch(receive: Callable[[int], bytes]) -> None:
    arrived = 0
    while number := receive(1):
        arrived += number[0] in SIGNALS
        if arrived == 2:
            _end()


def leave(number: int, frame: Any) -> None:
    """A signal handler: one line, and the end of the process."""
    _exit(b"nalu-jax: interrupted before there was a result.\n")


def _end() -> None:
    _exit(b"nalu-jax: interrupted twice, ended without a result.\n")


def _exit(line: bytes) -> NoReturn:
    """One line, and the end of the process, without the usual steps at exit.

    In those jaxlib 0.10.2 crashes (SIGSEGV): a program that is being compiled in a thread of its own, and whose caller
    was interrupted, goes on after the client that it is for has been destroyed (CompileAndLoad, SingleDeviceSharding).
    """
    with contextlib.suppress(Exception):  # the signal may have come while it was being written to
        sys.stdout.flush()
    os.write(2, line)
    os._exit(STATUS)


def leave_on_signals() -> None:
    """Have SIGINT and SIGTERM end this process with `leave`, unless its parent or somebody else handles them."""
    for number in SIGNALS:
        if signal.getsignal(number) in _DEFAULT:
            signal.signal(number, leave)


def finished() -> None:
    """Have signals that would end this process with `leave` do nothing from now on: what was asked for is there, and
    Python, which restores the default handlers while it ends, would die of them with a status that says otherwise."""
    for number in SIGNALS:
        if signal.getsignal(number) is leave:
            signal.signal(number, signal.SIG_IGN)
