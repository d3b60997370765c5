"""Does a unit learn + - * / from the distributions of the iNALU paper, so that it holds on another range?

Two inputs from seven distributions, or (`--inputs 100`) two sums over disjoint parts of 100 inputs from two
(`nalu_jax.tasks.inalu`); solved where the error on the extrapolation range is below 1e-5.

`ours` is, for two inputs, the recipe of `single_module.py`, unchanged: one model for all four operations, the
validation error chooses between adding and multiplying; for 100 inputs that of `_two_layer.py`, as unchanged.
`published` is the iNALU with separate weights and an independent gate (two layers of it for 100 inputs): RMSProp 0.01,
gradients clipped to 0.1, batches of 64, 100,000 steps, eight updates of the weights and two of the gate in turn,
regulariser from epoch 10 where the error is below 1, all params drawn anew from U(-2, 2) where the loss stays above 1;
the last step counts. Its deviations: rows are fresh, not 64,000 fixed ones; the regulariser is added to the loss, and
asks the last validation error, not the batch's; whether to begin anew is asked after every epoch, not every tenth.
Least squares stands beside them.

    python -m benchmarks.inalu_tasks --json benchmarks/results/inalu_tasks.json
    python -m benchmarks.inalu_tasks --inputs 100 --json benchmarks/results/inalu_tasks_in100.json
"""

import collections
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
from nalu_jax.tasks import inalu as task
from nalu_jax.tasks.single_module import operate

from . import _recipes, _report, _runs, _success, _two_layer

QUESTION = _report.question(__doc__)
RECIPES = ("ours", "published", "least squares")
SETS = {2: task.SETS, task.N_IN: task.LARGE_SETS}
PUBLISHED = "Published share of solved runs (experiments 1 and 2, and 4 with 100 inputs): {}.".format(
    "; ".join(
        f"{unit} " + ", ".join(f"{op} {'/'.join(f'{share:g}' for share in shares)}" for op, shares in of_unit.items())
        for unit, of_unit in task.PUBLISHED.items()
    )
)
BATCHES_AN_EPOCH = task.ROWS // task.BATCH
HELD_OUT = 10_000
HIDDEN = 2
Run = tuple[str, int]
"""(operation, number of the run)."""


def tasks(options: Any) -> list[_report.Row]:
    """One row for each recipe and distribution; operations and seeds train together."""
    common = {"operations": options.ops, "seeds": options.seeds, "first_seed": options.first_seed}
    return [
        {"recipe": recipe, "inputs": n_in, "distribution": name} | common
        for recipe in options.recipe
        for n_in in options.inputs
        for name in SETS[n_in]
        if options.sets is None or name in options.sets
    ]


def measure(row: _report.Row, *, effort: _report.Effort) -> _report.Row:
    """All runs of one distribution."""
    start = time.perf_counter()
    runs = [(op, number) for op in row["operations"] for number in range(row["seeds"])]
    if row["recipe"] == "least squares":
        cells = cells_of(row, runs, {"": np.array([least_squares(row, *run) for run in runs])})
    elif row["recipe"] == "ours" and row["inputs"] != 2:
        cells = solve(row, runs, {"starts": 1, "steps": 8} if effort.name == "smoke" else {})
    else:
        cells = train(row, runs, effort)
    return {"cells": cells, "seconds": time.perf_counter() - start}


def cells_of(
    row: _report.Row, runs: Sequence[Run], errors: dict[str, np.ndarray], paths: Sequence[str] = ()
) -> list[_success.Cell]:
    """The cells of runs that are known by their errors, and by the path that they chose."""
    found = []
    for op in row["operations"]:
        here = np.array([op == other for other, _ in runs])
        labels: dict[str, Any] = {"unit": "two layers" if paths else "-", "operation": op, "range": row["distribution"]}
        if paths:
            labels["paths"] = dict(
                collections.Counter(path for path, chosen in zip(paths, here, strict=True) if chosen)
            )
        chosen = {name: values[here] for name, values in errors.items()}
        found.append(_success.make_cell(labels, chosen, {"flat": task.THRESHOLD}))
    return found


