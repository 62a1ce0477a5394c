"""Compression: what is read is what was written, whatever is not is refused, and it is small."""

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
from skae.compression import container, tiles
from skae.compression.coding import MOST_EXCESS, Reader, Writer
from skae.compression.learning import _seen
from skae.compression.symbols import PRICE, SymbolModel

DIGITS = load_digits().images.astype(np.uint8)
ROWS = DIGITS.reshape(len(DIGITS), -1)


@pytest.fixture(scope="module")
def codec():
    """A codec over PCA, with contexts."""
    return LatentCodec(PCA(16), random_state=0).fit(ROWS[:1500])


@pytest.fixture(scope="module")
def photograph():
    """A small colour photograph."""
    return load_sample_image("china.jpg")[::4, ::4]


@pytest.fixture(scope="module")
def tiled(photograph):
    """A codec that cuts images into tiles."""
    flat = make_pipeline(Flat(), PCA(12, random_state=0))
    return LatentCodec(flat, tile=8, random_state=0).fit([photograph[:, :100], photograph[:50]])


class Flat(StandardScaler):
    """Images as rows and back, for estimators that take rows only."""

    def fit(self, X, y=None):
        """Remember the shape."""
        self.shape_ = X.shape[1:]
        return self

    def transform(self, X):
        """Flatten."""
        return X.reshape(len(X), -1).astype(float)

    def inverse_transform(self, X):
        """Give the shape back."""
        return X.reshape(-1, *self.shape_)


# ------------------------------------------------------------------------------------------------------- the way round


def test_the_order_of_rows_says_nothing_of_their_bits(monkeypatch):
    """Where a distribution is learned from some rows, sorted ones take no more bits than those in random order."""
    monkeypatch.setattr("skae.compression.codec.MOST_LEARNED", 150)
    labels = load_digits().target
    pca = FrozenEstimator(PCA(8, random_state=0).fit(ROWS))
    sorted_rows = ROWS[np.argsort(labels, kind="stable")]
    found = [
        LatentCodec(pca, context=False, random_state=0).fit(rows).code_lengths(ROWS).mean() for rows in (ROWS, sorted_rows)
    ]
    assert found[1] < 1.03 * found[0]


def test_all_in_one_message_and_each_in_its_own_are_read_alike(codec):
    """The codes are those that were rounded, to the last bit, and both ways give the same rows."""
    X = ROWS[1500:]
    exact = (codec.autoencoder_.transform(X) - codec.centre_) / codec.steps_
    whole, each = codec.compress(X), codec.compress_each(X)
    numbers = np.rint((codec.decode_codes(whole) - codec.centre_) / codec.steps_)
    assert np.abs(numbers - exact).max() < 1
    np.testing.assert_array_equal(codec.decode_codes(whole), codec.centre_ + numbers * codec.steps_)
    np.testing.assert_array_equal(codec.decode_codes(each), codec.decode_codes(whole))
    np.testing.assert_array_equal(codec.decompress(whole), codec.decompress(each))
    np.testing.assert_array_equal(codec.decompress(each[7])[0], codec.decompress(whole)[7])
    assert codec.decompress(whole).dtype == np.uint8


def test_the_automatic_step_adds_a_quarter_to_the_error(codec):
    """Rounding makes the error of fit larger by about a quarter."""
    X = ROWS[:1500].astype(float)
    exact = codec.autoencoder_.inverse_transform(codec.autoencoder_.transform(X))
    rounded = codec.autoencoder_.inverse_transform(codec.decode_codes(codec.compress(ROWS[:1500])))
    assert 1.2 < np.square(rounded - X).mean() / np.square(exact - X).mean() < 1.3


def test_messages_are_about_as_long_as_the_distribution_says(codec):
    """One message for all has the bits of `code_lengths` but for a few; each alone is rounded up to bytes."""
    X = ROWS[1500:]
    bits = codec.code_lengths(X)
    assert 0 <= len(codec.compress(X)) - bits.sum() / 8 < 12
    over = np.array([len(message) for message in codec.compress_each(X)]) - 6 - bits / 8
    assert over.max() < 1.02
    assert 0 < over.mean() < 0.6


