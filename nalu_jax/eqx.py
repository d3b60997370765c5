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

SNMU, NRU and NMRU compute otherwise in training: `inference` chooses, as in `eqx.nn.Dropout`, in the constructor, by
`eqx.nn.inference_mode` or in the call. SNMU draws its noise with the `key` of the call; the other layers accept and
ignore a `key`, so that `eqx.nn.Sequential` can hold them.

Errors are a ValueError or TypeError that says which layer, what it got and what to do.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar, cast

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
        unit: Unit,
        shape: tuple[int, int],
        inits: Mapping[str, Initial],
        dtype: DTypeLike | None,
        param_dtype: DTypeLike | None,
        key: Array,
    ) -> None:
        self.unit, (self.n_in, self.n_out), self.dtype = unit, shape, dtype
        _front.check_sizes(self._label(), *shape)
        _front.check_dtype(self._label(), "dtype", dtype)
        _front.check_dtype(self._label(), "param_dtype", param_dtype)
        params = unit.init(
            key, shape, jax.dtypes.canonicalize_dtype(float if param_dtype is None else param_dtype), **inits
        )
        absent = dict.fromkeys(_leaf_fields(self))  # NALU and iNALU have leaves by option
        for leaf, value in (absent | params).items():
            setattr(self, leaf, value)

    @classmethod
    def from_params(cls: type[Layer], params: Mapping[str, ArrayLike], **options: Any) -> Layer:
        """A layer of functional params; `options` are those of the constructor.

        Raises:
            TypeError: params are not a mapping, or an option is unknown.
            ValueError: the leaves are not those of the unit.
        """
        arrays = jax.tree.map(jnp.asarray, params)
        names = _front.options_of(cls.record).keys() & options.keys()
        bound = cls.record.bind(**{name: options[name] for name in names if not _front.is_initial(name)})
        shape = _front.shape_of(f"nalu_jax.eqx.{cls.__name__}", bound, arrays)
        given = {"param_dtype": next(iter(arrays.values())).dtype} | options
        make = cast(Callable[..., Layer], cls)  # the constructor is the subclass's
        layer = make(*shape, key=jax.random.key(0), **given)
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

    noisy: ClassVar[bool] = False
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
        if not self.noisy:
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
    return {_front.path_of(keys): Placed(layer.unit, (layer.n_in, layer.n_out)) for keys, layer in layers}


class NAC(_Layer):
    """`nalu_jax.nac`: sums and differences, by tanh * sigmoid weights."""

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
        unit = self.record
        leaves = {"w_hat_init": w_hat_init, "m_hat_init": m_hat_init}
        self._build(unit, (n_in, n_out), leaves, dtype, param_dtype, key)


class NACMul(_Layer):
    """`nalu_jax.nac_mul`: the NAC in log space: products of powers of |x|."""

    record = UNITS["nac_mul"]
    w_hat: Array
    m_hat: Array

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        eps: float = 1e-07,
        domain: str = "real",
        w_hat_init: Initial = "glorot_uniform",
        m_hat_init: Initial = "glorot_uniform",
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike | None = None,
        key: Array,
    ):
        unit = self.record.bind(eps=eps, domain=domain)
        leaves = {"w_hat_init": w_hat_init, "m_hat_init": m_hat_init}
        self._build(unit, (n_in, n_out), leaves, dtype, param_dtype, key)


class NALU(_Layer):
    """`nalu_jax.nalu`: a gate between sums and products."""

    record = UNITS["nalu"]
    w_hat: Array | None
    m_hat: Array | None
    w_add_hat: Array | None
    m_add_hat: Array | None
    w_mul_hat: Array | None
    m_mul_hat: Array | None
    gate: Array
    bias: Array | None

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
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike | None = None,
        key: Array,
    ):
        unit = self.record.bind(separate=separate, gate=gate, bias=bias, eps=eps)
        leaves = {"w_hat_init": w_hat_init, "m_hat_init": m_hat_init, "gate_init": gate_init, "bias_init": bias_init}
        self._build(unit, (n_in, n_out), leaves, dtype, param_dtype, key)


class GNALU(_Layer):
    """`nalu_jax.gnalu`: the NALU with the golden ratio for a base."""

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
        unit = self.record.bind(eps=eps)
        leaves = {"w_hat_init": w_hat_init, "m_hat_init": m_hat_init, "gate_init": gate_init}
        self._build(unit, (n_in, n_out), leaves, dtype, param_dtype, key)


