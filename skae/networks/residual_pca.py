"""Residual PCA: linear maps between principal coordinates and latent vectors, plus residuals."""

import torch
from torch import nn

from skae.networks.hidden_units import mlp
from skae.networks.layers import Linear, squash

__all__ = ["ResidualPCA"]

MIN_RELATIVE_DEVIATION = 1e-3
"""Smallest standard deviation to divide by, as a fraction of the first principal coordinate's.

Directions of smaller variance are mostly noise, which whitening would amplify.
"""


class ResidualPCA(nn.Module):
    """A linear autoencoder of principal coordinates, with nonlinear residuals.

    ::

        u (b, m) ──── linear ──────────────┬─(+)── z (b, k) ──┬── linear ──────────────┬─(+)── u_hat
           └── squash, hidden layers, last ┘                  └── hidden layers, last ─┘

    The linear maps start as PCA with whitened latent vectors, and the last layers as zero. Before
    the first step the network is PCA.

    Parameters
    ----------
    n_coordinates : int
        m, the number of principal coordinates.
    n_components : int
        k, the number of latent dimensions.
    n_inputs : int
        Number of leading coordinates that the encoder's hidden layers receive.
    n_extra : int
        Number of further inputs of the encoder's hidden layers, such as convolutional features.
    encoder_sizes, decoder_sizes : sequence of int
        Widths of the hidden layers.
    n_outputs : int, default=None
        Number of principal coordinates that the decoder returns; None means m.
    units : skae.networks.hidden_units.HiddenUnits
        Modules after the hidden layers.
    with_mask : bool
        Whether the decoder's hidden layers also receive a mask of the nonzero latent dimensions.
        It marks the length of a code of the "ordered" bottleneck.
    """

    width = 3.0
    """Bound of `squash` on the inputs of hidden layers, in standard deviations."""

    def __init__(
        self,
        n_coordinates,
        n_components,
        n_inputs,
        n_extra,
        encoder_sizes,
        decoder_sizes,
        units,
        with_mask,
        n_outputs=None,
    ):
        super().__init__()
        if n_outputs is None:
            n_outputs = n_coordinates
        self.with_mask = with_mask
        self.register_buffer("spread", torch.ones(n_inputs))
        self.encoder_linear = Linear(n_coordinates, n_components, bias=False)
        self.decoder_linear = Linear(n_components, n_outputs, bias=False)
        self.encoder_hidden = None
        self.decoder_hidden = None
        if encoder_sizes:
            hidden = mlp([n_inputs + n_extra, *encoder_sizes], units)
            self.encoder_hidden = nn.Sequential(hidden, units.make(encoder_sizes[-1]))
            self.encoder_last = Linear(encoder_sizes[-1], n_components)
        if decoder_sizes:
            n_decoder_inputs = n_components
            if with_mask:
                n_decoder_inputs = 2 * n_components
            self.decoder_hidden = mlp([n_decoder_inputs, *decoder_sizes], units)
            self.decoder_skip = Linear(n_components, decoder_sizes[-1], bias=False)
            self.decoder_act = units.make(decoder_sizes[-1])
            self.decoder_last = Linear(decoder_sizes[-1], n_outputs)

    def encode(self, u, extra=None):
        """Encode principal coordinates as whitened latent vectors.

        Parameters
        ----------
        u : torch.Tensor of shape (..., n_coordinates)
            Principal coordinates.
        extra : torch.Tensor of shape (..., n_extra), default=None
            Further inputs of the hidden layers.

        Returns
        -------
        z : torch.Tensor of shape (..., n_components)
            Whitened latent vectors.
        hidden : torch.Tensor of shape (..., n_hidden)
            Last hidden layer, or z without hidden layers.
        """
        z = self.encoder_linear(u)  # (b, k)
        if self.encoder_hidden is None:
            return z, z
        spread = self.spread.unsqueeze(-2)  # (1, n_inputs)
        inputs = squash(u[..., : spread.shape[-1]] / spread, self.width)  # (b, n_inputs)
        if extra is not None:
            inputs = torch.cat([inputs, extra], -1)  # (b, n_inputs + n_extra)
        hidden = self.encoder_hidden(inputs)  # (b, n_hidden)
        return z + self.encoder_last(hidden), hidden

    def decode(self, z):
        """Decode whitened latent vectors to principal coordinates.

        Parameters
        ----------
        z : torch.Tensor of shape (..., n_components)
            Whitened latent vectors.

        Returns
        -------
        u : torch.Tensor of shape (..., n_outputs)
            Principal coordinates.
        hidden : torch.Tensor of shape (..., n_hidden)
            Last hidden layer, or z without hidden layers.
        """
        u = self.decoder_linear(z)  # (b, n_outputs)
        if self.decoder_hidden is None:
            return u, z
        bounded = squash(z, self.width)  # (b, k)
        inputs = bounded
        if self.with_mask:
            mask = (z != 0).to(bounded.dtype)
            inputs = torch.cat([bounded, mask], -1)  # (b, 2 * k)
        hidden = self.decoder_act(self.decoder_hidden(inputs) + self.decoder_skip(bounded))
        return u + self.decoder_last(hidden), hidden

    def init_from_pca(self, deviations):
        """Set the linear maps to PCA, and the last layers to zero.

        Parameters
        ----------
        deviations : torch.Tensor of shape (n_coordinates,)
            Standard deviations of the principal coordinates.

        Returns
        -------
        whitening : torch.Tensor of shape (n_components,)
            Factors that convert whitened latent vectors to PCA's scores.
        """
        k, m = self.encoder_linear.weight.shape
        n_scaled = min(k, m)
        min_deviation = float(deviations[0]) * MIN_RELATIVE_DEVIATION
        if min_deviation == 0:
            min_deviation = 1.0
        whitening = torch.zeros(k)
        whitening[:n_scaled] = deviations[:n_scaled]
        whitening = whitening.clamp(min=min_deviation)
        self.encoder_linear.weight.copy_(torch.eye(k, m) / whitening[:, None])
        self.decoder_linear.weight.copy_(torch.eye(*self.decoder_linear.weight.shape) * whitening)
        # inputs of small variance stay small: they are mostly noise
        spread = (deviations.square() + deviations.square().mean()).sqrt()
        self.spread.copy_(spread.clamp(min=min_deviation)[: len(self.spread)])
        if self.encoder_hidden is not None:
            nn.init.zeros_(self.encoder_last.weight)
            nn.init.zeros_(self.encoder_last.bias)
        if self.decoder_hidden is not None:
            nn.init.zeros_(self.decoder_last.weight)
            nn.init.zeros_(self.decoder_last.bias)
        return whitening
