"""From trajectories to equations: `ode`.

Trajectories are checked (`_trajectories`), and so is what is asked for (`_system_asked`); the engine searches
(`_systems`), and what it found is written out (`_system_written`) as systems (`_system`) with a verdict
(`_found_system`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .. import _arguments, _progress
from .._interrupt import deferred
from . import (
    _ensemble,
    _system_asked,
    _system_conserved,
    _system_frames,
    _system_inputs,
    _system_known,
    _system_measures,
    _system_varying,
    _system_written,
    _trajectories,
)
from ._found_system import FoundSystem
from ._system_asked import Asked
from ._system_known import Text
from ._systems.inputs import Inputs
from ._systems.inputs import inputs as input_curves
from ._systems.problem import Known
from ._systems.terms import ELEMENTARY

if TYPE_CHECKING:
    import sympy

LATE_NOTE = "the time limit ended the search: the best so far"


@deferred()
@_arguments.checked(
    "discover.ode",
    names=_arguments.optional(_arguments.names()),
    known=_arguments.optional(
        _arguments.Kind(
            "a function (t, y) -> rates, or text of rates",
            'Pass text by the name of its state, such as {"y": "-k*y"}.',
            lambda known: None if callable(known) or _system_known.is_text(known) else TypeError,
        )
    ),
    ensemble=_arguments.count(0),
    noise=_arguments.optional(_arguments.number(0.0)),
    missing=_arguments.flag(),
    nested=_arguments.flag(),
    initial_states=_arguments.choice("exact", "measured"),
    time_limit=_arguments.optional(_arguments.number(0.0)),
    progress=_arguments.optional(_arguments.instance("True, False or a label", "Pass one of them.", bool, str)),
)
def ode(
    ts: Any,
    ys: Any,
    *,
    names: Sequence[str] | None = None,
    units: Any = None,
    time_unit: Any = None,
    inputs: Any = None,
    known: "Callable[..., Any] | str | sympy.Expr | Sequence[Any] | Mapping[str, Any] | None" = None,
    conserved: str | Sequence[str] = (),
    nonnegative: Literal["all"] | Sequence[str] = (),
    varies: Literal["all"] | Sequence[str] = (),
    ensemble: int = 0,
    noise: float | None = None,
    missing: bool = False,
    initial_states: str = "measured",
    functions: Literal["all"] | Sequence[str] = "all",
    nested: bool = True,
    time_limit: float | None = 60.0,
    progress: bool | str | None = None,
) -> FoundSystem:
    """Equations dy/dt = known(t, y) + sums of products of powers of y, for trajectories, with a verdict.

    Every candidate is fitted to the measurements themselves, whose errors are weighed as those of all states, and
    judged by its evidence, in which every number and every name in an equation has its price. Quotients of such sums,
    products that saturate beside others that do not, and elementary functions of states are searched as well. All of it
    is deterministic, in NumPy and in float64: only a function that is `known` is compiled.

    Args:
        ts: (n_times,) increasing times; or a list with those of each trajectory; or their column in DataFrames `ys`.
        ys: (n_times, n_states), or (n_times,) of one state; or a list of them; a DataFrame has the names too.
        names: of the states; y0, y1, ... by default.
        units: of all states and inputs, by name: SI units such as "mmol/L", "1" of a pure number. Elementary functions
            are taken of pure numbers and angles only, and `found.best.rates` know the units of their coefficients.
        time_unit: of the times, where `units` are given.
        inputs: (names, values) of what was measured beside the states and drives them, such as a force or a dose: of
            values (n_times, n_inputs), or (n_times,) of one; or of a list of them; or names of columns of DataFrames
            `ys`, which then are no states. They stand in equations as states do. Between samples they are interpolated,
            as smoothly as foretells most of the samples that are left out. Those that stay the same over samples and
            jump, or that no interpolation foretells, may be held between samples: laws are searched in each of these
            ways, the likeliest is taken, and `found.notes` say so.
        known: the known part of dy/dt, in the units of the data: a function (t, y) -> (n_states,) in JAX; or text or
            SymPy expressions by the names of states, such as {"y": "-k*y + a*sin(w*t)"}, or one for each state. Text is
            of the symbols of states and inputs and of t, the time where none of them is called so. Other names are
            constants, the same in all equations, and are fitted with what is found, also of every candidate by itself:
            `found.best.known.constants` has them with their errors. A state that is not named has nothing known.
            Constants are not fitted with `conserved` or `varies`.
        conserved: sums of states that do not change, such as "s + i + r" or "2*a + b", or several: rates are searched
            as what one state hands to others, each constant once, so that every law that is found keeps the sums.
        nonnegative: names of states that cannot fall below 0, such as concentrations, or "all": what takes from such a
            state vanishes with it, so that -k*a*b may stand in the rate of a or b, and in that of no other state.
        varies: names of states in whose equations coefficients may differ between trajectories, or "all". The law is
            one, with the same exponents, and evidence decides which coefficients differ: they have a symbol, such as
            c1, and `found.by_trajectory` has a number with its error for each trajectory. Not with `conserved` or
            `ensemble`, and where an exponent is no simple number its coefficient is common.
        ensemble: halves of the data in which the search is done again, each with the same time limit:
            `found.ensemble` has the share of them in which each term is found again. 20 halves tell 50 from 70 %.
        noise: standard deviation of the measurements in standard deviations of each state; 0 says that they are exact.
            By default it is estimated with the law.
        missing: whether NaN stands for what was not measured.
        initial_states: "exact" where the first measurements have no noise, "measured" where they have it too.
        functions: elementary functions of states that may be in the answer: "all", or some of sin, cos, exp, log, tanh,
            abs; () for none. With up to three states and inputs numbers inside of sin, cos, exp and tanh are fitted,
            such as 3 in sin(3*y); a sine beside a cosine has a phase. `found.notes` have their errors.
        nested: whether quotients of sums, and products that saturate, may be the answer.
        time_limit: seconds after which the search ends with the best so far; None for no limit.
        progress: whether to show a progress bar, by default where stderr is a terminal; a text is its label.

    Returns:
        A `FoundSystem`. Ctrl-C ends the search with the best so far, and `interrupted` set.

    Raises:
        TypeError: data that are not real numbers, or masked arrays.
        ValueError: times that do not increase, NaN without missing=True, too few points, two states of one name, units
            that are none or not given, inputs that are not known at every time, known rates of another shape, known
            text of no state, that is no formula or has no value at a measurement, or sums said to be conserved that are
            no sums of states or that change, states that cannot be negative and are, numbers that are to differ between
            trajectories of which there is one, or too few rows for an ensemble. The message has trajectory, row and
            state.
        KeyboardInterrupt: Ctrl-C came before anything was fitted.
        TimeoutError: so did the time limit.

    >>> import numpy as np
    >>> ts = np.linspace(0.0, 2.0, 21)
    >>> found = ode(ts, 3 * np.exp(-1.5 * ts), names=["mass"])
    >>> found.equations, found.verdict
    (('-3*mass/2',), 'recovered')
    """
    allowed = _functions(functions)
    ts, ys, inputs = _system_frames.by_name(ts, ys, inputs)
    data = _trajectories.trajectories(ts, ys, names=names, missing=missing)
    driving = None if inputs is None else _trajectories.driving(inputs, data.times, data.names)
    variables = (*data.names, *(() if driving is None else driving.names))
    measures = _system_measures.of(units, time_unit, variables)
    sums = _system_conserved.read(conserved, data.names)
    text = _system_known.read(known, variables, len(data.names)) if _system_known.is_text(known) else None
    curves = None if driving is None else input_curves(data.times, driving.values)
    asked = Asked(
        data=data,
        driving=driving,
        curves=curves,
        names=_system_written.Names(variables, measures, sums.routes),
        known=known if text is None else text,
        rates=_known_rates(known, text, data.scale, curves),
        routes=sums.matrix,
        never_negative=_trajectories.nonnegative(nonnegative, data),
        differing=_system_varying.read(varies, data, conserved=bool(sums.texts), ensemble=bool(ensemble)),
        functions=allowed,
        nested=bool(nested),
        noise=noise,
        exact_starts=initial_states == "exact",
        time_limit=time_limit,
    )
    _check_text(asked, text)
    _system_conserved.check(sums, data, asked.rates)
    halves = _ensemble.halves([len(times) for times in data.times], ensemble) if ensemble else []
    with deferred() as interrupted, _progress.stages(progress, "discover") as report:
        asked, made, found = _system_inputs.searched(asked, report, interrupted)
        ensembled = None
        if found.systems and not interrupted():
            ensembled = _system_asked.repeated(asked, found.systems[0], halves, report, interrupted)
        stopped = interrupted()
    if not found.systems:
        raise KeyboardInterrupt if stopped else TimeoutError(f"no equation within the time limit of {time_limit:g} s.")
    kept = (f"conserved, as it was given: {', '.join(sums.texts)}",) if sums.texts else ()
    return FoundSystem(
        verdict=found.verdict.verdict,
        reason=found.verdict.reason,
        candidates=found.systems,
        alike=tuple(found.systems[i] for i in found.verdict.alike),
        noise=np.sqrt(found.fits[0].variance) * data.scale,
        rows=len(made.ys),
        notes=(*kept, *found.notes, *((LATE_NOTE,) if found.late else ())),
        interrupted=stopped,
        ensemble=ensembled,
    )


def _known_rates(known: Any, text: Text | None, states: np.ndarray, curves: Inputs | None) -> Known | None:
    """Known rates as the engine has them; None where there are none, or while their constants have no values.

    `states` are the scales of the states.
    """
    if text is None:
        return None if known is None else _system_known.of(known, states)
    every = states if curves is None else np.concatenate([states, curves.scale])
    return None if text.constants else _system_known.of_text(text, every, np.zeros(0))


def _check_text(asked: Asked, text: Text | None) -> None:
    """Raise where known text has no value at a measurement, or constants beside what they are not fitted beside."""
    if text is None:
        return
    if text.constants:
        _system_known.check_options(text, conserved=asked.routes is not None, varies=bool(asked.differing))
    else:
        _system_asked.check_values(asked, text, np.zeros(0))


def _functions(functions: Any) -> tuple[str, ...]:
    """Names of the functions that are allowed, checked."""
    names = ELEMENTARY if isinstance(functions, str) and functions == "all" else functions
    if isinstance(names, str) or not isinstance(names, Sequence) or not set(names) <= set(ELEMENTARY):
        raise ValueError(f'functions must be "all" or a sequence of {", ".join(ELEMENTARY)}, got {functions!r}.')
    return tuple(names)
