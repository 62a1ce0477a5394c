"""The parts of networks: centring, layers that can hold several copies of their weights, and how weights are drawn."""

import copy
import math
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

__all__ = [
    "ACTIVATIONS",
    "Centre",
    "Conv2d",
    "Linear",
    "conditional_means",
    "double_products",
    "initialise",
    "multilayer",
    "product",
    "squash",
    "stacked",
    "widened",
]

ACTIVATIONS = {
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "identity": nn.Identity,
}
"""What `activation` may be."""


_double_products = ContextVar("double_products", default=False)


@contextmanager
def double_products(enabled=True):
    """Compute matrix products in float64, and round their results to float32.

    How a float32 product is summed depends on the number of rows, on the alignment of its operands and on the processor. In
    float64 the difference vanishes when the result is rounded. So the result for a row does not depend on the other rows of
    a call. Convolutions need no such care: for eight images or more their sums have one order.

    Parameters
    ----------
    enabled : bool, default=True
        False leaves products as they are outside of the block.
    """
    token = _double_products.set(enabled or _double_products.get())
    try:
        yield
    finally:
        _double_products.reset(token)


def widened(x):
    """Return x as float64 in a block of `double_products`, and x itself elsewhere."""
    wanted = not torch.compiler.is_compiling() and _double_products.get()
    return x.double() if wanted else x


def product(x, matrix):
    """Return ``x @ matrix`` in the dtype of x, computed in float64 in a block of `double_products`."""
    wide = widened(x)
    if wide is x:
        return x @ matrix
    return (wide @ matrix.double()).to(x.dtype)


class Centre(nn.Module):
    """Take the mean away and divide by one number: rows in any dtype and unit become float32 of about unit size.

    The mean is kept as the sum of three float32 numbers, which holds all the digits of a float64 on every device. It is
    taken away in X's own precision, *before* the cast to float32: a time stamp of 1,700,000,000 seconds keeps its
    digits, which a float32 could not hold.

    Parameters
    ----------
    n_features : int
        Number of columns of X.

    Attributes
    ----------
    mean : torch.Tensor of shape (3, n_features)
        Three parts whose sum is the mean, the largest first.
    scale : torch.Tensor of shape ()
        In units of X.
    """

    def __init__(self, n_features):
        super().__init__()
        self.register_buffer("mean", torch.zeros(3, n_features))
        self.register_buffer("scale", torch.ones(()))

    def set(self, reference, shift, scale):
        """Take over a mean, and a scale.

        Parameters
        ----------
        reference : torch.Tensor of shape (n_features,)
            A row near the mean, in X's own precision.
        shift : torch.Tensor of shape (n_features,)
            The mean less `reference`, float64.
        scale : float
            In units of X.
        """
        high = reference.float()
        # an integer of 64 bits less its float32 is an exact integer; together the parts hold more digits than a float64
        rest = (reference - high.to(reference.dtype)).double() + shift
        middle = rest.float()
        self.mean.copy_(torch.stack([high, middle, (rest - middle.double()).float()]))
        self.scale.fill_(scale)

    def forward(self, x):
        """Centre and scale raw rows.

        Parameters
        ----------
        x : torch.Tensor of shape (n_samples, n_features)
            Any real dtype. Integers of 64 bits and float64 are centred where they are, and then moved.

        Returns
        -------
        x : torch.Tensor of shape (n_samples, n_features)
            float32, on this module's device.
        """
        high, middle, low = self.mean.to(x.device)
        if x.dtype == torch.int64:
            whole = high.double().round().long()
            x = (x - whole).double() - ((high.double() - whole) + middle + low)
        elif x.dtype == torch.float64:
            x = (x - high).sub_(middle.double()).sub_(low.double())
        else:
            x = (x.float() - high).sub_(middle)
        return x.div_(self.scale.to(x.device, x.dtype)).to(self.scale.device, torch.float32)

    def inverse(self, x):
        """Give back X's units, as float32."""
        return x * self.scale + self.mean[0] + self.mean[1]


class Linear(nn.Linear):
    """A linear layer that can also hold the weights of several copies of a network, stacked along a first dimension."""

    def forward(self, x):
        """Map (b, in) to (b, out), or for copies (copies, b, in) to (copies, b, out)."""
        if self.weight.ndim == 2:
            x = widened(x)
            if x.dtype != torch.float64:
                return super().forward(x)
            bias = None if self.bias is None else self.bias.double()
            return functional.linear(x, self.weight.double(), bias).float()
        if self.bias is None:
            return torch.bmm(x, self.weight.mT)
        return torch.baddbmm(self.bias.unsqueeze(1), x, self.weight.mT)


