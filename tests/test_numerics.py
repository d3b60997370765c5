"""Each guarded function: value and derivatives at the bad point, and the plain function away from it."""

import functools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from nalu_jax import _cosine, _numerics


@pytest.fixture(params=["x32-bfloat16", "x32-float32", "x64-float64"])
def dtype(request):
    mode, name = request.param.split("-")
    with jax.enable_x64(mode == "x64"):
        yield jnp.dtype(name)


def derivatives(function, x):
    """(value, reverse, forward, second derivative) of a scalar function at the scalar x."""
    one = jnp.ones((), x.dtype)
    return (
        float(function(x)),
        float(jax.grad(function)(x)),
        float(jax.jvp(function, (x,), (one,))[1]),
        float(jax.grad(jax.grad(function))(x)),
    )


def at(value, dtype):
    return jnp.asarray(value, dtype)


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_absolute_at_zero(zero, dtype):
    assert derivatives(_numerics.absolute, at(zero, dtype)) == (0, 0, 0, 0)


@pytest.mark.parametrize("x", [-2.0, 3.0, 1e30, -1e30])
def test_absolute_elsewhere(x, dtype):
    x = at(x, dtype)
    assert derivatives(_numerics.absolute, x) == (abs(float(x)), np.sign(float(x)), np.sign(float(x)), 0)


def test_magnitude_in_the_positive_domain(dtype):
    def positive(x):
        return _numerics.magnitude(x, True)

    assert derivatives(positive, at(2, dtype)) == (2, 1, 1, 0)
    assert derivatives(positive, at(0, dtype)) == (0, 0, 0, 0)
    assert np.isnan(float(positive(at(-1e-3, dtype))))
    assert float(_numerics.magnitude(at(-2, dtype), False)) == 2


@pytest.mark.parametrize(("x", "expected"), [(0.0, 1), (-0.0, 1), (5.0, 1), (-5.0, -1)])
def test_sign(x, expected, dtype):
    assert derivatives(_numerics.sign, at(x, dtype)) == (expected, 0, 0, 0)


@pytest.mark.parametrize("function", [_numerics.sign, _numerics.absolute, _numerics.log])
def test_nan_stays_nan(function, dtype):
    assert np.isnan(float(function(at(np.nan, dtype))))


@pytest.mark.parametrize(("x", "expected"), [(-3.0, 0), (0.0, 0), (0.25, 0.25), (1.0, 1), (7.0, 1), (1e30, 1)])
def test_clip_straight_through(x, expected, dtype):
    """1e30: written as x + (clip(x) - x), a large x swallows the clipped value and gives 0."""

    def clip(x):
        return _numerics.clip_straight_through(x, 0, 1)

    assert derivatives(clip, at(x, dtype)) == (expected, 1, 1, 0)


def test_clip_straight_through_as_in_julia():
    """NeuralArithmetic.jl's test of gateclip."""
    g = jnp.array([1.5, 0.5, -0.5])
    np.testing.assert_array_equal(_numerics.clip_straight_through(g, 0, 1), [1, 0.5, 0])
    gradient = jax.grad(lambda g: _numerics.clip_straight_through(g, 0, 1).sum())(g)
    np.testing.assert_array_equal(gradient, [1, 1, 1])


@pytest.mark.parametrize(("x", "value", "slope"), [(1.0, 1, 1), (2.0, 2, 1), (3.0, 2, 0)])
def test_minimum(x, value, slope, dtype):
    assert derivatives(lambda x: _numerics.minimum(x, 2.0), at(x, dtype)) == (value, slope, slope, 0)


@pytest.mark.parametrize(("x", "value", "slope"), [(3.0, 3, 1), (2.0, 2, 1), (1.0, 2, 0)])
def test_maximum(x, value, slope, dtype):
    assert derivatives(lambda x: _numerics.maximum(x, 2.0), at(x, dtype)) == (value, slope, slope, 0)


def test_minimum_and_maximum_keep_nan(dtype):
    assert np.isnan(float(_numerics.minimum(at(np.nan, dtype), 2.0)))
    assert np.isnan(float(_numerics.maximum(at(np.nan, dtype), 2.0)))


def test_log_at_zero_and_below_the_normal_numbers(dtype):
    tiny = float(jnp.finfo(dtype).tiny)
    for x in (0.0, tiny / 4):
        value, *slopes = derivatives(_numerics.log, at(x, dtype))
        np.testing.assert_allclose(value, np.log(tiny), rtol=1e-2)
        assert slopes == [0, 0, 0]


