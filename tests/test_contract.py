"""What every unit promises, for every entry of UNITS: a new unit is covered unasked."""

import copy
import inspect
import pathlib
import pickle
import sys
from typing import Literal, get_args, get_origin

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import (
    ALL_UNITS,
    POSITIVE,
    VARIANTS,
    assert_trees_close,
    is_number,
    is_smooth,
    nonfinite_leaves,
    random_params,
    variant_id,
    variants_of,
    within_domain,
)
from oracles import ORACLES

import nalu_jax
from nalu_jax import UNITS, Unit, units
from nalu_jax._unit import FUNCTIONS, Computes

DTYPES = {False: [jnp.bfloat16, jnp.float32], True: [jnp.bfloat16, jnp.float32, jnp.float64]}
DERIVATIVES = {
    "reverse": lambda f: jax.value_and_grad(lambda p, x: f(p, x).sum(), (0, 1)),
    "forward": lambda f: jax.jacfwd(f, (0, 1)),
    "hessian": lambda f: jax.hessian(lambda p, x: f(p, x).sum(), (0, 1)),
}
each_derivative = pytest.mark.parametrize(
    "kind", ["reverse", "forward", pytest.param("hessian", marks=pytest.mark.slow)]
)

each_unit = pytest.mark.parametrize("unit", ALL_UNITS, ids=lambda unit: unit.name)
each_variant = pytest.mark.parametrize("variant", VARIANTS, ids=variant_id)
FORMULAS = [variant for variant in VARIANTS if not any(map(is_number, variant[1].values()))]
each_formula = pytest.mark.parametrize("variant", FORMULAS, ids=variant_id)
each_smooth_formula = pytest.mark.parametrize("variant", [v for v in FORMULAS if is_smooth(*v)], ids=variant_id)


def forward_passes(unit):
    """The evaluation forward pass, and the one of training where it differs."""
    passes = [unit.apply]
    if unit.train_apply is not None:
        noise_key = jax.random.key(1)
        passes.append(lambda params, x: unit.train_apply(params, x, key=noise_key))
    return passes


def edge_inputs(dtype):
    """Rows of three inputs at which a careless formula breaks, all with results that fit the dtype."""
    subnormal = float(jnp.finfo(dtype).smallest_subnormal)
    rows = [
        [0.0, 0.0, 0.0],
        [-0.0, -0.0, -0.0],
        [0.0, 1.0, -1.0],
        [subnormal, -subnormal, subnormal],
        [1e-30, -1e-30, 2.0],
        [1.0, 1.0, 1.0],
        [-1.0, -1.0, -1.0],
        [1e5, -1e5, 1e-5],
    ]
    return jnp.array(rows, dtype)


@each_unit
def test_unit_is_its_modules_record(unit):
    module = sys.modules[f"nalu_jax.units.{unit.name}"]
    assert getattr(nalu_jax, unit.name) is module
    assert UNITS[unit.name] is module.UNIT is unit
    documentation = module.__doc__ or ""
    assert all(part in documentation for part in ("Reference:", "Params:", "https://", ">>>"))
    for leaf in unit.leaves((2, 3)):
        assert f"    {leaf} " in documentation, f"the docstring does not list the leaf {leaf}"


def test_every_module_of_a_unit_is_listed_and_exported():
    files = pathlib.Path(units.__file__).parent.glob("[!_]*.py")
    assert set(units.__all__) - {"UNITS"} == {file.stem for file in files}, "nalu_jax/units/__init__.py: __all__"
    assert set(units.__all__) <= set(dir(nalu_jax)), "nalu_jax/__init__.py exports what units.__all__ lists"
    assert list(UNITS) == [name for name in units.__all__ if name != "UNITS"]


@each_unit
def test_record_is_complete(unit):
    assert unit.name in ORACLES, f"tests/oracles.py: write the formula of {unit.name} from its paper"
    assert unit.formula is not None, f"nalu_jax/units/{unit.name}.py: give UNIT a formula for symbolic.to_sympy"
    assert unit.layer.isidentifier() and unit.layer not in {u.layer for u in ALL_UNITS if u is not unit}
    assert unit.computes in get_args(Computes)
    assert not unit.noisy or unit.train_apply is not None
    taken = unit.defaults.keys() & set().union(*(unit.bind(**v).leaves((2, 3)) for v in variants_of(unit)))
    assert not taken, f"{unit.name}: {sorted(taken)} are options and leaves; an option and a leaf need two names"
    for variant in variants_of(unit):
        bound = unit.bind(**variant)
        first = next(iter(bound.weights(bound.init(jax.random.key(0), (2, 3))).values()))
        assert first.ndim == 2 and first.shape[1] == 3, "plots draw the first effective weight as the edges of a unit"


