"""The model of `ode.py` in PyTorch and torchdiffeq. Needs both."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
import torchdiffeq  # pyright: ignore[reportMissingImports]

from . import _torch_units


def call(
    params: Any,
    y0: np.ndarray,
    ts: np.ndarray,
    data: np.ndarray,
    *,
    solver: str,
    steps: int = 0,
    mode: str,
    tolerance: float = 1e-6,
    **_: Any,
) -> Callable[[], Any]:
    """The mean squared error after torchdiffeq's solve, or with its gradient, as a call without arguments."""
    tensors = [{name: torch.tensor(leaf) for name, leaf in unit.items()} for unit in params]
    leaves = [leaf for unit in tensors for leaf in unit.values()]
    start, times, target = torch.tensor(y0), torch.tensor(ts), torch.tensor(data)
    if solver == "euler":
        method = {"method": "euler", "options": {"step_size": float(ts[-1]) / steps}}
    else:
        method = {"method": "dopri5", "rtol": tolerance, "atol": tolerance / 100}

    def loss() -> Any:
        def field(t: Any, y: Any) -> Any:
            hidden = _torch_units.TORCH["npu"](tensors[0], y[None])
            return _torch_units.TORCH["nau"](tensors[1], hidden)[0]

        ys = torchdiffeq.odeint(field, start, times, **method)
        return ((ys[1:] - target) ** 2).mean()

    def forward() -> Any:
        with torch.no_grad():
            return loss()

    def gradient() -> Any:
        value = loss()
        return value.detach(), torch.autograd.grad(value, leaves)

    if mode == "forward":
        return forward
    for leaf in leaves:
        leaf.requires_grad_(True)
    return gradient
