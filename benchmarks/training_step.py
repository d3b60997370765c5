"""What does a whole training step cost per restart, with 1, 32 and 256 restarts trained at once?

A step is value and gradient of the mean squared error of a chain, Adam's update of the params, and the clamp of the
units' papers (`project`), all under one `jit`; restarts are a leading axis under `vmap`, and the state is donated, so
that it is updated in place. Within a row all numbers of restarts take turns, of the package and of the textbook form.
"speedup" compares with the textbook form at the same number of restarts, "gain" with as many steps of one restart.

    python -m benchmarks.training_step --json benchmarks/results/training_step.json
"""

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

import nalu_jax
from nalu_jax._unit import Chain

from . import _report, _textbook, _timing

QUESTION = _report.question(__doc__)
CHAINS = {"nau-nmu": ("nau", "nmu"), "real_npu-nau": ("real_npu", "nau"), "nmu-nmu": ("nmu", "nmu")}
SHAPE = (10, 10, 1)
BATCH = 128
RESTARTS = (1, 32, 256)
OPTIMISER = optax.adam(1e-3)


def tasks(chains: Sequence[str], restarts: Sequence[int]) -> list[_report.Row]:
    """One row for each chain."""
    return [{"chain": name, "dtype": "float32", "size": [BATCH, *SHAPE], "restarts": list(restarts)} for name in chains]


def measure(task: _report.Row, *, effort: _report.Effort) -> _report.Row:
    """Both forms at every number of restarts."""
    units = CHAINS[task["chain"]]
    chain = nalu_jax.chain(*(nalu_jax.UNITS[unit] for unit in units))
    forms = {"nalu_jax": chain.apply, "textbook": functools.partial(apply_textbook, units)}
    steps: dict[str, _timing.Call] = {}
    candidates: dict[str, dict[str, Any]] = {}
    for restarts in task["restarts"]:
        state = start(chain, restarts)
        for form, apply in forms.items():
            name = candidate_name(form, restarts)
            steps[name], candidates[name] = training_step(chain, apply, state)
    timed = _timing.compare(steps, baseline=candidate_name("textbook", task["restarts"][0]), **effort.repeats())
    for name, result in timed.items():
        candidates[name] |= {key: result[key] for key in ("seconds", "repeats", "calls_per_sample")}
    _add_ratios(candidates, forms, task["restarts"])
    return {"candidates": candidates}


def candidate_name(form: str, restarts: int) -> str:
    """ "nalu_jax x 32" """
    return f"{form} x {restarts}"


def apply_textbook(units: Sequence[str], params: Sequence[Any], x: jax.Array) -> jax.Array:
    """The chain's forward pass from textbook forms."""
    for unit, unit_params in zip(units, params, strict=True):
        x = _textbook.TEXTBOOK[unit](unit_params, x)
    return x


def start(chain: Chain, restarts: int) -> Any:
    """Params, Adam's state and a loss for every restart, on a leading axis."""

    def one(key: jax.Array) -> Any:
        params = chain.init(key, SHAPE)
        return params, OPTIMISER.init(params), jnp.zeros(())

    return jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), restarts))


def training_step(chain: Chain, apply: Callable[..., jax.Array], state: Any) -> tuple[_timing.Call, dict[str, Any]]:
    """A call that trains all restarts by one step, from a copy of the state, and what it took to compile."""
    x = jax.random.uniform(jax.random.key(1), (BATCH, SHAPE[0]), jnp.float32, 0.5, 1.5)
    y = jnp.mean(x, axis=-1, keepdims=True)

    def one_step(state: Any, x: jax.Array, y: jax.Array) -> Any:
        params, optimiser_state, _ = state
        loss, gradient = jax.value_and_grad(lambda p: jnp.mean((apply(p, x) - y) ** 2))(params)
        updates, optimiser_state = OPTIMISER.update(gradient, optimiser_state, params)
        updated: Any = optax.apply_updates(params, updates)
        return chain.project(updated), optimiser_state, loss

    own = jax.tree.map(jnp.copy, state)  # a step donates its state
    compiled = _timing.compile_stateful(jax.vmap(one_step, in_axes=(0, None, None)), own, x, y)
    return compiled.call, compiled.times() | {"memory_bytes": compiled.memory_bytes}


def _add_ratios(candidates: dict[str, dict[str, Any]], forms: Any, restarts: Sequence[int]) -> None:
    for form in forms:
        alone = candidates[candidate_name(form, restarts[0])]["seconds"]["median"] / restarts[0]
        for count in restarts:
            result = candidates[candidate_name(form, count)]
            result["seconds_per_restart"] = result["seconds"]["median"] / count
            result["gain"] = alone / result["seconds_per_restart"]
    for count in restarts:
        textbook = candidates[candidate_name("textbook", count)]["seconds"]["median"]
        ours = candidates[candidate_name("nalu_jax", count)]
        ours["speedup"] = textbook / ours["seconds"]["median"]


def table(rows: Sequence[_report.Row]) -> str:
    """One line for each chain and number of restarts."""
    header = ["chain", "restarts", "step", "per restart", "gain", "textbook step", "speedup"]
    done = [row for row in rows if "skipped" not in row]
    return _report.text_table(header, [_line(row, count) for row in done for count in row["restarts"]])


def _line(row: _report.Row, count: int) -> list[str]:
    ours, textbook = (row["candidates"][candidate_name(form, count)] for form in ("nalu_jax", "textbook"))
    return [
        row["chain"],
        str(count),
        _report.duration(ours["seconds"]["median"]),
        _report.duration(ours["seconds_per_restart"]),
        _report.times(ours["gain"]),
        _report.duration(textbook["seconds"]["median"]),
        _report.times(ours["speedup"]),
    ]


def summary(data: dict[str, Any]) -> str:
    """The last result in one line: cost per restart at every number of restarts."""
    parts = []
    for row in data["rows"]:
        if "candidates" not in row:
            continue
        costs = [
            row["candidates"][candidate_name("nalu_jax", count)]["seconds_per_restart"] for count in row["restarts"]
        ]
        parts.append(f"{row['chain']} {', '.join(map(_report.duration, costs))}")
    if not parts:
        return "nothing measured"
    counts = " / ".join(map(str, data["rows"][0]["restarts"]))
    return f"a step per restart, with {counts} restarts at once: {'; '.join(parts)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = _report.parser(__doc__)
    parser.add_argument(
        "--units", nargs="+", choices=CHAINS, default=list(CHAINS), metavar="CHAIN", help="only these chains"
    )
    options = parser.parse_args(arguments)
    effort = _report.effort_of(options)
    restarts = {"full": RESTARTS, "quick": RESTARTS[:2], "smoke": (1, 2)}[effort.name]
    results = _report.results(__file__, QUESTION, options)
    step = functools.partial(measure, effort=effort)
    return _report.run(results, tasks(options.units, restarts), step, table, effort)


if __name__ == "__main__":
    sys.exit(main())
