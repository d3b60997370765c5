"""Fixed-step explicit Runge-Kutta with exact discrete derivatives, of all steps at once or step by step."""

import functools
from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.custom_derivatives import SymbolicZero
from jax.dtypes import float0
from jax.typing import ArrayLike

from .. import _arguments
from .._checks import check_option
from .._compiler import ROLLOUT_DENSE
from .._derivatives import directional
from ._problem import Trajectory, VectorField, as_mask, check_count, check_problem, finite_rows, trajectory
from ._tableau import moved, tableau

_TSIT5 = diffrax.Tsit5()

Coefficients = tuple[tuple[tuple[float, ...], ...], tuple[float, ...], tuple[float, ...]]
"""(a, b, c) of an explicit tableau, without the stages that only an error estimate needs."""

Step = Callable[[Array, Array, Array, Any], Array]
"""(y, t, h, args) -> the state at t + h."""


@_arguments.checked(
    "ode.rollout",
    vector_field=_arguments.function("(t, y, args) -> dy/dt"),
    y0=_arguments.array(),
    ts=_arguments.array(finite=True),
    substeps=_arguments.count(),
    checkpoints=_arguments.optional(_arguments.count()),
    derivatives=_arguments.optional(_arguments.choice("parallel", "sequential")),
)
def rollout(
    vector_field: VectorField,
    y0: ArrayLike,
    ts: ArrayLike,
    args: Any = None,
    *,
    solver: diffrax.AbstractSolver = _TSIT5,
    substeps: int = 1,
    checkpoints: int | None = None,
    derivatives: str | None = None,
) -> Trajectory:
    """States at the times ts by equal steps from each time to the next: the loop to train through.

    The derivatives, in reverse and forward mode and of any order, are those of the steps as they are (discretise, then
    optimise). "parallel" ones are not taken through the loop: given the states, the derivatives of all steps are
    independent of one another and come from one vectorised pass; what is left in a loop is one small matrix-vector
    product a step. "sequential" ones go through the loop as usual, which is less work in many small pieces: take them
    where `jax.vmap` runs many trajectories together and fills the pieces.
    Where the states leave the finite numbers, what was reached keeps its exact derivative, and the rest has 0, not NaN.

    Args:
        vector_field: (t, y, args) -> dy/dt, pure. It may close over traced arrays.
        y0: the state at ts[0], one floating array of any shape; use `jax.vmap` for a batch of initial states.
        ts: (n_times,), increasing, taken in the dtype of y0.
        args: any tree; derivatives are taken of its floating JAX arrays.
        solver: an explicit Runge-Kutta solver of diffrax: Euler, Heun, Midpoint, Ralston, Bosh3, Tsit5, Dopri5, Dopri8.
        substeps: equal steps from each time to the next.
        checkpoints: in how many blocks of steps the derivatives are computed, one after another: with more of them
            reverse mode takes less memory, and computes every state twice. None is one block, with nothing twice.
        derivatives: "parallel" or "sequential"; by default parallel for states of at most 16 entries.

    Raises:
        TypeError: y0 is not real floating point, dy/dt has another dtype, or solver is not a solver.
        ValueError: times that do not increase, a y0 that is not finite, dy/dt of another shape, a solver without
            explicit tableau, a count below 1, or derivatives that are neither.
    """
    coefficients = _coefficients(solver)
    substeps = check_count("rollout", "substeps", substeps)
    y0, ts = check_problem("rollout", vector_field, y0, ts, args)
    derivatives = derivatives or ("parallel" if y0.size <= ROLLOUT_DENSE else "sequential")
    check_option("rollout", "derivatives", derivatives, tuple(_STATES))
    moving, fixed = eqx.partition(args, eqx.is_inexact_array)
    field, closed_over = jax.closure_convert(
        lambda t, y, moving: vector_field(t, y, eqx.combine(moving, fixed)), ts[0], y0, moving
    )
    step = functools.partial(_step, field, coefficients)
    h = jnp.diff(ts) / substeps
    t = ts[:-1, None] + h[:, None] * jnp.arange(substeps, dtype=ts.dtype)[None]
    t, h = t.reshape(-1), jnp.repeat(h, substeps)
    blocks = 1 if checkpoints is None else min(check_count("rollout", "checkpoints", checkpoints), t.size)
    states = _in_blocks(functools.partial(_STATES[derivatives], step), y0, t, h, (moving, closed_over), blocks)
    saved = states.reshape(ts.size - 1, substeps, *y0.shape)[:, -1]
    return trajectory(jnp.concatenate([y0[None], saved]), ts, True, t.size)


