"""Strict promotion for every test; the fixtures `key`, `x64`, `standard_promotion`, `as_users_run_it` and
`as_in_a_terminal`."""

import signal

import jax
import jaxtyping
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


@pytest.fixture
def as_users_run_it():
    """Without the annotations' own runtime checks, which only the tests' sessions switch on."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def as_in_a_terminal():
    """A shell has what it starts in the background ignore SIGINT, tests too; a handler here becomes none in a child."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(params=[False, True], ids=["x32", "x64"])
def x64(request):
    """Runs a test twice, without and with 64-bit types; the value says which."""
    with jax.enable_x64(request.param):
        yield request.param
