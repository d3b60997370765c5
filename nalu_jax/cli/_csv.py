"""A CSV file as columns of numbers, with messages that name the column and the row.

Commas, semicolons, tabs and spaces between cells are told apart, and so is a decimal comma; row numbers that pandas
wrote into the first column are left out, and said to be. Spreadsheets (.xlsx) are read where pandas can.

>>> from nalu_jax.cli import _csv
>>> table = _csv.parse(["# a comment", "a;b;name", "1,5;2;x", "3;4,25;y"], target="b", inputs=("a",))
>>> table.names, table.x.tolist(), table.y.tolist(), table.notes
(('a',), [[1.5], [3.0]], [2.0, 4.25], ('cells are separated by ;', 'decimals are written with a comma'))
"""

import csv
import pathlib
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

SEPARATORS = {",": ",", ";": ";", "\t": "tabs"}

SPACES = " "
"""Where none of these separates cells: as many spaces as there are."""

STANDARD_INPUT = "-"

SPREADSHEETS = (".xlsx", ".xls", ".ods")

MISSING = ("", "na", "n/a", "nan", "null", "none", "-", "?")
"""Cells, in small letters, in which nothing was measured."""

DECIMAL_COMMA = re.compile(r"\s*[+-]?\d*,\d+([eE][+-]?\d+)?\s*")

ROW_NUMBERS = ("", "Unnamed: 0")
"""Headers of the first column of what pandas wrote with its index, and wrote again."""


class Columns(NamedTuple):
    """x (n, n_in) and y (n,) float64, the names of the inputs and of the target; what was left out or recognised; other
    columns that were asked for (n,), by name: of numbers where they all are, else of text."""

    names: tuple[str, ...]
    target: str
    x: np.ndarray
    y: np.ndarray
    notes: tuple[str, ...] = ()
    beside: Mapping[str, np.ndarray] = MappingProxyType({})


def read(
    path: str | pathlib.Path,
    *,
    target: str,
    inputs: Sequence[str] | None = None,
    beside: Sequence[str] = (),
    drop: bool = False,
) -> Columns:
    """The columns of a file whose first line has their names; empty lines and lines that begin with # do not count.

    Args:
        path: of the file, or "-" for standard input.
        target: the name of the column to explain.
        inputs: the names of those to explain it with; all others where not given.
        beside: the names of columns that belong to the rows, such as errors.
        drop: whether to leave rows out in which a cell is missing.

    Raises:
        ValueError: the file cannot be read, or `parse` raises.
    """
    if pathlib.Path(path).suffix.lower() in SPREADSHEETS:
        header, rows = _spreadsheet(pathlib.Path(path))
        return _columns(header, rows, ",", target=target, inputs=inputs, beside=beside, drop=drop)
    try:
        if str(path) == STANDARD_INPUT:
            text = sys.stdin.read().removeprefix("\ufeff")
        else:
            text = pathlib.Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text. Save it as CSV UTF-8"
        raise ValueError(f"the file cannot be read: {reason}.") from None
    return parse(text.splitlines(), target=target, inputs=inputs, beside=beside, drop=drop)


def _spreadsheet(path: pathlib.Path) -> tuple[list[str], list[list[str]]]:
    """The names and the rows of the first sheet, cells as text."""
    try:
        import pandas

        sheet = pandas.read_excel(path, header=None, dtype=object)
    except ImportError as error:
        raise ValueError(
            f"spreadsheets need pandas and its reader ({error}). Install them, or save it as CSV."
        ) from None
    except OSError as error:
        raise ValueError(f"the file cannot be read: {error.strerror}.") from None
    except Exception as error:  # of the reader, of which every format has another
        raise ValueError(f"the file is no spreadsheet that can be read: {error}. Save it as CSV.") from None
    cell = lambda value: "" if value is None or value != value else str(value)
    rows = [[cell(value) for value in row] for row in sheet.itertuples(index=False)]
    rows = [row for row in rows if any(row)]
    if not rows:
        raise ValueError("the first sheet is empty: expected a row of column names, then rows of numbers.")
    return [name.strip() for name in rows[0]], rows[1:]


