"""The scripts of the published tasks: they run, count right, and choose by validation only. No success is asserted of a
full run here; that is what benchmarks/results/ is for."""

import argparse
import ast
import functools
import json
import pathlib
import signal
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import (
    _recipes,
    _report,
    _runs,
    _success,
    _two_layer,
    comparison,
    division,
    inalu_tasks,
    large_scale,
    loop_throughput,
    read_out,
    simple_task,
    single_module,
    static_task,
)
from nalu_jax import training
from nalu_jax.tasks import single_module as task


@pytest.fixture(autouse=True)
def jax_defaults():
    """Scripts run as a user runs them, not under the tests' strict promotion."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def run_script(script, tmp_path, *arguments):
    path = tmp_path / f"{script.__name__}.json"
    assert script.main(["--smoke", "--json", str(path), *arguments]) == 0
    data = json.loads(path.read_text())
    assert data["status"] == "complete" and data["rows"]
    assert script.summary(data) and "\n" not in script.summary(data)
    assert script.summary(data | {"rows": []}) == "nothing measured"
    return data["rows"]


@pytest.mark.usefixtures("as_in_a_terminal")
@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        (simple_task, ["--recipe", "published", "--units", "nmu"]),
        pytest.param(
            single_module,
            ["--recipe", "plain", "--units", "nau", "--ops", "add", "--ranges", "U[1,2]"],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_row_whose_fit_was_interrupted_does_not_count(tmp_path, capsys, monkeypatch, script, arguments):
    """Ctrl-C comes while the fit is compiled; it returns what there is, which is no result of the benchmark."""
    fit = training.fit

    def interrupted_fit(loss, init, **options):
        pressed = []

        @functools.wraps(init)
        def interrupting(*args, **kwargs):
            if not pressed:
                pressed.append(signal.raise_signal(signal.SIGINT))
            return init(*args, **kwargs)

        result = fit(loss, interrupting, **options)
        assert pressed and result.interrupted
        return result

    monkeypatch.setattr(training, "fit", interrupted_fit)
    path = tmp_path / "result.json"
    assert script.main(["--smoke", "--json", str(path), *arguments]) == _report.INTERRUPTED
    data = json.loads(path.read_text())
    assert data["status"] == "interrupted" and data["rows"] == []


SCRIPTS = sorted(pathlib.Path(_report.__file__).parent.glob("*.py"))
INTERRUPTIBLE = {"training.fit", "discover.table", "discover.ode"}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_whoever_fits_or_searches_asks_whether_it_was_interrupted(path):
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    for function in functions:
        named = {ast.unparse(node) for node in ast.walk(function) if isinstance(node, ast.Attribute)}
        assert not named & INTERRUPTIBLE or "_report.check_whole" in named, function.name


@pytest.mark.slow
def test_single_module(tmp_path):
    plot = tmp_path / "plot.png"
    arguments = ["--recipe", "ours", "plain", "--units", "nau", "--ops", "add", "div"]
    rows = run_script(single_module, tmp_path, *arguments, "--ranges", "U[1,2]", "U[-2,2]", "--plot", str(plot))
    assert [(row["recipe"], row["operations"]) for row in rows] == [("ours", ["add", "div"]), ("plain", ["add"])]
    assert [len(row["cells"]) for row in rows] == [4, 2]
    assert {name.split()[-1] for name in rows[0]["cells"][0]["successes"]} == {"flat", "1e-5", "1e-4"}
    assert plot.stat().st_size > 10_000


@pytest.mark.parametrize("n_in", [2, 100])
def test_least_squares_solves_what_it_should(n_in):
    runs = [(op, 3, "U[1,2]") for op in ("add", "mul")]
    cells = single_module.least_squares(runs, n_in)
    found = {(cell["unit"].split(" (")[0], cell["operation"]): cell["successes"]["flat"] for cell in cells}
    assert found == {("in x", "add"): 1, ("in x", "mul"): 0, ("in log x", "add"): 0, ("in log x", "mul"): 1}


@pytest.mark.slow
def test_our_recipe_chooses_the_operation_by_validation():
    runs = [(op, 3, name) for op in task.OPERATIONS for name in ("U[1,2]", "U[-2,-1]")]
    cells = single_module.train(_recipes.ours(), runs, 2, steps=800, seed=5, progress=False)
    multiplying = {(cell["operation"], cell["range"]): cell["multiplying"] for cell in cells}
    assert {cell for cell, count in multiplying.items() if count} == {
        (op, name) for op in ("mul", "div") for name in ("U[1,2]", "U[-2,-1]")
    }


def test_the_exact_solution_has_no_error():
    """mean_errors on held-out sets, block by block, of weights that are right."""
    data = single_module.data_of([("div", 4, "U[-2,2]")], 10)
    context = jax.tree.map(lambda leaf: leaf[0], data.context)
    weights = jnp.zeros((10, 1)).at[context["offset"]].set(1).at[context["offset"] + 1].set(-1)
    params = {"add": {"w": weights}, "mul": {"re": weights}}
    errors = _runs.mean_errors(_recipes.ours().predict, params, data.validation, data, context)
    x = np.asarray(data.validation)[int(context["set"])].reshape(-1, 10).astype(float)
    a, b = x[:, int(context["offset"])], x[:, int(context["offset"]) + 1]
    np.testing.assert_allclose(errors[0], np.mean((a - b - a / b) ** 2), rtol=1e-3)
    assert errors[1] < 1e-6 * np.mean((a / b) ** 2)


@pytest.mark.parametrize("unit", list(_recipes.PUBLISHED))
def test_published_recipes_have_the_published_numbers(unit):
    for operation in _recipes.PUBLISHED[unit]:
        recipe = _recipes.published(unit, operation, 2)
        assert recipe.steps == 50_001 and recipe.screen == 1
        params = recipe.init(jax.random.key(0), 2)
        start, end = (float(recipe.penalty(params, jnp.asarray(step), jnp.asarray(0.0))) for step in (0, 50_000))
        if unit in ("nac", "nac_mul", "nalu", "gnalu"):
            assert start == end == 0
        elif unit in ("npu", "real_npu"):
            assert start == pytest.approx(
                (1e-7 if operation == "mul" else 1e-9) * float(sum(map(absolute, params.values())))
            )
            assert end == pytest.approx(100 * start, rel=1e-5)
        elif unit.partition(" ")[0] in ("mc_fc", "mul_mcfc"):
            shares = {leaf: params[leaf] for leaf in ("r", "gate", "bias")}
            sizes = sum(np.mean(np.square(np.asarray(value, float))) for value in shares.values())
            undecided = 0.5 if "sign_gate" in params else 0.0
            assert start == 0 and end == pytest.approx(undecided - 10 * sizes, rel=1e-5)
        else:
            assert start <= 1e-6 < end
    assert _recipes.published("nau", "add", 10).steps == 100_001
    assert _recipes.published("nmu", "mul", 10).steps == 50_001


def absolute(leaf):
    return np.abs(np.asarray(leaf, float)).sum()


@pytest.mark.parametrize(("unit", "leaf"), [("npu", "gate"), ("real_npu", "gate"), ("nmu", "w")])
def test_a_hard_clip_has_no_slope_outside(unit, leaf):
    value = jnp.array([1.5, 1.0, 0.5, 0.0, -0.5])
    clipped, slope = jax.vjp(lambda value: _recipes.hard_clip({leaf: value}, unit)[leaf], value)
    np.testing.assert_array_equal(clipped, [1, 1, 0.5, 0, 0])
    np.testing.assert_array_equal(slope(jnp.ones(5))[0], [0, 1, 1, 1, 0])


def test_large_scale_reports_the_best_ten_as_its_paper_does(monkeypatch):
    errors = np.array([np.nan, 50.0, 40.0, *range(10, 0, -1)])
    monkeypatch.setattr(large_scale, "least_squares", lambda row, effort: ({"": errors}, {}))
    row = {"recipe": "least squares", "unit": "-", "operation": "add", "seeds": 13, "first_seed": 0}
    result = large_scale.measure(row, effort=_report.EFFORTS["full"])
    assert result["cells"][0]["best ten"] == 5.5


def test_standardised_error_is_well_conditioned():
    """Its Hessian in n weights of a linear model has the condition number n + 1, however narrow the range."""
    x, _ = task.batch(jax.random.key(0), (1.1, 1.2), "add", rows=2**16)  # enough for the tolerance
    hessian = jax.hessian(lambda w: _recipes.standardised(x @ w, x))(jnp.zeros(2))
    plain = jax.hessian(lambda w: jnp.mean((x @ w) ** 2))(jnp.zeros(2))
    assert np.linalg.cond(hessian) == pytest.approx(3, rel=0.02)
    assert np.linalg.cond(plain) > 1000


def test_the_best_start_is_never_nan():
    best = simple_task.best_of(jnp.arange(3.0), jnp.array([jnp.nan, 2.0, 1.0]))
    assert best == 2.0


@pytest.mark.slow
def test_two_layers_find_a_product_of_two_sums():
    x = np.random.default_rng(0).uniform(-1, 1, (300, 10))
    y = x[:, :5].sum(1, keepdims=True) * x[:, 3:8].sum(1, keepdims=True)
    solution = _two_layer.solve(jax.random.key(0), (x[:150], y[:150]), (x[150:], y[150:]))
    assert solution.path == "multiply"
    far = 3 * x
    assert _two_layer.error_on(solution, far, 9 * y) < 1e-18


@pytest.mark.slow
def test_simple_task(tmp_path):
    rows = run_script(simple_task, tmp_path, "--recipe", "ours", "least squares")
    assert [row["recipe"] for row in rows] == ["ours", "least squares"]
    assert [cell["operation"] for cell in rows[0]["cells"]] == ["add", "mul", "div", "sqrt"]


@pytest.mark.slow
def test_read_out(tmp_path):
    (row,) = run_script(read_out, tmp_path)
    assert len(row["formulas"]) == 4 and set(row["errors"]) == {"add", "mul", "div", "sqrt"}
    assert row["exact"] == (row["formulas"] == read_out.FORMULAS)  # five steps of training may do: refits do the rest


def test_read_out_counts_exact_formulas():
    row = {"formulas": list(read_out.FORMULAS), "errors": dict.fromkeys(read_out.task.OUTPUTS, 1e-15), "seconds": 2.0}
    other = row | {"formulas": ["x + y", "x*y", "x/y", "1.001*sqrt(x)"], "exact": False, "seed": 9}
    summary = read_out.summary({"rows": [row | {"exact": True}, other]})
    assert summary.startswith("all four formulas exact in 1/2 [0.09, 0.91], largest extrapolation error 1e-15 there")
    lines = read_out.table([row | {"exact": True}, other]).splitlines()
    assert lines[2].split()[:4] == ["add", "x", "+", "y"] and "2/2" in lines[2] and "1/2" in lines[5]
    assert lines[6] == "seed 9: x + y; x*y; x/y; 1.001*sqrt(x)"


@pytest.mark.slow
def test_static_task(tmp_path):
    rows = run_script(static_task, tmp_path, "--recipe", "published", "least squares", "--ops", "sub")
    successes = {row["recipe"]: row["cells"][0]["successes"]["simulated"] for row in rows}
    assert successes["least squares"] == 1


@pytest.mark.slow
def test_large_scale(tmp_path):
    rows = run_script(large_scale, tmp_path, "--recipe", "ours", "least squares", "--ops", "add")
    assert [row["recipe"] for row in rows] == ["ours", "least squares"]
    assert rows[1]["cells"][0]["successes"]["MSE < 1e-6"] == 1


def test_large_scale_says_what_was_shortened():
    options = {"recipe": ["published"], "units": ["nmu", "npu"], "ops": ["add"], "seeds": 1, "first_seed": 0}
    rows = large_scale.tasks(argparse.Namespace(**options, steps=20_000))
    assert [(row["steps"], row.get("reduced")) for row in rows] == [(10_000, None), (20_000, "20,000 of 100,000 steps")]
    rows = large_scale.tasks(argparse.Namespace(**options, steps=None))
    assert [(row["steps"], row.get("reduced")) for row in rows] == [(10_000, None), (100_000, None)]


@pytest.mark.slow
def test_inalu_tasks(tmp_path):
    plot = tmp_path / "plot.png"
    rows = run_script(
        inalu_tasks, tmp_path, "--ops", "sub", "--inputs", "100", "--plot", str(plot), "--sets", "U(-3,3)"
    )
    found = [(row["recipe"], row["inputs"], row["distribution"]) for row in rows]
    assert found == [(recipe, 100, "U(-3,3)") for recipe in inalu_tasks.RECIPES]
    solved = [row["cells"][0]["successes"]["flat"] for row in rows]
    assert solved == [1, 0, 1] and plot.stat().st_size > 10_000


def test_inalus_updates_take_turns_and_rest_in_between():
    """Ten updates against TensorFlow's RMSProp by hand: gradients clipped, the accumulator starts at 1."""
    params = {"w_hat": np.array([0.3]), "gate": np.array([-0.2])}
    optimiser = inalu_tasks.published(2).optimiser
    state = optimiser.init(params)
    found, expected = params, dict(params)
    sums: dict[str, Any] = dict.fromkeys(params, 1.0)
    for step in range(20):
        gradient = {"w_hat": np.array([0.5 * step - 3.0]), "gate": np.array([0.01 * step])}
        updates, state = optimiser.update(jax.tree.map(jnp.asarray, gradient), state, found)
        found = jax.tree.map(lambda a, b: a + np.asarray(b, float), found, updates)
        leaf = "gate" if step % 10 >= 8 else "w_hat"
        clipped = np.clip(gradient[leaf], -0.1, 0.1)
        sums[leaf] = 0.9 * sums[leaf] + 0.1 * clipped**2
        expected[leaf] = expected[leaf] - 0.01 * clipped / np.sqrt(sums[leaf] + 1e-10)
    for leaf in params:
        np.testing.assert_allclose(found[leaf], expected[leaf], rtol=1e-5)


