"""Units of measure: text to units, consistent formulas and their price, constants with and without units, messages."""

from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nalu_jax import discover
from nalu_jax.discover import _quantities
from nalu_jax.discover._engine import dimensions
from nalu_jax.discover._engine.candidate import Column
from nalu_jax.discover._engine.dimensions import Dimensions
from nalu_jax.discover._engine.forms import Form
from nalu_jax.discover._engine.lattice import VALUES, prices
from nalu_jax.discover._found import RECOVERED


def powers(**given):
    """As a dimension, by base unit."""
    return tuple(Fraction(given.get(name, 0)) for name in _quantities.BASE)


@pytest.mark.parametrize(
    ("text", "dimension", "scale"),
    [
        ("Pa", powers(kg=1, m=-1, s=-2), 1.0),
        ("kg*m**2/s**3", powers(kg=1, m=2, s=-3), 1.0),
        ("m/s^2", powers(m=1, s=-2), 1.0),
        ("kW h", powers(kg=1, m=2, s=-2), 3.6e6),
        ("kWh", powers(kg=1, m=2, s=-2), 3.6e6),
        ("µmol L⁻¹", powers(mol=1, m=-3), 1e-3),
        ("J/(mol K)", powers(kg=1, m=2, s=-2, mol=-1, K=-1), 1.0),
        ("W/m2/K", powers(kg=1, s=-3, K=-1), 1.0),
        ("km s-1", powers(m=1, s=-1), 1e3),
        ("m^(1/2)", powers(m=Fraction(1, 2)), 1.0),
        ("m**0.5", powers(m=Fraction(1, 2)), 1.0),
        ("min", powers(s=1), 60.0),
        ("mmHg", powers(kg=1, m=-1, s=-2), 133.322387415),
        ("1e-3 kg", powers(kg=1), 1e-3),
        ("mg", powers(kg=1), 1e-6),
        ("cd", powers(cd=1), 1.0),
        ("\u2126", powers(kg=1, m=2, s=-3, A=-2), 1.0),
        ("1", powers(), 1.0),
        ("%", powers(), 0.01),
        ("1/s", powers(s=-1), 1.0),
    ],
)
def test_text_is_a_unit(text, dimension, scale):
    unit = _quantities.parse(text)
    assert unit.dimension == dimension and unit.scale == pytest.approx(scale, rel=1e-12)
    again = _quantities.parse(_quantities.text(unit.factors))
    assert again.dimension == dimension and again.scale == pytest.approx(scale, rel=1e-12)


def test_a_unit_is_what_pint_says():
    pint = pytest.importorskip("pint")
    registry = pint.UnitRegistry()
    for symbol in {*_quantities.PREFIXED, *_quantities.PLAIN} - {"\u2126", "Ω", "°", "u", "M", "yr", "%", "ppb"}:
        theirs = registry.Quantity(1, {"inch": "inch", "au": "astronomical_unit"}.get(symbol, symbol)).to_base_units()
        assert _quantities.parse(symbol).scale == pytest.approx(theirs.magnitude, rel=1e-6), symbol


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("degC", r"counts from an offset.*Add 273.15 to the column and call it 'K'"),
        ("°F", r"Make it \(F \+ 459.67\)/1.8"),
        ("dB", "is a logarithm"),
        ("meters", "did you mean 'm'"),
        ("Pascal", "did you mean 'Pa'"),
        ("litre", "did you mean 'L'"),
        ("foo", "a pure number is '1'"),
        ("m/", "ends too early"),
        ("(m", "not closed"),
        ("m^x", "no number"),
        ("m^999", "beyond 100"),
        ("m # s", "cannot be read"),
        ("m)", "stands where nothing can"),
        ("m^(1/0)", "divides by 0"),
        ("m" * 300, "at most 200"),
    ],
)
def test_text_that_is_no_unit_is_one_line_with_the_cure(text, words):
    with pytest.raises(ValueError, match=words) as caught:
        _quantities.parse(text)
    assert "\n" not in str(caught.value)


