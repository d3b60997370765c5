"""One table in the sizes that the stages of a search ask for, with or without derived columns."""

import numpy as np

from nalu_jax.discover._engine import settings
from nalu_jax.discover._engine.candidate import Column
from nalu_jax.discover._engine.columns import Table, TableOptions, prepare, take


class Tables:
    """Samples of one table: the same rows each time.

    Attributes:
        x, y: inputs (rows, n_in) and target (rows,).
        inputs: columns that are searched.
        columns: those columns as they are.
        seed: of the samples.
        row_weights: (rows,) or None.
        options: what is known of the table beside its numbers.
    """

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        inputs: tuple[int, ...],
        seed: int,
        row_weights: np.ndarray | None = None,
        options: TableOptions | None = None,
    ):
        self.x, self.y, self.inputs, self.seed, self.row_weights = x, y, inputs, seed, row_weights
        self.options = options or TableOptions()
        self.columns = tuple(Column((j,)) for j in inputs)
        self._order = np.random.default_rng(seed).permutation(len(y))
        self._prepared: dict[tuple[Column, ...], Table] = {}

    @property
    def strict(self) -> bool:
        """Whether only formulas with consistent units may be the answer."""
        return self.options.dimensions is not None and self.options.dimensions.strict

    def with_units(self, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        """Those columns that add what belongs together and are sines of angles, where there are units of measure."""
        dimensions = self.options.dimensions
        return columns if dimensions is None else tuple(c for c in columns if dimensions.of(c) is not None)

    def full(self, derived: tuple[Column, ...] = ()) -> Table:
        """All rows; the table of inputs and the one asked for last are kept."""
        if derived not in self._prepared:
            self._prepared = {key: table for key, table in self._prepared.items() if not key}
            columns, inputs = self.columns + derived, self.x.shape[1]
            self._prepared[derived] = prepare(
                self.x, self.y, columns, inputs=inputs, row_weights=self.row_weights, options=self.options
            )
        return self._prepared[derived]

    def sizes(self, derived: tuple[Column, ...] = ()) -> tuple[Table, Table, Table]:
        """Few rows to scan many products on, more to fit starts, and those on which exponents are rounded."""
        whole = self.full(derived)
        limits = (settings.SCANNED_ROWS, settings.SEARCH_ROWS, settings.ROUNDED_ROWS)
        thin, table, judged = (self._few(whole, limit) for limit in limits)
        return thin, table, judged

    def places(self, rows: int) -> np.ndarray:
        """(rows,) of the table that a sample of that size has."""
        return np.sort(self._order[:rows])

    def _few(self, table: Table, rows: int) -> Table:
        return table if table.rows <= rows else take(table, self.places(rows))

    def of_inputs(self, inputs: tuple[int, ...]) -> "Tables":
        """The same rows, of which only these inputs are searched."""
        return Tables(self.x, self.y, inputs, self.seed, self.row_weights, self.options)

    def reweighted(self, row_weights: np.ndarray) -> "Tables":
        """With weights that follow residuals."""
        return Tables(self.x, self.y, self.inputs, self.seed, row_weights, self.options._replace(robust=True))

    def with_least(self, least: float) -> "Tables":
        """With relative noise that is no smaller where the target is below this."""
        options = self.options._replace(least=least)
        return Tables(self.x, self.y, self.inputs, self.seed, self.row_weights, options)
