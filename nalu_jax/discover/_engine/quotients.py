"""The search among quotients of sums, and among roots of them and by them.

An equation y (1 + Q) = P is linear in the coefficients of P and Q (implicit regression: Kaheman, Kutz, Brunton 2020,
"SINDy-PI"); its best small subsets are starts of fits of y itself.
"""

from collections import defaultdict

import numpy as np

from nalu_jax.discover._engine import settings, starts
from nalu_jax.discover._engine.candidate import Noise
from nalu_jax.discover._engine.columns import Table, noise_weights, soft_weights
from nalu_jax.discover._engine.fit import Batch, distinct, improve, products, start
from nalu_jax.discover._engine.forms import Form
from nalu_jax.discover._engine.library import best_additions, best_pairs, best_triples, joint_gains, library
from nalu_jax.discover._engine.structure import Fitted, finish
from nalu_jax.discover._engine.sums import transformed

Start = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Exponents (K, n), parity (K, n), coefficients (K,)."""


def search_quotients(
    table: Table, judged: Table, noise: Noise, *, power: float, most_terms: int, bar: float, begin: Table | None = None
) -> list[Fitted]:
    """Formulas (P / (1 + Q))^power of sums P and Q.

    Args:
        table: on which starts are tried.
        judged: the same columns with more rows.
        noise: model of the noise.
        power: 1 or 1/2.
        most_terms: of P and Q together.
        bar: evidence that is known already.
        begin: `table` with another target, of which starts are made: one with less noise, which in y Q is an error of
            regressors and draws the coefficients of Q to 0.
    """
    straight, weights = transformed(begin or table, noise, power)
    if straight is None:
        return []
    implicit = _Implicit(straight, weights)
    groups: dict[int, list[Start]] = defaultdict(list)
    for chosen in implicit.subsets(most_terms):
        found = implicit.solve(chosen)
        if found is not None:
            groups[found[0] * 10 + len(chosen)].append(found[1])
    finished: list[Fitted] = []
    for name, members in sorted(groups.items()):
        above, terms = divmod(name, 10)
        form = Form("quotient", (above, terms - above), power=power, below=power)
        finished += fit_form(table, judged, form, members[: settings.QUOTIENT_STARTS], noise, bar=bar)
        bar = min([bar, *(fitted.evidence for fitted in finished)])
    return finished


class _Implicit:
    """Columns m_i and -y m_j of the implicit regression, weighted and of length 1, over the library's products."""

    def __init__(self, table: Table, weights: np.ndarray):
        self.exponents, self.parity = library(table, settings.QUOTIENT_LIBRARY)
        self.target, self.weights = table.target, weights
        plain = products(table, self.exponents, self.parity)
        count = len(plain)
        self.columns = np.concatenate([plain, -table.target * plain[1:]]) * weights
        self.above = np.arange(2 * count - 1) < count
        self.product = np.concatenate([np.arange(count), np.arange(1, count)])
        length = np.sqrt(np.einsum("mn,mn->m", self.columns, self.columns)) + 1e-300
        self.unit = (self.columns / length[:, None]).T
        goal = weights * table.target
        self.goal = goal / np.sqrt(goal @ goal)

    def subsets(self, most_terms: int) -> list[np.ndarray]:
        """Places of columns that explain the target together, 2 to `most_terms` of them."""
        pairs = starts.seldom(best_pairs(self.unit, self.goal, 600), settings.QUOTIENT_PAIRS, len(self.product))
        whole = (np.abs(self.exponents - np.round(self.exponents)) < 1e-9).all(1)
        whole &= np.abs(self.exponents).max(1) <= 2
        cheap = np.flatnonzero(whole)[: settings.QUOTIENT_TRIPLES]
        small = np.flatnonzero(np.isin(self.product, cheap))
        triples = small[best_triples(self.unit[:, small], self.goal, 80)]
        layers = [list(pairs), [*triples, *self._grown(pairs)]]
        for _ in range(3, most_terms):
            layers.append(self._grown(layers[-1][: settings.QUOTIENT_GROWN]))
        return [chosen for layer in layers[: most_terms - 1] for chosen in layer[: 2 * settings.QUOTIENT_PAIRS]]

    def _grown(self, subsets) -> list[np.ndarray]:
        """Each subset with its best additions, the best of all first."""
        found = {}
        for chosen in subsets[: settings.QUOTIENT_GROWN]:
            for place in best_additions(self.unit, self.goal, self.unit[:, chosen], 8):
                if place not in chosen:
                    grown = np.sort(np.append(chosen, place))
                    found[tuple(grown)] = grown
        left = {name: self._left(grown) for name, grown in found.items()}
        return [found[name] for name in sorted(found, key=lambda name: left[name])]

    def _left(self, chosen: np.ndarray) -> float:
        basis, _ = np.linalg.qr(self.unit[:, chosen])
        return 1 - float(np.sum((self.goal @ basis) ** 2))

    def solve(self, chosen: np.ndarray) -> tuple[int, Start] | None:
        """Number of terms above the bar and the start that a subset makes; None without both P and Q."""
        above = int(self.above[chosen].sum())
        if not 0 < above < len(chosen):
            return None
        chosen = np.concatenate([chosen[self.above[chosen]], chosen[~self.above[chosen]]])
        columns = self.columns[chosen]
        length = np.sqrt(np.einsum("mn,mn->m", columns, columns)) + 1e-300
        solution, *_ = np.linalg.lstsq((columns / length[:, None]).T, self.weights * self.target, rcond=1e-13)
        which = self.product[chosen]
        return above, (self.exponents[which], self.parity[which], solution / length)


