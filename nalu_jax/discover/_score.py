"""How good a formula is on a table: errors, and what the data say against it.

>>> import numpy as np
>>> from nalu_jax.discover import score
>>> x = np.random.default_rng(0).uniform(1.0, 2.0, (40, 2))
>>> print(score("m*v**2/2", x, x[:, 0] * x[:, 1] ** 2 / 2, names=("m", "v")))
40 rows: rms 0, R^2 1.000000; it explains the data to rounding
"""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _arguments
from . import _brought, _inputs, _known, _names
from ._engine import settings
from ._engine.candidate import Noise
from ._engine.misfit import kurtosis, lack_of_fit

if TYPE_CHECKING:
    from ._found import Found

EXCESS = 2.0
"""Residuals by their errors above which, or below whose reciprocal, sigma does not fit. By hand."""

BIASED = 4.0
"""Standard errors of the mean from which residuals are said to lie to one side: once in 16,000 tables by chance."""


WIDE = 10.0
"""Largest by smallest value of a positive input above which what is left is looked for along its logarithm. By hand."""


@dataclasses.dataclass(frozen=True)
class Score:
    """A formula on a table.

    Attributes:
        rows: of the table.
        rms: root mean square of the residuals, in the target's unit; infinite where some row has no value.
        largest_relative: largest |residual| in proportion to the row's target; NaN where a target is 0.
        r2: share of the target's variance that is explained, as scikit-learn has it.
        factor: by which all values are to be multiplied to fit best, with its standard error; 1 where nothing is wrong
            with units and constants.
        factor_error: of it.
        misfit: nats by which a smooth function of the inputs explains what is left.
        against: what the data say against the formula, a sentence each; none where they say nothing.
        noise: how residuals were weighed: "absolute", alike in all rows; "relative", in proportion to the formula's
            value; or "known", by the errors of rows.
        deviation: root mean square of the weighed residuals: in the target's unit, as a part of the value, or in
            standard errors of rows.
    """

    rows: int
    rms: float
    largest_relative: float
    r2: float
    factor: float
    factor_error: float
    misfit: float
    against: tuple[str, ...]
    noise: str = "absolute"
    deviation: float = float("nan")

    def __str__(self) -> str:
        exact = "it explains the data to rounding" if self.r2 > 1 - 1e-15 else "the data say nothing against it"
        size = {"relative": f" ({100 * self.deviation:.2g} % of the value)", "known": f" ({self.deviation:.2g} sigma)"}
        return (
            f"{self.rows} rows: rms {self.rms:.3g}{size.get(self.noise, '')}, R^2 {self.r2:.6f}; "
            f"{'; '.join(self.against) or exact}"
        )


@_arguments.checked(
    "discover.score",
    names=_arguments.optional(_arguments.inputs()),
    target=_arguments.instance("a text", "Pass the name of y.", str),
)
def score(
    formula: "str | Found",
    x: Any,
    y: Any,
    *,
    sigma: Any = None,
    names: Sequence[str] | None = None,
    target: str = "y",
) -> Score:
    """How good a formula is on a table, whoever wrote it.

    Residuals are weighed by the errors of rows where these are given; else as noise that is alike in all rows or in
    proportion to the formula's value, whichever makes them more probable (of a result: as it was found).

    Args:
        formula: text of numbers, the names of the columns (or the symbols that stand for them), + - * / ** ( ) and
            elementary functions; or a result.
        x: (rows, n_in) numbers, or a DataFrame, whose columns then are the names.
        y: (rows,) numbers, or the name of a column of x.
        sigma: (rows,) standard errors of y, or the name of a column of x.
        names: of the columns of x; x0, x1, ... where not given.
        target: the name of y.

    Raises:
        TypeError, ValueError: the formula cannot be read, or the table is none.

    >>> import numpy as np
    >>> t = np.linspace(1.0, 2.0, 40)
    >>> noise = 0.05 * np.random.default_rng(0).normal(size=40)
    >>> print(score("3*t**2", t[:, None], 3 * t**2 + noise, names=["t"], sigma=np.full(40, 0.05)))
    40 rows: rms 0.0395 (0.79 sigma), R^2 0.999783; the data say nothing against it
    >>> score("3*t", t[:, None], 3 * t**2 + noise, names=["t"]).against[0]
    'the residuals still follow the inputs: a smooth function explains 142 nats of them'
    """
    if isinstance(formula, str):
        brought = _brought.of(x, y, names=names, target=target, sigma=sigma)
        data = brought.table
        part = _known.read(formula, data.names, _names.symbols(data.names))
        if part.constants:
            raise ValueError(
                f"score: {formula!r} has {part.constants[0]!r}, which is no column; there are "
                f"{', '.join(map(repr, data.names))}. Give its value, or let discover.table fit it: known=."
            )
        return of_values(_known.values(part, data.x, np.zeros(0)), data.x, data.y, sigma=brought.sigma)
    if not hasattr(formula, "predict") or not hasattr(formula, "names"):
        raise TypeError(f"discover.score: formula must be text or a result of discover.table, got {formula!r:.60}.")
    return of_result(formula, x, y, None, sigma=sigma)


