"""Drawn laws: tables whose law is known because it was drawn, inside and outside of what `discover.table` looks for.

Odd seeds are for tuning, even seeds for reports: no number of the package was chosen on an even seed that is still
reported, but for those that `laws` names.

    family                  what is drawn
    "sum of products"       1 to 3 terms of 1 to 6 inputs, 30 to 300 rows, normal noise
    "hard sum of products"  1 to 4 terms of 1 to 8 inputs, 20 to 1,000 rows; sizes from 1e-30 to 1e30; signed, narrow
                            and correlated inputs; outliers
    "nested"                quotients and powers of sums
    "elementary"            one exp, log, sin, cos or tanh of a product
    "unreachable"           outside of the whole family of formulas: two functions, a maximum, an input as exponent, ...
"""

from collections.abc import Callable

import numpy as np

from nalu_jax.discover._engine.forms import Form

from ._law import FRESH_ROWS, NOISES, Law, log_integer, near_simple, product, rms, with_noise
from ._outside_laws import outside

SIMPLE = (1.0, -1.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 1.5, -1.5, 3.0, -3.0)  # what stands twice is likelier
DIGITS = 280  # decimal digits that no product of powers exceeds on its way


def draw(family: str, seed: int) -> Law:
    """The law of a seed.

    Raises:
        KeyError: no family of that name.
    """
    rng = np.random.default_rng([list(FAMILIES).index(family), seed])
    while True:
        law = FAMILIES[family](rng, family, seed)
        if law is not None and np.isfinite(law.fresh_y).all() and np.isfinite(law.y).all():
            return law


def _sum_of_products(rng: np.random.Generator, family: str, seed: int) -> Law | None:
    hard = family.startswith("hard")
    n_inputs = int(rng.integers(1, 9 if hard else 7))
    n_terms = int(rng.integers(1, 5 if hard else 4))
    n_rows = log_integer(rng, 20, 1000) if hard else log_integer(rng, 30, 300)
    n_active = int(rng.integers(1, min(n_inputs, 5 if hard else 4) + 1))
    signed = (rng.random(n_inputs) < 0.5) & (rng.random() < (0.3 if hard else 0.2))
    exponents = _exponents(rng, n_terms, rng.permutation(n_inputs)[:n_active], signed)
    if exponents is None:
        return None
    x = _inputs(rng, n_rows + FRESH_ROWS, signed, hard)
    log_size = np.log10(np.abs(x))
    if (np.abs(exponents) @ np.abs(log_size).max(0)).max() > DIGITS:
        return None
    terms = np.stack([np.prod(x**p, axis=1) for p in exponents])
    sizes = np.array([rms(term) for term in terms])
    digits = rng.uniform(-20, 20) if hard else rng.uniform(-4.3, 4.3)
    signs = np.where(rng.random(n_terms) < 0.25, -1, 1)
    with np.errstate(all="ignore"):
        constants = 10**digits * np.exp(rng.uniform(-1.5, 1.5, n_terms)) * signs / sizes
    values = constants @ terms
    if not (np.isfinite(constants).all() and (constants != 0).all() and np.isfinite(values).all()):
        return None
    noise, kind = float(rng.choice(NOISES)), str(rng.choice(["relative", "absolute"]))
    tails = "student" if hard and rng.random() < 0.2 else "normal"
    clean = values[:n_rows]
    y, scale = with_noise(rng, clean, noise, kind, tails)
    names = [f"x{j}" for j in range(n_inputs)]
    return Law(
        family=family,
        seed=seed,
        form="sum of products",
        text=_sum(names, exponents),
        constants=constants,
        x=x[:n_rows],
        y=y,
        clean=clean,
        fresh_x=x[n_rows:],
        fresh_y=values[n_rows:],
        noise=noise,
        kind=kind,
        tails=tails,
        exponents=exponents,
        signs=np.ones(n_terms),
        shape=Form("sum", (n_terms,)),
        weakest=_weakest((constants[:, None] * terms)[:, :n_rows], scale + 1e-12 * rms(clean)),
    )


def _sum(names: list[str], exponents: np.ndarray) -> str:
    return " + ".join(f"c{k}*{product(names, p)}" if p.any() else f"c{k}" for k, p in enumerate(exponents))


def _exponents(rng: np.random.Generator, n_terms: int, active: np.ndarray, signed: np.ndarray) -> np.ndarray | None:
    """(terms, inputs): signed inputs have whole powers; None where two terms are too near, or there is no input."""
    real = rng.random() < 0.25
    exponents = np.zeros((n_terms, len(signed)))
    for row in exponents:
        n_factors = int(rng.integers(0 if n_terms > 1 else 1, min(len(active), 3) + 1))
        for j in rng.permutation(active)[:n_factors]:
            row[j] = rng.choice([1, 1, 2, 3]) if signed[j] else _exponent(rng, real)
    apart = [np.abs(exponents[i] - exponents[j]).max() for i in range(n_terms) for j in range(i)]
    return exponents if exponents.any() and min(apart, default=1.0) >= 0.3 else None


def _exponent(rng: np.random.Generator, real: bool) -> float:
    """A simple one, or one of two decimals that is near no multiple of 1/2, 1/3 and 1/4: no rounding is right there."""
    if not real or rng.random() > 0.4:
        return float(rng.choice(SIMPLE))
    while True:
        value = round(float(rng.choice([-1, 1]) * rng.uniform(0.2, 2.8)), 2)
        if near_simple(value, 0.006) is None:
            return value


def _inputs(rng: np.random.Generator, rows: int, signed: np.ndarray, hard: bool) -> np.ndarray:
    """Columns whose largest entry is 1.5 to 10,000 times their smallest one; signed ones have both signs."""
    n_inputs = len(signed)
    width = np.exp(rng.uniform(np.log(np.log(1.5)), np.log(np.log(1e4)), n_inputs))
    centre = rng.normal(size=n_inputs) * 3
    if hard and rng.random() < 0.4:  # SI sizes
        centre = np.where(rng.random(n_inputs) < 0.5, rng.uniform(-30, 30, n_inputs) * np.log(10), centre)
    place = rng.random((rows, n_inputs)) - 0.5
    if hard and rng.random() < 0.3:
        place = _correlated(rng, rows, n_inputs)
    sign = np.where(signed, rng.choice([-1, 1], (rows, n_inputs)), 1)
    return np.exp(centre + width * place) * sign


def _correlated(rng: np.random.Generator, rows: int, n_inputs: int) -> np.ndarray:
    """Entries in [-0.5, 0.5], correlated by 0.5 to 0.95."""
    share = rng.uniform(0.5, 0.95)
    common = np.sqrt(share) * rng.normal(size=(rows, 1)) + np.sqrt(1 - share) * rng.normal(size=(rows, n_inputs))
    return np.clip(common / 5, -0.5, 0.5)


def _weakest(terms: np.ndarray, scale: np.ndarray) -> float:
    columns = (terms / scale).T
    left = []
    for k, column in enumerate(columns.T):
        others = np.delete(columns, k, axis=1)
        fitted = others @ np.linalg.lstsq(others, column, rcond=None)[0] if others.size else 0.0
        left.append(float(np.linalg.norm(column - fitted)))
    return min(left)


FAMILIES: dict[str, Callable[[np.random.Generator, str, int], Law | None]] = {
    "sum of products": _sum_of_products,
    "hard sum of products": _sum_of_products,
    "nested": outside,
    "elementary": outside,
    "unreachable": outside,
}
