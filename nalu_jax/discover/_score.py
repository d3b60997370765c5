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
from ._engine.misfit import kurtosis, lack_of_fit

if TYPE_CHECKING:
    from ._found import Found

BIASED = 4.0
"""Standard errors of the mean from which residuals are said to lie to one side: once in 16,000 tables by chance."""


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
    """

    rows: int
    rms: float
    largest_relative: float
    r2: float
    factor: float
    factor_error: float
    misfit: float
    against: tuple[str, ...]

    def __str__(self) -> str:
        exact = "it explains the data to rounding" if self.r2 > 1 - 1e-15 else "the data say nothing against it"
        return f"{self.rows} rows: rms {self.rms:.3g}, R^2 {self.r2:.6f}; {'; '.join(self.against) or exact}"


@_arguments.checked(
    "discover.score",
    names=_arguments.optional(_arguments.inputs()),
    target=_arguments.instance("a text", "Pass the name of y.", str),
)
def score(formula: "str | Found", x: Any, y: Any, *, names: Sequence[str] | None = None, target: str = "y") -> Score:
    """How good a formula is on a table, whoever wrote it.

    Args:
        formula: text of numbers, the names of the columns (or the symbols that stand for them), + - * / ** ( ) and
            elementary functions; or a result.
        x: (rows, n_in) numbers, or a DataFrame, whose columns then are the names.
        y: (rows,) numbers, or the name of a column of x.
        names: of the columns of x; x0, x1, ... where not given.
        target: the name of y.

    Raises:
        TypeError, ValueError: the formula cannot be read, or the table is none.

    >>> import numpy as np
    >>> t = np.linspace(1.0, 2.0, 40)
    >>> noise = 0.05 * np.random.default_rng(0).normal(size=40)
    >>> print(score("3*t**2", t[:, None], 3 * t**2 + noise, names=["t"]))
    40 rows: rms 0.0395, R^2 0.999783; the data say nothing against it
    >>> score("3*t", t[:, None], 3 * t**2 + noise, names=["t"]).against[0]
    'the residuals still follow the inputs: a smooth function explains 150 nats of them'
    """
    if isinstance(formula, str):
        data = _brought.of(x, y, names=names, target=target).table
        part = _known.read(formula, data.names, _names.symbols(data.names))
        if part.constants:
            raise ValueError(
                f"score: {formula!r} has {part.constants[0]!r}, which is no column; there are "
                f"{', '.join(map(repr, data.names))}. Give its value, or let discover.table fit it: known=."
            )
        return of_values(_known.values(part, data.x, np.zeros(0)), data.x, data.y)
    if not hasattr(formula, "predict") or not hasattr(formula, "names"):
        raise TypeError(f"discover.score: formula must be text or a result of discover.table, got {formula!r:.60}.")
    return of_result(formula, x, y, None)


def of_result(found: "Found", x: Any, y: Any, groups: Any) -> Score:
    """The score of a result on a table, whose rows are of these groups."""
    if isinstance(y, str):
        headers = _inputs.headers_of(x)
        if headers is None or y not in headers:
            raise ValueError(f"score: y is {y!r}, which is no column of x. Pass its values, or name one.")
        y = x[y]
    rows = _inputs.rows(x, found.names)
    data = _inputs.table(rows, y, names=found.names, target=found.target)
    return of_values(found.predict(x, groups=groups), data.x, data.y)


def of_values(values: np.ndarray, x: np.ndarray, y: np.ndarray) -> Score:
    """The score of values (rows,) of a formula at x (rows, n_in), where y (rows,) was measured."""
    size = float(np.abs(y).max()) or 1.0  # so that no square leaves the range of float64
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        text = f"it has no finite value in {bad.size} rows, the first of them row {bad[0] + 1}"
        return Score(len(y), np.inf, np.inf, -np.inf, np.nan, np.nan, np.inf, (text,))
    residuals = (y - values) / size
    rms = float(np.sqrt(np.mean(residuals**2)))
    spread = float(np.mean((y / size - np.mean(y / size)) ** 2))
    exact = rms < 10 * settings.EXACT
    factor, error = _factor(values / size, y / size)
    misfit = 0.0 if exact else lack_of_fit(x[:, np.ptp(x, axis=0) > 0], residuals)
    return Score(
        rows=len(y),
        rms=rms * size,
        largest_relative=float(np.abs(residuals * size / y).max()) if (y != 0).all() else float("nan"),
        r2=1 - rms**2 / spread if spread > 0 else float("nan"),
        factor=factor,
        factor_error=error,
        misfit=misfit,
        against=() if exact else _against(residuals, misfit, factor, error),
    )


def _factor(values: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The best factor of all values, and its standard error."""
    size = float(values @ values)
    if size == 0:
        return float("nan"), float("nan")
    factor = float(values @ y) / size
    left = y - factor * values
    return factor, float(np.sqrt(left @ left / max(len(y) - 1, 1) / size))


def _against(residuals: np.ndarray, misfit: float, factor: float, error: float) -> tuple[str, ...]:
    found = []
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
