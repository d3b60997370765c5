"""Units inside differential equations: `ode.rollout` and `ode.solve`, and specs in diffrax under every adjoint."""

import functools

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import optimistix
import pytest
from helpers import nonfinite_leaves

from nalu_jax import UNITS, chain, fast, fast_chain, fast_nau, fast_npu, fast_real_npu, nau, npu, ode

SPEC = fast_chain(fast_npu(2, 3), fast_nau(3, 2))
SOLVERS = [diffrax.Euler(), diffrax.Heun(), diffrax.Tsit5()]
by_name = lambda value: type(value).__name__


def problem(dtype=jnp.float64):
    """theta, y0 and irregular times; the states stay between 0.2 and 2."""
    theta = 0.5 * SPEC.init(jax.random.key(3), dtype)
    return theta, jnp.array([0.6, 1.3], dtype), jnp.array([0.0, 0.1, 0.35, 0.4, 1.0], dtype)


def forced(t, y, args):
    """Depends on time, on args, and on every entry of y."""
    theta, rate = args
    return SPEC.vector_field(t, y, theta) + rate * jnp.sin(3 * t) * y[::-1]


def by_diffrax(field, solver, y0, ts, args, substeps):
    """diffrax's own fixed steps."""
    inner = np.concatenate([np.linspace(a, b, substeps, endpoint=False) for a, b in zip(ts[:-1], ts[1:], strict=True)])
    steps = jnp.array([*inner, ts[-1]], y0.dtype)
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(field),
        solver,
        ts[0],
        ts[-1],
        None,
        y0,
        args,
        saveat=diffrax.SaveAt(ts=ts),
        stepsize_controller=diffrax.StepTo(steps),
        max_steps=len(steps),
    )
    assert solution.ys is not None
    return jnp.asarray(solution.ys)


def unrolled_euler(field, y0, ts, args):
    """The plain loop."""
    ys = [y0]
    for start, end in zip(ts[:-1], ts[1:], strict=True):
        ys.append(ys[-1] + (end - start) * field(start, ys[-1], args))
    return jnp.stack(ys)


