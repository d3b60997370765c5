"""The published formula of every unit, in SymPy, read off its effective weights.

A formula takes (weights, x, options, notation) and returns one expression for every output. It states the equation of
its unit's docstring; that it equals `apply` is what tests/test_symbolic_formulas.py holds for every unit of `UNITS`.

>>> import numpy as np, sympy
>>> from nalu_jax.symbolic import _formulas
>>> x, y = sympy.symbols("x y", real=True)
>>> exact = _formulas.Notation(np.dtype("float64"), eps=False)
>>> weights = {"re": np.array([[2.0], [-1.0]]), "gate": np.ones(2)}
>>> _formulas.FORMULAS["real_npu"](weights, [x, y], {"domain": "real", "eps": None}, exact)
[x**2/y]
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import sympy
from sympy import Abs, Expr, Heaviside, Integer, Max, Min, Rational, cos, exp, log, pi

Weights = Mapping[str, np.ndarray]
Options = Mapping[str, Any]
_AT_ZERO: Any = Integer(0)  # the step function at 0, which SymPy's annotations take to be 1/2 always
LARGEST = 10**6  # of numerators: beyond, a number that happens to be a fraction is not meant as one


class Notation(NamedTuple):
    """How numbers are written.

    Attributes:
        dtype: of the weights, in which a fraction is recognised and whose machine epsilon is the eps of None.
        eps: whether there is one.
    """

    dtype: np.dtype
    eps: bool

    def number(self, value: Any) -> Expr:
        """A fraction with a denominator up to 4 where the value is that to the last bit, or a float of 17 digits."""
        for denominator in (1, 2, 3, 4):
            numerator = round(float(value) * denominator)
            if abs(numerator) <= LARGEST and self.dtype.type(numerator / denominator) == value:
                return Rational(numerator, denominator)
        return sympy.Float(float(value), 17)

    def epsilon(self, eps: float | None) -> Expr:
        """The option eps as the unit's apply reads it; 0 where it is dropped."""
        if not self.eps:
            return Integer(0)
        return self.number(_machine_epsilon(self.dtype) if eps is None else eps)


def _machine_epsilon(dtype: np.dtype) -> float:
    import jax.numpy as jnp  # its finfo knows bfloat16

    return float(jnp.finfo(dtype).eps)


class Input(NamedTuple):
    """An input as the units read it: itself, its magnitude, and 1 where it is negative, else 0."""

    value: Expr
    size: Expr
    negative: Expr

    @property
    def sign(self) -> Expr:
        """-1 where it is negative, otherwise 1, also at 0."""
        return 1 - 2 * self.negative


Formula = Callable[[Weights, Sequence[Expr], Options, Notation], list[Expr]]


def _read(x: Sequence[Expr], options: Options) -> list[Input]:
    positive = options.get("domain") == "positive"
    plain = [positive or value.is_nonnegative for value in x]
    return [
        Input(value, value if is_plain else Abs(value), Integer(0) if is_plain else Heaviside(-value, _AT_ZERO))
        for value, is_plain in zip(x, plain, strict=True)
    ]


def _product(factors: Sequence[Expr]) -> Expr:
    return sympy.Mul(*factors)


def _numbers(matrix: np.ndarray, notation: Notation) -> list[list[Expr]]:
    """Columns of a matrix, one for every output."""
    return [[notation.number(value) for value in column] for column in np.asarray(matrix).T]


def _linear(matrix: np.ndarray, x: Sequence[Expr], notation: Notation) -> list[Expr]:
    columns = _numbers(matrix, notation)
    return [sympy.Add(*[w * value for w, value in zip(column, x, strict=True)]) for column in columns]


def _signed_power(base: Expr, x: Input, exponent: Expr, odd: bool) -> Expr:
    """base^exponent, times the sign of x where `odd`; a plain power of x where that is the same."""
    if base == x.size and exponent.is_Integer and odd == bool(exponent % 2):
        return x.value**exponent
    return base**exponent * (x.sign if odd else 1)


