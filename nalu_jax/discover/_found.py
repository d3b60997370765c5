"""What `discover.table` found: the verdict, the formula with its errors, its rivals."""

import dataclasses
import functools
import math
import pathlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import numpy as np

from . import _groups, _inputs, _intervals, _measures, _names, _numbers, _score, _text
from ._formula import Factor, Formula, Number, Term
from ._front import Front, front_of, weights_of
from ._intervals import Predicted
from ._score import Score

if TYPE_CHECKING:
    import sympy

    from .._unit import Chain

RECOVERED = "recovered"
ALIKE = "several candidates alike"
NOTHING = "no simple formula found"
VERDICTS = (RECOVERED, ALIKE, NOTHING)


class Difference(NamedTuple):
    """A number of two results of one structure: what it is, both values, and how far they are apart in their joint
    standard error."""

    label: str
    first: float
    second: float
    standard_errors: float


@dataclass(frozen=True)
class Comparison:
    """Two results beside each other.

    Attributes:
        first, second: the formulas, with errors.
        same_structure: whether they are the same but for their numbers.
        differences: of the numbers, where the structure is the same.
    """

    first: str
    second: str
    same_structure: bool
    differences: tuple[Difference, ...] = ()

    def __str__(self) -> str:
        if not self.same_structure:
            return f"different structures:\n  {self.first}\n  {self.second}"
        lines = [
            f"  {each.label}: {each.first:.6g} and {each.second:.6g}, {each.standard_errors:.1f} standard errors apart"
            for each in self.differences
        ]
        return "\n".join([f"the same structure: {self.first}", *lines])


