"""What the data allow to say of the best formula: recovered, one of several, or none.

A verdict is relative to the family of formulas, and is found with rivals from the whole family.
"""

import itertools
from typing import NamedTuple

import numpy as np

from nalu_jax.discover._engine import settings
from nalu_jax.discover._engine.evidence import covariance, linearise, variance
from nalu_jax.discover._engine.forms import ROOTS
from nalu_jax.discover._engine.misfit import kurtosis
from nalu_jax.discover._engine.rivals import extends
from nalu_jax.discover._engine.structure import Fitted, misfit

RECOVERED, ALIKE, NONE = "recovered", "several candidates alike", "no simple formula found"


class Verdict(NamedTuple):
    """The verdict, its reason in a sentence, and places of formulas that the data cannot tell from the best."""

    verdict: str
    reason: str
    alike: tuple[int, ...]


class Signs(NamedTuple):
    """What speaks for and against a formula.

    Attributes:
        misfit: nats by which a smooth function explains what the formula leaves.
        cancelling: rms of the sum of |terms| of a group by rms of their sum, the largest; not of what is inside a
            function.
        free: number of exponents that are no simple numbers; rates of exponentials are none.
        of_functions: of them those of a sine, cosine, logarithm or difference of inputs.
        rates: number of exponentials' rates.
        inputs: those of a sum of products, each of which may have some; 1 of any other formula.
        inflation: root of the ratio of the squared errors of left-out rows to those of fitted rows.
        weakest: smallest coefficient in its standard errors.
        tails: fourth moment of the residuals by the squared second.
        exact: whether residuals are as small as rounding.
    """

    misfit: float
    cancelling: float
    free: int
    of_functions: int
    rates: int
    inputs: int
    inflation: float
    weakest: float
    tails: float
    exact: bool


def signs(fitted: Fitted) -> Signs:
    table, form, batch = fitted.table, fitted.form, fitted.batch
    linear = linearise(table, form, batch, fitted.noise)
    terms = form.terms
    moving = np.concatenate([np.ones((1, terms), bool), batch.free.reshape(1, -1)], 1)
    s2, rss = variance(linear, table.target, moving.sum(1))
    residuals = linear.residuals[0]
    size = float(np.sum((linear.weights[0] * table.target) ** 2))
    exact = bool(rss[0] < (settings.EXACT * 10) ** 2 * size)
    error = np.sqrt(np.diagonal(covariance(linear, moving)[0])[:terms] * s2[0])
    jacobian = linear.jacobian[0][moving[0]]
    length = np.sqrt((jacobian**2).sum(1, keepdims=True)) + 1e-300
    basis, _ = np.linalg.qr((jacobian / length).T)
    left_out = residuals / np.maximum(1 - (basis**2).sum(1), 0.02)
    free = batch.free[0].sum(0)
    plain = np.array([column.plain for column in table.columns])
    growing = np.array([column.function == "exp" for column in table.columns])
    return Signs(
        misfit=0.0 if exact else misfit(fitted),
        cancelling=_cancelling(fitted),
        free=int(free[~growing].sum()),
        of_functions=int(free[~growing & ~plain].sum()),
        rates=int(free[growing].sum()),
        inputs=_inputs(fitted),
        inflation=float(np.sqrt((left_out**2).sum() / max(rss[0], 1e-300))),
        weakest=float((1 / np.maximum(error, 1e-300)).min()),
        tails=kurtosis(residuals),
        exact=exact,
    )


def _inputs(fitted: Fitted) -> int:
    """Three real powers come near any smooth function of one input, but not of several."""
    batch = fitted.batch
    used = (batch.free[0] | (batch.exponents[0] != 0)).any(0)
    plain = all(column.plain for column, use in zip(fitted.table.columns, used, strict=True) if use)
    return max(int(used.sum()), 1) if fitted.form.kind == "sum" and plain else 1


def _cancelling(fitted: Fitted) -> float:
    """How much larger the terms of a group are than their sum; inside a function that may be: a phase, or a peak."""
    table, form, batch = fitted.table, fitted.form, fitted.batch
    with np.errstate(all="ignore"):
        from_logs = np.exp(np.minimum(batch.exponents[0] @ table.logs, 300))
        values = batch.coefficients[0][:, None] * from_logs * (1 - 2 * ((batch.parity[0] @ table.negative) % 2))
    starts = np.cumsum([0, *form.groups])
    largest = 1.0
    for group, (begin, end) in enumerate(itertools.pairwise(starts)):
        if end - begin > 1 and not (form.kind == "function" and group == 1):
            whole = np.mean(np.abs(values[begin:end]).sum(0) ** 2)
            largest = max(largest, float(np.sqrt(whole / max(np.mean(values[begin:end].sum(0) ** 2), 1e-300))))
    return largest


