"""Degradations of images: blur, and the artifacts of JPEG files."""

import math

import torch
from torch.nn import functional

from skae.corruptions._base import Corruption

__all__ = ["JPEG", "Blur"]

LUMINANCE = """
16 11 10 16 24 40 51 61  12 12 14 19 26 58 60 55  14 13 16 24 40 57 69 56  14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77  24 35 55 64 81 104 113 92
49 64 78 87 103 121 120 101  72 92 95 98 112 100 103 99
"""

CHROMINANCE = """
17 18 24 47 99 99 99 99  18 21 26 66 99 99 99 99  24 26 56 99 99 99 99 99  47 66 99 99 99 99 99 99
99 99 99 99 99 99 99 99  99 99 99 99 99 99 99 99  99 99 99 99 99 99 99 99  99 99 99 99 99 99 99 99
"""
"""Quantization steps for values up to 255 at quality 50: tables K.1 and K.2 of the standard."""

YCBCR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
"""Matrix from red, green and blue to luminance and two chrominances, as in JPEG files."""


class Blur(Corruption):
    """Images are blurred with a Gaussian kernel, truncated at four standard deviations.

    Images are extended beyond their border by the nearest pixel. The word is "blur".

    Parameters
    ----------
    level : float or (float, float), default=1.0
        Standard deviation of the kernel in pixels, at least 0.
    """

    images_only = True
    can_mask = False
    checks_result = False

    def __init__(self, level: float | tuple[float, float] = 1.0) -> None:
        self.level = level

    def __call__(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Compute corrupted images."""
        b, c, h, w = x.shape
        sigma = self.levels(x, generator).reshape(b, 1)
        radius = math.ceil(4 * float(sigma.max()))
        kernel = torch.exp(
            -0.5 * (torch.arange(-radius, radius + 1) / sigma.clamp(min=1e-6)).square()
        )
        kernel = kernel / kernel.sum(1, keepdim=True)  # (b, size)
        kernel = kernel.repeat_interleave(c, 0).to(x.device)  # (b * c, size)
        x = functional.pad(x.reshape(1, b * c, h, w), (radius,) * 4, mode="replicate")
        x = functional.conv2d(x, kernel[:, None, :, None], groups=b * c)  # along the height
        x = functional.conv2d(x, kernel[:, None, None, :], groups=b * c)  # along the width
        return x.reshape(b, c, h, w)


class JPEG(Corruption):
    """Images in [0, 1] get the compression artifacts of JPEG [1]_.

    The cosine coefficients of each block of 8 x 8 pixels are quantized. Three channels are red,
    green and blue: they become luminance, and two chrominances of half the resolution. Any other
    channels are treated as luminance. Values are clipped to [0, 1], and rounded to 256 levels
    before and after. The word is "jpeg".

    Parameters
    ----------
    level : float or (float, float), default=50
        Quality of Pillow and libjpeg, from 1 (the worst) to 100.

    References
    ----------
    .. [1] G. K. Wallace, "The JPEG still picture compression standard", IEEE Transactions on
       Consumer Electronics 38, 1992.
    """

    min_level = 1.0
    max_level = 100.0
    images_only = True
    unit_range = True
    can_mask = False
    checks_result = False

    def __init__(self, level: float | tuple[float, float] = 50) -> None:
        self.level = level

    def __call__(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Compute corrupted images."""
        h, w = x.shape[-2:]
        quality = self.levels(x, generator).round().clamp(1, 100).to(x.device)  # (b, 1, 1, 1)
        step = torch.where(quality < 50, torch.floor(5000 / quality), 200 - 2 * quality) / 100
        x = functional.pad(
            (x.clamp(0, 1) * 255).round(), (0, -w % 16, 0, -h % 16), mode="replicate"
        )
        if x.shape[1] == 3:
            to_ycbcr = x.new_tensor(YCBCR)
            x = torch.einsum("ij,bjhw->bihw", to_ycbcr, x)
            luminance = _quantize_blocks(x[:, :1] - 128, step, LUMINANCE) + 128
            chrominance = functional.avg_pool2d(x[:, 1:], 2)  # (b, 2, h / 2, w / 2)
            chrominance = _quantize_blocks(chrominance, step, CHROMINANCE)
            chrominance = functional.interpolate(chrominance, scale_factor=2)
            x = torch.cat([luminance, chrominance], 1)
            x = torch.einsum("ij,bjhw->bihw", to_ycbcr.inverse(), x)
        else:
            x = _quantize_blocks(x - 128, step, LUMINANCE) + 128
        return (x[..., :h, :w].round() / 255).clamp(0, 1)


def _quantize_blocks(x, step, table):
    """Round the cosine coefficients of blocks of 8 x 8 pixels to multiples of ``step * table``."""
    table = x.new_tensor([float(entry) for entry in table.split()]).reshape(8, 8)
    table = (table * step[..., None, None] + 0.5).floor().clamp(1, 255)  # (b, 1, 1, 1, 8, 8)
    place = torch.arange(8, device=x.device)
    cosines = torch.cos((2 * place + 1) * place[:, None] * math.pi / 16) / 2
    cosines[0] /= math.sqrt(2)
    blocks = x.unflatten(-1, (-1, 8)).unflatten(-3, (-1, 8))
    blocks = blocks.transpose(-3, -2)  # (b, c, h / 8, w / 8, 8, 8)
    coefficients = ((cosines @ blocks @ cosines.mT) / table).round() * table
    return (cosines.mT @ coefficients @ cosines).transpose(-3, -2).flatten(-2).flatten(-3, -2)
