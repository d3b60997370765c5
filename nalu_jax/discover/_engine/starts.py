"""Where fits of sums begin: a log-linear regression, its splits, pairs and additions from the library, random ones."""

from typing import NamedTuple

import numpy as np

from nalu_jax.discover._engine import settings
from nalu_jax.discover._engine.columns import Table
from nalu_jax.discover._engine.fit import products
from nalu_jax.discover._engine.library import best_additions, best_pairs, best_triples, library

MOST_SIGN_COLUMNS = 12  # signs of more columns are not tried in all combinations


class Weighted(NamedTuple):
    """A table's library as weighted columns of length 1: `unit` (rows, M), `goal` (rows,) the weighted target."""

    exponents: np.ndarray
    parity: np.ndarray
    unit: np.ndarray
    goal: np.ndarray
    weights: np.ndarray


class Starts(NamedTuple):
    """Exponents (B, K, n) and parity (B, K, n)."""

    exponents: np.ndarray
    parity: np.ndarray


def weighted_library(table: Table, weights: np.ndarray, limit: int) -> Weighted:
    exponents, parity = library(table, limit)
    with np.errstate(all="ignore"):
        unit = (products(table, exponents, parity) * weights).T
        unit = np.where(np.isfinite(unit), unit, 0.0)
        unit = unit / (np.sqrt(np.einsum("nm,nm->m", unit, unit)) + 1e-300)
    return Weighted(exponents, parity, unit, weights * table.target, weights)


def log_linear(table: Table, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Exponents (n,) and parity (n,) of the one product that log|target| and the target's signs suggest."""
    size = np.abs(table.target)
    used = (size > 0) & np.isfinite(weights)
    row_weights = (weights * size)[used]
    row_weights = np.minimum(row_weights, 5 * np.median(row_weights) + 1e-300)
    design = np.concatenate([np.ones((1, used.sum())), np.maximum(table.logs[:, used], -40.0)]) * row_weights
    solution, *_ = np.linalg.lstsq(design.T, row_weights * np.log(size[used]), rcond=1e-10)
    most = settings.LARGEST_EXPONENT - 1
    return np.clip(solution[1:], -most, most) * ~table.constant, signs(table)


def signs(table: Table) -> np.ndarray:
    """(n,) parity whose product of signs agrees best with the target's sign, or disagrees best."""
    parity = np.zeros(table.width, int)
    columns = np.flatnonzero(table.signed)[:MOST_SIGN_COLUMNS]
    if not len(columns):
        return parity
    bits = (np.arange(2 ** len(columns))[:, None] >> np.arange(len(columns))) & 1
    agreement = np.abs((1 - 2 * ((bits @ table.negative[columns]) % 2)) @ np.sign(table.target))
    parity[columns] = bits[(agreement - 1e-6 * bits.sum(1)).argmax()]
    return parity


def single_starts(whole: tuple[np.ndarray, np.ndarray], weighted: Weighted, most: int) -> Starts:
    """One term: the log-linear regression, and products of the library that go along with the target."""
    order = np.argsort(-np.abs(weighted.goal @ weighted.unit), kind="stable")[:most]
    exponents = np.concatenate([whole[0][None], weighted.exponents[order]])
    parity = np.concatenate([whole[1][None], weighted.parity[order]])
    return Starts(exponents[:, None], parity[:, None])


def pair_starts(table: Table, whole: tuple[np.ndarray, np.ndarray], weighted: Weighted) -> Starts:
    """Two terms: the best pairs of the library, and splits of the log-linear regression.

    Splits are needed where all terms share a big factor, which no product of the library has.
    """
    pairs = best_pairs(weighted.unit, weighted.goal, 6 * settings.PAIR_STARTS)
    places = seldom(pairs, settings.PAIR_STARTS, len(weighted.exponents))
    varying = np.flatnonzero(~table.constant)
    unit = np.eye(table.width)
    moves = [unit[i] for i in varying]
    moves += [unit[i] - unit[j] for a, i in enumerate(varying) for j in varying[a + 1 :]]
    split = np.array([[whole[0] + move, whole[0] - move] for move in moves]).reshape(-1, 2, table.width)
    return Starts(
        np.concatenate([weighted.exponents[places], split]),
        np.concatenate([weighted.parity[places], np.broadcast_to(whole[1], split.shape)]).astype(int),
    )


def triple_starts(weighted: Weighted) -> Starts:
    """Three terms: the best triples among the cheapest products of the library."""
    few = weighted.unit[:, : settings.TRIPLE_PRODUCTS]
    places = best_triples(few, weighted.goal, settings.TRIPLE_STARTS)
    return Starts(weighted.exponents[places], weighted.parity[places])


def seldom(pairs: np.ndarray, most: int, count: int) -> np.ndarray:
    """The first pairs (most, 2) in which none of so many products comes too often."""
    used = np.zeros(count, int)
    chosen = []
    for pair in pairs:
        if (used[pair] < settings.PAIR_REUSE).all():
            used[pair] += 1
            chosen.append(pair)
        if len(chosen) >= most:
            break
    return np.array(chosen, int).reshape(-1, 2)


def more_terms(table: Table, fits: Starts, weighted: Weighted, each: int) -> Starts:
    """One term more than these fits: the library's best additions to each of them."""
    exponents, parity = [], []
    for old_exponents, old_parity in zip(*fits, strict=True):
        with np.errstate(all="ignore"):
            chosen = (products(table, old_exponents, old_parity) * weighted.weights).T
        if not np.isfinite(chosen).all():
            continue
        for place in best_additions(weighted.unit, weighted.goal, chosen, each):
            exponents.append(np.concatenate([old_exponents, weighted.exponents[place][None]]))
            parity.append(np.concatenate([old_parity, weighted.parity[place][None]]))
    terms = fits.exponents.shape[1] + 1
    return Starts(
        np.array(exponents).reshape(-1, terms, table.width), np.array(parity, int).reshape(-1, terms, table.width)
    )


def random_starts(
    table: Table, whole: tuple[np.ndarray, np.ndarray], terms: int, count: int, rng: np.random.Generator
) -> Starts:
    """Terms spread about the log-linear regression, some signs exchanged."""
    shape = (count, terms, table.width)
    spread = rng.choice([0.3, 1.0, 2.0], (count, 1, 1))
    one_sign = bool((table.target > 0).all() or (table.target < 0).all())
    around = whole[0] * (1.0 if one_sign else (rng.random((count, 1, 1)) < 0.5))
    exponents = around + spread * rng.normal(size=shape) * (rng.random(shape) < 0.6)
    flips = (rng.random(shape) < 0.3) & table.signed
    return Starts(exponents, (whole[1] ^ flips.astype(int)).astype(int))


def split_starts(fits: Starts, each: int, rng: np.random.Generator) -> Starts:
    """One term more than these fits: a copy of one term, moved."""
    count, terms, width = fits.exponents.shape
    which = rng.integers(terms, size=(count, each))
    moves = rng.normal(size=(count, each, width)) * 0.7
    rows = np.arange(count)[:, None]
    copies = fits.exponents[rows, which] - moves
    exponents = np.concatenate([np.repeat(fits.exponents[:, None], each, 1), copies[:, :, None]], 2)
    signs = fits.parity[rows, which]
    parity = np.concatenate([np.repeat(fits.parity[:, None], each, 1), signs[:, :, None]], 2)
    return Starts(exponents.reshape(-1, terms + 1, width), parity.reshape(-1, terms + 1, width))


def together(*starts: Starts) -> Starts:
    return Starts(*(np.concatenate(arrays) for arrays in zip(*starts, strict=True)))
