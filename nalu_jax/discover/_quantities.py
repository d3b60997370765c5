"""Units of measure as text: products and powers of SI units with prefixes, read exactly.

A unit is a vector of dimensions (powers of m, kg, s, A, K, mol, cd) and a factor to the SI unit of these dimensions.

>>> from nalu_jax.discover import _quantities
>>> unit = _quantities.parse("kPa*L/(mol*K)")
>>> [str(power) for power in unit.dimension], unit.scale
(['2', '1', '-2', '0', '-1', '-1', '0'], 1.0)
>>> _quantities.text(_quantities.parse("kg m^2 s⁻³").factors)
'kg*m**2/s**3'
>>> _quantities.parse("degC")
Traceback (most recent call last):
    ...
ValueError: 'degC' counts from an offset, not from zero: products and powers of it mean nothing. Add 273.15 to the \
column and call it 'K'.
"""

import difflib
import functools
import math
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple

BASE = ("m", "kg", "s", "A", "K", "mol", "cd")
QUANTITIES = ("length", "mass", "time", "current", "temperature", "amount of substance", "luminous intensity")
"""What the dimensions are called, in the order of `BASE`."""

PREFIXES = {
    "Q": 30, "R": 27, "Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "da": 1, "d": -1,
    "c": -2, "m": -3, "u": -6, "µ": -6, "μ": -6, "n": -9, "p": -12, "f": -15, "a": -18, "z": -21, "y": -24, "r": -27,
    "q": -30,
}  # fmt: skip

PREFIXED: Mapping[str, str] = MappingProxyType(
    {
        "g": "1e-3 kg", "m": "m", "s": "s", "A": "A", "K": "K", "mol": "mol", "cd": "cd", "Hz": "1/s", "N": "kg*m/s^2",
        "Pa": "kg/(m*s^2)", "J": "kg*m^2/s^2", "W": "kg*m^2/s^3", "C": "A*s", "V": "kg*m^2/(A*s^3)",
        "F": "A^2*s^4/(kg*m^2)", "ohm": "kg*m^2/(A^2*s^3)", "Ω": "kg*m^2/(A^2*s^3)", "\u2126": "kg*m^2/(A^2*s^3)",
        "S": "A^2*s^3/(kg*m^2)", "Wb": "kg*m^2/(A*s^2)", "T": "kg/(A*s^2)", "H": "kg*m^2/(A^2*s^2)", "lm": "cd",
        "lx": "cd/m^2", "Bq": "1/s", "Gy": "m^2/s^2", "Sv": "m^2/s^2", "kat": "mol/s", "rad": "1", "sr": "1",
        "L": "1e-3 m^3", "l": "1e-3 m^3", "t": "1000 kg", "eV": "1.602176634e-19 kg*m^2/s^2", "bar": "1e5 kg/(m*s^2)",
        "M": "1000 mol/m^3", "Wh": "3600 kg*m^2/s^2", "cal": "4.184 kg*m^2/s^2",
        "pc": "3.0856775814913673e16 m", "Da": "1.66053906892e-27 kg",
    }
)  # fmt: skip
"""Units that take prefixes, by the SI units that make them (BIPM, "The International System of Units", 2019)."""

PLAIN: Mapping[str, str] = MappingProxyType(
    {
        "kg": "kg", "min": "60 s", "h": "3600 s", "d": "86400 s", "day": "86400 s", "yr": "31557600 s",
        "ha": "1e4 m^2", "au": "149597870700 m", "ly": "9460730472580800 m", "u": "1.66053906892e-27 kg",
        "atm": "101325 kg/(m*s^2)", "mmHg": "133.322387415 kg/(m*s^2)", "psi": "6894.757293168361 kg/(m*s^2)",
        "inch": "0.0254 m", "ft": "0.3048 m", "mile": "1609.344 m", "lb": "0.45359237 kg",
        "rpm": "0.10471975511965977/s",
        "deg": "0.017453292519943295", "°": "0.017453292519943295", "%": "1e-2", "ppm": "1e-6", "ppb": "1e-9",
    }
)  # fmt: skip
"""Units that take none; a minute before a milli-inch."""

OFFSETS = {
    name: "Add 273.15 to the column and call it 'K'" for name in ("degC", "°C", "℃", "celsius", "Celsius", "deg_C")
} | {
    name: "Make it (F + 459.67)/1.8 and call it 'K'" for name in ("degF", "°F", "℉", "fahrenheit", "Fahrenheit")
}  # fmt: skip

LOGARITHMS = ("dB", "dBm", "pH", "Np", "mag")

