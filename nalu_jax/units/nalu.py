"""NALU, the neural arithmetic logic unit: a gate chooses between a NAC and a NAC in log space.

    w = tanh(w_hat) * sigmoid(m_hat)
    a = x @ w
    m = exp(log(|x| + eps) @ w)
    g = sigmoid(x @ gate + bias)
    y = g * a + (1 - g) * m

Params:
    w_hat  (n_in, n_out)  Glorot uniform
    m_hat  (n_in, n_out)  Glorot uniform
    gate   (n_in, n_out)  Glorot uniform
    bias   (n_out,)       Glorot uniform

Forward pass, initialisation and eps = 1e-8 are NeuralArithmetic.jl's; the paper has no bias and gives no
initialisation. Variants: `separate=True` gives m weights of its own (leaves w_add_hat, m_add_hat, w_mul_hat,
m_mul_hat in place of w_hat, m_hat); `gate_form="vector"` makes gate (n_in,) and g one number a sample;
`use_bias=False` leaves the bias out; stable-nalu and the NALM benchmark are `use_bias=False, eps=1e-7` with
`"variance_matched"` w_hat and m_hat. The paper has no regulariser and no clamp.

Reference:
    Trask, Hill, Reed, Rae, Dyer, Blunsom, "Neural Arithmetic Logic Units", NeurIPS 2018,
    https://arxiv.org/abs/1808.00508

Example:
    >>> import jax.numpy as jnp
    >>> from nalu_jax import nalu
    >>> big = jnp.full((2, 1), 20.0)
    >>> params = {"w_hat": big, "m_hat": big, "gate": -big, "bias": jnp.zeros(1)}
    >>> nalu.apply(params, jnp.array([3.0, 4.0])).round(2)
    Array([12.], dtype=float32)
"""

import functools
from collections.abc import Sequence
from typing import Literal, get_args

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Float

from .._checks import check_apply, check_init, check_leaves, check_option
from .._numerics import absolute, gated, log, matmul
from .._unit import Params, Shape, Unit, zero_penalty
from ._initialisers import Initial, draw
from ._notation import Expr, Notation, Options, Weights, sigmoid
from .nac import _effective
from .nac_mul import _magnitudes

_GateForm = Literal["matrix", "vector"]


def _leaves(
    shape: Shape, *, separate: bool = False, gate_form: _GateForm = "matrix", use_bias: bool = True
) -> dict[str, Shape]:
    check_option("nalu", "gate_form", gate_form, get_args(_GateForm))
    names = ("w_add_hat", "m_add_hat", "w_mul_hat", "m_mul_hat") if separate else ("w_hat", "m_hat")
    leaves = dict.fromkeys(names, shape) | {"gate": shape if gate_form == "matrix" else shape[:1]}
    return leaves | {"bias": shape[1:]} if use_bias else leaves


def init(
    key: Array,
    shape: Shape,
    dtype: DTypeLike = jnp.float32,
    *,
    separate: bool = False,
    gate_form: _GateForm = "matrix",
    use_bias: bool = True,
    w_hat_init: Initial = "glorot_uniform",
    m_hat_init: Initial = "glorot_uniform",
    gate_init: Initial = "glorot_uniform",
    bias_init: Initial = "glorot_uniform",
) -> Params:
    """Params of shape (n_in, n_out). w_hat_init and m_hat_init serve both pairs where the weights are separate."""
    leaves = _leaves(check_init("nalu", shape, dtype), separate=separate, gate_form=gate_form, use_bias=use_bias)
    hats = {leaf: w_hat_init if leaf.startswith("w_") else m_hat_init for leaf in leaves}
    return draw("nalu", key, leaves, dtype, hats | {"gate": gate_init, "bias": bias_init})


def apply(
    params: Params,
    x: ArrayLike,
    *,
    separate: bool = False,
    gate_form: _GateForm = "matrix",
    use_bias: bool = True,
    eps: float = 1e-8,
) -> Float[Array, "... n_out"]:
    """y (..., n_out) of x (..., n_in)."""
    leaves = functools.partial(_leaves, separate=separate, gate_form=gate_form, use_bias=use_bias)
    params, x = check_apply("nalu", params, x, leaves)
    return _apply_weights(
        weights(params, separate=separate, gate_form=gate_form, use_bias=use_bias), x, gate_form=gate_form, eps=eps
    )


