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
# # Power laws from small tables: Kepler, and the metabolism of mammals
#
# Two tables of real measurements, one very exact and one very noisy, are read as formulas. Exponents come with error
# bars, and these are the difference between "3/2" and "perhaps 2/3, perhaps 3/4". At the end the units of measure find
# an exponent without any data.
#
# `discover.table` says with each formula how far the data support it, its [verdict](guide/glossary.md#verdict):
# "recovered", "several candidates alike", or "no simple formula found". Some seconds.

# %%
# %matplotlib inline
import importlib.resources

import jax
import jax.numpy as jnp
import numpy as np

from nalu_jax import chain, discover, nau, plot, real_npu, symbolic
from nalu_jax.cli import _csv

jax.config.update("jax_enable_x64", True)
tables = importlib.resources.files("nalu_jax") / "data"

# %% [markdown]
# ## Kepler's third law
#
# Distances (in astronomical units) and periods (in years) of 19 bodies; the sources are in the head of the file. Only
# the 11 bodies inside the orbit of Jupiter are used to find a formula, the other 8 to judge it.

# %%
planets = _csv.parse((tables / "solar_system.csv").read_text().splitlines(), target="period", inputs=("distance",))
inner = planets.x[:, 0] < 5
law = discover.table(planets.x[inner], planets.y[inner], names=planets.names, target="period", progress=False)
print(law)

# %% [markdown]
# Formulas are not all or nothing: this is the best of every complexity, with its error and its description length. A
# larger formula always fits a little better; the [description length](guide/glossary.md#description-length-nat) asks
# whether it fits better by more than it takes to write it down. It is the negative logarithm of the evidence, in
# nats: less is better, and a difference of 6 stands for odds of 400.

# %%
for candidate in law.front:
    print(
        f"{candidate.complexity:3}  error {candidate.error:8.2e}  "
        f"description length {candidate.description_length:7.1f}  {candidate.with_errors}"
    )

# %%
predicted = law.predict(planets.x)
print(f"largest error on the outer bodies: {np.abs(predicted / planets.y - 1)[~inner].max():.2%}")
plot.predictions(planets.y, predicted, trained=inner, log=True, name="period (years)").figure

# %% [markdown]
# ## The metabolism of mammals
#
# How much oxygen does a resting mammal need? Kleiber found in 1932 that it grows like mass^(3/4), others before and
# after him said mass^(2/3), and the question has been argued over since. Here are 50 species from a table by White and
# Seymour (2003), from a shrew of 2 grams to a moose of 325 kilograms, with their body temperature.
#
# These are animals, not planets: two species of the same mass can differ by a factor of two, so errors are relative.

# %%
lines = (tables / "mammals.csv").read_text().splitlines()
mammals = _csv.parse(lines, target="rate", inputs=("mass", "temperature"))
by_mass = discover.table(mammals.x[:, :1], mammals.y, names=("mass",), target="rate", progress=False)
both = discover.table(mammals.x, mammals.y, names=mammals.names, target="rate", progress=False)

for label, found in (("by mass alone", by_mass), ("by mass and body temperature", both)):
    scatter = np.log(found.predict(mammals.x[:, : len(found.names)]) / mammals.y).std()
    print(f"=== {label}; typical scatter around the formula: a factor of {np.exp(scatter):.2f}")
    print(found, end="\n\n")

# %% [markdown]
# The search names simple numbers where the data do not refuse them. Which exponent the data have, and how well they
# know it, is a fit of one product: `symbolic.standard_errors` has the error bars of any loss.


# %%
def power_law(x):
    """The exponents of one product, by least squares of the logarithms, with their standard errors."""
    model = chain(real_npu.UNIT.bind(domain="positive", eps=0.0), nau)
    scaled = jnp.asarray(x / np.exp(np.log(x).mean(0)))

    def residual(params, data):
        return jnp.log(model.apply(params, data[0])[:, 0] / data[1])

    params = ({"re": jnp.full((x.shape[1], 1), 0.7), "gate": jnp.ones(x.shape[1])}, {"w": jnp.full((1, 1), 300.0)})
    free = ({"re": np.ones((x.shape[1], 1), bool), "gate": np.zeros(x.shape[1], bool)}, {"w": np.ones((1, 1), bool)})
    data = (scaled, jnp.asarray(mammals.y))
    fitted = symbolic.prune(residual, params, data, free=free).steps[0].params
    errors = symbolic.standard_errors(residual, fitted, data, free=free)
    return fitted[0]["re"][:, 0], errors[0]["re"][:, 0]


for names, x in ((("mass",), mammals.x[:, :1]), (mammals.names, mammals.x)):
    exponents, errors = power_law(x)
    for name, value, error in zip(names, exponents, errors, strict=True):
        print(f"exponent of {name}: {symbolic.plus_minus(float(value), float(error))}")

# %%
ax = plot.predictions(mammals.y, both.predict(mammals.x), log=True, name="rate (ml oxygen / h)")
species = [line.split(",")[0] for line in lines if not line.startswith("#")][1:]
shown = {
    "Suncus etruscus": "shrew",
    "Myotis lucifuga": "bat",
    "Nycticebus coucang": "slow loris",
    "Alces alces": "moose",
}
for name, common in shown.items():
    place = species.index(name)
    point = mammals.y[place], both.predict(mammals.x)[place]
    left = mammals.y[place] > point[1]
    options = {"xytext": (7, -8), "ha": "left"} if left else {"xytext": (0, 7), "ha": "center"}
    ax.annotate(common, point, textcoords="offset points", fontsize="small", **options)
