"""Compression: lossless coding of quantized codes, errors for invalid messages, and sizes."""

import pickle
import struct
import sys
import zlib

import numpy as np
import pandas
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_sample_image
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import ConvAutoencoder, DenseAutoencoder, LatentCodec
from skae.compression import _message_format as message_format
from skae.compression import _tiles as tiles
from skae.compression._context_model import LAMBDA_RD, ContextModel
from skae.compression._context_training import _preceding_sums
from skae.compression._entropy_coding import _neighbor_values, tile_order
from skae.compression._range_coder import MAX_EXCESS, Reader, Writer

DIGITS = load_digits().images.astype(np.uint8)
ROWS = DIGITS.reshape(len(DIGITS), -1)


@pytest.fixture(scope="module")
def codec():
    """Return a codec of PCA with a context model."""
    return LatentCodec(PCA(16), random_state=0).fit(ROWS[:1500])


@pytest.fixture(scope="module")
def photograph():
    """Return a small color photograph."""
    return load_sample_image("china.jpg")[::4, ::4]


@pytest.fixture(scope="module")
def tiled(photograph):
    """Return a codec of images that are cut into tiles."""
    flat = make_pipeline(Flat(), PCA(12, random_state=0))
    return LatentCodec(flat, tile=8, random_state=0).fit([photograph[:, :100], photograph[:50]])


class Flat(StandardScaler):
    """A transformer of images to flat rows."""

    def fit(self, X, y=None):
        """Store the shape of an image."""
        self.shape_ = X.shape[1:]
        return self

    def transform(self, X):
        """Flatten the images."""
        return X.reshape(len(X), -1).astype(float)

    def inverse_transform(self, X):
        """Restore the shape of the images."""
        return X.reshape(-1, *self.shape_)


# ------------------------------------------------------------ round trip


def test_code_lengths_do_not_depend_on_the_order_of_training_rows(monkeypatch):
    """A context model of a subset of sorted rows needs as few bits as one of shuffled rows."""
    monkeypatch.setattr("skae.compression._context_model.MAX_TRAINING_ROWS", 150)
    labels = load_digits().target
    pca = FrozenEstimator(PCA(8, random_state=0).fit(ROWS))
    sorted_rows = ROWS[np.argsort(labels, kind="stable")]
    bits = [
        LatentCodec(pca, context=False, random_state=0).fit(rows).code_lengths(ROWS).mean()
        for rows in (ROWS, sorted_rows)
    ]
    assert bits[1] < 1.03 * bits[0]


def test_one_message_and_separate_messages_decode_to_the_same_codes(codec):
    """Codes are decoded exactly, and compress and compress_each decode to the same rows."""
    X = ROWS[1500:]
    exact = (codec.autoencoder_.transform(X) - codec.code_mean_) / codec.steps_
    whole, each = codec.compress(X), codec.compress_each(X)
    numbers = np.rint((codec.decode_codes(whole) - codec.code_mean_) / codec.steps_)
    assert np.abs(numbers - exact).max() < 1
    np.testing.assert_array_equal(
        codec.decode_codes(whole), codec.code_mean_ + numbers * codec.steps_
    )
    np.testing.assert_array_equal(codec.decode_codes(each), codec.decode_codes(whole))
    np.testing.assert_array_equal(codec.decompress(whole), codec.decompress(each))
    np.testing.assert_array_equal(codec.decompress(each[7])[0], codec.decompress(whole)[7])
    assert codec.decompress(whole).dtype == np.uint8


def test_automatic_step_adds_a_quarter_to_the_error(codec):
    """Quantization with step="auto" increases the training error by about a quarter."""
    X = ROWS[:1500].astype(float)
    exact = codec.autoencoder_.inverse_transform(codec.autoencoder_.transform(X))
    rounded = codec.autoencoder_.inverse_transform(codec.decode_codes(codec.compress(ROWS[:1500])))
    assert 1.2 < np.square(rounded - X).mean() / np.square(exact - X).mean() < 1.3


