"""Training of many restarts at once, in one compiled loop: `fit`, and what goes with it.

>>> import jax, jax.numpy as jnp, optax
>>> from nalu_jax import nau, training
>>> x = jnp.array([[1.0, 2.0], [3.0, -1.0], [-2.0, 0.5]])
>>> def loss(params, batch):
...     x, y = batch
...     return jnp.mean((nau.apply(params, x) - y) ** 2)
>>> fit = training.fit(
...     loss, lambda key: nau.init(key, (2, 1)), key=jax.random.key(0), steps=500, optimiser=optax.adam(0.1),
...     data=(x, x[:, :1] - x[:, 1:]), project=nau.project, restarts=4, progress=False)
>>> fit.params["w"].round(4).tolist(), fit.failed.tolist()
([[1.0], [-1.0]], [False, False, False, False])
"""

from ._fit import Fit as Fit
from ._fit import fit as fit
