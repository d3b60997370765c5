"""Column headers of any characters as symbols of a formula, and as text that is safe where it is shown.

A formula is text that Python and SymPy read back to the same function, which `a*b`, `lambda`, `E` or `2` are not as
names. A header that is such a name keeps it; every other one gets a symbol like it, and the legend says which is which.

>>> from nalu_jax.discover import _names
>>> _names.symbols(["mass", "a [m]", "lambda", "E", "1", "a-m", ""])
('mass', 'a', 'lambda_', 'E_', 'x1', 'a_m', 'x6')
"""

import builtins
import html
import keyword
import re
import unicodedata
from collections.abc import Mapping, Sequence

import sympy

TAKEN = frozenset({*sympy.__all__, *dir(builtins), *keyword.kwlist, "np", "numpy", "sympy", "abs"})
"""What Python or SymPy read as something else than the value of a column."""


def symbols(names: Sequence[str]) -> tuple[str, ...]:
    """One symbol for every header, in their order, no two alike: names that are symbols already are given first."""
    taken = {name for name in names if is_symbol(name)}
    made = {}
    for place, name in enumerate(names):
        if name in taken:
            made[name] = name
            continue
        wanted = _symbol_like(name, place)
        found, number = wanted, 1
        while found in taken or not is_symbol(found):
            number += 1
            found = f"{wanted}_{number}"
        taken.add(found)
        made[name] = found
    return tuple(made[name] for name in names)


def is_symbol(name: str) -> bool:
    """Whether Python and SymPy read the name as itself."""
    return name.isidentifier() and name not in TAKEN and unicodedata.normalize("NFKC", name) == name


def _without_unit(name: str) -> str:
    """A header such as `p [Pa]` without what stands in brackets."""
    return re.sub(r"\s*\[[^\[\]]*\]\s*$", "", name)


def _symbol_like(name: str, place: int) -> str:
    words = re.sub(r"\W+", "_", unicodedata.normalize("NFKC", _without_unit(name))).strip("_")
    if not words:
        return f"x{place}"
    if not words.isidentifier():  # begins with a digit
        words = f"x{words}"
    if not words.isidentifier():
        return f"x{place}"
    return f"{words}_" if words in TAKEN else words


def legend(names: Sequence[str], made: Sequence[str]) -> Mapping[str, str]:
    """The header of every symbol that is not its header."""
    return {symbol: name for name, symbol in zip(names, made, strict=True) if name != symbol}


def printable(text: str) -> str:
    """The text without characters that do something to a terminal: each as an escape sequence."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


def as_html(text: str) -> str:
    """The text as it is, in HTML."""
    return html.escape(printable(text))


LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def as_latex(name: str) -> str:
    """A header in mathematics mode, without its unit: as SymPy sets a symbol, or upright and escaped where it is
    none."""
    name = _without_unit(name) or name
    if is_symbol(name) and name.isascii():
        written = sympy.latex(sympy.Symbol(name))
        return rf"\mathrm{{{name}}}" if written == name and len(name) > 1 else written
    return r"\text{" + "".join(LATEX.get(character, character) for character in printable(name)) + "}"


def as_mathtext(text: str) -> str:
    """The text for labels of Matplotlib, which sets what is between dollar signs as a formula."""
    return printable(text).replace("$", r"\$")