def parse(
    lines: Iterable[str],
    *,
    target: str,
    inputs: Sequence[str] | None = None,
    beside: Sequence[str] = (),
    drop: bool = False,
) -> Columns:
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
    return _columns(header, rows, separator, target=target, inputs=inputs, beside=beside, drop=drop)


def _columns(
    header: list[str],
    rows: list[list[str]],
    separator: str,
    *,
    target: str,
    inputs: Sequence[str] | None,
    beside: Sequence[str],
    drop: bool,
) -> Columns:
    header, rows, notes = _without_row_numbers(header, rows, inputs)
    names = _checked_names(header, target, inputs, beside)
    used = (target, *names, *beside)
    cells = {name: [row[header.index(name)] for row in rows] for name in used}
    numbers = range(1, len(rows) + 1)
    if drop:
        numbers, cells, dropped = _without_missing(cells, len(rows))
        notes += dropped
    comma = separator != "," and _decimal_comma(cells[name] for name in (target, *names))
    columns = {name: _numbers(name, cells[name], comma, numbers) for name in (target, *names)}
    if separator != ",":
        notes += (f"cells are separated by {SEPARATORS.get(separator, 'spaces')}",)
    if comma:
        notes += ("decimals are written with a comma",)
    x = np.stack([columns[name] for name in names], 1)
    others = {name: _numbers_or_text(name, cells[name], comma, numbers) for name in beside}
    return Columns(tuple(names), target, x, columns[target], notes, MappingProxyType(others))


def _without_missing(
    cells: Mapping[str, Sequence[str]], count: int
) -> tuple[Sequence[int], dict[str, list[str]], tuple[str, ...]]:
    """Numbers and cells of the rows that have all of them, and a note of those that have not."""
    kept = [i for i in range(count) if all(column[i].strip().lower() not in MISSING for column in cells.values())]
    left = {name: [column[i] for i in kept] for name, column in cells.items()}
    gone = count - len(kept)
    note = f"{gone} of {count} rows left out, since a cell is missing"
    return [i + 1 for i in kept], left, (note,) if gone else ()


def _numbers_or_text(name: str, cells: Sequence[str], comma: bool, numbers: Sequence[int]) -> np.ndarray:
    try:
        return _numbers(name, cells, comma, numbers)
    except ValueError:
        return np.array([cell.strip() for cell in cells])


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
    spaced = {len(line.split()) for line in lines[:2]}
    if len(lines) > 1 and spaced == {max(spaced)} and max(spaced) > 1 and not any(map(lines[0].count, SEPARATORS)):
        return SPACES
    return max(SEPARATORS, key=lines[0].count)


def _cells(lines: Sequence[str], separator: str) -> tuple[list[str], list[list[str]]]:
    """The names, and the rows, all of the same number of cells."""
    rows: list[list[str]] = []
    try:
        for row in (
            map(str.split, lines) if separator == SPACES else csv.reader(lines, delimiter=separator, strict=True)
        ):
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


def _checked_names(header: list[str], target: str, inputs: Sequence[str] | None, beside: Sequence[str]) -> list[str]:
    """The names of the inputs."""
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise ValueError(f"column {twice[0]!r} is there twice in the line of names; rename one.")
    names = [name for name in header if name not in (target, *beside)] if inputs is None else list(inputs)
    for name in (target, *names, *beside):
        if name not in header:
            meant = [each for each in header if each.startswith(f"{name} [")]
            cure = f" Did you mean {meant[0]!r}?" if meant else ""
            raise ValueError(
                f"no column {name!r} in the line of names; there are {', '.join(map(repr, header))}.{cure}"
            )
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


def _numbers(name: str, cells: Sequence[str], decimal_comma: bool, numbers: Sequence[int]) -> np.ndarray:
    values = np.empty(len(cells))
    for i, cell in enumerate(cells):
        try:
            if "_" in cell:  # Python's own, of no table
                raise ValueError
            values[i] = float(cell.replace(",", ".") if decimal_comma else cell)
        except ValueError:
            what = f"{cell[:40]!r} is not a number" if cell.strip() else "the cell is empty"
            raise ValueError(
                f"column {name!r}, row {numbers[i]}: {what}. Mend it, or leave the column out (--inputs names those to "
                "use)."
            ) from None
    return values
