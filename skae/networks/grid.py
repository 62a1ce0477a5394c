"""How images are cut into patches: the geometry of a convolutional network, from height, width and channels alone.

::

    image (H, W, C) ── patches of (ph, pw) ──▶ grid (gh, gw) of P = ph * pw * C numbers ── halved ──▶ coarser grids
                              └── means of blocks (bh, bw) ──▶ Q = P / (bh * bw) numbers per patch: what PCA sees
"""

import math

import torch
from torch.nn import functional

__all__ = ["Grid"]

MOST_PIXELS = 4096
"""Up to so many numbers per image PCA sees every pixel; beyond it, means of blocks."""

CELLS = 64
"""About how many patches an image is cut into, as long as they stay small."""

COARSE = 100
"""Grids with more patches than this are halved until they have fewer."""


class Grid:
    """Cut images of one size into patches, and put them together again.

    Parameters
    ----------
    channels, height, width : int
        Of an image, at least 1 each. Any numbers will do: what is missing to a whole patch is filled with zeros.
    channels_first : bool
        How the numbers of an image follow each other in a row.

    Attributes
    ----------
    patch : tuple of int
        Height and width of a patch.
    block : tuple of int
        Height and width of the blocks whose means PCA sees; (1, 1) for every pixel.
    shape : tuple of int
        Patches along height and width.
    coarser : list of tuple of int
        Shapes of the grids that follow by halving.
    fine : tuple of int
        Patches of half the height and width, where they have more than one pixel, along height and width.
    n_patch, n_fine, n_low : int
        Numbers in a patch, numbers in one of half the size, and numbers in a patch that PCA sees.
    """

    def __init__(self, channels, height, width, channels_first):
        self.size = (channels, height, width)
        self.channels_first = channels_first
        block = [1, 1]
        while math.ceil(height / block[0]) * math.ceil(width / block[1]) * channels > MOST_PIXELS:
            tall = (height / block[0]) / (width / block[1])
            block = [block[0] * (2 if tall > 0.6 else 1), block[1] * (2 if tall < 1.6 else 1)]
        # a convolution of single pixels costs much and sees little
        patch = [2, 2] if min(height, width) >= 8 else [1, 1]
        room = 256 if block == [1, 1] else 1024
        while math.ceil(height / patch[0]) * math.ceil(width / patch[1]) > CELLS and 2 * patch[0] * patch[1] * channels <= room:
            taller = (patch[0] <= patch[1] or width <= patch[1]) and height > patch[0]
            patch[0 if taller else 1] *= 2
        self.block = tuple(block)
        self.patch = tuple(max(p, b) for p, b in zip(patch, block, strict=True))
        self.shape = (math.ceil(height / self.patch[0]), math.ceil(width / self.patch[1]))
        self.n_patch = math.prod(self.patch) * channels
        self.n_low = self.n_patch // math.prod(self.block)
        self.parts = tuple(min(2, p) for p in self.patch)
        self.fine = tuple(n * part for n, part in zip(self.shape, self.parts, strict=True))
        self.n_fine = self.n_patch // math.prod(self.parts)
        self.coarser, shape = [], self.shape
        while math.prod(shape) > COARSE:
            shape = halved(shape)
            self.coarser.append(shape)

    @property
    def n_cells(self):
        """Patches in an image."""
        return math.prod(self.shape)

    @property
    def whole(self):
        """Whether the patches tile the image, with nothing filled in."""
        return all(n * p == side for n, p, side in zip(self.shape, self.patch, self.size[1:], strict=True))

    def images(self, x):
        """See rows (..., d) as images (..., c, h, w)."""
        c, h, w = self.size
        return x.unflatten(-1, (c, h, w)) if self.channels_first else x.unflatten(-1, (h, w, c)).movedim(-1, -3)

    def flat(self, x):
        """See images (..., c, h, w) as rows (..., d)."""
        return (x if self.channels_first else x.movedim(-3, -1)).flatten(-3)

    def cut(self, x):
        """Cut rows (..., d) into patches: (..., gh * gw * P), with the numbers of a patch side by side."""
        h, w = self.size[1:]
        (ph, pw), (gh, gw) = self.patch, self.shape
        x = self.images(x).movedim(-3, -1)
        x = functional.pad(x, (0, 0, 0, gw * pw - w, 0, gh * ph - h))  # (..., gh * ph, gw * pw, c)
        return x.unflatten(-2, (gw, pw)).unflatten(-4, (gh, ph)).transpose(-4, -3).flatten(-5)

    def join(self, x):
        """Put patches together again: (..., gh * gw * P) to rows (..., d)."""
        c, h, w = self.size
        (ph, pw), (gh, gw) = self.patch, self.shape
        x = x.unflatten(-1, (gh, gw, ph, pw, c)).transpose(-4, -3)
        x = x.flatten(-5, -4).flatten(-3, -2)[..., :h, :w, :]
        return self.flat(x.movedim(-1, -3))

    def finer(self, x):
        """Cut patches (..., gh * gw * P) into such of half the size, laid out as if an image had been cut into these."""
        (ph, pw), (gh, gw), (i, j) = self.patch, self.shape, self.parts
        x = x.unflatten(-1, (gh, gw, i, ph // i, j, pw // j, self.size[0]))
        return x.transpose(-6, -5).transpose(-4, -3).flatten(-7)

    def low(self, x):
        """Give of patches (..., gh * gw * P) what PCA sees: (..., gh * gw * Q), means of blocks."""
        if self.block == (1, 1):
            return x
        (ph, pw), (bh, bw) = self.patch, self.block
        x = x.unflatten(-1, (self.n_cells, ph // bh, bh, pw // bw, bw, self.size[0]))
        return x.mean((-4, -2)).flatten(-4)

    def view(self, x):
        """Give of rows (..., d) what PCA sees."""
        return self.low(self.cut(x))

    def inside(self):
        """Mark with 1 the numbers of a cut image that are in the image, and not filled in."""
        return self.cut(torch.ones(1, math.prod(self.size)))[0]

    def smooth_kernel(self):
        """Give the convolution on the grid that turns block means into pixels, bilinearly: (P, Q, 3, 3)."""
        c = self.size[0]
        (ph, pw), (bh, bw) = self.patch, self.block
        qh, qw = ph // bh, pw // bw
        kernel = torch.zeros(ph, pw, c, qh, qw, c, 3, 3)
        for cell in range(9 * qh * qw):
            i, j, a, b = (int(n) for n in torch.unravel_index(torch.tensor(cell), (3, 3, qh, qw)))
            one = torch.zeros(1, 1, 3 * qh, 3 * qw)
            one[0, 0, i * qh + a, j * qw + b] = 1
            spread = functional.interpolate(one, size=(3 * ph, 3 * pw), mode="bilinear")[0, 0, ph : 2 * ph, pw : 2 * pw]
            for channel in range(c):
                kernel[:, :, channel, a, b, channel, i, j] = spread
        return kernel.reshape(self.n_patch, self.n_low, 3, 3)


def halved(shape):
    """Give the shape of the next coarser grid."""
    return tuple(math.ceil(n / 2) for n in shape)
