"""Autoencoders for images and tables, as scikit-learn estimators.

The doors
    ``_dense``, ``_conv``        the two estimators: their parameters, their documentation, and how their X lies
    ``_base``                    what both do: fit, transform, inverse_transform, reconstruct, score
    ``_state``                   what is kept of them in pickles and files, and which ``_version`` wrote it
    ``_typing``                  the words of signatures: what goes in, and the options
    ``_warning``                 warnings, each where the user's code leads to it, and once

X becomes batches
    ``datasets``                 folders of images, torch's datasets and IDX files, as arrays
    ``_stored``                  what is on disk gives slices
    ``_validation``              X in, checked array out; device, seed, weights; all private imports from scikit-learn
    ``_layout``                  how an image lies in X
    ``_batches``                 rows become tensor batches, in memory or streamed
    ``_targets``                 what y says, where codes are to carry it
    ``corruptions``, ``_damage`` damage done to inputs, and how parameters name it
    ``_principal``               mean, scale and principal components, piece by piece

Batches become a trained network
    ``networks``                 torch only: ``grid``, ``blocks``, ``bottlenecks``, ``autoencoder``, ``dense``,
                                 ``conv``, ``restorer``
    ``objectives``               how far a reconstruction is from its input
    ``penalties``                what else is asked of codes
    ``_objective``               the loss of a batch: all that is made small
    ``_net``                     the skorch net: one step, one epoch, the learning rate
    ``_settings``                what users tell the net: the solver, and more by ``net_params``
    ``_starting``                where a training starts: from PCA, or from weights that are there
    ``_preparing``               what a fit has to have before its first step: a plan, a net, and the rows that it sees
    ``_training``                which rows are held out, which weights are taken
    ``_defaults``                what "auto" means
    ``_finishing``               what there is to say of codes afterwards
    ``_advice``                  what a fit warns of
    ``_html``                    what a notebook shows of a fitted autoencoder
    ``_fitting``                 the training of a fit, and what is recorded of it
    ``_progress``                the progress bar and scikit-learn's callbacks
    ``_using``                   what a trained network makes of rows, piece by piece

What an autoencoder is for
    ``_wrapped``                 what all of these do with the autoencoder that they wrap
    ``anomaly``                  rows and images that do not fit in
    ``generation``               new rows and images, from a density over codes
    ``restoration``              clean images from damaged ones
    ``compression``              codes as few bytes: ``codec``, ``rows``, ``grids``, ``symbols``, ``learning``,
                                 ``quantiser``, ``tiles``, ``container``, ``coding``
    ``export``                   files that run nothing when they are read: safetensors and ONNX
    ``displays``                 pictures of samples, codes and trainings
"""

from skae._conv import ConvAutoencoder
from skae._dense import DenseAutoencoder
from skae._version import __version__ as __version__
from skae.anomaly import ReconstructionDetector
from skae.compression import LatentCodec
from skae.displays import LatentDisplay, ReconstructionDisplay, SpectrumDisplay, TrainingDisplay, TraversalDisplay
from skae.generation import LatentSampler
from skae.restoration import ImageRestorer

__all__ = [
    "ConvAutoencoder",
    "DenseAutoencoder",
    "ImageRestorer",
    "LatentCodec",
    "LatentDisplay",
    "LatentSampler",
    "ReconstructionDetector",
    "ReconstructionDisplay",
    "SpectrumDisplay",
    "TrainingDisplay",
    "TraversalDisplay",
]
