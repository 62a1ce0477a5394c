"""Base class of penalties, their inputs, and means over a batch."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import Any, ClassVar

import torch

from skae._options import Option
from skae._sklearn_compat import Interval
from skae.networks.penalties import PenaltyModule

__all__ = [
    "Penalty",
    "PenaltyInputs",
    "covariance_over_batch",
    "mean_over_batch",
    "root_of_squares",
]

MIN_RELATIVE_VARIANCE = 1e-6
"""Smallest mean square of a latent dimension, as a fraction of the largest of all dimensions.

The derivative of the square root at zero is infinite.
"""


@dataclass(frozen=True)
class PenaltyInputs:
    """Values that a penalty can read: those of one batch in the forward pass.

    Attributes
    ----------
    z : torch.Tensor of shape (b, n_components)
        Whitened latent vectors, float32: their PCA scores have variance 1.
    x : torch.Tensor of shape (b, n_training_features)
        Inputs of the network. They require gradients if the penalty has
        ``needs_input_gradient = True``.
    decoder_input : torch.Tensor of shape (b, n_components)
        Latent vectors after noise and bottleneck.
    weights : torch.Tensor of shape (b,) or None
        Sample weights; None means equal weights.
    network : skae.networks.autoencoder.Autoencoder
        The network in training; ``network.penalty`` is the module of the penalty.
    forward : callable
        Forward pass of the network in the precision of the training, ``(x, generator) -> output``.
    generator : torch.Generator
        Random number generator on the CPU.
    features_ratio : float
        Number of features divided by the number of training features.
    """

    z: torch.Tensor
    x: torch.Tensor
    decoder_input: torch.Tensor
    weights: torch.Tensor | None
    network: Any
    forward: Callable[..., Any]
    generator: torch.Generator
    features_ratio: float

    @cached_property
    def samples(self) -> torch.Tensor:
        """Standardized inputs of shape (b, d) for tables and (b, C, H, W) for images."""
        return self._to_samples(self.x)

    @property
    def are_images(self) -> bool:
        """Whether samples are images (b, C, H, W)."""
        return self._to_samples(self.x[:1]).ndim == 4

    def _to_samples(self, x):
        return self.network.to_samples(self.network.from_training_space(x))

    def encode(self, samples: torch.Tensor) -> torch.Tensor:
        """Encode changed samples by another forward pass, for instance a view of each image.

        Parameters
        ----------
        samples : torch.Tensor of the shape of `samples`
            Standardized samples.

        Returns
        -------
        z : torch.Tensor of shape (b, n_components)
            Whitened latent vectors, float32.
        """
        x = self.network.to_training_space(self.network.to_rows(samples))
        return self.forward(x, self.generator).z.float()


class Penalty(Option):
    """Base class of penalties.

    A subclass implements ``__call__``, and declares class attributes where the defaults do not
    apply.

    Parameters
    ----------
    weight : float, default=0.1
        Weight of the penalty, relative to a loss in units of the variance of X.

    Attributes
    ----------
    min_batch_size : int
        Smallest number of samples in a batch that the penalty can be computed from.
    needs_input_gradient : bool
        Whether the penalty differentiates latent vectors with respect to the inputs.
    allows_missing : bool
        Whether samples may have missing values.
    adds_noise : bool
        Whether the module of the penalty adds noise to latent vectors, which requires a
        deterministic bottleneck.
    """

    _parameter_constraints = {"weight": [Interval(Real, 0, None, closed="left")]}
    min_batch_size: ClassVar[int] = 1
    needs_input_gradient: ClassVar[bool] = False
    allows_missing: ClassVar[bool] = True
    adds_noise: ClassVar[bool] = False

    def __init__(self, weight: float = 0.1) -> None:
        self.weight = weight

    def make_module(self, n_components: int) -> PenaltyModule | None:
        """Build a module of parameters that are trained with the network, or return None.

        Parameters
        ----------
        n_components : int
            k, the number of latent dimensions.
        """
        return None

    def __call__(self, inputs: PenaltyInputs) -> torch.Tensor:
        """Compute the penalty without its weight.

        Parameters
        ----------
        inputs : PenaltyInputs
            Values of a batch.

        Returns
        -------
        penalty : torch.Tensor of shape (b,) or ()
            One number per sample, or one per batch.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement __call__.")

    def check_samples(self, *, are_images: bool) -> None:
        """Raise a ValueError if the penalty does not apply to images, or to tables."""

    def factor(self, n_features: int, n_training_features: int) -> float:
        """Return the factor of the penalty in the loss, a mean over the training features."""
        return self.weight * (n_features / n_training_features)

    def fitted_attributes(self, network: Any) -> dict[str, Any]:
        """Return fitted attributes of the estimator by name; each name ends in an underscore."""
        return {}


def mean_over_batch(values, weights):
    """Return the mean over the samples."""
    if weights is None:
        return values.mean(0)
    return weights @ values / weights.sum()


def covariance_over_batch(deviation, weights):
    """Return the covariance (k, k) of centered rows (b, k)."""
    if weights is None:
        return deviation.T @ deviation / len(deviation)
    return (deviation * weights[:, None]).T @ deviation / weights.sum()


def root_of_squares(squares):
    """Return the root of mean squares, bounded from below so that its gradient is finite."""
    bound = (MIN_RELATIVE_VARIANCE * squares.detach().max()).clamp(min=1e-24)
    return torch.maximum(squares, bound).sqrt()
