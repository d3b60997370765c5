"""Every unit's evaluation forward pass in NumPy, float64 and complex128, written from the papers.

Shares no code with the package. `ORACLES[name](params, x, **options)` takes NumPy arrays, x (batch, n_in), and every
option of the unit's `apply` but domain; where a unit is not defined the result is NaN. `INITIAL[name]` is how a source
initialises the leaves of its unit, in the words of nalu_jax/units/_initialisers.py.
"""

import numpy as np

EPS = 2.0**-52  # the machine epsilon of float64
PI = np.longdouble("3.14159265358979323846264338327950288")


def _sigmoid(z):
    return np.exp(-np.logaddexp(0, -z))  # which keeps its digits far out on both sides


def _tanh_sigmoid(params, which=""):
    return np.tanh(params[f"w_{which}hat"]) * _sigmoid(params[f"m_{which}hat"])


def nac(params, x):
    return np.einsum("bi,io->bo", x, _tanh_sigmoid(params))


def nac_mul(params, x, *, eps=1e-7):
    return np.prod((np.abs(x) + eps)[:, :, None] ** _tanh_sigmoid(params)[None], axis=1)


def nalu(params, x, *, separate=False, gate_form="matrix", use_bias=True, eps=1e-8):
    w_add = _tanh_sigmoid(params, "add_" if separate else "")
    w_mul = _tanh_sigmoid(params, "mul_" if separate else "")
    logit = np.einsum("bi,io->bo", x, params["gate"] if gate_form == "matrix" else params["gate"][:, None])
    logit = logit + (params["bias"][None] if use_bias else 0)
    product = np.prod((np.abs(x) + eps)[:, :, None] ** w_mul[None], axis=1)
    return _sigmoid(logit) * np.einsum("bi,io->bo", x, w_add) + _sigmoid(-logit) * product


def gnalu(params, x, *, eps=1e-7):
    phi = (1 + np.sqrt(5)) / 2
    tanh = (phi ** (2 * params["w_hat"]) - 1) / (phi ** (2 * params["w_hat"]) + 1)
    w = tanh / (1 + phi ** (-params["m_hat"]))
    logit = np.log(phi) * np.einsum("bi,io->bo", x, params["gate"])
    product = phi ** np.einsum("bi,io->bo", np.log(np.abs(x) + eps) / np.log(phi), w)
    return _sigmoid(logit) * np.einsum("bi,io->bo", x, w) + _sigmoid(-logit) * product


def inalu(params, x, *, separate=True, gate_form="matrix", eps=1e-7, omega=20.0):
    w_add = _tanh_sigmoid(params, "add_" if separate else "")
    w_mul = _tanh_sigmoid(params, "mul_" if separate else "")
    log_m = np.einsum("bi,io->bo", np.log(np.maximum(np.abs(x), eps)), w_mul)
    sign = np.prod(np.sign(x)[:, :, None] * np.abs(w_mul)[None] + (1 - np.abs(w_mul)[None]), axis=1)
    logit = np.einsum("bi,io->bo", x, params["gate"]) if gate_form == "matrix" else params["gate"][None]
    a, m = np.einsum("bi,io->bo", x, w_add), np.exp(np.minimum(log_m, omega)) * sign
    return _sigmoid(logit) * a + _sigmoid(-logit) * m


def nau(params, x, *, clip=False):
    return np.einsum("bi,io->bo", x, np.clip(params["w"], -1, 1) if clip else params["w"])


def nmu(params, x):
    w = np.clip(params["w"], 0, 1)
    return np.prod(w[None] * x[:, :, None] + (1 - w[None]), axis=1)


def _complex_power(x, re, im, gate, eps):
    """Re(exp((log r + i k) W)) in complex128, with the complex logarithm of each gated input."""
    gate = np.clip(gate, 0, 1)
    r = gate * (np.abs(x) + eps) + (1 - gate)
    z = np.log(r.astype(np.complex128)) + 1j * gate * PI * (x < 0)
    return np.exp(np.einsum("bi,io->bo", z, re + 1j * im)).real


def npu(params, x, *, eps=EPS):
    return _complex_power(x, params["re"], params["im"], params["gate"], eps)


def real_npu(params, x, *, eps=EPS):
    return _complex_power(x, params["re"], 0, params["gate"], eps)


def naive_npu(params, x, *, eps=EPS):
    return _complex_power(x, params["re"], params["im"], np.ones(x.shape[1]), eps)


def real_naive_npu(params, x, *, eps=EPS):
    return _complex_power(x, params["re"], 0, np.ones(x.shape[1]), eps)


def nru(params, x, *, sign="inside", eps=EPS, training=False):
    w = np.clip(params["w"], -1, 1)[None]
    t = np.tanh(1000 * w) ** 2 if training else np.abs(w)
    x = x[:, :, None]
    power = np.maximum(np.abs(x), eps) ** w
    if sign == "inside":
        return np.prod(np.sign(x) * power * t + (1 - t), axis=1)
    return np.prod(power * t + (1 - t), axis=1) * np.prod(np.sign(x) ** np.round(w), axis=1)


