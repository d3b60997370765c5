"""Measured trajectories, splines through them, and the residuals that fit vector fields to them.

Oracles are SciPy's solvers, quadrature and least squares, closed forms, and central differences.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.integrate import quad, solve_ivp

from nalu_jax import _solvers, fast_chain, fast_nau, fast_real_npu, ode, training


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def oscillator(t, y, args):
    return jnp.stack([y[1], -args * y[0] - 0.1 * y[1] ** 3])


def oscillation(ts, start, stiffness=2.0):
    rates = lambda t, y: [y[1], -stiffness * y[0] - 0.1 * y[1] ** 3]
    return solve_ivp(rates, (ts[0], ts[-1]), start, t_eval=ts, rtol=1e-12, atol=1e-13, method="DOP853").y.T


TS = np.array([0.0, 0.3, 0.5, 0.9, 1.2, 1.3, 1.8, 2.0])


# measured trajectories


def test_data_fills_up_trajectories_of_different_length():
    data = ode.data([TS, TS[:6]], [np.ones((8, 2)), np.full((6, 2), 3.0)])
    assert data.ts.shape == (2, 8) and data.ys.shape == data.seen.shape == (2, 8, 2)
    assert (np.diff(data.ts) > 0).all()
    assert data.seen[1, :, 0].tolist() == [True] * 6 + [False] * 2
    assert (data.ys[1, :6] == 3).all()


def test_nan_is_missing_only_where_that_is_said():
    ys = np.ones((8, 1))
    ys[3] = np.nan
    with pytest.raises(ValueError, match=r"state 'mass' is nan in row 3.*missing=True"):
        ode.data(TS, ys, names=["mass"])
    data = ode.data(TS, ys, missing=True)
    assert data.seen[0, :, 0].tolist() == [True] * 3 + [False] + [True] * 4


@pytest.mark.parametrize(
    ("ts", "ys", "error", "words"),
    [
        (TS[::-1], np.ones(8), ValueError, r"ts must increase, got ts\[0:2\].*Sort"),
        (np.array([0, 1, 1, 2, 3.0]), np.ones(5), ValueError, r"ts\[1:3\]"),
        (TS, np.ones((2, 8)), ValueError, r"shapes \(8,\) and \(2, 8\).*Transpose"),
        (TS[:3], np.ones(3), ValueError, "measured 3 times, expected at least 5"),
        (TS, np.full(8, np.inf), ValueError, "is inf in row 0"),
        (np.append(TS[:-1], np.nan), np.ones(8), ValueError, "ts must be finite"),
        (TS, np.array(["a"] * 8), TypeError, "real numbers"),
        ([TS, TS], [np.ones(8)], ValueError, "2 and 1 trajectories"),
        ([TS, TS], [np.ones((8, 1)), np.ones((8, 2))], ValueError, "one number of states"),
    ],
)
def test_bad_data_are_refused_with_where_and_how_to_mend(ts, ys, error, words):
    with pytest.raises(error, match=words):
        ode.data(ts, ys)


# splines


def test_splines_through_exact_data_are_polynomials_of_their_degree():
    ts = np.linspace(0, 2, 30) ** 1.2
    power = lambda t: t**5 - 2 * t
    smooth = ode.smooth(ode.data(ts, power(ts)))
    assert (smooth.noise == 0).all()
    np.testing.assert_allclose(smooth.nodes[0, ..., 0], power(smooth.times[0]), atol=1e-9)
    integral = np.sum(smooth.weights * smooth.nodes[..., 0])
    np.testing.assert_allclose(integral, quad(power, ts[0], ts[-1])[0], rtol=1e-9)


def test_noise_is_estimated_and_smoothed_away():
    ts = np.linspace(0, 10, 200)
    noisy = np.sin(ts) + 0.05 * np.random.default_rng(0).normal(size=200)
    smooth = ode.smooth(ode.data(ts, noisy))
    assert abs(smooth.noise[0] / 0.05 - 1) < 0.2
    assert np.sqrt(np.mean((smooth.ys[0, :, 0] - np.sin(ts)) ** 2)) < 0.02
    np.testing.assert_allclose(ode.smooth(ode.data(ts, noisy), noise=0.0).ys[0, :, 0], noisy, atol=1e-9)


def test_the_noise_of_few_points_is_estimated_without_bias():
    """The least of several estimates would be a tenth too small here, and a third of the truth in the worst draw."""
    ts, generator = np.linspace(0, 6, 40), np.random.default_rng(0)
    logistic = 2 / (1 + 9 * np.exp(-1.2 * ts))
    noises = [ode.smooth(ode.data(ts, logistic + 0.01 * generator.normal(size=40))).noise[0] for _ in range(100)]
    assert abs(np.mean(noises) / 0.01 - 1) < 0.05
    assert min(noises) > 0.005


# residuals


def test_windows_overlap_in_one_time():
    data = ode.data(TS, np.stack([TS, -TS], 1))
    windows = ode.windows(data, data.ys, np.array([0.5, 2.0]), length=3)
    assert windows.ts.shape == (3, 4) and windows.ys.shape == (3, 3, 2)
    np.testing.assert_array_equal(windows.ts[1], TS[3:7])
    np.testing.assert_array_equal(windows.starts[:, 0], TS[[0, 3, 6]])
    np.testing.assert_array_equal(windows.weights[0], [[2.0, 0.5]] * 3)
    assert windows.weights[2].tolist() == [[2.0, 0.5], [0, 0], [0, 0]]
    assert (windows.joins[2] == 0).all() and (windows.joins[:2] > 0).all()


def test_shooting_predicts_what_scipy_does():
    ys = oscillation(TS, [1.0, 0.5])
    found = ode.shoot(oscillator, 2.0, jnp.asarray(ys[:1]), jnp.asarray(TS[None]), substeps=8)
    np.testing.assert_allclose(found[0], ys[1:], atol=1e-7)
    data = ode.data(TS, ys)
    for length in (1, 3, None):
        windows = jax.tree.map(jnp.asarray, ode.windows(data, data.ys, np.ones(2), length=length))
        residual = ode.trajectory_residual(oscillator, 2.0, windows, substeps=8)
        assert float(jnp.abs(residual).max()) < 1e-7


@pytest.mark.slow
def test_the_derivative_of_shooting_is_that_of_central_differences():
    data = ode.data(TS, oscillation(TS, [1.0, 0.5]))
    windows = jax.tree.map(jnp.asarray, ode.windows(data, data.ys + 0.1, np.ones(2), length=3))
    residual = lambda args: ode.shooting_residual(oscillator, args, windows.starts, windows, substeps=4)
    step = 1e-5
    numeric = (residual(2.0 + step) - residual(2.0 - step)) / (2 * step)
    np.testing.assert_allclose(jax.jacfwd(residual)(2.0), numeric, rtol=1e-6, atol=1e-8)


def test_shooting_with_free_starts_has_gaps_and_measurements_of_the_starts():
    data = ode.data(TS, oscillation(TS, [1.0, 0.5]))
    windows = jax.tree.map(jnp.asarray, ode.windows(data, data.ys, np.ones(2), length=4))
    exact = ode.shooting_residual(oscillator, 2.0, windows.starts, windows, substeps=16)
    assert exact.shape == (2 * 4 * 2 + 2 * 2 + 2 * 2,) and float(jnp.abs(exact).max()) < 1e-8
    moved = ode.shooting_residual(oscillator, 2.0, windows.starts.at[1].add(0.25), windows, substeps=16)
    np.testing.assert_allclose(moved[-4:-2], -0.25, atol=1e-8)  # the gap between the first window and the second


@pytest.mark.parametrize(("share", "seen"), [(0.0, 1), (0.2, 2), (0.5, 4), (6 / 7, 6), (1.0, 7), (2.0, 7)])
def test_a_horizon_leaves_out_what_is_later(share, seen):
    data = ode.data(TS, oscillation(TS, [1.0, 0.5]))
    windows = jax.tree.map(jnp.asarray, ode.windows(data, data.ys, np.ones(2)))
    found = jax.jit(ode.horizon)(windows, share)
    assert found.weights[0, :, 0].tolist() == [1] * seen + [0] * (7 - seen)
    halves = jax.tree.map(jnp.asarray, ode.windows(data, data.ys, np.ones(2), length=4))
    joins = ode.horizon(halves, share).joins
    assert (joins == (halves.joins if share >= 0.8 else 0)).all()


@pytest.mark.slow
def test_a_growing_horizon_finds_what_the_whole_of_it_hides():
    ts = np.linspace(0.0, 30.0, 121)
    data = ode.data(ts, oscillation(ts, [1.0, 0.5], stiffness=4.0))
    windows = jax.tree.map(jnp.asarray, ode.windows(data, data.ys, np.ones(2)))

    def loss(stiffness, batch, step):
        seen = ode.horizon(batch, step / 200)
        residual = ode.trajectory_residual(oscillator, stiffness, seen, substeps=2)
        return (residual**2).sum() / seen.weights.sum()

    def found(loss):
        settings = {"steps": 300, "optimiser": optax.adam(0.03), "batch": lambda key, step: windows, "keep": "last"}
        init = lambda key: jnp.asarray(1.0)
        return float(training.fit(loss, init, key=jax.random.key(0), progress=False, **settings).params)

    assert abs(found(loss) - 4.0) < 1e-2
    assert abs(found(lambda params, batch: loss(params, batch, 200)) - 4.0) > 1.0


def test_a_solve_that_blows_up_is_a_bad_one_not_nan():
    explode = lambda t, y, args: args * y**3
    data = ode.data(TS, np.ones((8, 1)))
    windows = jax.tree.map(jnp.asarray, ode.windows(data, data.ys, np.ones(1)))
    residual = lambda args: ode.trajectory_residual(explode, args, windows)
    assert np.isfinite(residual(50.0)).all() and float(jnp.abs(residual(50.0)).max()) >= 1e3
    assert np.isfinite(jax.jacfwd(residual)(50.0)).all()


def test_missing_measurements_have_no_part():
    ys = oscillation(TS, [1.0, 0.5])
    holes = ys.copy()
    holes[4, 0] = np.nan
    full, missing = ode.data(TS, ys), ode.data(TS, holes, missing=True)
    of = lambda data: ode.trajectory_residual(
        oscillator, 2.5, jax.tree.map(jnp.asarray, ode.windows(data, full.ys, np.ones(2)))
    )
    expected = np.asarray(of(full)).copy()
    expected[0, 3, 0] = 0
    np.testing.assert_array_equal(of(missing), expected)


def test_the_weak_form_of_the_truth_vanishes():
    ts = np.linspace(0, 2, 60)
    data = ode.data(ts, oscillation(ts, [1.0, 0.5]))
    smooth = ode.smooth(data)
    changes = np.diff(data.ys[0], axis=0)
    times, nodes, weights = (jnp.asarray(array[0]) for array in (smooth.times, smooth.nodes, smooth.weights))
    scale = jnp.ones(changes.shape)
    weak = lambda args: ode.weak_residual(oscillator, args, times, nodes, weights, jnp.asarray(changes), scale)
    assert float(jnp.abs(weak(2.0)).max()) < 1e-9
    # linear in args: d/dargs is minus the integral of the first state, by SciPy's quadrature of a spline of its own
    integral = [quad(lambda t: np.interp(t, ts, data.ys[0, :, 0]), *ts[i : i + 2])[0] for i in range(59)]
    np.testing.assert_allclose(jax.jacfwd(weak)(2.0)[:, 1], -np.array(integral), rtol=1e-2)


def test_projection_solves_for_the_linear_half_and_has_kaufmans_derivative():
    generator = np.random.default_rng(1)
    x, target = generator.uniform(0.5, 2, size=40), generator.normal(size=40)
    features = lambda powers: jnp.asarray(x)[:, None] ** powers[None]
    powers = jnp.array([0.5, 2.0])
    matrix = np.stack([x**0.5, x**2.0], 1)
    expected = np.linalg.lstsq(matrix, target, rcond=None)[0]
    coefficients, residual = _solvers.project(features(powers), jnp.asarray(target))
    np.testing.assert_allclose(coefficients, expected, rtol=1e-8)
    np.testing.assert_allclose(residual, matrix @ expected - target, atol=1e-9)
    outside = np.eye(40) - matrix @ np.linalg.pinv(matrix)
    kaufman = outside @ (matrix * np.log(x)[:, None] * expected)
    jacobian = jax.jacfwd(lambda p: _solvers.project(features(p), jnp.asarray(target))[1])(powers)
    np.testing.assert_allclose(jacobian, kaufman, atol=1e-8)


# vector fields


def test_a_field_is_known_physics_plus_a_unit():
    spec = fast_chain(fast_real_npu(2, 1, eps=0.0, domain="positive"), fast_nau(1, 1))
    theta = spec.ravel(({"re": jnp.array([[0.5], [-1.0]]), "gate": jnp.ones(2)}, {"w": jnp.array([[3.0]])}))
    rates = ode.field(spec, lambda t, y: t * y, inputs=(2, 0), outputs=(1,))
    y = jnp.array([4.0, 7.0, 9.0])
    np.testing.assert_allclose(rates(2.0, y, theta), [8.0, 14.0 + 3 * 9**0.5 / 4, 18.0], rtol=1e-12)
    with pytest.raises(ValueError, match="inputs must name 2 different states"):
        ode.field(spec, inputs=(0,), outputs=(1,))
    with pytest.raises(ValueError, match="outputs must name 1 different states"):
        ode.field(spec, inputs=(0, 1), outputs=(1, 1))
