"""Damage that is done to inputs: functions ``(x, level, generator) -> damaged x``, of the shape, dtype and device of x.

`level` is one number for all rows, or a pair (low, high): each row then draws its own evenly between the two. Everything is
drawn on the CPU and moved to the device of x after that, so that it is the same for every device. x is left as it is.

``gaussian``, ``masking`` and ``salt_and_pepper`` take rows of any shape; ``patches``, ``blur`` and ``jpeg`` take images.
"""

import math

import torch
from torch.nn import functional

from skae._typing import Level

__all__ = ["LEVELS", "blur", "gaussian", "jpeg", "masking", "patches", "salt_and_pepper"]

LEVELS: dict[str, tuple[float, float]] = {
    "gaussian": (0, math.inf),
    "masking": (0, 1),
    "salt_and_pepper": (0, 1),
    "patches": (0, 1),
    "blur": (0, math.inf),
    "jpeg": (1, 100),
}
"""Between which numbers the level of each may be."""

LUMINANCE = """
16 11 10 16 24 40 51 61  12 12 14 19 26 58 60 55  14 13 16 24 40 57 69 56  14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77  24 35 55 64 81 104 113 92  49 64 78 87 103 121 120 101  72 92 95 98 112 100 103 99
"""
CHROMINANCE = """
17 18 24 47 99 99 99 99  18 21 26 66 99 99 99 99  24 26 56 99 99 99 99 99  47 66 99 99 99 99 99 99
99 99 99 99 99 99 99 99  99 99 99 99 99 99 99 99  99 99 99 99 99 99 99 99  99 99 99 99 99 99 99 99
"""
"""The steps of the JPEG standard's tables K.1 and K.2, at quality 50, for numbers from 0 to 255."""

YCBCR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
"""Red, green and blue to brightness and two colours, as in JPEG files."""


def gaussian(x: torch.Tensor, level: Level, generator: torch.Generator) -> torch.Tensor:
    """Add normal noise.

    Parameters
    ----------
    x : torch.Tensor of shape (n_samples, ...)
        Samples, float32.
    level : float or (float, float)
        Its standard deviation, in units of x.
    generator : torch.Generator
        Of the CPU.

    Returns
    -------
    damaged : torch.Tensor
        Not clipped to any range.
    """
    noise = torch.randn(x.shape, generator=generator) * _levels(x, level, generator)
    return x + noise.to(x.device)


def masking(x: torch.Tensor, level: Level, generator: torch.Generator, *, fill: float = 0.0) -> torch.Tensor:
    """Replace numbers at random, each by itself [1]_.

    Parameters
    ----------
    x : torch.Tensor of shape (n_samples, ...)
        Samples, float32.
    level : float or (float, float)
        The share of the numbers, from 0 to 1.
    generator : torch.Generator
        Of the CPU.
    fill : float, default=0.0
        What stands in their places, in units of x. Zero is the mean of centred rows.

    Returns
    -------
    damaged : torch.Tensor
        As x, but where a number was replaced.

    References
    ----------
    .. [1] P. Vincent, H. Larochelle, I. Lajoie, Y. Bengio and P.-A. Manzagol, "Stacked denoising autoencoders", Journal of
       Machine Learning Research 11, 2010.
    """
    gone = torch.rand(x.shape, generator=generator) < _levels(x, level, generator)
    return x.masked_fill(gone.to(x.device), fill)


def salt_and_pepper(
    x: torch.Tensor, level: Level, generator: torch.Generator, *, low: float | None = None, high: float | None = None
) -> torch.Tensor:
    """Replace numbers at random, each by itself, half of them by the lowest and half by the highest there is.

    Parameters
    ----------
    x : torch.Tensor of shape (n_samples, ...)
        Samples, float32.
    level : float or (float, float)
        The share of the numbers, from 0 to 1.
    generator : torch.Generator
        Of the CPU.
    low, high : float, default=None
        What stands in their places, in units of x. None takes the smallest and the largest number of x.

    Returns
    -------
    damaged : torch.Tensor
        As x, but where a number was replaced.
    """
    share, drawn = _levels(x, level, generator), torch.rand(x.shape, generator=generator)
    pepper, salt = (drawn < share / 2).to(x.device), (drawn > 1 - share / 2).to(x.device)
    low, high = x.min() if low is None else low, x.max() if high is None else high
    return torch.where(pepper, low, torch.where(salt, high, x))


def patches(x: torch.Tensor, level: Level, generator: torch.Generator, *, fill: float = 0.0) -> torch.Tensor:
    """Cut a square hole into each image, at a random place wholly inside of it [1]_.

    Parameters
    ----------
    x : torch.Tensor of shape (n_samples, n_channels, height, width)
        Images, float32.
    level : float or (float, float)
        The share of the image's area, from 0 to 1. The side is rounded to whole pixels; a hole that would be longer than the
        image is cut off.
    generator : torch.Generator
        Of the CPU.
    fill : float, default=0.0
        What stands in the hole, in units of x. Zero is the mean of centred rows.

    Returns
    -------
    damaged : torch.Tensor
        As x, but in the hole.

    References
    ----------
    .. [1] D. Pathak, P. Krahenbuhl, J. Donahue, T. Darrell and A. Efros, "Context encoders: Feature learning by inpainting",
       CVPR 2016.
    """
    side = (_levels(x, level, generator).flatten() * math.prod(x.shape[-2:])).sqrt().round()
    inside = []
    for length in x.shape[-2:]:
        room = (length - side).clamp(min=0) + 1
        start = (torch.rand(len(x), generator=generator) * room).floor()[:, None]
        place = torch.arange(length)
        inside.append((place >= start) & (place < start + side[:, None]))
    hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]  # (b, 1, h, w)
    return x.masked_fill(hole.to(x.device), fill)


