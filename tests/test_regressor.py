"""The scikit-learn estimator: scikit-learn's own checks, and its place in pipelines and searches.

Of `check_estimator` these are left out, because a formula cannot pass them honestly:
    check_fit2d_1feature, check_fit2d_1sample and the like run, and may raise a clear ValueError.
"""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from nalu_jax.discover.regressor import FormulaRegressor

QUICK = FormulaRegressor(powers=1, restarts=2, steps=20)
"""Enough to be checked, not to be used."""


@pytest.mark.slow
@parametrize_with_checks([QUICK], legacy=True)
def test_as_scikit_learn_asks(estimator, check):
    check(estimator)


def table():
    x = np.random.default_rng(0).uniform(0.5, 2.0, (40, 2))
    return x, 3 * x[:, 0] / x[:, 1] ** 2


def test_fit_predict_score_and_the_formula():
    x, y = table()
    model = FormulaRegressor(powers=2, restarts=8, domain="positive").fit(x, y)
    assert model.formula_ == "3*x0/x1**2" and model.n_features_in_ == 2
    assert model.score(10 * x, 0.1 * y) == pytest.approx(1.0, abs=1e-12)
    assert clone(model).get_params() == model.get_params() and not hasattr(clone(model), "found_")


@pytest.mark.slow
def test_cross_validation_and_grid_search():
    x, y = table()
    model = FormulaRegressor(powers=1, restarts=8, domain="positive")
    assert cross_val_score(model, x, y, cv=2).min() > 0.999999
    search = GridSearchCV(model, {"powers": [1, 2]}, cv=2).fit(x, y)
    assert search.best_score_ > 0.999999
