"""The command line `nalu-jax`, also `python -m nalu_jax`: `fit DATA.csv --target COLUMN`, `ode DATA.csv --time COLUMN`,
`demo`, `--version`.

>>> from nalu_jax import cli
>>> options = cli.parser().parse_args(["fit", "data.csv", "--target", "y", "--inputs", "a, b"])
>>> options.command, options.inputs, options.terms
('fit', ['a', 'b'], 4)
"""

import argparse
import importlib.metadata
import pathlib
import shlex
import sys
from collections.abc import Sequence

from .. import _interrupt

__all__ = ["main", "parser"]


def parser() -> argparse.ArgumentParser:
    """All commands with their options; builds without what the commands themselves import."""
    command_line = argparse.ArgumentParser(prog="nalu-jax", description="Neural arithmetic units in JAX.")
    version = f"nalu-jax {importlib.metadata.version('nalu_jax')}"
    command_line.add_argument("--version", action="version", version=version)
    commands = command_line.add_subparsers(dest="command", required=True)
    _fit_options(commands.add_parser("fit", help="find a formula in a CSV file"))
    _ode_options(commands.add_parser("ode", help="find equations of trajectories in a CSV file"))
    _demo_options(commands.add_parser("demo", help="learn Kepler's third law from the inner Solar System"))
    return command_line


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, run what it asks for, and return the exit status."""
    options = parser().parse_args(arguments)
    options.typed = shlex.join(["nalu-jax", *(sys.argv[1:] if arguments is None else arguments)])
    try:
        status = _run(options)
        _interrupt.finished()
        return status
    except KeyboardInterrupt:  # not where this is the whole process: see `_starting`
        print("nalu-jax: interrupted before there was a result.", file=sys.stderr)
        return _interrupt.STATUS


def _run(options: argparse.Namespace) -> int:
    if options.command == "fit":
        from . import _fit

        return _fit.run(options)
    if options.command == "ode":
        from . import _ode

        return _ode.run(options)
    from . import _demo

    return _demo.run(restarts=options.restarts, seed=options.seed)


def _fit_options(command: argparse.ArgumentParser) -> None:
    names = lambda text: [name.strip() for name in text.split(",")]
    command.add_argument(
        "data", type=pathlib.Path, metavar="DATA.csv", help="a first line of names, then numbers; - for standard input"
    )
    command.add_argument("--target", required=True, metavar="COLUMN", help="the column to explain")
    command.add_argument("--inputs", type=names, metavar="A,B", help="to explain it with (default: all others)")
    _fit_knowledge(command)
    families = lambda text: text if text == "all" else tuple(filter(None, names("" if text == "none" else text)))
    command.add_argument(
        "--functions",
        type=families,
        default="all",
        metavar="exp,sin",
        help="that may be in it; all, none (default: all)",
    )
    command.add_argument("--no-nested", dest="nested", action="store_false", help="no powers and quotients of sums")
    command.add_argument("--terms", type=int, default=4, metavar="N", help="most terms of a sum (default: 4)")
    command.add_argument("--time-limit", type=float, metavar="SECONDS", help="end with the best so far")
    command.add_argument("--held-out", type=float, default=0.2, metavar="SHARE", help="kept back (default: 0.2)")
    command.add_argument("--outside", type=float, default=0.2, metavar="SHARE", help="largest inputs (default: 0.2)")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="of all random choices (default: 0)")
    command.add_argument("--plot", type=pathlib.Path, metavar="OUT.png", help="write figures of the fit")
    command.add_argument("--report", type=pathlib.Path, metavar="OUT.html", help="write a page to keep")
    command.add_argument("--quiet", action="store_true", help="no progress bar")
    command.add_argument("--json", action="store_true", help="print JSON, for machines")


def _fit_knowledge(command: argparse.ArgumentParser) -> None:
    """What is known of the table beside its numbers."""
    names = lambda text: [name.strip() for name in text.split(",")]
    command.add_argument(
        "--units", metavar="p=Pa,V=L", help="of all columns, or headers: those of names such as p [Pa]"
    )
    command.add_argument("--constants", metavar='"g=9.8 m/s^2"', help="known ones, by ; or dimensionless: no others")
    command.add_argument("--sigma", metavar="COLUMN", help="standard errors of the target")
    command.add_argument("--x-sigma", metavar="A=0.1,B=COLUMN", help="standard errors of inputs, beside --sigma")
    command.add_argument("--weights", metavar="COLUMN", help="weights of the rows")
    command.add_argument("--groups", metavar="COLUMN", help="which experiment a row belongs to")
    kinds = ("all", "coefficients", "exponents", "offset")
    command.add_argument("--varies", choices=kinds, help="numbers that differ by group (default: as evidence has it)")
    command.add_argument("--missing", choices=("raise", "drop"), default="raise", help="rows with a missing cell")
    command.add_argument("--known", metavar="FORMULA", help="a part of the formula; new names in it are fitted")
    command.add_argument("--guess", metavar="FORMULA", help="a formula to try and improve")
    command.add_argument("--include", type=names, metavar="A,B", help="columns that the formula must have")
    command.add_argument("--exponents", metavar="LOW,HIGH", help="that they lie between, or integers")
    command.add_argument("--signs", choices=("positive",), help="no coefficient is negative")
    command.add_argument("--limits", metavar="R=0 at infinity", help="what it does far off, by columns, with , between")


def _ode_options(command: argparse.ArgumentParser) -> None:
    names = lambda text: [name.strip() for name in text.split(",")]
    families = lambda text: text if text == "all" else tuple(filter(None, names("" if text == "none" else text)))
    command.add_argument(
        "data", type=pathlib.Path, metavar="DATA.csv", help="a first line of names, then numbers; - for standard input"
    )
    command.add_argument("--time", required=True, metavar="COLUMN", help="the column of times")
    command.add_argument("--trajectory", metavar="COLUMN", help="which trajectory a row belongs to (default: one)")
    command.add_argument("--states", type=names, metavar="A,B", help="the columns of states (default: all others)")
    command.add_argument("--inputs", type=names, default=[], metavar="A,B", help="columns that drive the states")
    command.add_argument("--units", metavar="p=Pa,V=L", help="of all states and inputs")
    command.add_argument("--time-unit", metavar="s", help="of the times, with --units")
    command.add_argument(
        "--known", metavar='"A=-k*A; B=2*t"', help="parts of the rates of states; new names in them are fitted"
    )
    command.add_argument(
        "--conserved",
        action="append",
        default=[],
        metavar="s+i+r",
        help="a sum of states that does not change; repeatable",
    )
    command.add_argument(
        "--nonnegative", type=families, default=(), metavar="A,B", help="states that cannot fall below 0, or all"
    )
    command.add_argument(
        "--varies",
        type=families,
        default=(),
        metavar="A,B",
        help="states in whose equations numbers may differ by trajectory, or all",
    )
    command.add_argument(
        "--ensemble",
        type=int,
        default=0,
        metavar="N",
        help="search N halves of the data too",
    )
    command.add_argument(
        "--noise", type=float, metavar="SHARE", help="of the measurements, in deviations of the states"
    )
    command.add_argument(
        "--initial-states", choices=("measured", "exact"), default="measured", help="whether the first rows have noise"
    )
    command.add_argument("--missing", choices=("raise", "drop"), default="raise", help="rows with a missing cell")
    command.add_argument(
        "--functions", type=families, default="all", metavar="exp,sin", help="all, none (default: all)"
    )
    command.add_argument("--no-nested", dest="nested", action="store_false", help="no quotients of sums")
    command.add_argument("--time-limit", type=float, default=60.0, metavar="SECONDS", help="end with the best so far")
    command.add_argument("--report", type=pathlib.Path, metavar="OUT.html", help="write a page to keep")
    command.add_argument("--quiet", action="store_true", help="no progress bar")
    command.add_argument("--json", action="store_true", help="print JSON, for machines")


def _demo_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--restarts", type=_at_least_one, default=32, metavar="N", help="per size (default: 32)")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="of the random key (default: 0)")


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number
