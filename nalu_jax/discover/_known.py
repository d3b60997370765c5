"""What is known of a formula and is not searched: text of the columns, in which other names are constants to be fitted.

>>> import numpy as np
>>> from nalu_jax.discover import _known
>>> part = _known.read("9.81*h + a*exp(-h/c)", ("h",), ("h",))
>>> part.constants, _known.values(part, np.array([[0.0]]), np.array([2.0, 1.0])).tolist()
(('a', 'c'), [2.0])
"""

import ast
import dataclasses
import functools
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import sympy
from scipy import optimize

from . import _names, _numbers, _traced
from ._formula import Formula, KnownPart, Number, measured
from ._intervals import moved

STARTS = 60
"""Random starts of the constants of a known part."""

SPREAD = 3.0
"""Two standard deviations of the logarithm of a start: most are between 1/20 and 20. Constants far from 1 are those of
columns far from 1, which can be brought there by another unit."""

ROUNDS = 3
"""Of search of the rest and fit of the constants in turn: each begins at the constants that the last one ended at."""

TERM = 8.0
"""Nats that a term of the rest has to gain beside the constants: about what naming it costs in the search."""

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
    if callable(text):
        try:
            text = _traced.text(text)
        except ValueError as error:
            raise ValueError(f"known: {error}") from None
    if not isinstance(text, str):
        raise TypeError(f"known must be the text of a formula, or a function of columns and constants, got {text!r}.")
    try:
        return part_of(text, names, symbols)
    except ValueError as error:
        raise ValueError(f"known: {error}") from None


def part_of(text: str, names: Sequence[str], symbols: Sequence[str]) -> Known:
    """The part that a text says: `names` are what `symbols` stand for, as far as they are given.

    Raises:
        ValueError: it is no formula, or a constant has a name that means something else.
    """
    used = _names_in(text)
    constants = tuple(name for name in used if name not in symbols and name != "pi")
    for name in constants:
        if not _names.is_symbol(name):
            raise ValueError(f"{name!r} is no name for a constant, since it means something else. Rename it.")
        if name in names:
            raise ValueError(f"{name!r} is written {symbols[list(names).index(name)]!r} in formulas. Write it so.")
    part = Known(text, tuple(symbols), constants)
    parsed(part)
    return part


def _names_in(text: str) -> list[str]:
    """Names in the text that are no functions, in order."""
    from ..symbolic._parse import ALIASES, FUNCTIONS  # here: a search without a known part loads no reader of formulas

    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    found = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called]
    return sorted(set(found) - {*FUNCTIONS, *ALIASES})


@functools.lru_cache(maxsize=32)
def parsed(part: Known) -> sympy.Expr:
    """The part in SymPy.

    Raises:
        ValueError: it is no formula.
    """
    from ..symbolic._parse import parse

    return parse(part.text, (*part.symbols, *part.constants))


def values(part: Known, x: np.ndarray, constants: np.ndarray) -> np.ndarray:
    """(rows,) of x (rows, n_in) and the constants in order; NaN where it has no value."""
    from ..symbolic._evaluate import evaluate

    given = dict(zip((*part.symbols, *part.constants), (*x.T, *constants), strict=True))
    with np.errstate(all="ignore"):
        found = evaluate(parsed(part), given)
    return np.broadcast_to(np.asarray(found, float), x.shape[:1]).copy()


def as_written(part: Known, numbers: "Refitted") -> KnownPart:
    """The part with its constants at these values."""
    found = [
        measured(_numbers.rounded(value, alone), value, error)
        for value, error, alone in zip(*(each.tolist() for each in numbers), strict=True)
    ]
    return with_numbers(part, dict(zip(part.constants, found, strict=True)))


def with_numbers(part: Known, numbers: Mapping[str, Number]) -> KnownPart:
    """The part with numbers in the place of its constants, by their names."""
    known = {sympy.Symbol(name, real=True): numbers[name].value for name in part.constants}
    text = re.sub(r"\bAbs\b", "abs", str(parsed(part).xreplace(known)))
    return KnownPart(part.text, text, tuple((name, numbers[name]) for name in part.constants))


def first_constants(part: Known, x: np.ndarray, y: np.ndarray, weights: np.ndarray, seed: int) -> list[np.ndarray]:
    """Constants with which the part explains most of y, beside a number or beside a parabola in every column."""
    if not part.constants:
        return [np.zeros(0)]
    rest = [np.ones((1, len(y)))]
    parabolas = np.concatenate(
        [np.ones((1, len(y))), x.T / np.abs(x).max(0)[:, None], (x.T / np.abs(x).max(0)[:, None]) ** 2]
    )
    if len(y) > 3 * (len(part.constants) + len(parabolas)):
        rest.append(parabolas)
    return [_beside(part, x, y, weights, beside, seed) for beside in rest]


