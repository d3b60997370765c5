"""The units as Flax NNX layers: `nnx.to_pure_dict(nnx.state(layer, nnx.Param))` is the unit's own dict of params.

    >>> from flax import nnx
    >>> import jax.numpy as jnp
    >>> import nalu_jax.nnx
    >>> layer = nalu_jax.nnx.NPU(2, 6, rngs=nnx.Rngs(0))
    >>> {name: leaf.shape for name, leaf in nnx.to_pure_dict(nnx.state(layer, nnx.Param)).items()}
    {'gate': (2,), 'im': (2, 6), 're': (2, 6)}
    >>> layer(jnp.ones((5, 2))).shape
    (5, 6)

Every layer maps x (..., n_in) to (..., n_out) and takes, besides `n_in`, `n_out` and `rngs` (stream "params"):

    dtype        of the computation and the result; None is the dtype that x and the params promote to
    param_dtype  of the params
    <leaf>_init  by name, or a function (key, shape, dtype) -> array, also `nnx.with_partitioning(...)`
    metadata     of single leaves' `nnx.Param`, for example {"re": {"out_sharding": (None, "model")}}; none by default
    and every option of its unit, whose module says what they do

`from_params` makes a layer of functional params, with the same options.

SNMU, NRU and NMRU compute otherwise in training: `deterministic` chooses, as in `nnx.Dropout`, in the constructor, by
`model.train()` and `model.eval()`, or in the call. SNMU draws its noise from the RNG stream "noise", or the default
one, of the `rngs` of the constructor (`nnx.Rngs(params=0, noise=1)`) or of the call.

The layers hold no arrays but `nnx.Param` and, in SNMU, the RNG stream; they work in graph mode and in tree mode.
Behind layers that may learn anything a unit's weights need not be the law: `nalu_jax.models` says what helps.

Errors are a ValueError or TypeError that says which layer, what it got and what to do.
"""

import functools
from collections.abc import Callable, Hashable, Mapping
from typing import Any, ClassVar, Literal, TypeVar, cast

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Float

from . import _front
from ._checks import check_input
from ._front import Initial, Placed
from ._unit import Params, Unit
from .units import UNITS

Metadata = Mapping[str, Any]
"""Keyword arguments of a leaf's `nnx.Param`."""

Layer = TypeVar("Layer", bound="_Layer")


