"""The schema of parameters that determine the architecture, and of the history of a training."""

from skae.autoencoders._architecture import MAX_KERNEL, MAX_STAGES
from skae.export._compound_kinds import Array, Choice, Fields, Sequence
from skae.export._fields import AUTO, AUTO_OR_COUNT, COUNT, COUNTS, SIZES
from skae.export._kinds import Boolean, Int, Null, Real, TorchClass, Word
from skae.networks.layers import ACTIVATIONS

__all__ = [
    "ACTIVATION",
    "ARCHITECTURE",
    "CONV_PARAMETERS",
    "DENSE_PARAMETERS",
    "DROPOUT",
    "HISTORY",
    "KERNEL_SIZE",
    "NORMALIZATION",
    "N_STAGES",
    "SHARED_ARCHITECTURE",
]

ACTIVATION = Choice(Word(*ACTIVATIONS), TorchClass("torch.nn"))
NORMALIZATION = Choice(Null(), Word("layer"))
DROPOUT = Real(low=0, high=1)
N_STAGES = Int(1, MAX_STAGES)
KERNEL_SIZE = Int(1, MAX_KERNEL)
SHARED_ARCHITECTURE = {
    "n_components": Choice(AUTO, COUNT, Real(above=0, high=1)),
    "activation": ACTIVATION,
    "normalization": NORMALIZATION,
    "dropout": DROPOUT,
    "allow_nan": Boolean(),
}
HIDDEN_SIZES = Choice(AUTO, COUNT, SIZES, COUNTS)
DENSE_PARAMETERS = {
    "hidden_layer_sizes": HIDDEN_SIZES,
    "decoder_hidden_layer_sizes": HIDDEN_SIZES,
}
CONV_PARAMETERS = {
    "n_filters": Choice(AUTO_OR_COUNT, SIZES, COUNTS),
    "n_stages": Choice(AUTO, N_STAGES),
    "kernel_size": Choice(AUTO, KERNEL_SIZE),
    "image_shape": Choice(AUTO, Sequence(COUNT, 2, 3), COUNTS),
    "channel_axis": Int(-3, 3),
    "signals": Choice(AUTO, Boolean()),
}
ARCHITECTURE = {**SHARED_ARCHITECTURE, **DENSE_PARAMETERS, **CONV_PARAMETERS}
"""Parameters of both autoencoders that determine the architecture."""

HISTORY = Fields(
    {
        "epoch": Array("f8", ("epochs",), low=0),
        "train_loss": Array("f8", ("epochs",), finite=False),
        "validation_loss": Array("f8", ("epochs",), finite=False),
        "seconds": Array("f8", ("epochs",), low=0, finite=False),
        "learning_rate": Array("f8", ("epochs",), finite=False),
    },
    complete=True,
)
"""Losses, seconds and learning rate of each epoch; NaN is an unknown value."""
