"""Products of simple powers, the cheapest first: what starts are made of.

>>> exponents, _ = products_of_powers((False, True), (False, False), (False, False), inputs=2, limit=4)
>>> exponents.tolist()
[[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]]
"""

import heapq
from functools import lru_cache

import numpy as np

from nalu_jax.discover._engine import settings
from nalu_jax.discover._engine.columns import Table, has_zero
from nalu_jax.discover._engine.lattice import VALUES, prices


def library(table: Table, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Exponents (M, n) and parity (M, n) of the cheapest products that the table's columns allow."""
    return products_of_powers(
        tuple(table.signed.tolist()),
        tuple(table.constant.tolist()),
        tuple(has_zero(table).tolist()),
        inputs=table.inputs,
        limit=limit,
    )


@lru_cache(maxsize=256)
def products_of_powers(
    signed: tuple[bool, ...], constant: tuple[bool, ...], zero: tuple[bool, ...], *, inputs: int, limit: int
) -> tuple[np.ndarray, np.ndarray]:
    """Exponents (limit or fewer, n) by price, the constant first, and the parity of each.

    Args:
        signed: columns that take whole powers only.
        constant: columns that take none.
        zero: columns that take no negative ones.
        inputs: for the prices.
        limit: number of products.
    """
    choices = [_choices(*flags, inputs=inputs) for flags in zip(signed, constant, zero, strict=True)]
    found: list[tuple[float, ...]] = []
    # a product is named by its columns and the place of each power among the column's choices, which are in order of
    # price: its successors raise the last power, or append a column with its cheapest one
    heap: list[tuple[float, tuple[tuple[int, int], ...]]] = [(0.0, ())]
    while heap and len(found) < limit:
        cost, name = heapq.heappop(heap)
        row = [0.0] * len(choices)
        for column, place in name:
            row[column] = choices[column][place][1]
        found.append(tuple(row))
        if name:
            column, place = name[-1]
            if place + 1 < len(choices[column]):
                raised = cost - choices[column][place][0] + choices[column][place + 1][0]
                heapq.heappush(heap, (raised, (*name[:-1], (column, place + 1))))
        if len(name) < settings.LIBRARY_ACTIVE:
            for column in range(name[-1][0] + 1 if name else 0, len(choices)):
                if choices[column]:
                    heapq.heappush(heap, (cost + choices[column][0][0], (*name, (column, 0))))
    exponents = np.array(found).reshape(len(found), len(choices))
    parity = (np.abs(exponents).astype(int) % 2) * np.array(signed, int)
    for array in (exponents, parity):
        array.setflags(write=False)
    return exponents, parity


def _choices(signed: bool, constant: bool, zero: bool, *, inputs: int) -> list[tuple[float, float]]:
    """(price above that of absence, power) of one column, the cheapest first."""
    if constant:
        return []
    names = prices(inputs)
    allowed = []
    for value, price in zip(VALUES, names.lattice, strict=True):
        step = 1 if signed else 2
        if value == 0 or abs(value) > settings.LIBRARY_EXPONENT or value * step != round(value * step):
            continue
        if not (zero and value < 0):
            allowed.append((float(price - names.zero), float(value)))
    return sorted(allowed, key=lambda choice: (choice[0], -choice[1]))


def best_pairs(unit: np.ndarray, goal: np.ndarray, most: int) -> np.ndarray:
    """(most, 2) places of the pairs of columns of `unit` (rows, M) that explain most of `goal` (rows,), in order.

    In closed form from the Gram matrix, all pairs; the columns have length 1.
    """
    gram = unit.T @ unit
    one = goal @ unit
    count = len(one)
    gram = joint_gains(gram, one)
    gram[np.tril_indices(count)] = -1
    flat = gram.ravel()
    most = min(most, count * (count - 1) // 2)
    if most < 1:
        return np.zeros((0, 2), int)
    top = np.argpartition(flat, -most)[-most:]
    top = top[np.argsort(-flat[top], kind="stable")]
    return np.stack(np.divmod(top, count), 1)


def joint_gains(gram: np.ndarray, one: np.ndarray) -> np.ndarray:
    """(..., M, M) what each pair explains, one_j^2 + (one_k - g one_j)^2 / (1 - g^2), of Gram matrices (..., M, M),
    which are overwritten, and (..., M) what each column explains."""
    gains = gram * one[..., :, None]
    gains -= one[..., None, :]
    gains *= gains
    gram *= gram
    np.subtract(1, gram, out=gram)
    gram[gram < 1e-6] = np.inf
    gains /= gram
    gains += (one**2)[..., :, None]
    return gains


def best_triples(unit: np.ndarray, goal: np.ndarray, most: int, *, each: int = 4) -> np.ndarray:
    """(most, 3) places of triples of columns that explain most of `goal`, by exhaustion: at most `each` for a first."""
    gram, one = unit.T @ unit, goal @ unit
    found: list[tuple[float, int, int, int]] = []
    for i in range(len(one) - 2):
        along = gram[i, i + 1 :]
        left = np.maximum(1 - along**2, 1e-9)
        shrink = np.where(left < 1e-6, 0.0, 1 / np.sqrt(left))
        inner = gram[i + 1 :, i + 1 :] - np.outer(along, along)
        inner *= shrink[:, None]
        inner *= shrink
        rest = (one[i + 1 :] - along * one[i]) * shrink
        gains = joint_gains(inner, rest)
        partner = gains.argmax(1)
        gain = gains[np.arange(len(rest)), partner]
        for j in np.argpartition(gain, -min(each, len(gain)))[-each:]:
            second, third = sorted((i + 1 + int(j), i + 1 + int(partner[j])))
            found.append((float(one[i] ** 2 + gain[j]), i, second, third))
    found = sorted(set(found), reverse=True)
    return np.array([triple[1:] for triple in found[:most]], int).reshape(-1, 3)


def best_additions(unit: np.ndarray, goal: np.ndarray, chosen: np.ndarray, most: int) -> np.ndarray:
    """Places of columns of `unit` that explain most of what the columns `chosen` (rows, k) leave of `goal`."""
    basis, _ = np.linalg.qr(chosen)
    left = unit - basis @ (basis.T @ unit)
    residual = goal - basis @ (basis.T @ goal)
    length = np.sqrt(np.einsum("nm,nm->m", left, left))
    gain = np.abs(residual @ left) / np.maximum(length, 1e-3)
    return np.argsort(-gain, kind="stable")[:most]
