"""Formulas as text: for Python and SymPy, for people, in LaTeX, and as source of a NumPy function.

One writer makes all of them; a `Style` says how numbers, symbols, functions and fractions look.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from . import _names, _numbers
from ._engine.candidate import SATURATING
from ._engine.forms import LESS_ONE, ROOTS

if TYPE_CHECKING:
    from ._engine.candidate import Column
    from ._formula import Factor, Formula, Number, Term


class Style(NamedTuple):
    """How the parts of a formula are written.

    Attributes:
        measured: a measured number, without its sign.
        call: a function, by its name in Python, of an argument.
        power: of a base and an exponent.
        group: a sum as a factor.
        product: of factors.
        fraction: of factors above and below a bar.
        simple: of the whole numbers of an exponent that is a fraction.
    """

    measured: Callable[["Number"], str]
    call: Callable[[str, str], str]
    power: Callable[[str, str], str]
    group: Callable[[str], str]
    product: Callable[[Sequence[str]], str]
    fraction: Callable[[Sequence[str], Sequence[str]], str]
    simple: Callable[[Fraction], str]


def _plain_number(number: "Number") -> str:
    return _numbers.measured_text(abs(number.value))


def _number_with_error(number: "Number") -> str:
    return _numbers.with_error(abs(number.value), number.error)


def _python_fraction(above: Sequence[str], below: Sequence[str]) -> str:
    under = below[0] if len(below) == 1 else f"({'*'.join(below)})"
    return f"{'*'.join(above)}/{under}"


PLAIN = Style(
    measured=_plain_number,
    call=lambda function, argument: f"{function}({argument})",
    power=lambda base, exponent: f"{base}**{exponent}",
    group=lambda text: f"({text})",
    product="*".join,
    fraction=_python_fraction,
    simple=lambda value: str(value) if value.denominator == 1 else f"({value})",
)
"""What Python, with NumPy's or its own functions at hand, and SymPy read."""

ERRORS = PLAIN._replace(measured=_number_with_error)
"""For people: every measured number with its standard error in its last digits."""

NUMPY = PLAIN._replace(call=lambda function, argument: f"np.{ {'asin': 'arcsin'}.get(function, function) }({argument})")
"""Source for NumPy imported as np."""


def _latex_call(function: str, argument: str) -> str:
    if function == "sqrt":
        return rf"\sqrt{{{argument}}}"
    if function == "abs":
        return rf"\left|{argument}\right|"
    if function == "exp":
        return f"e^{{{argument}}}"
    name = {"asin": r"\arcsin", "sign": r"\operatorname{sign}"}.get(function, f"\\{function}")
    return rf"{name}\left({argument}\right)"


def _latex_power(base: str, exponent: str) -> str:
    return rf"\left({base}\right)^{{{exponent}}}" if base.startswith("e^") else f"{base}^{{{exponent}}}"


def _latex_fraction(above: Sequence[str], below: Sequence[str]) -> str:
    over, under = (_without_parentheses(LATEX.product(parts)) for parts in (above, below))
    return rf"\frac{{{over}}}{{{under}}}"


def _without_parentheses(text: str) -> str:
    """A sum that stands alone above or below a bar."""
    inside = text.removeprefix(r"\left(").removesuffix(r"\right)")
    alone = len(inside) == len(text) - len(r"\left(\right)") and r"\right)" not in inside
    return inside if alone else text


LATEX = Style(
    measured=lambda number: re.sub(r"e(-?\d+)$", r" \\cdot 10^{\1}", _number_with_error(number)),
    call=_latex_call,
    power=_latex_power,
    group=lambda text: rf"\left({text}\right)",
    product=r" \, ".join,
    fraction=_latex_fraction,
    simple=str,
)


LARGEST_DENOMINATOR = 100
"""Of a fraction within an exponential; a number with a larger one is written in decimals."""


class Product(NamedTuple):
    """What stands above and below a bar, and the sign; every part can stand in a product as it is."""

    negative: bool
    above: tuple[str, ...]
    below: tuple[str, ...]

    def times(self, other: "Product") -> "Product":
        return Product(self.negative != other.negative, self.above + other.above, self.below + other.below)


ONE = Product(False, (), ())