def _apply_weights(weights: Params, x: Array, *, gate_form: _GateForm = "matrix", eps: float = 1e-8) -> Array:
    a = matmul(x, weights["w_add"])
    log_m = matmul(log(absolute(x) + eps), weights["w_mul"])
    logit = matmul(x, weights["gate"] if gate_form == "matrix" else weights["gate"][:, None])
    if "bias" in weights:
        logit = jnp.broadcast_to(logit, a.shape) + jnp.broadcast_to(weights["bias"], a.shape)
    return gated(jnp.broadcast_to(logit, a.shape), a, log_m)


def _pair(params: Params, separate: bool) -> tuple[Array, Array]:
    if not separate:
        w = _effective(params["w_hat"], params["m_hat"])
        return w, w
    return _effective(params["w_add_hat"], params["m_add_hat"]), _effective(params["w_mul_hat"], params["m_mul_hat"])


def weights(
    params: Params, *, separate: bool = False, gate_form: _GateForm = "matrix", use_bias: bool = True
) -> Params:
    """{"w_add", "w_mul"}, the weights of a and m in (-1, 1), and "gate" and "bias" as they are."""
    params = check_leaves(
        "nalu", params, functools.partial(_leaves, separate=separate, gate_form=gate_form, use_bias=use_bias)
    )
    w_add, w_mul = _pair(params, separate)
    return {"w_add": w_add, "w_mul": w_mul} | {name: params[name] for name in ("gate", "bias") if name in params}


def penalty(
    params: Params, *, separate: bool = False, gate_form: _GateForm = "matrix", use_bias: bool = True
) -> Float[Array, ""]:
    """0: the paper has no regulariser."""
    leaves = functools.partial(_leaves, separate=separate, gate_form=gate_form, use_bias=use_bias)
    return zero_penalty(check_leaves("nalu", params, leaves))


def project(
    params: Params, *, separate: bool = False, gate_form: _GateForm = "matrix", use_bias: bool = True
) -> Params:
    """The params unchanged: the paper has no clamp."""
    return check_leaves(
        "nalu", params, functools.partial(_leaves, separate=separate, gate_form=gate_form, use_bias=use_bias)
    )


def _formula(weights: Weights, x: Sequence[Expr], options: Options, notation: Notation) -> list[Expr]:
    """g a + (1 - g) m, as `nac` and `nac_mul` write a and m."""
    sums = notation.linear(weights["w_add"], x)
    products = _magnitudes(weights["w_mul"], notation.inputs(x, options), notation.epsilon(options["eps"]), notation)
    gate = weights["gate"]
    if gate.ndim == 1:
        gate = np.repeat(gate[:, None], len(sums), axis=1)
    bias = notation.row(weights.get("bias", np.zeros(len(sums), notation.dtype)))
    gates = [sigmoid(logit + shift) for logit, shift in zip(notation.linear(gate, x), bias, strict=True)]
    return _gated(gates, sums, products)


def _gated(gates: Sequence[Expr], sums: Sequence[Expr], products: Sequence[Expr]) -> list[Expr]:
    return [g * a + (1 - g) * m for g, a, m in zip(gates, sums, products, strict=True)]


def bind(
    *,
    separate: bool = False,
    gate_form: _GateForm = "matrix",
    use_bias: bool = True,
    eps: float = 1e-8,
    w_hat_init: Initial = "glorot_uniform",
    m_hat_init: Initial = "glorot_uniform",
    gate_init: Initial = "glorot_uniform",
    bias_init: Initial = "glorot_uniform",
) -> Unit:
    """`UNIT` with options fixed in every function that takes them."""
    return UNIT.bind(
        separate=separate,
        gate_form=gate_form,
        use_bias=use_bias,
        eps=eps,
        w_hat_init=w_hat_init,
        m_hat_init=m_hat_init,
        gate_init=gate_init,
        bias_init=bias_init,
    )


UNIT = Unit(
    name="nalu",
    layer="NALU",
    computes="either",
    leaves=_leaves,
    init=init,
    apply=apply,
    weights=weights,
    apply_weights=_apply_weights,
    penalty=penalty,
    project=project,
    formula=_formula,
)
