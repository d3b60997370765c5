"""Numbers as a formula has them, and with their standard errors.

A number without a point, such as 2 or 1/3, is exact: part of the law. One with a point was measured, and has one digit
more than its standard error says that it has: the formula is then short, and as good as with all digits.

>>> from nalu_jax.discover import _numbers
>>> [_numbers.with_error(*pair) for pair in ((8.31442, 0.0123), (6.674e-11, 2.1e-14), (0.5, float("inf")))]
['8.314(12)', '6.6740(21)e-11', '0.5(?)']
>>> value = _numbers.rounded(8.31442, 0.0123)
>>> value, _numbers.measured_text(value), _numbers.measured_text(2.0), _numbers.measured_text(-8.99e9)
(8.314, '8.314', '2.0', '-8.99e9')
"""

import math
from decimal import Decimal
from fractions import Fraction

FINER = 10.0
"""Numbers are rounded to a tenth of their conditional standard error or finer. With q numbers that changes -2 log
likelihood by less than (q / 20)^2: 0.04 with four, where 1 is one standard error."""

LARGEST_DENOMINATOR = 12
"""Of exponents that are written as fractions: 1/3, 3/4, 5/12."""

NEARLY_EXACT = 1e-10
"""A relative standard error below which its digits are not written beside those of the number."""


def rounded(value: float, error: float) -> float:
    """The value to a tenth of the standard error or finer; the value itself where there is no error."""
    if not math.isfinite(value) or not math.isfinite(error) or error <= 0 or value == 0:
        return value
    digits = 1 + math.floor(math.log10(abs(value))) - math.floor(math.log10(error / FINER))
    return float(f"{value:.{max(digits, 1) - 1}e}") if digits < 17 else value


def measured_text(value: float) -> str:
    """A float that Python reads back to the last bit, with a point or an exponent."""
    text = repr(float(value))
    if "e" in text:
        mantissa, exponent = text.split("e")
        return f"{mantissa}e{int(exponent)}"
    digits = text.lstrip("-").replace(".", "").strip("0") or "0"
    if 1e-4 <= abs(value) < 1e6 or value == 0:
        return text
    exponent = math.floor(math.log10(abs(value)))
    point = f".{digits[1:]}" if len(digits) > 1 else ""
    scientific = f"{'-' if value < 0 else ''}{digits[0]}{point}e{exponent}"
    return scientific if float(scientific) == value else text


def exact_text(value: Fraction) -> str:
    """A whole number or a fraction."""
    return str(value.numerator) if value.denominator == 1 else f"{value.numerator}/{value.denominator}"


def as_fraction(value: float) -> Fraction | None:
    """The simple fraction that a float is the nearest to, or None."""
    found = Fraction(value).limit_denominator(LARGEST_DENOMINATOR)
    return found if abs(float(found) - value) <= 1e-12 * max(1.0, abs(value)) else None


def interval_text(low: float, high: float) -> str:
    """An interval, each end with two digits, or more where the ends would look the same; one at 0 or infinite is none.

    >>> [interval_text(*ends) for ends in ((0.2113, 0.6241), (-3.1e-9, 0.0), (10.12, math.inf), (1.031, 1.034))]
    ['0.21 to 0.62', '-3.1e-9 to 0, perhaps 0', '10 or more', '1.031 to 1.034']
    """
    digits = 2
    if math.isfinite(high - low):
        digits += max(0, math.floor(math.log10(max(abs(low), abs(high)) / (high - low))))
    ends = [f"{end:.{digits}g}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e") for end in (low, high)]
    if math.isinf(low) and math.isinf(high):
        return "any"
    if math.isinf(high):
        return f"{ends[0]} or more"
    if math.isinf(low):
        return f"{ends[1]} or less"
    return f"{ends[0]} to {ends[1]}{', perhaps 0' if 0 in (low, high) else ''}"


def with_error(value: float, error: float) -> str:
    """A number with its standard error in parentheses, in units of the last digit: 8.314(12) is 8.314 +- 0.012."""
    if error == 0 or (math.isfinite(error) and error < NEARLY_EXACT * abs(value)):
        return f"{value:.10g}"
    if not math.isfinite(error) or not math.isfinite(value):
        return f"{value:.6g}(?)"
    size = max(abs(value), error)
    exponent = math.floor(math.log10(size))
    exponent = 0 if -4 <= exponent < 6 else exponent
    mantissa, spread = (float(Decimal(number).scaleb(-exponent)) for number in (value, error))
    spread = float(f"{spread:.1e}")
    decimals = max(0, 1 - math.floor(math.log10(spread)))
    digits = round(spread * 10**decimals)
    return f"{mantissa:.{decimals}f}({digits}){f'e{exponent}' if exponent else ''}"
