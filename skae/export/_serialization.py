"""Conversion of fitted estimators to JSON and arrays, and back by the schema of files."""

import math
from dataclasses import dataclass, is_dataclass

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.neighbors import NearestNeighbors

from skae.export._fields import ClassSchema
from skae.export._kinds import DTYPES, TORCH_CLASSES, mismatch
from skae.export._schema import ESTIMATORS, OPTIONS, SCHEMA, SKLEARN_ESTIMATORS

__all__ = ["Node", "Reader", "Writer"]

NAMES = {schema.class_: name for name, schema in SCHEMA.items()}
"""Names of the classes that can be saved."""

NUMERIC_KINDS = "biuf"
"""NumPy's kinds of booleans, integers and floats."""

MAX_ITEMSIZE = 8
"""Bytes of the largest number that safetensors supports."""


class Writer:
    """Conversion of values to JSON, with numeric arrays kept separately.

    Attributes
    ----------
    arrays : dict of ndarray
        Numeric arrays, by path of the value.
    paths : dict of str
        Paths of the saved estimators, by object id. An estimator in two places is saved once.
    dropped : list of str
        Keys of `net_params` that are not saved, because they would reach a compiler.
    """

    def __init__(self):
        self.arrays = {}
        self.paths = {}
        self.dropped = []

    def write_estimator(self, estimator, path):
        """Convert an estimator to its class and state; `path` is empty for the outermost one."""
        if id(estimator) in self.paths:
            return {"same": self.paths[id(estimator)]}
        self.paths[id(estimator)] = path
        state = dict(estimator.__getstate__())
        state.pop("_versions", None)  # saved once for the whole file
        if isinstance(estimator, NearestNeighbors):
            # the tree is a C object, which `Reader` builds again from parameters and data
            state = estimator.get_params()
            if hasattr(estimator, "_fit_X"):
                state["data"] = estimator._fit_X
        if isinstance(state.get("net_params"), dict):
            state["net_params"] = self._without_compiler(state["net_params"])
        if "checkpoint_dir" in state:
            state["checkpoint_dir"] = None  # a path of this machine
        return {
            "class": type(estimator).__name__,
            "state": {
                name: self.write_value(value, _attribute_path(path, name))
                for name, value in state.items()
            },
        }

    def _without_compiler(self, net_params):
        """Return `net_params` without the options of torch.compile."""
        kept = {}
        for key, value in net_params.items():
            if str(key).split("__")[0] == "compile":
                self.dropped.append(key)
            else:
                kept[key] = value
        return kept

    def write_value(self, value, path):
        """Convert a value to JSON; types without a JSON counterpart become a tagged dict."""
        if value is None or isinstance(value, (bool, str)) or type(value) is int:
            return value
        if type(value) is float:
            return _write_float(value)
        if isinstance(value, (np.ndarray, np.generic)) and _is_supported(np.asarray(value)):
            return self._write_array(value, path)
        if type(value) is list:
            return [self.write_value(item, f"{path}[{i}]") for i, item in enumerate(value)]
        if isinstance(value, tuple):
            items = [self.write_value(item, f"{path}[{i}]") for i, item in enumerate(value)]
            return {"tuple": items}
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return {
                "dict": {
                    key: self.write_value(item, f"{path}[{key!r}]") for key, item in value.items()
                }
            }
        if isinstance(value, bytes):
            return {"bytes": value.hex()}
        if isinstance(value, np.dtype) and value.str in DTYPES:
            return {"dtype": value.str}
        for tag, classes in TORCH_CLASSES.items():
            if isinstance(value, type) and value in classes.values():
                return {tag: value.__name__}
        if type(value) in NAMES:
            return self._write_object(value, path)
        names = ", ".join([*ESTIMATORS, *SKLEARN_ESTIMATORS])
        raise TypeError(
            f"Got {path}={value!r}, but expected numbers, strings, arrays, lists and dicts of "
            f"these, an option of skae, or one of {names}. Other values cannot be loaded without "
            "running code. Change the value with set_params, or use skops or pickle."
        )

    def _write_array(self, value, path):
        """Convert an array or a NumPy scalar."""
        array = np.asarray(value)
        if array.dtype.kind == "U":
            return {"strings": array.tolist()}
        if array.dtype.kind == "O":
            return {"objects": array.tolist()}
        native = array.astype(array.dtype.newbyteorder("="))
        # ascontiguousarray makes a scalar one-dimensional
        self.arrays[path] = np.ascontiguousarray(native).reshape(array.shape)
        if isinstance(value, np.ndarray):
            return {"array": path}
        return {"scalar": path}

    def _write_object(self, value, path):
        """Convert an estimator, or another object of a class in the schema."""
        name = NAMES[type(value)]
        if isinstance(value, BaseEstimator) and name not in OPTIONS:
            return {"estimator": self.write_estimator(value, path)}
        state = {
            name: self.write_value(item, _attribute_path(path, name))
            for name, item in vars(value).items()
        }
        return {"object": {"class": name, "state": state}}


