"""Array API: scikit-learn's checks, and a pipeline of tensors. SCIPY_ARRAY_API has to be set.

Prints one line for each check: estimator, check, namespaces, and "passed" or the reason of a skip.
"""

from unittest import SkipTest

import numpy as np
import torch
from sklearn import config_context
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from skae import (
    AutoencoderImputer,
    ConvAutoencoder,
    DenseAutoencoder,
    LatentSampler,
    ModuleAutoencoder,
    ReconstructionDetector,
)
from tests.own_modules import DenseDecoder, DenseEncoder

FAST = {"max_iter": 2, "random_state": 0}
SMALL = DenseAutoencoder(2, early_stopping=False, **FAST)
ESTIMATORS = [
    DenseAutoencoder(2, **FAST),
    DenseAutoencoder(2, target_weight=1.0, allow_nan=True, penalty="sparsity", **FAST),
    ConvAutoencoder(2, n_filters=2, early_stopping=False, **FAST),
    ModuleAutoencoder(DenseEncoder, DenseDecoder, 2, early_stopping=False, **FAST),
    ReconstructionDetector(SMALL, cross_fit=False, random_state=0),
    LatentSampler(SMALL, random_state=0),
    AutoencoderImputer(SMALL, random_state=0),
]
OTHER_LIBRARY = "check_array_api_same_namespace"
"""A check that `transform` refuses arrays of another library than in `fit`. Autoencoders accept them."""


def run_checks():
    """Run the checks of all estimators."""
    for number, estimator in enumerate(ESTIMATORS):
        for one, check in estimator_checks_generator(estimator):
            if not check.func.__name__.startswith("check_array_api"):
                continue
            settings = {key: value for key, value in check.keywords.items() if value is not None}
            settings.pop("estimator", None)
            result = "passed"
            try:
                check(one)
            except SkipTest as reason:
                result = f"skipped: {reason}"
            except AssertionError as error:
                if check.func.__name__ != OTHER_LIBRARY or "did not raise" not in str(error):
                    raise
                result = "accepts other libraries"
            print("|".join([str(number), check.func.__name__, str(settings), result]))


def run_pipeline():
    """Fit a scaler, an autoencoder and a regressor to tensors, as to arrays."""
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(80, 2))
    X = np.tanh(Z @ rng.normal(size=(2, 6))) + 0.1 * rng.normal(size=(80, 6))
    y = Z[:, 0]
    autoencoder = DenseAutoencoder(2, max_iter=5, early_stopping=False, random_state=0)
    pipeline = make_pipeline(StandardScaler(), autoencoder, Ridge())
    expected = pipeline.fit(X, y).predict(X)
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    with config_context(array_api_dispatch=True):
        found = pipeline.fit(X, y).predict(X)
        assert isinstance(found, torch.Tensor)
        assert isinstance(pipeline[:2].transform(X), torch.Tensor)
        assert isinstance(pipeline.score(X, y), float)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)
    print("pipeline|passed")


if __name__ == "__main__":
    run_checks()
    run_pipeline()
