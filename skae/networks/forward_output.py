"""Outputs of a forward pass in training."""

from typing import NamedTuple

import torch

__all__ = ["ForwardOutput"]


class ForwardOutput(NamedTuple):
    """Outputs of a network's forward pass in training.

    Attributes
    ----------
    x_hat : torch.Tensor of shape (b, ...)
        Reconstructions in the training space, or their logits.
    z : torch.Tensor of shape (b, k) or None
        Whitened latent vectors before the bottleneck.
    decoder_input : torch.Tensor of shape (b, k) or None
        Latent vectors after noise and bottleneck.
    bottleneck_cost : torch.Tensor of shape (b,) or None
        Cost of the bottleneck.
    predictions : torch.Tensor of shape (b, n_outputs) or None
        Predictions of the targets.
    """

    x_hat: torch.Tensor
    z: torch.Tensor | None = None
    decoder_input: torch.Tensor | None = None
    bottleneck_cost: torch.Tensor | None = None
    predictions: torch.Tensor | None = None
