"""The units, one per file, named as their papers name them, and `UNITS`, the records of all of them by name."""

from collections.abc import Mapping
from types import MappingProxyType

from .._unit import Unit
from . import (
    dmu,
    gnalu,
    inalu,
    mc_fc,
    mul_mcfc,
    nac,
    nac_mul,
    naive_npu,
    nalu,
    nau,
    nmru,
    nmu,
    npu,
    nru,
    nsr,
    real_naive_npu,
    real_npu,
    snmu,
)

__all__ = [  # in the order of the guide's table
    "nac",
    "nac_mul",
    "nalu",
    "gnalu",
    "inalu",
    "nau",
    "nmu",
    "snmu",
    "npu",
    "real_npu",
    "naive_npu",
    "real_naive_npu",
    "nru",
    "nmru",
    "mc_fc",
    "mul_mcfc",
    "nsr",
    "dmu",
    "UNITS",
]

UNITS: Mapping[str, Unit] = MappingProxyType({name: globals()[name].UNIT for name in __all__ if name != "UNITS"})
"""Every unit's record by name, in the order of the guide's table."""
