"""Decompression takes memory in proportion to its result, and at most `max_bytes`."""

import tracemalloc

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skae import DenseAutoencoder, LatentCodec
from skae.compression import _decompression as decompression
from skae.compression._entropy_coding import row_order
from skae.compression._message_coding import write_message

SIDE = 32
ROWS = np.zeros((300, SIDE * SIDE), np.uint8)
ROWS[:, 0] = np.arange(300) % 2


def to_rows(X):
    """Flatten images."""
    return np.asarray(X, float).reshape(len(X), -1)


def to_images(X):
    """Restore the shape of images."""
    return np.reshape(X, (-1, SIDE, SIDE))


@pytest.fixture(scope="module")
def codec():
    """Return a codec of rows that need a fraction of a bit."""
    return LatentCodec(PCA(1), step=1.0, context=False, random_state=0).fit(ROWS)


@pytest.fixture(scope="module")
def tiled():
    """Return a codec of images that are cut into tiles."""
    flat = FunctionTransformer(to_rows, to_images, check_inverse=False)
    pipeline = make_pipeline(flat, PCA(1))
    images = [ROWS[i].reshape(SIDE, SIDE) for i in range(20)]
    return LatentCodec(pipeline, tile=SIDE, step=1.0, context=False, random_state=0).fit(images)


def short_message(codec, n):
    """Return a message of `n` equal rows."""
    group = np.zeros((n, 1)), row_order(n)
    return write_message(codec._context_model, [group], [], codec._fingerprint)


def traced_peak(function, *arguments, **keywords):
    """Return the result of a call and the largest memory that it takes."""
    tracemalloc.start()
    try:
        result = function(*arguments, **keywords)
        return result, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_message_beyond_max_bytes_is_an_error(codec, tiled):
    """A message of few bytes that asks for many times its size is an error before memory is taken."""
    message = short_message(codec, 100_000)
    assert len(message) < 15_000
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"100000 rows or tiles, which need 102400000 bytes"):
        codec.decompress(message, max_bytes=10**8)
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()
    with pytest.raises(ValueError, match=r"need 800000 bytes, .*max_bytes=1000"):
        codec.decode_codes(message, max_bytes=1000)
    image = np.zeros((SIDE, 3 * SIDE), np.uint8)
    with pytest.raises(ValueError, match=r"Got a message of 3 rows or tiles, which need 3072 byte"):
        tiled.decompress(tiled.compress([image]), max_bytes=3071)
    assert tiled.decompress(tiled.compress([image]), max_bytes=3072)[0].shape == image.shape


def test_max_bytes_bounds_all_messages_together(codec):
    """The sizes of all messages of a list are added up; None is no maximum."""
    messages = codec.compress_each(ROWS[:3])
    with pytest.raises(ValueError, match="3 rows or tiles, which need 3072 bytes"):
        codec.decompress(messages, max_bytes=2 * SIDE**2)
    for max_bytes in (3 * SIDE**2, None):
        assert codec.decompress(messages, max_bytes=max_bytes).shape == (3, SIDE**2)


def test_memory_is_at_most_twice_the_result(codec):
    """Large messages are decoded in chunks, so that the codes and floats of all are not held."""
    message = short_message(codec, 40_000)
    X, peak = traced_peak(codec.decompress, message)
    assert X.nbytes == 40_000 * SIDE**2
    assert peak < 2 * X.nbytes
    codes, peak = traced_peak(codec.decode_codes, message, max_bytes=2**21)
    assert codes.shape == (40_000, 1)
    assert peak < 10_000_000


def test_memory_of_tiles_is_at_most_twice_the_result(tiled):
    """Tiles are written into their image chunk by chunk."""
    image = np.zeros((SIDE * 200, SIDE * 200), np.uint8)
    message = tiled.compress([image])
    (decoded,), peak = traced_peak(tiled.decompress, message)
    assert decoded.shape == image.shape
    assert peak < 2 * image.nbytes


@pytest.mark.parametrize("max_values", [1, SIDE**2, 7 * SIDE**2])
def test_chunks_do_not_change_the_result(codec, tiled, monkeypatch, max_values):
    """Rows, tiles and images are the same however they are divided into chunks."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 9, shape).astype(np.uint8) for shape in ((70, 40), (5, 90), (33, 33))]
    rows = codec.compress(ROWS[:40])
    tiles = tiled.compress(images)
    expected_rows, expected_images = codec.decompress(rows), tiled.decompress(tiles)
    monkeypatch.setattr(decompression, "MAX_CHUNK_VALUES", max_values)
    np.testing.assert_array_equal(codec.decompress(rows), expected_rows)
    for image, expected in zip(tiled.decompress(tiles), expected_images, strict=True):
        np.testing.assert_array_equal(image, expected)


def test_chunks_of_an_autoencoder_do_not_change_the_result(monkeypatch):
    """Rows that a network decodes are the same to the bit in chunks of one row."""
    X = np.random.default_rng(0).normal(size=(80, 6)).astype(np.float32)
    frozen = FrozenEstimator(DenseAutoencoder(2, max_iter=2, random_state=0).fit(X))
    codec = LatentCodec(frozen, random_state=0).fit(X)
    message = codec.compress(X)
    expected = codec.decompress(message)
    monkeypatch.setattr(decompression, "MAX_CHUNK_VALUES", 1)
    np.testing.assert_array_equal(codec.decompress(message), expected)
