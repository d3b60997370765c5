"""Units of measure: powers of which every product has the dimension asked for.

The exponents w of a product of inputs must meet U w = u, with the inputs' dimensions as columns of U and the output's
u. The solutions are an affine space, w = offset + basis^T z, and z is what is learned.

    >>> import jax
    >>> from nalu_jax import chain, nau, symbolic
    >>> law = symbolic.consistent({"length": (0, 1, 0), "g": (0, 1, -2), "mass": (1, 0, 0)}, (0, 0, 1))
    >>> model = chain(law, nau)
    >>> params = model.init(jax.random.key(0), (3, 1, 1))
    >>> params[0]["z"].shape  # a pendulum's period: no exponent is left to learn
    (0, 1)
    >>> symbolic.to_sympy(law, params[0], ("length", "g", "mass"), domain="positive", eps=False)
    [sqrt(length)/sqrt(g)]
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from .. import _arguments
from .._checks import Domain, check_init, check_leaves
from .._numerics import matmul
from .._unit import Params, Shape, Unit
from ..penalties import l1
from . import real_npu
from ._initialisers import Initial, draw

Rows = tuple[tuple[float, ...], ...]


@_arguments.checked(
    "consistent",
    dimensions=_arguments.mapping("a dict from names to sequences of exponents", (list, tuple, np.ndarray)),
    output=_arguments.array("(dimensions,)", axes=1, finite=True),
)
def consistent(dimensions: Mapping[str, Sequence[float]], output: Sequence[float]) -> Unit:
    """A RealNPU of which every output has one dimension, whatever its params: a `Unit` like any other.

    Its only leaf is z (k, n_out), with as many rows as there are independent products without dimension: the numbers of
    Buckingham's theorem. Its gates are 1, its options (eps, domain) those of `real_npu`; init takes `z_init`. A NAU
    behind it has coefficients without dimension: a constant that has one, such as that of gravitation, is an input.

    Args:
        dimensions: exponents of the base units, such as (kg, m, s), for every input, in the order of the inputs.
        output: the same for the output.

    Raises:
        ValueError: dimensions of different lengths, or no product of the inputs has that of the output.
    """
    import sympy  # it finds the solutions in exact fractions, and only for those who call this

    sizes = {name: len(tuple(dimension)) for name, dimension in dimensions.items()} | {"output": len(tuple(output))}
    if not dimensions or len(set(sizes.values())) > 1:
        raise ValueError(f"consistent: expected one exponent for each base unit of every quantity, got {sizes}.")
    exact = lambda row: [sympy.Rational(Fraction(float(value)).limit_denominator(1000)) for value in row]
    columns, target = sympy.Matrix([exact(row) for row in dimensions.values()]).T, sympy.Matrix(exact(output))
    reduced, pivots = columns.row_join(target).rref()
    if len(dimensions) in pivots:
        raise ValueError(
            f"consistent: no product of powers of {', '.join(dimensions)} has the dimension {tuple(output)}. Check the "
            "dimensions, or add the quantity that is missing, perhaps a constant of nature."
        )
    offset = [0.0] * len(dimensions)
    for row, pivot in enumerate(pivots):
        offset[pivot] = float(reduced[row, len(dimensions)])
    basis = tuple(tuple(float(value) for value in vector) for vector in columns.nullspace())
    return UNIT.bind(offset=tuple(offset), basis=basis)


def _leaves(shape: Shape, *, basis: Rows = ()) -> dict[str, Shape]:
    return {"z": (len(basis), shape[1])}


def _init(
    key: Array,
    shape: Shape,
    dtype: DTypeLike = jnp.float32,
    *,
    basis: Rows = (),
    z_init: Initial = "glorot_uniform",
) -> Params:
    return draw("consistent", key, _leaves(check_init("consistent", shape, dtype), basis=basis), dtype, {"z": z_init})


def _weights(params: Params, *, offset: tuple[float, ...] = (), basis: Rows = ()) -> Params:
    """{"re": offset + basis^T z, "gate": 1}."""
    z = check_leaves("consistent", params, lambda shape: _leaves(shape, basis=basis))["z"]
    if z.ndim != 2 or z.shape[0] != len(basis):
        raise ValueError(f"consistent: leaf 'z' has shape {z.shape}, expected ({len(basis)}, n_out).")
    start = jnp.asarray(np.broadcast_to(np.asarray(offset)[:, None], (len(offset), z.shape[1])), z.dtype)
    directions = jnp.asarray(np.asarray(basis).reshape(len(basis), len(offset)).T, z.dtype)
    return {"re": start + matmul(directions, z), "gate": jnp.ones(len(offset), z.dtype)}


def _apply(
    params: Params,
    x: ArrayLike,
    *,
    offset: tuple[float, ...] = (),
    basis: Rows = (),
    eps: float | None = None,
    domain: Domain = "real",
) -> Array:
    return real_npu.apply(_weights(params, offset=offset, basis=basis), x, eps=eps, domain=domain)


def _apply_weights(weights: Params, x: Array, *, eps: float | None = None, domain: Domain = "real") -> Array:
    return real_npu._apply_weights(weights, x, eps=eps, domain=domain)


def _log_polar(
    params: Params,
    x: ArrayLike,
    *,
    offset: tuple[float, ...] = (),
    basis: Rows = (),
    eps: float | None = None,
    domain: Domain = "real",
) -> tuple[Array, Array]:
    return real_npu.log_polar(_weights(params, offset=offset, basis=basis), x, eps=eps, domain=domain)


def _project(params: Params) -> Params:
    return params


UNIT = Unit(
    name="consistent",
    layer="Consistent",
    computes="product",
    leaves=_leaves,
    init=_init,
    apply=_apply,
    weights=_weights,
    apply_weights=_apply_weights,
    penalty=l1,
    project=_project,
    log_polar=_log_polar,
    formula=real_npu._formula,
)
