"""Are systems of many states found, and one that is chaotic from noisy data?

lorenz 96    20 states, one trajectory of 100 points on [0, 4], Lorenz (1996), "Predictability: a problem partly solved"
network      12 species of a well-stirred reactor and 16 reactions, drawn: three trajectories of 120 points on [0, 8]
lorenz       3 states, one trajectory of 1000 points on [0, 20], with 10 and 30 % noise

right        equations with the law's terms and no others
behind       nats by which the evidence of the answer is behind that of the law, fitted to the same data: above 1 the
             search did not find it; below, the data prefer the answer
seconds      of the process

Even seeds are for reports, odd ones to tune on (`--odd`). The search for many states was tuned on other draws of the
first two, so that these two kinds of systems are in-sample, their draws are not.

    python -m benchmarks.many_states --json benchmarks/results/many_states.json
"""

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from nalu_jax import discover

from . import _pool, _report, systems
from ._drawn_systems import Product, System

QUESTION = _report.question(__doc__)
NOISES = {"lorenz 96": (0.01,), "network": (0.01,), "lorenz": (0.1, 0.3)}
DRAWS = 5
FIRST_SEED = 40_000
SPECIES, REACTIONS = 12, 16

Law = list[dict[tuple[int, ...], float]]
"""Of every equation the coefficients of its products, by the states whose product it is."""


def lorenz_96(rng: np.random.Generator) -> tuple[Law, list[np.ndarray], list[np.ndarray]]:
    """Each state is driven by three neighbours, and all by a force of 8."""
    n = 20
    ahead, behind = lambda i: ((i + 1) % n, (i - 1) % n), lambda i: ((i - 2) % n, (i - 1) % n)
    law: Law = [{_product(ahead(i)): 1.0, _product(behind(i)): -1.0, (i,): -1.0, (): 8.0} for i in range(n)]
    settled = _solved(law, rng.normal(size=n) + 2, np.array([0.0, 5.0]))[-1]
    ts = np.linspace(0, 4, 100)
    return law, [ts], [_solved(law, settled, ts)]


def network(rng: np.random.Generator) -> tuple[Law, list[np.ndarray], list[np.ndarray]]:
    """Reactions of one or two species to another one, by mass action."""
    law: Law = [defaultdict(float) for _ in range(SPECIES)]
    for _ in range(REACTIONS):
        rate = float(np.exp(0.5 * rng.normal()))
        used = rng.choice(SPECIES, 2 if rng.random() < 0.6 else 1, replace=False).tolist()
        made = int(rng.choice([species for species in range(SPECIES) if species not in used]))
        for species in used:
            law[species][_product(used)] -= rate
        law[made][_product(used)] += rate
    law = [{key: value for key, value in rates.items() if value} for rates in law]
    ts = np.linspace(0, 8, 120)
    return law, [ts] * 3, [_solved(law, rng.uniform(0.2, 2, SPECIES), ts) for _ in range(3)]


def lorenz(rng: np.random.Generator) -> tuple[Law, list[np.ndarray], list[np.ndarray]]:
    """Lorenz (1963), "Deterministic nonperiodic flow"."""
    law: Law = [
        {(0,): -10.0, (1,): 10.0},
        {(0,): 28.0, (0, 2): -1.0, (1,): -1.0},
        {(0, 1): 1.0, (2,): -8 / 3},
    ]
    settled = _solved(law, rng.normal(size=3) + [0, 0, 25], np.array([0.0, 5.0]))[-1]
    ts = np.linspace(0, 20, 1000)
    return law, [ts], [_solved(law, settled, ts)]


DRAWN: dict[str, Callable[[np.random.Generator], tuple[Law, list[np.ndarray], list[np.ndarray]]]] = {
    "lorenz 96": lorenz_96,
    "network": network,
    "lorenz": lorenz,
}


def _product(states: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(states))


def _solved(law: Law, start: np.ndarray, ts: np.ndarray) -> np.ndarray:
    rates = lambda t, y: [sum(c * np.prod(y[list(key)]) for key, c in each.items()) for each in law]
    return solve_ivp(rates, (ts[0], ts[-1]), start, t_eval=ts, rtol=1e-11, atol=1e-12, method="DOP853").y.T


