"""How long do tracing and compiling the gradient of each unit take, alone and in a chain of eight?

Every repeat makes a new function, so that nothing is found in a cache, and times tracing (Python), lowering (to
StableHLO) and compiling (XLA) apart; nalu_jax and the textbook form take turns. JAX itself is warm: its own jitted
helpers are traced once before. The gradient is that of a scalar with respect to params and inputs.

    python -m benchmarks.compile --json benchmarks/results/compile.json
"""

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any

import jax

import nalu_jax

from . import _cases, _report, _timing

QUESTION = _report.question(__doc__)
BASELINE = "textbook"
PHASES = ("trace_seconds", "lower_seconds", "compile_seconds")
DEPTHS = (1, 8)
SIZE = (128, 16, 16)
REPEATS = {"full": 9, "quick": 1, "smoke": 1}


def tasks(units: Sequence[str], depths: Sequence[int]) -> list[_report.Row]:
    """One row for each unit and depth."""
    return [{"unit": unit, "depth": depth, "size": list(SIZE)} for depth in depths for unit in units]


def measure(task: _report.Row, *, repeats: int) -> _report.Row:
    """All repeats of both candidates, after one untimed turn."""
    unit, depth = nalu_jax.UNITS[task["unit"]], task["depth"]
    case = _cases.make_case(unit, SIZE)
    arguments = ((case.params,) * depth, case.x, case.cotangent)
    textbook = _cases.textbook(task["unit"])
    if textbook is None:
        return {"skipped": _cases.NO_TEXTBOOK}
    forms = {BASELINE: textbook, "nalu_jax": unit.apply}
    samples: dict[str, list[dict[str, float]]] = {name: [] for name in forms}
    for number in range(repeats + 1):
        for name in sorted(forms, reverse=bool(number % 2)):
            compiled = _timing.compile_apart(_cases.value_and_gradient(stack(forms[name])), *arguments)
            samples[name].append(compiled.times())
    return {"candidates": {name: _summary(samples[name][1:], samples[BASELINE][1:]) for name in forms}}


def stack(apply: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """A new function that applies as many copies of a unit as there are params."""

    def stacked(params: Sequence[Any], x: jax.Array) -> jax.Array:
        return functools.reduce(lambda y, one: apply(one, y), params, x)

    return stacked


def _summary(samples: Sequence[dict[str, float]], baseline: Sequence[dict[str, float]]) -> dict[str, Any]:
    totals = [sum(sample.values()) for sample in samples]
    ratios = [total / sum(other.values()) for total, other in zip(totals, baseline, strict=True)]
    phases = {phase: _timing.summarise([sample[phase] for sample in samples]) for phase in PHASES}
    return phases | {
        "total_seconds": _timing.summarise(totals),
        "ratio": _timing.summarise(ratios),
        "repeats": len(samples),
    }


def table(rows: Sequence[_report.Row]) -> str:
    """Medians of each phase, and the total against the textbook form's."""
    header = ["unit", "depth", "trace", "lower", "compile", "total", "textbook", "of textbook"]
    return _report.text_table(header, [_line(row) for row in rows if "skipped" not in row])


def _line(row: _report.Row) -> list[str]:
    ours, textbook = row["candidates"]["nalu_jax"], row["candidates"][BASELINE]
    times = [ours[phase] for phase in (*PHASES, "total_seconds")] + [textbook["total_seconds"]]
    cells = [_report.duration(seconds["median"]) for seconds in times]
    return [row["unit"], str(row["depth"]), *cells, _report.times(ours["ratio"]["median"])]


def summary(data: dict[str, Any]) -> str:
    """The last result in one line: the range of totals at each depth, and the worst ratio."""
    rows = [row for row in data["rows"] if "candidates" in row]
    if not rows:
        return "nothing measured"
    parts = []
    for depth in sorted({row["depth"] for row in rows}):
        totals = {
            row["unit"]: row["candidates"]["nalu_jax"]["total_seconds"]["median"]
            for row in rows
            if row["depth"] == depth
        }
        fast, slow = min(totals, key=totals.__getitem__), max(totals, key=totals.__getitem__)
        name = "alone" if depth == 1 else f"chain of {depth}"
        parts.append(f"{name}: {_report.duration(totals[fast])} ({fast}) to {_report.duration(totals[slow])} ({slow})")
    worst = max(rows, key=lambda row: row["candidates"]["nalu_jax"]["ratio"]["median"])
    ratio = worst["candidates"]["nalu_jax"]["ratio"]["median"]
    return "; ".join(parts) + f"; at most {_report.times(ratio)} textbook ({worst['unit']}, depth {worst['depth']})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    options = _report.parser(__doc__, list(nalu_jax.UNITS)).parse_args(arguments)
    effort = _report.effort_of(options)
    results = _report.results(__file__, QUESTION, options)
    step = functools.partial(measure, repeats=REPEATS[effort.name])
    depths = (1, 2) if effort.name == "smoke" else DEPTHS
    return _report.run(results, tasks(options.units, depths), step, table, effort)


if __name__ == "__main__":
    sys.exit(main())
