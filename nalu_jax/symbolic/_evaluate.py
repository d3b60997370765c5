"""Values of an expression that `_parse` has read, in NumPy or JAX: no source is made and run, as `sympy.lambdify` does.

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
    with np.errstate(all="ignore"):
        return _made(expression, library)(values)


@functools.lru_cache(maxsize=1024)
def _made(expression: sympy.Basic, library: Any) -> Callable[[Mapping[str, Any]], Any]:
    """An expression as a function of the values, made once: in the rates of trajectories it is asked thousands of
    times, and SymPy's own attributes cost more than the arithmetic."""
    if isinstance(expression, sympy.Symbol):
        name = expression.name
        return lambda values: values[name]
    if not expression.args:
        number = float(sympy.N(expression))
        return lambda values: number
    parts = [_made(argument, library) for argument in expression.args]
    if expression.is_Add or expression.is_Mul:
        operation = library.add if expression.is_Add else library.multiply
        return lambda values: functools.reduce(operation, [part(values) for part in parts])
    function = getattr(library, "power" if expression.is_Pow else FUNCTIONS[expression.func])
    return lambda values: function(*[part(values) for part in parts])
