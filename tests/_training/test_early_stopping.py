"""Tests of validation sets, cross-validation and the selection of weights."""

import numpy as np
import pytest
import torch
from scipy.stats import ttest_rel
from sklearn.decomposition import PCA

from skae import ConvAutoencoder, DenseAutoencoder
from skae._input.batching import RowDataset
from skae._training import fit, setup
from skae._training.early_stopping import Checkpoint, EarlyStopping
from skae._training.validation_split import FoldBatches
from skae._training.weight_average import WeightAverage

from ..cases import curve, low_rank


def gaussian(n, d, k, seed=0):
    """Sample linear Gaussian data with k strong directions, for which PCA is optimal."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, k)) @ rng.normal(size=(k, d)) + 0.3 * rng.normal(size=(n, d))


def test_each_copy_is_trained_on_its_own_samples():
    """Batches have, for each copy, its own training samples, and none twice in an epoch."""
    train_indices = [torch.arange(0, 20), torch.arange(10, 33), torch.arange(33)]
    X = torch.arange(33).float()[None, :, None].repeat(3, 1, 2)
    X += 100 * torch.arange(3)[:, None, None]
    batches = FoldBatches(
        RowDataset(X, np.arange(33) + 1.0),
        8,
        train_indices,
        generator=torch.Generator().manual_seed(0),
    )
    epoch = list(batches)
    assert len(epoch) == len(batches)
    for copy, rows in enumerate(train_indices):
        seen = torch.cat([batch.X[copy, :, 0] for batch in epoch]) - 100 * copy
        weights = torch.cat([batch.weights[copy] for batch in epoch])
        assert len(set(seen.tolist())) == len(seen) == 20
        assert set(seen.tolist()) <= set(rows.tolist())
        assert torch.equal(weights, seen + 1)


@pytest.mark.parametrize("n", [53, 61])
def test_each_sample_is_a_validation_sample_of_one_copy(n, monkeypatch):
    """The folds are disjoint and cover all samples, and each copy is trained without its fold."""
    seen = {}
    make_folds, fold_copies = setup.make_folds, setup.fold_copies

    def spy(copies, val_indices, weights, prepare):
        seen["val_indices"] = val_indices
        return make_folds(copies, val_indices, weights, prepare)

    def spy_on_copies(network, fold_pcas):
        seen["pcas"] = fold_pcas
        return fold_copies(network, fold_pcas)

    train_indices = []

    class SpyBatches(FoldBatches):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            train_indices[:] = self.train_indices

    monkeypatch.setattr(setup, "make_folds", spy)
    monkeypatch.setattr(setup, "fold_copies", spy_on_copies)
    monkeypatch.setattr(setup, "FoldBatches", SpyBatches)
    X = low_rank(n, 6)
    DenseAutoencoder(2, max_iter=2, random_state=0).fit(X)
    val_indices = seen["val_indices"]
    assert sorted(torch.cat(val_indices).tolist()) == list(range(n))
    assert len(train_indices) == len(val_indices) + 1
    for fold, others in zip(val_indices, train_indices, strict=False):
        assert not set(fold.tolist()) & set(others.tolist())
        assert sorted(fold.tolist() + others.tolist()) == list(range(n))
    assert sorted(train_indices[-1].tolist()) == list(range(n))
    for fold, pca in zip(val_indices, seen["pcas"], strict=True):
        without = np.delete(X, fold.numpy(), axis=0)
        np.testing.assert_allclose(
            pca.reference.numpy() + pca.shift.numpy(), without.mean(0), rtol=1e-6
        )


def explained_by_others(X, val_indices, weights, k):
    """Compute in NumPy the cross-validated share of variance that PCA explains."""
    loss = baseline = 0.0
    for fold in val_indices:
        others = np.setdiff1d(np.arange(len(X)), fold)
        mean = np.average(X[others], axis=0, weights=weights[others])
        covariance = np.cov(X[others].T, aweights=weights[others], ddof=0)
        directions = np.linalg.eigh(covariance)[1][:, -k:]
        deviation, scale = (
            X[fold] - mean,
            np.trace(covariance),
        )  # the loss of every copy is in units of its own scale
        baseline += weights[fold] @ np.square(deviation).sum(1) / scale
        loss += (
            weights[fold]
            @ np.square(deviation - deviation @ directions @ directions.T).sum(1)
            / scale
        )
    return 1 - loss / baseline


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_folds", [1, 5])
def test_first_validation_score_is_that_of_pca_without_the_validation_set(
    n_folds, weighted, monkeypatch
):
    """The first validation score is that of PCA of the training samples."""
    n, seen = 40, []
    X = np.random.default_rng(0).normal(size=(n, 12)) + 3
    weights = np.arange(n) % 4 + 1.0 if weighted else np.ones(n)
    if n_folds == 1:
        val_indices, more = (
            [np.arange(0, n, 4)],
            {"net_params": {"callbacks": []}},
        )  # callbacks rule out folds
        monkeypatch.setattr(setup, "sample_indices", lambda *_: torch.from_numpy(val_indices[0]))
    else:
        make_folds, more = setup.make_folds, {}
        monkeypatch.setattr(
            setup, "make_folds", lambda *given: seen.append(given[1]) or make_folds(*given)
        )
    estimator = DenseAutoencoder(6, max_iter=1, random_state=0, **more)
    estimator.fit(X, sample_weight=weights if weighted else None)
    val_indices = val_indices if n_folds == 1 else [rows.numpy() for rows in seen[0]]
    assert estimator.n_folds_ == len(val_indices) == n_folds
    expected = explained_by_others(X, val_indices, weights, 6)
    assert estimator.validation_scores_[0] == pytest.approx(expected, abs=1e-4)
    assert expected < PCA(6).fit(X).explained_variance_ratio_.sum() - 0.05


def test_weights_enter_cross_validation():
    """Samples of negligible weight change neither cross-validation nor its scores."""
    X = low_rank(200, 5)
    # 1e-9 would shift the training by as much as a change of X by 1e-7, which training amplifies
    weights = np.where(np.arange(200) % 2, 1.0, 1e-12)
    strange = np.where(weights[:, None] == 1, X, X[::-1] + 5)
    settings = {"max_iter": 5, "random_state": 0, "batch_size": 50, "learning_rate_init": 5e-3}
    fitted, other = (
        DenseAutoencoder(2, **settings).fit(rows, sample_weight=weights) for rows in (X, strange)
    )
    assert fitted.n_folds_ > 1
    assert len(fitted.validation_scores_) > 2
    np.testing.assert_allclose(other.validation_scores_, fitted.validation_scores_, atol=1e-4)


@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
@pytest.mark.parametrize("n", [100, 1200])
def test_without_a_gain_the_result_is_pca(make, n):
    """On linear Gaussian data the initial network is kept: latent vectors are PCA scores up to sign."""
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


def test_a_gain_over_pca_is_kept():
    """On a curve the trained network is kept, and explains more variance of new samples than PCA."""
    X = curve(800)
    estimator = DenseAutoencoder(1, random_state=0, max_iter=60).fit(X[:600])
    assert estimator.best_iter_ > 0
    pca = PCA(1).fit(X[:600])
    pca_error = np.square(X[600:] - pca.inverse_transform(pca.transform(X[600:]))).mean()
    assert estimator.reconstruction_error(X[600:]).mean() < 0.7 * pca_error
    assert estimator.validation_scores_[-1] > estimator.validation_scores_[0]


@pytest.mark.parametrize("n", [60, 3100])
def test_mean_and_components_are_those_of_all_samples(n):
    """Validation samples select the epoch; mean and linear maps are those of all samples."""
    X = low_rank(n, 6)
    estimator = DenseAutoencoder(2, max_iter=1, random_state=0, learning_rate_init=1e-12).fit(X)
    pca = PCA(2).fit(X)
    np.testing.assert_allclose(
        estimator.reconstruct(X), pca.inverse_transform(pca.transform(X)), atol=2e-3
    )


def test_a_checkpoint_is_better_by_a_significant_gain():
    """A checkpoint is better if its gain exceeds a number of standard errors of the difference."""
    rng = np.random.default_rng(0)
    start = Checkpoint(0, rng.random(100) + 1, {})
    better = Checkpoint(3, start.losses - 0.1, {})
    noisy = Checkpoint(3, start.losses - 0.01 + rng.normal(size=100), {})
    assert better.is_better_than(start, 1.5)
    assert not start.is_better_than(better, 1.5)
    assert not noisy.is_better_than(start, 1.5)
    assert not start.is_better_than(start, 1.5)
    assert better.loss == pytest.approx(start.loss - 0.1)


@pytest.mark.parametrize("n", [3, 10, 400])
def test_min_gain_is_in_standard_errors(n):
    """The largest gain in standard errors is SciPy's t statistic of the paired losses."""
    rng = np.random.default_rng(n)
    start = Checkpoint(0, rng.random(n) + 1, {})
    better = Checkpoint(3, start.losses - 0.1 - 0.1 * rng.random(n), {})
    statistic = ttest_rel(start.losses, better.losses).statistic
    assert better.is_better_than(start, 0.999 * statistic)
    assert not better.is_better_than(start, 1.001 * statistic)


