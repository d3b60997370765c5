"""The scikit-learn estimator: scikit-learn's own checks, and its place in searches.

The checks ask how an estimator treats its input, attributes and copies, a hundred fits long, most of them to noise; so
for them the engine is asked to fit a plane rather than to search. One may fail, for the reason beside it.
"""

import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from nalu_jax.discover import FormulaRegressor, _asked
from nalu_jax.discover._engine.candidate import Column
from nalu_jax.discover._engine.forms import Form
from nalu_jax.discover._engine.search import Searched
from nalu_jax.discover._engine.structure import fit_structure

WEIGHTS_ARE_NO_COUNTS = {
    "check_sample_weight_equivalence_on_dense_data": "a weight says how sure a row is: the same row twice says more, "
    "and lets a coefficient be taken for a simple number"
}


def plane(x, y, **options):
    """A sum of all inputs and a constant, by the engine."""
    assert x.dtype == y.dtype == np.float64 and options["seed"] >= 0
    inputs = x.shape[1]
    exponents = np.eye(inputs + 1)[:, :inputs]
    found = fit_structure(
        x,
        y,
        form=Form("sum", (inputs + 1,)),
        columns=tuple(Column((j,)) for j in range(inputs)),
        exponents=exponents,
        parity=exponents.astype(int),
        free=np.zeros(exponents.shape, bool),
        noise="absolute",
        row_weights=options["row_weights"],
    )
    return Searched((found,), "several candidates alike", "only one was fitted", (), (), (), False)


@pytest.mark.filterwarnings("ignore:discover.table. the inputs have mean 0:UserWarning")
@parametrize_with_checks([FormulaRegressor()], expected_failed_checks=lambda estimator: WEIGHTS_ARE_NO_COUNTS)
def test_as_scikit_learn_asks(estimator, check, as_users_run_it, monkeypatch):
    monkeypatch.setattr(_asked, "search", plane)
    check(estimator)


def table():
    x = np.random.default_rng(0).uniform(0.5, 2.0, (40, 2))
    return x, 3 * x[:, 0] / x[:, 1] ** 2


def test_fit_predict_score_pickle_and_the_formula():
    x, y = table()
    model = FormulaRegressor().fit(x, y)
    assert model.formula_ == "3*x0/x1**2" and model.n_features_in_ == 2
    assert model.score(10 * x, 0.1 * y) == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(x), model.predict(x))
    copy: Any = clone(model)
    assert copy.get_params() == model.get_params() and not hasattr(copy, "found_")


def test_a10_names_from_a_data_frame_are_checked_by_scikit_learn():
    pandas = pytest.importorskip("pandas")
    x, y = table()
    frame = pandas.DataFrame(x, columns=["y", "lambda"])
    model = FormulaRegressor().fit(frame, y)
    assert model.formula_ == "3*y/lambda_**2"
    np.testing.assert_allclose(model.predict(frame), y, rtol=1e-9)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["lambda", "y"]])


def test_columns_of_errors_are_no_inputs():
    rng = np.random.default_rng(1)
    length = rng.uniform(0.2, 2.0, 80)
    error = rng.choice([0.002, 0.2], 80)
    period = 2.5 * np.sqrt(length) + error * rng.normal(size=80)
    columns = np.stack([error, length + 0.001 * rng.normal(size=80)], 1)
    fast: Any = {"functions": (), "nested": False, "terms": 2}
    model = FormulaRegressor(sigma="x0", **fast).fit(columns, period)
    assert model.found_.names == ("x1",)
    np.testing.assert_allclose(model.predict(columns), 2.5 * np.sqrt(columns[:, 1]), rtol=3e-3)
    both = FormulaRegressor(sigma="x0", x_sigma={"x1": 0.001}, **fast).fit(columns, period)
    assert both.found_.names == ("x1",) and both.formula_ == model.formula_


def test_a7_cross_validation_and_a_search_over_options():
    x, y = table()
    assert cross_val_score(FormulaRegressor(), x, y, cv=5).min() > 0.999999
    search = GridSearchCV(FormulaRegressor(), {"terms": [1, 2], "nested": [True, False]}, cv=3).fit(x, y)
    assert search.best_score_ > 0.999999


def test_a20_a_scaler_in_front_is_told_not_to_be_needed():
    x, y = table()
    with pytest.warns(UserWarning, match="Do not scale them, it is done inside"):
        model: Any = make_pipeline(StandardScaler(), FormulaRegressor()).fit(x, y)
    assert "Do not scale them" in str(model[-1].found_)


def test_without_scikit_learn_the_rest_works():
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "from nalu_jax import discover\n"
        "assert callable(discover.table) and not hasattr(discover, 'FormulaRegressor')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
