"""Docstrings as Markdown, for the reference of the site: doctests and the params of units become blocks of code.

The package's docstrings are written to be read in an editor. Markdown takes `>>>` for a quotation, and griffe takes the
"Params:" of a unit, which are leaves with shapes, for arguments.
"""

import re
from typing import Any

from griffe import Extension, Object


class AsMarkdown(Extension):
    """Changes what griffe has read, before mkdocstrings renders it."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite the docstring of one module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(text: str) -> str:
    """The docstring with doctests fenced, params as a block of code, and an item for each name of `a, b: both`."""
    text = re.sub(r"^Params:\n", "**Params**\n\n", text, flags=re.MULTILINE)
    text = re.sub(r"^( +)(\w+(?:, \w+)+)(?=: )", _one_each, text, flags=re.MULTILINE)
    doctest = re.compile(r"^( *)>>> .*(?:\n(?! *$).*)*", re.MULTILINE)
    return doctest.sub(lambda match: f"{_gap(match)}{match[1]}```pycon\n{match[0]}\n{match[1]}```", text)


def _one_each(match: re.Match[str]) -> str:
    """griffe takes all before the colon for one name."""
    *others, last = match[2].split(", ")
    return "".join(f"{match[1]}{other}: see `{last}`.\n" for other in others) + match[1] + last


def _gap(match: re.Match[str]) -> str:
    """An empty line where text comes just before; none after "Example:", which would end there."""
    before = match.string[: match.start()].rstrip(" ")
    return "" if not before or before.endswith(("\n\n", ":\n")) else "\n"
