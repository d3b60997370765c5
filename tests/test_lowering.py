"""Every unit's value and gradient lowers for CPU, CUDA, ROCm and TPU, without such a device."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import ALL_UNITS

from nalu_jax import UNITS, chain

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
MODELS = [*ALL_UNITS, pytest.param(chain(*ALL_UNITS), marks=pytest.mark.slow)]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name.split("(")[0])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_value_and_grad_lowers_for_every_platform(model, dtype, key):
    shape = (3, *[2] * len(getattr(model, "units", [model])))
    params = model.init(key, shape, dtype)
    x = jnp.ones((5, 3), dtype)

    def loss(params, x):
        y = model.apply(params, x)
        if model.train_apply is not None:
            y += model.train_apply(params, x, key=jax.random.key(0))
        return y.sum()

    exported = jax.export.export(jax.jit(jax.value_and_grad(loss, (0, 1))), platforms=PLATFORMS)(params, x)
    assert exported.platforms == PLATFORMS
    value, _ = exported.call(params, x)
    assert value.dtype == dtype


@pytest.mark.parametrize("derivative", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["value", "gradient"])
@pytest.mark.parametrize("unit", ALL_UNITS, ids=lambda unit: unit.name)
def test_exports_with_an_open_batch(unit, derivative, key):
    """Sizes decide between forms of a product: an open one must do for any, also for those that run in blocks."""
    params = unit.init(key, (3, 2))

    def loss(params, x):
        return unit.apply(params, x).sum()

    function = jax.jit(jax.value_and_grad(loss, (0, 1)) if derivative else unit.apply)
    (rows,) = jax.export.symbolic_shape("rows")
    exported = jax.export.export(function)(params, jax.ShapeDtypeStruct((rows, 3), jnp.float32))
    for count in (1, 7, 900):
        x = jax.random.uniform(jax.random.key(1), (count, 3), minval=0.5, maxval=2.0)
        for got, expected in zip(
            jax.tree.leaves(exported.call(params, x)), jax.tree.leaves(function(params, x)), strict=True
        ):
            np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_ways_around_xla_on_cpu_are_taken_on_cpu_only(platform, key):
    """The series for sine and cosine, and the sum of rows for a vector times a small matrix."""
    params = UNITS["real_npu"].init(key, (3, 2))
    traced = jax.jit(UNITS["real_npu"].apply).trace(params, jnp.ones(3))
    text = traced.lower(lowering_platforms=(platform,)).as_text()
    on_cpu = platform == "cpu"
    assert ("stablehlo.cosine" in text) != on_cpu, "XLA's own cosine"
    assert ("stablehlo.dot_general" in text) != on_cpu, "a product of matrices"
