"""The papers' schedules for the scale of a penalty, functions of the step, usable with any unit.

>>> from nalu_jax.training import schedules
>>> ramp = schedules.linear_ramp(0.01, start=100, end=200)
>>> [round(float(ramp(step)), 6) for step in (0, 150, 1000)]
[0.0, 0.005, 0.01]
>>> inalu = schedules.on_below(0.05, threshold=1.0, after=10_000)
>>> [round(float(inalu(20_000, loss)), 6) for loss in (2.0, 0.5)]
[0.0, 0.05]

In `fit`: `penalty=lambda params, step, *, loss: inalu(step, loss) * inalu_unit.penalty(params)`.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from ..models import growth as growth
from ..models import linear_ramp as linear_ramp


def on_below(scale: float, *, threshold: float, after: int = 0) -> Callable[[ArrayLike, ArrayLike], Array]:
    """(step, loss) -> scale where loss < threshold and step > after, else 0: iNALU.

    Published: 0.05 where the batch's loss is below 1 after 10 epochs (Schlör et al. 2020), and where the validation
    loss is below 1 after 10 000 steps (Mistry et al. 2022).
    """
    return lambda step, loss: jnp.where((jnp.asarray(loss) < threshold) & (jnp.asarray(step) > after), scale, 0.0)
