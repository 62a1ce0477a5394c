"""The codec: an autoencoder, the quantization of its codes, and a context model of them."""

import hashlib
import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skae._devices import uses_default_torch_state
from skae._input.validation import resolve_seed
from skae._meta_estimator import WrappedAutoencoderMixin
from skae._persistence import restore_state_on_error
from skae._sklearn_compat import HasMethods, Interval, StrOptions, fit_context
from skae._typing import Auto, MatrixLike, RandomState
from skae.compression import _tiles as tiles
from skae.compression._context_model import LAMBDA_RD, max_training_rows
from skae.compression._decompression import MAX_BYTES, Decoder, decompress, dequantize
from skae.compression._entropy_coding import (
    fit_context_model,
    quantize,
    rate,
    row_order,
    tile_order,
)
from skae.compression._message_coding import read_messages, write_each_row, write_message
from skae.compression._quantization import (
    decode,
    encode,
    encode_stacks,
    output_dtype,
    quantization_steps,
    to_steps,
)
from skae.distributed._context import with_all_rows

__all__ = ["LatentCodec"]

N_HIDDEN = 64
"""Hidden units of the context model's network."""

MAX_COMPONENTS = 64
"""Components of the default autoencoder: its rate penalty leaves unused ones almost free."""


class LatentCodec(WrappedAutoencoderMixin, BaseEstimator):
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
        with at most 64 components and ``penalty="rate"``. The weight of the penalty sets the rate,
        with less distortion at equal rate than `step`.
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
    code_mean_ : ndarray of shape (n_codes,)
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
    uint8 may differ by 1.

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
    >>> autoencoder = ConvAutoencoder(16, max_iter=9, random_state=0)
    >>> codec = LatentCodec(autoencoder, random_state=0)
    >>> message = codec.fit(images[:1500]).compress(images[1500:])
    >>> len(message) / 297 < 16  # bytes per image of 64 pixels
    True
    >>> codec.decompress(message).shape
    (297, 8, 8)
    """

    steps_: NDArray[np.float64]
    code_mean_: NDArray[np.float64]
    dtype_: np.dtype
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

    @with_all_rows
    @uses_default_torch_state
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
            self._tile = self.tile
            self._channels = None
            images = None
            if self._tile is not None:
                images = tiles.check_images(X)
                self._channels = images[0].shape[2:]
                X = tiles.sample_tiles(images, self._tile, np.random.default_rng(seed))
            self.dtype_ = output_dtype(X)
            self._fit_autoencoder(X, seed)
            codes = encode(self.autoencoder_, X)
            self.code_mean_ = codes.mean(0)
            self.steps_ = quantization_steps(self.autoencoder_, X, codes, self.step)
            self._fit_context_model(codes, images, seed)
            self._fingerprint = self._compute_fingerprint()
            self.fingerprint_ = self._fingerprint.hex()
        return self

    @uses_default_torch_state
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
        groups, sizes = self._encode(X)
        return write_message(self._context_model, groups, sizes, self._fingerprint)

    @uses_default_torch_state
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
        groups, sizes = self._encode(X)
        if self._tile is None:
            return write_each_row(self._context_model, *groups[0], self._fingerprint)
        messages = []
        for group, size in zip(groups, sizes, strict=True):
            messages.append(write_message(self._context_model, [group], [size], self._fingerprint))
        return messages

    @uses_default_torch_state
    def decompress(
        self, message: bytes | Sequence[bytes], *, max_bytes: int | None = MAX_BYTES
    ) -> NDArray[Any] | Any:
        """Decode messages to data.

        Parameters
        ----------
        message : bytes or list of bytes
            Messages that `compress` or `compress_each` of this codec returned.
        max_bytes : int or None, default=1073741824
            Maximum size of the result in bytes, which is compared with the headers before memory is
            taken. The memory is about twice the result. None: no maximum.

        Returns
        -------
        X : ndarray, or list of ndarray with `tile`
            Data in the layout of the autoencoder's `inverse_transform` and in the dtype of fit.
            Integers are rounded and clipped to their range.

        Raises
        ------
        ValueError
            If a message is damaged, truncated, or written by another codec, or if the result
            exceeds `max_bytes`.
        """
        check_is_fitted(self)
        contents = self._read(message)
        decoder = Decoder(self.autoencoder_, self._to_codes, len(self.steps_), self.dtype_)
        return decompress(contents, decoder, self._tile, max_bytes)

    @uses_default_torch_state
    def decode_codes(
        self, message: bytes | Sequence[bytes], *, max_bytes: int | None = MAX_BYTES
    ) -> NDArray[np.float64]:
        """Decode messages to codes, which are equal to the last bit on every machine.

        Parameters
        ----------
        message : bytes or list of bytes
            Messages that `compress` or `compress_each` of this codec returned.
        max_bytes : int or None, default=1073741824
            Maximum size of the codes in bytes. None: no maximum.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_codes)
            Dequantized codes for the autoencoder's `inverse_transform`, float64. With `tile`, one
            row for each tile.
        """
        check_is_fitted(self)
        return dequantize(self._read(message), self._to_codes, len(self.steps_), max_bytes)

    @uses_default_torch_state
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
        groups, _ = self._encode(X)
        bits = []
        for codes, order in groups:
            quantized = quantize(self._context_model, codes, order)
            bits.append(rate(self._context_model, quantized, order))
        if self._tile is None:
            return bits[0]
        return np.array([tile_bits.sum() for tile_bits in bits])

    def _default_autoencoder(self, X):
        """Return the default autoencoder, with ``penalty="rate"``."""
        n_features = math.prod(np.shape(X)[1:])
        n_components = max(1, min(MAX_COMPONENTS, n_features // 2))
        return super()._default_autoencoder(X, n_components, penalty="rate")

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
            codes = self._in_steps(codes[np.sort(indices)])
            groups, split = [(codes, row_order(len(codes)))], None
        else:
            max_tiles = max_training_rows(3 * codes.shape[1])  # a tile and two neighbors
            shifted = tiles.shifted_grids(images, self._tile, max_tiles, generator)
            images, splits = zip(*shifted, strict=True)
            groups, split = list(self._encode_images(images)), np.concatenate(splits)
        self._context_model = fit_context_model(groups, n_hidden, seed, lambda_rd, split)

    def _compute_fingerprint(self):
        """Return the SHA-256 hash of all that is needed to decode messages.

        This is the context model, the steps, and the output of the decoder for two codes.
        """
        codes = np.stack([self.code_mean_, self.code_mean_ + self.steps_])
        decoded = decode(self.autoencoder_, codes)
        n_axes = None
        if self._channels is not None:
            n_axes = 2 + len(self._channels)
        fingerprint = hashlib.sha256(self._context_model.digest())
        for array in (codes, decoded, self.steps_):
            fingerprint.update(np.ascontiguousarray(array, "<f8").tobytes())
        settings = f"{self.dtype_.str} {decoded.shape} {self._tile} {n_axes}"
        fingerprint.update(settings.encode())
        return fingerprint.digest()

    def _encode(self, X):
        """Return codes in units of the step with their coding order, and the sizes of images.

        Returns
        -------
        groups : iterable of (codes, order)
            The codes of all rows, or, with `tile`, the codes of each image.
        sizes : list of (height, width)
            Size of each image in pixels; empty without `tile`.
        """
        if self._tile is None:
            codes = self._in_steps(encode(self.autoencoder_, X))
            return [(codes, row_order(len(codes)))], []
        images = tiles.check_images(X, self._channels)
        return self._encode_images(images), [image.shape[:2] for image in images]

    def _encode_images(self, images):
        """Yield the codes of each image's tiles, in units of the step, and the coding order."""
        stacks = (tiles.cut(image, self._tile) for image in images)
        all_codes = encode_stacks(self.autoencoder_, stacks)
        for image, codes in zip(images, all_codes, strict=True):
            shape = tiles.grid_shape(*image.shape[:2], self._tile)
            yield self._in_steps(codes), tile_order(*shape)

    def _in_steps(self, codes):
        """Return centered codes in units of the step."""
        return to_steps(codes, self.code_mean_, self.steps_)

    def _to_codes(self, quantized):
        """Return the codes of quantized codes."""
        return self.code_mean_ + quantized * self.steps_

    def _read(self, message):
        """Read the headers of messages."""
        return read_messages(self._context_model, message, self._fingerprint, self._tile)
