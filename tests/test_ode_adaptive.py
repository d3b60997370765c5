"""Derivatives of `ode.solve` by replayed steps are those of diffrax's default adjoint, in every mode."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nalu_jax import fast_chain, fast_nau, fast_npu, ode
from nalu_jax.ode import _adaptive, _tableau

SPEC = fast_chain(fast_npu(2, 3), fast_nau(3, 2))
SOLVERS = [diffrax.Heun(), diffrax.Bosh3(), diffrax.Tsit5(), diffrax.Dopri5(), diffrax.Dopri8()]
by_name = lambda value: type(value).__name__


def problem():
    """(theta, rate), y0 and irregular times, some of them in one step, others steps apart."""
    theta = 0.5 * SPEC.init(jax.random.key(3), jnp.float64)
    return (theta, jnp.array(0.3)), jnp.array([0.6, 1.3]), jnp.array([0.0, 0.01, 0.012, 0.35, 0.4, 2.0])


def forced(t, y, args):
    """Depends on time, on args, and on every entry of y."""
    theta, rate = args
    return SPEC.vector_field(t, y, theta) + rate * jnp.sin(3 * t) * y[::-1]


def in_diffrax(field, y0, ts, args, solver, rtol, atol, max_steps, adjoint=None):
    """(states, whether it finished) of diffrax itself."""
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(field),
        solver,
        ts[0],
        ts[-1],
        None,
        y0,
        args,
        saveat=diffrax.SaveAt(ts=ts),
        stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
        adjoint=diffrax.RecursiveCheckpointAdjoint() if adjoint is None else adjoint,
        max_steps=max_steps,
        throw=False,
    )
    return jnp.asarray(solution.ys), solution.result == diffrax.RESULTS.successful


def both(solver=None, tolerance=1e-6, max_steps=512, field=forced, **options):
    """(ours, diffrax's): functions (args, y0, ts) -> states."""
    solver = diffrax.Tsit5() if solver is None else solver
    tolerances = {"rtol": tolerance, "atol": tolerance / 10, "max_steps": max_steps}
    ours = lambda args, y0, ts: ode.solve(field, y0, ts, args, solver=solver, **tolerances, **options).ys
    theirs = lambda args, y0, ts: in_diffrax(field, y0, ts, args, solver, **tolerances)[0]
    return ours, theirs


def gradient(states, argnums=(0, 1, 2)):
    """(states, gradient of a weighted sum of their squares), compiled."""

    def weighted(args, y0, ts):
        ys = states(args, y0, ts)
        return (ys**2 * jnp.arange(1.0, ys.size + 1).reshape(ys.shape)).sum(), ys

    return jax.jit(jax.grad(weighted, argnums, has_aux=True))


def assert_same(actual, expected, rtol=1e-9):
    for a, e in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, e, rtol=rtol, atol=rtol * float(jnp.abs(e).max()))


CASES = [(solver, 1e-4) for solver in SOLVERS] + [(diffrax.Tsit5(), 1e-10)]
CASES = [case if i == 2 else pytest.param(*case, marks=pytest.mark.slow) for i, case in enumerate(CASES)]


@pytest.mark.parametrize(("solver", "tolerance"), CASES, ids=lambda value: by_name(value) if value in SOLVERS else None)
def test_states_and_gradients_are_diffraxs(solver, tolerance):
    """By the parameters, the first state, and the times, which saved states and the ends of steps depend on."""
    with jax.enable_x64(True):
        (_, rate), y0, ts = problem()
        (by_rate, by_y0, by_ts), ys = gradient(ours := both(solver, tolerance, field=turning)[0])(rate, y0, ts)
        theirs = both(solver, tolerance, field=turning)[1]
        (*expected, expected_by_ts), expected_ys = gradient(theirs)(rate, y0, ts)
        assert_same((by_rate, by_y0, ys), (*expected, expected_ys))
        assert jax.jit(ours)(rate, y0, ts).tolist() == ys.tolist()
        # where a last step was rejected, diffrax moves the length of the next with the end: the error of a step
        assert_same(by_ts[1:-1], expected_by_ts[1:-1])
        ends = lambda by_ts: np.asarray(by_ts)[[0, -1]]
        np.testing.assert_allclose(ends(by_ts), ends(expected_by_ts), rtol=1e-9, atol=1e3 * tolerance)


