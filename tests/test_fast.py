"""The flat-vector view: to the last bit the numbers of the units, Julia's order, and optimisers on theta."""

import inspect
import pickle
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optimistix
import pytest
import scipy.optimize
from helpers import VARIANTS, random_params, variant_id, variants_of, within_domain

import nalu_jax
from nalu_jax import UNITS, chain, fast, fast_chain, fast_nau, fast_npu, fast_real_npu, nau, npu, real_npu

SPEC = fast_chain(fast_npu(3, 5), fast_nau(5, 3))


@pytest.mark.parametrize("variant", VARIANTS, ids=variant_id)
def test_values_and_gradients_are_the_units_to_the_last_bit(variant, key, x64):
    name, options = variant
    unit, dtype = UNITS[name].bind(**options), jnp.float64 if x64 else jnp.float32
    spec = fast(unit, (3, 2))
    params = random_params(unit, key, dtype=dtype)
    x = within_domain(variant, jax.random.normal(jax.random.key(1), (2, 4, 3), dtype))
    theta = spec.ravel(params)
    assert theta.shape == (spec.size,) and theta.dtype == dtype
    assert jax.tree.all(jax.tree.map(jnp.array_equal, spec.unravel(theta), params))

    of_unit = jax.value_and_grad(lambda params, x: jnp.sin(unit.apply(params, x)).sum(), (0, 1))
    value, (params_gradient, x_gradient) = of_unit(params, x)
    for prepare in (lambda theta: theta, spec.prepare):
        loss = lambda theta, x, prepare=prepare: jnp.sin(spec.apply(prepare(theta), x)).sum()
        fast_value, (theta_gradient, fast_x_gradient) = jax.value_and_grad(loss, (0, 1))(theta, x)
        assert fast_value == value
        assert jnp.array_equal(fast_x_gradient, x_gradient)
        assert jnp.array_equal(theta_gradient, spec.ravel(params_gradient))


def test_a_chain_is_its_units(key):
    model = chain(npu.bind(domain="positive"), UNITS["nalu"], nau)
    spec = fast(model, (2, 4, 3, 2))
    params = model.init(key, (2, 4, 3, 2))
    theta = spec.ravel(params)
    x = jax.random.uniform(key, (5, 2), minval=0.5, maxval=2.0)
    assert jnp.array_equal(spec.init(key), theta)
    assert jnp.array_equal(spec.apply(theta, x), model.apply(params, x))
    assert jnp.array_equal(spec.apply(spec.prepare(theta), x), model.apply(params, x))
    joined = fast_chain(fast_npu(2, 4, domain="positive"), fast(UNITS["nalu"], (4, 3)), fast_nau(3, 2))
    assert joined == spec and fast_chain(fast_chain(joined)) == spec


def test_specs_are_static(key):
    again = fast(chain(npu, nau), [3, 5, 3])
    assert again == SPEC and hash(again) == hash(SPEC) and pickle.loads(pickle.dumps(SPEC)) == SPEC
    traces = []

    def apply(spec, theta, x):
        traces.append(spec)
        return spec.apply(theta, x)

    compiled = jax.jit(apply, static_argnums=0)
    theta = SPEC.init(key)
    for spec in (SPEC, again):
        compiled(spec, theta, jnp.ones(3))
    assert len(traces) == 1


def julia_chain(theta, x, n_in, n_hidden, n_out):
    """FastNPU(n_in, n_hidden), then FastNAU(n_hidden, n_out), in complex128, from column-major (out, in) matrices."""
    theta = np.asarray(theta, np.float64)
    size = n_in * n_hidden
    re = theta[:size].reshape(n_hidden, n_in, order="F")
    im = theta[size : 2 * size].reshape(n_hidden, n_in, order="F")
    gate = np.clip(theta[2 * size : 2 * size + n_in], 0, 1)
    w = theta[2 * size + n_in :].reshape(n_out, n_hidden, order="F")
    r = gate * (np.abs(x) + 2.0**-52) + 1 - gate
    log_r = np.log(r) + 1j * np.pi * gate * (x < 0)
    return w @ np.exp((re + 1j * im) @ log_r).real


