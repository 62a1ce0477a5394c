"""skae"""

from skae._conv import ConvAutoencoder
from skae._dense import DenseAutoencoder

__version__ = "0.1.0"
__all__ = ["ConvAutoencoder", "DenseAutoencoder"]