def test_sums_over_100_inputs_are_exact():
    row = {"inputs": 100, "distribution": "N(-3,3)", "first_seed": 5, "operations": ["div"], "seeds": 1}
    _, _, (x, y) = inalu_tasks.rows_of(row, ("div", 0), (4, 4, 50))
    chosen = inalu_tasks.members(row, 0).astype(bool)
    assert not chosen.all(1).any() and 0.3 < chosen[:, 0].mean() < 0.7 and 0.1 < chosen[:, 1].mean() < 0.4
    np.testing.assert_allclose(y[:, 0], x[:, chosen[:, 0]].sum(1) / x[:, chosen[:, 1]].sum(1), rtol=1e-12)
    data = inalu_tasks.data_of(row, [("div", 0)], 8)
    context = jax.tree.map(lambda leaf: leaf[0], data.context)
    inputs, targets = data.batch(jax.random.key(1), context)
    a, b = (np.asarray(inputs, float)[:, chosen[:, part]].sum(1) for part in (0, 1))
    np.testing.assert_allclose(targets[:, 0], a / b, rtol=1e-4)


@pytest.mark.slow
def test_division(tmp_path):
    rows = run_script(division, tmp_path, "--recipe", "published", "least squares", "--units", "nmru")
    both = [(recipe, name) for recipe in ("published", "least squares") for name in ("benford", "hard")]
    assert [(row["recipe"], row["set"]) for row in rows] == both
    assert [len(row["cells"]) for row in rows[:2]] == [1, 5]
    solved = {cell["unit"].split(" (")[0]: cell["successes"]["flat"] for cell in rows[2]["cells"]}
    assert solved == {"in x": 0, "in log x": 1}


