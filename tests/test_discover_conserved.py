"""Sums of states that do not change: laws that keep them, each constant fitted once, and sums that are none.

Data are SciPy's solutions.
"""

from fractions import Fraction

import numpy as np
import pytest
import sympy
from scipy.integrate import solve_ivp

from nalu_jax import discover
from nalu_jax.discover import _system_conserved
from nalu_jax.discover._found import RECOVERED
from nalu_jax.discover._systems import exchanges, linear, problem, shooting, structure, terms, verdict
from nalu_jax.symbolic._parse import parse

TS = np.linspace(0.0, 30.0, 60)
NAMES = ("s", "i", "r")


def epidemic(t, y):
    return [-0.5 * y[0] * y[1], 0.5 * y[0] * y[1] - 0.2 * y[1], 0.2 * y[1]]


def solved(rates, start, ts=TS):
    return solve_ivp(rates, (ts[0], ts[-1]), start, t_eval=ts, rtol=1e-11, atol=1e-12, method="DOP853").y.T


def measured(noise, seed):
    states = solved(epidemic, [0.97, 0.03, 0.0])
    return states + noise * states.std(0) * np.random.default_rng(seed).normal(size=states.shape)


def values(expressions, names, at):
    """Rates in SymPy as numbers."""
    symbols = [sympy.Symbol(name, real=True) for name in names]
    return [float(sympy.lambdify(symbols, each)(*at)) for each in expressions]


def total(found, text):
    """The rate of a sum, from the rates as they are written."""
    symbols = {name: sympy.Symbol(name, real=True) for name in found.names}
    weights = parse(text, symbols)
    rates = dict(zip(symbols.values(), found.expressions, strict=True))
    return sympy.simplify(sympy.nsimplify(weights.xreplace(rates), rational=True))


@pytest.mark.slow
def test_what_one_state_hands_to_another_is_one_number(tmp_path):
    found = discover.ode(TS, measured(0.02, 0), names=NAMES, conserved=("s + i + r",), time_limit=None, progress=False)
    lost, gained, kept = found.best.rates
    assert [len(rate.terms) for rate in (lost, gained, kept)] == [1, 2, 1]
    (infection,), (recovery,) = lost.terms, kept.terms
    assert infection.coefficient.estimate == pytest.approx(-0.5, rel=0.02)
    assert recovery.coefficient.estimate == pytest.approx(0.2, rel=0.02)
    sizes = {abs(term.coefficient.value): term.coefficient.error for term in gained.terms}
    assert sizes == {
        -infection.coefficient.value: infection.coefficient.error,
        recovery.coefficient.value: recovery.coefficient.error,
    }
    assert total(found, "s + i + r") == 0
    for candidate in found.candidates:
        assert abs(sum(values(candidate.expressions, NAMES, [0.3, 0.2, 0.5]))) < 1e-12
    found.save(tmp_path / "law.json")
    assert discover.load(tmp_path / "law.json").equations == found.equations
    states = found.simulate([0.97, 0.03, 0.0], TS)
    np.testing.assert_allclose(states.sum(1), 1.0, rtol=1e-6)


def test_an_exact_epidemic():
    found = discover.ode(TS, measured(0.0, 0), names=NAMES, conserved="s + i + r", time_limit=None, progress=False)
    assert found.verdict == RECOVERED and total(found, "s + i + r") == 0
    assert found.equations == ("-s*i/2", "-i/5 + s*i/2", "i/5")


def test_shared_numbers_have_the_errors_that_they_say():
    routes = np.array(_system_conserved.read("s + i + r", NAMES).routes, float).T
    infection, recovery = terms.Term((1.0, 1.0, 0.0)), terms.Term((0.0, 1.0, 0.0))
    law = structure.plain([(infection,), (), (recovery,)])  # s to i, s to r, i to r
    off = []
    for seed in range(40):
        states = measured(0.03, seed)
        scale = states.std(0)
        made = problem.problem([TS], [states], scale=scale, routes=routes)
        truth = np.array([0.5 * scale[0] * scale[1], 0.2 * scale[1]]) / made.equation_scale[[0, 2]]
        fitted = shooting.fit(made, law, truth, made.nodes(made.curves[0]), made.curves[0].noise)
        assert fitted is not None
        off.append((fitted.parameters - truth) / verdict.errors_of(fitted))
    assert 0.8 < np.sqrt(np.mean(np.square(off))) < 1.25  # 80 numbers: a standard deviation of 0.08


def test_a_sum_with_weights_and_two_totals():
    rates = lambda t, y: [-1.4 * y[0] ** 2 + 0.2 * y[1], 0.7 * y[0] ** 2 - 0.1 * y[1]]  # a dimer
    ts = np.linspace(0.0, 6.0, 40)
    states = [solved(rates, start, ts) for start in ([3.0, 0.0], [1.0, 2.0])]
    found = discover.ode([ts, ts], states, names=["a", "d"], conserved="a + 2*d", time_limit=None, progress=False)
    assert found.verdict == RECOVERED and total(found, "a + 2*d") == 0
    at = [1.5, 0.5]
    np.testing.assert_allclose(values(found.expressions, found.names, at), rates(0.0, at), rtol=1e-6)


