"""Heat maps of the effective weights of a unit or chain."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import CenteredNorm

from .. import _arguments
from .._unit import Chain, Unit
from . import _style
from ._layers import layers

CELLS_WITH_NUMBERS = 150
CELL, MARGIN, LABELS, TITLE = 0.45, 0.25, 0.6, 0.9  # inches


@_arguments.checked(
    "plot.weights",
    params=_arguments.tree(),
    snapped=_arguments.optional(_arguments.tree()),
    truth=_arguments.optional(_arguments.tree()),
    leaves=_arguments.optional(_arguments.names()),
    inputs=_arguments.optional(_arguments.names()),
    outputs=_arguments.optional(_arguments.names()),
)
def weights(
    model: ModuleType | Unit | Chain,
    params: Any,
    *,
    snapped: Any = None,
    truth: Any = None,
    leaves: Sequence[str] | None = None,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    ax: Any = None,
) -> np.ndarray:
    """Heat maps of effective weights: a row of panels for params, then for `snapped` and for `truth` where given.

    Red is negative, white zero, blue positive, on one scale for all panels of a leaf; small matrices have their
    numbers in the cells. Rows of a panel are the unit's inputs, columns its outputs.

    Args:
        model: a unit module, `Unit` or `Chain`.
        params, snapped, truth: params of the model. A truth may have another number of hidden units.
        leaves: which to show, such as ("re", "w"); all where not given.
        inputs, outputs: names of the first unit's inputs and the last unit's outputs.
        ax: as many axes as there are panels, in any shape.

    Returns:
        Axes (versions, leaves).

    Raises:
        ValueError: the params are not the model's, or names or `ax` are not as many as needed.
    """
    shown = None if leaves is None else set(leaves)
    versions = {"learned": params, "snapped": snapped, "truth": truth}
    found = {name: _matrices(model, tree, shown) for name, tree in versions.items() if tree is not None}
    titles = list(found["learned"])
    if not titles:
        raise ValueError(f"plot.weights: the model has none of the leaves {', '.join(sorted(shown or ()))}.")
    last = [title for title in titles if not title.endswith("gate")][-1:] or titles[-1:]

    n_rows, n_columns = np.array([found["learned"][title].shape for title in titles]).T
    margins = np.where(np.arange(len(titles)) == 0, LABELS, MARGIN)
    shares = np.maximum(CELL * n_columns + margins, TITLE)  # cells of about one size
    panels = _style.grid(ax, len(found), len(titles), (shares.mean(), CELL * n_rows.max() + 0.5), shares)
    for column, title in enumerate(titles):
        limit = max(float(np.abs(matrices[title]).max(initial=0.0)) for matrices in found.values()) or 1.0
        for row, (version, matrices) in enumerate(found.items()):
            panel = panels[row, column]
            names = inputs if column == 0 else None, outputs if title == last[0] else None
            heat_map(panel, matrices[title], limit, *names)
            panel.set_title(title if row == 0 else "", fontsize="small")
            panel.set_ylabel(version if column == 0 else "")
    return panels


def _matrices(model: ModuleType | Unit | Chain, params: Any, shown: set[str] | None) -> dict[str, np.ndarray]:
    """{title: (n_in, n_out)} of the effective weights; a vector over inputs is a column."""
    return {
        f"{layer.label}\n{leaf}": values if values.ndim == 2 else values.reshape(-1, 1)
        for layer in layers(model, params)
        for leaf, values in layer.weights.items()
        if shown is None or leaf in shown
    }


def heat_map(
    ax: Axes, matrix: np.ndarray, limit: float, rows: Sequence[str] | None, columns: Sequence[str] | None
) -> None:
    """One matrix on ax, colours from -limit to limit, numbers in the cells of a small one."""
    image = ax.imshow(matrix, cmap=_style.DIVERGING, norm=CenteredNorm(0.0, halfrange=limit), aspect="equal")
    _ticks(ax.yaxis, rows, matrix.shape[0], "inputs")
    _ticks(ax.xaxis, columns, matrix.shape[1], "outputs")
    ax.spines[:].set_visible(False)
    ax.set_xticks(np.arange(1, matrix.shape[1]) - 0.5, minor=True)
    ax.set_yticks(np.arange(1, matrix.shape[0]) - 0.5, minor=True)
    ax.grid(which="minor", color="0.8", linewidth=0.5)
    ax.tick_params(which="both", length=0)
    if matrix.size > CELLS_WITH_NUMBERS:
        return
    for (i, j), value in np.ndenumerate(matrix):
        red, green, blue, _ = image.cmap(image.norm(value))
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
        text = _style.number(float(value))
        ax.text(j, i, text, ha="center", va="center", fontsize=8, color="white" if dark else "black")


def _ticks(axis: Any, names: Sequence[str] | None, count: int, what: str) -> None:
    if names is None:
        axis.set_ticks([])
        return
    if len(names) != count:
        raise ValueError(f"plot.weights: {len(names)} names of {what}, expected {count}.")
    axis.set_ticks(range(count), names)
