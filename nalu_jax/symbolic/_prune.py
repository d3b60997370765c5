"""Backward elimination: what costs least goes to zero, one after another.

    >>> import jax.numpy as jnp
    >>> from nalu_jax import nau, symbolic
    >>> x = jnp.array([[1.0, 2.0, 0.5], [3.0, -1.0, 1.0], [-2.0, 0.5, 2.0], [0.3, 1.0, -1.0]])
    >>> y = x[:, :1] - 2 * x[:, 1:2]
    >>> path = symbolic.prune(lambda params, data: nau.apply(params, data[0]) - data[1],
    ...                       {"w": jnp.array([[0.9], [-1.8], [0.3]])}, (x, y))
    >>> [step.complexity for step in path.steps], path.chosen, path.steps[1].changed
    ([3, 2, 1, 0], 1, "['w'][2, 0] = 0")
    >>> path.best.params["w"].round(3).tolist()
    [[1.0], [-2.0], [0.0]]

References:
    LeCun, Denker, Solla, "Optimal Brain Damage", NeurIPS 1989; Hassibi, Stork, "Second order derivatives for network
    pruning: Optimal Brain Surgeon", NeurIPS 1992: the quadratic model of what a removal costs.
"""

import types
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
from jax import Array

from .. import _arguments, _progress
from ._path import Move, Path, Rules, State, first_fit, limit_of, refit, rules_of, step_of
from ._problem import Problem, check_counts, problem_of
from ._standard_errors import inverse_diagonal

Tree = Any

PINS: Mapping[str, Sequence[float]] = types.MappingProxyType({"gate": (1, 0)})
"""Values that entries may be pinned to, by leaf name: a gate lets its input pass, or does not; all others vanish."""

EXPONENTS = ("re", "im")
"""Leaves whose entries are exponents, in the units that have powers."""


@_arguments.checked(
    "prune",
    loss=_arguments.function("(params, data) -> residuals or loss"),
    params=_arguments.tree(),
    data=_arguments.optional(_arguments.tree()),
    budget=_arguments.optional(_arguments.number(0.0)),
    factor=_arguments.optional(_arguments.number(0.0)),
    free=_arguments.optional(_arguments.tree()),
    entries=_arguments.optional(_arguments.tree()),
    exponents=_arguments.names(),
    candidates=_arguments.count(),
    steps=_arguments.count(),
    rows=_arguments.optional(_arguments.count()),
    floor=_arguments.optional(_arguments.number(0.0)),
    progress=_arguments.optional(_arguments.instance("True, False or a label", "Pass one of them.", bool, str)),
    pins=_arguments.mapping("a dict from names of leaves to numbers", (list, tuple)),
    beam=_arguments.count(),
    patience=_arguments.optional(_arguments.count()),
)
def prune(
    loss: Callable[..., Array],
    params: Tree,
    data: Tree = None,
    *,
    budget: float | None = None,
    factor: float | None = None,
    free: Tree = None,
    entries: Tree = None,
    pins: Mapping[str, Sequence[float]] = PINS,
    exponents: Collection[str] = EXPONENTS,
    candidates: int = 4,
    beam: int = 1,
    patience: int | None = 3,
    steps: int = 100,
    rows: int | None = None,
    floor: float | None = None,
    progress: bool | str | None = None,
) -> Path:
    """Set to zero, one after another, what costs least, and refit the rest after each.

    Args:
        loss: (params, data) -> residuals, an array of any shape but (), of which the loss is the mean square: refitted
            by Levenberg-Marquardt; or (params, data) -> scalar: refitted by L-BFGS. Without data it is called with
            params alone. One compiled program serves all calls with the same function, shapes and options.
        params: a tree of arrays of one float dtype: a dict, a tuple of dicts, the params of a Flax model, theta.
        data: a tree of arrays, handed to loss.
        budget: the sparsest step with at most this loss is chosen; or
        factor: with at most so many times the loss of the first refit; without both the one with the shortest
            description, which has the best evidence.
        free: booleans like params; False where an entry stays as it is, as in the `free` of an earlier `Step`.
        entries: booleans like params; False where an entry is fitted but never pinned.
        pins: by leaf name, the values that its entries may be pinned to; {"gate": (1, 0)} by default, 0 for any other.
        exponents: leaves whose entries are exponents, by name: what they cost in the description. A name is the last
            key of a leaf's path (that of a box such as nnx.Param left out) and nothing else, so it stands for leaves of
            that name in all units: with ("re", "im", "w"), for exponents of an NRU, the weights of a NAU beside it
            count as exponents too. A name that no leaf has changes nothing.
        candidates: how many of the cheapest entries, by the quadratic model, are refitted at once.
        beam: formulas that are kept at every complexity.
        patience: the path ends so many steps, at least one, after the one that budget, factor or description length
            chooses; None: it goes on to the end.
        steps: of the solver, in every refit.
        rows: n of the description length; the number of residuals, or of a scalar loss the first axis of data, where
            not given.
        floor: losses below this are as good as equal; by default the machine epsilon times the loss of params that are
            all pinned.
        progress: whether to show a progress bar, by default where stderr is a terminal; a text is its label.

    Returns:
        The `Path`. An entry that no longer changes the residuals, such as the exponents of a unit that nothing reads,
        is pinned along with the one that made it so. No step has params that are not finite.

    Raises:
        TypeError: params are not float arrays of one dtype.
        ValueError: trees that do not fit, both budget and factor, or a loss that is not finite.
    """
    check_counts("prune", {"candidates": candidates, "beam": beam, "steps": steps})
    problem = problem_of("prune", loss, params, data, free, rows, steps)
    rules = rules_of("prune", problem, entries, pins, exponents, floor)
    first = first_fit(problem, rules, beam * candidates)
    limit = limit_of("prune", budget, factor, first)
    found, beams = [first], [first]
    with _progress.bar(progress, "prune", total=int((first.free & rules.pinnable).sum()), unit="entry") as bar:
        while beams and (patience is None or _since_chosen(found, limit) < max(1, patience)):
            beams = _shrink(problem, rules, beams, candidates, beam)
            fewer = [state for state in beams if state.free.sum() < found[-1].free.sum()]
            bar.update(int(found[-1].free.sum() - fewer[0].free.sum()) if fewer else 0)
            found += fewer[:1]
    return Path(tuple(step_of(problem, rules, state) for state in found), _chosen(found, limit))


