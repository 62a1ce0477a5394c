"""Autoencoders as estimators: one for tables, one for images and signals."""

from skae.autoencoders._conv import ConvAutoencoder
from skae.autoencoders._dense import DenseAutoencoder
from skae.autoencoders._module import ModuleAutoencoder

__all__ = ["ConvAutoencoder", "DenseAutoencoder", "ModuleAutoencoder"]
