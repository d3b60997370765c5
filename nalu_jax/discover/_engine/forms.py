"""The shapes of formulas: how a formula is made of its terms, with values and gradients.

A formula is f = Phi(z_1, ..., z_K) of terms z_k = c_k prod_j column_j^p_kj. `Form` names Phi; the terms come in groups:

    sum        z_1 + ... + z_K                               groups (K,)
    power      (z_1 + ... + z_K)^power                       groups (K,)
    quotient   (z_1 + ... )^power / (1 + z_m + ...)^below    groups (above, below the bar)
    function   z_1 F(z_2 + ...) + z_m + ...                  groups (1, inside, added), F elementary or a power of 1 + u

>>> import numpy as np
>>> lens = Form("power", (2,), power=-1.0)
>>> values, _ = evaluate(lens, np.array([[0.5], [0.3]]))
>>> values.tolist()
[1.25]
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

EXPONENT_RANGE = 600.0  # exp of more leaves float64 after a product with anything large


@dataclass(frozen=True)
class Form:
    """How terms make a formula.

    Attributes:
        kind: see the module.
        groups: number of terms in each group, in the order of the terms.
        power: of the sum, or of what is above the bar.
        below: power of what is below the bar; negative where that stands above it, a (1 + b)^(3/2).
        function: key of `FUNCTIONS`, for kind "function".
    """

    kind: Literal["sum", "power", "quotient", "function"]
    groups: tuple[int, ...]
    power: float = 1.0
    below: float = 1.0
    function: str | None = None

    @property
    def terms(self) -> int:
        return sum(self.groups)


class Function(NamedTuple):
    """An elementary function: its value and derivative, and the name under which a user allows it."""

    value: Callable[[np.ndarray], np.ndarray]
    derivative: Callable[[np.ndarray], np.ndarray]
    family: str
    odd: bool = False  # F(-u) = -F(u): the sign inside can stand in front
    even: bool = False


def _exp(u: np.ndarray) -> np.ndarray:
    return np.exp(np.clip(u, -EXPONENT_RANGE, EXPONENT_RANGE))


def _expm1(u: np.ndarray) -> np.ndarray:
    return np.expm1(np.clip(u, -EXPONENT_RANGE, EXPONENT_RANGE))


def _logistic(u: np.ndarray) -> np.ndarray:
    return 1 / (1 + _exp(u))


def _cosh(u: np.ndarray) -> np.ndarray:
    return np.cosh(np.clip(u, -EXPONENT_RANGE, EXPONENT_RANGE))


class Root(NamedTuple):
    """(1 + u)^power, less 1 or not."""

    power: float
    less_one: bool


ROOTS = {
    "sqrt1p": Root(0.5, less_one=False),
    "1/sqrt1p": Root(-0.5, less_one=False),
    "sqrt1p^3": Root(1.5, less_one=False),
    "1/sqrt1p^3": Root(-1.5, less_one=False),
    "sqrt1p-1": Root(0.5, less_one=True),
    "1/sqrt1p-1": Root(-0.5, less_one=True),
}
"""Powers of 1 + u that stand beside a term; where that is the factor in front, less 1: no number is fitted twice."""


def _root(root: Root) -> Function:
    def log1p(u: np.ndarray) -> np.ndarray:
        return np.log1p(np.where(u > -1, u, np.nan))

    value = np.expm1 if root.less_one else np.exp
    return Function(
        lambda u: value(root.power * log1p(u)), lambda u: root.power * np.exp((root.power - 1) * log1p(u)), "root"
    )


FUNCTIONS: dict[str, Function] = {
    "exp": Function(_exp, _exp, "exp"),
    "expm1": Function(_expm1, _exp, "exp"),
    "1/expm1": Function(lambda u: 1 / _expm1(u), lambda u: -_exp(u) / _expm1(u) ** 2, "exp"),
    "1/(1+exp)": Function(_logistic, lambda u: -_logistic(u) * _logistic(-u), "exp"),
    "log": Function(lambda u: np.log(np.abs(u)), lambda u: 1 / u, "log"),
    "log1p": Function(np.log1p, lambda u: 1 / (1 + u), "log"),
    "sin": Function(np.sin, np.cos, "sin", odd=True),
    "cos": Function(np.cos, lambda u: -np.sin(u), "cos", even=True),
    "sin^2": Function(lambda u: np.sin(u) ** 2, lambda u: np.sin(2 * u), "sin", even=True),
    "tanh": Function(np.tanh, lambda u: 1 / _cosh(u) ** 2, "tanh", odd=True),
    "1/cosh": Function(lambda u: 1 / _cosh(u), lambda u: -np.tanh(u) / _cosh(u), "cosh", even=True),
    "arcsin": Function(np.arcsin, lambda u: 1 / np.sqrt(1 - u * u), "arcsin", odd=True),
    **{name: _root(root) for name, root in ROOTS.items()},
}
"""By name. "sin^2" is sin(u)^2, "1/expm1" is 1 / (exp(u) - 1), "1/(1+exp)" is
1 / (1 + exp(u)), "1/cosh" is 1 / cosh(u), "log1p" is log(1 + u), "1/sqrt1p-1" is (1 + u)^(-1/2) - 1."""

LESS_ONE = {"exp": "expm1", "sqrt1p": "sqrt1p-1", "1/sqrt1p": "1/sqrt1p-1"}
"""Functions, and the same less 1."""

FAMILIES = tuple(dict.fromkeys(function.family for name, function in FUNCTIONS.items() if name not in ROOTS))


def proper(form: Form) -> Form:
    """The form; that of a quotient where a root has nothing beside it: the same terms make the same values."""
    root = ROOTS.get(form.function or "")
    if root is None or root.less_one or form.groups[2]:
        return form
    return Form("quotient", form.groups[:2], below=-root.power)


def outside_functions(form: Form) -> np.ndarray:
    """(K,) which terms do not stand inside of a function."""
    inside = form.groups[1] if form.kind == "function" else 0
    return ~np.isin(np.arange(form.terms), np.arange(1, 1 + inside))


def evaluate(form: Form, terms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values (..., rows) of the formula and gradients (..., K, rows) with respect to its terms (..., K, rows).

    Where the formula is not defined (a root of a negative number) the value is NaN.
    """
    with np.errstate(all="ignore"):
        if form.kind == "sum":
            return terms.sum(-2), np.ones_like(terms)
        if form.kind == "power":
            values, slope = _power(terms.sum(-2), form.power)
            return values, np.broadcast_to(slope[..., None, :], terms.shape)
        if form.kind == "quotient":
            return _quotient(form, terms)
        return _function(form, terms)