@dataclass(eq=False)
class Node:
    """An object of a file: read and checked, and not built.

    Attributes
    ----------
    name : str
        Name of the class in the schema.
    schema : ClassSchema
        Declaration of the class.
    path : str
        Path of the object.
    state : dict
        Parameters and attributes. Objects inside of it are nodes as well.
    """

    name: str
    schema: ClassSchema
    path: str
    state: dict

    @property
    def is_fitted(self):
        """Whether the object has the attributes of a fitted object."""
        return all(name in self.state for name in self.schema.fitted)


class Reader:
    """Conversion of the output of a `Writer` to the original values, by the schema.

    `read_outermost` reads and checks the values, and builds nothing. `build` builds the objects.

    Parameters
    ----------
    arrays : dict of ndarray
        Attribute `arrays` of the writer.
    max_bytes : float
        Maximum memory in bytes.
    """

    def __init__(self, arrays, max_bytes=math.inf):
        self.arrays = arrays
        self.max_bytes = max_bytes
        self.n_bytes = 0
        self.estimators = {}
        self._taken = set()
        self._sizes = [{}]
        self._nodes = []
        self._built = {}

    def read_outermost(self, content, names):
        """Read and check the outermost estimator, and return its `Node`."""
        node = self.read_object(content, "", names)
        unused = sorted(set(self.arrays) - self._taken)
        if unused:
            raise ValueError(f"Got the array {unused[0]!r:.80}, which belongs to no attribute.")
        for one in self._nodes:
            if one.schema.check is not None and one.is_fitted:
                one.schema.check(one, self)
        return node

    def charge(self, n_bytes, path):
        """Add up the memory, and raise a ValueError if it exceeds the maximum."""
        self.n_bytes += n_bytes
        if self.n_bytes > self.max_bytes:
            raise ValueError(
                f"Got {path or 'an estimator'}, which needs {self.n_bytes} bytes of memory with "
                f"all before it, but expected at most max_bytes={self.max_bytes}."
            )

    def check_size(self, name, size, path):
        """Check that a dimension has the same size everywhere in an object."""
        expected = self._sizes[-1].setdefault(name, size)
        if size != expected:
            raise ValueError(f"Got {path} of size {size}, but expected {expected}.")

    def take_array(self, name, path):
        """Return the array of a path. An array belongs to one value only."""
        if name != path or path not in self.arrays:
            raise mismatch(path, name, "the array of this path")
        array = self.arrays[path]
        if path not in self._taken:
            self._taken.add(path)
            self.charge(array.nbytes, path)
        return array

    def read_scalar(self, content, path):
        """Return a NumPy scalar."""
        if not isinstance(content, dict) or set(content) != {"scalar"}:
            raise mismatch(path, content, "a number")
        array = self.take_array(content["scalar"], path)
        if array.ndim:
            raise mismatch(path, array.shape, "a number")
        return array[()]

    def read_object(self, content, path, names):
        """Read the class and state of an object of one of the named classes.

        Returns
        -------
        node : Node
            The object. An estimator in two places is one node.
        """
        if not isinstance(content, dict):
            raise mismatch(path, content, "a class and its state")
        if set(content) == {"same"}:
            return self._read_same(content["same"], path, names)
        name, state = content.get("class"), content.get("state")
        if not isinstance(name, str) or name not in names:
            raise mismatch(f"{path} of class", name, f"one of {', '.join(names)}")
        if set(content) != {"class", "state"} or not isinstance(state, dict):
            raise mismatch(path, content, "a class and its state")
        schema = SCHEMA[name]
        kinds = {**schema.parameters, **schema.fitted, **schema.optional}
        _check_names(name, schema, set(state), kinds)
        self._sizes.append({})
        values = {
            attribute: kinds[attribute].read(value, _attribute_path(path, attribute), self)
            for attribute, value in state.items()
        }
        self._sizes.pop()
        node = Node(name, schema, path, values)
        self._nodes.append(node)
        self.estimators[path] = node
        return node

    def _read_same(self, place, path, names):
        """Return the node of an estimator that was read before."""
        node = None
        if isinstance(place, str):
            node = self.estimators.get(place)
        if node is None or node.name not in names:
            raise mismatch(path, place, "the path of an estimator before it")
        return node

    def build(self, value):
        """Build all objects in a value."""
        if isinstance(value, Node):
            if id(value) not in self._built:
                self._built[id(value)] = _build_object(
                    value.schema.class_, self._build_state(value)
                )
            return self._built[id(value)]
        if isinstance(value, (list, tuple)):
            return type(value)(self.build(item) for item in value)
        if isinstance(value, dict):
            return {key: self.build(item) for key, item in value.items()}
        return value

    def _build_state(self, node):
        """Build the state of an object."""
        return {name: self.build(value) for name, value in node.state.items()}


