"""Does a two-layer network learn x + y, x y, x / y and sqrt x at once, so exactly that it holds on a grid far outside?

The NPU paper's simple arithmetic task (`nalu_jax.tasks.simple`): 20 runs, inputs in [0.1, 2.1], mean absolute error of
every output over a grid that reaches to -4.1 and 4.

`published` is the paper's script: Chain(unit(2, 6), NAU(6, 4)), 20,000 steps on 100 fresh rows, learning rate 0.005,
no regulariser, gates with a hard clip. `ours` is the same network of a RealNPU, in float64: Levenberg-Marquardt from
64 random starts on 64 fixed rows of the training range, the start chosen by 1,000 validation rows of that range.
Least squares (of y in x, and of log y in log x, the better one for every output) stands beside them.

On positive inputs an NPU whose imaginary part starts at 0 keeps it there, since its derivative is 0: NPU and RealNPU
are then the same network, and get the same results from the same seeds.

    python -m benchmarks.simple_task --json benchmarks/results/simple_task.json
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
from nalu_jax import _solvers, training
from nalu_jax.tasks import simple as task

from . import _recipes, _report, _success

QUESTION = _report.question(__doc__)
RECIPES = ("ours", "published", "least squares")
UNITS = ("npu", "real_npu", "nmu", "nalu", "inalu")
PUBLISHED = f"Published mean absolute error, of the best unit: {_success.best_published(task.PUBLISHED)}."
STARTS, ROWS, VALIDATION_ROWS, LM_STEPS = 64, 64, 1_000, 200
TARGET = 1e-5
TOLERANCE = 1e-12  # of a step, where a fit ends


def tasks(options: Any) -> list[_report.Row]:
    """One row for each recipe and unit."""
    common = {"seeds": options.seeds, "first_seed": options.first_seed}
    rows = []
    for recipe in options.recipe:
        units = options.units if recipe == "published" else ["real_npu"] if recipe == "ours" else ["-"]
        rows += [{"recipe": recipe, "unit": unit} | common for unit in units]
    return rows


def measure(row: _report.Row, *, effort: _report.Effort) -> _report.Row:
    """Mean absolute errors (seeds, outputs) over the grids, as cells, and how long they took."""
    start = time.perf_counter()
    small = {"full": 1.0, "quick": 0.25, "smoke": 0.001}[effort.name]
    if row["recipe"] == "ours":
        errors = solve(row, starts=max(2, int(STARTS * small)), steps=max(2, int(LM_STEPS * small)))
    elif row["recipe"] == "published":
        errors = train(row, steps=max(2, int(task.STEPS * small)))
    else:
        errors = np.array([least_squares(seed) for seed in _seeds(row)])
    cells = [_cell(row, output, errors[:, i]) for i, output in enumerate(task.OUTPUTS)]
    return {"cells": cells, "seconds": time.perf_counter() - start}


def _cell(row: _report.Row, output: str, errors: np.ndarray) -> _success.Cell:
    labels: dict[str, Any] = {"unit": row["unit"], "operation": output, "range": "U[0.1,2.1]"}
    published = task.PUBLISHED.get(row["unit"], {}).get(output)
    labels |= {"published": published} if published and row["recipe"] == "published" else {}
    cell = _success.make_cell(labels, {"": errors}, {"MAE < 1e-5": TARGET})
    deviation = float(np.std(errors, ddof=1)) if len(errors) > 1 else 0.0
    summary = {"mean": float(errors.mean()), "standard_error": deviation / np.sqrt(len(errors))}
    return cell | {name: float(value) for name, value in summary.items()}


def _seeds(row: _report.Row) -> range:
    return range(row["first_seed"], row["first_seed"] + row["seeds"])


def model(unit: str, **options: Any) -> Any:
    """The network of the paper: unit(2, 6) and a NAU (6, 4); a NALU or iNALU has two layers of its own kind."""
    first = nalu_jax.UNITS[unit].bind(**options)
    second = first if unit in ("nalu", "inalu") else nalu_jax.nau.UNIT.bind(w_init="glorot_uniform")
    return nalu_jax.chain(first, second)


def solve(row: _report.Row, *, starts: int, steps: int) -> np.ndarray:
    """Our recipe: errors (seeds, 4)."""
    with jax.enable_x64(True):
        network = model(row["unit"], gate_init="ones")

        def draw(key: Array, rows: int) -> tuple[Array, Array]:
            x = jnp.asarray(task.batch(key, rows=rows)[0], jnp.float64)
            return x, task.targets(x)

        def one(key: Array) -> Array:
            data_key, validation_key, init_key = jax.random.split(key, 3)
            x, y = draw(data_key, ROWS)
            x_validation, y_validation = draw(validation_key, VALIDATION_ROWS)
            scale = jnp.std(y, axis=0)

            def residual(params: Any) -> Array:
                return (network.apply(params, x) - y) / scale[None]

            def finish(key: Array) -> tuple[Any, Array]:
                params = network.init(key, task.SHAPE, jnp.float64)
                params = _solvers.levenberg_marquardt(residual, params, steps=steps, rtol=TOLERANCE, atol=TOLERANCE)
                error = (network.apply(params, x_validation) - y_validation) / scale[None]
                return params, jnp.mean(error**2)

            best = best_of(*jax.lax.map(finish, jax.random.split(init_key, starts), batch_size=8))
            return task.grid_errors(network.apply, best, jnp.float64)

        solve_all = jax.jit(lambda keys: jax.lax.map(one, keys))
        keys = jnp.stack([jax.random.key(seed) for seed in _seeds(row)])
        return np.asarray(solve_all(keys))


def best_of(params: Any, errors: Array) -> Any:
    """The entry of params (starts, ...) with the lowest of errors (starts,); NaN counts as infinite."""
    best = jnp.argmin(jnp.where(jnp.isnan(errors), jnp.inf, errors))
    return jax.tree.map(lambda leaf: leaf[best], params)


def train(row: _report.Row, *, steps: int) -> np.ndarray:
    """The paper's recipe: errors (seeds, 4) of the last step."""
    unit = row["unit"]
    options = {"w_init": "uniform(0,1)"} if unit == "nmu" else {}
    if unit == "inalu":
        options = dict.fromkeys(("w_hat_init", "m_hat_init", "gate_init"), "glorot_uniform")
    network = model(unit, **options)
    rmsprop = functools.partial(optax.rmsprop, decay=0.9, eps=1e-8, eps_in_sqrt=False)
    optimiser = {"nalu": rmsprop(0.005), "inalu": rmsprop(0.001)}.get(unit, optax.adam(0.005))

    def loss(params: Any, batch: tuple[Array, Array]) -> Array:
        first, second = params
        return jnp.mean((network.apply((_recipes.hard_clip(first, unit), second), batch[0]) - batch[1]) ** 2)

    fit = training.fit(
        loss,
        lambda key: network.init(key, task.SHAPE),
        key=jnp.stack([jax.random.key(seed) for seed in _seeds(row)]),
        steps=steps,
        optimiser=optimiser,
        batch=lambda key, step: task.batch(key),
        restarts=row["seeds"],
        keep="last",
        progress=f"published {unit}" if sys.stderr.isatty() else False,
    )
    _report.check_whole(fit)
    errors = jax.jit(jax.vmap(lambda params: task.grid_errors(network.apply, params)))(fit.all_params)
    return np.asarray(errors)


