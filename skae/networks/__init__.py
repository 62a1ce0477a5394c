"""Networks of autoencoders, in torch only: layers in `layers`, and one file for each network."""

from skae.networks.conv import ConvNetwork
from skae.networks.dense import DenseNetwork
from skae.networks.module import ModuleNetwork

__all__ = ["ConvNetwork", "DenseNetwork", "ModuleNetwork"]
