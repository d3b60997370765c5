"""Figures: what is drawn (artists, labels, colours), never pixels; axes given are used, pyplot knows of none."""

import dataclasses
from typing import Any, cast

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import optax
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from nalu_jax import UNITS, chain, discover, nac, nalu, nau, npu, nsr, plot, real_npu, symbolic, training
from nalu_jax.plot import _style

matplotlib.use("agg")
MODEL = chain(real_npu, nau)
PARAMS = (
    {"re": jnp.array([[1.0, 0.5, 0.25], [-2.0, 0.0, 0.0]]), "gate": jnp.array([1.0, 3.0])},
    {"w": jnp.array([[4.0, 0.0], [0.0, -1.0], [0.0, 0.0]])},
)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_heat_maps_show_the_effective_weights_of_every_leaf():
    panels = plot.weights(MODEL, PARAMS, inputs=("a", "b"), outputs=("y", "z"))
    assert [ax.get_title() for ax in panels[0]] == ["real_npu\nre", "real_npu\ngate", "nau\nw"]
    np.testing.assert_array_equal(panels[0, 0].images[0].get_array(), PARAMS[0]["re"])
    np.testing.assert_array_equal(panels[0, 1].images[0].get_array(), [[1.0], [1.0]])  # clipped, as the unit computes
    assert texts(panels[0, 0]) == ["1", "0.50", "0.25", "-2", "0", "0"]
    assert [label.get_text() for label in panels[0, 0].get_yticklabels()] == ["a", "b"]
    assert [label.get_text() for label in panels[0, 2].get_xticklabels()] == ["y", "z"]


def test_red_is_negative_white_zero_and_blue_positive():
    image = plot.weights(MODEL, PARAMS)[0, 2].images[0]
    red, white, blue = (image.cmap(image.norm(value))[:3] for value in (-4.0, 0.0, 4.0))
    assert red[0] > 2 * red[2] and blue[2] > 2 * blue[0] and min(white) > 0.95


def test_versions_share_the_colours_of_a_leaf():
    snapped = jax.tree.map(jnp.round, PARAMS)
    truth = ({"re": PARAMS[0]["re"] * 3, "gate": jnp.ones(2)}, PARAMS[1])
    panels = plot.weights(MODEL, PARAMS, snapped=snapped, truth=truth)
    assert panels.shape == (3, 3)
    assert [ax.get_ylabel() for ax in panels[:, 0]] == ["learned", "snapped", "truth"]
    assert {ax.images[0].norm.vmax for ax in panels[:, 0]} == {6.0}


def test_a_truth_may_be_smaller():
    truth = ({"re": jnp.eye(2), "gate": jnp.ones(2)}, {"w": jnp.eye(2)})
    panels = plot.weights(MODEL, PARAMS, truth=truth)
    assert panels[1, 0].images[0].get_array().shape == (2, 2)


def test_params_may_be_arrays_of_numpy():
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), PARAMS)
    assert texts(plot.weights(MODEL, params)[0, 0]) == ["1", "0.50", "0.25", "-2", "0", "0"]
    assert len(plot.graph(MODEL, params).lines) == 5


def test_large_matrices_have_no_numbers():
    params = npu.init(jax.random.key(0), (20, 20))
    panels = plot.weights(npu, params)
    assert not panels[0, 0].texts and len(panels[0, 2].texts) == 20


def test_equal_units_are_numbered():
    model = chain(nau, nau)
    panels = plot.weights(model, model.init(jax.random.key(0), (2, 3, 1)))
    assert [ax.get_title() for ax in panels[0]] == ["nau 1\nw", "nau 2\nw"]


@pytest.mark.parametrize("unit", UNITS.values(), ids=list(UNITS))
def test_every_unit_can_be_drawn(unit):
    params = unit.init(jax.random.key(1), (3, 2))
    panels = plot.weights(unit, params)
    assert panels.shape == (1, len(unit.weights(params)))


def test_the_graph_is_the_formula():
    ax = plot.graph(MODEL, PARAMS, inputs=("a", "b"), outputs=("y", "z"))
    edges = [(tuple(np.asarray(line.get_xdata())), line.get_color(), line.get_linewidth()) for line in ax.lines]
    first = [edge for edge in edges if edge[0] == (0, 1)]
    second = [edge for edge in edges if edge[0] == (1, 2)]
    assert len(first) == 3 and len(second) == 2  # the third power has no way to an output
    assert sorted(colour for _, colour, _ in first) == sorted([_style.POSITIVE] * 2 + [_style.NEGATIVE])
    assert max(width for *_, width in first) == pytest.approx(2 * sorted(width for *_, width in first)[1])
    assert texts(ax) == ["1", "0.50", "-2", "4", "-1", "a", "b", r"$\prod$", r"$\prod$", "y", "z"]