def turning(t, y, rate):
    """Nonlinear, and depends on time; cheap to compile."""
    return jnp.stack([rate * jnp.sin(3 * t) * y[1] - y[0] ** 3, y[0] - 0.5 * y[1]])


def test_gradients_of_a_unit_are_diffraxs():
    with jax.enable_x64(True):
        ours, theirs = both(max_steps=64)
        assert_same(*(gradient(states, (0, 1))(*problem()) for states in (ours, theirs)))


@pytest.mark.slow
def test_lanes_of_a_vmap_are_solved_as_alone():
    """Lanes of different length, one of which fails; where the record holds a block, the others are run again."""
    with jax.enable_x64(True):
        y0, ts = jnp.array([1.0]), jnp.linspace(0.0, 1.0, 7)
        rates = jnp.array([0.1, 0.9, 3.0])  # infinite at 1 / rate
        ours, theirs = both(tolerance=1e-9, max_steps=100, field=square, checkpoints=16)
        finite = lambda states: lambda *args: jnp.where(jnp.isfinite(ys := states(*args)), ys, 0)
        gradients = jax.vmap(gradient(finite(ours), (0, 1)), (0, None, None))(rates, y0, ts)
        for lane in range(2):
            expected = gradient(finite(theirs), (0, 1))(rates[lane], y0, ts)
            assert_same([leaf[lane] for leaf in jax.tree.leaves(gradients)], jax.tree.leaves(expected))
        assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))
        result = jax.vmap(lambda rate: ode.solve(square, y0, ts, rate, max_steps=100))(rates)
        alone = [ode.solve(square, y0, ts, rate, max_steps=100) for rate in rates]
        assert result.ok.tolist() == [bool(one.ok) for one in alone] == [True, True, False]
        assert result.steps[:2].tolist() == [int(one.steps) for one in alone[:2]]


@pytest.mark.slow
def test_steps_that_the_last_segment_is_in_place_of_are_run_again():
    """Where the record holds two blocks of three, both modes give what they give with room for all."""
    with jax.enable_x64(True):
        (_, rate), y0, ts = problem()
        whole, less = (both(tolerance=1e-9, field=turning, **room)[0] for room in ({}, {"checkpoints": 32}))
        assert 32 < int(ode.solve(turning, y0, ts, rate, rtol=1e-9, atol=1e-10).steps) <= 48
        along = lambda states: jax.jit(lambda rate: jax.jvp(lambda rate: states(rate, y0, ts), (rate,), (rate,)))
        for derivative in (gradient, along):
            rest = (y0, ts) if derivative is gradient else ()
            assert_same(derivative(less)(rate, *rest), derivative(whole)(rate, *rest), rtol=1e-13)


def square(t, y, args):
    """dy/dt = rate y^2 is infinite at t = 1 / (rate y0)."""
    return args * y * y


@pytest.mark.slow
def test_every_mode_gives_the_same_jacobian():
    """Reverse mode, and forward mode along many directions, also by the times, along one, and in lanes."""
    with jax.enable_x64(True):
        (_, rate), y0, ts = problem()
        args = rate, jnp.linspace(0.5, 1.5, 5)
        field = lambda t, y, args: turning(t, y, args[0]) + jnp.stack([(args[1] * y[0]).sum(), args[1][1:].prod()])
        ours, theirs = both(diffrax.Bosh3(), field=field, max_steps=128)
        again = both(diffrax.Bosh3(), field=field, max_steps=128, checkpoints=16)[0]
        expected = jax.jit(jax.jacrev(theirs, (0, 1)))(args, y0, ts)
        assert_same(jax.jit(jax.jacrev(again, (0, 1)))(args, y0, ts), expected)
        assert_same(jax.jit(jax.jacfwd(ours, (0, 1)))(args, y0, ts), expected)
        assert_same(jax.jit(jax.jacfwd(again, (0, 1, 2)))(args, y0, ts)[:2], expected)
        assert_same(jax.jit(jax.jacfwd(again))(args, y0, ts), expected[0])
        dots = jnp.array(1.0), jnp.zeros(5)
        along = jax.jit(lambda dots: jax.jvp(lambda args: again(args, y0, ts), (args,), (dots,))[1])(dots)
        assert_same(along, expected[0][0])
        y0s = jnp.stack([y0, 0.5 * y0])
        in_lanes = jax.jit(jax.vmap(jax.jacfwd(ours), (None, 0, None)))(args, y0s, ts)
        assert_same([leaf[0] for leaf in in_lanes], expected[0])


