"""What do a solve and its gradient cost with units in the equation, against plain diffrax and torchdiffeq?

The model of the NPU paper, NPU(3, hidden) -> NAU(hidden, 3) in float64, over fractional SIR's [0, 200] with 40 times to
fit after the initial one; the loss is the mean squared error. Every row takes turns between

    plain            the plain chain in diffrax with its default adjoint, for Jacobians its ForwardMode: the baseline
    textbook         the same with the units as their papers write them (`_textbook.py`): what one has without nalu_jax
    prepared         nalu_jax.fast in diffrax, effective weights prepared outside the solve
    rollout / solve  nalu_jax.ode: fixed steps of explicit Euler / adaptive Tsit5
    sequential       rollout with derivatives="sequential", which many restarts are faster with
    scan             fixed steps as a hand-written lax.scan over prepared weights
    no layer         adaptive Tsit5 of dy/dt = args * y: what the solver costs by itself, to be compared per step
    torchdiffeq      the same in PyTorch, one restart, where it is installed

    python -m benchmarks.ode --json benchmarks/results/ode.json

Rows: restarts (a vmap over thetas), hidden sizes, and horizons (the same interval in more steps). A Jacobian is
jax.jacfwd of the residuals by theta. Every candidate has its compile time and the memory that XLA plans; in adaptive
rows "solver's share" is the time of a step without layer over that of a step of `solve`.
"""

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from nalu_jax import Fast, fast_chain, fast_nau, fast_npu
from nalu_jax import ode as nalu_ode

from . import _cases, _report, _textbook, _timing

try:
    from . import _torch_ode
except ModuleNotFoundError:  # torch and torchdiffeq are not needed
    _torch_ode = None

QUESTION = _report.question(__doc__)
BASELINE = "plain"
SHORT = ("textbook", "plain", "rollout", "sequential", "solve", "scan", "torchdiffeq")  # of COLUMNS, in the README
COLUMNS = ("textbook", "plain", "prepared", "rollout", "sequential", "solve", "scan", "no layer", "torchdiffeq")
MODES = ("forward", "gradient", "jacobian")
SAVED = 40
END = 200.0
RTOL, ATOL = 1e-6, 1e-8
MAX_STEPS = 1024  # of adaptive solvers

Task = dict[str, Any]
States = Callable[[Array], Array]
"""theta -> ys (SAVED, 3)."""


def tasks(modes: Sequence[str], restarts: Sequence[int], hiddens: Sequence[int], steps: Sequence[int]) -> list[Task]:
    """Each solver in every mode; then more restarts, other hidden sizes, and longer horizons, by Euler's method."""
    first, *more = restarts
    base = {"solver": "euler", "hidden": hiddens[0], "restarts": first, "steps": steps[0]}
    cells = [base, base | {"solver": "tsit5"}]
    cells += [base | {"restarts": count} for count in more]
    cells += [base | {"hidden": hidden} for hidden in hiddens[1:]]
    cells += [base | {"steps": count} for count in steps[1:]]
    return [cell | {"mode": mode} for cell in cells for mode in modes if mode != "jacobian" or cell in cells[:2]]


def spec_of(hidden: int) -> Fast:
    """The chain with the initialisation of the paper's experiment."""
    npu = fast_npu(3, hidden, re_init="glorot_uniform_fifth")
    return fast_chain(npu, fast_nau(hidden, 3, w_init="glorot_uniform_fifth"))


def problem() -> tuple[Array, Array, Array]:
    """y0, the times with 0 first, and the states of fractional SIR at the others."""

    def rates(t: Any, y: Array, args: Any) -> Array:
        infected, recovered = 0.06 * jnp.sqrt(y[0] * y[1]), 0.05 * y[1]
        lost = 0.01 * y[2]
        return jnp.stack([lost - infected, infected - recovered, recovered - lost])

    y0, ts = jnp.array([100.0, 0.01, 0.0]), jnp.linspace(0.0, END, SAVED + 1)
    return y0, ts, nalu_ode.solve(rates, y0, ts).ys[1:]