def test_log_elsewhere(dtype):
    value, reverse, forward, second = derivatives(_numerics.log, at(4, dtype))
    np.testing.assert_allclose([value, reverse, forward, second], [np.log(4), 1 / 4, 1 / 4, -1 / 16], rtol=1e-2)


def test_machine_epsilon(dtype):
    x = at(1, dtype)
    assert _numerics.machine_epsilon(x, None) == float(jnp.finfo(dtype).eps)
    assert _numerics.machine_epsilon(x, 0.5) == 0.5


def test_matmul_asks_for_the_highest_precision():
    a, b = jnp.ones((2, 3)), jnp.ones((3, 4))
    assert "HIGHEST" in str(jax.make_jaxpr(_numerics.matmul)(a, b))


@pytest.mark.parametrize("n_in", [1, 3, 8, 9])
def test_matmul_of_a_vector_has_the_value_and_the_derivatives_of_the_product(n_in, dtype):
    """Of few rows it is a sum of them, of more a product: both against NumPy, in both modes."""
    generator = np.random.default_rng(n_in)
    x, w, weights = generator.normal(size=n_in), generator.normal(size=(n_in, 5)), generator.normal(size=5)
    tolerance = 4 * n_in * float(jnp.finfo(dtype).eps)
    close = functools.partial(np.testing.assert_allclose, rtol=tolerance, atol=4 * tolerance)
    x, w, weights = (np.asarray(jnp.asarray(array, dtype), np.float64) for array in (x, w, weights))
    arrays = [jnp.asarray(array, dtype) for array in (x, w, weights)]
    value, pull = jax.vjp(_numerics.matmul, *arrays[:2])
    assert value.dtype == dtype
    close(value.astype(float), x @ w)
    for actual, expected in zip(pull(arrays[2]), (w @ weights, np.outer(x, weights)), strict=True):
        close(actual.astype(float), expected)
    push = jax.jvp(_numerics.matmul, arrays[:2], arrays[:2])[1]
    close(push.astype(float), 2 * x @ w)


def test_cosine_of_half_turns_and_its_derivatives(dtype):
    """Against mpmath at points all over, and at the floats next to multiples of 1 / 2, where digits cancel."""
    generator = np.random.default_rng(0)
    scales = [1.0, 10.0, 1e3, 1e6]
    points = [generator.uniform(-scale, scale, 300) for scale in scales]
    halves = [np.round(generator.uniform(-scale, scale, 100) * 2) / 2 for scale in scales]
    points += halves + [half * (1 + float(jnp.finfo(dtype).eps)) for half in halves]
    s = jnp.asarray(np.concatenate(points), dtype)
    slope = jax.vmap(jax.grad(_cosine.cosine_of_half_turns))(s)
    curvature = jax.vmap(jax.grad(jax.grad(_cosine.cosine_of_half_turns)))(s)
    with mpmath.workprec(200):
        exact = [mpmath.mpf(float(value)) for value in s]
        cosines, sines = (np.array([float(f(value)) for value in exact]) for f in (mpmath.cospi, mpmath.sinpi))
    digits = 4 * float(jnp.finfo(dtype).eps)
    values = [(_cosine.cosine_of_half_turns(s), cosines), (slope, -np.pi * sines), (curvature, -(np.pi**2) * cosines)]
    for actual, expected in values:
        assert actual.dtype == dtype
        np.testing.assert_allclose(actual.astype(float), expected, rtol=digits, atol=0)


def test_cosine_of_half_turns_at_special_points(dtype):
    s = jnp.asarray([0.0, -0.0, 0.5, 1.5, -1.0, 1e30, np.inf, -np.inf, np.nan], dtype)
    expected = [1, 1, 0, 0, -1, 1, np.nan, np.nan, np.nan]
    np.testing.assert_array_equal(_cosine.cosine_of_half_turns(s).astype(float), expected)


def test_the_series_is_that_of_the_cpu_and_agrees_with_the_platforms_own():
    r = jnp.linspace(-np.pi / 4, np.pi / 4, 1001)
    for ours, native in zip(_cosine._series(r), (jnp.cos(r), jnp.sin(r)), strict=True):
        np.testing.assert_allclose(ours, native, rtol=3e-7, atol=1e-7)


