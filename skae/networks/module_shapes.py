"""Shapes of the outputs of a user's encoder and decoder, measured by a forward pass."""

import math
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from skae.networks.own_modules import short_name

__all__ = [
    "N_PROBED",
    "ModuleShapes",
    "as_sample",
    "measure_shapes",
    "random_samples",
    "split_output",
    "to_samples",
]

N_PROBED = 5
"""Samples of the forward pass that measures shapes. Few layers have 5 channels, which would be
taken for the samples."""

MAX_SHOWN_LAYERS = 8
"""Most layers that a message lists with the shapes of their outputs."""


@dataclass(frozen=True)
class ModuleShapes:
    """Shapes of an encoder and a decoder, measured by a forward pass.

    Attributes
    ----------
    code_shape : tuple of int
        Shape of the encoder's output for one sample, of which the decoder gets the same.
    returns_log_variance : bool
        Whether the encoder returns a pair of mean and log-variance.
    n_held : int
        Most values of one sample in the output of a layer.
    is_deterministic : bool
        Whether two passes in evaluation mode are equal.
    """

    code_shape: tuple
    returns_log_variance: bool
    n_held: int
    is_deterministic: bool


def to_samples(x, sample_shape, axis, module_shape):
    """Return rows in the shape of the modules' input.

    Parameters
    ----------
    x : torch.Tensor of shape (b, d)
        Rows.
    sample_shape : tuple of int
        Shape of one sample in X.
    axis : int or None
        Axis of `sample_shape` that becomes the first axis. None: the axes keep their order.
    module_shape : tuple of int
        Shape of one sample as the modules get it.
    """
    x = x.unflatten(1, sample_shape)
    if axis not in (None, 0):
        x = x.movedim(axis + 1, 1)
    return x.flatten(1).unflatten(1, module_shape)


def split_output(output, role="encoder"):
    """Return the latent vectors of an encoder, and the log-variance or None.

    Parameters
    ----------
    output : torch.Tensor, or pair of torch.Tensor of equal shape
        Output of the encoder.
    """
    if isinstance(output, torch.Tensor):
        return output, None
    if isinstance(output, (tuple, list)) and len(output) == 2:
        mean, log_variance = output
        are_tensors = isinstance(mean, torch.Tensor) and isinstance(log_variance, torch.Tensor)
        if are_tensors and mean.shape == log_variance.shape:
            return mean, log_variance
    raise ValueError(
        f"Got {_describe(output)} from {role}, but expected a tensor, or a pair (mean, "
        "log_variance) of tensors of equal shape for bottleneck='variational'."
    )


def _describe(output):
    """Return the type of an output, and the shapes of tensors in it."""
    if isinstance(output, torch.Tensor):
        return f"a tensor of shape {tuple(output.shape)}"
    if isinstance(output, (tuple, list)):
        return f"a {type(output).__name__} of {', '.join(_describe(one) for one in output)}"
    return type(output).__name__


def as_sample(output, sample_shape):
    """Return the output of a decoder in the shape of samples, or None if its shape is another.

    Flat outputs, and axes of length 1 more or less than those of a sample, are accepted.

    Parameters
    ----------
    output : torch.Tensor of shape (b, ...)
        Output of the decoder.
    sample_shape : tuple of int
        Shape of one sample.
    """
    shape = tuple(output.shape[1:])
    if shape == sample_shape:
        return output
    is_flat = shape == (math.prod(sample_shape),)
    has_equal_axes = [n for n in shape if n != 1] == [n for n in sample_shape if n != 1]
    if is_flat or has_equal_axes:
        return output.flatten(1).unflatten(1, sample_shape)
    return None


@torch.no_grad()
def measure_shapes(encoder, make_decoder, x, n_components, sources):
    """Apply an encoder and a decoder to samples, and check the shapes of their outputs.

    Lazy modules of torch get their parameters here.

    Parameters
    ----------
    encoder : torch.nn.Module
        On the CPU. It is in evaluation mode afterwards.
    make_decoder : callable
        Function of the number of latent dimensions that returns the decoder.
    x : torch.Tensor of shape (N_PROBED, ...)
        Samples.
    n_components : int or None
        Number of latent dimensions; None accepts any.
    sources : dict
        Encoder and decoder as the user set them, for messages.

    Returns
    -------
    decoder : torch.nn.Module
        In evaluation mode.
    shapes : ModuleShapes
        The shapes.

    Raises
    ------
    ValueError
        If a layer fails, or an output has another shape than expected. The message names the layer.
    """
    sample_shape = tuple(x.shape[1:])
    names = {role: f"{role}={short_name(source)}" for role, source in sources.items()}
    output, n_encoder = _trace(encoder.eval(), x, names["encoder"], "samples")
    z, log_variance = split_output(output, names["encoder"])
    code_shape = tuple(z.shape[1:])
    k = math.prod(code_shape)
    if z.ndim < 2 or len(z) != N_PROBED or k == 0:
        raise ValueError(
            f"Got {names['encoder']}, whose output for {N_PROBED} samples has shape "
            f"{tuple(z.shape)}, but expected the samples as the first axis: (n, n_components)."
            f"{_image_hint(sample_shape)}"
        )
    if n_components is not None and k != n_components:
        raise ValueError(
            f"Got {names['encoder']}, whose output for one sample has shape {code_shape}, which "
            f"are {k} latent dimensions, but n_components={n_components}. Set n_components={k} or "
            f"'auto', or change the last layer."
        )
    again, _ = split_output(encoder(x))
    records = []
    decoder = make_decoder(k).eval()
    x_hat, n_decoder = _trace(decoder, z, names["decoder"], "latent vectors", records)
    _check_decoded(x_hat, sample_shape, code_shape, names["decoder"], records)
    shapes = ModuleShapes(
        code_shape,
        log_variance is not None,
        max(n_encoder, n_decoder),
        bool(torch.equal(z, again)),
    )
    return decoder, shapes


