"""The command line: `python -m nalu_jax demo`."""

import argparse

from . import demo


def main() -> None:
    """Parse the command line and run what it asks for."""
    parser = argparse.ArgumentParser(prog="nalu_jax", description="Neural arithmetic units in JAX.")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("demo", help="learn Kepler's third law from the inner Solar System")
    command.add_argument("--restarts", type=int, default=demo.RESTARTS, help="trained at once (default: %(default)s)")
    command.add_argument("--steps", type=int, default=demo.STEPS, help="optimiser steps (default: %(default)s)")
    command.add_argument("--seed", type=int, default=0, help="of the random key (default: %(default)s)")
    options = parser.parse_args()
    if min(options.restarts, options.steps) < 1:
        parser.error("--restarts and --steps must be at least 1")
    demo.run(restarts=options.restarts, steps=options.steps, seed=options.seed)


if __name__ == "__main__":
    main()
