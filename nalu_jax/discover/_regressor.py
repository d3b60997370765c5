"""`discover.table` as a scikit-learn estimator. Needs the extra `sklearn`.

>>> import numpy as np
>>> from nalu_jax.discover.regressor import FormulaRegressor
>>> x = np.random.default_rng(0).uniform(0.5, 2.0, (40, 2))
>>> model = FormulaRegressor(powers=2, restarts=8).fit(x, x[:, 0] / x[:, 1])
>>> model.formula_, round(model.score(x, x[:, 0] / x[:, 1]), 6)
('x0/x1', 1.0)
"""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ._table import Found, table
from ._table_search import STEPS


class FormulaRegressor(RegressorMixin, BaseEstimator):
    """A sum of products of powers of the columns, found by `discover.table`, which explains the options.

    Args:
        domain: "real", or "positive" where all inputs are.
        error: "absolute" or "relative" residuals; None for what suits the domain.
        powers: the largest number of products; None for 4, or fewer where there are few rows.
        restarts: for every number of products.
        steps: of Adam, before Levenberg-Marquardt.
        random_state: an integer, a NumPy RandomState, or None for another seed in every fit.

    Attributes:
        found_: the `discover.Found`.
        formula_: the formula as text.
        n_features_in_, feature_names_in_: the columns; the latter where X has names.
    """

    found_: Found
    formula_: str
    n_features_in_: int

    def __init__(
        self,
        *,
        domain: str = "real",
        error: str | None = None,
        powers: int | None = None,
        restarts: int = 64,
        steps: int = STEPS,
        random_state: Any = 0,
    ):
        self.domain = domain
        self.error = error
        self.powers = powers
        self.restarts = restarts
        self.steps = steps
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> "FormulaRegressor":
        """Find the formula of X (n, n_features) and y (n,), finite numbers.

        Raises:
            ValueError: as `discover.table`, and where X or y are not such arrays.
        """
        X, y = validate_data(self, X, y, y_numeric=True, ensure_min_samples=2)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        names = tuple(getattr(self, "feature_names_in_", [f"x{i}" for i in range(X.shape[1])]))
        self.found_ = table(
            np.asarray(X, float),
            np.asarray(y, float),
            names=names,
            domain=self.domain,
            error=self.error,
            powers=self.powers,
            restarts=self.restarts,
            steps=self.steps,
            seed=seed,
            progress=False,
        )
        self.formula_ = self.found_.formula
        return self

    def predict(self, X: Any) -> np.ndarray:
        """y (n,) of X (n, n_features), by the formula."""
        check_is_fitted(self)
        return self.found_.predict(validate_data(self, X, reset=False))
