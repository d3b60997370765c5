"""From measurements to formulas: `table` finds the formula behind columns of numbers, `ode` equations of trajectories.

`FormulaRegressor` is `table` as a scikit-learn estimator, and needs the extra `sklearn`.

>>> import numpy as np
>>> from nalu_jax import discover
>>> x = np.random.default_rng(0).uniform(0.5, 2.0, (40, 2))
>>> found = discover.table(x, 3 * x[:, 0] / x[:, 1] ** 2, names=("m", "r"))
>>> found.formula, found.verdict
('3*m/r**2', 'recovered')
>>> ts = np.linspace(0.0, 2.0, 21)
>>> found = discover.ode(ts, np.exp(-1.5 * ts), names=["mass"], progress=False)
>>> found.equations, found.verdict
(('-3*mass/2',), 'recovered')
>>> float(found.simulate([2.0], [0.0, 1.0])[-1, 0].round(6))
0.44626
"""

import importlib
from typing import TYPE_CHECKING, Any

from ._formula import Constant, Factor, Formula, Groups, KnownPart, Number, Term
from ._found import Comparison, Found
from ._front import Front
from ._intervals import Predicted
from ._json import load
from ._score import Score, score
from ._splits import Split, split
from ._table import table

if TYPE_CHECKING:
    from ._ensemble import Ensemble
    from ._found_system import FoundSystem
    from ._ode import ode
    from ._regressor import FormulaRegressor
    from ._system import System

# what the other door, or scikit-learn, has to import first: tables need neither
_LATER = {
    "ode": "_ode",
    "Ensemble": "_ensemble",
    "System": "_system",
    "FoundSystem": "_found_system",
    "FormulaRegressor": "_regressor",
}

__all__ = [
    "Comparison",
    "Constant",
    "Ensemble",
    "Factor",
    "Formula",
    "FormulaRegressor",
    "Found",
    "FoundSystem",
    "Front",
    "Groups",
    "KnownPart",
    "Number",
    "Predicted",
    "Score",
    "Split",
    "System",
    "Term",
    "load",
    "ode",
    "score",
    "split",
    "table",
]


if not TYPE_CHECKING:  # with it a type checker would let every misspelt name pass

    def __getattr__(name: str) -> Any:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            return getattr(importlib.import_module(f".{_LATER[name]}", __name__), name)
        except ImportError as error:  # an AttributeError: hasattr, help and completion go on without the extra
            raise AttributeError(f"{__name__}.{name}: {error}", name=name) from error


def __dir__() -> list[str]:
    return sorted(__all__)
