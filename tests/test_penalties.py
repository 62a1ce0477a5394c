"""Penalties against NumPy, and against the Jacobian of fitted encoders."""

import numpy as np
import pytest
import torch

from skae import ConvAutoencoder, DenseAutoencoder
from skae._training.batch_loss import BatchLoss
from skae.penalties import PENALTIES, Contraction, Decorrelation, PenaltyInputs, Sparsity

from .cases import gray_images, label, low_rank


class Latents:
    """Network of the penalties of latent vectors that are no network's."""

    def __init__(self, k):
        self.whitening = torch.ones(k)
        self.to_samples = self.from_training_space = lambda x: x


def penalty_of(penalty, z, weights=None, *, x=None, generator=None):
    """Return the penalty of latent vectors z, which may depend on x."""
    return penalty(PenaltyInputs(z, x, z, weights, Latents(z.shape[1]), None, generator, 1.0))


@pytest.fixture
def codes(rng):
    """Return correlated latent vectors, float32, and sample weights."""
    z = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4)) + 1
    return torch.tensor(z, dtype=torch.float32), torch.tensor(
        rng.uniform(0.1, 3, 50), dtype=torch.float32
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_sparsity(weighted, codes):
    """Sparsity is the absolute value over the weighted root mean square."""
    z, weights = codes
    if not weighted:
        weights = None
    rms = np.sqrt(np.average(np.square(z.numpy()), axis=0, weights=weights))
    expected = (np.abs(z.numpy()) / rms).mean(1)
    np.testing.assert_allclose(penalty_of(Sparsity(), z, weights), expected, rtol=1e-5)


def test_sparsity_of_known_distributions(rng):
    """It is 0.8 for a normal distribution, 1 for signs, and small if most values are zero."""
    assert float(
        penalty_of(Sparsity(), torch.tensor(rng.normal(size=(20000, 2)))).mean()
    ) == pytest.approx(0.798, abs=0.01)
    assert float(
        penalty_of(Sparsity(), torch.tensor(rng.choice([-1.0, 1.0], size=(100, 2)))).mean()
    ) == pytest.approx(1)
    assert float(penalty_of(Sparsity(), torch.eye(100)).mean()) == pytest.approx(0.1)


@pytest.mark.parametrize("weighted", [False, True])
def test_decorrelation(weighted, codes):
    """Decorrelation is the sum of squared correlations off the diagonal, per dimension."""
    z, weights = codes
    if not weighted:
        weights = None
    covariance = np.cov(z.numpy().T, aweights=weights)
    deviations = np.sqrt(np.diag(covariance))
    squares = np.square(covariance / np.outer(deviations, deviations))
    expected = (squares.sum() - 4) / 4
    assert float(penalty_of(Decorrelation(), z, weights)) == pytest.approx(expected, rel=1e-4)


def test_decorrelation_of_proportional_dimensions():
    """Proportional dimensions have the maximum decorrelation, n_components - 1."""
    z = torch.randn(30, 1, generator=torch.Generator().manual_seed(0)) * torch.tensor(
        [1.0, -2.0, 100.0]
    )
    assert float(penalty_of(Decorrelation(), z)) == pytest.approx(2, rel=1e-5)


@pytest.mark.parametrize("name", ["sparsity", "decorrelation", "contraction"])
def test_penalties_do_not_depend_on_the_scale(name, codes):
    """Shrinking latent vectors does not change a penalty."""
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    penalty = []
    for scale in (1.0, 1e-3):
        z = scale * torch.tanh(x @ torch.ones(3, 4).triu())
        penalty.append(penalty_of(PENALTIES[name](), z, x=x))
    torch.testing.assert_close(penalty[0], penalty[1], rtol=1e-4, atol=0)


@pytest.mark.parametrize("penalty", [Sparsity(), Decorrelation()], ids=label)
@pytest.mark.parametrize("constant", [0.0, 5.0])
def test_constant_dimensions_have_finite_gradients(penalty, constant):
    """Penalties can be differentiated if a latent dimension is constant."""
    z = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    z[:, 1] = constant
    z.requires_grad_()
    penalty_of(penalty, z).mean().backward()
    assert torch.isfinite(z.grad).all()
    assert z.grad.abs().max() < 1e3


@pytest.mark.parametrize("name", ["sparsity", "decorrelation", "contraction"])
def test_more_components_than_features_can_be_trained(name):
    """Codes longer than the number of features, and constant X, have no NaN."""
    X = low_rank(60, 4)
    for rows in (X, np.ones((20, 4))):
        estimator = DenseAutoencoder(
            9, penalty=name, early_stopping=False, max_iter=3, random_state=0
        ).fit(rows)
        assert np.isfinite(estimator.transform(rows)).all()


def test_contraction_of_white_data_is_one():
    """The contraction of all principal components of white data is 1."""
    x = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
    x = (8 * torch.linalg.qr(x - x.mean(0))[0]).requires_grad_()
    rotation = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(1)))[0]
    torch.testing.assert_close(
        penalty_of(Contraction(), 7 * x @ rotation, x=x), torch.ones(64), rtol=1e-4, atol=0
    )


