"""Every code block of the README runs; its table of units is the units."""

import pathlib
import re
import subprocess

import pytest

from nalu_jax import UNITS

ROOT = pathlib.Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CI = (ROOT / ".ci" / "run").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def blocks(language):
    return [text for name, text in BLOCKS if name == language]


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
def test_python_blocks_run_one_after_another():
    assert blocks("python")
    namespace: dict = {}
    for number, text in enumerate(blocks("python")):
        exec(compile(text, f"README.md, python block {number}", "exec"), namespace)


def test_every_block_is_run_by_a_test_or_by_ci():
    """CI runs every bash block as it stands; what cannot run there is a block of another kind."""
    assert {name for name, _ in BLOCKS} <= {"python", "bash", "text", "bibtex"}
    assert "readme_commands" in CI and "-m pytest -m slow\n" in CI
    assert any("nalu_jax demo" in text or "nalu-jax demo" in text for text in blocks("bash"))
    assert blocks("bash")[-1].strip().endswith('-m pytest -m "not slow"'), "CI ends with the summary of the tests"


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
    rows = re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE)
    assert rows == list(UNITS)