def right_hand_side(formula: "Formula", style: Style, symbols: Sequence[str] | None = None) -> str:
    """The formula without its target; 0 where it has no terms."""
    if formula.known is None:
        return _terms_of(formula, style, symbols) if formula.terms else "0"
    known = _known(formula.known.formula, formula, style)
    if not formula.terms:
        return known
    found = _terms_of(formula, style, symbols)
    return f"{known} - {found[1:]}" if found.startswith("-") else f"{known} + {found}"


def _known(text: str, formula: "Formula", style: Style) -> str:
    """What was known of a formula."""
    if style is LATEX:
        import sympy

        from ..symbolic._parse import parse

        names = {
            sympy.Symbol(s, real=True): _names.as_latex(n) for s, n in zip(formula.symbols, formula.names, strict=True)
        }
        return sympy.latex(parse(text, formula.symbols), symbol_names=names)
    if style is NUMPY:
        names = {"acos": "arccos", "asin": "arcsin", "atan": "arctan", "ln": "log"}
        text = re.sub(r"\b([a-z]+)\(", lambda call: f"np.{names.get(call[1], call[1])}(", text)
        return re.sub(r"\bpi\b", "np.pi", text)
    return text


def _terms_of(formula: "Formula", style: Style, symbols: Sequence[str] | None) -> str:
    """The terms that were found."""
    symbols = formula.symbols if symbols is None else symbols
    products = [_product(term, symbols, style, _constants(formula, style)) for term in formula.terms]
    form, groups = formula.form, _split(products, formula.form.groups)
    if form.kind == "function":
        name, front = form.function or "", groups[0][0]
        turned = front.negative and name in (*LESS_ONE.values(), "1/expm1")
        front = front._replace(negative=front.negative and not turned)
        alone = front == ONE and not groups[2]
        outer = _function(name, _sum(groups[1], style), formula.absolute, style, turned=turned, alone=alone)
        return _sum([front.times(outer), *groups[2]], style)
    if form.kind == "quotient":
        below = _power(_sum([ONE, *groups[1]], style), -form.below, style)
        single = len(groups[0]) == 1 and form.power == 1
        above = groups[0][0] if single else _power(_sum(groups[0], style), form.power, style)
        return _sum([above.times(below)], style)
    total = _sum(products, style)
    return total if form.power == 1 else _sum([_power(total, form.power, style)], style)


def _split(products: Sequence[Product], sizes: Sequence[int]) -> list[Sequence[Product]]:
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return [products[end - size : end] for size, end in zip(sizes, ends, strict=True)]


def _sum(products: Sequence[Product], style: Style) -> str:
    text = ""
    for product in products:
        above = product.above or ("1",)
        written = style.fraction(above, product.below) if product.below else style.product(above)
        sign = "-" if product.negative else "+"
        text += f" {sign} {written}" if text else f"-{written}" if product.negative else written
    return text


def _power(base: str, power: float, style: Style) -> Product:
    """A power of a sum."""
    exponent = _numbers.as_fraction(abs(power))
    if exponent == Fraction(1, 2):
        written = style.call("sqrt", base)
    elif exponent == 1:
        written = style.group(base)
    else:
        shown = _numbers.measured_text(abs(power)) if exponent is None else style.simple(exponent)
        written = style.power(style.group(base), shown)
    return Product(False, (), (written,)) if power < 0 else Product(False, (written,), ())


def _function(name: str, inside: str, absolute: bool, style: Style, *, turned: bool, alone: bool) -> Product:
    """An elementary function of a sum; of one less 1 its opposite where it is turned, 1 - exp(u), which needs no
    parentheses where it stands alone."""
    difference = lambda text: f"1 - {text}" if turned else f"{text} - 1"
    less_one = lambda text: difference(text) if alone else style.group(difference(text))
    if name == "expm1":
        return Product(False, (less_one(style.call("exp", inside)),), ())
    if name == "1/expm1":
        return Product(False, (), (style.group(difference(style.call("exp", inside))),))
    if name == "1/(1+exp)":
        return Product(False, (), (style.group(f"1 + {style.call('exp', inside)}"),))
    if name == "1/cosh":
        return Product(False, (), (style.call("cosh", inside),))
    if name == "log1p" or name in ROOTS:
        inside = f"1 - {inside[1:]}" if inside.startswith("-") else f"1 + {inside}"
    if name in ROOTS:
        root = _power(inside, ROOTS[name].power, style)
        return Product(False, (less_one(_sum([root], style)),), ()) if ROOTS[name].less_one else root
    if name == "log1p":
        return Product(False, (style.call("log", inside),), ())
    if name == "log" and absolute:
        return Product(False, (style.call("log", style.call("abs", inside)),), ())
    if name == "sin^2":
        return Product(False, (style.power(style.call("sin", inside), "2"),), ())
    return Product(False, (style.call({"arcsin": "asin"}.get(name, name), inside),), ())


