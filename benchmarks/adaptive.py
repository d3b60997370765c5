"""What do adaptive solves and their derivatives cost: `ode.solve`, units in diffrax, gradsolve, torchdiffeq, SciPy?

Every row takes turns between

    plain        plain units in diffrax, with its default adjoint, for Jacobians its ForwardMode: the baseline
    solve        the same field, prepared, in nalu_jax.ode.solve: the same steps
    torchdiffeq  the same tolerances in PyTorch (dopri5), one restart of fractional SIR, where it is installed
    scipy        solve_ivp (RK45, SciPy's default) with the compiled field, forward, one restart
    record       gradsolve 0.2.1, where it is installed: a solve whose accepted steps are kept, outside of a compiled
                 program; what it gives holds near the parameters that it was made at
    replay       gradsolve's gradient over the steps of a record that was made before

of three problems in float64:

    sir        the NPU paper's model, NPU(3, hidden) -> NAU(hidden, 3), at the exponents of fractional SIR, 40 times in
               [0, 200]
    robertson  Robertson's three reactions, stiff, with known rates and a unit beside them, 20 times in [0, 1]
    neural     a plain network with 200 hidden units that goes around a spiral, 40 times in [0, 10]

    python -m benchmarks.adaptive --json benchmarks/results/adaptive.json --plot notebooks/guide/figures/adaptive.svg

A training step with gradsolve costs a record and a replay, one with `solve` what stands under `solve`.

The loss is the mean squared distance from 0.9 times the states, a Jacobian is jax.jacfwd of the residuals by all
parameters. Beside its times, every candidate has the largest error of its states, relative to the largest state,
against `solve` with a tolerance of 1e-12, and `solve` how far its result is from that of `plain`; a solve that fails is
in the table with what it took. Many restarts with fixed steps are in `benchmarks.ode`.
"""

import functools
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import scipy.integrate
from jax import Array
from jax.flatten_util import ravel_pytree

from nalu_jax import fast_chain, fast_nau, fast_npu, ode

from . import _cases, _report, _timing
from .ode import problem, spec_of

try:
    from . import _torch_ode
except ModuleNotFoundError:  # torch and torchdiffeq are not needed
    _torch_ode = None

try:
    from . import _gradsolve
except ModuleNotFoundError:  # nor is gradsolve
    _gradsolve = None

QUESTION = _report.question(__doc__)
BASELINE = "plain"
COLUMNS = ("plain", "solve", "record", "replay", "torchdiffeq", "scipy")
MODES = ("forward", "gradient", "jacobian")
LABELS = {"plain": "plain units in diffrax", "solve": "nalu_jax.ode.solve"}
LABELS |= {"restarts": "restarts, tolerance 1e-6", "steps": "adaptive steps, one restart"}
MAX_STEPS = 4096
NOISE = 1e-3  # of the parameters around those of the equation, so that restarts differ
FAILING = 1e-2  # with so much, some of them have no solution up to the last time
# Of the states, what is fitted: at the states themselves residuals are what the tolerance leaves, and a gradient is the
# sum of rounding errors, which no two programs share.
FITTED = 0.9

Task = dict[str, Any]


class Problem(NamedTuple):
    """An equation with parameters.

    Attributes:
        plain, fast: two forms (t, y, args) -> dy/dt of the same field.
        plain_args, fast_args: from theta to args of each.
        theta, y0, ts: where it is solved.
    """

    plain: Callable[..., Array]
    fast: Callable[..., Array]
    plain_args: Callable[[Array], Any]
    fast_args: Callable[[Array], Any]
    theta: Array
    y0: Array
    ts: Array


def sir(hidden: int) -> Problem:
    """Units at the exponents of fractional SIR, the others 0."""
    spec = spec_of(hidden)
    re, w = np.zeros((3, hidden)), np.zeros((hidden, 3))
    re[:, :3] = [[0.5, 0.0, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]]
    w[:3] = [[-0.06, 0.06, 0.0], [0.0, -0.05, 0.05], [0.01, 0.0, -0.01]]
    npu = {"gate": jnp.ones(3), "im": jnp.zeros((3, hidden)), "re": jnp.asarray(re)}
    theta = spec.ravel((npu, {"w": jnp.asarray(w)}))
    y0, ts, _ = problem()
    plain = lambda t, y, params: spec.unit.apply(params, y)
    return Problem(plain, spec.vector_field, spec.unravel, spec.prepare, theta, y0, ts)


