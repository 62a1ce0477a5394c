"""Data larger than memory: memory maps, HDF5, zarr and anything that gives slices."""

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

from skae import ConvAutoencoder, DenseAutoencoder, _batches, _preparing, _stored
from skae._batches import Rows, StoredBatches, choose, select
from skae._stored import Stored, stored

from .cases import grey_images, low_rank

N = 400


@pytest.fixture(autouse=True)
def streams(monkeypatch):
    """Stream what is small, in small blocks and buffers, and never keep it prepared."""
    monkeypatch.setattr(_stored, "STREAMED_BYTES", 0)
    monkeypatch.setattr(_stored, "BLOCK_BYTES", 512)
    monkeypatch.setattr(_batches, "BUFFER_BYTES", 4096)
    monkeypatch.setattr(_preparing, "PREPARED_BYTES", 0)
    monkeypatch.setattr(_preparing, "CROSSED_BYTES", 0)


class Source:
    """An array that gives slices only, and notes them."""

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
    """Make rows."""
    return low_rank(N, 8, **{"dtype": np.float32, **settings})


def as_memmap(X, folder):
    """Write an array, and map it."""
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r")


def as_hdf5(X, folder):
    """Write an array as a compressed dataset in chunks."""
    file = h5py.File(folder / "X.h5", "w")
    return file.create_dataset("X", data=X, chunks=(16, *X.shape[1:]), compression="gzip")


def as_zarr(X, folder):
    """Write an array in chunks."""
    array = zarr.create_array(str(folder / "X.zarr"), shape=X.shape, dtype=X.dtype, chunks=(16, *X.shape[1:]))
    array[:] = X
    return array


kinds = pytest.mark.parametrize(
    "kind", [as_memmap, as_hdf5, as_zarr, lambda X, folder: Source(X)], ids=["memmap", "hdf5", "zarr", "any"]
)


def dense(**parameters):
    """Make a small dense autoencoder."""
    return DenseAutoencoder(
        3, **{"max_iter": 4, "hidden_layer_sizes": (16,), "random_state": 0, "batch_size": 32, **parameters}
    )


def conv(**parameters):
    """Make a small convolutional autoencoder."""
    return ConvAutoencoder(3, **{"max_iter": 2, "n_filters": 2, "random_state": 0, "batch_size": 32, **parameters})


@kinds
def test_all_methods_work_on_what_is_stored(kind, tmp_path):
    """Fit streams, and what follows gives for stored rows what it gives for an array, and leaves PCA behind."""
    X = table()
    kept = kind(X, tmp_path)
    assert isinstance(stored(kept), Stored)
    autoencoder = dense(max_iter=20).fit(kept)
    assert isinstance(autoencoder.net_.history[0]["train_loss"], float)
    assert autoencoder.init_ == "pca"
    assert autoencoder.best_iter_ > 0
    codes = autoencoder.transform(kept)
    assert_array_equal(codes, autoencoder.transform(X))
    assert_array_equal(autoencoder.reconstruct(kept), autoencoder.reconstruct(X))
    assert_array_equal(autoencoder.reconstruction_error(kept), autoencoder.reconstruction_error(X))
    assert autoencoder.score(kept) == autoencoder.score(X)
    for part in gen_batches(N, 100):
        assert_allclose(autoencoder.transform(kept[part]), codes[part], rtol=1e-5, atol=1e-5)


@kinds
def test_images_are_streamed(kind, tmp_path):
    """Images in any kind of store are laid out as an array of them would be."""
    X = grey_images(N, 6, 5, dtype=np.uint8)
    kept = kind(X, tmp_path)
    autoencoder = conv().fit(kept)
    assert autoencoder.image_shape_ == (6, 5)
    assert autoencoder.inverse_transform(autoencoder.transform(kept)).shape == X.shape
    assert_array_equal(autoencoder.transform(kept), autoencoder.transform(X))


def test_codes_may_be_stored(tmp_path):
    """inverse_transform streams codes."""
    X = table()
    autoencoder = dense().fit(X)
    codes = autoencoder.transform(X)
    assert_array_equal(autoencoder.inverse_transform(as_hdf5(codes, tmp_path)), autoencoder.inverse_transform(codes))


