"""Layers of networks: standardization, stackable layers and initialization."""

import copy
import math
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import nn
from torch.nn import functional

__all__ = [
    "ACTIVATIONS",
    "OWN_MODULES",
    "Conv2d",
    "LayerNorm",
    "Linear",
    "Standardize",
    "double_products",
    "initialize_weights",
    "product",
    "squash",
    "stack_networks",
    "to_device",
    "trained_tensors",
    "widen",
]

OWN_MODULES = ("encoder", "decoder")
"""Names of the user's modules in a network."""

ACTIVATIONS = {
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "identity": nn.Identity,
}
"""The activations by name."""


EPSILON = 1e-5
"""Added to variances that divide, as in torch."""

MAX_PINNED_BYTES = 2**24
"""Largest tensor that is copied through page-locked memory, which torch keeps for later copies."""


def to_device(values, device):
    """Move a tensor to a device; small copies from the CPU to CUDA don't wait for earlier kernels.

    Parameters
    ----------
    values : torch.Tensor
        On any device.
    device : torch.device or str
        Device of the result.

    Returns
    -------
    values : torch.Tensor
        The same tensor if it is on the device.
    """
    is_upload = values.device.type == "cpu" and torch.device(device).type == "cuda"
    if is_upload and values.nbytes <= MAX_PINNED_BYTES:
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)


_double_products = ContextVar("double_products", default=False)


@contextmanager
def double_products(enabled=True):
    """Compute matrix products in float64, and round their results to float32.

    The order of summation in a float32 product depends on the number of samples, the alignment of
    the operands and the processor. In float64 the difference vanishes when the result is rounded.
    The result of a sample is then independent of the other samples of the call. Convolutions of
    eight or more images have a fixed order of summation.

    Parameters
    ----------
    enabled : bool, default=True
        If False, the block has no effect.
    """
    token = _double_products.set(enabled or _double_products.get())
    try:
        yield
    finally:
        _double_products.reset(token)


def widen(x):
    """Return x as float64 in a block of `double_products`, and x itself elsewhere."""
    if not torch.compiler.is_compiling() and _double_products.get():
        return x.double()
    return x


def product(x, matrix):
    """Return ``x @ matrix`` in the dtype of x; a block of `double_products` uses float64."""
    wide = widen(x)
    if wide is x:
        return x @ matrix
    return (wide @ matrix.double()).to(x.dtype)


