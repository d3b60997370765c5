"""The published tasks: ranges, seeds, thresholds and distributions against closed forms, SciPy and NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats
from scipy.stats import qmc

from nalu_jax.tasks import comparison, division, draw, inalu, large_scale, measures, simple, single_module, static

ROWS = 200_000  # of a distribution; standard errors below are of so many


def ends(bounds):
    array = np.atleast_2d(bounds)
    return array[:, 0], array[:, 1]


# distributions


def test_open_uniforms_are_the_middles_of_the_cells():
    u = np.asarray(draw.open_uniform(jax.random.key(0), (100_000,)), np.float64)
    cells = u * 2**23 - 0.5
    np.testing.assert_array_equal(cells, np.round(cells))
    assert cells.min() >= 0 and cells.max() <= 2**23 - 1
    assert not (u == 0.5).any()


def test_open_uniforms_of_float64_are_inside():
    with jax.enable_x64(True):
        u = np.asarray(draw.open_uniform(jax.random.key(0), (1000,), jnp.float64))
    assert u.dtype == np.float64 and u.min() > 0 and u.max() < 1


@pytest.mark.parametrize("bounds", [(-2.0, 2.0), (0.1, 0.2), ((-6.0, -2.0), (2.0, 6.0)), ((1.0, 2.0),)])
def test_uniforms_follow_their_distribution(key, bounds):
    x = np.asarray(draw.uniform(key, (ROWS,), bounds))
    low, high = ends(bounds)
    width = high[0] - low[0]

    def distribution(value):
        return np.mean([np.clip((value - start) / width, 0, 1) for start in low], 0)

    assert stats.kstest(x, distribution).pvalue > 1e-3
    assert (x != 0).all()
    assert np.any([(x >= a) & (x <= b) for a, b in zip(low, high, strict=True)], 0).all()


def test_every_element_chooses_its_interval_alone(key):
    x = np.asarray(draw.uniform(key, (ROWS, 2), [[-6.0, -2.0], [2.0, 6.0]]))
    signs = np.sign(x)
    assert abs(signs.mean()) < 5 / np.sqrt(2 * ROWS)
    assert abs((signs[:, 0] * signs[:, 1]).mean()) < 5 / np.sqrt(ROWS)


def test_ranges_are_data(key):
    """One program under vmap gives what every range alone gives."""
    ranges = jnp.array([r.train for r in single_module.RANGES])
    together = jax.jit(jax.vmap(lambda bounds: draw.uniform(key, (5, 2), bounds)))(ranges)
    for i, bounds in enumerate(ranges):
        np.testing.assert_allclose(together[i], draw.uniform(key, (5, 2), bounds), rtol=2e-7)


def test_columns_have_their_own_interval(key):
    x = np.asarray(draw.by_column(key, (1000, 10), [[-2.0, -0.1], [0.1, 2.0]]))
    assert (x[:, :5] < -0.1).all() and (x[:, 5:] > 0.1).all()
    assert abs(x[:, 5:].mean() - 1.05) < 5 * 1.9 / np.sqrt(12 * 5000)


def test_truncated_normal_moments(key):
    x = np.asarray(draw.truncated_normal(key, (ROWS,), mean=-1.0, deviation=3.0, low=-5.0, high=10.0))
    oracle = stats.truncnorm(-4 / 3, 11 / 3, loc=-1, scale=3)
    assert stats.kstest(x, oracle.cdf).pvalue > 1e-3
    assert x.min() > -5 and x.max() < 10


def test_exponential_moments(key):
    x = np.asarray(draw.exponential(key, (ROWS,), scale=0.2))
    assert stats.kstest(x, stats.expon(scale=0.2).cdf).pvalue > 1e-3
    assert x.min() > 0


@pytest.mark.parametrize("low", [10, 100])
def test_benford_frequencies(key, low):
    x = np.asarray(draw.benford(key, (ROWS,), low=low)).astype(int)
    assert x.min() >= low and x.max() < 10 * low
    first = np.bincount(x // low, minlength=10)[1:]
    law = np.log10(1 + 1 / np.arange(1, 10))
    assert stats.chisquare(first, law * ROWS).pvalue > 1e-3
    assert stats.chisquare(np.bincount(x % low, minlength=low)).pvalue > 1e-3


def test_sobol_is_scipys_without_the_first_point():
    expected = qmc.Sobol(100, scramble=False).random(64)[1:]
    np.testing.assert_array_equal(draw.sobol(63, 100), expected.astype(np.float32))


@pytest.mark.parametrize("first", [0, 1, 129, 4000])
def test_sobol_on_the_device_is_scipys(first):
    directions = draw.sobol_directions(100, bits=12)
    points = jax.jit(draw.sobol_at)(first + jnp.arange(64), directions)
    expected = qmc.Sobol(100, scramble=False).random(4096)[first : first + 64]
    np.testing.assert_array_equal(points, expected.astype(np.float32))


@pytest.mark.parametrize("degree", range(1, 13))
def test_sobol_directions_have_the_bits_that_their_polynomials_need(degree):
    """Direction j of every dimension ends at bit j: with fewer bits than the degree SciPy's are zero, silently."""
    most = draw.SOBOL_DIMENSIONS[degree]
    directions = draw.sobol_directions(most, bits=degree).astype(int)
    ends = 2 ** (degree - 1 - np.arange(degree))
    np.testing.assert_array_equal(directions & -directions, np.broadcast_to(ends[:, None], directions.shape))
    with pytest.raises(ValueError, match=f"bits must be at least {degree + 1} in {most + 1} dimensions, got {degree}"):
        draw.sobol_directions(most + 1, bits=degree)