def test_streamed_starts_as_the_same_pca(tmp_path):
    """Mean, scale and components are those of all rows, whether they are streamed or not."""
    X = table()
    there = dense(max_iter=1, early_stopping=False).fit(as_memmap(X, tmp_path)).net_.module_
    here = dense(max_iter=1, early_stopping=False).fit(X).net_.module_
    assert_allclose(there.centre.mean.sum(0), here.centre.mean.sum(0), rtol=1e-5)
    assert_allclose(there.components, here.components, atol=1e-3)


def test_streamed_learns_as_well_as_in_memory(tmp_path, monkeypatch):
    """Sorted rows that are streamed are learned about as well as shuffled ones in memory."""
    X = low_rank(3000, 8, dtype=np.float32)
    X = X[X[:, 0].argsort()]
    streamed = dense(max_iter=10, batch_size=64).fit(as_memmap(X, tmp_path)).score(X)
    monkeypatch.setattr(_stored, "STREAMED_BYTES", 2**28)
    whole = dense(max_iter=10, batch_size=64).fit(X).score(X)
    assert streamed == pytest.approx(whole, abs=0.02)


@pytest.mark.parametrize("make", [dense, conv])
def test_equal_seeds_give_equal_streamed_fits(make):
    """The thread that reads ahead changes nothing: two fits are equal to the bit."""
    X = Source(table(dtype=np.uint8, low=0, high=255))
    codes = [make().fit(X).transform(X) for _ in range(2)]
    assert_array_equal(*codes)


def test_nothing_is_read_in_large_pieces(monkeypatch):
    """Fit and transform read pieces that are bounded, however long X is."""
    monkeypatch.setattr(_batches, "CHUNK_BYTES", 2048)
    monkeypatch.setattr(_stored, "BLOCK_BYTES", 2048)
    X = Source(table())
    autoencoder = dense().fit(X)
    autoencoder.transform(X), autoencoder.score(X), autoencoder.reconstruction_error(X)
    assert max(X.read) <= 64


def test_training_reads_each_row_once_a_pass():
    """One more epoch reads X once more."""
    counts = []
    for epochs in (1, 2, 3):
        X = Source(table())
        dense(max_iter=epochs, early_stopping=False).fit(X)
        counts.append(sum(X.read))
    assert counts[1] - counts[0] == counts[2] - counts[1] == N


@given(st.integers(2, 200), st.integers(1, 70), st.booleans(), st.booleans())
def test_every_row_comes_once(n, batch_size, weighted, part):
    """In one pass every row that takes part is in one batch with its weight, but for a last one that would be alone."""
    X = np.stack([np.arange(n), np.zeros(n)], axis=1).astype(np.float32)
    weights = np.arange(n) * 1.0 if weighted else None  # the first has none
    out = torch.arange(0, n, 3) if part else None
    expected = set(range(n)) - ({0} if weighted else set()) - set(out.tolist() if part else [])
    if not expected:
        return
    batches = StoredBatches(Rows(Stored(X), weights), batch_size, generator=torch.Generator().manual_seed(0), left_out=out)
    found = list(batches)
    assert len(found) == len(batches)
    came = [int(i) for i in chain(*(rows[:, 0] for rows, *_ in found))]
    assert len(came) == len(set(came))
    assert set(came) <= expected
    assert len(came) >= len(expected) - 1
    assert all(len(rows) <= batch_size for rows, *_ in found)
    if weighted:
        assert all(torch.equal(w, rows[:, 0]) for rows, w, _ in found)


def test_passes_differ_and_rows_are_mixed():
    """Every pass has another order, and a batch holds rows from far apart."""
    X = np.arange(4000, dtype=np.float32).reshape(-1, 1)
    batches = StoredBatches(Rows(Stored(X)), 100, generator=torch.Generator().manual_seed(0))
    first, second = ([rows[:, 0] for rows, *_ in batches] for _ in range(2))
    assert not torch.equal(first[0], second[0])
    assert all(float(rows.max() - rows.min()) > 1000 for rows in first)


