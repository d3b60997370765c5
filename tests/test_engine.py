"""The rooms of the search on tables, each against an independent oracle."""

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, optimize

from nalu_jax.discover._engine import (
    climb,
    derived,
    divided,
    evidence,
    fit,
    forms,
    lattice,
    library,
    misfit,
    rounding,
    screening,
    settings,
    sums,
    verdict,
)  # fmt: skip
from nalu_jax.discover._engine.arguments import arguments, factors
from nalu_jax.discover._engine.candidate import Column, plain_numbers, predict, scale_powers
from nalu_jax.discover._engine.columns import noise_weights, prepare
from nalu_jax.discover._engine.forms import FUNCTIONS, Form, evaluate
from nalu_jax.discover._engine.structure import Fitted, fit_structure
from nalu_jax.discover._engine.tables import Tables

FORMS = [
    Form("sum", (3,)),
    Form("power", (2,), power=-1.0),
    Form("power", (2,), power=0.5),
    Form("power", (2,), power=-2.0),
    Form("quotient", (2, 1)),
    Form("quotient", (1, 2), power=0.5, below=0.5),
    Form("quotient", (2, 1), below=0.5),
    *[Form("function", (1, 1, 1), function=name) for name in FUNCTIONS],
]


def a_table(rows=40, width=2, seed=0, noise=0.01):
    rng = np.random.default_rng(seed)
    x = np.exp(rng.uniform(-1, 1, (rows, width)))
    y = 2 * x[:, 0] * x[:, 1] ** -1.5 + 0.7 * x[:, 0] ** 2
    y = y + noise * np.std(y) * rng.normal(size=rows)
    return x, y, prepare(x, y, tuple(Column((j,)) for j in range(width)), inputs=width)


def a_batch(table, form, seed=1):
    rng = np.random.default_rng(seed)
    shape = (2, form.terms, table.width)
    coefficients = rng.uniform(0.1, 0.3, shape[:2])
    batch = fit.start(table, rng.uniform(-0.5, 0.5, shape), np.zeros(shape, int), coefficients)
    return batch


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_gradients_of_forms_are_finite_differences(form):
    rng = np.random.default_rng(0)
    terms = rng.uniform(0.1, 0.4, (form.terms, 5))
    _, gradients = evaluate(form, terms)
    step = 1e-6
    for k in range(form.terms):
        up, down = terms.copy(), terms.copy()
        up[k] += step
        down[k] -= step
        slope = (evaluate(form, up)[0] - evaluate(form, down)[0]) / (2 * step)
        np.testing.assert_allclose(gradients[k], slope, rtol=1e-6, atol=1e-8)


def test_roots_of_negative_numbers_are_nan_without_a_warning():
    values, _ = evaluate(Form("power", (1,), power=0.5), np.array([[4.0, -4.0]]))
    assert values[0] == 2 and np.isnan(values[1])


