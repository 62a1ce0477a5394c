"""Kinds of values in files that have parts: arrays, sequences, dicts, and objects."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from skae.export._kinds import MAX_TEXT, Kind, mismatch

__all__ = [
    "Array",
    "Choice",
    "Fields",
    "Keywords",
    "Nested",
    "Sequence",
    "Strings",
    "Weights",
]


@dataclass(frozen=True)
class Array(Kind):
    """A numeric array.

    Attributes
    ----------
    dtypes : str
        Kinds of dtypes, as in NumPy: "b", "i", "u" and "f"; or one dtype such as "f4".
    shape : tuple
        Sizes of the dimensions. A name stands for the same size in all arrays of an object. None
        is any shape.
    low, above : float
        Lower bounds of the values, inclusive and exclusive.
    high : float
        Upper bound of the values, inclusive.
    finite : bool
        Whether NaN and infinity are errors. If not, the bounds are those of the other values.
    """

    dtypes: str = "f"
    shape: tuple | None = None
    low: float = -math.inf
    high: float = math.inf
    above: float = -math.inf
    finite: bool = True
    tags = ("array",)

    def read_content(self, content, path, reader):
        """Return the array."""
        array = reader.take_array(content, path)
        name = array.dtype.kind
        if self.dtypes[-1].isdigit():
            name = array.dtype.str[1:]
        if name not in (self.dtypes, *self.dtypes):
            raise mismatch(path, array.dtype, f"an array of dtype {self.dtypes}")
        self._check_shape(array.shape, path, reader)
        self._check_values(array, path)
        return array

    def _check_shape(self, shape, path, reader):
        """Check the number of dimensions and their sizes."""
        if self.shape is None:
            return
        if len(shape) != len(self.shape):
            raise mismatch(path, shape, f"an array of shape {self.shape}")
        for size, expected in zip(shape, self.shape, strict=True):
            if isinstance(expected, str):
                reader.check_size(expected, size, path)
            elif size != expected:
                raise mismatch(path, shape, f"an array of shape {self.shape}")

    def _check_values(self, array, path):
        """Check that all values are finite and within bounds."""
        if not self.finite:
            array = array[np.isfinite(array)]
        if array.size == 0 or array.dtype.kind == "b":
            return
        lowest, highest = array.min(), array.max()  # NaN if there is a NaN
        if not (np.isfinite(lowest) and np.isfinite(highest)):
            raise mismatch(path, "NaN or infinity", "finite numbers")
        if not (self.low <= lowest and highest <= self.high and lowest > self.above):
            low = max(self.low, self.above)
            raise mismatch(path, (lowest, highest), f"numbers from {low} to {self.high}")


@dataclass(frozen=True)
class Strings(Kind):
    """An array of strings, of dtype str or object."""

    shape: str = ""
    tags = ("strings", "objects")

    def read(self, content, path, reader):
        """Return the array."""
        if not self.accepts(content):
            raise mismatch(path, content, "an array of strings")
        tag, values = next(iter(content.items()))
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise mismatch(path, values, "a list of strings")
        longest = max([1, *map(len, values)])
        if longest > MAX_TEXT:
            raise mismatch(path, values, f"strings of at most {MAX_TEXT} characters")
        if self.shape:
            reader.check_size(self.shape, len(values), path)
        if tag == "objects":
            reader.charge(64 * len(values), path)
            return np.array(values, dtype=object)
        reader.charge(4 * longest * len(values), path)
        return np.array(values, dtype=f"U{longest}")


class Choice(Kind):
    """One of several kinds."""

    def __init__(self, *kinds):
        self.kinds = kinds
        self.tags = tuple(tag for kind in kinds for tag in kind.tags)

    def read(self, content, path, reader):
        """Return the value of the first kind that reads it."""
        error = mismatch(path, content, self.describe())
        for kind in self.kinds:
            if not kind.accepts(content):
                continue
            try:
                return kind.read(content, path, reader)
            except ValueError as kind_error:
                error = kind_error
        raise error

    def describe(self):
        """Return the kind in words."""
        return ", or ".join(kind.describe() for kind in self.kinds)


@dataclass(frozen=True)
class Sequence(Kind):
    """A list or a tuple of values of one kind."""

    item: Kind
    low: int = 0
    high: int = 2**20
    tags: tuple[str, ...] = ("list", "tuple")

    def read(self, content, path, reader):
        """Return the list or the tuple."""
        if not self.accepts(content):
            raise mismatch(path, content, self.describe())
        values = content
        if isinstance(content, dict):
            values = content["tuple"]
        if not isinstance(values, list) or not self.low <= len(values) <= self.high:
            raise mismatch(path, values, self.describe())
        items = [self.item.read(value, f"{path}[{i}]", reader) for i, value in enumerate(values)]
        if isinstance(content, dict):
            return tuple(items)
        return items

    def describe(self):
        """Return the kind in words."""
        return f"{self.low} to {self.high} values, each of them {self.item.describe()}"


@dataclass(frozen=True)
class Fields(Kind):
    """A dict with some of the declared keys, or with all of them if `complete`."""

    fields: Mapping
    complete: bool = False
    tags = ("dict",)

    def read_content(self, content, path, reader):
        """Return the dict."""
        is_known = isinstance(content, dict) and set(content) <= set(self.fields)
        if not is_known or (self.complete and len(content) < len(self.fields)):
            raise mismatch(path, content, f"a dict of {', '.join(self.fields)}")
        return {
            key: self.fields[key].read(value, f"{path}[{key!r}]", reader)
            for key, value in content.items()
        }


@dataclass(frozen=True)
class Keywords(Kind):
    """A dict with keys that match a pattern."""

    pattern: str
    item: Kind
    tags = ("dict",)

    def read_content(self, content, path, reader):
        """Return the dict."""
        if not isinstance(content, dict):
            raise mismatch(path, content, "a dict")
        for key in content:
            if not re.fullmatch(self.pattern, key):
                raise mismatch(path, key, f"only keys like {self.pattern}")
        return {
            key: self.item.read(value, f"{path}[{key!r}]", reader) for key, value in content.items()
        }


class Weights(Keywords):
    """Weights of a network by name."""

    def __init__(self):
        super().__init__(r"[A-Za-z0-9_.]{1,200}", Array("f4"))


@dataclass(frozen=True)
class Nested(Kind):
    """An object of one of the named classes of the schema."""

    names: tuple
    is_estimator: bool = False

    @property
    def tags(self):
        """The tag of estimators, or of other objects."""
        if self.is_estimator:
            return ("estimator",)
        return ("object",)

    def read_content(self, content, path, reader):
        """Return a `Node` of the object, which is not built yet."""
        return reader.read_object(content, path, self.names)

    def describe(self):
        """Return the kind in words."""
        return f"one of {', '.join(self.names)}"
