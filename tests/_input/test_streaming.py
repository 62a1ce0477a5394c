"""Streamed rows: memory maps, HDF5, zarr, and any object with slices."""

import threading
from itertools import chain

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
import zarr
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.utils import gen_batches
from skorch.callbacks import Callback

from skae import ConvAutoencoder, DenseAutoencoder
from skae._input import batching, streaming
from skae._input.batching import RowDataset, StreamedBatches
from skae._input.rows import sample_indices, take_rows
from skae._input.streaming import StreamedRows, stream_if_large
from skae._training import plan, setup

from ..cases import gray_images, low_rank

N = 400


@pytest.fixture(autouse=True)
def streams(monkeypatch):
    """Stream small data in small blocks and buffers, and never prepare all rows in advance."""
    monkeypatch.setattr(streaming, "STREAMED_BYTES", 0)
    monkeypatch.setattr(streaming, "BLOCK_BYTES", 512)
    monkeypatch.setattr(batching, "BUFFER_BYTES", 4096)
    monkeypatch.setattr(setup, "MAX_PREPARED_BYTES", 0)
    monkeypatch.setattr(plan, "MAX_FOLD_BYTES", 0)


class Source:
    """An array that supports slices only, and records their lengths."""

    def __init__(self, array, fail_at=None):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.fail_at = fail_at
        self.read = []

    def __getitem__(self, piece):
        start, stop, _ = piece.indices(len(self.array))
        if self.fail_at is not None and stop > self.fail_at:
            raise OSError("the disk is gone")
        self.read.append(stop - start)
        return self.array[piece]


def table(**settings):
    """Return a table of low rank."""
    return low_rank(N, 8, **{"dtype": np.float32, **settings})


def as_memmap(X, folder):
    """Write an array, and open it as a memory map."""
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r")


def as_hdf5(X, folder):
    """Write an array as a compressed dataset in chunks."""
    file = h5py.File(folder / "X.h5", "w")
    return file.create_dataset("X", data=X, chunks=(16, *X.shape[1:]), compression="gzip")


def as_zarr(X, folder):
    """Write an array as a zarr array in chunks."""
    array = zarr.create_array(
        str(folder / "X.zarr"), shape=X.shape, dtype=X.dtype, chunks=(16, *X.shape[1:])
    )
    array[:] = X
    return array


kinds = pytest.mark.parametrize(
    "kind",
    [as_memmap, as_hdf5, as_zarr, lambda X, folder: Source(X)],
    ids=["memmap", "hdf5", "zarr", "any"],
)


def dense(**parameters):
    """Return a small dense autoencoder."""
    return DenseAutoencoder(
        3,
        **{
            "max_iter": 4,
            "hidden_layer_sizes": (16,),
            "random_state": 0,
            "batch_size": 32,
            **parameters,
        },
    )


def conv(**parameters):
    """Return a small convolutional autoencoder."""
    return ConvAutoencoder(
        3, **{"max_iter": 2, "n_filters": 2, "random_state": 0, "batch_size": 32, **parameters}
    )


@kinds
def test_all_methods_accept_streamed_rows(kind, tmp_path):
    """A streamed fit improves on PCA, and methods return the same for streamed rows and arrays."""
    X = table()
    streamed = kind(X, tmp_path)
    assert isinstance(stream_if_large(streamed), StreamedRows)
    autoencoder = dense(max_iter=20).fit(streamed)
    assert isinstance(autoencoder.net_.history[0]["train_loss"], float)
    assert autoencoder.init_ == "pca"
    assert autoencoder.best_iter_ > 0
    codes = autoencoder.transform(streamed)
    assert_array_equal(codes, autoencoder.transform(X))
    assert_array_equal(autoencoder.reconstruct(streamed), autoencoder.reconstruct(X))
    assert_array_equal(
        autoencoder.reconstruction_error(streamed), autoencoder.reconstruction_error(X)
    )
    assert autoencoder.score(streamed) == autoencoder.score(X)
    for part in gen_batches(N, 100):
        assert_allclose(autoencoder.transform(streamed[part]), codes[part], rtol=1e-5, atol=1e-5)


