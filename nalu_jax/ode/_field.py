"""Vector fields: a unit over some of the states, with what is known added."""

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
from jax import Array

from .. import _arguments
from .._fast import Fast
from ._problem import VectorField

Known = Callable[[Any, Array], Array]
"""(t, y) -> the known part of dy/dt, in the shape and dtype of y."""


@_arguments.checked(
    "ode.field",
    spec=_arguments.instance("a spec of the fast path", "Make it with nalu_jax.fast(unit, shape).", Fast),
    known=_arguments.optional(_arguments.function("(t, y) -> rates")),
    inputs=_arguments.optional(_arguments.counts()),
    outputs=_arguments.optional(_arguments.counts()),
)
def field(
    spec: Fast,
    known: Known | None = None,
    *,
    inputs: Sequence[int] | None = None,
    outputs: Sequence[int] | None = None,
) -> VectorField:
    """(t, y, args) -> known(t, y) + spec.apply(args, y[inputs]), added to the states `outputs`: a universal ODE.

    Args:
        spec: of a unit or chain, from as many inputs to as many outputs as named here. args is theta, or what
            `spec.prepare` made of it.
        known: the part of the physics that is known; None is 0.
        inputs: the states that the unit sees; all of them by default.
        outputs: the states to whose rates it adds; all of them by default.

    Raises:
        ValueError: the spec has another number of inputs or outputs than are named, or a state is named twice.

    Reference:
        Rackauckas et al., "Universal Differential Equations for Scientific Machine Learning", 2020,
        https://arxiv.org/abs/2001.04385
    """
    for name, states, size in (("inputs", inputs, spec.shape[0]), ("outputs", outputs, spec.shape[-1])):
        if states is not None and (len(states) != size or len(set(states)) != size):
            raise ValueError(f"field: {name} must name {size} different states for {spec.name}, got {list(states)}.")
    reads = None if inputs is None else jnp.asarray(inputs)
    writes = None if outputs is None else jnp.asarray(outputs)

    def rates(t: Any, y: Array, args: Any) -> Array:
        learned = spec.apply(args, y if reads is None else y[reads])
        if writes is not None:
            learned = jnp.zeros_like(y).at[writes].add(learned)
        return learned if known is None else known(t, y) + learned

    return rates
