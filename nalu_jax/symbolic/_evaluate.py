"""Values of an expression that `_parse` has read, in NumPy or JAX: no source is made and run, as `sympy.lambdify` does.

>>> import numpy as np
>>> from nalu_jax.symbolic import _evaluate, _parse
>>> falling = _parse.parse("9.5*t**2/2 + abs(h)", ["t", "h"])
>>> _evaluate.evaluate(falling, {"t": np.array([0.0, 2.0]), "h": -1.0}).tolist()
[1.0, 20.0]
"""

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy

FUNCTIONS: Mapping[Any, str] = {
    sympy.Abs: "abs",
    sympy.acos: "arccos",
    sympy.asin: "arcsin",
    sympy.atan: "arctan",
    sympy.cos: "cos",
    sympy.cosh: "cosh",
    sympy.exp: "exp",
    sympy.log: "log",
    sympy.sign: "sign",
    sympy.sin: "sin",
    sympy.sinh: "sinh",
    sympy.tan: "tan",
    sympy.tanh: "tanh",
}
"""Names in NumPy and JAX of those of `_parse.FUNCTIONS`; a square root is a power."""


def evaluate(expression: sympy.Basic, values: Mapping[str, Any], library: Any = np) -> Any:
    """The value of an expression where its symbols have these values (arrays that broadcast, or numbers); NaN where it
    has none. `library` is numpy or jax.numpy.

    Raises:
        KeyError: a symbol or a function that is not there.
    """
    if expression.is_Symbol:
        return values[str(expression)]
    if not expression.args:
        return _number(expression)
    arguments = [evaluate(argument, values, library) for argument in expression.args]
    if expression.is_Add or expression.is_Mul:
        return functools.reduce(library.add if expression.is_Add else library.multiply, arguments)
    with np.errstate(all="ignore"):
        name = "power" if expression.is_Pow else FUNCTIONS[expression.func]
        return getattr(library, name)(*arguments)


@functools.lru_cache(maxsize=1024)
def _number(expression: sympy.Basic) -> float:
    """Once: in the rates of trajectories an expression has thousands of values."""
    return float(sympy.N(expression))