def test_prices_among_consistent_products_are_those_of_all_by_brute_force():
    """Three columns and all simple exponents: what all consistent products have of the prior is counted one by one."""
    table = Dimensions(inputs=np.array([[1.0, 0.0], [1.0, -2.0], [0.0, 1.0]]), target=np.array([1.0, -1.0]))
    lattice = prices(3).lattice
    mass, best = 0.0, np.inf
    for i, a in enumerate(VALUES):
        for j, b in enumerate(VALUES):
            for k, c in enumerate(VALUES):
                if abs(a + b - 1) < 1e-9 and abs(-2 * b + c + 1) < 1e-9:
                    cost = lattice[i] + lattice[j] + lattice[k]
                    mass, best = mass + np.exp(-cost), min(best, cost)
    found = dimensions.products_of(table, (1.0, -1.0), 3)
    assert dimensions.own_price(table, (1.0, -1.0), 3) == pytest.approx(np.log(mass), abs=1e-9)
    assert found.prices[0] == pytest.approx(best)
    np.testing.assert_allclose(found.exponents @ table.inputs, np.tile([1.0, -1.0], (len(found.prices), 1)), atol=1e-9)


def test_columns_that_do_not_belong_together_have_no_unit():
    table = Dimensions(np.array([[1.0], [1.0], [0.0], [0.0]]), np.array([1.0]), np.array([1.0, 1e-3, 1.0, 0.0174]))
    assert table.of(Column((0, 1), (1.0, -1.0))) is None  # a metre less a millimetre
    assert table.of(Column((0, 2), (1.0, -1.0))) is None
    assert table.of(Column((0,), (1.0,), "sin")) is None
    assert table.of(Column((3,), (1.0,), "sin")) is None  # degrees
    assert table.of(Column((2,), (1.0,), "sin")) is not None
    assert table.places(Form("power", (2,), power=0.5)) == [(2.0,), (2.0,)]
    assert table.places(Form("quotient", (1, 1))) == [(1.0,), (0.0,)]