def test_many_rows_take_no_more_memory_than_a_block_of_them(codec, monkeypatch):
    """The weights of all symbols are never held for more than 1,024 rows, whether they are chosen, measured or written."""
    seen, weights = [], SymbolModel.weights

    def noted(self, state, j, n):
        seen.append(n)
        return weights(self, state, j, n)

    monkeypatch.setattr(SymbolModel, "weights", noted)
    codec.compress(ROWS)
    codec.code_lengths(ROWS)
    assert max(seen) == 1024


def test_contexts_save_bytes(codec):
    """Digits' codes depend on each other, and a codec that knows it needs less."""
    plain = LatentCodec(FrozenEstimator(codec.autoencoder_), context=False, random_state=0).fit(ROWS[:1500])
    np.testing.assert_array_equal(plain.steps_, codec.steps_)
    assert codec.code_lengths(ROWS[1500:]).mean() < 0.97 * plain.code_lengths(ROWS[1500:]).mean()


def test_contexts_are_dropped_where_there_are_none():
    """Of independent numbers nothing is foreseen, and nothing is lost by having tried."""
    X = np.random.default_rng(0).normal(size=(600, 6))
    one, other = (LatentCodec(PCA(6), context=context, random_state=0).fit(X) for context in (True, False))
    np.testing.assert_array_equal(one.code_lengths(X), other.code_lengths(X))


def test_numbers_that_hardly_occur_are_not_worth_their_bits(codec):
    """Of the two whole numbers around a code the one is written that costs less, in error and in bits together."""
    codes = codec._in_steps(codec.autoencoder_.transform(ROWS[1500:]))
    nothing = np.empty((len(codes), 0))
    chosen, nearest = codec._symbols.choose(codes, nothing), np.rint(codes).astype(np.int64)

    def cost(numbers):
        return np.square(numbers - codes).sum(1) + PRICE * codec._symbols.lengths(numbers, nothing)

    assert cost(chosen).mean() < cost(nearest).mean()
    assert codec._symbols.lengths(chosen, nothing).mean() < 0.95 * codec._symbols.lengths(nearest, nothing).mean()
    assert np.square(chosen - codes).mean() < 1.3 * np.square(nearest - codes).mean()


def test_codes_trained_for_their_rate_are_rounded_to_the_nearest_number():
    """A decoder that has learned errors of up to half a step gets no larger ones."""
    autoencoder = DenseAutoencoder(8, penalty="rate", max_iter=5, random_state=0)
    codec = LatentCodec(autoencoder, context=False, random_state=0).fit(ROWS[:1500])
    codes = codec._in_steps(codec.autoencoder_.transform(ROWS[1500:]))
    assert np.abs(codec._number_rows(ROWS[1500:]) - codes).max() <= 0.5


def test_gaussian_codes_take_about_their_entropy():
    """Tables of 4,000 rows cost at most 2 % more than the entropy of the rounded Gaussian."""
    rng = np.random.default_rng(0)
    model = SymbolModel(np.rint(rng.normal(0, [8, 1, 30], (4000, 3))).astype(np.int64), np.empty((4000, 0)), 0, 0)
    new = np.rint(rng.normal(0, [8, 1, 30], (4000, 3))).astype(np.int64)
    entropy = np.log2(np.sqrt(2 * np.pi * np.e) * np.array([8, 1, 30])).sum()  # within .1 % of that of whole numbers
    assert model.lengths(new, np.empty((4000, 0))).mean() < 1.02 * entropy


def test_a_wider_step_gives_fewer_bytes_and_more_error(codec):
    """`step` is the width in units of the codes."""
    frozen = FrozenEstimator(codec.autoencoder_)
    found = []
    for step in (2.0, 8.0):
        one = LatentCodec(frozen, step=step, context=False).fit(ROWS[:1500])
        np.testing.assert_allclose(one.steps_, step)
        message = one.compress(ROWS[1500:])
        found.append((-len(message), np.square(one.decompress(message) - ROWS[1500:].astype(float)).mean()))
    assert found[0] < found[1]
    assert found[0][1] < found[1][1]


