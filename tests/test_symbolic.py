"""prune, snap and standard_errors against best subsets by brute force, SciPy's covariances, and known laws."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from helpers import nonfinite_leaves
from hypothesis import given, settings
from hypothesis import strategies as st

from nalu_jax import chain, nau, real_npu, symbolic
from nalu_jax.symbolic import _problem

POWERS = chain(real_npu.UNIT.bind(domain="positive", eps=0.0), nau)


@pytest.fixture(autouse=True)
def sixty_four_bits():
    with jax.enable_x64(True):
        yield


# Few functions and shapes, each of them compiled once for the whole file.


def linear(params, data):
    """Residuals of x @ w, (40, 1)."""
    x, y = data
    return nau.apply(params, x) - y


def linear_loss(params, data):
    return jnp.mean(linear(params, data) ** 2)


def powers(params, data):
    """Residuals of two powers of two positive inputs, (60, 1)."""
    x, y = data
    return POWERS.apply(params, x) - y


def linear_data(weights, noise, seed=0, rows=40):
    """Correlated features, as they are in tables; y of the weights with noise."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rows, len(weights))) + 0.7 * generator.normal(size=(rows, 1))
    y = x @ np.asarray(weights, float)[:, None] + noise * generator.normal(size=(rows, 1))
    return x, y


def power_data(noise, seed=0, rows=60):
    """2 x^1.5 / y - 0.75 y^(1/3) on U(0.5, 3)."""
    generator = np.random.default_rng(seed)
    x = generator.uniform(0.5, 3, (rows, 2))
    y = 2 * x[:, :1] ** 1.5 / x[:, 1:] - 0.75 * x[:, 1:] ** (1 / 3) + noise * generator.normal(size=(rows, 1))
    return x, y


def power_start(key, deviation=0.05):
    """The law of power_data with deviations, and gates that are not quite open."""
    law = (
        {"re": jnp.array([[1.5, 0.0], [-1.0, 1 / 3]]), "gate": jnp.array([0.99, 1.0])},
        {"w": jnp.array([[2.0], [-0.75]])},
    )
    keys = jax.random.split(key, 3)
    shift = lambda leaf, key: leaf + deviation * jax.random.normal(key, leaf.shape, leaf.dtype)
    return jax.tree.unflatten(jax.tree.structure(law), map(shift, jax.tree.leaves(law), keys))


def best_subsets(x, y):
    """By brute force: the lowest mean square of every number of features, with its features."""
    best = {}
    for features in itertools.chain(*[itertools.combinations(range(x.shape[1]), k) for k in range(x.shape[1] + 1)]):
        chosen = list(features)
        fit = x[:, chosen] @ np.linalg.lstsq(x[:, chosen], y, rcond=None)[0] if chosen else 0 * y
        best[len(chosen)] = min(best.get(len(chosen), (np.inf, ())), (float(np.mean((fit - y) ** 2)), features))
    return best


LINEAR_START = {"w": np.full((6, 1), 0.3)}


@pytest.mark.parametrize("seed", range(4))
def test_pruning_finds_the_best_subsets(seed):
    x, y = linear_data([2.0, 0, -1.0, 0, 0.4, 0], 0.5, seed)
    path = symbolic.prune(linear, LINEAR_START, (x, y), patience=None, beam=3, candidates=6)
    expected = best_subsets(x, y)
    assert [step.complexity for step in path.steps] == [6, 5, 4, 3, 2, 1, 0]
    for step in path.steps:
        loss, features = expected[step.complexity]
        assert tuple(np.flatnonzero(step.free["w"])) == features
        assert step.loss == pytest.approx(loss, rel=1e-9)
        assert step.bic == pytest.approx(40 * math.log(loss) + step.complexity * math.log(40), rel=1e-6)
    bic = {k: 40 * math.log(loss) + k * math.log(40) for k, (loss, _) in expected.items()}
    assert path.best.complexity == min(bic, key=lambda k: bic[k])


