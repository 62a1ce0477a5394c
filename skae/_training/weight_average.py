"""Moving average of the weights of a training."""

from contextlib import contextmanager

import torch

__all__ = ["WeightAverage"]

MAX_STEPS = 200
"""Number of steps that the average reaches back late in a training."""

MAX_SHARE = 0.25
"""The same as a share of all steps so far, early in a training."""


class WeightAverage:
    """Exponential moving average of the weights of a network over the steps of a training [1]_.

    While the learning rate is high, averaged weights have a lower validation loss than the weights
    of any step. An evaluation in the middle of a long training is then about as good as the end of
    a short one.

    Parameters
    ----------
    module : torch.nn.Module
        The network in training.

    Attributes
    ----------
    weights : dict of str to torch.Tensor
        Averages, by the name of the weight.

    References
    ----------
    .. [1] B. T. Polyak and A. B. Juditsky, "Acceleration of stochastic approximation by averaging",
       SIAM Journal on Control and Optimization 30, 1992.
    """

    def __init__(self, module):
        self.module = module
        self.weights = {name: weight.detach().clone() for name, weight in module.named_parameters()}

    @torch.no_grad()
    def update(self, n_steps):
        """Add the weights after a step; `n_steps` is the number of steps so far."""
        n_averaged = max(1.0, min(MAX_SHARE * n_steps, MAX_STEPS))
        trained = [weight.detach() for weight in self.module.parameters()]
        torch._foreach_lerp_(list(self.weights.values()), trained, 1 / n_averaged)

    @contextmanager
    def applied(self):
        """Use the average in the network within a block."""
        trained = {name: weight.detach().clone() for name, weight in self.module.named_parameters()}
        self.module.load_state_dict(self.weights, strict=False)
        try:
            yield
        finally:
            self.module.load_state_dict(trained, strict=False)
