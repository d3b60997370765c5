"""The `Unit` record, and `chain`, which stacks units.

>>> import jax
>>> import nalu_jax
>>> from nalu_jax import nau, npu
>>> model = nalu_jax.chain(npu.UNIT.bind(domain="positive"), nau)
>>> params = model.init(jax.random.key(0), (2, 6, 4))
>>> model.apply(params, jax.numpy.ones((5, 2))).shape
(5, 4)
"""

import dataclasses
import inspect
import itertools
from collections.abc import Callable, Hashable, Sequence
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike

Params = dict[str, Array]
"""The parameters of one unit: leaf name to array."""

Shape = tuple[int, ...]
"""(n_in, n_out) of a unit, (n_in, n_hidden, ..., n_out) of a chain, or the shape of an array."""

Leaves = Callable[..., dict[str, Shape]]
"""From (n_in, n_out) to the shape of every leaf, in flat order; the first leaf is a matrix that ends in n_out."""


FUNCTIONS = ("leaves", "init", "apply", "weights", "apply_weights", "penalty", "project", "train_apply", "log_polar")
"""The fields of a `Unit` that are functions, and may take options."""


@dataclasses.dataclass(frozen=True)
class _Bound:
    """A function with keyword options fixed. Equal and hashable by value, as `functools.partial` is not."""

    function: Callable[..., Any]
    options: tuple[tuple[str, Hashable], ...]

    def __call__(self, *args, **options):
        return self.function(*args, **(dict(self.options) | options))


