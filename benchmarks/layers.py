"""How fast is each unit, forward and with its gradient, against the textbook form in JAX and against PyTorch?

Every row compares calls of one unit at one size (batch, n_in, n_out) in turns: the textbook line (the baseline), the
unit of nalu_jax, the same unit in PyTorch where it is installed, and for product units one plain matrix product of
that size, which does the arithmetic of a forward pass and nothing else. A gradient is value and gradient with respect
to params and inputs. Product units also report multiply-adds per second (batch * rows of w * n_out forward, four times
that with both gradients) and how many times the matrix product's rate that is; 1 is as good as arithmetic gets.

    python -m benchmarks.layers --json benchmarks/results/layers.json

The NPU family is measured in float64 and with domain="positive" as well. There the baseline is a line that drops the
sign path too, and takes negative inputs without a word; the textbook form for inputs of any sign ("textbook real": four
matrix products for NPU, two for RealNPU) and the unit's own domain="real" stand beside it.
Units that train differently (snmu, nru, nmru) are measured in their evaluation form.
"""

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any

import jax

import nalu_jax

from . import _cases, _report, _timing

try:
    from . import _torch_units
except ModuleNotFoundError:  # torch is an extra
    _torch_units = None

QUESTION = _report.question(__doc__)
BASELINE = "textbook"
BASELINE_REAL = "textbook real"


def tasks(units: Sequence[str], sizes: Sequence[_cases.Size], *, dtypes: Sequence[str]) -> list[_report.Row]:
    """One row for each size, unit and its variants, and mode: small sizes first. Only the NPU family has variants."""
    variants = [(unit, "real", "float32") for unit in units]
    family = [unit for unit in units if unit in _cases.NPU_FAMILY]
    pairs = [("real", "float64"), ("positive", "float32"), ("positive", "float64")]
    variants += [(unit, domain, dtype) for unit in family for domain, dtype in pairs if dtype in dtypes]
    return [
        {"unit": unit, "domain": domain, "dtype": dtype, "size": list(size), "mode": mode}
        for size in sizes
        for unit, domain, dtype in variants
        for mode in _cases.MODES
    ]


def measure(task: _report.Row, *, effort: _report.Effort, with_torch: bool) -> _report.Row:
    """The candidates of one row, timed or skipped."""
    with jax.enable_x64(task["dtype"] == "float64"):
        calls, candidates = _calls(task, effort, with_torch)
        if BASELINE in calls or len(calls) > 1:
            baseline = BASELINE if BASELINE in calls else "nalu_jax"
            timed = _timing.compare(calls, baseline=baseline, **effort.repeats())
            for name, result in timed.items():
                candidates[name] |= result
            _add_rates(task, candidates)
            return {"baseline": baseline, "candidates": candidates}
    return {"baseline": None, "candidates": candidates}


