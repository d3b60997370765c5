"""What `discover.ode` found: the verdict, the equations with their errors, their rivals."""

import dataclasses
import functools
import pathlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _measures, _names, _numbers
from ._ensemble import Ensemble, line, same_rate
from ._formula import Number
from ._found import NOTHING, numbers_as_html, numbers_of
from ._front import Front, front_of, weights_of
from ._known_rates import KnownRates
from ._system import System

if TYPE_CHECKING:
    import sympy

    from .._unit import Chain


@dataclass(frozen=True, eq=False, repr=False)
class FoundSystem:
    """Systems of equations for trajectories, and what the data allow to say of the best.

    It can be pickled where `known` can: text, or a function that has a name in a module, not a lambda.

    Attributes:
        verdict: "recovered", "several candidates alike" or "no simple formula found".
        reason: of the verdict, in a sentence.
        candidates: distinct systems, the best first: the least description length.
        alike: those that the data cannot tell from the best.
        noise: (n_states,) standard deviation of the measurements around the best, in the units of the data.
        rows: number of samples that were fitted.
        notes: what else is to be known, a sentence each.
        interrupted: whether Ctrl-C ended the search before its end.
        ensemble: how often the terms of the best were found again in halves of the data; None where not asked for.
    """

    verdict: str
    reason: str
    candidates: tuple[System, ...]
    alike: tuple[System, ...]
    noise: np.ndarray
    rows: int
    notes: tuple[str, ...] = ()
    interrupted: bool = False
    ensemble: Ensemble | None = None

    @property
    def best(self) -> System:
        """The candidate of the least description length."""
        return self.candidates[0]

    @functools.cached_property
    def front(self) -> "Front[System]":
        """Of every complexity the candidate with the lowest error, the simplest first; the error never rises.

        It prints as a table.
        """
        return Front(front_of(self.candidates), self.candidates)

    @functools.cached_property
    def weights(self) -> tuple[float, ...]:
        """Of every candidate its probability among them, by its evidence."""
        return weights_of(self.candidates)

    @functools.cached_property
    def agreed(self) -> tuple[str, ...]:
        """Names of the states whose rates have the same terms in the best and in all that are alike; none where there
        is no simple formula."""
        if self.verdict == NOTHING:
            return ()
        return tuple(
            name
            for i, name in enumerate(self.names)
            if all(same_rate(self.best.rates[i], other.rates[i]) for other in self.alike)
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the states."""
        return self.best.names

    @property
    def symbols(self) -> tuple[str, ...]:
        """What stands for the states in equations."""
        return self.best.symbols

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, which drive the states; empty where there are none."""
        return self.best.inputs

    @property
    def input_symbols(self) -> tuple[str, ...]:
        """What stands for the inputs in equations."""
        return self.best.input_symbols

    @property
    def equations(self) -> tuple[str, ...]:
        """The rates of the best, as text that Python and SymPy read back to the same functions."""
        return self.best.equations

    @property
    def expressions(self) -> "tuple[sympy.Expr, ...]":
        """The same in SymPy, the states real symbols."""
        return self.best.expressions

    @property
    def latex(self) -> tuple[str, ...]:
        """The equations of the best, each with d state / dt on its left, for mathematics mode."""
        return self.best.latex

    @property
    def model(self) -> "Chain | None":
        """The rates of the best as a chain of units, `model.apply(params, y)`, y with the inputs after the states.

        None where they are none.
        """
        return self.best.model

    @property
    def params(self) -> Any:
        """Params of `model`, NumPy arrays in float64; None where there is no model."""
        return self.best.params

    @property
    def model_note(self) -> str:
        """Why there is no model; empty where there is one."""
        return self.best.model_note

    @property
    def by_trajectory(self) -> dict[str, tuple[Number, ...]]:
        """Of the symbol of every number of the best that differs between trajectories: the number in each."""
        return self.best.by_trajectory

    def of_trajectory(self, place: int) -> "FoundSystem":
        """What was found for one trajectory, from 0 on: all systems with its numbers.

        Raises:
            TypeError, IndexError: there is no such trajectory.
        """
        own = {id(candidate): candidate.of_trajectory(place) for candidate in self.candidates}
        shared = (f"of trajectory {place}, fitted with the others",) if self.by_trajectory else ()
        return dataclasses.replace(
            self,
            candidates=tuple(own[id(candidate)] for candidate in self.candidates),
            alike=tuple(own[id(candidate)] for candidate in self.alike),
            notes=(*self.notes, *shared),
        )

    def simulate(self, y0: Any, ts: Any, inputs: Any = None, *, trajectory: int | None = None) -> np.ndarray:
        """States (n_times, n_states) of the best at the times ts from y0 at the first of them, in float64.

        inf from where the solver did not get any further. `inputs` (n_times, n_inputs) are those at the times, where
        the system has any; `trajectory` is the place of the one whose numbers are taken, where numbers differ.

        Raises:
            TypeError, IndexError: there is no such trajectory.
            ValueError: times, states or inputs do not fit, or numbers differ and no trajectory is given.
        """
        return self.best.simulate(y0, ts, inputs, trajectory=trajectory)

    def to_python(self) -> str:
        """Source of a function (t, y) -> dy/dt that needs NumPy only."""
        return self.best.to_python()

    def save(self, path: str | pathlib.Path) -> None:
        """Write all of it as JSON, which `discover.load` reads.

        Raises:
            OSError: the file cannot be written.
            ValueError: a part of the rates is known as a function, which JSON cannot hold.
        """
        from . import _json, _system_json

        _json.write(_system_json.as_data(self), path)

    def __repr__(self) -> str:
        return f"<FoundSystem {self.verdict}: {'; '.join(self.best.lines())}>"

    def __str__(self) -> str:
        closest = ["closest:"] if self.verdict == NOTHING else []
        lines = [f"{self.verdict}: {self.reason}", "", *closest, *self.best.lines(), *self.best.constant_lines()]
        legend = _names.legend(self.names, self.symbols)
        lines += [f"  {symbol} is the state {_names.printable(repr(name))}" for symbol, name in legend.items()]
        beside = _names.legend(self.inputs, self.input_symbols)
        lines += [f"  {symbol} is the input {_names.printable(repr(name))}" for symbol, name in beside.items()]
        lines += [*_trajectory_lines(self.best), *_unit_lines(self.best), "", _noise_line(self)]
        lines += _ensemble_lines(self)
        if self.alike:
            lines += ["", "not told apart from it by these data:"]
            lines += ["  " + "; ".join(each.lines()) for each in self.alike]
            lines += _agreed_lines(self)
        return "\n".join([*lines, *[f"note: {note}" for note in self.notes]])

    def _repr_latex_(self) -> str:
        return r"$\displaystyle \begin{aligned}" + r" \\ ".join(self.latex).replace(" = ", " &= ") + r"\end{aligned}$"

    def _repr_html_(self) -> str:
        from . import _mathml

        known = self.best.is_function_known
        equations = zip(self.names, self.best.whole, strict=True)
        typeset = "".join(_mathml.equation(_mathml.rate(name), right, known=known) for name, right in equations)
        numbers = [
            (f"d{name}/dt, {label}", number)
            for name, rate in zip(self.names, self.best.rates, strict=True)
            for label, number in numbers_of(rate)
        ]
        constants = self.best.known.constants if isinstance(self.best.known, KnownRates) else ()
        numbers += [
            (f"{name}, in what is known", _numbers.with_error(each.value, each.error)) for name, each in constants
        ]
        below = [*filter(None, _unit_lines(self.best)), _noise_line(self), *_ensemble_lines(self), *self.notes]
        return (
            f"<p><b>{_names.as_html(self.verdict)}</b>: {_names.as_html(self.reason)}</p>{typeset}"
            f"<p>{'<br>'.join(map(_names.as_html, self.best.lines()))}</p>"
            f"{numbers_as_html(numbers)}{''.join(f'<p>{_names.as_html(line)}</p>' for line in below)}"
        )


def _noise_line(found: FoundSystem) -> str:
    sizes = ", ".join(f"{size:.2g}" for size in found.noise)
    return f"residuals: {sizes} (standard deviations), {found.rows} samples"


def _ensemble_lines(found: FoundSystem) -> list[str]:
    return [] if found.ensemble is None else [line(found.ensemble, found.best)]


def _agreed_lines(found: FoundSystem) -> list[str]:
    """Which rates are no matter of doubt."""
    if not found.agreed:
        return []
    rates = ", ".join(f"d{_names.printable(name)}/dt" for name in found.agreed)
    return [f"the same in all of them: {rates}"]


def _trajectory_lines(system: System) -> list[str]:
    """The numbers that differ, a line each."""
    lines = []
    for symbol, numbers in system.by_trajectory.items():
        texts = [_numbers.with_error(each.value, each.error) for each in numbers]
        lines.append(f"  {symbol} by trajectory: {', '.join(texts)}")
    return ["", *lines] if lines else []


def _unit_lines(system: System) -> list[str]:
    """What is measured in what, and the units of the coefficients in the order of the terms."""
    first = system.rates[0]
    if not first.units:
        return []
    named = zip(first.names, first.units, strict=True)
    lines = ["", "units: " + ", ".join(f"{_names.printable(name)} in {unit or '1'}" for name, unit in named)]
    for rate in system.rates:
        found = ", ".join(_measures.coefficient_unit(rate, term) or "1" for term in rate.terms)
        lines += [f"  coefficients of {_names.printable(rate.target)}: {found}"] if rate.terms else []
    return lines
