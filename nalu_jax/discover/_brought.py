"""What people bring beside a table: columns by name, errors and weights of rows, rows with missing cells.

>>> import numpy as np
>>> from nalu_jax.discover import _brought
>>> x = np.array([[1.0, 0.1], [2.0, 0.1], [np.nan, 0.2], [4.0, 0.2], [5.0, 0.2]])
>>> brought = _brought.of(x, [1, 2, 3, 4, 5], names=("a", "error"), sigma="error", missing="drop")
>>> brought.table.names, brought.table.x[:, 0].tolist(), brought.sigma.tolist(), brought.notes
(('a',), [1.0, 2.0, 4.0, 5.0], [0.1, 0.1, 0.2, 0.2], ('1 of 5 rows left out, since a cell is missing: row 3',))
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import _inputs

MOST_LISTED = 5
"""Of rows in a note."""


class Brought(NamedTuple):
    """A table with what belongs to its rows.

    Attributes:
        table: inputs, target and headers.
        sigma: (rows,) standard errors of the target, or None.
        weights: (rows,) weights, or None.
        x_sigma: (rows, n_in) standard errors of the inputs, or None.
        groups: (rows,) labels of experiments, or None.
        header: of the groups.
        kept: (rows,) places in what was brought.
        notes: sentences about what was left out.
    """

    table: _inputs.Table
    sigma: np.ndarray | None
    weights: np.ndarray | None
    x_sigma: np.ndarray | None
    groups: np.ndarray | None
    header: str
    kept: np.ndarray
    notes: tuple[str, ...]


def of(
    x: Any,
    y: Any,
    *,
    names: Sequence[str] | None = None,
    target: str = "y",
    sigma: Any = None,
    weights: Any = None,
    x_sigma: Any = None,
    groups: Any = None,
    missing: str = "raise",
) -> Brought:
    """The table and what belongs to its rows, checked; a text among y, sigma, weights, groups and the errors in x_sigma
    is a column of x.

    Raises:
        TypeError, ValueError: as `_inputs.table`, and where errors or weights are none.
    """
    if missing not in ("raise", "drop"):
        raise ValueError(f'missing must be "raise" or "drop", got {missing!r}.')
    of_inputs = _of_inputs(x_sigma, x)
    rows = {"y": y, "sigma": sigma, "weights": weights, "groups": groups, **of_inputs}
    header = groups if isinstance(groups, str) else getattr(groups, "name", None) or "group"
    if isinstance(y, str) and target == "y":
        target = y
    x, names, rows = _taken(x, names, rows)
    _inputs.check_categories(x)
    count = len(_inputs.shaped(x))
    for name in ("sigma", "weights", "groups", *of_inputs):
        if rows[name] is not None and (np.ndim(rows[name]) != 1 or len(rows[name]) != count):
            raise ValueError(
                f"{name} has shape {np.shape(rows[name])}, expected ({count},): one for each row, or a column's name."
            )
    kept, notes = np.arange(count), ()
    if missing == "drop":
        x, rows, kept, notes = _dropped(x, names, rows)
    named = _inputs.table(x, rows["y"], names=names, target=target)
    errors = _positive("sigma", rows["sigma"], zero=False)
    shares = _positive("weights", rows["weights"], zero=True)
    labels = None if rows["groups"] is None else np.asarray(rows["groups"], object)
    sizes = _errors_of_inputs(named, {name: rows[name] for name in of_inputs}) if of_inputs else None
    found = Brought(named, errors, shares, sizes, labels, str(header), kept, notes)
    return found if shares is None or shares.all() else _without_weight(found)


X_SIGMA = "x_sigma of "
"""Before the name of an input, where its errors are meant."""


def _of_inputs(x_sigma: Any, x: Any) -> dict[str, Any]:
    """Errors by what they are of; a number is one for all rows."""
    if x_sigma is None:
        return {}
    if not isinstance(x_sigma, Mapping) or not x_sigma or not all(isinstance(name, str) for name in x_sigma):
        raise TypeError(
            'x_sigma must be errors by the name of a column, such as {"length": 0.01}, one for all rows, one for each, '
            f"or the name of their column; got {x_sigma!r:.60}."
        )
    count = len(_inputs.shaped(x))
    spread = lambda errors: np.full(count, errors) if np.ndim(errors) == 0 and not isinstance(errors, str) else errors
    return {f"{X_SIGMA}{name}": spread(errors) for name, errors in x_sigma.items()}


def _errors_of_inputs(table: _inputs.Table, errors: dict[str, Any]) -> np.ndarray:
    """(rows, n_in), 0 where none are given."""
    found = np.zeros(table.x.shape)
    for name, values in errors.items():
        column = name.removeprefix(X_SIGMA)
        if column not in table.names:
            raise ValueError(f"x_sigma: there is no input {column!r}; there are {', '.join(map(repr, table.names))}.")
        own = _positive(name, values, zero=True)
        assert own is not None
        found[:, table.names.index(column)] = own
    return found


def _taken(x: Any, names: Sequence[str] | None, rows: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    """Columns of x that are named in place of values, taken out of it."""
    wanted = {name: value for name, value in rows.items() if isinstance(value, str)}
    if not wanted:
        return x, names, rows
    headers = _inputs.headers_of(x)
    known = headers if headers is not None else None if names is None else list(names)
    found = dict(rows)
    for name, column in wanted.items():
        if known is None or column not in known:
            there = "x has no names" if known is None else f"there are {', '.join(map(repr, known[:8]))}"
            raise ValueError(f"{name} is {column!r}, which is no column of x: {there}. Pass its values, or name one.")
        place = known.index(column)
        found[name] = x[column] if headers is not None else _inputs.shaped(x)[:, place]
    left = [place for place, header in enumerate(known or ()) if header not in wanted.values()]
    if headers is not None:
        labels = list(x.columns)
        return x[[labels[place] for place in left]], names, found
    return _inputs.shaped(x)[:, left], tuple((known or ())[place] for place in left), found


def _dropped(x: Any, names: Any, rows: dict[str, Any]) -> tuple[Any, dict[str, Any], np.ndarray, tuple[str, ...]]:
    """Without the rows in which a cell is missing; x as an array that keeps its headers."""
    headers = _inputs.headers_of(x)
    array = _inputs.shaped(x)
    absent: np.ndarray = np.asarray(_absent(array).any(axis=1))
    for values in rows.values():
        if values is not None and len(_inputs.as_array(values, "y")) == len(absent):
            absent |= _absent(_inputs.as_array(values, "y"))
    kept = np.flatnonzero(~absent)
    if not absent.any():
        return x, rows, kept, ()
    places = (np.flatnonzero(absent) + 1).tolist()
    note = f"{len(places)} of {len(absent)} rows left out, since a cell is missing: {listed(places)}"
    part = {name: None if values is None else _inputs.as_array(values, name)[kept] for name, values in rows.items()}
    if headers is not None and names is None:
        return _Frame(array[kept], headers), part, kept, (note,)
    return array[kept], part, kept, (note,)


class _Frame:
    """An array with headers, as a DataFrame has them."""

    def __init__(self, values: np.ndarray, columns: list[str]):
        self.values, self.columns = values, columns

    def to_numpy(self) -> np.ndarray:
        return self.values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.values, dtype)


def _absent(array: np.ndarray) -> np.ndarray:
    """Where a cell is masked, None, NaN or a library's own sign of a missing value."""
    masked = np.ma.getmaskarray(array)
    cells = np.asarray(array)
    if cells.dtype.kind == "f":
        return masked | np.isnan(cells)
    if cells.dtype.kind != "O":
        return masked
    none = lambda cell: (
        cell is None or type(cell).__name__ in ("NAType", "NaTType") or (isinstance(cell, float) and np.isnan(cell))
    )
    return masked | np.asarray(np.frompyfunc(none, 1, 1)(cells), bool)


