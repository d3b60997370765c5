"""The scikit-learn estimator: scikit-learn's own checks, and its place in searches.

The checks ask how an estimator treats its input, attributes and copies, a hundred fits long; so the search for a
formula, which has tests of its own, is replaced by a line through the data for them. None is left out.
"""

import pickle
from typing import Any, NamedTuple

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks

from nalu_jax.discover import regressor
from nalu_jax.discover.regressor import FormulaRegressor


class Line(NamedTuple):
    """A stand-in for `discover.Found`."""

    coefficients: np.ndarray
    formula: str = "a line"

    def predict(self, x: Any) -> np.ndarray:
        return np.column_stack([x, np.ones(len(x))]) @ self.coefficients


def line(x, y, **options):
    assert x.dtype == y.dtype == np.float64 and options["seed"] >= 0
    return Line(np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), y)[0])


@parametrize_with_checks([FormulaRegressor()])
def test_as_scikit_learn_asks(estimator, check, monkeypatch, as_users_run_it):
    monkeypatch.setattr(regressor, "table", line)
    check(estimator)


def table():
    x = np.random.default_rng(0).uniform(0.5, 2.0, (40, 2))
    return x, 3 * x[:, 0] / x[:, 1] ** 2


@pytest.mark.slow
def test_fit_predict_score_pickle_and_the_formula():
    x, y = table()
    model = FormulaRegressor(powers=2, restarts=8, domain="positive").fit(x, y)
    assert model.formula_ == "3*x0/x1**2" and model.n_features_in_ == 2
    assert model.score(10 * x, 0.1 * y) == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(x), model.predict(x))
    copy: Any = clone(model)
    assert copy.get_params() == model.get_params() and not hasattr(copy, "found_")


def test_a_search_over_options(monkeypatch):
    tried = []

    def recorded(x, y, **options):
        tried.append(options["powers"])
        return line(x, y, **options)

    monkeypatch.setattr(regressor, "table", recorded)
    search = GridSearchCV(FormulaRegressor(), {"powers": [1, 2]}, cv=2).fit(*table())
    assert sorted(tried) == [1, 1, 1, 2, 2] and search.best_params_["powers"] == 1