@pytest.mark.parametrize("unit", ["ours", "nru", "nmru", "real_npu"])
@pytest.mark.parametrize("small_task", division.SMALL)
def test_exact_weights_divide_small_numbers(unit, small_task):
    """Where the range is far from 0 the exact weights give the quotient of NumPy, up to eps."""
    row = {"recipe": "ours" if unit == "ours" else "published", "unit": unit, "set": small_task, "inputs": 2}
    predict = division.recipe_of(row).predict
    x = np.array([[2.0, 0.5], [0.25, 4.0]], np.float32)[:, : 1 if small_task == "easy" else 2]
    y = x[:, 0] / x[:, 1] if small_task == "hard" else 1 / x[:, 0]
    np.testing.assert_allclose(predict(division.gold(unit, small_task), jnp.asarray(x))[-1][:, 0], y, rtol=2e-6)


@pytest.mark.slow
def test_loop_throughput(tmp_path):
    (row,) = run_script(loop_throughput, tmp_path, "--units", "nau")
    assert {"own numbers", "shared"} <= set(row["candidates"])


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "cells"), [("published", 1), ("scales", 4)])
def test_comparison(tmp_path, recipe, cells):
    (row,) = run_script(comparison, tmp_path, "--recipe", recipe, "--comparisons", "eq")
    assert row["reduced"] == "20 of 50,000 steps" and len(row["cells"]) == cells
    far = len(comparison.task.MAGNITUDES) if recipe == "published" else 1
    assert {len(cell["mae"]) for cell in row["cells"]} == {far}