def test_points_beyond_the_sequence_are_refused():
    directions = draw.sobol_directions(2, bits=4)
    with pytest.raises(ValueError, match=r"index must be from 0 to 2\^4 - 1"):
        draw.sobol_at(jnp.array([3, 16]), directions)


# single module


def test_the_nine_ranges():
    names = "U[-20,-10] U[-2,-1] U[-1.2,-1.1] U[-0.2,-0.1] U[-2,2] U[0.1,0.2] U[1,2] U[1.1,1.2] U[10,20]"
    assert [r.name for r in single_module.RANGES] == names.split()
    for r in single_module.RANGES:  # no test range overlaps its training range
        assert all(low >= r.train[1] or high <= r.train[0] for low, high in r.test)


# eps = 1e-5: the figures of the protocol's derivation, four digits
THRESHOLDS = [
    ((-40.0, -20.0), 3.667e-7, 3.484e-4, 4.667e-10),
    ((2.0, 6.0), 6.667e-9, 1.202e-7, 5.778e-10),
    ((-6.1, -1.2), 5.729e-9, 9.392e-8, 8.373e-10),
    ((1.2, 6.0), 5.568e-9, 8.856e-8, 8.267e-10),
    ((0.2, 2.0), 5.380e-10, 8.762e-10, 1.480e-9),
]


@pytest.mark.parametrize(("interval", "additive", "product", "quotient"), THRESHOLDS)
def test_thresholds_are_the_published_ones(interval, additive, product, quotient):
    for operation, expected in [("add", additive), ("sub", additive), ("mul", product), ("div", quotient)]:
        assert single_module.threshold(operation, (interval,)) == pytest.approx(expected, rel=2e-4)
        assert single_module.threshold(operation, (interval,), eps=1e-4) == pytest.approx(100 * expected, rel=1e-3)


@pytest.mark.parametrize("operation", single_module.OPERATIONS)
@pytest.mark.parametrize("n_in", [2, 10, 100])
@pytest.mark.parametrize("interval", [(-6.0, -2.0), (0.2, 2.0)])
def test_thresholds_are_what_the_protocol_simulates(operation, n_in, interval):
    """The imperfect solutions themselves, in float64, at an eps that leaves enough digits."""
    eps, rows = 1e-4, 20_000
    x = np.random.default_rng(0).uniform(interval[0], interval[1], (rows, n_in))
    a, b, others = x[:, 0], x[:, 1], np.abs(x[:, 2:])
    distractors = np.prod(1 - eps * others, 1)
    perfect = {"add": a + b, "sub": a - b, "mul": a * b, "div": a / b}[operation]
    imperfect = {
        "add": perfect - eps * np.abs(x).sum(1),
        "sub": perfect - eps * np.abs(x).sum(1),
        "mul": (1 - eps) ** 2 * perfect * distractors,
        "div": (1 - eps) / (1 + eps) * perfect * distractors,
    }[operation]
    squares = (perfect - imperfect) ** 2
    standard_error = squares.std() / np.sqrt(rows)
    threshold = single_module.threshold(operation, (interval,), n_in=n_in, eps=eps)
    assert abs(squares.mean() - threshold) < 5 * standard_error