def judge(found: list[Fitted], barred: list[Fitted]) -> Verdict:
    """The verdict on the first of `found`.

    Args:
        found: distinct formulas that may be the answer, the best first.
        barred: those that the caller does not allow, the best first.
    """
    if not found:
        return Verdict(NONE, "nothing was fitted before the search was stopped", ())
    best = found[0]
    seen = signs(best)
    against = _against(seen)
    if against is not None:
        return Verdict(NONE, against, ())
    if barred and barred[0].evidence < best.evidence - settings.GAP:
        ahead = best.evidence - barred[0].evidence
        text = f"a {describe(barred[0])}, which was not allowed, fits better by {ahead:.1f}"
        return Verdict(NONE, text + " nats", ())
    alike = tuple(i for i, other in enumerate(found) if i and _is_near(other, best))
    others = [other for other in barred if other.evidence < best.evidence + settings.GAP]
    if alike:
        gap = found[alike[0]].evidence - best.evidence
        return Verdict(ALIKE, f"{_count(len(alike))} within {settings.GAP:g} nats of it, the next at {gap:.1f}", alike)
    if others:
        return Verdict(ALIKE, f"a {describe(others[0])}, which was not allowed, fits as well", ())
    doubt = _doubt(seen)
    if doubt is not None:
        return Verdict(ALIKE, doubt, ())
    return Verdict(RECOVERED, _reason(found, seen), ())


def _is_near(other: Fitted, best: Fitted) -> bool:
    """Whether another formula may be the law as well as the best. One that is the best with a term more, which the data
    hardly show, has to come nearer than one of another kind."""
    behind = other.evidence - best.evidence
    return behind < settings.GAP and not (behind > settings.EXTENSION_GAP and extends(other, best))


def _against(seen: Signs) -> str | None:
    """Why a formula is no law of the data."""
    if seen.misfit > settings.CLEAR_MISFIT:
        return f"the residuals still follow the inputs (a smooth function explains {seen.misfit:.1f} nats of them)"
    if cancels(seen):
        return f"its terms cancel: they are {seen.cancelling:.0f} times as large as their sum"
    return too_free(seen)


def too_free(seen: Signs) -> str | None:
    """What says that more exponents or rates are measured ones than a law's are."""
    if seen.of_functions:
        return "a power of a function of an input is no simple number"
    if seen.rates > settings.RATES_OF_A_LAW:
        return f"it has {seen.rates} different rates of growth and decay"
    if seen.free > settings.FREE_EXPONENTS * seen.inputs:
        return f"{seen.free} of its exponents are no simple numbers"
    return None


def cancels(seen: Signs) -> bool:
    """Whether terms of a formula make up for each other beyond what a law's do."""
    return seen.cancelling > (settings.CANCELLING if seen.free else settings.SIMPLE_CANCELLING)


def _doubt(seen: Signs) -> str | None:
    """Why a formula, though no rival is near, is not said to be recovered."""
    if seen.exact:
        rests = seen.free > settings.FREE_EXPONENTS and seen.inflation > settings.EXACT_INFLATION
        return "its exponents rest on a few rows, without which it fails" if rests else None
    if seen.misfit > settings.MISFIT:
        return f"its residuals may still follow the inputs (a smooth function explains {seen.misfit:.1f} nats of them)"
    if seen.weakest < settings.WEAKEST:
        return f"one of its terms is only {seen.weakest:.1f} standard errors large"
    if seen.inflation > settings.INFLATION:
        return "it predicts rows that are left out clearly worse than those it was fitted to"
    if seen.tails > settings.TAILS:
        return "single rows lie far off, which one outlier too many would turn to another formula"
    return None


def _reason(found: list[Fitted], seen: Signs) -> str:
    if seen.exact:
        return "it explains the data to rounding"
    if len(found) == 1:
        return "no other formula comes near it"
    return f"the next formula is {found[1].evidence - found[0].evidence:.1f} nats behind"


def _count(number: int) -> str:
    return "one other formula is" if number == 1 else f"{number} other formulas are"


def describe(fitted: Fitted) -> str:
    """What kind of formula it is, in words."""
    form = fitted.form
    if form.kind == "function":
        return "formula with a root beside a term" if form.function in ROOTS else f"formula with {form.function}"
    used = (fitted.batch.free[0] | (fitted.batch.exponents[0] != 0)).any(0)
    special = [column for column, use in zip(fitted.table.columns, used, strict=True) if use and not column.plain]
    if special:
        return f"formula with {special[0].function or 'a difference of inputs'}"
    return {"sum": "sum of products", "power": "power of a sum", "quotient": "quotient of sums"}[form.kind]
