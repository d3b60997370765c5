"""`discover.table`, and the splits: laws that are recovered, error bars, Ctrl-C, bad input."""

import functools
from typing import Any

import jax
import numpy as np
import pytest

from nalu_jax import discover, symbolic
from nalu_jax.discover import _table, _table_search

ROWS, OPTIONS = 40, {"powers": 2, "restarts": 8, "progress": False}
"""One size for all, which then compile once."""


def inputs(seed=0, low=0.5, high=2.0):
    return np.random.default_rng(seed).uniform(low, high, (ROWS, 2))


@pytest.mark.slow
def test_a_quotient_with_its_coefficient():
    x = inputs()
    found = discover.table(x, 3 * x[:, 0] / x[:, 1] ** 2, names=("m", "r"), domain="positive", **OPTIONS)
    assert found.formula == "3*m/r**2" and not found.interrupted
    np.testing.assert_allclose(found.predict([[8.0, 2.0], [1e3, 1e-2]]), [6.0, 3e7], rtol=1e-12)
    [term] = found.terms
    assert abs(term.coefficient - 3) < 1e-9 and np.abs(term.exponents - [1, -2]).max() < 1e-9
    assert 0 < term.coefficient_error < 1e-9 and (term.exponent_errors < 1e-9).all()
    assert found.path is not None and found.path_formulas[found.path.chosen].startswith("3*m")


@pytest.mark.slow
def test_a_sum_of_two_products_in_other_units_of_measure():
    """Units of measure change coefficients, and neither exponents nor whether they are found."""
    x = inputs(1)
    y = 2 * x[:, 0] * x[:, 1] - np.sqrt(x[:, 1])
    scaled = discover.table(1e6 * x, y, domain="positive", error="absolute", **OPTIONS)
    found = discover.table(x, y, domain="positive", error="absolute", **OPTIONS)
    assert found.formula == "2*x0*x1 - sqrt(x1)"
    large, small = sorted(scaled.terms, key=lambda term: term.exponents[0], reverse=True)
    np.testing.assert_allclose([large.coefficient, small.coefficient], [2e-12, -1e-3], rtol=1e-8)
    np.testing.assert_allclose([large.exponents, small.exponents], [[1, 1], [0, 0.5]], atol=1e-8)


@pytest.mark.slow
def test_inputs_of_both_signs():
    x = inputs(2, -2.0, 2.0)
    found = discover.table(x, x[:, 0] * x[:, 1] ** 2 + 4, **OPTIONS)
    assert found.formula == "4 + x0*x1**2"
    np.testing.assert_allclose(found.predict([[-3.0, -2.0]]), [-8.0], rtol=1e-12)


def test_error_bars_cover_the_truth_and_are_those_of_least_squares():
    """Of one product with relative noise: the standard errors of a linear regression of logarithms, nearly."""
    random, x = np.random.default_rng(3), inputs(3)
    y = 2.3 * x[:, 0] ** 0.61 * np.exp(0.01 * random.standard_normal(ROWS))
    found = discover.table(x, y, domain="positive", **OPTIONS)
    [term] = found.terms
    assert term.exponents[1] == 0, "an input that does not matter is pruned"
    design = np.stack([np.ones(ROWS), np.log(x[:, 0])], 1)
    solution, [squares], *_ = np.linalg.lstsq(design, np.log(y))
    errors = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * squares / (ROWS - 2))
    np.testing.assert_allclose([np.log(term.coefficient), term.exponents[0]], solution, atol=1e-3)
    np.testing.assert_allclose([term.coefficient_error / term.coefficient, term.exponent_errors[0]], errors, rtol=0.05)
    assert abs(term.exponents[0] - 0.61) < 4 * term.exponent_errors[0]


def test_the_same_seed_gives_the_same_formula_and_jax_stays_as_it_was():
    x = inputs(4)
    y = x[:, 0] * x[:, 1] + 0.1 * np.random.default_rng(4).standard_normal(ROWS)
    before = jax.numpy.ones(()).dtype
    first, second = (discover.table(x, y, domain="positive", error="absolute", **OPTIONS) for _ in range(2))
    np.testing.assert_array_equal(first.params[0]["re"], second.params[0]["re"])
    assert first.formula == second.formula and jax.numpy.ones(()).dtype == before
    assert first.params[1]["w"].dtype == np.float64


def test_ctrl_c_while_pruning_leaves_the_best_so_far(monkeypatch):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    x = inputs()
    monkeypatch.setattr(symbolic, "prune", interrupted)
    found = discover.table(x, 3 * x[:, 0] / x[:, 1] ** 2, domain="positive", **OPTIONS)
    assert found.interrupted and found.path is None and found.formula
    np.testing.assert_allclose(found.predict(x), 3 * x[:, 0] / x[:, 1] ** 2, rtol=1e-6)