class _Layer(nnx.Module):
    """A unit as a layer.

    Attributes:
        unit: the unit's record, bound to the options of this layer.
        n_in: entries in the last axis of x.
        n_out: entries in the last axis of y.
        dtype: of the computation; None is the dtype that x and the params promote to.
    """

    record: ClassVar[Unit]
    unit: Unit
    n_in: int
    n_out: int
    dtype: DTypeLike | None

    def _build(
        self,
        shape: tuple[int, int],
        options: Mapping[str, Hashable],
        inits: Mapping[str, Initial],
        metadata: Mapping[str, Metadata] | None,
        dtype: DTypeLike | None,
        param_dtype: DTypeLike,
        rngs: nnx.Rngs,
    ) -> None:
        self.unit, (self.n_in, self.n_out), self.dtype = self.record.bind(**options), shape, dtype
        _front.check_sizes(self._label(), *shape)
        _front.check_dtype(self._label(), "dtype", dtype)
        _front.check_dtype(self._label(), "param_dtype", param_dtype)
        metadata = {} if metadata is None else metadata
        self._check_metadata(metadata)
        named = {option: init for option, init in inits.items() if not callable(init)}
        for leaf, value in self.unit.init(rngs.params(), shape, param_dtype, **named).items():
            init = inits[_front.init_option(leaf)]
            if callable(init):  # by NNX itself, which understands the boxes of nnx.with_partitioning
                value = init(rngs.params(), value.shape, param_dtype)
            setattr(self, leaf, nnx.Param(value, **metadata.get(leaf, {})))

    def _check_metadata(self, metadata: Mapping[str, Metadata]) -> None:
        names = list(self.unit.leaves((self.n_in, self.n_out)))
        if unknown := sorted(metadata.keys() - set(names)):
            raise ValueError(
                f"{self._label()}: metadata for {unknown}, which are no leaves of this layer; its keys: {names}, "
                f'for example metadata={{{names[0]!r}: {{"out_sharding": (None, "model")}}}}.'
            )

    @classmethod
    def _from_params(
        cls: type[Layer], params: Mapping[str, ArrayLike], options: Mapping[str, Any], given: dict[str, Any]
    ) -> Layer:
        """`from_params` of every class: options are those of the unit, given are other arguments of the constructor.

        Raises:
            TypeError: params are not a mapping.
            ValueError: the leaves are not those of the unit.
        """
        arrays = jax.tree.map(jnp.asarray, params)
        shape = _front.shape_of(f"nalu_jax.nnx.{cls.__name__}", cls.record.bind(**options), arrays)
        rngs = {"rngs": nnx.Rngs(0)} if given["rngs"] is None else {}  # what they draw is overwritten
        make = cast(Callable[..., Layer], cls)  # the constructor is the subclass's
        layer = make(*shape, param_dtype=next(iter(arrays.values())).dtype, **options, **(given | rngs))
        for leaf, value in arrays.items():
            getattr(layer, leaf).set_value(value)
        return layer

    def __call__(self, x: ArrayLike) -> Float[Array, "... n_out"]:
        """y (..., n_out) of x (..., n_in)."""
        return self._forward(self.unit.apply, x)

    def _forward(self, apply: Callable[..., Array], x: ArrayLike) -> Array:
        x = check_input(self._label(), x)
        _front.check_width(self._label(), x, self.n_in)
        return _front.forward(self._label(), apply, self._params(), x, self.dtype)

    def _params(self) -> Params:
        params = {leaf: getattr(self, leaf)[...] for leaf in self.unit.leaves((self.n_in, self.n_out))}
        made_for = f"(n_in, n_out) = {(self.n_in, self.n_out)}, which the layer was made with"
        _front.check_shapes(self._label(), self.unit, params, (self.n_in, self.n_out), made_for)
        return params

    def _label(self) -> str:
        return f"nalu_jax.nnx.{type(self).__name__}({self.n_in}, {self.n_out})"


class _TrainLayer(_Layer):
    """A unit whose training forward pass differs.

    Attributes:
        deterministic: evaluate where True, train where False; None leaves it to the call.
        rngs: the stream of SNMU's noise, or None.
    """

    deterministic: bool | None
    rngs: nnx.RngStream | None

    def _train(self, deterministic: bool | None, rngs: nnx.Rngs) -> None:
        self.deterministic = deterministic
        has_stream = self.record.noisy and ("noise" in rngs or "default" in rngs)
        self.rngs = rngs.noise.fork() if has_stream else nnx.data(None)

    def __call__(
        self,
        x: ArrayLike,
        *,
        deterministic: bool | None = None,
        rngs: nnx.Rngs | nnx.RngStream | Array | None = None,
    ) -> Float[Array, "... n_out"]:
        """y (..., n_out) of x (..., n_in), by the evaluation or the training forward pass.

        Args:
            x: (..., n_in).
            deterministic: takes precedence over that of the constructor.
            rngs: a key or stream for the noise; takes precedence over that of the constructor.

        Raises:
            ValueError: `deterministic` is given neither here nor in the constructor, or there is no noise stream.
        """
        deterministic = self.deterministic if deterministic is None else deterministic
        if deterministic is None:
            raise ValueError(
                f"{self._label()}: deterministic is None in the constructor and in the call, expected True or False in "
                "one of them: True evaluates, False trains. Or call model.eval() or model.train()."
            )
        if deterministic:
            return self._forward(self.unit.apply, x)
        assert self.unit.train_apply is not None
        return self._forward(functools.partial(self.unit.train_apply, key=self._noise_key(rngs)), x)

    def _noise_key(self, rngs: nnx.Rngs | nnx.RngStream | Array | None) -> Array:
        if not self.record.noisy:
            return jax.random.key(0)  # its training pass is another formula without noise, and ignores the key
        source = self.rngs if rngs is None else rngs
        if isinstance(source, nnx.Rngs):
            source = source.noise if "noise" in source or "default" in source else None
        if source is None:
            raise ValueError(
                f'{self._label()}: training needs the RNG stream "noise", got none. '
                "Make the layer with rngs=nnx.Rngs(params=0, noise=1), pass rngs to the call, or deterministic=True."
            )
        return source() if isinstance(source, nnx.RngStream) else source


