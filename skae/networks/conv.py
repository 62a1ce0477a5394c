"""The convolutional network: residual PCA of images, with convolutions on a grid of patches."""

import math

import torch
from torch import nn
from torch.nn import functional

from skae.networks.autoencoder import Autoencoder
from skae.networks.conv_encoder import (
    build_encoder,
    first_filters,
    full_resolution_kernel,
    kernel_of,
)
from skae.networks.features import FeatureCoordinates
from skae.networks.hidden_units import HiddenUnits
from skae.networks.layers import Conv2d, Linear, product
from skae.networks.patches import PatchGrid

__all__ = ["ConvNetwork"]


class ConvNetwork(Autoencoder):
    """An autoencoder of images with convolutional encoder and decoder.

    ::

        x ─ patches ─┬─ block means ─ components ─▶ u ──────────▶ trunk ─▶ z (b, k)
                     └─ convolutions, halving ─▶ features ──▶┘
        z ─ trunk ─┬─▶ u_hat ─ components ─▶ low
                   └─▶ maps ─ doubling ─▶ fine
        x_hat = low, interpolated + convolutions of (low, fine)

    The network works on a grid of patches, so that convolutions at full resolution are matrix
    products. The last convolution starts at zero: before the first step the network is PCA of all
    pixels, or of block means.

    Parameters
    ----------
    image_size : tuple of int
        Channels, height, width.
    channels_first : bool
        Whether a flat image is (channels, height, width) instead of (height, width, channels).
    n_filters : int or tuple of int
        Channels of the first convolution. They double with each convolution of the encoder, up to
        four times as many. A tuple has the channels of each of them.
    n_stages : int, default=None
        Number of convolutions of the encoder. If None, it follows from the grid and `n_filters`.
    kernel_size : int, default=None
        Height and width of the kernels, an odd number. If None, 3, and 1 on large patches.
    fine : bool, default=False
        Whether the encoder receives patches of half the height and width, and has twice as many
        filters. It applies to small images only, and takes two to three times the operations.
    scales_channels : bool, default=False
        Whether each channel has a unit of its own, as in signals.
    features : skae.features.Features, default=None
        Builds the module of features of images. The encoder then receives their principal
        coordinates in place of u, and samples of the training space end with the coordinates.
        Without hidden layers the encoder is fixed, and has no convolutions.
    n_feature_coordinates : int, default=0
        Number of these coordinates.
    **shared
        Parameters of `skae.networks.autoencoder.Autoencoder`.
    """

    channels_last = True

    def __init__(
        self,
        *,
        image_size,
        channels_first,
        n_filters,
        n_stages=None,
        kernel_size=None,
        fine=False,
        scales_channels=False,
        features=None,
        n_feature_coordinates=0,
        **shared,
    ):
        grid = PatchGrid(*image_size, channels_first)
        is_small = not grid.coarser_shapes
        fine = fine and is_small and grid.n_fine_features < grid.n_patch_features
        encoder, n_extra = None, 0
        if shared["encoder_sizes"]:
            units = HiddenUnits(
                shared["activation"], shared.get("normalization"), shared.get("dropout", 0.0)
            )
            encoder, n_extra = build_encoder(
                grid, n_filters, n_stages, kernel_size, fine, units, shared.get("allow_nan")
            )
        n_pca_features = grid.n_patches * grid.n_pca_features
        super().__init__(
            n_extra=n_extra,
            n_pca_features=n_pca_features,
            n_encoder_coordinates=n_feature_coordinates,
            **shared,
        )
        self.features = None
        if features is not None:
            self.features = FeatureCoordinates(
                features, image_size, self.n_features, n_pca_features, n_feature_coordinates
            )
            self.trunk.encoder_linear.requires_grad_(encoder is not None)
        if scales_channels:
            self.centre.set_feature_scale(torch.ones(self.n_features))
        self.grid = grid
        self.fine = fine
        self.encoder_convolutions = encoder
        self.decoder_shapes = [grid.shape, *grid.coarser_shapes][::-1]
        n_filters = first_filters(n_filters)
        self.n_maps = 2 * n_filters
        if is_small:
            self.n_maps = max(1, n_filters // 2)
        n_hidden = shared["n_components"]
        if shared["decoder_sizes"]:
            n_hidden = shared["decoder_sizes"][-1]
        self._add_decoder(n_hidden, n_filters, kernel_size)
        inside = smooth = None
        if grid.is_padded:
            inside = torch.ones(grid.n_patches * grid.n_patch_features)
        if grid.block != (1, 1):
            smooth = torch.zeros(grid.n_patch_features, grid.n_pca_features, 3, 3)
        self.register_buffer("inside", inside)
        self.register_buffer("smooth", smooth)

    def _add_decoder(self, n_hidden, n_filters, kernel_size):
        """Add the layers from the last hidden layer of the trunk to patches."""
        grid, n_maps = self.grid, self.n_maps
        self.decoder_maps = Linear(n_hidden, n_maps * math.prod(self.decoder_shapes[0]))
        self.decoder_convolutions = nn.ModuleList(
            _convolution(n_maps, 4 * n_maps, kernel_of(shape, kernel_size))
            for shape in self.decoder_shapes[:-1]
        )
        self.decoder_units = nn.ModuleList(
            self.units.make(n_maps, of_maps=True) for _ in self.decoder_convolutions
        )
        n_mixed = 2 * n_filters
        kernel = kernel_of(grid.shape, kernel_size)
        self.decoder_mix = _convolution(grid.n_pca_features + n_maps, n_mixed, kernel)
        self.mix_units = self.units.make(n_mixed, of_maps=True)
        kernel = full_resolution_kernel(grid, kernel_size)
        self.decoder_last = _convolution(n_mixed, grid.n_patch_features, kernel)

    @property
    def n_training_features(self):
        """Number of features of an image cut into patches, with padding."""
        return self.grid.n_patches * self.grid.n_patch_features

    @property
    def n_prepared_features(self):
        """Number of features of an image cut into patches, and of its feature coordinates."""
        if self.features is None:
            return self.n_training_features
        return self.n_training_features + len(self.features.components)

    @property
    def max_features_held(self):
        """Largest number of float32 values per sample in memory while encoding or decoding."""
        n_first_maps = 0
        if self.fine and self.encoder_convolutions is not None:
            n_filters = self.encoder_convolutions[0].out_channels
            n_first_maps = math.prod(self.grid.fine_shape) * n_filters
        n_encoding = self.n_training_features + 2 * n_first_maps
        n_decoding = 2 * self.n_training_features + self.grid.n_patches * 8 * self.n_maps
        n_held = max(n_encoding, n_decoding)
        if self.allow_nan:
            n_held += 2 * self.n_training_features
        if self.features is not None:
            n_held += 2 * self.features.module.n_outputs + self.n_features
        return n_held

    @torch.no_grad()
    def init_from_pca(self, principal):
        """Set the network to PCA, and the masks and kernels of the grid to their values."""
        super().init_from_pca(principal)
        if principal.feature_scale is not None:
            self.centre.set_feature_scale(principal.feature_scale)
        if self.inside is not None:
            self.inside.copy_(self.grid.inside_mask())
        if self.smooth is not None:
            self.smooth.copy_(self.grid.smooth_kernel())
        nn.init.zeros_(self.decoder_last.weight)
        nn.init.zeros_(self.decoder_last.bias)
        if self.features is not None:
            self.features.set(principal.features)
            weight = self.trunk.decoder_linear.weight  # (m, k)
            slopes = principal.features.decoder[:, : weight.shape[1]]
            weight.zero_()
            weight[: len(slopes)].copy_(slopes * self.whitening)

    def to_training_space(self, x):
        """Cut standardized samples (b, d) into patches (b, gh * gw * P).

        With features, their coordinates follow.
        """
        patches = self.grid.cut(x)
        if self.features is None:
            return patches
        x = self.impute(x)
        images = self.grid.images(x + self.features.pattern)
        u = self.features(images, self.grid.view(x))
        return torch.cat([patches, u.to(patches.dtype)], -1)

    def from_training_space(self, x):
        """Join patches (b, gh * gw * P) to standardized samples (b, d), without coordinates."""
        return self.grid.join(x[..., : self.n_training_features])

    def target(self, x):
        """Return the target of the loss for samples in the training space."""
        return super().target(x[..., : self.n_training_features])

    def mask_of_target(self, mask):
        """Return a mask of rows (b, d) as a mask of targets; padding is not masked."""
        if self.output == "linear":
            return self.grid.cut(mask)
        return mask

    def reconstruct_mean(self, x):
        """Return the output of the baseline, which reconstructs each sample as the mean."""
        return super().reconstruct_mean(x[..., : self.n_training_features])

    def to_samples(self, x):
        """Return standardized rows (b, d) as images (b, c, h, w)."""
        return self.grid.images(x)

    def to_rows(self, x):
        """Return images (b, c, h, w) as rows (b, d)."""
        return self.grid.flat(x)

    def code(self, x):
        """Encode patches as whitened latent vectors (b, k), and return the hidden layer."""
        u = None
        if self.features is not None:
            x, u = x.split([self.n_training_features, len(self.features.components)], -1)
        if self.encoder_convolutions is None:
            return self.trunk.encode(u)
        mask = None
        if self.allow_nan:
            mask = x.isnan().to(x.dtype)
            x = self.impute(x)
        x = self._mask_padding(x)
        if u is None:
            u = product(self.grid.block_means(x), self.components.mT)  # (b, m)
        maps = self._encoder_maps(x)  # (b, c, h, w)
        if mask is not None:
            maps = torch.cat([maps, self._encoder_maps(mask)], -3)  # (b, 2 * c, h, w)
        features = self.encoder_convolutions(maps)  # (b, c', h', w')
        return self.trunk.encode(u, features.movedim(-3, -1).flatten(-3))

    def reconstruct_code(self, z):
        """Decode whitened latent vectors (b, k) to patches (b, gh * gw * P)."""
        u, hidden = self.trunk.decode(z)  # (b, m), (b, n_hidden)
        low = _as_maps(product(u, self.components), self.grid.shape)  # (b, Q, gh, gw)
        maps = _as_maps(self.decoder_maps(hidden), self.decoder_shapes[0])  # (b, n_maps, h, w)
        shapes = self.decoder_shapes[1:]
        steps = zip(self.decoder_convolutions, self.decoder_units, shapes, strict=True)
        for layer, units, (h, w) in steps:
            doubled = functional.pixel_shuffle(layer(maps), 2)  # (b, n_maps, 2 * h', 2 * w')
            maps = units(doubled[..., :h, :w])  # (b, n_maps, h, w)
        mixed = self.mix_units(self.decoder_mix(_join_maps(low.to(maps.dtype), maps)))
        residual = self.decoder_last(mixed)  # (b, P, gh, gw)
        if self.smooth is not None:
            low = self._interpolate(low)  # (b, P, gh, gw)
        return self._mask_padding((low + residual).movedim(-3, -1).flatten(-3))

    def _encoder_maps(self, x):
        """Return patches as the encoder's input maps (b, c, h, w)."""
        if self.fine:
            return _as_maps(self.grid.to_fine_patches(x), self.grid.fine_shape)
        return _as_maps(x, self.grid.shape)

    def _mask_padding(self, x):
        """Set the padding of patches to zero, so that results do not depend on it."""
        if self.inside is None:
            return x
        return x * self.inside.unsqueeze(-2)

    def _interpolate(self, low):
        """Interpolate block means (b, Q, gh, gw) to pixels (b, P, gh, gw)."""
        kernel = self.smooth
        if kernel.ndim == 5:  # stacked networks have equal kernels
            kernel = kernel[0]
        padded = functional.pad(low.flatten(0, -4), (1, 1, 1, 1), mode="replicate")
        return functional.conv2d(padded, kernel).unflatten(0, low.shape[:-3])


def _convolution(n_inputs, n_outputs, kernel):
    """Create a convolution that keeps the shape of maps."""
    return Conv2d(n_inputs, n_outputs, kernel, padding=tuple(side // 2 for side in kernel))


def _as_maps(x, shape):
    """Return (..., h * w * c) as maps (..., c, h, w)."""
    return x.unflatten(-1, (*shape, -1)).movedim(-1, -3)


def _join_maps(*maps):
    """Join the channels of maps (..., c, h, w), which stay the last dimension in memory."""
    return torch.cat([one.movedim(-3, -1) for one in maps], -1).movedim(-1, -3)
