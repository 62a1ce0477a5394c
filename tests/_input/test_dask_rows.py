"""Row-wise methods on dask arrays and DataFrames: lazy, and equal to those of NumPy and pandas."""

import pickle
import warnings

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator

from skae import (
    AutoencoderImputer,
    ConvAutoencoder,
    DenseAutoencoder,
    ImageRestorer,
    LatentSampler,
    ReconstructionDetector,
)
from skae._input import dask_rows, streaming

from ..cases import gray_images, low_rank

# a chunk of one row runs through the same kernels as any other: results are padded to eight rows
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.mark.parametrize("max_bytes", [0, 2**28])
def test_masked_values_are_missing_in_fit(max_bytes, monkeypatch):
    """Masked values of a dask array are NaN in fit, also if its rows are streamed."""
    monkeypatch.setattr(streaming, "STREAMED_BYTES", max_bytes)
    X = low_rank(100, 4)
    masked = da.ma.masked_where(da.from_array(X > 1), da.from_array(X, chunks=(30, 4)))
    autoencoder = DenseAutoencoder(2, max_iter=1, random_state=0)
    with pytest.raises(ValueError, match="NaN"):
        autoencoder.fit(masked)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = autoencoder.set_params(allow_nan=True).fit(np.where(X > 1, np.nan, X))
        curve = expected.loss_curve_
        assert_allclose(autoencoder.fit(masked).loss_curve_, curve, rtol=1e-5)


@pytest.fixture(autouse=True, params=["synchronous", "threads"])
def scheduler(request):
    """Scheduler of dask: one thread or several."""
    with dask.config.set(scheduler=request.param):
        yield request.param


@pytest.fixture(scope="module")
def X():
    """Sixty rows of eight features."""
    return low_rank(60, 8, dtype=np.float32)


@pytest.fixture(scope="module")
def dense(X):
    """A fitted autoencoder of tables."""
    return DenseAutoencoder(3, max_iter=2, random_state=0).fit(X)


@pytest.fixture(scope="module")
def images():
    """Forty images."""
    return gray_images(40, 8, 8)


@pytest.fixture(scope="module")
def conv(images):
    """A fitted autoencoder of images."""
    return ConvAutoencoder(3, max_iter=1, random_state=0).fit(images)


