"""Values of checkpoints: plain values and arrays as JSON values and named arrays, and back."""

import math

import numpy as np
import torch

__all__ = ["NotSerializableError", "check_fields", "check_tensors", "pack_value", "unpack_value"]


class NotSerializableError(TypeError):
    """A value of the user, such as the state of a callback, that no checkpoint can hold."""


def pack_value(value, name, arrays):
    """Convert a value to JSON, with its arrays and tensors in a dict.

    Parameters
    ----------
    value : object
        None, booleans, numbers, strings, arrays and tensors of numbers, and lists, tuples and dicts
        of them.
    name : str
        Path of the value, which becomes the name of an array.
    arrays : dict of str to ndarray
        Arrays are added here.

    Returns
    -------
    content : object
        A JSON value.

    Raises
    ------
    NotSerializableError
        If the value is of another type.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        return {"float": repr(float(value))}
    if isinstance(value, torch.Tensor):
        if value.layout is not torch.strided or value.is_quantized:
            raise NotSerializableError(f"{name} is a tensor of {value.dtype} and {value.layout}")
        array = value.detach().cpu().contiguous()
        try:
            arrays[name] = array.numpy()
        except TypeError as error:  # such as bfloat16
            raise NotSerializableError(f"{name} is a tensor of {value.dtype}") from error
        return {"tensor": name}
    if isinstance(value, (np.ndarray, np.generic)):
        if value.dtype.kind not in "biuf" or value.dtype.itemsize > 8:
            raise NotSerializableError(f"{name} is an array of dtype {value.dtype}")
        arrays[name] = np.asarray(value, value.dtype.newbyteorder("="))
        return {"array" if isinstance(value, np.ndarray) else "scalar": name}
    if isinstance(value, (list, tuple)):
        items = [pack_value(item, f"{name}.{i}", arrays) for i, item in enumerate(value)]
        return items if isinstance(value, list) else {"tuple": items}
    if isinstance(value, dict):
        pairs = []
        for key, item in value.items():
            if not isinstance(key, (str, int)):
                raise NotSerializableError(f"{name} has the key {key!r}")
            pairs.append([key, pack_value(item, f"{name}.{key}", arrays)])
        return {"dict": pairs}
    raise NotSerializableError(f"{name} is of type {type(value).__name__}")


def unpack_value(content, arrays):
    """Convert a JSON value of `pack_value` back.

    Raises
    ------
    ValueError
        If the JSON value was not written by `pack_value`.
    """
    if isinstance(content, list):
        return [unpack_value(item, arrays) for item in content]
    if not isinstance(content, dict):
        return content
    if len(content) != 1:
        raise ValueError("Got an object of several kinds.")
    ((kind, inner),) = content.items()
    if kind == "float" and inner in ("nan", "inf", "-inf"):
        return float(inner)
    if kind in ("tensor", "array", "scalar") and isinstance(inner, str) and inner in arrays:
        array = arrays[inner]
        if kind == "tensor":
            return torch.from_numpy(np.array(array))
        return np.array(array) if kind == "array" else array[()]
    if kind == "tuple" and isinstance(inner, list):
        return tuple(unpack_value(item, arrays) for item in inner)
    if kind == "dict" and isinstance(inner, list):
        return {_checked_key(pair): unpack_value(pair[1], arrays) for pair in inner}
    raise ValueError(f"Got an object of the kind {kind!r:.40}.")


def _checked_key(pair):
    """Return the key of a pair of a packed dict."""
    if not isinstance(pair, list) or len(pair) != 2 or type(pair[0]) not in (str, int):
        raise ValueError("Got a dict without keys and values.")
    return pair[0]


def check_fields(content, fields, name):
    """Raise a ValueError unless a dict has exactly the declared fields, of the declared types.

    Parameters
    ----------
    content : object
        The dict.
    fields : dict of str to type or tuple of type
        Types by name.
    name : str
        Name of the dict, for messages.
    """
    if not isinstance(content, dict) or set(content) != set(fields):
        raise ValueError(f"Got {name} without its {len(fields)} fields, or with others.")
    for field, types in fields.items():
        value = content[field]
        if not isinstance(types, tuple):
            types = (types,)
        if type(value) not in types:
            raise ValueError(f"Got {name} with {field} of type {type(value).__name__}.")
        if isinstance(value, torch.Tensor) and not bool(torch.isfinite(value).all()):
            raise ValueError(f"Got {name} with {field} that is NaN or infinite.")


def check_tensors(tensors, expected):
    """Raise a ValueError if tensors differ from others in names, shapes or dtypes."""
    if set(tensors) != set(expected):
        raise ValueError("Got the weights of another network.")
    for name, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor):
            raise ValueError(f"Got {name} without values.")
        if tensor.shape != expected[name].shape or tensor.dtype != expected[name].dtype:
            raise ValueError(f"Got {name} of shape {tuple(tensor.shape)} and {tensor.dtype}.")
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"Got NaN or infinity in {name}.")
