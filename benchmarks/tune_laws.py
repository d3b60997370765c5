"""What do the numbers of the engine's settings do, on drawn laws of odd seeds? Reports use even seeds.

Every number that decides stands in `nalu_jax/discover/_engine/settings.py`. This script runs the search with one number
changed at a time, on the same laws:

right       the answer is the law (`_judge`)
failures    wrong answers although the law has better evidence
said        how often the verdict is "recovered", and how often that is wrong; also at other thresholds of the verdict
recall      of the right answers at 1 % noise and less, how many are "recovered"

WORST_HELD_OUT is the command line's: how much larger residuals of rows held out may be than those of rows fitted. Every
law is searched in the rows that are left to fit, and its answer judged at every value.

    python -m benchmarks.tune_laws --json benchmarks/results/tune_laws.json
    python -m benchmarks.tune_laws --settings TERM --values 0.5 1.5 3
    python -m benchmarks.tune_laws --settings WORST_HELD_OUT

A number is kept unless another one is better in the first three columns by more than chance (a few tables).
"""

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from unittest import mock

import numpy as np

from nalu_jax import discover
from nalu_jax.cli import _fit
from nalu_jax.discover._engine import search, settings, verdict
from nalu_jax.discover._found import NOTHING

from . import _drawn_laws, _judge, _law_answers, _pool, _report, laws
from ._law import Law

QUESTION = _report.question(__doc__)
FAMILIES = {"sum of products": 40, "hard sum of products": 20, "nested": 20, "elementary": 20, "unreachable": 20}
FIRST_SEED = 1
VERDICT: dict[str, tuple[float, ...]] = {
    "GAP": (2.0, 4.0, 4.5, 5.0, 6.0, 8.0, 12.0),
    "EXTENSION_GAP": (1.0, 2.0, 3.0, 4.0, 6.0),
    "MISFIT": (1.0, 2.0, 3.0, 4.0, 5.0, 8.0),
    "CLEAR_MISFIT": (4.0, 8.0, 16.0),
    "CANCELLING": (3.0, 5.0, 20.0),
    "FREE_EXPONENTS": (0, 1, 2, 3),
    "WEAKEST": (4.0, 8.0, 12.0),
    "INFLATION": (1.15, 1.3, 2.0),
    "TAILS": (6.0, 9.0, 30.0),
}
"""Thresholds of the verdict, and values at which every law is judged after one search."""
FACTORS: dict[str, tuple[float, ...]] = {
    "TERM": (0.0, 2.0),
    "FREE_EXPONENT": (0.3, 3.0),
    "ACTIVE_INPUTS": (0.6, 1.6),
    "COEFFICIENT_SPREAD": (0.5, 2.0),
    "EXPONENT_SPREAD": (0.5, 2.0),
}
"""Factors by which settings of the search are tried, beside the setting as it is; each needs a search of every law."""

HELD_OUT = "WORST_HELD_OUT"
HELD_OUT_VALUES = (1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0)


def tasks(
    values: Mapping[str, Sequence[float | None]], families: dict[str, int], first_seed: int
) -> Iterator[_report.Row]:
    """One row for each value and law: first of the settings as they are, which `HELD_OUT` by itself does not need."""
    as_they_are = [] if list(values) == [HELD_OUT] else [(None, None)]
    for setting, value in [*as_they_are, *((name, v) for name, vs in values.items() for v in vs)]:
        for family, n in families.items():
            for i in range(n):
                yield {"setting": setting, "value": value, "family": family, "seed": first_seed + 2 * i}


def measure(row: _report.Row) -> _report.Row:
    """What the search says of the law with the changed setting; as they are, also at every threshold of the verdict."""
    if row["setting"] == HELD_OUT:
        return held_out(_drawn_laws.draw(row["family"], row["seed"]))
    judged_with: list[tuple[Any, Any]] = []

    def judge(found: Any, barred: Any) -> verdict.Verdict:
        judged_with.append((found, barred))
        return verdict.judge(found, barred)

    with changed(row["setting"], row["value"]), mock.patch.object(search, "judge", judge):
        found = _law_answers.judged(_drawn_laws.draw(row["family"], row["seed"]))
    if "skipped" in found:
        return found
    kept = {key: found[key] for key in ("form", "terms", "noise", "right", "verdict", "failure", "seconds")}
    if row["setting"] is None:
        kept["recovered_at"] = {name: _recovered_at(name, judged_with[-1]) for name in VERDICT}
    return kept


