"""The formula of a chain as a graph: inputs, hidden units, outputs, and edges as wide as their weights."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from .. import _arguments
from .._unit import Chain, Computes, Unit
from . import _style
from ._layers import Layer, layers

NODES: dict[Computes, str] = {
    "sum": r"$\sum$",
    "product": r"$\prod$",
    "either": r"$\sum\prod$",
    "comparison": r"$\gtrless$",
}
EDGES_WITH_NUMBERS = 30
WIDEST = 5.0  # points
NEGLIGIBLE = 1e-3  # of the largest weight of a layer: not drawn


@_arguments.checked(
    "plot.graph",
    params=_arguments.tree(),
    inputs=_arguments.optional(_arguments.names()),
    outputs=_arguments.optional(_arguments.names()),
)
def graph(
    model: ModuleType | Unit | Chain,
    params: Any,
    *,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """The chain from left to right, edges as wide as weights, red where negative, and a node for what a unit computes.

    Nodes are sums, products, either of them by a gate, or comparisons. An edge is an entry of the first effective leaf
    of a unit (re of the NPU family, w of NAU and NMU), less than a thousandth of the layer's largest not being drawn.
    Hidden units without a way to an output are left out.

    Args:
        model: a unit module, `Unit` or `Chain`.
        params: its params.
        inputs, outputs: names of the nodes at both ends; "x0", ... and "y0", ... where not given.
        ax: the axes to draw on.

    Raises:
        ValueError: the params are not the model's, names are not as many as inputs or outputs, or a unit has not one
            row of weights for each hidden input (nmru).
    """
    ax = _style.single(ax, (6.5, 3.8))
    found = layers(model, params)
    matrices = _without_dead(_matrices(found))
    names = _names(matrices, [layer.unit for layer in found], inputs, outputs)
    places = [_heights(len(layer)) for layer in names]
    for column, matrix in enumerate(matrices):
        _edges(ax, column, matrix, places, numbers=sum(map(_drawn, matrices)) <= EDGES_WITH_NUMBERS)
    for column, (layer, heights) in enumerate(zip(names, places, strict=True)):
        for name, height in zip(layer, heights, strict=True):
            if name:
                ax.text(column, height, name, ha="center", va="center", zorder=3, bbox=_BOX)
    ax.set_xlim(-0.25, len(matrices) + 0.25)
    ax.set_ylim(-0.1, 1.1)
    ax.set_axis_off()
    return ax


_BOX = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": "0.4"}


def _drawn(matrix: np.ndarray) -> int:
    return int(np.sum(_visible(matrix)))


def _visible(matrix: np.ndarray) -> np.ndarray:
    return np.abs(matrix) > NEGLIGIBLE * np.abs(matrix).max(initial=0.0)


def _matrices(found: list[Layer]) -> list[np.ndarray]:
    matrices = [next(iter(layer.weights.values())) for layer in found]
    for layer, before, matrix in zip(found[1:], matrices, matrices[1:], strict=False):
        if len(matrix) != before.shape[1]:
            raise ValueError(
                f"plot.graph: {layer.label} has {len(matrix)} rows of weights for {before.shape[1]} inputs, expected "
                "one for each. Draw it by plot.weights."
            )
    return matrices


def _without_dead(matrices: list[np.ndarray]) -> list[np.ndarray]:
    """The matrices without hidden units that no output needs, from the last layer to the first."""
    matrices = list(matrices)
    for i in reversed(range(1, len(matrices))):
        alive = _visible(matrices[i]).any(axis=1)
        matrices[i], matrices[i - 1] = matrices[i][alive], matrices[i - 1][:, alive]
    return matrices


def _names(
    matrices: list[np.ndarray], units: Sequence[Unit], inputs: Sequence[str] | None, outputs: Sequence[str] | None
) -> list[list[str]]:
    n_in, n_out = matrices[0].shape[0], matrices[-1].shape[1]
    first = [f"x{i}" for i in range(n_in)] if inputs is None else list(inputs)
    last = [f"y{i}" for i in range(n_out)] if outputs is None else list(outputs)
    for given, count, what in ((first, n_in, "inputs"), (last, n_out, "outputs")):
        if len(given) != count:
            raise ValueError(f"plot.graph: {len(given)} names of {what}, expected {count}.")
    hidden = [[NODES[unit.computes]] * matrix.shape[1] for unit, matrix in zip(units[:-1], matrices[:-1], strict=True)]
    return [first, *hidden, last]


def _heights(count: int) -> np.ndarray:
    """From top to bottom, evenly, a single one in the middle."""
    return 1 - (np.arange(count) + 0.5) / max(count, 1)


def _edges(ax: Axes, column: int, matrix: np.ndarray, places: list[np.ndarray], *, numbers: bool) -> None:
    largest = np.abs(matrix).max(initial=0.0)
    for i, j in np.argwhere(_visible(matrix)):
        start, end, weight = float(places[column][i]), float(places[column + 1][j]), float(matrix[i, j])
        colour = _style.POSITIVE if weight > 0 else _style.NEGATIVE
        width = max(0.8, WIDEST * abs(weight) / largest)
        ax.plot([column, column + 1], [start, end], color=colour, linewidth=width, alpha=0.6, zorder=1)
        if numbers:
            # nearer to the left node for every second input, so that labels of crossing edges do not meet
            share = 0.36 if i % 2 == 0 else 0.58
            _edge_label(ax, column + share, start + share * (end - start), weight, colour)


def _edge_label(ax: Axes, x: float, y: float, weight: float, colour: str) -> None:
    box = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
    text = _style.number(weight) if abs(weight) >= 0.01 else _style.short(weight)  # an edge is never worth "0.00"
    ax.text(x, y, text, color=colour, fontsize=8, ha="center", va="center", zorder=2, bbox=box)
