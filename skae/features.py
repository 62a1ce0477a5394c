"""Features that the encoder of images receives beside pixels: one class for each kind.

The parameter `features` of `skae.ConvAutoencoder` is a word or an object. Features describe the
content of an image, such as edges and their positions. They are computed without labels.
"""

from numbers import Integral, Real
from typing import Literal, Self, TypeAlias

from sklearn.base import clone

from skae._options import Option, resolve_option
from skae._sklearn_compat import Interval, StrOptions
from skae.networks.features import FeatureModule, PatchFilters, reduction_factors

__all__ = ["FeatureModule", "Features", "PatchFeatures"]

AUTO_FILTERS = 256
"""Number of filters of color images and signals for ``n_filters="auto"``."""

GRAY_FILTERS = 128
"""The same for grayscale images."""

AUTO_PATCH = 6
"""Largest side of a patch for ``patch_size="auto"``; signals have patches of twice this length."""

AUTO_CELLS = 3
"""Cells along each side of an image for ``pooling="auto"``; signals have three times as many."""

GRAY_CELLS = 5
MIN_POSITIONS = 5
"""The most cells along each side of a grayscale image for ``pooling="auto"``. More cells than
`AUTO_CELLS` have at least `MIN_POSITIONS` positions of a patch each."""

FINE_SIDE = 40
"""Positions of a patch along a side of a color image from which there is one more cell."""


