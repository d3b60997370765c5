"""Read-out: from trained weights to a formula that equals the layer.

    prune            what costs least goes to zero, one after another, the rest refitted each time
    snap             what is a simple number within its error becomes one, the rest refitted each time
    standard_errors  of exponents and coefficients
    to_sympy         the formula of a unit, chain, layer or flat vector; text, latex and table print it
    from_sympy       a sum of monomials as params
    consistent       powers of which every product has the unit of measure asked for

prune, snap and standard_errors work on any tree of float arrays, to_sympy on every unit of `UNITS`. float64 is advised:
in float32 a formula is found as well, with fewer digits to tell 1.4999 from 3/2.
"""

from ._path import Path as Path
from ._path import Step as Step
from ._prune import prune as prune
from ._snap import snap as snap
from ._standard_errors import standard_errors as standard_errors
