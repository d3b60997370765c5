"""Property-based tests: shapes, dtypes and extreme inputs that nobody thought of."""

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import ALL_UNITS, nonfinite_leaves, to_numpy
from oracles import ORACLES

from nalu_jax import UNITS

hypothesis.settings.register_profile("nalu_jax", deadline=None, derandomize=True, database=None, max_examples=15)
hypothesis.settings.load_profile("nalu_jax")

each_unit = pytest.mark.parametrize("unit", ALL_UNITS, ids=lambda unit: unit.name)
sizes = st.integers(1, 5)


@each_unit
@hypothesis.given(
    batch=st.lists(st.integers(0, 3), max_size=3),
    n_in=sizes,
    n_out=sizes,
    dtype=st.sampled_from([jnp.bfloat16, jnp.float32]),
)
def test_shapes_and_dtypes(unit, batch, n_in, n_out, dtype):
    params = jax.eval_shape(lambda: unit.init(jax.random.key(0), (n_in, n_out), dtype))
    x = jax.ShapeDtypeStruct((*batch, n_in), dtype)
    y = jax.eval_shape(unit.apply, params, x)
    assert y.shape == (*batch, n_out) and y.dtype == dtype
    gradient = jax.eval_shape(jax.grad(lambda p, x: unit.apply(p, x).astype(jnp.float32).sum(), (0, 1)), params, x)
    assert jax.tree.map(lambda leaf: leaf.shape, gradient) == jax.tree.map(lambda leaf: leaf.shape, (params, x))


# magnitudes whose products and quotients of three, and their second derivatives, fit float32
magnitudes = st.one_of(
    st.sampled_from([0.0, 2.0**-149, 2.0**-140, 2.0**-126, 2.0**-100, 1.0]),
    st.floats(2.0**-20, 2.0**14, width=32),
)
inputs = hnp.arrays(
    np.float32, 3, elements=st.builds(lambda a, s: np.float32(s * a), magnitudes, st.sampled_from([-1, 1]))
)

_DERIVATIVES: dict = {}


def derivatives(unit):
    """(value, gradient, Hessian in x) of a fixed model, compiled once a unit."""
    if unit.name not in _DERIVATIVES:
        params = unit.init(jax.random.key(11), (3, 2))

        def total(params, x):
            return unit.apply(params, x).sum()

        def all_of_them(x):
            reverse = jax.value_and_grad(total, (0, 1))(params, x)
            return reverse, jax.jacfwd(unit.apply, 1)(params, x), jax.hessian(total, 1)(params, x)

        _DERIVATIVES[unit.name] = jax.jit(all_of_them)
    return _DERIVATIVES[unit.name]


@each_unit
@hypothesis.settings(max_examples=150)
@hypothesis.given(x=inputs)
def test_extreme_inputs_give_finite_numbers(unit, x):
    assert nonfinite_leaves(derivatives(unit)(jnp.asarray(x))) == []


@pytest.mark.parametrize("name", ["npu", "real_npu", "naive_npu", "real_naive_npu", "nmu", "nac_mul"])
@hypothesis.settings(max_examples=60)
@hypothesis.given(
    x=hnp.arrays(np.float64, (1, 2), elements=st.floats(-1e3, 1e3, allow_subnormal=False)),
    w=hnp.arrays(np.float64, (2, 1), elements=st.floats(-2, 2)),
    gate=hnp.arrays(np.float64, 2, elements=st.floats(-0.5, 1.5)),
)
def test_values_of_any_weights_against_the_oracle(name, x, w, gate):
    with jax.enable_x64(True):
        values = {"re": w, "im": w[::-1] / 4, "gate": gate, "w": w, "w_hat": w, "m_hat": w[::-1]}
        params = {leaf: jnp.asarray(values[leaf]) for leaf in UNITS[name].leaves((2, 1))}
        actual = UNITS[name].apply(params, jnp.asarray(x))
        expected = ORACLES[name](to_numpy(params), x)
        scale = np.abs(expected) + _power_scale(values, x)
        assert np.all(np.abs(np.asarray(actual) - expected) <= 1e-11 * scale + 1e-13)


def _power_scale(values, x):
    """The modulus of the complex power: cosines of large phases cancel, relative to it the error is small."""
    r = np.abs(x[0]) + 1e-16
    gate = np.clip(values["gate"], 0, 1)
    moduli = [np.maximum(r, 1), np.maximum(gate * r + 1 - gate, 1e-16), r]
    largest = max(float(np.prod(np.exp(np.abs(np.log(m)) * np.abs(values["re"][:, 0])))) for m in moduli)
    return largest * np.exp(np.pi * np.abs(values["im"]).sum())
