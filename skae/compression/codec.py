"""The codec: an autoencoder, a quantiser of its codes, and the distribution of what it gives."""

import hashlib
import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skae import _validation as check
from skae._state import unchanged_on_error
from skae._typing import Auto, MatrixLike, RandomState
from skae._validation import HasMethods, Interval, StrOptions, fit_context
from skae._wrapped import ShownMixin, seeded_clone
from skae.compression import container, grids, rows, tiles
from skae.compression.coding import MOST_EXCESS, Reader, Writer
from skae.compression.quantiser import answered_dtype, as_dtype, choose_steps, decode, default_codes, encode, encode_each
from skae.compression.symbols import PRICE

__all__ = ["LatentCodec"]

HIDDEN = 64
"""Units of the network that foresees codes from others."""

MOST_LEARNED = 60_000
"""Rows of codes that their distribution is learned from."""

MOST_NUMBERS = 2**24
"""Of those rows, with the codes of their neighbours."""

MOST_TILES = 20_000
"""Tiles that the autoencoder is fitted on."""


class LatentCodec(ShownMixin, BaseEstimator):
    """Turn images, or rows of a table, into few bytes and back.

    The codes of an autoencoder are rounded to multiples of a step: to the nearest if it was trained for that, by
    ``penalty="rate"``, else up or down, whichever is better worth its bits. The whole numbers are written with as few bits as
    their distribution allows. That distribution is learned in fit. It consists of a table for each code and a small network
    that sees the codes before it, both in whole numbers, so that every machine reads the same codes [1]_. The range coder is
    that of constriction [2]_.

    A fitted codec is needed to read what it wrote: the bytes hold no weights. So keep it where they are, by `skae.export.save`.

    Parameters
    ----------
    autoencoder : estimator, default=None
        Anything with `fit`, `transform` and `inverse_transform` that gives rows of numbers, such as a
        :class:`~skae.ConvAutoencoder` or a :class:`~sklearn.decomposition.PCA`; a clone of it is fitted. A
        :class:`~sklearn.frozen.FrozenEstimator` is used as it is. None: a convolutional one for images and a dense one for
        tables, with at most 64 components and ``penalty="rate"``: it is trained for codes that take few bits. Its
        `penalty_weight` sets how many, better than `step` can.
    step : float or "auto", default="auto"
        Width of the quantiser in units of the codes, which for autoencoders and PCA are those of X. The larger, the fewer
        bytes, and the larger the error; half the step costs about one bit for each code. "auto": what the autoencoder was
        trained for, if it was (its ``code_steps_``); otherwise the step that makes its error on X larger by a quarter. If
        ``code_steps_`` differ, a number is their geometric mean.
    tile : int or None, default=None
        Side of the tiles that images are cut into, in pixels: for photographs, of any size each. X is then a list of images,
        and the autoencoder is fitted on tiles drawn from them. None: each image, or row, has one code.
    context : bool, default=True
        Whether each code is foreseen from those before it, and from the tiles to the left and above. It takes some seconds
        in fit, and is dropped where it does not surely help.
    random_state : int, RandomState instance or None, default=None
        Where tiles, and the weights of the network that foresees codes, come from. An autoencoder has its own, unless it is
        the default one.

    Attributes
    ----------
    autoencoder_ : estimator
        The fitted autoencoder.
    steps_ : ndarray of shape (n_codes,)
        Width of the quantiser for each code, float64.
    centre_ : ndarray of shape (n_codes,)
        What a code of zero steps stands for: the mean of the codes in fit, float64.
    dtype_ : dtype
        Of what `decompress` gives: that of X in fit; float32 for floats that are neither float32 nor float64.
    n_features_in_ : int
        That of the autoencoder, if it has one.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns. Defined only when the autoencoder has them.
    fingerprint_ : str
        Tells models apart: a hash of all that is needed to read bytes, in hexadecimal.

    See Also
    --------
    ConvAutoencoder : The default for images.

    Notes
    -----
    Codes are read bit by bit the same on every machine; pixels differ by rounding, so that those of uint8 may differ by 1.
    A message has 5 bytes and the number of images beside the codes, and 2 more from 64 bytes on.

    References
    ----------
    .. [1] J. Ballé, N. Johnston and D. Minnen, "Integer networks for data compression with latent-variable models",
       ICLR 2019.
    .. [2] R. Bamler, "Understanding entropy coding with asymmetric numeral systems (ANS): a statistician's perspective",
       arXiv:2201.01741, 2022.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import ConvAutoencoder, LatentCodec
    >>> images = load_digits().images.astype("uint8")
    >>> codec = LatentCodec(ConvAutoencoder(16, max_iter=5, random_state=0), random_state=0).fit(images[:1500])
    >>> message = codec.compress(images[1500:])
    >>> len(message) / 297 < 16  # bytes for an image of 64
    True
    >>> codec.decompress(message).shape
    (297, 8, 8)
    """

    autoencoder_: BaseEstimator
    steps_: NDArray[np.float64]
    centre_: NDArray[np.float64]
    dtype_: np.dtype
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]
    fingerprint_: str
    _parameter_constraints = {
        "autoencoder": [HasMethods(["fit", "transform", "inverse_transform"]), None],
        "step": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "tile": [Interval(Integral, 2, None, closed="left"), None],
        "context": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        autoencoder: BaseEstimator | None = None,
        *,
        step: float | Auto = "auto",
        tile: int | None = None,
        context: bool = True,
        random_state: RandomState = None,
    ) -> None:
        self.autoencoder = autoencoder
        self.step = step
        self.tile = tile
        self.context = context
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: MatrixLike, y: object = None) -> Self:
        """Fit the autoencoder, choose the steps, and learn the distribution of the codes.

        Parameters
        ----------
        X : array-like of what the autoencoder takes, or list of images (H, W) or (H, W, C) if there is a `tile`
            What is like the things to be compressed.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted codec.
        """
        with unchanged_on_error(self):
            self._learn(X)
        return self

    def _learn(self, X):
        """Do what `fit` does; of a fit that fails its caller takes back what it left."""
        seed = check.seeded(self.random_state)
        self._tile, self._n_axes = self.tile, None
        if self.tile is not None:
            images = tiles.check_images(X)
            self._n_axes, self._channels = images[0].ndim, images[0].shape[2:]
            count = min(MOST_TILES, 4 * sum(math.prod(self._grid(image.shape)) for image in images))
            X = tiles.draw(images, self.tile, max(2, count), np.random.default_rng(seed))
        self.dtype_ = answered_dtype(X)
        self.autoencoder_ = seeded_clone(default_codes(X) if self.autoencoder is None else self.autoencoder, seed).fit(X, None)
        for name in ("n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)
            if hasattr(self.autoencoder_, name):
                setattr(self, name, getattr(self.autoencoder_, name))
        codes = encode(self.autoencoder_, X)
        self.centre_ = codes.mean(0)
        self.steps_ = choose_steps(self.autoencoder_, X, codes, self.step)
        hidden = HIDDEN if self.context else 0
        # a decoder that was trained with the noise of these steps has learned errors of up to half a step, and no more
        price = PRICE if getattr(self.autoencoder_, "code_steps_", None) is None else 0.0
        if self.tile is None:
            chosen = np.random.default_rng(seed).permutation(len(codes))[: _most_learned(codes.shape[1])]  # rows may be sorted
            self._symbols = rows.learn(self._in_steps(codes[np.sort(chosen)]), hidden, seed, price)
        else:
            parts = list(tiles.shifted(images, self.tile, _most_learned(3 * codes.shape[1]), np.random.default_rng(seed)))
            each = self._encode_images(part for part, _ in parts)
            found = [(codes, self._grid(part.shape), role) for codes, (part, role) in zip(each, parts, strict=True)]
            self._symbols = grids.learn(found, hidden, seed, price)
        self._fingerprint = self._find_fingerprint()
        self.fingerprint_ = self._fingerprint.hex()

    def compress(self, X: MatrixLike) -> bytes:
        """Write all of X into one message.

        Parameters
        ----------
        X : array-like as the autoencoder takes it, or list of images if there is a `tile`
            At least one row or image.

        Returns
        -------
        message : bytes
            What `decompress` reads.
        """
        check_is_fitted(self)
        if self._tile is not None:
            images = self._check_images(X)
            return self._pack_images(images, self._number_images(images))
        numbers, writer = self._number_rows(X), Writer()
        rows.write(self._symbols, [writer], numbers)
        return self._pack(writer, [len(numbers)], len(numbers))

    def compress_each(self, X: MatrixLike) -> list[bytes]:
        """Write each row or image of X into a message of its own.

        Parameters
        ----------
        X : array-like as the autoencoder takes it, or list of images if there is a `tile`
            At least one row or image.

        Returns
        -------
        messages : list of bytes
            What `decompress` reads, one by one or together.
        """
        check_is_fitted(self)
        if self._tile is not None:
            images = self._check_images(X)
            each = zip(images, self._number_images(images), strict=True)
            return [self._pack_images([image], [numbered]) for image, numbered in each]
        numbers = self._number_rows(X)
        writers = [Writer() for _ in numbers]
        rows.write(self._symbols, writers, numbers)
        return [self._pack(writer, [1], 1) for writer in writers]

    def decompress(self, message: bytes | Sequence[bytes]) -> NDArray[Any] | Any:
        """Read what was compressed.

        Parameters
        ----------
        message : bytes or list of bytes
            What `compress` or `compress_each` gave, of this codec.

        Returns
        -------
        X : ndarray, or list of ndarray if there is a `tile`
            In the layout that the autoencoder's `inverse_transform` gives and in the dtype of fit; integers are rounded, and
            clipped to their range.

        Raises
        ------
        ValueError
            If the bytes are damaged, cut off, or of another codec.
        """
        check_is_fitted(self)
        read = [self._read(one) for one in container.listed(message)]
        codes = self._as_codes(np.concatenate([numbers for numbers, _ in read]))
        X = as_dtype(decode(self.autoencoder_, codes), self.dtype_)
        if self._tile is None:
            return X
        images, begin = [], 0
        for height, width in (size for _, sizes in read for size in sizes):
            count = math.prod(self._grid((height, width)))
            images.append(tiles.join(X[begin : begin + count], height, width))
            begin += count
        return images

    def decode_codes(self, message: bytes | Sequence[bytes]) -> NDArray[np.float64]:
        """Read the codes alone, which are the same to the last bit on every machine.

        Parameters
        ----------
        message : bytes or list of bytes
            What `compress` or `compress_each` gave, of this codec.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_codes)
            What the autoencoder's `inverse_transform` is given, float64; one row for each tile, if images are cut into tiles.
        """
        check_is_fitted(self)
        return self._as_codes(np.concatenate([self._read(one)[0] for one in container.listed(message)]))

    def code_lengths(self, X: MatrixLike) -> NDArray[np.float64]:
        """Say how many bits the codes of each row or image take, by the distribution that was learned.

        Parameters
        ----------
        X : array-like as the autoencoder takes it, or list of images if there is a `tile`
            At least one row or image.

        Returns
        -------
        bits : ndarray of shape (n_samples,)
            As float64; a message has at most 8 bits more, and what stands around the codes.
        """
        check_is_fitted(self)
        if self._tile is not None:
            each = self._number_images(self._check_images(X))
            return np.array([grids.lengths(self._symbols, *numbered).sum() for numbered in each])
        return rows.lengths(self._symbols, self._number_rows(X))

    def _in_steps(self, codes):
        """See codes in units of the step."""
        codes = (codes - self.centre_) / self.steps_
        far = np.abs(codes).max(initial=0)
        if far > MOST_EXCESS / 4:
            most = f"at most {MOST_EXCESS / 4:.3g}: X is too far from that of fit, or the step too small"
            raise ValueError(f"Got a code of {far:.3g} steps, but expected {most}.")
        return codes

    def _number_rows(self, X):
        """Give the whole numbers of rows of X."""
        return rows.choose(self._symbols, self._in_steps(encode(self.autoencoder_, X)))

    def _as_codes(self, numbers):
        return self.centre_ + numbers * self.steps_

    def _find_fingerprint(self):
        """Hash what is needed to read bytes: tables, steps, and what the decoder makes of a few codes."""
        found = hashlib.sha256(self._symbols.digest())
        probe = np.stack([self.centre_, self.centre_ + self.steps_])
        decoded = decode(self.autoencoder_, probe)
        for part in (probe, decoded, self.steps_):
            found.update(np.ascontiguousarray(part, "<f8").tobytes())
        found.update(f"{self.dtype_.str} {decoded.shape} {self._tile} {self._n_axes}".encode())
        return found.digest()

    # -------------------------------------------------------------------------------------------------- messages

    def _pack(self, writer, header, n_rows):
        """Put a message together, filled up to what a reader expects of so many rows."""
        payload = writer.getvalue()
        payload += bytes(max(0, -(-n_rows // container.MOST_PER_BYTE) - len(payload) - 1))
        return container.pack(payload, header, self._fingerprint)

    def _read(self, message):
        """Read the whole numbers of a message, and the sizes of its images, if there are tiles."""
        body = container.unpack(message, self._fingerprint)
        (n,), body = container.take(body, 1)
        sizes = []
        if self._tile is not None:
            container.check_count(n, len(body))
            numbers, body = container.take(body, 2 * n)
            sizes = list(zip(numbers[::2], numbers[1::2], strict=True))
            shapes = [self._grid(size) for size in sizes]
            n = sum(map(math.prod, shapes)) if min(numbers) else 0
        container.check_count(n, len(body))
        reader = Reader(body)
        if self._tile is None:
            return rows.read(self._symbols, reader, n), sizes
        return np.concatenate([grids.read(self._symbols, reader, shape) for shape in shapes]), sizes

    # ----------------------------------------------------------------------------------------------------- tiles

    def _check_images(self, X):
        """Check images that are cut into tiles against those of fit."""
        images = tiles.check_images(X, self._n_axes)
        if images[0].shape[2:] != self._channels:
            raise ValueError(f"Got images with {images[0].shape[2:]} channels, but expected {self._channels}, as in fit.")
        return images

    def _encode_images(self, images):
        """Give the codes of the tiles of each image, in units of the step."""
        each = encode_each(self.autoencoder_, (tiles.cut(image, self._tile) for image in images))
        return map(self._in_steps, each)

    def _number_images(self, images):
        """Give the whole numbers of the tiles of each image, and how many rows and columns of tiles it has."""
        for image, codes in zip(images, self._encode_images(images), strict=True):
            shape = self._grid(image.shape)
            yield grids.choose(self._symbols, codes, shape), shape

    def _pack_images(self, images, numbered):
        """Put a message of images together."""
        header = [len(images), *(size for image in images for size in image.shape[:2])]
        writer = Writer()
        for numbers, shape in numbered:
            grids.write(self._symbols, writer, numbers, shape)
        return self._pack(writer, header, sum(math.prod(self._grid(image.shape)) for image in images))

    def _grid(self, size):
        return tiles.grid(*size[:2], self._tile)


def _most_learned(width):
    """Say how many rows of so many numbers the distribution is learned from."""
    return min(MOST_LEARNED, MOST_NUMBERS // width)
