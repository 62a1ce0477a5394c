"""Rows and images that do not fit in: how badly an autoencoder reconstructs them, and how lonely their codes are."""

from skae.anomaly._detector import ReconstructionDetector

__all__ = ["ReconstructionDetector"]
