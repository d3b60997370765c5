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

`from_params` makes a layer and its variables of functional params, with the same options.

SNMU, NRU and NMRU compute otherwise in training: `deterministic` chooses, as in `nn.Dropout`, in the constructor or in
the call. SNMU draws its noise from the RNG collection "noise" (or "params", where there is none), so in training
call `layer.apply(variables, x, deterministic=False, rngs={"noise": key})`.

Behind layers that may learn anything a unit's weights need not be the law: `nalu_jax.models` says what helps.

Errors are a ValueError or TypeError that says which layer, what it got and what to do: x of another width than the
params, params of another unit, x that is not real floating point, a missing RNG collection.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, TypeVar

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
        names = [name for name in self.record.defaults if not _front.is_initial(name)]
        return self.record.bind(**{name: getattr(self, name) for name in names})

    @classmethod
    def _from_params(
        cls: type[Layer], params: Mapping[str, ArrayLike], options: Mapping[str, Any], given: Mapping[str, Any]
    ) -> tuple[Layer, dict[str, Params]]:
        """`from_params` of every class: options are those of the unit, given are other arguments of the constructor.

        Raises:
            TypeError: params are not a mapping.
            ValueError: the leaves are not those of the unit.
        """
        arrays = jax.tree.map(jnp.asarray, params)
        unit = cls.record.bind(**options)
        _, n_out = _front.shape_of(f"nalu_jax.linen.{cls.__name__}", unit, arrays)
        layer = cls(features=n_out, param_dtype=next(iter(arrays.values())).dtype, **options, **given)
        return layer, {"params": dict(arrays)}

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
        init = getattr(self, _front.init_option(leaf))
        if callable(init):  # by Flax itself, which understands the boxes of nn.with_partitioning
            return self.param(leaf, init, unit.leaves(shape)[leaf], self.param_dtype)
        # the unit's init makes all leaves of one key, Flax has a key for each: all are drawn, and this one kept
        return self.param(leaf, lambda key: unit.init(key, shape, self.param_dtype, **self._named())[leaf])

    def _named(self) -> dict[str, str]:
        inits = {name: getattr(self, name) for name in self.record.defaults if _front.is_initial(name)}
        return {name: init for name, init in inits.items() if not callable(init)}


class _TrainLayer(_Layer):
    """A unit whose training forward pass differs.

    Attributes:
        deterministic: evaluate where True, train where False; None leaves it to the call.
    """

    deterministic: bool | None = dataclasses.field(default=None, kw_only=True)

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
        if not self.record.noisy:
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
    return _called(module.init, rngs, *args, **kwargs)


def _called(function: Callable[..., Any], *args: Any, **kwargs: Any) -> dict[tuple[str, ...], Placed]:
    """The layers of this file that a module's `init` or `apply` calls, which is run without computing anything."""
    found: dict[tuple[str, ...], Placed] = {}

    def note(call, call_args, call_kwargs, context):
        layer = context.module
        if isinstance(layer, _Layer) and context.method_name == "__call__":
            x = call_args[0] if call_args else call_kwargs["x"]
            found[layer.path] = Placed(layer.unit, (jnp.shape(x)[-1], layer.features), layer.dtype)
        return call(*call_args, **call_kwargs)

    leaves, treedef = jax.tree.flatten((args, kwargs))
    arrays = {i: leaf for i, leaf in enumerate(leaves) if hasattr(leaf, "shape") and hasattr(leaf, "dtype")}

    def run(arrays):  # a new function, so that JAX does not answer from its cache and skips the calls
        given, named = treedef.unflatten([arrays.get(i, leaf) for i, leaf in enumerate(leaves)])
        return function(*given, **named)

    with nn.intercept_methods(note):
        jax.eval_shape(run, arrays)
    return found


@_front.held_by.register(nn.Module)
def _held_by_module(model: nn.Module, params: Any, *args: Any) -> tuple[_front.Units, Any]:
    if params is None or not args:
        raise ValueError(
            f"read: a linen model holds neither params nor layers before it is called; pass {type(model).__name__} "
            "with its variables and what it is called with, as to apply: symbolic.read(model, variables, x)."
        )
    variables = params if "params" in params else {"params": params}
    return _called(model.apply, variables, *args), variables["params"]