ax.figure

# %% [markdown]
# How to read this:
#
# * A verdict is relative to the columns and the family of formulas. With mass alone one exponent stands out, and the
#   answer to another table, which has the temperature too, is another exponent: what is missing in a table can bend
#   what is in it, and no statistic of that table tells.
# * The standard error of an exponent says what 50 species can tell. Compare exponents with 2/3 and 3/4 in units of it
#   before believing either. The formula in simple numbers has the simplest ones that the data do not refuse, which is
#   not the same as the true ones.
# * Body temperature matters more than its small range suggests, since large and small mammals are not equally warm, and
#   with it the exponent of mass moves. That was the point of White and Seymour.
# * A large power of temperature is an exponential in disguise: over 30 to 40 degrees, T^n and exp(n T / 37) cannot be
#   told apart, which is one of the reasons why several candidates are alike. That a formula fits does not make it the
#   mechanism.
# * Related species are alike, so that 50 of them are fewer than 50 independent animals, and true error bars wider.

# %% [markdown]
# ## Units of measure
#
# In metres and seconds, Kepler's law has to contain the mass of the central body, or rather G M, in m^3 / s^2. Eleven
# moons of Jupiter, Saturn and the Earth join the planets, so that G M varies. We ask for one product of powers: tables
# are rounded, planets pull at each other and Saturn is not a sphere, all of which would be worth a further small term.

# %%
metres, seconds, day = 1.495978707e11, 3.15576e7, 86400.0
moons = np.array(  # G M of the central body (m^3/s^2), semi-major axis (1000 km), period (days): JPL's planetary tables
    [
        (1.26687e17, 421.8, 1.769138),  # Io
        (1.26687e17, 671.1, 3.551181),  # Europa
        (1.26687e17, 1070.4, 7.154553),  # Ganymede
        (1.26687e17, 1882.7, 16.689017),  # Callisto
        (3.7931e16, 185.54, 0.942422),  # Mimas
        (3.7931e16, 238.04, 1.370218),  # Enceladus
        (3.7931e16, 294.67, 1.887802),  # Tethys
        (3.7931e16, 377.42, 2.736916),  # Dione
        (3.7931e16, 527.07, 4.517503),  # Rhea
        (3.7931e16, 1221.87, 15.945448),  # Titan
        (4.0350e14, 384.4, 27.321661),  # the Moon, with G times the mass of both
    ]
)
axis = np.concatenate([planets.x[:, 0] * metres, moons[:, 1] * 1e6])
mass = np.concatenate([np.full(len(planets.y), 1.3271244e20), moons[:, 0]])
period = np.concatenate([planets.y * seconds, moons[:, 2] * day])
general = discover.table(
    np.stack([axis, mass], 1),
    period,
    names=("a", "GM"),
    target="period",
    functions=(),
    nested=False,
    terms=1,
    progress=False,
)
print(general)
print(f"2 pi is {2 * np.pi:.4f}")

# %% [markdown]
# But the exponents need no data at all. The period is in seconds, `a` in metres and `GM` in m^3 / s^2: only one product
# of powers of the two is in seconds. `symbolic.consistent` is a RealNPU whose exponents are always consistent,
# and here nothing is left to learn but the coefficient. One body is enough for that.

# %%
unit = symbolic.consistent({"a": (1, 0), "GM": (3, -2)}, (0, 1))  # powers of (metre, second)
model = chain(unit.bind(domain="positive"), nau)
first, _ = model.init(jax.random.key(0), (2, 1, 1), jnp.float64)
print("exponents left to learn:", first["z"].size)
print("the only product in seconds:", symbolic.to_sympy(unit, first, ("a", "GM"), domain="positive", eps=False)[0])

x = jnp.stack([jnp.asarray(axis), jnp.asarray(mass)], 1)
product = unit.apply(first, x)[:, 0]
io = len(planets.y)
coefficient = float(period[io] / product[io])
apart = np.abs(coefficient * np.asarray(product) / period - 1)
print(f"coefficient from Io alone: {coefficient:.4f}; largest error on the other 29 bodies: {apart.max():.2%}")

# %% [markdown]
# **Exercise.** A pendulum has a length l in metres, and swings in a field g in m / s^2. Which product of powers of
# the two is in seconds? What do the units not know?
#
# <details><summary>An answer</summary>
#
# ```
# pendulum = symbolic.consistent({"l": (1, 0), "g": (1, -2)}, (0, 1))
# params = pendulum.init(jax.random.key(0), (2, 1), jnp.float64)
# print(symbolic.to_sympy(pendulum, params, ("l", "g"), domain="positive", eps=False)[0])
# ```
#
# sqrt(l / g), and nothing is left to learn. The units do not know its coefficient, 2 pi, nor that the angle, which has
# no unit, must be small.
#
# </details>

# %%
[term] = law.terms
assert law.verdict == "recovered" and law.formula.endswith("*distance**(3/2)")
assert abs(term.coefficient.estimate - 1) < 4 * term.coefficient.error < 0.001
exponents, errors = power_law(mammals.x[:, :1])
assert 0.6 < exponents[0] < 0.8 and 0.005 < errors[0] < 0.05
assert general.expression.free_symbols and "a**(3/2)" in general.formula and "GM" in general.formula
assert first["z"].size == 0 and apart.max() < 0.01 and np.abs(coefficient / (2 * np.pi) - 1) < 0.01