@kinds
def test_images_are_streamed(kind, tmp_path):
    """Streamed images have the layout of an array of images."""
    X = gray_images(N, 6, 5, dtype=np.uint8)
    streamed = kind(X, tmp_path)
    autoencoder = conv().fit(streamed)
    assert autoencoder.image_shape_ == (6, 5)
    assert autoencoder.inverse_transform(autoencoder.transform(streamed)).shape == X.shape
    assert_array_equal(autoencoder.transform(streamed), autoencoder.transform(X))


def test_latent_vectors_may_be_streamed(tmp_path):
    """inverse_transform accepts streamed latent vectors."""
    X = table()
    autoencoder = dense().fit(X)
    codes = autoencoder.transform(X)
    assert_array_equal(
        autoencoder.inverse_transform(as_hdf5(codes, tmp_path)),
        autoencoder.inverse_transform(codes),
    )


def test_streamed_fit_starts_as_the_same_pca(tmp_path):
    """Mean, scale and components are the same for streamed rows and arrays."""
    X = table()
    there = dense(max_iter=1, early_stopping=False).fit(as_memmap(X, tmp_path)).net_.module_
    here = dense(max_iter=1, early_stopping=False).fit(X).net_.module_
    assert_allclose(there.centre.mean.sum(0), here.centre.mean.sum(0), rtol=1e-5)
    assert_allclose(there.components, here.components, atol=1e-3)


def test_streamed_fit_is_as_good_as_in_memory(tmp_path, monkeypatch):
    """A fit on sorted, streamed rows scores about the same as one on shuffled rows in memory."""
    X = low_rank(3000, 8, dtype=np.float32)
    X = X[X[:, 0].argsort()]
    streamed = dense(max_iter=10, batch_size=64).fit(as_memmap(X, tmp_path)).score(X)
    monkeypatch.setattr(streaming, "STREAMED_BYTES", 2**28)
    whole = dense(max_iter=10, batch_size=64).fit(X).score(X)
    assert streamed == pytest.approx(whole, abs=0.02)


@pytest.mark.parametrize("make", [dense, conv])
def test_equal_seeds_give_equal_streamed_fits(make):
    """Two streamed fits with the same seed are equal to the bit."""
    X = Source(table(dtype=np.uint8, low=0, high=255))
    codes = [make().fit(X).transform(X) for _ in range(2)]
    assert_array_equal(*codes)


def test_reads_are_bounded(monkeypatch):
    """Fit and transform read slices of bounded length, however long X is."""
    monkeypatch.setattr("skae._input.rows.CHUNK_BYTES", 2048)
    monkeypatch.setattr(streaming, "BLOCK_BYTES", 2048)
    X = Source(table())
    autoencoder = dense().fit(X)
    autoencoder.transform(X), autoencoder.score(X), autoencoder.reconstruction_error(X)
    assert max(X.read) <= 64


def test_training_reads_each_row_once_an_epoch():
    """One more epoch reads X once more."""
    counts = []
    for epochs in (1, 2, 3):
        X = Source(table())
        dense(max_iter=epochs, early_stopping=False).fit(X)
        counts.append(sum(X.read))
    assert counts[1] - counts[0] == counts[2] - counts[1] == N


