"""Principal components of sparse rows, compared with those of the dense rows and of scikit-learn."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.decomposition import PCA

from skae._input.sparse_rows import SparseRows
from skae._training import pca, sparse_pca
from skae._training.pca import fit_pca, random_pca


def documents(n, d, n_words=12, n_topics=6, seed=0):
    """Return counts of words, from a few topics with different frequent words."""
    rng = np.random.default_rng(seed)
    topics = rng.gamma(0.2, size=(n_topics, d)) / np.arange(1, d + 1)
    topics /= topics.sum(1, keepdims=True)
    return sp.csr_array(rng.multinomial(n_words, topics[rng.integers(n_topics, size=n)]))


def principal(X, weights=None, m=20, fit=fit_pca):
    """Compute the principal components of dense or sparse rows."""
    if sp.issparse(X):
        X = SparseRows(X)
    return fit(X, weights, m, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64, np.uint8])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n", "d"), [(300, 40), (40, 40), (60, 150), (3, 5), (30, 1)])
def test_few_features_or_samples(n, d, weighted, kind):
    """Mean, scale, variances and components are those of the dense rows."""
    X = documents(n, d).astype(kind)
    weights = np.linspace(0.5, 1.5, n) if weighted else None
    result, expected = principal(X, weights), principal(X.toarray(), weights)
    assert result.rule == expected.rule == "pca"
    assert len(result.components) == len(expected.components)
    mean = expected.reference.double() + expected.shift
    np.testing.assert_allclose(result.reference.double() + result.shift, mean, atol=1e-7)
    assert result.scale == pytest.approx(expected.scale, rel=1e-10)
    assert result.total == pytest.approx(expected.total, rel=1e-6)
    np.testing.assert_allclose(result.variances, expected.variances, rtol=1e-5, atol=1e-6)
    together = result.components[:4] @ expected.components[:4].T
    np.testing.assert_allclose(together.abs(), np.eye(len(together)), atol=1e-5)
    gram = result.components.double() @ result.components.double().T
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-6)


@pytest.mark.parametrize("chunk", [1, 2**23])
@pytest.mark.parametrize("weighted", [False, True])
def test_many_features_and_samples(weighted, chunk, monkeypatch):
    """With many features and samples the leading components are those of PCA, in chunks of any size."""
    X = documents(500, 300)
    weights = None
    repeated = X.toarray()
    if weighted:
        weights = np.random.default_rng(1).integers(1, 4, 500).astype(float)
        repeated = np.repeat(repeated, weights.astype(int), axis=0)
        weights /= weights.mean()
    monkeypatch.setattr(sparse_pca, "MAX_EXACT_SIZE", 100)
    monkeypatch.setattr(sparse_pca, "MAX_CHUNK_NUMBERS", 999 * chunk)
    result = principal(X, weights, m=60)
    expected = PCA(5).fit(repeated)
    assert result.rule == "pca, randomized"
    assert len(result.components) == 60
    together = result.components[:5].double().numpy() @ expected.components_.T
    np.testing.assert_allclose(together, np.eye(5), atol=1e-4)
    factor = (len(repeated) - 1) / len(repeated) / result.scale**2
    np.testing.assert_allclose(
        result.variances[:5], expected.explained_variance_ * factor, rtol=1e-5
    )
    gram = result.components.double() @ result.components.double().T
    np.testing.assert_allclose(gram, np.eye(60), atol=1e-5)
    assert result.total == pytest.approx(300, rel=1e-6)


def test_no_step_is_dense(monkeypatch):
    """Nothing but sparse products reads the rows."""

    class Sparse(SparseRows):
        def __getitem__(self, chunk):
            raise AssertionError("dense rows")

        take = __getitem__

    X = documents(200, 150)
    for size in (100, 4096):
        monkeypatch.setattr(sparse_pca, "MAX_EXACT_SIZE", size)
        fit_pca(Sparse(X), None, 10, generator=torch.Generator().manual_seed(0))


def test_large_means():
    """A column such as a time stamp is centered in dense rows, so that no digits are lost."""
    X = documents(300, 20).toarray().astype(np.float64)
    X[:, 0] = 1.7e9 + np.arange(300)
    result, expected = principal(sp.csr_array(X)), principal(X)
    mean = (result.reference.double() + result.shift).numpy()
    np.testing.assert_allclose(mean - X[0], (X - X[0]).mean(0), atol=1e-5)
    np.testing.assert_allclose(result.variances[:4], expected.variances[:4], rtol=1e-6)


@pytest.mark.parametrize("value", [0.0, 2.0])
@pytest.mark.parametrize("shape", [(30, 4), (4, 30), (30, 30)])
def test_constant_data(shape, value, monkeypatch):
    """Constant data have the scale 1, and one direction without variance."""
    monkeypatch.setattr(sparse_pca, "MAX_EXACT_SIZE", 20)
    result = principal(sp.csr_array(np.full(shape, value)))
    assert result.scale == 1
    assert result.total == pytest.approx(0, abs=1e-12)
    assert bool(torch.isfinite(result.components).all())
    np.testing.assert_allclose(result.variances, 0, atol=1e-12)


def test_random_directions(monkeypatch):
    """Random directions, and the variances along them, are those of the dense rows."""
    X = documents(300, 40)
    result, expected = principal(X, fit=random_pca), principal(X.toarray(), fit=random_pca)
    np.testing.assert_allclose(result.variances, expected.variances, rtol=1e-5)
    np.testing.assert_allclose(result.components, expected.components, atol=1e-6)
    monkeypatch.setattr(pca, "row_chunks", lambda n, d: [slice(i, i + 7) for i in range(0, n, 7)])
    chunked = principal(X, fit=random_pca)
    np.testing.assert_allclose(result.variances, chunked.variances, rtol=1e-5)
    assert result.total == pytest.approx(chunked.total)
