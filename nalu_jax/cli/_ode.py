"""`nalu-jax ode DATA.csv --time COLUMN`: from trajectories in a CSV file to equations.

>>> from nalu_jax.cli import _csv, _ode
>>> lines = ["t,run,a", "0,x,1.0", "1,x,0.5", "0,y,3.0", "1,y,1.5"]
>>> columns = _csv.parse(lines, target="t", inputs=("a",), beside=("run",))
>>> ts, ys = _ode.trajectories(columns, "run")
>>> [times.tolist() for times in ts], [states.tolist() for states in ys]
([[0.0, 1.0], [0.0, 1.0]], [[[1.0], [0.5]], [[3.0], [1.5]]])
"""

import argparse
import dataclasses
import json
import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import discover
from ..discover import _names
from ..discover._found import NOTHING
from ..discover._known_rates import KnownRates
from . import _csv, _page
from ._fit import FAILED, INTERRUPTED, NO_FORMULA, _pairs


def trajectories(columns: _csv.Columns, trajectory: str | None) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Times and states of each trajectory, in the order in which their labels come."""
    if trajectory is None:
        return [columns.y], [columns.x]
    labels = columns.beside[trajectory]
    places = [np.flatnonzero(labels == label) for label in dict.fromkeys(labels.tolist())]
    return [columns.y[place] for place in places], [columns.x[place] for place in places]


def run(options: argparse.Namespace) -> int:
    """Search and print; returns the exit status."""
    beside = [] if options.trajectory is None else [options.trajectory]
    try:
        if options.report is not None:
            _page.check(options.report)
        drop = options.missing == "drop"
        read = None if options.states is None else [*options.states, *options.inputs]
        columns = _csv.read(options.data, target=options.time, inputs=read, beside=beside, drop=drop)
        ts, every = trajectories(columns, options.trajectory)
        states = options.states or [name for name in columns.names if name not in options.inputs]
        ys, driving = (_columns(columns, every, names) for names in (states, options.inputs))
        found = discover.ode(
            ts,
            ys,
            names=states,
            units=None if options.units is None else dict(_pairs("--units", options.units, ",")),
            time_unit=options.time_unit,
            inputs=(options.inputs, driving) if options.inputs else None,
            known=dict(_pairs("--known", options.known, ";")) if options.known else None,
            conserved=options.conserved,
            nonnegative=options.nonnegative,
            varies=options.varies,
            ensemble=options.ensemble,
            noise=options.noise,
            initial_states=options.initial_states,
            functions=options.functions,
            nested=options.nested,
            time_limit=options.time_limit,
            progress=sys.stderr.isatty() and not (options.json or options.quiet),
        )
    except (ValueError, TypeError, TimeoutError) as error:
        return _failed(options, str(error))
    except KeyboardInterrupt:
        print("nalu-jax ode: interrupted before there was an equation.", file=sys.stderr)
        return INTERRUPTED
    notes = [f"note: {note}" for note in columns.notes]
    if found.by_trajectory and options.trajectory is not None:
        labels = dict.fromkeys(columns.beside[options.trajectory].tolist())
        notes.append(f"note: the trajectories are, in this order, {', '.join(map(_names.printable, map(str, labels)))}")
    print(json.dumps(as_data(found), indent=1, allow_nan=False) if options.json else "\n".join([str(found), *notes]))
    if options.report is not None:
        try:
            _page.write(options.report, found, ts, ys, options.typed, inputs=driving if options.inputs else None)
        except (OSError, ValueError) as error:
            return _failed(options, f"--report {options.report}: cannot be written: {error}.")
    if found.interrupted:
        return INTERRUPTED
    return NO_FORMULA if found.verdict == NOTHING else 0


def _columns(columns: _csv.Columns, every: list[np.ndarray], names: Sequence[str]) -> list[np.ndarray]:
    """These columns of every trajectory.

    Raises:
        ValueError: a name is that of no column.
    """
    missing = [name for name in names if name not in columns.names]
    if missing:
        raise ValueError(f"no column {missing[0]!r}; there are {', '.join(map(repr, columns.names))}.")
    places = [list(columns.names).index(name) for name in names]
    return [rows[:, places] for rows in every]


def _failed(options: argparse.Namespace, message: str) -> int:
    name = "standard input" if str(options.data) == _csv.STANDARD_INPUT else _names.printable(options.data.name)
    print(f"nalu-jax ode: {name}: {message}", file=sys.stderr)
    return FAILED


def _known(known: Any) -> dict[str, Any] | None:
    """What was known of each rate with its numbers, or null, and its constants; null where nothing was."""
    if not isinstance(known, KnownRates):
        return None
    return {
        "formulas": [None if part is None else part.formula for part in known.parts],
        "constants": {
            name: {"value": _finite(each.value), "error": _finite(each.error)} for name, each in known.constants
        },
    }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def as_data(found: discover.FoundSystem) -> dict[str, Any]:
    """The result as what JSON knows, for other programs to read; a number that is not finite is null."""
    return {
        "schema": "nalu_jax.cli.ode",
        "version": 1,
        "states": list(found.names),
        "symbols": list(found.symbols),
        "verdict": found.verdict,
        "reason": found.reason,
        "equations": list(found.equations),
        "latex": list(found.latex),
        "known": _known(found.best.known),
        "by_trajectory": {
            symbol: [{"value": _finite(each.value), "error": _finite(each.error)} for each in numbers]
            for symbol, numbers in found.by_trajectory.items()
        },
        "noise": [_finite(each) for each in found.noise],
        "rows": found.rows,
        "notes": list(found.notes),
        "interrupted": found.interrupted,
        "ensemble": None if found.ensemble is None else dataclasses.asdict(found.ensemble),
        "candidates": [
            {
                "equations": list(candidate.equations),
                "complexity": candidate.complexity,
                "error": _finite(candidate.error),
                "description_length": _finite(candidate.description_length),
            }
            for candidate in found.candidates
        ],
    }
