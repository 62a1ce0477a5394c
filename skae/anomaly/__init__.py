"""Anomaly detection by reconstruction errors and by distances to normal samples."""

from skae.anomaly._detector import ReconstructionDetector
from skae.anomaly._explanation import Explanation
from skae.anomaly._pipeline_explanation import explain_pipeline

__all__ = ["Explanation", "ReconstructionDetector", "explain_pipeline"]
