"""Networks of autoencoders, in torch only: layers in `layers`, and one file for each network."""

from skae.networks.conv import ConvNetwork
from skae.networks.dense import DenseNetwork

__all__ = ["ConvNetwork", "DenseNetwork"]
