"""Many restarts over the exponents of RealNPU -> NAU; the NAU's weights follow by linear least squares.

For given exponents the best weights are the solution of a linear problem, so that only exponents are searched for:
variable projection (Golub and Pereyra, SIAM J. Numer. Anal. 10:413, 1973). Every restart has its own number of
products, as a mask, so that all sizes are trained by one program.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from .. import chain, nau, real_npu, training
from .._unit import Chain

RIDGE = 1e-13  # of columns of unit length: what keeps two equal products apart
STEPS = 300
LEARNING_RATE = 0.1
POLISH = 60  # steps of Levenberg-Marquardt
SMALLEST_RATIO = 0.1
DRAWS = 64  # of first exponents, of which a restart takes the best
DRAWN = (-2.5, 3.5)  # their range


class Data(NamedTuple):
    """x (n, n_in) and y (n,) in units of their own size, and the weight (n,) of every residual."""

    x: Array
    y: Array
    weight: Array


class Searched(NamedTuple):
    """The best params of every number of products.

    Attributes:
        params: leaves with a leading axis of sizes: 1, 2, ... products.
        best: the index of the size with the lowest Bayesian information criterion.
        fit: what `training.fit` returned, sizes one after another, and as its best the restart of the best size.
    """

    params: Any
    best: int
    fit: training.Fit


@functools.cache
def model(domain: str) -> Chain:
    """RealNPU -> NAU with open gates and no eps: sums of products of powers, as they are read out."""
    return chain(real_npu.UNIT.bind(domain=domain, gate_init="ones"), nau)


@functools.cache
def residuals(network: Chain, scale: str) -> Callable[[Any, Data], Array]:
    """(params, data) -> (n,) residuals of the whole network; the same function for the same arguments.

    Relative ones are the logarithms of predicted / true: where errors are large, as good as it gets is half too much
    as often as half too little. (predicted - true) / true, to which they are equal where errors are small, would
    rather have all predictions too low.
    """

    def of(params: Any, data: Data) -> Array:
        predicted = network.apply(params, data.x)[:, 0]
        return _log(predicted / data.y) if scale == "relative" else (predicted - data.y) * data.weight

    return of


def _log(ratio: Array) -> Array:
    """The logarithm, and below SMALLEST_RATIO its tangent, so that a prediction of the wrong sign has a way back."""
    log, slope = jnp.log(jnp.maximum(ratio, SMALLEST_RATIO)), (ratio - SMALLEST_RATIO) / SMALLEST_RATIO
    return jnp.where(ratio > SMALLEST_RATIO, log, jnp.log(SMALLEST_RATIO) + slope)


@functools.cache
def _projected(network: Chain) -> Callable[..., tuple[Array, Array]]:
    """(exponents, data, context) -> (residuals (n,), weights (powers,)), the weights by linear least squares."""
    first: Any = network.units[0]

    def of(exponents: Array, data: Data, context: Array) -> tuple[Array, Array]:
        gate = jnp.ones(exponents.shape[0], exponents.dtype)
        columns = first.apply({"re": exponents, "gate": gate}, data.x) * data.weight[:, None] * context[None, :]
        lengths = jnp.sqrt(jnp.sum(columns**2, axis=0) + (1 - context))  # 1, not 0 with its steep root, where unused
        columns = columns / lengths[None, :]
        target = data.y * data.weight
        gram = columns.T @ columns + RIDGE * jnp.eye(exponents.shape[1], dtype=columns.dtype)
        solution = jnp.linalg.solve(gram, columns.T @ target)
        return columns @ solution - target, solution / lengths

    return of


class Start(NamedTuple):
    """Of one restart: mask (powers,), 1 for a product that it may use, and its first exponents (n_in, powers)."""

    mask: Array
    exponents: Array


@functools.cache
def _functions(network: Chain) -> tuple[Callable, ...]:
    """loss, residual and init for `training.fit`, the same objects for the same network, which then compile once."""
    projected = _projected(network)

    def residual(params: Any, data: Data, *, context: Start) -> Array:
        return projected(params["re"], data, context.mask)[0]

    def loss(params: Any, data: Data, *, context: Start) -> Array:
        return jnp.mean(residual(params, data, context=context) ** 2)

    def init(key: Array, *, context: Start) -> Any:
        return {"re": context.exponents}

    return loss, residual, init


@functools.partial(jax.jit, static_argnums=0)
def _starts(network: Chain, keys: Array, data: Data, masks: Array) -> Start:
    """For every restart the best of DRAWS random exponents, by its loss.

    A negative number has real integer powers, between which the phase of a RealNPU is a comb of local optima: where a
    column has one, its exponents start at integers.
    """
    projected = _projected(network)
    negative = jnp.any(data.x < 0, axis=0)[:, None]

    def one(pair: tuple[Array, Array]) -> Start:
        key, mask = pair
        drawn = jax.random.uniform(key, (DRAWS, data.x.shape[1], mask.size), data.x.dtype, *DRAWN)
        drawn = jnp.where(negative, jnp.round(drawn), drawn)
        losses = jax.vmap(lambda exponents: jnp.mean(projected(exponents, data, mask)[0] ** 2))(drawn)
        return Start(mask, drawn[jnp.argmin(jnp.where(jnp.isfinite(losses), losses, jnp.inf))])

    return jax.lax.map(one, (keys, masks))


def search(
    network: Chain, data: Data, *, powers: int, restarts: int, key: Array, steps: int = STEPS, progress: bool | str
) -> Searched:
    """The best of `restarts` for every number of products from 1 to `powers`."""
    loss, residual, init = _functions(network)
    sizes = np.repeat(np.arange(1, powers + 1), restarts)
    masks = jnp.asarray(np.arange(powers)[None, :] < sizes[:, None], data.x.dtype)
    start_key, fit_key = jax.random.split(key)
    starts = _starts(network, jax.random.split(start_key, sizes.size), data, masks)
    fit = training.fit(
        loss,
        init,
        key=fit_key,
        steps=steps,
        optimiser=_optimiser(steps),
        data=data,
        restarts=sizes.size,
        context=starts,
        finish=[training.levenberg_marquardt(residual, steps=POLISH, rtol=1e-10, atol=1e-12)],
        progress=progress,
    )
    lowest = np.where(fit.failed, np.inf, fit.validation).reshape(powers, restarts)
    chosen = np.arange(powers) * restarts + lowest.argmin(axis=1)
    exponents = jnp.asarray(fit.all_params["re"][chosen])
    params, losses = _whole(network, exponents, data, masks[chosen])
    best = int(np.argmin(_bic(losses, data)))
    winner = int(chosen[best])
    fit = fit._replace(best=winner, params=jax.tree.map(lambda leaf: leaf[winner], fit.all_params))
    return Searched(params, best, fit)


def _bic(losses: np.ndarray, data: Data) -> np.ndarray:
    """Of 1, 2, ... products; losses below the machine epsilon are as good as equal."""
    rows, n_in = data.x.shape
    numbers = (n_in + 1) * np.arange(1, losses.size + 1)
    return rows * np.log(losses + np.finfo(losses.dtype).eps) + numbers * np.log(rows)


def _whole(network: Chain, exponents: Array, data: Data, masks: Array) -> tuple[Any, np.ndarray]:
    """Params of the network, (sizes, ...), and their losses."""
    residuals, weights = jax.vmap(lambda each, mask: _projected(network)(each, data, mask))(exponents, masks)
    gates = jnp.ones(exponents.shape[:2], exponents.dtype)
    params = ({"re": exponents * masks[:, None, :], "gate": gates}, {"w": (weights * masks)[..., None]})
    losses = np.asarray(jnp.mean(residuals**2, axis=1))
    return params, np.where(np.isfinite(losses), losses, np.inf)  # infinite where every restart of a size failed


@functools.cache
def _optimiser(steps: int) -> optax.GradientTransformation:
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, steps)))
