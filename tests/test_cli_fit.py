"""`nalu-jax fit`: its text, JSON and figure, its exit status, and one line without a traceback for every mistake.

Numbers A.. are those of the trials.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from nalu_jax import cli, discover
from nalu_jax.cli import _fit

ROWS = 62
FAST = ["--functions", "none", "--no-nested"]


def write(path, columns, separator=","):
    lines = [separator.join(columns), *(separator.join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("# made for a test\n" + "\n".join(lines) + "\n")
    return str(path)


def gravity():
    """g = 2 m / r^2 within 0.01 %."""
    random = np.random.default_rng(0)
    m, r = random.uniform(0.5, 2.0, (2, ROWS))
    g = 2 * m / r**2 * (1 + 1e-4 * random.standard_normal(ROWS))
    return {"body": [f"body {i}" for i in range(ROWS)], "m": m, "r": r, "g": g}


@pytest.fixture
def table(tmp_path):
    """A CSV file with a column that is not a number."""
    return write(tmp_path / "gravity.csv", gravity())


def run(*arguments):
    return cli.main(["fit", *map(str, arguments)])


def test_the_verdict_the_formula_and_its_errors_as_text_with_a_figure(table, tmp_path, capsys):
    figure = tmp_path / "out.png"
    assert run(table, "--target", "g", "--inputs", "m,r", "--plot", figure) == 0
    text = capsys.readouterr().out
    assert text.startswith("recovered: ") and "\ng = 2*m/r**2\n" in text
    [line] = [line for line in text.splitlines() if "coefficient" in line]
    [value] = re.findall(r"2, measured (\d\.\d+)\(\d\d\)", line)
    assert abs(float(value) - 2) < 2e-4
    for part, rows in (("rows trained on", 40), ("held out", 10), ("outside of their range", 12)):
        [line] = [line for line in text.splitlines() if line.strip().startswith(part)]
        assert line.split()[-4] == str(rows) and line.split()[-1] == "1.000000"
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_json_says_the_same_and_is_what_save_writes(table, tmp_path, capsys):
    assert run(table, "--target", "g", "--inputs", "m,r", "--json", *FAST) == 0
    text = capsys.readouterr().out
    found = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert found["formula"] == "2*m/r**2" and found["names"] == ["m", "r"] and found["latex"]
    assert found["verdict"] == "recovered"
    [term] = found["candidates"][0]["terms"]
    assert [factor["exponent"]["exact"] for factor in term["factors"]] == ["1", "-2"]
    assert {part: errors["rows"] for part, errors in found["errors"].items()} == {
        "train": 40,
        "held_out": 10,
        "outside": 12,
    }
    assert found["errors"]["outside"]["largest_relative"] < 5e-4
    (tmp_path / "found.json").write_text(text)
    assert discover.load(tmp_path / "found.json").formula == "2*m/r**2"


def noise(tmp_path):
    """No law: noise."""
    random = np.random.default_rng(0)
    return write(tmp_path / "noise.csv", {"a": random.uniform(1, 2, 60), "y": random.standard_normal(60)})


def test_a4_no_simple_formula_is_said_and_is_status_1(tmp_path, capsys):
    path = noise(tmp_path)
    assert run(path, "--target", "y", *FAST) == 1
    text = capsys.readouterr().out
    assert text.startswith("no simple formula found: ") and "\nclosest: y = " in text and "\ny = " not in text


def test_a4_rows_held_out_judge(table, capsys):
    """Other rows held out than those fitted: the command does not call a law what holds on the latter only."""
    columns = _fit._csv.read(table, target="g", inputs=("m", "r"))
    rows = discover.split(columns.x, seed=0)
    changed = columns.y.copy()
    changed[rows.held_out] *= 3
    lines = ["m,r,g", *(f"{m},{r},{g}" for (m, r), g in zip(columns.x, changed, strict=True))]
    with open(table, "w") as file:
        file.write("\n".join(lines))
    assert run(table, "--target", "g", *FAST) == 1
    text = capsys.readouterr().out
    assert "does not hold on the 10 rows that were held out" in text and text.startswith("no simple formula found")


def test_rows_held_out_with_small_targets_do_not_refute_a_law(tmp_path, capsys):
    """Noise of one size everywhere: each part's residuals were measured by its own largest target, and the largest of
    all is seldom held out."""
    random = np.random.default_rng(5)
    columns = {"a": np.exp(random.uniform(-1, 1, 30)), "b": random.uniform(1, 2, 30)}
    clean = 3 * columns["b"] / columns["a"] ** 4
    columns["y"] = clean + 0.002 * clean.max() * random.standard_normal(30)
    path = write(tmp_path / "wide.csv", columns)
    rows = discover.split(np.column_stack([columns["a"], columns["b"]]))
    largest = [columns["y"][part].max() for part in (rows.train, rows.held_out)]
    assert largest[0] > 4 * largest[1]
    assert run(path, "--target", "y", "--json", *FAST) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "recovered" and found["noise"] == "absolute", found["reason"]


@pytest.mark.parametrize(
    ("cell", "options", "words"),
    [
        (None, ["--target", "weight"], "no column 'weight'"),
        (None, ["--target", "g"], "column 'body', row 1: 'body 0' is not a number"),
        (("m", 3, "heavy"), ["--target", "g", "--inputs", "m,r"], "column 'm', row 4: 'heavy' is not a number"),
        (("r", 0, "nan"), ["--target", "g", "--inputs", "m,r"], "column 'r', row 1: nan is not a finite"),
        (("g", 7, ""), ["--target", "g", "--inputs", "m,r"], "column 'g', row 8: the cell is empty"),
        (("m", 5, '"1.5'), ["--target", "g", "--inputs", "m,r"], "row 6: a quotation mark is not closed"),
        (("g", None, "1.5"), ["--target", "g", "--inputs", "m,r"], "column 'g' is constant, 1.5 in all 62 rows"),
        (None, ["--target", "g", "--inputs", "m,m"], "--inputs has the column 'm' twice"),
        (None, ["--target", "g", "--inputs", "m,r", "--held-out", "1"], "held_out must be a share"),
        (None, ["--target", "g", "--inputs", "m,r", "--outside", "0.97"], "of 62 rows 2 are left to fit"),
        (None, ["--target", "g", "--inputs", "m,r", "--terms", "0"], "terms must be a whole number of at least 1"),
        (None, ["--target", "g", "--inputs", "m,r", "--functions", "tan"], "functions must be"),
        (None, ["--target", "g", "--inputs", "m,r", "--time-limit", "-1"], "time_limit must be a positive number"),
        (None, ["--target", "g", "--inputs", "m,r", "--seed", "-1"], "--seed must be at least 0, got -1"),
        (None, ["--target", "g", "--inputs", "m,r", "--plot", "{folder}"], "is a folder: name a file in it"),
        (None, ["--target", "g", "--inputs", "m,r", "--plot", "{folder}/x.law"], "the name must end in one of ."),
        (None, ["--target", "g", "--inputs", "m,r", "--plot", "{folder}/none/x.png"], "there is no folder"),
    ],
)
def test_a17_a_mistake_is_one_line_before_the_search_and_status_2(
    table, tmp_path, capsys, cell, options, words, monkeypatch
):
    if cell is not None:
        name, row, text = cell
        lines = (tmp_path / "gravity.csv").read_text().splitlines()
        column = lines[1].split(",").index(name)
        for i in range(ROWS) if row is None else [row]:
            cells = lines[i + 2].split(",")
            cells[column] = text
            lines[i + 2] = ",".join(cells)
        (tmp_path / "gravity.csv").write_text("\n".join(lines))
    monkeypatch.setattr("nalu_jax.discover._asked.search", lambda *args, **options: pytest.fail("searched"))
    assert run(table, *[option.format(folder=tmp_path) for option in options]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("nalu-jax fit: gravity.csv: ")
    assert captured.err.count("\n") == 1 and words in captured.err


def test_a17_a_column_that_is_constant_among_the_training_rows_only(tmp_path, capsys):
    """An indicator of the rows with the largest inputs, which are outside."""
    columns = gravity()
    del columns["body"]
    outside = discover.split(np.stack([columns["m"], columns["r"]], 1)).outside
    large = np.isin(np.arange(ROWS), outside).astype(int)
    path = write(tmp_path / "indicator.csv", columns | {"large": large})
    assert run(path, "--target", "g", *FAST) == 0
    assert "left out, since constant in all rows: 'large'" in capsys.readouterr().out


def test_a17_a_huge_seed_works(table):
    assert run(table, "--target", "g", "--inputs", "m,r", "--seed", 10**30, *FAST) == 0


def test_a18_a_european_spreadsheet(tmp_path, capsys):
    columns = gravity()
    del columns["body"]
    european = {name: [str(value).replace(".", ",") for value in values] for name, values in columns.items()}
    assert run(write(tmp_path / "europe.csv", european, ";"), "--target", "g", *FAST) == 0
    text = capsys.readouterr().out
    assert "\ng = 2*m/r**2\n" in text
    assert "note: cells are separated by ;" in text and "note: decimals are written with a comma" in text


def test_a19_the_index_of_pandas_is_left_out_and_said(tmp_path, capsys):
    columns = gravity()
    del columns["body"]
    assert run(write(tmp_path / "pandas.csv", {"": range(ROWS)} | columns), "--target", "g", *FAST) == 0
    text = capsys.readouterr().out
    assert "\ng = 2*m/r**2\n" in text and "taken for row numbers as pandas writes them, and left out" in text


def test_a14_the_formula_is_printed_before_a_figure_that_fails(table, tmp_path, capsys, monkeypatch):
    def full(*args, **options):
        raise OSError("No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    figure = tmp_path / "x.png"
    assert run(table, "--target", "g", "--inputs", "m,r", "--plot", figure, *FAST) == 2
    captured = capsys.readouterr()
    assert "g = 2*m/r**2" in captured.out and "cannot be written: No space left on device" in captured.err


def test_a14_headers_that_are_mathtext(tmp_path):
    columns = gravity()
    renamed = {"$\\foo$": columns["m"], "$": columns["r"], "\\bar_": columns["g"]}
    figure = tmp_path / "x.svg"
    assert run(write(tmp_path / "t.csv", renamed), "--target", "\\bar_", "--plot", figure, *FAST) == 0
    assert figure.stat().st_size > 1000


def test_a_mistake_in_a_process_of_its_own_leaves_no_traceback(tmp_path):
    command = [sys.executable, "-m", "nalu_jax", "fit", str(tmp_path / "none.csv"), "--target", "y"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr == "nalu-jax fit: none.csv: the file cannot be read: No such file or directory.\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a17_a_full_disk_is_one_line(table):
    command = [sys.executable, "-m", "nalu_jax", "fit", table, "--target", "g", "--inputs", "m,r", *FAST]
    with open("/dev/full", "w") as full:
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 2
    assert result.stderr == "nalu-jax fit: gravity.csv: the formula cannot be printed: No space left on device.\n"


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0.5, 1.5, 2.5])
def test_a16_ctrl_c_is_130_without_a_traceback(table, moment):
    """A true signal to a true process; at whichever moment, one line or the best formula so far."""
    code = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job begins without
        "sys.argv[0] = 'nalu-jax'\n"  # as the command: a KeyboardInterrupt in JAX's callback of the collector is lost
        "from nalu_jax import cli\n"
        "print('ready', file=sys.stderr, flush=True)\n"
        "sys.exit(cli.main(sys.argv[1:]))\n"
    )
    random = np.random.default_rng(0)
    rows = [",".join(map(str, row)) for row in random.uniform(1, 2, (3000, 6))]
    with open(table, "w") as file:
        file.write("a,b,c,d,e,y\n" + "\n".join(rows))
    command = [sys.executable, "-c", code, "fit", table, "--target", "y"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None and process.stderr.readline() == "ready\n"
    time.sleep(moment)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err
    assert out.startswith("Interrupted: the best formula so far.") or "interrupted" in err


def test_ctrl_c_before_there_is_a_formula(table, monkeypatch, capsys):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(_fit, "fit", interrupted)
    assert run(table, "--target", "g", "--inputs", "m,r") == 130
    assert "before there was a formula" in capsys.readouterr().err
