"""Stages after the optimiser, losses, L1 in other forms, success tables; `log_polar` of the NPU family."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import random_params, to_numpy

from nalu_jax import UNITS, nau, real_naive_npu, schedules, training
from nalu_jax.training import losses, sparsity

fit: Any = functools.partial(training.fit, progress=False)
X = jax.random.uniform(jax.random.key(7), (40, 2), minval=0.5, maxval=2.0)
ROSENBROCK: dict[str, Any] = {
    "key": jax.random.key(1),
    "optimiser": optax.adam(0.01),
    "data": jnp.ones(1),
    "restarts": 3,
}


def residual(params, batch):
    return jnp.stack([10 * (params[1] - params[0] ** 2), 1 - params[0]]) * batch[0]


def rosenbrock(params, batch):
    return jnp.sum(residual(params, batch) ** 2)


def start(key):
    return jax.random.uniform(key, (2,), minval=-2.0, maxval=2.0)


@pytest.mark.parametrize("stage", [training.lbfgs(steps=60), training.levenberg_marquardt(residual, steps=60)])
def test_second_order_stages_find_the_minimum(stage):
    found = fit(rosenbrock, start, steps=5, finish=[stage], **ROSENBROCK)
    [report] = found.finished
    assert report.kept.all() and (report.validation_before > 1e-3).all()
    np.testing.assert_allclose(found.all_params, 1, atol=2e-3)
    np.testing.assert_array_equal(found.validation, report.validation_tried)
    np.testing.assert_array_equal(found.all_params, report.tried)


@pytest.mark.parametrize("stage", [training.lbfgs(steps=30), training.levenberg_marquardt(residual, steps=30)])
def test_second_order_stages_survive_a_loss_that_is_nan_beyond_a_wall(stage, monkeypatch):
    """The minimum lies behind params[0] = 1/2, beyond which all is NaN."""
    wall = lambda params: jnp.where(params[0] > 0.5, jnp.nan, 1.0)
    if stage != training.lbfgs(steps=30):
        stage = training.levenberg_marquardt(lambda params, batch: residual(params, batch) * wall(params), steps=30)
    loss = lambda params, batch: rosenbrock(params, batch) * wall(params)
    init = lambda key: jnp.minimum(start(key), 0.4)
    found = fit(loss, init, steps=5, finish=[stage], **ROSENBROCK)
    [report] = found.finished
    assert np.isfinite(found.all_params).all() and np.isfinite(found.validation).all()
    assert (found.validation <= report.validation_before).all()
    assert (found.validation < 0.7 * report.validation_before).any()


def test_a_bar_names_the_stages(capsys):
    run = {"steps": 3, "finish": [training.rounding()], **ROSENBROCK}
    training.fit(rosenbrock, start, progress="probe", **run)
    shown = capsys.readouterr().err
    assert "Rounding" in shown and "1/1" in shown and "probe" in shown
    fit(rosenbrock, start, **run)
    assert not capsys.readouterr().err


def test_rounding_is_kept_only_where_validation_does_not_get_worse():
    """Restart 0 has learned 1 and -1, restart 1 a weight of 0.7."""
    weights = jnp.array([[[1.0], [-1.0]], [[0.7], [-1.0]]])
    loss = lambda params, x, *, context: losses.mse(nau.apply(params, x), x @ context)
    found = fit(
        loss, lambda key, *, context: {"w": context + 1e-3}, key=jax.random.key(0), steps=1, optimiser=optax.sgd(0.0),
        data=X, restarts=2, context=weights, finish=[training.rounding()],
    )  # fmt: skip
    [report] = found.finished
    assert report.kept.tolist() == [True, False]
    np.testing.assert_array_equal(found.all_params["w"][0], weights[0])
    np.testing.assert_array_equal(found.all_params["w"][1], report.before["w"][1])  # with and without are both there
    np.testing.assert_array_equal(report.tried["w"][1], [[1.0], [-1.0]])
    assert found.validation.tolist() == [0.0, report.validation_before[1]]


def test_failed_restarts_stay_out_of_the_finish():
    loss = lambda params, batch, *, context, step: rosenbrock(params, batch) * jnp.where(context, jnp.nan, 1.0)
    found = fit(
        loss, start, steps=3, finish=[lambda params, *_: params, training.rounding()], **ROSENBROCK,
        context=jnp.array([False, True, False]),
    )  # fmt: skip
    assert found.finished[0].kept.tolist() == [True, False, True] and not found.finished[1].kept[1]


def test_losses():
    predicted, target = jnp.array([1.0, -2.0, 3.0]), jnp.array([2.0, -2.0, 0.5])
    p, t = to_numpy((predicted, target))
    np.testing.assert_allclose(losses.mse(predicted, target), np.mean((p - t) ** 2), rtol=1e-6)
    np.testing.assert_allclose(losses.relative(predicted, target), np.mean((p / t - 1) ** 2), rtol=1e-6)
    np.testing.assert_allclose(losses.huber(predicted, target), optax.huber_loss(predicted, target).mean(), rtol=1e-6)
    assert np.isfinite(losses.relative(predicted, jnp.zeros(3)))
    m = jnp.array([0.1, 0.2, 0.3])
    np.testing.assert_allclose(
        losses.log_magnitude(m, target), np.mean((to_numpy(m) - np.log(np.abs(t))) ** 2), rtol=1e-6
    )
    assert np.isfinite(jax.grad(losses.log_magnitude)(m, jnp.zeros(3))).all()


@pytest.mark.parametrize("name", ["npu", "real_npu", "naive_npu", "real_naive_npu"])
@pytest.mark.parametrize("domain", ["real", "positive"])
def test_log_polar_is_the_output_in_polar_form(key, name, domain):
    unit = UNITS[name].bind(domain=domain)
    params = random_params(unit, key)
    x = jax.random.normal(key, (5, 3))
    x = jnp.abs(x) if domain == "positive" else x
    assert unit.log_polar is not None
    u, v = unit.log_polar(params, x)
    size, phase = np.exp(np.asarray(u, float)), np.asarray(v, float)
    digits = 4 * np.finfo(np.float32).eps  # the cosine has 3 of them
    np.testing.assert_array_less(np.abs(size * np.cos(phase) - unit.apply(params, x)), digits * size)


def test_the_log_magnitude_loss_learns_products_of_negative_numbers():
    x = -X
    data = (x, x[:, :1] / x[:, 1:])
    loss = lambda params, batch: losses.log_magnitude(real_naive_npu.log_polar(params, batch[0])[0], batch[1])
    init = lambda key: real_naive_npu.init(key, (2, 1))
    run: dict[str, Any] = {
        "key": jax.random.key(0),
        "steps": 300,
        "optimiser": optax.adam(0.1),
        "data": data,
        "restarts": 8,
    }
    found = fit(loss, init, **run)
    np.testing.assert_allclose(found.all_params["re"], np.broadcast_to([[1.0], [-1.0]], (8, 2, 1)), atol=1e-3)


def test_a_penalty_that_the_loss_switches_on():
    schedule = schedules.on_below(0.5, threshold=1.0, after=10)
    assert [float(schedule(step, loss)) for step, loss in ((11, 0.9), (10, 0.9), (11, 1.0))] == [0.5, 0.0, 0.0]
    seen = lambda params, step, *, loss, validation: schedule(step, loss) * params
    run: dict[str, Any] = {
        "key": jax.random.key(0),
        "optimiser": optax.sgd(1.0),
        "batch": lambda key, step, context: context,
    }
    found = fit(
        lambda params, batch: 0 * params + batch, lambda key: jnp.zeros(()), **run, steps=14, penalty=seen, restarts=2,
        context=jnp.array([0.9, 2.0]), keep="last",
    )  # fmt: skip
    assert found.all_params.tolist() == [-1.5, 0.0]  # steps 11, 12 and 13


def test_l1_decoupled_and_proximal():
    params = jnp.array([0.3, -0.3, 0.05, 0.0])
    gradient = jnp.array([1.0, 0.0, 0.0, 0.0])

    def step(transformation) -> Any:
        optimiser = optax.chain(optax.sgd(0.1), transformation)
        updates, state = optimiser.update(gradient, optimiser.init(params), params)
        return optax.apply_updates(params, updates), state

    np.testing.assert_allclose(step(sparsity.decoupled_l1(0.1))[0], [0.1, -0.2, -0.05, 0.0], atol=1e-7)
    np.testing.assert_allclose(step(sparsity.proximal_l1(0.1))[0], [0.1, -0.2, 0.0, 0.0], atol=1e-7)
    assert step(sparsity.proximal_l1(0.1))[0][2] == 0
    schedule = lambda step: jnp.where(step == 0, 0.1, 0.0)
    _, state = step(sparsity.proximal_l1(schedule))
    updates, _ = optax.chain(optax.sgd(0.1), sparsity.proximal_l1(schedule)).update(gradient * 0, state, params)
    np.testing.assert_array_equal(updates, 0 * params)
    with pytest.raises(ValueError, match="needs the params"):
        sparsity.decoupled_l1(0.1).update(gradient, sparsity.decoupled_l1(0.1).init(params))


def test_success_tables():
    np.testing.assert_allclose(training.wilson(20, 25), (0.609, 0.911), atol=5e-4)
    np.testing.assert_allclose(training.wilson(0, 25), (0, 0.133), atol=5e-4)
    first, second = training.success_table([True, False, True, True], ["b", "b", "a", "a"])
    assert (first.group, first.successes, first.runs, first.rate) == ("b", 1, 2, 0.5)
    assert (second.group, second.successes, second.runs, second.rate) == ("a", 2, 2, 1.0)
    assert repr(first) == "Success('b': 1/2 [0.09, 0.91])"
    with pytest.raises(ValueError, match="runs must be an integer of at least 1"):
        training.wilson(0, 0)
    with pytest.raises(ValueError, match="4 restarts, but 2 groups"):
        training.success_table([True] * 4, ["a", "b"])
