"""The demo finds Kepler's law, and another law where there is another; its table is right."""

import subprocess
import sys

import numpy as np
import pytest

from nalu_jax.cli import _demo as demo

pytestmark = pytest.mark.usefixtures("standard_promotion")


def test_the_table_obeys_keplers_law():
    names, columns = demo.load_bodies()
    assert {"Mercury", "Venus", "Earth", "Mars", "Jupiter", "Saturn", "Uranus", "Neptune"} <= set(names)
    assert {"Ceres", "Pluto", "Eris", "Haumea", "Makemake"} <= set(names)
    np.testing.assert_allclose(columns.y, columns.x[:, 0] ** 1.5, rtol=2e-3)
    inner = columns.x[:, 0] < demo.INNER
    assert inner.sum() == 11 and (~inner).sum() == 8


@pytest.mark.slow
def test_the_demo_finds_the_law(capsys):
    assert demo.run(restarts=8, seed=0) == 0
    text = capsys.readouterr().out
    assert "\nperiod = distance**(3/2)\n" in text
    assert "exponent of distance: 1.50" in text and "dense network" in text
    [eris] = [line.split() for line in text.splitlines() if line.split()[:1] == ["Eris"]]
    assert abs(float(eris[3].rstrip("%"))) < 1 < 50 < abs(float(eris[4].rstrip("%")))


@pytest.mark.slow
def test_the_demo_does_not_find_the_law_where_there_is_another():
    """Nothing in the training knows the answer: with other periods it reads another exponent from the weights."""
    _, columns = demo.load_bodies()
    other = columns._replace(y=3 * columns.x[:, 0] ** 0.75)
    rows = np.flatnonzero(columns.x[:, 0] < demo.INNER)
    assert demo.find_law(other, rows, restarts=8, seed=0).formula == "3*distance**(3/4)"


def test_command_line_rejects_nonsense():
    command = [sys.executable, "-m", "nalu_jax", "demo", "--restarts", "0"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2 and "at least 1" in result.stderr
