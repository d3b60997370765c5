"""Known rates as text: constants that are fitted with the law, their errors, what is said of a mistake, files.

Data are SciPy's solutions or closed forms, and so is the joint fit that errors are compared with.
"""

import json
import pickle
import subprocess
import sys
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

from nalu_jax import cli, discover
from nalu_jax.discover import _system_constants, _system_known
from nalu_jax.discover._found import RECOVERED
from nalu_jax.discover._known_rates import KnownRates

TS = np.linspace(0.0, 8.0, 61)
QUIET: Any = {"progress": False, "time_limit": None}
DRIVEN = "-k*y + a*sin(2*t)"


def solved(rates, start, ts=TS):
    found = solve_ivp(rates, (ts[0], ts[-1]), start, t_eval=ts, rtol=1e-10, atol=1e-12, method="DOP853")
    return found.y.T


def measured(ys, noise, seed=0):
    return ys + noise * ys.std(0) * np.random.default_rng(seed).normal(size=ys.shape)


def driven(t, y, k=1.5, a=1.3, q=0.3):
    return [-k * y[0] + a * np.sin(2 * t) + q * y[0] ** 2]


@pytest.fixture(scope="module")
def noisy() -> np.ndarray:
    """A driven state with noise of 1 %."""
    return measured(solved(driven, [2.0]), 0.01)


@pytest.fixture(scope="module")
def found(noisy):
    """Its law, of which a part is known."""
    return discover.ode(TS, noisy, names=["y"], known={"y": DRIVEN}, **QUIET)


def constants_of(found) -> dict[str, discover.Number]:
    assert isinstance(found.best.known, KnownRates)
    return dict(found.best.known.constants)


# what is found


def test_constants_and_the_rest_of_exact_data():
    found = discover.ode(TS, solved(driven, [2.0]), names=["y"], known=DRIVEN, **QUIET)
    constants = constants_of(found)
    assert found.verdict == RECOVERED and [str(term) for term in found.equations] == ["0.3*y**2"]
    assert abs(constants["k"].estimate - 1.5) < 1e-6 and abs(constants["a"].estimate - 1.3) < 1e-6
    assert found.best.complexity == 2 + len(constants) and not found.notes


def test_constants_and_the_rest_beside_noise(found):
    constants = constants_of(found)
    [term] = found.best.rates[0].terms
    assert found.verdict == RECOVERED and [factor.exponent.exact for factor in term.factors] == [2]
    for number, true in ((constants["k"], 1.5), (constants["a"], 1.3), (term.coefficient, 0.3)):
        assert abs(number.estimate - true) < 3 * number.error < 0.15 * true


def test_errors_are_those_of_an_independent_joint_fit(noisy, found):
    """Least squares of SciPy with its own solver, initial state and noise: to 2 % of an error, and errors to 3 %."""

    def residuals(numbers):
        k, a, q, start = numbers
        return solved(lambda t, y: driven(t, y, k, a, q), [start])[:, 0] - noisy[:, 0]

    fitted = least_squares(residuals, [1.5, 1.3, 0.3, 2.0], x_scale="jac")
    variance = 2 * fitted.cost / (len(TS) - 4)
    errors = np.sqrt(np.diag(np.linalg.inv(fitted.jac.T @ fitted.jac)) * variance)
    constants = constants_of(found)
    numbers = [constants["k"], constants["a"], found.best.rates[0].terms[0].coefficient]
    np.testing.assert_allclose([number.error for number in numbers], errors[:3], rtol=0.03)
    off = np.array([number.estimate for number in numbers]) - fitted.x[:3]
    assert (np.abs(off) < 0.02 * errors[:3]).all()


@pytest.mark.slow
def test_a_frequency():
    found = discover.ode(TS, solved(driven, [2.0]), names=["y"], known="-k*y + a*sin(w*t)", **QUIET)
    assert found.verdict == RECOVERED and abs(constants_of(found)["w"].estimate - 2) < 1e-6