@_front.parts_of.register(_Layer)
def _parts_of_layer(layer: _Layer, params: Any) -> list[tuple[Unit, Params]]:
    return [(layer.unit, _front.in_dtype(_stored(layer, params), layer.dtype))]


@_front.parts_of.register(nn.Sequential)
def _parts_of_sequential(model: nn.Sequential, params: Any) -> list[tuple[Unit, Params]]:
    stored = _stored(model, params)
    own = lambda i: stored.get(f"layers_{i}")  # as nn.Sequential names them
    return [part for i, layer in enumerate(model.layers) for part in _front.parts_of(layer, own(i))]


def _stored(module: nn.Module, params: Any) -> Mapping[str, Any]:
    """The params of a module out of them or out of its variables, without boxes."""
    if params is None:
        raise ValueError(
            f"to_sympy: a linen layer has no params of its own; pass variables, as layer.init returned them, with "
            f"{type(module).__name__}."
        )
    return nn.unbox(params.get("params", params))


# Everything below is written by `python -m nalu_jax._make_layers`: change the unit, then run that.


class NAC(_Layer, kw_only=True):
    """NAC, the neural accumulator: sums and differences, by weights that lean towards -1, 0 and 1.

    Equation and options: `nalu_jax.nac`.
    """

    w_hat_init: Initial = "glorot_uniform"
    m_hat_init: Initial = "glorot_uniform"

    record = UNITS["nac"]

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> tuple[Layer, dict[str, Params]]:
        """(layer, variables) that compute with the params of `nalu_jax.nac`."""
        options: dict[str, Any] = {}
        given: dict[str, Any] = {"dtype": dtype, "name": name}
        return cls._from_params(params, options, given)


class NACMul(_Layer, kw_only=True):
    """NAC*, the multiplicative NAC: products and quotients of magnitudes, as a NAC in log space.

    Equation and options: `nalu_jax.nac_mul`.
    """

    eps: float = 1e-07
    domain: Literal["real", "positive"] = "real"
    w_hat_init: Initial = "glorot_uniform"
    m_hat_init: Initial = "glorot_uniform"

    record = UNITS["nac_mul"]

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        eps: float = 1e-07,
        domain: Literal["real", "positive"] = "real",
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> tuple[Layer, dict[str, Params]]:
        """(layer, variables) that compute with the params of `nalu_jax.nac_mul`."""
        options: dict[str, Any] = {"eps": eps, "domain": domain}
        given: dict[str, Any] = {"dtype": dtype, "name": name}
        return cls._from_params(params, options, given)


class NALU(_Layer, kw_only=True):
    """NALU, the neural arithmetic logic unit: a gate chooses between a NAC and a NAC in log space.

    Equation and options: `nalu_jax.nalu`.
    """

    separate: bool = False
    gate_form: Literal["matrix", "vector"] = "matrix"
    use_bias: bool = True
    eps: float = 1e-08
    w_hat_init: Initial = "glorot_uniform"
    m_hat_init: Initial = "glorot_uniform"
    gate_init: Initial = "glorot_uniform"
    bias_init: Initial = "glorot_uniform"

    record = UNITS["nalu"]

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        separate: bool = False,
        gate_form: Literal["matrix", "vector"] = "matrix",
        use_bias: bool = True,
        eps: float = 1e-08,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> tuple[Layer, dict[str, Params]]:
        """(layer, variables) that compute with the params of `nalu_jax.nalu`."""
        options: dict[str, Any] = {"separate": separate, "gate_form": gate_form, "use_bias": use_bias, "eps": eps}
        given: dict[str, Any] = {"dtype": dtype, "name": name}
        return cls._from_params(params, options, given)


class GNALU(_Layer, kw_only=True):
    """G-NALU, the golden-ratio NALU: a NALU with base phi = (1 + sqrt(5)) / 2 in place of e.

    Equation and options: `nalu_jax.gnalu`.
    """

    eps: float = 1e-07
    w_hat_init: Initial = "variance_matched"
    m_hat_init: Initial = "variance_matched"
    gate_init: Initial = "glorot_uniform"

    record = UNITS["gnalu"]

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        eps: float = 1e-07,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> tuple[Layer, dict[str, Params]]:
        """(layer, variables) that compute with the params of `nalu_jax.gnalu`."""
        options: dict[str, Any] = {"eps": eps}
        given: dict[str, Any] = {"dtype": dtype, "name": name}
        return cls._from_params(params, options, given)


