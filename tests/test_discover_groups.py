"""One structure for several experiments: numbers in common or by group."""

import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nalu_jax import cli, discover
from nalu_jax.discover._engine.candidate import Column
from nalu_jax.discover._engine.columns import TableOptions
from nalu_jax.discover._engine.forms import Form
from nalu_jax.discover._engine.grouped import chosen, covariance, fitted, of_candidate, places
from nalu_jax.discover._engine.grouped_search import GroupedTable, without_latent
from nalu_jax.discover._engine.search import search
from nalu_jax.discover._engine.structure import fit_structure
from nalu_jax.discover._found import RECOVERED
from nalu_jax.discover._regressor import FormulaRegressor

FAST: Any = {"functions": (), "nested": False, "terms": 2}
NAMES = ("soft", "old", "hard", "new")


def springs(noise=0.02, seed=0, rows=10) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stretch, force = k stretch + 0.3 with a stiffness k for each of four springs, and labels."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(4), rows)
    stretch = rng.uniform(0.2, 2.0, len(codes))
    force = np.array([2.0, 3.5, 9.0, 4.4])[codes] * stretch + 0.3
    return stretch[:, None], force + noise * rng.normal(size=len(codes)), np.array(NAMES)[codes]


@pytest.fixture(scope="module")
def found() -> discover.Found:
    x, y, spring = springs()
    return discover.table(x, y, names=["stretch"], target="force", groups=spring, **FAST)


def test_the_numbers_are_those_of_least_squares_with_one_column_for_each_group(found):
    """An independent oracle: a linear fit of indicator columns, with its errors."""
    x, y, spring = springs()
    design = np.concatenate([(spring[:, None] == NAMES) * x, np.ones((len(y), 1))], 1)
    solution, squares, *_ = np.linalg.lstsq(design, y, rcond=None)
    errors = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * squares / (len(y) - 5))
    assert found.verdict == RECOVERED and found.noise == "absolute" and found.groups == NAMES
    assert found.formula.startswith("c1*stretch + 0.")
    slopes = found.best.by_group["c1"]
    np.testing.assert_allclose([slopes[name].estimate for name in NAMES], solution[:4], rtol=1e-6)
    np.testing.assert_allclose([slopes[name].error for name in NAMES], errors[:4], rtol=1e-6)
    offset = found.terms[1].coefficient
    assert not offset.by_group
    np.testing.assert_allclose([offset.estimate, offset.error], [solution[4], errors[4]], rtol=1e-6)
    np.testing.assert_allclose(found.deviation, np.sqrt(squares / (len(y) - 5)), rtol=1e-6)


def test_predictions_need_the_group(found):
    x, y, spring = springs()
    with pytest.raises(ValueError, match=r"differ by 'group': pass groups=.*of_group\(label\)"):
        found.predict(x)
    with pytest.raises(ValueError, match="no group 'none' of 'group'; there are 'soft', 'old'"):
        found.predict(x, groups="none")
    with pytest.raises(ValueError, match="2 labels for 40 rows"):
        found.predict(x, groups=["soft", "old"])
    values = found.predict(x, groups=spring)
    for name in NAMES:
        one = found.of_group(name)
        np.testing.assert_array_equal(one.predict(x[spring == name]), values[spring == name])
        assert one.model is not None
        exact = one.model.apply(jax.tree.map(jnp.float32, one.params), jnp.float32(x[:2]))[:, 0]
        np.testing.assert_allclose(exact, one.predict(x[:2]), rtol=1e-5)
    assert found.model is None and "of_group(label)" in found.best.model_note
    within = found.predict(x, groups=spring, interval=0.95)
    assert np.mean((within.low <= y) & (y <= within.high)) > 0.8
    assert found.score(x, y, groups=spring).against == ()
    assert found.of_group("soft").compare(found.of_group("hard")).same_structure


