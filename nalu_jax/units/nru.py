"""NRU, the neural reciprocal unit: products and quotients, by exponents between -1 and 1.

    w' = clip(w, -1, 1)
    evaluation:  t = |w'|
    training:    t = tanh(1000 w')^2
    y_o = prod_i (sign(x_i) |x_i|^w'_io t_io + 1 - t_io)

Params:
    w  (n_in, n_out)  U(-r, r), r = min(1/2, sqrt(6 / (n_in + n_out)))

Training and evaluation agree where w is -1, 0 or 1. The paper divides by zero at x = 0; here |x| is at least eps, the
machine epsilon of the dtype of x unless given, and zero counts as positive, so that 1/0 is 1/eps: large and finite.
`sign="separate"` is the paper's ablation: the magnitudes' product times prod_i sign(x_i)^round(w'_io).
`domain="positive"` drops the sign, and gives NaN for a negative x. The clip passes gradients straight through; the
paper clamps w after every optimiser step (`project`). "beta" is the paper's other initialisation.

Reference:
    Mistry, Farrahi, Hare, "Exploring the Learning Mechanisms of Neural Division Modules", TMLR 09/2022
    ("Learning Division with Neural Arithmetic Logic Modules"), https://arxiv.org/abs/2110.05177

Example:
    >>> import jax.numpy as jnp
    >>> from nalu_jax import nru
    >>> nru.apply({"w": jnp.array([[1.0], [-1.0], [0.0]])}, jnp.array([-3.0, 4.0, 7.0]))
    Array([-0.75], dtype=float32)
"""

from collections.abc import Sequence
from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Float

from .. import _numerics
from .._checks import Domain, check_apply, check_init, check_leaves, check_option, is_positive
from .._numerics import (
    absolute,
    clip_straight_through,
    log,
    machine_epsilon,
    magnitude,
    matmul,
    maximum,
    power,
    product,
)
from .._unit import Params, Shape, Unit
from ..penalties import sparsity
from ._initialisers import Initial, draw
from ._notation import Expr, Notation, Options, Weights, at_least, multiply, signed_power

_Sign = Literal["inside", "separate"]


def _leaves(shape: Shape) -> dict[str, Shape]:
    return {"w": shape}


def init(
    key: Array, shape: Shape, dtype: DTypeLike = jnp.float32, *, w_init: Initial = "glorot_uniform_half"
) -> Params:
    """Params of shape (n_in, n_out)."""
    return draw("nru", key, _leaves(check_init("nru", shape, dtype)), dtype, {"w": w_init})


def apply(
    params: Params, x: ArrayLike, *, eps: float | None = None, domain: Domain = "real", sign: _Sign = "inside"
) -> Float[Array, "... n_out"]:
    """y (..., n_out) of x (..., n_in), with t = |w'|. domain is "real" or "positive", sign "inside" or "separate"."""
    params, x = check_apply("nru", params, x, _leaves)
    return _apply_weights(weights(params), x, eps=eps, domain=domain, sign=sign)


def _apply_weights(
    weights: Params, x: Array, *, eps: float | None = None, domain: Domain = "real", sign: _Sign = "inside"
) -> Array:
    return _reciprocal_product(x, weights["w"], absolute(weights["w"]), eps, domain, sign)


def train_apply(
    params: Params,
    x: ArrayLike,
    *,
    key: Array,
    eps: float | None = None,
    domain: Domain = "real",
    sign: _Sign = "inside",
) -> Float[Array, "... n_out"]:
    """As `apply`, with t = tanh(1000 w')^2. There is no noise: key is not used."""
    del key
    params, x = check_apply("nru", params, x, _leaves)
    w = weights(params)["w"]
    return _reciprocal_product(x, w, jnp.tanh(1000 * w) ** 2, eps, domain, sign)


def _reciprocal_product(x: Array, w: Array, t: Array, eps: float | None, domain: Domain, sign: _Sign) -> Array:
    check_option("nru", "sign", sign, get_args(_Sign))
    positive = is_positive("nru", domain)
    size = maximum(magnitude(x, positive), machine_epsilon(x, eps))
    sizes = size, jax.lax.stop_gradient(log(size))
    if positive:
        return product(_magnitude_factor, sizes, (w, t))
    if sign == "inside":
        return product(_signed_factor, (*sizes, _numerics.sign(x)), (w, t))
    return product(_magnitude_factor, sizes, (w, t)) * _sign_of_powers(x, w)


def _magnitude_factor(size: Array, log_size: Array, w: Array, t: Array) -> Array:
    return power(size, log_size, w) * t + (1 - t)


def _signed_factor(size: Array, log_size: Array, sign: Array, w: Array, t: Array) -> Array:
    return sign * power(size, log_size, w) * t + (1 - t)


def _sign_of_powers(x: Array, w: Array) -> Array:
    """prod_i sign(x_i)^round(w_io): -1 for an odd number of odd powers of negative inputs."""
    negative = (x < 0).astype(x.dtype)
    odd_powers = matmul(negative, jax.lax.stop_gradient(absolute(jnp.round(w))))
    return 1 - 2 * jnp.mod(odd_powers, 2)


def weights(params: Params) -> Params:
    """{"w": clip(w, -1, 1)}, (n_in, n_out)."""
    return {"w": clip_straight_through(check_leaves("nru", params, _leaves)["w"], -1, 1)}


def penalty(params: Params) -> Float[Array, ""]:
    """mean(min(|w|, |1 - |w||)), of the stored w."""
    return sparsity(check_leaves("nru", params, _leaves)["w"], targets=(-1, 0, 1))


def project(params: Params) -> Params:
    """w clamped to [-1, 1]."""
    return {"w": jnp.clip(check_leaves("nru", params, _leaves)["w"], -1, 1)}


def _formula(weights: Weights, x: Sequence[Expr], options: Options, notation: Notation) -> list[Expr]:
    """prod_i (sign(x_i) |x_i|^w_io t_io + 1 - t_io), or the magnitudes' product times prod_i sign(x_i)^round(w_io)."""
    inputs, eps = notation.inputs(x, options), notation.epsilon(options["eps"])
    inside = options["sign"] == "inside"
    signed = options["domain"] != "positive"
    outputs = []
    for column, values in zip(notation.columns(weights["w"]), np.asarray(weights["w"]).T, strict=True):
        factors = []
        for each, w, value in zip(inputs, column, values, strict=True):
            whole = abs(float(value)) == 1  # then t is 1, and both variants have the sign in the same place
            power = signed_power(at_least(each.size, eps), each, w, odd=signed and (inside or whole))
            outside = signed and not inside and not whole and round(abs(float(value))) % 2
            factors.append((power * abs(w) + 1 - abs(w)) * (each.sign if outside else 1))
        outputs.append(multiply(factors))
    return outputs


def bind(
    *,
    eps: float | None = None,
    domain: Domain = "real",
    sign: _Sign = "inside",
    w_init: Initial = "glorot_uniform_half",
) -> Unit:
    """`UNIT` with options fixed in every function that takes them."""
    return UNIT.bind(eps=eps, domain=domain, sign=sign, w_init=w_init)


UNIT = Unit(
    name="nru",
    layer="NRU",
    computes="product",
    leaves=_leaves,
    init=init,
    apply=apply,
    train_apply=train_apply,
    weights=weights,
    apply_weights=_apply_weights,
    penalty=penalty,
    project=project,
    formula=_formula,
)
