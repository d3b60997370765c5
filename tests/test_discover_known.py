"""What people bring beside numbers: errors, weights, missing cells, known parts, guesses, limits; results they keep."""

import json
import re
from typing import Any

import numpy as np
import pytest
import sympy

from nalu_jax import discover
from nalu_jax.discover import _asked, _brought, _errors_in_x, _inputs, _traced, _written, _written_by_people
from nalu_jax.discover._engine import forms
from nalu_jax.discover._engine.candidate import Column, plain_numbers
from nalu_jax.discover._engine.forms import Form
from nalu_jax.discover._engine.structure import fit_structure
from nalu_jax.discover._found import ALIKE, RECOVERED

FAST: Any = {"functions": (), "nested": False}


def line(rows=60, seed=0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y = 3 x^2 + 1 with errors that differ by a factor of 50, and the errors."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.5, 5, (rows, 1))
    sigma = np.exp(rng.uniform(np.log(0.02), 0, rows))
    return x, 3 * x[:, 0] ** 2 + 1 + sigma * rng.normal(size=rows), sigma


def test_errors_of_rows_weigh_and_their_size_is_known():
    """Standard errors are those of weighted least squares with known errors: no scale is estimated."""
    x, y, sigma = line()
    found = discover.table(x, y, sigma=sigma, **FAST)
    design = np.stack([x[:, 0] ** 2, np.ones(60)], 1) / sigma[:, None]
    expected = np.sqrt(np.diag(np.linalg.inv(design.T @ design)))
    assert found.noise == "absolute" and found.verdict == RECOVERED
    assert re.fullmatch(r"residuals are (0\.9\d|1|1\.\d) times sigma", " ".join(found.notes))
    np.testing.assert_allclose([term.coefficient.error for term in found.terms], expected, rtol=1e-6)
    solution = np.linalg.lstsq(design, y / sigma, rcond=None)[0]
    np.testing.assert_allclose([term.coefficient.estimate for term in found.terms], solution, rtol=1e-6)


def test_errors_that_do_not_fit_are_noted():
    x, y, sigma = line()
    found = discover.table(x, y, sigma=sigma / 5, **FAST)
    assert "times sigma: the errors are too small, or the formula lacks something" in " ".join(found.notes)


def test_weights_are_relative_and_rows_of_weight_0_are_left_out():
    x, y, sigma = line()
    weights, _ = _brought.row_weights(_brought.of(x, y, weights=1 / sigma**2))
    again, _ = _brought.row_weights(_brought.of(x, y, weights=100 / sigma**2))
    assert weights is not None and again is not None
    np.testing.assert_allclose(weights, again, rtol=1e-12)
    np.testing.assert_allclose(weights * sigma, (weights * sigma)[0], rtol=1e-12)
    weights = np.where(np.arange(60) < 3, 0.0, 1 / sigma**2)
    wild = np.where(np.arange(60) < 3, 1e6, y)
    found = discover.table(x, wild, weights=weights, **FAST)
    assert found.rows == 57 and "3 rows left out, since their weight is 0" in found.notes
    assert found.formula.startswith("3*x0**2")


@pytest.mark.slow
def test_outliers_are_weighted_down_or_not_as_asked():
    rng = np.random.default_rng(0)
    x = rng.uniform(0.5, 5, (60, 1))
    y = 3 * x[:, 0] ** 2 + 0.05 * rng.normal(size=60)
    y[:3] += 5.0
    asked, not_asked = (discover.table(x, y, robust=robust, **FAST).terms[0] for robust in (True, False))
    assert abs(asked.coefficient.estimate - 3) < 0.01 < not_asked.coefficient.error


def test_columns_of_a_frame_by_name_and_missing_cells():
    pandas = pytest.importorskip("pandas")
    x, y, sigma = line(20)
    frame = pandas.DataFrame({"h": x[:, 0], "err": sigma, "y": y})
    frame.loc[2, "h"] = None
    with pytest.raises(ValueError, match="'h', row 3: nan is not a finite number"):
        discover.table(frame, "y", sigma="err")
    found = discover.table(frame, "y", sigma="err", missing="drop", **FAST)
    assert found.names == ("h",) and found.target == "y" and found.rows == 19
    assert found.notes[0] == "1 of 20 rows left out, since a cell is missing: row 3"


def test_polars_frames_and_categories():
    polars = pytest.importorskip("polars")
    x, y, _ = line(20)
    found = discover.table(polars.DataFrame({"h": x[:, 0], "z": y}), "z", **FAST)
    assert found.names == ("h",) and found.target == "z"


def test_a_column_of_categories_is_refused_with_the_cure():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1.0, 2, 3, 4], "kind": pandas.Categorical(list("xyxy"))})
    with pytest.raises(TypeError, match="column 'kind' has categories, expected numbers"):
        discover.table(frame, [1.0, 2, 4, 8])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sigma": [0.1, 0.1, 0.0, 0.1, 0.1]}, "sigma, row 3: 0 is not a standard error above 0"),
        ({"weights": [1, 1, -1, 1, 1]}, "weights, row 3: -1 is not at least 0"),
        ({"weights": [0.0] * 5}, "all weights are zero"),
        ({"sigma": [0.1, 0.1]}, r"sigma has shape \(2,\), expected \(5,\)"),
        ({"sigma": "err"}, "sigma is 'err', which is no column of x"),
        ({"sigma": [0.1] * 5, "weights": [1.0] * 5}, "pass one of them"),
        ({"missing": "ignore"}, "missing must be one of 'raise', 'drop'"),
        ({"include": ["q"]}, "include: there is no column 'q'"),
        ({"include": ["x0"], "exclude": ["x0"]}, "is in include and in exclude"),
        ({"exclude": ["x0"]}, "none is left"),
        ({"exponents": "whole"}, '"integers" or a pair'),
        ({"exponents": (2, 1)}, "low < high"),
        ({"guess": "x0 +"}, "guess: 'x0 \\+' is no formula"),
        ({"guess": "sin(x0)*cos(x0)"}, "none of the forms that are searched"),
        ({"known": "x0 +"}, "known: 'x0 \\+' is no formula"),
        ({"known": "1e6*x0"}, "contradicts the data"),
        ({"known": "log(x0 - 2)"}, "no finite value in row 1"),
        ({"known": "x0**2"}, "nothing is left to find"),
    ],
)
def test_mistakes_are_one_line_before_the_search(options, words, as_users_run_it, monkeypatch):
    monkeypatch.setattr(_asked, "search", lambda *args, **kwargs: pytest.fail("searched"))
    x = np.arange(1.0, 6.0)[:, None]
    with pytest.raises((ValueError, TypeError), match=words) as caught:
        discover.table(x, x[:, 0] ** 2, **options)
    assert "\n" not in str(caught.value)


