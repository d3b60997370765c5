"""`python -m nalu_jax fit DATA.csv --target COLUMN`: from a CSV file to a formula.

>>> from nalu_jax import _fit_command
>>> options = _fit_command.parser().parse_args(["data.csv", "--target", "y", "--inputs", "a, b"])
>>> options.inputs, options.restarts
(['a', 'b'], 64)
"""

import argparse
import json
import pathlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from . import _csv, _report, discover

FAILED = 2
"""The exit status where the table or an option is not what it should be."""

INTERRUPTED = 130
"""The exit status of Ctrl-C before there is any formula."""


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


def parser(parent: argparse.ArgumentParser | None = None) -> argparse.ArgumentParser:
    """The options of the command."""
    command = argparse.ArgumentParser(prog="nalu_jax fit") if parent is None else parent
    names = lambda text: [name.strip() for name in text.split(",")]
    command.add_argument("data", type=pathlib.Path, metavar="DATA.csv", help="a first line of names, then numbers")
    command.add_argument("--target", required=True, metavar="COLUMN", help="the column to explain")
    command.add_argument("--inputs", type=names, metavar="A,B", help="to explain it with (default: all others)")
    command.add_argument("--domain", choices=("real", "positive"), default="real", help="of inputs (default: real)")
    command.add_argument("--powers", type=int, metavar="N", help="most products (default: 4, fewer for few rows)")
    command.add_argument("--restarts", type=int, default=64, metavar="N", help="per number of products (default: 64)")
    command.add_argument("--held-out", type=float, default=0.2, metavar="SHARE", help="kept back (default: 0.2)")
    command.add_argument("--outside", type=float, default=0.2, metavar="SHARE", help="largest inputs (default: 0.2)")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="of all random choices (default: 0)")
    command.add_argument("--plot", type=pathlib.Path, metavar="OUT.png", help="write figures of the fit")
    command.add_argument("--json", action="store_true", help="print JSON, for machines")
    return command


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
        print(f"nalu_jax fit: {options.data.name}: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("nalu_jax fit: interrupted before there was a formula.", file=sys.stderr)
        return INTERRUPTED
    if options.json:
        print(json.dumps(_report.as_json(fitted.found, columns.target, fitted.errors), indent=1))
    else:
        print(_report.as_text(fitted.found, columns.target, fitted.errors))
    return 0


def _write_plot(path: pathlib.Path, fitted: Fitted) -> None:
    """Predicted against true, the loss of every restart, and the graph of the formula, in one file."""
    try:
        from matplotlib.figure import Figure

        from . import plot
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the arguments and run."""
    return run(parser().parse_args(arguments))
