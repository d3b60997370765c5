"""The benchmark scripts run, keep their books right, and compare like with like. No timed number is asserted."""

import itertools
import json
import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import ALL_UNITS, assert_trees_close

import nalu_jax
from benchmarks import (
    _cases,
    _report,
    _textbook,
    _timing,
    adaptive,
    imports,
    layers,
    make_tables,
    memory,
    ode,
    training_step,
)
from benchmarks import compile as compile_times

POSITIVE = [("positive", name) for name in _cases.NPU_FAMILY]
FORMS = [("real", unit.name) for unit in ALL_UNITS] + POSITIVE


@pytest.fixture(autouse=True)
def jax_defaults():
    """Scripts and textbook forms run as a user runs them, not under the tests' strict promotion."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def make_case(domain, name):
    """A small case in float64, inside the range of every clip and away from zero, with negative inputs throughout."""
    case = _cases.make_case(nalu_jax.UNITS[name], (5, 3, 2), jnp.float64, positive=domain == "positive")
    keys = iter(jax.random.split(jax.random.key(7), 8))
    params = {k: jax.random.uniform(next(keys), v.shape, v.dtype, 0.1, 0.9) for k, v in case.params.items()}
    x = case.x if domain == "positive" else case.x.at[::2].multiply(-1)
    return case._replace(params=params, x=x)


def unit_values(domain, name, case):
    unit = nalu_jax.UNITS[name]
    unit = unit.bind(domain=domain) if domain == "positive" else unit
    return unit.apply(case.params, case.x), _cases.value_and_gradient(unit.apply)(*case)


@pytest.mark.parametrize(("domain", "name"), FORMS)
def test_textbook_form_is_the_unit(domain, name):
    with jax.enable_x64(True):
        case = make_case(domain, name)
        form = _cases.textbook(name, positive=domain == "positive")
        if form is None:
            pytest.skip(_cases.NO_TEXTBOOK)
        actual = form(case.params, case.x), _cases.value_and_gradient(form)(*case)
        assert_trees_close(actual, unit_values(domain, name, case), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("domain", "name"), FORMS)
def test_torch_form_is_the_unit(domain, name):
    pytest.importorskip("torch")
    from benchmarks import _torch_units

    with jax.enable_x64(True):
        case = make_case(domain, name)
        forms = _torch_units.POSITIVE if domain == "positive" else _torch_units.TORCH
        if name not in forms:
            pytest.skip(_cases.NO_TORCH)
        params, x, cotangent = _cases.as_numpy(case)
        y = _torch_units.forward(forms[name], params, x)()
        value, gradients = _torch_units.value_and_gradient(forms[name], params, x, cotangent)()
        *leaves, x_gradient = (gradient.numpy() for gradient in gradients)
        actual = y.numpy(), (value.numpy(), (dict(zip(params, leaves, strict=True)), x_gradient))
        assert_trees_close(actual, unit_values(domain, name, case), rtol=1e-6, atol=1e-9)


def test_positive_forms_are_those_of_the_family():
    assert set(_textbook.POSITIVE) == set(_cases.NPU_FAMILY)


def test_a_unit_without_a_form_is_timed_alone_and_its_row_says_so(monkeypatch):
    monkeypatch.delitem(_textbook.TEXTBOOK, "nau")
    task = {"unit": "nau", "size": [4, 3, 2], "mode": "forward", "domain": "real", "dtype": "float32", "depth": 1}
    calls, candidates = layers._calls(task, _report.EFFORTS["quick"], with_torch=False)
    assert "nalu_jax" in calls and candidates["textbook"] == {"skipped": _cases.NO_TEXTBOOK}
    assert compile_times.measure(task, repeats=1) == {"skipped": _cases.NO_TEXTBOOK}


class Clock:
    """Time that passes only in calls and pauses, and a log of who was called when."""

    def __init__(self):
        self.now = 0.0
        self.log: list[str] = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds

    def call(self, name, seconds):
        durations = itertools.cycle(seconds if isinstance(seconds, list) else [seconds])

        def run():
            self.log.append(name)
            self.now += next(durations)

        return run


def compare(clock, candidates, **options):
    return _timing.compare(candidates, clock=clock, sleep=clock.sleep, **options)


def test_candidates_take_turns_and_another_one_begins_every_round():
    clock = Clock()
    candidates = {name: clock.call(name, 0.5) for name in "abc"}
    timed = compare(clock, candidates, baseline="a", budget=0, min_repeats=4, max_repeats=9)
    warm_up, rounds = clock.log[:9], clock.log[9:]
    assert warm_up == list("aaabbbccc")
    assert rounds == list("aabbcc" + "bbccaa" + "ccaabb" + "aabbcc")  # every sample after an untimed call
    assert {result["repeats"] for result in timed.values()} == {4}


def test_medians_quartiles_and_ratios_are_those_of_the_rounds():
    clock = Clock()
    candidates = {
        "slow": clock.call("slow", 4.0),
        "fast": clock.call("fast", [0.5, 0.5, 0.5, 9.0, 1.0, 9.0, 0.5, 9.0, 2.0, 9.0, 0.25, 9.0, 1.0]),
    }
    timed = compare(clock, candidates, baseline="slow", budget=0, min_repeats=5)
    samples = [1.0, 0.5, 2.0, 0.25, 1.0]  # after a warm-up of three, each after an untimed call
    assert timed["fast"]["seconds"] == {"median": 1.0, "q1": 0.5, "q3": 1.0, "min": 0.25}
    assert timed["fast"]["speedup"]["median"] == pytest.approx(np.median([4 / s for s in samples]), rel=1e-12)
    assert timed["slow"]["speedup"] == {"median": 1.0, "q1": 1.0, "q3": 1.0, "min": 1.0}


@pytest.mark.parametrize(("budget", "repeats"), [(0.0, 5), (10.0, 10), (1e6, 100)])
def test_repeats_follow_the_budget_within_limits(budget, repeats):
    clock = Clock()
    candidates = {"a": clock.call("a", 0.498), "b": clock.call("b", 0.498)}
    timed = compare(clock, candidates, baseline="a", budget=budget + 1e-6)
    assert timed["a"]["repeats"] == repeats


def test_a_sample_of_short_calls_has_many_and_starts_warm():
    clock = Clock()
    timed = compare(clock, {"a": clock.call("a", 2e-4)}, baseline="a", budget=0, min_repeats=1)
    assert timed["a"]["calls_per_sample"] == 5
    assert len(clock.log) == 3 + 1 + 5  # warm-up, the untimed call, the sample
    assert timed["a"]["seconds"]["median"] == pytest.approx(2e-4)


def test_an_unknown_baseline_is_refused():
    with pytest.raises(ValueError, match="baseline 'c' is not one of"):
        compare(Clock(), {"a": lambda: None}, baseline="c", budget=0)


def test_compiling_apart_gives_times_memory_and_the_result():
    compiled = _timing.compile_apart(lambda x: x + 1, jnp.ones(3))
    np.testing.assert_array_equal(compiled.call(), 2 * np.ones(3))
    assert min(compiled.times().values()) > 0 and compiled.memory_bytes >= 24
    counter = _timing.compile_stateful(lambda state, x: state + x, jnp.zeros(3), jnp.ones(3))
    counter.call()
    np.testing.assert_array_equal(counter.call(), 2 * np.ones(3))


def options(tmp_path, *arguments):
    return _report.parser("A question?\nMore.").parse_args(["--json", str(tmp_path / "r" / "x.json"), *arguments])


def run_rows(tmp_path, measure, *, clock=itertools.count, effort="smoke"):
    chosen = options(tmp_path, f"--{effort}")
    results = _report.results("dir/x.py", _report.question("A question?\nMore."), chosen)
    tasks = [{"n": n} for n in range(4)]
    ticks = itertools.count(step=20.0)
    code = _report.run(results, tasks, measure, str, _report.effort_of(chosen), clock=lambda: next(ticks))
    assert not list((tmp_path / "r").glob("*.part"))
    return code, json.loads((tmp_path / "r" / "x.json").read_text())


def test_json_has_rows_and_everything_they_depend_on(tmp_path):
    code, data = run_rows(tmp_path, lambda task: {"twice": 2 * task["n"]})
    assert code == 0 and data["status"] == "complete" and data["schema"] == _report.SCHEMA
    assert data["script"] == "x" and data["question"] == "A question?"
    assert data["rows"] == [{"n": n, "twice": 2 * n} for n in range(4)]
    assert data["arguments"] == {"quick": False, "smoke": True} and data["typed"] == "--smoke"
    assert data["seconds"] > 0
    environment = data["environment"]
    assert {"jax", "jaxlib", "numpy", "nalu_jax"} <= set(environment["versions"])
    assert set(environment["device"]) == {"platform", "kind", "count"}
    assert {"python", "cpu_count", "commit", "date", "load_average", "modified"} <= set(environment)
    assert str(pathlib.Path.home()) not in json.dumps(data)


def test_an_interrupt_keeps_the_finished_rows(tmp_path, capsys):
    def measure(task):
        if task["n"] == 2:
            raise KeyboardInterrupt
        return {"twice": 2 * task["n"]}

    code, data = run_rows(tmp_path, measure)
    assert code == _report.INTERRUPTED and data["status"] == "interrupted"
    assert [row["n"] for row in data["rows"]] == [0, 1]
    assert "interrupted: 2 of 4 rows" in capsys.readouterr().out


def test_a_crash_keeps_the_finished_rows(tmp_path):
    def measure(task):
        return {"inverse": 1 / (1 - task["n"])}

    with pytest.raises(ZeroDivisionError):
        run_rows(tmp_path, measure)
    data = json.loads((tmp_path / "r" / "x.json").read_text())
    assert data["status"] == "running" and len(data["rows"]) == 1


def test_rows_beyond_the_time_limit_are_recorded_as_skipped(tmp_path, capsys):
    _, data = run_rows(tmp_path, lambda task: {}, effort="quick")  # 20 s a row
    assert ["skipped" in row for row in data["rows"]] == [False, True, True, True]
    assert "skipped 3 x not begun within the 35 s of --quick" in capsys.readouterr().out


def run_script(script, tmp_path, *arguments):
    path = tmp_path / f"{script.__name__.rpartition('.')[2]}.json"
    assert script.main(["--smoke", "--json", str(path), *arguments]) == 0
    data = json.loads(path.read_text())
    assert data["status"] == "complete" and data["rows"] and not any("skipped" in row for row in data["rows"])
    assert script.summary(data) and "\n" not in script.summary(data)
    assert script.summary(data | {"rows": []}) == "nothing measured"
    return data


@pytest.mark.slow
def test_layers(tmp_path):
    arguments = ["--units", "nmu", "real_npu"]
    rows = run_script(layers, tmp_path, *arguments)["rows"]
    assert len(rows) == 2 * (1 + 4)
    for row in rows:
        assert {"textbook", "nalu_jax"} <= set(row["candidates"])
        assert all("seconds" in candidate for candidate in row["candidates"].values())
        assert ("matmul" in row["candidates"]) == (row["unit"] == "nmu")
        for name in ("nalu_jax real", "textbook real"):
            assert (name in row["candidates"]) == (row["domain"] == "positive")


def test_the_positive_domain_is_also_compared_with_the_form_for_any_sign():
    seconds = {"textbook": 1.0, "textbook real": 4.0, "nalu_jax": 2.0}
    candidates = {name: {"seconds": {"median": s}, "speedup": {"median": 1 / s}} for name, s in seconds.items()}
    row = {"unit": "npu", "domain": "positive", "baseline": "textbook", "candidates": candidates}
    assert (layers.speedup(row), layers.speedup_over_real(row)) == (0.5, 2.0)
    assert layers.speedup_over_real(row | {"domain": "real"}) == 0.5
    assert layers.speedup_over_real(row | {"unit": "nmu"}) is None
    assert layers.speedup_over_real(row | {"candidates": candidates | {"textbook real": {"skipped": "slow"}}}) is None


def test_layers_skips_what_does_not_fit_with_the_reason(monkeypatch):
    task = {"unit": "nmu", "domain": "real", "dtype": "float32", "size": [4, 3, 2], "mode": "forward"}
    monkeypatch.setattr(_cases, "estimated_seconds", lambda *_: 1e3)
    row = task | layers.measure(task, effort=_report.EFFORTS["smoke"], with_torch=False)
    assert row["candidates"]["textbook"] == {"skipped": "a call takes about 1000.0 s, the limit is 0.5 s"}
    assert row["baseline"] == "nalu_jax" and layers.speedup(row) is None
    assert "skipped" in layers.table([row])
    monkeypatch.setattr(_cases, "available_bytes", lambda: 1)
    candidates = layers.measure(task, effort=_report.EFFORTS["smoke"], with_torch=False)["candidates"]
    assert "are available" in candidates["nalu_jax"]["skipped"]


@pytest.mark.slow
def test_memory(tmp_path):
    (row,) = run_script(memory, tmp_path, "--units", "nmu")["rows"]
    peaks = [row["candidates"][name]["peak_bytes"] for name in memory.CANDIDATES]
    assert min(peaks) > 1e7


def test_memory_reports_a_child_that_fails():
    result = _report.child("memory", "--child", "nalu_jax", "no such unit", "2", "2", "2")
    assert result["skipped"].startswith("failed with exit code 1: KeyError")


def test_imports(tmp_path):
    data = run_script(imports, tmp_path)
    ours = imports.summarise(data["rows"])["nalu_jax"]
    assert {"jax", "jaxtyping", "nalu_jax"} <= set(ours["loads"])
    assert not {"flax", "optax", "torch"} & set(ours["loads"])


def test_compile(tmp_path):
    rows = run_script(compile_times, tmp_path, "--units", "nau")["rows"]
    assert [row["depth"] for row in rows] == [1, 2]
    assert all(row["candidates"]["nalu_jax"]["total_seconds"]["median"] > 0 for row in rows)


@pytest.mark.slow
def test_training_step(tmp_path):
    (row,) = run_script(training_step, tmp_path, "--units", "real_npu-nau")["rows"]
    assert set(row["candidates"]) == {f"{form} x {n}" for form in ("nalu_jax", "textbook") for n in (1, 2)}
    assert row["candidates"]["nalu_jax x 2"]["gain"] > 0


def test_a_training_step_trains():
    chain = nalu_jax.chain(nalu_jax.nau, nalu_jax.nau)
    step, _ = training_step.training_step(chain, chain.apply, training_step.start(chain, 2))
    losses = [np.asarray(step()[2]) for _ in range(50)]
    assert losses[0].shape == (2,) and (losses[-1] < losses[0]).all()


@pytest.mark.slow
def test_ode(tmp_path):
    data = run_script(ode, tmp_path, "--modes", "gradient", "--without-torch")
    euler, tsit5 = data["rows"]
    assert set(euler["candidates"]) == {"textbook", "plain", "prepared", "rollout", "sequential", "scan"}
    assert set(tsit5["candidates"]) == {"textbook", "plain", "prepared", "solve", "no layer"}
    assert tsit5["candidates"]["solve"]["steps"] > 0 and ode.solvers_share(tsit5)
    for row in data["rows"]:
        for candidate in row["candidates"].values():
            assert {"seconds", "compile_seconds", "memory_bytes"} <= candidate.keys()
    section = make_tables._ode_section({"ode": data})
    assert section.count("| euler |") == 1 and section.count("| tsit5 |") == 1


@pytest.mark.slow
def test_adaptive(tmp_path):
    (row,) = run_script(
        adaptive, tmp_path, "--modes", "gradient", "--without-torch", "--plot", str(tmp_path / "a.png")
    )["rows"]
    plain, ours = row["candidates"]["plain"], row["candidates"]["solve"]
    assert row["steps"] > 20 and (tmp_path / "a.png").stat().st_size > 1000
    assert plain["failed"] == ours["failed"] == 0 and ours["error"] < 1e-5
    np.testing.assert_allclose(ours["error"], plain["error"], rtol=1e-3)
    assert ours["difference"] < 1e-9 and f"{ours['difference']:.1e}" in adaptive.table([row])


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["euler", "tsit5"])
def test_ode_candidates_solve_the_same_equation(solver):
    with jax.enable_x64(True):
        spec = ode.spec_of(3)
        theta = spec.init(jax.random.key(0), jnp.float64)
        if solver == "euler":
            functions = ode.euler_candidates(spec, 80, "gradient")
        else:
            functions = ode.tsit5_candidates(spec, "gradient")
        functions.pop("no layer", None)
        data = ode.problem()[2]
        plain, *others = (jax.jit(ode.of_mode(f, data, "gradient"))(theta) for f in functions.values())
        for other in others:
            assert_trees_close(other, plain, rtol=1e-9, atol=1e-12)


@pytest.fixture
def repository(tmp_path):
    """The three files with markers and a published result of each script that is quick to run."""
    results = tmp_path / "benchmarks" / "results"
    results.mkdir(parents=True)
    for name in make_tables.FILES:
        (tmp_path / name).write_text(f"before\n\n{make_tables.BEGIN}\nold\n{make_tables.END}\n\nafter\n")
    stats = {"median": 2.0, "q1": 1.0, "q3": 3.0, "min": 1.0}
    candidates = {name: {"seconds": stats, "speedup": stats} for name in ("textbook", "nalu_jax", "torch")}
    row = {"unit": "nmu", "domain": "real", "dtype": "float32", "size": [4, 3, 2], "mode": "gradient"}
    data = {
        "schema": _report.SCHEMA,
        "script": "layers",
        "status": "complete",
        "arguments": {"quick": False, "smoke": False},
        "environment": _report.environment(),
        "rows": [row | {"baseline": "textbook", "candidates": candidates}],
    }
    (results / "layers.json").write_text(json.dumps(data))
    return tmp_path


def test_tables_are_generated_once_and_check_sees_a_stale_one(repository):
    root = ["--root", str(repository)]
    assert make_tables.main([*root, "--check"]) == 1
    paths = [repository / name for name in make_tables.FILES]
    assert "old" in paths[0].read_text()
    assert make_tables.main(root) == 0
    written = [path.read_text() for path in paths]
    assert "| 4, 3, 2 | 2.00x (1.00x) |" in written[0] and written[0].startswith("before\n")
    assert "2.00x at (4, 3, 2)" in written[0] and "not measured yet" in written[0]
    assert re.search(r"^- time of a product unit: .*2\.00x at \(4, 3, 2\) \(cpu, ", written[2], re.MULTILINE)
    assert make_tables.main([*root, "--check"]) == 0 == make_tables.main(root)
    assert written == [path.read_text() for path in paths]
    paths[0].write_text(written[0].replace("2.00x", "9.00x"))
    assert make_tables.main([*root, "--check"]) == 1


def test_a_script_run_in_parts_has_a_table_for_each(repository):
    results = repository / "benchmarks" / "results"
    base = json.loads((results / "layers.json").read_text())
    cell = {"unit": "u", "operation": "add", "range": "r", "runs": 4, "successes": {"flat": 3}}
    cell |= {"solved_at": [], "sparsity": []}
    for part, recipe in (("", "ours"), ("_in10", "published")):
        data = base | {"script": "single_module", "typed": f"--recipe {recipe}"}
        data |= {"arguments": base["arguments"] | {"first_seed": 7}}
        data |= {"question": "?", "rows": [{"recipe": recipe, "inputs": 2, "seconds": 2.0, "cells": [cell]}]}
        (results / f"single_module{part}.json").write_text(json.dumps(data))
    (results / "another_script.json").write_text("{}")
    assert make_tables.main(["--root", str(repository)]) == 0
    tables = (repository / "benchmarks" / "TASKS.md").read_text()
    command = "python -m benchmarks.single_module --recipe published --json benchmarks/results/single_module_in10.json"
    first, second = tables.split(command)
    assert "| ours | u | add | 3/4 [0.30, 0.95] |" in first and "| published | u |" in second
    assert "published (2 inputs): 4 runs in 2 s" in second
    index = (repository / "benchmarks" / "README.md").read_text()
    assert command in index and "ours: 3 of 4 runs" in index


@pytest.mark.parametrize(
    "change", [{"status": "interrupted"}, {"schema": 0}, {"arguments": {"quick": True, "smoke": False}}]
)
def test_tables_refuse_what_is_not_a_full_run(repository, change):
    path = repository / "benchmarks" / "results" / "layers.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match="layers.json"):
        make_tables.main(["--root", str(repository)])


def test_tables_need_their_markers():
    with pytest.raises(ValueError, match="expected one line"):
        make_tables.replaced("no markers", "text")


def test_the_repository_tables_are_up_to_date():
    assert make_tables.main(["--check"]) == 0


def test_results_are_kept_with_a_row_a_line():
    data = {
        "schema": 1,
        "rows": [{"n": 1, "cells": [{"a": [1, 2]}, {"a": []}]}, {"n": 2, "of": {"b": None}}],
        "last": [],
    }
    text = _report.as_text(data)
    assert json.loads(text) == data
    assert text.count("\n") == 1 + 1 + 1 + (1 + 2 + 1) + 1 + 1 + 1 + 1
    for path in _report.RESULTS.glob("*.json"):
        assert path.read_text() == _report.as_text(json.loads(path.read_text())), path.name
