"""How many of AI Feynman's 100 equations, and of its 20 bonus ones, does the search recover, at which noise?

right       the answer is the law: equal to it on exact new rows after its numbers were fitted again, no useless part,
            exponents exact (`_judge`)
SRBench     its criterion: difference or quotient of answer and law, as they are printed, is a constant for SymPy

Inputs are uniform in the ranges of `feynman_equations.json`, noise is absolute, in shares of the target's rms.
SRBench's protocol has 10,000 rows; 300 is what an experiment may have.

With --units every table is searched twice, with and without its units: the dimensions of all columns, and that all
constants are pure numbers, which is what PhySO has. I.43.16's dimensions are inconsistent with its formula, which then
cannot be found. The bonus equations have a row of their own. Tables of --rows-in-class are of equations of the class
alone, the sums of products of powers.

With 10,000 rows I.15.3x, I.18.4, I.34.1, I.48.2 and II.24.17 were looked at when `structure.finish` was mended, and
I.15.3t, I.32.17, I.37.4, I.40.1, I.41.16, II.6.15a, III.4.32, III.4.33, III.14.14, test_1 and test_4 when
`_engine.arguments` was written: in later runs they are in-sample.

    python -m benchmarks.feynman --rows 300 --json benchmarks/results/feynman_300.json
    python -m benchmarks.feynman --rows 10000 --json benchmarks/results/feynman_10000.json
    python -m benchmarks.feynman --units --rows 300 --rows-in-class 30 --json benchmarks/results/feynman_units.json \\
        --processes 2 --resume
"""

import argparse
import functools
import json
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import sympy
from sympy.parsing.sympy_parser import parse_expr

from nalu_jax.discover._engine.forms import Form
from nalu_jax.symbolic._parse import parse

from . import _judge, _law_answers, _pool, _report
from ._law import FRESH_ROWS, Law, with_noise

QUESTION = _report.question(__doc__)
EQUATIONS = pathlib.Path(__file__).with_name("feynman_equations.json")
CLASSES = {
    "monomial": "in class",
    "sum_of_monomials": "in class",
    "algebraic_nested": "nested",
    "transcendental": "transcendental",
    "bonus": "bonus",
}
NOISES = (0.0, 0.001, 0.01, 0.1)
ROWS = (300, 10_000)
SEED = 20_000
QUICK = ("I.12.1", "I.13.4", "I.27.6", "I.10.7", "I.18.12", "I.40.1", "I.6.2a", "test_5")
NAMES = {"arcsin": sympy.asin, "arccos": sympy.acos, "ln": sympy.log, "pi": sympy.pi}
PUBLISHED = {
    "PhySO (with units of measure)": (58.4, 58.4, 57.9, 53.4),
    "uDSR": (68.9, 37.0, 27.5, 10.7),
    "AI Feynman 2": (54.8, 32.8, 12.6, 0.7),
    "GP-GOMEA": (26.9, 11.0, 5.1, 1.6),
    "AFP_FE": (27.0, 21.8, 20.7, 13.5),
    "DSR": (19.7, 19.1, 19.0, 16.8),
    "Operon": (16.5, 13.1, 2.0, 0.0),
    "gplearn": (16.3, 17.0, 16.7, 16.5),
    "SINDy": (13.4, 5.2, 2.1, 0.1),
}
"""Exact symbolic recovery in % of SRBench's 116 Feynman problems at the four levels of noise.

PhySO's figures are those of its repository, the others were read off SRBench's figure to half a percent.
"""


@functools.cache
def equations() -> dict[str, dict[str, Any]]:
    """By id."""
    return {equation["id"]: equation for equation in json.loads(EQUATIONS.read_text())["equations"]}


def tasks(
    ids: Sequence[str],
    rows: Sequence[int],
    noises: Sequence[float],
    *,
    units: bool = False,
    rows_in_class: Sequence[int] = (),
) -> list[_report.Row]:
    """One row for each equation, number of rows and noise; with units two, with and without them."""
    in_class = [name for name in ids if class_of(name) == "in class"]
    told = [{"units": True}, {"units": False}] if units else [{}]
    return [
        {"id": name, "rows": n, "noise": noise, **each}
        for n, names in [*((n, ids) for n in rows), *((n, in_class) for n in rows_in_class)]
        for each in told
        for noise in noises
        for name in names
    ]


