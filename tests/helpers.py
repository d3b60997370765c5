"""What several test files share."""

import inspect
from collections.abc import Callable
from typing import Any, Literal, get_args, get_origin

import jax
import jax.numpy as jnp
import numpy as np
from oracles import ORACLES

from nalu_jax import UNITS, Unit

ALL_UNITS = list(UNITS.values())

OTHER_NUMBERS = {"eps": 1e-3}  # of options that are numbers; any other is tried with 0.5


def others(option: inspect.Parameter) -> list[Any]:
    """Values of an option that are not its default, from its annotation: every string, the other bool, a number."""
    if isinstance(option.default, bool):
        return [not option.default]
    if choices := get_args(option.annotation) if get_origin(option.annotation) is Literal else ():
        return [choice for choice in choices if choice != option.default]
    return [OTHER_NUMBERS.get(option.name, 0.5)]


def options_of_evaluation(unit: Unit) -> list[inspect.Parameter]:
    """The options that decide what `apply` computes, but for the domain, which has tests of its own."""
    parameters = inspect.signature(unit.apply).parameters.values()
    return [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "domain"]


def variants_of(unit: Unit) -> list[dict[str, Any]]:
    """No option, every other value of one option, and all but the numbers at once."""
    options = {option.name: others(option) for option in options_of_evaluation(unit)}
    single = [{name: value} for name, values in options.items() for value in values]
    together = {name: values[-1] for name, values in options.items() if not is_number(values[-1])}
    return [{}, *single, *([together] if len(together) > 1 else [])]


def is_number(value: Any) -> bool:
    return isinstance(value, float)


VARIANTS = [(unit.name, options) for unit in ALL_UNITS for options in variants_of(unit)]
"""Every unit with every option, as (name, options)."""

POSITIVE = [unit.name for unit in ALL_UNITS if "domain" in unit.defaults]
"""Units with the option domain="positive"."""


def oracle(name: str) -> Callable[..., Any]:
    """The formula of a unit, or what a new unit still needs."""
    if name not in ORACLES:
        raise LookupError(f"tests/oracles.py has no formula of {name}: write one from its paper, and add it to ORACLES")
    return ORACLES[name]


def takes_negative(name: str, options: dict[str, Any]) -> bool:
    """Whether a variant is defined at negative inputs: its oracle says so, which is not the code under test."""
    params = {leaf: np.full(shape, 0.5) for leaf, shape in UNITS[name].bind(**options).leaves((2, 1)).items()}
    return bool(np.isfinite(oracle(name)(params, np.array([[-0.5, 2.0]]), **options)).all())


def is_smooth(name: str, options: dict[str, Any]) -> bool:
    """Whether the oracle moves with every leaf: where it rounds one, derivatives pass straight through the steps."""
    unit, key = UNITS[name].bind(**options), jax.random.key(0)
    params, x = to_numpy(random_params(unit, key)), np.array([[0.5, 2.0, 3.0]])
    value = oracle(name)(params, x, **options)
    return all((oracle(name)(params | {leaf: params[leaf] * 1.001}, x, **options) != value).any() for leaf in params)


def within_domain(variant: tuple[str, dict[str, Any]], x: Any) -> Any:
    """x, or |x| for a variant that is not defined at negative inputs."""
    return x if takes_negative(*variant) else abs(x)


def variant_id(variant: tuple[str, dict[str, Any]]) -> str:
    name, options = variant
    return "-".join([name, *(f"{key}={value}" for key, value in options.items())])


def random_params(unit: Unit, key: jax.Array, shape: tuple[int, int] = (3, 2), dtype: Any = jnp.float32) -> Any:
    """Params of generic values, some outside every clip's range: N(0.3, 0.7), away from the kinks at -1, 0 and 1."""
    leaves = unit.leaves(shape)
    keys = jax.random.split(key, len(leaves))
    values = {name: 0.3 + 0.7 * jax.random.normal(k, s) for k, (name, s) in zip(keys, leaves.items(), strict=True)}
    return {name: value.astype(dtype) for name, value in values.items()}


def to_numpy(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)


def nonfinite_leaves(tree: Any) -> list[str]:
    """Paths of the leaves with an entry that is NaN or infinite."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return [jax.tree_util.keystr(path) for path, leaf in leaves if not bool(jnp.isfinite(leaf).all())]


def assert_trees_close(actual: Any, expected: Any, *, rtol: float, atol: float = 0.0) -> None:
    def check(path, a, e):
        name = jax.tree_util.keystr(path)
        np.testing.assert_allclose(np.asarray(a, float), np.asarray(e, float), rtol, atol, err_msg=name)

    jax.tree_util.tree_map_with_path(check, actual, expected)