def test_steps_of_the_autoencoder_are_taken():
    """``code_steps_`` are the quantiser's widths, and `step` their geometric mean."""
    pca = PCA(3).fit(ROWS)
    pca.code_steps_ = np.array([1.0, 2.0, 4.0])
    np.testing.assert_array_equal(LatentCodec(FrozenEstimator(pca), context=False).fit(ROWS).steps_, [1, 2, 4])
    np.testing.assert_allclose(LatentCodec(FrozenEstimator(pca), step=6, context=False).fit(ROWS).steps_, [3, 6, 12])
    pca.code_steps_ = np.array([1.0, 2.0])
    with pytest.raises(ValueError, match="expected 3 positive numbers"):
        LatentCodec(FrozenEstimator(pca)).fit(ROWS)


def test_autoencoders_of_images_and_tables_are_wrapped():
    """Images come back as images, tables as tables, and a pickled codec reads what the first wrote."""
    parameters = {"max_iter": 2, "early_stopping": False, "random_state": 0}
    for autoencoder, X in ((ConvAutoencoder(4, **parameters), DIGITS[:300]), (DenseAutoencoder(4, **parameters), ROWS[:300])):
        one = LatentCodec(autoencoder, context=False).fit(X)
        message = one.compress(X)
        again = pickle.loads(pickle.dumps(one))
        np.testing.assert_array_equal(again.decode_codes(message), one.decode_codes(message))
        found = again.decompress(message)
        assert found.shape == X.shape
        difference = np.abs(found - one.autoencoder_.reconstruct(X))
        assert difference.mean() < 1.5
        one.set_params(autoencoder__n_components=2, step=3.0, tile=9)
        np.testing.assert_array_equal(one.decompress(message), found)


def test_none_is_an_autoencoder_for_what_is_there():
    """Without an autoencoder, tables get a dense one and images a convolutional one."""
    X = load_breast_cancer().data[:60, :6]
    assert isinstance(LatentCodec(random_state=0).fit(X).autoencoder_, DenseAutoencoder)
    assert isinstance(LatentCodec(random_state=0).fit(DIGITS[:12, :3, :3]).autoencoder_, ConvAutoencoder)


@pytest.mark.parametrize("dtype", ["float32", ">f8", "float64", "float16", "int64", "int8", "bool", "uint64"])
def test_rows_come_back_in_the_dtype_of_fit(dtype):
    """Floats are float32 or float64, whole numbers are rounded and clipped to their range."""
    X = (ROWS[:200] > 7).astype(dtype) if dtype == "bool" else ROWS[:200].astype(dtype)
    found = LatentCodec(PCA(30), context=False).fit(X)
    found = found.decompress(found.compress(X))
    assert found.dtype == {"float16": "float32", ">f8": "float64"}.get(dtype, dtype)
    assert np.abs(found.astype(float) - X.astype(float)).mean() < 1


def test_rows_may_be_tensors_and_tables():
    """A torch tensor, a pandas table and a list are compressed like the array."""
    X = ROWS[:100].astype(np.float32)
    autoencoder = DenseAutoencoder(3, max_iter=1, early_stopping=False, random_state=0)
    messages = [
        LatentCodec(autoencoder, context=False).fit(form).compress(form)
        for form in (X, torch.from_numpy(X), pandas.DataFrame(X), X.tolist())
    ]
    assert abs(len(messages[0]) - len(messages[1])) < 2
    assert abs(len(messages[0]) - len(messages[2])) < 2
    assert abs(len(messages[0]) - len(messages[3])) < 2


