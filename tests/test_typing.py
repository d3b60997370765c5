"""What a type checker, and with it an editor, says of calls: one run of pyright over one file of single lines."""

import json
import pathlib
import subprocess
import sys

import pytest

import nalu_jax

pytest.importorskip("pyright", reason="pyright comes with the extra `lint`")

PREAMBLE = """\
import jax
import jax.numpy as jnp
from typing_extensions import assert_type
import nalu_jax
from nalu_jax import Fast, Unit, chain, fast, fast_nau, fast_npu, fast_real_npu, mul_mcfc, nalu, nau, npu, snmu
key, x = jax.random.key(0), jnp.ones((5, 2))
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
