"""Success tables: cells, which count the runs of one operation and one range below a threshold, and scripts' options.

A cell is a plain dict, as it goes into the JSON file:

    {"unit", "operation", "range", "runs", "successes": {criterion: count}, "solved_at": [...], "sparsity": [...],
     "median_error": ..., "failed": ...}

Criteria: "flat" is a test error below 1e-5, "simulated 1e-5" and "simulated 1e-4" one below that of a solution whose
weights are off by so much; "rounded" in front of a name means that the weights were rounded, and that was kept where
the validation error did not get worse. "solved_at" and "sparsity" list the runs that are solved by "flat".
"""

import argparse
import collections
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nalu_jax import training

from . import _plots, _recipes, _report

Cell = dict[str, Any]


def make_cell(
    labels: Mapping[str, Any],
    errors: Mapping[str, np.ndarray],
    thresholds: Mapping[str, float],
    *,
    solved_at: np.ndarray | None = None,
    sparsity: np.ndarray | None = None,
    failed: int = 0,
) -> Cell:
    """A cell of runs.

    Args:
        labels: what the cell is of: unit, operation, range, ...
        errors: test errors (runs,), by the name that stands before the criterion: "" and, say, "rounded".
        thresholds: by criterion; the first one decides which runs are solved.
        solved_at: (runs,) first logged step below the first threshold, -1 where none.
        sparsity: (runs,) sparsity errors.
        failed: runs that ended NaN or infinite.
    """
    plain = np.asarray(errors[""], float)
    solved = plain < next(iter(thresholds.values()))
    successes = {
        f"{prefix} {name}".strip(): int(np.sum(np.asarray(values) < limit))
        for prefix, values in errors.items()
        for name, limit in thresholds.items()
    }
    finite = plain[np.isfinite(plain)]
    return dict(labels) | {
        "runs": int(plain.size),
        "successes": successes,
        "solved_at": [] if solved_at is None else [int(step) for step in solved_at if step >= 0],
        "sparsity": [] if sparsity is None else [float(f"{value:.3g}") for value in np.asarray(sparsity)[solved]],
        "median_error": float(np.median(finite)) if finite.size else None,
        "failed": int(failed),
    }


def parser(
    doc: str | None, recipes: Sequence[str], seeds: int, default: Sequence[str] | None = None
) -> argparse.ArgumentParser:
    """The options that all scripts of published tasks have."""
    p = _report.parser(doc)
    p.add_argument("--recipe", nargs="+", choices=recipes, default=list(default or recipes), help="only these")
    p.add_argument("--seeds", type=int, default=seeds, help="runs of each cell")
    p.add_argument("--first-seed", type=int, default=_recipes.REPORT_SEED)
    p.add_argument("--plot", type=pathlib.Path, metavar="FILE", help="draw successes, and what else was measured")
    return p


def run(
    results: _report.Results,
    tasks: Sequence[_report.Row],
    measure: Callable[[_report.Row], _report.Row],
    table: Callable[[Sequence[_report.Row]], str],
    options: argparse.Namespace,
) -> int:
    """`_report.run`, with the time that the processor gave to every row, and the plot where --plot asks for one."""

    def timed(row: _report.Row) -> _report.Row:
        start = time.process_time()
        return measure(row) | {"cpu_seconds": time.process_time() - start}

    code = _report.run(results, tasks, timed, table, _report.effort_of(options))
    if options.plot:
        _plots.plot(cells_of(results.data["rows"]), options.plot)
    return code


def least_squares(x: np.ndarray, y: np.ndarray, x_test: np.ndarray) -> dict[str, np.ndarray]:
    """Predictions (rows, 1) of a fit in x, and of one in log |x|, where the sign is that of the rounded powers."""
    log = lambda x: np.log(np.maximum(np.abs(x), 1e-30))
    w = np.linalg.lstsq(x, y, rcond=None)[0]
    powers = np.linalg.lstsq(log(x), log(y), rcond=None)[0]
    sign = np.cos(np.pi * ((x_test < 0) @ np.round(powers)))
    return {"in x": x_test @ w, "in log x": np.exp(log(x_test) @ powers) * sign}


def best_published(by_unit: Mapping[str, Mapping[str, float]]) -> str:
    """ "add 0.08 (real_npu), ...": of published errors by unit and operation, the smallest of each operation."""
    operations = next(iter(by_unit.values()))
    best = {operation: min(by_unit, key=lambda unit, op=operation: by_unit[unit][op]) for operation in operations}
    return ", ".join(f"{operation} {by_unit[unit][operation]:g} ({unit})" for operation, unit in best.items())


def rate(successes: int, runs: int) -> str:
    """ "25/25 [0.87, 1.00]" """
    low, high = training.wilson(successes, runs)
    return f"{successes}/{runs} [{low:.2f}, {high:.2f}]"


