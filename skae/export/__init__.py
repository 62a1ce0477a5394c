"""A fitted autoencoder in a file that runs nothing when it is read: safetensors to load it again, ONNX to use it elsewhere."""

from skae.export._onnx import to_onnx
from skae.export._safe import load, save

__all__ = ["load", "save", "to_onnx"]
