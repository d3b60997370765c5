"""Which way imports point, what `import nalu_jax` loads, and what is public."""

import ast
import importlib
import importlib.metadata
import pathlib
import pydoc
import re
import subprocess
import sys
import tomllib

import pytest

import nalu_jax

PACKAGE = pathlib.Path(nalu_jax.__file__).parent

# each module may import from those before it; one line is one level, within which units may share code
LEVELS = [
    ["_interrupt", "_compiler"],
    ["_starting", "_arguments", "_exponents", "_cosine", "_derivatives"],
    ["_product"],
    ["_numerics", "_unit", "_checks", "_trees", "_prior", "_progress", "_recall"],
    ["penalties", "schedules", "_solvers"],
    ["units"],
    ["_front"],
    ["_fast", "linen", "nnx", "eqx", "symbolic"],
    ["_make_layers"],
    ["models"],
    ["training"],
    ["ode"],
    ["discover"],
    ["plot", "tasks"],
    ["cli"],
    ["__main__"],
]
LEVEL = {module: level for level, modules in enumerate(LEVELS) for module in modules}


def top_module(path: pathlib.Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(path: pathlib.Path, text: str) -> set[str]:
    """Top-level modules of the package that a file of this text imports anywhere in it."""
    parents = [PACKAGE, *[PACKAGE.joinpath(*path.relative_to(PACKAGE).parts[: i + 1]) for i in range(8)]]
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.level:
            depth = len(path.relative_to(PACKAGE).parts) - node.level
            base = [*parents[depth].relative_to(PACKAGE).parts, *(node.module or "").split(".")]
            base = [part for part in base if part]
            found |= {base[0]} if base else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "nalu_jax":
            parts = (node.module or "").split(".")[1:]
            found |= {parts[0]} if parts else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("nalu_jax.")}
    return found


def unit_names_as_units(modules: set[str]) -> set[str]:
    exported = {"chain": "_unit", "Unit": "_unit", "UNITS": "units"} | dict.fromkeys(nalu_jax.UNITS, "units")
    return {exported.get(module, module) for module in modules}


FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_never_point_back(path):
    own = top_module(path)
    assert own in LEVEL, f"{own} has no level: give it one in LEVELS"
    for module in unit_names_as_units(imported_modules(path, path.read_text())) - {own}:
        assert module in LEVEL, f"{own} imports {module}, which has no level"
        assert LEVEL[module] <= LEVEL[own] and module != "__main__", f"{own} imports {module}, which comes after it"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from . import cli", "cli"),
        ("from .penalties import l1", "penalties"),
        ("from .units._power import clamp", "units"),
        ("from nalu_jax import cli", "cli"),
        ("from nalu_jax.penalties import l1", "penalties"),
        ("import nalu_jax.cli", "cli"),
        ("def f():\n    from . import cli", "cli"),
    ],
)
def test_the_import_reader_sees_every_form(text, expected):
    """A test of the test above."""
    assert imported_modules(PACKAGE / "probe.py", text) == {expected}


