"""Formulas of tables as written: text, SymPy, Python source, LaTeX, units, JSON, all of them one function.

Candidates are made by hand here, of every form that the engine has; what the engine finds is tested elsewhere.
"""

import dataclasses
import json
import math
import pathlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from nalu_jax import discover
from nalu_jax.discover import _inputs, _json, _names, _numbers, _written
from nalu_jax.discover._engine.candidate import Candidate, Column, predict
from nalu_jax.discover._engine.forms import FUNCTIONS, Form
from nalu_jax.discover._found import Found
from nalu_jax.discover._front import front_of
from nalu_jax.symbolic._parse import parse

ROWS = 30
X = np.random.default_rng(0).uniform(0.5, 2.0, (ROWS, 3))
PLAIN = tuple(Column((j,)) for j in range(3))


def candidate(form, exponents, logs, *, signs=None, columns=PLAIN, free=None, parity=None, spread=1e-2, **changes):
    exponents = np.array(exponents, float)
    free = np.zeros(exponents.shape, bool) if free is None else np.array(free)
    numbers = len(exponents) + int(free.sum())
    facts = {
        "form": form,
        "columns": columns,
        "exponents": exponents,
        "parity": np.zeros(exponents.shape, int) if parity is None else np.array(parity),
        "free": free,
        "log_coefficients": np.array(logs, float),
        "signs": np.ones(len(exponents)) if signs is None else np.array(signs, float),
        "centre": np.zeros(len(columns)),
        "target_scale": 1.0,
        "covariance": np.eye(numbers) * spread**2,
        "evidence": -1.0,
        "rss": 0.1,
        "noise": "absolute",
        "deviation": 0.1,
        "rows": ROWS,
    }
    return Candidate(**(facts | changes))


FIRST_SIN = (Column((0, 1), (1.0, -1.0)), Column((0,), (1.0,), "sin"), Column((2,)))
GROWTH = (Column((0,), (0.1,), "exp"), Column((0,), (1.0,), "exp"), Column((2,)))
FORMS = [
    candidate(Form("sum", (2,)), [[1, 2, 0], [0, -0.5, -1]], [math.log(2.5), 0], signs=[1, -1]),
    candidate(Form("sum", (1,)), [[1 / 3, 0.61, -1.13]], [5.0], free=[[False, True, True]]),
    candidate(Form("sum", (2,)), [[0, 0, 0], [0, 0, 1]], [0.3, 0.1], signs=[-1, 1]),
    candidate(Form("power", (2,), power=-1), [[1, 0, 0], [0, 1, 0]], [0, 0.3]),
    candidate(Form("power", (2,), power=0.5), [[1, 0, 0], [0, 1, 0]], [0, 0.3]),
    candidate(Form("power", (2,), power=-0.5), [[1, 0, 0], [0, 1, 0]], [0, 0.3]),
    candidate(Form("power", (2,), power=2), [[1, 0, 0], [0, 1, 0]], [0, 0.3], signs=[1, -1]),
    candidate(Form("power", (2,), power=-2), [[1, 0, 0], [0, 1, 0]], [0, 0.3]),
    candidate(Form("quotient", (1, 1)), [[1, 0, 0], [1, -1, 0]], [0.1, 0.3]),
    candidate(Form("quotient", (2, 1), power=0.5, below=2), [[1, 0, 0], [1, -1, 0], [0, 0, -1]], [0.1, 0.3, -1.4]),
    candidate(Form("sum", (1,)), [[3, 0, 0]], [5.0], columns=(FIRST_SIN[0], *PLAIN[1:]), parity=[[1, 0, 0]]),
    candidate(Form("sum", (1,)), [[3, 2, 0]], [5.0], columns=FIRST_SIN, parity=[[0, 0, 0]]),
    candidate(Form("sum", (1,)), [[1.5, 2, -1]], [5.0], columns=FIRST_SIN, parity=[[1, 0, 0]]),
    *[
        candidate(Form("function", (1, 1, 1), function=name), [[1, 0, 0], [0, 0.5, 0], [0, 0, 1]], [0.1, -1.3, 0.4])
        for name in FUNCTIONS
    ],
    *[
        candidate(
            Form("function", (1, 2, 0), function=name),
            [[1, 0, -1], [0, 0.5, 0], [0, 0, 1]],
            [0.1, -1.3, -2.4],
            signs=[-1, 1, -1],
        )
        for name in FUNCTIONS
    ],
    candidate(
        Form("sum", (2,)),
        [[-3.13, 0, 1], [0, 0.2, 0]],
        [0.3, 0.1],
        free=[[True, False, False], [False, True, False]],
        columns=GROWTH,
    ),
    candidate(Form("sum", (2,)), [[-0.5, 0, 1], [0, 2, 0]], [0.3, 0.1], columns=GROWTH),
]
IDS = [f"{each.form.kind}-{each.form.function or each.form.power}-{i}" for i, each in enumerate(FORMS)]


