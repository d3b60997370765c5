"""`nalu-jax fit DATA.csv --target COLUMN`: from a CSV file to a formula, judged by rows that it was not fitted to."""

import argparse
import dataclasses
import json
import os
import pathlib
import sys
from typing import Any, Literal, NamedTuple

import numpy as np

from .. import _interrupt, discover
from ..discover import _groups, _inputs, _names
from ..discover._found import NOTHING
from . import _csv, _page, _report

NO_FORMULA = 1
"""The exit status where the table has been searched, and no simple formula found."""

FAILED = 2
"""The exit status where the table or an option is not what it should be."""

INTERRUPTED = _interrupt.STATUS
"""The exit status of Ctrl-C, with the best formula so far or before there was any."""

WORST_HELD_OUT = 3.0
"""Residuals of rows held out, in those of the rows that were fitted, above which a formula does not hold. Of ten rows
held out and forty fitted, normal noise gives so much once in 10^7 tables (F(10, 40) above 9), of three rows once in
10^4. `python -m benchmarks.tune_laws --settings WORST_HELD_OUT` tries others on drawn laws. At most 1.7 came of 74
right answers and 2.4 of 38 wrong ones, which are near the law where the data are: no value tells the two apart. 2 would
refuse one wrong answer more, and a right one of three held-out rows once in 70 tables (F(3, 40) above 4); 3 is for what
does not hold at all."""

ROUNDING = 1e-9
"""Residuals of this share of the target's size are rounding, and no sign of anything."""


class Fitted(NamedTuple):
    """A formula, the rows that it was fitted to and judged by, its errors on each part of them, and what it predicts
    for all of them (rows,)."""

    found: discover.Found
    columns: _csv.Columns
    rows: discover.Split
    errors: dict[str, _report.Errors]
    predicted: np.ndarray


def fit(columns: _csv.Columns, options: argparse.Namespace) -> Fitted:
    """The formula of the training rows, and its errors on all parts.

    Raises:
        ValueError: the table is not one that a formula can be found in.
    """
    # before rows are split, so that messages have the rows of the file
    _inputs.table(columns.x, columns.y, names=columns.names, target=columns.target)
    rows = discover.split(columns.x, held_out=options.held_out, outside=options.outside, seed=options.seed)
    if rows.train.size < _inputs.FEWEST_ROWS:
        raise ValueError(
            f"of {len(columns.y)} rows {rows.train.size} are left to fit, expected at least {_inputs.FEWEST_ROWS}. "
            "Lower --held-out and --outside, or bring more rows."
        )
    groups = None if options.groups is None else columns.beside[options.groups]
    _check_groups(options.groups, groups, rows)
    found = discover.table(
        columns.x[rows.train],
        columns.y[rows.train],
        names=columns.names,
        target=columns.target,
        **_knowledge(columns, options, rows.train),
        functions=options.functions,
        nested=options.nested,
        terms=options.terms,
        seed=options.seed,
        time_limit=options.time_limit,
        progress=sys.stderr.isatty() and not (options.json or options.quiet),
    )
    found = dataclasses.replace(found, notes=(*columns.notes, *found.notes))
    predicted = found.predict(columns.x, groups=groups)
    errors = {part: _report.errors_of(predicted[own], columns.y[own]) for part, own in rows._asdict().items()}
    sigma = None if options.sigma is None else columns.beside[options.sigma]
    return Fitted(_judged(found, predicted, columns.y, rows, sigma), columns, rows, errors, predicted)


def _check_groups(name: str | None, groups: np.ndarray | None, rows: discover.Split) -> None:
    """Raise where a group has too few rows that are fitted."""
    if groups is None:
        return
    every, fitted = _groups.texts(groups), _groups.texts(groups[rows.train])
    for label in dict.fromkeys(every):
        left = fitted.count(label)
        if left < 2:
            raise ValueError(
                f"--groups {name}: of {every.count(label)} rows of {label!r} {left} are left to fit, expected at least "
                "2. Lower --held-out and --outside, or leave the group out."
            )


def _knowledge(columns: _csv.Columns, options: argparse.Namespace, rows: np.ndarray) -> dict[str, Any]:
    """What is known beside the numbers of these rows, as `discover.table` has it."""
    beside = lambda name: None if name is None else columns.beside[name][rows]
    return {
        "units": _units(options.units),
        "constants": _constants(options.constants),
        "sigma": beside(options.sigma),
        "x_sigma": {
            name: each if isinstance(each, float) else beside(each) for name, each in _x_sigma(options.x_sigma).items()
        }
        or None,
        "weights": beside(options.weights),
        "groups": None if options.groups is None else _Labels(columns.beside[options.groups][rows], options.groups),
        "varies": options.varies,
        "known": options.known,
        "guess": options.guess,
        "include": options.include,
        "exponents": _exponents(options.exponents),
        "signs": options.signs,
        "limits": _limits(options.limits),
    }


