"""Params that release 0.1.0 wrote are read by the layers of today: `checkpoints/` holds them and what it computed.

`write` below, with the names that options had then (`gate`, `bias`), wrote the files on 0.1.0. Of every class, and of
those whose leaves depend on options: linen variables and NNX params by name, Equinox leaves by their order.
"""

import pathlib
from typing import Any

import equinox as eqx
import flax.serialization
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx

import nalu_jax.eqx
import nalu_jax.linen
import nalu_jax.nnx
from nalu_jax import UNITS

FILES = pathlib.Path(__file__).with_name("checkpoints")
GATE, BIAS = "gate_form", "use_bias"
CLASSES = "NAC NACMul NALU GNALU INALU NAU NMU SNMU NPU RealNPU NaiveNPU RealNaiveNPU NRU NMRU".split()
LAYERS: dict[str, tuple[str, dict[str, Any]]] = {name: (name, {}) for name in CLASSES} | {
    "NALU_separate": ("NALU", {"separate": True}),
    "NALU_vector": ("NALU", {"separate": True, GATE: "vector", BIAS: False}),
    "INALU_one_pair": ("INALU", {"separate": False}),
    "INALU_independent": ("INALU", {GATE: "independent"}),
}
EVALUATES = {unit.layer for unit in UNITS.values() if unit.train_apply is not None}
X = np.array([[0.5, 2.0], [1.5, -0.75]], np.float32)


class LinenModel(nn.Module):
    @nn.compact
    def __call__(self, x):
        outputs = {}
        for label, (name, options) in LAYERS.items():
            flags = {"deterministic": True} if name in EVALUATES else {}
            outputs[label] = getattr(nalu_jax.linen, name)(3, name=label, **options, **flags)(x)
        return outputs


class NnxModel(nnx.Module):
    def __init__(self, rngs):
        for label, (name, options) in LAYERS.items():
            setattr(self, label, getattr(nalu_jax.nnx, name)(2, 3, rngs=rngs, **options))

    def __call__(self, x):
        return {label: getattr(self, label)(x) for label in LAYERS}


def eqx_model(key):
    model = {}
    for i, (label, (name, options)) in enumerate(LAYERS.items()):
        flags = {"inference": True} if name in EVALUATES else {}
        make = getattr(nalu_jax.eqx, name)
        model[label] = make(2, 3, key=jax.random.fold_in(key, i), **options, **flags)
    return model


def write(folder):
    """What made the files, at the source of 0.1.0 and from seed 0."""
    variables = LinenModel().init(jax.random.key(0), X)
    (folder / "linen.msgpack").write_bytes(flax.serialization.to_bytes(variables))
    of_nnx, of_eqx = NnxModel(nnx.Rngs(0)), eqx_model(jax.random.key(0))
    of_nnx.eval()
    pure = nnx.to_pure_dict(nnx.state(of_nnx, nnx.Param))
    (folder / "nnx.msgpack").write_bytes(flax.serialization.msgpack_serialize(pure))
    eqx.tree_serialise_leaves(folder / "equinox.eqx", of_eqx)
    outputs: dict[str, Any] = {"linen": LinenModel().apply(variables, X), "nnx": of_nnx(X)}
    outputs["eqx"] = {label: layer(X) for label, layer in of_eqx.items()}
    flat: Any = {f"{front}/{label}": np.asarray(y) for front, ys in outputs.items() for label, y in ys.items()}
    np.savez_compressed(folder / "outputs.npz", **flat)


def linen_outputs() -> Any:
    empty = jax.eval_shape(LinenModel().init, jax.random.key(1), X)
    stored = flax.serialization.msgpack_restore((FILES / "linen.msgpack").read_bytes())
    assert jax.tree.structure(stored) == jax.tree.structure(empty)
    return LinenModel().apply(jax.tree.map(jnp.asarray, stored), X)


def nnx_outputs() -> Any:
    model = NnxModel(nnx.Rngs(1))
    model.eval()
    state = nnx.state(model, nnx.Param)
    stored = flax.serialization.msgpack_restore((FILES / "nnx.msgpack").read_bytes())
    assert jax.tree.structure(stored) == jax.tree.structure(nnx.to_pure_dict(state))
    nnx.replace_by_pure_dict(state, jax.tree.map(jnp.asarray, stored))
    nnx.update(model, state)
    return model(X)


def eqx_outputs() -> Any:
    model = eqx.tree_deserialise_leaves(FILES / "equinox.eqx", eqx_model(jax.random.key(1)))
    return {label: layer(X) for label, layer in model.items()}


@pytest.mark.slow
@pytest.mark.parametrize("front", ["linen", "nnx", "eqx"])
def test_params_of_release_0_1_0_compute_what_they_computed(front):
    outputs = {"linen": linen_outputs, "nnx": nnx_outputs, "eqx": eqx_outputs}[front]()
    expected = np.load(FILES / "outputs.npz")
    assert set(outputs) == set(LAYERS)
    for label, y in outputs.items():
        np.testing.assert_allclose(y, expected[f"{front}/{label}"], rtol=1e-5, atol=1e-6, err_msg=label)
