"""Compression of images and table rows by autoencoders and entropy coding."""

from skae.compression._codec import LatentCodec

__all__ = ["LatentCodec"]