def runge_kutta(field: VectorField, solver: diffrax.AbstractSolver) -> Step:
    """One step of the solver, differentiated as any function is: (y, t, h, args) -> the state at t + h.

    Its stages are a loop, so that the field is compiled once: for programs that hold many copies of the step.
    """
    a, b, c = _coefficients(solver)
    lower = np.array([(*row, *[0.0] * (len(b) - len(row))) for row in a])

    def step(y: Array, t: Array, h: Array, args: Any) -> Array:
        combined = lambda weights, slopes: y + h * jnp.tensordot(weights, slopes, axes=1, precision="highest")

        def stage(slopes: Array, row: tuple[Array, Array, Array]) -> tuple[Array, None]:
            weights, time, index = row
            return slopes.at[index].set(field(t + time * h, combined(weights, slopes), args)), None

        rows = (jnp.asarray(lower, y.dtype), jnp.asarray(c, y.dtype), jnp.arange(len(b)))
        slopes, _ = lax.scan(stage, jnp.zeros((len(b), *y.shape), y.dtype), rows)
        return combined(jnp.asarray(b, y.dtype), slopes)

    return step


def _coefficients(solver: Any) -> Coefficients:
    """(a, b, c): of stage i the weights of the stages before it, its weight in the result, its time."""
    method = tableau(solver)
    if method is None:
        kind = ValueError if isinstance(solver, diffrax.AbstractSolver) else TypeError
        raise kind(
            "rollout: solver must be an explicit Runge-Kutta solver of diffrax, such as diffrax.Tsit5(), got "
            f"{solver!r}. Implicit and other solvers work in nalu_jax.ode.solve."
        )
    stages = np.trim_zeros(np.asarray(method.b), "b").size  # what only an error estimate needs comes last
    return method.a[:stages], method.b[:stages], method.c[:stages]


def _step(field: Callable[..., Array], coefficients: Coefficients, y: Array, t: Array, h: Array, args: Any) -> Array:
    moving, closed_over = args
    stages: list[Array] = []
    a, b, c = coefficients
    for weights, time in zip(a, c, strict=True):
        stages.append(field(t + time * h, moved(y, h, weights, stages), moving, *closed_over))
    return moved(y, h, b, stages)


