"""Trajectories as users have them, checked: every message names trajectory, row and state, and the cure."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..ode import Data
from ..ode import data as checked_data

BELOW = 0.5
"""Standard deviations of a state, that noise brings measurements below 0: with noise of 10 % those of one row in two
million are further below."""


class Trajectories(NamedTuple):
    """Names of the states, and of each trajectory times (n,) and states (n, n_states), NaN where not measured."""

    names: tuple[str, ...]
    times: list[np.ndarray]
    states: list[np.ndarray]
    scale: np.ndarray


def trajectories(ts: Any, ys: Any, *, names: Sequence[str] | None, missing: bool) -> Trajectories:
    """The trajectories after a check.

    Raises:
        TypeError, ValueError: see `discover.ode`.
    """
    ts, ys, headers = _plain(ts), _plain(ys), _headers(ys)
    if names is None and headers is not None:
        names = headers
    names = None if names is None else tuple(names)
    twice = [name for name in names or () if names and names.count(name) > 1]
    if twice:
        raise ValueError(f"discover.ode: two states are named {twice[0]!r}. Give each a name of its own.")
    data = checked_data(ts, ys, names=names, missing=missing)
    names = tuple(f"y{k}" for k in range(data.ys.shape[-1])) if names is None else tuple(names)
    lengths = _lengths(ts, ys)
    states = [np.where(seen, y, np.nan)[:n] for y, seen, n in zip(data.ys, data.seen, lengths, strict=True)]
    times = [t[:n] for t, n in zip(data.ts, lengths, strict=True)]
    return Trajectories(names, times, states, _scale(data))


def places_of(wanted: Any, data: Trajectories, *, option: str) -> tuple[int, ...]:
    """Places of the states that an option names, each once; "all" are all of them.

    Raises:
        TypeError, ValueError: no names of states.
    """
    names = data.names if isinstance(wanted, str) and wanted == "all" else wanted
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise TypeError(f'discover.ode: {option} must be "all" or a sequence of names of states, got {wanted!r}.')
    unknown = [name for name in names if name not in data.names]
    if unknown:
        raise ValueError(
            f"discover.ode: {option}: {unknown[0]!r} is no state; there are {', '.join(map(repr, data.names))}. "
            "Name the states as they are."
        )
    return tuple(dict.fromkeys(data.names.index(name) for name in names))


def nonnegative(wanted: Any, data: Trajectories) -> tuple[int, ...]:
    """Places of states that cannot fall below 0.

    Raises:
        TypeError, ValueError: no names of states, or one that is measured far below 0.
    """
    places = places_of(wanted, data, option="nonnegative")
    for place in places:
        for i, states in enumerate(data.states):
            values = states[:, place]
            row = int(np.argmin(np.where(np.isnan(values), np.inf, values)))
            if values[row] < -BELOW * data.scale[place]:
                raise ValueError(
                    f"discover.ode: nonnegative: {data.names[place]!r} is {values[row]:.6g} in row {row} of trajectory "
                    f"{i}. Leave it out of nonnegative=, or mend the measurement."
                )
    return places


class Driving(NamedTuple):
    """Names of the inputs, and of each trajectory their values (n_times, n_inputs)."""

    names: tuple[str, ...]
    values: list[np.ndarray]


def driving(inputs: Any, times: list[np.ndarray], states: Sequence[str]) -> Driving:
    """What was measured beside the states, after a check.

    Raises:
        TypeError, ValueError: see `discover.ode`.
    """
    pair = isinstance(inputs, tuple | list) and len(inputs) == 2
    if not pair or isinstance(inputs[0], str) or not all(isinstance(name, str) for name in inputs[0]):
        raise TypeError(
            "discover.ode: inputs must be names and values, such as inputs=(('force',), force), with a row of values "
            f"for each time, got {inputs!r:.60}."
        )
    names = tuple(inputs[0])
    twice = [name for name in names if names.count(name) > 1 or name in states]
    if twice:
        raise ValueError(f"discover.ode: two states or inputs are named {twice[0]!r}. Give each a name of its own.")
    several = isinstance(inputs[1], list | tuple) and len(inputs[1]) > 0 and np.ndim(inputs[1][0]) >= 1
    values = list(inputs[1]) if several else [inputs[1]]
    if len(values) != len(times):
        raise ValueError(f"discover.ode: inputs of {len(values)} trajectories, expected {len(times)}, as many as ts.")
    return Driving(names, [_input_rows(i, each, times[i], names) for i, each in enumerate(values)])


def _input_rows(trajectory: int, values: Any, times: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    where = f"discover.ode: inputs of trajectory {trajectory}"
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(f"{where} are a masked array, whose mask would be lost. Inputs must be known at every time.")
    rows = np.asarray(values)
    if rows.dtype.kind not in "iuf":
        raise TypeError(f"{where} must be real numbers, got {rows.dtype}.")
    rows = rows.astype(float).reshape(-1, 1) if rows.ndim == 1 else rows.astype(float)
    if rows.shape != (len(times), len(names)):
        raise ValueError(
            f"{where} have shape {np.shape(values)}, expected {(len(times), len(names))}: a row for each time and a "
            f"column for each of {', '.join(map(repr, names))}."
        )
    bad = np.argwhere(~np.isfinite(rows))
    if bad.size:
        row, column = bad[0].tolist()
        raise ValueError(
            f"{where} are {rows[row, column]} in row {row} of {names[column]!r}. They must be known at every time: "
            "fill them, for example with numpy.interp, or leave the row out of all."
        )
    return rows


def _plain(values: Any) -> Any:
    """Arrays and lists of them, after a refusal of what NumPy would read as something else."""
    several = isinstance(values, list | tuple)
    for i, part in enumerate(values if several else [values]):
        where = f"trajectory {i} is" if several else "ts or ys is"
        if isinstance(part, np.ma.MaskedArray):
            raise TypeError(
                f"discover.ode: {where} a masked array, whose mask would be lost. Pass array.filled(np.nan) and "
                "missing=True."
            )
        if not several and np.ndim(part) == 3:
            raise ValueError(
                f"discover.ode: ys has shape {np.shape(part)}, expected (n_times, n_states). Of several trajectories "
                "pass a list: list(ys)."
            )
    return values


def _headers(ys: Any) -> list[str] | None:
    """Column names of a DataFrame, or of the first of several."""
    first = ys[0] if isinstance(ys, list | tuple) and len(ys) else ys
    columns = getattr(first, "columns", None)
    return None if columns is None else [str(name) for name in columns]


def _lengths(ts: Any, ys: Any) -> list[int]:
    """Rows of each trajectory."""
    several = isinstance(ys, list | tuple) and len(ys) > 0 and np.ndim(ys[0]) >= 1
    return [len(y) for y in ys] if several else [len(ys)]


def _scale(data: Data) -> np.ndarray:
    return data.scale
