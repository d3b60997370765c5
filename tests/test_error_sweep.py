"""Every argument of every public function, replaced by what it is not: the error is the package's own, and early.

The functions are those of `__all__` of the public packages: a new one without an example here fails a test. What comes
of a wrong argument is an error of the package (raised in it, and naming the function), or a result where the value can
be meant; numbers that are masked, complex, text or objects never can be.
"""

import functools
import importlib
import inspect
import pathlib
import re
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import optax
import pytest
import sympy

import nalu_jax
import nalu_jax.eqx
import nalu_jax.linen
import nalu_jax.nnx
from nalu_jax import discover, fast_nau, nau, nru, ode, real_npu, symbolic, tasks
from nalu_jax import training as training

matplotlib.use("Agg")
pytestmark = pytest.mark.usefixtures("as_users_run_it", "standard_promotion")

PACKAGES = [
    "nalu_jax",
    "nalu_jax.penalties",
    "nalu_jax.schedules",
    "nalu_jax.models",
    "nalu_jax.training",
    "nalu_jax.training.losses",
    "nalu_jax.training.sparsity",
    "nalu_jax.ode",
    "nalu_jax.symbolic",
    "nalu_jax.discover",
    "nalu_jax.plot",
    *(f"nalu_jax.tasks.{path.stem}" for path in (pathlib.Path(nalu_jax.__file__).parent / "tasks").glob("[a-z]*.py")),
]
"""The command line is tried with files and options in test_cli_fit.py, layers in test_errors.py and test_front*.py."""


class Example(NamedTuple):
    """A call that is right: its arguments by name. Those in `free` may be any object."""

    arguments: dict[str, Any]
    free: tuple[str, ...] = ()


KEY = jax.random.key(0)
X = np.array([[1.0, 2.0], [3.0, 0.5], [2.0, 1.5], [0.5, 2.5]], np.float32)
W = {"w": jnp.array([[1.0], [-1.0]])}
DRAW = lambda key, shape: jnp.ones(shape)
DECAY = lambda t, y, args: -y
TS = np.linspace(0.0, 1.0, 8)
YS = np.stack([np.exp(-TS), np.exp(-2 * TS)], axis=1)


def _residual(params: Any, data: Any) -> Any:
    return nau.apply(params, data[0])[:, 0] - data[1]


def _loss(params: Any, batch: Any) -> Any:
    return jnp.mean(_residual(params, batch) ** 2)


ROWS = (jnp.asarray(X), jnp.asarray(X[:, 0] - X[:, 1]))


@functools.cache
def _found() -> Any:
    return discover.table(X[:, :1].repeat(3, axis=0), X[:, 0].repeat(3), functions=(), nested=False, terms=1)


@functools.cache
def _system() -> Any:
    return discover.ode(TS, YS, names=("a", "b"), functions=(), nested=False, progress=False)


@functools.cache
def _windows() -> Any:
    data = ode.data(TS, YS)
    return ode.windows(data, data.ys, np.ones(2), length=2)


@functools.cache
def _fit() -> Any:
    options: dict[str, Any] = {"key": KEY, "steps": 2, "optimiser": optax.adam(0.1), "data": ROWS, "progress": False}
    return training.fit(_loss, lambda key: nau.init(key, (2, 1)), **options)


@functools.cache
def _path() -> Any:
    return symbolic.prune(_residual, W, ROWS, progress=False, steps=2)


@functools.cache
def _layers() -> Any:
    from flax import nnx

    model = nnx.Sequential(nalu_jax.nnx.NAU(2, 1, rngs=nnx.Rngs(0)))
    return nnx.state(model, nnx.Param), nalu_jax.nnx.find_units(model)


@functools.cache
def _saved() -> str:
    import tempfile

    path = pathlib.Path(tempfile.mkdtemp()) / "found.json"
    discover.table(X, X[:, 0] * X[:, 1], progress=False).save(path)
    return str(path)