@pytest.mark.parametrize(
    ("unit", "node"),
    [
        (symbolic.consistent({"length": (0, 1), "time": (1, 0)}, (0, 1)), r"$\prod$"),
        (nac, r"$\sum$"),
        (nalu, r"$\sum\prod$"),
        (nsr, r"$\gtrless$"),
    ],
)
def test_a_node_of_a_graph_is_what_the_record_says(unit, node):
    model = chain(unit, nau)
    ax = plot.graph(model, model.init(jax.random.key(0), (2, 3, 1)))
    assert texts(ax).count(node) == 3


@pytest.mark.parametrize("unit", UNITS.values(), ids=list(UNITS))
def test_every_unit_is_a_layer_of_a_graph(unit):
    """Its first effective weight is a matrix to its outputs: not the gate, whatever the names of leaves are."""
    model = chain(nau, unit, nau)
    params = jax.tree.map(jnp.ones_like, model.init(jax.random.key(0), (2, 2, 3, 1)))
    if unit.name == "nmru":
        with pytest.raises(ValueError, match="nmru has 4 rows of weights for 2 inputs"):
            plot.graph(model, params)
        return
    edges = plot.graph(model, params).lines
    assert sum(list(np.asarray(line.get_xdata())) == [2, 3] for line in edges) == 3


def test_a_graph_of_a_single_unit_and_of_many_edges():
    ax = plot.graph(nau.UNIT, {"w": jnp.array([[1.0], [-1.0]])})
    assert texts(ax) == ["1", "-1", "x0", "x1", "y0"]
    assert "1.2e-8" in texts(plot.graph(nau.UNIT, {"w": jnp.array([[1.23e-8]])}))
    crowded = plot.graph(nau.UNIT, {"w": jnp.ones((8, 8))})
    assert len(crowded.lines) == 64 and len(crowded.texts) == 16  # nodes only


@pytest.fixture(scope="module")
def fit():
    with jax.numpy_dtype_promotion("standard"):
        x = jnp.linspace(0.5, 2.0, 20)[:, None]

        def loss(params, batch, *, step, context):
            error = training.losses.mse(nau.apply(params, batch), 3 * batch)
            return jnp.where((context == 1) & (step > 20), jnp.nan, error)

        init = lambda key: nau.init(key, (1, 1))
        context = jnp.array([0, 1, 0])
        options = {"key": jax.random.key(0), "steps": 50, "restarts": 3, "progress": False}
        return training.fit(loss, init, optimiser=optax.adam(0.1), data=x, context=context, **options)


def test_losses_mark_the_chosen_restart_and_the_failed_one(fit):
    ax = plot.losses(fit)
    assert ax.get_title() == "3 restarts, 1 failed" and ax.get_yscale() == "log"
    chosen = [line for line in ax.lines if line.get_linewidth() == 2]
    assert [line.get_label() for line in chosen] == [f"chosen: restart {fit.best}"]
    np.testing.assert_array_equal(chosen[0].get_ydata(), fit.validations[fit.best])
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    assert len(crosses) == 1 and np.asarray(crosses[0].get_xdata()).item() <= 21


def test_predictions_shade_the_range_of_training():
    true = np.array([1.0, 2.0, 3.0, 10.0])
    ax = plot.predictions(true, true + 1, trained=true < 5, name="period")
    assert [line.get_label() for line in ax.lines[1:]] == ["trained on", "never seen"]
    shaded: Any = ax.patches[0]
    assert shaded.get_x() == 1.0 and shaded.get_width() == 2.0
    assert ax.get_xlabel() == "period, true" and ax.get_ylabel() == "period, predicted"
    np.testing.assert_array_equal(ax.lines[2].get_xydata(), [[10.0, 11.0]])


