"""The initialisations of the papers and reference codes, by name, in the form of `jax.nn.initializers`.

Every `<leaf>_init` option of a unit takes one of these names or a function (key, shape, dtype) -> array.

    >>> import jax
    >>> from nalu_jax import nau
    >>> nau.init(jax.random.key(0), (2, 1), w_init="ones")
    {'w': Array([[1.],
           [1.]], dtype=float32)}
    >>> nau.init(jax.random.key(0), (2, 1), w_init=jax.nn.initializers.normal(0.1))["w"].shape
    (2, 1)
"""

import math
from collections.abc import Callable, Mapping
from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from .._unit import Params, Shape

Initialiser = Callable[[Array, Shape, DTypeLike], Array]

Name = Literal[
    "glorot_uniform",
    "glorot_uniform_fifth",
    "glorot_uniform_half",
    "glorot_normal_columns",
    "variance_matched",
    "beta",
    "identity_or_orthogonal",
    "orthogonal",
    "uniform(0,1)",
    "uniform(0,0.1)",
    "uniform(0.25,0.75)",
    "normal(0,0.1)",
    "normal(1,0.1)",
    "normal(-1,0.1)",
    "normal(0,0.2)",
    "normal(0.5,0.2)",
    "normal(0.88,0.2)",
    "zeros",
    "half",
    "ones",
]
"""The keys of `INITIALISERS`, for editors and type checkers."""

Initial = Name | Initialiser
"""What a `<leaf>_init` option takes."""


def glorot_bound(shape: Shape) -> float:
    """sqrt(6 / (n_in + n_out)); a vector counts as (1, n), as in Flux."""
    return math.sqrt(6 / (sum(shape) if len(shape) > 1 else 1 + sum(shape)))


def glorot_uniform(key: Array, shape: Shape, dtype: DTypeLike) -> Array:
    bound = glorot_bound(shape)
    return jax.random.uniform(key, shape, dtype, -bound, bound)


def glorot_uniform_fifth(key: Array, shape: Shape, dtype: DTypeLike) -> Array:
    """0.2 * Glorot: the fractional SIR experiment of the NPU paper."""
    return 0.2 * glorot_uniform(key, shape, dtype)


def glorot_uniform_half(key: Array, shape: Shape, dtype: DTypeLike) -> Array:
    """Glorot with its bound limited to 1/2: NAU paper, and RealNPU in the division papers."""
    bound = min(0.5, glorot_bound(shape))
    return jax.random.uniform(key, shape, dtype, -bound, bound)


def glorot_normal_columns(key: Array, shape: Shape, dtype: DTypeLike) -> Array:
    """Glorot normal of every column by itself, N(0, sqrt(2 / (n_in + 1))); a vector is a row of numbers, N(0, 1)."""
    rows = shape[0] if len(shape) > 1 else 1
    return math.sqrt(2 / (rows + 1)) * jax.random.normal(key, shape, dtype)


def orthogonal(key: Array, shape: Shape, dtype: DTypeLike) -> Array:
    """Columns, or rows where there are fewer, of length 1 and at right angles to each other; a vector of length 1."""
    matrix = shape if len(shape) > 1 else (1, *shape)
    precise = dtype if jnp.finfo(dtype).bits >= 32 else jnp.float32  # there is no QR decomposition in half precision
    draw = jax.nn.initializers.orthogonal()(key, matrix, precise)
    return draw.reshape(shape).astype(dtype)


def identity_or_orthogonal(key: Array, shape: Shape, dtype: DTypeLike) -> Array:
    """The identity where n_in == n_out, otherwise `orthogonal`: the MC-FC of the MC-LSTM paper."""
    return jnp.eye(shape[0], dtype=dtype) if shape[0] == shape[-1] else orthogonal(key, shape, dtype)


def variance_matched(key: Array, shape: Shape, dtype: DTypeLike) -> Array:
    """U(-r, r) for which tanh(w_hat) * sigmoid(m_hat) has Glorot's variance: stable-nalu's NAC.

    Small layers start saturated (r = 9.47 at 2 inputs and 1 output).
    """
    from scipy.optimize import root_scalar  # jax depends on scipy but does not load this part

    target = 2 / max(sum(shape), 5)
    bound = root_scalar(lambda r: _nac_variance(r) - target, bracket=(1e-3, 10.0)).root
    return jax.random.uniform(key, shape, dtype, -bound, bound)


def _nac_variance(r: float) -> float:
    return (1 - math.tanh(r) / r) * (r - math.tanh(r / 2)) / (2 * r)


def beta(key: Array, shape: Shape, dtype: DTypeLike) -> Array:
    """2 * Beta(7, 7) - 1: option of the division and sNMU papers."""
    return 2 * jax.random.beta(key, 7.0, 7.0, shape, dtype) - 1


def uniform(low: float, high: float) -> Initialiser:
    return lambda key, shape, dtype: jax.random.uniform(key, shape, dtype, low, high)


def normal(mean: float, deviation: float) -> Initialiser:
    return lambda key, shape, dtype: mean + deviation * jax.random.normal(key, shape, dtype)


def constant(value: float) -> Initialiser:
    return lambda key, shape, dtype: jnp.full(shape, value, dtype)


INITIALISERS: Mapping[str, Initialiser] = {
    "glorot_uniform": glorot_uniform,
    "glorot_uniform_fifth": glorot_uniform_fifth,
    "glorot_uniform_half": glorot_uniform_half,
    "glorot_normal_columns": glorot_normal_columns,
    "variance_matched": variance_matched,
    "beta": beta,
    "identity_or_orthogonal": identity_or_orthogonal,
    "orthogonal": orthogonal,
    "uniform(0,1)": uniform(0, 1),
    "uniform(0,0.1)": uniform(0, 0.1),
    "uniform(0.25,0.75)": uniform(0.25, 0.75),
    "normal(0,0.1)": normal(0, 0.1),
    "normal(1,0.1)": normal(1, 0.1),
    "normal(-1,0.1)": normal(-1, 0.1),
    "normal(0,0.2)": normal(0, 0.2),
    "normal(0.5,0.2)": normal(0.5, 0.2),
    "normal(0.88,0.2)": normal(0.88, 0.2),
    "zeros": constant(0),
    "half": constant(0.5),
    "ones": constant(1),
}


def draw(
    unit: str, key: Array, leaves: dict[str, Shape], dtype: DTypeLike, initialisers: Mapping[str, str | Initialiser]
) -> Params:
    """Every leaf by its initialiser, each from a key of its own.

    Raises:
        ValueError: an initialiser's name is unknown, also that of a leaf which the unit's options leave out.
    """
    functions = {leaf: _resolve(unit, leaf, initialiser) for leaf, initialiser in initialisers.items()}
    keys = jax.random.split(key, len(leaves))
    return {
        leaf: functions[leaf](leaf_key, shape, dtype)
        for leaf_key, (leaf, shape) in zip(keys, leaves.items(), strict=True)
    }


def _resolve(unit: str, leaf: str, initialiser: str | Initialiser) -> Initialiser:
    if callable(initialiser):
        return initialiser
    if initialiser not in INITIALISERS:
        raise ValueError(
            f"{unit}: the initialiser of leaf {leaf!r} must be a function (key, shape, dtype) -> array or one of "
            f"{', '.join(map(repr, INITIALISERS))}, got {initialiser!r}."
        )
    return INITIALISERS[initialiser]