class Standardize(nn.Module):
    """Centering per feature and division by a scale, from any real dtype to float32.

    All features have one common scale, unless `set_feature_scale` is called.

    The mean is stored as the sum of three float32 numbers, which hold all digits of a float64 on
    every device. It is subtracted in the dtype of X, *before* the cast to float32. A time stamp of
    1,700,000,000 seconds keeps its digits, which a float32 can't hold.

    Parameters
    ----------
    n_features : int
        Number of columns of X.

    Attributes
    ----------
    mean : torch.Tensor of shape (3, n_features)
        Three summands of the mean, the largest first.
    scale : torch.Tensor of shape ()
        The scale, in units of X, or in units of `feature_scale`.
    feature_scale : torch.Tensor of shape (n_features,) or None
        Unit of each feature, in units of X. None: the features have one unit.
    """

    def __init__(self, n_features):
        super().__init__()
        self.register_buffer("mean", torch.zeros(3, n_features))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("feature_scale", None)

    def set_feature_scale(self, feature_scale):
        """Set the unit of each feature, a tensor of shape (n_features,)."""
        self.feature_scale = feature_scale.to(self.scale)

    def set(self, reference, shift, scale):
        """Set the mean and the scale.

        Parameters
        ----------
        reference : torch.Tensor of shape (n_features,)
            A sample near the mean, in the dtype of X.
        shift : torch.Tensor of shape (n_features,)
            The mean minus `reference`, float64.
        scale : float
            The scale, in units of X.
        """
        high = reference.float()
        # an int64 minus its float32 is an exact integer
        rest = (reference - high.to(reference.dtype)).double() + shift
        middle = rest.float()
        low = (rest - middle.double()).float()
        self.mean.copy_(torch.stack([high, middle, low]))
        self.scale.fill_(scale)

    def forward(self, x, dtype=torch.float32):
        """Center and scale samples.

        Parameters
        ----------
        x : torch.Tensor of shape (n_samples, n_features)
            Samples of any real dtype. int64 and float64 are centered on their own device.
        dtype : torch.dtype, default=torch.float32
            float64 keeps all digits of the deviations from the mean.

        Returns
        -------
        x : torch.Tensor of shape (n_samples, n_features)
            On the device of this module.
        """
        high, middle, low = self.mean.to(x.device)
        if x.dtype == torch.int64:
            whole = high.double().round().long()
            x = (x - whole).double() - ((high.double() - whole) + middle + low)
        elif x.dtype == torch.float64:
            x = (x - high).sub_(middle.double()).sub_(low.double())
        else:
            x = (x.float() - high).sub_(middle)
        return x.div_(self._divisor(x.device, x.dtype)).to(self.scale.device, dtype)

    def _divisor(self, device, dtype):
        """Return the scale of deviations from the mean in units of X, one or one per feature."""
        scale = self.scale.to(device, dtype)
        if self.feature_scale is None:
            return scale
        return scale * self.feature_scale.to(device, dtype)

    def precise(self, x):
        """Center and scale samples, in float64 if X has more digits than float32."""
        is_wide = x.dtype in (torch.int64, torch.float64) and self.scale.device.type != "mps"
        return self(x, torch.float64 if is_wide else torch.float32)

    @property
    def relative_mean(self):
        """Mean of each feature minus the mean of all features, in standardized units, (d,)."""
        mean = self.mean.cpu().double().sum(0)  # MPS has no float64
        relative = (mean - mean.mean()) / self._divisor(mean.device, mean.dtype)
        return relative.to(self.scale)

    def inverse(self, x, dtype=torch.float32):
        """Return standardized samples in units of X, in float32 or float64."""
        if dtype == torch.float32:
            return x * self._divisor(x.device, x.dtype) + self.mean[0] + self.mean[1]
        if x.device.type == "mps":  # which has no float64
            x = x.cpu()
        high, middle, low = self.mean.to(x.device).double()
        return x.double() * self._divisor(x.device, torch.float64) + low + middle + high


class Linear(nn.Linear):
    """A linear layer for one network, or for several networks with stacked weights."""

    def forward(self, x):
        """Map (b, in) to (b, out); stacked, map (n_networks, b, in) to (n_networks, b, out)."""
        if self.weight.ndim == 3:
            return self._forward_stacked(x)
        x = widen(x)
        if x.dtype != torch.float64:
            return super().forward(x)
        bias = self.bias
        if bias is not None:
            bias = bias.double()
        return functional.linear(x, self.weight.double(), bias).float()

    def _forward_stacked(self, x):
        """Map (n_networks, b, in) to (n_networks, b, out)."""
        if self.bias is None:
            return torch.bmm(x, self.weight.mT)
        return torch.baddbmm(self.bias.unsqueeze(1), x, self.weight.mT)


class Conv2d(nn.Conv2d):
    """A convolution for one network, or for several networks with stacked weights."""

    def forward(self, x):
        """Map (b, c, h, w) to (b, c', h', w'); stacked, with a first dimension for the networks."""
        if self.weight.ndim == 4:
            return super().forward(x)
        biases = self.bias
        if biases is None:
            biases = [None] * len(self.weight)
        # a loop, since one grouped convolution for all networks is slower on the CPU
        results = []
        # patches have their channels last, which the copies of unbind and stack would change
        for images, weight, bias in zip(x.movedim(-3, -1), self.weight, biases, strict=True):
            maps = self._conv_forward(images.movedim(-1, -3), weight, bias)
            results.append(maps.movedim(-3, -1))
        return torch.stack(results).movedim(-1, -3)


