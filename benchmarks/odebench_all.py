"""Which of all 63 systems of ODEBench does `discover.ode` recover, and does what it finds hold from another state?

two trajectories   both initial states, 100 points each on [0, 10]; normal noise of 0, 1 and 5 % of each state's
                   standard deviation, of which nothing is said.
                   recovered: every equation is the law in whatever clothes (`_judge`: its numbers fitted again to the
                   true rates at states drawn from the ranges of the trajectories; no useless term, simple exponents)
published          the first initial state, 150 points on [0, 10]; every value times 1 + noise of 0, 1, 3 and 5 %; all
                   points, or half of them drawn without order.
                   reconstruction, generalisation: R^2 > 0.9 of the found system from the first and from the second
                   initial state against the true trajectory without noise; of the worst state

Which systems are in the class of sums of monomials says `_odebench_systems`. System 55 without noise was looked at
while the search was made, see `odebench`.

    python -m benchmarks.odebench_all --json benchmarks/results/odebench_all.json
"""

import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import sympy

from nalu_jax import discover

from . import _judge, _odebench_systems, _pool, _report, odebench
from ._odebench_systems import ALL_SYSTEMS, OUTSIDE

QUESTION = _report.question(__doc__)
TWO, PUBLISHED = "two trajectories", "published"
NOISES = {TWO: (0.0, 0.01, 0.05), PUBLISHED: (0.0, 0.01, 0.03, 0.05)}
DROPPED = {TWO: (0.0,), PUBLISHED: (0.0, 0.5)}
POINTS = 100  # of each of two trajectories
STATES = 400  # at which rates are compared
GOOD = 0.9  # R^2
QUICK = (1, 23, 24)
SEED = 50_000


def tasks(protocols: Sequence[str], systems: Sequence[int], noises: Sequence[float]) -> list[_report.Row]:
    """One row for each protocol, noise, share of points and system."""
    return [
        {"protocol": protocol, "noise": noise, "dropped": dropped, "system": system}
        for protocol in protocols
        for noise in NOISES[protocol]
        if noise in noises
        for dropped in DROPPED[protocol]
        for system in systems
    ]


def measure(row: _report.Row) -> _report.Row:
    """The system that was found, and how good it is."""
    system = ALL_SYSTEMS[row["system"]]
    ts, ys, rng = drawn(row)
    names = _odebench_systems.STATES[: len(system.first)]
    start = time.process_time()
    found = discover.ode(ts, ys, names=names, progress=False)
    seconds = time.process_time() - start
    _report.check_whole(found)
    result: _report.Row = {
        "seconds": seconds,
        "verdict": found.verdict,
        "reason": found.reason,
        "equations": list(found.best.with_errors),
    }
    if row["protocol"] == TWO:
        return result | {"recovered": recovered(system, [[rate.expression] for rate in found.best.rates], rng)}
    whole = np.linspace(0.0, _odebench_systems.END, _odebench_systems.POINTS)
    starts = {"reconstruction": system.first, "generalisation": system.second}
    return result | {
        name: odebench.r2(system.simulate(initial, whole), found.simulate(initial, whole))
        for name, initial in starts.items()
    }


def drawn(row: _report.Row) -> tuple[list[np.ndarray], list[np.ndarray], np.random.Generator]:
    """Times and noisy states of each trajectory of a row, and its random numbers for what is drawn later."""
    system, noise = ALL_SYSTEMS[row["system"]], row["noise"]
    rng = np.random.default_rng([SEED, row["system"], round(1000 * noise), round(100 * row["dropped"])])
    if row["protocol"] == TWO:
        ts = np.linspace(0.0, _odebench_systems.END, POINTS)
        clean = [system.simulate(initial, ts) for initial in (system.first, system.second)]
        return [ts, ts], [ys + noise * ys.std(0) * rng.normal(size=ys.shape) for ys in clean], rng
    ts = np.linspace(0.0, _odebench_systems.END, _odebench_systems.POINTS)
    ys = system.simulate(system.first, ts)
    kept = np.sort(rng.permutation(len(ts))[: round((1 - row["dropped"]) * len(ts))])
    return [ts[kept]], [(ys * (1 + noise * rng.normal(size=ys.shape)))[kept]], rng


def recovered(
    system: _odebench_systems.System, offered: Sequence[Sequence[sympy.Expr | None]], rng: np.random.Generator
) -> bool:
    """Whether the rate of every state is among those that are offered for it."""
    ts = np.linspace(0.0, _odebench_systems.END, POINTS)
    seen = np.concatenate([system.simulate(initial, ts) for initial in (system.first, system.second)])
    states = rng.uniform(seen.min(0), seen.max(0), (STATES, seen.shape[1]))
    symbols = sympy.symbols(_odebench_systems.STATES[: seen.shape[1]], real=True)
    for expression, answers in zip(system.expressions(), offered, strict=True):
        with np.errstate(all="ignore"):
            values = np.broadcast_to(sympy.lambdify(symbols, expression, "numpy")(*states.T), STATES).astype(float)
        usable = np.isfinite(values)
        of_law = (_judge.same_law(each, symbols, states[usable], values[usable], real=True).same for each in answers)
        if not any(of_law):
            return False
    return True


