"""Intervals from the profile of the likelihood, and the standard errors beside them, against independent oracles."""

import dataclasses
import json
import math

import numpy as np
import pytest
from scipy import stats

from nalu_jax import discover
from nalu_jax.discover import _inputs, _numbers, _written
from nalu_jax.discover._engine import misfit, profile
from nalu_jax.discover._engine.candidate import Column, Noise, plain_numbers
from nalu_jax.discover._engine.columns import TableOptions
from nalu_jax.discover._engine.forms import Form
from nalu_jax.discover._engine.structure import fit_structure
from nalu_jax.discover._found import Found


def fitted(x, y, exponents, *, free=None, noise: Noise = "absolute", form=None, row_weights=None, logs=None):
    exponents = np.array(exponents, float)
    return fit_structure(
        x,
        y,
        form=form or Form("sum", (len(exponents),)),
        columns=tuple(Column((j,)) for j in range(x.shape[1])),
        exponents=exponents,
        parity=np.zeros(exponents.shape, int),
        free=np.zeros(exponents.shape, bool) if free is None else np.array(free),
        noise=noise,
        log_coefficients=logs,
        row_weights=row_weights,
        options=TableOptions(robust=row_weights is not None),
    )


def intervals(candidate, x, y, **options):
    """Of the formula with its columns as they are."""
    covariance = plain_numbers(candidate).covariance
    shift = np.tile(candidate.centre, (len(candidate.signs), 1))
    return profile.intervals(candidate, x, y, covariance=covariance, shift=shift, **options)


def two_terms(seed=0, second=0.5, noise=1.0, rows=30):
    rng = np.random.default_rng(seed)
    x = np.exp(rng.uniform(-1, 1, (rows, 2)))
    return x, 2 * x[:, 0] + second * x[:, 1] ** 2 + noise * rng.normal(size=rows)


@pytest.mark.parametrize("level", [0.68, 0.95])
@pytest.mark.parametrize("second", [0.5, -0.5])
def test_of_a_linear_coefficient_it_is_student_s_interval(level, second):
    x, y = two_terms(second=second)
    found = intervals(fitted(x, y, [[1, 0], [0, 2]]), x, y, level=level)
    design = np.stack([x[:, 0], x[:, 1] ** 2], axis=1)
    solution, rss, *_ = np.linalg.lstsq(design, y, rcond=None)
    errors = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * rss[0] / 28)
    half = stats.t.ppf((1 + level) / 2, 28) * errors[1] / abs(solution[1])
    assert list(found) == [1]  # the first coefficient is known to 7 %: it needs none
    np.testing.assert_allclose(found[1], (1 - half, 1 + half), rtol=1e-3)


@pytest.mark.parametrize("noise", ["absolute", "relative"])
def test_of_a_power_law_it_is_that_of_a_grid(noise):
    """The coefficient far from the centre of the column: its logarithm is known to 0.2 and 0.4."""
    rng = np.random.default_rng(1)
    x = np.exp(rng.uniform(3, 4, (25, 1)))
    y = 0.3 * x[:, 0] ** 1.37 * (1 + 0.1 * rng.normal(size=25))
    candidate = fitted(x, y, [[1.37]], free=[[True]], noise=noise)
    estimate = math.exp(plain_numbers(candidate).log_coefficients[0])
    weights = 1 / (estimate * x[:, 0] ** candidate.exponents[0, 0]) if noise == "relative" else np.ones(25)
    powers = candidate.exponents[0, 0] + np.linspace(-0.6, 0.6, 1001)
    factors = np.exp(np.linspace(-1.2, 1.2, 601))
    rows = [weights[:, None] * (y[:, None] - estimate * factor * x**powers) for factor in factors]
    squares = np.array([np.sum(row**2, axis=0).min() for row in rows])
    inside = factors[squares <= squares.min() * (1 + stats.t.ppf(0.975, 23) ** 2 / 23)]
    np.testing.assert_allclose(intervals(candidate, x, y)[0], (inside[0], inside[-1]), rtol=6e-3)


