"""Does a two-layer network find two overlapping sums of 100 inputs and the operation between them?

Madsen's arithmetic task (`nalu_jax.tasks.static`): + - * / sqrt and square of sums over subsets of 25, trained on
[1, 2], tested on [2, 6] against a threshold that allows weights to be off by 1e-5.

`ours` (`_two_layer.py`) is one recipe for all six: it finds out by validation whether to add, multiply or raise to
powers. Trained in float64; "float32" in front of a criterion means that weights and forward pass were rounded to it.
`published` is the paper's: NAU -> NAU for sums, NAU -> NMU for products, Adam 1e-3, sparsity ramps, 5,000,000 steps
(`--steps` for fewer). Least squares (of t in x, and of log t in log x) stands beside them.

    python -m benchmarks.static_task --json benchmarks/results/static_task.json
"""

import functools
import sys
import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

import nalu_jax
from nalu_jax import training
from nalu_jax.schedules import linear_ramp
from nalu_jax.tasks import measures, single_module
from nalu_jax.tasks import static as task

from . import _recipes, _report, _success, _two_layer

QUESTION = _report.question(__doc__)
RECIPES = ("ours", "published", "least squares")
UNITS = {"nau": ("add", "sub"), "nmu": ("mul", "squared")}
PUBLISHED = (
    "Published share of solved runs, by the networks with NMU (mul, squared), NAU (add, sub) and NAC (root) second "
    f"layers: {', '.join(f'{op} {share:g}' for op, share in task.PUBLISHED.items())}."
)
ROWS, VALIDATION_ROWS = 1_000, 1_000
LOG_EVERY = 1_000


def tasks(options: Any) -> list[_report.Row]:
    """One row for each recipe, unit and operation."""
    common = {"seeds": options.seeds, "first_seed": options.first_seed}
    rows = []
    for recipe in options.recipe:
        if recipe != "published":
            rows += [{"recipe": recipe, "unit": "-", "operation": op} | common for op in options.ops]
            continue
        pairs = [(unit, op) for unit in options.units for op in UNITS[unit] if op in options.ops]
        reduced = _success.reduced(options.steps, task.STEPS)
        rows += [{"recipe": recipe, "unit": unit, "operation": op} | common | reduced for unit, op in pairs]
    return rows


def measure(row: _report.Row, *, steps: int, effort: _report.Effort) -> _report.Row:
    """All runs of one operation."""
    start = time.perf_counter()
    run = {"ours": solve, "least squares": least_squares, "published": train}[row["recipe"]]
    labels = {"unit": row["unit"], "operation": row["operation"], "range": "U[1,2]"}
    if row["recipe"] == "published":
        labels["published"] = task.PUBLISHED[row["operation"]]
    cell = run(row, labels, steps if row["recipe"] == "published" else effort.name)
    return {"cells": [cell], "seconds": time.perf_counter() - start}


def _cell(labels: dict[str, Any], errors: dict[str, Any], **rest: Any) -> _success.Cell:
    arrays = {name: np.asarray(values) for name, values in errors.items()}
    return _success.make_cell(labels, arrays, {"simulated": task.THRESHOLDS[labels["operation"]]}, **rest)


def _seeds(row: _report.Row) -> range:
    return range(row["first_seed"], row["first_seed"] + row["seeds"])


