"""What was chosen for a compiler and not for its mathematics: sizes, and ways around slow code. One home for all of it.

Measured with jax and jaxlib 0.10.2 on one CPU with two cores; `python -m benchmarks.thresholds` measures each again
beside its neighbours. A way around XLA's code for CPU acts there only (`on_cpu`); other platforms get the plain form.

>>> import jax.numpy as jnp
>>> from nalu_jax import _compiler
>>> _compiler.on_cpu(lambda x: x + x, lambda x: 2 * x, jnp.array([3.0]))
Array([6.], dtype=float32)
>>> _compiler.at_most(7, 8), _compiler.at_most(9, 8)
(True, False)
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import Array, lax

# On CPU, a vector times a small matrix is a sum of rows: it fuses with what is around it, which a product does not,
# twice as fast in a loop of small steps. Up to this many entries, and this many rows, written out one by one.
# Goes when XLA fuses a small dot; no upstream issue is known.
ROWS_ENTRIES, ROWS = 2**10, 8

# On CPU, sine and cosine of small arguments are Taylor series (`_cosine`): XLA calls a scalar function for each entry,
# 5 times as slow in float64. No size. Goes when XLA vectorises them, as it does exp.

# The product kernel holds no (batch, n_in, n_out) array on any platform; these say how large the pieces are, and were
# measured on CPU only. Goes when a fused product-reduction has a derivative of its own that needs none (it has not).
PRODUCT_AT_ONCE = 2**11  # up to this many factors, all of them at once
PRODUCT_BLOCK = 2**20  # beyond: entries (rows x n_in, or rows x n_out) of a block, over which the loops run
PRODUCT_LANES = 32  # rows that one step takes together, so that more cores have work
PRODUCT_ENTRIES = 2**13, 2**17  # but so many that rows x n_in x n_out is in between: many restarts stay in the cache
PRODUCT_GROUP = 16  # at most so many inputs between two rescalings of a block
PRODUCT_PASS = 8, 2**16  # inputs of one pass over y, where y has so many entries (2 or 4 are slower than 1); below, 1

# `ode.rollout`: entries of a state up to which derivatives are parallel by default, for they form every step's
# Jacobian. Not a workaround: the crossing point of two algorithms.
ROLLOUT_DENSE = 16

# `ode.solve`: steps that are tried between two looks at the save times, and differentiated at once; steps of which a
# record has room, more than most solves take; and parts of a block in which the field is differentiated, at least 2
# (`ode._pull` says why).
SOLVE_BLOCK, SOLVE_RECORD, SOLVE_PARTS = 16, 128, 2

# `training.fit`: array elements that a step of one group of restarts computes, far more than what a step costs by
# itself, and the most restarts in it. They fix the last bits of a result (`training._program`): a change changes those.
GROUP_WORK, MAX_LANES = 2**20, 256


def at_most(size: Any, bound: int) -> bool:
    """size <= bound; False of a size that is left open: the choice must do for all of them."""
    return is_known(size) and bool(size <= bound)


def is_known(size: Any) -> bool:
    """Whether a size is a number: `jax.export` may leave it open."""
    return isinstance(size, int | np.integer)


def on_cpu(fast: Callable[..., Any], plain: Callable[..., Any], *arguments: Array) -> Any:
    """fast(*arguments) where the program is compiled for CPU, plain(*arguments) elsewhere.

    Not to be differentiated through: the derivative of a choice keeps what both sides need. Call it in a function with
    a derivative of its own.
    """
    return lax.platform_dependent(*arguments, cpu=fast, default=plain)


@functools.cache
def options() -> dict[str, str]:
    """Compiler options of a training loop: on CPU, the YNNPACK library is switched off where XLA has it.

    It took several times as long for small sums in training loops, and 0.10.2 crashes in some (jax-ml/jax#37465,
    jax-ml/jax#39257, openxla/xla#46351). Goes when `benchmarks.thresholds` finds no difference.
    """
    without = {"xla_cpu_experimental_ynn_fusion_type": ""}
    if jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda x: x + 1, compiler_options=without)(np.float32(0))
    except jax.errors.JaxRuntimeError:  # another version of XLA, without this option
        return {}
    return without
