"""Runs one peer on one table, in an environment of its own: a task as JSON in, the answer as the last line out.

It imports nothing of this repository, so that peers may need other versions of packages than nalu_jax does. The task
is {"method", "x", "y", "sigma", "seconds", "seed"}, the answer {"formula", "seconds"}: Python, of x0, x1, ...
"""

import json
import re
import sys
import time
import warnings

import numpy as np

GPLEARN_POPULATION = 1_000  # gplearn's default
LASSO_DEGREE = 3
LASSO_FOLDS = 5


def pyoperon(x, y, sigma, seconds, seed):
    """Operon, with the functions of our family; its choice from its front by description length of known sigma."""
    from pyoperon.sklearn import SymbolicRegressor  # pyright: ignore[reportMissingImports]

    found = SymbolicRegressor(
        allowed_symbols="add,sub,mul,div,pow,sqrt,exp,log,sin,cos,tanh,constant,variable",
        optimizer_iterations=10,
        max_length=40,
        max_evaluations=10**9,
        generations=10**6,
        max_time=int(seconds),
        objectives=["r2", "length"],
        model_selection_criterion="minimum_description_length",
        uncertainty=[sigma],
        n_threads=1,
        random_state=seed,
    )
    found.fit(x, y)
    text = found.get_model_string(found.model_, precision=12)
    return re.sub(r"X(\d+)", lambda match: f"x{int(match[1]) - 1}", text).replace("^", "**")


def gplearn(x, y, sigma, seconds, seed):
    """gplearn, generation by generation until time is up."""
    from gplearn.genetic import SymbolicRegressor  # pyright: ignore[reportMissingImports]

    end = time.perf_counter() + seconds
    found = SymbolicRegressor(
        population_size=GPLEARN_POPULATION,
        generations=1,
        function_set=("add", "sub", "mul", "div", "sqrt", "log", "sin", "cos", "inv"),
        parsimony_coefficient=0.001,
        const_range=(-5.0, 5.0),
        warm_start=True,
        random_state=seed,
    )
    found.fit(x, y)
    while time.perf_counter() < end:
        found.set_params(generations=found.generations + 1)
        found.fit(x, y)
    return re.sub(r"X(\d+)", r"x\1", str(found._program))


def lasso(x, y, sigma, seconds, seed):
    """Polynomials of the inputs, chosen by the cross-validated lasso and fitted again without it."""
    from sklearn.linear_model import LassoCV
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    features = PolynomialFeatures(LASSO_DEGREE, include_bias=False)
    columns = features.fit_transform(x)
    chosen = LassoCV(cv=LASSO_FOLDS, random_state=seed).fit(StandardScaler().fit_transform(columns), y).coef_ != 0
    design = np.column_stack([np.ones(len(y)), columns[:, chosen]])
    coefficients = np.linalg.lstsq(design, y, rcond=None)[0]
    terms = [repr(float(coefficients[0]))]
    for value, powers in zip(coefficients[1:], features.powers_[chosen], strict=True):
        terms.append("*".join([repr(float(value)), *(f"x{j}**{p}" for j, p in enumerate(powers) if p)]))
    return " + ".join(terms)


def main():
    """Read a task, answer it."""
    task = json.load(sys.stdin)
    x, y = np.array(task["x"]), np.array(task["y"])
    start = time.perf_counter()
    with warnings.catch_warnings(action="ignore"):
        method = {"pyoperon": pyoperon, "gplearn": gplearn, "lasso": lasso}[task["method"]]
        formula = method(x, y, task["sigma"], task["seconds"], task["seed"])
    print()
    print(json.dumps({"formula": formula, "seconds": time.perf_counter() - start}))


if __name__ == "__main__":
    main()
