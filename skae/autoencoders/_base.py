"""The base of all autoencoders: fit, transform, inverse_transform, reconstruct and score."""

import math
from abc import ABCMeta, abstractmethod
from numbers import Integral, Real
from typing import Any, Self, overload

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted
from torch.nn import functional

from skae._devices import uses_default_torch_state
from skae._input.dask_rows import DaskMixin
from skae._input.streaming import stream_if_large
from skae._input.training_data import TrainingData
from skae._input.units import warn_if_other_units
from skae._input.validation import (
    check_code_names,
    check_codes,
    check_finite,
    check_reconstructions,
    check_weights,
)
from skae._options import OptionsMixin
from skae._parameter_names import names_parameters
from skae._persistence import NetworkPersistenceMixin, restore_state_on_error
from skae._sklearn_compat import fit_context
from skae._training.fit import fit_in_one_pass, fit_or_restore
from skae._training.net import AutoencoderNet
from skae._typing import ArrayLike, MatrixLike
from skae._warnings import warn_user
from skae.autoencoders._hooks import NetworkHooks
from skae.autoencoders._html import SummaryMixin
from skae.autoencoders._inference import (
    apply_in_chunks,
    encoder_input,
    explained_variance,
    reconstruction_errors,
)
from skae.autoencoders._output import OutputMixin
from skae.autoencoders._parameters import (
    OPTION_WORDS,
    PARAMETER_CONSTRAINTS,
    check_parameter_combinations,
    has_array_attributes,
    warn_unused_parameters,
)
from skae.autoencoders._summary import TextSummaryMixin
from skae.distributed._context import with_all_processes

__all__ = ["BaseAutoencoder"]


