"""Configuration of networks: frozen records of values and options that build a network."""

from dataclasses import dataclass, field, fields
from typing import Any

from skae.networks.hidden_units import reset_activations
from skae.networks.module_shapes import measure_shapes, random_samples
from skae.networks.own_modules import build_module

__all__ = ["ConvConfig", "DenseConfig", "ModuleConfig", "NetworkConfig", "UNetConfig"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """Keyword arguments of a network's class."""

    def options(self):
        """Return the keyword arguments as a dict."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def add_option_modules(self, network):
        """Create the modules of options in a network again; without options, do nothing."""


@dataclass(frozen=True, kw_only=True)
class NetworkConfig(Config):
    """Configuration that dense and convolutional networks share.

    The fields are parameters of `skae.networks.autoencoder.Autoencoder`.
    """

    n_features: int
    n_components: int
    n_coordinates: int
    n_inputs: int
    encoder_sizes: tuple
    decoder_sizes: tuple
    activation: Any
    output: str
    ceiling: float
    bottleneck: Any
    penalty: Any
    head_sizes: tuple
    allow_nan: bool
    normalization: str | None = None
    dropout: float = 0.0

    @property
    def draws_noise(self):
        """Whether bottleneck or penalty draw noise, also for validation."""
        return self.bottleneck.draws_noise or self._penalty_adds_noise

    @property
    def starts_as_pca(self):
        """Whether the network starts as PCA if its weights do."""
        is_linear = self.bottleneck.is_deterministic and self.output == "linear"
        return is_linear and not self._penalty_adds_noise and not self.has_features

    @property
    def _penalty_adds_noise(self):
        return self.penalty is not None and self.penalty.adds_noise

    def add_option_modules(self, network):
        """Create the modules of bottleneck, penalty and activation in a network again."""
        network.make_option_modules(self.bottleneck, self.penalty, self.n_components)
        reset_activations(network, self.activation)

    @property
    def has_features(self):
        """Whether the encoder receives features of images."""
        return self.features is not None

    def own_modules(self):
        """Build the encoder and the decoder of the user; other networks have none."""
        return []

    features = None
    in_pca_space = False
    gaussian_imputation = False
    convolutional = False
    has_linear_part = True
    has_own_modules = False


@dataclass(frozen=True, kw_only=True)
class DenseConfig(NetworkConfig):
    """Configuration of `skae.networks.DenseNetwork`."""

    in_pca_space: bool
    gaussian_imputation: bool


@dataclass(frozen=True, kw_only=True)
class ConvConfig(NetworkConfig):
    """Configuration of `skae.networks.ConvNetwork`."""

    image_size: tuple
    channels_first: bool
    n_filters: Any
    fine: bool
    scales_channels: bool
    n_stages: int | None = None
    kernel_size: int | None = None
    features: Any = None
    n_feature_coordinates: int = 0

    convolutional = True

    def add_option_modules(self, network):
        """Create the modules of bottleneck, penalty and features in a network again."""
        super().add_option_modules(network)
        if self.has_features:
            network.features.make_module(self.features, self.image_size)


@dataclass(frozen=True, kw_only=True)
class ModuleConfig(NetworkConfig):
    """Configuration of `skae.networks.ModuleNetwork`.

    `encoder` and `decoder` are classes, functions or instances of the user, and `encoder_params`
    and `decoder_params` their parameters.
    """

    sample_shape: tuple
    channel_axis: int | None
    module_shape: tuple
    code_shape: tuple
    returns_log_variance: bool
    n_held: int
    has_linear_part: bool
    standardize: bool
    encoder: Any = field(repr=False)
    decoder: Any = field(repr=False)
    encoder_params: dict
    decoder_params: dict

    has_own_modules = True

    def options(self):
        """Return the keyword arguments without those of the user's modules."""
        options = super().options()
        for role in ("encoder", "decoder"):
            del options[role], options[f"{role}_params"]
        return options

    def build_module(self, role):
        """Build the encoder or the decoder, on the default device."""
        return build_module(
            getattr(self, role),
            role,
            self.module_shape,
            self.n_components,
            getattr(self, f"{role}_params"),
        )

    def own_modules(self):
        """Build the encoder and the decoder of the user."""
        return [self.build_module(role) for role in ("encoder", "decoder")]

    def add_option_modules(self, network):
        """Create the modules of options and of the user in a network again."""
        super().add_option_modules(network)
        encoder = self.build_module("encoder")
        # lazy modules have parameters only after a forward pass
        samples = random_samples(self.module_shape)
        if not self.standardize:  # such as indices, of which 0 is one
            samples = samples.zero_()
        decoder, _ = measure_shapes(
            encoder,
            lambda _: self.build_module("decoder"),
            samples,
            self.n_components,
            {"encoder": self.encoder, "decoder": self.decoder},
        )
        network.add_modules(encoder, decoder)


@dataclass(frozen=True, kw_only=True)
class UNetConfig(Config):
    """Configuration of `skae.networks.unet.UNet`."""

    n_channels: int
    n_filters: int
    crop: tuple
    allow_nan: bool = False
    fill: float = 0.5
    masked_only: bool = False
