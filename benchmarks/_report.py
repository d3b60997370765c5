"""What every script shares besides the timer: command line, rows one by one, JSON after each of them, tables.

A script describes its rows as tasks and hands them to `run` with a function that measures one task. The JSON file is
replaced, whole, after every row, so that Ctrl-C, or a crash, keeps all rows that were finished.
"""

import argparse
import collections
import dataclasses
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from tqdm import tqdm

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
SCHEMA = 1
VARIABLES = ("XLA_FLAGS", "JAX_PLATFORMS", "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")  # change speed
MEASURED = ("nalu_jax", "benchmarks/*.py")  # where an uncommitted change would change a result
UNRECORDED = ("json", "child", "plot", "parser", "resume", "python")  # options that change no result
INTERRUPTED = 130  # the exit code of a program that Ctrl-C ended

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Effort:
    """How much to measure: chosen by --quick and --smoke.

    Attributes:
        name: "full", "quick" or "smoke".
        row_seconds: time for the repeats of one row.
        min_repeats: repeats that a row gets even where they take longer.
        max_repeats: repeats that no row exceeds.
        call_seconds: a candidate whose single call is estimated above this is skipped, with the reason.
        total_seconds: rows that have not begun by then are skipped, with the reason.
    """

    name: str
    row_seconds: float
    min_repeats: int
    max_repeats: int
    call_seconds: float
    total_seconds: float

    def repeats(self) -> dict[str, Any]:
        """The arguments of `_timing.compare`."""
        return {"budget": self.row_seconds, "min_repeats": self.min_repeats, "max_repeats": self.max_repeats}


EFFORTS = {
    "full": Effort("full", 1.0, 5, 100, 60.0, float("inf")),
    "quick": Effort("quick", 0.1, 3, 20, 0.5, 35.0),
    "smoke": Effort("smoke", 0.0, 2, 2, 0.5, float("inf")),
}


def parser(doc: str | None, units: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The options that all scripts have; `units` are the names that --units accepts."""
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the results here, after every row")
    effort = p.add_mutually_exclusive_group()
    effort.add_argument("--quick", action="store_true", help="small sizes and few repeats: under a minute")
    effort.add_argument("--smoke", action="store_true", help="tiny: does it run at all (the tests use this)")
    if units:
        p.add_argument("--units", nargs="+", choices=units, default=list(units), metavar="UNIT", help="only these")
    p.set_defaults(parser=p)  # so that `results` knows what was typed
    return p


def effort_of(options: argparse.Namespace) -> Effort:
    """The effort that the options ask for."""
    return EFFORTS["quick" if options.quick else "smoke" if options.smoke else "full"]


class Results:
    """The rows of one run, and the file that holds them."""

    def __init__(
        self, script: str, question: str, arguments: Mapping[str, Any], path: pathlib.Path | None, typed: str = ""
    ):
        self.path = path
        self.data: dict[str, Any] = {
            "schema": SCHEMA,
            "script": script,
            "question": question,
            "status": "running",
            "arguments": {name: _plain(value) for name, value in arguments.items() if name not in UNRECORDED},
            "typed": typed,
            "environment": environment(),
            "rows": [],
        }

    def add(self, row: Row) -> None:
        """Append a finished row, and write."""
        self.data["rows"].append(row)
        self.write()

    def finish(self, status: str, seconds: float) -> None:
        """Set the status, "complete" or "interrupted", and what all rows took together, and write."""
        self.data |= {"status": status, "seconds": seconds}
        self.write()

    def write(self) -> None:
        """Replace the file in one step: a reader sees the old rows or the new ones, never half of them."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_name(self.path.name + ".part")
        draft.write_text(as_text(self.data))
        os.replace(draft, self.path)


def as_text(data: Mapping[str, Any]) -> str:
    """JSON with one field a line, and one line for every element of a list of objects: rows, and cells of a row."""
    fields = [f" {json.dumps(name)}: {_text(value, '  ')}" for name, value in data.items()]
    return "{\n" + ",\n".join(fields) + "\n}\n"


def _text(value: Any, indent: str) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: {_text(one, indent)}" for name, one in value.items()) + "}"
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
        return json.dumps(value)
    lines = ",\n".join(indent + _text(one, indent + " ") for one in value)
    return f"[\n{lines}\n{indent[1:]}]"


