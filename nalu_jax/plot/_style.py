"""Colours, and axes that pyplot does not know.

>>> from nalu_jax.plot import _style
>>> _style.grid(None, 2, 3, (1.0, 1.0)).shape
(2, 3)
"""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

NEGATIVE, POSITIVE = "#b2182b", "#2166ac"  # the ends of the red-white-blue map
CHOSEN, OTHERS, FAILED = "#2166ac", "#8c8c8c", "#b2182b"
TRUTH, DATA = "#bdbdbd", "#404040"
TRAINED = "#d9e6f2"
ERRORS = "viridis_r"  # small is yellow, large dark: the lighter the better
DIVERGING = "RdBu"  # negative is red, zero white, positive blue


def grid(ax: Any, rows: int, columns: int, size: tuple[float, float], shares: Any = None) -> np.ndarray:
    """Axes (rows, columns): those given, or of a new figure with panels of size (width, height) on average, in inches.

    `shares` has the widths of the columns in relation to each other.
    """
    if ax is None:
        figure = Figure((columns * size[0], rows * size[1]), layout="constrained")
        return figure.subplots(rows, columns, squeeze=False, width_ratios=shares)
    given = np.asarray(ax, dtype=object)
    if given.size != rows * columns:
        raise ValueError(
            f"plot: ax must be {rows * columns} axes ({rows} rows of {columns}), got {given.size}. "
            f"Make them with plt.subplots({rows}, {columns}), or leave ax out."
        )
    return given.reshape(rows, columns)


def single(ax: Axes | None, size: tuple[float, float] = (5.0, 3.6)) -> Axes:
    """The axes given, or those of a new figure."""
    return grid(ax, 1, 1, size)[0, 0]


def number(value: float) -> str:
    """A number for a small place: two decimals or three digits, an exact integer without decimals.

    >>> number(1.4999), number(-0.001), number(0.0), number(12.0), number(-1234.5)
    ('1.50', '-0.00', '0', '12', '-1.2e3')
    """
    if value == 0 or (value.is_integer() and abs(value) < 1000):
        return str(int(value))
    if abs(value) >= 999.5:
        return short(value)
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.3g}"


def short(value: float) -> str:
    """A number as mantissa and exponent.

    >>> short(-1234.5), short(1.23e-8)
    ('-1.2e3', '1.2e-8')
    """
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def compact(axis: Any) -> None:
    """Few ticks on a linear axis, each with the whole of its number, where Matplotlib has a power of ten beside it."""
    axis.set_major_locator(MaxNLocator(4))
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))


def tick(value: float) -> str:
    """A number at a tick.

    >>> tick(120000.0), tick(0.25), tick(-2.5e-5), tick(0.0)
    ('120000', '0.25', '\N{MINUS SIGN}2.5e\N{MINUS SIGN}5', '0')
    """
    mantissa, _, exponent = f"{value:.6g}".partition("e")
    return (f"{mantissa}e{int(exponent)}" if exponent else mantissa).replace("-", "\N{MINUS SIGN}")