def data(key: Array, seed: int, operation: str, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Fresh rows of the training range for the subsets of a seed; inputs float32, targets float64."""
    x = np.asarray(task.batch(key, task.TRAIN, "add", offset=0, rows=rows)[0])
    return x, targets(x, seed, operation)


def targets(x: np.ndarray, seed: int, operation: str) -> np.ndarray:
    """y (rows, 1) in float64."""
    masks = np.asarray(task.masks(task.offset(seed)), float)
    a, b = (x.astype(float) @ masks).T[:, :, None]
    functions = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide}
    if operation in functions:
        return functions[operation](a, b)
    return np.sqrt(a) if operation == "root" else a * a


def test_inputs() -> np.ndarray:
    """The protocol's 10,000 rows."""
    return single_module.held_out(task.TEST, seed=single_module.TEST_SEED, n_in=task.N_IN)


def solve(row: _report.Row, labels: dict[str, Any], effort: str) -> _success.Cell:
    """Our recipe: every run by itself, with data of its own."""
    options = {"starts": 1, "steps": 2} if effort == "smoke" else {}
    errors: dict[str, list[float]] = {"": [], "float32": []}
    paths: list[str] = []
    for seed in _seeds(row):
        keys = jax.random.split(jax.random.key(seed), 3)
        rows, held_out = (
            data(key, seed, row["operation"], n) for key, n in zip(keys[:2], (ROWS, VALIDATION_ROWS), strict=True)
        )
        solution = _two_layer.solve(keys[2], rows, held_out, **options)
        x = test_inputs()
        y = targets(x, seed, row["operation"])
        errors[""].append(_two_layer.error_on(solution, x, y))
        errors["float32"].append(_two_layer.error_on(solution, x, y.astype(np.float32), jnp.float32))
        paths.append(solution.path)
    return _cell(labels | {"paths": {path: paths.count(path) for path in dict.fromkeys(paths)}}, errors)


def least_squares(row: _report.Row, labels: dict[str, Any], effort: str) -> _success.Cell:
    """The better, by validation, of t in x and of log t in log x, both with an intercept."""
    del effort
    errors = []
    x_test = test_inputs()
    for seed in _seeds(row):
        keys = jax.random.split(jax.random.key(seed))
        (x, y), (x_held_out, y_held_out) = (data(key, seed, row["operation"], ROWS) for key in keys)
        linear = np.linalg.lstsq(_with_one(x), y, rcond=None)[0]
        predictors = [lambda x, w=linear: _with_one(x) @ w]
        if (y > 0).all():
            powers = np.linalg.lstsq(_with_one(np.log(x)), np.log(y), rcond=None)[0]
            predictors.append(lambda x, w=powers: np.exp(_with_one(np.log(x)) @ w))
        best = min(predictors, key=lambda predict: np.mean((predict(x_held_out) - y_held_out) ** 2))
        errors.append(np.mean((best(x_test) - targets(x_test, seed, row["operation"])) ** 2))
    return _cell(labels, {"": errors})


def _with_one(x: np.ndarray) -> np.ndarray:
    return np.concatenate([x, np.ones((len(x), 1))], 1)


def train(row: _report.Row, labels: dict[str, Any], steps: int) -> _success.Cell:
    """The paper's recipe, all runs at once; the step with the lowest validation error counts."""
    unit, operation = row["unit"], row["operation"]
    chain = nalu_jax.chain(nalu_jax.nau, nalu_jax.UNITS[unit])
    ramp = linear_ramp(0.01, start=5_000, end=50_000) if unit == "nau" else linear_ramp(10, start=10**6, end=2 * 10**6)
    seeds = list(_seeds(row))
    x_validation = single_module.held_out((task.TRAIN,), seed=single_module.VALIDATION_SEED, n_in=task.N_IN)
    x_validation, x_test = jnp.asarray(x_validation), jnp.asarray(test_inputs())

    def batch(key: Array, step: Array, *, context: Array) -> tuple[Array, Array]:
        return task.batch(key, task.TRAIN, operation, offset=context)

    def error_on(x: Array) -> Any:
        return lambda params, *, context: _recipes.mean_square(
            chain.apply(params, x) - task.target(x, operation, context)
        )

    fit = training.fit(
        lambda params, batch: _recipes.mean_square(chain.apply(params, batch[0]) - batch[1]),
        lambda key: chain.init(key, (task.N_IN, task.N_HIDDEN, 1)),
        key=jnp.stack([jax.random.key(seed) for seed in seeds]),
        steps=steps,
        optimiser=optax.adam(1e-3),
        batch=batch,
        validation=error_on(x_validation),
        metrics=error_on(x_test),
        restarts=len(seeds),
        context=jnp.array([task.offset(seed) for seed in seeds]),
        penalty=lambda params, step: ramp(step) * chain.penalty(params),
        project=lambda params: chain.project(params),
        validate_every=min(LOG_EVERY, steps),
        progress=f"published {unit} {operation}" if sys.stderr.isatty() else False,
    )
    _report.check_whole(fit)
    chosen = measures.chosen_log(fit.validations)
    errors = np.take_along_axis(fit.metrics, chosen[:, None], 1)[:, 0]
    solved = measures.solved_at(fit.metrics, fit.steps, task.THRESHOLDS[operation])
    weights = [np.asarray(layer["w"]) for layer in fit.all_params]
    sparsity = np.array([measures.sparsity_error([w[i] for w in weights]) for i in range(len(seeds))])
    errors = np.where(fit.failed, np.nan, errors)
    return _cell(labels, {"": errors}, solved_at=solved, sparsity=sparsity, failed=int(fit.failed.sum()))


header_and_lines, table, summary = _success.header_and_lines, _success.table, _success.summary


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = _success.parser(__doc__, RECIPES, seeds=100, default=["ours", "least squares"])
    parser.add_argument("--units", nargs="+", choices=UNITS, default=list(UNITS), metavar="UNIT", help="published ones")
    parser.add_argument("--ops", nargs="+", choices=task.OPERATIONS, default=list(task.OPERATIONS), help="only these")
    parser.add_argument("--steps", type=int, default=task.STEPS + 1, help="of the published recipe")
    options = parser.parse_args(arguments)
    effort = _report.effort_of(options)
    if effort.name != "full":
        options.seeds = min(options.seeds, 1)
        options.steps = min(options.steps, 200 if effort.name == "quick" else 2)
    results = _report.results(__file__, QUESTION, options)
    step = functools.partial(measure, steps=options.steps, effort=effort)
    return _success.run(results, tasks(options), step, table, options)


if __name__ == "__main__":
    sys.exit(main())
