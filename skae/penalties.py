"""Penalties on latent vectors: one class for each, and a base class for your own.

The parameter `penalty` of an autoencoder is a word or an object. The penalties of this module do
not depend on the scale of latent vectors, so that they can't be reduced by shrinking all of them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import Any, ClassVar, Literal, TypeAlias

import torch

from skae._options import Option, resolve_option
from skae._sklearn_compat import Interval, StrOptions
from skae.networks.penalties import PenaltyModule, RateModel

__all__ = [
    "Contraction",
    "Decorrelation",
    "Penalty",
    "PenaltyInputs",
    "PenaltyModule",
    "Rate",
    "Sparsity",
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
        return self.network.to_samples(self.network.from_training_space(self.x))

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
    adds_noise : bool
        Whether the module of the penalty adds noise to latent vectors, which requires a
        deterministic bottleneck.
    """

    _parameter_constraints = {"weight": [Interval(Real, 0, None, closed="left")]}
    min_batch_size: ClassVar[int] = 1
    needs_input_gradient: ClassVar[bool] = False
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

    def factor(self, n_features: int, n_training_features: int) -> float:
        """Return the factor of the penalty in the loss, a mean over the training features."""
        return self.weight * (n_features / n_training_features)

    def fitted_attributes(self, network: Any) -> dict[str, Any]:
        """Return fitted attributes of the estimator by name; each name ends in an underscore."""
        return {}


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
        return (z.abs() / _root(_mean(z.square(), inputs.weights))).mean(1)


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
        deviation = z - _mean(z, weights)
        deviation = deviation / _root(_mean(deviation.square(), weights))
        if weights is None:
            covariance = deviation.T @ deviation / len(z)  # (k, k)
        else:
            covariance = (deviation * weights[:, None]).T @ deviation / weights.sum()
        correlations = covariance.fill_diagonal_(0.0)
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
        deviation = z - _mean(z, weights)
        variance = _mean(deviation.square(), weights).sum().clamp(min=1e-12)
        penalty = squared_norm / z.shape[1] / (variance / x.shape[1])
        # x may have more dimensions than features, or fewer
        return penalty * inputs.features_ratio

    def _directions(self, inputs):
        """Return directions in latent space, (n_directions, b, k)."""
        z = inputs.z
        exact = self.exact
        if exact == "auto":
            exact = not inputs.network.channels_last
        if exact:
            identity = torch.eye(z.shape[1], device=z.device)
            return identity[:, None].expand(-1, len(z), -1)
        bits = torch.randint(2, z.shape, generator=inputs.generator)
        return (2 * bits - 1).to(z.device, z.dtype)[None]


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


PENALTIES: dict[str, type[Penalty]] = {
    "sparsity": Sparsity,
    "contraction": Contraction,
    "decorrelation": Decorrelation,
    "rate": Rate,
}
"""The class of each word."""

PenaltyOption: TypeAlias = (
    Literal["sparsity", "contraction", "decorrelation", "rate"] | Penalty | None
)


def resolve_penalty(penalty):
    """Return a word or an object as a `Penalty` with valid parameters; None stays None."""
    if penalty is None:
        return None
    penalty = resolve_option(penalty, Penalty, PENALTIES, "penalty")
    if not hasattr(penalty, "weight"):
        raise TypeError(
            f"Got penalty={penalty!r}, whose class has no parameter weight. Add weight to its "
            "constructor."
        )
    return penalty


def _mean(values, weights):
    """Return the mean over the samples."""
    if weights is None:
        return values.mean(0)
    return weights @ values / weights.sum()


def _root(squares):
    """Return the root of mean squares, bounded from below so that its gradient is finite."""
    bound = (MIN_RELATIVE_VARIANCE * squares.detach().max()).clamp(min=1e-24)
    return torch.maximum(squares, bound).sqrt()
