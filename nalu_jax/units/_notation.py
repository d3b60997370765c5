"""How the formulas of the units are written in SymPy, which is imported by the functions that need it only.

The formula of a unit stands beside its maths and is in its record: (effective weights, x, options, notation) -> one
expression for every output. tests/test_symbolic_formulas.py holds it to `apply` for every unit of `UNITS`.

>>> import numpy as np, sympy
>>> from nalu_jax import real_npu
>>> from nalu_jax.units._notation import Notation
>>> x, y = sympy.symbols("x y", real=True)
>>> weights = {"re": np.array([[2.0], [-1.0]]), "gate": np.ones(2)}
>>> real_npu.UNIT.formula(weights, [x, y], real_npu.UNIT.settings, Notation(np.dtype("float64"), eps=False))
[x**2/y]
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

Expr = Any
"""A SymPy expression: its own class cannot be named without loading SymPy."""

Weights = Mapping[str, np.ndarray]
Options = Mapping[str, Any]

LARGEST = 10**6  # of numerators: beyond, a number that happens to be a fraction is not meant as one


class Input(NamedTuple):
    """An input as the units read it: itself, its magnitude, and 1 where it is negative, else 0."""

    value: Expr
    size: Expr
    negative: Expr

    @property
    def sign(self) -> Expr:
        """-1 where it is negative, otherwise 1, also at 0."""
        return 1 - 2 * self.negative


class Notation(NamedTuple):
    """How numbers are written.

    Attributes:
        dtype: of the weights, in which a fraction is recognised and whose machine epsilon is the eps of None.
        eps: whether there is one.
    """

    dtype: np.dtype
    eps: bool

    def number(self, value: Any) -> Expr:
        """A fraction with a denominator up to 4 where the value is that to the last bit, or a float of 17 digits."""
        import sympy

        for denominator in (1, 2, 3, 4):
            numerator = round(float(value) * denominator)
            if abs(numerator) <= LARGEST and self.dtype.type(numerator / denominator) == value:
                return sympy.Rational(numerator, denominator)
        return sympy.Float(float(value), 17)

    def epsilon(self, eps: float | None) -> Expr:
        """The option eps as the unit's apply reads it; 0 where it is dropped."""
        if not self.eps:
            return self.number(0)
        return self.number(float(jnp.finfo(self.dtype).eps) if eps is None else eps)  # jnp's finfo knows bfloat16

    def row(self, vector: np.ndarray) -> list[Expr]:
        """The numbers of a vector."""
        return [self.number(value) for value in vector]

    def columns(self, matrix: np.ndarray) -> list[list[Expr]]:
        """The numbers of a matrix, a list for every output."""
        return [self.row(column) for column in np.asarray(matrix).T]

    def linear(self, matrix: np.ndarray, x: Sequence[Expr]) -> list[Expr]:
        """x @ matrix."""
        return [add([w * value for w, value in zip(column, x, strict=True)]) for column in self.columns(matrix)]

    def inputs(self, x: Sequence[Expr], options: Options) -> list[Input]:
        """x with magnitudes and signs; neither where the domain or SymPy says that an input is not negative."""
        import sympy

        at_zero: Any = sympy.Integer(0)  # SymPy's annotations take the step function at 0 to be 1/2 always
        positive = options.get("domain") == "positive"
        plain = [positive or value.is_nonnegative for value in x]
        return [
            Input(value, value, at_zero)
            if is_plain
            else Input(value, sympy.Abs(value), sympy.Heaviside(-value, at_zero))
            for value, is_plain in zip(x, plain, strict=True)
        ]


def multiply(factors: Sequence[Expr]) -> Expr:
    """The product of expressions."""
    import sympy

    return sympy.Mul(*factors)


def add(terms: Sequence[Expr]) -> Expr:
    """The sum of expressions."""
    import sympy

    return sympy.Add(*terms)


def sigmoid(logit: Expr) -> Expr:
    """1 / (1 + exp(-logit))."""
    import sympy

    return 1 / (1 + sympy.exp(-logit))


def at_least(size: Expr, eps: Expr) -> Expr:
    """max(size, eps), and size itself where eps is dropped."""
    import sympy

    return size if eps == 0 else sympy.Max(size, eps)


def signed_power(base: Expr, x: Input, exponent: Expr, odd: bool) -> Expr:
    """base^exponent, times the sign of x where `odd`; a plain power of x where that is the same."""
    if base == x.size and exponent.is_Integer and odd == bool(exponent % 2):
        return x.value**exponent
    return base**exponent * (x.sign if odd else 1)


def half_turns(inputs: Sequence[Input], turns: Sequence[Expr]) -> tuple[list[bool], Expr]:
    """Which half turns of a negative input are whole and odd, so that they are its sign, and the rest of the phase."""
    import sympy

    odd = [bool(turn.is_Integer and turn % 2) for turn in turns]
    rest = [turn * x.negative for turn, x in zip(turns, inputs, strict=True) if not turn.is_Integer]
    return odd, sympy.pi * add(rest)