def results(file: str, question: str, options: argparse.Namespace) -> Results:
    """The results of a script, written to --json where it is given."""
    return Results(pathlib.Path(file).stem, question, vars(options), options.json, typed(options))


def typed(options: argparse.Namespace) -> str:
    """The options that differ from their defaults, as one types them."""
    words = []
    for name, value in vars(options).items():
        if name in UNRECORDED or value == options.parser.get_default(name):
            continue
        values = [] if value is True else value if isinstance(value, list) else [value]
        words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return shlex.join(words)


def question(doc: str | None) -> str:
    """The first line of a script's docstring."""
    return (doc or "").splitlines()[0]


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | list | None) else str(value)


def run(
    results: Results,
    tasks: Sequence[Row],
    measure: Callable[[Row], Row],
    table: Callable[[Sequence[Row]], str],
    effort: Effort,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Measure every task, print the table, and return the exit code; Ctrl-C keeps the rows that are finished."""
    start = clock()
    status = "complete"
    try:
        for task in tqdm(tasks, unit="row", disable=None, leave=False):
            if clock() - start > effort.total_seconds:
                results.add(task | {"skipped": f"not begun within the {effort.total_seconds:.0f} s of --{effort.name}"})
                continue
            results.add(task | measure(task))
    except KeyboardInterrupt:
        status = "interrupted"
    results.finish(status, clock() - start)
    print(table(results.data["rows"]))
    print(*skipped(results.data["rows"]), sep="\n", end="")
    seconds = duration(results.data["seconds"])
    print(f"{status}: {len(results.data['rows'])} of {len(tasks)} rows in {seconds}, compilation included")
    return 0 if status == "complete" else INTERRUPTED


class Interruptible(Protocol):
    """What a fit or a search returns, which is what there is when Ctrl-C ends it early."""

    @property
    def interrupted(self) -> bool: ...


def check_whole(found: Interruptible) -> None:
    """Raise a KeyboardInterrupt where Ctrl-C ended a fit or a search early: `run` then leaves its row out."""
    if found.interrupted:
        raise KeyboardInterrupt


def skipped(rows: Sequence[Row]) -> list[str]:
    """One line for every reason that something was not measured, with how often; ends with an empty line if any."""
    reasons = [row["skipped"] for row in rows if "skipped" in row]
    for row in rows:
        candidates = row.get("candidates", {}).items()
        reasons += [f"{name}: {result['skipped']}" for name, result in candidates if "skipped" in result]
    return [f"skipped {count} x {reason}" for reason, count in collections.Counter(reasons).items()] + [""] * bool(
        reasons
    )


def environment() -> dict[str, Any]:
    """Versions, device and commit: what a number depends on besides the code."""
    import jax

    device = jax.devices()[0]
    packages = ("jax", "jaxlib", "numpy", "nalu_jax", "torch", "torchdiffeq", "optax", "diffrax")
    return {
        "versions": {name: _version(name) for name in packages if _version(name)},
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "device": {"platform": device.platform, "kind": device.device_kind, "count": jax.device_count()},
        "cpu_count": os.cpu_count(),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "compilation_cache": bool(jax.config.values["jax_compilation_cache_dir"]),
        "commit": _git("rev-parse", "HEAD"),
        "modified": bool(_git("status", "--porcelain", "--", *MEASURED)),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    """The answer of git, or None outside a clone."""
    try:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def child(script: str, *arguments: str) -> Row:
    """What `python -m benchmarks.script arguments` prints last, as JSON; a failure is a row with the reason.

    The child's stderr is passed on only as that reason. A signal that ends it, as of the out-of-memory killer, counts
    as a failure of the row, not of the script.
    """
    command = [sys.executable, "-m", f"benchmarks.{script}", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    last_line = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return {"skipped": f"failed with exit code {done.returncode}: {last_line}"}


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned with spaces; the first to the left, the others to the right."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    aligned = [[c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(t, widths, strict=True))] for t in lines]
    aligned.insert(1, ["-" * width for width in widths])
    return "\n".join("  ".join(line) for line in aligned)


def duration(seconds: float) -> str:
    """Three digits and a unit: "12.3 us"."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def times(ratio: float) -> str:
    """A speedup, in two digits where it is small: "0.97x", "41x"."""
    return f"{ratio:.2f}x" if ratio < 10 else f"{ratio:.0f}x"
