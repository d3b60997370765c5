"""The units, one per file, named as their papers name them, and `UNITS`, the records of all of them by name."""

from collections.abc import Mapping
from types import MappingProxyType

from .._unit import Unit
from . import (
    gnalu,
    inalu,
    nac,
    nac_mul,
    naive_npu,
    nalu,
    nau,
    nmru,
    nmu,
    npu,
    nru,
    real_naive_npu,
    real_npu,
    snmu,
)

_MODULES = (nac, nac_mul, nalu, gnalu, inalu, nau, nmu, snmu, npu, real_npu, naive_npu, real_naive_npu, nru, nmru)

UNITS: Mapping[str, Unit] = MappingProxyType({module.UNIT.name: module.UNIT for module in _MODULES})
"""Every unit's record by name, in the order of the README's table."""