class INALU(_Layer, kw_only=True):
    """iNALU, the improved NALU: a NALU whose product has a sign, a bound, and weights of its own.

    Equation and options: `nalu_jax.inalu`.
    """

    separate: bool = True
    gate_form: Literal["matrix", "independent"] = "matrix"
    eps: float = 1e-07
    omega: float = 20.0
    w_hat_init: Initial = "normal(1,0.1)"
    m_hat_init: Initial = "normal(-1,0.1)"
    gate_init: Initial = "normal(0,0.1)"

    record = UNITS["inalu"]

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        separate: bool = True,
        gate_form: Literal["matrix", "independent"] = "matrix",
        eps: float = 1e-07,
        omega: float = 20.0,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> tuple[Layer, dict[str, Params]]:
        """(layer, variables) that compute with the params of `nalu_jax.inalu`."""
        options: dict[str, Any] = {"separate": separate, "gate_form": gate_form, "eps": eps, "omega": omega}
        given: dict[str, Any] = {"dtype": dtype, "name": name}
        return cls._from_params(params, options, given)


class NAU(_Layer, kw_only=True):
    """NAU, the neural addition unit: linear combinations, drawn to sums and differences by its regulariser.

    Equation and options: `nalu_jax.nau`.
    """

    clip: bool = False
    w_init: Initial = "glorot_uniform_half"

    record = UNITS["nau"]

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        clip: bool = False,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> tuple[Layer, dict[str, Params]]:
        """(layer, variables) that compute with the params of `nalu_jax.nau`."""
        options: dict[str, Any] = {"clip": clip}
        given: dict[str, Any] = {"dtype": dtype, "name": name}
        return cls._from_params(params, options, given)


class NMU(_Layer, kw_only=True):
    """NMU, the neural multiplication unit: products of a subset of the inputs, of any sign.

    Equation and options: `nalu_jax.nmu`.
    """

    w_init: Initial = "uniform(0.25,0.75)"

    record = UNITS["nmu"]

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> tuple[Layer, dict[str, Params]]:
        """(layer, variables) that compute with the params of `nalu_jax.nmu`."""
        options: dict[str, Any] = {}
        given: dict[str, Any] = {"dtype": dtype, "name": name}
        return cls._from_params(params, options, given)


class SNMU(_TrainLayer, kw_only=True):
    """sNMU, the stochastic NMU: an NMU trained under noise that a discrete solution cancels exactly.

    Equation and options: `nalu_jax.snmu`.
    """

    noise: tuple[float, float] | Literal["batch"] = (1.0, 5.0)
    w_init: Initial = "uniform(0.25,0.75)"

    record = UNITS["snmu"]

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        noise: tuple[float, float] | Literal["batch"] = (1.0, 5.0),
        dtype: DTypeLike | None = None,
        name: str | None = None,
        deterministic: bool | None = None,
    ) -> tuple[Layer, dict[str, Params]]:
        """(layer, variables) that compute with the params of `nalu_jax.snmu`."""
        options: dict[str, Any] = {"noise": noise}
        given: dict[str, Any] = {"dtype": dtype, "name": name, "deterministic": deterministic}
        return cls._from_params(params, options, given)


class NPU(_Layer, kw_only=True):
    """NPU, the neural power unit: products of real powers of inputs of any sign, through complex weights.

    Equation and options: `nalu_jax.npu`.
    """

    eps: float | None = None
    domain: Literal["real", "positive"] = "real"
    clamp: Literal["none", "w", "g", "wi", "wg", "wig"] = "none"
    re_init: Initial = "glorot_uniform"
    im_init: Initial = "zeros"
    gate_init: Initial = "half"

    record = UNITS["npu"]

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        eps: float | None = None,
        domain: Literal["real", "positive"] = "real",
        clamp: Literal["none", "w", "g", "wi", "wg", "wig"] = "none",
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> tuple[Layer, dict[str, Params]]:
        """(layer, variables) that compute with the params of `nalu_jax.npu`."""
        options: dict[str, Any] = {"eps": eps, "domain": domain, "clamp": clamp}
        given: dict[str, Any] = {"dtype": dtype, "name": name}
        return cls._from_params(params, options, given)