@pytest.mark.parametrize(("turns", "expected"), [(0.5, 0.0), (1.5, 0.0), (0.25, np.inf), (1.0, -np.inf)])
def test_exponential_keeps_what_the_cosine_takes_back(turns, expected):
    """exp(100) is out of range: times cos(pi / 2) = 0 it is 0 all the same."""
    assert float(_cosine.exponential(jnp.float32(100.0), jnp.float32(turns))) == expected


def test_exponential_and_its_derivatives(dtype):
    u, s = at(1.5, dtype), at(0.375, dtype)
    pi, tolerance = np.pi, 20 * float(jnp.finfo(dtype).eps)
    real, imaginary = np.exp(1.5) * np.cos(0.375 * pi), np.exp(1.5) * np.sin(0.375 * pi)
    np.testing.assert_allclose(float(_cosine.exponential(u, s)), real, rtol=tolerance)
    by_u, by_s = jax.grad(_cosine.exponential, (0, 1))(u, s)
    np.testing.assert_allclose([float(by_u), float(by_s)], [real, -pi * imaginary], rtol=tolerance)
    (uu, us), (su, ss) = jax.hessian(_cosine.exponential, (0, 1))(u, s)
    expected = [real, -pi * imaginary, -pi * imaginary, -(pi**2) * real]
    np.testing.assert_allclose([float(part) for part in (uu, us, su, ss)], expected, rtol=tolerance)


def test_log_and_reciprocal_have_second_derivatives_far_out():
    """-1 / x^2 times x is -1 / x: neither x^2 nor 1 / x^2 is formed."""
    x = jnp.float32(1e30)
    along = lambda f: jax.jvp(lambda x: jax.jvp(f, (x,), (x,))[1], (x,), (x,))
    np.testing.assert_allclose(along(_numerics.log), (1.0, 0.0), atol=1e-6)
    np.testing.assert_allclose(along(_numerics.reciprocal), (-1e-30, 1e-30), rtol=1e-6)


def test_tanh_is_flat_far_out(dtype):
    value, *slopes = derivatives(_numerics.tanh, at(30, dtype))
    assert value == 1
    np.testing.assert_allclose(slopes, [4 * np.exp(-60), 4 * np.exp(-60), -8 * np.exp(-60)], rtol=0.2)
    assert derivatives(_numerics.tanh, at(0, dtype)) == (0, 1, 1, 0)


@pytest.mark.parametrize("logit", [-3.0, 0.0, 0.5, 40.0])
def test_gated_is_the_plain_formula(logit):
    with jax.enable_x64(True):
        arguments = tuple(jnp.array(value, jnp.float64) for value in (logit, 1.7, 0.3))
        plain = lambda z, a, log_m: jax.nn.sigmoid(z) * a + jax.nn.sigmoid(-z) * jnp.exp(log_m)
        for of in (lambda f: f, lambda f: jax.grad(f, (0, 1, 2)), lambda f: jax.hessian(f, (0, 1, 2))):
            ours, expected = (jax.tree.leaves(of(f)(*arguments)) for f in (_numerics.gated, plain))
            np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-15)


def test_gated_and_times_exponential_where_the_exponential_alone_overflows():
    np.testing.assert_allclose(
        _numerics.gated(jnp.float32(100), jnp.float32(0), jnp.float32(110)), np.exp(10), rtol=1e-5
    )
    np.testing.assert_allclose(
        _numerics.times_exponential(jnp.float32(1e-5), jnp.float32(95)), np.exp(95) / 1e5, rtol=2e-5
    )


def bilinear(x, w):
    return w * x + (1 - w)


