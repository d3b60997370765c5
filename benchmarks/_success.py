"""Cells of a success table: how many runs of one operation and one range are below a threshold, and their plots.

A cell is a plain dict, as it goes into the JSON file:

    {"unit", "operation", "range", "runs", "successes": {criterion: count}, "solved_at": [...], "sparsity": [...],
     "median_error": ..., "failed": ...}

Criteria: "flat" is a test error below 1e-5, "simulated 1e-5" and "simulated 1e-4" one below that of a solution whose
weights are off by so much; "rounded" in front of a name means that the weights were rounded, and that was kept where
the validation error did not get worse. "solved_at" and "sparsity" list the runs that are solved by "flat".
"""

import argparse
import collections
import math
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import _recipes
import _report
import numpy as np

from nalu_jax import training

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
        plot(results.data["rows"], options.plot)
    return code


def least_squares(x: np.ndarray, y: np.ndarray, x_test: np.ndarray) -> dict[str, np.ndarray]:
    """Predictions (rows, 1) of a fit in x, and of one in log |x|, where the sign is that of the rounded powers."""
    log = lambda x: np.log(np.maximum(np.abs(x), 1e-30))
    w = np.linalg.lstsq(x, y, rcond=None)[0]
    powers = np.linalg.lstsq(log(x), log(y), rcond=None)[0]
    sign = np.cos(np.pi * ((x_test < 0) @ np.round(powers)))
    return {"in x": x_test @ w, "in log x": np.exp(log(x_test) @ powers) * sign}


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
    """One line: successes of every recipe, unit and operation."""
    parts = []
    for (recipe, unit, operation), group in totals(cells_of(data["rows"])).items():
        name = next(iter(group[0]["successes"]))
        done, runs = sum(cell["successes"][name] for cell in group), sum(cell["runs"] for cell in group)
        parts.append(f"{recipe} {unit} {operation} {done}/{runs}")
    return "; ".join(parts) if parts else "nothing measured"


PANELS = ("success rate", "solved at (step)", "sparsity error", "median test error")


def plot(rows: Sequence[_report.Row], path: pathlib.Path) -> None:
    """By range, with 95 % intervals: success rate, and of solved at and sparsity error what was measured, else errors.

    A column of panels is an operation, a colour a recipe and unit.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    cells = cells_of(rows)
    operations = list(dict.fromkeys(cell["operation"] for cell in cells))
    ranges = list(dict.fromkeys(cell["range"] for cell in cells))
    labels = list(dict.fromkeys((cell["recipe"], cell["unit"]) for cell in cells))
    panels = _panels(cells)
    size = (1.5 + max(3.4, 0.35 * len(ranges)) * len(operations), 2.5 * len(panels) + 0.5)
    figure, axes = plt.subplots(
        len(panels), len(operations), figsize=size, sharex=True, sharey="row", squeeze=False, layout="constrained"
    )
    colours = plt.get_cmap("tab10").colors  # pyright: ignore[reportAttributeAccessIssue]
    for column, operation in enumerate(operations):
        of_operation = [cell for cell in cells if cell["operation"] == operation]
        present = [label for label in labels if any((c["recipe"], c["unit"]) == label for c in of_operation)]
        for place, label in enumerate(present):
            shift = (place - (len(present) - 1) / 2) * 0.8 / max(len(present), 4)
            style = {"fmt": "o", "ms": 4, "capsize": 2, "lw": 1, "color": colours[labels.index(label) % 10]}
            for cell in of_operation:
                if (cell["recipe"], cell["unit"]) == label:
                    _draw(axes[:, column], panels, ranges.index(cell["range"]) + shift, cell, style)
            axes[0, column].errorbar([], [], label=" ".join(label), **style)
        axes[0, column].set_title(operation)
        axes[-1, column].set_xticks(range(len(ranges)), ranges, rotation=90, fontsize=8)
    _scale(axes, panels)
    handles = {text: handle for axis in axes[0] for handle, text in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), fontsize=7, loc="outside lower center", ncols=4)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _panels(cells: Sequence[Cell]) -> list[str]:
    measured = [
        name for name, key in zip(PANELS[1:], ("solved_at", "sparsity"), strict=False) if any(c[key] for c in cells)
    ]
    return [PANELS[0], *(measured or [PANELS[3]])]


def _scale(axes: Any, panels: Sequence[str]) -> None:
    """Axis names and scales; the panels of a row share them."""
    for name, axis in zip(panels, axes[:, 0], strict=True):
        axis.set_ylabel(name)
        if name == "success rate":
            axis.set_ylim(-0.05, 1.08)
        elif name == "solved at (step)":
            axis.set_ylim(bottom=0)
        elif name == "sparsity error":
            axis.set_yscale("symlog", linthresh=1e-7)
            axis.set_ylim(bottom=0)
        else:
            axis.set_yscale("log")
    for axis in axes.flat:
        axis.grid(axis="y", alpha=0.3)


def _draw(axes: Any, panels: Sequence[str], x: float, cell: Cell, style: Mapping[str, Any]) -> None:
    successes = next(iter(cell["successes"].values()))
    share = successes / cell["runs"]
    low, high = training.wilson(successes, cell["runs"])
    axes[0].errorbar([x], [share], [[max(share - low, 0)], [max(high - share, 0)]], **style)
    for name, axis in zip(panels[1:], axes[1:], strict=True):
        if name == "median test error":
            axis.errorbar([x], [cell["median_error"] or np.nan], **style)
            continue
        values = cell["solved_at" if name == "solved at (step)" else "sparsity"]
        if values:
            mean, half = float(np.mean(values)), mean_interval(values)
            axis.errorbar([x], [mean], [[min(half, mean)], [half]], **style)


def mean_interval(values: Sequence[float]) -> float:
    """Half of the 95 % interval of a mean, by Student's t; 0 for a single value."""
    from scipy import stats

    n = len(values)
    return float(stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / math.sqrt(n)) if n > 1 else 0.0