@pytest.mark.parametrize("loss", [linear, linear_loss], ids=["residuals", "scalar"])
def test_budget_and_factor_choose_the_sparsest_within_them(loss):
    x, y = linear_data([2.0, 0, -1.0, 0, 0.4, 0], 0.1)
    best = best_subsets(x, y)
    for limit in (best[3][0] * 1.2, best[2][0] * 0.9999, best[2][0] * 1.0001, best[0][0] * 2):
        expected = min(k for k, (value, _) in best.items() if value <= limit)
        by_budget = symbolic.prune(loss, LINEAR_START, (x, y), budget=limit)
        assert by_budget.best.complexity == expected and by_budget.best.loss <= limit
    by_factor = symbolic.prune(loss, LINEAR_START, (x, y), factor=1.2 * best[3][0] / best[6][0])
    assert by_factor.best.complexity == 3
    # no formula meets it: nothing is taken away, and the first refit is what there is
    hopeless = symbolic.prune(loss, LINEAR_START, (x, y), budget=best[6][0] / 2)
    assert hopeless.chosen == 0 and hopeless.best.complexity == 6
    assert hopeless.best.loss == pytest.approx(best[6][0], rel=1e-6)


def test_the_path_ends_soon_after_the_choice():
    x, y = linear_data([2.0, 1.5, -1.0, 1.0, 0.8, 0], 0.01)
    path = symbolic.prune(linear, LINEAR_START, (x, y), patience=1)
    assert [step.complexity for step in path.steps] == [6, 5, 4] and path.chosen == 1


def test_a_law_of_powers_is_pruned_and_snapped(key):
    data = power_data(0.0)
    path = symbolic.prune(powers, power_start(key), data)
    assert not nonfinite_leaves([step.params for step in path.steps])
    counts = [step.complexity for step in path.steps]
    assert counts == sorted(counts, reverse=True) and len(set(counts)) == len(counts)
    assert path.best.complexity == 5  # two coefficients, three exponents
    snapped = symbolic.snap(powers, path.best.params, data, free=path.best.free)
    assert snapped.best.complexity == 0
    (formula,) = symbolic.to_sympy(POWERS, snapped.best.params, domain="positive")
    assert symbolic.text(formula) == "2*x**(3/2)/y - 3*y**(1/3)/4"


@pytest.mark.slow
def test_float32_finds_the_law_as_well(key):
    with jax.enable_x64(False):
        data = jax.tree.map(jnp.asarray, tuple(np.asarray(array, np.float32) for array in power_data(0.0)))
        start = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf, np.float32)), power_start(key))
        pruned = symbolic.prune(powers, start, data).best
        snapped = symbolic.snap(powers, pruned.params, data, free=pruned.free).best
    (formula,) = symbolic.to_sympy(POWERS, snapped.params, domain="positive", eps=False)
    assert symbolic.text(formula) == "2*x**(3/2)/y - 3*y**(1/3)/4"


def test_losses_are_those_of_the_params(key):
    """Every step's loss, recomputed in NumPy from its params."""
    x, y = power_data(0.02)
    for step in symbolic.prune(powers, power_start(key), (x, y), patience=None).steps:
        first, second = step.params
        gate = np.clip(first["gate"], 0, 1)
        hidden = np.exp(np.log(gate * x + 1 - gate) @ first["re"])
        assert step.loss == pytest.approx(np.mean((hidden @ second["w"] - y) ** 2), rel=1e-9)
        for params, free in zip(jax.tree.leaves(step.params), jax.tree.leaves(step.free), strict=True):
            assert np.isin(params[~free], (0.0, 1.0)).all()


def test_exponents_that_nothing_reads_go_at_once(key):
    """A hidden unit whose coefficient is pinned to 0 has no free exponents, and costs none."""
    x, _ = power_data(0.0)
    first, second = power_start(key)
    second = {"w": jnp.array([[2.0], [0.0]])}
    free = (jax.tree.map(lambda leaf: np.ones(leaf.shape, bool), first), {"w": np.array([[True], [False]])})
    path = symbolic.prune(powers, (first, second), (x, 2 * x[:, :1] ** 1.5 / x[:, 1:]), free=free)
    assert not path.steps[0].free[0]["re"][:, 1].any() and not path.steps[0].params[0]["re"][:, 1].any()
    assert path.steps[0].free[0]["re"][:, 0].all() and path.steps[0].complexity == 5  # with the gates


