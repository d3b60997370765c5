"""The notebooks as they are stored: pairs in step, outputs kept, small, without errors; CI executes them."""

import json
import pathlib

import pytest

FOLDER = pathlib.Path(__file__).parent.parent / "notebooks"
SOURCES = sorted(path for path in FOLDER.glob("*.py") if path.name[:2].isdigit())


def cells(path):
    return json.loads(path.with_suffix(".ipynb").read_text())["cells"]


def test_they_are_numbered_and_the_index_has_them_all():
    index = (FOLDER / "README.md").read_text()
    assert [path.name[:2] for path in SOURCES] == [f"{i:02}" for i in range(len(SOURCES))]
    assert all(f"({path.stem}.ipynb)" in index for path in SOURCES)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_every_cell_of_code_is_in_the_source_and_was_run(path):
    text = path.read_text()
    code = ["".join(cell["source"]) for cell in cells(path) if cell["cell_type"] == "code"]
    assert len(code) == text.count("\n# %%\n")
    for source in code:
        lines = [line.removeprefix("%") for line in source.splitlines()]
        assert all(line in text for line in lines)
    counts = [cell["execution_count"] for cell in cells(path) if cell["cell_type"] == "code"]
    assert counts == list(range(1, len(code) + 1)), "executed from a clean kernel, every cell once"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_outputs_are_kept_small_and_without_errors(path):
    outputs = [output for cell in cells(path) for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not any(output["output_type"] == "error" for output in outputs)
    assert not any(output.get("name") == "stderr" for output in outputs)
    assert path.with_suffix(".ipynb").stat().st_size < 500_000


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_the_last_cell_asserts_the_claim(path):
    last = cells(path)[-1]
    assert last["cell_type"] == "code" and "assert " in "".join(last["source"])


def test_ci_executes_them_from_the_sources():
    ci = (FOLDER.parent / ".ci" / "run").read_text()
    assert "notebooks/run_all.py --check" in ci
