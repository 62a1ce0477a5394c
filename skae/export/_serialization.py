"""Conversion of fitted estimators to JSON and arrays, and back without running any stored code."""

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

from skae.anomaly import ReconstructionDetector
from skae.autoencoders._conv import ConvAutoencoder
from skae.autoencoders._dense import DenseAutoencoder
from skae.compression import LatentCodec
from skae.generation import LatentSampler
from skae.restoration import ImageRestorer

__all__ = ["SKAE_ESTIMATORS", "Reader", "Writer"]

SKAE_ESTIMATORS = (
    DenseAutoencoder,
    ConvAutoencoder,
    ImageRestorer,
    LatentCodec,
    LatentSampler,
    ReconstructionDetector,
)

SKLEARN_ESTIMATORS = (
    Pipeline,
    FrozenEstimator,
    StandardScaler,
    MinMaxScaler,
    PCA,
    GaussianMixture,
    NearestNeighbors,
)

ESTIMATORS = {class_.__name__: class_ for class_ in (*SKAE_ESTIMATORS, *SKLEARN_ESTIMATORS)}
"""Classes that can be saved, by name."""

NUMERIC_KINDS = "biuf"
"""NumPy's kinds of booleans, integers and floats."""

OBJECT_KINDS = "OU"
"""NumPy's kinds of objects and strings: such arrays are saved as JSON."""

MAX_ITEMSIZE = 8
"""Bytes of the largest number that safetensors supports."""


class Writer:
    """Conversion of values to JSON, with numeric arrays kept separately.

    Attributes
    ----------
    tensors : dict of ndarray
        Numeric arrays, by path of the value.
    paths : dict of str
        Paths of the saved estimators, by object id. An estimator in two places is saved once.
    """

    def __init__(self):
        self.tensors = {}
        self.paths = {}

    def write_estimator(self, estimator, path):
        """Convert an estimator to its class and state; `path` is empty for the outermost one."""
        if id(estimator) in self.paths:
            return {"same": self.paths[id(estimator)]}
        self.paths[id(estimator)] = path
        state = dict(estimator.__getstate__())
        state.pop("_versions", None)  # saved once for the whole file
        if isinstance(estimator, NearestNeighbors):
            # the tree is a C object, which `Reader` builds again from parameters and data
            state = {**estimator.get_params(), "data": estimator._fit_X}
        return {
            "class": type(estimator).__name__,
            "state": {
                name: self.write_value(value, _attribute_path(path, name))
                for name, value in state.items()
            },
        }

    def write_value(self, value, path):
        """Convert a value to JSON; types without a JSON counterpart become a tagged dict."""
        if value is None or isinstance(value, (bool, str)) or type(value) is int:
            return value
        if type(value) is float:
            return _write_float(value)
        if isinstance(value, (np.ndarray, np.generic)) and _is_supported(np.asarray(value).dtype):
            return self._write_array(value, path)
        if isinstance(value, (list, tuple)):
            return self._write_sequence(value, path)
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return {
                "dict": {
                    key: self.write_value(item, f"{path}[{key!r}]") for key, item in value.items()
                }
            }
        if isinstance(value, bytes):
            return {"bytes": value.hex()}
        if isinstance(value, np.dtype) and value.kind in NUMERIC_KINDS:
            return {"dtype": value.str}
        if type(value) in ESTIMATORS.values():
            return {"estimator": self.write_estimator(value, path)}
        if isinstance(value, type):
            if value is getattr(torch.optim, value.__name__, None):
                return {"torch.optim": value.__name__}
        elif _is_plain_class(type(value)):
            return self._write_object(value, path)
        raise TypeError(
            f"Got {path}={value!r}, but expected numbers, strings, arrays, lists and dicts of "
            f"these, or one of {', '.join(ESTIMATORS)}. Other values cannot be loaded without "
            "running code. Change the value with set_params, or use skops or pickle."
        )

    def _write_array(self, value, path):
        """Convert an array or a NumPy scalar."""
        tag = "scalar"
        if isinstance(value, np.ndarray):
            tag = "array"
        array = np.asarray(value)
        if array.dtype.kind in OBJECT_KINDS:
            return {tag: self.write_value(array.tolist(), path), "dtype": array.dtype.str}
        native = array.astype(array.dtype.newbyteorder("="))
        # ascontiguousarray makes a scalar one-dimensional
        self.tensors[path] = np.ascontiguousarray(native).reshape(array.shape)
        return {tag: path}

    def _write_sequence(self, value, path):
        """Convert a list or a tuple."""
        items = [self.write_value(item, f"{path}[{i}]") for i, item in enumerate(value)]
        if type(value) is list:
            return items
        return {"tuple": items}

    def _write_object(self, value, path):
        """Convert an object of a plain class of skae to its class and attributes."""
        class_ = type(value)
        return {
            "object": f"{class_.__module__}.{class_.__qualname__}",
            "state": {
                name: self.write_value(item, f"{path}.{name}") for name, item in vars(value).items()
            },
        }


