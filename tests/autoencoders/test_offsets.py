"""Data far from zero: results are float64 where float32 can't hold them."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score

from skae import ConvAutoencoder, DenseAutoencoder, LatentCodec, ReconstructionDetector

from ..cases import low_rank

OFFSETS = (0.0, 300.0, 1e6, 1.7e9, 1e12)


def r2(X, X_hat):
    """Return the score's definition."""
    n = len(X)
    return r2_score(X.reshape(n, -1), X_hat.reshape(n, -1), multioutput="variance_weighted")


def fit(X, **parameters):
    """Fit an autoencoder that suits the number of dimensions of X."""
    class_ = ConvAutoencoder if X.ndim > 2 else DenseAutoencoder
    return class_(2, **{"max_iter": 2, "random_state": 0, **parameters}).fit(X)


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("images", [False, True])
def test_score_and_errors_are_those_of_reconstruct(offset, images):
    """Score and errors agree with the returned reconstructions as closely as PCA's do."""
    X = low_rank(200, 12) + offset
    pca = PCA(2).fit(X)
    tolerance = 1e-8 + 4 * abs(
        pca.explained_variance_ratio_.sum() - r2(X, pca.inverse_transform(pca.transform(X)))
    )
    if images:
        X = X.reshape(200, 4, 3)
    autoencoder = fit(X)
    X_hat = autoencoder.reconstruct(X)
    assert autoencoder.score(X) == pytest.approx(r2(X, X_hat), abs=tolerance)
    errors = np.square(X - X_hat).reshape(200, -1).mean(1)
    np.testing.assert_allclose(
        autoencoder.reconstruction_error(X), errors, rtol=1e-3, atol=(1e-15 * offset) ** 2 + 1e-3
    )
    assert X_hat.dtype == (np.float32 if offset == 0 else np.float64)
    assert autoencoder.transform(X).dtype == np.float32
    np.testing.assert_array_equal(X_hat, autoencoder.inverse_transform(autoencoder.transform(X)))


@pytest.mark.parametrize("dtype", ["float64", "int64"])
def test_the_dtype_is_decided_in_fit(dtype):
    """It does not depend on the values of a call, and survives copies and pickles."""
    X = (100 * low_rank(60, 5)).astype(dtype)
    near, far = fit(X), fit(X + 10**9)
    assert near.reconstruct(X[:1]).dtype == np.float32
    assert far.reconstruct(X[:1] + 10**9).dtype == np.float64
    with pytest.warns(UserWarning, match="in fit"):
        assert far.reconstruct(np.ones((1, 5))).dtype == np.float64
    for other in (copy.deepcopy(far), pickle.loads(pickle.dumps(far))):
        np.testing.assert_array_equal(other.reconstruct(X + 10**9), far.reconstruct(X + 10**9))


def test_float32_stays_float32():
    """X of float32 has no more digits than its reconstructions."""
    X = (low_rank(60, 5) + 1e6).astype(np.float32)
    assert fit(X).reconstruct(X).dtype == np.float32


def test_missing_values_far_from_zero():
    """Values that were imputed far from zero have all digits."""
    X = low_rank(200, 5, rank=2) + 1e9
    missing = X.copy()
    missing[::5, 1] = np.nan
    X_hat = fit(missing, allow_nan=True).reconstruct(missing)
    assert X_hat.dtype == np.float64
    assert np.abs(X_hat - X).max() < 20


def test_log_loss_is_float32():
    """Values in [0, 1] have no offset."""
    X = np.random.default_rng(0).uniform(0.999999, 1, (60, 5))
    assert fit(X, loss="log_loss").reconstruct(X).dtype == np.float32


def test_partial_fit_decides_in_its_first_call():
    """Later calls keep the dtype of the first one."""
    X = low_rank(60, 5)
    far = DenseAutoencoder(2, random_state=0).partial_fit(X + 1e9).partial_fit(X + 1e9)
    assert far.reconstruct(X + 1e9).dtype == np.float64


def test_tensors_far_from_zero():
    """Tensors come back as tensors of float64, with the values of arrays."""
    X = low_rank(60, 5) + 1e9
    autoencoder = fit(X)
    X_hat = autoencoder.reconstruct(torch.from_numpy(X))
    assert X_hat.dtype == torch.float64
    np.testing.assert_array_equal(X_hat.numpy(), autoencoder.reconstruct(X))


def test_detectors_and_codecs_far_from_zero():
    """Scores of a detector and rows of a codec have the digits of X."""
    X = low_rank(60, 5)
    detectors = [
        ReconstructionDetector(
            DenseAutoencoder(2, max_iter=2), standardize=False, random_state=0
        ).fit(X + offset)
        for offset in (0, 2.0**30)
    ]
    np.testing.assert_allclose(
        detectors[0].error_map(X), detectors[1].error_map(X + 2.0**30), rtol=0.02, atol=0.02
    )
    codec = LatentCodec(DenseAutoencoder(2, max_iter=2), random_state=0).fit(X + 2.0**30)
    X_hat = codec.decompress(codec.compress(X + 2.0**30))
    assert X_hat.dtype == np.float64
    assert np.square(X_hat - X - 2.0**30).mean() < X.var(0).mean()


@pytest.mark.parametrize(("offset", "tolerance"), [(1e3, 1e-13), (1e6, 1e-12)])
def test_score_has_the_digits_of_float64(offset, tolerance):
    """Where results are float64, the score is their R^2 up to rounding in float64."""
    X = low_rank(500, 10) + offset
    for parameters in ({}, {"bottleneck": "variational"}, {"init": "random"}):
        autoencoder = fit(X, early_stopping=False, hidden_layer_sizes=8, **parameters)
        X_hat = autoencoder.reconstruct(X)
        assert X_hat.dtype == np.float64
        assert autoencoder.score(X) == pytest.approx(r2(X, X_hat), abs=tolerance)
        errors = np.square(X - X_hat).mean(1)
        np.testing.assert_allclose(autoencoder.reconstruction_error(X), errors, rtol=1e-8)
