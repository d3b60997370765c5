"""The search for one structure behind several groups of rows, whose numbers may differ by group.

Structures come from searches of ordinary tables: of the largest groups alone; of all rows together, as they are and
beside columns that say what a group's rows are multiplied by and raised by; and again beside the numbers that differ
by group in the best structure so far. Each is then fitted to all groups (`grouped`), and evidence chooses.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from nalu_jax.discover._engine import grouped, settings
from nalu_jax.discover._engine.candidate import Candidate, Column
from nalu_jax.discover._engine.columns import Table, TableOptions, prepare
from nalu_jax.discover._engine.dimensions import consistent
from nalu_jax.discover._engine.far import has_limits
from nalu_jax.discover._engine.fit import Batch
from nalu_jax.discover._engine.forms import Form
from nalu_jax.discover._engine.grouped import Grouped
from nalu_jax.discover._engine.misfit import kurtosis, robust_weights
from nalu_jax.discover._engine.rivals import same_structure, same_values
from nalu_jax.discover._engine.rounding import merge_equal
from nalu_jax.discover._engine.search import Progress, Rules, search
from nalu_jax.discover._engine.structure import Fitted, valid
from nalu_jax.discover._engine.verdict import NONE, Verdict, judge

ALONE = 2
"""Largest groups that are searched alone: each takes a search."""

ALONE_ROWS = 8
"""Of a group that is searched alone: twice the fewest rows of a table."""

TAKEN = 6
"""Formulas of each search whose structures are fitted to all groups."""

TOGGLED = 8
"""Structures, the best by first fits, of which it is decided which numbers differ."""

LATENT = 3
"""Most numbers that differ by group that the last search has as columns."""


class GroupedTable(NamedTuple):
    """x (rows, n_in), y (rows,), places of groups (rows,), weights of rows or None, what else is known."""

    x: np.ndarray
    y: np.ndarray
    codes: np.ndarray
    row_weights: np.ndarray | None
    options: TableOptions

    def table(self, columns: tuple[Column, ...]) -> Table:
        inputs = self.x.shape[1]
        return prepare(self.x, self.y, columns, inputs=inputs, row_weights=self.row_weights, options=self.options)


class GroupsSearched(NamedTuple):
    """What was found: fits of distinct structures, the best first, with the verdict on the first, and of the best
    structure with other numbers by group the next in evidence, if there is one; `stopped` as `search` has it."""

    fits: tuple[Grouped, ...]
    verdict: Verdict
    other: Grouped | None
    stopped: bool
    robust: bool
    row_weights: np.ndarray | None


def search_groups(
    data: GroupedTable,
    *,
    asked: str | None,
    rules: Rules,
    time_limit: float | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
    **settings_of_search: Any,
) -> GroupsSearched:
    """Structures for all groups, the best first.

    Args:
        data: the table.
        asked: which numbers differ by group: see `grouped.chosen`.
        rules, time_limit, progress, stop: as `search` has them.
        settings_of_search: its `terms`, `seed` and `guesses`.
    """
    end = None if time_limit is None else time.monotonic() + time_limit
    sources = _Sources(data, rules, end, progress, stop, settings_of_search)
    fits: list[list[Grouped]] = []
    with np.errstate(all="ignore"):
        for candidates in sources.stages():
            fits = _ranked([*fits, *_decided(list(_structures(candidates, data, rules)), data, asked)])
            sources.best = fits[0][0] if fits else None
        weights = _robust(fits[0][0], rules.robust) if fits else None
        if weights is not None:
            data = data._replace(row_weights=weights, options=data.options._replace(robust=True))
            fits = _ranked([_refitted(same, data) for same in fits])
        fits = _distinct(fits, data)
        verdict = _judged([same[0] for same in fits], data)
    best = tuple(same[0] for same in fits)
    other = fits[0][1] if fits and len(fits[0]) > 1 else None
    return GroupsSearched(best, verdict, other, sources.stopped, weights is not None, data.row_weights)


def _judged(fits: list[Grouped], data: GroupedTable) -> Verdict:
    """The verdict of an ordinary table. A structure that is the best with a term more has to come nearer than others,
    as there; here the columns that differ by group are others, so that structures are compared and no values."""
    if not fits:
        return judge([], [])
    far = lambda fit: fit.evidence - fits[0].evidence > settings.EXTENSION_GAP and _extends(fit, fits[0])
    rivals = [place for place, fit in enumerate(fits) if not (place and far(fit))]
    found = judge([as_fitted(fits[place], data) for place in rivals], [])
    return found._replace(alike=tuple(rivals[place] for place in found.alike))


def _extends(fit: Grouped, best: Grouped) -> bool:
    """Whether a sum has the terms of another one, and more."""
    mine, other = _key(fit), _key(best)
    if mine[0] != other[0] or fit.form.kind != "sum" or best.form.kind != "sum":
        return False
    named = lambda key: [
        {(name, cell) for name, cell in zip((*key[2], *key[2]), term, strict=True) if cell} for term in key[3][0]
    ]
    own = named(mine)
    return len(own) > len(named(other)) and all(term in own for term in named(other))


class _Sources:
    """Searches of ordinary tables, in the time that is left."""

    def __init__(
        self,
        data: GroupedTable,
        rules: Rules,
        end: float | None,
        progress: Progress | None,
        stop: Callable[[], bool] | None,
        others: dict[str, Any],
    ):
        self.data, self.rules, self.end, self.progress, self.stop, self.others = (
            data,
            rules,
            end,
            progress,
            stop,
            others,
        )
        self.stopped, self.done = False, 0
        self.best: Grouped | None = None

    def stages(self) -> Iterator[Iterator[Candidate]]:
        """Searches, one after the other, as far as they are needed; `best` is set to the best fit after each.

        The largest groups alone; all rows beside what a group's rows have in common, and as they are, where no law was
        found or a column is one of whole groups; all rows beside the numbers that differ.
        """
        yield self._alone()
        if not self._good(self.best):
            yield self._shared()
        plain = not self._good(self.best) or self._of_groups()
        if plain:
            yield self._plain()
        fit = self.best
        if fit is None or self.stopped or _exact(fit):
            return
        if fit.varies[: fit.form.terms].any():
            yield self._beside_numbers(fit)
        elif not plain:
            yield self._plain()

    def _good(self, fit: Grouped | None) -> bool:
        """Whether nothing speaks against a fit."""
        return fit is not None and judge([as_fitted(fit, self.data)], []).verdict != NONE

    def _of_groups(self) -> bool:
        """Whether a column that varies does not do so within any group."""
        firsts = np.unique(self.data.codes, return_index=True)[1][self.data.codes]
        within = (self.data.x == self.data.x[firsts]).all(0)
        return bool((within & (np.ptp(self.data.x, axis=0) > 0)).any())

    def _plain(self) -> Iterator[Candidate]:
        yield from self._search(self.data.x, np.arange(len(self.data.y)), self.data.options)

    def _shared(self) -> Iterator[Candidate]:
        shared = [each for each in (_factors(self.data), _offsets(self.data)) if each is not None]
        if shared:
            yield from self._beside(shared)

    def _alone(self) -> Iterator[Candidate]:
        data = self.data
        sizes = np.bincount(data.codes)
        for code in np.argsort(-sizes, kind="stable")[:ALONE].tolist():
            rows = np.flatnonzero(data.codes == code)
            if len(rows) >= ALONE_ROWS and np.ptp(data.y[rows]) > 0:
                yield from self._search(data.x, rows, data.options)

    def _beside_numbers(self, fit: Grouped) -> Iterator[Candidate]:
        """Beside the coefficients that differ by group."""
        numbers = fit.numbers[: fit.form.terms][fit.varies[: fit.form.terms]]
        typical = np.sqrt((numbers**2).mean(1, keepdims=True))
        yield from self._beside([row[self.data.codes] for row in (numbers / typical)[:LATENT]])

    def _beside(self, columns: list[np.ndarray]) -> Iterator[Candidate]:
        """With these columns (rows,) as inputs, of which no units are known; formulas without them."""
        data, inputs = self.data, self.data.x.shape[1]
        x = np.concatenate([data.x, np.stack(columns, 1)], 1)
        options = data.options._replace(dimensions=None)
        for candidate in self._search(x, np.arange(len(data.y)), options):
            left = without_latent(candidate, inputs)
            if left is not None:
                yield left

    def _search(self, x: np.ndarray, rows: np.ndarray, options: TableOptions) -> Iterator[Candidate]:
        left = None if self.end is None else self.end - time.monotonic()
        self.stopped = self.stopped or (left is not None and left <= 0) or (self.stop is not None and self.stop())
        if self.stopped:
            return
        weights = None if self.data.row_weights is None else self.data.row_weights[rows]
        done, self.done = self.done, self.done + 1
        report = self.progress
        told = None if report is None else lambda stage, part: report(stage, (done + part) / (ALONE + 3))
        found = search(
            x[rows], self.data.y[rows], rules=self.rules, row_weights=weights, options=options, time_limit=left,
            progress=told, stop=self.stop, **self.others,
        )  # fmt: skip
        self.stopped = self.stopped or found.stopped
        yield from found.candidates[:TAKEN]


def without_latent(candidate: Candidate, inputs: int) -> Candidate | None:
    """The formula without columns that are beyond the inputs; None where one mixes the two, or nothing is left."""
    kept = [j for j, column in enumerate(candidate.columns) if max(column.inputs) < inputs]
    if any(min(column.inputs) < inputs for j, column in enumerate(candidate.columns) if j not in kept):
        return None
    coefficients = candidate.signs * np.exp(candidate.log_coefficients)
    powers, parity, free = (a[None, :, kept] for a in (candidate.exponents, candidate.parity, candidate.free))
    form, batch = candidate.form, Batch(powers, parity, free, coefficients[None], np.zeros(1))
    merged = merge_equal(form, batch)
    form, batch = merged or (form, batch)
    if not valid(form) or (batch.coefficients == 0).any():
        return None
    return replace(
        candidate,
        form=form,
        columns=tuple(candidate.columns[j] for j in kept),
        exponents=batch.exponents[0],
        parity=batch.parity[0],
        free=batch.free[0],
        log_coefficients=np.log(np.abs(batch.coefficients[0])),
        signs=np.sign(batch.coefficients[0]),
        centre=candidate.centre[kept],
        covariance=np.zeros((form.terms + int(batch.free.sum()),) * 2),
    )


def _factors(data: GroupedTable) -> np.ndarray | None:
    """(rows,) what a group's rows are multiplied by, where the target is a product of powers; None of both signs."""
    if not ((data.y > 0).all() or (data.y < 0).all()):
        return None
    usable = (data.x != 0).all(0)
    level = _levels(data, np.log(np.abs(data.x[:, usable])), np.log(np.abs(data.y)))
    return None if level is None else np.exp(np.clip(level, -300, 300))[data.codes]