def find_units(model: Any) -> dict[tuple[str, ...], Placed]:
    """The units of an NNX model by the path of their params in `nnx.state(model, nnx.Param)`, for `nalu_jax.models`.

    A layer that the model holds twice is found once, where its params are.
    """
    nodes = [(path, node) for path, node in nnx.iter_graph(model) if isinstance(node, _Layer)]
    return {tuple(map(str, path)): Placed(layer.unit, (layer.n_in, layer.n_out), layer.dtype) for path, layer in nodes}


@_front.held_by.register(nnx.Module)
def _held_by_module(model: nnx.Module, params: Any, *args: Any) -> tuple[_front.Units, Any]:
    return find_units(model), nnx.state(model, nnx.Param) if params is None else params


@_front.parts_of.register(_Layer)
def _parts_of_layer(layer: _Layer, params: Any) -> list[tuple[Unit, Params]]:
    state = nnx.state(layer, nnx.Param) if params is None else params
    return [
        (layer.unit, _front.in_dtype(nnx.to_pure_dict(state) if isinstance(state, nnx.State) else state, layer.dtype))
    ]


@_front.parts_of.register(nnx.Sequential)
def _parts_of_sequential(model: nnx.Sequential, params: Any) -> list[tuple[Unit, Params]]:
    if params is not None and "layers" not in params:
        there = ", ".join(map(repr, params)) if isinstance(params, Mapping) else type(params).__name__
        raise ValueError(
            f"to_sympy: params of an nnx.Sequential have 'layers', these have {there}. Pass nnx.state(model, "
            "nnx.Param), or none for the model's own; of a model with the Sequential inside, symbolic.read."
        )
    own = lambda i: None if params is None else params["layers"][i]
    return [part for i, layer in enumerate(model.layers) for part in _front.parts_of(layer, own(i))]


# Everything below is written by `python -m nalu_jax._make_layers`: change the unit, then run that.