class Conv2d(nn.Conv2d):
    """A convolution that can also hold the weights of several copies of a network, stacked along a first dimension."""

    def forward(self, x):
        """Map (b, c, h, w) to (b, c', h', w'), or for copies with a dimension for them in front."""
        if self.weight.ndim == 4:
            return super().forward(x)
        # one after the other: grouped convolutions, which would take all at once, are slower on the CPU
        biases = [None] * len(self.weight) if self.bias is None else self.bias
        each = zip(x, self.weight, biases, strict=True)
        return torch.stack([self._conv_forward(one, weight, bias) for one, weight, bias in each])


def stacked(networks):
    """Stack networks that are alike but for their numbers, so that a step is one step for all of them.

    Parameters
    ----------
    networks : list of torch.nn.Module
        Whose layers are those of this file.

    Returns
    -------
    network : torch.nn.Module
        Takes rows of shape (n_networks, b, ...). Weights have the names that they had.
    """
    together = copy.deepcopy(networks[0])
    together.channels_last = False  # a memory format for four dimensions
    for parts in zip(*(network.modules() for network in [together, *networks]), strict=True):
        for kind in ("_parameters", "_buffers"):
            for name, value in getattr(parts[0], kind).items():
                if value is not None:
                    pile = torch.stack([getattr(part, kind)[name].detach() for part in parts[1:]])
                    getattr(parts[0], kind)[name] = nn.Parameter(pile) if kind == "_parameters" else pile
    return together


def multilayer(sizes, activation):
    """Build linear layers with an activation between each two, none at the end.

    Parameters
    ----------
    sizes : sequence of int
        Widths from the input to the output.
    activation : str
        A key of `ACTIVATIONS`.

    Returns
    -------
    layers : torch.nn.Sequential
        ``len(sizes) - 1`` linear layers.
    """
    layers = []
    for before, after in pairwise(sizes):
        layers += [Linear(before, after), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])


@torch.no_grad()
def initialise(module, generator):
    """Draw the weights of every linear and convolutional layer with a variance of 1 / fan_in; biases are zero.

    Parameters
    ----------
    module : torch.nn.Module
        Changed in place.
    generator : torch.Generator
        Where the numbers come from, on the CPU, so that they are the same for every device.
    """
    for part in module.modules():
        if isinstance(part, (Linear, Conv2d)):
            fan_in = part.weight[0].numel()
            drawn = torch.rand(part.weight.shape, generator=generator) * 2 - 1
            part.weight.copy_(drawn * math.sqrt(3 / fan_in))
            if part.bias is not None:
                part.bias.zero_()


def squash(x, width):
    """Keep what is near zero and bend the rest smoothly to at most `width` either way.

    The correction to the linear maps sees its input through this, so that a row far from all others gets no more than a
    bounded correction.
    """
    return width * torch.tanh(x / width)


SOLVING_STEPS = 10
"""Of conjugate gradients: more change nothing."""


def conditional_means(x, precision):
    """Find what a normal distribution about zero expects in the gaps of rows.

    Parameters
    ----------
    x : torch.Tensor of shape (..., n_samples, n_features)
        Rows about the mean, NaN in the gaps.
    precision : torch.Tensor of shape (..., n_features, n_features)
        The inverse of the covariance.

    Returns
    -------
    expected : torch.Tensor of the shape of x
        Zero where there is no gap. In the gaps ``precision @ (row + expected)`` is zero: a linear system for each row. They are
        solved by conjugate gradients, whose products of whole batches take less time than a factorisation for each row.
    """
    gaps = x.isnan().to(x.dtype)
    units = precision.diagonal(dim1=-2, dim2=-1).rsqrt().unsqueeze(-2)  # (..., 1, d)
    linked = precision * units * units.mT  # with a diagonal of ones
    left = -((x.nan_to_num(0.0) / units) @ linked) * gaps
    expected, way, size = torch.zeros_like(x), left, left.square().sum(-1, keepdim=True)
    for _ in range(min(SOLVING_STEPS, x.shape[-1])):
        turned = (way @ linked) * gaps
        length = size / (way * turned).sum(-1, keepdim=True).clamp(min=1e-30)
        expected = expected + length * way
        left = left - length * turned
        before, size = size, left.square().sum(-1, keepdim=True)
        way = left + size / before.clamp(min=1e-30) * way
    return expected * units
