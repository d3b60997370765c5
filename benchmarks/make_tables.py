"""Writes what README.md, benchmarks/README.md and benchmarks/TASKS.md say of results: facts, an index, and tables.

    python -m benchmarks.make_tables            # after a run into benchmarks/results/
    python -m benchmarks.make_tables --check    # exit code 1 where a file is not up to date

Everything between the two marker lines of a file is replaced; no number there is ever typed. A table comes from
benchmarks/results/<script>.json alone, or <script>_<part>.json where a script was run in parts, so that running this
twice changes nothing.
"""

import argparse
import json
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from . import (
    _cases,
    _report,
    _success,
    adaptive,
    comparison,
    digit_arithmetic,
    division,
    feynman,
    fractional_sir,
    imports,
    inalu_tasks,
    large_scale,
    laws,
    layers,
    loop_throughput,
    lotka_volterra,
    many_states,
    memory,
    ode,
    odebench,
    odebench_all,
    odebench_peers,
    read_out,
    simple_task,
    single_module,
    sir_front,
    static_task,
    systems,
    table_peers,
    table_speed,
    training_step,
    tune_laws,
)
from . import compile as compile_times

BEGIN = "<!-- benchmarks:begin -->"
END = "<!-- benchmarks:end -->"
SCRIPTS = {
    "layers": layers,
    "memory": memory,
    "imports": imports,
    "compile": compile_times,
    "training_step": training_step,
    "loop_throughput": loop_throughput,
    "single_module": single_module,
    "division": division,
    "simple_task": simple_task,
    "static_task": static_task,
    "large_scale": large_scale,
    "inalu_tasks": inalu_tasks,
    "comparison": comparison,
    "read_out": read_out,
    "digit_arithmetic": digit_arithmetic,
    "laws": laws,
    "feynman": feynman,
    "table_peers": table_peers,
    "table_speed": table_speed,
    "tune_laws": tune_laws,
    "ode": ode,
    "adaptive": adaptive,
    "systems": systems,
    "many_states": many_states,
    "fractional_sir": fractional_sir,
    "sir_front": sir_front,
    "odebench": odebench,
    "odebench_all": odebench_all,
    "odebench_peers": odebench_peers,
    "lotka_volterra": lotka_volterra,
}
TASKS = ("single_module", "division", "simple_task", "static_task", "large_scale", "inalu_tasks", "comparison")
FACTS = {  # of the README: the file of a result, what it is about, and which parts of its summary; None is all of them
    "laws": ("drawn laws in tables", slice(2)),
    "feynman_units": ("AI Feynman's 100 equations from tables", slice(1)),
    "feynman_10000": ("SRBench's protocol: these and 20 more from tables of 10,000 rows", slice(0, None, 2)),
    "systems": ("drawn systems of equations from trajectories", slice(6)),
    "odebench_all": ("all 63 systems of ODEBench from two trajectories each", slice(3)),
    "odebench_all_published": ("the protocol of ODEBench's authors, one trajectory each", slice(0, None, 6)),
    "single_module": (
        "one unit learns `+ - * /` of two inputs from nine ranges, so that it holds far outside",
        slice(1),
    ),
    "layers": ("time of a product unit", slice(1)),
    "memory": ("memory of product units", slice(1)),
    "ode": ("time of a differential equation with units in it", slice(1)),
    "adaptive": ("time of one with adaptive steps, `ode.solve`", slice(1)),
    "table_speed": ("time until a table has its formula", slice(4)),
}
COMPARED_UNITS = ("nmu", "inalu", "nru", "nmru", "npu", "real_npu")


def load(results: pathlib.Path) -> dict[str, dict[str, Any]]:
    """Every result by the name of its file: <script>.json, and <script>_<part>.json of further runs of a script.

    Raises:
        ValueError: a file is not of a full and complete run, and so not for publication.
    """
    found = {}
    for path in sorted(results.glob("*.json"), key=lambda path: path.stem):
        owners = [script for script in SCRIPTS if f"{path.stem}_".startswith(f"{script}_")]
        if not owners:
            continue
        name = max(owners, key=len)
        data = json.loads(path.read_text())
        arguments = data["arguments"]
        if data["schema"] != _report.SCHEMA or data["script"] != name:
            raise ValueError(f"{path.name}: schema {data['schema']} of script {data['script']!r}; run {name} again.")
        if data["status"] != "complete" or arguments["quick"] or arguments["smoke"]:
            raise ValueError(f"{path.name}: only a complete run without --quick is published; run {name} again.")
        found[path.stem] = data
    return found


