"""Units and chains with one flat vector theta in place of their params: for ODE solvers, optimisers and samplers.

    >>> import jax
    >>> import jax.numpy as jnp
    >>> from nalu_jax import fast_chain, fast_nau, fast_npu
    >>> spec = fast_chain(fast_npu(3, 9), fast_nau(9, 3))
    >>> theta = spec.init(jax.random.key(0))
    >>> theta.shape, spec.size
    ((84,), 84)
    >>> effective = spec.prepare(theta)  # once, outside the solve
    >>> spec.vector_field(0.0, jnp.ones(3), effective).shape  # diffrax.ODETerm(spec.vector_field), args=effective
    (3,)

A spec is static: hashable, picklable, without arrays. It is a view of the units and computes nothing itself.

The flat order is that of the leaves in each unit's docstring, each leaf in C order, one unit of a chain after another.
As kernels are (n_in, n_out), this is the order of NeuralArithmetic.jl's FastNAU, FastNPU and FastRealNPU, column-major
(out, in), and of a FastChain of them: a vector trained in Julia loads unchanged.
"""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Float

from . import _arguments
from ._checks import Domain, check_input
from ._unit import Chain, Shape, Unit
from .units import nau, npu, real_npu
from .units._initialisers import Initial
from .units._power import NPUClamp, RealNPUClamp


