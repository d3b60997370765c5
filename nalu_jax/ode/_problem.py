"""What `rollout` and `solve` share: the result, and the checks of what they are given."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, Int

VectorField = Callable[[Any, Any, Any], Any]
"""(t, y, args) -> dy/dt in the shape and dtype of y, as diffrax calls it."""


class Trajectory(NamedTuple):
    """States at the save times.

    Attributes:
        ys: (n_times, ...), ys[0] = y0; inf from the first time on that was not reached with finite states.
        ok: whether all of them were reached.
        steps: number of steps taken, rejected ones included.
    """

    ys: Float[Array, "n_times ..."]
    ok: Bool[Array, ""]
    steps: Int[Array, ""]


def check_problem(name: str, vector_field: VectorField, y0: ArrayLike, ts: ArrayLike, args: Any) -> tuple[Array, Array]:
    """y0, and ts in its dtype, after the checks of both and of the vector field.

    Values are checked where they are known. In traced ones NaN or times that do not increase make `ok` false.

    Raises:
        TypeError: y0 is not real floating point, or dy/dt has another dtype.
        ValueError: times are too few, not finite or do not increase; y0 is not finite; dy/dt has another shape.
    """
    y0 = jnp.asarray(y0)
    if not jnp.issubdtype(y0.dtype, jnp.floating):
        raise TypeError(f"{name}: y0 must be real floating point, got {y0.dtype}. Convert it, e.g. y0.astype(float).")
    if _is_known(y0) and not np.isfinite(np.asarray(y0, float)).all():
        raise ValueError(f"{name}: y0 must be finite, got {np.asarray(y0)}.")
    ts = _checked_times(name, ts, y0.dtype)
    rate = jax.eval_shape(lambda t, y: vector_field(t, y, args), ts[0], y0)
    if getattr(rate, "shape", None) != y0.shape:
        raise ValueError(
            f"{name}: dy/dt must be one array of the shape of y0, {y0.shape}, got {getattr(rate, 'shape', rate)}. "
            "Change what vector_field returns."
        )
    if rate.dtype != y0.dtype:
        raise TypeError(
            f"{name}: dy/dt must have the dtype of y0, {y0.dtype}, got {rate.dtype} from vector_field. Cast y0 or args."
        )
    return y0, ts


def _checked_times(name: str, ts: ArrayLike, dtype: Any) -> Array:
    given, ts = ts, jnp.asarray(ts).astype(dtype)
    if ts.ndim != 1 or ts.size < 2:
        raise ValueError(f"{name}: ts must be a vector of at least two times, t0 first, got shape {ts.shape}.")
    if _is_known(ts):
        values = np.asarray(ts, float)
        if not np.isfinite(values).all():
            raise ValueError(f"{name}: ts must be finite, got {np.asarray(given)}.")
        if (wrong := np.flatnonzero(np.diff(values) <= 0)).size:
            at = int(wrong[0])
            raise ValueError(
                f"{name}: ts must increase, got ts[{at}:{at + 2}] = {values[at : at + 2]} in {dtype}. "
                "Sort them, drop repeated ones, or use float64."
            )
    return ts


def check_count(name: str, option: str, value: Any) -> int:
    """value as a static positive integer.

    Raises:
        ValueError: it is not one.
    """
    if not hasattr(value, "__index__") or isinstance(value, bool) or not _is_known(value) or value < 1:
        raise ValueError(f"{name}: {option} must be an integer of at least 1, got {value!r}.")
    return int(value)


def trajectory(ys: Array, ts: Array, finished: ArrayLike, steps: ArrayLike) -> Trajectory:
    """The result of states ys (n_times, ...), of a solver that says whether it finished."""
    increasing = (jnp.diff(ts) > 0).all()
    reached = finite_rows(ys) & increasing
    ys = jnp.where(as_mask(reached, ys), ys, jnp.full_like(ys, jnp.inf))
    return Trajectory(ys, reached.all() & finished, jnp.asarray(steps))


def finite_rows(ys: Array) -> Array:
    """Which rows of ys (n, ...) are finite: (n,)."""
    return jnp.isfinite(ys).reshape(ys.shape[0], -1).all(1)


def as_mask(rows: Array, ys: Array) -> Array:
    """rows (n,) in the shape of ys (n, ...)."""
    return jnp.broadcast_to(rows.reshape(-1, *[1] * (ys.ndim - 1)), ys.shape)


def _is_known(x: Any) -> bool:
    return not isinstance(x, Tracer)
