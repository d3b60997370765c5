"""DMU, the domain mixed unit: sums and products of signed selections of the inputs, mixed by a gate.

    O    = clip(select, -1, 1)                          or, with select_form="rounded", round(O)
    a, b = softmax(gate, over its two rows)             or, with gate_form="hard", 1 for the larger, 0 for the other
    L    = x @ O
    P    = log(max(|x|, eps)) @ O
    y    = (a |L| + b exp(P)) (a tanh(L / 1e-4) + b cos(pi [x < 0] @ |O|)),    |L| = sqrt(L^2 + 1e-8)

Params:
    select  (n_in, n_out)  U(-r, r), r = min(1/2, sqrt(6 / (n_in + n_out)))
    gate    (2, n_out)     zeros: undecided

With a gate of (1, 0) an output is a sum and difference of inputs, with (0, 1) their product and quotient. Size and sign
are mixed apart, so that half-open gates cost the sign nothing.

In the paper select and gate are no params: linear heads predict both from the input, anew for every sample, with
O = tanh(s) * softplus(m) of two heads, and in evaluation O is rounded to -1, 0 and 1 and the gate to its larger entry.
The paper's best results have the selector frozen to the answer (25 seeds on 9 ranges: addition 222 of 225, subtraction
225, multiplication 225, division 203). Here both are plain params, learned, and select has no answer built in: those
numbers say nothing about this layer. The paper's discrete evaluation are the options select_form and gate_form, whose
steps pass gradients straight through, as the clip does. The initialisation is ours: the NAU's, and an undecided gate.
There is no regulariser, and no clamp.

Reference:
    Curry, "Domain mixed unit", 2025, https://arxiv.org/abs/2509.08180

Example:
    >>> import jax.numpy as jnp
    >>> from nalu_jax import dmu
    >>> params = {"select": jnp.array([[1.0], [-1.0]]), "gate": jnp.array([[0.0], [30.0]])}
    >>> dmu.apply(params, jnp.array([-3.0, 4.0])).round(4)
    Array([-0.75], dtype=float32)
"""

import math
from collections.abc import Sequence
from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Float

from .._checks import check_apply, check_init, check_leaves, check_option
from .._cosine import cosine_of_half_turns
from .._numerics import absolute, clip_straight_through, log, matmul, maximum, tanh, times_exponential
from .._unit import Params, Shape, Unit, zero_penalty
from ._initialisers import Initial, draw
from ._notation import Expr, Notation, Options, Weights, add, at_least, half_turns, multiply, signed_power

_SelectForm = Literal["clipped", "rounded"]
_GateForm = Literal["soft", "hard"]

_WIDTH = 1e-4  # of the step that stands for the sign of L, and of the rounding of |L|; the paper's


def _leaves(shape: Shape) -> dict[str, Shape]:
    return {"select": shape, "gate": (2, shape[1])}


def init(
    key: Array,
    shape: Shape,
    dtype: DTypeLike = jnp.float32,
    *,
    select_init: Initial = "glorot_uniform_half",
    gate_init: Initial = "zeros",
) -> Params:
    """Params of shape (n_in, n_out); the rows of gate are those of the sum and of the product."""
    leaves = _leaves(check_init("dmu", shape, dtype))
    return draw("dmu", key, leaves, dtype, {"select": select_init, "gate": gate_init})


def apply(
    params: Params,
    x: ArrayLike,
    *,
    select_form: _SelectForm = "clipped",
    gate_form: _GateForm = "soft",
    eps: float = 1e-11,
) -> Float[Array, "... n_out"]:
    """y (..., n_out) of x (..., n_in)."""
    params, x = check_apply("dmu", params, x, _leaves)
    return _apply_weights(weights(params, select_form=select_form, gate_form=gate_form), x, eps=eps)


def _apply_weights(weights: Params, x: Array, *, eps: float = 1e-11) -> Array:
    w = weights["w"]
    linear = matmul(x, w)
    log_power = matmul(log(maximum(absolute(x), eps)), w)
    turns = matmul((x < 0).astype(x.dtype), absolute(w))
    a, b = (jnp.broadcast_to(row, linear.shape) for row in weights["gate"])
    sign = a * tanh(linear / _WIDTH) + b * cosine_of_half_turns(turns)
    return a * _rounded_off(linear) * sign + times_exponential(b * sign, log_power)


