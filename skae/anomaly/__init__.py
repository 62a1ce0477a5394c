"""Anomaly detection by reconstruction errors and by distances between latent vectors."""

from skae.anomaly._detector import ReconstructionDetector

__all__ = ["ReconstructionDetector"]
