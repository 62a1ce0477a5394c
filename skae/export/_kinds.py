"""Kinds of values in files: their types and bounds, and how they are read from JSON.

Types without a counterpart in JSON are a dict with one key, the tag:

==================  ========================================  =======================
tag                 value                                     read as
==================  ========================================  =======================
``array``           its path in the file                      numeric array
``scalar``          its path in the file                      NumPy scalar
``float``           ``"nan"``, ``"inf"`` or ``"-inf"``        float
``tuple``           list                                      tuple
``dict``            object                                    dict
``bytes``           hexadecimal text                          bytes
``dtype``           name                                      NumPy dtype
``torch.optim``     name                                      class of torch.optim, or of
                                                              another module of torch
``strings``         list of strings                           array of strings
``objects``         list of strings                           array of dtype object
``object``          class and state                           object of skae
``estimator``       class and state, or an earlier path       estimator
==================  ========================================  =======================
"""

import math
import re
import reprlib
from dataclasses import dataclass

import numpy as np
import torch

__all__ = [
    "DTYPES",
    "MAX_TEXT",
    "OPTIMIZERS",
    "SCHEDULERS",
    "TORCH_ACTIVATIONS",
    "TORCH_CLASSES",
    "Boolean",
    "Bytes",
    "Dtype",
    "Int",
    "Kind",
    "Null",
    "Real",
    "Text",
    "TorchClass",
    "Word",
    "mismatch",
    "tag_of",
]

OPTIMIZERS = {
    optimizer.__name__: optimizer
    for optimizer in (
        torch.optim.ASGD,
        torch.optim.Adadelta,
        torch.optim.Adafactor,
        torch.optim.Adagrad,
        torch.optim.Adam,
        torch.optim.AdamW,
        torch.optim.Adamax,
        torch.optim.LBFGS,
        torch.optim.NAdam,
        torch.optim.RAdam,
        torch.optim.RMSprop,
        torch.optim.Rprop,
        torch.optim.SGD,
    )
}
"""Optimizers that a file can name."""

SCHEDULERS = {
    name: getattr(torch.optim.lr_scheduler, name)
    for name in (
        "ConstantLR",
        "CosineAnnealingLR",
        "LinearLR",
        "OneCycleLR",
        "PolynomialLR",
        "ReduceLROnPlateau",
    )
}
"""Schedules of the learning rate that a file can name: those without required arguments."""

TORCH_ACTIVATIONS = {
    name: getattr(torch.nn, name)
    for name in (
        "CELU",
        "ELU",
        "GELU",
        "Hardshrink",
        "Hardsigmoid",
        "Hardswish",
        "Hardtanh",
        "Identity",
        "LeakyReLU",
        "LogSigmoid",
        "Mish",
        "PReLU",
        "ReLU",
        "ReLU6",
        "SELU",
        "SiLU",
        "Sigmoid",
        "Softplus",
        "Softshrink",
        "Softsign",
        "Tanh",
        "Tanhshrink",
    )
}
"""Activations that a file can name."""

TORCH_CLASSES = {
    "torch.optim": OPTIMIZERS,
    "torch.optim.lr_scheduler": SCHEDULERS,
    "torch.nn": TORCH_ACTIVATIONS,
}
"""Classes of torch that a file can name, by tag."""

DTYPES = {
    np.dtype(name).str: np.dtype(name)
    for name in (
        "bool",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "float16",
        "float32",
        "float64",
    )
}
"""Dtypes that a file can name."""

NON_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}

MAX_INT = 2**64
"""Maximum magnitude of an int, so that it can be used as a float."""

MAX_TEXT = 1000
"""Maximum number of characters of a name: of columns, classes and steps of a pipeline."""


def mismatch(path, content, expected):
    """Return the error for a value that is not of its declared kind."""
    return ValueError(f"Got {path}={reprlib.repr(content)}, but expected {expected}.")


def tag_of(content):
    """Return the name of the JSON type of a value, or its tag."""
    if isinstance(content, dict):
        if len(content) != 1:
            return "no tag"
        return next(iter(content))
    return type(content).__name__


class Kind:
    """A kind of values.

    Attributes
    ----------
    tags : tuple of str
        JSON types and tags that values of this kind have in a file.
    """

    tags: tuple[str, ...] = ()

    def accepts(self, content):
        """Return whether a value has one of the tags of this kind."""
        return tag_of(content) in self.tags

    def read(self, content, path, reader):
        """Return the value, or raise a ValueError if it is not of this kind.

        Parameters
        ----------
        content : object
            Parsed JSON.
        path : str
            Path of the value, for messages and for arrays.
        reader : Reader
            Arrays of the file, sizes, and the budget of memory.
        """
        if not self.accepts(content):
            raise mismatch(path, content, self.describe())
        if isinstance(content, dict):
            content = next(iter(content.values()))
        return self.read_content(content, path, reader)

    def read_content(self, content, path, reader):
        """Return the value of accepted content, without its tag."""
        raise NotImplementedError(f"{type(self).__name__} does not implement read_content.")

    def describe(self):
        """Return the kind in words."""
        return " or ".join(self.tags)


