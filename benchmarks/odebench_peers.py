"""Which of ODEBench's 63 systems does pysindy recover: weak form, ensembles, SINDy-PI, beside `discover.ode`?

The data, and what counts as recovered, are those of `odebench_all`, two trajectories: normal noise of 0, 1 and 5 %.

sindy      a library of polynomials, centred differences, sequentially thresholded least squares
ensemble   the same, the median of 20 fits to rows drawn with replacement
weak       the weak form over 200 parts of the time, no derivatives of data
implicit   SINDy-PI: one regression for each product of the library, those with rates among them. Each of them that has
           one rate alone gives that rate as a quotient; the equation counts as recovered where any of them is right

pysindy 2.1 with its defaults but for what the columns say: polynomials up to degree 3 (2 for SINDy-PI, where rates
multiply them), and the threshold, or weight, that settles how many terms are left: that of the documentation and a
smaller one. Its answers have no verdict. What pysindy refuses is not recovered.

    python -m benchmarks.odebench_peers --json benchmarks/results/odebench_peers.json

Needs pysindy and cvxpy: `pip install -e ".[bench]"`.

References:
    Brunton, Proctor, Kutz, "Discovering governing equations from data by sparse identification of nonlinear dynamical
    systems", PNAS 2016; Messenger, Bortz, "Weak SINDy", Multiscale Modeling and Simulation 2021; Fasel, Kutz, Brunton,
    Brunton, "Ensemble-SINDy", Proceedings of the Royal Society A 2022; Kaheman, Kutz, Brunton, "SINDy-PI", Proceedings
    of the Royal Society A 2020.
"""

import contextlib
import io
import re
import sys
import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import sympy

from nalu_jax import discover

from . import _judge, _odebench_systems, _pool, _report, odebench_all
from ._odebench_systems import ALL_SYSTEMS, OUTSIDE

try:
    import pysindy  # pyright: ignore[reportMissingImports]
except ModuleNotFoundError:  # the tables of results are made without it
    pysindy = None

QUESTION = _report.question(__doc__)
OURS = "nalu_jax"
THRESHOLDS = {"sindy": (0.1, 0.02), "ensemble": (0.1, 0.02), "weak": (0.1, 0.02), "implicit": (0.1, 1e-3)}
METHODS = (OURS, *THRESHOLDS)
PARTS = 200  # of the time, in the weak form
LITTLE = 1e-3  # of the largest: smaller numbers of SINDy-PI, whose solver leaves no zeros, are none
JUDGED_SECONDS = 60
FACTOR = re.compile(r"([a-d])(?!_)(?:\^(\d+))?")
RATE = re.compile(r"([a-d])_t")


def tasks(methods: Sequence[str], systems: Sequence[int], noises: Sequence[float]) -> list[_report.Row]:
    """One row for each method, threshold, noise and system."""
    rows = odebench_all.tasks([odebench_all.TWO], systems, noises)
    return [
        {"method": method, "threshold": threshold} | row
        for method in methods
        for threshold in THRESHOLDS.get(method, (None,))
        for row in rows
    ]


def measure(row: _report.Row) -> _report.Row:
    """What a method finds, judged."""
    system = ALL_SYSTEMS[row["system"]]
    ts, ys, rng = odebench_all.drawn(row)
    start = time.process_time()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # of its optimisers, where a threshold leaves nothing
            found = identify(row["method"], row["threshold"], ts, ys)
    except (ValueError, TypeError, np.linalg.LinAlgError) as error:
        return {"recovered": False, "seconds": time.process_time() - start, "why": str(error)}
    seconds = time.process_time() - start
    try:
        with _judge.time_limit(JUDGED_SECONDS):
            recovered = odebench_all.recovered(system, found, rng)
    except TimeoutError:
        recovered = False
    first = [str(expressions[0]) if expressions else "-" for expressions in found]
    return {"recovered": recovered, "seconds": seconds, "equations": first}


def identify(method: str, threshold: float, ts: list[np.ndarray], ys: list[np.ndarray]) -> list[list[sympy.Expr]]:
    """Of each state the rates that a method offers."""
    names = _odebench_systems.STATES[: ys[0].shape[1]]
    if method == OURS:
        found = discover.ode(ts, ys, names=names, progress=False)
        _report.check_whole(found)
        return [[rate.expression] for rate in found.best.rates]
    if pysindy is None:
        raise ModuleNotFoundError('odebench_peers.py compares with pysindy: pip install -e ".[bench]"')
    optimizer, library = _parts(pysindy, method, threshold, ts[0])
    model = pysindy.SINDy(optimizer=optimizer, feature_library=library)
    model.fit(ys, t=ts[0], feature_names=list(names))
    features, coefficients = model.get_feature_names(), np.asarray(model.coefficients())
    if method == "implicit":
        return _solved(features, coefficients, names)
    return [[_sum(features, row)] for row in coefficients]


