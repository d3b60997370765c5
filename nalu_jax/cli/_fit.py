"""`nalu-jax fit DATA.csv --target COLUMN`: from a CSV file to a formula."""

import argparse
import json
import pathlib
import sys
from typing import NamedTuple

import numpy as np

from .. import discover
from . import _csv, _report

FAILED = 2
"""The exit status where the table or an option is not what it should be."""


class Fitted(NamedTuple):
    """A formula, the rows that it was fitted to and judged by, and its errors on each part of them."""

    found: discover.Found
    columns: _csv.Columns
    rows: discover.Split
    errors: dict[str, _report.Errors]


def fit(
    columns: _csv.Columns,
    rows: discover.Split,
    *,
    domain: str,
    powers: int | None,
    restarts: int,
    seed: int,
    progress: bool,
) -> Fitted:
    """The formula of the training rows, and its errors on all parts.

    Raises:
        ValueError: the table is not one that a formula can be found in.
    """
    found = discover.table(
        columns.x[rows.train],
        columns.y[rows.train],
        names=columns.names,
        target=columns.target,
        domain=domain,
        powers=powers,
        restarts=restarts,
        seed=seed,
        progress=progress,
    )
    errors = {
        part: _report.errors_of(found, columns.x[chosen], columns.y[chosen]) for part, chosen in rows._asdict().items()
    }
    return Fitted(found, columns, rows, errors)


def run(options: argparse.Namespace) -> int:
    """Fit and print; returns the exit status."""
    try:
        if options.restarts < 1:
            raise ValueError(f"--restarts must be at least 1, got {options.restarts}.")
        columns = _csv.read(options.data, target=options.target, inputs=options.inputs)
        # before rows are split, so that messages have the rows of the file
        discover.check_table(columns.x, columns.y, columns.names, columns.target, options.domain)
        rows = discover.split(columns.x, held_out=options.held_out, outside=options.outside, seed=options.seed)
        fitted = fit(
            columns,
            rows,
            domain=options.domain,
            powers=options.powers,
            restarts=options.restarts,
            seed=options.seed,
            progress=sys.stderr.isatty() and not options.json,
        )
        if options.plot is not None:
            _write_plot(options.plot, fitted)
    except ValueError as error:
        print(f"nalu-jax fit: {options.data.name}: {error}", file=sys.stderr)
        return FAILED
    if options.json:
        print(json.dumps(_report.as_json(fitted.found, columns.target, fitted.errors), indent=1))
    else:
        print(_report.as_text(fitted.found, columns.target, fitted.errors))
    return 0


def _write_plot(path: pathlib.Path, fitted: Fitted) -> None:
    """Predicted against true, the loss of every restart, and the graph of the formula, in one file."""
    try:
        from matplotlib.figure import Figure

        from .. import plot
    except ImportError:
        raise ValueError('--plot needs Matplotlib: pip install "nalu_jax[plot]".') from None
    found, columns = fitted.found, fitted.columns
    trained = np.isin(np.arange(columns.y.size), fitted.rows.train)
    wide = (columns.y > 0).all() and columns.y.max() > 30 * columns.y.min()
    figure = Figure((13.0, 4.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    predicted = found.predict(columns.x)
    log = bool(wide and (predicted > 0).all())
    plot.predictions(columns.y, predicted, trained=trained, log=log, name=columns.target, ax=left)
    plot.losses(found.fit, ax=middle)
    plot.graph(found.model, found.params, inputs=found.names, outputs=(columns.target,), ax=right)
    figure.suptitle(f"{columns.target} = {found.formula}")
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"--plot {path}: cannot be written: {error}.") from None