@given(st.integers(2, 200), st.integers(1, 70), st.booleans(), st.booleans())
def test_every_row_is_in_one_batch(n, batch_size, weighted, part):
    """Every training row is in one batch of an epoch with its weight, except a single last row."""
    X = np.stack([np.arange(n), np.zeros(n)], axis=1).astype(np.float32)
    weights = np.arange(n) + 1.0 if weighted else None
    val_indices = torch.arange(0, n, 3) if part else None
    expected = set(range(n)) - set(val_indices.tolist() if part else [])
    batches = StreamedBatches(
        RowDataset(StreamedRows(X), weights),
        batch_size,
        generator=torch.Generator().manual_seed(0),
        val_indices=val_indices,
    )
    all_batches = list(batches)
    assert len(all_batches) == len(batches)
    indices = [int(i) for i in chain(*(rows[:, 0] for rows, *_ in all_batches))]
    assert len(indices) == len(set(indices))
    assert set(indices) <= expected
    assert len(indices) >= len(expected) - 1
    assert all(len(rows) <= batch_size for rows, *_ in all_batches)
    if weighted:
        assert all(torch.equal(w, rows[:, 0] + 1) for rows, w, _ in all_batches)


def test_epochs_differ_and_rows_are_shuffled():
    """Every epoch has another order, and a batch has rows from distant blocks."""
    X = np.arange(4000, dtype=np.float32).reshape(-1, 1)
    batches = StreamedBatches(
        RowDataset(StreamedRows(X)), 100, generator=torch.Generator().manual_seed(0)
    )
    first, second = ([rows[:, 0] for rows, *_ in batches] for _ in range(2))
    assert not torch.equal(first[0], second[0])
    assert all(float(rows.max() - rows.min()) > 1000 for rows in first)


@pytest.mark.parametrize("generator", [None, torch.Generator().manual_seed(0)])
def test_samples_are_runs_of_neighbors(generator):
    """A sample of streamed rows has runs from all parts of the data, and is read in few slices."""
    X = np.arange(5000, dtype=np.float32).reshape(-1, 1)
    source = Source(X)
    numbers = sample_indices(StreamedRows(source), 1000, generator)
    assert 900 <= len(numbers) <= 1000
    assert bool((numbers.diff() > 0).all())
    assert numbers[0] < 500
    assert numbers[-1] > 4500
    assert_array_equal(take_rows(StreamedRows(source), numbers), X[numbers])
    assert len(source.read) <= 80


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_a_late_invalid_value_is_an_error(value):
    """The error has the row, is raised before training, and leaves the estimator unchanged."""
    X = table(dtype=np.float64)
    X[377, 5] = value
    autoencoder = dense(net_params={"callbacks": [("never", _Never())]})
    with pytest.raises(ValueError, match=r"column 5, row 377\."):
        autoencoder.fit(Source(X))
    assert not hasattr(autoencoder, "net_")
    fitted = dense().fit(table())
    with pytest.raises(ValueError, match=r"column 5, row 377\."):
        fitted.transform(Source(X))


class _Never(Callback):
    """A skorch callback that fails when training begins."""

    def on_train_begin(self, net, **kwargs):
        raise AssertionError("training has begun")


def test_a_file_that_becomes_shorter_is_an_error(tmp_path):
    """A memory map of a truncated file, or a source with missing rows, is an error."""
    X = as_memmap(table(), tmp_path)
    fitted = dense().fit(X)
    with open(tmp_path / "X.npy", "r+b") as file:
        file.truncate(4096)
    for call in (fitted.transform, dense().fit, fitted.score):
        with pytest.raises(
            ValueError, match="file has become shorter, 4096 bytes, while rows 0 to"
        ):
            call(X)
    short = Source(table())
    short.array = short.array[:300]
    with pytest.raises(ValueError, match="has become shorter than 400 rows"):
        fitted.transform(short)


@pytest.mark.parametrize("subok", [False, True])
def test_sliding_windows_of_a_memory_map_are_streamed(tmp_path, subok):
    """Overlapping windows of a file are rows, and a truncated file is an error."""
    series = as_memmap(np.sin(np.arange(9000.0) / 9), tmp_path)
    windows = np.lib.stride_tricks.sliding_window_view(series, 100, subok=subok)[5:]
    rows = StreamedRows(windows)
    assert_array_equal(rows[8000:], windows[8000:])
    with open(tmp_path / "X.npy", "r+b") as file:
        file.truncate(40960)
    with pytest.raises(ValueError, match="file has become shorter, 40960 bytes"):
        rows[8000:]