@pytest.mark.slow
def test_two_sums_of_an_enzyme():
    rates = lambda t, y: [
        -2 * y[0] * y[1] + 0.5 * y[2],
        -2 * y[0] * y[1] + 1.5 * y[2],
        2 * y[0] * y[1] - 1.5 * y[2],
        y[2],
    ]
    ts = np.linspace(0.0, 6.0, 60)
    states = [solved(rates, start, ts) for start in ([2.0, 1.0, 0.0, 0.0], [1.0, 0.5, 0.2, 0.0])]
    sums = ("s + c + p", "e + c")
    found = discover.ode([ts, ts], states, names=["s", "e", "c", "p"], conserved=sums, time_limit=None, progress=False)
    assert found.verdict == RECOVERED and [total(found, text) for text in sums] == [0, 0]
    assert sum(len(rate.terms) for rate in found.best.rates) == 7


@pytest.mark.slow
def test_a_quotient_that_is_handed_on():
    rates = lambda t, y: [-y[0] / (0.5 + y[0]), y[0] / (0.5 + y[0])]
    ts = np.linspace(0.0, 6.0, 60)
    states = [solved(rates, start, ts) for start in ([3.0, 0.0], [1.0, 0.5])]
    found = discover.ode([ts, ts], states, names=["s", "p"], conserved="s + p", time_limit=None, progress=False)
    assert found.verdict == RECOVERED and total(found, "s + p") == 0
    assert {rate.form.kind for rate in found.best.rates} == {"quotient"}


def test_routes_are_the_fewest_states_that_keep_all_sums():
    found = _system_conserved.read(("s + c + p", "e + c"), ("s", "e", "c", "p"))
    matrix = np.array(found.weights, float) @ np.array(found.routes, float).T
    assert not matrix.any()
    whole = [[int(part) for part in route] for route in found.routes]
    assert sorted(whole) == [[-1, -1, 1, 0], [-1, 0, 0, 1], [0, -1, 1, -1]]
    assert _system_conserved.read("0.5*a + b/3", ("a", "b")).routes == ((-2, 3),)


def test_quotients_along_two_routes_come_over_one_bar():
    from nalu_jax.discover import _system_routes
    from nalu_jax.discover._formula import measured as number

    x, one = terms.Term((1.0, 0.0)), terms.Term((0.0, 0.0))
    law = structure.Structure(((x,), (one,)), ((x,), ()))  # x/(1 + 2 x) - 3
    numbers = [number(value, value, 0.1) for value in (1.0, 2.0, 3.0)]
    above, below = _system_routes.coefficients(
        law, numbers, 0.01 * np.eye(3), np.full(3, 0.1), [[Fraction(1)], [Fraction(-1)]], 0
    )
    assert {term.powers[0]: each.value for term, each in above} == {1.0: -5.0, 0.0: -3.0}
    assert [(term.powers[0], each.value) for term, each in below] == [(1.0, 2.0)]
    slopes = np.array([1.0, -3.0, -2.0])  # of a - b c by a, b, c
    assert dict((term.powers[0], each.error) for term, each in above)[1.0] == pytest.approx(
        0.1 * np.sqrt(slopes @ slopes)
    )


def test_a_term_along_three_routes_in_a_circle_is_said_once():
    routes = np.array(_system_conserved.read("s + i + r", NAMES).routes, float).T
    infection, recovery = terms.Term((1.0, 1.0, 0.0)), terms.Term((0.0, 1.0, 0.0))
    states = measured(0.01, 0)
    made = problem.problem([TS], [states], scale=states.std(0), routes=routes)
    law = structure.plain([(infection, recovery), (recovery,), (recovery,)])
    fitted = shooting.fit(made, law, np.full(4, 0.1), made.nodes(made.curves[0]), made.curves[0].noise)
    assert fitted is not None
    near = linear.around(made, (infection, recovery), fitted)
    assert len(near.support) == 3 and not near.regression.is_singular(near.support)


def test_changes_of_single_states_stand_for_routes():
    routes = np.array([[-1.0, 0.0], [1.0, -2.0], [0.0, 1.0]])
    found, places = exchanges.targets(routes)
    assert places == [[0, 1], [2, 3]]
    np.testing.assert_array_equal(np.diag(found[:, [0, 3]].T @ routes), [1.0, 1.0])


@pytest.mark.parametrize(
    ("conserved", "words"),
    [
        (("s + i + q",), "'q' is not one of the names 's', 'i', 'r'"),
        (("s*i + r",), "'s\\*i \\+ r' is no sum of states times numbers. Write for example 's \\+ i \\+ r'"),
        (("s + i + r - 1",), "without a constant"),
        (("s",), "less than two states"),
        (("s + i", "i + r", "s + r"), "no state can change"),
        (("s + i",), "changes along trajectory 0, from .* Check its weights and units, or leave it out"),
        (("s + i + 2*r",), "changes along trajectory 0"),
    ],
)
def test_sums_that_do_not_fit_are_refused(conserved, words):
    with pytest.raises(ValueError, match=words):
        discover.ode(TS, measured(0.02, 0), names=NAMES, conserved=conserved, progress=False)


def test_known_rates_that_change_a_sum_are_refused():
    with pytest.raises(ValueError, match="the known rates change 's \\+ i \\+ r'"):
        discover.ode(
            TS, measured(0.02, 0), names=NAMES, conserved="s + i + r", known=lambda t, y: -0.1 * y, progress=False
        )
