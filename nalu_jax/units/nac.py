"""NAC, the neural accumulator: sums and differences, by weights that lean towards -1, 0 and 1.

    w = tanh(w_hat) * sigmoid(m_hat)
    y = x @ w

Params:
    w_hat  (n_in, n_out)  Glorot uniform
    m_hat  (n_in, n_out)  Glorot uniform

The paper gives no initialisation: Glorot is NeuralArithmetic.jl's. `"variance_matched"` is stable-nalu's, and
`"normal(0.88,0.2)"` for w_hat with `"normal(0.5,0.2)"` for m_hat the iNALU code's. The paper has no regulariser and
no clamp: the penalty is 0, and projecting changes nothing.

Reference:
    Trask, Hill, Reed, Rae, Dyer, Blunsom, "Neural Arithmetic Logic Units", NeurIPS 2018,
    https://arxiv.org/abs/1808.00508

Example:
    >>> import jax.numpy as jnp
    >>> from nalu_jax import nac
    >>> params = {"w_hat": jnp.array([[20.0], [-20.0]]), "m_hat": jnp.array([[20.0], [20.0]])}
    >>> nac.apply(params, jnp.array([5.0, 3.0]))
    Array([2.], dtype=float32)
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Float

from .._checks import check_apply, check_init, check_leaves
from .._numerics import matmul
from .._unit import Params, Shape, Unit, zero_penalty
from ._initialisers import Initial, draw
from ._notation import Expr, Notation, Options, Weights


def _leaves(shape: Shape) -> dict[str, Shape]:
    return {"w_hat": shape, "m_hat": shape}


def init(
    key: Array,
    shape: Shape,
    dtype: DTypeLike = jnp.float32,
    *,
    w_hat_init: Initial = "glorot_uniform",
    m_hat_init: Initial = "glorot_uniform",
) -> Params:
    """Params of shape (n_in, n_out)."""
    leaves = _leaves(check_init("nac", shape, dtype))
    return draw("nac", key, leaves, dtype, {"w_hat": w_hat_init, "m_hat": m_hat_init})


def apply(params: Params, x: ArrayLike) -> Float[Array, "... n_out"]:
    """y (..., n_out) of x (..., n_in)."""
    params, x = check_apply("nac", params, x, _leaves)
    return _apply_weights(weights(params), x)


def _apply_weights(weights: Params, x: Array) -> Array:
    return matmul(x, weights["w"])


def _effective(w_hat: Array, m_hat: Array) -> Array:
    return jnp.tanh(w_hat) * jax.nn.sigmoid(m_hat)


def weights(params: Params) -> Params:
    """{"w": tanh(w_hat) * sigmoid(m_hat)}, (n_in, n_out), in (-1, 1)."""
    params = check_leaves("nac", params, _leaves)
    return {"w": _effective(params["w_hat"], params["m_hat"])}


def penalty(params: Params) -> Float[Array, ""]:
    """0: the paper has no regulariser."""
    return zero_penalty(check_leaves("nac", params, _leaves))


def project(params: Params) -> Params:
    """The params unchanged: the paper has no clamp."""
    return check_leaves("nac", params, _leaves)


def _formula(weights: Weights, x: Sequence[Expr], options: Options, notation: Notation) -> list[Expr]:
    """x @ w."""
    return notation.linear(weights["w"], x)


def bind(*, w_hat_init: Initial = "glorot_uniform", m_hat_init: Initial = "glorot_uniform") -> Unit:
    """`UNIT` with options fixed in every function that takes them."""
    return UNIT.bind(w_hat_init=w_hat_init, m_hat_init=m_hat_init)


UNIT = Unit(
    name="nac",
    layer="NAC",
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
