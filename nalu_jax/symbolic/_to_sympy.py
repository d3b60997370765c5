"""From params to formulas: `to_sympy`.

>>> import jax.numpy as jnp
>>> from nalu_jax import chain, nau, real_npu, symbolic
>>> params = ({"re": jnp.array([[2.0, 0.5], [0.0, 1.0]]), "gate": jnp.ones(2)}, {"w": jnp.array([[3.0], [-1.5]])})
>>> symbolic.to_sympy(chain(real_npu, nau), params, domain="positive", eps=False)
[-3*sqrt(x)*y/2 + 3*x**2]
"""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
import sympy

from .. import _arguments, _front
from .._checks import Domain, check_option
from .._fast import Fast
from .._unit import Chain, Unit
from ..units._notation import Notation

Part = tuple[Unit, Any]
"""A unit and its params."""

MEMBER = f"to_sympy(layer, {_front.MEMBER}), with the dict of its params."


@_arguments.checked(
    "to_sympy",
    params=_arguments.optional(_arguments.tree()),
    inputs=_arguments.inputs(),
    domain=_arguments.choice("real", "positive"),
    digits=_arguments.optional(_arguments.count()),
    eps=_arguments.flag(),
)
def to_sympy(
    model: Any,
    params: Any = None,
    inputs: Sequence[str | sympy.Symbol] = ("x", "y"),
    *,
    domain: Domain = "real",
    digits: int | None = None,
    eps: bool = True,
) -> list[sympy.Expr]:
    """One SymPy expression for every output: the function that `apply` computes.

    Dead hidden units are not in it, and equal monomials are one term. `text` and `latex` print it, terms by size.

    Args:
        model: a unit module, `Unit` (also a bound one), `chain`, spec of `fast`, a layer of `nalu_jax.linen`, `.nnx` or
            `.eqx`, or a Sequential of such layers.
        params: its params, theta of a spec, `variables` of a linen layer; None of an NNX or Equinox layer.
            Of layers that vmap has stacked, one member's: `jax.tree.map(lambda leaf: leaf[0], params)`.
        inputs: a name or symbol for every input. Symbols made from names are real, in the positive domain positive.
        domain: "positive" says that all inputs are, so that a RealNPU is a product of powers.
        digits: significant ones of every number; without it numbers are exact: fractions with a denominator up to 4
            as such, others with all 17 digits.
        eps: whether the eps of logarithms and divisions is in the formula. Without it a limit stands in its place: at
            an input of 0, where apply has a large or small number, it may be infinite or 0.

    Raises:
        TypeError: not a unit, chain, spec, layer or stack of layers; a unit without a formula.
        ValueError: as many inputs as the model has were not given; params that are not finite, or do not fit.
    """
    check_option("to_sympy", "domain", domain, get_args(Domain))
    check_digits("to_sympy", digits)
    expressions = symbols_of("to_sympy", inputs, domain)
    with jax.enable_x64(True):  # float64 params are read as they are, whatever the caller's session computes in
        for unit, unit_params in _parts(model, params):
            check_member("to_sympy", unit, unit_params, MEMBER)
            expressions = formulas_of("to_sympy", unit, unit_params, expressions, eps)
    return expressions if digits is None else [rounded(expression, digits) for expression in expressions]


def check_digits(caller: str, digits: int | None) -> None:
    """Raise a ValueError for less than one digit."""
    if digits is not None and digits < 1:
        raise ValueError(f"{caller}: digits must be at least 1, got {digits}.")


