"""Imputation of missing values by an autoencoder."""

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from skae._devices import uses_default_torch_state
from skae._input.array_likes import as_numpy
from skae._input.dask_rows import DaskMixin
from skae._input.dtypes import as_ndarray
from skae._input.tables import missing_cells
from skae._input.validation import check_rows, resolve_seed
from skae._meta_estimator import WrappedAutoencoderMixin
from skae._persistence import restore_state_on_error
from skae._sklearn_compat import HasMethods, check_feature_names_in, fit_context, wants_tensor
from skae._typing import ArrayLike, MatrixLike, RandomState
from skae._warnings import warn_user
from skae.autoencoders import ConvAutoencoder, DenseAutoencoder
from skae.distributed._context import with_all_rows
from skae.imputation._cells import fill_array, fill_table, is_numeric, is_table
from skae.imputation._table_imputation import TableImputation, reconstruct

__all__ = ["AutoencoderImputer"]

MAX_COMPONENTS = 128
"""Most latent dimensions of the default autoencoder. Wider tables have its default number."""

HIDING_STREAM, DRAWING_STREAM = 101, 102
"""Random streams beside the seed. A user may have removed values by a generator of the same seed,
and its first numbers must not decide here as well."""


class AutoencoderImputer(
    DaskMixin,
    WrappedAutoencoderMixin,
    TransformerMixin,
    BaseEstimator,
    row_methods=("transform",),
):
    r"""Transformer that imputes missing values by an autoencoder and by kernel regression.

    Only missing cells change. All other cells keep their value and dtype, and data frames keep
    index and column names.

    The estimate of a missing cell in a numeric table is the weighted mean of two estimates: the
    reconstruction of the autoencoder, and a kernel ridge regression of the column on all other
    columns of the reconstructed table. In `fit`, a tenth of the observed values is hidden, and
    determines the weights. In images and in tables with categorical columns, the estimate is the
    reconstruction.

    Parameters
    ----------
    autoencoder : estimator, default=None
        Estimator with ``fit``, ``transform`` and ``inverse_transform`` that accepts NaN. A clone
        with ``allow_nan=True`` is fitted on standardized columns, except for a ``FrozenEstimator``,
        which is used as it is.
        None: a :class:`DenseAutoencoder` with ``allow_nan=True``, ``corruption="masking"`` and as
        many latent dimensions as columns. For X of more than two dimensions: a
        :class:`ConvAutoencoder` with ``allow_nan=True``.
    missing_values : number, default=numpy.nan
        Placeholder of missing values. With NaN, ``None``, ``pandas.NA`` and null are missing values
        as well.
    add_indicator : bool, default=False
        Whether to append a binary column for each column with missing values in `fit`, as
        scikit-learn's ``MissingIndicator`` does.
    keep_empty_features : bool, default=False
        Whether to keep columns without any observed value in `fit`, and to impute them by 0.
        Otherwise, they are dropped.
    sample_posterior : bool, default=False
        Whether `transform` draws missing values from their conditional distribution, for multiple
        imputation. If False, they are conditional means.
    random_state : int, RandomState instance or None, default=None
        Seed of hidden values, of draws, and of an autoencoder with ``random_state=None``. With an
        int, each call of `transform` returns the same draws.

    Attributes
    ----------
    autoencoder_ : estimator
        Fitted autoencoder.
    regression_weights_ : ndarray of shape (n_features_out,) or None
        Weight of the kernel regression for each column, float64. The weight of the autoencoder is
        ``1 - regression_weights_``. Columns without any observed value have the weight 0. None
        for images and tables with categorical columns.
    imputation_errors_ : ndarray of shape (n_features_out,) or None
        Root mean squared error of the hidden values of each column, in units of X, float64. None
        for images and tables with categorical columns.
    indicator_features_ : ndarray of shape (n_indicators,)
        Indices of the columns with missing values in `fit`.
    n_features_in_ : int
        Number of values in a sample.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns. Defined only when `X` has feature names that are all strings.

    See Also
    --------
    DenseAutoencoder : Autoencoder for tables.
    sklearn.impute.IterativeImputer : Regression of each column, in turns.
    sklearn.impute.KNNImputer : Means of nearest neighbors.

    Notes
    -----
    With ``sample_posterior=True``, a draw is the conditional mean plus Gaussian noise. The noise of
    the missing values of a row is correlated as in a normal distribution given the observed values.
    Its standard deviation is scaled to `imputation_errors_`. Fit one model on each of several
    imputed tables, and combine the results by Rubin's rules [1]_.

    The time of fit for d columns includes d eigenvalue decompositions of matrices with up to 1,000
    rows, and one decomposition if d exceeds 128.

    References
    ----------
    .. [1] D. B. Rubin, "Multiple imputation for nonresponse in surveys", Wiley, 1987.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_wine
    >>> from skae import AutoencoderImputer
    >>> X = load_wine().data
    >>> X[::3, 2] = np.nan
    >>> X_imputed = AutoencoderImputer(random_state=0).fit_transform(X)
    >>> bool(np.isnan(X_imputed).any())
    False
    """

    regression_weights_: NDArray[np.float64] | None
    imputation_errors_: NDArray[np.float64] | None
    indicator_features_: NDArray[np.intp]

    _parameter_constraints = {
        "autoencoder": [HasMethods(["fit", "transform", "inverse_transform"]), None],
        "missing_values": [int, float, np.integer, np.floating],
        "add_indicator": ["boolean"],
        "keep_empty_features": ["boolean"],
        "sample_posterior": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        autoencoder: BaseEstimator | None = None,
        *,
        missing_values: float = np.nan,
        add_indicator: bool = False,
        keep_empty_features: bool = False,
        sample_posterior: bool = False,
        random_state: RandomState = None,
    ) -> None:
        self.autoencoder = autoencoder
        self.missing_values = missing_values
        self.add_indicator = add_indicator
        self.keep_empty_features = keep_empty_features
        self.sample_posterior = sample_posterior
        self.random_state = random_state

    @with_all_rows
    @uses_default_torch_state
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: MatrixLike, y: object = None) -> Self:
        """Fit the autoencoder and the regression.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features), or images
            At least two samples. A DataFrame may have categorical columns if the autoencoder
            accepts them.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted imputer.

        Raises
        ------
        ValueError
            If X has no observed value, or if the autoencoder refuses NaN.
        """
        with restore_state_on_error(self):
            self._fit(X)
        return self

    def _fit(self, X):
        """Fit the imputation that suits the layout of X."""
        seed = resolve_seed(self.random_state)
        self._table = None
        self.regression_weights_ = self.imputation_errors_ = None
        X, missing = self._check_X(X, reset=True)
        self.indicator_features_ = np.flatnonzero(missing.reshape(len(missing), -1).any(0))
        observed = np.flatnonzero(~missing.reshape(len(missing), -1).all(0))
        if len(observed) == 0:
            raise ValueError(
                f"Got only missing values in X of shape {np.shape(X)}, but expected observed "
                "values."
            )
        self._kept = observed
        n_empty = missing[0].size - len(observed)
        if n_empty and np.ndim(X) == 2 and not self.keep_empty_features:
            warn_user(
                f"Got only missing values in {n_empty} column(s) of X, which are dropped. Set "
                "keep_empty_features=True to impute them by 0."
            )
        if self.keep_empty_features or np.ndim(X) > 2:
            self._kept = np.arange(missing[0].size)
        if np.ndim(X) > 2 or is_table(X):
            self._check_autoencoder_only(X)
            if is_table(X):
                self.autoencoder_ = self._clone_autoencoder(X, seed).fit(X, None)
            else:
                self._fit_autoencoder(X, seed)
            return
        autoencoder = self._clone_autoencoder(X[:, observed], seed)
        is_frozen = autoencoder is self.autoencoder
        rng = np.random.default_rng([seed, HIDING_STREAM])
        self.autoencoder_ = autoencoder
        self._table = TableImputation.fit(autoencoder, X, rng, is_frozen=is_frozen)
        weights, errors = np.zeros((2, X.shape[1]))
        weights[observed] = self._table.weights
        errors[observed] = self._table.errors * self._table.scale
        self.regression_weights_ = weights[self._kept]
        self.imputation_errors_ = errors[self._kept]

    @uses_default_torch_state
    def transform(self, X: MatrixLike) -> Any:
        """Impute the missing values of X.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features), or images
            In the layout of `fit`.

        Returns
        -------
        X_imputed : ndarray, torch.Tensor or DataFrame of shape (n_samples, n_features_out)
            A copy of X with imputed missing values, of the type of X. Arrays of integers become
            float64. Integer and boolean columns of a DataFrame keep their dtype, and imputed values
            are rounded. `set_output` selects another type.
        """
        check_is_fitted(self)
        checked, missing = self._check_X(X, reset=False)
        values = self._estimate(checked)
        indicators = missing.reshape(len(missing), -1)[:, self.indicator_features_]
        if is_table(X):
            filled = fill_table(X, missing, values, self._kept)
            if self.add_indicator:
                filled = self._with_indicators(filled, indicators)
            return filled
        filled = fill_array(checked, missing, values)
        if filled.ndim == 2:
            filled = filled[:, self._kept]
        if self.add_indicator:
            filled = np.hstack([filled, indicators.astype(filled.dtype)])
        if isinstance(X, torch.Tensor) and wants_tensor(self, X):
            return torch.from_numpy(filled).to(X.device)
        return filled

    def _check_rows_are_independent(self):
        """Raise an error if results of chunks would share their random draws."""
        if self.sample_posterior:
            raise ValueError(
                "Got sample_posterior=True with X as a dask collection, but draws need all rows. "
                "Pass X.compute(), or set sample_posterior=False."
            )

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Return the names of the columns of the result.

        Parameters
        ----------
        input_features : array-like of str of shape (n_features,), default=None
            Names of the columns of X. None: `feature_names_in_`, or ``x0``, ``x1``, ....

        Returns
        -------
        names : ndarray of str of shape (n_features_out,)
            The names of the kept columns, then ``missingindicator_`` and the names of the columns
            with missing values, if `add_indicator` is true.
        """
        check_is_fitted(self)
        names = check_feature_names_in(self, input_features)
        kept = names[self._kept]
        if not self.add_indicator:
            return kept
        indicators = [f"missingindicator_{names[i]}" for i in self.indicator_features_]
        return np.concatenate([kept, np.array(indicators, dtype=object)])

    def _check_X(self, X, *, reset):
        """Validate X.

        Returns
        -------
        X : ndarray of shape (n_samples, ...), or a DataFrame with other than numeric columns
            With NaN for missing values.
        missing : ndarray of bool of the shape of X
            Mask of the missing values.
        """
        uses_nan = np.isnan(self.missing_values)
        is_numeric_fit = not reset and self._table is not None
        if is_table(X) and not is_numeric(X) and not is_numeric_fit:
            if not uses_nan:
                raise ValueError(
                    f"Got missing_values={self.missing_values!r} with a table that has other than "
                    "numeric columns. Replace this value by None, and set missing_values=np.nan."
                )
            validate_data(self, X, reset=reset, skip_check_array=True)
            return X, missing_cells(X)
        X = as_numpy(X)
        if np.ndim(X) > 2 and not is_numeric_fit:
            rows = X
        else:
            rows = as_ndarray(check_rows(self, X, reset=reset, allow_nan=uses_nan))
        if uses_nan:
            return rows, np.isnan(rows)
        missing = rows == self.missing_values
        if missing.any():
            rows = fill_array(rows, missing, np.full(rows.shape, np.nan))
        return rows, missing

    def _check_autoencoder_only(self, X):
        """Raise an error for parameters that need a numeric table."""
        kind = "a table that has other than numeric columns"
        if np.ndim(X) > 2:
            kind = f"images of shape {np.shape(X)[1:]}"
        if self.sample_posterior:
            raise ValueError(
                f"Got sample_posterior=True with {kind}, but draws need a numeric table. Set "
                "sample_posterior=False."
            )
        if self.add_indicator and np.ndim(X) > 2:
            raise ValueError(
                f"Got add_indicator=True with {kind}, but indicators are columns of a table. Set "
                "add_indicator=False."
            )

    def _clone_autoencoder(self, X, seed):
        """Return an unfitted, seeded clone that accepts NaN, or a ``FrozenEstimator`` as it is."""
        cloned = super()._clone_autoencoder(X, seed)
        if cloned is self.autoencoder:
            return cloned
        names = [name for name in cloned.get_params() if name.split("__")[-1] == "allow_nan"]
        return cloned.set_params(**dict.fromkeys(names, True))

    def _default_autoencoder(self, X):
        """Return the default for X: as many latent dimensions as a table has columns."""
        if np.ndim(X) > 2:
            return ConvAutoencoder(allow_nan=True)
        n_components = "auto"
        if np.shape(X)[1] <= MAX_COMPONENTS:
            n_components = np.shape(X)[1]
        return DenseAutoencoder(n_components, allow_nan=True, corruption="masking")

    def _with_indicators(self, filled, indicators):
        """Return a data frame with boolean columns appended."""
        names = self.get_feature_names_out()[len(self._kept) :]
        columns = dict(zip(names, indicators.T, strict=True))
        if hasattr(filled, "iloc"):
            return filled.assign(**columns)
        series = type(filled.to_series(0))
        return filled.with_columns(
            [series(name, values.tolist()) for name, values in columns.items()]
        )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = bool(np.isnan(self.missing_values))
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _estimate(self, X):
        """Return estimates of the missing values of checked X, in its shape."""
        if self._table is None:
            return reconstruct(self.autoencoder_, X)
        rng = None
        if self.sample_posterior:
            rng = np.random.default_rng([resolve_seed(self.random_state), DRAWING_STREAM])
        values = np.zeros(X.shape)
        values[:, self._table.kept] = self._table.impute(self.autoencoder_, X, rng)
        return values