def _in_blocks(states: Callable[..., Array], y0: Array, t: Array, h: Array, args: Any, blocks: int) -> Array:
    """states(y0, t, h, args) (n, ...), those after every step, in blocks that are computed again for derivatives."""
    if blocks == 1:
        return states(y0, t, h, args)
    length = -(-t.size // blocks)
    missing = blocks * length - t.size  # steps of length 0

    def one_block(y: Array, times: tuple[Array, Array]) -> tuple[Array, Array]:
        ys = jax.checkpoint(states, prevent_cse=False)(y, *times, args)
        return ys[-1], ys

    times = jnp.pad(t, (0, missing), mode="edge"), jnp.pad(h, (0, missing))
    _, ys = lax.scan(one_block, y0, jax.tree.map(lambda x: x.reshape(blocks, length), times))
    return ys.reshape(blocks * length, *y0.shape)[: t.size]


def _scanned(step: Step, y0: Array, t: Array, h: Array, args: Any) -> Array:
    """The states after every step, (n, ...), of steps from t (n,) to t + h."""

    def one_step(y: Array, times: tuple[Array, Array]) -> tuple[Array, Array]:
        y = step(y, *times, args)
        return y, y

    return lax.scan(one_step, y0, (t, h))[1]


def _sequential(step: Step, y0: Array, t: Array, h: Array, args: Any) -> Array:
    """The states, differentiated through the loop."""
    return _scanned(functools.partial(_finite_step, step), y0, t, h, args)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _finite_step(step: Step, y: Array, t: Array, h: Array, args: Any) -> Array:
    """The step, which counts as constant where it ends outside the finite numbers."""
    return step(y, t, h, args)


@_finite_step.defjvp
def _finite_step_jvp(step: Step, primals: Any, tangents: Any) -> tuple[Array, Array]:
    y, push = jax.linearize(step, *primals)
    valid = jnp.isfinite(y).all()
    # selected on both sides: an infinite derivative times 0 is NaN, whichever mode it is that multiplies
    finite = lambda dot: dot if dot.dtype == float0 else jnp.where(valid, dot, jnp.zeros_like(dot))
    return y, finite(push(*jax.tree.map(finite, tangents)))


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _parallel(step: Step, y0: Array, t: Array, h: Array, args: Any) -> Array:
    """The states, whose derivatives are computed for all steps at once."""
    return _scanned(step, y0, t, h, args)


@functools.partial(_parallel.defjvp, symbolic_zeros=True)
def _parallel_jvp(step: Step, primals: Any, tangents: Any) -> tuple[Array, Array]:
    y0, t, h, args = primals
    y0_dot = jnp.zeros_like(y0) if isinstance(tangents[0], SymbolicZero) else tangents[0]
    ys = _parallel(step, *primals)
    before = jnp.concatenate([y0[None], ys[:-1]])
    # Steps that end outside the finite numbers are differentiated at a safe state instead, and count as constant:
    # a derivative there would be infinite, and 0 * inf is NaN even where nothing depends on it.
    valid = finite_rows(ys)
    safe = jnp.where(jnp.isfinite(y0), y0, jnp.ones_like(y0))
    before = jnp.where(as_mask(valid, before), before, jnp.broadcast_to(safe[None], before.shape))

    pushes = _by_the_rest(step, before, primals[1:], tangents[1:])
    pushes = jnp.where(as_mask(valid, pushes), pushes, jnp.zeros_like(pushes))
    jacobians = jax.vmap(lambda y, t, h: jax.jacfwd(lambda y: step(y, t, h, args))(y))(before, t, h)
    jacobians = jnp.where(as_mask(valid, jacobians), jacobians, jnp.zeros_like(jacobians))
    axes = tuple(range(y0.ndim, 2 * y0.ndim))

    def one_step(y_dot: Array, inputs: tuple[Array, Array]) -> tuple[Array, Array]:
        jacobian, push = inputs
        y_dot = (jacobian * _leading(y_dot, jacobian.shape)).sum(axes) + push
        return y_dot, y_dot

    return ys, lax.scan(one_step, y0_dot, (jacobians, pushes))[1]


_STATES = {"parallel": _parallel, "sequential": _sequential}


def _by_the_rest(step: Step, before: Array, primals: Any, tangents: Any) -> Array:
    """What the tangents of (t, h, args) add to the state in every step, (n, ...)."""
    leaves, tree = jax.tree.flatten(jax.tree.map(jnp.asarray, primals))
    dots = [None if isinstance(dot, SymbolicZero) else dot for dot in jax.tree.leaves(tangents)]
    if all(dot is None for dot in dots):
        return jnp.zeros_like(before)

    def one_step(y: Array, leaves: Any, dots: Any) -> Array:
        return directional(lambda *leaves: step(y, *tree.unflatten(leaves)), leaves, dots)[1]

    axes = [0, 0, *(None for _ in leaves[2:])]  # t and h differ from step to step
    return jax.vmap(one_step, (0, axes, axes))(before, leaves, dots)


def _leading(x: Array, shape: tuple[int, ...]) -> Array:
    """x in the shape `shape`, which ends in that of x."""
    return jnp.broadcast_to(x.reshape(*[1] * (len(shape) - x.ndim), *x.shape), shape)
