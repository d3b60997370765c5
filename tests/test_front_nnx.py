"""NNX layers among Flax's own: composition, transforms, metadata, RNG streams, optimiser; in graph and in tree mode."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from front_helpers import assert_same, inputs, run_python

from nalu_jax import UNITS, npu, snmu
from nalu_jax.nnx import NAC, NALU, NAU, NMRU, NMU, NPU, SNMU


def test_state_is_the_params_of_the_unit():
    layer = NPU(2, 6, rngs=nnx.Rngs(0))
    params = nnx.to_pure_dict(nnx.state(layer, nnx.Param))
    assert {name: leaf.shape for name, leaf in params.items()} == npu.UNIT.leaves((2, 6))
    x = jax.random.normal(jax.random.key(0), (5, 2))
    assert_same(layer(x), npu.apply(params, x))


@pytest.mark.parametrize("name", ["NPU", "NALU", "NMRU", "NAC"])
def test_every_array_is_a_param(name):
    cls = {"NPU": NPU, "NALU": NALU, "NMRU": NMRU, "NAC": NAC}[name]
    layer = cls(2, 6, rngs=nnx.Rngs(0))
    _, params, rest = nnx.split(layer, nnx.Param, ...)
    assert jax.tree.leaves(params) and not jax.tree.leaves(rest)


def test_snmu_holds_no_floats_but_params():
    layer = SNMU(2, 6, rngs=nnx.Rngs(0))
    _, _, rest = nnx.split(layer, nnx.Param, ...)
    assert not any(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in jax.tree.leaves(rest))


def test_equal_layers_have_equal_graph_definitions():
    init = lambda: jax.nn.initializers.normal()  # a new function every time, which must not count
    a, b = (NPU(2, 6, domain="positive", re_init=init(), rngs=nnx.Rngs(i)) for i in range(2))
    assert nnx.graphdef(a) == nnx.graphdef(b) and hash(nnx.graphdef(a)) == hash(nnx.graphdef(b))
    assert nnx.graphdef(a) != nnx.graphdef(NPU(2, 6, rngs=nnx.Rngs(0)))


def test_sequential_and_list_with_layers_of_flax():
    rngs = nnx.Rngs(0)
    model = nnx.Sequential(nnx.Linear(2, 3, rngs=rngs), NAU(3, 4, rngs=rngs), jnp.tanh, NMU(4, 1, rngs=rngs))
    assert model(jnp.ones((5, 2))).shape == (5, 1)
    layers = nnx.List([NPU(2, 3, rngs=rngs), nnx.Linear(3, 1, rngs=rngs)])
    assert layers[1](layers[0](jnp.ones((5, 2)))).shape == (5, 1)


def test_vmap_over_layers_equals_the_layers_one_by_one():
    make = nnx.vmap(lambda key: NPU(3, 4, rngs=nnx.Rngs(key)))
    stacked = make(jax.random.split(jax.random.key(0), 3))
    assert stacked.re.shape == (3, 3, 4)
    _, x = inputs("npu")
    y = nnx.vmap(lambda layer, x: layer(x), in_axes=(0, None))(stacked, x)
    params = nnx.to_pure_dict(nnx.state(stacked, nnx.Param))
    for i in range(3):
        expected = npu.apply(jax.tree.map(lambda leaf, i=i: leaf[i], params), x)
        np.testing.assert_allclose(y[i], expected, rtol=1e-5)


def test_scan_over_layers_equals_the_layers_one_by_one():
    stacked = nnx.vmap(lambda key: NAU(3, 3, rngs=nnx.Rngs(key)))(jax.random.split(jax.random.key(0), 4))
    _, x = inputs("nau")
    y = nnx.scan(lambda x, layer: layer(x), in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)(x, stacked)
    w = stacked.w[...]
    np.testing.assert_allclose(y, x @ w[0] @ w[1] @ w[2] @ w[3], rtol=1e-4, atol=1e-6)


def test_stacked_layers_outside_vmap_are_an_error():
    stacked = nnx.vmap(lambda key: NAU(3, 3, rngs=nnx.Rngs(key)))(jax.random.split(jax.random.key(0), 4))
    with pytest.raises(
        ValueError, match=r"NAU\(3, 3\): leaf 'w' has shape \(4, 3, 3\), expected \(3, 3\).*under it, too; or take"
    ):
        stacked(jnp.ones((5, 3)))


def test_jit_and_grad():
    layer = NPU(3, 4, rngs=nnx.Rngs(0))
    _, x = inputs("npu")
    np.testing.assert_allclose(nnx.jit(lambda layer, x: layer(x))(layer, x), layer(x), rtol=1e-6)
    gradient = nnx.grad(lambda layer: layer(x).sum())(layer)
    params = nnx.to_pure_dict(nnx.state(layer, nnx.Param))
    expected = jax.grad(lambda params: npu.apply(params, x).sum())(params)
    assert_same(nnx.to_pure_dict(nnx.state(gradient, nnx.Param)), expected)


def test_metadata_goes_to_the_param_and_none_by_default():
    plain = NPU(2, 6, rngs=nnx.Rngs(0))
    assert "out_sharding" not in plain.re.get_metadata()
    layer = NPU(2, 6, metadata={"re": {"note": "exponents"}}, rngs=nnx.Rngs(0))
    assert layer.re.get_metadata("note") == "exponents" and "note" not in layer.im.get_metadata()
    pairs = NALU(2, 6, separate=True, metadata={"w_add_hat": {"note": "sums"}}, rngs=nnx.Rngs(0))
    assert pairs.w_add_hat.get_metadata("note") == "sums" and "note" not in pairs.w_mul_hat.get_metadata()


def test_metadata_of_what_is_no_leaf_is_an_error():
    with pytest.raises(ValueError, match=r"NPU\(2, 6\): metadata for \['r'\], which.*'re', 'im', 'gate'"):
        NPU(2, 6, metadata={"r": {"note": 1}}, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"metadata for \['w_add_hat'\].*'w_hat', 'm_hat', 'gate'"):
        NALU(2, 6, metadata={"w_add_hat": {"note": 1}}, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"metadata for \['out_sharding'\].*metadata=\{'re': \{\"out_sharding\""):
        NPU(2, 6, metadata={"out_sharding": {}}, rngs=nnx.Rngs(0))


def test_out_sharding_and_with_partitioning():
    mesh = jax.make_mesh((1, 1), ("data", "model"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
    spec = jax.sharding.PartitionSpec(None, "model")
    with jax.set_mesh(mesh):
        a = NPU(2, 6, metadata={"re": {"out_sharding": (None, "model")}}, rngs=nnx.Rngs(0))
        init = nnx.with_partitioning(jax.nn.initializers.glorot_uniform(), (None, "model"))
        b = NPU(2, 6, re_init=init, rngs=nnx.Rngs(0))
    for layer in (a, b):
        assert layer.re.get_metadata("out_sharding") == (None, "model")
        assert layer.re[...].sharding == jax.NamedSharding(mesh, spec)
        assert layer(jnp.ones((5, 2))).shape == (5, 6)


def test_deterministic_in_the_constructor_the_call_and_the_mode_of_the_model():
    layer = SNMU(3, 4, rngs=nnx.Rngs(params=0, noise=1))
    params, x = nnx.to_pure_dict(nnx.state(layer, nnx.Param)), inputs("snmu")[1]
    expected = snmu.apply(params, x)
    first, second = layer(x), layer(x)
    assert not np.array_equal(first, expected) and not np.array_equal(first, second)
    assert_same(layer(x, deterministic=True), expected)
    layer.eval()
    assert_same(layer(x), expected)
    assert not np.array_equal(layer(x, deterministic=False), expected)
    layer.train()
    assert not np.array_equal(layer(x), expected)
    with pytest.raises(ValueError, match=r"nnx\.SNMU\(3, 4\): deterministic is None"):
        SNMU(3, 4, deterministic=None, rngs=nnx.Rngs(0))(x)


def test_noise_comes_from_its_own_stream():
    _, x = inputs("snmu")
    a, b, c = (SNMU(3, 4, rngs=nnx.Rngs(params=0, noise=noise))(x) for noise in (1, 1, 2))
    assert_same(a, b)
    assert not np.array_equal(a, c)
    layer = SNMU(3, 4, rngs=nnx.Rngs(params=0))
    stream = nnx.Rngs(noise=5)
    key = nnx.Rngs(noise=5).noise()
    expected = snmu.train_apply(nnx.to_pure_dict(nnx.state(layer, nnx.Param)), x, key=key)
    assert_same(layer(x, rngs=stream), expected)
    assert_same(layer(x, rngs=key), expected)


def test_units_without_noise_hold_no_stream():
    layer = NMRU(3, 4, rngs=nnx.Rngs(0))
    train_apply, x = UNITS["nmru"].train_apply, inputs("nmru")[1]
    assert layer.rngs is None and train_apply is not None
    assert_same(layer(x), train_apply(nnx.to_pure_dict(nnx.state(layer, nnx.Param)), x, key=jax.random.key(0)))


def test_optimizer_learns_a_sum():
    x = jax.random.uniform(jax.random.key(0), (64, 3))
    target = x[:, :1] + x[:, 1:2]
    model = NAU(3, 1, rngs=nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.sgd(0.3, momentum=0.9), wrt=nnx.Param)

    @nnx.jit
    def step(model, optimizer):
        optimizer.update(model, nnx.grad(lambda model: ((model(x) - target) ** 2).mean())(model))

    for _ in range(200):
        step(model, optimizer)
    np.testing.assert_allclose(model.w[...], [[1], [1], [0]], atol=2e-3)


_BOTH_MODES = """
import sys, jax, jax.numpy as jnp, optax
from flax import config, nnx
import nalu_jax.nnx
from nalu_jax import UNITS, models
from nalu_jax.nnx import NAU, NPU, SNMU, find_units

