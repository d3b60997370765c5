r"""Figures of trained units: what people rather look at than read. Needs the extra `plot` (Matplotlib).

Every function draws on the axes that it is given as `ax`, or on those of a new figure that pyplot does not know, and
returns them. `axes.figure.savefig("out.png")` writes the figure; in a notebook, `axes.figure` shows it.

>>> import jax.numpy as jnp
>>> from nalu_jax import chain, nau, plot, real_npu
>>> model = chain(real_npu, nau)
>>> params = ({"re": jnp.array([[1.0], [-1.0]]), "gate": jnp.ones(2)}, {"w": jnp.array([[2.0]])})
>>> [ax.get_title() for ax in plot.weights(model, params, inputs=("x", "y"))[0]]
['real_npu\nre', 'real_npu\ngate', 'nau\nw']
>>> [text.get_text() for text in plot.graph(model, params, inputs=("x", "y"), outputs=("z",)).texts]
['1', '-1', '2', 'x', 'y', '$\\prod$', 'z']
"""

try:
    import matplotlib  # noqa: F401
except ImportError:
    raise ImportError('nalu_jax.plot needs Matplotlib: pip install "nalu_jax[plot]".') from None

from ._errors import error_maps
from ._fits import losses, predictions
from ._found import curve, front, residuals, trajectories
from ._graph import graph
from ._report import report
from ._weights import weights

__all__ = [
    "curve",
    "error_maps",
    "front",
    "graph",
    "losses",
    "predictions",
    "report",
    "residuals",
    "trajectories",
    "weights",
]


def __dir__() -> list[str]:
    return sorted(__all__)
