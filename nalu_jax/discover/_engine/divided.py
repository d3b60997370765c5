"""A power of a sum as a product and what is left of the sum: (a + b)^p = a^p (1 + b / a)^p.

Where the terms have factors in common this has simpler exponents: m / r^2 / (1 + s / r)^2 is
(r / m^0.5 + s / m^0.5)^-2.

>>> import numpy as np
>>> from nalu_jax.discover._engine.columns import Column, prepare
>>> x = np.array([[1.0, 2.0], [3.0, 0.5], [2.0, 5.0]])
>>> table = prepare(x, x[:, 0], (Column((0,)), Column((1,))), inputs=2)
>>> terms = np.array([[[0.5, -1.0], [-0.5, -1.0]]])  # (sqrt(r) / v + 3 / (sqrt(r) v))^-2
>>> parity = np.zeros((1, 2, 2), int)
>>> batch = Batch(terms, parity, parity > 0, np.array([[1.0, 3.0]]), np.zeros(1))
>>> form, divided = shorter(table, Form("power", (2,), power=-2.0), batch)
>>> form.kind, divided.exponents.tolist(), divided.coefficients.tolist()  # v^2 / r / (1 + 3 / r)^2
('quotient', [[[-1.0, 2.0], [-1.0, 0.0]]], [[1.0, 3.0]])
"""

import numpy as np

from nalu_jax.discover._engine.columns import Table
from nalu_jax.discover._engine.fit import Batch
from nalu_jax.discover._engine.forms import Form


def quotient_of(form: Form) -> Form:
    """The form of a power of a sum that was divided by one of its terms."""
    return Form("quotient", (1, form.terms - 1), below=-form.power)


def divided(table: Table, form: Form, batch: Batch, first: int) -> Batch:
    """Powers of sums by their term `first`: those of which that is a number on every row."""
    power, rest = form.power, np.arange(form.terms) != first
    a, b = (_terms(batch, at) for at in (~rest, rest))
    whole = power == round(power)
    parity = np.zeros_like(a.parity) if power % 2 != 1 else a.parity
    negative = (a.coefficients < 0).any(1) | ((a.parity % 2 == 1) & table.signed).any((1, 2))
    powers = np.sign(a.coefficients) ** round(power) * np.abs(a.coefficients) ** power
    found = Batch(
        exponents=np.concatenate([power * a.exponents, b.exponents - a.exponents], 1),
        parity=np.concatenate([parity, (b.parity + a.parity) % 2], 1),
        free=np.concatenate([a.free, b.free | a.free], 1),
        coefficients=np.concatenate([powers, b.coefficients / a.coefficients], 1),
        rss=batch.rss,
    )
    return found.take(np.flatnonzero(whole | ~negative))


def _terms(batch: Batch, at: np.ndarray) -> Batch:
    """Some of the terms of every formula."""
    return Batch(batch.exponents[:, at], batch.parity[:, at], batch.free[:, at], batch.coefficients[:, at], batch.rss)


def shorter(table: Table, form: Form, batch: Batch) -> tuple[Form, Batch]:
    """One formula, divided where that makes it shorter."""
    if form.kind != "power":
        return form, batch
    others = [divided(table, form, batch, first) for first in range(form.terms)]
    others = [each for each in others if len(each.rss) and each.free.sum() == batch.free.sum()]
    shortest = min(others, key=_length, default=batch)
    return (quotient_of(form), shortest) if _length(shortest) < _length(batch) else (form, batch)


def _length(batch: Batch) -> int:
    """Factors in the terms of one formula, those with a root twice."""
    exponents = batch.exponents[0]
    return int((exponents != 0).sum() + (np.abs(exponents - np.round(exponents)) > 1e-9).sum())
