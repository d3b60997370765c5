"""What a type checker, and with it an editor, says of calls: one run of pyright over one file of single lines."""

import json
import pathlib
import subprocess
import sys

import pytest

import nalu_jax

pytest.importorskip("pyright", reason="pyright comes with the extra `lint`")

PREAMBLE = """\
import flax.nnx
import jax
import jax.numpy as jnp
from typing_extensions import assert_type
import nalu_jax
from nalu_jax import Fast, Unit, chain, fast, fast_nau, fast_npu, fast_real_npu, mul_mcfc, nalu, nau, npu, snmu
from nalu_jax import eqx, linen, nnx, symbolic
key, x, rngs = jax.random.key(0), jnp.ones((5, 2)), flax.nnx.Rngs(0)
params = npu.init(key, (2, 6))
"""

GOOD = [
    # units
    'npu.apply(params, x, domain="positive", eps=1e-3)',
    'npu.project(params, clamp="wig")',
    'nau.init(key, (2, 6), w_init="uniform(0,0.1)")',
    "nau.init(key, (2, 6), w_init=jax.nn.initializers.normal(0.1))",
    "nau.init(key, (2, 6), w_init=lambda key, shape, dtype: jnp.ones(shape, dtype))",
    'nalu.apply(params, x, gate_form="vector", use_bias=False, separate=True)',
    'snmu.train_apply(params, x, key=key, noise="batch")',
    "snmu.train_apply(params, x, key=key, noise=(1.0, 2.0))",
    # bind, chains, records
    'assert_type(npu.bind(domain="positive", eps=None, gate_init="ones"), Unit)',
    'chain(npu.bind(domain="positive"), nau, mul_mcfc.bind(sign="real_npu")).init(key, (2, 6, 4, 1))',
    'nalu_jax.UNITS["dmu"].apply(params, x)',
    "nalu_jax.dmu.bind(), nalu_jax.nsr.bind(scaling=2.0), nalu_jax.mc_fc.bind()",
    # front ends
    'linen.NPU(6, domain="positive", clamp="wig", re_init="zeros", dtype=jnp.bfloat16, name="powers")',
    'nnx.NPU(2, 6, rngs=rngs, domain="positive", re_init=jax.nn.initializers.zeros, metadata={"re": {"note": 1}})',
    'eqx.NPU(2, 6, key=key, eps=None, gate_init="ones")',
    'linen.SNMU(6, noise="batch", deterministic=True), nnx.NRU(2, 6, rngs=rngs, deterministic=None, sign="separate")',
    'eqx.MulMCFC(2, 6, key=key, sign="real_npu"), eqx.NALU(2, 6, key=key, gate_form="vector", use_bias=False)',
    'assert_type(nnx.NPU.from_params(params, domain="positive"), nnx.NPU)',
    "assert_type(eqx.SNMU.from_params(params, noise=(1.0, 2.0), inference=True), eqx.SNMU)",
    "assert_type(linen.NPU.from_params(params)[0], linen.NPU)",
    'symbolic.read(nnx.NPU(2, 6, rngs=rngs), domain="positive")',
    # flat vectors
    'assert_type(fast_npu(3, 9, domain="positive", im_init="glorot_uniform"), Fast)',
    "fast(chain(npu, nau), (3, 9, 3)).vector_field",
]

BAD = [
    # units: a value that is none, an option that is none
    ('npu.apply(params, x, domain="complex")', "domain"),
    ('npu.apply(params, x, domian="positive")', "domian"),
    ('npu.project(params, clamp="gw")', "clamp"),
    ('npu.project(params, clip="wg")', "clip"),
    ('nau.init(key, (2, 6), w_init="uniform")', "w_init"),
    ('nalu.apply(params, x, gate_form="matrx")', "gate_form"),
    ('nalu.apply(params, x, gate="vector")', "gate"),
    ('snmu.train_apply(params, x, key=key, noise="batched")', "noise"),
    ('mul_mcfc.apply(params, x, sign="cos")', "sign"),
    # bind
    ('npu.bind(domain="complex")', "domain"),
    ('npu.bind(domian="positive")', "domian"),
    ('npu.bind(eps="small")', "eps"),
    ('nau.bind(clip="wg")', "clip"),
    ("nalu_jax.nsr.bind(scale=2.0)", "scale"),
    # front ends
    ('linen.NPU(6, domain="complex")', "domain"),
    ('nnx.NPU(2, 6, rngs=rngs, domain="complex")', "domain"),
    ('eqx.NPU(2, 6, key=key, domain="complex")', "domain"),
    ('linen.NPU(6, domian="positive")', "domian"),
    ('nnx.NPU(2, 6, rngs=rngs, domian="positive")', "domian"),
    ('eqx.NPU(2, 6, key=key, domian="positive")', "domian"),
    ('linen.NPU(6, re_init="zeroes")', "re_init"),
    ('nnx.NALU(2, 6, rngs=rngs, gate="vector")', "gate"),
    ('nnx.NPU(2, 6, rngs=rngs, re_metadata={"note": 1})', "re_metadata"),
    ("eqx.NAU(2, 6)", "key"),
    ('linen.NPU.from_params(params, clip="wg")', "clip"),
    ('nnx.NPU.from_params(params, domain="complex")', "domain"),
    ('eqx.NPU.from_params(params, domian="positive")', "domian"),
    ('symbolic.read(linen.NPU(6), params, x, domain="complex")', "domain"),
    ('symbolic.to_sympy(npu, params, domain="complex")', "domain"),
    # flat vectors
    ('fast_npu(2, 3, domain="complex")', "domain"),
    ('fast_npu(2, 3, domian="positive")', "domian"),
    ("fast_nau(2, 3, eps=1e-3)", "eps"),
    ('fast_real_npu(2, 3, im_init="zeros")', "im_init"),
    # names
    ("nalu_jax.npuu", "npuu"),
    ("nalu_jax.fast.fast_npu", "fast_npu"),
]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def errors(tmp_path_factory) -> dict[str, list[str]]:
    """The messages of pyright's errors by the line of the snippets' file that they are on."""
    folder = tmp_path_factory.mktemp("snippets")
    lines = [*PREAMBLE.splitlines(), *GOOD, *(line for line, _ in BAD)]
    (folder / "snippets.py").write_text("\n".join(lines) + "\n")
    root = pathlib.Path(nalu_jax.__file__).parents[1]
    settings = {"include": ["snippets.py"], "extraPaths": [str(root)], "reportUnusedExpression": False}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(folder)]
    report = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)
    found: dict[str, list[str]] = {}
    for each in report["generalDiagnostics"]:
        found.setdefault(lines[each["range"]["start"]["line"]], []).append(each["message"])
    return found


@pytest.mark.parametrize("line", [*PREAMBLE.splitlines(), *GOOD])
def test_accepted(line, errors):
    assert errors.get(line, []) == []


@pytest.mark.parametrize(("line", "word"), BAD)
def test_rejected(line, word, errors):
    assert line in errors, "pyright has nothing against it"
    assert any(word in message for message in errors[line]), errors[line]