def formula_of(each, x=X, names=("a", "b", "c"), target="y", y=None):
    y = predict(each, x) if y is None else y
    return _written.formula_of(each, _inputs.Table(x, y, names, target), np.ones(len(x)))


def by_sympy(expression, symbols, x):
    return sympy.lambdify(symbols, expression, "numpy")(*x.T) * np.ones(len(x))


def test_a_rival_that_is_infinite_in_a_row_warns_of_nothing():
    """1/a where a is 0: with relative noise its residual there is infinity by infinity."""
    x = np.linspace(0.0, 3.0, ROWS)[:, None] * np.ones(3)
    each = candidate(Form("sum", (1,)), [[-1.0, 0, 0]], [0.3], noise="relative")
    with np.errstate(divide="ignore"):
        assert formula_of(each, x, y=np.ones(ROWS)).formula.endswith("/a")


def test_numbers_inside_of_functions_of_columns_are_written_shortly():
    inside = (Column((0,), (3.0,), "sin"), Column((1,), (-2.512,), "tanh"), Column((0,), (0.696441,), "exp"))
    written = formula_of(
        candidate(Form("sum", (1,)), [[1, 1, -1]], [math.log(2)], columns=inside, parity=[[1, 1, 0]])
    ).formula
    assert written == "2*sin(3*a)*tanh(-2.512*b)*exp(-0.696441*a)"


@pytest.mark.parametrize(
    ("function", "text"),
    [
        ("expm1", "2*a*(1 - exp(b))"),
        ("1/expm1", "2*a/(1 - exp(b))"),
        ("sqrt1p-1", "2*a*(1 - sqrt(1 + b))"),
        ("1/sqrt1p-1", "2*a*(1 - 1/sqrt(1 + b))"),
    ],
)
def test_what_is_less_one_is_turned_where_its_factor_is_negative(function, text):
    exponents = [[1, 0, 0], [0, 1, 0]]
    logs = [math.log(2), 0]
    turned = formula_of(candidate(Form("function", (1, 1, 0), function=function), exponents, logs, signs=[-1, 1]))
    assert turned.formula == text
    alone = formula_of(candidate(Form("function", (1, 1, 0), function=function), [[0, 0, 0], [0, 1, 0]], [0, 0]))
    assert alone.formula.startswith("1/(") == function.startswith("1/exp") and alone.formula[0] != "("
    plain = formula_of(candidate(Form("function", (1, 1, 0), function=function), exponents, logs))
    assert "1 - " not in plain.formula and plain.formula.count(" - 1)") == 1


def test_powers_of_exponentials_are_written_as_exponentials_of_multiples():
    free = [[True, False, False], [False, False, False]]
    each = candidate(Form("sum", (2,)), [[-3.13, 0, 1], [0, 2, 0]], [0, 0], free=free, columns=GROWTH, spread=1e-3)
    written = formula_of(each)
    assert written.formula == "exp(-0.313*a)*c + exp(2*a)"
    assert "exp(-0.31300(10)*" in written.with_errors


