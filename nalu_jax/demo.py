"""The demo: Kepler's third law, from a table of the inner Solar System to a formula that holds in the outer one.

A RealNPU with four powers of the distance feeds a NAU that weighs them. A penalty on the square root of the weights
leaves the powers that are needed; the rest is set to zero. Nothing here knows the law: the exponent is read from the
weights.

    >>> import jax.numpy as jnp
    >>> from nalu_jax import demo
    >>> bodies = demo.load_bodies()
    >>> bodies.names[2], bodies.distance.shape
    ('Earth', (19, 1))
    >>> params = ({"re": jnp.array([[1.5006, 0.7]]), "gate": jnp.ones(1)}, {"w": jnp.array([[1.0001], [0.0]])})
    >>> demo.formula(params), demo.formula(params, tolerance=0.01)
    ('1.0001 distance^1.5006', 'distance^(3/2)')
"""

import csv
import fractions
import functools
import importlib.resources
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.typing import ArrayLike

from . import chain, nau, real_npu, training

RESTARTS = 32
STEPS = 20_000
LEARNING_RATE = 0.02
POWERS = 4
INNER = 5.0  # astronomical units: inside the orbit of Jupiter
SPARSITY = 0.01  # factor of the penalty on the NAU's weights, at its height
PRUNING = 0.6  # of the steps are done when the penalty ends and dead weights go
DEAD = 0.01  # a weight below this is not needed

MODEL = chain(real_npu.UNIT.bind(domain="positive", gate_init="ones", clip="g"), nau)
DENSE = nn.Sequential([nn.Dense(16), nn.tanh, nn.Dense(16), nn.tanh, nn.Dense(1)])


class Bodies(NamedTuple):
    """Names, distances (n, 1) in astronomical units and periods (n, 1) in years, float32."""

    names: list[str]
    distance: np.ndarray
    period: np.ndarray


def load_bodies() -> Bodies:
    """The table that the package ships; its head names the sources."""
    text = (importlib.resources.files("nalu_jax") / "data" / "solar_system.csv").read_text()
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    columns = [np.array([[float(row[name])] for row in rows], np.float32) for name in ("distance", "period")]
    return Bodies([row["name"] for row in rows], *columns)


def relative_error(predicted: Array, true: ArrayLike) -> Array:
    """predicted / true - 1, of any shape."""
    return predicted / jnp.asarray(true) - 1


def train_units(distance: np.ndarray, period: np.ndarray, *, restarts: int, steps: int, seed: int) -> Any:
    """Params of RealNPU(1, 4) -> NAU(4, 1), each leaf with a leading axis of restarts."""

    def loss(params: Any, batch: Any) -> Array:
        distance, period = batch
        return jnp.mean(relative_error(MODEL.apply(params, distance), period) ** 2)

    def penalty(params: Any, step: Array) -> Array:
        progress = step.astype(jnp.float32) / steps
        height = jnp.where(progress < PRUNING, jnp.minimum(progress / 0.2, 1), 0)
        return SPARSITY * height * jnp.sum(jnp.sqrt(jnp.abs(params[1]["w"]) + 1e-3))

    def project(params: Any, *, step: Array) -> Any:
        power_params, w = MODEL.units[0].project(params[0]), params[1]["w"]
        dead = (step >= PRUNING * steps) & (jnp.abs(w) < DEAD)
        return power_params, {"w": jnp.where(dead, 0, w)}

    init = functools.partial(MODEL.init, shape=(1, POWERS, 1))
    return _train(
        loss, init, "RealNPU -> NAU", distance, period, restarts, steps, seed, penalty=penalty, project=project
    )


def train_dense(distance: np.ndarray, period: np.ndarray, *, restarts: int, steps: int, seed: int) -> Any:
    """Params of a dense network 1-16-16-1 with tanh, each leaf with a leading axis of restarts."""

    def loss(params: Any, batch: Any) -> Array:
        distance, period = batch
        return jnp.mean(relative_error(dense_apply(params, distance), period) ** 2)

    def init(key: Array) -> Any:
        return DENSE.init(key, distance)

    return _train(loss, init, "dense network", distance, period, restarts, steps, seed)


def _train(loss, init, label, distance, period, restarts, steps, seed, **options) -> Any:
    return training.fit(
        loss,
        init,
        key=jax.random.key(seed),
        steps=steps,
        optimiser=optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, steps)),
        data=(distance, period),
        restarts=restarts,
        keep="last",  # after the penalty has gone
        progress=label,
        **options,
    ).all_params