def _offsets(data: GroupedTable) -> np.ndarray | None:
    """(rows,) what a group's rows are raised by, where the target is a parabola."""
    size = np.maximum(np.abs(data.x).max(0), 1e-300)
    level = _levels(data, np.concatenate([data.x / size, (data.x / size) ** 2], 1), data.y / np.abs(data.y).max())
    return None if level is None or not np.ptp(level) else level[data.codes]


def _levels(data: GroupedTable, columns: np.ndarray, target: np.ndarray) -> np.ndarray | None:
    """(G,) levels of the groups in a linear fit beside the columns (rows, n), about their mean."""
    groups = int(data.codes.max()) + 1
    if len(target) <= columns.shape[1] + groups:
        return None
    design = np.concatenate([columns - columns.mean(0), np.eye(groups)[data.codes]], 1)
    weights = np.ones(len(target)) if data.row_weights is None else data.row_weights
    solution = np.linalg.lstsq(design * weights[:, None], target * weights, rcond=1e-10)[0]
    level = solution[columns.shape[1] :]
    return level - level.mean()


def _structures(candidates: Iterator[Candidate], data: GroupedTable, rules: Rules) -> Iterator[Grouped]:
    """Each structure once, sums also with a number added."""
    seen = set()
    vanishes = any(far.zero for far in rules.far)
    for candidate in candidates:
        fit = grouped.of_candidate(candidate, data.table(candidate.columns), data.codes)
        for each in (fit, *(() if vanishes else _raised(fit))):
            key = _key(each)
            if key not in seen and _consistent(each) and has_limits(candidate, rules.far):
                seen.add(key)
                yield each