@pytest.mark.parametrize("zeros", [0, 1, 2, 5])
def test_product_is_exact_with_zero_factors(zeros):
    """x = 0 under w = 1 is a zero factor: every derivative against the closed form prod_{j != i}."""
    with jax.enable_x64(True):
        x = jnp.array([2.0, -3.0, 0.5, 1.5, -0.25]).at[:zeros].set(0.0)
        w = jnp.array([[1.0], [1.0], [0.5], [1.0], [1.0]])

        @jax.jit
        def f(x, w):
            return _numerics.product(bilinear, (x,), (w,))[0]

        factors = np.asarray(bilinear(np.asarray(x), np.asarray(w)[:, 0]))
        others = np.array([np.prod(np.delete(factors, i)) for i in range(5)])
        assert float(f(x, w)) == np.prod(factors)
        by_x, by_w = jax.jit(jax.grad(f, (0, 1)))(x, w)
        np.testing.assert_allclose(by_x, others * np.asarray(w)[:, 0], rtol=1e-14)
        np.testing.assert_allclose(by_w[:, 0], others * (np.asarray(x) - 1), rtol=1e-14)
        pairs = jax.jit(jax.hessian(f))(x, w)
        for i in range(5):
            for j in range(5):
                rest = np.prod(np.delete(factors, [i, j])) * float(w[i, 0] * w[j, 0]) if i != j else 0.0
                np.testing.assert_allclose(pairs[i, j], rest, rtol=1e-14, atol=1e-15)
        np.testing.assert_allclose(jax.jacfwd(f)(x, w), by_x, rtol=1e-14)


@pytest.mark.parametrize("shape", [(7, 1, 1), (5, 3, 2), (64, 33, 17), (3, 200, 5), (2, 3, 130, 40), (1100, 29, 60)])
def test_product_at_many_sizes(shape, key):
    """Value and gradient against NumPy's product and its closed-form derivative, across the kernel's size choices."""
    *batch, n_in, n_out = shape
    with jax.enable_x64(True):
        x = 1 + 0.3 * jax.random.normal(key, (*batch, n_in), jnp.float64)
        w = jax.random.uniform(jax.random.key(1), (n_in, n_out), jnp.float64)
        g = jax.random.normal(jax.random.key(2), (*batch, n_out), jnp.float64)

        @jax.jit
        def value_and_gradients(x, w):
            value, pull_back = jax.vjp(lambda x, w: _numerics.product(bilinear, (x,), (w,)), x, w)
            return value, *pull_back(g)

        value, by_x, by_w = value_and_gradients(x, w)
        factors = np.asarray(w) * np.asarray(x)[..., None] + 1 - np.asarray(w)
        expected = factors.prod(-2)
        others = expected[..., None, :] / factors  # no factor is near 0 here
        np.testing.assert_allclose(value, expected, rtol=1e-11)
        np.testing.assert_allclose(by_x, (np.asarray(g)[..., None, :] * others * np.asarray(w)).sum(-1), rtol=1e-9)
        slopes = np.asarray(g)[..., None, :] * others * (np.asarray(x)[..., None] - 1)
        np.testing.assert_allclose(by_w, slopes.reshape(-1, n_in, n_out).sum(0), rtol=1e-9, atol=1e-11)


def test_product_of_an_empty_batch():
    x, w = jnp.ones((0, 3)), jnp.ones((3, 2))
    assert _numerics.product(bilinear, (x,), (w,)).shape == (0, 2)
    assert jax.grad(lambda w: _numerics.product(bilinear, (x,), (w,)).sum())(w).shape == (3, 2)


@pytest.mark.parametrize("shrink_first", [False, True])
@pytest.mark.parametrize("batch", [1, 2048, 2**15], ids=["at-once", "in-blocks", "several-inputs-a-pass"])
def test_product_whose_partial_products_leave_the_range(batch, shrink_first):
    """64 inputs with product 1: of the first 32 alone it is 1e64, or 1e-64, in float32."""
    large, small = jnp.full(32, 100.0), jnp.full(32, 0.01)
    x = jnp.concatenate([small, large] if shrink_first else [large, small])
    x = jnp.broadcast_to(x, (batch, 64))
    w = jnp.ones((64, 2)).at[:, 1].set(0)

    @jax.jit
    def value_and_gradient(x):
        return jax.value_and_grad(lambda x: _numerics.product(bilinear, (x,), (w,)).sum())(x)

    y = jax.jit(lambda x: _numerics.product(bilinear, (x,), (w,)))(x)
    np.testing.assert_allclose(y, np.ones((batch, 2)), rtol=1e-4)
    np.testing.assert_allclose(value_and_gradient(x)[1], 1 / x, rtol=1e-4)


def test_product_of_four_extreme_inputs():
    x, w = jnp.array([1e30, -1e30, 1e-30, 1e-30]), jnp.ones((4, 1))
    value, gradient = jax.value_and_grad(lambda x: _numerics.product(bilinear, (x,), (w,))[0])(x)
    np.testing.assert_allclose(value, -1.0, rtol=1e-5)
    np.testing.assert_allclose(gradient, -1 / x, rtol=1e-5)


