"""The network that restores images: a convolutional autoencoder with skip connections, which says what to add to an image."""

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from skae.networks.autoencoder import Passed
from skae.networks.blocks import ACTIVATIONS, Conv2d, initialise

__all__ = ["Restorer"]

UNSHUFFLE = 2
"""The first convolution sees blocks of so many pixels along height and width: at full resolution it would cost most."""

WIDENING = (1, 2, 4)
"""Channels of the levels, as multiples of those of the first. Each level has half the resolution of the one before."""

FACTOR = UNSHUFFLE * 2 ** (len(WIDENING) - 1)
"""Height and width are filled up to multiples of this; results don't depend on anything but a pixel's place modulo this."""


class Block(nn.Module):
    """Two convolutions whose result is added to their input. The second starts at zero."""

    def __init__(self, width, activation):
        super().__init__()
        self.first = Conv2d(width, width, 3, padding=1)
        self.last = Conv2d(width, width, 3, padding=1)
        self.act = ACTIVATIONS[activation]()

    def forward(self, x):
        """Map (b, c, h, w) to the same shape."""
        return x + self.last(self.act(self.first(x)))


class Restorer(nn.Module):
    """An autoencoder of damaged images that gives the difference to clean ones, so that it starts as doing nothing [1]_ [2]_.

    ::

        x (b, C, H, W) ── blocks of 2 x 2 pixels ─▶ level 0 ────────────────── + ─▶ level 0 ── pixels ─▶ + ─▶ x_hat
                                                       └─▶ level 1 ───── + ─▶ level 1 ─┘                 x
                                                              └─▶ level 2 ─┘

    Pixels become channels before the first convolution, as in [2]_ and [3]_; the levels below and their skip connections are
    those of [4]_. There is no normalisation: the answer for an image depends on nothing else.

    Parameters
    ----------
    n_channels : int
        Of an image.
    n_filters : int
        Channels of the highest level.
    n_blocks : int, default=1
        Pairs of convolutions on each level and each way; the lowest level has twice as many.
    activation : str, default="relu"
        A key of `skae.networks.blocks.ACTIVATIONS`.
    crop : tuple of int
        Height and width of the images that it is trained with. It restores images of any size.
    allow_nan : bool, default=False
        Whether images may have gaps. It then sees where they are, in as many channels as an image has.
    fill : float, default=0.5
        What gaps are filled with before anything is added.
    only_gaps : bool, default=False
        Whether all but the gaps stays as it is.

    References
    ----------
    .. [1] K. Zhang, W. Zuo, Y. Chen, D. Meng and L. Zhang, "Beyond a Gaussian denoiser: Residual learning of deep CNN for image
       denoising", IEEE Transactions on Image Processing 26, 2017.
    .. [2] K. Zhang, Y. Li, W. Zuo, L. Zhang, L. Van Gool and R. Timofte, "Plug-and-play image restoration with deep denoiser
       prior", IEEE Transactions on Pattern Analysis and Machine Intelligence 44, 2022 (DRUNet).
    .. [3] K. Zhang, W. Zuo and L. Zhang, "FFDNet: Toward a fast and flexible solution for CNN-based image denoising", IEEE
       Transactions on Image Processing 27, 2018.
    .. [4] O. Ronneberger, P. Fischer and T. Brox, "U-Net: Convolutional networks for biomedical image segmentation", MICCAI
       2015.
    """

    channels_last = True

    def __init__(
        self,
        *,
        n_channels,
        n_filters,
        crop,
        n_blocks=1,
        activation="relu",
        allow_nan=False,
        fill=0.5,
        only_gaps=False,
    ):
        super().__init__()
        self.size = (n_channels, *crop)
        self.allow_nan, self.fill, self.only_gaps = allow_nan, fill, only_gaps
        widths = [n_filters * times for times in WIDENING]

        def level(width, blocks):
            return nn.Sequential(*[Block(width, activation) for _ in range(blocks)])

        pixels = n_channels * UNSHUFFLE**2
        self.first = Conv2d(2 * pixels if allow_nan else pixels, widths[0], 3, padding=1)
        self.encoder_levels = nn.ModuleList(level(width, n_blocks) for width in widths[:-1])
        self.down = nn.ModuleList(Conv2d(high, low, 2, stride=2) for high, low in pairwise(widths))
        self.lowest = level(widths[-1], 2 * n_blocks)
        self.up = nn.ModuleList(Conv2d(low, 4 * high, 1) for high, low in pairwise(widths))
        self.decoder_levels = nn.ModuleList(level(width, n_blocks) for width in widths[:-1])
        self.last = Conv2d(widths[0], pixels, 3, padding=1)

    @property
    def reach(self):
        """How far away a pixel may be, along height or width, to have a say: a multiple of `FACTOR`."""
        each = [len(blocks) * 2 * UNSHUFFLE * 2**i for i, blocks in enumerate(self.encoder_levels)]
        pixels = 2 * UNSHUFFLE + 2 * sum(each) + len(self.lowest) * 2 * FACTOR
        return FACTOR * (math.ceil(pixels / FACTOR) + 1)  # a cell of the lowest level is as large as the factor

    @torch.no_grad()
    def start(self, generator):
        """Draw all weights; what is added to an image is zero, and so is what a block adds."""
        initialise(self, generator)
        for part in self.modules():
            if isinstance(part, (Block, Restorer)):
                nn.init.zeros_(part.last.weight)

    def prepare(self, rows):
        """See rows of two images, a damaged and a clean one, as (b, 2, C, h, w)."""
        return rows.unflatten(1, (2, *self.size))

    def target(self, pairs):
        """Give the clean images of pairs."""
        return pairs[:, 1]

    def forward(self, pairs, generator=None):
        """Restore the damaged images of pairs; there is no code."""
        return Passed(self.restore(pairs[:, 0]))

    def restore(self, x):
        """Restore images whose numbers are about from 0 to 1, NaN in gaps: (b, C, H, W) to the same shape."""
        (h, w), gaps = x.shape[-2:], x.isnan() if self.allow_nan else None
        if gaps is not None:
            x = x.masked_fill(gaps, self.fill)
        seen = x - 0.5 if gaps is None else torch.cat([x - 0.5, gaps.to(x.dtype)], 1)
        padded = functional.pad(seen, (0, -w % FACTOR, 0, -h % FACTOR), mode="replicate")
        change = self.decode(self.encode(padded))[..., :h, :w]
        return x + (change * gaps if self.only_gaps else change)

    def encode(self, seen):
        """Turn what is seen, whose sides are multiples of `FACTOR`, into maps of all levels, the highest first."""
        maps = [self.first(functional.pixel_unshuffle(seen, UNSHUFFLE))]
        for level, down in zip(self.encoder_levels, self.down, strict=True):
            maps[-1] = level(maps[-1])
            maps.append(down(maps[-1]))
        return [*maps[:-1], self.lowest(maps[-1])]

    def decode(self, maps):
        """Turn maps of all levels into what is to be added to images."""
        x = maps[-1]
        for level, up, skipped in list(zip(self.decoder_levels, self.up, maps, strict=False))[::-1]:
            x = level(functional.pixel_shuffle(up(x), 2) + skipped)
        return functional.pixel_shuffle(self.last(x), UNSHUFFLE)