def _calls(
    task: _report.Row, effort: _report.Effort, with_torch: bool
) -> tuple[dict[str, _timing.Call], dict[str, dict[str, Any]]]:
    """The calls to time, and what is known of every candidate before: compile times, or why it is skipped."""
    unit, size, mode = task["unit"], tuple(task["size"]), task["mode"]
    positive = task["domain"] == "positive"
    case = _cases.make_case(nalu_jax.UNITS[unit], size, task["dtype"], positive=positive)
    slow = _cases.too_slow(_cases.estimated_seconds(unit, size, mode), effort.call_seconds)
    calls: dict[str, _timing.Call] = {}
    candidates: dict[str, dict[str, Any]] = {}

    def offer(name: str, apply: Any, skip: str | None) -> None:
        if skip:
            candidates[name] = {"skipped": skip}
            return
        compiled = _compiled(apply, case, mode)
        candidates[name] = compiled.times() | {"memory_bytes": compiled.memory_bytes}
        if reason := _cases.too_big(compiled.memory_bytes, _cases.available_bytes()):
            candidates[name]["skipped"] = reason
        else:
            calls[name] = compiled.call

    def offer_textbook(name: str, form: Any) -> None:
        offer(name, form, slow if form else _cases.NO_TEXTBOOK)

    offer_textbook(BASELINE, _cases.textbook(unit, positive=positive))
    offer("nalu_jax", _bound(unit, task["domain"]).apply, None)
    if positive:
        offer_textbook(BASELINE_REAL, _cases.textbook(unit))
        offer("nalu_jax real", nalu_jax.UNITS[unit].apply, None)
    if with_torch and _torch_units is not None:
        needed = _cases.estimated_bytes(unit, size, mode, case.x.dtype.itemsize)
        missing = None if unit in _torch_units.TORCH else _cases.NO_TORCH
        reason = missing or slow or _cases.too_big(needed, _cases.available_bytes())
        candidates["torch"] = {"skipped": reason} if reason else {"threads": _torch_units.threads()}
        if not reason:
            calls["torch"] = _torch_call(unit, case, mode, positive)
    if unit in _cases.PRODUCT_UNITS:
        calls["matmul"] = _matmul(unit, case)
        candidates["matmul"] = {}
    return calls, candidates


def _bound(unit: str, domain: str) -> nalu_jax.Unit:
    record = nalu_jax.UNITS[unit]
    return record.bind(domain=domain) if domain == "positive" else record


def _compiled(apply: Any, case: _cases.Case, mode: str) -> _timing.Compiled:
    if mode == "forward":
        return _timing.compile_apart(apply, case.params, case.x)
    return _timing.compile_apart(_cases.value_and_gradient(apply), *case)


def _torch_call(unit: str, case: _cases.Case, mode: str, positive: bool) -> _timing.Call:
    assert _torch_units is not None
    function = (_torch_units.POSITIVE if positive else _torch_units.TORCH)[unit]
    params, x, cotangent = _cases.as_numpy(case)
    if mode == "forward":
        return _torch_units.forward(function, params, x)
    return _torch_units.value_and_gradient(function, params, x, cotangent)


def _matmul(unit: str, case: _cases.Case) -> _timing.Call:
    """One matrix product with as many multiply-adds as the unit's forward pass has factors."""
    batch, n_in = case.x.shape
    rows, n_out = next(iter(nalu_jax.UNITS[unit].leaves((n_in, case.cotangent.shape[1])).values()))
    keys = jax.random.split(jax.random.key(1))
    x = jax.random.normal(keys[0], (batch, rows), case.x.dtype)
    w = jax.random.normal(keys[1], (rows, n_out), case.x.dtype)
    return _timing.compile_apart(functools.partial(jax.numpy.matmul, precision="highest"), x, w).call


def _add_rates(task: _report.Row, candidates: dict[str, dict[str, Any]]) -> None:
    """Multiply-adds per second, and how they compare to the matrix product's."""
    if "matmul" not in candidates:
        return
    work = _cases.elements(task["unit"], tuple(task["size"]))
    limit = work / candidates["matmul"]["seconds"]["median"]
    for name, result in candidates.items():
        if "seconds" in result:
            count = work if name == "matmul" else work * _cases.WORK[task["mode"]]
            result["multiply_adds_per_second"] = count / result["seconds"]["median"]
            result["of_matmul_rate"] = result["multiply_adds_per_second"] / limit


def table(rows: Sequence[_report.Row]) -> str:
    """One line a row: medians, speedups over the textbook form, and the distance from plain arithmetic."""
    header = ["unit", "size", "mode", "textbook", "nalu_jax", "speedup", "quartiles"]
    header += [BASELINE_REAL, "domain=real", "torch", "matmul", "of its rate"]
    return _report.text_table(header, [_line(row) for row in rows if "skipped" not in row])


