"""The numbers that every unit promises (`_numerics`), searched at random for a counterexample. Mostly slow.

Value, both gradients and Hessian of 20,000 models with as many inputs, for every unit and dtype, against the oracle in
hyper-dual long doubles: of each draw the value, and a few entries of gradient and Hessian, at random.
"""

import functools
import inspect
import re
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import ALL_UNITS
from hyperdual import EXTENDED, HyperDual
from oracles import ORACLES

from nalu_jax import UNITS, _numerics

N_IN, DRAWS, PAIRS = 3, 20_000, 2  # pairs of directions for each draw
SIMPLE = np.array([-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0])
DTYPES = {"bfloat16": jnp.bfloat16, "float32": jnp.float32, "float64": jnp.float64}


def promised(dtype):
    """(largest |x|, largest |param|, share of the dtype's largest number that still fits), from the docstring."""
    row = re.search(rf"^ *{jnp.dtype(dtype).name} +2\^(\d+) +(\d+) +2\^(-\d+)$", _numerics.__doc__ or "", re.MULTILINE)
    assert row
    return 2.0 ** int(row[1]), float(row[2]), 2.0 ** int(row[3])


def draw(unit, dtype, generator):
    """{"x": (n_in, draws), leaf: (..., draws)} in the numbers of the dtype, as long doubles.

    |x| is even in its logarithm, in every fourth draw near 1; params are simple numbers, small, or anything promised.
    """
    largest_x, largest_param, _ = promised(dtype)
    exponent = generator.uniform(np.log(float(jnp.finfo(dtype).eps)), np.log(largest_x), (N_IN, DRAWS))
    exponent[:, ::4] = generator.uniform(-3, 3, (N_IN, DRAWS // 4))
    values = {"x": np.exp(exponent) * generator.choice([-1, 1], (N_IN, DRAWS))}
    for leaf, shape in unit.leaves((N_IN, 1)).items():
        kinds, shape = generator.uniform(size=(*shape, DRAWS)), (*shape, DRAWS)
        small, any_size = generator.uniform(-2, 2, shape), generator.uniform(-largest_param, largest_param, shape)
        values[leaf] = np.where(kinds < 0.4, generator.choice(SIMPLE, shape), np.where(kinds < 0.8, small, any_size))
    return {name: np.asarray(jnp.asarray(value, dtype)).astype(np.longdouble) for name, value in values.items()}


def shapes_of(unit):
    return {"x": (N_IN,)} | unit.leaves((N_IN, 1))


def by_name(theta, unit):
    """The dict of a flat array (variables, ...)."""
    result, start = {}, 0
    for name, shape in shapes_of(unit).items():
        size = int(np.prod(shape))
        result[name] = theta[start : start + size].reshape(*shape, *theta.shape[1:])
        start += size
    return result


@functools.cache
def compiled(unit):
    """theta (draws, variables) -> value, reverse and forward gradient, Hessian."""

    def value(theta):
        params = by_name(theta, unit)
        return unit.apply(params, params.pop("x"))[0]

    reverse = jax.grad(value)
    functions = value, reverse, jax.jacfwd(value), jax.jacfwd(reverse)
    return jax.jit(jax.vmap(lambda theta: tuple(function(theta) for function in functions)))


def reference(unit, theta, first, second, eps):
    """Value, first, second and mixed derivative (draws,) of theta (variables, draws), by the oracle."""
    rows = np.arange(len(theta))[:, None]
    jets = [by_name(array, unit) for array in (theta, rows == first[None], rows == second[None])]
    params = {name: HyperDual.seeded(*(jet[name] for jet in jets)) for name in jets[0]}
    x = params.pop("x")[None]
    takes_epsilon = inspect.signature(unit.apply).parameters.get("eps")
    options = {"eps": eps} if takes_epsilon is not None and takes_epsilon.default is None else {}
    with np.errstate(all="ignore"):
        parts = ORACLES[unit.name](params, x, **options).parts
    return [np.broadcast_to(part[0, 0].real, len(first)) for part in parts]


def points(unit, theta):
    """Where numbers must fit: theta, and of the nmru, whose cosine comes after the product, the magnitudes alone."""
    return [theta, np.concatenate([np.abs(theta[:N_IN]), theta[N_IN:]])] if unit.name == "nmru" else [theta]


def value_fits(unit, theta, eps, bound):
    none = np.zeros(theta.shape[1], int)
    return np.all([np.abs(reference(unit, at, none, none, eps)[0]) <= bound for at in points(unit, theta)], 0)


def all_fit(unit, theta, eps, bound):
    """Of few draws theta (variables, draws): whether (the gradient fits, gradient and Hessian fit), each (draws,)."""
    size, draws = theta.shape
    i, j, n = (index.reshape(-1) for index in np.meshgrid(range(size), range(size), range(draws), indexing="ij"))
    fits = lambda part: (np.abs(part) <= bound).reshape(size * size, draws).all(0)
    derivatives = [reference(unit, at[:, n], i, j, eps) for at in points(unit, theta)]
    gradient = np.all([fits(first) for _, first, _, _ in derivatives], 0)
    hessian = gradient & np.all([fits(mixed) for *_, mixed in derivatives], 0)
    return gradient, hessian


def counterexamples(unit, dtype):
    """(how many numbers were compared, those that are not finite though they are promised, as text)."""
    generator = np.random.default_rng(zlib.crc32(f"{unit.name} {jnp.dtype(dtype).name}".encode()))
    theta = np.concatenate([value.reshape(-1, DRAWS) for value in draw(unit, dtype, generator).values()])
    results = compiled(unit)(jnp.asarray(theta.T.astype(np.float64), dtype))
    value, reverse, forward, hessian = (np.asarray(array).astype(np.longdouble) for array in results)
    eps, bound = float(jnp.finfo(dtype).eps), float(jnp.finfo(dtype).max) * promised(dtype)[2]
    draws, compared, found = np.arange(DRAWS), 0, []
    fits = value_fits(unit, theta, eps, bound)
    for _ in range(PAIRS):
        i, j = generator.integers(0, len(theta), (2, DRAWS))
        _, a, b, ab = reference(unit, theta, i, j, eps)
        fits_a, fits_all = fits & (np.abs(a) <= bound), fits & (np.abs([a, b, ab]) <= bound).all(0)
        candidates = {
            "value": (fits, value),
            "reverse": (fits_a, reverse[draws, i]),
            "forward": (fits_a, forward[draws, i]),
            "Hessian": (fits_all, hessian[draws, i, j]),
        }
        for kind, (within, got) in candidates.items():
            compared += int(within.sum())
            bad = np.flatnonzero(within & ~np.isfinite(got))
            if kind != "value" and len(bad):
                bad = bad[all_fit(unit, theta[:, bad], eps, bound)[kind == "Hessian"]]
            found += [f"{kind} {i[n]}, {j[n]}: {got[n]} at {theta[:, n].astype(float).tolist()}" for n in bad]
    return compared, found


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("unit", ALL_UNITS, ids=lambda unit: unit.name)
def test_random_search_finds_no_counterexample(unit, dtype):
    if not EXTENDED and dtype == jnp.float64:
        pytest.skip("long doubles of this machine have no more range than float64")
    with jax.enable_x64(dtype == jnp.float64):
        compared, found = counterexamples(unit, dtype)
    assert compared > PAIRS * DRAWS, "most draws left the range: the search has seen nothing"
    assert not found, f"{len(found)} of {compared}; the first: {found[0]}"


def test_hessian_of_a_large_power():
    """x^3 at 1e10 by a gate of 1: the logarithm's second derivative used to divide by (x^2)^2."""
    params = {"re": jnp.array([[3.0]]), "gate": jnp.ones(1)}
    value = lambda gate: UNITS["real_npu"].apply(params | {"gate": gate}, jnp.array([1e10]))[0]
    np.testing.assert_allclose(jax.hessian(value)(jnp.ones(1)), [[6e30]], rtol=1e-4)


def test_magnitude_and_cosine_of_a_power_belong_together():
    """(-1e26)^1.5 has the real part 0, and 1e39 leaves float32."""
    params = {"re": jnp.array([[1.5]]), "gate": jnp.ones(1)}
    value, slope = jax.value_and_grad(lambda x: UNITS["real_npu"].apply(params, x)[0])(jnp.array([-1e26]))
    assert float(value) == 0 and float(slope[0]) == 0


def test_hyper_dual_numbers_against_differences():
    """The reference itself, by central differences in long doubles, of the unit with the most functions in it."""
    unit, generator, step = UNITS["dmu"], np.random.default_rng(3), np.longdouble(1e-5)
    size = sum(int(np.prod(shape)) for shape in shapes_of(unit).values())
    theta = np.concatenate([[1.3, -0.7, 2.1], generator.uniform(-0.9, 0.9, size - N_IN)]).astype(np.longdouble)
    i, j = (index.reshape(-1) for index in np.meshgrid(range(size), range(size), indexing="ij"))
    _, first, _, mixed = reference(unit, np.repeat(theta[:, None], size**2, 1), i, j, 1e-7)

    def moved(*directions):
        points = theta[:, None] + sum(sign * step * np.eye(size)[:, index] for sign, index in directions)
        none = np.zeros(size**2, int)
        return reference(unit, points, none, none, 1e-7)[0]

    np.testing.assert_allclose(first, (moved((1, i)) - moved((-1, i))) / (2 * step), rtol=1e-6, atol=1e-7)
    crossed = moved((1, i), (1, j)) - moved((1, i), (-1, j)) - moved((-1, i), (1, j)) + moved((-1, i), (-1, j))
    np.testing.assert_allclose(mixed, crossed / (4 * step**2), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float16", "float8_e4m3fn", "float8_e5m2"])
@pytest.mark.parametrize("unit", ALL_UNITS, ids=lambda unit: unit.name)
def test_smaller_dtypes_are_refused(unit, dtype):
    with pytest.raises(
        ValueError, match=rf"{unit.name}.init: dtype must be one of bfloat16.* got {dtype}.*Use bfloat16"
    ):
        unit.init(jax.random.key(0), (3, 2), dtype)
    params = jax.tree.map(lambda leaf: leaf.astype(dtype), unit.init(jax.random.key(0), (3, 2)))
    with pytest.raises(TypeError, match=rf"{unit.name}: x must be one of bfloat16.* got {dtype}.*Use bfloat16"):
        unit.apply(params, jnp.ones(3, dtype))


@pytest.mark.parametrize("unit", ALL_UNITS, ids=lambda unit: unit.name)
def test_rows_are_the_same_bits_whatever_is_computed_beside_them(unit, key):
    """What holds bit for bit: equal calls, and rows of batches of one size. Of batches of other sizes, 1e-6 is left."""
    params = unit.init(key, (5, 4))
    x = jax.random.normal(key, (64, 5))
    apply = jax.jit(unit.apply)
    np.testing.assert_array_equal(apply(params, x), apply(params, x))
    np.testing.assert_array_equal(apply(params, x[::-1])[::-1], apply(params, x))
    np.testing.assert_allclose(apply(params, x[:10]), apply(params, x)[:10], rtol=2e-5, atol=1e-6)
