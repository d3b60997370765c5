"""What the tests of the front ends share: one way to make and call a layer of each, and a second process."""

import inspect
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any, Literal, get_args, get_origin

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import nnx as flax_nnx
from helpers import others

import nalu_jax.eqx
import nalu_jax.linen
import nalu_jax.nnx
from nalu_jax import UNITS, Unit, units

FRONTS = {"linen": nalu_jax.linen, "nnx": nalu_jax.nnx, "eqx": nalu_jax.eqx}


def another(option: inspect.Parameter) -> Any:
    """A value of an option that is not its default: of a choice of strings, also beside other types, the last one."""
    nested = [each for each in get_args(option.annotation) if get_origin(each) is Literal]
    return get_args(nested[0])[-1] if nested else others(option)[-1]


def settings(unit: Unit) -> list[inspect.Parameter]:
    """The options of a unit but for initialisers."""
    options = inspect.signature(getattr(units, unit.name).bind).parameters.values()
    return [option for option in options if not option.name.endswith("_init")]


VARIANTS = [
    (unit.name, {option.name: another(option) for option in settings(unit)})
    for unit in UNITS.values()
    if settings(unit)
]
"""Every unit that has options, with all of them at other values than their defaults."""


def layer_class(front: str, unit: str) -> Any:
    return getattr(FRONTS[front], UNITS[unit].layer)


def inputs(unit: str, dtype: Any = jnp.float32, *, positive: bool = False) -> tuple[dict, jax.Array]:
    """Params of shape (3, 4) and x (5, 3), of both signs unless positive."""
    x = jax.random.uniform(jax.random.key(7), (5, 3), dtype, 0.5 if positive else -2.0, 2.0)
    return UNITS[unit].init(jax.random.key(1), (3, 4), dtype), x


class KeyProbe(nn.Module):
    """The key that a linen layer at the root gets from its RNG collection."""

    @nn.compact
    def __call__(self):
        return self.make_rng("noise")


def forward(front: str, unit: str, params: dict, **options: Any) -> Callable[..., jax.Array]:
    """x -> y of a layer made of params; with key, its training forward pass."""
    made = layer_class(front, unit).from_params(params, **options)
    trains = UNITS[unit].train_apply is not None

    def call(x, key=None):
        if front == "linen":
            layer, variables = made
            flags = {"deterministic": key is None} if trains else {}
            return layer.apply(variables, x, rngs=None if key is None else {"noise": key}, **flags)
        if front == "nnx":
            flags = {"deterministic": key is None, "rngs": key} if trains else {}
            return made(x, **flags)
        flags = {"inference": key is None, "key": key} if trains else {}
        return made(x, **flags)

    return call


def params_of(front: str, made: Any) -> dict:
    """The params of what `from_params` has made."""
    if front == "linen":
        return made[1]["params"]
    if front == "nnx":
        return flax_nnx.to_pure_dict(flax_nnx.state(made, flax_nnx.Param))
    return made.params()


def assert_same(a: Any, b: Any) -> None:
    """Equal trees: structure, dtypes and every bit."""
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for one, other in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        one, other = np.asarray(one), np.asarray(other)
        assert one.dtype == other.dtype and one.shape == other.shape
        assert one.tobytes() == other.tobytes()


def run_python(code: str, *arguments: str, **environment: str) -> str:
    """Standard output of a second Python process."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
