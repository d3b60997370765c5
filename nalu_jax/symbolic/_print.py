"""Formulas as people read them: as text, as LaTeX, and the table of a pruning path.

>>> import sympy
>>> from nalu_jax import symbolic
>>> x, y = sympy.symbols("x y", positive=True)
>>> symbolic.text(0.02 * x + 3.14159 * x * y, digits=3)
'3.14*x*y + 0.02*x'
>>> symbolic.latex([x / y, sympy.sqrt(x)], outputs=("a", "b"))
'\\\\begin{aligned}\\na &= \\\\frac{x}{y} \\\\\\\\\\nb &= \\\\sqrt{x}\\n\\\\end{aligned}'
"""

from collections.abc import Sequence
from typing import Any

import sympy
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

from .. import _arguments
from .._checks import Domain, check_option
from ._path import Path
from ._to_sympy import rounded, to_sympy


@_arguments.checked(
    "symbolic.text",
    expressions=_arguments.expressions(),
    digits=_arguments.optional(_arguments.count()),
    outputs=_arguments.optional(_arguments.names()),
)
def text(
    expressions: sympy.Expr | Sequence[sympy.Expr], *, digits: int | None = None, outputs: Sequence[str] | None = None
) -> str:
    """Terms by the size of their coefficients, one line for every expression.

    Args:
        expressions: one, or what `to_sympy` returned.
        digits: significant ones of every number; all of them without it.
        outputs: what the expressions are of: "name = ..."; without names there are only the right-hand sides.

    Raises:
        ValueError: as many names as expressions were not given.
    """
    lines = [StrPrinter({"order": "none"}).doprint(each) for each in _prepared(expressions, digits)]
    if outputs is None:
        return "\n".join(lines)
    return "\n".join(f"{name} = {line}" for name, line in zip(_named("text", outputs, lines), lines, strict=True))


@_arguments.checked(
    "symbolic.latex",
    expressions=_arguments.expressions(),
    digits=_arguments.optional(_arguments.count()),
    outputs=_arguments.optional(_arguments.names()),
)
def latex(
    expressions: sympy.Expr | Sequence[sympy.Expr], *, digits: int | None = None, outputs: Sequence[str] | None = None
) -> str:
    """As `text`, in LaTeX for mathematics mode: an `aligned` of several expressions.

    Raises:
        ValueError: as many names as expressions were not given.
    """
    lines = [LatexPrinter({"order": "none"}).doprint(each) for each in _prepared(expressions, digits)]
    if outputs is not None:
        names = [sympy.latex(sympy.Symbol(name)) for name in _named("latex", outputs, lines)]
        lines = [f"{name} &= {line}" for name, line in zip(names, lines, strict=True)]
    if len(lines) == 1:
        return lines[0].replace("&=", "=")
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


@_arguments.checked(
    "symbolic.table",
    path=_arguments.instance("a path", "Make it with symbolic.prune or snap.", Path),
    inputs=_arguments.inputs(),
    outputs=_arguments.optional(_arguments.names()),
    domain=_arguments.choice("real", "positive"),
    digits=_arguments.count(),
    form=_arguments.choice("text", "latex"),
)
def table(
    path: Path,
    model: Any,
    inputs: Sequence[str | sympy.Symbol] = ("x", "y"),
    *,
    outputs: Sequence[str] | None = None,
    domain: Domain = "real",
    digits: int = 4,
    form: str = "text",
) -> str:
    """The path of `prune` or `snap`: complexity, loss and formula of every step, simplest first, the chosen one marked.

    Args:
        path: of params of model.
        model, inputs, domain: as in `to_sympy`; eps is left out.
        outputs, digits: as in `text`.
        form: "text", or "latex" for a `tabular`.

    Raises:
        TypeError, ValueError: as `to_sympy`; another form.
    """
    check_option("table", "form", form, ("text", "latex"))
    rows = []
    for index, step in reversed(list(enumerate(path.steps))):
        formulas = to_sympy(model, step.params, inputs, domain=domain, eps=False)
        rows.append((index == path.chosen, str(step.complexity), f"{step.loss:.3g}", formulas))
    if form == "latex":
        return _latex_table(rows, digits, outputs)
    lines = [(" ", "complexity", "loss", "formula")]
    for chosen, complexity, loss, formulas in rows:
        first, *others = text(formulas, digits=digits, outputs=outputs).split("\n")
        lines += [("*" if chosen else " ", complexity, loss, first), *[(" ", "", "", other) for other in others]]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    return "\n".join(
        f"{mark} {complexity:>{widths[1]}}  {loss:>{widths[2]}}  {formula}" for mark, complexity, loss, formula in lines
    )


def _latex_table(rows: Sequence[tuple[bool, str, str, Any]], digits: int, outputs: Sequence[str] | None) -> str:
    lines = [r"\begin{tabular}{rrl}", r"complexity & loss & formula \\", r"\hline"]
    for chosen, complexity, loss, formulas in rows:
        number = sympy.latex(sympy.Float(loss, 3)) if loss != "0" else "0"
        formula = f"${latex(formulas, digits=digits, outputs=outputs)}$"
        cells = [rf"\textbf{{{complexity}}}" if chosen else complexity, f"${number}$", formula]
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\end{tabular}"])


def _named(caller: str, outputs: Sequence[str], lines: Sequence[str]) -> Sequence[str]:
    if isinstance(outputs, str) or len(outputs) != len(lines):
        raise ValueError(f"{caller}: outputs must be {len(lines)} names, one for every expression, got {outputs!r}.")
    return outputs


def _prepared(expressions: sympy.Expr | Sequence[sympy.Expr], digits: int | None) -> list[sympy.Expr]:
    each = [expressions] if isinstance(expressions, sympy.Expr) else list(expressions)
    return [_by_size(expression if digits is None else rounded(expression, digits)) for expression in each]


def _by_size(expression: sympy.Expr) -> sympy.Expr:
    """The same sum with the largest coefficient first, not to be computed with: SymPy would reorder it."""
    if not expression.is_Add:
        return expression
    natural: list[Any] = list(expression.as_ordered_terms())
    terms = sorted(natural, key=lambda term: -abs(float(term.as_coeff_Mul()[0])))  # stable: equals as SymPy has them
    return sympy.Add(*terms, evaluate=False)
