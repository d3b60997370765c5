"""RealNPU: the NPU with real weights, for products of real powers that read back as a formula.

    g = clip(gate, 0, 1)
    r = g (|x| + eps) + (1 - g)
    k = g pi [x < 0]
    y = exp(log(r) @ re) * cos(k @ re)

Params:
    re    (n_in, n_out)  Glorot uniform
    gate  (n_in,)        0.5

eps, domain, gate and clamp as in `npu`. The RealNPU "modified" of the division papers is
`re_init="glorot_uniform_half"` with `project(params, clamp="wg")`.

Reference:
    Heim, Pevny, Smidl, "Neural Power Units", NeurIPS 2020, https://arxiv.org/abs/2006.01681

Example:
    >>> import jax.numpy as jnp
    >>> from nalu_jax import real_npu
    >>> params = {"re": jnp.array([[2.0], [-1.0]]), "gate": jnp.ones(2)}
    >>> real_npu.apply(params, jnp.array([-3.0, -4.0])).round(4)
    Array([-2.25], dtype=float32)
"""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Float

from .._checks import Domain, check_apply, check_init, check_leaves
from .._numerics import clip_straight_through
from .._unit import Params, Shape, Unit
from ..penalties import l1
from ._initialisers import Initial, draw
from ._power import RealNPUClamp, clamped, from_exponent, real_exponent, with_phase
from ._power import log_polar as log_polar_of_inputs
from .npu import _formula


def _leaves(shape: Shape) -> dict[str, Shape]:
    return {"re": shape, "gate": shape[:1]}


def init(
    key: Array,
    shape: Shape,
    dtype: DTypeLike = jnp.float32,
    *,
    re_init: Initial = "glorot_uniform",
    gate_init: Initial = "half",
) -> Params:
    """Params of shape (n_in, n_out)."""
    leaves = _leaves(check_init("real_npu", shape, dtype))
    return draw("real_npu", key, leaves, dtype, {"re": re_init, "gate": gate_init})


def apply(
    params: Params, x: ArrayLike, *, eps: float | None = None, domain: Domain = "real"
) -> Float[Array, "... n_out"]:
    """y (..., n_out) of x (..., n_in); domain is "real" or "positive"."""
    params, x = check_apply("real_npu", params, x, _leaves)
    return _apply_weights(weights(params), x, eps=eps, domain=domain)


def _apply_weights(weights: Params, x: Array, *, eps: float | None = None, domain: Domain = "real") -> Array:
    return from_exponent(*_exponent(weights, x, eps, domain))


def _exponent(weights: Params, x: Array, eps: float | None, domain: Domain) -> tuple[Array, Array | None]:
    log_r, k = log_polar_of_inputs("real_npu", x, weights["gate"], eps=eps, domain=domain)
    return real_exponent(log_r, k, weights["re"])


def log_polar(
    params: Params, x: ArrayLike, *, eps: float | None = None, domain: Domain = "real"
) -> tuple[Float[Array, "... n_out"], Float[Array, "... n_out"]]:
    """(u, v), each (..., n_out), with apply(params, x) = exp(u) * cos(v): log-magnitude and phase, for losses."""
    params, x = check_apply("real_npu", params, x, _leaves)
    return with_phase(*_exponent(weights(params), x, eps, domain))


def weights(params: Params) -> Params:
    """{"re", "gate": clip(gate, 0, 1)}."""
    params = check_leaves("real_npu", params, _leaves)
    return params | {"gate": clip_straight_through(params["gate"], 0, 1)}


def penalty(params: Params) -> Float[Array, ""]:
    """Sum of |p| over all params, the stored gate included."""
    return l1(check_leaves("real_npu", params, _leaves))


def project(params: Params, *, clamp: RealNPUClamp = "none") -> Params:
    """re clamped to [-1, 1] and gate to [0, 1], as far as clamp names them: "w" and "g"."""
    return clamped("real_npu", check_leaves("real_npu", params, _leaves), clamp)


def bind(
    *,
    eps: float | None = None,
    domain: Domain = "real",
    clamp: RealNPUClamp = "none",
    re_init: Initial = "glorot_uniform",
    gate_init: Initial = "half",
) -> Unit:
    """`UNIT` with options fixed in every function that takes them."""
    return UNIT.bind(eps=eps, domain=domain, clamp=clamp, re_init=re_init, gate_init=gate_init)


UNIT = Unit(
    name="real_npu",
    layer="RealNPU",
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