@dataclass(frozen=True, eq=False, repr=False)
class Found:
    """Formulas for a table, and what the data allow to say of the best.

    Attributes:
        verdict: "recovered", "several candidates alike" or "no simple formula found".
        reason: of the verdict, in a sentence.
        candidates: distinct formulas, the best first: the least description length.
        alike: those that the data cannot tell from the best.
        noise: of the target: "absolute", of the same size in all rows, or "relative", in proportion to its values.
        deviation: standard deviation of the noise, in the target's unit or as a fraction.
        rows: that were fitted.
        notes: what else is to be known, a sentence each.
        interrupted: whether Ctrl-C ended the search before its end.
    """

    verdict: str
    reason: str
    candidates: tuple[Formula, ...]
    alike: tuple[Formula, ...]
    noise: str
    deviation: float
    rows: int
    notes: tuple[str, ...] = ()
    interrupted: bool = False

    @property
    def best(self) -> Formula:
        """The candidate of the least description length."""
        return self.candidates[0]

    @functools.cached_property
    def front(self) -> "Front[Formula]":
        """Of every complexity the candidate with the lowest error, the simplest first; the error never rises.

        It prints as a table.
        """
        return Front(front_of(self.candidates), self.candidates)

    @functools.cached_property
    def weights(self) -> tuple[float, ...]:
        """Of every candidate its probability among them, by its evidence."""
        return weights_of(self.candidates)

    @property
    def formula(self) -> str:
        """The right-hand side of the best, as text that Python and SymPy read back to the same function."""
        return self.best.formula

    @property
    def expression(self) -> "sympy.Expr":
        """The same in SymPy, its symbols real."""
        return self.best.expression

    @property
    def latex(self) -> str:
        """The best in LaTeX, target = right-hand side, for mathematics mode; 8.314(12) is 8.314 +- 0.012."""
        return self.best.latex

    @property
    def terms(self) -> tuple[Term, ...]:
        """The terms of the best: coefficients and exponents with standard errors."""
        return self.best.terms

    @property
    def names(self) -> tuple[str, ...]:
        """Headers of the inputs."""
        return self.best.names

    @property
    def symbols(self) -> tuple[str, ...]:
        """What stands for the inputs in formulas: their headers, where Python and SymPy read these as names."""
        return self.best.symbols

    @property
    def target(self) -> str:
        """Header of the target."""
        return self.best.target

    @property
    def model(self) -> "Chain | None":
        """The best as a chain of units: `model.apply(params, x)[:, 0]`; None where it is none, see `model_note`."""
        return self.best.model

    @property
    def params(self) -> Any:
        """Params of `model`, NumPy arrays in float64; None where there is no model."""
        return self.best.params

    @property
    def model_note(self) -> str:
        """Why there is no model; empty where there is one."""
        return self.best.model_note

    @property
    def groups(self) -> tuple[str, ...]:
        """Labels of the experiments, where numbers of the best formula differ by experiment; else none."""
        return () if self.best.groups is None else self.best.groups.labels

    def of_group(self, label: Any) -> "Found":
        """What was found for one experiment: all formulas with its numbers, which have models and are compared.

        Raises:
            ValueError: there is no such group.
        """
        own = {id(candidate): candidate.of_group(label) for candidate in self.candidates}
        shared = () if self.best.groups is None else (f"of {self.best.groups.header} {label}, fitted with the others",)
        return dataclasses.replace(
            self,
            candidates=tuple(own[id(candidate)] for candidate in self.candidates),
            alike=tuple(own[id(candidate)] for candidate in self.alike),
            notes=(*self.notes, *shared),
        )

    @overload
    def predict(self, x: Any, *, groups: Any = None) -> np.ndarray: ...

    @overload
    def predict(
        self, x: Any, *, interval: float, of: Literal["measurement", "formula"] = "measurement", groups: Any = None
    ) -> Predicted: ...

    def predict(
        self,
        x: Any,
        *,
        interval: float | None = None,
        of: Literal["measurement", "formula"] = "measurement",
        groups: Any = None,
    ) -> np.ndarray | Predicted:
        """Values (rows,) float64 by the best, of x (rows, n_in) or a DataFrame that has the columns.

        NaN where the formula is not defined, infinite where its value leaves the range of float64.

        Args:
            x: as above.
            interval: a probability such as 0.95: then a `Predicted` of values, low and high is returned, by the
                covariance of the numbers. That the formula itself is the law is taken for granted.
            of: what an interval is to hold: a new "measurement", with its noise, or the "formula" without.
            groups: where numbers differ by experiment: the label of every row, (rows,), one for all rows, or the name
                of a column of x.

        Raises:
            TypeError, ValueError: x has other columns, or cells that are no real numbers; interval is no probability,
                or the result is of a version that had no covariance.
        """
        if interval is None:
            return self.best.predict(x, groups=groups)
        if isinstance(interval, bool) or not isinstance(interval, int | float | np.number) or not 0 < interval < 1:
            raise ValueError(f"predict: interval must be a probability such as 0.95, got {interval!r}.")
        if of not in ("measurement", "formula"):
            raise ValueError(f'predict: of must be "measurement" or "formula", got {of!r}.')
        if self.best.groups is not None:
            rows, labels = _groups.rows_of(self.best, x, groups)
            return _by_label(rows, labels, lambda one, part: one.predict(part, interval=interval, of=of), self)
        if self.best.covariance is None:
            raise ValueError("predict: this result has no covariance. Find the formula again for intervals.")
        rows = _inputs.rows(x, self.names)
        fitted = self.best.predict(rows)
        size = np.abs(fitted) if self.noise == "relative" else 1.0
        noise = self.deviation * size if of == "measurement" else 0.0
        return _intervals.of(self.best, rows, fitted, level=float(interval), noise=noise, rows=self.rows)

    def score(self, x: Any, y: Any, *, groups: Any = None, sigma: Any = None) -> Score:
        """How good the best is on a table, for example on rows that were held out, and what they say against it;
        `groups` as in `predict`, `sigma` as in `discover.score`.

        Raises:
            TypeError, ValueError: x has other columns, or cells are no finite real numbers.
        """
        return _score.of_result(self, x, y, groups, sigma=sigma)

    def compare(self, other: "Found") -> "Comparison":
        """Whether another result, of the same quantity in other rows, is the same law, and how far numbers differ.

        Raises:
            TypeError: other is no such result.
        """
        if not isinstance(other, Found):
            raise TypeError(f"compare: expected another result of discover.table, got {other!r:.60}.")
        return _compared(self, other)

    def choose(self, place: int) -> "Found":
        """The same result with a candidate of the front as the best, by its place there, from 0 on.

        Raises:
            TypeError, IndexError: there is no such place.
        """
        if isinstance(place, bool) or not isinstance(place, int | np.integer):
            raise TypeError(f"choose: expected a place in the front, got {place!r}.")
        if not -len(self.front) <= place < len(self.front):
            raise IndexError(f"choose: the front has {len(self.front)} candidates, 0 to {len(self.front) - 1}.")
        chosen = self.front[place]
        if chosen is self.best:
            return self
        behind = chosen.description_length - self.best.description_length
        others = tuple(candidate for candidate in self.candidates if candidate is not chosen)
        alike = any(each is chosen for each in self.alike)
        return dataclasses.replace(
            self,
            verdict=ALIKE if alike else NOTHING,
            reason=f"it was chosen; {self.best.formula} is ahead of it by {behind:.1f} nats",
            candidates=(chosen, *others),
            alike=tuple(each for each in (self.best, *self.alike) if each is not chosen) if alike else (),
        )

    def to_pandas(self) -> Any:
        """A pandas DataFrame with a row for every candidate, the best first. Needs the extra `tables`.

        Raises:
            ImportError: pandas is not installed.
        """
        import pandas

        rows = [
            {
                "formula": candidate.formula,
                "complexity": candidate.complexity,
                "error": candidate.error,
                "description_length": candidate.description_length,
                "weight": weight,
                "alike": candidate is self.best or any(candidate is each for each in self.alike),
                "on_front": any(candidate is each for each in self.front),
            }
            for candidate, weight in zip(self.candidates, self.weights, strict=True)
        ]
        return pandas.DataFrame(rows)

    def to_python(self) -> str:
        """Source of a function of the inputs' symbols that needs NumPy only."""
        return self.best.to_python()

    def save(self, path: str | pathlib.Path) -> None:
        """Write all of it as JSON, which `discover.load` reads.

        Raises:
            OSError: the file cannot be written.
        """
        from . import _json

        _json.write(_json.as_data(self), path)

    def __repr__(self) -> str:
        return f"<Found {self.target!r}: {self.verdict}: {self.formula}>"

    def __str__(self) -> str:
        closest = "closest: " if self.verdict == NOTHING else ""
        formula = f"{closest}{_names.printable(self.target)} = {self.best.with_errors}"
        lines = [f"{self.verdict}: {self.reason}", "", formula]
        lines += [f"  {symbol} is the column {name!r}" for symbol, name in _text.legend(self.best).items()]
        lines += ["", *_term_lines(self.best), *_unit_lines(self.best), "", _noise_line(self)]
        if self.alike:
            lines += ["", "not told apart from it by these data:", *[f"  {each.with_errors}" for each in self.alike]]
        return "\n".join([*lines, *[f"note: {note}" for note in self.notes]])

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$"

    def _repr_html_(self) -> str:
        from . import _mathml

        below = [*_unit_lines(self.best), _noise_line(self), *self.notes]
        return (
            f"<p><b>{_names.as_html(self.verdict)}</b>: {_names.as_html(self.reason)}</p>"
            f"{_mathml.equation(_mathml.identifier(self.target), self.expression)}"
            f"<p>{_names.as_html(f'{self.target} = {self.best.with_errors}')}</p>"
            f"{numbers_as_html(numbers_of(self.best))}{''.join(f'<p>{_names.as_html(line)}</p>' for line in below)}"
        )


