"""What dense and convolutional networks share: a linear autoencoder with a nonlinear correction, and X's units."""

from functools import cached_property
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from skae.networks.blocks import ACTIVATIONS, Centre, Linear, initialise, multilayer, squash, widened
from skae.networks.bottlenecks import BOTTLENECKS

__all__ = ["Autoencoder", "Passed", "Trunk"]

MAX_DOUBLE_PRODUCTS = 50_000
"""Up to this many multiplications a row, products in float64 take no longer than the rest of a call. Beyond it they take up to
twice as long."""


class Passed(NamedTuple):
    """What comes out of a network when rows go through it in training.

    Attributes
    ----------
    x_hat : torch.Tensor of shape (b, ...)
        Reconstructions, or logits of them, in the space of training.
    z : torch.Tensor of shape (b, k) or None
        Codes as the encoder gives them, whitened.
    cost : torch.Tensor of shape (b,) or None
        What the bottleneck costs.
    guess : torch.Tensor of shape (b, n_outputs) or None
        What the head says of the targets.
    """

    x_hat: torch.Tensor
    z: torch.Tensor | None = None
    cost: torch.Tensor | None = None
    guess: torch.Tensor | None = None


class Trunk(nn.Module):
    """A linear autoencoder of principal coordinates with a nonlinear correction to its encoder and to its decoder.

    ::

        u (b, m) ──── linear ────────────────┬─(+)── z (b, k) ──┬── linear ─────────────────┬─(+)── u_hat (b, m)
           └── squash, hidden layers, last ──┘                  └── hidden layers, last ────┘

    The linear maps start as PCA with whitened codes and the last layers at zero: before the first step this *is* PCA.

    Parameters
    ----------
    n_coordinates : int
        m, the principal coordinates that come in and go out.
    n_components : int
        k, the length of a code.
    n_inputs : int
        How many of the coordinates the correction to the encoder sees.
    n_extra : int
        How many more numbers it sees, such as features from convolutions.
    encoder_sizes, decoder_sizes : sequence of int
        Widths of the hidden layers.
    activation : str
        A key of `ACTIVATIONS`.
    cut_short : bool
        Whether the decoder is told where a code ends: zeros stand for what is beyond.
    """

    width = 3.0
    """Where `squash` bends, in standard deviations."""

    def __init__(self, n_coordinates, n_components, n_inputs, n_extra, encoder_sizes, decoder_sizes, activation, cut_short):
        super().__init__()
        self.cut_short = cut_short
        act = ACTIVATIONS[activation]
        self.register_buffer("spread", torch.ones(n_inputs))
        self.encoder_linear = Linear(n_coordinates, n_components, bias=False)
        self.decoder_linear = Linear(n_components, n_coordinates, bias=False)
        self.encoder_hidden = self.decoder_hidden = None
        if encoder_sizes:
            self.encoder_hidden = nn.Sequential(multilayer([n_inputs + n_extra, *encoder_sizes], activation), act())
            self.encoder_last = Linear(encoder_sizes[-1], n_components)
        if decoder_sizes:
            self.decoder_hidden = multilayer([n_components * (2 if cut_short else 1), *decoder_sizes], activation)
            self.decoder_skip = Linear(n_components, decoder_sizes[-1], bias=False)
            self.decoder_act = act()
            self.decoder_last = Linear(decoder_sizes[-1], n_coordinates)

    def encode(self, u, extra=None):
        """Turn coordinates, and `extra` numbers, into whitened codes, and give the last hidden layer beside them."""
        z = self.encoder_linear(u)  # (b, k)
        if self.encoder_hidden is None:
            return z, z
        spread = self.spread.unsqueeze(-2)
        seen = squash(u[..., : spread.shape[-1]] / spread, self.width)
        if extra is not None:
            seen = torch.cat([seen, extra], -1)
        hidden = self.encoder_hidden(seen)
        return z + self.encoder_last(hidden), hidden

    def decode(self, z):
        """Turn whitened codes into coordinates, and give the last hidden layer beside them."""
        u = self.decoder_linear(z)  # (b, m)
        if self.decoder_hidden is None:
            return u, z
        near = squash(z, self.width)
        seen = torch.cat([near, (z != 0).to(near.dtype)], -1) if self.cut_short else near
        hidden = self.decoder_act(self.decoder_hidden(seen) + self.decoder_skip(near))
        return u + self.decoder_last(hidden), hidden

    def start(self, deviations):
        """Set the linear maps to PCA, and the last layers to zero.

        Parameters
        ----------
        deviations : torch.Tensor of shape (n_coordinates,)
            Standard deviations of the coordinates.

        Returns
        -------
        whitening : torch.Tensor of shape (n_components,)
            What a whitened code is multiplied by to become a score of PCA.
        """
        k, m = self.encoder_linear.weight.shape
        known = min(k, m)
        whitening = torch.zeros(k)
        whitening[:known] = deviations[:known]
        # a direction with next to no variance, or none at all, isn't blown up
        least = float(deviations[0]) * 1e-3 or 1.0
        whitening = whitening.clamp(min=least)
        self.encoder_linear.weight.copy_(torch.eye(k, m) / whitening[:, None])
        self.decoder_linear.weight.copy_(torch.eye(m, k) * whitening)
        # no coordinate is made larger than its share: what hardly varies is mostly noise
        spread = (deviations.square() + deviations.square().mean()).sqrt()
        self.spread.copy_(spread.clamp(min=least)[: len(self.spread)])
        for name in ("encoder_last", "decoder_last"):
            if hasattr(self, name):
                nn.init.zeros_(getattr(self, name).weight)
                nn.init.zeros_(getattr(self, name).bias)
        return whitening