@pytest.mark.parametrize("derivatives", ["parallel", "sequential"])
@pytest.mark.parametrize(
    "solver",
    [*SOLVERS[:2], pytest.param(SOLVERS[2], marks=pytest.mark.slow)],
    ids=by_name,
)
def test_rollout_is_diffraxs_fixed_steps(solver, derivatives):
    with jax.enable_x64(True):
        theta, y0, ts = problem()
        args = theta, jnp.array(0.3)
        weights = jnp.arange(1.0, 11.0).reshape(5, 2)
        ours = lambda args, y0: ode.rollout(forced, y0, ts, args, solver=solver, substeps=3, derivatives=derivatives).ys
        theirs = lambda args, y0: by_diffrax(forced, solver, y0, np.asarray(ts), args, 3)

        @functools.partial(jax.jit, static_argnums=0)
        def states_and_gradient(f, args, y0):
            weighted = lambda args, y0: ((weights * (ys := f(args, y0))).sum(), ys)
            gradient, ys = jax.grad(weighted, (0, 1), has_aux=True)(args, y0)
            return ys, gradient

        (ys, gradient), (expected, expected_gradient) = (states_and_gradient(f, args, y0) for f in (ours, theirs))
        np.testing.assert_allclose(ys, expected, rtol=1e-12)
        for a, e in zip(jax.tree.leaves(gradient), jax.tree.leaves(expected_gradient), strict=True):
            np.testing.assert_allclose(a, e, rtol=1e-10, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("derivatives", ["parallel", "sequential"])
def test_derivatives_of_any_order_are_the_plain_loops(derivatives):
    with jax.enable_x64(True):
        theta, y0, ts = problem()

        def loss(method):
            return lambda theta, y0, ts: (method(forced, y0, ts, (theta, jnp.array(0.3))) ** 3).sum()

        ours = loss(lambda *problem: ode.rollout(*problem, solver=diffrax.Euler(), derivatives=derivatives).ys)
        plain = loss(unrolled_euler)
        for derivative in (jax.grad, jax.jacfwd, jax.hessian):
            actual, expected = (jax.jit(derivative(f, (0, 1, 2)))(theta, y0, ts) for f in (ours, plain))
            for a, e in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
                np.testing.assert_allclose(a, e, rtol=1e-9, atol=1e-10)


@pytest.mark.slow
def test_gradients_are_central_differences():
    with jax.enable_x64(True):
        theta, y0, ts = problem()
        solvers = {
            "rollout": lambda theta: ode.rollout(SPEC.vector_field, y0, ts, SPEC.prepare(theta), substeps=4).ys.sum(),
            "solve": lambda theta: ode.solve(SPEC.vector_field, y0, ts, SPEC.prepare(theta)).ys.sum(),
        }
        for f in solvers.values():
            f, gradient = jax.jit(f), jax.jit(jax.grad(f))(theta)
            direction = jax.random.normal(jax.random.key(0), theta.shape, theta.dtype)
            difference = (f(theta + 1e-5 * direction) - f(theta - 1e-5 * direction)) / 2e-5
            np.testing.assert_allclose(gradient @ direction, difference, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("checkpoints", [3, 8, 100])
def test_checkpoints_change_no_number(checkpoints):
    with jax.enable_x64(True):
        theta, y0, ts = problem()
        f = lambda count: (
            lambda theta: (ode.rollout(SPEC.vector_field, y0, ts, theta, substeps=2, checkpoints=count).ys ** 2).sum()
        )
        value, gradient = jax.jit(jax.value_and_grad(f(checkpoints)))(theta)
        expected_value, expected = jax.jit(jax.value_and_grad(f(None)))(theta)
        np.testing.assert_allclose(value, expected_value, rtol=1e-14)
        np.testing.assert_allclose(gradient, expected, rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(jax.jit(jax.jacfwd(f(checkpoints)))(theta), expected, rtol=1e-11, atol=1e-14)


@pytest.mark.slow
def test_checkpoints_save_memory():
    spec = fast_chain(fast_npu(3, 50), fast_nau(50, 3))
    theta, y0, ts = 0.1 * spec.init(jax.random.key(0)), jnp.ones(3), jnp.linspace(0.0, 1.0, 2001)

    def planned_bytes(checkpoints):
        f = lambda theta: ode.rollout(spec.vector_field, y0, ts, theta, checkpoints=checkpoints).ys[-1].sum()
        analysis = jax.jit(jax.grad(f)).lower(theta).compile().memory_analysis()
        assert analysis is not None
        return analysis.temp_size_in_bytes

    assert planned_bytes(40) < planned_bytes(None) / 4


@pytest.mark.slow
def test_large_states_need_no_jacobian():
    """More entries than the Jacobian of a step is formed for; a state of any shape."""
    with jax.enable_x64(True):
        theta, _, ts = problem()
        y0 = jax.random.uniform(jax.random.key(0), (3, 4, 2), jnp.float64, 0.5, 1.5)
        together = lambda theta: ode.rollout(SPEC.vector_field, y0, ts, theta).ys
        alone = lambda theta: jax.vmap(
            jax.vmap(lambda y: ode.rollout(SPEC.vector_field, y, ts, theta).ys, out_axes=1), out_axes=1
        )(y0)
        np.testing.assert_allclose(jax.jit(together)(theta), jax.jit(alone)(theta), rtol=1e-12)
        for derivative in (lambda f: jax.grad(lambda theta: (f(theta) ** 2).sum()), jax.jacfwd):
            actual, expected = (jax.jit(derivative(f))(theta) for f in (together, alone))
            np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_closures_integers_and_static_entries_of_args():
    theta, y0, ts = problem(jnp.float32)
    rate = jnp.array(0.3)

    def loss(theta, rate):
        field = lambda t, y, args: args["scale"] * SPEC.apply(theta, y)[args["order"]] + rate * y
        return ode.rollout(field, y0, ts, {"scale": 0.5, "order": jnp.array([1, 0]), "name": "closed"}).ys.sum()

    def explicit(theta, rate):
        return ode.rollout(lambda t, y, a: 0.5 * SPEC.apply(a[0], y)[::-1] + a[1] * y, y0, ts, (theta, rate)).ys.sum()

    for transform in (lambda f: f, jax.jit):
        actual = transform(jax.grad(loss, (0, 1)))(theta, rate)
        for a, e in zip(actual, jax.grad(explicit, (0, 1))(theta, rate), strict=True):
            np.testing.assert_allclose(a, e, rtol=1e-5)
    for function in (loss, jax.grad(loss)):
        batched = jax.vmap(function, (None, 0))(theta, jnp.array([0.3, 0.4]))
        np.testing.assert_allclose(batched[0], function(theta, rate), rtol=1e-5)


# --- specs inside diffrax itself --------------------------------------------------------------------------------------

ADJOINTS = [
    diffrax.RecursiveCheckpointAdjoint(),
    diffrax.BacksolveAdjoint(),
    diffrax.DirectAdjoint(),
    diffrax.ForwardMode(),
]


def in_diffrax(solver, adjoint, theta, y0, args, *, steps=8):
    implicit = isinstance(solver, diffrax.AbstractImplicitSolver)
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, y, args: SPEC.vector_field(t, y, args)),
        solver,
        jnp.zeros((), y0.dtype),
        jnp.full((), 0.5, y0.dtype),
        jnp.full((), 0.5 / steps, y0.dtype),
        y0,
        args(theta),
        adjoint=adjoint,
        max_steps=steps if not implicit else 2 * steps,
    )
    assert solution.ys is not None
    return (solution.ys**2).sum()


def solver_named(name, dtype):
    if name != "Kvaerno3":
        return getattr(diffrax, name)()
    tolerance = 1e-9 if dtype == jnp.float64 else 1e-5
    return diffrax.Kvaerno3(root_finder=diffrax.VeryChord(rtol=tolerance, atol=tolerance))


@functools.cache
def loss_in_diffrax(solver, dtype):
    """(theta, y0) -> scalar, compiled once for all adjoints."""
    method = solver_named(solver, dtype)
    return jax.jit(lambda theta, y0: in_diffrax(method, diffrax.ForwardMode(), theta, y0, lambda theta: theta))


CASES = [(solver, adjoint, jnp.float64) for solver in ("Euler", "Tsit5") for adjoint in ADJOINTS]
MORE = [("Kvaerno3", adjoint, jnp.float64) for adjoint in ADJOINTS]
MORE += [("Euler", adjoint, jnp.float32) for adjoint in ADJOINTS]
MORE += [(solver, ADJOINTS[0], jnp.float32) for solver in ("Tsit5", "Kvaerno3")]
CASES += [pytest.param(*case, marks=pytest.mark.slow) for case in MORE]


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize(("solver", "adjoint", "dtype"), CASES)
def test_specs_in_diffrax(solver, adjoint, dtype):
    """Gradients under jit by theta and y0, over a batch of both, against central differences of a plain solve."""
    with jax.enable_x64(dtype == jnp.float64):
        theta, y0, _ = problem(dtype)
        method = solver_named(solver, dtype)
        thetas = jnp.stack([theta, 0.9 * theta])
        y0s = jnp.stack([y0, y0[::-1]])
        derivative = jax.jacfwd if isinstance(adjoint, diffrax.ForwardMode) else jax.grad
        ours = derivative(lambda theta, y0: in_diffrax(method, adjoint, theta, y0, SPEC.prepare), (0, 1))
        gradients = jax.jit(jax.vmap(ours))(thetas, y0s)
        loss = loss_in_diffrax(solver, dtype)
        step = 1e-6 if dtype == jnp.float64 else 1e-2
        direction = jnp.ones_like(theta) / 4
        for row in range(2):
            up, down = (loss(thetas[row] + sign * step * direction, y0s[row]) for sign in (1, -1))
            exact = 1e-2 if isinstance(adjoint, diffrax.BacksolveAdjoint) else 1e-6
            difference = (up - down) / (2 * step)
            rtol = exact if dtype == jnp.float64 else max(exact, 2e-3)
            np.testing.assert_allclose(gradients[0][row] @ direction, difference, rtol=rtol)
            up, down = (loss(thetas[row], y0s[row] + sign * step) for sign in (1, -1))
            np.testing.assert_allclose(gradients[1][row].sum(), (up - down) / (2 * step), rtol=rtol)


@pytest.mark.slow
@pytest.mark.parametrize("name", UNITS)
def test_every_unit_rolls_out(name):
    """Prepared outside or not: the same states and gradients as the plain unit's."""
    unit = UNITS[name]
    spec = fast(unit, (2, 2))
    theta, y0, ts = spec.init(jax.random.key(1)), jnp.array([0.6, 1.3]), jnp.linspace(0.0, 0.4, 3)
    plain = lambda theta: ode.rollout(lambda t, y, p: unit.apply(p, y), y0, ts, spec.unravel(theta)).ys.sum()
    prepared = lambda theta: ode.rollout(spec.vector_field, y0, ts, spec.prepare(theta)).ys.sum()
    actual, expected = (jax.jit(jax.value_and_grad(f))(theta) for f in (prepared, plain))
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=2e-5, atol=1e-6)


