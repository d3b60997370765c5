"""What `nalu-jax fit` prints about a formula, as text and as JSON."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..discover import Found, _json

Errors = Mapping[str, float]

PARTS = {"train": "rows trained on", "held_out": "held out", "outside": "outside of their range"}


def errors_of(predicted: np.ndarray, y: np.ndarray) -> Errors:
    """Of what a formula predicts for some rows: how many they are, root mean square error, largest relative error, R^2.

    What is not finite, or has no meaning in these rows, is left out.
    """
    result: dict[str, float] = {"rows": len(y)}
    if not len(y):
        return result
    size = float(np.abs(y).max()) or 1.0  # so that no square leaves the range of float64
    with np.errstate(all="ignore"):
        difference = (predicted - y) / size
        result["rms"] = size * float(np.sqrt(np.mean(difference**2)))
        if (y != 0).all():
            result["largest_relative"] = float(np.max(np.abs(difference / (y / size))))
        spread = float(np.sum((y / size - np.mean(y / size)) ** 2))
        if spread > 0:
            result["r2"] = 1 - float(np.sum(difference**2)) / spread
    return {name: value for name, value in result.items() if np.isfinite(value)}


def as_text(found: Found, errors: Mapping[str, Errors]) -> str:
    """The verdict, the formula, its numbers with standard errors, the errors on every part of the rows."""
    lines = [f"errors of the formula{'':12}{'rows':>6}{'rms':>12}{'largest':>12}{'R^2':>12}"]
    lines += [_error_line(PARTS[part], values) for part, values in errors.items() if values["rows"]]
    first = ["Interrupted: the best formula so far."] if found.interrupted else []
    return "\n".join([*first, str(found), "", *lines])


def _error_line(label: str, values: Errors) -> str:
    rms = f"{values['rms']:.3g}" if "rms" in values else "-"
    largest = f"{values['largest_relative']:.3%}" if "largest_relative" in values else "-"
    r2 = f"{values['r2']:.6f}" if "r2" in values else "-"
    return f"  {label:31}{values['rows']:>6}{rms:>12}{largest:>12}{r2:>12}"


def as_json(found: Found, errors: Mapping[str, Errors]) -> dict[str, Any]:
    """What `Found.save` writes, and the errors on every part of the rows."""
    return {**_json.as_data(found), "errors": {part: dict(values) for part, values in errors.items()}}
