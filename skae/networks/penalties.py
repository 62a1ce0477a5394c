"""Modules of penalties with parameters or noise, built by options of `skae.penalties`."""

import math

import torch
from torch import nn

from skae.networks.layers import Linear, to_device

__all__ = ["PenaltyModule", "Projector", "RateModel"]


class PenaltyModule(nn.Module):
    """Base class: its parameters are trained with those of the network."""

    @torch.no_grad()
    def init_from_pca(self, whitening, deviations):
        """Set the parameters for a network that is PCA.

        Parameters
        ----------
        whitening : torch.Tensor of shape (n_components,)
            Standard deviations of PCA's scores, bounded from below.
        deviations : torch.Tensor of shape (n_coordinates,)
            Standard deviations of all principal coordinates.
        """

    def perturb(self, z, generator):
        """Return whitened latent vectors (b, k) with noise, for training only."""
        return z


class RateModel(PenaltyModule):
    """Uniform noise as wide as a quantization step, and a distribution of the noisy vectors [1]_.

    Each latent dimension has a learned logistic distribution. All dimensions have one step in units
    of PCA, so that the encoder's scale sets the precision of a dimension.

    Parameters
    ----------
    n_components : int
        k, the number of latent dimensions.
    step : float
        Quantization step, in units of PCA's scores of scaled samples.

    References
    ----------
    .. [1] J. Balle, V. Laparra and E. P. Simoncelli, "End-to-end optimized image compression",
       ICLR 2017.
    """

    learning_rate_factor = 3.0
    """Learning rate of the distributions relative to the network's, so that they follow it."""

    def __init__(self, n_components, step):
        super().__init__()
        self.step = step
        self.location = nn.Parameter(torch.zeros(n_components))
        self.log_width = nn.Parameter(torch.zeros(n_components))
        self.register_buffer("steps", torch.ones(n_components))

    @torch.no_grad()
    def init_from_pca(self, whitening, deviations):
        """Set the steps, and the distributions to mean 0 and variance 1."""
        self.steps.copy_(self.step / whitening)
        self.location.zero_()
        self.log_width.fill_(math.log(math.sqrt(3) / math.pi) / self.learning_rate_factor)

    def perturb(self, z, generator):
        """Add uniform noise to whitened latent vectors (b, k)."""
        noise = to_device(torch.rand(z.shape, generator=generator), z.device) - 0.5
        return z + noise * self.steps

    def bits(self, noisy):
        """Return the bits ``-log2 p`` of noisy latent vectors (b, k): one number per sample."""
        location = self.learning_rate_factor * self.location
        width = (self.learning_rate_factor * self.log_width).exp()
        deviation = (noisy.float() - location) / width
        half_step = self.steps / 2 / width
        # the difference of two sigmoids, on the side where both are far from 1
        deviation = -deviation.abs()
        probability = torch.sigmoid(deviation + half_step) - torch.sigmoid(deviation - half_step)
        return -probability.clamp(min=1e-9).log2().sum(-1)


class Projector(PenaltyModule):
    """A network with two hidden layers that a penalty compares views in, and that is not kept.

    Layers are normalized within a sample, so that the result does not depend on the batch.

    Parameters
    ----------
    n_components : int
        k, the number of latent dimensions.
    width : int
        Width of all layers.
    """

    def __init__(self, n_components, width):
        super().__init__()
        self.layers = nn.Sequential(
            Linear(n_components, width),
            nn.LayerNorm(width),
            nn.ReLU(),
            Linear(width, width),
            nn.LayerNorm(width),
            nn.ReLU(),
            Linear(width, width, bias=False),
        )

    def forward(self, z):
        """Project whitened latent vectors (b, k) to (b, width)."""
        return self.layers(z)
