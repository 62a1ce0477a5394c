"""The schema of options: losses, bottlenecks, penalties, corruptions and augmentations.

To add a class of options, add its parameters to `OPTION_PARAMETERS`.
"""

from skae.augmentations import AUGMENTATIONS
from skae.bottlenecks import BOTTLENECKS
from skae.corruptions import IMAGE_CORRUPTIONS
from skae.export._compound_kinds import Choice, Nested, Sequence
from skae.export._fields import (
    ANY,
    AT_LEAST_0,
    AUTO,
    AUTO_OR_COUNT,
    COUNT,
    MAX_COUNT,
    POSITIVE,
    ClassSchema,
)
from skae.export._kinds import Boolean, Int, Null, Real, Word
from skae.features import FEATURES
from skae.losses import LOSSES
from skae.penalties import PENALTIES
from skae.penalties._spread import VIEWS

__all__ = [
    "AUGMENTATION",
    "BOTTLENECK",
    "BOTTLENECK_OBJECT",
    "CORRUPTION",
    "FEATURES_OBJECT",
    "FEATURES_OPTION",
    "IMAGE_CORRUPTION",
    "LOSS",
    "LOSS_OBJECT",
    "OPTIONS",
    "PENALTY",
    "PENALTY_OBJECT",
]

LEVEL = Choice(AUTO, AT_LEAST_0, Sequence(AT_LEAST_0, 2, 2))
AUTO_OR_NUMBER = Choice(AUTO, ANY)
SHARE = Real(low=0, high=1)
MASKING = {"level": LEVEL, "fill_value": AUTO_OR_NUMBER, "masked_weight": Choice(AUTO, SHARE)}
VIEWS_OPTION = Choice(
    Word("auto", *VIEWS), Nested(tuple(class_.__name__ for class_ in VIEWS.values()))
)

AUTO_OR_SIDES = Choice(AUTO, COUNT, Sequence(COUNT, 2, 2))

OPTION_PARAMETERS = {
    "SquaredError": {},
    "AbsoluteError": {},
    "Huber": {"delta": POSITIVE},
    "LogLoss": {},
    "Deterministic": {},
    "Ordered": {},
    "Variational": {"weight": AT_LEAST_0},
    "Quantized": {"codebook_size": AUTO_OR_COUNT, "weight": AT_LEAST_0},
    "Sparsity": {"weight": AT_LEAST_0},
    "Contraction": {"weight": AT_LEAST_0, "exact": Choice(AUTO, Boolean())},
    "Decorrelation": {"weight": AT_LEAST_0},
    "Rate": {"weight": POSITIVE},
    "Spread": {
        "weight": AT_LEAST_0,
        "views": VIEWS_OPTION,
        "n_views": Int(2, MAX_COUNT),
        "width": COUNT,
    },
    "PatchFeatures": {
        "n_filters": AUTO_OR_COUNT,
        "patch_size": AUTO_OR_SIDES,
        "pooling": AUTO_OR_SIDES,
        "threshold": AT_LEAST_0,
        "pixel_weight": AT_LEAST_0,
    },
    "Mirror": {"probability": SHARE},
    "Crop": {"min_area": Real(above=0, high=1), "mirror": SHARE},
    "ColumnSwap": {"probability": SHARE},
    "Gaussian": {"level": LEVEL},
    "Masking": MASKING,
    "SaltAndPepper": {
        "level": LEVEL,
        "low": Choice(Null(), AUTO_OR_NUMBER),
        "high": Choice(Null(), AUTO_OR_NUMBER),
    },
    "Patches": MASKING,
    "Blur": {"level": LEVEL},
    "JPEG": {"level": LEVEL},
}
"""Parameters of the classes of losses, bottlenecks, penalties, corruptions, augmentations and
features."""


def _declare_options():
    """Return the declaration of each class of an option, by name."""
    schema = {}
    for words in (
        LOSSES,
        BOTTLENECKS,
        PENALTIES,
        IMAGE_CORRUPTIONS,
        AUGMENTATIONS,
        VIEWS,
        FEATURES,
    ):
        for class_ in words.values():
            schema[class_.__name__] = ClassSchema(class_, OPTION_PARAMETERS[class_.__name__])
    return schema


def _option_objects(words):
    """Return the kind of objects of an option."""
    return Nested(tuple(class_.__name__ for class_ in words.values()))


OPTIONS: dict[str, ClassSchema] = _declare_options()
"""Classes of options. To add a class, add its parameters to `OPTION_PARAMETERS`."""

LOSS_OBJECT = _option_objects(LOSSES)
BOTTLENECK_OBJECT = _option_objects(BOTTLENECKS)
FEATURES_OBJECT = Choice(Null(), _option_objects(FEATURES))
FEATURES_OPTION = Choice(Word(*FEATURES), FEATURES_OBJECT)
PENALTY_OBJECT = Choice(Null(), _option_objects(PENALTIES))
LOSS = Choice(Word(*LOSSES), LOSS_OBJECT)
BOTTLENECK = Choice(Word(*BOTTLENECKS), BOTTLENECK_OBJECT)
PENALTY = Choice(Word(*PENALTIES), PENALTY_OBJECT)
IMAGE_CORRUPTION = Choice(Word(*IMAGE_CORRUPTIONS), _option_objects(IMAGE_CORRUPTIONS))
CORRUPTION = Choice(Null(), IMAGE_CORRUPTION)
AUGMENTATION = Choice(Null(), Word("auto", *AUGMENTATIONS), _option_objects(AUGMENTATIONS))
