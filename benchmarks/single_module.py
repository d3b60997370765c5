"""Does one unit learn + - * / of two inputs, on nine ranges, so that it holds far outside them?

The single-module arithmetic task (`nalu_jax.tasks.single_module`): 25 seeds on each of nine ranges, test error on
another range below 1e-5 ("flat") or below that of weights that are off by 1e-5 or 1e-4 ("simulated"). Three recipes,
never mixed (`_recipes.py`): `published` follows the papers; `plain` keeps the papers' loss but gets 5,000 iterations
and any schedule; `ours` is one model and one recipe for all four operations. All runs of a row train at once, each with
random numbers of its own. Plain least squares on 128 rows, in x and in log |x|, stands beside them: what it solves,
training does not have to.

    python -m benchmarks.single_module --json benchmarks/results/single_module.json
    python -m benchmarks.single_module --recipe ours --inputs 2 10 100 --plot single_module.png

Deviations from the protocol: see `nalu_jax.tasks.single_module`. Training stops at a step where the parameters would
become NaN or infinite, and counts as failed there.
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

from nalu_jax.tasks import single_module as task

from . import _recipes, _report, _runs, _success

QUESTION = _report.question(__doc__)
RECIPES = ("ours", "plain", "published", "least squares")
UNITS = tuple(dict.fromkeys([*_recipes.PLAIN, *_recipes.PUBLISHED]))
PUBLISHED_DEFAULT = ("nau", "nmu", "snmu", "real_npu", "real_npu modified", "nru", "nmru")
RANGES = {r.name: r for r in task.RANGES}
PUBLISHED_SHARE = {
    ("nau", "add", 2): "1.00",
    ("nmu", "mul", 2): "0.942",
    ("mc_fc", "add", 2): "1.00",
    ("mul_mcfc", "mul", 2): "1.00",
    ("mul_mcfc none", "mul", 2): "0.444",
    ("mul_mcfc real_npu", "mul", 2): "1.00",
    ("nmru", "div", 10): "0.916",
}
PUBLISHED = (
    "Share of solved runs, as far as it is published in numbers: with 2 inputs NAU add 1.00, NMU mul 0.942, MC-FC add "
    "1.00 (at step 21,000), MulMCFC mul 1.00 with the sign of the iNALU or of the RealNPU and 0.444 without (none of "
    "the five ranges with negative inputs, all of the others; at 21,000 to 23,000); with 10 inputs div NMRU 0.916, "
    "RealNPU modified 0.853, RealNPU about 0.70."
)
Run = tuple[str, int, str]
"""(operation, seed, range)."""


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


def data_of(runs: Sequence[Run], n_in: int) -> _runs.Data:
    """The protocol's data of these runs."""
    validation = [task.held_out((r.train,), seed=task.VALIDATION_SEED, n_in=n_in) for r in task.RANGES]
    test = [task.held_out(r.test, seed=task.TEST_SEED, n_in=n_in) for r in task.RANGES]
    context = {
        "operation": jnp.array([task.OPERATIONS.index(op) for op, _, _ in runs]),
        "bounds": jnp.array([RANGES[name].train for _, _, name in runs]),
        "offset": jnp.array([task.offset(seed, n_in) for _, seed, _ in runs]),
        "set": jnp.array([list(RANGES).index(name) for _, _, name in runs]),
    }

    def batch(key: Array, context: _runs.Context) -> tuple[Array, Array]:
        return task.batch(key, context["bounds"], context["operation"], offset=context["offset"], n_in=n_in)

    def target(x: Array, context: _runs.Context) -> Array:
        return task.target(x, context["operation"], context["offset"])

    return _runs.Data(context, batch, target, _runs.in_blocks(validation), _runs.in_blocks(test))


def train(
    recipe: _recipes.Recipe, runs: Sequence[Run], n_in: int, *, steps: int, seed: int, progress: bool
) -> list[_success.Cell]:
    """All runs in one compiled loop; the cells of their success table."""
    fit = _runs.train(recipe, data_of(runs, n_in), steps=steps, seed=seed, progress=progress)
    groups = [(op, name) for op, _, name in runs]
    limits = lambda group: thresholds(group[0], group[1], n_in)
    share = lambda group: PUBLISHED_SHARE.get((recipe.unit, group[0], n_in)) if recipe.name == "published" else None
    return _runs.cells(recipe, fit, groups, limits, unit=f"{recipe.unit} ({n_in})", published=share)


def thresholds(operation: str, name: str, n_in: int) -> dict[str, float]:
    """The three thresholds of a test range."""
    simulated = functools.partial(task.threshold, operation, RANGES[name].test, n_in=n_in)
    return {"flat": task.FLAT_THRESHOLD, "simulated 1e-5": simulated(eps=1e-5), "simulated 1e-4": simulated(eps=1e-4)}


def least_squares(runs: Sequence[Run], n_in: int) -> list[_success.Cell]:
    """One least-squares solution from 128 rows, in x and in log |x|; there the sign is that of the rounded powers."""
    errors: dict[tuple[str, str, str], list[float]] = {}
    for operation, seed, name in runs:
        key = jax.random.fold_in(jax.random.key(seed), len(errors))
        offset = task.offset(seed, n_in)
        draw = task.batch(key, RANGES[name].train, operation, offset=offset, n_in=n_in)
        x, y = (np.asarray(array, float) for array in draw)
        x_test = task.held_out(RANGES[name].test, seed=task.TEST_SEED, n_in=n_in).astype(float)
        y_test = np.asarray(task.target(jnp.asarray(x_test, jnp.float32), operation, offset), float)
        for label, prediction in _success.least_squares(x, y, x_test).items():
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
    parser = _success.parser(__doc__, RECIPES, seeds=len(task.SEEDS))
    parser.add_argument("--units", nargs="+", choices=UNITS, metavar="UNIT", help="only these (published, plain)")
    parser.add_argument("--ops", nargs="+", choices=task.OPERATIONS, default=list(task.OPERATIONS), help="only these")
    parser.add_argument("--ranges", nargs="+", choices=list(RANGES), default=list(RANGES), metavar="RANGE")
    parser.add_argument("--inputs", nargs="+", type=int, choices=(2, 10, 100), default=[2])
    options = parser.parse_args(arguments)
    effort = _report.effort_of(options)
    steps = None
    if effort.name != "full":
        options.seeds = min(options.seeds, 5 if effort.name == "quick" else 1)
        steps = {"quick": 3_000, "smoke": 20}[effort.name]
        options.units = options.units or ["nau", "real_npu"]
    results = _report.results(__file__, QUESTION, options)
    step = functools.partial(measure, steps=steps, progress=sys.stderr.isatty())
    return _success.run(results, tasks(options), step, table, options)


if __name__ == "__main__":
    sys.exit(main())