@pytest.mark.parametrize("each", FORMS, ids=IDS)
def test_text_sympy_python_and_predict_are_one_function(each):
    """The engine's own values are the oracle; exact data, so that nothing is rounded."""
    formula, expected = formula_of(each), predict(each, X)
    close = lambda values: np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(formula.predict(X), expected, rtol=1e-12)
    close(by_sympy(formula.expression, sympy.symbols("a b c", real=True), X))
    close(by_sympy(sympy.sympify(formula.formula), sympy.symbols("a b c"), X))
    functions = {
        name: getattr(np, {"asin": "arcsin"}.get(name, name)) for name in ("exp log sqrt sin cos tanh".split())
    }
    functions |= {"asin": np.arcsin, "cosh": np.cosh, "sign": np.sign, "abs": np.abs}
    close(eval(formula.formula, functions, dict(zip("abc", X.T, strict=True))))
    namespace: dict = {}
    exec(formula.to_python(), namespace)
    close(namespace["y"](*X.T))


@pytest.mark.parametrize("each", FORMS, ids=IDS)
def test_the_units_are_the_formula(each):
    formula = formula_of(each)
    if formula.model is None:
        assert formula.params is None and "no unit computes" in formula.model_note
        return
    assert formula.model_note == ""
    with jax.enable_x64(True):
        params = jax.tree.map(jnp.asarray, formula.params)
        values = np.asarray(formula.model.apply(params, jnp.asarray(X))[:, 0])
    size = np.abs(formula.predict(X))
    # sums of both signs are known to the size of their terms
    assert (np.abs(values - formula.predict(X)) <= 1e-12 * np.maximum(size, 1.0)).all()


def test_which_forms_are_units():
    made = {each.form.kind for each in FORMS if formula_of(each).model is not None}
    assert made == {"sum", "power", "quotient"}


@pytest.mark.parametrize("each", FORMS, ids=IDS)
def test_json_gives_the_same_formula_back(each, tmp_path):
    formula = formula_of(each, names=("a", "a*b", "lambda"), target="<y>")
    found = Found(
        "several candidates alike", "made by hand", (formula, formula_of(FORMS[0])), (), "absolute", 0.1, ROWS
    )
    found = Found(found.verdict, found.reason, (formula,), (formula,), "absolute", math.nan, ROWS, ("a note",))
    found.save(tmp_path / "found.json")
    again = discover.load(tmp_path / "found.json")
    np.testing.assert_array_equal(again.predict(X), found.predict(X))
    assert (str(again), again.latex, again.formula, again.names) == (
        str(found),
        found.latex,
        found.formula,
        found.names,
    )
    assert again.alike == (again.best,) and again.notes == ("a note",)
    assert [path.name for path in tmp_path.iterdir()] == ["found.json"]


def test_a15_what_is_not_finite_is_null(tmp_path):
    each = candidate(Form("sum", (1,)), [[1, 0, 0]], [0.0], covariance=np.array([[np.inf]]), evidence=np.nan)
    found = Found("no simple formula found", "a test", (formula_of(each),), (), "absolute", np.inf, ROWS)
    found.save(tmp_path / "found.json")
    text = (tmp_path / "found.json").read_text()
    data = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert data["deviation"] is None and data["candidates"][0]["description_length"] is None
    assert data["candidates"][0]["terms"][0]["coefficient"]["error"] is None
    assert discover.load(tmp_path / "found.json").terms[0].coefficient.error == math.inf


def saved(tmp_path: pathlib.Path) -> dict:
    found = Found("recovered", "a test", tuple(map(formula_of, FORMS[:9:4])), (), "absolute", 0.1, ROWS)
    return _json.as_data(found)


def places(data, path=()):
    """The path to every value."""
    yield path
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in inside:
        yield from places(value, (*path, key))


JUNK = st.sampled_from(
    [None, True, -1, 0, 7, 10**400, 1e308, "x", "__import__('os')", "1/0", [], {}, [1], ["a"], {"value": 1}, "sin"]
)


