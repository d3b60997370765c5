"""From measurements to formulas: `table` finds the formula behind columns of numbers, `ode` equations of trajectories.

`nalu_jax.discover.regressor` has `table` as a scikit-learn estimator.

>>> import numpy as np
>>> from nalu_jax import discover
>>> x = np.random.default_rng(0).uniform(0.5, 2.0, (40, 2))
>>> found = discover.table(x, 3 * x[:, 0] / x[:, 1] ** 2, names=("m", "r"), powers=2, restarts=8, progress=False)
>>> found.formula
'3*m/r**2'
>>> ts = np.linspace(0.0, 2.0, 21)
>>> found = discover.ode(ts, np.exp(-1.5 * ts), names=["mass"], progress=False)
>>> found.verdict, found.best.exponents.tolist(), found.best.coefficients.round(6).tolist()
('recovered', [[1.0]], [[-1.5]])
>>> float(found.simulate([0.0, 1.0], [2.0])[-1, 0].round(6))
0.44626
"""

from ._ode import ode
from ._result import Candidate, Discovery
from ._splits import Split, split
from ._table import Found, Term, table
from ._table_checks import check_table

__all__ = [
    "ode",
    "Candidate",
    "Discovery",
    "Split",
    "split",
    "Found",
    "Term",
    "table",
    "check_table",
]


def __dir__() -> list[str]:
    return sorted(__all__)