@pytest.mark.parametrize("generator", [None, torch.Generator().manual_seed(0)])
def test_some_rows_stand_for_all(generator):
    """Of stored rows short stretches are chosen, from all over, and taken in order."""
    X = np.arange(5000, dtype=np.float32).reshape(-1, 1)
    source = Source(X)
    numbers = choose(Stored(source), 1000, generator)
    assert 900 <= len(numbers) <= 1000
    assert bool((numbers.diff() > 0).all())
    assert numbers[0] < 500
    assert numbers[-1] > 4500
    assert_array_equal(select(Stored(source), numbers), X[numbers])
    assert len(source.read) <= 80


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_a_late_number_that_is_none_is_found(value):
    """The error names the row, comes before training starts, and leaves the estimator as it was."""
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
    """A callback of skorch's that must not hear of a training."""

    def on_train_begin(self, net, **kwargs):
        raise AssertionError("training has begun")


def test_a_file_that_becomes_shorter_is_an_error(tmp_path):
    """A memory map whose file was cut is refused, where reading it would end the process; so are rows that are gone."""
    X = as_memmap(table(), tmp_path)
    fitted = dense().fit(X)
    with open(tmp_path / "X.npy", "r+b") as file:
        file.truncate(4096)
    for call in (fitted.transform, dense().fit, fitted.score):
        with pytest.raises(ValueError, match="file has become shorter, 4096 bytes, while rows 0 to"):
            call(X)
    short = Source(table())
    short.array = short.array[:300]
    with pytest.raises(ValueError, match="has become shorter than 400 rows"):
        fitted.transform(short)


def test_an_error_while_reading_ahead_reaches_the_caller():
    """What the thread that reads meets is raised from fit, no thread is left, and the estimator is as before."""
    autoencoder = dense(max_iter=100).fit(Source(table()))
    before = autoencoder.transform(table())
    n_threads = threading.active_count()
    X = Source(table())

    def watch(net, **kwargs):
        X.fail_at = 200

    watcher = _After(watch)
    with pytest.raises(OSError, match="the disk is gone"):
        autoencoder.set_params(net_params={"callbacks": [("watch", watcher)]}).fit(X)
    assert threading.active_count() == n_threads
    assert_array_equal(autoencoder.transform(table()), before)


class _After(Callback):
    """A callback that does something at the end of an epoch."""

    def __init__(self, function):
        self.function = function

    def __deepcopy__(self, memo):
        return self

    def on_epoch_end(self, net, **kwargs):
        self.function(net)


def test_a_pass_can_be_broken_off():
    """Whoever takes one batch only leaves no thread behind."""
    n_threads = threading.active_count()
    batches = iter(StoredBatches(Rows(Stored(table())), 16, generator=torch.Generator()))
    next(batches)
    batches.close()
    assert threading.active_count() == n_threads


def test_rows_without_weight_count_nothing(tmp_path):
    """Weights are streamed with their rows, and wild rows of weight zero don't matter."""
    X = table()
    X[::7] = 1e6
    weights = np.ones(N)
    weights[::7] = 0
    autoencoder = dense(max_iter=10).fit(as_hdf5(X, tmp_path), sample_weight=weights)
    assert autoencoder.score(X, sample_weight=weights) > 0.7
    assert autoencoder.net_.module_.centre.mean.sum(0).abs().max() < 100


def test_weights_of_stored_rows_enter_validation():
    """In the validation set of streamed data, rows of hardly any weight do not count."""
    X = table()
    weights = np.ones(N)
    weights[::2] = 1e-9
    strange = X.copy()
    strange[::2] += 5
    fits = [dense(max_iter=2).fit(Source(rows), sample_weight=weights) for rows in (X, strange)]
    assert_allclose(fits[0].validation_scores_, fits[1].validation_scores_, atol=1e-3)


def test_partial_fit_streams(tmp_path):
    """One pass over stored rows, and then one over others in memory."""
    X = table()
    autoencoder = dense().partial_fit(as_zarr(X, tmp_path)).partial_fit(X)
    assert autoencoder.n_iter_ == 2
    assert autoencoder.score(X) > 0.5


