"""Are the equations of the fractional SIR model found from 40 points, exact and with 1 % noise?

`discover.ode` on the data of `_sir.py`: exact ones (SciPy at tolerances of 1e-11), from the published initial state
(without a seed in the table) and, as `discover.ode` draws no random numbers, from 20 others that a seed draws; and 20
draws of normal noise of 1 % of each state's standard deviation with a known initial state, the published one.

    python -m benchmarks.fractional_sir --json benchmarks/results/fractional_sir.json

Published (NPU paper, figure 6): exponents .62 and .57 for .5 and .5.
"""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nalu_jax import discover

from . import _report, _sir

QUESTION = _report.question(__doc__)
NOISES = (0.0, 0.01)
SEEDS = STARTS = 20


def tasks(noises: Sequence[float], seeds: int, starts: int, first_seed: int) -> list[_report.Row]:
    """One row for each noise and seed; exact data once without a seed, and once for each initial state."""
    exact = [None, *range(first_seed, first_seed + starts)]
    drawn = list(range(first_seed, first_seed + seeds))
    return [{"noise": noise, "seed": seed} for noise in noises for seed in (exact if noise == 0 else drawn)]


def measure(row: _report.Row) -> _report.Row:
    """What was found, after its exponents were rounded."""
    ts, exact, ys = data(row["noise"], row["seed"])
    start = time.perf_counter()
    found = discover.ode(ts, ys, names=_sir.NAMES, initial_states="exact", progress=False)
    _report.check_whole(found)
    result: _report.Row = {"seconds": time.perf_counter() - start, "verdict": found.verdict}
    result["after"] = recovery(found) | {"error": found.best.error}
    result["equations"] = list(found.best.with_errors)
    simulated = found.simulate(exact[0], ts)
    return result | {"mse": float(np.mean((simulated - exact) ** 2)) if np.isfinite(simulated).all() else None}


def recovery(found: discover.FoundSystem) -> dict[str, Any]:
    """What `_sir.recovery` says of equations that are sums of products; other forms are not the model's."""
    if found.model is None or len(found.params) > 2:
        return {"structure": False, "exponent_error": None, "rate_error": None}
    powers, sums = found.params
    return _sir.recovery(powers["re"].T, sums["w"])


def data(noise: float, seed: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, exact states and measured ones; a seed draws the noise or, where there is none, the initial state."""
    if noise == 0:
        ts, exact = _sir.data(_sir.START if seed is None else _sir.other_start(seed))
        return ts, exact, exact
    assert seed is not None
    ts, exact = _sir.data(_sir.START)
    return ts, exact, _sir.noisy(exact, noise, seed)


def table(rows: Sequence[_report.Row]) -> str:
    """One line a row."""
    header = ["noise", "seed", "structure", "exponents", "rates", "verdict", "seconds"]
    digits = lambda value: "-" if value is None else f"{value:.1g}"
    lines = [
        [
            f"{row['noise']:g}",
            "-" if row["seed"] is None else str(row["seed"]),
            "exact" if row["after"]["structure"] else "other",
            digits(row["after"]["exponent_error"]),
            digits(row["after"]["rate_error"]),
            row["verdict"],
            f"{row['seconds']:.1f}",
        ]
        for row in rows
        if "skipped" not in row
    ]
    return f"{_report.text_table(header, lines)}\n{summary({'rows': rows})}"


def summary(data: dict[str, Any]) -> str:
    """How often the structure was exact, and how far off exponents and rates were at most."""
    measured = [row for row in data["rows"] if "skipped" not in row]
    parts = []
    for noise in sorted({row["noise"] for row in measured}):
        after = [row["after"] for row in measured if row["noise"] == noise]
        exact = [each for each in after if each["structure"]]
        worst = lambda name, those=exact: max((each[name] for each in those), default=float("nan"))
        parts.append(
            f"noise {noise:g}: structure exact in {len(exact)} of {len(after)}, there exponents within "
            f"{worst('exponent_error'):.1g} and rates within {100 * worst('rate_error'):.1g} % after rounding"
        )
    return "; ".join(parts) or "nothing measured"


def run(
    file: str,
    doc: str | None,
    noises: Sequence[float],
    seeds: int,
    starts: int,
    measure: Callable[[_report.Row], _report.Row],
    table: Callable[[Sequence[_report.Row]], str],
    arguments: Sequence[str] | None,
) -> int:
    """A script with the rows of `tasks`, from its command line; returns the exit code."""
    parser = _report.parser(doc)
    parser.add_argument("--noise", nargs="+", type=float, choices=noises, default=list(noises))
    parser.add_argument("--seeds", type=int, default=seeds, help="draws of the noise")
    parser.add_argument("--first-seed", type=int, default=20000)
    if starts:
        parser.add_argument("--starts", type=int, default=starts, help="other initial states, for exact data")
    else:
        parser.set_defaults(starts=0)
    options = parser.parse_args(arguments)
    effort = _report.effort_of(options)
    if effort.name != "full":
        options.noise, options.starts = [0.0], 0
    results = _report.results(file, _report.question(doc), options)
    rows = tasks(options.noise, options.seeds, options.starts, options.first_seed)
    return _report.run(results, rows, measure, table, effort)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    return run(__file__, __doc__, NOISES, SEEDS, STARTS, measure, table, arguments)


if __name__ == "__main__":
    sys.exit(main())
