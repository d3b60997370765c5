"""Does a unit learn + - * / from the distributions of the iNALU paper, so that it holds on another range?

Two inputs from seven distributions (`nalu_jax.tasks.inalu`), ten runs each; solved where the error on the extrapolation
range is below 1e-5. `ours` is the recipe of `single_module.py`, unchanged: one model for all four operations, the
validation error chooses between adding and multiplying. `published` is the iNALU with separate weights and an
independent gate: RMSProp 0.01, gradients clipped to 0.1, batches of 64, 100,000 steps, eight updates of the weights
and two of the gate in turn, regulariser from epoch 10 where the loss is below 1. Its deviations: rows are fresh, not
64,000 fixed ones; the regulariser is added to the loss; runs are not re-initialised. Least squares stands beside them.

    python benchmarks/inalu_tasks.py --json benchmarks/results/inalu_tasks.json
"""

import functools
import sys
import time
from collections.abc import Sequence
from typing import Any

import _recipes
import _report
import _success
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

import nalu_jax
from nalu_jax import training
from nalu_jax.penalties import away_from_zero
from nalu_jax.tasks import inalu as task
from nalu_jax.tasks.single_module import target

QUESTION = _report.question(__doc__)
RECIPES = ("ours", "published", "least squares")
BATCHES_AN_EPOCH = task.ROWS // task.BATCH
HELD_OUT = 10_000


def tasks(options: Any) -> list[_report.Row]:
    """One row for each recipe and distribution; operations and seeds train together."""
    common = {"operations": options.ops, "seeds": options.seeds, "first_seed": options.first_seed}
    return [{"recipe": recipe, "distribution": name} | common for recipe in options.recipe for name in options.sets]


def measure(row: _report.Row, *, effort: _report.Effort) -> _report.Row:
    """All runs of one distribution."""
    start = time.perf_counter()
    runs = [(op, seed) for op in row["operations"] for seed in range(row["seeds"])]
    if row["recipe"] == "least squares":
        unit, errors, failed = (
            "-",
            {"": np.array([least_squares(row, *run) for run in runs])},
            np.zeros(len(runs), bool),
        )
    else:
        recipe = _recipes.ours() if row["recipe"] == "ours" else published()
        steps = min(recipe.steps, {"full": recipe.steps, "quick": 2_000, "smoke": 3}[effort.name])
        unit, (errors, failed) = recipe.unit, train(recipe, row, runs, steps)
    cells = []
    for op in row["operations"]:
        here = np.array([op == other for other, _ in runs])
        labels = {"unit": unit, "operation": op, "range": row["distribution"]}
        if row["recipe"] == "published":
            labels["published"] = "/".join(map(str, task.PUBLISHED["inalu"][op][:2]))
        chosen = {name: values[here] for name, values in errors.items()}
        cells.append(_success.make_cell(labels, chosen, {"flat": task.THRESHOLD}, failed=int(failed[here].sum())))
    return {"cells": cells, "seconds": time.perf_counter() - start}


def published() -> _recipes.Recipe:
    """The iNALU's own recipe, without re-initialisation."""
    unit = nalu_jax.inalu.UNIT.bind(gate="independent")
    optimiser = optax.chain(optax.clip(0.1), optax.rmsprop(0.01, decay=0.9, eps=1e-10), _in_turn())

    def penalty(params: Any, step: Array, validation: Array) -> Array:
        active = (step >= 10 * BATCHES_AN_EPOCH) & (validation < 1)
        return jnp.where(active, 0.05 * away_from_zero(params), 0.0)

    return _recipes.Recipe(
        name="published",
        unit="inalu",
        init=lambda key, n_in: unit.init(key, (n_in, 1)),
        loss=lambda params, batch, key: _recipes.mean_square(unit.apply(params, batch[0]) - batch[1]),
        predict=lambda params, x: unit.apply(params, x)[None],
        matrices=lambda params: [list(unit.weights(params).values())],
        optimiser=optimiser,
        steps=task.EPOCHS * BATCHES_AN_EPOCH,
        penalty=penalty,
    )


def _in_turn() -> optax.GradientTransformation:
    """Of every ten updates the first eight leave the gate alone, the last two all but the gate."""

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        del params
        of_gate = state % 10 >= 8
        masked = {name: jnp.where(of_gate == (name == "gate"), leaf, 0.0) for name, leaf in updates.items()}
        return masked, state + 1

    return optax.GradientTransformation(lambda params: jnp.zeros((), jnp.int32), update)


