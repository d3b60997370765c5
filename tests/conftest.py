"""Strict promotion for every test; the fixtures `key`, `x64` and `standard_promotion`."""

import jax
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def key():
    return jax.random.key(20260101)


@pytest.fixture
def standard_promotion():
    """For tests that train: optax itself mixes integers and floats."""
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.fixture(params=[False, True], ids=["x32", "x64"])
def x64(request):
    """Runs a test twice, without and with 64-bit types; the value says which."""
    with jax.enable_x64(request.param):
        yield request.param
