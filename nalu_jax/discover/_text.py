"""Formulas as text: for Python and SymPy, for people, in LaTeX, and as source of a NumPy function.

One writer makes all of them; a `Style` says how numbers, symbols and functions look.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from . import _names, _numbers

if TYPE_CHECKING:
    from ._engine.candidate import Column
    from ._formula import Factor, Formula, Number, Term


class Style(NamedTuple):
    """How a formula is written: a measured number that is not negative, and the name of a function."""

    measured: Callable[["Number"], str]
    function: Callable[[str], str] = lambda name: name


def _plain_number(number: "Number") -> str:
    return _numbers.measured_text(abs(number.value))


def _number_with_error(number: "Number") -> str:
    return _numbers.with_error(abs(number.value), number.error)


PLAIN = Style(_plain_number)
ERRORS = Style(_number_with_error)
NUMPY = Style(_plain_number, lambda name: "np." + {"asin": "arcsin"}.get(name, name))


class Product(NamedTuple):
    """What stands above and below a bar, without the sign; every part can stand in a product as it is."""

    negative: bool
    above: tuple[str, ...]
    below: tuple[str, ...]

    def __str__(self) -> str:
        above = "*".join(self.above) or "1"
        if not self.below:
            return above
        return f"{above}/{self.below[0]}" if len(self.below) == 1 else f"{above}/({'*'.join(self.below)})"

    def times(self, above: Sequence[str], below: Sequence[str] = ()) -> "Product":
        return Product(self.negative, (*self.above, *above), (*self.below, *below))


def right_hand_side(formula: "Formula", style: Style) -> str:
    """The formula without its target."""
    products = [_product(term, formula.symbols, style) for term in formula.terms]
    form, groups = formula.form, _split(products, formula.form.groups)
    if form.kind == "sum":
        return _sum(products)
    if form.kind == "power":
        return _signed(Product(False, (), ()).times(*_power(_sum(products), form.power, style)))
    if form.kind == "quotient":
        return _signed(_quotient(groups, form.power, form.below, style))
    front, added = groups[0][0], groups[2]
    inside = _sum(groups[1])
    return _sum([front.times(*_function(form.function or "", inside, formula.absolute, style)), *added])


def _split(products: Sequence[Product], sizes: Sequence[int]) -> list[Sequence[Product]]:
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return [products[end - size : end] for size, end in zip(sizes, ends, strict=True)]


def _sum(products: Sequence[Product]) -> str:
    first, *others = products
    return _signed(first) + "".join(f" {'-' if each.negative else '+'} {each}" for each in others)


def _signed(product: Product) -> str:
    return f"-{product}" if product.negative else str(product)


def _quotient(groups: Sequence[Sequence[Product]], power: float, below: float, style: Style) -> Product:
    bar = _power(_sum([Product(False, ("1",), ()), *groups[1]]), below, style)
    if len(groups[0]) == 1 and power == 1:
        return groups[0][0].times(bar[1], bar[0])
    above = _power(_sum(groups[0]), power, style)
    return Product(False, (*above[0], *bar[1]), (*above[1], *bar[0]))


def _power(base: str, power: float, style: Style) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a power of a sum puts above and below a bar."""
    exponent = _numbers.as_fraction(abs(power))
    if exponent == Fraction(1, 2):
        written = f"{style.function('sqrt')}({base})"
    else:
        written = f"({base})" if exponent == 1 else f"({base})**{_exponent(exponent, abs(power))}"
    return ((), (written,)) if power < 0 else ((written,), ())


def _exponent(exact: Fraction | None, value: float) -> str:
    if exact is None:
        return _numbers.measured_text(value)
    return str(exact) if exact.denominator == 1 else f"({exact})"