def _power(total: np.ndarray, power: float) -> tuple[np.ndarray, np.ndarray]:
    """total^power and its derivative."""
    if power == 1:
        return total, np.ones_like(total)
    base = total if power == int(power) else np.where(total > 0, total, np.nan)
    values = 1 / base ** int(-power) if power == int(power) and power < 0 else base**power
    return values, power * values / base


def _quotient(form: Form, terms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    above = form.groups[0]
    numerator, slope = _power(terms[..., :above, :].sum(-2), form.power)
    total = 1 + terms[..., above:, :].sum(-2)
    bar, bar_slope = _power(total, -form.below)
    upper = np.broadcast_to((slope * bar)[..., None, :], (*terms.shape[:-2], above, terms.shape[-1]))
    lower = np.broadcast_to((numerator * bar_slope)[..., None, :], terms[..., above:, :].shape)
    return numerator * bar, np.concatenate([upper, lower], -2)


def _function(form: Form, terms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    function = FUNCTIONS[form.function or ""]
    inside = terms[..., 1 : 1 + form.groups[1], :]
    added = terms[..., 1 + form.groups[1] :, :]
    front, total = terms[..., 0, :], inside.sum(-2)
    value, slope = function.value(total), function.derivative(total)
    inner = np.broadcast_to((front * slope)[..., None, :], inside.shape)
    gradients = np.concatenate([value[..., None, :], inner, np.ones_like(added)], -2)
    return front * value + added.sum(-2), gradients
