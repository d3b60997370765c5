"""Whether inputs are held between samples: laws are searched in each way in which they may be, evidence decides."""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from . import _names, _system_asked
from ._engine.verdict import ALIKE, RECOVERED
from ._system_asked import Asked, Found
from ._systems import library, settings, shooting, weak
from ._systems.inputs import HELD, INTERPOLATED, inputs, may_be_held
from ._systems.problem import Problem
from ._systems.search import Progress


class Searched(NamedTuple):
    """What was found, and what was asked of the engine in the way that was found to be the likeliest."""

    asked: Asked
    made: Problem
    found: Found


def searched(asked: Asked, report: Progress, stop: Callable[[], bool]) -> Searched:
    """What is found in all trajectories, in the likeliest way in which inputs may be held between samples."""
    ways = _likeliest_first([_in_way(asked, way) for way in _ways(asked)])
    begin = time.monotonic()
    done: list[Searched] = []
    for place, (own, made) in enumerate(ways):
        if done and _is_out(done[0], made):
            continue
        left = None if asked.time_limit is None else asked.time_limit - (time.monotonic() - begin)
        limit = None if left is None else max(left, 0.0) / (len(ways) - place)
        found = _system_asked.searched(own._replace(time_limit=limit), made, report, stop)
        done.append(Searched(own, made, found))
        exact = found.fits and found.fits[0].is_exact and found.verdict.verdict == RECOVERED
        if exact or stop():
            break
    return _judged(done)


def _likeliest_first(ways: list[Asked]) -> list[tuple[Asked, Problem]]:
    """Ways with their problems, that of which sums of products leave least in a regression first."""
    every = [
        (own, _system_asked.problem_of(own, own.data.times, own.data.states, own.curves, exact_starts=own.exact_starts))
        for own in ways
    ]
    return every if len(every) == 1 else sorted(every, key=lambda each: _left(each[1]))


def _left(made: Problem) -> float:
    """Logarithm of what a regression of the changes of all states on products of low degree leaves of them, by the
    finest curves: others are smooth where a step is."""
    windows = weak.Windows(made, made.curves[-1])
    columns, changes = (
        windows.columns(library.polynomials(made.n_variables, settings.FIRST_DEGREES[0])),
        windows.changes(),
    )
    left = changes - columns @ np.linalg.lstsq(columns, changes, rcond=None)[0]
    return float(np.log(np.sum(left**2, 0) + np.finfo(float).tiny).sum())


def _is_out(first: Searched, made: Problem) -> bool:
    """Whether the law that was found in the first way fits far worse in this one.

    Of the way in which the data came about also a law that was found in another one is better.
    """
    if not first.found.fits or first.asked.differing or first.asked.constants is not None:
        return False
    law = first.found.fits[0]
    here = shooting.fit(made, law.structure, law.parameters, law.nodes, law.sigma)
    return here is None or here.length > law.length + settings.HELD_OTHERWISE


def _in_way(asked: Asked, way: tuple[str, ...]) -> Asked:
    if asked.driving is None:
        return asked
    curves = inputs(asked.data.times, asked.driving.values, way)
    return asked._replace(curves=curves, names=asked.names._replace(held=way))


def _ways(asked: Asked) -> list[tuple[str, ...]]:
    """In how many ways inputs may be held: those that may are held alike."""
    if asked.driving is None:
        return [()]
    columns = zip(*(own.T for own in asked.driving.values), strict=True)
    held = [may_be_held(asked.data.times, values) for values in columns]
    found = [tuple(kind if may else INTERPOLATED for may in held) for kind in HELD] if any(held) else []
    return [*found, (INTERPOLATED,) * len(held)]


def _judged(done: list[Searched]) -> Searched:
    """The likeliest, with a note on how inputs are held, and less sure where another way has another law."""
    fitted = sorted((each for each in done if each.found.fits), key=lambda each: each.found.fits[0].length)
    if not fitted:
        return done[0]
    best, law = fitted[0], fitted[0].found.fits[0]
    near = [each for each in fitted[1:] if each.found.fits[0].length < law.length + settings.GAP]
    found = best.found._replace(late=any(each.found.late for each in done), notes=(*best.found.notes, *_note(best)))
    others = [each for each in near if each.found.fits[0].law != law.law]
    if others and found.verdict.verdict == RECOVERED:
        behind = others[0].found.fits[0].length - law.length
        reason = f"with inputs held in another way between samples, another law is {behind:.1f} nats behind"
        found = found._replace(verdict=found.verdict._replace(verdict=ALIKE, reason=reason))
    return best._replace(found=found)


def _note(best: Searched) -> tuple[str, ...]:
    held = {}
    for name, way in zip(best.asked.driving.names if best.asked.driving else (), best.asked.names.held, strict=True):
        if way != INTERPOLATED:
            held.setdefault(way, []).append(_names.printable(name))
    return tuple(f"{', '.join(names)} held {way}, as the data have it" for way, names in held.items())
