"""One progress bar for everything that takes long, and who sees it.

>>> from nalu_jax import _progress
>>> with _progress.bar(False, "fit", total=3) as bar:
...     bar.update(3)
"""

import contextlib
import sys
from collections.abc import Callable, Iterator

from tqdm.auto import tqdm


def bar(progress: bool | str | None, name: str, *, total: int, initial: int = 0, unit: str = "step") -> tqdm:
    """A bar on stderr, or one that stays silent.

    Args:
        progress: whether to show it; None: where stderr is a terminal; a text is its label.
        name: its label otherwise.
        total, initial, unit: as tqdm has them.
    """
    return tqdm(total=total, initial=initial, desc=label(progress, name), unit=unit, disable=not shown(progress))


def shown(progress: bool | str | None) -> bool:
    """Whether there is a bar: where asked for, and by default where stderr is a terminal."""
    return sys.stderr.isatty() if progress is None else bool(progress)


def label(progress: bool | str | None, name: str) -> str:
    """What a run is called: the text given as `progress`, or the name."""
    return progress if isinstance(progress, str) else name


@contextlib.contextmanager
def stages(progress: bool | str | None, name: str) -> Iterator[Callable[[str, float], None]]:
    """A bar in percent, as a function of the stage and the part of everything that is done; it never goes back."""
    with bar(progress, name, total=100, unit="%") as percent:

        def report(stage: str, part: float) -> None:
            percent.set_postfix_str(stage, refresh=False)
            ahead = round(100 * part) - percent.n
            if ahead > 0:
                percent.update(ahead)
            else:
                percent.refresh()  # the stage is another one

        yield report