@pytest.mark.slow
def test_where_a_rate_saturates():
    ys = solved(lambda t, y: [-1.5 * y[0] / (0.7 + y[0]) + 0.4 - 0.1 * y[0] ** 2], [4.0])
    found = discover.ode(TS, ys, names=["s"], known="-v*s/(c + s)", **QUIET)
    assert found.verdict == RECOVERED and len(found.best.rates[0].terms) == 2
    np.testing.assert_allclose([constants_of(found)[name].estimate for name in "cv"], [0.7, 1.5], rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_a_constant_that_two_equations_share(noise):
    rates = lambda t, y: [
        -1.5 * y[0] / (0.7 + y[0]) + 0.2 * y[1],
        1.5 * y[0] / (0.7 + y[0]) - 0.3 * y[1],
    ]
    ts = np.linspace(0.0, 8.0, 81)
    ys = measured(solved(rates, [4.0, 0.5], ts), noise)
    known = {"s": "-v*s/(c + s)", "p": "v*s/(c + s)"}
    found = discover.ode(ts, ys, names=["s", "p"], known=known, **QUIET)
    constants = constants_of(found)
    assert found.verdict == RECOVERED and list(constants) == ["c", "v"]
    assert [[tuple(f.column.inputs) for f in t.factors] for r in found.best.rates for t in r.terms] == [[(1,)], [(1,)]]
    for number, true in ((constants["c"], 0.7), (constants["v"], 1.5)):
        assert abs(number.estimate - true) < 3 * number.error + 1e-6


def test_text_without_constants_is_what_the_function_is():
    ys = solved(driven, [2.0])
    text = discover.ode(TS, ys, names=["y"], known="-1.5*y + 1.3*sin(2*t)", **QUIET)
    function = discover.ode(TS, ys, names=["y"], known=lambda t, y: -1.5 * y + 1.3 * jnp.sin(2 * t), **QUIET)
    assert text.equations == function.equations == ("0.3*y**2",) or text.equations == ("3*y**2/10",)
    np.testing.assert_allclose(text.best.description_length, function.best.description_length, rtol=1e-6)
    assert not constants_of(text) and "1.3*sin(2*t)" in str(text) and "known" not in str(text)


def test_expressions_of_sympy_and_a_text_for_each_state():
    y, z, k = sympy.symbols("y z k")
    ts = np.linspace(0.0, 4.0, 41)
    ys = np.stack([2 * np.exp(-0.5 * ts), 3 - np.exp(-ts)], 1)  # dz/dt = 3 - z
    found = discover.ode(ts, ys, names=["y", "z"], known=[-k * y, "-z"], **QUIET)
    assert found.equations == ("0", "3") and abs(constants_of(found)["k"].estimate - 0.5) < 1e-6
    read = lambda known: _system_known.read(known, ("y", "z"), 2)
    assert read([-k * y, "-z"]) == read({"y": -k * y, "z": "-z"}) == read({"z": -z, "y": "-k*y"})
    assert read({"y": -k * y}) == read({"y": -k * y, "z": "0"}) == read(["-k*y", None])


def test_what_is_known_may_be_all():
    ts = np.linspace(0.0, 4.0, 41)
    found = discover.ode(ts, 4 - 3 * np.exp(-0.5 * ts), names=["y"], known="b - k*y", **QUIET)
    assert found.verdict == RECOVERED and found.equations == ("0",)
    assert str(found.best).splitlines()[0].startswith("dy/dt = ") and "k = 0.5" in str(found)
    assert found.best.to_python().count("y") > 2


def test_names_of_states_and_inputs_come_before_the_time():
    ts = np.linspace(0.0, 6.0, 61)
    force = np.sin(2 * ts)
    ys = (2 * force - 4 * np.cos(2 * ts) + 9 * np.exp(-ts)) / 5  # dy/dt = 2 f - y
    found = discover.ode(ts, ys, names=["t"], inputs=(("the force",), force), known="g*the_force", **QUIET)
    assert found.equations == ("-t",) and abs(constants_of(found)["g"].estimate - 2) < 1e-5
    np.testing.assert_allclose(found.simulate([1.0], ts, force)[:, 0], ys, atol=1e-4)
    assert "the_force" in found.to_python() and isinstance(found.best.known, KnownRates)
    assert "2.0" in str(found) and r"\text{the force}" in found.latex[0]


def test_constants_that_the_data_do_not_tell_are_noted():
    ts = np.linspace(0.0, 4.0, 41)
    found = discover.ode(ts, 4 - 3 * np.exp(-0.5 * ts), names=["y"], known="a*y + b*y", **QUIET)
    assert float(found.equations[0]) == pytest.approx(2) and "a, b in what is known are no numbers" in found.notes[0]
    assert all(np.isinf(number.error) for number in constants_of(found).values())


@pytest.mark.slow
def test_halves_fit_constants_of_their_own(noisy):
    found = discover.ode(TS, noisy, names=["y"], known=DRIVEN, ensemble=2, **QUIET)
    assert found.ensemble is not None and found.ensemble.halves == 2


def test_the_time_limit_is_that_of_all_searches_together(noisy, monkeypatch):
    with pytest.raises(TimeoutError):
        discover.ode(TS, noisy, names=["y"], known=DRIVEN, progress=False, time_limit=0.0)
    clock = iter(range(10**6))  # a second is over whenever one looks
    monkeypatch.setattr(_system_constants.time, "monotonic", lambda: float(next(clock)))
    found = discover.ode(TS, noisy, names=["y"], known=DRIVEN, progress=False, time_limit=20.0)
    assert "the time limit ended the search" in found.notes[-1] and found.verdict != RECOVERED


def test_sums_that_are_conserved_beside_text():
    ts = np.linspace(0.0, 3.0, 30)
    ys = np.stack([2 * np.exp(-ts / 2), 2 - 2 * np.exp(-ts / 2)], 1)
    known = {"a": "-a/4", "b": "a/4"}
    found = discover.ode(ts, ys, names=["a", "b"], conserved="a + b", known=known, **QUIET)
    assert found.equations == ("-a/4", "a/4")


# what is made of it


def test_it_is_solved_written_and_kept_with_what_is_known(found, tmp_path):
    space: dict[str, Any] = {}
    exec(found.to_python(), space)
    again = solve_ivp(space["rates"], (0, 8), [2.0], t_eval=TS, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(found.simulate([2.0], TS)[:, 0], again.y[0], atol=1e-4)
    assert found.latex[0].count("sin") == 1 and "known" not in found.latex[0]
    found.save(tmp_path / "law.json")
    loaded = discover.load(tmp_path / "law.json")
    for other in (loaded, pickle.loads(pickle.dumps(found))):
        assert isinstance(other, discover.FoundSystem) and isinstance(other.best.known, KnownRates)
        assert str(other) == str(found) and other.best.known == found.best.known
        assert other._repr_html_() == found._repr_html_() and "in what is known" in other._repr_html_()
        assert other.to_python() == found.to_python()
        np.testing.assert_array_equal(other.simulate([2.0], TS[:5]), found.simulate([2.0], TS[:5]))


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ([], "not a part for each state"),
        ([{"text": "k", "formula": "k*y", "constants": []}], "its known part .* is no formula"),
        ([{"text": "k", "formula": "y", "constants": [1]}], "constants of its known part are not names"),
    ],
)
def test_a_file_with_another_known_part_is_refused(found, tmp_path, known, words):
    path = tmp_path / "law.json"
    found.save(path)
    data = json.loads(path.read_text())
    data["candidates"][0]["known"] = known
    path.write_text(json.dumps(data))
    with pytest.raises(ValueError, match=words):
        discover.load(path)