class NAC(_Layer):
    """NAC, the neural accumulator: sums and differences, by weights that lean towards -1, 0 and 1.

    Equation and options: `nalu_jax.nac`.
    """

    record = UNITS["nac"]
    w_hat: nnx.Param[Array]
    m_hat: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        w_hat_init: Initial = "glorot_uniform",
        m_hat_init: Initial = "glorot_uniform",
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        options: dict[str, Any] = {}
        inits: dict[str, Initial] = {"w_hat_init": w_hat_init, "m_hat_init": m_hat_init}
        self._build((n_in, n_out), options, inits, metadata, dtype, param_dtype, rngs)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.nac`."""
        options: dict[str, Any] = {}
        given: dict[str, Any] = {"metadata": metadata, "dtype": dtype, "rngs": rngs}
        return cls._from_params(params, options, given)


class NACMul(_Layer):
    """NAC*, the multiplicative NAC: products and quotients of magnitudes, as a NAC in log space.

    Equation and options: `nalu_jax.nac_mul`.
    """

    record = UNITS["nac_mul"]
    w_hat: nnx.Param[Array]
    m_hat: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        eps: float = 1e-07,
        domain: Literal["real", "positive"] = "real",
        w_hat_init: Initial = "glorot_uniform",
        m_hat_init: Initial = "glorot_uniform",
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        options: dict[str, Any] = {"eps": eps, "domain": domain}
        inits: dict[str, Initial] = {"w_hat_init": w_hat_init, "m_hat_init": m_hat_init}
        self._build((n_in, n_out), options, inits, metadata, dtype, param_dtype, rngs)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        eps: float = 1e-07,
        domain: Literal["real", "positive"] = "real",
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.nac_mul`."""
        options: dict[str, Any] = {"eps": eps, "domain": domain}
        given: dict[str, Any] = {"metadata": metadata, "dtype": dtype, "rngs": rngs}
        return cls._from_params(params, options, given)


class NALU(_Layer):
    """NALU, the neural arithmetic logic unit: a gate chooses between a NAC and a NAC in log space.

    Equation and options: `nalu_jax.nalu`.
    """

    record = UNITS["nalu"]
    w_add_hat: nnx.Param[Array]
    m_add_hat: nnx.Param[Array]
    w_mul_hat: nnx.Param[Array]
    m_mul_hat: nnx.Param[Array]
    w_hat: nnx.Param[Array]
    m_hat: nnx.Param[Array]
    gate: nnx.Param[Array]
    bias: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        separate: bool = False,
        gate_form: Literal["matrix", "vector"] = "matrix",
        use_bias: bool = True,
        eps: float = 1e-08,
        w_hat_init: Initial = "glorot_uniform",
        m_hat_init: Initial = "glorot_uniform",
        gate_init: Initial = "glorot_uniform",
        bias_init: Initial = "glorot_uniform",
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        options: dict[str, Any] = {"separate": separate, "gate_form": gate_form, "use_bias": use_bias, "eps": eps}
        inits: dict[str, Initial] = {
            "w_hat_init": w_hat_init,
            "m_hat_init": m_hat_init,
            "gate_init": gate_init,
            "bias_init": bias_init,
        }
        self._build((n_in, n_out), options, inits, metadata, dtype, param_dtype, rngs)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        separate: bool = False,
        gate_form: Literal["matrix", "vector"] = "matrix",
        use_bias: bool = True,
        eps: float = 1e-08,
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.nalu`."""
        options: dict[str, Any] = {"separate": separate, "gate_form": gate_form, "use_bias": use_bias, "eps": eps}
        given: dict[str, Any] = {"metadata": metadata, "dtype": dtype, "rngs": rngs}
        return cls._from_params(params, options, given)