@pytest.mark.slow
def test_large_states_and_stages_one_by_one():
    """More entries than Jacobians are formed for, of any shape."""
    with jax.enable_x64(True):
        (_, rate), _, ts = problem()
        y0 = jax.random.uniform(jax.random.key(0), (3, 4, 2), jnp.float64, 0.5, 1.5)
        field = lambda t, y, rate: rate * jnp.sin(3 * t) * y[::-1] - y**3
        ours, theirs = both(diffrax.Bosh3(), field=field)
        assert_same(*(gradient(states, (0, 1))(rate, y0, ts) for states in (ours, theirs)))


@pytest.mark.slow
def test_a_stiff_solve_with_rejected_steps():
    """Van der Pol's equation at mu = 10: steps from 1e-4 to 0.3, and many rejected.

    The tolerance is such that accuracy limits the steps, not stability: at its limit the lengths, and the derivative
    with them, hang on the last bits, whoever computes them.
    """

    def van_der_pol(t, y, mu):
        return jnp.stack([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]])

    with jax.enable_x64(True):
        mu, y0, ts = jnp.array(10.0), jnp.array([2.0, 0.0]), jnp.linspace(0.0, 20.0, 11)
        ours, theirs = both(tolerance=1e-9, max_steps=4096, field=van_der_pol)
        steps = jax.jit(lambda: ode.solve(van_der_pol, y0, ts, mu, rtol=1e-9, atol=1e-10).steps)()
        assert int(steps) > 500
        assert_same(*(gradient(states, (0, 1))(mu, y0, ts) for states in (ours, theirs)))


@pytest.mark.slow
def test_integers_closures_and_static_entries_of_args():
    """Also under `vmap` over integers, in args and closed over."""
    with jax.enable_x64(True):
        rate, y0, ts = jnp.array(0.3), jnp.array([0.6, 1.3]), jnp.array([0.0, 1.0])
        orders = jnp.array([[1, 0], [0, 1]])

        def end(rate, order, other):
            field = lambda t, y, args: args["scale"] * jnp.sin(y)[args["order"]] + rate * y[other]
            args = {"scale": 0.5, "order": order, "name": "closed"}
            return ode.solve(field, y0, ts, args, solver=diffrax.Bosh3(), rtol=1e-5).ys.sum()

        found = jax.jit(jax.vmap(jax.grad(end), (None, 0, 0)))(rate, orders, orders[::-1])
        for row in range(2):
            up, down = (end(rate + step, orders[row], orders[1 - row]) for step in (1e-4, -1e-4))
            np.testing.assert_allclose(found[row], (up - down) / 2e-4, rtol=1e-4)


@pytest.mark.slow
def test_second_derivatives_are_refused():
    """Not silently wrong: the message says what to do instead."""
    end = lambda rate: ode.solve(square, jnp.array([1.0]), jnp.array([0.0, 0.5]), rate, solver=diffrax.Heun()).ys.sum()
    for second in (jax.hessian(end), jax.grad(jax.grad(end))):
        with pytest.raises(NotImplementedError, match="DirectAdjoint"):
            second(jnp.array(0.5))


def test_nothing_moves_but_the_first_state():
    with jax.enable_x64(True):
        y0, ts = jnp.array([1.0, 2.0]), jnp.array([0.0, 0.3, 1.0])
        decay = lambda t, y, args: -y
        jacobian = jax.jit(jax.jacfwd(lambda y0: ode.solve(decay, y0, ts).ys))(y0)
        expected = np.exp(-np.asarray(ts))[:, None, None] * np.eye(2)[None]
        np.testing.assert_allclose(jacobian, expected, rtol=1e-7, atol=1e-12)


def test_interpolation_weights_are_the_steps_own_at_its_end():
    for solver in (*SOLVERS, diffrax.Midpoint(), diffrax.Ralston()):
        method = _tableau.tableau(solver)
        assert method is not None
        weights = _tableau.dense_weights(solver, method, jnp.ones(()))
        np.testing.assert_allclose(weights, method.b, atol=2e-5)
    assert _tableau.tableau(diffrax.Kvaerno3()) is None
    assert _tableau.tableau(diffrax.HalfSolver(diffrax.Euler())) is None


def test_a_hundred_numbers_below_the_end():
    end = np.float32(3.0)
    below = np.float32(3.0)
    for _ in range(100):
        below = np.nextafter(below, np.float32(-np.inf))
    assert _adaptive._hundred_below(jnp.asarray(end)) == below
