"""sNMU, the stochastic NMU: an NMU trained under noise that a discrete solution cancels exactly.

    w' = clip(w, 0, 1)
    evaluation:  y_o = prod_i (w'_io x_i + 1 - w'_io)
    training:    y_o = prod_i (w'_io x_i n_i + 1 - w'_io) / prod_i (w'_io n_i + 1 - w'_io),    n ~ U(1, 5)

Params:
    w  (n_in, n_out)  U(0.25, 0.75)

n has the shape of x and is drawn anew in every training pass. The two products are divided factor by factor, which is
the same number and does not overflow. `noise=(low, high)` is another range, `noise="batch"` the range
[1, 1 + 1/std(x)] of the paper's batch-sNMU, over all entries of x. Everything else is the NMU's.

Reference:
    Mistry, Farrahi, Hare, "Improving the Robustness of Neural Multiplication Units with Reversible Stochasticity",
    2022, https://arxiv.org/abs/2211.05624

Example:
    >>> import jax
    >>> import jax.numpy as jnp
    >>> from nalu_jax import snmu
    >>> params, x = {"w": jnp.array([[1.0], [0.0], [1.0]])}, jnp.array([-2.0, 7.0, 3.0])
    >>> snmu.apply(params, x), snmu.train_apply(params, x, key=jax.random.key(0)).round(4)
    (Array([-6.], dtype=float32), Array([-6.], dtype=float32))
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Float

from .._checks import check_apply, check_init, check_leaves
from .._numerics import clip_straight_through, product
from .._unit import Params, Shape, Unit
from ..penalties import sparsity
from ._initialisers import Initial, draw
from .nmu import _apply_weights, _formula, _leaves

_Noise = tuple[float, float] | Literal["batch"]


def init(key: Array, shape: Shape, dtype: DTypeLike = jnp.float32, *, w_init: Initial = "uniform(0.25,0.75)") -> Params:
    """Params of shape (n_in, n_out)."""
    return draw("snmu", key, _leaves(check_init("snmu", shape, dtype)), dtype, {"w": w_init})


def apply(params: Params, x: ArrayLike) -> Float[Array, "... n_out"]:
    """y (..., n_out) of x (..., n_in): the NMU."""
    params, x = check_apply("snmu", params, x, _leaves)
    return _apply_weights(weights(params), x)


def train_apply(params: Params, x: ArrayLike, *, key: Array, noise: _Noise = (1.0, 5.0)) -> Float[Array, "... n_out"]:
    """y (..., n_out) of x (..., n_in) under noise drawn with key."""
    params, x = check_apply("snmu", params, x, _leaves)
    low, high = _noise_range(x, noise)
    n = jax.random.uniform(key, x.shape, x.dtype, low, high)
    return product(_noisy_factor, (x, n), (weights(params)["w"],))


def _noisy_factor(x: Array, n: Array, w: Array) -> Array:
    return (w * x * n + (1 - w)) / (w * n + (1 - w))


def _noise_range(x: Array, noise: _Noise) -> tuple[float | Array, float | Array]:
    if noise == "batch":
        deviation = jax.lax.stop_gradient(jnp.std(x))
        return 1.0, 1 + 1 / jnp.where(deviation > 0, deviation, 1)  # one constant value: any range will do
    if isinstance(noise, tuple) and len(noise) == 2 and 0 < noise[0] <= noise[1]:
        return noise
    raise ValueError(f'snmu: noise must be "batch" or (low, high) with 0 < low <= high, got {noise!r}.')


def weights(params: Params) -> Params:
    """{"w": clip(w, 0, 1)}, (n_in, n_out)."""
    return {"w": clip_straight_through(check_leaves("snmu", params, _leaves)["w"], 0, 1)}


def penalty(params: Params) -> Float[Array, ""]:
    """mean(min(|w|, |1 - w|)), of the stored w."""
    return sparsity(check_leaves("snmu", params, _leaves)["w"], targets=(0, 1))


def project(params: Params) -> Params:
    """w clamped to [0, 1]."""
    return {"w": jnp.clip(check_leaves("snmu", params, _leaves)["w"], 0, 1)}


def bind(*, noise: _Noise = (1.0, 5.0), w_init: Initial = "uniform(0.25,0.75)") -> Unit:
    """`UNIT` with options fixed in every function that takes them."""
    return UNIT.bind(noise=noise, w_init=w_init)


UNIT = Unit(
    name="snmu",
    layer="SNMU",
    computes="product",
    leaves=_leaves,
    init=init,
    apply=apply,
    train_apply=train_apply,
    weights=weights,
    apply_weights=_apply_weights,
    penalty=penalty,
    project=project,
    formula=_formula,
    noisy=True,
)
