"""Success counts with Wilson's interval.

>>> from nalu_jax import training
>>> [round(bound, 3) for bound in training.wilson(20, 25)]
[0.609, 0.911]
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _arguments


@dataclasses.dataclass(frozen=True, repr=False)
class Success:
    """One row of a success table: low and high bound the rate with the table's confidence."""

    group: Any
    successes: int
    runs: int
    rate: float
    low: float
    high: float

    def __repr__(self) -> str:
        return f"Success({self.group!r}: {self.successes}/{self.runs} [{self.low:.2f}, {self.high:.2f}])"


@_arguments.checked(
    "training.wilson", successes=_arguments.count(0), runs=_arguments.count(), level=_arguments.number(0.0, 1.0)
)
def wilson(successes: int, runs: int, *, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for the rate of successes (E. B. Wilson, JASA 22:209, 1927), from SciPy.

    Raises:
        ValueError: not 0 <= successes <= runs, or no runs at all, or level outside of (0, 1).
    """
    from scipy.stats import binomtest  # takes longer to import than the rest of the package

    if runs < 1:
        raise ValueError(f"wilson: expected at least one run, got {runs}.")
    interval = binomtest(int(successes), int(runs)).proportion_ci(confidence_level=level, method="wilson")
    return float(interval.low), float(interval.high)


@_arguments.checked("training.success_table", success=_arguments.array(), level=_arguments.number(0.0, 1.0))
def success_table(success: Any, groups: Sequence[Any] | None = None, *, level: float = 0.95) -> list[Success]:
    """One row for each group, in the order of their first appearance.

    Args:
        success: (restarts,) bool, for example `~fit.failed & (test_error < 1e-5)`.
        groups: (restarts,) what each restart belongs to, for example its range; all to one group "all" by default.

    Raises:
        ValueError: success and groups are not of one length.
    """
    success = np.asarray(success, bool).ravel()
    labels = ["all"] * success.size if groups is None else list(groups)
    if len(labels) != success.size:
        raise ValueError(
            f"success_table: {success.size} restarts, but {len(labels)} groups; give one for each restart."
        )
    rows = []
    for group in dict.fromkeys(labels):
        hits = success[[label == group for label in labels]]
        successes = int(hits.sum())
        low, high = wilson(successes, hits.size, level=level)
        rows.append(Success(group, successes, hits.size, successes / hits.size, low, high))
    return rows
