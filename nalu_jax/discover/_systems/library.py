"""The terms that equations are searched among, each with the price of its name.

>>> [term.powers for term in polynomials(2, 2)]
[(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (2.0, 0.0), (1.0, 1.0), (0.0, 2.0)]
"""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nalu_jax import _prior
from nalu_jax.discover._engine.candidate import SATURATING
from nalu_jax.discover._systems import settings
from nalu_jax.discover._systems.terms import FUNCTIONS, Function, Term


def polynomials(n_states: int, degree: int) -> tuple[Term, ...]:
    """All products of whole powers up to a degree, the constant first."""
    found = []
    for total in range(degree + 1):
        for states in itertools.combinations_with_replacement(range(n_states), total):
            powers = tuple(float(states.count(j)) for j in range(n_states))
            found.append(Term(powers, price=monomial_price(n_states, total)))
    return tuple(found)


def monomial_price(n_states: int, degree: int) -> float:
    """Of a product of whole powers: how rare its degree is, and how many products have it."""
    of_degree = settings.DEGREE[min(degree, len(settings.DEGREE) - 1)]
    return math.log(math.comb(n_states + degree - 1, degree)) + of_degree


def product(term: Term, other: Term) -> Term:
    """The product of two products of whole powers."""
    powers = tuple(a + b for a, b in zip(term.powers, other.powers, strict=True))
    return Term(powers, price=monomial_price(len(powers), int(sum(powers))))


def degree_of(n_states: int) -> int:
    """The highest degree of the polynomials that are searched."""
    return settings.POLYNOMIAL_DEGREE.get(n_states, 2)


def real_products(signed: Sequence[bool], inverse: Sequence[bool]) -> tuple[Term, ...]:
    """Products of one or two states with simple powers, some of which are no whole positive numbers.

    Args:
        signed: of each state whether it has values below 0, and so whole positive powers only.
        inverse: of each state whether it stays away from 0, and so may have negative powers.
    """
    n_states = len(signed)
    choices = []
    for is_signed, has_inverse in zip(signed, inverse, strict=True):
        powers = (1.0, 2.0) if is_signed else settings.REAL_POWERS if has_inverse else settings.REAL_POWERS_AT_ZERO
        choices.append(powers)
    found = []
    for count in (1, 2):
        for states in itertools.combinations(range(n_states), count):
            for chosen in itertools.product(*(choices[j] for j in states)):
                powers = np.zeros(n_states)
                powers[list(states)] = chosen
                term = Term(tuple(powers.tolist()), price=real_price(powers.tolist(), n_states))
                found += [] if term.whole else [term]
    return tuple(found)


def real_price(powers: Sequence[float], n_states: int, free: Sequence[bool] = ()) -> float:
    """Of a product some of whose powers are no whole positive numbers, by the weights that tables give exponents."""
    used = [(power, bool(is_free)) for power, is_free in zip(powers, free or [False] * len(powers), strict=True)]
    used = [(power, is_free) for power, is_free in used if power != 0 or is_free]
    commonest = max(_prior.EXPONENTS.values())
    weights = (_prior.FREE if is_free else _prior.EXPONENTS.get(abs(power), _prior.FREE) for power, is_free in used)
    rarities = (-math.log(weight / commonest) for weight in weights)
    inverse = settings.INVERSE * sum(power < 0 for power, is_free in used if not is_free)
    return settings.FRACTION + monomial_price(n_states, len(used)) + sum(rarities) + inverse


class Kinds(NamedTuple):
    """What units say of variables: which are pure numbers, and a number that those of one unit share."""

    pure: tuple[bool, ...]
    unit: tuple[int, ...]


def functions(
    states: np.ndarray, scale: np.ndarray, names: Sequence[str], kinds: Kinds | None = None
) -> tuple[Term, ...]:
    """Functions of single states, sines and cosines of differences, each alone, times a state, and products of two.

    Args:
        states: (n, n_states) that were measured, in units of `scale`.
        scale: of the states, in the units of the data: inside a function stands the state as it was measured.
        names: of functions that may appear.
        kinds: of the states; None where units are not known, and any of them may be a pure number.
    """
    n_states = len(scale)
    kinds = Kinds((True,) * n_states, (0,) * n_states) if kinds is None else kinds
    single = _single(states, scale, names, kinds)
    if not single:
        return ()
    name = settings.FUNCTION + math.log(len(single))
    none = (0.0,) * n_states
    found = [Term(none, (function,), price=name + settings.FUNCTION_ALONE) for function in single]
    for function, powers in itertools.product(single, _states(n_states)):
        found.append(Term(powers, (function,), price=name + settings.FUNCTION_TIMES_STATE + math.log(n_states)))
    if n_states > settings.MOST_FUNCTION_PRODUCTS:
        return tuple(found)
    waves = [function for function in single if function.name in ("sin", "cos")]
    for one, other in itertools.combinations_with_replacement(waves, 2):
        if one.weights == other.weights and one.name == other.name == "sin":
            continue  # 1 - cos^2, with the constant
        price = settings.FUNCTION_PRODUCT + 2 * math.log(len(single))
        found.append(Term(none, (one, other), price=price))
    return tuple(found)