def test_an_error_while_reading_ahead_reaches_the_caller():
    """Fit raises an error of the reading thread, leaves no thread, and changes no estimator."""
    autoencoder = dense(max_iter=100).fit(Source(table()))
    before = autoencoder.transform(table())
    n_threads = threading.active_count()
    X = Source(table())

    def after_epoch(net, **kwargs):
        X.fail_at = 200

    callback = _After(after_epoch)
    with pytest.raises(OSError, match="the disk is gone"):
        autoencoder.set_params(net_params={"callbacks": [("after", callback)]}).fit(X)
    assert threading.active_count() == n_threads
    assert_array_equal(autoencoder.transform(table()), before)


class _After(Callback):
    """A skorch callback that calls a function after every epoch."""

    def __init__(self, function):
        self.function = function

    def __deepcopy__(self, memo):
        return self

    def on_epoch_end(self, net, **kwargs):
        self.function(net)


def test_an_epoch_can_be_interrupted():
    """No thread is left when an epoch is closed after one batch."""
    n_threads = threading.active_count()
    batches = iter(
        StreamedBatches(RowDataset(StreamedRows(table())), 16, generator=torch.Generator())
    )
    next(batches)
    batches.close()
    assert threading.active_count() == n_threads


def test_rows_of_zero_weight_do_not_count(tmp_path):
    """Outliers of zero weight do not change a streamed fit."""
    X = table()
    X[::7] = 1e6
    weights = np.ones(N)
    weights[::7] = 0
    autoencoder = dense(max_iter=10).fit(as_hdf5(X, tmp_path), sample_weight=weights)
    assert autoencoder.score(X, sample_weight=weights) > 0.7
    assert autoencoder.net_.module_.centre.mean.sum(0).abs().max() < 100


def test_weights_of_streamed_rows_enter_validation():
    """Rows of almost zero weight do not change the validation scores."""
    X = table()
    weights = np.ones(N)
    weights[::2] = 1e-9
    strange = X.copy()
    strange[::2] += 5
    fits = [dense(max_iter=2).fit(Source(rows), sample_weight=weights) for rows in (X, strange)]
    assert_allclose(fits[0].validation_scores_, fits[1].validation_scores_, atol=1e-3)


def test_partial_fit_streams(tmp_path):
    """partial_fit accepts streamed rows, and then rows in memory."""
    X = table()
    autoencoder = dense().partial_fit(as_zarr(X, tmp_path)).partial_fit(X)
    assert autoencoder.n_iter_ == 2
    assert autoencoder.score(X) > 0.5


def test_validation_data_may_be_streamed(tmp_path):
    """X_val may be streamed."""
    autoencoder = dense().fit(table(), X_val=as_hdf5(table(seed=1), tmp_path))
    assert len(autoencoder.validation_scores_) > 1


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, ">f8", bool])
def test_dtypes_of_sources(dtype, tmp_path):
    """Dtypes without support in torch are converted to the nearest supported dtype."""
    X = table(low=0, high=200).astype(dtype)
    streamed = as_memmap(X, tmp_path)
    with np.errstate(all="raise"):
        codes = dense(max_iter=1).fit(streamed).transform(streamed)
    assert codes.dtype == np.float32
    assert np.isfinite(codes).all()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.array([["a", "b"]] * 5), "dtype <U1, but expected real numbers"),
        (np.ones((5, 2), complex), "complex128, but expected real numbers"),
        (np.ones((5, 2, 2)), r"shape \(5, 2, 2\), but DenseAutoencoder expected a 2D array"),
        (np.ones((0, 3)), r"0 sample\(s\)"),
        (np.ones((1, 3)), r"1 sample\(s\)"),
        (np.ones((5, 0)), r"0 feature"),
    ],
)
def test_unusable_sources(source, message):
    """Sources of unusable shape or dtype are errors before any row is read."""
    with pytest.raises(ValueError, match=message):
        dense().fit(Source(source))


