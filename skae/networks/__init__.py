"""The networks, in torch only: parts in `blocks`, and one file for each kind."""

from skae.networks.conv import ConvNetwork
from skae.networks.dense import DenseNetwork

__all__ = ["ConvNetwork", "DenseNetwork"]