@dataclasses.dataclass(frozen=True)
class Fast:
    """A unit or chain of a fixed shape over a flat vector. Make one with `fast`, `fast_npu`, `fast_chain`, ...

    Attributes:
        unit: the unit or chain.
        shape: (n_in, n_out), or (n_in, n_hidden, ..., n_out) of a chain.
    """

    unit: Unit | Chain
    shape: Shape

    @property
    def name(self) -> str:
        """The unit and its shape, as error messages call them."""
        return f"fast({self.unit.name}, {self.shape})"

    @property
    def size(self) -> int:
        """Length of theta."""
        return sum(math.prod(shape) for leaves in self._leaves() for shape in leaves.values())

    def init(self, key: Array, dtype: DTypeLike = jnp.float32) -> Float[Array, " size"]:
        """theta (size,): the params of `unit.init(key, shape, dtype)`, flat."""
        return self.ravel(self.unit.init(key, self.shape, dtype))

    def ravel(self, params: Any) -> Float[Array, " size"]:
        """theta (size,) of the params of the unit or chain.

        Raises:
            TypeError: leaves of more than one dtype.
            ValueError: params of another unit or shape.
        """
        parts = []
        for position, leaves in enumerate(self._leaves()):
            part = params if isinstance(self.unit, Unit) else self._entry(params, position)
            if not isinstance(part, dict) or part.keys() != leaves.keys():
                got = sorted(part) if isinstance(part, dict) else type(part).__name__
                raise ValueError(f"{self.name}.ravel: expected the leaves {list(leaves)}, got {got}. {self._cure()}")
            arrays = {name: jnp.asarray(part[name]) for name in leaves}
            for name, array in arrays.items():
                if array.shape != leaves[name]:
                    raise ValueError(
                        f"{self.name}.ravel: leaf {name!r} has shape {array.shape}, expected {leaves[name]}. "
                        f"{self._cure()}"
                    )
            parts += arrays.values()
        if len(dtypes := {str(part.dtype) for part in parts}) > 1:
            raise TypeError(f"{self.name}.ravel: expected leaves of one dtype, got {sorted(dtypes)}. Cast them first.")
        return jnp.concatenate([part.reshape(-1) for part in parts])

    def unravel(self, theta: ArrayLike) -> Any:
        """The params of the unit (a dict) or chain (a tuple of dicts) of theta (size,).

        Raises:
            TypeError: theta is not real floating point.
            ValueError: theta is not of shape (size,).
        """
        theta = self._check_theta(theta)
        start, params = 0, []
        for leaves in self._leaves():
            part = {}
            for name, shape in leaves.items():
                stop = start + math.prod(shape)
                part[name] = theta[start:stop].reshape(shape)
                start = stop
            params.append(part)
        return params[0] if isinstance(self.unit, Unit) else tuple(params)

    def prepare(self, theta: ArrayLike) -> Any:
        """The effective weights of theta (size,): clip, tanh * sigmoid and slicing once, outside a solve.

        They are `unit.weights(unravel(theta))`, a tree of arrays; `apply` and `vector_field` take them for theta.

        Raises:
            TypeError: theta is not real floating point.
            ValueError: theta is not of shape (size,).
        """
        return self.unit.weights(self.unravel(theta))

    def apply(self, theta: Any, x: ArrayLike) -> Float[Array, "... n_out"]:
        """y (..., n_out) of x (..., n_in).

        Args:
            theta: flat, (size,), or what `prepare` made of it; the result is the same to the last bit.
            x: the inputs, with any leading batch shape, in the dtype of theta.

        Raises:
            TypeError: theta or x is not real floating point, or their dtypes differ.
            ValueError: theta is not of shape (size,), or the last axis of x is not n_in.
        """
        x = check_input(self.name, x)
        effective: Any = theta if isinstance(theta, dict | tuple) else self.prepare(theta)
        dtype = _dtype(effective)
        if x.shape[-1] != self.shape[0]:
            raise ValueError(
                f"{self.name}: x has shape {x.shape}, expected (..., {self.shape[0]}): n_in is its last axis."
            )
        if dtype != x.dtype:
            raise TypeError(
                f"{self.name}: theta is {dtype} and x is {x.dtype}, expected one dtype. Cast one of them: "
                f"x.astype({dtype}), or init(key, dtype={x.dtype}). In diffrax the times' dtype promotes the state's."
            )
        return self.unit.apply_weights(effective, x)

    def vector_field(self, t: Any, y: ArrayLike, args: Any) -> Float[Array, "... n"]:
        """dy/dt = apply(args, y) as diffrax calls it; args is theta or `prepare(theta)`, t is not used.

        Raises:
            ValueError: the unit does not give as many outputs as it takes.
        """
        del t
        if self.shape[0] != self.shape[-1]:
            raise ValueError(
                f"{self.name}: a vector field needs n_in == n_out, got {self.shape[0]} and {self.shape[-1]}. "
                "Call apply inside a vector field of your own: lambda t, y, args: ... spec.apply(args, y) ..."
            )
        return self.apply(args, y)

    def _leaves(self) -> list[dict[str, Shape]]:
        """Leaf shapes of every unit, in flat order."""
        units = self.unit.units if isinstance(self.unit, Chain) else (self.unit,)
        pairs = itertools.pairwise(self.shape)
        return [unit.leaves(pair) for unit, pair in zip(units, pairs, strict=True)]

    def _entry(self, params: Any, position: int) -> Any:
        count = len(self.shape) - 1
        if not isinstance(params, tuple | list) or len(params) != count:
            raise ValueError(f"{self.name}.ravel: expected a tuple of {count} dicts, one a unit. {self._cure()}")
        return params[position]

    def _cure(self) -> str:
        return "Make params with the unit's or chain's init and this shape, or theta with this spec's own init."

    def _check_theta(self, theta: ArrayLike) -> Array:
        theta = jnp.asarray(theta)
        if not jnp.issubdtype(theta.dtype, jnp.floating):
            raise TypeError(f"{self.name}: theta must be real floating point, got {theta.dtype}. Cast it first.")
        if theta.shape != (self.size,):
            raise ValueError(
                f"{self.name}: theta has shape {theta.shape}, expected ({self.size},). Make it with init(key, dtype) "
                "or ravel(params); for a batch of thetas use jax.vmap."
            )
        return theta