def _raised(fit: Grouped) -> list[Grouped]:
    """A sum with a number added, which may differ by group."""
    constant = ~(fit.free | (fit.exponents != 0)).any(1)
    if fit.form.kind != "sum" or constant.any():
        return []
    terms, width, groups = fit.form.terms, fit.exponents.shape[1], fit.groups
    more = lambda array, kind: np.concatenate([array, np.zeros((1, width), kind)])
    small = np.full((1, groups), 1e-3)
    return [
        fit._replace(
            form=Form("sum", (terms + 1,)),
            exponents=more(fit.exponents, float),
            parity=more(fit.parity, int),
            free=more(fit.free, bool),
            numbers=np.concatenate([fit.numbers[:terms], small, fit.numbers[terms:]]),
            varies=np.zeros(len(fit.varies) + 1, bool),
        )
    ]


def _key(fit: Grouped) -> tuple:
    rows = np.where(fit.free, 99.0, fit.exponents)
    used = np.flatnonzero((rows != 0).any(0))
    columns = [fit.table.columns[j] for j in used]
    order = sorted(range(len(used)), key=lambda i: str(columns[i]))
    cells = np.hstack([rows[:, used][:, order], fit.parity[:, used][:, order]])
    starts = np.cumsum([0, *fit.form.groups])
    terms = tuple(tuple(sorted(map(tuple, cells[a:b].tolist()))) for a, b in zip(starts, starts[1:], strict=False))
    return fit.noise, fit.form, tuple(columns[i] for i in order), terms


