"""Read-out: from trained weights to a formula that equals the layer.

    prune            what costs least goes to zero, one after another, the rest refitted each time
    snap             what is a simple number within its error becomes one, the rest refitted each time
    standard_errors  of exponents and coefficients; plus_minus prints a number with its own
    to_sympy         the formula of a unit, chain, layer or flat vector; text, latex and table print it
    read             the formulas of all units in a model, wherever they are in it
    from_sympy       a sum of monomials as params
    consistent       powers of which every product has the unit of measure asked for

prune, snap and standard_errors work on any tree of float arrays, to_sympy on every unit of `UNITS`. float64 is advised:
in float32 a formula is found as well, with fewer digits to tell 1.4999 from 3/2.

>>> from nalu_jax import chain, nau, real_npu, symbolic
>>> params = symbolic.from_sympy("2*x*y - 5/x**2")  # a warm start; trained params are of the same form
>>> symbolic.text(symbolic.to_sympy(chain(real_npu, nau), params, domain="positive", eps=False))
'-5/x**2 + 2*x*y'
"""

# units of measure
from ..units._consistent import consistent

# formulas
from ._from_sympy import from_sympy
from ._path import Path, Step
from ._print import latex, table, text

# fewer and simpler numbers
from ._prune import prune
from ._read import read
from ._snap import snap
from ._standard_errors import plus_minus, standard_errors
from ._to_sympy import to_sympy

__all__ = [
    "consistent",
    "from_sympy",
    "Path",
    "Step",
    "latex",
    "table",
    "text",
    "read",
    "to_sympy",
    "prune",
    "snap",
    "plus_minus",
    "standard_errors",
]


def __dir__() -> list[str]:
    return sorted(__all__)
