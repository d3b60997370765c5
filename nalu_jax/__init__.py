"""Neural arithmetic units in JAX: layers that learn `+ - * /` and real powers, extrapolate, and read back as formulas.

>>> import jax
>>> from nalu_jax import npu
>>> params = npu.init(jax.random.key(0), (2, 6))
>>> npu.apply(params, jax.numpy.ones((5, 2))).shape
(5, 6)

Besides the units there are packages that load when they are first used, with what they need:

    linen, nnx, eqx  the units as layers of Flax and Equinox
    models           penalty and projection of whole models
    schedules        functions of the step: ramps, growth
    training         many restarts in one compiled loop
    symbolic         from trained weights to a formula
    ode              differential equations with units in them
    discover         from a table or trajectories to a formula
    plot             figures; needs the extra `plot`
    tasks            the published tasks of the field
"""

# before all else: a command that is interrupted while it imports says so in one line
from . import _starting  # noqa: F401

# isort: split
import importlib
import importlib.metadata
from typing import TYPE_CHECKING, Any

# regularisers, and the subpackage of the units
from . import penalties as penalties
from . import units as units

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

if TYPE_CHECKING:  # so that editors complete what loads on first use
    from . import discover, eqx, linen, models, nnx, ode, plot, schedules, symbolic, tasks, training

__all__ = [
    "Unit",
    "Chain",
    "chain",
    "Fast",
    "fast",
    "fast_chain",
    "fast_nau",
    "fast_npu",
    "fast_real_npu",
    "penalties",
    "discover",
    "eqx",
    "linen",
    "models",
    "nnx",
    "ode",
    "plot",
    "schedules",
    "symbolic",
    "tasks",
    "training",
]
__all__ += units.__all__

_LOADED_ON_USE = frozenset(__all__) - frozenset(globals())

__version__ = importlib.metadata.version("nalu_jax")


if not TYPE_CHECKING:  # with it a type checker would let every misspelt name pass

    def __getattr__(name: str) -> Any:
        if name not in _LOADED_ON_USE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            return importlib.import_module(f".{name}", __name__)
        except ImportError as error:  # an AttributeError: hasattr, help and completion go on without the extra
            raise AttributeError(f"{__name__}.{name}: {error}", name=name) from error


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
