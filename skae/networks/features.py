"""Features of images: responses of whitened patch filters, and their principal coordinates.

::

    image (c, h, w) ── normalized patches ── filters ──▶ responses (K, h', w')
        ── both signs above a threshold, means over a grid, square root ──▶ features (2 * K * cells)
    features, block means of pixels ── principal components ──▶ coordinates u (m,)
"""

import math

import torch
from torch import nn
from torch.nn import functional

from skae.networks.layers import product

__all__ = ["FeatureCoordinates", "FeatureModule", "PatchFilters", "reduction_factors"]

MAX_PIXELS = 4096
"""Pixels of an image up to which filters see every pixel, and means of blocks beyond: 64 x 64."""

MIN_VARIANCE = 0.05
"""Variance added to that of a patch, in squared units of the standard deviation of X.

It keeps the noise of flat patches small.
"""

MIN_EIGENVALUE = 0.1
"""Number added to the variances of normalized patches before whitening. Noise is not amplified."""

MAX_ABS = 1000.0
"""Bound of pixels less the mean of their image, in standard deviations: squares are finite."""

N_PATCHES = 100_000
"""Number of patches from which filters are estimated."""

N_ROUNDS = 8
"""Rounds of spherical k-means."""

CANDIDATES = 4
MAX_COSINE = 0.9999
"""Random patches per center of k-means at its start, and the cosine from which two are equal."""

ASSIGNED_PATCHES = 8192
"""Patches that k-means assigns together."""

IMAGES_ON_CPU = 8
"""Images whose responses are computed together on a CPU, so that the responses stay in its caches.

It divides the rows of every chunk, so that all images run through the same kernels.
"""

MAX_RESPONSES = 2**26
"""The most numbers of responses that are computed together on other devices."""


class FeatureModule(nn.Module):
    """Base class of modules that compute features of images.

    Features are fixed once `fit` has set the buffers of the module: they are not trained.

    Attributes
    ----------
    n_outputs : int
        Number of features of an image.
    """

    n_outputs: int

    def fit(self, x, generator):
        """Set the buffers from a sample of images; by default, do nothing.

        Parameters
        ----------
        x : torch.Tensor of shape (n, channels, height, width)
            Images on the CPU, divided by the standard deviation of X.
        generator : torch.Generator
            Random number generator on the CPU.
        """

    def forward(self, x):
        """Return the features (b, n_outputs) of images (b, channels, height, width)."""
        raise NotImplementedError(f"{type(self).__name__} does not implement forward.")