def gas(rows=40, noise=0.01, seed=1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    n, t, v = rng.uniform(0.5, 3, rows), rng.uniform(250, 400, rows), rng.uniform(0.5, 4, rows)
    return np.stack([n, t, v], 1), 8.314 * n * t / v * (1 + noise * rng.normal(size=rows))


UNITS = {"n": "mol", "T": "K", "V": "L"}


def test_a_constant_carries_the_unit_that_makes_the_formula_consistent():
    x, y = gas()
    found = discover.table(x, y, names=("n", "T", "V"), target="p", units=UNITS, target_unit="kPa", functions=())
    assert found.verdict == RECOVERED
    assert "kPa*L/(mol*K)" in str(found) and "units: p in kPa, n in mol, T in K, V in L" in str(found)
    assert found.best.units == ("mol", "K", "L") and found.best.target_unit == "kPa"


def test_a_known_constant_is_tried_by_name_in_text_source_units_and_file(tmp_path):
    x, y = gas()
    options: Any = {"units": UNITS | {"p": "kPa"}, "constants": {"R": (8.314462618, "J/(mol*K)")}, "functions": ()}
    found = discover.table(x, y, names=("n", "T", "V"), target="p", **options)
    [term] = found.terms
    assert [found.best.constants[place].name for place, _ in term.known] == ["R"]
    assert term.coefficient.estimate == pytest.approx(1.0, abs=0.01)  # kPa L is J
    np.testing.assert_allclose(found.predict(x), y, rtol=0.05)
    space: dict[str, Any] = {}
    exec(found.to_python(), space)
    np.testing.assert_allclose(space["p"](*x.T), found.predict(x), rtol=1e-12)
    assert str(found.expression).count("R") == 1 and "R" in found.latex
    assert found.model is not None
    params = jax.tree.map(jnp.asarray, found.params)
    units = found.model.apply(params, jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(units[:, 0], found.predict(x), rtol=1e-4)
    found.save(tmp_path / "gas.json")
    again = discover.load(tmp_path / "gas.json")
    assert str(again) == str(found)
    np.testing.assert_array_equal(again.predict(x), found.predict(x))


def test_few_noisy_rows_are_enough_where_only_one_product_is_consistent():
    """T = 2 pi sqrt(L / g), ten rows, 10 % noise and L within a factor of 2: without units anything fits."""
    rng = np.random.default_rng(3)
    x = np.stack([rng.uniform(0.5, 1.0, 10), rng.uniform(1.6, 24.8, 10)], 1)
    y = 2 * np.pi * np.sqrt(x[:, 0] / x[:, 1]) * (1 + 0.1 * rng.normal(size=10))
    found = discover.table(
        x, y, names=("L", "g"), target="T", units={"L": "m", "g": "m/s^2", "T": "s"}, constants="dimensionless"
    )
    [term] = found.terms
    assert {f.column.inputs[0]: f.exponent.exact for f in term.factors} == {0: Fraction(1, 2), 1: Fraction(-1, 2)}
    assert term.coefficient.estimate == pytest.approx(2 * np.pi, rel=0.15)


@pytest.mark.parametrize(
    "law",
    [
        lambda m, v, c: m * v / (v + c),
        pytest.param(lambda m, v, c: m / np.sqrt(1 - v**2 / c**2), marks=pytest.mark.slow),
        pytest.param(lambda m, v, c: m * np.exp(-v / c), marks=pytest.mark.slow),
    ],
)
def test_all_formulas_that_are_offered_are_consistent_where_constants_are_pure_numbers(law):
    rng = np.random.default_rng(0)
    x = np.stack([rng.uniform(1, 5, 60), rng.uniform(1, 2, 60), rng.uniform(3, 10, 60)], 1)
    exact = law(*x.T)
    y = exact + 0.003 * np.std(exact) * rng.normal(size=60)
    vectors = {"m": (0, 0, 1), "v": (1, -1, 0), "c": (1, -1, 0)}
    found = discover.table(
        x, y, names=("m", "v", "c"), target="M", units=vectors, target_unit=(0, 0, 1), constants="dimensionless"
    )
    fresh = np.stack([rng.uniform(1, 5, 50), rng.uniform(1, 2, 50), rng.uniform(3, 10, 50)], 1)
    np.testing.assert_allclose(found.predict(fresh), law(*fresh.T), rtol=0.01)
    for candidate in found.candidates:  # times k in v and c changes nothing, times k in m multiplies by k
        at, base = fresh[:5], candidate.predict(fresh[:5])
        scaled = candidate.predict(at * [1.0, 3.0, 3.0])
        np.testing.assert_allclose(scaled, base, rtol=1e-6)
        np.testing.assert_allclose(candidate.predict(at * [3.0, 1.0, 1.0]), 3 * base, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"units": {"n": "mol", "T": "K"}, "target_unit": "kPa"}, ValueError, "column 'V' has no unit: give units"),
        ({"units": UNITS}, ValueError, "column 'p' has no unit: give target_unit"),
        ({"units": "headers"}, ValueError, r"column 'n' has no unit in brackets: write it as 'T \[K\]'"),
        ({"units": UNITS | {"q": "m"}, "target_unit": "kPa"}, ValueError, "there is no column 'q'"),
        ({"units": UNITS | {"T": "degC"}, "target_unit": "kPa"}, ValueError, "units of 'T'.*Add 273.15"),
        ({"units": UNITS, "target_unit": "kPa", "constants": "dimensionless"}, ValueError, "none of .* has mass"),
        (
            {"units": {"n": "1", "T": "kg", "V": "kg^2"}, "target_unit": "m", "constants": "dimensionless"},
            ValueError,
            r"gives 'p' in m: none of the columns 'n', 'T', 'V' has length \(m\)",
        ),
        ({"target_unit": "kPa"}, ValueError, "the columns have no units"),
        ({"units": "SI"}, TypeError, "must be a mapping"),
        ({"units": UNITS | {"T": 3}, "target_unit": "kPa"}, TypeError, "units of 'T' must be text"),
        ({"units": UNITS | {"T": (1, 0)}, "target_unit": "kPa"}, ValueError, "counts 2 dimensions"),
        ({"units": UNITS, "target_unit": "kPa", "constants": {"T": (1, "K")}}, ValueError, "'T' is a column already"),
        (
            {"units": UNITS, "target_unit": "kPa", "constants": {"k": (-1, "K")}},
            ValueError,
            "must be a positive number",
        ),
        ({"units": UNITS, "target_unit": "kPa", "constants": {"k": 3}}, TypeError, "a pair of value and unit"),
    ],
)
def test_units_that_cannot_be_are_one_line_before_the_search(options, error, words, as_users_run_it, monkeypatch):
    from nalu_jax.discover import _asked

    monkeypatch.setattr(_asked, "search", lambda *args, **kwargs: pytest.fail("searched"))
    x, y = gas(8)
    with pytest.raises(error, match=words) as caught:
        discover.table(x, y, names=("n", "T", "V"), target="p", **options)
    assert "\n" not in str(caught.value)


