"""A CSV file as columns of numbers, with messages that name the column and the row.

>>> from nalu_jax.cli import _csv
>>> table = _csv.parse(["# a comment", "a,b,name", "1,2,x", "3,4,y"], target="b", inputs=("a",))
>>> table.names, table.x.tolist(), table.y.tolist()
(('a',), [[1.0], [3.0]], [2.0, 4.0])
"""

import csv
import pathlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np


class Columns(NamedTuple):
    """x (n, n_in) and y (n,) float64, the names of the inputs and of the target."""

    names: tuple[str, ...]
    target: str
    x: np.ndarray
    y: np.ndarray


def read(path: str | pathlib.Path, *, target: str, inputs: Sequence[str] | None = None) -> Columns:
    """The columns of a file whose first line has their names; empty lines and lines that begin with # do not count.

    Args:
        path: of the file.
        target: the name of the column to explain.
        inputs: the names of those to explain it with; all others where not given.

    Raises:
        ValueError: the file cannot be read, or `parse` raises.
    """
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ValueError(f"the file cannot be read: {reason}.") from None
    return parse(text.splitlines(), target=target, inputs=inputs)


def parse(lines: Iterable[str], *, target: str, inputs: Sequence[str] | None = None) -> Columns:
    """The columns of the lines of a CSV file.

    Raises:
        ValueError: no such column, the same name twice, a row with too few or too many cells, or a cell that is not a
            number. Rows are counted from 1, below the line of names.
    """
    rows = list(csv.reader(line for line in lines if line.strip() and not line.startswith("#")))
    if not rows:
        raise ValueError("the file has no lines: expected a line of column names, then rows of numbers.")
    header, rows = [name.strip() for name in rows[0]], rows[1:]
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise ValueError(f"column {twice[0]!r} is there twice in the line of names; rename one.")
    names = [name for name in header if name != target] if inputs is None else list(inputs)
    for name in (target, *names):
        if name not in header:
            raise ValueError(f"no column {name!r} in the line of names; there are {', '.join(map(repr, header))}.")
    if target in names:
        raise ValueError(f"column {target!r} is the target, and cannot be an input too.")
    if not names:
        raise ValueError(f"no column besides {target!r} to explain it with.")
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise ValueError(
                f"row {number} has {len(row)} cells, the line of names {len(header)}, from column {header[0]!r} to "
                f"{header[-1]!r}."
            )
    columns = {name: _numbers(name, [row[header.index(name)] for row in rows]) for name in (target, *names)}
    return Columns(tuple(names), target, np.stack([columns[name] for name in names], 1), columns[target])


def _numbers(name: str, cells: Sequence[str]) -> np.ndarray:
    values = np.empty(len(cells))
    for i, cell in enumerate(cells):
        try:
            values[i] = float(cell)
        except ValueError:
            what = f"{cell!r} is not a number" if cell.strip() else "the cell is empty"
            raise ValueError(
                f"column {name!r}, row {i + 1}: {what}. Mend it, or leave the column out (--inputs names those to use)."
            ) from None
    return values
