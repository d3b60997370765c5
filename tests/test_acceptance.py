"""The unit tests of NeuralArithmetic.jl as acceptance tests, with its data, optimisers, steps and tolerances.

Each layer 2 -> 3 sees ten samples and learns to return its first input on every output, or, for the gated units,
the product of its inputs. Optimisers are Flux's: RMSProp has its eps outside the square root.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nalu_jax import inalu, nac, naive_npu, nalu, nau, nmu, npu, real_naive_npu, real_npu

pytestmark = pytest.mark.usefixtures("standard_promotion")

SELECTOR = np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])  # (n_in, n_out): the first input, on every output
adam = functools.partial(optax.adam, eps=1e-8)
rmsprop = functools.partial(optax.rmsprop, decay=0.9, eps=1e-8, eps_in_sqrt=False)


def sum_of_squares(error):
    return jnp.sum(error**2)


def mean_of_squares(error):
    return jnp.mean(error**2)


def train(unit, optimiser, target, low, high, *, loss=sum_of_squares, steps=10_000, seed=0):
    """Params after full-batch steps on ten samples of U(low, high)."""
    params_key, data_key = jax.random.split(jax.random.key(seed))
    x = jax.random.uniform(data_key, (10, 2), minval=low, maxval=high)
    y = target(x)

    def step(state, _):
        params, moments = state
        gradient = jax.grad(lambda p: loss(unit.apply(p, x) - y))(params)
        updates, moments = optimiser.update(gradient, moments)
        return (optax.apply_updates(params, updates), moments), None

    @jax.jit
    def run():
        params = unit.init(params_key, (2, 3))
        return jax.lax.scan(step, (params, optimiser.init(params)), length=steps)[0][0]

    return run()


def first_input(x):
    return jnp.broadcast_to(x[:, :1], (10, 3))


def product(x):
    return jnp.broadcast_to(x[:, :1] * x[:, 1:], (10, 3))


@pytest.mark.slow
@pytest.mark.parametrize("unit", [nau.UNIT, nmu.UNIT.bind(w_init="uniform(0,1)")], ids=["nau", "nmu"])
def test_nau_and_nmu_learn_a_selector(unit):
    params = train(unit, adam(1e-3), first_input, 0, 1)
    np.testing.assert_allclose(unit.weights(params)["w"], SELECTOR, atol=1e-4)


@pytest.mark.slow
def test_nac_learns_a_selector():
    params = train(nac.UNIT, rmsprop(1e-3), first_input, 0, 1, loss=mean_of_squares)
    np.testing.assert_allclose(nac.weights(params)["w"], SELECTOR, atol=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("module", [npu, real_npu], ids=["npu", "real_npu"])
def test_npu_learns_the_exponent_and_the_gate(module):
    params = train(module.UNIT, rmsprop(1e-3), first_input, 0, 1)
    np.testing.assert_allclose(params["re"][0], np.ones(3), atol=1e-3)
    np.testing.assert_allclose(module.weights(params)["gate"], [1, 0], atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("module", [naive_npu, real_naive_npu], ids=["naive_npu", "real_naive_npu"])
def test_naive_npu_learns_the_exponents(module):
    params = train(module.UNIT, rmsprop(1e-3), first_input, 0, 1)
    np.testing.assert_allclose(params["re"], SELECTOR, atol=1e-3)


@pytest.mark.slow
def test_nalu_learns_a_product():
    params = train(nalu.UNIT, adam(1.0), product, 1, 2, loss=mean_of_squares, steps=2000)
    np.testing.assert_allclose(nalu.weights(params)["w_mul"], np.ones((2, 3)), atol=1e-2)
    x = jax.random.uniform(jax.random.key(9), (10, 2), minval=1, maxval=2)
    gate = jax.nn.sigmoid(x @ params["gate"] + jnp.broadcast_to(params["bias"], (10, 3)))
    np.testing.assert_allclose(gate, np.zeros((10, 3)), atol=1e-3)


@pytest.mark.slow
def test_inalu_learns_a_product():
    glorot = inalu.UNIT.bind(w_hat_init="glorot_uniform", m_hat_init="glorot_uniform", gate_init="glorot_uniform")
    params = train(glorot, adam(0.5), product, 1, 2, loss=mean_of_squares, steps=2000)
    np.testing.assert_allclose(inalu.weights(params)["w_mul"], np.ones((2, 3)), atol=1e-2)


@pytest.mark.parametrize(
    ("module", "count", "size"),
    [
        (nau, 1, 6),
        (nmu, 1, 6),
        (nac, 2, 12),
        (nalu, 4, 21),
        (inalu, 5, 30),
        (npu, 3, 14),
        (real_npu, 2, 8),
        (naive_npu, 2, 12),
        (real_naive_npu, 1, 6),
    ],
    ids=lambda value: value.UNIT.name if hasattr(value, "UNIT") else str(value),
)
def test_number_of_parameter_arrays_and_of_parameters(module, count, size):
    params = module.init(jax.random.key(0), (2, 3))
    assert len(params) == count
    assert sum(leaf.size for leaf in params.values()) == size