def blur(x: torch.Tensor, level: Level, generator: torch.Generator) -> torch.Tensor:
    """Blur images with a Gaussian, cut off at four standard deviations; beyond its border an image goes on as its last pixel.

    Parameters
    ----------
    x : torch.Tensor of shape (n_samples, n_channels, height, width)
        Images, float32.
    level : float or (float, float)
        The standard deviation in pixels, at least 0.
    generator : torch.Generator
        Of the CPU; used only if `level` is a pair.

    Returns
    -------
    damaged : torch.Tensor
        The blurred images.
    """
    b, c, h, w = x.shape
    sigma = _levels(x, level, generator).reshape(b, 1)
    radius = math.ceil(4 * float(sigma.max()))
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma.clamp(min=1e-6)).square())
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(c, 0).to(x.device)  # (b * c, size)
    flat = functional.pad(x.reshape(1, b * c, h, w), (radius,) * 4, mode="replicate")
    flat = functional.conv2d(flat, kernel[:, None, :, None], groups=b * c)
    return functional.conv2d(flat, kernel[:, None, None, :], groups=b * c).reshape(x.shape)


def jpeg(x: torch.Tensor, level: Level, generator: torch.Generator) -> torch.Tensor:
    """Do to images in [0, 1] what writing them as JPEG and reading them again does [1]_.

    Blocks of 8 x 8 pixels, beginning in the upper left corner, are turned into cosines whose amplitudes are rounded. Three
    channels are red, green and blue: they become brightness, and two colours of half the resolution. Any other channels are
    treated as brightness, each by itself. Numbers outside [0, 1] are clipped first, and rounded to 256 steps first and last.

    Parameters
    ----------
    x : torch.Tensor of shape (n_samples, n_channels, height, width)
        Images, float32, between 0 and 1.
    level : float or (float, float)
        The quality, from 1 (the worst) to 100, as Pillow and libjpeg have it.
    generator : torch.Generator
        Of the CPU; used only if `level` is a pair.

    Returns
    -------
    damaged : torch.Tensor
        Multiples of 1 / 255 between 0 and 1.

    References
    ----------
    .. [1] G. K. Wallace, "The JPEG still picture compression standard", IEEE Transactions on Consumer Electronics 38, 1992.
    """
    h, w = x.shape[-2:]
    quality = _levels(x, level, generator).round().clamp(1, 100).to(x.device)  # (b, 1, 1, 1)
    step = torch.where(quality < 50, torch.floor(5000 / quality), 200 - 2 * quality) / 100
    x = functional.pad((x.clamp(0, 1) * 255).round(), (0, -w % 16, 0, -h % 16), mode="replicate")
    if x.shape[1] == 3:
        turn = x.new_tensor(YCBCR)
        x = torch.einsum("ij,bjhw->bihw", turn, x)
        colours = functional.interpolate(_quantised(functional.avg_pool2d(x[:, 1:], 2), step, CHROMINANCE), scale_factor=2)
        x = torch.cat([_quantised(x[:, :1] - 128, step, LUMINANCE) + 128, colours], 1)
        x = torch.einsum("ij,bjhw->bihw", turn.inverse(), x)
    else:
        x = _quantised(x - 128, step, LUMINANCE) + 128
    return (x[..., :h, :w].round() / 255).clamp(0, 1)


def _quantised(x, step, table):
    """Round the amplitudes of the cosines of every block of 8 x 8 to multiples of `step` times those in a table."""
    table = (x.new_tensor([float(entry) for entry in table.split()]).reshape(8, 8) * step[..., None, None] + 0.5).floor()
    table = table.clamp(1, 255)  # (b, 1, 1, 1, 8, 8)
    place = torch.arange(8, device=x.device)
    cosines = torch.cos((2 * place + 1) * place[:, None] * math.pi / 16) / 2
    cosines[0] /= math.sqrt(2)
    blocks = x.unflatten(-1, (-1, 8)).unflatten(-3, (-1, 8)).transpose(-3, -2)  # (b, c, h / 8, w / 8, 8, 8)
    amplitudes = ((cosines @ blocks @ cosines.mT) / table).round() * table
    return (cosines.mT @ amplitudes @ cosines).transpose(-3, -2).flatten(-2).flatten(-3, -2)


def _levels(x, level, generator):
    """Give one level for each row, of shape (n_samples, 1, ...), on the CPU."""
    low, high = level if isinstance(level, (tuple, list)) else (level, level)
    drawn = torch.rand(len(x), generator=generator) if low != high else torch.zeros(len(x))
    return (low + (high - low) * drawn).reshape(-1, *[1] * (x.ndim - 1))
