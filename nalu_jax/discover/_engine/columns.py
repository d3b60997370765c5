"""A table made ready: logarithms about the geometric centre, signs, and a target of size 1."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from nalu_jax.discover._engine import settings
from nalu_jax.discover._engine.candidate import ZERO_LOGARITHM, Column, Noise, log_absolute
from nalu_jax.discover._engine.dimensions import Dimensions

SMALLEST_MEDIAN = 1e-3  # of |values|, where the target's root mean square is 1: most of them may be 0
CONSTANT_SPREAD = 1e-9  # of a logarithm: a column that varies less has no exponent that could be known


class Limits(NamedTuple):
    """What simple exponents a formula may have: from `low` to `high`, and where `whole` is set integers only."""

    low: float
    high: float
    whole: bool

    def allow(self, exponents: np.ndarray) -> np.ndarray:
        """Whether each is allowed; 0 always is."""
        inside = (exponents >= self.low) & (exponents <= self.high)
        return (inside & (not self.whole or exponents == np.round(exponents))) | (exponents == 0)


class TableOptions(NamedTuple):
    """What is known of a table beside its numbers: see `Table`."""

    dimensions: Dimensions | None = None
    deviation: float | None = None
    robust: bool = False
    limits: Limits | None = None
    absolute: bool = False
    include: tuple[int, ...] = ()
    positive: bool = False
    far: tuple[tuple[int, bool, bool], ...] = ()
    least: float | None = None


@dataclass(frozen=True, eq=False)
class Table:
    """Columns and target as the search sees them.

    Attributes:
        columns: n, inputs first.
        logs: (n, rows) of log|column| less its mean.
        centre: (n,) those means.
        negative: (n, rows) 1 where a column is negative.
        signed: (n,) whether a column has negative values.
        constant: (n,) whether it does not vary.
        target: (rows,) of root mean square 1.
        target_scale: y / target.
        inputs: number of inputs among which a name chooses, screened ones included.
        row_weights: (rows,) reciprocal errors of single rows, relative to each other.
        dimensions: of all inputs and the target, where units of measure are known.
        deviation: standard deviation of weighted residuals of the target, where errors of rows are known.
        robust: whether weights follow residuals, as those of outliers do.
        limits: what exponents may be, or None.
        include: inputs that the formula has to have.
        absolute: whether the noise is of the same kind in all rows, whatever the formula's value.
        positive: whether no coefficient may be negative, but for those inside of a function.
        far: inputs, and whether the formula goes to 0 (else ends) where they go to infinity (else to 0).
        least: size of values below which relative noise is no smaller, where it is that of a target that never
            crosses 0; None where it follows from the median.
    """

    columns: tuple[Column, ...]
    logs: np.ndarray
    centre: np.ndarray
    negative: np.ndarray
    signed: np.ndarray
    constant: np.ndarray
    target: np.ndarray
    target_scale: float
    inputs: int
    row_weights: np.ndarray
    dimensions: Dimensions | None = None
    deviation: float | None = None
    robust: bool = False
    limits: Limits | None = None
    absolute: bool = False
    include: tuple[int, ...] = ()
    positive: bool = False
    far: tuple[tuple[int, bool, bool], ...] = ()
    least: float | None = None

    @property
    def rows(self) -> int:
        return len(self.target)

    @property
    def width(self) -> int:
        return len(self.columns)


def prepare(
    x: np.ndarray,
    y: np.ndarray,
    columns: tuple[Column, ...],
    *,
    inputs: int,
    row_weights: np.ndarray | None = None,
    options: TableOptions | None = None,
) -> Table:
    """The table of these columns of x (rows, n_in) and the target y (rows,)."""
    options = options or TableOptions()
    values = np.array([column.values(x) for column in columns]).reshape(len(columns), len(y))
    logs = log_absolute(values)
    zero = values == 0
    if zero.any():
        centre = np.array([row[~none].mean() if not none.all() else 0.0 for row, none in zip(logs, zero, strict=True)])
    else:
        centre = logs.mean(1)
    negative = (values < 0).astype(float)
    centred = logs - centre[:, None]
    largest = np.abs(y).max()
    scale = float(largest * np.sqrt(np.mean((y / largest) ** 2)))
    return Table(
        columns=columns,
        logs=centred,
        centre=centre,
        negative=negative,
        signed=np.asarray(negative.any(1)),
        constant=np.asarray(
            (np.ptp(centred, axis=1) < CONSTANT_SPREAD) & ~zero.any(1) & (np.ptp(negative, axis=1) == 0)
        ),
        target=y / scale,
        target_scale=scale,
        inputs=inputs,
        row_weights=np.ones(len(y)) if row_weights is None else row_weights,
        dimensions=options.dimensions,
        deviation=None if options.deviation is None else options.deviation / scale,
        robust=options.robust,
        limits=options.limits,
        absolute=options.absolute or options.deviation is not None,
        include=options.include,
        positive=options.positive,
        far=options.far,
        least=_least(y / scale) if options.least is None else options.least / scale,
    )


def _least(target: np.ndarray) -> float | None:
    """The smallest |target| where it never crosses 0 and spans more than a floor by the median allows: a law over many
    decades is told by its smallest rows, too."""
    size = np.abs(target)
    crosses = bool((np.sign(target) != np.sign(target[0])).any()) or target[0] == 0
    return None if crosses or size.min() >= smallest_told(target) else float(size.min())


def smallest_told(target: np.ndarray) -> float:
    """The size below which relative noise of a target (rows,) counts as no smaller, where its median decides."""
    return float(_floor(np.abs(target), settings.RELATIVE_FLOOR)[0])


def _floor(size: np.ndarray, part: float) -> np.ndarray:
    """(..., 1) this part of the median of sizes (..., rows)."""
    return part * np.maximum(np.median(size, axis=-1, keepdims=True), SMALLEST_MEDIAN)


def take(table: Table, rows: np.ndarray) -> Table:
    """The same table of some rows; centre and scale stay, so that coefficients mean the same."""
    return replace(
        table,
        logs=table.logs[:, rows],
        negative=table.negative[:, rows],
        target=table.target[rows],
        row_weights=table.row_weights[rows],
    )


def choose(table: Table, places: list[int]) -> Table:
    """The table of some columns."""
    return replace(
        table,
        columns=tuple(table.columns[i] for i in places),
        logs=table.logs[places],
        centre=table.centre[places],
        negative=table.negative[places],
        signed=table.signed[places],
        constant=table.constant[places],
    )


def noise_weights(
    table: Table, noise: Noise, values: np.ndarray, *, floor: float = settings.RELATIVE_FLOOR
) -> np.ndarray:
    """Reciprocal sizes of the noise in each row, where the formula (or the target) has these values (..., rows).

    Values below `floor` times the median |value| count as that large, but where the table says what is.
    """
    if noise == "absolute":
        return np.broadcast_to(table.row_weights, values.shape)
    size = np.abs(values)
    least = _floor(size, floor) if table.least is None else table.least
    return table.row_weights / np.maximum(size, least)


def soft_weights(table: Table, noise: Noise) -> np.ndarray:
    """Weights for first steps: near a zero of the target no start is good enough for relative errors to mean much."""
    return noise_weights(table, noise, table.target, floor=settings.SOFT_FLOOR)


def has_zero(table: Table) -> np.ndarray:
    """(n,) whether a column is 0 somewhere: it takes no negative power."""
    return np.asarray((table.logs + table.centre[:, None] <= ZERO_LOGARITHM / 2).any(1))
