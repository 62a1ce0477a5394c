"""Penalties on latent vectors and on the encoder's Jacobian."""

from typing import Literal

import torch

from skae._sklearn_compat import StrOptions
from skae.penalties._base import (
    Penalty,
    PenaltyInputs,
    covariance_over_batch,
    mean_over_batch,
    root_of_squares,
)

__all__ = ["Contraction", "Decorrelation", "Sparsity"]


class Sparsity(Penalty):
    r"""Most latent dimensions of a sample are near zero: the ratio of L1 to L2 norm [1]_.

    .. math::

        P(z) = \frac{1}{k} \sum_j \frac{|z_j|}{r_j}, \qquad
        r_j = \sqrt{\operatorname{mean}(z_j^2)}

    with the mean over the samples of a batch. The mean penalty is 0.8 for normal distributions, and
    1 if all absolute values are equal. The word is "sparsity".

    Parameters
    ----------
    weight : float, default=0.1
        Weight of the penalty, relative to a loss in units of the variance of X.

    References
    ----------
    .. [1] P. O. Hoyer, "Non-negative matrix factorization with sparseness constraints", Journal of
       Machine Learning Research 5, 2004.
    """

    min_batch_size = 2

    def __call__(self, inputs: PenaltyInputs) -> torch.Tensor:
        """Compute the penalty of a batch."""
        z = inputs.z
        return (z.abs() / root_of_squares(mean_over_batch(z.square(), inputs.weights))).mean(1)


class Decorrelation(Penalty):
    r"""Latent dimensions are uncorrelated [1]_.

    With the correlation matrix C of the latent dimensions in a batch,

    .. math:: P = \frac{1}{k} \sum_{i \ne j} C_{ij}^2

    which is between 0 and :math:`k - 1`. The word is "decorrelation".

    Parameters
    ----------
    weight : float, default=0.1
        Weight of the penalty, relative to a loss in units of the variance of X.

    References
    ----------
    .. [1] M. Cogswell, F. Ahmed, R. Girshick, L. Zitnick and D. Batra, "Reducing overfitting in
       deep networks by decorrelating representations", ICLR 2016.
    """

    min_batch_size = 2

    def __call__(self, inputs: PenaltyInputs) -> torch.Tensor:
        """Compute the penalty of a batch."""
        z, weights = inputs.z, inputs.weights
        deviation = z - mean_over_batch(z, weights)
        deviation = deviation / root_of_squares(mean_over_batch(deviation.square(), weights))
        correlations = covariance_over_batch(deviation, weights).fill_diagonal_(0.0)  # (k, k)
        return correlations.square().sum() / z.shape[1]


class Contraction(Penalty):
    r"""Latent vectors change little with the input: squared norm of the encoder's Jacobian [1]_.

    .. math::

        P(x) = \frac{1}{k} \left\| \frac{\partial z}{\partial x} \right\|_F^2 \Big/
        \frac{1}{d} \sum_j \operatorname{var}(z_j)

    It is 1 for all principal components of white data. The word is "contraction".

    Parameters
    ----------
    weight : float, default=0.1
        Weight of the penalty, relative to a loss in units of the variance of X.
    exact : bool or "auto", default="auto"
        Whether the norm is computed exactly, by one backward pass for each latent dimension. If
        not, it is estimated without bias from one random direction [2]_. "auto" is exact for
        tables, and estimates for images.

    References
    ----------
    .. [1] S. Rifai, P. Vincent, X. Muller, X. Glorot and Y. Bengio, "Contractive auto-encoders:
       Explicit invariance during feature extraction", ICML 2011.
    .. [2] M. F. Hutchinson, "A stochastic estimator of the trace of the influence matrix for
       Laplacian smoothing splines", Communications in Statistics 18, 1989.
    """

    _parameter_constraints = {
        **Penalty._parameter_constraints,
        "exact": ["boolean", StrOptions({"auto"})],
    }
    min_batch_size = 2
    needs_input_gradient = True

    def __init__(self, weight: float = 0.1, exact: bool | Literal["auto"] = "auto") -> None:
        self.weight = weight
        self.exact = exact

    def __call__(self, inputs: PenaltyInputs) -> torch.Tensor:
        """Compute the penalty of a batch."""
        z = inputs.z * inputs.network.whitening
        x, weights = inputs.x, inputs.weights
        squared_norm = torch.zeros((), device=z.device)
        for direction in self._directions(inputs):
            (gradient,) = torch.autograd.grad(z, x, direction.to(z.dtype), create_graph=True)
            squared_norm = squared_norm + gradient.float().square().sum(1)
        deviation = z - mean_over_batch(z, weights)
        variance = mean_over_batch(deviation.square(), weights).sum().clamp(min=1e-12)
        penalty = squared_norm / z.shape[1] / (variance / x.shape[1])
        # x may have more dimensions than features, or fewer
        return penalty * inputs.features_ratio

    def _directions(self, inputs):
        """Return directions in latent space, (n_directions, b, k)."""
        z = inputs.z
        exact = self.exact
        if exact == "auto":
            exact = not inputs.are_images
        if exact:
            identity = torch.eye(z.shape[1], device=z.device)
            return identity[:, None].expand(-1, len(z), -1)
        bits = torch.randint(2, z.shape, generator=inputs.generator)
        return (2 * bits - 1).to(z.device, z.dtype)[None]
