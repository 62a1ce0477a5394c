"""The sum of a training step over several processes: gradients, loss, weight and flags."""

import operator

import torch

__all__ = ["StepSum"]

SMALLEST_WEIGHT = 1e-30
"""Lower bound of the weight of a batch as a divisor: no process may have had enough memory."""


class StepSum:
    """The numbers of a step that processes add, in one tensor, which is one message.

    Parameters
    ----------
    parameters : list of torch.nn.Parameter
        Trained parameters.
    n_flags : int
        Number of flags.
    counts_uses : bool
        Whether processes may use different parameters in a step, as own modules with branches do.

    Attributes
    ----------
    numbers : torch.Tensor of shape (n,)
        All numbers, on the device of the parameters.
    flags : torch.Tensor of shape (n_flags,)
        The last ones.
    """

    def __init__(self, parameters, n_flags, *, counts_uses):
        self.parameters = parameters
        self.counts_uses = counts_uses
        sizes = [one.numel() for one in parameters]
        self._n_gradients = sum(sizes)
        n_counts = 0
        if counts_uses:
            n_counts = len(parameters)
        lengths = [self._n_gradients, 1, 1, n_counts, n_flags]
        self.numbers = torch.zeros(sum(lengths), device=parameters[0].device)
        gradients, self._loss, self._weight, self._counts, self.flags = self.numbers.split(lengths)
        self._used = list(range(len(parameters)))  # indices of the parameters with gradients
        self._gradients = [
            values.view_as(one)
            for values, one in zip(gradients.split(sizes), parameters, strict=True)
        ]

    def has_parameters(self, parameters):
        """Return whether these are the parameters, which callbacks such as Unfreezer change."""
        own = self.parameters
        return len(own) == len(parameters) and all(map(operator.is_, own, parameters))

    def write(self, loss, weight):
        """Write the gradients of the parameters, loss and weight, neither divided yet."""
        self._used = used = [i for i, one in enumerate(self.parameters) if one.grad is not None]
        if len(used) < len(self.parameters):
            self.numbers.zero_()
        if self.counts_uses:
            self._counts[used] = 1
        if used:
            gradients = [self.parameters[i].grad for i in used]
            torch._foreach_copy_([self._gradients[i] for i in used], gradients)
        self._loss[0] = loss
        self._weight[0] = weight

    def clear(self):
        """Write zeros, and drop the gradients of the parameters."""
        self.numbers.zero_()
        for one in self.parameters:
            one.grad = None

    def read(self):
        """Set the gradients of the parameters to those of the whole batch, after the sum.

        A parameter with a gradient in any process has one in all of them, if uses are counted.

        Returns
        -------
        loss, weight : torch.Tensor
            Mean loss of the batch, and sum of its sample weights.
        """
        weight = self._weight.clone()
        self.numbers[: self._n_gradients + 1] /= weight.clamp(min=SMALLEST_WEIGHT)
        used = self._used
        if self.counts_uses and any(one.grad is None for one in self.parameters):
            used = self._counts.nonzero()[:, 0].tolist()  # waits for the device
        for i in used:
            if self.parameters[i].grad is None:
                self.parameters[i].grad = torch.empty_like(self.parameters[i])
        if len(used) > 0:
            gradients = [self.parameters[i].grad for i in used]
            torch._foreach_copy_(gradients, [self._gradients[i] for i in used])
        return self._loss[0].clone(), weight[0]
