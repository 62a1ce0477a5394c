"""Corruptions of inputs: functions ``(x, level, generator) -> corrupted x``.

The result has the shape, dtype and device of x, and x itself does not change. `level` is one
number for all samples, or a pair (low, high): the level of each sample is then uniform between
both. Random numbers are drawn on the CPU, so that they are the same for every device.

``gaussian``, ``masking`` and ``salt_and_pepper`` accept samples of any shape; ``patches``, ``blur``
and ``jpeg`` accept images.
"""

import math
from functools import partial
from numbers import Real

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
"""The smallest and the largest level of each corruption."""

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


def check_level(corruption, level):
    """Validate the level of a corruption.

    Parameters
    ----------
    corruption : str or callable
        A key of `LEVELS`, which bounds the level; for a callable the level is at least 0.
    level : float or (float, float)
        The user's parameter.

    Returns
    -------
    low, high : float
        Bounds of the level; both are equal if all samples have the same level.
    """
    pair = (level, level)
    if not isinstance(level, Real):
        pair = tuple(level)
    min_level, max_level = 0, math.inf
    if not callable(corruption):
        min_level, max_level = LEVELS[corruption]
    if _is_ordered_pair(pair) and min_level <= pair[0] and pair[1] <= max_level:
        return float(pair[0]), float(pair[1])

    limits = f"from {min_level} to {max_level}"
    if max_level == math.inf:
        limits = f"of at least {min_level}"
    context = ""
    if not callable(corruption):
        context = f", for corruption={corruption!r}"
    raise ValueError(
        f"Got corruption_level={level!r}, but expected a number {limits}, "
        f"or a pair of such, the lower one first{context}."
    )


def check_pair(values, name):
    """Validate two finite numbers in strictly increasing order."""
    if not _is_ordered_pair(values) or values[0] == values[1]:
        raise ValueError(f"Got {name}={values!r}, but expected two rising numbers.")
    return float(values[0]), float(values[1])


def _is_ordered_pair(values):
    """Return whether values are two finite real numbers, the smaller one first."""
    if len(values) != 2:
        return False
    for value in values:
        if not isinstance(value, Real) or not math.isfinite(value):
            return False
    return values[0] <= values[1]


def check_corruption(corruption, level, *, allow_nan=False):
    """Resolve the parameters of a corruption into one function.

    Parameters
    ----------
    corruption : str, callable or None
        A key of `LEVELS`, or a function ``(x, level, generator) -> x``.
    level : float or (float, float)
        The level of the corruption.
    allow_nan : bool, default=False
        If True, masked numbers become missing values (NaN) instead of means.

    Returns
    -------
    corrupt : callable or None
        ``(x, generator) -> x``. It can be pickled.
    """
    if corruption is None:
        return None
    low, high = check_level(corruption, level)
    level = low
    if low < high:
        level = (low, high)

    function = partial(checked, corruption, allow_nan)
    if not callable(corruption):
        function = CORRUPTIONS[corruption]
    if not allow_nan:
        return partial(_corrupt, function, level)
    if corruption in ("masking", "patches"):
        return partial(_corrupt, partial(function, fill=math.nan), level)
    return partial(_corrupt_observed, function, level)


def _corrupt(function, level, x, generator):
    """Return x corrupted by a function at a level."""
    return function(x, level, generator)


def _corrupt_observed(function, level, x, generator):
    """Return x corrupted where it is observed; the function gets means for missing values."""
    return torch.where(x.isnan(), x, function(x.nan_to_num(0.0), level, generator))


def checked(function, allow_nan, x, level, generator):
    """Return x corrupted by a user's function, after validating the result."""
    corrupted = function(x, level, generator)
    expected = f"{_describe(x)}, as it was given"
    if not isinstance(corrupted, torch.Tensor):
        result = type(corrupted).__name__
    elif corrupted.shape != x.shape or corrupted.dtype != x.dtype:
        result = _describe(corrupted)
    elif allow_nan and corrupted.isinf().any():
        result, expected = "infinity", "finite numbers, or NaN for missing values"
    elif not allow_nan and not corrupted.isfinite().all():
        result, expected = "NaN or infinity", "finite numbers"
    else:
        return corrupted
    raise ValueError(f"Got a corruption that makes {result}, but expected {expected}.")