def _line(row: _report.Row) -> list[str]:
    head = [row_name(row), _cases.size_name(row["size"]), row["mode"]]
    ours = row["candidates"]["nalu_jax"]
    timed = row["baseline"] == BASELINE and "seconds" in ours
    return [
        *head,
        _median(row, BASELINE),
        _median(row, "nalu_jax"),
        _report.times(ours["speedup"]["median"]) if timed else "",
        "{} - {}".format(*(_report.times(ours["speedup"][q]) for q in ("q1", "q3"))) if timed else "",
        _median(row, BASELINE_REAL),
        _median(row, "nalu_jax real"),
        _median(row, "torch"),
        _median(row, "matmul"),
        f"{100 * ours['of_matmul_rate']:.0f} %" if "of_matmul_rate" in ours else "",
    ]


def row_name(row: _report.Row) -> str:
    """The unit and what is not its default."""
    extra = [row["domain"]] * (row["domain"] != "real") + [row["dtype"]] * (row["dtype"] != "float32")
    return " ".join([row["unit"], *extra])


def _median(row: _report.Row, name: str) -> str:
    candidate = row["candidates"].get(name, {})
    if "skipped" in candidate:
        return "skipped"
    return _report.duration(candidate["seconds"]["median"]) if "seconds" in candidate else ""


def speedup(row: _report.Row, name: str = "nalu_jax") -> float | None:
    """Median of textbook seconds / own seconds; None where it was not measured."""
    if row.get("baseline") != BASELINE:
        return None
    return row["candidates"].get(name, {}).get("speedup", {}).get("median")


def speedup_over_real(row: _report.Row) -> float | None:
    """Of the NPU family, over the textbook form for inputs of any sign, whatever the domain; None for other rows."""
    if row["unit"] not in _cases.NPU_FAMILY or speedup(row) is None:
        return None
    if row["domain"] == "real":
        return speedup(row)
    timed = [row["candidates"].get(name, {}).get("seconds", {}).get("median") for name in (BASELINE_REAL, "nalu_jax")]
    return timed[0] / timed[1] if all(timed) else None


def summary(data: dict[str, Any]) -> str:
    """The last result in one line: NMU's gradient at every size, the slowest row of the NPU family, and of all."""
    rows = [row for row in data["rows"] if speedup(row) is not None]
    if not rows:
        return "nothing measured"
    nmu = [row for row in rows if row["unit"] == "nmu" and row["mode"] == "gradient"]
    parts = [f"{_report.times(speedup(row) or 0)} at ({_cases.size_name(row['size'])})" for row in nmu]
    family = _slowest([row for row in rows if speedup_over_real(row) is not None], speedup_over_real)
    return (
        f"value and gradient of nmu against textbook: {', '.join(parts) or 'not measured'}; "
        f"NPU family against the textbook form for inputs of any sign: slowest {family}; all: slowest "
        f"{_slowest(rows, speedup)}"
    )


def _slowest(rows: Sequence[_report.Row], ratio: Callable[[_report.Row], float | None]) -> str:
    if not rows:
        return "not measured"
    worst = min(rows, key=lambda row: ratio(row) or 0)
    name = f"{row_name(worst)} {worst['mode']} ({_cases.size_name(worst['size'])})"
    return f"of {len(rows)} rows {name} {_report.times(ratio(worst) or 0)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = _report.parser(__doc__, list(nalu_jax.UNITS))
    parser.add_argument("--without-torch", action="store_true", help="do not time PyTorch")
    options = parser.parse_args(arguments)
    effort = _report.effort_of(options)
    sizes = {"full": _cases.SIZES, "quick": _cases.SIZES[1:2], "smoke": ((4, 3, 2),)}[effort.name]
    dtypes = ("float32",) if effort.name == "quick" else ("float32", "float64")
    results = _report.results(__file__, QUESTION, options)
    step = functools.partial(measure, effort=effort, with_torch=not options.without_torch)
    return _report.run(results, tasks(options.units, sizes, dtypes=dtypes), step, table, effort)


if __name__ == "__main__":
    sys.exit(main())
