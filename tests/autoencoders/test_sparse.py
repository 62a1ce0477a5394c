"""Sparse matrices as X: every method has the result of the dense array, and no step makes X dense."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.metrics import r2_score
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, OneHotEncoder

from skae import DenseAutoencoder, LatentCodec, LatentSampler, ReconstructionDetector
from skae._input.sparse_rows import SparseRows
from skae._training import setup
from skae.anomaly import explain_pipeline

FAST = {"max_iter": 2, "early_stopping": False, "random_state": 0}

pytestmark = pytest.mark.filterwarnings("ignore:max_iter=:sklearn.exceptions.ConvergenceWarning")


def documents(n=120, d=50, n_words=12, n_topics=5, seed=0, dtype=np.float64):
    """Return counts of words, from a few topics with different frequent words."""
    rng = np.random.default_rng(seed)
    topics = np.random.default_rng(9).gamma(0.2, size=(n_topics, d)) / np.arange(1, d + 1)
    topics /= topics.sum(1, keepdims=True)
    X = rng.multinomial(n_words, topics[rng.integers(n_topics, size=n)]).astype(dtype)
    X[2], X[:, 7] = 0, 0
    return sp.csr_array(X)


def assert_equal_methods(autoencoder, X, tolerance=1e-5):
    """Check that all methods have the results of the dense array."""
    dense = X.toarray()
    assert_allclose(autoencoder.transform(X), autoencoder.transform(dense), atol=tolerance)
    assert_allclose(autoencoder.reconstruct(X), autoencoder.reconstruct(dense), atol=tolerance)
    assert_allclose(
        autoencoder.reconstruction_error(X),
        autoencoder.reconstruction_error(dense),
        rtol=tolerance,
        atol=tolerance * autoencoder.reconstruction_error(dense).mean(),
    )
    weights = np.arange(len(dense)) % 3
    for w in (None, weights):
        expected = r2_score(
            dense, autoencoder.reconstruct(dense), sample_weight=w, multioutput="variance_weighted"
        )
        score = autoencoder.score(X, sample_weight=w)
        assert score == pytest.approx(expected, rel=1e-6, abs=1e-6)


OPTIONS = {
    "default": {"early_stopping": True},
    "one validation set": {"early_stopping": True, "validation_fraction": 0.3},
    "no hidden layers": {"hidden_layer_sizes": ()},
    "random": {"init": "random"},
    "absolute error": {"loss": "absolute_error"},
    "own loss": {"loss": lambda x_hat, x: (x_hat - x).square().mean(1)},
    "corruption": {"corruption": "masking"},
    "ordered": {"bottleneck": "ordered"},
    "variational": {"bottleneck": "variational"},
    "quantized": {"bottleneck": "quantized", "n_components": 4},
    "contraction": {"penalty": "contraction"},
    "rate": {"penalty": "rate"},
    "missing values": {"allow_nan": True},
    "more components": {"n_components": 60},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options(name):
    """With every kind of option, a fit is that of the dense array, and so is each method."""
    X = documents()
    autoencoder = DenseAutoencoder(**{"n_components": 3, **FAST, **OPTIONS[name]}).fit(X)
    dense = DenseAutoencoder(**{"n_components": 3, **FAST, **OPTIONS[name]}).fit(X.toarray())
    assert autoencoder.init_ == dense.init_
    assert autoencoder.n_features_in_ == 50
    components, expected = autoencoder.net_.module_.components, dense.net_.module_.components
    assert_allclose(components[:4], expected[:4], atol=1e-5)
    # steps of a training amplify rounding errors
    assert_allclose(autoencoder.loss_curve_[0], dense.loss_curve_[0], rtol=1e-3, atol=1e-9)
    assert autoencoder.score(X) == pytest.approx(dense.score(X.toarray()), abs=1e-2)
    assert_equal_methods(autoencoder, X)
    new = documents(30, seed=1)
    assert_equal_methods(autoencoder, new)
    assert_equal_methods(autoencoder, new[1:4])


@pytest.mark.parametrize("dtype", [np.float64, np.uint8, bool])
def test_log_loss(dtype):
    """The bounds of a loss apply to sparse values; uint8 stands for values in [0, 1]."""
    X = documents()
    X.data = np.minimum(X.data, 1)
    X = X.astype(dtype)
    autoencoder = DenseAutoencoder(3, loss="log_loss", **FAST).fit(X)
    assert_equal_methods(autoencoder, X, 1e-4)
    with pytest.raises(ValueError, match=r"loss='log_loss' with X between 0\.0 and 4\.0"):
        DenseAutoencoder(3, loss="log_loss", **FAST).fit(4 * X.astype(float))


def test_missing_values():
    """An explicit NaN is a missing value with allow_nan, and an error without."""
    X = documents()
    X.data[5] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN in column"):
        DenseAutoencoder(3, **FAST).fit(X)
    autoencoder = DenseAutoencoder(3, allow_nan=True, **FAST).fit(X)
    dense = DenseAutoencoder(3, allow_nan=True, **FAST).fit(X.toarray())
    assert_allclose(autoencoder.transform(X), dense.transform(X.toarray()), atol=1e-4)
    errors = autoencoder.reconstruction_error(X)
    assert_allclose(errors, autoencoder.reconstruction_error(X.toarray()), rtol=1e-5)


def test_large_means():
    """A time stamp among sparse columns keeps its digits."""
    X = documents().toarray()
    X[:, 0] = 1.7e9 + np.arange(len(X))
    X = sp.csr_array(X)
    autoencoder = DenseAutoencoder(3, **FAST).fit(X)
    assert autoencoder.score(X) > 0.99
    assert_equal_methods(autoencoder, X)


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_constant_rows(value):
    """Constant rows have the score of the dense array."""
    autoencoder = DenseAutoencoder(3, **FAST).fit(documents())
    X = sp.csr_array(np.full((5, 50), value))
    assert_equal_methods(autoencoder, X)
    constant = DenseAutoencoder(3, **FAST).fit(X)
    assert constant.score(X) == constant.score(X.toarray()) == 1


class Undense(SparseRows):
    """Sparse rows that can't become dense."""

    def __getitem__(self, chunk):
        raise AssertionError("X became dense")

    take = __getitem__

    def subset(self, indices):
        """Return a subset that can't become dense, either."""
        return Undense(super().subset(indices).matrix)


