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
# # Hare and lynx: what 21 noisy points can tell
#
# The furs of hares and lynxes that trappers sold to the Hudson's Bay Company between 1900 and 1920 rise and fall about
# every ten years, the lynx after the hare. Every textbook explains it by the equations of Lotka and Volterra,
#
# dH/dt = a H - b H L, dL/dt = -d L + c H L.
#
# Here the data are asked three times: which equations do they point to; how well do they know the exponents of the term
# in which the species meet; and can they predict? The answers are those of so few points. About a minute.

# %%
# %matplotlib inline
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from scipy.stats import f as f_distribution

from nalu_jax import chain, discover, nau, ode, real_npu, symbolic, training

jax.config.update("jax_enable_x64", True)

years = np.arange(1900, 1921)
hare = "30 47.2 70.2 77.4 36.3 20.6 18.1 21.4 22 25.4 27.1 40.3 57 76.6 52.3 19.5 11.2 7.6 14.6 16.2 24.7"
lynx = "4 6.1 9.8 35.2 59.4 41.7 19 13 8.3 9.1 7.4 8 12.3 19.5 45.7 51.1 29.7 15.8 9.7 10.1 8.6"
furs = np.array([[float(number) for number in row.split()] for row in (hare, lynx)]).T  # thousands a year; (21, 2)
ts = np.arange(21.0)
BLUE, RED, GREY, DATA = "#2166ac", "#b2182b", "#8c8c8c", "#404040"

# %% [markdown]
# ## Which equations?
#
# `functions=()` and `nested=False` ask for sums of products of powers: there are 42 numbers, and a larger family would
# be a larger choice among guesses.

# %%
options = {"names": ["hares", "lynxes"], "functions": (), "nested": False, "time_limit": None, "progress": False}
found = discover.ode(ts, furs, **options)
print(found)

# %% [markdown]
# **[Several candidates alike](guide/glossary.md#verdict)**, and the textbook's is one of them. The best is another:
# with `lynxes**2` hares suffer from many lynxes more than in proportion. It is ahead by a few
# [nats](guide/glossary.md#description-length-nat), which is no discovery. All have in common that lynxes starve
# alone, and grow where they meet hares. In the figure each curve begins at the counts of 1900, whose errors shift it
# in time; the search fits the beginning too.

# %%
H, L = found.best.expressions[0].free_symbols | found.best.expressions[1].free_symbols
H, L = (H, L) if H.name == "hares" else (L, H)
wanted = [{H, H * L}, {L, H * L}]
[textbook] = [
    candidate
    for candidate in (found.best, *found.alike)
    if [set(rate.as_coefficients_dict()) for rate in candidate.expressions] == wanted
]
print(textbook)

fine = np.linspace(0.0, 20.0, 201)
figure, axes = plt.subplots(2, 1, figsize=(7, 4.6), sharex=True, layout="constrained")
for i, (ax, name) in enumerate(zip(axes, found.names, strict=True)):
    for candidate in (*found.alike, found.best):
        colour, width = (BLUE, 2) if candidate is found.best else (GREY, 1)
        ax.plot(1900 + fine, candidate.simulate(furs[0], fine)[:, i], color=colour, linewidth=width)
    ax.plot(1900 + fine, textbook.simulate(furs[0], fine)[:, i], color=RED, linestyle="--")
    ax.plot(years, furs[:, i], "o", color=DATA, markersize=4)
    ax.set_ylabel(f"{name} (thousands of furs)")
axes[1].set_xticks(range(1900, 1921, 4))
axes[1].set_xlabel("year")
for label, style in {
    "furs sold": {"marker": "o", "color": DATA, "linestyle": ""},
    "best": {"color": BLUE, "linewidth": 2},
    "not told apart from it": {"color": GREY},
    "textbook": {"color": RED, "linestyle": "--"},
}.items():
    axes[0].plot([], [], label=label, **style)
figure.legend(loc="outside upper center", ncols=4, frameon=False)
plt.show()

# %% [markdown]
# ## How well are the exponents known?
#
# Take the linear terms for granted, and leave the term in which the species meet to a unit:
#
# dH/dt = a H + u, dL/dt = -d L + v, where (u, v) = NAU(RealNPU(H, L)) = (w1, w2) H^p L^q
#
# Lotka and Volterra say p = q = 1. Now states are logarithms, so that errors are ratios: a count that is off by a third
# is as bad in a good year as in a bad one. That is another weighing than the search's, which took errors for thousands
# of furs, the same in all years; with so few points it matters. Populations are in their geometric means, so that
# coefficients do not change with exponents. `ode.rollout` solves with [fixed steps](guide/glossary.md#rollout).

# %%
means = np.exp(np.log(furs).mean(axis=0, keepdims=True))
logs = jnp.log(jnp.asarray(furs / means))
model = chain(real_npu.UNIT.bind(domain="positive", gate_init="ones"), nau)