def test_text_and_files_keep_the_groups(found, tmp_path):
    x, _, spring = springs()
    assert "spring" not in str(found) and "group hard" in str(found) and "c1" in found.latex.replace("c_{1}", "c1")
    space: dict[str, Any] = {}
    exec(found.to_python(), space)
    np.testing.assert_allclose(space["force"](x[:, 0], spring), found.predict(x, groups=spring), rtol=1e-12)
    found.save(tmp_path / "found.json")
    again = discover.load(tmp_path / "found.json")
    assert str(again) == str(found) and str(again.front) == str(found.front)
    np.testing.assert_array_equal(again.predict(x, groups=spring), found.predict(x, groups=spring))
    data = json.loads((tmp_path / "found.json").read_text())
    data["candidates"][0]["groups"]["labels"].pop()
    (tmp_path / "found.json").write_text(json.dumps(data))
    with pytest.raises(ValueError, match="its groups are not labels with a covariance each"):
        discover.load(tmp_path / "found.json")


def test_groups_that_do_not_differ_have_numbers_in_common():
    x, _, spring = springs()
    y = 3 * x[:, 0] ** 2 * (1 + 0.01 * np.random.default_rng(1).normal(size=len(x)))
    found = discover.table(x, y, names=["a"], groups=spring, **FAST)
    assert found.verdict == RECOVERED and found.groups == () and found.formula == "3*a**2"
    np.testing.assert_array_equal(found.predict(x, groups=spring), found.predict(x))


def test_groups_too_small_for_a_search_of_their_own():
    """Three to five planets each: the exponent is common, the mass of the star is not."""
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(5), [3, 4, 5, 4, 3])
    distance = np.exp(rng.uniform(-2, 2, len(codes)))
    mass = np.array([1, 0.3, 2.5, 0.8, 1.4])
    period = np.sqrt(distance**3 / mass[codes]) * (1 + 0.01 * rng.normal(size=len(codes)))
    found = discover.table(distance[:, None], period, names=["a"], groups=codes, **FAST)
    assert found.verdict == RECOVERED and found.formula == "c1*a**(3/2)"
    factors = found.best.by_group["c1"]
    apart = [(factors[str(i)].estimate - mass[i] ** -0.5) / factors[str(i)].error for i in range(5)]
    assert np.abs(apart).max() < 3.5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("varies", "formula"),
    [("coefficients", "c1*stretch + c2"), ("offset", "+ c1"), ("all", "c1*stretch + c2")],
)
def test_what_differs_can_be_said(varies, formula):
    x, y, spring = springs()
    found = discover.table(x, y, names=["stretch"], groups=spring, varies=varies, **FAST)
    assert formula in found.formula


@pytest.mark.slow
def test_inside_a_function_and_an_exponent_by_group():
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(3), 15)
    t = np.tile(np.linspace(0.1, 5, 15), 3)
    y = np.array([2, 5, 9.0])[codes] * np.exp(-0.7 * t) + np.array([0.5, 1, 0.2])[codes]
    found = discover.table(t[:, None], y + 0.02 * rng.normal(size=45), names=["t"], groups=codes)
    assert found.verdict == RECOVERED and "*exp(-0." in found.formula and len(found.best.by_group) == 2
    y = np.array([2, 5, 9.0])[codes] * t ** np.array([1.37, 0.81, 0.59])[codes]
    y *= 1 + 0.005 * rng.normal(size=45)
    found = discover.table(t[:, None], y, names=["t"], groups=codes, **FAST)
    assert found.formula == "c1*t**p1"
    for i, power in enumerate((1.37, 0.81, 0.59)):
        number = found.best.by_group["p1"][str(i)]
        assert abs(number.estimate - power) < 4 * number.error