def _consistent(fit: Grouped) -> bool:
    """Whether its units are, where they have to be."""
    dimensions = fit.table.dimensions
    if dimensions is None or not dimensions.strict:
        return True
    return consistent(dimensions, fit.table.columns, fit.form, fit.exponents, fit.free, fit.table.inputs)


def _decided(structures: list[Grouped], data: GroupedTable, asked: str | None) -> list[list[Grouped]]:
    """Of the best structures their fits, the best first, each without what evidence does not ask for."""
    first = [(min((each.evidence for each in grouped.first(fit, asked)), default=np.inf), fit) for fit in structures]
    first = sorted((pair for pair in first if np.isfinite(pair[0])), key=lambda pair: pair[0])
    found = [grouped.chosen(fit, asked) for _, fit in first[:TOGGLED]]
    found = _ranked([same for same in found if same])
    if not found:
        return []
    best = found[0][0]
    noises = ("relative", "absolute") if not best.table.absolute else (best.noise,)
    more = [best._replace(noise=noise) for noise in noises if noise != best.noise]
    tried = [grouped.chosen(grouped.simpler(each), asked) for each in (best, *more)]
    return _ranked([*found, *(same for same in tried if same)])


def _ranked(found: list[list[Grouped]]) -> list[list[Grouped]]:
    """Each structure once, the best first."""
    once: dict[tuple, list[Grouped]] = {}
    for same in sorted(found, key=lambda same: same[0].evidence):
        once.setdefault(_key(same[0]), same)
    return list(once.values())


def _refitted(same: list[Grouped], data: GroupedTable) -> list[Grouped]:
    """With the weights of the table."""
    again = [each._replace(table=data.table(each.table.columns)) for each in same]
    return sorted((grouped.fitted(each, each.varies) for each in again), key=lambda each: each.evidence)


