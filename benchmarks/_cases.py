"""What a unit is measured on: params, inputs, the calls, and how much arithmetic and memory they need."""

import os
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import nalu_jax

from . import _textbook

Size = tuple[int, int, int]
"""(batch, n_in, n_out)."""

SIZES: tuple[Size, ...] = ((128, 2, 1), (128, 100, 100), (1024, 64, 64), (4096, 256, 256))
MODES = ("forward", "gradient")
PRODUCT_UNITS = ("nmu", "snmu", "inalu", "nru", "nmru")
NPU_FAMILY = ("npu", "real_npu", "naive_npu", "real_naive_npu")

# Multiply-adds per (sample, input, output): a forward pass has one, both gradients of a product about four.
WORK = {"forward": 1, "gradient": 4}

# Rough seconds per (sample, input, output) of a form that holds the array of all factors, on one slow core: they decide
# what is skipped before it has run once, nothing else. Powers (nru) take a few times longer.
FACTOR_SECONDS = {"forward": 1e-8, "gradient": 3e-8}
POWER = 4
MATMUL_SECONDS = 2e-9
FACTOR_ARRAYS = {"forward": 3, "gradient": 6}


NO_TEXTBOOK = "the unit has no form in benchmarks/_textbook.py"
NO_TORCH = "the unit has no form in benchmarks/_torch_units.py"


class Case(NamedTuple):
    """Arrays of one unit at one size: params, inputs x, and the cotangent that makes a scalar of the result."""

    params: dict[str, jax.Array]
    x: jax.Array
    cotangent: jax.Array


def make_case(unit: nalu_jax.Unit, size: Size, dtype: Any = jnp.float32, *, positive: bool = False) -> Case:
    """The unit's own initialisation, and inputs of size 0.5 to 1.5.

    Only the first input of a sample may be negative: with more of them long products of an untrained unit vanish, and
    subnormal numbers would be timed. How many are negative changes nothing else, as no form branches on it.
    """
    batch, n_in, n_out = size
    keys = jax.random.split(jax.random.key(0), 4)
    x = jax.random.uniform(keys[0], (batch, n_in), dtype, 0.5, 1.5)
    if not positive:
        x = x.at[:, 0].multiply(jax.random.rademacher(keys[1], (batch,)).astype(dtype))
    cotangent = jax.random.uniform(keys[2], (batch, n_out), dtype, 0.5, 1.5)
    return Case(unit.init(keys[3], (n_in, n_out), dtype), x, cotangent)


def as_numpy(case: Case) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """The arrays of a case for another library."""
    return jax.tree.map(np.asarray, tuple(case))


def value_and_gradient(apply: Callable[..., Any]) -> Callable[..., Any]:
    """(params, x, cotangent) -> value and gradient of sum(apply(params, x) * cotangent) in params and x."""

    def loss(params: Any, x: jax.Array, cotangent: jax.Array) -> jax.Array:
        return jnp.sum(apply(params, x) * cotangent)

    return jax.value_and_grad(loss, argnums=(0, 1))


def textbook(unit: str, *, positive: bool = False) -> Callable[..., Any] | None:
    """The textbook form of a unit, None where it has none."""
    return (_textbook.POSITIVE if positive else _textbook.TEXTBOOK).get(unit)


def elements(unit: str, size: Size) -> int:
    """Factors of all products, or terms of all sums: batch * rows of the weight matrix * n_out."""
    batch, n_in, n_out = size
    rows = next(iter(nalu_jax.UNITS[unit].leaves((n_in, n_out)).values()))[0]
    return batch * rows * n_out


def estimated_seconds(unit: str, size: Size, mode: str) -> float:
    """Rough time of one textbook call, on the high side."""
    if unit not in PRODUCT_UNITS:
        return 12 * MATMUL_SECONDS * elements(unit, size)
    return FACTOR_SECONDS[mode] * (POWER if unit == "nru" else 1) * elements(unit, size)


def estimated_bytes(unit: str, size: Size, mode: str, itemsize: int) -> int:
    """Rough memory of one call of a form that XLA has not planned (PyTorch), on the high side."""
    if unit not in PRODUCT_UNITS:
        return 0
    return FACTOR_ARRAYS[mode] * (2 if unit == "nru" else 1) * elements(unit, size) * itemsize


def available_bytes() -> float:
    """Memory that a process may still take, also within a container; infinite where the system does not say."""
    return min(_system_bytes(), _container_bytes())


def _system_bytes() -> float:
    meminfo = pathlib.Path("/proc/meminfo")
    if meminfo.exists():
        fields = dict(line.split(":") for line in meminfo.read_text().splitlines())
        return int(fields["MemAvailable"].split()[0]) * 1024
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return float("inf")


def _container_bytes() -> float:
    """What the control group leaves, on the low side: its file cache counts as taken."""
    group = pathlib.Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text().strip()
        return float("inf") if limit == "max" else int(limit) - int((group / "memory.current").read_text())
    except OSError:
        return float("inf")


def too_big(needed: float, available: float) -> str | None:
    """Why a call that needs so many bytes is not made; None where it is. A tenth stays for everybody else."""
    if needed <= 0.9 * available:
        return None
    return f"needs about {needed / 1e9:.1f} GB, {available / 1e9:.1f} GB are available"


def too_slow(seconds: float, limit: float) -> str | None:
    """Why a call that takes about so long is not made; None where it is."""
    return f"a call takes about {seconds:.1f} s, the limit is {limit:.1f} s" if seconds > limit else None


def size_name(size: Any) -> str:
    """ "128, 2, 1" """
    return ", ".join(map(str, size))