def test_a_quotient_over_zero_has_no_threshold():
    with pytest.raises(ValueError, match="contains 0"):
        single_module.threshold("div", ((-2.0, 2.0),))
    with pytest.raises(ValueError, match="operation must be one of"):
        single_module.threshold("power", ((1.0, 2.0),))


def test_held_out_sets_are_those_of_the_seed():
    x = single_module.held_out(((2.0, 6.0),), seed=single_module.TEST_SEED)
    oracle = np.random.RandomState(8689336).uniform(2, 6, (10_000, 2)).astype(np.float32)
    np.testing.assert_array_equal(x, oracle)
    both = single_module.held_out(((-6.0, -2.0), (2.0, 6.0)), seed=single_module.TEST_SEED, n_in=10)
    assert both.shape == (10_000, 10) and both.dtype == np.float32
    assert abs(np.mean(both < 0) - 0.5) < 5 * 0.5 / np.sqrt(both.size)
    assert ((np.abs(both) >= 2) & (np.abs(both) <= 6)).all()


def test_offsets_follow_the_seed_and_stay_inside():
    for n_in in (2, 10, 100):
        offsets = [single_module.offset(seed, n_in) for seed in single_module.SEEDS]
        assert min(offsets) >= 0 and max(offsets) <= n_in - 2
        assert (len(set(offsets)) > 1) == (n_in > 2)


@pytest.mark.parametrize("operation", single_module.OPERATIONS)
def test_targets_are_one_operation_of_two_neighbours(key, operation):
    x, y = single_module.batch(key, (1.0, 2.0), operation, offset=3, n_in=10, rows=7)
    a, b = np.asarray(x[:, 3]), np.asarray(x[:, 4])
    expected = {"add": a + b, "sub": a - b, "mul": a * b, "div": a / b}[operation]
    np.testing.assert_array_equal(y[:, 0], expected)
    index, where = jnp.asarray(single_module.OPERATIONS.index(operation)), jnp.asarray(3)
    as_data = jax.jit(lambda index, where: single_module.target(x, index, where))(index, where)
    np.testing.assert_allclose(as_data, y, rtol=2e-7)


def test_an_unknown_operation_is_refused(key):
    with pytest.raises(ValueError, match="operation must be one of"):
        single_module.batch(key, (1.0, 2.0), "power")
    with pytest.raises(ValueError, match="operation must be one of"):
        static.batch(key, (1.0, 2.0), "power", offset=0)
    with pytest.raises(ValueError, match="task must be one of"):
        large_scale.targets(jnp.ones((1, 100)), "power")
    with pytest.raises(ValueError, match="must be one of"):
        simple.grid("power")
    with pytest.raises(ValueError, match="must be one of"):
        division.small_target(jnp.ones((1, 2)), "power")


@pytest.mark.parametrize(
    "call",
    [
        lambda: single_module.target(jnp.ones((4, 2)), "add", 1),
        lambda: single_module.target(jnp.ones((4, 2)), jnp.asarray(0), jnp.asarray(1)),
        lambda: static.masks(63),
        lambda: division.batch(jax.random.key(0), lambda key, shape: jnp.ones(shape), offset=1, n_in=2, rows=4),
    ],
)
def test_relevant_inputs_beyond_the_last_are_refused(call):
    """JAX would take the last input again."""
    with pytest.raises(ValueError, match="offset must be at most"):
        call()


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: simple.targets(jnp.ones((4, 1))), r"simple.targets: x must have shape \(..., 2\), got \(4, 1\)"),
        (lambda: large_scale.targets(jnp.ones((4, 90)), "add"), r"x must have shape \(..., 100\)"),
        (lambda: single_module.held_out(((1.0, 2.0),) * 3, seed=0), "one interval .* or two"),
        (lambda: single_module.threshold("mul", ((1.0, 2.0), (3.0, 4.0))), "must have one magnitude"),
        (lambda: single_module.operate(4, jnp.ones(3), jnp.ones(3)), "an integer from 0 to 3, got 4"),
        (lambda: draw.by_column(jax.random.key(0), (4, 2), ((1.0, 2.0),) * 3), r"must have shape \(2, 2\)"),
        (lambda: draw.benford(jax.random.key(0), (4,), low=20), "a power of ten, got 20"),
        (lambda: simple.grid_errors(lambda params, x: x[:, :1], {}), r"must have shape \(1681, 4\), got \(1681, 1\)"),
    ],
)
def test_what_would_be_another_task_is_refused(call, expected):
    with pytest.raises(ValueError, match=expected):
        call()


