"""The convolutional network: principal components of the image, corrected by convolutions on a grid of patches."""

import math

import torch
from torch import nn
from torch.nn import functional

from skae.networks.autoencoder import Autoencoder
from skae.networks.blocks import ACTIVATIONS, Conv2d, Linear, product
from skae.networks.grid import Grid, halved

__all__ = ["ConvNetwork"]


class ConvNetwork(Autoencoder):
    """An autoencoder of images that reads and writes them by convolutions.

    ::

        x ─ patches ─┬─ block means ─ components ─▶ u ──────────▶ Trunk ─▶ z (b, k) ─▶ Trunk ─┬─▶ u_hat ─ components ─▶ low
                     └─ convolutions, halving ─▶ features ──▶┘                                └─▶ maps ─ doubling ─▶ fine
                                                     x_hat = low, made smooth + convolutions of (low, fine)

    It works on a grid of patches, so that convolutions at full resolution, which cost most, are a matrix product. The last
    convolution starts at zero: before the first step this is PCA, of all pixels or of block means.

    Parameters
    ----------
    image_size : tuple of int
        Channels, height, width.
    channels_first : bool
        How the numbers of an image follow each other in a row.
    n_filters : int
        Channels of the first convolution; they double with every halving of the grid, up to four times as many.
    fine : bool, default=False
        Whether the encoder reads patches of half the size, with twice as many channels, where images are small and patches
        have more than one pixel. It then sees what a thing is rather than how bright each place is, for two to three times the
        operations.
    **shared
        The parameters of `skae.networks.autoencoder.Autoencoder`.
    """

    channels_last = True

    def __init__(self, *, image_size, channels_first, n_filters, fine=False, **shared):
        grid = Grid(*image_size, channels_first)
        act = ACTIVATIONS[shared["activation"]]
        fine = fine and not grid.coarser and grid.n_fine < grid.n_patch
        layers, channels, shape = [], grid.n_fine if fine else grid.n_patch, grid.fine if fine else grid.shape
        channels *= 2 if shared.get("allow_nan") else 1  # the convolutions are to know what is a mean, and what is a gap
        small = grid.n_patch <= 256
        filters = least = 2 * n_filters if fine else n_filters
        while not layers or math.prod(shape) > 16:
            first = not layers
            stride = 2 if math.prod(shape) > 16 and not (first and (fine or grid.coarser)) else 1
            size = 3 if small or not first else 1
            layers += [Conv2d(channels, filters, size, stride, padding=size // 2), act()]
            channels, shape = filters, halved(shape) if stride == 2 else shape
            filters = min(2 * filters, 4 * least)
        super().__init__(n_extra=channels * math.prod(shape), n_placed=grid.n_cells * grid.n_low, **shared)
        self.grid, self.fine = grid, fine
        self.encoder_convolutions = nn.Sequential(*layers)
        self.n_maps = n_filters // 2 or 1 if not grid.coarser else 2 * n_filters
        self.lowest = grid.coarser[-1] if grid.coarser else grid.shape
        hidden = shared["decoder_sizes"][-1] if shared["decoder_sizes"] else shared["n_components"]
        self.decoder_maps = Linear(hidden, self.n_maps * math.prod(self.lowest))
        self.decoder_convolutions = nn.ModuleList(Conv2d(self.n_maps, 4 * self.n_maps, 3, padding=1) for _ in grid.coarser)
        self.decoder_mix = Conv2d(grid.n_low + self.n_maps, 2 * n_filters, 3, padding=1)
        size = 3 if small else 1
        self.decoder_last = Conv2d(2 * n_filters, grid.n_patch, size, padding=size // 2)
        self.act = act()
        # where patches tile the image exactly nothing is filled in, and the products with ones are saved
        self.register_buffer("inside", None if grid.whole else torch.ones(grid.n_cells * grid.n_patch))
        kernel = torch.zeros(grid.n_patch, grid.n_low, 3, 3) if grid.block != (1, 1) else None
        self.register_buffer("smooth", kernel)

    @property
    def n_working(self):
        """Numbers of an image cut into patches."""
        return self.grid.n_cells * self.grid.n_patch

    @property
    def most_numbers(self):
        """Patches in and out, and the widest maps between them."""
        read = math.prod(self.grid.fine) * self.encoder_convolutions[0].out_channels if self.fine else 0
        gaps = 2 * self.n_working if self.allow_nan else 0
        return gaps + max(2 * self.n_working + self.grid.n_cells * 8 * self.n_maps, self.n_working + 2 * read)

    @torch.no_grad()
    def become(self, principal):
        """Become PCA."""
        super().become(principal)
        if self.inside is not None:
            self.inside.copy_(self.grid.inside())
        if self.smooth is not None:
            self.smooth.copy_(self.grid.smooth_kernel())
        nn.init.zeros_(self.decoder_last.weight)
        nn.init.zeros_(self.decoder_last.bias)

    def arrange(self, x):
        """Cut centred rows into patches."""
        return self.grid.cut(x)

    def restore(self, x):
        """Put patches together."""
        return self.grid.join(x)

    def damaged(self, x, corrupt):
        """Do damage to centred rows, seen as images with the channels first."""
        return self.grid.flat(corrupt(self.grid.images(x)))

    def code(self, x):
        """Turn patches into whitened codes, and give the encoder's last hidden layer beside them."""
        gaps = x.isnan().to(x.dtype) if self.allow_nan else None
        x = self._inside(self.filled(x))  # codes can't depend on what isn't in the image
        u = product(self.grid.low(x), self.components.mT)  # (b, m)
        read = self._read(x) if gaps is None else torch.cat([self._read(x), self._read(gaps)], -3)
        features = self.encoder_convolutions(read)  # (b, c, h, w)
        return self.trunk.encode(u, features.movedim(-3, -1).flatten(-3))

    def rebuild(self, z):
        """Turn whitened codes into patches."""
        u, hidden = self.trunk.decode(z)
        low = _as_maps(product(u, self.components), self.grid.shape)  # (b, q, gh, gw)
        maps = _as_maps(self.decoder_maps(hidden), self.lowest)  # (b, n_maps, h, w)
        finer = [*self.grid.coarser[-2::-1], self.grid.shape] if self.grid.coarser else []
        for layer, (h, w) in zip(self.decoder_convolutions, finer, strict=True):
            maps = self.act(functional.pixel_shuffle(layer(maps), 2)[..., :h, :w])
        change = self.decoder_last(self.act(self.decoder_mix(torch.cat([low.to(maps.dtype), maps], -3))))
        if self.smooth is not None:
            low = self._smoothed(low)
        return self._inside((low + change).movedim(-3, -1).flatten(-3))

    def _read(self, x):
        """See patches as the maps that the encoder's convolutions read."""
        return _as_maps(self.grid.finer(x), self.grid.fine) if self.fine else _as_maps(x, self.grid.shape)

    def _inside(self, x):
        """Put zeros where patches reach beyond the image."""
        return x if self.inside is None else x * self.inside.unsqueeze(-2)

    def _smoothed(self, low):
        """Make pixels of block means; at the border the mean goes on."""
        flat = functional.pad(low.flatten(0, -4), (1, 1, 1, 1), mode="replicate")
        kernel = self.smooth if self.smooth.ndim == 4 else self.smooth[0]
        return functional.conv2d(flat, kernel).unflatten(0, low.shape[:-3])


def _as_maps(x, shape):
    """See (..., h * w * c) as maps (..., c, h, w)."""
    return x.unflatten(-1, (*shape, -1)).movedim(-1, -3)
