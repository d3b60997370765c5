"""One system of equations: its rates as formulas with their numbers and errors, and what is made of them.

Every rate is a `Formula`, as those of tables are: one writer, one set of rules for numbers, errors and symbols.
"""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _names, _numbers, _text
from ._formula import Formula, Number
from ._known_rates import KnownRates

if TYPE_CHECKING:
    import sympy

    from .._unit import Chain

Known = Callable[..., Any]


@dataclass(frozen=True, eq=False, repr=False)
class System:
    """A candidate: dy/dt = known(t, y) + rates of y and of inputs, in the units of the data.

    Attributes:
        rates: a formula for every state, in the order of the states, without what is known; its columns are the states
            and, after them, the inputs.
        known: (t, y) -> the known part of dy/dt, as it was given; None where nothing is. Of text it is a function
            (t, y, inputs) whose `parts` are what was given and what it is with numbers, and which has the `constants`
            that were fitted, with their errors.
        complexity: number of coefficients, states and functions in the rates.
        error: the largest standard deviation of the residuals of a state, in standard deviations of that state.
        description_length: negative logarithm of the evidence, in nats: what it takes to say equations and residuals.
        held: of each input how it is held between samples, "" where it is interpolated.
    """

    rates: tuple[Formula, ...]
    known: Known | None
    complexity: int
    error: float
    description_length: float
    held: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the states."""
        return self.rates[0].names[: len(self.rates)]

    @property
    def symbols(self) -> tuple[str, ...]:
        """What stands for the states in equations: their names, where Python and SymPy read these as names."""
        return self.rates[0].symbols[: len(self.rates)]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, which drive the states."""
        return self.rates[0].names[len(self.rates) :]

    @property
    def input_symbols(self) -> tuple[str, ...]:
        """What stands for the inputs in equations."""
        return self.rates[0].symbols[len(self.rates) :]

    @functools.cached_property
    def equations(self) -> tuple[str, ...]:
        """The rates as text that Python and SymPy read back to the same functions, without what is known."""
        return tuple(rate.formula for rate in self.rates)

    @functools.cached_property
    def with_errors(self) -> tuple[str, ...]:
        """The rates for people: numbers with their standard errors, 0.401(2) is 0.401 +- 0.002."""
        return tuple(rate.with_errors for rate in self.rates)

    @property
    def by_trajectory(self) -> dict[str, tuple[Number, ...]]:
        """Of the symbol of every number that differs between trajectories: the number in each."""
        return {symbol: tuple(own.values()) for rate in self.rates for symbol, own in rate.by_group.items()}

    def of_trajectory(self, place: int) -> "System":
        """The system with the numbers of one trajectory, from 0 on; the system itself where none differs.

        Raises:
            TypeError, IndexError: there is no such trajectory.
        """
        if isinstance(place, bool) or not isinstance(place, int | np.integer):
            raise TypeError(f"of_trajectory: expected the place of a trajectory, got {place!r}.")
        count = max((len(own) for own in self.by_trajectory.values()), default=None)
        if count is None:
            return self
        if not 0 <= place < count:
            raise IndexError(f"of_trajectory: there is no trajectory {place}; there are 0 to {count - 1}.")
        return dataclasses.replace(self, rates=tuple(rate.of_group(int(place)) for rate in self.rates))

    @functools.cached_property
    def expressions(self) -> "tuple[sympy.Expr, ...]":
        """The rates in SymPy, the states real symbols."""
        from ..symbolic._parse import parse

        return tuple(parse(equation, (*self.rates[0].symbols, *self.by_trajectory)) for equation in self.equations)

    @property
    def is_function_known(self) -> bool:
        """Whether a part is known as a function, which equations for people have by name only."""
        return self.known is not None and not isinstance(self.known, KnownRates)

    @functools.cached_property
    def _whole(self) -> tuple[Formula, ...]:
        """The rates with what is known of them, where that is text."""
        return self.known.beside(self.rates) if isinstance(self.known, KnownRates) else self.rates

    @functools.cached_property
    def whole(self) -> "tuple[sympy.Expr, ...]":
        """The rates in SymPy with what is known of them, where that is text."""
        from ..symbolic._parse import parse

        every = (*self._whole[0].symbols, *self.by_trajectory)
        return tuple(parse(rate.formula, every) for rate in self._whole)

    @functools.cached_property
    def latex(self) -> tuple[str, ...]:
        """The equations, each with d state / dt on its left, for mathematics mode."""
        symbols = [_names.as_latex(name) for name in self._whole[0].names]
        rights = [_text.right_hand_side(rate, _text.LATEX, symbols) for rate in self._whole]
        known = r"\text{known}" if self.is_function_known else ""
        return tuple(
            rf"\frac{{d {symbol}}}{{dt}} = {_added(known, right)}"
            for symbol, right in zip(symbols[: len(rights)], rights, strict=True)
        )

    @functools.cached_property
    def _units(self) -> tuple["Chain | None", Any, str]:
        from . import _system_units

        if self.by_trajectory:
            return None, None, f"{', '.join(self.by_trajectory)} differ: that of one trajectory, of_trajectory, has one"
        return _system_units.of(self.rates)

    @property
    def model(self) -> "Chain | None":
        """The rates as a chain of units, `model.apply(params, y)`; None where they are none, see `model_note`."""
        return self._units[0]

    @property
    def params(self) -> Any:
        """Params of `model`, NumPy arrays in float64; None where there is no model."""
        return self._units[1]

    @property
    def model_note(self) -> str:
        """Why there is no model; empty where there is one."""
        return self._units[2]

    def simulate(self, y0: Any, ts: Any, inputs: Any = None, *, trajectory: int | None = None) -> np.ndarray:
        """States (n_times, n_states) at the times ts from y0 at the first of them, by `nalu_jax.ode.solve` in float64.

        inf from where the solver did not get any further. `inputs` (n_times, n_inputs) are those at the times, where
        the system has any; between them they are interpolated, or held as those of the data were. `trajectory` is the
        place of the one whose numbers are taken, where numbers differ.

        Raises:
            TypeError, IndexError: there is no such trajectory.
            ValueError: times, states or inputs do not fit, or numbers differ and no trajectory is given.
        """
        from . import _simulated

        if trajectory is not None:
            return self.of_trajectory(trajectory).simulate(y0, ts, inputs)
        if self.by_trajectory:
            raise ValueError(
                f"simulate: {', '.join(self.by_trajectory)} differ between trajectories: pass trajectory=, its place."
            )
        return _simulated.states(self.rates, self.known, y0, ts, inputs, self.held)

    def to_python(self) -> str:
        """Source of a function (t, y) -> dy/dt that needs NumPy only, as `scipy.integrate.solve_ivp` takes it.

        Of (t, y, inputs) where there are inputs, those at time t; and last of the place of a trajectory, where numbers
        differ. A function that is known is not in it, text is.
        """
        whole = [rate if rate.terms or rate.known else None for rate in self._whole]
        rights = ["0.0" if rate is None else _text.right_hand_side(rate, _text.NUMPY) for rate in whole]
        legend = _names.legend(self.names, self.symbols)
        beside = _names.legend(self.inputs, self.input_symbols)
        lines = [
            *(f"# {_names.printable(line)}" for line in self.lines()),
            *(f"# {symbol}: state {_names.printable(repr(name))}" for symbol, name in legend.items()),
            *(f"# {symbol}: input {_names.printable(repr(name))}" for symbol, name in beside.items()),
            "import numpy as np",
            "",
            "",
            f"def rates(t, y{', inputs' if self.inputs else ''}{', trajectory' if self.by_trajectory else ''}):",
            f"    {_unpacked(self.symbols)} = y",
            *([f"    {_unpacked(self.input_symbols)} = inputs"] if self.inputs else []),
            *(
                f"    {symbol} = {[each.value for each in own]}[trajectory]"
                for symbol, own in self.by_trajectory.items()
            ),
            f"    return np.array([{', '.join(rights)}])",
        ]
        return "\n".join(lines) + "\n"

    def lines(self) -> tuple[str, ...]:
        """The equations for people, a line each."""
        known = "known" if self.is_function_known else ""
        return tuple(
            f"d{_names.printable(name)}/dt = {_added(known, rate.with_errors)}"
            for name, rate in zip(self.names, self._whole, strict=True)
        )

    def constant_lines(self) -> tuple[str, ...]:
        """The constants that were fitted in known text, with their errors, a line each."""
        constants = self.known.constants if isinstance(self.known, KnownRates) else ()
        return tuple(
            f"  {name} = {_numbers.with_error(each.value, each.error)}, in what is known" for name, each in constants
        )

    def __repr__(self) -> str:
        return f"<System {'; '.join(self.lines())}>"

    def __str__(self) -> str:
        return "\n".join([*self.lines(), *self.constant_lines()])


def _unpacked(symbols: tuple[str, ...]) -> str:
    return f"{', '.join(symbols)}{',' if len(symbols) == 1 else ''}"


def _added(known: str, right: str) -> str:
    """A sum of what is known and what was found, with one sign between them."""
    if not known or right == "0":
        return known or right
    return f"{known} - {right[1:]}" if right.startswith("-") else f"{known} + {right}"
