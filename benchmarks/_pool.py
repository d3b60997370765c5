"""Rows measured by several processes at once, each with one thread, so that a run takes minutes and can go on later."""

import argparse
import concurrent.futures
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool

from tqdm import tqdm

from . import _report

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
Measure = Callable[[_report.Row], _report.Row]


def add_options(parser: argparse.ArgumentParser) -> None:
    """--processes and --resume."""
    parser.add_argument("--processes", type=int, default=2, help="that measure rows at once, each with one thread")
    parser.add_argument("--resume", action="store_true", help="keep the rows that --json has from the same commit")


def run(
    results: _report.Results,
    tasks: Sequence[_report.Row],
    measure: Measure,
    table: Callable[[Sequence[_report.Row]], str],
    options: argparse.Namespace,
) -> int:
    """`_report.run` in several processes, with the options of `add_options`; `measure` is a function of a module.

    Rows stand in the order of the tasks. A process that dies costs the rows that were being measured, with the reason.
    """
    start = time.monotonic()
    kept, before = _finished(results, tasks) if options.resume else ({}, 0.0)
    results.data["rows"] = list(kept.values())
    places = list(kept)
    left = [(place, task) for place, task in enumerate(tasks) if place not in kept]
    status = "complete"
    with tqdm(total=len(tasks), initial=len(kept), unit="row", disable=None, leave=False) as bar:
        try:
            for place, row in _measured(left, measure, options.processes, _report.effort_of(options)):
                places.append(place)
                results.data["seconds"] = before + time.monotonic() - start
                results.add(row)
                bar.update()
        except KeyboardInterrupt:
            status = "interrupted"
    in_order = sorted(zip(places, results.data["rows"], strict=False), key=lambda pair: pair[0])
    results.data["rows"] = [row for _, row in in_order]
    results.finish(status, before + time.monotonic() - start)
    print(table(results.data["rows"]))
    print(*_report.skipped(results.data["rows"]), sep="\n", end="")
    seconds = _report.duration(results.data["seconds"])
    print(f"{status}: {len(results.data['rows'])} of {len(tasks)} rows in {seconds} with {options.processes} processes")
    return 0 if status == "complete" else _report.INTERRUPTED


def _finished(results: _report.Results, tasks: Sequence[_report.Row]) -> tuple[dict[int, _report.Row], float]:
    """Rows by the place of their task, and their seconds, of a file of the same commit; no rows of other code."""
    if results.path is None or not results.path.exists():
        return {}, 0.0
    old = json.loads(results.path.read_text())
    same = all(old["environment"][name] == results.data["environment"][name] for name in ("commit", "modified"))
    if not same or old["script"] != results.data["script"]:
        return {}, 0.0
    found = {place: row for place, task in enumerate(tasks) for row in old["rows"] if task.items() <= row.items()}
    return found, old.get("seconds", 0.0)


def _measured(
    tasks: Sequence[tuple[int, _report.Row]], measure: Measure, processes: int, effort: _report.Effort
) -> Iterator[tuple[int, _report.Row]]:
    """Places and rows, as they are finished."""
    start = time.monotonic()
    waiting = list(reversed(tasks))
    while waiting:
        running: dict[concurrent.futures.Future, tuple[int, _report.Row]] = {}
        os.environ.update(dict.fromkeys(THREADS, "1"))  # read when a process of the pool imports NumPy
        context = multiprocessing.get_context("spawn")
        pool = concurrent.futures.ProcessPoolExecutor(processes, context, _ignore_interrupts)
        try:
            while waiting or running:
                while waiting and len(running) < processes:
                    place, task = waiting.pop()
                    if time.monotonic() - start > effort.total_seconds:
                        reason = f"not begun within the {effort.total_seconds:.0f} s of --{effort.name}"
                        yield place, task | {"skipped": reason}
                        continue
                    running[pool.submit(measure, task)] = place, task
                if not running:
                    break
                finished, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
                for future in finished:
                    error = future.exception()
                    if isinstance(error, BrokenProcessPool | KeyboardInterrupt):
                        raise error
                    place, task = running.pop(future)
                    failed = {"skipped": f"failed: {type(error).__name__}: {error}"}
                    yield place, task | (failed if error else future.result())
        except BrokenProcessPool:
            for place, task in running.values():
                yield place, task | {"skipped": "its process, or the other one, died"}
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _ignore_interrupts() -> None:
    """Ctrl-C is for the parent, which keeps what there is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