def test_ends_of_intervals_may_be_known_later(key):
    drawn = jax.vmap(lambda low, high: draw.uniform(key, (5,), (low, high)))(jnp.zeros(2), jnp.array([1.0, 2.0]))
    np.testing.assert_array_equal(2 * drawn[0], drawn[1])


# division


@pytest.mark.parametrize("name", division.SETS)
def test_quotients_are_finite_and_extrapolate(key, name):
    train, _ = division.batch(key, division.SETS[name].train, rows=5000)
    test, y = division.batch(key, division.SETS[name].test, rows=5000)
    assert np.isfinite(y).all() and (train != 0).all()
    np.testing.assert_array_equal(y[:, 0], np.asarray(test[:, 0]) / np.asarray(test[:, 1]))
    if name in division.MIXED_SIGNS and "," in name.replace("U[-2,2]", ""):
        np.testing.assert_array_equal(np.sign(train[0]), np.sign(test[0]))


def test_gold_weights_of_small_numbers_pay_for_eps(key):
    from nalu_jax import nru, real_npu

    x, _ = division.small_batch(key, division.SMALL["U[0,0.01]"], "hard", rows=1000)
    gold = {"w": jnp.array([[1.0], [-1.0]])}
    exact = division.gold_threshold(nru.apply, gold, x, "hard")
    powers = {"re": gold["w"], "gate": jnp.ones(2)}
    assert float(exact) < 1e-5 < float(division.gold_threshold(real_npu.apply, powers, x, "hard"))


# static


def test_subsets_and_their_overlap():
    assert static.subsets(100) == (25, 12, 38) == static.DATA_SUBSETS
    first, second = np.asarray(static.masks(7)).T
    np.testing.assert_array_equal(np.flatnonzero(first), np.arange(7, 32))
    np.testing.assert_array_equal(np.flatnonzero(second), np.arange(20, 45))
    assert (first * second).sum() == 12
    offsets = {static.offset(seed) for seed in static.SEEDS}
    assert min(offsets) >= 0 and max(offsets) <= 62 and len(offsets) > 30


@pytest.mark.parametrize("operation", static.OPERATIONS)
def test_static_targets(key, operation):
    x, y = static.batch(key, (1.0, 2.0), operation, offset=5, rows=9)
    wide = np.asarray(x, np.float64)
    a, b = wide[:, 5:30].sum(1), wide[:, 18:43].sum(1)
    expected = {"add": a + b, "sub": a - b, "mul": a * b, "div": a / b, "root": np.sqrt(a), "squared": a * a}
    np.testing.assert_allclose(y[:, 0], expected[operation], rtol=1e-6, atol=1e-5)
    index = jnp.asarray(static.OPERATIONS.index(operation))
    np.testing.assert_allclose(static.target(x, index, jnp.asarray(5)), y, rtol=1e-6)


@pytest.mark.parametrize("operation", static.OPERATIONS)
def test_static_thresholds_are_the_published_ones(key, operation):
    simulated = float(static.simulated_threshold(key, operation, static.TEST, rows=50_000))
    assert simulated == pytest.approx(static.THRESHOLDS[operation], rel=0.02)


# simple, large scale, iNALU


