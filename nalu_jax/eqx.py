"""The units as Equinox layers: the leaves of a unit's params are attributes of the same names.

    >>> import jax
    >>> import nalu_jax.eqx
    >>> layer = nalu_jax.eqx.NPU(2, 6, key=jax.random.key(0))
    >>> layer.re.shape, layer.im.shape, layer.gate.shape
    ((2, 6), (2, 6), (2,))
    >>> layer(jax.numpy.ones((5, 2))).shape
    (5, 6)
    >>> sorted(layer.params())
    ['gate', 'im', 're']

Every layer maps x (..., n_in) to (..., n_out): with or without `jax.vmap`. It takes, besides `n_in`, `n_out` and `key`:

    dtype        of the computation and the result; None is the dtype that x and the params promote to
    param_dtype  of the params; None is float32, or float64 where JAX has 64-bit types enabled, as in `eqx.nn.Linear`
    <leaf>_init  by name, or a function (key, shape, dtype) -> array
    and every option of its unit, whose module says what they do

`from_params` makes a layer of functional params, with the same options.

SNMU, NRU and NMRU compute otherwise in training: `inference` chooses, as in `eqx.nn.Dropout`, in the constructor, by
`eqx.nn.inference_mode` or in the call. SNMU draws its noise with the `key` of the call; the other layers accept and
ignore a `key`, so that `eqx.nn.Sequential` can hold them.

Behind layers that may learn anything a unit's weights need not be the law: `nalu_jax.models` says what helps.

Errors are a ValueError or TypeError that says which layer, what it got and what to do.
"""

import dataclasses
import functools
from collections.abc import Callable, Hashable, Mapping
from typing import Any, ClassVar, Literal, TypeVar, cast

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Float

from . import _front
from ._checks import check_input
from ._front import Initial, Placed
from ._unit import Params, Unit
from .units import UNITS

Layer = TypeVar("Layer", bound="_Layer")


class _Layer(eqx.Module):
    """A unit as a layer.

    Attributes:
        unit: the unit's record, bound to the options of this layer.
        n_in: entries in the last axis of x.
        n_out: entries in the last axis of y.
        dtype: of the computation; None is the dtype that x and the params promote to.
    """

    record: ClassVar[Unit]
    unit: Unit = eqx.field(static=True)
    n_in: int = eqx.field(static=True)
    n_out: int = eqx.field(static=True)
    dtype: DTypeLike | None = eqx.field(static=True)

    def _build(
        self,
        shape: tuple[int, int],
        options: Mapping[str, Hashable],
        inits: Mapping[str, Initial],
        dtype: DTypeLike | None,
        param_dtype: DTypeLike | None,
        key: Array,
    ) -> None:
        self.unit, (self.n_in, self.n_out), self.dtype = self.record.bind(**options), shape, dtype
        _front.check_sizes(self._label(), *shape)
        _front.check_dtype(self._label(), "dtype", dtype)
        _front.check_dtype(self._label(), "param_dtype", param_dtype)
        params = self.unit.init(
            key, shape, jax.dtypes.canonicalize_dtype(float if param_dtype is None else param_dtype), **inits
        )
        absent = dict.fromkeys(_leaf_fields(self))  # NALU and iNALU have leaves by option
        for leaf, value in (absent | params).items():
            setattr(self, leaf, value)

    @classmethod
    def _from_params(
        cls: type[Layer], params: Mapping[str, ArrayLike], options: Mapping[str, Any], given: Mapping[str, Any]
    ) -> Layer:
        """`from_params` of every class: options are those of the unit, given are other arguments of the constructor.

        Raises:
            TypeError: params are not a mapping.
            ValueError: the leaves are not those of the unit.
        """
        arrays = jax.tree.map(jnp.asarray, params)
        shape = _front.shape_of(f"nalu_jax.eqx.{cls.__name__}", cls.record.bind(**options), arrays)
        make = cast(Callable[..., Layer], cls)  # the constructor is the subclass's
        layer = make(*shape, param_dtype=next(iter(arrays.values())).dtype, key=jax.random.key(0), **options, **given)
        return eqx.tree_at(lambda tree: [getattr(tree, leaf) for leaf in arrays], layer, list(arrays.values()))

    def params(self) -> Params:
        """The unit's dict of params."""
        return {leaf: getattr(self, leaf) for leaf in self.unit.leaves((self.n_in, self.n_out))}

    def __call__(self, x: ArrayLike, *, key: Array | None = None) -> Float[Array, "... n_out"]:
        """y (..., n_out) of x (..., n_in); the key is ignored."""
        return self._forward(self.unit.apply, x)

    def _forward(self, apply: Callable[..., Array], x: ArrayLike) -> Array:
        label, params = self._label(), self.params()
        x = check_input(label, x)
        _front.check_width(label, x, self.n_in)
        made_for = f"(n_in, n_out) = {(self.n_in, self.n_out)}, which the layer was made with"
        _front.check_shapes(label, self.unit, params, (self.n_in, self.n_out), made_for)
        return _front.forward(label, apply, params, x, self.dtype)

    def _label(self) -> str:
        return f"nalu_jax.eqx.{type(self).__name__}({self.n_in}, {self.n_out})"