def test_entries_and_free_are_kept():
    x, y = linear_data([2.0, 0, 0, 0, 0, 0], 0.1)
    keep = {"w": np.array([[False], [False], [True], [True], [True], [True]])}
    path = symbolic.prune(linear, LINEAR_START, (x, y), entries=keep, patience=None)
    assert path.steps[-1].free["w"][:2].all() and not path.steps[-1].free["w"][2:].any()
    fixed = symbolic.prune(linear, LINEAR_START, (x, y), free=keep, patience=None)
    for step in fixed.steps:
        np.testing.assert_array_equal(step.params["w"][:2], LINEAR_START["w"][:2])


def test_everything_zero_is_no_problem():
    x, y = linear_data([0.0] * 6, 0.0)
    zero = {"w": np.zeros((6, 1))}
    for path in (symbolic.prune(linear, zero, (x, y)), symbolic.snap(linear, zero, (x, y))):
        assert path.best.complexity == 0 and path.best.loss == 0 and not path.best.params["w"].any()
    again = symbolic.prune(linear, path.best.params, (x, y), free=path.best.free)
    assert len(again.steps) == 1 and again.chosen == 0
    assert not np.isnan(symbolic.standard_errors(linear, zero, (x, y))["w"]).any()


def test_one_program_refits_the_whole_path():
    x, y = linear_data([2.0, 0, -1.0, 0, 0.4, 0], 0.5)
    traces = []

    def counted(params, data):
        traces.append(None)
        return linear(params, data)

    path = symbolic.prune(counted, LINEAR_START, (x, y), patience=None)
    programs = _problem.programs_of(counted, _problem.structure_of("", LINEAR_START), 100)
    assert len(path.steps) == 7 and programs.refit._cache_size() == 1  # pyright: ignore
    before = len(traces)
    symbolic.prune(counted, {"w": path.steps[0].params["w"] + 0.1}, (x, 2 * y))
    assert len(traces) - before <= 1  # the shape of the residuals


def test_steps_that_are_not_finite_are_not_taken():
    def logarithms(params, data):
        x, y = data
        return jnp.log(x @ params["w"]) - y  # NaN where the sum is negative, infinite where it is 0

    x = np.abs(linear_data([1.0] * 6, 0.0)[0]) + 0.1
    y = np.log(x @ np.array([[1.0], [0], [0], [2.0], [0], [0]]))
    path = symbolic.prune(logarithms, LINEAR_START, (x, y), patience=None)
    assert all(math.isfinite(step.loss) for step in path.steps) and path.best.complexity == 2
    assert path.steps[-1].complexity == 1  # the last one would be log 0


def test_standard_errors_are_scipys():
    x, y = power_data(0.05)
    law = lambda x, a, b, c, d, e: d * x[0] ** a * x[1] ** b + e * x[1] ** c
    best, covariance = scipy.optimize.curve_fit(law, x.T, y[:, 0], [1.4, -0.9, 0.3, 1.9, -0.7], xtol=1e-12)
    params = (
        {"re": np.array([[best[0], 0.0], [best[1], best[2]]]), "gate": np.ones(2)},
        {"w": best[3:, None]},
    )
    free = ({"re": np.array([[True, False], [True, True]]), "gate": np.zeros(2, bool)}, {"w": np.ones((2, 1), bool)})
    errors = symbolic.standard_errors(powers, params, (x, y), free=free)
    expected = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(errors[0]["re"], [[expected[0], 0], [expected[1], expected[2]]], rtol=1e-4)
    np.testing.assert_allclose(errors[1]["w"][:, 0], expected[3:], rtol=1e-4)
    assert not errors[0]["gate"].any()


def test_standard_errors_of_a_scalar_loss_and_of_what_is_not_determined():
    x, y = linear_data([2.0, 0, -1.0, 0, 0.4, 0], 0.5)
    params = {"w": np.linalg.lstsq(x, y, rcond=None)[0]}
    inverse = np.linalg.inv(x.T @ x)
    expected = np.sqrt(np.diag(inverse) * np.sum((x @ params["w"] - y) ** 2) / (40 - 6))[:, None]
    np.testing.assert_allclose(symbolic.standard_errors(linear, params, (x, y))["w"], expected, rtol=1e-9)
    np.testing.assert_allclose(symbolic.standard_errors(linear_loss, params, (x, y))["w"], expected, rtol=1e-9)
    x[:, 1] = x[:, 0]  # two columns alike: only their sum is known
    errors = symbolic.standard_errors(linear, params, (x, y))["w"][:, 0]
    np.testing.assert_array_equal(np.isinf(errors), [True, True, False, False, False, False])
    assert np.isinf(symbolic.standard_errors(linear, params, (x[:6], y[:6]))["w"]).all()