@pytest.mark.parametrize("max_bytes", [0, 2**27])
@pytest.mark.parametrize("n", [120, 3100])
@pytest.mark.parametrize("bottleneck", ["deterministic", "variational", "quantized"])
def test_x_is_never_dense(bottleneck, n, max_bytes, monkeypatch):
    """With squared error neither fit nor the methods with a small result make X dense."""
    monkeypatch.setattr(setup, "MAX_PREPARED_BYTES", max_bytes)
    monkeypatch.setattr("skae._input.validation.SparseRows", Undense)
    X = documents(n)
    autoencoder = DenseAutoencoder(4, bottleneck=bottleneck, max_iter=1, random_state=0)
    if bottleneck != "deterministic":  # the warning of a collapse computes dense reconstructions
        monkeypatch.setattr("skae._training.fit.warn_latent_collapse", lambda *arguments: None)
        monkeypatch.setattr("skae._training.fit.code_statistics", lambda *arguments: {})
    autoencoder.fit(X, X_val=documents(50) if n > 200 else None)
    autoencoder.partial_fit(X)
    autoencoder.transform(X)
    autoencoder.reconstruct(X[:8])
    autoencoder.reconstruction_error(X)
    autoencoder.score(X)


def test_prepared_rows_are_those_of_batches(monkeypatch):
    """Coordinates that are computed when batches are read train the same network."""
    X, X_val = documents(300), documents(40, seed=1)
    in_memory = DenseAutoencoder(3, max_iter=2, random_state=0).fit(X, X_val=X_val)
    monkeypatch.setattr(setup, "MAX_PREPARED_BYTES", 0)
    in_batches = DenseAutoencoder(3, max_iter=2, random_state=0).fit(X, X_val=X_val)
    assert_allclose(in_batches.transform(X), in_memory.transform(X), atol=1e-5)
    assert_allclose(in_batches.validation_scores_, in_memory.validation_scores_, atol=1e-6)