def _turns(inputs: Sequence[Input], turns: Sequence[Expr]) -> tuple[list[bool], Expr]:
    """Which half turns of a negative input are whole and odd, so that they are its sign, and the rest of the phase."""
    odd = [bool(turn.is_Integer and turn % 2) for turn in turns]
    rest = [turn * x.negative for turn, x in zip(turns, inputs, strict=True) if not turn.is_Integer]
    return odd, pi * sympy.Add(*rest)


def _weighted_sum(weights: Weights, x: Sequence[Expr], options: Options, notation: Notation) -> list[Expr]:
    """x @ w: nac, nau."""
    return _linear(weights["w"], x, notation)


def _powers(weights: Weights, x: Sequence[Expr], options: Options, notation: Notation) -> list[Expr]:
    """Re(exp((log r + i k) @ (re + i im))): npu, real_npu, naive_npu, real_naive_npu."""
    inputs, eps = _read(x, options), notation.epsilon(options["eps"])
    gates = [notation.number(gate) for gate in weights.get("gate", np.ones(len(inputs), notation.dtype))]
    bases = [gate * (x.size + eps) + 1 - gate for gate, x in zip(gates, inputs, strict=True)]
    outputs = []
    imaginary = weights.get("im", np.zeros_like(weights["re"]))
    for re, im in zip(_numbers(weights["re"], notation), _numbers(imaginary, notation), strict=True):
        odd, phase = _turns(inputs, [gate * power for gate, power in zip(gates, re, strict=True)])
        decay = sympy.Add(*[g * pi * x.negative * v for g, x, v in zip(gates, inputs, im, strict=True)])
        phase += sympy.Add(*[log(base) * v for base, v in zip(bases, im, strict=True) if v != 0])
        powers = [_signed_power(*factor) for factor in zip(bases, inputs, re, odd, strict=True)]
        outputs.append(_product(powers) * exp(-decay) * cos(phase))
    return outputs


def _magnitudes(matrix: np.ndarray, inputs: Sequence[Input], eps: Expr, notation: Notation) -> list[Expr]:
    columns = _numbers(matrix, notation)
    return [_product([(x.size + eps) ** w for x, w in zip(inputs, column, strict=True)]) for column in columns]


def _product_of_magnitudes(weights: Weights, x: Sequence[Expr], options: Options, notation: Notation) -> list[Expr]:
    """exp(log(|x| + eps) @ w): nac_mul."""
    return _magnitudes(weights["w"], _read(x, options), notation.epsilon(options["eps"]), notation)


def _sigmoid(logit: Expr) -> Expr:
    return 1 / (1 + exp(-logit))


def _gated(gates: Sequence[Expr], sums: Sequence[Expr], products: Sequence[Expr]) -> list[Expr]:
    return [g * a + (1 - g) * m for g, a, m in zip(gates, sums, products, strict=True)]


def _nalu(weights: Weights, x: Sequence[Expr], options: Options, notation: Notation) -> list[Expr]:
    """g a + (1 - g) m with g = sigmoid(x @ gate + bias): nalu, gnalu."""
    sums = _linear(weights["w_add"], x, notation)
    products = _magnitudes(weights["w_mul"], _read(x, options), notation.epsilon(options["eps"]), notation)
    gate = weights["gate"]
    if gate.ndim == 1:
        gate = np.repeat(gate[:, None], len(sums), axis=1)
    bias = [notation.number(value) for value in weights.get("bias", np.zeros(len(sums), notation.dtype))]
    logits = [logit + shift for logit, shift in zip(_linear(gate, x, notation), bias, strict=True)]
    return _gated([_sigmoid(logit) for logit in logits], sums, products)


def _inalu(weights: Weights, x: Sequence[Expr], options: Options, notation: Notation) -> list[Expr]:
    """g a + (1 - g) m s, with the product m bounded by exp(omega) and the sign s of its own: inalu."""
    inputs, eps = _read(x, options), notation.epsilon(options["eps"])
    sums, omega = _linear(weights["w_add"], x, notation), notation.number(options["omega"])
    products = []
    for column in _numbers(weights["w_mul"], notation):
        exponent = sympy.Add(*[log(_at_least(x.size, eps)) * w for x, w in zip(inputs, column, strict=True)])
        signs = [sympy.sign(x.value) * Abs(w) + 1 - Abs(w) for x, w in zip(inputs, column, strict=True)]
        products.append(exp(Min(exponent, omega)) * _product(signs))
    if options["gate"] == "independent":
        return _gated([notation.number(gate) for gate in weights["gate"]], sums, products)
    return _gated([_sigmoid(logit) for logit in _linear(weights["gate"], x, notation)], sums, products)