def test_the_import_reader_resolves_two_dots():
    assert imported_modules(PACKAGE / "units" / "probe.py", "from .. import cli") == {"cli"}
    assert imported_modules(PACKAGE / "units" / "probe.py", "from . import nac") == {"units"}


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_import_loads_jax_and_jaxtyping_only():
    extra = loaded_by("import nalu_jax") - loaded_by("import jax, jax.numpy, jaxtyping, importlib.metadata")
    third_party = {name for name in extra if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert third_party == {"nalu_jax"}


def test_loaded_by_sees_what_is_loaded():
    """A test of the test above: the demo does load flax."""
    assert {"flax", "optax", "tqdm"} <= loaded_by("import nalu_jax.cli._demo")


DISTRIBUTIONS = {"sklearn": "scikit-learn"}  # named otherwise than their module


def test_every_package_that_is_imported_is_declared():
    """What comes with another package today need not come with it tomorrow."""
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    extras = [name for names in project["optional-dependencies"].values() for name in names]
    declared = {re.split(r"[\[<>=~!]", name)[0] for name in [*project["dependencies"], *extras]}
    imported = set().union(*(third_party_imports(path) for path in PACKAGE.rglob("*.py")))
    assert {"jax", "lineax", "matplotlib"} <= imported
    assert {DISTRIBUTIONS.get(name, name) for name in imported} <= declared


def third_party_imports(path: pathlib.Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    names += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"nalu_jax"}


def test_import_leaves_jax_config_alone():
    code = (
        "import jax; before = dict(jax.config.values); import nalu_jax; "
        "assert before == dict(jax.config.values), 'nalu_jax changed jax.config'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


PUBLIC_PACKAGES = ["nalu_jax", *(f"nalu_jax.{name}" for name in "training ode symbolic discover plot tasks".split())]


@pytest.mark.parametrize("name", PUBLIC_PACKAGES)
def test_dir_of_a_package_is_its_public_names(name):
    package = importlib.import_module(name)
    assert set(dir(package)) - {"__version__"} == set(package.__all__)
    assert len(set(package.__all__)) == len(package.__all__)
    for public in package.__all__:
        assert not public.startswith("_") and getattr(package, public) is not None


@pytest.mark.parametrize("name", PUBLIC_PACKAGES)
def test_help_shows_the_public_names_and_no_private_module(name):
    """Below PACKAGE CONTENTS pydoc itself lists every file of a package, whatever the package says."""
    package = importlib.import_module(name)
    text = pydoc.plain(pydoc.render_doc(package))
    head, contents, rest = re.split(r"^(PACKAGE CONTENTS\n.*?\n\n)", text, maxsplit=1, flags=re.DOTALL | re.MULTILINE)
    assert all(re.search(rf"\b{public}\b", head + contents + rest) for public in package.__all__)
    private = [path.stem for path in pathlib.Path(next(iter(package.__path__))).glob("_[a-z]*.py")]
    headings = re.findall(r"^ {4}(?:class )?(\w+)", rest, re.MULTILINE)
    assert not set(private) & set(headings)


def test_packages_load_on_first_use():
    names = "discover eqx linen models nnx ode plot schedules symbolic tasks training".split()
    assert set(names) <= set(nalu_jax.__all__)
    code = "import sys, nalu_jax; print(*(name for name in sys.modules if name.startswith('nalu_jax.')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {f"nalu_jax.{name}" for name in names} & set(loaded)
    code = f"import nalu_jax; print([getattr(nalu_jax, name).__name__ for name in {names}])"
    used = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert used.strip() == str([f"nalu_jax.{name}" for name in names])


def test_a_misspelt_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'nalu_jax' has no attribute 'trainign'"):
        getattr(nalu_jax, "trainign")  # noqa: B009 (type checkers refuse it too)


def test_without_extras_everything_else_is_there_and_what_needs_them_says_so():
    code = (
        "import sys; sys.modules['matplotlib'] = sys.modules['sklearn'] = None\n"
        "import nalu_jax\n"
        "assert nalu_jax.training and not hasattr(nalu_jax, 'plot')\n"
        "try:\n    from nalu_jax import plot\n"
        "except ImportError as error:\n    print(error)\n"
        "assert nalu_jax.discover.table and not hasattr(nalu_jax.discover, 'FormulaRegressor')\n"
        "try:\n    nalu_jax.discover.FormulaRegressor\n"
        "except AttributeError as error:\n    print(error)\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert out == [
        'nalu_jax.plot needs Matplotlib: pip install "nalu_jax[plot]".',
        'nalu_jax.discover.FormulaRegressor: it needs scikit-learn: pip install "nalu_jax[sklearn]".',
    ]


def test_the_version_is_that_of_the_distribution_and_leads_the_changelog():
    version = importlib.metadata.version("nalu_jax")
    assert nalu_jax.__version__ == version
    changelog = (PACKAGE / "CHANGELOG.md").read_text()
    assert re.findall(r"^## (.*)$", changelog, re.MULTILINE)[0] == version


def test_unit_modules_have_no_other_public_names():
    allowed = {"init", "apply", "weights", "penalty", "project", "train_apply", "log_polar", "bind", "UNIT"}
    for name in nalu_jax.UNITS:
        tree = ast.parse((PACKAGE / "units" / f"{name}.py").read_text())
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        defined |= {
            t.id for node in tree.body if isinstance(node, ast.Assign) for t in node.targets if isinstance(t, ast.Name)
        }
        assert {n for n in defined if not n.startswith("_")} <= allowed
        assert not any(isinstance(node, ast.ClassDef) for node in tree.body)
