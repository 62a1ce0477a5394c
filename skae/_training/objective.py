"""The objective of a fit: loss, bottleneck, penalty and corruption as objects."""

from dataclasses import dataclass

from skae.bottlenecks import Bottleneck, resolve_bottleneck
from skae.corruptions import Corruption, resolve_corruption
from skae.losses import Loss, resolve_loss
from skae.penalties import Penalty, resolve_penalty

__all__ = ["Objective", "resolve_objective"]


@dataclass(frozen=True)
class Objective:
    """Options of an estimator as objects, which are no objects of the user.

    Attributes
    ----------
    loss : Loss
        Reconstruction loss.
    bottleneck : Bottleneck
        Constraint on latent vectors.
    penalty : Penalty or None
        Penalty on latent vectors.
    corruption : Corruption or None
        Corruption of inputs.
    """

    loss: Loss
    bottleneck: Bottleneck
    penalty: Penalty | None
    corruption: Corruption | None


def resolve_objective(estimator):
    """Resolve the words and objects of an estimator.

    Parameters
    ----------
    estimator : BaseAutoencoder
        With valid parameters.

    Returns
    -------
    objective : Objective
        Clones of the user's objects.

    Raises
    ------
    ValueError
        If a parameter of an option is invalid.
    """
    return Objective(
        loss=resolve_loss(estimator.loss),
        bottleneck=resolve_bottleneck(estimator.bottleneck),
        penalty=resolve_penalty(estimator.penalty),
        corruption=resolve_corruption(estimator.corruption),
    )
