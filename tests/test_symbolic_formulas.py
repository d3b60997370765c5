"""to_sympy against apply, for every unit, chain and front end; printing; from_sympy; units of measure."""

import dataclasses
import pickle
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from flax import linen as nn
from flax import nnx
from helpers import ALL_UNITS, POSITIVE, VARIANTS, random_params, variant_id, within_domain
from hypothesis import given, settings
from hypothesis import strategies as st

import nalu_jax.eqx
import nalu_jax.linen
import nalu_jax.nnx
from nalu_jax import UNITS, chain, fast, nac, nalu, nau, nmu, npu, real_npu, symbolic

NAMES = ("x", "y", "z")
RTOL = 1e-12


@pytest.fixture(autouse=True)
def sixty_four_bits():
    with jax.enable_x64(True):
        yield


def inputs(n_in, rows=64, seed=0):
    """Of both signs, magnitudes from 0.01 to 10."""
    generator = np.random.default_rng(seed)
    return generator.choice([-1.0, 1.0], (rows, n_in)) * 10 ** generator.uniform(-2, 1, (rows, n_in))


def evaluate(expressions, x, names=NAMES, **assumptions):
    """The expressions as NumPy computes them, at x (rows, n_in)."""
    symbols = [sympy.Symbol(name, **(assumptions or {"real": True})) for name in names[: x.shape[1]]]
    function = sympy.lambdify(symbols, expressions, "numpy", cse=True)
    return np.stack([np.broadcast_to(value, len(x)) for value in function(*x.T)], -1)


@pytest.mark.parametrize("variant", VARIANTS, ids=variant_id)
def test_every_unit_is_its_formula(variant):
    name, options = variant
    unit = UNITS[name].bind(**options)
    for seed in range(2):
        params = random_params(unit, jax.random.key(seed), (3, 2), jnp.float64)
        x = within_domain(variant, inputs(3, seed=seed))
        expected = unit.apply(params, jnp.asarray(x))
        np.testing.assert_allclose(evaluate(symbolic.to_sympy(unit, params, NAMES), x), expected, rtol=RTOL)


SIMPLE = (-1.0, 0.0, 0.5, 1.0, 2.0)


@pytest.mark.parametrize("variant", VARIANTS, ids=variant_id)
def test_formulas_of_simple_numbers(variant):
    """Whole turns become signs, ones vanish, zeros drop out: the shortened formulas are still the units'."""
    name, options = variant
    unit = UNITS[name].bind(**options)
    generator = np.random.default_rng(1)
    for _ in range(4):
        params = {leaf: jnp.asarray(generator.choice(SIMPLE, s)) for leaf, s in unit.leaves((3, 2)).items()}
        x = within_domain(variant, inputs(3))
        expected = np.asarray(unit.apply(params, jnp.asarray(x)))
        actual = evaluate(symbolic.to_sympy(unit, params, NAMES), x)
        # where cos(pi / 2) is exactly 0 in the formula, floating point has 6e-17 of the magnitude
        np.testing.assert_allclose(actual, expected, rtol=RTOL, atol=1e-15 * np.abs(x).max() ** 6)


def chain_params(units, keys):
    records = [getattr(unit, "UNIT", unit) for unit in units]
    return tuple(random_params(unit, k, (2, 2), jnp.float64) for unit, k in zip(records, keys, strict=True))


@pytest.mark.parametrize("unit", ALL_UNITS, ids=lambda unit: unit.name)
@pytest.mark.parametrize("before", [False, True], ids=["two", "three"])
def test_chains_are_their_formulas(unit, before):
    units = [nau, unit, nau] if before else [unit, nau]
    model, shape = chain(*units), (2,) * (len(units) + 1)
    for seed in range(2):
        keys = jax.random.split(jax.random.key(seed), len(units))
        params = chain_params(units, keys)
        assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, model.init(keys[0], shape))
        x = inputs(2, seed=seed)
        expected = np.asarray(model.apply(params, jnp.asarray(x)))
        actual = evaluate(symbolic.to_sympy(model, params), x)
        # a sum of the last NAU may cancel: the tolerance is relative to its terms
        hidden = np.asarray(chain(*units[:-1]).apply(params[:-1], jnp.asarray(x)))
        terms = np.abs(hidden) @ np.abs(np.asarray(params[-1]["w"]))
        assert np.all(np.abs(actual - expected) <= RTOL * terms * (1 if not before else 10))


