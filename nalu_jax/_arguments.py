"""What public functions take, said once for each: a wrong argument is one error, before anything is computed.

>>> from nalu_jax import _arguments
>>> @_arguments.checked("schedules.ramp", scale=_arguments.number(), steps=_arguments.count())
... def ramp(scale, *, steps=10):
...     return scale / steps
>>> ramp("1", steps=2)
Traceback (most recent call last):
    ...
TypeError: schedules.ramp: scale must be a finite real number, got '1'. Convert it with float(...).
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

P = ParamSpec("P")
R = TypeVar("R")


class Kind(NamedTuple):
    """What an argument must be, what to do where it is not, and the error that a value of it is (None: it is fine)."""

    expected: str
    cure: str
    fault: Callable[[Any], type[Exception] | None]


def checked(function: str, /, **kinds: Kind) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator that checks those arguments that it names; `function` is how users call it, for the message."""

    def decorate(inner: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(inner)
        assert kinds.keys() <= signature.parameters.keys(), f"{function} has no {kinds.keys() - signature.parameters}"

        @functools.wraps(inner)
        def outer(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                given = signature.bind(*args, **kwargs).arguments
            except TypeError as error:
                raise TypeError(f"{function}: {error}.") from None
            for name, kind in kinds.items():
                if name in given:
                    check(function, name, given[name], kind)
            return inner(*args, **kwargs)

        return outer

    return decorate


def check(function: str, name: str, value: Any, kind: Kind) -> None:
    """Raise the argument's error, where there is one."""
    error = kind.fault(value)
    if error is not None:
        raise error(f"{function}: {name} must be {kind.expected}, got {described(value)}. {kind.cure}")


def described(value: Any) -> str:
    """A value in few words."""
    if isinstance(value, np.ma.MaskedArray):
        return f"a masked array of shape {value.shape} with {np.ma.count_masked(value)} masked entries"
    if isinstance(value, np.ndarray | jax.Array) and value.ndim:
        what = "" if _is_traced(value) or not _is_real(value) or np.isfinite(value).all() else " with NaN or infinity"
        return f"an array of {value.dtype} of shape {value.shape}{what}"
    text = str(value) if isinstance(value, jax.Array) else repr(value)
    return text if len(text) <= 80 else f"{text[:60]}... ({type(value).__name__})"


def check_shape(function: str, name: str, value: Any, expected: tuple[int, ...], cure: str, dtype: Any = None) -> None:
    """Raise a ValueError unless an array has a shape, and where one is given a dtype."""
    found = tuple(np.shape(value))
    if found != tuple(expected):
        raise ValueError(f"{function}: {name} must have shape {tuple(expected)}, got {found}. {cure}")
    if dtype is not None and _dtype(value) != dtype:
        raise TypeError(f"{function}: {name} must be {dtype}, got {_dtype(value)}. {cure}")


def optional(kind: Kind) -> Kind:
    """The same, or None."""
    return Kind(f"{kind.expected}, or None", kind.cure, lambda value: None if value is None else kind.fault(value))


def number(low: float = -np.inf, high: float = np.inf) -> Kind:
    """A finite real number from low to high, also as an array of shape () that is not known yet."""
    span = (
        "" if low == -np.inf and high == np.inf else f" from {low:g}" if high == np.inf else f" in [{low:g}, {high:g}]"
    )

    def fault(value: Any) -> type[Exception] | None:
        if _is_masked(value):
            return ValueError
        if isinstance(value, str | bytes | bool | np.bool) or _dtype(value) is None or np.shape(value) != ():
            return TypeError
        if not _is_real(value):
            return TypeError
        if _is_traced(value):
            return None
        known = float(value)
        return None if np.isfinite(known) and low <= known <= high else ValueError

    return Kind(f"a finite real number{span}", "Convert it with float(...).", fault)


def count(least: int = 1, most: int | None = None) -> Kind:
    """A whole number of at least `least`, and at most `most`."""

    def fault(value: Any) -> type[Exception] | None:
        if isinstance(value, bool | np.bool) or not hasattr(value, "__index__"):
            return TypeError
        try:
            known = value.__index__()
        except TypeError:  # an array
            return TypeError
        return None if known >= least and (most is None or known <= most) else ValueError

    span = f"of at least {least}" if most is None else f"from {least} to {most}"
    return Kind(f"an integer {span}", "Convert it with int(...).", fault)


def flag() -> Kind:
    """True or False."""
    fault = lambda value: None if isinstance(value, bool | np.bool) else TypeError
    return Kind("True or False", "Convert it with bool(...).", fault)


def function(signature: str) -> Kind:
    """Something that can be called, as (x) -> y."""
    return Kind(f"a function {signature}", "Pass one.", lambda value: None if callable(value) else TypeError)


def choice(*allowed: Any) -> Kind:
    """One of a few values."""

    def fault(value: Any) -> type[Exception] | None:
        return None if isinstance(value, str) and value in allowed else ValueError

    return Kind(f"one of {', '.join(map(repr, allowed))}", "", fault)


def instance(expected: str, cure: str, *types: type) -> Kind:
    """An object of some types."""
    return Kind(expected, cure, lambda value: None if isinstance(value, types) else TypeError)


def sequence(expected: str, cure: str, of: type) -> Kind:
    """A list or tuple of objects of a type, at least one."""

    def fault(value: Any) -> type[Exception] | None:
        if not isinstance(value, list | tuple) or not all(isinstance(entry, of) for entry in value):
            return TypeError
        return None if value else ValueError

    return Kind(expected, cure, fault)


def functions(signature: str) -> Kind:
    """A list or tuple of functions, which may be empty."""

    def fault(value: Any) -> type[Exception] | None:
        return None if isinstance(value, list | tuple) and all(map(callable, value)) else TypeError

    return Kind(f"a list of functions {signature}", "Pass them in brackets.", fault)


def names() -> Kind:
    """A sequence of text, which a text by itself is not."""

    def fault(value: Any) -> type[Exception] | None:
        if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
            return TypeError
        if len(value) == 0:
            return ValueError
        return None if all(isinstance(name, str) for name in value) else TypeError

    return Kind("a sequence of names", 'Pass for example ["a", "b"].', fault)


def real() -> Kind:
    """A real number, which may be NaN or infinite."""

    def fault(value: Any) -> type[Exception] | None:
        return TypeError if isinstance(value, str | bytes) or np.shape(value) != () or not _is_real(value) else None

    return Kind("a real number", "Convert it with float(...).", fault)


def inputs() -> Kind:
    """A sequence of names or symbols (of SymPy, which is not imported here)."""

    def fault(value: Any) -> type[Exception] | None:
        return (
            None if hasattr(value, "__len__") and hasattr(value, "__iter__") else TypeError
        )  # also an index of pandas

    return Kind("a sequence of names and symbols", 'Pass for example ("x", "y").', fault)


def expressions() -> Kind:
    """One expression of SymPy or a sequence of them."""

    def fault(value: Any) -> type[Exception] | None:
        entries = value if isinstance(value, list | tuple) else [value]
        return None if entries and all(hasattr(entry, "free_symbols") for entry in entries) else TypeError

    return Kind("an expression of SymPy or a list of them", "Make it with symbolic.to_sympy.", fault)


def dtype(*, whole: bool = False) -> Kind:
    """Something that JAX takes for a floating dtype, or also for that of integers."""
    kinds = (jnp.floating, jnp.integer) if whole else (jnp.floating,)

    def fault(value: Any) -> type[Exception] | None:
        try:
            known = value is not None and any(jnp.issubdtype(jnp.dtype(value), kind) for kind in kinds)
            return None if known else TypeError
        except TypeError:
            return TypeError

    return Kind(f"a floating dtype{' or one of integers' * whole}", "Pass for example jnp.float32.", fault)


def functions_by_name() -> Kind:
    """A dict of functions."""

    def fault(value: Any) -> type[Exception] | None:
        return None if isinstance(value, Mapping) and all(map(callable, value.values())) else TypeError

    return Kind("a dict from names to functions", "Pass one.", fault)


def numbers() -> Kind:
    """A few numbers in a tuple."""

    def fault(value: Any) -> type[Exception] | None:
        if not isinstance(value, tuple):
            return TypeError
        return _array_fault(value, True, True) or (None if np.ndim(value) == 1 else ValueError)

    return Kind("a tuple of finite real numbers", "Pass for example (-1, 0, 1).", fault)


def counts() -> Kind:
    """A sequence of whole numbers, which may be 0: places in an array."""
    one = count(0)

    def fault(value: Any) -> type[Exception] | None:
        if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
            return TypeError
        return next((found for entry in value if (found := one.fault(entry))), None)

    return Kind("a sequence of integers of at least 0", "Pass for example (0, 1).", fault)


def either(first: Kind, second: Kind) -> Kind:
    """One or the other."""

    def fault(value: Any) -> type[Exception] | None:
        return first.fault(value) and second.fault(value)

    return Kind(f"{first.expected}, or {second.expected}", first.cure, fault)


def array(shape: str = "", *, axes: int | None = None, finite: bool = False, whole: bool = True) -> Kind:
    """Real numbers of at least one entry; masked ones, complex ones and text are not taken for numbers.

    Args:
        shape: in words, for the message; what it is made of is the function's to check.
        axes: how many it has; any number by default.
        finite: whether NaN and infinity are refused, where the numbers are known.
        whole: whether integers are taken too.
    """
    what = "finite real numbers" if finite else "real numbers" if whole else "real floating-point numbers"
    cure = (
        "Convert it with jnp.asarray(..., float), drop rows without a measurement, and pass parts of complex numbers."
    )

    def fault(value: Any) -> type[Exception] | None:
        found = _array_fault(value, finite, whole)
        return ValueError if found is None and axes not in (None, np.ndim(value)) else found

    return Kind(f"an array {shape} of {what}".replace("  ", " "), cure, fault)


def tree(*, modules: bool = False) -> Kind:
    """Params or data: nested dicts, tuples and lists of such arrays, of which some may have no entries; with `modules`
    also what a framework's layers are made of, which is theirs to check."""

    def fault(value: Any) -> type[Exception] | None:
        leaves = jax.tree.leaves(value, is_leaf=lambda leaf: isinstance(leaf, np.ma.MaskedArray) or leaf is None)
        if modules and not isinstance(value, str | bytes | None):  # a layer's own None and text are no params
            leaves = [leaf for leaf in leaves if hasattr(leaf, "dtype")]
        arrays = [leaf for leaf in leaves if not _is_key(leaf) and np.size(leaf)]
        return next((found for leaf in arrays if (found := _array_fault(leaf, False, True))), None)

    cure = "Look at its leaves with jax.tree.leaves; masked and complex ones are not taken for numbers."
    return Kind("a tree of arrays of real numbers", cure, fault)


def mapping(expected: str, of: type | tuple[type, ...] = object) -> Kind:
    """A dict or the like, with values of a type."""

    def fault(value: Any) -> type[Exception] | None:
        return (
            None if isinstance(value, Mapping) and all(isinstance(entry, of) for entry in value.values()) else TypeError
        )

    return Kind(expected, "Make it as the documentation of the function has it.", fault)


def _array_fault(value: Any, finite: bool, whole: bool) -> type[Exception] | None:
    if _is_masked(value):
        return ValueError
    dtype = _dtype(value)
    if dtype is None or not (_is_real(value) and (whole or jnp.issubdtype(dtype, jnp.floating))):
        return TypeError
    if np.size(value) == 0:
        return ValueError
    if finite and not _is_traced(value) and not np.isfinite(np.asarray(value, np.float64)).all():
        return ValueError
    return None


def _is_key(value: Any) -> bool:
    return isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key)


def _is_masked(value: Any) -> bool:
    return isinstance(value, np.ma.MaskedArray) and bool(np.ma.is_masked(value))


def _is_traced(value: Any) -> bool:
    return isinstance(value, Tracer)


def _dtype(value: Any) -> Any:
    """That of an array, number, or nested lists of such; None of anything else."""
    if hasattr(value, "dtype"):
        return value.dtype
    try:
        return np.asarray(value).dtype
    except (ValueError, TypeError):  # lists of unlike lengths
        return None


def _is_real(value: Any) -> bool:
    dtype = _dtype(value)
    return dtype is not None and (
        jnp.issubdtype(dtype, jnp.floating) or jnp.issubdtype(dtype, jnp.integer) or jnp.issubdtype(dtype, jnp.bool_)
    )
