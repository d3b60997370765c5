"""Where the peak of a formula is, how wide and how high: its coefficients do not show that.

    a exp(b p + c p^2)      a Gaussian about -b / (2 c), of standard deviation 1 / sqrt(-2 c)
    a / (1 + b p + c p^2)   a Lorentzian about the same place, of half width sqrt(1/c - place^2)

Errors by first order from the joint covariance of the coefficients.

>>> import numpy as np
>>> from nalu_jax.discover import table
>>> x = np.linspace(1.0, 5.0, 80)
>>> found = table(x[:, None], 5 * np.exp(-3 * (x - 3) ** 2), names=["x"], target="y")
>>> found.notes[0].split(", height")[0]
'a peak at x = 3, standard deviation 0.4082482905'
"""

from collections.abc import Callable, Sequence

import numpy as np

from . import _numbers
from ._engine.candidate import Candidate, plain_numbers

STEP = 1e-6
"""Of a logarithm, in differences."""


def note(candidates: Sequence[Candidate], names: Sequence[str]) -> tuple[str, ...]:
    """A sentence about the peak of the first formula that is one; none where there is none.

    Args:
        candidates: the best formula, and those that the data cannot tell from it.
        names: of all inputs.
    """
    for place, candidate in enumerate(candidates):
        if (found := _sentence(candidate, names)) is not None:
            return (found if place == 0 else f"one of those that are not told apart is {found}",)
    return ()


def _sentence(candidate: Candidate, names: Sequence[str]) -> str | None:
    """Place, width and height of the peak; None where the formula is none."""
    form = candidate.form
    gaussian = form.kind == "function" and form.function == "exp"
    lorentzian = form.kind == "quotient" and (form.power, form.below) == (1.0, 1.0)
    if not (gaussian or lorentzian) or form.groups[:2] != (1, 2) or candidate.free[:3].any():
        return None
    place = _column_of_square(candidate)
    if place is None:
        return None
    numbers = plain_numbers(candidate)
    linear, square = (1, 2) if candidate.exponents[2, place] == 2 else (2, 1)
    order = [0, linear, square]
    signs = numbers.signs[order]
    if signs[0] < 0 or (signs[2] > 0) == gaussian:
        return None
    shape = _gaussian if gaussian else _lorentzian
    logs = numbers.log_coefficients[order]
    values = shape(logs, signs)
    if not np.isfinite(values).all():
        return None
    slopes = _slopes(shape, logs, signs)
    errors = np.sqrt(np.maximum(np.diag(slopes @ numbers.covariance[np.ix_(order, order)] @ slopes.T), 0.0))
    at, width, height = (_numbers.with_error(*pair) for pair in zip(values, errors, strict=True))
    which = "standard deviation" if gaussian else "half width"
    high = "" if candidate.exponents[0].any() else f", height {height}"
    return f"a peak at {names[candidate.columns[place].inputs[0]]} = {at}, {which} {width}{high}"


def _column_of_square(candidate: Candidate) -> int | None:
    """The place of the column of which the two terms inside are p and p^2; None where they are not."""
    inside, used = candidate.exponents[1:3], np.flatnonzero(candidate.exponents[1:3].any(0))
    if len(used) != 1 or not candidate.columns[used[0]].plain or candidate.exponents[0, used[0]]:
        return None
    return int(used[0]) if sorted(inside[:, used[0]].tolist()) == [1.0, 2.0] else None


def _gaussian(logs: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Place, standard deviation and height, by logarithms and signs of a, b and c."""
    b, c = signs[1:] * np.exp(logs[1:])
    return np.array([-b / (2 * c), 1 / np.sqrt(-2 * c), np.exp(logs[0] - b * b / (4 * c))])


def _lorentzian(logs: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Place, half width and height, by logarithms and signs of a, b and c."""
    a, b, c = signs * np.exp(logs)
    with np.errstate(invalid="ignore"):
        return np.array([-b / (2 * c), np.sqrt(1 / c - (b / (2 * c)) ** 2), a / (1 - b * b / (4 * c))])


def _slopes(shape: Callable[[np.ndarray, np.ndarray], np.ndarray], logs: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """(3, 3) of what `shape` gives by the logarithms."""
    steps = STEP * np.eye(3)
    return np.stack([(shape(logs + step, signs) - shape(logs - step, signs)) / (2 * STEP) for step in steps], 1)
