"""Derivatives of NumPy formulas by hyper-dual numbers, of many draws at once, in extended precision and range. No JAX.

f(x + a e1 + b e2) with e1^2 = e2^2 = 0 has the derivatives along a, along b, and along both as its other parts:

>>> import numpy as np
>>> draws = HyperDual.seeded(np.array([[3.0, 2.0]]), np.array([[1.0, 1.0]]), np.array([[1.0, 1.0]]))
>>> cube = draws**3
>>> [part.astype(float).tolist() for part in cube.parts]
[[[27.0, 8.0]], [[27.0, 12.0]], [[27.0, 12.0]], [[18.0, 12.0]]]

The last axis counts draws, and a formula does not see it: `draws.shape` is (1,) here. The parts are long doubles, of
which partial results neither overflow nor underflow where float64 would. Conventions are the package's: |x| has slope 0
at 0, a clip has slope 1 everywhere. A function that is not known here raises: add it to one of the tables.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

EXTENDED = np.finfo(np.longdouble).maxexp > np.finfo(np.float64).maxexp
"""Whether long doubles have more range than float64 on this machine (they do on x86)."""


class HyperDual:
    """Four arrays of one shape (..., draws): value, first, second and mixed directional derivative."""

    def __init__(self, value: Any, first: Any, second: Any, mixed: Any):
        self.parts = tuple(np.broadcast_arrays(value, first, second, mixed))

    @staticmethod
    def seeded(x: np.ndarray, first: np.ndarray, second: np.ndarray) -> "HyperDual":
        """x (..., draws), moving along `first` and `second`, arrays of its shape."""
        one = np.ones((), np.longdouble)
        return HyperDual(x * one, first * one, second * one, 0 * one)

    @staticmethod
    def of(x: Any) -> "HyperDual":
        """A number or an array (...) that is the same in all draws, and does not move."""
        if isinstance(x, HyperDual):
            return x
        x = np.asarray(x)[..., None]
        return HyperDual(x.astype(np.result_type(x.dtype, np.longdouble)), 0, 0, 0)

    def each(self, function: Callable[[np.ndarray], np.ndarray]) -> "HyperDual":
        """A linear function, of all four parts."""
        return HyperDual(*map(function, self.parts))

    def chained(self, value: Any, slope: Any, curvature: Any) -> "HyperDual":
        """A function of this one whose value, derivative and second derivative are given."""
        _, first, second, mixed = self.parts
        return HyperDual(value, slope * first, slope * second, slope * mixed + curvature * first * second)

    @property
    def value(self) -> np.ndarray:
        return self.parts[0]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape[:-1]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def real(self) -> "HyperDual":
        return self.each(np.real)

    @property
    def T(self) -> "HyperDual":  # noqa: N802, NumPy's name
        return self.each(lambda part: part.transpose(*reversed(range(self.ndim)), self.ndim))

    def __getitem__(self, index: Any) -> "HyperDual":
        return self.each(lambda part: part[index])

    def __len__(self) -> int:
        return self.shape[0]

    def astype(self, dtype: Any) -> "HyperDual":
        return self.each(lambda part: part.astype(np.clongdouble)) if np.dtype(dtype).kind == "c" else self

    def sum(self, axis: int | None = None, keepdims: bool = False) -> "HyperDual":
        axes = tuple(range(self.ndim)) if axis is None else axis % self.ndim
        return self.each(lambda part: part.sum(axes, keepdims=keepdims))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> "HyperDual":
        if method != "__call__" or options or ufunc not in _UFUNCS:
            raise TypeError(f"hyperdual: {ufunc.__name__} ({method}) is not known; add it to the table _UFUNCS.")
        return _UFUNCS[ufunc](*map(HyperDual.of, inputs))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> "HyperDual":
        if function not in _FUNCTIONS:
            raise TypeError(f"hyperdual: {function.__name__} is not known; add it to the table _FUNCTIONS.")
        return _FUNCTIONS[function](*args, **kwargs)

    __add__ = lambda self, other: np.add(self, other)
    __radd__ = lambda self, other: np.add(other, self)
    __sub__ = lambda self, other: np.subtract(self, other)
    __rsub__ = lambda self, other: np.subtract(other, self)
    __mul__ = lambda self, other: np.multiply(self, other)
    __rmul__ = lambda self, other: np.multiply(other, self)
    __truediv__ = lambda self, other: np.true_divide(self, other)
    __rtruediv__ = lambda self, other: np.true_divide(other, self)
    __pow__ = lambda self, other: np.power(self, other)
    __rpow__ = lambda self, other: np.power(other, self)
    __matmul__ = lambda self, other: np.matmul(self, other)
    __rmatmul__ = lambda self, other: np.matmul(other, self)
    __neg__ = lambda self: np.negative(self)
    __abs__ = lambda self: np.absolute(self)
    __lt__ = lambda self, other: np.less(self, other)
    __gt__ = lambda self, other: np.greater(self, other)
    __le__ = lambda self, other: np.less_equal(self, other)
    __ge__ = lambda self, other: np.greater_equal(self, other)


def _sum(a: HyperDual, b: HyperDual) -> HyperDual:
    return HyperDual(*(one + other for one, other in zip(a.parts, b.parts, strict=True)))


def _bilinear(function: Callable[..., np.ndarray]) -> Callable[[Any, Any], HyperDual]:
    def of_both(a: Any, b: Any) -> HyperDual:
        (a0, a1, a2, a12), (b0, b1, b2, b12) = HyperDual.of(a).parts, HyperDual.of(b).parts
        mixed = function(a12, b0) + function(a1, b2) + function(a2, b1) + function(a0, b12)
        return HyperDual(
            function(a0, b0), function(a1, b0) + function(a0, b1), function(a2, b0) + function(a0, b2), mixed
        )

    return of_both


_product = _bilinear(np.multiply)


def _exp(a: HyperDual) -> HyperDual:
    value = np.exp(a.value)
    return a.chained(value, value, value)


def _log(a: HyperDual) -> HyperDual:
    return a.chained(np.log(a.value), 1 / a.value, -(a.value**-2.0))


def _power(a: HyperDual, b: HyperDual) -> HyperDual:
    if any(part.any() for part in b.parts[1:]):
        return _exp(_product(_log(a), b))
    x, n = a.value, b.value
    with_zeros = lambda factor, power: np.where(factor == 0, 0, factor * x**power)
    return a.chained(x**n, with_zeros(n, n - 1), with_zeros(n * (n - 1), n - 2))


def _tanh(a: HyperDual) -> HyperDual:
    value, slope = np.tanh(a.value), np.cosh(a.value) ** -2.0
    return a.chained(value, slope, -2 * value * slope)


def _logaddexp(a: HyperDual, b: HyperDual) -> HyperDual:
    value = np.logaddexp(a.value, b.value)
    of_a, of_b = np.exp(a.value - value), np.exp(b.value - value)
    first, second, mixed = (of_a * one + of_b * two for one, two in zip(a.parts[1:], b.parts[1:], strict=True))
    return HyperDual(value, first, second, mixed + of_a * of_b * (a.parts[1] - b.parts[1]) * (a.parts[2] - b.parts[2]))


def _selected(condition: Any, a: Any, b: Any) -> HyperDual:
    condition, a, b = map(HyperDual.of, (condition, a, b))
    return HyperDual(*(np.where(condition.value != 0, one, two) for one, two in zip(a.parts, b.parts, strict=True)))


def _constant(function: Callable[..., np.ndarray]) -> Callable[..., HyperDual]:
    """A comparison, or a function that is constant in pieces: 1 for true."""
    return lambda *arguments: HyperDual.seeded(
        function(*(HyperDual.of(argument).value for argument in arguments)), np.zeros(()), np.zeros(())
    )


_PIECEWISE = (np.sign, np.rint, np.less, np.greater, np.less_equal, np.greater_equal, np.equal, np.isfinite)

_UFUNCS: dict[Any, Callable[..., HyperDual]] = {ufunc: _constant(ufunc) for ufunc in _PIECEWISE} | {
    np.add: _sum,
    np.subtract: lambda a, b: _sum(a, b.each(np.negative)),
    np.multiply: _product,
    np.matmul: _bilinear(lambda a, b: np.einsum("ij...,jk...->ik...", a, b)),
    np.true_divide: lambda a, b: _product(a, b.chained(1 / b.value, -(b.value**-2.0), 2 * b.value**-3.0)),
    np.power: _power,
    np.negative: lambda a: a.each(np.negative),
    np.absolute: lambda a: a.chained(np.abs(a.value), np.sign(a.value), 0),
    np.exp: _exp,
    np.log: _log,
    np.log1p: lambda a: a.chained(np.log1p(a.value), 1 / (1 + a.value), -((1 + a.value) ** -2.0)),
    np.sqrt: lambda a: _power(a, HyperDual.of(0.5)),
    np.square: lambda a: _product(a, a),
    np.tanh: _tanh,
    np.cos: lambda a: a.chained(np.cos(a.value), -np.sin(a.value), -np.cos(a.value)),
    np.sin: lambda a: a.chained(np.sin(a.value), np.cos(a.value), -np.sin(a.value)),
    np.logaddexp: _logaddexp,
    np.maximum: lambda a, b: _selected(a >= b, a, b),
    np.minimum: lambda a, b: _selected(a <= b, a, b),
}


def _prod(a: HyperDual, axis: int) -> HyperDual:
    factors = a.each(lambda part: np.moveaxis(part, axis % a.ndim, 0))
    result = factors[0]
    for index in range(1, len(factors)):
        result = result * factors[index]
    return result


def _joined(function: Callable[..., np.ndarray]) -> Callable[..., HyperDual]:
    def join(arrays: Any, axis: int = 0) -> HyperDual:
        jets = [HyperDual.of(array) for array in arrays]
        draws = max(jet.value.shape[-1] for jet in jets)
        spread = [jet.each(lambda part: np.broadcast_to(part, (*part.shape[:-1], draws))) for jet in jets]
        places = range(4)
        axis = axis % (jets[0].ndim + (function is np.stack))
        return HyperDual(*(function([jet.parts[place] for jet in spread], axis=axis) for place in places))

    return join


def _einsum(subscripts: str, *arrays: Any) -> HyperDual:
    left, right, result = subscripts.replace("->", ",").split(",")
    spread = f"{left}...,{right}...->{result}..."
    return _bilinear(lambda a, b: np.einsum(spread, a, b))(*arrays)


_FUNCTIONS: dict[Any, Callable[..., HyperDual]] = {
    np.prod: _prod,
    np.sum: lambda a, axis=None, keepdims=False: a.sum(axis, keepdims),
    np.clip: lambda a, low, high: HyperDual(np.clip(a.value, low, high), *a.parts[1:]),
    np.where: _selected,
    np.einsum: _einsum,
    np.concatenate: _joined(np.concatenate),
    np.stack: _joined(np.stack),
    np.real: lambda a: a.real,
    np.round: _constant(np.round),
    np.zeros_like: _constant(np.zeros_like),
    np.ones_like: _constant(np.ones_like),
}
