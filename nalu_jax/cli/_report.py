"""What `nalu-jax fit` prints about a formula, as text and as JSON."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import symbolic
from ..discover import Found
from ..symbolic import Path

Errors = Mapping[str, float]

PARTS = {"train": "rows trained on", "held_out": "held out", "outside": "outside of their range"}


def errors_of(found: Found, x: np.ndarray, y: np.ndarray) -> Errors:
    """Of the formula on some rows: how many they are, root mean square error, largest relative error, R^2."""
    result: dict[str, float] = {"rows": len(y)}
    if not len(y):
        return result
    difference, spread = found.predict(x) - y, float(np.sum((y - y.mean()) ** 2))
    result["rms"] = float(np.sqrt(np.mean(difference**2)))
    if (y != 0).all():
        result["largest_relative"] = float(np.max(np.abs(difference / y)))
    if spread > 0:
        result["r2"] = 1 - float(np.sum(difference**2)) / spread
    return result


def as_text(found: Found, target: str, errors: Mapping[str, Errors]) -> str:
    """The formula, its numbers with standard errors, the errors on every part of the rows, the path of the pruning."""
    lines = [f"{target} = {found.formula}"]
    if found.interrupted:
        lines = ["Interrupted: the best formula so far, not simplified to the end.", *lines]
    raw = symbolic.text(found.raw)
    if raw != found.formula:
        lines.append(f"before rounding: {target} = {raw}")
    lines += ["", "numbers before rounding, with standard errors:", *map(_term_line(found.names), found.terms)]
    lines += ["", f"errors of the formula{'':12}{'rows':>6}{'rms':>12}{'largest':>12}{'R^2':>12}"]
    lines += [_error_line(PARTS[part], values) for part, values in errors.items() if values["rows"]]
    if found.path is not None:
        lines += ["", "path of the pruning (* is the formula that was chosen, and rounded after that):"]
        lines += [f"  {'numbers':>8}{'loss':>12}{'BIC':>12}  formula"]
        lines += _path_lines(found.path, found.path_formulas)
    return "\n".join(lines)


def _term_line(names: Sequence[str]):
    def line(term: Any) -> str:
        powers = [
            f"{name}: {symbolic.plus_minus(value, error)}"
            for name, value, error in zip(names, term.exponents, term.exponent_errors, strict=True)
            if value != 0 or error != 0
        ]
        exponents = f"   exponent of {', '.join(powers)}" if powers else ""
        return f"  coefficient {symbolic.plus_minus(term.coefficient, term.coefficient_error)}{exponents}"

    return line


def _error_line(label: str, values: Errors) -> str:
    largest = f"{values['largest_relative']:.3%}" if "largest_relative" in values else "-"
    r2 = f"{values['r2']:.6f}" if "r2" in values else "-"
    return f"  {label:31}{values['rows']:>6}{values['rms']:>12.3g}{largest:>12}{r2:>12}"


def _path_lines(path: Path, formulas: Sequence[str]) -> list[str]:
    marks = ["*" if i == path.chosen else " " for i in range(len(formulas))]
    return [
        f"{mark} {step.complexity:>8}{step.loss:>12.3g}{step.bic:>12.1f}  {formula}"
        for mark, step, formula in zip(marks, path.steps, formulas, strict=True)
    ]


def as_json(found: Found, target: str, errors: Mapping[str, Errors]) -> dict[str, Any]:
    """Everything that the text says, for machines; a number that is not known is null."""
    steps = () if found.path is None else found.path.steps
    return {
        "target": target,
        "inputs": list(found.names),
        "formula": found.formula,
        "latex": symbolic.latex(found.expression),
        "before_rounding": symbolic.text(found.raw),
        "terms": [
            {
                "coefficient": _known(term.coefficient),
                "coefficient_error": _known(term.coefficient_error),
                "exponents": _by_name(found.names, term.exponents),
                "exponent_errors": _by_name(found.names, term.exponent_errors),
            }
            for term in found.terms
        ],
        "residuals": found.scale,
        "errors": {part: dict(values) for part, values in errors.items()},
        "path": [
            {"numbers": step.complexity, "loss": step.loss, "bic": step.bic, "formula": formula}
            for step, formula in zip(steps, found.path_formulas, strict=True)
        ],
        "chosen": None if found.path is None else found.path.chosen,
        "restarts": int(found.fit.validation.size),
        "interrupted": found.interrupted,
    }


def _by_name(names: Sequence[str], values: np.ndarray) -> dict[str, float | None]:
    return {name: _known(value) for name, value in zip(names, values, strict=True)}


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
