"""What holds of every layer in every front end: bit-equal to the functional core, same params, options and errors."""

import inspect
import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx as flax_nnx
from front_helpers import FRONTS, VARIANTS, KeyProbe, assert_same, forward, inputs, layer_class, params_of

from nalu_jax import UNITS, _make_layers

fronts = pytest.mark.parametrize("front", FRONTS)
units = pytest.mark.parametrize("unit", UNITS)

# what the frameworks' own layers take; everything else in a signature is an option of the unit
FRAMEWORK = {
    "linen": {"features", "dtype", "param_dtype", "name", "parent"},
    "nnx": {"n_in", "n_out", "metadata", "dtype", "param_dtype", "rngs"},
    "eqx": {"n_in", "n_out", "dtype", "param_dtype", "key"},
}
TRAINING = {"linen": {"deterministic"}, "nnx": {"deterministic"}, "eqx": {"inference"}}


def test_every_unit_has_a_class_in_every_front_end():
    for front, module in FRONTS.items():
        for unit in UNITS:
            assert layer_class(front, unit).record is UNITS[unit]
        assert sorted(module.__all__) == sorted(["find_units", *[unit.layer for unit in UNITS.values()]])


def test_the_classes_are_what_the_units_say(capsys):
    """Written by a script, as CONTRIBUTING says: after a change of a unit it is run again."""
    assert _make_layers.main(["--check"]) == 0, capsys.readouterr().out


def test_a_stale_class_is_noticed(tmp_path, monkeypatch, capsys):
    for name in _make_layers.CLASSES:
        text = pathlib.Path(_make_layers.__file__).with_name(name).read_text()
        (tmp_path / name).write_text(text.replace('"glorot_uniform_half"', '"zeros"') if name == "eqx.py" else text)
    monkeypatch.setattr(_make_layers, "__file__", str(tmp_path / "_make_layers.py"))
    assert _make_layers.main(["--check"]) == 1
    assert capsys.readouterr().out == "eqx.py is not what its units say: run python -m nalu_jax._make_layers\n"
    assert _make_layers.main([]) == 0 and _make_layers.main(["--check"]) == 0


@fronts
@units
def test_a_class_offers_the_options_of_its_unit_with_their_defaults(front, unit):
    options = UNITS[unit].defaults
    training = TRAINING[front] if UNITS[unit].train_apply else set()
    parameters = inspect.signature(layer_class(front, unit).__init__).parameters
    assert parameters.keys() - FRAMEWORK[front] - training - {"self"} == options.keys()
    assert {name: parameters[name].default for name in options} == options
    assert all(parameters[name].kind is inspect.Parameter.KEYWORD_ONLY for name in options)
    assert not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())


@fronts
@units
def test_equals_the_functional_core_bit_for_bit(front, unit, x64):
    params, x = inputs(unit, jnp.float64 if x64 else jnp.float32)
    call = forward(front, unit, params)
    assert_same(call(x), UNITS[unit].apply(params, x))
    assert_same(call(x[0]), UNITS[unit].apply(params, x[0]))


@fronts
@units
def test_compiled_value_and_gradient_equal_the_functional_core_bit_for_bit(front, unit):
    params, x = inputs(unit)
    compiled = jax.jit(jax.value_and_grad(lambda params: forward(front, unit, params)(x).sum()))
    assert_same(
        compiled(params), jax.jit(jax.value_and_grad(lambda params: UNITS[unit].apply(params, x).sum()))(params)
    )


@fronts
@pytest.mark.parametrize(("unit", "options"), VARIANTS, ids=[unit for unit, _ in VARIANTS])
def test_options_reach_every_function_of_the_unit(front, unit, options):
    bound = UNITS[unit].bind(**options)
    params = bound.init(jax.random.key(1), (3, 4))
    _, x = inputs(unit, positive=options.get("domain") == "positive")
    made = layer_class(front, unit).from_params(params, **options)
    layer = made[0] if front == "linen" else made
    assert_same(forward(front, unit, params, **options)(x), bound.apply(params, x))
    doubled = jax.tree.map(lambda leaf: 2 * leaf, params)
    assert_same(layer.unit.project(doubled), bound.project(doubled))
    assert dict(layer.unit.options).items() >= options.items()


