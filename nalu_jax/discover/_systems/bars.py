"""Sums in which single products saturate, and the quotients that they are over one bar: two ways to write one law.

>>> from nalu_jax.discover._systems.terms import Term
>>> above = {Term((0.0,)): 3.0, Term((1.0,)): 0.7, Term((2.0,)): -0.2}  # 3 - 0.3 y - y/(1 + 2 y/3)
>>> for found in divided(above, 0, 1, 2 / 3):
...     print([(term.powers[0], round(number, 9)) for term, number in found.items()])
[(0.0, 3.0), (1.0, -0.3)]
[(1.0, -1.0)]
"""

from collections.abc import Iterable, Mapping

import numpy as np

from nalu_jax.discover._engine.candidate import SATURATING
from nalu_jax.discover._systems import library, settings
from nalu_jax.discover._systems.structure import Structure
from nalu_jax.discover._systems.terms import Function, Term

Numbers = Mapping[Term, float]


def over_one_bar(above: Iterable[Term], below: Iterable[Term]) -> tuple[frozenset[Term], frozenset[Term]]:
    """The terms of an equation above and below one bar, where none of them saturates by itself any more."""
    over, under = set(above), set(below)
    for function in sorted({each for term in over for each in term.functions if each.name in SATURATING}):
        bar = _bar(function, len(next(iter(over)).powers))
        left = {term for term in over if function not in term.functions}
        bare = {_without(term, function) for term in over - left}
        over = bare | left | {_times(term, bar) for term in left}
        under = under | {bar} | {_times(term, bar) for term in under}
    return frozenset(over), frozenset(under)


def _bar(function: Function, count: int) -> Term:
    """The power below the bar, of so many variables: what says which trajectory a row belongs to comes after them."""
    power = SATURATING[function.name]
    return Term(tuple(float(power * (weight != 0)) for weight in function.weights[:count]))


def _without(term: Term, function: Function) -> Term:
    return Term(term.powers, tuple(each for each in term.functions if each != function), term.free)


def _times(term: Term, bar: Term) -> Term:
    powers = tuple(a + b for a, b in zip(term.powers, bar.powers, strict=True))
    return Term(powers, term.functions, term.free)


def taken_apart(structure: Structure, parameters: np.ndarray) -> tuple[Structure, np.ndarray] | None:
    """A structure whose quotients over 1 + q y^p are sums of products, of which some saturate, with its parameters.

    None where no quotient has fewer numbers, or as many, in this way.
    """
    if structure.free:
        return None
    parts, numbers, changed = [], [], False
    for above, below, (begin, bar, end) in zip(
        structure.numerators, structure.denominators, structure.spans, strict=True
    ):
        found = _apart(dict(zip(above, parameters[begin:bar].tolist(), strict=True)), below, parameters[bar:end])
        changed = changed or found is not None
        parts.append((above, below) if found is None else (tuple(found), ()))
        numbers.append(parameters[begin:end] if found is None else list(found.values()))
    if not changed:
        return None
    made = Structure(tuple(above for above, _ in parts), tuple(below for _, below in parts))
    return made, np.concatenate(numbers)


def _apart(above: Numbers, below: tuple[Term, ...], numbers: np.ndarray) -> dict[Term, float] | None:
    """One quotient as a sum; None where it is over another bar, or has more numbers as a sum."""
    if len(below) != 1 or not below[0].whole or numbers[0] <= 0 or any(term.functions for term in (*above, *below)):
        return None
    states = [j for j, power in enumerate(below[0].powers) if power]
    name = {power: name for name, power in SATURATING.items()}.get(int(sum(below[0].powers)))
    if len(states) != 1 or name is None:
        return None
    state, power, number = states[0], SATURATING[name], float(numbers[0])
    plain, left = divided(above, state, power, number)
    if not left or len(plain) + len(left) > len(above):
        return None
    weights = tuple(number ** (1 / power) * float(j == state) for j in range(len(below[0].powers)))
    function = Function(name, weights)
    bent = {Term(t.powers, (function,), price=library.saturating_price(t.powers, function)): c for t, c in left.items()}
    return {**plain, **bent}


def divided(above: Numbers, state: int, power: int, number: float) -> tuple[dict[Term, float], dict[Term, float]]:
    """What is above 1 + number * y^power as a sum: terms beside the quotient, and those that are left above it.

    Of products with the same powers of other states the division ends where fewest numbers are left, and as few of them
    above the bar as can be; of y/(1 + q y) and 1/(1 + q y) beside a constant, which say the same, the first is taken.
    """
    together: dict[tuple[float, ...], Polynomial] = {}
    for term, value in above.items():
        others = tuple(p for j, p in enumerate(term.powers) if j != state)
        together.setdefault(others, {})[term.powers[state]] = value
    plain: dict[Term, float] = {}
    left: dict[Term, float] = {}
    for others, own in together.items():
        whole, rest = min(_divisions(own, power, number), key=_size)
        for found, part in ((plain, whole), (left, rest)):
            found.update({_term(others, state, exponent): value for exponent, value in sorted(part.items())})
    return plain, left


Polynomial = dict[float, float]
"""Coefficients in one state, by the power."""


def _size(parts: tuple[Polynomial, Polynomial]) -> tuple[int, int, bool]:
    whole, left = parts
    return len(whole) + len(left), len(left), 0.0 in left


def _divisions(own: Polynomial, power: int, number: float) -> list[tuple[Polynomial, Polynomial]]:
    """After every step of the division of a polynomial by 1 + number * y^power, from the highest powers down: its
    result and what is left; and the same with the lowest power taken out."""
    left, whole = dict(own), Polynomial()
    found = [({}, dict(own))]
    for exponent in sorted((each for each in own if each >= power), reverse=True):
        value = left.pop(exponent, 0.0) / number
        whole[exponent - power] = value
        _added(left, exponent - power, -value)
        found.append((dict(whole), dict(left)))
    return [*found, *(_lowest_out(*each, power, number) for each in found if each[1])]


def _lowest_out(whole: Polynomial, left: Polynomial, power: int, number: float) -> tuple[Polynomial, Polynomial]:
    whole, left = dict(whole), dict(left)
    lowest = min(left)
    value = left.pop(lowest)
    _added(whole, lowest, value)
    _added(left, lowest + power, -number * value)
    return whole, left


def _added(numbers: Polynomial, exponent: float, value: float) -> None:
    """Adds to one number in place, and leaves it out where next to nothing is left of it."""
    before = numbers.pop(exponent, 0.0)
    if abs(before + value) > settings.NEXT_TO_NOTHING * (abs(before) + abs(value)):
        numbers[exponent] = before + value


def _term(others: tuple[float, ...], state: int, exponent: float) -> Term:
    powers = (*others[:state], exponent, *others[state:])
    return Term(powers, price=library.monomial_price(len(powers), int(sum(powers))))
