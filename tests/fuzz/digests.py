"""Digests of fitted estimators and of arguments."""

import hashlib
import types

import numpy as np
import torch

__all__ = ["digest"]


def _update(hasher, value, seen):
    """Add a value to a hash, with all that it refers to."""
    hasher.update(type(value).__qualname__.encode())
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes, np.generic)):
        hasher.update(repr(value).encode())
        return
    if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType, np.dtype)):
        hasher.update(str(value).encode())
        return
    if id(value) in seen:
        hasher.update(b"seen")
        return
    seen[id(value)] = value
    if isinstance(value, np.ndarray) and value.dtype.kind != "O":
        hasher.update(f"{value.dtype} {value.shape} {value.flags.writeable}".encode())
        hasher.update(np.ascontiguousarray(value).tobytes())
        if isinstance(value, np.ma.MaskedArray):
            hasher.update(np.ma.getmaskarray(value).tobytes())
    elif isinstance(value, np.ndarray):
        hasher.update(str(value.shape).encode())
        for item in value.flat:
            _update(hasher, item, seen)
    elif isinstance(value, torch.Tensor):
        _update_tensor(hasher, value)
    elif isinstance(value, torch.nn.Module):
        hasher.update(str([name for name, _ in value.named_modules()]).encode())
        hasher.update(str([module.training for module in value.modules()]).encode())
        for name, tensor in value.state_dict().items():
            hasher.update(name.encode())
            _update_tensor(hasher, tensor)
    elif isinstance(value, torch.Generator):
        _update_tensor(hasher, value.get_state())
    elif isinstance(value, np.random.RandomState):
        _update(hasher, value.get_state(), {})
    elif isinstance(value, dict):
        for key, item in value.items():
            _update(hasher, key, seen)
            _update(hasher, item, seen)
    elif type(value).__module__.startswith("pandas") and hasattr(value, "axes"):
        _update(hasher, [str(value.dtypes), list(value.axes)[-1].tolist()], seen)
        _update(hasher, value.to_numpy(dtype=object), seen)
    elif type(value).__module__.startswith("polars") and hasattr(value, "get_columns"):
        hasher.update(str(value.schema).encode())
        for column in value.get_columns():
            if str(column.dtype) != "Object":  # polars panics at objects in lists
                _update(hasher, column.to_list(), seen)
    elif type(value).__module__.startswith(("pandas", "polars")):
        hasher.update(type(value).__name__.encode())
    elif type(value).__module__.startswith("scipy"):  # which caches properties of sparse arrays
        _update(hasher, value.toarray(), seen)
    elif hasattr(value, "getbands"):  # an image of PIL
        _update(hasher, [value.mode, value.size, value.tobytes()], seen)
    elif isinstance(value, (list, tuple)):
        hasher.update(str(len(value)).encode())
        for item in value:
            _update(hasher, item, seen)
    elif hasattr(value, "__dict__") and not isinstance(value, types.ModuleType):
        for name in sorted(vars(value)):
            hasher.update(name.encode())
            _update(hasher, vars(value)[name], seen)


def _update_tensor(hasher, tensor):
    """Add dtype, shape, flags and bytes of a tensor."""
    is_plain = type(tensor) in (torch.Tensor, torch.nn.Parameter)
    if not is_plain or tensor.is_nested:  # MaskedTensor, and tensors without a shape
        hasher.update(repr(tensor).encode())
        return
    flags = (tensor.dtype, tuple(tensor.shape), tensor.requires_grad, tensor.grad is None)
    hasher.update(str(flags).encode())
    if (
        tensor.is_meta
        or tensor.layout != torch.strided
        or tensor.is_quantized
        or not tensor.numel()
    ):
        return
    tensor = tensor.detach().resolve_neg().resolve_conj().contiguous()
    hasher.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())


def digest(value):
    """Return a hash of a value: parameters, attributes, arrays, tensors, weights and generators.

    Iterators are hashed by their type.
    """
    hasher = hashlib.blake2b()
    _update(hasher, value, {})
    return hasher.digest()