class Features(Option):
    """Base class of features of images.

    A subclass implements `make_module`. Its module computes features that are not trained.

    Parameters
    ----------
    pixel_weight : float, default=0.1
        Weight of the pixels beside the features: their variance as a fraction of the variance of
        all features.
    """

    _parameter_constraints = {"pixel_weight": [Interval(Real, 0, None, closed="left")]}

    def __init__(self, pixel_weight: float = 0.1) -> None:
        self.pixel_weight = pixel_weight

    def resolve(self, image_size: tuple[int, int, int]) -> Self:
        """Return a clone with every "auto" resolved.

        Parameters
        ----------
        image_size : tuple of int
            Channels, height and width of an image.
        """
        return clone(self)

    def make_module(self, image_size: tuple[int, int, int]) -> FeatureModule:
        """Build the module that computes the features; called on a resolved object.

        Parameters
        ----------
        image_size : tuple of int
            Channels, height and width of an image.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement make_module.")


class PatchFeatures(Features):
    r"""Rectified responses of filters to whitened patches, averaged over the cells of a grid.

    A patch :math:`p` of an image, with mean :math:`\bar p` and variance :math:`s^2`, is normalized
    and whitened,

    .. math::

        q = W \left( \frac{p - \bar p}{\sqrt{s^2 + c}} - \mu \right).

    Filters :math:`f_1, \ldots, f_K` are the centers of spherical k-means of 100,000 whitened
    patches [1]_. The features of a cell are means over the patches in it,

    .. math::

        \sqrt{\operatorname{mean} \max(0, f_j^\top q - t)}, \quad
        \sqrt{\operatorname{mean} \max(0, -f_j^\top q - t)},

    and the encoder starts as the principal components of all features beside the pixels.

    Parameters
    ----------
    n_filters : int or "auto", default="auto"
        Number K of filters. If "auto", 128 for grayscale images, 256 for color images and signals.
    patch_size : int, tuple of int or "auto", default="auto"
        Height and width of a patch in pixels. An int is the length of every side of a patch, but 1
        along a side of one pixel, as in signals. If "auto", 6, and 12 for signals, at most half of
        the side of an image, rounded up. Images of more than 4,096 pixels are reduced by block
        means before. Grayscale images are extended by half of a patch on each side.
    pooling : int, tuple of int or "auto", default="auto"
        Number of cells along height and width. If "auto", grayscale images have 3 to 5, with at
        least five positions of a patch in each cell if there are more than 3. Color images have 3,
        and 4 along a side of at least 40 positions. Signals have 9. No cell has less than one
        position.
    threshold : float, default=0.25
        Smallest response t that counts.
    pixel_weight : float, default=0.1
        Weight of the pixels beside the features: their variance as a fraction of the variance of
        all features.

    References
    ----------
    .. [1] A. Coates, H. Lee and A. Y. Ng, "An analysis of single-layer networks in unsupervised
       feature learning", AISTATS 2011.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import ConvAutoencoder
    >>> from skae.features import PatchFeatures
    >>> images = load_digits().images
    >>> features = PatchFeatures(n_filters=32)
    >>> autoencoder = ConvAutoencoder(n_components=16, features=features, random_state=0)
    >>> autoencoder.fit_transform(images).shape
    (1797, 16)
    """

    _parameter_constraints = {
        **Features._parameter_constraints,
        "n_filters": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "patch_size": [
            Interval(Integral, 1, None, closed="left"),
            "array-like",
            StrOptions({"auto"}),
        ],
        "pooling": [
            Interval(Integral, 1, None, closed="left"),
            "array-like",
            StrOptions({"auto"}),
        ],
        "threshold": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_filters: int | Literal["auto"] = "auto",
        *,
        patch_size: int | tuple[int, int] | Literal["auto"] = "auto",
        pooling: int | tuple[int, int] | Literal["auto"] = "auto",
        threshold: float = 0.25,
        pixel_weight: float = 0.1,
    ) -> None:
        self.n_filters = n_filters
        self.patch_size = patch_size
        self.pooling = pooling
        self.threshold = threshold
        self.pixel_weight = pixel_weight

    def resolve(self, image_size: tuple[int, int, int]) -> Self:
        """Return a clone with numbers of filters, pixels and cells.

        Parameters
        ----------
        image_size : tuple of int
            Channels, height and width of an image.

        Raises
        ------
        ValueError
            If a patch is larger than the image, or if there are more cells than positions.
        """
        sides = _reduced_sides(image_size)
        patch_size = self._resolve_patch(sides)
        n_filters = self.n_filters
        if n_filters == "auto":
            n_filters = AUTO_FILTERS
            if _is_gray(image_size):
                n_filters = GRAY_FILTERS
        return clone(self).set_params(
            n_filters=int(n_filters),
            patch_size=patch_size,
            pooling=self._resolve_pooling(image_size, patch_size),
        )

    def _resolve_patch(self, sides):
        """Return height and width of a patch."""
        is_signal = min(sides) == 1
        patch_size = self.patch_size
        if isinstance(patch_size, str):
            longest = AUTO_PATCH * (1 + is_signal)
            return tuple(min(longest, (side + 1) // 2) for side in sides)
        patch_size = _pair(patch_size, sides, "patch_size")
        if any(patch > side for patch, side in zip(patch_size, sides, strict=True)):
            raise ValueError(
                f"Got patch_size={self.patch_size!r} for images of {sides[0]} x {sides[1]} pixels, "
                "but expected at most the size of an image. Decrease patch_size, or set "
                "patch_size='auto'. Images of more than 4,096 pixels are reduced by block means."
            )
        return patch_size

    def _resolve_pooling(self, image_size, patch_size):
        """Return the number of cells along height and width."""
        sides, padding = _reduced_sides(image_size), _padding(image_size, patch_size)
        positions = [
            side + 2 * added - patch + 1
            for side, added, patch in zip(sides, padding, patch_size, strict=True)
        ]
        pooling = self.pooling
        if isinstance(pooling, str):
            if min(sides) == 1:
                return tuple(min(3 * AUTO_CELLS, n) for n in positions)
            if _is_gray(image_size):
                return tuple(_gray_cells(n) for n in positions)
            return tuple(min(AUTO_CELLS + (n >= FINE_SIDE), n) for n in positions)
        pooling = _pair(pooling, sides, "pooling")
        if any(cells > n for cells, n in zip(pooling, positions, strict=True)):
            raise ValueError(
                f"Got pooling={self.pooling!r} with {positions[0]} x {positions[1]} positions of a "
                "patch, but expected at most one cell for each position. Decrease pooling or "
                "patch_size."
            )
        return pooling

    def make_module(self, image_size: tuple[int, int, int]) -> FeatureModule:
        """Build the filters, which a sample of images determines.

        Parameters
        ----------
        image_size : tuple of int
            Channels, height and width of an image.
        """
        return PatchFilters(
            image_size,
            self.n_filters,
            self.patch_size,
            self.pooling,
            self.threshold,
            _padding(image_size, self.patch_size),
        )


def _is_gray(image_size):
    """Return whether samples are images of one channel."""
    return image_size[0] == 1 and min(image_size[1:]) > 1


def _gray_cells(n_positions):
    """Return the number of cells along a side of a grayscale image."""
    n_cells = min(GRAY_CELLS, n_positions // MIN_POSITIONS)
    return min(max(AUTO_CELLS, n_cells), n_positions)


def _padding(image_size, patch_size):
    """Return by how many pixels images are padded: grayscale images by half of a patch."""
    if _is_gray(image_size):
        return tuple(patch // 2 for patch in patch_size)
    return 0, 0


def _reduced_sides(image_size):
    """Return height and width of an image after the reduction of large images."""
    sides = image_size[1:]
    factors = reduction_factors(*sides)
    return tuple(-(-side // factor) for side, factor in zip(sides, factors, strict=True))


def _pair(value, sides, name):
    """Return an int or two ints as a tuple; an int is 1 along a side of one pixel."""
    if isinstance(value, Integral):
        return tuple(int(value) if side > 1 else 1 for side in sides)
    values = tuple(value)
    if len(values) != 2 or not all(isinstance(one, Integral) and one >= 1 for one in values):
        raise ValueError(f"Got {name}={value!r}, but expected an int or two ints >= 1.")
    return int(values[0]), int(values[1])


FEATURES: dict[str, type[Features]] = {"patches": PatchFeatures}
"""The class of each word."""

FeatureOption: TypeAlias = Literal["patches"] | Features | None


def resolve_features(features):
    """Return a word or an object as `Features`; None stays None."""
    if features is None:
        return None
    return resolve_option(features, Features, FEATURES, "features")
