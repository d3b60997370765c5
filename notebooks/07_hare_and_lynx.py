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
# every ten years, the lynx after the hare. Every textbook explains it by the equations of Lotka and Volterra. Here half
# of them is taken as known, and the term in which the two species meet is left to a unit:
#
# dH/dt = a H + u, dL/dt = -d L + v, where (u, v) = NAU(RealNPU(H, L)) = (w1, w2) H^p L^q
#
# Lotka and Volterra say p = q = 1. Do the data?
#
# One to two minutes.

# %%
# %matplotlib inline
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from scipy.stats import f as f_distribution

from nalu_jax import chain, nau, ode, plot, real_npu, symbolic, training

jax.config.update("jax_enable_x64", True)

years = np.arange(1900, 1921)
hare = "30 47.2 70.2 77.4 36.3 20.6 18.1 21.4 22 25.4 27.1 40.3 57 76.6 52.3 19.5 11.2 7.6 14.6 16.2 24.7"
lynx = "4 6.1 9.8 35.2 59.4 41.7 19 13 8.3 9.1 7.4 8 12.3 19.5 45.7 51.1 29.7 15.8 9.7 10.1 8.6"
furs = jnp.array([[float(number) for number in row.split()] for row in (hare, lynx)]).T  # thousands a year; (21, 2)
means = jnp.exp(jnp.mean(jnp.log(furs), axis=0, keepdims=True))
logs = jnp.log(furs / means)
ts = jnp.arange(21.0)

# %% [markdown]
# ## The model
#
# Populations are measured in their geometric means, so that coefficients do not change with exponents as they would in
# thousands of furs. States are logarithms, so that no population can become negative, and errors are ratios: a count
# that is off by a third is as bad in a good year as in a bad one. `ode.rollout` solves with fixed steps and has exact
# derivatives. The data are furs sold, not animals counted, and the model knows nothing else about Canada.

# %%
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


def residual(params, data):
    ts, logs = data
    found, ok = logarithms(params, ts)
    return jnp.where(ok, found - logs, 10.0)


def textbook(params):
    """The same params with exponents of 1."""
    first, last = params["units"]
    return params | {"units": ({"re": jnp.ones_like(first["re"]), "gate": first["gate"]}, last)}


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
# ## Two fits
#
# With the exponents of the textbook, and with free ones. 8 restarts each, Adam and then Levenberg-Marquardt.


# %%
def fit(residual, init, data, restarts=8, steps=200, context=None):
    def loss(params, data, *, context):
        return jnp.mean(residual(params, data, context) ** 2)

    def least_squares(params, data, *, context):
        return residual(params, data, context)

    return training.fit(
        loss,
        init,
        key=jax.random.key(0),
        steps=steps,
        optimiser=optax.chain(optax.clip_by_global_norm(1.0), optax.adam(optax.cosine_decay_schedule(0.05, steps))),
        data=data,
        restarts=restarts,
        context=jnp.zeros(restarts) if context is None else context,
        finish=[training.levenberg_marquardt(least_squares, steps=60, rtol=1e-9, atol=1e-11)],
        progress=False,
    )


data = (ts, logs)
fixed = fit(lambda params, data, _: residual(textbook(params), data), init, data)
free = fit(lambda params, data, _: residual(params, data), init, data)


def bic(loss, numbers):
    return furs.size * np.log(loss) + numbers * np.log(furs.size)


losses = {"p = q = 1": float(fixed.validation[fixed.best]), "p, q free": float(free.validation[free.best])}
numbers = {"p = q = 1": 6, "p, q free": 8}  # two rates, two coefficients, two initial states; exponents
for name, loss in losses.items():
    print(f"{name:10} typical error: a factor of {np.exp(np.sqrt(loss)):.3f}   BIC {bic(loss, numbers[name]):.1f}")

# %%
fine = jnp.linspace(0.0, 20.0, 201)
curves = (("p = q = 1", textbook(fixed.params), "#b2182b"), ("p, q free", free.params, "#2166ac"))
figure, axes = plt.subplots(2, 1, figsize=(7, 4.6), sharex=True, layout="constrained")
for i, (ax, name) in enumerate(zip(axes, ("hares", "lynxes"), strict=True)):
    ax.plot(years, furs[:, i], "o", color="0.3", label="furs sold")
    for label, params, colour in curves:
        ax.plot(1900 + fine, means[0, i] * np.exp(logarithms(params, fine)[0][:, i]), color=colour, label=label)
    ax.set_ylabel(f"{name} (thousands)")
axes[0].legend(frameon=False, ncols=3)
axes[1].set_xticks(range(1900, 1921, 4))
plt.show()

# %% [markdown]
# ## Error bars
#
# `standard_errors` are those of a linear approximation at the best fit.

