"""What the four units of the NPU family share: the logarithm of gated inputs, and its real and complex powers.

>>> import jax.numpy as jnp
>>> from nalu_jax.units import _power
>>> log_r, k = _power.log_polar("npu", jnp.array([-4.0]), None, eps=0, domain="real")
>>> _power.from_exponent(*_power.real_exponent(log_r, k, jnp.array([[2.0, 1.0, 0.5]]))).round(3)
Array([16., -4., -0.], dtype=float32)
"""

import math
from typing import Literal

import jax.numpy as jnp
from jax import Array

from .._checks import Domain, check_option, is_positive
from .._cosine import exponential
from .._numerics import log, machine_epsilon, magnitude, matmul
from .._unit import Params

NPUClamp = Literal["none", "w", "g", "wi", "wg", "wig"]
RealNPUClamp = Literal["none", "w", "g", "wg"]
NaiveNPUClamp = Literal["none", "w", "wi"]
RealNaiveNPUClamp = Literal["none", "w"]

_RANGES = {"re": (-1, 1), "im": (-1, 1), "gate": (0, 1)}
_CLAMPED = {
    "none": (),
    "w": ("re",),
    "g": ("gate",),
    "wi": ("re", "im"),
    "wg": ("re", "gate"),
    "wig": ("re", "im", "gate"),
}


def log_polar(
    unit: str, x: Array, gate: Array | None, *, eps: float | None, domain: Domain
) -> tuple[Array, Array | None]:
    """(log r, k) with r = gate (|x| + eps) + (1 - gate) and k = gate [x < 0]; k is None in the positive domain.

    gate (n_in,) is in [0, 1]; None stands for a gate of ones. eps None is the machine epsilon of the dtype.
    k counts half turns: the phase is pi k.
    """
    positive = is_positive(unit, domain)
    eps = machine_epsilon(x, eps)
    r = magnitude(x, positive) + eps
    k = None if positive else (x < 0).astype(x.dtype)
    if gate is not None:
        gate = jnp.broadcast_to(gate, x.shape)
        r = gate * r + (1 - gate)
        k = None if k is None else gate * k
    return log(r, least=min(eps, 1.0)), k


def real_exponent(log_r: Array, k: Array | None, re: Array) -> tuple[Array, Array | None]:
    """(u, s) = (log r @ re, k @ re); s is None in the positive domain."""
    return matmul(log_r, re), None if k is None else matmul(k, re)


def complex_exponent(log_r: Array, k: Array | None, re: Array, im: Array) -> tuple[Array, Array]:
    """(u, s) with u + i pi s = (log r + i pi k) @ (re + i im)."""
    s = matmul(log_r, im) / math.pi
    if k is None:
        return matmul(log_r, re), s
    return matmul(log_r, re) - math.pi * matmul(k, im), s + matmul(k, re)


def from_exponent(u: Array, s: Array | None) -> Array:
    """Re(exp(u + i pi s)) = exp(u) * cos(pi s); s None stands for 0."""
    return jnp.exp(u) if s is None else exponential(u, s)


def with_phase(u: Array, s: Array | None) -> tuple[Array, Array]:
    """(u, v) with the phase v = pi s, and zeros for an s of None."""
    return u, jnp.zeros_like(u) if s is None else math.pi * s


def clamped(unit: str, params: Params, clamp: str) -> Params:
    """Params with the leaves that `clamp` names by letter clamped: w: re, i: im to [-1, 1]; g: gate to [0, 1]."""
    check_option(unit, "clamp", clamp, [flag for flag, leaves in _CLAMPED.items() if params.keys() >= set(leaves)])
    return {name: jnp.clip(leaf, *_RANGES[name]) if name in _CLAMPED[clamp] else leaf for name, leaf in params.items()}
