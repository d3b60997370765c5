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

# the record of a unit, and stacks of units
from ._unit import Unit as Unit
from ._unit import chain as chain

# units and chains over one flat vector
from .fast import fast as fast
from .fast import fast_chain as fast_chain
from .fast import fast_nau as fast_nau
from .fast import fast_npu as fast_npu
from .fast import fast_real_npu as fast_real_npu

# all records by name
from .units import UNITS as UNITS

# units: each a module with init, apply, weights, penalty, project and UNIT
from .units import gnalu as gnalu
from .units import inalu as inalu
from .units import nac as nac
from .units import nac_mul as nac_mul
from .units import naive_npu as naive_npu
from .units import nalu as nalu
from .units import nau as nau
from .units import nmru as nmru
from .units import nmu as nmu
from .units import npu as npu
from .units import nru as nru
from .units import real_naive_npu as real_naive_npu
from .units import real_npu as real_npu
from .units import snmu as snmu

__version__ = importlib.metadata.version("nalu_jax")