def test_product_that_overflows_or_underflows_itself():
    w = jnp.ones((4, 1))
    for factor, expected in ((1e30, np.inf), (1e-30, 0.0)):
        y = _numerics.product(bilinear, (jnp.full(4, factor),), (w,))
        np.testing.assert_array_equal(y, [expected])


def textbook(x, w):
    return jnp.prod(bilinear(x[..., None], w[None]), -2)


def ours(x, w):
    return _numerics.product(bilinear, (x,), (w,))


def in_a_loop(formula):
    """The product of its own output, four times: w is a constant of the loop, x is not."""
    return lambda x, w: jax.lax.scan(lambda x, _: (formula(x, w), None), x, length=4)[0]


@pytest.mark.parametrize(
    ("around", "part"), [(lambda formula: formula, 4), (in_a_loop, 1)], ids=["alone", "in-a-loop-of-four"]
)
def test_product_holds_no_array_of_all_factors(around, part):
    """Of the gradient at (1024, 64, 64), 16 MiB of factors in float32, the temporary memory is a fraction."""

    def temporary(formula):
        gradient = jax.jit(jax.grad(lambda x, w: around(formula)(x, w).sum(), (0, 1)))
        shapes = jax.ShapeDtypeStruct((1024, 64), jnp.float32), jax.ShapeDtypeStruct((64, 64), jnp.float32)
        analysis = gradient.lower(*shapes).compile().memory_analysis()
        assert analysis is not None
        return analysis.temp_size_in_bytes

    factors = 4 * 1024 * 64 * 64
    assert temporary(ours) < factors / part
    assert temporary(textbook) > factors


@pytest.mark.parametrize("rows", [3, 300], ids=["at-once", "in-blocks"])
def test_product_has_second_derivatives_at_zero_factors(rows, key):
    """A Hessian-vector product with none to three zero factors in a row, against that of JAX's own product."""
    with jax.enable_x64(True):
        x = 1 + 0.3 * jax.random.normal(key, (rows, 20), jnp.float64)
        x = jnp.where(jnp.arange(20)[None] < jnp.arange(rows)[:, None] % 4, 0.0, x)
        w = jax.random.uniform(jax.random.key(1), (20, 6), jnp.float64).at[:4].set(1.0)
        direction = jnp.cos(x), jnp.sin(w)

        def second(formula):
            gradient = jax.grad(lambda x, w: (formula(x, w) * jnp.arange(1.0, 7.0)[None]).sum(), (0, 1))
            return jax.jit(lambda: jax.jvp(gradient, (x, w), direction))()

        for got, expected in zip(jax.tree.leaves(second(ours)), jax.tree.leaves(second(textbook)), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-12)


def test_product_differentiates_only_what_is_asked_for():
    """The gradient of the inputs and that of the matrices are loops of their own, left out where nobody asks."""
    x, w = jnp.ones((64, 16)), jnp.ones((16, 8))

    def loops(arguments):
        return str(jax.make_jaxpr(jax.grad(lambda x, w: ours(x, w).sum(), arguments))(x, w)).count("= scan[")

    assert max(loops(0), loops(1)) < loops((0, 1))


def test_product_in_blocks_under_vmap_and_in_forward_mode(key):
    """At a size that runs in blocks: vmap equals a loop, and forward mode is the transpose of reverse mode."""
    with jax.enable_x64(True):
        x = 1 + 0.3 * jax.random.normal(key, (3, 600, 20), jnp.float64)
        w = jax.random.uniform(jax.random.key(1), (3, 20, 7), jnp.float64)

        def f(x, w):
            return _numerics.product(bilinear, (x,), (w,))

        together = jax.jit(jax.vmap(f))(x, w)
        apart = jnp.stack([jax.jit(f)(*pair) for pair in zip(x, w, strict=True)])
        np.testing.assert_allclose(together, apart, rtol=1e-12)
        dx, dw, g = jnp.cos(x[0]), jnp.sin(w[0]), jnp.cos(3 * apart[0])
        tangent = jax.jit(lambda: jax.jvp(f, (x[0], w[0]), (dx, dw))[1])()
        by_x, by_w = jax.jit(lambda: jax.vjp(f, x[0], w[0])[1](g))()
        np.testing.assert_allclose((g * tangent).sum(), (by_x * dx).sum() + (by_w * dw).sum(), rtol=1e-10)
