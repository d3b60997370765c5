"""The front of a search: of every complexity the best candidate, and what it prints as.

>>> from typing import NamedTuple
>>> class Ranked(NamedTuple):
...     complexity: int
...     error: float
...     description_length: float
...     text: str
...     def lines(self):
...         return (self.text,)
>>> every = Ranked(3, 0.1, -40.0, "y = 2*x"), Ranked(5, 0.2, -30.0, "y = 2*x + z"), Ranked(1, 0.9, -8.0, "y = 3")
>>> print(Front(front_of(every), every))
   complexity  error  nats behind  weight  formula
0           1    0.9         32.0   0.000  y = 3
1           3    0.1          0.0   1.000  y = 2*x
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from . import _names

FRONT = ("", "complexity", "error", "nats behind", "weight", "formula")


@runtime_checkable  # the tests check types as programs run
class Ranked(Protocol):
    """What a front has: the formula of a table, the system of a trajectory."""

    @property
    def complexity(self) -> int: ...

    @property
    def error(self) -> float: ...

    @property
    def description_length(self) -> float: ...

    def lines(self) -> tuple[str, ...]: ...


Candidate = TypeVar("Candidate", bound=Ranked)


class Front(tuple[Candidate, ...]):
    """Candidates, the simplest first: a tuple that prints as a table, with the place that `Found.choose` takes."""

    every: tuple[Candidate, ...]

    def __new__(cls, candidates: Iterable[Candidate], every: Iterable[Candidate]) -> "Front[Candidate]":
        front = super().__new__(cls, candidates)
        front.every = tuple(every)
        return front

    def __reduce__(self) -> Any:
        return tuple, (tuple(self),)

    def rows(self) -> list[tuple[str, ...]]:
        """Place, complexity, error, description length above the best's, weight among all candidates, equations."""
        weights = {id(each): share for each, share in zip(self.every, weights_of(self.every), strict=True)}
        least = min(candidate.description_length for candidate in self.every)
        return [
            (
                str(place),
                str(candidate.complexity),
                f"{candidate.error:.3g}",
                f"{candidate.description_length - least:.1f}",
                f"{weights[id(candidate)]:.3f}",
                "\n".join(candidate.lines()),
            )
            for place, candidate in enumerate(self)
        ]

    def __str__(self) -> str:
        rows = [FRONT, *self.rows()]
        widths = [max(len(row[i]) for row in rows) for i in range(len(FRONT) - 1)]
        left = " " * (sum(widths) + 2 * len(widths))
        return "\n".join("  ".join([*map(str.rjust, row, widths), row[-1].replace("\n", f"\n{left}")]) for row in rows)

    def _repr_html_(self) -> str:
        cells = lambda row, tag: "".join(f"<{tag}>{_names.as_html(cell)}</{tag}>".replace("\n", "<br>") for cell in row)
        body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in self.rows())
        return f"<table><tr>{cells(FRONT, 'th')}</tr>{body}</table>"


def weights_of(candidates: Sequence[Ranked]) -> tuple[float, ...]:
    """Of every candidate its probability among them, by its evidence."""
    lengths = np.array([candidate.description_length for candidate in candidates])
    shares = np.exp(np.nanmin(lengths) - lengths)
    return tuple((shares / np.nansum(shares)).tolist())


def front_of(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Of every complexity the candidate with the lowest error, of that of the first candidate, which the evidence
    prefers, that one; the simplest first. The error never rises."""
    front: list[Candidate] = []
    compared = [each for each in candidates if each is candidates[0] or each.complexity != candidates[0].complexity]
    for candidate in sorted(compared, key=lambda each: (each.complexity, each.error)):
        if not front or candidate.error < front[-1].error:
            front = [each for each in front if each.complexity < candidate.complexity]
            front.append(candidate)
    return front
