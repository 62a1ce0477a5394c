"""The schema of skae's estimators: parameters, fitted attributes, and classes of options.

To add a parameter or a fitted attribute, add it to the table of its class. To add a class of
options, such as a loss, add it to `OPTION_PARAMETERS`.
"""

from skae._input.table_schema import HANDLE_UNKNOWN
from skae.anomaly import ReconstructionDetector
from skae.autoencoders._conv import ConvAutoencoder
from skae.autoencoders._dense import DenseAutoencoder
from skae.bottlenecks import BOTTLENECKS
from skae.compression import LatentCodec
from skae.corruptions import IMAGE_CORRUPTIONS
from skae.export import _consistency as consistency
from skae.export._compound_kinds import (
    Array,
    Choice,
    Keywords,
    Nested,
    Sequence,
    Strings,
    Weights,
)
from skae.export._fields import (
    ANY,
    ANY_COUNT,
    AT_LEAST_0,
    AUTO,
    AUTO_OR_COUNT,
    AUTO_OR_POSITIVE,
    COUNT,
    COUNTS,
    FEATURE_NAMES,
    MAX_COUNT,
    N_FEATURES,
    OUTPUT_CONFIG,
    POSITIVE,
    SEED,
    SIZES,
    VERBOSE,
    ClassSchema,
)
from skae.export._kinds import Boolean, Bytes, Dtype, Int, Null, Optimizer, Real, Text, Word
from skae.features import FEATURES
from skae.generation import LatentSampler
from skae.imputation import AutoencoderImputer
from skae.losses import LOSSES
from skae.networks.layers import ACTIVATIONS
from skae.penalties import PENALTIES
from skae.restoration import ImageRestorer

__all__ = [
    "ARCHITECTURE",
    "BOTTLENECK_OBJECT",
    "ESTIMATORS",
    "FEATURES_OBJECT",
    "LOSS_OBJECT",
    "OPTIONS",
    "PENALTY_OBJECT",
]

AUTOENCODERS = (
    "DenseAutoencoder",
    "ConvAutoencoder",
    "FrozenEstimator",
    "Pipeline",
    "PCA",
    "StandardScaler",
    "MinMaxScaler",
)
"""Estimators that can stand in place of an autoencoder."""

DENSITIES = ("GaussianMixture", "FrozenEstimator", "Pipeline")
"""Estimators that can be the density of a sampler."""

STATISTIC = Real(finite=False)
"""Statistics of a training, which may have diverged."""

LEVEL = Choice(AUTO, AT_LEAST_0, Sequence(AT_LEAST_0, 2, 2))
AUTO_OR_NUMBER = Choice(AUTO, ANY)
AUTO_OR_SIDES = Choice(AUTO, COUNT, Sequence(COUNT, 2, 2))
DEVICE = Text(20, r"(auto|cpu|cuda|hpu|mps|mtia|npu|xpu)(:[0-9]{1,3})?")
OPTIMIZER_VALUE = Choice(Null(), Boolean(), ANY, Sequence(ANY, 0, 8))
NET_PARAMS = Choice(Null(), Keywords("optimizer__[a-z0-9_]{1,40}", OPTIMIZER_VALUE))
"""Parameters of the skorch net: numbers for the optimizer. None of torch.compile, callbacks, paths
and settings of torch.load."""

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
    "Gaussian": {"level": LEVEL},
    "Masking": {"level": LEVEL, "fill_value": AUTO_OR_NUMBER},
    "SaltAndPepper": {
        "level": LEVEL,
        "low": Choice(Null(), AUTO_OR_NUMBER),
        "high": Choice(Null(), AUTO_OR_NUMBER),
    },
    "Patches": {"level": LEVEL, "fill_value": AUTO_OR_NUMBER},
    "Blur": {"level": LEVEL},
    "JPEG": {"level": LEVEL},
    "PatchFeatures": {
        "n_filters": AUTO_OR_COUNT,
        "patch_size": AUTO_OR_SIDES,
        "pooling": AUTO_OR_SIDES,
        "threshold": AT_LEAST_0,
        "pixel_weight": AT_LEAST_0,
    },
}
"""Parameters of the classes of losses, bottlenecks, penalties, corruptions and features."""


