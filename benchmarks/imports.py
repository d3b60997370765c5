"""How long does `import nalu_jax` take against `import jax` (at most 1.15 times), and what does it load?

Every sample is a fresh process that times one import statement; the candidates take turns, and the ratio is taken
within each round. "jax and jaxtyping" are the package's two dependencies at import, so the rest is the package itself.
Compiled bytecode and the file cache are warm: one import comes first.

    python -m benchmarks.imports --json benchmarks/results/imports.json
"""

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _report, _timing

QUESTION = _report.question(__doc__)
TARGET = 1.15
CANDIDATES = {
    "jax": "import jax",
    "jax and jaxtyping": "import jax, jax.numpy, jaxtyping, importlib.metadata",
    "nalu_jax": "import nalu_jax",
}
ROUNDS = {"full": 21, "quick": 3, "smoke": 1}
TIMED = "import sys, time; start = time.perf_counter(); {}; print(time.perf_counter() - start); print(*sys.modules)"


def import_once(statement: str) -> tuple[float, set[str]]:
    """Seconds of the statement in a fresh process, and the top-level modules that are loaded after it."""
    done = subprocess.run([sys.executable, "-c", TIMED.format(statement)], capture_output=True, text=True, check=True)
    seconds, modules = done.stdout.splitlines()
    return float(seconds), {name.split(".")[0] for name in modules.split()}


def measure(task: _report.Row) -> _report.Row:
    """One round: every candidate once, another one first in every round."""
    names = list(CANDIDATES)
    shift = task["round"] % len(names)
    samples = {name: import_once(CANDIDATES[name]) for name in names[shift:] + names[:shift]}
    return {"candidates": {n: {"seconds": samples[n][0], "loads": third_party(samples[n][1])} for n in names}}


def summarise(rows: Sequence[_report.Row]) -> dict[str, dict[str, Any]]:
    """Seconds, ratio to `import jax` and third-party modules of each candidate, over all finished rounds."""
    rounds = [row["candidates"] for row in rows if "candidates" in row]
    seconds = {name: [one[name]["seconds"] for one in rounds] for name in CANDIDATES}
    return {
        name: {
            "seconds": _timing.summarise(seconds[name]),
            "ratio": _timing.summarise(np.divide(seconds[name], seconds["jax"]).tolist()),
            "loads": rounds[-1][name]["loads"],
        }
        for name in CANDIDATES
        if rounds
    }


def third_party(modules: set[str]) -> list[str]:
    """Names that are neither the standard library's nor private."""
    return sorted(name for name in modules - sys.stdlib_module_names if not name.startswith("_"))


def table(rows: Sequence[_report.Row]) -> str:
    """Medians, ratios to `import jax`, and what each loads beyond it."""
    candidates = summarise(rows)
    if not candidates:
        return "no round was finished"
    header = ["import", "median", "quartiles", "of import jax", "loads beyond jax"]
    lines = [
        [
            name,
            _report.duration(result["seconds"]["median"]),
            " - ".join(_report.duration(result["seconds"][q]) for q in ("q1", "q3")),
            _report.times(result["ratio"]["median"]),
            " ".join(sorted(set(result["loads"]) - set(candidates["jax"]["loads"]))) or "-",
        ]
        for name, result in candidates.items()
    ]
    return _report.text_table(header, lines)


def summary(data: dict[str, Any]) -> str:
    """The last result in one line."""
    candidates = summarise(data["rows"])
    if not candidates:
        return "nothing measured"
    ours, jax = candidates["nalu_jax"], candidates["jax"]
    extra = sorted(set(ours["loads"]) - set(jax["loads"]) - {"nalu_jax"})
    return (
        f"{_report.duration(ours['seconds']['median'])} against {_report.duration(jax['seconds']['median'])}: "
        f"{_report.times(ours['ratio']['median'])} (target at most {TARGET}x); loads {', '.join(extra)} beyond jax"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    options = _report.parser(__doc__).parse_args(arguments)
    effort = _report.effort_of(options)
    results = _report.results(__file__, QUESTION, options)
    if effort.name != "smoke":
        import_once(CANDIDATES["nalu_jax"])  # loads all of them: compiles bytecode, fills the file cache
    return _report.run(results, [{"round": n} for n in range(ROUNDS[effort.name])], measure, table, effort)


if __name__ == "__main__":
    sys.exit(main())