def _by_label(
    rows: np.ndarray, labels: Sequence[str], predict: Callable[[Found, np.ndarray], Predicted], found: Found
) -> Predicted:
    """Predictions of rows, each by the formula of its label."""
    made = np.empty((3, len(rows)))
    for label in dict.fromkeys(labels):
        own = np.array([each == label for each in labels])
        made[:, own] = predict(found.of_group(label), rows[own])
    return Predicted(*made)


def _structure(formula: Formula) -> tuple[Any, ...]:
    """What two formulas have in common that differ in their numbers only."""
    terms = [
        (term.part, tuple((each.column, each.sign, each.exponent.exact) for each in term.factors), term.known)
        for term in formula.terms
    ]
    constants = tuple((each.name, each.value, each.unit) for each in formula.constants)
    known = None if formula.known is None else formula.known.text
    return formula.form, formula.names, formula.units, formula.target_unit, constants, known, terms


def _compared(found: Found, other: Found) -> Comparison:
    first, second = found.best, other.best
    texts = str(first), str(second)
    *mine, my_terms = _structure(first)
    *theirs, their_terms = _structure(second)
    order = _matching(my_terms, their_terms)
    if mine != theirs or order is None:
        return Comparison(*texts, False)
    differences = []
    for place, term in enumerate(first.terms):
        twin = second.terms[order[place]]
        pairs = [("coefficient", term.coefficient, twin.coefficient)]
        pairs += [
            ("exponent", one.exponent, two.exponent)
            for one, two in zip(term.factors, twin.factors, strict=True)
            if one.exponent.exact is None
        ]
        pairs = [pair for pair in pairs if not pair[1].by_group and not pair[2].by_group]
        where = f" of term {place + 1}" if len(first.terms) > 1 else ""
        for label, one, two in pairs:
            error = math.hypot(one.error, two.error)
            apart = abs(one.estimate - two.estimate) / error if error > 0 else math.nan
            differences.append(Difference(f"{label}{where}", one.estimate, two.estimate, apart))
    return Comparison(*texts, True, tuple(differences))


def _matching(mine: list[Any], theirs: list[Any]) -> list[int] | None:
    """Of every term the place of its like; None where one has none."""
    order: list[int] = []
    for term in mine:
        place = next((i for i, other in enumerate(theirs) if other == term and i not in order), None)
        if place is None:
            return None
        order.append(place)
    return order if len(mine) == len(theirs) else None


