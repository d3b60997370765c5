"""NMRU, the neural multiplicative reciprocal unit: an NMU on the inputs and their reciprocals, with the sign restored.

    w' = clip(w, 0, 1)
    evaluation:  z = [x, 1 / x]
    training:    z = [x, 1 / (x + eps)]
    y_o = prod_j (|z_j| w'_jo + 1 - w'_jo) * cos(pi [z < 0] @ w')_o

Params:
    w  (2 n_in, n_out)  U(0.25, 0.75)

The paper's training form is singular at x = -eps, and its evaluation at x = 0 gives NaN even where w ignores that
input. Here training adds eps to |x| before the sign is restored (the same number for positive x), and evaluation takes
|x| to be at least eps, zero counting as positive. eps is the machine epsilon of the dtype of x unless given.
`sign="none"` is the paper's vanilla NMRU, prod_j (z_j w'_jo + 1 - w'_jo). `domain="positive"` drops the cosine, and
gives NaN for a negative x. The clip passes gradients straight through; the paper clamps w after every optimiser step
(`project`), and clips the gradient's norm to 1.

Reference:
    Mistry, Farrahi, Hare, "Exploring the Learning Mechanisms of Neural Division Modules", TMLR 09/2022
    ("Learning Division with Neural Arithmetic Logic Modules"), https://arxiv.org/abs/2110.05177

Example:
    >>> import jax.numpy as jnp
    >>> from nalu_jax import nmru
    >>> nmru.apply({"w": jnp.array([[1.0], [0.0], [0.0], [1.0]])}, jnp.array([-3.0, 4.0]))
    Array([-0.75], dtype=float32)
"""

from collections.abc import Sequence
from typing import Literal, get_args

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Float

from .. import _numerics
from .._checks import Domain, check_apply, check_init, check_leaves, check_option, is_positive
from .._cosine import cosine_of_half_turns
from .._numerics import clip_straight_through, machine_epsilon, magnitude, matmul, maximum, product, reciprocal
from .._unit import Params, Shape, Unit
from ..penalties import sparsity
from ._initialisers import Initial, draw
from ._notation import Expr, Input, Notation, Options, Weights, at_least, half_turns, multiply, signed_power
from .nmu import _factor

_Sign = Literal["cos", "none"]


def _leaves(shape: Shape) -> dict[str, Shape]:
    n_in, n_out = shape
    return {"w": (2 * n_in, n_out)}


def init(key: Array, shape: Shape, dtype: DTypeLike = jnp.float32, *, w_init: Initial = "uniform(0.25,0.75)") -> Params:
    """Params of shape (n_in, n_out); the rows of w are those of x, then those of 1/x."""
    return draw("nmru", key, _leaves(check_init("nmru", shape, dtype)), dtype, {"w": w_init})


def apply(
    params: Params, x: ArrayLike, *, eps: float | None = None, domain: Domain = "real", sign: _Sign = "cos"
) -> Float[Array, "... n_out"]:
    """y (..., n_out) of x (..., n_in). domain is "real" or "positive", sign "cos" or "none"."""
    params, x = check_apply("nmru", params, x, _leaves)
    return _apply_weights(weights(params), x, eps=eps, domain=domain, sign=sign)


def _apply_weights(
    weights: Params, x: Array, *, eps: float | None = None, domain: Domain = "real", sign: _Sign = "cos"
) -> Array:
    size = magnitude(x, is_positive("nmru", domain))
    return _product(weights["w"], x, size, maximum(size, machine_epsilon(x, eps)), domain, sign)


def train_apply(
    params: Params, x: ArrayLike, *, key: Array, eps: float | None = None, domain: Domain = "real", sign: _Sign = "cos"
) -> Float[Array, "... n_out"]:
    """As `apply`, with 1 / (|x| + eps) in the reciprocal. There is no noise: key is not used."""
    del key
    params, x = check_apply("nmru", params, x, _leaves)
    size = magnitude(x, is_positive("nmru", domain))
    return _product(weights(params)["w"], x, size, size + machine_epsilon(x, eps), domain, sign)


def _product(w: Array, x: Array, size: Array, divisor: Array, domain: Domain, sign: _Sign) -> Array:
    check_option("nmru", "sign", sign, get_args(_Sign))
    if sign == "none":
        return product(_factor, (jnp.concatenate([x, _numerics.sign(x) * reciprocal(divisor)], -1),), (w,))
    y = product(_factor, (jnp.concatenate([size, reciprocal(divisor)], -1),), (w,))
    if domain == "positive":
        return y
    negative = (x < 0).astype(x.dtype)
    return y * cosine_of_half_turns(matmul(jnp.concatenate([negative, negative], -1), w))


def weights(params: Params) -> Params:
    """{"w": clip(w, 0, 1)}, (2 n_in, n_out)."""
    return {"w": clip_straight_through(check_leaves("nmru", params, _leaves)["w"], 0, 1)}


def penalty(params: Params) -> Float[Array, ""]:
    """mean(min(|w|, |1 - w|)), of the stored w."""
    return sparsity(check_leaves("nmru", params, _leaves)["w"], targets=(0, 1))


def project(params: Params) -> Params:
    """w clamped to [0, 1]."""
    return {"w": jnp.clip(check_leaves("nmru", params, _leaves)["w"], 0, 1)}


def _formula(weights: Weights, x: Sequence[Expr], options: Options, notation: Notation) -> list[Expr]:
    """prod_j (|z_j| w_jo + 1 - w_jo) cos(pi [z < 0] @ w), or with sign="none" prod_j (z_j w_jo + 1 - w_jo)."""
    import sympy

    inputs, eps = notation.inputs(x, options), notation.epsilon(options["eps"])
    count, outputs = len(inputs), []
    for column in notation.columns(weights["w"]):
        direct, inverse = column[:count], column[count:]
        if options["sign"] == "none":
            reciprocals = [signed_power(at_least(x.size, eps), x, sympy.Integer(-1), odd=True) for x in inputs]
            z = [*[x.value for x in inputs], *reciprocals]
            outputs.append(multiply([value * w + 1 - w for value, w in zip(z, column, strict=True)]))
            continue
        odd, phase = half_turns(inputs, [a + b for a, b in zip(direct, inverse, strict=True)])
        factors = [_formula_of_factor(*each, eps) for each in zip(inputs, direct, inverse, odd, strict=True)]
        outputs.append(multiply(factors) * sympy.cos(phase))
    return outputs


def _formula_of_factor(x: Input, direct: Expr, inverse: Expr, odd: bool, eps: Expr) -> Expr:
    """(|x| a + 1 - a) (b / |x| + 1 - b), times the sign of x where `odd`."""
    divisor = at_least(x.size, eps)
    if (direct, inverse) == (1, 0):
        return signed_power(x.size, x, direct, odd)
    if (direct, inverse) == (0, 1):
        return signed_power(divisor, x, -inverse, odd)
    return (x.size * direct + 1 - direct) * (inverse / divisor + 1 - inverse) * (x.sign if odd else 1)


def bind(
    *, eps: float | None = None, domain: Domain = "real", sign: _Sign = "cos", w_init: Initial = "uniform(0.25,0.75)"
) -> Unit:
    """`UNIT` with options fixed in every function that takes them."""
    return UNIT.bind(eps=eps, domain=domain, sign=sign, w_init=w_init)


UNIT = Unit(
    name="nmru",
    layer="NMRU",
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
