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
from .._cosine import cosine
from .._numerics import log, machine_epsilon, magnitude, matmul
from .._unit import Params

# Entries of re at which one packed product is faster than four: from trials on one CPU with two cores, where it loses
# at (batch, n_in, n_out) = (128, 2, 1) and (128, 100, 100), wins at (1024, 64, 64), and gains nothing or loses at
# (4096, 256, 256), in float32 and float64. RealNPU's two products gain nothing packed.
_PACKED = range(2**10, 2**13)

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
    """(log r, k) with r = gate (|x| + eps) + (1 - gate) and k = gate pi [x < 0]; k is None in the positive domain.

    gate (n_in,) is in [0, 1]; None stands for a gate of ones. eps None is the machine epsilon of the dtype.
    """
    positive = is_positive(unit, domain)
    eps = machine_epsilon(x, eps)
    r = magnitude(x, positive) + eps
    phase = jnp.full_like(x, math.pi)
    if gate is not None:
        gate = jnp.broadcast_to(gate, x.shape)
        r, phase = gate * r + (1 - gate), gate * phase
    k = None if positive else jnp.where(x < 0, phase, jnp.zeros_like(x))
    return log(r, least=min(eps, 1.0)), k


def real_exponent(log_r: Array, k: Array | None, re: Array) -> tuple[Array, Array | None]:
    """(u, v) = (log r @ re, k @ re); v is None in the positive domain."""
    return matmul(log_r, re), None if k is None else matmul(k, re)


def complex_exponent(log_r: Array, k: Array | None, re: Array, im: Array) -> tuple[Array, Array]:
    """(u, v) with u + i v = (log r + i k) @ (re + i im): four matrix products, or one of twice the size both ways."""
    if k is None:
        return matmul(log_r, re), matmul(log_r, im)
    if re.size not in _PACKED:
        return matmul(log_r, re) - matmul(k, im), matmul(log_r, im) + matmul(k, re)
    packed = jnp.concatenate([jnp.concatenate([re, im], 1), jnp.concatenate([-im, re], 1)], 0)
    u, v = jnp.split(matmul(jnp.concatenate([log_r, k], -1), packed), 2, -1)
    return u, v


def from_exponent(u: Array, v: Array | None) -> Array:
    """Re(exp(u + i v)) = exp(u) * cos(v); v None stands for 0."""
    return jnp.exp(u) if v is None else jnp.exp(u) * cosine(v)


def with_phase(u: Array, v: Array | None) -> tuple[Array, Array]:
    """(u, v), with zeros for a v of None."""
    return u, jnp.zeros_like(u) if v is None else v


def clamped(unit: str, params: Params, clamp: str) -> Params:
    """Params with the leaves that `clamp` names by letter clamped: w: re, i: im to [-1, 1]; g: gate to [0, 1]."""
    check_option(unit, "clamp", clamp, [flag for flag, leaves in _CLAMPED.items() if params.keys() >= set(leaves)])
    return {name: jnp.clip(leaf, *_RANGES[name]) if name in _CLAMPED[clamp] else leaf for name, leaf in params.items()}