def test_ctrl_c_while_training_leaves_the_best_so_far(monkeypatch):
    fit = _table_search.training.fit

    def interrupted(*args, **options):
        return fit(*args, **options)._replace(interrupted=True)

    x = inputs()
    monkeypatch.setattr(_table_search.training, "fit", interrupted)
    found = discover.table(x, 3 * x[:, 0] / x[:, 1] ** 2, domain="positive", **OPTIONS)
    assert found.interrupted and found.path is None
    assert np.isnan(found.terms[0].coefficient_error)


def test_projected_weights_solve_the_linear_problem():
    """The weights that come with given exponents are those of numpy.linalg.lstsq."""
    x, exponents = inputs(5), np.array([[1.0, -0.5], [0.3, 2.0]])
    y = np.random.default_rng(5).standard_normal(ROWS)
    with jax.enable_x64(True):
        data = _table_search.Data(*map(jax.numpy.asarray, (x, y, np.full(ROWS, 2.0))))
        context = jax.numpy.ones(2)
        found, weights = _table_search._projected(_table_search.model("positive"))(
            jax.numpy.asarray(exponents), data, context
        )
    columns = np.prod(x[:, :, None] ** exponents[None], axis=1)
    expected, *_ = np.linalg.lstsq(columns, y)
    np.testing.assert_allclose(weights, expected, rtol=1e-9)
    np.testing.assert_allclose(found, 2 * (columns @ expected - y), rtol=1e-8, atol=1e-9)


def test_relative_residuals_are_logarithms_with_a_tangent_below():
    """So that large scatter does not pull predictions down: the best constant is the geometric mean."""
    ratios = np.array([-1.0, 0.0, 0.05, 0.1, 1.0, 7.0])
    expected = np.where(ratios > 0.1, np.log(np.maximum(ratios, 0.1)), np.log(0.1) + (ratios - 0.1) / 0.1)
    np.testing.assert_allclose(_table_search._log(jax.numpy.asarray(ratios, "float32")), expected, rtol=1e-6)


def test_split_takes_the_largest_inputs_outside():
    x = np.random.default_rng(6).uniform(0, 1, (50, 1)) * [[1.0, -1000.0]]
    parts = discover.split(x, held_out=0.25, outside=0.2, seed=1)
    assert [part.size for part in parts] == [30, 10, 10]
    assert sorted(np.concatenate(parts)) == list(range(50))
    assert np.abs(x[parts.outside, 0]).min() > np.abs(np.delete(x, parts.outside, 0)[:, 0]).max()
    np.testing.assert_array_equal(parts.held_out, discover.split(x, held_out=0.25, outside=0.2, seed=1).held_out)
    assert [part.size for part in discover.split(x, held_out=0, outside=0)] == [50, 0, 0]


def call(x, y, **options):
    run: Any = functools.partial(discover.table, x, y, progress=False)
    return lambda: run(**options)


X = inputs()
Y = X[:, 0]
POISONED = np.where(np.arange(ROWS)[:, None] == 6, np.nan, X)


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (call(POISONED, Y, names=("a", "b")), "column 'a', row 7: nan is not a finite number"),
        (call(X, np.where(np.arange(ROWS) == 2, np.inf, Y), target="t"), "column 't', row 3: inf"),
        (call(X - 1.0, Y, domain="positive"), r"column 'x0', row \d+: -0\.\d+ is not positive"),
        (call(X * [[1.0, 0.0]] + 2.0, Y), "column 'x1' is constant, 2 in all 40 rows"),
        (call(X, np.ones(ROWS)), "column 'y' is constant"),
        (call(X[:5], Y[:5], powers=2), "ends at row 5, fewer rows .* than the 6 parameters of 2 products"),
        (call(X, np.where(np.arange(ROWS) == 1, 0.0, Y), error="relative"), "column 'y', row 2: 0 has no relative"),
        (call(X, Y[:-1]), r"got shapes \(40, 2\) and \(39,\)"),
        (call(X, Y, names=("a",)), "1 names .* for 2 inputs"),
        (call(X, Y, domain="negative"), "domain must be one of"),
        (call(X, Y, error="squared"), "error must be one of"),
        (call(X, Y, powers=0), "powers must be at least 1"),
        (lambda: discover.split(X, outside=1.0), "outside must be a share"),
    ],
)
def test_bad_input(run, words):
    with pytest.raises(ValueError, match=words) as caught:
        run()
    assert "\n" not in str(caught.value)


def test_large_tables_are_searched_by_a_sample():
    arrays: Any = [np.zeros(shape) for shape in ((5000, 2), 5000, 5000)]
    data = _table_search.Data(*arrays)
    sample = _table._some_rows(data, 0)
    assert sample.x.shape == (_table.SEARCHED_ROWS, 2) and sample.y.shape == (_table.SEARCHED_ROWS,)