def _declare_options():
    """Return the declaration of each class of an option, by name."""
    schema = {}
    for words in (LOSSES, BOTTLENECKS, PENALTIES, IMAGE_CORRUPTIONS, FEATURES):
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
PENALTY_OBJECT = Choice(Null(), _option_objects(PENALTIES))
FEATURES_OBJECT = Choice(Null(), _option_objects(FEATURES))
LOSS = Choice(Word(*LOSSES), LOSS_OBJECT)
BOTTLENECK = Choice(Word(*BOTTLENECKS), BOTTLENECK_OBJECT)
PENALTY = Choice(Word(*PENALTIES), PENALTY_OBJECT)
IMAGE_CORRUPTION = Choice(Word(*IMAGE_CORRUPTIONS), _option_objects(IMAGE_CORRUPTIONS))
CORRUPTION = Choice(Null(), IMAGE_CORRUPTION)
PRECISION = Word("auto", "float32", "bfloat16")
OUTPUT_DTYPE = Word("auto", "input")

SHARED_ARCHITECTURE = {
    "n_components": Choice(AUTO, COUNT, Real(above=0, high=1)),
    "activation": Word(*ACTIVATIONS),
    "allow_nan": Boolean(),
}
DENSE_PARAMETERS = {"hidden_layer_sizes": Choice(AUTO, COUNT, SIZES, COUNTS)}
TABLE_PARAMETERS = {
    "categorical_features": Choice(
        Null(),
        Word("from_dtype"),
        Sequence(Choice(Text(), Boolean(), Int(0, MAX_COUNT))),
        Strings(),
        Array("biu", ("n_categorical",)),
    ),
    "handle_unknown": Word(*HANDLE_UNKNOWN),
    "min_frequency": Choice(Null(), COUNT, Real(above=0, high=1)),
    "max_categories": Choice(Null(), COUNT),
}
TABLE = Choice(Null(), Nested(("TableSchema",)))
CONV_ARCHITECTURE = {
    "n_filters": AUTO_OR_COUNT,
    "image_shape": Choice(AUTO, Sequence(COUNT, 2, 3), COUNTS),
    "channel_axis": Int(-3, 3),
    "signals": Choice(AUTO, Boolean()),
}
CONV_PARAMETERS = {
    **CONV_ARCHITECTURE,
    "features": Choice(Word(*FEATURES), FEATURES_OBJECT),
}
ARCHITECTURE = {**SHARED_ARCHITECTURE, **DENSE_PARAMETERS, **CONV_ARCHITECTURE}
"""Parameters of both autoencoders that determine the architecture."""