class INALU(_Layer):
    """`nalu_jax.inalu`: a NALU with signs, safe products and separate weights."""

    record = UNITS["inalu"]
    w_hat: Array | None
    m_hat: Array | None
    w_add_hat: Array | None
    m_add_hat: Array | None
    w_mul_hat: Array | None
    m_mul_hat: Array | None
    gate: Array

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
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike | None = None,
        key: Array,
    ):
        unit = self.record.bind(separate=separate, gate=gate, eps=eps, omega=omega)
        leaves = {"w_hat_init": w_hat_init, "m_hat_init": m_hat_init, "gate_init": gate_init}
        self._build(unit, (n_in, n_out), leaves, dtype, param_dtype, key)


class NAU(_Layer):
    """`nalu_jax.nau`: sums and differences, with weights in [-1, 1]."""

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
        unit = self.record.bind(clip=clip)
        leaves = {"w_init": w_init}
        self._build(unit, (n_in, n_out), leaves, dtype, param_dtype, key)


class NMU(_Layer):
    """`nalu_jax.nmu`: products of any of the inputs."""

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
        unit = self.record
        leaves = {"w_init": w_init}
        self._build(unit, (n_in, n_out), leaves, dtype, param_dtype, key)


class SNMU(_TrainLayer):
    """`nalu_jax.snmu`: the NMU, trained under reversible noise."""

    record = UNITS["snmu"]
    noisy = True
    w: Array

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        noise: tuple[float, float] | str = (1.0, 5.0),
        w_init: Initial = "uniform(0.25,0.75)",
        inference: bool = False,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike | None = None,
        key: Array,
    ):
        unit = self.record.bind(noise=noise)
        leaves = {"w_init": w_init}
        self._build(unit, (n_in, n_out), leaves, dtype, param_dtype, key)
        self.inference = inference


class NPU(_Layer):
    """`nalu_jax.npu`: products of powers, with complex weights and a relevance gate."""

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
        domain: str = "real",
        clip: str = "none",
        re_init: Initial = "glorot_uniform",
        im_init: Initial = "zeros",
        gate_init: Initial = "half",
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike | None = None,
        key: Array,
    ):
        unit = self.record.bind(eps=eps, domain=domain, clip=clip)
        leaves = {"re_init": re_init, "im_init": im_init, "gate_init": gate_init}
        self._build(unit, (n_in, n_out), leaves, dtype, param_dtype, key)


class RealNPU(_Layer):
    """`nalu_jax.real_npu`: the NPU with real weights."""

    record = UNITS["real_npu"]
    re: Array
    gate: Array

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
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike | None = None,
        key: Array,
    ):
        unit = self.record.bind(eps=eps, domain=domain, clip=clip)
        leaves = {"re_init": re_init, "gate_init": gate_init}
        self._build(unit, (n_in, n_out), leaves, dtype, param_dtype, key)


class NaiveNPU(_Layer):
    """`nalu_jax.naive_npu`: the NPU without a gate."""

    record = UNITS["naive_npu"]
    re: Array
    im: Array

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
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike | None = None,
        key: Array,
    ):
        unit = self.record.bind(eps=eps, domain=domain, clip=clip)
        leaves = {"re_init": re_init, "im_init": im_init}
        self._build(unit, (n_in, n_out), leaves, dtype, param_dtype, key)


class RealNaiveNPU(_Layer):
    """`nalu_jax.real_naive_npu`: the NPU with real weights and without a gate."""

    record = UNITS["real_naive_npu"]
    re: Array

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        eps: float | None = None,
        domain: str = "real",
        clip: str = "none",
        re_init: Initial = "glorot_uniform",
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike | None = None,
        key: Array,
    ):
        unit = self.record.bind(eps=eps, domain=domain, clip=clip)
        leaves = {"re_init": re_init}
        self._build(unit, (n_in, n_out), leaves, dtype, param_dtype, key)


class NRU(_TrainLayer):
    """`nalu_jax.nru`: products and quotients, by exponents in [-1, 1]."""

    record = UNITS["nru"]
    w: Array

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        eps: float | None = None,
        domain: str = "real",
        sign: str = "inside",
        w_init: Initial = "glorot_uniform_half",
        inference: bool = False,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike | None = None,
        key: Array,
    ):
        unit = self.record.bind(eps=eps, domain=domain, sign=sign)
        leaves = {"w_init": w_init}
        self._build(unit, (n_in, n_out), leaves, dtype, param_dtype, key)
        self.inference = inference


class NMRU(_TrainLayer):
    """`nalu_jax.nmru`: products of x and 1/x."""

    record = UNITS["nmru"]
    w: Array

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        eps: float | None = None,
        domain: str = "real",
        sign: str = "cos",
        w_init: Initial = "uniform(0.25,0.75)",
        inference: bool = False,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike | None = None,
        key: Array,
    ):
        unit = self.record.bind(eps=eps, domain=domain, sign=sign)
        leaves = {"w_init": w_init}
        self._build(unit, (n_in, n_out), leaves, dtype, param_dtype, key)
        self.inference = inference