@given(st.data())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_a_changed_file_is_loaded_or_refused_in_one_line(tmp_path_factory, data):
    """Any value of a good file replaced or removed; nothing in it is executed, no raw error comes out."""
    contents = saved(pathlib.Path())
    path = data.draw(st.sampled_from(sorted(filter(None, places(contents)), key=repr)))
    holder = contents
    for key in path[:-1]:
        holder = holder[key]
    if data.draw(st.booleans()) and isinstance(holder, dict):
        del holder[path[-1]]
    else:
        holder[path[-1]] = data.draw(JUNK)
    file = tmp_path_factory.mktemp("changed") / "found.json"
    file.write_text(json.dumps(contents))
    try:
        found = discover.load(file)
    except ValueError as error:
        assert str(error).startswith("load: found.json is no result of discover.table: ") and "\n" not in str(error)
        return
    assert isinstance(found, Found) and isinstance(str(found), str) and found.predict(X).shape == (ROWS,)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "\0", "[" * 100_000, '{"schema": 1}', "NaN", "\ud800"])
def test_other_files_are_refused(text, tmp_path):
    (tmp_path / "x.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ValueError, match="load: x.json is no"):
        discover.load(tmp_path / "x.json")


def test_a_file_of_a_later_version_says_so(tmp_path):
    (tmp_path / "x.json").write_text(json.dumps(saved(tmp_path) | {"version": 2}))
    with pytest.raises(ValueError, match="is of version 2, this package reads version 1"):
        discover.load(tmp_path / "x.json")


HEADERS = ["a*b", "a b", "x^2", "1", "", "I", "E", "S", "N", "beta", "lambda", "pi", "a [m]", "µ", "ﬁ", "x0", "np"]


@pytest.mark.parametrize("name", HEADERS)
def test_a11_awkward_headers_read_back_to_the_same_function(name):
    check_headers([name, "x1", "E_"])


@given(
    st.lists(
        st.text(max_size=12) | st.sampled_from(HEADERS + ["exp", "x_2", "b", "lambda_"]),
        min_size=3,
        max_size=3,
        unique=True,
    )
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_a11_any_headers_read_back_to_the_same_function(names):
    check_headers(names)


def check_headers(names):
    """By the package's reader, by SymPy, and by Python; the legend says which symbol is which header."""
    formula = formula_of(FORMS[1], names=tuple(names))
    assert len(set(formula.symbols)) == 3
    expected = formula.predict(X)
    np.testing.assert_allclose(
        by_sympy(formula.expression, [sympy.Symbol(s, real=True) for s in formula.symbols], X), expected, rtol=1e-9
    )
    read = sympy.sympify(formula.formula)
    assert {str(symbol) for symbol in read.free_symbols} == set(formula.symbols)
    np.testing.assert_allclose(by_sympy(read, [sympy.Symbol(s) for s in formula.symbols], X), expected, rtol=1e-9)
    values = eval(formula.formula, {"__builtins__": {}}, dict(zip(formula.symbols, X.T, strict=True)))
    np.testing.assert_allclose(values, expected, rtol=1e-9)
    namespace: dict = {}
    exec(formula.to_python(), namespace)
    np.testing.assert_allclose(namespace["y"](*X.T), expected, rtol=1e-9)
    found = Found("recovered", "a test", (formula,), (), "absolute", 0.1, ROWS)
    shown = str(found)
    assert all(character.isprintable() or character == "\n" for character in shown)
    for name, symbol in zip(names, formula.symbols, strict=True):
        assert name == symbol or f"{symbol} is the column {name!r}" in shown
    assert parse(formula.formula, formula.symbols) is not None and "$\\displaystyle" in found._repr_latex_()


def test_headers_that_do_something_elsewhere_are_escaped():
    names = ("<script>alert(1)</script>", "\x1b[31mred", "$\\foo$")
    formula = formula_of(FORMS[1], names=names, target="<b>\x1b[2J$")
    found = Found("recovered", "a test", (formula,), (), "absolute", 0.1, ROWS)
    assert "\x1b" not in str(found) + found.latex + formula.to_python() + found._repr_html_()
    assert "<script>" not in found._repr_html_() and "<b>\\x1b" not in found._repr_html_()
    assert r"\$\textbackslash{}foo\$" in found.latex
    assert _names.as_mathtext("$\\foo$") == r"\$\foo\$"


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (8.31442, 0.0123, "8.314(12)"),
        (8.31442, 0.00999, "8.314(10)"),
        (123.4, 45.6, "123(46)"),
        (-6.674e-11, 2.1e-14, "-6.6740(21)e-11"),
        (0.0, 0.1, "0.00(10)"),
        (0.0961, 0.0996, "0.10(10)"),
        (1e-300, 1e-302, "1.000(10)e-300"),
        (0.5, math.inf, "0.5(?)"),
        (2.5, 0.0, "2.5"),
        (3.0, 1e-15, "3"),
    ],
)
def test_a_number_with_its_error(value, error, text):
    assert _numbers.with_error(value, error) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_measured_numbers_read_back_to_the_last_bit(value):
    text = _numbers.measured_text(value)
    assert float(text) == value and ("." in text or "e" in text)


