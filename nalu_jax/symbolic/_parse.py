"""From text to a SymPy expression, by a reader that knows numbers, names, operators and elementary functions only.

Nothing is executed: the text goes through Python's grammar, not its interpreter, and what is not in the lists below is
refused. `sympy.sympify` must never see text: it evaluates it.

>>> from nalu_jax.symbolic import _parse
>>> _parse.parse("2*mass*speed**2 - exp(-t/3)", ["mass", "speed", "t"])
2*mass*speed**2 - exp(-t/3)
>>> _parse.parse("__import__('os').system('ls')", ["t"])
Traceback (most recent call last):
    ...
ValueError: "__import__('os').system('ls')" is no formula: it calls what is none of the functions abs, acos, asin, \
atan, cos, cosh, exp, log, sign, sin, sinh, sqrt, tan, tanh.
"""

import ast
import math
import operator
import unicodedata
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sympy

FUNCTIONS: Mapping[str, Callable[[Any], Any]] = {
    "abs": sympy.Abs,
    "acos": sympy.acos,
    "asin": sympy.asin,
    "atan": sympy.atan,
    "cos": sympy.cos,
    "cosh": sympy.cosh,
    "exp": sympy.exp,
    "log": sympy.log,
    "sign": sympy.sign,
    "sin": sympy.sin,
    "sinh": sympy.sinh,
    "sqrt": sympy.sqrt,
    "tan": sympy.tan,
    "tanh": sympy.tanh,
}
ALIASES: Mapping[str, Callable[[Any], Any]] = {"Abs": sympy.Abs, "ln": sympy.log}
"""Other spellings of the same functions, as SymPy and people write them."""

OPERATORS: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}

LONGEST = 20_000
"""Characters of a formula: Python's own reader takes more and more memory with nested text, and no law is that long."""

DIGITS = 40
"""Of a whole number: more are a mistake, or a way to keep a computer busy."""


def parse(text: str, names: Sequence[str] | Mapping[str, sympy.Expr]) -> sympy.Expr:
    """The expression that the text stands for.

    Args:
        text: numbers, names, + - * / ** ( ) and the elementary functions.
        names: which names it may have, in any order, of which real symbols are made; or the symbol of each name.

    Returns:
        A SymPy expression. Whole numbers are exact, and so are their ratios; those with a point are doubles.

    Raises:
        TypeError: not text.
        ValueError: anything else is in it, a name is not one of those, or a number of it is not real and finite. The
            message has the text and what is wrong with it.
    """
    if not isinstance(text, str):
        raise TypeError(f"a formula must be text, got {type(text).__name__}.")
    if len(text) > LONGEST:
        raise ValueError(f"a formula of {len(text)} characters: at most {LONGEST} are read.")
    symbols = names if isinstance(names, Mapping) else {name: sympy.Symbol(name, real=True) for name in names}
    # Python reads every name in this normal form, and so do we
    symbols = {unicodedata.normalize("NFKC", name): symbol for name, symbol in symbols.items()}
    try:
        with warnings.catch_warnings(action="ignore"):  # Python's own, of text that is refused below
            tree = ast.parse(text.strip(), mode="eval")
        return _expression(tree.body, symbols)
    except SyntaxError as error:
        reason = f"it cannot be read from character {error.offset or 1} on"
    except _Refused as refused:
        reason = str(refused)
    except (RecursionError, MemoryError):
        reason = "it is nested too deeply"
    except ValueError:  # null bytes, lone surrogates
        reason = "it has characters that no formula has"
    raise ValueError(f"{text if len(text) < 80 else text[:80] + '...'!r} is no formula: {reason}.")


class _Refused(Exception):
    """What is wrong with a part of a formula."""


def _expression(node: ast.expr, symbols: Mapping[str, sympy.Expr]) -> sympy.Expr:
    if isinstance(node, ast.Constant):
        return _number(node.value)
    if isinstance(node, ast.Name):
        return _symbol(node.id, symbols)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        operand = _expression(node.operand, symbols)
        return -operand if isinstance(node.op, ast.USub) else operand
    if isinstance(node, ast.BinOp):
        return _operation(node, symbols)
    if isinstance(node, ast.Call):
        return _call(node, symbols)
    raise _Refused("expected numbers, names, + - * / ** ( ) and elementary functions only")


def _number(value: Any) -> sympy.Expr:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Refused(f"{value!r} is not a real number")
    if isinstance(value, int):
        if len(str(value)) > DIGITS:
            raise _Refused(f"it has a whole number of more than {DIGITS} digits")
        return sympy.Integer(value)
    return _finite(sympy.Float(value))


def _symbol(name: str, symbols: Mapping[str, sympy.Expr]) -> sympy.Expr:
    if name in symbols:
        return symbols[name]
    if name == "pi":
        return sympy.pi
    raise _Refused(f"{name!r} is not one of the names {', '.join(map(repr, symbols)) or '(there are none)'}")


def _operation(node: ast.BinOp, symbols: Mapping[str, sympy.Expr]) -> sympy.Expr:
    apply = OPERATORS.get(type(node.op))
    if apply is None:
        cure = "; a power is written **" if isinstance(node.op, ast.BitXor) else ""
        raise _Refused(f"it has an operator other than + - * / **{cure}")
    left, right = _expression(node.left, symbols), _expression(node.right, symbols)
    if right == 0 and apply is operator.truediv:
        raise _Refused("it divides by 0")
    if apply is operator.pow and left.is_number and right.is_number:
        _check_power(float(left), float(right))
    return _finite(apply(left, right))


def _call(node: ast.Call, symbols: Mapping[str, sympy.Expr]) -> sympy.Expr:
    function = FUNCTIONS.get(node.func.id, ALIASES.get(node.func.id)) if isinstance(node.func, ast.Name) else None
    if function is None:
        raise _Refused(f"it calls what is none of the functions {', '.join(FUNCTIONS)}")
    if len(node.args) != 1 or node.keywords or isinstance(node.args[0], ast.Starred):
        raise _Refused("a function takes one argument")
    return _finite(function(_expression(node.args[0], symbols)))


def _check_power(base: float, exponent: float) -> None:
    """Before SymPy computes all digits of it."""
    if base == 0 and exponent < 0 or base < 0 and exponent != round(exponent):
        raise _Refused(f"{base:g}**{exponent:g} is not a real number")
    if abs(base) not in (0, 1) and abs(exponent * math.log(abs(base))) > math.log(1e300):
        raise _Refused(f"{base:g}**{exponent:g} is beyond the range of numbers")


def _finite(expression: sympy.Expr) -> sympy.Expr:
    """The expression, unless it is a number that no float is."""
    if expression.has(sympy.zoo, sympy.nan, sympy.oo, -sympy.oo):
        raise _Refused("a number in it is not finite")
    if not expression.is_number:
        return expression
    try:
        value = float(expression)
    except (TypeError, OverflowError):
        raise _Refused("a number in it is not real") from None
    if not math.isfinite(value):
        raise _Refused("a number in it is not finite")
    return expression
