"""Losses of a reconstruction: functions ``(x_hat, x) -> one loss per sample``.

Each loss is the mean over all dimensions but the first, so that it does not grow with the number of
features.
"""

import torch
from torch.nn import functional

__all__ = ["absolute_error", "log_loss", "squared_error", "weighted_mean"]


def squared_error(x_hat: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Compute the mean squared error over the features: ``mean((x_hat - x)^2)``.

    Parameters
    ----------
    x_hat, x : torch.Tensor of shape (n_samples, ...)
        Reconstructions and inputs.

    Returns
    -------
    loss : torch.Tensor of shape (n_samples,)
        In squared units of `x`.
    """
    return functional.mse_loss(x_hat, x, reduction="none").flatten(1).mean(1)


def absolute_error(x_hat: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Compute the mean absolute error over the features: ``mean(|x_hat - x|)``.

    Outliers in single features weigh less than in `squared_error`.

    Parameters
    ----------
    x_hat, x : torch.Tensor of shape (n_samples, ...)
        Reconstructions and inputs.

    Returns
    -------
    loss : torch.Tensor of shape (n_samples,)
        In units of `x`.
    """
    return (x_hat - x).abs().flatten(1).mean(1)


def log_loss(logits: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Compute the mean binary cross-entropy over the features.

    The loss is ``mean(-x log p - (1 - x) log(1 - p))`` with ``p = sigmoid(logits)``. It is computed
    from the logits, so that large logits neither overflow nor lose precision.

    Parameters
    ----------
    logits : torch.Tensor of shape (n_samples, ...)
        Reconstructions before the sigmoid.
    x : torch.Tensor of shape (n_samples, ...)
        Inputs between 0 and 1.

    Returns
    -------
    loss : torch.Tensor of shape (n_samples,)
        In nats.
    """
    target = x.to(logits.dtype)
    losses = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return losses.flatten(1).mean(1)


def weighted_mean(losses: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Compute the weighted mean of the losses of samples.

    Parameters
    ----------
    losses : torch.Tensor of shape (n_samples,)
        One loss per sample.
    weights : torch.Tensor of shape (n_samples,), default=None
        Sample weights; None means equal weights.

    Returns
    -------
    loss : torch.Tensor of shape ()
        The mean.
    """
    if weights is None:
        return losses.mean()
    return torch.dot(losses, weights.to(losses.dtype)) / weights.sum()
