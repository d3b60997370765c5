"""Every unit's value and gradient lowers for CPU, CUDA, ROCm and TPU, without such a device."""

import jax
import jax.numpy as jnp
import pytest
from helpers import ALL_UNITS

from nalu_jax import chain

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
MODELS = [*ALL_UNITS, chain(*ALL_UNITS)]


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
