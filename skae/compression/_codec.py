"""The codec: an autoencoder, the quantization of its codes, and a context model of them."""

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skae._input.validation import resolve_seed
from skae._meta_estimator import VisualBlockMixin, seeded_clone
from skae._persistence import restore_state_on_error
from skae._sklearn_compat import HasMethods, Interval, StrOptions, fit_context
from skae._typing import Auto, MatrixLike, RandomState
from skae.compression import _message_coding as message_coding
from skae.compression import _row_coding as row_coding
from skae.compression import _tile_coding as tile_coding
from skae.compression import _tiles as tiles
from skae.compression._context_model import LAMBDA_RD, max_training_rows
from skae.compression._message_format import as_message_list
from skae.compression._quantization import (
    decode,
    default_rate_autoencoder,
    encode,
    encode_stacks,
    output_dtype,
    quantization_steps,
    to_dtype,
    to_steps,
)

__all__ = ["LatentCodec"]

N_HIDDEN = 64
"""Hidden units of the context model's network."""


class LatentCodec(VisualBlockMixin, BaseEstimator):
    """Compress images or table rows by an autoencoder and entropy coding.

    The codes of an autoencoder are quantized to multiples of a step. If the autoencoder was trained
    with ``penalty="rate"``, codes are rounded to the nearest multiple. Otherwise rate-distortion
    optimization selects the multiple below or above. A range coder [2]_ then writes the integers
    under the probabilities of a context model. The context model is learned in fit: a table for
    each code, and a small network of the codes before it. The network has integer weights, so every
    machine decodes the same codes [1]_.

    Messages hold no weights, so the fitted codec is needed to read them. Save it by
    `skae.export.save`.

    Parameters
    ----------
    autoencoder : estimator, default=None
        Estimator with `fit`, `transform` and `inverse_transform`, and two-dimensional codes,
        such as :class:`~skae.ConvAutoencoder` or :class:`~sklearn.decomposition.PCA`. A clone is
        fitted; a :class:`~sklearn.frozen.FrozenEstimator` is used as it is. None uses a
        :class:`~skae.ConvAutoencoder` for images and a :class:`~skae.DenseAutoencoder` for tables,
        with at most 64 components and ``penalty="rate"``. Its `penalty_weight` sets the rate, with
        less distortion at equal rate than `step`.
    step : float or "auto", default="auto"
        Quantization step in units of the codes, which are those of X for autoencoders and PCA. A
        larger step gives fewer bytes and a larger error. Half the step costs about one bit per
        code. "auto" uses ``code_steps_`` of the autoencoder if it has them, otherwise the step that
        increases its error on X by a quarter. If ``code_steps_`` differ, a float is their geometric
        mean.
    tile : int or None, default=None
        Side in pixels of the tiles that images are cut into. X is then a list of images of any
        size, and the autoencoder is fitted on random tiles. None encodes each image, or row, as a
        whole.
    context : bool, default=True
        Whether the context model has a network, which predicts each code from the codes before it
        and from the tiles to the left and above. The network is trained in fit. It is not used if
        it does not reduce the rate of a validation set by two standard errors.
    random_state : int, RandomState instance or None, default=None
        Seed of the tile positions and of the context model's network. It is also the seed of an
        autoencoder without a `random_state` of its own.

    Attributes
    ----------
    autoencoder_ : estimator
        The fitted autoencoder.
    steps_ : ndarray of shape (n_codes,)
        Quantization step of each code, float64.
    centre_ : ndarray of shape (n_codes,)
        Mean of the codes in fit, which a quantized code of 0 decodes to, float64.
    dtype_ : dtype
        Dtype that `decompress` returns: that of X in fit. Floats other than float32 and float64
        become float32.
    n_features_in_ : int
        Number of features seen by the autoencoder. Defined only when the autoencoder has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen by the autoencoder. Defined only when the autoencoder has them.
    fingerprint_ : str
        SHA-256 hash, in hexadecimal, of all that is needed to decode messages.

    See Also
    --------
    ConvAutoencoder : The default autoencoder for images.

    Notes
    -----
    Codes are decoded to the same bits on every machine. Pixels differ by rounding, so pixels of
    uint8 may differ by 1. A message has 5 bytes and the number of images beside the codes, and 2
    more bytes from a length of 64 bytes on.

    References
    ----------
    .. [1] J. Ballé, N. Johnston and D. Minnen, "Integer networks for data compression with
       latent-variable models", ICLR 2019.
    .. [2] R. Bamler, "Understanding entropy coding with asymmetric numeral systems (ANS): a
       statistician's perspective", arXiv:2201.01741, 2022.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import ConvAutoencoder, LatentCodec
    >>> images = load_digits().images.astype("uint8")
    >>> codec = LatentCodec(ConvAutoencoder(16, max_iter=5, random_state=0), random_state=0)
    >>> message = codec.fit(images[:1500]).compress(images[1500:])
    >>> len(message) / 297 < 16  # bytes per image of 64 pixels
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
        """Fit the autoencoder, the quantization steps, and the context model.

        Parameters
        ----------
        X : array-like, or list of images (H, W) or (H, W, C) with `tile`
            Training data: X of the autoencoder, or images.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted codec.
        """
        with restore_state_on_error(self):
            seed = resolve_seed(self.random_state)
            self._tile, self._n_axes = self.tile, None
            images = None
            if self.tile is not None:
                images = tiles.check_images(X)
                self._n_axes, self._channels = images[0].ndim, images[0].shape[2:]
                X = tiles.sample_tiles(images, self._tile, np.random.default_rng(seed))
            self.dtype_ = output_dtype(X)
            self._fit_autoencoder(X, seed)
            codes = encode(self.autoencoder_, X)
            self.centre_ = codes.mean(0)
            self.steps_ = quantization_steps(self.autoencoder_, X, codes, self.step)
            self._fit_context_model(codes, images, seed)
            self._fingerprint = self._compute_fingerprint()
            self.fingerprint_ = self._fingerprint.hex()
        return self

    def compress(self, X: MatrixLike) -> bytes:
        """Encode X to one message.

        Parameters
        ----------
        X : array-like, or list of images with `tile`
            Data in the layout of fit, at least one row or image.

        Returns
        -------
        message : bytes
            The message, for `decompress`.
        """
        check_is_fitted(self)
        if self._tile is None:
            return message_coding.write_rows(
                self._context_model, self._quantize_rows(X), self._fingerprint
            )
        images = self._check_images(X)
        return message_coding.write_images(
            self._context_model, images, self._quantize_images(images), self._fingerprint
        )

    def compress_each(self, X: MatrixLike) -> list[bytes]:
        """Encode each row or image of X to a message of its own.

        Parameters
        ----------
        X : array-like, or list of images with `tile`
            Data in the layout of fit, at least one row or image.

        Returns
        -------
        messages : list of bytes
            Messages for `decompress`, which takes one of them or a list.
        """
        check_is_fitted(self)
        if self._tile is None:
            return message_coding.write_each_row(
                self._context_model, self._quantize_rows(X), self._fingerprint
            )
        images = self._check_images(X)
        messages = []
        for image, grid in zip(images, self._quantize_images(images), strict=True):
            message = message_coding.write_images(
                self._context_model, [image], [grid], self._fingerprint
            )
            messages.append(message)
        return messages

    def decompress(self, message: bytes | Sequence[bytes]) -> NDArray[Any] | Any:
        """Decode messages to data.

        Parameters
        ----------
        message : bytes or list of bytes
            Messages that `compress` or `compress_each` of this codec returned.

        Returns
        -------
        X : ndarray, or list of ndarray with `tile`
            Data in the layout of the autoencoder's `inverse_transform` and in the dtype of fit.
            Integers are rounded and clipped to their range.

        Raises
        ------
        ValueError
            If a message is damaged, truncated, or written by another codec.
        """
        check_is_fitted(self)
        codes, sizes = self._read(message)
        X = to_dtype(decode(self.autoencoder_, codes), self.dtype_)
        if self._tile is None:
            return X
        images = []
        start = 0
        for height, width in sizes:
            stop = start + math.prod(tiles.grid_shape(height, width, self._tile))
            images.append(tiles.join(X[start:stop], height, width))
            start = stop
        return images

    def decode_codes(self, message: bytes | Sequence[bytes]) -> NDArray[np.float64]:
        """Decode messages to codes, which are equal to the last bit on every machine.

        Parameters
        ----------
        message : bytes or list of bytes
            Messages that `compress` or `compress_each` of this codec returned.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_codes)
            Dequantized codes for the autoencoder's `inverse_transform`, float64. With `tile`, one
            row for each tile.
        """
        check_is_fitted(self)
        return self._read(message)[0]

    def code_lengths(self, X: MatrixLike) -> NDArray[np.float64]:
        """Compute the bits of each row or image under the context model.

        Parameters
        ----------
        X : array-like, or list of images with `tile`
            Data in the layout of fit, at least one row or image.

        Returns
        -------
        bits : ndarray of shape (n_samples,)
            Rate of the codes in bits, float64. A message has at most 8 bits more, plus header and
            checksum.
        """
        check_is_fitted(self)
        if self._tile is None:
            return row_coding.rate(self._context_model, self._quantize_rows(X))
        bits = []
        for quantized, shape in self._quantize_images(self._check_images(X)):
            bits.append(tile_coding.rate(self._context_model, quantized, shape).sum())
        return np.array(bits)

    def _fit_autoencoder(self, X, seed):
        """Fit a clone of the autoencoder, and copy its number and names of features."""
        autoencoder = self.autoencoder
        if autoencoder is None:
            autoencoder = default_rate_autoencoder(X)
        self.autoencoder_ = seeded_clone(autoencoder, seed).fit(X, None)
        for name in ("n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)
            if hasattr(self.autoencoder_, name):
                setattr(self, name, getattr(self.autoencoder_, name))

    def _fit_context_model(self, codes, images, seed):
        """Fit the context model on codes of rows, or on images that are cut into tiles."""
        n_hidden = 0
        if self.context:
            n_hidden = N_HIDDEN
        lambda_rd = LAMBDA_RD
        if getattr(self.autoencoder_, "code_steps_", None) is not None:
            # the decoder was trained with noise of at most half a step: round to the nearest
            lambda_rd = 0.0
        generator = np.random.default_rng(seed)
        if images is None:
            # at random, because rows may be sorted
            indices = generator.permutation(len(codes))[: max_training_rows(codes.shape[1])]
            self._context_model = row_coding.fit_context_model(
                self._in_steps(codes[np.sort(indices)]), n_hidden, seed, lambda_rd
            )
            return
        max_tiles = max_training_rows(3 * codes.shape[1])  # a tile and two neighbors
        shifted = list(tiles.shifted_grids(images, self._tile, max_tiles, generator))
        all_codes = self._encode_images(image for image, _ in shifted)
        grids = []
        for image_codes, (image, split) in zip(all_codes, shifted, strict=True):
            grids.append((image_codes, self._grid_shape(image), split))
        self._context_model = tile_coding.fit_context_model(grids, n_hidden, seed, lambda_rd)

    def _compute_fingerprint(self):
        """Return a hash of the context model, the steps, and the decoder's output for two codes."""
        codes = np.stack([self.centre_, self.centre_ + self.steps_])
        decoded = decode(self.autoencoder_, codes)
        settings = f"{self.dtype_.str} {decoded.shape} {self._tile} {self._n_axes}"
        return message_coding.compute_fingerprint(
            self._context_model, [codes, decoded, self.steps_], settings
        )

    def _in_steps(self, codes):
        """Return centered codes in units of the step."""
        return to_steps(codes, self.centre_, self.steps_)

    def _quantize_rows(self, X):
        """Return the quantized codes of rows."""
        return row_coding.quantize(
            self._context_model, self._in_steps(encode(self.autoencoder_, X))
        )

    def _check_images(self, X):
        """Validate images that are cut into tiles, with the axes and channels of fit."""
        return tiles.check_images(X, self._n_axes, self._channels)

    def _grid_shape(self, image):
        return tiles.grid_shape(*image.shape[:2], self._tile)

    def _encode_images(self, images):
        """Return an iterator over the codes of each image's tiles, in units of the step."""
        stacks = (tiles.cut(image, self._tile) for image in images)
        return map(self._in_steps, encode_stacks(self.autoencoder_, stacks))

    def _quantize_images(self, images):
        """Yield the quantized codes of each image's tiles, and the rows and columns of tiles."""
        for image, codes in zip(images, self._encode_images(images), strict=True):
            shape = self._grid_shape(image)
            yield tile_coding.quantize(self._context_model, codes, shape), shape

    def _read(self, message):
        """Decode the codes of messages, and the sizes of images that are cut into tiles."""
        quantized, sizes = [], []
        for one in as_message_list(message):
            if self._tile is None:
                values = message_coding.read_rows(self._context_model, one, self._fingerprint)
            else:
                values, message_sizes = message_coding.read_images(
                    self._context_model, one, self._fingerprint, self._tile
                )
                sizes += message_sizes
            quantized.append(values)
        return self.centre_ + np.concatenate(quantized) * self.steps_, sizes