def test_flat_order_is_neural_arithmetic_jls():
    with jax.enable_x64(True):
        generator = np.random.default_rng(0)
        re, im, w = generator.normal(size=(5, 3)), generator.normal(size=(5, 3)), generator.normal(size=(2, 5))
        gate = generator.uniform(-0.3, 1.3, 3)
        theta = np.concatenate([re.ravel("F"), im.ravel("F"), gate, w.ravel("F")])  # vec(Re), vec(Im), g, vec(W)
        spec = fast_chain(fast_npu(3, 5), fast_nau(5, 2))
        for x in ([0.7, 1.3, 2.1], [-0.7, 1.3, -2.1]):
            expected = julia_chain(theta, np.array(x), 3, 5, 2)
            np.testing.assert_allclose(spec.apply(theta, jnp.array(x)), expected, rtol=1e-13)
        real = np.concatenate([re.ravel("F"), gate])
        no_im = np.concatenate([re.ravel("F"), 0 * im.ravel("F"), gate, np.eye(5).ravel("F")])
        np.testing.assert_allclose(
            fast_real_npu(3, 5).apply(real, jnp.array(x)), julia_chain(no_im, np.array(x), 3, 5, 5), rtol=1e-13
        )


@pytest.mark.parametrize(("spec", "size"), [(fast_nau(2, 3), 6), (fast_npu(2, 3), 14), (fast_real_npu(2, 3), 8)])
def test_lengths_are_neural_arithmetic_jls(spec, size):
    assert spec.size == size


def targets(dtype=jnp.float64):
    """Inputs and outputs of x0 x1, x0 and x1 / x2, and a theta nearby."""
    x = jax.random.uniform(jax.random.key(0), (40, 3), dtype, 0.5, 2.0)
    y = jnp.stack([x[:, 0] * x[:, 1], x[:, 0], x[:, 1] / x[:, 2]], 1)
    spec = fast_chain(fast_real_npu(3, 3, domain="positive"), fast_nau(3, 3))
    exact = spec.ravel(
        (
            {"re": jnp.array([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 0.0, -1.0]], dtype), "gate": jnp.ones(3, dtype)},
            {"w": jnp.eye(3, dtype=dtype)},
        )
    )
    start = exact + 0.1 * jax.random.normal(jax.random.key(1), exact.shape, dtype)
    return spec, x, y, start


def residuals(theta, problem):
    spec, x, y = problem
    return (spec.apply(theta, x) - y).ravel()


def loss(theta, problem):
    return (residuals(theta, problem) ** 2).mean()


def lbfgs(problem, start):
    optimiser = optax.lbfgs()
    value_and_grad = optax.value_and_grad_from_state(lambda theta: loss(theta, problem))

    def step(carry, _):
        theta, state = carry
        value, gradient = value_and_grad(theta, state=state)
        updates, state = optimiser.update(
            gradient, state, theta, value=value, grad=gradient, value_fn=lambda theta: loss(theta, problem)
        )
        return (optax.apply_updates(theta, updates), state), None

    return jax.lax.scan(step, (start, optimiser.init(start)), None, length=200)[0][0]


def bfgs(problem, start):
    function = lambda theta, _: loss(theta, problem)
    return optimistix.minimise(function, optimistix.BFGS(1e-10, 1e-12), start, max_steps=500, throw=False).value


def levenberg_marquardt(problem, start):
    function = lambda theta, _: residuals(theta, problem)
    solver = optimistix.LevenbergMarquardt(1e-10, 1e-12)
    return optimistix.least_squares(function, solver, start, max_steps=100, throw=False).value


