"""Compiled programs of the user's functions, kept for as long as these functions live.

A cache that holds a function holds whatever it closes over: data, models, a whole notebook's arrays. Here the key has
weak references to the functions, and so has what was compiled: it asks for them again when it is traced again.

>>> import gc
>>> from nalu_jax import _recall
>>> @_recall.while_alive(maxsize=8)
... def compiled(recall):
...     return lambda x: recall()[0](x)  # in place of a function that holds its argument
>>> square = lambda x: x**2
>>> compiled(square) is compiled(square), compiled(square)(3), len(compiled.kept)
(True, 9, 1)
>>> del square
>>> _ = gc.collect()
>>> len(compiled.kept)
0
"""

import collections
import types
import weakref
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")
Make = Callable[[Callable[[], tuple[Any, ...]]], T]


class Parts(NamedTuple):
    """A tuple, or a NamedTuple of the type `kind`, of what is held."""

    kind: type
    values: tuple[Any, ...]


def while_alive(*, maxsize: int) -> Callable[[Make[T]], "Cached[T]"]:
    """A decorator of make(recall): what it makes is kept for equal arguments, which recall() gives again.

    It must reach functions among them by `recall` only. It is forgotten when one of them is gone, and at the latest
    when `maxsize` others were asked for since.
    """
    return lambda make: Cached(make, maxsize)


class Cached(Generic[T]):
    """A function with its cache."""

    def __init__(self, make: Make[T], maxsize: int):
        self.make, self.maxsize = make, maxsize
        self.kept: collections.OrderedDict[Any, T] = collections.OrderedDict()

    def __call__(self, *arguments: Any) -> T:
        """What `make` made of equal arguments, or makes of these."""
        key: Any = None

        def forget(_: Any) -> None:
            self.kept.pop(key, None)

        key = held(arguments, forget)
        if key in self.kept:
            self.kept.move_to_end(key)
            return self.kept[key]
        made = self.kept[key] = self.make(lambda: recalled(key))
        if len(self.kept) > self.maxsize:
            self.kept.popitem(last=False)
        return made


def held(value: Any, forget: Callable[[Any], None]) -> Any:
    """The value with weak references in place of functions, also of those within tuples."""
    if isinstance(value, tuple):
        return Parts(type(value), tuple(held(part, forget) for part in value))
    if isinstance(value, types.MethodType):
        return weakref.WeakMethod(value, forget)
    if isinstance(value, type) or not callable(value):
        return value
    try:
        return weakref.ref(value, forget)
    except TypeError:  # an object without room for one
        return value


def recalled(key: Any) -> Any:
    """The value that `held` was given."""
    if isinstance(key, Parts):
        values = tuple(recalled(part) for part in key.values)
        return values if key.kind is tuple else key.kind(*values)
    return key() if isinstance(key, weakref.ref) else key
