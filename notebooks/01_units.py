# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What each unit computes
#
# For everybody who knows what a layer of a neural network is, and has never heard of NALU, NAU, NMU or NPU.
#
# **Why.** A dense network can learn `x * y` from examples, and gets it right where the examples were. Elsewhere it is
# wrong: it has learned a shape, not a product. Since 2018 there are layers for arithmetic itself. The first was the
# *neural arithmetic logic unit*, NALU; better ones followed. Their weights *are* an arithmetic expression, so that
# they are either right everywhere or plainly wrong, and can be read.
#
# ![A NAU adds with weights, an NMU multiplies what has weight 1, an NPU raises to powers](guide/figures/units.svg)
#
# The three in the picture are all that one needs at first. The *neural addition unit* multiplies each input by a
# weight, and adds. The *neural multiplication unit* multiplies the inputs whose weight is 1. In the *neural power
# unit* a weight is the power to which an input is raised, so that it multiplies, divides and takes roots.
#
# This notebook sets weights by hand, reads them back, and then trains a unit beside a dense network, to see what
# happens outside of the training range. About half a minute. [Words](guide/glossary.md) has what is not explained
# here.

# %%
# %matplotlib inline
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import optax
from flax import linen as nn

import nalu_jax
from nalu_jax import chain, nau, nmu, npu, plot, real_npu, training

# %% [markdown]
# ## Weights are formulas
#
# `nau` is a matrix product: its weights are coefficients.

# %%
x = jnp.array([-3.0, 4.0])
print(nau.apply({"w": jnp.array([[1.0], [-1.0]])}, x))  # -3 - 4

# %% [markdown]
# `nmu` multiplies those inputs whose weight is 1, and leaves out those whose weight is 0: a weight interpolates between
# a factor of `x` and a factor of 1.

# %%
print(nmu.apply({"w": jnp.array([[1.0], [1.0]])}, x))  # -3 * 4
print(nmu.apply({"w": jnp.array([[1.0], [0.0]])}, x))  # -3

# %% [markdown]
# `npu` raises inputs to real powers, and does so for negative ones too: it takes the real part of the complex power.
# Its weights are the exponents.


# %%
def power(*exponents):
    """Params of an NPU with one output: the product of the inputs to these powers."""
    n_in = len(exponents)
    return {"re": jnp.array(exponents)[:, None], "im": jnp.zeros((n_in, 1)), "gate": jnp.ones(n_in)}


print(npu.apply(power(1.0, -1.0), x))  # -3 / 4
print(npu.apply(power(2.0, 0.5), x))  # (-3)^2 * sqrt(4)
print(npu.apply(power(0.5, 0.0), x).round(3) + 0.0)  # the square root of -3

# %% [markdown]
# The square root of -3 is no real number. It is 1.73 times the imaginary unit, and the real part of that is 0. Every
# power of every number has a real part, and so the NPU has a value and a gradient everywhere, which is what training
# needs. The params have three names: [`re` and `im`](guide/glossary.md#re-im), the real and the imaginary part of the
# powers, of which `im` is 0 here, and the [`gate`](guide/glossary.md#gate), which lets an input in at 1 and leaves it
# out at 0.
#
# Sums of products of powers are two layers: `chain(npu, nau)` computes `nau(npu(x))`. `plot.weights` shows the weights
# with which the units really compute; red is negative, white zero, blue positive.

