"""How often each term of a law is found again in halves of the data: a number beside its error and the verdict.

A standard error takes the law for granted, and the verdict weighs it against rivals by the same data. Halves say how
much of it hangs on which rows there are. Trajectories are cut into blocks of time, of which each half has another
choice; blocks that follow each other stay together, and every other one begins anew, as a trajectory of its own.

>>> [[(part.trajectory, part.begin, part.end) for part in half] for half in halves([40, 12], 2)]
[[(0, 30, 40), (1, 0, 12)], [(0, 10, 20), (1, 0, 12)]]
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from . import _names
from ._formula import Formula, Term
from ._system import System
from ._systems import settings
from ._systems.inputs import Inputs

ROWS = 10
"""Fewest rows of a block: with less, a spline through it says little of its noise."""

BLOCKS = 8
"""Most blocks of a trajectory: more tear it to shreds, each with an initial state of its own to be fitted."""

FEWEST_BLOCKS = 4
"""Of which there are six halves."""


@dataclass(frozen=True)
class Ensemble:
    """What became of the best system in halves of the data.

    Attributes:
        halves: how many were searched.
        shares: of every rate and each of its terms in order, the share of halves whose own best system has that term.
        whole: share of halves whose best system has the same terms, and no others.
    """

    halves: int
    shares: tuple[tuple[float, ...], ...]
    whole: float


class Part(NamedTuple):
    """Rows of a trajectory, from one up to another."""

    trajectory: int
    begin: int
    end: int


def halves(rows: Sequence[int], count: int) -> list[list[Part]]:
    """So many halves of trajectories of so many rows each, or all that there are; the same ones in every call.

    Raises:
        ValueError: there are too few rows.
    """
    blocks = [
        Part(trajectory, int(begin), int(end))
        for trajectory, own in enumerate(rows)
        for begin, end in _ends(own)
        if own > 1
    ]
    if len(blocks) < FEWEST_BLOCKS:
        raise ValueError(
            f"discover.ode: ensemble: halves are made of at least {FEWEST_BLOCKS} trajectories, or blocks of {ROWS} "
            f"rows, and there are {len(blocks)}. Bring more rows, or leave ensemble out."
        )
    size, rng = len(blocks) // 2, np.random.default_rng(0)
    wanted, found = min(count, math.comb(len(blocks), size)), dict[tuple[int, ...], None]()
    while len(found) < wanted:
        found[tuple(sorted(rng.choice(len(blocks), size, replace=False).tolist()))] = None
    return [_joined([blocks[k] for k in chosen]) for chosen in found]


def _ends(rows: int) -> list[tuple[int, int]]:
    cuts = np.linspace(0, rows, max(1, min(BLOCKS, rows // ROWS)) + 1).round().astype(int).tolist()
    return list(zip(cuts[:-1], cuts[1:], strict=True))


def _joined(blocks: Sequence[Part]) -> list[Part]:
    """Blocks, those that follow each other as one."""
    found: list[Part] = []
    for block in blocks:
        if found and found[-1].trajectory == block.trajectory and found[-1].end == block.begin:
            found[-1] = found[-1]._replace(end=block.end)
        else:
            found.append(block)
    return found


class Data(NamedTuple):
    """Times and states of the trajectories of a half, and what drives them."""

    times: list[np.ndarray]
    states: list[np.ndarray]
    inputs: Inputs | None


def data_of(
    half: Sequence[Part], times: Sequence[np.ndarray], states: Sequence[np.ndarray], inputs: Inputs | None
) -> Data:
    """The rows of a half; inputs are interpolated through all of theirs."""
    half = [part for part in half if np.isfinite(states[part.trajectory][part.begin : part.end]).any(1).sum() > 1]
    own = None if inputs is None else inputs._replace(curves=tuple(inputs.curves[part.trajectory] for part in half))
    of_rows = lambda every: [every[part.trajectory][part.begin : part.end] for part in half]
    return Data(of_rows(times), of_rows(states), own)


def of(best: System, parts: Sequence[list[Part]], searched: Callable[[list[Part]], System | None]) -> Ensemble | None:
    """The ensemble of a best system; None where not one half was searched to its end.

    `searched` says what is found in a half, and None where the search was ended.
    """
    found: list[System] = []
    for half in parts:
        other = searched(half)
        if other is None:
            break
        found.append(other)
    if not found:
        return None
    shares = tuple(
        tuple(float(np.mean([_has(other.rates[i], term) for other in found])) for term in rate.terms)
        for i, rate in enumerate(best.rates)
    )
    return Ensemble(len(found), shares, float(np.mean([_same(best, other) for other in found])))


def _same(best: System, other: System) -> bool:
    return all(same_rate(one, two) for one, two in zip(best.rates, other.rates, strict=True))


def same_rate(one: Formula, two: Formula) -> bool:
    """Whether two rates have the same terms, with whatever numbers."""
    as_many = len(one.terms) == len(two.terms) and one.form.groups == two.form.groups
    return as_many and all(_has(two, term) for term in one.terms)


def _has(rate: Formula, term: Term) -> bool:
    return any(_alike(each, term) for each in rate.terms)


def _alike(one: Term, two: Term) -> bool:
    """Whether two terms stand in the same place and have the same powers, nearly where these were measured."""
    name = lambda column: (column.inputs, column.function)  # rates inside are measured, too
    powers, others = ({name(each.column): each.exponent.value for each in term.factors} for term in (one, two))
    same = powers.keys() == others.keys() and (one.part == "below") == (two.part == "below")
    return same and all(abs(powers[column] - others[column]) < settings.SAME_EXPONENT for column in powers)


def line(ensemble: Ensemble, best: System) -> str:
    """For people: of each rate how often its terms were found again, in their order."""
    parts = [
        f"{_names.printable(rate.target)} {', '.join(f'{share:.0%}' for share in shares)}"
        for rate, shares in zip(best.rates, ensemble.shares, strict=True)
        if shares
    ]
    parts.append(f"these terms and no others {ensemble.whole:.0%}")
    return f"found again in {ensemble.halves} halves of the data: {'; '.join(parts)}"
