"""Measured trajectories as one set of arrays: several of them, of different lengths, with entries missing."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import _arguments


class Data(NamedTuple):
    """Trajectories, filled up to one length. NumPy arrays in float64; make one with `data`.

    Attributes:
        ts: (n_trajectories, n_times), increasing, also where filled up.
        ys: (n_trajectories, n_times, n_states), 0 where not seen.
        seen: the shape of ys, which entries were measured.
    """

    ts: np.ndarray
    ys: np.ndarray
    seen: np.ndarray

    @property
    def scale(self) -> np.ndarray:
        """(n_states,) standard deviation of each state over what was seen; its largest size where it is constant."""
        columns = [self.ys[..., k][self.seen[..., k]] for k in range(self.ys.shape[-1])]
        # a constant's deviation is a rounding error, and dividing by it would blow up everything that follows
        sizes = [float(np.std(c)) if np.std(c) > 1e-9 * np.abs(c).max() else float(np.abs(c).max()) for c in columns]
        return np.array([size or 1.0 for size in sizes])


@_arguments.checked("ode.data", names=_arguments.optional(_arguments.names()), missing=_arguments.flag())
def data(ts: Any, ys: Any, *, names: Sequence[str] | None = None, missing: bool = False) -> Data:
    """The trajectories as `Data`, after a check.

    Args:
        ts: (n_times,) the times; or a list with the times of each trajectory.
        ys: (n_times, n_states), or (n_times,) of a single state; or a list with those of each trajectory. One ts may
            serve all trajectories of a list.
        names: of the states, for messages.
        missing: whether NaN stands for what was not measured.

    Raises:
        TypeError: entries that are not real numbers.
        ValueError: shapes that do not fit, times that do not increase, NaN or infinite entries, too few points.
    """
    several = isinstance(ys, list | tuple) and len(ys) > 0 and np.ndim(ys[0]) >= 1
    many_ys = list(ys) if several else [ys]
    many_ts = list(ts) if several and isinstance(ts, list | tuple) and np.ndim(ts[0]) == 1 else [ts] * len(many_ys)
    if len(many_ts) != len(many_ys):
        raise ValueError(f"data: expected as many ts as ys, got {len(many_ts)} and {len(many_ys)} trajectories.")
    label = (lambda i: f"trajectory {i}: ") if several else (lambda i: "")
    pairs = [_checked(label(i), *pair, names, missing) for i, pair in enumerate(zip(many_ts, many_ys, strict=True))]
    if len({y.shape[1] for _, y in pairs}) > 1:
        raise ValueError(f"data: expected one number of states, got {[y.shape[1] for _, y in pairs]} by trajectory.")
    length = max(t.size for t, _ in pairs)
    filled = [_filled(t, y, length) for t, y in pairs]
    times, states = (np.stack(part) for part in zip(*filled, strict=True))
    seen = np.isfinite(states)
    for k in np.flatnonzero(seen.sum((0, 1)) < 5):
        raise ValueError(
            f"data: {_name(names, int(k))} was measured {int(seen[..., k].sum())} times, expected at least 5. "
            "Leave the state out, or measure it more often."
        )
    return Data(times, np.where(seen, states, 0.0), seen)


def _name(names: Sequence[str] | None, k: int) -> str:
    return f"state {names[k]!r}" if names is not None else f"state {k}"


def _checked(label: str, ts: Any, ys: Any, names: Sequence[str] | None, missing: bool) -> tuple[np.ndarray, np.ndarray]:
    """Times (n,) and states (n, d) of one trajectory."""
    times, states = np.asarray(ts), np.asarray(ys)
    for name, array in (("ts", times), ("ys", states)):
        if array.dtype.kind in "mM":
            raise TypeError(
                f"data: {label}{name} must be numbers, got dates or times of {array.dtype}. Divide by a unit, such "
                "as (ts - ts[0]) / np.timedelta64(1, 'h') for hours."
            )
        if array.dtype.kind not in "fiu":
            raise TypeError(f"data: {label}{name} must be real numbers, got an array of {array.dtype}.")
    times, states = times.astype(float), states.astype(float)
    states = states[:, None] if states.ndim == 1 else states
    if times.ndim != 1 or states.ndim != 2 or states.shape[0] != times.size or states.shape[1] == 0:
        raise ValueError(
            f"data: {label}expected ts (n_times,) and ys (n_times, n_states), got shapes {np.shape(ts)} and "
            f"{np.shape(ys)}. Transpose ys if its first axis is that of the states."
        )
    if names is not None and len(names) != states.shape[1]:
        raise ValueError(f"data: {label}expected a name for each of {states.shape[1]} states, got {list(names)}.")
    if not np.isfinite(times).all():
        raise ValueError(f"data: {label}ts must be finite, got {times[~np.isfinite(times)][0]}.")
    if (wrong := np.flatnonzero(np.diff(times) <= 0)).size:
        at = int(wrong[0])
        raise ValueError(
            f"data: {label}ts must increase, got ts[{at}:{at + 2}] = {times[at : at + 2]}. "
            "Sort them, and average or drop repeated ones."
        )
    bad = ~np.isfinite(states) & ~(np.isnan(states) & missing)
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        cure = "Drop the row." if np.isinf(states[row, column]) or missing else "Pass missing=True if it was missed."
        raise ValueError(f"data: {label}{_name(names, column)} is {states[row, column]} in row {row}. {cure}")
    return times, states


def _filled(times: np.ndarray, states: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Both with unseen rows after their end, whose times go on as the last two did."""
    missing = length - times.size
    if times.size < 2:
        raise ValueError(f"data: expected at least 2 times in every trajectory, got {times.size}.")
    more = times[-1] + (times[-1] - times[-2]) * np.arange(1, missing + 1)
    return np.concatenate([times, more]), np.concatenate([states, np.full((missing, states.shape[1]), np.nan)])