def class_of(name: str) -> str:
    """Of an equation."""
    return CLASSES[equations()[name]["kind"]]


def units_of(name: str) -> _law_answers.Units:
    """The dimensions of an equation."""
    equation = equations()[name]
    return _law_answers.Units([one["dimension"] for one in equation["inputs"]], equation["dimension"])


def formula(equation: dict[str, Any]) -> sympy.Expr:
    """Of x0, x1, ... in place of the names."""
    names = [one["name"] for one in equation["inputs"]]
    symbols = _law_answers.symbols(len(names))
    known: dict[str, Any] = NAMES | dict(zip(names, symbols, strict=True))
    return parse_expr(equation["formula"], local_dict=known)


def law(name: str, rows: int, noise: float, seed: int = SEED) -> Law:
    """A table of an equation."""
    equation = equations()[name]
    expression = formula(equation)
    rng = np.random.default_rng([seed, list(equations()).index(name)])
    low, high = np.array([[one["low"], one["high"]] for one in equation["inputs"]]).T
    x = rng.uniform(low, high, (rows + FRESH_ROWS, len(low)))
    with np.errstate(all="ignore"):
        values = sympy.lambdify(_law_answers.symbols(len(low)), expression, "numpy")(*x.T)
    keep = np.isfinite(values)  # arcsin(lambd/(n*d)) and the like are not defined everywhere
    x, values = x[keep], values[keep]
    rows = len(x) - FRESH_ROWS
    y, _ = with_noise(rng, values[:rows], noise, "absolute")
    in_class = CLASSES[equation["kind"]] == "in class"
    exponents, constants = _terms(expression, x.shape[1]) if in_class else (np.zeros((0, len(low))), np.zeros(0))
    return Law(
        family=CLASSES[equation["kind"]],
        seed=seed,
        form=equation["kind"],
        text=equation["formula"],
        constants=constants,
        x=x[:rows],
        y=y,
        clean=values[:rows],
        fresh_x=x[rows:],
        fresh_y=values[rows:],
        noise=noise,
        kind="absolute",
        exponents=exponents,
        signs=np.ones(len(exponents)),
        shape=Form("sum", (len(exponents),)) if in_class else None,
    )


def _terms(expression: sympy.Expr, n_inputs: int) -> tuple[np.ndarray, np.ndarray]:
    """Exponents (terms, inputs) and coefficients of a sum of products."""
    positive = sympy.symbols(f"p:{n_inputs}", positive=True)  # so that the root of a product is a product of roots
    names = dict(zip(_law_answers.symbols(n_inputs), positive, strict=True))
    terms = sympy.Add.make_args(sympy.expand(expression.xreplace(names)))
    split = [term.as_independent(*positive, as_Add=False) for term in terms]
    powers = [product.as_powers_dict() for _, product in split]
    return np.array([[float(p[name]) for name in positive] for p in powers]), np.array([float(c) for c, _ in split])


def measure(row: _report.Row) -> _report.Row:
    """What the search says of the table."""
    one = law(row["id"], row["rows"], row["noise"])
    told = {"units": row["units"]} if "units" in row else {}
    found = _law_answers.judged(one, units_of(row["id"]) if row.get("units") else None)
    if "skipped" in found:
        return found | {"rows": row["rows"]} | told
    answer = parse(found["answer"], one.names)
    exact = _judge.srbench(answer, formula(equations()[row["id"]]), one.fresh_x)
    del found["errors"], found["degrees"], found["seed"], found["tails"], found["kind"]
    return found | {"rows": row["rows"], "srbench": exact} | told


def counted(rows: Sequence[_report.Row], criterion: str) -> str:
    """How many there are, of all."""
    return f"{sum(bool(row.get(criterion)) for row in rows)}/{len(rows)}" if rows else "-"


