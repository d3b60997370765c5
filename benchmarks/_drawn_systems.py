"""Drawn systems of equations: trajectories whose law is known because it was drawn.

Odd seeds are for tuning, even seeds for reports: no number of the package was chosen on an even seed, but for
`ANGLE_STEP`, on two of seeds that are reported no more (see `systems`).

    family             what is drawn
    "polynomial"       1 to 4 states, 1 to 3 products of whole powers up to degree 3 in each equation
    "real exponents"   1 to 3 positive states; in one or two terms of each equation simple exponents from -1 to 2
    "quotient"         1 or 2 positive states; one equation over 1 + q y^p
    "function"         1 or 2 states; a sine, cosine or decaying exponential in the last equation
    "saturating"       1 to 3 positive states; in one or two equations a product over 1 + q y^p, beside others

Normal noise of 0, 1, 5 or 10 % of each state's standard deviation; 50 to 200 points; one to three trajectories. Or
noise as it is told, and `two_trajectories` of 100 to 150 points.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.integrate import solve_ivp

NOISES = (0.0, 0.01, 0.05, 0.1)
LARGEST, STILL, QUIET = 30.0, 0.03, 1e-3  # states that explode, do not move, or come to rest early are drawn again
LEAST = 0.01  # positive states that come nearer to 0, where roots and quotients end, are drawn again
FUNCTIONS = ("sin", "cos", "exp")


class Product(NamedTuple):
    """coefficient * prod_j y_j^powers_j * function(sign * y_state)."""

    coefficient: float
    powers: tuple[float, ...]
    function: tuple[str, int, float] | None = None

    def value(self, y: np.ndarray) -> float:
        with np.errstate(all="ignore"):
            value = self.coefficient * float(np.prod(y ** np.array(self.powers)))
        if self.function is None:
            return value
        name, state, sign = self.function
        return value * float({"sin": np.sin, "cos": np.cos, "exp": np.exp}[name](sign * y[state]))


class System(NamedTuple):
    """A drawn law and its trajectories.

    Attributes:
        family, seed, noise: what was drawn.
        above, below: of every equation the terms above the bar, and those beside 1 below it.
        ts: of each trajectory.
        ys: of each trajectory (n_times, n_states), with noise.
    """

    family: str
    seed: int
    noise: float
    above: tuple[tuple[Product, ...], ...]
    below: tuple[tuple[Product, ...], ...]
    ts: list[np.ndarray]
    ys: list[np.ndarray]

    def rates(self, t: float, y: np.ndarray) -> list[float]:
        """dy/dt."""
        sums = [[sum(term.value(y) for term in part) for part in parts] for parts in (self.above, self.below)]
        return [over / (1 + under) for over, under in zip(*sums, strict=True)]


class Sizes(NamedTuple):
    """Noise in standard deviations of each state, trajectories, and points of each."""

    noise: float
    trajectories: int
    points: int


def any_sizes(rng: np.random.Generator) -> Sizes:
    """One to three trajectories of 50 to 200 points."""
    noise = float(NOISES[rng.integers(len(NOISES))])
    return Sizes(noise, int(rng.integers(1, 4)), int(np.exp(rng.uniform(np.log(50), np.log(200)))))


def two_trajectories(noise: float) -> Callable[[np.random.Generator], Sizes]:
    """Of 100 to 150 points each."""
    return lambda rng: Sizes(noise, 2, int(rng.integers(100, 151)))


def draw(family: str, seed: int, sizes: Callable[[np.random.Generator], Sizes] = any_sizes) -> System:
    """The system of a seed.

    Raises:
        KeyError: no family of that name.
    """
    rng = np.random.default_rng([list(FAMILIES).index(family), seed])
    while True:
        above, below = FAMILIES[family](rng)
        noise, count, points = sizes(rng)
        ts = np.linspace(0.0, float(rng.choice([5.0, 10.0, 20.0])), points)
        law = System(family, seed, noise, above, below, [ts] * count, [])
        clean = _trajectories(law, rng, signed=family in ("polynomial", "function"))
        if clean is not None:
            return law._replace(ys=[y + noise * y.std(0) * rng.normal(size=y.shape) for y in clean])


def _trajectories(law: System, rng: np.random.Generator, *, signed: bool) -> list[np.ndarray] | None:
    """Of every initial state, or None where they show nothing of the law."""
    found = []
    for ts in law.ts:
        start = rng.uniform(-1.5 if signed else 0.2, 2.0, len(law.above))
        ys = _solved(law, start, ts, -LARGEST if signed else LEAST / 2)
        late = None if ys is None else np.abs(np.diff(ys[len(ys) // 3 :], axis=0)).max(0)
        if ys is None or (ys.std(0) < STILL).any() or (late < QUIET * ys.std(0)).any():
            return None
        if not signed and ys.min() < LEAST:
            return None
        found.append(ys)
    return found


def _solved(law: System, start: np.ndarray, ts: np.ndarray, least: float) -> np.ndarray | None:
    """The states, or None where they leave `least` to `LARGEST`: at a pole steps would become nothing."""

    def exploded(t: float, y: np.ndarray) -> float:
        return min(LARGEST - float(np.abs(y).max()), float(y.min()) - least)

    exploded.terminal = True  # pyright: ignore[reportFunctionMemberAccess]  # as SciPy has it
    with np.errstate(all="ignore"):
        solution = solve_ivp(
            law.rates, (ts[0], ts[-1]), start, t_eval=ts, rtol=1e-10, atol=1e-12, method="DOP853", events=exploded
        )
    ys = solution.y.T
    return ys if solution.success and ys.shape == (len(ts), len(start)) and np.isfinite(ys).all() else None


def _coefficient(rng: np.random.Generator) -> float:
    return float(rng.choice([-1, 1], p=[0.6, 0.4])) * round(float(np.exp(0.7 * rng.normal())), 3)


def _equation(rng: np.random.Generator, n_states: int, powers: Callable[[], tuple[float, ...]]) -> tuple[Product, ...]:
    wanted = int(rng.integers(2 if n_states == 1 else 1, 4))
    found: dict[tuple[float, ...], Product] = {}
    while len(found) < wanted:
        chosen = powers()
        found.setdefault(chosen, Product(_coefficient(rng), chosen))
    return tuple(found.values())


def _whole(rng: np.random.Generator, n_states: int) -> tuple[float, ...]:
    degree = rng.choice([0, 1, 2, 3], p=[0.1, 0.45, 0.33, 0.12])
    return tuple(np.bincount(rng.integers(n_states, size=degree), minlength=n_states).astype(float).tolist())


Terms = tuple[tuple[Product, ...], ...]


def _polynomial(rng: np.random.Generator, most: int = 4) -> tuple[Terms, Terms]:
    n_states = int(rng.integers(1, most + 1))
    above = tuple(_equation(rng, n_states, lambda: _whole(rng, n_states)) for _ in range(n_states))
    return above, ((),) * n_states


def _real(rng: np.random.Generator) -> tuple[Terms, Terms]:
    n_states = int(rng.integers(1, 4))

    def powers() -> tuple[float, ...]:
        if rng.random() < 0.5:
            return _whole(rng, n_states)
        active = rng.permutation(n_states)[: int(rng.integers(1, min(2, n_states) + 1))]
        chosen = np.zeros(n_states)
        chosen[active] = rng.choice([0.5, 1.5, -1.0, -0.5, 1 / 3, 2 / 3, 1.0, 0.7], size=len(active))
        return tuple(chosen.tolist())

    return tuple(_equation(rng, n_states, powers) for _ in range(n_states)), ((),) * n_states


def _quotient(rng: np.random.Generator) -> tuple[Terms, Terms]:
    above, below = _polynomial(rng, 2)
    n_states = len(above)
    powers = np.zeros(n_states)
    powers[rng.integers(n_states)] = rng.integers(1, 4)
    under = Product(abs(_coefficient(rng)), tuple(powers.tolist()))
    return above, (*below[:-1], (under,))


def _function(rng: np.random.Generator) -> tuple[Terms, Terms]:
    above, below = _polynomial(rng, 2)
    n_states = len(above)
    name = str(rng.choice(FUNCTIONS))
    function = name, int(rng.integers(n_states)), -1.0 if name == "exp" else 1.0
    first = above[-1][0]._replace(powers=(0.0,) * n_states, function=function)
    return (*above[:-1], (first, *above[-1][1:])), below


def _saturating(rng: np.random.Generator) -> tuple[Terms, Terms]:
    """Sums of one or two products beside one that saturates, or falls, in one state; often the same in two equations.

    They are written over one bar.
    """
    n_states = int(rng.integers(1, 4))
    sums = [_equation(rng, n_states, lambda: _whole(rng, n_states))[:2] for _ in range(n_states)]
    state, power, size = int(rng.integers(n_states)), int(rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15])), _coefficient(rng)
    top = np.zeros(n_states)
    top[state] = power if rng.random() < 0.75 else 0.0
    others = [j for j in range(n_states) if j != state]
    if others and rng.random() < 0.6:
        top[rng.choice(others)] = 1.0
    chosen = {n_states - 1} | ({int(rng.integers(n_states))} if rng.random() < 0.5 else set())
    bar = Product(abs(size), tuple((power * (np.arange(n_states) == state)).astype(float).tolist()))
    above = [
        _over(terms, bar, Product(_coefficient(rng), tuple(top.tolist()))) if i in chosen else terms
        for i, terms in enumerate(sums)
    ]
    return tuple(above), tuple((bar,) if i in chosen else () for i in range(n_states))


def _over(terms: tuple[Product, ...], bar: Product, saturating: Product) -> tuple[Product, ...]:
    """A sum of products and of one that saturates, without the bar below it."""
    found: dict[tuple[float, ...], float] = {saturating.powers: saturating.coefficient}
    for term in terms:
        raised = tuple(a + b for a, b in zip(term.powers, bar.powers, strict=True))
        for powers, number in ((term.powers, term.coefficient), (raised, term.coefficient * bar.coefficient)):
            found[powers] = found.get(powers, 0.0) + number
    return tuple(Product(number, powers) for powers, number in found.items())


FAMILIES = {
    "polynomial": _polynomial,
    "real exponents": _real,
    "quotient": _quotient,
    "function": _function,
    "saturating": _saturating,
}