def values_of(name: str) -> Sequence[float | None]:
    """What is tried in place of a setting; nothing where all values are looked at after one search."""
    if name == HELD_OUT:
        return [None]
    return [factor * getattr(settings, name) for factor in FACTORS.get(name, (0.5, 2.0))]


def held_out(law: Law) -> _report.Row:
    """The answer for the rows that the command line fits, and how much larger its residuals of those held out are."""
    rows = discover.split(law.x)
    answer = _law_answers.ask(law.x[rows.train], law.y[rows.train])
    names = _law_answers.symbols(law.x.shape[1])
    same = _judge.same_law(answer.expression, names, law.fresh_x, law.fresh_y, real=law.real)
    ratio = _fit.held_out_ratio(answer.found.noise, answer.found.predict(law.x), law.y, rows)
    found = {"noise": law.noise, "right": same.same, "verdict": answer.found.verdict, "seconds": answer.seconds}
    return found | {"failure": False, "held_out": len(rows.held_out), "ratio": ratio if np.isfinite(ratio) else None}


def thresholds(name: str) -> list[float]:
    """The values of a threshold of the verdict that are tried, the present one among them."""
    return sorted({*VERDICT[name], getattr(settings, name)})


def _recovered_at(name: str, arguments: tuple[Any, Any]) -> list[float]:
    """The values of a threshold at which the verdict is "recovered"."""
    said = []
    for value in thresholds(name):
        with changed(name, value):
            said += [value] * (verdict.judge(*arguments).verdict == verdict.RECOVERED)
    return said


@contextlib.contextmanager
def changed(name: str | None, value: float | None) -> Iterator[None]:
    """The settings with one number changed, or as they are."""
    if name is None:
        yield
        return
    with mock.patch.object(settings, name, value):
        yield


def header_and_lines(rows: Sequence[_report.Row]) -> tuple[list[str], list[list[str]]]:
    """One line for each value of a setting of the search."""
    rows = [row for row in rows if row["setting"] != HELD_OUT]
    header = ["setting", "value", *FAMILIES, "failures", "said: wrong", "recall", "median s"]
    lines = []
    for setting, value in dict.fromkeys((row["setting"], row["value"]) for row in rows):
        group = laws.measured(row for row in rows if (row["setting"], row["value"]) == (setting, value))
        said = [row["right"] for row in group if row["verdict"] == "recovered"]
        sure = [row["verdict"] == "recovered" for row in laws.of_noise(group, 0.0, 0.01) if row["right"]]
        seconds = [row["seconds"] for row in group if np.isfinite(row["seconds"])] or [np.nan]
        lines.append(
            [
                setting or "as they are",
                "" if value is None else f"{value:g}",
                *(_count([row["right"] for row in laws.measured(group, family)]) for family in FAMILIES),
                str(sum(row["failure"] for row in group)),
                f"{len(said)}: {said.count(False)}",
                _count(sure),
                f"{np.median(seconds):.2f}",
            ]
        )
    return header, lines


def verdict_lines(rows: Sequence[_report.Row]) -> list[list[str]]:
    """What "recovered" would be worth at every value of a threshold, the others as they are."""
    measured = [row for row in rows if "recovered_at" in row]
    lines = []
    for name in VERDICT if measured else ():
        for value in thresholds(name):
            said = [row["right"] for row in measured if value in row["recovered_at"][name]]
            exact = [row for row in laws.of_noise(measured, 0.0, 0.01) if row["right"]]
            recall = [value in row["recovered_at"][name] for row in exact]
            now = " (now)" if value == getattr(settings, name) else ""
            lines.append([name, f"{value:g}{now}", f"{len(said)}: {said.count(False)}", _count(recall)])
    return lines