def test_message_lengths_match_code_lengths(codec):
    """A message has at most 12 bytes more than code_lengths, and a single row about one more."""
    X = ROWS[1500:]
    bits = codec.code_lengths(X)
    assert 0 <= len(codec.compress(X)) - bits.sum() / 8 < 12
    over = np.array([len(message) for message in codec.compress_each(X)]) - 6 - bits / 8
    assert over.max() < 1.02
    assert 0 < over.mean() < 0.6


def test_memory_is_bounded_by_a_block_of_rows(codec, monkeypatch):
    """The weights of all symbols are held for at most 1,024 rows at a time."""
    block_sizes = []
    weights = ContextModel.weights

    def spy(self, context, j, n):
        block_sizes.append(n)
        return weights(self, context, j, n)

    monkeypatch.setattr(ContextModel, "weights", spy)
    codec.compress(ROWS)
    codec.code_lengths(ROWS)
    assert max(block_sizes) == 1024


def test_context_reduces_the_rate(codec):
    """On digits, context=True needs at least 3 % fewer bits than context=False."""
    plain = LatentCodec(FrozenEstimator(codec.autoencoder_), context=False, random_state=0).fit(
        ROWS[:1500]
    )
    np.testing.assert_array_equal(plain.steps_, codec.steps_)
    assert codec.code_lengths(ROWS[1500:]).mean() < 0.97 * plain.code_lengths(ROWS[1500:]).mean()


def test_context_is_not_used_for_independent_columns():
    """On independent columns, context=True and context=False have equal code lengths."""
    X = np.random.default_rng(0).normal(size=(600, 6))
    one, other = (
        LatentCodec(PCA(6), context=context, random_state=0).fit(X) for context in (True, False)
    )
    np.testing.assert_array_equal(one.code_lengths(X), other.code_lengths(X))


def test_quantization_reduces_the_rate_distortion_cost(codec):
    """Quantized codes have a lower rate-distortion cost than rounding to the nearest integer."""
    codes = codec._in_steps(codec.autoencoder_.transform(ROWS[1500:]))
    nothing = np.empty((len(codes), 0))
    quantized = codec._context_model.quantize(codes, nothing)
    nearest = np.rint(codes).astype(np.int64)

    def cost(numbers):
        return np.square(numbers - codes).sum(1) + LAMBDA_RD * codec._context_model.rate(
            numbers, nothing
        )

    assert cost(quantized).mean() < cost(nearest).mean()
    assert (
        codec._context_model.rate(quantized, nothing).mean()
        < 0.95 * codec._context_model.rate(nearest, nothing).mean()
    )
    assert np.square(quantized - codes).mean() < 1.3 * np.square(nearest - codes).mean()


def test_codes_of_rate_penalty_are_rounded_to_the_nearest_integer():
    """With penalty="rate", the quantization error is at most half a step."""
    autoencoder = DenseAutoencoder(8, penalty="rate", max_iter=5, random_state=0)
    codec = LatentCodec(autoencoder, context=False, random_state=0).fit(ROWS[:1500])
    codes = codec._in_steps(codec.autoencoder_.transform(ROWS[1500:]))
    decoded = codec._in_steps(codec.decode_codes(codec.compress(ROWS[1500:])))
    assert np.abs(decoded - codes).max() <= 0.5 + 1e-9


def test_rate_of_gaussian_codes_is_near_their_entropy():
    """Tables of 4,000 rows need at most 2 % more bits than the entropy of a rounded Gaussian."""
    rng = np.random.default_rng(0)
    model = ContextModel(
        np.rint(rng.normal(0, [8, 1, 30], (4000, 3))).astype(np.int64), np.empty((4000, 0)), 0, 0
    )
    new = np.rint(rng.normal(0, [8, 1, 30], (4000, 3))).astype(np.int64)
    entropy = np.log2(
        np.sqrt(2 * np.pi * np.e) * np.array([8, 1, 30])
    ).sum()  # within .1 % of the entropy of integers
    assert model.rate(new, np.empty((4000, 0))).mean() < 1.02 * entropy