def header_and_lines(rows: Sequence[_report.Row]) -> tuple[list[str], list[list[str]]]:
    """By rows and noise: right answers of every class, SRBench's criterion, verdicts and seconds."""
    classes = list(dict.fromkeys(CLASSES.values()))
    told = any("units" in row for row in rows)
    header = ["rows", "noise", *["units"] * told, *classes, "all", "SRBench's criterion", '"recovered": right']
    header += ["median s", "largest s"]
    lines = []
    for n, noise, units, bonus in dict.fromkeys(_part_of(row) for row in rows):
        here = [row for row in rows if _part_of(row) == (n, noise, units, bonus)]
        of_class = [[row for row in here if class_of(row["id"]) == name] for name in classes]
        said = [row for row in here if row.get("verdict") == "recovered"]
        seconds = [row["seconds"] for row in here if "seconds" in row] or [np.nan]
        lines.append(
            [
                str(n),
                f"{noise:g}",
                *["with" if units else "without"] * told,
                *(counted(group, "right") for group in of_class),
                counted(here, "right"),
                f"{counted(here, 'srbench')} = {np.mean([bool(row.get('srbench')) for row in here]):.1%}",
                counted(said, "right"),
                f"{np.median(seconds):.2f}",
                f"{max(seconds):.1f}",
            ]
        )
    return header, lines


def _part_of(row: _report.Row) -> tuple[int, float, bool | None, bool]:
    """What a line of the table is of: rows, noise, whether units were told, and there whether of the bonus ones."""
    return row["rows"], row["noise"], row.get("units"), "units" in row and class_of(row["id"]) == "bonus"


def published_lines() -> list[list[str]]:
    """Name and figures of every published method."""
    return [[name, *(f"{value:.1f}" for value in values)] for name, values in PUBLISHED.items()]


def table(rows: Sequence[_report.Row]) -> str:
    """The counts, what was published, and what was not found."""
    wrong = [
        f"not right at {row['rows']} rows, noise {row['noise']:g}: {row['id']} {equations()[row['id']]['formula']}: "
        f"{row.get('answer', row.get('skipped'))} ({row.get('why', 'no answer')}, {row.get('verdict')})"
        for row in rows
        if not row.get("right")
    ]
    published = _report.text_table(["SRBench, % of 116", *(f"{noise:g}" for noise in NOISES)], published_lines())
    return "\n".join([*wrong, _report.text_table(*header_and_lines(rows)), "", published])


def summary(data: dict[str, Any]) -> str:
    """One part for each number of rows and noise."""
    header, lines = header_and_lines(data["rows"])
    parts = []
    for line in lines:
        cells = dict(zip(header, line, strict=True))
        counts = ", ".join(f"{name} {cells[name]}" for name in dict.fromkeys(CLASSES.values()) if cells[name] != "-")
        told = f", {cells['units']} units" if "units" in cells else ""
        parts.append(
            f"{cells['rows']} rows, noise {cells['noise']}{told}: right {counts}, by SRBench's criterion "
            f'{cells[header[-4]]}, "recovered" right {cells[header[-3]]}, median {cells["median s"]} s'
        )
    best = {name: values for name, values in PUBLISHED.items() if "units" not in name}
    tops = [max(best, key=lambda name, i=i: best[name][i]) for i in range(len(NOISES))]
    figures = ", ".join(f"{best[name][i]:g} % at {NOISES[i]:g} ({name})" for i, name in enumerate(tops))
    return "; ".join([*parts, f"SRBench's best published without units: {figures}"])


def parser() -> argparse.ArgumentParser:
    """The options of this script."""
    own = _report.parser(__doc__)
    _pool.add_options(own)
    own.add_argument("--rows", nargs="+", type=int, default=list(ROWS))
    own.add_argument("--units", action="store_true", help="search every table with its units, and without them")
    own.add_argument("--rows-in-class", nargs="*", type=int, default=[], help="of equations of the class alone")
    own.add_argument("--noise", nargs="+", type=float, default=list(NOISES))
    own.add_argument("--equations", nargs="+", choices=list(equations()), default=list(equations()), metavar="ID")
    return own


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    options = parser().parse_args(arguments)
    effort = _report.effort_of(options)
    if effort.name != "full":
        options.equations, options.rows = list(QUICK if effort.name == "quick" else QUICK[:2]), [300]
        options.noise, options.rows_in_class = [0.01], []
    results = _report.results(__file__, QUESTION, options)
    asked = {"units": options.units, "rows_in_class": options.rows_in_class}
    return _pool.run(results, tasks(options.equations, options.rows, options.noise, **asked), measure, table, options)


if __name__ == "__main__":
    sys.exit(main())
