"""Does one unit learn quotients of mixed signs, of Benford, truncated normal and wide numbers, and of small ones?

The division papers' sets beside the nine ranges of `single_module.py` (`nalu_jax.tasks.division`): mixed signs and
other distributions, a test error below 1e-5; and small numbers, [a] -> 1/a (easy), [a, b] -> 1/a (medium) and
[a, b] -> a/b (hard) on U[0, 1e-4] to U[0, 1], an error at most that of the exact weights in float32 ("gold", with one
per cent for another order of summation). Small numbers have two inputs or one, whatever `--inputs` says.

Recipes are those of `single_module.py`, unchanged: `ours`, which does not know that the operation is division, `plain`
(the squared error of y), `published` (RealNPU, RealNPU modified, NRU, NMRU), and least squares.

    python -m benchmarks.division --json benchmarks/results/division.json
    python -m benchmarks.division --inputs 10 --recipe ours "least squares"
"""

import functools
import sys
import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from nalu_jax.tasks import division as task
from nalu_jax.tasks import single_module

from . import _recipes, _report, _runs, _success

QUESTION = _report.question(__doc__)
RECIPES = ("ours", "plain", "published", "least squares")
UNITS = {"plain": ("nmru", "real_npu"), "published": ("real_npu", "real_npu modified", "nru", "nmru")}
PUBLISHED = "Published in figures only."
SMALL = tuple(task.SMALL_TASKS)
NAMES = (*task.SETS, *SMALL)
LIMITS = {"flat": single_module.FLAT_THRESHOLD}
SLACK = 1.01  # of the error of the exact weights


def tasks(options: Any) -> list[_report.Row]:
    """One row for each program: a recipe, a unit and a set; the five ranges of a small-number task are one set."""
    rows = []
    common = {"seeds": options.seeds, "first_seed": options.first_seed}
    for recipe in options.recipe:
        units = [unit for unit in UNITS.get(recipe, ("",)) if not unit or not options.units or unit in options.units]
        for name in options.sets:
            inputs = [task.SMALL_TASKS[name]] if name in SMALL else options.inputs
            for n_in in inputs:
                rows += [{"recipe": recipe, "set": name, "unit": unit, "inputs": n_in} | common for unit in units]
    return rows


def measure(row: _report.Row, *, steps: int | None) -> _report.Row:
    """Train, or solve, all runs of a row; its cells, and how long it took."""
    start = time.perf_counter()
    if row["recipe"] == "least squares":
        return {"cells": least_squares(row), "seconds": time.perf_counter() - start}
    recipe = recipe_of(row)
    steps = recipe.steps if steps is None else min(steps, recipe.steps)
    data, groups = data_of(row)
    progress = sys.stderr.isatty()
    fit = _runs.train(recipe, data, steps=steps, seed=row["first_seed"], progress=progress)
    limits = functools.partial(thresholds, row=row, recipe=recipe, data=data, groups=groups)
    cells = _runs.cells(recipe, fit, groups, limits, unit=f"{recipe.unit} ({row['inputs']})")
    seconds = time.perf_counter() - start
    return {"cells": cells, "steps": steps, "seconds": seconds, "steps_per_second": len(groups) * steps / seconds}


def recipe_of(row: _report.Row) -> _recipes.Recipe:
    """The recipe of a row; the published one of an easy task has 5,000 iterations and no penalty."""
    n_in = 10 if row["inputs"] == 10 else 2
    if row["recipe"] == "ours":
        return _recipes.ours()
    if row["recipe"] == "plain":
        return _recipes.plain(row["unit"], "div", n_in)
    recipe = _recipes.published(row["unit"], "div", n_in)
    return recipe._replace(steps=5_000, penalty=_recipes.no_penalty) if row["set"] == "easy" else recipe


def data_of(row: _report.Row) -> tuple[_runs.Data, list[_runs.Group]]:
    """The data of all runs of a row, and which cell each belongs to."""
    seeds = range(row["first_seed"], row["first_seed"] + row["seeds"])
    return small_data(row, seeds) if row["set"] in SMALL else set_data(row, seeds)


def set_data(row: _report.Row, seeds: Sequence[int]) -> tuple[_runs.Data, list[_runs.Group]]:
    """Mixed signs, and other distributions: one pair of held-out sets for all runs."""
    distributions, n_in = task.SETS[row["set"]], row["inputs"]
    shape = (single_module.HELD_OUT, n_in)
    held_out = [
        np.asarray(draw(jax.random.key(seed), shape))
        for draw, seed in zip(distributions, (single_module.VALIDATION_SEED, single_module.TEST_SEED), strict=True)
    ]
    offsets = jnp.array([single_module.offset(seed, n_in) for seed in seeds])

    def target(x: Array, context: _runs.Context) -> Array:
        return single_module.target(x, "div", context["offset"])

    def batch(key: Array, context: _runs.Context) -> tuple[Array, Array]:
        x = distributions.train(key, (single_module.BATCH, n_in))
        return x, target(x, context)

    context = {"offset": offsets, "set": jnp.zeros(len(seeds), int)}
    validation, test = (_runs.in_blocks([x]) for x in held_out)
    return _runs.Data(context, batch, target, validation, test), [("div", row["set"])] * len(seeds)