def test_stored_rows_to_choose_the_epoch_by(tmp_path):
    """X_val may be stored as well."""
    autoencoder = dense().fit(table(), X_val=as_hdf5(table(seed=1), tmp_path))
    assert len(autoencoder.validation_scores_) > 1


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, ">f8", bool])
def test_dtypes_of_stores(dtype, tmp_path):
    """What torch doesn't have becomes the nearest that it has, piece by piece; integers stay what they are."""
    X = table(low=0, high=200).astype(dtype)
    kept = as_memmap(X, tmp_path)
    with np.errstate(all="raise"):
        codes = dense(max_iter=1).fit(kept).transform(kept)
    assert codes.dtype == np.float32
    assert np.isfinite(codes).all()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.array([["a", "b"]] * 5), "dtype <U1, but expected real numbers"),
        (np.ones((5, 2), complex), "complex128, but expected real numbers"),
        (np.ones((5, 2, 2)), r"shape \(5, 2, 2\), but DenseAutoencoder expected a 2D one"),
        (np.ones((0, 3)), r"0 sample\(s\)"),
        (np.ones((1, 3)), r"1 sample\(s\)"),
        (np.ones((5, 0)), r"0 feature"),
    ],
)
def test_unusable_stores(source, message):
    """What can't be learned from is refused before anything is read."""
    with pytest.raises(ValueError, match=message):
        dense().fit(Source(source))


def test_width_must_be_that_of_fit():
    """As for arrays, the number of columns is compared with that of fit."""
    autoencoder = dense().fit(Source(table()))
    with pytest.raises(ValueError, match="has 5 features, but DenseAutoencoder is expecting 8"):
        autoencoder.transform(Source(np.ones((9, 5))))


def test_units_of_stored_floats_are_looked_at():
    """A warning where fit saw bytes and stored floats in [0, 1] follow; an error where log_loss can't take X."""
    X = table(dtype=np.uint8, low=0, high=255)
    autoencoder = dense().fit(Source(X))
    with pytest.warns(UserWarning, match="no number above 1"):
        autoencoder.transform(Source(X / np.float32(255)))
    with pytest.raises(ValueError, match="expected numbers in"):
        dense(loss="log_loss").fit(Source(table()))


def test_small_stores_are_arrays(monkeypatch, tmp_path):
    """What is small is read at once: a fit is the same to the bit as on the array, folds and all."""
    monkeypatch.undo()
    X = table()
    kept = as_hdf5(X, tmp_path)
    assert isinstance(stored(kept), np.ndarray)
    assert_array_equal(clone(dense()).fit(kept).transform(X), dense().fit(X).transform(X))


def test_what_is_in_memory_is_no_store():
    """Arrays, tensors, sparse matrices and tables go their own ways."""
    things = [np.ones((3, 2)), torch.ones(3, 2), sp.csr_array(np.ones((3, 2))), pd.DataFrame({"dtype": [1.0], "b": [2.0]})]
    assert all(stored(thing) is thing for thing in things)
    assert stored([[1.0]]) == [[1.0]]


def test_slices_only():
    """A stored table can be reshaped row by row, and gives neighbouring rows."""
    rows = Stored(np.ones((6, 2, 2)))
    assert rows.reshape(6, 4)[1:3].shape == (2, 4)
    with pytest.raises(ValueError, match=r"Got the shape \(3, 8\)"):
        rows.reshape(3, 8)
    with pytest.raises(ValueError, match="Got a step of 2"):
        rows[::2]


@pytest.mark.parametrize("prepared", [0, 2**27])
def test_few_rows_with_weight(prepared, monkeypatch):
    """Where most stored rows have no weight, the fit is that of the others, prepared or not, whatever the first row holds."""
    monkeypatch.setattr(_preparing, "PREPARED_BYTES", prepared)
    X = table(dtype=np.float64)
    weights = np.zeros(N)
    weights[1::10] = 1
    X[weights == 0] = 1e20
    for init in ("auto", "random"):
        autoencoder = dense(init=init, batch_size=8).fit(Source(X), sample_weight=weights)
        assert autoencoder.net_.module_.centre.mean.sum(0).abs().max() < 100
        assert np.isfinite(autoencoder.transform(X[1::10])).all()