def _positive(name: str, values: Any, *, zero: bool) -> np.ndarray | None:
    """(rows,) float64, of which none is negative and, but where `zero`, none is 0."""
    if values is None:
        return None
    numbers = _inputs.as_numbers(name, _inputs.as_array(values, name))
    bad = np.flatnonzero((numbers < 0) | ((numbers == 0) & (not zero)))
    if bad.size:
        what = "at least 0" if zero else "a standard error above 0"
        cure = "" if zero else " Of a value that is known exactly give the size of its last digit."
        raise ValueError(f"{name}, row {bad[0] + 1}: {numbers[bad[0]]:g} is not {what}.{cure}")
    if not numbers.any():
        raise ValueError(f"all {name} are zero: there is nothing to fit.")
    return numbers


def listed(rows: Sequence[int]) -> str:
    """Some rows, counted from 1, for people.

    >>> listed([3]), listed([1, 2])
    ('row 3', 'rows 1, 2')
    """
    numbers = ", ".join(map(str, rows[:MOST_LISTED])) + (", ..." if len(rows) > MOST_LISTED else "")
    return f"row{'s' * (len(rows) > 1)} {numbers}"


def _without_weight(brought: Brought) -> Brought:
    """Without the rows of weight 0."""
    assert brought.weights is not None
    kept = np.flatnonzero(brought.weights > 0)
    some = lambda values: None if values is None else values[kept]
    table = brought.table
    checked = _inputs.table(table.x[kept], table.y[kept], names=table.names, target=table.target)
    note = f"{len(brought.weights) - len(kept)} rows left out, since their weight is 0"
    notes = (*brought.notes, note)
    sigma, weights, groups = some(brought.sigma), some(brought.weights), some(brought.groups)
    sizes = some(brought.x_sigma)
    return Brought(checked, sigma, weights, sizes, groups, brought.header, brought.kept[kept], notes)


def row_weights(brought: Brought) -> tuple[np.ndarray | None, float | None]:
    """(rows,) reciprocal errors relative to each other, and where errors are known the deviation that 1 stands for."""
    if brought.sigma is None:
        if brought.weights is None:
            return None, None
        root = np.sqrt(brought.weights)
        return root / np.exp(np.log(root).mean()), None
    if brought.weights is not None:
        raise ValueError("sigma and weights say the same in two ways: pass one of them (weights are 1 / sigma**2).")
    typical = float(np.exp(np.log(brought.sigma).mean()))
    return typical / brought.sigma, typical