class GNALU(_Layer):
    """G-NALU, the golden-ratio NALU: a NALU with base phi = (1 + sqrt(5)) / 2 in place of e.

    Equation and options: `nalu_jax.gnalu`.
    """

    record = UNITS["gnalu"]
    w_hat: nnx.Param[Array]
    m_hat: nnx.Param[Array]
    gate: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        eps: float = 1e-07,
        w_hat_init: Initial = "variance_matched",
        m_hat_init: Initial = "variance_matched",
        gate_init: Initial = "glorot_uniform",
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        options: dict[str, Any] = {"eps": eps}
        inits: dict[str, Initial] = {"w_hat_init": w_hat_init, "m_hat_init": m_hat_init, "gate_init": gate_init}
        self._build((n_in, n_out), options, inits, metadata, dtype, param_dtype, rngs)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        eps: float = 1e-07,
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.gnalu`."""
        options: dict[str, Any] = {"eps": eps}
        given: dict[str, Any] = {"metadata": metadata, "dtype": dtype, "rngs": rngs}
        return cls._from_params(params, options, given)


class INALU(_Layer):
    """iNALU, the improved NALU: a NALU whose product has a sign, a bound, and weights of its own.

    Equation and options: `nalu_jax.inalu`.
    """

    record = UNITS["inalu"]
    w_add_hat: nnx.Param[Array]
    m_add_hat: nnx.Param[Array]
    w_mul_hat: nnx.Param[Array]
    m_mul_hat: nnx.Param[Array]
    w_hat: nnx.Param[Array]
    m_hat: nnx.Param[Array]
    gate: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        separate: bool = True,
        gate_form: Literal["matrix", "independent"] = "matrix",
        eps: float = 1e-07,
        omega: float = 20.0,
        w_hat_init: Initial = "normal(1,0.1)",
        m_hat_init: Initial = "normal(-1,0.1)",
        gate_init: Initial = "normal(0,0.1)",
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        options: dict[str, Any] = {"separate": separate, "gate_form": gate_form, "eps": eps, "omega": omega}
        inits: dict[str, Initial] = {"w_hat_init": w_hat_init, "m_hat_init": m_hat_init, "gate_init": gate_init}
        self._build((n_in, n_out), options, inits, metadata, dtype, param_dtype, rngs)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        separate: bool = True,
        gate_form: Literal["matrix", "independent"] = "matrix",
        eps: float = 1e-07,
        omega: float = 20.0,
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.inalu`."""
        options: dict[str, Any] = {"separate": separate, "gate_form": gate_form, "eps": eps, "omega": omega}
        given: dict[str, Any] = {"metadata": metadata, "dtype": dtype, "rngs": rngs}
        return cls._from_params(params, options, given)


class NAU(_Layer):
    """NAU, the neural addition unit: linear combinations, drawn to sums and differences by its regulariser.

    Equation and options: `nalu_jax.nau`.
    """

    record = UNITS["nau"]
    w: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        clip: bool = False,
        w_init: Initial = "glorot_uniform_half",
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        options: dict[str, Any] = {"clip": clip}
        inits: dict[str, Initial] = {"w_init": w_init}
        self._build((n_in, n_out), options, inits, metadata, dtype, param_dtype, rngs)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        clip: bool = False,
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.nau`."""
        options: dict[str, Any] = {"clip": clip}
        given: dict[str, Any] = {"metadata": metadata, "dtype": dtype, "rngs": rngs}
        return cls._from_params(params, options, given)


class NMU(_Layer):
    """NMU, the neural multiplication unit: products of a subset of the inputs, of any sign.

    Equation and options: `nalu_jax.nmu`.
    """

    record = UNITS["nmu"]
    w: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        w_init: Initial = "uniform(0.25,0.75)",
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        options: dict[str, Any] = {}
        inits: dict[str, Initial] = {"w_init": w_init}
        self._build((n_in, n_out), options, inits, metadata, dtype, param_dtype, rngs)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.nmu`."""
        options: dict[str, Any] = {}
        given: dict[str, Any] = {"metadata": metadata, "dtype": dtype, "rngs": rngs}
        return cls._from_params(params, options, given)


class SNMU(_TrainLayer):
    """sNMU, the stochastic NMU: an NMU trained under noise that a discrete solution cancels exactly.

    Equation and options: `nalu_jax.snmu`.
    """

    record = UNITS["snmu"]
    w: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        noise: tuple[float, float] | Literal["batch"] = (1.0, 5.0),
        w_init: Initial = "uniform(0.25,0.75)",
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        deterministic: bool | None = False,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        options: dict[str, Any] = {"noise": noise}
        inits: dict[str, Initial] = {"w_init": w_init}
        self._build((n_in, n_out), options, inits, metadata, dtype, param_dtype, rngs)
        self._train(deterministic, rngs)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        noise: tuple[float, float] | Literal["batch"] = (1.0, 5.0),
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        deterministic: bool | None = False,
        rngs: nnx.Rngs | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.snmu`."""
        options: dict[str, Any] = {"noise": noise}
        given: dict[str, Any] = {"metadata": metadata, "dtype": dtype, "deterministic": deterministic, "rngs": rngs}
        return cls._from_params(params, options, given)


class NPU(_Layer):
    """NPU, the neural power unit: products of real powers of inputs of any sign, through complex weights.

    Equation and options: `nalu_jax.npu`.
    """

    record = UNITS["npu"]
    re: nnx.Param[Array]
    im: nnx.Param[Array]
    gate: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        eps: float | None = None,
        domain: Literal["real", "positive"] = "real",
        clamp: Literal["none", "w", "g", "wi", "wg", "wig"] = "none",
        re_init: Initial = "glorot_uniform",
        im_init: Initial = "zeros",
        gate_init: Initial = "half",
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        options: dict[str, Any] = {"eps": eps, "domain": domain, "clamp": clamp}
        inits: dict[str, Initial] = {"re_init": re_init, "im_init": im_init, "gate_init": gate_init}
        self._build((n_in, n_out), options, inits, metadata, dtype, param_dtype, rngs)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        eps: float | None = None,
        domain: Literal["real", "positive"] = "real",
        clamp: Literal["none", "w", "g", "wi", "wg", "wig"] = "none",
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.npu`."""
        options: dict[str, Any] = {"eps": eps, "domain": domain, "clamp": clamp}
        given: dict[str, Any] = {"metadata": metadata, "dtype": dtype, "rngs": rngs}
        return cls._from_params(params, options, given)


