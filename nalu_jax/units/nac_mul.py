"""NAC*, the multiplicative NAC: products and quotients of magnitudes, as a NAC in log space.

    w = tanh(w_hat) * sigmoid(m_hat)
    y = exp(log(|x| + eps) @ w)

Params:
    w_hat  (n_in, n_out)  Glorot uniform
    m_hat  (n_in, n_out)  Glorot uniform

The sign of x is lost: y is never negative. `domain="positive"` turns a negative x into NaN instead. eps is that of
stable-nalu and of the iNALU code. Initialisations, penalty and projection as in `nac`.

Reference:
    Trask, Hill, Reed, Rae, Dyer, Blunsom, "Neural Arithmetic Logic Units", NeurIPS 2018,
    https://arxiv.org/abs/1808.00508

Example:
    >>> import jax.numpy as jnp
    >>> from nalu_jax import nac_mul
    >>> params = {"w_hat": jnp.array([[20.0], [-20.0]]), "m_hat": jnp.array([[20.0], [20.0]])}
    >>> nac_mul.apply(params, jnp.array([8.0, 2.0]))
    Array([4.], dtype=float32)
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Float

from .._checks import Domain, check_apply, check_init, check_leaves, is_positive
from .._numerics import log, magnitude, matmul
from .._unit import Params, Shape, Unit, zero_penalty
from ._initialisers import Initial, draw
from ._notation import Expr, Input, Notation, Options, Weights, multiply
from .nac import _effective, _leaves


def init(
    key: Array,
    shape: Shape,
    dtype: DTypeLike = jnp.float32,
    *,
    w_hat_init: Initial = "glorot_uniform",
    m_hat_init: Initial = "glorot_uniform",
) -> Params:
    """Params of shape (n_in, n_out)."""
    leaves = _leaves(check_init("nac_mul", shape, dtype))
    return draw("nac_mul", key, leaves, dtype, {"w_hat": w_hat_init, "m_hat": m_hat_init})


def apply(params: Params, x: ArrayLike, *, eps: float = 1e-7, domain: Domain = "real") -> Float[Array, "... n_out"]:
    """y (..., n_out) of x (..., n_in); domain is "real" or "positive"."""
    params, x = check_apply("nac_mul", params, x, _leaves)
    return _apply_weights(weights(params), x, eps=eps, domain=domain)


def _apply_weights(weights: Params, x: Array, *, eps: float = 1e-7, domain: Domain = "real") -> Array:
    r = magnitude(x, is_positive("nac_mul", domain)) + eps
    return jnp.exp(matmul(log(r), weights["w"]))


def weights(params: Params) -> Params:
    """{"w": tanh(w_hat) * sigmoid(m_hat)}, (n_in, n_out), in (-1, 1)."""
    params = check_leaves("nac_mul", params, _leaves)
    return {"w": _effective(params["w_hat"], params["m_hat"])}


def penalty(params: Params) -> Float[Array, ""]:
    """0: the paper has no regulariser."""
    return zero_penalty(check_leaves("nac_mul", params, _leaves))


def project(params: Params) -> Params:
    """The params unchanged: the paper has no clamp."""
    return check_leaves("nac_mul", params, _leaves)


def _formula(weights: Weights, x: Sequence[Expr], options: Options, notation: Notation) -> list[Expr]:
    """prod_i (|x_i| + eps)^w_io."""
    return _magnitudes(weights["w"], notation.inputs(x, options), notation.epsilon(options["eps"]), notation)


def _magnitudes(w: np.ndarray, inputs: Sequence[Input], eps: Expr, notation: Notation) -> list[Expr]:
    columns = notation.columns(w)
    return [multiply([(x.size + eps) ** power for x, power in zip(inputs, column, strict=True)]) for column in columns]


def bind(
    *,
    eps: float = 1e-7,
    domain: Domain = "real",
    w_hat_init: Initial = "glorot_uniform",
    m_hat_init: Initial = "glorot_uniform",
) -> Unit:
    """`UNIT` with options fixed in every function that takes them."""
    return UNIT.bind(eps=eps, domain=domain, w_hat_init=w_hat_init, m_hat_init=m_hat_init)


UNIT = Unit(
    name="nac_mul",
    layer="NACMul",
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
