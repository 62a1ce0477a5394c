"""Which rows are held out, and which weights are taken."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from skae import ConvAutoencoder, DenseAutoencoder
from skae._batches import Rows
from skae._training import Choice, FoldBatches

from .cases import curve, low_rank


def gaussian(n, d, k, seed=0):
    """Linear Gaussian data with k strong directions: nothing is to be gained over PCA."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, k)) @ rng.normal(size=(k, d)) + 0.3 * rng.normal(size=(n, d))


def test_each_copy_learns_from_its_members_only():
    """Batches of copies hold, for each copy, rows of its own list, none twice in an epoch."""
    members = [torch.arange(0, 20), torch.arange(10, 33), torch.arange(33)]
    X = torch.arange(33).float()[None, :, None].repeat(3, 1, 2)
    X += 100 * torch.arange(3)[:, None, None]
    batches = FoldBatches(Rows(X, np.arange(33) + 1.0), 8, members, generator=torch.Generator().manual_seed(0))
    found = list(batches)
    assert len(found) == len(batches)
    for copy, rows in enumerate(members):
        seen = torch.cat([batch.X[copy, :, 0] for batch in found]) - 100 * copy
        weights = torch.cat([batch.weights[copy] for batch in found])
        assert len(set(seen.tolist())) == len(seen) == 20
        assert set(seen.tolist()) <= set(rows.tolist())
        assert torch.equal(weights, seen + 1)


@pytest.mark.parametrize("n", [53, 61])
def test_every_row_is_judged_once_by_a_copy_that_did_not_see_it(n, monkeypatch):
    """The folds are disjoint, cover all rows, and each copy is trained without its own."""
    from skae import _preparing

    seen = {}
    crossed = _preparing.crossed

    def spy(network, starts, held, weights, prepare):
        seen["held"] = held
        seen["starts"] = starts
        return crossed(network, starts, held, weights, prepare)

    members = []

    class SpyBatches(FoldBatches):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            members[:] = self.members

    monkeypatch.setattr(_preparing, "crossed", spy)
    monkeypatch.setattr(_preparing, "FoldBatches", SpyBatches)
    X = low_rank(n, 6)
    DenseAutoencoder(2, max_iter=2, random_state=0).fit(X)
    held = seen["held"]
    assert sorted(torch.cat(held).tolist()) == list(range(n))
    assert len(members) == len(held) + 1
    for mine, others in zip(held, members, strict=False):
        assert not set(mine.tolist()) & set(others.tolist())
        assert sorted(mine.tolist() + others.tolist()) == list(range(n))
    assert sorted(members[-1].tolist()) == list(range(n))
    for mine, start in zip(held, seen["starts"], strict=True):
        without = np.delete(X, mine.numpy(), axis=0)
        np.testing.assert_allclose(start.reference.numpy() + start.shift.numpy(), without.mean(0), rtol=1e-6)


@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
@pytest.mark.parametrize("n", [100, 1200])
def test_where_nothing_is_to_be_gained_the_result_is_pca(make, n):
    """On linear Gaussian data the choice returns to the start, and codes are PCA's scores to the sign."""
    X = gaussian(n, 12, 3)
    small = {} if make is DenseAutoencoder else {"n_filters": 2}
    estimator = make(3, random_state=0, max_iter=20, **small).fit(X)
    assert estimator.best_iter_ == 0
    pca = PCA(3).fit(X)
    scores = pca.transform(X)
    Z = estimator.transform(X)
    signs = np.sign((Z * scores).sum(0))
    np.testing.assert_allclose(Z * signs, scores, atol=1e-3)
    np.testing.assert_allclose(estimator.reconstruct(X), pca.inverse_transform(scores), atol=1e-3)
    assert len(estimator.validation_scores_) >= 1


def test_where_there_is_something_to_gain_it_is_taken():
    """On a curve, which PCA cannot follow, training is kept and explains more than PCA on new rows."""
    X = curve(800)
    estimator = DenseAutoencoder(1, random_state=0, max_iter=60).fit(X[:600])
    assert estimator.best_iter_ > 0
    pca = PCA(1).fit(X[:600])
    lost = np.square(X[600:] - pca.inverse_transform(pca.transform(X[600:]))).mean()
    assert estimator.reconstruction_error(X[600:]).mean() < 0.7 * lost
    assert estimator.validation_scores_[-1] > estimator.validation_scores_[0]


