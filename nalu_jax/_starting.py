"""The first thing that the package imports: where it is a command that starts, Ctrl-C ends it with one line.

Importing what a command needs takes seconds, and a signal in them would be a traceback. Other programs that import the
package are left alone: `python -m nalu_jax` and the script `nalu-jax` are told by how the process was started.
"""

import os
import sys

from . import _interrupt


def is_command(argv: list[str], original: list[str]) -> bool:
    """Whether a process was started as the command line, from `sys.argv` and `sys.orig_argv`.

    >>> is_command(["/usr/bin/nalu-jax", "demo"], ["python", "/usr/bin/nalu-jax", "demo"])
    True
    >>> is_command(["-m", "demo"], ["python", "-X", "utf8", "-m", "nalu_jax", "demo"])
    True
    >>> is_command(["-m", "demo"], ["python", "-m", "another_package", "nalu_jax"])
    False
    """
    if not argv:
        return False
    if argv[0] == "-m":  # Python is still looking for the module, of which this package is the parent
        return "-m" in original and original[original.index("-m") + 1 :][:1] == ["nalu_jax"]
    return os.path.basename(argv[0]).removesuffix(".exe") == "nalu-jax"


if is_command(sys.argv, sys.orig_argv):
    _interrupt.leave_on_signals()
