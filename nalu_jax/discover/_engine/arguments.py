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
    plain = [fitted for fitted in found if all(column.plain for column in fitted.table.columns)]
    best = sorted(plain, key=lambda fitted: fitted.evidence)[: settings.SERIES]
    once: dict[tuple[float, ...], np.ndarray] = {}
    for fitted in best:
        for direction in _directions(fitted):
            once.setdefault(tuple(direction.tolist()), direction)
    exponents = np.array([sign * direction for direction in once.values() for sign in (1.0, -1.0)])
    if not len(exponents):
        return Inner(np.zeros((0, 0)), np.zeros((0, 0), int))
    signed = best[0].table.signed
    return Inner(exponents, (np.abs(np.round(exponents)) % 2).astype(int) * signed)


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
