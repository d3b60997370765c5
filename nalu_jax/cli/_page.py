"""`--report OUT.html` of `nalu-jax fit` and `nalu-jax ode`: a page to keep, checked before the search."""

import os
import pathlib
from typing import Any

import numpy as np

from ..discover import Found, FoundSystem


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


def write(
    path: pathlib.Path,
    found: Found | FoundSystem,
    x: Any,
    y: Any,
    command: str,
    *,
    inputs: Any = None,
    trained: np.ndarray | None = None,
) -> None:
    """The page of a table, of whose rows some were fitted, or of trajectories, with the command that was typed."""
    from .. import plot

    plot.report(found, path, x, y, inputs=inputs, trained=trained, command=command)
