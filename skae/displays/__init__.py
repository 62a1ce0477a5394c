"""Pictures of a fitted autoencoder, in scikit-learn's convention for displays.

Each class keeps what it draws as attributes, so that it can be drawn again; `from_estimator` computes it. matplotlib is
imported only where something is drawn: ``pip install skae[plot]``.
"""

from skae.displays._latent import LatentDisplay
from skae.displays._reconstruction import ReconstructionDisplay
from skae.displays._spectrum import SpectrumDisplay
from skae.displays._training import TrainingDisplay
from skae.displays._traversal import TraversalDisplay

__all__ = ["LatentDisplay", "ReconstructionDisplay", "SpectrumDisplay", "TrainingDisplay", "TraversalDisplay"]