def _check_names(name, schema, names, known):
    """Check that a state has all parameters, all or no fitted attributes, and nothing else."""
    unknown = sorted(names - set(known))
    if unknown:
        raise ValueError(
            f"Got the attribute {unknown[0]!r:.80} of {name}, but expected only those that the "
            f"file format declares: {', '.join(known)}."
        )
    fitted = names - set(schema.parameters)
    missing = set(schema.parameters) - names
    if fitted & {*schema.fitted, *schema.optional} and not fitted <= set(ALWAYS_OPTIONAL):
        missing |= set(schema.fitted) - names
    if missing:
        raise ValueError(f"Got {name} without the attribute {min(missing)!r}.")


ALWAYS_OPTIONAL = ("_sklearn_output_config", "_sklearn_version")
"""Attributes of estimators that are not fitted."""


def _build_object(class_, state):
    """Build an object from its checked state."""
    if class_ is NearestNeighbors:
        data = state.pop("data", None)
        estimator = NearestNeighbors(**state)
        if data is None:
            return estimator
        return estimator.fit(data)
    if is_dataclass(class_) or NAMES[class_] in OPTIONS:
        return class_(**state)
    result = class_.__new__(class_)
    if isinstance(result, BaseEstimator):
        result.__setstate__(state)
    else:
        vars(result).update(state)
    return result


def _attribute_path(path, name):
    """Return the path of an attribute of the object at `path`."""
    if not path:
        return name
    return f"{path}.{name}"


def _is_supported(array):
    """Return whether an array can be saved: numbers, or strings in one dimension."""
    if array.dtype.kind == "U":
        return array.ndim == 1
    if array.dtype.kind == "O":
        return array.ndim == 1 and all(type(value) is str for value in array)
    return array.dtype.kind in NUMERIC_KINDS and array.dtype.itemsize <= MAX_ITEMSIZE


def _write_float(value):
    """Convert a float; infinity and NaN, which JSON does not have, are tagged."""
    if math.isfinite(value):
        return value
    return {"float": repr(value)}
