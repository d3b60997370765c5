"""Does a NAU/NMU head let an image encoder learn sum and product of two digits, and results larger than any seen?

Pairs of digit images (`sklearn.datasets.load_digits`) go through one small convolutional encoder, which gives a number
for each image, and a head, which gives two results: a NAU and an NMU, or a dense network. Encoder and head learn end to
end from the two results alone; no image has a label of its own. Images are split into those of the training pairs and
held-out ones. Training pairs have a sum of at most 11 (and so a product of at most 30); "large" pairs have both
results above every one in training. A result counts as right where its prediction rounds to it.

    python benchmarks/digit_arithmetic.py --seeds 3 --json benchmarks/results/digit_arithmetic.json
    python benchmarks/digit_arithmetic.py --quick

Answer (3 seeds in linen and in NNX, mean and range of 6 runs, results/digit_arithmetic.json), in percent:

                held out: sum      product           large: sum        product
    arithmetic  92.4 (90.1-95.5)   85.7 (82.0-90.4)  81.3 (71.4-90.8)  33.2 (17.9-42.8)
    dense       92.6 (91.0-94.2)   88.1 (86.0-90.1)  78.6 (53.2-91.0)   1.5  (0.5-2.6)

Products extrapolate only with the NMU; its weights and the NAU's end at exactly 1. Within the range of training the
dense head is as good, on products a little better; and as a piecewise linear function it extrapolates a sum by itself.
A large product is the hardest: 9 * 9 needs each 9 read to 1/18, training's largest product of a 9, 9 * 2, to 1/4.

Every finished run is written at once: after an interruption the same command continues with what is missing.
"""

import argparse
import json
import pathlib
import platform
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import flax
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax import nnx
from sklearn.datasets import load_digits
from tqdm.auto import trange

import nalu_jax
import nalu_jax.linen
import nalu_jax.nnx
from nalu_jax import models

MAX_SUM = 11  # of the training pairs
MAX_PRODUCT = 30  # which follows: 5 * 6
TRAIN_IMAGES = 1300  # of 1797
BATCH = 128
LEARNING_RATE = 1e-2
PENALTY = 0.1
SYMBOLS = 24  # more than the ten digits: nothing tells the encoder how many there are


class Pairs(NamedTuple):
    """Indices a, b (n,) of images, and results (n, 2): sum and product."""

    a: np.ndarray
    b: np.ndarray
    results: np.ndarray


class Data(NamedTuple):
    """images (1797, 8, 8, 1) in [0, 1]; training pairs, and held-out pairs by name."""

    images: jax.Array
    train: Pairs
    tests: dict[str, Pairs]


def load(seed: int) -> Data:
    """A split by image and pairs drawn from it."""
    digits = load_digits()
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(digits.target))
    train, held_out = order[:TRAIN_IMAGES], order[TRAIN_IMAGES:]
    small = lambda results: results[:, 0] <= MAX_SUM
    large = lambda results: (results[:, 0] > MAX_SUM) & (results[:, 1] > MAX_PRODUCT)
    tests = {"held out": _pairs(rng, held_out, digits.target, 2000, small)}
    tests["large"] = _pairs(rng, held_out, digits.target, 2000, large)
    images = jnp.asarray(digits.images[..., None] / 16, jnp.float32)
    return Data(images, _pairs(rng, train, digits.target, 20_000, small), tests)


def _pairs(rng: np.random.Generator, indices: np.ndarray, target: np.ndarray, n: int, keep: Callable) -> Pairs:
    a, b = rng.choice(indices, (2, 20 * n))
    results = np.stack([target[a] + target[b], target[a] * target[b]], -1).astype(np.float32)
    kept = np.flatnonzero(keep(results))[:n]
    assert len(kept) == n
    return Pairs(a[kept], b[kept], results[kept])


# the same model twice ------------------------------------------------------------------------------------------------