@pytest.mark.slow
def test_a_register_learns_an_order_in_a_tenth_of_the_steps():
    runs = [(1.0, 1.0, 7), (1.0, 1.0, 8)]
    errors = comparison.train("ge", runs, comparison.task.MAGNITUDES, steps=5_000)
    assert errors.shape == (2, 18, 21)
    assert (errors[:, : comparison.task.EXACT] < 0.5).all() and (errors[:, -1] > 0.5).any()


def test_least_squares_orders_digits_and_does_not_see_equal_ones(tmp_path):
    rows = run_script(comparison, tmp_path, "--recipe", "least squares", "--comparisons", "gt", "eq")
    assert [row["cells"][0]["successes"]["right"] for row in rows] == [1, 0]
    assert all("reduced" not in row for row in rows)


def test_comparisons_are_judged_where_float64_tells_neighbours_apart():
    """Three runs: right and close, right at all that is judged but not beyond, wrong in one row."""
    errors = np.zeros((3, 18, 20))
    errors[1, 3] = 0.1
    errors[1, 14:] = 1.0
    errors[2, 13, 5] = 0.6
    row = {"recipe": "published", "comparison": "eq"}
    cell = comparison.make_cell(row, 1.0, 1.0, errors)
    assert cell["runs"] == 3 and cell["successes"] == {"right": 2, "within 0.005": 1}
    np.testing.assert_allclose(np.array(cell["mae"])[[0, 3, 13, 17]], [0, 0.1 / 3, 0.6 / 20 / 3, 1 / 3])
    header, (line,) = comparison.header_and_lines([row | {"cells": [cell]}])
    shown = dict(zip(header, line, strict=True))
    assert shown["right"] == "2/3 [0.21, 0.94]" and shown["MAE at 10^18"] == "0.33 +- 0.47"
    failed = comparison.make_cell(row, 1.0, 1.0, np.full((1, 18, 20), np.nan))
    assert failed["failed"] == 1 and failed["successes"] == {"right": 0, "within 0.005": 0}


