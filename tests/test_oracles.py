"""Values and gradients against independent NumPy formulas in float64 and complex128, and mpmath at 50 digits."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from helpers import VARIANTS, is_smooth, random_params, to_numpy, variant_id, within_domain
from oracles import ORACLES
from oracles import nru as nru_oracle

from nalu_jax import UNITS, nmru, nru, snmu

INPUTS = np.array(
    [[0.3, 1.7, 2.2], [-0.3, 1.7, -2.2], [5.0, -0.01, 1.0], [-1.0, -1.0, -1.0], [120.0, 0.5, -3e-3], [1e-6, 2.0, -0.7]]
)


@pytest.mark.parametrize("variant", VARIANTS, ids=variant_id)
@pytest.mark.parametrize("seed", range(3))
def test_value(variant, seed):
    name, options = variant
    with jax.enable_x64(True):
        unit = UNITS[name].bind(**options)
        params = random_params(unit, jax.random.key(seed), dtype=jnp.float64)
        actual = unit.apply(params, jnp.asarray(INPUTS))
        expected = ORACLES[name](to_numpy(params), INPUTS, **options)  # NaN where the variant is not defined
        np.testing.assert_allclose(np.asarray(actual), expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("variant", VARIANTS, ids=variant_id)
def test_value_float32(variant):
    name, options = variant
    unit = UNITS[name].bind(**options)
    params = random_params(unit, jax.random.key(0))
    eps32 = float(np.finfo(np.float32).eps)
    own_eps = {"eps": eps32} if unit.settings.get("eps", 0) is None else {}
    actual = unit.apply(params, jnp.asarray(INPUTS, jnp.float32))
    expected = ORACLES[name](to_numpy(params), INPUTS.astype(np.float32).astype(np.float64), **options, **own_eps)
    np.testing.assert_allclose(np.asarray(actual, np.float64), expected, rtol=3e-4, atol=1e-5)


@pytest.mark.parametrize("variant", [variant for variant in VARIANTS if is_smooth(*variant)], ids=variant_id)
def test_gradient_against_central_differences_of_the_oracle(variant):
    name, options = variant
    with jax.enable_x64(True):
        unit = UNITS[name].bind(**options)
        params = random_params(unit, jax.random.key(4), dtype=jnp.float64)
        params = {leaf: jnp.clip(value, 0.05, 0.95) for leaf, value in params.items()}
        x = within_domain(variant, INPUTS[:2])
        cotangent = np.array([[1.0, -0.5], [0.3, 2.0]])
        gradient = jax.grad(lambda p, x: (unit.apply(p, x) * cotangent).sum(), (0, 1))(params, jnp.asarray(x))

        def oracle(p, x):
            return (ORACLES[name](p, x, **options) * cotangent).sum()

        np_params, step = to_numpy(params), 1e-6
        for leaf, value in np_params.items():
            for index in np.ndindex(*value.shape):
                up, down = value.copy(), value.copy()
                up[index] += step
                down[index] -= step
                difference = (oracle(np_params | {leaf: up}, x) - oracle(np_params | {leaf: down}, x)) / (2 * step)
                np.testing.assert_allclose(gradient[0][leaf][index], difference, rtol=1e-6, atol=1e-7, err_msg=leaf)
        for index in np.ndindex(*x.shape):
            up, down = x.copy(), x.copy()
            up[index] += step
            down[index] -= step
            difference = (oracle(np_params, up) - oracle(np_params, down)) / (2 * step)
            np.testing.assert_allclose(gradient[1][index], difference, rtol=1e-6, atol=1e-7, err_msg="x")


@pytest.mark.parametrize("sign", ["inside", "separate"])
def test_nru_training_pass(sign):
    with jax.enable_x64(True):
        params = {"w": jnp.array([[0.7, -0.001], [-1.0, 0.0], [0.002, 1.0]])}
        actual = nru.train_apply(params, jnp.asarray(INPUTS), key=jax.random.key(0), sign=sign)
        expected = nru_oracle(to_numpy(params), INPUTS, sign=sign, training=True)
        np.testing.assert_allclose(np.asarray(actual), expected, rtol=1e-11)


def test_nmru_training_pass():
    with jax.enable_x64(True):
        eps = 1e-3
        params = random_params(nmru.UNIT, jax.random.key(0), dtype=jnp.float64)
        x = np.abs(INPUTS)
        w = np.clip(np.asarray(params["w"]), 0, 1)
        z = np.concatenate([x, 1 / (x + eps)], axis=1)
        expected = np.prod(z[:, :, None] * w[None] + (1 - w[None]), axis=1)
        actual = nmru.train_apply(params, jnp.asarray(x), key=jax.random.key(0), eps=eps)
        np.testing.assert_allclose(np.asarray(actual), expected, rtol=1e-11)


def test_snmu_training_pass_is_the_quotient_of_two_nmus():
    with jax.enable_x64(True):
        params = {"w": jnp.array([[0.7, 0.1], [1.0, 0.0], [0.2, 0.4]])}
        key, x = jax.random.key(5), jnp.asarray(INPUTS)
        noise = np.asarray(jax.random.uniform(key, x.shape, x.dtype, 2.0, 3.0))
        assert noise.min() >= 2 and noise.max() <= 3
        w = to_numpy(params)["w"]
        expected = np.prod(w * (INPUTS * noise)[..., None] + 1 - w, 1) / np.prod(w * noise[..., None] + 1 - w, 1)
        actual = snmu.train_apply(params, x, key=key, noise=(2.0, 3.0))
        np.testing.assert_allclose(np.asarray(actual), expected, rtol=1e-12)


@pytest.mark.parametrize("noise", [(1.0, 5.0), (0.01, 0.05), "batch"])
def test_snmu_noise_cancels_where_weights_are_discrete(noise):
    params = {"w": jnp.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])}
    x = jnp.asarray(INPUTS, jnp.float32)
    noisy = snmu.train_apply(params, x, key=jax.random.key(0), noise=noise)
    np.testing.assert_allclose(noisy, UNITS["snmu"].apply(params, x), rtol=1e-5)


def test_snmu_does_not_overflow_with_many_inputs():
    """Both products of the paper's form overflow float32 here: 5^100 = 8e69."""
    params = {"w": jnp.ones((100, 1))}
    y = snmu.train_apply(params, jnp.ones(100), key=jax.random.key(0))
    np.testing.assert_allclose(y, [1.0], rtol=1e-4)


