"""`python -m nalu_jax`: the command line `nalu-jax`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
