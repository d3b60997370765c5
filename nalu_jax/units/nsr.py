"""NSR, the neural status register: comparisons `> < >= <= == !=` of two selected inputs, as a probability.

    first'  = softmax(first, over the inputs)
    second' = softmax(second, over the inputs)
    d       = x @ first' - x @ second'             = x @ w, with w = first' - second'
    t       = tanh(scaling d)
    y       = sigmoid(sign t + zero (1 - 2 t^2) + bias)

Params:
    first   (n_in, n_out)  Glorot normal of every column by itself
    second  (n_in, n_out)  Glorot normal of every column by itself
    sign    (n_out,)       N(0, 1)
    zero    (n_out,)       N(0, 1)
    bias    (n_out,)       zeros

y is in (0, 1), and every output a comparison of its own, with redundancy 1, as in the released code; its second output
is 1 - y. t is the sign of d; 1 - 2 t^2 is 1 where d = 0, and -1 far away. Differences are told apart down to about 1 /
scaling (lambda in the paper): scale the data, or set `scaling`. Training and evaluation are one function. The released
code has no regulariser and no clamp; the paper's pruning of redundant registers is not part of it.

Reference:
    Faber, Wattenhofer, "Neural Status Registers", ICML 2023, https://arxiv.org/abs/2004.07085

Example:
    >>> import jax.numpy as jnp
    >>> from nalu_jax import nsr
    >>> select = jnp.array([[50.0], [0.0]])
    >>> greater = {"first": select, "second": -select, "sign": jnp.array([20.0]), "zero": jnp.array([-10.0])}
    >>> x = jnp.array([[5.0, 3.0], [3.0, 3.0], [3.0, 5.0]])
    >>> nsr.apply(greater | {"bias": jnp.array([0.0])}, x)[:, 0].round(3)
    Array([1., 0., 0.], dtype=float32)
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Float

from .._checks import check_apply, check_init, check_leaves
from .._numerics import matmul, tanh
from .._unit import Params, Shape, Unit, zero_penalty
from ._initialisers import Initial, draw
from ._notation import Expr, Notation, Options, Weights, sigmoid


def _leaves(shape: Shape) -> dict[str, Shape]:
    return {"first": shape, "second": shape, "sign": shape[1:], "zero": shape[1:], "bias": shape[1:]}


def init(
    key: Array,
    shape: Shape,
    dtype: DTypeLike = jnp.float32,
    *,
    first_init: Initial = "glorot_normal_columns",
    second_init: Initial = "glorot_normal_columns",
    sign_init: Initial = "glorot_normal_columns",
    zero_init: Initial = "glorot_normal_columns",
    bias_init: Initial = "zeros",
) -> Params:
    """Params of shape (n_in, n_out)."""
    leaves = _leaves(check_init("nsr", shape, dtype))
    inits = {"first": first_init, "second": second_init, "sign": sign_init, "zero": zero_init}
    return draw("nsr", key, leaves, dtype, inits | {"bias": bias_init})


def apply(params: Params, x: ArrayLike, *, scaling: float = 1.0) -> Float[Array, "... n_out"]:
    """y (..., n_out) of x (..., n_in), in (0, 1)."""
    params, x = check_apply("nsr", params, x, _leaves)
    return _apply_weights(weights(params), x, scaling=scaling)


def _apply_weights(weights: Params, x: Array, *, scaling: float = 1.0) -> Array:
    t = tanh(scaling * matmul(x, weights["w"]))
    sign, zero, bias = (jnp.broadcast_to(weights[name], t.shape) for name in ("sign", "zero", "bias"))
    return jax.nn.sigmoid(sign * t + zero * (1 - 2 * t**2) + bias)


def weights(params: Params) -> Params:
    """{"w": softmax(first) - softmax(second), (n_in, n_out), in (-1, 1)}, and "sign", "zero", "bias" as they are."""
    params = check_leaves("nsr", params, _leaves)
    w = jax.nn.softmax(params["first"], axis=0) - jax.nn.softmax(params["second"], axis=0)
    return {"w": w} | {name: params[name] for name in ("sign", "zero", "bias")}


def penalty(params: Params) -> Float[Array, ""]:
    """0: the released code has no regulariser."""
    return zero_penalty(check_leaves("nsr", params, _leaves))


def project(params: Params) -> Params:
    """The params unchanged: the paper has no clamp."""
    return check_leaves("nsr", params, _leaves)


def _formula(weights: Weights, x: Sequence[Expr], options: Options, notation: Notation) -> list[Expr]:
    """sigmoid(sign t + zero (1 - 2 t^2) + bias)."""
    import sympy

    scaling = notation.number(options["scaling"])
    registers = [sympy.tanh(scaling * d) for d in notation.linear(weights["w"], x)]
    signs, zeros, biases = (notation.row(weights[name]) for name in ("sign", "zero", "bias"))
    parts = zip(registers, signs, zeros, biases, strict=True)
    return [sigmoid(sign * t + zero * (1 - 2 * t**2) + bias) for t, sign, zero, bias in parts]


def bind(
    *,
    scaling: float = 1.0,
    first_init: Initial = "glorot_normal_columns",
    second_init: Initial = "glorot_normal_columns",
    sign_init: Initial = "glorot_normal_columns",
    zero_init: Initial = "glorot_normal_columns",
    bias_init: Initial = "zeros",
) -> Unit:
    """`UNIT` with options fixed in every function that takes them."""
    return UNIT.bind(
        scaling=scaling,
        first_init=first_init,
        second_init=second_init,
        sign_init=sign_init,
        zero_init=zero_init,
        bias_init=bias_init,
    )


UNIT = Unit(
    name="nsr",
    layer="NSR",
    computes="comparison",
    leaves=_leaves,
    init=init,
    apply=apply,
    weights=weights,
    apply_weights=_apply_weights,
    penalty=penalty,
    project=project,
    formula=_formula,
)
