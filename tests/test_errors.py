"""Bad input: an error at trace time that names the unit, what was expected, what came, and the cure."""

import inspect
from typing import Any, cast

import jax
import jax.numpy as jnp
import pytest
from helpers import ALL_UNITS

import nalu_jax
from nalu_jax import UNITS, chain, discover, nau, nmru, npu, snmu

each_unit = pytest.mark.parametrize("unit", ALL_UNITS, ids=lambda unit: unit.name)


pytestmark = pytest.mark.usefixtures("as_users_run_it")


@pytest.fixture(params=["eager", "jit"])
def run(request):
    return jax.jit if request.param == "jit" else lambda function: function


def forward_passes(unit):
    yield unit.apply
    if unit.train_apply is not None:
        yield lambda params, x: unit.train_apply(params, x, key=jax.random.key(0))


@each_unit
def test_wrong_n_in(unit, run, key):
    params = unit.init(key, (3, 2))
    for forward in forward_passes(unit):
        with pytest.raises(
            ValueError, match=rf"^{unit.name}: leaf .* expected .* x of shape \(5, 4\).*{unit.name}.init"
        ):
            run(forward)(params, jnp.ones((5, 4)))


@each_unit
def test_missing_and_extra_leaves(unit, run, key):
    params = unit.init(key, (3, 2))
    first, *rest = params
    calls = [unit.weights, unit.penalty, unit.project]
    calls += [lambda p, f=f: f(p, jnp.ones(3)) for f in forward_passes(unit)]
    for call in calls:
        with pytest.raises(ValueError, match=rf"^{unit.name}: params need the leaves .*missing \['{first}'\].*init"):
            run(call)({leaf: params[leaf] for leaf in rest})
        with pytest.raises(ValueError, match=rf"^{unit.name}: .*unexpected \['kernel'\].*init"):
            run(call)(params | {"kernel": jnp.ones(2)})


@each_unit
def test_params_that_are_no_dict(unit):
    with pytest.raises(TypeError, match=rf"^{unit.name}: params must be a dict with leaves .* got list"):
        unit.apply([jnp.ones((3, 2))], jnp.ones(3))


@each_unit
@pytest.mark.parametrize("dtype", [jnp.int32, jnp.complex64, jnp.bool])
def test_x_that_is_not_real_floating_point(unit, dtype, run, key):
    params = unit.init(key, (3, 2))
    for forward in forward_passes(unit):
        with pytest.raises(TypeError, match=rf"^{unit.name}: x must be real floating point, got .*astype"):
            run(forward)(params, jnp.ones((5, 3), dtype))


@each_unit
def test_x_and_params_of_different_dtypes(unit, run, key):
    params = unit.init(key, (3, 2))
    with pytest.raises(TypeError, match=rf"^{unit.name}: leaf .* is float32 and x is bfloat16.*astype"):
        run(unit.apply)(params, jnp.ones(3, jnp.bfloat16))


@each_unit
def test_scalar_x(unit, run, key):
    with pytest.raises(ValueError, match=rf"^{unit.name}: x must have shape \(..., n_in\), got a scalar"):
        run(unit.apply)(unit.init(key, (1, 1)), jnp.ones(()))


@each_unit
def test_leaf_of_a_wrong_shape(unit, run, key):
    params = unit.init(key, (3, 2))
    for leaf, value in params.items():
        with pytest.raises(ValueError, match=rf"^{unit.name}: leaf '.*' has shape .*, expected .*"):
            run(unit.apply)(params | {leaf: value[None]}, jnp.ones(3))


@each_unit
@pytest.mark.parametrize("shape", [(2, 6, 4), (2,), 2, (0, 3), (3, 0), (2.0, 3), (True, 2), "23"])
def test_shape_that_is_not_two_sizes(unit, shape, key):
    with pytest.raises(ValueError, match=rf"^{unit.name}.init: shape must be \(n_in, n_out\).*got.*chain"):
        unit.init(key, shape)


@each_unit
@pytest.mark.parametrize("dtype", [jnp.int32, jnp.complex64])
def test_dtype_that_is_not_real_floating_point(unit, dtype, key):
    with pytest.raises(
        ValueError, match=rf"^{unit.name}.init: dtype must be a real floating dtype.*got {dtype.__name__}"
    ):
        unit.init(key, (2, 3), dtype)


def test_arguments_that_are_missing_or_unknown_are_told_of_by_function():
    """The message was Python's own, without a function."""
    with pytest.raises(TypeError, match=r"^discover.table: missing a required argument: 'y'\.$"):
        cast(Any, discover.table)([[1.0], [2.0]])
    with pytest.raises(TypeError, match=r"^discover.ode: got an unexpected keyword argument 'name'\.$"):
        cast(Any, discover.ode)([0.0, 1.0], [1.0, 2.0], name="x")


