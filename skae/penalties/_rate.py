"""The rate of quantized latent vectors."""

import math
from numbers import Real
from typing import Any

import torch

from skae._sklearn_compat import Interval
from skae.networks.penalties import PenaltyModule, RateModel
from skae.penalties._base import Penalty, PenaltyInputs

__all__ = ["Rate"]


class Rate(Penalty):
    r"""Latent vectors need few bits after rounding to multiples of a step [1]_.

    Training adds uniform noise u as wide as the step to latent vectors. The penalty is the number
    of bits per feature under a logistic distribution F of each latent dimension, which is learned:

    .. math::

        P(z) = -\frac{1}{d} \sum_j \log_2
        \left( F_j(z_j + u_j + \Delta_j / 2) - F_j(z_j + u_j - \Delta_j / 2) \right)

    The step :math:`\Delta` follows from the weight: half the step costs one bit more, and saves as
    much squared error as this bit costs. The steps are the fitted attribute `code_steps_`. The word
    is "rate".

    Parameters
    ----------
    weight : float, default=0.5
        Weight of the bits per feature, relative to a loss in units of the variance of X. Positive.

    References
    ----------
    .. [1] J. Balle, V. Laparra and E. P. Simoncelli, "End-to-end optimized image compression",
       ICLR 2017.
    """

    _parameter_constraints = {"weight": [Interval(Real, 0, None, closed="neither")]}
    adds_noise = True

    def __init__(self, weight: float = 0.5) -> None:
        self.weight = weight

    @property
    def step(self) -> float:
        """Step at which one bit saves as much squared error as it costs.

        A step of D adds an error of D^2 / 12 to each latent dimension. Half the step takes one bit
        more, so the derivative of the error with respect to the bits is ``D^2 * ln(2) / 6``.
        """
        return math.sqrt(6 * self.weight / math.log(2))

    def make_module(self, n_components: int) -> PenaltyModule:
        """Build the module; see `Penalty`."""
        return RateModel(n_components, self.step)

    def __call__(self, inputs: PenaltyInputs) -> torch.Tensor:
        """Compute the penalty of a batch."""
        return inputs.network.penalty.bits(inputs.decoder_input)

    def factor(self, n_features: int, n_training_features: int) -> float:
        """Return the factor of the penalty in the loss."""
        return self.weight / n_training_features  # the penalty is a sum over the features

    def fitted_attributes(self, network: Any) -> dict[str, Any]:
        """Return `code_steps_`, in units of the latent vectors."""
        steps = network.penalty.steps * network.code_units
        return {"code_steps_": steps.double().cpu().numpy()}