@pytest.mark.parametrize("form", [FORMS[0], FORMS[1], FORMS[4], FORMS[7]], ids=str)
@pytest.mark.parametrize("noise", ["absolute", "relative"])
def test_the_jacobian_is_that_of_finite_differences(form, noise):
    _, _, table = a_table()
    batch = a_batch(table, form)
    linear = evidence.linearise(table, form, batch, noise)
    step = 1e-6

    def values(coefficients, exponents):
        moved = batch._replace(coefficients=coefficients, exponents=exponents)
        plain = fit.products(table, moved.exponents, moved.parity)
        return evaluate(form, moved.coefficients[..., None] * plain)[0]

    terms = form.terms
    for q in range(terms * (1 + table.width)):
        ends = []
        for sign in (1, -1):
            coefficients, exponents = batch.coefficients.copy(), batch.exponents.copy()
            if q < terms:
                coefficients[:, q] *= math.exp(sign * step)
            else:
                k, j = divmod(q - terms, table.width)
                exponents[:, k, j] += sign * step
            ends.append(values(coefficients, exponents))
        slope = linear.weights * (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(linear.jacobian[:, q], slope, rtol=1e-5, atol=1e-7)


def test_coefficients_are_those_of_lstsq():
    _, _, table = a_table()
    batch = a_batch(table, FORMS[0])
    terms = fit.products(table, batch.exponents, batch.parity)
    weights = np.random.default_rng(2).uniform(0.5, 2, (2, table.rows))
    got = fit.linear_coefficients(terms, table.target, weights)
    for b in range(2):
        expected, *_ = np.linalg.lstsq((terms[b] * weights[b]).T, weights[b] * table.target, rcond=None)
        np.testing.assert_allclose(got[b], expected, rtol=1e-7)


def test_fit_and_covariance_are_those_of_curve_fit():
    x, y, _ = a_table(noise=0.02)

    def law(x, a, p, q, b, r):
        return a * x[0] ** p * x[1] ** q + b * x[0] ** r

    best, spread = optimize.curve_fit(law, x.T, y, p0=(2, 1, -1.5, 0.7, 2), xtol=1e-14, ftol=1e-14)
    free = np.array([[True, True], [True, False]])
    got = fit_structure(
        x,
        y,
        form=Form("sum", (2,)),
        columns=(Column((0,)), Column((1,))),
        exponents=np.array([[1.0, -1.5], [2.0, 0.0]]),
        parity=np.zeros((2, 2), int),
        free=free,
        noise="absolute",
    )
    numbers = plain_numbers(got)
    np.testing.assert_allclose(numbers.signs * np.exp(numbers.log_coefficients), best[[0, 3]], rtol=1e-4)
    np.testing.assert_allclose(got.exponents[free], best[[1, 2, 4]], rtol=1e-4)
    errors = np.sqrt(np.diag(spread))
    mine = np.sqrt(np.diag(numbers.covariance))
    np.testing.assert_allclose(mine[:2], errors[[0, 3]] / np.abs(best[[0, 3]]), rtol=1e-3)
    np.testing.assert_allclose(mine[2:], errors[[1, 2, 4]], rtol=1e-3)
    np.testing.assert_allclose(predict(got, x), law(x.T, *best), rtol=1e-4)


def test_the_evidence_is_the_integral_of_likelihood_and_prior():
    rng = np.random.default_rng(0)
    jacobian, residuals = rng.normal(size=(2, 12)), rng.normal(size=12)
    jacobian = np.linalg.qr(np.vstack([residuals, jacobian]).T)[0][:, 1:].T * np.array([[3.0], [0.5]])
    variance = 0.3

    def integrand(b, a):
        left = residuals - np.array([a, b]) @ jacobian
        return math.exp(-left @ left / (2 * variance) - (a * a + b * b) / 2) / (2 * math.pi)

    integral = integrate.dblquad(integrand, -8, 8, -8, 8, epsabs=1e-12)[0]
    got = evidence.negative_log_evidence(residuals[None], np.zeros(1), jacobian[None], np.array([variance]))
    assert got[0] == pytest.approx(-math.log(integral) + 12 / 2 * math.log(variance), abs=1e-5)


def test_prices_are_negative_logarithms_of_probabilities():
    for inputs in (1, 4, 50):
        names = lattice.prices(inputs)
        assert np.exp(-names.lattice).sum() + math.exp(-names.free) == pytest.approx(1)
    assert lattice.VALUES[lattice.nearest(np.array([0.9, -2.1, 0.05]))].tolist() == [1.0, -2.0, 0.0]


def test_more_inputs_cost_the_name_more():
    x, y, table = a_table()
    batch = fit.improve(table, FORMS[0], a_batch(table, FORMS[0]), np.ones(table.rows), steps=20)
    wide = prepare(x, y, table.columns, inputs=200)
    assert (
        evidence.evidence(wide, FORMS[0], batch, "absolute") > evidence.evidence(table, FORMS[0], batch, "absolute")
    ).all()


def test_the_library_is_in_order_of_price_and_complete():
    exponents, parity = library.products_of_powers((False, True), (False, False), (False, True), inputs=2, limit=10_000)
    one = [v for v in lattice.VALUES if abs(v) <= settings.LIBRARY_EXPONENT and v * 2 == round(v * 2)]
    signed = [v for v in one if v == round(v) and v >= 0]
    assert {tuple(row) for row in exponents.tolist()} == set(itertools.product(one, signed))
    costs = lattice.prices(2).of(exponents).sum(1)
    assert (np.diff(costs) > -1e-12).all()
    assert (parity == np.stack([np.zeros(len(exponents)), exponents[:, 1] % 2], 1)).all()


def test_best_pairs_and_triples_are_those_of_brute_force():
    rng = np.random.default_rng(0)
    unit = rng.normal(size=(30, 9))
    unit /= np.linalg.norm(unit, axis=0)
    goal = rng.normal(size=30)

    def explained(places):
        basis, _ = np.linalg.qr(unit[:, list(places)])
        return np.sum((goal @ basis) ** 2)

    for size, got in ((2, library.best_pairs(unit, goal, 3)), (3, library.best_triples(unit, goal, 3))):
        ranked = sorted(itertools.combinations(range(9), size), key=explained, reverse=True)
        assert tuple(sorted(got[0])) == ranked[0]
    ranked = sorted(itertools.combinations(range(9), 2), key=explained, reverse=True)
    assert [tuple(sorted(pair)) for pair in library.best_pairs(unit, goal, 3)] == ranked[:3]
    addition = library.best_additions(unit, goal, unit[:, list(ranked[0])], 1)[0]
    assert explained((*ranked[0], addition)) == pytest.approx(
        max(explained((*ranked[0], j)) for j in set(range(9)) - set(ranked[0]))
    )


def test_fixing_one_parameter_moves_the_others_by_their_conditional_mean():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(4, 4))
    spread = root @ root.T
    before = rng.normal(size=4)
    quadratic = rounding.Quadratic(before[None].copy(), spread[None].copy(), np.array([0.5]), np.array([20.0]))
    rounding.fix(quadratic, 0, 2, 1.0)
    rest = [0, 1, 3]
    expected = before[rest] + spread[rest, 2] / spread[2, 2] * (1.0 - before[2])
    np.testing.assert_allclose(quadratic.parameters[0][rest], expected)
    conditional = spread[np.ix_(rest, rest)] - np.outer(spread[rest, 2], spread[rest, 2]) / spread[2, 2]
    np.testing.assert_allclose(quadratic.covariance[0][np.ix_(rest, rest)], conditional)
    assert quadratic.variance[0] * 20 == pytest.approx(0.5 * 20 + (1.0 - before[2]) ** 2 / spread[2, 2])


