"""How much memory does the gradient of a product unit take at its peak, against the textbook form?

Every candidate runs in a process of its own that makes the inputs, compiles value and gradient with respect to params
and inputs, calls it twice and reports the peak of its resident memory. "inputs only" is the same process without the
calls: Python, JAX, the compiler's libraries and the inputs. The textbook form holds the (batch, n_in, n_out) array of
all factors several times over.

    python -m benchmarks.memory --json benchmarks/results/memory.json
"""

import argparse
import json
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

import jax

import nalu_jax

from . import _cases, _report, _textbook, _timing

QUESTION = _report.question(__doc__)
CANDIDATES = ("inputs only", "nalu_jax", "textbook")
BATCHES = (128, 512, 1024, 2048, 4096)
WIDTH = 256


def tasks(units: Sequence[str], batches: Sequence[int], width: int) -> list[_report.Row]:
    """One row for each unit and batch size."""
    return [
        {"unit": unit, "dtype": "float32", "size": [batch, width, width], "mode": "gradient"}
        for unit in units
        for batch in batches
    ]


def measure(task: _report.Row) -> _report.Row:
    """Every candidate in its own process."""
    size = [str(n) for n in task["size"]]
    return {"candidates": {name: _report.child("memory", "--child", name, task["unit"], *size) for name in CANDIDATES}}


def run_child(candidate: str, unit: str, size: _cases.Size) -> _report.Row:
    """What one process does: call value and gradient twice, and say how much memory that took."""
    case = jax.block_until_ready(_cases.make_case(nalu_jax.UNITS[unit], size))
    if candidate == "inputs only":
        return {"peak_bytes": peak_bytes()}
    apply = nalu_jax.UNITS[unit].apply if candidate == "nalu_jax" else _textbook.TEXTBOOK[unit]
    compiled = _timing.compile_apart(_cases.value_and_gradient(apply), *case)
    if reason := _cases.too_big(compiled.memory_bytes, _cases.available_bytes()):
        return {"skipped": reason, "planned_bytes": compiled.memory_bytes}
    for _ in range(2):
        jax.block_until_ready(compiled.call())
    return {"peak_bytes": peak_bytes(), "planned_bytes": compiled.memory_bytes}


def peak_bytes() -> int:
    """The largest resident memory that this process ever had.

    Linux: VmHWM, since `ru_maxrss` of a child starts at what its parent had.
    """
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def table(rows: Sequence[_report.Row]) -> str:
    """Peaks in MB, one line a row; "above inputs" compares what the calls add."""
    header = ["unit", "size", *(f"{name}, MB" for name in CANDIDATES), "textbook / nalu_jax", "above inputs"]
    return _report.text_table(header, [_line(row) for row in rows if "skipped" not in row])


def _line(row: _report.Row) -> list[str]:
    peaks = {name: row["candidates"][name].get("peak_bytes") for name in CANDIDATES}
    cells = [f"{peak / 1e6:.0f}" if peak else "skipped" for peak in peaks.values()]
    if not all(peaks.values()):
        return [row["unit"], _cases.size_name(row["size"]), *cells, "", ""]
    base, ours, textbook = peaks.values()
    above = (textbook - base) / max(ours - base, 1)
    return [row["unit"], _cases.size_name(row["size"]), *cells, _report.times(textbook / ours), _report.times(above)]


def summary(data: dict[str, Any]) -> str:
    """The last result in one line: the largest batch of every unit."""
    largest = {row["unit"]: row for row in data["rows"] if "candidates" in row}
    parts = [f"{unit} {_megabytes(row, 'nalu_jax')} ({_megabytes(row, 'textbook')})" for unit, row in largest.items()]
    if not parts:
        return "nothing measured"
    size = _cases.size_name(next(iter(largest.values()))["size"])
    return f"peak of the process with the gradient at ({size}), in brackets textbook: {', '.join(parts)}"


def _megabytes(row: _report.Row, name: str) -> str:
    peak = row["candidates"][name].get("peak_bytes")
    return f"{peak / 1e6:.0f} MB" if peak else "not measured"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = _report.parser(__doc__, _cases.PRODUCT_UNITS)
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        candidate, unit, *size = options.child
        batch, n_in, n_out = map(int, size)
        print(json.dumps(run_child(candidate, unit, (batch, n_in, n_out))))
        return 0
    effort = _report.effort_of(options)
    batches, width = {"full": (BATCHES, WIDTH), "quick": ((256,), 128), "smoke": ((8,), 4)}[effort.name]
    results = _report.results(__file__, QUESTION, options)
    return _report.run(results, tasks(options.units, batches, width), measure, table, effort)


if __name__ == "__main__":
    sys.exit(main())