@each_unit
def test_bind_has_every_option_typed_and_with_its_default(unit):
    module = sys.modules[f"nalu_jax.units.{unit.name}"]
    signature = inspect.signature(module.bind)
    assert {name: p.default for name, p in signature.parameters.items()} == unit.defaults
    assert all(p.kind is p.KEYWORD_ONLY for p in signature.parameters.values()) and signature.return_annotation is Unit
    functions = [getattr(unit, name) for name in FUNCTIONS if getattr(unit, name) is not None]
    for function in functions:
        for option in inspect.signature(function).parameters.values():
            if option.name in unit.defaults:
                assert option.default == unit.defaults[option.name], f"{function}: another default of {option.name}"
                assert option.annotation == signature.parameters[option.name].annotation
                assert option.annotation not in (str, inspect.Parameter.empty), f"{option.name}: type it with Literal"
    assert module.bind() is not unit and module.bind() == unit
    for options in [*variants_of(unit), *({name: "ones"} for name in unit.defaults if name.endswith("_init"))]:
        assert module.bind(**options) == unit.bind(**options)
        assert module.bind(**options).settings == unit.defaults | options


@each_unit
def test_every_value_of_a_literal_option_is_accepted(unit, key):
    module = sys.modules[f"nalu_jax.units.{unit.name}"]
    for option in inspect.signature(module.bind).parameters.values():
        if get_origin(option.annotation) is Literal:
            for value in get_args(option.annotation):
                bound = unit.bind(**{option.name: value})
                params = bound.init(key, (3, 2))
                bound.project(params)
                assert bound.apply(params, jnp.ones(3)).shape == (2,)


@each_unit
def test_an_option_that_is_given_its_default_changes_nothing(unit):
    """Equal units are one key of jit, and one entry of every cache, however they were put together."""
    assert unit.bind(**unit.defaults) == unit and hash(unit.bind(**unit.defaults)) == hash(unit)
    for options in variants_of(unit):
        back = unit.bind(**options).bind(**{name: unit.defaults[name] for name in options})
        assert back == unit


@each_unit
def test_signatures(unit):
    def parts(function):
        parameters = inspect.signature(function).parameters.values()
        positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        assert all(p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) for p in parameters)
        return positional

    assert parts(unit.init) == ["key", "shape", "dtype"]
    assert parts(unit.apply) == ["params", "x"]
    for function in (unit.weights, unit.penalty, unit.project):
        assert parts(function) == ["params"]
    if unit.train_apply is not None:
        assert parts(unit.train_apply) == ["params", "x"]
        assert inspect.signature(unit.train_apply).parameters["key"].default is inspect.Parameter.empty


@each_variant
def test_shapes_and_dtypes(variant, x64, key):
    name, options = variant
    unit = UNITS[name].bind(**options)
    for dtype in DTYPES[x64]:
        params = unit.init(key, (3, 2), dtype)
        assert {leaf: value.shape for leaf, value in params.items()} == unit.leaves((3, 2))
        x = jnp.ones((5, 3), dtype)
        results = [params, unit.weights(params), unit.penalty(params), unit.project(params), unit.apply(params, x)]
        results += [f(params, x) for f in forward_passes(unit)]
        assert all(leaf.dtype == dtype for leaf in jax.tree.leaves(results))
        assert unit.apply(params, x).shape == (5, 2)
        assert unit.penalty(params).shape == ()
        assert jax.tree.map(jnp.shape, unit.project(params)) == jax.tree.map(jnp.shape, params)


@each_formula
def test_leading_axes(variant, x64, key):
    name, options = variant
    unit = UNITS[name].bind(**options)
    dtype = DTYPES[x64][-1]
    params = random_params(unit, key, dtype=dtype)
    x = within_domain(variant, jax.random.normal(key, (2, 4, 3), dtype))
    batched = unit.apply(params, x)
    assert batched.shape == (2, 4, 2)
    one_by_one = jax.lax.map(lambda block: jax.lax.map(lambda row: unit.apply(params, row), block), x)
    mapped = jax.vmap(jax.vmap(lambda row: unit.apply(params, row)))(x)
    tolerance = 30 * float(jnp.finfo(dtype).eps)
    assert_trees_close(one_by_one, batched, rtol=tolerance, atol=tolerance)
    assert_trees_close(mapped, batched, rtol=tolerance, atol=tolerance)
    assert unit.apply(params, x[0, 0]).shape == (2,)
    assert unit.apply(params, x[:0]).shape == (0, 4, 2)


