"""Warnings after a fit with a result of little use, and the error of a diverged fit."""

import torch
from sklearn.exceptions import ConvergenceWarning

from skae._input.dtypes import to_tensor
from skae._input.rows import row_chunks, sample_indices, take_rows
from skae._training.code_statistics import codebook_usage
from skae._warnings import warn_user

__all__ = ["divergence_error", "warn_latent_collapse", "warn_not_converged"]

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


def _is_decreasing(monitor):
    """Return whether the loss decreased in the last fifth of a training that was kept."""
    if monitor.best_or_initial() is monitor.initial:
        return False
    losses = zip(monitor.evaluated_epochs, monitor.losses, strict=True)
    earlier = [loss for epoch, loss in losses if epoch <= 0.8 * monitor.epochs]
    lowest_before = min(earlier[-1], *monitor.losses[:-1])
    return monitor.losses[-1] < (1 - MIN_DECREASE) * lowest_before


@torch.no_grad()
def warn_latent_collapse(estimator, network, rows, pca):
    """Warn if latent vectors have no information, or codebook vectors no use.

    Both can happen where reconstruction is not the only objective.

    Parameters
    ----------
    estimator : BaseAutoencoder
        As the user set it.
    network : skae.networks.autoencoder.Autoencoder
        Trained.
    rows : array-like of shape (n, d)
        Training samples.
    pca : PCAResult or None
        Their PCA; None if it is not known.
    """
    quantized = estimator.bottleneck == "quantized"
    can_collapse = (
        quantized or estimator.bottleneck == "variational" or estimator.penalty is not None
    )
    if pca is None or not can_collapse or estimator.target_weight:
        return
    sample = take_rows(rows, sample_indices(rows, MAX_SAMPLES))
    error = total = 0.0
    for chunk in row_chunks(len(sample), network.max_features_held):
        x = to_tensor(sample[chunk], network.centre.scale.device)
        residual, centered = network.residual(x)
        error += float(residual.cpu().double().square().nansum())
        total += float(centered.cpu().double().square().nansum())
    k = network.trunk.encoder_linear.weight.shape[0]
    explained_by_pca = float(pca.variances[:k].sum()) / max(pca.total, 1e-300)
    if total - error < MIN_EXPLAINED * explained_by_pca * total:
        warn_user(
            "The latent vectors have collapsed: their reconstructions explain "
            f"{_share(total - error, total)} of the variance, and PCA with as many components "
            f"{explained_by_pca:.3f}. Decrease penalty_weight."
        )
    elif quantized and (codebook_usage(network, sample) > 0).mean() < 0.5:
        warn_user(
            "More than half of the codebook vectors represent no sample. Choose a smaller "
            "codebook_size, or set codebook_size='auto'."
        )


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
    return ValueError(
        f"The loss was NaN or infinite in epoch {epoch}. "
        f"Got learning_rate_init={estimator.learning_rate_init!r}, which is {rate:.3g} here: "
        "decrease it. The weights from before are kept."
    )