def robertson(hidden: int) -> Problem:
    """Robertson's rates and a small unit beside them."""
    spec = fast_chain(fast_npu(3, hidden), fast_nau(hidden, 3))

    def known(t: Any, y: Array) -> Array:
        first, second, third = 0.04 * y[0], 1e4 * y[1] * y[2], 3e7 * y[1] ** 2
        return jnp.stack([second - first, first - second - third, third])

    plain = lambda t, y, params: known(t, y) + spec.unit.apply(params, y)
    theta = 1e-3 * spec.init(jax.random.key(1), jnp.float64)
    y0, ts = jnp.array([1.0, 0.0, 0.0]), jnp.linspace(0.0, 1.0, 21)
    return Problem(plain, ode.field(spec, known), spec.unravel, spec.prepare, theta, y0, ts)


def neural(hidden: int) -> Problem:
    """A network of one hidden layer around a spiral."""
    rng = np.random.default_rng(0)
    layers = {"in": rng.normal(size=(2, hidden)), "out": 0.1 * rng.normal(size=(hidden, 2)) / np.sqrt(hidden)}
    theta, unravel = ravel_pytree(jax.tree.map(jnp.asarray, layers))

    def spiral(t: Any, y: Array, params: Any) -> Array:
        turned = jnp.stack([y[1] - 0.1 * y[0], -y[0] - 0.1 * y[1]])
        return turned + jnp.tanh(y @ params["in"]) @ params["out"]

    y0, ts = jnp.array([2.0, 0.0]), jnp.linspace(0.0, 10.0, 41)
    return Problem(spiral, spiral, unravel, unravel, theta, y0, ts)


PROBLEMS = {"sir": sir, "robertson": robertson, "neural": neural}


def tasks(effort: str, modes: Sequence[str]) -> list[Task]:
    """Of fractional SIR all modes and tolerances, restarts and hidden sizes; of the others one trajectory.

    The last row has restarts that fail, each of which makes all wait until the most steps.
    """
    row = lambda problem, hidden, tolerance, restarts, noise=NOISE: {
        "problem": problem, "hidden": hidden, "tolerance": tolerance, "restarts": restarts, "noise": noise
    }  # fmt: skip
    cells = [row("sir", 3, 1e-6, 1)] if effort == "smoke" else [row("sir", 9, 1e-6, 1), row("sir", 9, 1e-9, 1)]
    if effort == "full":
        cells += [row("sir", 9, tolerance, count) for count in (32, 256) for tolerance in (1e-6, 1e-9)]
        cells += [row("sir", 200, 1e-6, 1), row("robertson", 4, 1e-6, 1), row("neural", 200, 1e-6, 1)]
    found = [cell | {"mode": mode} for cell in cells for mode in modes if mode != "jacobian" or _has_jacobian(cell)]
    if effort == "full" and "gradient" in modes:
        found.append(row("sir", 9, 1e-6, 32, FAILING) | {"mode": "gradient"})
    return found


def _has_jacobian(cell: Task) -> bool:
    """Not of many restarts, nor of hundreds of parameters."""
    return cell["restarts"] == 1 and cell["hidden"] < 200


def candidates(equation: Problem, tolerance: float, mode: str) -> dict[str, Callable[[Array], Any]]:
    """theta -> (states at all times but the first, whether they were reached)."""
    rtol, atol = tolerance, tolerance / 100

    def plain(theta: Array) -> tuple[Array, Array]:
        forward_mode = mode == "jacobian"
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(equation.plain),
            diffrax.Tsit5(),
            equation.ts[0],
            equation.ts[-1],
            None,
            equation.y0,
            equation.plain_args(theta),
            saveat=diffrax.SaveAt(ts=equation.ts[1:]),
            stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
            adjoint=diffrax.ForwardMode() if forward_mode else diffrax.RecursiveCheckpointAdjoint(),
            max_steps=MAX_STEPS,
            throw=False,
        )
        assert solution.ys is not None
        return solution.ys, solution.result == diffrax.RESULTS.successful

    def solve(theta: Array) -> tuple[Array, Array]:
        result = _solve(equation, theta, tolerance)
        return result.ys[1:], result.ok

    return {"plain": plain, "solve": solve}


