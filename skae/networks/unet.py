"""The network for image restoration: a convolutional network with skip connections (U-Net)."""

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from skae.networks.forward_output import ForwardOutput
from skae.networks.layers import ACTIVATIONS, Conv2d, initialize_weights

__all__ = ["FACTOR", "UNet"]

UNSHUFFLE = 2
"""Height and width of the blocks of pixels that become channels before the first convolution.

Convolutions at full resolution would take most of the time.
"""

WIDENING = (1, 2, 4)
"""Channels of each level relative to the first. Each level has half the previous resolution."""

FACTOR = UNSHUFFLE * 2 ** (len(WIDENING) - 1)
"""Images are padded to multiples of this. The network commutes with shifts by multiples of it."""


class Block(nn.Module):
    """A residual block of two convolutions, the second of which starts at zero."""

    def __init__(self, width, activation):
        super().__init__()
        self.first = Conv2d(width, width, 3, padding=1)
        self.last = Conv2d(width, width, 3, padding=1)
        self.act = ACTIVATIONS[activation]()

    def forward(self, x):
        """Map (b, c, h, w) to the same shape."""
        return x + self.last(self.act(self.first(x)))


class UNet(nn.Module):
    """A U-Net that predicts the residual from corrupted to clean images [1]_ [2]_.

    The network starts as the identity.

    ::

        x (b, C, H, W) ── blocks of 2 x 2 ─▶ level 0 ────────────────── + ─▶ level 0 ── + ─▶ x_hat
                                               └─▶ level 1 ───── + ─▶ level 1 ─┘        x
                                                      └─▶ level 2 ─┘

    Pixels become channels before the first convolution, as in [2]_ and [3]_. The lower levels and
    their skip connections follow [4]_. There is no normalization, so that results are independent
    of the other images of a batch.

    Parameters
    ----------
    n_channels : int
        Number of channels of an image.
    n_filters : int
        Channels of the first level.
    crop : tuple of int
        Height and width of the images in training. The network restores images of any size.
    n_blocks : int, default=1
        Residual blocks of each level of the encoder and of the decoder; the last level has twice as
        many.
    activation : str, default="relu"
        A key of `skae.networks.layers.ACTIVATIONS`.
    allow_nan : bool, default=False
        Whether images may have missing pixels. The mask of missing pixels is then a further input.
    fill : float, default=0.5
        Replacement of missing pixels in the input.
    masked_only : bool, default=False
        Whether only missing pixels change.

    References
    ----------
    .. [1] K. Zhang, W. Zuo, Y. Chen, D. Meng and L. Zhang, "Beyond a Gaussian denoiser: Residual
       learning of deep CNN for image denoising", IEEE Transactions on Image Processing 26, 2017.
    .. [2] K. Zhang, Y. Li, W. Zuo, L. Zhang, L. Van Gool and R. Timofte, "Plug-and-play image
       restoration with deep denoiser prior", IEEE Transactions on Pattern Analysis and Machine
       Intelligence 44, 2022 (DRUNet).
    .. [3] K. Zhang, W. Zuo and L. Zhang, "FFDNet: Toward a fast and flexible solution for CNN-based
       image denoising", IEEE Transactions on Image Processing 27, 2018.
    .. [4] O. Ronneberger, P. Fischer and T. Brox, "U-Net: Convolutional networks for biomedical
       image segmentation", MICCAI 2015.
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
        masked_only=False,
    ):
        super().__init__()
        self.size = (n_channels, *crop)
        self.allow_nan = allow_nan
        self.fill = fill
        self.masked_only = masked_only
        widths = [n_filters * multiple for multiple in WIDENING]
        n_outputs = n_channels * UNSHUFFLE**2
        n_inputs = n_outputs
        if allow_nan:
            n_inputs = 2 * n_outputs
        self.first = Conv2d(n_inputs, widths[0], 3, padding=1)
        self.encoder_levels = nn.ModuleList(
            _build_level(width, n_blocks, activation) for width in widths[:-1]
        )
        self.down = nn.ModuleList(Conv2d(high, low, 2, stride=2) for high, low in pairwise(widths))
        self.lowest = _build_level(widths[-1], 2 * n_blocks, activation)
        self.up = nn.ModuleList(Conv2d(low, 4 * high, 1) for high, low in pairwise(widths))
        self.decoder_levels = nn.ModuleList(
            _build_level(width, n_blocks, activation) for width in widths[:-1]
        )
        self.last = Conv2d(widths[0], n_outputs, 3, padding=1)

    @property
    def reach(self):
        """Radius of the receptive field in pixels, rounded up to a multiple of `FACTOR`."""
        radius = 2 * UNSHUFFLE + len(self.lowest) * 2 * FACTOR
        for i, blocks in enumerate(self.encoder_levels):
            radius += 2 * len(blocks) * 2 * UNSHUFFLE * 2**i
        # one more cell of the last level, since a pixel may be anywhere within its cell
        return FACTOR * (math.ceil(radius / FACTOR) + 1)

    @torch.no_grad()
    def initialize(self, generator):
        """Sample all weights, and set the last layers to zero, so that the network is the identity.

        Parameters
        ----------
        generator : torch.Generator
            Random number generator on the CPU.
        """
        initialize_weights(self, generator)
        for module in self.modules():
            if isinstance(module, (Block, UNet)):
                nn.init.zeros_(module.last.weight)

    def prepare(self, rows):
        """Return flat pairs of a corrupted and a clean image as (b, 2, C, h, w)."""
        return rows.unflatten(1, (2, *self.size))

    def target(self, pairs):
        """Return the clean images of pairs (b, 2, C, h, w)."""
        return pairs[:, 1]

    def forward(self, pairs, generator=None):
        """Restore the corrupted images of pairs (b, 2, C, h, w)."""
        return ForwardOutput(self.restore(pairs[:, 0]))

    def restore(self, x):
        """Restore images.

        Parameters
        ----------
        x : torch.Tensor of shape (b, C, H, W)
            Images, approximately in [0, 1], NaN where pixels are missing.

        Returns
        -------
        x_hat : torch.Tensor of shape (b, C, H, W)
            Restored images.
        """
        h, w = x.shape[-2:]
        if self.allow_nan:
            is_missing = x.isnan()
            x = x.masked_fill(is_missing, self.fill)
            inputs = torch.cat([x - 0.5, is_missing.to(x.dtype)], 1)  # (b, 2 * C, H, W)
        else:
            inputs = x - 0.5
        inputs = functional.pad(inputs, (0, -w % FACTOR, 0, -h % FACTOR), mode="replicate")
        residual = self.decode(self.encode(inputs))[..., :h, :w]  # (b, C, H, W)
        if self.masked_only:
            residual = residual * is_missing
        return x + residual

    def encode(self, inputs):
        """Compute the feature maps of all levels, at the highest resolution first.

        Parameters
        ----------
        inputs : torch.Tensor of shape (b, n_inputs, H, W)
            Images of a height and a width that are multiples of `FACTOR`.

        Returns
        -------
        maps : list of torch.Tensor of shape (b, c, h, w)
            One feature map per level.
        """
        maps = []
        x = self.first(functional.pixel_unshuffle(inputs, UNSHUFFLE))  # (b, c, H / 2, W / 2)
        for level, down in zip(self.encoder_levels, self.down, strict=True):
            maps.append(level(x))
            x = down(maps[-1])  # (b, 2 * c, h / 2, w / 2)
        maps.append(self.lowest(x))
        return maps

    def decode(self, maps):
        """Compute the residual (b, C, H, W) from the feature maps of all levels."""
        *skipped_maps, x = maps
        layers = list(zip(self.decoder_levels, self.up, skipped_maps, strict=True))
        for level, up, skipped in reversed(layers):
            x = level(functional.pixel_shuffle(up(x), 2) + skipped)  # (b, c / 2, 2 * h, 2 * w)
        return functional.pixel_shuffle(self.last(x), UNSHUFFLE)


def _build_level(width, n_blocks, activation):
    """Build a sequence of residual blocks."""
    return nn.Sequential(*[Block(width, activation) for _ in range(n_blocks)])