def _task_examples() -> dict[str, Example]:
    """Of `nalu_jax.tasks`, by package and name."""
    drawn: dict[str, Any] = {"key": KEY, "shape": (4, 2), "dtype": jnp.float32}
    pair: dict[str, Any] = {"a": jnp.ones((4, 1)), "b": jnp.full((4, 1), 2.0)}
    made: dict[str, Any] = {"key": KEY, "bounds": (1.0, 2.0), "operation": "add", "offset": 1}
    sizes = tasks.static.Subsets(2, 1, 3)
    gold = {"w": jnp.array([[1.0], [-1.0]])}
    weights = {"w": jnp.ones((2, 4))}
    examples: dict[str, dict[str, Any]] = {
        "comparison.compare": {"comparison": "ge", "first": np.ones((4, 1)), "second": np.ones((4, 1))},
        "comparison.training_set": {"comparison": "eq", "seed": 0, "scale": 1.0},
        "comparison.held_out": {"comparison": "eq", "magnitude": 2, "seed": 0, "scale": 1.0},
        "division.batch": {"key": KEY, "distribution": DRAW, "offset": 0, "n_in": 2, "rows": 4},
        "division.small_batch": {"key": KEY, "bounds": (0.0, 1.0), "task": "hard", "rows": 4},
        "division.small_target": {"x": jnp.ones((4, 2)), "task": "hard"},
        "division.gold_threshold": {"apply": nru.apply, "gold": gold, "x": jnp.ones((4, 2)), "task": "hard"},
        "draw.open_uniform": drawn,
        "draw.uniform": drawn | {"bounds": (1.0, 2.0)},
        "draw.from_unit": {"u": jnp.full(3, 0.25), "bounds": (1.0, 2.0)},
        "draw.by_column": drawn | {"bounds": ((1.0, 2.0), (2.0, 3.0))},
        "draw.truncated_normal": drawn | {"mean": 0.0, "deviation": 1.0, "low": -1.0, "high": 2.0},
        "draw.exponential": drawn | {"scale": 0.5},
        "draw.benford": drawn | {"low": 10},
        "draw.sobol": {"points": 3, "dimension": 2, "first": 1, "dtype": np.float32},
        "draw.sobol_directions": {"dimension": 2, "bits": 4},
        "draw.sobol_at": {
            "index": jnp.arange(4),
            "directions": tasks.draw.sobol_directions(2, bits=4),
            "dtype": jnp.float32,
        },
        "inalu.rows": {"key": KEY, "distribution": DRAW, "operation": "div", "count": 4},
        "inalu.members": {"key": KEY, "n_in": 4},
        "inalu.large_rows": {
            "key": KEY,
            "distribution": DRAW,
            "operation": "div",
            "members": jnp.ones((4, 2)),
            "count": 4,
        },
        "large_scale.targets": {"x": jnp.ones((4, 100)), "task": "add"},
        "large_scale.batch": {
            "step": 0,
            "task": "add",
            "directions": tasks.draw.sobol_directions(100, bits=12),
            "rows": 2,
        },
        "large_scale.held_out": {"task": "add", "points": 4},
        "measures.solved_at": {"test_errors": np.ones((2, 3)), "steps": np.arange(3), "threshold": 0.1},
        "measures.chosen_log": {"validation_errors": np.ones((2, 3))},
        "measures.sparsity_error": {"matrices": [np.ones((2, 2)), np.zeros((2, 1))]},
        "simple.targets": {"x": jnp.ones((4, 2))},
        "simple.batch": {"key": KEY, "bounds": (1.0, 2.0), "rows": 4},
        "simple.grid": {"output": "add"},
        "simple.grid_errors": {"apply": nau.apply, "params": weights, "dtype": jnp.float32},
        "single_module.operate": {"operation": "add"} | pair,
        "single_module.target": {"x": jnp.ones((4, 3)), "operation": "add", "offset": 1},
        "single_module.batch": made | {"n_in": 3, "rows": 4},
        "single_module.offset": {"seed": 0, "n_in": 3},
        "single_module.held_out": {"intervals": ((1.0, 2.0),), "seed": 0, "n_in": 2, "rows": 4},
        "single_module.threshold": {"operation": "mul", "test": ((1.0, 2.0),), "n_in": 3, "eps": 1e-5},
        "static.subsets": {"n_in": 8, "subset_ratio": 0.5, "overlap_ratio": 0.5},
        "static.offset": {"seed": 0, "sizes": sizes, "n_in": 4},
        "static.masks": {"offset": 0, "sizes": sizes, "n_in": 4},
        "static.operate": {"operation": "add"} | pair,
        "static.target": {"x": jnp.ones((4, 4)), "operation": "add", "offset": 1, "sizes": sizes},
        "static.batch": made | {"sizes": sizes, "n_in": 4, "rows": 4},
        "static.simulated_threshold": {
            "key": KEY,
            "operation": "add",
            "bounds": (1.0, 2.0),
            "sizes": sizes,
            "n_in": 4,
            "eps": 1e-5,
            "rows": 10_000,
        },
    }
    return {f"nalu_jax.tasks.{name}": Example(arguments) for name, arguments in examples.items()}