class Reader:
    """Conversion of the output of a `Writer` to the original values.

    Parameters
    ----------
    tensors : dict of ndarray
        Attribute `tensors` of the writer.
    """

    def __init__(self, tensors):
        self.tensors = tensors
        self.estimators = {}

    def read_estimator(self, content, path):
        """Build an estimator from its class and state; `path` is empty for the outermost one."""
        if "same" in content:
            return self.estimators[content["same"]]
        class_ = ESTIMATORS[content["class"]]
        state = {
            name: self.read_value(value, _attribute_path(path, name))
            for name, value in content["state"].items()
        }
        if class_ is NearestNeighbors:
            data = state.pop("data")
            estimator = NearestNeighbors(**state).fit(data)
        else:
            _check_state(class_, state)
            estimator = class_.__new__(class_)
            estimator.__setstate__(state)
        self.estimators[path] = estimator
        return estimator

    def read_value(self, content, path):
        """Convert JSON to the original value."""
        if isinstance(content, list):
            return [self.read_value(item, f"{path}[{i}]") for i, item in enumerate(content)]
        if not isinstance(content, dict):
            return content
        tag, inner = next(iter(content.items()))
        if tag == "array":
            return self._read_array(content, inner, path)
        if tag == "scalar":
            return self._read_array(content, inner, path)[()]
        if tag == "tuple":
            return tuple(self.read_value(inner, path))
        if tag == "dict":
            return {key: self.read_value(item, f"{path}[{key!r}]") for key, item in inner.items()}
        if tag == "object":
            state = {
                name: self.read_value(item, f"{path}.{name}")
                for name, item in content["state"].items()
            }
            return _build_object(inner, state)
        if tag == "estimator":
            return self.read_estimator(inner, path)
        if tag in SIMPLE_TYPES:
            return SIMPLE_TYPES[tag](inner)
        raise ValueError(f"Unknown kind of value {tag!r}.")

    def _read_array(self, content, inner, path):
        """Return a numeric array, or build an array of strings or objects."""
        if "dtype" not in content:
            return self.tensors[inner]
        dtype = content["dtype"]
        if np.dtype(dtype).kind not in OBJECT_KINDS:
            raise ValueError(f"Got an array of dtype {dtype!r}, but expected strings or objects.")
        return np.array(self.read_value(inner, path), dtype=dtype)


def _attribute_path(path, name):
    """Return the path of an attribute of the estimator at `path`."""
    if not path:
        return name
    return f"{path}.{name}"


def _is_supported(dtype):
    """Return whether arrays of a dtype can be saved."""
    if dtype.kind in OBJECT_KINDS:
        return True
    return dtype.kind in NUMERIC_KINDS and dtype.itemsize <= MAX_ITEMSIZE


def _write_float(value):
    """Convert a float; infinity and NaN, which JSON does not have, are tagged."""
    if math.isfinite(value):
        return value
    return {"float": repr(value)}


def _read_optimizer(name):
    """Return an optimizer class of torch.optim."""
    class_ = getattr(torch.optim, name)
    if not (isinstance(class_, type) and issubclass(class_, torch.optim.Optimizer)):
        raise ValueError(f"torch.optim has no optimizer {name!r}.")
    return class_


def _read_dtype(name):
    """Return a numeric dtype."""
    dtype = np.dtype(name)
    if dtype.kind not in NUMERIC_KINDS:
        raise ValueError(f"Got dtype {name!r}, but expected a numeric dtype.")
    return dtype


SIMPLE_TYPES = {
    "float": float,
    "bytes": bytes.fromhex,
    "dtype": _read_dtype,
    "torch.optim": _read_optimizer,
}
"""Functions that convert a string to a value, by tag."""


def _is_plain_class(class_):
    """Return whether a class belongs to skae and its objects consist of attributes only."""
    if class_.__module__.split(".")[0] != "skae" or issubclass(class_, torch.nn.Module):
        return False
    return (
        class_.__getstate__ is object.__getstate__
        and class_.__new__ is object.__new__
        and not hasattr(class_, "__slots__")
    )


def _build_object(name, state):
    """Build an object of a plain class of skae from its attributes."""
    module, _, class_name = name.rpartition(".")
    if module.split(".")[0] != "skae":
        raise ValueError(f"The class {name!r} is not part of skae.")
    class_ = getattr(importlib.import_module(module), class_name)
    if not isinstance(class_, type) or class_.__module__ != module or not _is_plain_class(class_):
        raise ValueError(f"Objects of {name!r} cannot be loaded from a file.")
    if not _matches_attributes(class_, state):
        raise ValueError(f"The saved attributes are not those of {class_name}.")
    result = class_.__new__(class_)
    vars(result).update(state)
    return result


def _matches_attributes(class_, state):
    """Return whether a state has the names of a dataclass's fields.

    Other classes accept all names that do not replace a method or class attribute.
    """
    if dataclasses.is_dataclass(class_):
        return {field.name for field in dataclasses.fields(class_)} == set(state)
    return not any(hasattr(class_, name) for name in state)


def _check_state(class_, state):
    """Check the state of an estimator before any memory is allocated for its network."""
    parameters = set(inspect.signature(class_).parameters)
    attributes = set(state) - parameters
    if any(hasattr(class_, name) for name in attributes) or not parameters <= set(state):
        raise ValueError(f"The saved attributes are not those of {class_.__name__}.")
    if "_weights" not in state:
        return
    with torch.device("meta"):
        network = class_._network_class(**state["_spec"].network.options())
    expected = {name: tuple(weight.shape) for name, weight in network.state_dict().items()}
    if expected != {name: weight.shape for name, weight in state["_weights"].items()}:
        raise ValueError("The saved weights do not match the saved network options.")
