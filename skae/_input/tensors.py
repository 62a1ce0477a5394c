"""Tensors of any kind: conversion to a dense tensor with data, in a dtype with full arithmetic."""

import torch

from skae._input.cells import check_no_units, refuse

__all__ = ["plain_tensor"]

PLAIN_DTYPES = (
    torch.float32,
    torch.float64,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
)
"""Real dtypes with all operations."""

WIDER_INTEGERS = {torch.uint16: torch.int32, torch.uint32: torch.int64}
"""Unsigned dtypes, for which torch has few operations, and dtypes that contain their values."""

MAX_INTEGER = 2**62
"""Bound from which integers become float64: the difference of two of them may exceed int64."""


def plain_tensor(X, name="X"):
    """Convert a tensor to a plain one: dense, real, with data, and without gradients.

    Parameters
    ----------
    X : torch.Tensor
        Any tensor, also quantized, of a subclass, or with masked values.
    name : str, default="X"
        Name of X in messages.

    Returns
    -------
    X : torch.Tensor
        On the same device. Masked values are NaN. bool, float16, bfloat16, float8 and quantized
        dtypes become float32, unsigned integers signed ones.

    Raises
    ------
    ValueError
        For complex numbers, nested tensors, and tensors without data.
    TypeError
        For sparse tensors, and dtypes without numbers.
    """
    X = _without_subclass(X, name)
    if X.requires_grad:
        X = X.detach()
    if X.layout != torch.strided or X.is_nested:
        raise _layout_error(X, name)
    if X.device.type == "meta":
        raise ValueError(
            f"Got {name} as a tensor of shape {tuple(X.shape)} on the device 'meta', which has no "
            "data. Pass a tensor with values."
        )
    if X.is_complex():
        raise refuse("complex numbers", name, "", f" (a tensor of dtype {X.dtype})")
    if X.dtype not in PLAIN_DTYPES:
        X = _in_plain_dtype(X, name)
    return X.resolve_neg()


def _without_subclass(X, name):
    """Convert a tensor of a subclass to a torch.Tensor."""
    if type(X) is torch.Tensor:
        return X
    check_no_units(X, name)
    if hasattr(X, "get_mask") and hasattr(X, "get_data"):  # torch.masked
        data = plain_tensor(X.get_data(), name)
        mask = X.get_mask()
        if mask.all():
            return data
        if not data.is_floating_point():
            data = data.double()
        return data.masked_fill(~mask, torch.nan)
    if hasattr(X, "fake_mode"):
        raise ValueError(
            f"Got {name} as a FakeTensor of shape {tuple(X.shape)}, which has no data. Pass a "
            "tensor with values."
        )
    if X.is_nested:
        raise _layout_error(X, name)
    return X.detach().as_subclass(torch.Tensor)


def _layout_error(X, name):
    """Return the error for sparse and nested tensors."""
    if X.is_nested:
        return ValueError(
            f"Got {name} as a nested tensor, whose samples may differ in shape, but expected a "
            "dense tensor. Bring samples to one shape, or convert it with "
            "torch.nested.to_padded_tensor."
        )
    return TypeError(
        f"Got {name} as a sparse tensor of layout {X.layout}, but expected a dense tensor. Convert "
        "it with X.to_dense()."
    )


def _in_plain_dtype(X, name):
    """Convert a real tensor to a dtype of `PLAIN_DTYPES`."""
    if X.is_quantized:
        return X.dequantize()
    if X.dtype in WIDER_INTEGERS:
        return X.to(WIDER_INTEGERS[X.dtype])
    if X.dtype == torch.uint64:
        as_double = X.double()
        if X.numel() and float(as_double.max()) >= MAX_INTEGER:
            return as_double
        return X.long()
    is_float = X.is_floating_point() and "float4" not in str(X.dtype)
    if X.dtype == torch.bool or is_float:
        return X.float()
    raise TypeError(
        f"Got {name} as a tensor of dtype {X.dtype}, which torch can't compute with, but expected "
        "real numbers. Convert it to float32."
    )
