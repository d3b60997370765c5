"""`discover.table` as a scikit-learn estimator. Needs the extra `sklearn`.

>>> import numpy as np
>>> from nalu_jax import discover
>>> x = np.random.default_rng(0).uniform(0.5, 2.0, (40, 2))
>>> model = discover.FormulaRegressor().fit(x, x[:, 0] / x[:, 1])
>>> model.formula_, round(model.score(x, x[:, 0] / x[:, 1]), 6)
('x0/x1', 1.0)
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

try:
    from sklearn.base import BaseEstimator, RegressorMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError:
    raise ImportError('it needs scikit-learn: pip install "nalu_jax[sklearn]".') from None

from ._found import Found
from ._table import table


class FormulaRegressor(RegressorMixin, BaseEstimator):
    """A formula in the columns, found by `discover.table`, which explains the options. Do not scale the columns.

    Args:
        units, target_unit, constants: units of measure of the columns and the target, and known constants.
        sigma: name of the column of X that has the standard errors of y. It is no input of the formula; X of `predict`
            has it too, with any values.
        x_sigma: standard errors of columns of X by their names: one for all rows, or the name of the column with them.
        groups, varies: name of the column of X that says which experiment a row belongs to, and which numbers differ.
        robust: whether single rows far off are weighted down; None where they are seen.
        known, guess: text of a part of the formula that is known, and of a formula to try.
        include, exclude: names of columns that the formula must have, and must not have.
        exponents: (low, high), or "integers".
        signs, limits: "positive" where no coefficient is negative; what the formula does far off, by columns.
        functions: families of elementary functions that may be in the formula; "all", or () for none.
        nested: whether powers and quotients of sums, and roots beside a term, may be the formula.
        terms: the largest number of terms of a sum.
        time_limit: seconds after which a fit ends with the best so far.
        random_state: an integer, a NumPy RandomState, or None for another seed in every fit.

    Attributes:
        found_: the `discover.Found`: verdict, errors, rivals.
        formula_: the formula as text.
        n_features_in_, feature_names_in_: the columns; the latter where X has names.
    """

    found_: Found
    formula_: str
    n_features_in_: int

    def __init__(
        self,
        *,
        units: Any = None,
        target_unit: Any = None,
        constants: Any = None,
        sigma: str | None = None,
        x_sigma: Mapping[str, float | str] | None = None,
        groups: str | None = None,
        varies: Literal["all", "coefficients", "exponents", "offset"] | None = None,
        robust: bool | None = None,
        known: Any = None,
        guess: Any = None,
        include: Any = None,
        exclude: Any = None,
        exponents: Any = None,
        signs: Any = None,
        limits: Any = None,
        functions: Literal["all"] | Sequence[str] = "all",
        nested: bool = True,
        terms: int = 4,
        time_limit: float | None = None,
        random_state: Any = 0,
    ):
        self.units = units
        self.target_unit = target_unit
        self.constants = constants
        self.sigma = sigma
        self.x_sigma = x_sigma
        self.groups = groups
        self.varies: Any = varies
        self.robust = robust
        self.known = known
        self.guess = guess
        self.include = include
        self.exclude = exclude
        self.exponents = exponents
        self.signs = signs
        self.limits = limits
        self.functions = functions
        self.nested = nested
        self.terms = terms
        self.time_limit = time_limit
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "FormulaRegressor":
        """Find the formula of X (n, n_features) and y (n,), finite numbers, with weights of rows (n,) where given.

        A weight says how sure a row is, as `weights` of `discover.table`: not how often it is there.

        Raises:
            ValueError: as `discover.table`, and where X or y are not such arrays.
        """
        X, y = validate_data(self, X, y, y_numeric=True, ensure_min_samples=2)
        if sample_weight is not None:
            sample_weight = np.asarray(sample_weight, float)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        names = self._names()
        target = "y"
        while target in names:
            target += "_"
        self.found_ = table(
            np.asarray(X, float),
            np.asarray(y, float),
            names=names,
            target=target,
            units=self.units,
            target_unit=self.target_unit,
            constants=self.constants,
            sigma=self.sigma,
            x_sigma=self.x_sigma,
            weights=sample_weight,
            groups=self.groups,
            varies=self.varies,
            robust=self.robust,
            known=self.known,
            guess=self.guess,
            include=self.include,
            exclude=self.exclude,
            exponents=self.exponents,
            signs=self.signs,
            limits=self.limits,
            functions=self.functions,
            nested=self.nested,
            terms=self.terms,
            seed=seed,
            time_limit=self.time_limit,
            progress=False,
        )
        self.formula_ = self.found_.formula
        return self

    def predict(self, X: Any) -> np.ndarray:
        """y (n,) of X (n, n_features), by the formula."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        names = self._names()
        inputs = X[:, [names.index(name) for name in self.found_.names]]
        if self.groups is None:
            return self.found_.predict(inputs)
        return self.found_.predict(inputs, groups=X[:, names.index(self.groups)])

    def _names(self) -> tuple[str, ...]:
        """Of the columns."""
        return tuple(getattr(self, "feature_names_in_", [f"x{i}" for i in range(self.n_features_in_)]))
