"""The published tasks of the field: data as pure functions of a key, and when a run counts as solved.

    >>> import jax
    >>> from nalu_jax.tasks import single_module
    >>> u, = (range for range in single_module.RANGES if range.name == "U[1,2]")
    >>> x, y = single_module.batch(jax.random.key(0), u.train, "mul", rows=128)
    >>> x.shape, y.shape
    ((128, 2), (128, 1))
    >>> f"{single_module.threshold('mul', u.test):.3e}"
    '1.202e-07'

| module | task |
|---|---|
| `single_module` | one layer, two relevant inputs of 2, 10 or 100, + - * /, nine ranges |
| `division` | its quotients from mixed signs, Benford, truncated normal and small numbers |
| `static` | sums of two overlapping subsets of 100 inputs, then one operation |
| `simple` | (x + y, x y, x / y, sqrt x) at once |
| `large_scale` | one function of two sums over 100 Sobol inputs |
| `inalu` | two inputs of several distributions, and 100 inputs |
| `comparison` | > >= < <= == != of two whole numbers, from digits to 10^18 |
| `measures` | sparsity error, solved at, the choice of a step by validation |
| `draw` | the distributions |

Generators of random rows take their ranges as arrays, so that one compiled program serves all of them under `vmap`.
"""

from . import comparison, division, draw, inalu, large_scale, measures, simple, single_module, static

__all__ = [
    "comparison",
    "division",
    "draw",
    "inalu",
    "large_scale",
    "measures",
    "simple",
    "single_module",
    "static",
]


def __dir__() -> list[str]:
    return sorted(__all__)