WORDS = {
    "meter": "m", "metre": "m", "second": "s", "sec": "s", "gram": "g", "kilogram": "kg", "kilo": "kg", "ampere": "A",
    "amp": "A", "kelvin": "K", "Kelvin": "K", "mole": "mol", "candela": "cd", "hertz": "Hz", "newton": "N",
    "pascal": "Pa", "Pascal": "Pa", "joule": "J", "Joule": "J", "watt": "W", "Watt": "W", "coulomb": "C", "volt": "V",
    "Volt": "V", "farad": "F", "ohms": "ohm", "Ohm": "ohm", "siemens": "S", "weber": "Wb", "tesla": "T", "henry": "H",
    "liter": "L", "litre": "L", "ltr": "L", "tonne": "t", "minute": "min", "hour": "h", "hr": "h", "hrs": "h",
    "days": "day", "year": "yr", "years": "yr", "degree": "deg", "degrees": "deg", "radian": "rad", "radians": "rad",
    "percent": "%", "micron": "um", "in": "inch", "KG": "kg", "Kg": "kg", "Hertz": "Hz", "gr": "g", "sqm": "m^2",
}  # fmt: skip
"""What people write for a unit, for the message: a name in full is no symbol, and 'in' is a word."""

DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
NUMBER = r"(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)"
SYMBOL = r"(?P<symbol>[^\W\d_]+(?:_C)?|°[CF]?|℃|℉|%)"
MARK = r"(?P<mark>\*\*|[*/^()·×.+-])"
TOKEN = re.compile(rf"\s*(?:{NUMBER}|{SYMBOL}|{MARK})")
LONGEST = 200
"""Characters of a unit."""

LARGEST_POWER = 100
"""Of a unit, which no quantity reaches."""


class Unit(NamedTuple):
    """A unit of measure.

    Attributes:
        dimension: powers of `BASE`, or of what the user's vectors of dimensions count.
        scale: its size in the SI unit of that dimension.
        factors: symbols as they were written, with their powers; none where it was given as a vector.
    """

    dimension: tuple[Fraction, ...]
    scale: float
    factors: tuple[tuple[str, Fraction], ...] = ()


ONE = Unit((Fraction(0),) * len(BASE), 1.0)


@functools.lru_cache(maxsize=1024)
def parse(written: str) -> Unit:
    """The unit that a text stands for: "Pa", "kg*m**2/s**3", "m/s^2", "µmol L⁻¹", "1" for a pure number.

    Raises:
        ValueError: a symbol that is none, an offset, a logarithm, or text that cannot be read. The message says which
            part, and what was meant.
    """
    if len(written) > LONGEST:
        raise ValueError(f"a unit of {len(written)} characters: at most {LONGEST} are read.")
    text_ = re.sub(r"([⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)", lambda found: "^" + found[0].translate(DIGITS), written.strip())
    text_ = re.sub(r"\b([^\W\d_]+)([+-]?\d+)\b", r"\1^\2", text_)  # m3 and s-1 as people write them
    if text_ in ("", "-", "dimensionless", "none"):
        return ONE
    return _Reader(written, _tokens(written, text_)).unit()


