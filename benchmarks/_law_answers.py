"""What the search says of a table, judged: the law or not, the evidence of both, and how good its errors are."""

import itertools
import math
import time
from typing import Any, NamedTuple

import numpy as np
import sympy
from nalu_jax.discover._engine.structure import fit_structure

from nalu_jax.discover._engine.candidate import Candidate, Column, plain_numbers
from nalu_jax.discover._engine.forms import Form
from nalu_jax.discover._engine.search import search

from . import _judge
from ._law import Law

FAILURE = 1.0  # nats: a law with so much better evidence than the answer should have been found
ATTEMPT_SECONDS = 120.0  # a table that takes longer is counted as no answer


class Answer(NamedTuple):
    """What was said, as an expression of x0, x1, ...; its candidate; and how long that took."""

    verdict: str
    reason: str
    expression: sympy.Expr | None
    candidate: Candidate | None
    seconds: float


def ask(x: np.ndarray, y: np.ndarray, **options: Any) -> Answer:
    """The answer for a table."""
    start = time.perf_counter()
    found = search(x, y, **options)
    seconds = time.perf_counter() - start
    best = found.candidates[0] if found.candidates else None
    return Answer(found.verdict, found.reason, best and expression(best), best, seconds)


def symbols(n_inputs: int) -> list[sympy.Symbol]:
    """x0, x1, ..."""
    return [sympy.Symbol(f"x{j}", real=True) for j in range(n_inputs)]


def expression(candidate: Candidate) -> sympy.Expr:
    """The formula; simple exponents are rational, fitted ones floating-point numbers."""
    inputs = symbols(1 + max((i for column in candidate.columns for i in column.inputs), default=0))
    columns = [_column(column, inputs) for column in candidate.columns]
    numbers = plain_numbers(candidate)
    terms = []
    for k, (sign, log) in enumerate(zip(numbers.signs, numbers.log_coefficients, strict=True)):
        coefficient = sympy.Float(float(sign)) * sympy.exp(sympy.Float(float(log)))
        rows = zip(columns, candidate.exponents[k], candidate.parity[k], candidate.free[k], strict=True)
        terms.append(sympy.Mul(coefficient, *[_power(*row) for row in rows]))
    return _formula(candidate.form, terms)


def _column(column: Column, inputs: list[sympy.Symbol]) -> sympy.Expr:
    total = sympy.Add(*[_exact(w) * inputs[i] for i, w in zip(column.inputs, column.weights, strict=True)])
    return {None: lambda u: u, "sin": sympy.sin, "cos": sympy.cos}[column.function](total)


def _exact(value: float) -> sympy.Expr:
    return sympy.nsimplify(value, rational=True).limit_denominator(1000) if value == value else sympy.nan


def _power(column: sympy.Expr, exponent: float, parity: int, free: bool) -> sympy.Expr:
    if exponent == 0 and not free:
        return sympy.sign(column) if parity else sympy.Integer(1)
    power = sympy.Float(float(exponent)) if free else _exact(float(exponent))
    if not free and power.is_Integer and power % 2 == parity:
        return column**power
    base = column if column.is_positive or (not parity and free is False and power.is_Integer) else column
    return sympy.Pow(base, power, evaluate=False) if not parity else sympy.sign(column) * sympy.Abs(column) ** power


def _formula(form: Form, terms: list[sympy.Expr]) -> sympy.Expr:
    if form.kind in ("sum", "power"):
        return sympy.Add(*terms) ** _exact(form.power)
    if form.kind == "quotient":
        above, below = terms[: form.groups[0]], terms[form.groups[0] :]
        return sympy.Add(*above) ** _exact(form.power) / (1 + sympy.Add(*below)) ** _exact(form.below)
    inside = sympy.Add(*terms[1 : 1 + form.groups[1]])
    value = {
        "expm1": sympy.exp(inside) - 1,
        "1/expm1": 1 / (sympy.exp(inside) - 1),
        "log": sympy.log(sympy.Abs(inside)),
        "log1p": sympy.log(1 + inside),
        "sin^2": sympy.sin(inside) ** 2,
        "1/cosh": 1 / sympy.cosh(inside),
        "arcsin": sympy.asin(inside),
    }.get(form.function or "")
    value = getattr(sympy, form.function or "")(inside) if value is None else value
    return terms[0] * value + sympy.Add(*terms[1 + form.groups[1] :])


