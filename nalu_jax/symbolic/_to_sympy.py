"""Formulas."""

from collections.abc import Sequence
from typing import Any

import sympy


def to_sympy(
    model: Any,
    params: Any = None,
    inputs: Sequence[str | sympy.Symbol] = ("x", "y"),
    *,
    domain: str = "real",
    digits: int | None = None,
    eps: bool = True,
) -> list[sympy.Expr]:
    """One SymPy expression for every output: the function that `apply` computes.

    Args:
        model: a unit module, `Unit` (also a bound one), `chain`, spec of `fast`, a layer of `nalu_jax.linen`, `.nnx` or
            `.eqx`, or a Sequential of such layers.
        params: its params, theta of a spec, `variables` of a linen layer; None of an NNX or Equinox layer.
        inputs: a name or symbol for every input.
        domain: "positive" says that all inputs are, so that a RealNPU is a product of powers.
        digits: significant ones of every number; without it numbers are exact: fractions with a denominator up to 4
            as such, others with all 17 digits.
        eps: whether the eps of logarithms and divisions is in the formula.

    Raises:
        TypeError: not a unit, chain, spec, layer or stack of layers.
        ValueError: as many inputs as the model has were not given; params that are not finite, or do not fit.
    """
    raise NotImplementedError
