"""Bottlenecks against NumPy, SciPy and torch.distributions, and estimators with bottlenecks."""

import math
import pickle
import warnings

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.callback import ScoringMonitor
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from torch.distributions import Normal, kl_divergence

from skae import ConvAutoencoder, DenseAutoencoder
from skae.bottlenecks import Quantized
from skae.corruptions import Gaussian, Masking
from skae.networks.bottlenecks import NestedDropout, NormalPosterior, VectorQuantizer
from skae.networks.penalties import RateModel
from skae.penalties import Rate

from ..cases import low_rank


def resolve_seed(seed=0):
    """Return a generator."""
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def split():
    """Return training and test digits."""
    X = load_digits().data / 16
    return X[:1200], X[1200:]


# ------------------------------------------------------------------------------------------ ordered


@pytest.mark.parametrize("k", [1, 2, 7])
def test_nested_dropout_samples_lengths(k):
    """The probability of length j is proportional to j ** -0.25, and a third of that for j <= 3."""
    kept, cost = NestedDropout()(torch.ones(50_000, k), None, resolve_seed())
    assert cost is None
    lengths = kept.sum(1).long()
    assert torch.equal(kept, (torch.arange(k) < lengths[:, None]).float())
    j = np.arange(1, k + 1)
    expected = j**-0.25 / np.where(j < 4, 3, 1)
    expected /= expected.sum()
    np.testing.assert_allclose(
        np.bincount(lengths, minlength=k + 1)[1:] / 50_000, expected, atol=0.01
    )


def test_ordered_codes_are_ordered(split):
    """On test digits each dimension lowers the error; the mean error of prefixes is below PCA's."""
    X, X_test = split
    estimator = DenseAutoencoder(8, bottleneck="ordered", random_state=0).fit(X)
    Z = estimator.transform(X_test)
    errors = [np.square(estimator.inverse_transform(Z[:, :j]) - X_test).mean() for j in range(1, 9)]
    assert (np.diff(errors) < 0).all()
    pca = PCA(8).fit(X)
    linear = [
        np.square(pca.mean_ + pca.transform(X_test)[:, :j] @ pca.components_[:j] - X_test).mean()
        for j in range(1, 9)
    ]
    assert np.mean(errors) < np.mean(linear)
    assert max(a / b for a, b in zip(errors, linear, strict=True)) < 1.03
    assert estimator.explained_variance_ratio_.shape == (8,)


def test_explained_variance_ratio_is_that_of_the_validation_set(split):
    """Each ratio is the variance of X_val that one more dimension explains."""
    X, X_val = split
    estimator = DenseAutoencoder(5, bottleneck="ordered", max_iter=5, random_state=0).fit(
        X, X_val=X_val
    )
    Z = estimator.transform(X_val)
    errors = [np.square(estimator.inverse_transform(Z[:, :j]) - X_val).sum() for j in range(1, 6)]
    reached = 1 - np.array(errors) / np.square(X_val - X.mean(0)).sum()
    np.testing.assert_allclose(np.cumsum(estimator.explained_variance_ratio_), reached, rtol=1e-4)


@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
def test_prefixes_decode_as_codes_padded_with_zeros(make, digits):
    """inverse_transform pads a prefix with zeros; longer codes are an error."""
    estimator = make(5, bottleneck="ordered", max_iter=2, random_state=0).fit(digits[0])
    Z = estimator.transform(digits[0][:9])
    for j in range(1, 6):
        expected = estimator.inverse_transform(np.where(np.arange(5) < j, Z, 0).astype(np.float32))
        np.testing.assert_array_equal(estimator.inverse_transform(Z[:, :j]), expected)
    with pytest.raises(ValueError, match="6 columns, but expected at most 5"):
        estimator.inverse_transform(np.zeros((2, 6)))
    with pytest.raises(ValueError, match="2 columns, but expected 5"):
        make(5, max_iter=1).fit(digits[0]).inverse_transform(Z[:, :2])


@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
def test_n_components_may_be_a_fraction_of_the_variance(make, digits):
    """n_components=0.6 selects the shortest sufficient length, and does not change the decoder."""
    fast = {"bottleneck": "ordered", "max_iter": 10, "early_stopping": False, "random_state": 0}
    X = digits[0]
    whole, cut = make(**fast).fit(X), make(0.6, **fast).fit(X)
    reached = np.cumsum(whole.explained_variance_ratio_)
    assert len(reached) == 32
    assert cut.n_components_ == np.flatnonzero(reached >= 0.6)[0] + 1
    assert (
        cut.transform(X).shape
        == (400, cut.n_components_)
        == (400, len(cut.get_feature_names_out()))
    )
    np.testing.assert_allclose(
        cut.explained_variance_ratio_,
        whole.explained_variance_ratio_[: cut.n_components_],
        rtol=1e-5,
    )
    expected = whole.inverse_transform(whole.transform(X)[:, : cut.n_components_])
    np.testing.assert_allclose(cut.reconstruct(X), expected, atol=1e-4)


