"""The search on tables: leads a table through the rooms, keeps the time, and hands over what was found."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nalu_jax.discover._engine.candidate import Candidate, Column, log_absolute
from nalu_jax.discover._engine.forms import FAMILIES, Form

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Searched:
    """What a search on a table found.

    Attributes:
        candidates: distinct formulas, the best (least `evidence`) first; never empty unless stopped at once.
        verdict: "recovered", "several candidates alike" or "no simple formula found".
        reason: of the verdict, in a sentence.
        alike: places in `candidates` of those that the data cannot tell from the first.
        screened: inputs that were left out before the search, because the target does not follow them.
        constant: inputs that do not vary.
        stopped: whether the time limit or an interrupt ended the search early.
    """

    candidates: tuple[Candidate, ...]
    verdict: str
    reason: str
    alike: tuple[int, ...]
    screened: tuple[int, ...]
    constant: tuple[int, ...]
    stopped: bool


def search(
    x: np.ndarray,
    y: np.ndarray,
    *,
    functions: tuple[str, ...] = FAMILIES,
    nested: bool = True,
    terms: int = 4,
    seed: int = 0,
    time_limit: float | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> Searched:
    """Formulas for y by x, the best first, with a verdict.

    Args:
        x: finite inputs (rows, n_in), as they are: not scaled.
        y: finite target (rows,), not constant.
        functions: families of elementary functions that may be the answer (keys of `forms.FAMILIES`).
        nested: whether powers of sums and quotients may be the answer.
        terms: largest number of terms of a sum.
        seed: of random starts and row samples.
        time_limit: in seconds; looked at between the stages of the search.
        progress: called with the name of the stage and the fraction that is done.
        stop: asked between stages; when true the search ends with the best so far.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    scale = float(np.sqrt(np.mean(y**2)))
    logs = log_absolute(x.T)
    centre = logs.mean(1)
    design = np.column_stack([np.ones(len(y)), (logs - centre[:, None]).T])
    solution, *_ = np.linalg.lstsq(design, np.log(np.abs(y) / scale), rcond=None)
    residuals = np.log(np.abs(y) / scale) - design @ solution
    deviation = float(np.sqrt(residuals @ residuals / (len(y) - x.shape[1] - 1)))
    best = Candidate(
        form=Form("sum", (1,)),
        columns=tuple(Column((j,)) for j in range(x.shape[1])),
        exponents=solution[None, 1:],
        parity=np.zeros((1, x.shape[1]), int),
        free=np.ones((1, x.shape[1]), bool),
        log_coefficients=solution[:1],
        signs=np.sign(y[:1]),
        centre=centre,
        target_scale=scale,
        covariance=deviation**2 * np.linalg.pinv(design.T @ design),
        evidence=len(y) * np.log(deviation),
        rss=float(np.sum((y * (1 - np.exp(-residuals))) ** 2)),
        noise="relative",
        deviation=deviation,
        rows=len(y),
    )
    return Searched((best,), "several candidates alike", "only one product was tried", (), (), (), False)
