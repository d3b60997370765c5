"""Reading the units of whole models, with other layers around them: `read`.

>>> import jax.numpy as jnp
>>> from flax import nnx
>>> import nalu_jax.nnx
>>> from nalu_jax import symbolic
>>> class Model(nnx.Module):
...     def __init__(self, rngs):
...         self.features = nnx.Linear(5, 2, rngs=rngs)
...         self.ratio = nalu_jax.nnx.RealNPU.from_params({"re": jnp.array([[1.0], [-1.0]]), "gate": jnp.ones(2)})
>>> symbolic.read(Model(nnx.Rngs(0)), domain="positive", eps=False)
{('ratio',): [x0/x1]}
"""

from collections.abc import Mapping
from typing import Any, get_args

import jax
import sympy

from .. import _arguments, _front
from .._checks import Domain, check_option
from ._to_sympy import check_digits, check_member, formulas_of, rounded, symbols_of

MEMBER = (
    "read({{path: find_units(model)[path]}}, {member}), where path is {path} and "
    "params are the model's, such as nnx.state(model, nnx.Param)."
)


@_arguments.checked(
    "symbolic.read",
    domain=_arguments.choice("real", "positive"),
    digits=_arguments.optional(_arguments.count()),
    eps=_arguments.flag(),
)
def read(
    model: Any,
    params: Any = None,
    *args: Any,
    domain: Domain = "real",
    digits: int | None = None,
    eps: bool = True,
) -> dict[tuple[str, ...], list[sympy.Expr]]:
    """The formula of every unit in a model, by the path of its params; x0, x1, ... are the inputs of that unit.

    What the layers before a unit have made of the model's inputs is not in a formula: after a layer that may learn
    anything, a unit's inputs are what training made of them (see `nalu_jax.models`). A stack of nothing but units is
    read as one formula by `to_sympy`.

    Args:
        model: an NNX, Equinox or linen model, a list, tuple or dict of NNX or Equinox modules, or what a front end's
            `find_units` has found in a model, or a part of that.
        params: a tree with the params of the model; None of an NNX or Equinox model, which holds its own.
        args: of a linen model, what it is called with after its variables, for example x; the numbers do not matter,
            and arrays may be `jax.ShapeDtypeStruct`.
        domain: "positive" says that the inputs of all units are.
        digits: significant ones of every number; without it numbers are exact.
        eps: whether the eps of logarithms and divisions is in the formulas.

    Raises:
        TypeError: a unit without a formula.
        ValueError: no units in the model; params that are not the model's, not finite, or of stacked layers, as
            `nnx.vmap` makes them; a linen model without variables or what it is called with.
    """
    check_option("read", "domain", domain, get_args(Domain))
    check_digits("read", digits)
    units, tree = _units_and_tree(model, params, args)
    with jax.enable_x64(True):  # float64 params are read as they are, whatever the caller's session computes in
        formulas = {each.path: _formulas(each, domain, eps) for each in _front.gather("read", tree, units)}
    if digits is None:
        return formulas
    return {path: [rounded(expression, digits) for expression in each] for path, each in formulas.items()}


def _units_and_tree(model: Any, params: Any, args: tuple[Any, ...]) -> tuple[_front.Units, Any]:
    if isinstance(model, Mapping) and model and all(isinstance(each, _front.Placed) for each in model.values()):
        if params is None:
            raise ValueError("read: units that find_units has found hold no params; pass those of their model, too.")
        return model, params.get("params", params) if isinstance(params, Mapping) else params
    units, tree = _front.held_by(model, params, *args)
    if not units:
        raise ValueError(
            f"read: found no layer of nalu_jax.linen, .nnx or .eqx in {type(model).__name__}. Pass the model that "
            "holds them; functional params are read by symbolic.to_sympy(unit, params)."
        )
    return units, tree


def _formulas(found: _front.Found, domain: Domain, eps: bool) -> list[sympy.Expr]:
    """The formulas of one unit of a model."""
    unit, (n_in, _), dtype = found.placed
    caller = f"read, at {'/'.join(found.path)!r}"
    check_member(caller, unit, found.params, MEMBER.format(path=found.path, member=_front.MEMBER))
    x = symbols_of("read", [f"x{i}" for i in range(n_in)], domain)
    return formulas_of(caller, unit, _front.in_dtype(found.params, dtype), x, eps)
