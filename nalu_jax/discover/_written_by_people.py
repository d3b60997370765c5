"""A formula that a person writes, as the engine has formulas: where its search begins too.

>>> from nalu_jax.discover import _written_by_people
>>> guess = _written_by_people.guess_of("m*v**2/2 + 3", ("m", "v"), ("m", "v"))
>>> guess.form.kind, guess.exponents.tolist(), guess.coefficients.tolist()
('sum', [[0.0, 0.0], [1.0, 2.0]], [3.0, 0.5])
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import sympy

from ._engine.candidate import Column
from ._engine.forms import LESS_ONE, ROOTS, Form
from ._engine.guess import Guess

FUNCTIONS = {
    sympy.exp: "exp", sympy.log: "log", sympy.sin: "sin", sympy.cos: "cos", sympy.tanh: "tanh", sympy.asin: "arcsin",
}  # fmt: skip

BELOW = {(sympy.exp, -1): "1/expm1", (sympy.exp, 1): "1/(1+exp)", (sympy.cosh, 0): "1/cosh"}
"""1 / (F + number), by F and the number."""

Terms = list[tuple[float, dict[Any, float]]]
"""Coefficients, and the powers of inputs."""


def guess_of(text: str, names: Sequence[str], symbols: Sequence[str]) -> Guess:
    """The formula as form, exponents and coefficients.

    Raises:
        TypeError, ValueError: it cannot be read, or is of no form that is searched; the message says so.
    """
    expression = _read(text, names, symbols)
    positive = {sympy.Symbol(s, real=True): sympy.Symbol(s, positive=True) for s in symbols}
    found = _form_of(expression.xreplace(positive))
    if found is None:
        raise ValueError(
            f"guess: {text!r} is none of the forms that are searched: sums of products of powers, powers and quotients "
            "of sums, one elementary function of a sum, a root beside a term. Simplify it, or pass what is sure of it "
            "as known=."
        )
    form, terms = found
    places = {sympy.Symbol(symbol, positive=True): place for place, symbol in enumerate(symbols)}
    used = sorted({places[base] for _, powers in terms for base in powers})
    exponents = np.zeros((len(terms), len(used)))
    for k, (_, powers) in enumerate(terms):
        for base, power in powers.items():
            exponents[k, used.index(places[base])] = power
    return Guess(form, tuple(Column((j,)) for j in used), exponents, np.array([number for number, _ in terms]))


def _read(text: str, names: Sequence[str], symbols: Sequence[str]) -> sympy.Expr:
    """The expression of headers or symbols."""
    from ..symbolic._parse import parse  # here: a search without a guess loads no reader of formulas

    if not isinstance(text, str):
        raise TypeError(f"guess must be the text of a formula, got {text!r}.")
    try:
        return parse(text, {**{s: sympy.Symbol(s, real=True) for s in symbols}})
    except ValueError as error:
        shown = ", ".join(
            symbol if symbol == name else f"{symbol} ({name})" for name, symbol in zip(names, symbols, strict=True)
        )
        raise ValueError(
            f"guess: {str(error).rstrip('.')}; the columns are {shown}; a constant is written as a number, "
            f"where the fit begins."
        ) from None


def _form_of(expression: Any) -> tuple[Form, Terms] | None:
    for attempt in (_sum, _power, _function, _below_function, _root, _quotient):
        found = attempt(expression)
        if found is not None and found[1] and all(np.isfinite(number) and number for number, _ in found[1]):
            return found
    return None


def _terms(expression: Any) -> Terms | None:
    """Of a sum of products of powers; None where it is none."""
    found = []
    parts: tuple[Any, ...] = sympy.Add.make_args(sympy.expand(expression))
    for part in parts:
        number, product = part.as_independent(*part.free_symbols, as_Add=False)
        powers = product.as_powers_dict() if part.free_symbols else {}
        if not all(base.is_Symbol and power.is_number for base, power in powers.items()) or not number.is_number:
            return None
        found.append((float(number), {base: float(power) for base, power in powers.items()}))
    return found


def _sum(expression: sympy.Expr) -> tuple[Form, Terms] | None:
    terms = _terms(expression)
    return None if terms is None else (Form("sum", (len(terms),)), terms)


def _power(expression: sympy.Expr) -> tuple[Form, Terms] | None:
    """A product times one power of a sum: the product goes into the sum."""
    front: Any = sympy.Integer(1)
    sums: list[tuple[Any, Any]] = []
    for base, power in expression.as_powers_dict().items():
        if base.is_Add:
            sums.append((base, power))
        else:
            front *= base**power
    if len(sums) != 1 or not sums[0][1].is_number:
        return None
    base, power = sums[0]
    parts: tuple[Any, Any] = front.as_independent(*front.free_symbols, as_Add=False)
    number, product = parts
    if not number.is_number or float(number) <= 0 and float(1 / power) != int(1 / power):
        return None
    inside = _terms(base * sympy.sign(number) * (sympy.Abs(number) * product) ** (1 / power))
    return None if inside is None else (Form("power", (len(inside),), power=float(power)), inside)


def _quotient(expression: sympy.Expr) -> tuple[Form, Terms] | None:
    """P / (1 + Q), divided by the first term below the bar."""
    above, below = sympy.fraction(sympy.together(expression))
    first = sympy.Add.make_args(sympy.expand(below))[0]
    upper, lower = _terms(above / first), _terms(below / first)
    if upper is None or lower is None or len(lower) < 2:
        return None
    rest = [term for term in lower if term[1]]
    if len(rest) != len(lower) - 1:
        return None
    return Form("quotient", (len(upper), len(rest))), upper + rest


def _function(expression: sympy.Expr) -> tuple[Form, Terms] | None:
    """front F(inside) + added."""
    calls = [call for call in expression.atoms(sympy.Function) if type(call) in FUNCTIONS and call.free_symbols]
    if len(calls) != 1:
        return None
    stand_in = sympy.Dummy(positive=True)
    parts = sympy.Add.make_args(sympy.expand(expression.xreplace({calls[0]: stand_in})))
    with_it = [part for part in parts if part.has(stand_in)]
    inside = _terms(calls[0].args[0])
    if len(with_it) != 1 or inside is None or with_it[0].has(*calls):
        return None
    square = FUNCTIONS[type(calls[0])] == "sin" and with_it[0].as_powers_dict()[stand_in] == 2
    front = _terms(with_it[0] / stand_in ** (2 if square else 1))
    added = _terms(sympy.Add(*(part for part in parts if part not in with_it))) if len(parts) > 1 else []
    if front is None or added is None or stand_in in front[0][1]:
        return None
    return _beside("sin^2" if square else FUNCTIONS[type(calls[0])], front, inside, added)


def _beside(name: str, front: Terms, inside: Terms, added: Terms) -> tuple[Form, Terms]:
    """front F(inside) + added, which is front (F(inside) - 1) where that is what was added."""
    if name in LESS_ONE and [(-number, powers) for number, powers in added] == front:
        return Form("function", (1, len(inside), 0), function=LESS_ONE[name]), front + inside
    return Form("function", (1, len(inside), len(added)), function=name), front + inside + added


def _below_function(expression: sympy.Expr) -> tuple[Form, Terms] | None:
    """front / (F(inside) + number), whatever F and the number are multiplied by."""
    calls = [call for call in expression.atoms(sympy.Function) if type(call) in (sympy.exp, sympy.cosh)]
    if len(calls) != 1:
        return None
    stand_in = sympy.Dummy(positive=True)
    above, below = sympy.fraction(sympy.together(expression.xreplace({calls[0]: stand_in})))
    factor, rest = sympy.expand(below).coeff(stand_in, 1), sympy.expand(below).coeff(stand_in, 0)
    name = BELOW.get((type(calls[0]), sympy.simplify(rest / factor))) if factor else None
    front, inside = (None, None) if name is None else (_terms(above / factor), _terms(calls[0].args[0]))
    if front is None or inside is None or len(front) != 1 or stand_in in front[0][1]:
        return None
    return Form("function", (1, len(inside), 0), function=name), front + inside


def _root(expression: sympy.Expr) -> tuple[Form, Terms] | None:
    """front (1 + inside)^power + added, divided by a positive term inside the root, the number if there is one."""
    parts = sympy.Add.make_args(sympy.expand(expression))
    factors = itertools.chain.from_iterable(sympy.Mul.make_args(part) for part in parts)
    roots: set[Any] = {factor for factor in factors if factor.is_Pow and factor.args[0].is_Add}
    if len(roots) != 1 or len(parts) < 2:
        return None
    (root,) = roots
    names = {each.power: name for name, each in ROOTS.items() if not each.less_one}
    with_it = [part for part in parts if part.has(root)]
    inside: tuple[Any, ...] = sympy.Add.make_args(sympy.expand(root.base))
    first = max(inside, key=lambda term: (term.is_positive is True, term.is_number))
    if len(with_it) != 1 or not root.exp.is_number or not first.is_positive:
        return None
    rest = _terms(sympy.Add(*(term for term in inside if term is not first)) / first)
    front = _terms(with_it[0] / root * first**root.exp)
    added = _terms(sympy.Add(*(part for part in parts if part not in with_it)))
    name = names.get(float(root.exp))
    if front is None or rest is None or added is None or name is None:
        return None
    return _beside(name, front, rest, added)