def members(row: _report.Row, number: int) -> np.ndarray:
    """Which inputs a run sums into a and into b, (n_in, 2): drawn for 100 inputs, one each for two."""
    if row["inputs"] == 2:
        return np.eye(2, dtype=np.float32)
    return np.asarray(task.members(jax.random.key(row["first_seed"] + number), row["inputs"]))


def data_of(row: _report.Row, runs: Sequence[Run], rows: int) -> _runs.Data:
    """Fresh rows in every step, and one set of validation and of test inputs for all runs."""
    distributions, shape = SETS[row["inputs"]][row["distribution"]], (HELD_OUT, row["inputs"])
    keys = jax.random.split(jax.random.key(row["first_seed"]))
    validation, test = (np.asarray(draw(key, shape)) for draw, key in zip(distributions, keys, strict=True))
    context = {
        "operation": jnp.array([task.OPERATIONS.index(op) for op, _ in runs]),
        "members": jnp.array([members(row, number) for _, number in runs]),
        "set": jnp.zeros(len(runs), int),
    }

    def target(x: Array, context: _runs.Context) -> Array:
        sums = jnp.matmul(x, context["members"], precision=jax.lax.Precision.HIGHEST)
        return operate(context["operation"], sums[:, :1], sums[:, 1:])

    def batch(key: Array, context: _runs.Context) -> tuple[Array, Array]:
        x = distributions.train(key, (rows, row["inputs"]))
        return x, target(x, context)

    return _runs.Data(context, batch, target, _runs.in_blocks([validation]), _runs.in_blocks([test]))


def train(row: _report.Row, runs: Sequence[Run], effort: _report.Effort) -> list[_success.Cell]:
    """All runs at once, by the recipe of one layer or by the paper's."""
    is_published = row["recipe"] == "published"
    recipe = published(row["inputs"]) if is_published else _recipes.ours()
    steps = min(recipe.steps, {"full": recipe.steps, "quick": 2_000, "smoke": 3}[effort.name])
    data = data_of(row, runs, task.BATCH if is_published else 2 * task.BATCH)
    fit = _runs.train(recipe, data, steps=steps, seed=row["first_seed"], progress=sys.stderr.isatty())
    experiments = slice(0, 2) if row["inputs"] == 2 else slice(2, 3)
    share = lambda group: "/".join(map(str, task.PUBLISHED["inalu"][group[0]][experiments])) if is_published else None
    groups = [(op, row["distribution"]) for op, _ in runs]
    limits = lambda group: {"flat": task.THRESHOLD}
    return _runs.cells(recipe, fit, groups, limits, unit=recipe.unit, published=share, last=is_published)


def published(n_in: int) -> _recipes.Recipe:
    """The iNALU's own recipe; two layers of it where there are 100 inputs."""
    layer = nalu_jax.inalu.UNIT.bind(gate_form="independent")
    unit: Any = layer if n_in == 2 else nalu_jax.chain(layer, layer)
    shape = (n_in, 1) if n_in == 2 else (n_in, HIDDEN, 1)

    def penalty(params: Any, step: Array, validation: Array) -> Array:
        active = (step >= 10 * BATCHES_AN_EPOCH) & (validation < 1)
        return jnp.where(active, 0.05 * unit.penalty(params), 0.0)

    def anew(key: Array) -> Any:
        draw = lambda key, shape, dtype: jax.random.uniform(key, shape, dtype, -2.0, 2.0)
        options = dict.fromkeys(("w_hat_init", "m_hat_init", "gate_init"), draw)
        again = layer.bind(**options)
        return (again if n_in == 2 else nalu_jax.chain(again, again)).init(key, shape)

    def matrices(params: Any) -> list[list[Array]]:
        layers = [params] if n_in == 2 else params
        return [[weights[name] for weights in map(layer.weights, layers) for name in ("w_add", "w_mul")]]

    return _recipes.Recipe(
        name="published",
        unit="inalu",
        init=lambda key, n_in: unit.init(key, shape),
        loss=lambda params, batch, key: _recipes.mean_square(unit.apply(params, batch[0]) - batch[1]),
        predict=lambda params, x: unit.apply(params, x)[None],
        matrices=matrices,
        optimiser=optax.chain(
            optax.clip(0.1), optax.partition({"gate": _in_turn(True), "hat": _in_turn(False)}, _kinds)
        ),
        steps=task.EPOCHS * BATCHES_AN_EPOCH,
        penalty=penalty,
        reinitialise=training.reinitialise(window=10 * BATCHES_AN_EPOCH, init=anew),
    )