@pytest.mark.slow
def test_evidence_tells_what_differs_and_errors_cover():
    """Slopes by group in half of the tables: of 40 drawn ones, of which the structure is known, evidence is right on
    which numbers differ in most, and 68 and 95 % of the common offset's intervals hold it."""
    right, within = 0, []
    for seed in range(40):
        x, y, spring = springs(noise=0.1, seed=seed, rows=6)
        if seed % 2:
            y = y - (np.array([2.0, 3.5, 9.0, 4.4])[np.repeat(np.arange(4), 6)] - 4.0) * x[:, 0]
        table = GroupedTable(x, y, np.repeat(np.arange(4), 6), None, TableOptions(absolute=True))
        exponents, none = np.array([[1.0], [0.0]]), np.zeros((2, 1), int)
        line = fit_structure(
            x, y, form=Form("sum", (2,)), columns=(Column((0,)),), exponents=exponents, parity=none,
            free=none.astype(bool), noise="absolute",
        )  # fmt: skip
        begin = of_candidate(line, table.table(line.columns), table.codes)
        best = chosen(begin, None)[0]
        wanted = np.array([seed % 2 == 0, False])
        right += bool((best.varies == wanted).all())
        known = fitted(begin, wanted)
        place = places(wanted, 4)[1, 0]
        offset = known.numbers[1, 0] * known.table.target_scale
        within.append(abs(np.log(offset / 0.3)) / np.sqrt(covariance(known)[place, place]))
    assert right >= 36
    assert 0.5 < np.mean(np.array(within) < 1) < 0.85 and np.mean(np.array(within) < 2) > 0.85


def test_columns_beyond_the_inputs_leave_a_formula():
    x = np.random.default_rng(0).uniform(1, 2, (30, 2))
    candidate = search(x, 3 * x[:, 0] ** 2 * x[:, 1], terms=1).candidates[0]
    left = without_latent(candidate, 1)
    assert left is not None and left.exponents.tolist() == [[2.0]] and len(left.columns) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": np.arange(40)}, r"'0' has one row, row 1 \(40 groups have one\).*no column of groups"),
        ({"groups": np.zeros(40)}, "all rows are of one, '0'. Leave groups out"),
        ({"groups": ["a"] * 39 + [None]}, "row 40: the label is missing"),
        ({"groups": "spring"}, "'spring', which is no column of x"),
        ({"groups": [1, 2]}, r"groups has shape \(2,\), expected \(40,\)"),
        ({"varies": "all"}, "there are no groups: pass groups="),
        ({"groups": np.arange(40) // 4, "varies": "slopes"}, "varies must be one of 'all'"),
        ({"groups": np.arange(40) // 4, "known": "a*stretch"}, "with groups 'a' is not fitted. Give its value"),
    ],
)
def test_what_is_no_group_is_said_before_the_search(options, message):
    x, y, _ = springs()
    with pytest.raises(ValueError, match=message):
        discover.table(x, y, names=["stretch"], **options)


@pytest.mark.slow
def test_the_command_line_and_the_estimator_have_groups(tmp_path, capsys):
    x, y, spring = springs()
    lines = ["spring,stretch,force", *(f"{s},{a},{b}" for s, a, b in zip(spring, x[:, 0], y, strict=True))]
    path = tmp_path / "springs.csv"
    path.write_text("\n".join(lines) + "\n")
    fit = ["fit", str(path), "--target", "force", "--functions", "none", "--no-nested", "--terms", "2"]
    assert cli.main([*fit, "--groups", "spring", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["formula"].startswith("c1*stretch") and data["candidates"][0]["groups"]["header"] == "spring"
    assert data["errors"]["held_out"]["r2"] > 0.99
    assert cli.main([*fit, "--groups", "spring", "--outside", "0.8"]) == 2
    assert "are left to fit, expected at least 2. Lower --held-out" in capsys.readouterr().err
    assert cli.main([*fit, "--varies", "all", "--inputs", "stretch"]) == 2
    assert "name their column, --groups" in capsys.readouterr().err
    codes = np.repeat(np.arange(4.0), 10)
    columns = np.stack([codes, x[:, 0]], 1)
    model = FormulaRegressor(groups="x0", functions=(), nested=False, terms=2).fit(columns, y)
    assert model.formula_.startswith("c1*x1") and model.score(columns, y) > 0.999
