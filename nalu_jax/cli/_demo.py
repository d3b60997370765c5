"""`nalu-jax demo`: Kepler's third law from a table, learnt by neural arithmetic units.

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
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from .. import _progress, chain, nau, real_npu, symbolic, training
from . import _csv

INNER = 5.0  # astronomical units: inside the orbit of Jupiter
PRODUCTS = 2  # hidden units: one more than the law needs, for pruning to take away
STEPS, DENSE_STEPS = 500, 20_000

NETWORK = chain(real_npu.UNIT.bind(domain="positive", gate_init="ones"), nau)
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


class Law(NamedTuple):
    """What was read from the weights.

    Attributes:
        formula, raw: in simple numbers, and before any was rounded.
        params: of the formula in simple numbers.
        terms: a line for each product: its numbers before rounding, with standard errors.
        path: of the pruning, as a table.
    """

    formula: str
    raw: str
    params: Any
    terms: list[str]
    path: str


def residuals(params: Any, data: tuple[Array, Array]) -> Array:
    """(rows,) relative errors."""
    x, y = data
    return NETWORK.apply(params, x)[:, 0] / y - 1


def find_law(columns: _csv.Columns, rows: np.ndarray, *, restarts: int, seed: int) -> Law:
    """Train RealNPU -> NAU on some rows, many restarts at once, prune the best and round it: all in float64."""
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        data = (jnp.asarray(columns.x[rows]), jnp.asarray(columns.y[rows]))
        fit = training.fit(
            lambda weights, batch: jnp.mean(residuals(_open(weights), batch) ** 2),
            _start,
            key=jax.random.key(seed),
            steps=STEPS,
            optimiser=optax.adam(optax.cosine_decay_schedule(0.1, STEPS)),
            data=data,
            restarts=restarts,
            finish=[training.levenberg_marquardt(_trained_residuals, steps=60, rtol=1e-10, atol=1e-12)],
            progress=_progress.shown(None) and "RealNPU -> NAU",
        )
        return _read(_open(jax.tree.map(jnp.asarray, fit.params)), data, columns)


def _start(key: Array) -> dict[str, Array]:
    """What is trained: exponents and coefficients. Gates stay open, since only one input is there to choose from."""
    powers, sums = NETWORK.init(key, (1, PRODUCTS, 1), jnp.float64)
    return {"re": powers["re"], "w": sums["w"]}


def _open(weights: dict[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
    """Params of the network."""
    return {"re": weights["re"], "gate": jnp.ones(1, weights["re"].dtype)}, {"w": weights["w"]}


def _trained_residuals(weights: dict[str, Array], data: tuple[Array, Array]) -> Array:
    return residuals(_open(weights), data)


def _read(params: Any, data: tuple[Array, Array], columns: _csv.Columns) -> Law:
    gates_stay = ({"re": True, "gate": False}, {"w": True})
    free = jax.tree.map(lambda leaf, fitted: np.full(leaf.shape, fitted), params, gates_stay)
    pruned = symbolic.prune(residuals, params, data, free=free)
    errors = symbolic.standard_errors(residuals, pruned.best.params, data, free=pruned.best.free)
    rounded = symbolic.snap(residuals, pruned.best.params, data, free=pruned.best.free)
    text = lambda params: symbolic.text(
        symbolic.to_sympy(NETWORK, params, columns.names, domain="positive", eps=False, digits=6)
    )
    path = symbolic.table(pruned, NETWORK, columns.names, domain="positive")
    terms = _terms(pruned.best.params, errors, columns.names[0])
    return Law(text(rounded.best.params), text(pruned.best.params), rounded.best.params, terms, path)


def _terms(params: Any, errors: Any, name: str) -> list[str]:
    """Coefficient and exponent of every product that is left."""
    (powers, sums), (power_errors, sum_errors) = params, errors
    pairs = [
        (sums["w"][k, 0], sum_errors["w"][k, 0], powers["re"][0, k], power_errors["re"][0, k]) for k in range(PRODUCTS)
    ]
    number = lambda value, error: symbolic.plus_minus(float(value), float(error))
    return [f"coefficient {number(c, dc)}   exponent of {name}: {number(p, dp)}" for c, dc, p, dp in pairs if c != 0]


def periods_by(law: Law, columns: _csv.Columns) -> np.ndarray:
    """(n,) periods by the formula in simple numbers."""
    with jax.enable_x64(True):
        params = jax.tree.map(jnp.asarray, law.params)
        return np.asarray(NETWORK.apply(params, jnp.asarray(columns.x))[:, 0])


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
        progress=_progress.shown(None) and "dense network",
    )
    return np.asarray(periods(fit.params, x), float)


def run(*, restarts: int, seed: int) -> int:
    """Fit, print what was found beside a dense network's errors, and return the exit status."""
    names, columns = load_bodies()
    inner = columns.x[:, 0] < INNER
    rows, outer = np.flatnonzero(inner), np.flatnonzero(~inner)
    law = find_law(columns, rows, restarts=restarts, seed=seed)
    print(f"Trained on {rows.size} bodies inside {INNER:g} AU; the others were never seen.\n")
    print(f"{columns.target} = {law.formula}\nbefore rounding: {columns.target} = {law.raw}\n")
    print("numbers before rounding, with standard errors:", *law.terms, sep="\n  ")
    print(f"\npath of the pruning (* is the formula that was chosen, and rounded after that):\n{law.path}", flush=True)
    ours = periods_by(law, columns) / columns.y - 1
    theirs = dense_periods(columns, rows, restarts=restarts, seed=seed) / columns.y - 1
    print("\nrelative error on the outer bodies:")
    print(f"  {'body':10} {'AU':>8} {'years':>9} {'RealNPU -> NAU':>15} {'dense network':>14}")
    for i in outer:
        row = f"{columns.x[i, 0]:8.2f} {columns.y[i]:9.2f} {ours[i]:15.2%} {theirs[i]:14.2%}"
        print(f"  {names[i]:10} {row}")
    return 0
