"""Schedules: the values of the papers at and between their corners, also of traced steps; errors."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nalu_jax import schedules


def test_linear_ramp():
    ramp = schedules.linear_ramp(10.0, start=100, end=200)
    for step, expected in ((0, 0), (100, 0), (150, 5), (175, 7.5), (200, 10), (10**6, 10)):
        np.testing.assert_allclose(ramp(step), expected)
        np.testing.assert_allclose(jax.jit(ramp)(jnp.int32(step)), expected)
    with pytest.raises(ValueError, match="end must be after start, got start=2 and end=2"):
        schedules.linear_ramp(1.0, start=2, end=2)


def test_growth():
    beta = schedules.growth(1e-7, 1e-5)
    for step, expected in ((0, 1e-7), (9_999, 1e-7), (10_000, 1e-6), (19_999, 1e-6), (20_000, 1e-5), (10**9, 1e-5)):
        np.testing.assert_allclose(beta(step), expected, rtol=1e-6)
        np.testing.assert_allclose(jax.jit(beta)(jnp.int32(step)), expected, rtol=1e-6)
    capped = schedules.growth(1.0, 5.0, every=2, factor=2.0)
    assert [float(capped(step)) for step in range(8)] == [1, 1, 2, 2, 4, 4, 5, 5]
    assert math.isclose(schedules.growth(3.0, 3.0)(50), 3.0)
    bads: Any = ({"start": 0.0, "end": 1.0}, {"start": 2.0, "end": 1.0}, {"start": 1.0, "end": 2.0, "factor": 1.0})
    for bad in bads:
        with pytest.raises(ValueError, match="growth: expected 0 < start <= end"):
            schedules.growth(**bad)