@pytest.mark.parametrize("units", [(npu, nau, nmu), (nalu, nau, real_npu), (nmu, nmu), (real_npu, real_npu, nac)])
def test_nonlinear_units_on_one_another(units):
    model = chain(*units)
    keys = jax.random.split(jax.random.key(3), len(units))
    params = chain_params(units, keys)
    x = inputs(2)
    expected = model.apply(params, jnp.asarray(x))
    np.testing.assert_allclose(evaluate(symbolic.to_sympy(model, params), x), expected, rtol=1e-11)


@pytest.mark.parametrize("name", POSITIVE)
def test_the_positive_domain(name):
    unit = UNITS[name].bind(domain="positive")
    params = random_params(unit, jax.random.key(4), (3, 2), jnp.float64)
    expressions = symbolic.to_sympy(unit, params, NAMES, domain="positive")
    assert not any(e.has(sympy.Abs, sympy.Heaviside, sympy.sign) for e in expressions)
    x = np.abs(inputs(3))
    expected = unit.apply(params, jnp.asarray(x))
    np.testing.assert_allclose(evaluate(expressions, x, positive=True), expected, rtol=RTOL)
    # the same unit in the real domain, on inputs that are said to be positive
    same = symbolic.to_sympy(UNITS[name], params, NAMES, domain="positive")
    np.testing.assert_allclose(evaluate(same, x, positive=True), expected, rtol=RTOL)


def test_a_real_npu_of_positive_inputs_is_a_product_of_powers():
    params = {"re": jnp.array([[1.37, 0.5], [-2.0, 0.0]]), "gate": jnp.ones(2)}
    x, y = sympy.symbols("x y", positive=True)
    first, second = symbolic.to_sympy(real_npu, params, domain="positive", eps=False)
    assert first == x ** sympy.Float(1.37, 17) / y**2 and second == sympy.sqrt(x)


def test_eps_is_in_the_formula_or_not():
    params = {"re": jnp.array([[-1.0]]), "gate": jnp.ones(1)}
    at_zero = lambda eps: symbolic.to_sympy(real_npu, params, ["x"], eps=eps)[0].subs(sympy.Symbol("x", real=True), 0)
    assert float(at_zero(True)) == pytest.approx(float(real_npu.apply(params, jnp.zeros(1))[0]), rel=1e-12)
    assert at_zero(False) == sympy.zoo
    wide = symbolic.to_sympy(real_npu.UNIT.bind(eps=0.25), params, ["x"], domain="positive")[0]
    assert wide == 1 / (sympy.Symbol("x", positive=True) + sympy.Rational(1, 4))


@pytest.mark.parametrize(("dtype", "eps"), [(jnp.float32, 2.0**-23), (jnp.bfloat16, 2.0**-7)])
def test_eps_and_fractions_are_those_of_the_dtype(dtype, eps):
    params = {"re": jnp.array([[1 / 3]], dtype), "gate": jnp.ones(1, dtype)}
    (expression,) = symbolic.to_sympy(real_npu, params, ["x"], domain="positive")
    base, exponent = expression.as_base_exp()
    assert exponent == sympy.Rational(1, 3)
    assert float(base - sympy.Symbol("x", positive=True)) == eps


def test_float64_params_are_read_in_a_session_of_32_bits():
    w = np.array([[0.1 + 2**-50]])
    with jax.enable_x64(False):
        (expression,) = symbolic.to_sympy(nau, {"w": w}, ["x"])
    assert float(expression.as_coeff_Mul()[0]) == w[0, 0]


