"""Units of measure of a table's columns, of its constants, and of the numbers in a formula.

>>> from nalu_jax.discover import _measures
>>> made = _measures.of({"V": "L", "T": "K", "p": "kPa"}, names=("V", "T"), target="p")
>>> made.target.scale, [unit.scale for unit in made.inputs]
(1000.0, [0.001, 1.0])
>>> _measures.of({"V": "litres", "T": "K", "p": "kPa"}, names=("V", "T"), target="p")
Traceback (most recent call last):
    ...
ValueError: units of 'V': 'litres' is no unit that is known: did you mean 'L'?
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import _names, _quantities
from ._engine.dimensions import Dimensions, missing
from ._formula import Constant
from ._quantities import Unit

if TYPE_CHECKING:
    from ._formula import Formula, Term

PURE = "dimensionless"


class Measures(NamedTuple):
    """Units of a table.

    Attributes:
        inputs, target: of the columns, in their order.
        constants: that are known by name, with their units.
        pure: whether all other constants are pure numbers.
    """

    inputs: tuple[Unit, ...]
    target: Unit
    constants: tuple[tuple[Constant, Unit], ...] = ()
    pure: bool = False


def of(
    units: Any,
    *,
    names: Sequence[str],
    target: str,
    target_unit: Any = None,
    constants: Any = None,
) -> Measures | None:
    """The units of a table, checked; None where there are none.

    Args:
        units: a mapping from all headers to units (text, or vectors of dimensions), or "headers" for `p [Pa]`.
        names, target: headers.
        target_unit: of the target, where it is not in `units`.
        constants: "dimensionless", or a mapping from names to (value, unit).

    Raises:
        TypeError, ValueError: a unit that is none, one that is not given, units that no formula can combine to the
            target's; the message has the column.
    """
    if units is None:
        for name, value in (("target_unit", target_unit), ("constants", constants)):
            if value is not None:
                raise ValueError(f"{name} is {value!r}, but the columns have no units: pass units= as well.")
        return None
    given = _given(units, names, target, target_unit)
    where = {target: "target_unit"} if target_unit is not None else {}
    read = {header: _unit(where.get(header, f"units of {header!r}"), given[header]) for header in (*names, target)}
    known = _constants(constants, names)
    _check_lengths(read, known)
    made = Measures(tuple(read[name] for name in names), read[target], known, constants == PURE)
    _check_possible(made, names, target)
    return made


def dimensions(measures: Measures) -> Dimensions:
    """What the engine has to know of them."""
    rows = lambda units: np.array([[float(power) for power in unit.dimension] for unit in units], float)
    known = rows([unit for _, unit in measures.constants])
    return Dimensions(
        inputs=rows(measures.inputs),
        target=rows([measures.target])[0],
        scales=np.array([unit.scale for unit in measures.inputs]),
        known=known.reshape(len(measures.constants), len(measures.target.dimension)),
        strict=measures.pure,
    )


def _given(units: Any, names: Sequence[str], target: str, target_unit: Any) -> dict[str, Any]:
    if isinstance(units, str) and units == "headers":
        given: dict[str, Any] = {header: _quantities.of_header(header) for header in (*names, target)}
    elif isinstance(units, Mapping):
        given = dict(units)
    else:
        raise TypeError(f'units must be a mapping from headers to units, or "headers", got {units!r}.')
    others = [header for header in given if header not in (*names, target)]
    if others:
        raise ValueError(f"units: there is no column {others[0]!r}; there are {', '.join(map(repr, names))}.")
    if target_unit is not None:
        given[target] = target_unit
    for header in (*names, target):
        if given.get(header) is None:
            if units == "headers":
                raise ValueError(f"column {header!r} has no unit in brackets: write it as 'T [K]', or [1] of a number.")
            where = "target_unit" if header == target else f"units[{header!r}]"
            raise ValueError(f"column {header!r} has no unit: give {where}, or '1' where it is a pure number.")
    return given


def _unit(where: str, given: Any) -> Unit:
    if isinstance(given, str):
        try:
            return _quantities.parse(given)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
    if isinstance(given, Sequence | np.ndarray) and all(isinstance(power, int | float | np.number) for power in given):
        try:
            return _quantities.vector([float(power) for power in given])
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
    shown = repr(given) if len(repr(given)) < 60 and "\n" not in repr(given) else type(given).__name__
    raise TypeError(f"{where} must be text such as 'm/s' or a vector of dimensions, got {shown}.")


def _constants(constants: Any, names: Sequence[str]) -> tuple[tuple[Constant, Unit], ...]:
    if constants is None or (isinstance(constants, str) and constants == PURE):
        return ()
    if not isinstance(constants, Mapping):
        raise TypeError(
            f'constants must be "{PURE}" or a mapping such as {{"g": (9.80665, "m/s**2")}}, got {constants!r}.'
        )
    for name in constants:
        if name in names:
            raise ValueError(f"constants: {name!r} is a column already. Give the constant another name.")
    found = []
    symbols = _names.symbols((*names, *map(str, constants)))[len(names) :]
    for (name, pair), symbol in zip(constants.items(), symbols, strict=True):
        if not isinstance(name, str) or not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(f"constants: {name!r} must be a pair of value and unit, got {pair!r}.")
        value = pair[0]
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < np.inf:
            raise ValueError(f"constants: the value of {name!r} must be a positive number, got {value!r}.")
        unit = _unit(f"constants: the unit of {name!r}", pair[1])
        written = pair[1] if isinstance(pair[1], str) else ""
        found.append((Constant(name, symbol, float(value), written), unit))
    return tuple(found)


def _check_lengths(read: Mapping[str, Unit], known: Sequence[tuple[Constant, Unit]]) -> None:
    units = {**read, **{constant.name: unit for constant, unit in known}}
    first, length = next((header, len(unit.dimension)) for header, unit in units.items())
    for header, unit in units.items():
        if len(unit.dimension) != length:
            raise ValueError(
                f"units: that of {header!r} counts {len(unit.dimension)} dimensions, that of {first!r} {length}: "
                "expected the same for all, target_unit included (text counts 7)."
            )


def _check_possible(measures: Measures, names: Sequence[str], target: str) -> None:
    """Raise where no product of the columns and known constants has the target's unit, and nothing else may."""
    if not measures.pure:
        return
    lacking = missing(dimensions(measures))
    if lacking is None:
        return
    unit = _quantities.text(measures.target.factors) or str(tuple(map(float, measures.target.dimension)))
    if lacking:
        place = int(lacking)
        textual = len(measures.target.dimension) == len(_quantities.BASE)
        named = f"{_quantities.QUANTITIES[place]} ({_quantities.BASE[place]})" if textual else f"dimension {place}"
        why = f"none of the columns {', '.join(map(repr, names))} has {named}"
    else:
        why = "the units of the columns do not combine to it"
    raise ValueError(
        f'no formula with pure numbers gives {target!r} in {unit}: {why}. Leave out constants="{PURE}", or name the '
        'missing constant: constants={"g": (9.80665, "m/s**2")}.'
    )


def coefficient_unit(formula: "Formula", term: "Term") -> str:
    """The unit of a coefficient, of the symbols of the columns' units; "" of a pure number or where there are none."""
    if not formula.units:
        return ""
    found = _part_unit(formula, term.part)
    if found is None:
        return ""
    for factor in term.factors:
        written = formula.units[factor.column.inputs[0]] if factor.column.function is None else ""
        power = factor.exponent.exact
        if written and power is None:
            return f"{_quantities.text(found.factors)}, by real powers of units".lstrip(", ")
        if written and power is not None:
            found = _quantities.times(found, _quantities.parse(written), -power)
    for place, exponent in term.known:
        written, power = formula.constants[place].unit, exponent.exact
        if written and power is not None:
            found = _quantities.times(found, _quantities.parse(written), -power)
    return _quantities.text(found.factors)


def _part_unit(formula: "Formula", part: str) -> Unit | None:
    """What a term of a part has to give."""
    if part in ("below", "inside"):
        return _quantities.ONE
    power = Fraction(formula.form.power).limit_denominator(12) if part in ("sum", "above") else Fraction(1)
    return _quantities.times(_quantities.ONE, _quantities.parse(formula.target_unit), 1 / power)
