"""The schema of skae's estimators: parameters and fitted attributes.

To add a parameter or a fitted attribute, add it to the table of its class.
"""

from skae._input.table_schema import HANDLE_UNKNOWN
from skae._training.schedules import SCHEDULES
from skae.anomaly import ReconstructionDetector
from skae.autoencoders._conv import ConvAutoencoder
from skae.autoencoders._dense import DenseAutoencoder
from skae.compression import LatentCodec
from skae.export import _consistency as consistency
from skae.export._architecture_schema import (
    CONV_PARAMETERS,
    DENSE_PARAMETERS,
    HISTORY,
    SHARED_ARCHITECTURE,
)
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
    FEATURE_NAMES,
    MAX_COUNT,
    N_FEATURES,
    OUTPUT_CONFIG,
    POSITIVE,
    SEED,
    VERBOSE,
    ClassSchema,
)
from skae.export._kinds import Boolean, Bytes, Dtype, Int, Null, Real, Text, TorchClass, Word
from skae.export._option_schema import (
    AUGMENTATION,
    BOTTLENECK,
    CORRUPTION,
    FEATURES_OPTION,
    IMAGE_CORRUPTION,
    LOSS,
    PENALTY,
)
from skae.generation import LatentSampler
from skae.imputation import AutoencoderImputer
from skae.restoration import ImageRestorer

__all__ = ["ESTIMATORS"]

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

DEVICE = Text(20, r"(auto|cpu|cuda|hpu|mps|mtia|npu|xpu)(:[0-9]{1,3})?")
OPTIMIZER_VALUE = Choice(Null(), Boolean(), ANY, Sequence(ANY, 0, 8))
NET_PARAMS = Choice(Null(), Keywords("optimizer__[a-z0-9_]{1,40}", OPTIMIZER_VALUE))
"""Parameters of the skorch net: numbers for the optimizer. None of torch.compile, callbacks, paths
and settings of torch.load."""

PRECISION = Word("auto", "float32", "bfloat16")
OUTPUT_DTYPE = Word("auto", "input")

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
AUTOENCODER_PARAMETERS = {
    **SHARED_ARCHITECTURE,
    "init": Word("auto", "random"),
    "bottleneck": BOTTLENECK,
    "loss": LOSS,
    "corruption": CORRUPTION,
    "penalty": PENALTY,
    "target_weight": AT_LEAST_0,
    "solver": Choice(Word("adamw", "adam", "rmsprop", "sgd"), TorchClass("torch.optim")),
    "learning_rate": Choice(Word(*SCHEDULES), TorchClass("torch.optim.lr_scheduler")),
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
    "history_": HISTORY,
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
        {
            **AUTOENCODER_PARAMETERS,
            **CONV_PARAMETERS,
            "augmentation": AUGMENTATION,
            "features": FEATURES_OPTION,
        },
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
