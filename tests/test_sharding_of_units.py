"""Every unit on a mesh with explicit axes, JAX's default: rows over devices, x as an argument and closed over.

Gradients in the params are sums over rows that no device has alone; there JAX asks everybody, of any `x.T @ g`, to say
where the sum goes: `jax.sharding.auto_axes` around the loss, or a mesh with `AxisType.Auto`.
"""

import pytest
from front_helpers import run_python

from nalu_jax import UNITS

_PROGRAM = """
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import NamedSharding, PartitionSpec as P
from nalu_jax import UNITS
mesh = jax.make_mesh((4,), ("rows",), axis_types=(jax.sharding.AxisType.Explicit,))
for unit in UNITS.values():
    params = unit.init(jax.random.key(0), (3, 2))
    plain = jax.random.uniform(jax.random.key(1), (8, 3), minval=0.5, maxval=2.0) * jnp.array([[-1.0, 1.0, 1.0]])
    x = jax.device_put(plain, NamedSharding(mesh, P("rows")))
    slope = jax.grad(lambda x, params: unit.apply(params, x).sum())
    expected, expected_slope = unit.apply(params, plain), slope(plain, params)
    placed = jax.device_put(params, NamedSharding(mesh, P()))
    with jax.set_mesh(mesh):
        pairs = [  # (on the mesh, on one device)
            (jax.jit(unit.apply)(placed, x), expected),
            (jax.jit(lambda params: unit.apply(params, x))(placed), expected),
            (jax.jit(slope)(x, placed), expected_slope),
            (jax.jit(lambda params: slope(x, params))(placed), expected_slope),
        ]
    for result, wanted in pairs:
        assert result.sharding.spec[0] == "rows", (unit.name, result.sharding)
        np.testing.assert_allclose(result, wanted, rtol=1e-5, atol=1e-6)
    print(unit.name)
"""


@pytest.mark.slow
def test_every_unit_on_a_mesh_with_explicit_axes():
    printed = run_python(_PROGRAM, XLA_FLAGS="--xla_force_host_platform_device_count=4")
    assert printed.split() == list(UNITS), "the program compares every unit and prints its name"