def test_a_larger_step_gives_fewer_bytes_and_a_larger_error(codec):
    """A float `step` is the quantization step in units of the codes."""
    frozen = FrozenEstimator(codec.autoencoder_)
    rate_distortion = []
    for step in (2.0, 8.0):
        one = LatentCodec(frozen, step=step, context=False).fit(ROWS[:1500])
        np.testing.assert_allclose(one.steps_, step)
        message = one.compress(ROWS[1500:])
        rate_distortion.append(
            (-len(message), np.square(one.decompress(message) - ROWS[1500:].astype(float)).mean())
        )
    assert rate_distortion[0] < rate_distortion[1]
    assert rate_distortion[0][1] < rate_distortion[1][1]


def test_steps_come_from_the_autoencoder():
    """Steps are ``code_steps_`` of the autoencoder, scaled to the geometric mean `step`."""
    pca = PCA(3).fit(ROWS)
    pca.code_steps_ = np.array([1.0, 2.0, 4.0])
    np.testing.assert_array_equal(
        LatentCodec(FrozenEstimator(pca), context=False).fit(ROWS).steps_, [1, 2, 4]
    )
    np.testing.assert_allclose(
        LatentCodec(FrozenEstimator(pca), step=6, context=False).fit(ROWS).steps_, [3, 6, 12]
    )
    pca.code_steps_ = np.array([1.0, 2.0])
    with pytest.raises(ValueError, match="expected 3 positive numbers"):
        LatentCodec(FrozenEstimator(pca)).fit(ROWS)


def test_images_and_tables_keep_their_shapes():
    """Decoded images and tables have the shape of X, and a pickled codec decodes equally."""
    parameters = {"max_iter": 2, "early_stopping": False, "random_state": 0}
    for autoencoder, X in (
        (ConvAutoencoder(4, **parameters), DIGITS[:300]),
        (DenseAutoencoder(4, **parameters), ROWS[:300]),
    ):
        one = LatentCodec(autoencoder, context=False).fit(X)
        message = one.compress(X)
        again = pickle.loads(pickle.dumps(one))
        np.testing.assert_array_equal(again.decode_codes(message), one.decode_codes(message))
        decoded = again.decompress(message)
        assert decoded.shape == X.shape
        difference = np.abs(decoded - one.autoencoder_.reconstruct(X))
        assert difference.mean() < 1.5
        one.set_params(autoencoder__n_components=2, step=3.0, tile=9)
        np.testing.assert_array_equal(one.decompress(message), decoded)


def test_default_autoencoder_depends_on_the_dimensions_of_x():
    """The default is a DenseAutoencoder for tables and a ConvAutoencoder for images."""
    X = load_breast_cancer().data[:60, :6]
    assert isinstance(LatentCodec(random_state=0).fit(X).autoencoder_, DenseAutoencoder)
    assert isinstance(
        LatentCodec(random_state=0).fit(DIGITS[:12, :3, :3]).autoencoder_, ConvAutoencoder
    )


@pytest.mark.parametrize(
    "dtype", ["float32", ">f8", "float64", "float16", "int64", "int8", "bool", "uint64"]
)
def test_decoded_rows_have_the_dtype_of_fit(dtype):
    """Floats are decoded as float32 or float64, integers are rounded and clipped."""
    X = (ROWS[:200] > 7).astype(dtype) if dtype == "bool" else ROWS[:200].astype(dtype)
    codec = LatentCodec(PCA(30), context=False).fit(X)
    decoded = codec.decompress(codec.compress(X))
    assert decoded.dtype == {"float16": "float32", ">f8": "float64"}.get(dtype, dtype)
    assert np.abs(decoded.astype(float) - X.astype(float)).mean() < 1


def test_rows_may_be_tensors_data_frames_and_lists():
    """A torch tensor, a pandas DataFrame and a list are compressed like an array."""
    X = ROWS[:100].astype(np.float32)
    autoencoder = DenseAutoencoder(3, max_iter=1, early_stopping=False, random_state=0)
    messages = [
        LatentCodec(autoencoder, context=False).fit(form).compress(form)
        for form in (X, torch.from_numpy(X), pandas.DataFrame(X), X.tolist())
    ]
    assert abs(len(messages[0]) - len(messages[1])) < 2
    assert abs(len(messages[0]) - len(messages[2])) < 2
    assert abs(len(messages[0]) - len(messages[3])) < 2


