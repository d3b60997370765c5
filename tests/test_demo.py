"""The demo finds Kepler's law, survives an interrupt, and its table is right."""

import fractions
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nalu_jax import demo

pytestmark = pytest.mark.usefixtures("standard_promotion")


def test_the_table_obeys_keplers_law():
    bodies = demo.load_bodies()
    assert {"Mercury", "Venus", "Earth", "Mars", "Jupiter", "Saturn", "Uranus", "Neptune"} <= set(bodies.names)
    assert {"Ceres", "Pluto", "Eris", "Haumea", "Makemake"} <= set(bodies.names)
    np.testing.assert_allclose(bodies.period, bodies.distance**1.5, rtol=2e-3)
    inner = bodies.distance[:, 0] < demo.INNER
    assert inner.sum() == 11 and (~inner).sum() == 8


@pytest.mark.slow
def test_the_demo_finds_the_law_in_almost_every_restart(capsys):
    assert demo.run() >= 30
    text = capsys.readouterr().out
    assert "period = distance^(3/2)" in text
    assert "Kepler: 1.5" in text and "dense network" in text


@pytest.mark.slow
def test_the_demo_does_not_find_the_law_where_there_is_another(monkeypatch):
    """Nothing in the training knows the answer: with other periods it reads another exponent from the weights."""
    bodies = demo.load_bodies()
    other = bodies._replace(period=3 * bodies.distance**0.75)
    monkeypatch.setattr(demo, "load_bodies", lambda: other)
    params = demo.train_units(other.distance, other.period, restarts=4, steps=20_000, seed=0)
    restarts = [jax.tree.map(lambda leaf, i=i: leaf[i], params) for i in range(4)]
    assert "3 distance^(3/4)" in [demo.formula(restart, tolerance=0.01) for restart in restarts]


def test_formula():
    params = (
        {"re": jnp.array([[1.5004, -0.5, 2.0, 0.3]]), "gate": jnp.ones(1)},
        {"w": jnp.array([[0.0], [2.5], [-7.0], [1.0]])},
    )
    assert demo.formula(params, tolerance=0.01) == "-7 distance^2 + 5/2 distance^(-1/2) + distance^0.3000"
    assert demo.formula(params) == "-7.0000 distance^2.0000 + 2.5000 distance^-0.5000 + 1.0000 distance^0.3000"
    half_open = ({"re": jnp.array([[1.0]]), "gate": jnp.array([0.5])}, {"w": jnp.array([[1.0]])})
    assert demo.formula(half_open, tolerance=0.01) == "(0.5000 distance + 0.5000)"
    assert demo.formula((half_open[0], {"w": jnp.zeros((1, 1))})) == "0"


def test_simple_numbers():
    assert fractions.Fraction(demo._number(0.6651, 0.01)) == fractions.Fraction(2, 3)
    assert demo._number(0.62, 0.01) == "0.6200"


def test_command_line_rejects_nonsense():
    result = subprocess.run([sys.executable, "-m", "nalu_jax", "demo", "--steps", "0"], capture_output=True, text=True)
    assert result.returncode == 2 and "at least 1" in result.stderr