def logarithms(params, ts):
    """log(populations / means) (n_times, 2); whether the solve succeeded."""
    rates = jnp.exp(params["log_rates"]) * jnp.array([1.0, -1.0])  # hares multiply, lynxes starve

    def field(t, z, args):
        rates, units = args
        populations = jnp.exp(z)
        return rates + model.apply(units, populations) / populations

    result = ode.rollout(field, params["start"], ts, (rates, params["units"]), substeps=2)
    return result.ys, result.ok


def at(params, exponents):
    """The same params with these exponents."""
    first, last = params["units"]
    return params | {"units": ({"re": exponents[:, None], "gate": first["gate"]}, last)}


def residual(params, data):
    ts, logs = data
    found, ok = logarithms(params, ts)
    return jnp.where(ok, found - logs, 10.0)


def init(key):
    keys = jax.random.split(key, 3)
    weights = jnp.array([[-0.6, 0.6]]) * jnp.exp(0.5 * jax.random.normal(keys[1], (1, 2)))
    exponents = 1 + 0.2 * jax.random.normal(keys[2], (2, 1))
    return {
        "log_rates": jnp.log(0.7) + 0.4 * jax.random.normal(keys[0], (2,)),
        "start": logs[0],
        "units": ({"re": exponents, "gate": jnp.ones(2)}, {"w": weights}),
    }


# %% [markdown]
# Two fits, with the exponents of the textbook and with free ones: 8 [restarts](guide/glossary.md#restart) each, Adam
# and then Levenberg-Marquardt.


# %%
def fit(residual, init, restarts=8, steps=200, context=None):
    return training.fit(
        lambda params, data, *, context: jnp.mean(residual(params, data, context) ** 2),
        init,
        key=jax.random.key(0),
        steps=steps,
        optimiser=optax.chain(optax.clip_by_global_norm(1.0), optax.adam(optax.cosine_decay_schedule(0.05, steps))),
        data=(jnp.asarray(ts), logs),
        restarts=restarts,
        context=jnp.zeros(restarts) if context is None else context,
        finish=[
            training.levenberg_marquardt(
                lambda params, data, *, context: residual(params, data, context), steps=60, rtol=1e-9, atol=1e-11
            )
        ],
        progress=False,
    )


fits = {
    "p = q = 1": fit(lambda params, data, _: residual(at(params, jnp.ones(2)), data), init),
    "p, q free": fit(lambda params, data, _: residual(params, data), init),
}
losses = {name: float(each.validation[each.best]) for name, each in fits.items()}
numbers = {"p = q = 1": 6, "p, q free": 8}  # two rates, two coefficients, two initial states; exponents
bic = {name: furs.size * np.log(losses[name]) + numbers[name] * np.log(furs.size) for name in fits}
for name, loss in losses.items():
    print(f"{name:10} typical error: a factor of {np.exp(np.sqrt(loss)):.3f}   BIC {bic[name]:.1f}")

# %% [markdown]
# The [BIC](guide/glossary.md#bic) is lower for the textbook: two numbers more buy next to nothing. `standard_errors`
# are those of a linear approximation at the best fit.

# %%
free = fits["p, q free"].params
mask = jax.tree.map(lambda leaf: np.ones(leaf.shape, bool), free)
mask["units"][0]["gate"] = np.zeros(2, bool)
errors = symbolic.standard_errors(residual, free, (jnp.asarray(ts), logs), free=mask)
exponents, exponent_errors = free["units"][0]["re"][:, 0], errors["units"][0]["re"][:, 0]
for name, value, error in zip("pq", exponents, exponent_errors, strict=True):
    print(f"{name} = {symbolic.plus_minus(float(value), float(error))}")

# %% [markdown]
# A linear approximation of a model that is not linear, at 42 numbers, deserves a second look. So: fix (p, q) at every
# point of a grid, fit all the rest anew, and ask by how much the fit gets worse. All 121 fits are one call: exponents
# are the restarts' `context`. Inside of the line are exponents that an F test at 95 % cannot refuse. Where it is grey
# no fit succeeded from here, and nothing is known.

# %%
grid = jnp.linspace(0.7, 1.9, 11)
pairs = jnp.stack(jnp.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, 2)
best = jax.tree.map(jnp.asarray, free)
profile = fit(lambda params, data, pair: residual(at(params, pair), data), lambda key: best, pairs.shape[0], 40, pairs)
sums = furs.size * profile.validation.reshape(11, 11)
sums = np.where(sums < float(jnp.sum(logs**2)), sums, np.nan)  # constant populations are better than that: no fit
freedom = furs.size - numbers["p, q free"]
limit = furs.size * losses["p, q free"] * (1 + 2 / freedom * f_distribution.ppf(0.95, 2, freedom))

