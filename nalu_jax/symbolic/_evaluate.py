"""Values of an expression that `_parse` has read, in NumPy: nothing is compiled or executed, as `sympy.lambdify` does.

>>> import numpy as np
>>> from nalu_jax.symbolic import _evaluate, _parse
>>> falling = _parse.parse("9.5*t**2/2 + abs(h)", ["t", "h"])
>>> _evaluate.evaluate(falling, {"t": np.array([0.0, 2.0]), "h": -1.0}).tolist()
[1.0, 20.0]
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import sympy

FUNCTIONS: Mapping[Any, Callable[[Any], Any]] = {
    sympy.Abs: np.abs,
    sympy.acos: np.arccos,
    sympy.asin: np.arcsin,
    sympy.atan: np.arctan,
    sympy.cos: np.cos,
    sympy.cosh: np.cosh,
    sympy.exp: np.exp,
    sympy.log: np.log,
    sympy.sign: np.sign,
    sympy.sin: np.sin,
    sympy.sinh: np.sinh,
    sympy.tan: np.tan,
    sympy.tanh: np.tanh,
}
"""Those of `_parse.FUNCTIONS`; a square root is a power."""


def evaluate(expression: sympy.Basic, values: Mapping[str, Any]) -> Any:
    """The value of an expression where its symbols have these values (arrays that broadcast, or numbers); NaN where it
    has none.

    Raises:
        KeyError: a symbol or a function that is not there.
    """
    if expression.is_Symbol:
        return values[str(expression)]
    if not expression.args:
        return float(sympy.N(expression))
    arguments = [evaluate(argument, values) for argument in expression.args]
    if expression.is_Add or expression.is_Mul:
        return functools.reduce(np.add if expression.is_Add else np.multiply, arguments)
    with np.errstate(all="ignore"):
        return np.power(*arguments) if expression.is_Pow else FUNCTIONS[expression.func](*arguments)
