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
# # An epidemic with square roots in its equations
#
# The example of the paper on Neural Power Units. A model of susceptible, infected and recovered people in which
# infections grow like the square roots of both numbers,
#
# r = 0.06 sqrt(S I), dS/dt = -r + 0.01 R, dI/dt = r - 0.05 I, dR/dt = 0.05 I - 0.01 R,
#
# is solved once, and 40 points of the solution are all that is given. Times are days. No library of candidate terms
# that somebody wrote down holds a square root by chance; a unit with real exponents does not need one. The best
# network of the paper came to S^0.62 I^0.57 in the place of sqrt(S I).
#
# Under a minute.

# %%
import time

import diffrax
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from nalu_jax import discover, fast, ode

jax.config.update("jax_enable_x64", True)
names = ("S", "I", "R")

# %% [markdown]
# ## The data


# %%
def epidemic(t, y, args):
    s, i, r = y
    infections = 0.06 * jnp.sqrt(jnp.maximum(s * i, 0.0))
    return jnp.stack([-infections + 0.01 * r, infections - 0.05 * i, 0.05 * i - 0.01 * r])


ts = jnp.linspace(0.0, 200.0, 40)
start = jnp.array([100.0, 0.01, 0.0])
ys = np.asarray(ode.solve(epidemic, start, ts, solver=diffrax.Tsit5(), rtol=1e-10, atol=1e-12).ys)

# %% [markdown]
# ## From 40 points to equations
#
# `discover.ode` looks for sums of products of powers, that is NAU(RealNPU(y)), and for quotients and functions beside
# them. Regression only says where to begin; every candidate is fitted to the points themselves, and judged by how well
# it explains them for the numbers and names that it needs. Exponents are fitted too, and rounded where that costs
# nothing.

# %%
found = discover.ode(ts, ys, names=names, initial_states="exact", progress=False)
print(found)

# %% [markdown]
# The best systems of every complexity: `error` is in standard deviations of the data, and never rises. The sudden fall
# is what tells a law from a good fit.

# %%
for candidate in found.front:
    print(f"{candidate.complexity:2}  error {candidate.error:7.1e}  {'; '.join(candidate.lines())}")

# %% [markdown]
# ## Does it hold elsewhere?
#
# An epidemic with other beginnings, twice as long, by the equations that were found and by the true ones.

# %%
later = jnp.linspace(0.0, 400.0, 201)
other = jnp.array([60.0, 5.0, 35.0])
truth = np.asarray(ode.solve(epidemic, other, later, rtol=1e-10, atol=1e-12).ys)
simulated = found.simulate(np.asarray(other), np.asarray(later))
print(f"largest difference: {np.abs(simulated - truth).max():.1e} of 100 people")

fine = np.linspace(0.0, 200.0, 201)
fitted = found.simulate(ys[0], fine)
figure, axes = plt.subplots(3, 2, figsize=(8, 4.6), sharex="col", sharey="row", layout="constrained")
for k, (left, right) in enumerate(axes):
    left.plot(ts, ys[:, k], "o", color="#404040", markersize=3, label="given")
    left.plot(fine, fitted[:, k], color="#2166ac", label="equations found")
    right.plot(later, truth[:, k], color="#bdbdbd", linewidth=5, label="truth")
    right.plot(later, simulated[:, k], color="#2166ac", label="equations found")
    left.set_ylabel(f"{names[k]} (people)")
for ax, title in zip(axes[0], ("the 40 points", "another epidemic, twice as long"), strict=True):
    ax.set_title(title)
    ax.legend(frameon=False)
for ax in axes[-1]:
    ax.set_xlabel("time (days)")
plt.show()

# %% [markdown]
# ## With noise
#
# The same points with errors of 1 % of each state's standard deviation: numbers have their standard errors in
# parentheses, and the verdict says whether other laws explain the data as well.

# %%
random = np.random.default_rng(0)
noisy = ys + 0.01 * ys.std(axis=0) * random.standard_normal(ys.shape)
noisy[0] = ys[0]
uncertain = discover.ode(ts, noisy, names=names, initial_states="exact", progress=False)
print(uncertain)

# %% [markdown]
# With exact data the powers are square roots because nothing else fits to nine digits. With 1 % noise they are square
# roots because these are simple and fit as well as anything near them: the search begins at simple powers, and leaves
# them only where the data ask for it. That is a prior belief, and yours to hold or not. Some of the rivals are the same
# law in other words: the tanh of a number well above 1 is 1.
#
# **Exercise.** Let the infections grow like S I in place of its square root, `0.002 * s * i`. Which equations come out,
# and what does the front have beyond them?
#
# <details><summary>An answer</summary>
#
# ```
# def ordinary(t, y, args):
#     s, i, r = y
#     infections = 0.002 * s * i
#     return jnp.stack([-infections + 0.01 * r, infections - 0.05 * i, 0.05 * i - 0.01 * r])
#
# points = np.asarray(ode.solve(ordinary, start, ts, rtol=1e-10, atol=1e-12).ys)
# print(discover.ode(ts, points, names=names, initial_states="exact", progress=False))
# ```
#
# The law itself. Beyond it there are terms of the size of 1e-10 with errors as large: they buy nothing.
#
# </details>

# %% [markdown]
# ## As units in a solver
#
# `uncertain.model` is these equations as units, RealNPU -> NAU, and goes wherever units go. `fast` makes one vector of
# its exponents and coefficients, zeros included, and `ode.solve` has the gradient by all of them: it replays the
# adaptive steps that were taken. That is diffrax's own gradient, which this compares with, of the same units without
# `fast`.

# %%
n_states, n_products = uncertain.params[0]["re"].shape
spec = fast(uncertain.model, (n_states, n_products, n_states))
theta = spec.ravel(uncertain.params)
tolerances = {"rtol": 1e-6, "atol": 1e-6}


def misfit(states):
    return jnp.mean(((states - noisy) / noisy.std(axis=0)) ** 2)


@jax.jit
@jax.grad
def by_nalu_jax(theta):
    return misfit(ode.solve(spec.vector_field, start, ts, spec.prepare(theta), **tolerances).ys)


@jax.jit
@jax.grad
def by_diffrax(theta):
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, y, params: uncertain.model.apply(params, y)),
        diffrax.Tsit5(),
        ts[0],
        ts[-1],
        None,
        start,
        spec.unravel(theta),
        saveat=diffrax.SaveAt(ts=ts),
        stepsize_controller=diffrax.PIDController(**tolerances),
    )
    return misfit(solution.ys)


def seconds(gradient):
    begin = time.perf_counter()
    gradient(theta).block_until_ready()
    return time.perf_counter() - begin


ours, theirs = by_nalu_jax(theta), by_diffrax(theta)
pairs = np.array([[seconds(by_nalu_jax), seconds(by_diffrax)] for _ in range(50)])  # in turn
fast_time, plain_time = np.median(pairs, axis=0)
print(f"largest difference of {theta.size} derivatives: {jnp.abs(ours - theirs).max():.0e}")
print(f"a gradient: {1e3 * fast_time:.2f} ms by fast and ode.solve, {1e3 * plain_time:.2f} ms by diffrax")
print(f"{plain_time / fast_time:.1f} times as fast")

# %%
products = {tuple(float(power) for power in row) for row in found.params[0]["re"].T}
assert found.verdict == "recovered" and products == {(0.5, 0.5, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)}
assert np.abs(simulated - truth).max() < 0.01
assert jnp.allclose(ours, theirs, rtol=1e-9, atol=1e-12)
