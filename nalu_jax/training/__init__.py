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
from . import losses as losses
from . import sparsity as sparsity

# the stages after the optimiser
from ._finish import Finished as Finished
from ._finish import lbfgs as lbfgs
from ._finish import levenberg_marquardt as levenberg_marquardt
from ._finish import rounding as rounding

# the loop
from ._fit import Fit as Fit
from ._fit import fit as fit
from ._fit import reinitialise as reinitialise

# counting successes
from ._success import Success as Success
from ._success import success_table as success_table
from ._success import wilson as wilson
