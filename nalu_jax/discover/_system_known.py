"""The known part of the rates, a function in JAX or text, as the search has it: in NumPy and in scaled states.

>>> text = read({"y": "-k*y + a*sin(w*t)"}, ("y", "z"), 2)
>>> text.constants, [part is None for part in text.parts]
(('a', 'k', 'w'), [False, True])
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import sympy

from . import _known, _names
from ._known_rates import TIME
from ._systems.problem import Known


def of(known: Callable[..., Any], scale: np.ndarray) -> Known:
    """Rates and derivatives of a function (t, y) -> rates in the units of the data.

    Raises:
        ValueError: it returns something else than (n_states,).
    """
    n_states = len(scale)
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        found = jax.eval_shape(known, jnp.zeros(()), jnp.zeros(n_states))
    if getattr(found, "shape", None) != (n_states,):
        got = getattr(found, "shape", found)
        raise ValueError(f"discover.ode: known(t, y) must return an array of shape ({n_states},), got {got}.")
    rates = jax.jit(jax.vmap(known))
    jacobian = jax.jit(jax.vmap(jax.jacfwd(known, argnums=1)))

    def scaled_rates(times: np.ndarray, variables: np.ndarray) -> np.ndarray:
        with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
            return np.asarray(rates(times, variables[:, :n_states] * scale)) / scale

    def scaled_jacobian(times: np.ndarray, variables: np.ndarray) -> np.ndarray:
        with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
            return np.asarray(jacobian(times, variables[:, :n_states] * scale)) * scale / scale[:, None]

    return Known(scaled_rates, scaled_jacobian)


class Text(NamedTuple):
    """Known rates as text: of every state its part, None where nothing is known, the names of the states, the symbols
    of states and inputs, and the names of all constants."""

    parts: tuple[_known.Known | None, ...]
    names: tuple[str, ...]
    symbols: tuple[str, ...]
    constants: tuple[str, ...]


def is_text(known: Any) -> bool:
    """Whether known rates are given as text or expressions rather than as a function."""
    return isinstance(known, str | Mapping | Sequence | sympy.Basic)


def read(known: Any, names: Sequence[str], n_states: int) -> Text:
    """Text or SymPy expressions of the rates of states, checked.

    Args:
        known: of one state, of each, or by the names of states.
        names: of the states and, after them, of the inputs.
        n_states: how many states there are.

    Raises:
        TypeError, ValueError: there is no such state, or a text is no formula of states, inputs, time and constants.
    """
    symbols = _names.symbols(names)
    given = _by_name(known, names[:n_states])
    parts = tuple(_part(given.get(name), name, names, symbols) for name in names[:n_states])
    constants = (name for part in parts if part is not None for name in part.constants)
    return Text(parts, tuple(names[:n_states]), symbols, tuple(dict.fromkeys(constants)))


def _by_name(known: Any, states: Sequence[str]) -> Mapping[str, Any]:
    if isinstance(known, Mapping):
        unknown = [name for name in known if name not in states]
        if unknown:
            raise ValueError(
                f"discover.ode: known: {unknown[0]!r} is no state; there are {', '.join(map(repr, states))}. "
                "Name the states as they are."
            )
        return known
    every = (known,) if isinstance(known, str | sympy.Basic) else known
    if len(every) != len(states):
        raise ValueError(
            f"discover.ode: known is {len(every)} text{'s' * (len(every) != 1)}, and there are {len(states)} states. "
            f'Pass a text by the name of its state, such as {{{states[0]!r}: "..."}}, or one for each.'
        )
    return dict(zip(states, every, strict=True))


def _part(text: Any, state: str, names: Sequence[str], symbols: Sequence[str]) -> _known.Known | None:
    """What is known of one rate; None where that is nothing."""
    if text is None:
        return None
    if isinstance(text, sympy.Expr):
        text = str(text)
    if not isinstance(text, str):
        raise TypeError(
            f"discover.ode: known of {state!r} must be the text of a formula or a SymPy expression, got {text!r:.60}. "
            "A function (t, y) -> rates is one for all states."
        )
    try:
        part = _known.part_of(text, names, (*symbols, *((TIME,) if TIME not in symbols else ())))
    except ValueError as error:
        raise ValueError(f"discover.ode: known of {state!r}: {error}") from None
    return None if _known.parsed(part) == 0 else part


def check_options(text: Text, *, conserved: bool, varies: bool) -> None:
    """Raise where constants would have to be fitted beside what they are not fitted beside."""
    together = [name for name, given in (("conserved", conserved), ("varies", varies)) if given]
    if together:
        raise ValueError(
            f"discover.ode: known: the constant {text.constants[0]!r} is not fitted together with {together[0]}. Give "
            f"its value, or leave {together[0]} out."
        )


def of_text(text: Text, scale: np.ndarray, constants: np.ndarray) -> Known:
    """Rates and derivatives of text with these constants (k,); `scale` is that of states and inputs."""
    n_states = len(text.parts)
    own = scale[:n_states]

    def rates(times: np.ndarray, variables: np.ndarray) -> np.ndarray:
        return rates_of(text, times, variables[..., : len(scale)] * scale, constants) / own

    def jacobian(times: np.ndarray, variables: np.ndarray) -> np.ndarray:
        names = text.symbols[:n_states]
        found = _slopes(text, names, times, variables[..., : len(scale)] * scale, constants)
        return found * own / own[:, None]

    return Known(rates, jacobian)


def rates_of(text: Text, times: np.ndarray, variables: np.ndarray, constants: np.ndarray) -> np.ndarray:
    """(..., n_states) at times (...) and variables (..., n_variables), in the units of the data."""
    expressions = [sympy.Integer(0) if part is None else _known.parsed(part) for part in text.parts]
    return _values(expressions, text, times, variables, constants)


def by_constants(
    text: Text, scale: np.ndarray, times: np.ndarray, variables: np.ndarray, constants: np.ndarray
) -> np.ndarray:
    """(..., n_states, k) derivatives of the scaled rates by the constants, at scaled variables; 0 where there is none.

    Where a rate has a value and no derivative, as a root has at 0, no constant is told.
    """
    found = _slopes(text, text.constants, times, variables * scale, constants)
    return np.where(np.isfinite(found), found, 0.0) / scale[: len(text.parts), None]


def _slopes(
    text: Text, names: tuple[str, ...], times: np.ndarray, variables: np.ndarray, constants: np.ndarray
) -> np.ndarray:
    """(..., n_states, names) derivatives of the rates by what has these names."""
    none = (sympy.Integer(0),) * len(names)
    expressions = [each for part in text.parts for each in (none if part is None else _derivatives(part, names))]
    return _values(expressions, text, times, variables, constants).reshape(*times.shape, len(text.parts), len(names))


def _values(
    expressions: Sequence[sympy.Expr], text: Text, times: np.ndarray, variables: np.ndarray, constants: np.ndarray
) -> np.ndarray:
    """(..., expressions), NaN where one has no value."""
    from ..symbolic._evaluate import evaluate  # here: a search without known text loads no reader of formulas

    columns = dict(zip(text.symbols, np.moveaxis(variables, -1, 0), strict=True))
    given = {TIME: times, **dict(zip(text.constants, constants.tolist(), strict=True)), **columns}
    found = np.empty((*times.shape, len(expressions)))
    with np.errstate(all="ignore"):
        for place, expression in enumerate(expressions):
            found[..., place] = evaluate(expression, given)
    return found


class _Size(sympy.Function):
    """An absolute value: SymPy's own has a derivative in parts of complex numbers where it cannot tell that its
    argument is real."""

    def fdiff(self, argindex: int = 1) -> Any:
        return _Sign(self.args[0])


class _Sign(sympy.Function):
    """A sign, which does not change: SymPy's own has a derivative that no float is."""

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return sympy.Integer(0)


