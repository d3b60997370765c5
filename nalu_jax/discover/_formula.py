"""One formula of a table: its numbers with errors, and everything that is made of it.

The engine fits with columns and target scaled; here is the formula as it is written. A coefficient that the engine
takes for a simple number becomes one, the others move along; every other number is rounded to a digit beyond its error.
What is shown, predicted, saved and turned into units is this one function.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _inputs, _names, _text, _values
from ._engine.candidate import Column
from ._engine.forms import Form

if TYPE_CHECKING:
    import sympy

    from .._unit import Chain


@dataclass(frozen=True)
class Number:
    """A coefficient or an exponent.

    Attributes:
        value: in the formula.
        exact: the same as a fraction, where the formula has a simple number there; None where it was measured.
        estimate, error: fitted value and standard error; error is 0 of what was not fitted.
        interval: (low, high) that holds the number with 95 %, of the best formula of a search where the standard error
            says too little: from the profile of the likelihood, all other numbers fitted again. It keeps the
            sign: an end is 0 where the data allow any smaller size, infinite where they allow any larger one. None
            where 2 standard errors to either side say the same.
        symbol: of a number that differs by group: what stands for it in the formula. Its value, estimate and error are
            then typical ones.
        by_group: in every group, in the order of `Groups.labels`; empty of a number that does not differ.
    """

    value: float
    exact: Fraction | None
    estimate: float
    error: float
    interval: tuple[float, float] | None = None
    symbol: str = ""
    by_group: tuple["Number", ...] = ()


@dataclass(frozen=True)
class Factor:
    """(column / size) ** exponent.

    Attributes:
        column: an input, a sine, or a sum or difference of inputs.
        exponent: of it.
        sign: "own" as Python computes it; "none" of the absolute value; "kept", the sign times the power of the
            absolute value.
        size: 1, or where the numbers would leave the range of float64 a power of ten.
    """

    column: Column
    exponent: Number
    sign: str = "own"
    size: float = 1.0


@dataclass(frozen=True)
class Constant:
    """A constant that is known by name.

    Attributes:
        name, symbol: as it was given, and what stands for it in formulas.
        value: in its unit.
        unit: as text; "" where it was given as a vector of dimensions.
    """

    name: str
    symbol: str
    value: float
    unit: str


@dataclass(frozen=True)
class Term:
    """coefficient * product of factors * product of powers of known constants.

    Attributes:
        part: where it stands: "sum", "above" or "below" a bar, "front" of a function, "inside" of it.
        coefficient: of the product.
        factors: those with an exponent other than 0.
        known: place in the formula's `constants`, and exponent, of those that the term has.
    """

    part: str
    coefficient: Number
    factors: tuple[Factor, ...]
    known: tuple[tuple[int, Number], ...] = ()


@dataclass(frozen=True)
class KnownPart:
    """What was known of a formula and is added to what was found.

    Attributes:
        text: as it was given.
        formula: the same with its constants as numbers.
        constants: names and values of those that were fitted.
    """

    text: str
    formula: str
    constants: tuple[tuple[str, Number], ...] = ()


@dataclass(frozen=True, eq=False)
class Groups:
    """Several experiments that have a formula in common, but for some of its numbers.

    Attributes:
        header: of the column that says which a row belongs to.
        labels: of the experiments, as text.
        covariances: of the numbers in each, as `Formula.covariance`; empty of rates of systems.
    """

    header: str
    labels: tuple[str, ...]
    covariances: tuple[np.ndarray, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Formula:
    """A candidate: a formula with its numbers, in the units of the table.

    Attributes:
        form: how the terms make the formula.
        terms: in the order of the form.
        names, symbols: headers of the inputs, and what stands for them in the formula.
        target: header of the target.
        absolute: whether a logarithm in it is one of an absolute value.
        complexity: number of coefficients, exponents, and powers and functions of sums.
        error: root mean square of the residuals of the table's rows: in the target's unit, or where the noise is
            relative as a fraction of the best formula's values.
        description_length: negative logarithm of the evidence, in nats: what it takes to say formula and residuals.
        units, target_unit: of the inputs and the target, as text; no units where none were given.
        constants: that are known by name.
        covariance: (K + F, K + F) of the logarithms of absolute coefficients and of the F free exponents, term by term;
            None in results of earlier versions.
        known: what was known of it, and is added to the terms; None where nothing was.
        groups: the experiments that it is of, where some of its numbers differ by experiment; None where none does.
    """

    form: Form
    terms: tuple[Term, ...]
    names: tuple[str, ...]
    symbols: tuple[str, ...]
    target: str
    absolute: bool
    complexity: int
    error: float
    description_length: float
    units: tuple[str, ...] = ()
    target_unit: str = ""
    constants: tuple[Constant, ...] = ()
    covariance: np.ndarray | None = None
    known: KnownPart | None = None
    groups: Groups | None = None

    @functools.cached_property
    def formula(self) -> str:
        """The right-hand side, as text that Python and SymPy read back to the same function."""
        return _text.right_hand_side(self, _text.PLAIN)

    @functools.cached_property
    def with_errors(self) -> str:
        """The right-hand side for people: measured numbers with their standard errors, 8.314(12) is 8.314 +- 0.012."""
        return _text.right_hand_side(self, _text.ERRORS)

    @functools.cached_property
    def expression(self) -> "sympy.Expr":
        """The right-hand side in SymPy, its symbols real."""
        from ..symbolic._parse import parse

        constants = *(constant.symbol for constant in self.constants), *self.by_group
        return parse(self.formula, (*self.symbols, *constants))

    @functools.cached_property
    def latex(self) -> str:
        """target = right-hand side, for mathematics mode."""
        return _text.latex(self)

    @functools.cached_property
    def _units(self) -> tuple["Chain | None", Any, str]:
        from . import _units

        return _units.of(self)

    @property
    def model(self) -> "Chain | None":
        """The formula as a chain of units: `model.apply(params, x)[:, 0]`; None where it is none, see `model_note`."""
        return self._units[0]

    @property
    def params(self) -> Any:
        """Params of `model`, NumPy arrays in float64; None where there is no model."""
        return self._units[1]

    @property
    def model_note(self) -> str:
        """Why there is no model; empty where there is one."""
        return self._units[2]

    @property
    def numbers(self) -> tuple[Number, ...]:
        """Coefficients and exponents, term by term."""
        return tuple(each for t in self.terms for each in (t.coefficient, *(f.exponent for f in t.factors)))

    @property
    def by_group(self) -> dict[str, dict[str, Number]]:
        """Of the symbol of every number that differs by group: the number in each, by label."""
        if self.groups is None:
            return {}
        differing = [number for number in self.numbers if number.by_group]
        return {each.symbol: dict(zip(self.groups.labels, each.by_group, strict=True)) for each in differing}

    def of_group(self, label: Any) -> "Formula":
        """The formula of one group, all of its numbers those of the group; the formula itself where none differs.

        Raises:
            ValueError: there is no such group.
        """
        from . import _groups

        return _groups.of(self, label)

    def predict(self, x: Any, *, groups: Any = None) -> np.ndarray:
        """Values (rows,) float64 of inputs x (rows, n_in), or of a DataFrame that has the columns.

        NaN where the formula is not defined, infinite where its value leaves the range of float64.

        Args:
            x: as above.
            groups: where numbers differ by group: the label of every row, (rows,), one for all rows, or the name of a
                column of x.

        Raises:
            TypeError, ValueError: x has other columns, or cells that are no real numbers; there is no such group.
        """
        from . import _groups

        if self.groups is None and groups is None:
            return _values.of(self, _inputs.rows(x, self.names))
        return _groups.predicted(self, x, groups)

    @functools.cached_property
    def _known_values(self) -> Callable[..., Any]:
        from ..symbolic._evaluate import evaluate
        from ..symbolic._parse import parse

        assert self.known is not None
        expression = parse(self.known.formula, self.symbols)
        return lambda *columns: evaluate(expression, dict(zip(self.symbols, columns, strict=True)))

    def to_python(self) -> str:
        """Source of a function of the inputs' symbols that needs NumPy only."""
        return _text.python(self)

    def lines(self) -> tuple[str, ...]:
        """target = right-hand side for people, as of a system each of its equations."""
        return (f"{_names.printable(self.target)} = {self.with_errors}",)

    def __repr__(self) -> str:
        return f"<Formula {self.target!r}: {self.formula}>"

    def __str__(self) -> str:
        return f"{self.target} = {self.with_errors}"


def exact(value: Fraction) -> Number:
    """A number that was not fitted."""
    return Number(float(value), value, float(value), 0.0)


def measured(value: float, estimate: float, error: float, interval: tuple[float, float] | None = None) -> Number:
    """A number that was."""
    return Number(value, None, estimate, error, interval)


def complexity(form: Form, terms: tuple[Term, ...]) -> int:
    """What a reader has to take in: coefficients, inputs, and powers, bars and functions of sums."""
    outer = (form.power != 1) + (form.kind == "quotient") + (form.below != 1) + (form.function is not None)
    return outer + sum(1 + sum(len(factor.column.inputs) for factor in term.factors) for term in terms)
