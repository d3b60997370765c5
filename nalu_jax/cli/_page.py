"""`nalu-jax fit --report OUT.html`: a page to keep, checked before the search and written after it."""

import os
import pathlib

import numpy as np

from ..discover import Found
from . import _csv


def check(path: pathlib.Path) -> None:
    """Raise a ValueError where the page could not be written in the end."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise ValueError('--report needs Matplotlib: pip install "nalu_jax[plot]".') from None
    if path.is_dir():
        raise ValueError(f"--report {path} is a folder: name a file in it, such as {path / 'law.html'}.")
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"--report {path}: the name must end in .html.")
    if not path.parent.is_dir():
        raise ValueError(f"--report {path}: there is no folder {str(path.parent)!r}. Make it first.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ValueError(f"--report {path}: it may not be written. Name another place.")


def write(path: pathlib.Path, found: Found, columns: _csv.Columns, train: np.ndarray, command: str) -> None:
    """The page of a table's rows, of which `train` were fitted, with the command that was typed."""
    from .. import plot

    trained = np.isin(np.arange(columns.y.size), train)
    plot.report(found, path, columns.x, columns.y, trained=trained, command=command)
