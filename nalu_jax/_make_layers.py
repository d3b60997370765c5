"""Writes the layer classes of `linen.py`, `nnx.py` and `eqx.py`: one for every unit of `UNITS`, below the mark in each.

    python -m nalu_jax._make_layers            after a unit or one of its options has changed
    python -m nalu_jax._make_layers --check    what a test runs: exit 1 where a file is not what this would write

Written out rather than made at run time, so that editors and type checkers see every option with its default and, where
it is one of a few strings, their list. A class follows from its unit alone: its name and leaves from the record,
options, types and defaults from its module's `bind`, its text from the module's first line.
What is written is what `ruff format` leaves as it is. The wheel does not hold this script.
"""

import argparse
import importlib
import inspect
import itertools
import json
import pathlib
import sys
import textwrap
import types
import typing
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from . import _front, _unit
from ._unit import Unit
from .units import UNITS
from .units._initialisers import Initial

COMMAND = "python -m nalu_jax._make_layers"
MARK = f"# Everything below is written by `{COMMAND}`: change the unit, then run that.\n"
WIDTH = 120  # of a line, as in pyproject.toml


class Option(NamedTuple):
    """A keyword of a layer, in source code.

    Attributes:
        name: of the option.
        type: its annotation.
        default: its value where it is not given.
    """

    name: str
    type: str
    default: str

    @property
    def declaration(self) -> str:
        """As in a signature."""
        return f"{self.name}: {self.type} = {self.default}"


def options(unit: Unit) -> list[Option]:
    """Every option of a unit, as its module's `bind` declares it, initialisers last."""
    parameters = inspect.signature(_module(unit).bind).parameters.values()
    declared = [Option(p.name, type_source(p.annotation), value_source(p.default)) for p in parameters]
    return sorted(declared, key=lambda option: _front.is_initial(option.name))


def _module(unit: Unit) -> Any:
    return importlib.import_module(f"nalu_jax.units.{unit.name}")


def type_source(annotation: Any) -> str:
    """The source of an annotation: of an initialiser, None, classes, tuples, `Literal`, and unions of them."""
    arguments = typing.get_args(annotation)
    if annotation == Initial:
        return "Initial"
    if typing.get_origin(annotation) is typing.Literal:
        return f"Literal[{', '.join(map(value_source, arguments))}]"
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return " | ".join(map(type_source, arguments))
    if typing.get_origin(annotation) is tuple:
        return f"tuple[{', '.join(map(type_source, arguments))}]"
    return "None" if annotation is types.NoneType else annotation.__name__


def value_source(value: Any) -> str:
    """The source of a default value, with the formatter's quotes."""
    return json.dumps(value) if isinstance(value, str) else repr(value)


def leaves(unit: Unit) -> dict[str, bool]:
    """The leaves that a unit has under any options, and whether it has them under all, in an order that is the flat
    order under each: the order in which Equinox writes them to files."""
    variants = [list(unit.bind(**choice).leaves((1, 1))) for choice in _choices(unit)]
    names: list[str] = []
    for variant in variants:
        position = 0
        for leaf in variant:
            if leaf not in names:
                names.insert(position, leaf)
            position = names.index(leaf) + 1
    return {leaf: all(leaf in variant for variant in variants) for leaf in names}


def _choices(unit: Unit) -> Iterator[dict[str, Any]]:
    """Every combination of the options on which the leaves may depend.

    Raises:
        TypeError: one of them is neither a bool nor a `Literal`.
    """
    values: dict[str, tuple[Any, ...]] = {}
    parameters = inspect.signature(_module(unit).bind).parameters
    for name in _unit.options_of(unit.leaves):
        annotation = parameters[name].annotation
        is_literal = typing.get_origin(annotation) is typing.Literal
        if not (is_literal or annotation is bool):
            raise TypeError(f"{unit.name}: what leaves depend on must be a bool or a Literal, {name} is {annotation}.")
        values[name] = typing.get_args(annotation) if is_literal else (False, True)
    return (dict(zip(values, choice, strict=True)) for choice in itertools.product(*values.values()))


def summary(unit: Unit) -> str:
    """The docstring of a layer: the first line of its unit's."""
    first = str(_module(unit).__doc__).partition("\n")[0]
    text = textwrap.fill(f'"""{first}', WIDTH, initial_indent="    ", subsequent_indent="    ")
    return f'{text}\n\n    Equation and options: `nalu_jax.{unit.name}`.\n    """\n'


def linen_class(unit: Unit) -> str:
    fields = "".join(f"    {option.declaration}\n" for option in options(unit))
    own = [Option("dtype", "DTypeLike | None", "None"), Option("name", "str | None", "None")]
    if unit.train_apply is not None:
        own += [Option("deterministic", "bool | None", "None")]
    return (
        f"class {unit.layer}({_base(unit)}, kw_only=True):\n{summary(unit)}\n{fields}\n"
        f'    record = UNITS["{unit.name}"]\n\n'
        + _from_params(unit, own, "tuple[Layer, dict[str, Params]]", "(layer, variables) that compute with")
    )


