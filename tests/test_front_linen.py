"""Linen layers among Flax's own: composition, transforms, partitioning, RNGs, train states, checks of stored params."""

# Flax types init and apply as unions with every other thing that they may return:
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false

import flax.serialization
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn
from flax.training.train_state import TrainState
from front_helpers import assert_same, inputs

from nalu_jax import UNITS, npu, snmu
from nalu_jax.linen import NAU, NMU, NPU, NRU, SNMU, RealNPU


def test_submodules_are_named_after_their_class(key):
    class Model(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.Dense(3)(x)
            x = NPU(6)(x)
            x = NPU(4)(x)
            return nn.Dense(1)(NAU(2, name="sum")(x))

    variables = Model().init(key, jnp.ones((5, 2)))
    assert set(variables["params"]) == {"Dense_0", "NPU_0", "NPU_1", "sum", "Dense_1"}
    assert Model().apply(variables, jnp.ones((5, 2))).shape == (5, 1)


def test_variables_are_the_params_of_the_unit(key):
    layer = NPU(features=6)
    variables = layer.init(key, jnp.ones((5, 2)))
    assert set(variables) == {"params"} and type(variables["params"]) is dict
    x = jax.random.normal(key, (5, 2))
    assert_same(layer.apply(variables, x), npu.apply(variables["params"], x))


def test_every_leaf_is_drawn_from_a_key_of_its_own(key):
    params = NPU(4, im_init="glorot_uniform").init(key, jnp.ones((5, 3)))["params"]
    assert not np.array_equal(params["re"], params["im"])
    again = NPU(4).init(key, jnp.ones((5, 3)))["params"]
    assert_same(params["re"], again["re"])


def test_sequential_and_setup(key):
    class Model(nn.Module):
        def setup(self):
            self.stack = nn.Sequential([nn.Dense(3), NAU(2), jnp.abs, NMU(1)])

        def __call__(self, x):
            return self.stack(x)

    variables = Model().init(key, jnp.ones((5, 2)))
    assert Model().apply(variables, jnp.ones((5, 2))).shape == (5, 1)
    assert set(variables["params"]["stack"]) == {"layers_0", "layers_1", "layers_3"}


def test_vmap_over_layers_equals_the_layers_one_by_one(key):
    stacked = nn.vmap(NPU, in_axes=None, variable_axes={"params": 0}, split_rngs={"params": True}, axis_size=3)(4)
    _, x = inputs("npu")
    variables = stacked.init(key, x)
    assert variables["params"]["re"].shape == (3, 3, 4)
    for i, y in enumerate(stacked.apply(variables, x)):
        params = jax.tree.map(lambda leaf, i=i: leaf[i], variables["params"])
        np.testing.assert_allclose(y, npu.apply(params, x), rtol=1e-5)


def test_scan_over_layers_equals_the_layers_one_by_one(key):
    class Step(nn.Module):
        @nn.compact
        def __call__(self, x, _):
            return NAU(3)(x), None

    scanned = nn.scan(Step, variable_axes={"params": 0}, split_rngs={"params": True}, length=4)()
    _, x = inputs("nau")
    variables = scanned.init(key, x, None)
    w = variables["params"]["NAU_0"]["w"]
    assert w.shape == (4, 3, 3) and not np.array_equal(w[0], w[1])
    y, _ = scanned.apply(variables, x, None)
    np.testing.assert_allclose(y, x @ w[0] @ w[1] @ w[2] @ w[3], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("transform", [nn.jit, nn.remat])
def test_jit_and_remat(transform, key):
    _, x = inputs("npu")
    variables = NPU(4).init(key, x)
    gradient = lambda layer: jax.grad(lambda variables: layer.apply(variables, x).sum())(variables)
    np.testing.assert_allclose(transform(NPU)(4).apply(variables, x), NPU(4).apply(variables, x), rtol=1e-6)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), gradient(transform(NPU)(4)), gradient(NPU(4))
    )