def test_error_maps_show_the_logarithm_of_the_error():
    truth = lambda x: np.stack([x[:, 0] + x[:, 1], np.sqrt(x[:, 0])], -1)
    models = {"off": lambda x: np.nan_to_num(truth(x)) + 1e-3, "broken": lambda x: np.full((len(x), 2), np.nan)}
    panels = plot.error_maps(models, truth, operations=("x + y", "root"), trained=(0.1, 2.0), points=10)
    assert panels.shape == (2, 2)
    assert [ax.get_title() for ax in panels[0]] == ["x + y", "root"]
    assert [ax.get_ylabel() for ax in panels[:, 0]] == ["off\ny", "broken\ny"]
    assert [ax.get_xlabel() for ax in panels[1]] == ["x", "x"] and panels[0, 0].get_xlabel() == ""
    values = panels[0, 1].images[0].get_array()
    assert values.mask[:, :5].all() and not values.mask[:, 5:].any()  # the root of a negative number is left out
    np.testing.assert_allclose(values[:, 5:].astype(float), -3.0, atol=1e-6)
    assert (panels[1, 0].images[0].get_array() > 100).all()  # NaN is as wrong as can be
    assert panels[0, 0].patches[0].get_bbox().bounds == pytest.approx((0.1, 0.1, 1.9, 1.9))


def test_the_better_the_lighter():
    panels = plot.error_maps(
        {"exact": lambda x: x, "off": lambda x: x + 1}, lambda x: x, operations=("x", "y"), points=4
    )
    light = [sum(ax.images[0].cmap(ax.images[0].norm(ax.images[0].get_array()[0, 0]))[:3]) for ax in panels[:, 0]]
    assert light[0] > light[1] + 1


def test_an_end_far_below_the_curves_does_not_stretch_the_axis(fit):
    ends = np.where(np.arange(3) == fit.best, 1e-31, fit.validation)
    ax = plot.losses(dataclasses.replace(fit, validation=ends))
    assert ax.get_ylim()[0] > 1e-12 and texts(ax) == ["after the finishing stages 1.0e-31"]


def test_only_some_leaves():
    panels = plot.weights(MODEL, PARAMS, leaves=("re", "w"), outputs=("y", "z"))
    assert [ax.get_title() for ax in panels[0]] == ["real_npu\nre", "nau\nw"]


LINE = np.linspace(1.0, 4.0, 30)
NOISE = 0.3 * np.random.default_rng(0).normal(size=30)


@pytest.fixture(scope="module")
def law():
    return discover.table(LINE[:, None], 2 * LINE**2 + NOISE, names=["t"], target="<i>$h$", nested=False, functions=())


def test_the_front_has_a_row_for_each_complexity(law):
    ax = plot.front(law)
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert len(labels) == len(law.front) and all(
        label.endswith(f"[{candidate.complexity}]") for label, candidate in zip(labels, law.front, strict=True)
    )
    chosen = [line for line in ax.lines if line.get_label() == "chosen"][0]
    np.testing.assert_array_equal(chosen.get_xdata(), [law.best.error])
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the simplest on top


def test_a_curve_has_its_formula_and_a_band_that_holds_the_points(law):
    ax = plot.curve(law, LINE[:, None], 2 * LINE**2 + NOISE)
    points, line = ax.lines
    np.testing.assert_array_equal(points.get_ydata(), 2 * LINE**2 + NOISE)
    np.testing.assert_allclose(np.asarray(line.get_ydata())[[0, -1]], law.predict(LINE[[0, -1], None]))
    low, high = np.split(np.asarray(ax.collections[0].get_paths()[0].vertices)[:-1, 1], 2)
    assert np.ptp(high) > 20 and ax.get_ylabel() == "<i>\\$h\\$"
    inside = np.abs(2 * LINE**2 + NOISE - law.predict(LINE[:, None])) < 2 * law.deviation
    assert inside.mean() > 0.9


def test_residuals_are_in_standard_deviations(law):
    panels = plot.residuals(law, LINE[:, None], 2 * LINE**2 + NOISE)
    assert [ax.get_xlabel() for ax in panels] == ["<i>\\$h\\$, predicted", "t"]
    shown = panels[1].lines[-1].get_ydata()
    np.testing.assert_allclose(shown * law.deviation, 2 * LINE**2 + NOISE - law.predict(LINE[:, None]), atol=1e-9)
    assert 0.7 < shown.std() < 1.3