@pytest.fixture(scope="module")
def table():
    """Forty rows with numbers and categories, and an index of even numbers."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.normal(size=40),
            "city": pd.Categorical(rng.choice(["Rome", "Oslo"], 40)),
            "height": rng.normal(size=40),
        },
        index=2 * np.arange(40),
    )


@pytest.fixture(scope="module")
def mixed(table):
    """A fitted autoencoder of a table with categories."""
    return DenseAutoencoder(2, max_iter=1, random_state=0).fit(table)


def check_lazy(lazy, expected):
    """Check metadata and values of a dask array against an array."""
    assert isinstance(lazy, da.Array)
    assert lazy.dtype == expected.dtype
    assert lazy.ndim == expected.ndim
    assert lazy.shape[1:] == expected.shape[1:]
    computed = lazy.compute()
    assert computed.dtype == expected.dtype
    assert_allclose(computed, expected, **TOLERANCE)


METHODS = ["transform", "reconstruct", "reconstruction_error"]


@pytest.mark.parametrize("method", METHODS)
def test_arrays_equal_numpy(X, dense, method):
    """Methods return a dask array with the chunks of X along rows."""
    lazy_X = da.from_array(X, chunks=(25, 3))
    lazy = getattr(dense, method)(lazy_X)
    assert lazy.chunks[0] == (25, 25, 10)
    check_lazy(lazy, getattr(dense, method)(X))


@pytest.mark.parametrize("method", METHODS)
def test_images_equal_numpy(images, conv, method):
    """Images that are chunked along all axes are joined along all but the first."""
    lazy_images = da.from_array(images, chunks=(15, 3, 5))
    check_lazy(getattr(conv, method)(lazy_images), getattr(conv, method)(images))


def test_inverse_transform(X, dense, images, conv):
    """Codes of dask decode to tables and to images."""
    for autoencoder, samples in ((dense, X), (conv, images)):
        codes = autoencoder.transform(samples)
        lazy = autoencoder.inverse_transform(da.from_array(codes, chunks=(20, 2)))
        check_lazy(lazy, autoencoder.inverse_transform(codes))
        chained = autoencoder.inverse_transform(autoencoder.transform(da.from_array(samples)))
        check_lazy(chained, autoencoder.inverse_transform(codes))


def test_dtypes_follow_fit():
    """Integers of `output_dtype="input"` and float64 for large means are those of the method."""
    pixels = gray_images(30, 6, 6).astype(np.uint8)
    autoencoder = ConvAutoencoder(2, max_iter=1, output_dtype="input", random_state=0).fit(pixels)
    check_lazy(
        autoencoder.reconstruct(da.from_array(pixels, chunks=7)), autoencoder.reconstruct(pixels)
    )
    years = low_rank(40, 4) + 1e6
    autoencoder = DenseAutoencoder(2, max_iter=1, random_state=0).fit(years)
    lazy = autoencoder.reconstruct(da.from_array(years, chunks=13))
    assert lazy.dtype == np.float64
    check_lazy(lazy, autoencoder.reconstruct(years))


def test_chunks_of_unknown_and_zero_size(X, dense):
    """Chunk sizes may be unknown, and chunks may be empty."""
    in_order = X[np.argsort(X[:, 0])]  # the first chunk has no row above the median
    is_selected = in_order[:, 0] > np.median(in_order[:, 0])
    lazy_X = da.from_array(in_order, chunks=20)
    selected = lazy_X[lazy_X[:, 0] > np.median(in_order[:, 0])]
    assert np.isnan(selected.shape[0])
    expected = in_order[is_selected]
    for method in METHODS:
        lazy = getattr(dense, method)(selected)
        assert np.isnan(lazy.shape[0])
        check_lazy(lazy, getattr(dense, method)(expected))
    nothing = lazy_X[lazy_X[:, 0] > np.inf]
    assert dense.transform(nothing).compute().shape == (0, 3)


def test_nothing_is_computed_before_compute(dense):
    """A call reads no chunk of X."""

    def fail(block):
        raise RuntimeError("a chunk was computed")

    lazy_X = da.zeros((60, 8), chunks=20, dtype=np.float32).map_blocks(
        fail, dtype=np.float32, meta=np.empty((0, 0))
    )
    lazy = dense.transform(lazy_X)
    with pytest.raises(RuntimeError, match="a chunk was computed"):
        lazy.compute()


def test_estimator_is_loaded_once(X, dense, monkeypatch):
    """A computation of many chunks loads the pickled estimator once."""
    loads = []

    def load(data):
        loads.append(len(data))
        return pickle.loads(data)

    monkeypatch.setattr(dask_rows, "load", load)
    lazy = dense.transform(da.from_array(X, chunks=6))
    assert lazy.npartitions == 10
    lazy.compute()
    assert len(loads) == 1
    frame = dd.from_pandas(pd.DataFrame(X, columns=list("abcdefgh")), npartitions=5)
    named = DenseAutoencoder(2, max_iter=1, random_state=0).fit(frame.compute())
    named.reconstruction_error(frame).compute()
    assert len(loads) == 2


def test_results_are_those_at_the_time_of_the_call(X):
    """A later fit does not change a lazy result."""
    autoencoder = DenseAutoencoder(2, max_iter=1, random_state=0).fit(X)
    expected = autoencoder.transform(X)
    lazy = autoencoder.transform(da.from_array(X, chunks=30))
    autoencoder.set_params(warm_start=True, max_iter=3).fit(X)
    assert_allclose(lazy.compute(), expected, **TOLERANCE)


def test_errors_of_shape_and_names_at_the_call(X, dense, table, mixed):
    """The number and the names of columns are checked before anything is computed."""
    with pytest.raises(ValueError, match="X has 5 features, but DenseAutoencoder is expecting 8"):
        dense.transform(da.zeros((10, 5)))
    with pytest.raises(ValueError, match="feature names should match"):
        mixed.transform(dd.from_pandas(table.rename(columns={"age": "years"}), npartitions=2))
    with pytest.raises(NotFittedError):
        clone(dense).transform(da.zeros((10, 8)))
    zeros = da.zeros((10, 8))
    selected = zeros[:, zeros[0] == 0]
    with pytest.raises(ValueError, match=r"Call X.compute_chunk_sizes\(\) first"):
        dense.transform(selected)
    with pytest.raises(ValueError, match="Expected 2D array"):
        dense.transform(da.zeros(8))


def test_errors_of_values_at_compute(X, dense):
    """NaN is an error of the computation, with the row of the chunk."""
    broken = X.copy()
    broken[45, 2] = np.nan
    lazy = dense.transform(da.from_array(broken, chunks=20))
    with pytest.raises(ValueError, match="NaN") as caught:
        lazy.compute()
    assert "row 5" in str(caught.value)
    assert caught.value.__notes__ == [
        "Rows are counted from the first row of chunk 2 of the dask array."
    ]


def test_data_frame_gives_array(X):
    """Numbers of a dask DataFrame give dask arrays, with unknown chunk sizes."""
    frame = pd.DataFrame(X, columns=list("abcdefgh"))
    autoencoder = DenseAutoencoder(2, max_iter=1, random_state=0).fit(frame)
    lazy_frame = dd.from_pandas(frame, npartitions=3)
    for method in METHODS:
        lazy = getattr(autoencoder, method)(lazy_frame)
        assert np.isnan(lazy.shape[0])
        check_lazy(lazy, getattr(autoencoder, method)(frame))


def test_data_frame_with_categories(table, mixed):
    """Reconstructions of categories are a dask DataFrame with index and dtypes of pandas."""
    lazy_table = dd.from_pandas(table, npartitions=3)
    check_lazy(mixed.transform(lazy_table), mixed.transform(table))
    check_lazy(mixed.reconstruction_error(lazy_table), mixed.reconstruction_error(table))
    lazy = mixed.reconstruct(lazy_table)
    expected = mixed.reconstruct(table)
    assert isinstance(lazy, dd.DataFrame)
    assert lazy.divisions == lazy_table.divisions
    assert_frame_equal(lazy._meta, expected.iloc[:0])
    assert_frame_equal(lazy.compute(), expected)
    lazy = mixed.inverse_transform(da.from_array(mixed.transform(table), chunks=(20, 2)))
    assert_frame_equal(lazy.compute(), expected.reset_index(drop=True))


@pytest.mark.parametrize("setting", ["method", "config"])
def test_set_output(X, setting):
    """With ``set_output``, dask DataFrames are returned, with the index of X."""
    frame = pd.DataFrame(X, columns=list("abcdefgh"), index=3 * np.arange(60))
    autoencoder = DenseAutoencoder(2, max_iter=1, random_state=0).fit(frame)
    config = {}
    if setting == "method":
        autoencoder.set_output(transform="pandas")
    else:
        config["transform_output"] = "pandas"
    with sklearn.config_context(**config):
        lazy_frame = dd.from_pandas(frame, npartitions=3)
        lazies = [autoencoder.transform(lazy_frame), autoencoder.reconstruct(lazy_frame)]
        expected = [autoencoder.transform(frame), autoencoder.reconstruct(frame)]
        of_array = autoencoder.inverse_transform(da.from_array(X[:, :2], chunks=(25, 1)))
        inverse = autoencoder.inverse_transform(X[:, :2])
    for lazy, result in zip(lazies, expected, strict=True):
        assert_frame_equal(lazy.compute(), result)
    assert of_array.divisions == (0, 25, 50, 59)
    assert_frame_equal(of_array.compute(), inverse)
    autoencoder.set_output(transform="polars")
    with pytest.raises(ValueError, match=r"Call set_output\(transform='pandas'\)"):
        autoencoder.transform(lazy_frame)


def test_detector(X):
    """Scores, labels and maps of a detector are lazy."""
    detector = ReconstructionDetector(
        DenseAutoencoder(2, max_iter=1, random_state=0), random_state=0
    ).fit(X)
    new = X[::-1] + 1
    lazy_new = da.from_array(new, chunks=(25, 4))
    for method in ("score_samples", "decision_function", "predict", "p_values", "error_map"):
        check_lazy(getattr(detector, method)(lazy_new), getattr(detector, method)(new))
    for lazy, expected in zip(
        detector.score_parts(lazy_new), detector.score_parts(new), strict=True
    ):
        check_lazy(lazy, expected)


def test_detector_of_tables(table):
    """A detector takes dask DataFrames with categories."""
    detector = ReconstructionDetector(
        DenseAutoencoder(2, max_iter=1, random_state=0), random_state=0
    ).fit(table)
    check_lazy(detector.predict(dd.from_pandas(table, npartitions=2)), detector.predict(table))


def test_imputer(X, table):
    """An imputer of arrays and of data frames is lazy."""
    missing = X.copy()
    missing[::7, 2] = np.nan
    imputer = AutoencoderImputer(
        DenseAutoencoder(2, max_iter=1, random_state=0, allow_nan=True), random_state=0
    ).fit(missing)
    check_lazy(imputer.transform(da.from_array(missing, chunks=25)), imputer.transform(missing))
    with pytest.raises(ValueError, match="but draws need all rows"):
        imputer.set_params(sample_posterior=True).transform(da.from_array(missing, chunks=25))
    frame = table.copy()
    frame.loc[4, "city"] = None
    frame.loc[8, "age"] = np.nan
    imputer = AutoencoderImputer(
        DenseAutoencoder(2, max_iter=1, random_state=0, allow_nan=True), random_state=0
    ).fit(frame)
    lazy = imputer.transform(dd.from_pandas(frame, npartitions=2))
    assert_frame_equal(lazy.compute(), imputer.transform(frame))


def test_restorer(images):
    """Restored images are lazy."""
    restorer = ImageRestorer(n_filters=2, patch_size=8, max_iter=1, random_state=0).fit(images)
    check_lazy(restorer.predict(da.from_array(images, chunks=(15, 4, 8))), restorer.predict(images))


def test_sampler(X, dense):
    """Log densities are lazy, with one class at most."""
    sampler = LatentSampler(FrozenEstimator(dense), random_state=0).fit(X, np.arange(60) % 2)
    lazy_X = da.from_array(X, chunks=25)
    check_lazy(sampler.score_samples(lazy_X), sampler.score_samples(X))
    check_lazy(sampler.score_samples(lazy_X, 1), sampler.score_samples(X, 1))
    with pytest.raises(ValueError, match="expected one value for all samples"):
        sampler.score_samples(lazy_X, np.zeros(60))


def test_no_warning_of_units(X):
    """The made-up row of a call does not warn of units."""
    autoencoder = DenseAutoencoder(2, max_iter=1, random_state=0).fit(
        pd.DataFrame(1000 * X, columns=list("abcdefgh"))
    )
    lazy = dd.from_pandas(pd.DataFrame(1000 * X, columns=list("abcdefgh")), npartitions=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        autoencoder.transform(lazy).compute()


def test_score_reads_a_dask_array(X, dense):
    """`score` is one number, and computed."""
    assert_array_equal(dense.score(da.from_array(X, chunks=20)), dense.score(X))


def test_fit_of_data_frames(table, mixed):
    """`fit` of a dask DataFrame is that of the DataFrame of pandas."""
    fitted = clone(mixed).fit(dd.from_pandas(table, npartitions=3))
    assert_array_equal(fitted.transform(table), mixed.transform(table))
    assert list(fitted.feature_names_in_) == ["age", "city", "height"]


def test_equal_calls_have_equal_tasks(X, dense):
    """Two calls have the same names of tasks, so that dask computes them once."""
    lazy_X = da.from_array(X, chunks=20)
    first, second = dense.transform(lazy_X), dense.transform(lazy_X)
    assert first.name == second.name
    assert first.name.startswith("DenseAutoencoder-transform")
    assert dense.reconstruct(lazy_X).name != first.name
