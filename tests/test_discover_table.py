"""`discover.table`: laws recovered, errors, options, Ctrl-C, bad input. Numbers A.. are those of the trials."""

import functools
import pathlib
import re
import subprocess
import sys
import threading
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nalu_jax import discover
from nalu_jax.discover import _asked
from nalu_jax.discover._found import ALIKE, NOTHING, RECOVERED

ROWS = 40


def inputs(seed=0, low=0.5, high=2.0, columns=2):
    return np.random.default_rng(seed).uniform(low, high, (ROWS, columns))


def exponents(formula: discover.Formula) -> list[dict[str, float]]:
    """Of every term, by symbol."""
    return [
        {formula.symbols[factor.column.inputs[0]]: factor.exponent.value for factor in term.factors}
        for term in formula.terms
    ]


def test_a_quotient_with_its_coefficient():
    x = inputs()
    found = discover.table(x, 3 * x[:, 0] / x[:, 1] ** 2, names=("m", "r"), target="g")
    assert found.formula == "3*m/r**2" and found.verdict == RECOVERED and not found.interrupted
    np.testing.assert_allclose(found.predict([[8.0, 2.0], [1e3, 1e-2]]), [6.0, 3e7], rtol=1e-12)
    assert found.latex == r"g = \frac{3 \, m}{r^{2}}"
    [term] = found.terms
    assert term.coefficient.estimate == pytest.approx(3, rel=1e-8) and 0 < term.coefficient.error < 1e-6


def gas(seed):
    """A1: p = n R T / V, 40 rows, T in 250 to 400, 1 % noise."""
    random = np.random.default_rng(seed)
    n, t, v = random.uniform(0.5, 3, ROWS), random.uniform(250, 400, ROWS), random.uniform(0.5, 4, ROWS)
    return np.stack([n, t, v], 1), 8.314 * n * t / v * (1 + 0.01 * random.standard_normal(ROWS))


@pytest.mark.parametrize("seed", [0, 1, *[pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 8)]])
def test_a1_the_ideal_gas(seed):
    """Exponents are rounded before the coefficient, which is not: 8.314 is no 8 and no 9."""
    x, y = gas(seed)
    found = discover.table(x, y, names=("moles", "temperature", "volume"), target="pressure")
    assert exponents(found.best) == [{"moles": 1, "temperature": 1, "volume": -1}]
    [term] = found.terms
    assert term.coefficient.exact is None
    assert abs(term.coefficient.value - 8.314) < 4 * term.coefficient.error < 0.1


def test_a2_columns_of_si_size_are_rounded_as_others():
    x = np.random.default_rng(0).uniform(0.5, 3, (24, 2)) * [1.6e-19, 1]
    y = x[:, 0] ** 2 / x[:, 1] ** 2 * 8.99e9
    found = discover.table(x, y)
    assert exponents(found.best) == [{"x0": 2, "x1": -2}]
    np.testing.assert_allclose(found.predict(x), y, rtol=1e-6)


def test_a3_positive_columns_need_no_option():
    """No absolute values and no junk terms; the ideal gas with default options."""
    x, y = gas(0)
    found = discover.table(x, y)
    assert len(found.terms) == 1 and "abs" not in found.formula and "cos" not in found.formula


def test_a3_absolute_values_only_where_a_column_is_negative():
    random = np.random.default_rng(0)
    x = np.stack([random.uniform(-2, 2, 60), random.uniform(0.5, 2, 60)], 1)
    found = discover.table(x, x[:, 0] * np.sqrt(x[:, 1]) * (1 + 0.001 * random.standard_normal(60)))
    assert found.formula == "x0*sqrt(x1)"