def _constants(formula: "Formula", style: Style) -> Sequence[str]:
    """What stands for the known constants."""
    if style is LATEX:
        return [_names.as_latex(constant.name) for constant in formula.constants]
    return [constant.symbol for constant in formula.constants]


def _product(term: "Term", symbols: Sequence[str], style: Style, constants: Sequence[str]) -> Product:
    above, below = [], []
    for place, power in term.known:
        size = abs(power.exact or Fraction(power.value))
        if size == Fraction(1, 2):
            written = style.call("sqrt", constants[place])
        else:
            written = constants[place] if size == 1 else style.power(constants[place], style.simple(size))
        (below if power.value < 0 else above).append(written)
    for factor in term.factors:
        for written, is_below in _factor(factor, symbols, style):
            (below if is_below else above).append(written)
    number = term.coefficient
    if number.exact is None:
        above.insert(0, _measured(number, style))
    else:
        numerator, denominator = abs(number.exact.numerator), number.exact.denominator
        above[:0] = [str(numerator)] if numerator != 1 else []
        below[:0] = [str(denominator)] if denominator != 1 else []
    return Product(bool(number.value < 0) and not number.by_group, tuple(above), tuple(below))


def _measured(number: "Number", style: Style) -> str:
    """A number that was measured, without its sign; the symbol of one that differs by group, which has its own."""
    if not number.by_group:
        return style.measured(number)
    return _names.as_latex(number.symbol) if style is LATEX else number.symbol


def _factor(factor: "Factor", symbols: Sequence[str], style: Style) -> list[tuple[str, bool]]:
    """The parts of a factor, and whether each stands below the bar."""
    if factor.column.function == "exp" and factor.size == 1:
        return [(_exponential(factor, symbols, style), False)]
    if factor.column.function in SATURATING:
        return [(style.group(_saturating(factor.column, symbols, style)), True)]
    base = _column(factor.column, symbols, style)
    if factor.size != 1:
        base = style.fraction((_as_factor(base, factor.column, style),), (f"{factor.size:g}",))
    parts = [(style.call("sign", base), False)] if factor.sign == "kept" else []
    written = base
    if factor.sign != "own":
        written = style.call("abs", base)
    exponent = factor.exponent
    if exponent.exact is not None and abs(exponent.exact) == Fraction(1, 2):
        return [*parts, (style.call("sqrt", written), exponent.value < 0)]
    if factor.sign == "own":
        written = style.group(base) if factor.size != 1 else _as_factor(base, factor.column, style)
    if exponent.exact is None:
        written = style.power(written, _measured(exponent, style))
    elif abs(exponent.exact) != 1:
        written = style.power(written, style.simple(abs(exponent.exact)))
    return [*parts, (written, exponent.value < 0 and not exponent.by_group)]


def _exponential(factor: "Factor", symbols: Sequence[str], style: Style) -> str:
    """A power of an exponential, as the exponential of a multiple."""
    exponent, parts = factor.exponent, []
    for place, weight in zip(factor.column.inputs, factor.column.weights, strict=True):
        negative = (exponent.value < 0) != (weight < 0)
        share = abs(Fraction(repr(weight)))
        if exponent.exact is None:
            value, error = (float(Fraction(repr(float(part))) * share) for part in (exponent.value, exponent.error))
            number = dataclasses.replace(exponent, value=value, error=error)
            parts.append(Product(negative, (style.measured(number), symbols[place]), ()))
            continue
        size = abs(exponent.exact) * share
        if size.denominator > LARGEST_DENOMINATOR:
            parts.append(Product(negative, (_numbers.measured_text(float(size)), symbols[place]), ()))
            continue
        above = () if size.numerator == 1 else (str(size.numerator),)
        below = () if size.denominator == 1 else (str(size.denominator),)
        parts.append(Product(negative, (*above, symbols[place]), below))
    return style.call("exp", _sum(parts, style))


