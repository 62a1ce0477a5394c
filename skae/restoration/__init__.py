"""Clean images from damaged ones: noise, holes, blur and the traces of compression."""

from skae.restoration._restorer import ImageRestorer

__all__ = ["ImageRestorer"]