def _leaf_fields(layer: _Layer) -> list[str]:
    other = {"unit", "n_in", "n_out", "dtype", "inference"}
    return [field.name for field in dataclasses.fields(layer) if field.name not in other]


class _TrainLayer(_Layer):
    """A unit whose training forward pass differs.

    Attributes:
        inference: evaluate where True, train where False.
    """

    inference: bool

    def __call__(
        self, x: ArrayLike, *, key: Array | None = None, inference: bool | None = None
    ) -> Float[Array, "... n_out"]:
        """y (..., n_out) of x (..., n_in), by the evaluation or the training forward pass.

        Args:
            x: (..., n_in).
            key: of the noise.
            inference: takes precedence over that of the constructor.

        Raises:
            ValueError: the noise needs a key and has none.
        """
        if self.inference if inference is None else inference:
            return self._forward(self.unit.apply, x)
        assert self.unit.train_apply is not None
        return self._forward(functools.partial(self.unit.train_apply, key=self._noise_key(key)), x)

    def _noise_key(self, key: Array | None) -> Array:
        if not self.record.noisy:
            return jax.random.key(0)  # its training pass is another formula without noise, and ignores the key
        if key is None:
            raise ValueError(
                f"{self._label()}: training needs a key for the noise, got None. "
                "Pass key to the call, or inference=True to evaluate."
            )
        return key


def find_units(model: Any) -> dict[tuple[str, ...], Placed]:
    """The units of an Equinox model by the path of their params in the model's tree, for `nalu_jax.models`."""
    nodes, _ = jax.tree.flatten_with_path(model, is_leaf=lambda node: isinstance(node, _Layer))
    layers = [(keys, node) for keys, node in nodes if isinstance(node, _Layer)]
    return {_front.path_of(keys): Placed(layer.unit, (layer.n_in, layer.n_out), layer.dtype) for keys, layer in layers}


@_front.held_by.register(eqx.Module)
def _held_by_module(model: eqx.Module, params: Any, *args: Any) -> tuple[_front.Units, Any]:
    return find_units(model), model if params is None else params


@_front.parts_of.register(_Layer)
def _parts_of_layer(layer: _Layer, params: Any) -> list[tuple[Unit, Params]]:
    return [(layer.unit, _front.in_dtype(layer.params() if params is None else params, layer.dtype))]


@_front.parts_of.register(eqx.nn.Sequential)
def _parts_of_sequential(model: eqx.nn.Sequential, params: Any) -> list[tuple[Unit, Params]]:
    return [part for layer in (model if params is None else params).layers for part in _front.parts_of(layer, None)]


# Everything below is written by `python -m nalu_jax._make_layers`: change the unit, then run that.


