"""Values as JSON and arrays: what a fitted estimator holds can be written, and read again without running anything."""

import dataclasses
import importlib
import inspect
import math

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skae._conv import ConvAutoencoder
from skae._dense import DenseAutoencoder
from skae.anomaly import ReconstructionDetector
from skae.compression import LatentCodec
from skae.generation import LatentSampler
from skae.restoration import ImageRestorer

__all__ = ["OURS", "Reader", "Writer"]

OURS = (DenseAutoencoder, ConvAutoencoder, ImageRestorer, LatentCodec, LatentSampler, ReconstructionDetector)
THEIRS = (Pipeline, FrozenEstimator, StandardScaler, MinMaxScaler, PCA, GaussianMixture, NearestNeighbors)

ESTIMATORS = {class_.__name__: class_ for class_ in (*OURS, *THEIRS)}
"""What can be written: skae's own estimators, and those of scikit-learn that stand in them or around them."""


class Writer:
    """Turns values into what JSON holds, and collects their arrays.

    Attributes
    ----------
    tensors : dict of ndarray
        Numbers, by the place where they were found.
    """

    def __init__(self):
        self.tensors = {}
        self.written = {}  # an estimator that stands in two places is written once

    def estimator(self, estimator, name):
        """Give class and state of an estimator; `name` is its place, empty for the outermost."""
        if id(estimator) in self.written:
            return {"same": self.written[id(estimator)]}
        self.written[id(estimator)] = name
        state = dict(estimator.__getstate__())
        state.pop("_versions", None)  # they stand at the head of the file
        if isinstance(estimator, NearestNeighbors):
            # its tree is an object in C, which is built from parameters and data when it is read
            state = {**estimator.get_params(), "data": estimator._fit_X}
        prefix = f"{name}." if name else ""
        plain = {key: self.value(one, f"{prefix}{key}") for key, one in state.items()}
        return {"class": type(estimator).__name__, "state": plain}

    def value(self, value, name):
        """Turn a value into what JSON holds; what has no type in JSON gets one by name."""
        if value is None or isinstance(value, (bool, str)) or type(value) is int:
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"float": repr(value)}
        if isinstance(value, (np.ndarray, np.generic)):
            kind = "array" if isinstance(value, np.ndarray) else "scalar"
            array = np.asarray(value)
            if array.dtype.kind in "OU":
                return {kind: self.value(array.tolist(), name), "dtype": array.dtype.str}
            if array.dtype.kind in "biuf" and array.dtype.itemsize <= 8:
                self.tensors[name] = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="))).reshape(array.shape)
                return {kind: name}
        if isinstance(value, (list, tuple)):
            parts = [self.value(one, f"{name}[{i}]") for i, one in enumerate(value)]
            return parts if type(value) is list else {"tuple": parts}
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return {"dict": {key: self.value(one, f"{name}[{key!r}]") for key, one in value.items()}}
        if isinstance(value, bytes):
            return {"bytes": value.hex()}
        if isinstance(value, np.dtype) and value.kind in "biuf":
            return {"dtype": value.str}
        if type(value) in ESTIMATORS.values():
            return {"estimator": self.estimator(value, name)}
        if isinstance(value, type):
            if value is getattr(torch.optim, value.__name__, None):
                return {"torch.optim": value.__name__}
        elif _own(type(value)):
            kind = f"{type(value).__module__}.{type(value).__qualname__}"
            return {"object": kind, "state": {key: self.value(one, f"{name}.{key}") for key, one in vars(value).items()}}
        raise TypeError(
            f"Got {name}={value!r}, but expected numbers, strings, arrays, lists and dicts of them, or one of "
            f"{', '.join(ESTIMATORS)}: nothing else can be read without running code. Change it by set_params, or use skops or "
            "pickle."
        )