class RealNPU(_Layer):
    """RealNPU: the NPU with real weights, for products of real powers that read back as a formula.

    Equation and options: `nalu_jax.real_npu`.
    """

    record = UNITS["real_npu"]
    re: nnx.Param[Array]
    gate: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        eps: float | None = None,
        domain: Literal["real", "positive"] = "real",
        clamp: Literal["none", "w", "g", "wg"] = "none",
        re_init: Initial = "glorot_uniform",
        gate_init: Initial = "half",
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        options: dict[str, Any] = {"eps": eps, "domain": domain, "clamp": clamp}
        inits: dict[str, Initial] = {"re_init": re_init, "gate_init": gate_init}
        self._build((n_in, n_out), options, inits, metadata, dtype, param_dtype, rngs)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        eps: float | None = None,
        domain: Literal["real", "positive"] = "real",
        clamp: Literal["none", "w", "g", "wg"] = "none",
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.real_npu`."""
        options: dict[str, Any] = {"eps": eps, "domain": domain, "clamp": clamp}
        given: dict[str, Any] = {"metadata": metadata, "dtype": dtype, "rngs": rngs}
        return cls._from_params(params, options, given)


class NaiveNPU(_Layer):
    """NaiveNPU: the NPU without its gate.

    Equation and options: `nalu_jax.naive_npu`.
    """

    record = UNITS["naive_npu"]
    re: nnx.Param[Array]
    im: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        eps: float | None = None,
        domain: Literal["real", "positive"] = "real",
        clamp: Literal["none", "w", "wi"] = "none",
        re_init: Initial = "glorot_uniform",
        im_init: Initial = "zeros",
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        options: dict[str, Any] = {"eps": eps, "domain": domain, "clamp": clamp}
        inits: dict[str, Initial] = {"re_init": re_init, "im_init": im_init}
        self._build((n_in, n_out), options, inits, metadata, dtype, param_dtype, rngs)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        eps: float | None = None,
        domain: Literal["real", "positive"] = "real",
        clamp: Literal["none", "w", "wi"] = "none",
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.naive_npu`."""
        options: dict[str, Any] = {"eps": eps, "domain": domain, "clamp": clamp}
        given: dict[str, Any] = {"metadata": metadata, "dtype": dtype, "rngs": rngs}
        return cls._from_params(params, options, given)


class RealNaiveNPU(_Layer):
    """RealNaiveNPU: the NPU without gate and with real weights.

    Equation and options: `nalu_jax.real_naive_npu`.
    """

    record = UNITS["real_naive_npu"]
    re: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        eps: float | None = None,
        domain: Literal["real", "positive"] = "real",
        clamp: Literal["none", "w"] = "none",
        re_init: Initial = "glorot_uniform",
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        options: dict[str, Any] = {"eps": eps, "domain": domain, "clamp": clamp}
        inits: dict[str, Initial] = {"re_init": re_init}
        self._build((n_in, n_out), options, inits, metadata, dtype, param_dtype, rngs)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        eps: float | None = None,
        domain: Literal["real", "positive"] = "real",
        clamp: Literal["none", "w"] = "none",
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.real_naive_npu`."""
        options: dict[str, Any] = {"eps": eps, "domain": domain, "clamp": clamp}
        given: dict[str, Any] = {"metadata": metadata, "dtype": dtype, "rngs": rngs}
        return cls._from_params(params, options, given)


