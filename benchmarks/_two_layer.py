"""Our recipe for one function of two sums: NAU(n, 2), then a NAU, an NMU or a RealNPU, chosen by validation.

    add       NAU(n, 2) -> NAU(2, 1)         residual of y
    multiply  NAU(n, 2) -> NMU(2, 1)         residual of y
    power     NAU(n, 2) -> RealNPU(2, 1)     residual of log |y|, where every y has one sign and every sum is positive

Each path is fitted by Levenberg-Marquardt in float64 on fixed rows of the training range, from one random start after
another until one is exact on other rows of that range; the start and the path with the lowest error there are kept. The
recipe does not know the operation.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import nalu_jax
from nalu_jax import _solvers

PATHS = ("add", "multiply", "power")
STARTS, STEPS = 64, 300
EXACT = 1e-20  # a mean square relative to that of y below which no other start is tried
TOLERANCE = 1e-12  # of a step, where the fit ends: exact weights are wanted
Params = Any

_SECOND = {
    "add": nalu_jax.nau.UNIT.bind(w_init="ones"),
    "multiply": nalu_jax.nmu.UNIT.bind(w_init="ones"),
    "power": nalu_jax.real_npu.UNIT.bind(gate_init="ones", re_init=lambda key, shape, dtype: _exponents(key, shape)),
}


def _exponents(key: Array, shape: tuple[int, ...]) -> Array:
    return jax.random.uniform(key, shape, jnp.float64, -1.0, 1.0)


def network(path: str) -> Any:
    """The chain of a path."""
    return nalu_jax.chain(nalu_jax.nau.UNIT.bind(w_init="uniform(0,1)"), _SECOND[path])


class Solution(NamedTuple):
    """The chosen path of a run, its params, and the validation errors of all paths."""

    path: str
    params: Params
    errors: dict[str, float]


def fit_path(
    path: str, key: Array, rows: tuple[Array, Array], held_out: tuple[Array, Array], *, steps: int
) -> tuple[Params, Array]:
    """(params, validation error) of one path; rows and held_out are (x (rows, n), y (rows, 1)) in float64."""
    chain = network(path)
    size = jnp.sqrt(jnp.mean(rows[1] ** 2))

    def residual(params: Params) -> Array:
        x, y = rows
        if path == "power":
            hidden = nalu_jax.nau.apply(params[0], x)
            return jnp.log(jnp.abs(hidden)) @ params[1]["re"] - jnp.log(jnp.abs(y))
        return (chain.apply(params, x) - y) / size

    params = chain.init(key, (rows[0].shape[1], 2, 1), jnp.float64)
    if path == "power":
        params = _solvers.levenberg_marquardt(residual, params, steps=steps, rtol=TOLERANCE, atol=TOLERANCE)
    else:  # the second layer stays as it is: it adds or multiplies both; weights around 0 keep products small
        start = jax.tree.map(lambda w: w - 0.5, params[0])
        free = lambda first: residual((first, params[1]))
        first = _solvers.levenberg_marquardt(free, start, steps=steps, rtol=TOLERANCE, atol=TOLERANCE)
        params = (first, params[1])
    return params, jnp.mean((chain.apply(params, held_out[0]) - held_out[1]) ** 2)


fit_path_compiled = jax.jit(fit_path, static_argnames=("path", "steps"))


def solve(
    key: Array, rows: tuple[Any, Any], held_out: tuple[Any, Any], *, starts: int = STARTS, steps: int = STEPS
) -> Solution:
    """The best path of one run, under float64."""
    with jax.enable_x64(True):
        data = [tuple(jnp.asarray(np.asarray(array), jnp.float64) for array in pair) for pair in (rows, held_out)]
        size = float(jnp.mean(data[0][1] ** 2))
        best, errors = None, {str(path): math.inf for path in PATHS}
        for start in range(starts):
            for path in PATHS:
                params, error = fit_path_compiled(path, jax.random.fold_in(key, start), *data, steps=steps)
                if best is None or float(error) < min(errors.values()):
                    best = path, params
                errors[path] = min(errors[path], float(error))  # a comparison with NaN is false
                if errors[path] < EXACT * size:
                    return Solution(*best, errors)
        assert best is not None
        return Solution(*best, errors)


def error_on(solution: Solution, x: Any, y: Any, dtype: Any = jnp.float64) -> float:
    """Mean squared error on other data, with params, inputs and the forward pass in dtype."""
    with jax.enable_x64(True):
        params, x = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), (solution.params, np.asarray(x)))
        error = np.asarray(network(solution.path).apply(params, x), float) - np.asarray(y, float)
        return float(np.mean(error**2))