class Autoencoder(nn.Module):
    """What dense and convolutional networks share: units, principal coordinates, and the space in which they are trained.

    ``prepare`` takes raw rows into the space of training, ``forward`` reconstructs them there, and an objective compares the
    two. ``encode`` and ``decode`` go from raw rows to codes and back, in X's units.

    Parameters
    ----------
    n_features : int
        d, columns of X.
    n_components : int
        k, the length of a code.
    n_coordinates : int
        m, principal coordinates.
    n_inputs, n_extra, encoder_sizes, decoder_sizes, activation
        As in `Trunk`.
    n_placed : int, default=None
        Numbers of a row that PCA sees; None means d.
    output : str
        "linear", or "sigmoid" where the targets are in [0, 1].
    ceiling : float
        What counts as 1 for a sigmoid: 255 for uint8, else 1.
    bottleneck : str
        A key of `BOTTLENECKS`.
    codebook_size : int
        Of vector quantization.
    step : float
        Of the quantizer that "rate" has in mind.
    head_sizes : sequence of int
        Widths of what guesses targets from codes: perhaps a hidden layer, and the outputs. Empty without targets.
    allow_nan : bool
        Whether rows may have gaps, which are filled with the mean.
    """

    channels_last = False
    """Whether its weights lie best with the channels last."""

    def __init__(
        self,
        *,
        n_features,
        n_components,
        n_coordinates,
        n_inputs,
        encoder_sizes,
        decoder_sizes,
        activation,
        n_placed=None,
        n_extra=0,
        output="linear",
        ceiling=1.0,
        bottleneck="deterministic",
        codebook_size=0,
        step=0.0,
        head_sizes=(),
        allow_nan=False,
    ):
        super().__init__()
        self.n_features = n_features
        self.output = output
        self.ceiling = ceiling
        self.allow_nan = allow_nan
        self.centre = Centre(n_features)
        n_hidden = encoder_sizes[-1] if encoder_sizes else n_components
        self.bottleneck = BOTTLENECKS[bottleneck](n_components, n_hidden, codebook_size, step)
        self.head = multilayer([n_components, *head_sizes], activation) if head_sizes else None
        sizes = (n_coordinates, n_components, n_inputs, n_extra, encoder_sizes, decoder_sizes)
        self.trunk = Trunk(*sizes, activation, cut_short=bottleneck == "ordered")
        self.register_buffer("components", torch.zeros(n_coordinates, n_placed or n_features))
        self.register_buffer("whitening", torch.ones(n_components))

    @property
    def n_working(self):
        """Numbers per row in the space of training."""
        return self.n_features

    @cached_property
    def prefers_double_products(self):
        """Whether the network is so small that products in float64 take no longer."""
        layers = sum(part.weight.numel() for part in self.modules() if isinstance(part, Linear))
        return layers + 2 * self.components.numel() <= MAX_DOUBLE_PRODUCTS

    @property
    def most_numbers(self):
        """The most numbers per row that encoding or decoding holds at once, at about 4 bytes."""
        return self.n_working

    @torch.no_grad()
    def start(self, principal, generator):
        """Draw the hidden weights, and become PCA.

        Parameters
        ----------
        principal : skae._principal.Principal
            Mean, scale and directions.
        generator : torch.Generator
            Where the hidden weights come from.
        """
        initialise(self, generator)
        if self.trunk.decoder_hidden is not None:
            # a code of one number needs units that bend at different places
            bias = self.trunk.decoder_hidden[0].bias
            bias.copy_(torch.rand(bias.shape, generator=generator) * 2 - 1)
        self.become(principal)

    @torch.no_grad()
    def become(self, principal):
        """Become PCA: set mean, scale and linear maps from principal components, and the last layers to zero."""
        self.centre.set(principal.reference, principal.shift, principal.scale)
        missing = len(self.components) - len(principal.components)  # fewer rows may span fewer directions
        components = functional.pad(principal.components, (0, 0, 0, missing))
        variances = functional.pad(principal.variances, (0, missing))
        self.components.copy_(components)
        deviations = variances.sqrt().float()
        self.whitening.copy_(self.trunk.start(deviations))
        self.bottleneck.start(self.whitening, deviations)

    def arrange(self, x):
        """Bring centred rows into the space of training."""
        return x

    def restore(self, x):
        """Bring them back."""
        return x

    def prepare(self, x):
        """Centre, scale and arrange raw rows."""
        return self.arrange(self.centre(x))

    def damaged(self, x, corrupt):
        """Do damage to centred rows: `corrupt` is a function of them."""
        return corrupt(x)

    def filled(self, x):
        """Put the mean where prepared rows have gaps."""
        return x.nan_to_num(0.0) if self.allow_nan else x

    def target(self, x):
        """Give what prepared rows are to be reconstructed as: themselves, or numbers in [0, 1] for a sigmoid."""
        if self.output == "linear":
            return x
        return (self.centre.inverse(self.restore(x)) / self.ceiling).clamp(0, 1)

    def null(self, x):
        """Give what prepared rows look like if all are reconstructed as the mean."""
        x_hat = torch.zeros_like(x)
        return self.logits(x_hat) if self.output == "sigmoid" else x_hat

    def finish(self, x_hat):
        """Turn what the decoder gives into X's units."""
        if self.output == "sigmoid":
            return widened(self.logits(x_hat)).sigmoid().to(x_hat.dtype) * self.ceiling
        return self.centre.inverse(self.restore(x_hat))

    def logits(self, x_hat):
        """Turn reconstructed rows into logits: near 1/2 a sigmoid of slope 4 leaves the linear reconstruction as it is."""
        return 4 * (self.centre.inverse(self.restore(x_hat)) / self.ceiling - 0.5)

    @property
    def code_units(self):
        """What one is in a whitened code, in units of the codes that the user sees: PCA's, or those of a prior."""
        return torch.ones_like(self.whitening) if self.bottleneck.standard else self.whitening * self.centre.scale

    def encode(self, x):
        """Turn raw rows of shape (b, d) into codes of shape (b, k); before training these are PCA's scores."""
        return self.bottleneck.settle(self.code(self.prepare(x))[0]) * self.code_units

    def decode(self, z):
        """Turn codes of shape (b, k) into rows of shape (b, d), float32, in X's units."""
        return self.finish(self.rebuild(z / self.code_units))

    def residual(self, x):
        """Give, for raw rows, reconstruction less row, and the row itself, both centred and in units of `centre.scale`."""
        x = self.centre(x)
        return self.apart(self.bottleneck.settle(self.code(self.arrange(x))[0]), x), x

    def apart(self, z, x):
        """Give what whitened codes become, less centred rows, in the units of the latter."""
        x_hat = self.rebuild(z)
        return (self.centre(self.finish(x_hat)) if self.output == "sigmoid" else self.restore(x_hat)) - x

    def forward(self, x, generator=None):
        """Take prepared rows through encoder, bottleneck and decoder, in the space of training; gives a `Passed`."""
        z, hidden = self.code(x)
        kept, cost = self.bottleneck(z, hidden, generator)
        x_hat = self.rebuild(kept)
        guess = None if self.head is None else self.head(kept)
        return Passed(self.logits(x_hat) if self.output == "sigmoid" else x_hat, z, cost, guess)
