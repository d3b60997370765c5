"""From a candidate of the weak form to a fitted formula: least squares through the solver, elimination, rounding."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .. import symbolic
from .._checks import Domain
from ..ode import Data, Smooth, Windows
from . import _library, _model
from ._model import Formula
from ._search import RESOLUTION, System, nodes_of

STEPS = 20  # of every refit
EXPONENTS = ("exponents",)  # the leaf that holds them


class Setting(NamedTuple):
    """What all candidates of one data set share.

    Attributes:
        windows: of the scaled data, as JAX arrays.
        fit_starts: whether the states where windows begin are fitted too.
        domain: of the RealNPU.
        substeps: of the solver.
        known: the known part of the scaled rates.
        floor: mean square below which losses are as good as equal.
        rows: number of measurements that residuals are of.
        library: costs of all products that were tried.
    """

    windows: Windows
    fit_starts: bool
    domain: Domain
    substeps: int
    known: Callable[..., Any] | None
    floor: float
    rows: int
    library: np.ndarray


class Fitted(NamedTuple):
    """A formula with its fit.

    Attributes:
        length: twice the description length: the BIC, and what it takes to say which products they are.
        errors: standard errors in the places of the formula's numbers, 0 where they are fixed.
        starts: the states where windows begin, where they were fitted.
    """

    formula: Formula
    loss: float
    complexity: int
    bic: float
    length: float
    errors: Formula | None
    starts: np.ndarray | None


def fitted(setting: Setting, formula: Formula) -> Fitted:
    """The formula refitted."""
    loss, params, free, data = _problem(setting, formula)
    none = jax.tree.map(jnp.zeros_like, free)
    path = symbolic.prune(
        loss,
        params,
        data,
        free=free,
        entries=none,
        exponents=EXPONENTS,
        rows=setting.rows,
        floor=setting.floor,
        steps=STEPS,
    )
    return _fitted(setting, formula, path.steps[0])


def pruned(setting: Setting, formula: Formula) -> list[Fitted]:
    """The formula refitted, then with less and less: coefficients vanish, one after another."""
    loss, params, free, data = _problem(setting, formula)
    entries = jax.tree.map(jnp.zeros_like, free) | {"coefficients": free["coefficients"]}
    path = symbolic.prune(
        loss,
        params,
        data,
        free=free,
        entries=entries,
        exponents=EXPONENTS,
        rows=setting.rows,
        floor=setting.floor,
        steps=STEPS,
    )
    return [_fitted(setting, formula, step) for step in path.steps]


def snapped(setting: Setting, formula: Formula) -> list[Fitted]:
    """The formula refitted, then with simple exponents where they are within their errors of one, one after another."""
    loss, params, free, data = _problem(setting, formula)
    entries = jax.tree.map(jnp.zeros_like, free) | {"exponents": free["exponents"]}
    path = symbolic.snap(
        loss,
        params,
        data,
        free=free,
        entries=entries,
        exponents=EXPONENTS,
        tolerance=5e-3,
        rows=setting.rows,
        floor=setting.floor,
        steps=STEPS,
    )
    return [_fitted(setting, formula, step) for step in path.steps]


def with_errors(setting: Setting, fitted: Fitted) -> Fitted:
    """The same with standard errors."""
    loss, params, free, data = _problem(setting, fitted.formula, fitted.starts)
    errors = symbolic.standard_errors(loss, params, data, free=free, rows=setting.rows)
    errors = jax.tree.map(np.asarray, errors)
    zero = fitted.formula._replace(exponents=np.zeros_like(fitted.formula.exponents))
    return fitted._replace(errors=_model.formula_of(zero, errors, jax.tree.map(np.asarray, free)))


def _problem(setting: Setting, formula: Formula, starts: np.ndarray | None = None) -> tuple[Any, Any, Any, Any]:
    begin = np.asarray(setting.windows.starts) if starts is None else starts
    params, free, layout = _model.params_of(formula, begin if setting.fit_starts else None)
    n_states, n_terms = layout.exponents.shape
    loss = _model.residual(n_states, n_terms, setting.domain, setting.substeps, setting.known)
    return loss, params, free, _model.Data(layout, setting.windows)


def _fitted(setting: Setting, formula: Formula, step: symbolic.Step) -> Fitted:
    own = step.complexity - (np.size(step.params["starts"]) if setting.fit_starts else 0)
    found = _model.formula_of(formula, step.params, step.free)
    # the mean of all residuals, those of what was not measured included, as one of the measurements
    windows = setting.windows
    size = np.size(windows.ys) + (np.size(windows.starts) + np.size(windows.joins) if setting.fit_starts else 0)
    simple = np.where(found.powers, _library.nearest(found.exponents), found.exponents)
    length = step.bic + float(_library.names(simple, setting.library).sum())
    return Fitted(found, step.loss * size / setting.rows, own, step.bic, length, None, step.params.get("starts"))


def started(data: Data, smooth: Smooth, known: np.ndarray | None, system: System, positive: bool) -> Formula:
    """The formula of a candidate, with the coefficients that the weak form has for it."""
    nodes = nodes_of(data, smooth, positive)
    sums = np.einsum("tiq,tiqm->tim", smooth.weights, _library.values(system.exponents, nodes))
    changes = np.diff(smooth.ys, axis=1)
    changes = changes if known is None else changes - np.einsum("tiq,tiqk->tik", smooth.weights, known)
    coefficients = np.zeros(system.exponents.shape)
    sizes = (smooth.errors + RESOLUTION)[..., None] if (smooth.noise == 0).all() else 1.0
    for k in range(changes.shape[-1]):
        reads = system.reads[:, k]
        if not reads.any():
            continue
        matrix = (sums[..., reads] / sizes).reshape(-1, int(reads.sum()))
        target = (changes[..., k : k + 1] / sizes).reshape(-1)
        coefficients[reads, k] = np.linalg.lstsq(matrix, target, rcond=None)[0]
    return Formula(system.exponents, coefficients, system.reads, np.zeros(system.exponents.shape, bool))


def resolved(setting: Setting, formulas: Sequence[Formula], substeps: Sequence[int]) -> Setting:
    """The setting with enough steps of the solver: as many as twice of them change nothing that counts."""
    limit = max(1e-1 * setting.floor**0.5, 1e-10) if setting.floor else 1e-2
    for fewer, more in itertools.pairwise(substeps):
        values = []
        for count in (fewer, more):
            loss, params, _, data = _problem(setting._replace(substeps=count), formulas[0])
            values.append(np.asarray(jax.jit(loss)(params, data)))
        if np.sqrt(np.mean((values[1] - values[0]) ** 2)) < limit:
            return setting._replace(substeps=fewer)
    return setting._replace(substeps=substeps[-1])
