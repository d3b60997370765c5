"""Execute every notebook from a clean kernel.

    python notebooks/run_all.py [NAME ...]     writes the .ipynb beside each .py

With `--check` nothing is written: that both of a pair have the same cells is checked, and that every cell still runs;
with `--processes 2` two notebooks at a time. What is written says how long things took, and runs by itself.
A notebook whose last cell finds its claim untrue fails, and so does this script. Needs the extra `notebooks`.
"""

import argparse
import functools
import pathlib
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import jupytext
import nbformat
from nbclient.client import NotebookClient
from nbclient.exceptions import CellExecutionError

FOLDER = pathlib.Path(__file__).parent
TIMEOUT = 600  # seconds a cell may take


def sources() -> list[pathlib.Path]:
    """The notebooks as text, in order."""
    return sorted(path for path in FOLDER.glob("*.py") if path.name[:2].isdigit())


def out_of_step(source: pathlib.Path) -> str | None:
    """What is wrong with the pair of a source and its .ipynb; None where nothing is."""
    target = source.with_suffix(".ipynb")
    if not target.exists():
        return f"{target.name} is missing: run `python notebooks/run_all.py {source.stem}`."
    cells = [
        [(cell.cell_type, cell.source) for cell in notebook.cells]
        for notebook in (jupytext.read(source), nbformat.read(target, as_version=4))
    ]
    if cells[0] != cells[1]:
        return f"{target.name} has other cells than {source.name}: run `python notebooks/run_all.py {source.stem}`."
    return None


def execute(source: pathlib.Path) -> nbformat.NotebookNode:
    """The notebook of a source with the outputs of a clean kernel, without what changes from run to run."""
    notebook = jupytext.read(source)
    NotebookClient(notebook, timeout=TIMEOUT, kernel_name="python3", resources={"metadata": {"path": FOLDER}}).execute()
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"], "jupytext": {"formats": "ipynb,py:percent"}}
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata = {}
    return notebook


def run(source: pathlib.Path, *, check: bool) -> tuple[str | None, float]:
    """What is wrong with a notebook, None where nothing is, and the seconds that it took."""
    start = time.perf_counter()
    problem = out_of_step(source) if check else None
    try:
        notebook = execute(source) if problem is None else None
    except CellExecutionError as error:
        notebook, problem = None, str(error)
    if notebook is not None and not check:
        nbformat.write(notebook, source.with_suffix(".ipynb"))
    return problem, time.perf_counter() - start


def main() -> int:
    """Returns the number of notebooks that failed."""
    parser = argparse.ArgumentParser(description="Execute the notebooks.")
    parser.add_argument("names", nargs="*", help="for example 01_units (default: all)")
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--processes", type=int, default=1, help="notebooks at a time, with --check")
    options = parser.parse_args()
    chosen = [path for path in sources() if not options.names or path.stem in options.names]
    failed = 0 if chosen else 1
    with ProcessPoolExecutor(options.processes if options.check else 1) as pool:
        for source, (problem, seconds) in zip(
            chosen, pool.map(functools.partial(run, check=options.check), chosen), strict=True
        ):
            failed += problem is not None
            print(f"{source.stem:26} {seconds:6.1f} s  {problem or 'ok'}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
