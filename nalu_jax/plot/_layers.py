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

from .. import chain
from .._unit import Chain, Unit


class Layer(NamedTuple):
    """A unit, its label (numbered where a model has several of its kind), and its effective weights in their order."""

    label: str
    unit: Unit
    weights: dict[str, np.ndarray]


def layers(model: ModuleType | Unit | Chain, params: Any) -> list[Layer]:
    """The units of a unit module, `Unit` or `Chain`, also a nested one.

    Raises:
        ValueError: the params are not the model's.
    """
    [record] = chain(model).units
    pairs = _pairs(record, record.weights(jax.tree.map(jnp.asarray, params)))
    names = [unit.name for unit, _ in pairs]
    labels = [f"{name} {i + 1}" if names.count(name) > 1 else name for i, name in enumerate(names)]
    return [
        Layer(label, unit, {leaf: np.asarray(weights[leaf]) for leaf in _order(unit, weights)})
        for label, (unit, weights) in zip(labels, pairs, strict=True)
    ]


def _pairs(record: Unit | Chain, weights: Any) -> list[tuple[Unit, Any]]:
    if isinstance(record, Unit):
        return [(record, weights)]
    return [pair for unit, own in zip(record.units, weights, strict=True) for pair in _pairs(unit, own)]


def _order(unit: Unit, weights: dict[str, Any]) -> list[str]:
    """The leaves in the unit's own order, those that only its effective weights have at the end."""
    own = [leaf for leaf in unit.leaves((1, 1)) if leaf in weights]
    return own + [leaf for leaf in weights if leaf not in own]
