"""The worked model on real images: a NAU/NMU head on an encoder extrapolates products, and a dense head does not."""

import importlib.util
import pathlib

import jax
import pytest

_SCRIPT = pathlib.Path(__file__).parents[1] / "benchmarks" / "digit_arithmetic.py"


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("digit_arithmetic", _SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("front", ["linen", "nnx"])
def test_an_arithmetic_head_extrapolates_products_and_a_dense_head_does_not(benchmark, front):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):  # optax and Flax need both
        arithmetic, dense = (benchmark.run(front, head, 0, 600) for head in ("arithmetic", "dense"))
    ours, theirs = arithmetic["accuracy"], dense["accuracy"]
    assert ours["held out"]["sum"] > 0.8 and ours["held out"]["product"] > 0.6
    assert ours["large"]["sum"] > 0.6
    assert ours["large"]["product"] > theirs["large"]["product"] + 0.1
    assert arithmetic["weights"] == {"nau": pytest.approx([1, 1]), "nmu": pytest.approx([1, 1])}
