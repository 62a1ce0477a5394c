"""What every autoencoder does: fit, transform, inverse_transform, reconstruct, and score."""

import math
from abc import ABCMeta, abstractmethod
from numbers import Integral, Real
from typing import Self, overload

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted
from torch.nn import functional

from skae import _validation as check
from skae._fitting import train, train_once
from skae._html import SummaryMixin
from skae._net import AutoencoderNet
from skae._preparing import Preparation
from skae._state import KeepsNetwork, unchanged_on_error
from skae._typing import ArrayLike, MatrixLike
from skae._using import errors, explained, run
from skae._validation import Interval, RealNotInt, StrOptions, fit_context
from skae._warning import advise
from skae.networks.blocks import ACTIVATIONS

__all__ = ["BaseAutoencoder"]


class BaseAutoencoder(
    SummaryMixin,
    KeepsNetwork,
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
    metaclass=ABCMeta,
):
    """Everything but the parameters, the check of X and the network, which the two estimators add."""

    n_components_: int
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]
    init_: str
    net_: AutoencoderNet
    n_iter_: int
    best_iter_: int
    loss_curve_: list[float]
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

    _parameter_constraints = {
        "n_components": [
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="neither"),
            StrOptions({"auto"}),
        ],
        "bottleneck": [StrOptions({"deterministic", "ordered", "variational", "quantized"})],
        "codebook_size": [Interval(Integral, 2, None, closed="left"), StrOptions({"auto"})],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "init": [StrOptions({"auto", "random"})],
        "loss": [StrOptions({"squared_error", "absolute_error", "log_loss"})],
        "corruption": [StrOptions({"gaussian", "masking", "salt_and_pepper", "patches"}), callable, None],
        "corruption_level": [Interval(Real, 0, None, closed="left"), tuple, list],
        "penalty": [StrOptions({"sparsity", "contraction", "decorrelation", "rate"}), None],
        "penalty_weight": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "target_weight": [Interval(Real, 0, None, closed="left")],
        "solver": [StrOptions({"adamw", "adam", "rmsprop", "sgd"}), callable],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "max_iter": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), StrOptions({"auto"})],
        "warm_start": ["boolean"],
        "device": [str],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "allow_nan": ["boolean"],
        "net_params": [dict, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    @abstractmethod
    def _check_X(self, X, *, reset):
        """Turn X into checked rows; `reset` is true in fit, and remembers how X lies."""

    @abstractmethod
    def _network(self, options):
        """Complete the options that all networks share with those of this one."""

    def _view(self):
        """Say what of a row PCA sees: a function of centred rows, or None for all of it."""

    def _links(self, n_features):
        """Say whether gaps in rows so wide are filled by what the rest of the row says, in place of the mean."""
        return False

    # ------------------------------------------------------------------------------------------------- learning

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: MatrixLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: MatrixLike | None = None,
    ) -> Self:
        """Learn to encode and to decode X.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features) or of images
            At least two rows, real and finite, in any real dtype; with `allow_nan` NaN is a gap.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets; only looked at if `target_weight` is above 0. Classes of any kind, or continuous numbers: floats that are
            not all whole. NaN and None stand for targets that are not known.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts: in mean, scale, components, training and validation.
        X_val : array-like or torch.Tensor, default=None
            Rows to choose the epoch by, in place of a share of X; without targets, so they judge all but those.

        Returns
        -------
        self : object
            The fitted autoencoder.

        Raises
        ------
        ValueError
            If X or a parameter is not as described, or if the loss is no longer a number. In the latter case the
            autoencoder is left with the last good weights.
        """
        # what scikit-learn's callbacks see; a ScoringMonitor wants a y, which for an autoencoder is X
        hooks: dict[str, object] = {"X": X, "y": X if y is None else y}
        if sample_weight is not None:
            hooks["metadata"] = {"sample_weight": sample_weight}
        go_on = self.warm_start and hasattr(self, "net_")
        with unchanged_on_error(self):
            self._check_together()
            rows = self._check_X(X, reset=not go_on)
            weights = check.check_weights(sample_weight, rows)
            held_out = None if X_val is None else self._check_X(X_val, reset=False)
            problem = train(Preparation(self, rows, weights, held_out, y, go_on=go_on), hooks)
        if problem is not None:
            raise problem
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: MatrixLike, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Learn from X in one pass, at a constant learning rate, with no rows held out, progress bar or scikit-learn callbacks.

        The first call fixes how X lies, its mean, scale and principal components, so it should see enough rows.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features) or of images
            At least two rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets, as in `fit`; the first call has to see all classes.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts.

        Returns
        -------
        self : object
            The autoencoder.
        """
        go_on = hasattr(self, "net_")
        self._validate_params()  # which fit_context leaves out for calls after the first
        with unchanged_on_error(self):
            self._check_together()
            if not go_on and not isinstance(self.n_components, Integral | str):
                raise ValueError(
                    f"Got n_components={self.n_components!r} in partial_fit, but expected an int: only fit cuts a code."
                )
            rows = self._check_X(X, reset=not go_on)
            weights = check.check_weights(sample_weight, rows)
            problem = train_once(Preparation(self, rows, weights, None, y, go_on=go_on, one_pass=True))
        if problem is not None:
            raise problem
        return self

    def _check_together(self):
        """Refuse parameters that are each valid, but not together."""
        if not isinstance(self.n_components, Integral | str) and self.bottleneck != "ordered":
            raise ValueError(
                f"Got n_components={self.n_components!r} with bottleneck={self.bottleneck!r}, but expected an int: only an "
                "'ordered' code is cut to the length that reaches a share of the variance."
            )
        if self.penalty is not None and (
            self.bottleneck in ("variational", "quantized") or (self.penalty == "rate" and self.bottleneck == "ordered")
        ):
            raise ValueError(
                f"Got penalty={self.penalty!r} with bottleneck={self.bottleneck!r}, but expected one of the two: each of them "
                "says what is asked of the codes."
            )
        if self.penalty == "rate" and self.penalty_weight == 0:
            raise ValueError("Got penalty_weight=0 with penalty='rate', but expected more: it says how finely codes are told.")
        if self.penalty in ("sparsity", "contraction", "decorrelation"):
            if self.batch_size == 1:
                raise ValueError(f"Got batch_size=1 with penalty={self.penalty!r}, but expected 2 or more: rows are compared.")
            if self.penalty == "contraction" and (self.net_params or {}).get("compile"):
                raise ValueError(
                    "Got net_params with compile=True and penalty='contraction', but expected one of the two: torch can't "
                    "differentiate compiled functions twice."
                )

    # --------------------------------------------------------------------------------------------------- using

    @overload
    def transform(self, X: torch.Tensor) -> torch.Tensor: ...
    @overload
    def transform(self, X: MatrixLike) -> NDArray[np.float32]: ...
    def transform(self, X):
        """Encode X.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features) or of images
            Laid out as in fit, or as flat rows of the same numbers.

        Returns
        -------
        Z : ndarray or torch.Tensor of shape (n_samples, n_components)
            Codes, float32. A tensor for a tensor, on its device.
        """
        check_is_fitted(self)
        rows = self._known_rows(X)
        return self._answer(run(self.net_, self.net_.encode, rows, self.n_components_), X)

    @overload
    def inverse_transform(self, X: torch.Tensor) -> torch.Tensor: ...
    @overload
    def inverse_transform(self, X: MatrixLike) -> NDArray[np.float32]: ...
    def inverse_transform(self, X):
        """Decode codes.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_components)
            Codes; of "ordered" ones the first columns will do.

        Returns
        -------
        X_original : ndarray or torch.Tensor
            Reconstructions in the layout that fit saw, float32, in units of the X of fit.
        """
        check_is_fitted(self)
        codes = check.check_codes(X, self.n_components_, shorter=self._spec["network"]["bottleneck"] == "ordered")

        def decode(z):
            z = z.to(self.net_.device, torch.float32)
            return self.net_.decode(functional.pad(z, (0, self.n_components_ - z.shape[1])))

        return self._shape(self._answer(run(self.net_, decode, codes, self.n_features_in_), X, always=True), None)

    @overload
    def reconstruct(self, X: torch.Tensor) -> torch.Tensor: ...
    @overload
    def reconstruct(self, X: MatrixLike) -> NDArray[np.float32]: ...
    def reconstruct(self, X):
        """Encode and decode X.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features) or of images
            Laid out as in fit, or as flat rows.

        Returns
        -------
        X_hat : ndarray or torch.Tensor
            In the shape of the X given, float32, in its units.
        """
        check_is_fitted(self)
        rows = self._known_rows(X)
        net = self.net_
        found = run(net, lambda x: net.decode(net.encode(x)), rows, self.n_features_in_)
        return self._shape(self._answer(found, X, always=True), np.shape(X))

    def reconstruction_error(self, X: MatrixLike) -> NDArray[np.float64]:
        """Measure how far each row is from its reconstruction.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features) or of images
            Laid out as in fit, or as flat rows.

        Returns
        -------
        errors : ndarray of shape (n_samples,)
            Mean squared error of each row, over the numbers that are there, float64, in squared units of X.
        """
        check_is_fitted(self)
        return errors(self.net_, self._known_rows(X))

    def score(self, X: MatrixLike, y: object = None, sample_weight: ArrayLike | None = None) -> float:
        """Give the share of the variance of X that its reconstruction explains.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features) or of images
            At least two rows.
        y : Ignored
            Not used, present for API consistency by convention.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts.

        Returns
        -------
        score : float
            ``r2_score(X, reconstruct(X), multioutput="variance_weighted")`` on flat rows. It grows with `n_components`, so
            the number of components is tuned by what comes after the encoder instead. NaN, with a warning, where less than two
            rows, or nothing but gaps, are given.
        """
        check_is_fitted(self)
        rows = self._known_rows(X)
        weights = check.check_weights(sample_weight, rows)
        weights = np.ones(len(rows)) if weights is None else weights
        share = explained(self.net_, rows, weights) if len(rows) > 1 else float("nan")
        if math.isnan(share):
            text = "R^2 score is not well-defined with less than two samples, or with nothing but gaps."
            advise(text, UndefinedMetricWarning)
        return share

    def _known_rows(self, X):
        """Check X against what fit saw."""
        rows = self._check_X(X, reset=False)
        if self.allow_nan and not self._spec["network"]["allow_nan"]:
            check.check_finite(rows)  # set after fit: the network makes NaN of gaps
        check.check_units(rows, self._spec["dtype"])
        return rows

    def _answer(self, found, X, *, always=False):
        """Give a tensor to who gave a tensor, and an array to everyone else."""
        wanted = isinstance(X, torch.Tensor) if always else check.wants_tensor(self, X)
        return found if wanted else found.cpu().numpy()

    def _shape(self, rows, shape):
        """Lay reconstructions out as fit saw X, or as `shape`; tables stay as they are."""
        return rows

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        tags.input_tags.allow_nan = self.allow_nan
        tags.target_tags.required = self.target_weight > 0
        return tags
