"""What is known of a formula and is not searched: text of the columns, in which other names are constants to be fitted.

>>> import numpy as np
>>> from nalu_jax.discover import _known
>>> part = _known.read("9.81*h + a*exp(-h/c)", ("h",), ("h",))
>>> part.constants, _known.values(part, np.array([[0.0]]), np.array([2.0, 1.0])).tolist()
(('a', 'c'), [2.0])
"""

import ast
import functools
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import sympy
from scipy import optimize

from ..symbolic._parse import ALIASES, FUNCTIONS, parse
from . import _names
from ._formula import Formula, KnownPart, measured

STARTS = 60
"""Random starts of the constants of a known part, whose sizes are spread over ten powers of e to either side of 1."""

SPREAD = 3.0

ROUNDS = 2
"""Of search of the rest and fit of the constants in turn: the second begins at the constants that the first ended at."""

WORSE = 10.0
"""A known part that leaves so many times more than there was is a mistake (a unit, a sign), no part of the law."""


class Known(NamedTuple):
    """A part of a formula: its text, the symbols of the columns, the names of constants in it."""

    text: str
    symbols: tuple[str, ...]
    constants: tuple[str, ...]


def read(text: Any, names: Sequence[str], symbols: Sequence[str]) -> Known:
    """The part, checked.

    Raises:
        TypeError, ValueError: it is no formula.
    """
    if not isinstance(text, str):
        raise TypeError(f"known must be the text of a formula, got {text!r}.")
    used = _names_in(text)
    constants = tuple(name for name in used if name not in symbols and name != "pi")
    for name in constants:
        if not _names.is_symbol(name):
            raise ValueError(f"known: {name!r} is no name for a constant, since it means something else. Rename it.")
        if name in names:
            place = list(names).index(name)
            raise ValueError(f"known: the column {name!r} is written {symbols[place]!r} in formulas. Write it so.")
    part = Known(text, tuple(symbols), constants)
    try:
        _compiled(part)
    except ValueError as error:
        raise ValueError(f"known: {error}") from None
    return part


def _names_in(text: str) -> list[str]:
    """Names in the text that are no functions, in order."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    found = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called]
    return sorted(set(found) - {*FUNCTIONS, *ALIASES})


@functools.lru_cache(maxsize=32)
def _compiled(part: Known) -> tuple[sympy.Expr, Callable[..., Any]]:
    names = (*part.symbols, *part.constants)
    expression = parse(part.text, names)
    return expression, sympy.lambdify([sympy.Symbol(name, real=True) for name in names], expression, "numpy")


def values(part: Known, x: np.ndarray, constants: np.ndarray) -> np.ndarray:
    """(rows,) of x (rows, n_in) and the constants in order; NaN where it has no value."""
    with np.errstate(all="ignore"):
        found = _compiled(part)[1](*x.T, *constants)
    return np.broadcast_to(np.asarray(found, float), x.shape[:1]).copy()


def as_written(part: Known, constants: np.ndarray, errors: np.ndarray) -> KnownPart:
    """The part with its constants at these values."""
    expression, _ = _compiled(part)
    numbers = {sympy.Symbol(name, real=True): float(value) for name, value in zip(part.constants, constants, strict=True)}
    named = tuple(
        (name, measured(float(value), float(value), float(error)))
        for name, value, error in zip(part.constants, constants, errors, strict=True)
    )
    return KnownPart(part.text, re.sub(r"\bAbs\b", "abs", str(expression.xreplace(numbers))), named)


def first_constants(part: Known, x: np.ndarray, y: np.ndarray, weights: np.ndarray, seed: int) -> np.ndarray:
    """The constants with which the part and one added number explain most of y."""
    if not part.constants:
        return np.zeros(0)
    rng = np.random.default_rng(seed)
    best, least = np.ones(len(part.constants)), np.inf
    for start in range(STARTS):
        signs = rng.choice([1.0, -1.0], len(best), p=[0.75, 0.25])
        begin = signs * np.exp(SPREAD * rng.normal(size=len(best))) if start else best
        found, cost = _fitted(part, x, y, weights, lambda numbers: numbers[-1], np.append(begin, 0.0))
        if cost < least:
            best, least = found[:-1], cost
    return best


def refitted(
    part: Known, constants: np.ndarray, rest: Formula, x: np.ndarray, y: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The constants, fitted together with the numbers of the rest, and their standard errors."""
    from ._intervals import moved

    count = len(part.constants)
    size = len(moved(rest).start)
    extra = lambda numbers: moved(rest).values(x, numbers[count:])
    begin = np.concatenate([constants, moved(rest).start])
    found, _ = _fitted(part, x, y, weights, extra, begin)
    slopes = optimize.approx_fprime  # of all numbers, for the joint covariance
    residuals = lambda numbers: weights * (y - values(part, x, numbers[:count]) - extra(numbers))
    jacobian = np.atleast_2d(slopes(found, residuals, 1e-7 * np.maximum(np.abs(found), 1e-3)))
    degrees = max(len(y) - count - size, 1)
    s2 = float(np.sum(residuals(found) ** 2)) / degrees
    covariance = np.linalg.pinv(jacobian.T @ jacobian) * s2
    return found[:count], np.sqrt(np.maximum(np.diag(covariance)[:count], 0.0))


def _fitted(part: Known, x: np.ndarray, y: np.ndarray, weights: np.ndarray, rest: Callable, begin: np.ndarray):
    """Numbers (constants first) of the least squares, and what they leave; infinite where there is no value."""
    count = len(part.constants)

    def residuals(numbers: np.ndarray) -> np.ndarray:
        found = weights * (y - values(part, x, numbers[:count]) - rest(numbers))
        return np.clip(np.nan_to_num(found, nan=1e100, posinf=1e100, neginf=-1e100), -1e100, 1e100)

    fitted = optimize.least_squares(residuals, begin, method="lm", x_scale="jac", max_nfev=200 * len(begin))
    return fitted.x, float(fitted.cost)


def check(part: Known, rest: np.ndarray, y: np.ndarray, target: str) -> None:
    """Raise where the part has no value in some row, contradicts the data, or leaves nothing."""
    bad = np.flatnonzero(~np.isfinite(rest))
    if bad.size:
        raise ValueError(f"known: {part.text!r} has no finite value in row {bad[0] + 1}. Mend it, or drop the row.")
    left, there = float(np.std(rest)), float(np.std(y))
    if left > WORSE * there:
        raise ValueError(
            f"known: {part.text!r} contradicts the data: without it {target!r} varies {left / there:.3g} times as much. "
            "Check its units and signs."
        )
    if np.ptp(rest) <= 1e-12 * np.abs(y).max():
        raise ValueError(f"known: {part.text!r} and a constant explain {target!r} to rounding: nothing is left to find.")
