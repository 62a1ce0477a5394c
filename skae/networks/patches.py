"""Geometry of convolutional networks: images are cut into a grid of patches.

::

    image (H, W, C) ── patches (ph, pw) ──▶ grid (gh, gw) of P = ph * pw * C ── halved ──▶ coarser
                              └── means of blocks (bh, bw) ──▶ Q = P / (bh * bw) per patch: PCA
"""

import itertools
import math

import torch
from torch.nn import functional

__all__ = ["PatchGrid", "halve_shape"]

MAX_PCA_FEATURES = 4096
"""Features of an image up to which PCA uses every pixel. Larger images need block means."""

TARGET_PATCHES = 64
"""Number of patches of an image, unless patches would exceed `MAX_PATCH_FEATURES`."""

MAX_PATCH_FEATURES = 256
MAX_BLOCK_PATCH_FEATURES = 1024
"""Features of a patch, without and with block means, so that products over patches stay small."""

MAX_COARSEST_PATCHES = 100
"""Grids with more patches are halved, since the decoder starts with a dense layer."""


class PatchGrid:
    """Conversion of images of one size to patches and back.

    Parameters
    ----------
    channels, height, width : int
        Size of an image, at least 1 each. Images are padded with zeros to whole patches. More than
        `MAX_PCA_FEATURES` channels are an error.
    channels_first : bool
        Whether a flat image is (channels, height, width) instead of (height, width, channels).

    Attributes
    ----------
    patch : tuple of int
        Height and width of a patch.
    block : tuple of int
        Height and width of the blocks; PCA uses their means. (1, 1) means every pixel.
    shape : tuple of int
        Number of patches along height and width.
    coarser_shapes : list of tuple of int
        Shapes of the next grids by repeated halving.
    fine_factor : tuple of int
        Number of fine patches in a patch, along height and width: 2, or 1 for single pixels.
    fine_shape : tuple of int
        Number of fine patches along height and width.
    n_patch_features, n_fine_features, n_pca_features : int
        Numbers in a patch, in a fine patch, and in a patch of block means.
    """

    def __init__(self, channels, height, width, channels_first):
        self.size = (channels, height, width)
        self.channels_first = channels_first
        self.block = _block_size(channels, height, width)
        self.patch = _patch_size(channels, height, width, self.block)
        self.shape = _grid_shape(height, width, self.patch)
        self.coarser_shapes = _coarser_shapes(self.shape)
        self.n_patch_features = math.prod(self.patch) * channels
        self.n_pca_features = self.n_patch_features // math.prod(self.block)
        self.fine_factor = tuple(min(2, side) for side in self.patch)
        self.fine_shape = tuple(
            n * factor for n, factor in zip(self.shape, self.fine_factor, strict=True)
        )
        self.n_fine_features = self.n_patch_features // math.prod(self.fine_factor)

    @property
    def n_patches(self):
        """Number of patches of an image."""
        return math.prod(self.shape)

    @property
    def is_padded(self):
        """Whether the patches extend beyond the image."""
        (gh, gw), (ph, pw) = self.shape, self.patch
        return (gh * ph, gw * pw) != self.size[1:]

    def images(self, x):
        """Return samples (..., d) as images (..., c, h, w)."""
        c, h, w = self.size
        if self.channels_first:
            return x.unflatten(-1, (c, h, w))
        return x.unflatten(-1, (h, w, c)).movedim(-1, -3)

    def flat(self, x):
        """Return images (..., c, h, w) as samples (..., d)."""
        if not self.channels_first:
            x = x.movedim(-3, -1)
        return x.flatten(-3)

    def cut(self, x):
        """Cut samples (..., d) into contiguous patches (..., gh * gw * P)."""
        h, w = self.size[1:]
        (ph, pw), (gh, gw) = self.patch, self.shape
        x = self.images(x).movedim(-3, -1)  # (..., h, w, c)
        x = functional.pad(x, (0, 0, 0, gw * pw - w, 0, gh * ph - h))  # (..., gh * ph, gw * pw, c)
        x = x.unflatten(-2, (gw, pw)).unflatten(-4, (gh, ph))  # (..., gh, ph, gw, pw, c)
        return x.transpose(-4, -3).flatten(-5)

    def join(self, x):
        """Join patches (..., gh * gw * P) to samples (..., d)."""
        c, h, w = self.size
        (ph, pw), (gh, gw) = self.patch, self.shape
        x = x.unflatten(-1, (gh, gw, ph, pw, c)).transpose(-4, -3)  # (..., gh, ph, gw, pw, c)
        x = x.flatten(-5, -4).flatten(-3, -2)[..., :h, :w, :]  # (..., h, w, c)
        return self.flat(x.movedim(-1, -3))

    def to_fine_patches(self, x):
        """Divide patches (..., gh * gw * P) into fine patches, in the order of a finer grid."""
        (ph, pw), (gh, gw), (i, j) = self.patch, self.shape, self.fine_factor
        x = x.unflatten(-1, (gh, gw, i, ph // i, j, pw // j, self.size[0]))
        return x.transpose(-6, -5).transpose(-4, -3).flatten(-7)

    def block_means(self, x):
        """Compute the block means (..., gh * gw * Q) of patches (..., gh * gw * P)."""
        if self.block == (1, 1):
            return x
        (ph, pw), (bh, bw) = self.patch, self.block
        x = x.unflatten(-1, (self.n_patches, ph // bh, bh, pw // bw, bw, self.size[0]))
        return x.mean((-4, -2)).flatten(-4)

    def view(self, x):
        """Return the features (..., gh * gw * Q) of samples (..., d) for PCA."""
        return self.block_means(self.cut(x))

    def inside_mask(self):
        """Return 1 for each number of a cut image, and 0 for padding: (gh * gw * P,)."""
        return self.cut(torch.ones(1, math.prod(self.size)))[0]

    def smooth_kernel(self):
        """Build the convolution that interpolates block means bilinearly: (P, Q, 3, 3)."""
        c = self.size[0]
        (ph, pw), (bh, bw) = self.patch, self.block
        qh, qw = ph // bh, pw // bw
        kernel = torch.zeros(ph, pw, c, qh, qw, c, 3, 3)
        for i, j, a, b in itertools.product(range(3), range(3), range(qh), range(qw)):
            impulse = torch.zeros(1, 1, 3 * qh, 3 * qw)
            impulse[0, 0, i * qh + a, j * qw + b] = 1
            pixels = functional.interpolate(impulse, size=(3 * ph, 3 * pw), mode="bilinear")
            response = pixels[0, 0, ph : 2 * ph, pw : 2 * pw]  # (ph, pw)
            for channel in range(c):
                kernel[:, :, channel, a, b, channel, i, j] = response
        return kernel.reshape(self.n_patch_features, self.n_pca_features, 3, 3)


def halve_shape(shape):
    """Return the shape of the next coarser grid."""
    return tuple(math.ceil(n / 2) for n in shape)


def _grid_shape(height, width, cell):
    """Return the number of cells along height and width of an image."""
    return math.ceil(height / cell[0]), math.ceil(width / cell[1])


def _block_size(channels, height, width):
    """Return the smallest block size that leaves at most `MAX_PCA_FEATURES` block means."""
    if channels > MAX_PCA_FEATURES:
        raise ValueError(
            f"Got images or signals of {channels} channels, but expected at most "
            f"{MAX_PCA_FEATURES}. Reduce the channels, for example by PCA, or use a "
            "DenseAutoencoder."
        )
    block_height = block_width = 1
    while True:
        block = (block_height, block_width)
        if math.prod(_grid_shape(height, width, block)) * channels <= MAX_PCA_FEATURES:
            return block
        aspect_ratio = (height / block_height) / (width / block_width)
        if aspect_ratio > 0.6:
            block_height *= 2
        if aspect_ratio < 1.6:
            block_width *= 2


def _patch_size(channels, height, width, block):
    """Return the patch size, which leaves about `TARGET_PATCHES` patches."""
    patch = [1, 1]
    if min(height, width) >= 8:
        # a convolution of single pixels is expensive and has a small receptive field
        patch = [2, 2]
    max_features = MAX_BLOCK_PATCH_FEATURES
    if block == (1, 1):
        max_features = MAX_PATCH_FEATURES
    while math.prod(_grid_shape(height, width, patch)) > TARGET_PATCHES:
        if 2 * math.prod(patch) * channels > max_features:
            break
        can_grow = height > patch[0]
        if can_grow and (patch[0] <= patch[1] or width <= patch[1]):
            patch[0] *= 2
        else:
            patch[1] *= 2
    return max(patch[0], block[0]), max(patch[1], block[1])


def _coarser_shapes(shape):
    """Return the shapes of repeatedly halved grids, down to `MAX_COARSEST_PATCHES` patches."""
    shapes = []
    while math.prod(shape) > MAX_COARSEST_PATCHES:
        shape = halve_shape(shape)
        shapes.append(shape)
    return shapes