class RealNPU(_Layer, kw_only=True):
    """RealNPU: the NPU with real weights, for products of real powers that read back as a formula.

    Equation and options: `nalu_jax.real_npu`.
    """

    eps: float | None = None
    domain: Literal["real", "positive"] = "real"
    clamp: Literal["none", "w", "g", "wg"] = "none"
    re_init: Initial = "glorot_uniform"
    gate_init: Initial = "half"

    record = UNITS["real_npu"]

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        eps: float | None = None,
        domain: Literal["real", "positive"] = "real",
        clamp: Literal["none", "w", "g", "wg"] = "none",
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> tuple[Layer, dict[str, Params]]:
        """(layer, variables) that compute with the params of `nalu_jax.real_npu`."""
        options: dict[str, Any] = {"eps": eps, "domain": domain, "clamp": clamp}
        given: dict[str, Any] = {"dtype": dtype, "name": name}
        return cls._from_params(params, options, given)


class NaiveNPU(_Layer, kw_only=True):
    """NaiveNPU: the NPU without its gate.

    Equation and options: `nalu_jax.naive_npu`.
    """

    eps: float | None = None
    domain: Literal["real", "positive"] = "real"
    clamp: Literal["none", "w", "wi"] = "none"
    re_init: Initial = "glorot_uniform"
    im_init: Initial = "zeros"

    record = UNITS["naive_npu"]

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        eps: float | None = None,
        domain: Literal["real", "positive"] = "real",
        clamp: Literal["none", "w", "wi"] = "none",
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> tuple[Layer, dict[str, Params]]:
        """(layer, variables) that compute with the params of `nalu_jax.naive_npu`."""
        options: dict[str, Any] = {"eps": eps, "domain": domain, "clamp": clamp}
        given: dict[str, Any] = {"dtype": dtype, "name": name}
        return cls._from_params(params, options, given)


class RealNaiveNPU(_Layer, kw_only=True):
    """RealNaiveNPU: the NPU without gate and with real weights.

    Equation and options: `nalu_jax.real_naive_npu`.
    """

    eps: float | None = None
    domain: Literal["real", "positive"] = "real"
    clamp: Literal["none", "w"] = "none"
    re_init: Initial = "glorot_uniform"

    record = UNITS["real_naive_npu"]

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        eps: float | None = None,
        domain: Literal["real", "positive"] = "real",
        clamp: Literal["none", "w"] = "none",
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> tuple[Layer, dict[str, Params]]:
        """(layer, variables) that compute with the params of `nalu_jax.real_naive_npu`."""
        options: dict[str, Any] = {"eps": eps, "domain": domain, "clamp": clamp}
        given: dict[str, Any] = {"dtype": dtype, "name": name}
        return cls._from_params(params, options, given)


class NRU(_TrainLayer, kw_only=True):
    """NRU, the neural reciprocal unit: products and quotients, by exponents between -1 and 1.

    Equation and options: `nalu_jax.nru`.
    """

    eps: float | None = None
    domain: Literal["real", "positive"] = "real"
    sign: Literal["inside", "separate"] = "inside"
    w_init: Initial = "glorot_uniform_half"

    record = UNITS["nru"]

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        eps: float | None = None,
        domain: Literal["real", "positive"] = "real",
        sign: Literal["inside", "separate"] = "inside",
        dtype: DTypeLike | None = None,
        name: str | None = None,
        deterministic: bool | None = None,
    ) -> tuple[Layer, dict[str, Params]]:
        """(layer, variables) that compute with the params of `nalu_jax.nru`."""
        options: dict[str, Any] = {"eps": eps, "domain": domain, "sign": sign}
        given: dict[str, Any] = {"dtype": dtype, "name": name, "deterministic": deterministic}
        return cls._from_params(params, options, given)


class NMRU(_TrainLayer, kw_only=True):
    """NMRU, the neural multiplicative reciprocal unit: an NMU on the inputs and their reciprocals, with the sign
    restored.

    Equation and options: `nalu_jax.nmru`.
    """

    eps: float | None = None
    domain: Literal["real", "positive"] = "real"
    sign: Literal["cos", "none"] = "cos"
    w_init: Initial = "uniform(0.25,0.75)"

    record = UNITS["nmru"]

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        eps: float | None = None,
        domain: Literal["real", "positive"] = "real",
        sign: Literal["cos", "none"] = "cos",
        dtype: DTypeLike | None = None,
        name: str | None = None,
        deterministic: bool | None = None,
    ) -> tuple[Layer, dict[str, Params]]:
        """(layer, variables) that compute with the params of `nalu_jax.nmru`."""
        options: dict[str, Any] = {"eps": eps, "domain": domain, "sign": sign}
        given: dict[str, Any] = {"dtype": dtype, "name": name, "deterministic": deterministic}
        return cls._from_params(params, options, given)