def random_samples(shape):
    """Return standard normal samples of a shape, such as that of the modules' input."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(N_PROBED, *shape, generator=generator)


def _check_decoded(x_hat, sample_shape, code_shape, name, records):
    """Raise a ValueError if the output of a decoder does not have the shape of samples."""
    is_tensor = isinstance(x_hat, torch.Tensor) and x_hat.ndim > 1 and len(x_hat) == N_PROBED
    if is_tensor and as_sample(x_hat, sample_shape) is not None:
        return
    if not is_tensor:
        raise ValueError(
            f"Got {name}, which returned {_describe(x_hat)} for {N_PROBED} latent vectors, but "
            f"expected a tensor of shape (n, {_axes(sample_shape)})."
        )
    shape = tuple(x_hat.shape[1:])
    difference = ""
    if len(shape) == len(sample_shape):
        parts = [
            f"{abs(found - expected)} too {'many' if found > expected else 'few'} in axis {axis}"
            for axis, (found, expected) in enumerate(zip(shape, sample_shape, strict=True), 1)
            if found != expected
        ]
        difference = f": {', '.join(parts)}"
    layers = "; ".join(
        f"{layer or 'forward'} {kind} ({_axes(out)})"
        for layer, kind, out in records[-MAX_SHOWN_LAYERS:]
    )
    raise ValueError(
        f"Got {name}, whose output for a latent vector of shape ({_axes(code_shape)}) has shape "
        f"({_axes(shape)}), but expected that of a sample, ({_axes(sample_shape)}){difference}. "
        f"Outputs of its layers: {layers}."
    )


def _axes(shape):
    return ", ".join(map(str, shape))


def _trace(module, x, name, what, records=None):
    """Apply a module, and name the layer if it fails.

    Parameters
    ----------
    module : torch.nn.Module
        Encoder or decoder.
    x : torch.Tensor of shape (b, ...)
        Input.
    name, what : str
        Names of module and input for the message.
    records : list, default=None
        Name, class and output shape of each layer without inner layers are appended.

    Returns
    -------
    output : object
        Output of the module.
    n_held : int
        Most values of one sample in the output of a layer.
    """
    stack = []
    sizes = [x[0].numel()]
    if records is None:
        records = []
    with _hooks(module, stack, sizes, records):
        try:
            output = module(x)
        except Exception as error:
            text = _failure(name, what, x, stack, records, error)
            raise ValueError(text + _hint(module, x, stack, error)) from error
    return output, max(sizes)


@contextmanager
def _hooks(module, stack, sizes, records):
    """Record the layers of a forward pass within a block."""
    handles = []

    def watch(layer_name, layer):
        is_leaf = not list(layer.children())

        def before(_, args):
            stack.append((layer_name, layer, args))

        def after(_, args, output):
            stack.pop()
            first = output
            if isinstance(output, (tuple, list)) and output:
                first = output[0]
            if isinstance(first, torch.Tensor) and first.ndim > 0:
                sizes.append(first[:1].numel())
                if is_leaf:
                    records.append((layer_name, type(layer).__name__, tuple(first.shape[1:])))

        handles.append(layer.register_forward_pre_hook(before))
        handles.append(layer.register_forward_hook(after))

    for layer_name, layer in module.named_modules():
        watch(layer_name, layer)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _image_hint(sample_shape):
    """Return advice for samples that may be images without an axis of channels."""
    if len(sample_shape) == 2:
        return " If samples are grayscale images, set sample_shape=(1, H, W)."
    if len(sample_shape) == 1:
        return " If rows are images, set sample_shape, such as (1, 28, 28)."
    return ""


def _hint(module, x, stack, error):
    """Return advice for frequent reasons of a failure, or an empty text."""
    dtypes = {one.dtype for one in module.parameters() if one.is_floating_point()}
    if dtypes - {torch.float32}:
        names = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in dtypes))
        return (
            f" Weights are {names}, but samples are float32: call .float() on the module. "
            "precision='bfloat16' trains it with products in bfloat16."
        )
    is_forward = len(stack) <= 1
    if is_forward and isinstance(error, TypeError) and "positional argument" in str(error):
        return (
            " It gets one tensor. Pass a mask or a second input as further columns or channels of "
            "X, and split the tensor in forward."
        )
    if not stack:
        return ""
    _, layer, args = stack[-1]
    if "Conv" in type(layer).__name__:
        return _image_hint(x.shape[1:])
    if isinstance(layer, torch.nn.Linear) and args and args[0].ndim > 1:
        return _linear_hint(layer, args[0].shape)
    return ""


def _linear_hint(layer, shape):
    """Return advice for a linear layer whose inputs have another number of values."""
    if shape[-1] == layer.in_features:
        return ""
    if math.prod(shape[1:]) == layer.in_features:
        return " Put nn.Flatten() before the layer."
    return f" Set in_features={shape[-1]} in the layer."


def _failure(name, what, x, stack, records, error):
    """Return the message of a layer that failed."""
    text = f"Got {name}, which fails for {what} of shape ({_axes(x.shape[1:])})"
    if len(stack) > 1:
        layer_name, layer, args = stack[-1]
        text += f" in its layer {layer_name}, {layer}"
        if args:
            text += f", with {_describe(args[0])}"
    elif records:
        layer_name, kind, shape = records[-1]
        text += f" in its forward, after the layer {layer_name}, {kind}, of output ({_axes(shape)})"
    return f"{text}: {str(error).rstrip('.')}."
