"""What a table must be before anything is fitted. Every message names the column, and the row where there is one.

>>> import numpy as np
>>> from nalu_jax.discover import _table_checks
>>> _table_checks.check_column("mass", np.array([1.0, np.nan, 2.0]))
Traceback (most recent call last):
    ...
ValueError: column 'mass', row 2: nan is not a finite number. Drop the row, or mend it.
"""

from collections.abc import Sequence

import numpy as np

DOMAINS = ("real", "positive")
ERRORS = ("absolute", "relative")


def check_column(name: str, values: np.ndarray, *, positive: bool = False) -> None:
    """Raise a ValueError unless values (n,) are finite, not all the same, and positive where that is asked for."""
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise ValueError(
            f"column {name!r}, row {bad[0] + 1}: {values[bad[0]]:g} is not a finite number. Drop the row, or mend it."
        )
    bad = np.flatnonzero(values <= 0) if positive else bad
    if bad.size:
        raise ValueError(
            f"column {name!r}, row {bad[0] + 1}: {values[bad[0]]:g} is not positive, but the domain is. "
            "Leave out the domain, or the row."
        )
    if values.size and (values == values[0]).all():
        raise ValueError(
            f"column {name!r} is constant, {values[0]:g} in all {values.size} rows from row 1: it says nothing about "
            "the others. Leave it out."
        )


def check_table(x: np.ndarray, y: np.ndarray, names: Sequence[str], target: str, domain: str) -> None:
    """Raise a ValueError unless x (n, n_in) and y (n,) are a table that has something to say."""
    if domain not in DOMAINS:
        raise ValueError(f"domain must be one of {DOMAINS}, got {domain!r}.")
    if x.ndim != 2 or y.shape != x.shape[:1]:
        raise ValueError(f"expected x (rows, inputs) and y (rows,), got shapes {x.shape} and {y.shape}.")
    if len(names) != x.shape[1]:
        raise ValueError(f"{len(names)} names {list(names)} for {x.shape[1]} inputs; give one for each.")
    for name, values in zip(names, x.T, strict=True):
        check_column(name, values, positive=domain == "positive")
    check_column(target, y)


def powers_for(rows: int, n_in: int, powers: int | None, target: str) -> int:
    """How many products of powers to try: as many as the rows allow and at most 4, or as many as asked for.

    Raises:
        ValueError: fewer rows than parameters.
    """
    each = n_in + 1
    wanted = max(1, min(4, rows // (2 * each))) if powers is None else powers
    if wanted < 1:
        raise ValueError(f"powers must be at least 1, got {powers}.")
    if rows < wanted * each:
        cure = "Ask for fewer powers, leave out inputs" if wanted > 1 else "Leave out inputs"
        raise ValueError(
            f"column {target!r} ends at row {rows}, fewer rows to train on than the {wanted * each} parameters of "
            f"{wanted} product{'s' if wanted > 1 else ''} of {n_in} powers. {cure}, or bring more rows."
        )
    return wanted


def error_scale(y: np.ndarray, target: str, domain: str, error: str | None) -> str:
    """Either "absolute" or "relative": what was asked for, or what suits the domain.

    Raises:
        ValueError: neither of them, or relative errors with a y of 0.
    """
    if error is None:
        return "relative" if domain == "positive" and (y > 0).all() else "absolute"
    if error not in ERRORS:
        raise ValueError(f"error must be one of {ERRORS}, got {error!r}.")
    zeros = np.flatnonzero(y == 0)
    if error == "relative" and zeros.size:
        raise ValueError(
            f"column {target!r}, row {zeros[0] + 1}: 0 has no relative error. Take absolute errors, or drop the row."
        )
    return error
