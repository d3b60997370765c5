"""Known rates that were given as text, with the numbers that their constants have beside a law: what is printed, saved
and solved.

>>> from nalu_jax.discover._formula import KnownPart
>>> known = KnownRates((KnownPart("-k*y", "-0.5*y"), None), ("y", "z"))
>>> known(0.0, [4.0, 1.0]).tolist()
[-2.0, 0.0]
"""

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from ._formula import Formula, KnownPart, Number

if TYPE_CHECKING:
    import sympy

TIME = "t"
"""What stands for the time, where no state or input is called so."""


@dataclass(frozen=True)
class KnownRates:
    """A function (t, y, inputs) -> (n_states,) in JAX.

    Attributes:
        parts: of every state what is known of its rate; None where nothing is.
        symbols: of the states and, after them, of the inputs.
    """

    parts: tuple[KnownPart | None, ...]
    symbols: tuple[str, ...]

    def __call__(self, t: Any, y: Any, inputs: Any = ()) -> Any:
        from ..symbolic._evaluate import evaluate

        values = {TIME: t, **dict(zip(self.symbols, (*y, *inputs), strict=True))}
        found = [evaluate(expression, values, jnp) for expression in self._expressions]
        return jnp.stack([jnp.asarray(each, float) for each in found])

    @functools.cached_property
    def _expressions(self) -> "tuple[sympy.Expr, ...]":
        from ..symbolic._parse import parse

        formulas = ("0" if part is None else part.formula for part in self.parts)
        return tuple(parse(formula, (*self.symbols, TIME)) for formula in formulas)

    @property
    def constants(self) -> tuple[tuple[str, Number], ...]:
        """Names and numbers of the constants that were fitted, each once."""
        every = (pair for part in self.parts if part is not None for pair in part.constants)
        return tuple(dict(every).items())

    def beside(self, rates: Sequence[Formula]) -> tuple[Formula, ...]:
        """Rates with what is known of them, the time after their variables."""
        return tuple(
            dataclasses.replace(
                rate,
                names=(*rate.names, *((TIME,) if TIME not in self.symbols else ())),
                symbols=(*rate.symbols, *((TIME,) if TIME not in self.symbols else ())),
                known=part,
            )
            for rate, part in zip(rates, self.parts, strict=True)
        )
