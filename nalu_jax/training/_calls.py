"""Calls of the user's functions: each gets those extra arguments that it names, and no others.

>>> from nalu_jax.training import _calls
>>> _calls.call(lambda params, step, *, context: params + context, 1, 0, context=2, loss=3)
3
"""

import inspect
from collections.abc import Callable
from typing import Any


def extras_of(function: Callable[..., Any], given: int) -> frozenset[str]:
    """The names of the parameters that can be passed by keyword after `given` positional arguments."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # some builtins have no signature
        return frozenset()
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    later = [p for p in positional[given:] if p.kind is p.POSITIONAL_OR_KEYWORD]
    return frozenset(p.name for p in later + [p for p in parameters if p.kind is p.KEYWORD_ONLY])


def call(function: Callable[..., Any], *args: Any, **extras: Any) -> Any:
    """function(*args), with those of the extras that it has a parameter for."""
    names = extras_of(function, len(args))
    return function(*args, **{name: value for name, value in extras.items() if name in names})
