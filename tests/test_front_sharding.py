"""A training step over 8 simulated CPU devices gives the single-device result: data parallel and model parallel."""

import pytest
from front_helpers import run_python

_COMMON = """
import jax, jax.numpy as jnp, numpy as np, optax
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
from nalu_jax import models
assert jax.device_count() == 8
mesh = jax.make_mesh((2, 4), ("data", "model"), axis_types=(AxisType.Auto,) * 2)
x = jax.random.uniform(jax.random.key(1), (16, 6), minval=0.5, maxval=2.0)
target = x[:, :1] * x[:, 1:2]
def place(parallel):
    return jax.device_put((x, target), NamedSharding(mesh, P("data") if parallel == "data" else P()))

def is_split(array):
    return array.sharding.spec == P(None, "model") and len({str(s.index) for s in array.addressable_shards}) == 4

def close(a, b):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6), a, b)
"""

_LINEN = """
from flax import linen as nn
from nalu_jax.linen import NAU, NPU, find_units

def split(*names):
    return nn.with_partitioning(jax.nn.initializers.uniform(0.1), names)

columns = split(None, "model")
model = nn.Sequential([NPU(8, re_init=columns, im_init=columns), NAU(1, w_init=split("model", None))])
boxed = model.init(jax.random.key(0), x)["params"]
params, units = nn.unbox(boxed), find_units(model, jax.random.key(0), x)
optimiser = optax.chain(optax.sgd(0.1, momentum=0.9), models.projection(units))

def loss(params, x, target):
    return ((model.apply({"params": params}, x) - target) ** 2).mean() + models.penalty(params, units, scale=1e-3)

@jax.jit
def step(params, state, x, target):
    updates, state = optimiser.update(jax.grad(loss)(params, x, target), state, params)
    return optax.apply_updates(params, updates), state

def train(params, x, target):
    state = optimiser.init(params)
    for _ in range(3):
        params, state = step(params, state, x, target)
    return params

expected = train(params, x, target)
specs = {"data": jax.tree.map(lambda leaf: P(), params), "model": nn.get_partition_spec(boxed)}
for parallel in ("data", "model"):
    placed = jax.device_put(params, jax.tree.map(lambda spec: NamedSharding(mesh, spec), specs[parallel]))
    trained = train(placed, *place(parallel))
    assert is_split(trained["layers_0"]["re"]) == (parallel == "model"), trained["layers_0"]["re"].sharding
    close(trained, expected)
    print(parallel)
"""

_NNX = """
from flax import nnx
from nalu_jax.nnx import NAU, NPU, find_units

def make(parallel):
    rngs = nnx.Rngs(0)
    columns = {"out_sharding": (None, "model")} if parallel == "model" else {}
    rows = {"out_sharding": ("model", None)} if parallel == "model" else {}
    npu = NPU(6, 8, metadata={"re": columns, "im": columns}, rngs=rngs)
    return nnx.Sequential(npu, NAU(8, 1, metadata={"w": rows}, rngs=rngs))

def train(model, x, target):
    units = find_units(model)
    chain = optax.chain(optax.sgd(0.01, momentum=0.9), models.projection(units))
    optimizer = nnx.Optimizer(model, chain, wrt=nnx.Param)

    @nnx.jit
    def step(model, optimizer, x, target):
        def loss(model):
            penalty = models.penalty(nnx.state(model, nnx.Param), units, scale=1e-3)
            return ((model(x) - target) ** 2).mean() + penalty
        optimizer.update(model, nnx.grad(loss)(model))

    for _ in range(3):
        step(model, optimizer, x, target)
    return nnx.to_pure_dict(nnx.state(model, nnx.Param))

expected = train(make("none"), x, target)
for parallel in ("data", "model"):
    with jax.set_mesh(mesh):
        trained = train(make(parallel), *place(parallel))
    assert is_split(trained["layers"][0]["re"]) == (parallel == "model")
    close(jax.device_get(trained), jax.device_get(expected))
    print(parallel)
"""


@pytest.mark.parametrize("code", [_LINEN, _NNX], ids=["linen", "nnx"])
def test_steps_over_eight_devices_equal_one_device(code):
    flags = "--xla_force_host_platform_device_count=8"
    assert run_python(_COMMON + code, XLA_FLAGS=flags, JAX_PLATFORMS="cpu").split() == ["data", "model"]
