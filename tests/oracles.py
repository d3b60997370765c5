"""Every unit's evaluation forward pass in NumPy, float64 and complex128, written from the papers.

Shares no code with the package. `ORACLES[name](params, x, **options)` takes NumPy arrays, x (batch, n_in).
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


def nalu(params, x, *, separate=False, gate="matrix", bias=True, eps=1e-8):
    w_add = _tanh_sigmoid(params, "add_" if separate else "")
    w_mul = _tanh_sigmoid(params, "mul_" if separate else "")
    logit = np.einsum("bi,io->bo", x, params["gate"] if gate == "matrix" else params["gate"][:, None])
    logit = logit + (params["bias"][None] if bias else 0)
    product = np.prod((np.abs(x) + eps)[:, :, None] ** w_mul[None], axis=1)
    return _sigmoid(logit) * np.einsum("bi,io->bo", x, w_add) + _sigmoid(-logit) * product


def gnalu(params, x, *, eps=1e-7):
    phi = (1 + np.sqrt(5)) / 2
    tanh = (phi ** (2 * params["w_hat"]) - 1) / (phi ** (2 * params["w_hat"]) + 1)
    w = tanh / (1 + phi ** (-params["m_hat"]))
    logit = np.log(phi) * np.einsum("bi,io->bo", x, params["gate"])
    product = phi ** np.einsum("bi,io->bo", np.log(np.abs(x) + eps) / np.log(phi), w)
    return _sigmoid(logit) * np.einsum("bi,io->bo", x, w) + _sigmoid(-logit) * product


def inalu(params, x, *, separate=True, gate="matrix", eps=1e-7, omega=20.0):
    w_add = _tanh_sigmoid(params, "add_" if separate else "")
    w_mul = _tanh_sigmoid(params, "mul_" if separate else "")
    log_m = np.einsum("bi,io->bo", np.log(np.maximum(np.abs(x), eps)), w_mul)
    sign = np.prod(np.sign(x)[:, :, None] * np.abs(w_mul)[None] + (1 - np.abs(w_mul)[None]), axis=1)
    logit = np.einsum("bi,io->bo", x, params["gate"]) if gate == "matrix" else params["gate"][None]
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


def nru(params, x, *, sign="inside", training=False):
    w = np.clip(params["w"], -1, 1)[None]
    t = np.tanh(1000 * w) ** 2 if training else np.abs(w)
    x = x[:, :, None]
    power = np.abs(x) ** w
    if sign == "inside":
        return np.prod(np.sign(x) * power * t + (1 - t), axis=1)
    return np.prod(power * t + (1 - t), axis=1) * np.prod(np.sign(x) ** np.round(w), axis=1)


def nmru(params, x, *, sign="cos"):
    w = np.clip(params["w"], 0, 1)
    z = np.concatenate([x, 1 / x], axis=1)
    if sign == "none":
        return nmu({"w": w}, z)
    return nmu({"w": w}, np.abs(z)) * np.cos(PI * np.einsum("bi,io->bo", (z < 0).astype(float), w))


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
}
