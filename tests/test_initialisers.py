"""Published initialisations: their moments and bounds, from large samples, and the defaults of every unit."""

from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import ALL_UNITS, variants_of
from oracles import INITIAL

from nalu_jax import UNITS
from nalu_jax._front import init_option
from nalu_jax.units._initialisers import INITIALISERS, Name

SHAPE = (300, 200)
GLOROT = np.sqrt(6 / 500)
UNIFORM = {"glorot_uniform": (-GLOROT, GLOROT), "glorot_uniform_half": (-GLOROT, GLOROT), "uniform(0,1)": (0, 1)}
UNIFORM |= {"glorot_uniform_fifth": (-GLOROT / 5, GLOROT / 5), "uniform(0,0.1)": (0, 0.1)}
UNIFORM |= {"uniform(0.25,0.75)": (0.25, 0.75)}
NORMAL = {"normal(0,0.1)": (0, 0.1), "normal(1,0.1)": (1, 0.1), "normal(-1,0.1)": (-1, 0.1), "normal(0,0.2)": (0, 0.2)}
NORMAL |= {"normal(0.5,0.2)": (0.5, 0.2), "normal(0.88,0.2)": (0.88, 0.2)}
CONSTANT = {"zeros": 0, "half": 0.5, "ones": 1}

each_unit = pytest.mark.parametrize("unit", ALL_UNITS, ids=lambda unit: unit.name)


def sample(initialiser, shape=SHAPE):
    return np.asarray(UNITS["nau"].init(jax.random.key(0), shape, w_init=initialiser)["w"])


def assert_distribution(values, name):
    if name in CONSTANT:
        assert (values == CONSTANT[name]).all()
    elif name in UNIFORM:
        low, high = UNIFORM[name]
        margin = 0.05 * (high - low)
        assert low <= values.min() <= low + margin and high - margin <= values.max() <= high
        np.testing.assert_allclose(values.mean(), (low + high) / 2, atol=margin)
        np.testing.assert_allclose(values.std(), (high - low) / np.sqrt(12), rtol=0.05)
    else:
        mean, deviation = NORMAL[name]
        np.testing.assert_allclose(values.mean(), mean, atol=0.1 * deviation)
        np.testing.assert_allclose(values.std(), deviation, rtol=0.05)
        assert np.abs(values - mean).max() > 2.5 * deviation


@pytest.mark.parametrize("name", [*UNIFORM, *NORMAL, *CONSTANT])
def test_named_initialisers(name):
    assert_distribution(sample(name), name)


def test_names_are_those_that_a_type_checker_knows():
    assert set(INITIALISERS) == set(get_args(Name))


@each_unit
def test_defaults_are_those_of_the_source(unit):
    assert unit.name in INITIAL, f"tests/oracles.py: write down how the source of {unit.name} initialises its leaves"
    assert INITIAL[unit.name].keys() == unit.leaves((2, 3)).keys()
    for leaf, name in INITIAL[unit.name].items():
        assert unit.defaults[init_option(leaf)] == name


@each_unit
def test_every_initialiser_draws_its_own_leaves(unit, key):
    for variant in variants_of(unit):
        bound = unit.bind(**variant)
        default = bound.init(key, SHAPE)
        for option in {init_option(leaf) for leaf in default}:
            drawn = bound.init(key, SHAPE, **{option: lambda key, shape, dtype: jnp.full(shape, 7, dtype)})
            for leaf in default:
                expected = jnp.full_like(default[leaf], 7) if init_option(leaf) == option else default[leaf]
                np.testing.assert_array_equal(drawn[leaf], expected)


def test_orthogonal():
    for shape in ((300, 200), (200, 300)):
        values = sample("orthogonal", shape)
        small = values.T @ values if shape[0] > shape[1] else values @ values.T
        np.testing.assert_allclose(small, np.eye(200), atol=1e-5)
        np.testing.assert_array_equal(sample("identity_or_orthogonal", shape), values)
    np.testing.assert_array_equal(sample("identity_or_orthogonal", (3, 3)), np.eye(3))
    assert not np.array_equal(sample("orthogonal", (3, 3)), np.eye(3))
    gates = [UNITS["mc_fc"].init(jax.random.key(seed), (2, n))["gate"] for seed, n in enumerate((1, 1, 1, 1, 5, 50))]
    np.testing.assert_allclose([np.linalg.norm(gate) for gate in gates], 1, rtol=1e-6)
    assert {float(gate[0]) for gate in gates[:4]} == {-1.0, 1.0}


def test_orthogonal_in_half_precision():
    values = UNITS["nau"].init(jax.random.key(0), (8, 4), jnp.bfloat16, w_init="orthogonal")["w"]
    assert values.dtype == jnp.bfloat16
    values = np.asarray(values, np.float32)
    np.testing.assert_allclose(values.T @ values, np.eye(4), atol=0.02)


def test_glorot_normal_columns():
    """Each comparison of an NSR as the released code draws its only one: fans n_in and 1, and 1 and 1."""
    np.testing.assert_allclose(sample("glorot_normal_columns").std(), np.sqrt(2 / 301), rtol=0.02)
    params = UNITS["nsr"].init(jax.random.key(0), (3, 20000))
    np.testing.assert_allclose(params["first"].std(), np.sqrt(2 / 4), rtol=0.02)
    np.testing.assert_allclose(params["sign"].std(), 1, rtol=0.02)
    np.testing.assert_allclose(params["zero"].mean(), 0, atol=0.03)


def test_glorot_bound_is_limited_to_a_half():
    values = sample("glorot_uniform_half", (2, 1))
    assert np.abs(values).max() <= 0.5
    assert np.abs(sample("glorot_uniform_half", (3, 2000))).max() <= np.sqrt(6 / 2003)


def test_glorot_of_a_vector_counts_it_as_one_row():
    bias = np.asarray(UNITS["nalu"].init(jax.random.key(0), (2, 5000))["bias"])
    bound = np.sqrt(6 / 5001)
    assert 0.99 * bound <= np.abs(bias).max() <= bound


def test_beta():
    values = sample("beta")
    assert np.abs(values).max() < 1
    np.testing.assert_allclose(values.var(), 4 * 49 / (14**2 * 15), rtol=0.05)


@pytest.mark.parametrize(
    ("shape", "bound"),
    [((2, 1), 9.4714), ((2, 2), 9.4714), ((2, 6), 3.2874), ((10, 1), 2.2605), ((100, 1), 0.5066), ((100, 2), 0.5039)],
)
def test_variance_matched_bounds(shape, bound):
    """Bounds of U(-r, r) worked out for stable-nalu's rule; a thousand draws come within 1 % of the bound."""
    keys = jax.random.split(jax.random.key(0), 1000)
    draws = jax.vmap(lambda k: UNITS["nac"].init(k, shape, w_hat_init="variance_matched")["w_hat"])(keys)
    largest = float(jnp.abs(draws).max())
    assert 0.99 * bound <= largest <= bound * 1.0001


def test_variance_matched_weights_have_glorot_variance():
    params = UNITS["gnalu"].init(jax.random.key(0), SHAPE)
    w = np.tanh(params["w_hat"]) / (1 + np.exp(-params["m_hat"]))
    np.testing.assert_allclose(w.var(), 2 / 500, rtol=0.05)


def test_an_initialiser_of_ones_own():
    params = UNITS["npu"].init(jax.random.key(0), (2, 3), re_init=jax.nn.initializers.constant(0.7))
    np.testing.assert_array_equal(params["re"], np.full((2, 3), 0.7, np.float32))
