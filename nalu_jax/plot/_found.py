"""What a search found: its front, its curve through the points, its residuals, its trajectories."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullFormatter

from .. import _arguments
from ..discover import Found, FoundSystem, _inputs, _names
from . import _style

LABEL = 46  # characters of a formula beside the front
BAND = 2.0  # standard deviations: 95 % of normal residuals
GRID = 400  # points of a curve
SPENT = 20.0
"""Nats behind the chosen one from which a longer candidate is not shown: odds of 5e8 that its length buys nothing."""

_TABLE = _arguments.instance("what discover.table returned", "Pass it whole.", Found)


@_arguments.checked(
    "plot.front",
    found=_arguments.instance("what discover.table or discover.ode returned", "Pass it whole.", Found, FoundSystem),
)
def front(found: Found | FoundSystem, *, ax: Axes | None = None) -> Axes:
    """Error of the best formula of every complexity, a row for each, the simplest on top and the chosen one in blue.

    The number behind a formula is its complexity. Errors are those of the candidates: in the target's unit or as a
    fraction of the value, of trajectories in standard deviations of the states. Longer ones than the chosen one are
    left out where they are 20 nats behind it and more.

    Args:
        found: what `discover.table` or `discover.ode` returned.
        ax: the axes to draw on.
    """
    candidates = weighed(found)
    ax = _style.single(ax, (7.0, 0.9 + 0.32 * len(candidates)))
    errors = np.array([float(candidate.error) for candidate in candidates])
    ranks = np.arange(len(candidates))
    best = np.array([_same(candidate, found.best) for candidate in candidates])
    ax.plot(errors, ranks, color=_style.OTHERS, linewidth=1, zorder=1)
    ax.plot(errors[~best], ranks[~best], "o", color=_style.OTHERS, label="best of its complexity")
    ax.plot(errors[best], ranks[best], "o", color=_style.CHOSEN, markersize=9, label="chosen")
    ax.set_yticks(ranks, [_label(candidate) for candidate in candidates])
    for label, chosen in zip(ax.get_yticklabels(), best, strict=True):
        label.set_color(_style.CHOSEN if chosen else "black")
    positive = errors[errors > 0]
    if positive.size == errors.size and positive.max() > 3 * positive.min():
        ax.set_xscale("log")
    else:
        ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.set(
        xlabel=f"error, {_measure(found)}",
        title=_names.as_mathtext(f"{found.verdict}   [complexity]"),
        ylim=(len(candidates) - 0.5, -0.5),
    )
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.grid(axis="x", color="0.9")
    ax.set_axisbelow(True)
    return ax


def weighed(found: Found | FoundSystem) -> list[Any]:
    """The front, the simplest first, with the chosen one, and without longer ones that are far behind it."""
    best = found.best
    candidates = [each for each in found.front if each.complexity <= best.complexity or behind(found, each) < SPENT]
    if not any(_same(each, best) for each in candidates):
        candidates.append(best)
    return sorted(candidates, key=lambda each: each.complexity)


def behind(found: Found | FoundSystem, candidate: Any) -> float:
    """How many nats the candidate is behind the chosen one."""
    return float(candidate.description_length - found.best.description_length)


def _measure(found: Found | FoundSystem) -> str:
    """What an error of a candidate is in."""
    if not isinstance(found, Found):
        return "standard deviations"
    if found.noise == "relative":
        return "fraction of the value"
    return _names.as_mathtext(f"in {found.best.target_unit}" if found.best.target_unit else f"as {found.target}")


def _same(candidate: Any, best: Any) -> bool:
    return (candidate.complexity, candidate.error) == (best.complexity, best.error)


def _label(candidate: Any) -> str:
    text = text_of(candidate)
    short = text if len(text) <= LABEL else f"{text[: LABEL - 1]}\N{HORIZONTAL ELLIPSIS}"
    return _names.as_mathtext(f"{short}   [{candidate.complexity}]")


def text_of(candidate: Any) -> str:
    """A formula, or the right-hand sides of a system, with standard errors."""
    text = candidate.with_errors
    return text if isinstance(text, str) else "; ".join(text)


@_arguments.checked("plot.curve", found=_TABLE, y=_arguments.array(finite=True))
def curve(found: Found, x: Any, y: Any, *, ax: Axes | None = None) -> Axes:
    """A formula of one input as a curve, the measured points, and a band for 95 % of points with the noise found.

    Args:
        found: what `discover.table` returned for one input.
        x: (rows, 1), or a DataFrame that has the column.
        y: (rows,) the measured target.
        ax: the axes to draw on.

    Raises:
        TypeError, ValueError: the formula has more inputs than one, or rows are not as many or no numbers.
    """
    if len(found.names) != 1:
        raise ValueError(
            f"plot.curve: the formula has {len(found.names)} inputs ({', '.join(found.names)}), expected one. "
            "Use plot.residuals or plot.predictions."
        )
    inputs, target = _rows("plot.curve", found, x, y)
    line = np.linspace(inputs.min(), inputs.max(), GRID)
    middle = found.predict(line[:, None])
    half = BAND * (found.deviation if found.noise == "absolute" else found.deviation * np.abs(middle))
    ax = _style.single(ax)
    ax.fill_between(line, middle - half, middle + half, color=_style.TRAINED, linewidth=0, label="95 % of points")
    ax.plot(inputs[:, 0], target, "o", color=_style.DATA, markersize=4, label="measured")
    ax.plot(line, middle, color=_style.CHOSEN, linewidth=2, label="formula")
    ax.set(xlabel=labels(found)[0], ylabel=target_label(found))
    ax.set_title(_names.as_mathtext(str(found.best)), fontsize="medium")
    ax.legend(frameon=False)
    return ax


@_arguments.checked("plot.residuals", found=_TABLE, y=_arguments.array(finite=True))
def residuals(found: Found, x: Any, y: Any, *, ax: Any = None) -> np.ndarray:
    """Measured minus predicted, in standard deviations of the noise, against the prediction and against every input.

    Points of a right formula lie in the band without a pattern, but for one in twenty. A pattern says what is missing.

    Args:
        found: what `discover.table` returned.
        x: (rows, n_in), or a DataFrame that has the columns.
        y: (rows,) the measured target.
        ax: as many axes as there are inputs, and one, in any shape.

    Returns:
        Axes (1 + n_in,), the first against the prediction.

    Raises:
        TypeError, ValueError: rows are not as many or no numbers, or there are not as many axes.
    """
    inputs, target = _rows("plot.residuals", found, x, y)
    predicted = found.predict(inputs)
    scale = found.deviation * (np.abs(predicted) if found.noise == "relative" else np.ones_like(predicted))
    scaled = (target - predicted) / np.where(scale > 0, scale, 1.0)
    columns = [(f"{target_label(found)}, predicted", predicted), *zip(labels(found), inputs.T, strict=True)]
    panels = _style.grid(ax, 1, len(columns), (2.7, 2.6))[0]
    for place, (panel, (label, values)) in enumerate(zip(panels, columns, strict=True)):
        panel.axhspan(-BAND, BAND, color=_style.TRAINED, zorder=0)
        panel.axhline(0.0, color="0.5", linewidth=1, zorder=1)
        panel.plot(values, scaled, "o", color=_style.CHOSEN, markersize=4)
        panel.set(xlabel=label, ylabel="residual, standard deviations" if place == 0 else "")
        _style.compact(panel.xaxis)
        panel.set_ylim(*_limits(scaled))
    return panels


def labels(found: Found) -> list[str]:
    """Names of the inputs for axes, with their units where these are known and no part of the name."""
    units = found.best.units or ("",) * len(found.names)
    return [_with_unit(name, unit) for name, unit in zip(found.names, units, strict=True)]


def target_label(found: Found) -> str:
    """The same of the target."""
    return _with_unit(found.target, found.best.target_unit)


def _with_unit(name: str, unit: str) -> str:
    return _names.as_mathtext(f"{name} ({unit})" if unit and not name.endswith("]") else name)


def _limits(scaled: np.ndarray) -> tuple[float, float]:
    largest = 1.1 * max(BAND * 1.5, float(np.abs(scaled[np.isfinite(scaled)]).max(initial=0.0)))
    return -largest, largest


@_arguments.checked(
    "plot.trajectories",
    found=_arguments.instance("what discover.ode returned", "Pass it whole.", FoundSystem),
)
def trajectories(found: FoundSystem, ts: Any, ys: Any, *, inputs: Any = None, ax: Any = None) -> np.ndarray:
    """Measured states over time, and the equations solved from the first measurement of every trajectory.

    Args:
        found: what `discover.ode` returned.
        ts: (n_times,) times, or a list of them, one for each trajectory.
        ys: (n_times, n_states), of one state also (n_times,), or a list of them; NaN where nothing was measured, but in
            the first row.
        inputs: values at the times of what drives the system, as `FoundSystem.simulate` takes them, or a list of them.
        ax: as many axes as there are states, in any shape.

    Returns:
        Axes (n_states,), one below the other.

    Raises:
        ValueError: times and states are not as many, or no finite numbers where these are needed; inputs of another
            shape, or none where the system has some; not all trajectories, where numbers differ between them.
    """
    names = list(found.names)
    measured = list(_trajectories(ts, ys, len(names)))
    units = found.best.rates[0].units or ("",) * len(names)
    panels = _style.grid(ax, len(names), 1, (6.4, 1.9))[:, 0]
    laws = _of_each(found, len(measured))
    for law, (times, states), driving in zip(laws, measured, _each(inputs, len(measured)), strict=True):
        fine = np.unique(np.concatenate([np.linspace(times[0], times[-1], GRID), times]))
        fine = fine if driving is None else times  # inputs are known at the measured times
        solved = np.asarray(law.simulate(states[0], fine, driving))
        solved = np.where(np.isfinite(solved), solved, np.nan)
        for panel, points, line in zip(panels, states.T, solved.T, strict=True):
            panel.plot(times, points, "o", color=_style.DATA, markersize=3.5, label="measured")
            panel.plot(fine, line, color=_style.CHOSEN, linewidth=1.8, label="equations, from the first measurement")
    for panel, name, unit in zip(panels, names, units[: len(names)], strict=True):
        panel.set_ylabel(_with_unit(name, unit))
        panel.label_outer()
    panels[-1].set_xlabel("time")
    handles, labels = panels[0].get_legend_handles_labels()
    panels[0].legend(handles[:2], labels[:2], frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0.0, 1.0))
    return panels


def _of_each(found: FoundSystem, count: int) -> list[FoundSystem]:
    """What was found for each trajectory."""
    own = {len(numbers) for numbers in found.by_trajectory.values()}
    if own and own != {count}:
        raise ValueError(
            f"plot.trajectories: {count} trajectories, and numbers differ between {max(own)}: pass all, or what "
            "was found for one, found.of_trajectory(place)."
        )
    return [found.of_trajectory(i) for i in range(count)]


def _each(inputs: Any, count: int) -> list[Any]:
    """Inputs of every trajectory."""
    if isinstance(inputs, list | tuple) and len(inputs) > 0 and np.ndim(inputs[0]) > 0:
        if len(inputs) != count:
            raise ValueError(f"plot.trajectories: inputs of {len(inputs)} trajectories, expected {count}.")
        return list(inputs)
    return [inputs] * count


def _trajectories(ts: Any, ys: Any, n_states: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(times, states (n_times, n_states)) of every trajectory."""
    several = isinstance(ts, list | tuple) and len(ts) > 0 and np.ndim(ts[0]) == 1
    if several and not (isinstance(ys, list | tuple) and len(ys) == len(ts)):
        raise ValueError(f"plot.trajectories: ts are {len(ts)} trajectories, expected a list of as many ys.")
    for times, states in zip(ts, ys, strict=True) if several else [(ts, ys)]:
        _arguments.check("plot.trajectories", "ts", times, _arguments.array("(n_times,)", axes=1, finite=True))
        _arguments.check("plot.trajectories", "ys", states, _arguments.array("(n_times, n_states)"))
        times, states = np.asarray(times, float), np.asarray(states, float)
        states = states[:, None] if states.ndim == 1 else states
        if states.shape != (times.size, n_states):
            raise ValueError(
                f"plot.trajectories: ys have shape {states.shape}, expected {(times.size, n_states)}: a row for each "
                f"of the times and a column for each of the {n_states} states."
            )
        if times.size < 2 or (np.diff(times) <= 0).any() or not np.isfinite(states[0]).all():
            raise ValueError(
                "plot.trajectories: ts must rise, with two times at least, and the first row of ys be finite: "
                "the equations are solved from there."
            )
        yield times, states


def _rows(function: str, found: Found, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """x (rows, n_in) and y (rows,) in float64, which are finite."""
    inputs = _inputs.rows(x, found.names)
    target = np.ravel(np.asarray(y, float))
    if len(inputs) != target.size or not np.isfinite(inputs).all():
        raise ValueError(
            f"{function}: x has {len(inputs)} rows and y {target.size}, expected as many, all of finite numbers. "
            "Leave out rows without a measurement."
        )
    return inputs, target
