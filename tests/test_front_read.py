"""`symbolic.read`: the formulas of units anywhere in linen, NNX and Equinox models, and what cannot be read."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from flax import linen as nn
from flax import nnx

import nalu_jax.eqx
import nalu_jax.linen
import nalu_jax.nnx
from nalu_jax import nau, npu, real_npu, symbolic

X = jnp.array([[0.5, 2.0], [1.5, 0.75], [3.0, 1.25]])


class LinenModel(nn.Module):
    """Units in a list, in a Sequential and under a name, among dense layers."""

    @nn.compact
    def __call__(self, x, train=False):
        x = jnp.exp(nn.Dense(2)(x))
        x = nn.Dropout(0.5, deterministic=not train)(nalu_jax.linen.RealNPU(3, domain="positive", name="powers")(x))
        return nn.Sequential([nn.Dense(2), nalu_jax.linen.NAU(1)])(x)


class NnxModel(nnx.Module):
    def __init__(self, rngs):
        self.blocks = nnx.List([nnx.Linear(2, 2, rngs=rngs), nalu_jax.nnx.RealNPU(2, 3, domain="positive", rngs=rngs)])
        self.head = nnx.Sequential(nnx.Linear(3, 2, rngs=rngs), nalu_jax.nnx.NAU(2, 1, rngs=rngs))


class EqxModel(eqx.Module):
    blocks: list
    head: Any

    def __init__(self, key):
        self.blocks = [eqx.nn.Linear(2, 2, key=key), nalu_jax.eqx.RealNPU(2, 3, domain="positive", key=key)]
        self.head = eqx.nn.Sequential([eqx.nn.Linear(3, 2, key=key), nalu_jax.eqx.NAU(2, 1, key=key)])


def models() -> dict[str, tuple[tuple[Any, ...], dict[tuple[str, ...], dict]]]:
    """By front end: (what `read` takes, {path: functional params}), the latter by attributes and not by find_units."""
    variables: Any = LinenModel().init(jax.random.key(0), X)
    linen = variables["params"]
    of_nnx, of_eqx = NnxModel(nnx.Rngs(0)), EqxModel(jax.random.key(0))
    pure = lambda layer: nnx.to_pure_dict(nnx.state(layer, nnx.Param))
    blocks, head = ("blocks", "1"), ("head", "layers", "1")
    return {
        "linen": (
            (LinenModel(), variables, X),
            {("powers",): linen["powers"], ("NAU_0",): linen["NAU_0"]},
        ),
        "nnx": ((of_nnx,), {blocks: pure(of_nnx.blocks[1]), head: pure(of_nnx.head.layers[1])}),
        "eqx": ((of_eqx,), {blocks: of_eqx.blocks[1].params(), head: of_eqx.head[1].params()}),
    }


@pytest.mark.parametrize("front", ["linen", "nnx", "eqx"])
def test_every_unit_is_read_by_its_path(front):
    arguments, params = models()[front]
    powers, sums = params
    expected = {
        powers: symbolic.to_sympy(real_npu.UNIT.bind(domain="positive"), params[powers], ("x0", "x1"), digits=3),
        sums: symbolic.to_sympy(nau, params[sums], ("x0", "x1"), digits=3),
    }
    assert symbolic.read(*arguments, digits=3) == expected
    assert [len(formulas) for formulas in expected.values()] == [3, 1]


@pytest.mark.parametrize("front", ["linen", "nnx", "eqx"])
def test_params_may_be_another_tree_of_the_model(front):
    """Trained params as they come out of a loop: variables, a state, an Equinox module; ten times the model's here."""
    arguments, params = models()[front]
    model = arguments[0]
    tree: Any = {"linen": lambda: arguments[1], "nnx": lambda: nnx.state(model, nnx.Param), "eqx": lambda: model}[
        front
    ]()
    larger = jax.tree.map(lambda leaf: 10 * leaf if eqx.is_array(leaf) else leaf, tree)
    path = list(params)[1]
    expected = symbolic.to_sympy(nau, jax.tree.map(lambda leaf: 10 * leaf, params[path]), ("x0", "x1"))
    assert symbolic.read(model, larger, *arguments[2:])[path] == expected
    if front != "linen":
        units = {"nnx": nalu_jax.nnx, "eqx": nalu_jax.eqx}[front].find_units(model)
        assert symbolic.read({path: units[path]}, larger) == {path: expected}


