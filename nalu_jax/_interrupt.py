"""Ctrl-C as a question: a run ends after the chunk that is being computed, with nothing lost.

>>> from nalu_jax import _interrupt
>>> with _interrupt.deferred() as interrupted:
...     interrupted()
False
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def deferred() -> Iterator[Callable[[], bool]]:
    """Within it a first SIGINT only makes the function that it yields true; a second one interrupts as usual.

    Outside of the main thread, where Python allows no handlers, it changes nothing.
    """
    received = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.getsignal(signal.SIGINT)

    def handler(number, frame):
        if received and callable(before):
            before(number, frame)
        received.append(number)

    signal.signal(signal.SIGINT, handler)
    try:
        yield lambda: bool(received)
    finally:
        signal.signal(signal.SIGINT, before)