# --- solve ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64], ids=["f32", "f64"])
def test_rollout_and_solve_agree_by_changing_a_word(dtype):
    with jax.enable_x64(True):
        theta, y0, ts = problem(dtype)
        results = [
            method(SPEC.vector_field, y0, ts, SPEC.prepare(theta), substeps=50) for method in (ode.rollout, ode.solve)
        ]
        for result in results:
            assert result.ok and result.ys.dtype == dtype and result.ys.shape == (5, 2)
            assert jnp.array_equal(result.ys[0], y0)
        np.testing.assert_allclose(results[0].ys, results[1].ys, rtol=1e-7 if dtype == jnp.float64 else 1e-4)


def square(t, y, args):
    """dy/dt = rate y^2 is infinite at t = 1 / (rate y0)."""
    return args * y * y


def root(t, y, args):
    """NaN at a y below 0, which the solver may try."""
    return -args * jnp.sqrt(y)


SEQUENTIAL = functools.partial(ode.rollout, derivatives="sequential")


@pytest.mark.parametrize("method", [ode.rollout, SEQUENTIAL, ode.solve], ids=["rollout", "sequential", "solve"])
def test_a_failed_solve_is_reported_and_has_a_finite_gradient(method):
    y0, ts = jnp.array([1.0]), jnp.linspace(0.0, 2.0, 21)
    rates = jnp.array([0.1, 3.0])

    def loss(rate):
        result = method(square, y0, ts, rate, substeps=8)
        return jnp.where(result.ok, (result.ys**2).sum(), 1e6), result

    gradients, results = jax.jit(jax.vmap(jax.grad(loss, has_aux=True)))(rates)
    assert results.ok.tolist() == [True, False]
    assert jnp.isinf(results.ys[1, -1]).all() and jnp.isfinite(results.ys[0]).all()
    assert jnp.isfinite(results.ys[1, 0]).all()
    assert jnp.isfinite(gradients).all() and gradients[0] != 0 and gradients[1] == 0