def held_out_lines(rows: Sequence[_report.Row]) -> list[list[str]]:
    """Answers that `HELD_OUT` would refuse at each value: right ones, wrong ones, and wrong ones said "recovered"."""
    given = [row for row in rows if "ratio" in row and row["verdict"] != NOTHING]
    groups = [
        [row for row in given if row["right"]],
        [row for row in given if not row["right"]],
        [row for row in given if not row["right"] and row["verdict"] == verdict.RECOVERED],
    ]
    refused = lambda row, value: row["ratio"] is None or row["ratio"] > value
    return [
        [HELD_OUT, f"{value:g}{' (now)' * (value == _fit.WORST_HELD_OUT)}"]
        + [_count([refused(row, value) for row in group]) for group in groups]
        for value in HELD_OUT_VALUES
        if given
    ]


def _count(values: Sequence[bool]) -> str:
    return f"{sum(values)}/{len(values)}" if values else "-"


def table(rows: Sequence[_report.Row]) -> str:
    """One line for each value of a setting."""
    refusals = ["threshold", "value", "right refused", "wrong refused", "wrong recovered refused"]
    tables = [
        header_and_lines(rows),
        (["threshold", "value", "said: wrong", "recall"], verdict_lines(rows)),
        (refusals, held_out_lines(rows)),
    ]
    return "\n\n".join(_report.text_table(header, lines) for header, lines in tables if lines)


def summary(data: dict[str, Any]) -> str:
    """One part for each value of a setting."""
    header, lines = header_and_lines(data["rows"])
    parts = []
    for name, value, *cells in lines:
        counts = ", ".join(f"{title} {cell}" for title, cell in zip(header[2:], cells, strict=True))
        parts.append(f"{name} {value}".strip() + f" - {counts}")
    parts += [
        f'{name} {value} - said "recovered": wrong {said}, recall {recall}'
        for name, value, said, recall in verdict_lines(data["rows"])
    ]
    parts += [
        f'{name} {value} - refused: right {right}, wrong {wrong}, of them said "recovered" {said}'
        for name, value, right, wrong, said in held_out_lines(data["rows"])
    ]
    return "; ".join(parts) or "nothing measured"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = _report.parser(__doc__)
    _pool.add_options(parser)
    parser.add_argument(
        "--settings",
        nargs="*",
        default=[*FACTORS, HELD_OUT],
        metavar="NAME",
        help=f"in settings.py, {HELD_OUT}, or none",
    )
    parser.add_argument("--values", nargs="+", type=float, help="of a single setting, in place of the usual ones")
    parser.add_argument("--share", type=float, default=1.0, help="of the laws of every family")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED, help="odd")
    options = parser.parse_args(arguments)
    known = lambda name: name == HELD_OUT or isinstance(getattr(settings, name, None), int | float)
    if unknown := [name for name in options.settings if not known(name)]:
        parser.error(f"no number of this name in settings.py: {', '.join(unknown)}")
    if options.first_seed % 2 == 0:
        parser.error("even seeds are for reports; --first-seed is odd.")
    if options.values and (len(options.settings) != 1 or HELD_OUT in options.settings):
        parser.error("--values are those of one setting of the search; give it with --settings.")
    effort = _report.effort_of(options).name
    share = {"full": options.share, "quick": 0.05, "smoke": 0.0}[effort]
    families = {name: max(1, round(share * n)) for name, n in FAMILIES.items()}
    if effort != "full":
        options.settings = [*options.settings[:1], *({HELD_OUT} & {*options.settings[1:]})]
    if effort == "smoke":
        families = {name: families[name] for name in ("sum of products", "nested")}
    values = {name: options.values or values_of(name) for name in options.settings}
    results = _report.results(__file__, QUESTION, options)
    every = list(tasks(values, families, options.first_seed))
    return _pool.run(results, every, measure, table, options)


if __name__ == "__main__":
    sys.exit(main())
