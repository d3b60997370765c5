"""Trajectories as tables with a column of times, and columns of what drives them: columns taken by their names.

>>> import numpy as np
>>> import pandas as pd
>>> run = pd.DataFrame({"t": [0.0, 1.0], "dose": [0.0, 2.0], "drug": [3.0, 1.0]})
>>> ts, ys, inputs = by_name("t", run, "dose")
>>> ts.tolist(), list(ys), inputs[0], inputs[1].tolist()
([0.0, 1.0], ['drug'], ('dose',), [[0.0], [2.0]])
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _inputs


def by_name(ts: Any, ys: Any, inputs: Any) -> tuple[Any, Any, Any]:
    """Times, states and inputs, of which what is given by name is a column of `ys`: a DataFrame, or a list of them.

    Raises:
        ValueError: there are no such columns, or no DataFrames.
    """
    driving = (inputs,) if isinstance(inputs, str) else inputs
    named = isinstance(driving, list | tuple) and bool(driving) and all(isinstance(name, str) for name in driving)
    if not isinstance(ts, str) and not named:
        return ts, ys, inputs
    several = isinstance(ys, list | tuple)
    frames = list(ys) if several else [ys]
    taken = (*((ts,) if isinstance(ts, str) else ()), *(driving if named else ()))
    for place, frame in enumerate(frames):
        _check(frame, taken, f" of trajectory {place}" if several else "")
    times = [_column(frame, ts) for frame in frames] if isinstance(ts, str) else ts
    values = [np.stack([_column(frame, name) for name in driving], 1) for frame in frames] if named else inputs
    left = [frame[[name for name in frame.columns if str(name) not in taken]] for frame in frames]
    if isinstance(ts, str) and not several:
        times = times[0]
    if not named:
        return times, left if several else left[0], inputs
    return times, left if several else left[0], (tuple(driving), values if several else values[0])


def _check(frame: Any, taken: Sequence[str], where: str) -> None:
    headers = _inputs.headers_of(frame)
    if headers is None:
        raise ValueError(
            f"discover.ode: {taken[0]!r} is the name of a column, and ys{where} is no DataFrame. Pass the numbers "
            "themselves."
        )
    missing = [name for name in taken if headers.count(name) != 1]
    if missing:
        found = "twice or more" if headers.count(missing[0]) else "no"
        raise ValueError(
            f"discover.ode: ys{where} has {found} column {missing[0]!r}; there are {', '.join(map(repr, headers))}."
        )
    if len(headers) == len(taken):
        raise ValueError(f"discover.ode: ys{where} has no column beside {', '.join(map(repr, taken))}: no states.")


def _column(frame: Any, name: str) -> np.ndarray:
    return np.asarray(next(frame[each] for each in frame.columns if str(each) == name))
