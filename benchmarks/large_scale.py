"""Does a two-layer network learn a + b, a b, 1 / a or sqrt a of two sums over 100 Sobol inputs?

The NPU paper's large-scale task (`nalu_jax.tasks.large_scale`): test error over 10,000 points of a wider range. The
median is over all runs; beside it stands that of the ten best by test error, which the paper reports.

`ours` (`_two_layer.py`) has a hidden layer of 2, is trained in float64, and does not know the task; the runs differ in
their starts and in where in the sequence their 1,000 training points stand. "float32" means that weights and forward
pass were rounded to it. `published` is the paper's script: NAU(100, 100) and a unit (100, 1), all weights U(0, 0.1),
RMSProp, 100,000 steps, a growing sum of Frobenius norms. Least squares (of y in x, and of log |y| in log x) stands
beside them.

    python -m benchmarks.large_scale --json benchmarks/results/large_scale.json
"""

import functools
import itertools
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
from nalu_jax.penalties import frobenius
from nalu_jax.schedules import growth
from nalu_jax.tasks import draw
from nalu_jax.tasks import large_scale as task

from . import _recipes, _report, _success, _two_layer

QUESTION = _report.question(__doc__)
RECIPES = ("ours", "published", "least squares")
UNITS = ("npu", "real_npu", "naive_npu", "nmu")
PUBLISHED = f"Published median MSE of the best ten runs, of the best unit: {_success.best_published(task.PUBLISHED)}."
ROWS, VALIDATION_ROWS = 1_000, 1_000
TARGET = 1e-6
NMU_PENALTY = {"add": (1e-7, 1e-4), "mul": (1e-9, 1e-4)}  # the script's exceptions, and fewer steps
NMU_STEPS = {"add": 10_000, "mul": 20_000}


def tasks(options: Any) -> list[_report.Row]:
    """One row for each recipe, unit and operation."""
    common = {"seeds": options.seeds, "first_seed": options.first_seed}
    rows = []
    for recipe in options.recipe:
        units = options.units if recipe == "published" else ["-"]
        for unit, op in itertools.product(units, options.ops):
            row = {"recipe": recipe, "unit": unit, "operation": op} | common
            if recipe == "published":
                row |= _steps(unit, op, options.steps)
            rows.append(row)
    return rows


def _steps(unit: str, operation: str, limit: int | None) -> _report.Row:
    """How long a published run trains: as its paper's script, or not beyond the limit."""
    published = NMU_STEPS.get(operation, task.STEPS) if unit == "nmu" else task.STEPS
    steps = min(published, limit or published)
    return {"steps": steps} | _success.reduced(steps, published)


def measure(row: _report.Row, *, effort: _report.Effort) -> _report.Row:
    """All runs of one operation."""
    start = time.perf_counter()
    run = {"ours": solve, "least squares": least_squares, "published": train}[row["recipe"]]
    errors, rest = run(row, effort)
    labels = {"unit": row["unit"], "operation": row["operation"], "range": str(task.TRAIN[row["operation"]])}
    if row["recipe"] == "published":
        labels["published"] = task.PUBLISHED[row["unit"]][row["operation"]]
    cell = _success.make_cell(labels, errors, {"MSE < 1e-6": TARGET})
    medians = {f"median {name}".strip(): float(np.median(values)) for name, values in errors.items()}
    medians["best ten"] = float(np.median(np.sort(errors[""])[: task.RUNS]))
    return {"cells": [cell | medians | rest], "seconds": time.perf_counter() - start}


def _seeds(row: _report.Row) -> range:
    return range(row["first_seed"], row["first_seed"] + row["seeds"])


