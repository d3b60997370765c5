"""The stages after the optimiser: L-BFGS, Levenberg-Marquardt, rounding.

A stage is a function (params, objective, batch, context) -> params of one restart; objective(params) is the loss on
batch, without penalty. `fit` keeps what a stage returns where it is finite and the validation loss is not worse.

>>> import jax.numpy as jnp
>>> from nalu_jax import training
>>> stage = training.rounding(targets=(-1, 0, 1))
>>> stage({"w": jnp.array([0.98, -0.1, -3.0])}, lambda params: params["w"].sum(), None, None)
{'w': Array([ 1.,  0., -1.], dtype=float32)}
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from .. import _arguments, _solvers
from .._recall import while_alive
from .._trees import all_finite, select
from . import _loop, _program
from ._calls import call
from ._checks import check_like, scalar
from ._loop import Inputs, Keys, Spec

Tree = Any
Stage = Callable[[Tree, Callable[[Tree], Array], Tree, Tree], Tree]
"""(params, objective, batch, context) -> params."""


class Finished(NamedTuple):
    """What one stage did, as NumPy arrays. Every field has a leading axis of restarts.

    Attributes:
        before: params before it.
        tried: params that it proposed.
        validation_before, validation_tried: their validation losses, float32.
        kept: whether the proposal was kept.
    """

    before: Tree
    tried: Tree
    validation_before: Any
    validation_tried: Any
    kept: Any


class LBFGS(NamedTuple):
    """The stage of `lbfgs`. Stages are tuples of their options: equal ones find what was compiled."""

    steps: int
    memory: int

    def __call__(self, params: Tree, objective: Callable[[Tree], Array], batch: Tree, context: Tree) -> Tree:
        return _solvers.lbfgs(objective, params, steps=self.steps, memory=self.memory)


class LevenbergMarquardt(NamedTuple):
    """The stage of `levenberg_marquardt`."""

    residual: Callable[..., Array]
    steps: int
    rtol: float
    atol: float

    def __call__(self, params: Tree, objective: Callable[[Tree], Array], batch: Tree, context: Tree) -> Tree:
        values = lambda params: call(self.residual, params, batch, context=context)
        return _solvers.levenberg_marquardt(values, params, steps=self.steps, rtol=self.rtol, atol=self.atol)


class Rounding(NamedTuple):
    """The stage of `rounding`."""

    function: Callable[[Tree], Tree] | None
    targets: tuple[float, ...]

    def __call__(self, params: Tree, objective: Callable[[Tree], Array], batch: Tree, context: Tree) -> Tree:
        return jax.tree.map(self.nearest, params) if self.function is None else self.function(params)

    def nearest(self, leaf: Array) -> Array:
        """Every entry's nearest target."""
        values = jnp.asarray(self.targets, leaf.dtype)
        return values[jnp.argmin(jnp.abs(jnp.subtract.outer(leaf, values)), axis=-1)]


@_arguments.checked("training.lbfgs", steps=_arguments.count(), memory=_arguments.count())
def lbfgs(*, steps: int = 100, memory: int = 10) -> Stage:
    """optax's L-BFGS with its line search, at most `steps` steps; the params with the lowest loss on the way."""
    return LBFGS(steps, memory)


@_arguments.checked(
    "training.levenberg_marquardt",
    residual=_arguments.function("(params, batch) -> array"),
    steps=_arguments.count(),
    rtol=_arguments.number(0.0),
    atol=_arguments.number(0.0),
)
def levenberg_marquardt(
    residual: Callable[..., Array], *, steps: int = 50, rtol: float = 1e-6, atol: float = 1e-8
) -> Stage:
    """optimistix's Levenberg-Marquardt on the sum of squares of a residual, at most `steps` steps.

    Args:
        residual: (params, batch) -> array of any shape; offered `context`. Where one of its entries is NaN or infinite
            the step that led there counts as bad, and is taken back.
        rtol, atol: where a step changes less than that, the stage ends.
    """
    return LevenbergMarquardt(residual, steps, rtol, atol)


@_arguments.checked(
    "training.rounding",
    function=_arguments.optional(_arguments.function("(params) -> params")),
    targets=_arguments.numbers(),
)
def rounding(function: Callable[[Tree], Tree] | None = None, *, targets: tuple[float, ...] = (-1, 0, 1)) -> Stage:
    """Every entry of the params to its nearest target, or function(params).

    Kept as every stage where the validation loss is not worse, and that strictly: where both losses are rounding errors
    of the dtype, weights a last bit beside the targets may win. `Fit.finished` has what was tried.
    """
    return Rounding(function, targets)


def finish_one(
    spec: Spec, stage: Stage, params: Tree, failed: Array, keys: Keys, context: Tree, inputs: Inputs, steps: Array
) -> tuple[Tree, Finished]:
    """One stage of one restart: the params to go on with, and the report."""
    batch = inputs.data
    if spec.batch is not None:  # of a step that training did not reach
        batch = call(spec.batch, jax.random.fold_in(keys.batch, steps), steps, context=context)

    def objective(params: Tree) -> Array:
        return scalar("loss", call(spec.loss, params, batch, key=keys.noise, step=steps, context=context))

    tried = stage(params, objective, batch, context)
    if spec.project is not None:
        tried = call(spec.project, tried, step=steps, context=context)
    check_like(getattr(stage, "__name__", type(stage).__name__), params, tried)
    before, after = (
        _loop.validate(spec, each, keys, context, inputs, objective(each).astype(jnp.float32))
        for each in (params, tried)
    )
    kept = ~failed & all_finite(tried) & jnp.isfinite(after) & ~(after > before)
    return select(kept, tried, params), Finished(params, tried, before, after, kept)


@while_alive(maxsize=8)
def compiled(recall: Callable[[], tuple[Spec, Stage]]) -> Callable[..., tuple[Tree, Finished]]:
    """Of a spec and a stage: (params, failed, inputs, steps) -> what `finish_one` gives of all restarts, jitted."""
    spec, _ = recall()
    mesh = spec.mesh
    del spec, _  # what is compiled does not hold the user's functions

    def run(params: Tree, failed: Array, inputs: Inputs, steps: Array) -> tuple[Tree, Finished]:
        spec, stage = recall()
        one = lambda params, failed, keys, context: finish_one(
            spec, stage, params, failed, keys, context, inputs, steps
        )
        return _program.in_lanes(jax.vmap(one), spec.lanes, params, failed, inputs.keys, inputs.context)

    roles = (_program.RESTARTS, _program.RESTARTS, _program.INPUTS, _program.WHOLE)
    return _program.jit(run, mesh, roles)
