"""MulMCFC: products, as an MC-FC of logarithms.

    share = softmax(r, over the outputs)
    o     = sigmoid(gate + bias)
    m     = exp(o * (log(max(|x|, eps)) @ share) + log_scale)
    y     = m * s, where s is by the option `sign`
        "inalu"     s_o = prod_i (sign(x_i) share_io + 1 - share_io)
        "real_npu"  s = cos((g pi [x < 0]) @ share), g = clip(sign_gate, 0, 1)
        "none"      s = 1, and NaN where an x is negative

Params:
    r          (n_in, n_out)  identity where n_in == n_out, otherwise orthogonal
    gate       (n_out,)       orthogonal: a random vector of length 1, for one output 1 or -1
    bias       (n_out,)       zeros
    log_scale  (n_out,)       zeros
    sign_gate  (n_in,)        0.5, with sign="real_npu" only

Powers are between 0 and 1: nothing is divided. The paper's form is "none", for positive inputs; the signs are the NALM
benchmark's. Where x is positive all three are one function, so the default is one that has a value everywhere. No
source bounds the logarithm at 0: here |x| is at least eps, the machine epsilon of the dtype of x unless given. The
paper gives r one column more and drops its output; here there is none, as in the NALM benchmark. Initialisation,
penalty (of r, gate and bias) and projection as in `mc_fc`; the gate's clip passes gradients straight through.

Reference:
    Hoedt, Kratzert, Klotz, Halmich, Holzleitner, Nearing, Hochreiter, Klambauer, "MC-LSTM: Mass-Conserving LSTM",
    ICML 2021, https://arxiv.org/abs/2101.05186; with signs: Mistry, Farrahi, Hare, "A Primer for Neural Arithmetic
    Logic Modules", JMLR 23(185), 2022, https://arxiv.org/abs/2101.09530

Example:
    >>> import jax.numpy as jnp
    >>> from nalu_jax import mul_mcfc
    >>> params = {"r": jnp.zeros((2, 1)), "gate": jnp.array([20.0]), "bias": jnp.zeros(1), "log_scale": jnp.zeros(1)}
    >>> mul_mcfc.apply(params, jnp.array([-3.0, 4.0])).round(2)
    Array([-12.], dtype=float32)
"""

import functools
from collections.abc import Sequence
from typing import Literal, get_args

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Float

from .._checks import check_apply, check_init, check_leaves, check_option
from .._cosine import exponential
from .._numerics import clip_straight_through, log, machine_epsilon, magnitude, matmul, maximum, product
from .._unit import Params, Shape, Unit
from ._initialisers import Initial, draw
from ._notation import Expr, Input, Notation, Options, Weights, at_least, half_turns, multiply, signed_power
from .inalu import _sign_factor
from .mc_fc import _share_and_kept, _towards_saturation

_Sign = Literal["none", "inalu", "real_npu"]


def _leaves(shape: Shape, *, sign: _Sign = "inalu") -> dict[str, Shape]:
    check_option("mul_mcfc", "sign", sign, get_args(_Sign))
    leaves = {"r": shape, "gate": shape[1:], "bias": shape[1:], "log_scale": shape[1:]}
    return leaves | {"sign_gate": shape[:1]} if sign == "real_npu" else leaves


def init(
    key: Array,
    shape: Shape,
    dtype: DTypeLike = jnp.float32,
    *,
    sign: _Sign = "inalu",
    r_init: Initial = "identity_or_orthogonal",
    gate_init: Initial = "orthogonal",
    bias_init: Initial = "zeros",
    log_scale_init: Initial = "zeros",
    sign_gate_init: Initial = "half",
) -> Params:
    """Params of shape (n_in, n_out)."""
    leaves = _leaves(check_init("mul_mcfc", shape, dtype), sign=sign)
    inits = {"r": r_init, "gate": gate_init, "bias": bias_init}
    return draw("mul_mcfc", key, leaves, dtype, inits | {"log_scale": log_scale_init, "sign_gate": sign_gate_init})


def apply(
    params: Params, x: ArrayLike, *, sign: _Sign = "inalu", eps: float | None = None
) -> Float[Array, "... n_out"]:
    """y (..., n_out) of x (..., n_in); sign is "inalu", "real_npu", or "none" for positive inputs."""
    params, x = check_apply("mul_mcfc", params, x, functools.partial(_leaves, sign=sign))
    return _apply_weights(weights(params, sign=sign), x, sign=sign, eps=eps)


