"""NaiveNPU: the NPU without its gate.

    r = |x| + eps
    k = pi [x < 0]
    u = log(r) @ re - k @ im
    v = k @ re + log(r) @ im
    y = exp(u) * cos(v)                  = Re(exp((log(r) + i k) @ (re + i im)))

Params:
    re  (n_in, n_out)  Glorot uniform
    im  (n_in, n_out)  zeros

eps, domain and clamp ("none", "w", "wi") as in `npu`. An irrelevant input near 0 dominates log(r), and
with it the gradient.

Reference:
    Heim, Pevny, Smidl, "Neural Power Units", NeurIPS 2020, https://arxiv.org/abs/2006.01681

Example:
    >>> import jax.numpy as jnp
    >>> from nalu_jax import naive_npu
    >>> params = {"re": jnp.array([[1.0], [-0.5]]), "im": jnp.zeros((2, 1))}
    >>> naive_npu.apply(params, jnp.array([-3.0, 4.0])).round(4)
    Array([-1.5], dtype=float32)
"""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Float

from .._checks import Domain, check_apply, check_init, check_leaves
from .._unit import Params, Shape, Unit
from ..penalties import l1
from ._initialisers import Initial, draw
from ._power import NaiveNPUClamp, clamped, complex_exponent, from_exponent, with_phase
from ._power import log_polar as log_polar_of_inputs
from .npu import _formula


def _leaves(shape: Shape) -> dict[str, Shape]:
    return {"re": shape, "im": shape}


def init(
    key: Array,
    shape: Shape,
    dtype: DTypeLike = jnp.float32,
    *,
    re_init: Initial = "glorot_uniform",
    im_init: Initial = "zeros",
) -> Params:
    """Params of shape (n_in, n_out)."""
    leaves = _leaves(check_init("naive_npu", shape, dtype))
    return draw("naive_npu", key, leaves, dtype, {"re": re_init, "im": im_init})


def apply(
    params: Params, x: ArrayLike, *, eps: float | None = None, domain: Domain = "real"
) -> Float[Array, "... n_out"]:
    """y (..., n_out) of x (..., n_in); domain is "real" or "positive"."""
    params, x = check_apply("naive_npu", params, x, _leaves)
    return _apply_weights(weights(params), x, eps=eps, domain=domain)


def _apply_weights(weights: Params, x: Array, *, eps: float | None = None, domain: Domain = "real") -> Array:
    return from_exponent(*_exponent(weights, x, eps, domain))


def _exponent(weights: Params, x: Array, eps: float | None, domain: Domain) -> tuple[Array, Array]:
    log_r, k = log_polar_of_inputs("naive_npu", x, None, eps=eps, domain=domain)
    return complex_exponent(log_r, k, weights["re"], weights["im"])


def log_polar(
    params: Params, x: ArrayLike, *, eps: float | None = None, domain: Domain = "real"
) -> tuple[Float[Array, "... n_out"], Float[Array, "... n_out"]]:
    """(u, v), each (..., n_out), with apply(params, x) = exp(u) * cos(v): log-magnitude and phase, for losses."""
    params, x = check_apply("naive_npu", params, x, _leaves)
    return with_phase(*_exponent(weights(params), x, eps, domain))


def weights(params: Params) -> Params:
    """{"re", "im"}, as they are."""
    return check_leaves("naive_npu", params, _leaves)


def penalty(params: Params) -> Float[Array, ""]:
    """Sum of |p| over all params."""
    return l1(check_leaves("naive_npu", params, _leaves))


def project(params: Params, *, clamp: NaiveNPUClamp = "none") -> Params:
    """re and im clamped to [-1, 1], as far as clamp names them: "w" and "i"."""
    return clamped("naive_npu", check_leaves("naive_npu", params, _leaves), clamp)


def bind(
    *,
    eps: float | None = None,
    domain: Domain = "real",
    clamp: NaiveNPUClamp = "none",
    re_init: Initial = "glorot_uniform",
    im_init: Initial = "zeros",
) -> Unit:
    """`UNIT` with options fixed in every function that takes them."""
    return UNIT.bind(eps=eps, domain=domain, clamp=clamp, re_init=re_init, im_init=im_init)


UNIT = Unit(
    name="naive_npu",
    layer="NaiveNPU",
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