def law_evidence(law: Law) -> float | None:
    """Negative log evidence of the law itself, fitted to the table: the better of both kinds of noise.

    Exponents that are no simple numbers are fitted. None where the law is outside of the family.
    """
    if law.shape is None or law.exponents is None:
        return None
    signed = (law.x < 0).any(0)
    free = ~np.isclose(law.exponents * 12, np.round(law.exponents * 12), atol=1e-9)
    columns = tuple(Column((j,)) for j in range(law.x.shape[1]))
    parity = np.where(signed, np.round(law.exponents).astype(int) % 2, 0)
    found = []
    for noise in ("absolute", "relative"):
        candidate = fit_structure(
            law.x,
            law.y,
            form=Form(**law.shape),
            columns=columns,
            exponents=law.exponents,
            parity=parity,
            free=free,
            noise=noise,
            log_coefficients=np.log(np.abs(law.constants)),
            signs=np.sign(law.constants) * law.signs,
        )
        found.append(candidate.evidence)
    return float(np.nanmin(found))


def judged(law: Law, **options: Any) -> dict[str, Any]:
    """Everything about one table, as it goes into a result's row."""
    row = dict(law.labels)
    try:
        with _judge.time_limit(ATTEMPT_SECONDS):
            answer = ask(law.x, law.y, **options)
    except Exception as error:  # whatever it is, the table has no answer, which is a result
        return row | {"skipped": f"no answer: {type(error).__name__}: {error}"}
    names = symbols(law.x.shape[1])
    same = _judge.same_law(answer.expression, names, law.fresh_x, law.fresh_y, real=law.real)
    evidence = None if answer.candidate is None else answer.candidate.evidence
    truth = law_evidence(law)
    return row | {
        "right": same.same,
        "why": same.why,
        "verdict": answer.verdict,
        "seconds": round(answer.seconds, 3),
        "evidence": _rounded(evidence),
        "law_evidence": _rounded(truth),
        "failure": bool(not same.same and truth is not None and (evidence is None or truth < evidence - FAILURE)),
        "errors": errors(law, answer.candidate) if same.same and law.noise > 0 else [],
        "answer": "" if answer.expression is None else str(six_digits(answer.expression)),
        "reason": answer.reason,
    }


def six_digits(expression: sympy.Expr) -> sympy.Expr:
    """The expression with shorter floating-point numbers; exact ones stay."""
    return expression.xreplace({number: sympy.Float(number, 6) for number in expression.atoms(sympy.Float)})


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), 2)


def errors(law: Law, candidate: Candidate | None) -> list[list[Any]]:
    """["coefficient" or "exponent", (answer - law) / standard error] of every fitted number of a sum of products.

    Empty where an exponent was rounded to another number than the law's: coefficients then are not the law's.
    """
    sums = law.exponents is not None and law.shape is not None and law.shape["kind"] == "sum"
    if candidate is None or candidate.form.kind != "sum" or not sums:
        return []
    if not all(column.plain for column in candidate.columns) or len(candidate.exponents) != len(law.exponents):
        return []
    shown = np.zeros(law.exponents.shape)
    free = np.zeros(law.exponents.shape, bool)
    inputs = [column.inputs[0] for column in candidate.columns]
    shown[:, inputs], free[:, inputs] = candidate.exponents, candidate.free
    order = min(
        itertools.permutations(range(len(shown))), key=lambda order: np.abs(shown[list(order)] - law.exponents).max()
    )
    truth = np.empty_like(shown)
    truth[list(order)] = law.exponents
    constants = np.empty(len(shown))
    constants[list(order)] = law.constants * law.signs
    if np.abs((shown - truth)[~free]).max(initial=0.0) > 1e-9:
        return []
    numbers = plain_numbers(candidate)
    deviations = np.sqrt(np.diag(numbers.covariance))
    relative = 1 - constants / (numbers.signs * np.exp(numbers.log_coefficients))
    found = [["coefficient", z] for z in relative / deviations[: len(shown)]]
    found += [["exponent", z] for z in (shown - truth)[free] / deviations[len(shown) :]]
    return [[kind, round(float(z), 3)] for kind, z in found]
