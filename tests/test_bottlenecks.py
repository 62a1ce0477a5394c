"""Bottlenecks against NumPy, SciPy and torch.distributions, and what they make of codes."""

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
from skae._defaults import step_of_rate
from skae.networks.bottlenecks import Ordered, Quantized, Rated, Variational

from .cases import low_rank


def seeded(seed=0):
    """Make a generator."""
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def split():
    """Digits to learn from, and others to judge by."""
    X = load_digits().data / 16
    return X[:1200], X[1200:]


# ---------------------------------------------------------------------------------------------------------- ordered


@pytest.mark.parametrize("k", [1, 2, 7])
def test_lengths_are_drawn(k):
    """Codes are cut behind the j-th number with probability ~ j ** -0.25, behind the first three a third of that."""
    kept, cost = Ordered(k, 5, 0, 0.0)(torch.ones(50_000, k), None, seeded())
    assert cost is None
    lengths = kept.sum(1).long()
    assert torch.equal(kept, (torch.arange(k) < lengths[:, None]).float())
    j = np.arange(1, k + 1)
    expected = j**-0.25 / np.where(j < 4, 3, 1)
    expected /= expected.sum()
    np.testing.assert_allclose(np.bincount(lengths, minlength=k + 1)[1:] / 50_000, expected, atol=0.01)


def test_ordered_codes_are_ordered(split):
    """On digits that were not seen every number lowers the error, and all prefixes together reconstruct better than PCA."""
    X, X_test = split
    estimator = DenseAutoencoder(8, bottleneck="ordered", random_state=0).fit(X)
    Z = estimator.transform(X_test)
    found = [np.square(estimator.inverse_transform(Z[:, :j]) - X_test).mean() for j in range(1, 9)]
    assert (np.diff(found) < 0).all()
    pca = PCA(8).fit(X)
    linear = [np.square(pca.mean_ + pca.transform(X_test)[:, :j] @ pca.components_[:j] - X_test).mean() for j in range(1, 9)]
    assert np.mean(found) < np.mean(linear)
    assert max(a / b for a, b in zip(found, linear, strict=True)) < 1.03
    assert estimator.explained_variance_ratio_.shape == (8,)


def test_shares_are_those_of_the_rows_held_out(split):
    """Each share is what one number more explains on X_val, about the mean of the rows learned from."""
    X, X_val = split
    estimator = DenseAutoencoder(5, bottleneck="ordered", max_iter=5, random_state=0).fit(X, X_val=X_val)
    Z = estimator.transform(X_val)
    missed = [np.square(estimator.inverse_transform(Z[:, :j]) - X_val).sum() for j in range(1, 6)]
    reached = 1 - np.array(missed) / np.square(X_val - X.mean(0)).sum()
    np.testing.assert_allclose(np.cumsum(estimator.explained_variance_ratio_), reached, rtol=1e-4)


@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
def test_the_first_columns_are_as_good_as_zeros_behind_them(make, digits):
    """inverse_transform of a prefix is that of the prefix filled up with zeros; longer codes are an error."""
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
def test_a_share_of_the_variance_keeps_the_shortest_code_that_reaches_it(make, digits):
    """n_components=0.6 is the length of which one less explains less; the decoder gives what it gave before the cut."""
    fast = {"bottleneck": "ordered", "max_iter": 10, "early_stopping": False, "random_state": 0}
    X = digits[0]
    whole, cut = make(**fast).fit(X), make(0.6, **fast).fit(X)
    reached = np.cumsum(whole.explained_variance_ratio_)
    assert len(reached) == 32
    assert cut.n_components_ == np.flatnonzero(reached >= 0.6)[0] + 1
    assert cut.transform(X).shape == (400, cut.n_components_) == (400, len(cut.get_feature_names_out()))
    np.testing.assert_allclose(cut.explained_variance_ratio_, whole.explained_variance_ratio_[: cut.n_components_], rtol=1e-5)
    expected = whole.inverse_transform(whole.transform(X)[:, : cut.n_components_])
    np.testing.assert_allclose(cut.reconstruct(X), expected, atol=1e-4)


