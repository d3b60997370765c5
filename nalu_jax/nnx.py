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

    dtype            of the computation and the result; None is the dtype that x and the params promote to
    param_dtype      of the params
    <leaf>_init      by name, or a function (key, shape, dtype) -> array, also `nnx.with_partitioning(...)`
    <leaf>_metadata  of the leaf's `nnx.Param`, for example {"out_sharding": (None, "model")}; none by default
    and every option of its unit, whose module says what they do

SNMU, NRU and NMRU compute otherwise in training: `deterministic` chooses, as in `nnx.Dropout`, in the constructor, by
`model.train()` and `model.eval()`, or in the call. SNMU draws its noise from the RNG stream "noise", or the default
one, of the `rngs` of the constructor (`nnx.Rngs(params=0, noise=1)`) or of the call.

The layers hold no arrays but `nnx.Param` and, in SNMU, the RNG stream; they work in graph mode and in tree mode.
Errors are a ValueError or TypeError that says which layer, what it got and what to do.
"""

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar, cast

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

PLAIN: Metadata = MappingProxyType({})
"""No metadata."""

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
        unit: Unit,
        shape: tuple[int, int],
        leaves: Mapping[str, tuple[Initial, Metadata]],
        dtype: DTypeLike | None,
        param_dtype: DTypeLike,
        rngs: nnx.Rngs,
    ) -> None:
        self.unit, (self.n_in, self.n_out), self.dtype = unit, shape, dtype
        _front.check_sizes(self._label(), *shape)
        _front.check_dtype(self._label(), "dtype", dtype)
        _front.check_dtype(self._label(), "param_dtype", param_dtype)
        named = {f"{word}_init": init for word, (init, _) in leaves.items() if not callable(init)}
        for leaf, value in unit.init(rngs.params(), shape, param_dtype, **named).items():
            init, metadata = leaves[_front.option_of(leaf)]
            if callable(init):  # by NNX itself, which understands the boxes of nnx.with_partitioning
                value = init(rngs.params(), value.shape, param_dtype)
            setattr(self, leaf, nnx.Param(value, **metadata))

    @classmethod
    def from_params(
        cls: type[Layer], params: Mapping[str, ArrayLike], *, rngs: nnx.Rngs | None = None, **options: Any
    ) -> Layer:
        """A layer of functional params; `options` are those of the constructor, `rngs` is for SNMU's noise.

        Raises:
            TypeError: params are not a mapping, or an option is unknown.
            ValueError: the leaves are not those of the unit.
        """
        arrays = jax.tree.map(jnp.asarray, params)
        label = f"nalu_jax.nnx.{cls.__name__}"
        names = _front.options_of(cls.record).keys() & options.keys()
        bound = cls.record.bind(**{name: options[name] for name in names if not _front.is_initial(name)})
        shape = _front.shape_of(label, bound, arrays)
        given = {"param_dtype": next(iter(arrays.values())).dtype} | options
        make = cast(Callable[..., Layer], cls)  # the constructor is the subclass's
        layer = make(*shape, rngs=nnx.Rngs(0) if rngs is None else rngs, **given)
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

    noisy: ClassVar[bool] = False
    deterministic: bool | None
    rngs: nnx.RngStream | None

    def _train(self, deterministic: bool | None, rngs: nnx.Rngs) -> None:
        self.deterministic = deterministic
        has_stream = self.noisy and ("noise" in rngs or "default" in rngs)
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
        if not self.noisy:
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
    return {tuple(map(str, path)): Placed(layer.unit, (layer.n_in, layer.n_out)) for path, layer in nodes}


class NAC(_Layer):
    """`nalu_jax.nac`: sums and differences, by tanh * sigmoid weights."""

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
        w_hat_metadata: Metadata = PLAIN,
        m_hat_metadata: Metadata = PLAIN,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        unit = self.record
        leaves = {"w_hat": (w_hat_init, w_hat_metadata), "m_hat": (m_hat_init, m_hat_metadata)}
        self._build(unit, (n_in, n_out), leaves, dtype, param_dtype, rngs)


class NACMul(_Layer):
    """`nalu_jax.nac_mul`: the NAC in log space: products of powers of |x|."""

    record = UNITS["nac_mul"]
    w_hat: nnx.Param[Array]
    m_hat: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        eps: float = 1e-07,
        domain: str = "real",
        w_hat_init: Initial = "glorot_uniform",
        m_hat_init: Initial = "glorot_uniform",
        w_hat_metadata: Metadata = PLAIN,
        m_hat_metadata: Metadata = PLAIN,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        unit = self.record.bind(eps=eps, domain=domain)
        leaves = {"w_hat": (w_hat_init, w_hat_metadata), "m_hat": (m_hat_init, m_hat_metadata)}
        self._build(unit, (n_in, n_out), leaves, dtype, param_dtype, rngs)


class NALU(_Layer):
    """`nalu_jax.nalu`: a gate between sums and products."""

    record = UNITS["nalu"]
    w_hat: nnx.Param[Array]
    m_hat: nnx.Param[Array]
    w_add_hat: nnx.Param[Array]
    m_add_hat: nnx.Param[Array]
    w_mul_hat: nnx.Param[Array]
    m_mul_hat: nnx.Param[Array]
    gate: nnx.Param[Array]
    bias: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        separate: bool = False,
        gate: str = "matrix",
        bias: bool = True,
        eps: float = 1e-08,
        w_hat_init: Initial = "glorot_uniform",
        m_hat_init: Initial = "glorot_uniform",
        gate_init: Initial = "glorot_uniform",
        bias_init: Initial = "glorot_uniform",
        w_hat_metadata: Metadata = PLAIN,
        m_hat_metadata: Metadata = PLAIN,
        gate_metadata: Metadata = PLAIN,
        bias_metadata: Metadata = PLAIN,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        unit = self.record.bind(separate=separate, gate=gate, bias=bias, eps=eps)
        leaves = {
            "w_hat": (w_hat_init, w_hat_metadata),
            "m_hat": (m_hat_init, m_hat_metadata),
            "gate": (gate_init, gate_metadata),
            "bias": (bias_init, bias_metadata),
        }
        self._build(unit, (n_in, n_out), leaves, dtype, param_dtype, rngs)


class GNALU(_Layer):
    """`nalu_jax.gnalu`: the NALU with the golden ratio for a base."""

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
        w_hat_metadata: Metadata = PLAIN,
        m_hat_metadata: Metadata = PLAIN,
        gate_metadata: Metadata = PLAIN,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        unit = self.record.bind(eps=eps)
        leaves = {
            "w_hat": (w_hat_init, w_hat_metadata),
            "m_hat": (m_hat_init, m_hat_metadata),
            "gate": (gate_init, gate_metadata),
        }
        self._build(unit, (n_in, n_out), leaves, dtype, param_dtype, rngs)


class INALU(_Layer):
    """`nalu_jax.inalu`: a NALU with signs, safe products and separate weights."""

    record = UNITS["inalu"]
    w_hat: nnx.Param[Array]
    m_hat: nnx.Param[Array]
    w_add_hat: nnx.Param[Array]
    m_add_hat: nnx.Param[Array]
    w_mul_hat: nnx.Param[Array]
    m_mul_hat: nnx.Param[Array]
    gate: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        separate: bool = True,
        gate: str = "matrix",
        eps: float = 1e-07,
        omega: float = 20.0,
        w_hat_init: Initial = "normal(1,0.1)",
        m_hat_init: Initial = "normal(-1,0.1)",
        gate_init: Initial = "normal(0,0.1)",
        w_hat_metadata: Metadata = PLAIN,
        m_hat_metadata: Metadata = PLAIN,
        gate_metadata: Metadata = PLAIN,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        unit = self.record.bind(separate=separate, gate=gate, eps=eps, omega=omega)
        leaves = {
            "w_hat": (w_hat_init, w_hat_metadata),
            "m_hat": (m_hat_init, m_hat_metadata),
            "gate": (gate_init, gate_metadata),
        }
        self._build(unit, (n_in, n_out), leaves, dtype, param_dtype, rngs)


class NAU(_Layer):
    """`nalu_jax.nau`: sums and differences, with weights in [-1, 1]."""

    record = UNITS["nau"]
    w: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        clip: bool = False,
        w_init: Initial = "glorot_uniform_half",
        w_metadata: Metadata = PLAIN,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        unit = self.record.bind(clip=clip)
        leaves = {"w": (w_init, w_metadata)}
        self._build(unit, (n_in, n_out), leaves, dtype, param_dtype, rngs)


class NMU(_Layer):
    """`nalu_jax.nmu`: products of any of the inputs."""

    record = UNITS["nmu"]
    w: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        w_init: Initial = "uniform(0.25,0.75)",
        w_metadata: Metadata = PLAIN,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        unit = self.record
        leaves = {"w": (w_init, w_metadata)}
        self._build(unit, (n_in, n_out), leaves, dtype, param_dtype, rngs)


class SNMU(_TrainLayer):
    """`nalu_jax.snmu`: the NMU, trained under reversible noise."""

    record = UNITS["snmu"]
    noisy = True
    w: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        noise: tuple[float, float] | str = (1.0, 5.0),
        w_init: Initial = "uniform(0.25,0.75)",
        w_metadata: Metadata = PLAIN,
        deterministic: bool | None = False,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        unit = self.record.bind(noise=noise)
        leaves = {"w": (w_init, w_metadata)}
        self._build(unit, (n_in, n_out), leaves, dtype, param_dtype, rngs)
        self._train(deterministic, rngs)


class NPU(_Layer):
    """`nalu_jax.npu`: products of powers, with complex weights and a relevance gate."""

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
        domain: str = "real",
        clip: str = "none",
        re_init: Initial = "glorot_uniform",
        im_init: Initial = "zeros",
        gate_init: Initial = "half",
        re_metadata: Metadata = PLAIN,
        im_metadata: Metadata = PLAIN,
        gate_metadata: Metadata = PLAIN,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        unit = self.record.bind(eps=eps, domain=domain, clip=clip)
        leaves = {"re": (re_init, re_metadata), "im": (im_init, im_metadata), "gate": (gate_init, gate_metadata)}
        self._build(unit, (n_in, n_out), leaves, dtype, param_dtype, rngs)


class RealNPU(_Layer):
    """`nalu_jax.real_npu`: the NPU with real weights."""

    record = UNITS["real_npu"]
    re: nnx.Param[Array]
    gate: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        eps: float | None = None,
        domain: str = "real",
        clip: str = "none",
        re_init: Initial = "glorot_uniform",
        gate_init: Initial = "half",
        re_metadata: Metadata = PLAIN,
        gate_metadata: Metadata = PLAIN,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        unit = self.record.bind(eps=eps, domain=domain, clip=clip)
        leaves = {"re": (re_init, re_metadata), "gate": (gate_init, gate_metadata)}
        self._build(unit, (n_in, n_out), leaves, dtype, param_dtype, rngs)


class NaiveNPU(_Layer):
    """`nalu_jax.naive_npu`: the NPU without a gate."""

    record = UNITS["naive_npu"]
    re: nnx.Param[Array]
    im: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        eps: float | None = None,
        domain: str = "real",
        clip: str = "none",
        re_init: Initial = "glorot_uniform",
        im_init: Initial = "zeros",
        re_metadata: Metadata = PLAIN,
        im_metadata: Metadata = PLAIN,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        unit = self.record.bind(eps=eps, domain=domain, clip=clip)
        leaves = {"re": (re_init, re_metadata), "im": (im_init, im_metadata)}
        self._build(unit, (n_in, n_out), leaves, dtype, param_dtype, rngs)


class RealNaiveNPU(_Layer):
    """`nalu_jax.real_naive_npu`: the NPU with real weights and without a gate."""

    record = UNITS["real_naive_npu"]
    re: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        eps: float | None = None,
        domain: str = "real",
        clip: str = "none",
        re_init: Initial = "glorot_uniform",
        re_metadata: Metadata = PLAIN,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        unit = self.record.bind(eps=eps, domain=domain, clip=clip)
        leaves = {"re": (re_init, re_metadata)}
        self._build(unit, (n_in, n_out), leaves, dtype, param_dtype, rngs)


class NRU(_TrainLayer):
    """`nalu_jax.nru`: products and quotients, by exponents in [-1, 1]."""

    record = UNITS["nru"]
    w: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        eps: float | None = None,
        domain: str = "real",
        sign: str = "inside",
        w_init: Initial = "glorot_uniform_half",
        w_metadata: Metadata = PLAIN,
        deterministic: bool | None = False,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        unit = self.record.bind(eps=eps, domain=domain, sign=sign)
        leaves = {"w": (w_init, w_metadata)}
        self._build(unit, (n_in, n_out), leaves, dtype, param_dtype, rngs)
        self._train(deterministic, rngs)


class NMRU(_TrainLayer):
    """`nalu_jax.nmru`: products of x and 1/x."""

    record = UNITS["nmru"]
    w: nnx.Param[Array]

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        eps: float | None = None,
        domain: str = "real",
        sign: str = "cos",
        w_init: Initial = "uniform(0.25,0.75)",
        w_metadata: Metadata = PLAIN,
        deterministic: bool | None = False,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        unit = self.record.bind(eps=eps, domain=domain, sign=sign)
        leaves = {"w": (w_init, w_metadata)}
        self._build(unit, (n_in, n_out), leaves, dtype, param_dtype, rngs)
        self._train(deterministic, rngs)
