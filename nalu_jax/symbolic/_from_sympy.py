"""From formulas to params: `from_sympy`.

>>> import jax.numpy as jnp
>>> import sympy
>>> from nalu_jax import chain, nau, real_npu, symbolic
>>> x, y = sympy.symbols("x y", positive=True)
>>> params = symbolic.from_sympy([x * y - 3, sympy.sqrt(x)])
>>> chain(real_npu, nau).apply(params, jnp.array([4.0, 2.0])).round(4)
Array([5., 2.], dtype=float32)
>>> params = symbolic.from_sympy("mass*speed**2/2", ["mass", "speed"])
>>> chain(real_npu, nau).apply(params, jnp.array([3.0, 2.0])).round(4)
Array([6.], dtype=float32)
"""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import jax.numpy as jnp
import numpy as np
import sympy
from jax import Array
from jax.typing import DTypeLike

from .. import _arguments
from ._parse import parse
from ._to_sympy import symbols_of

MOST_FACTORS = 20
"""The largest power of a sum that is multiplied out: of two terms 21, of five terms 10,626 monomials."""


@_arguments.checked(
    "from_sympy", inputs=_arguments.inputs(), n_hidden=_arguments.optional(_arguments.count()), dtype=_arguments.dtype()
)
def from_sympy(
    expressions: str | sympy.Expr | Sequence[str | sympy.Expr],
    inputs: Sequence[str | sympy.Symbol] = ("x", "y"),
    *,
    n_hidden: int | None = None,
    dtype: DTypeLike = jnp.float32,
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Params of chain(real_npu, nau) of shape (n_in, n_hidden, n_out) that compute sums of monomials.

    A warm start from a known law, and the way back from `to_sympy`. Every monomial, whatever the outputs it is in, is
    one hidden unit; the gates are 1. The params compute the expressions where the inputs are positive, and whole powers
    of any input; of a negative one a fractional power is the real part of the complex one, as RealNPU has it.

    Args:
        expressions: one, or one for every output: sums of c x^a y^b ..., c and the exponents real numbers. Text is
            read without being executed: numbers, names of inputs, + - * / ** ( ) and elementary functions.
        inputs: names or symbols in the order of the inputs; symbols of the expressions are told by their names.
        n_hidden: hidden units; those beyond the monomials have weights 0. By default there is none beyond.
        dtype: of the params.

    Raises:
        TypeError: neither an expression nor text nor a number.
        ValueError: a term that is not a monomial, a symbol that is not an input, text that is no formula, too few
            hidden units, or a number beyond the dtype.
    """
    single = isinstance(expressions, str) or not isinstance(expressions, Sequence)
    each: Any = [expressions] if single else expressions
    symbols = [sympy.Symbol(str(symbol), positive=True) for symbol in symbols_of("from_sympy", inputs, "positive")]
    sums = [_monomials(_read(expression, symbols), symbols) for expression in each]
    monomials = list(dict.fromkeys(powers for terms in sums for powers in terms)) or [(0.0,) * len(symbols)]
    size = len(monomials) if n_hidden is None else n_hidden
    if size < len(monomials):
        raise ValueError(f"from_sympy: {len(monomials)} monomials need as many hidden units, got n_hidden={n_hidden}.")
    re, w = np.zeros((len(symbols), size)), np.zeros((size, len(each)))
    re[:, : len(monomials)] = np.transpose(monomials)
    for output, terms in enumerate(sums):
        for powers, coefficient in terms.items():
            w[monomials.index(powers), output] = coefficient
    largest = float(jnp.finfo(dtype).max)
    if not max(np.abs(re).max(initial=0.0), np.abs(w).max(initial=0.0)) <= largest:
        raise ValueError(
            f"from_sympy: a coefficient or exponent is not finite in {jnp.dtype(dtype)}, whose largest number is "
            f"{largest:g}. Use float64, or inputs in other units of measure."
        )
    return (
        {"re": jnp.asarray(re, dtype), "gate": jnp.ones(len(symbols), dtype)},
        {"w": jnp.asarray(w, dtype)},
    )


def _read(expression: Any, symbols: Sequence[sympy.Symbol]) -> Any:
    """Text by our own reader, never by SymPy, which executes it; expressions and numbers as they are."""
    if isinstance(expression, str):
        try:
            return parse(expression, {str(symbol): symbol for symbol in symbols})
        except ValueError as error:
            raise ValueError(f"from_sympy: {error}") from None
    if isinstance(expression, sympy.Expr | Real):
        return sympy.sympify(expression, strict=True)
    raise TypeError(f"from_sympy: expected SymPy expressions or text, got {type(expression).__name__}.")


def _monomials(expression: sympy.Expr, symbols: Sequence[sympy.Symbol]) -> dict[tuple[float, ...], float]:
    """Coefficients of a sum by the exponents of its monomials."""
    named = {str(symbol): symbol for symbol in symbols}
    if unknown := sorted(str(symbol) for symbol in expression.free_symbols if str(symbol) not in named):
        raise ValueError(f"from_sympy: {expression} has the symbols {unknown}, expected inputs only: {list(named)}.")
    for power in expression.atoms(sympy.Pow):
        if power.base.is_Add and power.exp.is_Integer and power.exp > MOST_FACTORS:
            raise ValueError(f"from_sympy: {power} has too many terms, expected powers of sums up to {MOST_FACTORS}.")
    positive = expression.subs({symbol: named[str(symbol)] for symbol in expression.free_symbols})
    terms: dict[tuple[float, ...], float] = {}
    for term in sympy.Add.make_args(sympy.expand(positive)):
        if term == 0:
            continue
        coefficient, rest = term.as_independent(*symbols, as_Add=False)
        powers = rest.as_powers_dict()
        exponents = [powers.pop(symbol, sympy.Integer(0)) for symbol in symbols]
        powers.pop(sympy.Integer(1), None)
        if powers or not all(_is_number(value) for value in [coefficient, *exponents]):
            raise ValueError(
                f"from_sympy: {term} is not a monomial, a real number times real powers of {', '.join(named)}. Of sums "
                "of such only a RealNPU and a NAU can be made."
            )
        key = tuple(float(value) for value in exponents)
        terms[key] = terms.get(key, 0.0) + float(coefficient)
    return terms


def _is_number(value: Any) -> bool:
    return bool(value.is_number and value.is_real and value.is_finite)
