"""Learning rate schedule and clipping of gradients."""

import math

import torch

__all__ = ["clip_gradients", "has_diverged", "learning_rate_factor"]

MAX_WEIGHT = 1e15
"""Largest weight of a training that has not diverged: results of larger ones exceed float32."""

OLD_WEIGHT, NEW_WEIGHT = 0.95, 0.05
"""Weights of the earlier norms and of the present one in the running mean of the norm of the
gradient."""

MAX_GROWTH = 1.05
"""The largest factor by which one step may raise that mean."""


def learning_rate_factor(step, n_steps, warm_up):
    """Return the learning rate at a step as a share of its peak.

    A linear warm-up is followed by a linear decay to zero.

    Parameters
    ----------
    step : int
        The first is 0.
    n_steps : int
        Number of steps of the training.
    warm_up : float
        Share of the steps in which the learning rate rises.
    """
    done = step / n_steps
    return min((done + 1 / n_steps) / warm_up, (1 - done) / (1 - warm_up))


def clip_gradients(weights, usual_norm, clip):
    """Shorten gradients that are much longer than usual.

    After one step with such a gradient a training may not recover.

    Parameters
    ----------
    weights : list of torch.nn.Parameter
        With gradients.
    usual_norm : torch.Tensor of shape () or None
        The running mean of the norm; None in the first step.
    clip : float
        The largest norm as a multiple of the usual one.

    Returns
    -------
    usual_norm : torch.Tensor of shape ()
        The updated running mean.
    """
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    if usual_norm is None:
        usual_norm = norm
    else:
        mean = OLD_WEIGHT * usual_norm + NEW_WEIGHT * norm
        usual_norm = torch.minimum(mean, MAX_GROWTH * usual_norm)
    torch.nn.utils.clip_grads_with_norm_(weights, clip * usual_norm, norm)
    return usual_norm


def has_diverged(loss, weights):
    """Return whether a loss is NaN or infinite, or a weight is after the last step.

    Parameters
    ----------
    loss : float
        Mean loss of an epoch.
    weights : list of torch.Tensor
        Weights after the last step of the epoch, which no loss of the epoch depends on.
    """
    largest = torch.nn.utils.get_total_norm(weights, math.inf)
    return not (math.isfinite(loss) and float(largest) <= MAX_WEIGHT)