def test_the_grid_of_the_simple_task():
    line = np.unique(simple.grid("div")[:, 0])
    np.testing.assert_allclose(line, np.linspace(-4.1, 3.9, 41), atol=1e-6)
    assert simple.grid("add").shape == (41 * 41, 2) and (simple.grid("div") != 0).all()
    assert simple.grid("sqrt").min() == np.float32(0.1) and simple.grid("sqrt").max() == 4


def test_the_minimal_solution_of_the_simple_task():
    def apply(params, x):
        return simple.targets(x) + params[None]

    errors = simple.grid_errors(apply, jnp.array([0.0, 1.0, -2.0, 3.0]))
    np.testing.assert_allclose(errors, [0, 1, 2, 3], atol=1e-5)


def test_large_scale_batches_are_the_sequence_in_order():
    directions = draw.sobol_directions(100, bits=12)
    batches = [large_scale.batch(step, "sqrt", directions)[0] for step in range(3)]
    x = np.concatenate(batches)
    np.testing.assert_allclose(x, 2 * draw.sobol(3 * 128, 100), atol=1e-7)


@pytest.mark.parametrize("task", large_scale.TASKS)
def test_large_scale_targets(task):
    x, y = large_scale.held_out(task, points=256)
    low, high = large_scale.TEST[task]
    assert x.shape == (256, 100) and x.min() >= low and x.max() <= high and np.isfinite(y).all()
    np.testing.assert_allclose(large_scale.targets(jnp.asarray(x), task), y, rtol=1e-5, atol=1e-4)
    a, b = x[:, :50].sum(1), x[:, 38:88].sum(1)
    if task in ("add", "mul"):
        np.testing.assert_allclose(y[:, 0], a + b if task == "add" else a * b, rtol=1e-4, atol=1e-4)
    else:
        np.testing.assert_allclose(a * (y[:, 0] if task == "invx" else y[:, 0] ** -2), 1, rtol=1e-4)


@pytest.mark.parametrize("name", inalu.SETS)
def test_inalu_distributions(key, name):
    x, y = inalu.rows(key, inalu.SETS[name].train, "sub", count=20_000)
    np.testing.assert_array_equal(y[:, 0], np.asarray(x[:, 0]) - np.asarray(x[:, 1]))
    kind, numbers = name[0], [float(n) for n in name[2:-1].split(",")]
    if kind == "E":
        oracle = stats.expon(scale=numbers[0])
    elif kind == "U":
        oracle = stats.uniform(numbers[0], numbers[1] - numbers[0])
    else:
        oracle = stats.truncnorm(-3, 3, loc=sum(numbers) / 2, scale=(numbers[1] - numbers[0]) / 6)
    assert stats.kstest(np.ravel(x), oracle.cdf).pvalue > 1e-3


def test_inalu_members_have_their_shares(key):
    members = np.asarray(inalu.members(key, 20_000))
    assert set(members.sum(1)) == {0, 1}
    np.testing.assert_allclose(members.mean(0), [0.5, 0.25], atol=0.02)
    x, y = inalu.large_rows(key, inalu.LARGE_SETS["U(-3,3)"].train, "add", inalu.members(key), count=5)
    np.testing.assert_allclose(y[:, 0], x @ np.asarray(inalu.members(key)).sum(1), rtol=1e-5, atol=1e-5)


# comparison


@pytest.mark.parametrize(("name", "count"), [("gt", 36), ("ge", 45), ("lt", 36), ("le", 45), ("eq", 9), ("ne", 9)])
def test_comparisons_are_learnt_from_digits(name, count):
    """Counts in closed form: 9 * 8 / 2 pairs are in order, 9 are equal; == and != are balanced."""
    x, y = comparison.training_set(name, seed=3)
    rows = 18 if name in ("eq", "ne") else 81
    assert x.shape == (rows, 2) and y.shape == (rows, 1) and x.dtype == y.dtype == np.float64 and y.sum() == count
    assert set(x[:, 0]) == set(range(1, 10)) and set(x[:, 1]) <= set(range(1, 11))
    np.testing.assert_array_equal(comparison.training_set(name, seed=3, scale=1000.0)[0], 1000 * x)
    signs = {"gt": [1], "ge": [1, 0], "lt": [-1], "le": [-1, 0], "eq": [0], "ne": [-1, 1]}[name]
    np.testing.assert_array_equal(y[:, 0], np.isin(np.sign(x[:, 0] - x[:, 1]), signs))


