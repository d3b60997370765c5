"""Exponents as parameters of the fit, then rounded to simple numbers, one after another, while the others move along.

The lattice, its prices and what rounding costs are those of the search for formulas of tables.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from nalu_jax.discover._engine import lattice, rounding
from nalu_jax.discover._systems import library, settings
from nalu_jax.discover._systems.search import Search
from nalu_jax.discover._systems.shooting import Fit
from nalu_jax.discover._systems.structure import Structure
from nalu_jax.discover._systems.terms import Term
from nalu_jax.discover._systems.verdict import covariance_of


def free_and_round(run: Search, begin: Fit, signed: Sequence[bool]) -> None:
    """Of one fit the exponents set free, fitted, and rounded again one after another."""
    structure, parameters = freed(begin.structure, begin.parameters, signed)
    if run.ended() or not structure.free or structure.key in run.fits:
        return
    current = run.tried(structure, parameters, begin.nodes, begin.sigma)
    while current is not None and current.structure.free and not run.ended():
        step = _rounded(current)
        if step is None:
            return
        current = run.tried(*step, current.nodes, current.sigma)


def freed(structure: Structure, parameters: np.ndarray, signed: Sequence[bool]) -> tuple[Structure, np.ndarray]:
    """The structure with all exponents of variables that are never negative as parameters, where they are not 0."""
    known = structure.powers(parameters)
    place = {term: k for k, term in enumerate(structure.columns.terms)}

    def free(term: Term) -> Term:
        powers = tuple(known[place[term]].tolist())
        is_free = tuple(power != 0 and not is_signed for power, is_signed in zip(powers, signed, strict=True))
        return _priced(dataclasses.replace(term, powers=powers, free=is_free if any(is_free) else ()))

    made = _mapped(structure, free)
    exponents = [made.columns.terms[k].powers[j] for k, j in made.free]
    return made, np.concatenate([parameters[: structure.coefficients], exponents])


def _priced(term: Term) -> Term:
    """The term with the price of its name."""
    if term.functions:
        return term
    if term.whole:
        return dataclasses.replace(term, price=library.monomial_price(len(term.powers), int(term.degree)))
    return dataclasses.replace(term, price=library.real_price(term.powers, len(term.powers), term.free))


def _mapped(structure: Structure, change: Callable[[Term], Term]) -> Structure:
    each = lambda parts: tuple(tuple(change(term) for term in terms) for terms in parts)
    return Structure(each(structure.numerators), each(structure.denominators))


def _rounded(fit: Fit) -> tuple[Structure, np.ndarray] | None:
    """The fit with one exponent fixed at the simple number that costs least; None where all cost too much."""
    structure = fit.structure
    count = structure.coefficients
    covariance = covariance_of(fit)
    if not np.isfinite(covariance).all():
        return None
    rows = fit.residuals.size
    quadratic = rounding.Quadratic(
        fit.parameters[None].copy(), covariance[None].copy(), np.ones(1), np.array([float(rows)])
    )
    free = np.ones((1, len(structure.free)), bool)
    odd = np.zeros((1, len(structure.free), len(lattice.VALUES)))
    names = lattice.prices(structure.n_variables)
    losses = rounding.losses(quadratic, free, names, rows, odd)[0]
    place, value = np.unravel_index(int(losses.argmin()), losses.shape)
    if losses[place, value] > settings.ROUNDING_SLACK:
        return None
    rounding.fix(quadratic, 0, count + int(place), float(lattice.VALUES[value]))
    parameters = quadratic.parameters[0]
    k, j = structure.free[int(place)]
    chosen = structure.columns.terms[k]

    def fixed(term: Term) -> Term:
        if term != chosen:
            return term
        powers = tuple(float(lattice.VALUES[value]) if i == j else power for i, power in enumerate(term.powers))
        is_free = tuple(own and i != j for i, own in enumerate(term.free))
        return _priced(dataclasses.replace(term, powers=powers, free=is_free if any(is_free) else ()))

    made = _mapped(structure, fixed)
    return merged(made, np.delete(parameters, count + int(place)))


def merged(structure: Structure, parameters: np.ndarray) -> tuple[Structure, np.ndarray]:
    """The structure with equal terms of an equation put together."""
    numbers, numerators, denominators = [], [], []
    for i, (begin, bar, end) in enumerate(structure.spans):
        for terms, values, into in (
            (structure.numerators[i], parameters[begin:bar], numerators),
            (structure.denominators[i], parameters[bar:end], denominators),
        ):
            total: dict[Term, float] = {}
            for term, value in zip(terms, values, strict=True):
                total[term] = total.get(term, 0.0) + float(value)
            into.append(tuple(total))
            numbers += total.values()
    made = Structure(tuple(numerators), tuple(denominators))
    old = {(structure.columns.terms[k], j): m for m, (k, j) in enumerate(structure.free)}
    exponents = [parameters[structure.coefficients + old[made.columns.terms[k], j]] for k, j in made.free]
    return made, np.array([*numbers, *exponents])