def of_script(found: dict[str, dict[str, Any]], script: str) -> dict[str, dict[str, Any]]:
    """The results of one script, by the name of their file."""
    return {name: data for name, data in found.items() if data["script"] == script}


def index_section(found: dict[str, dict[str, Any]]) -> str:
    """The scripts with their questions, what came out of each, and the tables of times."""
    parts = [index_table(found), "## Results", *(_results(name, found) for name in SCRIPTS)]
    sections = (_layers_section, _laws_section, _systems_section, _ode_section)
    return "\n\n".join([*parts, *filter(None, (section(found) for section in sections))])


def facts_section(found: dict[str, dict[str, Any]]) -> str:
    """A line for each result of `FACTS` that there is, with device and day."""
    lines = []
    for file, (about, chosen) in FACTS.items():
        if file in found:
            parts = SCRIPTS[found[file]["script"]].summary(found[file]).split("; ")[chosen]
            lines.append(f"- {about}: {'; '.join(parts)} ({short_conditions(found[file])})")
    return "\n".join(lines)


def short_conditions(data: dict[str, Any]) -> str:
    """Device and day."""
    e = data["environment"]
    return f"{e['device']['kind']}, {e['cpu_count']} cores, {e['date'][:10]}"


def index_table(found: dict[str, dict[str, Any]]) -> str:
    """One line a script: its question, and how many results there are."""
    counts = {name: len(of_script(found, name)) for name in SCRIPTS}
    lines = [[f"[`{name}`](#{name})", script.QUESTION, str(counts[name] or "-")] for name, script in SCRIPTS.items()]
    return markdown_table(["script", "question", "results"], lines)


def _results(name: str, found: dict[str, dict[str, Any]]) -> str:
    """For every result of a script: the command, where and when it ran, and a line for each part of its summary."""
    lines = [f"### `{name}`", ""]
    for file, data in of_script(found, name).items() or [(name, None)]:
        lines.append(f"- `{command(name, file, data)}`: {conditions(data) if data else 'not measured yet'}")
        lines += [f"  - {part}" for part in SCRIPTS[name].summary(data).split("; ")] if data else []
    return "\n".join(lines)


def command(script: str, file: str, data: dict[str, Any] | None) -> str:
    """What was typed to get a result."""
    words = [
        f"python -m benchmarks.{script}",
        (data or {}).get("typed", ""),
        f"--json benchmarks/results/{file}.json",
    ]
    return " ".join(word for word in words if word)


def conditions(data: dict[str, Any]) -> str:
    """Where and when: device, cores, version, commit, day."""
    e = data["environment"]
    commit = (e["commit"] or "no commit")[:7] + ("+" if e["modified"] else "")
    return f"{e['device']['kind']}, {e['cpu_count']} cores, jax {e['versions']['jax']}, {commit}, {e['date'][:10]}"


def _ode_section(found: dict[str, dict[str, Any]]) -> str:
    """Times of every row of ode.py, ours and the others'."""
    if "ode" not in found:
        return ""
    data = found["ode"]
    return (
        f"## Times of differential equations\n\nPer call ({conditions(data)}); the candidates are explained in "
        f"`ode.py`.\n\n{markdown_table(*ode.header_and_lines(data['rows'], ode.SHORT))}"
    )


def _laws_section(found: dict[str, dict[str, Any]]) -> str:
    """Laws found in tables, beside what others find."""
    parts = _tables(found, "laws", "feynman", "table_peers", "table_speed", "tune_laws")
    if of_script(found, "feynman"):
        header = ["exact symbolic recovery of SRBench's 116 Feynman problems, %", *map(str, feynman.NOISES)]
        parts += [
            "What SRBench and PhySO publish (`feynman.PUBLISHED`):",
            markdown_table(header, feynman.published_lines()),
        ]
    return "\n\n".join(["## Laws in tables", *parts]) if parts else ""


