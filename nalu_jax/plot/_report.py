"""A page to keep of what a search found: one HTML file without script, font or address of another host."""

import html
import importlib.metadata
import io
import pathlib
import platform
import re
from collections.abc import Iterator
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure, SubFigure

from .. import _arguments
from ..discover import Found, FoundSystem, _names
from . import _fits, _found, _graph

VERSIONS = ("nalu_jax", "numpy", "scipy", "sympy", "jax")


@_arguments.checked(
    "plot.report",
    found=_arguments.instance("what discover.table or discover.ode returned", "Pass it whole.", Found, FoundSystem),
    path=_arguments.instance("a path", "Name a file such as law.html.", str, pathlib.Path),
    trained=_arguments.optional(_arguments.array()),
    command=_arguments.instance("a text", "Pass one.", str),
)
def report(
    found: Found | FoundSystem,
    path: str | pathlib.Path,
    x: Any = None,
    y: Any = None,
    *,
    inputs: Any = None,
    trained: Any = None,
    command: str = "",
) -> None:
    """Write verdict, formula, its numbers with errors, rivals, the front, and figures as one page of HTML.

    The page holds all of itself: formulas are MathML and figures SVG, so that it reads the same in ten years, on a
    phone and on paper. Text from headers is escaped, and the page forbids scripts.

    Args:
        found: what `discover.table` or `discover.ode` returned.
        path: of the file to write.
        x, y: the measurements, for the figures: inputs and target, or times and states. Without them the page has the
            front alone.
        inputs: of a system that has some, values at the times, as `plot.trajectories` takes them.
        trained: (rows,) bool, the rows of a table that were fitted; all where not given.
        command: that makes the page again, to be told on it.

    Raises:
        TypeError, ValueError: rows or columns are not those of what was found, or only one of x and y is given.
        OSError: the file cannot be written.
    """
    if (x is None) != (y is None):
        raise ValueError("plot.report: x and y go together: pass both, or neither.")
    figures = [(_svg(figure), caption) for figure, caption in _figures(found, x, y, inputs, trained)]
    pathlib.Path(path).write_text(_page(found, figures, command), encoding="utf-8")


def _page(found: Found | FoundSystem, figures: list[tuple[str, str]], command: str) -> str:
    title = _names.as_html(", ".join(found.names) if not isinstance(found, Found) else found.target)
    parts = [
        f"<h1>{title}</h1>",
        _numbers(found),
        *(f"<figure>{svg}<figcaption>{html.escape(caption)}</figcaption></figure>" for svg, caption in figures),
        _candidates(found),
        _made_with(command),
    ]
    return PAGE.format(title=title, style=STYLE, body="\n".join(parts))


def _numbers(found: Found | FoundSystem) -> str:
    """Verdict, reason and numbers as a notebook shows them, and which column or state a symbol is."""
    legend = dict(_names.legend(found.names, found.symbols))
    if isinstance(found, FoundSystem):
        legend |= _names.legend(found.inputs, found.input_symbols)
    columns = "".join(f"<p>{symbol} stands for {_names.as_html(repr(name))}</p>" for symbol, name in legend.items())
    return found._repr_html_() + columns


def _candidates(found: Found | FoundSystem) -> str:
    """The chosen one, those that the data do not tell from it, and the front, as a table."""
    alike = sorted(found.alike, key=lambda each: _found.behind(found, each))
    shown = [found.best, *alike]
    front = [each for each in _found.weighed(found) if not any(each is other for other in shown)]
    kinds = [("chosen", found.best), *(("not told apart", each) for each in alike[:MOST_ALIKE])]
    kinds += [("simpler" if each.complexity < found.best.complexity else "longer", each) for each in front]
    rows = "".join(
        f"<tr><td>{kind}</td><td>{_found.behind(found, each):.1f}</td><td>{each.complexity}</td>"
        f"<td>{float(each.error):.3g}</td><td><code>{_names.as_html(_found.text_of(each))}</code></td></tr>"
        for kind, each in kinds
    )
    header = "<tr><th></th><th>nats behind</th><th>complexity</th><th>error</th><th>formula</th></tr>"
    more = len(alike) - MOST_ALIKE
    notes = f"<p>and {more} more that the data do not tell apart</p>" if more > 0 else ""
    return f"<h2>What was weighed</h2><p>{WEIGHED}</p><div class='wide'><table>{header}{rows}</table></div>{notes}"