@fronts
@pytest.mark.parametrize("unit", [name for name, unit in UNITS.items() if unit.train_apply])
def test_training_forward_equals_the_functional_core_bit_for_bit(front, unit, key):
    params, x = inputs(unit)
    train_apply = UNITS[unit].train_apply
    assert train_apply is not None
    noise_key = KeyProbe().apply({}, rngs={"noise": key}) if front == "linen" else key
    trained = forward(front, unit, params)(x, key=key)
    assert_same(trained, train_apply(params, x, key=noise_key))
    assert not np.array_equal(trained, UNITS[unit].apply(params, x))


@units
def test_params_move_between_the_four_worlds(unit):
    params, x = inputs(unit)
    expected, moved = UNITS[unit].apply(params, x), params
    for front in (*FRONTS, *FRONTS):
        assert_same(forward(front, unit, moved)(x), expected)
        moved = params_of(front, layer_class(front, unit).from_params(moved))
        assert_same(moved, params)


@units
def test_constructors_make_the_params_of_the_unit(unit, key):
    shapes = UNITS[unit].leaves((3, 4))
    flags = {"deterministic": True} if UNITS[unit].train_apply else {}
    linen = layer_class("linen", unit)(features=4, **flags).init(key, jnp.ones((5, 3)))
    assert {name: leaf.shape for name, leaf in linen["params"].items()} == shapes
    nnx = layer_class("nnx", unit)(3, 4, rngs=flax_nnx.Rngs(params=key))
    assert_same(params_of("nnx", nnx), UNITS[unit].init(flax_nnx.Rngs(params=key).params(), (3, 4)))
    assert_same(layer_class("eqx", unit)(3, 4, key=key).params(), UNITS[unit].init(key, (3, 4)))


@fronts
def test_initialisers_by_name_and_as_functions(front, key, as_users_run_it):
    for init in ("ones", jax.nn.initializers.ones):
        assert_same(_fresh(front, "npu", key, re_init=init)["re"], jnp.ones((3, 4)))
        pairs = _fresh(front, "nalu", key, separate=True, w_hat_init=init)
        assert_same((pairs["w_add_hat"], pairs["w_mul_hat"]), (jnp.ones((3, 4)),) * 2)
    with pytest.raises(ValueError, match="initialiser of leaf 're' must be a function"):
        _fresh(front, "npu", key, re_init="one")


@fronts
@units
def test_bfloat16_computation_on_float32_params(front, unit):
    params, x = inputs(unit)
    low = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), (params, x))
    y = jax.jit(lambda params, x: forward(front, unit, params, dtype=jnp.bfloat16)(x))(params, x)
    assert_same(y, jax.jit(UNITS[unit].apply)(*low))


@fronts
@pytest.mark.parametrize("param_dtype", ["float32", "bfloat16"])
def test_gradients_have_the_dtype_of_the_params(front, param_dtype):
    params, x = inputs("npu", param_dtype)
    compute = jnp.bfloat16 if param_dtype == "float32" else jnp.float32
    loss = lambda params: forward(front, "npu", params, dtype=compute)(x).astype(jnp.float32).sum()
    gradient = jax.jit(jax.grad(loss))(params)
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(gradient)} == {param_dtype}
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


@fronts
def test_without_dtype_x_and_params_are_promoted(front):
    params, x = inputs("npu")
    with jax.numpy_dtype_promotion("standard"):
        assert forward(front, "npu", params)(x.astype(jnp.bfloat16)).dtype == jnp.float32
    with pytest.raises(TypeError, match=r"NPU.*x is bfloat16 and params are float32.*dtype=jnp\.bfloat16"):
        forward(front, "npu", params)(x.astype(jnp.bfloat16))


@fronts
def test_param_dtype(front, key, x64):
    for dtype in (jnp.bfloat16, jnp.float32, *([jnp.float64] if x64 else [])):
        params = _fresh(front, "npu", key, param_dtype=dtype)
        assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype(dtype)}
    default = jnp.float64 if x64 and front == "eqx" else jnp.float32
    assert _fresh(front, "npu", key)["re"].dtype == default