class LinenModel(nn.Module):
    """(n, 2, 8, 8, 1) -> (n, 2)."""

    head: str

    @nn.compact
    def __call__(self, pair):
        x = nn.relu(nn.LayerNorm()(nn.Conv(24, (3, 3), strides=2)(pair)))
        x = nn.relu(nn.LayerNorm()(nn.Conv(48, (3, 3))(x)))
        x = nn.relu(nn.LayerNorm()(nn.Dense(128)(x.reshape(*x.shape[:-3], -1))))
        symbols = nn.softmax(nn.Dense(SYMBOLS)(x))
        z = nn.Dense(1, use_bias=False, kernel_init=nn.initializers.uniform(9.0))(symbols)[..., 0]
        if self.head == "dense":
            return nn.Dense(2)(nn.relu(nn.Dense(64)(nn.relu(nn.Dense(64)(z)))))
        total, product = nalu_jax.linen.NAU(1, w_init="half")(z), nalu_jax.linen.NMU(1)(z)
        return jnp.concatenate([total, product], -1)


class NnxModel(nnx.Module):
    """(n, 2, 8, 8, 1) -> (n, 2)."""

    def __init__(self, head: str, rngs: nnx.Rngs):
        self.conv1, self.norm1 = nnx.Conv(1, 24, (3, 3), strides=2, rngs=rngs), nnx.LayerNorm(24, rngs=rngs)
        self.conv2, self.norm2 = nnx.Conv(24, 48, (3, 3), rngs=rngs), nnx.LayerNorm(48, rngs=rngs)
        self.dense, self.norm3 = nnx.Linear(4 * 4 * 48, 128, rngs=rngs), nnx.LayerNorm(128, rngs=rngs)
        self.symbols = nnx.Linear(128, SYMBOLS, rngs=rngs)
        scale = nnx.initializers.uniform(9.0)
        self.values = nnx.Linear(SYMBOLS, 1, use_bias=False, kernel_init=scale, rngs=rngs)
        self.arithmetic = head == "arithmetic"
        if self.arithmetic:
            self.nau = nalu_jax.nnx.NAU(2, 1, w_init="half", rngs=rngs)
            self.nmu = nalu_jax.nnx.NMU(2, 1, rngs=rngs)
        else:
            layers = (nnx.Linear(2, 64, rngs=rngs), nnx.relu, nnx.Linear(64, 64, rngs=rngs), nnx.relu)
            self.head = nnx.Sequential(*layers, nnx.Linear(64, 2, rngs=rngs))

    def __call__(self, pair):
        x = nnx.relu(self.norm1(self.conv1(pair)))
        x = nnx.relu(self.norm2(self.conv2(x)))
        x = nnx.relu(self.norm3(self.dense(x.reshape(*x.shape[:-3], -1))))
        z = self.values(nnx.softmax(self.symbols(x)))[..., 0]
        return jnp.concatenate([self.nau(z), self.nmu(z)], -1) if self.arithmetic else self.head(z)


# training ------------------------------------------------------------------------------------------------------------


