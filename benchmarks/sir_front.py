"""How small an error do how few parameters reach on fractional SIR, under the NPU paper's own protocol?

Chains NPU(3, h) -> NAU(h, 3) and RealNPU(3, h) -> NAU(h, 3), and a dense network of two hidden layers, as right-hand
sides stepped by explicit Euler with dt = 1, read at 40 times through the solver's cubic interpolation, float64. A grid
of 100 runs per model: h in {6, 9, 12, 15, 20}, L1 of all parameters times 0, 0.01, 0.1 or 1, five seeds. Parameters are
those above 1e-3, gates included. Two recipes, never mixed:

    published   RMSProp(0.005), 3000 steps, then L-BFGS (100 steps), both on mean squared error + L1
    ours        the same RMSProp; then, from the best runs of the two smallest sizes, parameters are taken away one
                after another and the rest is refitted each time (`nalu_jax.symbolic.prune`), also under Euler

The whole grid of a model trains at once: params of every size are padded to the largest, and a mask keeps the padding
at zero.

    python -m benchmarks.sir_front --json benchmarks/results/sir_front.json

Under this solver even the true equations have a mean squared error of about 1: a small error does not mean that they
were found (`fractional_sir.py` asks for that).

Reference:
    Heim, Pevny, Smidl, "Neural Power Units", NeurIPS 2020, section 4.1, figure 5.
"""

import functools
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.flatten_util import ravel_pytree

from nalu_jax import fast_chain, fast_nau, fast_npu, fast_real_npu, ode, symbolic, training

from . import _report, _sir

QUESTION = _report.question(__doc__)
MODELS = ("npu", "real_npu", "dense")
RECIPES = ("published", "ours")
HIDDEN = (6, 9, 12, 15, 20)
L1 = (0.0, 0.01, 0.1, 1.0)
SEEDS = 5
STEPS, FINISH = 3000, 100
PRESENT = 1e-3
PRUNED = 2  # sizes, and runs of each, from which parameters are taken away
PUBLISHED = {  # number of parameters: mean squared error
    "npu": {18: 0.134, 20: 0.0864, 57: 0.0275, 109: 0.01675, 136: 0.01535},
    "real_npu": {17: 0.02839},
    "dense": {26: 0.511, 30: 0.389, 76: 0.03215},
}

Params = Any
Point = tuple[int, float]


class Model(NamedTuple):
    """A right-hand side: init(key) -> params, and field(t, y, prepare(params)) -> dy/dt."""

    init: Callable[[Array], Params]
    prepare: Callable[[Params], Any]
    field: Callable[..., Array]


@functools.cache
def model(name: str, hidden: int) -> Model:
    """With the paper's initialisation."""
    if name == "dense":
        shapes = (3, hidden), (hidden, hidden), (hidden, 3)
        return Model(functools.partial(_init_dense, shapes), lambda params: params, _dense)
    power = {"npu": fast_npu, "real_npu": fast_real_npu}[name](3, hidden, re_init="glorot_uniform_fifth")
    spec = fast_chain(power, fast_nau(hidden, 3, w_init="glorot_uniform_fifth"))
    init = lambda key: spec.unravel(spec.init(key, dtype=jnp.float64))
    return Model(init, lambda params: spec.prepare(spec.ravel(params)), spec.vector_field)


def _init_dense(shapes: Sequence[tuple[int, int]], key: Array) -> Params:
    keys = jax.random.split(key, len(shapes))
    glorot = jax.nn.initializers.glorot_uniform()
    return tuple({"w": glorot(each, shape), "b": jnp.zeros(shape[1])} for each, shape in zip(keys, shapes, strict=True))


def _dense(t: Any, y: Array, params: Params) -> Array:
    *hidden, last = params
    for layer in hidden:
        y = jnp.tanh(y @ layer["w"] + layer["b"])
    return y @ last["w"] + last["b"]


def padded(name: str, hidden: int, largest: int, key: Array) -> tuple[Params, Params]:
    """Params of a size as those of the largest, zeros where they have nothing; and ones where they have something."""
    params = model(name, hidden).init(key)
    shapes = jax.eval_shape(model(name, largest).init, key)
    pad = lambda leaf, shape: jnp.pad(leaf, [(0, n - m) for m, n in zip(leaf.shape, shape.shape, strict=True)])
    return jax.tree.map(pad, params, shapes), jax.tree.map(pad, jax.tree.map(jnp.ones_like, params), shapes)


def cut(name: str, hidden: int, params: Params) -> Params:
    """The opposite of `padded`."""
    shapes = jax.eval_shape(model(name, hidden).init, jax.random.key(0))
    return jax.tree.map(lambda leaf, shape: leaf[tuple(map(slice, shape.shape))], params, shapes)


