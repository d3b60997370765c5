"""From a table to a formula: restarts, pruning, error bars, simple numbers."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import sympy

from .. import symbolic, training
from .._unit import Chain
from . import _table_checks, _table_search
from ._table_search import Data

SEARCHED_ROWS = 2_000
"""More rows than these are not used to choose a restart, only from pruning on."""

EVIDENCE = 6.0
"""By how much a formula's BIC has to be lower than that of a simpler one: "strong evidence" of Kass and Raftery, "Bayes
factors", JASA 90:773 (1995)."""

NUMBERS_TO_SNAP = 100.0
"""Coefficients beyond it stay as they are: every large number is near an integer."""


class Term(NamedTuple):
    """coefficient * product of inputs ** exponents, with standard errors; 0 is the error of a pinned number.

    Attributes:
        coefficient, coefficient_error: floats.
        exponents, exponent_errors: (n_in,) arrays.
    """

    coefficient: float
    coefficient_error: float
    exponents: np.ndarray
    exponent_errors: np.ndarray


class Found(NamedTuple):
    """What `table` found. Params are NumPy arrays in float64, in the units of measure of the table.

    Attributes:
        formula: the formula in simple numbers, as text that Python and SymPy read.
        expression: the same as a SymPy expression.
        raw: the expression before any number was rounded.
        terms: the terms of `raw` with standard errors, largest first.
        model, params: the formula as RealNPU -> NAU: `model.apply(params, x)[:, 0]`.
        names: of the inputs.
        symbols: the SymPy symbols of the inputs.
        path: of the pruning, a `symbolic.Path` in columns of unit size; None where Ctrl-C came before.
        path_formulas: the formula of each of its steps, in the units of the table, as text.
        snapped: of the rounding; None where Ctrl-C came before.
        fit: the restarts, what `training.fit` returned.
        scale: of the residuals: "absolute" or "relative".
        interrupted: whether Ctrl-C ended the search before its end.
    """

    formula: str
    expression: sympy.Expr
    raw: sympy.Expr
    terms: tuple[Term, ...]
    model: Chain
    params: Any
    names: tuple[str, ...]
    symbols: tuple[sympy.Symbol, ...]
    path: symbolic.Path | None
    path_formulas: tuple[str, ...]
    snapped: symbolic.Path | None
    fit: training.Fit
    scale: str
    interrupted: bool

    def predict(self, x: Any) -> np.ndarray:
        """y (n,) of x (n, n_in), in float64."""
        with jax.enable_x64(True):
            x = jnp.asarray(np.asarray(x, float))
            return np.asarray(self.model.apply(jax.tree.map(jnp.asarray, self.params), x)[:, 0])