def euler_candidates(spec: Fast, steps: int, mode: str) -> dict[str, States]:
    """Fixed steps of explicit Euler."""
    y0, ts, _ = problem()
    h = END / steps

    def by_diffrax(field: Callable[..., Array], args: Any, adjoint: diffrax.AbstractAdjoint) -> Array:
        return _diffeqsolve(field, args, adjoint, diffrax.Euler(), h, diffrax.ConstantStepSize(), steps + 1)

    def rollout(theta: Array, derivatives: str = "parallel") -> Array:
        args, substeps = spec.prepare(theta), steps // SAVED
        return nalu_ode.rollout(
            spec.vector_field, y0, ts, args, solver=diffrax.Euler(), substeps=substeps, derivatives=derivatives
        ).ys[1:]

    def scan(theta: Array) -> Array:
        args = spec.prepare(theta)

        def step(y: Array, _: None) -> tuple[Array, Array]:
            y = y + h * spec.vector_field(0.0, y, args)
            return y, y

        return jax.lax.scan(step, y0, None, length=steps)[1][steps // SAVED - 1 :: steps // SAVED]

    ours = {"rollout": rollout} | (
        {} if mode == "forward" else {"sequential": lambda theta: rollout(theta, "sequential")}
    )
    return _in_diffrax(spec, by_diffrax, mode) | ours | {"scan": scan}


def tsit5_candidates(spec: Fast, mode: str) -> dict[str, States]:
    """Adaptive steps of Tsit5."""
    y0, ts, _ = problem()

    def by_diffrax(field: Callable[..., Array], args: Any, adjoint: diffrax.AbstractAdjoint) -> Array:
        controller = diffrax.PIDController(rtol=RTOL, atol=ATOL)
        return _diffeqsolve(field, args, adjoint, diffrax.Tsit5(), None, controller, MAX_STEPS)

    def solve(theta: Array) -> Array:
        args = spec.prepare(theta)
        return nalu_ode.solve(spec.vector_field, y0, ts, args, max_steps=MAX_STEPS, rtol=RTOL, atol=ATOL).ys[1:]

    def no_layer(theta: Array) -> Array:
        return by_diffrax(lambda t, y, args: args * y, theta[:3], _adjoint(mode))

    return _in_diffrax(spec, by_diffrax, mode) | {"solve": solve, "no layer": no_layer}


def _adjoint(mode: str) -> diffrax.AbstractAdjoint:
    return diffrax.ForwardMode() if mode == "jacobian" else diffrax.RecursiveCheckpointAdjoint()


def _in_diffrax(spec: Fast, by_diffrax: Callable[..., Array], mode: str) -> dict[str, States]:
    plain = lambda t, y, params: spec.unit.apply(params, y)
    textbook = lambda t, y, params: _textbook.nau(params[1], _textbook.npu(params[0], y))
    return {
        "plain": lambda theta: by_diffrax(plain, spec.unravel(theta), _adjoint(mode)),
        "textbook": lambda theta: by_diffrax(textbook, spec.unravel(theta), _adjoint(mode)),
        "prepared": lambda theta: by_diffrax(spec.vector_field, spec.prepare(theta), _adjoint(mode)),
    }


def _diffeqsolve(
    field: Callable[..., Array], args: Any, adjoint: Any, solver: Any, h: Any, controller: Any, max_steps: int
) -> Array:
    y0, ts, _ = problem()
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(field),
        solver,
        ts[0],
        ts[-1],
        h,
        y0,
        args,
        saveat=diffrax.SaveAt(ts=ts[1:]),
        stepsize_controller=controller,
        adjoint=adjoint,
        max_steps=max_steps,
        throw=False,
    )
    assert solution.ys is not None
    return solution.ys


def measure(task: Task, *, effort: _report.Effort, with_torch: bool) -> _report.Row:
    """The candidates of one row, timed or skipped."""
    with jax.enable_x64(True):
        spec = spec_of(task["hidden"])
        keys = jax.random.split(jax.random.key(0), task["restarts"])
        thetas = jax.vmap(lambda key: spec.init(key, jnp.float64))(keys)
        data = problem()[2]
        if task["solver"] == "euler":
            functions = euler_candidates(spec, task["steps"], task["mode"])
        else:
            functions = tsit5_candidates(spec, task["mode"])
        calls: dict[str, _timing.Call] = {}
        candidates: dict[str, dict[str, Any]] = {}
        for name, states in functions.items():
            function = of_mode(states, data, task["mode"])
            alone = task["restarts"] == 1
            compiled = _timing.compile_apart(function if alone else jax.vmap(function), thetas[0] if alone else thetas)
            candidates[name] = compiled.times() | {"memory_bytes": compiled.memory_bytes}
            if reason := _cases.too_big(compiled.memory_bytes, _cases.available_bytes()):
                candidates[name]["skipped"] = reason
            else:
                calls[name] = compiled.call
        if with_torch and _torch_ode is not None and task["restarts"] == 1 and task["mode"] != "jacobian":
            candidates["torchdiffeq"] = {}
            params = jax.tree.map(np.asarray, spec.unravel(thetas[0]))
            calls["torchdiffeq"] = _torch_ode.call(params, *map(np.asarray, problem()), **task)
        if task["solver"] == "tsit5":
            _add_steps(candidates, spec, thetas[0])
        timed = _timing.compare(calls, baseline=BASELINE, **effort.repeats())
        for name, result in timed.items():
            candidates[name] |= result
    return {"baseline": BASELINE, "parameters": spec.size, "candidates": candidates}


def _add_steps(candidates: dict[str, dict[str, Any]], spec: Fast, theta: Array) -> None:
    """The adaptive steps of one restart, with the layer and without."""
    y0, ts, _ = problem()
    fields = {"solve": spec.vector_field, "no layer": lambda t, y, args: args[:3] * y}
    for name, field in fields.items():
        result = nalu_ode.solve(field, y0, ts, theta, max_steps=MAX_STEPS, rtol=RTOL, atol=ATOL)
        candidates[name]["steps"] = int(result.steps)


