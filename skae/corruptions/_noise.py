"""Noise and masks."""

from numbers import Real
from typing import Any, Literal

import torch

from skae._sklearn_compat import Interval, StrOptions
from skae.corruptions._base import Corruption, Level
from skae.networks.layers import to_device

__all__ = ["Gaussian", "Masking", "Patches", "SaltAndPepper"]


class Gaussian(Corruption):
    r"""Gaussian noise, :math:`x + \sigma \varepsilon` with standard normal :math:`\varepsilon`.

    Noisy samples are not clipped to any range. The word is "gaussian".

    Parameters
    ----------
    level : float, (float, float) or "auto", default="auto"
        Standard deviation of the noise. Its unit is the overall standard deviation of X in
        autoencoders, and `data_range` in restorers. If "auto", 0.2 or 0.1.
    """

    can_mask = False
    checks_result = False

    def __call__(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Compute corrupted samples."""
        noise = torch.randn(x.shape, generator=generator) * self.levels(x, generator)
        return x + to_device(noise, x.device)


class Masking(Corruption):
    r"""Random values are replaced by a constant, independently of each other [1]_.

    With a number `masked_weight` :math:`w`, the loss of a training sample is

    .. math:: w \operatorname{mean}_{j \in M} L(\hat x_j, x_j)
        + (1 - w) \operatorname{mean}_{j \notin M} L(\hat x_j, x_j)

    where M holds the masked values. For :math:`w = 1` it is the loss of masked autoencoders [2]_.
    The word is "masking".

    Parameters
    ----------
    level : float, (float, float) or "auto", default="auto"
        Probability of replacement, from 0 to 1. If "auto", 0.2 in autoencoders and 0.1 in
        restorers.
    fill_value : float or "auto", default="auto"
        Replacement, in units of the samples. If "auto", the mean in autoencoders, and `fill_value`
        of a restorer. Where missing values are allowed, it is NaN.
    masked_weight : float or "auto", default="auto"
        Weight of masked values in the loss of an autoencoder, from 0 to 1. Visible values have the
        remaining weight. If "auto", 0.9 for NaN where missing values are allowed; elsewhere each
        value has the same weight.

    References
    ----------
    .. [1] P. Vincent, H. Larochelle, I. Lajoie, Y. Bengio and P.-A. Manzagol, "Stacked denoising
       autoencoders", Journal of Machine Learning Research 11, 2010.
    .. [2] K. He, X. Chen, S. Xie, Y. Li, P. Dollár and R. Girshick, "Masked autoencoders are
       scalable vision learners", CVPR 2022.
    """

    _parameter_constraints = {
        "fill_value": [Interval(Real, None, None, closed="neither"), StrOptions({"auto"})],
        "masked_weight": [Interval(Real, 0, 1, closed="both"), StrOptions({"auto"})],
    }
    max_level = 1.0
    masks = True
    checks_result = False

    def __init__(
        self,
        level: Level = "auto",
        fill_value: float | Literal["auto"] = "auto",
        masked_weight: float | Literal["auto"] = "auto",
    ) -> None:
        self.level = level
        self.fill_value = fill_value
        self.masked_weight = masked_weight

    @property
    def weight_in_loss(self) -> float | None:
        """Weight of masked values in the loss; None: each value has the same weight."""
        if isinstance(self.masked_weight, str):
            return None
        return float(self.masked_weight)

    def __call__(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Compute corrupted samples."""
        fill_value: Any = self.fill_value  # "auto" was resolved
        mask = torch.rand(x.shape, generator=generator) < self.levels(x, generator)
        return x.masked_fill(to_device(mask, x.device), fill_value)


class SaltAndPepper(Corruption):
    """Random values are replaced by a minimum or a maximum.

    The word is "salt_and_pepper".

    Parameters
    ----------
    level : float, (float, float) or "auto", default="auto"
        Probability of replacement, from 0 to 1; both values are equally frequent. If "auto", 0.2
        in autoencoders and 0.1 in restorers.
    low, high : float, "auto" or None, default="auto"
        The two values, in units of the samples. None means the smallest and the largest value of
        the batch. If "auto", None in autoencoders, and 0 and 1 in restorers.
    """

    _parameter_constraints = {
        "low": [Interval(Real, None, None, closed="neither"), StrOptions({"auto"}), None],
        "high": [Interval(Real, None, None, closed="neither"), StrOptions({"auto"}), None],
    }
    max_level = 1.0
    can_mask = False
    checks_result = False

    def __init__(
        self,
        level: Level = "auto",
        low: float | Literal["auto"] | None = "auto",
        high: float | Literal["auto"] | None = "auto",
    ) -> None:
        self.level = level
        self.low = low
        self.high = high

    def __call__(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Compute corrupted samples."""
        low: Any = self.low  # "auto" was resolved
        high: Any = self.high
        probability = self.levels(x, generator)
        uniform = torch.rand(x.shape, generator=generator)
        pepper = to_device(uniform < probability / 2, x.device)
        salt = to_device(uniform > 1 - probability / 2, x.device)
        if low is None:
            low = x.min()
        if high is None:
            high = x.max()
        return torch.where(pepper, low, torch.where(salt, high, x))


class Patches(Masking):
    """A square region of each image is replaced by a constant, at a random position [1]_.

    In images with a side shorter than the square, the region is a rectangle of the same area. In
    signals it is an interval. The word is "patches".

    Parameters
    ----------
    level : float, (float, float) or "auto", default="auto"
        Area of the region as a fraction of the image, from 0 to 1. Height and width are rounded to
        whole pixels. If "auto", 0.2 in autoencoders and 0.1 in restorers.
    fill_value : float or "auto", default="auto"
        Replacement, in units of the samples. If "auto", the mean in autoencoders, and `fill_value`
        of a restorer. Where missing values are allowed, it is NaN.
    masked_weight : float or "auto", default="auto"
        Weight of masked values in the loss of an autoencoder, as in :class:`Masking`.

    References
    ----------
    .. [1] D. Pathak, P. Krahenbuhl, J. Donahue, T. Darrell and A. Efros, "Context encoders: Feature
       learning by inpainting", CVPR 2016.
    """

    images_only = True

    def __call__(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Compute corrupted samples."""
        h, w = x.shape[-2:]
        area = self.levels(x, generator).flatten() * (h * w)
        square = area.sqrt()  # (b,)
        inside = []
        for length, other in ((h, w), (w, h)):
            # if the square is larger than the image along the other side
            longer = area / other
            side = torch.where(square > other, longer, square).round()
            n_positions = (length - side).clamp(min=0) + 1
            uniform = torch.rand(len(x), generator=generator)
            start = (uniform * n_positions).floor()[:, None]
            place = torch.arange(length)
            inside.append((place >= start) & (place < start + side[:, None]))  # (b, length)
        region = inside[0][:, None, :, None] & inside[1][:, None, None, :]  # (b, 1, h, w)
        fill_value: Any = self.fill_value  # "auto" was resolved
        return x.masked_fill(to_device(region, x.device), fill_value)
