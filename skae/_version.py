"""The version, which is also written into what is saved."""

__all__ = ["__version__"]

__version__ = "0.1.0"
