"""Layers as vector fields of diffrax: NNX modules, linen's apply, Equinox modules, under both adjoints."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx

import nalu_jax.eqx
import nalu_jax.linen
import nalu_jax.nnx
from nalu_jax import chain, nau, npu

ADJOINTS = [diffrax.RecursiveCheckpointAdjoint(checkpoints=8), diffrax.BacksolveAdjoint()]
Y0 = (0.6, 0.3)


@pytest.fixture(autouse=True)
def standard_promotion():
    with jax.numpy_dtype_promotion("standard"):  # the time of a solve is promoted with its state
        yield


def solve(term, args, adjoint):
    y0 = jnp.array(Y0, jnp.float32)
    solution = diffrax.diffeqsolve(
        term, diffrax.Euler(), 0.0, 0.5, 0.1, y0, args, adjoint=adjoint, max_steps=8, saveat=diffrax.SaveAt(t1=True)
    )
    assert solution.ys is not None
    return solution.ys.sum()


def nnx_field(params):
    class Field(nnx.Module):
        def __init__(self):
            self.npu = nalu_jax.nnx.NPU.from_params(params[0])
            self.nau = nalu_jax.nnx.NAU.from_params(params[1])

        def __call__(self, t, y, args):
            return self.nau(self.npu(y))

    return Field()


def nnx_gradient(params, adjoint):
    gradient = nnx.grad(lambda model: solve(diffrax.ODETerm(model), None, adjoint))(nnx_field(params))
    pure = nnx.to_pure_dict(nnx.state(gradient, nnx.Param))
    return pure["npu"], pure["nau"]


def split_nnx_gradient(params, adjoint):
    graphdef, state = nnx.split(nnx_field(params))
    term = diffrax.ODETerm(lambda t, y, state: nnx.merge(graphdef, state)(t, y, None))
    pure = nnx.to_pure_dict(jax.grad(lambda state: solve(term, state, adjoint))(state))
    return pure["npu"], pure["nau"]


def linen_gradient(params, adjoint):
    model = nn.Sequential([nalu_jax.linen.NPU(4), nalu_jax.linen.NAU(2)])
    term = diffrax.ODETerm(lambda t, y, variables: model.apply(variables, y))
    variables = {"params": {"layers_0": params[0], "layers_1": params[1]}}
    gradient = jax.grad(lambda variables: solve(term, variables, adjoint))(variables)["params"]
    return gradient["layers_0"], gradient["layers_1"]


def equinox_gradient(params, adjoint):
    model = eqx.nn.Sequential([nalu_jax.eqx.NPU.from_params(params[0]), nalu_jax.eqx.NAU.from_params(params[1])])
    term = diffrax.ODETerm(lambda t, y, model: model(y))
    gradient = eqx.filter_grad(lambda model: solve(term, model, adjoint))(model)
    return gradient[0].params(), gradient[1].params()


@pytest.mark.slow
@pytest.mark.parametrize("adjoint", ADJOINTS, ids=["recursive", "backsolve"])
def test_every_front_end_gives_the_gradient_of_the_functional_core(adjoint):
    model = chain(npu, nau)
    params = model.init(jax.random.key(0), (2, 4, 2))
    term = diffrax.ODETerm(lambda t, y, params: model.apply(params, y))
    expected = jax.grad(lambda params: solve(term, params, adjoint))(params)
    for gradient in (nnx_gradient, split_nnx_gradient, linen_gradient, equinox_gradient):
        for ours, theirs in zip(gradient(params, adjoint), expected, strict=True):
            assert ours.keys() == theirs.keys()
            for leaf in theirs:
                np.testing.assert_allclose(ours[leaf], theirs[leaf], rtol=1e-5, atol=1e-7)
