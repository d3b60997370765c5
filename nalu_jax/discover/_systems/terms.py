"""Terms of a rate: products of powers and of functions of states, with values and gradients.

>>> import numpy as np
>>> columns = Columns((Term((1.0, 2.0)), Term((0.5, 0.0)), Term((0.0, 1.0), (Function("sin", (1.0, 0.0)),))), 2)
>>> columns.values(np.array([[4.0, 3.0]])).round(3).tolist()
[[36.0, 2.0, -2.27]]
>>> columns.gradients(np.array([[4.0, 3.0]]))[1].round(3).tolist()
[[[9.0, 24.0], [0.25, 0.0], [-1.961, -0.757]]]
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from nalu_jax.discover._engine.candidate import SATURATING

LARGEST_LOGARITHM = 300.0  # of an exponential function
SMALLEST_BASE = 1e-9  # of a power that is no whole number, in standard deviations of the state
SMALLEST_DENOMINATOR = 1e-9  # below it a quotient is left as not finite


class Function(NamedTuple):
    """An elementary function of the inner product of weights (n_states,) and the states."""

    name: str
    weights: tuple[float, ...]


@dataclass(frozen=True)
class Term:
    """A product of powers of the states and of functions of them.

    Attributes:
        powers: (n_states,) exponents; where they are free, those with which a fit begins.
        functions: factors beside the powers.
        free: (n_states,) which exponents are parameters; () for none.
        price: nats of its name.
    """

    powers: tuple[float, ...]
    functions: tuple[Function, ...] = ()
    free: tuple[bool, ...] = ()
    price: float = field(default=0.0, compare=False)

    @property
    def degree(self) -> float:
        """Of the powers, two more for each function."""
        return sum(map(abs, self.powers)) + 2 * len(self.functions)

    @property
    def saturates(self) -> bool:
        """Whether one of its functions makes it saturate."""
        return any(function.name in SATURATING for function in self.functions)

    @property
    def whole(self) -> bool:
        """Whether all exponents are whole numbers of at least 0 and none is free."""
        return not any(self.free) and all(power >= 0 and power == int(power) for power in self.powers)

    def reads(self, variable: int) -> bool:
        """Whether a variable is in it."""
        free = self.free[variable] if self.free else False
        inside = any(function.weights[variable] != 0 for function in self.functions)
        return bool(free or inside or self.powers[variable] != 0)


def _exp(u: np.ndarray) -> np.ndarray:
    return np.exp(np.clip(u, -LARGEST_LOGARITHM, LARGEST_LOGARITHM))


def _under(u: np.ndarray, power: int) -> np.ndarray:
    below = 1 + u**power
    return np.where(below > SMALLEST_DENOMINATOR, below, np.nan)


def _saturating(power: int) -> tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]:
    return lambda u: 1 / _under(u, power), lambda u: -power * u ** (power - 1) / _under(u, power) ** 2


FUNCTIONS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]] = {
    "sin": (np.sin, np.cos),
    "cos": (np.cos, lambda u: -np.sin(u)),
    "exp": (_exp, _exp),
    "log": (lambda u: np.log(np.abs(u)), lambda u: 1 / u),
    "tanh": (np.tanh, lambda u: 1 / np.cosh(np.clip(u, -LARGEST_LOGARITHM, LARGEST_LOGARITHM)) ** 2),
    "abs": (np.abs, np.sign),
    **{name: _saturating(power) for name, power in SATURATING.items()},
}
"""Value and derivative."""

ELEMENTARY = tuple(name for name in FUNCTIONS if name not in SATURATING)
"""Those that a caller may allow by name."""


class Columns:
    """Terms of n states, evaluated together. States are arrays (..., n)."""

    def __init__(self, terms: Sequence[Term], n_states: int):
        self.terms = tuple(terms)
        self.n_states = n_states
        self.powers = np.array([term.powers for term in terms], float).reshape(len(self.terms), n_states)
        free = np.array([term.free or (False,) * n_states for term in terms], bool).reshape(self.powers.shape)
        whole = (self.powers >= 0) & (self.powers == np.round(self.powers)) & ~free
        exponents = np.where(whole, self.powers, 0).astype(int)
        self._active = [
            (j, exponents[:, j], np.maximum(exponents[:, j] - 1, 0), np.flatnonzero(~whole[:, j]).tolist())
            for j in range(n_states)
            if exponents[:, j].any() or not whole[:, j].all()
        ]
        self._functions = [k for k, term in enumerate(self.terms) if term.functions]

    def values(self, states: np.ndarray, powers: np.ndarray | None = None) -> np.ndarray:
        """(..., n_terms); `powers` (n_terms, n_states) stand for the terms' own where some are free."""
        powers = self.powers if powers is None else powers
        found = np.ones((*states.shape[:-1], len(self.terms)))
        for j, exponents, _, real in self._active:
            found *= _whole_powers(states[..., j], int(exponents.max()))[..., exponents]
            for k in real:
                found[..., k] *= _base(states[..., j]) ** powers[k, j]
        for k in self._functions:
            for function in self.terms[k].functions:
                found[..., k] *= FUNCTIONS[function.name][0](states @ np.array(function.weights))
        return found

    def gradients(self, states: np.ndarray, powers: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Values (..., n_terms) and their derivatives by the states (..., n_terms, n_states)."""
        powers = self.powers if powers is None else powers
        shape = (*states.shape[:-1], len(self.terms))
        gradients, values = np.zeros((*shape, states.shape[-1])), np.ones(shape)
        factors = []
        for j, exponents, lower, real in self._active:
            state = states[..., j]
            table = np.ones((*state.shape, exponents.max() + 1))
            for power in range(1, table.shape[-1]):
                np.multiply(table[..., power - 1], state, out=table[..., power])
            factor, slope = table[..., exponents], table[..., lower] * exponents
            for k in real:
                base, power = _base(state), powers[k, j]
                factor[..., k] = base**power
                slope[..., k] = np.where(
                    state > SMALLEST_BASE, power * base ** (power - 1), 0.0
                )  # there it is constant
            factors.append(factor)
            gradients[..., j] = slope
            values *= factor
        for i, (j, *_) in enumerate(self._active):
            for other, factor in enumerate(factors):
                if other != i:
                    gradients[..., j] *= factor
        for k in self._functions:
            self._with_functions(k, states, values, gradients)
        return values, gradients

    def _with_functions(self, k: int, states: np.ndarray, values: np.ndarray, gradients: np.ndarray) -> None:
        """Multiplies a term by its functions, in place."""
        for name, weights in self.terms[k].functions:
            inside = states @ np.array(weights)
            value, slope = FUNCTIONS[name][0](inside), FUNCTIONS[name][1](inside)
            gradients[..., k, :] *= value[..., None]
            gradients[..., k, :] += (values[..., k] * slope)[..., None] * np.array(weights)
            values[..., k] *= value


def _whole_powers(state: np.ndarray, highest: int) -> np.ndarray:
    """(..., highest + 1) powers from 0 on."""
    found = np.ones((*state.shape, highest + 1))
    for power in range(1, highest + 1):
        np.multiply(found[..., power - 1], state, out=found[..., power])
    return found


def _base(state: np.ndarray) -> np.ndarray:
    return np.maximum(state, SMALLEST_BASE)


def log_base(state: np.ndarray) -> np.ndarray:
    """Logarithm of a state as powers have it: the derivative of a power by its exponent is this times the power."""
    return np.log(_base(state))
