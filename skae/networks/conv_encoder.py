"""Convolutions of the encoder of images: stages, channels and kernels on a grid of patches."""

import math

from torch import nn

from skae.networks.layers import Conv2d
from skae.networks.patches import halve_shape

__all__ = ["build_encoder", "first_filters", "full_resolution_kernel", "kernel_of"]

MAX_ENCODED_CELLS = 16
"""Cells of the encoder's last feature map: 4 x 4, few enough for a dense layer."""

MAX_SMALL_PATCH_FEATURES = 256
"""Features of a patch up to which kernels of 3 x 3 at full resolution cost little time."""


def build_encoder(grid, n_filters, n_stages, kernel_size, fine, units, allow_nan):
    """Build the encoder's convolutions.

    Each convolution halves the grid, until at most `MAX_ENCODED_CELLS` cells are left. The first
    one does not if the patches are fine, or the image is large.

    Parameters
    ----------
    grid : PatchGrid
        Geometry of the images.
    n_filters : int or tuple of int
        Channels of the first convolution, which double with each one up to four times as many, or
        channels of each convolution.
    n_stages : int or None
        Number of convolutions. If None, the length of a tuple, or as many as halve the grid.
    kernel_size : int or None
        Side of the kernels.
    fine : bool
        Whether the encoder receives fine patches.
    units : HiddenUnits
        Modules after each convolution.
    allow_nan : bool
        Whether the mask of missing values is an input as well.

    Returns
    -------
    convolutions : torch.nn.Sequential
        Convolutions and activations.
    n_features : int
        Number of output features.
    """
    channels, shape = grid.n_patch_features, grid.shape
    if fine:
        channels, shape = grid.n_fine_features, grid.fine_shape
    if allow_nan:
        channels = 2 * channels  # values, and the mask of missing values
    kernel = full_resolution_kernel(grid, kernel_size)
    stride = 2
    if fine or grid.coarser_shapes or math.prod(shape) <= MAX_ENCODED_CELLS:
        stride = 1
    if isinstance(n_filters, tuple):
        n_stages = len(n_filters)
    layers, stage = [], 0
    while True:
        n_outputs = _stage_filters(n_filters, stage, fine)
        padding = tuple(side // 2 for side in kernel)
        layers += [
            Conv2d(channels, n_outputs, kernel, stride, padding=padding),
            units.make(n_outputs, of_maps=True),
        ]
        channels = n_outputs
        if stride == 2:
            shape = halve_shape(shape)
        stage += 1
        is_coarse = math.prod(shape) <= MAX_ENCODED_CELLS
        if stage == n_stages or (n_stages is None and is_coarse):
            return nn.Sequential(*layers), channels * math.prod(shape)
        kernel = kernel_of(shape, kernel_size)
        stride = 1 if is_coarse else 2


def _stage_filters(n_filters, stage, fine):
    """Return the number of channels of a convolution; fine patches have twice as many."""
    if isinstance(n_filters, tuple):
        return n_filters[stage]
    factor = min(2**stage, 4)
    if fine:
        factor = 2 * factor
    return factor * n_filters


def first_filters(n_filters):
    """Return the channels of the first convolution, which the decoder follows."""
    if isinstance(n_filters, tuple):
        return n_filters[0]
    return n_filters


def kernel_of(shape, kernel_size):
    """Return height and width of a kernel: 3, or at most what a grid of this shape can hold."""
    if kernel_size is None:
        return (3, 3)
    return tuple(min(kernel_size, 2 * side - 1) for side in shape)


def full_resolution_kernel(grid, kernel_size):
    """Return the kernel of the first and the last convolution: 1 for large patches."""
    if kernel_size is None and grid.n_patch_features > MAX_SMALL_PATCH_FEATURES:
        return (1, 1)
    return kernel_of(grid.shape, kernel_size)
