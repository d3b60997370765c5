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
# is solved once, and 40 points of the solution are all that is given. No library of candidate terms that somebody wrote
# down holds a square root by chance; a unit with real exponents does not need one. The best network of the paper came
# to S^0.62 I^0.57 in the place of sqrt(S I).
#
# One to two minutes.

# %%
import time

import diffrax
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from nalu_jax import discover, ode

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
# `discover.ode` looks for sums of products of powers, that is NAU(RealNPU(y)): candidates by regression in an integral
# form that needs no derivatives, then fits through the solver, elimination and rounding.

# %%
begin = time.perf_counter()
found = discover.ode(ts, ys, names=names, noise=0.0, initial_states="exact", progress=False)
print(found)
print(f"({time.perf_counter() - begin:.0f} s)")

# %% [markdown]
# Every formula that was kept on the way, the simplest first: `error` is in standard deviations of the data. The fall at
# the end is what tells a law from a good fit.

# %%
for candidate in found.front:
    mark = "*" if candidate is found.best else " "
    equations = ",  ".join(f"{name}' = {eq.evalf(3)}" for name, eq in zip(names, candidate.equations, strict=True))
    print(f"{mark} {candidate.complexity:2} numbers  error {candidate.error:8.1e}  {equations}")

# %% [markdown]
# ## Does it hold elsewhere?
#
# An epidemic with other beginnings, twice as long, by the equations that were found and by the true ones.

# %%
later = jnp.linspace(0.0, 400.0, 201)
other = jnp.array([60.0, 5.0, 35.0])
truth = np.asarray(ode.solve(epidemic, other, later, rtol=1e-10, atol=1e-12).ys)
simulated = found.simulate(np.asarray(later), np.asarray(other))
print(f"largest difference: {np.abs(simulated - truth).max():.1e} of 100 people")

figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for k, colour in enumerate(("#2166ac", "#b2182b", "#4d9221")):
    fine = found.simulate(np.linspace(0.0, 200.0, 201), ys[0])
    axes[0].plot(np.linspace(0.0, 200.0, 201), fine[:, k], color=colour, label=names[k])
    axes[0].plot(ts, ys[:, k], "o", color=colour, markersize=3)
    axes[1].plot(later, truth[:, k], color="0.75", linewidth=4)
    axes[1].plot(later, simulated[:, k], color=colour)
axes[0].set(title="the 40 points, and the equations found", xlabel="time", ylabel="people")
axes[1].set(title="another epidemic: grey is the truth", xlabel="time")
axes[0].legend(frameon=False)
plt.show()

# %% [markdown]
# ## With noise
#
# The same points with errors of 1 % of each state's standard deviation. The rates come with error bars now, and the
# verdict with a reason.

# %%
random = np.random.default_rng(0)
noisy = np.maximum(ys + 0.01 * ys.std(axis=0) * random.standard_normal(ys.shape), 0.0)
uncertain = discover.ode(ts, noisy, names=names, noise=0.01, progress=False)
print(uncertain)
if uncertain.before_rounding is not None:
    print("exponents before rounding:")
    print(np.round(uncertain.before_rounding.exponents, 2))
    print("their standard errors:")
    print(np.round(uncertain.before_rounding.exponent_errors, 2))

# %% [markdown]
# With exact data the equations are the true ones to many digits, and rounding only writes them nicely. With 1 % noise
# it is otherwise: before rounding, exponents are off by as much as their error bars say, and what makes square roots of
# them is the belief that simple numbers are more likely. That belief is yours to hold or not.

# %%
exponents = found.best.exponents
infection = exponents[np.argmax(np.count_nonzero(exponents, axis=1))]
assert found.verdict == "recovered" and np.array_equal(infection, [0.5, 0.5, 0.0])
assert np.abs(simulated - truth).max() < 0.01