def test_exponents_are_rounded_before_coefficients_can_make_up_for_them():
    rng = np.random.default_rng(4)
    x = np.column_stack([rng.uniform(0.5, 5, 40), rng.uniform(250, 400, 40), rng.uniform(0.01, 0.1, 40)])
    y = 8.314 * x[:, 0] * x[:, 1] / x[:, 2] * (1 + 0.01 * rng.normal(size=40))
    table = prepare(x, y, tuple(Column((j,)) for j in range(3)), inputs=3)
    batch = fit.start(table, np.array([[[1.02, 0.9, -1.01]]]), np.zeros((1, 1, 3), int))
    rounded, _ = rounding.round_exponents(table, Form("sum", (1,)), batch, "relative")
    assert rounded.exponents[0].tolist() == [[1.0, 1.0, -1.0]] and not rounded.free.any()


@pytest.mark.parametrize(
    ("value", "error", "simple"),
    [(0.5003, 0.0015, 0.5), (-0.9998, 0.001, -1.0), (9.75, 0.08, None), (9.81, 0.05, None), (8.31, 0.01, None),
     (2.1, 0.5, None), (1.0, 0.0, 1.0), (3.0, math.inf, None)],
)  # fmt: skip
def test_only_clear_coefficients_are_called_simple(value, error, simple):
    assert rounding.simple_number(value, error) == simple