def test_unreachable_fraction_of_the_variance_warns(rows):
    """All components are kept, and the warning points to the line of the user's call."""
    with pytest.warns(
        UserWarning,
        match=r"n_components=0.9999, but 4 components explain only 0\.9.*All of them are kept",
    ) as seen:
        estimator = DenseAutoencoder(0.9999, bottleneck="ordered", max_iter=2, random_state=0).fit(
            rows
        )
    assert seen[0].filename == __file__
    assert estimator.n_components_ == 4


def test_resumed_training_keeps_the_selected_length(rows):
    """warm_start and partial_fit resume training with the selected number of components."""
    estimator = DenseAutoencoder(
        0.8,
        bottleneck="ordered",
        max_iter=3,
        early_stopping=False,
        warm_start=True,
        random_state=0,
        learning_rate_init=0.01,
    ).fit(rows)
    k = estimator.n_components_
    assert k < 4
    for _ in range(3):
        before = estimator.transform(rows)
        estimator.fit(rows)
        assert estimator.n_components_ == k
        assert not np.array_equal(estimator.transform(rows), before)
    for _ in range(3):
        before = estimator.transform(rows)
        estimator.partial_fit(rows)
        assert estimator.n_components_ == k
        assert not np.array_equal(estimator.transform(rows), before)
    with pytest.raises(ValueError, match=r"n_components=0\.8, but partial_fit expects an int"):
        DenseAutoencoder(0.8, bottleneck="ordered").partial_fit(rows)


def test_callbacks_get_estimators_with_codes_of_full_length(rows):
    """Estimators that a callback stores have codes of full length, and can be copied after fit."""
    kept = []

    def keep(estimator, X, y=None):
        kept.append((estimator, estimator.transform(X)))
        return {"score": estimator.score(X)}

    estimator = DenseAutoencoder(
        0.8, bottleneck="ordered", max_iter=3, early_stopping=False, random_state=0
    )
    estimator.set_callbacks(ScoringMonitor(scoring=keep)).fit(rows)
    assert kept[0][1].shape == (60, 4) != estimator.transform(rows).shape
    for one, Z in kept[:3]:
        for name in [name for name in vars(one) if name.startswith(("_skl_", "_callback"))]:
            delattr(one, name)  # they hold the function above, which can't be pickled
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(one)).transform(rows), Z)


# -------------------------------------------------------------------------------------- variational