def least_squares(seed: int) -> np.ndarray:
    """The better of a linear and a log-linear fit of every output on 128 rows: errors (4,)."""
    x, y = (np.asarray(array, float) for array in task.batch(jax.random.key(seed), rows=128))
    linear = np.linalg.lstsq(x, y, rcond=None)[0]
    powers = np.linalg.lstsq(np.log(x), np.log(y), rcond=None)[0]
    errors = []
    for i, output in enumerate(task.OUTPUTS):
        grid = task.grid(output).astype(float)
        truth = np.asarray(task.targets(jnp.asarray(grid, jnp.float32)), float)[:, i]
        sign = np.cos(np.pi * ((grid < 0) @ np.round(powers[:, i])))
        product = np.exp(np.log(np.abs(grid)) @ powers[:, i]) * sign
        residuals = [np.mean((x @ linear - y)[:, i] ** 2), np.mean((np.exp(np.log(x) @ powers) - y)[:, i] ** 2)]
        errors.append(np.mean(np.abs([grid @ linear[:, i], product][int(np.argmin(residuals))] - truth)))
    return np.array(errors)


def header_and_lines(rows: Sequence[_report.Row]) -> tuple[list[str], list[list[str]]]:
    """Mean and standard error of every recipe, unit and output, with the number of runs below the target."""
    header = ["recipe", "unit", "output", "MAE, mean +- s.e.", "median", "runs below 1e-5", "published mean"]
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
        f"{cell['mean']:.2g} +- {cell['standard_error']:.1g}",
        "-" if cell["median_error"] is None else f"{cell['median_error']:.2g}",
        _success.rate(successes, cell["runs"]),
        str(cell.get("published", "-")),
    ]


summary = _success.summary


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = _success.parser(__doc__, RECIPES, seeds=task.RUNS)
    parser.add_argument("--units", nargs="+", choices=UNITS, default=list(UNITS), metavar="UNIT", help="published ones")
    options = parser.parse_args(arguments)
    effort = _report.effort_of(options)
    if effort.name != "full":
        options.seeds, options.units = min(options.seeds, 4 if effort.name == "quick" else 2), options.units[:2]
    results = _report.results(__file__, QUESTION, options)
    return _success.run(results, tasks(options), functools.partial(measure, effort=effort), table, options)


if __name__ == "__main__":
    sys.exit(main())
