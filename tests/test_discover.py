"""Equations from trajectories: searched, fitted, reported honestly.

Data are closed forms or SciPy's solutions; searches are compared with trying everything.
"""

import itertools
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pandas
import pytest
import sympy
from scipy.integrate import solve_ivp

from nalu_jax import discover
from nalu_jax.discover import _ode
from nalu_jax.discover._found import ALIKE, NOTHING, RECOVERED
from nalu_jax.discover._systems import flow, library, problem, shooting, structure, subsets, terms

TS = np.linspace(0.0, 6.0, 40)


def logistic(ts, start=0.2, rate=1.2, capacity=2.0):
    return capacity / (1 + (capacity / start - 1) * np.exp(-rate * np.asarray(ts)))


def solved(rates, start, ts):
    return solve_ivp(rates, (ts[0], ts[-1]), start, t_eval=ts, rtol=1e-11, atol=1e-12, method="DOP853").y.T


def noisy(ys, noise, seed=0):
    return ys + noise * ys.std(0) * np.random.default_rng(seed).normal(size=ys.shape)


def coefficients(expression, *names):
    polynomial = sympy.Poly(expression, *[sympy.Symbol(name, real=True) for name in names])
    return {powers: float(c) for powers, c in polynomial.terms()}


def predator_and_prey(t, y):
    return [y[0] - 0.4 * y[0] * y[1], -0.8 * y[1] + 0.2 * y[0] * y[1]]


def rates_of(found, states):
    """By the units that were found."""
    return np.array(found.model.apply(jax.tree.map(jnp.asarray, found.params), jnp.asarray(states)))


def lorenz(t, y):
    return [10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]]


def pendulum(t, y):
    return [y[1], -0.2 * y[1] - 4 * np.sin(y[0])]


# the parts


def test_the_library_has_every_product_of_its_degree():
    found = {term.powers for term in library.polynomials(3, 3)}
    assert found == {p for p in itertools.product(range(4), repeat=3) if sum(p) <= 3}
    assert library.monomial_price(3, 3) > library.monomial_price(3, 2) > library.monomial_price(3, 1)


def test_only_states_that_stay_away_from_0_have_inverse_powers():
    found = library.real_products([True, False, False], [False, False, True])
    powers = np.array([term.powers for term in found])
    assert (powers[:, 0] >= 0).all() and (powers[:, 0] % 1 == 0).all() and (powers[:, 1] >= 0).all()
    assert (powers[:, 1] == 0.5).any() and (powers[:, 2] == -1).any() and not any(term.whole for term in found)


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_subsets_find_what_trying_everything_finds(noise):
    generator = np.random.default_rng(3)
    matrix = generator.normal(size=(40, 9)) + generator.normal(size=(40, 1))
    vector = matrix[:, [1, 4, 6]] @ [1.0, -2.0, 0.5] + noise * generator.normal(size=40)
    regression = subsets.Regression.of(matrix, vector, prices=np.full(9, 3.0), rows=40.0)
    every = [list(each) for size in range(5) for each in itertools.combinations(range(9), size)]
    best = min(every, key=lambda each: subsets.cost(regression, each))
    assert list(subsets.search(regression, []).support) == best and set(best) >= {1, 4, 6}
    np.testing.assert_allclose(regression.coefficients([1, 4, 6]), [1, -2, 0.5], atol=3 * noise + 1e-10)
    changes = {tuple(sorted(set(best) ^ {k})) for k in range(9)}
    changes |= {tuple(sorted(set(best) - {i} | {k})) for i in best for k in range(9) if k not in best}
    expected = sorted((subsets.cost(regression, list(each)), each) for each in changes)[:3]
    found = subsets.neighbours(regression, best, 3)
    assert [each.support for each in found] == [each for _, each in expected]
    np.testing.assert_allclose([each.cost for each in found], [cost for cost, _ in expected], rtol=1e-6)


def quotient_with_everything():
    sine = terms.Term((0.0, 0.0), (terms.Function("sin", (1.0, -0.5)),))
    above = (terms.Term((1.0, 2.0)), sine), (terms.Term((0.4, 0.0), (), (True, False)),)
    return structure.Structure(above, ((terms.Term((2.0, 0.0)),), ())), np.array([0.7, -1.1, 0.3, 0.9, 0.6])


