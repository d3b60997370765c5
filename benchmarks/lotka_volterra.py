"""Is the interaction of Lotka and Volterra found where only growth and death are known (a universal ODE)?

dx/dt = 1.3 x + ?, dy/dt = -1.8 y + ?, with the interactions -0.9 x y and 0.8 x y unknown: 31 points over [0, 3] from
(0.44249296, 4.6280594), ten draws of normal noise of 0.5 % of each state's standard deviation, and exact data.

    python -m benchmarks.lotka_volterra --json benchmarks/results/lotka_volterra.json

Reference:
    Rackauckas et al., "Universal Differential Equations for Scientific Machine Learning", 2020, whose example it is.
"""

import sys
import time
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from scipy.integrate import solve_ivp

from nalu_jax import discover

from . import _report, fractional_sir, odebench

QUESTION = _report.question(__doc__)
GROWTH, EATEN, BORN, DEATH = 1.3, 0.9, 0.8, 1.8
START, END, POINTS = (0.44249296, 4.6280594), 3.0, 31
NOISES = (0.0, 0.005)
SEEDS = 10


def known(t: Any, y: Any) -> Any:
    """The linear part."""
    return jnp.stack([GROWTH * y[0], -DEATH * y[1]])


def data() -> tuple[np.ndarray, np.ndarray]:
    """Times and states (31, 2), by SciPy."""
    rates = lambda t, y: [GROWTH * y[0] - EATEN * y[0] * y[1], BORN * y[0] * y[1] - DEATH * y[1]]
    ts = np.linspace(0.0, END, POINTS)
    return ts, solve_ivp(rates, (0.0, END), START, t_eval=ts, rtol=1e-11, atol=1e-12, method="DOP853").y.T


def measure(row: _report.Row) -> _report.Row:
    """The interaction that was found."""
    ts, ys = data()
    if row["noise"]:
        ys = ys + row["noise"] * ys.std(0) * np.random.default_rng(row["seed"]).normal(size=ys.shape)
    start = time.perf_counter()
    found = discover.ode(ts, ys, names=["x", "y"], known=known, progress=False)
    _report.check_whole(found)
    result: _report.Row = {"seconds": time.perf_counter() - start, "verdict": found.verdict}
    terms = odebench.terms_of(found.best)
    result["equations"] = list(found.best.with_errors)
    result["recovered"] = [set(own) for own in terms] == [{(1.0, 1.0)}] * 2
    if result["recovered"]:
        errors = np.array([own[1.0, 1.0] for own in terms]) / np.array([-EATEN, BORN]) - 1
        result["coefficient_error"] = float(np.abs(errors).max())
    return result


def table(rows: Sequence[_report.Row]) -> str:
    """One line a row."""
    header = ["noise", "seed", "recovered", "coefficients", "verdict", "seconds"]
    lines = [
        [
            f"{row['noise']:g}",
            "-" if row["seed"] is None else str(row["seed"]),
            "yes" if row["recovered"] else "no",
            f"{row['coefficient_error']:.1g}" if row["recovered"] else "-",
            row["verdict"],
            f"{row['seconds']:.1f}",
        ]
        for row in rows
        if "skipped" not in row
    ]
    return f"{_report.text_table(header, lines)}\n{summary({'rows': rows})}"


def summary(data: dict[str, Any]) -> str:
    """How often the interaction was found."""
    measured = [row for row in data["rows"] if "skipped" not in row]
    noises = sorted({row["noise"] for row in measured})
    parts = [
        f"noise {noise:g}: x y in both equations and nothing else in {sum(row['recovered'] for row in those)} "
        f"of {len(those)}"
        for noise in noises
        for those in [[row for row in measured if row["noise"] == noise]]
    ]
    return "; ".join(parts) or "nothing measured"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    return fractional_sir.run(__file__, __doc__, NOISES, SEEDS, 0, measure, table, arguments)


if __name__ == "__main__":
    sys.exit(main())
