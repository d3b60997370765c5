"""The units as Flax linen layers: `variables["params"]` is the unit's own dict of params.

    >>> import jax
    >>> import nalu_jax.linen
    >>> layer = nalu_jax.linen.NPU(features=6)
    >>> variables = layer.init(jax.random.key(0), jax.numpy.ones((5, 2)))
    >>> jax.tree.map(jax.numpy.shape, variables)
    {'params': {'gate': (2,), 'im': (2, 6), 're': (2, 6)}}
    >>> layer.apply(variables, jax.numpy.ones((5, 2))).shape
    (5, 6)

Every layer maps x (..., n_in) to (..., features) and takes, besides `features`:

    dtype        of the computation and the result; None is the dtype that x and the params promote to
    param_dtype  of the params
    <leaf>_init  by name, or a function (key, shape, dtype) -> array, also `nn.with_partitioning(...)`
    and every option of its unit, whose module says what they do

SNMU, NRU and NMRU compute otherwise in training: `deterministic` chooses, as in `nn.Dropout`, in the constructor or in
the call. SNMU draws its noise from the RNG collection "noise" (or "params", where there is none), so in training
call `layer.apply(variables, x, deterministic=False, rngs={"noise": key})`.

Errors are a ValueError or TypeError that says which layer, what it got and what to do: x of another width than the
params, params of another unit, x that is not real floating point, a missing RNG collection.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Float

from . import _front
from ._checks import check_input
from ._front import Initial, Placed
from ._unit import Params, Unit
from .units import UNITS

Layer = TypeVar("Layer", bound="_Layer")


class _Layer(nn.Module):
    """A unit as a layer.

    Attributes:
        features: n_out.
        dtype: of the computation; None is the dtype that x and the params promote to.
        param_dtype: of the params.
    """

    features: int
    dtype: DTypeLike | None = dataclasses.field(default=None, kw_only=True)
    param_dtype: DTypeLike = dataclasses.field(default=jnp.float32, kw_only=True)

    record: ClassVar[Unit]

    @property
    def unit(self) -> Unit:
        """The unit's record, bound to the options of this layer."""
        names = [name for name in _front.options_of(self.record) if not _front.is_initial(name)]
        return self.record.bind(**{name: getattr(self, name) for name in names})

    @classmethod
    def from_params(
        cls: type[Layer], params: Mapping[str, ArrayLike], **options: Any
    ) -> tuple[Layer, dict[str, Params]]:
        """(layer, variables) of functional params; `options` are those of the constructor.

        Raises:
            TypeError: params are not a mapping, or an option is unknown.
            ValueError: the leaves are not those of the unit.
        """
        arrays = jax.tree.map(jnp.asarray, params)
        layer = cls(features=1, **options)
        _, n_out = _front.shape_of(layer._label(), layer.unit, arrays)
        given = {"param_dtype": next(iter(arrays.values())).dtype} | options
        return cls(features=n_out, **given), {"params": dict(arrays)}

    @nn.compact
    def __call__(self, x: ArrayLike) -> Float[Array, "... n_out"]:
        """y (..., features) of x (..., n_in)."""
        x = check_input(self._label(), x)
        return _front.forward(self._label(), self.unit.apply, self._params(x), x, self.dtype)

    def _label(self) -> str:
        name = f"nalu_jax.linen.{type(self).__name__}"
        return f"{name} at {'/'.join(self.path)!r}" if self.scope is not None and self.path else name

    def _params(self, x: Array) -> Params:
        label, unit, shape = self._label(), self.unit, (x.shape[-1], self.features)
        _front.check_sizes(label, *shape)
        _front.check_dtype(label, "dtype", self.dtype)
        _front.check_dtype(label, "param_dtype", self.param_dtype)
        stored = nn.unbox(self.variables.get("params", {}))
        _front.check_leaves(label, unit, stored, partial=self.is_mutable_collection("params"))
        _front.check_shapes(label, unit, stored, shape, f"x of shape {x.shape} and features={self.features}")
        return {leaf: self._param(unit, leaf, shape) for leaf in unit.leaves(shape)}

    def _param(self, unit: Unit, leaf: str, shape: tuple[int, int]) -> Any:
        init = getattr(self, f"{_front.option_of(leaf)}_init")
        if callable(init):  # by Flax itself, which understands the boxes of nn.with_partitioning
            return self.param(leaf, init, unit.leaves(shape)[leaf], self.param_dtype)
        # the unit's init makes all leaves of one key, Flax has a key for each: all are drawn, and this one kept
        return self.param(leaf, lambda key: unit.init(key, shape, self.param_dtype, **self._named())[leaf])

    def _named(self) -> dict[str, str]:
        inits = {name: getattr(self, name) for name in _front.options_of(self.record) if _front.is_initial(name)}
        return {name: init for name, init in inits.items() if not callable(init)}