def test_derivatives_of_rates_are_those_of_differences():
    made, parameters = quotient_with_everything()
    states = np.random.default_rng(0).uniform(0.5, 2.0, (4, 2))
    step = 1e-6
    by_parameter = np.zeros((4, 2, 5))
    for i, ((begin, _, end), part) in enumerate(zip(made.spans, made.by_coefficient(states, parameters), strict=True)):
        by_parameter[:, i, begin:end] = part
    by_parameter[..., made.coefficients :] = made.by_exponent(states, parameters)
    for k, move in enumerate(np.eye(5) * step):
        slope = (made.rates(states, parameters + move) - made.rates(states, parameters - move)) / (2 * step)
        np.testing.assert_allclose(by_parameter[..., k], slope, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_intervals_end_where_scipy_ends_them(level):
    """With a quotient, a sine and a real exponent; propagators against differences."""
    made, parameters = quotient_with_everything()
    ts = np.array([0.0, 0.1, 0.35, 0.4])
    ys = solved(lambda t, y: made.rates(y[None], parameters)[0], [1.0, 1.5], ts)
    trajectory = problem.problem([ts], [ys], scale=np.ones(2))
    found = flow.flow(trajectory, made, parameters, ys, level)
    np.testing.assert_allclose(found.ends, ys[1:], rtol=1e-9 if level else 1e-6)
    for j, move in enumerate(np.eye(2) * 1e-6):
        there, back = (flow.flow(trajectory, made, parameters, ys + each, level) for each in (move, -move))
        np.testing.assert_allclose(found.propagators[..., j], (there.ends - back.ends) / 2e-6, rtol=1e-5, atol=1e-7)
    back = found.onward @ np.linalg.inv(found.onward[:, :1])  # to the ends from there, and from there to the beginnings
    np.testing.assert_allclose(back @ found.propagators[:, None], found.onward, atol=1e-9)


def test_whitening_divides_by_the_covariance_of_the_intervals():
    """Against a dense Cholesky factor of C Sigma C', for two trajectories."""
    generator = np.random.default_rng(0)
    pieces = [np.linspace(0, 1, 9), np.linspace(0, 1, 10)]
    made = problem.problem(pieces, [generator.normal(size=(len(t), 2)) for t in pieces], scale=np.ones(2))
    propagators = generator.normal(size=(17, 2, 2))
    deviations = generator.uniform(0.5, 1.5, (19, 2))
    matrix = np.zeros((34, 38))
    for i, begin in enumerate(made.begins):
        matrix[2 * i : 2 * i + 2, 2 * begin + 2 : 2 * begin + 4] = np.eye(2)
        matrix[2 * i : 2 * i + 2, 2 * begin : 2 * begin + 2] = -propagators[i]
    factor = shooting.covariance_factor(made, propagators, deviations)
    rows = generator.normal(size=(17, 2, 3))
    dense = np.linalg.cholesky(matrix @ np.diag(deviations.ravel() ** 2) @ matrix.T)
    np.testing.assert_allclose(
        shooting.whitened(factor, rows), np.linalg.solve(dense, rows.reshape(34, 3)), rtol=1e-9, atol=1e-12
    )


# from trajectories to equations


@pytest.fixture(scope="module")
def logistic_found():
    return discover.ode(TS, logistic(TS), names=["n"], progress=False)


def test_logistic_growth_is_recovered(logistic_found):
    assert logistic_found.verdict == RECOVERED
    found = coefficients(logistic_found.expressions[0], "n")
    assert found.keys() == {(1,), (2,)}
    assert abs(found[(1,)] - 1.2) < 1e-5 and abs(found[(2,)] + 0.6) < 1e-5
    assert logistic_found.best.error < 1.1e-7


def test_what_is_found_simulates_other_initial_states(logistic_found):
    np.testing.assert_allclose(logistic_found.simulate([3.0], TS)[:, 0], logistic(TS, 3.0), rtol=1e-5)
    with pytest.raises(ValueError, match=r"y0 must have shape \(1,\), got \(2,\)"):
        logistic_found.simulate([1.0, 2.0], TS)


def test_the_front_never_rises_and_the_same_data_give_the_same_result(logistic_found):
    again = discover.ode(TS, logistic(TS), names=["n"], progress=False)
    assert again.equations == logistic_found.equations and again.verdict == logistic_found.verdict
    front = logistic_found.front
    assert [each.complexity for each in front] == sorted({each.complexity for each in front})
    assert [each.error for each in front] == sorted((each.error for each in front), reverse=True)
    assert logistic_found.best in front


@pytest.fixture(scope="module")
def prey_found():
    ys = noisy(solved(predator_and_prey, [3.0, 2.0], np.linspace(0, 10, 100)), 0.01)
    return discover.ode(np.linspace(0, 10, 100), ys, names=["prey", "pred"], progress=False)


@pytest.mark.slow
def test_numbers_are_shown_with_their_errors(prey_found):
    """B8."""
    assert prey_found.verdict == RECOVERED
    shown = str(prey_found)
    assert "dprey/dt = " in shown and "*prey*pred" in shown and "+ -" not in shown, shown
    assert prey_found.latex[1].startswith(r"\frac{d \mathrm{pred}}{dt} = ")
    for rate, exact in zip(prey_found.best.rates, ([1.0, -0.4], [-0.8, 0.2]), strict=True):
        for term, value in zip(rate.terms, exact, strict=True):
            assert 0 < term.coefficient.error < 0.01
            assert abs(term.coefficient.estimate - value) < 4 * term.coefficient.error
    deviations = solved(predator_and_prey, [3.0, 2.0], np.linspace(0, 10, 100)).std(0)
    np.testing.assert_allclose(prey_found.noise / deviations, 0.01, rtol=0.2)


@pytest.mark.slow
def test_equations_are_units_text_and_source(prey_found):
    states = np.random.default_rng(0).uniform(1.0, 3.0, (5, 2))
    rates = rates_of(prey_found, states)
    scope = {}
    exec(prey_found.to_python(), scope)
    np.testing.assert_allclose(rates, [scope["rates"](0.0, y) for y in states], rtol=1e-5)
    names = [sympy.Symbol(name, real=True) for name in prey_found.symbols]
    read = sympy.lambdify([names], list(prey_found.expressions))
    np.testing.assert_allclose(rates, [read(y) for y in states], rtol=1e-5)
    evaluated = [eval(text, {}, {"prey": 2.0, "pred": 1.5}) for text in prey_found.equations]
    np.testing.assert_allclose(evaluated, read([2.0, 1.5]), rtol=1e-12)


@pytest.mark.slow
def test_units_of_the_data_do_not_matter():
    """Sizes of 1e-6 and 1e9, times of 1e-12: A2 of trajectories."""
    ts, sizes = np.linspace(0, 10, 60), np.array([1e-6, 1e9])
    ys = solved(predator_and_prey, [3.0, 2.0], ts)
    found = discover.ode(ts * 1e-12, ys * sizes, names=["a", "b"], progress=False)
    assert found.verdict == RECOVERED
    one, other = (coefficients(expression, "a", "b") for expression in found.expressions)
    assert one[(1, 0)] == pytest.approx(1e12, rel=1e-6) and one[(1, 1)] == pytest.approx(-0.4e12 / 1e9, rel=1e-6)
    assert other[(0, 1)] == pytest.approx(-0.8e12, rel=1e-6) and other[(1, 1)] == pytest.approx(0.2e18, rel=1e-6)


@pytest.mark.slow
def test_laws_that_are_one_along_the_data_are_not_told_apart():
    n = logistic(TS)
    found = discover.ode(TS, np.stack([n, 3 * n], 1), names=["n", "m"], progress=False)
    assert found.verdict == ALIKE and len(found.alike) >= 1
    assert found.best.error < 1.1e-7


@pytest.mark.slow
def test_noise_is_not_fitted_by_one_of_many_products():
    ts = np.linspace(0.0, 10.0, 150)
    exact = 8 / 15 + (0.14 - 8 / 15) * np.exp(-0.6 * ts)
    noise = 0.01 * exact.std() * np.random.default_rng([20000, 9]).normal(size=(150, 1))[:, 0]
    found = discover.ode(ts, exact + noise, names=["a"], progress=False)
    assert coefficients(found.expressions[0], "a").keys() == {(0,), (1,)}
    assert 0.8 < found.noise[0] / noise.std() < 1.2


def test_several_irregular_trajectories_with_holes():
    generator = np.random.default_rng(0)
    many_ts = [np.sort(generator.uniform(0, 6, size=n)) for n in (40, 30, 3)]
    many_ys = [logistic(ts, start) for ts, start in zip(many_ts, (0.2, 3.5, 1.0), strict=True)]
    many_ys[0][7] = np.nan
    found = discover.ode(many_ts, many_ys, names=["n"], missing=True, noise=0.0, progress=False)
    terms = coefficients(found.expressions[0], "n")
    assert terms.keys() == {(1,), (2,)}
    assert abs(terms[(1,)] - 1.2) < 1e-4 and abs(terms[(2,)] + 0.6) < 1e-4


@pytest.mark.slow
def test_a_state_that_is_measured_now_and_then():
    ts = np.linspace(0, 10, 100)
    ys = noisy(solved(predator_and_prey, [3.0, 2.0], ts), 0.01)
    ys[np.arange(100) % 3 != 0, 1] = np.nan
    found = discover.ode(ts, ys, names=["a", "b"], missing=True, progress=False)
    one, other = (coefficients(expression, "a", "b") for expression in found.expressions)
    assert one.keys() == {(1, 0), (1, 1)} and other.keys() == {(0, 1), (1, 1)}


def grown(t, y):
    return 1.2 * y


def test_known_physics_leaves_the_unknown_term():
    found = discover.ode(TS, logistic(TS), names=["n"], known=grown, progress=False)
    assert coefficients(found.expressions[0], "n") == {(2,): pytest.approx(-0.6, abs=1e-5)}
    assert "dn/dt = known - 0.6" in str(found) and r"\text{known} - 0.6" in found.latex[0]
    np.testing.assert_allclose(found.simulate([0.2], TS)[:, 0], logistic(TS), rtol=1e-5)
    again = pickle.loads(pickle.dumps(found))  # B12: where known is a function with a name
    assert again.equations == found.equations


@pytest.mark.slow
def test_a_real_exponent_is_found():
    """dy/dt = -0.7 y^0.62 in closed form; 0.62 is no simple number."""
    ts = np.linspace(0.0, 3.0, 40)
    found = discover.ode(ts, (3**0.38 - 0.38 * 0.7 * ts) ** (1 / 0.38), names=["y"], progress=False)
    ((term,),) = (rate.terms for rate in found.best.rates)
    assert abs(term.factors[0].exponent.value - 0.62) < 1e-5 and abs(term.coefficient.value + 0.7) < 1e-5
    rates = rates_of(found, np.array([[2.0]]))
    np.testing.assert_allclose(rates, [[-0.7 * 2**0.62]], rtol=1e-5)


@pytest.mark.slow
def test_michaelis_menten_is_found():
    """B6: a quotient, also as units."""
    ys = solved(lambda t, y: -1.5 * y / (0.8 + y), [4.0], TS)
    found = discover.ode(TS, ys, names=["s"], progress=False)
    assert found.verdict == RECOVERED
    s = np.array([[0.3], [2.0]])
    np.testing.assert_allclose(rates_of(found, s), -1.5 * s / (0.8 + s), rtol=1e-5)
    barred = discover.ode(TS, ys, names=["s"], nested=False, progress=False)
    assert barred.verdict != RECOVERED and barred.best.rates[0].form.kind == "sum"


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_a_sine_is_told_from_its_series(noise):
    """B1: the answer is the sine, and where no function may be in it the series is not said to be the law."""
    ts = np.linspace(0, 10, 100)
    ys = noisy(solved(pendulum, [2.0, 0.0], ts), noise)
    found = discover.ode(ts, ys, names=["th", "om"], progress=False)
    assert found.verdict == RECOVERED and "sin(th)" in found.equations[1] and found.model is None
    assert "sin" in found.model_note
    np.testing.assert_allclose(found.simulate([2.0, 0.0], ts), solved(pendulum, [2.0, 0.0], ts), atol=0.1)
    if noise == 0:
        return
    series = discover.ode(ts, ys, names=["th", "om"], functions=(), progress=False)
    assert series.verdict != RECOVERED and "sin" not in series.equations[1]


@pytest.mark.slow
def test_what_is_not_determined_is_not_recovered():
    """B2: of 40 points the first alone has not come to rest."""
    found = discover.ode(np.linspace(0, 6, 40), np.exp(-1000 * np.linspace(0, 6, 40)) + 1, progress=False)
    assert found.verdict != RECOVERED


@pytest.mark.slow
def test_coarse_exact_data_are_not_taken_for_noise():
    """B3: six points a turn."""
    matrix = np.array([[-0.1, 20.0, 3.0], [-20.0, -0.1, 8.0], [1.0, -9.0, -0.2]])
    ts = np.linspace(0, 5, 100)
    found = discover.ode(ts, solved(lambda t, y: matrix @ y, [1.0, 0.0, 0.5], ts), names=list("abc"), progress=False)
    assert found.verdict == RECOVERED
    states = np.eye(3)
    np.testing.assert_allclose(rates_of(found, states).T, matrix, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_chaos_has_no_terms_that_are_not_there(noise):
    """B4."""
    ts = np.linspace(0, 5, 200)
    ys = noisy(solved(lorenz, [1.0, 2.0, 20.0], ts), noise)
    found = discover.ode(ts, ys, names=list("xyz"), progress=False)
    assert [len(rate.terms) for rate in found.best.rates] == [2, 3, 2]
    states = np.random.default_rng(0).uniform(-2, 2, (5, 3))
    expected = [lorenz(0, y) for y in states]
    np.testing.assert_allclose(rates_of(found, states), expected, rtol=0.05, atol=0.3)
    if noise == 0:
        assert found.verdict == RECOVERED


def test_states_that_stay_as_they_are():
    found = discover.ode(TS, np.ones((40, 2)), progress=False)
    assert found.verdict == NOTHING and found.equations == ("0", "0")
    np.testing.assert_array_equal(found.simulate([1.0, 2.0], [0.0, 1.0]), [[1.0, 2.0]] * 2)


# bad input, Ctrl-C


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"initial_states": "maybe"}, ValueError, "initial_states must be one of"),
        ({"noise": -1.0}, ValueError, "noise must be"),
        ({"functions": ("sinc",)}, ValueError, "functions must be"),
        ({"time_limit": -1.0}, ValueError, "time_limit must be"),
        ({"ts": TS[::-1]}, ValueError, "must increase"),
        ({"ys": np.where(np.arange(40) == 3, np.nan, logistic(TS))}, ValueError, "missing=True"),
        ({"ts": TS[:4], "ys": logistic(TS[:4])}, ValueError, "at least 5"),
        ({"ys": np.ma.masked_less(logistic(TS), 0.3)}, TypeError, "masked array"),
        ({"ys": np.ones((40, 2)), "names": ["a", "a"]}, ValueError, "two states are named 'a'"),
        ({"ys": np.ones((3, 40, 2)), "names": ["a", "b"]}, ValueError, r"pass a list: list\(ys\)"),
    ],
)
def test_bad_input_is_refused_before_the_search(options, error, words):
    arguments = {"ts": TS, "ys": logistic(TS), "names": ["n"], "progress": False} | options
    with pytest.raises(error, match=words):
        discover.ode(arguments.pop("ts"), arguments.pop("ys"), **arguments)