def test_outliers_are_coded_by_the_escape_symbol(codec):
    """Codes far outside the tables are decoded exactly; beyond a limit they raise a ValueError."""
    X = ROWS[:5].astype(float)
    X[2] *= 1e5
    X[4] *= -300
    message = codec.compress(X)
    exact = (codec.autoencoder_.transform(X) - codec.code_mean_) / codec.steps_
    assert np.abs((codec.decode_codes(message) - codec.code_mean_) / codec.steps_ - exact).max() < 1
    assert len(message) < 300
    with pytest.raises(ValueError, match="too far from that of fit"):
        codec.compress(X * 1e12)


def test_constant_columns_need_less_than_a_bit_per_row():
    """Rows without variance are compressed to less than one bit each."""
    X = np.full((5000, 4), 7.0)
    one = LatentCodec(FrozenEstimator(PCA(2).fit(ROWS[:, 20:24])), context=False).fit(X)
    assert len(one.compress(X)) < 5000 / 8
    assert one.decompress(one.compress(X)).shape == X.shape


# ------------------------------------------------------------ tiles


@pytest.mark.parametrize("size", [(107, 160), (8, 8), (1, 1), (9, 7), (3, 50)])
def test_images_of_any_size_are_compressed_as_tiles(tiled, photograph, size):
    """A color image, also one smaller than a tile, is decoded in its size with a small error."""
    image = photograph[: size[0], : size[1]]
    (decoded,) = tiled.decompress(tiled.compress([image]))
    assert decoded.shape == image.shape
    assert decoded.dtype == np.uint8
    assert np.abs(decoded.astype(float) - image).mean() < 25


def test_images_of_different_sizes_share_one_message(tiled, photograph):
    """Images of different sizes are decoded in order, from one message or from several."""
    images = [photograph[:30, :41], photograph[10:27], photograph[:, :9]]
    together = tiled.decompress(tiled.compress(images))
    for one, other, image in zip(
        together, tiled.decompress(tiled.compress_each(images)), images, strict=True
    ):
        np.testing.assert_array_equal(one, other)
        assert one.shape == image.shape
    assert len(tiled.code_lengths(images)) == 3


def test_gray_images_are_compressed_as_tiles(photograph):
    """Gray images of two axes are decoded with two axes."""
    gray = photograph[..., 1].astype(np.float32)
    one = LatentCodec(make_pipeline(Flat(), PCA(4)), tile=6, context=False, random_state=0).fit(
        [gray]
    )
    (decoded,) = one.decompress(one.compress([gray]))
    assert decoded.shape == gray.shape
    assert decoded.dtype == np.float32


def test_tiles_are_joined_and_ordered_by_diagonals():
    """Joining is the inverse of cutting, and each tile comes after its left and upper neighbors."""
    image = np.arange(7 * 11 * 2).reshape(7, 11, 2)
    (joined,) = tiles.join([tiles.cut(image, 4)], [(7, 11)], 4)
    np.testing.assert_array_equal(joined, image)
    done = {-1}
    order = tile_order(3, 5)
    for batch in order.batches:
        assert done.issuperset(order.neighbors[batch].ravel())
        done.update(batch)
    assert done == set(range(-1, 15))
    left, above = order.neighbors.T
    here = np.arange(15)
    np.testing.assert_array_equal(left, np.where(here % 5 > 0, here - 1, -1))
    np.testing.assert_array_equal(above, np.where(here >= 5, here - 5, -1))


def test_small_images_are_encoded_together(tiled, photograph, monkeypatch):
    """Small images share a call of the encoder, and their messages equal those of single images."""
    images = [photograph[i : i + 9, i : i + 7] for i in range(40)]
    sizes, transform = [], PCA.transform

    def spy(self, X):
        sizes.append(len(X))
        return transform(self, X)

    monkeypatch.setattr(PCA, "transform", spy)
    each = tiled.compress_each(images)
    assert sizes == [80]
    assert each[7] == tiled.compress([images[7]])
    LatentCodec(tiled.autoencoder, tile=8, context=False, random_state=0).fit(images)
    assert max(sizes) > 1000
    assert len(sizes) < 40


