"""The search on tables: leads a table through the rooms, keeps the time, and hands over what was found."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nalu_jax.discover._engine import consistent, settings
from nalu_jax.discover._engine.candidate import Candidate, Noise
from nalu_jax.discover._engine.columns import TableOptions, smallest_told
from nalu_jax.discover._engine.derived import proposals, with_exponentials
from nalu_jax.discover._engine.dimensions import consistent as is_consistent
from nalu_jax.discover._engine.evidence import linearise, variance
from nalu_jax.discover._engine.far import Far, has_limits
from nalu_jax.discover._engine.forms import FAMILIES, FUNCTIONS, ROOTS, outside_functions
from nalu_jax.discover._engine.guess import Guess, from_guess
from nalu_jax.discover._engine.outliers import are_off, has_tails, hidden, reweighted, without_hinges
from nalu_jax.discover._engine.rivals import distinct_structures, extends, improve_by_neighbours, names, same_values
from nalu_jax.discover._engine.screening import screen
from nalu_jax.discover._engine.structure import Fitted, as_candidate, on_all_rows, refit
from nalu_jax.discover._engine.sums import search_sums
from nalu_jax.discover._engine.tables import Tables
from nalu_jax.discover._engine.verdict import Signs, cancels, judge, signs, too_free
from nalu_jax.discover._engine.wider import Stage, Wider

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Searched:
    """What a search on a table found.

    Attributes:
        candidates: distinct formulas, the best (least `evidence`) first; empty only where a stop came at once.
        verdict: "recovered", "several candidates alike" or "no simple formula found".
        reason: of the verdict, in a sentence.
        alike: places in `candidates` of those that the data cannot tell from the first.
        screened: inputs that were left out before the search, because the target does not follow them.
        constant: inputs that do not vary.
        stopped: whether the time limit or an interrupt ended the search early.
        row_weights: (rows,) weights of rows, that were given or that outliers made necessary, or None.
        robust: whether outliers made them necessary.
    """

    candidates: tuple[Candidate, ...]
    verdict: str
    reason: str
    alike: tuple[int, ...]
    screened: tuple[int, ...]
    constant: tuple[int, ...]
    stopped: bool
    row_weights: np.ndarray | None = None
    robust: bool = False


class Rules(NamedTuple):
    """What may be the answer.

    Attributes:
        functions: families of elementary functions (of `forms.FAMILIES`).
        nested: whether powers of sums and quotients may be.
        include: inputs that it has to have.
        exclude: inputs that are not looked at.
        robust: whether outliers are weighted down: always, never, or where they are seen (None).
        positive: whether no coefficient may be negative, but for those inside of a function.
        far: what it has to do far off.
    """

    functions: tuple[str, ...] = FAMILIES
    nested: bool = True
    include: tuple[int, ...] = ()
    exclude: tuple[int, ...] = ()
    robust: bool | None = None
    positive: bool = False
    far: tuple[Far, ...] = ()


class _Clock:
    """Says when to stop, and how far the search is."""

    def __init__(self, time_limit: float | None, progress: Progress | None, stop: Callable[[], bool] | None):
        self.end = None if time_limit is None else time.monotonic() + time_limit
        self.progress, self.stop = progress, stop
        self.stopped = False

    def ready(self, stage: str, fraction: float) -> bool:
        """Whether a stage may begin."""
        if self.progress is not None:
            self.progress(stage, fraction)
        late = self.end is not None and time.monotonic() > self.end
        asked = self.stop is not None and self.stop()
        self.stopped = self.stopped or late or asked
        return not self.stopped


def search(
    x: np.ndarray,
    y: np.ndarray,
    *,
    rules: Rules | None = None,
    terms: int = 4,
    seed: int = 0,
    row_weights: np.ndarray | None = None,
    options: TableOptions | None = None,
    guesses: tuple[Guess, ...] = (),
    time_limit: float | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> Searched:
    """Formulas for y by x, the best first, with a verdict.

    Args:
        x: finite inputs (rows, n_in), as they are: not scaled.
        y: finite target (rows,), not constant.
        rules: what may be the answer; anything of the family by default.
        terms: largest number of terms of a sum.
        seed: of random starts and row samples.
        row_weights: (rows,) reciprocal errors of rows, relative to each other.
        options: what is known of the table beside its numbers.
        guesses: formulas from which fits begin too.
        time_limit: in seconds; looked at between the stages of the search.
        progress: called with the name of the stage and the fraction that is done.
        stop: asked between stages; when true the search ends with the best so far.
    """
    every = tuple(j for j in range(x.shape[1]) if j not in (rules or Rules()).exclude)
    tables = Tables(np.asarray(x, float), np.asarray(y, float), every, seed, row_weights, options)
    with np.errstate(all="ignore"):  # what leaves the numbers costs a candidate, and nothing else
        return _search(tables, rules or Rules(), terms, guesses, _Clock(time_limit, progress, stop))


def _search(tables: Tables, rules: Rules, terms: int, guesses: tuple[Guess, ...], clock: _Clock) -> Searched:
    every = tables.inputs
    constant = tuple(every[j] for j in np.flatnonzero(tables.full().constant))
    screened: tuple[int, ...] = ()
    if len(every) > settings.SCREENED_FROM and clock.ready("screening", 0.0):
        inputs = tuple(every[j] for j in screen(tables.sizes()[-1]))
        inputs = tuple(sorted({*inputs, *rules.include}))
        screened = tuple(j for j in every if j not in inputs)
        tables = tables.of_inputs(inputs)
    tables, found = _collect_at_any_floor(tables, clock, terms, guesses)
    if rules.robust is not False:
        tables, found = _without_hinges(tables, found, clock, terms, guesses)
    if found and not clock.stopped:
        weighted = _weighted(found, tables, rules.robust, terms)
        found = found if weighted is None else _collect(weighted, clock, terms, guesses) or found
        tables = weighted or tables
    allowed = distinct_laws([fitted for fitted in found if _allowed(fitted, rules)], tables)
    allowed = [fitted for fitted in allowed if _allowed(fitted, rules)]
    barred = [f for f in found if _has_unit(f) and _as_known(f, rules) and not _allowed(f, rules)]
    barred = [f for f in distinct_laws(barred, tables) if not _allowed(f, rules)]  # neighbours may be allowed
    verdict = judge(allowed, barred)
    candidates = tuple(as_candidate(fitted) for fitted in allowed)
    return Searched(candidates, *verdict, screened, constant, clock.stopped, tables.row_weights, tables.options.robust)


def _allowed(fitted: Fitted, rules: Rules) -> bool:
    if not _has_unit(fitted) or not _within_limits(fitted) or not _as_known(fitted, rules):
        return False
    if (fitted.form.kind in ("power", "quotient") or fitted.form.function in ROOTS) and not rules.nested:
        return False
    function = fitted.form.function
    if function is not None and function not in ROOTS and FUNCTIONS[function].family not in rules.functions:
        return False
    used = (fitted.batch.free[0] | (fitted.batch.exponents[0] != 0)).any(0)
    columns = [column for column, use in zip(fitted.table.columns, used, strict=True) if use]
    if not rules.nested and any(len(column.inputs) > 1 for column in columns):
        return False
    if not {place for column in columns for place in column.inputs} >= set(rules.include):
        return False
    return {column.function for column in columns if column.function} <= set(rules.functions)


def _as_known(fitted: Fitted, rules: Rules) -> bool:
    """Whether a formula has the signs and the limits that are known."""
    if rules.positive and (fitted.batch.coefficients[0, outside_functions(fitted.form)] < 0).any():
        return False
    return not rules.far or has_limits(as_candidate(fitted), rules.far)


def _within_limits(fitted: Fitted) -> bool:
    """Whether the exponents are what the caller allows."""
    limits, batch = fitted.table.limits, fitted.batch
    if limits is None:
        return True
    return bool(limits.allow(batch.exponents).all() and not (limits.whole and batch.free.any()))


def _has_unit(fitted: Fitted) -> bool:
    """Whether the units of a formula are consistent, where they have to be."""
    table, batch = fitted.table, fitted.batch
    if table.dimensions is None or not table.dimensions.strict:
        return True
    return is_consistent(table.dimensions, table.columns, fitted.form, batch.exponents[0], batch.free[0], table.inputs)


def _collect_at_any_floor(
    tables: Tables, clock: _Clock, terms: int, guesses: tuple[Guess, ...]
) -> tuple[Tables, list[Fitted]]:
    """The formulas, and the table with the size below which relative noise is no smaller: of a target over many decades
    sums of products choose it first, and the best formula once more."""
    least = tables.full().least
    if least is None or tables.options.absolute:
        return tables, _collect(tables, clock, terms, guesses)
    floors = _floors(tables, least)
    if clock.ready("relative noise of small rows", 0.0):
        best = [min((f.evidence for f in _sums(each, "relative", terms)), default=np.inf) for each in floors]
        tables = floors[int(np.argmin([one + settings.GAP * (place > 0) for place, one in enumerate(best)]))]
    found = _collect(tables, clock, terms, guesses)
    if not found or clock.stopped:
        return tables, found
    best = min(found, key=lambda fitted: fitted.evidence)
    derived = tuple(column for column in best.table.columns if not column.plain)
    again = [refit(best._replace(table=each.sizes(derived)[-1], noise="relative")).evidence for each in floors]
    if min(again) > best.evidence - settings.EFFORT_MARGIN:
        return tables, found
    other = floors[int(np.argmin(again))]
    return other, _collect(other, clock, terms, guesses) or found


def _weighted(found: list[Fitted], tables: Tables, robust: bool | None, terms: int) -> Tables | None:
    """The table with weights of rows that outliers make necessary; None where they do not."""
    sums = lambda weighted: [each for noise in _noises(weighted) for each in _sums(weighted, noise, terms)]
    if has_tails(found, robust):
        return reweighted(found, tables, sums)
    return None if robust is False or _enough(found, many_terms=True) else hidden(found, tables, sums)


def _without_hinges(
    tables: Tables, found: list[Fitted], clock: _Clock, terms: int, guesses: tuple[Guess, ...]
) -> tuple[Tables, list[Fitted]]:
    """The formulas of the other rows where single rows alone decide the best one, and something simpler explains all
    others far better."""
    for _ in range(settings.HINGE_ROUNDS):
        sums = lambda others, noise: _sums(others, noise, terms)
        hinged = without_hinges(found, tables, sums) if found and not clock.stopped else None
        if hinged is None:
            return tables, found
        others, before = hinged
        again = _collect(others, clock, terms, guesses)
        if not again or min(fitted.evidence for fitted in again) > before.evidence - settings.GAP:
            return tables, found
        if not are_off(again, tables, others):
            return tables, found
        tables, found = others, again
    return tables, found


def _floors(tables: Tables, least: float) -> list[Tables]:
    """The table with relative noise down to its smallest row, to where the median says, and to between."""
    whole = tables.full()
    most = smallest_told(whole.target)
    return [tables.with_least(float(each * whole.target_scale)) for each in (least, np.sqrt(least * most), most)]


def _sums(tables: Tables, noise: Noise, terms: int) -> list[Fitted]:
    """Sums of products."""
    _, table, judged = tables.sizes()
    rng = np.random.default_rng(tables.seed)
    return search_sums(table, judged, noise, most_terms=terms, library=settings.LIBRARY, rng=rng)


def _collect(tables: Tables, clock: _Clock, terms: int, guesses: tuple[Guess, ...]) -> list[Fitted]:
    """Formulas of the whole family, as fitted on the rows on which exponents are rounded."""
    seed = tables.seed
    found = [fitted for guess in guesses for noise in _noises(tables) for fitted in from_guess(guess, tables, noise)]
    if tables.options.dimensions is not None:
        found += _collect_consistent(tables, clock, terms)
    if found and (_settled(found) or (tables.strict and _enough(found))):
        return found
    for noise in _noises(tables):
        if clock.ready("sums of products", 0.0):
            found += _sums(tables, noise, terms)
    if not found or _settled(found):
        return found
    found.append(_with_other_noise(min(found, key=lambda fitted: fitted.evidence)))
    worth, searched = _worth_noises(found), list[Noise]()
    while not clock.stopped and (noise := _next_noise(found, worth, searched)) is not None:
        wider = Wider(tables, noise, seed, thorough=not _enough(found), found=found)
        _widen(found, wider, clock, len(searched) / max(len(worth), len(searched) + 1))
        searched.append(noise)
        found += _far_better_under_the_other_noise(found)
    return found


def _next_noise(found: list[Fitted], worth: tuple[Noise, ...], searched: list[Noise]) -> Noise | None:
    """The model of the noise under which the wider family is searched next: of those that are worth it while no law
    stands; then that of the best formula. None where it is searched."""
    left: list[Noise] = [noise for noise in worth if noise not in searched]
    if left and not (searched and _enough(found)):
        return left[0]
    best = min(found, key=lambda fitted: fitted.evidence)
    return None if best.noise in searched else best.noise


def _far_better_under_the_other_noise(found: list[Fitted]) -> list[Fitted]:
    """The best formula under the other model of the noise, where it explains far more under it: what the formulas
    before it left may have spoken for the wrong one."""
    best = min(found, key=lambda fitted: fitted.evidence)
    other = _with_other_noise(best)
    return [other] if other.evidence < best.evidence - settings.EFFORT_MARGIN else []


def _collect_consistent(tables: Tables, clock: _Clock, terms: int) -> list[Fitted]:
    """Formulas whose units are consistent, with constants that are pure numbers or known."""
    found: list[Fitted] = []
    for noise in _noises(tables):
        if clock.ready("consistent sums", 0.0):
            found += consistent.plain_sums(tables, noise, terms)
    if not found:
        return found
    columns = tables.with_units(proposals(tables.x, tables.columns))
    for noise in _worth_noises(found):
        for place, (name, tasks) in enumerate(consistent.wider(tables, noise, columns, terms)):
            for task in tasks:
                if place >= settings.CONSISTENT_RIVALS and _enough(found):
                    break
                if _settled(found) or not clock.ready(name, 0.1):
                    return found
                found += task(min(fitted.evidence for fitted in found))
    return found


def _noises(tables: Tables) -> tuple[Noise, ...]:
    """Models of the noise: known errors of rows leave no choice."""
    return ("absolute",) if tables.full().absolute else ("relative", "absolute")


def _widen(found: list[Fitted], wider: Wider, clock: _Clock, done: float) -> None:
    """Adds formulas of the wider family: rivals in any case, the others while nothing fits."""
    stages, standing = wider.stages(), _Standing()
    for place, stage in enumerate(stages):
        for task in stage.tasks:
            if _settled(found):
                return
            if not _is_asked_for(stage, found, standing):
                break
            if not clock.ready(stage.name, 0.2 + 0.7 * min(done + place / len(stages), 1.0)):
                return
            found += task(min(fitted.evidence for fitted in found))


def _is_asked_for(stage: Stage, found: list[Fitted], standing: "_Standing") -> bool:
    """Whether a part of the wider family is searched, by what is found already: not more of what follows outliers."""
    if stage.after == "law" or not standing.enough(found, many_terms=stage.after == "nothing fits"):
        return True
    if stage.after == "little":
        return _explains_little(found)
    if stage.after == "nothing fits" or standing.seen is None or standing.seen.tails >= settings.HEAVY_TAILS:
        return False
    series = stage.after == "real exponents" and standing.best is not None and _may_be_a_series(standing.best)
    return series or _is_one_of_many(found)


def _may_be_a_series(fitted: Fitted) -> bool:
    """Whether a formula has several terms and an exponent that is neither whole nor half."""
    twice = 2 * fitted.batch.exponents[0]
    return fitted.form.terms > 1 and bool(fitted.batch.free.any() or (twice != np.round(twice)).any())


def _is_one_of_many(found: list[Fitted]) -> bool:
    """Whether formulas of another kind are near the best: then none of them may be the law, but all a series of it."""
    best = min(found, key=lambda fitted: fitted.evidence)
    kinds: dict[tuple, Fitted] = {}
    for fitted in sorted(found, key=lambda fitted: fitted.evidence):
        if fitted.evidence < best.evidence + settings.GAP and names(fitted) != names(best):
            kinds.setdefault((fitted.form, fitted.table.columns), fitted)
    return not all(extends(fitted, best) or same_values(best, fitted) for fitted in kinds.values())


class _Standing:
    """Whether a law stands, looked at again only where another formula has become the best."""

    def __init__(self) -> None:
        self.best: Fitted | None = None
        self.seen: Signs | None = None

    def enough(self, found: list[Fitted], *, many_terms: bool) -> bool:
        best = min(found, key=lambda fitted: fitted.evidence)
        if self.seen is None or best is not self.best:
            self.best, self.seen = best, signs(best)
        return _suffices(best, self.seen, many_terms)


def _enough(found: list[Fitted], *, many_terms: bool = False) -> bool:
    """Whether the best formula seems to be the law, so that others are looked at as its rivals only.

    Many terms may be the series of something simpler, and are enough only where `many_terms` says so.
    """
    best = min(found, key=lambda fitted: fitted.evidence)
    return _suffices(best, signs(best), many_terms)


def _suffices(best: Fitted, seen: Signs, many_terms: bool) -> bool:
    poor = seen.misfit > settings.MISFIT or cancels(seen)
    few = many_terms or best.form.terms <= settings.FEW_TERMS
    return few and not poor and too_free(seen) is None


def _explains_little(found: list[Fitted]) -> bool:
    """Whether most of the target's variation is left: fast waves in several inputs look like noise along each."""
    fitted = min(found, key=lambda fitted: fitted.evidence)
    linear = linearise(fitted.table, fitted.form, fitted.batch, fitted.noise)
    squares, target = linear.weights[0] ** 2, fitted.table.target
    mean = np.sum(squares * target) / np.sum(squares)
    return bool(np.sum(linear.residuals[0] ** 2) > settings.LITTLE * np.sum(squares * (target - mean) ** 2))


