"""Every unit written plainly in PyTorch, on the CPU: the outside comparison. Needs torch.

`TORCH[name](params, x)` as in `_textbook`, `POSITIVE[name]` for positive inputs; `forward` and
`value_and_gradient` make calls without arguments from NumPy arrays.
"""

import os
from collections.abc import Callable
from typing import Any

import numpy as np

# OpenMP's threads spin while they wait; next to JAX's own threads that makes single calls take 200 ms instead of 2.
# A shorter spin keeps PyTorch's small operations fast and takes those outliers away. Read when the library loads.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

import torch  # noqa: E402  # pyright: ignore[reportMissingImports]

Params = dict[str, Any]
Function = Callable[[Params, Any], Any]

PHI = (1 + 5**0.5) / 2


def forward(function: Function, params: dict[str, np.ndarray], x: np.ndarray) -> Callable[[], Any]:
    """y of the given params and inputs, without a gradient tape."""
    tensors, inputs = _tensors(params), torch.tensor(x)

    def call() -> Any:
        with torch.no_grad():
            return function(tensors, inputs)

    return call


def value_and_gradient(
    function: Function, params: dict[str, np.ndarray], x: np.ndarray, cotangent: np.ndarray
) -> Callable[[], Any]:
    """(sum(y * cotangent), (gradient of each leaf in order of the dict, gradient of x))."""
    tensors, inputs, weight = _tensors(params), torch.tensor(x), torch.tensor(cotangent)
    variables = [*tensors.values(), inputs]
    for variable in variables:
        variable.requires_grad_(True)

    def call() -> Any:
        value = (function(tensors, inputs) * weight).sum()
        gradients = torch.autograd.grad(value, variables)
        return value.detach(), gradients

    return call


def threads() -> int:
    """Threads that PyTorch uses within one operation."""
    return torch.get_num_threads()


def _tensors(params: dict[str, np.ndarray]) -> Params:
    return {name: torch.tensor(leaf) for name, leaf in params.items()}


def _effective(params: Params, which: str = "") -> Any:
    return torch.tanh(params[f"w_{which}hat"]) * torch.sigmoid(params[f"m_{which}hat"])


def nac(params: Params, x: Any) -> Any:
    return x @ _effective(params)


def nac_mul(params: Params, x: Any) -> Any:
    return torch.exp(torch.log(torch.abs(x) + 1e-7) @ _effective(params))


def nalu(params: Params, x: Any) -> Any:
    w = _effective(params)
    a = x @ w
    m = torch.exp(torch.log(torch.abs(x) + 1e-8) @ w)
    g = torch.sigmoid(x @ params["gate"] + params["bias"])
    return g * a + (1 - g) * m


def gnalu(params: Params, x: Any) -> Any:
    power = PHI ** (2 * params["w_hat"])
    w = (power - 1) / (power + 1) / (1 + PHI ** -params["m_hat"])
    a = x @ w
    m = PHI ** ((torch.log(torch.abs(x) + 1e-7) / np.log(PHI)) @ w)
    g = 1 / (1 + PHI ** -(x @ params["gate"]))
    return g * a + (1 - g) * m


def inalu(params: Params, x: Any) -> Any:
    w_add, w_mul = _effective(params, "add_"), _effective(params, "mul_")
    a = x @ w_add
    m = torch.exp(torch.clamp(torch.log(torch.clamp(torch.abs(x), min=1e-7)) @ w_mul, max=20))
    s = torch.prod(torch.sign(x)[..., None] * torch.abs(w_mul) + 1 - torch.abs(w_mul), -2)
    g = torch.sigmoid(x @ params["gate"])
    return g * a + (1 - g) * m * s


def nau(params: Params, x: Any) -> Any:
    return x @ params["w"]


def nmu(params: Params, x: Any) -> Any:
    w = torch.clamp(params["w"], 0, 1)
    return torch.prod(x[..., None] * w + 1 - w, -2)


def npu(params: Params, x: Any) -> Any:
    return _complex_power(params, *_polar(x, torch.clamp(params["gate"], 0, 1)))


def real_npu(params: Params, x: Any) -> Any:
    return _real_power(params, *_polar(x, torch.clamp(params["gate"], 0, 1)))


def naive_npu(params: Params, x: Any) -> Any:
    return _complex_power(params, *_polar(x, 1.0))


def real_naive_npu(params: Params, x: Any) -> Any:
    return _real_power(params, *_polar(x, 1.0))


def _polar(x: Any, g: Any) -> tuple[Any, Any]:
    r = g * (torch.abs(x) + torch.finfo(x.dtype).eps) + (1 - g)
    k = g * torch.pi * (x < 0).to(x.dtype)
    return torch.log(r), k


def _complex_power(params: Params, log_r: Any, k: Any) -> Any:
    u = log_r @ params["re"] - k @ params["im"]
    v = k @ params["re"] + log_r @ params["im"]
    return torch.exp(u) * torch.cos(v)


def _real_power(params: Params, log_r: Any, k: Any) -> Any:
    return torch.exp(log_r @ params["re"]) * torch.cos(k @ params["re"])


def nru(params: Params, x: Any) -> Any:
    w = torch.clamp(params["w"], -1, 1)
    power = torch.sign(x)[..., None] * torch.abs(x)[..., None] ** w
    return torch.prod(power * torch.abs(w) + 1 - torch.abs(w), -2)


def nmru(params: Params, x: Any) -> Any:
    w = torch.clamp(params["w"], 0, 1)
    z = torch.cat([x, 1 / x], -1)
    sign = torch.cos(torch.pi * (z < 0).to(x.dtype) @ w)
    return torch.prod(torch.abs(z)[..., None] * w + 1 - w, -2) * sign


def npu_positive(params: Params, x: Any) -> Any:
    return _complex_power_positive(params, _log_size(x, torch.clamp(params["gate"], 0, 1)))


def real_npu_positive(params: Params, x: Any) -> Any:
    return torch.exp(_log_size(x, torch.clamp(params["gate"], 0, 1)) @ params["re"])


def naive_npu_positive(params: Params, x: Any) -> Any:
    return _complex_power_positive(params, _log_size(x, 1.0))


def real_naive_npu_positive(params: Params, x: Any) -> Any:
    return torch.exp(_log_size(x, 1.0) @ params["re"])


def _log_size(x: Any, g: Any) -> Any:
    return torch.log(g * (x + torch.finfo(x.dtype).eps) + (1 - g))


def _complex_power_positive(params: Params, log_r: Any) -> Any:
    return torch.exp(log_r @ params["re"]) * torch.cos(log_r @ params["im"])


TORCH = {
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
