"""The schema of objects inside of skae's estimators: network configurations, layouts, models."""

from skae._input.image_layout import ImageLayout
from skae._input.table_encoding import TableColumn
from skae._input.table_schema import HANDLE_UNKNOWN, TableSchema
from skae._input.targets import Targets
from skae._training.fitted import FittedSpec
from skae.anomaly._column_scaling import NormalScores, Standardization
from skae.anomaly._fitting import Window
from skae.anomaly._neighbors import NeighborDistances
from skae.anomaly._reference import NeighborView, NormalReference
from skae.anomaly._tail_probability import TailProbability
from skae.compression._context_model import ContextModel
from skae.export import _consistency as consistency
from skae.export._architecture_schema import (
    ACTIVATION,
    ARCHITECTURE,
    DROPOUT,
    KERNEL_SIZE,
    N_STAGES,
    NORMALIZATION,
)
from skae.export._compound_kinds import Array, Choice, Fields, Nested, Sequence, Strings
from skae.export._fields import ANY, ANY_COUNT, AT_LEAST_0, COUNT, POSITIVE, SIZES, ClassSchema
from skae.export._kinds import Boolean, Int, Null, Real, Text, Word
from skae.export._option_schema import (
    BOTTLENECK_OBJECT,
    FEATURES_OBJECT,
    LOSS_OBJECT,
    PENALTY_OBJECT,
)
from skae.generation._quantiles import QuantileMatch
from skae.imputation._conditional_noise import ConditionalNoise
from skae.imputation._kernel_regression import KernelRegression
from skae.imputation._table_imputation import TableImputation
from skae.networks.config import ConvConfig, DenseConfig, UNetConfig

__all__ = ["RECORDS"]

DTYPE_NAME = Text(20, r"|bool|bfloat16|float(16|32|64|128)|longdouble|u?int(8|16|32|64)")

CATEGORY = Choice(Text(), Boolean(), Int(-(2**53), 2**53), ANY)
LABEL = Choice(Text(), Int(-(2**53), 2**53))
COLUMN_DTYPE = Text(80, r"|[A-Za-z0-9_]{1,40}(\[[A-Za-z0-9_, .]{1,36}\])?")
"""Names of dtypes of NumPy, pandas and polars; empty for no dtype."""

NETWORK_FIELDS = {
    "n_features": COUNT,
    "n_components": COUNT,
    "n_coordinates": COUNT,
    "n_inputs": COUNT,
    "encoder_sizes": SIZES,
    "decoder_sizes": SIZES,
    "activation": ACTIVATION,
    "output": Word("linear", "sigmoid"),
    "ceiling": POSITIVE,
    "bottleneck": BOTTLENECK_OBJECT,
    "penalty": PENALTY_OBJECT,
    "head_sizes": SIZES,
    "allow_nan": Boolean(),
    "normalization": NORMALIZATION,
    "dropout": DROPOUT,
}