def with_rate(functions: Sequence[Function], n_states: int) -> tuple[Term, ...]:
    """Functions of a state with some rate inside, alone and times another state: times its own one stands for a change
    of the rate."""
    none = (0.0,) * n_states
    found = [Term(none, (function,), price=function_price(n_states, alone=True)) for function in functions]
    for function, powers in itertools.product(functions, _states(n_states)):
        if not any(power and weight for power, weight in zip(powers, function.weights, strict=True)):
            found.append(Term(powers, (function,), price=function_price(n_states, alone=False)))
    return tuple(found)


def saturating(functions: Sequence[Function], products: Sequence[Term]) -> tuple[Term, ...]:
    """Products that saturate in one state."""
    pairs = itertools.product(functions, products)
    return tuple(
        Term(term.powers, (function,), price=saturating_price(term.powers, function)) for function, term in pairs
    )


def saturating_price(powers: Sequence[float], function: Function) -> float:
    """Of a product that saturates, without the price of the size at which it does.

    Of y^p/(1 + q y^p) and 1/(1 + q y^p) the name is that of what is beside them, and the second is rarer.
    """
    n_states, power = len(powers), SATURATING[function.name]
    own = next(own for own, weight in zip(powers, function.weights, strict=True) if weight)
    degree = int(sum(powers) - own) if own in (0, power) else int(sum(powers))
    rarer = settings.INHIBITION * (own != power)
    return settings.SATURATION + monomial_price(n_states, power) + monomial_price(n_states, degree) + rarer


def rated_price(term: Term) -> float:
    """Of a term with a function whose rate is measured, without the price of the rate."""
    if term.saturates:
        return saturating_price(term.powers, term.functions[0])
    return function_price(len(term.powers), alone=not any(term.powers))


def function_price(n_states: int, *, alone: bool) -> float:
    """Of a term with a function whose rate is measured, without the price of the rate."""
    name = settings.FUNCTION + math.log(settings.RATED_FUNCTIONS * n_states)
    return name + (settings.FUNCTION_ALONE if alone else settings.FUNCTION_TIMES_STATE + math.log(n_states))


def _states(n_states: int) -> list[tuple[float, ...]]:
    return [tuple(float(i == j) for i in range(n_states)) for j in range(n_states)]


def _single(states: np.ndarray, scale: np.ndarray, names: Sequence[str], kinds: Kinds) -> list[Function]:
    n_states = len(scale)
    unit = np.diag(scale)
    found = []
    for j in range(n_states):
        lowest, highest = states[:, j].min(), states[:, j].max()
        signs = lowest < -settings.CLEAR_SIGN and highest > settings.CLEAR_SIGN
        applies = {"log": lowest > 0, "abs": signs, "sin": True, "cos": True, "tanh": True}
        applies = {name: does and (name == "abs" or kinds.pure[j]) for name, does in applies.items()}
        found += [Function(name, tuple(unit[j])) for name, does in applies.items() if does and name in names]
        if "exp" in names and kinds.pure[j]:
            found += [Function("exp", tuple(sign * unit[j])) for sign in (-1.0, 1.0)]
        for i in (i for i in range(j) if kinds.pure[j] and kinds.unit[i] == kinds.unit[j]):
            found += [Function(name, tuple(unit[j] - unit[i])) for name in ("sin", "cos") if name in names]
    return [function for function in found if not _is_plain(function, states)]


def _turns(angle: np.ndarray) -> bool:
    """Whether a large state (n,) moves from sample to sample as an angle does that turns; few steps lead elsewhere."""
    return bool(np.quantile(np.abs(np.diff(angle)), 0.9) < settings.ANGLE_STEP)


def _is_plain(function: Function, states: np.ndarray) -> bool:
    """Whether a function is a constant or linear along the measurements, or of numbers too large to be its argument."""
    inside = states @ np.array(function.weights)
    large = np.abs(inside).max() > settings.LARGEST_INSIDE
    if large and (function.name == "exp" or (function.name in ("sin", "cos") and not _turns(inside))):
        return True
    with np.errstate(all="ignore"):
        values = FUNCTIONS[function.name][0](inside)
    if not np.isfinite(values).all():
        return True
    design = np.stack([np.ones(len(inside)), inside / (np.abs(inside).max() + 1e-300)], 1)
    left = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    return bool(np.sum(left**2) <= settings.PLAIN_FUNCTION * np.sum(values**2))