assert config.nnx_graph_mode == config.nnx_graph_updates == (sys.argv[1] == "true")
rngs = nnx.Rngs(0)
x = jax.random.uniform(jax.random.key(0), (8, 2), minval=0.5)

# a training step with nnx.grad, nnx.jit and nnx.Optimizer; the step is so large that only the projection holds it
model = nnx.Sequential(nnx.Linear(2, 3, rngs=rngs), NPU(3, 4, rngs=rngs), NAU(4, 1, rngs=rngs))
units = find_units(model)
assert ["/".join(path) for path in units] == ["layers/1", "layers/2"], units
optimizer = nnx.Optimizer(model, optax.chain(optax.sgd(1e6), models.projection(units)), wrt=nnx.Param)
loss = lambda model: ((model(x) - 1) ** 2).mean() + models.penalty(nnx.state(model, nnx.Param), units, scale=0.1)

@nnx.jit
def step(model, optimizer):
    value, gradient = nnx.value_and_grad(loss)(model)
    optimizer.update(model, gradient)
    return value

assert jnp.isfinite(step(model, optimizer))
assert abs(model.layers[2].w[...]).max() == 1
assert model(x).shape == (8, 1)

# noise: the RNG state is split off, as tree mode asks for nnx.Dropout too
noisy = nnx.Sequential(nnx.Linear(2, 3, rngs=rngs), SNMU(3, 4, rngs=rngs))
graphdef, params, rest = nnx.split(noisy, nnx.Param, ...)
gradient = jax.jit(jax.grad(lambda params: nnx.merge(graphdef, params, rest, copy=True)(x).sum()))(params)
assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
first, second = noisy(x), noisy(x)
assert not (first == second).all()
noisy.eval()
assert (noisy(x) == noisy(x)).all()

# stacked layers
stacked = nnx.vmap(lambda key: NAU(3, 3, rngs=nnx.Rngs(key)))(jax.random.split(jax.random.key(0), 4))
y = nnx.scan(lambda x, layer: layer(x), in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)(jnp.ones((5, 3)), stacked)
assert y.shape == (5, 3)

# every unit there and back
for unit in UNITS.values():
    cls = next(c for c in vars(nalu_jax.nnx).values() if getattr(c, "record", None) is unit)
    params = unit.init(jax.random.key(0), (2, 3))
    pure = nnx.to_pure_dict(nnx.state(cls.from_params(params), nnx.Param))
    assert all((pure[leaf] == params[leaf]).all() for leaf in unit.leaves((2, 3)))
print("done")
"""


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["true", "false"])
def test_graph_mode_and_tree_mode(mode):
    assert "done" in run_python(_BOTH_MODES, mode, NNX_GRAPH_MODE=mode, NNX_GRAPH_UPDATES=mode)
