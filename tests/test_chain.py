"""Stacks of units."""

import jax
import jax.numpy as jnp
import numpy as np
from helpers import ALL_UNITS, assert_trees_close

from nalu_jax import UNITS, chain, fast, nau, npu, real_npu, snmu


def test_chain_is_one_unit_after_another(key):
    model = chain(npu, nau)
    params = model.init(key, (2, 6, 4))
    x = jax.random.normal(key, (3, 5, 2))
    npu_params, nau_params = params
    np.testing.assert_array_equal(model.apply(params, x), nau.apply(nau_params, npu.apply(npu_params, x)))
    assert model.apply(params, x).shape == (3, 5, 4)
    assert model.name == "chain(npu, nau)"


def test_chain_of_every_unit_under_jit_and_grad(key):
    model = chain(*ALL_UNITS)
    shape = (3, *[2] * len(ALL_UNITS))
    params = model.init(key, shape)
    x = jnp.full((4, 3), 0.5)
    value, gradient = jax.jit(jax.value_and_grad(lambda p: model.apply(p, x).sum()))(params)
    assert np.isfinite(float(value))
    assert jax.tree.structure(gradient) == jax.tree.structure(params)


def test_weights_penalty_and_project_are_those_of_the_units(key):
    model = chain(real_npu.bind(clamp="wg"), nau)
    params = jax.tree.map(lambda leaf: 3 * leaf, model.init(key, (2, 6, 4)))
    assert_trees_close(model.weights(params), (real_npu.weights(params[0]), nau.weights(params[1])), rtol=0)
    expected = real_npu.penalty(params[0]) + nau.penalty(params[1])
    np.testing.assert_allclose(model.penalty(params), expected, rtol=1e-6)
    projected = (real_npu.project(params[0], clamp="wg"), nau.project(params[1]))
    assert_trees_close(model.project(params), projected, rtol=0)
    assert float(jnp.abs(projected[0]["re"]).max()) <= 1


def test_training_pass_uses_the_noise_of_the_units_that_have_it(key):
    model = chain(nau, snmu)
    params = model.init(key, (3, 4, 2))
    x = jnp.ones((5, 3))
    noisy = model.train_apply(params, x, key=key)
    assert bool((noisy == model.train_apply(params, x, key=key)).all())
    assert not bool((noisy == model.train_apply(params, x, key=jax.random.key(1))).any())
    assert not bool((noisy == model.apply(params, x)).all())


def test_a_chain_of_chains_is_one_chain_of_all_their_units(key):
    inner = chain(real_npu, nau)
    outer = chain(inner, nau)
    assert outer == chain(real_npu, nau, nau) == chain(real_npu, chain(chain(nau), nau))
    params = outer.init(key, (2, 3, 2, 1))
    assert [sorted(part) for part in params] == [["gate", "re"], ["w"], ["w"]]
    x = jnp.ones((4, 2))
    np.testing.assert_array_equal(outer.apply(params, x), nau.apply(params[2], inner.apply(params[:2], x)))
    spec = fast(outer, (2, 3, 2, 1))
    np.testing.assert_array_equal(spec.apply(spec.ravel(params), x), outer.apply(params, x))


def test_params_restored_as_a_list(key):
    """Checkpoint libraries give tuples back as lists."""
    model = chain(npu, nau)
    params = model.init(key, (2, 3, 2))
    np.testing.assert_array_equal(model.apply(list(params), jnp.ones(2)), model.apply(params, jnp.ones(2)))


def test_bind_fixes_options_everywhere_they_are_taken(key):
    unit = UNITS["nalu"].bind(separate=True, use_bias=False, eps=1e-3)
    params = unit.init(key, (2, 3))
    assert list(params) == ["w_add_hat", "m_add_hat", "w_mul_hat", "m_mul_hat", "gate"]
    assert list(unit.leaves((2, 3))) == list(params)
    x = jnp.ones((4, 2))
    expected = UNITS["nalu"].apply(params, x, separate=True, use_bias=False, eps=1e-3)
    np.testing.assert_array_equal(unit.apply(params, x), expected)
    assert unit.options == (("eps", 1e-3), ("separate", True), ("use_bias", False))
    rebound = UNITS["nalu"].bind(eps=1.0).bind(separate=True, use_bias=False).bind(eps=1e-3)
    assert rebound == unit and hash(rebound) == hash(unit)
