"""NMU, the neural multiplication unit: products of a subset of the inputs, of any sign.

    w'  = clip(w, 0, 1)
    y_o = prod_i (w'_io x_i + 1 - w'_io)

Params:
    w  (n_in, n_out)  U(0.25, 0.75)

The clip is NeuralArithmetic.jl's, but passes gradients straight through, so that no weight is stuck outside [0, 1]. The
paper clamps w after every optimiser step (`project`), and then the two agree. The initialisation is the paper's;
"uniform(0,1)" is NeuralArithmetic.jl's, "uniform(0,0.1)" that of the NPU paper's large-scale task.

Reference:
    Madsen, Johansen, "Neural Arithmetic Units", ICLR 2020, https://arxiv.org/abs/2001.05016

Example:
    >>> import jax.numpy as jnp
    >>> from nalu_jax import nmu
    >>> nmu.apply({"w": jnp.array([[1.0], [0.0], [1.0]])}, jnp.array([-2.0, 7.0, 3.0]))
    Array([-6.], dtype=float32)
"""

from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Float

from .._checks import check_apply, check_init, check_leaves
from .._numerics import clip_straight_through, product
from .._unit import Params, Shape, Unit
from ..penalties import sparsity
from ._initialisers import Initial, draw
from ._notation import Expr, Notation, Options, Weights, multiply


def _leaves(shape: Shape) -> dict[str, Shape]:
    return {"w": shape}


def init(key: Array, shape: Shape, dtype: DTypeLike = jnp.float32, *, w_init: Initial = "uniform(0.25,0.75)") -> Params:
    """Params of shape (n_in, n_out)."""
    return draw("nmu", key, _leaves(check_init("nmu", shape, dtype)), dtype, {"w": w_init})


def apply(params: Params, x: ArrayLike) -> Float[Array, "... n_out"]:
    """y (..., n_out) of x (..., n_in)."""
    params, x = check_apply("nmu", params, x, _leaves)
    return _apply_weights(weights(params), x)


def _apply_weights(weights: Params, x: Array) -> Array:
    return product(_factor, (x,), (weights["w"],))


def _factor(x: Array, w: Array) -> Array:
    return w * x + (1 - w)  # (1 - w) first: with w = 1 this is x itself, to the last bit


def weights(params: Params) -> Params:
    """{"w": clip(w, 0, 1)}, (n_in, n_out)."""
    return {"w": clip_straight_through(check_leaves("nmu", params, _leaves)["w"], 0, 1)}


def penalty(params: Params) -> Float[Array, ""]:
    """mean(min(|w|, |1 - w|)), of the stored w."""
    return sparsity(check_leaves("nmu", params, _leaves)["w"], targets=(0, 1))


def project(params: Params) -> Params:
    """w clamped to [0, 1]."""
    return {"w": jnp.clip(check_leaves("nmu", params, _leaves)["w"], 0, 1)}


def _formula(weights: Weights, x: Sequence[Expr], options: Options, notation: Notation) -> list[Expr]:
    """prod_i (w_io x_i + 1 - w_io)."""
    columns = notation.columns(weights["w"])
    return [multiply([w * value + 1 - w for w, value in zip(column, x, strict=True)]) for column in columns]


def bind(*, w_init: Initial = "uniform(0.25,0.75)") -> Unit:
    """`UNIT` with options fixed in every function that takes them."""
    return UNIT.bind(w_init=w_init)


UNIT = Unit(
    name="nmu",
    layer="NMU",
    computes="product",
    leaves=_leaves,
    init=init,
    apply=apply,
    weights=weights,
    apply_weights=_apply_weights,
    penalty=penalty,
    project=project,
    formula=_formula,
)