def test_the_walk_on_the_lattice_ends_where_no_step_is_better():
    rng = np.random.default_rng(0)
    x = rng.uniform(1, 1.6, (60, 2))
    y = 3 * x[:, 0] ** 2 / x[:, 1] + 0.5 * x[:, 1] ** 3 + 0.01 * rng.normal(size=60)
    table = prepare(x, y, (Column((0,)), Column((1,))), inputs=2)

    def score(exponents):
        terms = np.exp(exponents @ table.logs).T
        _, rss, *_ = np.linalg.lstsq(terms, table.target, rcond=None)
        return 30 * math.log(rss[0]) + lattice.prices(2).of(exponents).sum() if len(rss) else np.inf

    begin = np.array([[[1.5, -0.5], [0.5, 2.5]]])
    exponents, _, _, scores = climb.climb(table, begin, np.zeros((1, 2, 2), int), np.ones(60))
    end = exponents[0]
    assert scores[0] == pytest.approx(score(end), rel=1e-6)
    assert score(end) < score(begin[0])
    for k, j, step in itertools.product((0, 1), (0, 1), (0.5, -0.5, 1.0, -1.0)):
        moved = end.copy()
        moved[k, j] += step
        assert score(moved) > score(end) - 1e-6 or abs(moved[k, j]) > settings.LIBRARY_EXPONENT


def test_screening_keeps_what_the_target_follows():
    rng = np.random.default_rng(1)
    x = np.exp(rng.normal(size=(200, 40)))
    y = 2 * x[:, 3] * x[:, 17] + x[:, 30] ** 2
    y = y + 0.02 * np.std(y) * rng.normal(size=200)
    table = prepare(x, y, tuple(Column((j,)) for j in range(40)), inputs=40)
    assert {3, 17, 30} <= set(screening.screen(table))
    product = np.prod(x[:, :15], 1)
    table = prepare(x, product, table.columns, inputs=40)
    assert set(range(15)) <= set(screening.screen(table))


@pytest.mark.slow
def test_lack_of_fit_is_small_for_noise_and_large_for_a_curve():
    rng = np.random.default_rng(3)
    x = rng.uniform(size=(100, 2))
    quiet = [misfit.lack_of_fit(x, rng.normal(size=100)) for _ in range(20)]
    assert np.quantile(quiet, 0.9) < settings.MISFIT
    assert misfit.lack_of_fit(x, rng.normal(size=100) + np.cos(6 * x[:, 1])) > 10 - np.log(5)  # of five kernels


@pytest.mark.slow
def test_more_inputs_give_noise_no_more_to_follow():
    rng = np.random.default_rng(1)
    many = [misfit.lack_of_fit(rng.uniform(size=(80, 9)), rng.normal(size=80)) for _ in range(200)]
    assert np.mean(np.array(many) > settings.MISFIT) <= 0.01
    assert np.quantile(many, 0.95) < 2  # of the largest of its twelve kernels: 2.25


def test_a_fast_wave_in_residuals_is_seen_and_noise_is_none():
    rng = np.random.default_rng(3)
    x = rng.uniform(size=(150, 2))
    quiet = [misfit.waves_left(x, rng.normal(size=150)) for _ in range(40)]
    assert max(quiet) < settings.MISFIT
    wave = np.cos(2 * np.pi * 23.3 * x[:, 1])
    assert misfit.waves_left(x, rng.normal(size=150) + wave) > 10
    assert misfit.lack_of_fit(x, rng.normal(size=150) + wave) < settings.MISFIT


@pytest.mark.parametrize(("inputs", "few"), [(1, False), (2, True)])
def test_a_sum_of_products_may_have_two_real_exponents_for_each_input(inputs, few):
    rng = np.random.default_rng(0)
    x = rng.uniform(1, 3, (60, inputs))
    exponents = np.array([[0.71, 0], [1.37, 1], [2.63, 0]])[:, :inputs]
    columns = tuple(Column((j,)) for j in range(inputs))
    table = prepare(x, np.prod(x[:, None] ** exponents, 2).sum(1), columns, inputs=inputs)
    batch = fit.start(table, exponents[None], np.zeros((1, 3, inputs), int))
    free = np.zeros(exponents.shape, bool)
    free[:, 0] = True
    fitted = Fitted(table, Form("sum", (3,)), batch._replace(free=free[None]), "absolute", 0.0)
    seen = verdict.signs(fitted)
    assert seen.free == 3 and (verdict.too_free(seen) is None) == few


def test_exponentials_are_columns_also_of_the_smallest_and_largest_inputs():
    x = np.array([[1e-310, 4e307, 2020.0], [2e-310, 1e307, 2019.0]])
    columns = derived.exponentials(x, tuple(Column((j,)) for j in range(3)))
    assert len(columns) == 3 and all(np.isfinite(column.values(x)).all() for column in columns)
    largest = [float(np.abs(np.log(column.values(x))).max()) for column in columns[1:]]
    assert all(settings.LEAST_GROWTH <= size <= 10 * settings.LEAST_GROWTH for size in largest)