@pytest.mark.parametrize("sparse_val", [False, True])
def test_dense_and_sparse_together(sparse_val):
    """X_val, a second call and weights may be sparse or dense, whatever X is."""
    X, X_val = documents(), documents(40, seed=1)
    weights = np.arange(120) % 4
    settings = {"n_components": 3, "max_iter": 2, "random_state": 0}
    expected = DenseAutoencoder(**settings).fit(X.toarray(), None, weights, X_val=X_val.toarray())
    given = (X.toarray(), X_val) if sparse_val else (X, X_val.toarray())
    autoencoder = DenseAutoencoder(**settings).fit(given[0], None, weights, X_val=given[1])
    assert_allclose(autoencoder.validation_scores_, expected.validation_scores_, atol=1e-3)
    n_epochs = autoencoder.n_iter_
    autoencoder.partial_fit(X).partial_fit(X.toarray()).partial_fit(X)
    assert autoencoder.n_iter_ == n_epochs + 3


def test_checkpoints(tmp_path):
    """A finished fit of equal sparse values returns its result; of other values it is another fit."""
    pytest.importorskip("safetensors")
    X = documents()
    settings = {**FAST, "checkpoint_dir": tmp_path}
    first = DenseAutoencoder(3, **settings).fit(X)
    again = DenseAutoencoder(3, **settings).fit(X.tocsc())
    assert_array_equal(again.transform(X), first.transform(X))
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 1
    DenseAutoencoder(3, **settings).fit(2 * X)
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 2


def test_units():
    """X in other units than in fit warns, as dense X does."""
    X = documents()
    autoencoder = DenseAutoencoder(3, **FAST).fit(X)
    with pytest.warns(UserWarning, match="largest absolute value of X is 4000"):
        autoencoder.transform(X * (4000 / X.max()))


TEXTS = [
    "the red fox and the dog",
    "a dog and a cat",
    "red roses",
    "the cat",
    "roses and a fox",
] * 6


@pytest.mark.parametrize("vectorizer", [CountVectorizer(), TfidfVectorizer()])
def test_text_in_a_pipeline(vectorizer):
    """Vectorizers of text may precede an autoencoder."""
    pipe = make_pipeline(vectorizer, DenseAutoencoder(2, max_iter=3, random_state=0)).fit(TEXTS)
    assert pipe.transform(TEXTS).shape == (30, 2)
    X = vectorizer.transform(TEXTS)
    dense = DenseAutoencoder(2, max_iter=3, random_state=0).fit(X.toarray())
    assert pipe[-1].score(X) == pytest.approx(dense.score(X.toarray()), abs=1e-2)
    X_hat = pipe[-1].inverse_transform(pipe.transform(TEXTS))
    assert_allclose(X_hat, pipe[-1].reconstruct(X), atol=1e-5)


def test_one_hot_in_a_pipeline():
    """One-hot columns need no ``sparse_output=False``."""
    table = np.random.default_rng(0).integers(0, 6, (80, 3)).astype(str)
    autoencoder = DenseAutoencoder(3, max_iter=1, random_state=0)
    pipe = make_pipeline(OneHotEncoder(), clone(autoencoder)).fit(table)
    expected = make_pipeline(OneHotEncoder(sparse_output=False), autoencoder).fit(table)
    assert_allclose(pipe.transform(table), expected.transform(table), atol=1e-4)
    assert pipe.score(table) == pytest.approx(expected.score(table), abs=1e-5)


