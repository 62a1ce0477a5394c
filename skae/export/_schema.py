"""The schema of files: the classes that a file may name, and those that may be outermost."""

from skae.export._estimator_schema import ESTIMATORS
from skae.export._option_schema import OPTIONS
from skae.export._record_schema import RECORDS
from skae.export._sklearn_schema import SKLEARN_ESTIMATORS

__all__ = ["ESTIMATORS", "OPTIONS", "OUTERMOST", "SCHEMA", "SKLEARN_ESTIMATORS"]

SCHEMA = {**ESTIMATORS, **SKLEARN_ESTIMATORS, **RECORDS, **OPTIONS}
"""The declaration of each class, by name."""

OUTERMOST = (*ESTIMATORS, "Pipeline", "FrozenEstimator")
"""Classes of which a file may be."""