@pytest.mark.parametrize("n", [60, 3100])
def test_the_mean_and_the_components_come_from_all_rows(n):
    """Rows held out have part in centre and linear maps: they only choose the epoch."""
    X = low_rank(n, 6)
    estimator = DenseAutoencoder(2, max_iter=1, random_state=0, learning_rate_init=1e-12).fit(X)
    pca = PCA(2).fit(X)
    np.testing.assert_allclose(estimator.reconstruct(X), pca.inverse_transform(pca.transform(X)), atol=2e-3)


def test_a_choice_must_be_surely_better():
    """One choice beats another by more than `caution` standard errors of the difference, or not at all."""
    rng = np.random.default_rng(0)
    start = Choice(0, rng.random(100) + 1, {})
    better = Choice(3, start.losses - 0.1, {})
    noisy = Choice(3, start.losses - 0.01 + rng.normal(size=100), {})
    assert better.beats(start, 1.5)
    assert not start.beats(better, 1.5)
    assert not noisy.beats(start, 1.5)
    assert not start.beats(start, 1.5)
    assert better.loss == pytest.approx(start.loss - 0.1)


def test_only_part_of_the_way_may_be_gone(monkeypatch):
    """Between the start and the trained weights, shares of the way are tried, and the trained weights come back after."""
    from skae._training import Watcher

    tried = []
    part = Watcher.part_of_the_way

    def spy(self, share):
        tried.append((share, [weight.detach().clone() for weight in self.reached], self.origin))
        return part(self, share)

    monkeypatch.setattr(Watcher, "part_of_the_way", spy)
    DenseAutoencoder(2, max_iter=3, random_state=0).fit(low_rank(60, 6))
    shares = [share for share, _, _ in tried]
    assert max(shares) == 1
    assert 0 < min(shares) < 1
    looks = [tried[i : i + len(set(shares))] for i in range(0, len(tried), len(set(shares)))]
    for look in looks:
        for _, weights, _ in look:
            assert all(torch.equal(a, b) for a, b in zip(weights, look[0][1], strict=True))


def test_training_beyond_the_best_epoch_returns_to_it():
    """With a learning rate far too high, early stopping gives a result that is no worse than PCA."""
    X = low_rank(200, 6)
    estimator = DenseAutoencoder(2, max_iter=30, random_state=0, learning_rate_init=3.0).fit(X)
    pca = PCA(2).fit(X)
    lost = np.square(X - pca.inverse_transform(pca.transform(X))).mean()
    assert estimator.reconstruction_error(X).mean() <= 1.001 * lost
    assert estimator.best_loss_ < 2 * lost


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
@pytest.mark.parametrize("unit", [1e-3, 1, 1e3])
def test_losses_are_in_units_of_x(make, loss, unit):
    """The training loss is that of X, not of the scaled rows: it grows with X's unit."""
    X = low_rank(100, 9) * unit
    estimator = make(2, max_iter=2, random_state=0, early_stopping=False, loss=loss, learning_rate_init=1e-9).fit(X)
    away = X - estimator.reconstruct(X)
    expected = np.square(away).mean() if loss == "squared_error" else np.abs(away).mean()
    np.testing.assert_allclose(estimator.loss_curve_, expected, rtol=1e-2)
    assert estimator.best_loss_ == pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize("n", [60, 3100])
def test_validation_scores_start_with_pca(n):
    """The first entry is the share that the start explains of the rows held out, the rest those of the looks."""
    X = low_rank(n, 6)
    estimator = DenseAutoencoder(3, max_iter=3, random_state=0).fit(X)
    scores = estimator.validation_scores_
    assert len(scores) >= 2
    assert scores[0] == pytest.approx(PCA(3).fit(X).explained_variance_ratio_.sum(), abs=0.08)
