"""What MkDocs does beyond the pages in `guide/`: pages from elsewhere, formulas, and checks of the result.

    mkdocs build --strict -f notebooks/mkdocs.yml

Pages come from the executed notebooks, the changelog, the benchmarks and the docstrings; a page of the reference stands
for every public package, with every name of its `__all__`. LaTeX becomes MathML while the site is built, so that the
browser typesets it, without a script. The build fails where a public name is on no page, or a page would load anything
from another host.
"""

import importlib
import inspect
import json
import pathlib
import re
import types
import zlib
from typing import Any

import latex2mathml.converter
import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter

import nalu_jax
from nalu_jax import units

NOTEBOOKS = pathlib.Path(__file__).parent
ROOT = NOTEBOOKS.parent
ELSEWHERE = {
    "benchmarks/index.md": ROOT / "benchmarks" / "README.md",
    "benchmarks/TASKS.md": ROOT / "benchmarks" / "TASKS.md",
    "changelog.md": ROOT / "nalu_jax" / "CHANGELOG.md",
    "contributing.md": ROOT / ".github" / "CONTRIBUTING.md",
}
LONG = ("benchmarks/TASKS.md", "changelog.md")
NOT_SEARCHED = "---\nsearch: {exclude: true}\n---\n\n"
PACKAGES = [name for name in nalu_jax.__all__ if name not in units.__all__ and name[0].islower()]


def on_config(config: MkDocsConfig) -> None:
    """The notebooks and the reference, behind the pages that mkdocs.yml lists."""
    config.nav = [
        *(config.nav or []),
        {"Notebooks": [{_title(path): f"notebooks/{path.stem}.md"} for path in notebooks()]},
        {"Reference": _reference_nav()},
    ]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The pages that are not in `guide/`."""
    for page, path in ELSEWHERE.items():
        content = NOT_SEARCHED * (page in LONG) + path.read_text().replace("](README.md", "](index.md")
        files.append(File.generated(config, page, content=content))
    for plot in sorted((ROOT / "benchmarks" / "results").glob("*.png")):
        files.append(File.generated(config, f"benchmarks/results/{plot.name}", content=plot.read_bytes()))
    for path in notebooks():
        for name, content in notebook_page(path).items():
            files.append(File.generated(config, f"notebooks/{name}", content=content))
    for name, page in reference_pages().items():
        files.append(File.generated(config, page, content=reference(name)))
    return files


def on_page_content(html: str, **_: Any) -> str:
    """LaTeX between the marks of arithmatex as MathML."""
    return re.sub(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', _mathml, html, flags=re.DOTALL)


def on_post_build(config: MkDocsConfig) -> None:
    """Fail where the site lacks a public name, or is not complete in itself."""
    site = pathlib.Path(config.site_dir)
    problems = [f"{name} is on no page" for name in undocumented(site)]
    problems += [f"{page} loads {address}" for page, address in foreign(site)]
    if problems:
        raise PluginError("; ".join(problems))


def notebooks() -> list[pathlib.Path]:
    """The executed notebooks, in order."""
    return sorted(path for path in NOTEBOOKS.glob("*.ipynb") if path.name[:2].isdigit())


def notebook_page(path: pathlib.Path) -> dict[str, str | bytes]:
    """{file: content} of a notebook: a page with its outputs, and its figures."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata["language_info"] = {"name": "python"}  # what run_all leaves out; without it no code is coloured
    text, resources = MarkdownExporter().from_notebook_node(notebook, resources={"unique_key": path.stem})
    text = re.sub(r"^%.*\n", "", text, flags=re.MULTILINE)  # IPython's own commands
    text = re.sub(r"\]\((\w+)\.ipynb", r"](\1.md", text.replace("](guide/", "](../"))
    text = text.replace("<details>", "<details markdown>")  # Jupyter reads Markdown inside anyway
    return {f"{path.stem}.md": text, **resources["outputs"]}


def reference_pages() -> dict[str, str]:
    """{dotted name: page} of everything public: the package's own names, its packages, the units, the command line."""
    public = ["nalu_jax", *[f"nalu_jax.{name}" for name in PACKAGES if inspect.ismodule(getattr(nalu_jax, name))]]
    every_unit = [f"nalu_jax.units.{name}" for name in units.UNITS]
    return {name: f"api/{name.split('.')[-1]}.md" for name in (*public, "nalu_jax.cli", *every_unit)}


def _reference_nav() -> list[dict[str, Any]]:
    """The packages, and behind them the units as a group of their own."""
    pages = reference_pages()
    is_unit = lambda name: name.startswith("nalu_jax.units.")
    packages = [{name: page} for name, page in pages.items() if not is_unit(name)]
    return [*packages, {"units": [{name.split(".")[-1]: page} for name, page in pages.items() if is_unit(name)]}]


def reference(name: str) -> str:
    """The page of a package or module: its docstring, its names, and the modules among them."""
    module = importlib.import_module(name)
    members = [member for member in getattr(module, "__all__", []) if not _is_module(module, member)]
    if name == "nalu_jax":
        return "\n\n".join(["# `nalu_jax`", *[f"::: nalu_jax.{member}" for member in members]])
    options = f"\n    options: {{heading_level: 1, members: {json.dumps(members)}}}" if members else ""
    options = options or "\n    options: {heading_level: 1}"
    inner = [f"::: {name}.{member}" for member in getattr(module, "__all__", []) if _is_module(module, member)]
    return "\n\n".join([f"::: {name}{options}", *inner])


def public_names() -> dict[str, str]:
    """{public name: where it is defined} of every name of every `__all__`."""
    names = {}
    for package in reference_pages():
        module = importlib.import_module(package)
        for name in getattr(module, "__all__", []):
            value = getattr(module, name)
            home = value.__name__ if inspect.ismodule(value) else f"{getattr(value, '__module__', package)}.{name}"
            names[f"{package}.{name}"] = home
    return names


def undocumented(site: pathlib.Path) -> list[str]:
    """Public names that the index of the built site does not have, under this name or that of their definition."""
    inventory = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    documented = {line.split(" ", 1)[0] for line in zlib.decompress(inventory).decode().splitlines()}
    return [name for name, home in public_names().items() if not {name, home} & documented]


def foreign(site: pathlib.Path) -> list[tuple[str, str]]:
    """(file, address) of whatever a browser would fetch from another host; links to click are none of it."""
    loads = re.compile(r"""<(?:script|img|iframe|source)\b[^>]*\bsrc="?((?:https?:)?//[^"\s>]+)""")
    links = re.compile(r"""<link\b(?![^>]*rel="?(?:canonical|next|prev))[^>]*\bhref="?((?:https?:)?//[^"\s>]+)""")
    styles = re.compile(r"""(?:url\(|@import )["']?((?:https?:)?//[^"')\s]+)""")
    found = []
    for path in sorted(site.rglob("*.html")) + sorted(site.rglob("*.css")):
        text = path.read_text()
        for pattern in (loads, links, styles):
            found += [(str(path.relative_to(site)), address) for address in pattern.findall(text)]
    return found


def _is_module(module: types.ModuleType, name: str) -> bool:
    return inspect.ismodule(getattr(module, name))


def _title(path: pathlib.Path) -> str:
    first = "".join(json.loads(path.read_text())["cells"][0]["source"])
    return f"{path.stem[:2]} {first.splitlines()[0].removeprefix('# ')}"


def _mathml(match: re.Match[str]) -> str:
    text = match[3].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return latex2mathml.converter.convert(text, display="inline" if match[2] == "(" else "block")