@fronts
def test_from_params_keeps_dtype_and_options(front):
    params, x = inputs("npu", jnp.bfloat16, positive=True)
    made = layer_class(front, "npu").from_params(params, domain="positive")
    assert_same(params_of(front, made), params)
    bound = UNITS["npu"].bind(domain="positive")
    assert_same(forward(front, "npu", params, domain="positive")(x), bound.apply(params, x))
    with pytest.raises(TypeError, match="domian"):
        layer_class(front, "npu").from_params(params, domian="positive")


@fronts
def test_errors_of_x_name_the_layer(front):
    call = forward(front, "npu", inputs("npu")[0])
    with pytest.raises(ValueError, match=rf"nalu_jax\.{front}\.NPU.*\(5, 2\).*Pass x with"):
        call(jnp.ones((5, 2)))
    with pytest.raises(TypeError, match=rf"nalu_jax\.{front}\.NPU.*real floating point, got int32.*astype"):
        call(jnp.ones((5, 3), jnp.int32))
    with pytest.raises(TypeError, match=rf"nalu_jax\.{front}\.NPU.*got complex64.*real parts"):
        call(jnp.ones((5, 3), jnp.complex64))
    with pytest.raises(ValueError, match=rf"nalu_jax\.{front}\.NPU.*got a scalar.*x\[None\]"):
        call(jnp.float32(1))


@fronts
def test_errors_of_params_name_the_layer(front):
    npu = layer_class(front, "npu")
    with pytest.raises(ValueError, match=rf"{front}\.NPU.*leaves \['re', 'im', 'gate'\], got \['w'\].*another unit"):
        npu.from_params(inputs("nau")[0])
    with pytest.raises(ValueError, match=rf"{front}\.NPU.*'gate' has shape \(4,\), expected \(3,\).*make params"):
        npu.from_params(inputs("npu")[0] | {"gate": jnp.ones(4)})
    with pytest.raises(ValueError, match=rf"{front}\.NPU.*'re' must be a matrix, got shape \(3,\).*take one member"):
        npu.from_params(inputs("npu")[0] | {"re": jnp.ones(3)})
    with pytest.raises(TypeError):
        npu.from_params((jnp.ones((3, 4)),))


@fronts
def test_errors_of_the_constructor_name_the_layer(front, key, as_users_run_it):
    for name in ("dtype", "param_dtype"):
        with pytest.raises(ValueError, match=rf"NPU.*: {name} must be a real floating dtype.*got int32"):
            _fresh(front, "npu", key, **{name: jnp.int32})
    with pytest.raises(ValueError, match=r"NPU.*n_out must be an integer of at least 1, got 0"):
        _fresh(front, "npu", key, n_out=0)
    with pytest.raises(TypeError, match="epz"):
        _fresh(front, "npu", key, epz=1)
    with pytest.raises(ValueError, match=re.escape("npu: domain must be one of 'real', 'positive', got 'complex'")):
        forward(front, "npu", inputs("npu")[0], domain="complex")(jnp.ones((5, 3)))


@fronts
def test_training_without_noise_key(front, key):
    params, x = inputs("snmu")
    made = layer_class(front, "snmu").from_params(params)
    if front == "linen":
        layer, variables = made
        with pytest.raises(ValueError, match=r"linen\.SNMU.*collection \"noise\", got \['dropout'\].*Pass rngs="):
            layer.apply(variables, x, deterministic=False, rngs={"dropout": key})
    elif front == "nnx":
        layer = layer_class("nnx", "snmu")(3, 4, rngs=flax_nnx.Rngs(params=0))
        with pytest.raises(ValueError, match=r"nnx\.SNMU.*stream \"noise\", got none.*nnx\.Rngs\(params=0, noise=1\)"):
            layer(x)
    else:
        with pytest.raises(ValueError, match=r"eqx\.SNMU.*needs a key.*got None.*inference=True"):
            made(x)


def _fresh(front, unit, key, n_out=4, **options):
    """Params that the constructor of a layer of shape (3, n_out) makes."""
    cls = layer_class(front, unit)
    if front == "linen":
        dtype = options.get("param_dtype", jnp.float32)
        x = jnp.ones((5, 3), dtype if jnp.issubdtype(dtype, jnp.floating) else jnp.float32)
        return nn.unbox(cls(features=n_out, **options).init(key, x)["params"])
    if front == "nnx":
        return params_of(front, cls(3, n_out, rngs=flax_nnx.Rngs(0), **options))
    return params_of(front, cls(3, n_out, key=key, **options))
