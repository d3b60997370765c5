"""A formula whose numbers differ by experiment: which label a row has, the formula of one of them, predictions.

>>> import numpy as np
>>> from nalu_jax.discover import _groups
>>> _groups.labelled(np.array([1.0, 2.0, 1.0, 2.0])).labels, _groups.labelled(["b", "a", "b", "a"]).codes.tolist()
(('1', '2'), [0, 1, 0, 1])
"""

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import _inputs, _values

if TYPE_CHECKING:
    from ._formula import Formula, Number


class Labelled(NamedTuple):
    """Labels of groups as text, in the order in which they come, and the place of every row's among them (rows,)."""

    labels: tuple[str, ...]
    codes: np.ndarray


def labelled(values: Any) -> Labelled:
    """The groups of rows.

    Raises:
        ValueError: a cell is missing, all rows are of one group, or a group has one row.
    """
    found = texts(values)
    labels = tuple(dict.fromkeys(found))
    codes = np.array([labels.index(label) for label in found], int)
    if len(labels) < 2:
        raise ValueError(f"groups: all rows are of one, {found[0]!r}. Leave groups out.")
    sizes = np.bincount(codes)
    alone = [label for label, size in zip(labels, sizes, strict=True) if size == 1]
    if alone:
        row = found.index(alone[0]) + 1
        many = f" ({len(alone)} groups have one)" if len(alone) > 1 else ""
        raise ValueError(
            f"groups: {alone[0]!r} has one row, row {row}{many}: a number of its own cannot be told from noise. Drop "
            "the row, or give it the label of the group that it belongs to. A column of measurements is no column of "
            "groups."
        )
    return Labelled(labels, codes)


def texts(values: Any) -> list[str]:
    """Labels as text: 2 and 2.0 are the same one."""
    cells = np.asarray(values, object)
    found = []
    for row, cell in enumerate(cells.tolist(), 1):
        if cell is None or type(cell).__name__ in ("NAType", "NaTType") or cell != cell:
            raise ValueError(f"groups, row {row}: the label is missing. Fill it, or drop the row.")
        whole = isinstance(cell, float | np.floating) and float(cell).is_integer()
        found.append(str(int(cell)) if whole else str(cell))
    return found


def place_of(formula: "Formula", label: Any) -> int:
    """The place of a label.

    Raises:
        ValueError: there is no such group.
    """
    assert formula.groups is not None
    text, labels = texts([label])[0], formula.groups.labels
    if text not in labels:
        shown = ", ".join(map(repr, labels[:8])) + (f" and {len(labels) - 8} more" if len(labels) > 8 else "")
        raise ValueError(f"there is no group {text!r} of {formula.groups.header!r}; there are {shown}.")
    return labels.index(text)


def of(formula: "Formula", label: Any) -> "Formula":
    """The formula of one group."""
    if formula.groups is None:
        return formula
    place = place_of(formula, label)
    one = lambda number: number.by_group[place] if number.by_group else number
    covariance = formula.groups.covariances[place] if formula.groups.covariances else None
    return dataclasses.replace(formula, terms=_with(formula, one), covariance=covariance, groups=None)


def _with(formula: "Formula", change: Any) -> tuple[Any, ...]:
    """The terms with other numbers."""

    def changed(number: "Number") -> "Number":
        return change(number)

    return tuple(
        dataclasses.replace(
            term,
            coefficient=changed(term.coefficient),
            factors=tuple(dataclasses.replace(each, exponent=changed(each.exponent)) for each in term.factors),
        )
        for term in formula.terms
    )


def rows_of(formula: "Formula", x: Any, groups: Any) -> tuple[np.ndarray, list[str]]:
    """Inputs (rows, n_in) and the label of every row.

    Raises:
        TypeError, ValueError: as `Formula.predict`.
    """
    assert formula.groups is not None
    header = formula.groups.header
    headers = _inputs.headers_of(x)
    if groups is None and headers is not None and header in headers:
        groups = header
    if groups is None:
        raise ValueError(
            f"predict: numbers of the formula differ by {header!r}: pass groups=, the label of every row, or take the "
            "formula of one, of_group(label)."
        )
    if isinstance(groups, str) and headers is not None and groups in headers:
        groups = x[groups]
    rows = _inputs.rows(x, formula.names)
    if np.ndim(groups) == 0:
        return rows, texts([groups]) * len(rows)
    found = texts(groups)
    if len(found) != len(rows):
        raise ValueError(f"predict: groups has {len(found)} labels for {len(rows)} rows: expected one for each.")
    return rows, found


def predicted(formula: "Formula", x: Any, groups: Any) -> np.ndarray:
    """Values (rows,), of every row with the numbers of its group."""
    if formula.groups is None:
        return _values.of(formula, _inputs.rows(x, formula.names))
    rows, labels = rows_of(formula, x, groups)
    found = np.empty(len(rows))
    for label in dict.fromkeys(labels):
        own = np.array([each == label for each in labels])
        found[own] = _values.of(of(formula, label), rows[own])
    return found


def predicted_of_codes(formula: "Formula", x: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Values (rows,) of x (rows, n_in), of every row with the numbers of the group at its place."""
    if formula.groups is None:
        return _values.of(formula, x)
    found = np.empty(len(x))
    for place, label in enumerate(formula.groups.labels):
        found[codes == place] = _values.of(of(formula, label), x[codes == place])
    return found