class _Labels(list[Any]):
    """Cells that bring the name of their column, as a Series does."""

    def __init__(self, values: np.ndarray, name: str):
        super().__init__(values.tolist())
        self.name = name


def _units(text: str | None) -> dict[str, str] | Literal["headers"] | None:
    if text is None or text == "headers":
        return text
    return dict(_pairs("--units", text, ","))


def _pairs(option: str, text: str, separator: str) -> list[tuple[str, str]]:
    pairs = [part.partition("=") for part in text.split(separator)]
    for name, equals, value in pairs:
        if not (name.strip() and equals and value.strip()):
            raise ValueError(f"{option}: {(name + equals + value)!r} is no pair such as name=value.")
    return [(name.strip(), value.strip()) for name, _, value in pairs]


def _x_sigma(text: str | None) -> dict[str, float | str]:
    """Errors of inputs by their names: numbers, or names of columns."""
    found: dict[str, float | str] = {}
    for name, value in _pairs("--x-sigma", text, ",") if text else ():
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = value
    return found


def _limits(text: str | None) -> dict[str, list[str]] | None:
    found: dict[str, list[str]] = {}
    for name, value in _pairs("--limits", text, ",") if text else ():
        found.setdefault(name, []).append(value)
    return found or None


def _constants(text: str | None) -> dict[str, tuple[float, str]] | Literal["dimensionless"] | None:
    if text is None or text == "dimensionless":
        return text
    found = {}
    for name, value in _pairs("--constants", text, ";"):
        number, _, unit = value.partition(" ")
        try:
            found[name] = float(number), unit or "1"
        except ValueError:
            raise ValueError(f"--constants: {value!r} is no number with its unit, such as 9.8 m/s^2.") from None
    return found


def _exponents(text: str | None) -> tuple[float, float] | Literal["integers"] | None:
    if text is None or text == "integers":
        return text
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise ValueError(f"--exponents: {text!r} is neither LOW,HIGH nor integers.") from None
    return low, high


def _judged(
    found: discover.Found, predicted: np.ndarray, y: np.ndarray, rows: discover.Split, sigma: np.ndarray | None
) -> discover.Found:
    """With another verdict where the formula does not hold on the rows held out."""
    if not rows.held_out.size or found.verdict == NOTHING:
        return found
    ratio = held_out_ratio(found.noise, predicted, y, rows, sigma)
    if ratio <= WORST_HELD_OUT:
        return found
    reason = (
        f"what fits best does not hold on the {rows.held_out.size} rows that were held out, where its residuals are "
        f"{ratio:.2g} times as large"
    )
    return dataclasses.replace(found, verdict=NOTHING, reason=reason)


def held_out_ratio(
    noise: str, predicted: np.ndarray, y: np.ndarray, rows: discover.Split, sigma: np.ndarray | None = None
) -> float:
    """Typical residual of the rows held out, in that of those that were fitted; each in its error where it is known."""
    largest = max(float(np.abs(y[part]).max()) for part in (rows.train, rows.held_out))
    sizes = np.full(len(y), largest) if sigma is None else sigma
    sizes = np.abs(predicted) if noise == "relative" else sizes
    fitted, held_out = (_typical(predicted[part] - y[part], sizes[part]) for part in (rows.train, rows.held_out))
    return held_out / max(fitted, ROUNDING)


def _typical(residuals: np.ndarray, sizes: np.ndarray) -> float:
    """Root mean square, in proportion to these sizes: of the formula's values, or where the noise is absolute others.
    Infinite where there is no value."""
    with np.errstate(all="ignore"):
        mean = float(np.sqrt(np.mean((residuals / np.where(sizes > 0, sizes, 1.0)) ** 2)))
    return mean if np.isfinite(mean) else float("inf")


