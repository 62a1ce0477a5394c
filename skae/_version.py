"""Version of the package, also recorded in saved estimators."""

__version__ = "0.1.0"