def test_runs_of_several_scales_share_a_line():
    row = {"recipe": "scales", "comparison": "gt"}
    cells = [comparison.make_cell(row, scale, 10.0, np.full((2, 1, 21), error)) for scale, error in ((1, 0), (10, 1))]
    header, (line,) = comparison.header_and_lines([row | {"cells": cells}])
    shown = dict(zip(header, line, strict=True))
    assert shown["unit"] == "nsr, scaling 10" and shown["right"] == "2/4 [0.15, 0.85]"
    assert shown["right, by scale of the data"] == "2 0" and shown["MAE at 10^1"] == "-"


def test_an_exact_register_is_right_wherever_float64_is():
    """Params by hand, on the test rows of the script."""
    x, y = comparison.held_out("le", [(1.0, 1.0, 3)], comparison.task.MAGNITUDES)
    with jax.enable_x64(True):
        select = jnp.array([[400.0], [0.0]])
        params = {"first": select, "second": -select, "sign": jnp.array([-40.0])}
        params |= {"zero": jnp.array([20.0]), "bias": jnp.array([0.0])}
        errors = np.abs(np.asarray(comparison.nsr.apply(params, jnp.asarray(x))) - y)
    assert errors[:, : comparison.task.EXACT].max() < 0.1


def test_cells_count_and_round_apart():
    errors = {"": np.array([1e-6, 1e-4, np.nan]), "rounded": np.array([1e-9, 1e-9, np.nan])}
    thresholds = {"flat": 1e-5, "simulated 1e-5": 1e-8}
    solved_at = np.array([1000, -1, -1])
    cell = _success.make_cell(
        {"unit": "u"}, errors, thresholds, solved_at=solved_at, sparsity=np.array([0.1, 0.2, 0.3]), failed=1
    )
    assert cell["successes"] == {"flat": 1, "simulated 1e-5": 0, "rounded flat": 2, "rounded simulated 1e-5": 2}
    assert cell["runs"] == 3 and cell["solved_at"] == [1000] and cell["sparsity"] == [0.1]


def test_a_rate_has_its_interval():
    assert _success.rate(20, 25) == "20/25 [0.61, 0.91]"


def test_the_table_says_which_path_was_chosen():
    """2 of 3 runs multiply on one range, 3 of 3 on another."""
    cell = {"unit": "u", "operation": "mul", "range": "r", "successes": {"flat": 3}, "solved_at": [], "sparsity": []}
    cells = [cell | {"runs": 3, "multiplying": count} for count in (2, 3)]
    header, (line,) = _success.header_and_lines([{"recipe": "ours", "cells": cells}])
    assert dict(zip(header, line, strict=True))["path chosen"] == "1 add, 5 multiply"
    paths = {"runs": 3, "paths": {"power": 3}}
    header, (line,) = _success.header_and_lines([{"recipe": "ours", "cells": [cell | paths]}])
    assert dict(zip(header, line, strict=True))["path chosen"] == "3 power"


def test_a_shortened_run_says_so():
    assert _success.reduced(5_000, 5_000) == {}
    row = {"recipe": "published", "cells": [{"unit": "u"}]} | _success.reduced(1_000, 5_000)
    assert _success.cells_of([row]) == [{"unit": "u", "recipe": "published, 1,000 of 5,000 steps"}]