def train(
    recipe: _recipes.Recipe, row: _report.Row, runs: Sequence[tuple[str, int]], steps: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Test errors of all runs, as they are and rounded, and which runs failed."""
    distributions = task.SETS[row["distribution"]]
    operations = jnp.array([task.OPERATIONS.index(op) for op, _ in runs])
    keys = jax.random.split(jax.random.key(row["first_seed"]), 3)
    x_validation, x_test = (draw(key, (HELD_OUT, 2)) for draw, key in zip(distributions, keys[:2], strict=True))
    rows = task.BATCH if recipe.name == "published" else 2 * task.BATCH

    def errors_on(x: Array, params: Any, operation: Array) -> Array:
        errors = jnp.mean((recipe.predict(params, x) - target(x, operation)[None]) ** 2, (1, 2))
        return jnp.where(jnp.isnan(errors), jnp.inf, errors)

    def batch(key: Array, step: Array, *, context: Array) -> tuple[Array, Array]:
        x = distributions.train(key, (rows, 2))
        return x, target(x, context)

    fit = training.fit(
        lambda params, batch, *, key: recipe.loss(params, batch, key),
        lambda key: recipe.init(key, 2),
        key=keys[2],
        steps=steps,
        optimiser=recipe.optimiser,
        batch=batch,
        validation=lambda params, *, context: errors_on(x_validation, params, context).min(),
        restarts=len(runs),
        context=operations,
        penalty=lambda params, step, *, validation: recipe.penalty(params, step, validation),
        project=lambda params, *, step: recipe.project(params, step),
        validate_every=min(BATCHES_AN_EPOCH, steps),
        progress=f"{recipe.name} {row['distribution']}" if sys.stderr.isatty() else False,
    )

    @jax.jit
    @jax.vmap
    def final(params: Any, operation: Array) -> tuple[Array, Array]:
        rounded = jax.tree.map(jnp.round, params)
        errors = [(errors_on(x_validation, p, operation), errors_on(x_test, p, operation)) for p in (params, rounded)]
        (validation, test), (validation_rounded, test_rounded) = errors
        raw = test[jnp.argmin(validation)]
        better = validation_rounded.min() <= validation.min()
        return raw, jnp.where(better, test_rounded[jnp.argmin(validation_rounded)], raw)

    raw, rounded = (np.asarray(values) for values in final(fit.all_params, operations))
    failed = np.where(fit.failed, np.nan, 0.0)
    return {"": raw + failed, "rounded": rounded + failed}, fit.failed


def least_squares(row: _report.Row, operation: str, number: int) -> float:
    """The better, by validation, of a fit in x and one in log |x| from 128 rows; its test error."""
    distributions = task.SETS[row["distribution"]]
    keys = jax.random.split(jax.random.fold_in(jax.random.key(row["first_seed"]), number), 3)
    counts = (128, HELD_OUT, HELD_OUT)
    train, validation, test = (
        tuple(np.asarray(array, float) for array in task.rows(key, distributions[of == 2], operation, count=count))
        for of, (key, count) in enumerate(zip(keys, counts, strict=True))
    )
    log = lambda x: np.log(np.maximum(np.abs(x), 1e-30))
    linear = np.linalg.lstsq(train[0], train[1], rcond=None)[0]
    powers = np.linalg.lstsq(log(train[0]), log(train[1]), rcond=None)[0]
    product = lambda x: np.exp(log(x) @ powers) * np.cos(np.pi * ((x < 0) @ np.round(powers)))
    predictors = [lambda x: x @ linear, product]
    best = min(predictors, key=lambda predict: np.mean((predict(validation[0]) - validation[1]) ** 2))
    return float(np.mean((best(test[0]) - test[1]) ** 2))


header_and_lines, table, summary = _success.header_and_lines, _success.table, _success.summary


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = _report.parser(__doc__)
    parser.add_argument("--recipe", nargs="+", choices=RECIPES, default=list(RECIPES), help="only these")
    parser.add_argument("--ops", nargs="+", choices=task.OPERATIONS, default=list(task.OPERATIONS), help="only these")
    parser.add_argument("--sets", nargs="+", choices=list(task.SETS), default=list(task.SETS), metavar="SET")
    parser.add_argument("--seeds", type=int, default=len(task.SEEDS), help="runs of each cell")
    parser.add_argument("--first-seed", type=int, default=_recipes.REPORT_SEED)
    options = parser.parse_args(arguments)
    effort = _report.effort_of(options)
    if effort.name != "full":
        options.seeds, options.sets = min(options.seeds, 3), options.sets[: 2 if effort.name == "quick" else 1]
    results = _report.results(__file__, QUESTION, options)
    return _report.run(results, tasks(options), functools.partial(measure, effort=effort), table, effort)


if __name__ == "__main__":
    sys.exit(main())