def solvers_share(row: _report.Row) -> str:
    """Time of a step without layer over that of a step of `solve`."""
    parts = [row["candidates"].get(name, {}) for name in ("no layer", "solve")]
    if not all("steps" in part and "seconds" in part for part in parts):
        return ""
    bare, ours = (part["seconds"]["median"] / part["steps"] for part in parts)
    return f"{100 * bare / ours:.0f} %"


def of_mode(states: States, data: Array, mode: str) -> Callable[[Array], Any]:
    """theta -> the loss, its value and gradient, or the Jacobian of the residuals."""
    loss = lambda theta: ((states(theta) - data) ** 2).mean()
    if mode == "forward":
        return loss
    return jax.value_and_grad(loss) if mode == "gradient" else jax.jacfwd(lambda theta: states(theta) - data)


def table(rows: Sequence[_report.Row]) -> str:
    """One line a row: medians of every candidate, and how our fastest compares to them."""
    return _report.text_table(*header_and_lines(rows, COLUMNS))


def header_and_lines(rows: Sequence[_report.Row], columns: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """The table with these candidates; compile time and planned memory are those of our fastest."""
    header = ["solver", "hidden", "restarts", "steps", "mode", *columns, "over textbook", "over plain", "of scan"]
    header += ["solver's share", "compile", "memory"]
    return header, [_line(row, columns) for row in rows if speedup(row)]


def _line(row: _report.Row, columns: Sequence[str]) -> list[str]:
    ours = _ours(row)
    scan = _seconds(row, "scan")
    return [
        row["solver"],
        *(str(row[name]) for name in ("hidden", "restarts", "steps")),
        row["mode"],
        *(cell(row, name) for name in columns),
        *speedups(row),
        f"{ours['seconds']['median'] / scan:.2f}" if scan else "",
        solvers_share(row),
        _report.duration(ours["compile_seconds"]),
        f"{ours['memory_bytes'] / 1e6:.1f} MB",
    ]


def cell(row: _report.Row, name: str) -> str:
    """The median time of a candidate, or nothing."""
    seconds = _seconds(row, name)
    return _report.duration(seconds) if seconds else ""


def _seconds(row: _report.Row, name: str) -> float | None:
    return row["candidates"].get(name, {}).get("seconds", {}).get("median")


def speedup(row: _report.Row) -> float:
    """Median of plain seconds / ours; 0 where it was not measured."""
    return _ours(row).get("speedup", {}).get("median", 0.0)


def speedups(row: _report.Row) -> list[str]:
    """How many times faster than textbook and than plain units, where measured."""
    textbook, ours = _seconds(row, "textbook"), _ours(row).get("seconds", {}).get("median")
    over_textbook = _report.times(textbook / ours) if textbook and ours else ""
    return [over_textbook, _report.times(speedup(row)) if speedup(row) else ""]


def _ours(row: _report.Row) -> dict[str, Any]:
    """Adaptive: `solve`; fixed steps: `rollout`, with the derivatives that are faster."""
    candidates = row.get("candidates", {})
    measured = [candidates.get(name, {}) for name in ("rollout", "sequential", "solve")]
    return max(measured, key=lambda candidate: candidate.get("speedup", {}).get("median", 0.0))


def summary(data: dict[str, Any]) -> str:
    """The last result in one line: the gradient against textbook and plain units in diffrax."""
    rows = [row for row in data["rows"] if speedup(row) and row["mode"] == "gradient"]
    if not rows:
        return "nothing measured"
    baselines = {"the textbook form": 0, "plain units in diffrax": 1}
    found = {name: [speedups(row)[i] for row in rows if speedups(row)[i]] for name, i in baselines.items()}
    key = lambda text: float(text.removesuffix("x"))
    parts = [f"{min(own, key=key)} to {max(own, key=key)} faster than {name}" for name, own in found.items() if own]
    return f"gradient, over {len(rows)} rows: {', '.join(parts)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = _report.parser(__doc__)
    parser.add_argument("--without-torch", action="store_true", help="do not time torchdiffeq")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES), metavar="MODE", help="only these")
    options = parser.parse_args(arguments)
    effort = _report.effort_of(options)
    sizes = {
        "full": ((1, 8, 64, 256, 1024), (9, 6, 20, 200), (200, 2000, 20000)),
        "quick": ((1,), (9,), (200,)),
        "smoke": ((1,), (2,), (40,)),
    }[effort.name]
    results = _report.results(__file__, QUESTION, options)
    step = functools.partial(measure, effort=effort, with_torch=not options.without_torch)
    return _report.run(results, tasks(options.modes, *sizes), step, table, effort)


if __name__ == "__main__":
    sys.exit(main())
