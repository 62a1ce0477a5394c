"""One safetensors file for a fitted autoencoder: arrays as tensors, all else as JSON beside them."""

import hashlib
import inspect
import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

import skae
from skae._conv import ConvAutoencoder
from skae._dense import DenseAutoencoder
from skae._layout import Layout
from skae._targets import Targets

__all__ = ["load", "save"]

FORMAT = 1
"""Goes up when an older skae could not read what is written."""

DAMAGE = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What reading nonsense may raise."""


def save(estimator: BaseEstimator, path: str | Path) -> None:
    """Write a fitted autoencoder into one safetensors file.

    What is written is what is pickled: parameters, fitted numbers and arrays, the recorded shape of the network, and its
    weights. No training data, no optimizer, and nothing that would have to be run to be read.

    Parameters
    ----------
    estimator : DenseAutoencoder or ConvAutoencoder
        Fitted.
    path : str or pathlib.Path
        Of the file; one that is there is replaced.

    Raises
    ------
    TypeError
        If `estimator` is of another class, or a parameter is neither a number, a string, an array nor made of such: a function
        as `corruption`, callbacks, a ``RandomState``. As `solver`, classes of ``torch.optim`` itself are kept by name.
    sklearn.exceptions.NotFittedError
        If it is not fitted.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_digits
    >>> from skae import DenseAutoencoder
    >>> from skae.export import load, save
    >>> X = load_digits().data
    >>> autoencoder = DenseAutoencoder(8, max_iter=5, random_state=0).fit(X)
    >>> with TemporaryDirectory() as folder:
    ...     save(autoencoder, Path(folder) / "digits.safetensors")
    ...     again = load(Path(folder) / "digits.safetensors")
    >>> bool((again.transform(X) == autoencoder.transform(X)).all())
    True
    """
    write = _safetensors().save
    if type(estimator) not in (DenseAutoencoder, ConvAutoencoder):
        raise TypeError(
            f"Got {estimator!r}, but expected a fitted DenseAutoencoder or ConvAutoencoder; a pipeline can be pickled."
        )
    check_is_fitted(estimator)
    tensors = {}
    state = {name: _plain(value, name, tensors) for name, value in estimator.__getstate__().items()}
    head = {"format": FORMAT, "class": type(estimator).__name__, "versions": _versions(), "state": state}
    text = json.dumps(head, allow_nan=False)
    Path(path).write_bytes(write(tensors, {"skae": text, "sha256": _digest(text, tensors)}))


def load(path: str | Path) -> Any:
    """Read what `save` wrote. Nothing in the file is run.

    Parameters
    ----------
    path : str or pathlib.Path
        Of the file.

    Returns
    -------
    estimator : DenseAutoencoder or ConvAutoencoder
        Fitted. If the device that it names is not there, the CPU is used, with a warning. A warning also names both versions
        of skae, scikit-learn or torch where they differ by more than the last number.

    Raises
    ------
    ValueError
        If the file is damaged, changed, of a newer format, or not written by `save`. The checksum finds accidents, not
        forgers; from them nothing worse is to be had than wrong numbers.
    """
    safetensors = _safetensors()
    data = Path(path).read_bytes()
    try:
        tensors = safetensors.load(data)
        size = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + size])["__metadata__"]
        text, digest = metadata["skae"], metadata["sha256"]
        found = json.loads(text)
        newer = int(found["format"])
    except Exception as error:  # safetensors has exceptions of its own for what is no such file
        raise ValueError(f"Got {path}, but expected a whole file that skae.export.save wrote.") from error
    if newer > FORMAT:
        raise ValueError(
            f"Got {path} in format {newer}, written by skae {found.get('versions', {}).get('skae')}, but skae "
            f"{skae.__version__} expected a format of at most {FORMAT}: use a newer skae."
        )
    if digest != _digest(text, tensors):
        raise ValueError(f"Got {path}, but expected one that was not changed: its checksum is not that of its contents.")
    try:
        cls = {"DenseAutoencoder": DenseAutoencoder, "ConvAutoencoder": ConvAutoencoder}[found["class"]]
        state = {name: _value(value, tensors) for name, value in found["state"].items()}
        _check_state(cls, state)
        _compare(found["versions"])
        estimator = cls.__new__(cls)
        estimator.__setstate__(state)
    except DAMAGE as error:
        raise ValueError(f"Got {path}, but expected what skae.export.save writes: {error}") from error
    return estimator


def _check_state(cls, state):
    """Refuse a state that is not one of this class, before memory is taken for it."""
    parameters = set(inspect.signature(cls).parameters)
    foreign = [name for name in state if name not in parameters and hasattr(cls, name)]
    if foreign or not parameters <= set(state):
        raise ValueError(f"Its attributes are not those of {cls.__name__}.")
    with torch.device("meta"):
        expected = cls._network_class(**state["_spec"]["network"]).state_dict()
    expected = {name: tuple(weight.shape) for name, weight in expected.items()}
    if expected != {name: weight.shape for name, weight in state["_weights"].items()}:
        raise ValueError("Its weights are not those of the network that it describes.")


def _plain(value, name, tensors):
    """Turn a value into what JSON holds; arrays go to `tensors`, and what has no type in JSON gets one by name."""
    if value is None or isinstance(value, (bool, str)) or type(value) is int:
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, (np.ndarray, np.generic)):
        kind = "array" if isinstance(value, np.ndarray) else "scalar"
        array = np.asarray(value)
        if array.dtype.kind in "OU":
            return {kind: [_plain(one, name, tensors) for one in array.tolist()], "dtype": array.dtype.str}
        if array.dtype.kind in "biuf" and array.dtype.itemsize <= 8:
            tensors[name] = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="))).reshape(array.shape)
            return {kind: name}
    if isinstance(value, (list, tuple)):
        parts = [_plain(one, f"{name}[{i}]", tensors) for i, one in enumerate(value)]
        return parts if type(value) is list else {"tuple": parts}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _plain(one, f"{name}[{key!r}]", tensors) for key, one in value.items()}}
    if isinstance(value, (Layout, Targets)):
        return {type(value).__name__: {key: _plain(one, f"{name}.{key}", tensors) for key, one in vars(value).items()}}
    if isinstance(value, type) and value is getattr(torch.optim, value.__name__, None):
        return {"torch.optim": value.__name__}
    raise TypeError(
        f"Got {name}={value!r}, but expected numbers, strings, arrays, or lists and dicts of them: nothing else can be read "
        "without running code. Change it by set_params, or use pickle."
    )


def _value(plain, tensors):
    """Turn what JSON held into the value that it was."""
    if isinstance(plain, list):
        return [_value(one, tensors) for one in plain]
    if not isinstance(plain, dict):
        return plain
    kind = next(iter(plain))
    inner = plain[kind]
    if kind in ("array", "scalar"):
        array = _words(inner, plain["dtype"], tensors) if "dtype" in plain else tensors[inner]
        return array if kind == "array" else array[()]
    if kind == "float":
        return float(inner)
    if kind == "tuple":
        return tuple(_value(inner, tensors))
    if kind == "torch.optim":
        found = getattr(torch.optim, inner)
        if not (isinstance(found, type) and issubclass(found, torch.optim.Optimizer)):
            raise ValueError(f"torch.optim has no optimizer {inner!r}.")
        return found
    values = {key: _value(one, tensors) for key, one in inner.items()}
    if kind == "dict":
        return values
    if kind == "Layout":
        return Layout(**values)
    if kind == "Targets":
        targets = Targets.__new__(Targets)
        vars(targets).update({key: values[key] for key in ("classes", "means", "scales", "share")})
        return targets
    raise ValueError(f"It has a value of the unknown kind {kind!r}.")


def _words(values, dtype, tensors):
    """Make an array of strings, or of objects."""
    if np.dtype(dtype).kind not in "OU":
        raise ValueError(f"It has an array of dtype {dtype!r}.")
    return np.array(_value(values, tensors), dtype=dtype)


def _digest(text, tensors):
    """Compute the checksum of all that a file says."""
    found = hashlib.sha256(text.encode())
    for name, array in sorted(tensors.items()):
        found.update(f"{name} {array.dtype.str} {array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def _versions():
    """Give the versions that matter."""
    return {"skae": skae.__version__, "scikit-learn": sklearn.__version__, "torch": torch.__version__.split("+")[0]}


def _compare(versions):
    """Warn where versions differ by more than the last number."""
    for name, now in _versions().items():
        then = versions[name]
        if then.split(".")[:2] != now.split(".")[:2]:
            warnings.warn(
                f"This file was written with {name} {then}, and is read with {name} {now}: results may differ.", stacklevel=3
            )


def _safetensors():
    """Import the optional library."""
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError("skae.export.save and load need safetensors: pip install skae[safe].") from error
    return safetensors.numpy