@functools.cache
def _examples() -> dict[str, Example]:
    """By package and name."""
    params, units = _layers()
    pair = {"predicted": jnp.ones(3), "target": jnp.full(3, 2.0)}
    windows = _windows()
    shot: dict[str, Any] = {"field": DECAY, "args": None, "windows": windows}
    rolled: dict[str, Any] = {"vector_field": DECAY, "y0": jnp.ones(2), "ts": jnp.linspace(0.0, 1.0, 3), "args": None}
    read: dict[str, Any] = {"model": nau, "params": W, "inputs": ("x", "y"), "domain": "real", "digits": 3, "eps": True}
    x, y = sympy.symbols("x y", real=True)
    shown: dict[str, Any] = {"expressions": [x + y, 2 * x], "digits": 3, "outputs": ["a", "b"]}
    searched: dict[str, Any] = {"loss": _residual, "params": W, "data": ROWS, "steps": 2, "progress": False, "rows": 4}
    return _task_examples() | {
        "nalu_jax.chain": Example({"units": (real_npu, nau)}),
        "nalu_jax.fast": Example({"unit": nau, "shape": (2, 1)}),
        "nalu_jax.fast_chain": Example({"specs": (fast_nau(2, 3), fast_nau(3, 1))}),
        "nalu_jax.fast_nau": Example({"n_in": 2, "n_out": 1, "clip": False}),
        "nalu_jax.fast_npu": Example({"n_in": 2, "n_out": 1, "eps": 1e-6, "domain": "real", "clamp": "none"}),
        "nalu_jax.fast_real_npu": Example({"n_in": 2, "n_out": 1, "eps": 1e-6, "domain": "real", "clamp": "none"}),
        "nalu_jax.penalties.sparsity": Example({"w": W["w"], "targets": (-1, 0, 1)}),
        "nalu_jax.penalties.out_of_bounds": Example({"w": W["w"], "low": -1.0, "high": 1.0}),
        "nalu_jax.penalties.l1": Example({"params": W}),
        "nalu_jax.penalties.frobenius": Example({"params": W}),
        "nalu_jax.penalties.away_from_zero": Example({"params": W, "t": 20.0}),
        "nalu_jax.schedules.linear_ramp": Example({"scale": 1.0, "start": 1, "end": 3}),
        "nalu_jax.schedules.growth": Example({"start": 1.0, "end": 10.0, "every": 10, "factor": 2.0}),
        "nalu_jax.schedules.on_below": Example({"scale": 1.0, "threshold": 1.0, "after": 2}),
        "nalu_jax.models.penalty": Example({"params": params, "units": units, "scale": 1.0}),
        "nalu_jax.models.project": Example({"params": params, "units": units}),
        "nalu_jax.models.projection": Example({"units": units}),
        "nalu_jax.training.fit": Example(
            {
                "loss": _loss,
                "init": lambda key: nau.init(key, (2, 1)),
                "key": KEY,
                "steps": 2,
                "optimiser": optax.adam(0.1),
                "data": ROWS,
                "batch_size": 2,
                "batch": None,
                "shared": 1,
                "validation": ROWS,
                "validation_loss": _loss,
                "metrics": lambda params: params["w"].sum(),
                "restarts": 1,
                "context": None,
                "penalty": lambda params, step: 0 * params["w"].sum(),
                "project": lambda params: params,
                "finish": (training.rounding(),),
                "reinitialise": training.reinitialise(window=4),
                "keep": "best",
                "validate_every": 1,
                "patience": 3,
                "checkpoint": None,
                "checkpoint_every": 1,
                "progress": False,
                "lanes": 1,
                "devices": None,
            }
        ),
        "nalu_jax.training.lbfgs": Example({"steps": 3, "memory": 2}),
        "nalu_jax.training.levenberg_marquardt": Example(
            {"residual": _residual, "steps": 3, "rtol": 1e-6, "atol": 1e-8}
        ),
        "nalu_jax.training.rounding": Example({"function": lambda params: params, "targets": (-1, 0, 1)}),
        "nalu_jax.training.reinitialise": Example(
            {
                "window": 4,
                "threshold": 1.0,
                "failed": False,
                "fresh_optimiser": False,
                "init": lambda key: nau.init(key, (2, 1)),
            }
        ),
        "nalu_jax.training.success_table": Example(
            {"success": np.array([True, False]), "groups": ["a", "b"], "level": 0.9}, free=("groups",)
        ),
        "nalu_jax.training.wilson": Example({"successes": 3, "runs": 5, "level": 0.9}),
        "nalu_jax.training.losses.mse": Example(pair),
        "nalu_jax.training.losses.huber": Example(pair | {"delta": 1.0}),
        "nalu_jax.training.losses.relative": Example(pair | {"floor": 1e-6}),
        "nalu_jax.training.losses.log_magnitude": Example({"log_size": jnp.ones(3), "target": jnp.ones(3)}),
        "nalu_jax.training.sparsity.decoupled_l1": Example({"amount": 0.1}),
        "nalu_jax.training.sparsity.proximal_l1": Example({"amount": 0.1}),
        "nalu_jax.ode.data": Example({"ts": TS, "ys": YS, "names": ("a", "b"), "missing": False}),
        "nalu_jax.ode.field": Example(
            {"spec": fast_nau(2, 2), "known": lambda t, y: -y, "inputs": (0, 1), "outputs": (0, 1)}
        ),
        "nalu_jax.ode.rollout": Example(
            rolled | {"substeps": 1, "checkpoints": 1, "derivatives": "parallel"}, free=("args",)
        ),
        "nalu_jax.ode.solve": Example(
            rolled | {"substeps": 1, "checkpoints": 4, "rtol": 1e-3, "atol": 1e-3, "max_steps": 20}, free=("args",)
        ),
        "nalu_jax.ode.horizon": Example({"windows": windows, "share": 0.5}),
        "nalu_jax.ode.shoot": Example(
            {"field": DECAY, "args": None, "starts": windows.starts, "ts": windows.ts, "substeps": 1}, free=("args",)
        ),
        "nalu_jax.ode.shooting_residual": Example(shot | {"starts": windows.starts, "substeps": 1}, free=("args",)),
        "nalu_jax.ode.trajectory_residual": Example(shot | {"substeps": 1}, free=("args",)),
        "nalu_jax.ode.windows": Example(
            {"data": ode.data(TS, YS), "states": YS[None], "noise": np.ones(2), "length": 2}
        ),
        "nalu_jax.ode.smooth": Example({"data": ode.data(TS, YS), "noise": 0.1}),
        "nalu_jax.ode.integrals": Example({"values": jnp.ones((3, 2, 1)), "weights": jnp.ones((3, 2))}),
        "nalu_jax.ode.weak_residual": Example(
            {
                "field": DECAY,
                "args": None,
                "times": jnp.ones((3, 2)),
                "nodes": jnp.ones((3, 2, 1)),
                "weights": jnp.ones((3, 2)),
                "changes": jnp.ones((3, 1)),
                "scale": jnp.ones((3, 1)),
            },
            free=("args",),
        ),
        "nalu_jax.symbolic.consistent": Example({"dimensions": {"x": (1, 0), "y": (0, 1)}, "output": (1, 1)}),
        "nalu_jax.symbolic.from_sympy": Example(
            {"expressions": [x * y], "inputs": (x, y), "n_hidden": 2, "dtype": jnp.float32}
        ),
        "nalu_jax.symbolic.latex": Example(shown),
        "nalu_jax.symbolic.text": Example(shown),
        "nalu_jax.symbolic.table": Example(
            {
                "path": _path(),
                "model": nau,
                "inputs": ("x", "y"),
                "outputs": ["z"],
                "domain": "real",
                "digits": 3,
                "form": "text",
            }
        ),
        "nalu_jax.symbolic.read": Example(
            {"model": units, "params": params, "domain": "real", "digits": 3, "eps": True}
        ),
        "nalu_jax.symbolic.to_sympy": Example(read),
        "nalu_jax.symbolic.prune": Example(
            searched
            | {
                "budget": None,
                "factor": 2.0,
                "free": None,
                "entries": None,
                "pins": {"w": (0.0,)},
                "exponents": ("re",),
                "candidates": 1,
                "beam": 1,
                "patience": 1,
                "floor": 1e-9,
            }
        ),
        "nalu_jax.symbolic.snap": Example(
            searched
            | {
                "to": (1, 2),
                "budget": None,
                "factor": 2.0,
                "free": None,
                "entries": None,
                "exponents": ("re",),
                "errors": 3.0,
                "tolerance": 1e-3,
                "candidates": 1,
                "floor": 1e-9,
            }
        ),
        "nalu_jax.symbolic.plus_minus": Example({"value": 1.0, "error": 0.1}),
        "nalu_jax.symbolic.standard_errors": Example(
            {"loss": _residual, "params": W, "data": ROWS, "free": None, "rows": 4}
        ),
        "nalu_jax.discover.load": Example({"path": _saved()}),
        "nalu_jax.discover.ode": Example(
            {
                "ts": TS,
                "ys": YS,
                "names": ("a", "b"),
                "conserved": (),
                "nonnegative": (),
                "varies": (),
                "ensemble": 0,
                "noise": 0.0,
                "missing": False,
                "initial_states": "measured",
                "functions": (),
                "nested": False,
                "time_limit": 5.0,
                "progress": False,
            }
        ),
        "nalu_jax.discover.score": Example(
            {
                "formula": "a*b",
                "x": X,
                "y": X[:, 0] * X[:, 1],
                "names": ("a", "b"),
                "target": "y",
                "sigma": np.ones(len(X)),
            }
        ),
        "nalu_jax.discover.split": Example({"x": X, "held_out": 0.2, "outside": 0.2, "seed": 0}),
        "nalu_jax.discover.table": Example(
            {
                "x": X,
                "y": X[:, 0] * X[:, 1],
                "names": ("a", "b"),
                "target": "y",
                "units": {"a": "m", "b": "m", "y": "m^2"},
                "target_unit": "m^2",
                "constants": {"g": (9.80665, "m/s^2")},
                "sigma": np.full(len(X), 0.1),
                "x_sigma": None,
                "weights": None,
                "groups": None,
                "varies": None,
                "robust": False,
                "missing": "raise",
                "known": "0.1*a",
                "guess": "a*b",
                "include": ("a",),
                "exclude": None,
                "exponents": (-2.0, 2.0),
                "signs": None,
                "limits": {"a": "finite at 0"},
                "functions": (),
                "nested": False,
                "terms": 1,
                "seed": 0,
                "time_limit": 0.3,
                "progress": False,
            }
        ),
        "nalu_jax.plot.error_maps": Example(
            {
                "models": {"sum": lambda x: x},
                "truth": lambda x: x,
                "operations": ("a", "b"),
                "bounds": (-4.1, 4.1),
                "trained": (-1.0, 1.0),
                "inputs": ("a", "b"),
                "points": 4,
            }
        ),
        "nalu_jax.plot.front": Example({"found": _found()}),
        "nalu_jax.plot.curve": Example({"found": _found(), "x": X[:, :1], "y": X[:, 0]}),
        "nalu_jax.plot.report": Example(
            {
                "found": _found(),
                "path": "page.html",
                "x": X[:, :1],
                "y": X[:, 0],
                "trained": np.ones(4),
                "command": "fit",
            }
        ),
        "nalu_jax.plot.residuals": Example({"found": _found(), "x": X[:, :1], "y": X[:, 0]}),
        "nalu_jax.plot.trajectories": Example({"found": _system(), "ts": TS, "ys": YS}),
        "nalu_jax.plot.graph": Example({"model": nau, "params": W, "inputs": ("a", "b"), "outputs": ("c",)}),
        "nalu_jax.plot.losses": Example({"fit": _fit()}),
        "nalu_jax.plot.predictions": Example(
            {
                "true": np.ones(3),
                "predicted": np.full(3, 2.0),
                "trained": np.array([True, False, True]),
                "log": False,
                "name": "y",
            }
        ),
        "nalu_jax.plot.weights": Example(
            {
                "model": nau,
                "params": W,
                "snapped": W,
                "truth": W,
                "leaves": ("w",),
                "inputs": ("a", "b"),
                "outputs": ("c",),
            }
        ),
    }