def test_snapping_is_within_the_error_and_prefers_simple_numbers():
    x, y = linear_data([0.5, 1.37, -2.0, 1 / 3, 0.75, 0.0], 1e-3)
    path = symbolic.snap(linear, LINEAR_START, (x, y))
    w = path.best.params["w"][:, 0]
    np.testing.assert_array_equal(w[[0, 2, 3, 4, 5]], [0.5, -2.0, 1 / 3, 0.75, 0.0])
    assert path.best.free["w"][1, 0] and w[1] == pytest.approx(1.37, abs=2e-3)
    assert path.chosen == len(path.steps) - 1 == 5
    # halves before thirds where the error allows both, and nothing but integers where only they are asked for
    noisy = symbolic.snap(linear, LINEAR_START, (x, y), to=(1,), tolerance=0.0).best
    np.testing.assert_array_equal(noisy.params["w"][~noisy.free["w"]], [-2.0, 0.0])


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    weights=st.lists(st.sampled_from([-2.0, -1.0, 0.0, 1e-12, 0.5, 1 / 3, 0.77, 1.0, 1e3]), min_size=6, max_size=6),
    noise=st.sampled_from([0.0, 1e-6, 0.3]),
    factor=st.sampled_from([None, 1.0, 1.5]),
    seed=st.integers(0, 5),
)
def test_no_step_breaks_its_promises(weights, noise, factor, seed):
    with jax.enable_x64(True):
        data = linear_data(weights, noise, seed)
        for function in (symbolic.prune, symbolic.snap):
            path = function(linear, LINEAR_START, data, factor=factor)
            counts = [step.complexity for step in path.steps]
            assert all(a > b for a, b in itertools.pairwise(counts))
            assert not nonfinite_leaves([step.params for step in path.steps])
            if factor is not None:
                assert path.best.loss <= factor * path.steps[0].loss
            else:
                assert path.best.bic <= path.steps[0].bic
            for step in path.steps:
                residuals = data[0] @ step.params["w"] - data[1]
                assert step.loss == pytest.approx(np.mean(residuals**2), rel=1e-6, abs=1e-20)


def test_table_and_its_latex(key):
    path = symbolic.prune(powers, power_start(key), power_data(0.0))
    lines = symbolic.table(path, POWERS, domain="positive", outputs=["f"]).splitlines()
    assert lines[0].split() == ["complexity", "loss", "formula"] and len(lines) == 1 + len(path.steps)
    printed = str(path).splitlines()
    assert len(printed) == 1 + len(path.steps) and printed[1 + path.chosen].startswith("*")
    assert repr(path.best) == f"<Step {path.best.complexity} numbers, loss {path.best.loss:.3g}>"
    (chosen,) = [line for line in lines if line.startswith("*")]
    assert chosen.split()[1] == "5" and chosen.endswith("f = 2*x**1.5/y - 0.75*y**0.3333")
    counts = [int(line[1:].split()[0]) for line in lines[1:]]
    assert counts == sorted(counts)
    latex = symbolic.table(path, POWERS, domain="positive", form="latex").splitlines()
    assert latex[0] == r"\begin{tabular}{rrl}" and latex[-1] == r"\end{tabular}"
    (chosen,) = [line for line in latex if r"\textbf" in line]
    assert chosen.startswith(r"\textbf{5} & $") and chosen.endswith(r"x^{1.5}}{y} - 0.75 y^{0.3333}$ \\")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x, y: symbolic.prune(linear, {"w": jnp.ones((6, 1), int)}, (x, y)), ["floating", "int"]),
        (lambda x, y: symbolic.prune(linear, {}, (x, y)), ["no arrays"]),
        (lambda x, y: symbolic.prune(linear, LINEAR_START, (x, np.nan * y)), ["nan", "NaN"]),
        (lambda x, y: symbolic.prune(linear, LINEAR_START, (x, y), budget=1.0, factor=2.0), ["budget", "factor"]),
        (lambda x, y: symbolic.prune(linear, LINEAR_START, (x, y), factor=0.5), ["factor", "0.5"]),
        (lambda x, y: symbolic.snap(linear, LINEAR_START, (x, y), budget=-1.0), ["budget", "-1.0"]),
        (lambda x, y: symbolic.prune(linear, LINEAR_START, (x, y), free={"w": np.ones(6, bool)}), ["free", "(6, 1)"]),
        (lambda x, y: symbolic.snap(linear, LINEAR_START, (x, y), to=(0, 1)), ["to", "(0, 1)"]),
        (lambda x, y: symbolic.prune(lambda params: params["w"].sum() ** 2, LINEAR_START), ["rows"]),
        (lambda x, y: symbolic.prune(linear, LINEAR_START, (x, y), candidates=0), ["candidates", "0"]),
    ],
)
def test_bad_input_is_told_apart(call, words):
    with pytest.raises((TypeError, ValueError)) as caught:
        call(*linear_data([1.0] * 6, 0.1))
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (1.4987, 0.0021, "1.4987 +- 0.0021"),
        (123.456, 7.0, "123.5 +- 7.0"),
        (59436.0, 320.0, "59436 +- 3.2e+02"),
        (6.67e-11, 2e-13, "6.67e-11 +- 2.0e-13"),
        (1.0 / 3.0, 2e-14, "0.333333333333 +- 2.0e-14"),
        (2.0, 0.0, "2"),
        (0.5, float("nan"), "0.5 +- ?"),
        (0.5, float("inf"), "0.5 +- ?"),
    ],
)
def test_numbers_with_their_errors(value, error, text):
    assert symbolic.plus_minus(value, error) == text


