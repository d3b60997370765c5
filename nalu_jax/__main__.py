"""The command line: `python -m nalu_jax fit DATA.csv --target COLUMN` and `python -m nalu_jax demo`."""

import argparse
import sys

from . import _fit_command, demo


def main() -> int:
    """Parse the command line, run what it asks for, and return the exit status."""
    parser = argparse.ArgumentParser(prog="nalu_jax", description="Neural arithmetic units in JAX.")
    commands = parser.add_subparsers(required=True)
    fit = _fit_command.parser(commands.add_parser("fit", help="find a formula in a CSV file"))
    fit.set_defaults(run=_fit_command.run)
    command = commands.add_parser("demo", help="learn Kepler's third law from the inner Solar System")
    command.add_argument("--restarts", type=int, default=demo.RESTARTS, help="per size (default: %(default)s)")
    command.add_argument("--seed", type=int, default=0, help="of the random key (default: %(default)s)")
    command.set_defaults(run=lambda options: _demo(command, options))
    options = parser.parse_args()
    return options.run(options)


def _demo(command: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    if options.restarts < 1:
        command.error(f"--restarts must be at least 1, got {options.restarts}")
    return demo.run(restarts=options.restarts, seed=options.seed)


if __name__ == "__main__":
    sys.exit(main())