@functools.lru_cache(maxsize=32)
def _derivatives(part: _known.Known, names: tuple[str, ...]) -> tuple[sympy.Expr, ...]:
    """Of a part by each of these."""
    expression: Any = _known.parsed(part).replace(sympy.Abs, _Size).replace(sympy.sign, _Sign)
    found = [expression.diff(sympy.Symbol(name, real=True)) for name in names]
    return tuple(each.replace(_Size, sympy.Abs).replace(_Sign, sympy.sign) for each in found)


def check(
    text: Text,
    *,
    times: Sequence[np.ndarray],
    states: Sequence[np.ndarray],
    inputs: Sequence[np.ndarray] | None,
    constants: np.ndarray,
) -> None:
    """Raise where a rate has no value at a measurement of all that it is made of.

    Args:
        text: what is known.
        times, states, inputs: (n_times,), (n_times, n_states) and (n_times, n_inputs) of each trajectory.
        constants: (k,) with which it is evaluated.
    """
    for i, (ts, ys) in enumerate(zip(times, states, strict=True)):
        variables = ys if inputs is None else np.concatenate([ys, inputs[i]], 1)
        rates = rates_of(text, ts, variables, constants)
        for j, part in enumerate(text.parts):
            used = [] if part is None else _used(part, text.symbols)
            bad = np.flatnonzero(~np.isfinite(rates[:, j]) & np.isfinite(variables[:, used]).all(1))
            if part is not None and bad.size:
                _refuse(text, part, j, i, int(bad[0]), constants)


def _used(part: _known.Known, symbols: Sequence[str]) -> list[int]:
    names = {str(symbol) for symbol in _known.parsed(part).free_symbols}
    return [place for place, symbol in enumerate(symbols) if symbol in names]


def _refuse(text: Text, part: _known.Known, state: int, trajectory: int, row: int, constants: np.ndarray) -> None:
    numbers = zip(text.constants, constants.tolist(), strict=True)
    fitted = ", ".join(f"{name} = {value:.4g}" for name, value in numbers if name in part.constants)
    raise ValueError(
        f"discover.ode: known of {text.names[state]!r}: {part.text!r} has no finite value in row {row} of trajectory "
        f"{trajectory}{f', with {fitted}' if fitted else ''}. Mend it, or leave the row out."
    )
