"""Which sizes and ways around XLA would one choose today, and do those of `nalu_jax._compiler` still pay?

One row for each number: the work that it decides about, timed in turns with the number as it is (the baseline), with
neighbours on both sides, or with the plain form in place of a way around. A speedup above 1 means that the other value
is faster here. Run it on a quiet machine after each new jaxlib, and change a number only where several sizes agree.

    python -m benchmarks.thresholds --json benchmarks/results/thresholds.json
"""

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp

import nalu_jax
from nalu_jax import _compiler, _cosine, _numerics

from . import _cases, _report, _timing, adaptive

QUESTION = _report.question(__doc__)
BASELINE = "as it is"

# Of each number: other values, and the (unit, batch, n_in, n_out) that its choice is felt at.
OTHERS: dict[str, tuple[dict[str, Any], tuple[str, _cases.Size]]] = {
    "PRODUCT_AT_ONCE": ({"half": 2**10, "double": 2**12}, ("nmu", (64, 8, 4))),
    "PRODUCT_BLOCK": ({"half": 2**19, "double": 2**21}, ("nmu", (4096, 256, 256))),
    "PRODUCT_LANES": ({"half": 16, "double": 64}, ("nmu", (1024, 64, 64))),
    "PRODUCT_ENTRIES": ({"half": (2**12, 2**16), "double": (2**14, 2**18)}, ("nmu", (128, 16, 16))),
    "PRODUCT_GROUP": ({"half": 8, "double": 32}, ("nmu", (1024, 64, 64))),
    "PRODUCT_PASS": ({"one": (1, 2**16), "four": (4, 2**16)}, ("nmu", (1024, 64, 64))),
}
SMOKE: _cases.Size = (4, 3, 2)


def tasks() -> list[_report.Row]:
    """One row for each number, and for each way around."""
    return [{"number": name} for name in (*OTHERS, *SOLVES, *WAYS)]


def measure(task: _report.Row, *, effort: _report.Effort) -> _report.Row:
    """Value and gradient with each value of the number, compiled and then timed in turns."""
    name = task["number"]
    if name in SOLVES:
        calls = _solves(name)
    else:
        calls = WAYS[name]() if name in WAYS else _calls(name, smoke=effort.name == "smoke")
    return {"candidates": _timing.compare(calls, baseline=BASELINE, **effort.repeats())}


# Of each number of `ode.solve`: other values, felt in the gradient of one trajectory at a tolerance.
SOLVES: dict[str, tuple[dict[str, int], float]] = {
    "SOLVE_BLOCK": ({"half": 8, "double": 32, "four times": 64}, 1e-9),
    "SOLVE_RECORD": ({"half": 64, "double": 256}, 1e-9),
    "SOLVE_PARTS": ({"one": 1, "four": 4}, 1e-6),
}


def _solves(name: str) -> dict[str, _timing.Call]:
    """The gradient of an adaptive solve of fractional SIR with each value of the number."""
    others, tolerance = SOLVES[name]
    with jax.enable_x64(True):
        equation = adaptive.sir(9)

        def compiled(value: int) -> _timing.Call:
            solve = adaptive.candidates(equation, tolerance, "gradient")["solve"]
            with mock.patch.object(_compiler, name, value):
                gradient = adaptive.of_mode(solve, jnp.zeros((40, 3)), "gradient")
                return _timing.compile_apart(gradient, equation.theta).call

        return {label: compiled(value) for label, value in ({BASELINE: getattr(_compiler, name)} | others).items()}


def _calls(name: str, *, smoke: bool) -> dict[str, _timing.Call]:
    others, (unit, size) = OTHERS[name]
    record = nalu_jax.UNITS[unit]
    case = _cases.make_case(record, SMOKE if smoke else size)
    values = {BASELINE: getattr(_compiler, name)} | others

    def compiled(value: Any) -> _timing.Call:
        with mock.patch.object(_compiler, name, value):
            gradient = _cases.value_and_gradient(lambda params, x: record.apply(params, x))
            return _timing.compile_apart(gradient, *case).call

    return {label: compiled(value) for label, value in values.items()}


def _cosines() -> dict[str, _timing.Call]:
    """The series against XLA's sine and cosine, 2^16 of them in float64."""
    with jax.enable_x64(True):
        r = jnp.linspace(-0.7, 0.7, 2**16, dtype=jnp.float64)
        native = lambda r: (jnp.cos(r), jnp.sin(r))
        return {
            BASELINE: _timing.compile_apart(_cosine._series, r).call,
            "plain": _timing.compile_apart(native, r).call,
        }


def _rows() -> dict[str, _timing.Call]:
    """A thousand steps y + h f(y) of two small matrices: sums of rows against products."""
    first, second = jnp.full((3, 9), 0.1), jnp.full((9, 3), -0.1)

    def steps(matmul: Callable[..., jax.Array], y: jax.Array) -> jax.Array:
        step = lambda y, _: (y + 0.01 * matmul(jnp.exp(matmul(y, first)), second), None)
        return jax.lax.scan(step, y, length=1000)[0]

    forms = {BASELINE: _numerics.matmul, "plain": _numerics._product_of_matrices}
    return {
        name: _timing.compile_apart(functools.partial(steps, form), jnp.ones(3)).call for name, form in forms.items()
    }


def _options() -> dict[str, _timing.Call]:
    """Small sums in a loop, with the compiler options of the training loop and without."""

    def loop(x: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda x, _: (x / (1 + jnp.abs(x.sum(1, keepdims=True))), None), x, length=200)[0]

    x = jnp.ones((64, 24))
    options = {BASELINE: _compiler.options(), "plain": {}}
    compiled = {name: jax.jit(loop, compiler_options=chosen).lower(x).compile() for name, chosen in options.items()}
    return {name: functools.partial(program, x) for name, program in compiled.items()}


WAYS: dict[str, Callable[[], dict[str, _timing.Call]]] = {
    "series for sine and cosine": _cosines,
    "sums of rows": _rows,
    "compiler options": _options,
}


def table(rows: Sequence[_report.Row]) -> str:
    """Of each number the time as it is, and how many times as fast the others are."""
    return _report.text_table(["number", BASELINE, "others"], [_line(row) for row in rows if "candidates" in row])


def _line(row: _report.Row) -> list[str]:
    candidates = dict(row["candidates"])
    own = candidates.pop(BASELINE)
    others = [f"{name} {_report.times(result['speedup']['median'])}" for name, result in candidates.items()]
    return [row["number"], _report.duration(own["seconds"]["median"]), ", ".join(others)]


def summary(data: dict[str, Any]) -> str:
    """The last result in one line: the other value that gains most."""
    gains = [
        (result["speedup"]["median"], f"{row['number']} ({name})")
        for row in data["rows"]
        for name, result in row.get("candidates", {}).items()
        if name != BASELINE
    ]
    if not gains:
        return "nothing measured"
    gain, name = max(gains)
    return f"of {len(gains)} other values the best is {name}, {_report.times(gain)} as fast"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    options = _report.parser(__doc__).parse_args(arguments)
    effort = _report.effort_of(options)
    results = _report.results(__file__, QUESTION, options)
    return _report.run(results, tasks(), functools.partial(measure, effort=effort), table, effort)


if __name__ == "__main__":
    sys.exit(main())