def _function(name: str, inside: str, absolute: bool, style: Style) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What an elementary function puts above and below a bar."""
    call = lambda function, argument: f"{style.function(function)}({argument})"
    if name in ("expm1", "1/expm1"):
        written = f"({call('exp', inside)} - 1)"
        return ((written,), ()) if name == "expm1" else ((), (written,))
    if name == "1/cosh":
        return (), (call("cosh", inside),)
    if name == "log1p":
        return (call("log", f"1 - {inside[1:]}" if inside.startswith("-") else f"1 + {inside}"),), ()
    if name == "log" and absolute:
        return (call("log", call("abs", inside)),), ()
    if name == "sin^2":
        return (f"{call('sin', inside)}**2",), ()
    return (call({"arcsin": "asin"}.get(name, name), inside),), ()


def _product(term: "Term", symbols: Sequence[str], style: Style) -> Product:
    above, below = [], []
    for factor in term.factors:
        for written, is_below in _factor(factor, symbols, style):
            (below if is_below else above).append(written)
    number = term.coefficient
    if number.exact is None:
        above.insert(0, style.measured(number))
    else:
        numerator, denominator = abs(number.exact.numerator), number.exact.denominator
        above[:0] = [str(numerator)] if numerator != 1 or not above else []
        below[:0] = [str(denominator)] if denominator != 1 else []
    return Product(number.value < 0, tuple(above), tuple(below))


def _factor(factor: "Factor", symbols: Sequence[str], style: Style) -> list[tuple[str, bool]]:
    """The parts of a factor, and whether each stands below the bar."""
    base = column_text(factor.column, symbols, style)
    if factor.size != 1:
        base = f"({base}/{factor.size:g})"
    parts = [(f"{style.function('sign')}({_bare(base)})", False)] if factor.sign == "kept" else []
    if factor.sign != "own":
        base = f"{style.function('abs')}({_bare(base)})"
    exponent = factor.exponent
    if exponent.exact is None:
        written = f"{base}**{style.measured(exponent)}"
    elif abs(exponent.exact) == Fraction(1, 2):
        written = f"{style.function('sqrt')}({_bare(base)})"
    elif abs(exponent.exact) == 1:
        written = base
    else:
        written = f"{base}**{_exponent(abs(exponent.exact), abs(exponent.value))}"
    return [*parts, (written, exponent.value < 0)]


def column_text(column: "Column", symbols: Sequence[str], style: Style) -> str:
    """A column as a factor."""
    text = ""
    for place, weight in zip(column.inputs, column.weights, strict=True):
        scaled = symbols[place] if abs(weight) == 1 else f"{abs(weight)!r}*{symbols[place]}"
        sign = "-" if weight < 0 else "+"
        text += f" {sign} {scaled}" if text else f"-{scaled}" if weight < 0 else scaled
    if column.function is not None:
        return f"{style.function(column.function)}({text})"
    return text if column.plain and column.weights == (1.0,) else f"({text})"


def _bare(text: str) -> str:
    """Without parentheses around the whole."""
    return text[1:-1] if text.startswith("(") and text.find(")") == len(text) - 1 else text


def legend(formula: "Formula") -> Mapping[str, str]:
    """Headers of those symbols in the formula that are not their headers."""
    used = {place for term in formula.terms for factor in term.factors for place in factor.column.inputs}
    pairs = [(formula.names[place], formula.symbols[place]) for place in sorted(used)]
    return _names.legend([name for name, _ in pairs], [symbol for _, symbol in pairs])


def latex(formula: "Formula") -> str:
    """target = right-hand side, its measured numbers with their errors."""
    import sympy
    from sympy.printing.latex import LatexPrinter

    from ..symbolic._parse import parse

    shown: dict[sympy.Expr, str] = {}
    stand_ins: dict[str, sympy.Symbol] = {}

    def measured(number: "Number") -> str:
        """A name that no symbol has; SymPy sets it before all of them, and as the number."""
        place, text = len(stand_ins), _number_with_error(number)
        symbol = sympy.Symbol(f" {place:03}", positive=True)
        stand_ins[f"NUMBER{place}__"] = symbol
        shown[symbol] = re.sub(r"e(-?\d+)$", r" \\cdot 10^{\1}", text)
        return f"NUMBER{place}__"

    symbols = {name: sympy.Symbol(name, positive=True) for name in formula.symbols}
    shown |= {symbols[s]: _names.as_latex(name) for s, name in zip(formula.symbols, formula.names, strict=True)}
    expression = parse(right_hand_side(formula, Style(measured)), {**symbols, **stand_ins})
    printer = LatexPrinter({"order": "none", "symbol_names": shown})
    return f"{_names.as_latex(formula.target)} = {printer.doprint(expression)}"


def python(formula: "Formula") -> str:
    """Source of a function that computes the formula by NumPy alone."""
    name = formula.target if _names.is_symbol(formula.target) and formula.target.isascii() else "formula"
    comments = [f"# {symbol}: column {header!r}" for symbol, header in legend(formula).items()]
    lines = [
        f"# {_names.printable(formula.target)} = {formula.with_errors}",
        *map(_names.printable, comments),
        "import numpy as np",
        "",
        "",
        f"def {name}({', '.join(formula.symbols)}):",
        *[f"    {symbol} = np.asarray({symbol}, float)" for symbol in formula.symbols],
        f"    return {right_hand_side(formula, NUMPY)}",
    ]
    return "\n".join(lines) + "\n"
