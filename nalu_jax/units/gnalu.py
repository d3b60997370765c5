"""G-NALU, the golden-ratio NALU: a NALU with base phi = (1 + sqrt(5)) / 2 in place of e.

    tanh_phi(z)    = (phi^(2z) - 1) / (phi^(2z) + 1) = tanh(z log(phi))
    sigmoid_phi(z) = 1 / (1 + phi^(-z))              = sigmoid(z log(phi))
    w = tanh_phi(w_hat) * sigmoid_phi(m_hat)
    a = x @ w
    m = phi^(log_phi(|x| + eps) @ w)                 = exp(log(|x| + eps) @ w)
    g = sigmoid_phi(x @ gate)
    y = g * a + (1 - g) * m

which is a NALU without bias whose params are multiplied by log(phi), and is computed as one.

Params:
    w_hat  (n_in, n_out)  variance matched
    m_hat  (n_in, n_out)  variance matched
    gate   (n_in, n_out)  Glorot uniform

Forward pass, initialisation and eps = 1e-7 are the NALM benchmark's. No regulariser, no clamp.

Reference:
    "Golden ratio NALU", IEEE document 8995315, https://ieeexplore.ieee.org/document/8995315, as implemented in
    Mistry, Farrahi, Hare, "A Primer for Neural Arithmetic Logic Modules", JMLR 23(185), 2022,
    https://arxiv.org/abs/2101.09530

Example:
    >>> import jax.numpy as jnp
    >>> from nalu_jax import gnalu
    >>> big = jnp.full((2, 1), 40.0)
    >>> gnalu.apply({"w_hat": big, "m_hat": big, "gate": big}, jnp.array([3.0, 4.0]))
    Array([7.], dtype=float32)
"""

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Float

from .._checks import check_apply, check_init, check_leaves
from .._unit import Params, Shape, Unit, zero_penalty
from . import nalu
from ._initialisers import Initial, draw

_LOG_PHI = math.log((1 + math.sqrt(5)) / 2)


def _leaves(shape: Shape) -> dict[str, Shape]:
    return {"w_hat": shape, "m_hat": shape, "gate": shape}


def init(
    key: Array,
    shape: Shape,
    dtype: DTypeLike = jnp.float32,
    *,
    w_hat_init: Initial = "variance_matched",
    m_hat_init: Initial = "variance_matched",
    gate_init: Initial = "glorot_uniform",
) -> Params:
    """Params of shape (n_in, n_out)."""
    leaves = _leaves(check_init("gnalu", shape, dtype))
    return draw("gnalu", key, leaves, dtype, {"w_hat": w_hat_init, "m_hat": m_hat_init, "gate": gate_init})


def apply(params: Params, x: ArrayLike, *, eps: float = 1e-7) -> Float[Array, "... n_out"]:
    """y (..., n_out) of x (..., n_in)."""
    params, x = check_apply("gnalu", params, x, _leaves)
    return _apply_weights(weights(params), x, eps=eps)


def _apply_weights(weights: Params, x: Array, *, eps: float = 1e-7) -> Array:
    return nalu._apply_weights(weights, x, eps=eps)


def _scaled(params: Params) -> Params:
    return {name: _LOG_PHI * leaf for name, leaf in params.items()}


def weights(params: Params) -> Params:
    """{"w_add", "w_mul"}, the weights of a and m (one array twice), and "gate" times log(phi)."""
    return nalu.weights(_scaled(check_leaves("gnalu", params, _leaves)), use_bias=False)


def penalty(params: Params) -> Float[Array, ""]:
    """0: the paper has no regulariser."""
    return zero_penalty(check_leaves("gnalu", params, _leaves))


def project(params: Params) -> Params:
    """The params unchanged: the paper has no clamp."""
    return check_leaves("gnalu", params, _leaves)


def bind(
    *,
    eps: float = 1e-7,
    w_hat_init: Initial = "variance_matched",
    m_hat_init: Initial = "variance_matched",
    gate_init: Initial = "glorot_uniform",
) -> Unit:
    """`UNIT` with options fixed in every function that takes them."""
    return UNIT.bind(eps=eps, w_hat_init=w_hat_init, m_hat_init=m_hat_init, gate_init=gate_init)


UNIT = Unit(
    name="gnalu",
    layer="GNALU",
    computes="either",
    leaves=_leaves,
    init=init,
    apply=apply,
    weights=weights,
    apply_weights=_apply_weights,
    penalty=penalty,
    project=project,
    formula=nalu._formula,
)
