"""The regularisers of the papers, as functions of arrays or params. All return a scalar, unscaled.

Each paper multiplies its penalty with a factor that changes during training: see `nalu_jax.schedules`.

    >>> import jax.numpy as jnp
    >>> from nalu_jax import penalties
    >>> penalties.sparsity(jnp.array([[-1.0, 0.25], [0.5, 1.0]]))
    Array(0.1875, dtype=float32)
    >>> penalties.l1({"re": jnp.array([[1.0, -2.0]]), "gate": jnp.array([0.5])})
    Array(3.5, dtype=float32)

References:
    Madsen, Johansen, "Neural Arithmetic Units", ICLR 2020, https://arxiv.org/abs/2001.05016:
        `sparsity`, `out_of_bounds`.
    Heim, Pevny, Smidl, "Neural Power Units", NeurIPS 2020, https://arxiv.org/abs/2006.01681: `l1`, `frobenius`.
    Schlör, Ring, Hotho, "iNALU", Frontiers in AI 3:71, 2020, https://arxiv.org/abs/2003.07629: `away_from_zero`.
    Mistry, Farrahi, Hare, "Learning Division with Neural Arithmetic Logic Modules", https://arxiv.org/abs/2110.05177:
        `sparsity` of exponents.
"""

import functools

import jax
import jax.numpy as jnp
from jax import Array

from . import _arguments
from ._numerics import absolute, maximum
from ._unit import Params


@_arguments.checked("penalties.sparsity", w=_arguments.array(), targets=_arguments.numbers())
def sparsity(w: Array, *, targets: tuple[float, ...] = (-1, 0, 1)) -> Array:
    """Mean distance of w to the nearest target: mean(min_t |w - t|).

    With targets (-1, 0, 1) the NAU's regulariser, mean(min(|w|, |1 - |w||)); with (0, 1) the NMU's,
    mean(min(|w|, |1 - w|)); with (-1, 1) that of a RealNPU's exponents in the division papers, mean(|1 - |w||).
    """
    distances = [absolute(w - target) for target in targets]
    return jnp.mean(functools.reduce(lambda a, b: jnp.where(a <= b, a, b), distances))


@_arguments.checked("penalties.out_of_bounds", w=_arguments.array(), low=_arguments.number(), high=_arguments.number())
def out_of_bounds(w: Array, low: float, high: float) -> Array:
    """Mean distance of w to the interval [low, high]: the alternative to projecting."""
    w = jnp.asarray(w)
    return jnp.mean(maximum(low - w, 0) + maximum(w - high, 0))


@_arguments.checked("penalties.l1", params=_arguments.tree())
def l1(params: Params) -> Array:
    """Sum of |p| over all entries of all leaves, gates included."""
    return jnp.stack([jnp.sum(absolute(leaf)) for leaf in jax.tree.leaves(params)]).sum()


@_arguments.checked("penalties.frobenius", params=_arguments.tree())
def frobenius(params: Params) -> Array:
    """Sum of the leaves' 2-norms: what `norm(ps, 1)` computes in the NPU paper's arithmetic scripts, under the name L1.

    A leaf of zeros has derivative 0.
    """
    return jnp.stack([_norm(leaf) for leaf in jax.tree.leaves(params)]).sum()


def _norm(leaf: Array) -> Array:
    square = jnp.sum(leaf**2)
    positive = square > 0  # guards both sides: sqrt has an infinite slope at 0, and 0 * inf is NaN
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, square, 1)), 0)


@_arguments.checked("penalties.away_from_zero", params=_arguments.tree(), t=_arguments.number())
def away_from_zero(params: Params, *, t: float = 20.0) -> Array:
    """Sum over the leaves of mean(max(min(p, -p) + t, 0)): pushes every raw parameter of an iNALU towards |p| >= t."""
    return jnp.stack([jnp.mean(maximum(t - absolute(leaf), 0)) for leaf in jax.tree.leaves(params)]).sum()