def test_the_cost_is_the_divergence_from_the_standard_normal():
    """The cost is torch.distributions' Kullback-Leibler divergence, summed over dimensions."""
    bottleneck = NormalPosterior(3, 5)
    torch.nn.init.normal_(bottleneck.log_variance.weight, generator=resolve_seed(1))
    torch.nn.init.normal_(bottleneck.log_variance.bias, generator=resolve_seed(2))
    z, hidden = (
        torch.randn(40, 3, generator=resolve_seed(3)),
        torch.randn(40, 5, generator=resolve_seed(4)),
    )
    deviation = (bottleneck.log_variance(hidden) / 2).exp()
    kept, cost = bottleneck(z, hidden, resolve_seed())
    expected = kl_divergence(Normal(z, deviation), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(cost, expected, rtol=1e-4, atol=1e-5)
    noise = ((kept - z) / deviation).detach().numpy()
    assert abs(noise.mean()) < 0.2
    assert noise.std() == pytest.approx(1, abs=0.15)
    assert bottleneck.quantize(z) is z


@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
def test_variational_codes_are_about_standard_normal(make, digits):
    """Latent vectors have about the prior's moments; samples of the prior decode to X's mean."""
    X = digits[0]
    estimator = make(
        4, bottleneck="variational", max_iter=15, early_stopping=False, random_state=0
    ).fit(X)
    Z = estimator.transform(X)
    assert (np.abs(Z.mean(0)) < 0.3).all()
    assert (Z.std(0) < 1.5).all()
    assert (Z.std(0) > 0.5).all()
    drawn = estimator.inverse_transform(np.random.default_rng(0).normal(size=(200, 4))).reshape(
        200, -1
    )
    assert np.isfinite(drawn).all()
    np.testing.assert_allclose(drawn.mean(0), X.mean(0), atol=0.15)
    np.testing.assert_array_equal(estimator.transform(X), Z)


# ---------------------------------------------------------------------------------------- quantized


@pytest.fixture
def quantizer():
    """Return a quantizer of two groups of three dimensions, and latent vectors."""
    bottleneck = VectorQuantizer(6, 7)
    assert bottleneck.codebooks.shape == (2, 7, 3)
    torch.nn.init.normal_(bottleneck.codebooks, generator=resolve_seed(1))
    bottleneck.init_from_pca(torch.tensor([3.0, 2.0, 1.0, 0.5, 0.4, 0.3]), None)
    return bottleneck, torch.randn(30, 6, generator=resolve_seed(2))


def test_quantize_selects_the_nearest_vector(quantizer):
    """Codebook vectors are nearest in units of PCA, as computed by SciPy."""
    bottleneck, z = quantizer
    units, z_, books = bottleneck.units.numpy(), z.numpy(), bottleneck.codebooks.detach().numpy()
    for group, columns in enumerate((slice(0, 3), slice(3, 6))):
        expected = cdist((z_ * units)[:, columns], books[group]).argmin(1)
        np.testing.assert_array_equal(bottleneck.nearest(z)[group], expected)
        quantized = bottleneck.quantize(z).detach().numpy() * units
        np.testing.assert_allclose(quantized[:, columns], books[group][expected], rtol=1e-6)


def test_gradients_pass_the_quantizer(quantizer):
    """The decoder's gradient reaches the encoder unchanged; the cost attracts vectors and codes."""
    bottleneck, z = quantizer
    z.requires_grad_()
    kept, cost = bottleneck.eval()(z, None, resolve_seed())
    torch.testing.assert_close(kept, bottleneck.quantize(z))
    (gradient,) = torch.autograd.grad((kept * torch.arange(6.0)).sum(), z, retain_graph=True)
    torch.testing.assert_close(gradient, torch.arange(6.0).expand(30, 6))
    deviation = (bottleneck.quantize(z) - z).detach() * bottleneck.units
    torch.testing.assert_close(cost, 2 * deviation.square().sum(1))
    z_gradient, codebook_gradient = torch.autograd.grad(cost.sum(), [z, bottleneck.codebooks])
    torch.testing.assert_close(z_gradient, -2 * deviation * bottleneck.units)
    expected = torch.zeros_like(codebook_gradient)
    for group, indices in enumerate(bottleneck.nearest(z)):
        columns = deviation[:, 3 * group : 3 * group + 3]
        expected[group].index_add_(0, indices, 2 * columns)
    torch.testing.assert_close(codebook_gradient, expected)


def test_unused_codebook_vectors_are_renewed(quantizer):
    """Training replaces unused vectors by samples after an interval; evaluation changes nothing."""
    bottleneck, z = quantizer
    with torch.no_grad():
        bottleneck.codebooks[0, 4] = 1000
    before = bottleneck.codebooks.detach().clone()
    bottleneck.eval()
    for _ in range(10):
        bottleneck(z, None, resolve_seed())
    torch.testing.assert_close(bottleneck.codebooks.detach(), before)
    bottleneck.train()
    n_batches = math.ceil(bottleneck.renewal_interval * 7 / 30)
    for _ in range(n_batches):
        bottleneck(z, None, resolve_seed())
        torch.testing.assert_close(bottleneck.codebooks.detach(), before)
    bottleneck(z, None, resolve_seed())
    after = bottleneck.codebooks.detach()
    used = set(bottleneck.nearest(z)[0].tolist())
    assert cdist(after[:1, 4], bottleneck.grouped(z)[0]).min() < 1e-5
    renewed = [i for i in range(7) if not torch.equal(after[0, i], before[0, i])]
    assert 4 in renewed
    assert len(renewed) < 7
    assert 4 in used


@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
@pytest.mark.parametrize("early_stopping", [True, False])
def test_quantized_codes_are_vectors_of_the_codebooks(make, early_stopping, digits):
    """Each group of a code is a vector of its codebook, and the frequencies of vectors sum to 1."""
    X = digits[0]
    estimator = make(
        8,
        bottleneck=Quantized(16),
        max_iter=8,
        early_stopping=early_stopping,
        random_state=0,
    ).fit(X)
    assert estimator.codebooks_.shape == (2, 16, 4)
    np.testing.assert_allclose(estimator.codebook_usage_.sum(1), 1)
    Z = estimator.transform(X)
    for group in range(2):
        distances = cdist(Z[:, 4 * group : 4 * group + 4], estimator.codebooks_[group])
        assert distances.min(1).max() < 1e-4 * np.abs(Z).max()
        if not early_stopping:
            used = np.bincount(distances.argmin(1), minlength=16) / len(X)
            np.testing.assert_allclose(estimator.codebook_usage_[group], used, atol=1e-9)
    assert estimator.score(X) > 0.3


def test_codebooks_fit_the_encoder_without_training():
    """Codebooks fit the encoder if validation changes the components, or training has no gain."""
    X = low_rank(40, 12, rank=8)
    for seed in range(3):
        parameters = {"bottleneck": Quantized(16), "random_state": seed}
        estimator = DenseAutoencoder(4, max_iter=1, learning_rate_init=1e-9, **parameters).fit(X)
        assert estimator.score(X) > 0.4


# --------------------------------------------------------------------------------------------- rate


def test_bits_are_those_of_the_logistic_density_over_a_step():
    """The cost is the base-2 logarithm of the density's integral over one step."""
    model = RateModel(3, 0.7)
    with torch.no_grad():
        model.init_from_pca(torch.tensor([2.0, 1.0, 0.5]), None)
        model.location.copy_(torch.tensor([0.1, -0.2, 0.0]))
        model.log_width.copy_(torch.tensor([-0.1, 0.0, -0.3]))
    z = torch.randn(20, 3, generator=resolve_seed(1)) * 2
    noisy = model.perturb(z, resolve_seed())
    cost = model.bits(noisy)
    factor = model.learning_rate_factor
    steps = model.steps.double().numpy()
    location = (factor * model.location).detach().double().numpy()
    width = (factor * model.log_width).exp().detach().double().numpy()
    np.testing.assert_allclose(steps, 0.7 / np.array([2, 1, 0.5]), rtol=1e-6)
    noise = (noisy - z).detach().numpy() / steps
    assert np.abs(noise).max() <= 0.5 + 1e-5
    assert noise.std() == pytest.approx(math.sqrt(1 / 12), rel=0.2)
    at = noisy.detach().double().numpy()[..., None] + steps[:, None] * np.linspace(-0.5, 0.5, 2001)
    e = np.exp(-np.abs(at - location[:, None]) / width[:, None])
    probability = np.trapezoid(e / (width[:, None] * np.square(1 + e)), at, axis=-1)
    np.testing.assert_allclose(cost.detach().numpy(), -np.log2(probability).sum(1), rtol=1e-4)


def test_bits_of_outliers_and_their_gradients_are_finite():
    """The cost is bounded if the density underflows in float32."""
    model = RateModel(2, 0.7)
    with torch.no_grad():
        model.init_from_pca(torch.ones(2), None)
    z = torch.tensor([[1e4, -1e4], [0.0, 30.0]], requires_grad=True)
    cost = model.bits(model.perturb(z, resolve_seed()))
    cost.sum().backward()
    assert torch.isfinite(cost).all()
    assert torch.isfinite(z.grad).all()


@pytest.mark.parametrize("weight", [0.01, 0.5, 3.0])
def test_the_step_minimizes_the_weighted_sum_of_error_and_bits(weight):
    """The derivative of the error D^2 / 12 with respect to bits is minus the weight."""
    D = Rate(weight).step
    error = [np.square(D * 2**-bits) / 12 for bits in (-1e-6, 1e-6)]
    assert (error[0] - error[1]) / 2e-6 == pytest.approx(weight, rel=1e-6)


def test_rounded_codes_reconstruct_nearly_as_well(split):
    """Rounding to code_steps_ adds at most the error of noise; more weight, fewer levels."""
    X, X_test = split
    levels = []
    for weight in (0.1, 1.0):
        estimator = DenseAutoencoder(16, penalty=Rate(weight), random_state=0).fit(X)
        steps, Z = estimator.code_steps_, estimator.transform(X_test)
        assert steps.shape == (16,)
        rounded = np.rint(Z / steps) * steps
        added = np.square(estimator.inverse_transform(rounded) - X_test).mean()
        added -= np.square(estimator.reconstruct(X_test) - X_test).mean()
        assert 0 < added < 1.2 * np.square(steps).sum() / 12 / 64
        levels.append(np.mean([len(np.unique(column)) for column in np.rint(Z / steps).T]))
    assert levels[1] < levels[0]


# ---------------------------------------------------------------------------------- all bottlenecks


OPTIONS = [
    {"bottleneck": "ordered"},
    {"bottleneck": "variational"},
    {"bottleneck": Quantized(4)},
    {"penalty": "rate"},
    {"penalty": "sparsity"},
    {"penalty": "contraction"},
    {"penalty": "decorrelation"},
    {"corruption": "gaussian"},
    {"allow_nan": True},
    {"target_weight": 1.0},
]
options = pytest.mark.parametrize(
    "option", OPTIONS, ids=lambda option: "-".join(map(str, option.values()))
)


@options
@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
def test_training_resumes_with_every_option(make, option, rows):
    """warm_start and partial_fit continue training, also after pickling."""
    y = np.arange(60) % 3
    fast = {
        "max_iter": 2,
        "early_stopping": False,
        "random_state": 0,
        "warm_start": True,
        "learning_rate_init": 0.01,
    }
    estimator = make(4, **fast, **option).fit(rows, y)
    codes = [estimator.transform(rows)]
    codes.append(estimator.fit(rows, y).transform(rows))
    estimator = pickle.loads(pickle.dumps(make(4, **fast, **option).partial_fit(rows, y)))
    assert pickle.loads(pickle.dumps(estimator.partial_fit(rows, y).net_)).module_ is not None
    codes += [estimator.transform(rows), estimator.partial_fit(rows, y).transform(rows)]
    assert not np.allclose(codes[0], codes[1], rtol=1e-6)
    assert not np.allclose(codes[2], codes[3], rtol=1e-6)
    assert np.isfinite(codes).all()


@options
def test_bfloat16_has_about_the_same_score(option, rows):
    """Training in bfloat16 has about the score of float32 with every option."""
    y, scores = np.arange(60) % 3, []
    for precision in ("float32", "bfloat16"):
        estimator = DenseAutoencoder(
            4, precision=precision, max_iter=3, early_stopping=False, random_state=0, **option
        )
        scores.append(estimator.fit(rows, y).score(rows))
    assert scores[1] == pytest.approx(scores[0], abs=0.05)


def test_fit_removes_fitted_attributes_of_other_bottlenecks(rows):
    """Fitted attributes of an earlier fit with another bottleneck are removed."""
    estimator = DenseAutoencoder(4, max_iter=1, random_state=0)
    for parameters, names in [
        ({"bottleneck": Quantized(4)}, {"codebooks_", "codebook_usage_"}),
        ({"bottleneck": "ordered"}, {"explained_variance_ratio_"}),
        ({"bottleneck": "deterministic", "penalty": "rate"}, {"code_steps_"}),
        ({"penalty": None}, set()),
    ]:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", ConvergenceWarning)
            estimator.set_params(**parameters).fit(rows)
        optional = {"codebooks_", "codebook_usage_", "code_steps_", "explained_variance_ratio_"}
        fitted = {name for name in vars(estimator) if name.endswith("_")}
        assert {n for n in fitted if n.startswith("code")} | (optional & fitted) == names


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"n_components": 0.9},
            r"n_components=0.9 with bottleneck='deterministic', but expected an int",
        ),
        (
            {"penalty": "sparsity", "bottleneck": "variational"},
            "penalty='sparsity' with bottleneck='variational'",
        ),
        ({"penalty": "rate", "bottleneck": "ordered"}, "penalty='rate' with bottleneck='ordered'"),
        ({"penalty": Rate(0)}, "'weight' parameter of Rate must be .* Got 0"),
        (
            {"penalty": "contraction", "batch_size": 1},
            "batch_size=1 with penalty='contraction', but expected an int >= 2",
        ),
        (
            {"penalty": "contraction", "net_params": {"compile": True}},
            "compile=True and penalty='contraction'",
        ),
        (
            {"corruption": Masking(1.5)},
            "level=1.5 in corruption=Masking, but expected a number from 0 to 1",
        ),
        (
            {"corruption": Gaussian((0.5, 0.1))},
            r"level=\(0.5, 0.1\) in corruption=Gaussian, but expected a number of",
        ),
        ({"corruption": Gaussian((0.5,))}, "or a pair of such"),
        ({"corruption": "patches"}, "corruption='patches', which requires images"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_incompatible_parameters_raise(parameters, message, method, rows):
    """Incompatible parameters raise an error that names both, and nothing is fitted."""
    estimator = DenseAutoencoder(**parameters)
    with pytest.raises(ValueError, match=message):
        getattr(estimator, method)(rows)
    assert not hasattr(estimator, "net_")