class MCFC(_Layer, kw_only=True):
    """MC-FC, the mass-conserving fully connected layer: sums in which every input is shared out among the outputs.

    Equation and options: `nalu_jax.mc_fc`.
    """

    r_init: Initial = "identity_or_orthogonal"
    gate_init: Initial = "orthogonal"
    bias_init: Initial = "zeros"

    record = UNITS["mc_fc"]

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> tuple[Layer, dict[str, Params]]:
        """(layer, variables) that compute with the params of `nalu_jax.mc_fc`."""
        options: dict[str, Any] = {}
        given: dict[str, Any] = {"dtype": dtype, "name": name}
        return cls._from_params(params, options, given)


class MulMCFC(_Layer, kw_only=True):
    """MulMCFC: products, as an MC-FC of logarithms.

    Equation and options: `nalu_jax.mul_mcfc`.
    """

    sign: Literal["none", "inalu", "real_npu"] = "inalu"
    eps: float | None = None
    r_init: Initial = "identity_or_orthogonal"
    gate_init: Initial = "orthogonal"
    bias_init: Initial = "zeros"
    log_scale_init: Initial = "zeros"
    sign_gate_init: Initial = "half"

    record = UNITS["mul_mcfc"]

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        sign: Literal["none", "inalu", "real_npu"] = "inalu",
        eps: float | None = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> tuple[Layer, dict[str, Params]]:
        """(layer, variables) that compute with the params of `nalu_jax.mul_mcfc`."""
        options: dict[str, Any] = {"sign": sign, "eps": eps}
        given: dict[str, Any] = {"dtype": dtype, "name": name}
        return cls._from_params(params, options, given)


class NSR(_Layer, kw_only=True):
    """NSR, the neural status register: comparisons `> < >= <= == !=` of two selected inputs, as a probability.

    Equation and options: `nalu_jax.nsr`.
    """

    scaling: float = 1.0
    first_init: Initial = "glorot_normal_columns"
    second_init: Initial = "glorot_normal_columns"
    sign_init: Initial = "glorot_normal_columns"
    zero_init: Initial = "glorot_normal_columns"
    bias_init: Initial = "zeros"

    record = UNITS["nsr"]

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        scaling: float = 1.0,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> tuple[Layer, dict[str, Params]]:
        """(layer, variables) that compute with the params of `nalu_jax.nsr`."""
        options: dict[str, Any] = {"scaling": scaling}
        given: dict[str, Any] = {"dtype": dtype, "name": name}
        return cls._from_params(params, options, given)


class DMU(_Layer, kw_only=True):
    """DMU, the domain mixed unit: sums and products of signed selections of the inputs, mixed by a gate.

    Equation and options: `nalu_jax.dmu`.
    """

    select_form: Literal["clipped", "rounded"] = "clipped"
    gate_form: Literal["soft", "hard"] = "soft"
    eps: float = 1e-11
    select_init: Initial = "glorot_uniform_half"
    gate_init: Initial = "zeros"

    record = UNITS["dmu"]

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        select_form: Literal["clipped", "rounded"] = "clipped",
        gate_form: Literal["soft", "hard"] = "soft",
        eps: float = 1e-11,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> tuple[Layer, dict[str, Params]]:
        """(layer, variables) that compute with the params of `nalu_jax.dmu`."""
        options: dict[str, Any] = {"select_form": select_form, "gate_form": gate_form, "eps": eps}
        given: dict[str, Any] = {"dtype": dtype, "name": name}
        return cls._from_params(params, options, given)


__all__ = [
    "find_units",
    "NAC",
    "NACMul",
    "NALU",
    "GNALU",
    "INALU",
    "NAU",
    "NMU",
    "SNMU",
    "NPU",
    "RealNPU",
    "NaiveNPU",
    "RealNaiveNPU",
    "NRU",
    "NMRU",
    "MCFC",
    "MulMCFC",
    "NSR",
    "DMU",
]
