"""NPU, the neural power unit: products of real powers of inputs of any sign, through complex weights.

    g = clip(gate, 0, 1)
    r = g (|x| + eps) + (1 - g)
    k = g pi [x < 0]
    u = log(r) @ re - k @ im
    v = k @ re + log(r) @ im
    y = exp(u) * cos(v)                  = Re(exp((log(r) + i k) @ (re + i im)))

Params:
    re    (n_in, n_out)  Glorot uniform
    im    (n_in, n_out)  zeros
    gate  (n_in,)        0.5

A gate of 0 makes an input irrelevant (factor 1), a gate of 1 lets it pass. eps is the machine epsilon of the dtype of x
unless given; eps=0 is exact away from 0, and takes the smallest normal number for |x| = 0. Zero counts as positive; a
negative x under a fractional power gives the real part of the complex power. The gate's clip passes gradients straight
through, as in NeuralArithmetic.jl (the paper's code: a hard clip); `project(params, clamp=...)` clamps stored values
as the division papers do ("w", "g", "wg", "wig"; the paper's own choice is "none"). Initialisations of single
experiments: re "glorot_uniform_fifth" (fractional SIR), "uniform(0,0.1)" with gate "ones" (large scale),
"glorot_uniform_half" (division papers), im "glorot_uniform" (FastNPU). `domain="positive"` drops the sign path: k = 0,
and NaN for a negative x.

Reference:
    Heim, Pevny, Smidl, "Neural Power Units", NeurIPS 2020, https://arxiv.org/abs/2006.01681

Example:
    >>> import jax.numpy as jnp
    >>> from nalu_jax import npu
    >>> params = {"re": jnp.array([[1.0], [-0.5]]), "im": jnp.zeros((2, 1)), "gate": jnp.ones(2)}
    >>> npu.apply(params, jnp.array([-3.0, 4.0])).round(4)
    Array([-1.5], dtype=float32)
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Float

from .._checks import Domain, check_apply, check_init, check_leaves
from .._numerics import clip_straight_through
from .._unit import Params, Shape, Unit
from ..penalties import l1
from ._initialisers import Initial, draw
from ._notation import Expr, Notation, Options, Weights, add, half_turns, multiply, signed_power
from ._power import NPUClamp, clamped, complex_exponent, from_exponent, with_phase
from ._power import log_polar as log_polar_of_inputs


def _leaves(shape: Shape) -> dict[str, Shape]:
    return {"re": shape, "im": shape, "gate": shape[:1]}


def init(
    key: Array,
    shape: Shape,
    dtype: DTypeLike = jnp.float32,
    *,
    re_init: Initial = "glorot_uniform",
    im_init: Initial = "zeros",
    gate_init: Initial = "half",
) -> Params:
    """Params of shape (n_in, n_out)."""
    leaves = _leaves(check_init("npu", shape, dtype))
    return draw("npu", key, leaves, dtype, {"re": re_init, "im": im_init, "gate": gate_init})


def apply(
    params: Params, x: ArrayLike, *, eps: float | None = None, domain: Domain = "real"
) -> Float[Array, "... n_out"]:
    """y (..., n_out) of x (..., n_in); domain is "real" or "positive"."""
    params, x = check_apply("npu", params, x, _leaves)
    return _apply_weights(weights(params), x, eps=eps, domain=domain)


def _apply_weights(weights: Params, x: Array, *, eps: float | None = None, domain: Domain = "real") -> Array:
    return from_exponent(*_exponent(weights, x, eps, domain))


def _exponent(weights: Params, x: Array, eps: float | None, domain: Domain) -> tuple[Array, Array]:
    log_r, k = log_polar_of_inputs("npu", x, weights["gate"], eps=eps, domain=domain)
    return complex_exponent(log_r, k, weights["re"], weights["im"])


def log_polar(
    params: Params, x: ArrayLike, *, eps: float | None = None, domain: Domain = "real"
) -> tuple[Float[Array, "... n_out"], Float[Array, "... n_out"]]:
    """(u, v), each (..., n_out), with apply(params, x) = exp(u) * cos(v): log-magnitude and phase, for losses."""
    params, x = check_apply("npu", params, x, _leaves)
    return with_phase(*_exponent(weights(params), x, eps, domain))


def weights(params: Params) -> Params:
    """{"re", "im", "gate": clip(gate, 0, 1)}."""
    params = check_leaves("npu", params, _leaves)
    return params | {"gate": clip_straight_through(params["gate"], 0, 1)}


def penalty(params: Params) -> Float[Array, ""]:
    """Sum of |p| over all params, the stored gate included."""
    return l1(check_leaves("npu", params, _leaves))


def project(params: Params, *, clamp: NPUClamp = "none") -> Params:
    """re and im clamped to [-1, 1] and gate to [0, 1], as far as clamp names them: "w", "i" and "g"."""
    return clamped("npu", check_leaves("npu", params, _leaves), clamp)


def _formula(weights: Weights, x: Sequence[Expr], options: Options, notation: Notation) -> list[Expr]:
    """Re(exp((log r + i k) @ (re + i im))), with an im of 0 and a gate of 1 where the unit has none."""
    import sympy

    inputs, eps = notation.inputs(x, options), notation.epsilon(options["eps"])
    gates = notation.row(weights.get("gate", np.ones(len(inputs), notation.dtype)))
    bases = [gate * (x.size + eps) + 1 - gate for gate, x in zip(gates, inputs, strict=True)]
    outputs = []
    imaginary = notation.columns(weights.get("im", np.zeros_like(weights["re"])))
    for re, im in zip(notation.columns(weights["re"]), imaginary, strict=True):
        odd, phase = half_turns(inputs, [gate * power for gate, power in zip(gates, re, strict=True)])
        decay = add([g * sympy.pi * x.negative * v for g, x, v in zip(gates, inputs, im, strict=True)])
        phase += add([sympy.log(base) * v for base, v in zip(bases, im, strict=True) if v != 0])
        powers = [signed_power(*factor) for factor in zip(bases, inputs, re, odd, strict=True)]
        outputs.append(multiply(powers) * sympy.exp(-decay) * sympy.cos(phase))
    return outputs


def bind(
    *,
    eps: float | None = None,
    domain: Domain = "real",
    clamp: NPUClamp = "none",
    re_init: Initial = "glorot_uniform",
    im_init: Initial = "zeros",
    gate_init: Initial = "half",
) -> Unit:
    """`UNIT` with options fixed in every function that takes them."""
    return UNIT.bind(eps=eps, domain=domain, clamp=clamp, re_init=re_init, im_init=im_init, gate_init=gate_init)


UNIT = Unit(
    name="npu",
    layer="NPU",
    computes="product",
    leaves=_leaves,
    init=init,
    apply=apply,
    weights=weights,
    apply_weights=_apply_weights,
    penalty=penalty,
    project=project,
    log_polar=log_polar,
    formula=_formula,
)
