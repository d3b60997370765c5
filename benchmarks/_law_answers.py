"""What the search says of a table, judged: the law or not, the evidence of both, and how good its errors are."""

import itertools
import math
import time
from typing import Any, NamedTuple

import numpy as np
import sympy

from nalu_jax import discover
from nalu_jax.discover._engine.candidate import Column
from nalu_jax.discover._engine.columns import TableOptions
from nalu_jax.discover._engine.dimensions import Dimensions
from nalu_jax.discover._engine.structure import fit_structure

from . import _judge, _report
from ._law import Law

FAILURE = 1.0  # nats: a law with so much better evidence than the answer should have been found
ATTEMPT_SECONDS = 120.0  # a table that takes longer is counted as no answer


class Answer(NamedTuple):
    """What was found, as an expression of x0, x1, ..., and how long that took."""

    found: discover.Found
    expression: sympy.Expr
    seconds: float


class Units(NamedTuple):
    """Dimensions of the inputs and of the target, as vectors; all constants of the law are pure numbers."""

    inputs: list[list[float]]
    target: list[float]


def ask(x: np.ndarray, y: np.ndarray, units: Units | None = None) -> Answer:
    """The answer for a table."""
    start = time.perf_counter()
    if units is None:
        found = discover.table(x, y, progress=False)
    else:
        of_inputs = {f"x{j}": dimension for j, dimension in enumerate(units.inputs)}
        found = discover.table(
            x, y, units=of_inputs, target_unit=units.target, constants="dimensionless", progress=False
        )
    _report.check_whole(found)
    return Answer(found, found.expression, time.perf_counter() - start)


def symbols(n_inputs: int) -> list[sympy.Symbol]:
    """x0, x1, ..."""
    return [sympy.Symbol(f"x{j}", real=True) for j in range(n_inputs)]


def law_evidence(law: Law, units: Units | None = None) -> float | None:
    """Negative log evidence of the law itself, fitted to the table: the better of both kinds of noise.

    Exponents that are no simple numbers are fitted. None where the law is outside of the family.
    """
    if law.shape is None:
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
            form=law.shape,
            columns=columns,
            exponents=law.exponents,
            parity=parity,
            free=free,
            noise=noise,
            log_coefficients=np.log(np.abs(law.constants)),
            signs=np.sign(law.constants) * law.signs,
            options=None if units is None else TableOptions(dimensions=_dimensions(units)),
        )
        found.append(candidate.evidence)
    return float(np.nanmin(found))


def _dimensions(units: Units) -> Dimensions:
    return Dimensions(
        inputs=np.array(units.inputs, float),
        target=np.array(units.target, float),
        known=np.zeros((0, len(units.target))),
        strict=True,
    )


def judged(law: Law, units: Units | None = None) -> dict[str, Any]:
    """Everything about one table, as it goes into a result's row."""
    row = dict(law.labels)
    try:
        with _judge.time_limit(ATTEMPT_SECONDS):
            answer = ask(law.x, law.y, units)
    except Exception as error:  # whatever it is, the table has no answer, which is a result
        return row | {"skipped": f"no answer: {type(error).__name__}: {error}"}
    found = answer.found
    names = symbols(law.x.shape[1])
    same = _judge.same_law(answer.expression, names, law.fresh_x, law.fresh_y, real=law.real)
    evidence, truth = found.best.description_length, law_evidence(law, units)
    return row | {
        "right": same.same,
        "why": same.why,
        "verdict": found.verdict,
        "seconds": round(answer.seconds, 3),
        "evidence": _rounded(evidence),
        "law_evidence": _rounded(truth),
        "failure": bool(not same.same and truth is not None and truth < evidence - FAILURE),
        "errors": errors(law, found.best) if same.same and law.noise > 0 else [],
        "degrees": len(law.y) - fitted_numbers(found.best),
        "answer": found.formula,
        "reason": found.reason,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), 2)


def fitted_numbers(formula: discover.Formula) -> int:
    """Coefficients and exponents with a standard error: those that were not rounded away."""
    exponents = [factor.exponent for term in formula.terms for factor in term.factors]
    return sum(number.error > 0 for number in [*(term.coefficient for term in formula.terms), *exponents])


def errors(law: Law, formula: discover.Formula) -> list[list[Any]]:
    """["coefficient" or "exponent", (answer - law) / standard error] of every fitted number of a sum of products.

    Empty where an exponent was rounded to another number than the law's: coefficients then are not the law's.
    """
    sums = law.shape is not None and law.shape.kind == "sum"
    columns = [factor.column for term in formula.terms for factor in term.factors]
    if formula.form.kind != "sum" or not sums or not all(column.plain for column in columns):
        return []
    if len(formula.terms) != len(law.exponents):
        return []
    shown = np.zeros(law.exponents.shape)
    for row, term in zip(shown, formula.terms, strict=True):
        for factor in term.factors:
            row[factor.column.inputs[0]] = factor.exponent.estimate
    places = range(len(shown))
    order = list(min(itertools.permutations(places), key=lambda p: np.abs(shown[list(p)] - law.exponents).max()))
    found = []
    for k, place in enumerate(order):
        term, truth = formula.terms[place], law.exponents[k]
        found.append(["coefficient", term.coefficient, law.constants[k]])
        found += [["exponent", factor.exponent, truth[factor.column.inputs[0]]] for factor in term.factors]
    if any(number.error == 0 and abs(number.estimate - truth) > 1e-9 * abs(truth) for _, number, truth in found):
        return []
    return [
        [kind, round(float((number.estimate - truth) / number.error), 3)]
        for kind, number, truth in found
        if number.error > 0
    ]