OBJECTIVES = {
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


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_only_plain_reconstruction_requires_a_significant_gain(objective, monkeypatch):
    """Plain reconstruction requires a gain of two standard errors; other objectives any gain."""
    monitors = []

    class Spy(EarlyStopping):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            monitors.append(self)

    monkeypatch.setattr(fit, "EarlyStopping", Spy)
    X = low_rank(60, 6)
    DenseAutoencoder(2, max_iter=1, random_state=0, **OBJECTIVES[objective]).fit(
        X, X[:, 0] if objective == "targets" else None
    )
    (monitor,) = monitors
    n = len(monitor.initial.losses)
    noise = np.random.default_rng(0).normal(size=n)
    noise = (noise - noise.mean()) / noise.std(ddof=1)
    selected_epochs = []
    for errors in (-0.5, 0.5, 1.9, 2.1):  # by how many standard errors the best epoch is better
        monitor.best = Checkpoint(1, monitor.initial.losses - noise - errors / np.sqrt(n), {})
        selected_epochs.append(monitor.best_or_initial().epoch)
    assert selected_epochs == ([0, 0, 0, 1] if objective == "reconstruction" else [0, 1, 1, 1])


def test_weights_between_initial_and_trained_are_evaluated(monkeypatch):
    """Interpolated weights are evaluated, and the trained weights are restored afterwards."""
    calls = []
    interpolated = EarlyStopping.interpolated

    def spy(self, weight):
        calls.append((weight, [tensor.detach().clone() for tensor in self.output_weights]))
        return interpolated(self, weight)

    monkeypatch.setattr(EarlyStopping, "interpolated", spy)
    DenseAutoencoder(2, max_iter=3, random_state=0).fit(low_rank(60, 6))
    interpolation_weights = {weight for weight, _ in calls}
    assert max(interpolation_weights) == 1
    assert 0 < min(interpolation_weights) < 1
    n = len(interpolation_weights)
    for start in range(0, len(calls), n):
        evaluation = calls[start : start + n]
        for _, trained in evaluation:
            assert all(torch.equal(a, b) for a, b in zip(trained, evaluation[0][1], strict=True))


def test_the_best_epoch_is_restored():
    """With a learning rate of 3, early stopping returns a result that is no worse than PCA."""
    X = low_rank(200, 6)
    estimator = DenseAutoencoder(2, max_iter=30, random_state=0, learning_rate_init=3.0).fit(X)
    pca = PCA(2).fit(X)
    pca_error = np.square(X - pca.inverse_transform(pca.transform(X))).mean()
    assert estimator.reconstruction_error(X).mean() <= 1.001 * pca_error
    assert estimator.best_loss_ < 2 * pca_error


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
@pytest.mark.parametrize("make", [DenseAutoencoder, ConvAutoencoder])
@pytest.mark.parametrize("unit", [1e-3, 1, 1e3])
def test_losses_are_in_units_of_x(make, loss, unit):
    """Training losses are in units of X."""
    X = low_rank(100, 9) * unit
    estimator = make(
        2, max_iter=2, random_state=0, early_stopping=False, loss=loss, learning_rate_init=1e-9
    ).fit(X)
    deviation = X - estimator.reconstruct(X)
    expected = np.square(deviation).mean() if loss == "squared_error" else np.abs(deviation).mean()
    np.testing.assert_allclose(estimator.loss_curve_, expected, rtol=1e-2)
    assert estimator.best_loss_ == pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
@pytest.mark.parametrize("n", [40, 450])
def test_losses_of_many_features_are_in_units_of_x(n, loss):
    """Losses are means over all features of X, however few principal coordinates the network is trained in."""
    X = 7 * np.random.default_rng(0).normal(size=(n, 600)) + 2
    settings = {
        "n_components": 2,
        "max_iter": 1,
        "random_state": 0,
        "learning_rate_init": 1e-9,
        "loss": loss,
    }
    for given, early_stopping in ((None, False), (X, True)):
        estimator = DenseAutoencoder(early_stopping=early_stopping, **settings).fit(X, X_val=given)
        deviation = X - estimator.reconstruct(X)
        expected = (
            np.square(deviation).mean() if loss == "squared_error" else np.abs(deviation).mean()
        )
        np.testing.assert_allclose(estimator.loss_curve_, expected, rtol=1e-3)
        assert estimator.best_loss_ == pytest.approx(expected, rel=1e-3)
    assert estimator.net_.module_.components.shape == (min(n - 1, 384), 600)


@pytest.mark.parametrize("n", [60, 3100])
def test_validation_scores_start_with_pca(n):
    """The first validation score is the share of variance that PCA explains."""
    X = low_rank(n, 6)
    estimator = DenseAutoencoder(3, max_iter=3, random_state=0).fit(X)
    scores = estimator.validation_scores_
    assert len(scores) >= 2
    assert scores[0] == pytest.approx(PCA(3).fit(X).explained_variance_ratio_.sum(), abs=0.08)


@pytest.mark.parametrize("n", [53, 60])
def test_the_loss_of_folds_is_the_mean_over_all_samples(n, monkeypatch):
    """The initial loss is the mean error of all samples under PCA of the other folds."""
    from skae._training import setup

    folds = []
    make_folds = setup.make_folds

    def spy(copies, val_indices, weights, prepare):
        folds.extend(rows.numpy() for rows in val_indices)
        return make_folds(copies, val_indices, weights, prepare)

    monkeypatch.setattr(setup, "make_folds", spy)
    X = low_rank(n, 6)
    estimator = DenseAutoencoder(2, max_iter=1, random_state=0, learning_rate_init=1e-12).fit(X)
    squares = []
    for rows in folds:
        others = np.delete(X, rows, axis=0)
        pca = PCA(2).fit(others)
        error = np.square(X[rows] - pca.inverse_transform(pca.transform(X[rows])))
        # each fold scales its rows by the standard deviation of the rows that it learns from
        squares.append(error * X.var(0).sum() / others.var(0).sum())
    assert estimator.best_loss_ == pytest.approx(np.concatenate(squares).mean(), rel=1e-3)


def test_an_insignificant_first_gain_does_not_end_the_training(monkeypatch):
    """Training continues after a small first gain, and the epoch with the lowest loss is kept."""
    from skae._training.early_stopping import EarlyStopping

    deviation = np.random.default_rng(0).normal(size=50)
    deviation -= deviation.mean()
    losses = [
        2 + 0 * deviation,
        1.95 + deviation,
        *(mean + 0.1 * deviation for mean in (1, 0.9, 1.1, 1.2)),
    ]
    assert not Checkpoint(1, losses[1], {}).is_better_than(Checkpoint(0, losses[0], {}), 2.0)
    monkeypatch.setattr(
        EarlyStopping, "evaluate", lambda self: (losses[self.epoch], losses[self.epoch])
    )
    estimator = DenseAutoencoder(2, max_iter=5, random_state=0).fit(low_rank(60, 6))
    assert estimator.n_iter_ == 4  # which has no better candidate
    assert estimator.best_iter_ == 3


def test_the_average_is_an_exponential_mean_of_the_weights():
    """The average moves by a quarter of all steps so far, and by 200 steps later."""
    module = torch.nn.Linear(1, 1, bias=False)
    average = WeightAverage(module)
    expected = float(module.weight.detach())
    for step in range(1, 1000):
        with torch.no_grad():
            module.weight.fill_(step)
        average.update(step)
        expected += (step - expected) / max(1.0, min(0.25 * step, 200))
    assert float(average.weights["weight"]) == pytest.approx(expected, rel=1e-5)
    assert 750 < expected < 850
    with average.applied():
        assert float(module.weight.detach()) == pytest.approx(expected, rel=1e-5)
    assert float(module.weight.detach()) == 999


def test_averaged_weights_are_candidates_of_long_trainings():
    """With a learning rate that is too high, the kept weights are an average, and no step's."""
    X = low_rank(4000, 20)
    model = DenseAutoencoder(4, max_iter=10, learning_rate_init=0.02, random_state=0).fit(X)
    curve = np.array(model.validation_scores_)
    assert model.n_folds_ == 1
    assert model.best_validation_score_ >= curve.max()


def test_longer_trainings_evaluate_the_ends_of_shorter_ones():
    """Evaluations are at the default number of epochs, at twice this number, and so on."""
    X = low_rank(4000, 20)
    default = DenseAutoencoder(4, random_state=0).fit(X).max_iter_
    model = DenseAutoencoder(4, max_iter=5 * default, random_state=0).fit(X)
    assert {default, 2 * default, 4 * default} <= set(model.validation_iters_)