def _optimiser(units: Any, steps: int) -> optax.GradientTransformation:
    # without the slow start and the clipped gradient one run in six of either head never leaves the mean result
    adam = optax.adam(optax.warmup_cosine_decay_schedule(0.0, LEARNING_RATE, steps // 10, steps))
    return optax.chain(optax.clip_by_global_norm(1.0), adam, models.projection(units))


def _error(y: jax.Array, results: jax.Array, spread: jax.Array) -> jax.Array:
    return (((y - results) / spread) ** 2).mean()


def train_linen(head: str, data: Data, seed: int, steps: int, batches: Any) -> tuple[Callable, dict]:
    """(predict, params of the units by name)."""
    model, key, x = LinenModel(head), jax.random.key(seed), jnp.zeros((1, 2, 8, 8, 1))
    params, units = model.init(key, x)["params"], nalu_jax.linen.find_units(model, key, x)
    optimiser, ramp = _optimiser(units, steps), models.linear_ramp(PENALTY, start=0, end=steps // 2)
    spread = jnp.asarray(data.train.results.std(0))[None]

    @jax.jit
    def step(params, state, i, x, results):
        def loss(params):
            error = _error(model.apply({"params": params}, x), results, spread)
            return error + models.penalty(params, units, scale=ramp(i))

        updates, state = optimiser.update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    state = optimiser.init(params)
    for i, (x, results) in enumerate(batches):
        params, state = step(params, state, i, x, results)
    found = {placed.unit.name: params[path[0]] for path, placed in units.items()}
    return jax.jit(lambda x: model.apply({"params": params}, x)), found


def train_nnx(head: str, data: Data, seed: int, steps: int, batches: Any) -> tuple[Callable, dict]:
    """(predict, params of the units by name)."""
    model = NnxModel(head, nnx.Rngs(seed))
    units, ramp = nalu_jax.nnx.find_units(model), models.linear_ramp(PENALTY, start=0, end=steps // 2)
    optimizer = nnx.Optimizer(model, _optimiser(units, steps), wrt=nnx.Param)
    spread = jnp.asarray(data.train.results.std(0))[None]

    @nnx.jit
    def step(model, optimizer, i, x, results):
        def loss(model):
            penalty = models.penalty(nnx.state(model, nnx.Param), units, scale=ramp(i))
            return _error(model(x), results, spread) + penalty

        optimizer.update(model, nnx.grad(loss)(model))

    for i, (x, results) in enumerate(batches):
        step(model, optimizer, i, x, results)
    pure = nnx.to_pure_dict(nnx.state(model, nnx.Param))
    return nnx.jit(model), {placed.unit.name: pure[path[0]] for path, placed in units.items()}


TRAIN = {"linen": train_linen, "nnx": train_nnx}


def run(front: str, head: str, seed: int, steps: int, *, progress: bool = False) -> dict[str, Any]:
    """One training and its accuracies: {"accuracy": {"held out" | "large": {"sum", "product"}}, ...}."""
    data, rng, start = load(seed), np.random.default_rng(seed), time.perf_counter()

    def batches():
        for _ in trange(steps, desc=f"{front} {head} seed {seed}", disable=not progress, leave=False):
            i = rng.integers(0, len(data.train.a), BATCH)
            images = jnp.stack([data.images[data.train.a[i]], data.images[data.train.b[i]]], 1)
            yield images, jnp.asarray(data.train.results[i])

    predict, units = TRAIN[front](head, data, seed, steps, batches())
    accuracy = {}
    for name, pairs in data.tests.items():
        y = np.asarray(predict(jnp.stack([data.images[pairs.a], data.images[pairs.b]], 1)))
        right = (np.round(y) == pairs.results).mean(0)
        accuracy[name] = {"sum": round(float(right[0]), 4), "product": round(float(right[1]), 4)}
    weights = {name: np.asarray(params["w"]).round(4).ravel().tolist() for name, params in units.items()}
    seconds = round(time.perf_counter() - start, 1)
    return {"front": front, "head": head, "seed": seed, "accuracy": accuracy, "weights": weights, "seconds": seconds}


# command line --------------------------------------------------------------------------------------------------------


def _report(runs: list[dict[str, Any]]) -> None:
    print(f"\n{'':24}{'held out':>18}{'large':>18}\n{'':24}{'sum':>9}{'product':>9}{'sum':>9}{'product':>9}")
    for run in runs:
        cells = [run["accuracy"][name][result] for name in ("held out", "large") for result in ("sum", "product")]
        label = f"{run['front']} {run['head']} seed {run['seed']}"
        print(f"{label:24}" + "".join(f"{100 * cell:8.1f}%" for cell in cells))


def main(arguments: list[str] | None = None) -> None:
    """Runs what is missing in the JSON file, and prints the table."""
    parser = argparse.ArgumentParser(description="Sum and product of two digit images, learned end to end.")
    parser.add_argument("--quick", action="store_true", help="one seed and 400 steps: a smoke test")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--json", type=pathlib.Path, help="write every finished run here; continue what is there")
    options = parser.parse_args(arguments)
    seeds, steps = (1, 400) if options.quick else (options.seeds, options.steps)
    setting = {"steps": steps, "batch": BATCH, "learning_rate": LEARNING_RATE, "penalty": PENALTY, "symbols": SYMBOLS}
    versions = {"jax": jax.__version__, "flax": flax.__version__, "nalu_jax": nalu_jax.__version__}
    record = {"setting": setting, "versions": versions, "machine": platform.machine(), "runs": []}
    if options.json and options.json.exists():
        earlier = json.loads(options.json.read_text())
        record["runs"] = earlier["runs"] if earlier["setting"] == setting else []
    done = {(run["front"], run["head"], run["seed"]) for run in record["runs"]}
    try:
        for wanted in [(f, h, s) for s in range(seeds) for f in TRAIN for h in ("arithmetic", "dense")]:
            if wanted not in done:
                record["runs"].append(run(*wanted, steps, progress=True))
                if options.json:
                    options.json.write_text(json.dumps(record, indent=1) + "\n")
    except KeyboardInterrupt:
        print("\ninterrupted; finished runs:")
    _report(record["runs"])


if __name__ == "__main__":
    main()
