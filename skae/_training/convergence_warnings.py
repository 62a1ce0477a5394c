"""Warnings after a fit with a result of little use, and the error of a diverged fit."""

import torch
from sklearn.exceptions import ConvergenceWarning

from skae._input.dtypes import to_tensor
from skae._input.rows import row_chunks, row_subset, sample_indices
from skae._training.code_statistics import standardized_chunks
from skae._training.optimizers import resolve_optimizer
from skae._warnings import warn_user

__all__ = [
    "divergence_error",
    "warn_if_diverged",
    "warn_latent_collapse",
    "warn_lost_folds",
    "warn_not_converged",
]

MIN_INCREASE = 10
"""A training has diverged if its last loss is this many times the loss of the mean, or, without
validation samples, of its lowest loss. Overfitting increases the validation loss by less than 2."""

NEGLIGIBLE_LOSS = 1e-3
"""Least reference of a training loss; the squared error of the mean is about 1. With as many
components as samples the lowest loss is a rounding error."""

MIN_EPOCHS_IF_DECREASING = 1 / 4
"""With less than this share of the default epochs a decreasing validation loss is a reason to
warn."""

MIN_EPOCHS = 1 / 10
"""With less than this share of the default epochs there is a warning in any case."""

MIN_DECREASE = 0.01
"""The relative decrease of the loss in the last fifth of a training from which on more epochs are
worth their time."""

MIN_EXPLAINED = 0.1
"""Latent vectors that explain less than this share of the variance that PCA explains have
collapsed."""

MAX_SAMPLES = 4096
"""The most latent vectors that are tested for a collapse."""


def warn_not_converged(estimator, monitor, *, resumed):
    """Warn if the user set too few epochs.

    Parameters
    ----------
    estimator : BaseAutoencoder
        As the user set it.
    monitor : EarlyStopping
        At the end of the training.
    resumed : bool
        Whether the fit continued an earlier one. Then earlier epochs count as well.
    """
    default = monitor.plan.default_epochs
    if (
        estimator.max_iter == "auto"
        or resumed
        or monitor.epochs >= MIN_EPOCHS_IF_DECREASING * default
    ):
        return
    if not monitor.baseline or len(monitor.initial.losses) < 2:
        return  # there is no validation loss, or that of one sample
    if monitor.epochs < MIN_EPOCHS * default:
        warn_user(
            f"max_iter={monitor.epochs} is less than a tenth of the {default} epochs that 'auto' "
            "would use. Increase max_iter, or set max_iter='auto'.",
            ConvergenceWarning,
        )
    elif monitor.epoch == monitor.epochs and _is_decreasing(monitor):
        warn_user(
            f"Validation loss was still decreasing at max_iter={monitor.epochs} ('auto' would use "
            f"{default} epochs). Increase max_iter, or set max_iter='auto'.",
            ConvergenceWarning,
        )


def warn_if_diverged(estimator, monitor, rate):
    """Warn if the loss at the end of a training is finite, but far too large.

    Parameters
    ----------
    estimator : BaseAutoencoder
        As the user set it.
    monitor : EarlyStopping
        At the end of the training.
    rate : float
        The learning rate that was used.

    Returns
    -------
    diverged : bool
        Whether there was a warning.
    """
    losses = monitor.reconstruction_losses
    reference, name = max(losses[0], monitor.baseline), "the validation loss of the mean"
    if not monitor.validation_batches:
        losses = [epoch["train_loss"] for epoch in monitor.net.history if "train_loss" in epoch]
        reference = max(min(losses, default=0.0), NEGLIGIBLE_LOSS)
        name = f"the lowest training loss (at least {NEGLIGIBLE_LOSS})"
    if reference <= 0 or losses[-1] <= MIN_INCREASE * reference:
        return False  # NaN is never below, and warns
    usual = monitor.plan.default_learning_rate * resolve_optimizer(estimator.solver)[2]
    epoch = monitor.best_or_initial().epoch
    kept = f"those of epoch {epoch}"
    if epoch == 0:
        kept = "the initial ones, PCA unless init or warm_start is set"
    warn_user(
        f"The training diverged: the loss after epoch {monitor.epoch} is "
        f"{losses[-1] / reference:.3g} times {name}. Got "
        f"learning_rate_init={estimator.learning_rate_init!r}, which is {rate:.3g}, and 'auto' is "
        f"{usual:.3g}. The selected weights are {kept}. Decrease learning_rate_init.",
        ConvergenceWarning,
    )
    return True