@each_unit
def test_many_params_under_vmap(unit, key):
    keys = jax.random.split(key, 4)
    params = jax.vmap(lambda k: unit.init(k, (3, 2)))(keys)
    x = jax.random.normal(key, (5, 3))
    together = jax.vmap(unit.apply, (0, None))(params, x)
    apart = jnp.stack([unit.apply(jax.tree.map(lambda leaf, i=i: leaf[i], params), x) for i in range(4)])
    assert_trees_close(together, apart, rtol=1e-5, atol=1e-6)


@each_unit
def test_init_depends_on_the_key_alone(unit, key):
    first, again = unit.init(key, (4, 3)), unit.init(key, (4, 3))
    other = unit.init(jax.random.key(7), (4, 3))
    assert all(bool((first[leaf] == again[leaf]).all()) for leaf in first)
    assert any(bool((first[leaf] != other[leaf]).any()) for leaf in first)
    old_style = unit.init(jax.random.PRNGKey(3), (4, 3))
    new_style = unit.init(jax.random.key(3), (4, 3))
    assert all(bool((old_style[leaf] == new_style[leaf]).all()) for leaf in first)


@each_unit
def test_flat_order_is_the_records_not_the_dicts(unit, key):
    params = unit.init(key, (3, 2))
    shuffled = dict(sorted(params.items(), reverse=True))
    x = jnp.ones(3)
    assert list(unit.leaves((3, 2))) == list(unit.init(key, (3, 2)))
    assert bool((unit.apply(shuffled, x) == unit.apply(params, x)).all())


@each_formula
def test_jit_equals_eager(variant, x64, key):
    name, options = variant
    unit = UNITS[name].bind(**options)
    dtype = DTYPES[x64][-1]
    params, x = random_params(unit, key, dtype=dtype), within_domain(variant, jax.random.normal(key, (5, 3), dtype))
    tolerance = 30 * float(jnp.finfo(dtype).eps)
    assert_trees_close(jax.jit(unit.apply)(params, x), unit.apply(params, x), rtol=tolerance, atol=tolerance)


@each_unit
def test_one_trace_for_two_calls_and_for_two_equal_bindings(unit, key):
    traces = []

    def counted(record, params, x):
        traces.append(record.name)
        return record.apply(params, x)

    jitted = jax.jit(counted, static_argnums=0)
    params = unit.init(key, (3, 2))
    options = {"eps": 1e-3} if "eps" in inspect.signature(unit.apply).parameters else {}
    for seed in range(2):
        jitted(unit.bind(**options), params, jax.random.normal(jax.random.key(seed), (5, 3)))
    assert len(traces) == 1


@each_formula
@each_derivative
def test_derivatives_are_finite_at_edge_inputs(variant, kind, x64, key):
    name, options = variant
    unit = UNITS[name].bind(**options)
    for dtype in DTYPES[x64] if kind == "reverse" else DTYPES[x64][-1:]:
        initial, generic = unit.init(key, (3, 2), dtype), random_params(unit, key, dtype=dtype)
        params = jax.tree.map(lambda a, b: jnp.stack([a, b]), initial, generic)
        for forward in forward_passes(unit):
            over_inputs = jax.vmap(DERIVATIVES[kind](forward), (None, 0))
            result = jax.jit(jax.vmap(over_inputs, (0, None)))(params, within_domain(variant, edge_inputs(dtype)))
            assert nonfinite_leaves(result) == []


@pytest.mark.parametrize("name", POSITIVE)
@each_derivative
def test_positive_domain(name, kind, x64, key):
    unit, positive = UNITS[name], UNITS[name].bind(domain="positive")
    dtype = DTYPES[x64][-1]
    params = random_params(unit, key, dtype=dtype)
    x = jnp.concatenate([jnp.abs(edge_inputs(dtype)), jax.random.uniform(key, (4, 3), dtype, 0.1, 3)])
    pairs = zip(forward_passes(unit), forward_passes(positive), strict=True)
    for real_forward, positive_forward in pairs:
        expected = jax.jit(jax.vmap(DERIVATIVES[kind](real_forward), (None, 0)))(params, x)
        actual = jax.jit(jax.vmap(DERIVATIVES[kind](positive_forward), (None, 0)))(params, x)
        assert nonfinite_leaves(actual) == []
        assert_trees_close(actual, expected, rtol=2000 * float(jnp.finfo(dtype).eps), atol=1e-4)
        assert bool(jnp.isnan(positive_forward(params, x.at[:, 1].set(-0.5))).all())


