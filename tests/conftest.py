"""Strict promotion for every test; the fixtures `key` and `x64`."""

import jax
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def key():
    return jax.random.key(20260101)


@pytest.fixture(params=[False, True], ids=["x32", "x64"])
def x64(request):
    """Runs a test twice, without and with 64-bit types; the value says which."""
    with jax.enable_x64(request.param):
        yield request.param