def test_width_must_be_that_of_fit():
    """The number of columns is compared with that of fit."""
    autoencoder = dense().fit(Source(table()))
    with pytest.raises(ValueError, match="has 5 features, but DenseAutoencoder is expecting 8"):
        autoencoder.transform(Source(np.ones((9, 5))))


def test_units_of_streamed_floats_are_checked():
    """Floats in [0, 1] after uint8 are a warning; values outside [0, 1] are an error for log_loss."""
    X = table(dtype=np.uint8, low=0, high=255)
    autoencoder = dense().fit(Source(X))
    with pytest.warns(UserWarning, match="largest absolute value of X is 0.89.* 255 in fit"):
        autoencoder.transform(Source(X / np.float32(255)))
    with pytest.raises(ValueError, match="expected values in"):
        dense(loss="log_loss").fit(Source(table()))


def test_small_sources_are_arrays(monkeypatch, tmp_path):
    """A small source is read at once: the fit equals that of the array to the bit."""
    monkeypatch.undo()
    X = table()
    streamed = as_hdf5(X, tmp_path)
    assert isinstance(stream_if_large(streamed), np.ndarray)
    assert_array_equal(clone(dense()).fit(streamed).transform(X), dense().fit(X).transform(X))


def test_data_in_memory_is_not_streamed():
    """Arrays, tensors, sparse matrices and tables are returned unchanged."""
    data = [
        np.ones((3, 2)),
        torch.ones(3, 2),
        sp.csr_array(np.ones((3, 2))),
        pd.DataFrame({"dtype": [1.0], "b": [2.0]}),
    ]
    assert all(stream_if_large(X) is X for X in data)


def test_lists_are_arrays():
    """Nested lists, and objects that only convert to an array, become arrays."""

    class Convertible:
        def __array__(self, dtype=None, copy=None):
            return np.ones((3, 2))

    for X in ([[1.0, 1.0]] * 3, ((1.0, 1.0),) * 3, Convertible()):
        assert_array_equal(stream_if_large(X), np.ones((3, 2)), strict=True)


def test_slices_have_neighboring_rows():
    """Streamed rows can be reshaped row by row, and support slices of neighboring rows only."""
    rows = StreamedRows(np.ones((6, 2, 2)))
    assert rows.reshape(6, 4)[1:3].shape == (2, 4)
    with pytest.raises(ValueError, match="Got a slice with step 2"):
        rows[::2]


@pytest.mark.parametrize("prepared", [0, 2**27])
def test_few_rows_with_weight(prepared, monkeypatch):
    """With few rows of positive weight, the fit depends on these rows alone."""
    monkeypatch.setattr(setup, "MAX_PREPARED_BYTES", prepared)
    X = table(dtype=np.float64)
    weights = np.zeros(N)
    weights[1::10] = 1
    X[weights == 0] = 1e20
    for init in ("auto", "random"):
        autoencoder = dense(init=init, batch_size=8).fit(Source(X), sample_weight=weights)
        assert autoencoder.net_.module_.centre.mean.sum(0).abs().max() < 100
        assert np.isfinite(autoencoder.transform(X[1::10])).all()


def test_a_deleted_file_is_still_mapped(tmp_path):
    """A memory map of a deleted or replaced file is still readable."""
    X = as_memmap(table(), tmp_path)
    fitted = dense().fit(X)
    (tmp_path / "X.npy").unlink()
    (tmp_path / "X.npy").write_bytes(b"short")
    assert np.isfinite(fitted.transform(X)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows * 0.5, "as float64, but expected int16"),
        (lambda rows: np.ma.masked_less(rows, 50), "masked values in rows"),
        (lambda rows: np.tile(rows, 2), "of shape .* for rows .*, but expected"),
        (lambda rows: np.concatenate([rows, rows]), "of shape .* for rows .*, but expected"),
    ],
)
def test_slices_must_agree_with_the_source(change, message):
    """Slices of another dtype or shape than that of the source, or with a mask, are errors."""
    source = Source(table(dtype=np.int16, low=0, high=100))
    fitted = dense().fit(source)
    plain = source.__class__.__getitem__

    class Other(Source):
        def __getitem__(self, piece):
            return change(plain(self, piece))

    with pytest.raises(ValueError, match=message):
        fitted.transform(Other(source.array))


