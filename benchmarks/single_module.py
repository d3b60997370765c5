"""Does one unit learn + - * / of two inputs, on nine ranges, so that it holds far outside them?

The single-module arithmetic task (`nalu_jax.tasks.single_module`): 25 seeds on each of nine ranges, test error on
another range below 1e-5 ("flat") or below that of weights that are off by 1e-5 or 1e-4 ("simulated"). Three recipes,
never mixed (`_recipes.py`): `published` follows the papers; `plain` keeps the papers' loss but gets 5,000 iterations
and any schedule; `ours` is one model and one recipe for all four operations. All runs of a row train at once, each with
random numbers of its own. Plain least squares on 128 rows, in x and in log |x|, stands beside them: what it solves,
training does not have to.

    python benchmarks/single_module.py --json benchmarks/results/single_module.json
    python benchmarks/single_module.py --recipe ours --inputs 2 10 100 --plot single_module.png

Deviations from the protocol: see `nalu_jax.tasks.single_module`. Training stops at a step where the parameters would
become NaN or infinite, and counts as failed there.
"""

import functools
import pathlib
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
from jax import Array, lax

from nalu_jax import training
from nalu_jax.tasks import measures
from nalu_jax.tasks import single_module as task

QUESTION = _report.question(__doc__)
RECIPES = ("ours", "plain", "published", "least squares")
UNITS = tuple(dict.fromkeys([*_recipes.PLAIN, *_recipes.PUBLISHED]))
PUBLISHED_DEFAULT = ("nau", "nmu", "snmu", "real_npu", "real_npu modified", "nru", "nmru")
RANGES = {r.name: r for r in task.RANGES}
BLOCK = 500  # rows of a held-out set that are evaluated at once
LOG_EVERY = 1_000
PUBLISHED_SHARE = {("nau", "add"): "1.00", ("nmu", "mul"): "0.942", ("nmru", "div", 10): "0.916"}


def tasks(options: Any) -> list[_report.Row]:
    """One row for each program: our recipe trains all operations at once, the others one unit and operation."""
    rows = []
    common = {"ranges": options.ranges, "seeds": options.seeds, "first_seed": options.first_seed}
    for recipe in options.recipe:
        for n_in in options.inputs:
            row = {"recipe": recipe, "inputs": n_in} | common
            if recipe in ("ours", "least squares"):
                rows.append(row | {"unit": "", "operations": options.ops})
                continue
            table = _recipes.PLAIN if recipe == "plain" else _recipes.PUBLISHED
            chosen = options.units or (PUBLISHED_DEFAULT if recipe == "published" else tuple(table))
            for unit in (unit for unit in table if unit in chosen):
                rows += [row | {"unit": unit, "operations": [op]} for op in table[unit] if op in options.ops]
    return rows


def measure(row: _report.Row, *, steps: int | None, progress: bool) -> _report.Row:
    """Train, or solve, all runs of a row; its cells, and how long it took."""
    start = time.perf_counter()
    runs = [(op, seed, name) for op in row["operations"] for seed in _seeds(row) for name in row["ranges"]]
    if row["recipe"] == "least squares":
        return {"cells": least_squares(runs, row["inputs"]), "seconds": time.perf_counter() - start}
    operation, n_in = row["operations"][0], row["inputs"]
    recipe = {
        "ours": lambda: _recipes.ours(),
        "plain": lambda: _recipes.plain(row["unit"], operation, n_in),
        "published": lambda: _recipes.published(row["unit"], operation, n_in),
    }[row["recipe"]]()
    steps = recipe.steps if steps is None else min(steps, recipe.steps)
    cells = train(recipe, runs, n_in, steps=steps, seed=row["first_seed"], progress=progress)
    seconds = time.perf_counter() - start
    return {"cells": cells, "steps": steps, "seconds": seconds, "steps_per_second": len(runs) * steps / seconds}


def _seeds(row: _report.Row) -> range:
    return range(row["first_seed"], row["first_seed"] + row["seeds"])


def contexts(runs: Sequence[tuple[str, int, str]], n_in: int) -> dict[str, Array]:
    """What differs between the runs, as arrays."""
    return {
        "operation": jnp.array([task.OPERATIONS.index(op) for op, _, _ in runs]),
        "bounds": jnp.array([RANGES[name].train for _, _, name in runs]),
        "offset": jnp.array([task.offset(seed, n_in) for _, seed, _ in runs]),
        "range": jnp.array([list(RANGES).index(name) for _, _, name in runs]),
    }