def tasks(draws: int, first_seed: int, names: Sequence[str]) -> list[_report.Row]:
    """One row a draw and noise."""
    seeds = [first_seed + 2 * i for i in range(draws)]
    return [{"system": name, "noise": noise, "seed": s} for name in names for noise in NOISES[name] for s in seeds]


def measure(row: _report.Row) -> _report.Row:
    """Equations that the search gets right, and its time."""
    rng = np.random.default_rng([list(DRAWN).index(row["system"]), row["seed"]])
    law, ts, clean = DRAWN[row["system"]](rng)
    ys = [y + row["noise"] * y.std(0) * rng.normal(size=y.shape) for y in clean]
    start = time.process_time()
    found = discover.ode(ts, ys, progress=False)
    seconds = time.process_time() - start
    _report.check_whole(found)
    counts = [np.bincount(key, minlength=len(law)) if key else np.zeros(len(law)) for rates in law for key in rates]
    products = iter(counts)
    drawn = tuple(tuple(Product(c, tuple(map(float, next(products)))) for c in rates.values()) for rates in law)
    law_of = drawn, ((),) * len(law)
    right = [systems.same_rate(rate, above, ()) for rate, above in zip(found.best.rates, drawn, strict=True)]
    own = None if all(right) else systems.evidence_of(System(row["system"], row["seed"], row["noise"], *law_of, ts, ys))
    return {
        "right": sum(right),
        "behind": None if own is None else found.best.description_length - own,
        "equations": len(law),
        "verdict": found.verdict,
        "reason": found.reason,
        "seconds": seconds,
        "found": list(found.best.with_errors),
    }


def table(rows: Sequence[_report.Row]) -> str:
    """One line for each draw."""
    return _report.text_table(*header_and_lines(rows))


def header_and_lines(rows: Sequence[_report.Row]) -> tuple[list[str], list[list[str]]]:
    """One line for each draw."""
    header = ["system", "noise", "seed", "right", "of", "behind", "verdict", "s"]
    cells = lambda row: [
        row["system"],
        f"{row['noise']:g}",
        str(row["seed"]),
        str(row["right"]),
        str(row["equations"]),
        "" if row["behind"] is None else f"{row['behind']:.1f}",
        row["verdict"],
        f"{row['seconds']:.1f}",
    ]
    return header, [cells(row) for row in rows if "skipped" not in row]


def summary(data: dict[str, Any]) -> str:
    """Equations and whole systems that are right, and times."""
    rows = [row for row in data["rows"] if "skipped" not in row]
    parts = []
    for name, noise in dict.fromkeys((row["system"], row["noise"]) for row in rows):
        own = [row for row in rows if (row["system"], row["noise"]) == (name, noise)]
        whole = sum(row["right"] == row["equations"] for row in own)
        right, all_equations = (sum(row[key] for row in own) for key in ("right", "equations"))
        seconds = [row["seconds"] for row in own]
        missed = sum(row["behind"] is not None and row["behind"] > 1 for row in own)
        parts.append(
            f"{name}, noise {noise:g}: {whole} of {len(own)} whole, {right} of {all_equations} equations, "
            f"search failures {missed}, "
            f"median {np.median(seconds):.1f} s, largest {max(seconds):.1f} s"
        )
    return "; ".join(parts) or "nothing measured"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = _report.parser(__doc__)
    parser.add_argument("--systems", nargs="+", choices=list(DRAWN), default=list(DRAWN), metavar="SYSTEM")
    parser.add_argument("--odd", action="store_true", help="the seeds to tune on")
    _pool.add_options(parser)
    options = parser.parse_args(arguments)
    effort = _report.effort_of(options).name
    draws = {"quick": 1, "smoke": 1}.get(effort, DRAWS)
    names = ["lorenz"] if effort == "smoke" else options.systems
    results = _report.results(__file__, QUESTION, options)
    return _pool.run(results, tasks(draws, FIRST_SEED + options.odd, names), measure, table, options)


if __name__ == "__main__":
    sys.exit(main())
