"""Is an answer the law? Decided on rows without noise: a law in other clothes is right, a longer one is not.

All numbers of the answer but simple exponents are fitted again, to rows that are exact and new. The answer is the law
if

- it then equals the law (`IDENTICAL`), and
- no term or function of it can be left out without losing that, whatever coefficients the rest gets, and
- an exponent that is simple in the law (2, -1/2) is shown as that number, and one that is not (1.37) within `NEAR`.

Answers of peers have no simple exponents, and offsets; `same_law(..., lenient=True)` forgives both, as SRBench does.
"""

import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import sympy
from scipy import optimize

from ._law import near_simple, rms

IDENTICAL = 1e-7  # largest relative error, rms, of what is called the same function
NEAR = 0.05  # of an exponent that is no simple number
SMALL = 1e-3  # rows whose target is below this share of the median count as if they were there
LARGEST = 200  # numbers in an answer; longer ones are not fitted
SIMPLIFY_SECONDS = 20.0
AGAIN_SECONDS = 1.0  # between reminders of a time limit
VARIES = 0.05  # relative: rounding to three decimals moves less, of problems whose constants are about 1


class Same(NamedTuple):
    """Whether an answer is the law, its relative error when fitted to exact rows, and what is wrong otherwise."""

    same: bool
    error: float
    why: str


class _Numbers:
    """The numbers of an expression as symbols, and switches that take away one term or function each."""

    def __init__(self):
        self.symbols: list[sympy.Symbol] = []
        self.starts: list[float] = []
        self.kinds: list[str] = []  # "coefficient", "inner" one of a function's argument, "simple" or "fitted" exponent
        self.depth = 0  # of functions around a number
        self.switches: list[sympy.Symbol] = []

    def number(self, value: Any, kind: str = "coefficient") -> sympy.Symbol:
        """The symbol of a new number."""
        kind = "inner" if kind == "coefficient" and self.depth else kind
        self.symbols.append(sympy.Symbol(f"number_{len(self.symbols)}", real=True))
        self.starts.append(float(value))
        self.kinds.append(kind)
        return self.symbols[-1]

    def switch(self) -> sympy.Symbol:
        """A new switch."""
        self.switches.append(sympy.Symbol(f"switch_{len(self.switches)}", real=True))
        return self.switches[-1]

    def term(self, node: sympy.Expr) -> sympy.Expr:
        """A term with a coefficient of its own."""
        factors = sympy.Mul.make_args(node)
        value = sympy.Mul(*[factor for factor in factors if factor.is_number])
        rest = [self.inside(factor) for factor in factors if not factor.is_number]
        return sympy.Mul(self.number(value), *rest, evaluate=False) if rest else self.number(value)

    def sum(self, node: Any) -> sympy.Expr:
        """Terms, each with a coefficient and, where there are several, a switch."""
        terms = sympy.Add.make_args(node)
        if len(terms) == 1:
            return self.term(node)
        return sympy.Add(*[self.switch() * self.term(term) for term in terms])

    def inside(self, node: sympy.Expr) -> sympy.Expr:
        """A factor: a power, a function, a sum in parentheses or an input."""
        if isinstance(node, sympy.Symbol):
            return node
        if isinstance(node, sympy.Add):
            return self.sum(node)
        if isinstance(node, sympy.Mul):
            return self.term(node)
        if isinstance(node, sympy.Pow) and node.exp.is_number:
            kind = "fitted" if node.exp.has(sympy.Float) else "simple"
            return sympy.Pow(self.inside(node.base), self.number(node.exp, kind))
        if isinstance(node, sympy.Pow):
            base = self.number(node.base) if node.base.is_number else self.inside(node.base)
            return sympy.Pow(base, self.sum(node.exp))
        if isinstance(node, sympy.Abs):
            return sympy.Abs(self.inside(node.args[0]))
        if node.args:
            self.depth += 1
            function = node.func(*[self.sum(argument) for argument in node.args])
            self.depth -= 1
            return 1 + self.switch() * (function - 1)
        raise ValueError(f"no formula of inputs: {node}")


