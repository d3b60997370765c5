"""The wider family, stage by stage: powers of sums, quotients, functions, and columns made of inputs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from nalu_jax.discover._engine import settings
from nalu_jax.discover._engine.arguments import arguments, factors
from nalu_jax.discover._engine.candidate import Column, Noise
from nalu_jax.discover._engine.columns import Table
from nalu_jax.discover._engine.derived import exponentials, proposals, search_derived
from nalu_jax.discover._engine.forms import ROOTS
from nalu_jax.discover._engine.functions import Inner, inner_products, search_functions
from nalu_jax.discover._engine.quotients import search_quotients, search_rooted_quotients
from nalu_jax.discover._engine.roots import search_less_one, search_roots
from nalu_jax.discover._engine.shifted import search_peaks, search_shifted
from nalu_jax.discover._engine.structure import Fitted, predicted
from nalu_jax.discover._engine.sums import search_sums
from nalu_jax.discover._engine.tables import Tables

Task = Callable[[float], list[Fitted]]
"""Formulas found, given the evidence that is known already."""

MOST_TERMS = {"power": 4, "quotient": 4, "growth": 3}
RIVAL_TERMS = 2  # of a power of a sum that has to beat a simple law


class Stage(NamedTuple):
    """A part of the wider family.

    Attributes:
        name: for people.
        tasks: searches of it.
        after: what it is searched after in any case: a law that seems to stand, whose rivals these are; what explains
            little; the series of something simpler, which many terms may be; that or several terms whose exponents are
            no simple numbers; or only what does not fit.
    """

    name: str
    tasks: list[Task]
    after: Literal["law", "little", "series", "real exponents", "nothing fits"]


@dataclass(frozen=True)
class Wider:
    """What the stages share.

    Attributes:
        tables: of the search.
        noise: model of the noise.
        seed: of random starts.
        thorough: whether no law stands yet: else only what could be a rival of one is tried.
        found: formulas so far, to which those of the stages are added as they are searched.
    """

    tables: Tables
    noise: Noise
    seed: int
    thorough: bool
    found: list[Fitted]

    def stages(self) -> list[Stage]:
        """In the order in which they are searched."""
        offered = self.tables.with_units(proposals(self.tables.x, self.tables.columns))
        logarithms = tuple(column for column in offered if column.function == "log")
        angles = tuple(column for column in offered if len(column.inputs) == 1 and column not in logarithms)
        differences = tuple(column for column in offered if len(column.inputs) == 2)
        inside = [column for column in offered if column not in logarithms]
        inside.sort(key=lambda column: (column.function is not None, column.weights[0] != 1))
        growing = self.tables.with_units(exponentials(self.tables.x, self.tables.columns))[: settings.MOST_GROWING]
        growth = [
            lambda bar, c=column, search=search: search(c, bar)
            for column in growing
            for search in (self._growth, self._beside_growth)
        ]
        waves_that_grow = [lambda bar, c=column: self._shifted((c,), bar) for column in growing]
        powers = (*settings.POWERS, *settings.FAR_POWERS) if self.thorough else settings.POWERS
        beside = [name for name, root in ROOTS.items() if not root.less_one]
        roots = (1.0, 0.5) if self.thorough else (1.0,)
        return [
            Stage("powers of sums", [lambda bar, p=p: self._power(p, bar) for p in powers], "law"),
            Stage("quotients", [lambda bar, p=power: self._quotient(p, bar) for power in roots], "law"),
            Stage("functions", [lambda bar: self._functions((), settings.INNER_PRODUCTS, bar)], "law"),
            Stage("roots less 1", [self._less_one], "law"),
            Stage(
                "powers and quotients once more",
                [
                    *(lambda bar, p=p: self._power_again(p, bar) for p in powers),
                    *(lambda bar, p=p: self._quotient_again(p, bar) for p in roots),
                ],
                "real exponents",
            ),
            Stage("functions once more", [self._functions_again], "real exponents"),
            Stage(
                "roots once more",
                [lambda bar, name=name: self._root_again(name, bar) for name in beside],
                "real exponents",
            ),
            Stage("logarithms", [lambda bar: self._derived(logarithms, 1.0, bar)], "law"),
            Stage("growth and decay", growth, "law" if len(growing) <= settings.GROWING_RIVALS else "series"),
            Stage(
                "sines and cosines", [lambda bar, p=p: self._derived(angles, p, bar) for p in (1, -1, 0.5)], "series"
            ),
            Stage("differences", [lambda bar, p=p: self._derived(differences, p, bar) for p in (0.5, -1.0)], "series"),
            Stage("peaks", [self._peaks], "real exponents"),
            Stage("waves and steps", [lambda bar: self._shifted((), bar)], "little"),
            Stage("waves that grow or decay", waves_that_grow, "nothing fits"),
            Stage(
                "quotients by roots",
                [lambda bar, p=p: self._rooted(p, bar) for p in settings.POWERS_BELOW],
                "real exponents",
            ),
            Stage(
                "roots beside a term",
                [lambda bar, name=name: self._beside_root(name, bar) for name in beside],
                "real exponents",
            ),
            Stage("functions of more products", [self._more_functions], "nothing fits"),
            Stage(
                "functions of differences",
                [
                    lambda bar, c=column: self._functions((c,), settings.DERIVED_INNER, bar)
                    for column in inside[: settings.MOST_INSIDE]
                ],
                "nothing fits",
            ),
        ]

    def _power(self, power: float, bar: float, begin: Table | None = None) -> list[Fitted]:
        _, table, judged = self.tables.sizes()
        return search_sums(
            table,
            judged,
            self.noise,
            power=power,
            most_terms=MOST_TERMS["power"] if self.thorough else RIVAL_TERMS,
            library=settings.POWER_LIBRARY,
            rng=np.random.default_rng(self.seed),
            bar=bar,
            begin=begin,
        )

    def _power_again(self, power: float, bar: float) -> list[Fitted]:
        smooth = self._smooth()
        return [] if smooth is None else self._power(power, bar, smooth)

    def _quotient(self, power: float, bar: float, begin: Table | None = None) -> list[Fitted]:
        _, table, judged = self.tables.sizes()
        most = MOST_TERMS["quotient"]
        return search_quotients(table, judged, self.noise, power=power, most_terms=most, bar=bar, begin=begin)

    def _quotient_again(self, power: float, bar: float) -> list[Fitted]:
        smooth = self._smooth()
        return [] if smooth is None else self._quotient(power, bar, smooth)

    def _smooth(self, like: Table | None = None) -> Table | None:
        """The table of starts, or another with the same columns, with the values of the best formula so far for its
        target; None where these are no numbers.

        A formula with real exponents may be the series of the law: nearer to it than what was measured.
        """
        best = min(self.found, key=lambda fitted: fitted.evidence)
        like = like or self.tables.sizes()[1]
        derived = tuple(each for each in best.table.columns if not each.plain)
        same_rows = next(each for each in self.tables.sizes(derived) if each.rows == like.rows)
        values = predicted(best, same_rows)
        return replace(like, target=values) if np.isfinite(values).all() else None

    def _functions_again(self, bar: float) -> list[Fitted]:
        inner = arguments(self.found)
        if not len(inner.exponents):
            return []
        return search_functions(*self.tables.sizes(), self.noise, inner, bar=bar, added=self.thorough)

    def _rooted(self, below: float, bar: float) -> list[Fitted]:
        thin, _, judged = self.tables.sizes()
        return search_rooted_quotients(thin, judged, self.noise, below=below, bar=bar)

    def _less_one(self, bar: float) -> list[Fitted]:
        return search_less_one(*self.tables.sizes(), self.noise, bar=bar)

    def _beside_root(self, name: str, bar: float) -> list[Fitted]:
        thin, _, judged = self.tables.sizes()
        return search_roots(thin, judged, self.noise, name=name, bar=bar)

    def _root_again(self, name: str, bar: float) -> list[Fitted]:
        inside, around = arguments(self.found), factors(self.found)
        if not len(inside.exponents):
            return []
        thin, _, judged = self.tables.sizes()
        return search_roots(thin, judged, self.noise, name=name, bar=bar, inside=inside, around=around)

    def _shifted(self, columns: tuple[Column, ...], bar: float) -> list[Fitted]:
        return search_shifted(*self.tables.sizes(columns), self.noise, bar=bar)

    def _peaks(self, bar: float) -> list[Fitted]:
        thin, table, judged = self.tables.sizes()
        smooth = self._smooth(thin)
        return search_peaks(thin, table, judged, self.noise, bar=bar, smooth=None if smooth is None else smooth.target)

    def _growth(self, column: Column, bar: float) -> list[Fitted]:
        """Sums of products with an exponential of an input, without and with powers of that input: with both a fit of
        several rates crawls along a valley."""
        _, table, judged = self.tables.sizes((column,))
        found: list[Fitted] = []
        for held in (np.array([each.inputs == column.inputs and each.plain for each in table.columns]), np.False_):
            bar = min([bar, *(fitted.evidence for fitted in found)])
            few, all_rows = (replace(each, constant=each.constant | held) for each in (table, judged))
            rng = np.random.default_rng(self.seed)
            fitted = search_sums(
                few,
                all_rows,
                self.noise,
                most_terms=MOST_TERMS["growth"],
                library=settings.POWER_LIBRARY,
                rng=rng,
                bar=bar,
            )
            found += [each._replace(table=judged) for each in fitted]
        return found

    def _beside_growth(self, column: Column, bar: float) -> list[Fitted]:
        """An exponential of an input beside simple powers, such as a decay on a trend."""
        return self._derived((column,), 1.0, bar)

    def _derived(self, columns: tuple[Column, ...], power: float, bar: float) -> list[Fitted]:
        if not columns:
            return []
        return search_derived(*self.tables.sizes(columns), self.noise, power=power, bar=bar)

    def _more_functions(self, bar: float) -> list[Fitted]:
        thin, table, judged = self.tables.sizes()
        inner = inner_products(thin, settings.MORE_INNER_PRODUCTS)
        more = Inner(*(array[settings.INNER_PRODUCTS :] for array in inner))
        return search_functions(thin, table, judged, self.noise, more, bar=bar) if len(more.exponents) else []

    def _functions(self, columns: tuple[Column, ...], products: int, bar: float) -> list[Fitted]:
        thin, table, judged = self.tables.sizes(columns)
        inner = inner_products(thin, products)
        return search_functions(thin, table, judged, self.noise, inner, bar=bar, added=self.thorough)