def test_a4_multiplicative_noise_and_signed_charges():
    """Coulomb: one term, and it holds on rows that were not seen."""
    random = np.random.default_rng(0)
    q = random.uniform(-3e-6, 3e-6, (80, 2))
    r = random.uniform(0.01, 0.2, 80)
    law = 8.9875e9 * q[:, 0] * q[:, 1] / r**2
    x, y = np.column_stack([q, r]), law * (1 + 0.02 * random.standard_normal(80))
    found = discover.table(x[:60], y[:60], names=("q1", "q2", "r"), target="force")
    assert exponents(found.best) == [{"q1": 1, "q2": 1, "r": -2}] and found.noise == "relative"
    np.testing.assert_allclose(found.predict(x[60:]), law[60:], rtol=0.02)
    assert 0.01 < found.deviation < 0.03


def outside(name):
    random = np.random.default_rng(1)
    a, b = random.uniform(1, 5, (2, 60))
    return {
        "lens": (np.stack([a, b], 1), 1 / (1 / a + 1 / b)),
        "Michaelis-Menten": (a[:, None], 0.8 * a / (2.5 + a)),
        "gamma": (a[:, None] / 5.2, 1 / np.sqrt(1 - (a / 5.2) ** 2)),
    }[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lens", "Michaelis-Menten", "gamma"])
def test_a5_laws_beyond_sums_of_products(name):
    """Found, or announced as not found; never cancelling powers as a law. Exact data."""
    x, y = outside(name)
    found = discover.table(x, y)
    assert found.verdict in (RECOVERED, ALIKE)
    np.testing.assert_allclose(found.predict(x), y, rtol=1e-6)
    assert len(found.terms) <= 2


@pytest.mark.slow
def test_a5_what_is_outside_of_the_family_is_no_simple_formula():
    """Two bumps: no law of the family."""
    x = np.linspace(0.5, 9.5, 120)[:, None]
    y = np.exp(-((x[:, 0] - 3) ** 2) / 0.3) + 0.7 / (1 + (x[:, 0] - 7) ** 4)
    found = discover.table(x, y)
    assert found.verdict == NOTHING and found.reason
    assert str(found).startswith(NOTHING) and "closest" in str(found)


def test_a6_terms_of_very_different_sizes():
    """Bernoulli: a pressure of 1e5 beside heights of 1 to 20."""
    random = np.random.default_rng(0)
    p, v, h = random.uniform(0.9e5, 1.1e5, 60), random.uniform(1, 9, 60), random.uniform(1, 20, 60)
    y = p + 500 * v**2 + 9810 * h
    found = discover.table(np.stack([p, v, h], 1), y, names=("p", "v", "h"))
    np.testing.assert_allclose(found.predict(np.stack([p, v, h], 1)), y, rtol=1e-6)
    assert {frozenset(term.items()) for term in exponents(found.best)} == {
        frozenset({"p": 1}.items()),
        frozenset({"v": 2}.items()),
        frozenset({"h": 1}.items()),
    }


def test_a7_nothing_is_compiled():
    """Nor is the other door, or a solver, loaded."""
    code = (
        "import sys, jax, numpy as np\n"
        "from nalu_jax.discover import table\n"
        "count = []\n"
        "jax.monitoring.register_event_duration_secs_listener(lambda name, *a, **k: count.append(name))\n"
        "x = np.random.default_rng(0).uniform(0.5, 2, (30, 2))\n"
        "found = table(x, x[:, 0] / x[:, 1]); found.predict(x); str(found)\n"
        "assert not [name for name in count if 'compile' in name], count\n"
        "assert not {'diffrax', 'flax', 'optax', 'sklearn', 'matplotlib', 'pandas'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_a8_many_columns_of_which_few_matter():
    random = np.random.default_rng(0)
    x = random.uniform(0.5, 3, (200, 50))
    y = (2 * x[:, 3] * x[:, 17] ** 2 / x[:, 40]) * (1 + 0.02 * random.standard_normal(200))
    found = discover.table(x, y, nested=False, functions=())
    assert exponents(found.best) == [{"x3": 1, "x17": 2, "x40": -1}]


@pytest.mark.slow
def test_a8_many_rows():
    random = np.random.default_rng(0)
    x = random.uniform(0.5, 3, (100_000, 4))
    y = 3.7 * x[:, 0] * np.sqrt(x[:, 1]) / x[:, 2] ** 2 * (1 + 0.05 * random.standard_normal(100_000))
    found = discover.table(x, y, nested=False, functions=())
    assert exponents(found.best) == [{"x0": 1, "x1": 0.5, "x2": -2}]
    assert found.rows == 100_000 and abs(found.terms[0].coefficient.value - 3.7) < 0.01


def test_a9_print_is_the_formula_with_errors_and_short():
    x, y = gas(1)
    found = discover.table(x, y, names=("n", "T", "V"), target="p")
    lines = str(found).splitlines()
    assert lines[0].startswith(found.verdict) and len(lines) < 20 and max(map(len, lines)) < 200
    assert re.fullmatch(r"p = 8\.\d+\(\d\d\)\*n\*T/V", lines[2])
    assert re.search(r"coefficient +8\.\d+\(\d\d\)", str(found)) and "40 rows" in str(found)
    assert repr(found) == f"<Found 'p': {found.verdict}: {found.formula}>" and len(repr(found)) < 100
    assert repr(found.best) == f"<Formula 'p': {found.formula}>"
    assert found._repr_latex_() == f"$\\displaystyle {found.latex}$" and "<table>" in found._repr_html_()


def test_a10_names_of_a_data_frame_are_brought_and_checked():
    pandas = pytest.importorskip("pandas")
    x = inputs()
    frame = pandas.DataFrame({"mass": x[:, 0], "length": x[:, 1]})
    force = pandas.Series(3 * x[:, 0] / x[:, 1] ** 2, name="force")
    found = discover.table(frame, force)
    assert found.formula == "3*mass/length**2" and found.target == "force"
    exchanged = frame[["length", "mass"]].assign(more="text")
    np.testing.assert_array_equal(found.predict(exchanged), found.predict(frame))
    np.testing.assert_array_equal(found.predict(frame.to_numpy()), found.predict(frame))
    with pytest.raises(ValueError, match="predict: x has no column 'mass'; it has 'm', 'length'"):
        found.predict(frame.rename(columns={"mass": "m"}))
    for wrong, words in (
        ([1.0, 0.1], r"shape \(2,\), expected \(rows, inputs\). Of a single row pass x\[None, :\]"),
        ([[1.0]], "x has 1 columns, expected 2: 'mass', 'length'"),
        (np.ma.array([[1.0, 2.0]], mask=[[False, True]]), "column 'length', row 1: the cell is masked"),
    ):
        with pytest.raises(ValueError, match=words):
            found.predict(wrong)
    with pytest.raises(TypeError, match="column 'mass', row 1: .* complex numbers"):
        found.predict([[1j, 2.0]])


def test_a10_polars_too():
    polars = pytest.importorskip("polars")
    x = inputs()
    frame = polars.DataFrame({"mass": x[:, 0], "length": x[:, 1]})
    found = discover.table(frame, polars.Series("force", 3 * x[:, 0] / x[:, 1] ** 2))
    assert found.formula == "3*mass/length**2" and found.target == "force"
    np.testing.assert_array_equal(found.predict(frame[["length", "mass"]]), found.predict(frame))


def test_a11_a_search_with_awkward_headers():
    """Drawn headers are in the tests of formulas; here two go through the search."""
    x = inputs()
    found = discover.table(x, 3 * x[:, 0] / x[:, 1] ** 2, names=("lambda", "a*b"), target="\x1b[2J")
    assert found.formula == "3*lambda_/a_b**2"
    assert "lambda_ is the column 'lambda'" in str(found) and "\x1b" not in str(found)


def test_the_same_seed_gives_the_same_formula_and_jax_stays_as_it_was():
    x = inputs(4)
    y = x[:, 0] * x[:, 1] + 0.1 * np.random.default_rng(4).standard_normal(ROWS)
    before = jnp.ones(()).dtype
    first, second = (discover.table(x, y, seed=3) for _ in range(2))
    assert str(first) == str(second) and [each.formula for each in first.front] == [
        each.formula for each in second.front
    ]
    assert jnp.ones(()).dtype == before


def test_units_of_measure_change_coefficients_only():
    x = inputs(1)
    y = 2 * x[:, 0] * x[:, 1] - np.sqrt(x[:, 1])
    found, scaled = discover.table(x, y), discover.table(1e6 * x, y)
    assert found.formula == "2*x0*x1 - sqrt(x1)" and exponents(found.best) == exponents(scaled.best)
    np.testing.assert_allclose([term.coefficient.value for term in scaled.terms], [2e-12, -1e-3], rtol=1e-6)


def test_the_formula_as_units():
    x = inputs()
    found = discover.table(x, 3 * x[:, 0] / x[:, 1] ** 2 + x[:, 1])
    with jax.enable_x64(True):
        params = jax.tree.map(jnp.asarray, found.params)
        assert found.model is not None
        values = np.asarray(found.model.apply(params, jnp.asarray(x))[:, 0])
    np.testing.assert_allclose(values, found.predict(x), rtol=1e-12)


def test_errors_are_those_of_least_squares():
    """Of one product with relative noise and a free exponent: those of a linear regression of logarithms, nearly."""
    random, x = np.random.default_rng(3), inputs(3)
    y = 2.3 * x[:, 0] ** 0.612 * np.exp(0.003 * random.standard_normal(ROWS))
    found = discover.table(x, y, nested=False, functions=(), terms=1)
    [term] = found.terms
    [factor] = term.factors
    design = np.stack([np.ones(ROWS), np.log(x[:, 0])], 1)
    solution, [squares], *_ = np.linalg.lstsq(design, np.log(y))
    errors = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * squares / (ROWS - 2))
    np.testing.assert_allclose([np.log(term.coefficient.estimate), factor.exponent.estimate], solution, atol=1e-4)
    found_errors = [term.coefficient.error / term.coefficient.estimate, factor.exponent.error]
    np.testing.assert_allclose(found_errors, errors, rtol=0.1)
    assert abs(factor.exponent.value - 0.612) < 4 * factor.exponent.error


def test_the_front_never_rises_and_the_alike_are_candidates():
    random = np.random.default_rng(5)
    x = random.uniform(0.8, 1.2, (30, 2))
    found = discover.table(x, x[:, 0] * x[:, 1] ** 1.5 * (1 + 0.05 * random.standard_normal(30)))
    errors = [each.error for each in found.front]
    assert errors == sorted(errors, reverse=True) and [f.complexity for f in found.front] == sorted(
        {f.complexity for f in found.front}
    )
    assert set(map(id, found.alike)) <= set(map(id, found.candidates[1:]))


def test_save_and_load(tmp_path):
    x, y = gas(2)
    found = discover.table(x, y)
    found.save(tmp_path / "gas.json")
    again = discover.load(tmp_path / "gas.json")
    assert str(again) == str(found) and repr(again.front) == repr(found.front)
    np.testing.assert_array_equal(again.predict(x), found.predict(x))


def test_noise_is_no_law():
    random = np.random.default_rng(0)
    found = discover.table(random.uniform(1, 2, (60, 1)), random.standard_normal(60))
    assert found.verdict == NOTHING and "the target does not follow them" in found.reason


@pytest.mark.parametrize(
    ("seed", "reason"), [(1, "a constant is only 2.3 nats behind"), (2, "the target does not follow them")]
)
def test_a_target_that_follows_nothing_is_told_also_where_a_power_is_a_little_ahead(seed, reason):
    """Coins: some power of some input may be ahead of a constant by chance."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(1, 2, (60, 3))
    found = discover.table(x, rng.integers(0, 2, 60).astype(float))
    assert found.verdict == "no simple formula found" and reason in found.reason


@pytest.mark.parametrize("value", [7.0, 0.0, -1.0])
def test_a_constant_column_is_left_out_and_said(value):
    x = np.column_stack([inputs(), np.full(ROWS, value)])
    found = discover.table(x, x[:, 0] / x[:, 1], names=("a", "b", "room"))
    assert found.formula == "a/b" and "'room'" in found.notes[0] and "constant" in found.notes[0]
    assert "note: left out, since constant in all rows: 'room'" in str(found)


def test_a20_standardised_columns_are_told_apart():
    x = inputs()
    scaled = (x - x.mean(0)) / x.std(0)
    with pytest.warns(UserWarning, match="as after a StandardScaler.*Do not scale them, it is done inside"):
        found = discover.table(scaled, x[:, 0] / x[:, 1])
    assert "Do not scale them" in str(found)


@pytest.mark.usefixtures("as_in_a_terminal")
def test_ctrl_c_gives_the_best_so_far(monkeypatch):
    """The engine is asked to stop, and does."""
    searched = _asked.search

    def interrupted(x, y, *, stop, **options):
        import os
        import signal

        os.kill(os.getpid(), signal.SIGINT)
        assert stop()
        return searched(x, y, stop=lambda: False, **options)

    x = inputs()
    monkeypatch.setattr(_asked, "search", interrupted)
    found = discover.table(x, 3 * x[:, 0] / x[:, 1] ** 2)
    assert found.interrupted and found.formula == "3*x0/x1**2"


def test_a_time_limit_ends_the_search_with_the_best_so_far():
    x, y = gas(0)
    found = discover.table(x, y, time_limit=0.2)
    assert found.formula and not found.interrupted
    assert "the time limit ended the search: the best so far" in found.notes


def test_in_a_thread_and_with_a_bar():
    x, results = inputs(), []
    run = lambda: results.append(discover.table(x, x[:, 0] / x[:, 1], progress=True, nested=False, functions=()))
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert results[0].formula == "x0/x1"


def test_split_takes_the_largest_inputs_outside():
    x = np.random.default_rng(6).uniform(0, 1, (50, 1)) * [[1.0, -1000.0]]
    parts = discover.split(x, held_out=0.25, outside=0.2, seed=1)
    assert [part.size for part in parts] == [30, 10, 10]
    assert sorted(np.concatenate(parts)) == list(range(50))
    assert np.abs(x[parts.outside, 0]).min() > np.abs(np.delete(x, parts.outside, 0)[:, 0]).max()
    np.testing.assert_array_equal(parts.held_out, discover.split(x, held_out=0.25, outside=0.2, seed=1).held_out)
    assert [part.size for part in discover.split(x, held_out=0, outside=0)] == [50, 0, 0]
    constant = np.column_stack([x, np.ones(50)])
    np.testing.assert_array_equal(discover.split(constant, outside=0.2).outside, discover.split(x, outside=0.2).outside)


@pytest.mark.parametrize(
    ("size", "columns"),
    [(1e-300, (1, 1)), (1e160, (1, 1)), (1e300, (1, 1)), (1, (1e200, 1)), (1, (1e-310, 1)), (1e-30, (1e-30, 1e30))],
)
def test_a17_sizes_near_the_ends_of_the_floats(size, columns):
    x = inputs()
    y = size * 3 * x[:, 0] / x[:, 1] ** 2
    found = discover.table(x * columns, y)
    assert exponents(found.best) == [{"x0": 1, "x1": -2}]
    np.testing.assert_allclose(found.predict(x * columns), y, rtol=1e-6)


@pytest.mark.parametrize("far", [38.0, 20.0, 8.0])
def test_a_target_whose_powers_leave_the_floats(far):
    """Down to exp(-722): its inverse square is infinite, which LAPACK refused."""
    x = np.linspace(0.0, far, 54)[:, None]
    y = np.exp(-(x[:, 0] ** 2) / 2)
    found = discover.table(x, y)
    assert found.verdict == "recovered"
    np.testing.assert_allclose(found.predict(x), y, rtol=1e-6)


def call(x, y, **options):
    run: Any = functools.partial(discover.table, x, y, progress=False)
    return lambda: run(**options)


X = inputs()
Y = X[:, 0]
ROW = np.arange(ROWS)
CELLS: Any = X.astype(object)
MASKED = np.ma.array(np.where(ROW[:, None] == 4, -999.0, X), mask=(ROW[:, None] == 4) & np.array([False, True]))


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (call(np.where(ROW[:, None] == 6, np.nan, X), Y, names=("a", "b")), "column 'a', row 7: nan is not a finite"),
        (call(X, np.where(ROW == 2, np.inf, Y), target="t"), "column 't', row 3: inf is not a finite number"),
        (call(MASKED, Y, names=("a", "b")), "column 'b', row 5: the cell is masked"),  # A12
        (call(X, np.ma.array(Y, mask=ROW == 1), target="t"), "column 't', row 2: the cell is masked"),  # A12
        (call([np.ma.array([1.0, 2], mask=[False, True])] * 4, [1, 2, 3, 4]), "list of masked arrays"),
        (call(X * (1 + 1j), Y, names=("a", "b")), "column 'a', row 1: .* complex numbers.*Pass real and imaginary"),
        (call(X, Y + 0j), "column 'y', row 1: .* complex numbers"),
        (call(np.where(ROW[:, None] == 3, "many", CELLS), Y), "column 'x0', row 4: 'many' is text"),
        (call(X.astype(str), Y), "column 'x0', row 1: '1.4.* is text"),
        (call(np.where(ROW[:, None] == 3, np.array(None), CELLS), Y), "column 'x0', row 4: the cell is missing"),
        (call(np.where(ROW[:, None] == 3, 10**400, CELLS), Y), "column 'x0', row 4: 1000.* range of float64"),
        (call(X.astype("datetime64[s]"), Y), "column 'x0', row 1: .* dates.*time since the first"),
        (call(np.ones_like(X), Y), "column 'x0' is constant, and so is every other input"),
        (call(X, np.ones(ROWS)), "column 'y' is constant, 1 in all 40 rows"),
        (call(X[:1], Y[:1]), "column 'y' ends at row 1: expected at least 4 rows"),
        (call(X[:3], Y[:3]), "column 'y' ends at row 3: expected at least 4 rows"),
        (call(X[:0], Y[:0]), "ends at row 0"),
        (call(X[:, :0], Y), "x has no columns"),
        (call(X, Y[:-1]), "x has 40 rows and y 39"),
        (call(X[:, 0], Y), r"x has shape \(40,\), expected \(rows, inputs\). Of a single input pass x\[:, None\]"),
        (call(X, Y[:, None]), r"y has shape \(40, 1\), expected \(rows,\). Pass y\[:, 0\]"),
        (call([[1.0, 2.0], [1.0]], [1.0, 2.0]), "x is no table: its rows have different lengths"),
        (call(X, Y, names=("a",)), "1 names 'a' for 2 inputs"),
        (call(X, Y, names=("a", "a")), "column 'a' is there twice"),
        (call(X, Y, names=("a", "y")), "column 'y' is the target and an input"),
        (call(X, Y, names="ab"), "names must be a sequence of texts"),
        (call(X, Y, names=(1, 2)), "names must be a sequence of texts"),
        (call(X, Y, target=3), "target must be a text, got 3"),
        (call(X, Y, functions="exp"), 'functions must be "all" or a sequence of exp, log'),
        (call(X, Y, functions=("tan",)), 'functions must be "all" or a sequence of exp, log'),
        (call(X, Y, functions=None), 'functions must be "all" or a sequence of exp, log'),
        (call(X, Y, terms=0), "terms must be a whole number of at least 1, got 0"),
        (call(X, Y, seed=-1), "seed must be a whole number of at least 0, got -1"),
        (call(X, Y, seed=1.5), "seed must be a whole number"),
        (call(X, Y, nested="yes"), "nested must be True or False"),
        (call(X, Y, time_limit=0), "time_limit must be a positive number of seconds or None"),
        (call(X, Y, time_limit="soon"), "time_limit must be a positive number of seconds or None"),
        (lambda: discover.split(X, outside=1.0), "outside must be a share"),
    ],
)
def test_a17_bad_input_is_one_line_before_the_search(run, words, monkeypatch, as_users_run_it):
    monkeypatch.setattr(_asked, "search", lambda *args, **options: pytest.fail("searched"))
    with pytest.raises((ValueError, TypeError), match=words) as caught:
        run()
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_bad_data_frames_are_one_line():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b"])
    cases: Any = (
        (frame, Y, {"names": ("c", "d")}, "x brings names of its own, 'a', 'b': leave out names="),
        (frame.assign(c="red"), Y, {}, "column 'c', row 1: 'red' is text"),
        (frame, pandas.Series(Y)[::-1], {}, "the rows of x and y have different labels"),
        (frame.assign(a=pandas.array([1, None] * 20, dtype="Int64")), Y, {}, "column 'a', row 2: the cell is missing"),
        (frame.rename(columns={"b": "a"}), Y, {}, "column 'a' is there twice"),
    )
    for x, y, options, words in cases:
        with pytest.raises((ValueError, TypeError), match=words) as caught:
            discover.table(x, y, **options)
        assert "\n" not in str(caught.value)


def test_what_works_though_it_is_unusual():
    """Whole numbers, lists, JAX arrays, masked arrays without a mask, Fortran order, a huge seed."""
    x = np.random.default_rng(0).integers(1, 9, (ROWS, 2))
    y = 3 * x[:, 0] * x[:, 1]
    for values in (x, x.tolist(), jnp.asarray(x), np.ma.array(x), np.asfortranarray(x.astype("float32"))):
        assert discover.table(values, y, nested=False, functions=(), seed=10**30).formula == "3*x0*x1"


@pytest.mark.parametrize("twin", ["a copy", "a multiple", "a square"])
def test_an_input_that_could_stand_for_another_is_told(twin):
    """The number of a row was "recovered" as the current, to which it is proportional."""
    rng = np.random.default_rng(11)
    current = np.linspace(0.1, 2.0, 20)
    other = {"a copy": current, "a multiple": 10 * current, "a square": current**2}[twin]
    x, y = np.stack([other, current], 1), 47 * current * (1 + 0.01 * rng.normal(size=20))
    found = discover.table(x, y, names=("other", "current"))
    assert found.verdict == ALIKE and "could stand for" in found.reason
    decided: list[dict[str, Any]] = [{"exclude": ["other"]}, {"include": ["current"]}]
    for options in decided:
        found = discover.table(x, y, names=("other", "current"), **options)
        assert (found.verdict, found.formula) == (RECOVERED, "47.093*current")


def test_rows_that_count_less_are_told():
    x = np.linspace(1.0, 10.0, 31)[:, None]
    y = 3 * x[:, 0] + 0.1 * np.random.default_rng(1).normal(size=31)
    y[[4, 9]] += 20
    x[1] = np.nan  # rows are counted as they were brought
    options = {"functions": (), "nested": False, "missing": "drop"}
    found = discover.table(x, y, **options)
    assert found.formula == "3*x0" and "rows 5, 10" in found.notes[-1] and "robust=False" in found.notes[-1]
    assert not any("far off" in note for note in discover.table(x, y, robust=False, **options).notes)
    known = discover.table(x, y, sigma=np.where(np.arange(31) % 3, 0.1, 2.0), robust=True, **options)
    assert any(note.endswith("False: rows 5, 10") for note in known.notes)  # weights by errors are no sign of it


@pytest.mark.parametrize("kind", ["absolute", "relative", "known errors", "exact"])
def test_a_wrong_row_gets_no_pole_of_its_own(kind):
    """`(2*x0*x1**2 - 0.63*x0**2*x1**2)/(1 - 0.315*x0)` was "recovered", whose denominator is 0 beside that row."""
    rng = np.random.default_rng(0)
    x, noise = rng.uniform(1, 5, (100, 2)), rng.normal(size=100)
    law = 2 * x[:, 0] * x[:, 1] ** 2
    error = 0.02 * law.mean()
    sizes = {"relative": 0.02 * law, "exact": 0 * law, "absolute": error + 0 * law, "known errors": error + 0 * law}
    y = law + sizes[kind] * noise
    y[4] += max(20 * error, 0.4 * law[4])
    found = discover.table(x, y, sigma=np.full(100, error) if kind == "known errors" else None)
    assert found.verdict == RECOVERED and re.fullmatch(r"(2|1\.9[89]\d*)\*x0\*x1\*\*2", found.formula)
    assert " 5" in found.notes[0] and "far off, and counted less unless robust=False" in found.notes[0]


def test_rows_that_a_law_needs_are_not_far_off():
    """One row decides the constant: without it the rest is a product."""
    x = np.append(np.linspace(100.0, 1000.0, 30), 0.1)[:, None]
    y = (3 * x[:, 0] + 20) * (1 + 0.01 * np.random.default_rng(0).normal(size=31))
    found = discover.table(x, y, functions=())
    assert [term.factors == () for term in found.terms] == [False, True] and not found.notes


def test_a_peak_says_where_it_is():
    x = np.linspace(400.0, 700.0, 151)
    y = 1200 * np.exp(-((x - 532) ** 2) / 2 / 25**2) + 40 + 8 * np.random.default_rng(1).normal(size=151)
    found = discover.table(x[:, None], y, names=("wavelength",))
    assert "exp(0.85" in found.formula
    place, width, height = (float(number) for number in re.findall(r"(\d[\d.]*)\(", found.notes[0]))
    assert abs(place - 532) < 0.2 and abs(width - 25) < 0.2 and abs(height - 1200) < 8


def test_noise_that_is_relative_over_decades_tells_small_rows_too():
    """`2*x0` was "recovered": rows below 0.2 % of the median did not count."""
    rng = np.random.default_rng(0)
    x = 10 ** rng.uniform(-4, 4, (200, 1))
    noise = 1 + 0.05 * rng.normal(size=200)
    found = discover.table(x, (2 * x[:, 0] + 5e-4) * noise)
    assert (found.verdict, found.formula) == (RECOVERED, "2*x0 + 0.000501")
    assert abs(found.deviation - 0.05) < 0.006
    wide = 10 ** rng.uniform(-6, 6, (200, 2))
    found = discover.table(wide, 3 * wide[:, 1] / np.sqrt(wide[:, 0]) * noise, functions=(), nested=False)
    assert found.formula.endswith("*x1/sqrt(x0)") and abs(found.deviation - 0.05) < 0.006


def test_that_a_constant_is_nearly_as_good_is_said_as_that():
    rng = np.random.default_rng(100)
    x = rng.uniform(1, 5, (15, 8))
    found = discover.table(x, 2 * np.sqrt(x[:, 0]) * (1 + 0.1 * rng.normal(size=15)))
    assert found.verdict == NOTHING and found.formula == "1.994*sqrt(x0)"
    assert found.reason == "a constant is only 4.1 nats behind: these rows do not show that the inputs matter"


def test_the_public_names():
    assert set(discover.__all__) <= set(dir(discover)) and all(hasattr(discover, name) for name in discover.__all__)
    assert not any(path.name == "_table_search.py" for path in pathlib.Path(discover.__file__).parent.iterdir())


@pytest.mark.slow
def test_one_law_under_two_kinds_of_noise_is_no_rival_of_itself():
    """Scaling laws by the published constants of Hoffmann et al. (2022): a law in two tables of other columns."""
    rng = np.random.default_rng(3)
    parameters, tokens = (np.exp(rng.uniform(np.log(low), np.log(high), 120)) for low, high in ((40, 1e4), (1, 300)))
    loss = 1.69 + 406.4 / (parameters * 1e6) ** 0.34 + 410.7 / (tokens * 1e9) ** 0.28
    loss *= 1 + 0.002 * rng.normal(size=120)
    options = {"names": ("n", "d"), "functions": (), "nested": False}
    found = discover.table(np.stack([parameters, tokens], 1), loss, **options)
    assert found.verdict == "recovered" and not found.alike and len(found.terms) == 3
