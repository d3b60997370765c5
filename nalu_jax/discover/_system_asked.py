"""What is asked of the engine for trajectories, and what it found in all or some of them, written out as systems."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import _ensemble, _system_constants, _system_known, _system_varying, _system_written
from ._system import System
from ._systems import families
from ._systems.inputs import Inputs
from ._systems.problem import Known, Problem, problem
from ._systems.search import Progress
from ._systems.shooting import Fit
from ._systems.varying import search as search_varying
from ._systems.verdict import Verdict
from ._trajectories import Driving, Trajectories


class Asked(NamedTuple):
    """What is asked of the engine.

    Attributes:
        data: the trajectories.
        driving: what was measured beside the states, and `curves` through it; None where nothing was.
        names: of states and inputs, their units, and what conserved sums leave to be handed on.
        known: the known part of the rates as it was given, text as what was read of it.
        rates: the same as the engine has it; None where there is none, or while its constants have no values.
        routes: (n_states, n_routes) of conserved sums; None where there are none.
        never_negative: places of states that cannot fall below 0.
        differing: places of states in whose equations numbers may differ between trajectories.
        functions: names of those that may be in the answer.
        nested: whether quotients may be.
        noise: of the measurements, in standard deviations of each state; None where it is estimated.
        exact_starts: whether the first measurements have no noise.
        time_limit: of a search, in seconds; None for no limit.
    """

    data: Trajectories
    driving: Driving | None
    curves: Inputs | None
    names: _system_written.Names
    known: Any
    rates: Known | None
    routes: np.ndarray | None
    never_negative: tuple[int, ...]
    differing: tuple[int, ...]
    functions: tuple[str, ...]
    nested: bool
    noise: float | None
    exact_starts: bool
    time_limit: float | None

    @property
    def constants(self) -> _system_known.Text | None:
        """Known text that has constants to be fitted; None where there are no such constants."""
        has_constants = isinstance(self.known, _system_known.Text) and self.known.constants
        return self.known if has_constants else None


class Found(NamedTuple):
    """What was found in trajectories.

    Attributes:
        systems: the best first.
        fits: that they are of.
        verdict: on the best.
        late: whether the time limit ended the search.
        notes: on the numbers of the best.
    """

    systems: tuple[System, ...]
    fits: Sequence[Fit]
    verdict: Verdict
    late: bool
    notes: tuple[str, ...] = ()


def check_values(asked: Asked, text: _system_known.Text, constants: np.ndarray) -> None:
    """Raise where known text has no value at a measurement, with these constants (k,)."""
    inputs = None if asked.driving is None else asked.driving.values
    _system_known.check(text, times=asked.data.times, states=asked.data.states, inputs=inputs, constants=constants)


def problem_of(
    asked: Asked,
    times: list[np.ndarray],
    states: list[np.ndarray],
    inputs: Inputs | None,
    *,
    exact_starts: bool = False,
) -> Problem:
    """Some trajectories as the engine has them, in the scale of all."""
    kinds = None if asked.names.measures is None else asked.names.measures.kinds
    return problem(
        times, states, known=asked.rates, scale=asked.data.scale, noise=asked.noise, kinds=kinds, routes=asked.routes,
        inputs=inputs, exact_starts=exact_starts,
    )  # fmt: skip


def searched(asked: Asked, made: Problem, report: Progress, stop: Callable[[], bool]) -> Found:
    """What is found in all trajectories, of which `made` is the problem."""
    if asked.differing:
        return _differing(asked, made, report, stop)
    text = asked.constants
    check = None if text is None else functools.partial(check_values, asked, text)
    found = _common(asked, made, report, stop, check)
    if not found.systems:
        return found
    inside = _system_written.rate_notes(found.fits[0], made, asked.names)
    beside = (*inside, *_system_constants.notes(found.systems[0].known), *_barred(asked, made, found.verdict))
    return found._replace(notes=beside)


def _barred(asked: Asked, made: Problem, verdict: Verdict) -> tuple[str, ...]:
    """The law that was not allowed and that a verdict is about; beside constants it is not written out."""
    if verdict.barred is None or asked.constants is not None:
        return ()
    other = _system_written.system_of(verdict.barred, made, asked.names, asked.known)
    return (f"the law that was not allowed: {'; '.join(other.lines())}",)


def repeated(
    asked: Asked, best: System, halves: Sequence[list[_ensemble.Part]], report: Progress, stop: Callable[[], bool]
) -> _ensemble.Ensemble | None:
    """How often the terms of the best system are found again in halves of the data; None where in no half at all."""

    def again(half: list[_ensemble.Part]) -> System | None:
        report(f"half {1 + halves.index(half)} of {len(halves)}", 1.0)
        part = _ensemble.data_of(half, asked.data.times, asked.data.states, asked.curves)
        made = problem_of(asked, part.times, part.states, part.inputs)
        systems = _common(asked, made, lambda stage, share: None, stop, None).systems
        return None if stop() or not systems else systems[0]

    return _ensemble.of(best, halves, again)


def _common(
    asked: Asked,
    made: Problem,
    report: Progress,
    stop: Callable[[], bool],
    check: Callable[[np.ndarray], None] | None,
) -> Found:
    """Laws with the same numbers in all trajectories; `check` is told the first constants of known text."""
    search = functools.partial(
        families.search, functions=asked.functions, nested=asked.nested, nonnegative=asked.never_negative, stop=stop
    )
    text = asked.constants
    if text is None:
        found = search(made, time_limit=asked.time_limit, report=report)
        fits = found.found
        systems = tuple(_system_written.system_of(fit, made, asked.names, asked.known) for fit in fits)
    else:
        found = _system_constants.search(
            made, text, search, check=check, nonnegative=asked.never_negative, time_limit=asked.time_limit, stop=stop,
            report=report,
        )  # fmt: skip
        fits = [law.fit for law in found.found]
        systems = tuple(
            _system_written.system_of(law.fit, law.problem, asked.names, text, law.constants) for law in found.found
        )
    return Found(systems, fits, found.verdict, found.late)


def _differing(asked: Asked, made: Problem, report: Progress, stop: Callable[[], bool]) -> Found:
    """Laws of which some coefficients differ between trajectories."""
    times, states = asked.data.times, asked.data.states
    curves = [None] * len(times) if asked.curves is None else [
        asked.curves._replace(curves=(own,)) for own in asked.curves.curves
    ]  # fmt: skip
    alone = [
        problem_of(asked, [own], [ys], driven, exact_starts=asked.exact_starts)
        for own, ys, driven in zip(times, states, curves, strict=True)
    ]
    found = search_varying(
        made, alone, asked.differing, functions=asked.functions, nested=asked.nested,
        nonnegative=asked.never_negative, time_limit=asked.time_limit, stop=stop, report=report,
    )  # fmt: skip
    systems = _system_varying.systems_of(found, asked.names, asked.known)
    noted = _system_varying.notes(found, systems[0]) if systems else ()
    return Found(systems, [law.fit for law in found.found], found.verdict, found.late, noted)