def fit_form(
    table: Table, judged: Table, form: Form, begin: list[Start], noise: Noise, *, bar: float, keep: int = 3
) -> list[Fitted]:
    """The best few fits of a form from these starts, rounded."""
    if not begin:
        return []
    exponents, parity, coefficients = (np.array(arrays) for arrays in zip(*begin, strict=True))
    batch = start(table, exponents.astype(float), parity.astype(int), coefficients)
    held = _held(table, judged, form, batch, noise, keep, bar)
    weights = noise_weights(table, noise, table.target)
    batch = improve(table, form, batch, soft_weights(table, noise), steps=settings.FIRST_STEPS)
    order = np.argsort(batch.rss, kind="stable")[: max(8, 2 * keep)]
    order = order[np.isfinite(batch.rss[order])]
    batch = improve(table, form, batch.take(order), weights, steps=settings.LATER_STEPS)
    batch = batch.take(distinct(batch, keep))
    found = finish(judged, form, batch, noise, bar=bar)
    return found + held


def _held(table: Table, judged: Table, form: Form, batch: Batch, noise: Noise, keep: int, bar: float) -> list[Fitted]:
    """The best starts with their simple exponents kept: with narrow inputs a fit of all crawls along a valley."""
    batch = batch._replace(free=np.zeros(batch.free.shape, bool))
    for weights in (soft_weights(table, noise), noise_weights(table, noise, table.target)):
        batch = improve(table, form, batch, weights, steps=settings.FIRST_STEPS)
    order = np.argsort(batch.rss, kind="stable")[:keep]
    return finish(judged, form, batch.take(order[np.isfinite(batch.rss[order])]), noise, bar=bar)


def search_rooted_quotients(table: Table, judged: Table, noise: Noise, *, below: float, bar: float) -> list[Fitted]:
    """Formulas P / (1 + q)^below of a sum P of two terms and one term q, below a half.

    Where (1 + q) is not linear after any change of the target, q is scanned: products of the library in several sizes;
    P is then linear.
    """
    exponents, parity = library(table, settings.ROOT_PRODUCTS)
    upper = products(table, exponents[: settings.ROOT_TERMS], parity[: settings.ROOT_TERMS])
    inner = products(table, exponents[1:], parity[1:])
    largest = np.abs(inner).max(1)
    weights = noise_weights(table, noise, table.target)
    goal = weights * table.target
    begin: list[tuple[float, int, Start]] = []
    for size in settings.ROOT_SIZES:
        totals = 1 + (size / largest)[:, None] * inner
        usable = np.flatnonzero(totals.min(1) > 0)
        columns = upper * (weights * totals[usable] ** -below)[:, None, :]
        length = np.sqrt(np.einsum("pmn,pmn->pm", columns, columns)) + 1e-300
        gains = joint_gains(np.matmul(columns, columns.swapaxes(1, 2)) / (length[:, :, None] * length[:, None, :]),
                            (columns @ goal) / length)  # fmt: skip
        flat = gains.reshape(len(usable), -1)
        best = flat.argmax(1)
        for i in np.argsort(-flat.max(1), kind="stable")[: settings.QUOTIENT_STARTS]:
            pair = sorted(divmod(int(best[i]), gains.shape[-1]))
            solution, *_ = np.linalg.lstsq(columns[i, pair].T, goal, rcond=1e-13)
            which = [*pair, int(usable[i]) + 1]
            coefficients = np.append(solution, size / largest[usable[i]])
            begin.append((-float(flat[i, best[i]]), len(begin), (exponents[which], parity[which], coefficients)))
    begin.sort(key=lambda item: item[:2])
    form = Form("quotient", (2, 1), below=below)
    members = [found for *_, found in begin[: settings.QUOTIENT_STARTS]]
    return fit_form(table, judged, form, members, noise, bar=bar)
