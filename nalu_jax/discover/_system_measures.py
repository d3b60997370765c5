"""Units of measure of states, inputs and times: of what a function may be taken, and in what coefficients are.

>>> made = of({"angle": "rad", "turn": "rad/s"}, "s", ("angle", "turn"))
>>> made.rates, made.kinds.pure
(('rad/s', 'rad/s**2'), (True, False))
>>> of({"angle": "rad", "turn": "deg/s"}, None, ("angle", "turn"))
Traceback (most recent call last):
    ...
ValueError: discover.ode: the times have no unit: pass time_unit="s", or another, beside units=.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from . import _measures, _quantities
from ._systems.library import Kinds


class Measures(NamedTuple):
    """Units as text.

    Attributes:
        variables: of the states and, after them, the inputs.
        rates: of as many rates as there are variables: a unit by that of time.
        kinds: what the engine has to know of them.
    """

    variables: tuple[str, ...]
    rates: tuple[str, ...]
    kinds: Kinds


def of(units: Any, time_unit: Any, names: tuple[str, ...]) -> Measures | None:
    """Of all states and inputs; None where no units are given.

    Raises:
        TypeError, ValueError: a unit that is none, or one that is not given.
    """
    if units is None:
        if time_unit is not None:
            raise ValueError(
                f"discover.ode: time_unit is {time_unit!r}, but the states have no units: pass units= too."
            )
        return None
    if not isinstance(units, Mapping):
        raise TypeError(f"discover.ode: units must be a mapping from names to units, got {units!r}.")
    if time_unit is None:
        raise ValueError('discover.ode: the times have no unit: pass time_unit="s", or another, beside units=.')
    texts = [time_unit, *units.values()]
    if not all(isinstance(each, str) for each in texts):
        raise TypeError("discover.ode: units and time_unit must be text, such as 'm/s'.")
    read = _measures.of(units, names=names, target="times", target_unit=time_unit)
    assert read is not None
    rates = [_quantities.times(unit, _quantities.parse(time_unit), Fraction(-1)) for unit in read.inputs]
    pure = tuple(not any(unit.dimension) and abs(unit.scale - 1) < 1e-12 for unit in read.inputs)
    sizes = [(unit.dimension, unit.scale) for unit in read.inputs]
    return Measures(
        tuple(units[name] for name in names),
        tuple(_quantities.text(rate.factors) for rate in rates),
        Kinds(pure, tuple(sizes.index(each) for each in sizes)),
    )
