"""Drawn laws that are no sums of products: quotients, powers of sums, functions, and what is outside of the family."""

import dataclasses
import re
from collections.abc import Callable

import numpy as np

from nalu_jax.discover._engine.forms import Form

from ._law import FRESH_ROWS, NOISES, Law, evaluate, log_integer, product, rms, with_noise


class _Inputs:
    """Inputs of a law, and its terms: products of their powers, with constants that make their medians simple."""

    def __init__(self, rng: np.random.Generator):
        n_inputs = int(rng.integers(1, 5))
        n_rows = log_integer(rng, 30, 300)
        width = np.exp(rng.uniform(np.log(np.log(1.5)), np.log(np.log(100)), n_inputs))
        place = rng.random((n_rows + FRESH_ROWS, n_inputs)) - 0.5
        self.rng, self.rows = rng, n_rows
        self.x = np.exp(rng.normal(size=n_inputs) + width * place)
        self.constants: list[float] = []
        self.exponents: list[np.ndarray] = []

    def product(self, size: float, inputs: int = 2, powers: tuple[float, ...] = (1.0, -1.0, 2.0, 0.5)) -> str:
        """Text of size times a product of powers of some inputs, over its median."""
        exponents = np.zeros(self.x.shape[1])
        chosen = self.rng.permutation(len(exponents))[:inputs]
        exponents[chosen] = self.rng.choice(powers, len(chosen))
        self.constants.append(float(size / np.median(np.prod(self.x**exponents, axis=1))))
        self.exponents.append(exponents)
        factors = product([f"x{j}" for j in range(len(exponents))], exponents)
        return f"c{len(self.constants) - 1}" + ("" if factors == "1" else f"*{factors}")

    def free(self, low: float = 0.5, high: float = 2.0) -> float:
        """A number of no meaning."""
        return float(np.exp(self.rng.uniform(np.log(low), np.log(high))))

    def fill(self, text: str) -> str:
        """The text with a term of its own in place of every name of `TERMS`."""
        for name in re.findall("[A-Z]{2,}", text):
            text = text.replace(name, TERMS[name](self), 1)
        return text


TERMS: dict[str, Callable[[_Inputs], str]] = {
    "CONSTANT": lambda inputs: inputs.product(inputs.free(0.01, 100), 0),
    "PRODUCT": lambda inputs: inputs.product(inputs.free(0.01, 100)),
    "SQUARE": lambda inputs: inputs.product(inputs.free(), 1, (2.0,)),
    "INPUT": lambda inputs: inputs.product(2 * inputs.free(), 1, (1.0,)),
    "POWER": lambda inputs: inputs.product(inputs.free(), 1),
    "INNER": lambda inputs: inputs.product(inputs.free()),
    "LARGE": lambda inputs: inputs.product(inputs.free(2.0, 5.0)),
    "ODD": lambda inputs: inputs.product(inputs.free(), 2, (0.31, -0.77, 1.23, -1.37)),
}
"""What a name in a form stands for: a product of powers of up to two inputs, or of one, and its median size."""


@dataclasses.dataclass(frozen=True)
class _Form:
    """Text of a form, the shape it has in the family of formulas, and the signs of its coefficients there."""

    text: str
    shape: Form | None = None
    signs: tuple[int, ...] = (1, 1)


def _function(name: str) -> Form:
    return Form("function", (1, 1, 0), function=name)


FORMS: dict[str, dict[str, _Form]] = {
    "nested": {
        "quotient": _Form("PRODUCT/(1 + POWER)", Form("quotient", (1, 1))),
        "saturation": _Form("SQUARE/(1 + SQUARE)", Form("quotient", (1, 1))),
        "inverse sum": _Form("1/(INNER + POWER)", Form("power", (2,), power=-1.0)),
        "root": _Form("sqrt(POWER + SQUARE)", Form("power", (2,), power=0.5)),
        "root of products": _Form("sqrt(INNER + INNER)", Form("power", (2,), power=0.5)),
        "square": _Form("(INNER + POWER)**2", Form("power", (2,), power=2.0)),
        "over a root": _Form("PRODUCT/sqrt(1 + SQUARE)", Form("quotient", (1, 1), below=0.5)),
    },
    "elementary": {
        "exp": _Form("PRODUCT*exp(-INNER)", _function("exp"), (1, -1)),
        "saturating exp": _Form("CONSTANT*(1 - exp(-INNER))", _function("expm1"), (-1, -1)),
        "gauss": _Form("CONSTANT*exp(-SQUARE)", _function("exp"), (1, -1)),
        "log": _Form("PRODUCT*log(LARGE)", _function("log")),
        "log1p": _Form("CONSTANT*log(1 + INNER)", _function("log1p")),
        "sin": _Form("PRODUCT*sin(INPUT)", _function("sin")),
        "cos": _Form("PRODUCT*cos(INPUT)", _function("cos")),
        "tanh": _Form("PRODUCT*tanh(INNER)", _function("tanh")),
        "bose": _Form("PRODUCT/(exp(INNER) - 1)", _function("1/expm1")),
    },
    "unreachable": {
        "two functions": _Form("CONSTANT*exp(-POWER)*sin(INPUT)"),
        "sum of functions": _Form("CONSTANT*(log(1 + INNER) + 2*tanh(POWER))"),
        "maximum": _Form("CONSTANT*Max(INNER, POWER)"),
        "tower": _Form("CONSTANT*exp(-exp(-POWER))*(1 + POWER)"),
        "input as exponent": _Form("CONSTANT*(1 + INNER)**(POWER)"),
        "function of a function": _Form("CONSTANT*sin(3*tanh(INNER))"),
        "root in a cosine": _Form("CONSTANT*cos(2*sqrt(1 + INNER + POWER))"),
        "many terms": _Form("ODD + ODD/(1 + POWER) + ODD/(1 + POWER) + ODD + SQUARE/(1 + POWER)"),
    },
}


def outside(rng: np.random.Generator, family: str, seed: int) -> Law | None:
    """A law of `FORMS`; None where what was drawn is no law to be found: constant, or one of two terms alone."""
    name = str(rng.choice(list(FORMS[family])))
    form, inputs = FORMS[family][name], _Inputs(rng)
    text = inputs.fill(form.text)
    constants, exponents = np.array(inputs.constants), np.array(inputs.exponents)
    values = evaluate(text, inputs.x, constants)
    if not np.isfinite(values).all() or np.ptp(values) < 1e-3 * rms(values):
        return None
    if name == "maximum" and not 0.15 < np.mean(evaluate(_first_wins(text), inputs.x, constants)) < 0.85:
        return None
    if form.shape and form.shape.groups == (2,) and np.abs(exponents[0] - exponents[1]).max() < 0.3:
        return None
    noise, kind = float(rng.choice(NOISES)), str(rng.choice(["relative", "absolute"]))
    y, _ = with_noise(rng, values[: inputs.rows], noise, kind)
    return Law(
        family=family,
        seed=seed,
        form=name,
        text=text,
        constants=constants,
        x=inputs.x[: inputs.rows],
        y=y,
        clean=values[: inputs.rows],
        fresh_x=inputs.x[inputs.rows :],
        fresh_y=values[inputs.rows :],
        noise=noise,
        kind=kind,
        exponents=exponents if form.shape else exponents[:0],
        signs=np.array(form.signs) if form.shape else np.zeros(0),
        shape=form.shape,
    )


def _first_wins(text: str) -> str:
    """From the text of a maximum that of where its first argument is the larger one."""
    return text[text.index("Max(") + 3 :].replace(",", " >")