@pytest.mark.slow
@pytest.mark.parametrize("method", [ode.rollout, SEQUENTIAL], ids=["parallel", "sequential"])
def test_what_was_reached_keeps_its_gradient(method):
    with jax.enable_x64(True):
        y0, ts = jnp.array([1.0]), jnp.linspace(0.0, 4.0, 41)

        def loss(rate, times):
            ys = method(square, y0, ts[:times], rate, solver=diffrax.Euler(), substeps=10).ys[:3]
            return jnp.where(jnp.isfinite(ys), ys, 0).sum()

        assert not method(square, y0, ts, jnp.array(3.0), solver=diffrax.Euler(), substeps=10).ok
        for derivative in (jax.grad, jax.jacfwd):
            np.testing.assert_allclose(derivative(loss)(3.0, 41), derivative(loss)(3.0, 3), rtol=1e-12)


@pytest.mark.slow
def test_a_rejected_state_does_not_spoil_the_gradient():
    """The first step leaves the domain of the square root, is rejected, and the solve succeeds."""
    with jax.enable_x64(True):
        y0, ts = jnp.array([1.0]), jnp.array([0.0, 1.8])
        solution = lambda rate: ode.solve(root, y0, ts, rate, substeps=1)
        result = solution(jnp.array(1.0))
        assert result.ok and int(result.steps) > 1
        np.testing.assert_allclose(result.ys[-1, 0], (1 - 1.8 / 2) ** 2, rtol=1e-5)
        gradient = jax.grad(lambda rate: solution(rate).ys[-1, 0])(1.0)
        np.testing.assert_allclose(gradient, -1.8 * (1 - 1.8 / 2), rtol=1e-4)


