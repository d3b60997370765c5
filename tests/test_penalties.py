"""The regularisers against plain NumPy, and their derivatives at kinks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nalu_jax import UNITS, penalties

W = np.array([[-1.3, -0.9, -0.2], [0.0, 0.4, 1.0], [1.2, 0.5, -1.0]])


def test_sparsity_of_a_nau():
    expected = np.minimum(np.abs(W), np.abs(1 - np.abs(W))).mean()
    np.testing.assert_allclose(penalties.sparsity(jnp.asarray(W)), expected, rtol=1e-6)


def test_sparsity_of_an_nmu():
    expected = np.minimum(np.abs(W), np.abs(1 - W)).mean()
    np.testing.assert_allclose(penalties.sparsity(jnp.asarray(W), targets=(0, 1)), expected, rtol=1e-6)


def test_sparsity_of_exponents():
    expected = np.abs(1 - np.abs(W)).mean()
    np.testing.assert_allclose(penalties.sparsity(jnp.asarray(W), targets=(-1, 1)), expected, rtol=1e-6)


def test_out_of_bounds():
    w = jnp.asarray(W)
    np.testing.assert_allclose(penalties.out_of_bounds(w, -1, 1), np.maximum(np.abs(W) - 1, 0).mean(), rtol=1e-6)
    expected = np.maximum(np.abs(W - 0.5) - 0.5, 0).mean()
    np.testing.assert_allclose(penalties.out_of_bounds(w, 0, 1), expected, rtol=1e-6)


def test_l1_and_frobenius_are_two_things():
    params = {"re": jnp.asarray(W), "gate": jnp.array([0.5, -2.0])}
    np.testing.assert_allclose(penalties.l1(params), np.abs(W).sum() + 2.5, rtol=1e-6)
    expected = np.linalg.norm(W) + np.linalg.norm([0.5, -2.0])
    np.testing.assert_allclose(penalties.frobenius(params), expected, rtol=1e-6)
    assert penalties.l1(params) != penalties.frobenius(params)


def test_frobenius_of_zeros_has_a_zero_gradient():
    gradient = jax.grad(penalties.frobenius)({"im": jnp.zeros((2, 3)), "re": jnp.ones((2, 3))})
    np.testing.assert_array_equal(gradient["im"], np.zeros((2, 3)))
    np.testing.assert_allclose(gradient["re"], np.full((2, 3), 1 / np.sqrt(6)), rtol=1e-6)


def test_away_from_zero():
    params = {"gate": jnp.array([0.0, 5.0, -25.0]), "w_hat": jnp.asarray(W)}
    expected = np.mean([20, 15, 0]) + np.mean(np.maximum(np.minimum(W, -W) + 20, 0))
    np.testing.assert_allclose(penalties.away_from_zero(params), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nau", np.minimum(np.abs(W), np.abs(1 - np.abs(W))).mean()),
        ("nru", np.minimum(np.abs(W), np.abs(1 - np.abs(W))).mean()),
        ("nmu", np.minimum(np.abs(W), np.abs(1 - W)).mean()),
        ("snmu", np.minimum(np.abs(W), np.abs(1 - W)).mean()),
        ("real_naive_npu", np.abs(W).sum()),
        ("nac", 0.0),
        ("nalu", 0.0),
        ("nsr", 0.0),
        ("dmu", 0.0),
        ("mc_fc", -(W**2).mean()),
        ("mul_mcfc", -(W**2).mean()),
    ],
)
def test_penalties_of_units(name, expected):
    """Of W in every matrix, and zeros in every vector."""
    unit = UNITS[name]
    leaves = unit.leaves((3, 3))
    params = {leaf: jnp.asarray(W) if shape == (3, 3) else jnp.zeros(shape) for leaf, shape in leaves.items()}
    np.testing.assert_allclose(unit.penalty(params), expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["mc_fc", "mul_mcfc"])
def test_a_mass_conserving_units_penalty_counts_its_gates(name):
    unit = UNITS[name]
    params = {leaf: jnp.full(shape, 2.0) for leaf, shape in unit.leaves((3, 2)).items()} | {
        "bias": jnp.array([3.0, 5.0])
    }
    np.testing.assert_allclose(unit.penalty(params), -(4 + 4 + 17), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "options", "ranges"),
    [
        ("nau", {}, {"w": (-1, 1)}),
        ("nru", {}, {"w": (-1, 1)}),
        ("nmu", {}, {"w": (0, 1)}),
        ("snmu", {}, {"w": (0, 1)}),
        ("nmru", {}, {"w": (0, 1)}),
        ("npu", {}, {}),
        ("npu", {"clamp": "w"}, {"re": (-1, 1)}),
        ("npu", {"clamp": "g"}, {"gate": (0, 1)}),
        ("npu", {"clamp": "wig"}, {"re": (-1, 1), "im": (-1, 1), "gate": (0, 1)}),
        ("real_npu", {"clamp": "wg"}, {"re": (-1, 1), "gate": (0, 1)}),
        ("naive_npu", {"clamp": "wi"}, {"re": (-1, 1), "im": (-1, 1)}),
        ("real_naive_npu", {"clamp": "w"}, {"re": (-1, 1)}),
        ("nac", {}, {}),
        ("inalu", {}, {}),
        ("mc_fc", {}, {}),
        ("mul_mcfc", {"sign": "real_npu"}, {}),
        ("nsr", {}, {}),
        ("dmu", {}, {}),
    ],
)
def test_projections_of_units(name, options, ranges):
    unit = UNITS[name].bind(**options)
    params = {leaf: 2 * jax.random.normal(jax.random.key(0), s) for leaf, s in unit.leaves((3, 4)).items()}
    for leaf, value in unit.project(params).items():
        expected = np.clip(params[leaf], *ranges[leaf]) if leaf in ranges else params[leaf]
        np.testing.assert_array_equal(value, expected)
