"""Whole models: where the units are, the summed penalty, the projected tree, the optimiser's last step."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn
from flax import nnx
from flax.training.train_state import TrainState
from front_helpers import FRONTS, assert_same, layer_class

import nalu_jax.eqx
import nalu_jax.linen
import nalu_jax.nnx
from nalu_jax import UNITS, models

fronts = pytest.mark.parametrize("front", FRONTS)


class LinenModel(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Dense(3)(x)
        x = nalu_jax.linen.NPU(4, clamp="wig")(x)
        x = nalu_jax.linen.NAU(3)(x)
        return nn.Sequential([nn.Dense(2), nalu_jax.linen.NMU(1)])(x)


def build(front) -> tuple[Any, Any]:
    """(params, units) of a model with an NPU, a NAU and an NMU of the same leaf names among dense layers."""
    key, x = jax.random.key(0), jnp.ones((5, 2))
    if front == "linen":
        return LinenModel().init(key, x)["params"], nalu_jax.linen.find_units(LinenModel(), key, x)
    if front == "nnx":
        rngs, layers = nnx.Rngs(0), nalu_jax.nnx
        head = nnx.Sequential(nnx.Linear(3, 2, rngs=rngs), layers.NMU(2, 1, rngs=rngs))
        npu, nau = layers.NPU(3, 4, clamp="wig", rngs=rngs), layers.NAU(4, 3, rngs=rngs)
        model = nnx.Sequential(nnx.Linear(2, 3, rngs=rngs), npu, nau, head)
        return nnx.state(model, nnx.Param), nalu_jax.nnx.find_units(model)
    layers = nalu_jax.eqx
    head = eqx.nn.Sequential([eqx.nn.Linear(3, 2, key=key), layers.NMU(2, 1, key=key)])
    npu, nau = layers.NPU(3, 4, clamp="wig", key=key), layers.NAU(4, 3, key=key)
    model = eqx.nn.Sequential([eqx.nn.Linear(2, 3, key=key), npu, nau, head])
    return model, nalu_jax.eqx.find_units(model)


def unit_params(params, units):
    """{unit name: its dict} by a walk that shares nothing with the package's."""
    found = {}
    for path, placed in units.items():
        node: Any = nnx.to_pure_dict(params) if isinstance(params, nnx.State) else params
        for name in path:
            if isinstance(node, dict):
                node = {str(k): v for k, v in node.items()}[name]
            else:
                node = getattr(node, name) if hasattr(node, name) else node[int(name)]
        found[placed.unit.name] = node if isinstance(node, dict) else node.params()
    return found


def enlarge(params):
    return jax.tree.map(lambda leaf: 10 * leaf + 3 if eqx.is_inexact_array(leaf) else leaf, params)


@fronts
def test_units_are_found_by_layer_and_not_by_leaf_names(front):
    _, units = build(front)
    assert [(placed.unit.name, placed.shape) for placed in units.values()] == [
        ("npu", (3, 4)),
        ("nau", (4, 3)),
        ("nmu", (2, 1)),
    ]
    assert dict(next(iter(units.values())).unit.options)["clamp"] == "wig"


@fronts
def test_penalty_is_the_sum_of_the_units_penalties(front):
    params, units = build(front)
    params = enlarge(params)
    parts = {name: UNITS[name].penalty(leaves) for name, leaves in unit_params(params, units).items()}
    assert set(parts) == {"npu", "nau", "nmu"}
    np.testing.assert_allclose(models.penalty(params, units), sum(parts.values()), rtol=1e-6)
    scales = {"npu": 1e-3, "nau": 0.01, "nmu": 10.0}
    expected = sum(scales[name] * part for name, part in parts.items())
    np.testing.assert_allclose(models.penalty(params, units, scale=scales), expected, rtol=1e-6)
    np.testing.assert_allclose(models.penalty(params, units, scale=jnp.float32(2)), 2 * sum(parts.values()), rtol=1e-6)