# %%
mask = jax.tree.map(lambda leaf: np.ones(leaf.shape, bool), free.params)
mask["units"][0]["gate"] = np.zeros(2, bool)
errors = symbolic.standard_errors(residual, free.params, data, free=mask)
exponents, exponent_errors = free.params["units"][0]["re"][:, 0], errors["units"][0]["re"][:, 0]
for name, value, error in zip("pq", exponents, exponent_errors, strict=True):
    print(f"{name} = {symbolic.plus_minus(float(value), float(error))}")
rates = np.exp(free.params["log_rates"])
for name, value, error in zip("ad", rates, rates * errors["log_rates"], strict=True):
    print(f"{name} = {symbolic.plus_minus(float(value), float(error))} per year")
plot.graph(model, free.params["units"], inputs=("hare", "lynx"), outputs=("dH/dt", "dL/dt")).figure

# %% [markdown]
# A linear approximation of a model that is not linear, at 42 numbers, deserves a second look. So: fix (p, q) at every
# point of a grid, fit all the rest anew, and ask by how much the fit gets worse. All 121 fits are one call: exponents
# are the restarts' `context`. Inside of the line are exponents that an F test at 95 % cannot refuse. Where it is grey
# no fit succeeded from here, and nothing is known.

# %%
grid = jnp.linspace(0.7, 1.9, 11)
pairs = jnp.stack(jnp.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, 2)


def at(params, pair):
    first, last = params["units"]
    return params | {"units": ({"re": pair[:, None], "gate": first["gate"]}, last)}


best = jax.tree.map(jnp.asarray, free.params)
profile = fit(
    lambda params, data, pair: residual(at(params, pair), data), lambda key: best, data, pairs.shape[0], 40, pairs
)
sums = furs.size * profile.validation.reshape(11, 11)
sums = np.where(sums < float(jnp.sum(logs**2)), sums, np.nan)  # constant populations are better than that: no fit
freedom = furs.size - numbers["p, q free"]
limit = furs.size * losses["p, q free"] * (1 + 2 / freedom * f_distribution.ppf(0.95, 2, freedom))

figure, ax = plt.subplots(figsize=(4.6, 3.8), layout="constrained")
ax.set_facecolor("0.8")
image = ax.pcolormesh(grid, grid, np.log10(sums.T), cmap="viridis_r")
ax.contour(grid, grid, sums.T, levels=[limit], colors="black")
ax.plot(1, 1, "*", color="black", markersize=12, label="textbook")
ax.plot(*exponents, "o", color="black", label="best fit")
ax.legend(loc="lower right")
ax.set(xlabel="p, exponent of hares", ylabel="q, exponent of lynxes")
figure.colorbar(image, label="log10 sum of squares")
plt.show()
allowed = pairs[np.ravel(sums) < limit]
print(f"not refused at 95 %: p from {allowed[:, 0].min():.2f} to {allowed[:, 0].max():.2f}, ", end="")
print(f"q from {allowed[:, 1].min():.2f} to {allowed[:, 1].max():.2f}")

# %% [markdown]
# Compare the area with the error bars above. The sum of squares is a curved valley, along which exponents grow together
# and other numbers follow; an error bar is a straight line through it. From the error bars alone one would have refused
# exponents that fit as well as any.
#
# ## Can it predict?
#
# Both models once more, fitted to the first 16 years, and asked for the last five.

# %%
early = (ts[:16], logs[:16])
forecasts = {
    "p = q = 1": textbook(fit(lambda params, data, _: residual(textbook(params), data), init, early).params),
    "p, q free": fit(lambda params, data, _: residual(params, data), init, early).params,
}
late = {}
for name, params in forecasts.items():
    late[name] = float(np.sqrt(np.mean(np.square(logarithms(params, ts)[0] - logs)[16:])))
    print(f"{name:10} typical error in 1916 to 1920: a factor of {np.exp(late[name]):.2f}")
constant = float(jnp.sqrt(jnp.mean((logs[16:] - logs[:16].mean(0)[None]) ** 2)))
print(f"the mean of the first 16 years: a factor of {np.exp(constant):.2f}")

# %% [markdown]
# ## What can 21 pairs of numbers tell?
#
# * Both fits look alike, and nearly are: two numbers more buy next to nothing, and the BIC prefers the textbook.
# * That is not a proof of the textbook. All exponents inside of the line do as well, and some of them are far from 1.
#   "Compatible with p = q = 1" is what can be said.
# * The cycle and its phase are in the data, so that a forecast from 16 years is better than the mean of the past;
#   it is still off by half.
# * What the data cannot tell: whether hares fall because of lynxes. Furs are not animals, prices and trappers are in
#   them too, and errors of neighbouring years are hardly independent. A term that was not offered, such as the hares'
#   food, cannot be found.

# %%
assert bic(losses["p = q = 1"], 6) < bic(losses["p, q free"], 8)
assert furs.size * losses["p = q = 1"] < limit, "p = q = 1 is refused"
assert exponent_errors.min() > 0.03, "error bars that small would be a surprise"
assert max(late.values()) < constant
