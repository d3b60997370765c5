"""Formulas as MathML, which browsers set without a script or a font: for notebooks and for pages to keep.

>>> import sympy
>>> from nalu_jax.discover import _mathml
>>> _mathml.equation(_mathml.identifier("y"), sympy.Symbol("x", real=True) ** 2)[-47:]
'<msup><mi>x</mi><mn>2</mn></msup></mrow></math>'
"""

import sympy

from . import _names


def equation(left: str, right: sympy.Expr, *, known: bool = False) -> str:
    """left = right, of which left is MathML already; where a part is known without being written out, known + right."""
    safe = {each: sympy.Symbol(_names.as_html(str(each)), real=True) for each in right.free_symbols}
    text = sympy.mathml(right.xreplace(safe), printer="presentation", disable_split_super_sub=True, mul_symbol="dot")
    more = "<mtext>known</mtext>" + "<mo>+</mo>" * (right != 0)
    text = f"{more}{text * (right != 0)}" if known else text
    return (
        f'<math xmlns="http://www.w3.org/1998/Math/MathML" display="block"><mrow>{left}<mo>=</mo>{text}</mrow></math>'
    )


def identifier(name: str) -> str:
    """A header as it is."""
    return f"<mi>{_names.as_html(name)}</mi>"


def rate(name: str) -> str:
    """d name / dt."""
    return f"<mfrac><mrow><mi>d</mi>{identifier(name)}</mrow><mrow><mi>d</mi><mi>t</mi></mrow></mfrac>"
