"""The units of a model, one after another, with the weights that they compute with.

>>> import jax.numpy as jnp
>>> from nalu_jax import chain, nau
>>> from nalu_jax.plot import _layers
>>> [layer.label for layer in _layers.layers(chain(nau, nau), [{"w": jnp.ones((1, 1))}] * 2)]
['nau 1', 'nau 2']
"""

from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._unit import Chain, Unit, chain


class Layer(NamedTuple):
    """A unit, its label (numbered where a model has several of its kind), and its effective weights, a matrix first."""

    label: str
    unit: Unit
    weights: dict[str, np.ndarray]


def layers(model: ModuleType | Unit | Chain, params: Any) -> list[Layer]:
    """The units of a unit module, `Unit` or `Chain`.

    Raises:
        ValueError: the params are not the model's.
    """
    units = chain(model).units
    arrays = jax.tree.map(jnp.asarray, params)
    weights = chain(model).weights(arrays if isinstance(model, Chain) else (arrays,))
    names = [unit.name for unit in units]
    labels = [f"{name} {i + 1}" if names.count(name) > 1 else name for i, name in enumerate(names)]
    return [
        Layer(label, unit, {leaf: np.asarray(weight) for leaf, weight in own.items()})
        for label, unit, own in zip(labels, units, weights, strict=True)
    ]
