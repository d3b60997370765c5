"""Laws that were tried by hand, with ranges of real experiments; none of them chose a number of the package."""

from typing import NamedTuple

import numpy as np

from nalu_jax.discover._engine.forms import Form

from ._law import FRESH_ROWS, Law, evaluate, with_noise


class _Hand(NamedTuple):
    """Text and constants of a law, rows, relative noise, and the range of every input."""

    text: str
    constants: tuple[float, ...]
    rows: int
    noise: float
    ranges: tuple[tuple[float, float], ...]
    exponents: tuple[tuple[float, ...], ...]
    draw: str = "uniform"  # or "signed", of which the columns below zero are drawn, or "logarithmic"


HAND: dict[str, _Hand] = {
    "ideal gas": _Hand("c0*x0*x1/x2", (8.314,), 40, 0.01, ((0.5, 5), (250, 400), (0.01, 0.1)), ((1, 1, -1),)),
    "Stefan-Boltzmann": _Hand("c0*x0*x1*x2**4", (5.67e-8,), 40, 0.02, ((0.1, 2), (0.2, 1), (300, 1200)), ((1, 1, 4),)),
    "drag": _Hand("c0*x0*x1*x2*x3**2", (0.5,), 50, 0.02, ((0.5, 1.3), (0.2, 1.2), (0.1, 3), (5, 50)), ((1, 1, 1, 2),)),
    "Reynolds": _Hand(
        "c0*x0*x1*x2/x3", (1.0,), 40, 0.01, ((900, 1100), (0.1, 3), (0.01, 0.2), (5e-4, 2e-3)), ((1, 1, 1, -1),)
    ),
    "pendulum": _Hand("c0*x0**0.5", (2.006,), 30, 0.01, ((0.2, 3), (0.1, 2)), ((0.5, 0),)),
    "Coulomb": _Hand(
        "c0*x0*x1/x2**2", (8.99e9,), 40, 0.02, ((1e-6, 5e-6), (1e-6, 5e-6), (0.1, 2)), ((1, 1, -2),), "signed"
    ),
    "Poiseuille": _Hand(
        "c0*x0*x1**4/x2/x3",
        (np.pi / 8,),
        60,
        0.03,
        ((1e3, 1e4), (1e-3, 5e-3), (0.1, 2), (1e-3, 5e-3)),
        ((1, 4, -1, -1),),
    ),
    "energy": _Hand(
        "c0*x0*x1**2 + c1*x0*x2", (0.5, 9.81), 50, 0.02, ((1, 5), (1, 20), (1, 20)), ((1, 2, 0), (1, 0, 1))
    ),
    "scaling law": _Hand(
        "c0 + c1*x0**-0.34 + c2*x1**-0.28",
        (1.69, 406.4, 410.7),
        80,
        0.005,
        ((1e7, 1e10), (1e9, 1e12)),
        ((0, 0), (-0.34, 0), (0, -0.28)),
        "logarithmic",
    ),
}
SIGNED = 2  # the first two inputs of a "signed" law have both signs


def draw(name: str, seed: int) -> Law:
    """A table of a law, as `_drawn_laws.draw` gives it."""
    law = HAND[name]
    rng = np.random.default_rng([list(HAND).index(name), seed])
    x = _inputs(rng, law, law.rows + FRESH_ROWS)
    constants = np.array(law.constants)
    values = evaluate(law.text, x, constants)
    y, _ = with_noise(rng, values[: law.rows], law.noise, "relative")
    return Law(
        family="by hand",
        seed=seed,
        form=name,
        text=law.text,
        constants=constants,
        x=x[: law.rows],
        y=y,
        clean=values[: law.rows],
        fresh_x=x[law.rows :],
        fresh_y=values[law.rows :],
        noise=law.noise,
        kind="relative",
        exponents=np.array(law.exponents, float),
        signs=np.ones(len(constants)),
        shape=Form("sum", (len(constants),)),
    )


def _inputs(rng: np.random.Generator, law: _Hand, rows: int) -> np.ndarray:
    low, high = np.array(law.ranges, float).T
    if law.draw == "logarithmic":
        return np.exp(rng.uniform(np.log(low), np.log(high), (rows, len(low))))
    x = rng.uniform(low, high, (rows, len(low)))
    if law.draw == "signed":
        x[:, :SIGNED] *= rng.choice([-1, 1], (rows, SIGNED))
    return x
