"""The wider family, stage by stage: powers of sums, quotients, functions, and columns made of inputs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nalu_jax.discover._engine import settings
from nalu_jax.discover._engine.candidate import Column, Noise
from nalu_jax.discover._engine.derived import proposals, search_derived
from nalu_jax.discover._engine.functions import inner_products, search_functions
from nalu_jax.discover._engine.quotients import search_quotients, search_rooted_quotients
from nalu_jax.discover._engine.shifted import search_shifted
from nalu_jax.discover._engine.structure import Fitted
from nalu_jax.discover._engine.sums import search_sums
from nalu_jax.discover._engine.tables import Tables

Task = Callable[[float], list[Fitted]]
"""Formulas found, given the evidence that is known already."""

WAVES = "waves, steps and peaks"
MOST_TERMS = {"power": 3, "quotient": 4}
RIVAL_TERMS = 2  # of a power of a sum that has to beat a simple law


@dataclass(frozen=True)
class Wider:
    """What the stages share.

    Attributes:
        tables: of the search.
        noise: model of the noise.
        seed: of random starts.
        thorough: whether no law stands yet: else only what could be a rival of one is tried.
    """

    tables: Tables
    noise: Noise
    seed: int
    thorough: bool

    def stages(self) -> list[tuple[str, list[Task]]]:
        """Names and tasks; the first `settings.RIVAL_STAGES` are those that rivals of a simple law come from."""
        offered = self.tables.with_units(proposals(self.tables.x, self.tables.columns))
        logarithms = tuple(column for column in offered if column.function == "log")
        angles = tuple(column for column in offered if len(column.inputs) == 1 and column not in logarithms)
        differences = tuple(column for column in offered if len(column.inputs) == 2)
        inside = [column for column in offered if column not in logarithms]
        inside.sort(key=lambda column: (column.function is not None, column.weights[0] != 1))
        roots = (1.0, 0.5) if self.thorough else (1.0,)
        return [
            ("powers of sums", [lambda bar, p=power: self._power(p, bar) for power in (-1.0, 0.5, -0.5, 2.0, -2.0)]),
            ("quotients", [lambda bar, p=power: self._quotient(p, bar) for power in roots]),
            ("functions", [lambda bar: self._functions((), settings.INNER_PRODUCTS, bar)]),
            ("logarithms", [lambda bar: self._derived(logarithms, 1.0, bar)]),
            ("sines and cosines", [lambda bar, p=p: self._derived(angles, p, bar) for p in (1.0, -1.0, 0.5)]),
            ("differences", [lambda bar, p=p: self._derived(differences, p, bar) for p in (0.5, -1.0)]),
            (WAVES, [self._shifted]),
            ("quotients by roots", [self._rooted]),
            (
                "functions of differences",
                [
                    lambda bar, c=column: self._functions((c,), settings.DERIVED_INNER, bar)
                    for column in inside[: settings.MOST_INSIDE]
                ],
            ),
        ]

    def _power(self, power: float, bar: float) -> list[Fitted]:
        _, table, judged = self.tables.sizes()
        rng = np.random.default_rng(self.seed)
        most = MOST_TERMS["power"] if self.thorough else RIVAL_TERMS
        return search_sums(
            table, judged, self.noise, power=power, most_terms=most, library=settings.POWER_LIBRARY, rng=rng, bar=bar
        )

    def _quotient(self, power: float, bar: float) -> list[Fitted]:
        _, table, judged = self.tables.sizes()
        most = MOST_TERMS["quotient"]
        return search_quotients(table, judged, self.noise, power=power, most_terms=most, bar=bar)

    def _rooted(self, bar: float) -> list[Fitted]:
        thin, _, judged = self.tables.sizes()
        return search_rooted_quotients(thin, judged, self.noise, below=0.5, bar=bar)

    def _shifted(self, bar: float) -> list[Fitted]:
        return search_shifted(*self.tables.sizes(), self.noise, bar=bar)

    def _derived(self, columns: tuple[Column, ...], power: float, bar: float) -> list[Fitted]:
        if not columns:
            return []
        return search_derived(*self.tables.sizes(columns), self.noise, power=power, bar=bar)

    def _functions(self, columns: tuple[Column, ...], products: int, bar: float) -> list[Fitted]:
        thin, table, judged = self.tables.sizes(columns)
        inner = inner_products(thin, products)
        return search_functions(thin, table, judged, self.noise, inner, bar=bar, added=self.thorough)
