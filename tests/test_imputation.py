"""AutoencoderImputer: which cells change, accuracy, draws, tables and integration."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.frozen import FrozenEstimator
from sklearn.impute import KNNImputer, MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.utils.estimator_checks import check_param_validation, parametrize_with_checks

from skae import AutoencoderImputer, ConvAutoencoder, DenseAutoencoder
from skae.imputation._kernel_regression import MAX_REFERENCES, KernelRegression

from .cases import gray_images, low_rank

FAST = {"max_iter": 2, "early_stopping": False, "allow_nan": True, "random_state": 0}


def small_imputer(**parameters):
    """Return an imputer with a network that is trained for two epochs."""
    return AutoencoderImputer(DenseAutoencoder(3, **FAST), random_state=0, **parameters)


def remove(X, fraction=0.2, seed=1):
    """Return a float copy of X with random cells removed, and the mask."""
    mask = np.random.default_rng(seed).random(X.shape) < fraction
    return np.where(mask, np.nan, X), mask


@parametrize_with_checks(
    [
        small_imputer(),
        small_imputer(add_indicator=True, keep_empty_features=True),
    ]
)
def test_scikit_learns_checks(estimator, check):
    """All checks of scikit-learn's check_estimator pass."""
    check(estimator)


def test_parameters_are_validated():
    """scikit-learn's check of parameter validation passes."""
    check_param_validation("AutoencoderImputer", small_imputer())


@pytest.fixture(scope="module")
def cancer():
    """Return standardized breast cancer data: complete rows, rows with missing cells, and a mask."""
    X = scale(load_breast_cancer().data[:200, :10])
    return (X, *remove(X))


@pytest.fixture(scope="module")
def fitted(cancer):
    """Return an imputer fitted on the rows with missing cells."""
    return AutoencoderImputer(random_state=0).fit(cancer[1])


def rmse(X_imputed, X, mask):
    """Return the root mean squared error of the imputed cells."""
    return np.sqrt(np.square(X_imputed - X)[mask].mean())


# ------------------------------------------------------------------------------- which cells change


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_only_missing_cells_change(cancer, dtype):
    """Observed cells are kept to the bit, also in training rows, and no cell is NaN."""
    X = (cancer[1] * 1e3 + 1 / 3).astype(dtype)
    before = X.copy()
    imputed = small_imputer().fit_transform(X)
    assert imputed.dtype == X.dtype
    np.testing.assert_array_equal(imputed[~cancer[2]], X[~cancer[2]])
    np.testing.assert_array_equal(X, before)
    assert np.isfinite(imputed).all()


def test_complete_rows_are_returned_unchanged(cancer, fitted):
    """Transform of rows without missing cells is the identity."""
    np.testing.assert_array_equal(fitted.transform(cancer[0]), cancer[0])