def test_a_known_part_without_constants_is_added_to_what_is_found():
    rng = np.random.default_rng(0)
    h = rng.uniform(0.5, 5, (40, 1))
    y = 9.81 * h[:, 0] + 2 * h[:, 0] ** 3 + 0.01 * rng.normal(size=40)
    found = discover.table(h, y, names=["h"], known="9.81*h", **FAST)
    [term] = found.terms
    assert found.formula.startswith("9.81*h + ") and term.factors[0].exponent.exact == 3
    assert found.model is None and "known part" in found.model_note
    np.testing.assert_allclose(found.predict([[2.0]]), [35.62], rtol=1e-3)
    space: dict[str, Any] = {}
    exec(found.to_python(), space)
    np.testing.assert_allclose(space["y"](h[:, 0]), found.predict(h), rtol=1e-12)


@pytest.mark.slow
def test_constants_of_a_known_part_are_fitted_with_the_rest(tmp_path):
    rng = np.random.default_rng(1)
    h = rng.uniform(0, 5, (60, 1))
    y = 9.81 * h[:, 0] + 3 * np.exp(-h[:, 0] / 1.5) + 0.5 * h[:, 0] ** 2 + 0.01 * rng.normal(size=60)
    found = discover.table(h, y, names=["h"], known="9.81*h + a*exp(-h/c)", **FAST)
    assert found.best.known is not None
    numbers = dict(found.best.known.constants)
    assert abs(numbers["a"].estimate - 3) < 4 * numbers["a"].error < 0.1
    assert abs(numbers["c"].estimate - 1.5) < 4 * numbers["c"].error < 0.1
    [term] = found.terms
    assert term.factors[0].exponent.exact == 2 and "c, in the known part" in str(found)
    found.save(tmp_path / "known.json")
    again = discover.load(tmp_path / "known.json")
    np.testing.assert_array_equal(again.predict(h), found.predict(h))
    assert str(again) == str(found)


