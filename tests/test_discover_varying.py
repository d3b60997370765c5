"""Coefficients that differ between trajectories: one law, and of each its own numbers."""

import json

import jax
import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from nalu_jax import cli, discover, plot
from nalu_jax.cli import _ode
from nalu_jax.discover._systems import problem, structure, terms, varying

TS = np.linspace(0.0, 8.0, 30)
OPTIONS = {"functions": (), "nested": False, "time_limit": None, "progress": False}


def solved(rates, start, ts=TS):
    return solve_ivp(rates, (ts[0], ts[-1]), start, t_eval=ts, rtol=1e-11, atol=1e-12).y.T


def grown(growth, noise=0.0, names=2):
    """Logistic growth with these rates, and with one capacity per crowding of 0.25."""
    rng = np.random.default_rng(names)
    clean = [solved(lambda t, y, r=r: r * y - 0.25 * y**2, [0.4 + 0.3 * i]) for i, r in enumerate(growth)]
    return [each + noise * np.concatenate(clean).std() * rng.normal(size=each.shape) for each in clean]


@pytest.fixture(scope="module")
def exact():
    """Of trajectories with two growth rates."""
    return discover.ode([TS, TS], grown([1.2, 0.7]), names=["a"], varies="all", **OPTIONS)


def test_one_number_differs_and_the_other_does_not(exact):
    assert exact.verdict == "recovered" and exact.equations == ("c1*a - a**2/4",)
    assert [each.value for each in exact.by_trajectory["c1"]] == [1.2, 0.7]
    assert "c1 by trajectory: 1.2" in str(exact) and "0.700000000(27)" in exact._repr_html_()
    assert exact.best.complexity == 2 + 2 + 1  # coefficients and names of two terms, and a number more
    assert exact.candidates[0].description_length == min(each.description_length for each in exact.candidates)


@pytest.mark.slow
def test_numbers_of_noisy_data_are_within_their_errors():
    found = discover.ode([TS, TS], grown([1.2, 0.7], 0.01), names=["a"], varies="all", **OPTIONS)
    assert found.verdict == "recovered" and found.equations == ("c1*a - a**2/4",)
    for number, growth in zip(found.by_trajectory["c1"], [1.2, 0.7], strict=True):
        assert 0 < number.error < 0.01 and abs(number.estimate - growth) < 3 * number.error
    crowding = found.best.rates[0].terms[1].coefficient
    assert not crowding.by_group and abs(crowding.estimate + 0.25) < 3 * crowding.error


def test_numbers_of_one_trajectory_are_a_system(exact):
    for place, growth in enumerate([1.2, 0.7]):
        own = exact.of_trajectory(place)
        assert own.by_trajectory == {} and own.equations == (f"{growth}*a - a**2/4",)
        states = exact.simulate([0.5], TS, trajectory=place)
        np.testing.assert_array_equal(states, own.simulate([0.5], TS))
        np.testing.assert_allclose(states, solved(lambda t, y, r=growth: r * y - y**2 / 4, [0.5]), rtol=1e-5)
        scope = {}
        exec(exact.to_python(), scope)
        np.testing.assert_allclose(scope["rates"](0.0, [2.0], place), [2.0 * growth - 1.0], rtol=1e-12)
        rate = np.ravel(own.model.apply(jax.tree.map(jax.numpy.asarray, own.params), np.array([2.0])))
        np.testing.assert_allclose(rate, [2.0 * growth - 1.0], rtol=1e-5)
    assert exact.model is None and "of_trajectory" in exact.model_note
    assert sorted(map(str, exact.expressions[0].free_symbols)) == ["a", "c1"]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda found: found.simulate([0.5], TS), ValueError, r"c1 differ between trajectories: pass trajectory="),
        (lambda found: found.of_trajectory(2), IndexError, "there is no trajectory 2; there are 0 to 1"),
        (lambda found: found.of_trajectory(True), TypeError, "expected the place of a trajectory, got True"),
        (lambda found: plot.trajectories(found, TS, grown([1.2])[0]), ValueError, "1 trajectories, and numbers differ"),
    ],
)
def test_which_trajectory_has_to_be_said(exact, call, error, words):
    with pytest.raises(error, match=words):
        call(exact)


def test_each_trajectory_is_drawn_with_its_numbers(exact):
    states = grown([1.2, 0.7])
    (panel,) = plot.trajectories(exact, [TS, TS], states)
    lines = [line.get_ydata()[-1] for line in panel.get_lines() if line.get_label().startswith("equations")]
    np.testing.assert_allclose(lines, [each[-1, 0] for each in states], rtol=1e-5)
    plt.close(panel.figure)


def test_what_was_saved_is_the_same(exact, tmp_path):
    exact.save(tmp_path / "found.json")
    back = discover.load(tmp_path / "found.json")
    assert str(back) == str(exact) and back.by_trajectory == exact.by_trajectory
    np.testing.assert_array_equal(back.simulate([0.5], TS, trajectory=1), exact.simulate([0.5], TS, trajectory=1))
    data = json.loads((tmp_path / "found.json").read_text())
    data["candidates"][0]["rates"][0]["terms"][0]["coefficient"]["by_group"].pop()
    (tmp_path / "found.json").write_text(json.dumps(data))
    with pytest.raises(ValueError, match="a number of it is not one for each group"):
        discover.load(tmp_path / "found.json")