def answered(rows: Sequence[_report.Row]) -> list[_report.Row]:
    """The rows; a system without an answer is not recovered, and does not hold."""
    nothing = {"verdict": "no answer", "seconds": np.nan, "recovered": False, "reconstruction": None,
               "generalisation": None}  # fmt: skip
    return [row | nothing if "skipped" in row else row for row in rows]


def table(rows: Sequence[_report.Row]) -> str:
    """One line for each protocol, noise and share of points, and counts."""
    return f"{_report.text_table(*header_and_lines(rows))}\n{summary({'rows': rows})}"


def header_and_lines(rows: Sequence[_report.Row]) -> tuple[list[str], list[list[str]]]:
    """One line for each protocol, noise and share of points."""
    header = ["protocol", "noise", "dropped", "systems", "recovered", "in class", "reconstruction", "generalisation",
              "said", "of these wrong", "median s", "largest s"]  # fmt: skip
    measured = answered(rows)
    lines = []
    for protocol, noise, dropped in dict.fromkeys((r["protocol"], r["noise"], r["dropped"]) for r in measured):
        own = [r for r in measured if (r["protocol"], r["noise"], r["dropped"]) == (protocol, noise, dropped)]
        lines.append([protocol, f"{noise:g}", f"{dropped:g}", str(len(own)), *_counts(own)])
    return header, lines


def _counts(rows: Sequence[_report.Row]) -> list[str]:
    seconds = [row["seconds"] for row in rows]
    times = [f"{np.nanmedian(seconds):.1f}", f"{np.nanmax(seconds):.1f}"]
    if rows[0]["protocol"] == PUBLISHED:
        shares = [f"{100 * _good(rows, name):.0f} %" for name in ("reconstruction", "generalisation")]
        return ["-", "-", *shares, "-", "-", *times]
    in_class = [row for row in rows if row["system"] not in OUTSIDE]
    said = [row["recovered"] for row in rows if row["verdict"] == "recovered"]
    right = str(sum(row["recovered"] for row in rows))
    of_class = f"{sum(row['recovered'] for row in in_class)} of {len(in_class)}"
    return [right, of_class, "-", "-", str(len(said)), str(len(said) - sum(said)), *times]


def _good(rows: Sequence[_report.Row], name: str) -> float:
    """Share of systems that hold; a trajectory that could not be simulated does not."""
    return float(np.mean([row[name] is not None and row[name] > GOOD for row in rows]))


def summary(data: dict[str, Any]) -> str:
    """Counts by noise."""
    measured = answered(data["rows"])
    parts = []
    for noise in NOISES[TWO]:
        own = [row for row in measured if row["protocol"] == TWO and row["noise"] == noise]
        if own:
            parts.append(
                f"two trajectories, noise {noise:g}: {sum(r['recovered'] for r in own)} of {len(own)} recovered"
            )
    for noise in NOISES[PUBLISHED]:
        for dropped in DROPPED[PUBLISHED]:
            own = [r for r in measured if (r["protocol"], r["noise"], r["dropped"]) == (PUBLISHED, noise, dropped)]
            if own:
                both = " and ".join(f"{100 * _good(own, name):.0f}" for name in ("reconstruction", "generalisation"))
                parts.append(f"published, noise {noise:g}, {dropped:.0%} dropped: R2 > 0.9 of {both} %")
    return "; ".join(parts) or "nothing measured"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = _report.parser(__doc__)
    parser.add_argument("--systems", nargs="+", type=int, choices=list(ALL_SYSTEMS), default=list(ALL_SYSTEMS),
                        metavar="ID")  # fmt: skip
    parser.add_argument("--protocols", nargs="+", choices=[TWO, PUBLISHED], default=[TWO, PUBLISHED])
    parser.add_argument("--noise", nargs="+", type=float, choices=NOISES[PUBLISHED], default=list(NOISES[PUBLISHED]))
    _pool.add_options(parser)
    options = parser.parse_args(arguments)
    effort = _report.effort_of(options).name
    systems = {"quick": QUICK, "smoke": QUICK[:1]}.get(effort, options.systems)
    results = _report.results(__file__, QUESTION, options)
    return _pool.run(results, tasks(options.protocols, systems, options.noise), measure, table, options)


if __name__ == "__main__":
    sys.exit(main())