def test_equal_monomials_are_one_term_and_dead_units_none():
    params = (
        {"re": jnp.array([[2.0, 2.0, 0.0, 9.0], [1.0, 1.0, 0.0, 9.0]]), "gate": jnp.ones(2)},
        {"w": jnp.array([[0.25], [1.5], [-7.0], [0.0]])},
    )
    x, y = sympy.symbols("x y", real=True)
    assert symbolic.to_sympy(chain(real_npu, nau), params, eps=False) == [sympy.Rational(7, 4) * x**2 * y - 7]


def test_gates():
    re = jnp.array([[2.0], [3.0]])
    x = sympy.Symbol("x", positive=True)
    half = symbolic.to_sympy(
        npu, {"re": re, "im": 0 * re, "gate": jnp.array([0.5, -2.0])}, domain="positive", eps=False
    )
    assert sympy.expand(half[0] - (x / 2 + sympy.Rational(1, 2)) ** 2) == 0


@pytest.mark.parametrize(
    "front", ["linen", "linen_sequential", "nnx", "nnx_sequential", "eqx", "eqx_sequential", "fast"]
)
def test_front_ends(front, key):
    """Every front end's formula is that of the functional params which it holds."""
    shape = (2, 3, 1)
    model = chain(npu, nau)
    params = model.init(key, shape, jnp.float64)
    as_linen = {"params": {"layers_0": params[0], "layers_1": params[1]}}
    first = {
        "linen": lambda: (nalu_jax.linen.NPU(3, param_dtype=jnp.float64), {"params": params[0]}),
        "linen_sequential": lambda: (nn.Sequential([nalu_jax.linen.NPU(3), nalu_jax.linen.NAU(1)]), as_linen),
        "nnx": lambda: (nalu_jax.nnx.NPU.from_params(params[0]), None),
        "nnx_sequential": lambda: (
            nnx.Sequential(nalu_jax.nnx.NPU.from_params(params[0]), nalu_jax.nnx.NAU.from_params(params[1])),
            None,
        ),
        "eqx": lambda: (nalu_jax.eqx.NPU.from_params(params[0]), None),
        "eqx_sequential": lambda: (
            eqx.nn.Sequential([nalu_jax.eqx.NPU.from_params(params[0]), nalu_jax.eqx.NAU.from_params(params[1])]),
            None,
        ),
        "fast": lambda: (fast(model, shape), fast(model, shape).ravel(params)),
    }[front]
    expected = (
        symbolic.to_sympy(npu, params[0]) if front in ("linen", "nnx", "eqx") else symbolic.to_sympy(model, params)
    )
    assert symbolic.to_sympy(*first()) == expected


def test_a_layer_computes_in_its_own_dtype():
    layer = nalu_jax.eqx.RealNPU.from_params({"re": jnp.array([[0.1]]), "gate": jnp.ones(1)}, dtype=jnp.float32)
    (expression,) = symbolic.to_sympy(layer, None, ["x"], domain="positive")
    assert float(expression.as_base_exp()[1]) == float(np.float32(0.1))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: symbolic.to_sympy(nau, {"w": jnp.ones((3, 1))}), ["nau", "2 inputs", "(3, 1)"]),
        (lambda: symbolic.to_sympy(nau, {"w": jnp.array([[jnp.nan], [1.0]])}), ["nau", "'w'", "not finite"]),
        (lambda: symbolic.to_sympy(nau, {"v": jnp.ones((2, 1))}), ["nau", "'w'"]),
        (lambda: symbolic.to_sympy(nau, {"w": jnp.ones((2, 1))}, ("x", "x")), ["name", "'x', 'x'"]),
        (lambda: symbolic.to_sympy(nau, {"w": jnp.ones((2, 1))}, "xy"), ["sequence", "'xy'"]),
        (
            lambda: symbolic.to_sympy(nau, {"w": jnp.ones((2, 1))}, domain=cast(Any, "complex")),
            ["domain", "'positive'"],
        ),
        (lambda: symbolic.to_sympy(nau, {"w": jnp.ones((2, 1))}, digits=0), ["digits", "0"]),
        (lambda: symbolic.to_sympy("nau", {}), ["Sequential", "str"]),
        (lambda: symbolic.to_sympy(nalu_jax.linen.NAU(1)), ["linen", "variables"]),
        (lambda: symbolic.to_sympy(nn.Sequential([nn.Dense(2)]), {"params": {}}), ["Sequential", "Dense"]),
        (lambda: symbolic.text([sympy.Integer(1)], outputs=("a", "b")), ["outputs", "1 names"]),
        (lambda: symbolic.from_sympy(sympy.sin(sympy.Symbol("x"))), ["sin(x)", "monomial"]),
        (lambda: symbolic.from_sympy(sympy.Symbol("t")), ["'t'", "'x', 'y'"]),
        (lambda: symbolic.from_sympy(sympy.Symbol("x") + 1, n_hidden=1), ["2 monomials", "n_hidden=1"]),
        (lambda: symbolic.consistent({"m": (1, 0), "t": (0, 1, 0)}, (1, 0)), ["exponent", "'t': 3"]),
        (lambda: symbolic.consistent({"m": (1, 0)}, (0, 1)), ["m", "(0, 1)", "missing"]),
    ],
)
def test_errors_say_what_to_do(call, words, as_users_run_it):
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


