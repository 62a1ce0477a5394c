"""Agreement of the views of a sample, and spread of different samples."""

from collections.abc import Callable
from numbers import Integral
from typing import Literal, TypeAlias

import torch

from skae._options import Option, OptionsMixin, resolve_option
from skae._sklearn_compat import Interval, StrOptions
from skae.augmentations import (
    AUGMENTATIONS,
    Augmentation,
    ColumnSwap,
    FunctionAugmentation,
    augment,
)
from skae.corruptions import CORRUPTIONS, Corruption
from skae.networks.penalties import PenaltyModule, Projector
from skae.penalties._base import (
    Penalty,
    PenaltyInputs,
    covariance_over_batch,
    mean_over_batch,
)

__all__ = ["Spread"]

VIEWS: dict[str, type[Option]] = {
    **AUGMENTATIONS,
    "column_swap": ColumnSwap,
    "masking": CORRUPTIONS["masking"],
    "patches": CORRUPTIONS["patches"],
}
"""The class of each word of `views`."""

Views: TypeAlias = (
    Literal["auto", "mirror", "crop", "column_swap", "masking", "patches"]
    | Augmentation
    | Corruption
    | Callable[[torch.Tensor, torch.Generator], torch.Tensor]
)

MASKED_SHARE = 0.3
"""Share of the values that the views "masking" and "patches" replace by the mean."""

COVARIANCE_WEIGHT = 0.04
"""Weight of the covariance term relative to the two others: 1 to 25, as in the paper."""

MIN_VARIANCE = 1e-4
"""Added to variances, as in the paper, so that the gradient of the root is finite."""


class Spread(OptionsMixin, Penalty):
    r"""Latent vectors of views of a sample agree, and those of all samples spread: VICReg [1]_.

    Each step encodes `n_views` random views of each sample. With the projection
    :math:`h^v = g(z^v)` of view v to p dimensions by a small network g, which is not kept,

    .. math::

        P = \frac{1}{p V} \sum_v \left\| h^v - \bar h \right\|^2
        + \frac{1}{p V} \sum_{v, j} \max \left( 0, 1 - \sqrt{\operatorname{var}(h_j^v)} \right)
        + \frac{0.04}{p V} \sum_{v, i \ne j} \operatorname{cov}(h_i^v, h_j^v)^2

    where :math:`\bar h` is the mean over the V views. The first term is invariance. The two others
    keep the projections from shrinking to one point or to a few directions. More views of a sample
    at each step replace many epochs [2]_. The word is "spread".

    Parameters
    ----------
    weight : float, default=0.1
        Weight of the penalty, relative to a loss in units of the variance of X.
    views : str, Augmentation, Corruption or callable, default="auto"
        Random change of a sample: "mirror", "crop", "column_swap", "masking" or "patches", an
        object of `skae.augmentations` or `skae.corruptions`, or a function ``(x, generator) -> x``,
        as for `augmentation`. "auto": "crop" for images, and "column_swap" for tables. The level of
        "masking" and "patches" is 0.3. Categories are one-hot encoded before, so that each
        indicator of a category is a column of its own.
    n_views : int, default=2
        Number of views V of each sample at each step, at least 2.
    width : int, default=256
        Width p of the layers of the projection.

    References
    ----------
    .. [1] A. Bardes, J. Ponce and Y. LeCun, "VICReg: Variance-invariance-covariance regularization
       for self-supervised learning", ICLR 2022.
    .. [2] S. Tong, Y. Chen, Y. Ma and Y. LeCun, "EMP-SSL: Towards self-supervised learning in one
       training epoch", 2023.
    """

    _parameter_constraints = {
        **Penalty._parameter_constraints,
        "views": [StrOptions({"auto", *VIEWS}), Augmentation, Corruption, callable],
        "n_views": [Interval(Integral, 2, None, closed="left")],
        "width": [Interval(Integral, 1, None, closed="left")],
    }
    min_batch_size = 2
    allows_missing = False
    _option_words = {"views": VIEWS}

    def __init__(
        self, weight: float = 0.1, views: Views = "auto", n_views: int = 2, width: int = 256
    ) -> None:
        self.weight = weight
        self.views = views
        self.n_views = n_views
        self.width = width

    def make_module(self, n_components: int) -> PenaltyModule:
        """Build the projection; see `Penalty`."""
        return Projector(n_components, self.width)

    def check_samples(self, *, are_images: bool) -> None:
        """Raise an error if the views require images, and the samples are none."""
        view = self._resolve_view(are_images)
        if view.images_only and not are_images:
            raise ValueError(
                f"Got views={self.views!r} in Spread, which requires images, but expected a change "
                "of tables. Use views='column_swap' or 'masking', or a ConvAutoencoder."
            )
        if not isinstance(view, Corruption):
            return
        if view.unit_range:
            raise ValueError(
                f"Got views={self.views!r} in Spread, which requires samples in [0, 1], but the "
                "samples of autoencoders are centered. Use another corruption."
            )
        if view.weight_in_loss is not None:
            raise ValueError(
                f"Got views={self.views!r} in Spread, but views have no reconstruction loss. Set "
                "masked_weight='auto'."
            )

    def __call__(self, inputs: PenaltyInputs) -> torch.Tensor:
        """Compute the penalty of a batch."""
        network, weights = inputs.network, inputs.weights
        view = self._resolve_view(inputs.are_images)
        # corruptions get samples less the mean sample, in which masked values are 0. Augmentations
        # get whole samples: a mirrored deviation from the mean sample is not that of an image
        mean = torch.zeros((), device=inputs.samples.device)
        if isinstance(view, Augmentation):
            mean = network.to_samples(network.centre.relative_mean[None])
        samples = inputs.samples + mean
        projections = []
        for _ in range(self.n_views):
            changed = augment(view, False, samples, inputs.generator) - mean
            projections.append(network.penalty(inputs.encode(changed)))  # (b, p)
        center = torch.stack(projections).mean(0)
        total = torch.zeros((), device=samples.device)
        for h in projections:
            deviation = h - mean_over_batch(h, weights)
            variance = mean_over_batch(deviation.square(), weights)
            invariance = mean_over_batch((h - center).square(), weights).sum()
            shrinkage = (1 - (variance + MIN_VARIANCE).sqrt()).clamp(min=0).sum()
            covariance = covariance_over_batch(deviation, weights).fill_diagonal_(0.0)  # (p, p)
            redundancy = COVARIANCE_WEIGHT * covariance.square().sum()
            total = total + invariance + shrinkage + redundancy
        return total / (self.n_views * self.width)

    def _resolve_view(self, are_images):
        """Return the change of samples as an object."""
        views = self.views
        if isinstance(views, str) and views == "auto":
            views = "column_swap"
            if are_images:
                views = "crop"
        if callable(views) and not isinstance(views, (Option, type)):
            return FunctionAugmentation(views)
        base = Augmentation
        if isinstance(views, Corruption):
            base = Corruption
        view = resolve_option(views, base, VIEWS, "views")
        if isinstance(view, Corruption):
            view = view.resolve(level=MASKED_SHARE, fill_value=0.0, low=None, high=None)
        return view