def _worth_noises(found: list[Fitted]) -> tuple[Noise, ...]:
    """The noise model that explains more, and the other one where they are near each other or no law stands yet: what
    formulas that do not fit leave says nothing of the noise."""
    scores: dict[Noise, float] = {}
    for fitted in found:
        scores[fitted.noise] = min(scores.get(fitted.noise, np.inf), fitted.evidence)
    order = sorted(scores, key=lambda noise: scores[noise])
    if len(order) == 1 or (scores[order[1]] - scores[order[0]] > settings.EFFORT_MARGIN and _enough(found)):
        return (order[0],)
    return tuple(order)


def _settled(found: list[Fitted]) -> bool:
    """Whether exact data are explained exactly, by simple exponents: nothing can be better."""
    best = min(found, key=lambda fitted: fitted.evidence)
    linear = linearise(best.table, best.form, best.batch, best.noise)
    _, rss = variance(linear, best.table.target, np.zeros(1))
    size = float(np.sum((linear.weights * best.table.target) ** 2))
    return bool(rss[0] < (10 * settings.EXACT) ** 2 * size) and not best.batch.free.any()


def distinct_laws(found: list[Fitted], tables: Tables) -> list[Fitted]:
    """The formulas near the best and the best of each form, each once, refitted on all rows, the best first.

    The walk over neighbours of the best may find better ones.
    """
    ranked = _once(found)
    if not ranked:
        return []
    best, around = _improved(ranked[0])
    around += with_exponentials(best, tables)
    near = [f for f in [best, *ranked, *around] if f.evidence < best.evidence + settings.RIVALS]
    near.sort(key=lambda fitted: fitted.evidence)
    near = [*(_with_other_noise(f) for f in near[: settings.OTHER_NOISE]), *near]
    near.sort(key=lambda fitted: fitted.evidence)
    forms: dict[tuple, Fitted] = {}
    for fitted in ranked:
        forms.setdefault((fitted.form.kind, fitted.form.terms), fitted)
    cells = best.form.terms * (1 + best.table.width) * len(tables.y)
    most = int(np.clip(settings.REFITTED_CELLS // cells, settings.FEWEST_REFITTED, settings.REFITTED))
    chosen = distinct_structures(near, most)
    if most == settings.REFITTED:
        chosen += list(forms.values())
    chosen = sorted((on_all_rows(fitted, tables) for fitted in chosen), key=lambda fitted: fitted.evidence)
    kept: list[Fitted] = []
    for fitted in distinct_structures([f for f in chosen if np.isfinite(f.evidence)], len(chosen)):
        if not any(same_values(other, fitted) or _in_other_noise(other, fitted) for other in kept):
            kept.append(fitted)
    return kept


def _once(found: list[Fitted]) -> list[Fitted]:
    """Each law under each noise once, the best first: of copies in several tables that differ in rounding errors only
    the one in the table with the fewest columns, on every machine the same one."""
    once: dict[tuple, Fitted] = {}
    for fitted in sorted(found, key=lambda each: (each.table.width, repr(each.table.columns), each.evidence)):
        name = fitted.noise, *names(fitted)
        if name not in once or fitted.evidence < once[name].evidence - settings.SAME_EVIDENCE:
            once[name] = fitted
    return sorted(once.values(), key=lambda fitted: fitted.evidence)


def _improved(fitted: Fitted) -> tuple[Fitted, list[Fitted]]:
    """The best formula that walks over neighbours reach, and all that were tried: under both kinds of noise where these
    are near each other, since what is simple under one may not be seen to be under the other."""
    firsts = sorted((fitted, _with_other_noise(fitted)), key=lambda each: each.evidence)
    walks = [improve_by_neighbours(each) for each in firsts if each.evidence < firsts[0].evidence + settings.RIVALS]
    best = min((reached for reached, _ in walks), key=lambda each: each.evidence)
    return best, [each for reached, tried in walks for each in (reached, *tried)]


def _in_other_noise(first: Fitted, second: Fitted) -> bool:
    """Whether two fits are one law under two kinds of noise, also in tables of other columns: its numbers move by more
    than `same_values` allows."""
    return first.noise != second.noise and names(first) == names(second)


def _with_other_noise(fitted: Fitted) -> Fitted:
    if fitted.table.absolute:
        return fitted
    return refit(fitted._replace(noise="absolute" if fitted.noise == "relative" else "relative"))
