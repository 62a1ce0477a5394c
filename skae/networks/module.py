"""The network of a user's encoder and decoder, alone or beside the linear autoencoder of PCA."""

from contextlib import contextmanager

import torch
from torch import nn

from skae.networks.autoencoder import Autoencoder
from skae.networks.layers import OWN_MODULES, initialize_weights, product
from skae.networks.module_shapes import as_sample, split_output, to_samples

__all__ = ["ModuleNetwork"]


MAX_ROUNDING = 1e-6
"""Rounding of samples that are standardized and scaled back, relative to them and to the mean."""


class Gate(nn.Module):
    """Factors that start at zero.

    Parameters
    ----------
    n_factors : int
        Number of factors, one for each column of the input, or 1.
    """

    def __init__(self, n_factors):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n_factors))

    def forward(self, x):
        """Multiply x of shape (b, n) by the factors."""
        return x * self.weight


class ModuleNetwork(Autoencoder):
    """An autoencoder with an encoder and a decoder of the user.

    ::

        x (b, d) ─┬─ components ─ linear ──┬─(+)── z (b, k) ─┬─ linear ─ components ─┬─(+)── x_hat
                  └─ encoder ─────── gate ─┘                 └─ decoder ────── gate ─┘

    The gates start at zero, so that before the first step the network is PCA. Without the linear
    part, the network consists of encoder and decoder alone.

    The modules get samples in their own shape, float32, centered and scaled, or in the units of X.

    Parameters
    ----------
    sample_shape : tuple of int
        Shape of one sample in X.
    channel_axis : int or None
        Axis of `sample_shape` that becomes the first axis of the modules' input. None: the axes
        keep their order.
    module_shape : tuple of int
        Shape of one sample as the modules get it.
    code_shape : tuple of int
        Shape of the encoder's output for one sample.
    returns_log_variance : bool
        Whether the encoder returns a pair of mean and log-variance.
    n_held : int
        Most values of one sample in the output of a layer.
    has_linear_part : bool
        Whether the linear autoencoder is beside the modules.
    standardize : bool
        Whether the modules get and return standardized samples. If not, in the units of X.
    **shared
        Parameters of `skae.networks.autoencoder.Autoencoder`.
    """

    is_static = False

    def __init__(
        self,
        *,
        sample_shape,
        channel_axis,
        module_shape,
        code_shape,
        returns_log_variance,
        n_held,
        has_linear_part,
        standardize,
        **shared,
    ):
        super().__init__(**shared)
        self.sample_shape = tuple(sample_shape)
        self.channel_axis = channel_axis
        self.module_shape = tuple(module_shape)
        self.code_shape = tuple(code_shape)
        self.returns_log_variance = returns_log_variance
        self.n_held = n_held
        self.standardize = standardize
        self.encoder = self.decoder = None
        self.encoder_last = self.decoder_last = None
        if has_linear_part:
            self.encoder_last = Gate(shared["n_components"])
            self.decoder_last = Gate(1)
        else:
            self.trunk = None

    @property
    def channels_moved(self):
        """Whether the axis of the channels is another one in X."""
        return self.channel_axis not in (None, 0)

    @property
    def max_features_held(self):
        """Largest number of float32 values per sample in memory while encoding or decoding."""
        return 2 * max(self.n_features, self.n_held)

    @property
    def code_units(self):
        """Units of latent vectors for the user; the encoder's own without the linear part."""
        if self.trunk is None:
            return torch.ones_like(self.whitening)
        return super().code_units

    def add_modules(self, encoder, decoder):
        """Add the user's modules, and set the network to evaluation mode."""
        if self.returns_log_variance and not self.bottleneck.reads_log_variance:
            raise ValueError(
                "Got a pair (mean, log_variance) from encoder, but expected one tensor with this "
                "bottleneck. Set bottleneck='variational', or return the latent vectors alone."
            )
        self.encoder, self.decoder = encoder, decoder
        self.eval()

    def train(self, mode=True):
        """Set the mode; modules with weights none of which is trained remain in evaluation mode."""
        super().train(mode)
        if mode:
            for name in OWN_MODULES:
                for module in getattr(self, name).modules():
                    weights = list(module.parameters())
                    if weights and not any(weight.requires_grad for weight in weights):
                        module.eval()
        return self

    @torch.no_grad()
    def initialize(self, principal, generator):
        """Sample the weights of the head and of options, and set the linear part to PCA."""
        for name, child in self.named_children():
            if name not in OWN_MODULES:
                initialize_weights(child, generator)
        self.init_from_pca(principal)

    @torch.no_grad()
    def init_from_pca(self, principal):
        """Set mean and scale, the linear part to PCA, and the gates to zero."""
        if self.trunk is not None:
            super().init_from_pca(principal)
            nn.init.zeros_(self.encoder_last.weight)
            nn.init.zeros_(self.decoder_last.weight)
            return
        self.centre.set(principal.reference, principal.shift, principal.scale)
        self.components.zero_()
        self.whitening.fill_(1.0)
        self.bottleneck.init_from_pca(self.whitening, torch.ones_like(self.whitening))
        if self.penalty is not None:
            self.penalty.init_from_pca(self.whitening, torch.ones_like(self.whitening))
        if self.returns_log_variance:
            self.bottleneck.use_hidden_as_log_variance()

    def to_samples(self, x):
        """Return standardized rows (b, d) in the shape of the modules' input."""
        return to_samples(x, self.sample_shape, self.channel_axis, self.module_shape)

    def to_rows(self, x):
        """Return samples in the shape of the modules' input as rows (b, d)."""
        if self.channels_moved:
            shape = list(self.sample_shape)
            n_channels = shape.pop(self.channel_axis)
            x = x.flatten(1).unflatten(1, (n_channels, *shape)).movedim(1, self.channel_axis + 1)
        return x.flatten(1)

    def code(self, x):
        """Encode standardized rows (b, d) as latent vectors (b, k), and return the hidden layer."""
        x = self.impute(x)
        own_x = x
        if not self.standardize:
            own_x = self._in_units(x)
        output = self._apply_module(self.encoder, self.to_samples(own_x))
        own, log_variance = split_output(output)
        z = own.float().flatten(1)  # (b, k)
        if self.trunk is not None:
            u = product(x, self.components.mT)  # (b, m)
            z = self.trunk.encode(u)[0] + self.encoder_last(z)
        if log_variance is not None:
            return z, log_variance.float().flatten(1)
        return z, z

    def _in_units(self, x):
        """Return standardized rows in the units of X, with exact integers, such as indices."""
        x = self.centre.inverse(x)
        nearest = x.round()
        is_integer = (x - nearest).abs() <= MAX_ROUNDING * (x.abs() + self.centre.mean[0].abs())
        return x + (torch.where(is_integer, nearest, x) - x).detach()

    def reconstruct_code(self, z):
        """Decode latent vectors (b, k) to standardized rows (b, d)."""
        output = self._apply_module(self.decoder, z.unflatten(1, self.code_shape))
        x_hat = self.to_rows(as_sample(output, self.module_shape).float())
        if not self.standardize:
            x_hat = self.centre(x_hat)
        if self.trunk is None:
            return x_hat
        return product(self.trunk.decode(z)[0], self.components) + self.decoder_last(x_hat)

    def _apply_module(self, module, x):
        """Apply a module of the user; a batch of one sample has no statistics for training."""
        if not self.training or len(x) > 1:
            return module(x)
        module.eval()
        output = module(x)
        self.train()
        return output

    def forward(self, x, generator=None):
        """Reconstruct samples of the training space; see `Autoencoder.forward`.

        Modules such as dropout draw from the global generators of torch. In training these are
        seeded by the generator for one forward pass, and restored.
        """
        if not self.training or generator is None:
            return super().forward(x, generator)
        with _seeded(generator, x.device):
            return super().forward(x, generator)


@contextmanager
def _seeded(generator, device):
    """Seed the global generators of the CPU and of a device within a block."""
    seed = int(torch.randint(2**62, (), generator=generator))
    devices = []
    if device.type == "cuda":
        devices = [device]
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        for one in devices:
            with torch.cuda.device(one):
                torch.cuda.manual_seed(seed)
        yield