RECORDS = {
    "FittedSpec": ClassSchema(
        FittedSpec,
        {
            "network": Nested(("DenseConfig", "ConvConfig", "UNetConfig")),
            "dtype": DTYPE_NAME,
            "parameters": Fields(ARCHITECTURE),
            "loss": Choice(Null(), LOSS_OBJECT),
            "bottleneck": Choice(Null(), BOTTLENECK_OBJECT),
            "targets": Choice(Null(), Nested(("Targets",))),
            "loss_scale": ANY,
            "loss_offset": ANY,
            "code_attributes": Sequence(Text(40, "[a-z_]+_"), 0, 4),
            "result_dtype": Word("float32", "float64"),
            "max_abs": AT_LEAST_0,
            "small_share": Real(0, high=1),
        },
    ),
    "DenseConfig": ClassSchema(
        DenseConfig,
        {**NETWORK_FIELDS, "in_pca_space": Boolean(), "gaussian_imputation": Boolean()},
    ),
    "ConvConfig": ClassSchema(
        ConvConfig,
        {
            **NETWORK_FIELDS,
            "image_size": Sequence(COUNT, 3, 3),
            "channels_first": Boolean(),
            "n_filters": Choice(COUNT, SIZES),
            "n_stages": Choice(Null(), N_STAGES),
            "kernel_size": Choice(Null(), KERNEL_SIZE),
            "fine": Boolean(),
            "scales_channels": Boolean(),
            "features": FEATURES_OBJECT,
            "n_feature_coordinates": ANY_COUNT,
        },
    ),
    "UNetConfig": ClassSchema(
        UNetConfig,
        {
            "n_channels": COUNT,
            "n_filters": COUNT,
            "crop": Sequence(COUNT, 2, 2),
            "allow_nan": Boolean(),
            "fill": ANY,
            "masked_only": Boolean(),
        },
    ),
    "ImageLayout": ClassSchema(
        ImageLayout,
        {
            "image_shape": Sequence(COUNT, 2, 3),
            "channels_first": Boolean(),
            "flat": Boolean(),
            "signals": Boolean(),
        },
    ),
    "TableColumn": ClassSchema(
        TableColumn,
        {
            "label": Choice(LABEL, Sequence(LABEL)),
            "dtype": COLUMN_DTYPE,
            "is_category": Boolean(),
            "mean": ANY,
            "scale": POSITIVE,
            "categories": Sequence(CATEGORY),
            "frequencies": Sequence(Real(0, high=1)),
            "infrequent": Sequence(CATEGORY),
            "levels": Choice(Null(), Sequence(CATEGORY)),
            "levels_dtype": COLUMN_DTYPE,
            "is_ordered": Boolean(),
        },
        {},
        {},
        consistency.check_table_column,
    ),
    "TableSchema": ClassSchema(
        TableSchema,
        {
            "package": Word("", "pandas", "polars"),
            "columns": Sequence(Nested(("TableColumn",)), 1),
            "handle_unknown": Word(*HANDLE_UNKNOWN),
            "axis_names": Sequence(Text()),
        },
    ),
    "Targets": ClassSchema(
        Targets,
        {},
        {
            "classes": Sequence(Choice(Null(), Array("biuf"), Strings()), 1),
            "means": Sequence(ANY, 1),
            "scales": Sequence(POSITIVE, 1),
            "share": Real(above=0, high=1),
        },
        {},
        consistency.check_targets,
    ),
    "ContextModel": ClassSchema(
        ContextModel,
        {},
        {
            "lambda_rd": AT_LEAST_0,
            "order": Array("i8", ("k",), low=0),
            "min_values": Array("i8", ("k",), low=-(2**53), high=2**53),
            "table_sizes": Array("i8", ("k",), low=1, high=2**16),
            "tables": Sequence(Array("f8"), 1),
            "bases": Sequence(Array("f8"), 1),
            "input_centers": Array("f8", ("inputs",), low=-(2.0**53), high=2.0**53),
            "max_deviations": Array("f8", ("inputs",), low=0, high=2.0**53),
            "weight_table": Array("f8", (1536,), low=1, high=2.0**30),
            "network": Choice(
                Null(),
                Fields(
                    {
                        "neighbor_weights": Array("f8"),
                        "hidden_bias": Array("f8"),
                        "column_weights": Array("f8"),
                        "output_weights": Array("f8"),
                        "output_bias": Array("f8"),
                    },
                    complete=True,
                ),
            ),
        },
        {},
        consistency.check_context_model,
    ),
    "NormalReference": ClassSchema(
        NormalReference,
        {
            "points": Array("f8", ("n", "p")),
            "errors": Array("f8", ("n",), low=0),
            "fitted_errors": Array("f8", ("n",), low=0),
            "is_table": Boolean(),
            "views": Sequence(Nested(("NeighborView",)), 1, 2),
            "weights": Array("f8", ("n",), above=0),
            "group_scores": Array("f8", ("n",), low=0),
            "error_tail": Nested(("TailProbability",)),
        },
        {},
        {},
        consistency.check_reference,
    ),
    "Window": ClassSchema(
        Window,
        {
            "points": Array("f8", ("n", "p")),
            "errors": Array("f8", ("n",), low=0),
            "fitted_errors": Array("f8", ("n",), low=0),
            "weights": Array("f8", ("n",), above=0),
        },
    ),
    "QuantileMatch": ClassSchema(
        QuantileMatch,
        {
            "sampled": Array("f8", ("c", "q", "m")),
            "observed": Array("f8", ("c", "q", "m")),
            "decimals": Array("i8", ("m",), low=0),
        },
        {},
        {},
        consistency.check_quantiles,
    ),
    "NeighborView": ClassSchema(
        NeighborView,
        {
            "scaling": Nested(("Standardization", "NormalScores")),
            "distances": Nested(("NeighborDistances",)),
            "tail": Nested(("TailProbability",)),
        },
    ),
    "NeighborDistances": ClassSchema(
        NeighborDistances,
        {
            "search": Nested(("NearestNeighbors",), is_estimator=True),
            "local_scales": Array("f8", ("n",), above=0),
            "zero_distance": AT_LEAST_0,
        },
    ),
    "TailProbability": ClassSchema(
        TailProbability,
        {
            "log_scores": Array("f8", ("m",)),
            "values": Array("f8", ("m",), low=0),
            "slope": AT_LEAST_0,
            "min_score": POSITIVE,
        },
    ),
    "Standardization": ClassSchema(
        Standardization,
        {"mean": Array("f8", ("d",)), "scale": Array("f8", ("d",), above=0)},
    ),
    "TableImputation": ClassSchema(
        TableImputation,
        {
            "kept": Array("i8", ("d",), low=0),
            "is_standardized": Boolean(),
            "center": Array("f8", ("d",)),
            "scale": Array("f8", ("d",), above=0),
            "regression": Nested(("KernelRegression",)),
            "weights": Array("f8", ("d",), low=0, high=1),
            "errors": Array("f8", ("d",), low=0),
            "noise": Nested(("ConditionalNoise",)),
        },
    ),
    "KernelRegression": ClassSchema(
        KernelRegression,
        {
            "references": Array("f8", ("n", "d")),
            "metric": Array("f8", ("m", "d")),
            "coefficients": Array("f8", ("n", "d")),
            "intercepts": Array("f8", ("d",)),
        },
    ),
    "ConditionalNoise": ClassSchema(
        ConditionalNoise,
        {"precision": Array("f8", ("d", "d")), "factors": Array("f8", ("d",), low=0)},
    ),
    "NormalScores": ClassSchema(
        NormalScores,
        {"quantiles": Array("f8", ("q", "d")), "scores": Array("f8", ("q", "d"))},
    ),
}
"""Objects inside of estimators."""