def fast(unit: ModuleType | Unit | Chain, shape: Sequence[int]) -> Fast:
    """The flat-vector view of any unit or chain.

    Args:
        unit: a unit module, a `Unit` (also a bound one) or a `chain` of them.
        shape: (n_in, n_out); of a chain (n_in, n_hidden, ..., n_out).

    Raises:
        TypeError: not a unit.
        ValueError: a shape that does not fit.
    """
    record = getattr(unit, "UNIT", unit)
    if not isinstance(record, Unit | Chain):
        raise TypeError(
            f"fast: expected a unit module, a Unit or a Chain, got {unit!r}; for example fast(npu, (3, 9))."
        )
    count = len(record.units) if isinstance(record, Chain) else 1
    sizes = tuple(shape) if isinstance(shape, tuple | list) else ()
    if len(sizes) != count + 1 or not all(_is_size(size) for size in sizes):
        raise ValueError(
            f"fast: shape of {record.name} must be {count + 1} sizes of at least 1, from n_in to n_out, got {shape!r}."
        )
    return Fast(record, tuple(int(size) for size in sizes))


@_arguments.checked("fast_nau", n_in=_arguments.count(0), n_out=_arguments.count(0), clip=_arguments.flag())
def fast_nau(n_in: int, n_out: int, *, clip: bool = False, w_init: Initial = "glorot_uniform_half") -> Fast:
    """`fast(nau.bind(...), (n_in, n_out))`; theta is NeuralArithmetic.jl's FastNAU vector."""
    return fast(nau.bind(clip=clip, w_init=w_init), (n_in, n_out))


@_arguments.checked(
    "fast_npu", n_in=_arguments.count(0), n_out=_arguments.count(0), eps=_arguments.optional(_arguments.number(0.0))
)
def fast_npu(
    n_in: int,
    n_out: int,
    *,
    eps: float | None = None,
    domain: Domain = "real",
    clamp: NPUClamp = "none",
    re_init: Initial = "glorot_uniform",
    im_init: Initial = "zeros",
    gate_init: Initial = "half",
) -> Fast:
    """`fast(npu.bind(...), (n_in, n_out))`; theta is NeuralArithmetic.jl's FastNPU vector."""
    unit = npu.bind(eps=eps, domain=domain, clamp=clamp, re_init=re_init, im_init=im_init, gate_init=gate_init)
    return fast(unit, (n_in, n_out))


@_arguments.checked(
    "fast_real_npu",
    n_in=_arguments.count(0),
    n_out=_arguments.count(0),
    eps=_arguments.optional(_arguments.number(0.0)),
)
def fast_real_npu(
    n_in: int,
    n_out: int,
    *,
    eps: float | None = None,
    domain: Domain = "real",
    clamp: RealNPUClamp = "none",
    re_init: Initial = "glorot_uniform",
    gate_init: Initial = "half",
) -> Fast:
    """`fast(real_npu.bind(...), (n_in, n_out))`; theta is NeuralArithmetic.jl's FastRealNPU vector."""
    unit = real_npu.bind(eps=eps, domain=domain, clamp=clamp, re_init=re_init, gate_init=gate_init)
    return fast(unit, (n_in, n_out))


def fast_chain(*specs: Fast) -> Fast:
    """Specs one after another: theta is their thetas one after another, as FastChain's in Julia.

    Raises:
        TypeError: no spec at all, or something that is not one.
        ValueError: the n_out of one is not the n_in of the next.
    """
    if not specs or not all(isinstance(spec, Fast) for spec in specs):
        raise TypeError(f"fast_chain: expected specs such as fast_npu(3, 9), fast_nau(9, 3), got {specs!r}.")
    for first, second in itertools.pairwise(specs):
        if first.shape[-1] != second.shape[0]:
            raise ValueError(
                f"fast_chain: {first.name} gives {first.shape[-1]} outputs and {second.name} takes {second.shape[0]} "
                "inputs, expected as many."
            )
    units = [part for spec in specs for part in (spec.unit.units if isinstance(spec.unit, Chain) else (spec.unit,))]
    shape = specs[0].shape[:1] + tuple(size for spec in specs for size in spec.shape[1:])
    return Fast(Chain(tuple(units)), shape)


def _is_size(size: Any) -> bool:
    return hasattr(size, "__index__") and not isinstance(size, bool) and size >= 1


def _dtype(effective: Any) -> Any:
    first = effective[0] if isinstance(effective, tuple) else effective
    return next(iter(first.values())).dtype