class LayerNorm(nn.Module):
    """Layer normalization for one network, or for several networks with stacked weights.

    Each sample has mean 0 and variance 1 over its units, or over all values of its maps, before a
    scale and a shift of each unit or map.

    Parameters
    ----------
    n_units : int
        Number of units or maps.
    of_maps : bool, default=False
        Whether units are maps (..., c, h, w).
    """

    def __init__(self, n_units, of_maps=False):
        super().__init__()
        self.of_maps = of_maps
        self.weight = nn.Parameter(torch.ones(n_units))
        self.bias = nn.Parameter(torch.zeros(n_units))

    def forward(self, x):
        """Normalize units (..., n_units), or maps (..., n_units, h, w)."""
        wide = widen(x.float())
        weight, bias = self.weight, self.bias
        shape = x.shape[-1:]
        if weight.ndim == 2:  # stacked, (n_networks, n_units)
            weight, bias = weight.unsqueeze(1), bias.unsqueeze(1)
        if self.of_maps:
            weight, bias = weight[..., None, None], bias[..., None, None]
            shape = x.shape[-3:]
        normalized = functional.layer_norm(wide, shape, eps=EPSILON)
        return (normalized * weight + bias).to(x.dtype)


def stack_networks(networks):
    """Stack networks of one architecture, so that one step trains all of them.

    Parameters
    ----------
    networks : list of torch.nn.Module
        Networks of the layers of this file.

    Returns
    -------
    network : torch.nn.Module
        Maps samples of shape (n_networks, b, ...). Names of weights do not change.
    """
    stacked = copy.deepcopy(networks[0])
    stacked.channels_last = False  # a memory format for four dimensions
    each_modules = [network.modules() for network in networks]
    for module, *originals in zip(stacked.modules(), *each_modules, strict=True):
        for name, _ in list(module.named_parameters(recurse=False)):
            values = [getattr(original, name).detach() for original in originals]
            stack = torch.stack(values)
            if isinstance(module, Linear) and name == "weight":
                stack = stack.mT.contiguous().mT  # the layout of gradients, which else are copied
            module._parameters[name] = nn.Parameter(stack)
        for name, _ in list(module.named_buffers(recurse=False)):
            values = [getattr(original, name).detach() for original in originals]
            module._buffers[name] = torch.stack(values)
    return stacked


def trained_tensors(network):
    """Return the tensors that training changes, by name.

    Parameters
    ----------
    network : torch.nn.Module
        A network, or a stack of networks.

    Returns
    -------
    tensors : dict of str to torch.Tensor
        All parameters, and the buffers of the user's modules, such as running statistics.
    """
    tensors = dict(network.named_parameters())
    for name in OWN_MODULES:
        module = getattr(network, name, None)
        if module is not None:
            tensors |= module.state_dict(keep_vars=True, prefix=f"{name}.")
    return tensors


@torch.no_grad()
def initialize_weights(module, generator):
    """Sample all weights from a uniform distribution of variance 1 / fan_in, and set biases to 0.

    The weights of normalization are 1.

    Parameters
    ----------
    module : torch.nn.Module
        Module of linear and convolutional layers, changed in place.
    generator : torch.Generator
        Random number generator on the CPU, so that weights are the same for every device.
    """
    for layer in module.modules():
        if isinstance(layer, (Linear, Conv2d)):
            fan_in = layer.weight[0].numel()
            uniform = torch.rand(layer.weight.shape, generator=generator) * 2 - 1
            layer.weight.copy_(uniform * math.sqrt(3 / fan_in))
            if layer.bias is not None:
                layer.bias.zero_()
        elif isinstance(layer, LayerNorm):
            layer.weight.fill_(1)
            layer.bias.zero_()


def squash(x, width):
    """Return ``width * tanh(x / width)``: the identity near zero, bounded by `width`.

    The nonlinear residuals get squashed inputs, so that their effect on outliers is bounded.
    """
    return width * torch.tanh(x / width)
