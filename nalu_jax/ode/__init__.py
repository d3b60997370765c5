"""Differential equations with units in them: `rollout` to train, `solve` to verify, in one calling form.

>>> import diffrax, jax
>>> import jax.numpy as jnp
>>> from nalu_jax import fast_chain, fast_nau, fast_npu, ode
>>> spec = fast_chain(fast_npu(2, 4), fast_nau(4, 2))
>>> theta, y0, ts = spec.init(jax.random.key(0)), jnp.array([1.0, 0.5]), jnp.linspace(0.0, 1.0, 6)
>>> def loss(theta):
...     return ode.rollout(spec.vector_field, y0, ts, spec.prepare(theta), substeps=2).ys.sum()
>>> jax.grad(loss)(theta).shape
(26,)
>>> accurate = ode.solve(spec.vector_field, y0, ts, spec.prepare(theta))
>>> bool(accurate.ok), accurate.ys.shape
(True, (6, 2))

To fit measured trajectories: `data` checks and holds them, `smooth` puts splines through them, `windows` cuts them up;
`trajectory_residual`, `shooting_residual` and `weak_residual` are what least squares makes small, `horizon` begins with
the first intervals, and `field` adds a unit to known physics.
`nalu_jax.discover.ode` is made of these.
"""

from ._data import Data, data
from ._field import field
from ._problem import Trajectory
from ._rollout import rollout
from ._shooting import Windows, horizon, shoot, shooting_residual, trajectory_residual, windows
from ._smooth import Smooth, smooth
from ._solve import solve
from ._weak import integrals, weak_residual

__all__ = [
    "Data",
    "data",
    "field",
    "Trajectory",
    "rollout",
    "Windows",
    "horizon",
    "shoot",
    "shooting_residual",
    "trajectory_residual",
    "windows",
    "Smooth",
    "smooth",
    "solve",
    "integrals",
    "weak_residual",
]


def __dir__() -> list[str]:
    return sorted(__all__)
