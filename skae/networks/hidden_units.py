"""Hidden units: normalization, activation and dropout between the layers of a network."""

import math
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn

from skae.networks.layers import ACTIVATIONS, LayerNorm, Linear

__all__ = ["Dropout", "HiddenUnits", "mlp", "noise_from", "reset_activations"]

_generator: ContextVar[torch.Generator | None] = ContextVar("generator", default=None)


@contextmanager
def noise_from(generator):
    """Draw the masks of dropout from a generator within the block.

    Parameters
    ----------
    generator : torch.Generator or None
        Random number generator on the CPU. If None, no unit is dropped.
    """
    token = _generator.set(generator)
    try:
        yield
    finally:
        _generator.reset(token)


class Dropout(nn.Module):
    """Dropout with masks of skae's generator: none in evaluation, and outside of `noise_from`.

    Parameters
    ----------
    probability : float
        Probability that a unit, or a whole map, is set to zero. Others are divided by one minus
        the probability.
    of_maps : bool, default=False
        Whether units are maps (..., c, h, w), which are dropped as a whole.
    """

    def __init__(self, probability, of_maps=False):
        super().__init__()
        self.probability = probability
        self.of_maps = of_maps

    @torch.compiler.disable
    def forward(self, x):
        """Set some units of x to zero."""
        generator = _generator.get()
        if not self.training or generator is None:
            return x
        shape = x.shape
        if self.of_maps:
            shape = (*x.shape[:-2], 1, 1)
        kept = torch.rand(shape, generator=generator) >= self.probability
        return x * (kept.to(x.device, x.dtype) / (1 - self.probability))


@dataclass(frozen=True)
class HiddenUnits:
    """Choice of hidden units, which builds the modules after linear and convolutional layers.

    Attributes
    ----------
    activation : str or type
        A key of `ACTIVATIONS`, or a class of modules without required arguments.
    normalization : {"layer"} or None
        Normalization before the activation.
    dropout : float
        Probability of dropout after the activation.
    """

    activation: str | type = "gelu"
    normalization: str | None = None
    dropout: float = 0.0

    @property
    def is_static(self):
        """Whether the units have operations of skae or torch alone, and draw no numbers."""
        module = "torch"
        if not isinstance(self.activation, str):
            module = self.activation.__module__
        return self.dropout == 0 and module.partition(".")[0] == "torch"

    @property
    def is_stackable(self):
        """Whether stacked networks can share the module of the activation."""
        if isinstance(self.activation, str):
            return True
        with torch.random.fork_rng(devices=[]):  # the activation may draw weights
            return has_stackable_results(self.activation())

    def make(self, n_units, of_maps=False):
        """Create the module of one layer; without normalization and dropout, the activation."""
        modules = [make_activation(self.activation)]
        if self.normalization is not None:
            modules.insert(0, LayerNorm(n_units, of_maps))
        if self.dropout:
            modules.append(Dropout(self.dropout, of_maps))
        if len(modules) == 1:
            return modules[0]
        return nn.Sequential(*modules)


def make_activation(activation):
    """Create the module of an activation, from its word or its class."""
    if isinstance(activation, str):
        activation = ACTIVATIONS[activation]
    return activation()


def has_stackable_results(module):
    """Return whether a module without state maps stacked samples as it maps each of them."""
    if any(True for _ in module.parameters()) or any(True for _ in module.buffers()):
        return False
    for shape in ((2, 3, 4), (2, 3, 4, 5, 5)):  # rows, and maps of images
        x = torch.linspace(-3, 3, math.prod(shape)).reshape(shape)
        try:
            with torch.inference_mode():
                expected = torch.stack([module(one) for one in x])
                results = module(x)
        except (IndexError, RuntimeError, ValueError):
            return False
        if not torch.allclose(results, expected):
            return False
    return True


def reset_activations(network, activation):
    """Create the modules of an activation class in a network again, which may draw weights."""
    if isinstance(activation, str):
        return
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if type(child) is activation:
                setattr(parent, name, activation())


def mlp(sizes, units):
    """Build linear layers with hidden units after each layer but the last.

    Parameters
    ----------
    sizes : sequence of int
        Widths from the input to the output.
    units : HiddenUnits
        Modules between the layers.

    Returns
    -------
    layers : torch.nn.Sequential
        ``len(sizes) - 1`` linear layers.
    """
    layers = []
    for n_inputs, n_outputs in pairwise(sizes):
        layers += [Linear(n_inputs, n_outputs), units.make(n_outputs)]
    return nn.Sequential(*layers[:-1])