@dataclasses.dataclass(frozen=True)
class Unit:
    """A neural arithmetic unit as data: the pure functions of its module, hashable, picklable, without arrays.

    Attributes:
        name: the module's name, and the key in `nalu_jax.UNITS`.
        leaves: (n_in, n_out) -> {leaf: shape}, in the order of the flat vector.
        init: (key, (n_in, n_out), dtype) -> params.
        apply: (params, x) -> y, with x (..., n_in) and y (..., n_out).
        weights: params -> the effective weights that the unit computes with.
        apply_weights: (weights, x) -> y, the rest of apply: apply(params, x) is apply_weights(weights(params), x), so
            that a loop which keeps its params finds the weights once. For trusted callers: it checks nothing.
        penalty: params -> the regulariser of the unit's paper, a scalar, unscaled.
        project: params -> params, the clamp of the unit's paper after an optimiser step.
        train_apply: (params, x, *, key) -> y, the forward pass in training; None where it is `apply`.
        log_polar: (params, x) -> (u, v) with apply(params, x) = exp(u) * cos(v), each like y; None where a unit has no
            such form.
        options: what `bind` has fixed.
    """

    name: str
    leaves: Leaves
    init: Callable[..., Params]
    apply: Callable[..., Array]
    weights: Callable[..., Params]
    apply_weights: Callable[..., Array]
    penalty: Callable[..., Array]
    project: Callable[..., Params]
    train_apply: Callable[..., Array] | None = None
    log_polar: Callable[..., tuple[Array, Array]] | None = None
    options: tuple[tuple[str, Hashable], ...] = ()

    def bind(self, **options: Hashable) -> "Unit":
        """This unit with options fixed, each in every function that takes it.

        Raises:
            TypeError: an option that no function of the unit takes, or one that is not hashable.
        """
        functions = {name: getattr(self, name) for name in FUNCTIONS if getattr(self, name) is not None}
        known = set().union(*map(options_of, functions.values()))
        if unknown := sorted(options.keys() - known):
            raise TypeError(f"{self.name}: no option {unknown}; its options are {sorted(known)}.")
        if unhashable := sorted(name for name, value in options.items() if not _is_hashable(value)):
            raise TypeError(f"{self.name}: option {unhashable} is not hashable; pass a number, string or tuple.")
        return dataclasses.replace(
            self,
            options=tuple(sorted((dict(self.options) | options).items())),
            **{name: _bind(function, options) for name, function in functions.items()},
        )


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def options_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The keyword-only arguments that have a default, with it: the options, not the noise key of `train_apply`."""
    if isinstance(function, _Bound):
        return options_of(function.function)
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is not p.empty}


def _bind(function: Callable[..., Any], options: dict[str, Hashable]) -> Callable[..., Any]:
    taken = {name: value for name, value in options.items() if name in options_of(function)}
    if not taken:
        return function
    if isinstance(function, _Bound):
        return _Bound(function.function, tuple(sorted((dict(function.options) | taken).items())))
    return _Bound(function, tuple(sorted(taken.items())))


@dataclasses.dataclass(frozen=True)
class Chain:
    """Units one after another, with the functions of a unit. Params are a tuple, one entry a unit.

    A static value like `Unit`: hashable, picklable, without arrays. Make one with `nalu_jax.chain`.
    """

    units: tuple["Unit | Chain", ...]

    @property
    def name(self) -> str:
        return f"chain({', '.join(unit.name for unit in self.units)})"

    def init(self, key: Array, shape: Shape, dtype: DTypeLike = jnp.float32) -> tuple[Any, ...]:
        """Params of every unit; shape is (n_in, n_hidden, ..., n_out), one entry more than there are units.

        Raises:
            ValueError: shape does not fit the number of units.
        """
        if len(shape) != len(self.units) + 1:
            raise ValueError(
                f"{self.name}: shape {tuple(shape)} has {len(shape)} sizes, expected {len(self.units) + 1}: "
                f"(n_in, then the n_out of each of the {len(self.units)} units)."
            )
        keys = jax.random.split(key, len(self.units))
        return tuple(
            unit.init(key, pair, dtype)
            for unit, key, pair in zip(self.units, keys, itertools.pairwise(shape), strict=True)
        )

    def apply(self, params: Sequence[Any], x: ArrayLike) -> Array:
        """y (..., n_out) of x (..., n_in), each unit by its evaluation forward pass."""
        for unit, unit_params in self._pairs(params):
            x = unit.apply(unit_params, x)
        return jnp.asarray(x)

    def train_apply(self, params: Sequence[Any], x: ArrayLike, *, key: Array) -> Array:
        """As `apply`, with the training forward pass of each unit that has one; key feeds their noise."""
        keys = jax.random.split(key, len(self.units))
        for (unit, unit_params), unit_key in zip(self._pairs(params), keys, strict=True):
            if unit.train_apply is None:
                x = unit.apply(unit_params, x)
            else:
                x = unit.train_apply(unit_params, x, key=unit_key)
        return jnp.asarray(x)

    def weights(self, params: Sequence[Any]) -> tuple[Any, ...]:
        """The effective weights of every unit."""
        return tuple(unit.weights(unit_params) for unit, unit_params in self._pairs(params))

    def apply_weights(self, weights: Sequence[Any], x: ArrayLike) -> Array:
        """y (..., n_out) of the effective weights of every unit: the rest of `apply`."""
        for unit, unit_weights in self._pairs(weights):
            x = unit.apply_weights(unit_weights, x)
        return jnp.asarray(x)

    def penalty(self, params: Sequence[Any]) -> Array:
        """Sum of the units' penalties, unscaled."""
        penalties = [unit.penalty(unit_params) for unit, unit_params in self._pairs(params)]
        return jnp.stack(penalties).sum()

    def project(self, params: Sequence[Any]) -> tuple[Any, ...]:
        """Every unit's params, projected."""
        return tuple(unit.project(unit_params) for unit, unit_params in self._pairs(params))

    def _pairs(self, params: Sequence[Any]) -> list[tuple["Unit | Chain", Any]]:
        if not isinstance(params, tuple | list) or len(params) != len(self.units):
            got = f"{len(params)} entries" if isinstance(params, tuple | list) else type(params).__name__
            raise ValueError(
                f"{self.name}: params must be a tuple of {len(self.units)} entries, one for each unit, got {got}. "
                "Make them with chain(...).init(key, shape)."
            )
        return list(zip(self.units, params, strict=True))


def chain(*units: ModuleType | Unit | Chain) -> Chain:
    """Stack units: `chain(npu, nau)` computes nau(npu(x)).

    Args:
        units: unit modules, `Unit` records (also bound ones) or chains, in the order in which x meets them.

    Raises:
        TypeError: no unit at all, or something that is not one.
    """
    if not units:
        raise TypeError("chain: expected at least one unit, got none; for example chain(npu, nau).")
    return Chain(tuple(_as_unit(unit) for unit in units))


def _as_unit(unit: ModuleType | Unit | Chain) -> Unit | Chain:
    record = getattr(unit, "UNIT", unit)
    if not isinstance(record, Unit | Chain):
        raise TypeError(f"chain: expected a unit module, a Unit or a Chain, got {unit!r}; for example chain(npu, nau).")
    return record


def zero_penalty(params: Params) -> Array:
    """The scalar 0 in the dtype of the params, for units whose paper has no regulariser."""
    return jnp.zeros((), next(iter(params.values())).dtype)