def nmru(params, x, *, sign="cos", eps=EPS):
    w = np.clip(params["w"], 0, 1)
    z = np.concatenate([x, np.sign(x) / np.maximum(np.abs(x), eps)], axis=1)
    if sign == "none":
        return nmu({"w": w}, z)
    return nmu({"w": w}, np.abs(z)) * np.cos(PI * np.einsum("bi,io->bo", (z < 0).astype(float), w))


def _softmax(z, axis):
    return np.exp(z) / np.sum(np.exp(z), axis=axis, keepdims=True)


def mc_fc(params, x):
    share = _softmax(params["r"], axis=1)
    return _sigmoid(params["gate"] + params["bias"]) * np.einsum("bi,io->bo", x, share)


def mul_mcfc(params, x, *, sign="inalu", eps=EPS):
    share = _softmax(params["r"], axis=1)
    kept = _sigmoid(params["gate"] + params["bias"])
    size = np.maximum(np.abs(x), eps)[:, :, None]
    y = np.exp(params["log_scale"]) * np.prod(size ** (share * kept), axis=1)
    if sign == "none":
        return np.where((x < 0).any(axis=1, keepdims=True), np.nan, y)
    if sign == "inalu":
        return y * np.prod(np.sign(x)[:, :, None] * share + (1 - share), axis=1)
    gate = np.clip(params["sign_gate"], 0, 1)
    return y * np.cos(np.einsum("bi,io->bo", gate * PI * (x < 0), share))


def nsr(params, x, *, scaling=1.0):
    first = np.einsum("bi,io->bo", x, _softmax(params["first"], axis=0))
    second = np.einsum("bi,io->bo", x, _softmax(params["second"], axis=0))
    sign = np.tanh(scaling * (first - second))
    zero = 1 - 2 * np.tanh(scaling * (first - second)) ** 2
    return _sigmoid(params["bias"] + sign * params["sign"] + zero * params["zero"])


def dmu(params, x, *, select_form="clipped", gate_form="soft", eps=1e-11):
    select = np.clip(params["select"], -1, 1)
    select = np.round(select) if select_form == "rounded" else select
    a, b = _softmax(params["gate"], axis=0)
    if gate_form == "hard":
        a, b = np.where(a >= b, 1.0, 0.0), np.where(a >= b, 0.0, 1.0)
    linear = np.einsum("bi,io->bo", x, select)
    power = np.prod(np.maximum(np.abs(x), eps)[:, :, None] ** select, axis=1)
    sign = a * np.tanh(linear / 1e-4) + b * np.cos(np.einsum("bi,io->bo", PI * (x < 0), np.abs(select)))
    return (a * np.sqrt(linear**2 + 1e-8) + b * power) * sign


ORACLES = {
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
    "mc_fc": mc_fc,
    "mul_mcfc": mul_mcfc,
    "nsr": nsr,
    "dmu": dmu,
}

INITIAL = {
    "nac": {"w_hat": "glorot_uniform", "m_hat": "glorot_uniform"},
    "nac_mul": {"w_hat": "glorot_uniform", "m_hat": "glorot_uniform"},
    "nalu": dict.fromkeys(["w_hat", "m_hat", "gate", "bias"], "glorot_uniform"),
    "gnalu": {"w_hat": "variance_matched", "m_hat": "variance_matched", "gate": "glorot_uniform"},
    "inalu": {"w_add_hat": "normal(1,0.1)", "m_add_hat": "normal(-1,0.1)", "gate": "normal(0,0.1)"}
    | {"w_mul_hat": "normal(1,0.1)", "m_mul_hat": "normal(-1,0.1)"},
    "nau": {"w": "glorot_uniform_half"},
    "nmu": {"w": "uniform(0.25,0.75)"},
    "snmu": {"w": "uniform(0.25,0.75)"},
    "npu": {"re": "glorot_uniform", "im": "zeros", "gate": "half"},
    "real_npu": {"re": "glorot_uniform", "gate": "half"},
    "naive_npu": {"re": "glorot_uniform", "im": "zeros"},
    "real_naive_npu": {"re": "glorot_uniform"},
    "nru": {"w": "glorot_uniform_half"},
    "nmru": {"w": "uniform(0.25,0.75)"},
    "mc_fc": {"r": "identity_or_orthogonal", "gate": "orthogonal", "bias": "zeros"},
    "mul_mcfc": {"r": "identity_or_orthogonal", "gate": "orthogonal", "bias": "zeros", "log_scale": "zeros"},
    "nsr": dict.fromkeys(["first", "second", "sign", "zero"], "glorot_normal_columns") | {"bias": "zeros"},
    "dmu": {"select": "glorot_uniform_half", "gate": "zeros"},
}