@pytest.mark.slow
def test_numbers_in_common_stay_in_common():
    found = discover.ode([TS, TS], grown([0.9, 0.9]), names=["a"], varies=["a"], **OPTIONS)
    assert found.verdict == "recovered" and found.by_trajectory == {}
    assert "all numbers are common to the trajectories, by their evidence" in found.notes
    growth, crowding = (term.coefficient for term in found.best.rates[0].terms)
    assert abs(growth.estimate - 0.9) < 3 * growth.error and abs(crowding.estimate + 0.25) < 3 * crowding.error
    assert found.of_trajectory(1).equations == found.equations


@pytest.mark.slow
def test_a_number_in_one_of_the_equations_named():
    ts = np.linspace(0.0, 10.0, 40)
    rates = lambda t, y, r: [r * y[0] - 0.4 * y[0] * y[1], -0.8 * y[1] + 0.3 * y[0] * y[1]]
    states = [solved(lambda t, y, r=r: rates(t, y, r), [2.0, 1.0 + i], ts) for i, r in enumerate([1.1, 0.7])]
    found = discover.ode([ts, ts], states, names=["prey", "predator"], varies=["prey"], **OPTIONS)
    assert found.verdict == "recovered"
    assert found.equations == ("c1*prey - 0.4*prey*predator", "-0.8*predator + 0.3*prey*predator")
    assert [round(each.value, 6) for each in found.by_trajectory["c1"]] == [1.1, 0.7]


@pytest.mark.slow
def test_symbols_are_those_of_no_state_and_short_trajectories_help():
    states = [np.exp(-0.5 * TS), 2 * np.exp(-0.9 * TS), np.array([3.0, 3.0 * np.exp(-0.6)])]
    found = discover.ode([TS, TS, np.array([0.0, 2.0])], states, names=["c1"], varies="all", **OPTIONS)
    assert found.equations == ("c2*c1",)
    np.testing.assert_allclose([each.value for each in found.by_trajectory["c2"]], [-0.5, -0.9, -0.3], rtol=1e-5)


@pytest.mark.slow
def test_a_trajectory_in_which_a_state_was_not_measured_has_numbers_too():
    unseen = np.stack([np.exp(-0.5 * TS), np.full(len(TS), np.nan)], 1)
    seen = np.stack([2 * np.exp(-0.9 * TS), 3 * np.exp(-0.3 * TS)], 1)
    found = discover.ode([TS, TS], [unseen, seen], names=["a", "b"], varies=["a"], missing=True, **OPTIONS)
    assert found.verdict == "recovered" and found.equations == ("c1*a", "-0.3*b")
    np.testing.assert_allclose([each.value for each in found.by_trajectory["c1"]], [-0.5, -0.9], rtol=1e-6)


def test_a_copy_of_a_term_counts_in_its_own_trajectory():
    states = grown([1.2, 0.7])
    made = problem.problem([TS, TS], states, scale=np.ones(1))
    wide = varying.indicated(made)
    assert wide.n_variables == 3 and wide.variables(made.ys)[[0, -1], 1:].tolist() == [[1.0, 0.0], [0.0, 1.0]]
    law = structure.plain([(terms.Term((1.0,), price=2.0), terms.Term((2.0,), price=3.0))])
    copies, places = varying.expanded(law, (False, True), 2)
    assert places.tolist() == [[0, 0], [1, 2]]
    numbers = np.array([1.0, -0.25, -0.5])
    rates = copies.rates(np.array([[2.0, 1.0, 0.0], [2.0, 0.0, 1.0]]), numbers)
    np.testing.assert_allclose(rates, [[1.0], [0.0]])


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"varies": "a"}, TypeError, "varies must be \"all\" or a sequence of names of states, got 'a'"),
        ({"varies": ["q"]}, ValueError, "varies: 'q' is no state; there are 'a', 'b'. Name the states"),
        ({"varies": "all", "conserved": "a + b"}, ValueError, "varies and conserved are not combined. Leave one of"),
        ({"varies": "all", "ensemble": 4}, ValueError, "varies and ensemble are not combined. Leave one of them out"),
    ],
)
def test_what_is_no_option_is_refused(options, error, words):
    a = np.exp(-TS)
    with pytest.raises(error, match=words):
        discover.ode([TS, TS], [np.stack([a, 1 - a], 1)] * 2, names=["a", "b"], progress=False, **options)


def test_one_trajectory_is_refused():
    with pytest.raises(ValueError, match="varies: there is one trajectory. Pass lists of several"):
        discover.ode(TS, grown([1.2])[0], names=["a"], varies="all", progress=False)


def test_command_line(tmp_path, capsys):
    rows = [
        f"{t},{run},{y}"
        for run, rate in (("warm", 0.5), ("cold", 0.2))
        for t, y in zip(TS, 3 * np.exp(-rate * TS), strict=True)
    ]
    path = tmp_path / "runs.csv"
    path.write_text("\n".join(["t,run,a", *rows]))
    command = ["ode", str(path), "--time", "t", "--trajectory", "run", "--varies", "a", "--no-nested"]
    command += ["--functions", "none"]
    assert cli.main(command) == 0
    printed = capsys.readouterr().out
    assert "da/dt = c1*a" in printed and "c1 by trajectory: -0.5" in printed
    assert "the trajectories are, in this order, warm, cold" in printed


def test_numbers_are_in_the_output_for_machines(exact):
    numbers = _ode.as_data(exact)["by_trajectory"]["c1"]
    assert [each["value"] for each in numbers] == [1.2, 0.7] and all(0 < each["error"] < 1e-6 for each in numbers)
