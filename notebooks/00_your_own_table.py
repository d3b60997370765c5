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
# # Your own table: from a CSV file to a formula
#
# For everybody with columns of numbers who would rather have a formula than a black box. No knowledge of neural
# networks, of JAX or of this package is needed, and nothing is trained: `discover.table` searches formulas, and says
# how far your data support what it finds.
#
# Put your own file in place of the one below. Some seconds.

# %%
# %matplotlib inline
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from nalu_jax import discover, plot

# %% [markdown]
# ## A file
#
# A workshop has let balls fall from balconies and written down height, diameter and time. Here the file is made by a
# formula with an error of 1 % from a stop watch, so that we know what should come out. The first line has the names.

# %%
generator = np.random.default_rng(7)
height = generator.uniform(1.0, 30.0, 40).round(2)  # metres
diameter = generator.uniform(0.02, 0.2, 40).round(3)  # metres, which should not matter
time = np.sqrt(2 * height / 9.81) * (1 + 0.01 * generator.normal(size=40))  # seconds

folder = Path(tempfile.mkdtemp())
file = folder / "balls.csv"
pd.DataFrame({"height": height, "diameter": diameter, "time": time.round(3)}).to_csv(file, index=False)
print("".join(file.open().readlines()[:4]))

# %% [markdown]
# ## Five lines
#
# Read it, say which column is to be explained, and ask.

# %%
table = pd.read_csv(file)
found = discover.table(table[["height", "diameter"]], table["time"], target="time")
print(found)

# %% [markdown]
# Read it from the top:
#
# * **recovered** is the [verdict](guide/glossary.md#verdict). No other formula comes near this one. A *nat* is a unit
#   of evidence: 6 of them are odds of 400.
# * `time = 0.45127(62)*sqrt(height)`: the diameter is not in it. The exponent 1/2 was not given to the search: it was
#   measured, and no other simple number fits.
# * **the number in brackets** is the [standard error](guide/glossary.md#standard-error) in the last digits. The truth
#   is sqrt(2 / 9.81):

# %%
print(f"true coefficient {np.sqrt(2 / 9.81):.4f}; found {found.terms[0].coefficient.estimate:.4f}")

# %% [markdown]
# * **residuals** say how far the points are from the formula: as far as the stop watch errs, and in proportion to the
#   time. That was found out, too.
#
# ## Look at it
#
# Residuals are what the formula leaves over, in units of its typical error. With a right formula they have no
# pattern, and lie in the blue band but for one in twenty.

# %%
panels = plot.residuals(found, table[["height", "diameter"]], table["time"])
panels[0].figure

# %% [markdown]
# The search has weighed many formulas. The *front* has the best of every complexity: a longer formula always fits a
# little better, and has to be worth its length.

# %%
plot.front(found).figure

# %% [markdown]
# ## Use it
#
# As numbers, as source without dependencies, in a paper, or in a model:

# %%
print(found.predict(pd.DataFrame({"height": [100.0], "diameter": [0.05]})))  # far outside of the table
print(found.to_python())
print(found.latex)
found.save(folder / "law.json")  # and discover.load(...) reads it
plot.report(found, folder / "law.html", table[["height", "diameter"]], table["time"])  # one page, to keep

# %% [markdown]
# All of this without Python: `nalu-jax fit balls.csv --target time --report law.html`. The command also keeps rows
# back, and judges the formula by them.
#
# ## With units of measure
#
# Say the units, and only formulas that are consistent are weighed: metres are not added to seconds, and a number in the
# formula gets the unit that makes it right. `constants=` has what you know by name; g is then no longer hidden in 0.45.

# %%
units = {"height": "m", "diameter": "m", "time": "s"}
physical = discover.table(
    table[["height", "diameter"]], table["time"], target="time", units=units, constants={"g": (9.81, "m/s^2")}
)
physical  # the last line of a cell is shown with its formula set

# %% [markdown]
# 1.414 is the square root of 2: the formula is sqrt(2 h / g). Units also help where data are few or noisy, since they
# leave far fewer formulas to choose from.
#
# ## When a column is missing
#
# Leave the height out. The diameter explains nothing:

# %%
without = discover.table(table[["diameter"]], table["time"], target="time")
print(without)

# %% [markdown]
# It is not always said so plainly, for the verdict speaks of formulas and not of columns: where some of the columns
# that matter are there, the best formula of these comes out. The residuals tell: tens of percent, where a stop watch
# has one. So **compare the residuals with what you know of your instrument**. Much larger ones mean that something is
# missing.
#
# ## "several candidates alike"
#
# The same balls, but from the middle floors only. Over so small a range a root and a straight line are one curve.

# %%
low = table[(table["height"] > 12.0) & (table["height"] < 20.0)]
few = discover.table(low[["height"]], low["time"], target="time")
print(few.verdict, "-", few.reason)
for other in few.alike[:4]:
    print("  ", other)

# %% [markdown]
# This is no failure but a statement about the data: they do not tell these formulas apart. The cure is in the
# formulas themselves. Where do they differ most? Measure there:

# %%
heights = np.array([1.0, 12.0, 20.0, 100.0])
for candidate in (few.best, *few.alike[:3]):
    print(f"{str(candidate):42}", candidate.predict(heights[:, None]).round(2))

# %% [markdown]
# ## "no simple formula found"
#
# What to do then, in this order:
#
# 1. Look at `plot.residuals`. A pattern against a column says that something of this column is missing.
# 2. Is there a column that you have not brought? Bring it, also if it hardly changes.
# 3. Are columns made of each other (sums, shares, standardised values)? Bring the raw ones. Standardising destroys
#    laws: there is no formula in (x - mean) / deviation that was one in x.
# 4. More rows help less than a wider range.
# 5. Ask for less: `functions=()` leaves out sines and exponentials, `nested=False` quotients of sums.
# 6. Perhaps there is none. A table of opinions, prices or clicks need not have a law, and a formula that is found
#    anyway describes the past.
#
# ## Exercise
#
# The workshop's second file has the range of a ball that is thrown from the ground: `range = v**2 * sin(2 * angle) /
# g`. Make 40 rows with 1 % of noise, and find it. Which range of angles does it take, to tell the sine from a power?
#
# <details><summary>An answer</summary>
#
# ```
# v, angle = generator.uniform(5, 20, 40), generator.uniform(0.1, 1.4, 40)
# distance = v**2 * np.sin(2 * angle) / 9.81 * (1 + 0.01 * generator.normal(size=40))
# print(discover.table(np.stack([v, angle], 1), distance, names=["v", "angle"], target="distance"))
# ```
#
# With angles from 0.1 to 0.4 it is a sine only just, or not at all: there `sin(2 * angle)` is nearly `2 * angle`.
#
# </details>

# %%
assert found.verdict == "recovered" and found.formula.endswith("*sqrt(height)")
[term] = found.terms
assert abs(term.coefficient.estimate - np.sqrt(2 / 9.81)) < 4 * term.coefficient.error
assert physical.verdict == "recovered" and "sqrt(height)/sqrt(g)" in physical.formula
assert without.verdict == "no simple formula found" and without.deviation > 0.2 > 0.02 > found.deviation
assert few.verdict == "several candidates alike"
v, angle = generator.uniform(5, 20, 40), generator.uniform(0.1, 1.4, 40)
distance = v**2 * np.sin(2 * angle) / 9.81 * (1 + 0.01 * generator.normal(size=40))
throw = discover.table(np.stack([v, angle], 1), distance, names=["v", "angle"], target="distance")
assert "sin(2" in throw.formula and throw.verdict == "recovered", str(throw)
