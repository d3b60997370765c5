"""How long does a formula take: small tables, many columns, many rows, the command line, cross-validation; memory?

Every case in a process of its own. "first" is the first call in the process, "later" the median of further ones, each
of another number of rows; "right" whether the answers were the laws.

    python -m benchmarks.table_speed --json benchmarks/results/table_speed.json
"""

import argparse
import csv
import json
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _judge, _law_answers, _report, memory

QUESTION = _report.question(__doc__)
LATER_CALLS = 10
NOISE = 0.02
SHAPES = {
    "100 rows x 4": (100, 4),
    "200 rows x 20": (200, 20),
    "200 rows x 50": (200, 50),
    "600 rows x 200": (600, 200),
    "product of 15": (200, 15),
    "100,000 rows x 5": (100_000, 5),
    "1,000,000 rows x 5": (1_000_000, 5),
}
TARGETS = {  # seconds, as set for two quiet cores
    "100 rows x 4": 1.0,
    "200 rows x 20": 2.0,
    "200 rows x 50": 2.0,
    "100,000 rows x 5": 3.0,
    "1,000,000 rows x 5": 15.0,
    "command line, 50 rows": 4.0,
    "cross_val_score, 5 folds": 6.0,
    "GridSearchCV, 2 x 2 x 3": 15.0,
}
WHOLE = ("command line, 50 rows", "import nalu_jax.discover", "cross_val_score, 5 folds", "GridSearchCV, 2 x 2 x 3")
QUICK = ("100 rows x 4", "200 rows x 20", "command line, 50 rows")


def table_of(case: str, seed: int, more_rows: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Inputs and target with 2 % noise, and 300 rows without noise: a sum of two products of three inputs.

    "product of 15" is one product, to which all inputs matter.
    """
    rows, n_inputs = SHAPES[case]
    rng = np.random.default_rng([seed, n_inputs])
    rows += more_rows
    x = np.exp(rng.normal(size=n_inputs) + rng.uniform(0.5, 2.5, n_inputs) * (rng.random((rows + 300, n_inputs)) - 0.5))
    if case == "product of 15":
        clean = np.prod(x ** rng.choice([1, -1, 2, 0.5], n_inputs), axis=1)
    else:
        a, b, c = rng.permutation(n_inputs)[:3]
        terms = np.stack([x[:, a] * x[:, b] ** rng.choice([-1, 2, 0.5]), x[:, c] ** rng.choice([1, -1, 2])])
        clean = (rng.uniform(0.5, 2, 2) / np.sqrt(np.mean(terms**2, axis=1))) @ terms
    noise = NOISE * np.sqrt(np.mean(clean**2)) * rng.normal(size=len(clean))
    if case == "product of 15":
        noise = NOISE * clean * rng.normal(size=len(clean))
    return x[:rows], (clean + noise)[:rows], x[rows:], clean[rows:]


def run_search(case: str, calls: int) -> _report.Row:
    """Seconds of the first and of later calls, whether their answers are right, and the peak of memory."""
    seconds, right = [], []
    for call in range(calls):
        x, y, fresh_x, fresh_y = table_of(case, call, more_rows=call if calls > 1 else 0)
        answer = _law_answers.ask(x, y)
        seconds.append(answer.seconds)
        names = _law_answers.symbols(x.shape[1])
        right.append(_judge.same_law(answer.expression, names, fresh_x, fresh_y).same)
    later = {"later": float(np.median(seconds[1:])), "largest": max(seconds)} if calls > 1 else {}
    return {"first": seconds[0], "right": f"{sum(right)}/{calls}", "peak_bytes": memory.peak_bytes()} | later


def run_whole(case: str) -> _report.Row:
    """Seconds of something that is more than a search."""
    x, y, *_ = table_of("100 rows x 4", 0)
    if case.startswith("command line"):
        return _command_line(x[:50], y[:50])
    if case.startswith("import"):
        return _process(["-c", "from nalu_jax import discover; discover.table"])
    from sklearn.model_selection import GridSearchCV, cross_val_score

    from nalu_jax.discover import FormulaRegressor

    start = time.perf_counter()
    if case.startswith("cross"):
        score = float(np.mean(cross_val_score(FormulaRegressor(), x, y, cv=5)))
    else:
        grid = {"functions": [(), "all"], "nested": [False, True]}
        score = float(GridSearchCV(FormulaRegressor(), grid, cv=3).fit(x, y).best_score_)
    return {"first": time.perf_counter() - start, "score": score, "peak_bytes": memory.peak_bytes()}


def _command_line(x: np.ndarray, y: np.ndarray) -> _report.Row:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "data.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["a", "b", "c", "d", "y"])
            writer.writerows(np.column_stack([x, y]).tolist())
        return _process(["-m", "nalu_jax", "fit", str(path), "--target", "y"])


def _process(arguments: list[str]) -> _report.Row:
    """Seconds of a whole Python process."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
    return {"first": time.perf_counter() - start}


def measure(row: _report.Row) -> _report.Row:
    """One case, in a process of its own."""
    return _report.child("table_speed", "--child", json.dumps(row))


def header_and_lines(rows: Sequence[_report.Row]) -> tuple[list[str], list[list[str]]]:
    """Seconds, memory, right answers and targets."""
    header = ["case", "first, s", "later, s", "largest, s", "target, s", "right", "peak, MB"]
    lines = []
    for row in rows:
        if "skipped" in row:
            continue
        target = TARGETS.get(row["case"])
        numbers = [f"{row[name]:.2f}" if name in row else "-" for name in ("first", "later", "largest")]
        peak = f"{row['peak_bytes'] / 1e6:.0f}" if "peak_bytes" in row else "-"
        lines.append([row["case"], *numbers, f"{target:g}" if target else "-", row.get("right", "-"), peak])
    return header, lines


def table(rows: Sequence[_report.Row]) -> str:
    """One line a case."""
    return _report.text_table(*header_and_lines(rows))


def summary(data: dict[str, Any]) -> str:
    """One part a case."""
    parts = []
    for row in data["rows"]:
        if "skipped" in row:
            continue
        target = f" (target {TARGETS[row['case']]:g} s)" if row["case"] in TARGETS else ""
        later = f", then {row['later']:.2f} s" if "later" in row else ""
        right = f", right {row['right']}" if "right" in row else ""
        peak = f", {row['peak_bytes'] / 1e6:.0f} MB" if row.get("peak_bytes", 0) > 1e9 else ""
        parts.append(f"{row['case']}: {row['first']:.2f} s{later}{target}{right}{peak}")
    return "; ".join(parts) or "nothing measured"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = _report.parser(__doc__)
    parser.add_argument("--cases", nargs="+", choices=[*SHAPES, *WHOLE], default=[*SHAPES, *WHOLE], metavar="CASE")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        row = json.loads(options.child)
        print(json.dumps(run_search(row["case"], row["calls"]) if row["case"] in SHAPES else run_whole(row["case"])))
        return 0
    effort = _report.effort_of(options)
    if effort.name != "full":
        options.cases = list(QUICK if effort.name == "quick" else QUICK[:1])
    calls = {"full": LATER_CALLS, "quick": 3, "smoke": 2}[effort.name]
    tasks = [{"case": case, "calls": calls if SHAPES.get(case, (10**6,))[0] < 10**5 else 1} for case in options.cases]
    results = _report.results(__file__, QUESTION, options)
    return _report.run(results, tasks, measure, table, effort)


if __name__ == "__main__":
    sys.exit(main())