class NAC(_Layer):
    """NAC, the neural accumulator: sums and differences, by weights that lean towards -1, 0 and 1.

    Equation and options: `nalu_jax.nac`.
    """

    record = UNITS["nac"]
    w_hat: Array
    m_hat: Array

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        w_hat_init: Initial = "glorot_uniform",
        m_hat_init: Initial = "glorot_uniform",
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike | None = None,
        key: Array,
    ):
        options: dict[str, Any] = {}
        inits: dict[str, Initial] = {"w_hat_init": w_hat_init, "m_hat_init": m_hat_init}
        self._build((n_in, n_out), options, inits, dtype, param_dtype, key)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        dtype: DTypeLike | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.nac`."""
        options: dict[str, Any] = {}
        given: dict[str, Any] = {"dtype": dtype}
        return cls._from_params(params, options, given)


class NACMul(_Layer):
    """NAC*, the multiplicative NAC: products and quotients of magnitudes, as a NAC in log space.

    Equation and options: `nalu_jax.nac_mul`.
    """

    record = UNITS["nac_mul"]
    w_hat: Array
    m_hat: Array

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        eps: float = 1e-07,
        domain: Literal["real", "positive"] = "real",
        w_hat_init: Initial = "glorot_uniform",
        m_hat_init: Initial = "glorot_uniform",
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike | None = None,
        key: Array,
    ):
        options: dict[str, Any] = {"eps": eps, "domain": domain}
        inits: dict[str, Initial] = {"w_hat_init": w_hat_init, "m_hat_init": m_hat_init}
        self._build((n_in, n_out), options, inits, dtype, param_dtype, key)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        eps: float = 1e-07,
        domain: Literal["real", "positive"] = "real",
        dtype: DTypeLike | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.nac_mul`."""
        options: dict[str, Any] = {"eps": eps, "domain": domain}
        given: dict[str, Any] = {"dtype": dtype}
        return cls._from_params(params, options, given)


class NALU(_Layer):
    """NALU, the neural arithmetic logic unit: a gate chooses between a NAC and a NAC in log space.

    Equation and options: `nalu_jax.nalu`.
    """

    record = UNITS["nalu"]
    w_add_hat: Array | None
    m_add_hat: Array | None
    w_mul_hat: Array | None
    m_mul_hat: Array | None
    w_hat: Array | None
    m_hat: Array | None
    gate: Array
    bias: Array | None

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
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike | None = None,
        key: Array,
    ):
        options: dict[str, Any] = {"separate": separate, "gate_form": gate_form, "use_bias": use_bias, "eps": eps}
        inits: dict[str, Initial] = {
            "w_hat_init": w_hat_init,
            "m_hat_init": m_hat_init,
            "gate_init": gate_init,
            "bias_init": bias_init,
        }
        self._build((n_in, n_out), options, inits, dtype, param_dtype, key)

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
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.nalu`."""
        options: dict[str, Any] = {"separate": separate, "gate_form": gate_form, "use_bias": use_bias, "eps": eps}
        given: dict[str, Any] = {"dtype": dtype}
        return cls._from_params(params, options, given)


class GNALU(_Layer):
    """G-NALU, the golden-ratio NALU: a NALU with base phi = (1 + sqrt(5)) / 2 in place of e.

    Equation and options: `nalu_jax.gnalu`.
    """

    record = UNITS["gnalu"]
    w_hat: Array
    m_hat: Array
    gate: Array

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        eps: float = 1e-07,
        w_hat_init: Initial = "variance_matched",
        m_hat_init: Initial = "variance_matched",
        gate_init: Initial = "glorot_uniform",
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike | None = None,
        key: Array,
    ):
        options: dict[str, Any] = {"eps": eps}
        inits: dict[str, Initial] = {"w_hat_init": w_hat_init, "m_hat_init": m_hat_init, "gate_init": gate_init}
        self._build((n_in, n_out), options, inits, dtype, param_dtype, key)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        eps: float = 1e-07,
        dtype: DTypeLike | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.gnalu`."""
        options: dict[str, Any] = {"eps": eps}
        given: dict[str, Any] = {"dtype": dtype}
        return cls._from_params(params, options, given)


class INALU(_Layer):
    """iNALU, the improved NALU: a NALU whose product has a sign, a bound, and weights of its own.

    Equation and options: `nalu_jax.inalu`.
    """

    record = UNITS["inalu"]
    w_add_hat: Array | None
    m_add_hat: Array | None
    w_mul_hat: Array | None
    m_mul_hat: Array | None
    w_hat: Array | None
    m_hat: Array | None
    gate: Array

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
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike | None = None,
        key: Array,
    ):
        options: dict[str, Any] = {"separate": separate, "gate_form": gate_form, "eps": eps, "omega": omega}
        inits: dict[str, Initial] = {"w_hat_init": w_hat_init, "m_hat_init": m_hat_init, "gate_init": gate_init}
        self._build((n_in, n_out), options, inits, dtype, param_dtype, key)

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
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.inalu`."""
        options: dict[str, Any] = {"separate": separate, "gate_form": gate_form, "eps": eps, "omega": omega}
        given: dict[str, Any] = {"dtype": dtype}
        return cls._from_params(params, options, given)


class NAU(_Layer):
    """NAU, the neural addition unit: linear combinations, drawn to sums and differences by its regulariser.

    Equation and options: `nalu_jax.nau`.
    """

    record = UNITS["nau"]
    w: Array

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        clip: bool = False,
        w_init: Initial = "glorot_uniform_half",
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike | None = None,
        key: Array,
    ):
        options: dict[str, Any] = {"clip": clip}
        inits: dict[str, Initial] = {"w_init": w_init}
        self._build((n_in, n_out), options, inits, dtype, param_dtype, key)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        clip: bool = False,
        dtype: DTypeLike | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.nau`."""
        options: dict[str, Any] = {"clip": clip}
        given: dict[str, Any] = {"dtype": dtype}
        return cls._from_params(params, options, given)


