"""On the same drawn tables, how many laws do pyoperon, gplearn and the lasso find beside `discover.table`?

10 s for each peer and table, one thread each, in an environment of their own:

    python -m venv /some/where && /some/where/bin/python -m pip install pyoperon gplearn
    python -m benchmarks.table_peers --python /some/where/bin/python --json benchmarks/results/table_peers.json

exact     the answer is the law (`_judge`): simple exponents exact, no useless part
found     the same, but an offset and fitted exponents that come out simple are forgiven; what peers are measured by

Peers get columns and target divided by their rms, which keeps products of powers and spares them units of measure;
their formulas are brought back. Operon is told the size of the noise, which its description length needs. The lasso
has all polynomials of degree 3.
"""

import argparse
import functools
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import sympy
from sympy.parsing.sympy_parser import parse_expr

from . import _drawn_laws, _judge, _law_answers, _pool, _report, laws
from ._law import rms

QUESTION = _report.question(__doc__)
WORKER = pathlib.Path(__file__).with_name("_peer_worker.py")
METHODS = ("nalu_jax", "pyoperon", "gplearn", "lasso")
TABLES = {"sum of products": 36, "nested": 12, "elementary": 12}
SECONDS = 10
JUDGED_SECONDS = 60  # an answer so long that its numbers cannot be fitted in this time is not the law
EXACT = 1e-6  # relative noise that Operon is told where there is none
LONGEST = 300  # characters of an answer that are kept
PATIENCE = 6  # times the seconds that a peer was given: then it has no answer
FUNCTIONS = {
    "add": sympy.Add,
    "mul": sympy.Mul,
    "sub": lambda a, b: a - b,
    "div": lambda a, b: a / b,
    "inv": lambda a: 1 / a,
    "neg": lambda a: -a,
    "pow": sympy.Pow,
    "sqrt": lambda a: sympy.sqrt(sympy.Abs(a)),  # gplearn's is protected, Operon's is not defined below 0
    "log": lambda a: sympy.log(sympy.Abs(a)),
}


def tasks(tables: dict[str, int], methods: Sequence[str], first_seed: int) -> list[_report.Row]:
    """One row for each table and method."""
    return [
        {"family": family, "seed": first_seed + 2 * i, "method": method}
        for family, n in tables.items()
        for i in range(n)
        for method in methods
    ]


def measure(row: _report.Row, *, python: str, seconds: int) -> _report.Row:
    """The answer of one method, judged."""
    law = _drawn_laws.draw(row["family"], row["seed"])
    labels = law.labels | {"method": row["method"]}
    if row["method"] == "nalu_jax":
        answer = _law_answers.ask(law.x, law.y)
        expression, taken = answer.expression, answer.seconds
    else:
        sigma = rms(law.y - law.clean)
        found = ask(row["method"], law.x, law.y, sigma=sigma, seed=law.seed, python=python, seconds=seconds)
        if "skipped" in found:
            return labels | found
        expression, taken = found["expression"], found["seconds"]
    judge = functools.partial(
        _judge.same_law, expression, _law_answers.symbols(law.x.shape[1]), law.fresh_x, law.fresh_y, real=law.real
    )
    try:
        with _judge.time_limit(JUDGED_SECONDS):
            exact = judge().same
            found = exact or judge(lenient=True).same
    except TimeoutError:
        exact = found = False
    return labels | {
        "exact": exact,
        "right": found,
        "seconds": round(taken, 3),
        "answer": str(six_digits(expression))[:LONGEST],
    }


def ask(
    method: str, x: np.ndarray, y: np.ndarray, *, sigma: float, seed: int, python: str, seconds: int
) -> dict[str, Any]:
    """The formula of a peer, of the inputs as they are; `sigma` is the size of the noise."""
    sizes = np.array([rms(column) for column in x.T])
    size = rms(y)
    task = {"method": method, "x": (x / sizes).tolist(), "y": (y / size).tolist()}
    task |= {"sigma": max(sigma / size, EXACT), "seconds": seconds, "seed": seed}
    environment = os.environ | dict.fromkeys(_pool.THREADS, "1")
    try:
        done = subprocess.run(
            [python, str(WORKER)],
            input=json.dumps(task),
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            timeout=PATIENCE * seconds,
        )
    except subprocess.TimeoutExpired:
        return {"skipped": f"{method}: no answer within {PATIENCE * seconds} s"}
    if done.returncode:
        return {"skipped": f"{method}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}"}
    answer = json.loads(done.stdout.splitlines()[-1])
    names = _law_answers.symbols(len(sizes))
    scaled: dict[str, Any] = {name.name: name / sympy.Float(float(s)) for name, s in zip(names, sizes, strict=True)}
    try:
        expression = sympy.Float(size) * parse_expr(answer["formula"], local_dict=scaled | FUNCTIONS)
    except (SyntaxError, TypeError, ValueError) as error:
        return {"skipped": f"{method}: cannot be read: {error}"}
    return {"expression": expression, "seconds": answer["seconds"]}


