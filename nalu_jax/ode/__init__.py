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
"""

from ._problem import Trajectory as Trajectory
from ._rollout import rollout as rollout
from ._solve import solve as solve