def run(options: argparse.Namespace) -> int:
    """Fit and print; returns the exit status."""
    try:
        _check_options(options)
        beside = [name for name in (options.sigma, options.weights, options.groups) if name is not None]
        beside += [each for each in _x_sigma(options.x_sigma).values() if isinstance(each, str)]
        drop = options.missing == "drop"
        columns = _csv.read(options.data, target=options.target, inputs=options.inputs, beside=beside, drop=drop)
        fitted = fit(columns, options)
    except (ValueError, TypeError, TimeoutError) as error:
        return _failed(options, str(error))
    except KeyboardInterrupt:
        print("nalu-jax fit: interrupted before there was a formula.", file=sys.stderr)
        return INTERRUPTED
    try:
        _print(
            _report.as_json(fitted.found, fitted.errors)
            if options.json
            else _report.as_text(fitted.found, fitted.errors)
        )
    except BrokenPipeError:  # whoever reads has seen enough
        return _without_output(FAILED)
    except OSError as error:
        _failed(options, f"the formula cannot be printed: {error.strerror}.")
        return _without_output(FAILED)
    if options.plot is not None:
        try:
            _write_plot(options.plot, fitted)
        except (OSError, ValueError) as error:
            return _failed(options, f"--plot {options.plot}: cannot be written: {error}.")
    if options.report is not None:
        try:
            columns, trained = fitted.columns, _trained(fitted)
            _page.write(options.report, fitted.found, columns.x, columns.y, options.typed, trained=trained)
        except (OSError, ValueError) as error:
            return _failed(options, f"--report {options.report}: cannot be written: {error}.")
    if fitted.found.interrupted:
        return INTERRUPTED
    return NO_FORMULA if fitted.found.verdict == NOTHING else 0


def _trained(fitted: Fitted) -> np.ndarray:
    """(rows,) bool: which rows the formula was fitted to."""
    return np.isin(np.arange(fitted.columns.y.size), fitted.rows.train)


def _failed(options: argparse.Namespace, message: str) -> int:
    name = "standard input" if str(options.data) == _csv.STANDARD_INPUT else _names.printable(options.data.name)
    print(f"nalu-jax fit: {name}: {message}", file=sys.stderr)
    return FAILED


def _print(output: str | dict) -> None:
    print(output if isinstance(output, str) else json.dumps(output, indent=1, allow_nan=False))
    sys.stdout.flush()


def _without_output(status: int) -> int:
    """The status, with what is still to be printed thrown away: Python would fail again when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


def _check_options(options: argparse.Namespace) -> None:
    """Raise a ValueError where an option would fail after the search."""
    if options.seed < 0:
        raise ValueError(f"--seed must be at least 0, got {options.seed}.")
    if options.plot is not None:
        _check_plot(options.plot)
    if options.varies is not None and options.groups is None:
        raise ValueError("--varies says which numbers differ by group: name their column, --groups COLUMN.")
    if options.report is not None:
        if options.groups is not None:
            raise ValueError("--report shows a formula without groups: leave one of --report and --groups out.")
        _page.check(options.report)


def _check_plot(path: pathlib.Path) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ValueError('--plot needs Matplotlib: pip install "nalu_jax[plot]".') from None
    formats = Figure().canvas.get_supported_filetypes()
    if path.is_dir():
        raise ValueError(f"--plot {path} is a folder: name a file in it, such as {path / 'fit.png'}.")
    if path.suffix[1:].lower() not in formats:
        raise ValueError(f"--plot {path}: the name must end in one of .{', .'.join(sorted(formats))}.")
    if not path.parent.is_dir():
        raise ValueError(f"--plot {path}: there is no folder {str(path.parent)!r}. Make it first.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ValueError(f"--plot {path}: it may not be written. Name another place.")


def _write_plot(path: pathlib.Path, fitted: Fitted) -> None:
    """Predicted against true, and where the formula is made of units their graph, in one file."""
    from matplotlib.figure import Figure

    from .. import plot

    found, columns = fitted.found, fitted.columns
    trained = _trained(fitted)
    predicted = fitted.predicted
    shown = np.isfinite(predicted)
    wide = (columns.y > 0).all() and columns.y.max() > 30 * columns.y.min()
    figure = Figure((13.0, 4.2) if found.model else (6.5, 4.2), layout="constrained")
    axes = figure.subplots(1, 2 if found.model else 1, squeeze=False)[0]
    target, names = _names.as_mathtext(columns.target), [_names.as_mathtext(name) for name in found.names]
    log = bool(wide and (predicted[shown] > 0).all())
    plot.predictions(columns.y[shown], predicted[shown], trained=trained[shown], log=log, name=target, ax=axes[0])
    if found.model is not None:
        plot.graph(found.model, found.params, inputs=names, outputs=(target,), ax=axes[1])
    figure.suptitle(_names.as_mathtext(f"{found.target} = {found.best.with_errors}"))
    figure.savefig(path)
