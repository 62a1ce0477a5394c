"""Parameters that all autoencoders share: constraints, and combinations that are errors."""

import os
from numbers import Integral, Real

from skae._sklearn_compat import Interval, RealNotInt, StrOptions
from skae._training.objective import resolve_objective
from skae._training.schedules import SCHEDULES
from skae._warnings import warn_user
from skae.autoencoders._architecture import UNIT_CONSTRAINTS, check_architecture
from skae.bottlenecks import BOTTLENECKS, Bottleneck
from skae.corruptions import CORRUPTIONS, Corruption
from skae.losses import LOSSES, Loss
from skae.penalties import PENALTIES, Penalty

__all__ = [
    "OPTION_WORDS",
    "PARAMETER_CONSTRAINTS",
    "check_parameter_combinations",
    "has_array_attributes",
    "warn_unused_parameters",
]

OPTION_WORDS = {
    "bottleneck": BOTTLENECKS,
    "loss": LOSSES,
    "corruption": CORRUPTIONS,
    "penalty": PENALTIES,
}
"""Words of each parameter that is a word or an object."""

AUTO = StrOptions({"auto"})

PARAMETER_CONSTRAINTS = {
    "n_components": [
        Interval(Integral, 1, None, closed="left"),
        Interval(RealNotInt, 0, 1, closed="neither"),
        AUTO,
    ],
    "bottleneck": [StrOptions(set(BOTTLENECKS)), Bottleneck, type],
    **UNIT_CONSTRAINTS,
    "init": [StrOptions({"auto", "random"})],
    "loss": [StrOptions(set(LOSSES)), Loss, callable],
    "corruption": [StrOptions(set(CORRUPTIONS)), Corruption, callable, None],
    "penalty": [StrOptions(set(PENALTIES)), Penalty, type, None],
    "target_weight": [Interval(Real, 0, None, closed="left")],
    "solver": [StrOptions({"adamw", "adam", "rmsprop", "sgd"}), callable],
    "learning_rate": [StrOptions(set(SCHEDULES)), callable],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither"), AUTO],
    "batch_size": [Interval(Integral, 1, None, closed="left"), AUTO],
    "max_iter": [Interval(Integral, 1, None, closed="left"), AUTO],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither"), AUTO],
    "warm_start": ["boolean"],
    "device": [str],
    "precision": [StrOptions({"auto", "float32", "bfloat16"})],
    "allow_nan": ["boolean"],
    "output_dtype": [StrOptions({"auto", "input"})],
    "net_params": [dict, None],
    "random_state": ["random_state"],
    "checkpoint_dir": [str, os.PathLike, None],
    "verbose": ["verbose"],
}

UNIT_DEFAULTS = {"activation": "gelu", "normalization": None, "dropout": 0.0}
"""Parameters of hidden units, which a linear autoencoder does not have."""


def check_parameter_combinations(estimator):
    """Raise an error if parameters exclude each other, or a parameter of an option is invalid.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Each of its own parameters is valid by itself.
    """
    check_architecture(estimator)
    objective = resolve_objective(estimator)
    bottleneck, penalty = objective.bottleneck, objective.penalty
    corruption = objective.corruption
    if not isinstance(estimator.n_components, Integral | str) and not bottleneck.is_nested:
        raise ValueError(
            f"Got n_components={estimator.n_components!r} with "
            f"bottleneck={estimator.bottleneck!r}, but expected an int. Only nested latent "
            "vectors, as with bottleneck='ordered', can be cut to a share of the variance."
        )
    if estimator.allow_nan and not objective.loss.is_elementwise:
        raise ValueError(
            f"Got allow_nan=True with loss={estimator.loss!r}, which is not computed for each "
            "value. Missing values require a loss with `elementwise`, such as 'squared_error'."
        )
    if corruption is not None and corruption.images_only and not estimator._takes_images:
        raise ValueError(
            f"Got corruption={estimator.corruption!r}, which requires images, but expected a "
            "corruption of tables. Use corruption='masking', or a ConvAutoencoder."
        )
    if corruption is not None and corruption.unit_range:
        raise ValueError(
            f"Got corruption={estimator.corruption!r}, which requires samples in [0, 1], but "
            "autoencoders corrupt centered samples. Use an ImageRestorer."
        )
    if objective.masked_weight is not None and not objective.loss.is_elementwise:
        raise ValueError(
            f"Got corruption={estimator.corruption!r} with loss={estimator.loss!r}, which is not "
            "computed for each value. A weight of masked values requires a loss with "
            "`elementwise`, such as 'squared_error'."
        )
    augmentation = objective.augmentation
    if estimator.allow_nan and not getattr(augmentation, "allows_missing", True):
        raise ValueError(
            f"Got augmentation={estimator.augmentation!r} with allow_nan=True, but expected one of "
            "the two. The augmentation interpolates values, and can't interpolate missing ones."
        )
    if objective.features is not None and estimator.init == "random":
        raise ValueError(
            f"Got init='random' with features={estimator.features!r}, but expected init='auto': "
            "the encoder of features starts as their principal components."
        )
    if penalty is not None:
        _check_penalty(estimator, penalty, bottleneck)
        if objective.features is not None and penalty.needs_input_gradient:
            raise ValueError(
                f"Got penalty={estimator.penalty!r} with features={estimator.features!r}, but "
                "features are not differentiated with respect to the pixels. Set features=None, or "
                "another penalty."
            )


