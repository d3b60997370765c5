"""Adaptive steps in the calling form of `rollout`: explicit methods with recorded steps, all others by diffrax."""

from typing import Any

import diffrax
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from .. import _arguments
from ._problem import Trajectory, VectorField, check_count, check_problem, trajectory
from ._recorded import recorded
from ._tableau import tableau

_TSIT5 = diffrax.Tsit5()

_TOLERANCES = {2: (1e-2, 1e-3), 4: (1e-5, 1e-6), 8: (1e-8, 1e-10)}  # by the bytes of a float


@_arguments.checked(
    "ode.solve",
    vector_field=_arguments.function("(t, y, args) -> dy/dt"),
    y0=_arguments.array(),
    ts=_arguments.array(finite=True),
    substeps=_arguments.optional(_arguments.count()),
    checkpoints=_arguments.optional(_arguments.count()),
    rtol=_arguments.optional(_arguments.number(0.0)),
    atol=_arguments.optional(_arguments.number(0.0)),
    max_steps=_arguments.count(),
)
def solve(
    vector_field: VectorField,
    y0: ArrayLike,
    ts: ArrayLike,
    args: Any = None,
    *,
    solver: diffrax.AbstractSolver = _TSIT5,
    substeps: int | None = None,
    checkpoints: int | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    max_steps: int = 4096,
    adjoint: diffrax.AbstractAdjoint | None = None,
) -> Trajectory:
    """States at the times ts by adaptive steps: the solver's of diffrax, with its step-size control.

    With an explicit Runge-Kutta solver and no adjoint named, the steps that were taken are recorded, and derivatives,
    in reverse and in forward mode, replay them: exactly those of the steps as they are, their lengths constant, as
    `diffrax.RecursiveCheckpointAdjoint` gives them. Second derivatives need `diffrax.DirectAdjoint()`. Everything else
    is `diffrax.diffeqsolve`.

    A solve that fails is reported by `ok` and does not raise: too many steps, a step too small, states that are not
    finite. Then what was not reached is inf, and the gradient is finite where the loss ignores it, for example in
    `jnp.where(result.ok, loss, penalty)`. A vector field that is not finite at a state that the solver only tries has
    no part in the gradient: from each evaluation a gradient that is not finite counts as 0.

    Args:
        vector_field: (t, y, args) -> dy/dt, pure. With `BacksolveAdjoint` all that it depends on must be in args.
        y0: the state at ts[0], one floating array of any shape.
        ts: (n_times,), increasing, taken in the dtype of y0.
        args: any tree.
        solver: any solver of diffrax with an error estimate.
        substeps: the first step is the first interval divided by it; None lets diffrax choose.
        checkpoints: how many steps the record holds, 128 by default: of a longer solve, those that it has no room for
            are computed once more for the derivative. Where diffrax differentiates by default, the checkpoints of
            RecursiveCheckpointAdjoint.
        rtol: relative tolerance, by default 1e-8 in float64 and 1e-5 in float32.
        atol: absolute tolerance, by default 1e-10 in float64 and 1e-6 in float32.
        max_steps: steps after which the solve has failed.
        adjoint: how diffrax differentiates, instead of the recorded steps.

    Raises:
        TypeError: y0 is not real floating point, dy/dt has another dtype, or solver is not a solver.
        ValueError: times that do not increase, a y0 that is not finite, dy/dt of another shape, a solver without error
            estimate, or a count below 1.
    """
    if not isinstance(solver, diffrax.AbstractSolver):
        raise TypeError(f"solve: solver must be a solver of diffrax, such as diffrax.Tsit5(), got {solver!r}.")
    if not isinstance(solver, diffrax.AbstractAdaptiveSolver):
        raise ValueError(
            f"solve: {type(solver).__name__} has no error estimate to choose steps by. Use diffrax.Tsit5() here, or "
            "fixed steps with nalu_jax.ode.rollout."
        )
    y0, ts = check_problem("solve", vector_field, y0, ts, args)
    default_rtol, default_atol = _TOLERANCES[y0.dtype.itemsize]
    rtol, atol = default_rtol if rtol is None else rtol, default_atol if atol is None else atol
    max_steps = check_count("solve", "max_steps", max_steps)
    checkpoints = None if checkpoints is None else check_count("solve", "checkpoints", checkpoints)
    substeps = None if substeps is None else check_count("solve", "substeps", substeps)
    field = lambda t, y, args: vector_field(t, *_finite_gradient((y, args)))
    method = tableau(solver) if adjoint is None else None
    if method is not None:
        ys, finished, steps = recorded(
            field,
            y0,
            ts,
            args,
            solver,
            method,
            substeps=substeps,
            rtol=rtol,
            atol=atol,
            max_steps=max_steps,
            checkpoints=checkpoints,
        )
        return trajectory(ys, ts, finished, steps)
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(field),
        solver,
        ts[0],
        ts[-1],
        None if substeps is None else (ts[1] - ts[0]) / substeps,
        y0,
        args,
        saveat=diffrax.SaveAt(ts=ts),
        stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
        adjoint=diffrax.RecursiveCheckpointAdjoint(checkpoints=checkpoints) if adjoint is None else adjoint,
        max_steps=max_steps,
        throw=False,
    )
    assert solution.ys is not None
    finished = solution.result == diffrax.RESULTS.successful
    return trajectory(solution.ys, ts, finished, solution.stats["num_steps"])


def _finite_gradient(tree: Any) -> Any:
    """The tree as it is; in reverse mode an entry's gradient that is not finite counts as 0.

    0 * inf is NaN: a state that the solver has rejected would spoil the gradient of a solve that has succeeded.

    It is an identity with a transpose of its own. `jax.custom_vjp` would take forward mode away;
    `jax.custom_derivatives.linear_call`, made for this, has no batching rule (jax 0.10.2), and restarts run under
    `vmap`: once it has one, it belongs here. A custom linear solve of I x = x has all rules.
    """
    return jax.tree.map(lambda x: _finite_gradient_of(x) if _is_float(x) else x, tree)


def _is_float(x: Any) -> bool:
    return isinstance(x, Array) and jnp.issubdtype(x.dtype, jnp.floating)


def _finite_gradient_of(x: Array) -> Array:
    def transpose_solve(_: Any, gradient: Array) -> Array:
        return jnp.where(jnp.isfinite(gradient), gradient, jnp.zeros_like(gradient))

    return lax.custom_linear_solve(lambda x: x, x, lambda _, x: x, transpose_solve)
