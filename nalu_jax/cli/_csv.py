"""A CSV file as columns of numbers, with messages that name the column and the row.

Commas, semicolons and tabs between cells are told apart, and so is a decimal comma; row numbers that pandas wrote into
the first column are left out, and said to be.

>>> from nalu_jax.cli import _csv
>>> table = _csv.parse(["# a comment", "a;b;name", "1,5;2;x", "3;4,25;y"], target="b", inputs=("a",))
>>> table.names, table.x.tolist(), table.y.tolist(), table.notes
(('a',), [[1.5], [3.0]], [2.0, 4.25], ('cells are separated by ;', 'decimals are written with a comma'))
"""

import csv
import pathlib
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

SEPARATORS = {",": ",", ";": ";", "\t": "tabs"}

DECIMAL_COMMA = re.compile(r"\s*[+-]?\d*,\d+([eE][+-]?\d+)?\s*")

ROW_NUMBERS = ("", "Unnamed: 0")
"""Headers of the first column of what pandas wrote with its index, and wrote again."""


class Columns(NamedTuple):
    """x (n, n_in) and y (n,) float64, the names of the inputs and of the target; what was left out or recognised."""

    names: tuple[str, ...]
    target: str
    x: np.ndarray
    y: np.ndarray
    notes: tuple[str, ...] = ()


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
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text. Save it as CSV UTF-8"
        raise ValueError(f"the file cannot be read: {reason}.") from None
    return parse(text.splitlines(), target=target, inputs=inputs)


def parse(lines: Iterable[str], *, target: str, inputs: Sequence[str] | None = None) -> Columns:
    """The columns of the lines of a CSV file.

    Raises:
        ValueError: no such column, the same name twice, a row with too few or too many cells, a quotation mark that is
            not closed, or a cell that is not a number. Rows are counted from 1, below the line of names.
    """
    kept = [line for line in lines if line.strip() and not line.startswith("#")]
    if not kept:
        raise ValueError("the file has no lines: expected a line of column names, then rows of numbers.")
    separator = _separator(kept)
    header, rows = _cells(kept, separator)
    header, rows, notes = _without_row_numbers(header, rows, inputs)
    names = _checked_names(header, target, inputs)
    cells = {name: [row[header.index(name)] for row in rows] for name in (target, *names)}
    comma = separator != "," and _decimal_comma(cells.values())
    columns = {name: _numbers(name, column, comma) for name, column in cells.items()}
    if separator != ",":
        notes += (f"cells are separated by {SEPARATORS[separator]}",)
    if comma:
        notes += ("decimals are written with a comma",)
    x = np.stack([columns[name] for name in names], 1)
    return Columns(tuple(names), target, x, columns[target], notes)


def _separator(lines: Sequence[str]) -> str:
    """The one that splits the line of names and the first row into the same number of cells, most of them."""
    sizes = {}
    for separator in SEPARATORS:
        try:
            counts = {len(row) for row in csv.reader(lines[:2], delimiter=separator)}
        except csv.Error:  # a line that this separator does not split is too long for a cell
            counts = set()
        sizes[separator] = counts.pop() if len(counts) == 1 else 0
    best = max(sizes, key=lambda separator: (sizes[separator], separator == ";"))
    if sizes[best] > 1:
        return best
    return max(SEPARATORS, key=lines[0].count)


def _cells(lines: Sequence[str], separator: str) -> tuple[list[str], list[list[str]]]:
    """The names, and the rows, all of the same number of cells."""
    rows: list[list[str]] = []
    try:
        for row in csv.reader(lines, delimiter=separator, strict=True):
            rows.append(row)
    except csv.Error:
        where = f"row {len(rows)}" if rows else "the line of names"
        raise ValueError(f"{where}: a quotation mark is not closed, or stands within a cell. Mend it.") from None
    header = [name.strip() for name in rows[0]]
    for number, row in enumerate(rows[1:], 1):
        if len(row) != len(header):
            raise ValueError(
                f"row {number} has {len(row)} cells, the line of names {len(header)}, from column {header[0]!r} to "
                f"{header[-1]!r}."
            )
    return header, rows[1:]


def _without_row_numbers(
    header: list[str], rows: list[list[str]], inputs: Sequence[str] | None
) -> tuple[list[str], list[list[str]], tuple[str, ...]]:
    """Without columns that are no data: row numbers of pandas in front, empty cells at the end."""
    notes: tuple[str, ...] = ()
    while len(header) > 1 and not header[-1] and not any(row[-1].strip() for row in rows):
        header, rows = header[:-1], [row[:-1] for row in rows]
    asked_for = inputs is not None and header[0] in inputs
    if len(header) > 1 and header[0] in ROW_NUMBERS and not asked_for:
        name = f"named {header[0]!r}" if header[0] else "without a name"
        notes = (f"the first column, {name}, was taken for row numbers as pandas writes them, and left out",)
        header, rows = header[1:], [row[1:] for row in rows]
    return header, rows, notes


def _checked_names(header: list[str], target: str, inputs: Sequence[str] | None) -> list[str]:
    """The names of the inputs."""
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise ValueError(f"column {twice[0]!r} is there twice in the line of names; rename one.")
    names = [name for name in header if name != target] if inputs is None else list(inputs)
    for name in (target, *names):
        if name not in header:
            raise ValueError(f"no column {name!r} in the line of names; there are {', '.join(map(repr, header))}.")
    if target in names:
        raise ValueError(f"column {target!r} is the target, and cannot be an input too.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"--inputs has the column {twice[0]!r} twice; name it once.")
    if not names:
        raise ValueError(f"no column besides {target!r} to explain it with.")
    return names


def _decimal_comma(columns: Iterable[Sequence[str]]) -> bool:
    """Whether some cell has a comma where a decimal point would stand, and none a point."""
    cells = [cell for column in columns for cell in column if "," in cell or "." in cell]
    return bool(cells) and all(DECIMAL_COMMA.fullmatch(cell) for cell in cells)


def _numbers(name: str, cells: Sequence[str], decimal_comma: bool) -> np.ndarray:
    values = np.empty(len(cells))
    for i, cell in enumerate(cells):
        try:
            if "_" in cell:  # Python's own, of no table
                raise ValueError
            values[i] = float(cell.replace(",", ".") if decimal_comma else cell)
        except ValueError:
            what = f"{cell[:40]!r} is not a number" if cell.strip() else "the cell is empty"
            raise ValueError(
                f"column {name!r}, row {i + 1}: {what}. Mend it, or leave the column out (--inputs names those to use)."
            ) from None
    return values