def of_result(found: "Found", x: Any, y: Any, groups: Any, *, sigma: Any = None) -> Score:
    """The score of a result on a table, whose rows are of these groups."""
    headers = _inputs.headers_of(x)
    columns = {"y": y, "sigma": sigma}
    for name, values in columns.items():
        if not isinstance(values, str):
            continue
        if headers is None or values not in headers:
            raise ValueError(f"score: {name} is {values!r}, which is no column of x. Pass its values, or name one.")
        columns[name] = x[values]
    rows = _inputs.rows(x, found.names)
    data = _brought.of(rows, columns["y"], names=found.names, target=found.target, sigma=columns["sigma"])
    table = data.table
    return of_values(found.predict(x, groups=groups), table.x, table.y, noise=found.noise, sigma=data.sigma)


def of_values(
    values: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    *,
    noise: str | None = None,
    sigma: np.ndarray | None = None,
) -> Score:
    """The score of values (rows,) of a formula at x (rows, n_in), where y (rows,) was measured, with errors `sigma` of
    rows or noise of a kind, which the residuals choose where neither is given."""
    size = float(np.abs(y).max()) or 1.0  # so that no square leaves the range of float64
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        text = f"it has no finite value in {bad.size} rows, the first of them row {bad[0] + 1}"
        return Score(len(y), np.inf, np.inf, -np.inf, np.nan, np.nan, np.inf, (text,))
    residuals = (y - values) / size
    rms = float(np.sqrt(np.mean(residuals**2)))
    spread = float(np.mean((y / size - np.mean(y / size)) ** 2))
    exact = rms < 10 * settings.EXACT
    kind = "known" if sigma is not None else noise or _noise(values / size, residuals)
    weights = _weights(kind, values / size, None if sigma is None else sigma / size)
    factor, error = _factor(weights * values / size, weights * y / size)
    misfit = 0.0 if exact else lack_of_fit(_along(x), weights * residuals)
    deviation = float(np.sqrt(np.mean((weights * residuals) ** 2)))
    return Score(
        rows=len(y),
        rms=rms * size,
        largest_relative=float(np.abs(residuals * size / y).max()) if (y != 0).all() else float("nan"),
        r2=1 - rms**2 / spread if spread > 0 else float("nan"),
        factor=factor,
        factor_error=error,
        misfit=misfit,
        against=() if exact else _against(weights * residuals, misfit, factor, error, known=kind == "known"),
        noise=kind,
        deviation=deviation * (size if kind == "absolute" else 1.0),
    )


def _noise(values: np.ndarray, residuals: np.ndarray) -> Noise:
    """The kind of noise that makes residuals more probable."""
    if (values == 0).any():
        return "absolute"
    sizes = np.log(np.abs(values))
    with np.errstate(over="ignore"):
        relative = np.log(np.mean((residuals / values) ** 2) + settings.EXACT**2) / 2 + np.mean(sizes)
    return "relative" if relative < np.log(np.mean(residuals**2) + 1e-300) / 2 else "absolute"


def _weights(kind: str, values: np.ndarray, sigma: np.ndarray | None) -> np.ndarray:
    """(rows,) reciprocal sizes of the noise."""
    if sigma is not None:
        return 1 / sigma
    if kind == "absolute":
        return np.ones(len(values))
    return 1 / np.maximum(np.abs(values), np.finfo(float).tiny)


def _along(x: np.ndarray) -> np.ndarray:
    """Inputs that vary, those that are positive over decades by their logarithms."""
    columns = [column for column in x.T if np.ptp(column) > 0]
    wide = [np.log(column) if 0 < WIDE * column.min() < column.max() else column for column in columns]
    return np.stack(wide, 1) if wide else np.zeros((len(x), 0))


def _factor(values: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The best factor of all values, and its standard error."""
    size = float(values @ values)
    if size == 0:
        return float("nan"), float("nan")
    factor = float(values @ y) / size
    left = y - factor * values
    return factor, float(np.sqrt(left @ left / max(len(y) - 1, 1) / size))


def _against(residuals: np.ndarray, misfit: float, factor: float, error: float, *, known: bool) -> tuple[str, ...]:
    """What residuals, each by the size of its noise, say against a formula."""
    found = []
    ratio = float(np.sqrt(np.mean(residuals**2)))
    if known and ratio > EXCESS:
        found.append(f"residuals are {ratio:.2g} times sigma")
    if misfit > settings.MISFIT:
        found.append(f"the residuals still follow the inputs: a smooth function explains {misfit:.0f} nats of them")
    if error > 0 and abs(factor - 1) > BIASED * error:
        found.append(f"all values times {factor:.6g} fit better, by {abs(factor - 1) / error:.0f} standard errors")
    mean, deviation = float(residuals.mean()), float(residuals.std()) / np.sqrt(len(residuals))
    if abs(mean) > BIASED * deviation:
        side = "small" if mean > 0 else "large"
        found.append(
            f"its values are too {side} on average, by {abs(mean) / max(deviation, 1e-300):.0f} standard errors"
        )
    if kurtosis(residuals - mean) > settings.TAILS:
        found.append("single rows lie far off")
    return tuple(found)