def test_units_of_headers():
    x, y = gas(12, noise=0.0)
    names = ("n [mol]", "T [K]", "V [L]")
    found = discover.table(x, y, names=names, target="p [kPa]", units="headers", functions=(), nested=False)
    assert found.best.units == ("mol", "K", "L") and "kPa*L/(mol*K)" in str(found)


def gravity_frame() -> dict[str, np.ndarray]:
    m, r = np.random.default_rng(0).uniform(1, 3, (2, 30))
    return {"m": m, "r": r, "F": 2 * m / r**2}


def test_columns_of_pint_bring_their_units():
    pandas, _ = pytest.importorskip("pandas"), pytest.importorskip("pint_pandas")
    units = {"m": "kg", "r": "m", "F": "kg/m**2"}
    frame = pandas.DataFrame({
        name: pandas.Series(values, dtype=f"pint[{units[name]}]") for name, values in gravity_frame().items()
    })  # fmt: skip
    options: Any = {"functions": (), "nested": False, "terms": 1}
    found = discover.table(frame, "F", **options)
    assert found.formula == "2*m/r**2" and found.best.units == ("kg", "m") and found.best.target_unit == "kg/m**2"
    frame["error"] = pandas.Series(np.full(30, 0.5), dtype="pint[g/m**2]")
    found = discover.table(frame, "F", sigma="error", **options)
    assert found.deviation == pytest.approx(5e-4)  # in the target's unit
    frame["error"] = pandas.Series(np.full(30, 0.5), dtype="pint[s]")
    with pytest.raises(ValueError, match="column 'error' is no error in kg"):
        discover.table(frame, "F", sigma="error", **options)
    with pytest.raises(TypeError, match="Pass magnitudes, in the units of the table"):
        found.predict(frame[["m", "r"]])


def test_a_dataset_of_xarray_brings_names_and_units():
    xarray = pytest.importorskip("xarray")
    units = {"m": "kg", "r": "m", "F": "kg/m^2"}
    data = xarray.Dataset({name: ("row", values, {"units": units[name]}) for name, values in gravity_frame().items()})
    options: Any = {"functions": (), "nested": False, "terms": 1}
    for y in ("F", data["F"]):
        found = discover.table(data if isinstance(y, str) else data[["m", "r"]], y, units="headers", **options)
        assert found.formula == "2*m/r**2" and found.best.units == ("kg", "m")


def test_constants_that_are_not_needed_are_named():
    """Whether a constant was used had to be read off the formula."""
    mass, speed = np.random.default_rng(0).uniform(1.0, 5.0, (2, 30))
    options = {"names": ("m", "v"), "units": {"m": "kg", "v": "m/s"}, "target_unit": "J", "progress": False}
    found = discover.table(
        np.stack([mass, speed], 1), mass * speed**2 / 2, constants={"g": (9.81, "m/s**2")}, **options
    )
    assert found.formula == "m*v**2/2" and "not needed by the best formula: 'g'" in found.notes
    falling = discover.table(np.stack([mass, speed], 1), mass * 9.81 * speed, names=("m", "h"),
        units={"m": "kg", "h": "m"}, target_unit="J", constants={"g": (9.81, "m/s**2")}, progress=False)  # fmt: skip
    assert not [note for note in falling.notes if "not needed" in note]