class Null(Kind):
    """None."""

    tags = ("NoneType",)

    def read_content(self, content, path, reader):
        """Return None."""

    def describe(self):
        """Return the kind in words."""
        return "None"


@dataclass(frozen=True)
class Boolean(Kind):
    """A boolean of Python or NumPy."""

    tags = ("bool", "scalar")

    def read(self, content, path, reader):
        """Return the boolean."""
        if isinstance(content, bool):
            return content
        value = reader.read_scalar(content, path)
        if not isinstance(value, np.bool_):
            raise mismatch(path, content, "a boolean")
        return value


@dataclass(frozen=True)
class Int(Kind):
    """An int of Python or NumPy within bounds; `size` names a dimension that it is equal to."""

    low: int = 0
    high: int = 2**53
    size: str = ""
    tags = ("int", "scalar")

    def read(self, content, path, reader):
        """Return the int."""
        value = content
        if type(content) is not int:
            value = reader.read_scalar(content, path)
        is_int = type(value) is int or isinstance(value, np.integer)
        if not is_int or not self.low <= value <= self.high:
            raise mismatch(path, content, self.describe())
        if self.size:
            reader.check_size(self.size, int(value), path)
        return value

    def describe(self):
        """Return the kind in words."""
        return f"an int from {self.low} to {self.high}"


@dataclass(frozen=True)
class Real(Kind):
    """A number of Python or NumPy within bounds, or above `above`."""

    low: float = -math.inf
    high: float = math.inf
    above: float = -math.inf
    finite: bool = True
    tags = ("int", "float", "scalar")

    def read(self, content, path, reader):
        """Return the number."""
        value = content
        if isinstance(content, dict) and tag_of(content) == "float":
            value = NON_FINITE.get(content["float"] if type(content["float"]) is str else "")
        elif type(content) not in (int, float):
            value = reader.read_scalar(content, path)
        if type(value) not in (int, float) and not isinstance(value, (np.integer, np.floating)):
            raise mismatch(path, content, self.describe())
        is_finite = bool(abs(value) < math.inf)
        if self.finite or is_finite:
            within = self.low <= value <= self.high and value > self.above
            is_huge = type(value) is int and abs(value) > MAX_INT
            if not is_finite or not within or is_huge:
                raise mismatch(path, content, self.describe())
        return value

    def describe(self):
        """Return the kind in words."""
        if self.above > self.low:
            return f"a number above {self.above}, up to {self.high}"
        return f"a number from {self.low} to {self.high}"


class Word(Kind):
    """One of some words."""

    tags = ("str",)

    def __init__(self, *words):
        self.words = words

    def read_content(self, content, path, reader):
        """Return the word."""
        if content not in self.words:
            raise mismatch(path, content, self.describe())
        return content

    def describe(self):
        """Return the kind in words."""
        return f"one of {self.words}"


@dataclass(frozen=True)
class Text(Kind):
    """A text of bounded length that matches a pattern as a whole."""

    max_length: int = MAX_TEXT
    pattern: str = r"[^\x00]*"
    tags = ("str",)

    def read_content(self, content, path, reader):
        """Return the text."""
        too_long = len(content) > self.max_length
        if too_long or not re.fullmatch(self.pattern, content, re.DOTALL):
            raise mismatch(path, content, self.describe())
        reader.charge(len(content), path)
        return content

    def describe(self):
        """Return the kind in words."""
        return f"a text of at most {self.max_length} characters like {self.pattern}"


@dataclass(frozen=True)
class Bytes(Kind):
    """A fixed number of bytes."""

    length: int
    tags = ("bytes",)

    def read_content(self, content, path, reader):
        """Return the bytes."""
        is_text = isinstance(content, str) and len(content) == 2 * self.length
        if not is_text or not re.fullmatch("[0-9a-f]*", content):
            raise mismatch(path, content, f"{self.length} bytes")
        return bytes.fromhex(content)


class Dtype(Kind):
    """A numeric dtype of NumPy."""

    tags = ("dtype",)

    def read_content(self, content, path, reader):
        """Return the dtype."""
        if not isinstance(content, str) or content not in DTYPES:
            raise mismatch(path, content, f"one of {tuple(DTYPES)}")
        return DTYPES[content]


class TorchClass(Kind):
    """A class of a module of torch, a key of `TORCH_CLASSES`."""

    def __init__(self, tag):
        self.tags = (tag,)
        self.classes = TORCH_CLASSES[tag]

    def read_content(self, content, path, reader):
        """Return the class."""
        if not isinstance(content, str) or content not in self.classes:
            raise mismatch(path, content, f"one of {tuple(self.classes)}")
        return self.classes[content]
