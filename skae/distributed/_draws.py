"""Random numbers of a part of a batch: those that one process would draw for these samples."""

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

__all__ = ["WholeBatchDraws"]

SIZE_ARGUMENT = {torch.rand: 0, torch.randn: 0, torch.randint: -1}
"""Functions that draw a new tensor, and the position of its size among their arguments."""

DRAWS_LIKE = {torch.bernoulli, torch.normal, torch.poisson, torch.multinomial}
DRAWS_LIKE |= {torch.rand_like, torch.randn_like, torch.randint_like}
DRAWS_LIKE |= {
    getattr(functional, name)
    for name in ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout")
}
"""Functions that draw a tensor of the shape of another, or with the parameters in it."""

DRAWS_IN_PLACE = {
    getattr(torch.Tensor, name)
    for name in (
        "bernoulli_",
        "cauchy_",
        "exponential_",
        "geometric_",
        "log_normal_",
        "normal_",
        "random_",
        "uniform_",
    )
}
"""Methods that fill a tensor."""


class WholeBatchDraws(TorchFunctionMode):
    """Draw random numbers for a whole batch, and use those of some of its samples.

    All processes draw the same numbers, so that their generators remain equal. The first dimension
    of a drawn tensor is regarded as that of the samples if it has their number. Other tensors are
    drawn unchanged. The generators are that of the fit and the default generator of torch, which
    the fit seeds for modules of users. Draws from further generators remain unchanged.

    Parameters
    ----------
    generator : torch.Generator or None
        Generator of the fit. None: all draws remain unchanged.
    n_samples : int
        Number of samples in the whole batch.
    positions : torch.Tensor of shape (n_own,)
        The samples of this process in the batch.
    """

    def __init__(self, generator, n_samples, positions):
        super().__init__()
        self.generator = generator
        self.n_samples = n_samples
        self.positions = positions

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Call a function of torch; see the class."""
        kwargs = kwargs or {}
        generator = kwargs.get("generator")
        if self.generator is None or (generator is not None and generator is not self.generator):
            return func(*args, **kwargs)
        if func in SIZE_ARGUMENT:
            return self._draw_new(func, args, kwargs)
        if func in DRAWS_LIKE and self._has_samples(args[0]):
            return self._own(func(self._as_whole(args[0]), *args[1:], **kwargs))
        if func in DRAWS_IN_PLACE and self._has_samples(args[0]):
            whole = self._as_whole(args[0])
            func(whole, *args[1:], **kwargs)
            return args[0].copy_(self._own(whole))
        return func(*args, **kwargs)

    def _draw_new(self, func, args, kwargs):
        """Draw a new tensor of a size: a tuple, or several ints as in ``torch.rand(2, 3)``."""
        kwargs = dict(kwargs)
        if "size" in kwargs:
            size, before = kwargs.pop("size"), args
        elif isinstance(args[SIZE_ARGUMENT[func]], int):
            size, before = args, ()
        else:
            size, before = args[SIZE_ARGUMENT[func]], args[: SIZE_ARGUMENT[func]]
        size = tuple(size)
        if len(size) == 0 or size[0] != len(self.positions):
            return func(*before, size, **kwargs)
        return self._own(func(*before, (self.n_samples, *size[1:]), **kwargs))

    def _has_samples(self, values):
        """Return whether the first dimension of a value is that of the samples."""
        is_tensor = isinstance(values, torch.Tensor) and values.ndim > 0
        return is_tensor and len(values) == len(self.positions)

    def _as_whole(self, values):
        """Return a tensor for the whole batch, with the values of this process at its samples."""
        whole = values[:1].expand(self.n_samples, *values.shape[1:]).clone()
        whole[self.positions.to(values.device)] = values
        return whole

    def _own(self, values):
        """Return the values of the samples of this process."""
        return values[self.positions.to(values.device)]
