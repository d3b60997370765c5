"""One system of equations: its rates as formulas with their numbers and errors, and what is made of them.

Every rate is a `Formula`, as those of tables are: one writer, one set of rules for numbers, errors and symbols.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _names, _text
from ._formula import Formula

if TYPE_CHECKING:
    import sympy

    from .._unit import Chain

Known = Callable[..., Any]


@dataclass(frozen=True, eq=False, repr=False)
class System:
    """A candidate: dy/dt = known(t, y) + rates of y, in the units of the data.

    Attributes:
        rates: a formula for every state, in the order of the states, without what is known.
        known: (t, y) -> the known part of dy/dt, as it was given; None where nothing is.
        complexity: number of coefficients, states and functions in the rates.
        error: the largest standard deviation of the residuals of a state, in standard deviations of that state.
        description_length: negative logarithm of the evidence, in nats: what it takes to say equations and residuals.
    """

    rates: tuple[Formula, ...]
    known: Known | None
    complexity: int
    error: float
    description_length: float

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the states."""
        return self.rates[0].names

    @property
    def symbols(self) -> tuple[str, ...]:
        """What stands for the states in equations: their names, where Python and SymPy read these as names."""
        return self.rates[0].symbols

    @functools.cached_property
    def equations(self) -> tuple[str, ...]:
        """The rates as text that Python and SymPy read back to the same functions, without what is known."""
        return tuple(rate.formula if rate.terms else "0" for rate in self.rates)

    @functools.cached_property
    def with_errors(self) -> tuple[str, ...]:
        """The rates for people: numbers with their standard errors, 0.401(2) is 0.401 +- 0.002."""
        return tuple(rate.with_errors if rate.terms else "0" for rate in self.rates)

    @functools.cached_property
    def expressions(self) -> "tuple[sympy.Expr, ...]":
        """The rates in SymPy, the states real symbols."""
        from ..symbolic._parse import parse

        return tuple(parse(equation, self.symbols) for equation in self.equations)

    @functools.cached_property
    def latex(self) -> tuple[str, ...]:
        """The equations, each with d state / dt on its left, for mathematics mode."""
        symbols = [_names.as_latex(name) for name in self.names]
        rights = [_text.right_hand_side(rate, _text.LATEX, symbols) if rate.terms else "0" for rate in self.rates]
        known = r"\text{known}" if self.known is not None else ""
        return tuple(
            rf"\frac{{d {symbol}}}{{dt}} = {_added(known, right)}"
            for symbol, right in zip(symbols, rights, strict=True)
        )

    @functools.cached_property
    def _units(self) -> tuple["Chain | None", Any, str]:
        from . import _system_units

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

    def simulate(self, y0: Any, ts: Any) -> np.ndarray:
        """States (n_times, n_states) at the times ts from y0 at the first of them, by `nalu_jax.ode.solve` in float64.

        inf from where the solver did not get any further.

        Raises:
            ValueError: times or states do not fit.
        """
        from . import _simulated

        return _simulated.states(self.rates, self.known, y0, ts)

    def to_python(self) -> str:
        """Source of a function (t, y) -> dy/dt that needs NumPy only, as `scipy.integrate.solve_ivp` takes it.

        What is known is not in it.
        """
        rights = [_text.right_hand_side(rate, _text.NUMPY) if rate.terms else "0.0" for rate in self.rates]
        legend = _names.legend(self.names, self.symbols)
        lines = [
            *(f"# {_names.printable(line)}" for line in self.lines()),
            *(f"# {symbol}: state {_names.printable(repr(name))}" for symbol, name in legend.items()),
            "import numpy as np",
            "",
            "",
            "def rates(t, y):",
            f"    {', '.join(self.symbols)}{',' if len(self.symbols) == 1 else ''} = y",
            f"    return np.array([{', '.join(rights)}])",
        ]
        return "\n".join(lines) + "\n"

    def lines(self) -> tuple[str, ...]:
        """The equations for people, a line each."""
        known = "known" if self.known is not None else ""
        return tuple(
            f"d{_names.printable(name)}/dt = {_added(known, right)}"
            for name, right in zip(self.names, self.with_errors, strict=True)
        )

    def __repr__(self) -> str:
        return f"<System {'; '.join(self.lines())}>"

    def __str__(self) -> str:
        return "\n".join(self.lines())


def _added(known: str, right: str) -> str:
    """A sum of what is known and what was found, with one sign between them."""
    if not known or right == "0":
        return known or right
    return f"{known} - {right[1:]}" if right.startswith("-") else f"{known} + {right}"
