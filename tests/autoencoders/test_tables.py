"""Autoencoders of tables with categories: data frames in, and the same data frames out."""

import copy
import pickle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skae import (
    ConvAutoencoder,
    DenseAutoencoder,
    LatentCodec,
    LatentSampler,
    ReconstructionDetector,
    ReconstructionDisplay,
    TraversalDisplay,
    export,
)
from tests._input.test_tables import TABLES, pandas_table, polars_table

FAST = {"max_iter": 40, "random_state": 0}


def mixed_table(n=400, *, seed=0):
    """Sample a table in which two factors determine numbers and categories."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 2))
    kinds = np.array(["small", "medium", "large"])
    return pd.DataFrame(
        {
            "income": 1e5 + 2e4 * z[:, 0],
            "age": np.rint(40 + 10 * z[:, 1]).astype("int64"),
            "size": pd.Categorical(kinds[np.digitize(z[:, 0], [-0.5, 0.5])], kinds, ordered=True),
            "city": np.where(z[:, 1] > 0.3, "Rome", "Oslo"),
            "member": z[:, 0] > 0,
        },
        index=np.arange(n) + 100,
    )


@pytest.fixture(scope="module")
def table():
    """Return a table with numbers and categories."""
    return mixed_table()


@pytest.fixture(scope="module")
def fitted(table):
    """Return an autoencoder of the table."""
    return DenseAutoencoder(2, random_state=0).fit(table)


@pytest.mark.parametrize("kind", TABLES)
def test_results_are_tables_like_that_of_fit(kind):
    """Columns and dtypes are those of fit, also of samples that are decoded from an array."""
    X = TABLES[kind]()
    autoencoder = DenseAutoencoder(3, **FAST).fit(X)
    Z = autoencoder.transform(X)
    for result in (autoencoder.reconstruct(X), autoencoder.inverse_transform(Z)):
        assert type(result) is type(X)
        assert list(result.columns) == list(X.columns)
        assert list(result.dtypes) == list(X.dtypes)
    assert autoencoder.n_features_in_ == X.shape[1]
    assert list(autoencoder.feature_names_in_) == list(X.columns)


def test_index_and_container(table, fitted):
    """The index is that of X or of the latent vectors; set_output selects the package."""
    assert fitted.reconstruct(table).index.equals(table.index)
    autoencoder = copy.copy(fitted).set_output(transform="pandas")
    Z = autoencoder.transform(table)
    assert autoencoder.inverse_transform(Z).index.equals(table.index)
    result = copy.copy(fitted).set_output(transform="polars").reconstruct(table)
    assert isinstance(result, pl.DataFrame)
    assert result["city"].to_list() == fitted.reconstruct(table)["city"].tolist()


def test_tables_of_numbers_obey_set_output():
    """Names, index and dtypes of a table of numbers come back; arrays are the default."""
    X = mixed_table()[["income", "age", "member"]]
    autoencoder = DenseAutoencoder(2, **FAST).fit(X)
    assert isinstance(autoencoder.reconstruct(X), np.ndarray)
    autoencoder.set_output(transform="pandas")
    result = autoencoder.reconstruct(X)
    pd.testing.assert_index_equal(result.index, X.index)
    assert result.dtypes.tolist() == X.dtypes.tolist()
    autoencoder.set_output(transform="default").fit(X.to_numpy(float))
    autoencoder.set_output(transform="pandas")
    assert autoencoder.reconstruct(X.to_numpy(float)).columns.tolist() == ["x0", "x1", "x2"]
    images = ConvAutoencoder(2, n_filters=2, **FAST).set_output(transform="pandas")
    assert images.fit(np.random.default_rng(0).random((30, 4, 4))).inverse_transform(
        np.zeros((2, 2))
    ).shape == (2, 4, 4)


def test_categories_are_reconstructed(table, fitted):
    """Reconstructions have the right categories and numbers for new rows."""
    X = mixed_table(seed=1)
    X_hat = fitted.reconstruct(X)
    for name in ("size", "city", "member"):
        assert (X_hat[name].astype(str) == X[name].astype(str)).mean() > 0.93
    assert ((X_hat["income"] - X["income"]) ** 2).mean() < 0.05 * X["income"].var()


def test_scores_and_errors_are_of_standardized_columns(table, fitted):
    """The reconstruction error is a mean over columns, each with a variance of 1."""
    encoded = fitted._table.encode(table, allow_nan=False)
    pca = PCA(2).fit(encoded)
    residual = encoded - pca.inverse_transform(pca.transform(encoded))
    pca_error = np.square(residual).sum(axis=1).mean() / table.shape[1]
    assert fitted.reconstruction_error(table).mean() < pca_error
    assert_allclose(1 - fitted.score(table), fitted.reconstruction_error(table).mean(), rtol=1e-3)


def test_linear_autoencoder_is_pca_of_the_encoded_table(table):
    """Without hidden layers and epochs of gain, latent vectors are the scores of PCA."""
    autoencoder = DenseAutoencoder(2, max_iter=1, learning_rate_init=1e-12, random_state=0)
    Z = autoencoder.fit(table).transform(table)
    expected = PCA(2).fit_transform(autoencoder._table.encode(table, allow_nan=False))
    assert_allclose(np.abs(Z), np.abs(expected), atol=1e-4)


def test_missing_values_are_imputed(table):
    """With allow_nan, missing numbers and categories are reconstructed from the other columns."""
    rng = np.random.default_rng(0)
    X = table.astype({"age": "Int64", "member": "boolean"})
    missing = X.mask(rng.random(X.shape) < 0.15)
    autoencoder = DenseAutoencoder(2, allow_nan=True, random_state=0).fit(missing)
    X_hat = autoencoder.reconstruct(missing)
    assert not X_hat.isna().any(axis=None)
    assert list(X_hat.dtypes) == list(missing.dtypes)
    hidden = missing["size"].isna() & missing["member"].notna() & missing["income"].notna()
    assert (X_hat["size"][hidden] == X["size"][hidden]).mean() > 0.6  # 0.4 for the mode
    assert np.isfinite(autoencoder.reconstruction_error(missing)).all()


def test_corruption_masks_whole_columns(table):
    """The masking corruption hides all indicators of a category together."""
    autoencoder = DenseAutoencoder(2, corruption="masking", allow_nan=True, **FAST).fit(table)
    assert autoencoder.score(table) > 0.5


def test_another_table_is_an_error(table, fitted):
    """Missing, renamed and reordered columns raise the errors of scikit-learn."""
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.transform(table.rename(columns={"city": "town"}))
    with pytest.raises(ValueError, match=r"same order|feature names should match"):
        fitted.transform(table[table.columns[::-1]])
    with pytest.raises(ValueError, match=r"feature names should match|expecting 5 features"):
        fitted.transform(table.drop(columns="city"))
    with pytest.raises(ValueError, match="text in column 0"):
        fitted.transform(table.assign(income="much"))
    with pytest.raises(ValueError, match="minimum of 1 is required"):
        fitted.transform(table[:0])
    with pytest.raises(ValueError, match="unknown category 'Bern' in column 3"):
        fitted.transform(table.assign(city="Bern"))


def test_losses_and_loss_bounds(table):
    """Other losses apply to the encoded columns; log_loss needs values in [0, 1]."""
    for loss in ("absolute_error", "huber"):
        assert DenseAutoencoder(2, loss=loss, **FAST).fit(table).score(table) > 0.5
    with pytest.raises(ValueError, match="loss='log_loss' with categories"):
        DenseAutoencoder(2, loss="log_loss", **FAST).fit(table)


def test_copies_and_files_have_the_table(tmp_path, table, fitted):
    """Pickles, deep copies and files of skae.export restore the table."""
    expected = fitted.reconstruct(table)
    path = tmp_path / "model.skae"
    export.save(fitted, path)
    copies = [pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted), export.load(path)]
    for other in copies:
        pd.testing.assert_frame_equal(other.reconstruct(table), expected)
    X = polars_table()
    autoencoder = DenseAutoencoder(2, **FAST).fit(X)
    export.save(autoencoder, path)
    assert export.load(path).reconstruct(X).equals(autoencoder.reconstruct(X))
    intervals = DenseAutoencoder(2, **FAST).fit(pandas_table())
    with pytest.raises(TypeError, match="Interval"):
        export.save(intervals, path)
    with pytest.raises(ValueError, match="table with categories, but ONNX"):
        export.to_onnx(fitted, path)


def test_partial_fit_and_warm_start_keep_the_encoding(table):
    """The first call determines the encoding of later calls."""
    autoencoder = DenseAutoencoder(2, random_state=0).partial_fit(table[:200])
    mean = autoencoder._table.columns[0].mean
    autoencoder.partial_fit(table[200:])
    assert autoencoder._table.columns[0].mean == mean
    autoencoder.set_params(warm_start=True, max_iter=2).fit(table[200:])
    assert autoencoder._table.columns[0].mean == mean
    autoencoder.set_params(warm_start=False).fit(table[200:])
    assert autoencoder._table.columns[0].mean != mean


def test_checkpoints_of_a_table(tmp_path, table):
    """A finished fit is read from its checkpoint with the same results."""
    autoencoder = DenseAutoencoder(2, checkpoint_dir=tmp_path, **FAST)
    expected = clone(autoencoder).fit(table).reconstruct(table)
    pd.testing.assert_frame_equal(clone(autoencoder).fit(table).reconstruct(table), expected)


def test_pipelines_and_searches(table):
    """The encoder of a mixed table works in a pipeline, a search and a ColumnTransformer."""
    y = table["member"].to_numpy()
    X = table.drop(columns="member")
    pipeline = make_pipeline(DenseAutoencoder(2, **FAST), LogisticRegression())
    search = GridSearchCV(pipeline, {"denseautoencoder__n_components": [1, 2]}, cv=2)
    assert search.fit(X, y).score(X, y) > 0.9
    columns = make_column_transformer((DenseAutoencoder(1, **FAST), ["size", "city"]))
    assert columns.fit_transform(X).shape == (len(X), 1)


def test_detector_of_a_table_with_categories(tmp_path, table):
    """A category that contradicts the other columns is found and explained."""
    detector = ReconstructionDetector(random_state=0).fit(table)
    wrong = mixed_table(60, seed=2)
    wrong = wrong[np.abs(wrong["income"] - 1e5) > 2e4]
    assert (detector.predict(wrong) == -1).mean() < 0.2
    flipped = wrong.assign(member=~wrong["member"])
    assert (detector.predict(flipped) == -1).mean() > 0.9
    explanation = detector.explain(flipped)
    largest = np.array(explanation.feature_names)[explanation.contributions.argmax(axis=1)]
    assert (largest == "member").mean() > 0.9
    place = explanation.feature_names.index("member")
    assert explanation.values[:, place].tolist() == flipped["member"].tolist()
    assert detector.error_map(wrong).shape == wrong.shape
    with pytest.raises(ValueError, match="groups with a table with categories"):
        detector.explain(wrong, groups={"a": ["city"]})
    path = tmp_path / "detector.skae"
    export.save(detector, path)
    assert_array_equal(export.load(path).score_samples(wrong), detector.score_samples(wrong))


def test_displays_of_a_table_with_categories(table, fitted):
    """Reconstructions are plotted as encoded features; traversals need numbers."""
    display = ReconstructionDisplay.from_estimator(fitted, table, n_samples=3)
    assert "city=Rome" in display.feature_names
    assert display.originals.shape == (3, len(display.feature_names))
    with pytest.raises(ValueError, match="Got a table with categories, but expected numbers"):
        TraversalDisplay.from_estimator(fitted, table)
    plt.close("all")


def test_a_codec_refuses_categories(table, fitted):
    """Compression needs numbers."""
    with pytest.raises(ValueError, match="Got categories in column 2"):
        LatentCodec(fitted).fit(table)


def test_samples_of_a_table_with_categories(table, fitted):
    """Samples and interpolations are data frames with the columns and dtypes of fit."""
    sampler = LatentSampler(random_state=0).fit(table, table["city"])
    nullable = LatentSampler(fitted, random_state=0).fit(table.astype({"age": "Int64"}))
    assert str(nullable.sample(5)["age"].dtype) == "Int64"
    samples, labels = sampler.sample(50, return_y=True)
    assert samples.dtypes.tolist() == table.dtypes.tolist()
    assert (samples["city"] == labels).mean() > 0.9
    assert set(sampler.sample(20, y="Rome")["size"]) <= set(table["size"])
    between = sampler.interpolate(table[:1], table[1:2], steps=4)
    assert between.shape == (4, 5)
    assert between.dtypes.tolist() == table.dtypes.tolist()
    assert sampler.interpolate(table[:2], table[2:4], steps=4).shape == (4, 2, 5)


def test_columns_without_numbers_are_named(table):
    """A column of missing numbers is imputed by the mean, with a warning that names it."""
    X = table.assign(empty=np.nan)
    with pytest.warns(UserWarning, match="only NaN in 1 column.*'empty'"):
        autoencoder = DenseAutoencoder(2, allow_nan=True, **FAST).fit(X)
    assert (autoencoder.reconstruct(X)["empty"].abs() < 0.1).all()


def test_fewer_rows_than_two_are_an_error(table):
    """The message gives the number of rows, also if columns have no categories then."""
    for n in (0, 1):
        with pytest.raises(ValueError, match=f"Found array with {n} sample"):
            DenseAutoencoder(2).fit(table[:n])


def test_levels_of_columns_come_back(tmp_path, table):
    """MultiIndex columns and names of the columns are restored, also from a file."""
    X = table[["income", "size"]].copy()
    X.columns = pd.MultiIndex.from_tuples([("a", "income"), ("b", "size")], names=["x", "y"])
    autoencoder = DenseAutoencoder(1, **FAST).fit(X)
    export.save(autoencoder, tmp_path / "model.skae")
    for other in (autoencoder, export.load(tmp_path / "model.skae")):
        pd.testing.assert_index_equal(other.reconstruct(X).columns, X.columns)


def test_categories_of_polars_as_pandas():
    """Categories of polars are categories of pandas under set_output."""
    X = polars_table()
    autoencoder = DenseAutoencoder(2, **FAST).set_output(transform="pandas").fit(X)
    result = autoencoder.reconstruct(X)
    assert result["enum"].cat.categories.tolist() == ["low", "high", "unused"]
    assert set(result["category"]) <= {"low", "high"}


def test_sparse_matrices_have_no_categories():
    """Selected columns of a sparse matrix are an error."""
    with pytest.raises(ValueError, match="sparse matrix with categorical_features"):
        DenseAutoencoder(categorical_features=[0]).fit(csr_array(np.eye(4)))
