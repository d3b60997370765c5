"""Training of many restarts at once, in one compiled loop: `fit`, and what goes with it.

>>> import jax, jax.numpy as jnp, optax
>>> from nalu_jax import nau, training
>>> x = jnp.array([[1.0, 2.0], [3.0, -1.0], [-2.0, 0.5]])
>>> def loss(params, batch):
...     x, y = batch
...     return training.losses.mse(nau.apply(params, x), y)
>>> fit = training.fit(
...     loss, lambda key: nau.init(key, (2, 1)), key=jax.random.key(0), steps=300, optimiser=optax.adam(0.1),
...     data=(x, x[:, :1] - x[:, 1:]), restarts=4, finish=[training.rounding()], progress=False)
>>> fit.params["w"].tolist(), fit.failed.tolist()
([[1.0], [-1.0]], [False, False, False, False])
>>> [row] = training.success_table(fit.validation < 1e-9)
>>> row.successes, row.runs, round(row.low, 2), row.high
(4, 4, 0.51, 1.0)
"""

# losses, decoupled and proximal L1
from . import losses, sparsity

# the stages after the optimiser
from ._finish import Finished, lbfgs, levenberg_marquardt, rounding

# the loop
from ._fit import Fit, fit, reinitialise

# counting successes
from ._success import Success, success_table, wilson

__all__ = [
    "losses",
    "sparsity",
    "Finished",
    "lbfgs",
    "levenberg_marquardt",
    "rounding",
    "Fit",
    "fit",
    "reinitialise",
    "Success",
    "success_table",
    "wilson",
]


def __dir__() -> list[str]:
    return sorted(__all__)
