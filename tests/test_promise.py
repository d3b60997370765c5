"""The numbers that every unit promises, searched at random for a counterexample."""

import functools
import inspect
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import ALL_UNITS
from hyperdual import EXTENDED, HyperDual
from oracles import ORACLES

N_IN, DRAWS, PAIRS = 3, 20_000, 3  # pairs: of directions, for each draw
SPECIAL = np.array([-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0])
DTYPES = {"bfloat16": jnp.bfloat16, "float32": jnp.float32, "float64": jnp.float64}
LARGEST_X = {"bfloat16": 2.0**100, "float32": 2.0**100, "float64": 2.0**1000}
LARGEST_PARAM = 4.0
MARGIN = 2.0**10
KINDS = ("value", "reverse", "forward", "hessian")


def draw(unit, dtype, generator, largest_x):
    """{"x": (n_in, draws), leaf: (..., draws)} in the numbers of the dtype, as long doubles.

    |x| is spread evenly in its logarithm, in every fourth draw near 1; params are simple numbers, near 1, or anything.
    """
    eps = float(jnp.finfo(dtype).eps)
    exponent = generator.uniform(np.log(eps), np.log(largest_x), (N_IN, DRAWS))
    exponent[:, ::4] = generator.uniform(-3, 3, (N_IN, DRAWS // 4))
    values = {"x": np.exp(exponent) * generator.choice([-1, 1], (N_IN, DRAWS))}
    for leaf, shape in unit.leaves((N_IN, 1)).items():
        kinds, shape = generator.uniform(size=(*shape, DRAWS)), (*shape, DRAWS)
        near, far = generator.uniform(-2, 2, shape), generator.uniform(-LARGEST_PARAM, LARGEST_PARAM, shape)
        values[leaf] = np.where(kinds < 0.4, generator.choice(SPECIAL, shape), np.where(kinds < 0.8, near, far))
    return {name: np.asarray(jnp.asarray(value, dtype)).astype(np.longdouble) for name, value in values.items()}


def shapes_of(unit):
    return {"x": (N_IN,)} | unit.leaves((N_IN, 1))


def unflat(rows, shapes):
    """The dict of a flat array (variables, ...)."""
    result, start = {}, 0
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        result[name] = rows[start : start + size].reshape(*shape, *rows.shape[1:])
        start += size
    return result


@functools.cache
def compiled(unit):
    """theta (draws, variables) -> value, reverse and forward gradient, Hessian."""

    def value(theta):
        params = unflat(theta, shapes_of(unit))
        return unit.apply(params, params.pop("x"))[0]

    reverse = jax.grad(value)
    functions = value, reverse, jax.jacfwd(value), jax.jacfwd(reverse)
    return jax.jit(jax.vmap(lambda theta: tuple(function(theta) for function in functions)))


def reference(unit, theta, first, second, eps):
    """Value, first, second and mixed derivative (draws,) of theta (variables, draws), by the oracle."""
    rows, shapes = np.arange(len(theta))[:, None], shapes_of(unit)
    jets = [unflat(array, shapes) for array in (theta, rows == first[None], rows == second[None])]
    params = {name: HyperDual.seeded(*(jet[name] for jet in jets)) for name in shapes}
    x = params.pop("x")[None]
    oracle = ORACLES[unit.name]
    default = inspect.signature(unit.apply).parameters.get("eps", inspect.Parameter("eps", inspect.Parameter.KEYWORD_ONLY)).default
    options = {"eps": eps} if default is None and "eps" in inspect.signature(oracle).parameters else {}
    with np.errstate(all="ignore"):
        parts = oracle(params, x, **options).parts
    return [np.broadcast_to(part[0, 0].real, len(first)) for part in parts]


def whole(unit, theta, eps, bound):
    """Of few draws theta (variables, draws): (gradient fits, Hessian fits) (draws,)."""
    size, draws = theta.shape
    i, j, n = (index.reshape(-1) for index in np.meshgrid(range(size), range(size), range(draws), indexing="ij"))
    _, first, _, mixed = reference(unit, theta[:, n], i, j, eps)
    fits = lambda part: (np.abs(part) <= bound).reshape(size * size, draws).all(0)
    return fits(first), fits(first) & fits(mixed)


def search(unit, dtype, largest_x, verbose=False):
    generator = np.random.default_rng(zlib.crc32(f"{unit.name} {dtype}".encode()))
    with jax.enable_x64(True):
        values = draw(unit, dtype, generator, largest_x)
        theta = np.concatenate([value.reshape(-1, DRAWS) for value in values.values()])
        results = compiled(unit)(jnp.asarray(theta.T.astype(np.float64), dtype))
        value, reverse, forward, hessian = (np.asarray(array).astype(np.longdouble) for array in results)
    eps, bound = float(jnp.finfo(dtype).eps), float(jnp.finfo(dtype).max) / MARGIN
    draws, out = np.arange(DRAWS), []
    for _ in range(PAIRS):
        i, j = generator.integers(0, len(theta), (2, DRAWS))
        f, a, b, ab = reference(unit, theta, i, j, eps)
        fits = [np.abs(part) <= bound for part in (f, a, b, ab)]
        first, both = fits[0] & fits[1], fits[0] & fits[1] & fits[2] & fits[3]
        got = value, reverse[draws, i], forward[draws, i], hessian[draws, i, j]
        for kind, within, number, true in zip(KINDS, (fits[0], first, first, both), got, (f, a, a, ab), strict=True):
            bad = np.flatnonzero(within & ~np.isfinite(number))
            entries = len(bad)
            if kind != "value" and len(bad):
                bad = bad[whole(unit, theta[:, bad], eps, bound)[kind == "hessian"]]
            out.append((kind, int(within.sum()), len(bad), entries))
            if verbose and len(bad):
                for n in bad[:3]:
                    print(kind, i[n], j[n], theta[:, n].astype(float).tolist(), "f,a,b,ab", *(f"{float(p[n]):.3g}" for p in (f, a, b, ab)), "got", number[n])
            if verbose:
                tiny = float(jnp.finfo(dtype).tiny)
                rel = np.where(within & np.isfinite(number) & (np.abs(true) > tiny * 1e3), np.abs(number-true)/np.maximum(np.abs(true), tiny), 0)
                print("   ", kind, "rel err quantiles .5 .9 .99 .999 1:", np.quantile(rel.astype(float), [.5,.9,.99,.999,1]), np.argmax(rel))
    return out