def _describe(x):
    """Return the shape and the dtype of a tensor in words."""
    return f"a tensor of shape {tuple(x.shape)} and dtype {str(x.dtype).removeprefix('torch.')}"


def gaussian(x: torch.Tensor, level: Level, generator: torch.Generator) -> torch.Tensor:
    """Add Gaussian noise.

    Parameters
    ----------
    x : torch.Tensor of shape (n_samples, ...)
        Samples, float32.
    level : float or (float, float)
        Standard deviation of the noise, in units of x.
    generator : torch.Generator
        Random number generator on the CPU.

    Returns
    -------
    corrupted : torch.Tensor of the shape of x
        Noisy samples, not clipped to any range.
    """
    noise = torch.randn(x.shape, generator=generator) * _levels(x, level, generator)
    return x + noise.to(x.device)


def masking(
    x: torch.Tensor, level: Level, generator: torch.Generator, *, fill: float = 0.0
) -> torch.Tensor:
    """Replace random elements by a constant, independently of each other [1]_.

    Parameters
    ----------
    x : torch.Tensor of shape (n_samples, ...)
        Samples, float32.
    level : float or (float, float)
        Probability of replacement, from 0 to 1.
    generator : torch.Generator
        Random number generator on the CPU.
    fill : float, default=0.0
        Replacement, in units of x. Zero is the mean of centered samples.

    Returns
    -------
    corrupted : torch.Tensor of the shape of x
        Masked samples.

    References
    ----------
    .. [1] P. Vincent, H. Larochelle, I. Lajoie, Y. Bengio and P.-A. Manzagol, "Stacked denoising
       autoencoders", Journal of Machine Learning Research 11, 2010.
    """
    mask = torch.rand(x.shape, generator=generator) < _levels(x, level, generator)
    return x.masked_fill(mask.to(x.device), fill)


def salt_and_pepper(
    x: torch.Tensor,
    level: Level,
    generator: torch.Generator,
    *,
    low: float | None = None,
    high: float | None = None,
) -> torch.Tensor:
    """Replace random elements, half of them by the minimum and half by the maximum.

    Parameters
    ----------
    x : torch.Tensor of shape (n_samples, ...)
        Samples, float32.
    level : float or (float, float)
        Probability of replacement, from 0 to 1.
    generator : torch.Generator
        Random number generator on the CPU.
    low, high : float, default=None
        Replacements, in units of x. None means the minimum and the maximum of x.

    Returns
    -------
    corrupted : torch.Tensor of the shape of x
        Samples with extreme values.
    """
    probability = _levels(x, level, generator)
    uniform = torch.rand(x.shape, generator=generator)
    pepper = (uniform < probability / 2).to(x.device)
    salt = (uniform > 1 - probability / 2).to(x.device)
    if low is None:
        low = x.min()
    if high is None:
        high = x.max()
    return torch.where(pepper, low, torch.where(salt, high, x))


def patches(
    x: torch.Tensor, level: Level, generator: torch.Generator, *, fill: float = 0.0
) -> torch.Tensor:
    """Mask a square region of each image, at a random position within the image [1]_.

    Parameters
    ----------
    x : torch.Tensor of shape (n_samples, n_channels, height, width)
        Images, float32.
    level : float or (float, float)
        Area of the region as a fraction of the image, from 0 to 1. The side is rounded to whole
        pixels, and clipped to the image.
    generator : torch.Generator
        Random number generator on the CPU.
    fill : float, default=0.0
        Replacement, in units of x. Zero is the mean of centered images.

    Returns
    -------
    corrupted : torch.Tensor of the shape of x
        Images with a masked region.

    References
    ----------
    .. [1] D. Pathak, P. Krahenbuhl, J. Donahue, T. Darrell and A. Efros, "Context encoders: Feature
       learning by inpainting", CVPR 2016.
    """
    side = (_levels(x, level, generator).flatten() * math.prod(x.shape[-2:])).sqrt().round()  # (b,)
    inside = []
    for length in x.shape[-2:]:
        n_positions = (length - side).clamp(min=0) + 1
        uniform = torch.rand(len(x), generator=generator)
        start = (uniform * n_positions).floor()[:, None]
        place = torch.arange(length)
        inside.append((place >= start) & (place < start + side[:, None]))  # (b, length)
    region = inside[0][:, None, :, None] & inside[1][:, None, None, :]  # (b, 1, h, w)
    return x.masked_fill(region.to(x.device), fill)