def _saturating(column: "Column", symbols: Sequence[str], style: Style) -> str:
    """1 + q y^p, below a bar."""
    power, symbol = SATURATING[column.function or ""], symbols[column.inputs[0]]
    size = saturating_number(column)
    shown = _numbers.as_fraction(size)
    base = symbol if power == 1 else style.power(symbol, str(power))
    if shown is None:
        return _sum([ONE, Product(size < 0, (_numbers.measured_text(abs(size)), base), ())], style)
    above = () if abs(shown.numerator) == 1 else (str(abs(shown.numerator)),)
    below = () if shown.denominator == 1 else (str(shown.denominator),)
    return _sum([ONE, Product(size < 0, (*above, base), below)], style)


def saturating_number(column: "Column") -> float:
    """q of 1/(1 + q y^p), to the digits that a power leaves of it."""
    return float(f"{column.weights[0] ** SATURATING[column.function or '']:.12g}")


def _column(column: "Column", symbols: Sequence[str], style: Style) -> str:
    """A column, as it stands within parentheses."""
    if column.function in SATURATING:
        return style.fraction(("1",), (style.group(_saturating(column, symbols, style)),))
    text = ""
    for place, weight in zip(column.inputs, column.weights, strict=True):
        size = str(int(abs(weight))) if weight == int(weight) else repr(abs(weight))
        scaled = symbols[place] if abs(weight) == 1 else style.product([size, symbols[place]])
        sign = "-" if weight < 0 else "+"
        text += f" {sign} {scaled}" if text else f"-{scaled}" if weight < 0 else scaled
    return text if column.function is None else style.call(column.function, text)


def _as_factor(text: str, column: "Column", style: Style) -> str:
    alone = column.function is not None or (len(column.inputs) == 1 and column.weights == (1.0,))
    return text if alone else style.group(text)


def column_text(column: "Column", symbols: Sequence[str]) -> str:
    """A column as plain text."""
    return _column(column, symbols, PLAIN)


def legend(formula: "Formula") -> Mapping[str, str]:
    """Headers of those symbols in the formula that are not their headers."""
    used = {place for term in formula.terms for factor in term.factors for place in factor.column.inputs}
    pairs = [(formula.names[place], formula.symbols[place]) for place in sorted(used)]
    return _names.legend([name for name, _ in pairs], [symbol for _, symbol in pairs])


def latex(formula: "Formula") -> str:
    """target = right-hand side, its measured numbers with their errors, its columns by their headers."""
    symbols = [_names.as_latex(name) for name in formula.names]
    return f"{_names.as_latex(formula.target)} = {right_hand_side(formula, LATEX, symbols)}"


def python(formula: "Formula") -> str:
    """Source of a function that computes the formula by NumPy alone."""
    name = formula.target if _names.is_symbol(formula.target) and formula.target.isascii() else "formula"
    columns = [f"# {symbol}: column {header!r}" for symbol, header in legend(formula).items()]
    group, tables = _python_groups(formula)
    lines = [
        f"# {_names.printable(formula.target)} = {formula.with_errors}",
        *map(_names.printable, columns),
        "import numpy as np",
        "",
        "",
        f"def {name}({', '.join((*formula.symbols, *group))}):",
        *[
            f"    {each.symbol} = {each.value!r}  # {_names.printable(each.unit)}".rstrip(" #")
            for each in formula.constants
        ],
        *tables,
        *[f"    {symbol} = np.asarray({symbol}, float)" for symbol in formula.symbols],
        f"    return {right_hand_side(formula, NUMPY)}",
    ]
    return "\n".join(lines) + "\n"


def _python_groups(formula: "Formula") -> tuple[tuple[str, ...], list[str]]:
    """The parameter that says which group a row belongs to, and lines that look its numbers up."""
    if formula.groups is None:
        return (), []
    own = group_symbol(formula)
    lines = []
    for symbol, numbers in formula.by_group.items():
        table = {label: number.value for label, number in numbers.items()}
        lines += [f"    {symbol} = np.vectorize(lambda each: {table!r}[str(each)], otypes=[float])({own})"]
    return (own,), lines


def group_symbol(formula: "Formula") -> str:
    """What stands for the column of groups."""
    assert formula.groups is not None
    return _names.symbols((*formula.symbols, *formula.by_group, formula.groups.header))[-1]