def dense_apply(params: Any, distance: ArrayLike) -> Array:
    """(n, 1) periods of (n, 1) distances."""
    return jnp.asarray(DENSE.apply(params, distance))


def formula(params: Any, *, tolerance: float = 0.0) -> str:
    """The sum of powers that one restart computes, as text, largest coefficient first.

    A number within `tolerance` of a fraction with denominator up to 4 is written as that fraction.
    """
    power_params, nau_params = params
    gate = float(real_npu.weights(jax.tree.map(jnp.asarray, power_params))["gate"][0])
    base = "distance" if gate > 0.999 else f"({gate:.4f} distance + {1 - gate:.4f})"
    pairs = zip(np.ravel(nau_params["w"]).tolist(), np.ravel(power_params["re"]).tolist(), strict=True)
    terms = sorted(((w, re) for w, re in pairs if w != 0), key=lambda pair: -abs(pair[0]))
    return " + ".join(_term(_number(w, tolerance), base, _number(re, tolerance)) for w, re in terms) or "0"


def _term(coefficient: str, base: str, exponent: str) -> str:
    power = base if exponent == "1" else f"{base}^({exponent})" if "/" in exponent else f"{base}^{exponent}"
    return power if coefficient == "1" else f"{coefficient} {power}"


def _number(value: float, tolerance: float) -> str:
    simple = fractions.Fraction(value).limit_denominator(4)
    return str(simple) if abs(value - simple) < tolerance else f"{value:.4f}"


def run(*, restarts: int = RESTARTS, steps: int = STEPS, seed: int = 0) -> int:
    """Train, print what was learned, and return the number of restarts that found the law.

    A restart has found it when its exponent is within 0.005 of 3/2 and its error is below 1 % on every outer body.
    """
    bodies = load_bodies()
    inner = bodies.distance[:, 0] < INNER
    data = (bodies.distance[inner], bodies.period[inner])
    outer_distance, outer_period = bodies.distance[~inner], bodies.period[~inner]
    params = train_units(*data, restarts=restarts, steps=steps, seed=seed)
    dense = train_dense(*data, restarts=restarts, steps=steps, seed=seed)

    def errors(apply: Callable[[Any, np.ndarray], Array], params: Any) -> tuple[np.ndarray, np.ndarray]:
        """Relative errors on the inner and on the outer bodies, (restarts, n)."""
        inside, outside = (jax.vmap(lambda p, d=d: apply(p, d)[:, 0])(params) for d in (data[0], outer_distance))
        inside, outside = relative_error(inside, data[1].T), relative_error(outside, outer_period.T)
        return np.asarray(inside), np.asarray(outside)

    inside, outside = errors(MODEL.apply, params)
    dense_inside, dense_outside = errors(dense_apply, dense)
    best, dense_best = (int(np.argmin(np.mean(e**2, axis=1))) for e in (inside, dense_inside))

    largest = np.abs(params[1]["w"][..., 0]).argmax(axis=1)
    exponents = np.asarray(params[0]["re"])[np.arange(restarts), 0, largest]
    found = (np.abs(exponents - 1.5) < 0.005) & (np.abs(outside).max(axis=1) < 0.01)
    best_params = jax.tree.map(lambda leaf: leaf[best], params)

    sizes = [sum(leaf[0].size for leaf in jax.tree.leaves(tree)) for tree in (params, dense)]
    print(f"\nTrained on {inner.sum()} bodies inside {INNER:g} AU, {restarts} restarts at once, {steps} steps each.")
    print(f"learned exponent   {exponents[best]:.4f}   (Kepler: 1.5)")
    print(f"learned formula    period = {formula(best_params)}")
    print(f"in simple numbers  period = {formula(best_params, tolerance=0.01)}")
    print(f"restarts that found the law: {found.sum()} of {restarts}\n")
    print("relative error on the outer bodies, never seen:")
    print(f"  {'body':10} {'AU':>8} {'years':>9} {'RealNPU -> NAU':>15} {'dense network':>14}")
    rows = zip(np.array(bodies.names)[~inner], outer_distance[:, 0], outer_period[:, 0], strict=True)
    for (name, axis, period), ours, theirs in zip(rows, outside[best], dense_outside[dense_best], strict=True):
        print(f"  {name:10} {axis:8.2f} {period:9.2f} {ours:15.2%} {theirs:14.2%}")
    print(f"  ({sizes[0]} parameters against {sizes[1]}; of each model the restart with the lowest training error)")
    return int(found.sum())