class _Fit:
    """Fits of an answer's numbers to exact rows."""

    def __init__(self, answer: sympy.Expr, symbols: Sequence[sympy.Symbol], x: np.ndarray, y: np.ndarray, offset: bool):
        numbers = _Numbers()
        expression = numbers.sum(sympy.sympify(answer))
        constant = [term for term in sympy.Add.make_args(expression) if not term.free_symbols & set(symbols)]
        self.constant_switches = {
            place for place, one in enumerate(numbers.switches) if any(one in term.free_symbols for term in constant)
        }
        self.offset = offset
        self.kinds, self.starts = np.array(numbers.kinds), np.array(numbers.starts)
        self.x, self.y = x, y
        size = np.abs(y)
        self.weight = 1 / np.maximum(size, SMALL * np.median(size) + 1e-300)
        arguments = [*symbols, *numbers.symbols, *numbers.switches]
        gradient = [  # a sign jumps at single points only
            sympy.diff(expression, symbol).replace(sympy.DiracDelta, lambda *_: sympy.Integer(0))
            for symbol in numbers.symbols
        ]
        self.value = sympy.lambdify(arguments, expression, "numpy", cse=True)
        self.gradient = sympy.lambdify(arguments, gradient, "numpy", cse=True)
        self.switches = len(numbers.switches)

    def error(
        self, switches: np.ndarray, fitted: np.ndarray, starts: np.ndarray | None = None
    ) -> tuple[float, np.ndarray]:
        """The smallest relative error found where `fitted` numbers move, and the numbers."""
        starts = self.starts if starts is None else starts
        scale = np.where(np.isin(self.kinds, ("coefficient", "inner")), np.abs(starts), 1.0)
        scale = np.where(scale > 0, scale, 1.0)
        n = int(fitted.sum())

        def numbers(change: np.ndarray) -> np.ndarray:
            moved = starts.copy()
            moved[fitted] += scale[fitted] * change[:n]
            return moved

        def residuals(change: np.ndarray) -> np.ndarray:
            with np.errstate(all="ignore"):
                f = np.broadcast_to(self.value(*self.x.T, *numbers(change), *switches), self.y.shape)
            r = self.weight * (f + (change[n] * rms(self.y) if self.offset else 0.0) - self.y)
            return np.nan_to_num(np.clip(r, -1e30, 1e30), nan=1e30)

        def jacobian(change: np.ndarray) -> np.ndarray:
            with np.errstate(all="ignore"):
                gradient = self.gradient(*self.x.T, *numbers(change), *switches)
            rows = [np.broadcast_to(g, self.y.shape) for g, moves in zip(gradient, fitted, strict=True) if moves]
            columns = np.array(rows).reshape(n, -1) * scale[fitted, None]
            columns = np.concatenate([columns, np.full((1, len(self.y)), rms(self.y))]) if self.offset else columns
            return np.nan_to_num(np.clip(self.weight * columns, -1e30, 1e30)).T

        start = np.zeros(n + self.offset)
        if len(start) == 0 or len(start) > len(self.y):
            return rms(residuals(start)), starts
        done = optimize.least_squares(
            residuals,
            start,
            jac=jacobian,  # pyright: ignore[reportArgumentType]: the stub knows names only
            method="lm",
            xtol=1e-15,
            ftol=1e-15,
            gtol=1e-15,
            max_nfev=200,
        )
        return rms(done.fun), numbers(done.x)


