"""Does one neural status register learn > >= < <= == != from digits, so that it holds for numbers of 15 digits?

NSR's comparison task (`nalu_jax.tasks.comparison`): all pairs of 1 to 9, or 18 balanced rows for == and !=, then two
numbers that differ by 5 at most, 10 to 10^18. A run is right where it is on the right side of 1/2 for every test row
from 10^1 to 10^14; beyond, neighbours are one float64 number.

`published` is the released recipe: one NSR of redundancy 1 in float64, mean absolute error, full batch, Adam 0.001,
50,000 steps, no regulariser; the last step counts. `scales` is the paper's study of > and == with training data times
0.001 to 100,000 and the register's scaling 0.001 to 1,000, looked at around 10^1 only. Least squares on (1, a, b),
clipped to [0, 1], stands beside them. No setting was chosen here, on any seed.

    python -m benchmarks.comparison --json benchmarks/results/comparison.json
    python -m benchmarks.comparison --recipe scales --seeds 1 --json benchmarks/results/comparison_scales.json
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

from nalu_jax import nsr, training
from nalu_jax.tasks import comparison as task

from . import _report, _success

QUESTION = _report.question(__doc__)
RECIPES = ("published", "least squares", "scales")
STUDIED = ("gt", "eq")
PUBLISHED = (
    "The paper prints mean absolute errors by magnitude, of the labels of its code (see `nalu_jax.tasks.comparison`); "
    "we have no copy of the numbers to put beside ours, and its study of scales is a figure. Its abstract of 2020 "
    "claims numbers up to 14 magnitudes larger than the training data."
)
CLOSE = 0.005  # a mean absolute error below it is 0.00 in two digits, as the paper prints them
SHOWN = (1, 7, task.EXACT, task.MAGNITUDES[-1])
Run = tuple[float, float, int]
"""(scale of the data, scaling of the register, seed)."""


def tasks(options: Any) -> list[_report.Row]:
    """One row for each recipe and comparison."""
    common = {"seeds": options.seeds, "first_seed": options.first_seed}
    return [
        {"recipe": recipe, "comparison": comparison} | common
        for recipe in options.recipe
        for comparison in options.comparisons
        if recipe != "scales" or comparison in STUDIED
    ]


def measure(row: _report.Row, *, effort: _report.Effort) -> _report.Row:
    """Train, or solve, all runs of a comparison; its cells, and how long it took."""
    start = time.perf_counter()
    scales = row["recipe"] == "scales"
    pairs = list(itertools.product(*_axes(effort))) if scales else [(1.0, 1.0)]
    magnitudes = task.MAGNITUDES[:1] if scales else task.MAGNITUDES
    runs = [(*pair, row["first_seed"] + i) for pair in pairs for i in range(row["seeds"])]
    steps = {"full": task.STEPS, "quick": 5_000, "smoke": 20}[effort.name]
    if row["recipe"] == "least squares":
        errors, shortened = least_squares(row["comparison"], runs), {}
    else:
        errors = train(row["comparison"], runs, magnitudes, steps=steps)
        shortened = _success.reduced(steps, task.STEPS)
    by_pair = errors.reshape(len(pairs), row["seeds"], *errors.shape[1:])
    cells = [make_cell(row, *pair, of_pair) for pair, of_pair in zip(pairs, by_pair, strict=True)]
    return {"cells": cells, "seconds": time.perf_counter() - start} | shortened


def _axes(effort: _report.Effort) -> tuple[Sequence[float], Sequence[float]]:
    if effort.name == "full":
        return task.SCALES, task.SCALINGS
    return (1.0, 100.0), (0.01, 1.0)


def make_cell(row: _report.Row, scale: float, scaling: float, errors: np.ndarray) -> _success.Cell:
    """The cell of runs with these absolute errors (seeds, magnitudes, rows), NaN where a run failed."""
    judged = np.max(errors[:, : task.EXACT], axis=(1, 2))
    unit = "in x" if row["recipe"] == "least squares" else "nsr"
    labels = {"unit": f"{unit}, scaling {scaling:g}" if row["recipe"] == "scales" else unit}
    labels |= {"operation": row["comparison"], "range": f"data times {scale:g}"}
    limits = {"right": 0.5, "within 0.005": CLOSE}
    failed = int(np.isnan(judged).sum())
    by_magnitude = errors.mean(2)
    measured = {"mae": by_magnitude.mean(0).tolist(), "deviation": by_magnitude.std(0).tolist()}
    return _success.make_cell(labels, {"": judged}, limits, failed=failed) | measured


def held_out(comparison: str, runs: Sequence[Run], magnitudes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """x (runs, magnitudes, rows, 2) and y (runs, magnitudes, rows, 1)."""
    sets = [
        [task.held_out(comparison, magnitude=magnitude, seed=seed, scale=scale) for magnitude in magnitudes]
        for scale, _, seed in runs
    ]
    x, y = (np.array([[rows[part] for rows in of_run] for of_run in sets]) for part in (0, 1))
    return x, y


def train(comparison: str, runs: Sequence[Run], magnitudes: Sequence[int], *, steps: int) -> np.ndarray:
    """Absolute errors (runs, magnitudes, rows) of the released recipe; NaN where a run failed."""
    sets = [task.training_set(comparison, seed=seed, scale=scale) for scale, _, seed in runs]
    x_test, y_test = held_out(comparison, runs, magnitudes)
    with jax.enable_x64(True):
        context = {
            "x": jnp.array([x for x, _ in sets]),
            "y": jnp.array([y for _, y in sets]),
            "scaling": jnp.array([scaling for _, scaling, _ in runs]),
        }

        def loss(params: Any, rows: tuple[Array, Array], *, context: dict[str, Array]) -> Array:
            return jnp.mean(jnp.abs(_scaled(params, rows[0], context["scaling"]) - rows[1]))

        fit = training.fit(
            loss,
            lambda key: nsr.init(key, (2, 1), jnp.float64),
            key=jnp.stack([jax.random.key(seed) for _, _, seed in runs]),
            steps=steps,
            optimiser=optax.adam(task.RATE),
            batch=lambda key, step, *, context: (context["x"], context["y"]),
            restarts=len(runs),
            context=context,
            keep="last",
            progress=f"nsr {comparison}" if sys.stderr.isatty() else False,
        )
        _report.check_whole(fit)
        predicted = np.asarray(jax.jit(jax.vmap(_scaled))(fit.all_params, jnp.asarray(x_test), context["scaling"]))
    errors = np.abs(predicted - y_test)[..., 0]
    errors[np.asarray(fit.failed)] = np.nan
    return errors


def _scaled(params: Any, x: Array, scaling: Array) -> Array:
    """An NSR with a scaling that differs between runs, so an array: the unit's own is a number. It multiplies x @ w."""
    return nsr.apply(params, scaling * x)