def test_npu_at_fifty_digits():
    """One NPU row in mpmath: the float64 result is right to 13 digits, for inputs of both signs and of extreme size."""
    mpmath.mp.dps = 50
    re, im, gate = [0.5, -1.25, 2.0], [0.125, -0.25, 0.0], [1.0, 0.75, 1.0]
    rows = [[2.0, -3.0, 0.5], [-1e-8, 4.0, -1.0], [1e12, -1e-12, 3.0], [-7.0, -7.0, -7.0]]
    eps = mpmath.mpf(float(np.finfo(np.float64).eps))
    with jax.enable_x64(True):
        params = {"re": jnp.array(re)[:, None], "im": jnp.array(im)[:, None], "gate": jnp.array(gate)}
        actual = np.asarray(UNITS["npu"].apply(params, jnp.array(rows)))[:, 0]
    for row, value in zip(rows, actual, strict=True):
        exponent = mpmath.mpc(0)
        for x, a, b, g in zip(row, re, im, gate, strict=True):
            r = mpmath.mpf(g) * (abs(mpmath.mpf(x)) + eps) + (1 - mpmath.mpf(g))
            k = mpmath.mpf(g) * mpmath.pi * (x < 0)
            exponent += mpmath.mpc(a, b) * mpmath.mpc(mpmath.log(r), k)
        expected = mpmath.exp(exponent).real
        assert abs(value - expected) <= 1e-13 * abs(mpmath.exp(exponent))


@pytest.mark.parametrize("name", ["nmu", "nmru", "nru"])
def test_product_units_at_fifty_digits(name):
    mpmath.mp.dps = 50
    x = [-2.5, 0.3, 7.0]
    weights = {"nmu": [0.25, 0.5, 0.9], "nru": [0.25, -0.5, 0.9], "nmru": [0.25, 0.5, 0.9, 0.1, 0.7, 0.3]}[name]
    w = [mpmath.mpf(v) for v in weights]
    z = [mpmath.mpf(v) for v in x]
    if name == "nmu":
        expected = mpmath.fprod(a * b + 1 - a for a, b in zip(w, z, strict=True))
    elif name == "nru":
        expected = mpmath.fprod(mpmath.sign(b) * abs(b) ** a * abs(a) + 1 - abs(a) for a, b in zip(w, z, strict=True))
    else:
        z += [1 / v for v in z]
        phase = mpmath.pi * mpmath.fsum(a for a, b in zip(w, z, strict=True) if b < 0)
        expected = mpmath.fprod(abs(b) * a + 1 - a for a, b in zip(w, z, strict=True)) * mpmath.cos(phase)
    with jax.enable_x64(True):
        actual = float(UNITS[name].apply({"w": jnp.array(weights)[:, None]}, jnp.array(x))[0])
    assert abs(actual - expected) <= 1e-14 * abs(expected) * 10