class Reader:
    """Turns what a `Writer` wrote into the values that they were.

    Parameters
    ----------
    tensors : dict of ndarray
        As the writer collected them.
    """

    def __init__(self, tensors):
        self.tensors = tensors
        self.read = {}

    def estimator(self, plain, name):
        """Build an estimator from its class and state."""
        if "same" in plain:
            return self.read[plain["same"]]
        class_ = ESTIMATORS[plain["class"]]
        prefix = f"{name}." if name else ""
        state = {key: self.value(one, f"{prefix}{key}") for key, one in plain["state"].items()}
        if class_ is NearestNeighbors:
            found = NearestNeighbors(**{key: one for key, one in state.items() if key != "data"}).fit(state["data"])
        else:
            _check_state(class_, state)
            found = class_.__new__(class_)
            found.__setstate__(state)
        self.read[name] = found
        return found

    def value(self, plain, name):
        """Turn what JSON held into the value that it was."""
        if isinstance(plain, list):
            return [self.value(one, f"{name}[{i}]") for i, one in enumerate(plain)]
        if not isinstance(plain, dict):
            return plain
        kind, inner = next(iter(plain.items()))
        if kind in ("array", "scalar"):
            array = self._words(inner, plain["dtype"], name) if "dtype" in plain else self.tensors[inner]
            return array if kind == "array" else array[()]
        if kind == "tuple":
            return tuple(self.value(inner, name))
        if kind == "dict":
            return {key: self.value(one, f"{name}[{key!r}]") for key, one in inner.items()}
        if kind == "object":
            return _made(inner, {key: self.value(one, f"{name}.{key}") for key, one in plain["state"].items()})
        if kind == "estimator":
            return self.estimator(inner, name)
        if kind in SIMPLE:
            return SIMPLE[kind](inner)
        raise ValueError(f"It has a value of the unknown kind {kind!r}.")

    def _words(self, values, dtype, name):
        """Make an array of strings, or of objects."""
        if np.dtype(dtype).kind not in "OU":
            raise ValueError(f"It has an array of dtype {dtype!r}.")
        return np.array(self.value(values, name), dtype=dtype)


def _optimizer(name):
    """Find a class of torch.optim."""
    found = getattr(torch.optim, name)
    if not (isinstance(found, type) and issubclass(found, torch.optim.Optimizer)):
        raise ValueError(f"torch.optim has no optimizer {name!r}.")
    return found


def _number_type(name):
    """Find a dtype of numbers."""
    found = np.dtype(name)
    if found.kind not in "biuf":
        raise ValueError(f"It has the dtype {name!r}.")
    return found


SIMPLE = {"float": float, "bytes": bytes.fromhex, "dtype": _number_type, "torch.optim": _optimizer}


def _own(class_):
    """Say whether this is a class of skae whose objects are nothing but their attributes: a record, a table."""
    plain = class_.__getstate__ is object.__getstate__ and class_.__new__ is object.__new__ and not hasattr(class_, "__slots__")
    return class_.__module__.split(".")[0] == "skae" and plain and not issubclass(class_, torch.nn.Module)


def _made(name, state):
    """Make an object of a class of skae's from its attributes."""
    module, _, class_name = name.rpartition(".")
    if module.split(".")[0] != "skae":
        raise ValueError(f"It has an object of the class {name!r}, which is none of skae's.")
    class_ = getattr(importlib.import_module(module), class_name)
    if not isinstance(class_, type) or class_.__module__ != module or not _own(class_):
        raise ValueError(f"It has an object of {name!r}, which is no class of records.")
    fields = {field.name for field in dataclasses.fields(class_)} if dataclasses.is_dataclass(class_) else None
    if any(hasattr(class_, key) for key in state) if fields is None else fields != set(state):
        raise ValueError(f"Its attributes are not those of {class_name}.")
    found = class_.__new__(class_)
    vars(found).update(state)
    return found


def _check_state(class_, state):
    """Refuse a state that is not one of this class, before memory is taken for it."""
    parameters = set(inspect.signature(class_).parameters)
    foreign = [name for name in state if name not in parameters and hasattr(class_, name)]
    if foreign or not parameters <= set(state):
        raise ValueError(f"Its attributes are not those of {class_.__name__}.")
    if "_weights" not in state:
        return
    with torch.device("meta"):
        expected = class_._network_class(**state["_spec"]["network"]).state_dict()
    expected = {name: tuple(weight.shape) for name, weight in expected.items()}
    if expected != {name: weight.shape for name, weight in state["_weights"].items()}:
        raise ValueError("Its weights are not those of the network that it describes.")