def cells_of(rows: Sequence[_report.Row]) -> list[Cell]:
    """All cells of the rows of a results file, with the row's recipe, and what of it was made shorter."""
    return [cell | {"recipe": recipe_of(row)} for row in rows for cell in row.get("cells", [])]


def recipe_of(row: _report.Row) -> str:
    """ "published", or "published, 200,000 of 5,000,000 steps" """
    return f"{row['recipe']}, {row['reduced']}" if "reduced" in row else row["recipe"]


def reduced(steps: int, published: int) -> _report.Row:
    """What a row says of a run with fewer steps than published; nothing where there are as many."""
    return {"reduced": f"{steps:,} of {published:,} steps"} if steps < published else {}


def totals(cells: Sequence[Cell]) -> dict[tuple[str, ...], list[Cell]]:
    """Cells by (recipe, unit, operation), in the order of the file."""
    found: dict[tuple[str, ...], list[Cell]] = collections.defaultdict(list)
    for cell in cells:
        found[cell["recipe"], cell["unit"], cell["operation"]].append(cell)
    return dict(found)


def header_and_lines(rows: Sequence[_report.Row]) -> tuple[list[str], list[list[str]]]:
    """One line for every recipe, unit and operation: successes by criterion over all ranges, and what else there is."""
    cells = cells_of(rows)
    criteria = [name for name in _criteria(cells) if "1e-4" not in name]  # that one is in the JSON file
    rest = ["by range (flat)", "solved at", "sparsity error", "path chosen", "published"]
    header = ["recipe", "unit", "operation", *criteria, *rest]
    lines = []
    for (recipe, unit, operation), group in totals(cells).items():
        runs = sum(cell["runs"] for cell in group)
        counts = [_count(group, name, runs) for name in criteria]
        by_range = " ".join(str(next(iter(cell["successes"].values()))) for cell in group) if len(group) > 1 else "-"
        steps = [step for cell in group for step in cell["solved_at"]]
        sparsity = [value for cell in group for value in cell["sparsity"]]
        lines.append(
            [
                recipe,
                unit,
                operation,
                *counts,
                by_range,
                f"{np.median(steps):.0f}" if steps else "-",
                f"{np.mean(sparsity):.1e}" if sparsity else "-",
                _chosen(group),
                str(group[0].get("published", "-")),
            ]
        )
    return header, lines


def _chosen(group: Sequence[Cell]) -> str:
    """How many runs of a model with several paths chose which, by validation."""
    counts: collections.Counter[str] = collections.Counter()
    for cell in group:
        counts.update(cell.get("paths", {}))
        if "multiplying" in cell:
            counts.update({"add": cell["runs"] - cell["multiplying"], "multiply": cell["multiplying"]})
    return ", ".join(f"{count} {path}" for path, count in counts.items() if count) or "-"


def _criteria(cells: Sequence[Cell]) -> list[str]:
    return list(dict.fromkeys(name for cell in cells for name in cell["successes"]))


def _count(group: Sequence[Cell], name: str, runs: int) -> str:
    if not all(name in cell["successes"] for cell in group):
        return "-"
    return rate(sum(cell["successes"][name] for cell in group), runs)


def table(rows: Sequence[_report.Row]) -> str:
    """The lines of `header_and_lines` as text, and how long each recipe took."""
    if not cells_of(rows):
        return "nothing measured"
    header, lines = header_and_lines(rows)
    return "\n".join([_report.text_table(header, lines), *times(rows)])


def times(rows: Sequence[_report.Row]) -> list[str]:
    """One entry for every recipe and number of inputs: its runs, and how long they took with compilation.

    On a machine that others use, the processor's own time says more than the clock's.
    """
    groups: dict[str, list[_report.Row]] = collections.defaultdict(list)
    for row in rows:
        if "seconds" in row:
            inputs = f" ({row['inputs']} inputs)" if "inputs" in row else ""
            groups[f"{recipe_of(row)}{inputs}"].append(row)
    entries = []
    for name, group in groups.items():
        runs = sum(cell["runs"] for row in group for cell in row["cells"])
        clock, processor = (sum(row.get(key, 0.0) for row in group) for key in ("seconds", "cpu_seconds"))
        of_processor = f" ({_report.duration(processor)} of processor time)" if processor else ""
        entries.append(f"{name}: {runs} runs in {_report.duration(clock)}{of_processor}")
    return entries


def summary(data: Mapping[str, Any]) -> str:
    """The share of runs that each recipe solved, by the first criterion; `header_and_lines` says which."""
    solved: dict[str, list[int]] = {}
    for cell in cells_of(data["rows"]):
        total = solved.setdefault(cell["recipe"], [0, 0])
        total[0] += next(iter(cell["successes"].values()))
        total[1] += cell["runs"]
    parts = [f"{recipe}: {done} of {runs} runs" for recipe, (done, runs) in solved.items()]
    return "; ".join(parts) or "nothing measured"