class NRU(_TrainLayer):
    """NRU, the neural reciprocal unit: products and quotients, by exponents between -1 and 1.

    Equation and options: `nalu_jax.nru`.
    """

    record = UNITS["nru"]
    w: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        eps: float | None = None,
        domain: Literal["real", "positive"] = "real",
        sign: Literal["inside", "separate"] = "inside",
        w_init: Initial = "glorot_uniform_half",
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        deterministic: bool | None = False,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        options: dict[str, Any] = {"eps": eps, "domain": domain, "sign": sign}
        inits: dict[str, Initial] = {"w_init": w_init}
        self._build((n_in, n_out), options, inits, metadata, dtype, param_dtype, rngs)
        self._train(deterministic, rngs)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        eps: float | None = None,
        domain: Literal["real", "positive"] = "real",
        sign: Literal["inside", "separate"] = "inside",
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        deterministic: bool | None = False,
        rngs: nnx.Rngs | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.nru`."""
        options: dict[str, Any] = {"eps": eps, "domain": domain, "sign": sign}
        given: dict[str, Any] = {"metadata": metadata, "dtype": dtype, "deterministic": deterministic, "rngs": rngs}
        return cls._from_params(params, options, given)


class NMRU(_TrainLayer):
    """NMRU, the neural multiplicative reciprocal unit: an NMU on the inputs and their reciprocals, with the sign
    restored.

    Equation and options: `nalu_jax.nmru`.
    """

    record = UNITS["nmru"]
    w: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        eps: float | None = None,
        domain: Literal["real", "positive"] = "real",
        sign: Literal["cos", "none"] = "cos",
        w_init: Initial = "uniform(0.25,0.75)",
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        deterministic: bool | None = False,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        options: dict[str, Any] = {"eps": eps, "domain": domain, "sign": sign}
        inits: dict[str, Initial] = {"w_init": w_init}
        self._build((n_in, n_out), options, inits, metadata, dtype, param_dtype, rngs)
        self._train(deterministic, rngs)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        eps: float | None = None,
        domain: Literal["real", "positive"] = "real",
        sign: Literal["cos", "none"] = "cos",
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        deterministic: bool | None = False,
        rngs: nnx.Rngs | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.nmru`."""
        options: dict[str, Any] = {"eps": eps, "domain": domain, "sign": sign}
        given: dict[str, Any] = {"metadata": metadata, "dtype": dtype, "deterministic": deterministic, "rngs": rngs}
        return cls._from_params(params, options, given)


class MCFC(_Layer):
    """MC-FC, the mass-conserving fully connected layer: sums in which every input is shared out among the outputs.

    Equation and options: `nalu_jax.mc_fc`.
    """

    record = UNITS["mc_fc"]
    r: nnx.Param[Array]
    gate: nnx.Param[Array]
    bias: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        r_init: Initial = "identity_or_orthogonal",
        gate_init: Initial = "orthogonal",
        bias_init: Initial = "zeros",
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        options: dict[str, Any] = {}
        inits: dict[str, Initial] = {"r_init": r_init, "gate_init": gate_init, "bias_init": bias_init}
        self._build((n_in, n_out), options, inits, metadata, dtype, param_dtype, rngs)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.mc_fc`."""
        options: dict[str, Any] = {}
        given: dict[str, Any] = {"metadata": metadata, "dtype": dtype, "rngs": rngs}
        return cls._from_params(params, options, given)


