"""Every code block of the README and of the guide's pages runs; its table of units is the units."""

import contextlib
import io
import pathlib
import re
import subprocess

import pytest

from nalu_jax import UNITS

ROOT = pathlib.Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CI = (ROOT / ".ci" / "run").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "notebooks" / "guide").glob("*.md"))]


def blocks(language, page=PAGES[0]):
    return [text for name, text in all_blocks(page) if name == language]


def all_blocks(page):
    return re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if blocks("python", page)], ids=lambda page: page.stem)
@pytest.mark.usefixtures("standard_promotion")
def test_python_blocks_run_one_after_another(page):
    namespace: dict = {}
    for number, text in enumerate(blocks("python", page)):
        exec(compile(text, f"{page.name}, python block {number}", "exec"), namespace)


def test_the_output_shown_is_what_comes_out():
    namespace: dict = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(blocks("python")[0], namespace)
    assert printed.getvalue() == blocks("text")[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_is_run_by_a_test_or_by_ci(page):
    """CI runs every bash block of the README as it stands; what cannot run there is a block of another kind."""
    assert {name for name, _ in all_blocks(page)} <= {"python", "bash", "text", "bibtex"}
    assert page == PAGES[0] or not blocks("bash", page)


def test_ci_runs_the_readme():
    assert "readme_commands" in CI and "-m pytest -m slow\n" in CI
    assert any("nalu_jax demo" in text or "nalu-jax demo" in text for text in blocks("bash"))
    assert blocks("bash")[-1].strip().endswith('-m pytest -m "not slow"'), "CI ends with the summary of the tests"


def test_the_readme_fits_a_screen_or_three():
    assert len(README.splitlines()) <= 150


def test_ci_finds_the_bash_blocks():
    """The function of .ci/run, on its own: the N-th block, and how many there are."""
    functions = "\n".join(re.findall(r"^readme_\w+\(\) \{.*?^\}", CI, re.MULTILINE | re.DOTALL))
    call = lambda text: subprocess.run(["bash", "-c", f"{functions}\n{text}"], cwd=ROOT, capture_output=True, text=True)
    assert call("readme_commands").stdout.split() == [str(n + 1) for n in range(len(blocks("bash")))]
    for number, text in enumerate(blocks("bash"), 1):
        assert call(f"readme_command {number}").stdout == text


@pytest.mark.parametrize("text", blocks("bash"))
def test_bash_blocks_parse(text):
    assert subprocess.run(["bash", "-n", "-c", text]).returncode == 0


def test_the_table_lists_every_unit():
    table = (ROOT / "notebooks" / "guide" / "units.md").read_text()
    assert re.findall(r"^\| \[`(\w+)`\]", table, re.MULTILINE) == list(UNITS)
    for page in (README, (ROOT / "notebooks" / "guide" / "choose.md").read_text()):
        assert set(UNITS) <= set(re.findall(r"`(\w+)`", page))