def test_robust_weights_single_out_outliers():
    residuals = np.random.default_rng(0).normal(size=50)
    residuals[7] = 40.0
    weights = misfit.robust_weights(residuals)
    assert weights.argmin() == 7 and weights[7] < 0.1 and np.median(weights) > 0.9


def test_samples_keep_centre_and_scale():
    x, y, _ = a_table(rows=500)
    thin, table, judged = Tables(x, y, (0, 1), seed=0).sizes()
    assert (thin.rows, table.rows, judged.rows) == (settings.SCANNED_ROWS, settings.SEARCH_ROWS, 500)
    assert thin.target_scale == judged.target_scale and (thin.centre == judged.centre).all()
    assert set(thin.target) <= set(table.target) <= set(judged.target)


def test_relative_weights_are_reciprocal_sizes_down_to_a_floor():
    _, _, table = a_table()
    values = np.array([1.0, -2.0, 0.0])
    small = prepare(np.ones((3, 1)), values, (Column((0,)),), inputs=1)
    weights = noise_weights(small, "relative", values)
    assert weights[0] == 1 and weights[1] == 0.5
    assert weights[2] == pytest.approx(1 / settings.RELATIVE_FLOOR)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_plain_numbers_are_the_formula_without_centre_and_scale(form):
    rng = np.random.default_rng(0)
    x = np.exp(rng.uniform(-0.5, 0.5, (30, 2)))
    exponents = rng.choice([0.5, 1.0, -1.0], (form.terms, 2))
    logs = np.log(rng.uniform(0.1, 0.3, form.terms))
    terms = np.exp(logs)[:, None] * np.exp(exponents @ np.log(x).T)
    y, _ = evaluate(form, terms)
    got = fit_structure(
        x, 1e20 * y, form=form, columns=(Column((0,)), Column((1,))), exponents=exponents,
        parity=np.zeros((form.terms, 2), int), free=np.zeros((form.terms, 2), bool), noise="absolute",
        log_coefficients=logs + scale_powers(form) * np.log(1e20),
    )  # fmt: skip
    np.testing.assert_allclose(predict(got, x), 1e20 * y, rtol=1e-8)
    numbers = plain_numbers(got)
    signed = numbers.signs * np.exp(numbers.log_coefficients - scale_powers(form) * np.log(1e20))
    again, _ = evaluate(form, signed[:, None] * np.exp(exponents @ np.log(x).T))
    np.testing.assert_allclose(again, y, rtol=1e-8)


@pytest.mark.parametrize("power", [-1.0, 0.5, -0.5, 2.0, -2.0, -1.5, 1.5, -2.5, -3.0])
def test_a_power_of_a_sum_divided_by_a_term_has_the_same_values(power):
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.uniform(0.5, 3, 30), rng.uniform(-3, 3, 30)])
    table = prepare(x, x[:, 0] + 1, (Column((0,)), Column((1,))), inputs=2)
    form = Form("power", (3,), power=power)
    terms = np.array([[[1.0, 0.0], [-0.5, 2.0], [2.0, 2.0]], [[1.0, 3.0], [0.5, 2.0], [0.0, 1.0]]])
    coefficients = np.array([[2.0, 0.3, 1.5], [-2.0, 0.3, 1.5]])
    whole = power == round(power)
    parity = np.where(table.signed, terms % 2, 0).astype(int)
    batch = fit.Batch(terms, parity, np.zeros(terms.shape, bool), coefficients, np.zeros(2))
    values = lambda form, batch: evaluate(
        form, batch.coefficients[..., None] * fit.products(table, batch.exponents, batch.parity)
    )[0]
    for first in range(3):
        found = divided.divided(table, form, batch, first)
        positive = [0, 1] if whole or first == 1 else [0]
        assert len(found.rss) == len(positive)
        np.testing.assert_allclose(
            values(divided.quotient_of(form), found), values(form, batch.take(positive)), rtol=1e-10
        )