@given(st.floats(1e-300, 1e300), st.floats(1e-12, 10.0))
def test_rounding_stays_within_a_twentieth_of_the_error(value, relative):
    error = value * relative
    assert abs(_numbers.rounded(value, error) - value) <= 0.0501 * error


def test_a_simple_coefficient_takes_the_others_along():
    """0.4996 and an exponent 1.003 that goes with it: at 1/2 the exponent is nearer to 1 by their covariance."""
    x = X[:, :1] * 100
    covariance = np.array([[1e-6, -4e-7], [-4e-7, 2e-7]])
    truth = 0.5 * x[:, 0] ** 0.999
    each = candidate(
        Form("sum", (1,)), [[1.0]], [math.log(0.4999)], free=[[True]], columns=(Column((0,)),), covariance=covariance
    )
    noisy = truth * (1 + 0.05 * np.random.default_rng(0).standard_normal(ROWS))
    formula = _written.formula_of(each, _inputs.Table(x, noisy, ("a",), "y"), np.ones(ROWS))
    [term] = formula.terms
    assert str(term.coefficient.exact) == "1/2" and term.coefficient.estimate == pytest.approx(0.4999)
    [factor] = term.factors
    expected = 1.0 - 0.4 * math.log(0.5 / 0.4999)  # conditional mean: covariance over variance times the move
    assert factor.exponent.value == pytest.approx(expected, abs=1e-4)
    assert formula.formula.startswith("a**") and formula.formula.endswith("/2")


def test_rounding_that_costs_too_much_is_not_done():
    """A2: where errors are claimed that the data do not have, the numbers stay as they are."""
    each = candidate(Form("sum", (1,)), [[1.0, 0, 0]], [math.log(9.8123)], spread=0.1)
    assert formula_of(each).formula.startswith("9.8123")
    assert formula_of(each, y=predict(each, X) * (1 + 0.2 * np.sin(np.arange(ROWS)))).formula == "9.81*a"


def test_numbers_that_move_along_may_leave_those_of_floats():
    """A coefficient that is 1/2 would move one that is hardly known to e^1800: an OverflowError ended the search."""
    covariance = np.array([[1e-8, 0.0, 0.9], [0.0, 1e-2, 0.0], [0.9, 0.0, 1e8]])
    each = candidate(Form("sum", (3,)), np.eye(3).tolist(), [math.log(0.49999), 0.0, 0.0], covariance=covariance)
    assert np.isfinite(formula_of(each).predict(X)).all()


def test_where_no_simple_number_is_meant_the_digits_are_those_that_were_measured():
    """1/2 and 1/3 within their errors, but not together: all 16 digits were written."""
    covariance = np.array([[1e-5, 0.99e-5], [0.99e-5, 1e-5]])
    truth = 0.501 * X[:, 0] + 0.3327 * X[:, 1]
    each = candidate(
        Form("sum", (2,)), [[1.0, 0, 0], [0, 1.0, 0]], [math.log(0.501), math.log(0.3327)], covariance=covariance
    )
    noisy = truth * (1 + 1e-4 * np.random.default_rng(0).standard_normal(ROWS))
    formula = formula_of(each, y=noisy)
    assert [term.coefficient.exact for term in formula.terms] == [None, None]
    assert formula.formula == "0.501*a + 0.3327*b"


