"""The figures of the README and of the guide's pages, into `guide/figures/`.

    python notebooks/draw_figures.py

Half a minute on a CPU. The same key and versions give the same files.
"""

import pathlib

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import optax
from flax import linen as nn
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nalu_jax import nmu, training
from nalu_jax.plot import _style

FOLDER = pathlib.Path(__file__).parent / "guide" / "figures"
LOW, HIGH = 1.0, 2.0  # the training range of both inputs


def trained() -> dict[str, np.ndarray]:
    """x * y along the diagonal by an NMU and by a dense network that saw inputs between LOW and HIGH, and the truth."""
    x = jax.random.uniform(jax.random.key(0), (512, 2), minval=LOW, maxval=HIGH)
    data = (x, x[:, :1] * x[:, 1:])
    dense = nn.Sequential([nn.Dense(64), nn.relu, nn.Dense(64), nn.relu, nn.Dense(1)])
    diagonal = jnp.stack([SIDE, SIDE], 1)
    curves = {"truth": SIDE**2}
    for name, apply, init, rate in (
        ("NMU", nmu.apply, lambda key: nmu.init(key, (2, 1)), 0.05),
        ("dense network", dense.apply, lambda key: dense.init(key, x), 0.005),
    ):
        fit = training.fit(
            lambda params, batch, apply=apply: training.losses.mse(apply(params, batch[0]), batch[1]),
            init,
            key=jax.random.key(1),
            steps=2000,
            optimiser=optax.adam(optax.cosine_decay_schedule(rate, 2000)),
            data=data,
            restarts=4,
            progress=False,
        )
        curves[name] = np.asarray(apply(fit.params, diagonal)[:, 0])
    return curves


SIDE = np.linspace(-5.0, 8.0, 100, dtype=np.float32)


def extrapolation() -> Figure:
    """An NMU and a dense network far outside of the range in which both learned x * y."""
    curves = trained()
    figure = Figure((7.6, 2.9), layout="constrained")
    ax = figure.subplots()
    ax.axvspan(LOW, HIGH, color=_style.TRAINED, label="training range")
    ax.plot(SIDE, curves["truth"], color=_style.TRUTH, linewidth=6, label="truth, x y")
    ax.plot(SIDE, curves["NMU"], color=_style.CHOSEN, linewidth=2, label="NMU: 2 weights, both 1")
    ax.plot(SIDE, curves["dense network"], color=_style.NEGATIVE, linewidth=2, label="dense network: 4,417 weights")
    ax.set(xlabel="both inputs, x = y", ylabel="output")
    ax.spines[["top", "right"]].set_visible(False)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside right center", frameon=False)
    return figure


def units() -> Figure:
    """A NAU, an NMU and an NPU of two inputs, as what they do with their weights."""
    figure = Figure((8.4, 2.5), layout="constrained")
    rows = (
        ("NAU: adds", r"$2\,x - 3\,y$", ("weight 2", "weight -3"), r"$\sum$", "each input times its weight"),
        ("NMU: multiplies", r"$x\,y$", ("weight 1", "weight 1"), r"$\prod$", "weight 0 leaves an input out"),
        ("NPU: raises to powers", r"$x^2\,/\,\sqrt{y}$", ("power 2", "power -1/2"), r"$\prod$", "a weight is a power"),
    )
    for ax, row in zip(figure.subplots(1, 3), rows, strict=True):
        _unit(ax, *row)
    return figure


def _unit(ax: Axes, title: str, output: str, weights: tuple[str, str], operation: str, caption: str) -> None:
    node = {"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": "0.4"}
    for name, weight, height in zip("xy", weights, (0.8, 0.3), strict=True):
        colour = _style.NEGATIVE if "-" in weight else _style.POSITIVE
        ax.plot([0.1, 1.0], [height, 0.55], color=colour, linewidth=2, zorder=1)
        ax.text(0.1, height, f"${name}$", ha="center", va="center", bbox=node, zorder=3)
        middle = 0.5 * (height + 0.55)
        text = weight.replace("-", "\N{MINUS SIGN}")
        ax.text(0.52, middle, text, ha="center", va="center", fontsize="small", color=colour, bbox=_WHITE, zorder=2)
    ax.plot([1.0, 1.75], [0.55, 0.55], color="0.4", linewidth=1.2, zorder=1)
    ax.text(1.0, 0.55, operation, ha="center", va="center", bbox=node, zorder=3)
    ax.text(1.75, 0.55, output, ha="center", va="center", bbox=node, zorder=3)
    ax.text(0.95, 0.02, caption, ha="center", fontsize="small", color="0.3")
    ax.set(title=title, xlim=(-0.1, 2.15), ylim=(0.0, 1.0))
    ax.set_axis_off()


_WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}


def main() -> None:
    """Draw and write all."""
    matplotlib.rcParams["svg.hashsalt"] = "nalu_jax"
    FOLDER.mkdir(exist_ok=True)
    for draw in (units, extrapolation):
        draw().savefig(FOLDER / f"{draw.__name__}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
