"""Tables as X of an autoencoder: categories of data frames, sparse matrices, missing values."""

from numbers import Integral

from skae._input.table_columns import as_table
from skae._input.table_schema import HANDLE_UNKNOWN, fit_table_schema
from skae._input.validation import check_n_rows, check_rows, check_weights, encode_table
from skae._sklearn_compat import Interval, RealNotInt, StrOptions
from skae.losses import resolve_loss

__all__ = ["TABLE_CONSTRAINTS", "TableInputMixin"]

TABLE_CONSTRAINTS = {
    "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
    "handle_unknown": [StrOptions(set(HANDLE_UNKNOWN))],
    "min_frequency": [
        Interval(Integral, 1, None, closed="left"),
        Interval(RealNotInt, 0, 1, closed="neither"),
        None,
    ],
    "max_categories": [Interval(Integral, 1, None, closed="left"), None],
}
"""Constraints of the parameters for categories."""


class TableInputMixin:
    """Mixin of an autoencoder of tables, with the parameters for categories."""

    def _check_X(self, X, *, reset, sample_weight=None):
        X = as_table(X, self.categorical_features)
        if reset:
            weights = None
            if hasattr(X, "columns"):
                check_n_rows(self, X, 2)
                weights = check_weights(sample_weight, X)
            self._table = fit_table_schema(X, self, weights)
            if self._has_categories and resolve_loss(self.loss).bounds is not None:
                raise ValueError(
                    f"Got loss={self.loss!r} with categories in X, but expected a loss without "
                    "bounds, because columns are standardized. Use loss='squared_error', or encode "
                    "the categories before the autoencoder."
                )
        if self._has_categories:
            table = encode_table(self, X, self._table, allow_nan=self.allow_nan, reset=reset)
            return table.rows
        return check_rows(self, X, reset=reset, accept_sparse=True)

    @property
    def _uses_gaussian_imputation(self):
        return bool(self.allow_nan)
