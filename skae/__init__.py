"""Autoencoders for tables and images as scikit-learn estimators.

Estimators
    ``autoencoders``             `DenseAutoencoder` for tables and `ConvAutoencoder` for images:
                                 parameters, inference, HTML representation

Training objective
    ``losses``                   reconstruction losses
    ``penalties``                regularization of latent vectors
    ``bottlenecks``              constraints on latent vectors
    ``corruptions``              noise added to training inputs
    ``augmentations``            random changes of training samples
    ``features``                 features of images beside their pixels
    ``networks``                 torch modules: layers, encoders, decoders, and the modules of
                                 bottlenecks and penalties

Input
    ``_input``                   validation, tables with categories, sparse rows, image layout,
                                 streaming, missing values, targets, batches

Training
    ``_training``                PCA, defaults, initialization, validation split, optimization,
                                 early stopping, history, progress, convergence warnings,
                                 checkpoints

Applications: estimators and functions on top of a fitted or unfitted autoencoder
    ``anomaly``                  anomaly and outlier detection
    ``generation``               sampling from densities of latent vectors, also by class
    ``imputation``               imputation of missing values in tables and images
    ``compression``              lossy compression by entropy coding of latent vectors
    ``restoration``              image denoising and restoration
    ``displays``                 plots of samples, latent vectors and training curves
    ``datasets``                 image folders, torch datasets and IDX files as arrays
    ``export``                   safetensors and ONNX files

Shared modules
    ``_files``                   atomic writing, bounded reading, containers of arrays
    ``_devices``                 device selection, bfloat16 support
    ``_meta_estimator``          base class of estimators that wrap an autoencoder
    ``_options``                 options of estimators: a word or an object
    ``_parameter_names``         parameter names of other libraries, for errors
    ``_persistence``             pickle state, versions, rollback of a failed fit
    ``_sklearn_compat``          private imports from scikit-learn
    ``_typing``                  type aliases of public signatures
    ``_version``                 version of the package
    ``_warnings``                warnings, each issued once at the line of the caller
"""

from skae._training.checkpoint_files import clear_checkpoints
from skae._version import __version__ as __version__
from skae.anomaly import ReconstructionDetector
from skae.autoencoders import ConvAutoencoder, DenseAutoencoder
from skae.compression import LatentCodec
from skae.displays import (
    ContributionDisplay,
    LatentDisplay,
    ReconstructionDisplay,
    SpectrumDisplay,
    TrainingDisplay,
    TraversalDisplay,
)
from skae.generation import LatentSampler
from skae.imputation import AutoencoderImputer
from skae.restoration import ImageRestorer

__all__ = [
    "AutoencoderImputer",
    "ContributionDisplay",
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
    "clear_checkpoints",
]
