"""What a number costs to name, in nats: the prior of formulas, which makes simple ones win.

A number of a formula is either a simple one, which costs the negative logarithm of its prior weight, or a free one,
whose accuracy costs on top of that: the Occam factor log(prior width / standard error), part of the determinant in
the evidence (MacKay, "Bayesian interpolation", Neural Computation 4:415, 1992). Rounding is worth it where the name of
the simple number costs less than the accuracy that it spares.

The weights of exponents were set by hand before any result was seen; `symbolic.prune` and `snap` and the search of
`discover` share them. `python -m benchmarks.tune_laws` measures what they do on drawn laws.

>>> from nalu_jax import _prior
>>> [round(_prior.exponent_price(value), 1) for value in (0.0, 1.0, 0.5, 1.7)]
[0.5, 2.5, 3.9, 15.8]
>>> round(_prior.coefficient_price(0.5), 1), round(_prior.coefficient_price(9.75), 1)
(3.7, 12.4)
"""

import math
from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType

EXPONENTS: Mapping[float, float] = MappingProxyType(
    {
        1: 0.12,
        2: 0.055,
        1 / 2: 0.03,
        3: 0.02,
        3 / 2: 0.015,
        4: 0.008,
        1 / 3: 0.004,
        2 / 3: 0.004,
        5 / 2: 0.003,
        5: 0.003,
        6: 0.002,
        1 / 4: 0.002,
        3 / 4: 0.002,
        4 / 3: 0.002,
        5 / 3: 0.001,
        7 / 2: 0.0005,
        7: 0.0005,
        8: 0.0005,
        10: 0.0003,
        12: 0.0002,
    }
)
"""How often an exponent of this size (of either sign) is met in laws, relative to each other and to `FREE`."""

FREE = 0.03
"""How often an exponent is none of these: normal around 0, with deviation `SPREAD`."""

SPREAD = 2.0
"""Prior standard deviation of a free exponent, and of the logarithm of a coefficient."""

ABSENT = 0.6
"""Prior probability that an input is not in a product: of 1 in an input or two among five."""

_SUM = 2 * sum(EXPONENTS.values()) + FREE
_RATIONALS = 2 * (math.pi**2 / 6) ** 2 / (math.pi**4 / 90)  # sum of 1 / (n d)^2 over reduced fractions of either sign


def exponent_price(value: float) -> float:
    """Nats that name a simple exponent; one that is not among `EXPONENTS` is named as a fraction after "free"."""
    if value == 0:
        return -math.log(ABSENT)
    for simple, weight in EXPONENTS.items():
        if math.isclose(abs(value), simple, rel_tol=1e-9):
            return -math.log(weight * (1 - ABSENT) / _SUM)
    return -math.log(FREE * (1 - ABSENT) / _SUM) + _fraction_price(value)


def free_exponent_price(value: float) -> float:
    """Nats that say that an exponent is free, with what its normal prior says of its size; the accuracy is extra."""
    return -math.log(FREE * (1 - ABSENT) / _SUM) + 0.5 * (value / SPREAD) ** 2


def coefficient_price(value: float) -> float:
    """Nats that name a simple coefficient, a fraction n / d, by the prior 1 / (n d)^2: half of all are simple."""
    return math.log(2) + (_fraction_price(value) if value else 0.0)


def free_coefficient_price() -> float:
    """Nats that say that a coefficient is not simple; the accuracy is extra."""
    return math.log(2)


def _fraction_price(value: float) -> float:
    fraction = Fraction(value).limit_denominator(10_000)
    return math.log(_RATIONALS) + 2 * math.log(max(1, abs(fraction.numerator)) * fraction.denominator)
