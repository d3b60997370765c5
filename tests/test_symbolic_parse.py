"""Formulas read from text: what they mean, and that nothing else is read, let alone executed (trials C15)."""

import ast
import math
import pathlib
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from nalu_jax import chain, nau, real_npu, symbolic
from nalu_jax.symbolic._evaluate import evaluate
from nalu_jax.symbolic._parse import FUNCTIONS, parse

POINT = {"a": 1.7, "b": 0.6}


def expressions():
    """Text that Python itself reads as the oracle does."""
    numbers = st.integers(1, 9).map(str) | st.floats(0.1, 10).map(repr)
    leaves = numbers | st.sampled_from(["a", "b"])

    def longer(parts):
        binary = st.tuples(parts, st.sampled_from("+-*/"), parts).map(lambda t: f"({t[0]} {t[1]} {t[2]})")
        power = st.tuples(parts, st.sampled_from(["2", "-1", "0.5"])).map(lambda t: f"abs({t[0]})**{t[1]}")
        called = st.tuples(st.sampled_from(["sin", "cos", "exp", "tanh", "atan"]), parts).map(
            lambda t: f"{t[0]}({t[1]})"
        )
        return binary | power | called | parts.map(lambda part: f"-({part})")

    return st.recursive(leaves, longer, max_leaves=8)


@given(expressions())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_formula_means_what_python_says(text):
    """The oracle is Python's own evaluation, of text that this test wrote."""
    functions = {name: getattr(math, name) for name in FUNCTIONS if hasattr(math, name)}
    try:
        expected = eval(text, {"__builtins__": {}, "abs": abs, **functions}, POINT)
    except (ZeroDivisionError, OverflowError):
        return
    try:
        expression = parse(text, ["a", "b"])
    except ValueError as error:
        assert "finite" in str(error) or "divides by 0" in str(error) or "real number" in str(error)
        return
    value = complex(expression.subs({sympy.Symbol(name, real=True): value for name, value in POINT.items()}))
    # sums that cancel are computed in another order
    np.testing.assert_allclose(value, expected, rtol=1e-9, atol=1e-9 * max(1.0, abs(expected)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_that_is_read_has_values(name):
    own: dict[str, Callable[[float], float]] = {"abs": abs, "sign": lambda x: math.copysign(1, x)}
    expected = own[name] if name in own else getattr(math, name)
    values = evaluate(parse(f"2 - {name}(x)/3", ["x"]), {"x": np.array([0.3, 0.8])})
    np.testing.assert_allclose(values, [2 - expected(x) / 3 for x in (0.3, 0.8)], rtol=1e-14)


@pytest.mark.parametrize("ending", ["", "*x"])
@pytest.mark.parametrize(
    "attack",
    [
        "__import__('pathlib').Path({path!r}).touch()",
        "open({path!r}, 'w')",
        "exec('open({path!r}, \"w\")')",
        "(lambda: open({path!r}, 'w'))()",
        "[open({path!r}, 'w') for i in (1,)]",
        "x.__class__.__mro__",
        "x.func(open({path!r}, 'w'))",
        "f'{{open({path!r}, \"w\")}}'",
        "sympify('open({path!r}, \"w\")')",
        "Symbol('x')",
        "S('x')",
    ],
)
def test_c15_text_is_never_executed(attack, ending, tmp_path):
    touched = tmp_path / "touched"
    text = attack.format(path=str(touched)) + ending
    for read in (lambda: symbolic.from_sympy([text]), lambda: symbolic.from_sympy(text), lambda: parse(text, ["x"])):
        with pytest.raises(ValueError, match="is no formula"):
            read()
    assert not touched.exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x^2", "a power is written \\*\\*"),
        ("9**9**9**9", "beyond the range of numbers"),
        ("exp(exp(exp(10)))", "not finite"),
        ("1e999", "not finite"),
        ("x/0", "divides by 0"),
        ("(x - x)**-1", "not a real number"),
        ("(-8)**(1/3)", "not a real number"),
        ("log(-1)", "not real"),
        ("1j*x", "1j is not a real number"),
        ("True", "True is not a real number"),
        ("z", "'z' is not one of the names 'x', 'y'"),
        ("f(x)", "none of the functions abs, acos"),
        ("sin(x, y)", "a function takes one argument"),
        ("sin(*x)", "a function takes one argument"),
        ("", "cannot be read from character 1"),
        ("x +", "cannot be read from character"),
        ("x\0", "is no formula"),
        ("\ud800", "is no formula"),
        ("9" * 50, "more than 40 digits"),
        ("9" * 6000, "is no formula"),
        ("(" * 5000 + "x" + ")" * 5000, "is no formula"),
        ("-" * 5000 + "x", "nested too deeply"),
        ("x+" * 15000 + "x", "at most 20000 are read"),
    ],
)
def test_what_is_no_formula(text, words):
    with pytest.raises(ValueError, match=words) as caught:
        parse(text, ["x", "y"])
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@given(st.text(max_size=40))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_text_is_read_or_refused_in_one_line(text):
    try:
        assert isinstance(parse(text, ["x", "y"]), sympy.Expr)
    except ValueError as error:
        assert str(error).count("\n") == 0


def test_text_as_params_of_units():
    with jax.enable_x64(True):
        params = symbolic.from_sympy(["m*v**2/2 - 3", "sqrt(m)"], ["m", "v"], dtype=jnp.float64)
        values = chain(real_npu, nau).apply(params, jnp.array([4.0, 3.0]))
    np.testing.assert_allclose(values, [15.0, 2.0], rtol=1e-12)


@pytest.mark.parametrize("wrong", [None, [None], [["x"]], [b"x"], object()])
def test_neither_expressions_nor_text(wrong, as_users_run_it):
    with pytest.raises(TypeError, match="from_sympy: expected SymPy expressions or text"):
        symbolic.from_sympy(wrong)


def test_a_large_power_of_a_sum_is_refused():
    """SymPy would multiply it out for hours."""
    with pytest.raises(ValueError, match="powers of sums up to 20"):
        symbolic.from_sympy("(x + y)**1000000")


def test_no_text_reaches_an_evaluator():
    """A walk over the sources: eval, exec, pickle and their kin are nowhere, sympify once, of what is no text."""
    package = pathlib.Path(symbolic.__file__).parents[1]
    found = {(path.name, name) for path in package.rglob("*.py") for name in _evaluators(path.read_text())}
    assert found == {("_from_sympy.py", "sympify")}


def _evaluators(code):
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in {"eval", "exec", "compile", "__import__", "sympify", "parse_expr", "lambdify"}:
                yield node.func.id
        if isinstance(node, ast.Attribute) and node.attr in {"sympify", "parse_expr", "lambdify", "S"}:
            yield node.attr
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            yield from {module.split(".")[0] for module in modules} & {"pickle", "marshal", "shelve", "dill"}


def test_the_walk_sees_them():
    """A test of the test above."""
    code = "import pickle\nfrom marshal import loads\neval('1')\nsympy.sympify('1')\nlambdify(x, y)"
    assert set(_evaluators(code)) == {"pickle", "marshal", "eval", "sympify", "lambdify"}
