"""`nalu-jax fit`: its text, JSON and figure, and one line without a traceback for every mistake."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from nalu_jax import cli
from nalu_jax.cli import _fit

ROWS = 62
OPTIONS = ["--powers", "2", "--restarts", "8", "--domain", "positive"]


def write(path, columns):
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("# made for a test\n" + "\n".join(lines) + "\n")
    return str(path)


@pytest.fixture
def table(tmp_path):
    """Gravity on other planets: g = 2 m / r^2 within 0.01 %, as a CSV file with a column that is not a number."""
    random = np.random.default_rng(0)
    m, r = random.uniform(0.5, 2.0, (2, ROWS))
    g = 2 * m / r**2 * (1 + 1e-4 * random.standard_normal(ROWS))
    columns = {"body": [f"body {i}" for i in range(ROWS)], "m": m, "r": r, "g": g}
    return write(tmp_path / "gravity.csv", columns)


def run(*arguments):
    return cli.main(["fit", *map(str, arguments)])


@pytest.mark.slow
def test_the_formula_its_errors_and_the_path_as_text_with_a_figure(table, tmp_path, capsys):
    figure = tmp_path / "out.png"
    assert run(table, "--target", "g", "--inputs", "m,r", "--plot", figure, *OPTIONS) == 0
    text = capsys.readouterr().out
    assert text.startswith("g = 2*m/r**2\n")
    [line] = [line for line in text.splitlines() if "coefficient" in line]
    numbers = [float(number) for number in re.findall(r"-?\d\.\d+", line)]
    np.testing.assert_allclose(numbers[::2], [2, 1, -2], atol=2e-4)
    assert all(1e-6 < error < 1e-4 for error in numbers[1::2]) and "exponent of m: " in line and ", r: " in line
    for part, rows in (("rows trained on", 40), ("held out", 10), ("outside of their range", 12)):
        [line] = [line for line in text.splitlines() if line.strip().startswith(part)]
        assert line.split()[-4] == str(rows) and line.split()[-1] == "1.000000"
    assert text.count("\n*") == 1 and "path of the pruning" in text
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_json_says_the_same(table, capsys):
    assert run(table, "--target", "g", "--inputs", "m,r", "--json", *OPTIONS) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["formula"] == "2*m/r**2" and found["inputs"] == ["m", "r"] and found["latex"]
    assert found["terms"][0]["exponents"] == pytest.approx({"m": 1.0, "r": -2.0}, abs=2e-4)
    assert {part: errors["rows"] for part, errors in found["errors"].items()} == {
        "train": 40,
        "held_out": 10,
        "outside": 12,
    }
    assert found["errors"]["outside"]["largest_relative"] < 5e-4
    assert found["path"][found["chosen"]]["numbers"] == 3 and found["restarts"] == 16


@pytest.mark.parametrize(
    ("cell", "options", "words"),
    [
        (None, ["--target", "weight"], "no column 'weight'"),
        (None, ["--target", "g"], "column 'body', row 1: 'body 0' is not a number"),
        (("m", 3, "heavy"), ["--target", "g", "--inputs", "m,r"], "column 'm', row 4: 'heavy' is not a number"),
        (("r", 0, "nan"), ["--target", "g", "--inputs", "m,r"], "column 'r', row 1: nan is not a finite"),
        (("g", 7, ""), ["--target", "g", "--inputs", "m,r"], "column 'g', row 8: the cell is empty"),
        (("r", 1, "-1"), ["--target", "g", "--inputs", "m,r"], "column 'r', row 2: -1 is not positive"),
        (("m", None, "1.5"), ["--target", "g", "--inputs", "m,r"], "column 'm' is constant, 1.5 in all 62 rows"),
        (None, ["--target", "g", "--inputs", "m,r", "--powers", "30"], "column 'g' ends at row 40, fewer rows"),
        (None, ["--target", "g", "--inputs", "m,r", "--held-out", "1"], "held_out must be a share"),
        (None, ["--target", "g", "--inputs", "m,r", "--restarts", "0"], "--restarts must be at least 1"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(table, tmp_path, capsys, cell, options, words):
    if cell is not None:
        name, row, text = cell
        lines = (tmp_path / "gravity.csv").read_text().splitlines()
        column = lines[1].split(",").index(name)
        for i in range(ROWS) if row is None else [row]:
            cells = lines[i + 2].split(",")
            cells[column] = text
            lines[i + 2] = ",".join(cells)
        (tmp_path / "gravity.csv").write_text("\n".join(lines))
    assert run(table, *OPTIONS, *options) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("nalu-jax fit: gravity.csv: ")
    assert captured.err.count("\n") == 1 and words in captured.err


def test_a_mistake_in_a_process_of_its_own_leaves_no_traceback(tmp_path):
    command = [sys.executable, "-m", "nalu_jax", "fit", str(tmp_path / "none.csv"), "--target", "y"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr == "nalu-jax fit: none.csv: the file cannot be read: No such file or directory.\n"


@pytest.mark.slow
def test_ctrl_c_prints_the_best_formula_so_far(table):
    """A true signal, sent when pruning begins."""
    code = (
        "import os, signal, sys, time\n"
        "from nalu_jax import cli, symbolic\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job begins without
        "def prune(*args, **options):\n"
        "    os.kill(os.getpid(), signal.SIGINT); time.sleep(60)\n"
        "symbolic.prune = prune\n"
        "sys.exit(cli.main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", code, "fit", table, "--target", "g", "--inputs", "m,r", *OPTIONS]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("Interrupted: the best formula so far") and "\ng = " in result.stdout
    assert "Traceback" not in result.stderr


def test_ctrl_c_before_there_is_a_formula(table, monkeypatch, capsys):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(_fit, "fit", interrupted)
    assert run(table, "--target", "g", "--inputs", "m,r", *OPTIONS) == 130
    assert "before there was a formula" in capsys.readouterr().err