def least_squares(comparison: str, runs: Sequence[Run]) -> np.ndarray:
    """Absolute errors (runs, magnitudes, rows) of a linear fit of y in (1, a, b), clipped to [0, 1]."""
    x_test, y_test = held_out(comparison, runs, task.MAGNITUDES)
    errors = []
    for (scale, _, seed), x_far, y_far in zip(runs, x_test, y_test, strict=True):
        x, y = task.training_set(comparison, seed=seed, scale=scale)
        bias, *w = np.linalg.lstsq(np.hstack([np.ones((len(x), 1)), x]), y[:, 0], rcond=None)[0]
        errors.append(np.abs(np.clip(bias + x_far @ np.array(w), 0, 1) - y_far[..., 0]))
    return np.array(errors)


def header_and_lines(rows: Sequence[_report.Row]) -> tuple[list[str], list[list[str]]]:
    """One line for each recipe, unit and comparison: right runs, by scale of the data if there are several, errors."""
    header = ["recipe", "unit", "comparison", "right", "within 0.005", "right, by scale of the data"]
    header += [f"MAE at 10^{magnitude}" for magnitude in SHOWN]
    return header, [[*labels, *_line(group)] for labels, group in _success.totals(_success.cells_of(rows)).items()]


def _line(group: Sequence[_success.Cell]) -> list[str]:
    runs = sum(cell["runs"] for cell in group)
    counts = [_success.rate(sum(c["successes"][name] for c in group), runs) for name in ("right", "within 0.005")]
    if len(group) > 1:
        return [*counts, " ".join(str(cell["successes"]["right"]) for cell in group), *["-"] * len(SHOWN)]
    cell = group[0]
    errors = [f"{cell['mae'][m - 1]:.2f} +- {cell['deviation'][m - 1]:.2f}" for m in SHOWN if m <= len(cell["mae"])]
    return [*counts, "-", *errors, *["-"] * (len(SHOWN) - len(errors))]


def table(rows: Sequence[_report.Row]) -> str:
    """The lines of `header_and_lines` as text, and how long each recipe took."""
    if not _success.cells_of(rows):
        return "nothing measured"
    return "\n".join([_report.text_table(*header_and_lines(rows)), *_success.times(rows)])


summary = _success.summary


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = _success.parser(__doc__, RECIPES, seeds=len(task.SEEDS), default=RECIPES[:2])
    names = tuple(task.COMPARISONS)
    parser.add_argument("--comparisons", nargs="+", choices=names, default=list(names), help="only these")
    options = parser.parse_args(arguments)
    effort = _report.effort_of(options)
    if effort.name != "full":
        options.seeds = min(options.seeds, 4 if effort.name == "quick" else 1)
    results = _report.results(__file__, QUESTION, options)
    return _success.run(results, tasks(options), functools.partial(measure, effort=effort), table, options)


if __name__ == "__main__":
    sys.exit(main())