@functools.cache
def reading() -> np.ndarray:
    """(40, 202): what the 40 states are in the states after 0, 1, 2, ... Euler steps of 1, by cubic interpolation.

    Between y_i and y_i+1 the derivatives are those of the steps from there: y_i+1 - y_i and y_i+2 - y_i+1.
    """
    ts, _ = _sir.data()
    weights = np.zeros((len(ts), int(_sir.END) + 2))
    for row, t in enumerate(ts):
        i = min(int(t), int(_sir.END) - 1)
        s = t - i
        value, slope = s * s * (3 - 2 * s), (s * (1 - s) ** 2, s * s * (s - 1))
        weights[row, i : i + 3] = (1 - value - slope[0], value + slope[0] - slope[1], slope[1])
    return weights


@functools.cache
def residual(name: str, hidden: int) -> Callable[[Params, Array], Array]:
    """(params, data (40, 3)) -> what the states at the 40 times differ by."""
    own = model(name, hidden)

    def function(params: Params, data: Array) -> Array:
        ts = jnp.arange(_sir.END + 2)
        states = ode.rollout(own.field, jnp.array(_sir.START), ts, own.prepare(params), solver=diffrax.Euler()).ys
        return jnp.asarray(reading()) @ states - data

    return function


def tasks(recipes: Sequence[str], models: Sequence[str]) -> list[_report.Row]:
    """One row for each recipe and model; there is nothing to take away from a dense network that could be read."""
    pairs = [(recipe, name) for recipe in recipes for name in models]
    return [{"recipe": recipe, "model": name} for recipe, name in pairs if (recipe, name) != ("ours", "dense")]


def measure(row: _report.Row, *, sizes: Sequence[int], steps: int, seeds: int, first_seed: int) -> _report.Row:
    """Errors and numbers of parameters of the whole grid, and of what is left when some are taken away."""
    with jax.enable_x64(True):
        return _measure(row, sizes, steps, seeds, first_seed)


def _measure(row: _report.Row, sizes: Sequence[int], steps: int, seeds: int, first_seed: int) -> _report.Row:
    start, name = time.perf_counter(), row["model"]
    data = jnp.asarray(_sir.data()[1])
    grid = [(hidden, l1) for hidden in sizes for l1 in L1 for _ in range(seeds)]
    finish = (training.lbfgs(steps=FINISH),) if row["recipe"] == "published" else ()
    fit = train(name, grid, data, finish, steps=steps, key=jax.random.key(first_seed))
    found = [
        cut(name, hidden, jax.tree.map(lambda leaf, i=i: leaf[i], fit.all_params)) for i, (hidden, _) in enumerate(grid)
    ]
    runs = [
        {"hidden": hidden, "l1": l1, "parameters": count(params), "mse": mean_square(name, hidden, params, data)}
        for (hidden, l1), params in zip(grid, found, strict=True)
    ]
    result = {"runs": runs, "failed": int(fit.failed.sum())}
    if row["recipe"] == "ours":
        best = [i for hidden in sizes[:PRUNED] for i in best_runs(runs, hidden)]
        result["taken_away"] = [each for i in best for each in path(name, grid[i][0], found[i], data)]
    return result | {"seconds": time.perf_counter() - start}


def train(name: str, grid: Sequence[tuple[int, float]], data: Array, finish: Any, *, steps: int, key: Array) -> Any:
    """All runs at once, as `training.fit` returns them, params padded."""
    sizes = sorted({hidden for hidden, _ in grid})
    difference = residual(name, sizes[-1])

    def init(key: Array, context: tuple[Array, Array]) -> Params:
        return jax.lax.switch(context[0], [lambda key, h=h: padded(name, h, sizes[-1], key)[0] for h in sizes], key)

    def loss(params: Params, batch: Array, context: tuple[Array, Array]) -> Array:
        size, l1 = context
        present = jax.lax.switch(size, [lambda h=h: padded(name, h, sizes[-1], key)[1] for h in sizes])
        params = jax.tree.map(jnp.multiply, params, present)
        return (difference(params, batch) ** 2).mean() + l1 * sum(
            jnp.abs(leaf).sum() for leaf in jax.tree.leaves(params)
        )

    fit = training.fit(
        loss,
        init,
        key=key,
        steps=steps,
        optimiser=optax.rmsprop(0.005),
        data=data,
        restarts=len(grid),
        context=(jnp.array([sizes.index(hidden) for hidden, _ in grid]), jnp.array([l1 for _, l1 in grid])),
        finish=finish,
        keep="last",
        progress=f"{name}, {len(grid)} runs" if sys.stderr.isatty() else False,
    )
    _report.check_whole(fit)
    return fit