def _chosen(found: Sequence[State], limit: float | None) -> int:
    """The sparsest within the limit, or the one with the shortest description."""
    if limit is not None:
        return max((i for i, state in enumerate(found) if state.loss <= limit), default=0)
    return min(range(len(found)), key=lambda i: (found[i].description_length, -i))


def _since_chosen(found: Sequence[State], limit: float | None) -> int:
    return len(found) - 1 - _chosen(found, limit)


def _shrink(problem: Problem, rules: Rules, beams: Sequence[State], candidates: int, beam: int) -> list[State]:
    """The best formulas with something less; none where nothing is left to take away."""
    tried: dict[bytes, tuple[State, Move]] = {}
    for state in beams:
        for move in _cheapest(rules, state, candidates):
            theta, free = state.theta.copy(), state.free.copy()
            theta[move.entry], free[move.entry] = move.value, False
            tried.setdefault(_pinned(theta, free), (state, move))
    if not tried:
        return []
    pairs = list(tried.values())
    pairs += pairs[-1:] * (beam * candidates - len(pairs))  # one shape, one compilation
    states, moves = zip(*pairs, strict=True)
    unique: dict[bytes, State] = {}
    for state in sorted(refit(problem, rules, states, moves), key=lambda state: state.description_length):
        unique.setdefault(_pinned(state.theta, state.free), state)
    return list(unique.values())[:beam]


def _pinned(theta: np.ndarray, free: np.ndarray) -> bytes:
    """Which entries are pinned, and to what: two refits of the same are one formula."""
    return free.tobytes() + theta[~free].tobytes()


def _cheapest(rules: Rules, state: State, candidates: int) -> list[Move]:
    """The moves that raise the loss least by its quadratic model: half the squared step over the inverse Hessian's
    diagonal, which counts that the rest is refitted."""
    variances = inverse_diagonal(state.hessian, state.free)
    distances = np.abs(state.theta - rules.pins)
    costs = distances**2 / np.maximum(2 * variances, np.finfo(distances.dtype).tiny)
    ranked = np.lexsort((distances.reshape(-1), costs.reshape(-1)))
    moves: dict[Move, None] = {}
    for choice, entry in zip(*np.unravel_index(ranked, distances.shape), strict=True):
        if state.free[entry] and rules.pinnable[entry]:
            value = float(rules.pins[choice, entry])
            moves.setdefault(Move(int(entry), value, f"{value:g}"), None)
    return list(moves)[:candidates]