def test_a_unit_without_formula_says_so():
    record = nau.UNIT
    new = dataclasses.replace(record, name="new", formula=None)
    with pytest.raises(TypeError, match="new has no formula; give its record one"):
        symbolic.to_sympy(new, {"w": jnp.ones((2, 1))})


def test_digits_merge_what_then_agrees():
    params = (
        {"re": jnp.array([[1.4999, 1.5001, 2.0]]), "gate": jnp.ones(1)},
        {"w": jnp.array([[1.0004], [0.49999], [-0.99999]])},
    )
    (expression,) = symbolic.to_sympy(chain(real_npu, nau), params, ["x"], domain="positive", eps=False, digits=3)
    assert symbolic.text(expression) == "1.5*x**1.5 - x**2"


def test_text_and_latex_have_the_largest_term_first():
    x, y = sympy.symbols("x y", positive=True)
    expression = sympy.Rational(1, 2) * x + 3 * y - 20 * x * y + sympy.Float(0.001234, 17)
    assert symbolic.text(expression, digits=2, outputs=["f"]) == "f = -20*x*y + 3*y + x/2 + 0.0012"
    assert symbolic.latex(expression, digits=2) == r"- 20 x y + 3 y + \frac{x}{2} + 0.0012"
    assert symbolic.latex([x, y], outputs=("a", "b_1")) == "\\begin{aligned}\na &= x \\\\\nb_{1} &= y\n\\end{aligned}"
    assert symbolic.text([x, y]) == "x\ny"
    assert symbolic.text(sympy.Integer(0)) == "0"


QUARTERS = st.integers(-12, 12).map(lambda value: sympy.Rational(value, 4))
TERMS = st.lists(st.tuples(QUARTERS, QUARTERS, QUARTERS), min_size=0, max_size=4)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(outputs=st.lists(TERMS, min_size=1, max_size=3))
def test_from_sympy_goes_there_and_back(outputs):
    with jax.enable_x64(True):
        x, y = sympy.symbols("x y", positive=True)
        expressions = [sympy.Add(*[c * x**a * y**b for c, a, b in terms]) for terms in outputs]
        params = symbolic.from_sympy(expressions, n_hidden=14, dtype=jnp.float64)
        model = chain(real_npu, nau)
        assert symbolic.to_sympy(model, params, domain="positive", eps=False) == expressions
        points = np.abs(inputs(2, 8))
        computed = model.apply(params, jnp.asarray(points))
        for column, terms in enumerate(outputs):
            value, size = np.zeros(8), np.zeros(8)
            for c, a, b in terms:
                value += float(c) * points[:, 0] ** float(a) * points[:, 1] ** float(b)
                size += np.abs(float(c) * points[:, 0] ** float(a) * points[:, 1] ** float(b))
            assert np.all(np.abs(np.asarray(computed)[:, column] - value) <= 1e-12 * size + 1e-300)