@pytest.mark.parametrize("power", [0.5, -0.5, -1.0, 2.0, -2.0, 1.5, -2.5])
def test_rows_whose_transformed_target_leaves_the_floats_weigh_nothing(power):
    target = np.concatenate([[1e-308, 1e-300], np.linspace(0.5, 2.0, 40)])
    x = np.arange(1.0, 43.0)[:, None]
    table = prepare(x, target, (Column((0,)),), inputs=1)
    straight, weights = sums.transformed(table, "absolute", power)
    assert straight is not None
    assert np.isfinite(straight.target).all()
    assert np.isfinite(weights).all()
    assert (weights[2:] > 0).all()
    np.testing.assert_allclose(straight.target[2:], table.target[2:] ** (1 / power), rtol=1e-14)


@pytest.mark.parametrize("name", forms.ROOTS)
def test_a_root_with_nothing_beside_it_is_a_quotient_of_the_same_values(name):
    alone, beside = (Form("function", (1, 2, added), function=name) for added in (0, 1))
    assert forms.proper(beside) == beside
    other, root = forms.proper(alone), forms.ROOTS[name]
    assert (other == alone) == root.less_one and (root.less_one or other.function is None)
    terms = np.random.default_rng(0).uniform(0.1, 0.4, (3, 20))
    for found, expected in zip(evaluate(other, terms), evaluate(alone, terms), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    front, first, second = terms
    np.testing.assert_allclose(
        evaluate(alone, terms)[0], front * ((1 + first + second) ** root.power - root.less_one), rtol=1e-12
    )


def test_terms_of_a_series_say_what_is_inside_of_its_function():
    """1.1 a b/c + 0.6 a (b/c)^2.5 may be a series of a F(b/c)."""
    x = np.random.default_rng(0).uniform(1, 3, (50, 3))
    table = prepare(x, x[:, 0], tuple(Column((j,)) for j in range(3)), inputs=3)
    batch = fit.start(table, np.array([[[1.0, 1, -1], [1, 2.49, -2.52]]]), np.zeros((1, 2, 3), int))
    inner = arguments([Fitted(table, Form("sum", (2,)), batch, "absolute", 0.0)])
    assert sorted(map(tuple, inner.exponents.tolist())) == [(0.0, -1.0, 1.0), (0.0, 1.0, -1.0)]
    assert not inner.parity.any()


def test_what_stands_inside_may_stand_inside_of_a_function():
    x = np.random.default_rng(0).uniform(-1, 3, (50, 2))
    table = prepare(x, x[:, 0], tuple(Column((j,)) for j in range(2)), inputs=2)
    batch = fit.start(table, np.array([[[1.0, 0], [2.1, 1]]]), np.zeros((1, 2, 2), int))
    inner = arguments([Fitted(table, Form("quotient", (1, 1)), batch, "absolute", 0.0)])
    found = {tuple(row): tuple(odd) for row, odd in zip(inner.exponents.tolist(), inner.parity.tolist(), strict=True)}
    assert found == {(1.0, 0.5): (1, 0), (-1.0, -0.5): (1, 0), (2.0, 1.0): (0, 1), (-2.0, -1.0): (0, 1)}


def test_terms_of_a_series_stand_in_front_and_beside():
    x = np.random.default_rng(0).uniform(1, 3, (50, 3))
    table = prepare(x, x[:, 0], tuple(Column((j,)) for j in range(3)), inputs=3)
    batch = fit.start(table, np.array([[[0.5, -0.49, 0], [0.51, 1.3, -1.1]]]), np.zeros((1, 2, 3), int))
    around = factors([Fitted(table, Form("sum", (2,)), batch, "absolute", 0.0)])
    assert sorted(map(tuple, around.exponents.tolist())) == [(0.5, -0.5, 0.0), (0.5, 1.5, -1.0)]


def test_a_number_stands_inside_of_nothing():
    x = np.random.default_rng(0).uniform(1, 3, (50, 1))
    table = prepare(x, x[:, 0], (Column((0,)),), inputs=1)
    batch = fit.start(table, np.array([[[1.0], [1.1]]]), np.zeros((1, 2, 1), int))
    assert not len(arguments([Fitted(table, Form("sum", (2,)), batch, "absolute", 0.0)]).exponents)