def warn_unused_parameters(estimator, n_samples, *, has_validation_set):
    """Warn of each parameter that the user set, and that this fit does not use.

    Parameters
    ----------
    estimator : BaseAutoencoder
        With valid parameters.
    n_samples : int
        Number of training samples.
    has_validation_set : bool
        Whether `fit` got `X_val`.
    """
    fraction = estimator.validation_fraction
    if fraction != "auto" and has_validation_set:
        warn_user(
            f"Got validation_fraction={fraction!r} with X_val, which is the validation set: the "
            "fraction has no effect. Set validation_fraction='auto', or pass no X_val."
        )
    elif fraction != "auto" and not estimator.early_stopping:
        warn_user(
            f"Got validation_fraction={fraction!r} with early_stopping=False, which uses no "
            "validation set: the fraction has no effect. Set one of the two to its default."
        )
    elif fraction != "auto" and round(fraction * n_samples) < 2:
        warn_user(
            f"Got validation_fraction={fraction!r} with {n_samples} samples, but expected a "
            f"validation set of at least 2 samples, a fraction of {2 / n_samples:.2g}. With fewer, "
            "the initial weights are kept."
        )
    if has_validation_set and not estimator.early_stopping:
        warn_user(
            "Got early_stopping=False with X_val, which selects the weights: early_stopping has no "
            "effect. Set early_stopping=True, or pass no X_val."
        )
    if estimator.batch_size != "auto" and estimator.batch_size > n_samples:
        warn_user(
            f"Got batch_size={estimator.batch_size} with {n_samples} samples: the batch size is "
            f"{n_samples}. Decrease batch_size, or set batch_size='auto'."
        )
    if not _is_linear(estimator) or estimator.target_weight:
        return
    for name, default in UNIT_DEFAULTS.items():
        value = getattr(estimator, name)
        if value != default:
            warn_user(
                f"Got {name}={value!r} with hidden_layer_sizes={estimator.hidden_layer_sizes!r}, "
                f"which is a linear autoencoder: {name} has no effect. Set hidden_layer_sizes to "
                f"widths of hidden layers, or {name}={default!r}, the default."
            )


def has_array_attributes(estimator):
    """Return whether bottleneck or penalty have fitted attributes, which are arrays of NumPy."""
    for name, base in (("bottleneck", Bottleneck), ("penalty", Penalty)):
        option = getattr(estimator, name)
        if isinstance(option, str):
            class_ = OPTION_WORDS[name].get(option)
        else:
            class_ = type(option)
        method = getattr(class_, "fitted_attributes", base.fitted_attributes)
        if method is not base.fitted_attributes:
            return True
    return False


def _is_linear(estimator):
    """Return whether neither encoder nor decoder has hidden layers."""
    encoder = getattr(estimator, "hidden_layer_sizes", "auto")
    decoder = getattr(estimator, "decoder_hidden_layer_sizes", "auto")
    if isinstance(encoder, str | Integral) or len(encoder) > 0:
        return False
    return isinstance(decoder, str) or (not isinstance(decoder, Integral) and len(decoder) == 0)


def _check_penalty(estimator, penalty, bottleneck):
    """Raise an error if a penalty does not suit the bottleneck or the training."""
    penalty.check_samples(are_images=estimator._takes_images)
    if estimator.allow_nan and not penalty.allows_missing:
        raise ValueError(
            f"Got penalty={estimator.penalty!r} with allow_nan=True, but expected one of the two. "
            "Views of samples with missing values are not supported."
        )
    has_two_objectives = bottleneck.has_cost
    has_two_noises = penalty.adds_noise and not bottleneck.is_deterministic
    if has_two_objectives or has_two_noises:
        raise ValueError(
            f"Got penalty={estimator.penalty!r} with bottleneck={estimator.bottleneck!r}, but "
            "expected one of the two. Each of them is an objective for the latent vectors."
        )
    if estimator.batch_size != "auto" and estimator.batch_size < penalty.min_batch_size:
        raise ValueError(
            f"Got batch_size={estimator.batch_size} with penalty={estimator.penalty!r}, but "
            f"expected an int >= {penalty.min_batch_size}. The penalty compares the samples of a "
            "batch."
        )
    if penalty.needs_input_gradient and (estimator.net_params or {}).get("compile"):
        raise ValueError(
            f"Got net_params with compile=True and penalty={estimator.penalty!r}, but expected one "
            "of the two. torch can't differentiate compiled functions twice."
        )