@fronts
def test_penalty_has_gradients_in_the_units_only(front):
    params, units = build(front)
    arrays, static = eqx.partition(params, eqx.is_inexact_array)
    gradient = jax.jit(jax.grad(lambda arrays: models.penalty(eqx.combine(arrays, static), units)))(arrays)
    of_units = unit_params(gradient, units)
    assert all(jnp.any(leaf != 0) for name in ("nau", "nmu") for leaf in of_units[name].values())
    nonzero = sum(bool(jnp.any(leaf != 0)) for leaf in jax.tree.leaves(gradient))
    assert nonzero == sum(bool(jnp.any(leaf != 0)) for leaf in jax.tree.leaves(of_units))


@fronts
def test_project_changes_the_units_only(front):
    params, units = build(front)
    large = enlarge(params)
    projected = models.project(large, units)
    assert jax.tree.structure(projected) == jax.tree.structure(large)
    before, after = unit_params(large, units), unit_params(projected, units)
    for placed in units.values():
        assert_same(after[placed.unit.name], placed.unit.project(before[placed.unit.name]))
    changed = [a is not b for a, b in zip(jax.tree.leaves(large), jax.tree.leaves(projected), strict=True)]
    assert sum(changed) == 5  # re, im, gate, w, w: of the dense layers not a leaf


@fronts
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_updated_params_are_projected_ones(front, dtype):
    params, units = build(front)
    params, _ = eqx.partition(params, eqx.is_inexact_array)
    start = jax.tree.map(lambda leaf: (7 * leaf).astype(dtype), params)  # also starts outside of the bounds
    optimiser = optax.chain(optax.sgd(1.0), models.projection(units))
    state = optimiser.init(start)
    for seed in range(3):
        gradient = jax.tree.map(
            lambda leaf, s=seed: jax.random.normal(jax.random.key(s), leaf.shape, leaf.dtype) * 2, start
        )
        updates, state = optimiser.update(gradient, state, start)
        plain = optax.apply_updates(start, jax.tree.map(jnp.negative, gradient))
        start = optax.apply_updates(start, updates)
        assert_same(start, models.project(start, units))
        for new, expected in zip(jax.tree.leaves(start), jax.tree.leaves(models.project(plain, units)), strict=True):
            np.testing.assert_allclose(jnp.float32(new), jnp.float32(expected), atol=float(8 * jnp.finfo(dtype).eps))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_weights_within_the_bounds_end_on_the_bound_itself(dtype):
    units = nalu_jax.linen.find_units(nalu_jax.linen.NAU(40), jax.random.key(0), jnp.ones((1, 50)))
    params = {"w": jax.random.uniform(jax.random.key(0), (50, 40), dtype, -1, 1)}
    updates, _ = models.projection(units).update({"w": jnp.full((50, 40), 9, dtype)}, optax.EmptyState(), params)
    stepped: Any = optax.apply_updates(params, updates)
    w = stepped["w"]
    assert jnp.all(w <= 1) and jnp.all(w >= 1 - jnp.finfo(dtype).eps)
    assert jnp.all(w[params["w"] >= 0] == 1) and jnp.mean(w == 1) > 0.9


def test_updates_within_the_bounds_pass_unchanged():
    params, units = build("linen")
    inside = jax.tree.map(lambda leaf: jnp.full_like(leaf, 0.5), params)
    updates = jax.tree.map(lambda leaf: jnp.full_like(leaf, 1e-9), params)
    after, _ = models.projection(units).update(updates, optax.EmptyState(), inside)
    assert_same(after, updates)


def test_projection_works_compiled():
    params, units = build("linen")
    optimiser = optax.chain(optax.sgd(10.0, momentum=0.9), models.projection(units))

    @jax.jit
    def step(params, state):
        gradient = jax.tree.map(jnp.ones_like, params)
        updates, state = optimiser.update(gradient, state, params)
        return optax.apply_updates(params, updates), state

    params, _ = step(params, optimiser.init(params))
    np.testing.assert_array_equal(params["NAU_0"]["w"], -1)
    np.testing.assert_array_equal(params["NPU_0"]["gate"], 0)
    assert jnp.all(params["Dense_0"]["kernel"] < -5)