def _distinct(found: list[list[Grouped]], data: GroupedTable) -> list[list[Grouped]]:
    """Without those that are the same function of the table, or the same but for exponents that errors allow."""
    kept: list[list[Grouped]] = []
    shown: list[tuple[Fitted, Fitted, np.ndarray]] = []
    for same in found:
        now, errors = as_fitted(same[0], data), _exponent_errors(same[0])
        typical = _typical(same[0])
        if not any(
            same_values(other, now) or same_structure(alike, typical, (own, errors)) for other, alike, own in shown
        ):
            kept.append(same)
            shown.append((now, typical, errors))
    return kept


def _typical(fit: Grouped) -> Fitted:
    return Fitted(fit.table, fit.form, grouped.typical_batch(fit), fit.noise, fit.evidence)


def _exponent_errors(fit: Grouped) -> np.ndarray:
    """(K, n) standard errors of exponents, the largest of any group; 0 for simple ones."""
    found = np.zeros(fit.exponents.shape)
    if fit.free.any():
        own = np.sqrt(np.diag(grouped.covariance(fit)))[grouped.places(fit.varies, fit.groups)]
        found[fit.free] = own[fit.form.terms :].max(1)
    return found


def _exact(fit: Grouped) -> bool:
    at = grouped.linear(fit)
    size = float(np.sum((at.weights * fit.table.target) ** 2))
    return bool(at.residuals @ at.residuals < (10 * settings.EXACT) ** 2 * size)


def _robust(fit: Grouped, asked: bool | None) -> np.ndarray | None:
    """Weights of all rows where residuals have heavy tails, as in the search of an ordinary table."""
    at = grouped.linear(fit)
    if asked is False or _exact(fit):
        return None
    if not asked and (kurtosis(at.residuals) < settings.HEAVY_TAILS or fit.table.rows < settings.ROBUST_ROWS):
        return None
    plain, weights = fit.table, np.ones(fit.table.rows)
    for _ in range(settings.ROBUST_ROUNDS):
        heavy = replace(plain, row_weights=plain.row_weights * weights)
        fit = grouped.fitted(fit._replace(table=heavy), fit.varies)
        weights = robust_weights(grouped.linear(fit._replace(table=plain)).residuals)
    return plain.row_weights * weights


def as_fitted(fit: Grouped, data: GroupedTable) -> Fitted:
    """The same values as a formula of an ordinary table, in which what differs by group is columns: for the verdict."""
    typical, terms = grouped.typical_batch(fit), fit.form.terms
    term, column = np.nonzero(fit.free)
    columns, owners = [], []
    for number in np.flatnonzero(fit.varies).tolist():
        own = fit.numbers[number, data.codes]
        if number < terms:
            columns.append(own / typical.coefficients[0, number])
            owners.append(number)
        else:
            k, j = int(term[number - terms]), int(column[number - terms])
            apart = own - typical.exponents[0, k, j]
            columns.append(np.exp(np.clip(apart * fit.table.logs[j], -300, 300)))
            owners.append(k)
    inputs = data.x.shape[1]
    latent = tuple(Column((inputs + place,)) for place in range(len(columns)))
    x = np.concatenate([data.x, np.stack(columns, 1)], 1) if columns else data.x
    options = data.options._replace(dimensions=None)
    whole = (*fit.table.columns, *latent)
    table = prepare(x, data.y, whole, inputs=inputs, row_weights=data.row_weights, options=options)
    exponents = np.concatenate([typical.exponents[0], np.zeros((terms, len(latent)))], 1)
    parity = np.concatenate([fit.parity, np.zeros((terms, len(latent)), int)], 1)
    for place, k in enumerate(owners, fit.exponents.shape[1]):
        exponents[k, place] = 1.0
        parity[k, place] = int(table.signed[place])
    free = np.concatenate([fit.free, np.zeros((terms, len(latent)), bool)], 1)
    shift = exponents[:, fit.exponents.shape[1] :] @ table.centre[fit.exponents.shape[1] :]
    coefficients = typical.coefficients[0] * np.exp(shift)
    batch = Batch(exponents[None], parity[None], free[None], coefficients[None], np.zeros(1))
    return Fitted(table, fit.form, batch, fit.noise, fit.evidence)