figure, ax = plt.subplots(figsize=(5.2, 3.8), layout="constrained")
ax.set_facecolor("0.85")
image = ax.pcolormesh(grid, grid, np.log10(sums.T), cmap="viridis_r")
line = ax.contour(grid, grid, sums.T, levels=[limit], colors="black")
ax.clabel(line, fmt={limit: "95 %"}, inline=True)
ax.plot(1, 1, "*", color="black", markersize=12, label="textbook")
ax.errorbar(
    *exponents, exponent_errors[1], exponent_errors[0], fmt="o", color="black", label="best fit, standard errors"
)
figure.legend(loc="outside upper center", ncols=2, frameon=False)
ax.set(xlabel="p, exponent of hares", ylabel="q, exponent of lynxes")
figure.colorbar(image, label="log10 of the sum of squares")
plt.show()
allowed = pairs[np.ravel(sums) < limit]
print(f"not refused at 95 %: p from {allowed[:, 0].min():.2f} to {allowed[:, 0].max():.2f}, ", end="")
print(f"q from {allowed[:, 1].min():.2f} to {allowed[:, 1].max():.2f}")

# %% [markdown]
# Compare the area with the error bars. The sum of squares is a curved valley, along which exponents grow together and
# other numbers follow; an error bar is a straight line through it. From the error bars alone one would have refused
# exponents that fit as well as any.
#
# ## Can it predict?
#
# The search once more, with the first 16 years only. All laws that these do not tell apart predict the last five, from
# the furs of 1915 on: the spread of their curves is what is not known of the law.

# %%
early = discover.ode(ts[:16], furs[:16], **options)
laws = (early.best, *early.alike)
ahead = np.linspace(15.0, 20.0, 51)
late = {"the mean of the past": float(np.sqrt(np.mean((logs[16:] - logs[:16].mean(0)) ** 2)))}
late["the furs of 1915, again"] = float(np.sqrt(np.mean((logs[16:] - logs[15]) ** 2)))
forecasts = np.array([law.simulate(furs[15], ts[15:])[1:] for law in laws])
typical = np.sqrt(np.mean(np.log(forecasts / furs[16:]) ** 2, axis=(1, 2)))
late["the best law"], late["the worst of those alike"] = float(typical[0]), float(typical.max())
for name, error in late.items():
    print(f"{name:26} typical error in 1916 to 1920: a factor of {np.exp(error):.2f}")

figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
for i, (ax, name) in enumerate(zip(axes, early.names, strict=True)):
    ax.axvspan(1899.5, 1915, color="#d9e6f2", label="years that were searched")
    ax.plot(years, furs[:, i], "o", color=DATA, markersize=4, label="furs sold")
    for place, law in enumerate(laws[::-1]):
        colour = BLUE if law is early.best else GREY
        label = "best law" if law is early.best else "alike" if place == 0 else None
        ax.plot(1900 + ahead, law.simulate(furs[15], ahead)[:, i], color=colour, label=label)
    ax.set(xlabel="year", ylabel=f"{name} (thousands of furs)", xticks=range(1900, 1921, 5))
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
plt.show()

# %% [markdown]
# ## What can 21 pairs of numbers tell?
#
# * The cycle, and who follows whom, are in the data. So is a forecast that is better than the mean of the past.
# * Which law it is, is not. The textbook is compatible with the data, and so are others. All exponents inside of the
#   line do as well, and some of them are far from 1. "Compatible with p = q = 1" is what can be said.
# * How errors are weighed changes which law is ahead. When the answer hangs on that, there is no answer yet.
# * What the data cannot tell: whether hares fall because of lynxes. Furs are not animals, prices and trappers are in
#   them too, and errors of neighbouring years are hardly independent. A term that was not offered, such as the hares'
#   food, cannot be found.
#
# **Exercise.** How many years would it take? Make data from the textbook's equations found above, with errors of 10 %,
# for 21, 41 and 81 years, and look at the verdict of each.
#
# <details><summary>An answer</summary>
#
# ```
# for n in (21, 41, 81):
#     times = np.arange(float(n))
#     made = textbook.simulate(furs[0], times) * np.exp(0.1 * np.random.default_rng(0).normal(size=(n, 2)))
#     print(n, discover.ode(times, made, **options))
# ```
#
# With 21 years some rivals are left. With 41 the law itself is ahead of all other sums of products of powers, and the
# reason of the verdict says when a law outside of them, which `functions=()` did not allow, fits as well.
#
# </details>

# %%
assert found.verdict == early.verdict == "several candidates alike"
assert bic["p = q = 1"] < bic["p, q free"]
assert furs.size * losses["p = q = 1"] < limit, "p = q = 1 is refused"
assert exponent_errors.min() > 0.03, "error bars that small would be a surprise"
assert late["the worst of those alike"] < late["the mean of the past"]