def symbols_of(caller: str, inputs: Sequence[str | sympy.Symbol], domain: Domain) -> list[sympy.Expr]:
    """One symbol for every input; given ones stay as they are.

    Raises:
        TypeError: inputs are not a sequence of names and symbols; ValueError: a name occurs twice.
    """
    if isinstance(inputs, str) or not all(isinstance(each, str | sympy.Symbol) for each in inputs):
        raise TypeError(f'{caller}: inputs must be a sequence of names or symbols such as ("x", "y"), got {inputs!r}.')
    names = [str(each) for each in inputs]
    if len(set(names)) < len(names):
        raise ValueError(f"{caller}: every input needs a name of its own, got {names}.")
    assumption = {"positive": True} if domain == "positive" else {"real": True}
    return [sympy.Symbol(each, **assumption) if isinstance(each, str) else each for each in inputs]


def _parts(model: Any, params: Any) -> list[Part]:
    """The units of a model in the order in which x meets them, each with its params."""
    record = getattr(model, "UNIT", model)
    if not isinstance(record, Unit | Chain | Fast):
        return _front.parts_of(record, params)
    if params is None:
        raise ValueError(
            "to_sympy: params of a unit, chain or spec must be given, got None. Pass what it was made with."
        )
    if isinstance(record, Unit):
        return [(record, params)]
    if isinstance(record, Chain):
        return [part for unit, unit_params in record._pairs(params) for part in _parts(unit, unit_params)]
    return _parts(record.unit, record.unravel(params))


def check_member(caller: str, unit: Unit, params: Any, cure: str) -> None:
    """Raise a ValueError where params are those of stacked layers, as `nnx.vmap` makes them, with how to take one."""
    if not isinstance(params, Mapping) or not params.keys() >= unit.leaves((1, 1)).keys():
        return  # an error that names the leaves is on its way
    if _front.stack_depth(unit, params) > 0:
        leaf = next(iter(unit.leaves((1, 1))))
        raise ValueError(
            f"{caller}: leaf {leaf!r} of {unit.name} has shape {jnp.shape(params[leaf])}, as of layers that vmap or "
            f"scan has stacked; a formula is of one. Take one member: {cure}"
        )


def formulas_of(caller: str, unit: Unit, params: Any, x: Sequence[sympy.Expr], eps: bool) -> list[sympy.Expr]:
    """What one unit computes of the expressions x.

    Raises:
        TypeError: a unit without a formula; ValueError: params that are not finite, or do not fit.
    """
    if unit.formula is None:
        raise TypeError(f"{caller}: {unit.name} has no formula; give its record one, Unit(..., formula=...).")
    params = jax.tree.map(jnp.asarray, params)
    dtype = jnp.result_type(*[leaf.dtype for leaf in jax.tree.leaves(params)])  # of weak types, too, their own
    try:
        jax.eval_shape(unit.apply, params, jax.ShapeDtypeStruct((len(x),), dtype))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{caller}: {unit.name} with {len(x)} inputs, {', '.join(map(str, x))} (inputs= names those of the model; "
            f"x and y where it is left out): {error}"
        ) from error
    weights = {name: np.asarray(leaf) for name, leaf in unit.weights(params).items()}
    if broken := sorted(name for name, leaf in weights.items() if not np.isfinite(leaf.astype(float)).all()):
        raise ValueError(f"{caller}: the weights {broken} of {unit.name} are not finite. Read out params that are.")
    return unit.formula(weights, x, unit.settings, Notation(np.dtype(dtype), eps))


def rounded(expression: sympy.Expr, digits: int) -> sympy.Expr:
    """Every float to so many significant digits, whole numbers as integers; exponents first, so that monomials which
    then agree are added before their coefficients are rounded."""

    def round_number(number: sympy.Float) -> sympy.Expr:
        text = f"{float(number):.{digits}g}"
        whole = float(text).is_integer() and abs(float(text)) < 10**digits
        return sympy.Integer(int(float(text))) if whole else sympy.Float(text, digits)

    is_power: Any = lambda node: node.is_Pow and node.exp.is_Float
    merged: Any = expression.replace(is_power, lambda node: node.base ** round_number(node.exp))
    return merged.xreplace({number: round_number(number) for number in merged.atoms(sympy.Float)})