class PatchFilters(FeatureModule):
    """Rectified responses of filters to normalized and whitened patches, pooled over a grid.

    Parameters
    ----------
    image_size : tuple of int
        Channels, height, width.
    n_filters : int
        K, the number of filters.
    patch_size : tuple of int
        Height and width of a patch, in pixels after the reduction of large images.
    pooling : tuple of int
        Number of cells along height and width over which responses are averaged.
    threshold : float
        Smallest absolute response that counts.
    padding : tuple of int, default=(0, 0)
        Pixels by which the first and last row, and column, are repeated.
    """

    def __init__(self, image_size, n_filters, patch_size, pooling, threshold, padding=(0, 0)):
        super().__init__()
        channels, height, width = image_size
        self.factors = reduction_factors(height, width)
        self.patch_size = tuple(patch_size)
        self.threshold = threshold
        self.padding = tuple(padding)
        self.shape = tuple(
            -(-side // factor) + 2 * added - patch + 1
            for side, factor, added, patch in zip(
                (height, width), self.factors, self.padding, self.patch_size, strict=True
            )
        )
        if min(self.shape) < 1:
            raise ValueError(f"Got patches of {self.patch_size} pixels for images of {image_size}.")
        self.grid = tuple(pooling)
        n_cells = math.prod(self.grid)
        self.n_outputs = 2 * n_filters * n_cells
        self.register_buffer("filters", torch.zeros(n_filters, channels, *self.patch_size))
        self.register_buffer("offsets", torch.zeros(n_filters))
        self.register_buffer("pooling", torch.zeros(n_cells, math.prod(self.shape)))

    @torch.no_grad()
    def fit(self, x, generator):
        """Estimate whitening and filters from random patches, and set the weights of the cells.

        Filters are centers of spherical k-means of whitened patches.
        """
        self.pooling.copy_(_pooling_matrix(self.shape, self.grid))
        patches = self._sample_patches(self._reduce(x), generator)  # (n, P)
        patches = patches - patches.mean(1, keepdim=True)
        variance = patches.square().mean(1, keepdim=True)
        patches = patches / (variance + MIN_VARIANCE).sqrt()
        mean, whitening = _zca(patches.double())  # (P,), (P, P)
        whitened = ((patches.double() - mean) @ whitening).float()
        centers = _spherical_kmeans(whitened, len(self.filters), generator)  # (K, P)
        filters = centers.double() @ whitening
        self.offsets.copy_(filters @ mean)
        # patches have mean 0, so that the mean of a filter has no effect
        filters = filters - filters.mean(1, keepdim=True)
        self.filters.copy_(filters.reshape(self.filters.shape))

    def forward(self, x):
        """Return the features (b, 2 * K * n_cells) of images (b, c, h, w)."""
        x = self._reduce(x)
        if torch.compiler.is_compiling() or x.is_meta:
            return self._responses(x)
        n_images = IMAGES_ON_CPU
        if x.device.type != "cpu":
            n_images = max(8, MAX_RESPONSES // (len(self.filters) * math.prod(self.shape)))
        return torch.cat([self._responses(chunk) for chunk in x.split(n_images)])

    def _reduce(self, x):
        """Subtract the mean of an image, average blocks of large images, and repeat borders."""
        x = (x - x.mean((1, 2, 3), keepdim=True)).clamp(-MAX_ABS, MAX_ABS)
        if self.factors != (1, 1):
            x = functional.avg_pool2d(x, self.factors, ceil_mode=True, count_include_pad=False)
        if self.padding == (0, 0):
            return x
        vertical, horizontal = self.padding
        padding = (horizontal, horizontal, vertical, vertical)
        return functional.pad(x, padding, mode="replicate")

    def _responses(self, x):
        """Return the pooled features of reduced images."""
        mean = functional.avg_pool2d(x.mean(1, keepdim=True), self.patch_size, 1)
        square = functional.avg_pool2d(x.square().mean(1, keepdim=True), self.patch_size, 1)
        variance = (square - mean.square()).clamp(min=0)  # (b, 1, h', w')
        scale = (variance + MIN_VARIANCE).rsqrt()
        responses = functional.conv2d(x.contiguous(memory_format=torch.channels_last), self.filters)
        responses = responses.movedim(1, -1).flatten(1, 2)  # (b, n, K)
        scale = scale.flatten(1).unsqueeze(-1)  # (b, n, 1)
        pooled = []
        for sign in (1, -1):
            offsets = -sign * self.offsets - self.threshold
            rectified = torch.addcmul(offsets, responses, sign * scale).relu_()
            pooled.append(self.pooling @ rectified)  # (b, n_cells, K)
        return torch.cat(pooled, -1).flatten(1).sqrt()  # (b, n_cells * 2 * K)

    def _sample_patches(self, x, generator):
        """Return random patches (n, P) of images (b, c, h, w)."""
        (h, w), (ph, pw) = self.shape, self.patch_size
        n = min(N_PATCHES, len(x) * h * w)
        images = torch.randint(len(x), (n, 1, 1), generator=generator)
        rows = torch.randint(h, (n, 1, 1), generator=generator) + torch.arange(ph)[:, None]
        columns = torch.randint(w, (n, 1, 1), generator=generator) + torch.arange(pw)
        patches = x.movedim(1, -1)[images, rows, columns]  # (n, ph, pw, c)
        return patches.movedim(-1, 1).flatten(1)


class FeatureCoordinates(nn.Module):
    """Principal coordinates of features of images beside their pixels.

    Parameters
    ----------
    features : skae.features.Features
        Builds the module that computes the features.
    image_size : tuple of int
        Channels, height, width.
    n_features : int
        d, the number of values of an image.
    n_pca_features : int
        Number of block means of an image.
    n_coordinates : int
        m, the number of coordinates.

    Attributes
    ----------
    module : FeatureModule
        Computes the features.
    pattern : torch.Tensor of shape (d,)
        Mean image less its mean, in units of standardized images, which lack it.
    mean : torch.Tensor of shape (module.n_outputs,)
        Means of the features.
    components : torch.Tensor of shape (m, module.n_outputs)
        Coefficients of the features.
    pixel_components : torch.Tensor of shape (m, n_pca_features)
        Coefficients of the block means.
    """

    def __init__(self, features, image_size, n_features, n_pca_features, n_coordinates):
        super().__init__()
        module = self.make_module(features, image_size)
        self.register_buffer("pattern", torch.zeros(n_features))
        self.register_buffer("mean", torch.zeros(module.n_outputs))
        self.register_buffer("components", torch.zeros(n_coordinates, module.n_outputs))
        self.register_buffer("pixel_components", torch.zeros(n_coordinates, n_pca_features))

    def make_module(self, features, image_size):
        """Create the module of features, which may be a class of the user, and return it."""
        self.module = features.make_module(image_size)
        if not isinstance(self.module, FeatureModule):
            raise TypeError(
                f"Got {type(self.module).__name__} from make_module of {features!r}, but expected "
                "a subclass of skae.features.FeatureModule."
            )
        self.module.requires_grad_(False)
        return self.module

    def train(self, mode=True):
        """Set the evaluation mode, also in training: features are fixed."""
        return super().train(False)

    def set(self, principal):
        """Set the coordinates.

        Parameters
        ----------
        principal : skae._training.features.FeaturePCA
            Means and components.
        """
        for name in ("pattern", "mean", "components", "pixel_components"):
            getattr(self, name).copy_(getattr(principal, name))

    def forward(self, images, block_means):
        """Compute coordinates.

        Parameters
        ----------
        images : torch.Tensor of shape (b, c, h, w)
            Standardized images plus `pattern`.
        block_means : torch.Tensor of shape (b, n_pca_features)
            Block means of standardized images.

        Returns
        -------
        u : torch.Tensor of shape (b, m)
            Coordinates, float32.
        """
        u = product(self.compute(images) - self.mean, self.components.mT)
        return u + product(block_means, self.pixel_components.mT)

    def compute(self, images):
        """Return the features (b, n_outputs) of images (b, c, h, w)."""
        features = self.module(images)
        n_outputs = self.mean.shape[0]
        if features.ndim != 2 or features.shape[1] != n_outputs:
            raise ValueError(
                f"Got features of shape {tuple(features.shape)} from {type(self.module).__name__}, "
                f"but expected (n_samples, {n_outputs})."
            )
        return features


def reduction_factors(height, width):
    """Return the height and width of the blocks of pixels that filters see the means of."""
    low, high = 1, max(height, width)
    while low < high:  # the smallest factor that leaves few enough pixels
        middle = (low + high) // 2
        if -(-height // min(middle, height)) * -(-width // min(middle, width)) <= MAX_PIXELS:
            high = middle
        else:
            low = middle + 1
    return min(low, height), min(low, width)


def _pooling_matrix(shape, grid):
    """Return the weights of the means of all cells (cells, positions); cells may overlap by one."""
    matrices = []
    for n, n_cells in zip(shape, grid, strict=True):
        matrix = torch.zeros(n_cells, n)
        for i in range(n_cells):
            start, stop = i * n // n_cells, -(-(i + 1) * n // n_cells)
            matrix[i, start:stop] = 1 / (stop - start)
        matrices.append(matrix)
    return torch.kron(*matrices)


def _zca(patches):
    """Return the mean of patches (n, P), and the symmetric matrix that whitens them (P, P)."""
    mean = patches.mean(0)
    covariance = (patches - mean).T @ (patches - mean) / len(patches)
    variances, directions = torch.linalg.eigh(covariance)
    scales = (variances.clamp(min=0) + MIN_EIGENVALUE).rsqrt()
    return mean, (directions * scales) @ directions.T


def _spherical_kmeans(patches, n_centers, generator):
    """Return centers (K, P) of length 1 of spherical k-means of patches (n, P).

    A center without patches becomes a random patch.
    """
    start = torch.randint(len(patches), (n_centers,), generator=generator)
    if len(patches) >= n_centers:
        start = torch.randperm(len(patches), generator=generator)[: CANDIDATES * n_centers]
    candidates = functional.normalize(patches[start], eps=1e-6)
    # equal centers have equal projections, so that rounding would decide where a patch belongs
    is_repeated = (candidates @ candidates.T).tril(-1).amax(1) > MAX_COSINE
    centers = candidates[is_repeated.byte().argsort(stable=True)[:n_centers]]
    for _ in range(N_ROUNDS):
        sums = torch.zeros_like(centers)
        for chunk in patches.split(ASSIGNED_PATCHES):
            projections, nearest = (chunk @ centers.T).max(1)
            members = functional.one_hot(nearest, n_centers).to(chunk.dtype)  # (n, K)
            sums += members.T @ (chunk * projections[:, None])
        is_empty = sums.norm(dim=1) < 1e-6
        random = torch.randint(len(patches), (n_centers,), generator=generator)
        sums = torch.where(is_empty[:, None], patches[random], sums)
        centers = functional.normalize(sums, eps=1e-6)
    return centers