def test_unequal_partners_are_drawn_from_all_others():
    partners = np.array([comparison.training_set("eq", seed=seed)[0][:9, 1] for seed in range(2_000)])
    assert (partners != np.arange(1, 10)).all()
    for digit, drawn in enumerate(partners.T, 1):
        counts = np.bincount(drawn.astype(int), minlength=11)[1:]
        assert stats.chisquare(np.delete(counts, digit - 1)).pvalue > 1e-4
    first, again = (comparison.training_set("ne", seed=5)[0] for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("magnitude", [1, 7, comparison.EXACT])
@pytest.mark.parametrize("name", comparison.COMPARISONS)
def test_neighbours_of_a_large_number(name, magnitude):
    """Ten pairs of 21 are in order, one is equal; of the balanced twenty ten are."""
    x, y = comparison.held_out(name, magnitude=magnitude, seed=4)
    count = {"gt": 10, "lt": 10, "ge": 11, "le": 11, "eq": 10, "ne": 10}[name]
    assert x.shape == (20 if name in ("eq", "ne") else 21, 2) and y.sum() == count
    a = x[0, 0]
    assert 10**magnitude <= a < 10 ** (magnitude + 1) and (x == np.floor(x)).all()
    assert set(x.ravel() - a) == set(range(-5, 6))
    np.testing.assert_array_equal(y, comparison.compare(name, x[:, :1], x[:, 1:]))


def test_float64_keeps_neighbours_apart_just_as_far_as_the_task_says():
    last = float(10 ** (comparison.EXACT + 1) + 4)
    assert last + 1 - last == 1
    x, y = comparison.held_out("ne", magnitude=18)
    assert ((x[:, 0] == x[:, 1]) & (y[:, 0] == 1)).any()  # contradicts its label: nothing is right there


def test_steps_are_scaled_and_the_number_is_not():
    whole, scaled = (comparison.held_out("lt", magnitude=1, seed=2, scale=scale)[0] for scale in (1.0, 0.001))
    np.testing.assert_allclose(scaled, whole[0, 0] + (whole - whole[0, 0]) / 1000, rtol=1e-15)


def test_comparisons_without_a_meaning_are_refused():
    with pytest.raises(ValueError, match="must be one of"):
        comparison.training_set("equal")
    with pytest.raises(ValueError, match="magnitude must be an integer from 1 to 18, got 19"):
        comparison.held_out("eq", magnitude=19)


# measures


def test_solved_at_and_the_chosen_step():
    test = np.array([[1.0, 1e-6, 1.0], [1.0, 1.0, 1.0], [np.nan, 1e-7, np.nan]])
    np.testing.assert_array_equal(
        measures.solved_at(test, np.array([0, 10, 20]), np.array([1e-5, 1e-5, 1e-8])), [10, -1, -1]
    )
    validation = np.array([[3.0, 1.0, 2.0], [np.nan, np.inf, np.nan], [np.nan, 5.0, 6.0]])
    np.testing.assert_array_equal(measures.chosen_log(validation), [1, 2, 1])
    np.testing.assert_array_equal(measures.chosen_log(validation.astype(np.float32)), [1, 2, 1])


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([np.array([[1.0, -1.0, 0.0]])], 0.0),
        ([np.array([[0.5]]), np.array([[1.0]])], 0.5),
        ([(np.array([[0.5]]), np.array([[0.25]]))], 0.375),  # re and im of an NPU: the mean
        ([np.array([[3.0]])], 2.0),
        ([jnp.array([[0.5], [1.0]])], 0.5),  # of JAX, one layer as well
    ],
)
def test_sparsity_error(layers, expected):
    assert measures.sparsity_error(layers) == expected


def test_thresholds_by_quadrature():
    """One closed form against numerical integration: mul on [-6.1, -1.2]."""
    low, high, eps = 1.2, 6.1, 1e-5
    square, _ = integrate.quad(lambda x: x * x / (high - low), low, high)
    expected = (2 * eps - eps**2) ** 2 * square**2
    assert single_module.threshold("mul", ((-6.1, -1.2),)) == pytest.approx(expected, rel=1e-9)