MOST_ALIKE = 10  # formulas not told apart: who reads ten does not miss the eleventh

WEIGHED = (
    "By evidence, in nats: 6 are odds of 400 for the chosen one. Errors are in the unit of the target, as a fraction "
    "of its value, or of trajectories in standard deviations of the states, as the residuals above."
)


def _made_with(command: str) -> str:
    installed = [f"{name} {importlib.metadata.version(name)}" for name in VERSIONS]
    remade = f"<p>Made again by <code>{_names.as_html(command)}</code></p>" if command else ""
    return f"<footer>{remade}<p>Python {platform.python_version()}, {', '.join(installed)}</p></footer>"


def _figures(
    found: Found | FoundSystem, x: Any, y: Any, inputs: Any, trained: Any
) -> Iterator[tuple[Figure | SubFigure, str]]:
    """Those that there are data for, each with what it shows."""
    if x is not None and isinstance(found, Found):
        yield from _figures_of_table(found, x, y, trained)
    if x is not None and isinstance(found, FoundSystem):
        panels = _found.trajectories(found, x, y, inputs=inputs)
        yield panels[0].figure, "Measurements, and the equations solved from the first of them."
    if len(_found.weighed(found)) > 1:
        yield _found.front(found).figure, "The best formula of every complexity; the chosen one in blue."


def _figures_of_table(found: Found, x: Any, y: Any, trained: Any) -> Iterator[tuple[Figure | SubFigure, str]]:
    _arguments.check("plot.report", "y", y, _arguments.array(finite=True))
    inputs, target = _found._rows("plot.report", found, x, y)
    predicted = found.predict(inputs)
    whole = np.isfinite(predicted)
    seen = np.ones(target.size, bool) if trained is None else np.ravel(np.asarray(trained)).astype(bool)
    if seen.size != target.size:
        raise ValueError(f"plot.report: trained has {seen.size} values, expected one for each of {target.size} rows.")
    if len(found.names) == 1:
        yield _found.curve(found, inputs, target).figure, "The formula and the measurements."
    if whole.any():
        name = _found.target_label(found)
        ax = _fits.predictions(target[whole], predicted[whole], trained=seen[whole], name=name)
        yield ax.figure, "Predicted against measured values" + "; red ones were held back." * bool((~seen).any())
    panels = _found.residuals(found, inputs, target)
    yield panels[0].figure, "Residuals: without a pattern and nearly all in the band, where the formula is right."
    if found.model is not None and found.params is not None:
        names = [_names.as_mathtext(name) for name in found.names]
        ax = _graph.graph(found.model, found.params, inputs=names, outputs=(_names.as_mathtext(found.target),))
        yield ax.figure, "The formula as a chain of units: powers on the left, coefficients on the right."


def _svg(figure: Any) -> str:
    """The figure as an element of a page; glyphs are shapes, so that no font is needed."""
    file = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "nalu_jax", "svg.fonttype": "path"}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = re.sub("<!--.*?-->", "", file.getvalue(), flags=re.DOTALL)  # Matplotlib's, of every text
    return text[text.index("<svg") :]


STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
body { color: #222; background: #fff; }
h1, h2 { font-weight: 500; }
math { font-size: 1.3rem; margin: .6rem 0; }
math, .wide { overflow-x: auto; max-width: 100%; }
.wide td:last-child { min-width: 18rem; }
table { border-collapse: collapse; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #ddd; }
figure { margin: 1.5rem 0; break-inside: avoid; }
svg { max-width: 100%; height: auto; }
figcaption, footer { color: #555; font-size: .85rem; }
pre, code { font-size: .9em; white-space: pre-wrap; overflow-wrap: anywhere; }
@media print { body { margin: 0; max-width: none; } }
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""
