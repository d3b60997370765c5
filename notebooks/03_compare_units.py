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
# # Which unit extrapolates?
#
# The figure of the README of NeuralArithmetic.jl: networks of different units learn
#
# f(x, y) = (x + y, x y, x / y, sqrt x)
#
# from inputs between 0.1 and 2, and are then asked everywhere between -4 and 4. The lighter the better: yellow is
# right, dark is wrong.
#
# About two minutes.

# %%
# %matplotlib inline
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from nalu_jax import UNITS, chain, nau, plot, training
from nalu_jax.tasks import simple

STEPS = 10_000
RESTARTS = 4

# %% [markdown]
# ## The same training for everyone
#
# Two layers, six hidden units, fresh inputs in every step, Adam, the best of four restarts by the training error. A NAU
# follows an NPU, a RealNPU and an NMU; a NALU and an iNALU add by themselves, so that two of a kind are stacked. The
# dense network has 64 hidden units and is the only one with more parameters than it needs.
#
# This is the plain recipe, without the papers' regularisers or anybody's tricks: a comparison of what units do when
# left alone, not of what they can be brought to do.

# %%
adding = nau.UNIT.bind(w_init="glorot_uniform")
models = {
    "NPU": chain(UNITS["npu"].bind(gate_init="ones"), adding),
    "RealNPU": chain(UNITS["real_npu"].bind(gate_init="ones"), adding),
    "NMU": chain(UNITS["nmu"], adding),
    "NALU": chain(UNITS["nalu"], UNITS["nalu"]),
    "iNALU": chain(UNITS["inalu"], UNITS["inalu"]),
}
dense = nn.Sequential([nn.Dense(64), nn.tanh, nn.Dense(4)])
networks = {
    name: (model.apply, lambda key, model=model: model.init(key, simple.SHAPE)) for name, model in models.items()
}
networks["dense"] = (dense.apply, lambda key: dense.init(key, jnp.ones((1, 2))))


def train(apply, init):
    """Params of the best of the restarts."""

    def loss(params, batch):
        x, y = batch
        return training.losses.huber(apply(params, x), y, delta=0.5)  # quotients of small numbers are large

    return training.fit(
        loss,
        init,
        key=jax.random.key(0),
        steps=STEPS,
        optimiser=optax.chain(optax.clip_by_global_norm(1.0), optax.adam(optax.cosine_decay_schedule(0.01, STEPS))),
        batch=lambda key, step: simple.batch(key, (0.1, 2.0)),
        restarts=RESTARTS,
        progress=False,
    ).params


trained = {name: train(*network) for name, network in networks.items()}

# %% [markdown]
# ## The figure
#
# The black square is the training range. Grey is where the truth is not a real number.


# %%
def truth(x):
    return np.stack([x[:, 0] + x[:, 1], x[:, 0] * x[:, 1], x[:, 0] / x[:, 1], np.sqrt(x[:, 0])], -1)


functions = {
    name: lambda x, name=name: networks[name][0](trained[name], jnp.asarray(x, jnp.float32)) for name in networks
}
operations = ("x + y", "x y", "x / y", "√x")
panels = plot.error_maps(functions, truth, operations=operations, trained=(0.1, 2.0))
panels[0, 0].figure

# %% [markdown]
# ## The same in numbers
#
# Mean absolute error over the grid of the NPU paper, which reaches to 4.1 and has both signs (but for the root).

# %%
errors = {name: simple.grid_errors(networks[name][0], trained[name]) for name in networks}
print(f"{'':10}" + "".join(f"{name:>9}" for name in simple.OUTPUTS))
for name, row in errors.items():
    print(f"{name:10}" + "".join(f"{float(value):9.3f}" for value in row))

# %% [markdown]
# What to take from it:
#
# * The units with powers, NPU and RealNPU, are the only ones whose quotient holds outside of the square. Their numbers
#   are the same: on positive inputs, an NPU whose imaginary part begins at 0 keeps it there.
# * An NMU followed by a NAU adds and multiplies best, and cannot divide.
# * NALU and iNALU are good inside of the square and lose their way outside of it.
# * The dense network is good in the square and nowhere else; its root is fine as far as the root is smooth.
#
# None of these is exact: two right digits are not a formula. Notebook 02 takes an NPU and a NAU there.
#
# **Exercise.** Which of these models can be right everywhere for `x**2 * y`, and with which weights? Which could be
# with one layer more?
#
# <details><summary>An answer</summary>
#
# NPU and RealNPU, with powers 2 and 1 in one hidden unit, and a NAU weight of 1. An NMU has each input once in a
# product. Two of them can: the first makes `x` and `x * y`, the second multiplies these. A NALU could write the power 2
# only as a weight, and its weights end at 1.
#
# </details>

# %%
powers = np.minimum(errors["NPU"], errors["RealNPU"])
assert (powers < 0.5 * np.asarray(errors["dense"])).all()
assert powers[2] < 0.2 * min(float(errors[name][2]) for name in ("NMU", "NALU", "iNALU", "dense"))
