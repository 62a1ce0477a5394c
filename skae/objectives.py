"""How far a reconstruction is from its input: functions ``(x_hat, x) -> one loss per row``.

All of them average over everything but the first dimension, so that a loss does not grow with the number of pixels.
"""

import torch
from torch.nn import functional

__all__ = ["absolute_error", "log_loss", "squared_error"]


def squared_error(x_hat: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Mean over the features of the squared differences.

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
    """Mean over the features of the absolute differences, which lets single wild cells weigh less.

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
    """Mean over the features of the cross-entropy between `x` and the sigmoid of `logits`.

    Computed from the logits, so that a large one costs neither precision nor an overflow.

    Parameters
    ----------
    logits : torch.Tensor of shape (n_samples, ...)
        What comes before the sigmoid.
    x : torch.Tensor of shape (n_samples, ...)
        Inputs between 0 and 1.

    Returns
    -------
    loss : torch.Tensor of shape (n_samples,)
        In nats.
    """
    return functional.binary_cross_entropy_with_logits(logits, x.to(logits.dtype), reduction="none").flatten(1).mean(1)


def weighted_mean(losses: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Mean of the rows' losses; with weights, the mean in which each row counts as often as its weight says.

    Parameters
    ----------
    losses : torch.Tensor of shape (n_samples,)
        One loss per row.
    weights : torch.Tensor of shape (n_samples,), default=None
        None counts all rows the same.

    Returns
    -------
    loss : torch.Tensor of shape ()
        The mean.
    """
    if weights is None:
        return losses.mean()
    return torch.dot(losses, weights.to(losses.dtype)) / weights.sum()