def test_a_frame_brings_the_names_of_states():
    frame = pandas.DataFrame({"E": np.exp(-TS)})
    found = discover.ode(TS, frame, progress=False)
    assert found.names == ("E",) and found.symbols == ("E_",) and "E_ is the state 'E'" in str(found)


def test_ctrl_c_keeps_what_there_is(monkeypatch):
    import contextlib

    asked = itertools.count()

    @contextlib.contextmanager
    def pressed():
        yield lambda: next(asked) > 3

    monkeypatch.setattr(_ode, "deferred", pressed)
    found = discover.ode(TS, logistic(TS), names=["n"], progress=False)
    assert found.interrupted and found.verdict in (RECOVERED, ALIKE, NOTHING)
    asked = itertools.count(10)
    with pytest.raises(KeyboardInterrupt):
        discover.ode(TS, logistic(TS), names=["n"], progress=False)


def test_the_time_limit_returns_the_best_so_far():
    with pytest.raises(TimeoutError, match="no equation within the time limit of 0 s"):
        discover.ode(TS, logistic(TS), time_limit=0, progress=False)
    ts = np.linspace(0, 5, 200)
    found = discover.ode(ts, noisy(solved(lorenz, [1.0, 2.0, 20.0], ts), 0.01), time_limit=0.3, progress=False)
    assert "time limit" in found.notes[0] and not found.interrupted and found.verdict != RECOVERED


def test_known_rates_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"known\(t, y\) must return an array of shape \(1,\), got \(3,\)"):
        discover.ode(TS, logistic(TS), known=lambda t, y: jnp.ones(3), progress=False)
