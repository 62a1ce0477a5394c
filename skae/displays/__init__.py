"""Plots of a fitted autoencoder, following scikit-learn's display convention.

`from_estimator` computes the values of a plot and stores them as attributes of the display. `plot`
plots the stored values again. matplotlib is an optional dependency, imported when a display is
plotted: ``pip install skae[plot]``.
"""

from skae.displays._contributions import ContributionDisplay
from skae.displays._latent import LatentDisplay
from skae.displays._reconstruction import ReconstructionDisplay
from skae.displays._spectrum import SpectrumDisplay
from skae.displays._training import TrainingDisplay
from skae.displays._traversal import TraversalDisplay

__all__ = [
    "ContributionDisplay",
    "LatentDisplay",
    "ReconstructionDisplay",
    "SpectrumDisplay",
    "TrainingDisplay",
    "TraversalDisplay",
]
