"""How many training steps a second, over all restarts, does `training.fit` do on the single-module task?

One NAU (addition) or NMU (multiplication) with 2 inputs and 128 fresh rows a step, Adam, sparsity penalty and clamp, as
the papers train it; 225 restarts in as many lanes, 25 seeds on nine ranges. "own numbers": each restart draws its own;
"shared": the nine ranges of a seed share theirs (`fit(..., shared=9)`). Beside it a plain PyTorch loop of the same, one
run at a time, where PyTorch is installed. A round times each once; median over the rounds.

    taskset -c 0 python -m benchmarks.loop_throughput --json benchmarks/results/loop_throughput.json

`taskset -c 0` keeps all of them on one core.
"""

import functools
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from nalu_jax import training
from nalu_jax.tasks import single_module as task

from . import _recipes, _report, _timing

QUESTION = _report.question(__doc__)
OPERATION = {"nau": "add", "nmu": "mul"}
SEEDS = 25
STEPS = {"full": 20_000, "quick": 500, "smoke": 3}
TORCH_STEPS = {"full": 3_000, "quick": 100, "smoke": 3}
ROUNDS = {"full": 5, "quick": 3, "smoke": 1}


def measure(row: _report.Row, *, effort: str) -> _report.Row:
    """Steps a second of every candidate, summed over restarts."""
    steps = STEPS[effort]
    loops: dict[str, tuple[Callable[[], Any], int]] = {
        "own numbers": (fit_loop(row["unit"], steps, shared=1), steps * SEEDS * len(task.RANGES)),
        "shared": (fit_loop(row["unit"], steps, shared=len(task.RANGES)), steps * SEEDS * len(task.RANGES)),
    }
    torch_loop = plain_torch_loop(row["unit"], TORCH_STEPS[effort])
    if torch_loop is not None:
        loops["torch"] = (torch_loop, TORCH_STEPS[effort])
    compile_seconds = {name: _seconds(loop) for name, (loop, _) in loops.items()}  # and warm up
    rates: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(ROUNDS[effort]):
        for name, (loop, count) in loops.items():
            rates[name].append(count / _seconds(loop))
    result: dict[str, Any] = {name: {"steps_per_second": _timing.summarise(values)} for name, values in rates.items()}
    if "torch" in rates:
        for name in ("own numbers", "shared"):
            ratio = result[name]["steps_per_second"]["median"] / result["torch"]["steps_per_second"]["median"]
            result[name]["speedup"] = ratio
    return {"candidates": result, "first_call_seconds": compile_seconds}


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def fit_loop(unit: str, steps: int, *, shared: int) -> Callable[[], Any]:
    """A call that trains all restarts; the second one finds the compiled program."""
    recipe = _recipes.published(unit, OPERATION[unit], 2)
    bounds = jnp.array([r.train for _ in range(SEEDS) for r in task.RANGES])

    def loss(params: Any, batch: Any) -> Array:
        return recipe.loss(params, batch, jax.random.key(0))

    def batch(key: Array, step: Array, *, context: Array) -> tuple[Array, Array]:
        return task.batch(key, context, OPERATION[unit])

    functions = {
        "init": lambda key: recipe.init(key, 2),
        "batch": batch,
        "penalty": lambda params, step, *, validation: recipe.penalty(params, step, validation),
        "project": lambda params, *, step: recipe.project(params, step),
    }
    train = functools.partial(
        training.fit,
        loss,
        **functions,
        key=jax.random.key(0),
        steps=steps,
        optimiser=recipe.optimiser,
        restarts=len(bounds),
        context=bounds,
        shared=shared,
        lanes=len(bounds),
        validate_every=steps,
        progress=False,
    )
    return lambda: _report.check_whole(train())


def plain_torch_loop(unit: str, steps: int) -> Callable[[], Any] | None:
    """The same run in PyTorch, one restart; None where it is not installed."""
    try:
        import torch  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    torch.set_num_threads(1)

    def run() -> None:
        weight = torch.empty(2, 1).uniform_(0.25, 0.75).requires_grad_()
        optimiser = torch.optim.Adam([weight], lr=1e-3)
        for step in range(steps):
            x = torch.empty(128, 2).uniform_(1.0, 2.0)
            if unit == "nau":
                target, y = x.sum(1, keepdim=True), x @ weight
            else:
                target, y = x.prod(1, keepdim=True), (weight.T * x + 1 - weight.T).prod(1, keepdim=True)
            scale = min(max((step - 20_000) / 15_000, 0.0), 1.0)
            sparsity = torch.minimum(weight.abs(), (1 - weight.abs()).abs()).mean()
            loss = ((y - target) ** 2).mean() + scale * sparsity
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            with torch.no_grad():
                weight.clamp_(-1.0 if unit == "nau" else 0.0, 1.0)

    return run


def table(rows: Sequence[_report.Row]) -> str:
    """Thousand steps a second of every unit and candidate."""
    header = ["unit", "own numbers", "shared", "PyTorch", "speedup (shared)"]
    return _report.text_table(header, [_line(row) for row in rows if "candidates" in row])


def _line(row: _report.Row) -> list[str]:
    found = row["candidates"]
    names = ("own numbers", "shared", "torch")
    rates = [f"{found[name]['steps_per_second']['median'] / 1e3:.4g} k/s" if name in found else "-" for name in names]
    ratio = found["shared"].get("speedup")
    return [row["unit"], *rates, "-" if ratio is None else _report.times(ratio)]


def summary(data: dict[str, Any]) -> str:
    """Thousand steps a second in one line."""
    parts = []
    for row in data["rows"]:
        for name, result in row.get("candidates", {}).items():
            parts.append(f"{row['unit']} {name} {result['steps_per_second']['median'] / 1e3:.4g} k/s")
    return "; ".join(parts) if parts else "nothing measured"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    options = _report.parser(__doc__, list(OPERATION)).parse_args(arguments)
    effort = _report.effort_of(options)
    results = _report.results(__file__, QUESTION, options)
    rows = [{"unit": unit} for unit in options.units]
    return _report.run(results, rows, functools.partial(measure, effort=effort.name), table, effort)


if __name__ == "__main__":
    sys.exit(main())
