"""From measurements to formulas: `ode` finds the equations behind trajectories.

>>> import numpy as np
>>> from nalu_jax import discover
>>> ts = np.linspace(0.0, 2.0, 21)
>>> found = discover.ode(ts, np.exp(-1.5 * ts), names=["mass"], progress=False)
>>> found.verdict, [str(equation.round(6)) for equation in found.best.equations]
('recovered', ['-1.5*mass'])
>>> float(found.simulate([0.0, 1.0], [2.0])[-1, 0].round(6))
0.44626
"""

from ._ode import ode as ode
from ._result import Candidate as Candidate
from ._result import Discovery as Discovery