def of_mode(states: Callable[[Array], Any], data: Array, mode: str) -> Callable[[Array], Any]:
    """theta -> the mean squared error, its value and gradient, or the Jacobian of the residuals."""
    loss = lambda theta: ((states(theta)[0] - data) ** 2).mean()
    if mode == "forward":
        return loss
    return jax.value_and_grad(loss) if mode == "gradient" else jax.jacfwd(lambda theta: states(theta)[0] - data)


def measure(task: Task, *, effort: _report.Effort, with_torch: bool) -> _report.Row:
    """The candidates of one row, timed or skipped."""
    with jax.enable_x64(True):
        equation = PROBLEMS[task["problem"]](task["hidden"])
        mode, alone = task["mode"], task["restarts"] == 1
        exact = _solve(equation, equation.theta, 1e-12, max_steps=10**6)
        data = FITTED * exact.ys[1:]
        noise = task["noise"] * jax.random.normal(jax.random.key(0), (task["restarts"], equation.theta.size))
        thetas = equation.theta[None] + noise.at[0].set(0.0)
        calls: dict[str, _timing.Call] = {}
        found: dict[str, dict[str, Any]] = {}
        for name, states in candidates(equation, task["tolerance"], mode).items():
            function = of_mode(states, data, mode)
            compiled = _timing.compile_apart(function if alone else jax.vmap(function), thetas[0] if alone else thetas)
            found[name] = compiled.times() | {"memory_bytes": compiled.memory_bytes}
            ys, ok = jax.jit(jax.vmap(states))(thetas)
            found[name] |= {"error": _error(ys[0], exact.ys[1:]), "failed": int(task["restarts"] - ok.sum())}
            if reason := _cases.too_big(compiled.memory_bytes, _cases.available_bytes()):
                found[name]["skipped"] = reason
            else:
                calls[name] = compiled.call
        if calls.keys() >= {"plain", "solve"}:
            results = (jax.tree.leaves(calls[name]())[-1] for name in ("plain", "solve"))
            plain, ours = results if alone else (result[0] for result in results)
            found["solve"]["difference"] = _error(ours, plain)
        if alone and mode == "forward":
            calls["scipy"], found["scipy"] = _scipy(equation, task["tolerance"], exact.ys[1:])
        if with_torch and _torch_ode is not None and alone and task["problem"] == "sir" and mode != "jacobian":
            params = jax.tree.map(np.asarray, equation.plain_args(equation.theta))
            arrays = map(np.asarray, (equation.y0, equation.ts, data))
            calls["torchdiffeq"] = _torch_ode.call(
                params, *arrays, solver="tsit5", mode=mode, tolerance=task["tolerance"]
            )
            found["torchdiffeq"] = {}
        if _gradsolve is not None and mode == "gradient" and task["noise"] == NOISE:
            field = lambda t, y, theta: equation.plain(t, y, equation.plain_args(theta))
            calls |= _gradsolve.calls(
                field, equation.y0, equation.ts, thetas, data, tolerance=task["tolerance"]
            )._asdict()
            found |= {"record": {}, "replay": {}}
        for name, result in _timing.compare(calls, baseline=BASELINE, **effort.repeats()).items():
            found[name] |= result
        steps = int(_solve(equation, equation.theta, task["tolerance"]).steps)
    return {"baseline": BASELINE, "parameters": equation.theta.size, "steps": steps, "candidates": found}


def _error(ys: Any, exact: Array) -> float:
    """The largest, relative to the largest state."""
    return float(np.abs(np.asarray(ys) - np.asarray(exact)).max() / np.abs(np.asarray(exact)).max())


def _solve(equation: Problem, theta: Array, tolerance: float, max_steps: int = MAX_STEPS) -> ode.Trajectory:
    args = equation.fast_args(theta)
    solve = functools.partial(ode.solve, rtol=tolerance, atol=tolerance / 100, max_steps=max_steps)
    return solve(equation.fast, equation.y0, equation.ts, args)