def mean_square(name: str, hidden: int, params: Params, data: Array) -> float:
    """Of the differences at the 40 times."""
    return float((residual(name, hidden)(params, data) ** 2).mean())


def best_runs(runs: Sequence[dict[str, Any]], hidden: int) -> list[int]:
    """The indices of the runs of a size with the smallest errors."""
    own = [i for i, run in enumerate(runs) if run["hidden"] == hidden and np.isfinite(run["mse"])]
    return sorted(own, key=lambda i: runs[i]["mse"])[:PRUNED]


def path(name: str, hidden: int, params: Params, data: Array) -> list[dict[str, Any]]:
    """Number of parameters and error of each step of the way to none."""
    found = symbolic.prune(residual(name, hidden), params, data, patience=None, steps=50)
    return [{"hidden": hidden, "parameters": count(step.params), "mse": step.loss} for step in found.steps]


def count(params: Params) -> int:
    """Parameters above 1e-3."""
    return int((np.abs(ravel_pytree(params)[0]) > PRESENT).sum())


def points(rows: Sequence[_report.Row], recipe: str, name: str) -> list[Point]:
    """(number of parameters, error) of all runs of a recipe and model, and of what was left of them."""
    return [
        (run["parameters"], run["mse"])
        for row in rows
        if (row["recipe"], row["model"]) == (recipe, name) and "runs" in row
        for run in row["runs"] + row.get("taken_away", [])
        if np.isfinite(run["mse"])
    ]


def best_within(candidates: Sequence[Point], parameters: int) -> float | None:
    """The smallest error with at most so many parameters."""
    return min((mse for count, mse in candidates if count <= parameters), default=None)


def table(rows: Sequence[_report.Row]) -> str:
    """One line for each model and number of parameters of the published fronts: the error that ours have there."""
    lines = []
    for name, published in PUBLISHED.items():
        for parameters, mse in published.items():
            ours = [best_within(points(rows, recipe, name), parameters) for recipe in RECIPES]
            lines.append(
                [name, str(parameters), f"{mse:g}", *("-" if each is None else f"{each:.4g}" for each in ours)]
            )
    header = ["model", "parameters, at most", "figure of the paper", "published recipe", "ours"]
    medians = []
    for row in rows:
        errors = np.array([run["mse"] for run in row["runs"]])
        medians.append(
            f"{row['recipe']} {row['model']}: {len(errors)} runs, median error {np.nanmedian(errors):.3g}, "
            f"{(errors < 0.1).sum()} below 0.1"
        )
    return "\n".join([_report.text_table(header, lines), *medians, summary({"rows": rows})])


def summary(data: dict[str, Any]) -> str:
    """At how many points of the published fronts the error is smaller, and how long the grid took."""
    measured = [row for row in data["rows"] if "runs" in row]
    parts = []
    for recipe in RECIPES:
        those = [row for row in measured if row["recipe"] == recipe]
        pairs = [
            (best_within(points(those, recipe, name), parameters), mse)
            for name in dict.fromkeys(row["model"] for row in those)
            for parameters, mse in PUBLISHED[name].items()
        ]
        if pairs:
            lower = sum(ours is not None and ours < mse for ours, mse in pairs)
            seconds = sum(row["seconds"] for row in those)
            parts.append(
                f"{recipe}: below {lower} of the {len(pairs)} points of the paper's fronts, with as many parameters or "
                f"fewer, {sum(len(row['runs']) for row in those)} runs in {_report.duration(seconds)}"
            )
    return "; ".join(parts) or "nothing measured"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = _report.parser(__doc__, MODELS)
    parser.add_argument("--recipe", nargs="+", choices=RECIPES, default=list(RECIPES), help="only these")
    parser.add_argument("--hidden", nargs="+", type=int, choices=HIDDEN, default=list(HIDDEN), help="only these sizes")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="runs for each size and amount of L1")
    parser.add_argument("--first-seed", type=int, default=20000)
    options = parser.parse_args(arguments)
    effort = _report.effort_of(options)
    steps = STEPS
    if effort.name != "full":
        options.hidden, options.seeds, steps = options.hidden[:1], 1, 300 if effort.name == "quick" else 2
    results = _report.results(__file__, QUESTION, options)
    settings = {"steps": steps, "seeds": options.seeds, "first_seed": options.first_seed}
    step = functools.partial(measure, sizes=sorted(options.hidden), **settings)
    return _report.run(results, tasks(options.recipe, options.units), step, table, effort)


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)))  # over which the runs are spread
    sys.exit(main())