def points(operation: str, first: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Points first, first + 1, ... of the sequence in the training range, float32, and their targets in float64."""
    low, high = task.TRAIN[operation]
    x = (low + (high - low) * draw.sobol(rows, task.N_IN, first=first)).astype(np.float32)
    return x, exact(x, operation)


def exact(x: np.ndarray, operation: str) -> np.ndarray:
    """The targets (rows, 1) of float32 inputs in float64."""
    a, b = (x[:, part].astype(float).sum(1, keepdims=True) for part in (task.FIRST, task.SECOND))
    functions = {"add": lambda: a + b, "mul": lambda: a * b, "invx": lambda: 1 / a, "sqrt": lambda: np.sqrt(a)}
    return functions[operation]()


def solve(row: _report.Row, effort: _report.Effort) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Our recipe."""
    options = {"starts": 1, "steps": 2} if effort.name == "smoke" else {}
    errors: dict[str, list[float]] = {"": [], "float32": []}
    paths: list[str] = []
    x, y = task.held_out(row["operation"])
    y_exact = exact(x, row["operation"])
    for number, seed in enumerate(_seeds(row)):
        first = 1 + number * (ROWS + VALIDATION_ROWS)
        rows, held_out = (points(row["operation"], at, n) for at, n in ((first, ROWS), (first + ROWS, VALIDATION_ROWS)))
        solution = _two_layer.solve(jax.random.key(seed), rows, held_out, **options)
        errors[""].append(_two_layer.error_on(solution, x, y_exact))
        errors["float32"].append(_two_layer.error_on(solution, x, y, jnp.float32))
        paths.append(solution.path)
    counts = {path: paths.count(path) for path in dict.fromkeys(paths)}
    return {name: np.array(values) for name, values in errors.items()}, {"paths": counts}


def least_squares(row: _report.Row, effort: _report.Effort) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The better, by validation, of y in x and of log |y| in log |x|, both with an intercept; one run, not random."""
    del effort
    (x, y), (x_held_out, y_held_out) = (points(row["operation"], first, ROWS) for first in (1, ROWS + 1))
    with_one = lambda x: np.concatenate([x, np.ones((len(x), 1))], 1)
    safe_log = lambda x: np.log(np.maximum(np.abs(x), 1e-7))
    linear = np.linalg.lstsq(with_one(x), y, rcond=None)[0]
    powers = np.linalg.lstsq(with_one(safe_log(x)), safe_log(y), rcond=None)[0]
    predictors = [lambda x: with_one(x) @ linear, lambda x: np.exp(with_one(safe_log(x)) @ powers)]
    best = min(predictors, key=lambda predict: np.mean((predict(x_held_out) - y_held_out) ** 2))
    x_test, _ = task.held_out(row["operation"])
    return {"": np.array([np.mean((best(x_test) - exact(x_test, row["operation"])) ** 2)])}, {}


def train(row: _report.Row, effort: _report.Effort) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The paper's recipe, all runs at once: the errors of the last step."""
    unit, operation = row["unit"], row["operation"]
    is_nmu = unit == "nmu"
    steps = min(row["steps"], {"full": row["steps"], "quick": 20, "smoke": 2}[effort.name])
    schedule = growth(*(NMU_PENALTY.get(operation, task.PENALTY[operation]) if is_nmu else task.PENALTY[operation]))
    options: dict[str, Any] = {"w_init" if is_nmu else "re_init": "uniform(0,0.1)"}
    if unit == "npu":
        options["gate_init"] = "ones"
    chain = nalu_jax.chain(
        nalu_jax.nau.UNIT.bind(w_init="uniform(0,0.1)"),
        nalu_jax.UNITS[unit].bind(**options),
    )
    directions = draw.sobol_directions(task.N_IN)
    x, y = (jnp.asarray(array) for array in task.held_out(operation))

    def loss(params: Any, batch: tuple[Array, Array]) -> Array:
        prepared = (params[0], _recipes.hard_clip(params[1], unit))
        return _recipes.mean_square(chain.apply(prepared, batch[0]) - batch[1])

    fit = training.fit(
        loss,
        lambda key: chain.init(key, (task.N_IN, task.N_IN, 1)),
        key=jnp.stack([jax.random.key(seed) for seed in _seeds(row)]),
        steps=steps,
        optimiser=optax.rmsprop(task.LEARNING_RATE[operation], decay=0.9, eps=1e-8, eps_in_sqrt=False),
        batch=lambda key, step: task.batch(step, operation, directions),
        restarts=row["seeds"],
        penalty=lambda params, step: schedule(step) * frobenius(params),
        keep="last",
        progress=f"published {unit} {operation}" if sys.stderr.isatty() else False,
    )
    _report.check_whole(fit)
    one = lambda params: _recipes.mean_square(chain.apply(params, x) - y)
    errors = np.asarray(jax.jit(lambda all_params: jax.lax.map(one, all_params))(fit.all_params))
    return {"": np.where(fit.failed, np.nan, errors)}, {"failed": int(fit.failed.sum())}


def header_and_lines(rows: Sequence[_report.Row]) -> tuple[list[str], list[list[str]]]:
    """The median over all runs of every recipe, unit and operation."""
    header = ["recipe", "unit", "operation", "median MSE", "in float32", "runs below 1e-6", "best ten", "published"]
    return header, [_line(cell) for cell in _success.cells_of(rows)]


def table(rows: Sequence[_report.Row]) -> str:
    """The lines of `header_and_lines` as text."""
    return _report.text_table(*header_and_lines(rows))


def _line(cell: _success.Cell) -> list[str]:
    successes = next(iter(cell["successes"].values()))
    return [
        cell["recipe"],
        cell["unit"],
        cell["operation"],
        f"{cell['median']:.2g}",
        f"{cell['median float32']:.2g}" if "median float32" in cell else "-",
        _success.rate(successes, cell["runs"]),
        f"{cell['best ten']:.2g}" if "best ten" in cell else "-",
        str(cell.get("published", "-")),
    ]


summary = _success.summary


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = _success.parser(__doc__, RECIPES, seeds=task.RUNS)
    parser.add_argument("--units", nargs="+", choices=UNITS, default=list(UNITS), metavar="UNIT", help="published ones")
    parser.add_argument("--ops", nargs="+", choices=task.TASKS, default=list(task.TASKS), help="only these")
    parser.add_argument("--steps", type=int, help="of the published recipe, at most")
    options = parser.parse_args(arguments)
    effort = _report.effort_of(options)
    if effort.name != "full":
        options.seeds, options.units = min(options.seeds, 2), options.units[:2]
    results = _report.results(__file__, QUESTION, options)
    return _success.run(results, tasks(options), functools.partial(measure, effort=effort), table, options)


if __name__ == "__main__":
    sys.exit(main())
