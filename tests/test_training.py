"""`training.fit`: the loop against a loop in Python, restarts that do not touch one another, batches, validation."""

import dataclasses
import functools
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

from nalu_jax import _progress, chain, nau, nmu, npu, real_npu, schedules, snmu, training

fit: Any = functools.partial(training.fit, progress=False)
X = jax.random.uniform(jax.random.key(7), (40, 2), minval=0.5, maxval=2.0)
DATA = (X, X[:, :1] * X[:, 1:])


def mse_of(unit):
    def loss(params, batch):
        x, y = batch
        return training.losses.mse(unit.apply(params, x), y)

    return loss


def init_of(unit, shape=(2, 1)):
    return lambda key: unit.init(key, shape)


def uniform_batch(key, step):
    x = jax.random.uniform(key, (32, 2), minval=0.5, maxval=2.0)
    return x, x[:, :1] * x[:, 1:]


def row(tree, i):
    return jax.tree.map(lambda leaf: leaf[i], tree)


def assert_same_bits(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_a_run_is_the_plain_loop(key, standard_promotion):
    """The same steps, one restart at a time, in Python: restarts, penalty, projection, losses, last and best params."""
    optimiser = optax.adam(optax.cosine_decay_schedule(0.1, 30))
    ramp = schedules.linear_ramp(0.1, start=5, end=20)
    arguments: dict[str, Any] = {
        "key": key,
        "steps": 30,
        "optimiser": optimiser,
        "data": DATA,
        "restarts": 3,
        "validate_every": 7,
    }
    penalty = lambda params, step: ramp(step) * nmu.penalty(params)
    found = fit(mse_of(nmu), init_of(nmu), penalty=penalty, project=nmu.project, keep="last", **arguments)
    assert found.steps.tolist() == [7, 14, 21, 28, 30]

    @jax.jit
    def plain_step(params, state, step):
        objective = lambda params: mse_of(nmu)(params, DATA) + penalty(params, step)
        updates, state = optimiser.update(jax.grad(objective)(params), state, params)
        stepped: Any = optax.apply_updates(params, updates)
        stepped = nmu.project(stepped)
        return stepped, state, mse_of(nmu)(params, DATA), mse_of(nmu)(stepped, DATA)

    for i in range(3):
        params = nmu.init(jax.random.split(jax.random.fold_in(key, i), 3)[0], (2, 1))
        state, losses, validations = optimiser.init(params), [], []
        for step in range(30):
            params, state, loss, validation = plain_step(params, state, step)
            losses.append(float(loss))
            validations.append(float(validation))
        np.testing.assert_allclose(found.all_params["w"][i], params["w"], rtol=2e-5)
        means = [np.mean(part) for part in np.split(np.array(losses), [7, 14, 21, 28])]
        np.testing.assert_allclose(found.losses[i], means, rtol=1e-4, atol=1e-12)
        np.testing.assert_allclose(
            found.validations[i], [validations[s - 1] for s in found.steps], rtol=1e-3, atol=1e-7
        )
    assert found.best == np.argmin(found.validation)
    assert_same_bits(found.params, row(found.all_params, found.best))
    best = fit(mse_of(nmu), init_of(nmu), penalty=penalty, project=nmu.project, **arguments)
    np.testing.assert_array_equal(best.validation, found.validations.min(axis=1))
    np.testing.assert_array_equal(best.chosen_at, found.steps[found.validations.argmin(axis=1)])


@pytest.mark.slow
@pytest.mark.parametrize("unit", [nmu.UNIT, chain(npu, nau)], ids=["nmu-minibatches", "npu-nau-batch"])
def test_a_restart_has_the_same_bits_whatever_the_number_of_restarts(key, unit):
    alone = unit.name == "nmu"
    source = {"data": DATA, "batch_size": 16} if alone else {"batch": uniform_batch}
    init = init_of(unit, (2, 1) if alone else (2, 4, 1))
    run = functools.partial(fit, mse_of(unit), init, key=key, steps=25, optimiser=optax.adam(0.02), **source)
    run = functools.partial(run, validation=DATA, validate_every=10, finish=[training.rounding()] * alone)
    one, many = run(restarts=1), run(restarts=300)  # of 256 lanes and fewer: one group, and two
    for a, b in ((one.all_params, many.all_params), (one.losses, many.losses), (one.validation, many.validation)):
        assert_same_bits(a, jax.tree.map(lambda leaf: leaf[:1], b))


def test_keys_can_be_given_one_by_one(key):
    keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, jnp.array([5, 2]))
    run = functools.partial(fit, mse_of(nmu), init_of(nmu), steps=10, optimiser=optax.adam(0.02), batch=uniform_batch)
    several = run(key=key, restarts=6)
    assert_same_bits(run(key=keys, restarts=2).all_params, row(several.all_params, np.array([5, 2])))