PRODUCT = chain(real_npu.UNIT.bind(domain="positive", eps=0.0), nau)


def relative(params, data):
    """Relative residuals of one power product, (n, 1)."""
    x, y = data
    return PRODUCT.apply(params, x) / y - 1


def product_start(exponents, coefficient):
    return (
        {"re": np.array(exponents, float)[:, None], "gate": np.ones(len(exponents))},
        {"w": np.array([[float(coefficient)]])},
    )


OPEN_GATES = (
    {"re": np.ones((3, 1), bool), "gate": np.zeros(3, bool)},
    {"w": np.ones((1, 1), bool)},
)


@pytest.mark.parametrize("seed", range(8))
def test_an_ideal_gas_keeps_its_exponents_and_its_constant(seed):
    """The coefficient is 8.5 +- 0.5 while exponents are free: rounded first, it would bend the temperature's."""
    generator = np.random.default_rng(seed)
    x = np.stack([generator.uniform(*limits, 40) for limits in ((0.5, 5), (250, 400), (0.01, 0.1))], axis=1)
    y = 8.314 * x[:, :1] * x[:, 1:2] / x[:, 2:] * (1 + 0.01 * generator.normal(size=(40, 1)))
    best = symbolic.snap(relative, product_start([1.02, 0.97, -0.99], 9.0), (x, y), free=OPEN_GATES).best
    np.testing.assert_array_equal(best.params[0]["re"][:, 0], [1, 1, -1])
    assert best.free[1]["w"][0, 0] and best.params[1]["w"][0, 0] == pytest.approx(8.314, abs=0.05)


def test_columns_of_any_size_round_to_their_law():
    """Charges of 1.6e-19: a coefficient rounded before the exponents would have to be made up for by them."""
    generator = np.random.default_rng(3)
    x = generator.uniform(0.5, 3, (24, 2)) * [1.6e-19, 1]
    y = 8.99e9 * x[:, :1] ** 2 / x[:, 1:] ** 2
    start = product_start([1.999, -2.001], 8.99e9 * 1.6e-19**0.001)
    free = ({"re": np.ones((2, 1), bool), "gate": np.zeros(2, bool)}, {"w": np.ones((1, 1), bool)})
    best = symbolic.snap(relative, start, (x, y), free=free).best
    np.testing.assert_array_equal(best.params[0]["re"][:, 0], [2, -2])
    assert best.params[1]["w"][0, 0] == pytest.approx(8.99e9, rel=1e-6)


