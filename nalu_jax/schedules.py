"""The papers' schedules for the scale of a penalty: functions of the step, and of the loss where the paper's is one.

>>> from nalu_jax import schedules
>>> ramp = schedules.linear_ramp(0.01, start=100, end=200)
>>> [round(float(ramp(step)), 6) for step in (0, 150, 1000)]
[0.0, 0.005, 0.01]
>>> inalu = schedules.on_below(0.05, threshold=1.0, after=10_000)
>>> [round(float(inalu(20_000, loss)), 6) for loss in (2.0, 0.5)]
[0.0, 0.05]

In a training loop, where the step may be traced: `error + models.penalty(params, units, scale=ramp(step))`; in
`training.fit`: `penalty=lambda params, step, *, loss: inalu(step, loss) * nalu_jax.inalu.penalty(params)`.
"""

import math
from collections.abc import Callable

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from . import _arguments

Schedule = Callable[[ArrayLike], Array]
"""From the step to the scale of a penalty."""


@_arguments.checked(
    "schedules.linear_ramp", scale=_arguments.number(), start=_arguments.count(0), end=_arguments.count(0)
)
def linear_ramp(scale: float, *, start: int, end: int) -> Schedule:
    """scale * clip((step - start) / (end - start), 0, 1): NAU and NMU.

    Published: 0.01 from 5000 to 50 000 (NAU) and 10 from 1e6 to 2e6 (NAU and NMU; Madsen & Johansen 2020), 0.01 (NAU)
    and 10 (NMU) from 20 000 to 35 000 (Mistry et al. 2022).

    Raises:
        ValueError: end is not after start.
    """
    if end <= start:
        raise ValueError(f"linear_ramp: end must be after start, got start={start} and end={end}.")
    return lambda step: scale * jnp.clip((jnp.asarray(step).astype(float) - start) / (end - start), 0.0, 1.0)


@_arguments.checked(
    "schedules.growth",
    start=_arguments.number(),
    end=_arguments.number(),
    every=_arguments.count(),
    factor=_arguments.number(),
)
def growth(start: float, end: float, *, every: int = 10_000, factor: float = 10.0) -> Schedule:
    """start, multiplied with factor at every multiple of `every` steps, and never above end: the NPU's L1.

    Published: 1e-7 to 1e-5 (products) and 1e-9 to 1e-7 (quotients), by ten every 10 000 steps (Mistry et al. 2022).

    Raises:
        ValueError: not 0 < start <= end, factor not above 1, or every below 1.
    """
    if not (0 < start <= end and factor > 1 and every >= 1):
        raise ValueError(
            f"growth: expected 0 < start <= end, factor > 1 and every >= 1, got start={start}, end={end}, "
            f"factor={factor}, every={every}."
        )
    # 1 + 1e-9: log10(1e-5 / 1e-7) is 2 less a rounding error
    values = [start * factor**i for i in range(math.ceil(math.log(end / start, factor) * (1 - 1e-9)))] + [end]
    return lambda step: jnp.asarray(values, float)[jnp.minimum(jnp.asarray(step).astype(int) // every, len(values) - 1)]


@_arguments.checked(
    "schedules.on_below", scale=_arguments.number(), threshold=_arguments.number(), after=_arguments.count(0)
)
def on_below(scale: float, *, threshold: float, after: int = 0) -> Callable[[ArrayLike, ArrayLike], Array]:
    """(step, loss) -> scale where loss < threshold and step > after, else 0: iNALU.

    Published: 0.05 where the batch's loss is below 1 after 10 epochs (Schlör et al. 2020), and where the validation
    loss is below 1 after 10 000 steps (Mistry et al. 2022).
    """
    return lambda step, loss: jnp.where((jnp.asarray(loss) < threshold) & (jnp.asarray(step) > after), scale, 0.0)