def test_one_color_image_in_place_of_a_list_warns(photograph):
    """A color image in place of a list is read as gray images, with a warning."""
    with pytest.warns(UserWarning, match=r"grayscale images of 160 x 3 pixels.*X\[None\]"):
        LatentCodec(make_pipeline(Flat(), PCA(2)), tile=8, context=False).fit(photograph)


def test_neighbor_values_are_left_then_above():
    """Neighbor values are those of the left and the upper tile, and zeros outside of the image."""
    numbers = np.arange(1, 13).reshape(6, 2)
    expected = [[0, 0, 0, 0], [1, 2, 0, 0], [3, 4, 0, 0], [0, 0, 1, 2], [7, 8, 3, 4], [9, 10, 5, 6]]
    np.testing.assert_array_equal(_neighbor_values(numbers, tile_order(2, 3)), expected)


@pytest.mark.parametrize("count", [2, 9])
def test_training_and_validation_tiles_share_no_pixel(rng, count):
    """No pixel is in both training and validation tiles of shifted grids, and neither is empty."""
    images = [np.arange(64 * 40).reshape(64, 40) + 10_000 * i for i in range(count)]
    pixels = {role: set() for role in (-1, 0, 1)}
    drawn = 0
    for part, role in tiles.shifted_grids(images, 8, 600 * count, rng):
        drawn += len(role)
        for tile, one in zip(tiles.cut(part, 8), role, strict=True):
            pixels[one].update(np.unique(tile))
    assert 600 * count <= drawn <= 600 * count + 40
    assert pixels[0]
    assert len(pixels[1]) > 0.7 * count * 64 * 40
    assert not pixels[0] & pixels[1]


@pytest.mark.parametrize(
    ("X", "error", "match"),
    [
        ([], ValueError, "Got no images"),
        ("photographs", TypeError, r"Got 'photographs' as X.*skae\.datasets\.ImageFolder"),
        (3, TypeError, "expected a list of images"),
        ([np.zeros((4, 4, 3)), np.zeros((4, 4))], ValueError, r"shape \(4, 4\) at 1"),
        ([np.zeros((4, 4, 3)), np.zeros((4, 4, 4))], ValueError, "channels"),
        (np.zeros((4, 4, 3)), ValueError, r"shape \(4, 3\) at 0"),
        ([np.zeros((0, 4, 3))], ValueError, r"shape \(0, 4, 3\)"),
        ([np.full((4, 4, 3), np.nan)], ValueError, "NaN or infinity"),
        ([np.full((4, 4, 3), "a")], ValueError, "expected real numbers"),
        ([np.zeros((4, 4, 1))], ValueError, r"shape \(4, 4, 1\) at 0.*number of channels"),
    ],
)
def test_bad_lists_of_images_raise(tiled, X, error, match):
    """X that is no list of matching images raises an error with the expected layout."""
    with pytest.raises(error, match=match):
        tiled.compress(X)


# ------------------------------------------------------------ invalid messages


def raises_value_error(codec, message):
    """Return whether decompress raises a ValueError with a text; other errors are not caught."""
    try:
        codec.decompress(message)
    except ValueError as error:
        return len(str(error)) > 20
    return False


@pytest.mark.parametrize("n", [1, 20])
def test_every_flipped_byte_raises(codec, n):
    """A change of one byte, in any bit, raises a ValueError."""
    message = codec.compress(ROWS[:n])
    for i in range(len(message)):
        for bit in range(8) if n == 1 else (i % 8,):
            assert raises_value_error(
                codec, message[:i] + bytes([message[i] ^ (1 << bit)]) + message[i + 1 :]
            ), (i, bit)
        assert raises_value_error(
            codec, message[:i] + bytes([message[i] ^ 0xFF]) + message[i + 1 :]
        )


def test_truncated_and_extended_messages_raise(codec, tiled, photograph):
    """A message that is truncated anywhere, or extended, raises a ValueError."""
    for one, message in (
        (codec, codec.compress(ROWS[:9])),
        (tiled, tiled.compress([photograph[:20, :20]])),
    ):
        assert all(raises_value_error(one, message[:length]) for length in range(len(message)))
        assert raises_value_error(one, message + b"\0")
        assert raises_value_error(one, message + message)


