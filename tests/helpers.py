"""What several test files share."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nalu_jax import UNITS, Unit

ALL_UNITS = list(UNITS.values())

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *[(name, {}) for name in UNITS],
    ("nalu", {"separate": True}),
    ("nalu", {"gate": "vector"}),
    ("nalu", {"bias": False, "eps": 1e-7}),
    ("nalu", {"separate": True, "gate": "vector", "bias": False}),
    ("inalu", {"gate": "independent"}),
    ("inalu", {"separate": False}),
    ("inalu", {"separate": False, "gate": "independent", "eps": 1e-3, "omega": 0.5}),
    ("nac_mul", {"eps": 1e-3}),
    ("gnalu", {"eps": 1e-3}),
    ("nau", {"clip": True}),
    ("npu", {"eps": 1e-3}),
    ("real_npu", {"eps": 1e-3}),
    ("naive_npu", {"eps": 1e-3}),
    ("real_naive_npu", {"eps": 1e-3}),
    ("nru", {"sign": "separate"}),
    ("nmru", {"sign": "none"}),
]
"""Every unit, and every published variant of one, as (name, options)."""

POSITIVE = [name for name in UNITS if name in {"nac_mul", "nru", "nmru"} or name.endswith("npu")]
"""Units with the option domain="positive"."""


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