class _TrainLayer(_Layer):
    """A unit whose training forward pass differs.

    Attributes:
        deterministic: evaluate where True, train where False; None leaves it to the call.
    """

    deterministic: bool | None = dataclasses.field(default=None, kw_only=True)

    noisy: ClassVar[bool] = False

    @nn.compact
    def __call__(self, x: ArrayLike, *, deterministic: bool | None = None) -> Float[Array, "... n_out"]:
        """y (..., features) of x (..., n_in), by the evaluation or the training forward pass.

        Raises:
            ValueError: `deterministic` is given neither here nor in the constructor, or in both, or there is no RNG.
        """
        x = check_input(self._label(), x)
        if (deterministic is None) == (self.deterministic is None):
            raise ValueError(
                f"{self._label()}: deterministic is {self.deterministic} in the constructor and {deterministic} in the "
                "call, expected True or False in exactly one of them: True evaluates, False trains."
            )
        params, unit = self._params(x), self.unit
        apply = unit.apply
        if not (self.deterministic or deterministic):
            assert unit.train_apply is not None
            apply = functools.partial(unit.train_apply, key=self._noise_key())
        return _front.forward(self._label(), apply, params, x, self.dtype)

    def _noise_key(self) -> Array:
        if not self.noisy:
            return jax.random.key(0)  # its training pass is another formula without noise, and ignores the key
        if not (self.has_rng("noise") or self.has_rng("params")):
            got = sorted(self.scope.rngs) if self.scope is not None else []
            raise ValueError(
                f'{self._label()}: training needs the RNG collection "noise", got {got}. '
                'Pass rngs={"noise": key} to apply, or deterministic=True to evaluate.'
            )
        return self.make_rng("noise")


def find_units(module: nn.Module, rngs: Any, *args: Any, **kwargs: Any) -> dict[tuple[str, ...], Placed]:
    """The units of a linen model by the path of their params in `variables["params"]`, for `nalu_jax.models`.

    Runs `module.init(rngs, *args, **kwargs)` without computing anything, and notes every layer of this file that is
    called on the way. Arrays among the arguments may be `jax.ShapeDtypeStruct`.
    """
    found: dict[tuple[str, ...], Placed] = {}

    def note(call, call_args, call_kwargs, context):
        layer = context.module
        if isinstance(layer, _Layer) and context.method_name == "__call__":
            x = call_args[0] if call_args else call_kwargs["x"]
            found[layer.path] = Placed(layer.unit, (jnp.shape(x)[-1], layer.features))
        return call(*call_args, **call_kwargs)

    leaves, treedef = jax.tree.flatten((args, kwargs))
    arrays = {i: leaf for i, leaf in enumerate(leaves) if hasattr(leaf, "shape") and hasattr(leaf, "dtype")}

    def init(rngs, arrays):  # a new function, so that JAX does not answer from its cache and skips the calls
        given, named = treedef.unflatten([arrays.get(i, leaf) for i, leaf in enumerate(leaves)])
        return module.init(rngs, *given, **named)

    with nn.intercept_methods(note):
        jax.eval_shape(init, rngs, arrays)
    return found


class NAC(_Layer, kw_only=True):
    """`nalu_jax.nac`: sums and differences, by tanh * sigmoid weights."""

    w_hat_init: Initial = "glorot_uniform"
    m_hat_init: Initial = "glorot_uniform"

    record = UNITS["nac"]


