"""Training of many runs in one compiled loop, on fresh rows in every step, and the cells of their success table.

A script describes what differs between the runs as `Data`; `train` evaluates every run on validation and test rows as
training goes on, as it is and rounded, and `cells` counts at the step with the lowest validation error.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from nalu_jax import training
from nalu_jax.tasks import measures

from . import _recipes, _report, _success

BLOCK = 500  # rows of a held-out set that are evaluated at once
LOG_EVERY = 1_000
Context = dict[str, Array]
Group = tuple[str, str]
"""(operation, range) of a run: runs of one group are counted in one cell."""


class Data(NamedTuple):
    """What runs are trained and tested on.

    Attributes:
        context: what differs between the runs, arrays with a leading axis of runs; "set" is that of its held-out set.
        batch: (key, context) -> (x, y), fresh rows of one run.
        target: (x, context) -> y.
        validation, test: (sets, blocks, rows, n_in) inputs.
    """

    context: Context
    batch: Callable[[Array, Context], tuple[Array, Array]]
    target: Callable[[Array, Context], Array]
    validation: Array
    test: Array

    @property
    def n_in(self) -> int:
        """The number of inputs."""
        return self.test.shape[-1]


def in_blocks(sets: Sequence[np.ndarray]) -> Array:
    """Held-out sets (rows, n_in), as `Data` wants them."""
    return jnp.asarray(np.stack(sets)).reshape(len(sets), -1, BLOCK, sets[0].shape[-1])


def mean_errors(predict: Any, params: Any, sets: Array, data: Data, context: Context) -> Array:
    """(paths,) mean squared errors on the held-out set of a run, block by block."""

    def block(total: Array, x: Array) -> tuple[Array, None]:
        x = x[context["set"]]
        error = predict(params, x) - data.target(x, context)[None]
        return total + jnp.mean(error**2, (1, 2)), None

    blocks = jnp.swapaxes(sets, 0, 1)
    paths = jax.eval_shape(predict, params, blocks[0, 0]).shape[0]
    total, _ = lax.scan(block, jnp.zeros(paths), blocks)
    return total / blocks.shape[0]


def train(recipe: _recipes.Recipe, data: Data, *, steps: int, seed: int, progress: bool) -> training.Fit:
    """All runs in one compiled loop; the metrics are "raw" and "rounded", each with errors on both held-out sets."""

    def batch(key: Array, step: Array, *, context: Context) -> tuple[Array, Array]:
        return data.batch(key, context)

    def init(key: Array, *, context: Context) -> Any:
        if recipe.screen == 1:
            return recipe.init(key, data.n_in)
        starts_key, batch_key = jax.random.split(key)
        starts = jax.vmap(lambda key: recipe.init(key, data.n_in))(jax.random.split(starts_key, recipe.screen))
        rows = data.batch(batch_key, context)
        losses = jax.vmap(lambda params: recipe.loss(params, rows, batch_key))(starts)
        best = jnp.argmin(jnp.where(jnp.isfinite(losses), losses, jnp.inf))
        return jax.tree.map(lambda leaf: leaf[best], starts)

    errors_on = functools.partial(mean_errors, recipe.predict)

    def evaluate(params: Any, context: Context) -> dict[str, Array]:
        on_validation = errors_on(params, data.validation, data, context)
        on_validation = jnp.where(jnp.isnan(on_validation), jnp.inf, on_validation)
        on_test = errors_on(params, data.test, data, context)
        path = jnp.argmin(on_validation)
        worst = jnp.stack([jnp.stack([_sparsity(w) for w in matrices]).mean() for matrices in recipe.matrices(params)])
        return {"validation": on_validation[path], "test": on_test[path], "sparsity": worst[path], "path": path}

    def metrics(params: Any, *, context: Context) -> dict[str, Any]:
        rounded = jax.tree.map(jnp.round, params)
        return {"raw": evaluate(params, context), "rounded": evaluate(rounded, context)}

    def loss(params: Any, batch: Any, *, key: Array) -> Array:
        return recipe.loss(params, batch, key)

    def penalty(params: Any, step: Array, *, validation: Array) -> Array:
        return recipe.penalty(params, step, validation)

    fit = training.fit(
        loss,
        init,
        key=jax.random.key(seed),
        steps=steps,
        optimiser=recipe.optimiser,
        batch=batch,
        validation=lambda params, *, context: errors_on(params, data.validation, data, context).min(),
        metrics=metrics,
        restarts=len(data.context["set"]),
        context=data.context,
        penalty=penalty,
        project=lambda params, *, step: recipe.project(params, step),
        reinitialise=recipe.reinitialise,
        validate_every=min(LOG_EVERY, steps),
        progress=f"{recipe.name} {recipe.unit} {data.n_in}" if progress else False,
    )
    _report.check_whole(fit)
    return fit


def _sparsity(w: Array) -> Array:
    return jnp.max(jnp.minimum(jnp.abs(w), jnp.abs(1 - jnp.abs(w))))


def cells(
    recipe: _recipes.Recipe,
    fit: training.Fit,
    groups: Sequence[Group],
    thresholds: Callable[[Group], dict[str, float]],
    *,
    unit: str,
    published: Callable[[Group], str | None] = lambda group: None,
    last: bool = False,
) -> list[_success.Cell]:
    """The cells of a fit: every run at the step with its lowest validation error, as it is and rounded.

    Args:
        groups: (runs,) which cell a run belongs to.
        thresholds: by criterion, of a group; the first one decides which runs are solved.
        unit: what the cell calls the unit.
        published: the published share of a group, None where there is none.
        last: whether the last step counts instead.
    """
    raw, rounded = fit.metrics["raw"], fit.metrics["rounded"]
    chosen = np.full(len(groups), len(fit.steps) - 1) if last else measures.chosen_log(fit.validations)
    at = lambda values: np.take_along_axis(np.asarray(values), chosen[:, None], 1)[:, 0]
    errors = {"": np.where(fit.failed, np.nan, at(raw["test"]))}
    better = at(rounded["validation"]) <= at(raw["validation"])
    errors["rounded"] = np.where(better, at(rounded["test"]), errors[""])
    found = []
    for group in dict.fromkeys(groups):
        here = np.array([group == other for other in groups])
        limits = thresholds(group)
        labels: dict[str, Any] = {"unit": unit, "operation": group[0], "range": group[1]}
        share = published(group)
        labels |= {} if share is None else {"published": share}
        if recipe.name == "ours":
            labels["multiplying"] = int(at(raw["path"])[here].sum())
        found.append(
            _success.make_cell(
                labels,
                {prefix: values[here] for prefix, values in errors.items()},
                limits,
                solved_at=measures.solved_at(raw["test"][here], fit.steps, next(iter(limits.values()))),
                sparsity=at(raw["sparsity"])[here],
                failed=int(fit.failed[here].sum()),
            )
        )
    return found
