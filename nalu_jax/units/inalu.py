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
Variants: `gate="independent"` is the paper's: g = sigmoid(gate), gate (n_out,), whatever the input;
`separate=False` shares one pair of weights (leaves w_hat, m_hat). sign(0) is 0: a zero factor gives exactly 0, also
0/0. Re-initialisation, gradient clipping and alternating updates are training, not layer. No clamp.

Reference:
    Schlör, Ring, Hotho, "iNALU: Improved Neural Arithmetic Logic Unit", Frontiers in Artificial Intelligence 3:71,
    2020, https://arxiv.org/abs/2003.07629

Example:
    >>> import jax.numpy as jnp
    >>> from nalu_jax import inalu
    >>> params = {"w_hat": jnp.full((2, 1), 20.0), "m_hat": jnp.full((2, 1), 20.0), "gate": jnp.array([-20.0])}
    >>> inalu.apply(params, jnp.array([-3.0, 4.0]), separate=False, gate="independent").round(2)
    Array([-12.], dtype=float32)
"""

import functools

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Float

from .._checks import check_apply, check_init, check_leaves, check_option
from .._numerics import absolute, log, matmul, maximum, minimum, product
from .._unit import Params, Shape, Unit
from ..penalties import away_from_zero
from ._initialisers import Initialiser, draw
from .nalu import _pair


def _leaves(shape: Shape, *, separate: bool = True, gate: str = "matrix") -> dict[str, Shape]:
    check_option("inalu", "gate", gate, ("matrix", "independent"))
    names = ("w_add_hat", "m_add_hat", "w_mul_hat", "m_mul_hat") if separate else ("w_hat", "m_hat")
    return dict.fromkeys(names, shape) | {"gate": shape if gate == "matrix" else shape[1:]}


def init(
    key: Array,
    shape: Shape,
    dtype: DTypeLike = jnp.float32,
    *,
    separate: bool = True,
    gate: str = "matrix",
    w_hat_init: str | Initialiser = "normal(1,0.1)",
    m_hat_init: str | Initialiser = "normal(-1,0.1)",
    gate_init: str | Initialiser = "normal(0,0.1)",
) -> Params:
    """Params of shape (n_in, n_out). w_hat_init and m_hat_init serve both pairs where the weights are separate."""
    leaves = _leaves(check_init("inalu", shape, dtype), separate=separate, gate=gate)
    hats = {leaf: w_hat_init if leaf.startswith("w_") else m_hat_init for leaf in leaves}
    return draw("inalu", key, leaves, dtype, hats | {"gate": gate_init})


def apply(
    params: Params,
    x: ArrayLike,
    *,
    separate: bool = True,
    gate: str = "matrix",
    eps: float = 1e-7,
    omega: float = 20.0,
) -> Float[Array, "... n_out"]:
    """y (..., n_out) of x (..., n_in)."""
    params, x = check_apply("inalu", params, x, functools.partial(_leaves, separate=separate, gate=gate))
    return _apply_weights(weights(params, separate=separate, gate=gate), x, gate=gate, eps=eps, omega=omega)


def _apply_weights(weights: Params, x: Array, *, gate: str = "matrix", eps: float = 1e-7, omega: float = 20.0) -> Array:
    a = matmul(x, weights["w_add"])
    m = jnp.exp(minimum(matmul(log(maximum(absolute(x), eps)), weights["w_mul"]), omega))
    s = product(_sign_factor, (jnp.sign(x),), (absolute(weights["w_mul"]),))
    g = jax.nn.sigmoid(matmul(x, weights["gate"])) if gate == "matrix" else jnp.broadcast_to(weights["gate"], a.shape)
    return g * a + (1 - g) * m * s


def _sign_factor(sign: Array, w: Array) -> Array:
    return sign * w + (1 - w)


def weights(params: Params, *, separate: bool = True, gate: str = "matrix") -> Params:
    """{"w_add", "w_mul"} in (-1, 1), and "gate": as it is, or sigmoid(gate) where it is independent."""
    params = check_leaves("inalu", params, functools.partial(_leaves, separate=separate, gate=gate))
    w_add, w_mul = _pair(params, separate)
    g = params["gate"] if gate == "matrix" else jax.nn.sigmoid(params["gate"])
    return {"w_add": w_add, "w_mul": w_mul, "gate": g}


def penalty(params: Params, *, separate: bool = True, gate: str = "matrix") -> Float[Array, ""]:
    """Sum over the leaves of mean(max(min(p, -p) + 20, 0))."""
    return away_from_zero(check_leaves("inalu", params, functools.partial(_leaves, separate=separate, gate=gate)))


def project(params: Params, *, separate: bool = True, gate: str = "matrix") -> Params:
    """The params unchanged: the paper has no clamp."""
    return check_leaves("inalu", params, functools.partial(_leaves, separate=separate, gate=gate))


UNIT = Unit("inalu", _leaves, init, apply, weights, _apply_weights, penalty, project)