class NMU(_Layer):
    """NMU, the neural multiplication unit: products of a subset of the inputs, of any sign.

    Equation and options: `nalu_jax.nmu`.
    """

    record = UNITS["nmu"]
    w: Array

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        w_init: Initial = "uniform(0.25,0.75)",
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike | None = None,
        key: Array,
    ):
        options: dict[str, Any] = {}
        inits: dict[str, Initial] = {"w_init": w_init}
        self._build((n_in, n_out), options, inits, dtype, param_dtype, key)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        dtype: DTypeLike | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.nmu`."""
        options: dict[str, Any] = {}
        given: dict[str, Any] = {"dtype": dtype}
        return cls._from_params(params, options, given)


class SNMU(_TrainLayer):
    """sNMU, the stochastic NMU: an NMU trained under noise that a discrete solution cancels exactly.

    Equation and options: `nalu_jax.snmu`.
    """

    record = UNITS["snmu"]
    w: Array

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        noise: tuple[float, float] | Literal["batch"] = (1.0, 5.0),
        w_init: Initial = "uniform(0.25,0.75)",
        dtype: DTypeLike | None = None,
        inference: bool = False,
        param_dtype: DTypeLike | None = None,
        key: Array,
    ):
        options: dict[str, Any] = {"noise": noise}
        inits: dict[str, Initial] = {"w_init": w_init}
        self._build((n_in, n_out), options, inits, dtype, param_dtype, key)
        self.inference = inference

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        noise: tuple[float, float] | Literal["batch"] = (1.0, 5.0),
        dtype: DTypeLike | None = None,
        inference: bool = False,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.snmu`."""
        options: dict[str, Any] = {"noise": noise}
        given: dict[str, Any] = {"dtype": dtype, "inference": inference}
        return cls._from_params(params, options, given)


class NPU(_Layer):
    """NPU, the neural power unit: products of real powers of inputs of any sign, through complex weights.

    Equation and options: `nalu_jax.npu`.
    """

    record = UNITS["npu"]
    re: Array
    im: Array
    gate: Array

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
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike | None = None,
        key: Array,
    ):
        options: dict[str, Any] = {"eps": eps, "domain": domain, "clamp": clamp}
        inits: dict[str, Initial] = {"re_init": re_init, "im_init": im_init, "gate_init": gate_init}
        self._build((n_in, n_out), options, inits, dtype, param_dtype, key)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        eps: float | None = None,
        domain: Literal["real", "positive"] = "real",
        clamp: Literal["none", "w", "g", "wi", "wg", "wig"] = "none",
        dtype: DTypeLike | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.npu`."""
        options: dict[str, Any] = {"eps": eps, "domain": domain, "clamp": clamp}
        given: dict[str, Any] = {"dtype": dtype}
        return cls._from_params(params, options, given)


