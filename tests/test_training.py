"""Which rows are held out, and which weights are taken."""

import numpy as np
import pytest
import torch
from scipy.stats import ttest_rel
from sklearn.decomposition import PCA

from skae import ConvAutoencoder, DenseAutoencoder, _fitting, _preparing
from skae._batches import Rows
from skae._training import Choice, FoldBatches, Watcher

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


def explained_by_others(X, held, weights, k):
    """Give the share of the loss of the mean that PCA of all rows but those of a fold explains of that fold, in NumPy."""
    lost = null = 0.0
    for mine in held:
        others = np.setdiff1d(np.arange(len(X)), mine)
        mean = np.average(X[others], axis=0, weights=weights[others])
        covariance = np.cov(X[others].T, aweights=weights[others], ddof=0)
        directions = np.linalg.eigh(covariance)[1][:, -k:]
        away, scale = X[mine] - mean, np.trace(covariance)  # the loss of every copy is in units of its own scale
        null += weights[mine] @ np.square(away).sum(1) / scale
        lost += weights[mine] @ np.square(away - away @ directions @ directions.T).sum(1) / scale
    return 1 - lost / null


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_folds", [1, 5])
def test_validation_begins_with_pca_of_the_other_rows(n_folds, weighted, monkeypatch):
    """The first validation score is that of the principal components and the mean of the rows that are not held out."""
    n, seen = 40, []
    X = np.random.default_rng(0).normal(size=(n, 12)) + 3
    weights = np.arange(n) % 4 + 1.0 if weighted else np.ones(n)
    if n_folds == 1:
        held, more = [np.arange(0, n, 4)], {"net_params": {"callbacks": []}}  # callbacks rule out folds
        monkeypatch.setattr(_preparing, "choose", lambda *_: torch.from_numpy(held[0]))
    else:
        crossed, more = _preparing.crossed, {}
        monkeypatch.setattr(_preparing, "crossed", lambda *given: seen.append(given[2]) or crossed(*given))
    estimator = DenseAutoencoder(6, max_iter=1, random_state=0, **more)
    estimator.fit(X, sample_weight=weights if weighted else None)
    held = held if n_folds == 1 else [rows.numpy() for rows in seen[0]]
    assert estimator.n_folds_ == len(held) == n_folds
    expected = explained_by_others(X, held, weights, 6)
    assert estimator.validation_scores_[0] == pytest.approx(expected, abs=1e-4)
    assert expected < PCA(6).fit(X).explained_variance_ratio_.sum() - 0.05


def test_weights_enter_cross_validation():
    """Rows with almost no weight change neither the training in cross-validation nor its scores."""
    X = low_rank(200, 5)
    weights = np.where(np.arange(200) % 2, 1.0, 1e-9)
    strange = np.where(weights[:, None] == 1, X, X[::-1] + 5)
    settings = {"max_iter": 5, "random_state": 0, "batch_size": 50, "learning_rate_init": 5e-3}
    found, other = (DenseAutoencoder(2, **settings).fit(rows, sample_weight=weights) for rows in (X, strange))
    assert found.n_folds_ > 1
    assert len(found.validation_scores_) > 2
    np.testing.assert_allclose(other.validation_scores_, found.validation_scores_, atol=1e-3)


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


@pytest.mark.parametrize("n", [3, 10, 400])
def test_the_caution_is_in_standard_errors(n):
    """One choice beats another up to the caution that equals SciPy's t statistic of their paired losses."""
    rng = np.random.default_rng(n)
    start = Choice(0, rng.random(n) + 1, {})
    better = Choice(3, start.losses - 0.1 - 0.1 * rng.random(n), {})
    statistic = ttest_rel(start.losses, better.losses).statistic
    assert better.beats(start, 0.999 * statistic)
    assert not better.beats(start, 1.001 * statistic)


ASKED = {
    "reconstruction": {},
    "ordered": {"bottleneck": "ordered"},
    "variational": {"bottleneck": "variational"},
    "quantized": {"bottleneck": "quantized"},
    "sparsity": {"penalty": "sparsity"},
    "rate": {"penalty": "rate"},
    "targets": {"target_weight": 0.1},
    "corruption": {"corruption": "masking"},
    "missing values": {"allow_nan": True},
}


