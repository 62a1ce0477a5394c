"""Reconstruction losses: one class for each, a word for its default, and a base class for your own.

The parameter `loss` of an autoencoder is a word, an object, or a function. A loss compares
reconstructions ``x_hat`` with samples ``x``, and returns the mean over the features of each sample.
"""

from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar, Literal, TypeAlias

import torch
from torch.nn import functional

from skae._options import Option, resolve_option
from skae._sklearn_compat import Interval

__all__ = ["AbsoluteError", "FunctionLoss", "Huber", "LogLoss", "Loss", "SquaredError"]


class Loss(Option):
    r"""Base class of losses.

    A subclass implements `elementwise`, and declares class attributes where the defaults do not
    apply. Samples are centered and divided by the overall standard deviation of X, except for
    ``link = "logit"``.

    Attributes
    ----------
    link : {"identity", "logit"}
        "identity": `x_hat` is the reconstruction. "logit": `x_hat` is the logit of the
        reconstruction, `x` lies in [0, 1], and the decoder ends in a sigmoid.
    scale_power : int
        Samples divided by s have the loss of the samples divided by ``s ** scale_power``. Losses in
        units of X follow from it. With 0, losses are given as computed.
    bounds : tuple of float or None
        Smallest and largest valid value of X.
    rotation_invariant : bool
        Whether the loss is proportional to the sum of squared differences. Training can then use
        principal coordinates in place of features.
    is_elementwise : bool
        Whether the loss is a mean over features. If False, a subclass implements ``__call__``, gets
        samples in their own shape, and missing values are not supported.
    """

    link: ClassVar[Literal["identity", "logit"]] = "identity"
    scale_power: ClassVar[int] = 0
    bounds: ClassVar[tuple[float, float] | None] = None
    rotation_invariant: ClassVar[bool] = False
    is_elementwise: ClassVar[bool] = True

    def elementwise(self, x_hat: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Compute the loss of each value.

        Parameters
        ----------
        x_hat, x : torch.Tensor of shape (n_samples, ...) or (n_copies, n_samples, ...)
            Reconstructions and samples, float32, in any order of the features.

        Returns
        -------
        losses : torch.Tensor of the shape of x
            One loss for each value.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement elementwise.")

    def __call__(self, x_hat: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Compute the mean loss over the features.

        Parameters
        ----------
        x_hat, x : torch.Tensor of shape (n_samples, ...)
            Reconstructions and samples, float32.

        Returns
        -------
        losses : torch.Tensor of shape (n_samples,)
            One loss for each sample.
        """
        return self.elementwise(x_hat, x).flatten(1).mean(1)


class SquaredError(Loss):
    r"""Squared error, :math:`(\hat x - x)^2`: the loss of PCA.

    Losses are in squared units of X. The word is "squared_error".
    """

    scale_power = 2
    rotation_invariant = True

    def elementwise(self, x_hat: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Compute the loss of each value; see `Loss`."""
        return functional.mse_loss(x_hat, x, reduction="none")


class AbsoluteError(Loss):
    r"""Absolute error, :math:`|\hat x - x|`: single large errors weigh less than when squared.

    Losses are in units of X. The word is "absolute_error".
    """

    scale_power = 1

    def elementwise(self, x_hat: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Compute the loss of each value; see `Loss`."""
        return (x_hat - x).abs()


class Huber(Loss):
    r"""Huber loss: squared for small errors, and linear for large errors [1]_.

    With the error :math:`r = \hat x - x` and the threshold :math:`\delta`,

    .. math::

        L(r) = \begin{cases} r^2 & |r| \le \delta \\
        \delta \, (2 |r| - \delta) & |r| > \delta \end{cases}

    Losses are in squared units of X. The word is "huber".

    Parameters
    ----------
    delta : float, default=1.0
        Threshold between small and large errors. Its unit is the overall standard deviation of X in
        autoencoders, and `data_range` in restorers.

    References
    ----------
    .. [1] P. J. Huber, "Robust estimation of a location parameter", Annals of Mathematical
       Statistics 35, 1964.
    """

    _parameter_constraints = {"delta": [Interval(Real, 0, None, closed="neither")]}
    scale_power = 2

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = delta

    def elementwise(self, x_hat: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Compute the loss of each value; see `Loss`."""
        return 2 * functional.huber_loss(x_hat, x, reduction="none", delta=self.delta)


class LogLoss(Loss):
    r"""Binary cross-entropy of values in [0, 1], or of uint8 values divided by 255.

    With the logit :math:`a` of the reconstruction and :math:`p = 1 / (1 + e^{-a})`,

    .. math:: L(a, x) = -x \log p - (1 - x) \log (1 - p)

    It is computed from the logits, so that large logits neither overflow nor lose precision. Losses
    are in nats. The word is "log_loss".
    """

    link = "logit"
    bounds = (0.0, 1.0)

    def elementwise(self, x_hat: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Compute the loss of each value; see `Loss`."""
        target = x.to(x_hat.dtype)
        return functional.binary_cross_entropy_with_logits(x_hat, target, reduction="none")


class FunctionLoss(Loss):
    """Loss that is a function of reconstructions and samples.

    ``loss=function`` is the same as ``loss=FunctionLoss(function)``. Missing values are not
    supported, and a fit may end with a larger loss than PCA.

    Parameters
    ----------
    function : callable
        ``(x_hat, x) -> losses`` with one loss for each sample. Tensors have shape (b, d) for
        tables and (b, C, H, W) for images. In autoencoders, they are centered and divided by the
        overall standard deviation of X. In restorers, they are scaled from `data_range` to [0, 1].
        Gradients with respect to `x_hat` are required.
    """

    is_elementwise = False

    def __init__(self, function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
        self.function = function

    def __call__(self, x_hat: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Compute one loss for each sample."""
        losses = self.function(x_hat, x)
        if not isinstance(losses, torch.Tensor) or losses.shape != (len(x),):
            raise ValueError(
                f"Got a loss function with a result of shape {getattr(losses, 'shape', None)}, but "
                f"expected one loss for each sample: a tensor of shape ({len(x)},). With a loss of "
                "torch.nn, return nn.MSELoss(reduction='none')(x_hat, x).flatten(1).mean(1)."
            )
        return losses


LOSSES: dict[str, type[Loss]] = {
    "squared_error": SquaredError,
    "absolute_error": AbsoluteError,
    "huber": Huber,
    "log_loss": LogLoss,
}
"""The class of each word."""

LossFunction: TypeAlias = Callable[[Any, Any], torch.Tensor]

IdentityLossOption: TypeAlias = (
    Literal["squared_error", "absolute_error", "huber"] | Loss | LossFunction
)

LossOption: TypeAlias = IdentityLossOption | Literal["log_loss"]


def resolve_loss(loss):
    """Return a word, an object or a function as a `Loss` with valid parameters."""
    if callable(loss) and not isinstance(loss, (Option, type)):
        return FunctionLoss(loss)
    loss = resolve_option(loss, Loss, LOSSES, "loss")
    if loss.is_elementwise and type(loss).__call__ is not Loss.__call__:
        raise TypeError(
            f"Got loss={loss!r}, whose class implements __call__ and not elementwise. Set "
            "is_elementwise = False in the class, or implement elementwise."
        )
    return loss