def same_law(
    answer: sympy.Expr | None,
    symbols: Sequence[sympy.Symbol],
    x: np.ndarray,
    y: np.ndarray,
    *,
    real: bool = False,
    lenient: bool = False,
) -> Same:
    """Whether an answer is the law of exact rows.

    Args:
        answer: an expression of the symbols, where simple exponents are rational and others are floating-point numbers.
        symbols: the inputs, one for each column of x.
        x, y: rows (rows, inputs) and targets (rows,) without noise.
        real: whether the law has exponents that are no simple numbers.
        lenient: whether an offset, and fitted exponents that come out simple, are forgiven.
    """
    if answer is None:
        return Same(False, np.inf, "no answer")
    try:
        fit = _Fit(answer, symbols, x, y, lenient)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        return Same(False, np.inf, f"cannot be read: {error}")
    if len(fit.starts) > LARGEST:
        return Same(False, np.inf, "too long")
    everything = np.ones(fit.switches)
    fitted = fit.kinds != "simple"
    error, numbers = fit.error(everything, fitted)
    if error > IDENTICAL and real:
        fitted = np.ones_like(fitted)
        error, numbers = fit.error(everything, fitted)
    if error > IDENTICAL:
        return Same(False, error, "another function")
    if not lenient and (wrong := _wrong_exponent(fit, numbers)):
        return Same(False, error, wrong)
    for switch in range(fit.switches):
        if lenient and switch in fit.constant_switches:
            continue
        without = everything.copy()
        without[switch] = 0.0
        if fit.error(without, fit.kinds == "coefficient", numbers)[0] <= IDENTICAL:
            return Same(False, error, "a useless part")
    return Same(True, error, "")


def _wrong_exponent(fit: _Fit, numbers: np.ndarray) -> str:
    for kind, shown, true in zip(fit.kinds, fit.starts, numbers, strict=True):
        if kind in ("coefficient", "inner"):
            continue
        simple = near_simple(true, 1e-3)
        if simple is None and abs(shown - true) > NEAR:
            return f"exponent {shown:g} is {true:.4g}"
        if simple is not None and (kind == "fitted" or abs(shown - simple) > 1e-9):
            return f"exponent {shown:g} is {simple:g}"
    return ""


def srbench(answer: sympy.Expr | None, law: sympy.Expr, x: np.ndarray) -> bool:
    """SRBench's criterion: the difference, or the quotient, is a constant.

    As in its `symbolic_utils.py` (commit 1c74aed): floating-point numbers are rounded to three decimals, in the law
    too, those below 1e-4 to 0, and SymPy simplifies. What SymPy cannot decide in `SIMPLIFY_SECONDS` is not the law;
    what varies by more than `VARIES` on the rows x (rows, inputs) is not even tried.
    """
    if answer is None:
        return False
    try:
        with time_limit(SIMPLIFY_SECONDS):
            answer, law = _rounded(answer), _rounded(law.subs(sympy.pi, 3.1415926535))
            both = (answer / law, answer - law)
            return any(_varies_little(one, law, x) and _is_constant(one) for one in both)
    except Exception:  # SymPy raises many kinds of errors on what it cannot simplify; SRBench counts them as failures
        return False


def _varies_little(expression: sympy.Expr, law: sympy.Expr, x: np.ndarray) -> bool:
    symbols = [sympy.Symbol(f"x{j}", real=True) for j in range(x.shape[1])]
    values, size = (np.broadcast_to(sympy.lambdify(symbols, e, "numpy")(*x.T), len(x)) for e in (expression, law))
    return bool(np.std(values) <= VARIES * max(rms(values), rms(size)))


def _is_constant(expression: sympy.Expr) -> bool:
    expression = _rounded(expression)
    return bool(expression.is_constant() or _rounded(sympy.simplify(expression, ratio=1)).is_constant())


def _rounded(expression: Any) -> Any:
    found = {number: sympy.Float(round(number, 3), 3) for number in expression.atoms(sympy.Float)}
    return expression.xreplace({n: sympy.Integer(0) if abs(n) < 1e-4 else shown for n, shown in found.items()})


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raises TimeoutError in the body after so many seconds; in the main thread of a process only.

    And again every second: an exception that is raised within a callback of the garbage collector, such as JAX has, is
    printed and lost, and a simplification then went on for good.
    """

    def stop(*_: Any) -> None:
        raise TimeoutError(f"not done within {seconds:g} s")

    previous: Callable[..., Any] | int | None = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
