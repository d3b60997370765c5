"""Every unit as its paper, or a tutorial, would write it in plain JAX: the baseline of the speed comparisons.

`TEXTBOOK[name](params, x)` computes what the unit's `apply` does, with the same leaves; `POSITIVE[name]` the form for
positive inputs. No guards, no code of the package. Only where the formula says so are values and gradients equal:
inside the range of every clip, and away from zero inputs (a test compares them there).
"""

import jax
import jax.numpy as jnp
from jax import Array

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


TEXTBOOK = {
    "nac": nac,
    "nac_mul": nac_mul,
    "nalu": nalu,
    "gnalu": gnalu,
    "inalu": inalu,
    "nau": nau,
    "nmu": nmu,
    "snmu": nmu,
    "npu": npu,
    "real_npu": real_npu,
    "naive_npu": naive_npu,
    "real_naive_npu": real_naive_npu,
    "nru": nru,
    "nmru": nmru,
}

POSITIVE = {
    "npu": npu_positive,
    "real_npu": real_npu_positive,
    "naive_npu": naive_npu_positive,
    "real_naive_npu": real_naive_npu_positive,
}