@each_unit
def test_unknown_option(unit):
    with pytest.raises(TypeError, match=rf"^{unit.name}: no option \['epsilon'\]; its options are \["):
        unit.bind(epsilon=1e-3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'epsilon'"):
        getattr(nalu_jax, unit.name).bind(epsilon=1e-3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'epsilon'"):
        unit.apply({}, jnp.ones(3), epsilon=1e-3)


@each_unit
def test_unknown_value_of_every_named_option(unit, key):
    functions = [unit.init, unit.apply, unit.project, *([unit.train_apply] if unit.train_apply else [])]
    for function in functions:
        for option in inspect.signature(function).parameters.values():
            if isinstance(option.default, str):
                arguments = {
                    unit.init: (key, (3, 2)),
                    unit.project: (unit.init(key, (3, 2)),),
                }.get(function, (unit.init(key, (3, 2)), jnp.ones(3)))
                named = "the initialiser of leaf '.*'" if option.name.endswith("_init") else option.name
                noise = {"key": key} if function is unit.train_apply else {}
                with pytest.raises(ValueError, match=rf"^{unit.name}: {named} must be .*got 'nonsense'"):
                    function(*arguments, **{option.name: "nonsense"}, **noise)


def test_a_missing_leaf_names_the_variants_leaves(key):
    with pytest.raises(
        ValueError, match=r"nalu: .*missing \['m_add_hat', .*unexpected \['m_hat', 'w_hat'\].*same options"
    ):
        UNITS["nalu"].apply(UNITS["nalu"].init(key, (3, 2)), jnp.ones(3), separate=True)


def test_option_that_is_not_hashable():
    with pytest.raises(TypeError, match=r"npu: option \['eps'\] is not hashable"):
        npu.UNIT.bind(eps=[1e-3])  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("noise", [(0.0, 1.0), (5.0, 1.0), (1.0,), 3.0])
def test_snmu_noise(noise, key):
    with pytest.raises(ValueError, match="snmu: noise must be"):
        snmu.train_apply(snmu.init(key, (3, 2)), jnp.ones(3), key=key, noise=noise)


def test_clamp_of_a_leaf_that_the_unit_lacks(key):
    unit = UNITS["real_naive_npu"]
    with pytest.raises(ValueError, match="real_naive_npu: clamp must be one of 'none', 'w', got 'wg'"):
        unit.project(unit.init(key, (3, 2)), clamp="wg")


def test_nmru_counts_its_rows_twice(key):
    with pytest.raises(ValueError, match=r"nmru: leaf 'w' has shape \(3, 2\), expected \(6, 2\)"):
        nmru.apply({"w": jnp.ones((3, 2))}, jnp.ones(3))


def test_chain_shape(key):
    with pytest.raises(ValueError, match=r"^chain\(npu, nau\): shape \(2, 6\) has 2 sizes, expected 3"):
        chain(npu, nau).init(key, (2, 6))


def test_chain_params(key):
    model = chain(npu, nau)
    params = model.init(key, (2, 6, 4))
    for call in (model.weights, model.penalty, model.project, lambda p: model.apply(p, jnp.ones(2))):
        with pytest.raises(ValueError, match=r"^chain\(npu, nau\): params must be a tuple of 2 entries.*got 1 entries"):
            call(params[:1])
        with pytest.raises(ValueError, match="got dict"):
            call(params[0])


@pytest.mark.parametrize("thing", [jnp, "npu", None])
def test_chain_of_something_else(thing):
    with pytest.raises(TypeError, match="chain: expected a unit module, a Unit or a Chain"):
        chain(npu, thing)


def test_chain_of_nothing():
    with pytest.raises(TypeError, match="chain: expected at least one unit"):
        nalu_jax.chain()


@each_unit
def test_an_option_of_a_few_texts_is_checked_where_it_is_fixed(unit):
    for name, choices in unit._choices().items():
        with pytest.raises(ValueError, match=rf"^{unit.name}: {name} must be one of {choices[0]!r}, .*got 'pos'"):
            unit.bind(**{name: "pos"})


def test_formulas_of_a_sequential_say_what_params_they_need():
    nnx = pytest.importorskip("flax.nnx")
    model = nnx.Sequential(nalu_jax.nnx.RealNPU(2, 1, rngs=nnx.Rngs(0)))
    with pytest.raises(ValueError, match=r"have 're', 'gate'|have 'gate', 're'"):
        nalu_jax.symbolic.to_sympy(model, {"re": jnp.ones((2, 1)), "gate": jnp.ones(2)})
    with pytest.raises(ValueError, match="inputs= names those of the model; x and y where it is left out"):
        nalu_jax.symbolic.to_sympy(chain(npu, npu), chain(npu, npu).init(jax.random.key(0), (3, 2, 1)))