@pytest.mark.parametrize("asked", ASKED)
def test_only_plain_reconstruction_is_cautious(asked, monkeypatch):
    """Plain reconstruction must beat PCA by two standard errors; if anything else is asked, any gain is enough."""
    watchers = []

    class Spy(Watcher):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            watchers.append(self)

    monkeypatch.setattr(_fitting, "Watcher", Spy)
    X = low_rank(60, 6)
    DenseAutoencoder(2, max_iter=1, random_state=0, **ASKED[asked]).fit(X, X[:, 0] if asked == "targets" else None)
    (watcher,) = watchers
    n = len(watcher.start.losses)
    noise = np.random.default_rng(0).normal(size=n)
    noise = (noise - noise.mean()) / noise.std(ddof=1)
    chosen = []
    for errors in (-0.5, 0.5, 1.9, 2.1):  # by how many standard errors the best epoch is better
        watcher.best = Choice(1, watcher.start.losses - noise - errors / np.sqrt(n), {})
        chosen.append(watcher.chosen().epoch)
    assert chosen == ([0, 0, 0, 1] if asked == "reconstruction" else [0, 1, 1, 1])


def test_only_part_of_the_way_may_be_gone(monkeypatch):
    """Between the start and the trained weights, shares of the way are tried, and the trained weights come back after."""
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


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
@pytest.mark.parametrize("n", [40, 450])
def test_losses_of_many_features_are_in_units_of_x(n, loss):
    """Losses are means over all features of X, however few principal coordinates the network is trained in."""
    X = 7 * np.random.default_rng(0).normal(size=(n, 600)) + 2
    settings = {"n_components": 2, "max_iter": 1, "random_state": 0, "learning_rate_init": 1e-9, "loss": loss}
    for given, early_stopping in ((None, False), (X, True)):
        estimator = DenseAutoencoder(early_stopping=early_stopping, **settings).fit(X, X_val=given)
        away = X - estimator.reconstruct(X)
        expected = np.square(away).mean() if loss == "squared_error" else np.abs(away).mean()
        np.testing.assert_allclose(estimator.loss_curve_, expected, rtol=1e-3)
        assert estimator.best_loss_ == pytest.approx(expected, rel=1e-3)
    assert estimator.net_.module_.components.shape == (min(n - 1, 384), 600)


@pytest.mark.parametrize("n", [60, 3100])
def test_validation_scores_start_with_pca(n):
    """The first entry is the share that the start explains of the rows held out, the rest those of the looks."""
    X = low_rank(n, 6)
    estimator = DenseAutoencoder(3, max_iter=3, random_state=0).fit(X)
    scores = estimator.validation_scores_
    assert len(scores) >= 2
    assert scores[0] == pytest.approx(PCA(3).fit(X).explained_variance_ratio_.sum(), abs=0.08)


@pytest.mark.parametrize("n", [53, 60])
def test_the_loss_of_folds_is_the_mean_over_all_rows(n, monkeypatch):
    """The loss at the start is the mean error of each row under PCA of the other folds."""
    from skae import _preparing

    folds = []
    crossed = _preparing.crossed

    def spy(network, starts, held, weights, prepare):
        folds.extend(rows.numpy() for rows in held)
        return crossed(network, starts, held, weights, prepare)

    monkeypatch.setattr(_preparing, "crossed", spy)
    X = low_rank(n, 6)
    estimator = DenseAutoencoder(2, max_iter=1, random_state=0, learning_rate_init=1e-12).fit(X)
    squares = []
    for rows in folds:
        others = np.delete(X, rows, axis=0)
        pca = PCA(2).fit(others)
        missed = np.square(X[rows] - pca.inverse_transform(pca.transform(X[rows])))
        # each fold scales its rows by the standard deviation of the rows that it learns from
        squares.append(missed * X.var(0).sum() / others.var(0).sum())
    assert estimator.best_loss_ == pytest.approx(np.concatenate(squares).mean(), rel=1e-3)


def test_a_gain_that_is_unsure_at_the_first_look_does_not_end_the_training(monkeypatch):
    """Training goes on after a small first gain, and the epoch with the lowest loss is kept."""
    from skae._training import Watcher

    away = np.random.default_rng(0).normal(size=50)
    away -= away.mean()
    losses = [2 + 0 * away, 1.95 + away, *(mean + 0.1 * away for mean in (1, 0.9, 1.1, 1.2))]
    assert not Choice(1, losses[1], {}).beats(Choice(0, losses[0], {}), 2.0)
    monkeypatch.setattr(Watcher, "judge", lambda self: (losses[self.epoch], losses[self.epoch]))
    estimator = DenseAutoencoder(2, max_iter=5, random_state=0).fit(low_rank(60, 6))
    assert estimator.n_iter_ == 5
    assert estimator.best_iter_ == 3
