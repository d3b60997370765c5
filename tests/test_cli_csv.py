"""Reading CSV files: what is a table, and what every message about one that is not names."""

import numpy as np
import pytest

from nalu_jax.cli import _csv

LINES = ["# planets", "name, distance ,period", "Mercury,0.387,0.241", "", "Earth,1,1e0"]


def test_columns_by_name():
    columns = _csv.parse(LINES, target="period", inputs=("distance",))
    assert columns.names == ("distance",) and columns.target == "period"
    np.testing.assert_array_equal(columns.x, [[0.387], [1.0]])
    np.testing.assert_array_equal(columns.y, [0.241, 1.0])


def test_all_other_columns_are_inputs():
    columns = _csv.parse(["a,b,c", "1,2,3", "4,5,7"], target="b")
    assert columns.names == ("a", "c")
    np.testing.assert_array_equal(columns.x, [[1, 3], [4, 7]])


def test_quotes_and_a_byte_order_mark(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes('\ufeff"a","b"\n"1.5",2\n'.encode())
    assert _csv.read(path, target="b").x.tolist() == [[1.5]]


@pytest.mark.parametrize(
    ("lines", "notes"),
    [
        (["a\tb", "1.5\t2", "3\t4.25"], ("cells are separated by tabs",)),
        (["a;b", "1.5;2", "3;4.25"], ("cells are separated by ;",)),
        (["a;b", "1,5;2", "3;4,25"], ("cells are separated by ;", "decimals are written with a comma")),
        (["a\tb", "1,5\t2", "3\t4,25"], ("cells are separated by tabs", "decimals are written with a comma")),
        (["a;b;", "1,5;2;", "3;4,25;"], ("cells are separated by ;", "decimals are written with a comma")),
        (["a,b,", "1.5,2,", "3,4.25,"], ()),
    ],
)
def test_a18_separators_and_decimal_commas_are_recognised(lines, notes):
    columns = _csv.parse(lines, target="b")
    assert columns.x.tolist() == [[1.5], [3.0]] and columns.y.tolist() == [2.0, 4.25] and columns.notes == notes


@pytest.mark.parametrize("header", ["", "Unnamed: 0"])
def test_a19_the_index_of_pandas_is_left_out_and_said(header):
    columns = _csv.parse([f"{header},a,b", "0,1.5,2", "1,3,4.25"], target="b")
    assert columns.names == ("a",) and "row numbers as pandas writes them, and left out" in columns.notes[0]


def test_an_unnamed_first_column_that_is_asked_for_is_used():
    columns = _csv.parse([",a,b", "0,1.5,2", "1,3,4.25"], target="b", inputs=("", "a"))
    assert columns.names == ("", "a") and columns.notes == ()


@pytest.mark.parametrize(
    ("lines", "target", "inputs", "words"),
    [
        (LINES, "mass", None, "no column 'mass'.*'name', 'distance', 'period'"),
        (LINES, "period", ("width",), "no column 'width'"),
        (LINES, "period", None, "column 'name', row 1: 'Mercury' is not a number.*--inputs"),
        (["a,b", "1,2", "1,"], "b", None, "column 'b', row 2: the cell is empty"),
        (["a,b", "1,2", "1,2,3"], "b", None, "row 2 has 3 cells, the line of names 2"),
        (["a,b,a", "1,2,3"], "b", None, "column 'a' is there twice"),
        (["a,b", "1,2"], "b", ("b",), "column 'b' is the target"),
        (["b", "1"], "b", None, "no column besides 'b'"),
        (["# nothing"], "b", None, "no lines"),
        (["a;b", "1.234,5;2"], "b", None, "column 'a', row 1: '1.234,5' is not a number"),
        (["a;b", "1,5;2.5"], "b", None, "column 'a', row 1: '1,5' is not a number"),
        (["a,b", '"1,5",2'], "b", None, "column 'a', row 1: '1,5' is not a number"),
        (["a,b", "1_0,2"], "b", None, "column 'a', row 1: '1_0' is not a number"),
        (["a,b", "1,2"], "b", ("a", "a"), "--inputs has the column 'a' twice"),
        (["a,b", "1,2", '"3,4', *["5,6"] * 60_000], "b", None, "row 2: a quotation mark is not closed"),
        (['"a,b', "1,2"], "b", None, "the line of names: a quotation mark is not closed"),
        (["a,b", '"1"5,2'], "b", None, "row 1: a quotation mark is not closed, or stands within a cell"),
    ],
)
def test_bad_tables(lines, target, inputs, words):
    with pytest.raises(ValueError, match=words) as caught:
        _csv.parse(lines, target=target, inputs=inputs)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ValueError, match="the file cannot be read: No such file"):
        _csv.read(tmp_path / "none.csv", target="a")
    (tmp_path / "latin.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
    with pytest.raises(ValueError, match="not UTF-8"):
        _csv.read(tmp_path / "latin.csv", target="a")
