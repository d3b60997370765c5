"""Which of many inputs the target follows, before the search."""

import numpy as np

from nalu_jax.discover._engine import settings
from nalu_jax.discover._engine.candidate import Noise
from nalu_jax.discover._engine.columns import Table, noise_weights


def screen(table: Table) -> tuple[int, ...]:
    """Places of the columns that go on to the search, in order.

    Two looks at the table: products of powers of at most two inputs that explain the target one after the other (with
    weights of either noise), and a regression of log|target| on the logarithms of all inputs.
    """
    table_rows = np.linspace(0, table.rows - 1, min(table.rows, settings.SCREENING_ROWS)).astype(int)
    logs, target = table.logs[:, table_rows], table.target[table_rows]
    negative = table.negative[:, table_rows]
    score = _pursued(table, logs, negative, target, "relative", table_rows)
    score = score + _pursued(table, logs, negative, target, "absolute", table_rows)
    clear = _log_linear(table)
    order = np.argsort(-score, kind="stable")[: settings.KEPT_INPUTS]
    alone = np.argsort(-clear, kind="stable")[: settings.MOST_INPUTS]
    kept = {*order[score[order] > 0].tolist(), *alone[clear[alone] > settings.CLEAR_SLOPE].tolist()}
    return tuple(sorted(int(j) for j in kept)) or (int(order[0]),)


def _pursued(
    table: Table, logs: np.ndarray, negative: np.ndarray, target: np.ndarray, noise: Noise, rows: np.ndarray
) -> np.ndarray:
    """(n,) nats that the columns gain in a pursuit of the target by products of two powers."""
    powers = [(j, q) for j in np.flatnonzero(~table.constant) for q in settings.SCREENING_POWERS]
    powers = [(j, q) for j, q in powers if not table.signed[j] or q == round(q)]
    column = np.array([j for j, _ in powers])
    with np.errstate(all="ignore"):
        single = np.exp(np.clip(np.array([q for _, q in powers])[:, None] * logs[column], -60, 60))
    odd = np.array([abs(q) % 2 == 1 for _, q in powers])[:, None]
    single *= np.where(odd & (negative[column] > 0), -1.0, 1.0)
    single = np.concatenate([np.ones((1, len(rows))), single])
    column = np.concatenate([[-1], column])
    weights = noise_weights(table, noise, table.target)[rows]
    weighted = single * weights
    basis = (weights / np.sqrt(weights @ weights))[None]
    residual = weights * target
    residual = residual - basis[0] * (basis[0] @ residual)
    score = np.zeros(table.width)
    for _ in range(settings.SCREENING_STEPS):
        length = single**2 @ (weighted**2).T
        left = length - sum(((single * direction) @ weighted.T) ** 2 for direction in basis)
        gain = ((single * residual) @ weighted.T) ** 2 / np.maximum(left, 1e-6 * length + 1e-300)
        gain[column[:, None] == column[None, :]] = 0
        first, second = divmod(int(gain.argmax()), len(column))
        chosen = single[first] * weighted[second]
        chosen = chosen - basis.T @ (basis @ chosen)
        size = np.sqrt(chosen @ chosen)
        if not size > 0:
            break
        chosen /= size
        share = min(float((chosen @ residual) ** 2 / max(residual @ residual, 1e-300)), 1 - 1e-12)
        for place in {int(column[first]), int(column[second])} - {-1}:
            score[place] += -len(rows) * np.log1p(-share)
        basis = np.vstack([basis, chosen])
        residual = residual - chosen * (chosen @ residual)
    return score


def _log_linear(table: Table) -> np.ndarray:
    """(n,) squared t values of the slopes of log|target|; zeros where the rows are too few."""
    used = table.target != 0
    if used.sum() <= table.width + 5:
        return np.zeros(table.width)
    varying = np.flatnonzero(~table.constant)
    design = np.column_stack([np.ones(used.sum()), np.maximum(table.logs[varying][:, used], -40.0).T])
    goal = np.log(np.abs(table.target[used]))
    inverse = np.linalg.pinv(design.T @ design, hermitian=True)
    slopes = inverse @ (design.T @ goal)
    residual = goal - design @ slopes
    spread = residual @ residual / (len(goal) - design.shape[1]) + settings.EXACT**2 * np.var(goal)
    squared = np.zeros(table.width)
    squared[varying] = (slopes**2 / np.maximum(np.diag(inverse) * spread, 1e-300))[1:]
    return squared