def test_partitioned_params_stay_boxed_and_compute_the_same(key):
    boxed = nn.with_partitioning(jax.nn.initializers.glorot_uniform(), (None, "model"))
    layer = NPU(4, re_init=boxed)
    _, x = inputs("npu")
    variables = layer.init(key, x)
    assert isinstance(variables["params"]["re"], nn.Partitioned)
    spec = nn.get_partition_spec(variables)["params"]
    assert spec["re"] == jax.sharding.PartitionSpec(None, "model") and spec["gate"] == jax.sharding.PartitionSpec()
    assert_same(layer.apply(variables, x), npu.apply(nn.unbox(variables)["params"], x))
    with pytest.raises(ValueError, match=r"NPU.*'re' has shape \(3, 4\)"):
        layer.apply(variables, x[:, :2])


def test_deterministic_in_the_constructor_or_in_the_call(key):
    params, x = inputs("snmu")
    variables, rngs = {"params": params}, {"noise": key}
    expected = snmu.apply(params, x)
    assert_same(SNMU(4, deterministic=True).apply(variables, x), expected)
    assert_same(SNMU(4).apply(variables, x, deterministic=True), expected)
    trained = SNMU(4, deterministic=False).apply(variables, x, rngs=rngs)
    assert_same(trained, SNMU(4).apply(variables, x, deterministic=False, rngs=rngs))
    assert not np.array_equal(trained, expected)
    assert not np.array_equal(
        trained, SNMU(4, deterministic=False).apply(variables, x, rngs={"noise": jax.random.key(1)})
    )
    for layer, flags in ((SNMU(4), {}), (SNMU(4, deterministic=True), {"deterministic": True})):
        with pytest.raises(ValueError, match=r"linen\.SNMU: deterministic is .*exactly one"):
            layer.apply(variables, x, **flags)


def test_noise_falls_back_to_the_params_collection_as_dropout_does(key):
    variables = SNMU(4, deterministic=False).init(key, jnp.ones((5, 3)))
    assert SNMU(4, deterministic=False).apply(variables, jnp.ones((5, 3)), rngs={"params": key}).shape == (5, 4)


def test_units_without_noise_train_without_an_rng():
    params, x = inputs("nru")
    train_apply = UNITS["nru"].train_apply
    assert train_apply is not None
    expected = train_apply(params, x, key=jax.random.key(0))
    assert_same(NRU(4, deterministic=False).apply({"params": params}, x), expected)


def test_stored_params_of_another_unit_or_width_name_the_layer_and_its_path():
    class Model(nn.Module):
        @nn.compact
        def __call__(self, x):
            return NPU(4)(x)

    params, x = inputs("npu")
    with pytest.raises(ValueError, match=r"NPU at 'NPU_0': params need the leaves .* got \['w'\].*another unit"):
        Model().apply({"params": {"NPU_0": inputs("nau")[0]}}, x)
    with pytest.raises(ValueError, match=r"NPU at 'NPU_0': params need the leaves .* got \[\]"):
        Model().apply({"params": {}}, x)
    with pytest.raises(ValueError, match=r"NPU at 'NPU_0': leaf 're' has shape \(3, 4\), expected \(2, 4\) for x"):
        Model().apply({"params": {"NPU_0": params}}, x[:, :2])
    with pytest.raises(ValueError, match=r"NPU: leaf 're' has shape \(3, 4\), expected \(3, 5\).*features=5"):
        NPU(5).apply({"params": params}, x)
    with pytest.raises(ValueError, match=r"leaves \['re', 'gate'\], got \['gate', 'im', 're'\]"):
        RealNPU(4).apply({"params": params}, x)


def test_train_state_learns_a_sum(key):
    x = jax.random.uniform(key, (64, 3))
    target = x[:, :1] + x[:, 1:2]
    model = NAU(1)
    state = TrainState.create(
        apply_fn=model.apply, params=model.init(key, x)["params"], tx=optax.sgd(0.3, momentum=0.9)
    )

    @jax.jit
    def step(state):
        loss = lambda params: ((state.apply_fn({"params": params}, x) - target) ** 2).mean()
        return state.apply_gradients(grads=jax.grad(loss)(state.params))

    for _ in range(200):
        state = step(state)
    np.testing.assert_allclose(state.params["w"], [[1], [1], [0]], atol=2e-3)


def test_state_dict_round_trip(key):
    variables = NPU(4).init(key, jnp.ones((5, 3)))
    restored = flax.serialization.from_bytes(variables, flax.serialization.to_bytes(variables))
    assert_same(jax.tree.map(jnp.asarray, restored), variables)