def _at_least(size: Expr, eps: Expr) -> Expr:
    return size if eps == 0 else Max(size, eps)


def _gated_product(weights: Weights, x: Sequence[Expr], options: Options, notation: Notation) -> list[Expr]:
    """prod(w x + 1 - w): nmu, snmu."""
    columns = _numbers(weights["w"], notation)
    return [_product([w * value + 1 - w for w, value in zip(column, x, strict=True)]) for column in columns]


def _nru(weights: Weights, x: Sequence[Expr], options: Options, notation: Notation) -> list[Expr]:
    """prod(sign |x|^w t + 1 - t) with t = |w|, or the magnitudes' product times prod sign^round(w)."""
    inputs, eps = _read(x, options), notation.epsilon(options["eps"])
    inside = options["sign"] == "inside"
    signed = options["domain"] != "positive"
    outputs = []
    for column, values in zip(_numbers(weights["w"], notation), np.asarray(weights["w"]).T, strict=True):
        factors = []
        for each, w, value in zip(inputs, column, values, strict=True):
            whole = abs(float(value)) == 1  # then t is 1, and both variants have the sign in the same place
            power = _signed_power(_at_least(each.size, eps), each, w, odd=signed and (inside or whole))
            outside = signed and not inside and not whole and round(abs(float(value))) % 2
            factors.append((power * Abs(w) + 1 - Abs(w)) * (each.sign if outside else 1))
        outputs.append(_product(factors))
    return outputs


def _nmru(weights: Weights, x: Sequence[Expr], options: Options, notation: Notation) -> list[Expr]:
    """prod(|z| w + 1 - w) cos(pi [z < 0] @ w) of z = [x, 1/x], or with sign="none" prod(z w + 1 - w)."""
    inputs, eps = _read(x, options), notation.epsilon(options["eps"])
    count, outputs = len(inputs), []
    for column in _numbers(weights["w"], notation):
        direct, inverse = column[:count], column[count:]
        if options["sign"] == "none":
            reciprocals = [_signed_power(_at_least(each.size, eps), each, Integer(-1), odd=True) for each in inputs]
            z = [*[each.value for each in inputs], *reciprocals]
            outputs.append(_product([value * w + 1 - w for value, w in zip(z, column, strict=True)]))
            continue
        odd, phase = _turns(inputs, [a + b for a, b in zip(direct, inverse, strict=True)])
        factors = [_nmru_factor(*each, eps) for each in zip(inputs, direct, inverse, odd, strict=True)]
        outputs.append(_product(factors) * cos(phase))
    return outputs


def _nmru_factor(x: Input, direct: Expr, inverse: Expr, odd: bool, eps: Expr) -> Expr:
    """(|x| a + 1 - a) (b / |x| + 1 - b), times the sign of x where `odd`."""
    divisor = _at_least(x.size, eps)
    if (direct, inverse) == (1, 0):
        return _signed_power(x.size, x, Integer(1), odd)
    if (direct, inverse) == (0, 1):
        return _signed_power(divisor, x, Integer(-1), odd)
    return (x.size * direct + 1 - direct) * (inverse / divisor + 1 - inverse) * (x.sign if odd else 1)


FORMULAS: Mapping[str, Formula] = {
    "nac": _weighted_sum,
    "nac_mul": _product_of_magnitudes,
    "nalu": _nalu,
    "gnalu": _nalu,
    "inalu": _inalu,
    "nau": _weighted_sum,
    "nmu": _gated_product,
    "snmu": _gated_product,
    "npu": _powers,
    "real_npu": _powers,
    "naive_npu": _powers,
    "real_naive_npu": _powers,
    "consistent": _powers,
    "nru": _nru,
    "nmru": _nmru,
}
"""By the name of the unit. A new unit needs an entry here; the contract test of to_sympy goes over `UNITS`."""
