"""A function of columns and constants as text: it is called with what takes note of the arithmetic done with it.

>>> import numpy as np
>>> from nalu_jax.discover import _traced
>>> _traced.text(lambda h, a, c: 9.81 * h + a * np.exp(-h / c))
'a*exp(-h/c) + 9.81*h'
"""

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy
from numpy.lib.mixins import NDArrayOperatorsMixin

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "power": lambda a, b: a**b,
    "float_power": lambda a, b: a**b,
    "negative": lambda a: -a,
    "positive": lambda a: a,
    "square": lambda a: a**2,
    "reciprocal": lambda a: 1 / a,
    "absolute": sympy.Abs,
    "sqrt": sympy.sqrt,
    "exp": sympy.exp,
    "expm1": lambda a: sympy.exp(a) - 1,
    "log": sympy.log,
    "log1p": lambda a: sympy.log(1 + a),
    "sin": sympy.sin,
    "cos": sympy.cos,
    "tan": sympy.tan,
    "tanh": sympy.tanh,
    "arcsin": sympy.asin,
}
"""Of NumPy, by name."""


class _Traced(NDArrayOperatorsMixin):
    """An expression in place of a column."""

    def __init__(self, expression: Any):
        self.expression = expression

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        known = FUNCTIONS.get(ufunc.__name__)
        if known is None or method != "__call__" or options:
            raise TypeError(f"np.{ufunc.__name__} is not known")
        return _Traced(known(*map(_expression, inputs)))


def _expression(value: Any) -> Any:
    if isinstance(value, _Traced):
        return value.expression
    value = value.item() if isinstance(value, np.generic | np.ndarray) and np.size(value) == 1 else value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value  # text, of which SymPy would make an expression, is none
    return sympy.Integer(value) if isinstance(value, int) else sympy.Float(value)


def text(function: Callable[..., Any]) -> str:
    """The formula that a function computes of its arguments, by their names.

    Raises:
        ValueError: it computes what no formula is.
    """
    try:
        names = list(inspect.signature(function).parameters)
        found = _expression(function(*(_Traced(sympy.Symbol(name, real=True)) for name in names)))
        if not isinstance(found, sympy.Expr):
            raise TypeError(f"it returns {type(found).__name__}")
    except Exception as error:  # whatever the function does with what is no number
        raise ValueError(
            f"the function is no formula of its arguments ({error}): + - * / ** and NumPy's exp, log, sin, cos, tanh, "
            "sqrt and abs are read. Write it as text, or subtract its values from y."
        ) from None
    return re.sub(r"\bAbs\b", "abs", str(found))
