"""From how many seeds is f(x, y) = (x + y, x y, x / y, sqrt x) read out exactly, as the four formulas and nothing else?

The network of the NPU paper's simple task (`nalu_jax.tasks.simple`), RealNPU(2, 6) -> NAU(6, 4) in float64, on 64 fixed
rows of U(0.1, 2): `training.fit` with 64 restarts, Adam and then Levenberg-Marquardt, of which 1,000 validation rows of
that range choose one; then `symbolic.prune`, by the BIC, and `symbolic.snap`. Nothing is told of the formulas.

A seed counts where the four expressions that are printed are the four above, symbol for symbol. The extrapolation error
is the mean absolute one of the network, not of its formula, over the task's grid, which reaches to -4.1 and 4.

    python -m benchmarks.read_out --json benchmarks/results/read_out.json
"""

import functools
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from nalu_jax import chain, nau, real_npu, symbolic, training
from nalu_jax.tasks import simple as task

from . import _report, _success

QUESTION = _report.question(__doc__)
RANGE = (0.1, 2.0)
ROWS, VALIDATION_ROWS = 64, 1_000
RESTARTS, ADAM_STEPS, LM_STEPS = 64, 500, 200
FIRST_SEED, SEEDS = 7_000, 20
TARGET = 1e-5
FORMULAS = ["x + y", "x*y", "x/y", "sqrt(x)"]
PUBLISHED = {"add": 0.08, "mul": 0.005, "div": 0.085, "sqrt": 0.004}  # the best unit of each, Table A2

MODEL = chain(real_npu.UNIT.bind(gate_init="ones"), nau.UNIT.bind(w_init="glorot_uniform"))


def residual(params: Any, rows: tuple[Array, Array]) -> Array:
    """(rows, 4) errors, each output in units of its spread in the training range."""
    x, y = rows
    return (MODEL.apply(params, x) - y) / jnp.broadcast_to(jnp.std(y, axis=0), y.shape)


def loss(params: Any, rows: tuple[Array, Array]) -> Array:
    """Their mean square."""
    return jnp.mean(residual(params, rows) ** 2)


def init(key: Array) -> Any:
    """Params of the network, float64."""
    return MODEL.init(key, task.SHAPE, jnp.float64)


def draw(key: Array, rows: int) -> tuple[Array, Array]:
    """Rows of the training range, float64."""
    x = jnp.asarray(task.batch(key, RANGE, rows=rows)[0], jnp.float64)
    return x, task.targets(x)


def read_out(seed: int, *, restarts: int, adam_steps: int, lm_steps: int) -> tuple[list[str], np.ndarray, float]:
    """The formulas that are printed, the errors (4,) over the grid, and the loss of the chosen restart."""
    data_key, validation_key, fit_key = jax.random.split(jax.random.key(seed), 3)
    data, validation = draw(data_key, ROWS), draw(validation_key, VALIDATION_ROWS)
    fit = training.fit(
        loss,
        init,
        key=fit_key,
        steps=adam_steps,
        optimiser=_adam(adam_steps),
        data=data,
        validation=validation,
        restarts=restarts,
        finish=[training.levenberg_marquardt(residual, steps=lm_steps, rtol=1e-10, atol=1e-10)],
        progress=False,
    )
    _report.check_whole(fit)
    pruned = symbolic.prune(residual, fit.params, data).best
    params = symbolic.snap(residual, pruned.params, data, free=pruned.free).best.params
    expressions = symbolic.to_sympy(MODEL, params, ("x", "y"), domain="positive", eps=False)
    errors = task.grid_errors(MODEL.apply, jax.tree.map(jnp.asarray, params), jnp.float64)
    return [symbolic.text(each, digits=6) for each in expressions], np.asarray(errors), float(np.min(fit.validation))


@functools.cache
def _adam(steps: int) -> optax.GradientTransformation:
    return optax.adam(optax.cosine_decay_schedule(0.03, steps))


def tasks(options: Any) -> list[_report.Row]:
    """One row for each seed."""
    return [{"seed": seed} for seed in range(options.first_seed, options.first_seed + options.seeds)]


def measure(row: _report.Row, *, effort: _report.Effort) -> _report.Row:
    """Formulas and errors of one seed."""
    start = time.perf_counter()
    small = effort.name == "smoke"
    sizes = {"restarts": 2, "adam_steps": 5, "lm_steps": 5} if small else _SIZES
    with jax.enable_x64(True):
        formulas, errors, validation = read_out(row["seed"], **sizes)
    return {
        "formulas": formulas,
        "exact": formulas == FORMULAS,
        "errors": dict(zip(task.OUTPUTS, errors.tolist(), strict=True)),
        "validation": validation,
        "seconds": time.perf_counter() - start,
    }


_SIZES = {"restarts": RESTARTS, "adam_steps": ADAM_STEPS, "lm_steps": LM_STEPS}


def header_and_lines(rows: Sequence[_report.Row]) -> tuple[list[str], list[list[str]]]:
    """A line for every output: how often its formula is exact, and the errors."""
    header = ["output", "formula", "exact", "MAE, median", "MAE, largest", "runs below 1e-5", "published best"]
    done = [row for row in rows if "formulas" in row]
    lines = []
    for index, (output, formula) in enumerate(zip(task.OUTPUTS, FORMULAS, strict=True)):
        if not done:
            break
        errors = np.array([row["errors"][output] for row in done])
        exact = sum(row["formulas"][index] == formula for row in done)
        below = int(np.sum(errors < TARGET))
        counts = _success.rate(exact, len(done)), _success.rate(below, len(done))
        middle = [f"{np.median(errors):.2g}", f"{np.max(errors):.2g}"]
        lines.append([output, formula, counts[0], *middle, counts[1], str(PUBLISHED[output])])
    return header, lines


def table(rows: Sequence[_report.Row]) -> str:
    """The lines of `header_and_lines`, the runs that failed with what they found, and the rate of all four."""
    failed = [f"seed {row['seed']}: {'; '.join(row['formulas'])}" for row in rows if not row.get("exact", True)]
    return "\n".join([_report.text_table(*header_and_lines(rows)), *failed, summary({"rows": rows})])


def summary(data: Mapping[str, Any]) -> str:
    """One line: the rate of all four formulas, and the largest error among those runs."""
    done = [row for row in data["rows"] if "formulas" in row]
    if not done:
        return "nothing measured"
    exact = [row for row in done if row["exact"]]
    largest = max((max(row["errors"].values()) for row in exact), default=float("nan"))
    rate = _success.rate(len(exact), len(done))
    return f"all four formulas exact in {rate}, largest extrapolation error {largest:.1g} there"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = _report.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="runs")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    options = parser.parse_args(arguments)
    effort = _report.effort_of(options)
    if effort.name != "full":
        options.seeds = min(options.seeds, 2 if effort.name == "quick" else 1)
    results = _report.results(__file__, QUESTION, options)
    return _report.run(results, tasks(options), functools.partial(measure, effort=effort), table, effort)


if __name__ == "__main__":
    sys.exit(main())