def _systems_section(found: dict[str, dict[str, Any]]) -> str:
    """Equations found in trajectories."""
    parts = _tables(found, "systems", "many_states", "odebench_all", "odebench_peers")
    return "\n\n".join(["## Laws in trajectories", *parts]) if parts else ""


def _tables(found: dict[str, dict[str, Any]], *scripts: str) -> list[str]:
    """Of every result of the scripts its table, and its plot where there is one."""
    parts = []
    for script in scripts:
        for file, data in of_script(found, script).items():
            table = markdown_table(*SCRIPTS[script].header_and_lines(data["rows"]))
            parts += [f"`{file}` ({conditions(data)}):", table]
            plot = _report.RESULTS / f"{file}.png"
            parts += [f"![{file}](results/{plot.name})"] if plot.exists() else []
    return parts


def _layers_section(found: dict[str, dict[str, Any]]) -> str:
    if "layers" not in found:
        return ""
    data = found["layers"]
    rows = {
        (row["unit"], tuple(row["size"])): row
        for row in data["rows"]
        if row["mode"] == "gradient" and row["domain"] == "real" and row["dtype"] == "float32"
    }
    sizes = list(dict.fromkeys(size for _, size in rows))
    units = [unit for unit in COMPARED_UNITS if any(unit == name for name, _ in rows)]
    header = ["batch, n_in, n_out", *units]
    lines = [[_cases.size_name(size), *(_ratios(rows.get((unit, size))) for unit in units)] for size in sizes]
    text = [
        "## Times of units",
        "",
        "Value and gradient with respect to params and inputs: how many times faster than the textbook line in JAX, "
        "and in brackets than the same unit in PyTorch",
        f"({conditions(data)}). A dash was not measured.",
        "",
        markdown_table(header, lines),
    ]
    return "\n".join(text)


def task_section(found: dict[str, dict[str, Any]]) -> str:
    """The tables of every published task, one for each result."""
    parts = []
    for name in TASKS:
        results = of_script(found, name)
        question = f"{SCRIPTS[name].QUESTION} {SCRIPTS[name].PUBLISHED}"
        parts.append(f"## `{name}`\n\n{question if results else 'Not measured yet.'}")
        for file, data in results.items():
            rows = markdown_table(*SCRIPTS[name].header_and_lines(data["rows"]))
            facts = f"Seeds from {data['arguments']['first_seed']}; {conditions(data)}."
            parts += [f"`{command(name, file, data)}`", facts, rows, *_times(data)]
    return "\n\n".join(parts)


def _times(data: dict[str, Any]) -> list[str]:
    lines = _success.times(data["rows"])
    return [f"Time, compilation included: {'; '.join(lines)}."] if lines else []


def _ratios(row: dict[str, Any] | None) -> str:
    ratio = layers.speedup(row) if row else None
    if row is None or ratio is None:
        return "-"
    seconds = {name: result["seconds"]["median"] for name, result in row["candidates"].items() if "seconds" in result}
    torch = _report.times(seconds["torch"] / seconds["nalu_jax"]) if "torch" in seconds else "-"
    return f"{_report.times(ratio)} ({torch})"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in markdown."""
    lines = [list(header), ["---"] * len(header), *map(list, rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def replaced(text: str, section: str) -> str:
    """The text with everything between its markers replaced.

    Raises:
        ValueError: the markers are not there exactly once, in order.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"expected one line {BEGIN} and after it one line {END}")
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n{section}\n{END}{rest.split(END)[1]}"


FILES = {"benchmarks/README.md": index_section, "benchmarks/TASKS.md": task_section, "README.md": facts_section}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check all files; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where a file is out of date")
    parser.add_argument("--root", type=pathlib.Path, default=_report.ROOT, help="the repository")
    options = parser.parse_args(arguments)
    found = load(options.root / "benchmarks" / "results")
    stale = []
    for name, section in FILES.items():
        path = options.root / name
        old = path.read_text()
        new = replaced(old, section(found))
        if new == old:
            continue
        stale.append(name)
        if not options.check:
            path.write_text(new)
    print("up to date" if not stale else f"{'out of date' if options.check else 'written'}: {', '.join(stale)}")
    return 1 if stale and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