def table(
    x: Any,
    y: Any,
    *,
    names: Sequence[str] | None = None,
    target: str = "y",
    domain: str = "real",
    error: str | None = None,
    powers: int | None = None,
    restarts: int = 64,
    steps: int = _table_search.STEPS,
    seed: int = 0,
    progress: bool = True,
) -> Found:
    """A sum of products of powers of the columns of x that gives y.

    RealNPU -> NAU with 1, 2, ... products, each with many restarts, are trained at once; then exponents and
    coefficients are pruned by backward elimination and rounded where the data allow it (`symbolic.prune`,
    `symbolic.snap`), each time with a refit of the rest. The Bayesian information criterion decides how much remains:
    the simplest formula of which no other one's BIC is lower by more than 6. All of it is computed in float64, whatever
    JAX is set to, and the same seed gives the same formula.

    Args:
        x: (n, n_in) numbers.
        y: (n,) numbers.
        names: of the columns of x; x0, x1, ... where not given.
        target: the name of y.
        domain: "positive" where all inputs are, lengths or masses; "real" also allows negative ones.
        error: "absolute", residuals are differences; "relative", they are logarithms of ratios. By default relative in
            the positive domain where y is positive too, and absolute otherwise.
        powers: the largest number of products; by default 4, or fewer where there are few rows.
        restarts: for every number of products.
        steps: of Adam, before Levenberg-Marquardt.
        seed: of the restarts, and of the rows that they see where there are more than `SEARCHED_ROWS`.
        progress: whether to show progress bars.

    Returns:
        A `Found`. Ctrl-C ends the search with the best formula so far, and `interrupted` set.

    Raises:
        ValueError: a column that is constant, not finite, or not positive in the positive domain; fewer rows than
            parameters; y of 0 with relative errors. The message names column and row.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    n_in = x.shape[-1] if x.ndim else 0
    names = tuple(f"x{i}" for i in range(n_in)) if names is None else tuple(names)
    _table_checks.check_table(x, y, names, target, domain)
    scale = _table_checks.error_scale(y, target, domain, error)
    powers = _table_checks.powers_for(len(y), n_in, powers, target)
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        units = np.exp(np.mean(np.log(np.where(x == 0, 1.0, np.abs(x))), axis=0)), float(np.sqrt(np.mean(y**2)))
        weight = 1 / np.abs(y) if scale == "relative" else np.full_like(y, 1 / units[1])
        data = Data(jnp.asarray(x / units[0]), jnp.asarray(y / units[1]), jnp.asarray(weight * units[1]))
        network = _table_search.model(domain)
        searched = _table_search.search(
            network,
            _some_rows(data, seed),
            powers=powers,
            restarts=restarts,
            key=jax.random.key(seed),
            steps=steps,
            progress="restarts" if progress else False,
        )
        own = Data(jnp.asarray(x), jnp.asarray(y), jnp.asarray(weight))
        reading = _read(network, searched, data, own, units, scale)
    return _found(network, reading, names, domain, searched.fit, scale)


def _some_rows(data: Data, seed: int) -> Data:
    rows = data.y.size
    if rows <= SEARCHED_ROWS:
        return data
    chosen = np.sort(np.random.default_rng(seed).choice(rows, SEARCHED_ROWS, replace=False))
    return jax.tree.map(lambda leaf: leaf[chosen], data)


class _Reading(NamedTuple):
    """Raw params and their errors, and those in simple numbers, in the units of the table; the paths to them."""

    raw: Any
    errors: Any
    simple: Any
    path: symbolic.Path | None = None
    path_params: tuple[Any, ...] = ()
    snapped: symbolic.Path | None = None
    interrupted: bool = False


def _read(
    network: Chain, searched: _table_search.Searched, scaled: Data, data: Data, units: Any, scale: str
) -> _Reading:
    """Prune, find error bars and snap; where Ctrl-C comes, what there is by then."""
    loss, (rows, n_in) = _table_search.residuals(network, scale), scaled.x.shape
    best = searched.best
    params = jax.tree.map(lambda leaf: leaf[best], searched.params)
    raw = _to_table_units(params, units)
    reading = _Reading(raw, jax.tree.map(lambda leaf: np.full_like(leaf, np.nan), raw), raw, interrupted=True)
    if searched.fit.interrupted:
        return reading
    try:
        used = np.arange(params[1]["w"].size) <= best
        free = (
            {"re": np.tile(used, (n_in, 1)), "gate": np.zeros(n_in, bool)},
            {"w": used[:, None]},
        )
        path = _simplest(symbolic.prune(loss, params, scaled, free=free))
        raw = _to_table_units(path.best.params, units)
        steps = tuple(_to_table_units(step.params, units) for step in path.steps)
        reading = reading._replace(raw=raw, simple=raw, path=path, path_params=steps)
        errors = symbolic.standard_errors(loss, raw, data, free=path.best.free)
        reading = reading._replace(errors=errors)
        # in the budget of the BIC: what all numbers that are still free are worth, and the evidence asked for
        factor = float(np.exp((EVIDENCE + path.best.complexity * np.log(rows)) / rows))
        entries = _may_be_simple(raw)
        snapped = _simplest(symbolic.snap(loss, raw, data, factor=factor, free=path.best.free, entries=entries))
        return reading._replace(simple=snapped.best.params, snapped=snapped, interrupted=False)
    except KeyboardInterrupt:
        return reading


def _simplest(path: symbolic.Path) -> symbolic.Path:
    """The path with the simplest formula chosen of which no other one's BIC is lower by more than EVIDENCE."""
    bics = np.array([step.bic for step in path.steps])
    return path._replace(chosen=int(np.flatnonzero(bics <= bics.min() + EVIDENCE)[-1]))


def _to_table_units(params: Any, units: tuple[np.ndarray, float]) -> Any:
    """From y / s = sum w prod (x / t)^e to y = sum w' prod x^e: w' = w s prod t^-e."""
    first, last = (jax.tree.map(np.asarray, part) for part in params)
    factor = units[1] * np.exp(-np.log(units[0]) @ first["re"])
    return first, {"w": last["w"] * factor[:, None]}


def _may_be_simple(params: Any) -> Any:
    """Exponents, and coefficients that are not large."""
    first, last = params
    every = {name: np.ones(leaf.shape, bool) for name, leaf in first.items()}
    return every, {"w": np.abs(last["w"]) <= NUMBERS_TO_SNAP}


def _found(
    network: Chain, reading: _Reading, names: tuple[str, ...], domain: str, fit: training.Fit, scale: str
) -> Found:
    symbols = tuple(sympy.Symbol(name, positive=True if domain == "positive" else None, real=True) for name in names)

    def expression(params: Any, digits: int = 6) -> sympy.Expr:
        return symbolic.to_sympy(network, params, symbols, domain=domain, digits=digits, eps=False)[0]

    simple = expression(reading.simple)
    return Found(
        formula=symbolic.text(simple),
        expression=simple,
        raw=expression(reading.raw),
        terms=_terms(reading.raw, reading.errors),
        model=network,
        params=jax.tree.map(np.asarray, reading.simple),
        names=names,
        symbols=symbols,
        path=reading.path,
        path_formulas=tuple(symbolic.text(expression(params, digits=4)) for params in reading.path_params),
        snapped=reading.snapped,
        fit=fit,
        scale=scale,
        interrupted=reading.interrupted,
    )


def _terms(params: Any, errors: Any) -> tuple[Term, ...]:
    weights, exponents = params[1]["w"][:, 0], params[0]["re"].T
    weight_errors, exponent_errors = np.asarray(errors[1]["w"])[:, 0], np.asarray(errors[0]["re"]).T
    terms = [
        Term(float(w), float(dw), e, de)
        for w, dw, e, de in zip(weights, weight_errors, exponents, exponent_errors, strict=True)
        if w != 0
    ]
    return tuple(sorted(terms, key=lambda term: -abs(term.coefficient)))
