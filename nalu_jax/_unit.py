"""The `Unit` record, and `chain`, which stacks units.

>>> import jax
>>> import nalu_jax
>>> from nalu_jax import nau, npu
>>> model = nalu_jax.chain(npu.bind(domain="positive"), nau)
>>> params = model.init(jax.random.key(0), (2, 6, 4))
>>> model.apply(params, jax.numpy.ones((5, 2))).shape
(5, 4)
"""

import dataclasses
import inspect
import itertools
from collections.abc import Callable, Hashable, Sequence
from types import ModuleType
from typing import Any, Literal, get_args, get_origin

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

Computes = Literal["sum", "product", "either", "comparison"]
"""What an output is of the inputs: of "either" a gate, learned, decides between sum and product."""

FUNCTIONS = ("leaves", "init", "apply", "weights", "apply_weights", "penalty", "project", "train_apply", "log_polar")
"""The fields of a `Unit` that are functions, and may take options."""


@dataclasses.dataclass(frozen=True)
class _Bound:
    """A function with keyword options fixed. Equal and hashable by value, as `functools.partial` is not."""

    function: Callable[..., Any]
    options: tuple[tuple[str, Hashable], ...]

    def __call__(self, *args, **options):
        return self.function(*args, **(dict(self.options) | options))


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Unit:
    """A neural arithmetic unit as data: the pure functions of its module, hashable, picklable, without arrays.

    Attributes:
        name: the module's name, and the key in `nalu_jax.UNITS`.
        layer: the name of its class in `nalu_jax.linen`, `nalu_jax.nnx` and `nalu_jax.eqx`.
        computes: what an output is of the inputs; plots draw a sum and a product by different nodes.
        leaves: (n_in, n_out) -> {leaf: shape}, in the order of the flat vector.
        init: (key, (n_in, n_out), dtype) -> params.
        apply: (params, x) -> y, with x (..., n_in) and y (..., n_out).
        train_apply: (params, x, *, key) -> y, the forward pass in training; None where it is `apply`.
        weights: params -> the effective weights that the unit computes with.
        apply_weights: (weights, x) -> y, the rest of apply: apply(params, x) is apply_weights(weights(params), x), so
            that a loop which keeps its params finds the weights once. For trusted callers: it checks nothing.
        penalty: params -> the regulariser of the unit's paper, a scalar, unscaled.
        project: params -> params, the clamp of the unit's paper after an optimiser step.
        log_polar: (params, x) -> (u, v) with apply(params, x) = exp(u) * cos(v), each like y; None where a unit has no
            such form.
        formula: (effective weights, x, options, notation) -> the equation of the unit's docstring in SymPy, one
            expression for every output; None where a unit has none to read. `notation` writes its numbers: it is a
            `nalu_jax.units._notation.Notation`. SymPy is imported within the function, so that units load without it.
        noisy: whether `train_apply` draws random numbers; without, its key is not used.
        options: what `bind` has fixed, apart from values that are defaults.
    """

    name: str
    layer: str
    computes: Computes
    leaves: Leaves
    init: Callable[..., Params]
    apply: Callable[..., Array]
    train_apply: Callable[..., Array] | None = None
    weights: Callable[..., Params]
    apply_weights: Callable[..., Array]
    penalty: Callable[..., Array]
    project: Callable[..., Params]
    log_polar: Callable[..., tuple[Array, Array]] | None = None
    formula: Callable[..., list[Any]] | None = None
    noisy: bool = False
    options: tuple[tuple[str, Hashable], ...] = ()

    def __repr__(self) -> str:
        return f"<{', '.join([f'unit {self.name}', *(f'{name}={value!r}' for name, value in self.options)])}>"

    @property
    def defaults(self) -> dict[str, Any]:
        """Every option of the unit, `<leaf>_init` included, with its default: what `bind` has fixed is not in it."""
        options = [options_of(function) for function in self._functions().values()]
        return {name: default for each in options for name, default in each.items()}

    @property
    def settings(self) -> dict[str, Any]:
        """Every option with the value that it has here."""
        return self.defaults | dict(self.options)

    def bind(self, **options: Hashable) -> "Unit":
        """This unit with options fixed, each in every function that takes it.

        `npu.bind(...)` and its siblings do the same with options that an editor completes and a type checker checks.
        Units with equal options are equal: it makes no difference whether a default is given or left out.

        Raises:
            TypeError: an option that no function of the unit takes, or one that is not hashable.
            ValueError: text that is none of the option's choices.
        """
        defaults = self.defaults
        if unknown := sorted(options.keys() - defaults.keys()):
            raise TypeError(f"{self.name}: no option {unknown}; its options are {sorted(defaults)}.")
        if unhashable := sorted(name for name, value in options.items() if not _is_hashable(value)):
            raise TypeError(f"{self.name}: option {unhashable} is not hashable; pass a number, string or tuple.")
        for name, allowed in self._choices().items():
            if name in options and options[name] not in allowed:
                choices = ", ".join(map(repr, allowed))
                raise ValueError(f"{self.name}: {name} must be one of {choices}, got {options[name]!r}.")
        given = dict(self.options) | options
        fixed = {name: value for name, value in given.items() if not _is_same(value, defaults[name])}
        return dataclasses.replace(
            self,
            options=tuple(sorted(fixed.items())),
            **{name: _bind(function, fixed) for name, function in self._functions().items()},
        )

    def _choices(self) -> dict[str, tuple[Any, ...]]:
        """Of every option that is one of a few texts, these."""
        annotations = [inspect.signature(function).parameters.values() for function in self._functions().values()]
        return {
            each.name: get_args(each.annotation)
            for parameters in annotations
            for each in parameters
            if get_origin(each.annotation) is Literal
        }

    def _functions(self) -> dict[str, Callable[..., Any]]:
        """The unit's own functions, without what `bind` has fixed."""
        functions = {name: getattr(self, name) for name in FUNCTIONS if getattr(self, name) is not None}
        return {name: f.function if isinstance(f, _Bound) else f for name, f in functions.items()}


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _is_same(value: Hashable, default: Any) -> bool:
    return type(value) is type(default) and value == default


