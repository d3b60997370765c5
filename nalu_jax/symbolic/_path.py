"""What `prune` and `snap` return: every step on the way, and which one was chosen."""

from typing import Any, NamedTuple

Tree = Any


class Step(NamedTuple):
    """One formula on the way. Arrays are NumPy's.

    Attributes:
        params: as those that the path began with, refitted.
        free: the same tree of booleans: True where an entry is fitted, False where it is pinned to a simple number.
        loss: of params on the data.
        complexity: number of free entries.
        bic: n ln(loss + floor) + complexity ln n, the Bayesian information criterion of a mean square of n residuals.
        changed: what was pinned in this step, as text; empty in the first.
    """

    params: Tree
    free: Tree
    loss: float
    complexity: int
    bic: float
    changed: str


class Path(NamedTuple):
    """Steps from the first refit, with everything free, to the simplest formula that was tried.

    Attributes:
        steps: one by one, each with fewer free entries than the one before.
        chosen: the index of the step that the budget or the BIC chose.
    """

    steps: tuple[Step, ...]
    chosen: int

    @property
    def best(self) -> Step:
        """The chosen step: `path.best.params`, `path.best.free`."""
        return self.steps[self.chosen]