AUTOENCODER_PARAMETERS = {
    **SHARED_ARCHITECTURE,
    "init": Word("auto", "random"),
    "bottleneck": BOTTLENECK,
    "loss": LOSS,
    "corruption": CORRUPTION,
    "penalty": PENALTY,
    "target_weight": AT_LEAST_0,
    "solver": Choice(Word("adamw", "adam", "rmsprop", "sgd"), Optimizer()),
    "learning_rate_init": AUTO_OR_POSITIVE,
    "batch_size": AUTO_OR_COUNT,
    "max_iter": AUTO_OR_COUNT,
    "early_stopping": Boolean(),
    "validation_fraction": Choice(AUTO, Real(above=0, high=1)),
    "warm_start": Boolean(),
    "checkpoint_dir": Null(),
    "device": DEVICE,
    "precision": PRECISION,
    "output_dtype": OUTPUT_DTYPE,
    "net_params": NET_PARAMS,
    "random_state": SEED,
    "verbose": VERBOSE,
}
AUTOENCODER_FITTED = {
    **N_FEATURES,
    "n_components_": Int(1, MAX_COUNT, size="k"),
    "_n_features_out": Int(1, MAX_COUNT, size="k"),
    "init_": Text(100, "[A-Za-z0-9 ]*"),
    "n_iter_": ANY_COUNT,
    "best_iter_": ANY_COUNT,
    "loss_curve_": Sequence(STATISTIC),
    "validation_scores_": Choice(Null(), Sequence(STATISTIC)),
    "validation_iters_": Choice(Null(), Sequence(ANY_COUNT)),
    "best_validation_score_": Choice(Null(), STATISTIC),
    "best_loss_": STATISTIC,
    "batch_size_": COUNT,
    "max_iter_": ANY_COUNT,
    "learning_rate_init_": POSITIVE,
    "precision_": Word("float32", "bfloat16"),
    "n_folds_": ANY_COUNT,
    "n_held_out_": ANY_COUNT,
    "_spec": Nested(("FittedSpec",)),
    "_weights": Weights(),
}
AUTOENCODER_OPTIONAL = {
    **FEATURE_NAMES,
    **OUTPUT_CONFIG,
    "code_steps_": Array("f", ("k",), above=0),
    "explained_variance_ratio_": Array("f", ("k",)),
    "codebooks_": Array("f", ("groups", "codebook_size", "length")),
    "codebook_usage_": Array("f", ("groups", "codebook_size"), low=0),
}
USES_FITTED = {**N_FEATURES, "autoencoder_": Nested(AUTOENCODERS, is_estimator=True)}
AUTOENCODER = Choice(Null(), Nested(AUTOENCODERS, is_estimator=True))

MATRICES = Choice(Null(), Sequence(Array("f8"), 2, 2))

