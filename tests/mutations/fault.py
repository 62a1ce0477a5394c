"""The description of one fault that is seeded into the package."""

from dataclasses import dataclass

__all__ = ["Fault"]


@dataclass(frozen=True)
class Fault:
    """One edit of one file of the package, and the tests that own the edited code.

    Attributes
    ----------
    name : str
        Short and unique, such as "gradient-clipping-off-in-the-plan".
    part : str
        Part of the package: "data", "defaults", "initialization", "training", "early-stopping",
        "networks", "estimators" or "files".
    path : str
        File to edit, relative to ``skae/``.
    old : str
        Text that occurs exactly once in the file.
    new : str
        Text that replaces it.
    tests : tuple of str
        Test files that own the code, relative to ``tests/``.
    """

    name: str
    part: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]
