"""Learning rate schedule and clipping of gradients."""

import math

import torch

__all__ = [
    "clip_gradients",
    "has_diverged",
    "learning_rate_factor",
    "position_in_cycle",
    "set_learning_rate",
]

MAX_WEIGHT = 1e15
"""Largest weight of a training that has not diverged: results of larger ones exceed float32."""

OLD_WEIGHT, NEW_WEIGHT = 0.95, 0.05
"""Weights of the earlier norms and of the present one in the running mean of the norm of the
gradient."""

SMALLEST_NORM = 1e-6
"""Added to the norm of a gradient before a division by it."""

MAX_GROWTH = 1.05
"""The largest factor by which one step may raise the running mean."""


def set_learning_rate(optimizer, step, cycle_ends, warm_up, decay):
    """Set the learning rate of a step in all groups of an optimizer, relative to ``initial_lr``.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        The rate of a group is a float, or a tensor that is changed in place.
    step, cycle_ends
        As in `position_in_cycle`.
    warm_up, decay
        As in `learning_rate_factor`.
    """
    factor = learning_rate_factor(*position_in_cycle(step, cycle_ends), warm_up, decay)
    for group in optimizer.param_groups:
        rate = group["initial_lr"] * factor
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def position_in_cycle(step, cycle_ends):
    """Return the position of a step, or of an epoch, in its cycle, and the length of the cycle.

    Parameters
    ----------
    step : int
        The first is 0.
    cycle_ends : tuple of int
        Number of steps from the first step of the training to the end of each cycle.

    Returns
    -------
    position, length : int
        The first position is 0. Beyond the last cycle the position is at least `length`.
    """
    start = 0
    for end in cycle_ends[:-1]:
        if step < end:
            return step - start, end - start
        start = end
    return step - start, cycle_ends[-1] - start


def learning_rate_factor(step, n_steps, warm_up, decay="linear"):
    """Return the learning rate at a step as a share of its peak.

    A linear warm-up is followed by a decay to zero.

    Parameters
    ----------
    step : int
        The first is 0.
    n_steps : int
        Number of steps of the training, or of a cycle.
    warm_up : float
        Share of the steps in which the learning rate rises.
    decay : {"linear", "cosine"}, default="linear"
        Shape of the decay. "cosine" is the falling half of a cosine.
    """
    done = step / n_steps
    rising, remaining = (done + 1 / n_steps) / warm_up, (1 - done) / (1 - warm_up)
    if decay == "cosine" and remaining < 1:
        remaining = (1 - math.cos(math.pi * remaining)) / 2
    return min(rising, remaining)


def clip_gradients(weights, usual_norm, clip):
    """Shorten gradients that are much longer than usual.

    After one step with such a gradient a training may not recover.

    Parameters
    ----------
    weights : iterable of torch.nn.Parameter
        With gradients, which are scaled in place.
    usual_norm : torch.Tensor of shape () or None
        The running mean of the norm, updated in place; None in the first step.
    clip : float
        The largest norm as a multiple of the usual one.

    Returns
    -------
    usual_norm : torch.Tensor of shape ()
        The updated running mean: the same tensor, except in the first step.
    """
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    if usual_norm is None:
        usual_norm = norm.clone()
    else:
        mean = OLD_WEIGHT * usual_norm + NEW_WEIGHT * norm
        usual_norm.copy_(torch.minimum(mean, MAX_GROWTH * usual_norm))
    # torch.nn.utils.clip_grads_with_norm_ converts the largest norm to a float, and so waits for
    # the device in every step
    shortening = (norm + SMALLEST_NORM).reciprocal() * (clip * usual_norm)
    torch._foreach_mul_(gradients, shortening.clamp(max=1.0))
    return usual_norm


def has_diverged(loss, optimizer):
    """Return whether a loss is NaN or infinite, or a weight is after the last step.

    Parameters
    ----------
    loss : float
        Mean loss of an epoch.
    optimizer : torch.optim.Optimizer
        With the weights after the last step of the epoch, which no loss of the epoch depends on.
    """
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    largest = torch.nn.utils.get_total_norm(weights, math.inf)
    return not (math.isfinite(loss) and float(largest) <= MAX_WEIGHT)