def _rounded_off(linear: Array) -> Array:
    """sqrt(L^2 + 1e-8), with no square that leaves the dtype: where it is |L| to the last bit, |L|."""
    size = absolute(linear)
    is_small = size < 2 * _WIDTH / math.sqrt(jnp.finfo(linear.dtype).eps)
    steps = jnp.where(is_small, linear / _WIDTH, jnp.zeros_like(linear))
    return jnp.where(is_small, _WIDTH * jnp.sqrt(steps**2 + 1), size)


def weights(params: Params, *, select_form: _SelectForm = "clipped", gate_form: _GateForm = "soft") -> Params:
    """{"w": O, (n_in, n_out), in [-1, 1], "gate": (a, b), (2, n_out), of sum 1}."""
    check_option("dmu", "select_form", select_form, get_args(_SelectForm))
    check_option("dmu", "gate_form", gate_form, get_args(_GateForm))
    params = check_leaves("dmu", params, _leaves)
    w = clip_straight_through(params["select"], -1, 1)
    gate = jax.nn.softmax(params["gate"], axis=0)
    return {
        "w": _straight_through(jnp.round(w), w) if select_form == "rounded" else w,
        "gate": _straight_through(_hard(gate), gate) if gate_form == "hard" else gate,
    }


def _hard(gate: Array) -> Array:
    """(1, 0) where the gate is for the sum, at a tie as well, otherwise (0, 1)."""
    summed = (gate[0] >= gate[1]).astype(gate.dtype)
    return jnp.stack([summed, 1 - summed])


def _straight_through(value: Array, smooth: Array) -> Array:
    return jax.lax.stop_gradient(value) + (smooth - jax.lax.stop_gradient(smooth))


def penalty(params: Params) -> Float[Array, ""]:
    """0: there is no regulariser."""
    return zero_penalty(check_leaves("dmu", params, _leaves))


def project(params: Params) -> Params:
    """The params unchanged: there is no clamp."""
    return check_leaves("dmu", params, _leaves)


def _formula(weights: Weights, x: Sequence[Expr], options: Options, notation: Notation) -> list[Expr]:
    """The equation, multiplied out; without eps |L| tanh(L / 1e-4) is L itself."""
    import sympy

    inputs, eps = notation.inputs(x, options), notation.epsilon(options["eps"])
    rows = [notation.row(row) for row in weights["gate"]]
    outputs = []
    for w, linear, a, b in zip(notation.columns(weights["w"]), notation.linear(weights["w"], x), *rows, strict=True):
        size = sympy.sqrt(linear**2 + notation.number(_WIDTH**2)) if notation.eps else abs(linear)
        sign = sympy.tanh(linear / notation.number(_WIDTH)) if notation.eps else sympy.sign(linear)
        odd, phase = half_turns(inputs, [abs(power) for power in w])
        factors = zip(inputs, w, odd, strict=True)
        product = multiply([signed_power(at_least(x.size, eps), x, power, o) for x, power, o in factors])
        plain = multiply([at_least(x.size, eps) ** power for x, power in zip(inputs, w, strict=True)])
        cosine_of_phase = multiply([x.sign for x, o in zip(inputs, odd, strict=True) if o]) * sympy.cos(phase)
        mixed = size * cosine_of_phase + plain * sign
        summed = size * sign if notation.eps else linear
        outputs.append(add([a**2 * summed, b**2 * product * sympy.cos(phase), a * b * mixed]))
    return outputs


def bind(
    *,
    select_form: _SelectForm = "clipped",
    gate_form: _GateForm = "soft",
    eps: float = 1e-11,
    select_init: Initial = "glorot_uniform_half",
    gate_init: Initial = "zeros",
) -> Unit:
    """`UNIT` with options fixed in every function that takes them."""
    return UNIT.bind(
        select_form=select_form, gate_form=gate_form, eps=eps, select_init=select_init, gate_init=gate_init
    )


UNIT = Unit(
    name="dmu",
    layer="DMU",
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