def trained(kind):
    """Return an autoencoder with a nonlinear encoder after fit, and its X."""
    fast = {"max_iter": 20, "early_stopping": False, "random_state": 0, "learning_rate_init": 0.01}
    if kind == "dense":
        return DenseAutoencoder(3, **fast), low_rank(60, 8)
    if kind == "wide":
        return DenseAutoencoder(3, **fast), low_rank(20, 50)
    if kind == "missing":
        return DenseAutoencoder(3, allow_nan=True, **fast), low_rank(60, 8)
    return ConvAutoencoder(3, n_filters=2, **fast), gray_images(30, 7, 13)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["dense", "wide", "missing", "odd images"])
def test_contraction_of_an_encoder_is_that_of_its_codes(kind, weighted, rng):
    """The contraction in training is that of the Jacobian of `transform` over the features of X.

    It does not depend on principal coordinates and padding, which change the number of inputs.
    """
    estimator, X = trained(kind)
    X = X.astype(np.float32)
    estimator.fit(X)
    module, rows = estimator.net_.module_, torch.from_numpy(X.reshape(len(X), -1))
    d, weights = rows.shape[1], None
    if weighted:
        weights = torch.tensor(rng.uniform(0.1, 2, len(X)), dtype=torch.float32)
    jacobian = torch.autograd.functional.jacobian(
        lambda x: module.encode(x).sum(0), rows
    )  # (k, n, d)
    Z = estimator.transform(X) / float(module.centre.scale)
    variance = np.average(
        np.square(Z - np.average(Z, axis=0, weights=weights)), axis=0, weights=weights
    ).sum()
    expected = jacobian.square().sum((0, 2)).numpy() / 3 / (variance / d)

    ratio = d / module.n_training_features
    assert (ratio == 1) == (kind in ("dense", "missing"))
    objective = BatchLoss(
        penalty=Contraction(weight=1.0, exact=True),
        n_features=d,
        n_training_features=module.n_training_features,
    )
    x = module.prepare(rows).detach().requires_grad_()
    penalty = objective.regularization(module(x), x, _Batch(weights), module, None, None) / ratio
    np.testing.assert_allclose(penalty.detach().numpy(), expected, rtol=1e-3)


class _Batch:
    """A batch with sample weights and without targets."""

    targets = None

    def __init__(self, weights):
        self.weights = weights


def test_the_estimate_of_the_contraction_is_unbiased(rng):
    """The mean of the estimate from one random direction is the exact contraction."""
    A = torch.tensor(rng.normal(size=(5, 3)), dtype=torch.float32)
    x = torch.tensor(rng.normal(size=(20000, 5)), dtype=torch.float32, requires_grad=True)
    exact = penalty_of(Contraction(), x @ A, x=x).detach()
    generator = torch.Generator().manual_seed(0)
    estimate = penalty_of(Contraction(exact=False), x @ A, x=x, generator=generator).detach()
    assert float(estimate.mean()) == pytest.approx(float(exact[0]), rel=0.02)
    assert float(estimate.std()) > 0.05 * float(estimate.mean())


def test_contraction_can_be_differentiated(rng):
    """The gradient of the contraction agrees with finite differences."""
    x = torch.tensor(rng.normal(size=(6, 3)), requires_grad=True)
    weights = torch.tensor(rng.normal(size=(3, 2)), requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda w: penalty_of(Contraction(), torch.tanh(x.float() @ w.float()), x=x).double(),
        weights,
        eps=1e-3,
        atol=1e-2,
        rtol=1e-2,
    )


@pytest.mark.parametrize(
    ("name", "measure"),
    [
        ("sparsity", lambda Z: float((np.abs(Z) / np.sqrt(np.square(Z).mean(0))).mean())),
        ("decorrelation", lambda Z: float(np.square(np.corrcoef(Z.T)).sum() - Z.shape[1])),
    ],
)
def test_a_larger_weight_reduces_the_penalty(name, measure, digits):
    """A larger weight reduces the penalty of transform, and the score."""
    X = digits[0]
    fits = [
        DenseAutoencoder(
            6,
            penalty=PENALTIES[name](weight=weight),
            early_stopping=False,
            max_iter=40,
            random_state=0,
        ).fit(X)
        for weight in (0.0, 2.0)
    ]
    free, bound = (measure(estimator.transform(X)) for estimator in fits)
    assert bound < 0.9 * free
    assert fits[1].score(X) < fits[0].score(X)


def test_contraction_makes_codes_smooth(digits):
    """With a contraction, latent vectors change less with noise, relative to their variance."""
    X, changed = digits[0], []
    for weight in (0.0, 3.0):
        estimator = DenseAutoencoder(
            6,
            penalty=Contraction(weight=weight),
            early_stopping=False,
            max_iter=30,
            random_state=0,
        ).fit(X)
        noisy = X + 0.01 * np.random.default_rng(0).normal(size=X.shape)
        Z = estimator.transform(X)
        changed.append(
            np.square(estimator.transform(noisy) - Z).sum() / np.square(Z - Z.mean(0)).sum()
        )
    assert changed[1] < 0.9 * changed[0]
