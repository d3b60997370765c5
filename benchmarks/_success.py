"""Cells of a success table: how many runs of one operation and one range are below a threshold, and their plots.

A cell is a plain dict, as it goes into the JSON file:

    {"unit", "operation", "range", "runs", "successes": {criterion: count}, "solved_at": [...], "sparsity": [...],
     "median_error": ..., "failed": ...}

Criteria: "flat" is a test error below 1e-5, "simulated 1e-5" and "simulated 1e-4" one below that of a solution whose
weights are off by so much; "rounded" in front of a name means that the weights were rounded, and that was kept where
the validation error did not get worse. "solved_at" and "sparsity" list the runs that are solved by "flat".
"""

import collections
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import _report
import numpy as np

Cell = dict[str, Any]
Z95 = 1.959963984540054


def wilson(successes: int, runs: int, z: float = Z95) -> tuple[float, float]:
    """The 95 % interval of a success rate."""
    if runs == 0:
        return 0.0, 1.0
    rate = successes / runs
    middle = rate + z * z / (2 * runs)
    half = z * math.sqrt(rate * (1 - rate) / runs + z * z / (4 * runs * runs))
    scale = 1 + z * z / runs
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


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


def rate(successes: int, runs: int) -> str:
    """ "25/25 [0.87, 1.00]" """
    low, high = wilson(successes, runs)
    return f"{successes}/{runs} [{low:.2f}, {high:.2f}]"


def cells_of(rows: Sequence[_report.Row]) -> list[Cell]:
    """All cells of the rows of a results file, with the row's recipe."""
    return [cell | {"recipe": row["recipe"]} for row in rows for cell in row.get("cells", [])]


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
    header = ["recipe", "unit", "operation", *criteria, "by range (flat)", "solved at", "sparsity error", "published"]
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
                str(group[0].get("published", "-")),
            ]
        )
    return header, lines


def _criteria(cells: Sequence[Cell]) -> list[str]:
    return list(dict.fromkeys(name for cell in cells for name in cell["successes"]))


def _count(group: Sequence[Cell], name: str, runs: int) -> str:
    if not all(name in cell["successes"] for cell in group):
        return "-"
    return rate(sum(cell["successes"][name] for cell in group), runs)


def table(rows: Sequence[_report.Row]) -> str:
    """The lines of `header_and_lines` as text."""
    if not cells_of(rows):
        return "nothing measured"
    header, lines = header_and_lines(rows)
    return _report.text_table(header, lines)


def summary(data: Mapping[str, Any]) -> str:
    """One line: successes of every recipe, unit and operation."""
    parts = []
    for (recipe, unit, operation), group in totals(cells_of(data["rows"])).items():
        name = next(iter(group[0]["successes"]))
        done, runs = sum(cell["successes"][name] for cell in group), sum(cell["runs"] for cell in group)
        parts.append(f"{recipe} {unit} {operation} {done}/{runs}")
    return "; ".join(parts) if parts else "nothing measured"


def plot(rows: Sequence[_report.Row], path: pathlib.Path) -> None:
    """Success rate, solved at and sparsity error by range with 95 % intervals, a column of panels an operation."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    cells = cells_of(rows)
    operations = list(dict.fromkeys(cell["operation"] for cell in cells))
    ranges = list(dict.fromkeys(cell["range"] for cell in cells))
    labels = list(dict.fromkeys((cell["recipe"], cell["unit"]) for cell in cells))
    panels = ("success rate", "solved at (step)", "sparsity error")
    figure, axes = plt.subplots(
        3, len(operations), figsize=(1.5 + 3.4 * len(operations), 7.5), sharex=True, sharey="row", squeeze=False
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
                    _draw(axes[:, column], ranges.index(cell["range"]) + shift, cell, style)
            axes[0, column].errorbar([], [], label=" ".join(label), **style)
        axes[0, column].set_title(operation)
        axes[0, column].legend(fontsize=7, loc="lower left", framealpha=0.6)
        axes[2, column].set_xticks(range(len(ranges)), ranges, rotation=90, fontsize=8)
    for axis, name in zip(axes[:, 0], panels, strict=True):
        axis.set_ylabel(name)
    axes[0, 0].set_ylim(-0.05, 1.08)
    axes[1, 0].set_ylim(bottom=0)
    axes[2, 0].set_yscale("symlog", linthresh=1e-7)
    axes[2, 0].set_ylim(bottom=0)
    for axis in axes.flat:
        axis.grid(axis="y", alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _draw(axes: Any, x: float, cell: Cell, style: Mapping[str, Any]) -> None:
    successes = next(iter(cell["successes"].values()))
    share = successes / cell["runs"]
    low, high = wilson(successes, cell["runs"])
    axes[0].errorbar([x], [share], [[max(share - low, 0)], [max(high - share, 0)]], **style)
    for axis, values in ((axes[1], cell["solved_at"]), (axes[2], cell["sparsity"])):
        if values:
            mean, half = float(np.mean(values)), mean_interval(values)
            axis.errorbar([x], [mean], [[min(half, mean)], [half]], **style)


def mean_interval(values: Sequence[float]) -> float:
    """Half of the 95 % interval of a mean, by Student's t; 0 for a single value."""
    from scipy import stats

    n = len(values)
    return float(stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / math.sqrt(n)) if n > 1 else 0.0
