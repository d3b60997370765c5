"""What `discover.table` found: the verdict, the formula with its errors, its rivals."""

import functools
import pathlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _names, _numbers, _text
from ._formula import Formula, Number, Term

if TYPE_CHECKING:
    import sympy

    from .._unit import Chain

RECOVERED = "recovered"
ALIKE = "several candidates alike"
NOTHING = "no simple formula found"
VERDICTS = (RECOVERED, ALIKE, NOTHING)


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
    def front(self) -> tuple[Formula, ...]:
        """Of every complexity the candidate with the lowest error, the simplest first; the error never rises."""
        front: list[Formula] = []
        for candidate in sorted(self.candidates, key=lambda each: (each.complexity, each.error)):
            if not front or candidate.error < front[-1].error:
                front = [each for each in front if each.complexity < candidate.complexity]
                front.append(candidate)
        return tuple(front)

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

    def predict(self, x: Any) -> np.ndarray:
        """Values (rows,) float64 by the best, of x (rows, n_in) or a DataFrame that has the columns.

        NaN where the formula is not defined, infinite where its value leaves the range of float64.

        Raises:
            TypeError, ValueError: x has other columns, or cells that are no real numbers.
        """
        return self.best.predict(x)

    def to_python(self) -> str:
        """Source of a function of the inputs' symbols that needs NumPy only."""
        return self.best.to_python()

    def save(self, path: str | pathlib.Path) -> None:
        """Write all of it as JSON, which `discover.load` reads.

        Raises:
            OSError: the file cannot be written.
        """
        from . import _json

        _json.write(self, path)

    def __repr__(self) -> str:
        return f"<Found {self.target!r}: {self.verdict}: {self.formula}>"

    def __str__(self) -> str:
        closest = "closest: " if self.verdict == NOTHING else ""
        formula = f"{closest}{_names.printable(self.target)} = {self.best.with_errors}"
        lines = [f"{self.verdict}: {self.reason}", "", formula]
        lines += [f"  {symbol} is the column {name!r}" for symbol, name in _text.legend(self.best).items()]
        lines += ["", *_term_lines(self.best), "", _noise_line(self)]
        if self.alike:
            lines += ["", "not told apart from it by these data:", *[f"  {each.with_errors}" for each in self.alike]]
        return "\n".join([*lines, *[f"note: {note}" for note in self.notes]])

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$"

    def _repr_html_(self) -> str:
        rows = [
            f"<tr><td>{_names.as_html(label)}</td><td>{_names.as_html(number)}</td></tr>"
            for label, number in _numbers_of(self.best)
        ]
        notes = "".join(f"<p>{_names.as_html(note)}</p>" for note in self.notes)
        return (
            f"<p><b>{_names.as_html(self.verdict)}</b>: {_names.as_html(self.reason)}</p>"
            f"<p>{_names.as_html(f'{self.target} = {self.best.with_errors}')}</p>"
            f"<table><tr><th>number</th><th>value, standard error</th></tr>{''.join(rows)}</table>{notes}"
        )


def _noise_line(found: Found) -> str:
    size = f"{found.deviation:.2g}" if found.noise == "absolute" else f"{100 * found.deviation:.2g} % of the value"
    return f"residuals: {size} ({found.noise}), {found.rows} rows"


def _term_lines(formula: Formula) -> list[str]:
    """Every number of a formula with its estimate and standard error."""
    pairs = _numbers_of(formula)
    width = max(len(label) for label, _ in pairs)
    return [f"  {label:{width}}  {number}" for label, number in pairs]


def _numbers_of(formula: Formula) -> list[tuple[str, str]]:
    """(what it is, value and error) of every number that was fitted; an exact one beside its estimate."""
    pairs = []
    for place, term in enumerate(formula.terms, 1):
        where = f"of term {place}" if len(formula.terms) > 1 else ""
        where = f"{where} ({term.part})" if formula.form.kind in ("quotient", "function") else where
        pairs.append((f"coefficient {where}".rstrip(), _number_text(term.coefficient)))
        for factor in term.factors:
            if factor.exponent.exact is None:
                column = _text.column_text(factor.column, formula.symbols)
                pairs.append((f"exponent of {column} {where}".rstrip(), _number_text(factor.exponent)))
    return pairs


def _number_text(number: Number) -> str:
    estimate = _numbers.with_error(number.estimate, number.error)
    if number.exact is None:
        return estimate if number.interval is None else f"{estimate}, 95 %: {_numbers.interval_text(*number.interval)}"
    return f"{_numbers.exact_text(number.exact)}, measured {estimate}"