def test_outliers_are_escaped(codec):
    """Codes far beyond the tables come back exactly, and cost tens of bits, not an error."""
    X = ROWS[:5].astype(float)
    X[2] *= 1e5
    X[4] *= -300
    message = codec.compress(X)
    exact = (codec.autoencoder_.transform(X) - codec.centre_) / codec.steps_
    assert np.abs((codec.decode_codes(message) - codec.centre_) / codec.steps_ - exact).max() < 1
    assert len(message) < 300
    with pytest.raises(ValueError, match="too far from that of fit"):
        codec.compress(X * 1e12)


def test_constant_columns_cost_next_to_nothing():
    """Rows without variance are compressed to less than a bit each."""
    X = np.full((5000, 4), 7.0)
    one = LatentCodec(FrozenEstimator(PCA(2).fit(ROWS[:, 20:24])), context=False).fit(X)
    assert len(one.compress(X)) < 5000 / 8
    assert one.decompress(one.compress(X)).shape == X.shape


# ---------------------------------------------------------------------------------------------------------------- tiles


@pytest.mark.parametrize("size", [(107, 160), (8, 8), (1, 1), (9, 7), (3, 50)])
def test_images_of_any_size_are_cut_into_tiles(tiled, photograph, size):
    """A photograph, also one smaller than a tile, comes back in its size, in colours, near to what it was."""
    image = photograph[: size[0], : size[1]]
    (found,) = tiled.decompress(tiled.compress([image]))
    assert found.shape == image.shape
    assert found.dtype == np.uint8
    assert np.abs(found.astype(float) - image).mean() < 25


def test_several_images_of_different_sizes_are_one_message(tiled, photograph):
    """Images of different sizes are read in their order, together and each alone."""
    images = [photograph[:30, :41], photograph[10:27], photograph[:, :9]]
    together = tiled.decompress(tiled.compress(images))
    for one, other, image in zip(together, tiled.decompress(tiled.compress_each(images)), images, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.shape == image.shape
    assert len(tiled.code_lengths(images)) == 3


def test_grey_images_are_cut_into_tiles(photograph):
    """Grey images have two axes, and stay so."""
    grey = photograph[..., 1].astype(np.float32)
    one = LatentCodec(make_pipeline(Flat(), PCA(4)), tile=6, context=False, random_state=0).fit([grey])
    (found,) = one.decompress(one.compress([grey]))
    assert found.shape == grey.shape
    assert found.dtype == np.float32


def test_tiles_and_their_order():
    """Cutting and joining are inverse, and each tile comes after those to its left and above."""
    image = np.arange(7 * 11 * 2).reshape(7, 11, 2)
    np.testing.assert_array_equal(tiles.join(tiles.cut(image, 4), 7, 11), image)
    done = {-1}
    for here, left, above in tiles.diagonals(3, 5):
        assert done.issuperset([*left, *above])
        assert (left[here % 5 > 0] == here[here % 5 > 0] - 1).all()
        assert (above[here >= 5] == here[here >= 5] - 5).all()
        done.update(here)
    assert done == set(range(-1, 15))


def test_many_small_images_are_encoded_together(tiled, photograph, monkeypatch):
    """Images of few tiles don't take a call of the encoder each, and are written as they are alone."""
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


def test_one_image_that_may_be_in_colour_warns(photograph):
    """An image in colour in place of a list of images is taken as grey ones, with a warning."""
    with pytest.warns(UserWarning, match=r"grey images of 160 x 3 pixels.*X\[None\]"):
        LatentCodec(make_pipeline(Flat(), PCA(2)), tile=8, context=False).fit(photograph)


def test_neighbours_of_tiles():
    """The numbers before a tile are those of the tile to the left, then of the one above, zeros outside of the image."""
    numbers = np.arange(1, 13).reshape(6, 2)
    expected = [[0, 0, 0, 0], [1, 2, 0, 0], [3, 4, 0, 0], [0, 0, 1, 2], [7, 8, 3, 4], [9, 10, 5, 6]]
    np.testing.assert_array_equal(tiles.before(numbers, 2, 3), expected)


@pytest.mark.parametrize("count", [2, 9])
def test_tiles_held_out_have_no_pixel_in_common_with_others(rng, count):
    """However grids are shifted, no pixel is both learned from and held out, and there is some of either."""
    images = [np.arange(64 * 40).reshape(64, 40) + 10_000 * i for i in range(count)]
    seen = {role: set() for role in (-1, 0, 1)}
    drawn = 0
    for part, role in tiles.shifted(images, 8, 600 * count, rng):
        drawn += len(role)
        for tile, one in zip(tiles.cut(part, 8), role, strict=True):
            seen[one].update(np.unique(tile))
    assert 600 * count <= drawn <= 600 * count + 40
    assert seen[0]
    assert len(seen[1]) > 0.7 * count * 64 * 40
    assert not seen[0] & seen[1]


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
        ([np.zeros((4, 4, 1))], ValueError, "channels, but expected"),
    ],
)
def test_what_is_no_list_of_images_is_refused(tiled, X, error, match):
    """A codec of tiles says what it expected."""
    with pytest.raises(error, match=match):
        tiled.compress(X)


