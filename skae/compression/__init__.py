"""Compression of rows and images into few bytes, by an autoencoder."""

from skae.compression.codec import LatentCodec

__all__ = ["LatentCodec"]
