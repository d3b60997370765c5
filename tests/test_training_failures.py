"""What goes wrong in a run: NaN in some restarts, Ctrl-C, bad input (with its message, before the first step)."""

import functools
import os
import signal
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nalu_jax import nau, training
from nalu_jax.training import _checks

fit: Any = functools.partial(training.fit, progress=False)
X = jax.random.uniform(jax.random.key(7), (40, 2), minval=0.5, maxval=2.0)
DATA = (X, X[:, :1] - X[:, 1:])


def mse(params, batch):
    return training.losses.mse(nau.apply(params, batch[0]), batch[1])


def init(key):
    return nau.init(key, (2, 1))


RUN: dict[str, Any] = {"key": jax.random.key(0), "steps": 20, "optimiser": optax.adam(0.05), "data": DATA}


def poisoned(params, batch, *, step, context):
    """The loss, NaN from step `context` on where context is not negative."""
    return mse(params, batch) * jnp.where((context >= 0) & (step >= context), jnp.nan, 1.0)


def test_a_failed_restart_keeps_its_last_finite_state_and_touches_no_other():
    context = jnp.array([-1, 7, -1, 0])
    run = functools.partial(fit, poisoned, init, **RUN, restarts=4, validation=DATA, validation_loss=mse, keep="last")
    found = run(context=context, validate_every=6)
    assert found.failed.tolist() == [False, True, False, True] and found.failed_at.tolist() == [-1, 7, -1, 0]
    sound = run(context=jnp.full(4, -1), validate_every=6)
    for i in (0, 2):
        np.testing.assert_array_equal(found.all_params["w"][i], sound.all_params["w"][i])
    seven = fit(poisoned, init, **RUN | {"steps": 7}, restarts=4, context=jnp.full(4, -1), keep="last")
    np.testing.assert_array_equal(found.all_params["w"][1], seven.all_params["w"][1])
    assert found.best in (0, 2) and np.isnan(found.losses[3, 0]) and np.isfinite(found.losses[0]).all()


def test_a_failed_restart_never_wins():
    """Its params, the truth, have the lowest validation loss of all."""
    exact = lambda key, context: {"w": jnp.where(context >= 0, jnp.array([[1.0], [-1.0]]), 0.0)}
    context = jnp.array([-1, 1])
    found = fit(poisoned, exact, **RUN, restarts=2, context=context, validation=DATA, validation_loss=mse)
    assert found.validation.argmin() == 1 and found.best == 0


def test_where_all_fail_there_is_a_warning_and_no_best():
    context = jnp.zeros(2, jnp.int32)
    with pytest.warns(UserWarning, match="all 2 restarts became NaN.*learning rate"):
        found = fit(poisoned, init, **RUN, restarts=2, context=context)
    assert found.best is None and found.params is None and found.failed.all()
    assert np.isfinite(found.all_params["w"]).all()


def test_infinite_params_fail_even_where_the_loss_is_finite():
    with pytest.warns(UserWarning, match="NaN or infinite"):
        found = fit(lambda p, batch: p * 1e30, lambda key: jnp.ones(()), **RUN | {"optimiser": optax.sgd(1e30)})
    assert found.failed_at.tolist() == [0] and found.all_params.tolist() == [1.0]


@pytest.mark.slow
def test_inalus_rule_begins_anew_where_the_loss_is_high_and_flat():
    loss = lambda params, batch: 0 * params**2 + jnp.where(params > 0.5, 0.0, 3.0)
    rule = training.reinitialise(window=20)
    run = functools.partial(fit, loss, jax.random.uniform, **RUN | {"steps": 400}, restarts=8, validate_every=5)
    plain, found = run(), run(reinitialise=rule)
    assert 0 < (plain.validation == 3).sum() < 8 and (plain.begun_anew == 0).all()
    assert (found.validation == 0).all()
    np.testing.assert_array_equal(found.begun_anew > 0, plain.validation == 3)
    falling = lambda params, batch, *, step: 0 * params + 1000.0 - step.astype(jnp.float32)
    assert fit(falling, jax.random.uniform, **RUN, reinitialise=rule, validate_every=5).begun_anew.tolist() == [0]


def test_new_params_can_come_from_another_distribution():
    loss = lambda params, batch: 0 * params**2 + jnp.where(params > 1, 0.0, 3.0)
    rule = training.reinitialise(window=20, init=lambda key: 2 + jax.random.uniform(key))
    found = fit(loss, jax.random.uniform, **RUN | {"steps": 60}, restarts=3, validate_every=5, reinitialise=rule)
    assert (found.begun_anew == 1).all() and (found.all_params >= 2).all() and len(set(found.all_params.tolist())) == 3
    wrong = training.reinitialise(window=20, init=lambda key: jnp.zeros(2))
    with pytest.raises(ValueError, match="the init of reinitialise must return params as it got them"):
        fit(loss, jax.random.uniform, **RUN, reinitialise=wrong)


def test_failed_restarts_can_begin_anew():
    def loss(params, batch, *, step):
        return mse(params, batch) * jnp.where(step == 7, jnp.nan, 1.0)

    rule = training.reinitialise(window=1000, failed=True)
    found = fit(loss, init, **RUN | {"steps": 200}, reinitialise=rule, validation=DATA, validation_loss=mse)
    assert found.begun_anew.tolist() == [1] and not found.failed[0] and found.validation[0] < 1e-4


