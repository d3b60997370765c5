"""`nalu-jax demo`: Kepler's third law from a table, a case of `nalu-jax fit`.

RealNPU -> NAU learn orbital periods from the distances of the bodies inside the orbit of Jupiter, are pruned and read
as a formula, and judged, beside a dense network, by the bodies outside. Nothing here knows the law: the exponent is
read from the weights.

>>> from nalu_jax.cli import _demo
>>> bodies = _demo.load_bodies()
>>> bodies.names[2], bodies.columns.x.shape, bodies.columns.names, bodies.columns.target
('Earth', (19, 1), ('distance',), 'period')
"""

import csv
import importlib.resources
import sys
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from .. import training
from ..discover import Split
from . import _csv, _fit, _report

INNER = 5.0  # astronomical units: inside the orbit of Jupiter
DENSE_STEPS = 20_000

DENSE = nn.Sequential([nn.Dense(16), nn.tanh, nn.Dense(16), nn.tanh, nn.Dense(1)])


class Bodies(NamedTuple):
    """Names of the bodies; their distances in astronomical units and periods in years, as columns."""

    names: list[str]
    columns: _csv.Columns


def load_bodies() -> Bodies:
    """The table that the package ships; its head names the sources."""
    path = importlib.resources.files("nalu_jax") / "data" / "solar_system.csv"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    names = [row["name"] for row in csv.DictReader(lines)]
    return Bodies(names, _csv.parse(lines, target="period", inputs=("distance",)))


def find_law(columns: _csv.Columns, *, restarts: int, seed: int) -> _fit.Fitted:
    """The formula of the inner bodies, judged by the outer ones."""
    inner = columns.x[:, 0] < INNER
    rows = Split(np.flatnonzero(inner), np.array([], int), np.flatnonzero(~inner))
    progress = sys.stderr.isatty()
    return _fit.fit(columns, rows, domain="positive", powers=None, restarts=restarts, seed=seed, progress=progress)


def dense_periods(columns: _csv.Columns, rows: np.ndarray, *, restarts: int, seed: int) -> np.ndarray:
    """(n,) periods by a dense network 1-16-16-1 with tanh, trained on some rows: of many restarts the best there."""
    x, y = jnp.asarray(columns.x, jnp.float32), jnp.asarray(columns.y, jnp.float32)

    def periods(params: Any, x: Array) -> Array:
        return jnp.asarray(DENSE.apply(params, x))[:, 0]

    def loss(params: Any, batch: Any) -> Array:
        return training.losses.relative(periods(params, batch[0]), batch[1])

    fit = training.fit(
        loss,
        lambda key: DENSE.init(key, x),
        key=jax.random.key(seed),
        steps=DENSE_STEPS,
        optimiser=optax.adam(optax.cosine_decay_schedule(0.02, DENSE_STEPS)),
        data=(x[rows], y[rows]),
        restarts=restarts,
        progress="dense network" if sys.stderr.isatty() else False,
    )
    return np.asarray(periods(fit.params, x), float)


def run(*, restarts: int, seed: int) -> int:
    """Fit, print what was found beside a dense network's errors, and return the exit status."""
    bodies = load_bodies()
    columns = bodies.columns
    fitted = find_law(columns, restarts=restarts, seed=seed)
    outer = fitted.rows.outside
    print(f"Trained on {fitted.rows.train.size} bodies inside {INNER:g} AU; the others were never seen.\n")
    print(_report.as_text(fitted.found, columns.target, fitted.errors))
    if fitted.found.interrupted:
        return 0
    ours = fitted.found.predict(columns.x) / columns.y - 1
    theirs = dense_periods(columns, fitted.rows.train, restarts=restarts, seed=seed) / columns.y - 1
    print("\nrelative error on the outer bodies:")
    print(f"  {'body':10} {'AU':>8} {'years':>9} {'RealNPU -> NAU':>15} {'dense network':>14}")
    for i in outer:
        row = f"{columns.x[i, 0]:8.2f} {columns.y[i]:9.2f} {ours[i]:15.2%} {theirs[i]:14.2%}"
        print(f"  {bodies.names[i]:10} {row}")
    return 0
