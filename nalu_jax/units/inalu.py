"""iNALU, the improved NALU: a NALU whose product has a sign, a bound, and weights of its own.

    w_add = tanh(w_add_hat) * sigmoid(m_add_hat)
    w_mul = tanh(w_mul_hat) * sigmoid(m_mul_hat)
    a = x @ w_add
    m = exp(min(log(max(|x|, eps)) @ w_mul, omega))
    s = prod_i (sign(x_i) |w_mul_io| + 1 - |w_mul_io|)
    g = sigmoid(x @ gate)
    y = g * a + (1 - g) * m * s

Params:
    w_add_hat  (n_in, n_out)  N(1, 0.1)
    m_add_hat  (n_in, n_out)  N(-1, 0.1)
    w_mul_hat  (n_in, n_out)  N(1, 0.1)
    m_mul_hat  (n_in, n_out)  N(-1, 0.1)
    gate       (n_in, n_out)  N(0, 0.1)

The forward pass is NeuralArithmetic.jl's, the initialisation that of the paper's experiments ("glorot_uniform" is
NeuralArithmetic.jl's; "normal(0.88,0.2)", "normal(0.5,0.2)" and "normal(0,0.2)" are the defaults of the paper's code).
Variants: `gate_form="independent"` is the paper's: g = sigmoid(gate), gate (n_out,), whatever the input;
`separate=False` shares one pair of weights (leaves w_hat, m_hat). sign(0) is 0: a zero factor gives exactly 0, also
0/0. Re-initialisation, gradient clipping and alternating updates are training, not layer. No clamp.

Reference:
    Schlör, Ring, Hotho, "iNALU: Improved Neural Arithmetic Logic Unit", Frontiers in Artificial Intelligence 3:71,
    2020, https://arxiv.org/abs/2003.07629

Example:
    >>> import jax.numpy as jnp
    >>> from nalu_jax import inalu
    >>> params = {"w_hat": jnp.full((2, 1), 20.0), "m_hat": jnp.full((2, 1), 20.0), "gate": jnp.array([-20.0])}
    >>> inalu.apply(params, jnp.array([-3.0, 4.0]), separate=False, gate_form="independent").round(2)
    Array([-12.], dtype=float32)
"""

import functools
from collections.abc import Sequence
from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Float

from .._checks import check_apply, check_init, check_leaves, check_option
from .._numerics import absolute, log, matmul, maximum, minimum, product
from .._unit import Params, Shape, Unit
from ..penalties import away_from_zero
from ._initialisers import Initial, draw
from ._notation import Expr, Notation, Options, Weights, add, at_least, multiply, sigmoid
from .nalu import _gated, _pair

_GateForm = Literal["matrix", "independent"]


def _leaves(shape: Shape, *, separate: bool = True, gate_form: _GateForm = "matrix") -> dict[str, Shape]:
    check_option("inalu", "gate_form", gate_form, get_args(_GateForm))
    names = ("w_add_hat", "m_add_hat", "w_mul_hat", "m_mul_hat") if separate else ("w_hat", "m_hat")
    return dict.fromkeys(names, shape) | {"gate": shape if gate_form == "matrix" else shape[1:]}


def init(
    key: Array,
    shape: Shape,
    dtype: DTypeLike = jnp.float32,
    *,
    separate: bool = True,
    gate_form: _GateForm = "matrix",
    w_hat_init: Initial = "normal(1,0.1)",
    m_hat_init: Initial = "normal(-1,0.1)",
    gate_init: Initial = "normal(0,0.1)",
) -> Params:
    """Params of shape (n_in, n_out). w_hat_init and m_hat_init serve both pairs where the weights are separate."""
    leaves = _leaves(check_init("inalu", shape, dtype), separate=separate, gate_form=gate_form)
    hats = {leaf: w_hat_init if leaf.startswith("w_") else m_hat_init for leaf in leaves}
    return draw("inalu", key, leaves, dtype, hats | {"gate": gate_init})