def test_output():
    """Reconstructions are dense; `output_dtype` and `set_output` apply."""
    X = documents(dtype=np.int64)
    autoencoder = DenseAutoencoder(3, output_dtype="input", **FAST).fit(X)
    assert type(autoencoder.reconstruct(X)) is np.ndarray
    assert autoencoder.reconstruct(X).dtype == np.int64
    autoencoder.set_output(transform="pandas")
    assert list(autoencoder.reconstruct(X)) == [f"x{i}" for i in range(X.shape[1])]
    assert list(autoencoder.transform(X)) == [f"denseautoencoder{i}" for i in range(3)]


def test_latent_vectors_are_dense():
    """inverse_transform refuses sparse latent vectors."""
    autoencoder = DenseAutoencoder(3, **FAST).fit(documents())
    with pytest.raises(TypeError, match="Sparse data was passed for X"):
        autoencoder.inverse_transform(sp.csr_array(np.ones((4, 3))))


@pytest.mark.parametrize("max_bytes", [0, 2**28])
def test_detector(max_bytes, monkeypatch):
    """A detector has the scores of the dense array, also in dense chunks."""
    X = documents(60, 20)
    dense = ReconstructionDetector(DenseAutoencoder(2, **FAST), random_state=0).fit(X.toarray())
    expected = dense.score_samples(X.toarray())
    monkeypatch.setattr("skae._input.streaming.STREAMED_BYTES", max_bytes)
    detector = ReconstructionDetector(DenseAutoencoder(2, **FAST), random_state=0).fit(X)
    if max_bytes:
        assert_allclose(detector.score_samples(X), expected, rtol=1e-5)
    assert detector.predict(X.tocoo()).shape == (60,)
    assert np.isfinite(detector.score_samples(X)).all()
    detector.partial_fit(X[:30])
    ReconstructionDetector(DenseAutoencoder(2, **FAST)).fit(X, sample_weight=np.ones(60))


def test_explanations():
    """Explanations of a detector, alone and in a Pipeline with sparse steps, accept sparse X."""
    X = documents(60, 8)
    detector = ReconstructionDetector(DenseAutoencoder(2, **FAST), random_state=0).fit(X)
    explanation, expected = detector.explain(X[:3]), detector.explain(X[:3].toarray())
    assert_allclose(explanation.contributions, expected.contributions, atol=1e-6)
    pipe = make_pipeline(MaxAbsScaler(), clone(detector)).fit(X)
    explanation = explain_pipeline(pipe, X[:3], X)
    expected = explain_pipeline(pipe, X[:3].toarray(), X.toarray())
    assert_allclose(explanation.contributions, expected.contributions, atol=1e-6)


def test_sampler_and_codec():
    """Meta-estimators with a dense autoencoder accept sparse X."""
    X = documents()
    sampler = LatentSampler(
        DenseAutoencoder(2, **FAST), density=GaussianMixture(random_state=0), random_state=0
    )
    sampler.fit(X)
    assert_allclose(sampler.score_samples(X), sampler.score_samples(X.toarray()), rtol=1e-4)
    assert sampler.interpolate(X[:2], X[2:4], steps=3).shape == (3, 2, 50)
    codec = LatentCodec(DenseAutoencoder(2, **FAST), context=False, step=0.5, random_state=0).fit(X)
    assert codec.decompress(codec.compress(X)).shape == (120, 50)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("options", [{}, {"loss": "absolute_error"}])
def test_cuda(options):
    """On a GPU the results are those of the CPU."""
    X = documents()
    autoencoder = DenseAutoencoder(3, device="cuda", **FAST, **options).fit(X)
    assert_equal_methods(autoencoder, X, 1e-3)


def test_no_warnings_of_other_libraries():
    """Sparse products issue no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        autoencoder = DenseAutoencoder(3, hidden_layer_sizes=(8,), random_state=0).fit(documents())
        autoencoder.score(documents(20, seed=1))
