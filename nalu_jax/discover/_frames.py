"""Tables that bring units of measure with them: DataFrames whose columns are of pint's kind, datasets of xarray.

pint-pandas and xarray are not imported: what is here comes with the tables.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from . import _inputs


class Frame(NamedTuple):
    """The same table in plain numbers, and the units that it brought: those of pint by name, or what was passed."""

    x: Any
    y: Any
    sigma: Any
    units: Any


def plain(x: Any, y: Any, *, sigma: Any, x_sigma: Any, target: str, units: Any) -> Frame:
    """Numbers without units, errors in the units of what they are of; "headers" reads the attributes of a dataset.

    Raises:
        ValueError: errors that are not of the unit's kind.
    """
    if hasattr(x, "data_vars") and hasattr(x, "to_dataframe"):
        attributes = {str(name): variable.attrs.get("units") for name, variable in x.data_vars.items()}
        frame = x.to_dataframe()[list(x.data_vars)].reset_index(drop=True)
        known = {name: unit for name, unit in attributes.items() if unit is not None}
        if isinstance(y, str) or not hasattr(y, "attrs"):
            return Frame(frame, y, sigma, known if units == "headers" and known else units)
        own = {str(y.name or target): y.attrs["units"]} if "units" in y.attrs else {}
        return Frame(frame, _flat(y), sigma, known | own if units == "headers" and known else units)
    if not (_is_pint(y) or _is_pint(sigma) or any(map(_is_pint, _columns(x).values()))):
        return Frame(x, y, sigma, units)
    return _without_pint(x, y, sigma, x_sigma, target, units)


def _flat(values: Any) -> Any:
    return values.to_series().reset_index(drop=True)


def _columns(x: Any) -> dict[str, Any]:
    """Those of a pandas DataFrame."""
    if _inputs.headers_of(x) is None or not hasattr(x, "iloc"):
        return {}
    return {str(name): x[name] for name in x.columns if list(x.columns).count(name) == 1}


def _is_pint(values: Any) -> bool:
    return str(getattr(values, "dtype", "")).startswith("pint[")


def _unit(values: Any) -> str:
    return f"{values.dtype.units:~}".replace(" ", "") or "1"


def _numbers(values: Any, unit: Any = None) -> Any:
    """Plain numbers of a column, in another unit where one is given."""
    try:
        return (values if unit is None else values.pint.to(unit)).pint.magnitude.astype(float)
    except Exception as error:  # of pint, which is not imported
        if unit is None:
            raise
        raise ValueError(f"column {values.name!r} is no error in {unit:~}: {error}. Give it in that unit.") from None


def _without_pint(x: Any, y: Any, sigma: Any, x_sigma: Any, target: str, units: Any) -> Frame:
    columns = _columns(x)
    goal = columns.get(y) if isinstance(y, str) else y
    errors = {sigma: goal} if isinstance(sigma, str) else {}
    if isinstance(x_sigma, Mapping):
        errors |= {each: columns.get(name) for name, each in x_sigma.items() if isinstance(each, str)}
    brought = {name: _unit(column) for name, column in columns.items() if _is_pint(column) and name not in errors}
    if not isinstance(y, str) and _is_pint(y):
        brought[str(getattr(y, "name", None) or target) if target == "y" else target] = _unit(y)
    change = {}
    for name, column in columns.items():
        if _is_pint(column):
            of = errors.get(name)
            change[name] = _numbers(column, of.dtype.units if of is not None and _is_pint(of) else None)
    numbers = x.assign(**change) if change else x
    if _is_pint(sigma):
        sigma = _numbers(sigma, goal.dtype.units if goal is not None and _is_pint(goal) else None)
    y = _numbers(y) if _is_pint(y) else y
    if units is None or isinstance(units, Mapping):
        units = brought | dict(units or {})
    return Frame(numbers, y, sigma, units)