def nnx_class(unit: Unit) -> str:
    leaf_fields = "".join(f"    {leaf}: nnx.Param[Array]\n" for leaf in leaves(unit))
    own = [Option("metadata", "Mapping[str, Metadata] | None", "None")]
    own += [Option("dtype", "DTypeLike | None", "None")]
    body = "        self._build((n_in, n_out), options, inits, metadata, dtype, param_dtype, rngs)\n"
    if unit.train_apply is not None:
        own += [Option("deterministic", "bool | None", "False")]
        body += "        self._train(deterministic, rngs)\n"
    return (
        f'class {unit.layer}({_base(unit)}):\n{summary(unit)}\n    record = UNITS["{unit.name}"]\n{leaf_fields}\n'
        + _constructor(unit, own, ["param_dtype: DTypeLike = jnp.float32", "rngs: nnx.Rngs"], body)
        + _from_params(unit, [*own, Option("rngs", "nnx.Rngs | None", "None")], "Layer", "A layer that computes with")
    )


def eqx_class(unit: Unit) -> str:
    optional = {leaf: "" if always else " | None" for leaf, always in leaves(unit).items()}
    leaf_fields = "".join(f"    {leaf}: Array{or_none}\n" for leaf, or_none in optional.items())
    own = [Option("dtype", "DTypeLike | None", "None")]
    body = "        self._build((n_in, n_out), options, inits, dtype, param_dtype, key)\n"
    if unit.train_apply is not None:
        own += [Option("inference", "bool", "False")]
        body += "        self.inference = inference\n"
    return (
        f'class {unit.layer}({_base(unit)}):\n{summary(unit)}\n    record = UNITS["{unit.name}"]\n{leaf_fields}\n'
        + _constructor(unit, own, ["param_dtype: DTypeLike | None = None", "key: Array"], body)
        + _from_params(unit, own, "Layer", "A layer that computes with")
    )


def _base(unit: Unit) -> str:
    return "_Layer" if unit.train_apply is None else "_TrainLayer"


def _constructor(unit: Unit, own: Sequence[Option], last: Sequence[str], body: str) -> str:
    """`__init__` with the unit's options, the framework's own arguments, and the last ones of these."""
    declarations = [option.declaration for option in (*options(unit), *own)]
    parameters = _lines(["self", "n_in: int", "n_out: int", "*", *declarations, *last])
    inits = [option for option in options(unit) if _front.is_initial(option.name)]
    return (
        f"    def __init__(\n{parameters}    ):\n"
        + _dict_of(_settings(unit), "        options: dict[str, Any] = ")
        + _dict_of(inits, "        inits: dict[str, Initial] = ")
        + f"{body}\n"
    )


def _from_params(unit: Unit, own: Sequence[Option], returned: str, does: str) -> str:
    """`from_params` with the unit's options but for initialisers, and the framework's own arguments."""
    declarations = [option.declaration for option in (*_settings(unit), *own)]
    parameters = _lines(["cls: type[Layer]", "params: Mapping[str, ArrayLike]", "*", *declarations])
    return (
        f"    @classmethod\n    def from_params(\n{parameters}    ) -> {returned}:\n"
        f'        """{does} the params of `nalu_jax.{unit.name}`."""\n'
        + _dict_of(_settings(unit), "        options: dict[str, Any] = ")
        + _dict_of(own, "        given: dict[str, Any] = ")
        + "        return cls._from_params(params, options, given)\n"
    )


def _settings(unit: Unit) -> list[Option]:
    return [option for option in options(unit) if not _front.is_initial(option.name)]


def _lines(parameters: Sequence[str]) -> str:
    return "".join(f"        {parameter},\n" for parameter in parameters)


def _dict_of(variables: Sequence[Option], start: str) -> str:
    """`start` and a dict of variables by their names, in one line where that fits."""
    items = [f'"{variable.name}": {variable.name}' for variable in variables]
    line = f"{start}{{{', '.join(items)}}}\n"
    if len(line) <= WIDTH + 1:
        return line
    indent = " " * (len(start) - len(start.lstrip()))
    return f"{start}{{\n" + "".join(f"{indent}    {item},\n" for item in items) + f"{indent}}}\n"


CLASSES = {"linen.py": linen_class, "nnx.py": nnx_class, "eqx.py": eqx_class}


def written(path: pathlib.Path) -> str:
    """The file as it should be: what is by hand above the mark, and the classes.

    Raises:
        ValueError: the file has no mark.
    """
    by_hand, mark, _ = path.read_text().partition(MARK)
    if not mark:
        raise ValueError(f"{path}: expected one line {MARK!r}, below which the classes go.")
    classes = [CLASSES[path.name](unit) for unit in UNITS.values()]
    public = "".join(f'    "{name}",\n' for name in ("find_units", *[unit.layer for unit in UNITS.values()]))
    return by_hand + mark + "\n\n".join(["", *classes]) + f"\n\n__all__ = [\n{public}]\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write, or check, the three files; the exit status."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=str(__doc__).partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 where something would be")
    check = parser.parse_args(arguments).check
    texts = {path: written(path) for path in (pathlib.Path(__file__).with_name(name) for name in CLASSES)}
    stale = {path: text for path, text in texts.items() if path.read_text() != text}
    for path, text in stale.items():
        if not check:
            path.write_text(text)
        print(f"{path.name} is not what its units say: run {COMMAND}" if check else f"wrote {path.name}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
