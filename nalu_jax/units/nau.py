"""NAU, the neural addition unit: linear combinations, drawn to sums and differences by its regulariser.

    y = x @ w                      or, with clip=True,
    y = x @ clip(w, -1, 1)

Params:
    w  (n_in, n_out)  U(-r, r), r = min(1/2, sqrt(6 / (n_in + n_out)))

The forward pass without clip is NeuralArithmetic.jl's, and is the one that learns coefficients; the paper clips, and
clamps w after every optimiser step (`project`). The initialisation is the paper's; "glorot_uniform" is
NeuralArithmetic.jl's, "uniform(0,0.1)" that of the NPU paper's large-scale task, "beta" an option of the division
papers.

Reference:
    Madsen, Johansen, "Neural Arithmetic Units", ICLR 2020, https://arxiv.org/abs/2001.05016

Example:
    >>> import jax.numpy as jnp
    >>> from nalu_jax import nau
    >>> nau.apply({"w": jnp.array([[1.0], [-1.0]])}, jnp.array([5.0, 3.0]))
    Array([2.], dtype=float32)
"""

from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Float

from .._checks import check_apply, check_init, check_leaves
from .._numerics import clip_straight_through, matmul
from .._unit import Params, Shape, Unit
from ..penalties import sparsity
from ._initialisers import Initial, draw
from ._notation import Expr, Notation, Options, Weights


def _leaves(shape: Shape) -> dict[str, Shape]:
    return {"w": shape}


def init(
    key: Array, shape: Shape, dtype: DTypeLike = jnp.float32, *, w_init: Initial = "glorot_uniform_half"
) -> Params:
    """Params of shape (n_in, n_out)."""
    return draw("nau", key, _leaves(check_init("nau", shape, dtype)), dtype, {"w": w_init})


def apply(params: Params, x: ArrayLike, *, clip: bool = False) -> Float[Array, "... n_out"]:
    """y (..., n_out) of x (..., n_in)."""
    params, x = check_apply("nau", params, x, _leaves)
    return _apply_weights(weights(params, clip=clip), x)


def _apply_weights(weights: Params, x: Array) -> Array:
    return matmul(x, weights["w"])


def weights(params: Params, *, clip: bool = False) -> Params:
    """{"w": the matrix that x is multiplied with}, (n_in, n_out)."""
    w = check_leaves("nau", params, _leaves)["w"]
    return {"w": clip_straight_through(w, -1, 1) if clip else w}


def penalty(params: Params) -> Float[Array, ""]:
    """mean(min(|w|, |1 - |w||)), of the stored w."""
    return sparsity(check_leaves("nau", params, _leaves)["w"], targets=(-1, 0, 1))


def project(params: Params) -> Params:
    """w clamped to [-1, 1]."""
    return {"w": jnp.clip(check_leaves("nau", params, _leaves)["w"], -1, 1)}


def _formula(weights: Weights, x: Sequence[Expr], options: Options, notation: Notation) -> list[Expr]:
    """x @ w."""
    return notation.linear(weights["w"], x)


def bind(*, clip: bool = False, w_init: Initial = "glorot_uniform_half") -> Unit:
    """`UNIT` with options fixed in every function that takes them."""
    return UNIT.bind(clip=clip, w_init=w_init)


UNIT = Unit(
    name="nau",
    layer="NAU",
    computes="sum",
    leaves=_leaves,
    init=init,
    apply=apply,
    weights=weights,
    apply_weights=_apply_weights,
    penalty=penalty,
    project=project,
    formula=_formula,
)