class MulMCFC(_Layer):
    """MulMCFC: products, as an MC-FC of logarithms.

    Equation and options: `nalu_jax.mul_mcfc`.
    """

    record = UNITS["mul_mcfc"]
    r: nnx.Param[Array]
    gate: nnx.Param[Array]
    bias: nnx.Param[Array]
    log_scale: nnx.Param[Array]
    sign_gate: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        sign: Literal["none", "inalu", "real_npu"] = "inalu",
        eps: float | None = None,
        r_init: Initial = "identity_or_orthogonal",
        gate_init: Initial = "orthogonal",
        bias_init: Initial = "zeros",
        log_scale_init: Initial = "zeros",
        sign_gate_init: Initial = "half",
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        options: dict[str, Any] = {"sign": sign, "eps": eps}
        inits: dict[str, Initial] = {
            "r_init": r_init,
            "gate_init": gate_init,
            "bias_init": bias_init,
            "log_scale_init": log_scale_init,
            "sign_gate_init": sign_gate_init,
        }
        self._build((n_in, n_out), options, inits, metadata, dtype, param_dtype, rngs)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        sign: Literal["none", "inalu", "real_npu"] = "inalu",
        eps: float | None = None,
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.mul_mcfc`."""
        options: dict[str, Any] = {"sign": sign, "eps": eps}
        given: dict[str, Any] = {"metadata": metadata, "dtype": dtype, "rngs": rngs}
        return cls._from_params(params, options, given)


class NSR(_Layer):
    """NSR, the neural status register: comparisons `> < >= <= == !=` of two selected inputs, as a probability.

    Equation and options: `nalu_jax.nsr`.
    """

    record = UNITS["nsr"]
    first: nnx.Param[Array]
    second: nnx.Param[Array]
    sign: nnx.Param[Array]
    zero: nnx.Param[Array]
    bias: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        scaling: float = 1.0,
        first_init: Initial = "glorot_normal_columns",
        second_init: Initial = "glorot_normal_columns",
        sign_init: Initial = "glorot_normal_columns",
        zero_init: Initial = "glorot_normal_columns",
        bias_init: Initial = "zeros",
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        options: dict[str, Any] = {"scaling": scaling}
        inits: dict[str, Initial] = {
            "first_init": first_init,
            "second_init": second_init,
            "sign_init": sign_init,
            "zero_init": zero_init,
            "bias_init": bias_init,
        }
        self._build((n_in, n_out), options, inits, metadata, dtype, param_dtype, rngs)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        scaling: float = 1.0,
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.nsr`."""
        options: dict[str, Any] = {"scaling": scaling}
        given: dict[str, Any] = {"metadata": metadata, "dtype": dtype, "rngs": rngs}
        return cls._from_params(params, options, given)


class DMU(_Layer):
    """DMU, the domain mixed unit: sums and products of signed selections of the inputs, mixed by a gate.

    Equation and options: `nalu_jax.dmu`.
    """

    record = UNITS["dmu"]
    select: nnx.Param[Array]
    gate: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        select_form: Literal["clipped", "rounded"] = "clipped",
        gate_form: Literal["soft", "hard"] = "soft",
        eps: float = 1e-11,
        select_init: Initial = "glorot_uniform_half",
        gate_init: Initial = "zeros",
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        options: dict[str, Any] = {"select_form": select_form, "gate_form": gate_form, "eps": eps}
        inits: dict[str, Initial] = {"select_init": select_init, "gate_init": gate_init}
        self._build((n_in, n_out), options, inits, metadata, dtype, param_dtype, rngs)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        select_form: Literal["clipped", "rounded"] = "clipped",
        gate_form: Literal["soft", "hard"] = "soft",
        eps: float = 1e-11,
        metadata: Mapping[str, Metadata] | None = None,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.dmu`."""
        options: dict[str, Any] = {"select_form": select_form, "gate_form": gate_form, "eps": eps}
        given: dict[str, Any] = {"metadata": metadata, "dtype": dtype, "rngs": rngs}
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