def test_train_state_and_equinox_loops_project():
    params, units = build("linen")
    optimiser = optax.chain(optax.sgd(100.0), models.projection(units))
    state = TrainState.create(apply_fn=LinenModel().apply, params=params, tx=optimiser)
    state = state.apply_gradients(grads=jax.tree.map(jnp.ones_like, params))
    np.testing.assert_array_equal(state.params["NAU_0"]["w"], -1)

    model, units = build("eqx")
    optimiser = optax.chain(optax.sgd(100.0), models.projection(units))
    arrays = eqx.filter(model, eqx.is_inexact_array)
    updates, _ = optimiser.update(jax.tree.map(jnp.ones_like, arrays), optimiser.init(arrays), arrays)
    np.testing.assert_array_equal(eqx.apply_updates(model, updates).layers[2].w, -1)


def test_nnx_models_project_in_place():
    model = nnx.Sequential(nalu_jax.nnx.NAU(2, 3, w_init=jax.nn.initializers.constant(2.0), rngs=nnx.Rngs(0)))
    units = nalu_jax.nnx.find_units(model)
    nnx.update(model, models.project(nnx.state(model, nnx.Param), units))
    np.testing.assert_array_equal(jax.tree.leaves(nnx.state(model))[0], 1)
    np.testing.assert_allclose(models.penalty(nnx.to_pure_dict(nnx.state(model, nnx.Param)), units), 0)


@fronts
def test_every_unit_is_found_alone(front, key):
    for unit in UNITS:
        cls = layer_class(front, unit)
        params = UNITS[unit].init(key, (3, 4))
        made = cls.from_params(params)
        if front == "linen":
            flags = {"deterministic": True} if UNITS[unit].train_apply else {}
            tree, units = params, nalu_jax.linen.find_units(made[0], key, jnp.ones((5, 3)), **flags)
        else:
            tree, units = made, FRONTS[front].find_units(made)
        assert {path: placed.unit.name for path, placed in units.items()} == {(): unit}
        np.testing.assert_allclose(models.penalty(tree, units), UNITS[unit].penalty(params), rtol=1e-6)


def test_shared_layers_count_once():
    class Twice(nn.Module):
        def setup(self):
            self.shared = nalu_jax.linen.NAU(3)

        def __call__(self, x):
            return self.shared(self.shared(x))

    key, x = jax.random.key(0), jnp.ones((5, 3))
    units = nalu_jax.linen.find_units(Twice(), key, x)
    assert list(units) == [("shared",)]
    layer = nalu_jax.nnx.NAU(3, 3, rngs=nnx.Rngs(0))
    model = nnx.Sequential(layer, layer)
    units = nalu_jax.nnx.find_units(model)
    np.testing.assert_allclose(
        models.penalty(nnx.state(model, nnx.Param), units), UNITS["nau"].penalty({"w": layer.w[...]})
    )


def _stacked(front) -> tuple[Any, Any, Any]:
    key, x = jax.random.key(0), jnp.ones((5, 3))
    if front == "linen":
        axes: Any = {"variable_axes": {"params": 0}, "split_rngs": {"params": True}, "in_axes": None, "axis_size": 4}

        class Model(nn.Module):
            @nn.compact
            def __call__(self, x):
                return nn.vmap(nalu_jax.linen.NAU, **axes)(2, name="nau")(x)

        return (
            Model().init(key, x)["params"]["nau"]["w"],
            Model().init(key, x)["params"],
            nalu_jax.linen.find_units(Model(), key, x),
        )
    keys = jax.random.split(key, 4)
    if front == "nnx":
        model = nnx.vmap(lambda key: nalu_jax.nnx.NAU(3, 2, rngs=nnx.Rngs(key)))(keys)
        return model.w[...], nnx.state(model, nnx.Param), nalu_jax.nnx.find_units(model)
    model = eqx.filter_vmap(lambda key: nalu_jax.eqx.NAU(3, 2, key=key))(keys)
    return model.w, model, nalu_jax.eqx.find_units(model)