def _tokens(written: str, text_: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(text_):
        match = TOKEN.match(text_, at)
        if match is None:
            raise ValueError(f"{written!r} is no unit: {text_[at:].strip()[:10]!r} cannot be read in it.")
        kind = match.lastgroup or ""
        found.append((kind, match[kind]))
        at = match.end()
    return found


class _Reader:
    """Reads tokens from left to right; a space is a product."""

    def __init__(self, written: str, tokens: list[tuple[str, str]]):
        self.written, self.tokens, self.at = written, tokens, 0

    def unit(self) -> Unit:
        found = self._product()
        if self.at < len(self.tokens):
            raise self._wrong(f"{self.tokens[self.at][1]!r} stands where nothing can")
        return found

    def _wrong(self, why: str) -> ValueError:
        return ValueError(f"{self.written!r} is no unit: {why}.")

    def _next(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def _product(self) -> Unit:
        found = self._power()
        while True:
            kind, value = self._next()
            if kind == "mark" and value in ("*", "·", "×", ".", "/"):
                self.at += 1
                found = times(found, self._power(), Fraction(-1 if value == "/" else 1))
            elif kind in ("number", "symbol") or value == "(":
                found = times(found, self._power())
            else:
                return found

    def _power(self) -> Unit:
        found = self._atom()
        if self._next()[1] in ("^", "**"):
            self.at += 1
            return times(ONE, found, self._exponent())
        return found

    def _exponent(self) -> Fraction:
        if self._next()[1] != "(":
            return self._signed()
        self.at += 1
        value = self._signed()
        if self._next()[1] == "/":
            self.at += 1
            below = self._signed()
            if not below:
                raise self._wrong("an exponent of it divides by 0")
            value /= below
        self._close()
        return value

    def _signed(self) -> Fraction:
        sign = 1
        while self._next()[1] in ("-", "+") and self._next()[0] == "mark":
            sign = -sign if self._next()[1] == "-" else sign
            self.at += 1
        kind, value = self._next()
        if kind != "number":
            raise self._wrong("an exponent of it is no number")
        self.at += 1
        if abs(float(value)) > LARGEST_POWER:
            raise self._wrong(f"the exponent {value} is beyond {LARGEST_POWER}")
        return sign * Fraction(value)

    def _close(self) -> None:
        if self._next()[1] != ")":
            raise self._wrong("a parenthesis is not closed")
        self.at += 1

    def _atom(self) -> Unit:
        kind, value = self._next()
        self.at += 1
        if value == "(" and kind == "mark":
            found = self._product()
            self._close()
            return found
        if kind == "number":
            size = float(value)
            if not 0 < size < math.inf:
                raise self._wrong(f"{value} is no size of a unit")
            return Unit(ONE.dimension, size, () if size == 1 else ((value, Fraction(1)),))
        if kind != "symbol":
            raise self._wrong("it ends too early" if kind == "end" else f"{value!r} stands where a unit is expected")
        return _symbol(value)


@functools.lru_cache(maxsize=1024)
def _symbol(symbol: str) -> Unit:
    made_of, size = PLAIN.get(symbol) or PREFIXED.get(symbol), 0
    if made_of is None and symbol not in OFFSETS and symbol not in LOGARITHMS and symbol not in WORDS:
        prefix = next((p for p in PREFIXES if symbol.startswith(p) and symbol[len(p) :] in PREFIXED), None)
        if prefix is not None:
            made_of, size = PREFIXED[symbol[len(prefix) :]], PREFIXES[prefix]
    if made_of is None:
        raise ValueError(_unknown(symbol))
    if symbol in BASE:
        place = BASE.index(symbol)
        return Unit(tuple(Fraction(i == place) for i in range(len(BASE))), 1.0, ((symbol, Fraction(1)),))
    basis = parse(made_of)
    scale = basis.scale * (10.0**size if size >= 0 else 1 / 10.0**-size)
    return Unit(basis.dimension, scale, ((symbol, Fraction(1)),))


def _unknown(symbol: str) -> str:
    if symbol in OFFSETS:
        return (
            f"{symbol!r} counts from an offset, not from zero: products and powers of it mean nothing. "
            f"{OFFSETS[symbol]}."
        )
    if symbol in LOGARITHMS:
        return f"{symbol!r} is a logarithm: make the column the ratio itself and call it '1'."
    known = [*PREFIXED, *PLAIN]
    singular = symbol.removesuffix("s")
    meant = WORDS.get(symbol) or WORDS.get(singular) or WORDS.get(singular.lower())
    near = [meant] if meant else difflib.get_close_matches(symbol, known, 1, 0.5)
    alike = near or [name for name in known if name.lower() == symbol.lower()]
    hint = f"did you mean {alike[0]!r}?" if alike else "units are SI, such as 'kg*m/s**2'; a pure number is '1'."
    return f"{symbol!r} is no unit that is known: {hint}"


def times(first: Unit, second: Unit, power: Fraction = Fraction(1)) -> Unit:
    """first * second ** power."""
    dimension = tuple(a + power * b for a, b in zip(first.dimension, second.dimension, strict=True))
    factors: dict[str, Fraction] = dict(first.factors)
    for symbol, exponent in second.factors:
        factors[symbol] = factors.get(symbol, Fraction(0)) + power * exponent
    left = tuple((symbol, exponent) for symbol, exponent in factors.items() if exponent)
    size = second.scale ** int(power) if power.denominator == 1 else second.scale ** float(power)
    return Unit(dimension, first.scale * size, left)


def vector(powers: Sequence[float]) -> Unit:
    """A unit that is given as powers of the user's own base units.

    Raises:
        ValueError: a power that is not a multiple of 1/12.
    """
    exact = tuple(Fraction(power).limit_denominator(12) for power in powers)
    if any(abs(float(a) - b) > 1e-9 for a, b in zip(exact, powers, strict=True)):
        raise ValueError(f"the dimensions {tuple(powers)} are not simple powers: expected whole numbers or fractions.")
    return Unit(exact, 1.0)


def text(factors: Sequence[tuple[str, Fraction]]) -> str:
    """Symbols and powers as one text, those with negative powers below a bar; "" of none."""
    above = [_powered(symbol, power) for symbol, power in factors if power > 0]
    below = [_powered(symbol, -power) for symbol, power in factors if power < 0]
    if not below:
        return "*".join(above)
    under = below[0] if len(below) == 1 else f"({'*'.join(below)})"
    return f"{'*'.join(above) or '1'}/{under}"


def _powered(symbol: str, power: Fraction) -> str:
    if power == 1:
        return symbol
    return f"{symbol}**{power}" if power.denominator == 1 else f"{symbol}**({power})"


HEADER = re.compile(r"\s*(?P<name>.*\S)\s*\[(?P<unit>[^\[\]]*)\]\s*")


def of_header(header: str) -> str | None:
    """The unit's text in a header such as "p [Pa]"; None where there is none."""
    match = HEADER.fullmatch(header)
    return match["unit"] if match else None
