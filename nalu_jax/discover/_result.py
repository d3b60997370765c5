"""What `discover.ode` returns."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import sympy

RECOVERED = "recovered"
ALIKE = "several candidates alike"
NOTHING = "no simple formula found"


class Candidate(NamedTuple):
    """One system of equations, in the units of the data. Arrays are NumPy's.

    Attributes:
        exponents: (n_terms, n_states) of the products.
        coefficients: (n_terms, n_states): dy/dt = products @ coefficients, plus what is known.
        exponent_errors, coefficient_errors: the same shapes, standard errors; 0 of what was not fitted.
        complexity: number of coefficients and of exponents that were fitted.
        error: root mean square of the residuals through the solver, in standard deviations of the states where data are
            exact and in those of the noise where they are not.
        bic: n ln(error^2) + complexity ln n; the lowest is best.
        equations: one SymPy expression for every state: dy/dt, without what is known.
    """

    exponents: np.ndarray
    coefficients: np.ndarray
    exponent_errors: np.ndarray
    coefficient_errors: np.ndarray
    complexity: int
    error: float
    bic: float
    equations: tuple[sympy.Expr, ...]

    @property
    def latex(self) -> tuple[str, ...]:
        """The equations in LaTeX."""
        return tuple(sympy.latex(equation) for equation in self.equations)


class Discovery(NamedTuple):
    """Systems of equations for measured trajectories.

    Attributes:
        best: the system with the lowest BIC to which is added what it takes to say which of all products it has; its
            exponents rounded where they are within their errors of simple ones; None where nothing could be fitted.
        before_rounding: the same with all its exponents fitted, where they were; otherwise equal to best.
        front: for every complexity the system with the lowest error, the simplest first.
        verdict: "recovered", "several candidates alike" or "no simple formula found".
        reason: why, in a sentence.
        noise: (n_states,) standard deviation of the measurements that was assumed; 0 of exact ones.
        names: of the states.
        interrupted: whether Ctrl-C ended the search.
        known: the known part of the rates, as it was given.
    """

    best: Candidate | None
    before_rounding: Candidate | None
    front: tuple[Candidate, ...]
    verdict: str
    reason: str
    noise: np.ndarray
    names: tuple[str, ...]
    interrupted: bool
    known: Callable[..., Any] | None

    def simulate(self, y0: Any, ts: Any, *, candidate: Candidate | None = None) -> np.ndarray:
        """States (n_times, n_states) at the times ts from y0 at the first of them, by `nalu_jax.ode.solve` in float64.

        inf from where the solver did not get any further.

        Raises:
            ValueError: there is no system, or times or states do not fit.
        """
        from ._model import simulated

        chosen = self.best if candidate is None else candidate
        if chosen is None:
            raise ValueError("simulate: no system was found. See the verdict's reason.")
        return simulated(chosen.exponents, chosen.coefficients, self.known, ts, y0)

    def __str__(self) -> str:
        lines = [f"{self.verdict}: {self.reason}"]
        if self.best is not None:
            added = "" if self.known is None else "known + "
            lines += [
                f"d{name}/dt = {added}{sympy.N(equation, 6)}"
                for name, equation in zip(self.names, self.best.equations, strict=True)
            ]
        return "\n".join(lines)


def equations_of(exponents: np.ndarray, coefficients: np.ndarray, names: Sequence[str]) -> tuple[sympy.Expr, ...]:
    """dy/dt of every state as SymPy; exponents that are fractions up to quarters are exact."""
    symbols = [sympy.Symbol(name, real=True) for name in names]
    products = [
        sympy.Mul(*(symbol ** _number(power) for symbol, power in zip(symbols, row, strict=True))) for row in exponents
    ]
    return tuple(
        sympy.Add(*(sympy.Float(c) * product for c, product in zip(column, products, strict=True) if c != 0))
        for column in coefficients.T
    )


def _number(value: float) -> sympy.Expr:
    simple = sympy.Rational(round(12 * value), 12)
    return simple if abs(float(simple) - value) < 1e-12 else sympy.Float(value)
