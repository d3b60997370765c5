"""What may stand inside a function, by formulas that are its series: terms of one differ by powers of the argument."""

import numpy as np

from nalu_jax.discover._engine import settings
from nalu_jax.discover._engine.functions import Inner
from nalu_jax.discover._engine.lattice import VALUES, nearest
from nalu_jax.discover._engine.structure import Fitted


def arguments(found: list[Fitted]) -> Inner:
    """Products u of inputs: from the best of these formulas, what is inside of them and what their terms differ by.

    Each to the power that makes its largest exponent 1, and to that which makes its smallest 1, in halves, and the
    inverse; formulas of columns that are no inputs are left out.
    """
    best = _best(found)
    return _once(best, [sign * each for fitted in best for each in _directions(fitted) for sign in (1.0, -1.0)])


def factors(found: list[Fitted]) -> Inner:
    """Products of inputs that may stand in front of a function and beside it: the terms of the best of these formulas,
    with exponents in halves."""
    best = _best(found)
    return _once(best, [np.round(2 * each) / 2 for fitted in best for each in fitted.batch.exponents[0]])


def _best(found: list[Fitted]) -> list[Fitted]:
    plain = [fitted for fitted in found if all(column.plain for column in fitted.table.columns)]
    return sorted(plain, key=lambda fitted: fitted.evidence)[: settings.SERIES]


def _once(best: list[Fitted], every: list[np.ndarray]) -> Inner:
    """Each product once, with the signs that its exponents make."""
    if not every:
        return Inner(np.zeros((0, 0)), np.zeros((0, 0), int))
    exponents = np.array(list({tuple(each.tolist()): each for each in every}.values())) + 0.0  # -0 is 0
    return Inner(exponents, (np.abs(np.round(exponents)) % 2).astype(int) * best[0].table.signed)


def _directions(fitted: Fitted) -> list[np.ndarray]:
    """Exponents (n,) of terms inside of a formula, and of quotients of terms of one group."""
    exponents, groups = fitted.batch.exponents[0], fitted.form.groups
    starts = np.cumsum([0, *groups])
    raw: list[np.ndarray] = []
    for place, (begin, end) in enumerate(zip(starts[:-1], starts[1:], strict=True)):
        raw += [exponents[k] - exponents[begin] for k in range(begin + 1, end)]
        inside = place == 1 and fitted.form.kind in ("quotient", "function")
        raw += [exponents[k] for k in range(begin, end) if inside]
    return [direction for each in raw for direction in _simple(each)]


def _simple(exponents: np.ndarray) -> list[np.ndarray]:
    """A product in the two powers, and of the two signs the one whose first exponent is positive; none of a number."""
    sizes = np.abs(exponents)
    used = sizes > settings.UNUSED
    if not used.any():
        return []
    found = []
    for size in {float(sizes.max()), float(sizes[used].min())}:
        direction = VALUES[nearest(np.round(2 * np.where(used, exponents, 0.0) / size) / 2)]
        found.append(direction * np.sign(direction[np.flatnonzero(direction)[0]]))
    return found
