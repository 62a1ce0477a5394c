"""Configuration of networks: frozen records of plain values, from which a network is built."""

from dataclasses import dataclass, fields

__all__ = ["ConvConfig", "DenseConfig", "NetworkConfig", "UNetConfig"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """Keyword arguments of a network's class."""

    def options(self):
        """Return the keyword arguments as a dict."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


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
    activation: str
    output: str
    ceiling: float
    bottleneck: str
    codebook_size: int
    step: float
    head_sizes: tuple
    allow_nan: bool

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
    n_filters: int
    fine: bool

    convolutional = True


@dataclass(frozen=True, kw_only=True)
class UNetConfig(Config):
    """Configuration of `skae.networks.unet.UNet`."""

    n_channels: int
    n_filters: int
    crop: tuple
    allow_nan: bool = False
    fill: float = 0.5
    only_gaps: bool = False