def blur(x: torch.Tensor, level: Level, generator: torch.Generator) -> torch.Tensor:
    """Blur images with a Gaussian kernel, truncated at four standard deviations.

    Images are extended beyond their border by the nearest pixel.

    Parameters
    ----------
    x : torch.Tensor of shape (n_samples, n_channels, height, width)
        Images, float32.
    level : float or (float, float)
        Standard deviation of the kernel in pixels, at least 0.
    generator : torch.Generator
        Random number generator on the CPU; used only if `level` is a pair.

    Returns
    -------
    corrupted : torch.Tensor of the shape of x
        Blurred images.
    """
    b, c, h, w = x.shape
    sigma = _levels(x, level, generator).reshape(b, 1)
    radius = math.ceil(4 * float(sigma.max()))
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma.clamp(min=1e-6)).square())
    kernel = kernel / kernel.sum(1, keepdim=True)  # (b, size)
    kernel = kernel.repeat_interleave(c, 0).to(x.device)  # (b * c, size)
    x = functional.pad(x.reshape(1, b * c, h, w), (radius,) * 4, mode="replicate")
    x = functional.conv2d(x, kernel[:, None, :, None], groups=b * c)  # along the height
    x = functional.conv2d(x, kernel[:, None, None, :], groups=b * c)  # along the width
    return x.reshape(b, c, h, w)


def jpeg(x: torch.Tensor, level: Level, generator: torch.Generator) -> torch.Tensor:
    """Add the compression artifacts of JPEG to images in [0, 1] [1]_.

    The cosine coefficients of each block of 8 x 8 pixels are quantized. Three channels are red,
    green and blue: they become luminance, and two chrominances of half the resolution. Any other
    channels are treated as luminance. Values are clipped to [0, 1], and rounded to 256 levels
    before and after.

    Parameters
    ----------
    x : torch.Tensor of shape (n_samples, n_channels, height, width)
        Images, float32, between 0 and 1.
    level : float or (float, float)
        Quality of Pillow and libjpeg, from 1 (the worst) to 100.
    generator : torch.Generator
        Random number generator on the CPU; used only if `level` is a pair.

    Returns
    -------
    corrupted : torch.Tensor of the shape of x
        Multiples of 1 / 255 between 0 and 1.

    References
    ----------
    .. [1] G. K. Wallace, "The JPEG still picture compression standard", IEEE Transactions on
       Consumer Electronics 38, 1992.
    """
    h, w = x.shape[-2:]
    quality = _levels(x, level, generator).round().clamp(1, 100).to(x.device)  # (b, 1, 1, 1)
    step = torch.where(quality < 50, torch.floor(5000 / quality), 200 - 2 * quality) / 100
    x = functional.pad((x.clamp(0, 1) * 255).round(), (0, -w % 16, 0, -h % 16), mode="replicate")
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


def _levels(x, level, generator):
    """Return one level per sample, of shape (n_samples, 1, ...), on the CPU."""
    uniform = torch.zeros(len(x))
    low = high = level
    if isinstance(level, (tuple, list)):
        low, high = level
    if low != high:
        uniform = torch.rand(len(x), generator=generator)
    return (low + (high - low) * uniform).reshape(-1, *[1] * (x.ndim - 1))


CORRUPTIONS = {
    function.__name__: function
    for function in (gaussian, masking, salt_and_pepper, patches, blur, jpeg)
}
"""The corruptions by name."""