ESTIMATORS = {
    "DenseAutoencoder": ClassSchema(
        DenseAutoencoder,
        {**AUTOENCODER_PARAMETERS, **DENSE_PARAMETERS, **TABLE_PARAMETERS},
        AUTOENCODER_FITTED,
        {**AUTOENCODER_OPTIONAL, "_table": TABLE},
        consistency.check_autoencoder,
    ),
    "ConvAutoencoder": ClassSchema(
        ConvAutoencoder,
        {**AUTOENCODER_PARAMETERS, **CONV_PARAMETERS},
        {
            **AUTOENCODER_FITTED,
            "_layout": Nested(("ImageLayout",)),
            "image_shape_": Sequence(COUNT, 2, 3),
            "channel_axis_": Choice(Null(), Int(-3, 3)),
        },
        AUTOENCODER_OPTIONAL,
        consistency.check_autoencoder,
    ),
    "ImageRestorer": ClassSchema(
        ImageRestorer,
        {
            "corruption": IMAGE_CORRUPTION,
            "data_range": Choice(AUTO, Sequence(ANY, 2, 2)),
            "fill_value": Choice(AUTO, ANY),
            "n_filters": COUNT,
            "patch_size": COUNT,
            "augment": Choice(AUTO, Boolean()),
            "loss": LOSS,
            "learning_rate_init": AUTO_OR_POSITIVE,
            "batch_size": AUTO_OR_COUNT,
            "max_iter": AUTO_OR_COUNT,
            "tile_size": COUNT,
            "checkpoint_dir": Null(),
            "device": DEVICE,
            "precision": PRECISION,
            "output_dtype": OUTPUT_DTYPE,
            "allow_nan": Boolean(),
            "net_params": NET_PARAMS,
            "random_state": SEED,
            "verbose": VERBOSE,
        },
        {
            "n_channels_": COUNT,
            "data_range_": Sequence(ANY, 2, 2),
            "fill_value_": ANY,
            "n_iter_": ANY_COUNT,
            "loss_curve_": Sequence(STATISTIC),
            "_spec": Nested(("FittedSpec",)),
            "_weights": Weights(),
        },
        {},
        consistency.check_restorer,
    ),
    "LatentCodec": ClassSchema(
        LatentCodec,
        {
            "autoencoder": AUTOENCODER,
            "step": AUTO_OR_POSITIVE,
            "tile": Choice(Null(), Int(2, 2**16)),
            "context": Boolean(),
            "random_state": SEED,
        },
        {
            "autoencoder_": Nested(AUTOENCODERS, is_estimator=True),
            "steps_": Array("f8", ("k",), above=0),
            "code_mean_": Array("f8", ("k",)),
            "dtype_": Dtype(),
            "fingerprint_": Text(64, "[0-9a-f]{64}"),
            "_fingerprint": Bytes(32),
            "_context_model": Nested(("ContextModel",)),
            "_tile": Choice(Null(), Int(2, 2**16)),
            "_channels": Choice(Null(), Sequence(COUNT, 0, 1)),
        },
        {**N_FEATURES, **FEATURE_NAMES},
        consistency.check_codec,
    ),
    "AutoencoderImputer": ClassSchema(
        AutoencoderImputer,
        {
            "autoencoder": AUTOENCODER,
            "missing_values": Real(finite=False),
            "add_indicator": Boolean(),
            "keep_empty_features": Boolean(),
            "sample_posterior": Boolean(),
            "random_state": SEED,
        },
        {
            **USES_FITTED,
            "regression_weights_": Choice(Null(), Array("f8", ("k",), low=0, high=1)),
            "imputation_errors_": Choice(Null(), Array("f8", ("k",), low=0)),
            "indicator_features_": Array("i8", ("i",), low=0),
            "_kept": Array("i8", ("k",), low=0),
            "_table": Choice(Null(), Nested(("TableImputation",))),
        },
        {**FEATURE_NAMES, **OUTPUT_CONFIG},
        consistency.check_imputer,
    ),
    "LatentSampler": ClassSchema(
        LatentSampler,
        {
            "autoencoder": AUTOENCODER,
            "density": Choice(Null(), Nested(DENSITIES, is_estimator=True)),
            "match_quantiles": Choice(AUTO, Boolean()),
            "random_state": SEED,
        },
        {
            **USES_FITTED,
            "code_mean_": Array("f8", ("k",)),
            "code_scale_": Array("f8", ("k",), above=0),
            "_quantile_match": Choice(Null(), Nested(("QuantileMatch",))),
        },
        {
            **FEATURE_NAMES,
            "density_": Nested(DENSITIES, is_estimator=True),
            "densities_": Sequence(Nested(DENSITIES, is_estimator=True), 1),
            "classes_": Choice(Array("biuf", ("c",)), Strings("c")),
            "class_prior_": Array("f8", ("c",), above=0, high=1),
        },
        consistency.check_sampler,
    ),
    "ReconstructionDetector": ClassSchema(
        ReconstructionDetector,
        {
            "autoencoder": AUTOENCODER,
            "contamination": Choice(AUTO, Real(above=0, high=0.5)),
            "n_neighbors": COUNT,
            "neighbor_weight": AT_LEAST_0,
            "smoothing": Choice(AUTO, AT_LEAST_0),
            "standardize": Choice(AUTO, Boolean()),
            "cross_fit": Choice(AUTO, Boolean()),
            "trim": Boolean(),
            "random_state": SEED,
        },
        {
            **USES_FITTED,
            "offset_": ANY,
            "calibration_scores_": Array("f8", ("n",), high=0),
            "error_scale_": Array("f8", ("n_encoded",), above=0),
            "scaler_": Choice(Null(), Nested(("StandardScaler",), is_estimator=True)),
            "n_outliers_": ANY_COUNT,
            "_reference": Nested(("NormalReference",)),
            "_outliers": Nested(("Window",)),
            "_calibration_weights": Array("f8", ("n",), above=0),
            "_false_alarm_rate": Choice(Null(), Real(above=0, high=1)),
            "_neighbor_weight": AT_LEAST_0,
            "_standardizes_table": Boolean(),
            "_window_size": COUNT,
            "_units": Sequence(AT_LEAST_0, 2, 2),
            "_kernels": MATRICES,
            "_pooling": MATRICES,
            "_table": TABLE,
        },
        FEATURE_NAMES,
        consistency.check_detector,
    ),
}
"""Estimators of skae, by name."""
