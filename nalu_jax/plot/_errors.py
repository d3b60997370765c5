"""Where a model that was trained in a small square is wrong, and how much."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from .. import _arguments
from . import _style

SMALLEST, LARGEST = -8.0, 1.0  # of log10|error| that colours tell apart


@_arguments.checked(
    "plot.error_maps",
    models=_arguments.functions_by_name(),
    truth=_arguments.function("(x) -> y"),
    operations=_arguments.names(),
    bounds=_arguments.numbers(),
    trained=_arguments.optional(_arguments.numbers()),
    inputs=_arguments.names(),
    points=_arguments.count(2),
)
def error_maps(
    models: Mapping[str, Callable[[np.ndarray], Any]],
    truth: Callable[[np.ndarray], Any],
    *,
    operations: Sequence[str],
    bounds: tuple[float, float] = (-4.1, 4.1),
    trained: tuple[float, float] | None = None,
    inputs: Sequence[str] = ("x", "y"),
    points: int = 82,
    ax: Any = None,
) -> np.ndarray:
    """log10|error| over a grid of two inputs: a row of panels for each model, a column for each operation.

    Yellow is right, dark is wrong. Points at which the truth is not finite (a root of a negative number, a division by
    zero) are grey.

    Args:
        models: {name: function}, each from inputs (points^2, 2) to outputs (points^2, operations).
        truth: the same for the true values.
        operations: the names of the outputs.
        bounds: of both inputs.
        trained: the range of both inputs in training, drawn as a square.
        inputs: names of the two inputs, for the axes.
        points: along each axis; an even number leaves out the middle, where a quotient has no value.
        ax: as many axes as there are panels, in any shape.

    Returns:
        Axes (models, operations).

    Raises:
        ValueError: a model's outputs are not as many as operations, or names of inputs not two.
    """
    if len(inputs) != 2:
        raise ValueError(f"plot.error_maps: {len(inputs)} names of inputs, expected 2.")
    line = np.linspace(*bounds, points)
    x = np.stack(np.meshgrid(line, line, indexing="xy"), -1).reshape(-1, 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected, outputs = np.asarray(truth(x)), {name: np.asarray(model(x)) for name, model in models.items()}
    panels = _style.grid(ax, len(models), len(operations), (1.9, 1.8))
    norm, image = Normalize(SMALLEST, LARGEST), None
    for row, (name, found) in enumerate(outputs.items()):
        for what, values in (("the truth", expected), (name, found)):
            if values.shape != (len(x), len(operations)):
                raise ValueError(
                    f"plot.error_maps: {what} returned shape {values.shape} for inputs {x.shape}, expected "
                    f"{(len(x), len(operations))}: a column for each of the operations {list(operations)}."
                )
        for column, operation in enumerate(operations):
            panel = panels[row, column]
            logarithm = _log_error(found[:, column], expected[:, column]).reshape(points, points)
            image = panel.imshow(
                logarithm, origin="lower", extent=(*bounds, *bounds), cmap=_style.ERRORS, norm=norm, aspect="equal"
            )
            _decorate(panel, bounds, trained, left=column == 0, bottom=row == len(models) - 1)
            panel.set_title(operation if row == 0 else "", fontsize="medium")
            panel.set_xlabel(inputs[0] if row == len(models) - 1 else "")
            panel.set_ylabel(f"{name}\n{inputs[1]}" if column == 0 else "")
    if image is not None:
        figure = panels[0, 0].figure
        place = {"ax": list(panels.flat), "aspect": 15 * len(models), "shrink": 0.8, "extend": "both"}
        figure.colorbar(image, label="log10 |error|", **place)
    return panels


def _log_error(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """log10|found - expected|; masked where the truth is not finite, the largest colour where the model is not."""
    error = np.abs(found - expected)
    error = np.where(np.isfinite(error), error, np.finfo(float).max)
    return np.ma.masked_where(~np.isfinite(expected), np.log10(np.maximum(error, 10.0 ** (SMALLEST - 1))))


def _decorate(
    panel: Any, bounds: tuple[float, float], trained: tuple[float, float] | None, *, left: bool, bottom: bool
) -> None:
    panel.set_facecolor("0.85")
    panel.tick_params(labelleft=left, labelbottom=bottom)
    ticks = [round(bound) for bound in (bounds[0], sum(bounds) / 2, bounds[1])]
    panel.set(xticks=ticks, yticks=ticks)
    if trained is not None:
        low, high = trained
        panel.add_patch(Rectangle((low, low), high - low, high - low, fill=False, edgecolor="black", linewidth=1.2))