def _beside(part: Known, x: np.ndarray, y: np.ndarray, weights: np.ndarray, rest: np.ndarray, seed: int) -> np.ndarray:
    """The constants of the least squares where anything made of the rest (m, rows) is explained by itself."""
    basis, _ = np.linalg.qr((rest * weights).T)

    def residuals(numbers: np.ndarray) -> np.ndarray:
        left = finite(weights * (y - values(part, x, numbers)))
        return left - basis @ (basis.T @ left)

    return least_squares(residuals, len(part.constants), seed)


def least_squares(residuals: Callable[[np.ndarray], np.ndarray], count: int, seed: int) -> np.ndarray:
    """(count,) constants with the smallest squares of residuals that were found from random starts."""
    rng = np.random.default_rng(seed)
    best, least = np.ones(count), np.inf
    for place in range(STARTS):
        signs = rng.choice([1.0, -1.0], len(best), p=[0.75, 0.25])
        begin = signs * np.exp(SPREAD / 2 * rng.normal(size=len(best))) if place else np.ones(len(best))
        fitted = optimize.least_squares(residuals, begin, method="lm", x_scale="jac", max_nfev=50 * len(begin))
        if fitted.cost < least:
            best, least = fitted.x, fitted.cost
    return best


def finite(residuals: np.ndarray) -> np.ndarray:
    """Residuals of which none is beyond numbers that can be squared and added."""
    return np.clip(np.nan_to_num(residuals, nan=1e100, posinf=1e100, neginf=-1e100), -1e100, 1e100)


class Refitted(NamedTuple):
    """Constants fitted together with the numbers of the rest: values, standard errors, and standard errors where all
    other numbers are known."""

    constants: np.ndarray
    errors: np.ndarray
    conditional: np.ndarray


def refitted(
    part: Known, constants: np.ndarray, rest: Formula, x: np.ndarray, y: np.ndarray, weights: np.ndarray
) -> Refitted:
    """The constants, fitted with the rest, or with some of its terms where the others only make up for them."""
    whole = range(len(rest.terms))
    least, best = np.inf, None
    for size in range(1, len(whole) + 1):
        for kept in itertools.combinations(whole, size):
            if size < len(whole) and rest.form.kind != "sum":
                continue
            cost, found = _jointly(part, constants, _of_terms(rest, kept), x, y, weights)
            if cost + TERM * size < least:
                least, best = cost + TERM * size, found
    assert best is not None
    return best


def _of_terms(rest: Formula, kept: Sequence[int]) -> Formula:
    if len(kept) == len(rest.terms):
        return rest
    form = dataclasses.replace(rest.form, groups=(len(kept),))
    return dataclasses.replace(rest, terms=tuple(rest.terms[place] for place in kept), form=form)


def _jointly(
    part: Known, constants: np.ndarray, rest: Formula, x: np.ndarray, y: np.ndarray, weights: np.ndarray
) -> tuple[float, Refitted]:
    """What all numbers leave (rows / 2 log of the squares), and the constants."""
    count, other = len(constants), moved(rest)
    residuals = lambda numbers: finite(
        weights * (y - values(part, x, numbers[:count]) - other.values(x, numbers[count:]))
    )
    begin = np.concatenate([constants, other.start])
    fitted = optimize.least_squares(residuals, begin, method="lm", x_scale="jac", max_nfev=200 * len(begin))
    degrees = max(len(y) - len(begin), 1)
    squares = 2 * float(fitted.cost)
    normal = fitted.jac.T @ fitted.jac * degrees / max(squares, 1e-300)
    errors = np.sqrt(np.maximum(np.diag(np.linalg.pinv(normal, hermitian=True)), 0.0))
    conditional = 1 / np.sqrt(np.maximum(np.diag(normal), 1e-300))
    floor = (1e-9 * np.abs(y).max()) ** 2 * len(y)
    found = Refitted(fitted.x[:count], errors[:count], conditional[:count])
    return len(y) / 2 * np.log(squares + floor), found


def check(part: Known, rest: np.ndarray, y: np.ndarray, target: str) -> None:
    """Raise where the part has no value in some row, contradicts the data, or leaves nothing."""
    bad = np.flatnonzero(~np.isfinite(rest))
    if bad.size:
        raise ValueError(f"known: {part.text!r} has no finite value in row {bad[0] + 1}. Mend it, or drop the row.")
    left, there = float(np.std(rest)), float(np.std(y))
    if left > WORSE * there:
        raise ValueError(
            f"known: {part.text!r} contradicts the data: without it {target!r} varies {left / there:.3g} times as "
            "much. Check its units and signs."
        )
    if np.ptp(rest) <= 1e-12 * np.abs(y).max():
        raise ValueError(
            f"known: {part.text!r} and a constant explain {target!r} to rounding: nothing is left to find."
        )
