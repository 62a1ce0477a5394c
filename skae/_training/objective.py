"""The objective of a fit: loss, bottleneck, penalty, corruption, augmentation and features."""

from dataclasses import dataclass
from typing import Literal

from skae.augmentations import Augmentation, resolve_augmentation
from skae.bottlenecks import Bottleneck, resolve_bottleneck
from skae.corruptions import Corruption, resolve_corruption
from skae.features import Features, resolve_features
from skae.losses import Loss, resolve_loss
from skae.penalties import Penalty, resolve_penalty

__all__ = ["Objective", "is_own", "is_static_loss", "resolve_objective"]


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
    augmentation : Augmentation, "auto" or None
        Augmentation of training samples.
    features : Features or None
        Features of images that the encoder receives.
    """

    loss: Loss
    bottleneck: Bottleneck
    penalty: Penalty | None
    corruption: Corruption | None
    augmentation: Augmentation | Literal["auto"] | None = None
    features: Features | None = None

    @property
    def couples_samples(self):
        """Whether the result for a sample depends on the other samples of a batch."""
        options = [self.bottleneck]
        if isinstance(self.augmentation, Augmentation):
            options.append(self.augmentation)
        has_coupling_penalty = self.penalty is not None and self.penalty.min_batch_size > 1
        return has_coupling_penalty or any(one.couples_samples for one in options)

    @property
    def masked_weight(self):
        """Weight of masked values in the loss; None: each value has the same weight."""
        if self.corruption is None:
            return None
        return self.corruption.weight_in_loss

    @property
    def is_rotation_invariant(self):
        """Whether principal coordinates can replace features in the reconstruction loss."""
        return self.loss.rotation_invariant and self.masked_weight is None

    def is_static(self, network):
        """Return whether a step of a network is fixed for all batches, and draws no numbers."""
        return (
            network.is_static
            and not network.allow_nan
            and is_static_loss(self.loss)
            and is_own(self.bottleneck)
            and self.bottleneck.is_deterministic
            and self.penalty is None
            and self.corruption is None
            and (self.features is None or is_own(self.features))
        )


def is_own(option):
    """Return whether the class of an option is one of skae, and not one of the user."""
    return type(option).__module__.partition(".")[0] == "skae"


def is_static_loss(loss):
    """Return whether a loss calls no function of the user, which may wait for the device."""
    return is_own(loss) and loss.is_elementwise


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
        augmentation=resolve_augmentation(getattr(estimator, "augmentation", None)),
        features=resolve_features(getattr(estimator, "features", None)),
    )