def test_a_share_that_is_not_reached_warns_where_fit_was_called(rows):
    """All components are kept, and the warning points at the user's line."""
    with pytest.warns(UserWarning, match=r"n_components=0.9999, but 4 components explain 0\.9.*all of them are kept") as seen:
        estimator = DenseAutoencoder(0.9999, bottleneck="ordered", max_iter=2, random_state=0).fit(rows)
    assert seen[0].filename == __file__
    assert estimator.n_components_ == 4


def test_a_cut_code_stays_as_long_when_a_fit_goes_on(rows):
    """warm_start and partial_fit after a cut go on with the code that is left, and learn."""
    estimator = DenseAutoencoder(
        0.8, bottleneck="ordered", max_iter=3, early_stopping=False, warm_start=True, random_state=0, learning_rate_init=0.01
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
    with pytest.raises(ValueError, match=r"n_components=0\.8 in partial_fit, but expected an int"):
        DenseAutoencoder(0.8, bottleneck="ordered").partial_fit(rows)


def test_what_callbacks_are_given_is_whole_after_the_cut(rows):
    """Estimators that a monitor keeps have codes of full length, and can be copied after the fit, too."""
    kept = []

    def keep(estimator, X, y=None):
        kept.append((estimator, estimator.transform(X)))
        return {"score": estimator.score(X)}

    estimator = DenseAutoencoder(0.8, bottleneck="ordered", max_iter=3, early_stopping=False, random_state=0)
    estimator.set_callbacks(ScoringMonitor(scoring=keep)).fit(rows)
    assert kept[0][1].shape == (60, 4) != estimator.transform(rows).shape
    for one, Z in kept[:3]:
        for name in [name for name in vars(one) if name.startswith(("_skl_", "_callback"))]:
            delattr(one, name)  # they hold the function above, which can't be pickled
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(one)).transform(rows), Z)


# ------------------------------------------------------------------------------------------------------ variational