class NACMul(_Layer, kw_only=True):
    """`nalu_jax.nac_mul`: the NAC in log space: products of powers of |x|."""

    eps: float = 1e-07
    domain: str = "real"
    w_hat_init: Initial = "glorot_uniform"
    m_hat_init: Initial = "glorot_uniform"

    record = UNITS["nac_mul"]


class NALU(_Layer, kw_only=True):
    """`nalu_jax.nalu`: a gate between sums and products."""

    separate: bool = False
    gate: str = "matrix"
    bias: bool = True
    eps: float = 1e-08
    w_hat_init: Initial = "glorot_uniform"
    m_hat_init: Initial = "glorot_uniform"
    gate_init: Initial = "glorot_uniform"
    bias_init: Initial = "glorot_uniform"

    record = UNITS["nalu"]


class GNALU(_Layer, kw_only=True):
    """`nalu_jax.gnalu`: the NALU with the golden ratio for a base."""

    eps: float = 1e-07
    w_hat_init: Initial = "variance_matched"
    m_hat_init: Initial = "variance_matched"
    gate_init: Initial = "glorot_uniform"

    record = UNITS["gnalu"]


class INALU(_Layer, kw_only=True):
    """`nalu_jax.inalu`: a NALU with signs, safe products and separate weights."""

    separate: bool = True
    gate: str = "matrix"
    eps: float = 1e-07
    omega: float = 20.0
    w_hat_init: Initial = "normal(1,0.1)"
    m_hat_init: Initial = "normal(-1,0.1)"
    gate_init: Initial = "normal(0,0.1)"

    record = UNITS["inalu"]


class NAU(_Layer, kw_only=True):
    """`nalu_jax.nau`: sums and differences, with weights in [-1, 1]."""

    clip: bool = False
    w_init: Initial = "glorot_uniform_half"

    record = UNITS["nau"]


class NMU(_Layer, kw_only=True):
    """`nalu_jax.nmu`: products of any of the inputs."""

    w_init: Initial = "uniform(0.25,0.75)"

    record = UNITS["nmu"]


class SNMU(_TrainLayer, kw_only=True):
    """`nalu_jax.snmu`: the NMU, trained under reversible noise."""

    noise: tuple[float, float] | str = (1.0, 5.0)
    w_init: Initial = "uniform(0.25,0.75)"

    record = UNITS["snmu"]
    noisy = True


class NPU(_Layer, kw_only=True):
    """`nalu_jax.npu`: products of powers, with complex weights and a relevance gate."""

    eps: float | None = None
    domain: str = "real"
    clip: str = "none"
    re_init: Initial = "glorot_uniform"
    im_init: Initial = "zeros"
    gate_init: Initial = "half"

    record = UNITS["npu"]


class RealNPU(_Layer, kw_only=True):
    """`nalu_jax.real_npu`: the NPU with real weights."""

    eps: float | None = None
    domain: str = "real"
    clip: str = "none"
    re_init: Initial = "glorot_uniform"
    gate_init: Initial = "half"

    record = UNITS["real_npu"]


class NaiveNPU(_Layer, kw_only=True):
    """`nalu_jax.naive_npu`: the NPU without a gate."""

    eps: float | None = None
    domain: str = "real"
    clip: str = "none"
    re_init: Initial = "glorot_uniform"
    im_init: Initial = "zeros"

    record = UNITS["naive_npu"]


class RealNaiveNPU(_Layer, kw_only=True):
    """`nalu_jax.real_naive_npu`: the NPU with real weights and without a gate."""

    eps: float | None = None
    domain: str = "real"
    clip: str = "none"
    re_init: Initial = "glorot_uniform"

    record = UNITS["real_naive_npu"]


class NRU(_TrainLayer, kw_only=True):
    """`nalu_jax.nru`: products and quotients, by exponents in [-1, 1]."""

    eps: float | None = None
    domain: str = "real"
    sign: str = "inside"
    w_init: Initial = "glorot_uniform_half"

    record = UNITS["nru"]


class NMRU(_TrainLayer, kw_only=True):
    """`nalu_jax.nmru`: products of x and 1/x."""

    eps: float | None = None
    domain: str = "real"
    sign: str = "cos"
    w_init: Initial = "uniform(0.25,0.75)"

    record = UNITS["nmru"]
