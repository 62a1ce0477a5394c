"""The schema of scikit-learn's estimators that can be saved with those of skae.

A file that was written with another version of scikit-learn may lack attributes, or have others.
"""

from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skae.export import _consistency as consistency
from skae.export._compound_kinds import Array, Choice, Nested, Sequence
from skae.export._fields import (
    ANY,
    ANY_COUNT,
    AT_LEAST_0,
    COUNT,
    FEATURE_NAMES,
    MAX_COUNT,
    N_FEATURES,
    OUTPUT_CONFIG,
    SEED,
    VERBOSE,
    ClassSchema,
)
from skae.export._kinds import Boolean, Int, Null, Real, Text, Word

__all__ = ["SKLEARN_ESTIMATORS"]

STEPS = (
    "DenseAutoencoder",
    "ConvAutoencoder",
    "ModuleAutoencoder",
    "ImageRestorer",
    "LatentCodec",
    "AutoencoderImputer",
    "LatentSampler",
    "ReconstructionDetector",
    "FrozenEstimator",
    "GaussianMixture",
    "MinMaxScaler",
    "NearestNeighbors",
    "PCA",
    "Pipeline",
    "StandardScaler",
)
"""Estimators that can be the step of a pipeline, or frozen."""

OPTIONAL = {
    **FEATURE_NAMES,
    **OUTPUT_CONFIG,
    "_sklearn_version": Text(40, r"[0-9A-Za-z.+]*"),
}
COLUMN = Array("f", ("d",))
N_SAMPLES = Choice(ANY_COUNT, Real(0), Array("iuf", ("d",), low=0))
NO_OUTPUT = Choice(Null(), Word("passthrough"))
FITTED_ARRAY = Choice(Null(), Array("f"))

SKLEARN_ESTIMATORS = {
    "Pipeline": ClassSchema(
        Pipeline,
        {
            "steps": Sequence(
                Sequence(Choice(Text(), NO_OUTPUT, Nested(STEPS, is_estimator=True)), 2, 2), 1, 100
            ),
            "transform_input": Choice(Null(), Sequence(Text(), 0, 100)),
            "memory": Null(),
            "verbose": Boolean(),
        },
        {},
        OPTIONAL,
        consistency.check_pipeline,
    ),
    "FrozenEstimator": ClassSchema(
        FrozenEstimator, {"estimator": Nested(STEPS, is_estimator=True)}, {}, OPTIONAL
    ),
    "StandardScaler": ClassSchema(
        StandardScaler,
        {"copy": Boolean(), "with_mean": Boolean(), "with_std": Boolean()},
        {
            **N_FEATURES,
            "n_samples_seen_": N_SAMPLES,
            "mean_": Choice(Null(), COLUMN),
            "var_": Choice(Null(), Array("f", ("d",), low=0)),
            "scale_": Choice(Null(), Array("f", ("d",), above=0)),
        },
        OPTIONAL,
        consistency.check_standard_scaler,
    ),
    "MinMaxScaler": ClassSchema(
        MinMaxScaler,
        {"feature_range": Sequence(ANY, 2, 2), "copy": Boolean(), "clip": Boolean()},
        {
            **N_FEATURES,
            "n_samples_seen_": N_SAMPLES,
            "min_": COLUMN,
            "scale_": Array("f", ("d",), above=0),
            "data_min_": COLUMN,
            "data_max_": COLUMN,
            "data_range_": Array("f", ("d",), low=0),
        },
        OPTIONAL,
    ),
    "PCA": ClassSchema(
        PCA,
        {
            "n_components": Choice(Null(), Word("mle"), COUNT, Real(above=0, high=1)),
            "copy": Boolean(),
            "whiten": Boolean(),
            "svd_solver": Word("auto", "full", "covariance_eigh", "arpack", "randomized"),
            "tol": AT_LEAST_0,
            "iterated_power": Choice(Word("auto"), ANY_COUNT),
            "n_oversamples": COUNT,
            "power_iteration_normalizer": Word("auto", "QR", "LU", "none"),
            "random_state": SEED,
        },
        {
            **N_FEATURES,
            "n_components_": Int(1, MAX_COUNT, size="k"),
            "n_samples_": COUNT,
            "mean_": COLUMN,
            "components_": Array("f", ("k", "d")),
            "explained_variance_": Array("f", ("k",), low=0),
            "explained_variance_ratio_": Array("f", ("k",), low=0),
            "singular_values_": Array("f", ("k",), low=0),
            "noise_variance_": AT_LEAST_0,
            "_fit_svd_solver": Word("full", "covariance_eigh", "arpack", "randomized"),
        },
        OPTIONAL,
    ),
    "GaussianMixture": ClassSchema(
        GaussianMixture,
        {
            "n_components": COUNT,
            "covariance_type": Word("full", "tied", "diag", "spherical"),
            "tol": AT_LEAST_0,
            "reg_covar": AT_LEAST_0,
            "max_iter": COUNT,
            "n_init": COUNT,
            "init_params": Word("kmeans", "k-means++", "random", "random_from_data"),
            "weights_init": FITTED_ARRAY,
            "means_init": FITTED_ARRAY,
            "precisions_init": FITTED_ARRAY,
            "random_state": SEED,
            "warm_start": Boolean(),
            "verbose": VERBOSE,
            "verbose_interval": COUNT,
        },
        {
            **N_FEATURES,
            "weights_": Array("f", ("m",), low=0, high=1.001),
            "means_": Array("f", ("m", "d")),
            "covariances_": Array("f"),
            "precisions_": Array("f"),
            "precisions_cholesky_": Array("f"),
            "converged_": Boolean(),
            "n_iter_": ANY_COUNT,
            "lower_bound_": ANY,
            "lower_bounds_": Sequence(ANY),
        },
        OPTIONAL,
        consistency.check_mixture,
    ),
    "NearestNeighbors": ClassSchema(
        NearestNeighbors,
        {
            "n_neighbors": COUNT,
            "radius": AT_LEAST_0,
            "algorithm": Word("auto", "ball_tree", "kd_tree", "brute"),
            "leaf_size": Int(1, 2**20),
            "metric": Word(
                "minkowski",
                "euclidean",
                "l2",
                "manhattan",
                "l1",
                "cityblock",
                "chebyshev",
                "cosine",
            ),
            "p": Choice(Null(), Real(1)),
            "metric_params": Null(),
            "n_jobs": Choice(Null(), Int(-1, 256)),
        },
        {"data": Array("f", ("n", "d"))},
    ),
}
"""Estimators of scikit-learn, by name. The tree of NearestNeighbors is built from its data."""