class RealNPU(_Layer):
    """RealNPU: the NPU with real weights, for products of real powers that read back as a formula.

    Equation and options: `nalu_jax.real_npu`.
    """

    record = UNITS["real_npu"]
    re: Array
    gate: Array

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
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike | None = None,
        key: Array,
    ):
        options: dict[str, Any] = {"eps": eps, "domain": domain, "clamp": clamp}
        inits: dict[str, Initial] = {"re_init": re_init, "gate_init": gate_init}
        self._build((n_in, n_out), options, inits, dtype, param_dtype, key)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        eps: float | None = None,
        domain: Literal["real", "positive"] = "real",
        clamp: Literal["none", "w", "g", "wg"] = "none",
        dtype: DTypeLike | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.real_npu`."""
        options: dict[str, Any] = {"eps": eps, "domain": domain, "clamp": clamp}
        given: dict[str, Any] = {"dtype": dtype}
        return cls._from_params(params, options, given)


class NaiveNPU(_Layer):
    """NaiveNPU: the NPU without its gate.

    Equation and options: `nalu_jax.naive_npu`.
    """

    record = UNITS["naive_npu"]
    re: Array
    im: Array

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
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike | None = None,
        key: Array,
    ):
        options: dict[str, Any] = {"eps": eps, "domain": domain, "clamp": clamp}
        inits: dict[str, Initial] = {"re_init": re_init, "im_init": im_init}
        self._build((n_in, n_out), options, inits, dtype, param_dtype, key)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        eps: float | None = None,
        domain: Literal["real", "positive"] = "real",
        clamp: Literal["none", "w", "wi"] = "none",
        dtype: DTypeLike | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.naive_npu`."""
        options: dict[str, Any] = {"eps": eps, "domain": domain, "clamp": clamp}
        given: dict[str, Any] = {"dtype": dtype}
        return cls._from_params(params, options, given)


class RealNaiveNPU(_Layer):
    """RealNaiveNPU: the NPU without gate and with real weights.

    Equation and options: `nalu_jax.real_naive_npu`.
    """

    record = UNITS["real_naive_npu"]
    re: Array

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        eps: float | None = None,
        domain: Literal["real", "positive"] = "real",
        clamp: Literal["none", "w"] = "none",
        re_init: Initial = "glorot_uniform",
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike | None = None,
        key: Array,
    ):
        options: dict[str, Any] = {"eps": eps, "domain": domain, "clamp": clamp}
        inits: dict[str, Initial] = {"re_init": re_init}
        self._build((n_in, n_out), options, inits, dtype, param_dtype, key)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        eps: float | None = None,
        domain: Literal["real", "positive"] = "real",
        clamp: Literal["none", "w"] = "none",
        dtype: DTypeLike | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.real_naive_npu`."""
        options: dict[str, Any] = {"eps": eps, "domain": domain, "clamp": clamp}
        given: dict[str, Any] = {"dtype": dtype}
        return cls._from_params(params, options, given)


class NRU(_TrainLayer):
    """NRU, the neural reciprocal unit: products and quotients, by exponents between -1 and 1.

    Equation and options: `nalu_jax.nru`.
    """

    record = UNITS["nru"]
    w: Array

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        eps: float | None = None,
        domain: Literal["real", "positive"] = "real",
        sign: Literal["inside", "separate"] = "inside",
        w_init: Initial = "glorot_uniform_half",
        dtype: DTypeLike | None = None,
        inference: bool = False,
        param_dtype: DTypeLike | None = None,
        key: Array,
    ):
        options: dict[str, Any] = {"eps": eps, "domain": domain, "sign": sign}
        inits: dict[str, Initial] = {"w_init": w_init}
        self._build((n_in, n_out), options, inits, dtype, param_dtype, key)
        self.inference = inference

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        eps: float | None = None,
        domain: Literal["real", "positive"] = "real",
        sign: Literal["inside", "separate"] = "inside",
        dtype: DTypeLike | None = None,
        inference: bool = False,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.nru`."""
        options: dict[str, Any] = {"eps": eps, "domain": domain, "sign": sign}
        given: dict[str, Any] = {"dtype": dtype, "inference": inference}
        return cls._from_params(params, options, given)


class NMRU(_TrainLayer):
    """NMRU, the neural multiplicative reciprocal unit: an NMU on the inputs and their reciprocals, with the sign
    restored.

    Equation and options: `nalu_jax.nmru`.
    """

    record = UNITS["nmru"]
    w: Array

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        eps: float | None = None,
        domain: Literal["real", "positive"] = "real",
        sign: Literal["cos", "none"] = "cos",
        w_init: Initial = "uniform(0.25,0.75)",
        dtype: DTypeLike | None = None,
        inference: bool = False,
        param_dtype: DTypeLike | None = None,
        key: Array,
    ):
        options: dict[str, Any] = {"eps": eps, "domain": domain, "sign": sign}
        inits: dict[str, Initial] = {"w_init": w_init}
        self._build((n_in, n_out), options, inits, dtype, param_dtype, key)
        self.inference = inference

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        eps: float | None = None,
        domain: Literal["real", "positive"] = "real",
        sign: Literal["cos", "none"] = "cos",
        dtype: DTypeLike | None = None,
        inference: bool = False,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.nmru`."""
        options: dict[str, Any] = {"eps": eps, "domain": domain, "sign": sign}
        given: dict[str, Any] = {"dtype": dtype, "inference": inference}
        return cls._from_params(params, options, given)


class MCFC(_Layer):
    """MC-FC, the mass-conserving fully connected layer: sums in which every input is shared out among the outputs.

    Equation and options: `nalu_jax.mc_fc`.
    """

    record = UNITS["mc_fc"]
    r: Array
    gate: Array
    bias: Array

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        r_init: Initial = "identity_or_orthogonal",
        gate_init: Initial = "orthogonal",
        bias_init: Initial = "zeros",
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike | None = None,
        key: Array,
    ):
        options: dict[str, Any] = {}
        inits: dict[str, Initial] = {"r_init": r_init, "gate_init": gate_init, "bias_init": bias_init}
        self._build((n_in, n_out), options, inits, dtype, param_dtype, key)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        dtype: DTypeLike | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.mc_fc`."""
        options: dict[str, Any] = {}
        given: dict[str, Any] = {"dtype": dtype}
        return cls._from_params(params, options, given)