def test_the_whole_run_is_traced_once(key):
    traces = []

    def loss(params, batch):
        traces.append(1)
        return mse_of(nmu)(params, batch)

    validation = lambda params: mse_of(nmu)(params, DATA)
    run = functools.partial(fit, loss, init_of(nmu), key=key, optimiser=optax.adam(0.1), batch=uniform_batch)
    optimiser, init = optax.adam(0.1), init_of(nmu)
    run = lambda steps: fit(
        loss,
        init,
        key=key,
        optimiser=optimiser,
        batch=uniform_batch,
        validation=validation,
        validate_every=10,
        steps=steps,
    )
    run(steps=95)  # ten chunks, the last one shorter
    assert len(traces) == 2  # one step alone, to see its work, and the loop
    run(steps=25)
    assert len(traces) == 3  # the loop is not traced again, and so not compiled


def test_minibatches_go_through_all_rows_in_every_epoch(key):
    rows = jnp.arange(10.0)

    def loss(params, batch):
        return jnp.sum(params * batch)  # slope: the sum of the rows

    found = fit(
        loss, lambda key: jnp.zeros(()), key=key, steps=12, optimiser=optax.sgd(1.0), data=rows, batch_size=3,
        restarts=2, validation=lambda params: params, validate_every=1, keep="last",
    )  # fmt: skip
    sums = -np.diff(np.concatenate([np.zeros((2, 1)), found.validations], axis=1), axis=1).reshape(2, 4, 3)
    left_out = 45 - sums.sum(axis=2)  # one of ten rows waits in every epoch
    assert ((left_out >= 0) & (left_out <= 9) & (left_out % 1 == 0)).all()
    assert len(np.unique(left_out)) > 1 and len(np.unique(sums)) > 6


def test_shared_restarts_meet_the_same_random_numbers(key):
    def batch(key, step, context):
        return context * jax.random.uniform(key)

    def loss(params, batch):
        return params * 0 + batch

    run = functools.partial(
        fit, loss, lambda key: jnp.ones(()), key=key, steps=4, optimiser=optax.sgd(0.1), batch=batch
    )
    scales = jnp.array([1.0, 2.0, 4.0, 1.0, 2.0, 4.0])
    found = run(restarts=6, context=scales, shared=3, validate_every=1)
    np.testing.assert_array_equal(found.losses[:3], found.losses[:1] * np.array([[1], [2], [4]]))
    assert (found.losses[3] != found.losses[0]).all()
    alone = run(restarts=6, context=scales, validate_every=1)
    assert len(np.unique(alone.losses / np.asarray(scales)[:, None])) == 24


def test_context_reaches_every_function_that_names_it(key):
    targets = jnp.array([1.0, -2.0])
    found = fit(
        lambda params, batch, *, context: (params - context) ** 2 + 0 * batch,
        lambda key, *, context: context + 10,
        penalty=lambda params, step, context: 0 * context,
        project=lambda params, *, context, step: jnp.maximum(params, context + 1),
        validation=lambda params, context: jnp.abs(params - context),
        metrics=lambda params, context: {"twice": jnp.stack([params, context])},
        key=key, steps=200, optimiser=optax.adam(0.2), batch=lambda key, step, context: context, restarts=2,
        context=targets, validate_every=50,
    )  # fmt: skip
    np.testing.assert_allclose(found.all_params, targets + 1)
    np.testing.assert_allclose(found.validation, 1)
    assert found.metrics["twice"].shape == (2, 4, 2)
    np.testing.assert_array_equal(found.metrics["twice"][:, :, 1], np.repeat(targets[:, None], 4, axis=1))


