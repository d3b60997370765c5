"""What the data allow to say of the best formula."""

from typing import NamedTuple

from nalu_jax.discover._engine.structure import Fitted


class Verdict(NamedTuple):
    """The verdict, its reason, and places of formulas that the data cannot tell from the best."""

    verdict: str
    reason: str
    alike: tuple[int, ...]


def judge(found: list[Fitted], barred: list[Fitted]) -> Verdict:
    return Verdict("recovered", "", ())