def scipy_bfgs(problem, start):
    function = jax.jit(jax.value_and_grad(lambda theta: loss(theta, problem)))
    return scipy.optimize.minimize(function, np.asarray(start), jac=True, method="BFGS", options={"gtol": 1e-9}).x


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("optimise", [lbfgs, bfgs, levenberg_marquardt, scipy_bfgs])
def test_optimisers_take_theta(optimise):
    with jax.enable_x64(True):
        *problem, start = targets()
        assert loss(optimise(problem, start), problem) < 1e-3 * loss(start, problem)  # a flat valley: gate and re share


def test_a_batch_of_thetas_is_vmap(key):
    thetas = jax.vmap(SPEC.init)(jax.random.split(key, 4))
    x = jax.random.normal(key, (4, 3))
    together = jax.vmap(SPEC.apply)(thetas, x)
    alone = jnp.stack([SPEC.apply(theta, row) for theta, row in zip(thetas, x, strict=True)])
    np.testing.assert_allclose(together, alone, rtol=1e-6)


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: fast(cast(Any, 3), (3, 5)), TypeError, "expected a unit"),
        (lambda: fast(npu, (3,)), ValueError, "2 sizes"),
        (lambda: fast(npu, (3, 0)), ValueError, "at least 1"),
        (lambda: fast(chain(npu, nau), (3, 5)), ValueError, "3 sizes"),
        (lambda: cast(Any, fast_npu)(3, 5, dominion=1), TypeError, "unexpected keyword argument 'dominion'"),
        (lambda: fast_chain(), TypeError, "expected specs"),
        (lambda: fast_chain(cast(Any, npu)), TypeError, "expected specs"),
        (lambda: fast_chain(fast_npu(3, 5), fast_nau(4, 3)), ValueError, "gives 5 outputs .* takes 4"),
        (lambda: SPEC.apply(jnp.ones(7), jnp.ones(3)), ValueError, r"theta has shape \(7,\), expected \(48,\)"),
        (lambda: SPEC.prepare(jnp.ones((2, 48))), ValueError, "vmap"),
        (lambda: SPEC.unravel(jnp.ones(48, int)), TypeError, "real floating"),
        (lambda: SPEC.apply(jnp.ones(48), jnp.ones(4)), ValueError, r"expected \(\.\.\., 3\)"),
        (lambda: SPEC.apply(jnp.ones(48, jnp.bfloat16), jnp.ones(3)), TypeError, "theta is bfloat16 and x is float32"),
        (lambda: fast_nau(2, 3).vector_field(0.0, jnp.ones(2), jnp.ones(6)), ValueError, "n_in == n_out"),
        (lambda: SPEC.ravel({"w": jnp.ones(3)}), ValueError, "tuple of 2"),
        (lambda: fast_nau(2, 3).ravel({"v": jnp.ones((2, 3))}), ValueError, r"leaves \['w'\], got \['v'\]"),
        (lambda: fast_nau(2, 3).ravel({"w": jnp.ones((3, 2))}), ValueError, r"shape \(3, 2\), expected \(2, 3\)"),
        (
            lambda: fast_real_npu(1, 1).ravel({"re": jnp.ones((1, 1)), "gate": jnp.ones(1, jnp.bfloat16)}),
            TypeError,
            "one dtype",
        ),
    ],
)
def test_bad_input_says_what_was_expected(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize(("make", "unit"), [(fast_nau, nau), (fast_npu, npu), (fast_real_npu, real_npu)])
def test_makers_take_the_options_of_bind(make, unit):
    parameters = list(inspect.signature(make).parameters.values())
    assert [p.name for p in parameters[:2]] == ["n_in", "n_out"]
    assert parameters[2:] == list(inspect.signature(unit.bind).parameters.values())
    assert make(3, 5) == fast(unit, (3, 5))
    options = {p.name: "ones" for p in parameters if p.name.endswith("_init")} | variants_of(unit.UNIT)[-1]
    assert make(3, 5, **options) == fast(unit.bind(**options), (3, 5))


def test_public_names():
    assert nalu_jax.fast is fast and nalu_jax.Fast is type(fast(npu, (3, 5)))