def test_units_found_with_keywords_stand_for_a_linen_model():
    (model, variables, x), params = models()["linen"]
    rngs = {"params": jax.random.key(0), "dropout": jax.random.key(1)}
    units = nalu_jax.linen.find_units(model, rngs, x, train=True)
    assert (
        symbolic.read(units, variables)
        == symbolic.read(units, variables["params"])
        == symbolic.read(model, variables, x)
    )
    assert symbolic.read(model, variables, jax.ShapeDtypeStruct((1, 2), jnp.float32)).keys() == params.keys()


def test_units_behind_a_recurrent_network_equal_their_layers():
    key = jax.random.key(0)
    cell, ratio = eqx.nn.GRUCell(2, 3, key=key), nalu_jax.eqx.NPU(3, 2, key=key)
    hidden = cell(X[0], jnp.zeros(3))
    (formulas,) = symbolic.read({"cell": cell, "ratio": ratio}).values()
    inputs = [sympy.Symbol(f"x{i}", real=True) for i in range(3)]
    values = [complex(each.subs(dict(zip(inputs, map(float, hidden), strict=True)))) for each in formulas]
    np.testing.assert_allclose(values, ratio(hidden), rtol=1e-5)

    class Summary(nn.Module):
        @nn.compact
        def __call__(self, x):
            carry, _ = nn.GRUCell(3)(jnp.zeros(3), x)
            return nalu_jax.linen.NAU(1, name="sum")(carry)

    variables = Summary().init(key, X[0])
    assert list(symbolic.read(Summary(), variables, X[0])) == [("sum",)]

    class NnxSummary(nnx.Module):
        def __init__(self, rngs):
            self.rnn, self.ratio = nnx.RNN(nnx.GRUCell(2, 3, rngs=rngs)), nalu_jax.nnx.NPU(3, 1, rngs=rngs)

    assert list(symbolic.read(NnxSummary(nnx.Rngs(0)))) == [("ratio",)]


def test_lists_and_dicts_of_modules_and_single_layers():
    rngs, key = nnx.Rngs(0), jax.random.key(0)
    for layer in (nalu_jax.nnx.NAU(2, 1, rngs=rngs), nalu_jax.eqx.NAU(2, 1, key=key)):
        alone = symbolic.read(layer)
        (formulas,) = alone.values()
        assert alone == {(): symbolic.to_sympy(layer, None, ("x0", "x1"))}
        assert symbolic.read([layer, jnp.ones(3)]) == {("0",): formulas}
        assert symbolic.read({"a": {"b": (None, layer)}}) == {("a", "b", "1"): formulas}


def test_a_layer_is_read_in_the_dtype_that_it_computes_in():
    params = {"re": jnp.array([[0.1]]), "gate": jnp.ones(1)}
    model = [nalu_jax.eqx.RealNPU.from_params(params, dtype=jnp.bfloat16)]
    ((formula,),) = symbolic.read(model, domain="positive", eps=False).values()
    assert float(formula.as_base_exp()[1]) == float(jnp.bfloat16(0.1))


def stacked(front) -> tuple[tuple[Any, ...], Any, Any, Any]:
    """(what `read` takes, units, params, the functional params of member 1) of three NPUs under `vmap`."""
    keys = jax.random.split(jax.random.key(0), 3)
    if front == "nnx":
        model = nnx.vmap(lambda key: nalu_jax.nnx.NPU(2, 1, rngs=nnx.Rngs(key)))(keys)
        params = nnx.state(model, nnx.Param)
        functional = nnx.to_pure_dict(params)
        arguments, units = (model,), nalu_jax.nnx.find_units(model)
    elif front == "eqx":
        model = eqx.filter_vmap(lambda key: nalu_jax.eqx.NPU(2, 1, key=key))(keys)
        params, functional = eqx.filter(model, eqx.is_array), model.params()
        arguments, units = (model,), nalu_jax.eqx.find_units(model)
    else:
        axes: Any = {"in_axes": None, "variable_axes": {"params": 0}, "split_rngs": {"params": True}, "axis_size": 3}
        model = nn.vmap(nalu_jax.linen.NPU, **axes)(1)
        variables: Any = model.init(keys[0], X)
        params = functional = variables["params"]
        arguments, units = (model, variables, X), nalu_jax.linen.find_units(model, keys[0], X)
    return arguments, units, params, jax.tree.map(lambda leaf: leaf[1], functional)


