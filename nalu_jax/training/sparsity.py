"""L1 that does not bias the gradient's moments: optax transformations to chain behind an optimiser.

Plain L1 is a penalty: `penalty=lambda params, step: 1e-5 * penalties.l1(params)`. It goes through the optimiser, so
that Adam's division by the gradient's size makes a small scale large where gradients are small.

>>> import jax, jax.numpy as jnp, optax
>>> from nalu_jax.training import sparsity
>>> optimiser = optax.chain(optax.sgd(0.1), sparsity.proximal_l1(0.01))
>>> params = {"w": jnp.array([0.005, -0.5])}
>>> updates, _ = optimiser.update({"w": jnp.zeros(2)}, optimiser.init(params), params)
>>> optax.apply_updates(params, updates)
{'w': Array([ 0.  , -0.49], dtype=float32)}
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.typing import ArrayLike

from .. import _arguments

Amount = float | Callable[[ArrayLike], ArrayLike]
"""A number, or a schedule: step -> number."""


@_arguments.checked(
    "sparsity.decoupled_l1", amount=_arguments.either(_arguments.number(), _arguments.function("of the step"))
)
def decoupled_l1(amount: Amount) -> optax.GradientTransformation:
    """After every step, amount * sign(param) is subtracted: as AdamW's decay, with the slope of |param|.

    Args:
        amount: what a param moves in one step, learning rate included. Params within it of 0 swing around 0.
    """
    return _after(amount, lambda param, stepped, amount: stepped - amount * jnp.sign(param))


@_arguments.checked(
    "sparsity.proximal_l1", amount=_arguments.either(_arguments.number(), _arguments.function("of the step"))
)
def proximal_l1(amount: Amount) -> optax.GradientTransformation:
    """After every step, params shrink by amount towards 0 and stop there: exact zeros (ISTA).

    Args:
        amount: what a param shrinks in one step, learning rate included.
    """
    return _after(amount, lambda _, stepped, amount: jnp.sign(stepped) * jnp.maximum(jnp.abs(stepped) - amount, 0))


def _after(amount: Amount, shrink: Callable[[Array, Array, Array], Array]) -> optax.GradientTransformation:
    def init(params: Any) -> Array:
        del params
        return jnp.zeros((), jnp.int32)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        if params is None:
            raise ValueError("sparsity: update needs the params: optimiser.update(grads, state, params).")
        size = jnp.asarray(amount(state) if callable(amount) else amount)

        def one(update: Array, param: Array) -> Array:
            return shrink(param, param + update, size.astype(param.dtype)) - param

        return jax.tree.map(one, updates, params), state + 1

    return optax.GradientTransformation(init, update)