class MulMCFC(_Layer):
    """MulMCFC: products, as an MC-FC of logarithms.

    Equation and options: `nalu_jax.mul_mcfc`.
    """

    record = UNITS["mul_mcfc"]
    r: Array
    gate: Array
    bias: Array
    log_scale: Array
    sign_gate: Array | None

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
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike | None = None,
        key: Array,
    ):
        options: dict[str, Any] = {"sign": sign, "eps": eps}
        inits: dict[str, Initial] = {
            "r_init": r_init,
            "gate_init": gate_init,
            "bias_init": bias_init,
            "log_scale_init": log_scale_init,
            "sign_gate_init": sign_gate_init,
        }
        self._build((n_in, n_out), options, inits, dtype, param_dtype, key)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        sign: Literal["none", "inalu", "real_npu"] = "inalu",
        eps: float | None = None,
        dtype: DTypeLike | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.mul_mcfc`."""
        options: dict[str, Any] = {"sign": sign, "eps": eps}
        given: dict[str, Any] = {"dtype": dtype}
        return cls._from_params(params, options, given)


class NSR(_Layer):
    """NSR, the neural status register: comparisons `> < >= <= == !=` of two selected inputs, as a probability.

    Equation and options: `nalu_jax.nsr`.
    """

    record = UNITS["nsr"]
    first: Array
    second: Array
    sign: Array
    zero: Array
    bias: Array

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
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike | None = None,
        key: Array,
    ):
        options: dict[str, Any] = {"scaling": scaling}
        inits: dict[str, Initial] = {
            "first_init": first_init,
            "second_init": second_init,
            "sign_init": sign_init,
            "zero_init": zero_init,
            "bias_init": bias_init,
        }
        self._build((n_in, n_out), options, inits, dtype, param_dtype, key)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        scaling: float = 1.0,
        dtype: DTypeLike | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.nsr`."""
        options: dict[str, Any] = {"scaling": scaling}
        given: dict[str, Any] = {"dtype": dtype}
        return cls._from_params(params, options, given)


class DMU(_Layer):
    """DMU, the domain mixed unit: sums and products of signed selections of the inputs, mixed by a gate.

    Equation and options: `nalu_jax.dmu`.
    """

    record = UNITS["dmu"]
    select: Array
    gate: Array

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
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike | None = None,
        key: Array,
    ):
        options: dict[str, Any] = {"select_form": select_form, "gate_form": gate_form, "eps": eps}
        inits: dict[str, Initial] = {"select_init": select_init, "gate_init": gate_init}
        self._build((n_in, n_out), options, inits, dtype, param_dtype, key)

    @classmethod
    def from_params(
        cls: type[Layer],
        params: Mapping[str, ArrayLike],
        *,
        select_form: Literal["clipped", "rounded"] = "clipped",
        gate_form: Literal["soft", "hard"] = "soft",
        eps: float = 1e-11,
        dtype: DTypeLike | None = None,
    ) -> Layer:
        """A layer that computes with the params of `nalu_jax.dmu`."""
        options: dict[str, Any] = {"select_form": select_form, "gate_form": gate_form, "eps": eps}
        given: dict[str, Any] = {"dtype": dtype}
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
