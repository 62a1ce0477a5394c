"""All faults that are seeded."""

from data_faults import DATA_FAULTS
from decision_faults import DECISION_FAULTS
from named_faults import NAMED_FAULTS

__all__ = ["FAULTS"]

FAULTS = [*NAMED_FAULTS, *DATA_FAULTS, *DECISION_FAULTS]

names = [fault.name for fault in FAULTS]
if len(set(names)) < len(names):
    raise ValueError(f"Got two faults of one name among {sorted(names)}.")