def test_block_size_is_bounded(monkeypatch):
    """A block is bounded, also if the chunks of the source are larger."""
    source = Source(table())
    source.chunks = (N, 8)
    assert StreamedRows(source).block_size == N
    monkeypatch.setattr(streaming, "MAX_BLOCK_BYTES", 32 * 100)
    assert StreamedRows(source).block_size == 100


def test_large_validation_data_is_not_prepared_in_advance(monkeypatch):
    """Validation data that is too large to be prepared in advance is prepared batch by batch."""
    monkeypatch.setattr(setup, "MAX_PREPARED_BYTES", 4 * 8 * 100)
    prepared = []
    prepare = setup.FitSetup.prepare
    monkeypatch.setattr(
        setup.FitSetup,
        "prepare",
        lambda self, network, rows: prepared.append(len(rows)) or prepare(self, network, rows),
    )
    dense().fit(table()[:50], X_val=Source(table()))
    assert not prepared
    dense().fit(table()[:50], X_val=table()[:60])
    assert prepared == [50, 60]


def test_reconstruction_errors_read_each_row_once():
    """reconstruction_error reads streamed rows once, after a sample of 64 rows for their units."""
    fitted, source = dense().fit(table()), Source(table())
    fitted.reconstruction_error(source)
    assert sum(source.read) == N + 64


@pytest.mark.parametrize("make", [dense, conv])
@pytest.mark.parametrize("early_stopping", [True, False])
def test_missing_values_are_streamed(make, early_stopping, tmp_path):
    """Streamed rows with missing values are fitted and imputed."""
    X = table()
    X[np.random.default_rng(0).uniform(size=X.shape) < 0.1] = np.nan
    estimator = make(allow_nan=True, early_stopping=early_stopping)
    reconstruction = estimator.fit(as_memmap(X, tmp_path)).reconstruct(as_memmap(X, tmp_path))
    assert np.isfinite(reconstruction).all()
    assert np.isfinite(estimator.loss_curve_).all()
    assert np.nanmean(np.square(reconstruction - X)) < 0.5 * np.nanvar(X)


@pytest.mark.parametrize("early_stopping", [True, False])
def test_targets_follow_their_rows_through_the_shuffling(early_stopping, tmp_path):
    """Streamed targets belong to their rows: true labels are predicted, shuffled labels are not."""
    X = table()
    y = np.where(X[:, 0] > np.median(X[:, 0]), "high", "low")
    weights = np.where(np.arange(N) % 7 == 0, 0.0, 1.0)
    last = []
    for labels in (y, np.random.default_rng(0).permutation(y)):
        estimator = dense(target_weight=5.0, max_iter=15, early_stopping=early_stopping)
        estimator.fit(as_memmap(X, tmp_path), labels, weights)
        module = estimator.net_.module_
        with torch.inference_mode():
            predictions = module(module.prepare(torch.from_numpy(X))).predictions
        right = np.array(["high", "low"])[predictions.argmax(1)] == labels
        last.append(right.mean())
    assert last[0] > 0.9
    assert last[1] < 0.75


@pytest.mark.parametrize(
    "option",
    [
        {"bottleneck": "ordered"},
        {"bottleneck": "quantized"},
        {"corruption": "masking"},
        {"penalty": "rate"},
    ],
)
def test_options_are_streamed(option, tmp_path):
    """Bottlenecks, corruptions and penalties support streamed rows."""
    X = as_memmap(table(), tmp_path)
    estimator = dense(**option).fit(X)
    assert estimator.score(X) > 0.3
    assert np.isfinite(estimator.partial_fit(X).transform(X)).all()