def _in_turn(of_gate: bool) -> optax.GradientTransformation:
    """TensorFlow's RMSProp for the last two of every ten updates, or for the first eight; at rest in between."""
    rmsprop = optax.rmsprop(0.01, decay=0.9, eps=1e-10, initial_scale=1.0)

    def turn(step: Any, **_: Any) -> Any:  # optax may offer more
        return (step % 10 >= 8) == of_gate

    return optax.conditionally_mask(rmsprop, turn)


def _kinds(params: Any) -> Any:
    return jax.tree_util.tree_map_with_path(lambda path, leaf: "gate" if path[-1].key == "gate" else "hat", params)


def rows_of(row: _report.Row, run: Run, counts: Sequence[int]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows of one run for training, validation and test: float32 inputs, as float64, and their exact targets."""
    distributions = SETS[row["inputs"]][row["distribution"]]
    operation, number = run
    keys = jax.random.split(jax.random.fold_in(jax.random.key(row["first_seed"]), number), 3)
    draws = (distributions.train, distributions.train, distributions.test)
    inputs = [draw(key, (count, row["inputs"])) for draw, key, count in zip(draws, keys, counts, strict=True)]
    functions = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide}
    found = []
    for x in (np.asarray(array, float) for array in inputs):
        a, b = (x @ members(row, number)).T[:, :, None]
        found.append((x, functions[operation](a, b)))
    return found


def solve(row: _report.Row, runs: Sequence[Run], options: dict[str, int]) -> list[_success.Cell]:
    """Our recipe for two sums over 100 inputs, every run by itself."""
    errors: dict[str, list[float]] = {"": [], "float32": []}
    paths = []
    for run in runs:
        rows, held_out, (x, y) = rows_of(row, run, (1_000, 1_000, HELD_OUT))
        key = jax.random.fold_in(jax.random.key(row["first_seed"]), len(errors[""]))
        solution = _two_layer.solve(key, rows, held_out, **options)
        errors[""].append(_two_layer.error_on(solution, x, y))
        errors["float32"].append(_two_layer.error_on(solution, x, y, jnp.float32))
        paths.append(solution.path)
    return cells_of(row, runs, {name: np.array(values) for name, values in errors.items()}, paths)


def least_squares(row: _report.Row, operation: str, number: int) -> float:
    """The better, by validation, of a fit in x and one in log |x|; its test error."""
    train, validation, test = rows_of(row, (operation, number), (64 * row["inputs"], HELD_OUT, HELD_OUT))
    on_validation, on_test = (_success.least_squares(*train, x) for x in (validation[0], test[0]))
    best = min(on_validation, key=lambda name: np.mean((on_validation[name] - validation[1]) ** 2))
    return float(np.mean((on_test[best] - test[1]) ** 2))


header_and_lines, table, summary = _success.header_and_lines, _success.table, _success.summary


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = _success.parser(__doc__, RECIPES, seeds=len(task.SEEDS))
    parser.add_argument("--ops", nargs="+", choices=task.OPERATIONS, default=list(task.OPERATIONS), help="only these")
    names = list(dict.fromkeys(name for sets in SETS.values() for name in sets))
    parser.add_argument("--sets", nargs="+", choices=names, metavar="SET", help="only these distributions")
    parser.add_argument("--inputs", nargs="+", type=int, choices=tuple(SETS), default=[2])
    options = parser.parse_args(arguments)
    effort = _report.effort_of(options)
    if effort.name != "full":
        options.seeds = min(options.seeds, 3 if effort.name == "quick" else 1)
        options.sets = options.sets or list(task.SETS)[:2]
    results = _report.results(__file__, QUESTION, options)
    return _success.run(results, tasks(options), functools.partial(measure, effort=effort), table, options)


if __name__ == "__main__":
    sys.exit(main())