@pytest.mark.parametrize("front", ["linen", "nnx", "eqx"])
def test_of_stacked_layers_one_member_is_read(front):
    arguments, units, params, second = stacked(front)
    with pytest.raises(
        ValueError, match=r"'re' of npu has shape \(3, 2, 1\), as of layers that vmap.*Take one member: read"
    ):
        symbolic.read(*arguments)
    (path,) = units  # and what the message says to do:
    read = symbolic.read({path: units[path]}, jax.tree.map(lambda leaf: leaf[1], params))
    assert read == {path: symbolic.to_sympy(npu, second, ("x0", "x1"))}


def test_of_a_stacked_layer_to_sympy_says_how_to_take_one_member():
    (layer,), _, _, second = stacked("eqx")
    with pytest.raises(
        ValueError, match=r"Take one member: to_sympy\(layer, jax.tree.map\(lambda leaf: leaf\[0\], params\)"
    ):
        symbolic.to_sympy(layer)
    member = jax.tree.map(lambda leaf: leaf[1], layer.params())
    assert symbolic.to_sympy(layer, member) == symbolic.to_sympy(npu, second)


def test_sequentials_take_params():
    """Another tree of the same model: a state, a module, variables."""
    params = {"w": jnp.array([[1.0], [-1.0]])}
    x, y = sympy.symbols("x y", real=True)
    model = nn.Sequential([nalu_jax.linen.NAU(1)])
    assert symbolic.to_sympy(model, {"params": {"layers_0": params}}) == [x - y]
    with pytest.raises(ValueError, match=r"pass variables, as layer.init returned them, with NAU"):
        symbolic.to_sympy(model, {"params": params})
    of_nnx = nnx.Sequential(nalu_jax.nnx.NAU(2, 1, rngs=nnx.Rngs(0)))
    larger = jax.tree.map(lambda leaf: 0 * leaf + 2, nnx.state(of_nnx, nnx.Param))
    assert symbolic.to_sympy(of_nnx, larger) == [2 * x + 2 * y]
    of_eqx = eqx.nn.Sequential([nalu_jax.eqx.NAU.from_params(params)])
    assert symbolic.to_sympy(of_eqx, jax.tree.map(lambda leaf: 3 * leaf, of_eqx)) == [3 * x - 3 * y]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((nnx.Linear(2, 1, rngs=nnx.Rngs(0)),), ["found no layer", "Linear", "to_sympy"]),
        (("model",), ["found no layer", "str"]),
        (({},), ["found no layer", "dict"]),
        ((nalu_jax.linen.NAU(1),), ["linen", "NAU", "read(model, variables, x)"]),
        ((nalu_jax.linen.NAU(1), {"params": {"w": jnp.ones((2, 1))}}), ["what it is called with"]),
        (({("a",): nalu_jax.eqx.find_units(nalu_jax.eqx.NAU(1, 1, key=jax.random.key(0)))[()]},), ["hold no params"]),
        (([nalu_jax.eqx.NAU.from_params({"w": jnp.full((2, 1), jnp.nan)})],), ["at '0'", "'w'", "not finite"]),
        (([nalu_jax.eqx.NAU.from_params({"w": jnp.ones((2, 1))})], {"w": 1}), ["no leaves ['w']", "'0'"]),
    ],
)
def test_errors_say_what_to_do(arguments, words, as_users_run_it):
    with pytest.raises(ValueError) as caught:
        symbolic.read(*arguments)
    for word in words:
        assert word in str(caught.value)
    unknown: Any = "complex"
    with pytest.raises(ValueError, match="read: domain must be one of"):
        symbolic.read(*arguments, domain=unknown)
    with pytest.raises(ValueError, match="read: digits must be an integer of at least 1"):
        symbolic.read(*arguments, digits=0)