def test_too_many_steps_are_a_failure():
    result = ode.solve(square, jnp.array([1.0]), jnp.array([0.0, 0.5]), jnp.array(1.0), max_steps=2)
    assert not result.ok and jnp.isinf(result.ys[-1]).all()


@pytest.mark.slow
@pytest.mark.parametrize("adjoint", ADJOINTS, ids=by_name)
def test_solve_under_every_adjoint(adjoint):
    with jax.enable_x64(True):
        theta, y0, ts = problem()
        derivative = jax.jacfwd if isinstance(adjoint, diffrax.ForwardMode) else jax.grad
        loss = lambda theta: (
            ode.solve(SPEC.vector_field, y0, ts, theta, adjoint=adjoint, max_steps=64).ys[-1] ** 2
        ).sum()
        accurate = lambda theta: (ode.rollout(SPEC.vector_field, y0, ts, theta, substeps=50).ys[-1] ** 2).sum()
        actual, expected = jax.jit(derivative(loss))(theta), jax.jit(jax.grad(accurate))(theta)
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-7)


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
def test_levenberg_marquardt_through_a_rollout_and_through_diffrax():
    with jax.enable_x64(True):
        spec = fast_chain(fast_real_npu(2, 2, domain="positive"), fast_nau(2, 2))
        theta, y0, ts = problem()
        exact = 0.5 * spec.init(jax.random.key(5), jnp.float64)
        data = ode.solve(spec.vector_field, y0, ts, spec.prepare(exact)).ys
        start = exact + 0.05 * jax.random.normal(jax.random.key(6), exact.shape, exact.dtype)
        methods = [
            lambda theta, _: (
                ode.rollout(spec.vector_field, y0, ts, spec.prepare(theta), substeps=10).ys - data
            ).ravel(),
            lambda theta, _: (
                ode.solve(spec.vector_field, y0, ts, spec.prepare(theta), adjoint=diffrax.ForwardMode()).ys - data
            ).ravel(),
        ]
        for residuals in methods:
            solver = optimistix.LevenbergMarquardt(1e-9, 1e-9)

            @jax.jit
            def losses(start, residuals=residuals, solver=solver):
                found = optimistix.least_squares(residuals, solver, start, max_steps=50, throw=False).value
                return (residuals(start, None) ** 2).sum(), (residuals(found, None) ** 2).sum()

            before, after = losses(start)
            assert before > 1e-6 and after < 1e-14


