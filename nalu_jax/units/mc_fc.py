"""MC-FC, the mass-conserving fully connected layer: sums in which every input is shared out among the outputs.

    share = softmax(r, over the outputs)
    o     = sigmoid(gate + bias)
    y     = o * (x @ share)                   = x @ w, with w = o * share

Params:
    r     (n_in, n_out)  identity where n_in == n_out, otherwise orthogonal
    gate  (n_out,)       orthogonal: a random vector of length 1, for one output 1 or -1
    bias  (n_out,)       zeros

Every input is shared out whole, and the gates let go of what is not wanted: nothing is subtracted, and no weight is
above 1. Exact sums need saturated gates: o rounds to 1 in float32 from gate + bias = 17 on. In the paper gate and bias
are the weight and bias of a linear layer on a constant input of 1; both are kept, and initialised as there. The
regulariser is that of the NALM benchmark: it pushes all params away from zero and has no lower bound, so it is switched
on late, by a schedule. There is no clamp.

Reference:
    Hoedt, Kratzert, Klotz, Halmich, Holzleitner, Nearing, Hochreiter, Klambauer, "MC-LSTM: Mass-Conserving LSTM",
    ICML 2021, https://arxiv.org/abs/2101.05186

Example:
    >>> import jax.numpy as jnp
    >>> from nalu_jax import mc_fc
    >>> params = {"r": jnp.array([[30.0, 0.0], [30.0, 0.0]]), "gate": jnp.full(2, 20.0), "bias": jnp.zeros(2)}
    >>> mc_fc.apply(params, jnp.array([3.0, 4.0])).round(2)
    Array([7., 0.], dtype=float32)
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Float

from .._checks import check_apply, check_init, check_leaves
from .._numerics import matmul
from .._unit import Params, Shape, Unit
from ._initialisers import Initial, draw
from ._notation import Expr, Notation, Options, Weights


def _leaves(shape: Shape) -> dict[str, Shape]:
    return {"r": shape, "gate": shape[1:], "bias": shape[1:]}


def init(
    key: Array,
    shape: Shape,
    dtype: DTypeLike = jnp.float32,
    *,
    r_init: Initial = "identity_or_orthogonal",
    gate_init: Initial = "orthogonal",
    bias_init: Initial = "zeros",
) -> Params:
    """Params of shape (n_in, n_out)."""
    leaves = _leaves(check_init("mc_fc", shape, dtype))
    return draw("mc_fc", key, leaves, dtype, {"r": r_init, "gate": gate_init, "bias": bias_init})


def apply(params: Params, x: ArrayLike) -> Float[Array, "... n_out"]:
    """y (..., n_out) of x (..., n_in)."""
    params, x = check_apply("mc_fc", params, x, _leaves)
    return _apply_weights(weights(params), x)


def _apply_weights(weights: Params, x: Array) -> Array:
    return matmul(x, weights["w"])


def _share_and_kept(params: Params) -> tuple[Array, Array]:
    """(share, o * share): what every output gets of every input, and what its gate lets pass."""
    share = jax.nn.softmax(params["r"], axis=1)
    kept = jax.nn.sigmoid(params["gate"] + params["bias"])
    return share, jnp.broadcast_to(kept, share.shape) * share


def weights(params: Params) -> Params:
    """{"w": sigmoid(gate + bias) * softmax(r)}, (n_in, n_out), in (0, 1)."""
    return {"w": _share_and_kept(check_leaves("mc_fc", params, _leaves))[1]}


def penalty(params: Params) -> Float[Array, ""]:
    """-mean(r^2) - mean(gate^2) - mean(bias^2): no lower bound."""
    return _towards_saturation(check_leaves("mc_fc", params, _leaves))


def _towards_saturation(params: Params) -> Array:
    return -jnp.stack([jnp.mean(params[leaf] ** 2) for leaf in ("r", "gate", "bias")]).sum()


def project(params: Params) -> Params:
    """The params unchanged: there is no clamp."""
    return check_leaves("mc_fc", params, _leaves)


def _formula(weights: Weights, x: Sequence[Expr], options: Options, notation: Notation) -> list[Expr]:
    """x @ w."""
    return notation.linear(weights["w"], x)


def bind(
    *, r_init: Initial = "identity_or_orthogonal", gate_init: Initial = "orthogonal", bias_init: Initial = "zeros"
) -> Unit:
    """`UNIT` with options fixed in every function that takes them."""
    return UNIT.bind(r_init=r_init, gate_init=gate_init, bias_init=bias_init)


UNIT = Unit(
    name="mc_fc",
    layer="MCFC",
    computes="sum",
    leaves=_leaves,
    init=init,
    apply=apply,
    weights=weights,
    apply_weights=_apply_weights,
    penalty=penalty,
    project=project,
    formula=_formula,
)