@each_formula
def test_nan_in_nan_out(variant, key):
    name, options = variant
    unit = UNITS[name].bind(**options)
    params = random_params(unit, key)
    for forward in map(jax.jit, forward_passes(unit)):
        for i in range(3):
            x = jnp.ones((1, 3)).at[0, i].set(jnp.nan)
            assert bool(jnp.isnan(forward(params, x)).all()), f"NaN in input {i} gave a number"
        for leaf in params:
            bad = params | {leaf: jnp.full_like(params[leaf], jnp.nan)}
            assert bool(jnp.isnan(forward(bad, jnp.full((1, 3), -1.5))).all()), f"NaN in {leaf} gave a number"


@each_smooth_formula
def test_first_and_second_derivatives_against_central_differences(variant, key):
    name, options = variant
    with jax.enable_x64(True):
        unit = UNITS[name].bind(**options)
        params = random_params(unit, key, dtype=jnp.float64)
        params = {leaf: jnp.clip(value, 0.05, 0.95) for leaf, value in params.items()}  # straight-through clips: inside
        x = jax.random.uniform(key, (3,), jnp.float64, 0.4, 1.6) * within_domain(variant, jnp.array([1.0, -1.0, 1.0]))
        point = (params, x)
        direction = jax.tree.map(lambda leaf: jnp.cos(jnp.arange(1.0, leaf.size + 1)).reshape(leaf.shape), point)
        step = 1e-5

        def along(t):
            return jax.tree.map(lambda a, d: a + t * d, point, direction)

        for forward in forward_passes(unit):
            gradient = jax.jit(jax.grad(lambda point, f=forward: f(*point).sum()))
            value = jax.jit(lambda point, f=forward: f(*point).sum())
            slope, curvature = jax.jvp(gradient, (point,), (direction,))
            first = (value(along(step)) - value(along(-step))) / (2 * step)
            second = jax.tree.map(lambda a, b: (a - b) / (2 * step), gradient(along(step)), gradient(along(-step)))
            products = jax.tree.map(lambda g, d: (g * d).sum(), slope, direction)
            assert_trees_close(sum(jax.tree.leaves(products)), first, rtol=1e-7, atol=1e-8)
            assert_trees_close(curvature, second, rtol=1e-6, atol=1e-7)


@each_unit
def test_no_weight_is_stuck_outside_its_range(unit, key):
    """A clip passes gradients straight through: far outside, every leaf still has a gradient."""
    outside = {leaf: 1.5 + 0.1 * value for leaf, value in random_params(unit, key, (2, 2)).items()}
    x = jnp.array([[0.7, 1.6], [1.3, 0.4]])
    gradient = jax.grad(lambda p: (unit.apply(p, x) ** 2).sum())(outside)
    assert all(bool((gradient[leaf] != 0).any()) for leaf in gradient if leaf != "im"), gradient


@each_unit
def test_project_is_idempotent_and_keeps_what_is_inside(unit, key):
    params = random_params(unit, key, (6, 5))
    once = unit.project(params)
    assert_trees_close(unit.project(once), once, rtol=0)
    small = {leaf: jnp.abs(value) / 10 for leaf, value in params.items()}
    assert_trees_close(unit.project(small), small, rtol=0)


@each_unit
def test_record_pickles_copies_hashes(unit):
    bound = unit.bind(**({"eps": 1e-3} if "eps" in inspect.signature(unit.apply).parameters else {}))
    for record in (unit, bound, nalu_jax.chain(unit, bound)):
        for twin in (pickle.loads(pickle.dumps(record)), copy.deepcopy(record)):
            assert twin == record and hash(twin) == hash(record)
    assert bound == unit or bound != unit.bind(eps=1e-2)


@each_unit
def test_penalty_has_finite_gradient_at_zero(unit, key):
    params = jax.tree.map(jnp.zeros_like, unit.init(key, (3, 2)))
    gradient = jax.grad(unit.penalty)(params)
    assert nonfinite_leaves(gradient) == []
    assert np.isfinite(float(unit.penalty(params)))