def test_axes_have_units_where_these_are_known():
    units = {"t [s]": "s", "v": "m/s", "h": "m"}
    x = np.stack([LINE, 3 + np.sin(LINE)], 1)
    options = {"names": ["t [s]", "v"], "target": "h", "functions": (), "nested": False}
    fall = discover.table(x, x[:, 0] * x[:, 1], units=units, **options)
    assert [ax.get_xlabel() for ax in plot.residuals(fall, x, x[:, 0] * x[:, 1])] == [
        "h (m), predicted",
        "t [s]",
        "v (m/s)",
    ]


@pytest.mark.slow
def test_trajectories_are_solved_from_the_first_measurement(tmp_path):
    ts = np.linspace(0.0, 2.0, 21)
    ys = np.stack([np.exp(-ts), np.exp(-0.5 * ts)], 1)
    found = discover.ode(ts, ys, names=["a", "b"], progress=False)
    short = ts[:5], 3 * ys[:5]
    panels = plot.trajectories(found, [ts, short[0]], [ys, short[1]])
    assert [ax.get_ylabel() for ax in panels] == ["a", "b"] and panels[1].get_xlabel() == "time"
    measured, solved, _, other = panels[0].lines
    np.testing.assert_array_equal(measured.get_ydata(), ys[:, 0])
    np.testing.assert_allclose(solved.get_ydata(), np.exp(-solved.get_xdata()), rtol=1e-4)
    np.testing.assert_allclose(other.get_ydata(), 3 * np.exp(-other.get_xdata()), rtol=1e-4)
    assert 1 <= len(plot.front(found).get_yticklabels()) <= len(found.front) + 1
    plot.report(found, tmp_path / "law.html", ts, ys)
    page = (tmp_path / "law.html").read_text()
    assert page.count("<math") == 2 and found.verdict in page and "solved from the first" in page
    for wrong, words in (
        ((ts, ys[:4]), "have shape"),
        ((ts[::-1], ys), "must rise"),
        (([ts], ys), "a list of as many"),
    ):
        with pytest.raises(ValueError, match=words):
            plot.trajectories(found, *wrong)


def test_axes_that_are_given_are_used_and_pyplot_learns_of_no_others(fit):
    assert plt.get_fignums() == []
    axes = Figure().subplots(2, 2)
    assert plot.graph(MODEL, PARAMS, ax=axes[0, 0]) is axes[0, 0]
    assert plot.losses(fit, ax=axes[0, 1]) is axes[0, 1]
    assert plot.predictions([1.0, 2.0], [1.0, 2.0], ax=axes[1, 0]) is axes[1, 0]
    panels = plot.weights(nau, {"w": jnp.ones((1, 1))}, ax=axes[1, 1])
    assert panels[0, 0] is axes[1, 1]
    assert plot.losses(fit).figure is not axes[0, 0].figure
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: plot.weights(MODEL, PARAMS, ax=Figure().subplots(2, 2)), "must be 3 axes.*got 4"),
        (lambda: plot.weights(MODEL, PARAMS, inputs=("a",)), "1 names of inputs, expected 2"),
        (lambda: plot.weights(MODEL, PARAMS[:1]), "tuple of 2 entries"),
        (lambda: plot.graph(MODEL, PARAMS, outputs=("y",)), "1 names of outputs, expected 2"),
        (lambda: plot.predictions([1.0], [1.0, 2.0]), "true has 1 values, predicted 2"),
        (lambda: plot.weights(MODEL, PARAMS, leaves=("none",)), "none of the leaves none"),
        (lambda: plot.error_maps({}, lambda x: x, operations=("a",), inputs=("x",)), "1 names of inputs, expected 2"),
        (lambda: plot.predictions([-1.0], [1.0], log=True), "positive"),
        (lambda: plot.error_maps({"m": lambda x: x[:, 0]}, lambda x: x, operations=("a", "b")), r"m returned shape"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_bad_input_of_what_was_found(law):
    x, y = np.ones((30, 2)), 2 * LINE**2
    two = discover.table(np.stack([LINE, LINE[::-1] ** 2], 1), y, functions=(), nested=False, terms=1)
    for call, words in (
        (lambda: plot.curve(two, x, y), "2 inputs .*expected one"),
        (lambda: plot.curve(law, LINE[:4, None], y), "x has 4 rows and y 30"),
        (lambda: plot.residuals(law, x, y), "expected 1"),
        (lambda: plot.residuals(law, LINE[:, None], y, ax=Figure().subplots(1, 3)), "must be 2 axes.*got 3"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
    with pytest.raises(TypeError, match="plot.front: found"):
        plot.front(cast(Any, 3))
