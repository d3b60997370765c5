"""A law, a table of it, and what laws of every kind need: text to values, noise, simple numbers."""

import dataclasses
from typing import Any

import numpy as np

from nalu_jax.discover._engine.forms import Form

NOISES = (0.0, 0.001, 0.01, 0.03, 0.1)
FRESH_ROWS = 400  # rows without noise, never shown to a search, on which an answer is compared with the law
FUNCTIONS = {
    name: getattr(np, name) for name in ("sqrt", "exp", "expm1", "log", "log1p", "sin", "cos", "tan", "tanh", "cosh")
} | {"arcsin": np.arcsin, "arccos": np.arccos, "ln": np.log, "Max": np.maximum, "Min": np.minimum, "pi": np.pi}


@dataclasses.dataclass(frozen=True, eq=False)
class Law:
    """A law and a table drawn from it.

    Attributes:
        family: what it was drawn from, a key of `FAMILIES`, or where it was taken from.
        seed: the seed.
        form: a word for its shape.
        text: the law as Python text, where constants are c0, c1, ... and inputs x0, x1, ...
        constants: the values of c0, c1, ...
        x, y: the table, (rows, inputs) and (rows,); `y` has the noise.
        clean: (rows,) the target without noise.
        fresh_x, fresh_y: rows from the same distribution, without noise.
        noise, kind, tails: the size of the noise; "relative" to each row's target or "absolute", of the rms of the
            target; "normal" or "student", Student's t distribution with 3 degrees of freedom and the same variance.
        exponents: (terms, inputs); the coefficients of the terms are `signs` times the constants. No terms where the
            law is outside of the whole family.
        signs: (terms,) of 1 and -1.
        shape: how the terms make the law; None where it is outside of the whole family.
        weakest: how far the weakest term stands above the noise: its length, without what other terms could explain, in
            standard deviations. None where the law is no sum of products.
    """

    family: str
    seed: int
    form: str
    text: str
    constants: np.ndarray
    x: np.ndarray
    y: np.ndarray
    clean: np.ndarray
    fresh_x: np.ndarray
    fresh_y: np.ndarray
    noise: float
    kind: str
    exponents: np.ndarray
    signs: np.ndarray
    tails: str = "normal"
    shape: Form | None = None
    weakest: float | None = None

    @property
    def names(self) -> list[str]:
        """x0, x1, ..."""
        return [f"x{j}" for j in range(self.x.shape[1])]

    @property
    def real(self) -> bool:
        """Whether it has exponents that are no simple numbers."""
        return any(near_simple(float(p), 1e-6) is None for p in self.exponents.ravel())

    @property
    def labels(self) -> dict[str, Any]:
        """What describes the table, as it goes into a result's row."""
        return {
            "family": self.family,
            "seed": self.seed,
            "form": self.form,
            "terms": len(self.exponents) or None,
            "real": self.real,
            "rows": self.x.shape[0],
            "inputs": self.x.shape[1],
            "noise": self.noise,
            "kind": self.kind,
            "tails": self.tails,
        }


def evaluate(text: str, x: np.ndarray, constants: np.ndarray | None = None) -> np.ndarray:
    """(rows,) values of a law's text at `x`."""
    values = {f"x{j}": column for j, column in enumerate(x.T)}
    values |= {} if constants is None else {f"c{i}": value for i, value in enumerate(constants)}
    with np.errstate(all="ignore"):
        found = eval(text, {"__builtins__": {}} | FUNCTIONS | values)  # text of this module and of a committed file
    return np.broadcast_to(np.asarray(found, float), x.shape[:1]).copy()


def with_noise(
    rng: np.random.Generator, clean: np.ndarray, noise: float, kind: str, tails: str = "normal"
) -> tuple[np.ndarray, np.ndarray]:
    """The target with noise, and the standard deviation of the noise of every row."""
    scale = noise * (np.abs(clean) if kind == "relative" else np.full(len(clean), rms(clean)))
    unit = rng.normal(size=len(clean)) if tails == "normal" else rng.standard_t(3, len(clean)) / np.sqrt(3)
    return clean + scale * unit, scale


def rms(values: np.ndarray) -> float:
    """Root mean square, of any size of values."""
    largest = np.abs(values).max(initial=0.0)
    return float(largest * np.sqrt(np.mean((values / largest) ** 2))) if largest else 0.0


def product(names: list[str], exponents: np.ndarray) -> str:
    """ "x0*x1**-2.0", or "1" of no input."""
    powers = [(name, float(p)) for name, p in zip(names, exponents, strict=True) if p != 0]
    return "*".join(name if p == 1 else f"{name}**{int(p) if p == int(p) else p}" for name, p in powers) or "1"


def near_simple(value: float, tolerance: float) -> float | None:
    """The multiple of 1/2, 1/3 or 1/4 within the tolerance of a value, or None."""
    nearest = min((round(value * whole) / whole for whole in (2, 3, 4)), key=lambda simple: abs(simple - value))
    return nearest if abs(nearest - value) < tolerance else None


def log_integer(rng: np.random.Generator, low: int, high: int) -> int:
    """A whole number whose logarithm is uniform."""
    return int(round(np.exp(rng.uniform(np.log(low), np.log(high)))))