def apply(
    params: Params,
    x: ArrayLike,
    *,
    separate: bool = True,
    gate_form: _GateForm = "matrix",
    eps: float = 1e-7,
    omega: float = 20.0,
) -> Float[Array, "... n_out"]:
    """y (..., n_out) of x (..., n_in)."""
    params, x = check_apply("inalu", params, x, functools.partial(_leaves, separate=separate, gate_form=gate_form))
    return _apply_weights(
        weights(params, separate=separate, gate_form=gate_form), x, gate_form=gate_form, eps=eps, omega=omega
    )


def _apply_weights(
    weights: Params, x: Array, *, gate_form: _GateForm = "matrix", eps: float = 1e-7, omega: float = 20.0
) -> Array:
    a = matmul(x, weights["w_add"])
    m = jnp.exp(minimum(matmul(log(maximum(absolute(x), eps)), weights["w_mul"]), omega))
    s = product(_sign_factor, (jnp.sign(x),), (absolute(weights["w_mul"]),))
    g = (
        jax.nn.sigmoid(matmul(x, weights["gate"]))
        if gate_form == "matrix"
        else jnp.broadcast_to(weights["gate"], a.shape)
    )
    return g * a + (1 - g) * m * s


def _sign_factor(sign: Array, w: Array) -> Array:
    return sign * w + (1 - w)


def weights(params: Params, *, separate: bool = True, gate_form: _GateForm = "matrix") -> Params:
    """{"w_add", "w_mul"} in (-1, 1), and "gate": as it is, or sigmoid(gate) where it is independent."""
    params = check_leaves("inalu", params, functools.partial(_leaves, separate=separate, gate_form=gate_form))
    w_add, w_mul = _pair(params, separate)
    g = params["gate"] if gate_form == "matrix" else jax.nn.sigmoid(params["gate"])
    return {"w_add": w_add, "w_mul": w_mul, "gate": g}


def penalty(params: Params, *, separate: bool = True, gate_form: _GateForm = "matrix") -> Float[Array, ""]:
    """Sum over the leaves of mean(max(min(p, -p) + 20, 0))."""
    return away_from_zero(
        check_leaves("inalu", params, functools.partial(_leaves, separate=separate, gate_form=gate_form))
    )


def project(params: Params, *, separate: bool = True, gate_form: _GateForm = "matrix") -> Params:
    """The params unchanged: the paper has no clamp."""
    return check_leaves("inalu", params, functools.partial(_leaves, separate=separate, gate_form=gate_form))


def _formula(weights: Weights, x: Sequence[Expr], options: Options, notation: Notation) -> list[Expr]:
    """g a + (1 - g) m s."""
    import sympy

    inputs, eps = notation.inputs(x, options), notation.epsilon(options["eps"])
    sums, omega = notation.linear(weights["w_add"], x), notation.number(options["omega"])
    products = []
    for column in notation.columns(weights["w_mul"]):
        exponent = add([sympy.log(at_least(x.size, eps)) * w for x, w in zip(inputs, column, strict=True)])
        signs = [sympy.sign(x.value) * abs(w) + 1 - abs(w) for x, w in zip(inputs, column, strict=True)]
        products.append(sympy.exp(sympy.Min(exponent, omega)) * multiply(signs))
    if options["gate_form"] == "independent":
        return _gated(notation.row(weights["gate"]), sums, products)
    return _gated([sigmoid(logit) for logit in notation.linear(weights["gate"], x)], sums, products)


def bind(
    *,
    separate: bool = True,
    gate_form: _GateForm = "matrix",
    eps: float = 1e-7,
    omega: float = 20.0,
    w_hat_init: Initial = "normal(1,0.1)",
    m_hat_init: Initial = "normal(-1,0.1)",
    gate_init: Initial = "normal(0,0.1)",
) -> Unit:
    """`UNIT` with options fixed in every function that takes them."""
    return UNIT.bind(
        separate=separate,
        gate_form=gate_form,
        eps=eps,
        omega=omega,
        w_hat_init=w_hat_init,
        m_hat_init=m_hat_init,
        gate_init=gate_init,
    )


UNIT = Unit(
    name="inalu",
    layer="INALU",
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