def held_out_sets(n_in: int) -> tuple[Array, Array]:
    """Validation and test inputs of all ranges: (ranges, blocks, rows, n_in) each."""
    validation = [task.held_out((r.train,), seed=task.VALIDATION_SEED, n_in=n_in) for r in task.RANGES]
    test = [task.held_out(r.test, seed=task.TEST_SEED, n_in=n_in) for r in task.RANGES]
    shape = (len(task.RANGES), -1, BLOCK, n_in)
    return jnp.asarray(np.stack(validation)).reshape(shape), jnp.asarray(np.stack(test)).reshape(shape)


def mean_errors(predict: Any, params: Any, sets: Array, context: dict[str, Array]) -> Array:
    """(paths,) mean squared errors on the held-out set of a run's range, block by block."""

    def block(total: Array, x: Array) -> tuple[Array, None]:
        x = x[context["range"]]
        error = predict(params, x) - task.target(x, context["operation"], context["offset"])[None]
        return total + jnp.mean(error**2, (1, 2)), None

    blocks = jnp.swapaxes(sets, 0, 1)
    paths = jax.eval_shape(predict, params, blocks[0, 0]).shape[0]
    total, _ = lax.scan(block, jnp.zeros(paths), blocks)
    return total / blocks.shape[0]


def train(
    recipe: _recipes.Recipe,
    runs: Sequence[tuple[str, int, str]],
    n_in: int,
    *,
    steps: int,
    seed: int,
    progress: bool,
) -> list[_success.Cell]:
    """All runs in one compiled loop; the cells of their success table."""
    validation_sets, test_sets = held_out_sets(n_in)

    def batch(key: Array, step: Array, *, context: Any) -> tuple[Array, Array]:
        return task.batch(key, context["bounds"], context["operation"], offset=context["offset"], n_in=n_in)

    def init(key: Array, *, context: Any) -> Any:
        if recipe.screen == 1:
            return recipe.init(key, n_in)
        starts_key, batch_key = jax.random.split(key)
        starts = jax.vmap(lambda key: recipe.init(key, n_in))(jax.random.split(starts_key, recipe.screen))
        data = batch(batch_key, jnp.zeros((), int), context=context)
        losses = jax.vmap(lambda params: recipe.loss(params, data, batch_key))(starts)
        best = jnp.argmin(jnp.where(jnp.isfinite(losses), losses, jnp.inf))
        return jax.tree.map(lambda leaf: leaf[best], starts)

    def evaluate(params: Any, context: Any) -> dict[str, Array]:
        on_validation = mean_errors(recipe.predict, params, validation_sets, context)
        on_validation = jnp.where(jnp.isnan(on_validation), jnp.inf, on_validation)
        on_test = mean_errors(recipe.predict, params, test_sets, context)
        path = jnp.argmin(on_validation)
        worst = jnp.stack([jnp.stack([_sparsity(w) for w in matrices]).mean() for matrices in recipe.matrices(params)])
        return {"validation": on_validation[path], "test": on_test[path], "sparsity": worst[path], "path": path}

    def metrics(params: Any, *, context: Any) -> dict[str, Any]:
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
        validation=lambda params, *, context: mean_errors(recipe.predict, params, validation_sets, context).min(),
        metrics=metrics,
        restarts=len(runs),
        context=contexts(runs, n_in),
        penalty=penalty,
        project=lambda params, *, step: recipe.project(params, step),
        validate_every=min(LOG_EVERY, steps),
        progress=f"{recipe.name} {recipe.unit} {n_in}" if progress else False,
    )
    return cells_of(recipe, runs, n_in, fit)


def _sparsity(w: Array) -> Array:
    return jnp.max(jnp.minimum(jnp.abs(w), jnp.abs(1 - jnp.abs(w))))


def cells_of(
    recipe: _recipes.Recipe, runs: Sequence[tuple[str, int, str]], n_in: int, fit: training.Fit
) -> list[_success.Cell]:
    """The cells of a fit: every run at the step with its lowest validation error, as it is and rounded."""
    raw, rounded = fit.metrics["raw"], fit.metrics["rounded"]
    chosen = measures.chosen_log(fit.validations)
    at = lambda values: np.take_along_axis(np.asarray(values), chosen[:, None], 1)[:, 0]
    errors = {"": np.where(fit.failed, np.nan, at(raw["test"]))}
    better = at(rounded["validation"]) <= at(raw["validation"])
    errors["rounded"] = np.where(better, at(rounded["test"]), errors[""])
    solved = measures.solved_at(raw["test"], fit.steps, task.FLAT_THRESHOLD)
    cells = []
    for operation, name in dict.fromkeys((op, name) for op, _, name in runs):
        here = np.array([(op, range_name) == (operation, name) for op, _, range_name in runs])
        labels: dict[str, Any] = {"unit": f"{recipe.unit} ({n_in})", "operation": operation, "range": name}
        published = PUBLISHED_SHARE.get((recipe.unit, operation, n_in)) if n_in > 2 else None
        published = published or (PUBLISHED_SHARE.get((recipe.unit, operation)) if n_in == 2 else None)
        labels |= {"published": published} if published and recipe.name == "published" else {}
        if recipe.name == "ours":
            labels["multiplying"] = int(at(raw["path"])[here].sum())
        cells.append(
            _success.make_cell(
                labels,
                {prefix: values[here] for prefix, values in errors.items()},
                thresholds(operation, name, n_in),
                solved_at=solved[here],
                sparsity=at(raw["sparsity"])[here],
                failed=int(fit.failed[here].sum()),
            )
        )
    return cells


