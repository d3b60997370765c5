"""Figures of success tables, in the layout of the field's papers; the cells are those of `_success.py`."""

import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nalu_jax import training

Cell = dict[str, Any]
PANELS = ("success rate", "solved at (step)", "sparsity error", "median test error")


def plot(cells: Sequence[Cell], path: pathlib.Path) -> None:
    """By range, with 95 % intervals: success rate, and of solved at and sparsity error what was measured, else errors.

    A column of panels is an operation, a colour a recipe and unit.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

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


def by_noise(rows: Sequence[Cell], path: pathlib.Path) -> None:
    """Share of rows that are right, with 95 % intervals, by their noise; a colour a family."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    noises = sorted({row["noise"] for row in rows})
    families = list(dict.fromkeys(row["family"] for row in rows))
    for place, family in enumerate(families):
        for x, noise in enumerate(noises):
            right = [row["right"] for row in rows if (row["family"], row["noise"]) == (family, noise)]
            if not right:
                continue
            share, (low, high) = sum(right) / len(right), training.wilson(sum(right), len(right))
            bars = [[max(share - low, 0)], [max(high - share, 0)]]
            axis.errorbar([x + 0.12 * (place - (len(families) - 1) / 2)], [share], bars, fmt="o", ms=4, capsize=2, lw=1,
                          color=f"C{place}")  # fmt: skip
        axis.errorbar([], [], [[], []], fmt="o", ms=4, capsize=2, lw=1, color=f"C{place}", label=family)
    axis.set_xticks(range(len(noises)), [f"{100 * noise:g} %" for noise in noises])
    axis.set_xlabel("noise, of each state's standard deviation")
    axis.set_ylabel("systems found")
    axis.set_ylim(-0.05, 1.05)
    axis.grid(axis="y", alpha=0.3)
    figure.legend(frameon=False, loc="outside upper center", ncols=4)
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
