"""What people bring as a table, as arrays of float64; and one line for what is none, before anything is searched.

Nothing is dropped in silence: masks, imaginary parts, text and missing cells are refused by column and row.

>>> import numpy as np
>>> from nalu_jax.discover import _inputs
>>> table = _inputs.table([[1, 2.0], [3, 5], [5, 6], [7, 9]], [1, 2, 4, 8], names=("m", "r"))
>>> table.names, table.x.dtype, table.target
(('m', 'r'), dtype('float64'), 'y')
>>> _inputs.table([[1.0], [np.nan], [2.0], [3.0]], [1, 2, 3, 4], names=["mass"])
Traceback (most recent call last):
    ...
ValueError: column 'mass', row 2: nan is not a finite number. Drop such rows (table: missing="drop"), or mend it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

FEWEST_ROWS = 4
"""One coefficient takes one row, and its error and that of an exponent two more: below it nothing can be judged."""

STANDARDISED = 1e-6
"""Up to which mean and standard deviation of a column are those of one that was standardised, 0 and 1."""

DROP = "Drop the row, or mend it."
DROP_ALL = 'Drop such rows (table: missing="drop"), or mend it.'


class Table(NamedTuple):
    """x (rows, n_in) and y (rows,) float64 and finite; headers of the inputs, that of the target; where rows do not
    weigh the same, reciprocal errors (rows,)."""

    x: np.ndarray
    y: np.ndarray
    names: tuple[str, ...]
    target: str
    row_weights: np.ndarray | None = None


def table(x: Any, y: Any, *, names: Sequence[str] | None = None, target: str = "y") -> Table:
    """The table, checked.

    Args:
        x: (rows, n_in) array or nested sequence, or a DataFrame of pandas or polars, which brings its names.
        y: (rows,); a Series brings its name where `target` is "y".
        names: headers of the inputs; x0, x1, ... where there are none.
        target: header of y.

    Raises:
        TypeError: names that are not text; complex numbers, text, dates.
        ValueError: shapes that do not fit, headers twice, masked, missing or infinite cells, a constant target, too few
            rows. The message has column and row and the cure.
    """
    _check_labels(x, y)
    headers = headers_of(x)
    if headers is not None and names is not None:
        raise ValueError(f"x brings names of its own, {_some(headers)}: leave out names=, or rename the columns of x.")
    target = _name_of(y) or target if target == "y" else target
    array, values = shaped(x), _vector(y)
    if array.shape[1] == 0:
        raise ValueError("x has no columns: expected at least one input.")
    if len(values) != len(array):
        raise ValueError(f"x has {len(array)} rows and y {len(values)}: expected one value of y for each row of x.")
    names = _checked_names(names, headers, array.shape[1], target)
    if len(values) < FEWEST_ROWS:
        raise ValueError(
            f"column {target!r} ends at row {len(values)}: expected at least {FEWEST_ROWS} rows. Bring more rows."
        )
    inputs = np.stack([as_numbers(name, column) for name, column in zip(names, array.T, strict=True)], axis=1)
    outputs = as_numbers(target, values)
    if (outputs == outputs[0]).all():
        raise ValueError(
            f"column {target!r} is constant, {outputs[0]:g} in all {len(outputs)} rows: there is nothing to explain. "
            "Name another target, or bring rows in which it varies."
        )
    if (inputs == inputs[0]).all():
        raise ValueError(f"column {names[0]!r} is constant, and so is every other input: none can explain {target!r}.")
    return Table(inputs, outputs, names, target)


def rows(x: Any, names: Sequence[str]) -> np.ndarray:
    """(rows, n_in) float64 of what a formula is to predict; of a DataFrame the columns with the names, in their order.

    Raises:
        TypeError, ValueError: as `table`; a DataFrame without one of the columns. NaN and infinities are let through.
    """
    headers = headers_of(x)
    if headers is not None:
        missing = [name for name in names if name not in headers]
        if missing:
            raise ValueError(
                f"predict: x has no column {missing[0]!r}; it has {_some(headers)}, the formula was found for "
                f"{_some(names)}. Rename its columns, or pass x.to_numpy() with columns in that order."
            )
        twice = [name for name in names if headers.count(name) > 1]
        if twice:
            raise ValueError(f"predict: column {twice[0]!r} is there twice in x. Keep one of them.")
        array = shaped(x)[:, [headers.index(name) for name in names]]
    else:
        array = shaped(x, caller="predict: ", inputs=len(names))
    if array.shape[1] != len(names):
        raise ValueError(f"predict: x has {array.shape[1]} columns, expected {len(names)}: {_some(names)}.")
    columns = [as_numbers(name, column, finite=False) for name, column in zip(names, array.T, strict=True)]
    return np.stack(columns, axis=1)


def standardised(x: np.ndarray) -> bool:
    """Whether all columns that vary have mean 0 and standard deviation 1."""
    with np.errstate(over="ignore", invalid="ignore"):
        spread = x.std(axis=0)
        varies = spread > 0
        done = (np.abs(x.mean(axis=0)) < STANDARDISED) & (np.abs(spread - 1) < STANDARDISED)
    return bool(varies.any() and done[varies].all())


def headers_of(x: Any) -> list[str] | None:
    """Column names of a DataFrame of any library; None of an array."""
    columns = getattr(x, "columns", None)
    if columns is None or not hasattr(x, "to_numpy"):
        return None
    return [name if isinstance(name, str) else str(name) for name in columns]


def check_categories(x: Any) -> None:
    """Raise where a column of a DataFrame is one of categories."""
    kinds = getattr(x, "dtypes", None)
    if headers_of(x) is None or kinds is None:
        return
    for name, kind in zip(headers_of(x) or (), kinds, strict=True):
        if str(kind).split("(")[0].lower() in ("category", "categorical", "enum"):
            raise TypeError(
                f"column {name!r} has categories, expected numbers. Leave it out, or where every category is an "
                f"experiment with numbers of its own, say groups={name!r}."
            )


def _name_of(y: Any) -> str | None:
    name = getattr(y, "name", None)
    return name if isinstance(name, str) and hasattr(y, "to_numpy") and name else None


def _check_labels(x: Any, y: Any) -> None:
    """Rows of two pandas objects belong together by their labels, not by their places."""
    first: Any = getattr(x, "index", None)
    second: Any = getattr(y, "index", None)
    if not hasattr(first, "equals") or not hasattr(second, "equals") or len(first) != len(second):
        return
    if not first.equals(second):
        raise ValueError(
            "the rows of x and y have different labels: row by row they do not belong together. "
            "Take both from one DataFrame, or pass y.to_numpy() where they are in the same order."
        )


def shaped(x: Any, *, caller: str = "", inputs: int | None = None) -> np.ndarray:
    """x with two axes, cells as they are."""
    array = as_array(x, f"{caller}x")
    if array.ndim == 2:
        return array
    if array.ndim == 1 and inputs == len(array) > 1:
        cure = "Of a single row pass x[None, :]."
    else:
        cure = "Of a single input pass x[:, None]." if array.ndim == 1 else "Lay the rows out below each other."
    raise ValueError(f"{caller}x has shape {array.shape}, expected (rows, inputs). {cure}")


def _vector(y: Any) -> np.ndarray:
    array = as_array(y, "y")
    if array.ndim == 1:
        return array
    cure = " Pass y[:, 0], or each column in a call of its own." if array.ndim == 2 else ""
    raise ValueError(f"y has shape {array.shape}, expected (rows,).{cure}")


def as_array(values: Any, what: str) -> np.ndarray:
    if hasattr(values, "toarray") or hasattr(values, "todense"):
        raise TypeError(f"{what} is a sparse matrix, which has no cells: pass {what.split()[-1]}.toarray().")
    if isinstance(values, list | tuple) and any(isinstance(part, np.ma.MaskedArray) for part in values):
        raise TypeError(f"{what} is a list of masked arrays: stack them by np.ma.stack, which keeps their masks.")
    if isinstance(values, np.ma.MaskedArray):
        return values
    try:
        return np.asarray(values)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{what} is no table: its rows have different lengths, or it has no numbers.") from error


def _checked_names(names: Any, headers: list[str] | None, n_in: int, target: Any) -> tuple[str, ...]:
    if names is None:
        names = headers if headers is not None else [f"x{i}" for i in range(n_in)]
    if isinstance(names, str) or not isinstance(target, str) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"names must be a sequence of texts and target a text, got {names!r} and {target!r}.")
    names = tuple(names)
    if len(names) != n_in:
        raise ValueError(f"{len(names)} names {_some(names)} for {n_in} inputs; give one for each.")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"column {twice[0]!r} is there twice: every input needs a name of its own. Rename one.")
    if target in names:
        raise ValueError(
            f"column {target!r} is the target and an input: give the target another name, target=..., or leave "
            "the input out."
        )
    return names


def as_numbers(name: str, values: np.ndarray, *, finite: bool = True) -> np.ndarray:
    """(rows,) float64 of a column, finite where asked for."""
    masked = np.flatnonzero(np.ma.getmaskarray(values))
    if masked.size:
        raise ValueError(
            f"column {name!r}, row {masked[0] + 1}: the cell is masked. Drop the row, or fill it: what is below a "
            "mask is no measurement."
        )
    values = np.asarray(values)
    if values.dtype.kind in "cmM":
        what, cure = {
            "c": ("complex numbers", "Pass real and imaginary parts, or absolute values, as columns"),
            "m": ("durations", "Pass them as numbers, for example of seconds"),
            "M": ("dates", "Pass the time since the first one as a number"),
        }[values.dtype.kind]
        raise TypeError(f"column {name!r}, row 1: {values[0]} is one of {what}, expected real numbers. {cure}.")
    if values.dtype.kind in "OSU":
        numbers = np.array([_number(name, row, cell, finite) for row, cell in enumerate(values, 1)], float)
    else:
        with np.errstate(over="ignore"):
            numbers = values.astype(float)
    bad = np.flatnonzero(~np.isfinite(numbers)) if finite else np.array([], int)
    if bad.size:
        cure = DROP_ALL if np.isnan(numbers[bad[0]]) else DROP
        raise ValueError(f"column {name!r}, row {bad[0] + 1}: {values[bad[0]]} is not a finite number. {cure}")
    return numbers


def _number(name: str, row: int, cell: Any, finite: bool) -> float:
    """A cell of a column of anything."""
    where = f"column {name!r}, row {row}:"
    if isinstance(cell, str | bytes):
        raise TypeError(f"{where} {_short(cell)} is text, expected a number. Convert it, or leave the column out.")
    if isinstance(cell, complex | np.complexfloating):
        raise TypeError(f"{where} {cell} is complex, expected a real number. Pass real and imaginary parts as columns.")
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        if finite:
            raise ValueError(f"{where} the cell is missing. {DROP_ALL}")
        return np.nan
    try:
        return float(cell)
    except OverflowError:
        raise ValueError(f"{where} {_short(cell)} is beyond the range of float64. {DROP}") from None
    except (TypeError, ValueError):
        cure = " Pass magnitudes, in the units of the table." if type(cell).__name__ == "Quantity" else ""
        raise TypeError(f"{where} {_short(cell)} is no number but of type {type(cell).__name__}.{cure}") from None


def _short(cell: Any) -> str:
    text = repr(str(cell) if isinstance(cell, str) else cell)
    return text if len(text) <= 40 else text[:37] + "..."


def _some(names: Sequence[str]) -> str:
    shown = [repr(name) for name in names[:8]]
    return ", ".join(shown) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
