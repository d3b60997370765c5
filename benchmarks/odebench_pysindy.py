"""Which of ODEBench's 37 systems of sums of monomials does pysindy recover, from the data of `odebench.py`?

Sparse identification of nonlinear dynamics with the package's defaults (polynomials of degree two, finite differences,
sequentially thresholded least squares with threshold 0.1), and with every product of up to two states at powers of
-1, -0.5, 0.5, 1, 1.5, 2, 3 in the library, else the same. Data, noise and what counts as recovered are those of
`odebench.py`: exponents are then exact or wrong, as the library has them or not.

    python -m benchmarks.odebench_pysindy --json benchmarks/results/odebench_pysindy.json

Needs pysindy: `pip install -e ".[bench]"`.

Reference:
    Brunton, Proctor, Kutz, "Discovering governing equations from data by sparse identification of nonlinear dynamical
    systems", PNAS 2016.
"""

import functools
import itertools
import sys
import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from . import _report, odebench
from ._odebench_systems import SYSTEMS

try:
    import pysindy  # pyright: ignore[reportMissingImports]
except ModuleNotFoundError:  # the tables of results are made without it
    pysindy = None

QUESTION = _report.question(__doc__)
LIBRARIES = ("defaults", "fractional powers")
POWERS = (-1.0, -0.5, 0.5, 1.0, 1.5, 2.0, 3.0)


def tasks(libraries: Sequence[str], systems: Sequence[int], noises: Sequence[float]) -> list[_report.Row]:
    """One row for each library, noise and system."""
    rows = odebench.tasks(systems, noises)
    return [{"library": library} | row for library in libraries for row in rows]


def exponents_of(library: str, states: int) -> np.ndarray:
    """(n_terms, states) of the products in a library, the constant among them."""
    if library == "defaults":
        rows = [row for row in itertools.product(range(3), repeat=states) if sum(row) <= 2]
        return np.array(rows, float)
    rows = itertools.product((0.0, *POWERS), repeat=states)
    return np.array([row for row in rows if np.count_nonzero(row) <= 2])


def measure(row: _report.Row, *, seed: int) -> _report.Row:
    """What pysindy finds, judged as `odebench.py` judges."""
    system = SYSTEMS[row["system"]]
    ts, ys = odebench.data(system, row["noise"], [seed, row["system"]])
    start = time.perf_counter()
    try:
        exponents, coefficients = identify(row["library"], ts, ys)
    except ValueError as error:  # powers of negative states are not numbers, which its solver refuses
        return {
            "recovered": False,
            "r2": None,
            "terms": None,
            "seconds": time.perf_counter() - start,
            "why": str(error),
        }
    seconds = time.perf_counter() - start
    found = odebench.terms(exponents, coefficients)
    recovered = [set(own) for own in found] == [set(own) for own in odebench.true_terms(system)]
    predicted = simulate(exponents, coefficients, system.second, ts)
    return {
        "recovered": recovered,
        "r2": odebench.r2(system.simulate(system.second, ts), predicted),
        "terms": int(np.count_nonzero(coefficients)),
        "seconds": seconds,
    }


def identify(library: str, ts: np.ndarray, ys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(exponents (n_terms, n_states), coefficients (n_terms, n_states)) by pysindy's finite differences and optimiser.

    That is what its `SINDy` does; a library of its own class takes no products of real powers.
    """
    if pysindy is None:
        raise ModuleNotFoundError('odebench_pysindy.py compares with pysindy: pip install -e ".[bench]"')
    exponents = exponents_of(library, ys.shape[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        features = np.prod(ys[:, None, :] ** exponents, axis=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its optimiser, where a threshold leaves nothing
        optimiser = pysindy.STLSQ().fit(features, pysindy.FiniteDifference()(ys, ts))
    return exponents, np.asarray(optimiser.coef_).T


def simulate(exponents: np.ndarray, coefficients: np.ndarray, start: Sequence[float], ts: np.ndarray) -> np.ndarray:
    """States (n_times, n_states) of what was found; NaN where they blow up or take more than 10,000 rates."""
    failed = np.full((len(ts), len(start)), np.nan)
    left = itertools.count(10_000, -1)

    def rates(t: float, y: np.ndarray) -> np.ndarray:
        if next(left) == 0 or np.abs(y).max() > 1e6:
            raise FloatingPointError
        with np.errstate(all="ignore"):
            return np.prod(y**exponents, axis=1) @ coefficients

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of steps that are not numbers
            solution = solve_ivp(rates, (float(ts[0]), float(ts[-1])), start, t_eval=ts, rtol=1e-6, atol=1e-8)
    except FloatingPointError:
        return failed
    return solution.y.T if solution.success else failed


def table(rows: Sequence[_report.Row]) -> str:
    """One line for each library, noise and system, and the counts."""
    header = ["library", "system", "noise", "recovered", "terms", "R2", "seconds"]
    lines = [
        [
            row["library"],
            str(row["system"]),
            f"{row['noise']:g}",
            "yes" if row["recovered"] else "no",
            "-" if row["terms"] is None else str(row["terms"]),
            "-" if row["r2"] is None else f"{row['r2']:.6f}",
            f"{row['seconds']:.2f}",
        ]
        for row in rows
        if "skipped" not in row
    ]
    return f"{_report.text_table(header, lines)}\n{summary({'rows': rows})}"


def summary(data: dict[str, Any]) -> str:
    """How many were recovered, by library and noise."""
    measured = [row for row in data["rows"] if "skipped" not in row]
    parts = [
        f"{library}: {odebench.summary({'rows': those})}"
        for library in LIBRARIES
        if (those := [row for row in measured if row["library"] == library])
    ]
    return "; ".join(parts) or "nothing measured"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = odebench.parser(__doc__)
    options = parser.parse_args(arguments)
    effort = odebench.effort_of(options)
    results = _report.results(__file__, QUESTION, options)
    step = functools.partial(measure, seed=options.seed)
    return _report.run(results, tasks(LIBRARIES, options.systems, options.noise), step, table, effort)


if __name__ == "__main__":
    sys.exit(main())
