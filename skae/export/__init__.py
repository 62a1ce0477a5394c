"""Export of fitted estimators: safetensors files to load again, ONNX models to deploy."""

from skae.export._onnx import to_onnx
from skae.export._safetensors import load, save

__all__ = ["load", "save", "to_onnx"]