def test_a_file_without_a_name_is_still_mapped(tmp_path):
    """A memory map whose file was deleted or replaced can be read on."""
    X = as_memmap(table(), tmp_path)
    fitted = dense().fit(X)
    (tmp_path / "X.npy").unlink()
    (tmp_path / "X.npy").write_bytes(b"short")
    assert np.isfinite(fitted.transform(X)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows * 0.5, "as float64, but expected int16"),
        (lambda rows: np.ma.masked_less(rows, 50), "masked numbers in rows"),
        (lambda rows: np.tile(rows, 2), "of shape .* for rows .*, but expected"),
        (lambda rows: np.concatenate([rows, rows]), "of shape .* for rows .*, but expected"),
    ],
)
def test_slices_must_be_what_the_store_says(change, message):
    """Slices of another dtype or shape than announced, or with masked numbers, are errors and not cast."""
    source = Source(table(dtype=np.int16, low=0, high=100))
    fitted = dense().fit(source)
    plain = source.__class__.__getitem__

    class Other(Source):
        def __getitem__(self, piece):
            return change(plain(self, piece))

    with pytest.raises(ValueError, match=message):
        fitted.transform(Other(source.array))


def test_large_chunks_are_read_in_parts(monkeypatch):
    """A block is no larger than a bound, however the file is cut."""
    source = Source(table())
    source.chunks = (N, 8)
    assert Stored(source).block == N
    monkeypatch.setattr(_stored, "MOST_BLOCK_BYTES", 32 * 100)
    assert Stored(source).block == 100


def test_x_val_counts_for_memory(monkeypatch):
    """Rows to judge by that are too many to be kept prepared are prepared batch by batch."""
    monkeypatch.setattr(_preparing, "PREPARED_BYTES", 4 * 8 * 100)
    prepared = []
    prepare = _preparing.Preparation._prepare
    monkeypatch.setattr(
        _preparing.Preparation,
        "_prepare",
        lambda self, network, rows: prepared.append(len(rows)) or prepare(self, network, rows),
    )
    dense().fit(table()[:50], X_val=Source(table()))
    assert not prepared
    dense().fit(table()[:50], X_val=table()[:60])
    assert prepared == [50, 60]


def test_errors_read_each_row_once():
    """reconstruction_error reads stored rows once."""
    fitted, source = dense().fit(table()), Source(table())
    fitted.reconstruction_error(source)
    assert sum(source.read) == N


@pytest.mark.parametrize("make", [dense, conv])
@pytest.mark.parametrize("early_stopping", [True, False])
def test_gaps_are_streamed(make, early_stopping, tmp_path):
    """Rows on disk with gaps start as the PCA of the same rows in memory, and every gap is filled."""
    X = table()
    X[np.random.default_rng(0).uniform(size=X.shape) < 0.1] = np.nan
    estimator = make(allow_nan=True, early_stopping=early_stopping)
    found = estimator.fit(as_memmap(X, tmp_path)).reconstruct(as_memmap(X, tmp_path))
    assert np.isfinite(found).all()
    assert np.isfinite(estimator.loss_curve_).all()
    assert np.nanmean(np.square(found - X)) < 0.5 * np.nanvar(X)


@pytest.mark.parametrize("early_stopping", [True, False])
def test_targets_follow_their_rows_through_the_shuffling(early_stopping, tmp_path):
    """Targets of rows that are streamed are those of these rows: codes learn what they say, and nothing from shuffled ones."""
    X = table()
    y = np.where(X[:, 0] > np.median(X[:, 0]), "high", "low")
    weights = np.where(np.arange(N) % 7 == 0, 0.0, 1.0)
    last = []
    for labels in (y, np.random.default_rng(0).permutation(y)):
        estimator = dense(target_weight=5.0, max_iter=15, early_stopping=early_stopping)
        estimator.fit(as_memmap(X, tmp_path), labels, weights)
        module = estimator.net_.module_
        with torch.inference_mode():
            guess = module(module.prepare(torch.from_numpy(X))).guess
        right = np.array(["high", "low"])[guess.argmax(1)] == labels
        last.append(right.mean())
    assert last[0] > 0.9
    assert last[1] < 0.75


@pytest.mark.parametrize(
    "option", [{"bottleneck": "ordered"}, {"bottleneck": "quantized"}, {"corruption": "masking"}, {"penalty": "rate"}]
)
def test_options_are_streamed(option, tmp_path):
    """Other codes, damage and penalties work on rows on disk."""
    X = as_memmap(table(), tmp_path)
    estimator = dense(**option).fit(X)
    assert estimator.score(X) > 0.3
    assert np.isfinite(estimator.partial_fit(X).transform(X)).all()
