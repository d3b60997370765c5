"""Systems whose coefficients differ between trajectories: of the engine's copies of a term, one for each trajectory,
one term with a number for each."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from . import _names, _system_written
from ._engine.forms import Form
from ._formula import Factor, Formula, Groups, Number, Term, complexity
from ._system import Known, System
from ._system_known import Text
from ._systems.problem import Problem
from ._systems.settings import GAP, GAP_OF_MORE
from ._systems.varying import Searched, Varied
from ._trajectories import Trajectories, places_of

HEADER = "trajectory"
"""What groups of a rate are."""


def read(varies: Any, data: Trajectories, *, conserved: bool, ensemble: bool) -> tuple[int, ...]:
    """Places of the states in whose equations numbers may differ.

    Raises:
        TypeError, ValueError: no names of states, one trajectory, or options that are not combined.
    """
    places = places_of(varies, data, option="varies")
    if not places:
        return ()
    if len(data.times) < 2:
        raise ValueError("discover.ode: varies: there is one trajectory. Pass lists of several, or leave varies out.")
    together = [name for name, given in (("conserved", conserved), ("ensemble", ensemble)) if given]
    if together:
        raise ValueError(f"discover.ode: varies and {together[0]} are not combined. Leave one of them out.")
    return places


def systems_of(searched: Searched, names: _system_written.Names, known: Known | Text | None) -> tuple[System, ...]:
    """The systems of what was found."""
    return tuple(_system_of(each, searched.problem, names, known) for each in searched.found)


def _system_of(varied: Varied, problem: Problem, names: _system_written.Names, known: Known | Text | None) -> System:
    """The system of a law."""
    count = varied.places.shape[1]
    indicators = tuple(f"{HEADER}_{i}" for i in range(count))
    every = names._replace(variables=(*names.variables, *indicators))
    written = _system_written.system_of(varied.fit, problem, every, known)
    symbols = iter(_free_symbols(_names.symbols(names.variables), sum(varied.differs)))
    rates = [_rate(rate, names, count, symbols) for rate in written.rates]
    more = (count - 1) * sum(varied.differs)
    return dataclasses.replace(written, rates=tuple(rates), complexity=sum(rate.complexity for rate in rates) + more)


def _free_symbols(taken: Sequence[str], count: int) -> list[str]:
    """c1, c2 and so on, without those that stand for states and inputs."""
    every = (f"c{k}" for k in range(1, count + len(taken) + 1))
    return [symbol for symbol in every if symbol not in taken][:count]


def _rate(rate: Formula, names: _system_written.Names, count: int, symbols: Iterator[str]) -> Formula:
    """A rate whose copies of terms are one each."""
    inputs = len(names.variables)
    together: dict[tuple[str, tuple[Factor, ...]], list[Number]] = {}
    for term in rate.terms:
        is_own = lambda factor: factor.column.inputs[0] < inputs
        own = tuple(filter(is_own, term.factors))
        together.setdefault((term.part, own), []).append(term.coefficient)  # they are in the order of trajectories
    terms = [Term(part, _number(numbers), factors) for (part, factors), numbers in together.items()]
    above, below = ([t for t in terms if (t.part == "below") == under] for under in (False, True))
    terms = tuple(sorted(above, key=_system_written.order) + sorted(below, key=_system_written.order))
    terms = tuple(
        dataclasses.replace(term, coefficient=dataclasses.replace(term.coefficient, symbol=next(symbols)))
        if term.coefficient.by_group
        else term
        for term in terms
    )
    form = Form(rate.form.kind, (len(above), len(below)) if below else (len(above),))
    differs = any(term.coefficient.by_group for term in terms)
    return dataclasses.replace(
        rate,
        form=form,
        terms=terms,
        names=names.variables,
        symbols=_names.symbols(names.variables),
        complexity=complexity(form, terms),
        groups=Groups(HEADER, tuple(map(str, range(count))), ()) if differs else None,
    )


def _number(numbers: Sequence[Number]) -> Number:
    """One number, or a typical one of several with all of them."""
    if len(numbers) == 1:
        return numbers[0]
    values = [each.value for each in numbers]
    typical = float(np.mean(values))
    return Number(typical, None, typical, float(np.std(values)), None, "", tuple(numbers))


def notes(searched: Searched, best: System) -> tuple[str, ...]:
    """What the data say of the numbers that differ."""
    other = searched.other
    differing = best.by_trajectory
    behind = np.inf if other is None else other.length - searched.found[0].length
    shown = ", ".join(differing)
    found = () if differing else ("all numbers are common to the trajectories, by their evidence",)
    if other is None or behind > GAP:
        return found
    more = sum(other.differs) > sum(searched.found[0].differs)
    if not more:
        return (
            *found,
            f"it is not certain that all of {shown} differ: the same law with fewer is {behind:.1f} nats behind",
        )
    if behind > GAP_OF_MORE:
        return found
    return (*found, f"more numbers may differ: the same law with more is {behind:.1f} nats behind")
