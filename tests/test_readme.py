"""Every code block of the README runs; its table of units is the units."""

import pathlib
import re
import subprocess

import pytest

from nalu_jax import UNITS

ROOT = pathlib.Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
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
    assert {name for name, _ in BLOCKS} <= {"python", "bash", "text", "bibtex"}
    ci = (ROOT / ".ci" / "run").read_text()
    assert "readme_command" in ci
    setup_and_demo, tests = blocks("bash")
    assert setup_and_demo.strip().endswith("-m nalu_jax demo")
    assert tests.strip().endswith('-m pytest -m "not slow"') and "-m pytest -m slow\n" in ci


@pytest.mark.parametrize("text", blocks("bash"))
def test_bash_blocks_parse(text):
    assert subprocess.run(["bash", "-n", "-c", text]).returncode == 0


def test_the_table_lists_every_unit():
    rows = re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE)
    assert rows == list(UNITS)