def options_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The keyword-only arguments that have a default, with it: the options, not the noise key of `train_apply`."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is not p.empty}


def _bind(function: Callable[..., Any], options: dict[str, Hashable]) -> Callable[..., Any]:
    taken = {name: value for name, value in options.items() if name in options_of(function)}
    return _Bound(function, tuple(sorted(taken.items()))) if taken else function


@dataclasses.dataclass(frozen=True)
class Chain:
    """Units one after another, with the functions of a unit. Params are a tuple, one entry a unit.

    A static value like `Unit`: hashable, picklable, without arrays. Make one with `nalu_jax.chain`.

    Attributes:
        units: in the order in which x meets them.
    """

    units: tuple[Unit, ...]

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

    def _pairs(self, params: Sequence[Any]) -> list[tuple[Unit, Any]]:
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
        units: unit modules, `Unit` records (also bound ones) or chains, in the order in which x meets them. A chain
            among them stands for its units: params, shapes and `fast` know one flat tuple, however it was put together.

    Raises:
        TypeError: no unit at all, or something that is not one.
    """
    if not units:
        raise TypeError("chain: expected at least one unit, got none; for example chain(npu, nau).")
    return Chain(tuple(record for unit in units for record in _units_of(unit)))


def _units_of(unit: ModuleType | Unit | Chain) -> tuple[Unit, ...]:
    record = getattr(unit, "UNIT", unit)
    if not isinstance(record, Unit | Chain):
        raise TypeError(f"chain: expected a unit module, a Unit or a Chain, got {unit!r}; for example chain(npu, nau).")
    return record.units if isinstance(record, Chain) else (record,)


def zero_penalty(params: Params) -> Array:
    """The scalar 0 in the dtype of the params, for units whose paper has no regulariser."""
    return jnp.zeros((), next(iter(params.values())).dtype)
