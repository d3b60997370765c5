"""What the user's functions close over is given back when they are gone, whatever was compiled for them."""

import gc
import weakref

import jax
import jax.numpy as jnp
import optax
import pytest

from nalu_jax import _recall, nau, symbolic, training

pytestmark = pytest.mark.usefixtures("standard_promotion")
INIT = lambda key: nau.init(key, (2, 1))
OPTIMISER = optax.adam(0.1)


def inputs(i):
    return jax.random.uniform(jax.random.key(i), (50, 2), minval=0.5, maxval=2.0)


def fitted(i, x):
    def residual(params, y):
        return nau.apply(params, x) - y

    def loss(params, y):
        return jnp.mean(residual(params, y) ** 2)

    stages = [training.lbfgs(steps=2), training.levenberg_marquardt(residual, steps=2), training.rounding()]
    key = jax.random.key(i)
    return training.fit(loss, INIT, key=key, steps=2, optimiser=OPTIMISER, data=x[:, :1], finish=stages)


def pruned(i, x):
    def residual(params, y):
        return nau.apply(params, x) - y

    return symbolic.prune(residual, {"w": jnp.array([[1.0], [0.5]])}, x[:, :1], steps=3)


@pytest.mark.slow
@pytest.mark.parametrize("use", [fitted, pruned])
def test_arrays_in_closures_are_given_back(use):
    arrays = []
    for i in range(3):
        x = inputs(i)
        arrays.append(weakref.ref(x))
        use(i, x)
        del x
    gc.collect()
    assert [array() is None for array in arrays] == [True] * 3


def test_equal_arguments_find_what_was_made_and_nothing_keeps_them():
    made = []

    @_recall.while_alive(maxsize=2)
    def compiled(recall):
        made.append(None)
        return lambda x: recall()[0](x)

    class Scale:
        def __init__(self, factor):
            self.factor = factor

        def apply(self, x):
            return self.factor * x

    two, three, four = (Scale(factor) for factor in (2, 3, 4))
    assert compiled(two.apply, (1, "a"))(5) == 10 and compiled(two.apply, (1, "a")) and len(made) == 1
    assert compiled(two.apply, (2, "a"))(5) == 10 and len(made) == 2  # another option
    assert compiled(three.apply, (1, "a"))(5) == 15 and compiled(four.apply, (1, "a"))(5) == 20
    assert len(compiled.kept) == 2  # the oldest are forgotten
    gone = weakref.ref(four)
    del four
    gc.collect()
    assert gone() is None and len(compiled.kept) == 1