def test_a_guess_is_tried_and_improved():
    x = np.linspace(1.0, 2.0, 40)[:, None]
    y = 0.7 * x[:, 0] ** 7 / (1 + 0.4 * x[:, 0] ** 5)
    y = y * (1 + 0.001 * np.random.default_rng(0).normal(size=40))
    found = discover.table(x, y, guess="x0**7/(1 + x0**5)", time_limit=0.2, functions=())
    np.testing.assert_allclose(found.predict(x), y, rtol=0.01)
    assert any(candidate.form.kind == "power" for candidate in found.candidates)  # x^7 / (1 + x^5) is one: -1


@pytest.mark.slow
def test_what_may_be_the_answer():
    rng = np.random.default_rng(0)
    x = rng.uniform(0.5, 2, (40, 3))
    y = 3 * x[:, 0] ** 1.5 * x[:, 1] * (1 + 0.03 * rng.normal(size=40))
    whole = discover.table(x, y, exponents="integers", **FAST)
    assert all(f.exponent.exact is not None for c in whole.candidates for t in c.terms for f in t.factors)
    assert all(
        f.exponent.value == round(f.exponent.value) for c in whole.candidates for t in c.terms for f in t.factors
    )
    with_third = discover.table(x, y, include="x2", terms=2, **FAST)
    assert all("x2" in candidate.formula for candidate in with_third.candidates)
    without = discover.table(x, y, exclude=["x1"], **FAST)
    assert all("x1" not in candidate.formula for candidate in without.candidates) and without.names == (
        "x0",
        "x1",
        "x2",
    )
    low = discover.table(x, y, exponents=(0, 1), **FAST)
    assert all(0 <= f.exponent.value <= 1 for c in low.candidates for t in c.terms for f in t.factors)


@pytest.fixture(scope="module")
def found() -> discover.Found:
    x, y = power()
    return discover.table(x, y, names=("m", "v"), target="E", functions=())


def power(seed=0, rows=40, factor=0.5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.5, 2.0, (rows, 2))
    return x, (factor * x[:, 0] * x[:, 1] ** 2 + 1.3) * (1 + 0.05 * rng.normal(size=rows))


def test_the_front_prints_as_a_table_and_a_candidate_is_chosen(found):
    lines = str(found.front).splitlines()
    assert lines[0].split()[:2] == ["complexity", "error"] and len(lines) == 1 + len(found.front)
    assert sum(found.weights) == pytest.approx(1)
    place = next(i for i, candidate in enumerate(found.front) if candidate is not found.best)
    other = found.choose(place)
    assert other.best is found.front[place] and set(map(id, other.candidates)) == set(map(id, found.candidates))
    assert "it was chosen" in other.reason and other.verdict != RECOVERED
    assert (other.verdict == ALIKE) == any(each is other.best for each in found.alike)
    assert found.choose(list(found.front).index(found.best)) is found
    with pytest.raises(IndexError, match="the front has"):
        found.choose(len(found.front))


def test_a_row_of_pandas_for_every_candidate(found):
    pytest.importorskip("pandas")
    table = found.to_pandas()
    assert table.formula.tolist() == [candidate.formula for candidate in found.candidates]
    assert table.on_front.sum() == len(found.front) and table.alike[0]


