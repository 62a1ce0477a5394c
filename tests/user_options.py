"""Options as users write them: a loss, a penalty, a bottleneck, a corruption, features, two functions."""

import math

import torch
from torch.nn import functional

from skae.bottlenecks import Bottleneck, BottleneckModule
from skae.corruptions import Corruption
from skae.features import FeatureModule, Features
from skae.losses import Loss
from skae.penalties import Penalty, PenaltyModule

__all__ = ["Channel", "LogCosh", "RowMeans", "Speckle", "ViewAgreement", "largest_error", "shrink"]


class LogCosh(Loss):
    """Logarithm of the hyperbolic cosine of an error: squared if small, and linear if large."""

    def elementwise(self, x_hat, x):
        """Compute the loss of each value."""
        error = x_hat - x
        return error + functional.softplus(-2 * error) - math.log(2)


class Projector(PenaltyModule):
    """Linear map from latent vectors to projections."""

    def __init__(self, n_components, width):
        super().__init__()
        self.linear = torch.nn.Linear(n_components, width)


class ViewAgreement(Penalty):
    """Projections of a sample and of a noisy view of the sample have the same direction.

    Parameters
    ----------
    weight : float, default=0.1
        Weight of the penalty.
    width : int, default=8
        Number of dimensions of a projection.
    noise : float, default=0.1
        Standard deviation of the noise.
    """

    def __init__(self, weight=0.1, width=8, noise=0.1):
        self.weight = weight
        self.width = width
        self.noise = noise

    def make_module(self, n_components):
        """Build the projector, which is trained with the network."""
        return Projector(n_components, self.width)

    def __call__(self, inputs):
        """Compute the penalty of each sample."""
        noise = torch.randn(inputs.samples.shape, generator=inputs.generator)
        view = inputs.encode(inputs.samples + self.noise * noise.to(inputs.samples.device))
        project = inputs.network.penalty.linear
        return 1 - functional.cosine_similarity(project(inputs.z), project(view))


class NoisyChannel(BottleneckModule):
    """Noise between encoder and decoder, and the number of nats that pass."""

    def __init__(self, noise):
        super().__init__()
        self.noise = noise

    def forward(self, z, hidden, generator):
        """Return the decoder's input, and the cost of each sample."""
        noise = torch.randn(z.shape, generator=generator).to(z.device)
        return z + self.noise * noise, torch.log1p((z / self.noise).square()).sum(-1) / 2


class Channel(Bottleneck):
    """A channel with Gaussian noise, and its capacity as cost.

    Parameters
    ----------
    noise : float, default=0.1
        Standard deviation of the noise.
    weight : float, default=0.01
        Weight of the nats per feature.
    """

    has_cost = True
    draws_noise = True

    def __init__(self, noise=0.1, weight=0.01):
        self.noise = noise
        self.weight = weight

    def make_module(self, n_components, n_hidden):
        """Build the module between encoder and decoder."""
        return NoisyChannel(self.noise)

    def fitted_attributes(self, network, chunks):
        """Return the nats of each latent dimension as `capacity_`."""
        power = torch.cat([network.latents(x).square() for x in chunks]).mean(0)
        return {"capacity_": (torch.log1p(power / self.noise**2) / 2).cpu().numpy()}


class Speckle(Corruption):
    """Noise in proportion to each value."""

    def __call__(self, x, generator):
        """Return corrupted samples."""
        noise = torch.randn(x.shape, generator=generator) * self.levels(x, generator)
        return x + x * noise.to(x.device)


def largest_error(x_hat, x):
    """Compute the largest absolute error of each sample, and a share of the mean."""
    errors = (x_hat - x).abs().flatten(1)
    return errors.amax(1) / 4 + errors.mean(1)


def shrink(x, generator):
    """Return samples multiplied by random factors."""
    factors = torch.rand(len(x), *[1] * (x.ndim - 1), generator=generator)
    return x * factors.to(x.device)


class MixedRowMeans(FeatureModule):
    """Tanh of random combinations of the row means of an image."""

    def __init__(self, image_size, n_outputs):
        super().__init__()
        channels, height, _ = image_size
        self.n_outputs = n_outputs
        self.mix = torch.nn.Linear(channels * height, n_outputs)

    def forward(self, x):
        """Return the features of images (b, c, h, w)."""
        return torch.tanh(self.mix(x.mean(-1).flatten(1)))


class RowMeans(Features):
    """Features from row means.

    Parameters
    ----------
    n_outputs : int, default=6
        Number of features.
    pixel_weight : float, default=0.1
        Weight of the pixels.
    """

    def __init__(self, n_outputs=6, pixel_weight=0.1):
        self.n_outputs = n_outputs
        self.pixel_weight = pixel_weight

    def make_module(self, image_size):
        """Build the module, which is not trained."""
        return MixedRowMeans(image_size, self.n_outputs)