# --- bad input --------------------------------------------------------------------------------------------------------

GOOD = {"vector_field": SPEC.vector_field, "y0": jnp.ones(2), "ts": jnp.array([0.0, 1.0]), "args": jnp.ones(SPEC.size)}
BAD = [
    ({"ts": jnp.array([0.0, 1.0, 1.0])}, ValueError, "ts must increase"),
    ({"ts": jnp.array([0.0, jnp.nan])}, ValueError, "ts must be an array of finite real numbers"),
    ({"ts": jnp.array([0.0])}, ValueError, "at least two times"),
    ({"ts": jnp.ones((2, 2))}, ValueError, "vector"),
    ({"y0": jnp.array([1.0, jnp.nan])}, ValueError, "y0 must be finite"),
    ({"y0": jnp.ones(2, int)}, TypeError, "y0 must be real floating"),
    ({"args": jnp.ones(7)}, ValueError, r"theta has shape \(7,\)"),
    ({"args": jnp.ones(SPEC.size, jnp.bfloat16)}, TypeError, "theta is bfloat16"),
    ({"vector_field": lambda t, y, args: y[:1]}, ValueError, r"shape of y0, \(2,\), got \(1,\)"),
    ({"vector_field": lambda t, y, args: (y, y)}, ValueError, "one array"),
    ({"vector_field": lambda t, y, args: y.astype(jnp.bfloat16)}, TypeError, "dtype of y0"),
    ({"substeps": 0}, ValueError, "substeps"),
    ({"checkpoints": 1.5}, TypeError, "checkpoints"),
    ({"solver": "euler"}, TypeError, "solver"),
]


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize("method", [ode.rollout, ode.solve])
@pytest.mark.parametrize(("change", "error", "words"), BAD)
def test_bad_input_says_what_was_expected(method, change, error, words):
    with pytest.raises(error, match=words):
        method(**(GOOD | change))


def test_each_refuses_what_is_only_for_the_other():
    with pytest.raises(ValueError, match="ode.solve"):
        ode.rollout(**GOOD, solver=diffrax.Kvaerno3())
    with pytest.raises(ValueError, match="ode.rollout"):
        ode.solve(**GOOD, solver=diffrax.Euler())
    with pytest.raises(
        ValueError, match="rollout: derivatives must be one of 'parallel', 'sequential', or None, got 'both'"
    ):
        ode.rollout(**GOOD, derivatives="both")


def test_bad_values_that_are_traced_are_reported():
    rollout = jax.jit(lambda y0, ts: ode.rollout(SPEC.vector_field, y0, ts, GOOD["args"]))
    assert rollout(jnp.ones(2), jnp.array([0.0, 0.1])).ok
    assert not rollout(jnp.ones(2), jnp.array([0.0, 0.1, 0.1])).ok
    result = rollout(jnp.array([1.0, jnp.nan]), jnp.array([0.0, 0.1]))
    assert not result.ok and jnp.isinf(result.ys).all()
    solve = jax.jit(lambda y0: ode.solve(SPEC.vector_field, y0, jnp.array([0.0, 0.1]), GOOD["args"], max_steps=16))
    assert not solve(jnp.array([1.0, jnp.nan])).ok


@pytest.mark.slow
def test_chains_of_plain_units_are_vector_fields_too(key):
    model = chain(npu, nau)
    params = jax.tree.map(lambda leaf: 0.3 * leaf, model.init(key, (2, 4, 2)))
    f = lambda params: ode.rollout(
        lambda t, y, p: model.apply(p, y), jnp.ones(2), jnp.array([0.0, 0.5]), params
    ).ys.sum()
    assert jax.tree.structure(jax.grad(f)(params)) == jax.tree.structure(params)
    assert not nonfinite_leaves(jax.grad(f)(params))