def test_small_inputs_pass_through_product_units_exactly():
    """With w = 1 a factor is x itself: computed as (w x + 1) - w, x = 1e-6 lost two digits in float32."""
    x = jnp.array([1e-6, 3e-7, -2e-12])
    w = jnp.eye(3)
    np.testing.assert_array_equal(UNITS["nmu"].apply({"w": w}, x), x)
    np.testing.assert_allclose(UNITS["nru"].apply({"w": w}, x, eps=0.0), x, rtol=3e-6)
    reciprocal_rows = jnp.concatenate([w, jnp.zeros((3, 3))])
    np.testing.assert_allclose(UNITS["nmru"].apply({"w": reciprocal_rows}, x), x, rtol=1e-6)


def test_mc_fc_conserves_what_its_gates_let_pass():
    """Open gates: the outputs share out all of the inputs, and nothing more."""
    params = random_params(UNITS["mc_fc"], jax.random.key(0), (3, 4)) | {
        "gate": jnp.full(4, 30.0),
        "bias": jnp.zeros(4),
    }
    x = jnp.asarray(INPUTS, jnp.float32)
    np.testing.assert_allclose(UNITS["mc_fc"].apply(params, x).sum(-1), x.sum(-1), rtol=1e-5)


def test_signs_of_mul_mcfc_are_one_function_of_positive_inputs():
    """So that its default, which has a value everywhere, is the paper's unit wherever that one has a value."""
    unit = UNITS["mul_mcfc"]
    params = random_params(unit, jax.random.key(0))
    x = jnp.abs(jnp.asarray(INPUTS, jnp.float32))
    expected = unit.bind(sign="none").apply(params, x)
    np.testing.assert_allclose(unit.apply(params, x), expected, rtol=1e-6)
    gated = params | {"sign_gate": jnp.array([0.2, 1.0, 0.7])}
    np.testing.assert_allclose(unit.bind(sign="real_npu").apply(gated, x), expected, rtol=1e-6)
    assert bool(jnp.isnan(unit.bind(sign="none").apply(params, -x)).all())


@pytest.mark.parametrize(
    ("sign", "zero", "compare"),
    [
        (20.0, -10.0, np.greater),
        (-20.0, -10.0, np.less),
        (20.0, 10.0, np.greater_equal),
        (-20.0, 10.0, np.less_equal),
        (0.0, 20.0, np.equal),
        (0.0, -20.0, np.not_equal),
    ],
)
def test_an_nsr_is_every_comparison_of_its_paper(sign, zero, compare):
    select = jnp.array([[50.0], [0.0], [0.0]])
    params = {"first": select, "second": jnp.roll(select, 2, 0), "sign": jnp.array([sign])}
    params |= {"zero": jnp.array([zero]), "bias": jnp.zeros(1)}
    x = jnp.array([[a, -7.0, b] for a in (1.0, 5.0, 9.0) for b in (1.0, 5.0, 9.0)])
    np.testing.assert_allclose(UNITS["nsr"].apply(params, x)[:, 0], compare(x[:, 0], x[:, 2]), atol=1e-4)


@pytest.mark.parametrize("gate_form", ["soft", "hard"])
def test_a_discrete_dmu_is_exact(gate_form):
    """Sum, difference, product and quotient of inputs of both signs; a gate of 60 to 0 is hard in float32."""
    unit = UNITS["dmu"].bind(select_form="rounded", gate_form=gate_form)
    select = jnp.array([[0.9, 0.8, 1.2, 0.6], [0.7, -0.9, 0.8, -0.6]])
    gate = jnp.array([[60.0, 60.0, 0.0, 0.0], [0.0, 0.0, 60.0, 60.0]])
    x = jnp.array([[3.0, -4.0], [-0.5, -8.0], [2.0, 7.0]])
    a, b = np.asarray(x).T
    expected = np.stack([a + b, a - b, a * b, a / b], -1)
    np.testing.assert_allclose(unit.apply({"select": select, "gate": gate}, x), expected, rtol=1e-6)


def test_gradients_pass_straight_through_the_steps_of_a_dmu(key):
    """They are those of the unit without steps at the rounded select and at a gate that is as good as hard."""
    discrete = UNITS["dmu"].bind(select_form="rounded")
    params = random_params(discrete, key)
    x = jnp.asarray(INPUTS[:2], jnp.float32)
    gradient = lambda unit, p: jax.grad(lambda p: unit.apply(p, x).sum())(p)
    rounded = params | {"select": jnp.clip(jnp.round(params["select"]), -1, 1)}
    actual, expected = gradient(discrete, params), gradient(UNITS["dmu"], rounded)
    np.testing.assert_allclose(actual["select"], expected["select"], rtol=1e-5, atol=1e-5)
    assert bool((gradient(UNITS["dmu"].bind(gate_form="hard"), params)["gate"] != 0).all())