def small_data(row: _report.Row, seeds: Sequence[int]) -> tuple[_runs.Data, list[_runs.Group]]:
    """A small-number task: test and training range are the same, five of them beside one another."""
    ranges = list(task.SMALL.values())
    validation, test = (
        _runs.in_blocks([single_module.held_out((bounds,), seed=seed, n_in=row["inputs"]) for bounds in ranges])
        for seed in (single_module.VALIDATION_SEED, single_module.TEST_SEED)
    )
    runs = [number for _ in seeds for number in range(len(ranges))]
    context = {"bounds": jnp.array([ranges[number] for number in runs]), "set": jnp.array(runs)}

    def target(x: Array, context: _runs.Context) -> Array:
        return task.small_target(x, row["set"])

    def batch(key: Array, context: _runs.Context) -> tuple[Array, Array]:
        return task.small_batch(key, context["bounds"], row["set"], rows=single_module.BATCH)

    groups = [(row["set"], list(task.SMALL)[number]) for number in runs]
    return _runs.Data(context, batch, target, validation, test), groups


def thresholds(
    group: _runs.Group, *, row: _report.Row, recipe: _recipes.Recipe, data: _runs.Data, groups: Sequence[_runs.Group]
) -> dict[str, float]:
    """1e-5; of a small-number task the error of the exact weights on its test set, and the machine epsilon."""
    if row["set"] not in SMALL:
        return LIMITS
    context = jax.tree.map(lambda leaf: leaf[groups.index(group)], data.context)
    weights = gold(row["unit"] or "ours", row["set"])
    exact = float(_runs.mean_errors(recipe.predict, weights, data.test, data, context).min())
    return {"gold": SLACK * exact + float(jnp.finfo(jnp.float32).eps)}


def gold(unit: str, small_task: str) -> Any:
    """The exact weights of a unit for a small-number task."""
    exponents = jnp.array({"easy": [-1.0], "medium": [-1.0, 0.0], "hard": [1.0, -1.0]}[small_task])[:, None]
    if unit == "ours":
        return {"add": {"w": 0 * exponents}, "mul": {"re": exponents}}
    if unit == "nru":
        return {"w": exponents}
    if unit == "nmru":
        return {"w": jnp.concatenate([jnp.maximum(exponents, 0), jnp.maximum(-exponents, 0)])}
    return {"re": exponents, "gate": jnp.abs(exponents[:, 0])}


def least_squares(row: _report.Row) -> list[_success.Cell]:
    """A fit in x and one in log |x| from 128 rows of each run; there the sign is that of the rounded powers."""
    data, groups = data_of(row)
    errors: dict[tuple[str, _runs.Group], list[float]] = {}
    for number, group in enumerate(groups):
        context = jax.tree.map(lambda leaf, number=number: leaf[number], data.context)
        key = jax.random.fold_in(jax.random.key(row["first_seed"]), number)
        x, y = (np.asarray(array, float) for array in data.batch(key, context))
        x_test = np.asarray(data.test[context["set"]]).reshape(-1, row["inputs"])
        y_test = np.asarray(data.target(jnp.asarray(x_test), context), float)
        for label, prediction in _success.least_squares(x, y, x_test.astype(float)).items():
            errors.setdefault((label, group), []).append(float(np.mean((prediction - y_test) ** 2)))
    name = "flat" if row["set"] in task.SETS else "gold"
    limit = LIMITS["flat"] if row["set"] in task.SETS else float(jnp.finfo(jnp.float32).eps)
    return [
        _success.make_cell(
            {"unit": f"{label} ({row['inputs']})", "operation": group[0], "range": group[1]},
            {"": np.array(values)},
            {name: limit},
        )
        for (label, group), values in sorted(errors.items(), key=lambda item: item[0][0] != "in x")
    ]


header_and_lines, table, summary = _success.header_and_lines, _success.table, _success.summary


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = _success.parser(__doc__, RECIPES, seeds=len(single_module.SEEDS))
    units = sorted({unit for names in UNITS.values() for unit in names})
    parser.add_argument("--units", nargs="+", choices=units, metavar="UNIT", help="only these (published, plain)")
    parser.add_argument("--sets", nargs="+", choices=NAMES, default=list(NAMES), metavar="SET", help="only these")
    parser.add_argument("--inputs", nargs="+", type=int, choices=(2, 10), default=[2])
    options = parser.parse_args(arguments)
    effort = _report.effort_of(options)
    steps = None
    if effort.name != "full":
        options.seeds = min(options.seeds, 5 if effort.name == "quick" else 1)
        options.sets = [name for name in options.sets if name in ("benford", "hard")] or options.sets[:1]
        options.units = options.units or ["nmru"]
        steps = {"quick": 2_000, "smoke": 3}[effort.name]
    results = _report.results(__file__, QUESTION, options)
    return _success.run(results, tasks(options), functools.partial(measure, steps=steps), table, options)


if __name__ == "__main__":
    sys.exit(main())