def test_random_bytes_raise(codec, tiled, rng):
    """Random bytes of any length raise a ValueError, also after a valid beginning."""
    for one, beginning in (
        (codec, codec.compress(ROWS[:1])),
        (tiled, tiled.compress([np.zeros((3, 3, 3), np.uint8)])),
    ):
        for i in range(200):
            assert raises_value_error(one, rng.bytes(i))
            assert raises_value_error(one, beginning[:3] + rng.bytes(i))


def test_forged_messages_raise_or_decode_to_the_announced_size(codec, tiled, rng):
    """Random bytes with a valid checksum raise a ValueError or decode to the announced size."""
    for i in range(100):
        message = message_format.pack(rng.bytes(i), [1 + i], codec._fingerprint)
        assert raises_value_error(codec, message) or len(codec.decompress(message)) == 1 + i
        message = message_format.pack(rng.bytes(i), [1, 1 + i, 2], tiled._fingerprint)
        assert raises_value_error(tiled, message) or tiled.decompress(message)[0].shape == (
            1 + i,
            2,
            3,
        )


@pytest.mark.parametrize("numbers", [[2**50], [0], [10**6], []])
def test_too_many_announced_rows_raise(codec, numbers):
    """A header that announces more rows than the bytes can hold raises a ValueError."""
    with pytest.raises(ValueError, match=r"announce|not the beginning"):
        codec.decompress(
            message_format.pack(b"" if numbers == [] else b"abc", numbers, codec._fingerprint)
        )


@pytest.mark.parametrize(
    "numbers",
    [
        [1, 2**40, 2**40],
        [1, 0, 5],
        [2**40],
        [0],
        [1, 10**5, 10**5],
        [2, 5, 5],
        [1, 2**62, 1],
        [3, 2**50, 0, 1],
        [2, 5, 5, 0, 7],
    ],
)
def test_invalid_image_sizes_raise(tiled, numbers):
    """Images that are too large, empty, or fewer than announced raise a ValueError."""
    with pytest.raises(ValueError, match=r"announce|incomplete"):
        tiled.decompress(message_format.pack(b"", numbers, tiled._fingerprint))


def test_endless_headers_raise(codec):
    """A varint in the header without an end raises a ValueError."""
    message = bytes([0xA2]) + codec._fingerprint[:2] + b"\xff" * 200
    message += zlib.crc32(codec._fingerprint + message).to_bytes(4, "big")
    with pytest.raises(ValueError, match="incomplete"):
        codec.decompress(message)


def test_messages_of_another_codec_raise(codec):
    """Messages of a codec with other steps, context model or decoder raise a ValueError."""
    frozen = FrozenEstimator(codec.autoencoder_)
    for other in (
        LatentCodec(frozen, step=3.0, context=False).fit(ROWS[:1500]),
        LatentCodec(frozen, random_state=1).fit(ROWS[:1500]),
        LatentCodec(PCA(16), step=float(codec.steps_[0])).fit(ROWS[100:1500]),
    ):
        assert other.fingerprint_ != codec.fingerprint_
        with pytest.raises(ValueError, match="written by another codec"):
            codec.decompress(other.compress(ROWS[:3]))


@pytest.mark.parametrize(
    ("message", "error", "match"),
    [
        ("text", TypeError, "Got str, but expected bytes"),
        (None, TypeError, "Got NoneType"),
        ([], ValueError, "Got no messages"),
        (b"", ValueError, "Got 0 bytes"),
        (b"GIF89a........", ValueError, "not the beginning of a LatentCodec message"),
        (bytes([0xA9]) + bytes(20), ValueError, "format version 9, but expected 2"),
    ],
)
def test_invalid_messages_raise(codec, message, error, match):
    """Objects that are no messages raise an error with their type or their length."""
    with pytest.raises(error, match=match):
        codec.decompress(message)


# ------------------------------------------------------------ range coder


