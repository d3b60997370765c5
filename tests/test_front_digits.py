"""The worked model on real images: a NAU/NMU head on an encoder beats a dense head on held-out pairs of digits."""

import jax
import pytest
from sklearn.datasets import load_digits

from benchmarks import digit_arithmetic as benchmark


@pytest.mark.slow
@pytest.mark.parametrize("front", ["linen", "nnx"])
def test_an_arithmetic_head_beats_a_dense_head_on_held_out_pairs_and_clearly_on_large_results(front):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):  # optax and Flax need both
        arithmetic, dense = (benchmark.run(front, head, 200, 500) for head in ("arithmetic", "dense"))
    ours, theirs = (_mean_accuracy(run["accuracy"]) for run in (arithmetic, dense))
    assert ours["held out"] > 0.9 and ours["held out"] > theirs["held out"]
    assert ours["large"] > 0.8 and ours["large"] > theirs["large"] + 0.3
    assert arithmetic["accuracy"]["large"]["product"] > dense["accuracy"]["large"]["product"] + 0.5
    assert arithmetic["weights"] == {"nau": pytest.approx([1, 1]), "nmu": pytest.approx([1, 1])}


def _mean_accuracy(accuracy):
    """Over sum and product; held-out pairs are as many of digits seen together in training as not."""
    mean = {group: (of["sum"] + of["product"]) / 2 for group, of in accuracy.items()}
    return {"held out": (mean["seen"] + mean["unseen"]) / 2, "large": mean["large"]}


def test_the_digits_of_training_pairs_are_all_there_and_apart_from_those_of_the_others():
    data = benchmark.load(0)
    target, train = load_digits(return_X_y=True)[1], data.train
    digits = lambda pairs: {tuple(sorted(pair)) for pair in zip(target[pairs.a], target[pairs.b], strict=True)}
    images = lambda pairs: set(pairs.a) | set(pairs.b)
    assert {digit for pair in digits(train) for digit in pair} == set(range(10))
    assert digits(data.tests["unseen"]) == benchmark.UNSEEN and not digits(train) & benchmark.UNSEEN
    assert (data.tests["large"].results.min(0) > train.results.max(0)).all()
    validation = benchmark.load(0, validation=True).tests
    tested, validated = (set().union(*map(images, tests.values())) for tests in (data.tests, validation))
    assert not images(train) & tested and not images(train) & validated and not tested & validated