# ------------------------------------------------------------------------------------------------------ hostile bytes


def refused(codec, message):
    """Say whether a message is refused by a ValueError; any other error is one of the codec."""
    try:
        codec.decompress(message)
    except ValueError as error:
        return len(str(error)) > 20
    return False


@pytest.mark.parametrize("n", [1, 20])
def test_every_flipped_byte_is_found(codec, n):
    """A change of any one byte, by any bit, is refused."""
    message = codec.compress(ROWS[:n])
    for i in range(len(message)):
        for bit in range(8) if n == 1 else (i % 8,):
            assert refused(codec, message[:i] + bytes([message[i] ^ (1 << bit)]) + message[i + 1 :]), (i, bit)
        assert refused(codec, message[:i] + bytes([message[i] ^ 0xFF]) + message[i + 1 :])


def test_every_truncation_is_found(codec, tiled, photograph):
    """A message that is cut off anywhere, or goes on, is refused."""
    for one, message in ((codec, codec.compress(ROWS[:9])), (tiled, tiled.compress([photograph[:20, :20]]))):
        assert all(refused(one, message[:length]) for length in range(len(message)))
        assert refused(one, message + b"\0")
        assert refused(one, message + message)


def test_random_bytes_are_refused(codec, tiled, rng):
    """Noise of any length is refused, also behind a right beginning."""
    for one, beginning in ((codec, codec.compress(ROWS[:1])), (tiled, tiled.compress([np.zeros((3, 3, 3), np.uint8)]))):
        for i in range(200):
            assert refused(one, rng.bytes(i))
            assert refused(one, beginning[:3] + rng.bytes(i))


def test_forged_messages_end_in_an_error_or_in_rows(codec, tiled, rng):
    """Noise with a right checksum is read as some rows or refused, and never more rows than its length allows."""
    for i in range(100):
        message = container.pack(rng.bytes(i), [1 + i], codec._fingerprint)
        assert refused(codec, message) or len(codec.decompress(message)) == 1 + i
        message = container.pack(rng.bytes(i), [1, 1 + i, 2], tiled._fingerprint)
        assert refused(tiled, message) or tiled.decompress(message)[0].shape == (1 + i, 2, 3)


@pytest.mark.parametrize("numbers", [[2**50], [0], [10**6], []])
def test_absurd_numbers_of_rows_are_refused(codec, numbers):
    """A header that announces what the bytes can't hold is refused before anything is allocated."""
    with pytest.raises(ValueError, match=r"announce|not the beginning"):
        codec.decompress(container.pack(b"" if numbers == [] else b"abc", numbers, codec._fingerprint))


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
def test_absurd_sizes_of_images_are_refused(tiled, numbers):
    """So are images larger than the bytes allow, without pixels, or fewer than announced."""
    with pytest.raises(ValueError, match=r"announce|incomplete"):
        tiled.decompress(container.pack(b"", numbers, tiled._fingerprint))