def test_a17_numbers_that_leave_the_range_of_floats_are_written_by_powers_of_ten():
    """y = (a / 1e160)^2 / b: the coefficient 1e-320 is no normal float."""
    x = X * np.array([1e160, 1.0, 1.0])
    decade = 160 * math.log(10)
    each = candidate(Form("sum", (1,)), [[2, -1, 0]], [0.0], centre=np.array([decade, 0.0, 0.0]))
    formula = formula_of(each, x=x)
    assert formula.formula == "(a/1e+160)**2/b"
    np.testing.assert_allclose(formula.predict(x), X[:, 0] ** 2 / X[:, 1], rtol=1e-12)
    namespace: dict = {}
    exec(formula.to_python(), namespace)
    np.testing.assert_allclose(namespace["y"](*x.T), formula.predict(x), rtol=1e-12)
    assert formula.model is None and "leave the range of float64" in formula.model_note


def test_cells_of_zero_change_nothing_in_how_a_formula_is_written():
    """Their logarithm is that of no size of a column."""
    x = np.where(np.arange(ROWS)[:, None] < 3, 0.0, X)
    formula = formula_of(candidate(Form("sum", (2,)), [[1, 0, 0], [0, 2, 0]], [0.1, 0.2]), x=x)
    assert formula.formula.count("a") == 1 and "/" not in formula.formula
    np.testing.assert_allclose(formula.predict(x[:3]), 0.0)


def test_no_intermediate_result_overflows():
    each = candidate(Form("sum", (1,)), [[3, -3, 0]], [0.0])
    formula = formula_of(each)
    np.testing.assert_allclose(formula.predict([[2e200, 1e200, 1.0]]), [8.0], rtol=1e-12)
    np.testing.assert_array_equal(formula.predict([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]]), [0.0, np.inf])


def test_the_front_never_rises():
    pairs = [(5, 1.0), (3, 2.0), (3, 1.5), (7, 1.2), (9, 0.5), (9, 0.7)]
    formulas = [
        dataclasses.replace(formula_of(FORMS[0]), complexity=complexity, error=error) for complexity, error in pairs
    ]
    found = Found("recovered", "a test", tuple(formulas), (), "absolute", 0.1, ROWS)
    assert [(each.complexity, each.error) for each in found.front] == [(3, 1.5), (5, 1.0), (9, 0.5)]


def test_the_best_is_on_the_front_also_where_another_of_its_complexity_has_a_lower_error():
    class Ranked(NamedTuple):
        complexity: int
        error: float
        description_length: float = 0.0

        def lines(self) -> tuple[str, ...]:
            return ("y = x",)

    best, lower, simple = Ranked(7, 0.2), Ranked(7, 0.1), Ranked(3, 0.5)
    assert front_of([best, lower, simple]) == [simple, best]
    assert front_of([]) == []


def test_a_power_that_stands_above_the_bar_says_where_its_numbers_are():
    random = np.random.default_rng(0)
    force, mass, speed = random.uniform(1, 5, 60), random.uniform(1, 5, 60), random.uniform(0.1, 0.9, 60)
    x = np.stack([force, mass, speed], 1)
    found = discover.table(x, force / mass * (1 - speed**2) ** 1.5, names=["f", "m", "v"], target="a")
    assert found.formula == "f*(1 - v**2)**(3/2)/m"
    assert "term 2 (beside 1)" in str(found) and "below" not in str(found)
    model, params = found.model, found.params
    assert model is not None
    values = model.apply(jax.tree.map(jnp.asarray, params), x)[:, 0]
    np.testing.assert_allclose(np.asarray(values), found.predict(x), rtol=1e-5)
    space: dict[str, Any] = {}
    exec(found.to_python(), space)
    np.testing.assert_allclose(space["a"](force, mass, speed), found.predict(x), rtol=1e-12)