@pytest.mark.parametrize(
    ("coefficient", "noise", "rounded"),
    [
        pytest.param(0.5, 0.02, 0.5, marks=pytest.mark.slow),
        (9.81, 0.02, None),
        pytest.param(9.81, 0.003, None, marks=pytest.mark.slow),
        pytest.param(2.0, 0.01, 2.0, marks=pytest.mark.slow),
    ],
)
def test_a_coefficient_is_rounded_only_where_nothing_else_is_near(coefficient, noise, rounded):
    for seed in range(8):
        generator = np.random.default_rng(seed)
        x = generator.uniform(1, 5, (50, 1))
        y = coefficient * x * (1 + noise * generator.normal(size=(50, 1)))
        best = symbolic.snap(lambda p, d: nau.apply(p, d[0]) / d[1] - 1, {"w": np.array([[1.0]])}, (x, y)).best
        if rounded is None:
            assert best.free["w"][0, 0]
        else:
            assert best.params["w"][0, 0] == rounded and not best.free["w"][0, 0]


def test_the_description_length_is_that_of_its_equation():
    """The determinant by slogdet, of a Jacobian in closed form; prices by hand."""
    generator = np.random.default_rng(5)
    x = generator.uniform(0.5, 3, (30, 1))
    y = 1.7 * x**1.4 * (1 + 0.02 * generator.normal(size=(30, 1)))
    free = ({"re": np.ones((1, 1), bool), "gate": np.zeros(1, bool)}, {"w": np.ones((1, 1), bool)})
    step = symbolic.prune(relative, product_start([1.3], 1.6), (x, y), free=free, floor=0.0).steps[0]
    exponent, coefficient = step.params[0]["re"][0, 0], step.params[1]["w"][0, 0]
    values = coefficient * x[:, 0] ** exponent / y[:, 0]
    jacobian = np.stack([values * np.log(x[:, 0]), values / coefficient], axis=1)
    variance = np.sum((values - 1) ** 2) / (30 - 2)
    widths = np.array([2.0, 2 * coefficient])
    accuracy = 0.5 * np.linalg.slogdet(np.eye(2) + widths[:, None] * (jacobian.T @ jacobian) * widths / variance)[1]
    weights = 2 * sum([0.12, 0.055, 0.03, 0.02, 0.015, 0.008, 0.004, 0.004, 0.003, 0.003, 0.002, 0.002, 0.002])
    weights += 2 * sum([0.002, 0.001, 0.0005, 0.0005, 0.0005, 0.0003, 0.0002]) + 0.03
    names = -math.log(0.03 * 0.4 / weights) + 0.5 * (exponent / 2) ** 2 + math.log(2)
    expected = 15 * math.log(np.mean((values - 1) ** 2)) + accuracy + names
    assert step.description_length == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("box", ["nnx.Param", pytest.param("nn.Partitioned", marks=pytest.mark.slow)])
def test_exponents_and_gates_in_boxes_are_those_of_their_units(box):
    """Leaves of `nnx.state` and of partitioned Flax models are pinned, priced and rounded as those of a dict."""
    from flax import linen, nnx

    generator = np.random.default_rng(0)
    x = generator.uniform(0.5, 3, (60, 2))
    y = x[:, :1] ** 1.5 / x[:, 1:] * (1 + 0.01 * generator.normal(size=(60, 1)))
    params = {"gate": jnp.array([0.9, 0.8]), "re": jnp.array([[1.4], [-0.9]])}
    put, take = {
        "nnx.Param": (lambda params: nnx.State({k: nnx.Param(v) for k, v in params.items()}), nnx.to_pure_dict),
        "nn.Partitioned": (
            lambda params: {k: linen.Partitioned(v, (None,) * v.ndim) for k, v in params.items()},
            linen.meta.unbox,
        ),
    }[box]
    unit = real_npu.UNIT.bind(domain="positive", eps=0.0)
    residual = lambda params, data: unit.apply(params, data[0]) - data[1]
    boxed_residual = lambda params, data: residual(take(params), data)
    plain = symbolic.prune(residual, params, (x, y), progress=False)
    boxed = symbolic.prune(boxed_residual, put(params), (x, y), progress=False)
    assert "['gate'][0] = 1" in {step.changed for step in plain.steps}
    without_box = lambda path: [step.changed.replace(".value", "") for step in path.steps]
    assert without_box(boxed) == without_box(plain)
    found, expected = (
        symbolic.snap(*rest, (x, y), progress=False)
        for rest in ((boxed_residual, boxed.best.params), (residual, plain.best.params))
    )
    assert without_box(found) == without_box(expected) and len(found.steps) > 1
    np.testing.assert_allclose(
        [step.description_length for step in found.steps], [step.description_length for step in expected.steps]
    )