BAD: dict[str, Any] = {
    "None": None,
    "an object": object(),
    "text": "text",
    "integer": 3,
    "negative": -7,
    "NaN": float("nan"),
    "complex number": 1j,
    "no entries": np.zeros((0, 2), np.float32),
    "wrong shape": np.ones((5, 3, 1), np.float32),
    "NaN inside": np.full((4, 2), np.nan, np.float32),
    "objects": np.array([[1.0, None], [2.0, 3.0]], object),
    "texts": np.array(["1.0", "2.0"]),
    "masked": np.ma.array([[1.0, -999.0], [3.0, 4.0]], mask=[[False, True], [False, False]]),
    "complex": np.ones((4, 2), np.complex64),
    "float16": np.ones((4, 2), np.float16),
    "tuple of objects": (object(), object()),
    "dict": {"nothing": None},
}
NEVER_NUMBERS = ("an object", "text", "objects", "texts", "masked", "complex", "complex number", "tuple of objects")


def public_functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Those in `__all__`, or where a module has none, the functions that it defines."""
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in getattr(module, "__all__", None) or vars(module):
            value = getattr(module, name)
            called = callable(value) and not inspect.isclass(value) and hasattr(value, "__qualname__")
            own = called and (hasattr(module, "__all__") or value.__module__ == package)
            if own and not name.startswith("_"):
                yield f"{package}.{name}", value


FUNCTIONS = dict(public_functions())


def test_every_public_function_has_an_example():
    assert set(_examples()) == set(FUNCTIONS)


def call(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """The function of arguments by name; a starred one takes its entries."""
    parameters = inspect.signature(function).parameters.values()
    starred = [parameter.name for parameter in parameters if parameter.kind is parameter.VAR_POSITIONAL]
    if not starred:
        return function(**arguments)
    given = arguments.get(starred[0], ())
    before = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name in arguments]
    rest = {name: value for name, value in arguments.items() if name not in (*before, starred[0])}
    return function(*(arguments[name] for name in before), *(given if isinstance(given, tuple) else (given,)), **rest)


def fault_of(name: str, argument: str, kind: str, example: Example) -> str | None:
    """What is wrong with how a function takes a wrong argument."""
    function, good = FUNCTIONS[name], example.arguments[argument]
    try:
        call(function, example.arguments | {argument: BAD[kind]})
    except (ValueError, TypeError) as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        words, short = str(error), name.rsplit(".", 1)[-1]
        if "nalu_jax" not in pathlib.Path(frame.filename).parts:
            return f"raised in {pathlib.Path(frame.filename).name}: {type(error).__name__}: {words[:150]}"
        if short not in words and argument not in words and not re.match(r"[a-z_.]+: |column ", words):
            return f"names neither function nor argument: {words[:150]}"
        return None
    except Exception as error:
        if any(frame.name in ("_residual", "_loss") for frame in traceback.extract_tb(error.__traceback__)):
            return None  # in the user's own function
        if isinstance(error, OSError) and argument == "path":
            return None  # a file that is not there
        return f"{type(error).__name__}: {str(error)[:150]}"
    are_names = isinstance(good, tuple | list) and isinstance(good[0], str)
    if (kind == "texts" and are_names) or (kind == "text" and argument in ("progress", "checkpoint")):
        return None
    if kind in NEVER_NUMBERS and not isinstance(good, str) and argument not in example.free:
        return "was taken for something"
    return None


SLOW = {
    "nalu_jax.training.fit",
    "nalu_jax.ode.rollout",
    "nalu_jax.ode.solve",
    "nalu_jax.symbolic.prune",
    "nalu_jax.tasks.large_scale.batch",
    "nalu_jax.tasks.static.simulated_threshold",
    *(name for name in FUNCTIONS if name.startswith("nalu_jax.discover.")),
}
"""Those in which a value that can be meant is compiled or searched with."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in FUNCTIONS],
)
@pytest.mark.filterwarnings("ignore")
def test_wrong_arguments_are_the_packages_own_errors(name, tmp_path, monkeypatch):
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)  # a text is a path to some
    example = _examples()[name]
    call(FUNCTIONS[name], example.arguments)
    faults = [
        f"{argument} = {kind}: {fault}"
        for argument in example.arguments
        for kind in BAD
        if argument not in example.free and (fault := fault_of(name, argument, kind, example))
    ]
    plt.close("all")
    assert not faults, f"{name}:\n" + "\n".join(faults)