def test_endless_headers_are_refused(codec):
    """A number in the header that doesn't end is refused."""
    message = bytes([0xA2]) + codec._fingerprint[:2] + b"\xff" * 200
    message += zlib.crc32(codec._fingerprint + message).to_bytes(4, "big")
    with pytest.raises(ValueError, match="incomplete"):
        codec.decompress(message)


def test_another_codecs_messages_are_refused(codec):
    """Bytes of a codec with other steps, or another decoder, are told apart."""
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
        (b"GIF89a........", ValueError, "no message of a LatentCodec"),
        (bytes([0xA9]) + bytes(20), ValueError, "format version 9, but expected 2"),
    ],
)
def test_what_is_no_message_is_refused(codec, message, error, match):
    """Anything else than bytes of a codec is named."""
    with pytest.raises(error, match=match):
        codec.decompress(message)


# ------------------------------------------------------------------------------------------------------------ the coder


def test_streams_are_as_short_as_can_be(rng):
    """Any symbols come back, also where zeros are cut off, and a stream has at most a byte more than its bits."""
    for length in [0, 1, 2, 3, 5, 8, 13, 40, 400]:
        for _ in range(20):
            weights = np.floor(2.0 ** rng.uniform(0, 30, (length, 7)))
            symbols = np.array([rng.choice(7, p=row / row.sum()) for row in weights], dtype=np.int32)
            writer = Writer()
            if length:
                writer.write(symbols, weights)
            found = writer.getvalue()
            bits = -np.log2((weights / weights.sum(1, keepdims=True))[np.arange(length), symbols]).sum()
            assert len(found) <= bits / 8 + 1.01
            if length:
                np.testing.assert_array_equal(Reader(found).read(weights), symbols)


def test_streams_that_hug_a_border_are_right():
    """Carries that run through many words are resolved: a long way along the border between two symbols."""
    for first, then in ((0, 1), (1, 0)):
        writer = Writer()
        symbols = np.array([first] + [then] * 300)
        writer.write(symbols, np.ones((301, 2)))
        np.testing.assert_array_equal(Reader(writer.getvalue()).read(np.ones((301, 2))), symbols)


@pytest.mark.parametrize("k", [1, 16, 37])
def test_each_column_sees_those_before_it(rng, k):
    """The network is given the sum over the columns before, and never the column itself or a later one."""
    x, into = rng.normal(size=(5, k)), rng.normal(size=(2 * k, 3))
    both = np.hstack([x, np.abs(x)])
    found = _seen(torch.from_numpy(both).float(), torch.from_numpy(into).float())
    expected = [x[:, :j] @ into[:j] + np.abs(x)[:, :j] @ into[k : k + j] for j in range(k)]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_excesses_come_back(rng):
    """Distances of any size up to the largest are read as they were written."""
    numbers = [0, 1, 2, 3, 65535, 65536, MOST_EXCESS - 2, *(int(2.0**e) for e in rng.uniform(0, 39, 50))]
    writer = Writer()
    for number in numbers:
        writer.write_excess(number)
    reader = Reader(writer.getvalue())
    assert [reader.read_excess() for _ in numbers] == numbers


def test_weights_are_whole_and_independent_of_other_rows(codec):
    """What a decoder computes is whole numbers, the same for a row alone as among others."""
    numbers = np.rint((codec.autoencoder_.transform(ROWS[:50]) - codec.centre_) / codec.steps_).astype(np.int64)
    model = codec._symbols
    assert model.into is not None
    numbers = numbers[:, model.order]
    states = [model.begin(np.empty((n, 0))) for n in (50, 1)]
    for j in range(16):
        many, one = (model.weights(state, j, len(state)) for state in states)
        np.testing.assert_array_equal(many[:1], one)
        np.testing.assert_array_equal(many, np.rint(many))
        states = [model.see(state, j, numbers[: len(state), j]) for state in states]


def test_without_constriction_the_error_names_the_extra(codec, monkeypatch):
    """The message says what to install, and keeps the cause."""
    monkeypatch.setitem(sys.modules, "constriction", None)
    with pytest.raises(ImportError, match=r"pip install skae\[compression\]") as found:
        codec.compress(ROWS[:1])
    assert isinstance(found.value.__cause__, ImportError)


