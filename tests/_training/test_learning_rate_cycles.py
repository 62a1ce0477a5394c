"""Tests of fits with more epochs than the default: cycles of the learning rate, and their selection."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from skae import DenseAutoencoder
from skae._training import fit
from skae._training.defaults import learning_rate_cycles, make_plan
from skae._training.early_stopping import EarlyStopping
from skae._training.learning_rate import learning_rate_factor, position_in_cycle

from ..cases import curve, low_rank


@pytest.fixture
def monitors(monkeypatch):
    """Return the list of the monitors of all fits, with their references by epoch."""
    seen = []

    class Spy(EarlyStopping):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.references = {}
            seen.append(self)

        def __call__(self, net):
            super().__call__(net)
            self.references[self.epoch] = self.best_or_initial()

    monkeypatch.setattr(fit, "EarlyStopping", Spy)
    return seen


def fit_on_split(X, **parameters):
    """Fit with a validation set of every fifth sample, and 16 default epochs for 100 samples."""
    is_validation = np.arange(len(X)) % 5 == 0
    settings = {"n_components": 2, "batch_size": 16, "random_state": 0} | parameters
    return DenseAutoencoder(**settings).fit(X[~is_validation], X_val=X[is_validation])


@pytest.mark.parametrize("epochs", [1, 2, 5, 9, 10, 11, 19, 20, 21, 39, 40, 100, 1000])
def test_cycles_end_at_the_default_and_at_the_last_epoch(epochs):
    """The first cycle is a default training; each later one is as long as all before it, or longer."""
    ends = learning_rate_cycles(epochs, 10)
    assert ends[0] == min(epochs, 10)
    assert ends[-1] == epochs
    assert all(later == 2 * earlier for earlier, later in pairwise(ends[:-1]))
    assert len(ends) == 1 or ends[-2] <= epochs / 2 or ends[-2] == 10


@pytest.mark.parametrize("n_folds", [1, 5])
def test_the_first_cycle_is_a_default_fit(n_folds, monitors):
    """Losses are equal to the bit, and the weights that a default fit keeps are a candidate."""
    X = curve(300)
    settings = {"n_components": 1, "batch_size": 60, "random_state": 0}
    if n_folds == 1:
        default = fit_on_split(X, **settings)
        longer = fit_on_split(X, **settings, max_iter=3 * default.max_iter_)
    else:
        default = DenseAutoencoder(**settings).fit(X)
        longer = DenseAutoencoder(**settings, max_iter=3 * default.max_iter_).fit(X)
    assert default.n_folds_ == longer.n_folds_ == n_folds
    n = default.n_iter_
    assert longer.n_iter_ > default.max_iter_
    np.testing.assert_array_equal(longer.loss_curve_[:n], default.loss_curve_)
    n_scores = len(default.validation_scores_)
    np.testing.assert_array_equal(longer.validation_scores_[:n_scores], default.validation_scores_)
    expected, kept = monitors[0].references[n], monitors[1].references[n]
    assert kept.epoch == expected.epoch == default.best_iter_ > 0
    for name, weight in expected.weights.items():
        assert torch.equal(kept.weights[name], weight), name


@pytest.mark.parametrize("learning_rate", ["auto", "cosine"])
def test_the_learning_rate_rises_again_after_the_default_epochs(learning_rate):
    """In each cycle it rises to its maximum and falls to zero."""
    n = fit_on_split(low_rank(125, 6)).max_iter_
    model = fit_on_split(low_rank(125, 6), max_iter=4 * n, learning_rate=learning_rate)
    rates = model.history_["learning_rate"][1:] / model.learning_rate_init_
    assert len(rates) == 4 * n
    ends = learning_rate_cycles(4 * n, n)
    assert len(ends) == 3
    for start, end in zip((0, *ends), ends, strict=False):
        cycle = rates[start:end]
        assert cycle.max() > 0.9
        assert cycle[-1] < 0.05
        assert 0.1 < cycle.argmax() / len(cycle) < 0.35


def test_the_schedule_of_one_cycle_is_that_of_all_steps():
    """With one cycle the position is the step, and the length is the number of steps."""
    for step in range(40):
        assert position_in_cycle(step, (40,)) == (step, 40)
    positions = [position_in_cycle(step, (10, 20, 40)) for step in range(40)]
    assert positions[:20] == 2 * [(step, 10) for step in range(10)]
    assert positions[20:] == [(step, 20) for step in range(20)]
    factors = [learning_rate_factor(*position, 0.25) for position in positions]
    assert factors[:10] == factors[10:20]


class Silent(Callback):
    """A callback that does nothing."""


@pytest.mark.parametrize(
    "parameters",
    [
        {"learning_rate": "constant"},
        {"net_params": {"callbacks": [Silent()]}},
        {"early_stopping": False},
    ],
    ids=["constant rate", "callback", "no validation"],
)
def test_there_is_one_cycle_without_a_schedule_or_a_validation_set(parameters):
    """Schedules of the user, callbacks and fits without validation have no second cycle."""
    X = low_rank(100, 6)
    settings = {"batch_size": 20, "max_iter": 60, "random_state": 0} | parameters
    model = DenseAutoencoder(2, **settings).fit(X)
    epochs = model.history_["epoch"] > 0
    rates = model.history_["learning_rate"][epochs] / model.learning_rate_init_
    assert (np.diff(rates[20:]) <= 0).all()


def test_large_data_has_one_cycle():
    """Up to 3,000 samples, trainings of more than the default number of epochs have cycles."""
    settings = {"batch_size": 50, "max_iter": 1000, "learning_rate_init": "auto"}
    settings |= {"early_stopping": True, "cross_validation": True, "convolutional": False}
    small, large = (make_plan(n, 20, 128, **settings) for n in (3000, 3001))
    assert small.cycle_ends == learning_rate_cycles(1000, small.default_epochs)
    assert len(small.cycle_ends) > 2
    assert large.cycle_ends == (1000,)


def train_with_losses(losses, monkeypatch, **parameters):
    """Fit 60 samples with given validation losses by epoch; the default number of epochs is 4."""
    monkeypatch.setattr(
        EarlyStopping, "evaluate", lambda self: (losses[self.epoch], losses[self.epoch])
    )
    settings = {"batch_size": 2, "random_state": 0} | parameters
    return DenseAutoencoder(2, **settings).fit(low_rank(60, 6))


def noise_of(n=60):
    """Return noise with mean 0 and standard deviation 1."""
    noise = np.random.default_rng(0).normal(size=n)
    return (noise - noise.mean()) / noise.std(ddof=1)


@pytest.mark.parametrize(("gain_in_standard_errors", "expected"), [(1.9, 4), (2.1, 8)])
def test_a_later_cycle_needs_a_significant_gain(gain_in_standard_errors, expected, monkeypatch):
    """The weights of a fit with fewer epochs are kept unless later ones are significantly better."""
    noise = noise_of()
    gains = gain_in_standard_errors / np.sqrt(60) + noise
    losses = [np.full(60, mean) for mean in (20.0, 19.0, 18.0, 17.0, 16.0, 30.0, 30.0, 30.0)]
    losses.append(16.0 - gains)
    model = train_with_losses(losses, monkeypatch, max_iter=8)
    assert model.n_iter_ == 8
    assert model.best_iter_ == expected


def test_a_useless_first_cycle_does_not_end_the_training(monkeypatch):
    """Folds that gain nothing in the first cycle are trained to the end of the second one."""
    losses = [np.full(60, 20.0), *[np.full(60, 30.0)] * 15, np.full(60, 10.0)]
    model = train_with_losses(losses, monkeypatch, max_iter=16)
    assert model.n_iter_ == 8
    assert model.best_iter_ == 0
    losses[8] = np.full(60, 15.0)
    model = train_with_losses(losses, monkeypatch, max_iter=16)
    assert (model.n_iter_, model.best_iter_) == (16, 16)


def test_an_insignificant_first_cycle_is_not_kept_by_a_longer_fit(monkeypatch):
    """Where the default fit keeps PCA, a longer fit does so, too, if it gains nothing."""
    noise = noise_of()
    losses = [np.full(60, 20.0)] + [20.0 - 1.5 / np.sqrt(60) - noise for _ in range(8)]
    for max_iter in (4, 8):
        assert train_with_losses(losses, monkeypatch, max_iter=max_iter).best_iter_ == 0
