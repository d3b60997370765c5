"""Equations from trajectories: searched, fitted, reported honestly.

Data are closed forms or SciPy's solutions; searches are compared with trying everything.
"""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from scipy.integrate import solve_ivp

from nalu_jax import discover
from nalu_jax.discover import _library, _ode, _scaling, _subsets
from nalu_jax.discover._result import ALIKE, NOTHING, RECOVERED

TS = np.linspace(0.0, 6.0, 40)


def logistic(ts, start=0.2, rate=1.2, capacity=2.0):
    return capacity / (1 + (capacity / start - 1) * np.exp(-rate * np.asarray(ts)))


def coefficients(equation, *names):
    polynomial = sympy.Poly(equation, *[sympy.Symbol(name, real=True) for name in names])
    return {powers: float(c) for powers, c in polynomial.terms()}


def best_of(found):
    assert found.best is not None, str(found)
    return found.best


# the parts


def test_the_library_has_every_product_up_to_its_cost():
    powers = [(1, 2, 0.5), (1, 3)]
    found = {tuple(row) for row in _library.monomials(powers, limit=1000).tolist()}
    assert found == {(a, b) for a in (0, 1, 2, 0.5) for b in (0, 1, 3)}
    few = _library.monomials(powers, limit=4)
    assert {tuple(row) for row in few.tolist()} == {(0, 0), (1, 0), (0, 1)}


@pytest.mark.parametrize(
    ("states", "fractions", "inverses"),
    [([1.0, 2.0], True, True), ([0.0, 2.0], True, False), ([-1.0, 2.0], False, False)],
)
def test_powers_fit_the_values_of_a_state(states, fractions, inverses):
    powers = _library.powers_of(np.array(states))
    assert (0.5 in powers) == fractions and (-1 in powers) == inverses and {1, 2, 3} <= set(powers)


def test_values_of_products():
    states = np.array([[-2.0, 9.0], [0.0, 4.0]])
    found = _library.values(np.array([[0.0, 0.0], [3.0, 0.0], [1.0, 0.5]]), states)
    np.testing.assert_allclose(found, [[1, -8, -6], [1, 0, 0]])


def test_the_rarer_a_product_the_longer_its_name():
    library = np.array([0, 1, 1, 2, 2, 2])
    found = _library.names(np.array([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [1 / 3, 0.0]]), library)
    np.testing.assert_allclose(found, 2 * np.log([3, 3, 6, 6]))
    assert _library.nearest(np.array([0.1, 0.6, -1.2, 7.0])).tolist() == [0.0, 0.5, -1.0, 5.0]


def test_subsets_find_what_trying_everything_finds():
    generator = np.random.default_rng(3)
    matrix = generator.normal(size=(40, 9)) + generator.normal(size=(40, 1))
    vector = matrix[:, [1, 4, 6]] @ [1.0, -2.0, 0.5] + 0.01 * generator.normal(size=40)
    found = _subsets.subsets(matrix, vector, most=3, beam=10)

    def error(columns):
        return np.mean((vector - matrix[:, columns] @ np.linalg.lstsq(matrix[:, columns], vector, rcond=None)[0]) ** 2)

    for size in (1, 2, 3):
        best = min(itertools.combinations(range(9), size), key=lambda columns: error(list(columns)))
        ours = min((s for s in found if len(s.columns) == size), key=lambda subset: subset.error)
        assert ours.columns == best
        np.testing.assert_allclose(ours.error, error(list(best)), rtol=1e-8)


def test_coefficients_return_to_the_units_of_the_data():
    scale = _scaling.Scale((2.0, 5.0), 10.0)
    exponents, inside = np.array([[1.0, 0.5], [0.0, 2.0]]), np.array([[3.0, 0.0], [1.0, -1.0]])
    outside = _scaling.unscaled(exponents, inside, scale)
    y = np.array([7.0, 11.0])
    rates = lambda c, y: np.prod(y**exponents, axis=1) @ c
    np.testing.assert_allclose(
        rates(outside, y), rates(inside, y / np.array(scale.states)) * np.array(scale.states) / scale.time, rtol=1e-12
    )


# from trajectories to equations


@pytest.fixture(scope="module")
def logistic_found():
    return discover.ode(TS, logistic(TS), names=["n"], progress=False)


def test_logistic_growth_is_recovered(logistic_found):
    assert logistic_found.verdict == RECOVERED
    terms = coefficients(best_of(logistic_found).equations[0], "n")
    assert terms.keys() == {(1,), (2,)}
    assert abs(terms[(1,)] - 1.2) < 1e-5 and abs(terms[(2,)] + 0.6) < 1e-5
    assert best_of(logistic_found).error < 1e-6 and (logistic_found.noise == 0).all()
    assert "n^{2}" in best_of(logistic_found).latex[0]
    assert "dn/dt" in str(logistic_found)


@pytest.mark.slow
def test_laws_that_are_one_along_the_data_are_not_told_apart():
    n = logistic(TS)
    found = discover.ode(TS, np.stack([n, 3 * n], 1), names=["n", "m"], progress=False)
    assert found.verdict == ALIKE and "about as likely" in found.reason
    assert best_of(found).error < 1e-6


@pytest.mark.slow
def test_noise_is_not_fitted_by_one_of_many_products():
    ts = np.linspace(0.0, 10.0, 150)
    exact = 8 / 15 + (0.14 - 8 / 15) * np.exp(-0.6 * ts)
    noise = 0.01 * exact.std() * np.random.default_rng([20000, 9]).normal(size=(150, 1))[:, 0]
    found = discover.ode(ts, exact + noise, names=["a"], progress=False)
    assert coefficients(best_of(found).equations[0], "a").keys() == {(0,), (1,)}


