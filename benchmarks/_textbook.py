"""Every unit as its paper, or a tutorial, would write it in plain JAX: the baseline of the speed comparisons.

`TEXTBOOK[name](params, x)` computes what the unit's `apply` does, with the same leaves: the function here that has the
name of the unit; `POSITIVE[name]` the form for positive inputs, `<name>_positive`. A unit that has none is timed alone,
and its row says so. No guards, no arithmetic of the package. Only where the formula says so are values and gradients
equal: inside the range of every clip, and away from zero inputs (a test compares them there).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

import nalu_jax

Params = dict[str, Array]

PHI = (1 + 5**0.5) / 2


def _effective(params: Params, which: str = "") -> Array:
    return jnp.tanh(params[f"w_{which}hat"]) * jax.nn.sigmoid(params[f"m_{which}hat"])


def nac(params: Params, x: Array) -> Array:
    return x @ _effective(params)


def nac_mul(params: Params, x: Array) -> Array:
    return jnp.exp(jnp.log(jnp.abs(x) + 1e-7) @ _effective(params))


def nalu(params: Params, x: Array) -> Array:
    w = _effective(params)
    a = x @ w
    m = jnp.exp(jnp.log(jnp.abs(x) + 1e-8) @ w)
    g = jax.nn.sigmoid(x @ params["gate"] + params["bias"])
    return g * a + (1 - g) * m


def gnalu(params: Params, x: Array) -> Array:
    power = PHI ** (2 * params["w_hat"])
    w = (power - 1) / (power + 1) / (1 + PHI ** -params["m_hat"])
    a = x @ w
    m = PHI ** ((jnp.log(jnp.abs(x) + 1e-7) / jnp.log(PHI)) @ w)
    g = 1 / (1 + PHI ** -(x @ params["gate"]))
    return g * a + (1 - g) * m


def inalu(params: Params, x: Array) -> Array:
    w_add, w_mul = _effective(params, "add_"), _effective(params, "mul_")
    a = x @ w_add
    m = jnp.exp(jnp.minimum(jnp.log(jnp.maximum(jnp.abs(x), 1e-7)) @ w_mul, 20))
    s = jnp.prod(jnp.sign(x)[..., None] * jnp.abs(w_mul) + 1 - jnp.abs(w_mul), -2)
    g = jax.nn.sigmoid(x @ params["gate"])
    return g * a + (1 - g) * m * s


def nau(params: Params, x: Array) -> Array:
    return x @ params["w"]


def nmu(params: Params, x: Array) -> Array:
    w = jnp.clip(params["w"], 0, 1)
    return jnp.prod(x[..., None] * w + 1 - w, -2)


snmu = nmu


def npu(params: Params, x: Array) -> Array:
    g = jnp.clip(params["gate"], 0, 1)
    return _complex_power(params, *_polar(x, g))


def real_npu(params: Params, x: Array) -> Array:
    g = jnp.clip(params["gate"], 0, 1)
    return _real_power(params, *_polar(x, g))


def naive_npu(params: Params, x: Array) -> Array:
    return _complex_power(params, *_polar(x, 1.0))


def real_naive_npu(params: Params, x: Array) -> Array:
    return _real_power(params, *_polar(x, 1.0))


def _polar(x: Array, g: Array | float) -> tuple[Array, Array]:
    r = g * (jnp.abs(x) + jnp.finfo(x.dtype).eps) + (1 - g)
    k = g * jnp.where(x < 0, jnp.pi, 0.0).astype(x.dtype)
    return jnp.log(r), k


def _complex_power(params: Params, log_r: Array, k: Array) -> Array:
    u = log_r @ params["re"] - k @ params["im"]
    v = k @ params["re"] + log_r @ params["im"]
    return jnp.exp(u) * jnp.cos(v)


def _real_power(params: Params, log_r: Array, k: Array) -> Array:
    return jnp.exp(log_r @ params["re"]) * jnp.cos(k @ params["re"])


def nru(params: Params, x: Array) -> Array:
    w = jnp.clip(params["w"], -1, 1)
    power = jnp.sign(x)[..., None] * jnp.abs(x)[..., None] ** w
    return jnp.prod(power * jnp.abs(w) + 1 - jnp.abs(w), -2)


def nmru(params: Params, x: Array) -> Array:
    w = jnp.clip(params["w"], 0, 1)
    z = jnp.concatenate([x, 1 / x], -1)
    return jnp.prod(jnp.abs(z)[..., None] * w + 1 - w, -2) * jnp.cos(jnp.pi * (z < 0).astype(x.dtype) @ w)


def _share(params: Params) -> tuple[Array, Array]:
    return jax.nn.softmax(params["r"], 1), jax.nn.sigmoid(params["gate"] + params["bias"])


def mc_fc(params: Params, x: Array) -> Array:
    share, o = _share(params)
    return o * (x @ share)


def mul_mcfc(params: Params, x: Array) -> Array:
    share, o = _share(params)
    m = jnp.exp(o * (jnp.log(jnp.abs(x)) @ share) + params["log_scale"])
    return m * jnp.prod(jnp.sign(x)[..., None] * share + 1 - share, -2)


def nsr(params: Params, x: Array) -> Array:
    d = x @ jax.nn.softmax(params["first"], 0) - x @ jax.nn.softmax(params["second"], 0)
    t = jnp.tanh(d)
    return jax.nn.sigmoid(params["sign"] * t + params["zero"] * (1 - 2 * t**2) + params["bias"])


def dmu(params: Params, x: Array) -> Array:
    w = jnp.clip(params["select"], -1, 1)
    a, b = jax.nn.softmax(params["gate"], 0)
    linear, power = x @ w, jnp.exp(jnp.log(jnp.maximum(jnp.abs(x), 1e-11)) @ w)
    sign = a * jnp.tanh(linear / 1e-4) + b * jnp.cos(jnp.pi * (x < 0).astype(x.dtype) @ jnp.abs(w))
    return (a * jnp.sqrt(linear**2 + 1e-8) + b * power) * sign


def npu_positive(params: Params, x: Array) -> Array:
    g = jnp.clip(params["gate"], 0, 1)
    return _complex_power_positive(params, _log_size(x, g))


def real_npu_positive(params: Params, x: Array) -> Array:
    g = jnp.clip(params["gate"], 0, 1)
    return jnp.exp(_log_size(x, g) @ params["re"])


def naive_npu_positive(params: Params, x: Array) -> Array:
    return _complex_power_positive(params, _log_size(x, 1.0))


def real_naive_npu_positive(params: Params, x: Array) -> Array:
    return jnp.exp(_log_size(x, 1.0) @ params["re"])


def _log_size(x: Array, g: Array | float) -> Array:
    return jnp.log(g * (x + jnp.finfo(x.dtype).eps) + (1 - g))


def _complex_power_positive(params: Params, log_r: Array) -> Array:
    return jnp.exp(log_r @ params["re"]) * jnp.cos(log_r @ params["im"])


def _names(suffix: str) -> dict[str, Callable[[Params, Array], Array]]:
    forms = {unit: globals().get(f"{unit}{suffix}") for unit in nalu_jax.UNITS}
    return {unit: form for unit, form in forms.items() if form is not None}


TEXTBOOK = _names("")
POSITIVE = _names("_positive")
