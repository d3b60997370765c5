"""From a table to a formula; `nalu_jax.discover.regressor` has the same as a scikit-learn estimator.

>>> import numpy as np
>>> from nalu_jax import discover
>>> x = np.random.default_rng(0).uniform(0.5, 2.0, (40, 2))
>>> found = discover.table(x, 3 * x[:, 0] / x[:, 1] ** 2, names=("m", "r"), target="g", restarts=8, progress=False)
>>> found.formula
'3*m/r**2'
"""

from ._splits import Split as Split
from ._splits import split as split
from ._table import Found as Found
from ._table import Term as Term
from ._table import table as table
from ._table_checks import check_table as check_table