# ----------------------------------------------------------------------------------------------------------- scikit-learn


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
def test_bad_parameters_are_refused(parameters, match):
    """Parameters are checked in fit."""
    with pytest.raises(ValueError, match=match):
        LatentCodec(**{"autoencoder": PCA(2), **parameters}).fit(ROWS[:50])


@pytest.mark.parametrize(
    "X", [np.full((9, 64), np.nan), np.full((9, 64), "a"), np.empty((0, 64)), np.ones((9, 3)), np.ones(64)]
)
def test_bad_rows_are_refused(codec, X):
    """The autoencoder's own checks speak."""
    with pytest.raises(ValueError, match=r"NaN|convert|0 sample|features|2D"):
        codec.compress(X)


def test_nothing_works_before_fit():
    """Each method asks for a fit first."""
    for method, X in (("compress", ROWS), ("compress_each", ROWS), ("decompress", b""), ("decode_codes", b"")):
        with pytest.raises(NotFittedError):
            getattr(LatentCodec(PCA(2)), method)(X)


def test_searches_reach_through(codec):
    """A grid over the autoencoder's parameters and the step is searched, by bytes or whatever a function says."""

    def fewest_bits(one, X, y=None):
        return -one.code_lengths(X).mean()

    grid = {"autoencoder__n_components": [2, 4], "step": [4.0, 8.0]}
    search = GridSearchCV(LatentCodec(PCA(), context=False), grid, scoring=fewest_bits, cv=2).fit(ROWS[:300])
    assert search.best_params_ == {"autoencoder__n_components": 2, "step": 8.0}
    assert clone(search.best_estimator_).get_params()["step"] == 8.0


def test_random_states_are_left_alone():
    """A fit moves neither NumPy's nor torch's generator, and an int makes two fits equal."""
    before = np.random.get_state()[1].copy(), torch.get_rng_state().clone()  # noqa: NPY002
    one, other = (LatentCodec(PCA(4, random_state=0), random_state=3).fit(ROWS[:300]) for _ in range(2))
    assert one.fingerprint_ == other.fingerprint_
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[1])


def test_a_fit_that_fails_changes_nothing():
    """After an error in a second fit messages of the first one can still be read."""
    one = LatentCodec(PCA(4), context=False, random_state=0).fit(ROWS[:300])
    message = one.compress(ROWS[:5])
    expected = one.decompress(message)
    with pytest.raises(ValueError, match="dim 3"):
        one.set_params(tile=4).fit([ROWS[:9]])
    np.testing.assert_array_equal(one.decompress(message), expected)


def test_images_of_several_dtypes_are_held_by_one():
    """Of bytes and floats together floats are learned from: as bytes, those between 0 and 1 would be nothing."""
    images = [np.zeros((8, 8), np.uint8), *np.random.default_rng(0).random((3, 8, 8))]
    one = LatentCodec(make_pipeline(Flat(), PCA(12)), tile=4, context=False, random_state=0).fit(images)
    assert one.dtype_ == np.float64
    assert np.square(one.decompress(one.compress(images[1:]))[0] - images[1]).mean() < 0.5 * images[1].var()


def test_two_rows_are_enough():
    """As few rows as PCA takes are compressed, and one row can be."""
    one = LatentCodec(PCA(1)).fit([[0.0, 1.0], [2.0, 3.0]])
    np.testing.assert_allclose(one.decompress(one.compress([[2.0, 3.0]])), [[2, 3]], atol=0.3)


def test_the_bytes_have_the_documented_layout(codec):
    """Magic and version, fingerprint, count, codes and a checksum of 2 bytes: 6 bytes around the codes of one row."""
    message = codec.compress(ROWS[:1])
    assert struct.unpack("B2sB", message[:4]) == (0xA2, bytes.fromhex(codec.fingerprint_)[:2], 1)
    assert len(message) - 6 <= codec.code_lengths(ROWS[:1])[0] / 8 + 1.01