def _noise_line(found: Found) -> str:
    unit = f" {found.best.target_unit}" if found.best.target_unit else ""
    size = (
        f"{found.deviation:.2g}{unit}" if found.noise == "absolute" else f"{100 * found.deviation:.2g} % of the value"
    )
    return f"residuals: {size} ({found.noise}), {found.rows} rows"


def _term_lines(formula: Formula) -> list[str]:
    """Every number of a formula with its standard error."""
    pairs = numbers_of(formula)
    width = max(len(label) for label, _ in pairs)
    return [f"  {label:{width}}  {number}" for label, number in pairs]


def numbers_of(formula: Formula) -> list[tuple[str, str]]:
    """(what it is, value and error) of every number that was fitted; an exact one beside what was measured."""
    pairs = [(f"{name}, in the known part", _number_text(number)) for name, number in _known_constants(formula)]
    for place, term in enumerate(formula.terms, 1):
        where = f"of term {place}" if len(formula.terms) > 1 else ""
        part = "beside 1" if term.part == "below" and formula.form.below < 0 else term.part
        where = f"{where} ({part})" if formula.form.kind in ("quotient", "function") else where
        unit = _measures.coefficient_unit(formula, term)
        pairs += _number_lines(formula, f"coefficient {where}".rstrip(), term.coefficient, unit)
        for factor in term.factors:
            if factor.exponent.exact is None:
                label, number = _exponent(factor, formula.symbols)
                pairs += _number_lines(formula, f"{label} {where}".rstrip(), number)
    return pairs


def _exponent(factor: Factor, symbols: Sequence[str]) -> tuple[str, Number]:
    """What an exponent is, and its value: of the exponential of one input the rate, as the formula has it."""
    column = factor.column
    if column.function == "exp" and len(column.inputs) == 1:
        return f"rate of {symbols[column.inputs[0]]}", _times(factor.exponent, column.weights[0])
    return f"exponent of {_text.column_text(column, symbols)}", factor.exponent


def _times(number: Number, size: float) -> Number:
    """A measured number in another unit."""
    ends = None if number.interval is None else sorted(end * size for end in number.interval)
    return dataclasses.replace(
        number,
        value=number.value * size,
        estimate=number.estimate * size,
        error=number.error * abs(size),
        interval=None if ends is None else (ends[0], ends[1]),
        by_group=tuple(_times(each, size) for each in number.by_group),
    )


def numbers_as_html(pairs: Iterable[tuple[str, str]]) -> str:
    """The numbers as a table."""
    rows = "".join(
        f"<tr><td>{_names.as_html(label)}</td><td>{_names.as_html(value)}</td></tr>" for label, value in pairs
    )
    return f"<table><tr><th>number</th><th>value, standard error</th></tr>{rows}</table>" if rows else ""


def _number_lines(formula: Formula, label: str, number: Number, unit: str = "") -> list[tuple[str, str]]:
    """What it is, with value and error; of a number that differs by group a line for each."""
    text = lambda each: f"{_number_text(each)} {unit}".rstrip()
    if formula.groups is None or not number.by_group:
        return [(label, text(number))]
    header = _names.printable(formula.groups.header)
    lines = [
        (f"  {header} {_names.printable(group)}", text(each))
        for group, each in zip(formula.groups.labels, number.by_group, strict=True)
    ]
    return [(f"{number.symbol}, {label}", f"by {header}:"), *lines]


def _known_constants(formula: Formula) -> tuple[tuple[str, Number], ...]:
    return () if formula.known is None else formula.known.constants


def _unit_lines(formula: Formula) -> list[str]:
    """What is measured in what, and the constants that are known."""
    lines = []
    if formula.units:
        named = [(formula.target, formula.target_unit), *zip(formula.names, formula.units, strict=True)]
        lines = ["units: " + ", ".join(f"{_names.printable(name)} in {unit or '1'}" for name, unit in named)]
    used = {place for term in formula.terms for place, _ in term.known}
    known = [f"{each.symbol} = {each.value:g} {each.unit}".rstrip() for each in formula.constants]
    return lines + [f"known: {text}" for place, text in enumerate(known) if place in used]


def _number_text(number: Number) -> str:
    if number.exact is not None:
        measured = _numbers.with_error(number.estimate, number.error)
        return f"{_numbers.exact_text(number.exact)}, measured {measured}"
    value = _numbers.with_error(number.value, number.error)  # as in the formula, where others may have become exact
    return value if number.interval is None else f"{value}, 95 %: {_numbers.interval_text(*number.interval)}"
