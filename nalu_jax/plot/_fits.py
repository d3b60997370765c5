"""The course of a fit, and predictions against the truth."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from .. import _arguments
from ..training import Fit
from . import _style


@_arguments.checked("plot.losses", fit=_arguments.instance("what training.fit returned", "Pass it whole.", Fit))
def losses(fit: Fit, *, ax: Axes | None = None) -> Axes:
    """Validation loss of every restart over the steps, the chosen one in front, failed ones with a cross at their end.

    The dot is the chosen one after the stages of `finish`; where these went far below the curves, an arrow points there
    and says how far.

    Args:
        fit: what `training.fit` returned.
        ax: the axes to draw on.
    """
    ax = _style.single(ax)
    finite = np.where(np.isfinite(fit.validations) & (fit.validations > 0), fit.validations, np.nan)
    for i, curve in enumerate(finite):
        if i == fit.best or fit.failed[i]:
            continue
        ax.plot(fit.steps, curve, color=_style.OTHERS, linewidth=0.8, alpha=0.5)
    for i in np.flatnonzero(fit.failed):
        shown = np.flatnonzero(np.isfinite(finite[i]) & (fit.steps <= fit.failed_at[i]))
        ax.plot(fit.steps[shown], finite[i][shown], color=_style.FAILED, linewidth=0.8, alpha=0.7)
        ax.plot(fit.steps[shown[-1:]], finite[i][shown[-1:]], "x", color=_style.FAILED)
    if fit.best is not None:
        label = f"chosen: restart {fit.best}"
        ax.plot(fit.steps, finite[fit.best], color=_style.CHOSEN, linewidth=2, label=label)
        _end(ax, finite, int(fit.chosen_at[fit.best]), float(fit.validation[fit.best]))
    failed = f", {fit.failed.sum()} failed" if fit.failed.any() else ""
    ax.set(yscale="log", xlabel="step", ylabel="validation loss", title=f"{len(fit.failed)} restarts{failed}")
    if fit.best is not None:
        ax.legend(loc="best", frameon=False)
    return ax


def _end(ax: Axes, curves: np.ndarray, step: int, value: float) -> None:
    """The dot of the loss in the end, or at the lower edge an arrow to it."""
    lowest = np.nanmin(curves) if np.isfinite(curves).any() else value
    if value >= FAR_BELOW * lowest:
        ax.plot(step, value, "o", color=_style.CHOSEN)
        return
    edge = lowest / 30
    ax.set_ylim(bottom=edge)
    ax.plot(step, edge * 1.6, "v", color=_style.CHOSEN)
    text = f"after the finishing stages {value:.1e}"
    place = {"xytext": (-8, 6), "textcoords": "offset points", "ha": "right", "fontsize": "small"}
    ax.annotate(text, (step, edge * 1.6), color=_style.CHOSEN, **place)


FAR_BELOW = 1e-3
"""Of the lowest point of the curves: an end below would make the axis longer than what it shows is high."""


@_arguments.checked(
    "plot.predictions",
    true=_arguments.array(finite=True),
    predicted=_arguments.array(finite=True),
    trained=_arguments.optional(_arguments.array()),
    log=_arguments.flag(),
    name=_arguments.instance("a text", "Pass one.", str),
)
def predictions(
    true: Any,
    predicted: Any,
    *,
    trained: Any = None,
    log: bool = False,
    name: str = "y",
    ax: Axes | None = None,
) -> Axes:
    """Predicted against true values, with the range of the training rows shaded where there are others.

    Args:
        true, predicted: (n,).
        trained: (n,) bool, the rows that were trained on; all where not given.
        log: logarithmic axes, for positive values.
        name: of the quantity.
        ax: the axes to draw on.

    Raises:
        ValueError: the arrays are not of one length, or `log` with values that are not positive.
    """
    true, predicted = np.ravel(np.asarray(true)), np.ravel(np.asarray(predicted))
    seen = np.ones(true.size, bool) if trained is None else np.ravel(np.asarray(trained)).astype(bool)
    if not true.size == predicted.size == seen.size:
        raise ValueError(
            f"plot.predictions: true has {true.size} values, predicted {predicted.size}, trained {seen.size}; "
            "expected one number for each row."
        )
    if log and (true <= 0).any():
        raise ValueError("plot.predictions: log=True needs positive true values; leave it out.")
    ax = _style.single(ax, (4.6, 4.2))
    if seen.any() and not seen.all():
        ax.axvspan(true[seen].min(), true[seen].max(), color=_style.TRAINED, zorder=0, label="training range")
    ends = [true.min(), true.max()]
    ax.plot(ends, ends, color="0.5", linewidth=1, zorder=1)
    ax.plot(true[seen], predicted[seen], "o", color=_style.CHOSEN, markersize=4, label="trained on")
    if not seen.all():
        ax.plot(true[~seen], predicted[~seen], "D", color=_style.NEGATIVE, markersize=5, label="never seen")
    if log:
        ax.set(xscale="log", yscale="log")
    else:
        _style.compact(ax.xaxis)
        _style.compact(ax.yaxis)
    ax.set(xlabel=f"{name}, true", ylabel=f"{name}, predicted")
    if not seen.all():
        ax.legend(loc="upper left", framealpha=1)
    return ax