def test_noise_in_the_loss_is_fresh_in_every_step_and_restart(key):
    loss = lambda params, batch, *, key: 0 * params + jax.random.uniform(key)
    found = fit(
        loss, lambda key: jnp.ones(()), key=key, steps=5, optimiser=optax.sgd(0.1), batch=lambda key, step: 0.0,
        restarts=3, validate_every=1,
    )  # fmt: skip
    assert len(np.unique(found.losses)) == 15


def test_a_training_forward_learns(key):
    loss = lambda params, batch, *, key: training.losses.mse(snmu.train_apply(params, batch[0], key=key), batch[1])
    found = fit(
        loss, init_of(snmu), key=key, steps=500, optimiser=optax.adam(0.05), data=DATA, batch_size=20, restarts=4,
        validation=DATA, validation_loss=mse_of(snmu), project=snmu.project,
    )  # fmt: skip
    np.testing.assert_allclose(found.all_params["w"], 1, atol=1e-3)


def test_patience_stops_each_restart_by_itself(key):
    """The validation of restart i is |step - 10 i|: it rises after 10 i steps, and patience is 3 validations of 5."""
    run = functools.partial(
        fit, lambda params, batch: -params, lambda key: jnp.zeros(()), key=key, steps=100, optimiser=optax.sgd(1.0),
        batch=lambda key, step: 0, validation=lambda params, context: jnp.abs(params - context), validate_every=5,
    )  # fmt: skip
    found = run(restarts=3, context=jnp.array([10.0, 20.0, 30.0]), patience=3)
    assert found.chosen_at.tolist() == [10, 20, 30] and found.steps[-1] == 45
    last = run(restarts=3, context=jnp.array([10.0, 20.0, 30.0]), patience=3, keep="last")
    assert last.all_params.tolist() == [25, 35, 45]


def test_any_tree_of_params(key):
    unit = chain(real_npu.UNIT.bind(domain="positive"), nau)
    flat, unravel = ravel_pytree(unit.init(key, (2, 3, 1)))
    loss = lambda theta, batch: training.losses.mse(unit.apply(unravel(theta), batch[0]), batch[1])
    init = lambda key: ravel_pytree(unit.init(key, (2, 3, 1)))[0]
    found = fit(loss, init, key=key, steps=400, optimiser=optax.adam(0.02), data=DATA, restarts=2)
    assert found.all_params.shape == (2, flat.size) and found.validation.min() < 1e-3


def test_dtypes_are_kept(key, x64):
    dtype = jnp.float64 if x64 else jnp.bfloat16
    data = jax.tree.map(lambda leaf: leaf.astype(dtype), DATA)
    init = lambda key: nmu.init(key, (2, 1), dtype)
    found = fit(
        mse_of(nmu), init, key=key, steps=20, optimiser=optax.adam(0.02), data=data, finish=[training.rounding()]
    )
    assert found.params["w"].dtype == dtype


def test_a_fit_says_in_a_line_what_it_is_and_is_no_tree(key, standard_promotion):
    found = fit(mse_of(nau), init_of(nau), key=key, steps=3, optimiser=optax.sgd(0.01), data=DATA, restarts=4)
    assert repr(found) == f"Fit(4 restarts, 0 failed; best {found.best}, validation {found.validation[found.best]:.4g})"
    assert jax.tree.leaves(found) == [found]  # its arrays are reached by name only
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.best = 0
    assert dataclasses.replace(found, best=None).best is None


@pytest.mark.parametrize(
    ("progress", "terminal", "shown"), [(None, False, ""), (None, True, "fit"), ("my run", False, "my run")]
)
def test_a_bar_is_shown_where_asked_for_or_where_stderr_is_a_terminal(monkeypatch, capsys, progress, terminal, shown):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    with _progress.bar(progress, "fit", total=2) as bar:
        bar.update(2)
    text = capsys.readouterr().err
    assert text.strip().startswith(shown) if shown else text == ""
