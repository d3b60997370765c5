"""`nalu-jax ode`: trajectories in a file, their equations, mistakes in one line. And what `fit` is told of a table."""

import json
import sys

import numpy as np
import pytest

from nalu_jax import cli, discover
from nalu_jax.cli import _csv


def decay_lines(separator=","):
    ts = np.linspace(0.0, 2.0, 21)
    rows = [(t, run, first * np.exp(-1.5 * t)) for run, first in (("one", 2.0), ("two", 5.0)) for t in ts]
    return [separator.join(("t", "run", "mass")), *(separator.join(map(str, row)) for row in rows)]


def test_equations_of_two_trajectories(tmp_path, capsys):
    path = tmp_path / "decay.csv"
    path.write_text("\n".join(decay_lines()))
    assert cli.main(["ode", str(path), "--time", "t", "--trajectory", "run", "--functions", "none", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["equations"] == ["-3*mass/2"] and data["verdict"] == "recovered" and data["states"] == ["mass"]
    assert data["candidates"][0]["equations"] == data["equations"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--time", "time"], "no column 'time' in the line of names"),
        (["--time", "t"], "column 'run', row 1: 'one' is not a number"),
        (["--time", "t", "--trajectory", "which"], "no column 'which'"),
        (["--time", "t", "--states", "mass", "--functions", "tan"], "functions must be"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(arguments, words, tmp_path, capsys):
    path = tmp_path / "decay.csv"
    path.write_text("\n".join(decay_lines()))
    assert cli.main(["ode", str(path), *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1 and "Traceback" not in error


@pytest.mark.slow
def test_a_column_that_drives_the_states_and_units(tmp_path, capsys):
    ts = np.linspace(0.0, 6.0, 61)
    force = np.sin(2 * ts)
    ys = (2 * force - 4 * np.cos(2 * ts) + 9 * np.exp(-ts)) / 5  # dy/dt = 2 f - y from y(0) = 1
    path, page = tmp_path / "driven.csv", tmp_path / "law.html"
    rows = zip(ts.tolist(), force.tolist(), ys.tolist(), strict=True)
    path.write_text("t,f,y\n" + "".join(",".join(map(repr, row)) + "\n" for row in rows))
    options = ["ode", str(path), "--time", "t", "--inputs", "f", "--functions", "none", "--no-nested"]
    told = ["--units", "f=m/s,y=m", "--time-unit", "s", "--report", str(page)]
    assert cli.main([*options, *told]) == 0
    assert "y in m, f in m/s" in capsys.readouterr().out
    assert "solved from the first of them" in page.read_text()
    assert cli.main([*options, "--states", "z"]) == 2
    assert "no column 'z'" in capsys.readouterr().err


def test_sums_that_do_not_change_and_states_that_are_never_negative(tmp_path, capsys):
    ts = np.linspace(0.0, 3.0, 30)
    path = tmp_path / "decay.csv"
    rows = zip(ts.tolist(), (2 * np.exp(-ts / 2)).tolist(), (2 - 2 * np.exp(-ts / 2)).tolist(), strict=True)
    path.write_text("t,a,b\n" + "".join(",".join(map(repr, row)) + "\n" for row in rows))
    options = ["ode", str(path), "--time", "t", "--conserved", "a+b", "--nonnegative", "all", "--json"]
    assert cli.main(options) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["equations"] == ["-a/2", "a/2"] and data["ensemble"] is None
    assert data["notes"] == ["conserved, as it was given: a+b"]
    assert cli.main([*options, "--ensemble", "3"]) == 2
    assert "halves are made of at least 4 trajectories, or blocks of 10 rows" in capsys.readouterr().err


def gas_lines():
    rng = np.random.default_rng(1)
    n, t, v = rng.uniform(0.5, 3, 30), rng.uniform(250, 400, 30), rng.uniform(0.5, 4, 30)
    sigma = 0.01 * 8.314 * n * t / v
    p = 8.314 * n * t / v + sigma * rng.normal(size=30)
    rows = [" ".join(f"{value:.6g}" for value in row) for row in zip(n, t, v, sigma, p, strict=True)]
    return ["n T V err p", *rows, "1 NA 2 3 4"]


def test_fit_is_told_units_errors_and_constants_through_standard_input(monkeypatch, capsys, tmp_path):
    import io

    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(gas_lines())))
    told = ["--units", "n=mol,T=K,V=L,p=kPa", "--constants", "R=8.314462618 J/(mol*K)", "--sigma", "err"]
    arguments = [
        "fit",
        "-",
        "--target",
        "p",
        *told,
        "--missing",
        "drop",
        "--functions",
        "none",
        "--no-nested",
        "--json",
    ]
    assert cli.main([*arguments, "--include", "n,T", "--exponents", "integers"]) in (0, 1)
    out = capsys.readouterr().out
    (tmp_path / "gas.json").write_text(out)
    found = discover.load(tmp_path / "gas.json")
    [term] = found.terms
    assert found.best.constants[term.known[0][0]].name == "R" and abs(term.coefficient.estimate - 1) < 0.01
    assert "1 of 31 rows left out, since a cell is missing" in found.notes
    assert "cells are separated by spaces" in found.notes


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--units", "n=mol"], "column 'T' has no unit"),
        (["--units", "n"], "--units: 'n' is no pair such as name=value"),
        (["--constants", "R=x"], "--constants: 'x' is no number with its unit"),
        (["--exponents", "1"], "--exponents: '1' is neither LOW,HIGH nor integers"),
        (["--sigma", "error"], "no column 'error'"),
    ],
)
def test_fit_is_told_what_is_none(arguments, words, tmp_path, capsys):
    path = tmp_path / "gas.csv"
    path.write_text("\n".join(gas_lines()[:-1]))
    assert cli.main(["fit", str(path), "--target", "p", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


def test_a_spreadsheet(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("openpyxl")
    pandas.DataFrame({"a": [1.5, 3.0], "b": [2, 4.25]}).to_excel(tmp_path / "a.xlsx", index=False)
    columns = _csv.read(tmp_path / "a.xlsx", target="b")
    assert columns.x.tolist() == [[1.5], [3.0]] and columns.y.tolist() == [2.0, 4.25]


def test_a_spreadsheet_that_is_none_is_said(tmp_path):
    pytest.importorskip("pandas")
    (tmp_path / "a.xlsx").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="spreadsheet"):
        _csv.read(tmp_path / "a.xlsx", target="b")
