"""The result of a sample does not depend on the other samples of the call, whatever kernels the processor has."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.utils._testing import assert_allclose

from skae import ConvAutoencoder, DenseAutoencoder, LatentSampler, ReconstructionDetector

from ..cases import gray_images, low_rank

METHODS = ["transform", "reconstruct", "reconstruction_error"]


def in_parts(method, X, cuts):
    """Return the results of the slices of X between the cuts, concatenated."""
    bounds = [0, *cuts, len(X)]
    return np.concatenate([np.asarray(method(X[low:high])) for low, high in pairwise(bounds)])


def assert_invariant(method, X, rtol=None, atol=1e-7):
    """Check that X gives the same results as a whole, sample by sample, in slices, and in the opposite order.

    The tolerances are those of scikit-learn's `check_methods_subset_invariance`: relative to the dtype of the result, and 1e-7
    of the largest number.
    """
    whole = np.asarray(method(X))
    tolerances = {"atol": atol * np.abs(whole).max(), "rtol": rtol}
    assert_allclose(whole, in_parts(method, X, range(1, len(X))), **tolerances)
    cuts = sorted({1, len(X) // 4, len(X) // 2} - {0, len(X)})
    assert_allclose(whole, in_parts(method, X, cuts), **tolerances)
    assert_allclose(whole, np.asarray(method(X[::-1].copy()))[::-1], **tolerances)


@pytest.mark.parametrize("method", METHODS)
def test_results_of_autoencoders_do_not_depend_on_the_call(case, fitted, method):
    """Codes, reconstructions and errors of a sample are the same alone, in a slice and in another order.

    Large networks compute codes and reconstructions in float32, whose numbers near zero have fewer digits.
    """
    large = not fitted.net_.module_.prefers_double_products and method != "reconstruction_error"
    assert_invariant(getattr(fitted, method), case.X[:37], atol=2e-6 if large else 1e-7)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
def test_codes_of_small_networks_do_not_depend_on_the_call_in_float64_tolerance(make, method):
    """Small networks give the same bits for a sample, not only the same numbers to float32 precision."""
    X = low_rank(60, 9).reshape(60, 3, 3) if make is ConvAutoencoder else low_rank(60, 9)
    autoencoder = make(3, max_iter=2, random_state=0).fit(X)
    assert_invariant(getattr(autoencoder, method), X, rtol=0)


@pytest.mark.parametrize("n_features", [5, 64, 300])
@pytest.mark.parametrize("method", ["score_samples", "decision_function"])
def test_scores_of_detectors_of_tables_do_not_depend_on_the_call(n_features, method):
    """Scores of a row agree to 1e-7, also where the network is too large for codes in float64."""
    X = low_rank(80, n_features)
    detector = ReconstructionDetector(DenseAutoencoder(3, max_iter=2), random_state=0).fit(X)
    assert_invariant(getattr(detector, method), X[:37])


@pytest.mark.parametrize("side", [4, 16])
def test_scores_of_detectors_of_images_do_not_depend_on_the_call(side):
    """Scores of an image agree to 1e-7."""
    X = gray_images(80, side, side)
    detector = ReconstructionDetector(ConvAutoencoder(3, max_iter=2), random_state=0).fit(X)
    assert_invariant(detector.score_samples, X[:37])


def test_densities_of_samplers_do_not_depend_on_the_call():
    """Log densities of a row agree to 1e-7."""
    X = load_digits().data[:300]
    sampler = LatentSampler(DenseAutoencoder(4, max_iter=2), random_state=0).fit(X)
    assert_invariant(sampler.score_samples, X[:37])