def test_rows_do_not_depend_on_other_rows(cancer, fitted):
    """One row is imputed as in a table."""
    imputed = fitted.transform(cancer[1])
    np.testing.assert_allclose(fitted.transform(cancer[1][7:8]), imputed[7:8], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("X_missing", [-999.0, -999])
def test_placeholder_of_missing_values(cancer, X_missing):
    """A number marks missing values as NaN does."""
    X = np.rint(cancer[1] * 100)
    marked = np.where(cancer[2], X_missing, X)
    if isinstance(X_missing, int):
        marked = marked.astype(np.int64)
    with_nan = small_imputer().fit_transform(X)
    np.testing.assert_array_equal(
        small_imputer(missing_values=X_missing).fit_transform(marked), with_nan
    )


def test_nan_is_an_error_if_a_number_marks_missing_values(cancer):
    """NaN is no missing value if `missing_values` is a number."""
    with pytest.raises(ValueError, match="NaN"):
        small_imputer(missing_values=0.0).fit(cancer[1])


# ---------------------------------------------------------------------------------------- accuracy


def test_error_is_below_that_of_scikit_learns_neighbors_and_means(cancer, fitted):
    """Related columns are imputed with less error than by KNNImputer."""
    X, X_missing, mask = cancer
    error = rmse(fitted.transform(X_missing), X, mask)
    assert error < 0.9 * rmse(KNNImputer().fit_transform(X_missing), X, mask)
    assert error < 0.6 * rmse(SimpleImputer().fit_transform(X_missing), X, mask)


def test_units_of_the_columns_do_not_matter(cancer):
    """Scaled and shifted columns are imputed by scaled and shifted values."""
    X_missing = cancer[1]
    factors = 10.0 ** np.arange(-5, 5)
    imputed = small_imputer().fit_transform(X_missing)
    scaled = small_imputer().fit_transform(X_missing * factors + 5 * factors)
    np.testing.assert_allclose(scaled / factors - 5, imputed, atol=1e-3)


def test_hidden_values_are_independent_of_a_mask_with_the_same_seed(cancer):
    """A user may remove cells by a generator of the same seed: hidden values remain."""
    X = cancer[0]
    X_missing = np.where(np.random.default_rng(0).random(X.shape) < 0.2, np.nan, X)
    imputer = small_imputer().fit(X_missing)
    assert len(np.unique(imputer.regression_weights_)) > 1
    assert np.median(imputer.imputation_errors_) < 0.7


def test_the_errors_are_those_of_removed_cells(cancer, fitted):
    """`imputation_errors_` predicts the error of cells that were removed before fit."""
    X, X_missing, mask = cancer
    error = rmse(fitted.transform(X_missing), X, mask)
    expected = np.sqrt(np.mean(fitted.imputation_errors_**2))
    assert 0.7 < error / expected < 1.4


def test_the_regression_follows_a_curve_that_is_not_linear():
    """The regression predicts a product of columns, and leaves other values unchanged."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    X[:, 2] = X[:, 0] * X[:, 1]
    missing = np.zeros(X.shape, dtype=bool)
    missing[:80, 2] = True
    completed = np.where(missing, 0.0, X)
    predicted = KernelRegression.fit(completed, ~missing).predict(completed, missing)
    assert np.square(predicted - X)[missing].mean() < 0.2 * np.square(X)[missing].mean()
    np.testing.assert_array_equal(predicted[~missing], completed[~missing])


def test_wide_tables_have_one_kernel():
    """Over 128 columns, the error is a fraction of that of the means."""
    X = scale(low_rank(n=150, d=150, rank=4))
    X_missing, mask = remove(X)
    imputer = AutoencoderImputer(DenseAutoencoder(8, **FAST), random_state=0)
    assert rmse(imputer.fit_transform(X_missing), X, mask) < 0.5
    assert imputer._table.regression.metric.shape == (1, 150)


def test_the_number_of_references_is_bounded():
    """The regression has at most MAX_REFERENCES rows."""
    X = np.random.default_rng(0).normal(size=(MAX_REFERENCES + 50, 2))
    X[::9, 0] = np.nan
    imputer = small_imputer().fit(X)
    assert len(imputer._table.regression.references) == MAX_REFERENCES


# ------------------------------------------------------------------------------------------- draws


def test_draws_cover_removed_cells(cancer):
    """Intervals of several draws contain the removed cells, with about their probability."""
    X, X_missing, mask = cancer
    imputer = small_imputer(sample_posterior=True).fit(X_missing)
    draws = np.stack(
        [imputer.set_params(random_state=seed).transform(X_missing) for seed in range(60)]
    )
    low, high = np.quantile(draws, [0.05, 0.95], axis=0)
    coverage = ((low <= X) & (high >= X))[mask].mean()
    assert 0.82 < coverage < 0.97
    assert (np.ptp(draws, axis=0)[~mask] == 0).all()
    mean = imputer.set_params(sample_posterior=False).transform(X_missing)
    deviation = (draws.mean(0) - mean)[mask] / draws.std(0)[mask] * np.sqrt(60)
    assert 0.8 < deviation.std() < 1.2


def test_draws_of_one_row_are_correlated():
    """Two missing cells that are nearly equal have nearly equal draws."""
    rng = np.random.default_rng(0)
    common = rng.normal(size=(300, 1))
    X = np.hstack([common + 0.05 * rng.normal(size=(300, 2)), rng.normal(size=(300, 2))])
    imputer = small_imputer(sample_posterior=True).fit(X)
    X_missing = X.copy()
    X_missing[:, :2] = np.nan
    draws = imputer.transform(X_missing)
    assert np.corrcoef(draws[:, 0], draws[:, 1])[0, 1] > 0.9


def test_draws_depend_on_the_seed(cancer):
    """An int gives equal draws at each call, and None gives different draws."""
    imputer = small_imputer(sample_posterior=True).fit(cancer[1])
    first = imputer.transform(cancer[1])
    np.testing.assert_array_equal(imputer.transform(cancer[1]), first)
    imputer.set_params(random_state=None)
    assert not np.array_equal(imputer.transform(cancer[1]), imputer.transform(cancer[1]))


# ------------------------------------------------------------------- empty columns and indicators


def test_empty_columns_are_dropped_with_a_warning(cancer):
    """A column without observed values is dropped, with a warning that names the parameter."""
    X = cancer[1][:50, :4].copy()
    X[:, 2] = np.nan
    with pytest.warns(UserWarning, match=r"1 column\(s\) of X, which are dropped"):
        assert small_imputer().fit_transform(X).shape == (50, 3)


@pytest.mark.filterwarnings("ignore:Got only missing values")
@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
@pytest.mark.parametrize("keep_empty_features", [False, True])
@pytest.mark.parametrize("add_indicator", [False, True])
def test_columns_are_those_of_scikit_learns_imputers(cancer, keep_empty_features, add_indicator):
    """Empty columns and indicators have the number, order, names and values of SimpleImputer."""
    X = cancer[1][:60, :5].copy()
    X[:, 1] = np.nan
    X[:, 3] = 7.0
    parameters = {"keep_empty_features": keep_empty_features, "add_indicator": add_indicator}
    theirs = SimpleImputer(**parameters).fit(X)
    ours = small_imputer(**parameters).fit(X)
    expected, imputed = theirs.transform(X), ours.transform(X)
    assert imputed.shape == expected.shape
    np.testing.assert_array_equal(ours.get_feature_names_out(), theirs.get_feature_names_out())
    fixed = [i for i, name in enumerate(ours.get_feature_names_out()) if name in ("x1", "x3")]
    fixed += list(range(4 + keep_empty_features, imputed.shape[1]))
    np.testing.assert_array_equal(imputed[:, fixed], expected[:, fixed])
    assert len(ours.imputation_errors_) == 4 + keep_empty_features


def test_indicators_are_those_of_fit(cancer):
    """Columns that are complete in fit have no indicator."""
    X = cancer[0].copy()
    X[:5, 2] = np.nan
    imputed = small_imputer(add_indicator=True).fit(X).transform(cancer[1])
    expected = MissingIndicator(error_on_new=False).fit(X).transform(cancer[1])
    np.testing.assert_array_equal(imputed[:, 10:], expected)


def test_only_missing_values_are_an_error():
    """A table without an observed value cannot be fitted."""
    with pytest.raises(ValueError, match="Got only missing values in X of shape"):
        small_imputer().fit(np.full((5, 3), np.nan))


# ---------------------------------------------------------------------------------------- tables


def test_pandas_tables_keep_index_names_and_dtypes(cancer):
    """Nullable integers and booleans stay as they are, and imputed integers are rounded."""
    X = cancer[1]
    table = pd.DataFrame(X[:, :2], columns=["a", "b"], index=np.arange(len(X)) + 100)
    table["count"] = pd.array(np.rint(cancer[0][:, 2] * 10), dtype="Int16")
    table["flag"] = pd.array(cancer[0][:, 3] > 0, dtype="boolean")
    table["single"] = X[:, 4].astype(np.float32)
    table.loc[105:130, ["count", "flag"]] = pd.NA
    before = table.copy()
    imputed = small_imputer().fit_transform(table)
    pd.testing.assert_frame_equal(table, before)
    assert not imputed.isna().any(axis=None)
    assert imputed.dtypes.equals(table.dtypes)
    pd.testing.assert_index_equal(imputed.index, table.index)
    pd.testing.assert_frame_equal(imputed.where(table.notna()), table)


def test_polars_tables_keep_names_and_dtypes(cancer):
    """Null and NaN are missing values."""
    table = pl.DataFrame(
        {
            "a": cancer[1][:, 0],
            "count": [None if i % 7 == 0 else round(v) for i, v in enumerate(cancer[0][:, 1])],
            "flag": [None if i % 5 == 0 else bool(v > 0) for i, v in enumerate(cancer[0][:, 2])],
            "b": pl.Series(cancer[0][:, 3], dtype=pl.Float32),
        }
    )
    imputed = small_imputer().fit_transform(table)
    assert imputed.schema == table.schema
    assert imputed.null_count().sum_horizontal().item() == 0
    assert not imputed["a"].is_nan().any()
    assert imputed["b"].equals(table["b"])
    with_indicator = small_imputer(add_indicator=True).fit_transform(table)
    assert with_indicator.columns[4:] == [f"missingindicator_{c}" for c in ("a", "count", "flag")]


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_set_output(cancer, container):
    """Arrays become tables with the names of the kept columns."""
    imputer = small_imputer(add_indicator=True).set_output(transform=container)
    imputed = imputer.fit_transform(cancer[1])
    assert type(imputed).__module__.startswith(container)
    assert list(imputed.columns) == list(imputer.get_feature_names_out())


class MostFrequent(BaseEstimator):
    """Reconstructs each sample of a data frame as the most frequent value of each column."""

    def fit(self, X, y=None):
        """Store the most frequent values."""
        self.values_ = X.mode().iloc[0]
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        """Return one latent dimension."""
        return np.zeros((len(X), 1))

    def inverse_transform(self, X):
        """Return a table with the most frequent values."""
        return pd.DataFrame([self.values_] * len(X))


def test_categorical_columns_are_imputed_by_the_autoencoder():
    """A table with categories gets the values of a reconstruction with categories."""
    table = pd.DataFrame(
        {
            "color": pd.Categorical(["red", None, "blue", "red"]),
            "word": ["x", "y", None, "x"],
            "size": [1.0, 2.0, 1.0, np.nan],
        },
        index=[3, 1, 2, 0],
    )
    imputed = AutoencoderImputer(MostFrequent()).fit_transform(table)
    expected = pd.DataFrame(
        {
            "color": pd.Categorical(["red", "red", "blue", "red"]),
            "word": ["x", "y", "x", "x"],
            "size": [1.0, 2.0, 1.0, 1.0],
        },
        index=[3, 1, 2, 0],
    )
    pd.testing.assert_frame_equal(imputed, expected)
    with pytest.raises(ValueError, match="draws need a numeric table"):
        AutoencoderImputer(MostFrequent(), sample_posterior=True).fit(table)
    with pytest.raises(ValueError, match="Replace this value by None"):
        AutoencoderImputer(MostFrequent(), missing_values=1.0).fit(table)


# ------------------------------------------------------------------------------------- integration


@pytest.mark.filterwarnings("ignore:Got only NaN")
def test_images_are_inpainted():
    """Missing pixels of images are those of the reconstruction."""
    images = gray_images(40, 8, 8).astype(np.float64)
    images[:, 2:4, 2:4] = np.nan
    imputer = AutoencoderImputer(ConvAutoencoder(4, n_filters=2, **FAST)).fit(images)
    imputed = imputer.transform(images)
    missing = np.isnan(images)
    np.testing.assert_array_equal(imputed[~missing], images[~missing])
    np.testing.assert_array_equal(
        imputed[missing], imputer.autoencoder_.reconstruct(images)[missing]
    )
    assert imputer.imputation_errors_ is None
    with pytest.raises(ValueError, match="indicators are columns of a table"):
        imputer.set_params(add_indicator=True).fit(images)


def test_a_frozen_autoencoder_gets_columns_in_their_own_units(cancer):
    """A FrozenEstimator is not fitted again, and imputes as well as a clone."""
    X, X_missing, mask = cancer
    autoencoder = DenseAutoencoder(6, allow_nan=True, max_iter=5, random_state=0).fit(X_missing + 9)
    imputer = AutoencoderImputer(FrozenEstimator(autoencoder), random_state=0).fit(X_missing + 9)
    assert imputer.autoencoder_.estimator is autoencoder
    assert rmse(imputer.transform(X_missing + 9) - 9, X, mask) < 0.7


def test_pipeline_column_transformer_clone_and_pickle(cancer):
    """The imputer works as a step, a clone fits alike, and a pickle transforms alike."""
    X = cancer[1]
    y = load_breast_cancer().target[:200]
    imputer = small_imputer()
    pipeline = make_pipeline(StandardScaler(), clone(imputer), LogisticRegression())
    assert pipeline.fit(X, y).score(X, y) > 0.85
    columns = make_column_transformer((clone(imputer), [0, 1, 2, 3]), remainder="passthrough")
    expected = imputer.fit_transform(X[:, :4])
    np.testing.assert_array_equal(columns.fit_transform(X)[:, :4], expected)
    loaded = pickle.loads(pickle.dumps(imputer))
    np.testing.assert_array_equal(loaded.transform(X[:, :4]), expected)


def mixed_columns():
    """Return columns of numbers, categories, integers and booleans that depend on each other."""
    size = np.random.default_rng(0).normal(size=80)
    return {
        "weight": (70 + 10 * size).tolist(),
        "shirt": np.where(size > 0, "L", "S").tolist(),
        "count": np.rint(5 * size).astype(int).tolist(),
        "is_tall": (size > 0.3).tolist(),
    }


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_tables_with_categories_are_imputed_in_their_dtypes(package):
    """Categories, integers and booleans are imputed by values of their own dtype."""
    columns = mixed_columns()
    mask = np.random.default_rng(1).random((80, 4)) < 0.15
    for j, values in enumerate(columns.values()):
        for i in np.flatnonzero(mask[:, j]):
            values[i] = None
    if package == "pandas":
        table = pd.DataFrame(columns).astype(
            {"shirt": "category", "count": "Int64", "is_tall": "boolean"}
        )
    else:
        table = pl.DataFrame(columns, schema_overrides={"shirt": pl.Categorical})
    imputer = AutoencoderImputer(DenseAutoencoder(3, max_iter=3, random_state=0))
    imputed = imputer.fit_transform(table)
    complete = mixed_columns()
    assert type(imputed) is type(table)
    assert list(imputed.dtypes) == list(table.dtypes)
    for j, name in enumerate(columns):
        found, expected = np.array(imputed[name].to_list()), np.array(complete[name])
        np.testing.assert_array_equal(found[~mask[:, j]], expected[~mask[:, j]])
        if name != "weight":
            assert (found == expected)[mask[:, j]].mean() > (0.2 if name == "count" else 0.7)
    with_indicator = imputer.set_params(add_indicator=True).fit_transform(table)
    assert list(with_indicator.columns)[4] == "missingindicator_weight"


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (pd.DataFrame({"a": pd.to_datetime(["2020", "2021"]), "b": [1.0, np.nan]}), "Got dates"),
        (np.full((2, 2, 1), np.nan), "(?i)dim"),
    ],
    ids=["dates", "images"],
)
def test_other_kinds_of_x_after_a_fit_of_numbers(other, message):
    """Dates and images are refused by an imputer of a numeric table."""
    X = low_rank(30, 2)
    X[0, 0] = np.nan
    imputer = AutoencoderImputer(DenseAutoencoder(1, max_iter=1, random_state=0)).fit(X)
    with pytest.raises(ValueError, match=message):
        imputer.transform(other)