def _scipy(equation: Problem, tolerance: float, exact: Array) -> tuple[_timing.Call, dict[str, Any]]:
    """SciPy's solve with the compiled field, as a call, and its error."""
    args = equation.fast_args(equation.theta)
    compiled = jax.jit(lambda t, y: equation.fast(t, y, args))
    times, y0 = np.asarray(equation.ts), np.asarray(equation.y0)

    def call() -> Any:
        field = lambda t, y: np.asarray(compiled(t, y))
        span = (times[0], times[-1])
        return scipy.integrate.solve_ivp(field, span, y0, t_eval=times[1:], rtol=tolerance, atol=tolerance / 100)

    result = call()
    return call, {"error": _error(result.y.T, exact) if result.success else None, "failed": int(not result.success)}


def table(rows: Sequence[_report.Row]) -> str:
    """One line a row."""
    return _report.text_table(*header_and_lines(rows))


def header_and_lines(rows: Sequence[_report.Row]) -> tuple[list[str], list[list[str]]]:
    """Medians of every candidate, how many times faster than plain, errors, and planned memory of ours and plain.

    "difference" is that of what was computed: the loss, its gradient, or the Jacobian, of the first restart.
    """
    header = ["problem", "hidden", "tolerance", "steps", "restarts", "mode", *COLUMNS]
    header += ["over plain", "difference", "error", "of plain", "memory", "of plain", "failed"]
    return header, [_line(row) for row in rows if speedup(row)]


def _line(row: _report.Row) -> list[str]:
    ours, plain = row["candidates"]["solve"], row["candidates"]["plain"]
    return [
        row["problem"],
        str(row["hidden"]),
        f"{row['tolerance']:.0e}",
        *(str(row[name]) for name in ("steps", "restarts", "mode")),
        *(_cell(row, name) for name in COLUMNS),
        _report.times(speedup(row)),
        f"{ours['difference']:.1e}",
        *(f"{candidate['error']:.1e}" for candidate in (ours, plain)),
        *(f"{candidate['memory_bytes'] / 1e6:.2f} MB" for candidate in (ours, plain)),
        f"{ours['failed']} / {plain['failed']}",
    ]


def _cell(row: _report.Row, name: str) -> str:
    seconds = row["candidates"].get(name, {}).get("seconds", {}).get("median")
    return _report.duration(seconds) if seconds else ""


def speedup(row: _report.Row) -> float:
    """Median of plain seconds / ours; 0 where it was not measured."""
    return row.get("candidates", {}).get("solve", {}).get("speedup", {}).get("median", 0.0)


def summary(data: dict[str, Any]) -> str:
    """The last result in one line."""
    parts = []
    for mode in MODES:
        found = [speedup(row) for row in data["rows"] if row["mode"] == mode and speedup(row)]
        if found:
            parts.append(f"{mode} {_report.times(min(found))} to {_report.times(max(found))}")
    return f"against plain units in diffrax: {', '.join(parts)}" if parts else "nothing measured"


def plot(rows: Sequence[_report.Row], path: pathlib.Path) -> None:
    """Times of gradients against restarts and against steps, ours and plain."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained", sharey=True)
    chosen = [row for row in rows if speedup(row) and row["mode"] == "gradient" and row["problem"] == "sir"]
    chosen = [row for row in chosen if row["noise"] == NOISE]
    chosen = [row for row in chosen if row["hidden"] == chosen[0]["hidden"]]
    series = (("restarts", [row for row in chosen if row["tolerance"] == 1e-6]),)
    series += (("steps", [row for row in chosen if row["restarts"] == 1]),)
    for axis, (name, found) in zip(axes, series, strict=True):
        for candidate in ("plain", "solve"):
            seconds = [row["candidates"][candidate]["seconds"]["median"] for row in found]
            axis.loglog([row[name] for row in found], seconds, "o-", label=LABELS[candidate])
        axis.set_xlabel(LABELS[name])
    axes[0].set_ylabel("seconds per gradient")
    axes[0].legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = _report.parser(__doc__)
    parser.add_argument("--without-torch", action="store_true", help="do not time torchdiffeq")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES), metavar="MODE", help="only these")
    parser.add_argument("--plot", type=pathlib.Path, metavar="FILE", help="draw times against restarts and steps")
    options = parser.parse_args(arguments)
    effort = _report.effort_of(options)
    results = _report.results(__file__, QUESTION, options)
    step = functools.partial(measure, effort=effort, with_torch=not options.without_torch)
    code = _report.run(results, tasks(effort.name, options.modes), step, table, effort)
    if options.plot:
        plot(results.data["rows"], options.plot)
    return code


if __name__ == "__main__":
    sys.exit(main())