def test_ctrl_c_returns_the_best_so_far(capsys):
    calls = []

    def interrupt():
        calls.append(1)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    def validation(params):
        jax.debug.callback(interrupt)
        return mse(params, DATA)

    run: dict[str, Any] = RUN | {"steps": 1000}
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell has it ignored
    found = training.fit(mse, init, **run, validation=validation, validate_every=10, lanes=1, progress="probe")
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler
    assert found.interrupted and 30 <= found.steps[-1] < 1000 and np.isfinite(found.params["w"]).all()
    assert "probe: interrupted after" in "".join(capsys.readouterr())


NAN = X.at[17, 1].set(jnp.nan)
BAD: dict[str, Any] = {
    "lengths": ({"data": (X, X[:39])}, ValueError, r"one first axis.*data\[0\] \(40, 2\).*data\[1\] \(39, 2\)"),
    "scalar": ({"data": (X, 1.0)}, ValueError, "one first axis"),
    "nan": ({"data": (X, NAN)}, ValueError, r"data\[1\] is NaN or infinite in row 17 of 40"),
    "nan in validation": ({"validation": {"x": NAN}}, ValueError, r"validation\['x'\].*row 17"),
    "no rows": ({"data": (X[:0], X[:0])}, ValueError, "no rows"),
    "empty": ({"data": ()}, ValueError, "no arrays"),
    "batch size": ({"batch_size": 41}, ValueError, "batch_size is 41, but data have 40 rows"),
    "batch size 0": ({"batch_size": 0}, ValueError, "batch_size must be an integer of at least 1, or None, got 0"),
    "restarts": ({"restarts": 0}, ValueError, "restarts must be an integer of at least 1, got 0"),
    "both": ({"batch": lambda key, step: X}, ValueError, "either data or a function batch, got both"),
    "neither": ({"data": None}, ValueError, "got neither"),
    "size of batch": ({"data": None, "batch": lambda key, step: X, "batch_size": 3}, ValueError, "batch_size is for"),
    "shared": ({"shared": 2, "restarts": 4}, ValueError, "shared=2 is for a function batch"),
    "groups": (
        {"data": None, "batch": lambda key, step: X, "shared": 2, "restarts": 3}, ValueError, "multiple of shared"
    ),
    "raw key": ({"key": jnp.zeros(2, jnp.uint32)}, TypeError, "wrap_key_data"),
    "keys": ({"key": jax.random.split(jax.random.key(0), 3)}, ValueError, r"one for each of 1 restarts, got.*\(3,\)"),
    "context": ({"context": {"low": jnp.ones(3)}, "restarts": 2}, ValueError, r"context\['low'\].*\(3,\).*\(2, ...\)"),
    "keep": ({"keep": "first"}, ValueError, "keep must be one of 'best', 'last'"),
    "optimiser": (
        {"optimiser": optax.masked(optax.adam(0.1), {"v": True})}, ValueError, "optimiser does not fit the params"
    ),
    "validation": ({"validation": lambda params: params["w"]}, ValueError, r"validation must return.*\(2, 1\)"),
    "penalty": ({"penalty": lambda params, step: params["w"]}, ValueError, "penalty must return"),
    "project": ({"project": lambda params: params["w"]}, ValueError, "project must return params as it got them"),
    "stage": ({"finish": [lambda *arguments: {}]}, ValueError, "must return params as it got them"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_raises_before_the_first_step(case):
    options, error, words = BAD[case]
    steps = []

    def loss(params, batch):
        jax.debug.callback(lambda: steps.append(1))
        return mse(params, batch)

    with pytest.raises(error, match=words):
        fit(loss, init, **RUN | options)
    assert not steps or case == "stage"


@pytest.mark.parametrize(
    ("loss", "init", "error", "words"),
    [
        (lambda params, batch: params["w"], init, ValueError, r"loss must return a real floating scalar.*\(2, 1\)"),
        (mse, lambda key: {"n": jnp.ones(2, int)}, TypeError, r"\['n'\].*int.*close over it"),
        (mse, lambda key: {}, ValueError, "without arrays"),
        (lambda params, batch: nau.apply(params, batch[0][:, :1]).sum(), init, ValueError, "nau: leaf 'w'"),
    ],
    ids=["vector loss", "integers", "no params", "shapes of the unit"],
)
def test_functions_that_do_not_fit(loss, init, error, words):
    with pytest.raises(error, match=words):
        fit(loss, init, **RUN)


def test_wrong_types():
    """Called directly: in the tests, `fit` itself checks its annotations first."""
    with pytest.raises(TypeError, match=r"such as jax.random.key\(0\), got 0"):
        _checks.restart_keys(0, 1)


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 2.5}, "steps must be an integer of at least 1, got 2.5"),
        ({"optimiser": None}, "optimiser must be an optax transformation, got None"),
        ({"loss": lambda params, batch: None}, "loss must return a real floating scalar, got None"),
        ({"init": None}, r"init must be a function \(key\) -> params, got None"),
        ({"checkpoint": 7}, "checkpoint must be a directory, or None, got 7"),
    ],
    ids=["steps", "optimiser", "loss", "init", "checkpoint"],
)
def test_what_users_forget(options, words):
    """C24."""
    with pytest.raises((TypeError, ValueError), match=f"^fit: {words}"):
        fit(**{"loss": mse, "init": init} | RUN | options)
