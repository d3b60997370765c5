"""Neural arithmetic units in JAX: layers that learn `+ - * /` and real powers, extrapolate, and read back as formulas.

>>> import jax
>>> from nalu_jax import npu
>>> params = npu.init(jax.random.key(0), (2, 6))
>>> npu.apply(params, jax.numpy.ones((5, 2))).shape
(5, 6)
"""

import importlib.metadata

# regularisers
from . import penalties as penalties

# units and chains over one flat vector
from ._fast import Fast as Fast
from ._fast import fast as fast
from ._fast import fast_chain as fast_chain
from ._fast import fast_nau as fast_nau
from ._fast import fast_npu as fast_npu
from ._fast import fast_real_npu as fast_real_npu

# the record of a unit, and stacks of units
from ._unit import Chain as Chain
from ._unit import Unit as Unit
from ._unit import chain as chain

# units, each a module with init, apply, weights, penalty, project, bind and UNIT, and all their records in UNITS
from .units import *  # noqa: F403 (their list is in units/__init__.py alone)

__version__ = importlib.metadata.version("nalu_jax")
