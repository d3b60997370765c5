"""The compiled programs of a run: in lanes, and spread over devices.

XLA rounds a sum differently where the sizes around it differ, so the last bits of a restart depend on how many are
computed beside it. That many are always `lanes`, whatever the number of restarts: groups of so many follow one another,
and the last one is filled up. A program for several devices goes through other passes of XLA than one for a single
device: between those two, last bits differ.

    >>> import jax, jax.numpy as jnp
    >>> from nalu_jax.training import _program
    >>> _program.work(jax.make_jaxpr(lambda x: jnp.sin(x) + x)(jnp.ones(8)).jaxpr)
    16
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from .. import _compiler
from .._recall import while_alive
from .._trees import join, split
from . import _loop
from ._loop import Inputs, Log, Spec, State

Tree = Any

AXIS = "restarts"
RESTARTS, WHOLE = PartitionSpec(AXIS), PartitionSpec()
INPUTS: Any = Inputs(RESTARTS, RESTARTS, WHOLE, WHOLE)  # type: ignore[arg-type]
WHILE = 100  # iterations that a loop of unknown length is taken to have


class Program(NamedTuple):
    """The compiled functions of a run."""

    start: Callable[..., State]
    chunk: Callable[..., tuple[State, Log]]


def work(jaxpr: Any) -> int:
    """The number of array elements that a jaxpr computes, loops counted as often as they run."""
    total = 0
    for equation in jaxpr.eqns:
        inside = [work(inner) for value in equation.params.values() for inner in _jaxprs(value)]
        times = {"scan": equation.params.get("length", 1), "while": WHILE}.get(equation.primitive.name, 1)
        own = sum(math.prod(getattr(variable.aval, "shape", ())) for variable in equation.outvars)
        total += times * sum(inside) if inside else own
    return total


def _jaxprs(value: Any) -> list[Any]:
    if isinstance(value, tuple | list):
        return [inner for entry in value for inner in _jaxprs(entry)]
    inner = getattr(value, "jaxpr", value)
    return [inner] if hasattr(inner, "eqns") else []


def trace_step(spec: Spec, inputs: Inputs) -> Any:
    """The jaxpr of the first step of one restart; raises what is wrong with the params."""

    def step(inputs: Inputs, step: Array) -> Tree:
        keys, context = jax.tree.map(lambda leaf: leaf[0], (inputs.keys, inputs.context))
        state = _loop.start(spec, keys, context, inputs.data)
        carry = (state.params, state.optimiser_state, state.order, state.failed_at, (state.validation,) * 2)
        fixed = (_loop.is_running(spec, state), state.validation, keys, keys.batch, context)
        return _loop.one_step(spec, inputs.data, carry, *fixed, step)

    return jax.make_jaxpr(step)(inputs, jnp.asarray(0, jnp.int32))


def lanes_of(jaxpr: Any, shared: int) -> int:
    """How many restarts to compute beside one another: many of small models, one of a large one."""
    wanted = 2 ** max(0, round(math.log2(_compiler.GROUP_WORK / max(work(jaxpr), 1))))
    return -(-min(wanted, _compiler.MAX_LANES) // shared) * shared


def mesh_of(devices: Any) -> Mesh | None:
    """A mesh of one axis over the devices; None for a single one."""
    devices = jax.devices() if devices is None else list(devices)
    return None if len(devices) == 1 else Mesh(np.array(devices), (AXIS,))


def spread(inputs: Inputs, restarts: int, spec: Spec) -> Inputs:
    """The inputs on the devices of the spec, their restarts filled up to the same number of groups on each."""
    group = spec.lanes * (1 if spec.mesh is None else spec.mesh.size)
    rows = rows_of(-(-restarts // group) * group, restarts)
    own = jax.tree.map(lambda leaf: leaf[rows], (inputs.keys, inputs.context))
    whole = (inputs.data, inputs.held_out)
    return Inputs(*place(own, spec.mesh, split_first=True), *place(whole, spec.mesh, split_first=False))


def rows_of(filled: int, restarts: int) -> np.ndarray:
    """Which restart stands in each of `filled` rows: its own, and the last one in those that fill up a group."""
    return np.minimum(np.arange(filled), restarts - 1)


def place(tree: Tree, mesh: Mesh | None, split_first: bool) -> Tree:
    """The arrays on the devices of the mesh: their first axis spread over them, or whole on each."""
    if mesh is None:
        return tree
    sharding = NamedSharding(mesh, RESTARTS if split_first else WHOLE)
    return jax.tree.map(functools.partial(_place, sharding=sharding), tree)


def _place(leaf: Array, sharding: NamedSharding) -> Array:
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        data = _place(jax.random.key_data(leaf), sharding)
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
    if sharding.is_fully_addressable:
        return jax.device_put(leaf, sharding)
    host = np.asarray(leaf)  # every process has all of it, and gives its devices their part
    return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])


def gather(tree: Tree) -> Tree:
    """The whole arrays as NumPy's, in every process; of keys (an optimiser may hold one) their data."""

    def one(leaf: Array) -> np.ndarray:
        leaf = plain(leaf)
        if leaf.is_fully_addressable:
            return np.asarray(leaf)
        from jax.experimental import multihost_utils  # only where there are several processes

        return np.asarray(multihost_utils.process_allgather(leaf, tiled=True))

    return jax.tree.map(one, tree)


def any_process(flag: bool) -> bool:
    """Whether the flag is set in any process, so that all of them go the same way."""
    if jax.process_count() == 1:
        return flag
    from jax.experimental import multihost_utils  # only where there are several processes

    return bool(np.any(multihost_utils.process_allgather(np.asarray(flag))))


def plain(leaf: Array) -> Array:
    """The array itself, the data of keys."""
    return jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf


def in_lanes(function: Callable[..., Tree], lanes: int, *trees: Tree) -> Tree:
    """function of trees with a leading axis of restarts, `lanes` of them at a time, one group after another."""
    return join(lax.map(lambda group: function(*group), split(trees, lanes)))


@while_alive(maxsize=8)
def compiled(recall: Callable[[], tuple[Spec]]) -> Program:
    """The functions of a spec, jitted; the same spec again costs no compilation."""
    [spec] = recall()
    mesh = spec.mesh
    del spec  # what is compiled does not hold the user's functions

    def start_all(inputs: Inputs) -> State:
        [spec] = recall()
        begin = jax.vmap(lambda keys, context: _loop.start(spec, keys, context, inputs.data))
        return in_lanes(begin, spec.lanes, inputs.keys, inputs.context)

    def chunk(states: State, inputs: Inputs, first: Array, stop: Array) -> tuple[State, Log]:
        [spec] = recall()
        run = lambda states, keys, context: _loop.run_lanes(spec, states, keys, context, inputs, first, stop)
        return in_lanes(run, spec.lanes, states, inputs.keys, inputs.context)

    return Program(
        jit(start_all, mesh, (INPUTS,)),
        jit(chunk, mesh, (RESTARTS, INPUTS, WHOLE, WHOLE), donate_argnums=0),
    )


def jit(
    function: Callable[..., Tree], mesh: Mesh | None, roles: tuple[Any, ...], **options: Any
) -> Callable[..., Tree]:
    """`jax.jit`, every device with its part of the arguments whose role says so, and of all results."""
    if mesh is not None:
        function = jax.shard_map(function, mesh=mesh, in_specs=roles, out_specs=RESTARTS, check_vma=False)
    return jax.jit(function, compiler_options=_compiler.options(), **options)
