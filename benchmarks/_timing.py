"""The only timer: compile apart, warm up, block until ready, take turns, and compare within one run.

    candidates = {"textbook": compile_apart(f, x).call, "nalu_jax": compile_apart(g, x).call}
    compare(candidates, baseline="textbook", budget=3.0)

One round times every candidate once, each round in another order, so that a disturbance meets all of them; ratios are
taken within each round and summarised afterwards. A sample repeats a short call until the clock resolves it.
"""

import contextlib
import gc
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

SAMPLE_SECONDS = 1e-3  # a sample of short calls lasts at least about this long
SETTLE_SECONDS = 2e-3  # thread pools (OpenMP, Eigen) keep spinning after a call, and would slow the next candidate
# Below this a sample starts with an untimed call: the pause has cooled the caches, and the memory that a candidate of
# gigabytes has just given back to the system would otherwise be paged in again at the cost of whoever comes next.
SHORT_SECONDS = 1.0

Call = Callable[[], Any]


class Compiled(NamedTuple):
    """A compiled call without arguments, what it took to make, and the memory that XLA plans for it."""

    call: Call
    trace_seconds: float
    lower_seconds: float
    compile_seconds: float
    memory_bytes: int

    def times(self) -> dict[str, float]:
        """The seconds, by name."""
        return {name: getattr(self, name) for name in ("trace_seconds", "lower_seconds", "compile_seconds")}


def compile_apart(function: Callable[..., Any], *args: Any) -> Compiled:
    """`function(*args)` traced, lowered and compiled, each step on its own clock."""
    compiled, parts = _compile(jax.jit(function), args)
    return Compiled(lambda: compiled(*args), *parts, planned_bytes(compiled))


def compile_stateful(function: Callable[..., Any], state: Any, *args: Any) -> Compiled:
    """As `compile_apart`, of a call that replaces the state by `function(state, *args)`, and donates the old one."""
    compiled, parts = _compile(jax.jit(function, donate_argnums=0), (state, *args))

    def call() -> Any:
        nonlocal state
        state = compiled(state, *args)
        return state

    return Compiled(call, *parts, planned_bytes(compiled))


def _compile(function: Any, args: tuple[Any, ...]) -> tuple[Any, tuple[float, float, float]]:
    clock = time.perf_counter
    start = clock()
    traced = function.trace(*args)
    after_trace = clock()
    lowered = traced.lower()
    after_lower = clock()
    compiled = lowered.compile()
    after_compile = clock()
    return compiled, (after_trace - start, after_lower - after_trace, after_compile - after_lower)


def planned_bytes(compiled: Any) -> int:
    """Bytes of temporaries, arguments and results of a compiled function; 0 where the backend does not say."""
    analysis = compiled.memory_analysis()
    if analysis is None:
        return 0
    return int(analysis.temp_size_in_bytes + analysis.argument_size_in_bytes + analysis.output_size_in_bytes)


def summarise(values: Sequence[float]) -> dict[str, float]:
    """Median, quartiles and minimum."""
    first, median, third = np.quantile(np.asarray(values, float), [0.25, 0.5, 0.75])
    return {"median": float(median), "q1": float(first), "q3": float(third), "min": float(min(values))}


def compare(
    candidates: Mapping[str, Call],
    *,
    baseline: str,
    budget: float,
    min_repeats: int = 5,
    max_repeats: int = 100,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, dict[str, Any]]:
    """Times of every candidate: {"seconds", "speedup": summaries, "repeats", "calls_per_sample"}.

    Args:
        candidates: compiled calls without arguments, in the order of the table.
        baseline: the candidate that speedups refer to (its seconds / own seconds); all 1 for itself.
        budget: seconds for all rounds together; `min_repeats` rounds are made even where they take longer.
    """
    if baseline not in candidates:
        raise ValueError(f"baseline {baseline!r} is not one of {list(candidates)}")
    durations = {name: _warm_up(call, clock) for name, call in candidates.items()}
    calls = {name: _calls_per_sample(seconds) for name, seconds in durations.items()}
    round_seconds = sum(calls[name] * durations[name] + SETTLE_SECONDS for name in candidates)
    rounds = min(max(int(budget / round_seconds), min_repeats), max_repeats)
    samples = _take_turns(candidates, calls, durations, rounds, clock, sleep)
    return {
        name: {
            "seconds": summarise(samples[name]),
            "speedup": summarise(np.divide(samples[baseline], samples[name]).tolist()),
            "repeats": rounds,
            "calls_per_sample": calls[name],
        }
        for name in candidates
    }


def _warm_up(call: Call, clock: Callable[[], float]) -> float:
    """Seconds of the faster of two calls after a first one; the first one's where more would cost much."""
    first = _timed(call, 1, clock)
    return first if first > 1 else max(min(_timed(call, 1, clock) for _ in range(2)), 1e-9)


def _calls_per_sample(seconds: float) -> int:
    return min(max(math.ceil(SAMPLE_SECONDS / seconds), 1), 1000)


def _take_turns(
    candidates: Mapping[str, Call],
    calls: Mapping[str, int],
    durations: Mapping[str, float],
    rounds: int,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> dict[str, list[float]]:
    samples: dict[str, list[float]] = {name: [] for name in candidates}
    names = list(candidates)
    with _no_garbage_collection():
        for number in range(rounds):
            shift = number % len(names)
            for name in names[shift:] + names[:shift]:
                sleep(SETTLE_SECONDS)
                if durations[name] < SHORT_SECONDS:
                    jax.block_until_ready(candidates[name]())
                samples[name].append(_timed(candidates[name], calls[name], clock))
    return samples


def _timed(call: Call, count: int, clock: Callable[[], float]) -> float:
    """Seconds per call; every call is waited for, since that is what a caller who needs the result pays."""
    start = clock()
    for _ in range(count):
        jax.block_until_ready(call())
    return (clock() - start) / count


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