@fronts
def test_stacked_layers_count_each_for_itself(front):
    w, params, units = _stacked(front)
    assert w.shape == (4, 3, 2)
    expected = sum(UNITS["nau"].penalty({"w": layer}) for layer in w)
    np.testing.assert_allclose(models.penalty(params, units), expected, rtol=1e-6)
    leaves = jax.tree.leaves(eqx.filter(models.project(enlarge(params), units), eqx.is_inexact_array))
    assert all(jnp.abs(leaf).max() <= 1 for leaf in leaves)


def test_layers_stacked_along_another_axis_are_an_error():
    params = {"w": jnp.ones((3, 4, 2))}
    units = nalu_jax.linen.find_units(nalu_jax.linen.NAU(2), jax.random.key(0), jnp.ones((5, 3)))
    with pytest.raises(
        ValueError, match=r"leaf 'w' of the nau at '' has shape \(3, 4, 2\), expected \(3, 2\).*first axis"
    ):
        models.penalty(params, units)


def test_find_units_under_transforms_without_computing(key):
    class Model(nn.Module):
        @nn.compact
        def __call__(self, x, train):
            x = nn.jit(nalu_jax.linen.NPU)(3)(x)
            x = nn.remat(nalu_jax.linen.NAU)(3, name="nau")(x)
            step = nn.scan(Step, variable_axes={"params": 0}, split_rngs={"params": True}, length=2)
            x, _ = step()(x, None)
            return nn.Dropout(0.5, deterministic=not train)(x)

    class Step(nn.Module):
        @nn.compact
        def __call__(self, x, _):
            return nalu_jax.linen.NMU(3)(x), None

    x = jax.ShapeDtypeStruct((5, 3), jnp.float32)
    rngs = {"params": key, "dropout": key}
    params = Model().init(rngs, jnp.ones((5, 3)), True)["params"]
    for _ in range(2):  # also when Flax and JAX have traced everything before
        units = nalu_jax.linen.find_units(Model(), rngs, x, True)
        assert [placed.unit.name for placed in units.values()] == ["npu", "nau", "nmu"]
        assert jnp.isfinite(models.penalty(params, units))


def test_boxed_params():
    boxed = nn.with_partitioning(jax.nn.initializers.constant(3.0), (None, "model"))
    model = nalu_jax.linen.NAU(2, w_init=boxed)
    key, x = jax.random.key(0), jnp.ones((5, 3))
    params, units = model.init(key, x)["params"], nalu_jax.linen.find_units(model, key, x)
    projected = models.project(params, units)
    assert isinstance(projected["w"], nn.Partitioned)
    np.testing.assert_array_equal(nn.unbox(projected)["w"], 1)


def test_errors_say_what_is_missing():
    params, units = build("linen")
    with pytest.raises(
        ValueError, match=r"no leaves \['gate', 'im', 're'\] of the npu at 'NPU_0'.*variables\[\"params\"\]"
    ):
        models.penalty({"params": params}, units)
    with pytest.raises(ValueError, match=r"no leaves \['w'\] of the nau at 'NAU_0'"):
        models.projection(units).init(params | {"NAU_0": {}})
    with pytest.raises(ValueError, match=r"scale has no entry for the unit 'nau', got \['npu'\]"):
        models.penalty(params, units, scale={"npu": 1.0})
    with pytest.raises(ValueError, match=r"needs the params"):
        models.projection(units).update(params, optax.EmptyState())


def test_a_part_of_the_units():
    params, units = build("linen")
    part = {path: placed for path, placed in units.items() if placed.unit.name == "nau"}
    np.testing.assert_allclose(models.penalty(params, part), UNITS["nau"].penalty(params["NAU_0"]))
    assert float(models.penalty(params, {})) == 0


def test_penalty_of_mixed_dtypes_is_in_the_widest():
    params, units = build("linen")
    params = params | {"NAU_0": jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), params["NAU_0"])}
    assert models.penalty(params, units).dtype == jnp.float32