def test_of_a_skewed_exponent_it_is_that_of_a_grid_too():
    """Of few noisy rows: larger powers differ less and less from each other, so that the upper end lies far away."""
    rng = np.random.default_rng(3)
    x = rng.uniform(0.05, 1.0, (20, 1))
    y = x[:, 0] ** 3 + 0.15 * rng.normal(size=20)
    candidate = fitted(x, y, [[3.0]], free=[[True]])
    low, high = intervals(candidate, x, y)[1]
    powers = np.linspace(0.2, 40, 20001)
    columns = x**powers
    squares = y @ y - (y @ columns) ** 2 / np.sum(columns**2, axis=0)
    inside = powers[squares <= squares.min() * (1 + stats.t.ppf(0.975, 18) ** 2 / 18)]
    estimate = candidate.exponents[0, 0]
    np.testing.assert_allclose((estimate + low, estimate + high), (inside[0], inside[-1]), rtol=5e-3)
    assert high > 1.2 * -low


@pytest.mark.parametrize("second", [0.05, -0.05])
def test_an_end_keeps_the_sign_and_is_0_where_any_smaller_size_will_do(second):
    x, y = two_terms(seed=2, second=second)
    candidate = fitted(x, y, [[1, 0], [0, 2]])
    data = _inputs.table(x, y, names=None, target="y")
    bounds = _written.bounds_of(candidate, data, None)
    assert bounds[1][0] == 0 and 1 < bounds[1][1] < math.inf
    formula = _written.formula_of(candidate, data, np.ones(30), bounds)
    number = next(term.coefficient for term in formula.terms if term.factors[0].column.inputs == (1,))
    assert number.interval is not None
    low, high = number.interval
    assert 0 in (low, high) and low <= number.estimate <= high and (low if number.estimate < 0 else high) != 0
    found = Found("several candidates alike", "a test", (formula,), (), "absolute", 1.0, 30)
    assert f"95 %: {_numbers.interval_text(low, high)}" in str(found) and "perhaps 0" in str(found)


def test_an_end_that_does_not_exist_is_infinite():
    """Of a x / (1 + b x) on a straight line: b may be 0; of a saturated one a and b may grow together."""
    x = np.linspace(1, 2, 20)[:, None]
    noise = 0.05 * np.random.default_rng(0).normal(size=20)
    form = Form("quotient", (1, 1))
    line = fitted(x, x[:, 0] + noise, [[1.0], [1.0]], form=form, logs=np.log([1.0, 0.02]))
    flat = fitted(x, 1 - 0.002 / x[:, 0] + noise, [[1.0], [1.0]], form=form, logs=np.log([50.0, 50.0]))
    assert intervals(line, x, x[:, 0] + noise)[1][0] == 0
    assert intervals(flat, x, 1 - 0.002 / x[:, 0] + noise)[1][1] == math.inf


def test_sizes_of_the_table_change_nothing():
    x, y = two_terms()
    plain = intervals(fitted(x, y, [[1, 0], [0, 2]]), x, y)
    large = x * [1e-25, 1e20], y * 1e30
    np.testing.assert_allclose(intervals(fitted(*large, [[1, 0], [0, 2]]), *large)[1], plain[1], rtol=1e-6)


def test_certain_numbers_and_large_tables_have_none():
    x, y = two_terms(noise=0.01)
    assert intervals(fitted(x, y, [[1, 0], [0, 2]]), x, y) == {}
    x, y = two_terms(noise=300.0, rows=60_000)
    assert intervals(fitted(x, y, [[1, 0], [0, 2]]), x, y) == {}
    x, y = two_terms()
    unknown = {"covariance": np.full((2, 2), np.inf), "shift": np.zeros((2, 2))}
    assert profile.intervals(fitted(x, y, [[1, 0], [0, 2]]), x, y, **unknown) == {}
    x, y = two_terms(rows=2)
    assert intervals(fitted(x, y, [[1, 0], [0, 2]]), x, y) == {}