def _apply_weights(weights: Params, x: Array, *, sign: _Sign = "inalu", eps: float | None = None) -> Array:
    size = magnitude(x, positive=sign == "none")
    exponent = matmul(log(maximum(size, machine_epsilon(x, eps))), weights["w"])
    exponent += jnp.broadcast_to(weights["log_scale"], exponent.shape)
    if sign == "none":
        return jnp.exp(exponent)
    if sign == "inalu":
        return jnp.exp(exponent) * product(_sign_factor, (jnp.sign(x),), (weights["share"],))
    turns = (x < 0).astype(x.dtype) * jnp.broadcast_to(weights["sign_gate"], x.shape)
    return exponential(exponent, matmul(turns, weights["share"]))


def weights(params: Params, *, sign: _Sign = "inalu") -> Params:
    """{"w": o * share, the powers, in (0, 1)}, "log_scale", and what the sign needs: "share" and the clipped gate."""
    params = check_leaves("mul_mcfc", params, functools.partial(_leaves, sign=sign))
    share, w = _share_and_kept(params)
    found = {"w": w, "log_scale": params["log_scale"]}
    if sign == "none":
        return found
    if sign == "inalu":
        return found | {"share": share}
    return found | {"share": share, "sign_gate": clip_straight_through(params["sign_gate"], 0, 1)}


def penalty(params: Params, *, sign: _Sign = "inalu") -> Float[Array, ""]:
    """-mean(r^2) - mean(gate^2) - mean(bias^2): no lower bound."""
    return _towards_saturation(check_leaves("mul_mcfc", params, functools.partial(_leaves, sign=sign)))


def project(params: Params, *, sign: _Sign = "inalu") -> Params:
    """The params unchanged: there is no clamp."""
    return check_leaves("mul_mcfc", params, functools.partial(_leaves, sign=sign))


def _formula(weights: Weights, x: Sequence[Expr], options: Options, notation: Notation) -> list[Expr]:
    """exp(log_scale_o) prod_i max(|x_i|, eps)^w_io s_o."""
    import sympy

    inputs, eps = notation.inputs(x, options), notation.epsilon(options["eps"])
    signs = _formula_of_signs(weights, inputs, options, notation)
    scales = [sympy.exp(scale) for scale in notation.row(weights["log_scale"])]
    outputs = []
    for column, scale, (odd, factor) in zip(notation.columns(weights["w"]), scales, signs, strict=True):
        powers = [signed_power(at_least(x.size, eps), x, w, o) for x, w, o in zip(inputs, column, odd, strict=True)]
        outputs.append(scale * multiply(powers) * factor)
    return outputs


def _formula_of_signs(
    weights: Weights, inputs: Sequence[Input], options: Options, notation: Notation
) -> list[tuple[list[bool], Expr]]:
    """For every output, which inputs it takes with their sign, and the other factor of s."""
    import sympy

    even = [False] * len(inputs)
    if options["sign"] == "none":
        return [(even, notation.number(1)) for _ in weights["log_scale"]]
    columns = notation.columns(weights["share"])
    if options["sign"] == "inalu":
        factor = lambda x, share: sympy.sign(x.value) * share + 1 - share
        return [(even, multiply([factor(*each) for each in zip(inputs, column, strict=True)])) for column in columns]
    gates = notation.row(weights["sign_gate"])
    turns = [half_turns(inputs, [g * share for g, share in zip(gates, column, strict=True)]) for column in columns]
    return [(odd, sympy.cos(phase)) for odd, phase in turns]


def bind(
    *,
    sign: _Sign = "inalu",
    eps: float | None = None,
    r_init: Initial = "identity_or_orthogonal",
    gate_init: Initial = "orthogonal",
    bias_init: Initial = "zeros",
    log_scale_init: Initial = "zeros",
    sign_gate_init: Initial = "half",
) -> Unit:
    """`UNIT` with options fixed in every function that takes them."""
    return UNIT.bind(
        sign=sign,
        eps=eps,
        r_init=r_init,
        gate_init=gate_init,
        bias_init=bias_init,
        log_scale_init=log_scale_init,
        sign_gate_init=sign_gate_init,
    )


UNIT = Unit(
    name="mul_mcfc",
    layer="MulMCFC",
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