def thresholds(operation: str, name: str, n_in: int) -> dict[str, float]:
    """The three thresholds of a test range."""
    simulated = functools.partial(task.threshold, operation, RANGES[name].test, n_in=n_in)
    return {"flat": task.FLAT_THRESHOLD, "simulated 1e-5": simulated(eps=1e-5), "simulated 1e-4": simulated(eps=1e-4)}


def least_squares(runs: Sequence[tuple[str, int, str]], n_in: int) -> list[_success.Cell]:
    """One least-squares solution from 128 rows, in x and in log |x|; there the sign is that of the rounded powers."""
    errors: dict[tuple[str, str, str], list[float]] = {}
    for operation, seed, name in runs:
        key = jax.random.fold_in(jax.random.key(seed), len(errors))
        offset = task.offset(seed, n_in)
        draw = task.batch(key, RANGES[name].train, operation, offset=offset, n_in=n_in)
        x, y = (np.asarray(array, float) for array in draw)
        x_test = task.held_out(RANGES[name].test, seed=task.TEST_SEED, n_in=n_in).astype(float)
        y_test = np.asarray(task.target(jnp.asarray(x_test, jnp.float32), operation, offset), float)
        w = np.linalg.lstsq(x, y, rcond=None)[0]
        powers = np.linalg.lstsq(np.log(np.abs(x)), np.log(np.abs(y)), rcond=None)[0]
        sign = np.cos(np.pi * ((x_test < 0) @ np.round(powers)))
        predictions = {"in x": x_test @ w, "in log x": np.exp(np.log(np.abs(x_test)) @ powers) * sign}
        for label, prediction in predictions.items():
            errors.setdefault((label, operation, name), []).append(float(np.mean((prediction - y_test) ** 2)))
    ordered = sorted(errors, key=lambda cell: (cell[0] != "in x", task.OPERATIONS.index(cell[1])))
    return [
        _success.make_cell(
            {"unit": f"{label} ({n_in})", "operation": operation, "range": name},
            {"": np.array(errors[label, operation, name])},
            thresholds(operation, name, n_in),
        )
        for label, operation, name in ordered
    ]


header_and_lines, table, summary = _success.header_and_lines, _success.table, _success.summary


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = _report.parser(__doc__)
    parser.add_argument("--recipe", nargs="+", choices=RECIPES, default=list(RECIPES), help="only these")
    parser.add_argument("--units", nargs="+", choices=UNITS, metavar="UNIT", help="only these (published, plain)")
    parser.add_argument("--ops", nargs="+", choices=task.OPERATIONS, default=list(task.OPERATIONS), help="only these")
    parser.add_argument("--ranges", nargs="+", choices=list(RANGES), default=list(RANGES), metavar="RANGE")
    parser.add_argument("--inputs", nargs="+", type=int, choices=(2, 10, 100), default=[2])
    parser.add_argument("--seeds", type=int, default=25, help="runs of each range")
    parser.add_argument("--first-seed", type=int, default=_recipes.REPORT_SEED)
    parser.add_argument("--plot", type=pathlib.Path, metavar="FILE", help="draw success, solved at, sparsity error")
    options = parser.parse_args(arguments)
    effort = _report.effort_of(options)
    steps = None
    if effort.name != "full":
        options.seeds = min(options.seeds, 5 if effort.name == "quick" else 1)
        steps = {"quick": 3_000, "smoke": 20}[effort.name]
        options.units = options.units or ["nau", "real_npu"]
    results = _report.results(__file__, QUESTION, options)
    step = functools.partial(measure, steps=steps, progress=sys.stderr.isatty())
    code = _report.run(results, tasks(options), step, table, effort)
    if options.plot:
        _success.plot(results.data["rows"], options.plot)
    return code


if __name__ == "__main__":
    sys.exit(main())