def test_streams_have_minimal_length(rng):
    """Streams decode to their symbols, and have at most one byte more than the rate."""
    for length in [0, 1, 2, 3, 5, 8, 13, 40, 400]:
        for _ in range(20):
            weights = np.floor(2.0 ** rng.uniform(0, 30, (length, 7)))
            symbols = np.array(
                [rng.choice(7, p=row / row.sum()) for row in weights], dtype=np.int32
            )
            writer = Writer()
            if length:
                writer.write(symbols, weights)
            stream = writer.getvalue()
            bits = -np.log2(
                (weights / weights.sum(1, keepdims=True))[np.arange(length), symbols]
            ).sum()
            assert len(stream) <= bits / 8 + 1.01
            if length:
                np.testing.assert_array_equal(Reader(stream).read(weights), symbols)


def test_streams_with_long_carries_decode():
    """Carries through many words, along the border between two symbols, are resolved."""
    for first, then in ((0, 1), (1, 0)):
        writer = Writer()
        symbols = np.array([first] + [then] * 300)
        writer.write(symbols, np.ones((301, 2)))
        np.testing.assert_array_equal(Reader(writer.getvalue()).read(np.ones((301, 2))), symbols)


@pytest.mark.parametrize("k", [1, 16, 37])
def test_preceding_sums_exclude_the_column_itself(rng, k):
    """The sum of a column has the columns before it, and neither itself nor later ones."""
    x, into = rng.normal(size=(5, k)), rng.normal(size=(2 * k, 3))
    both = np.hstack([x, np.abs(x)])
    sums = _preceding_sums(torch.from_numpy(both).float(), torch.from_numpy(into).float())
    expected = [x[:, :j] @ into[:j] + np.abs(x)[:, :j] @ into[k : k + j] for j in range(k)]
    np.testing.assert_allclose(sums, expected, atol=1e-4)


def test_excesses_are_decoded(rng):
    """Excesses of any size up to the maximum are decoded as encoded."""
    numbers = [
        0,
        1,
        2,
        3,
        65535,
        65536,
        MAX_EXCESS - 2,
        *(int(2.0**e) for e in rng.uniform(0, 39, 50)),
    ]
    writer = Writer()
    for number in numbers:
        writer.write_excess(number)
    reader = Reader(writer.getvalue())
    assert [reader.read_excess() for _ in numbers] == numbers


def test_weights_are_integers_and_independent_of_other_rows(codec):
    """Weights are integers, and equal for a single row and for the same row in a batch."""
    numbers = np.rint(
        (codec.autoencoder_.transform(ROWS[:50]) - codec.code_mean_) / codec.steps_
    ).astype(np.int64)
    model = codec._context_model
    assert model.network is not None
    numbers = numbers[:, model.order]
    contexts = [model.initial_context(np.empty((n, 0))) for n in (50, 1)]
    for j in range(16):
        many, one = (model.weights(context, j, len(context)) for context in contexts)
        np.testing.assert_array_equal(many[:1], one)
        np.testing.assert_array_equal(many, np.rint(many))
        contexts = [
            model.update_context(context, j, numbers[: len(context), j]) for context in contexts
        ]


def test_missing_constriction_raises(codec, monkeypatch):
    """The error has the command to install, and the original error as its cause."""
    monkeypatch.setitem(sys.modules, "constriction", None)
    with pytest.raises(ImportError, match=r"pip install skae\[compression\]") as info:
        codec.compress(ROWS[:1])
    assert isinstance(info.value.__cause__, ImportError)


# ------------------------------------------------------------ scikit-learn


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"step": 0}, "'step' parameter"),
        ({"step": "fine"}, "'step' parameter"),
        ({"tile": 1}, "'tile' parameter"),
        ({"context": "yes"}, "'context' parameter"),
        ({"autoencoder": load_digits}, "'autoencoder' parameter"),
    ],
)
def test_bad_parameters_raise(parameters, match):
    """Parameters are validated in fit."""
    with pytest.raises(ValueError, match=match):
        LatentCodec(**{"autoencoder": PCA(2), **parameters}).fit(ROWS[:50])


