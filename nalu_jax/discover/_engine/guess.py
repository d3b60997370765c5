"""Formulas that a person proposes: where fits begin, as they are and with all exponents free."""

from typing import NamedTuple

import numpy as np

from nalu_jax.discover._engine import settings
from nalu_jax.discover._engine.candidate import Column, Noise, scale_powers
from nalu_jax.discover._engine.columns import noise_weights
from nalu_jax.discover._engine.fit import improve, start
from nalu_jax.discover._engine.forms import Form
from nalu_jax.discover._engine.structure import Fitted, finish
from nalu_jax.discover._engine.tables import Tables


class Guess(NamedTuple):
    """A formula as it is written: its form, columns (n of them), exponents (K, n) and coefficients (K,)."""

    form: Form
    columns: tuple[Column, ...]
    exponents: np.ndarray
    coefficients: np.ndarray


def from_guess(guess: Guess, tables: Tables, noise: Noise) -> list[Fitted]:
    """The formula fitted to the table: with its exponents kept, and with all of them free and rounded again."""
    derived = tuple(column for column in guess.columns if not column.plain)
    _, table, judged = tables.sizes(derived)
    places = {column: place for place, column in enumerate(table.columns)}
    if not all(column in places for column in guess.columns):
        return []  # it has an input that was screened out, or is not to be used
    exponents = np.zeros((1, guess.form.terms, table.width))
    exponents[0][:, [places[column] for column in guess.columns]] = guess.exponents
    parity = np.where(table.signed, np.abs(np.round(exponents)).astype(int) % 2, 0)
    logs = np.log(np.abs(guess.coefficients) + 1e-300) + exponents[0] @ table.centre
    logs = logs - scale_powers(guess.form) * np.log(table.target_scale)
    coefficients = np.sign(guess.coefficients) * np.exp(np.clip(logs, -690, 690))
    batch = start(table, exponents, parity, coefficients[None])
    found: list[Fitted] = []
    for free in (np.zeros(batch.free.shape, bool), batch.free):
        weights = noise_weights(table, noise, table.target)
        fitted = improve(table, guess.form, batch._replace(free=free), weights, steps=settings.LATER_STEPS)
        found += finish(judged, guess.form, fitted, noise) if np.isfinite(fitted.rss).all() else []
    return found