class BaseAutoencoder(
    DaskMixin,
    SummaryMixin,
    TextSummaryMixin,
    OutputMixin,
    OptionsMixin,
    NetworkPersistenceMixin,
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    NetworkHooks,
    BaseEstimator,
    metaclass=ABCMeta,
    row_methods=("transform", "inverse_transform", "reconstruct", "reconstruction_error"),
):
    """Base class of autoencoders.

    Subclasses add parameters, the check of X and the configuration of the network.
    """

    n_components_: int
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]
    init_: str
    net_: AutoencoderNet
    n_iter_: int
    best_iter_: int
    loss_curve_: list[float]
    history_: dict[str, NDArray[np.float64]]
    validation_scores_: list[float] | None
    validation_iters_: list[int] | None
    best_validation_score_: float | None
    best_loss_: float
    batch_size_: int
    max_iter_: int
    learning_rate_init_: float
    precision_: str
    n_folds_: int
    n_held_out_: int
    code_steps_: NDArray[np.float64]
    explained_variance_ratio_: NDArray[np.float64]
    codebooks_: NDArray[np.float32]
    codebook_usage_: NDArray[np.float64]

    _parameter_constraints = PARAMETER_CONSTRAINTS
    _option_words = OPTION_WORDS
    _takes_images = False

    def _validate_params(self):
        if isinstance(self.learning_rate, Real):
            raise ValueError(
                f"Got learning_rate={self.learning_rate!r}, but expected a schedule, such as "
                "'auto'. Use learning_rate_init for the number."
            )
        super()._validate_params()

    @abstractmethod
    def _check_X(self, X, *, reset, sample_weight=None):
        """Return X as checked flat rows; `reset` is true in fit, and stores the layout of X."""

    @abstractmethod
    def _network_config(self, options, objective):
        """Return the configuration of the network, from options of all networks, and objective."""

    @names_parameters
    @with_all_processes
    @uses_default_torch_state
    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: MatrixLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: MatrixLike | None = None,
    ) -> Self:
        """Fit the autoencoder to X.

        Parameters
        ----------
        X : array-like, sparse matrix or torch.Tensor of shape (n_samples, n_features) or of images
            At least two samples, finite, in any real dtype. With `allow_nan`, NaN is a missing
            value. Sparse matrices are for `DenseAutoencoder` only.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets, used only if `target_weight` is positive: classes of any kind, or continuous
            numbers, which are floats that are not all integers. NaN and None are missing targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights, used for mean, scale, components, training and validation. None: all
            samples have the same weight.
        X_val : array-like, sparse matrix or torch.Tensor, default=None
            Validation set that selects the epoch, instead of a share of X. It has no targets, so
            the supervised loss takes no part in the selection.

        Returns
        -------
        self : object
            The fitted autoencoder.

        Raises
        ------
        ValueError
            If X or a parameter is invalid, or if the loss becomes NaN or infinite. In the latter
            case the last good weights are kept.
        """
        # arguments of scikit-learn's callbacks; a ScoringMonitor needs a y: that is X
        hooks: dict[str, object] = {"X": X, "y": X if y is None else y}
        if sample_weight is not None:
            hooks["metadata"] = {"sample_weight": sample_weight}
        resume = self.warm_start and hasattr(self, "net_")
        with restore_state_on_error(self):
            check_parameter_combinations(self)
            data = TrainingData.check(self, X, y, sample_weight, X_val, resume=resume)
            if len(data) < 2:  # with warm_start
                raise ValueError(
                    f"Found array with 1 sample(s) while a minimum of 2 is required by "
                    f"{type(self).__name__}.fit. Call partial_fit for a single sample."
                )
            warn_unused_parameters(self, len(data), has_validation_set=X_val is not None)
            result = fit_or_restore(self, data, hooks, resume=resume)
        result.install(self)
        return self

    @names_parameters
    @with_all_processes
    @uses_default_torch_state
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: MatrixLike, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train on X in one pass at a constant learning rate.

        There is no validation set, no progress bar and no call of scikit-learn's callbacks. The
        first call determines layout, mean, scale and principal components of X, so it needs enough
        samples.

        Parameters
        ----------
        X : array-like, sparse matrix or torch.Tensor of shape (n_samples, n_features) or of images
            At least two rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets, as in `fit`. The first call must contain all classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights. None: all samples have the same weight.

        Returns
        -------
        self : object
            The autoencoder.
        """
        resume = hasattr(self, "net_")
        self._validate_params()  # which fit_context leaves out for calls after the first
        with restore_state_on_error(self):
            check_parameter_combinations(self)
            if not resume and not isinstance(self.n_components, Integral | str):
                raise ValueError(
                    f"Got n_components={self.n_components!r}, but partial_fit expects an int: "
                    "only fit can cut a code to a share of the variance."
                )
            data = TrainingData.check(self, X, y, sample_weight, resume=resume)
            result = fit_in_one_pass(self, data, resume=resume)
        result.install(self)
        return self

    @overload
    def transform(self, X: torch.Tensor) -> torch.Tensor: ...
    @overload
    def transform(self, X: MatrixLike) -> NDArray[np.float32]: ...
    @uses_default_torch_state
    def transform(self, X):
        """Encode X.

        Parameters
        ----------
        X : array-like, sparse matrix or torch.Tensor of shape (n_samples, n_features) or of images
            Samples in the shape of fit, or as flat rows.

        Returns
        -------
        Z : ndarray or torch.Tensor of shape (n_samples, n_components)
            Latent vectors, float32. A tensor if X is one, on its device. Lazy if X is a dask
            collection, also in the methods below.
        """
        self._check_is_fitted()
        rows, encode = encoder_input(self.net_, self._known_rows(X))
        return self._to_array(apply_in_chunks(self.net_, encode, rows, self.n_components_), X)

    @overload
    def inverse_transform(self, X: torch.Tensor) -> torch.Tensor: ...
    @overload
    def inverse_transform(self, X: MatrixLike) -> NDArray[Any]: ...
    @uses_default_torch_state
    def inverse_transform(self, X):
        """Decode latent vectors.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_components)
            Latent vectors. With the "ordered" bottleneck the first columns are enough.

        Returns
        -------
        X_original : ndarray or torch.Tensor
            Reconstructions in the shape of fit, in units of X. float32, or float64 if float32 has
            too few digits for the mean of X in fit; with ``output_dtype="input"``, the dtype of X.
            A data frame with the columns and dtypes of fit if X of fit had categories, or if
            ``set_output`` selects data frames.
        """
        self._check_is_fitted()
        codes = check_codes(X, self.n_components_, shorter=self._spec.network.bottleneck.is_nested)
        if hasattr(X, "columns"):
            check_code_names(X, self.get_feature_names_out())

        dtype, computing = self._reconstruction_dtypes()

        def decode(z):
            z = z.to(self.net_.device, torch.float32)
            z = functional.pad(z, (0, self.n_components_ - z.shape[1]))
            x_hat = self.net_.decode(z, computing)
            check_reconstructions(x_hat)
            return x_hat

        X_original = apply_in_chunks(self.net_, decode, codes, self.net_.module_.n_features, dtype)
        return self._to_output_layout(X_original, X, None)

    @overload
    def reconstruct(self, X: torch.Tensor) -> torch.Tensor: ...
    @overload
    def reconstruct(self, X: MatrixLike) -> NDArray[Any]: ...
    @uses_default_torch_state
    def reconstruct(self, X):
        """Encode and decode X.

        Parameters
        ----------
        X : array-like, sparse matrix or torch.Tensor of shape (n_samples, n_features) or of images
            Samples in the shape of fit, or as flat rows.

        Returns
        -------
        X_hat : ndarray or torch.Tensor
            Reconstructions in the shape of X, in units of X. float32, or float64 if float32 has
            too few digits for the mean of X in fit; with ``output_dtype="input"``, the dtype of X.
            A data frame with the columns and dtypes of fit if X of fit had categories, or if
            ``set_output`` selects data frames. Dense also for a sparse matrix.
        """
        self._check_is_fitted()
        given = X
        if not self._has_categories:
            X = stream_if_large(X)
        net = self.net_
        rows, encode = encoder_input(net, self._known_rows(X))
        dtype, computing = self._reconstruction_dtypes()

        def reconstruct(x):
            return net.decode(encode(x), computing)

        X_hat = apply_in_chunks(net, reconstruct, rows, net.module_.n_features, dtype)
        return self._to_output_layout(X_hat, given, np.shape(X))

    @uses_default_torch_state
    def reconstruction_error(self, X: MatrixLike) -> NDArray[np.float64]:
        """Compute the reconstruction error of each sample.

        Parameters
        ----------
        X : array-like, sparse matrix or torch.Tensor of shape (n_samples, n_features) or of images
            Samples in the shape of fit, or as flat rows.

        Returns
        -------
        errors : ndarray of shape (n_samples,)
            Mean squared error of each sample over its known values, float64, in squared units of X.
            If X of fit had categories, a mean over the columns, each standardized.
            With ``signals=True``, each channel is divided by `channel_scale_`.
        """
        self._check_is_fitted()
        errors = reconstruction_errors(self.net_, self._known_rows(X))
        return errors * (self.net_.module_.n_features / self.n_features_in_)

    @uses_default_torch_state
    def score(
        self, X: MatrixLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Compute the share of the variance of X that its reconstruction explains.

        Parameters
        ----------
        X : array-like, sparse matrix or torch.Tensor of shape (n_samples, n_features) or of images
            At least two rows.
        y : Ignored
            Not used, present for API consistency by convention.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights. None: all samples have the same weight.

        Returns
        -------
        score : float
            ``r2_score(X, reconstruct(X), multioutput="variance_weighted")`` on flat rows, with the
            channels of signals divided by `channel_scale_`. It increases with `n_components`, so
            `n_components` is tuned by the score of a later step of a pipeline. NaN, with a warning,
            for fewer than two samples or if all values are missing.
        """
        self._check_is_fitted()
        rows = self._known_rows(X)
        weights = check_weights(sample_weight, rows)
        if weights is None:
            weights = np.ones(len(rows))
        share = float("nan")
        if len(rows) > 1:
            share = explained_variance(self.net_, rows, weights)
        if math.isnan(share):
            text = (
                "R^2 score is not well-defined with fewer than two samples, or if all values are "
                "missing."
            )
            warn_user(text, UndefinedMetricWarning)
        return share

    def _check_is_fitted(self):
        """Raise an error before fit; scikit-learn's check takes as long as a small network."""
        if "net_" not in vars(self):
            check_is_fitted(self)

    def _known_rows(self, X):
        """Return X as rows, checked against the X of fit."""
        rows = self._check_X(X, reset=False)
        if self.allow_nan and not self._spec.network.allow_nan:
            check_finite(rows)  # allow_nan was set after fit
        spec = self._spec
        warn_if_other_units(rows, spec.max_abs, small_share=spec.small_share, dtype=spec.dtype)
        return rows

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.array_api_support = not has_array_attributes(self)
        tags.transformer_tags.preserves_dtype = ["float32"]
        tags.input_tags.allow_nan = self.allow_nan
        tags.target_tags.required = self.target_weight > 0
        return tags