def test_from_sympy_reads_products_of_sums_constants_and_negative_inputs():
    x, y = sympy.symbols("x y")
    params = symbolic.from_sympy(sympy.pi * (x + 2 * y) ** 2 / y, dtype=jnp.float64)
    at = inputs(2)
    expected = np.pi * (at[:, 0] + 2 * at[:, 1]) ** 2 / at[:, 1]
    actual = np.asarray(chain(real_npu.UNIT.bind(eps=0), nau).apply(params, jnp.asarray(at)))[:, 0]
    np.testing.assert_allclose(actual, expected, rtol=1e-9)
    assert params[0]["re"].shape == (2, 3)


SI = {"G": (-1, 3, -2), "m1": (1, 0, 0), "m2": (1, 0, 0), "r": (0, 1, 0)}
"""Exponents of kg, m and s."""


@pytest.mark.parametrize("seed", range(3))
def test_outputs_scale_as_their_dimension(seed):
    """In other units of mass, length and time the number of newtons changes as that of a force does."""
    law = symbolic.consistent(SI, (1, 1, -2)).bind(eps=0.0)
    params = law.init(jax.random.key(seed), (4, 5), jnp.float64)
    assert params["z"].shape == (1, 5)
    x, scales = np.abs(inputs(4)), np.array([2.0, 0.3, 7.0])
    rescaled = x * np.prod(scales ** np.array(list(SI.values())), axis=1)
    factor = np.prod(scales ** np.array([1, 1, -2]))
    expected = factor * np.asarray(law.apply(params, jnp.asarray(x)))
    np.testing.assert_allclose(law.apply(params, jnp.asarray(rescaled)), expected, rtol=1e-10)


def test_newtons_law_is_learned_from_its_dimensions():
    """Of G^a m1^b m2^c r^d only how the masses share their power is left to learn."""
    law = symbolic.consistent(SI, (1, 1, -2)).bind(domain="positive")
    model = chain(law, nau)
    x = np.abs(inputs(4))
    y = x[:, :1] * x[:, 1:2] * x[:, 2:3] / x[:, 3:] ** 2
    residual = lambda params, data: model.apply(params, data[0]) / data[1] - 1
    start = ({"z": jnp.array([[0.4]])}, {"w": jnp.array([[0.5]])})
    path = symbolic.snap(residual, start, (jnp.asarray(x), jnp.asarray(y)))
    (expression,) = symbolic.to_sympy(model, path.best.params, list(SI), domain="positive", eps=False)
    G, m1, m2, r = sympy.symbols("G m1 m2 r", positive=True)
    assert expression == G * m1 * m2 / r**2


def test_the_pendulum_has_one_formula():
    law = symbolic.consistent({"length": (0, 1, 0), "g": (0, 1, -2), "mass": (1, 0, 0)}, (0, 0, 1))
    params = law.init(jax.random.key(0), (3, 1), jnp.float64)
    length, g = sympy.symbols("length g", positive=True)
    (period,) = symbolic.to_sympy(law, params, ["length", "g", "mass"], domain="positive", eps=False)
    assert sympy.simplify(period / sympy.sqrt(length / g)) == 1


def test_a_consistent_unit_is_a_unit(key):
    law = symbolic.consistent(SI, (1, 1, -2))
    assert pickle.loads(pickle.dumps(law)) == law and hash(law) == hash(symbolic.consistent(SI, (1, 1, -2)))
    spec = fast(chain(law, nau), (4, 3, 2))
    theta = spec.init(key, jnp.float64)
    x = jnp.asarray(inputs(4))
    assert theta.shape == (1 * 3 + 3 * 2,)
    np.testing.assert_array_equal(spec.apply(theta, x), chain(law, nau).apply(spec.unravel(theta), x))
    params = law.init(key, (4, 3), jnp.float64)
    assert law.log_polar is not None
    u, v = law.log_polar(params, x)
    np.testing.assert_allclose(jnp.exp(u) * jnp.cos(v), law.apply(params, x), rtol=1e-12)
    with pytest.raises(ValueError, match="z.*(1, n_out)"):
        law.apply({"z": jnp.ones((2, 3))}, x)
