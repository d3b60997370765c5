"""Equinox layers among Equinox's own: composition, transforms, inference mode, checkpoints in one process, optax."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from front_helpers import assert_same, inputs

from nalu_jax import UNITS, npu, snmu
from nalu_jax.eqx import INALU, NALU, NAU, NMRU, NMU, NPU, SNMU


def test_leaves_are_attributes(key):
    layer = NPU(2, 6, key=key)
    assert_same({"re": layer.re, "im": layer.im, "gate": layer.gate}, npu.init(key, (2, 6)))
    assert len(jax.tree.leaves(layer)) == 3


@pytest.mark.parametrize("cls", [NALU, INALU])
def test_leaves_that_the_options_leave_out_are_none(cls, key):
    layer = cls(2, 6, separate=True, key=key)
    assert layer.w_hat is None and layer.w_add_hat.shape == (2, 6)
    layer = cls(2, 6, separate=False, key=key)
    assert layer.w_add_hat is None and layer.w_hat.shape == (2, 6)


def test_equal_layers_have_equal_tree_structures(key):
    init = lambda: jax.nn.initializers.normal()  # a new function every time, which must not count
    a, b = (NPU(2, 6, domain="positive", re_init=init(), key=key) for _ in range(2))
    assert (
        jax.tree.structure(a)
        == jax.tree.structure(b)
        == jax.tree.structure(NPU.from_params(a.params(), domain="positive"))
    )
    assert jax.tree.structure(a) != jax.tree.structure(NPU(2, 6, key=key))


def test_sequential_with_layers_of_equinox(key):
    keys = jax.random.split(key, 3)
    model = eqx.nn.Sequential(
        [eqx.nn.Linear(2, 3, key=keys[0]), SNMU(3, 4, key=keys[1]), eqx.nn.Lambda(jnp.tanh), NAU(4, 1, key=keys[2])]
    )
    x = jnp.ones((5, 2))
    assert jax.vmap(lambda x: model(x, key=key))(x).shape == (5, 1)
    assert jax.vmap(eqx.nn.inference_mode(model))(x).shape == (5, 1)


def test_vmap_over_the_batch_equals_the_batch(key):
    params, x = inputs("npu")
    layer = NPU.from_params(params)
    size = jnp.exp(npu.log_polar(params, x)[0])  # of exp(u) cos(v), whose cosine may be near 0
    np.testing.assert_array_less(abs(jax.vmap(layer)(x) - layer(x)), 1e-6 * size)


def test_ensembles_equal_the_layers_one_by_one(key):
    keys = jax.random.split(key, 3)
    stacked = eqx.filter_vmap(lambda key: NPU(3, 4, key=key))(keys)
    _, x = inputs("npu")
    y = eqx.filter_vmap(lambda layer, x: layer(x), in_axes=(eqx.if_array(0), None))(stacked, x)
    for i in range(3):
        np.testing.assert_allclose(y[i], npu.apply(npu.init(keys[i], (3, 4)), x), rtol=1e-5)


def test_scan_over_layers_equals_the_layers_one_by_one(key):
    stacked = eqx.filter_vmap(lambda key: NAU(3, 3, key=key))(jax.random.split(key, 4))
    arrays, static = eqx.partition(stacked, eqx.is_array)
    _, x = inputs("nau")
    y, _ = jax.lax.scan(lambda x, layer: (eqx.combine(layer, static)(x), None), x, arrays)
    w = stacked.w
    np.testing.assert_allclose(y, x @ w[0] @ w[1] @ w[2] @ w[3], rtol=1e-4, atol=1e-6)


def test_inference_in_the_constructor_the_call_and_the_mode_of_the_model(key):
    params, x = inputs("snmu")
    layer, expected = SNMU.from_params(params), snmu.apply(params, x)
    noisy = snmu.train_apply(params, x, key=key)
    assert_same(layer(x, key=key), noisy)
    assert_same(layer(x, inference=True), expected)
    assert_same(eqx.nn.inference_mode(layer)(x), expected)
    assert_same(SNMU.from_params(params, inference=True)(x), expected)
    assert_same(SNMU.from_params(params, inference=True)(x, key=key, inference=False), noisy)


def test_units_without_noise_train_without_a_key():
    params, x = inputs("nmru")
    train_apply = UNITS["nmru"].train_apply
    assert train_apply is not None
    assert_same(NMRU.from_params(params)(x), train_apply(params, x, key=jax.random.key(0)))


def test_stacked_layers_outside_vmap_are_an_error(key):
    stacked = eqx.filter_vmap(lambda key: NAU(3, 3, key=key))(jax.random.split(key, 4))
    with pytest.raises(ValueError, match=r"NAU\(3, 3\): leaf 'w' has shape \(4, 3, 3\), expected \(3, 3\)"):
        stacked(jnp.ones((5, 3)))


def test_from_params_under_jit(key):
    params, x = inputs("nmu")
    assert_same(
        jax.jit(lambda params: NMU.from_params(params)(x))(params), jax.jit(lambda x: NMU.from_params(params)(x))(x)
    )


def test_optax_loop_learns_a_sum(key):
    x = jax.random.uniform(key, (64, 3))
    target = x[:, :1] + x[:, 1:2]
    optimiser = optax.sgd(0.3, momentum=0.9)

    @eqx.filter_jit
    def step(model, state):
        gradient = eqx.filter_grad(lambda model: ((model(x) - target) ** 2).mean())(model)
        updates, state = optimiser.update(gradient, state, eqx.filter(model, eqx.is_inexact_array))
        return eqx.apply_updates(model, updates), state

    model = NAU(3, 1, key=key)
    state = optimiser.init(eqx.filter(model, eqx.is_inexact_array))
    for _ in range(200):
        model, state = step(model, state)
    np.testing.assert_allclose(model.w, [[1], [1], [0]], atol=2e-3)