def warn_lost_folds(estimator):
    """Warn if a cross-validated fit was continued without its folds, and training was discarded.

    Parameters
    ----------
    estimator : BaseAutoencoder
        As the earlier fit left it.
    """
    if estimator.n_folds_ < 2:
        return
    warn_user(
        f"The earlier fit was cross-validated with {estimator.n_folds_} folds, and the networks of "
        "the folds are not part of a pickled or saved autoencoder. The validation set of this fit "
        "therefore contains samples that the network was trained on, so that no gain was found, "
        "and the weights are unchanged. Set early_stopping=False to train without a validation "
        "set, or fit again with more epochs.",
        ConvergenceWarning,
    )


def _is_decreasing(monitor):
    """Return whether the loss decreased in the last fifth of a training that was kept."""
    if monitor.best_or_initial() is monitor.initial:
        return False
    losses = zip(monitor.evaluated_epochs, monitor.losses, strict=True)
    earlier = [loss for epoch, loss in losses if epoch <= 0.8 * monitor.epochs]
    lowest_before = min(earlier[-1], *monitor.losses[:-1])
    return monitor.losses[-1] < (1 - MIN_DECREASE) * lowest_before


@torch.no_grad()
def warn_latent_collapse(estimator, config, network, rows, pca):
    """Warn if latent vectors have no information, or codebook vectors no use.

    Both can happen where reconstruction is not the only objective.

    Parameters
    ----------
    estimator : BaseAutoencoder
        As the user set it.
    config : NetworkConfig
        Its bottleneck and penalty.
    network : skae.networks.autoencoder.Autoencoder
        Trained.
    rows : array-like of shape (n, d)
        Training samples.
    pca : PCAResult or None
        Their PCA; None if it is not known.
    """
    option = config.penalty
    if option is None and config.bottleneck.has_cost:
        option = config.bottleneck
    if pca is None or option is None or estimator.target_weight:
        return
    sample = row_subset(rows, sample_indices(rows, MAX_SAMPLES))
    error = total = 0.0
    for chunk in row_chunks(len(sample), max(rows.shape[1], network.max_features_held)):
        x = to_tensor(sample[chunk], network.centre.scale.device)
        residual, centered = network.residual(x)
        error += float(residual.cpu().double().square().nansum())
        total += float(centered.cpu().double().square().nansum())
    k = len(network.whitening)
    explained_by_pca = float(pca.variances[:k].sum()) / max(pca.total, 1e-300)
    if config.has_linear_part and total - error < MIN_EXPLAINED * explained_by_pca * total:
        warn_user(
            "The latent vectors have collapsed: their reconstructions explain "
            f"{_share(total - error, total)} of the variance, and PCA with as many components "
            f"{explained_by_pca:.3f}. Got the weight {option.weight:g} in "
            f"{type(option).__name__}: decrease it."
        )
        return
    message = config.bottleneck.collapse_message(
        network, standardized_chunks(network, sample, None)
    )
    if message is not None:
        warn_user(message)


def _share(part, total):
    """Return a share as text."""
    return f"{max(0.0, part / max(total, 1e-300)):.3f}"


def divergence_error(estimator, rate, epoch):
    """Return the error of a training with a loss that is NaN or infinite.

    Parameters
    ----------
    estimator : BaseAutoencoder
        As the user set it.
    rate : float
        The learning rate that was used.
    epoch : int
        The epoch in which it happened; the first is 1.
    """
    causes = ""
    for name in ("loss", "bottleneck", "penalty", "corruption"):
        option = getattr(estimator, name)
        if option is not None and not isinstance(option, str):
            causes += f" Check that {name}={option!r} is finite."
    return ValueError(
        f"The loss was NaN or infinite, or weights were too large, in epoch {epoch}. "
        f"Got learning_rate_init={estimator.learning_rate_init!r}, which is {rate:.3g} here: "
        f"decrease it.{causes} The weights from before are kept."
    )