def test_what_is_found_simulates_other_initial_states(logistic_found):
    np.testing.assert_allclose(logistic_found.simulate([3.0], TS)[:, 0], logistic(TS, 3.0), rtol=1e-4)
    with pytest.raises(ValueError, match=r"y0 must have shape \(1,\), got \(2,\)"):
        logistic_found.simulate([1.0, 2.0], TS)


def test_the_front_is_one_system_for_each_complexity(logistic_found):
    complexities = [candidate.complexity for candidate in logistic_found.front]
    assert complexities == sorted(set(complexities))
    errors = [candidate.error for candidate in logistic_found.front]
    assert errors[0] > 10 * min(errors)


@pytest.mark.slow
def test_the_same_data_give_the_same_result(logistic_found):
    again = discover.ode(TS, logistic(TS), names=["n"], progress=False)
    np.testing.assert_array_equal(best_of(again).coefficients, best_of(logistic_found).coefficients)
    assert again.verdict == logistic_found.verdict


@pytest.mark.slow
def test_several_irregular_trajectories_with_holes():
    generator = np.random.default_rng(0)
    many_ts = [np.sort(generator.uniform(0, 6, size=n)) for n in (40, 30)]
    many_ys = [logistic(ts, start) for ts, start in zip(many_ts, (0.2, 3.5), strict=True)]
    many_ys[0][7] = np.nan
    found = discover.ode(many_ts, many_ys, names=["n"], missing=True, noise=0.0, progress=False)
    terms = coefficients(best_of(found).equations[0], "n")
    assert terms.keys() == {(1,), (2,)}
    assert abs(terms[(1,)] - 1.2) < 1e-3 and abs(terms[(2,)] + 0.6) < 1e-3


def grown(t, y):
    return 1.2 * y


@pytest.mark.slow
def test_known_physics_leaves_the_unknown_term():
    found = discover.ode(TS, logistic(TS), names=["n"], known=grown, progress=False)
    assert coefficients(best_of(found).equations[0], "n") == {(2,): pytest.approx(-0.6, abs=1e-5)}
    np.testing.assert_allclose(found.simulate([0.2], TS)[:, 0], logistic(TS), rtol=1e-4)


@pytest.mark.slow
def test_a_real_exponent_is_found():
    """dy/dt = -0.7 y^0.62 in closed form; 0.62 is no simple number."""
    ts = np.linspace(0.0, 3.0, 40)
    found = best_of(discover.ode(ts, (3**0.38 - 0.38 * 0.7 * ts) ** (1 / 0.38), names=["y"], progress=False))
    assert found.exponents.shape == (1, 1)
    assert abs(found.exponents[0, 0] - 0.62) < 1e-4 and abs(found.coefficients[0, 0] + 0.7) < 1e-4


@pytest.mark.slow
def test_data_from_outside_the_class_are_not_called_recovered():
    """Michaelis-Menten: a quotient with a sum below is no sum of products of powers."""
    ys = solve_ivp(lambda t, y: -1.5 * y / (0.8 + y), (0, 6), [4.0], t_eval=TS, rtol=1e-11, atol=1e-12).y.T
    found = discover.ode(TS, ys, names=["s"], progress=False)
    assert found.verdict == NOTHING, str(found)


@pytest.mark.slow
def test_noise_is_reported_and_what_it_hides_is_not_claimed():
    noisy = logistic(TS) + 0.01 * np.random.default_rng(0).normal(size=TS.size)
    found = discover.ode(TS, noisy, names=["n"], progress=False)
    assert 0.005 < found.noise[0] < 0.02
    assert found.verdict in (RECOVERED, ALIKE, NOTHING)
    assert 0.7 < best_of(found).error < 1.3  # in standard deviations of the noise
    assert all((candidate.coefficient_errors[candidate.coefficients != 0] > 0).all() for candidate in found.front)


# bad input, Ctrl-C


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ys": -logistic(TS), "domain": "positive"}, r"'n' is -0.2 in row 0 of trajectory 0"),
        ({"domain": "complex"}, "domain must be one of"),
        ({"initial_states": "maybe"}, "initial_states must be one of"),
        ({"noise": -1.0}, "noise must be"),
        ({"ts": TS[::-1]}, "must increase"),
        ({"ys": np.where(np.arange(40) == 3, np.nan, logistic(TS))}, "missing=True"),
        ({"ys": np.ones((40, 7)), "names": list("abcdefg")}, "at most 6 states"),
        ({"ts": TS[:4], "ys": logistic(TS[:4])}, "at least 5"),
    ],
)
def test_bad_input_is_refused_before_the_search(options, words):
    arguments = {"ts": TS, "ys": logistic(TS), "names": ["n"], "progress": False} | options
    with pytest.raises(ValueError, match=words):
        discover.ode(arguments.pop("ts"), arguments.pop("ys"), **arguments)


def test_ctrl_c_keeps_what_there_is(monkeypatch):
    import contextlib

    @contextlib.contextmanager
    def pressed():
        yield lambda: True

    monkeypatch.setattr(_ode, "deferred", pressed)
    found = discover.ode(TS, logistic(TS), names=["n"], progress=False)
    assert found.interrupted and found.best is None and found.verdict == NOTHING
    with pytest.raises(ValueError, match="no system was found"):
        found.simulate([1.0], TS)


def test_known_rates_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"known\(t, y\) must return an array of shape \(1,\), got \(3,\)"):
        discover.ode(TS, logistic(TS), known=lambda t, y: jnp.ones(3), progress=False)