def test_a_file_from_before_is_read(found, tmp_path):
    path = tmp_path / "law.json"
    found.save(path)
    data = json.loads(path.read_text())
    for candidate in data["candidates"]:
        del candidate["known"]
    path.write_text(json.dumps(data))
    loaded = discover.load(path)
    assert isinstance(loaded, discover.FoundSystem) and loaded.best.known is None


def test_the_command_line_takes_text_by_state(tmp_path, capsys):
    ts = np.linspace(0.0, 4.0, 41)
    path = tmp_path / "level.csv"
    rows = zip(ts.tolist(), (4 - 3 * np.exp(-0.5 * ts)).tolist(), strict=True)
    path.write_text("t,y\n" + "".join(",".join(map(repr, row)) + "\n" for row in rows))
    assert cli.main(["ode", str(path), "--time", "t", "--known", "y=-k*y", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["equations"] == ["2"] and abs(data["known"]["constants"]["k"]["value"] - 0.5) < 1e-6
    assert cli.main(["ode", str(path), "--time", "t", "--known", "z=-k*y"]) == 2
    assert "'z' is no state; there are 'y'" in capsys.readouterr().err


def test_derivatives_of_sizes_and_signs_are_those_of_real_numbers():
    text = _system_known.read({"y": "-k*abs(log(y)) + sqrt(abs(z - 1))*sign(z)", "z": "y**n/(1 + z)"}, ("y", "z"), 2)
    scale, constants = np.array([2.0, 3.0]), np.array([0.4, 2.2])
    states, times = np.random.default_rng(0).uniform(1.5, 2, (7, 2)), np.zeros(7)
    known, step = _system_known.of_text(text, scale, constants), 1e-6
    for j in range(2):
        moved = step * np.eye(2)[j]
        change = (known.rates(times, states + moved) - known.rates(times, states - moved)) / (2 * step)
        np.testing.assert_allclose(known.jacobian(times, states)[:, :, j], change, atol=1e-8)
        above, below = (_system_known.of_text(text, scale, constants + sign * moved) for sign in (1, -1))
        change = (above.rates(times, states) - below.rates(times, states)) / (2 * step)
        slopes = _system_known.by_constants(text, scale, times, states, constants)
        np.testing.assert_allclose(slopes[:, :, j], change, atol=1e-8)


def test_a_search_without_known_text_loads_no_reader_of_formulas():
    code = (
        "import sys, numpy as np; from nalu_jax import discover; ts = np.linspace(0, 1, 12); "
        "discover.ode(ts, np.exp(-ts), known=lambda t, y: -0.5 * y, progress=False); "
        "print('nalu_jax.symbolic._parse' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# mistakes


@pytest.mark.parametrize(
    ("known", "error", "words"),
    [
        ({"z": "-k*y"}, ValueError, "known: 'z' is no state; there are 'y', 'a b'. Name the states as they are"),
        ("-k*y", ValueError, "known is 1 text, and there are 2 states. Pass a text by the name of its state"),
        (["-k*y"] * 3, ValueError, "known is 3 texts, and there are 2 states"),
        ({"y": "-k*"}, ValueError, "known of 'y': '-k\\*' is no formula: it cannot be read from character"),
        ({"y": "k**y^2"}, ValueError, "known of 'y': .* is no formula: .* a power is written"),
        ({"y": "gamma(y)"}, ValueError, "known of 'y': .* it calls what is none of the functions"),
        ({"y": "E*y"}, ValueError, "known of 'y': 'E' is no name for a constant, since it means something else"),
        ({"a b": "y*lambda"}, ValueError, "known of 'a b': 'y\\*lambda' is no formula"),
        ({"y": 3.0}, TypeError, "known of 'y' must be the text of a formula or a SymPy expression, got 3.0"),
        ({"y": "log(y - 3)"}, ValueError, "known of 'y': .* has no finite value in row 0 of trajectory 0. Mend it"),
        ({"a b": "c + log(y - 1.5)"}, ValueError, "known of 'a b': .* no finite value in row .* of trajectory 0, with"),
        (3.0, TypeError, r"known must be a function \(t, y\) -> rates, or text of rates, or None, got 3.0. Pass text"),
    ],
)
def test_a_mistake_is_said_before_the_search(known, error, words):
    ys = np.stack([2 - np.exp(-TS), np.exp(-TS)], 1)
    with pytest.raises(error, match=words):
        discover.ode(TS, ys, names=["y", "a b"], known=known, **QUIET)


def test_constants_are_not_fitted_beside_some_options():
    ys = np.stack([2 - np.exp(-TS), np.exp(-TS)], 1)
    for options, name in (({"conserved": "y + z"}, "conserved"), ({"varies": "all"}, "varies")):
        with pytest.raises(ValueError, match=f"the constant 'k' is not fitted together with {name}. Give its value"):
            discover.ode([TS, TS], [ys, ys], names=["y", "z"], known={"y": "k*z", "z": "-k*z"}, **options, **QUIET)