@pytest.mark.parametrize(
    "X",
    [
        np.full((9, 64), np.nan),
        np.full((9, 64), "a"),
        np.empty((0, 64)),
        np.ones((9, 3)),
        np.ones(64),
    ],
)
def test_bad_rows_raise(codec, X):
    """Bad rows raise the error of the autoencoder's own validation."""
    with pytest.raises(ValueError, match=r"NaN|Got text|0 sample|features|2D"):
        codec.compress(X)


def test_methods_before_fit_raise():
    """Each method raises NotFittedError before fit."""
    for method, X in (
        ("compress", ROWS),
        ("compress_each", ROWS),
        ("decompress", b""),
        ("decode_codes", b""),
    ):
        with pytest.raises(NotFittedError):
            getattr(LatentCodec(PCA(2)), method)(X)


def test_grid_search_sets_nested_parameters(codec):
    """GridSearchCV searches the autoencoder's parameters and the step, with a custom score."""

    def fewest_bits(one, X, y=None):
        return -one.code_lengths(X).mean()

    grid = {"autoencoder__n_components": [2, 4], "step": [4.0, 8.0]}
    search = GridSearchCV(LatentCodec(PCA(), context=False), grid, scoring=fewest_bits, cv=2).fit(
        ROWS[:300]
    )
    assert search.best_params_ == {"autoencoder__n_components": 2, "step": 8.0}
    assert clone(search.best_estimator_).get_params()["step"] == 8.0


def test_global_random_states_do_not_change():
    """A fit does not change NumPy's or torch's global state, and an int seed is reproducible."""
    before = np.random.get_state()[1].copy(), torch.get_rng_state().clone()  # noqa: NPY002
    one, other = (
        LatentCodec(PCA(4, random_state=0), random_state=3).fit(ROWS[:300]) for _ in range(2)
    )
    assert one.fingerprint_ == other.fingerprint_
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[1])


def test_a_failed_fit_restores_the_fitted_state():
    """After an error in a second fit, messages of the first fit can still be decoded."""
    one = LatentCodec(PCA(4), context=False, random_state=0).fit(ROWS[:300])
    message = one.compress(ROWS[:5])
    expected = one.decompress(message)
    with pytest.raises(ValueError, match="dim 3"):
        one.set_params(tile=4).fit([ROWS[:9]])
    np.testing.assert_array_equal(one.decompress(message), expected)


def test_images_of_mixed_dtypes_use_a_common_dtype():
    """Images of uint8 and float64 are fitted as float64, so that floats below 1 are not rounded."""
    images = [np.zeros((8, 8), np.uint8), *np.random.default_rng(0).random((3, 8, 8))]
    one = LatentCodec(make_pipeline(Flat(), PCA(12)), tile=4, context=False, random_state=0).fit(
        images
    )
    assert one.dtype_ == np.float64
    assert (
        np.square(one.decompress(one.compress(images[1:]))[0] - images[1]).mean()
        < 0.5 * images[1].var()
    )


def test_two_training_rows_are_enough():
    """A codec is fitted on two rows, and compresses one row."""
    one = LatentCodec(PCA(1)).fit([[0.0, 1.0], [2.0, 3.0]])
    np.testing.assert_allclose(one.decompress(one.compress([[2.0, 3.0]])), [[2, 3]], atol=0.3)


def test_messages_have_the_documented_layout(codec):
    """A message has magic byte, fingerprint, count, codes and checksum: 6 bytes without codes."""
    message = codec.compress(ROWS[:1])
    assert struct.unpack("B2sB", message[:4]) == (0xA2, bytes.fromhex(codec.fingerprint_)[:2], 1)
    assert len(message) - 6 <= codec.code_lengths(ROWS[:1])[0] / 8 + 1.01


def test_rows_with_missing_values_are_compressed_by_the_default_autoencoder():
    """NaN in X of fit sets allow_nan, and decompressed rows are finite."""
    X = np.random.default_rng(0).normal(size=(60, 6))
    X[::4, 2] = np.nan
    one = LatentCodec(context=False, random_state=0).fit(X)
    assert one.autoencoder_.allow_nan
    assert np.isfinite(one.decompress(one.compress(X))).all()
