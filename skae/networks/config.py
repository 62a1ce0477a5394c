"""Configuration of networks: frozen records of values and options that build a network."""

from dataclasses import dataclass, fields
from typing import Any

from skae.networks.hidden_units import reset_activations

__all__ = ["ConvConfig", "DenseConfig", "NetworkConfig", "UNetConfig"]


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

    features = None
    in_pca_space = False
    gaussian_imputation = False
    convolutional = False


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
class UNetConfig(Config):
    """Configuration of `skae.networks.unet.UNet`."""

    n_channels: int
    n_filters: int
    crop: tuple
    allow_nan: bool = False
    fill: float = 0.5
    masked_only: bool = False