def _parts(ps: Any, method: str, threshold: float, ts: np.ndarray) -> tuple[Any, Any]:
    """Optimiser and library."""
    if method == "implicit":
        library = ps.PDELibrary(
            function_library=ps.PolynomialLibrary(degree=2, include_bias=False),
            temporal_grid=ts,
            derivative_order=1,
            include_bias=True,
            implicit_terms=True,
        )
        return ps.SINDyPI(reg_weight_lam=threshold), library
    optimizer, library = ps.STLSQ(threshold=threshold), ps.PolynomialLibrary(degree=3)
    if method == "ensemble":
        return ps.EnsembleOptimizer(optimizer, bagging=True), library
    if method == "weak":
        library = ps.WeakPDELibrary(function_library=library, spatiotemporal_grid=ts, is_uniform=True, K=PARTS)
    return optimizer, library


def _product(feature: str) -> sympy.Expr:
    """Of the states in a feature's name: "1", "a^2 b", "a^2ba_t"."""
    states = RATE.sub("", feature)
    return sympy.Mul(*(sympy.Symbol(name, real=True) ** int(power or 1) for name, power in FACTOR.findall(states)))


def _sum(features: Sequence[str], coefficients: np.ndarray) -> sympy.Expr:
    terms = zip(features, coefficients, strict=True)
    return sympy.Add(*(sympy.Float(value) * _product(feature) for feature, value in terms if value != 0))


def _solved(features: Sequence[str], coefficients: np.ndarray, names: Sequence[str]) -> list[list[sympy.Expr]]:
    """Of each state all rates of implicit equations, feature = sum, that have no other state's rate."""
    of_rate = np.array([(RATE.findall(feature) or [""])[0] for feature in features])
    found: list[list[sympy.Expr]] = [[] for _ in names]
    for place, row in enumerate(coefficients):
        row = np.where(np.abs(row) > LITTLE * np.abs(row).max(), row, 0.0)
        row[place] = -1.0
        there = set(of_rate[row != 0]) - {""}
        if len(there) == 1:
            rate = there.pop()
            above, below = (_sum(features, np.where(of_rate == name, row, 0.0)) for name in ("", rate))
            found[names.index(rate)].append(-above / below)
    return found


def table(rows: Sequence[_report.Row]) -> str:
    """One line for each method and threshold."""
    return _report.text_table(*header_and_lines(rows))


def header_and_lines(rows: Sequence[_report.Row]) -> tuple[list[str], list[list[str]]]:
    """Systems recovered by noise, of all and of those in the class of sums of products."""
    noises = odebench_all.NOISES[odebench_all.TWO]
    header = ["method", "threshold", *(f"noise {noise:g}: of all" for noise in noises)]
    header += [*(f"noise {noise:g}: in class" for noise in noises), "median s", "largest s"]
    lines = []
    for method, threshold in dict.fromkeys((row["method"], row["threshold"]) for row in rows):
        own = [row for row in rows if (row["method"], row["threshold"]) == (method, threshold)]
        in_class = [row for row in own if row["system"] not in OUTSIDE]
        counts = [_count(those, noise) for those in (own, in_class) for noise in noises]
        seconds = [row["seconds"] for row in own if "seconds" in row] or [np.nan]
        name = "-" if threshold is None else f"{threshold:g}"
        lines.append([method, name, *counts, f"{np.median(seconds):.2f}", f"{max(seconds):.1f}"])
    return header, lines


def _count(rows: Sequence[_report.Row], noise: float) -> str:
    own = [row.get("recovered", False) for row in rows if row["noise"] == noise]
    return f"{sum(own)} of {len(own)}"


def summary(data: dict[str, Any]) -> str:
    """Systems recovered by each method, with the better threshold at each noise."""
    rows = data["rows"]
    noises = odebench_all.NOISES[odebench_all.TWO]
    parts = []
    for method in dict.fromkeys(row["method"] for row in rows):
        best = []
        for noise in noises:
            own = [row for row in rows if row["method"] == method and row["noise"] == noise]
            counts = [
                sum(row.get("recovered", False) for row in own if row["threshold"] == threshold)
                for threshold in THRESHOLDS.get(method, (None,))
            ]
            best.append(str(max(counts)))
        parts.append(f"{method}: {', '.join(best)} of {len(set(row['system'] for row in rows))} recovered")
    return f"noise {', '.join(f'{noise:g}' for noise in noises)}, the better threshold: {'; '.join(parts)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = _report.parser(__doc__)
    parser.add_argument("--systems", nargs="+", type=int, choices=list(ALL_SYSTEMS), default=list(ALL_SYSTEMS),
                        metavar="ID")  # fmt: skip
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), help="only these")
    noises = odebench_all.NOISES[odebench_all.TWO]
    parser.add_argument("--noise", nargs="+", type=float, choices=noises, default=list(noises))
    _pool.add_options(parser)
    options = parser.parse_args(arguments)
    effort = _report.effort_of(options).name
    systems = {"quick": odebench_all.QUICK, "smoke": odebench_all.QUICK[:1]}.get(effort, options.systems)
    results = _report.results(__file__, QUESTION, options)
    return _pool.run(results, tasks(options.methods, systems, options.noise), measure, table, options)


if __name__ == "__main__":
    sys.exit(main())