def test_weights_of_outliers_cost_information():
    """Errors with the weights of Student's t hold 68 and 95 % of t-distributed rows; they were 1.23 times too small."""
    rng = np.random.default_rng(0)
    distances = []
    for _ in range(400):
        x = np.exp(rng.uniform(-1, 1, (100, 1)))
        y = 2 * x[:, 0] + 0.1 * rng.standard_t(3, 100)
        weights = np.ones(100)
        for _ in range(8):
            slope = np.sum(weights**2 * x[:, 0] * y) / np.sum((weights * x[:, 0]) ** 2)
            weights = misfit.robust_weights(y - slope * x[:, 0])
        numbers = plain_numbers(fitted(x, y, [[1.0]], row_weights=weights))
        distances.append((numbers.log_coefficients[0] - math.log(2)) / math.sqrt(numbers.covariance[0, 0]))
    spread = float(np.sqrt(np.mean(np.square(distances))))
    assert 0.88 < spread < 1.1  # its own standard deviation is 0.035


def test_found_has_shows_and_saves_it(tmp_path):
    x, y = two_terms(seed=4, second=0.15, noise=0.3, rows=40)
    found = discover.table(x, y, nested=False, functions=(), progress=False)
    intervals_ = [term.coefficient.interval for term in found.terms]
    assert any(intervals_)
    for term in found.terms:
        if term.coefficient.interval is not None:
            low, high = term.coefficient.interval
            assert low < term.coefficient.estimate < high
            assert f"95 %: {_numbers.interval_text(low, high)}" in str(found)
    found.save(tmp_path / "found.json")
    assert discover.load(tmp_path / "found.json").terms == found.terms
    first = dataclasses.replace(found.terms[0].coefficient, interval=(0.5, math.inf))
    terms = (dataclasses.replace(found.terms[0], coefficient=first), *found.terms[1:])
    dataclasses.replace(found, candidates=(dataclasses.replace(found.best, terms=terms),), alike=()).save(
        tmp_path / "open.json"
    )
    assert discover.load(tmp_path / "open.json").terms == terms


@pytest.mark.parametrize("interval", [7, [1], [1, "x"], [2, 1], [1, 2, 3], {"low": 1}])
def test_a_file_without_intervals_is_read_and_a_wrong_one_refused(tmp_path, interval):
    x, y = two_terms()
    data = _inputs.table(x, y, names=None, target="y")
    formula = _written.formula_of(fitted(x, y, [[1, 0], [0, 2]]), data, np.ones(30))
    path = tmp_path / "found.json"
    Found("recovered", "a test", (formula,), (), "absolute", 1.0, 30).save(path)
    contents = json.loads(path.read_text())
    number = contents["candidates"][0]["terms"][0]["coefficient"]
    del number["interval"]
    path.write_text(json.dumps(contents))
    assert discover.load(path).terms[0].coefficient.interval is None
    number["interval"] = interval
    path.write_text(json.dumps(contents))
    with pytest.raises(ValueError, match="an interval of it"):
        discover.load(path)


def test_an_error_beyond_the_floats_is_infinite_without_a_warning():
    x, y = two_terms()
    y = 1e306 * y / np.abs(y).max()
    data = _inputs.table(x, y, names=None, target="y")
    formula = _written.formula_of(fitted(x, y, [[1, 0], [1 + 1e-8, 0]]), data, np.ones(30))
    assert all(term.coefficient.error > 1e307 for term in formula.terms)  # and no warning


def test_an_interval_without_width_is_none(monkeypatch):
    x, y = two_terms()
    assert list(intervals(fitted(x, y, [[1, 0], [0, 2]]), x, y)) == [1]
    monkeypatch.setattr(profile, "_bound", lambda *_: 1.0)  # as where no step from the estimate is small enough
    assert intervals(fitted(x, y, [[1, 0], [0, 2]]), x, y) == {}