def six_digits(expression: sympy.Basic) -> sympy.Basic:
    """The expression with shorter floating-point numbers; exact ones stay."""
    return expression.xreplace({number: sympy.Float(number, 6) for number in expression.atoms(sympy.Float)})


def header_and_lines(rows: Sequence[_report.Row]) -> tuple[list[str], list[list[str]]]:
    """Laws found by family, method and noise."""
    header = ["laws", "method", *(name for name, *_ in laws.NOISES), "found", "exact", "median s"]
    lines = []
    for family, method in dict.fromkeys((row["family"], row["method"]) for row in rows):
        group = of_method(rows, method, family)
        seconds = [row["seconds"] for row in group if "seconds" in row] or [np.nan]
        lines.append(
            [
                family,
                method,
                *(laws.rate([row["right"] for row in laws.of_noise(group, *noise)]) for _, *noise in laws.NOISES),
                laws.rate([row["right"] for row in group]),
                laws.rate([row["exact"] for row in group]),
                f"{np.median(seconds):.2f}",
            ]
        )
    return header, lines


def of_method(rows: Sequence[_report.Row], method: str, family: str | None = None) -> list[_report.Row]:
    """Rows of a method; no answer is a wrong one."""
    wrong = {"right": False, "exact": False}
    return [wrong | row for row in rows if row["method"] == method and family in (None, row["family"])]


def summary(data: dict[str, Any]) -> str:
    """One part for each family: what every method found."""
    parts = []
    for family in dict.fromkeys(row["family"] for row in data["rows"]):
        groups = {method: of_method(data["rows"], method, family) for method in METHODS}
        counts = [
            f"{method} {sum(row['right'] for row in group)}/{len(group)}" for method, group in groups.items() if group
        ]
        parts.append(f"{family}: found {', '.join(counts)}")
    return "; ".join(parts) or "nothing measured"


def table(rows: Sequence[_report.Row]) -> str:
    """The counts."""
    return _report.text_table(*header_and_lines(rows))


def plot(rows: Sequence[_report.Row], path: pathlib.Path) -> None:
    """Laws found against noise, a colour each method, a panel each family."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    families = list(dict.fromkeys(row["family"] for row in rows))
    size = (4.2 * len(families), 3.6)
    figure, axes = plt.subplots(1, len(families), figsize=size, sharey=True, squeeze=False, layout="constrained")
    for axis, family in zip(axes[0], families, strict=True):
        for place, method in enumerate(METHODS):
            group = of_method(rows, method, family)
            if group:
                laws.draw_rates(axis, group, method, 0.12 * (place - 1.5), f"C{place}")
        laws.finish_rates(axis)
        axis.set_title(f"{family}: {len(of_method(rows, METHODS[0], family))} tables")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def parser() -> argparse.ArgumentParser:
    """The options of this script."""
    own = _report.parser(__doc__)
    _pool.add_options(own)
    own.add_argument("--python", default=sys.executable, help="of the environment that has the peers")
    own.add_argument("--seconds", type=int, default=SECONDS, help="for each peer and table")
    own.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), help="only these")
    own.add_argument("--share", type=float, default=1.0, help="of the tables of every family")
    own.add_argument("--plot", type=pathlib.Path, metavar="FILE", help="draw laws found against noise")
    return own


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    options = parser().parse_args(arguments)
    share = {"full": options.share, "quick": 0.05, "smoke": 0.01}[_report.effort_of(options).name]
    tables = {family: max(1, round(share * n)) for family, n in TABLES.items()}
    step = functools.partial(measure, python=options.python, seconds=options.seconds)
    results = _report.results(__file__, QUESTION, options)
    code = _pool.run(results, tasks(tables, options.methods, laws.FIRST_SEED), step, table, options)
    if options.plot:
        plot(results.data["rows"], options.plot)
    return code


if __name__ == "__main__":
    sys.exit(main())