# %%
model = chain(real_npu, nau)
params = (
    {"re": jnp.array([[1.0, 0.0, 0.5], [-1.0, 2.0, 0.0]]), "gate": jnp.ones(2)},
    {"w": jnp.array([[2.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])},
)
plot.weights(model, params, inputs=("x", "y"), outputs=("u", "v"))[0, 0].figure

# %% [markdown]
# The same as a graph. Read it from left to right: `u = 2 x / y - y^2` and `v = sqrt(x)`.

# %%
plot.graph(model, params, inputs=("x", "y"), outputs=("u", "v")).figure

# %% [markdown]
# All units have the same functions, and a record each in `UNITS`.

# %%
for name, unit in nalu_jax.UNITS.items():
    leaves = unit.leaves((2, 1))
    print(f"{name:15} {', '.join(f'{leaf} {shape}' for leaf, shape in leaves.items())}")

# %% [markdown]
# ## Why a dense network fails outside of its range, and a unit does not
#
# Both are to learn `x * y` from inputs between 1 and 2. Both get there. But a dense network with ReLU is piecewise
# linear: beyond the training data it goes on along straight lines, whatever the truth does. The NMU has only one way to
# be right on the training data, which is to have learned the product.

# %%
key = jax.random.key(0)
inputs = jax.random.uniform(key, (512, 2), minval=1.0, maxval=2.0)
data = (inputs, inputs[:, :1] * inputs[:, 1:])
dense = nn.Sequential([nn.Dense(64), nn.relu, nn.Dense(64), nn.relu, nn.Dense(1)])


def train(apply, init, steps, rate):
    """The best of four restarts: four trainings from other random numbers, at once."""

    def loss(params, batch):
        return training.losses.mse(apply(params, batch[0]), batch[1])

    optimiser = optax.adam(optax.cosine_decay_schedule(rate, steps))
    options = {"data": data, "restarts": 4, "progress": False}
    return training.fit(loss, init, key=jax.random.key(1), steps=steps, optimiser=optimiser, **options)


unit_fit = train(nmu.apply, lambda key: nmu.init(key, (2, 1)), 1000, 0.05)
dense_fit = train(dense.apply, lambda key: dense.init(key, inputs), 2000, 0.005)
print("weights of the NMU:", nmu.weights(unit_fit.params)["w"].ravel())

# %%
side = jnp.linspace(-5.0, 8.0, 200)
diagonal = jnp.stack([side, side], 1)  # along which x * y is x^2
figure, ax = plt.subplots(figsize=(6, 3.6))
ax.axvspan(1, 2, color="#d9e6f2", label="training range")
ax.plot(side, side**2, color="0.6", linewidth=5, label="x * y")
ax.plot(side, nmu.apply(unit_fit.params, diagonal)[:, 0], color="#2166ac", label="NMU")
ax.plot(side, dense.apply(dense_fit.params, diagonal)[:, 0], color="#b2182b", label="dense network")
ax.set(xlabel="x = y", ylabel="output")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# Inside the range both are good. Outside, the difference is not one of degree:


# %%
def largest_error(apply, params, low, high):
    """Of a 50 x 50 grid."""
    grid = jnp.stack(jnp.meshgrid(jnp.linspace(low, high, 50), jnp.linspace(low, high, 50)), -1).reshape(-1, 2)
    return float(jnp.max(jnp.abs(apply(params, grid)[:, 0] - grid[:, 0] * grid[:, 1])))


errors = {
    name: (largest_error(apply, fit.params, 1, 2), largest_error(apply, fit.params, -10, 10))
    for name, apply, fit in (("NMU", nmu.apply, unit_fit), ("dense network", dense.apply, dense_fit))
}
for name, (inside, outside) in errors.items():
    print(f"{name:14} largest error on [1, 2]^2 {inside:8.1e}   on [-10, 10]^2 {outside:8.1e}")

# %% [markdown]
# The price is that a unit must fit the problem: an NMU learns no quotient, a NAU no product, and training can end in
# a wrong expression, which is why [restarts](guide/glossary.md#restart) are trained side by side. The next notebooks
# are about that.
#
# **Exercise.** Which params of an NPU with one output compute the length of time that a ball takes to fall from a
# height h, sqrt(2 h / g), as a product of powers of h and g? What is missing, and which unit adds it?
#
# <details><summary>An answer</summary>
#
# `power(0.5, -0.5)` gives sqrt(h / g). The factor sqrt(2) is a coefficient, and powers have none: a NAU after it,
# with the weight 1.414, or a third input that is always 2.
#
# </details>

# %%
assert errors["dense network"][0] < 0.2, "the dense network did not learn its range"
assert errors["NMU"][1] < 1e-3 < 10 < errors["dense network"][1]
