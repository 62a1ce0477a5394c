"""The base class of dense and convolutional autoencoders: units, PCA and the training space."""

from functools import cached_property

import torch
from torch import nn
from torch.nn import functional

from skae.networks.bottlenecks import BottleneckModule, check_forward, quantized
from skae.networks.forward_output import ForwardOutput
from skae.networks.hidden_units import HiddenUnits, mlp
from skae.networks.layers import Linear, Standardize, initialize_weights, widen
from skae.networks.penalties import PenaltyModule
from skae.networks.residual_pca import ResidualPCA

__all__ = ["Autoencoder", "ResidualPCA"]

MAX_DOUBLE_PRODUCTS = 50_000
"""Multiplications per sample up to which float64 products do not slow down inference; in larger
networks they take up to twice the time of float32 products."""


class Autoencoder(nn.Module):
    """Base class of autoencoders: standardization, residual PCA, bottleneck and training space.

    `prepare` maps samples to the training space, and `forward` reconstructs them there. `encode`
    and `decode` map samples to latent vectors and back, in units of X.

    Subclasses implement `code` and `reconstruct_code`. They may override `to_training_space`,
    `from_training_space`, `n_training_features`, `to_samples`, `to_rows` and `impute`.

    Parameters
    ----------
    n_features : int
        d, the number of columns of X.
    n_components : int
        k, the number of latent dimensions.
    n_coordinates : int
        m, the number of principal coordinates.
    n_inputs, n_extra, encoder_sizes, decoder_sizes
        Parameters of `ResidualPCA`.
    activation, normalization, dropout
        Parameters of `HiddenUnits`.
    n_pca_features : int, default=None
        Number of features for PCA; None means d.
    n_encoder_coordinates : int, default=None
        Number of coordinates that the encoder receives; None means m.
    output : {"linear", "sigmoid", "samples"}, default="linear"
        Space of the loss: the training space for "linear", logits of values in [0, 1] for
        "sigmoid", and standardized samples in their own shape for "samples".
    ceiling : float, default=1.0
        Value of X that corresponds to an output of 1 of the sigmoid: 255 for uint8, else 1.
    bottleneck : skae.bottlenecks.Bottleneck
        Builds the module between encoder and decoder.
    penalty : skae.penalties.Penalty, default=None
        Builds the module of the penalty, if the penalty has one.
    head_sizes : sequence of int, default=()
        Widths of the layers that predict targets from latent vectors. Empty without targets.
    allow_nan : bool, default=False
        Whether samples may have missing values. They are imputed by the mean.
    """

    channels_last = False
    """Whether the memory format of weights is channels-last."""

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
        normalization=None,
        dropout=0.0,
        n_pca_features=None,
        n_encoder_coordinates=None,
        n_extra=0,
        output="linear",
        ceiling=1.0,
        bottleneck,
        penalty=None,
        head_sizes=(),
        allow_nan=False,
    ):
        super().__init__()
        if n_pca_features is None:
            n_pca_features = n_features
        self.n_features = n_features
        self.output = output
        self.ceiling = ceiling
        self.allow_nan = allow_nan
        self.centre = Standardize(n_features)
        self.n_hidden = encoder_sizes[-1] if encoder_sizes else n_components
        self.make_option_modules(bottleneck, penalty, n_components)
        self.units = HiddenUnits(activation, normalization, dropout)
        self.head = None
        if head_sizes:
            self.head = mlp([n_components, *head_sizes], HiddenUnits(activation))
        self.trunk = ResidualPCA(
            n_encoder_coordinates or n_coordinates,
            n_components,
            n_inputs,
            n_extra,
            encoder_sizes,
            decoder_sizes,
            self.units,
            with_mask=bottleneck.is_nested,
            n_outputs=n_coordinates,
        )
        self.register_buffer("components", torch.zeros(n_coordinates, n_pca_features))
        self.register_buffer("whitening", torch.ones(n_components))

    def make_option_modules(self, bottleneck, penalty, n_components):
        """Create the modules of a bottleneck and of a penalty, which may be classes of the user."""
        self.bottleneck = bottleneck.make_module(n_components, self.n_hidden)
        self.penalty = None
        if penalty is not None:
            self.penalty = penalty.make_module(n_components)
        if not isinstance(self.bottleneck, BottleneckModule):
            raise TypeError(
                f"Got {type(self.bottleneck).__name__} from make_module of {bottleneck!r}, but "
                "expected a subclass of skae.bottlenecks.BottleneckModule."
            )
        if not isinstance(self.penalty, (PenaltyModule, type(None))):
            raise TypeError(
                f"Got {type(self.penalty).__name__} from make_module of {penalty!r}, but expected "
                "a subclass of skae.penalties.PenaltyModule, or None."
            )

    def code(self, x):
        """Encode samples of the training space.

        Parameters
        ----------
        x : torch.Tensor of shape (..., n_training_features)
            Samples in the training space, NaN where values are missing.

        Returns
        -------
        z : torch.Tensor of shape (..., n_components)
            Whitened latent vectors before the bottleneck.
        hidden : torch.Tensor of shape (..., n_hidden)
            The encoder's last hidden layer, or z without hidden layers.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement code.")

    def reconstruct_code(self, z):
        """Decode whitened latent vectors to the training space.

        Parameters
        ----------
        z : torch.Tensor of shape (..., n_components)
            Whitened latent vectors after the bottleneck.

        Returns
        -------
        x_hat : torch.Tensor of shape (..., n_training_features)
            Reconstructions in the training space, before the output function.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement reconstruct_code.")

    @property
    def is_static(self):
        """Whether the operations are fixed, and the same for each batch without NaN."""
        return self.units.is_static

    @property
    def is_stackable(self):
        """Whether several networks can be trained as one with stacked weights."""
        return self.units.is_stackable

    @property
    def n_training_features(self):
        """Number of features of a reconstruction in the training space."""
        return self.n_features

    @property
    def n_prepared_features(self):
        """Number of values of a sample in the training space, with those only the encoder reads."""
        return self.n_training_features

    @cached_property
    def prefers_double_products(self):
        """Whether the network is small enough for float64 products at no cost in time."""
        n_weights = 0
        for layer in self.modules():
            if isinstance(layer, Linear):
                n_weights += layer.weight.numel()
        return n_weights + 2 * self.components.numel() <= MAX_DOUBLE_PRODUCTS

    @property
    def max_features_held(self):
        """Largest number of float32 values per sample in memory while encoding or decoding."""
        return self.n_training_features

    @torch.no_grad()
    def initialize(self, principal, generator):
        """Sample the weights of hidden layers, and set the network to PCA.

        Parameters
        ----------
        principal : skae._training.pca.PCAResult
            Mean, scale and principal components.
        generator : torch.Generator
            Random number generator on the CPU.
        """
        initialize_weights(self, generator)
        if self.trunk.decoder_hidden is not None:
            # with one latent dimension, units of equal bias would all bend at zero
            bias = self.trunk.decoder_hidden[0].bias
            bias.copy_(torch.rand(bias.shape, generator=generator) * 2 - 1)
        self.init_from_pca(principal)

    @torch.no_grad()
    def init_from_pca(self, principal):
        """Set mean, scale and linear maps to PCA, and the last layers to zero.

        Parameters
        ----------
        principal : skae._training.pca.PCAResult
            Mean, scale and principal components.
        """
        self.centre.set(principal.reference, principal.shift, principal.scale)
        # a subset of the samples may span fewer directions
        n_padded = len(self.components) - len(principal.components)
        components = functional.pad(principal.components, (0, 0, 0, n_padded))  # (m, d)
        variances = functional.pad(principal.variances, (0, n_padded))  # (m,)
        if principal.features is not None:
            variances = principal.features.variances
        self.components.copy_(components)
        deviations = variances.sqrt().float()
        self.whitening.copy_(self.trunk.init_from_pca(deviations))
        self.bottleneck.init_from_pca(self.whitening, deviations)
        if self.penalty is not None:
            self.penalty.init_from_pca(self.whitening, deviations)

    @torch.no_grad()
    def keep_components(self, k):
        """Cut all layers to the first k latent dimensions."""
        core, n = self.trunk, len(self.whitening)
        layers_to_code, layers_from_code = [core.encoder_linear], [core.decoder_linear]
        if core.encoder_hidden is not None:
            layers_to_code.append(core.encoder_last)
        if core.decoder_hidden is not None:
            # the first hidden layer reads the code, and which of its dimensions are set
            layers_from_code += [core.decoder_hidden[0], core.decoder_skip]
        if self.head is not None:
            layers_from_code.append(self.head[0])
        for layer in layers_to_code:
            weight = layer.weight[:k].clone()
            layer.weight = nn.Parameter(weight, layer.weight.requires_grad)
            if layer.bias is not None:
                layer.bias = nn.Parameter(layer.bias[:k].clone())
        for layer in layers_from_code:
            blocks = [block[:, :k] for block in layer.weight.split(n, 1)]
            layer.weight = nn.Parameter(torch.cat(blocks, 1))
        self.whitening = self.whitening[:k].clone()
        self.bottleneck.keep_components(k)

    def to_training_space(self, x):
        """Convert standardized samples (b, d) to the training space."""
        return x

    def from_training_space(self, x):
        """Convert samples of the training space to standardized samples (b, d)."""
        return x

    def prepare(self, x):
        """Standardize samples (b, d), and convert them to the training space."""
        return self.to_training_space(self.centre(x))

    def to_samples(self, x):
        """Return standardized rows (b, d) in the shape of samples for users' functions."""
        return x

    def to_rows(self, x):
        """Return samples in their own shape as rows (b, d)."""
        return x

    def impute(self, x):
        """Impute missing values of samples in the training space by the mean."""
        if not self.allow_nan:
            return x
        return x.nan_to_num(0.0)

    def target(self, x):
        """Return targets for samples in the training space: these, or values in [0, 1]."""
        if self.output != "sigmoid":
            return self._loss_input(x)
        return (self.centre.inverse(self.from_training_space(x)) / self.ceiling).clamp(0, 1)

    def mask_of_target(self, mask):
        """Return a mask of rows (b, d) as a mask of targets, if these are values of samples."""
        return mask

    def reconstruct_mean(self, x):
        """Return the output of the baseline, which reconstructs each sample as the mean."""
        return self._loss_input(torch.zeros_like(x))

    def to_input_units(self, x_hat, dtype=torch.float32):
        """Convert reconstructions in the training space to units of X, in float32 or float64.

        The output of a sigmoid is float32 in either case: values in [0, 1] have no offset.
        """
        if self.output == "sigmoid":
            return widen(self.logits(x_hat)).sigmoid().to(x_hat.dtype) * self.ceiling
        return self.centre.inverse(self.from_training_space(x_hat), dtype)

    def logits(self, x_hat):
        """Convert reconstructions in the training space to logits.

        Near 1/2 a sigmoid of slope 4 is the identity, so that the network starts near PCA.
        """
        return 4 * (self.centre.inverse(self.from_training_space(x_hat)) / self.ceiling - 0.5)

    def _loss_input(self, x_hat):
        """Return the first argument of the loss: reconstructions, or logits for a sigmoid."""
        if self.output == "sigmoid":
            return self.logits(x_hat)
        if self.output == "samples":
            return self.to_samples(self.from_training_space(x_hat))
        return x_hat

    @property
    def code_units(self):
        """Units of whitened latent vectors for the user: those of PCA's scores, or of a prior."""
        if self.bottleneck.in_prior_units:
            return torch.ones_like(self.whitening)
        return self.whitening * self.centre.scale

    def encode(self, x):
        """Encode samples (b, d) as latent vectors (b, k): PCA's scores before training."""
        z = self.latents(self.centre(x))
        return quantized(self.bottleneck, z) * self.code_units

    def latents(self, x):
        """Encode standardized samples (b, d) as whitened latent vectors before the bottleneck."""
        return self.code(self.to_training_space(x))[0]

    def decode(self, z, dtype=torch.float32):
        """Decode latent vectors (b, k) to samples (b, d) in units of X, in float32 or float64."""
        return self.to_input_units(self.reconstruct_code(z / self.code_units), dtype)

    def residual(self, x):
        """Compute the residuals of samples in units of `centre.scale`.

        Parameters
        ----------
        x : torch.Tensor of shape (b, d)
            Samples in units of X.

        Returns
        -------
        residual : torch.Tensor of shape (b, d)
            Reconstructions minus samples.
        x : torch.Tensor of shape (b, d)
            Standardized samples, float64 if X has more digits than float32.
        """
        x = self.centre.precise(x)
        z = quantized(self.bottleneck, self.latents(x.float()))
        z = z * self.code_units / self.code_units  # rounded as the latent vectors of encode
        return self.residual_from_code(z, x), x

    def residual_from_code(self, z, x):
        """Return reconstructions of whitened latent vectors minus standardized samples (b, d)."""
        x_hat = self.reconstruct_code(z)
        if self.output == "sigmoid":
            return self.centre(self.to_input_units(x_hat)) - x
        return self.from_training_space(x_hat) - x

    def forward(self, x, generator=None):
        """Reconstruct samples of the training space.

        Parameters
        ----------
        x : torch.Tensor of shape (..., n_training_features)
            Samples in the training space.
        generator : torch.Generator, default=None
            Random number generator of noise and bottleneck, on the CPU.

        Returns
        -------
        output : ForwardOutput
            Reconstructions, latent vectors, cost of the bottleneck and predictions.
        """
        z, hidden = self.code(x)  # (b, k), (b, n_hidden)
        noisy = z
        if self.penalty is not None:
            noisy = self.penalty.perturb(z, generator)
        output = self.bottleneck(noisy, hidden, generator)
        decoder_input, cost = check_forward(self.bottleneck, noisy, output)  # (b, k), (b,)
        x_hat = self._loss_input(self.reconstruct_code(decoder_input))
        predictions = None
        if self.head is not None:
            predictions = self.head(decoder_input)  # (b, n_outputs)
        return ForwardOutput(x_hat, z, decoder_input, cost, predictions)