def test_the_cost_is_the_divergence_from_the_standard_normal():
    """The cost of a variational code is torch.distributions' Kullback-Leibler divergence, summed over the code."""
    bottleneck = Variational(3, 5, 0, 0.0)
    torch.nn.init.normal_(bottleneck.log_variance.weight, generator=seeded(1))
    torch.nn.init.normal_(bottleneck.log_variance.bias, generator=seeded(2))
    z, hidden = torch.randn(40, 3, generator=seeded(3)), torch.randn(40, 5, generator=seeded(4))
    deviation = (bottleneck.log_variance(hidden) / 2).exp()
    kept, cost = bottleneck(z, hidden, seeded())
    expected = kl_divergence(Normal(z, deviation), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(cost, expected, rtol=1e-4, atol=1e-5)
    noise = ((kept - z) / deviation).detach().numpy()
    assert abs(noise.mean()) < 0.2
    assert noise.std() == pytest.approx(1, abs=0.15)
    assert bottleneck.settle(z) is z


@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
def test_variational_codes_are_about_standard_normal(make, digits):
    """Codes of all rows together lie as the prior does, and what is drawn from it decodes to rows like those of X."""
    X = digits[0]
    estimator = make(4, bottleneck="variational", max_iter=15, early_stopping=False, random_state=0).fit(X)
    Z = estimator.transform(X)
    assert (np.abs(Z.mean(0)) < 0.3).all()
    assert (Z.std(0) < 1.5).all()
    assert (Z.std(0) > 0.5).all()
    drawn = estimator.inverse_transform(np.random.default_rng(0).normal(size=(200, 4))).reshape(200, -1)
    assert np.isfinite(drawn).all()
    np.testing.assert_allclose(drawn.mean(0), X.mean(0), atol=0.15)
    np.testing.assert_array_equal(estimator.transform(X), Z)


# -------------------------------------------------------------------------------------------------------- quantized


@pytest.fixture
def quantizer():
    """Make one of two groups of three numbers, with units, and codes."""
    bottleneck = Quantized(6, 5, 7, 0.0)
    assert bottleneck.codebooks.shape == (2, 7, 3)
    torch.nn.init.normal_(bottleneck.codebooks, generator=seeded(1))
    bottleneck.start(torch.tensor([3.0, 2.0, 1.0, 0.5, 0.4, 0.3]), None)
    return bottleneck, torch.randn(30, 6, generator=seeded(2))


def test_the_nearest_vector_is_taken(quantizer):
    """Distances are those in units of PCA, as SciPy computes them, and codes are vectors."""
    bottleneck, z = quantizer
    units, z_, books = bottleneck.units.numpy(), z.numpy(), bottleneck.codebooks.detach().numpy()
    for group, columns in enumerate((slice(0, 3), slice(3, 6))):
        expected = cdist((z_ * units)[:, columns], books[group]).argmin(1)
        np.testing.assert_array_equal(bottleneck.nearest(z)[group], expected)
        settled = bottleneck.settle(z).detach().numpy() * units
        np.testing.assert_allclose(settled[:, columns], books[group][expected], rtol=1e-6)


def test_gradients_pass_the_quantizer(quantizer):
    """The decoder's gradient reaches the encoder as it is, and the cost draws vectors and codes to each other."""
    bottleneck, z = quantizer
    z.requires_grad_()
    kept, cost = bottleneck.eval()(z, None, seeded())
    torch.testing.assert_close(kept, bottleneck.settle(z))
    (slope,) = torch.autograd.grad((kept * torch.arange(6.0)).sum(), z, retain_graph=True)
    torch.testing.assert_close(slope, torch.arange(6.0).expand(30, 6))
    away = (bottleneck.settle(z) - z).detach() * bottleneck.units
    torch.testing.assert_close(cost, 2 * away.square().sum(1))
    towards, vectors = torch.autograd.grad(cost.sum(), [z, bottleneck.codebooks])
    torch.testing.assert_close(towards, -2 * away * bottleneck.units)
    expected = torch.zeros_like(vectors)
    for group, chosen in enumerate(bottleneck.nearest(z)):
        expected[group].index_add_(0, chosen, 2 * away[:, 3 * group : 3 * group + 3])
    torch.testing.assert_close(vectors, expected)


def test_vectors_that_nobody_uses_are_moved_to_rows(quantizer):
    """After so many rows, a vector without one stands where a row is, and the others stay; judging moves nothing."""
    bottleneck, z = quantizer
    with torch.no_grad():
        bottleneck.codebooks[0, 4] = 1000
    before = bottleneck.codebooks.detach().clone()
    bottleneck.eval()
    for _ in range(10):
        bottleneck(z, None, seeded())
    torch.testing.assert_close(bottleneck.codebooks.detach(), before)
    bottleneck.train()
    enough = math.ceil(bottleneck.patience * 7 / 30)
    for _ in range(enough):
        bottleneck(z, None, seeded())
        torch.testing.assert_close(bottleneck.codebooks.detach(), before)
    bottleneck(z, None, seeded())
    after, used = bottleneck.codebooks.detach(), set(bottleneck.nearest(z)[0].tolist())
    assert cdist(after[:1, 4], bottleneck.grouped(z)[0]).min() < 1e-5
    unused = [i for i in range(7) if not torch.equal(after[0, i], before[0, i])]
    assert 4 in unused
    assert len(unused) < 7
    assert 4 in used


@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
@pytest.mark.parametrize("early_stopping", [True, False])
def test_quantized_codes_are_vectors_of_the_codebooks(make, early_stopping, digits):
    """Every part of a code is a vector of its codebook, and the shares of their uses sum to 1."""
    X = digits[0]
    estimator = make(
        8, bottleneck="quantized", codebook_size=16, max_iter=8, early_stopping=early_stopping, random_state=0
    ).fit(X)
    assert estimator.codebooks_.shape == (2, 16, 4)
    np.testing.assert_allclose(estimator.codebook_usage_.sum(1), 1)
    Z = estimator.transform(X)
    for group in range(2):
        away = cdist(Z[:, 4 * group : 4 * group + 4], estimator.codebooks_[group])
        assert away.min(1).max() < 1e-4 * np.abs(Z).max()
        if not early_stopping:
            used = np.bincount(away.argmin(1), minlength=16) / len(X)
            np.testing.assert_allclose(estimator.codebook_usage_[group], used, atol=1e-9)
    assert estimator.score(X) > 0.3


def test_a_start_with_components_of_its_own_has_vectors_of_its_own():
    """Where held-out rows change the principal components, or training gains nothing, vectors still fit the encoder."""
    X = low_rank(40, 12, rank=8)
    for seed in range(3):
        parameters = {"bottleneck": "quantized", "codebook_size": 16, "random_state": seed}
        estimator = DenseAutoencoder(4, max_iter=1, learning_rate_init=1e-9, **parameters).fit(X)
        assert estimator.score(X) > 0.4


# ------------------------------------------------------------------------------------------------------------- rate


def test_bits_are_those_of_the_logistic_density_over_a_step():
    """The cost is the base-2 logarithm of the density's integral over the step about a number."""
    bottleneck = Rated(3, 5, 0, 0.7)
    with torch.no_grad():
        bottleneck.start(torch.tensor([2.0, 1.0, 0.5]), None)
        bottleneck.place.copy_(torch.tensor([0.1, -0.2, 0.0]))
        bottleneck.log_width.copy_(torch.tensor([-0.1, 0.0, -0.3]))
    z = torch.randn(20, 3, generator=seeded(1)) * 2
    noisy, cost = bottleneck(z, None, seeded())
    steps, place, width = (
        part.detach().double().numpy()
        for part in (bottleneck.steps, bottleneck.pace * bottleneck.place, (bottleneck.pace * bottleneck.log_width).exp())
    )
    np.testing.assert_allclose(steps, 0.7 / np.array([2, 1, 0.5]), rtol=1e-6)
    away = (noisy - z).detach().numpy() / steps
    assert np.abs(away).max() <= 0.5 + 1e-5
    assert away.std() == pytest.approx(math.sqrt(1 / 12), rel=0.2)
    at = noisy.detach().double().numpy()[..., None] + steps[:, None] * np.linspace(-0.5, 0.5, 2001)
    e = np.exp(-np.abs(at - place[:, None]) / width[:, None])
    share = np.trapezoid(e / (width[:, None] * np.square(1 + e)), at, axis=-1)
    np.testing.assert_allclose(cost.detach().numpy(), -np.log2(share).sum(1), rtol=1e-4)


def test_far_codes_cost_finite_bits_and_have_gradients_that_are_numbers():
    """Where the density is nothing in float32 the cost is bounded."""
    bottleneck = Rated(2, 5, 0, 0.7)
    with torch.no_grad():
        bottleneck.start(torch.ones(2), None)
    z = torch.tensor([[1e4, -1e4], [0.0, 30.0]], requires_grad=True)
    _, cost = bottleneck(z, None, seeded())
    cost.sum().backward()
    assert torch.isfinite(cost).all()
    assert torch.isfinite(z.grad).all()


@pytest.mark.parametrize("weight", [0.01, 0.5, 3.0])
def test_the_step_is_where_a_bit_saves_what_it_costs(weight):
    """With one bit more, half a step, the error D^2 / 12 falls by the weight for each bit."""
    D = step_of_rate(weight)
    error = [np.square(D * 2**-bits) / 12 for bits in (-1e-6, 1e-6)]
    assert (error[0] - error[1]) / 2e-6 == pytest.approx(weight, rel=1e-6)


def test_rounded_codes_reconstruct_nearly_as_well(split):
    """Rounding to code_steps_ costs no more than noise as wide as the steps, and more weight means fewer levels."""
    X, X_test = split
    levels = []
    for weight in (0.1, 1.0):
        estimator = DenseAutoencoder(16, penalty="rate", penalty_weight=weight, random_state=0).fit(X)
        steps, Z = estimator.code_steps_, estimator.transform(X_test)
        assert steps.shape == (16,)
        rounded = np.rint(Z / steps) * steps
        added = np.square(estimator.inverse_transform(rounded) - X_test).mean()
        added -= np.square(estimator.reconstruct(X_test) - X_test).mean()
        assert 0 < added < 1.2 * np.square(steps).sum() / 12 / 64
        levels.append(np.mean([len(np.unique(column)) for column in np.rint(Z / steps).T]))
    assert levels[1] < levels[0]


# ------------------------------------------------------------------------------------------------- all of them


OPTIONS = [
    {"bottleneck": "ordered"},
    {"bottleneck": "variational"},
    {"bottleneck": "quantized", "codebook_size": 4},
    {"penalty": "rate"},
    {"penalty": "sparsity"},
    {"penalty": "contraction"},
    {"penalty": "decorrelation"},
    {"corruption": "gaussian"},
    {"allow_nan": True},
    {"target_weight": 1.0},
]
options = pytest.mark.parametrize("option", OPTIONS, ids=lambda option: "-".join(map(str, option.values())))


@options
@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
def test_fits_go_on_with_every_option(make, option, rows):
    """warm_start and partial_fit learn on, also after pickling in the middle."""
    y = np.arange(60) % 3
    fast = {"max_iter": 2, "early_stopping": False, "random_state": 0, "warm_start": True, "learning_rate_init": 0.01}
    estimator = make(4, **fast, **option).fit(rows, y)
    found = [estimator.transform(rows)]
    found.append(estimator.fit(rows, y).transform(rows))
    estimator = pickle.loads(pickle.dumps(make(4, **fast, **option).partial_fit(rows, y)))
    assert pickle.loads(pickle.dumps(estimator.partial_fit(rows, y).net_)).module_ is not None
    found += [estimator.transform(rows), estimator.partial_fit(rows, y).transform(rows)]
    assert not np.allclose(found[0], found[1], rtol=1e-6)
    assert not np.allclose(found[2], found[3], rtol=1e-6)
    assert np.isfinite(found).all()


@options
def test_bfloat16_learns_about_the_same(option, rows):
    """Training in bfloat16 explains about as much with every option."""
    y, scores = np.arange(60) % 3, []
    for precision in ("float32", "bfloat16"):
        estimator = DenseAutoencoder(4, precision=precision, max_iter=3, early_stopping=False, random_state=0, **option)
        scores.append(estimator.fit(rows, y).score(rows))
    assert scores[1] == pytest.approx(scores[0], abs=0.05)


def test_what_an_earlier_fit_knew_of_its_codes_is_forgotten(rows):
    """Fitted attributes of another bottleneck do not stay."""
    estimator = DenseAutoencoder(4, max_iter=1, random_state=0)
    for parameters, names in [
        ({"bottleneck": "quantized", "codebook_size": 4}, {"codebooks_", "codebook_usage_"}),
        ({"bottleneck": "ordered"}, {"explained_variance_ratio_"}),
        ({"bottleneck": "deterministic", "penalty": "rate"}, {"code_steps_"}),
        ({"penalty": None}, set()),
    ]:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", ConvergenceWarning)
            estimator.set_params(**parameters).fit(rows)
        found = {name for name in vars(estimator) if name.startswith("code") or name == "explained_variance_ratio_"}
        assert {name for name in found if name.endswith("_")} == names


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_components": 0.9}, r"n_components=0.9 with bottleneck='deterministic', but expected an int"),
        ({"penalty": "sparsity", "bottleneck": "variational"}, "penalty='sparsity' with bottleneck='variational'"),
        ({"penalty": "rate", "bottleneck": "ordered"}, "penalty='rate' with bottleneck='ordered'"),
        ({"penalty": "rate", "penalty_weight": 0}, "penalty_weight=0 with penalty='rate'"),
        ({"penalty": "contraction", "batch_size": 1}, "batch_size=1 with penalty='contraction', but expected 2 or more"),
        ({"penalty": "contraction", "net_params": {"compile": True}}, "compile=True and penalty='contraction'"),
        ({"corruption": "masking", "corruption_level": 1.5}, "corruption_level=1.5, but expected a number from 0 to 1"),
        (
            {"corruption": "gaussian", "corruption_level": (0.5, 0.1)},
            r"corruption_level=\(0.5, 0.1\), but expected a number of",
        ),
        ({"corruption": "gaussian", "corruption_level": (0.5,)}, "or a pair of such"),
        ({"corruption": "patches"}, "corruption='patches', but expected another one"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_combinations_that_can_not_work(parameters, message, method, rows):
    """Parameters that do not go together are an error that names both, and nothing is fitted."""
    estimator = DenseAutoencoder(**parameters)
    with pytest.raises(ValueError, match=message):
        getattr(estimator, method)(rows)
    assert not hasattr(estimator, "net_")
