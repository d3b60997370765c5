"""Nothing is executed that was read: no pickle, no eval, no sympify of text; what is shown is escaped."""

import ast
import json
import pathlib
import warnings

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import nalu_jax
from nalu_jax import discover, symbolic
from nalu_jax.cli import _csv

PACKAGE = pathlib.Path(nalu_jax.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib", "code", "codeop", "runpy", "yaml"}
"""What reads objects or runs text."""

CALLS = {
    "eval", "exec", "compile", "__import__", "sympify", "S", "parse_expr", "parse_latex", "lambdify", "literal_eval",
    "system", "popen", "read_pickle", "execfile",
}  # fmt: skip
"""Functions that execute text, or SymPy's that do (lambdify runs source that it prints from an expression)."""

GENERATED = {("_make_layers.py", "compile"), ("_make_layers.py", "exec")}
"""Places that may: the text of the layers' classes is the package's own."""


def executing(path: pathlib.Path) -> list[str]:
    """Imports and calls in a file that execute text."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in MODULES]
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found += [node.module] if node.module.split(".")[0] in MODULES else []
            found += [alias.name for alias in node.names if alias.name in CALLS]
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name == "compile" and isinstance(node.func, ast.Attribute):
                continue  # of a regular expression, or of a program of XLA
            strict = any(each.arg == "strict" for each in node.keywords)  # sympify, which then refuses text
            found += [name] if name in CALLS and not (name == "sympify" and strict) else []
            found += ["allow_pickle"] if any(each.arg == "allow_pickle" for each in node.keywords) else []
    return [f"{path.relative_to(PACKAGE)}: {name}" for name in found if (path.name, name) not in GENERATED]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_executes_text(path):
    assert executing(path) == []


def test_the_walk_finds_what_it_looks_for(tmp_path, monkeypatch):
    monkeypatch.setattr("test_security.PACKAGE", tmp_path)
    path = tmp_path / "bad.py"
    lines = [
        "import pickle",
        "eval('1')",
        "sympy.sympify(text)",
        "from sympy import S",
        "np.load(f, allow_pickle=True)",
    ]
    path.write_text("\n".join(lines))
    assert len(executing(path)) == 5


CODE = "__import__('os').system('touch {}')"


def test_a_formula_with_code_in_it_is_refused_and_not_run(tmp_path):
    """C15."""
    target = tmp_path / "ran"
    for text in (CODE, f"({CODE})*x", f"x**({CODE})", f'eval("{CODE}")', "().__class__.__bases__[0]", "lambda: 0"):
        with pytest.raises((ValueError, TypeError)):
            symbolic.from_sympy([text.format(target)], ("x", "y"))
    with pytest.raises((ValueError, TypeError)):
        symbolic.from_sympy(["x"], (CODE.format(target), "y"))
    assert not target.exists()


def _column(name: str, path: pathlib.Path) -> pathlib.Path:
    rows = [[name, "b", "y"], *([f"{1 + i}", f"{1 + i % 3}", f"{(1 + i) * (1 + i % 3)}"] for i in range(12))]
    path.write_text("\n".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows))
    return path


HOSTILE = {
    "escapes": "\x1b[31mred\x1b]0;title\x07",
    "html": "<script>alert(1)</script>",
    "mathtext": "$\\frac{$ $x_",
    "latex": "\\input{/etc/passwd}_{^",
    "code": "__import__('os').system('true')",
    "bidi": "a\u202eb",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_column_names_are_shown_escaped(kind, tmp_path, capsys):
    import matplotlib

    matplotlib.use("Agg")
    from nalu_jax import cli

    path = _column(HOSTILE[kind], tmp_path / "data.csv")
    plot = tmp_path / "plot.png"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        status = cli.main(["fit", str(path), "--target", "y", "--plot", str(plot)])
    shown = "".join(capsys.readouterr())
    assert status in (0, 1) and plot.stat().st_size > 1000, shown
    assert all(character.isprintable() or character == "\n" for character in shown)


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_names_are_escaped_in_html_and_latex(kind):
    x = np.random.default_rng(0).uniform(0.5, 2.0, (20, 2))
    found = discover.table(x, x[:, 0] * x[:, 1], names=(HOSTILE[kind], "b"), progress=False)
    for form, code in (("html", "<script"), ("latex", "\\input"), ("markdown", "<script")):
        if hasattr(found, f"_repr_{form}_"):
            assert code not in getattr(found, f"_repr_{form}_")()
    assert "\\input" not in found.latex and "<script" not in found.latex, found.latex
    assert all(character.isprintable() or character == "\n" for character in str(found))


TEXT = st.text(alphabet=st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    [*HOSTILE.values(), "", "1.5", "nan"]
)
ROWS = st.lists(st.lists(TEXT | st.floats().map(str), max_size=4).map(",".join), max_size=6).map("\n".join)


@pytest.mark.slow
@settings(max_examples=3000, deadline=None, derandomize=True)
@given(content=st.binary(max_size=200) | ROWS.map(lambda text: text.encode()))
def test_any_bytes_are_a_table_or_one_error(content, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "fuzz.csv"
    path.write_bytes(content)
    try:
        columns = _csv.read(path, target="y", inputs=None)
    except ValueError as error:
        assert "\x1b" not in str(error)
        return
    assert np.isfinite(columns.x).all() and np.isfinite(columns.y).all()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    x = np.random.default_rng(0).uniform(0.5, 2.0, (20, 2))
    path = tmp_path_factory.mktemp("saved") / "found.json"
    discover.table(x, 3 * x[:, 0] / x[:, 1], progress=False).save(path)
    return path


@pytest.mark.slow
@settings(max_examples=1000, deadline=None, derandomize=True)
@given(data=st.data())
def test_an_edited_file_of_a_formula_loads_or_is_one_error(data, saved):
    content = json.loads(saved.read_text())
    for _ in range(data.draw(st.integers(1, 3))):
        _edit(content, data)
    path = saved.parent / "edited.json"
    path.write_text(json.dumps(content))
    try:
        found = discover.load(path)
    except (ValueError, TypeError) as error:
        assert "\n" not in str(error)
        return
    assert isinstance(found.formula, str)


JSON = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.lists(st.integers(), max_size=2)


def _edit(content, data):
    """One entry somewhere replaced, removed or added."""
    place = content
    while True:
        keys = sorted(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        if isinstance(place[key], dict | list) and data.draw(st.booleans()):
            place = place[key]
            continue
        if data.draw(st.booleans()):
            place[key] = data.draw(JSON)
        else:
            del place[key]
        return


@pytest.mark.slow
@settings(max_examples=1000, deadline=None, derandomize=True)
@given(content=st.binary(max_size=300) | TEXT.map(str.encode))
def test_any_bytes_are_no_formula(content, saved):
    path = saved.parent / "bytes.json"
    path.write_bytes(content)
    with pytest.raises((ValueError, TypeError)):
        discover.load(path)


FORMULA = st.text(alphabet="xy0123456789.e+-*/()^ ,_[]'\"\\a", max_size=25)


@pytest.mark.slow
@settings(max_examples=3000, deadline=None, derandomize=True)
@given(text=FORMULA)
def test_any_text_is_a_formula_or_one_error(text):
    try:
        symbolic.from_sympy([text], ("x", "y"))
    except (ValueError, TypeError) as error:
        assert not isinstance(error, sympy.SympifyError), "SymPy's own parser has read it"
        assert "from_sympy" in str(error)
