"""Options of `discover.table` as the engine has them, checked before anything is searched."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import _names
from ._engine.columns import Limits
from ._engine.far import Far
from ._engine.forms import FAMILIES
from ._engine.guess import Guess
from ._engine.search import Rules
from ._written_by_people import guess_of

FAR = ("finite at 0", "0 at 0", "finite at infinity", "0 at infinity")

FAR_ROWS = 20
"""Of the table, about, whose other columns a limit is looked at beside: enough for one of them to be no exception."""


class Options(NamedTuple):
    """What the engine is asked for."""

    rules: Rules
    limits: Limits | None
    guesses: tuple[Guess, ...]
    terms: int
    seed: int
    time_limit: float | None


def of(
    names: Sequence[str],
    *,
    functions: Any,
    nested: Any,
    terms: Any,
    seed: Any,
    time_limit: Any,
    include: Any,
    exclude: Any,
    exponents: Any,
    guess: Any,
    robust: Any,
    signs: Any = None,
    limits: Any = None,
    x: np.ndarray | None = None,
) -> Options:
    """The options, checked.

    Raises:
        TypeError, ValueError: one that is none.
    """
    families = FAMILIES if isinstance(functions, str) and functions == "all" else functions
    if isinstance(families, str) or not isinstance(families, Sequence) or not set(families) <= set(FAMILIES):
        raise ValueError(f'functions must be "all" or a sequence of {", ".join(FAMILIES)}, got {functions!r}.')
    for name, value, lowest in (("terms", terms, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < lowest:
            raise ValueError(f"{name} must be a whole number of at least {lowest}, got {value!r}.")
    if not isinstance(nested, bool | np.bool_):
        raise TypeError(f"nested must be True or False, got {nested!r}.")
    if robust is not None and not isinstance(robust, bool | np.bool_):
        raise TypeError(f"robust must be True, False or None (where outliers are seen), got {robust!r}.")
    if time_limit is not None and not (isinstance(time_limit, int | float | np.number) and time_limit > 0):
        raise ValueError(f"time_limit must be a positive number of seconds or None, got {time_limit!r}.")
    wanted, left_out = _places("include", include, names), _places("exclude", exclude, names)
    if set(wanted) & set(left_out):
        raise ValueError(f"column {names[(set(wanted) & set(left_out)).pop()]!r} is in include and in exclude.")
    if len(left_out) == len(names):
        raise ValueError("exclude has all columns: none is left to explain the target with.")
    limit = None if time_limit is None else float(time_limit)
    rules = Rules(
        functions=tuple(families),
        nested=bool(nested),
        include=wanted,
        exclude=left_out,
        robust=None if robust is None else bool(robust),
        positive=signs == "positive",
        far=_far(limits, names, x),
    )
    return Options(rules, _limits(exponents), _guesses(guess, names), int(terms), int(seed), limit)


def _places(option: str, columns: Any, names: Sequence[str]) -> tuple[int, ...]:
    """Places of columns that are named."""
    if columns is None:
        return ()
    if isinstance(columns, str):
        columns = (columns,)
    if not isinstance(columns, Sequence) or not all(isinstance(column, str) for column in columns):
        raise TypeError(f"{option} must be names of columns, got {columns!r}.")
    for column in columns:
        if column not in names:
            raise ValueError(f"{option}: there is no column {column!r}; there are {', '.join(map(repr, names))}.")
    return tuple(sorted({list(names).index(column) for column in columns}))


def _limits(exponents: Any) -> Limits | None:
    if exponents is None:
        return None
    if isinstance(exponents, str):
        if exponents != "integers":
            raise ValueError(f'exponents must be "integers" or a pair (low, high), got {exponents!r}.')
        return Limits(-np.inf, np.inf, True)
    pair = exponents if isinstance(exponents, Sequence) else ()
    numbers = [float(end) for end in pair if isinstance(end, int | float | np.number) and not isinstance(end, bool)]
    if len(pair) != 2 or len(numbers) != 2 or not numbers[0] < numbers[1]:
        raise ValueError(f'exponents must be "integers" or a pair (low, high) with low < high, got {exponents!r}.')
    return Limits(numbers[0], numbers[1], False)


def _far(limits: Any, names: Sequence[str], x: np.ndarray | None) -> tuple[Far, ...]:
    """What formulas do far off."""
    if limits is None:
        return ()
    if not isinstance(limits, Mapping) or not all(isinstance(name, str) for name in limits):
        raise TypeError(f'limits must be by columns, such as {{"r": "0 at infinity"}}, got {limits!r:.80}.')
    found = []
    rows = np.zeros((0, len(names))) if x is None else x[:: max(1, len(x) // FAR_ROWS)]
    for name, each in limits.items():
        if name not in names:
            raise ValueError(f"limits: there is no column {name!r}; there are {', '.join(map(repr, names))}.")
        for text in (each,) if isinstance(each, str) else tuple(each):
            if text not in FAR:
                raise ValueError(f"limits of {name!r} must be of {', '.join(map(repr, FAR))}, got {text!r}.")
            found.append(Far(list(names).index(name), text.startswith("0"), text.endswith("infinity"), rows))
    return tuple(found)


def _guesses(guess: Any, names: Sequence[str]) -> tuple[Guess, ...]:
    if guess is None:
        return ()
    symbols = _names.symbols(names)
    texts = (guess,) if isinstance(guess, str) else tuple(guess) if isinstance(guess, Sequence) else (guess,)
    return tuple(guess_of(text, names, symbols) for text in texts)
