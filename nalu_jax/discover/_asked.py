"""What the engine is asked for a table: options, units, and what is known, beside which the rest is searched."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import _inputs, _known, _measures, _options, _written
from ._engine.columns import TableOptions
from ._engine.search import Progress, Searched, search


class Asked(NamedTuple):
    """What is asked of the engine, beside the table."""

    chosen: _options.Options
    measures: _measures.Measures | None
    deviation: float | None
    known: _known.Known | None


def searched(
    data: _inputs.Table, asked: Asked, report: Progress, stop: Callable[[], bool]
) -> tuple[Searched, _inputs.Table, _known.Refitted]:
    """What was found for the target, without its known part; that rest; the constants of the known part."""
    chosen, options = asked.chosen, table_options(asked)
    settings = {
        "rules": chosen.rules, "terms": chosen.terms, "seed": chosen.seed, "row_weights": data.row_weights,
        "options": options, "guesses": chosen.guesses, "time_limit": chosen.time_limit, "progress": report,
        "stop": stop,
    }  # fmt: skip
    part = asked.known
    if part is None:
        return search(data.x, data.y, **settings), data, _known.Refitted(*[np.zeros(0)] * 3)
    weights = np.ones(len(data.y)) if data.row_weights is None else data.row_weights
    begin = _known.first_constants(part, data.x, data.y, weights, chosen.seed)
    found = [_beside_known(data, asked, settings, weights, constants) for constants in begin]
    return min(found, key=lambda each: each[0].candidates[0].evidence if each[0].candidates else np.inf)


def table_options(asked: Asked) -> TableOptions:
    """What is known of the table beside its numbers."""
    return TableOptions(
        dimensions=None if asked.measures is None else _measures.dimensions(asked.measures),
        deviation=asked.deviation,
        limits=asked.chosen.limits,
        include=asked.chosen.rules.include,
        absolute=asked.known is not None,
        positive=asked.chosen.rules.positive,
        far=tuple((far.input, far.zero, far.infinity) for far in asked.chosen.rules.far),
    )


def _beside_known(
    data: _inputs.Table, asked: Asked, settings: dict[str, Any], weights: np.ndarray, constants: np.ndarray
) -> tuple[Searched, _inputs.Table, _known.Refitted]:
    """What is found beside the known part, from these constants of it on, which are fitted with the rest in turn."""
    part, numbers = asked.known, _known.Refitted(constants, np.zeros(len(constants)), np.zeros(len(constants)))
    assert part is not None
    place = 0
    while True:
        place += 1
        rest = data._replace(y=data.y - _known.values(part, data.x, numbers.constants))
        _known.check(part, rest.y, data.y, data.target)
        found = search(rest.x, rest.y, **settings)
        if not len(constants) or not found.candidates:
            return found, rest, numbers
        formula = _written.formula_of(found.candidates[0], rest, np.ones(len(rest.y)), {}, asked.measures)
        refitted = _known.refitted(part, numbers.constants, formula, data.x, data.y, weights)
        if place == _known.ROUNDS:  # the errors of this rest, whose numbers were fitted beside these constants
            return found, rest, refitted._replace(constants=numbers.constants)
        numbers = refitted
