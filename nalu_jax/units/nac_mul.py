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

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Float

from .._checks import check_apply, check_init, check_leaves, is_positive
from .._numerics import log, magnitude, matmul
from .._unit import Params, Shape, Unit, zero_penalty
from ._initialisers import Initialiser, draw
from .nac import _effective, _leaves


def init(
    key: Array,
    shape: Shape,
    dtype: DTypeLike = jnp.float32,
    *,
    w_hat_init: str | Initialiser = "glorot_uniform",
    m_hat_init: str | Initialiser = "glorot_uniform",
) -> Params:
    """Params of shape (n_in, n_out)."""
    leaves = _leaves(check_init("nac_mul", shape, dtype))
    return draw("nac_mul", key, leaves, dtype, {"w_hat": w_hat_init, "m_hat": m_hat_init})


def apply(params: Params, x: ArrayLike, *, eps: float = 1e-7, domain: str = "real") -> Float[Array, "... n_out"]:
    """y (..., n_out) of x (..., n_in); domain is "real" or "positive"."""
    params, x = check_apply("nac_mul", params, x, _leaves)
    return _apply_weights(weights(params), x, eps=eps, domain=domain)


def _apply_weights(weights: Params, x: Array, *, eps: float = 1e-7, domain: str = "real") -> Array:
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


UNIT = Unit("nac_mul", _leaves, init, apply, weights, _apply_weights, penalty, project)