def test_intervals_survive_the_file_and_files_without_covariance_say_so(found, tmp_path):
    x, _ = power()
    found.save(tmp_path / "a.json")
    again = discover.load(tmp_path / "a.json")
    for mine, theirs in zip(found.predict(x, interval=0.9), again.predict(x, interval=0.9), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    data = json.loads((tmp_path / "a.json").read_text())
    for candidate in data["candidates"]:
        for key in ("covariance", "units", "target_unit", "constants", "known"):
            del candidate[key]
    (tmp_path / "b.json").write_text(json.dumps(data))
    old = discover.load(tmp_path / "b.json")
    np.testing.assert_array_equal(old.predict(x), found.predict(x))
    with pytest.raises(ValueError, match="has no covariance"):
        old.predict(x, interval=0.9)
    with pytest.raises(ValueError, match="a probability such as 0.95"):
        found.predict(x, interval=95)


def fitted_law(x, y) -> discover.Found:
    """The law's form with its two numbers fitted, as a search that found it hands it over."""
    form, exponents = Form("sum", (2,)), np.array([[1.0, 2.0], [0.0, 0.0]])
    candidate = fit_structure(
        x, y, form=form, columns=(Column((0,)), Column((1,))), exponents=exponents, parity=np.zeros((2, 2), int),
        free=np.zeros((2, 2), bool), noise="relative",
    )  # fmt: skip
    data = _inputs.table(x, y, names=("m", "v"), target="E")
    formula = _written.formula_of(candidate, data, np.ones(len(y)))
    return discover.Found(RECOVERED, "", (formula,), (), "relative", candidate.deviation, len(y))


def test_intervals_hold_what_they_promise():
    """200 tables of 30 rows: new measurements and the law itself at rows of the range."""
    held: dict[str, list[bool]] = {"measurement": [], "formula": []}
    for seed in range(200):
        found = fitted_law(*power(seed, 30))
        fresh, new = power(seed + 1000, 20)
        law = 0.5 * fresh[:, 0] * fresh[:, 1] ** 2 + 1.3
        measured, exact = (found.predict(fresh, interval=0.95), found.predict(fresh, interval=0.95, of="formula"))
        held["measurement"] += ((measured.low <= new) & (new <= measured.high)).tolist()
        held["formula"] += ((exact.low <= law) & (law <= exact.high)).tolist()
    assert np.mean(held["measurement"]) == pytest.approx(0.95, abs=0.012)
    assert np.mean(held["formula"]) == pytest.approx(0.95, abs=0.03)  # 20 rows of a table are not independent


def test_scores_say_what_is_against_a_formula():
    x, y = power(rows=60)
    right = discover.score("m*v**2/2 + 1.3", x, y, names=("m", "v"))
    assert right.against == () and right.r2 > 0.9 and right.rows == 60
    assert right.rms == pytest.approx(float(np.sqrt(np.mean((y - 0.5 * x[:, 0] * x[:, 1] ** 2 - 1.3) ** 2))))
    twice = discover.score("m*v**2 + 2.6", x, y, names=("m", "v"))
    assert abs(twice.factor - 0.5) < 4 * twice.factor_error and "all values times 0.5000" in " ".join(twice.against)
    wrong = discover.score("m*v + 1.3", x, y, names=("m", "v"))
    assert "still follow the inputs" in wrong.against[0]
    nowhere = discover.score("log(m - 1)", x, y, names=("m", "v"))
    assert "no finite value in" in nowhere.against[0] and np.isinf(nowhere.rms)
    with pytest.raises(ValueError, match="'k', which is no column"):
        discover.score("k*m", x, y, names=("m", "v"))


def test_scores_weigh_residuals_as_their_noise_asks():
    """True laws were blamed where noise is relative over decades."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x = 10 ** rng.uniform(-3, 3, (300, 2))
        law = 2 * x[:, 0] * np.sqrt(x[:, 1])
        y = law * (1 + 0.05 * rng.normal(size=300))
        right = discover.score("2*a*sqrt(b)", x, y, names=("a", "b"))
        assert (right.against, right.noise) == ((), "relative") and abs(right.deviation - 0.05) < 0.007
        assert discover.score("2.1*a*sqrt(b)", x, y, names=("a", "b")).against
        assert discover.score("2*a*b**0.51", x, y, names=("a", "b")).against
        known = discover.score("2*a*sqrt(b)", x, y, names=("a", "b"), sigma=0.05 * law)
        assert (known.against, known.noise) == ((), "known") and abs(known.deviation - 1) < 0.15
        narrow = discover.score("2*a*sqrt(b)", x, y, names=("a", "b"), sigma=0.01 * law)
        assert "times sigma" in narrow.against[0]


def test_a_result_is_scored_and_compared(found):
    x, y = power(7)
    assert found.score(x, y).r2 == pytest.approx(1 - np.sum((found.predict(x) - y) ** 2) / np.sum((y - y.mean()) ** 2))
    assert found.compare(found).same_structure
    assert all(each.standard_errors == 0 for each in found.compare(found).differences)
    x, y = power(3, factor=1.0)
    other = discover.table(x, y, names=("m", "v"), target="E", functions=())
    if found.compare(other).same_structure:
        assert max(each.standard_errors for each in found.compare(other).differences) > 3
    other = discover.table(x, x[:, 0] ** 3, names=("m", "v"), target="E", functions=())
    assert not found.compare(other).same_structure and "different structures" in str(found.compare(other))
    with pytest.raises(TypeError, match="another result"):
        found.compare("m*v**2")


def test_brought_columns_keep_their_order():
    x = np.arange(12.0).reshape(4, 3)
    found = _brought.of(x, "b", names=("a", "b", "c"))
    assert found.table.names == ("a", "c") and found.table.target == "b"
    np.testing.assert_array_equal(found.table.x, x[:, [0, 2]])


def test_a_formula_is_scored_against_a_column_by_its_name():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"m": [1.0, 2, 3, 4], "v": [1.0, 3, 2, 5], "energy": [0.5, 9, 6, 50]})
    assert discover.score("m*v**2/2", frame, "energy").rms == 0
    with pytest.raises(ValueError, match="y is 'e', which is no column of x"):
        discover.score("m*v**2/2", frame, "e")


def test_text_that_a_known_part_returns_is_no_formula():
    """SymPy would make an expression of it, by evaluating it."""
    with pytest.raises(ValueError, match="no formula of its arguments .*returns str"):
        _traced.text(lambda h: "__import__('os').getpid()")
    with pytest.raises(ValueError, match="no formula of its arguments"):
        _traced.text(lambda h: np.add(h, "h"))


@pytest.mark.slow
def test_a_known_part_may_be_a_function():
    rng = np.random.default_rng(0)
    h = rng.uniform(0.5, 5, (40, 1))
    y = 9.81 * h[:, 0] + 3 * np.exp(-h[:, 0] / 0.8) + 2 * h[:, 0] ** 2 + 0.02 * rng.normal(size=40)
    options: Any = FAST | {"names": ["h"], "terms": 2}
    found = discover.table(h, y, known=lambda h, a, c: 9.81 * h + a * np.exp(-h / c), **options)
    assert str(found.best) == str(discover.table(h, y, known="a*exp(-h/c) + 9.81*h", **options).best)
    with pytest.raises(ValueError, match=r"no formula of its arguments .*subtract its values from y"):
        discover.table(h, y, known=lambda h: np.interp(h, [0, 1], [0, 1]), **options)


@pytest.mark.slow
def test_signs_and_limits_are_kept():
    rng = np.random.default_rng(0)
    x = rng.uniform(1, 3, (30, 2))
    y = (2 / x[:, 0] ** 2 + 0.3 * x[:, 1]) * (1 + 0.05 * rng.normal(size=30))
    options: Any = FAST | {"names": ["r", "q"], "terms": 2}
    free = discover.table(x, y, **options)
    kept = discover.table(x, y, signs="positive", limits={"r": "finite at infinity", "q": ["finite at 0"]}, **options)
    below = lambda formula: any(term.coefficient.value < 0 for term in formula.terms)
    assert not any(map(below, kept.candidates)) and kept.formula == free.formula
    far = np.array([[1e30, 2.0], [2.0, 1e-30]])
    assert all(np.abs(each.predict(far)).max() < 1e4 for each in kept.candidates)
    with pytest.raises(ValueError, match="limits of 'r' must be of 'finite at 0', .*got '1 at 0'"):
        discover.table(x, y, limits={"r": "1 at 0"}, **options)


def noisy_inputs(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """a and b with an error of 0.12 in a, y = 2.5 a^2 / b with one of 0.15."""
    rng = np.random.default_rng(seed)
    true = rng.uniform(1, 4, (40, 2))
    y = 2.5 * true[:, 0] ** 2 / true[:, 1] + 0.15 * rng.normal(size=40)
    return true + np.array([0.12, 0.0]) * rng.normal(size=(40, 2)), y


def test_errors_of_inputs_are_said():
    x, y = noisy_inputs(0)
    options: Any = FAST | {"names": ("a", "b"), "terms": 2}
    found = discover.table(x, y, sigma=np.full(40, 0.15), x_sigma={"a": 0.12}, **options)
    coefficient = found.terms[0].coefficient
    assert found.formula.endswith("*a**2/b") and abs(coefficient.estimate - 2.5) < 3 * coefficient.error
    assert found.noise == "absolute" and coefficient.error > 0.03
    assert re.fullmatch(r"residuals are (0\.[89]\d?|1|1\.\d) times sigma", " ".join(found.notes))
    for x_sigma, sigma, message in (
        ({"a": 0.1}, None, "needs the errors of the target too"),
        ({"c": 0.1}, np.ones(40), "no input 'c'"),
        ({"a": -0.1}, np.ones(40), "-0.1 is not at least 0"),
    ):
        with pytest.raises(ValueError, match=message):
            discover.table(x, y, x_sigma=x_sigma, sigma=sigma, **options)


@pytest.mark.slow
def test_errors_of_inputs_cover():
    """Numbers of 200 drawn tables of a known structure are within one and two of their errors as often as they should
    be, and lie to neither side; those of a fit of y alone are too small."""
    candidates: Any = {"form": Form("sum", (1,)), "columns": (Column((0,)), Column((1,)))}
    exponents, none = np.array([[2.0, -1.0]]), np.zeros((1, 2), int)
    apart, plain = [], []
    x_sigma = np.tile([0.3, 0.0], (40, 1))
    for seed in range(200):
        rng = np.random.default_rng(seed)
        true = rng.uniform(1, 4, (40, 2))
        y = 2.5 * true[:, 0] ** 2 / true[:, 1] + 0.15 * rng.normal(size=40)
        x = true + x_sigma * rng.normal(size=(40, 2))
        begin = fit_structure(
            x, y, exponents=exponents, parity=none, free=none.astype(bool), noise="absolute", **candidates
        )
        sigma = np.full(40, 0.15)
        held = _errors_in_x.effective(begin, x, sigma, x_sigma)
        fitted = _errors_in_x._refitted(begin, x, y, sigma, x_sigma, held)
        number = plain_numbers(fitted)
        apart.append((number.log_coefficients[0] - np.log(2.5)) / np.sqrt(number.covariance[0, 0]))
        plain.append(plain_numbers(begin).log_coefficients[0] - np.log(2.5))
    scores = np.array(apart)
    assert 0.58 < np.mean(np.abs(scores) < 1) < 0.78 and np.mean(np.abs(scores) < 2) > 0.9
    assert abs(scores.mean()) < 0.3 and np.mean(plain) < -0.02


@pytest.mark.parametrize(
    ("text", "function", "terms"),
    [
        ("m*c**2/sqrt(1 - v**2/c**2) - m*c**2", "1/sqrt1p-1", 2),
        ("r - sqrt(r**2 - d**2)", "sqrt1p-1", 2),
        ("s/2*(1 - z/sqrt(z**2 + r**2))", "1/sqrt1p", 3),
        ("0.7*x + (a + x**2)**1.5/a", "sqrt1p^3", 3),
        ("x**3*a/(2*pi)/(pi**2*c**2*(exp(a/(2*pi)*x/(s*z)) - 1))", "1/expm1", 2),
        ("a/(2*exp(-x/z) + 2)", "1/(1+exp)", 2),
        ("a/(3*c*cosh(x/z))", "1/cosh", 2),
        ("s*(exp(a*x/z) - 1)", "expm1", 2),
        ("s*sin(a*x/z)**2 + 3", "sin^2", 3),
    ],
)
def test_a_guess_with_a_root_or_a_function(text, function, terms):
    symbols = tuple("acdmrsvxz")
    guess = _written_by_people.guess_of(text, symbols, symbols)
    assert guess.form.function == function and guess.form.terms == terms
    columns = np.random.default_rng(0).uniform(1.0, 2.0, (len(symbols), 20))
    columns[[symbols.index("r"), symbols.index("c")]] += 2.0  # roots of what is positive
    chosen = columns[[column.inputs[0] for column in guess.columns]]
    values, _ = forms.evaluate(
        guess.form, guess.coefficients[:, None] * np.prod(chosen ** guess.exponents[..., None], 1)
    )
    oracle = sympy.lambdify(symbols, sympy.sympify(text), "numpy")(*columns)
    np.testing.assert_allclose(values, oracle, rtol=1e-12)
